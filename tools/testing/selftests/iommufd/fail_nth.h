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

#define OWN_ERRORS_MAX 3

/*
 * What a call makes of failures at points of iommufd's own, besides -ENOMEM and
 * -EFAULT: -ENOENT where an object is to be found, -EINVAL where the regions of
 * a device are to be reserved.
 */
struct own_errors {
	int errors[OWN_ERRORS_MAX];
	bool seen[OWN_ERRORS_MAX];
};

#define OWN_ERRORS(...) ((struct own_errors){ .errors = { __VA_ARGS__ } })

/* Is it -ENOMEM, -EFAULT, or one of @own, which counts as seen then? */
bool is_injected_failure(int rc, struct own_errors *own);
/*
 * Returns one that was not seen, or 0. What the kernel allocates now and then
 * for itself moves the points behind it: this is for calls that come to theirs
 * before they take memory.
 */
int own_error_missed(const struct own_errors *own);
/* What those make of it that need no memory: to copy or to find fails. */
bool is_injected_failure_without_memory(int rc);

#endif
