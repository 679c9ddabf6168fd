// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: page tables that follow it, coming and going
 *
 * Owns the list of followers. Called by the page table objects.
 */
#include <linux/iommu.h>
#include <linux/sched/signal.h>

#include "accessors.h"
#include "address_space.h"
#include "become_device.h"
#include "fill.h"

static unsigned long follower_page_size(struct iommu_domain *domain)
{
	return 1UL << __ffs(domain->pgsize_bitmap);
}

/**
 * iommufd_address_space_realign - somebody who asked for an alignment has left
 * @as: the address space
 *
 * Context: caller holds the lock of the space for writing.
 */
void iommufd_address_space_realign(struct iommufd_address_space *as)
{
	unsigned long alignment =
		as->page_by_page || as->cuttable ? PAGE_SIZE : 1;
	struct iommufd_follower *follower;
	struct iommufd_accessor *accessor;

	lockdep_assert_held_write(&as->space.lock);

	list_for_each_entry(follower, &as->followers, node)
		alignment =
			max(alignment, follower_page_size(follower->domain));
	list_for_each_entry(accessor, &as->accessors, node)
		alignment = max(alignment, accessor->alignment);
	as->space.alignment = alignment;
}

/* IOVA outside the aperture, and the alignment */
static int follower_restrict_iova(struct iommufd_iova_space *space,
				  struct iommufd_follower *follower)
{
	struct iommu_domain_geometry *geometry = &follower->domain->geometry;
	unsigned long alignment = follower_page_size(follower->domain);
	int rc;

	lockdep_assert_held_write(&space->lock);

	if (alignment > PAGE_SIZE)
		return iommufd_refuse(IOMMU_WHY_PAGE_SIZE, alignment);
	if (!iommufd_iova_fits_alignment(space, alignment))
		return iommufd_refuse(IOMMU_WHY_AREA_ALIGNMENT, alignment);

	if (geometry->aperture_start) {
		rc = iommufd_iova_reserve(space, 0,
					  geometry->aperture_start - 1,
					  follower);
		if (rc)
			goto err_unreserve;
	}
	if (geometry->aperture_end < ULONG_MAX) {
		rc = iommufd_iova_reserve(space, geometry->aperture_end + 1,
					  ULONG_MAX, follower);
		if (rc)
			goto err_unreserve;
	}
	space->alignment = max(space->alignment, alignment);
	return 0;

err_unreserve:
	iommufd_iova_unreserve(space, follower);
	return rc;
}

/* Add the page table to the list: maps pin memory for it from now on. */
static int follower_enter(struct iommufd_address_space *as,
			  struct iommufd_follower *follower)
{
	int rc;

	follower->filled = false;
	down_write(&as->followers_lock);
	down_write(&as->space.lock);
	rc = follower_restrict_iova(&as->space, follower);
	if (!rc)
		list_add_tail(&follower->node, &as->followers);
	up_write(&as->space.lock);
	up_write(&as->followers_lock);
	return rc;
}

static void follower_leave(struct iommufd_address_space *as,
			   struct iommufd_follower *follower)
{
	lockdep_assert_held_write(&as->followers_lock);

	down_write(&as->space.lock);
	list_del(&follower->node);
	iommufd_iova_unreserve(&as->space, follower);
	iommufd_address_space_realign(as);
	up_write(&as->space.lock);
}

static struct iommufd_area *followers_next_live(struct iommufd_area *area)
{
	do {
		area = iommufd_area_next(area, ULONG_MAX);
	} while (area && !iommufd_area_is_live(area));
	return area;
}

static struct iommufd_area *
followers_first_live(struct iommufd_address_space *as, unsigned long iova)
{
	struct iommufd_area *area;

	area = iommufd_area_first(&as->space, iova, ULONG_MAX);
	if (area && !iommufd_area_is_live(area))
		area = followers_next_live(area);
	return area;
}

