/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PASID objects: PASIDs that the kernel has chosen
 */
#ifndef __IOMMUFD_PASID_H
#define __IOMMUFD_PASID_H

#include <linux/iommu.h>
#include <linux/xarray.h>

#include "device.h"
#include "object.h"

struct iommufd_call;

/**
 * struct iommufd_pasid - a PASID that the kernel has chosen
 * @obj: the object
 * @idev: the device that it was chosen for, NULL when that has gone; guarded by
 *        iommufd_ctx::groups_lock
 * @pasid: the PASID
 */
struct iommufd_pasid {
	struct iommufd_object obj;
	struct iommufd_device *idev;
	u32 pasid;
};

/* Does user space let the kernel choose the PASIDs of the group? */
static inline bool iommufd_group_has_pasids(struct iommufd_group *group)
{
	unsigned long first = 0;

	return xa_find(&group->pasids, &first, ULONG_MAX, XA_PRESENT);
}

extern const struct iommufd_object_ops iommufd_pasid_object_ops;

int iommufd_pasid_check(struct iommufd_device *idev, ioasid_t pasid);
void iommufd_device_forget_pasids(struct iommufd_device *idev);

int iommufd_pasid_alloc_ioctl(struct iommufd_call *call);

#endif
