// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: what drivers reach by software
 *
 * Owns nothing but the count of an area's holders, which the lock of the IOVA
 * space guards: an area with holders stays. Called by the access objects.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "address_space.h"
#include "pinned.h"

/* What is wanted of the areas of a range */
struct reach {
	unsigned long iova;
	unsigned long last;
	bool write;
	bool pages;
};

static bool has_whole_pages(const struct iommufd_area *area)
{
	return IS_ALIGNED(area->iova - area->offset, PAGE_SIZE);
}

static int may_hold(const struct reach *reach, struct iommufd_area *area)
{
	switch (iommufd_area_state(area)) {
	case IOMMUFD_AREA_CREATING:
		return -ENOENT;
	case IOMMUFD_AREA_DYING:
		return -EINVAL;
	case IOMMUFD_AREA_LIVE:
		break;
	}
	if (area->closing || area->pinned->revocable)
		return -EINVAL;
	if (reach->pages && !has_whole_pages(area))
		return -EINVAL;
	if (!(area->prot & (reach->write ? IOMMU_WRITE : IOMMU_READ)))
		return -EPERM;
	return 0;
}

static void release_areas(struct iommufd_iova_space *space,
			  const struct reach *reach, struct iommufd_area *end)
{
	struct iommufd_area *area;

	lockdep_assert_held_write(&space->lock);

	for (area = iommufd_area_first(space, reach->iova, reach->last);
	     area && area != end; area = iommufd_area_next(area, reach->last))
		area->holders--;
}

/*
 * Hold all areas of the range, which they cover without a hole. Returns the
 * first one.
 */
static struct iommufd_area *hold_areas(struct iommufd_iova_space *space,
				       const struct reach *reach)
{
	struct iommufd_area *first, *area;
	unsigned long next = reach->iova;
	int rc;

	down_write(&space->lock);
	first = iommufd_area_first(space, reach->iova, reach->last);
	for (area = first;; area = iommufd_area_next(area, reach->last)) {
		if (!area || area->iova > next) {
			rc = -ENOENT;
			goto err_release;
		}
		rc = may_hold(reach, area);
		if (rc)
			goto err_release;
		area->holders++;
		if (area->last >= reach->last)
			break;
		next = area->last + 1;
	}
	up_write(&space->lock);
	return first;

err_release:
	if (first && first != area)
		release_areas(space, reach, area);
	up_write(&space->lock);
	return ERR_PTR(rc);
}

static void drop_areas(struct iommufd_iova_space *space,
		       const struct reach *reach)
{
	down_write(&space->lock);
	release_areas(space, reach, NULL);
	up_write(&space->lock);
}

/* The next area of a range that is held */
static struct iommufd_area *next_held(struct iommufd_iova_space *space,
				      struct iommufd_area *area,
				      const struct reach *reach)
{
	if (area->last >= reach->last)
		return NULL;
	down_read(&space->lock);
	area = iommufd_area_next(area, reach->last);
	up_read(&space->lock);
	return area;
}

/* The part of an area that lies in the range, as pages of its memory */
static unsigned long first_page(const struct iommufd_area *area,
				const struct reach *reach)
{
	unsigned long skip = max(area->iova, reach->iova) - area->iova;

	return (area->offset + skip) >> PAGE_SHIFT;
}

static unsigned long last_page(const struct iommufd_area *area,
			       const struct reach *reach)
{
	unsigned long skip = min(area->last, reach->last) - area->iova;

	return (area->offset + skip) >> PAGE_SHIFT;
}

static struct page **list_pages(struct iommufd_pinned *pinned,
				unsigned long first, unsigned long last,
				struct page **pages)
{
	struct iommufd_pinned_cursor cursor;
	struct iommufd_run run;

	iommufd_pinned_walk(pinned, first, last, &cursor);
	while (iommufd_pinned_next(&cursor, &run)) {
		struct page *page = pfn_to_page(iommufd_run_pfn(run));
		unsigned long i;

		for (i = 0; i != iommufd_run_npages(run); i++)
			*pages++ = page + i;
	}
	return pages;
}

static int pin_part(struct iommufd_area *area, const struct reach *reach,
		    struct page ***pages)
{
	unsigned long first = first_page(area, reach);
	unsigned long last = last_page(area, reach);
	struct iommufd_pinned *pinned = area->pinned;
	int rc;

	mutex_lock(&pinned->mutex);
	rc = iommufd_pinned_pin(pinned, first, last);
	if (!rc)
		*pages = list_pages(pinned, first, last, *pages);
	mutex_unlock(&pinned->mutex);
	return rc;
}

