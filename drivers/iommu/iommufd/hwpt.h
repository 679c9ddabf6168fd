/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables that follow an IOAS
 *
 * The in-kernel API points to struct iommufd_hwpt_paging: its name is the base
 * kernel's.
 */
#ifndef __IOMMUFD_HWPT_H
#define __IOMMUFD_HWPT_H

#include <linux/bitmap.h>

#include "engine/address_space.h"
#include "dirty_owed.h"
#include "hw_pagetable.h"
#include "object.h"
#include "sw_msi_window.h"

struct iommu_user_data;
struct iommufd_device;
struct iommufd_ioas;

/**
 * struct iommufd_hwpt_paging - a page table that follows an IOAS
 * @common: the common part
 * @ioas: the IOAS, of which the page table holds a long-term reference
 * @nest_parent: nested page tables may be made on it
 * @follower: the page table in the IOAS's address space
 * @auto_node: in iommufd_ioas::auto_hwpts when the page table was made
 *             automatically, else empty
 * @enforce_cache_coherency: no DMA bypasses the CPU caches
 * @owed: what readers of its dirty state have not been told of yet
 * @sw_msi_present: MSI doorbells that are mapped; guarded by
 *                  iommufd_ctx::sw_msi_lock
 */
struct iommufd_hwpt_paging {
	struct iommufd_hw_pagetable common;
	struct iommufd_ioas *ioas;
	struct iommufd_follower follower;
	struct list_head auto_node;
	bool nest_parent;
	bool enforce_cache_coherency;
	struct iommufd_owed owed;
	DECLARE_BITMAP(sw_msi_present, IOMMUFD_SW_MSI_MAX);
};

static inline struct iommufd_hwpt_paging *
to_hwpt_paging(struct iommufd_hw_pagetable *hwpt)
{
	return container_of(hwpt, struct iommufd_hwpt_paging, common);
}

static inline struct iommufd_hwpt_paging *
iommufd_hwpt_of_follower(struct iommufd_follower *follower)
{
	return container_of(follower, struct iommufd_hwpt_paging, follower);
}

static inline struct iommufd_hwpt_paging *
iommufd_hwpt_paging_get(struct iommufd_ctx *ctx, u32 id)
{
	struct iommufd_object *obj;

	obj = iommufd_object_get(ctx, id, IOMMUFD_OBJ_HWPT_PAGING);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	return to_hwpt_paging(to_hwpt(obj));
}

/*
 * May the driver of these operations use the page table as a parent? Drivers do
 * not check whether it is one of their own.
 */
static inline bool
iommufd_hwpt_is_nest_parent_of(const struct iommufd_hwpt_paging *hwpt,
			       const struct iommu_ops *ops)
{
	return hwpt->nest_parent && hwpt->common.domain->owner == ops;
}

extern const struct iommufd_object_ops iommufd_hwpt_paging_object_ops;

struct iommufd_hwpt_paging *
iommufd_hwpt_create(struct iommufd_ioas *ioas, struct iommufd_device *idev,
		    u32 flags, const struct iommu_user_data *data);
void iommufd_hwpt_release(struct iommufd_hw_pagetable *hwpt);

#endif
