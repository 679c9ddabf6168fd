// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: areas into and out of page tables
 *
 * Owns nothing. Called by map and unmap, with the followers held for reading
 * and areas that are CREATING or DYING, so that two threads never change the
 * same range; and by followers that come and go, with all of them held for
 * writing.
 */
#include <linux/iommu.h>
#include <linux/sched/signal.h>
#include <trace/events/iommufd.h>

#include "address_space.h"
#include "domain_map.h"
#include "fill.h"
#include "pinned.h"
#include "revocable.h"

/*
 * An address space that may be cut anywhere needs entries that can be split, or
 * small ones.
 */
static bool fill_page_by_page(const struct iommufd_address_space *as,
			      const struct iommufd_follower *follower)
{
	return as->page_by_page ||
	       (as->cuttable && iommufd_follower_has_fixed_entries(follower));
}

static int fill_follower(struct iommufd_address_space *as,
			 struct iommufd_follower *follower,
			 const struct iommufd_area *area)
{
	int rc;

	if (follower->is_unread)
		return 0;
	if (iommufd_pinned_revocable(area->pinned))
		return iommufd_revocable_map(follower->domain, area,
					     fill_page_by_page(as, follower));
	rc = iommufd_domain_map_area(follower->domain, area,
				     fill_page_by_page(as, follower));
	if (!rc)
		trace_iommufd_fill(follower->domain, area->iova, area->last);
	return rc;
}

/*
 * Take areas out of a page table, those of one request by one flush; neighbours
 * in IOVA leave in one call. Of memory that can be revoked, what comes in a row
 * leaves under the lock of the owner, by one flush too.
 */
struct unmap_batch {
	struct iommufd_follower *follower;
	unsigned long iova;
	unsigned long last;
	bool pending;
	bool flush;
	/* memory whose owner's lock we hold, or NULL */
	struct iommufd_revocable *revocable;
	struct iommu_iotlb_gather gather;
};

static void unmap_batch_init(struct unmap_batch *batch,
			     struct iommufd_follower *follower)
{
	batch->follower = follower;
	batch->pending = false;
	batch->flush = false;
	batch->revocable = NULL;
	iommu_iotlb_gather_init(&batch->gather);
}

static void unmap_batch_unmap_range(struct unmap_batch *batch)
{
	if (!batch->pending)
		return;
	iommufd_domain_unmap_range(batch->follower->domain, batch->iova,
				   batch->last, &batch->gather);
	batch->pending = false;
	batch->flush = true;
}

static void unmap_batch_sync(struct unmap_batch *batch)
{
	/*
	 * If nothing was unmapped @gather is empty, and would flush everything.
	 */
	if (batch->flush)
		iommu_iotlb_sync(batch->follower->domain, &batch->gather);
	batch->flush = false;
}

/*
 * Go over to other memory, NULL for any that cannot be revoked. An owner can
 * give its memory to others as soon as its lock is released, so the flush comes
 * before that. The lock of one owner is not held while that of another is
 * waited for.
 */
static void unmap_batch_switch(struct unmap_batch *batch,
			       struct iommufd_revocable *revocable)
{
	unmap_batch_unmap_range(batch);
	if (batch->revocable) {
		unmap_batch_sync(batch);
		iommufd_revocable_unmap_end(batch->revocable);
	}
	if (revocable)
		iommufd_revocable_unmap_begin(revocable);
	batch->revocable = revocable;
}

static void unmap_batch_add(struct unmap_batch *batch,
			    const struct iommufd_area *area)
{
	struct iommufd_revocable *revocable =
		iommufd_pinned_revocable(area->pinned);

	cond_resched();
	if (revocable != batch->revocable)
		unmap_batch_switch(batch, revocable);
	/*
	 * If its owner has taken the memory back it is out of the page table.
	 */
	if (revocable &&
	    !iommufd_revocable_unmap_area(batch->follower->domain, area))
		return;
	if (batch->pending && batch->last + 1 == area->iova) {
		batch->last = area->last;
		return;
	}
	unmap_batch_unmap_range(batch);
	batch->iova = area->iova;
	batch->last = area->last;
	batch->pending = true;
}

