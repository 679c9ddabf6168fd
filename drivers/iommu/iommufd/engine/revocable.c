// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that its owner may take back
 *
 * Owns the tree of page tables that such memory is in, so that its owner can
 * have it out of all of them at any time, without the locks of the address
 * space: the owner's own lock guards the tree, and is held around each map and
 * unmap, including the flush. As long as the memory has not been taken back, an
 * area is in the tree exactly when it is in the page table.
 *
 * There may be any number of areas: IOAS_COPY makes as many as are asked for.
 */
#include <linux/dma-resv.h>
#include <linux/iommu.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "area.h"
#include "domain_map.h"
#include "pinned.h"
#include "revocable.h"

/**
 * struct revocable_mapping - an area in a page table
 * @node: in iommufd_revocable::mappings, ordered by @domain, then by @iova
 * @domain: the page table
 * @iova: first IOVA of the area
 * @last: last IOVA of the area
 */
struct revocable_mapping {
	struct rb_node node;
	struct iommu_domain *domain;
	unsigned long iova;
	unsigned long last;
};

static struct revocable_mapping *
revocable_mapping_of(const struct rb_node *node)
{
	return rb_entry_safe(node, struct revocable_mapping, node);
}

void iommufd_revocable_init(struct iommufd_revocable *revocable,
			    struct dma_resv *resv)
{
	revocable->resv = resv;
	mutex_init(&revocable->mutex);
	revocable->revoked = false;
	revocable->mappings = RB_ROOT;
	revocable->next = NULL;
}

static bool revocable_is_before(const struct revocable_mapping *mapping,
				const struct iommu_domain *domain,
				unsigned long iova)
{
	if (mapping->domain != domain)
		return mapping->domain < domain;
	return mapping->iova < iova;
}

static bool revocable_is_less(struct rb_node *node, const struct rb_node *other)
{
	const struct revocable_mapping *mapping = revocable_mapping_of(other);

	return revocable_is_before(revocable_mapping_of(node), mapping->domain,
				   mapping->iova);
}

static struct revocable_mapping *
revocable_find_mapping(struct iommufd_revocable *revocable,
		       const struct iommu_domain *domain, unsigned long iova)
{
	struct revocable_mapping *mapping = revocable->next;
	struct rb_node *node = revocable->mappings.rb_node;

	if (mapping && mapping->domain == domain && mapping->iova == iova)
		return mapping;
	while (node) {
		mapping = revocable_mapping_of(node);
		if (mapping->domain == domain && mapping->iova == iova)
			return mapping;
		node = revocable_is_before(mapping, domain, iova) ?
			       node->rb_right :
			       node->rb_left;
	}
	return NULL;
}

/* Returns the one that comes next, which most likely is wanted next. */
static struct revocable_mapping *
revocable_forget_mapping(struct iommufd_revocable *revocable,
			 struct revocable_mapping *mapping)
{
	revocable->next = revocable_mapping_of(rb_next(&mapping->node));
	rb_erase(&mapping->node, &revocable->mappings);
	kfree(mapping);
	return revocable->next;
}

/*
 * Take all mappings in one page table out of it, of which @mapping is the
 * first: neighbours in IOVA leave in one call, and all by one flush.
 */
static void revocable_unmap_from_domain(struct iommufd_revocable *revocable,
					struct revocable_mapping *mapping)
{
	struct iommu_domain *domain = mapping->domain;
	struct iommu_iotlb_gather gather;
	unsigned long iova, last;

	iommu_iotlb_gather_init(&gather);
	do {
		iova = mapping->iova;
		do {
			last = mapping->last;
			mapping = revocable_forget_mapping(revocable, mapping);
			cond_resched();
		} while (mapping && mapping->domain == domain &&
			 mapping->iova == last + 1);
		iommufd_domain_unmap_range(domain, iova, last, &gather);
	} while (mapping && mapping->domain == domain);
	iommu_iotlb_sync(domain, &gather);
}

/**
 * iommufd_revoke - the owner takes the memory back
 * @revocable: the memory, in no page table on return, and in none ever again
 *
 * Context: caller holds the owner's lock; may sleep. Cannot fail.
 */
