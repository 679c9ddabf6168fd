// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that its owner may take back
 *
 * Owns the list of page tables that such memory is in, so that its owner can
 * have it out of all of them at any time, without the locks of the address
 * space: the owner's own lock guards the list, and is held around each map and
 * unmap, including the flush.
 */
#include <linux/dma-resv.h>
#include <linux/iommu.h>
#include <linux/slab.h>

#include "area.h"
#include "domain_map.h"
#include "pinned.h"
#include "revocable.h"

/**
 * struct revocable_mapping - an area in a page table
 * @node: in iommufd_revocable::mappings
 * @domain: the page table
 * @area: the area
 */
struct revocable_mapping {
	struct list_head node;
	struct iommu_domain *domain;
	const struct iommufd_area *area;
};

void iommufd_revocable_init(struct iommufd_revocable *revocable,
			    struct dma_resv *resv)
{
	revocable->resv = resv;
	revocable->revoked = false;
	INIT_LIST_HEAD(&revocable->mappings);
}

static void drop_mapping(struct revocable_mapping *mapping)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	iommufd_domain_unmap_range(mapping->domain, mapping->area->iova,
				   mapping->area->last, &gather);
	iommu_iotlb_sync(mapping->domain, &gather);
	list_del(&mapping->node);
	kfree(mapping);
}

/**
 * iommufd_revoke - the owner takes the memory back
 * @revocable: the memory, in no page table on return, and in none ever again
 *
 * Context: caller holds the owner's lock; may sleep. Cannot fail.
 */
void iommufd_revoke(struct iommufd_revocable *revocable)
{
	struct revocable_mapping *mapping, *next;

	dma_resv_assert_held(revocable->resv);

	revocable->revoked = true;
	list_for_each_entry_safe(mapping, next, &revocable->mappings, node)
		drop_mapping(mapping);
}

static int add_mapping(struct iommufd_revocable *revocable,
		       struct iommu_domain *domain,
		       const struct iommufd_area *area, bool page_by_page)
{
	struct revocable_mapping *mapping;
	int rc;

	if (revocable->revoked)
		return 0;
	mapping = kzalloc_obj(*mapping, GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return -ENOMEM;
	rc = iommufd_domain_map_area(domain, area, page_by_page);
	if (rc) {
		kfree(mapping);
		return rc;
	}
	mapping->domain = domain;
	mapping->area = area;
	list_add(&mapping->node, &revocable->mappings);
	return 0;
}

/**
 * iommufd_revocable_map - fill an area of a page table, if it may be
 * @domain: the domain, which has nothing in the area's range
 * @area: the area, of memory that can be revoked
 * @page_by_page: use entries of at most PAGE_SIZE
 *
 * Context: caller holds the mutex of the area's pinned-memory object; may sleep
 * and take the owner's lock.
 *
 * Return: 0, also if the memory was taken back and so nothing is mapped;
 * -ENOMEM or an error of the IOMMU driver with nothing mapped.
 */
int iommufd_revocable_map(struct iommu_domain *domain,
			  const struct iommufd_area *area, bool page_by_page)
{
	struct iommufd_revocable *revocable = area->pinned->revocable;
	int rc;

	dma_resv_lock(revocable->resv, NULL);
	rc = add_mapping(revocable, domain, area, page_by_page);
	dma_resv_unlock(revocable->resv);
	return rc;
}

/**
 * iommufd_revocable_unmap - empty an area of a page table, if it is not yet
 * @domain: the domain
 * @area: the area, of memory that can be revoked
 *
 * Context: may sleep and take the owner's lock. Cannot fail.
 */
void iommufd_revocable_unmap(struct iommu_domain *domain,
			     const struct iommufd_area *area)
{
	struct iommufd_revocable *revocable = area->pinned->revocable;
	struct revocable_mapping *mapping;

	dma_resv_lock(revocable->resv, NULL);
	list_for_each_entry(mapping, &revocable->mappings, node) {
		if (mapping->domain == domain && mapping->area == area) {
			drop_mapping(mapping);
			break;
		}
	}
	dma_resv_unlock(revocable->resv);
}

/**
 * iommufd_revocable_hold - keep memory in its page tables for a while
 * @revocable: the memory
 *
 * Context: may sleep and take the owner's lock.
 * Return: true if the memory stays where it is until
 * iommufd_revocable_release(); false if it was taken back.
 */
bool iommufd_revocable_hold(struct iommufd_revocable *revocable)
{
	dma_resv_lock(revocable->resv, NULL);
	if (!revocable->revoked)
		return true;
	dma_resv_unlock(revocable->resv);
	return false;
}

void iommufd_revocable_release(struct iommufd_revocable *revocable)
{
	dma_resv_unlock(revocable->resv);
}
