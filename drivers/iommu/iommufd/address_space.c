// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: map, unmap, page tables that come and go
 *
 * Owns the areas and the list of page tables. Called by the IOAS and HWPT
 * objects.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "address_space.h"
#include "domain_map.h"
#include "pinned.h"

static struct kmem_cache *area_cache;

void iommufd_address_space_init(struct iommufd_address_space *as)
{
	init_rwsem(&as->consumers);
	INIT_LIST_HEAD(&as->domains);
	as->page_by_page = false;
	iommufd_iova_space_init(&as->space);
}

static bool is_pinned_by_areas(struct iommufd_address_space *as)
{
	lockdep_assert_held(&as->consumers);

	return !list_empty(&as->domains);
}

/*
 * Into and out of page tables
 */

static void unmap_area(struct iommufd_consumer *consumer,
		       const struct iommufd_area *area)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	iommufd_domain_unmap_range(consumer->domain, area->iova, area->last,
				   &gather);
	iommu_iotlb_sync(consumer->domain, &gather);
}

static int map_area_everywhere(struct iommufd_address_space *as,
			       struct iommufd_area *area)
{
	struct iommufd_consumer *consumer;
	int rc;

	list_for_each_entry(consumer, &as->domains, node) {
		rc = iommufd_domain_map_area(consumer->domain, area,
					     as->page_by_page);
		if (rc)
			goto err_unmap;
	}
	return 0;

err_unmap:
	list_for_each_entry_continue_reverse(consumer, &as->domains, node)
		unmap_area(consumer, area);
	return rc;
}

static int pin_area(struct iommufd_area *area)
{
	return iommufd_pinned_pin(area->pinned, iommufd_area_first_page(area),
				  iommufd_area_last_page(area));
}

static void unpin_area(struct iommufd_area *area)
{
	iommufd_pinned_unpin(area->pinned, iommufd_area_first_page(area),
			     iommufd_area_last_page(area));
}

static int fill_area(struct iommufd_address_space *as,
		     struct iommufd_area *area)
{
	struct mutex *mutex = &area->pinned->mutex;
	int rc;

	if (!is_pinned_by_areas(as))
		return 0;

	mutex_lock(mutex);
	rc = pin_area(area);
	if (rc)
		goto out_unlock;
	rc = map_area_everywhere(as, area);
	if (rc)
		unpin_area(area);
out_unlock:
	mutex_unlock(mutex);
	return rc;
}

/*
 * Map
 */

static void free_area(struct iommufd_area *area)
{
	iommufd_pinned_put(area->pinned);
	kmem_cache_free(area_cache, area);
}

static struct iommufd_area *alloc_area(struct iommufd_pinned *pinned,
				       unsigned long offset, int prot)
{
	struct iommufd_area *area;

	area = kmem_cache_alloc(area_cache, GFP_KERNEL_ACCOUNT);
	if (!area)
		return NULL;
	refcount_inc(&pinned->refs);
	area->pinned = pinned;
	area->offset = offset;
	area->prot = prot;
	area->state = IOMMUFD_AREA_CREATING;
	return area;
}

static int take_iova(struct iommufd_iova_space *space,
		     struct iommufd_area *area, unsigned long length,
		     unsigned long hint, bool fixed, unsigned long *iova)
{
	int rc;

	down_write(&space->lock);
	if (fixed)
		rc = iommufd_iova_check(space, *iova, length);
	else
		rc = iommufd_iova_choose(space, hint, length, iova);
	if (!rc && !IS_ALIGNED(offset_in_page(hint), space->alignment))
		rc = -EINVAL;
	if (!rc) {
		area->iova = *iova;
		area->last = *iova + length - 1;
		iommufd_iova_insert(space, area);
	}
	up_write(&space->lock);
	return rc;
}

static void return_iova(struct iommufd_iova_space *space,
			struct iommufd_area *area)
{
	down_write(&space->lock);
	iommufd_iova_remove(space, area);
	up_write(&space->lock);
}