void iommufd_revoke(struct iommufd_revocable *revocable)
{
	struct rb_node *node;

	dma_resv_assert_held(revocable->resv);

	/* Only those are waited for who look into a page table right now. */
	mutex_lock(&revocable->mutex);
	revocable->revoked = true;
	while ((node = rb_first(&revocable->mappings)))
		revocable_unmap_from_domain(revocable,
					    revocable_mapping_of(node));
	mutex_unlock(&revocable->mutex);
}

static int revocable_add_mapping(struct iommufd_revocable *revocable,
				 struct iommu_domain *domain,
				 const struct iommufd_area *area,
				 bool page_by_page)
{
	struct revocable_mapping *mapping;
	int rc;

	if (revocable->revoked)
		return 0;
	mapping = kmalloc_obj(*mapping, GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return -ENOMEM;
	rc = iommufd_domain_map_area_locked(domain, area, page_by_page);
	if (rc) {
		kfree(mapping);
		return rc;
	}
	mapping->domain = domain;
	mapping->iova = area->iova;
	mapping->last = area->last;
	rb_add(&mapping->node, &revocable->mappings, revocable_is_less);
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
	rc = revocable_add_mapping(revocable, domain, area, page_by_page);
	dma_resv_unlock(revocable->resv);
	return rc;
}

/**
 * iommufd_revocable_unmap_begin - areas are about to leave a page table
 * @revocable: the memory
 *
 * Context: may sleep and take the owner's lock.
 *
 * Return: true if the owner waits until iommufd_revocable_unmap_end(); false if
 * it has taken the memory back, which then is in no page table.
 */
bool iommufd_revocable_unmap_begin(struct iommufd_revocable *revocable)
{
	dma_resv_lock(revocable->resv, NULL);
	if (!revocable->revoked)
		return true;
	dma_resv_unlock(revocable->resv);
	return false;
}

/**
 * iommufd_revocable_unmap_area - an area leaves a page table
 * @domain: the page table
 * @area: the area, of the memory that iommufd_revocable_unmap_begin() is about;
 *        it is cheapest to go in ascending order
 *
 * The caller takes the area out of the page table.
 *
 * Context: between iommufd_revocable_unmap_begin() and _end(). Cannot fail.
 */
void iommufd_revocable_unmap_area(struct iommu_domain *domain,
				  const struct iommufd_area *area)
{
	struct iommufd_revocable *revocable = area->pinned->revocable;
	struct revocable_mapping *mapping;

	dma_resv_assert_held(revocable->resv);

	mapping = revocable_find_mapping(revocable, domain, area->iova);
	if (!WARN_ON_ONCE(!mapping))
		revocable_forget_mapping(revocable, mapping);
}

/**
 * iommufd_revocable_unmap_end - areas have left a page table
 * @revocable: as for iommufd_revocable_unmap_begin(), which returned true
 *
 * The IOTLB has been flushed: the owner may now give the memory to others.
 */
void iommufd_revocable_unmap_end(struct iommufd_revocable *revocable)
{
	dma_resv_unlock(revocable->resv);
}

/**
 * iommufd_revocable_hold - keep memory in its page tables for a while
 * @revocable: the memory, in an area that nobody unmaps meanwhile
 *
 * The owner waits when it takes the memory back meanwhile, so this is not for
 * long. The owner's lock is not taken: the owner may hold it for as long as it
 * likes.
 *
 * Context: may sleep, for as long as it takes to unmap. Caller may hold the
 * lock of an IOVA space, and must not wait for the owner until it calls
 * iommufd_revocable_release().
 * Return: true if the memory stays where it is until
 * iommufd_revocable_release(); false if it was taken back.
 */
bool iommufd_revocable_hold(struct iommufd_revocable *revocable)
{
	mutex_lock(&revocable->mutex);
	if (!revocable->revoked)
		return true;
	mutex_unlock(&revocable->mutex);
	return false;
}

void iommufd_revocable_release(struct iommufd_revocable *revocable)
{
	mutex_unlock(&revocable->mutex);
}
