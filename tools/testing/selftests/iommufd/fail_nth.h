/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One failure, of the thread's own, at a place of one's choice: the nth
 * allocation from now, copy from or to user space, or point of iommufd's own.
 */
#ifndef FAIL_NTH_H
#define FAIL_NTH_H

#include <stdbool.h>

/*
 * Returns a descriptor for the functions below, for the calling thread; a
 * negative errno if the kernel cannot let calls fail.
 */
int fail_nth_open(void);
/* 1 is the next one, 0 none. */
void fail_nth_set(int fail_nth, int nth);
/* Has something failed since? Nothing will any more. */
bool fail_nth_happened(int fail_nth);
/*
 * As fail_nth_open(), to let all small allocations of the calling thread fail.
 * Few system calls work then: neither open() nor close().
 */
int fail_all_open(void);
void fail_all_set(int fail_all, bool fail);
/* What is set up is for the whole system: others would meet it. */
void fail_all_close(int fail_all);
/* What calls make of a failure */
bool is_injected_failure(int rc);
/* What those make of it that need no memory: to copy or to find fails. */
bool is_injected_failure_without_memory(int rc);

#endif
