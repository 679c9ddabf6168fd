/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions that do nothing, to tell a profiler in the machine's emulator
 * (scripts/profile-plugin.c) which stretches of a run it is to look at.
 */
#ifndef PROFILE_MARK_H
#define PROFILE_MARK_H

#define PROFILE_MARK_BEGIN 0x1dea7000
#define PROFILE_MARK_END 0x1dea7001
/* The stretch that ended last counts, as one of the first or second kind. */
#define PROFILE_MARK_KEEP_0 0x1dea7010
#define PROFILE_MARK_KEEP_1 0x1dea7011

#ifdef __x86_64__
#define profile_mark(mark) \
	({ asm volatile("nopl %c0(%%rax,%%rax)" : : "i" (mark) : "memory"); })
#else
#define profile_mark(mark) ((void)(mark))
#endif

#endif
