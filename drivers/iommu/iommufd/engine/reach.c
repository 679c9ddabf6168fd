// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: what drivers reach by software
 *
 * Owns the list of these drivers, and the two counts of an area that say who
 * needs it: an area that is busy or has holders stays. All of it changes with
 * the lock of the IOVA space held for reading, so that drivers do not wait for
 * each other. Called by the access objects, and by unmap, which asks drivers to
 * let go.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

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

static bool is_closed(const struct iommufd_address_space *as,
		      const struct iommufd_area *area)
{
	const struct iommufd_closed_range *range;

	lockdep_assert_held(&as->space.lock);

	list_for_each_entry(range, &as->closed, node) {
		if (area->iova <= range->last && range->iova <= area->last)
			return true;
	}
	return false;
}

static int may_reach(const struct iommufd_address_space *as,
		     const struct reach *reach, struct iommufd_area *area)
{
	switch (iommufd_area_state(area)) {
	case IOMMUFD_AREA_CREATING:
		return -ENOENT;
	case IOMMUFD_AREA_DYING:
		return -EINVAL;
	case IOMMUFD_AREA_LIVE:
		break;
	}
	if (is_closed(as, area) || area->pinned->revocable)
		return -EINVAL;
	if (reach->pages && !has_whole_pages(area))
		return -EINVAL;
	if (!(area->prot & (reach->write ? IOMMU_WRITE : IOMMU_READ)))
		return -EPERM;
	return 0;
}

/* Areas are busy no more, up to @end, and then may be gone. */
static void finish_areas(struct iommufd_address_space *as,
			 const struct reach *reach, struct iommufd_area *end)
{
	struct iommufd_area *area;

	lockdep_assert_held(&as->space.lock);

	for (area = iommufd_area_first(&as->space, reach->iova, reach->last);
	     area && area != end; area = iommufd_area_next(area, reach->last))
		atomic_dec(&area->busy);
}

/*
 * Keep all areas of the range busy, which they cover without a hole. Returns the
 * first one.
 */
static struct iommufd_area *begin_areas(struct iommufd_address_space *as,
					const struct reach *reach)
{
	struct iommufd_area *first, *area;
	unsigned long next = reach->iova;
	int rc;

	down_read(&as->space.lock);
	first = iommufd_area_first(&as->space, reach->iova, reach->last);
	for (area = first;; area = iommufd_area_next(area, reach->last)) {
		if (!area || area->iova > next) {
			rc = -ENOENT;
			goto err_finish;
		}
		rc = may_reach(as, reach, area);
		if (rc)
			goto err_finish;
		atomic_inc(&area->busy);
		if (area->last >= reach->last)
			break;
		next = area->last + 1;
	}
	up_read(&as->space.lock);
	return first;

err_finish:
	if (first && first != area)
		finish_areas(as, reach, area);
	up_read(&as->space.lock);
	iommufd_address_space_wake(as);
	return ERR_PTR(rc);
}

static void end_areas(struct iommufd_address_space *as,
		      const struct reach *reach)
{
	down_read(&as->space.lock);
	finish_areas(as, reach, NULL);
	up_read(&as->space.lock);
	iommufd_address_space_wake(as);
}

/*
 * In this order: who unmaps sees the areas in use all the time, and that the
 * driver has pins once they are not busy any more.
 */
static void end_areas_pinned(struct iommufd_address_space *as,
			     struct iommufd_reacher *reacher,
			     const struct reach *reach)
{
	struct iommufd_area *area;

	atomic_long_inc(&reacher->nr_pins);
	down_read(&as->space.lock);
	for (area = iommufd_area_first(&as->space, reach->iova, reach->last);
	     area; area = iommufd_area_next(area, reach->last)) {
		atomic_inc(&area->holders);
		/* Pairs with is_area_busy(). */
		atomic_dec_return_release(&area->busy);
	}
	up_read(&as->space.lock);
	iommufd_address_space_wake(as);
}