/*
 * All LIVE areas, linked. They stay as they are while the followers are held
 * for writing, whatever comes and goes between them meanwhile.
 */
static struct iommufd_area *
followers_link_live_areas(struct iommufd_address_space *as)
{
	struct iommufd_area *areas = NULL, **link = &areas;
	struct iommufd_area *area;

	lockdep_assert_held_write(&as->followers_lock);

	down_read(&as->space.lock);
	for (area = followers_first_live(as, 0); area;
	     area = followers_next_live(area)) {
		*link = area;
		link = &area->next;
		cond_resched();
	}
	*link = NULL;
	up_read(&as->space.lock);
	return areas;
}

/*
 * The next LIVE area at or above @iova without a pin; it is busy and so stays.
 */
static struct iommufd_area *
followers_begin_unpinned(struct iommufd_address_space *as, unsigned long iova)
{
	struct iommufd_area *area;

	down_read(&as->space.lock);
	for (area = followers_first_live(as, iova); area && area->has_pin;
	     area = followers_next_live(area))
		cond_resched();
	if (area)
		atomic_inc(&area->busy);
	up_read(&as->space.lock);
	return area;
}

static void followers_end_unpinned(struct iommufd_address_space *as,
				   struct iommufd_area *area)
{
	down_read(&as->space.lock);
	atomic_dec(&area->busy);
	up_read(&as->space.lock);
	iommufd_accessors_wake(as);
}

/*
 * What becomes LIVE after a follower has entered has a pin already; what was
 * LIVE before gets one here.
 */
static int followers_pin_live_areas(struct iommufd_address_space *as)
{
	struct iommufd_area *area;
	unsigned long last;
	int rc;

	lockdep_assert_held(&as->fill_lock);

	for (area = followers_begin_unpinned(as, 0); area;
	     area = followers_begin_unpinned(as, last + 1)) {
		do {
			rc = iommufd_area_pin(area);
			if (rc)
				rc = iommufd_area_become_device(as, area, rc);
		} while (!rc && !area->has_pin);
		last = area->last;
		followers_end_unpinned(as, area);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
		if (last == ULONG_MAX)
			break;
	}
	return 0;
}

static int followers_fill(struct iommufd_address_space *as,
			  struct iommufd_follower *follower)
{
	int rc;

	rc = iommufd_fill_areas(as, follower, followers_link_live_areas(as));
	if (!rc)
		follower->filled = true;
	return rc;
}

static int followers_pin_and_fill(struct iommufd_address_space *as,
				  struct iommufd_follower *follower)
{
	int rc;

	rc = followers_pin_live_areas(as);
	down_write(&as->followers_lock);
	if (!rc)
		rc = followers_fill(as, follower);
	if (rc) {
		follower_leave(as, follower);
		if (!iommufd_is_followed(as))
			iommufd_areas_unpin(followers_link_live_areas(as));
	}
	up_write(&as->followers_lock);
	return rc;
}

/**
 * iommufd_address_space_add_follower - let a page table follow the address
 * space
 * @as: the address space
 * @follower: the page table, empty and not yet used by hardware
 *
 * What is mapped now is in the page table on return.
 *
 * Context: process context; may sleep and take the mmap_lock of the memory.
 *
 * Return: 0; -EINVAL if the smallest page of the page table is too large;
 * -EADDRINUSE if an area or an allowed range does not suit it; errors of the
 * sources and the IOMMU driver; -ENOMEM; -EINTR on a fatal signal. On an error
 * nothing has changed.
 */
int iommufd_address_space_add_follower(struct iommufd_address_space *as,
				       struct iommufd_follower *follower)
{
	int rc;

	rc = mutex_lock_killable(&as->fill_lock);
	if (rc)
		return rc;
	rc = follower_enter(as, follower);
	if (!rc)
		rc = followers_pin_and_fill(as, follower);
	mutex_unlock(&as->fill_lock);
	return rc;
}

