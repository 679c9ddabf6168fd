// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: unmap
 *
 * Owns the areas that are DYING, and the ranges that are closed meanwhile.
 * Called by the IOAS, and when it goes.
 */
#include <linux/iommu.h>
#include <linux/sched.h>

#include "accessors.h"
#include "address_space.h"
#include "fill.h"
#include "pinned.h"

static int unmap_check_area(struct iommufd_area *area, unsigned long iova,
			    unsigned long last)
{
	if (area->iova < iova || area->last > last)
		return iommufd_refuse(IOMMU_WHY_UNMAP_PART, iova, last,
				      area->iova, area->last);
	return iommufd_area_check_settled(area);
}

/* What one unmap is about */
struct unmap_request {
	struct iommufd_closed_range range;
	struct iommufd_area *areas;
	unsigned long nr_areas;
	unsigned long length;
	/* somebody needs one of the areas, and the range is closed */
	bool in_use;
};

static int unmap_take_areas(struct iommufd_iova_space *space,
			    struct unmap_request *req)
{
	struct iommufd_area **link = &req->areas;
	struct iommufd_area *area;
	bool in_use = false;
	int rc = 0;

	req->nr_areas = 0;
	req->length = 0;
	for (area = iommufd_area_first(space, req->range.iova, req->range.last);
	     area; area = iommufd_area_next(area, req->range.last)) {
		rc = unmap_check_area(area, req->range.iova, req->range.last);
		if (rc)
			break;
		area->state = IOMMUFD_AREA_DYING;
		*link = area;
		link = &area->next;
		req->nr_areas++;
		req->length += iommufd_area_length(area);
		if (atomic_read(&area->busy) || atomic_read(&area->pins))
			in_use = true;
		cond_resched();
	}
	*link = NULL;
	return !rc && in_use ? -EAGAIN : rc;
}

static void unmap_give_areas_back(struct unmap_request *req)
{
	struct iommufd_area *area;

	for (area = req->areas; area; area = area->next) {
		area->state = IOMMUFD_AREA_LIVE;
		cond_resched();
	}
}

/*
 * Either all areas of the range become DYING and ours, or none. If somebody
 * needs one of them, -EAGAIN is returned, and the range stays closed from then
 * on, or those who are driven out of one area could begin with another one.
 */
static int unmap_collect_areas(struct iommufd_address_space *as,
			       struct unmap_request *req)
{
	int rc;

	down_write(&as->space.lock);
	rc = unmap_take_areas(&as->space, req);
	if (rc)
		unmap_give_areas_back(req);
	if (rc == -EAGAIN && !req->in_use) {
		req->in_use = true;
		iommufd_accessors_close_range(as, &req->range);
	}
	up_write(&as->space.lock);
	return rc;
}

static void unmap_remove_areas(struct iommufd_iova_space *space,
			       const struct unmap_request *req)
{
	struct iommufd_area *area;

	down_write(&space->lock);
	if (req->nr_areas == space->nr_areas) {
		iommufd_iova_remove_all(space);
	} else {
		for (area = req->areas; area; area = area->next)
			iommufd_iova_remove(space, area);
	}
	up_write(&space->lock);
}

static int unmap_try(struct iommufd_address_space *as,
		     struct unmap_request *req)
{
	int rc;

	down_read(&as->followers_lock);
	rc = unmap_collect_areas(as, req);
	if (!rc) {
		iommufd_empty_areas(as, NULL, req->areas);
		iommufd_areas_unpin(req->areas);
		unmap_remove_areas(&as->space, req);
	}
	up_read(&as->followers_lock);
	if (!rc)
		iommufd_areas_free(req->areas);
	return rc;
}

static int unmap_retry(struct iommufd_address_space *as,
		       struct iommufd_closed_range *range)
{
	struct unmap_request *req =
		container_of(range, struct unmap_request, range);

	return unmap_try(as, req);
}

/**
 * iommufd_address_space_unmap - take memory away
 * @as: the address space
 * @iova: first IOVA
 * @last: last IOVA
 * @unmapped: receives the number of bytes that were mapped, which may be 0
 *
 * Waits for those who are pinning or copying what is in the range. Drivers that
 * have pages in the range pinned are asked to unpin them.
 *
 * Context: process context, may sleep; no lock that a driver takes when it is
 * asked to unpin.
 *
 * Return: 0; -ENOENT if an area is only partly in the range; -EBUSY if another
 * thread maps or unmaps one, or one is locked; -EDEADLK if a driver does not
 * unpin; -EINTR on a fatal signal, only if there is somebody to wait for. On an
 * error nothing has changed.
 */
int iommufd_address_space_unmap(struct iommufd_address_space *as,
				unsigned long iova, unsigned long last,
				unsigned long *unmapped)
{
	struct unmap_request req __uninitialized;
	int rc;

	req.range.iova = iova;
	req.range.last = last;
	req.in_use = false;
	rc = unmap_try(as, &req);
	if (unlikely(rc == -EAGAIN))
		rc = iommufd_accessors_drive_out(as, &req.range, unmap_retry);
	if (!rc)
		*unmapped = req.length;
	return rc;
}
