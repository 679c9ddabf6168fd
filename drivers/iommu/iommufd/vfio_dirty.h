/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty bitmap of VFIO's type1 IOMMU driver
 */
#ifndef __IOMMUFD_VFIO_DIRTY_H
#define __IOMMUFD_VFIO_DIRTY_H

#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_hwpt_paging;
struct iommufd_ioas;
struct vfio_bitmap;

/* What a bitmap of INT_MAX pages takes: VFIO's own has no more either. */
#define IOMMUFD_VFIO_DIRTY_BITMAP_MAX ((u64)BIT(28))

bool iommufd_vfio_dirty_works(struct iommufd_ioas *ioas);
int iommufd_vfio_dirty_read(struct iommufd_ctx *ctx, struct iommufd_ioas *ioas,
			    u64 iova, u64 length,
			    const struct vfio_bitmap *bitmap);
int iommufd_vfio_dirty_pages_ioctl(struct iommufd_ctx *ctx, void __user *user);

int iommufd_vfio_dirty_enter(struct iommufd_hwpt_paging *hwpt);
void iommufd_vfio_dirty_leave(struct iommufd_ioas *ioas);

#endif