static void end_areas_unpinned(struct iommufd_address_space *as,
			       const struct reach *reach)
{
	struct iommufd_area *area;

	down_read(&as->space.lock);
	for (area = iommufd_area_first(&as->space, reach->iova, reach->last);
	     area; area = iommufd_area_next(area, reach->last))
		atomic_dec(&area->holders);
	up_read(&as->space.lock);
	iommufd_address_space_wake(as);
}

/* The next area of a range that is busy or held */
static struct iommufd_area *next_in_use(struct iommufd_iova_space *space,
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

	rc = iommufd_pinned_pin(pinned, first, last);
	if (rc)
		return rc;
	mutex_lock(&pinned->mutex);
	*pages = list_pages(pinned, first, last, *pages);
	mutex_unlock(&pinned->mutex);
	return 0;
}

static void unpin_parts(struct iommufd_iova_space *space,
			struct iommufd_area *area, struct iommufd_area *end,
			const struct reach *reach)
{
	for (; area != end; area = next_in_use(space, area, reach)) {
		iommufd_pinned_unpin(area->pinned, first_page(area, reach),
				     last_page(area, reach));
	}
}

static int pin_parts(struct iommufd_iova_space *space,
		     struct iommufd_area *first, const struct reach *reach,
		     struct page **pages)
{
	struct iommufd_area *area;
	int rc;

	for (area = first; area; area = next_in_use(space, area, reach)) {
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
 * @reacher: for whom
 * @iova: first IOVA, page-aligned
 * @last: last IOVA
 * @write: the pages will be written to
 * @pages: receives the pages
 *
 * What is pinned stays until iommufd_address_space_unpin() is called with the
 * same range.
 *
 * Context: process context, no locks; may sleep and take the mmap_lock of the
 * memory.
 *
 * Return: 0; -ENOENT if there is a hole in the range; -EINVAL if an area is
 * being unmapped, has no struct pages, or does not begin its pages where the
 * IOVA does; -EPERM; errors of the source. On an error nothing has changed.
 */
int iommufd_address_space_pin(struct iommufd_address_space *as,
			      struct iommufd_reacher *reacher,
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

	first = begin_areas(as, &reach);
	if (IS_ERR(first))
		return PTR_ERR(first);
	rc = pin_parts(&as->space, first, &reach, pages);
	if (rc)
		end_areas(as, &reach);
	else
		end_areas_pinned(as, reacher, &reach);
	return rc;
}

/**
 * iommufd_address_space_unpin - unpin the pages of a range
 * @as: the address space
 * @reacher: for whom they were pinned
 * @iova: first IOVA, as it was pinned
 * @last: last IOVA, as it was pinned
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_address_space_unpin(struct iommufd_address_space *as,
				 struct iommufd_reacher *reacher,
				 unsigned long iova, unsigned long last)
{
	const struct reach reach = { .iova = iova, .last = last };
	struct iommufd_area *first;
	bool held;

	down_read(&as->space.lock);
	first = iommufd_area_first(&as->space, iova, last);
	held = first && atomic_read(&first->holders);
	up_read(&as->space.lock);
	/* A driver that unpins what it has not pinned */
	if (WARN_ON(!held))
		return;
	unpin_parts(&as->space, first, NULL, &reach);
	atomic_long_dec(&reacher->nr_pins);
	end_areas_unpinned(as, &reach);
}

static int copy_part(struct iommufd_area *area, const struct reach *reach,
		     void *data, unsigned int how)
{
	unsigned long iova = max(area->iova, reach->iova);
	unsigned long last = min(area->last, reach->last);

	return iommufd_pinned_copy(area->pinned,
				   area->offset + (iova - area->iova),
				   data + (iova - reach->iova), last - iova + 1,
				   reach->write, how);
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
 * Context: process context, no locks; may sleep and take the mmap_lock of the
 * memory.
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

	first = begin_areas(as, &reach);
	if (IS_ERR(first))
		return PTR_ERR(first);
	for (area = first; area && !rc;
	     area = next_in_use(&as->space, area, &reach)) {
		rc = copy_part(area, &reach, data, how);
		cond_resched();
	}
	end_areas(as, &reach);
	return rc;
}

/*
 * The drivers
 */

/**
 * iommufd_address_space_add_reacher - let a driver reach the address space
 * @as: the address space
 * @alignment: of all areas, from now on: PAGE_SIZE if the driver pins pages
 * @let_go: called when areas are unmapped of which it has pages pinned, or NULL
 * @data: for @let_go
 *
 * Context: process context, may sleep.
 * Return: a handle, or an ERR_PTR: -EADDRINUSE if an area does not suit the
 * alignment; -ENOMEM.
 */
struct iommufd_reacher *
iommufd_address_space_add_reacher(struct iommufd_address_space *as,
				  unsigned long alignment,
				  iommufd_let_go_t let_go, void *data)
{
	struct iommufd_iova_space *space = &as->space;
	struct iommufd_reacher *reacher;

	reacher = kzalloc_obj(*reacher, GFP_KERNEL_ACCOUNT);
	if (!reacher)
		return ERR_PTR(-ENOMEM);
	reacher->alignment = alignment;
	reacher->let_go = let_go;
	reacher->data = data;

	down_write(&space->lock);
	if (iommufd_iova_fits_alignment(space, alignment)) {
		space->alignment = max(space->alignment, alignment);
		list_add_tail(&reacher->node, &as->reachers);
	} else {
		kfree(reacher);
		reacher = ERR_PTR(-EADDRINUSE);
	}
	up_write(&space->lock);
	return reacher;
}

/**
 * iommufd_address_space_remove_reacher - a driver leaves the address space
 * @as: the address space
 * @reacher: the handle, to be freed; the driver has nothing pinned
 *
 * Waits for those who are telling this driver to let go of something, nobody
 * else; nobody does on return.
 *
 * Context: process context, may sleep; no lock that the driver takes when it is
 * told to let go. Cannot fail.
 */
void iommufd_address_space_remove_reacher(struct iommufd_address_space *as,
					  struct iommufd_reacher *reacher)
{
	down_write(&as->space.lock);
	reacher->leaving = true;
	up_write(&as->space.lock);