/**
 * iommufd_address_space_map - put memory at an IOVA
 * @as: the address space
 * @pinned: the memory; the area takes a reference of its own
 * @offset: where in @pinned the area begins, in bytes
 * @length: in bytes, not 0
 * @hint: start of the memory as its owner sees it, see iommufd_iova_choose()
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE, ...
 * @fixed: the caller says which IOVA
 * @iova: the IOVA, in when @fixed, out otherwise
 *
 * Context: process context; may sleep and take the mmap_lock of the memory.
 *
 * Return: 0; errors of iommufd_iova_check() or iommufd_iova_choose(); -EINVAL
 * if the page offset of @hint is not aligned; if there are page tables, errors
 * of the source and the IOMMU driver; -ENOMEM. On an error nothing has changed.
 */
int iommufd_address_space_map(struct iommufd_address_space *as,
			      struct iommufd_pinned *pinned,
			      unsigned long offset, unsigned long length,
			      unsigned long hint, int prot, bool fixed,
			      unsigned long *iova)
{
	struct iommufd_area *area;
	int rc;

	area = alloc_area(pinned, offset, prot);
	if (!area)
		return -ENOMEM;

	down_read(&as->consumers);
	rc = take_iova(&as->space, area, length, hint, fixed, iova);
	if (rc)
		goto err_free;
	rc = fill_area(as, area);
	if (rc)
		goto err_return;

	/* Pairs with the acquire in may_unmap(): all of the above is seen. */
	smp_store_release(&area->state, IOMMUFD_AREA_LIVE);
	up_read(&as->consumers);
	return 0;

err_return:
	return_iova(&as->space, area);
err_free:
	up_read(&as->consumers);
	free_area(area);
	return rc;
}

/*
 * Unmap
 */

static int may_unmap(struct iommufd_area *area, unsigned long iova,
		     unsigned long last)
{
	if (area->iova < iova || area->last > last)
		return -ENOENT;
	/* Pairs with the release in iommufd_address_space_map(). */
	if (smp_load_acquire(&area->state) != IOMMUFD_AREA_LIVE)
		return -EBUSY;
	return 0;
}

/* Either all areas of the range become DYING and ours, or none. */
static int collect_areas(struct iommufd_iova_space *space, unsigned long iova,
			 unsigned long last, struct iommufd_area **areas)
{
	struct iommufd_area **link = areas;
	struct iommufd_area *area;
	int rc = 0;

	down_write(&space->lock);
	for (area = iommufd_area_first(space, iova, last); area;
	     area = iommufd_area_next(area, last)) {
		rc = may_unmap(area, iova, last);
		if (rc)
			break;
		*link = area;
		link = &area->next_dying;
	}
	*link = NULL;
	if (!rc) {
		for (area = *areas; area; area = area->next_dying)
			area->state = IOMMUFD_AREA_DYING;
	}
	up_write(&space->lock);
	return rc;
}

/* One pass, one flush; neighbours in IOVA leave in one call. */
static void unmap_areas(struct iommufd_consumer *consumer,
			const struct iommufd_area *area)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	while (area) {
		unsigned long iova = area->iova, last = area->last;

		for (area = area->next_dying; area && area->iova == last + 1;
		     area = area->next_dying)
			last = area->last;
		iommufd_domain_unmap_range(consumer->domain, iova, last,
					   &gather);
		cond_resched();
	}
	iommu_iotlb_sync(consumer->domain, &gather);
}

static void unpin_areas(struct iommufd_area *area)
{
	for (; area; area = area->next_dying) {
		mutex_lock(&area->pinned->mutex);
		unpin_area(area);
		mutex_unlock(&area->pinned->mutex);
	}
}

static void empty_areas(struct iommufd_address_space *as,
			struct iommufd_area *areas)
{
	struct iommufd_consumer *consumer;

	if (!areas || !is_pinned_by_areas(as))
		return;
	list_for_each_entry(consumer, &as->domains, node)
		unmap_areas(consumer, areas);
	unpin_areas(areas);
}

static unsigned long remove_areas(struct iommufd_iova_space *space,
				  struct iommufd_area *areas)
{
	struct iommufd_area *area;
	unsigned long length = 0;

