/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HWPT_ALLOC: page tables that user space makes
 */
#ifndef __IOMMUFD_HWPT_ALLOC_H
#define __IOMMUFD_HWPT_ALLOC_H

struct iommufd_call;

int iommufd_hwpt_alloc_ioctl(struct iommufd_call *call);

#endif
