/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the test device reaches into the engine
 *
 * With CONFIG_IOMMUFD_TEST, points at which something may fail ask
 * iommufd_should_fail(), and steps that need scratch memory take no more of it
 * than iommufd_scratch_limit(). Without it all of these are constants.
 */
#ifndef __IOMMUFD_ENGINE_TEST_HOOKS_H
#define __IOMMUFD_ENGINE_TEST_HOOKS_H

#include <linux/errno.h>
#include <linux/sizes.h>
#include <linux/types.h>

struct dma_buf_attachment;
struct phys_vec;

/* Scratch memory of one step of a map, fill or unmap, in bytes */
#define IOMMUFD_SCRATCH_DEFAULT SZ_64K

#ifdef CONFIG_IOMMUFD_TEST
bool iommufd_should_fail(void);
size_t iommufd_scratch_limit(void);

int iommufd_test_dma_buf_iommufd_map(struct dma_buf_attachment *attachment,
				     struct phys_vec *phys);
#else
static inline bool iommufd_should_fail(void)
{
	return false;
}

static inline size_t iommufd_scratch_limit(void)
{
	return IOMMUFD_SCRATCH_DEFAULT;
}

static inline int
iommufd_test_dma_buf_iommufd_map(struct dma_buf_attachment *attachment,
				 struct phys_vec *phys)
{
	return -EOPNOTSUPP;
}
#endif

#endif
