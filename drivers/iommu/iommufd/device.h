/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices, their groups, and what they are attached to
 */
#ifndef __IOMMUFD_DEVICE_H
#define __IOMMUFD_DEVICE_H

#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "hwpt.h"
#include "object.h"

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
 * @sw_msi_start: first IOVA of the window for MSI doorbells, PHYS_ADDR_MAX as
 *                long as the group has none; written under
 *                iommufd_ctx::sw_msi_lock and @lock, either is enough to read
 * @sw_msi_length: how many bytes the window has; likewise
 * @sw_msi_required: doorbells that the group's interrupts use; guarded by
 *                   iommufd_ctx::sw_msi_lock
 * @sw_msi_next: the page table that the group is moving to, else NULL; likewise
 */
struct iommufd_group {
	struct kref refs;
	struct iommufd_ctx *ctx;
	struct iommu_group *group;
	struct mutex lock;		/* attachments */
	struct xarray attachments;
	struct xarray pasids;
	phys_addr_t sw_msi_start;
	size_t sw_msi_length;
	DECLARE_BITMAP(sw_msi_required, IOMMUFD_SW_MSI_MAX);
	struct iommufd_hwpt_paging *sw_msi_next;
};

/**
 * struct iommufd_attachment - a page table and the devices of a group on it
 * @handle: how the IOMMU core knows the attachment
 * @group: the group
 * @pasid: which DMA of the devices
 * @hwpt: the page table, of which the attachment holds a long-term reference
 * @devices: struct iommufd_device by object ID; not empty
 */
struct iommufd_attachment {
	struct iommu_attach_handle handle;
	struct iommufd_group *group;
	ioasid_t pasid;
	struct iommufd_hw_pagetable *hwpt;
	struct xarray devices;
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

void iommufd_device_destroy(struct iommufd_ctx *ctx,
			    struct iommufd_object *obj);

int iommufd_device_reserve(struct iommufd_device *idev,
			   struct iommufd_ioas *ioas);
void iommufd_device_unreserve(struct iommufd_device *idev,
			      struct iommufd_ioas *ioas);
int iommufd_msi_window_reserve(struct iommufd_attachment *attachment);
void iommufd_msi_window_release(struct iommufd_attachment *attachment);

#if IS_ENABLED(CONFIG_IRQ_MSI_IOMMU)
int iommufd_sw_msi_prepare(struct iommufd_group *group,
			   struct iommufd_hwpt_paging *hwpt);
void iommufd_sw_msi_settle(struct iommufd_group *group);
bool iommufd_sw_msi_is_in(struct iommufd_group *group,
			  struct iommufd_hwpt_paging *hwpt);
void iommufd_sw_msi_forget(struct iommufd_ctx *ctx);
#else
static inline int iommufd_sw_msi_prepare(struct iommufd_group *group,
					 struct iommufd_hwpt_paging *hwpt)
{
	return 0;
}

static inline void iommufd_sw_msi_settle(struct iommufd_group *group)
{
}

static inline bool iommufd_sw_msi_is_in(struct iommufd_group *group,
					struct iommufd_hwpt_paging *hwpt)
{
	return false;
}

static inline void iommufd_sw_msi_forget(struct iommufd_ctx *ctx)
{
}
#endif

#endif
