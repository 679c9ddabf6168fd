// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: memory that hardware reaches by its physical address
 *
 * Owns iommufd_area::locks. Called by the hardware queues of vIOMMUs. Nobody
 * can ask hardware to let go of memory, so the areas cannot be unmapped as long
 * as it may be there.
 */
#include <linux/iommu.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "accessors.h"
#include "address_space.h"
#include "pinned.h"

/* A range, and where its memory begins, once the first part is pinned */
struct lock_request {
	unsigned long iova;
	unsigned long last;
	phys_addr_t phys;
};

static int lock_check_area(const struct iommufd_address_space *as,
			   struct iommufd_area *area)
{
	int rc;

	rc = iommufd_accessors_check_area(as, area, true, true);
	if (rc)
		return rc;
	/*
	 * Only the driver knows whether its hardware reads or writes the
	 * memory, so both must be allowed. Whether it may be written to was
	 * checked above.
	 */
	if (!(area->prot & IOMMU_READ))
		return iommufd_refuse(IOMMU_WHY_LOCK_MODE, area->iova);
	if (area->locks == U16_MAX)
		return iommufd_refuse(IOMMU_WHY_LOCKS, area->iova);
	return 0;
}

/* Do areas that can be locked cover the range without a hole? */
static int lock_check(struct iommufd_address_space *as,
		      const struct lock_request *req)
{
	unsigned long next = req->iova;
	struct iommufd_area *area;
	int rc;

	area = iommufd_area_first(&as->space, req->iova, req->last);
	for (;; area = iommufd_area_next(area, req->last)) {
		if (!area || area->iova > next)
			return iommufd_refuse(IOMMU_WHY_ACCESS_HOLE, next);
		rc = lock_check_area(as, area);
		if (rc)
			return rc;
		if (area->last >= req->last)
			return 0;
		next = area->last + 1;
	}
}

static void lock_count(struct iommufd_address_space *as,
		       const struct lock_request *req, int change)
{
	struct iommufd_area *area;

	lockdep_assert_held_write(&as->space.lock);

	for (area = iommufd_area_first(&as->space, req->iova, req->last); area;
	     area = iommufd_area_next(area, req->last))
		area->locks += change;
}

/* From here on the areas stay. */
static int lock_begin(struct iommufd_address_space *as,
		      const struct lock_request *req)
{
	int rc;

	down_write(&as->space.lock);
	rc = lock_check(as, req);
	if (!rc)
		lock_count(as, req, 1);
	up_write(&as->space.lock);
	return rc;
}

static void lock_end(struct iommufd_address_space *as,
		     const struct lock_request *req)
{
	down_write(&as->space.lock);
	lock_count(as, req, -1);
	up_write(&as->space.lock);
}

/* The first area of the range, or that behind @area; NULL at its end */
static struct iommufd_area *lock_next_area(struct iommufd_address_space *as,
					   struct iommufd_area *area,
					   const struct lock_request *req)
{
	down_read(&as->space.lock);
	area = area ? iommufd_area_next(area, req->last) :
		      iommufd_area_first(&as->space, req->iova, req->last);
	up_read(&as->space.lock);
	return area;
}

/* Are the pages in one piece? Tells where the first is. */
static bool lock_find_piece(struct iommufd_pinned *pinned, unsigned long first,
			    unsigned long last, phys_addr_t *phys)
{
	unsigned long npages, pfn;

	guard(mutex)(&pinned->mutex);
	npages = iommufd_pinned_piece(pinned, first, last, &pfn);
	*phys = PFN_PHYS(pfn);
	return npages == last - first + 1;
}

/* Does what an area shows go on where the memory of the area before it ends? */
static int lock_add_part(struct lock_request *req,
			 const struct iommufd_area *area)
{
	unsigned long iova = max(area->iova, req->iova);
	phys_addr_t phys;

	if (!lock_find_piece(area->pinned,
			     iommufd_area_first_page_in(area, req->iova),
			     iommufd_area_last_page_in(area, req->last), &phys))
		return iommufd_refuse(IOMMU_WHY_LOCK_SCATTERED, iova);
	phys += offset_in_page(iova);
	if (iova == req->iova)
		req->phys = phys;
	if (phys != req->phys + (iova - req->iova))
		return iommufd_refuse(IOMMU_WHY_LOCK_SCATTERED, iova);
	return 0;
}

static int lock_pin_part(struct lock_request *req,
			 const struct iommufd_area *area)
{
	unsigned long first = iommufd_area_first_page_in(area, req->iova);
	unsigned long last = iommufd_area_last_page_in(area, req->last);
	int rc;

	rc = iommufd_pinned_pin(area->pinned, first, last);
	if (rc)
		return rc;
	rc = lock_add_part(req, area);
	if (rc)
		iommufd_pinned_unpin(area->pinned, first, last);
	return rc;
}

/* All of the range up to @end, which is NULL for all of it */
static void lock_unpin_parts(struct iommufd_address_space *as,
			     const struct lock_request *req,
			     struct iommufd_area *end)
{
	struct iommufd_area *area = NULL;

	while ((area = lock_next_area(as, area, req)) != end)
		iommufd_pinned_unpin(area->pinned,
				     iommufd_area_first_page_in(area, req->iova),
				     iommufd_area_last_page_in(area, req->last));
}

static int lock_pin_parts(struct iommufd_address_space *as,
			  struct lock_request *req)
{
	struct iommufd_area *area = NULL;
	int rc;

	while ((area = lock_next_area(as, area, req))) {
		rc = fatal_signal_pending(current) ? -EINTR :
						     lock_pin_part(req, area);
		if (rc) {
			lock_unpin_parts(as, req, area);
			return rc;
		}
		cond_resched();
	}
	return 0;
}

/**
 * iommufd_address_space_lock - keep memory for hardware that reaches it
 * directly
 * @as: the address space
 * @iova: first IOVA
 * @last: last IOVA
 * @phys: receives the physical address of @iova; the rest lies behind it
 *
 * What is mapped there is pinned, and cannot be unmapped, until
 * iommufd_address_space_unlock() is called with the same range.
 *
 * Context: process context, no locks; may sleep and take the mmap_lock of the
 * memory.
 *
 * Return: 0; -ENOENT if there is a hole in the range; -EINVAL if an area is
 * being unmapped, has no struct pages, or does not begin its pages where the
 * IOVA does; -EPERM if it cannot be both read and written; -EBUSY if it is
 * locked too often; errors of the source; -EFAULT if the memory is not in one
 * piece; -EINTR. On an error nothing has changed.
 */
int iommufd_address_space_lock(struct iommufd_address_space *as,
			       unsigned long iova, unsigned long last,
			       phys_addr_t *phys)
{
	struct lock_request req = { .iova = iova, .last = last };
	int rc;

	rc = lock_begin(as, &req);
	if (rc)
		return rc;
	rc = lock_pin_parts(as, &req);
	if (rc) {
		lock_end(as, &req);
		return rc;
	}
	*phys = req.phys;
	return 0;
}

/**
 * iommufd_address_space_unlock - the reverse of iommufd_address_space_lock()
 * @as: the address space
 * @iova: first IOVA, as it was locked
 * @last: last IOVA, as it was locked
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_address_space_unlock(struct iommufd_address_space *as,
				  unsigned long iova, unsigned long last)
{
	const struct lock_request req = { .iova = iova, .last = last };

	lock_unpin_parts(as, &req, NULL);
	lock_end(as, &req);
}
