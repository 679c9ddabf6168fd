/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Invalidation of what hardware has cached of a guest's page tables
 */
#ifndef __IOMMUFD_INVALIDATE_H
#define __IOMMUFD_INVALIDATE_H

struct iommufd_call;

int iommufd_hwpt_invalidate_ioctl(struct iommufd_call *call);

#endif
