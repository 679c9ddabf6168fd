// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that its owner may take back, and give again
 *
 * Owns the tree of page tables that such memory belongs into, so that its owner
 * can have it out of all of them at any time, and put it back, without the
 * locks of the address space: the owner's own lock guards the tree, and is held
 * around each map and unmap, including the flush. An area is in the tree as
 * long as the address space has it in a page table; whether it is really there
 * depends on the owner, and is the same for all of them.
 *
 * What the owner gives again may fail to get into a page table, for lack of
 * memory; the owner cannot be told. Then it is in none of them, as if it had
 * not been given, until the next map, copy or attach of it tries again, or the
 * owner gives it again.
 *
 * There may be any number of areas: IOAS_COPY makes as many as are asked for.
 */
#include <linux/dma-resv.h>
#include <linux/iommu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <trace/events/iommufd.h>

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
 * @offset: of @iova, in bytes from the start of the memory
 * @prot: for the page table
 * @page_by_page: use entries of at most PAGE_SIZE
 */
struct revocable_mapping {
	struct rb_node node;
	struct iommu_domain *domain;
	unsigned long iova;
	unsigned long last;
	unsigned long offset;
	int prot;
	bool page_by_page;
};

static struct revocable_mapping *
revocable_mapping_of(const struct rb_node *node)
{
	return rb_entry_safe(node, struct revocable_mapping, node);
}

static struct revocable_mapping *
revocable_first_mapping(const struct iommufd_revocable *revocable)
{
	return revocable_mapping_of(rb_first(&revocable->mappings));
}

static struct revocable_mapping *
revocable_next_mapping(const struct revocable_mapping *mapping)
{
	return revocable_mapping_of(rb_next(&mapping->node));
}

void iommufd_revocable_init(struct iommufd_revocable *revocable,
			    struct dma_resv *resv)
{
	revocable->resv = resv;
	mutex_init(&revocable->mutex);
	revocable->revoked = false;
	revocable->is_owed = false;
	revocable->phys = 0;
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

/*
 * Take mappings in one page table out of it, from @mapping up to @end or the
 * last one: neighbours in IOVA leave in one call, and all by one flush. Returns
 * the mapping that follows.
 */
static struct revocable_mapping *
revocable_unmap_from_domain(struct revocable_mapping *mapping,
			    const struct revocable_mapping *end)
{
	struct iommu_domain *domain = mapping->domain;
	struct iommu_iotlb_gather gather;
	unsigned long iova, last;

	iommu_iotlb_gather_init(&gather);
	do {
		iova = mapping->iova;
		do {
			last = mapping->last;
			mapping = revocable_next_mapping(mapping);
			cond_resched();
		} while (mapping != end && mapping->domain == domain &&
			 mapping->iova == last + 1);
		iommufd_domain_unmap_range(domain, iova, last, &gather);
	} while (mapping != end && mapping->domain == domain);
	iommu_iotlb_sync(domain, &gather);
	return mapping;
}

/* All mappings before @end, or all */
static void revocable_unmap_until(struct iommufd_revocable *revocable,
				  const struct revocable_mapping *end)
{
	struct revocable_mapping *mapping = revocable_first_mapping(revocable);

	while (mapping != end)
		mapping = revocable_unmap_from_domain(mapping, end);
}

static void revocable_tell(const struct iommufd_revocable *revocable)
{
	struct revocable_mapping *mapping;

	for (mapping = revocable_first_mapping(revocable); mapping;
	     mapping = revocable_next_mapping(mapping)) {
		iommufd_domain_revoked(mapping->domain, mapping->iova,
				       mapping->last);
		cond_resched();
	}
}

/**
 * iommufd_revoke - the owner takes the memory back
 * @revocable: the memory, in no page table on return, until iommufd_restore()
 *
 * Context: caller holds the owner's lock; may sleep. Cannot fail.
 */
void iommufd_revoke(struct iommufd_revocable *revocable)
{
	dma_resv_assert_held(revocable->resv);

	revocable->is_owed = false;
	if (revocable->revoked)
		return;
	trace_iommufd_revoke(revocable);
	revocable_tell(revocable);
	/* Others hold it only while they look into a page table. */
	mutex_lock(&revocable->mutex);
	revocable->revoked = true;
	revocable_unmap_until(revocable, NULL);
	mutex_unlock(&revocable->mutex);
}

static int revocable_fill(const struct iommufd_revocable *revocable,
			  const struct revocable_mapping *mapping)
{
	int rc;

	rc = iommufd_domain_map_range(mapping->domain, mapping->iova,
				      mapping->last,
				      revocable->phys + mapping->offset,
				      mapping->prot, mapping->page_by_page);
	if (!rc)
		trace_iommufd_fill(mapping->domain, mapping->iova,
				   mapping->last);
	return rc;
}

/*
 * Fill all page tables, or none. The mutex is not needed before the end: as
 * long as @revoked is set nobody looks.
 */
static int revocable_fill_all(struct iommufd_revocable *revocable)
{
	struct revocable_mapping *mapping;
	int rc;

	for (mapping = revocable_first_mapping(revocable); mapping;
	     mapping = revocable_next_mapping(mapping)) {
		rc = revocable_fill(revocable, mapping);
		if (rc) {
			revocable_unmap_until(revocable, mapping);
			return rc;
		}
		cond_resched();
	}
	revocable->is_owed = false;
	mutex_lock(&revocable->mutex);
	revocable->revoked = false;
	mutex_unlock(&revocable->mutex);
	return 0;
}

/**
 * iommufd_restore - the owner has the memory for us, for the first time or
 * again
 * @revocable: the memory, in no page table
 * @phys: physical address of its start
 *
 * It is in all its page tables on return; if that fails, it stays revoked, and
 * the next iommufd_revocable_map() tries again.
 *
 * Context: caller holds the owner's lock; may sleep.
 */
void iommufd_restore(struct iommufd_revocable *revocable, phys_addr_t phys)
{
	dma_resv_assert_held(revocable->resv);

	trace_iommufd_return(revocable);
	revocable->phys = phys;
	revocable->is_owed = revocable->revoked;
	if (revocable->revoked)
		revocable_fill_all(revocable);
}

static int revocable_add_mapping(struct iommufd_revocable *revocable,
				 struct revocable_mapping *mapping)
{
	int rc = 0;

