// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: map, share
 *
 * Owns the areas that are CREATING. Called by the IOAS.
 */
#include <linux/iommu.h>
#include <linux/sched/signal.h>

#include "address_space.h"
#include "become_device.h"
#include "fill.h"
#include "pinned.h"

static unsigned long map_total_length(const struct iommufd_area *area)
{
	unsigned long length = 0;

	for (; area; area = area->next)
		length += iommufd_area_length(area);
	return length;
}

/* All but the start, which is checked with the IOVA as a whole */
static int map_check_alignment(const struct iommufd_area *area,
			       unsigned long alignment)
{
	for (; area; area = area->next) {
		if (!IS_ALIGNED(area->offset | iommufd_area_length(area),
				alignment))
			return iommufd_refuse(IOMMU_WHY_OFFSET_ALIGNMENT,
					      area->offset, alignment);
	}
	return 0;
}

static void map_insert_areas(struct iommufd_iova_space *space,
			     struct iommufd_area *area, unsigned long iova)
{
	for (; area; area = area->next) {
		unsigned long length = iommufd_area_length(area);

		area->iova = iova;
		area->last = iova + length - 1;
		iommufd_iova_insert(space, area);
		iova += length;
	}
}

static int map_take_iova(struct iommufd_iova_space *space,
			 struct iommufd_area *areas, bool fixed,
			 unsigned long *iova)
{
	unsigned long hint = areas->pinned->start + areas->offset;
	unsigned long length = map_total_length(areas);
	int rc;

	down_write(&space->lock);
	if (fixed)
		rc = iommufd_iova_check(space, *iova, length);
	else
		rc = iommufd_iova_choose(space, hint, length, iova);
	if (!rc)
		rc = map_check_alignment(areas, space->alignment);
	if (!rc)
		map_insert_areas(space, areas, *iova);
	up_write(&space->lock);
	return rc;
}

static void map_return_iova(struct iommufd_iova_space *space,
			    struct iommufd_area *area)
{
	down_write(&space->lock);
	for (; area; area = area->next)
		iommufd_iova_remove(space, area);
	up_write(&space->lock);
}

static void map_publish_areas(struct iommufd_area *area)
{
	struct iommufd_area *next;

	for (; area; area = next) {
		next = area->next;
		/* Pairs with iommufd_area_state(): all of it is seen. */
		smp_store_release(&area->state, IOMMUFD_AREA_LIVE);
	}
}

/* Whether there is a device at the address is only known when pinning fails. */
static int map_pin_areas(struct iommufd_address_space *as,
			 struct iommufd_area *area)
{
	int rc;

	while ((rc = iommufd_areas_pin(area))) {
		while (area && area->has_pin)
			area = area->next;
		if (!area)
			return rc;
		rc = iommufd_area_become_device(as, area, rc);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * Pin areas if there are followers. On success the followers are held, and the
 * areas have pins if and only if there are some. On an error some areas may
 * have pins.
 */
static int map_pin(struct iommufd_address_space *as, struct iommufd_area *areas)
{
	int rc;

	for (;;) {
		if (iommufd_is_followed(as)) {
			rc = map_pin_areas(as, areas);
			if (rc)
				return rc;
		}
		down_read(&as->followers_lock);
		if (!iommufd_is_followed(as))
			iommufd_areas_unpin(areas);
		if (iommufd_is_followed(as) == areas->has_pin)
			return 0;
		/* The first follower has come. */
		up_read(&as->followers_lock);
	}
}

static int map_fill(struct iommufd_address_space *as,
		    struct iommufd_area *areas)
{
	int rc;

	rc = map_pin(as, areas);
	if (rc)
		goto err_unpin;
	if (areas->has_pin)
		rc = iommufd_fill_areas(as, NULL, areas);
	if (!rc)
		map_publish_areas(areas);
	up_read(&as->followers_lock);
	if (rc)
		goto err_unpin;
	return 0;

err_unpin:
	iommufd_areas_unpin(areas);
	return rc;
}

/**
 * iommufd_address_space_map - put memory at an IOVA
 * @as: the address space
 * @areas: linked areas, which will follow one another; the address space's on
 *         success, still the caller's otherwise
 * @fixed: the caller says which IOVA
 * @iova: the IOVA, in when @fixed, out otherwise
 *
 * Context: process context; may sleep and take the mmap_lock of the memory.
 *
 * Return: 0; errors of iommufd_iova_check() or iommufd_iova_choose(); -EINVAL
 * if the page offset of an area is not aligned; if there are page tables,
 * errors of the source and the IOMMU driver, -ENOMEM, and -EINTR on a fatal
 * signal. On an error nothing has changed.
 */
int iommufd_address_space_map(struct iommufd_address_space *as,
			      struct iommufd_area *areas, bool fixed,
			      unsigned long *iova)
{
	int rc;

	rc = map_take_iova(&as->space, areas, fixed, iova);
	if (rc)
		return rc;
	rc = map_fill(as, areas);
	if (rc)
		map_return_iova(&as->space, areas);
	return rc;
}

/* Share the part of @from in the range, or say why not. */
static struct iommufd_area *map_share_area(struct iommufd_area *from,
					   unsigned long iova,
					   unsigned long last, int access)
{
	const int which = IOMMU_READ | IOMMU_WRITE;
	struct iommufd_area *area;

	if (access & IOMMU_WRITE && !from->pinned->writable)
		return iommufd_refuse_ptr(IOMMU_WHY_COPY_READ_ONLY, from->iova);
	area = iommufd_area_share(from, iova, last,
				  (from->prot & ~which) | access);
	return area ?: ERR_PTR(-ENOMEM);
}

/**
 * iommufd_address_space_share - areas of what is mapped already
 * @as: the address space
 * @iova: first IOVA
 * @last: last IOVA
 * @access: IOMMU_READ, IOMMU_WRITE of the new areas
 *
 * Context: process context, may sleep.
 *
 * Return: linked areas of the same memory, to be mapped or freed; or an
 * ERR_PTR: -ENOENT if the range is not covered without a hole; -EPERM for write
 * access to memory that is pinned for reading; -ENOMEM; -EINTR.
 */
struct iommufd_area *
iommufd_address_space_share(struct iommufd_address_space *as,
			    unsigned long iova, unsigned long last, int access)
{
	struct iommufd_area *from, *areas = NULL, **link = &areas;
	unsigned long next = iova;
	bool covered = false;
	int rc = 0;

	down_read(&as->space.lock);
	for (from = iommufd_area_first(&as->space, iova, last);
	     from && from->iova <= next && iommufd_area_is_live(from);
	     from = iommufd_area_next(from, last)) {
		*link = map_share_area(from, iova, last, access);
		if (IS_ERR(*link)) {
			rc = PTR_ERR(*link);
			*link = NULL;
			break;
		}
		link = &(*link)->next;
		covered = from->last >= last;
		if (covered)
			break;
		next = from->last + 1;
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		cond_resched();
	}
	up_read(&as->space.lock);

	if (!rc && !covered)
		rc = iommufd_refuse(IOMMU_WHY_COPY_HOLE, iova, last, next);
	if (rc) {
		iommufd_areas_free(areas);
		return ERR_PTR(rc);
	}
	return areas;
}
