/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices and their groups
 */
#ifndef __IOMMUFD_DEVICE_H
#define __IOMMUFD_DEVICE_H

#include <linux/iommu.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "object.h"
#include "sw_msi.h"

struct iommu_group;

/**
 * struct iommufd_group - an iommu_group, as far as one context uses it
 * @refs: bound devices; goes to zero under iommufd_ctx::groups_lock
 * @ctx: the context
 * @group: the group
 * @lock: guards @attachments and their members
 * @attachments: struct iommufd_attachment by PASID
 * @pasids: struct iommufd_pasid by PASID, those that the kernel has chosen;
 *          guarded by iommufd_ctx::groups_lock
 * @sw_msi: where its MSI doorbells are
 */
struct iommufd_group {
	struct kref refs;
	struct iommufd_ctx *ctx;
	struct iommu_group *group;
	struct mutex lock;		/* attachments */
	struct xarray attachments;
	struct xarray pasids;
	struct iommufd_sw_msi_window sw_msi;
};

/**
 * struct iommufd_device - a device that a driver has bound to a context
 * @obj: the object
 * @ctx: the context, of which the device holds a reference
 * @group: its group
 * @dev: the device
 * @enforce_cache_coherency: its page tables are to enforce coherency
 */
struct iommufd_device {
	struct iommufd_object obj;
	struct iommufd_ctx *ctx;
	struct iommufd_group *group;
	struct device *dev;
	bool enforce_cache_coherency;
};

static inline struct iommufd_device *
iommufd_device_get(struct iommufd_ctx *ctx, u32 id)
{
	struct iommufd_object *obj = iommufd_object_get(ctx, id,
							IOMMUFD_OBJ_DEVICE);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iommufd_device, obj);
}

extern const struct iommufd_object_ops iommufd_device_object_ops;

#endif