	dma_resv_assert_held(revocable->resv);

	if (revocable->is_owed)
		rc = revocable_fill_all(revocable);
	if (!rc && !revocable->revoked)
		rc = revocable_fill(revocable, mapping);
	if (!rc)
		rb_add(&mapping->node, &revocable->mappings,
		       revocable_is_less);
	return rc;
}

/* The memory of a device, which is not cached */
static int revocable_prot(const struct iommufd_area *area)
{
	return (area->prot & ~IOMMU_CACHE) | IOMMU_MMIO;
}

/**
 * iommufd_revocable_map - fill an area of a page table, as soon as it may be
 * @domain: the domain, which has nothing in the area's range
 * @area: the area, of memory that can be revoked
 * @page_by_page: use entries of at most PAGE_SIZE
 *
 * Context: may sleep and take the owner's lock.
 *
 * Return: 0, also if the memory was taken back and so nothing is mapped until
 * it is there again; -ENOMEM or an error of the IOMMU driver with nothing
 * mapped.
 */
int iommufd_revocable_map(struct iommu_domain *domain,
			  const struct iommufd_area *area, bool page_by_page)
{
	struct iommufd_revocable *revocable =
		iommufd_pinned_revocable(area->pinned);
	struct revocable_mapping *mapping;
	int rc;

	mapping = kmalloc_obj(*mapping, GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return -ENOMEM;
	mapping->domain = domain;
	mapping->iova = area->iova;
	mapping->last = area->last;
	mapping->offset = area->offset;
	mapping->prot = revocable_prot(area);
	mapping->page_by_page = page_by_page;

	dma_resv_lock(revocable->resv, NULL);
	rc = revocable_add_mapping(revocable, mapping);
	dma_resv_unlock(revocable->resv);
	if (rc)
		kfree(mapping);
	return rc;
}

/**
 * iommufd_revocable_unmap_begin - areas are about to leave a page table
 * @revocable: the memory, whose owner waits until iommufd_revocable_unmap_end()
 *
 * Context: may sleep and take the owner's lock.
 */
void iommufd_revocable_unmap_begin(struct iommufd_revocable *revocable)
{
	dma_resv_lock(revocable->resv, NULL);
}

/**
 * iommufd_revocable_unmap_area - an area leaves a page table
 * @domain: the page table
 * @area: the area, of the memory that iommufd_revocable_unmap_begin() is about;
 *        it is cheapest to go in ascending order
 *
 * Context: between iommufd_revocable_unmap_begin() and _end(). Cannot fail.
 *
 * Return: true if the caller is to take the area out of the page table; false
 * if it is out already, since the owner has taken the memory back.
 */
bool iommufd_revocable_unmap_area(struct iommu_domain *domain,
				  const struct iommufd_area *area)
{
	struct iommufd_revocable *revocable =
		iommufd_pinned_revocable(area->pinned);
	struct revocable_mapping *mapping;

	dma_resv_assert_held(revocable->resv);

	mapping = revocable_find_mapping(revocable, domain, area->iova);
	if (WARN_ON_ONCE(!mapping))
		return false;
	/* Unmaps mostly go in this order. */
	revocable->next = revocable_next_mapping(mapping);
	rb_erase(&mapping->node, &revocable->mappings);
	kfree(mapping);
	return !revocable->revoked;
}

/**
 * iommufd_revocable_unmap_end - areas have left a page table
 * @revocable: as for iommufd_revocable_unmap_begin()
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
