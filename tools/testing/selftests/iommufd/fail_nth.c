// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "checked_io.h"
#include "fail_nth.h"

#define DEBUGFS "/sys/kernel/debug/"

/* Failures that may be slept on too, and no stack in the log for each. */
static int arm_points(void)
{
	int rc;

	rc = file_write(DEBUGFS "failslab/ignore-gfp-wait", "N");
	if (rc)
		return rc;
	file_write(DEBUGFS "failslab/verbose", "0");
	/* Not every kernel has these. */
	file_write(DEBUGFS "fail_iommufd/verbose", "0");
	file_write(DEBUGFS "fail_page_alloc/verbose", "0");
	file_write(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	file_write(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	file_write(DEBUGFS "fail_page_alloc/min-order", "0");
	file_write(DEBUGFS "fail_usercopy/verbose", "0");
	return 0;
}

int fail_nth_open(void)
{
	int fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	int rc;

	if (fail_nth < 0)
		return -errno;
	rc = arm_points();
	if (rc) {
		close(fail_nth);
		return rc;
	}
	return fail_nth;
}

void fail_nth_set(int fail_nth, int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", nth);

	if (write(fail_nth, text, length) != length)
		abort();
}

bool fail_nth_happened(int fail_nth)
{
	char text[16] = "";
	bool happened = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 &&
			atoi(text) == 0;

	/*
	 * The question itself may be what fails, and then nothing has before;
	 * the counter is 0 then anyway.
	 */
	if (write(fail_nth, "0", 1) < 0)
		return false;
	return happened;
}

int fail_all_open(void)
{
	int fail_all = open("/proc/thread-self/make-it-fail",
			    O_RDWR | O_CLOEXEC);
	int rc;

	if (fail_all < 0)
		return -errno;
	rc = arm_points();
	if (!rc)
		rc = file_write(DEBUGFS "failslab/task-filter", "Y");
	if (!rc)
		rc = file_write(DEBUGFS "failslab/times", "-1");
	if (!rc)
		rc = file_write(DEBUGFS "failslab/probability", "100");
	if (rc) {
		close(fail_all);
		return rc;
	}
	return fail_all;
}

void fail_all_set(int fail_all, bool fail)
{
	if (pwrite(fail_all, fail ? "1" : "0", 1, 0) != 1)
		abort();
}

void fail_all_close(int fail_all)
{
	file_write(DEBUGFS "failslab/probability", "0");
	file_write(DEBUGFS "failslab/task-filter", "N");
	close(fail_all);
}

bool is_injected_failure(int rc, struct own_errors *own)
{
	size_t i;

	if (rc == -ENOMEM || rc == -EFAULT)
		return true;
	for (i = 0; rc < 0 && i < OWN_ERRORS_MAX; i++)
		if (own->errors[i] == rc)
			return own->seen[i] = true;
	return false;
}

int own_error_missed(const struct own_errors *own)
{
	size_t i;

	for (i = 0; i < OWN_ERRORS_MAX; i++)
		if (own->errors[i] && !own->seen[i])
			return own->errors[i];
	return 0;
}

bool is_injected_failure_without_memory(int rc)
{
	return rc == -EFAULT || rc == -ENOENT;
}
