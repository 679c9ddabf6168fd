/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dirty tracking: which memory devices have written to
 */
#ifndef __IOMMUFD_DIRTY_H
#define __IOMMUFD_DIRTY_H

struct iommufd_call;

int iommufd_hwpt_set_dirty_tracking_ioctl(struct iommufd_call *call);
int iommufd_hwpt_get_dirty_bitmap_ioctl(struct iommufd_call *call);

#endif
