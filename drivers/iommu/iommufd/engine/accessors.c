// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: accessors, the drivers that reach it by software
 *
 * Owns the list of accessors, and the two counts of an area that say who needs
 * it: an area that is busy or has pins of accessors stays. All of it changes
 * with the lock of the IOVA space held for reading, so that accessors do not
 * wait for each other. Called by the access objects, and by unmap, which asks
 * drivers to unpin.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "accessors.h"
#include "pinned.h"
#include "why.h"

/* How often drivers are asked to unpin, and how often without a pause */
#define DRIVE_OUT_ROUNDS 100
#define DRIVE_OUT_QUICK_ROUNDS 10

/* What is wanted of the areas of a range */
struct access_request {
	unsigned long iova;
	unsigned long last;
	bool write;
	bool pages;
};

static bool accessor_sees_whole_pages(const struct iommufd_area *area)
{
	return IS_ALIGNED(area->iova - area->offset, PAGE_SIZE);
}

static bool accessor_is_shut_out(const struct iommufd_address_space *as,
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

/**
 * iommufd_accessors_check_area - may memory be reached by its IOVA?
 * @as: the address space
 * @area: the area that shows it
 * @write: it will be written to, else read
 * @pages: whole pages are needed
 *
 * Context: caller holds the lock of the space.
 * Return: as iommufd_address_space_pin().
 */
int iommufd_accessors_check_area(const struct iommufd_address_space *as,
				 struct iommufd_area *area, bool write,
				 bool pages)
{
	switch (iommufd_area_state(area)) {
	case IOMMUFD_AREA_CREATING:
		return iommufd_refuse(IOMMU_WHY_ACCESS_HOLE, area->iova);
	case IOMMUFD_AREA_DYING:
		return iommufd_refuse(IOMMU_WHY_ACCESS_GOING, area->iova);
	case IOMMUFD_AREA_LIVE:
		break;
	}
	if (accessor_is_shut_out(as, area))
		return iommufd_refuse(IOMMU_WHY_ACCESS_GOING, area->iova);
	if (area->pinned->ops->no_pages ||
	    (pages && !accessor_sees_whole_pages(area)))
		return iommufd_refuse(IOMMU_WHY_ACCESS_PAGES, area->iova);
	if (!(area->prot & (write ? IOMMU_WRITE : IOMMU_READ)))
		return iommufd_refuse(IOMMU_WHY_ACCESS_MODE, area->iova);
	return 0;
}

/*
 * Areas from @area on, up to @end, which is NULL for all of the range, are not
 * busy any more, or have a pin less; then they may be gone.
 */
static void accessor_leave_areas(struct iommufd_address_space *as,
				 const struct access_request *req,
				 struct iommufd_area *area,
				 struct iommufd_area *end, bool pin)
{
	struct iommufd_area *next;

	lockdep_assert_held(&as->space.lock);

	for (; area != end; area = next) {
		next = iommufd_area_next(area, req->last);
		atomic_dec(pin ? &area->pins : &area->busy);
	}
}

/*
 * Keep all areas of the range busy, which they cover without a hole. Returns
 * the first one.
 */
static struct iommufd_area *accessor_begin(struct iommufd_address_space *as,
					   const struct access_request *req)
{
	struct iommufd_area *first, *area;
	unsigned long next = req->iova;
	int rc;

	down_read(&as->space.lock);
	first = iommufd_area_first(&as->space, req->iova, req->last);
	for (area = first;; area = iommufd_area_next(area, req->last)) {
		if (!area || area->iova > next) {
			rc = iommufd_refuse(IOMMU_WHY_ACCESS_HOLE, next);
			goto err_finish;
		}
		rc = iommufd_accessors_check_area(as, area, req->write,
						  req->pages);
		if (rc)
			goto err_finish;
		atomic_inc(&area->busy);
		if (area->last >= req->last)
			break;
		next = area->last + 1;
	}
	up_read(&as->space.lock);
	return first;

err_finish:
	if (first)
		accessor_leave_areas(as, req, first, area, false);
	up_read(&as->space.lock);
	iommufd_accessors_wake(as);
	return ERR_PTR(rc);
}

static void accessor_end(struct iommufd_address_space *as,
			 const struct access_request *req,
			 struct iommufd_area *first, bool pin)
{
	down_read(&as->space.lock);
	accessor_leave_areas(as, req, first, NULL, pin);
	up_read(&as->space.lock);
	iommufd_accessors_wake(as);
}

/*
 * The pin is counted before the area stops being busy, so that an unmap sees
 * one or the other at any time. The driver is counted first, so that an unmap
 * that sees the pin asks it.
 */
static void accessor_end_pinned(struct iommufd_address_space *as,
				struct iommufd_accessor *accessor,
				const struct access_request *req)
{
	struct iommufd_area *area;

	atomic_long_inc(&accessor->nr_pins);
	down_read(&as->space.lock);
	for (area = iommufd_area_first(&as->space, req->iova, req->last); area;
	     area = iommufd_area_next(area, req->last)) {
		atomic_inc(&area->pins);
		/* Pairs with accessor_area_is_busy(). */
		atomic_dec_return_release(&area->busy);
	}
	up_read(&as->space.lock);
	iommufd_accessors_wake(as);
}

/* The next area of a range, which stays since it is busy or has our pin */
static struct iommufd_area *accessor_next_area(struct iommufd_iova_space *space,
					       struct iommufd_area *area,
					       const struct access_request *req)
{
	if (area->last >= req->last)
		return NULL;
	down_read(&space->lock);
	area = iommufd_area_next(area, req->last);
	up_read(&space->lock);
	return area;
}

static struct page **accessor_list_pages(struct iommufd_pinned *pinned,
					 unsigned long first,
					 unsigned long last,
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

static int accessor_pin_part(struct iommufd_area *area,
			     const struct access_request *req,
			     struct page ***pages)
{
	unsigned long first = iommufd_area_first_page_in(area, req->iova);
	unsigned long last = iommufd_area_last_page_in(area, req->last);
	struct iommufd_pinned *pinned = area->pinned;
	int rc;

	rc = iommufd_pinned_pin(pinned, first, last);
	if (rc)
		return rc;
	mutex_lock(&pinned->mutex);
	*pages = accessor_list_pages(pinned, first, last, *pages);
	mutex_unlock(&pinned->mutex);
	return 0;
}

static void accessor_unpin_parts(struct iommufd_iova_space *space,
				 struct iommufd_area *area,
				 struct iommufd_area *end,
				 const struct access_request *req)
{
	for (; area != end; area = accessor_next_area(space, area, req)) {
		iommufd_pinned_unpin(area->pinned,
				     iommufd_area_first_page_in(area, req->iova),
				     iommufd_area_last_page_in(area, req->last));
	}
}

static int accessor_pin_parts(struct iommufd_iova_space *space,
			      struct iommufd_area *first,
			      const struct access_request *req,
			      struct page **pages)
{
	struct iommufd_area *area;
	int rc;

	for (area = first; area; area = accessor_next_area(space, area, req)) {
		rc = accessor_pin_part(area, req, &pages);
		if (rc) {
			accessor_unpin_parts(space, first, area, req);
			return rc;
		}
	}
	return 0;
}

/**
 * iommufd_address_space_pin - pin the pages of a range
 * @as: the address space
 * @accessor: for whom
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
			      struct iommufd_accessor *accessor,
			      unsigned long iova, unsigned long last,
			      bool write, struct page **pages)
{
	const struct access_request req = {
		.iova = iova,
		.last = last,
		.write = write,
		.pages = true,
	};
	struct iommufd_area *first;
	int rc;

	first = accessor_begin(as, &req);
	if (IS_ERR(first))
		return PTR_ERR(first);
	rc = accessor_pin_parts(&as->space, first, &req, pages);
	if (rc)
		accessor_end(as, &req, first, false);
	else
		accessor_end_pinned(as, accessor, &req);
	return rc;
}

/**
 * iommufd_address_space_unpin - unpin the pages of a range
 * @as: the address space
 * @accessor: for whom they were pinned
 * @iova: first IOVA, as it was pinned
 * @last: last IOVA, as it was pinned
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_address_space_unpin(struct iommufd_address_space *as,
				 struct iommufd_accessor *accessor,
				 unsigned long iova, unsigned long last)
{
	const struct access_request req = { .iova = iova, .last = last };
	struct iommufd_area *first;
	bool pinned;

	down_read(&as->space.lock);
	first = iommufd_area_first(&as->space, iova, last);
	pinned = first && atomic_read(&first->pins);
	up_read(&as->space.lock);
	/* The driver unpins what it has not pinned. */
	if (WARN_ON(!pinned))
		return;
	accessor_unpin_parts(&as->space, first, NULL, &req);
	atomic_long_dec(&accessor->nr_pins);
	accessor_end(as, &req, first, true);
}

static int accessor_copy_part(struct iommufd_area *area,
			      const struct access_request *req, void *data,
			      unsigned int how)
{
	unsigned long iova = max(area->iova, req->iova);
	unsigned long last = min(area->last, req->last);

	return iommufd_pinned_copy(area->pinned,
				   iommufd_area_offset_at(area, iova),
				   data + (iova - req->iova), last - iova + 1,
				   req->write, how);
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
	const struct access_request req = {
		.iova = iova,
		.last = last,
		.write = write,
	};
	struct iommufd_area *first, *area;
	int rc = 0;

	first = accessor_begin(as, &req);
	if (IS_ERR(first))
		return PTR_ERR(first);
	for (area = first; area && !rc;
	     area = accessor_next_area(&as->space, area, &req)) {
		rc = accessor_copy_part(area, &req, data, how);
		cond_resched();
	}
	accessor_end(as, &req, first, false);
	return rc;
}

/*
 * The drivers
 */

/**
 * iommufd_address_space_add_accessor - let a driver reach an address space
 * @as: the address space
 * @alignment: of all areas, from now on: PAGE_SIZE if the driver pins pages
 * @unmap: called when areas are unmapped of which it has pages pinned, or NULL
 * @data: for @unmap
 *
 * Context: process context, may sleep.
 * Return: a handle, or an ERR_PTR: -EADDRINUSE if an area does not suit the
 * alignment; -ENOMEM.
 */
struct iommufd_accessor *
iommufd_address_space_add_accessor(struct iommufd_address_space *as,
				   unsigned long alignment,
				   iommufd_accessor_unmap_t unmap, void *data)
{
	struct iommufd_iova_space *space = &as->space;
	struct iommufd_accessor *accessor;

	accessor = kzalloc_obj(*accessor, GFP_KERNEL_ACCOUNT);
	if (!accessor)
		return ERR_PTR(-ENOMEM);
	accessor->alignment = alignment;
	accessor->unmap = unmap;
	accessor->data = data;

	down_write(&space->lock);
	if (iommufd_iova_fits_alignment(space, alignment)) {
		space->alignment = max(space->alignment, alignment);
		list_add_tail(&accessor->node, &as->accessors);
	} else {
		kfree(accessor);
		accessor =
			iommufd_refuse_ptr(IOMMU_WHY_AREA_ALIGNMENT, alignment);
	}
	up_write(&space->lock);
	return accessor;
}

/**
 * iommufd_address_space_remove_accessor - a driver leaves the address space
 * @as: the address space
 * @accessor: the handle, to be freed; the driver has nothing pinned
 *
 * Waits for those who are asking this driver to unpin something, nobody else;
 * nobody does on return.
 *
 * Context: process context, may sleep; no lock that the driver takes when it is
 * asked to unpin. Cannot fail.
 */
void iommufd_address_space_remove_accessor(struct iommufd_address_space *as,
					   struct iommufd_accessor *accessor)
{
	down_write(&as->space.lock);
	accessor->leaving = true;
	up_write(&as->space.lock);

	wait_event(as->idle, !atomic_read_acquire(&accessor->calls));

	down_write(&as->space.lock);
	list_del(&accessor->node);
	iommufd_address_space_realign(as);
	up_write(&as->space.lock);
}

void iommufd_accessor_free(struct iommufd_accessor *accessor)
{
	kfree(accessor);
}

/*
 * The next driver to be asked after @accessor, or the first. It stays in the
 * list as long as it is being called, so that the walk goes on from there. One
 * that has nothing pinned is not asked: it may be busy with something else, and
 * what is unmapped would wait for that.
 */
static struct iommufd_accessor *
accessors_call_next(struct iommufd_address_space *as,
		    struct iommufd_accessor *accessor)
{
	struct iommufd_accessor *called = accessor;

	down_read(&as->space.lock);
	accessor = list_prepare_entry(accessor, &as->accessors, node);
	list_for_each_entry_continue(accessor, &as->accessors, node) {
		if (accessor->unmap && !accessor->leaving &&
		    atomic_long_read(&accessor->nr_pins))
			break;
	}
	if (list_entry_is_head(accessor, &as->accessors, node))
		accessor = NULL;
	else
		atomic_inc(&accessor->calls);
	up_read(&as->space.lock);

	if (called && atomic_dec_and_test(&called->calls))
		iommufd_accessors_wake(as);
	return accessor;
}

/*
 * The range is told as IOVA and length. That up to the last IOVA is told one
 * byte shorter, so that neither the length nor its sum with @iova wraps; all of
 * its pages are in it all the same.
 */
static unsigned long accessor_told_length(unsigned long iova,
					  unsigned long last)
{
	return last == ULONG_MAX ? last - iova : last - iova + 1;
}

static void accessors_notify_of_stretch(struct iommufd_address_space *as,
					unsigned long iova, unsigned long last)
{
	struct iommufd_accessor *accessor = NULL;

	while ((accessor = accessors_call_next(as, accessor)))
		accessor->unmap(accessor->data, iova,
				accessor_told_length(iova, last));
}

/*
 * The next areas in [*iova, *last] of which accessors have pages, without a
 * hole in between
 */
static bool accessors_next_pinned(struct iommufd_address_space *as,
				  unsigned long *iova, unsigned long *last)
{
	struct iommufd_area *area, *end;

	down_read(&as->space.lock);
	area = iommufd_area_first(&as->space, *iova, *last);
	while (area && !atomic_read(&area->pins)) {
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
		 atomic_read(&area->pins));
	*last = end->last;
	up_read(&as->space.lock);
	return true;
}

/*
 * Ask drivers to unpin what is in a range, for each stretch of areas in which
 * somebody has pages. They may need more time than this call.
 */
static int accessors_notify(struct iommufd_address_space *as,
			    const struct iommufd_closed_range *range)
{
	unsigned long iova = range->iova, last = range->last;

	while (accessors_next_pinned(as, &iova, &last)) {
		accessors_notify_of_stretch(as, iova, last);
		if (fatal_signal_pending(current))
			return -EINTR;
		if (last >= range->last)
			break;
		iova = last + 1;
		last = range->last;
	}
	return 0;
}

static bool accessor_area_is_busy(const struct iommufd_area *area)
{
	return atomic_read_acquire(&area->busy);
}

static bool accessor_area_is_pinned(const struct iommufd_area *area)
{
	return atomic_read(&area->pins);
}

static bool accessor_any_area(struct iommufd_address_space *as,
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

/*
 * Wait for operations under way in a range, which is closed, so that drivers
 * begin no more. @wait is in the queue iommufd_address_space::idle.
 */
static int accessors_wait_idle(struct iommufd_address_space *as,
			       const struct iommufd_closed_range *range,
			       struct wait_queue_entry *wait)
{
	while (accessor_any_area(as, range, accessor_area_is_busy)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		wait_woken(wait, TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT);
	}
	return 0;
}

/*
 * Give drivers some time to unpin: a millisecond, or until nothing in the range
 * is pinned by them.
 */
static void accessors_wait_unpinned(struct iommufd_address_space *as,
				    const struct iommufd_closed_range *range,
				    struct wait_queue_entry *wait)
{
	long left = msecs_to_jiffies(1);

	/*
	 * The queue is that of the whole address space: most wakeups are not
	 * for us.
	 */
	while (left && !fatal_signal_pending(current) &&
	       accessor_any_area(as, range, accessor_area_is_pinned))
		left = wait_woken(wait, TASK_KILLABLE, left);
}

/**
 * iommufd_accessors_close_range - let accessors get hold of no area in a range
 * @as: the address space
 * @range: the range, for iommufd_accessors_drive_out(), which opens it
 *
 * What they have stays. The whole range is closed at once, or those who are
 * driven out of one area could begin with another one for ever.
 *
 * Context: caller holds the lock of the space for writing.
 */
void iommufd_accessors_close_range(struct iommufd_address_space *as,
				   struct iommufd_closed_range *range)
{
	lockdep_assert_held_write(&as->space.lock);
	list_add(&range->node, &as->closed);
}

static void accessors_open_range(struct iommufd_address_space *as,
				 struct iommufd_closed_range *range)
{
	down_write(&as->space.lock);
	list_del(&range->node);
	up_write(&as->space.lock);
}

/*
 * A driver that has been asked may have pinned what it has not noted down yet,
 * so it takes another try, at first without a pause.
 */
static int accessors_drive_out(struct iommufd_address_space *as,
			       struct iommufd_closed_range *range,
			       iommufd_retry_t retry,
			       struct wait_queue_entry *wait)
{
	unsigned int rounds;
	int rc;

	for (rounds = 1; rounds <= DRIVE_OUT_ROUNDS; rounds++) {
		rc = accessors_wait_idle(as, range, wait);
		if (rc)
			return rc;
		if (rounds > DRIVE_OUT_QUICK_ROUNDS)
			accessors_wait_unpinned(as, range, wait);
		rc = accessors_notify(as, range);
		if (rc)
			return rc;
		rc = retry(as, range);
		if (rc != -EAGAIN)
			return rc;
	}
	return iommufd_refuse(IOMMU_WHY_DRIVER_KEEPS, range->iova, range->last);
}

/**
 * iommufd_accessors_drive_out - do what accessors are in the way of
 * @as: the address space
 * @range: the range, closed; open on return
 * @retry: what is to be done
 *
 * Waits for those who are pinning or copying what is in the range; drivers that
 * have pages in it pinned are asked to unpin them.
 *
 * Context: process context, may sleep; no lock that a driver takes when it is
 * asked to unpin.
 *
 * Return: as @retry, but for -EAGAIN; -EDEADLK if a driver does not unpin;
 * -EINTR on a fatal signal.
 */
int iommufd_accessors_drive_out(struct iommufd_address_space *as,
				struct iommufd_closed_range *range,
				iommufd_retry_t retry)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int rc;

	add_wait_queue(&as->idle, &wait);
	smp_mb(); /* before the counts are read; pairs with wq_has_sleeper() */
	rc = accessors_drive_out(as, range, retry, &wait);
	remove_wait_queue(&as->idle, &wait);
	accessors_open_range(as, range);
	return rc;
}
