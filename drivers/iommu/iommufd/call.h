/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One ioctl on /dev/iommu while it runs
 */
#ifndef __IOMMUFD_CALL_H
#define __IOMMUFD_CALL_H

#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_object;

/**
 * struct iommufd_call - an ioctl
 * @ctx: the context
 * @user: the structure in user memory
 * @user_size: its size as user space knows it
 * @known_size: its size as this kernel knows it
 * @arg: the structure in kernel memory, zeroes where user space knows less
 * @created: an object that becomes visible when the ioctl succeeds and is
 *           destroyed when it fails
 */
struct iommufd_call {
	struct iommufd_ctx *ctx;
	void __user *user;
	u32 user_size;
	u32 known_size;
	void *arg;
	struct iommufd_object *created;
};

int iommufd_call_reply(struct iommufd_call *call);
int iommufd_call_reply_u64(struct iommufd_call *call, const __u64 *field);

#endif
