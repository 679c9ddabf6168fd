/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the test device and the subsystem reach into each other
 *
 * Without CONFIG_IOMMUFD_TEST all of these do nothing. What the engine needs is
 * in engine/test_hooks.h.
 */
#ifndef __IOMMUFD_TEST_HOOKS_H
#define __IOMMUFD_TEST_HOOKS_H

#include <linux/types.h>

#include "engine/test_hooks.h"

struct device;
struct iommufd_call;
struct iommufd_ctx;
struct iommufd_object_ops;

#ifdef CONFIG_IOMMUFD_TEST
bool iommufd_test_is_mock_device(const struct device *dev);
void iommufd_test_syz_iova(struct iommufd_ctx *ctx, u32 ioas_id, u64 *iova,
			   u32 *flags);

extern const struct iommufd_object_ops iommufd_test_object_ops;

int iommufd_test_ioctl(struct iommufd_call *call);
int iommufd_test_init(void);
void iommufd_test_exit(void);
#else
static inline bool iommufd_test_is_mock_device(const struct device *dev)
{
	return false;
}

static inline void iommufd_test_syz_iova(struct iommufd_ctx *ctx, u32 ioas_id,
					 u64 *iova, u32 *flags)
{
}

static inline int iommufd_test_init(void)
{
	return 0;
}

static inline void iommufd_test_exit(void)
{
}
#endif

#endif
