/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups: what the devices of an iommu_group have in common
 */
#ifndef __IOMMUFD_GROUP_H
#define __IOMMUFD_GROUP_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "sw_msi_window.h"

struct iommu_group;
struct iommufd_ctx;
struct iommufd_device;

/**
 * struct iommufd_group - an iommu_group, as far as one context uses it
 * @refs: bound devices; goes to zero under iommufd_ctx::groups_lock
 * @ctx: the context
 * @group: the group; NULL for a device that has no IOMMU, and so this for
 *         itself
 * @lock: guards @attachments and their members
 * @attachments: struct iommufd_attachment by PASID
 * @pasids: struct iommufd_group_pasid by PASID, those that the kernel has
 *          chosen; guarded by iommufd_ctx::groups_lock
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
 * struct iommufd_group_pasid - a PASID that the kernel has chosen
 * @group: the group that it was chosen in, NULL when the device has gone;
 *         guarded by iommufd_ctx::groups_lock
 * @idev: the device that it was chosen for
 * @pasid: the PASID
 */
struct iommufd_group_pasid {
	struct iommufd_group *group;
	const struct iommufd_device *idev;
	u32 pasid;
};

static inline bool iommufd_group_has_iommu(const struct iommufd_group *group)
{
	return group->group;
}

struct iommufd_group *iommufd_group_get(struct iommufd_ctx *ctx,
					struct iommu_group *iommu_group);
struct iommufd_group *iommufd_group_of_none(struct iommufd_ctx *ctx);
void iommufd_group_put(struct iommufd_group *group);

/* Does user space let the kernel choose the PASIDs of the group? */
static inline bool iommufd_group_has_pasids(struct iommufd_group *group)
{
	unsigned long first = 0;

	return xa_find(&group->pasids, &first, ULONG_MAX, XA_PRESENT);
}

int iommufd_group_choose_pasid(struct iommufd_group *group,
			       const struct iommufd_device *idev,
			       struct iommufd_group_pasid *pasid, u32 first,
			       u32 last);
bool iommufd_group_pasid_is_attached(const struct iommufd_group_pasid *pasid);
void iommufd_group_return_pasid(struct iommufd_ctx *ctx,
				struct iommufd_group_pasid *pasid);
void iommufd_group_return_pasids_of(struct iommufd_group *group,
				    const struct iommufd_device *idev);

#endif