static void unpin_parts(struct iommufd_iova_space *space,
			struct iommufd_area *area, struct iommufd_area *end,
			const struct reach *reach)
{
	for (; area != end; area = next_held(space, area, reach)) {
		struct iommufd_pinned *pinned = area->pinned;

		mutex_lock(&pinned->mutex);
		iommufd_pinned_unpin(pinned, first_page(area, reach),
				     last_page(area, reach));
		mutex_unlock(&pinned->mutex);
	}
}

static int pin_parts(struct iommufd_iova_space *space,
		     struct iommufd_area *first, const struct reach *reach,
		     struct page **pages)
{
	struct iommufd_area *area;
	int rc;

	for (area = first; area; area = next_held(space, area, reach)) {
		rc = pin_part(area, reach, &pages);
		if (rc) {
			unpin_parts(space, first, area, reach);
			return rc;
		}
	}
	return 0;
}

/**
 * iommufd_address_space_pin - pin the pages of a range
 * @as: the address space
 * @iova: first IOVA, page-aligned
 * @last: last IOVA
 * @write: the pages will be written to
 * @pages: receives the pages
 *
 * What is pinned stays until iommufd_address_space_unpin() is called with the
 * same range.
 *
 * Context: process context, caller holds the consumers for reading; may sleep
 * and take the mmap_lock of the memory.
 *
 * Return: 0; -ENOENT if there is a hole in the range; -EINVAL if an area is
 * being unmapped, has no struct pages, or does not begin its pages where the
 * IOVA does; -EPERM; errors of the source. On an error nothing has changed.
 */
int iommufd_address_space_pin(struct iommufd_address_space *as,
			      unsigned long iova, unsigned long last,
			      bool write, struct page **pages)
{
	const struct reach reach = {
		.iova = iova,
		.last = last,
		.write = write,
		.pages = true,
	};
	struct iommufd_area *first;
	int rc;

	lockdep_assert_held_read(&as->consumers);

	first = hold_areas(&as->space, &reach);
	if (IS_ERR(first))
		return PTR_ERR(first);
	rc = pin_parts(&as->space, first, &reach, pages);
	if (rc)
		drop_areas(&as->space, &reach);
	return rc;
}

/**
 * iommufd_address_space_unpin - unpin the pages of a range
 * @as: the address space
 * @iova: first IOVA, as it was pinned
 * @last: last IOVA, as it was pinned
 *
 * Context: process context, caller holds the consumers for reading; may sleep.
 * Cannot fail.
 */
void iommufd_address_space_unpin(struct iommufd_address_space *as,
				 unsigned long iova, unsigned long last)
{
	const struct reach reach = { .iova = iova, .last = last };
	struct iommufd_area *first;

	lockdep_assert_held_read(&as->consumers);

	down_read(&as->space.lock);
	first = iommufd_area_first(&as->space, iova, last);
	up_read(&as->space.lock);
	/* A driver that unpins what it has not pinned */
	if (WARN_ON(!first || !first->holders))
		return;
	unpin_parts(&as->space, first, NULL, &reach);
	drop_areas(&as->space, &reach);
}

static int copy_part(struct iommufd_area *area, const struct reach *reach,
		     void *data, unsigned int how)
{
	unsigned long iova = max(area->iova, reach->iova);
	unsigned long last = min(area->last, reach->last);
	struct iommufd_pinned *pinned = area->pinned;
	int rc;

	mutex_lock(&pinned->mutex);
	rc = iommufd_pinned_copy(pinned, area->offset + (iova - area->iova),
				 data + (iova - reach->iova), last - iova + 1,
				 reach->write, how);
	mutex_unlock(&pinned->mutex);
	return rc;
}

/**
 * iommufd_address_space_copy - read or write memory by its IOVA
 * @as: the address space
 * @iova: first IOVA
 * @last: last IOVA
 * @data: what to write, or where to read to
 * @write: write to the memory
 * @how: see iommufd_pinned_copy()
 *
 * Context: process context, caller holds the consumers for reading; may sleep
 * and take the mmap_lock of the memory.
 *
 * Return: as iommufd_address_space_pin(); on an error a part may be copied.
 */
int iommufd_address_space_copy(struct iommufd_address_space *as,
			       unsigned long iova, unsigned long last,
			       void *data, bool write, unsigned int how)
{
	const struct reach reach = {
		.iova = iova,
		.last = last,
		.write = write,
	};
	struct iommufd_area *first, *area;
	int rc = 0;

	lockdep_assert_held_read(&as->consumers);

	first = hold_areas(&as->space, &reach);
	if (IS_ERR(first))
		return PTR_ERR(first);
	for (area = first; area && !rc;
	     area = next_held(&as->space, area, &reach)) {
		rc = copy_part(area, &reach, data, how);
		cond_resched();
	}
	drop_areas(&as->space, &reach);
	return rc;
}
