/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions that do nothing, to tell a profiler in the machine's emulator
 * (scripts/profile-plugin.c) which stretches of a run it is to look at.
 */
#ifndef PROFILE_MARK_H
#define PROFILE_MARK_H

#define PROFILE_MARK_BEGIN 0x1dea7000
#define PROFILE_MARK_END 0x1dea7001
/* The stretch that ended last counts, as one of this kind. */
#define PROFILE_MARK_KEEP(kind) (0x1dea7010 + (kind))
#define PROFILE_KINDS 4

#ifdef __x86_64__
#define profile_mark(mark) \
	({ asm volatile("nopl %c0(%%rax,%%rax)" : : "i" (mark) : "memory"); })
#else
#define profile_mark(mark) ((void)(mark))
#endif

#endif