	down_write(&space->lock);
	for (area = areas; area; area = area->next_dying) {
		length += iommufd_area_length(area);
		iommufd_iova_remove(space, area);
	}
	up_write(&space->lock);
	return length;
}

static void free_areas(struct iommufd_area *area)
{
	while (area) {
		struct iommufd_area *next = area->next_dying;

		free_area(area);
		area = next;
	}
}

/**
 * iommufd_address_space_unmap - take memory away
 * @as: the address space
 * @iova: first IOVA
 * @last: last IOVA
 * @unmapped: receives the number of bytes that were mapped, which may be 0
 *
 * Context: process context, may sleep.
 *
 * Return: 0; -ENOENT if an area is only partly in the range; -EBUSY if another
 * thread maps or unmaps one. On an error nothing has changed.
 */
int iommufd_address_space_unmap(struct iommufd_address_space *as,
				unsigned long iova, unsigned long last,
				unsigned long *unmapped)
{
	struct iommufd_area *areas;
	int rc;

	down_read(&as->consumers);
	rc = collect_areas(&as->space, iova, last, &areas);
	if (!rc) {
		empty_areas(as, areas);
		*unmapped = remove_areas(&as->space, areas);
	}
	up_read(&as->consumers);
	if (!rc)
		free_areas(areas);
	return rc;
}

/**
 * iommufd_address_space_destroy - unmap and free everything
 * @as: the address space, which no page table follows any more
 */
void iommufd_address_space_destroy(struct iommufd_address_space *as)
{
	unsigned long unmapped;

	WARN_ON(!list_empty(&as->domains));
	WARN_ON(iommufd_address_space_unmap(as, 0, ULONG_MAX, &unmapped));
	iommufd_iova_space_destroy(&as->space);
}

/*
 * Page tables
 */

static unsigned long smallest_page(struct iommu_domain *domain)
{
	return 1UL << __ffs(domain->pgsize_bitmap);
}

/* What the remaining consumers ask for */
static unsigned long needed_alignment(struct iommufd_address_space *as)
{
	unsigned long alignment = as->page_by_page ? PAGE_SIZE : 1;
	struct iommufd_consumer *consumer;

	list_for_each_entry(consumer, &as->domains, node)
		alignment = max(alignment, smallest_page(consumer->domain));
	return alignment;
}

/* IOVA outside the aperture, and the alignment */
static int restrict_iova(struct iommufd_iova_space *space,
			 struct iommufd_consumer *consumer)
{
	struct iommu_domain_geometry *geometry = &consumer->domain->geometry;
	unsigned long alignment = smallest_page(consumer->domain);
	int rc;

	lockdep_assert_held_write(&space->lock);

	if (alignment > PAGE_SIZE)
		return -EINVAL;
	if (!iommufd_iova_fits_alignment(space, alignment))
		return -EADDRINUSE;

	if (geometry->aperture_start) {
		rc = iommufd_iova_reserve(space, 0,
					  geometry->aperture_start - 1,
					  consumer);
		if (rc)
			goto err_unreserve;
	}
	if (geometry->aperture_end < ULONG_MAX) {
		rc = iommufd_iova_reserve(space, geometry->aperture_end + 1,
					  ULONG_MAX, consumer);
		if (rc)
			goto err_unreserve;
	}
	space->alignment = max(space->alignment, alignment);
	return 0;

err_unreserve:
	iommufd_iova_unreserve(space, consumer);
	return rc;
}

static void widen_iova(struct iommufd_address_space *as,
		       struct iommufd_consumer *consumer)
{
	down_write(&as->space.lock);
	iommufd_iova_unreserve(&as->space, consumer);
	as->space.alignment = needed_alignment(as);
	up_write(&as->space.lock);
}

/*
 * Nobody changes areas while the consumers are held for writing, so the walks
 * below need no lock, and may pin.
 */
static struct iommufd_area *first_area(struct iommufd_address_space *as)
{
	lockdep_assert_held_write(&as->consumers);

	return iommufd_area_first(&as->space, 0, ULONG_MAX);
}

static struct iommufd_area *next_area(struct iommufd_area *area)
{
	return iommufd_area_next(area, ULONG_MAX);
}

