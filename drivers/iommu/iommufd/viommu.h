/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vIOMMU object: a share of a hardware IOMMU, for one guest
 */
#ifndef __IOMMUFD_VIOMMU_H
#define __IOMMUFD_VIOMMU_H

#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>

#include "device.h"
#include "object.h"

struct iommufd_call;

extern const struct iommufd_object_ops iommufd_viommu_object_ops;

static inline struct iommufd_viommu *to_viommu(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_viommu, obj);
}

static inline struct iommufd_viommu *
iommufd_viommu_get(struct iommufd_ctx *ctx, u32 id)
{
	struct iommufd_object *obj = iommufd_object_get(ctx, id,
							IOMMUFD_OBJ_VIOMMU);

	return IS_ERR(obj) ? ERR_CAST(obj) : to_viommu(obj);
}

/* Is the IOMMU in front of the device the one that is shared out? */
static inline bool iommufd_viommu_is_of(const struct iommufd_viommu *viommu,
					const struct iommufd_device *idev)
{
	return idev->dev->iommu->iommu_dev == viommu->iommu_dev;
}

int iommufd_viommu_alloc_ioctl(struct iommufd_call *call);

#endif
