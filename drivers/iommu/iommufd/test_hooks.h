/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the test device and the subsystem reach into each other
 *
 * With CONFIG_IOMMUFD_TEST, points at which something may fail ask
 * iommufd_should_fail(), and steps that need scratch memory take no more of it
 * than iommufd_scratch_limit(). Without it all of these are constants.
 */
#ifndef __IOMMUFD_TEST_HOOKS_H
#define __IOMMUFD_TEST_HOOKS_H

#include <linux/errno.h>
#include <linux/sizes.h>
#include <linux/types.h>

struct device;
struct dma_buf_attachment;
struct iommufd_call;
struct iommufd_ctx;
struct phys_vec;

/* Scratch memory of one step of a map, fill or unmap, in bytes */
#define IOMMUFD_SCRATCH_DEFAULT SZ_64K

#ifdef CONFIG_IOMMUFD_TEST
bool iommufd_should_fail(void);
size_t iommufd_scratch_limit(void);

bool iommufd_test_is_mock_device(const struct device *dev);
int iommufd_test_dma_buf_iommufd_map(struct dma_buf_attachment *attachment,
				     struct phys_vec *phys);
void iommufd_test_syz_iova(struct iommufd_ctx *ctx, u32 ioas_id, u64 *iova,
			   u32 *flags);

int iommufd_test_ioctl(struct iommufd_call *call);
int iommufd_test_init(void);
void iommufd_test_exit(void);
#else
static inline bool iommufd_should_fail(void)
{
	return false;
}

static inline size_t iommufd_scratch_limit(void)
{
	return IOMMUFD_SCRATCH_DEFAULT;
}

static inline bool iommufd_test_is_mock_device(const struct device *dev)
{
	return false;
}

static inline int
iommufd_test_dma_buf_iommufd_map(struct dma_buf_attachment *attachment,
				 struct phys_vec *phys)
{
	return -EOPNOTSUPP;
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