static void unmap_batch_finish(struct unmap_batch *batch)
{
	unmap_batch_switch(batch, NULL);
	unmap_batch_sync(batch);
}

static noinline_for_stack void
empty_revocable_area(struct iommufd_follower *follower,
		     const struct iommufd_area *area)
{
	struct unmap_batch batch;

	unmap_batch_init(&batch, follower);
	unmap_batch_add(&batch, area);
	unmap_batch_finish(&batch);
}

static __always_inline void empty_area(struct iommufd_follower *follower,
				       const struct iommufd_area *area)
{
	struct iommu_iotlb_gather gather __uninitialized;

	if (follower->is_unread)
		return;
	if (iommufd_pinned_revocable(area->pinned)) {
		empty_revocable_area(follower, area);
		return;
	}
	iommu_iotlb_gather_init(&gather);
	iommufd_domain_unmap_range(follower->domain, area->iova, area->last,
				   &gather);
	iommu_iotlb_sync(follower->domain, &gather);
}

static noinline_for_stack void
empty_many_areas(struct iommufd_follower *follower,
		 const struct iommufd_area *area)
{
	struct unmap_batch batch;

	if (follower->is_unread)
		return;
	unmap_batch_init(&batch, follower);
	for (; area; area = area->next)
		unmap_batch_add(&batch, area);
	unmap_batch_finish(&batch);
}

static __always_inline void empty_follower(struct iommufd_follower *follower,
					   const struct iommufd_area *areas)
{
	if (areas->next)
		empty_many_areas(follower, areas);
	else
		empty_area(follower, areas);
}

/**
 * iommufd_empty_areas - take areas out of page tables
 * @as: the address space
 * @follower: the page table, or NULL for all
 * @areas: linked areas, which all of them have; or NULL
 *
 * Hardware cannot reach the memory any more by these page tables on return.
 *
 * Context: see above; may sleep. Cannot fail.
 */
void iommufd_empty_areas(struct iommufd_address_space *as,
			 struct iommufd_follower *follower,
			 const struct iommufd_area *areas)
{
	if (!areas)
		return;
	if (follower) {
		empty_follower(follower, areas);
		return;
	}
	lockdep_assert_held(&as->followers_lock);
	list_for_each_entry(follower, &as->followers, node) {
		if (follower->filled)
			empty_follower(follower, areas);
	}
}

static int fill_everywhere(struct iommufd_address_space *as,
			   const struct iommufd_area *area)
{
	struct iommufd_follower *follower;
	int rc;

	lockdep_assert_held(&as->followers_lock);

	list_for_each_entry(follower, &as->followers, node) {
		if (!follower->filled)
			continue;
		rc = fill_follower(as, follower, area);
		if (rc)
			goto err_unmap;
	}
	return 0;

err_unmap:
	list_for_each_entry_continue_reverse(follower, &as->followers, node) {
		if (follower->filled)
			empty_area(follower, area);
	}
	return rc;
}

/**
 * iommufd_fill_areas - put areas into page tables
 * @as: the address space
 * @follower: the page table, or NULL for all that are filled
 * @areas: linked areas, which are pinned
 *
 * Context: see above; may sleep; takes the mutex of the areas' memory.
 *
 * Return: 0; an error of the IOMMU driver; -ENOMEM; -EINTR on a fatal signal.
 * On an error none of the areas is in the page tables.
 */
int iommufd_fill_areas(struct iommufd_address_space *as,
		       struct iommufd_follower *follower,
		       struct iommufd_area *areas)
{
	struct iommufd_area *area, *prev = NULL;
	int rc;

	for (area = areas; area; area = area->next) {
		if (follower)
			rc = fill_follower(as, follower, area);
		else
			rc = fill_everywhere(as, area);
		if (rc)
			goto err_empty;
		if (!area->next)
			break;
		prev = area;
		cond_resched();
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			area = area->next;
			goto err_empty;
		}
	}
	return 0;

err_empty:
	if (prev) {
		prev->next = NULL;
		iommufd_empty_areas(as, follower, areas);
		prev->next = area;
	}
	return rc;
}