static void empty_domain(struct iommufd_address_space *as,
			 struct iommufd_consumer *consumer,
			 struct iommufd_area *end)
{
	bool last_user = list_empty(&as->domains);
	struct iommu_iotlb_gather gather;
	struct iommufd_area *area;

	/* Without a range a flush would be one of everything. */
	if (first_area(as) == end)
		return;

	iommu_iotlb_gather_init(&gather);
	for (area = first_area(as); area != end; area = next_area(area)) {
		iommufd_domain_unmap_range(consumer->domain, area->iova,
					   area->last, &gather);
		cond_resched();
	}
	iommu_iotlb_sync(consumer->domain, &gather);

	if (!last_user)
		return;
	for (area = first_area(as); area != end; area = next_area(area)) {
		mutex_lock(&area->pinned->mutex);
		unpin_area(area);
		mutex_unlock(&area->pinned->mutex);
	}
}

static int fill_domain_area(struct iommufd_address_space *as,
			    struct iommufd_consumer *consumer,
			    struct iommufd_area *area)
{
	bool first_user = list_empty(&as->domains);
	struct mutex *mutex = &area->pinned->mutex;
	int rc;

	mutex_lock(mutex);
	if (first_user) {
		rc = pin_area(area);
		if (rc)
			goto out_unlock;
	}
	rc = iommufd_domain_map_area(consumer->domain, area, as->page_by_page);
	if (rc && first_user)
		unpin_area(area);
out_unlock:
	mutex_unlock(mutex);
	return rc;
}

static int fill_domain(struct iommufd_address_space *as,
		       struct iommufd_consumer *consumer)
{
	struct iommufd_area *area;
	int rc;

	for (area = first_area(as); area; area = next_area(area)) {
		rc = fill_domain_area(as, consumer, area);
		if (rc) {
			empty_domain(as, consumer, area);
			return rc;
		}
		cond_resched();
	}
	return 0;
}

/**
 * iommufd_address_space_add - let a page table follow the address space
 * @as: the address space
 * @consumer: the page table, empty and not yet used by hardware
 *
 * What is mapped now is in the page table on return.
 *
 * Context: process context; may sleep and take the mmap_lock of the memory.
 *
 * Return: 0; -EINVAL if the smallest page of the page table is too large;
 * -EADDRINUSE if an area or an allowed range does not suit it; errors of the
 * sources and the IOMMU driver; -ENOMEM. On an error nothing has changed.
 */
int iommufd_address_space_add(struct iommufd_address_space *as,
			      struct iommufd_consumer *consumer)
{
	int rc;

	down_write(&as->consumers);
	down_write(&as->space.lock);
	rc = restrict_iova(&as->space, consumer);
	up_write(&as->space.lock);
	if (rc)
		goto out_unlock;

	rc = fill_domain(as, consumer);
	if (rc) {
		widen_iova(as, consumer);
		goto out_unlock;
	}
	list_add_tail(&consumer->node, &as->domains);
out_unlock:
	up_write(&as->consumers);
	return rc;
}

/**
 * iommufd_address_space_remove - let a page table leave
 * @as: the address space
 * @consumer: the page table, which no hardware uses any more
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_address_space_remove(struct iommufd_address_space *as,
				  struct iommufd_consumer *consumer)
{
	down_write(&as->consumers);
	list_del(&consumer->node);
	empty_domain(as, consumer, NULL);
	widen_iova(as, consumer);
	up_write(&as->consumers);
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

	down_write(&as->consumers);
	down_write(&as->space.lock);
	if (as->page_by_page == page_by_page)
		goto out_unlock;
	if (page_by_page && !list_empty(&as->domains) && first_area(as)) {
		rc = -EINVAL;
		goto out_unlock;
	}
	if (page_by_page && !iommufd_iova_fits_alignment(&as->space,
							 PAGE_SIZE)) {
		rc = -EADDRINUSE;
		goto out_unlock;
	}
	as->page_by_page = page_by_page;
	as->space.alignment = needed_alignment(as);
out_unlock:
	up_write(&as->space.lock);
	up_write(&as->consumers);
	return rc;
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
