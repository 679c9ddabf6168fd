/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LIB_CALL_H
#define LIB_CALL_H

#include <assert.h>
#include <errno.h>

#include <sys/ioctl.h>

/* What goes to the kernel, or comes from it, as it is */
#define LIB_SAME(ours, kernels) static_assert((ours) == (kernels), #ours)

/* Return: what the ioctl returns, or a negative errno. */
static inline int lib_call(int fd, unsigned long command, void *argument)
{
	int rc = ioctl(fd, command, argument);

	return rc < 0 ? -errno : rc;
}

#endif
