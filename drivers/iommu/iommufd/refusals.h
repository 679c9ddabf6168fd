/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was refused to a file, and why
 */
#ifndef __IOMMUFD_REFUSALS_H
#define __IOMMUFD_REFUSALS_H

#include <linux/err.h>
#include <linux/types.h>

#include "engine/why.h"

struct iommufd_call;
struct iommufd_ctx;
struct seq_file;

int __iommufd_refused(struct iommufd_ctx *ctx, u32 command, int rc) __cold;
void iommufd_refusals_free(struct iommufd_ctx *ctx);
void iommufd_refusals_show(struct seq_file *seq, struct iommufd_ctx *ctx);

/**
 * iommufd_refused - end a call that may have failed
 * @ctx: the context
 * @command: what was asked for: the number of an ioctl, or an enum
 *           iommu_refused_command
 * @rc: a refusal, an errno, or 0 or more, which is no failure
 *
 * Context: process context, may sleep.
 * Return: what the caller is told: an errno, or @rc if it is none.
 */
static inline int iommufd_refused(struct iommufd_ctx *ctx, u32 command, int rc)
{
	return rc < 0 ? __iommufd_refused(ctx, command, rc) : rc;
}

/**
 * iommufd_refused_ptr - end a call that has failed, and returns a pointer
 * @ctx: the context
 * @command: what was asked for
 * @ptr: an ERR_PTR() of a refusal or an errno
 *
 * Return: an ERR_PTR() of an errno.
 */
static inline void *iommufd_refused_ptr(struct iommufd_ctx *ctx, u32 command,
					const void *ptr)
{
	return ERR_PTR(iommufd_refused(ctx, command, PTR_ERR(ptr)));
}

int iommufd_get_refusals_ioctl(struct iommufd_call *call);

#endif
