/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PASID objects: PASIDs that the kernel has chosen
 */
#ifndef __IOMMUFD_PASID_H
#define __IOMMUFD_PASID_H

#include <linux/iommu.h>

struct iommufd_call;
struct iommufd_device;
struct iommufd_object_ops;

extern const struct iommufd_object_ops iommufd_pasid_object_ops;

int iommufd_pasid_check(struct iommufd_device *idev, ioasid_t pasid);

int iommufd_pasid_alloc_ioctl(struct iommufd_call *call);

#endif
