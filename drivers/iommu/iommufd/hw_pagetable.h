/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HWPT objects: IO page tables of all kinds
 *
 * struct iommu_domain points to struct iommufd_hw_pagetable: its name is the
 * base kernel's.
 */
#ifndef __IOMMUFD_HW_PAGETABLE_H
#define __IOMMUFD_HW_PAGETABLE_H

#include <linux/iommu.h>

#include "object.h"

struct iommufd_ctx;
struct iommufd_fault_queue;

/**
 * struct iommufd_hw_pagetable - what all page tables have
 * @obj: the object
 * @ctx: the context
 * @domain: the page table of the IOMMU driver
 * @fault_queue: where its IO page faults go, of which it holds a long-term
 *               reference; or NULL
 * @user_made: by IOMMU_HWPT_ALLOC: stays until user space destroys it
 * @pasid_capable: allocated with IOMMU_HWPT_ALLOC_PASID
 */
struct iommufd_hw_pagetable {
	struct iommufd_object obj;
	struct iommufd_ctx *ctx;
	struct iommu_domain *domain;
	struct iommufd_fault_queue *fault_queue;
	bool user_made;
	bool pasid_capable;
};

static inline void iommufd_hwpt_set_domain(struct iommufd_hw_pagetable *hwpt,
					   struct iommu_domain *domain)
{
	domain->iommufd_hwpt = hwpt;
	domain->cookie_type = IOMMU_COOKIE_IOMMUFD;
	hwpt->domain = domain;
}

static inline struct iommufd_hw_pagetable *to_hwpt(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_hw_pagetable, obj);
}

#endif
