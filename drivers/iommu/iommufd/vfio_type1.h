/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls of VFIO's type1 IOMMU driver
 */
#ifndef __IOMMUFD_VFIO_TYPE1_H
#define __IOMMUFD_VFIO_TYPE1_H

#include <linux/compiler_types.h>

struct iommufd_ctx;

int iommufd_vfio_get_info_ioctl(struct iommufd_ctx *ctx, void __user *user);
int iommufd_vfio_map_dma_ioctl(struct iommufd_ctx *ctx, void __user *user);
int iommufd_vfio_unmap_dma_ioctl(struct iommufd_ctx *ctx, void __user *user);

#endif