/**
 * iommufd_address_space_remove_follower - let a page table leave
 * @as: the address space
 * @follower: the page table, which no hardware uses any more
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_address_space_remove_follower(struct iommufd_address_space *as,
					   struct iommufd_follower *follower)
{
	struct iommufd_area *areas;

	down_write(&as->followers_lock);
	areas = followers_link_live_areas(as);
	iommufd_empty_areas(as, follower, areas);
	follower_leave(as, follower);
	if (!iommufd_is_followed(as))
		iommufd_areas_unpin(areas);
	up_write(&as->followers_lock);
}

/**
 * iommufd_address_space_each_follower - look at the page tables that there are
 * @as: the address space
 * @look: called for each; what is not 0 ends it
 * @data: for @look
 *
 * Context: process context, may sleep; holds the followers around @look.
 * Return: what @look returned last, 0 if there are no page tables.
 */
int iommufd_address_space_each_follower(struct iommufd_address_space *as,
					iommufd_follower_look_t look,
					void *data)
{
	struct iommufd_follower *follower;
	int rc = 0;

	guard(rwsem_read)(&as->followers_lock);
	list_for_each_entry(follower, &as->followers, node) {
		rc = look(follower, data);
		if (rc)
			break;
	}
	return rc;
}

/**
 * iommufd_address_space_set_page_by_page - use huge entries, or do not
 * @as: the address space
 * @page_by_page: use entries of at most PAGE_SIZE from now on
 *
 * Context: process context, may sleep.
 *
 * Return: 0; -EINVAL to forbid huge entries where there are some already;
 * -EADDRINUSE if an area is not aligned to PAGE_SIZE.
 */
int iommufd_address_space_set_page_by_page(struct iommufd_address_space *as,
					   bool page_by_page)
{
	int rc = 0;

	down_write(&as->followers_lock);
	down_write(&as->space.lock);
	if (as->page_by_page == page_by_page)
		goto out_unlock;
	if (page_by_page && !list_empty(&as->followers) && as->space.nr_areas) {
		rc = iommufd_refuse(IOMMU_WHY_LARGE_ENTRIES,
				    as->space.nr_areas);
		goto out_unlock;
	}
	if (page_by_page &&
	    !iommufd_iova_fits_alignment(&as->space, PAGE_SIZE)) {
		rc = iommufd_refuse(IOMMU_WHY_AREA_ALIGNMENT, PAGE_SIZE);
		goto out_unlock;
	}
	as->page_by_page = page_by_page;
	iommufd_address_space_realign(as);
out_unlock:
	up_write(&as->space.lock);
	up_write(&as->followers_lock);
	return rc;
}

/* Has a page table entries that can be neither split nor cut? */
static bool followers_have_fixed_entries(const struct iommufd_address_space *as)
{
	struct iommufd_follower *follower;

	if (as->page_by_page || !as->space.nr_areas)
		return false;
	list_for_each_entry(follower, &as->followers, node) {
		if (iommufd_follower_has_fixed_entries(follower))
			return true;
	}
	return false;
}

/**
 * iommufd_address_space_set_cuttable - let areas be cut anywhere, or not
 * @as: the address space
 * @cuttable: new areas are to be filled so that every page can be unmapped for
 *            itself
 *
 * Where a page table is filled already that has entries which cannot be split,
 * or an area is not aligned to PAGE_SIZE, nothing changes, and not all cuts are
 * possible: see iommufd_address_space_cut().
 *
 * Context: process context, may sleep.
 */
void iommufd_address_space_set_cuttable(struct iommufd_address_space *as,
					bool cuttable)
{
	down_write(&as->followers_lock);
	down_write(&as->space.lock);
	if (!cuttable ||
	    (!followers_have_fixed_entries(as) &&
	     iommufd_iova_fits_alignment(&as->space, PAGE_SIZE))) {
		as->cuttable = cuttable;
		iommufd_address_space_realign(as);
	}
	up_write(&as->space.lock);
	up_write(&as->followers_lock);
}
