/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested page tables: filled by a guest, on a parent that the kernel fills
 */
#ifndef __IOMMUFD_HWPT_NESTED_H
#define __IOMMUFD_HWPT_NESTED_H

#include "hwpt.h"
#include "object.h"

struct iommu_user_data;
struct iommufd_device;
struct iommufd_viommu;

/**
 * struct iommufd_hwpt_nested - a page table that a guest fills
 * @common: the common part; always made by user space
 * @parent: translates the addresses that come out of this page table
 * @viommu: the vIOMMU that it was made on, whose parent is @parent; or NULL. It
 *          holds a long-term reference of this, or of @parent without.
 */
struct iommufd_hwpt_nested {
	struct iommufd_hw_pagetable common;
	struct iommufd_hwpt_paging *parent;
	struct iommufd_viommu *viommu;
};

static inline struct iommufd_hwpt_nested *
to_hwpt_nested(struct iommufd_hw_pagetable *hwpt)
{
	return container_of(hwpt, struct iommufd_hwpt_nested, common);
}

/* The page table that follows an IOAS: the parent of one that does not */
static inline struct iommufd_hwpt_paging *
iommufd_hwpt_base(struct iommufd_hw_pagetable *hwpt)
{
	if (hwpt->obj.type == IOMMUFD_OBJ_HWPT_NESTED)
		return to_hwpt_nested(hwpt)->parent;
	return to_hwpt_paging(hwpt);
}

extern const struct iommufd_object_ops iommufd_hwpt_nested_object_ops;

struct iommufd_hwpt_nested *
iommufd_hwpt_nested_create(struct iommufd_hwpt_paging *parent,
			   struct iommufd_device *idev, u32 flags,
			   const struct iommu_user_data *data);
struct iommufd_hwpt_nested *
iommufd_hwpt_nested_create_on_viommu(struct iommufd_viommu *viommu, u32 flags,
				     const struct iommu_user_data *data);

#endif