	wait_event(as->idle, !atomic_read_acquire(&reacher->calls));

	down_write(&as->space.lock);
	list_del(&reacher->node);
	iommufd_address_space_realign(as);
	up_write(&as->space.lock);
}

void iommufd_reacher_free(struct iommufd_reacher *reacher)
{
	kfree(reacher);
}

/*
 * The next driver to be asked after @reacher, or the first. It stays in the list
 * as long as it is being called, so that the walk goes on from there. One that
 * has nothing pinned is not asked: it may be busy with something else, and what
 * is unmapped would wait for that.
 */
static struct iommufd_reacher *call_next(struct iommufd_address_space *as,
					 struct iommufd_reacher *reacher)
{
	struct iommufd_reacher *called = reacher;

	down_read(&as->space.lock);
	reacher = list_prepare_entry(reacher, &as->reachers, node);
	list_for_each_entry_continue(reacher, &as->reachers, node) {
		if (reacher->let_go && !reacher->leaving &&
		    atomic_long_read(&reacher->nr_pins))
			break;
	}
	if (list_entry_is_head(reacher, &as->reachers, node))
		reacher = NULL;
	else
		atomic_inc(&reacher->calls);
	up_read(&as->space.lock);

	if (called && atomic_dec_and_test(&called->calls))
		iommufd_address_space_wake(as);
	return reacher;
}

/* A length that cannot wrap, added to @iova or by itself, names all pages, too. */
static unsigned long told_length(unsigned long iova, unsigned long last)
{
	return last == ULONG_MAX ? last - iova : last - iova + 1;
}

static void let_go_of_stretch(struct iommufd_address_space *as,
			      unsigned long iova, unsigned long last)
{
	struct iommufd_reacher *reacher = NULL;

	while ((reacher = call_next(as, reacher)))
		reacher->let_go(reacher->data, iova, told_length(iova, last));
}

/* The next areas with holders in [*iova, *last] that have no hole in between */
static bool next_held_stretch(struct iommufd_address_space *as,
			      unsigned long *iova, unsigned long *last)
{
	struct iommufd_area *area, *end;

	down_read(&as->space.lock);
	area = iommufd_area_first(&as->space, *iova, *last);
	while (area && !atomic_read(&area->holders)) {
		area = iommufd_area_next(area, *last);
		cond_resched();
	}
	if (!area) {
		up_read(&as->space.lock);
		return false;
	}
	*iova = area->iova;
	do {
		end = area;
		area = iommufd_area_next(area, *last);
	} while (area && area->iova == end->last + 1 &&
		 atomic_read(&area->holders));
	*last = end->last;
	up_read(&as->space.lock);
	return true;
}

/**
 * iommufd_address_space_let_go - ask drivers to unpin what is in a range
 * @as: the address space
 * @range: the range, which is closed
 *
 * Drivers are asked for each stretch of areas in which somebody has pages, and
 * may need more time than this call to let go of them.
 *
 * Context: process context, may sleep; no lock that a driver takes when it is
 * told to let go.
 * Return: 0; -EINTR on a fatal signal.
 */
int iommufd_address_space_let_go(struct iommufd_address_space *as,
				 const struct iommufd_closed_range *range)
{
	unsigned long iova = range->iova, last = range->last;

	while (next_held_stretch(as, &iova, &last)) {
		let_go_of_stretch(as, iova, last);
		if (fatal_signal_pending(current))
			return -EINTR;
		if (last >= range->last)
			break;
		iova = last + 1;
		last = range->last;
	}
	return 0;
}

static bool is_area_busy(const struct iommufd_area *area)
{
	return atomic_read_acquire(&area->busy);
}

static bool is_area_held(const struct iommufd_area *area)
{
	return atomic_read(&area->holders);
}

static bool is_any(struct iommufd_address_space *as,
		   const struct iommufd_closed_range *range,
		   bool (*is_it)(const struct iommufd_area *area))
{
	struct iommufd_area *area;

	down_read(&as->space.lock);
	for (area = iommufd_area_first(&as->space, range->iova, range->last);
	     area && !is_it(area); area = iommufd_area_next(area, range->last))
		cond_resched();
	up_read(&as->space.lock);
	return area;
}

/**
 * iommufd_address_space_wait_idle - wait for operations under way in a range
 * @as: the address space
 * @range: the range, which is closed, so that drivers begin no more
 * @wait: is in the queue iommufd_address_space::idle
 *
 * Context: process context, may sleep.
 * Return: 0; -EINTR on a fatal signal.
 */
int iommufd_address_space_wait_idle(struct iommufd_address_space *as,
				    const struct iommufd_closed_range *range,
				    struct wait_queue_entry *wait)
{
	while (is_any(as, range, is_area_busy)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		wait_woken(wait, TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT);
	}
	return 0;
}

/**
 * iommufd_address_space_wait_unpinned - give drivers some time to let go
 * @as: the address space
 * @range: the range, which is closed
 * @wait: is in the queue iommufd_address_space::idle
 *
 * Waits a millisecond, or until nothing in the range is pinned by drivers.
 *
 * Context: process context, may sleep.
 */
void iommufd_address_space_wait_unpinned(struct iommufd_address_space *as,
					 const struct iommufd_closed_range *range,
					 struct wait_queue_entry *wait)
{
	long left = msecs_to_jiffies(1);

	/* Others in the address space wake us, too, as often as they like. */
	while (left && !fatal_signal_pending(current) &&
	       is_any(as, range, is_area_held))
		left = wait_woken(wait, TASK_KILLABLE, left);
}
