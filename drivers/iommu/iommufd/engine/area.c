// SPDX-License-Identifier: GPL-2.0-only
/*
 * Areas: making and freeing them, and their pins for page tables
 *
 * Owns the memory of areas. Called by the address space, and by those who make
 * what is to be mapped.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "area.h"
#include "pinned.h"

static struct kmem_cache *area_cache;

static void area_init(struct iommufd_area *area, struct iommufd_pinned *pinned,
		      unsigned long offset, unsigned long length, int prot)
{
	area->iova = 0;
	area->last = length - 1;
	area->next = NULL;
	area->pinned = pinned;
	area->offset = offset;
	area->prot = prot;
	atomic_set(&area->pins, 0);
	atomic_set(&area->busy, 0);
	area->state = IOMMUFD_AREA_CREATING;
	area->embedded = area == &pinned->first_area;
	area->has_pin = false;
	area->locks = 0;
}

/**
 * iommufd_area_first_of - the first area of memory
 * @pinned: the memory, which has no area yet
 * @offset: where in @pinned the area begins, in bytes
 * @length: in bytes, not 0
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE, ...
 *
 * Return: the area, which takes over the caller's reference of @pinned, to be
 * mapped or freed.
 */
struct iommufd_area *iommufd_area_first_of(struct iommufd_pinned *pinned,
					   unsigned long offset,
					   unsigned long length, int prot)
{
	area_init(&pinned->first_area, pinned, offset, length, prot);
	return &pinned->first_area;
}

/**
 * iommufd_area_share - another area of the same memory
 * @from: an area
 * @iova: first IOVA of the part that is shared
 * @last: last IOVA of it; what is outside of @from does not count
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE, ...
 *
 * Context: caller keeps @from; may sleep.
 * Return: the area, to be mapped or freed, or NULL without memory.
 */
struct iommufd_area *iommufd_area_share(const struct iommufd_area *from,
					unsigned long iova, unsigned long last,
					int prot)
{
	struct iommufd_area *area;

	iova = max(iova, from->iova);
	last = min(last, from->last);
	area = kmem_cache_alloc(area_cache, GFP_KERNEL_ACCOUNT);
	if (!area)
		return NULL;
	refcount_inc(&from->pinned->refs);
	area_init(area, from->pinned, iommufd_area_offset_at(from, iova),
		  last - iova + 1, prot);
	return area;
}

static void area_free(struct iommufd_area *area)
{
	struct iommufd_pinned *pinned = area->pinned;

	if (!area->embedded)
		kmem_cache_free(area_cache, area);
	iommufd_pinned_put(pinned);
}

/**
 * iommufd_areas_free - free areas that are not mapped
 * @areas: linked areas, or NULL
 */
void iommufd_areas_free(struct iommufd_area *areas)
{
	while (areas) {
		struct iommufd_area *next = areas->next;

		area_free(areas);
		areas = next;
		cond_resched();
	}
}

static __always_inline int area_pin(struct iommufd_area *area)
{
	unsigned long first = iommufd_area_first_page(area);
	unsigned long last = iommufd_area_last_page(area);
	struct iommufd_pinned *pinned = area->pinned;
	int rc;

	/* Others find the memory by its first area, when that is LIVE. */
	if (area == &pinned->first_area && area->state == IOMMUFD_AREA_CREATING)
		rc = iommufd_pinned_pin_new(pinned, first, last);
	else
		rc = iommufd_pinned_pin(pinned, first, last);
	area->has_pin = !rc;
	return rc;
}

/**
 * iommufd_area_pin - pin an area for page tables
 * @area: an area without such a pin
 *
 * Context: the caller is the one to whom iommufd_area::has_pin belongs; may
 * sleep, as long as whoever provides the memory likes.
 * Return: as iommufd_pinned_pin().
 */
int iommufd_area_pin(struct iommufd_area *area)
{
	return area_pin(area);
}

static __always_inline void area_unpin(struct iommufd_area *area)
{
	if (!area->has_pin)
		return;
	area->has_pin = false;
	if (area->state == IOMMUFD_AREA_DYING &&
	    iommufd_pinned_is_last_ref(area->pinned) &&
	    likely(iommufd_pinned_unpin_only(area->pinned)))
		return;
	iommufd_pinned_unpin(area->pinned, iommufd_area_first_page(area),
			     iommufd_area_last_page(area));
}

/**
 * iommufd_areas_pin - pin those areas that are not pinned yet for page tables
 * @area: linked areas
 *
 * Context: as iommufd_area_pin().
 * Return: as iommufd_pinned_pin(); on an error some are pinned.
 */
int iommufd_areas_pin(struct iommufd_area *area)
{
	int rc;

	for (; area; area = area->next) {
		if (area->has_pin)
			continue;
		rc = area_pin(area);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/**
 * iommufd_areas_unpin - unpin areas that are in no page table any more
 * @area: linked areas, of which some may be pinned, or NULL
 *
 * Context: as iommufd_area_pin(), but cannot fail.
 */
void iommufd_areas_unpin(struct iommufd_area *area)
{
	for (; area; area = area->next) {
		area_unpin(area);
		cond_resched();
	}
}

int iommufd_area_cache_init(void)
{
	area_cache = kmem_cache_create("iommufd_area",
				       sizeof(struct iommufd_area), 0,
				       SLAB_ACCOUNT, NULL);
	return area_cache ? 0 : -ENOMEM;
}

void iommufd_area_cache_exit(void)
{
	kmem_cache_destroy(area_cache);
}
