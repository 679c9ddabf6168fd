/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dirty tracking: which memory devices have written to
 */
#ifndef __IOMMUFD_DIRTY_H
#define __IOMMUFD_DIRTY_H

#include <linux/types.h>

struct iommu_hwpt_get_dirty_bitmap;
struct iommufd_call;
struct iommufd_hwpt_paging;
struct iommufd_ioas;

int iommufd_dirty_set_tracking(struct iommufd_hwpt_paging *hwpt, bool enable);
int iommufd_dirty_get_bitmap(struct iommufd_hwpt_paging *hwpt,
			     const struct iommu_hwpt_get_dirty_bitmap *cmd);
int iommufd_dirty_mark_mapped(struct iommufd_ioas *ioas,
			      const struct iommu_hwpt_get_dirty_bitmap *cmd);

int iommufd_hwpt_set_dirty_tracking_ioctl(struct iommufd_call *call);
int iommufd_hwpt_get_dirty_bitmap_ioctl(struct iommufd_call *call);

#endif
