// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: map, unmap, page tables that come and go
 *
 * Owns the areas and the list of page tables. Called by the IOAS and HWPT
 * objects.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "address_space.h"
#include "domain_map.h"
#include "pinned.h"
#include "revocable.h"

/* How often an unmap asks drivers to let go of pages, at first without a pause */
#define UNMAP_ROUNDS 100
#define UNMAP_QUICK_ROUNDS 10

static struct kmem_cache *area_cache;

void iommufd_address_space_init(struct iommufd_address_space *as)
{
	mutex_init(&as->fill_lock);
	init_rwsem(&as->consumers);
	INIT_LIST_HEAD(&as->domains);
	INIT_LIST_HEAD(&as->reachers);
	INIT_LIST_HEAD(&as->closed);
	init_waitqueue_head(&as->idle);
	as->page_by_page = false;
	iommufd_iova_space_init(&as->space);
}

/*
 * Is memory to be pinned for page tables? The answer stays true only as long as
 * the consumers are held.
 */
static bool is_followed(struct iommufd_address_space *as)
{
	return !list_empty(&as->domains);
}

/*
 * Into and out of page tables
 */

static int map_area(struct iommufd_address_space *as,
		    struct iommufd_consumer *consumer,
		    const struct iommufd_area *area)
{
	if (area->pinned->revocable)
		return iommufd_revocable_map(consumer->domain, area,
					     as->page_by_page);
	return iommufd_domain_map_area(consumer->domain, area,
				       as->page_by_page);
}

/*
 * Take areas out of a page table, those of one request by one flush; neighbours
 * in IOVA leave in one call. Of memory that can be revoked, what comes in a row
 * leaves under the lock of the owner, by one flush too.
 */
struct emptier {
	struct iommufd_consumer *consumer;
	unsigned long iova;
	unsigned long last;
	bool pending;
	bool flush;
	/* whose owner waits for us, or NULL */
	struct iommufd_revocable *revocable;
	struct iommu_iotlb_gather gather;
};

static void emptier_init(struct emptier *emptier,
			 struct iommufd_consumer *consumer)
{
	emptier->consumer = consumer;
	emptier->pending = false;
	emptier->flush = false;
	emptier->revocable = NULL;
	iommu_iotlb_gather_init(&emptier->gather);
}

static void emptier_unmap_range(struct emptier *emptier)
{
	if (!emptier->pending)
		return;
	iommufd_domain_unmap_range(emptier->consumer->domain, emptier->iova,
				   emptier->last, &emptier->gather);
	emptier->pending = false;
	emptier->flush = true;
}

static void emptier_sync(struct emptier *emptier)
{
	/* Without a range a flush would be one of everything. */
	if (emptier->flush)
		iommu_iotlb_sync(emptier->consumer->domain, &emptier->gather);
	emptier->flush = false;
}

/*
 * Go over from one kind of memory to another, NULL for what cannot be revoked.
 * An owner that waits for us can have its memory back as soon as we let go of
 * the lock, so that the flush comes before; and it waits for no other memory.
 */
static void emptier_switch(struct emptier *emptier,
			   struct iommufd_revocable *revocable)
{
	emptier_unmap_range(emptier);
	if (emptier->revocable) {
		emptier_sync(emptier);
		iommufd_revocable_unmap_end(emptier->revocable);
	}
	if (revocable && !iommufd_revocable_unmap_begin(revocable))
		revocable = NULL;
	emptier->revocable = revocable;
}

static void emptier_add(struct emptier *emptier,
			const struct iommufd_area *area)
{
	struct iommufd_revocable *revocable = area->pinned->revocable;

	cond_resched();
	if (revocable != emptier->revocable)
		emptier_switch(emptier, revocable);
	if (revocable) {
		/* It may be out already. */
		if (!emptier->revocable)
			return;
		iommufd_revocable_unmap_area(emptier->consumer->domain, area);
	}
	if (emptier->pending && emptier->last + 1 == area->iova) {
		emptier->last = area->last;
		return;
	}
	emptier_unmap_range(emptier);
	emptier->iova = area->iova;
	emptier->last = area->last;
	emptier->pending = true;
}

static void emptier_finish(struct emptier *emptier)
{
	emptier_switch(emptier, NULL);
	emptier_sync(emptier);
}

static noinline_for_stack void
unmap_revocable_area(struct iommufd_consumer *consumer,
		     const struct iommufd_area *area)
{
	struct emptier emptier;

	emptier_init(&emptier, consumer);
	emptier_add(&emptier, area);
	emptier_finish(&emptier);
}

static void unmap_area(struct iommufd_consumer *consumer,
		       const struct iommufd_area *area)
{
	struct iommu_iotlb_gather gather __uninitialized;

	if (area->pinned->revocable) {
		unmap_revocable_area(consumer, area);
		return;
	}
	iommu_iotlb_gather_init(&gather);
	iommufd_domain_unmap_range(consumer->domain, area->iova, area->last,
				   &gather);
	iommu_iotlb_sync(consumer->domain, &gather);
}

static noinline_for_stack void unmap_areas(struct iommufd_consumer *consumer,
					   const struct iommufd_area *area)
{
	struct emptier emptier;

	emptier_init(&emptier, consumer);
	for (; area; area = area->next)
		emptier_add(&emptier, area);
	emptier_finish(&emptier);
}

static void unmap_area_everywhere(struct iommufd_address_space *as,
				  const struct iommufd_area *area)
{
	struct iommufd_consumer *consumer;

	list_for_each_entry(consumer, &as->domains, node) {
		if (consumer->filled)
			unmap_area(consumer, area);
	}
}

static int map_area_everywhere(struct iommufd_address_space *as,
			       struct iommufd_area *area)
{
	struct iommufd_consumer *consumer;
	int rc;

	list_for_each_entry(consumer, &as->domains, node) {
		if (!consumer->filled)
			continue;
		rc = map_area(as, consumer, area);
		if (rc)
			goto err_unmap;
	}
	return 0;

err_unmap:
	list_for_each_entry_continue_reverse(consumer, &as->domains, node) {
		if (consumer->filled)
			unmap_area(consumer, area);
	}
	return rc;
}

/* Takes as long as whoever provides the memory does. */
static int pin_area(struct iommufd_area *area)
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

static void unpin_area(struct iommufd_area *area)
{
	if (!area->has_pin)
		return;
	area->has_pin = false;
	iommufd_pinned_unpin(area->pinned, iommufd_area_first_page(area),
			     iommufd_area_last_page(area));
}

/* The areas are CREATING, or DYING. */

static int pin_areas(struct iommufd_area *area)
{
	int rc;

	for (; area; area = area->next) {
		if (area->has_pin)
			continue;
		rc = pin_area(area);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

static void unpin_areas(struct iommufd_area *area)
{
	for (; area; area = area->next) {
		unpin_area(area);
		cond_resched();
	}
}

static void empty_areas(struct iommufd_address_space *as,
			struct iommufd_area *areas)
{
	struct iommufd_consumer *consumer;

	if (!areas)
		return;
	/* The usual request */
	if (!areas->next) {
		unmap_area_everywhere(as, areas);
		return;
	}
	list_for_each_entry(consumer, &as->domains, node) {
		if (consumer->filled)
			unmap_areas(consumer, areas);
	}
}

static int fill_area(struct iommufd_address_space *as,
		     struct iommufd_area *area)
{
	struct mutex *mutex = &area->pinned->mutex;
	int rc;

	mutex_lock(mutex);
	rc = map_area_everywhere(as, area);
	mutex_unlock(mutex);
	return rc;
}

static int fill_areas(struct iommufd_address_space *as,
		      struct iommufd_area *areas)
{
	struct iommufd_area *area, *prev = NULL;
	int rc;

	for (area = areas; area; area = area->next) {
		rc = fill_area(as, area);
		if (rc)
			goto err_empty;
		prev = area;
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
		empty_areas(as, areas);
		prev->next = area;
	}
	return rc;
}

/*
 * Map
 */

static void init_area(struct iommufd_area *area, struct iommufd_pinned *pinned,
		      unsigned long offset, unsigned long length, int prot)
{
	area->iova = 0;
	area->last = length - 1;
	area->next = NULL;
	area->pinned = pinned;
	area->offset = offset;
	area->prot = prot;
	atomic_set(&area->holders, 0);
	atomic_set(&area->busy, 0);
	area->state = IOMMUFD_AREA_CREATING;
	area->has_pin = false;
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
	init_area(&pinned->first_area, pinned, offset, length, prot);
	return &pinned->first_area;
}

static struct iommufd_area *share_area(const struct iommufd_area *from,
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
	init_area(area, from->pinned, from->offset + (iova - from->iova),
		  last - iova + 1, prot);
	return area;
}

static void free_area(struct iommufd_area *area)
{
	struct iommufd_pinned *pinned = area->pinned;

	if (area != &pinned->first_area)
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

		free_area(areas);
		areas = next;
		cond_resched();
	}
}

static unsigned long total_length(const struct iommufd_area *area)
{
	unsigned long length = 0;

	for (; area; area = area->next)
		length += iommufd_area_length(area);
	return length;
}

/* All but the start, which is checked with the IOVA as a whole */
static bool are_aligned(const struct iommufd_area *area,
			unsigned long alignment)
{
	for (; area; area = area->next) {
		if (!IS_ALIGNED(area->offset | iommufd_area_length(area),
				alignment))
			return false;
	}
	return true;
}

static void insert_areas(struct iommufd_iova_space *space,
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

static int take_iova(struct iommufd_iova_space *space,
		     struct iommufd_area *areas, bool fixed,
		     unsigned long *iova)
{
	unsigned long hint = areas->pinned->start + areas->offset;
	unsigned long length = total_length(areas);
	int rc;

	down_write(&space->lock);
	if (fixed)
		rc = iommufd_iova_check(space, *iova, length);
	else
		rc = iommufd_iova_choose(space, hint, length, iova);
	if (!rc && !are_aligned(areas, space->alignment))
		rc = -EINVAL;
	if (!rc)
		insert_areas(space, areas, *iova);
	up_write(&space->lock);
	return rc;
}

static void return_iova(struct iommufd_iova_space *space,
			struct iommufd_area *area)
{
	down_write(&space->lock);
	for (; area; area = area->next)
		iommufd_iova_remove(space, area);
	up_write(&space->lock);
}

static void publish_areas(struct iommufd_area *area)
{
	struct iommufd_area *next;

	for (; area; area = next) {
		next = area->next;
		/* Pairs with iommufd_area_state(): all of it is seen. */
		smp_store_release(&area->state, IOMMUFD_AREA_LIVE);
	}
}

/*
 * Pin areas if there are page tables. On success the consumers are held, and the
 * areas have pins just if there are page tables. On an error some may have pins.
 */
static int pin_for_page_tables(struct iommufd_address_space *as,
			       struct iommufd_area *areas)
{
	int rc;

	for (;;) {
		if (is_followed(as)) {
			rc = pin_areas(areas);
			if (rc)
				return rc;
		}
		down_read(&as->consumers);
		if (!is_followed(as))
			unpin_areas(areas);
		if (is_followed(as) == areas->has_pin)
			return 0;
		/* A page table has come. */
		up_read(&as->consumers);
	}
}

static int fill_new_areas(struct iommufd_address_space *as,
			  struct iommufd_area *areas)
{
	int rc;

	rc = pin_for_page_tables(as, areas);
	if (rc)
		goto err_unpin;
	if (areas->has_pin)
		rc = fill_areas(as, areas);
	if (!rc)
		publish_areas(areas);
	up_read(&as->consumers);
	if (rc)
		goto err_unpin;
	return 0;

err_unpin:
	unpin_areas(areas);
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

	rc = take_iova(&as->space, areas, fixed, iova);
	if (rc)
		return rc;
	rc = fill_new_areas(as, areas);
	if (rc)
		return_iova(&as->space, areas);
	return rc;
}

static bool is_live(struct iommufd_area *area)
{
	return iommufd_area_state(area) == IOMMUFD_AREA_LIVE;
}

/* Share the part of @from in the range, or say why not. */
static struct iommufd_area *try_share(struct iommufd_area *from,
				      unsigned long iova, unsigned long last,
				      int access)
{
	const int which = IOMMU_READ | IOMMU_WRITE;
	struct iommufd_area *area;

	if (access & IOMMU_WRITE && !from->pinned->writable)
		return ERR_PTR(-EPERM);
	area = share_area(from, iova, last, (from->prot & ~which) | access);
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
	int rc = -ENOENT;

	down_read(&as->space.lock);
	for (from = iommufd_area_first(&as->space, iova, last);
	     from && from->iova <= next && is_live(from);
	     from = iommufd_area_next(from, last)) {
		*link = try_share(from, iova, last, access);
		if (IS_ERR(*link)) {
			rc = PTR_ERR(*link);
			*link = NULL;
			break;
		}
		link = &(*link)->next;
		if (from->last >= last) {
			rc = 0;
			break;
		}
		next = from->last + 1;
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		cond_resched();
	}
	up_read(&as->space.lock);

	if (rc) {
		iommufd_areas_free(areas);
		return ERR_PTR(rc);
	}
	return areas;
}

/*
 * Unmap
 */

static int may_unmap(struct iommufd_area *area, unsigned long iova,
		     unsigned long last)
{
	if (area->iova < iova || area->last > last)
		return -ENOENT;
	return is_live(area) ? 0 : -EBUSY;
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

static int take_areas(struct iommufd_iova_space *space,
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
		rc = may_unmap(area, req->range.iova, req->range.last);
		if (rc)
			break;
		area->state = IOMMUFD_AREA_DYING;
		*link = area;
		link = &area->next;
		req->nr_areas++;
		req->length += iommufd_area_length(area);
		if (atomic_read(&area->busy) || atomic_read(&area->holders))
			in_use = true;
		cond_resched();
	}
	*link = NULL;
	return !rc && in_use ? -EAGAIN : rc;
}

static void give_areas_back(struct unmap_request *req)
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
 * on: whoever is driven out of one area does not find another one open.
 */
static int collect_areas(struct iommufd_address_space *as,
			 struct unmap_request *req)
{
	int rc;

	down_write(&as->space.lock);
	rc = take_areas(&as->space, req);
	if (rc)
		give_areas_back(req);
	if (rc == -EAGAIN && !req->in_use) {
		req->in_use = true;
		list_add(&req->range.node, &as->closed);
	}
	up_write(&as->space.lock);
	return rc;
}

static void open_range(struct iommufd_address_space *as,
		       struct unmap_request *req)
{
	down_write(&as->space.lock);
	list_del(&req->range.node);
	up_write(&as->space.lock);
}

static void remove_areas(struct iommufd_iova_space *space,
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

static int try_unmap(struct iommufd_address_space *as,
		     struct unmap_request *req, unsigned long *unmapped)
{
	int rc;

	down_read(&as->consumers);
	rc = collect_areas(as, req);
	if (!rc) {
		empty_areas(as, req->areas);
		unpin_areas(req->areas);
		remove_areas(&as->space, req);
		*unmapped = req->length;
	}
	up_read(&as->consumers);
	if (!rc)
		iommufd_areas_free(req->areas);
	return rc;
}

/*
 * A driver that has been asked may have pinned what it has not noted down yet,
 * so it takes another try, at first without a pause.
 */
static int unmap_by_rounds(struct iommufd_address_space *as,
			   struct unmap_request *req, unsigned long *unmapped,
			   struct wait_queue_entry *wait)
{
	unsigned int rounds;
	int rc;

	for (rounds = 1; rounds <= UNMAP_ROUNDS; rounds++) {
		rc = iommufd_address_space_wait_idle(as, &req->range, wait);
		if (rc)
			return rc;
		if (rounds > UNMAP_QUICK_ROUNDS)
			iommufd_address_space_wait_unpinned(as, &req->range,
							    wait);
		rc = iommufd_address_space_let_go(as, &req->range);
		if (rc)
			return rc;
		rc = try_unmap(as, req, unmapped);
		if (rc != -EAGAIN)
			return rc;
	}
	return -EDEADLOCK;
}

static noinline_for_stack int unmap_in_use(struct iommufd_address_space *as,
					   struct unmap_request *req,
					   unsigned long *unmapped)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int rc;

	add_wait_queue(&as->idle, &wait);
	smp_mb(); /* before the counts are read; pairs with wq_has_sleeper() */
	rc = unmap_by_rounds(as, req, unmapped, &wait);
	remove_wait_queue(&as->idle, &wait);
	open_range(as, req);
	return rc;
}

/**
 * iommufd_address_space_unmap - take memory away
 * @as: the address space
 * @iova: first IOVA
 * @last: last IOVA
 * @unmapped: receives the number of bytes that were mapped, which may be 0
 *
 * Waits for those who are pinning or copying what is in the range. Drivers that
 * have pages in the range pinned are told to let go.
 *
 * Context: process context, may sleep; no lock that a driver takes when it is
 * told to let go.
 *
 * Return: 0; -ENOENT if an area is only partly in the range; -EBUSY if another
 * thread maps or unmaps one; -EDEADLOCK if a driver does not let go; -EINTR on a
 * fatal signal, only if there is somebody to wait for. On an error nothing has
 * changed.
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
	rc = try_unmap(as, &req, unmapped);
	return rc == -EAGAIN ? unmap_in_use(as, &req, unmapped) : rc;
}

/*
 * Looking at what is mapped
 */

/*
 * Areas that are looked at, and bytes visited, without letting go of the lock;
 * nothing is visited across a multiple of the latter, a power of two.
 */
#define AREAS_STEP 1024
#define VISIT_STEP SZ_1G

/**
 * iommufd_address_space_next_mapped - where the next mapped memory is
 * @as: the address space
 * @iova: in: where to begin; out: the first mapped IOVA
 * @last: in: where to stop; out: the last IOVA of the stretch
 * @max_hole: a hole of more bytes than that ends the stretch
 *
 * The answer may be out of date, and a stretch may be cut short.
 *
 * Context: process context, may sleep.
 * Return: false if nothing is mapped in the range.
 */
bool iommufd_address_space_next_mapped(struct iommufd_address_space *as,
				       unsigned long *iova, unsigned long *last,
				       unsigned long max_hole)
{
	unsigned int nr_left = AREAS_STEP;
	struct iommufd_area *area;
	unsigned long stretch_last;

	down_read(&as->space.lock);
	area = iommufd_area_first(&as->space, *iova, *last);
	if (!area) {
		up_read(&as->space.lock);
		return false;
	}
	*iova = max(*iova, area->iova);
	do {
		stretch_last = area->last;
		area = iommufd_area_next(area, *last);
	} while (area && --nr_left &&
		 area->iova - stretch_last - 1 <= max_hole);
	*last = min(*last, stretch_last);
	up_read(&as->space.lock);
	return true;
}

/* Nothing of memory that was taken back is in a page table. */
static int visit_revocable(struct iommufd_revocable *revocable,
			   unsigned long iova, unsigned long last,
			   iommufd_visit_t visit, void *data)
{
	int rc;

	/* Its owner may wait for us here, but we never for its owner. */
	if (!iommufd_revocable_hold(revocable))
		return 0;
	rc = visit(data, iova, last);
	iommufd_revocable_release(revocable);
	return rc;
}

/*
 * The last area of those behind @area without a hole, up to @last, that may be
 * visited in one call
 */
static struct iommufd_area *last_neighbour(struct iommufd_area *area,
					   unsigned long last,
					   unsigned int *nr_left)
{
	struct iommufd_area *next;

	for (; *nr_left; area = next, --*nr_left) {
		next = iommufd_area_next(area, last);
		if (!next || next->iova != area->last + 1 || !is_live(next) ||
		    next->pinned->revocable)
			break;
	}
	return area;
}

static int visit_part(struct iommufd_area *area, unsigned long iova,
		      unsigned long last, iommufd_visit_t visit, void *data)
{
	if (!is_live(area))
		return 0;
	if (area->pinned->revocable)
		return visit_revocable(area->pinned->revocable, iova, last,
				       visit, data);
	return visit(data, iova, last);
}

/*
 * Visit some of [*iova, last] and set *iova to where it goes on, or to what is
 * behind @last.
 *
 * Parts are cut where entries of page tables end: how much was done so far
 * decides whether to go on, and nothing else.
 */
static int visit_step(struct iommufd_address_space *as, unsigned long *iova,
		      unsigned long last, iommufd_visit_t visit, void *data)
{
	unsigned long part_last, done = 0;
	unsigned int nr_left = AREAS_STEP;
	struct iommufd_area *area, *end;
	int rc = 0;

	down_read(&as->space.lock);
	area = iommufd_area_first(&as->space, *iova, last);
	while (area && nr_left) {
		nr_left--;
		*iova = max(*iova, area->iova);
		part_last = min(last, *iova | (VISIT_STEP - 1));
		end = area;
		if (is_live(area) && !area->pinned->revocable)
			end = last_neighbour(area, part_last, &nr_left);
		part_last = min(part_last, end->last);
		done += part_last - *iova + 1;

		rc = visit_part(area, *iova, part_last, visit, data);
		*iova = part_last + 1;
		if (rc || done >= VISIT_STEP)
			goto out_unlock;
		/* What has been cut goes on behind the cut. */
		area = part_last < min(last, end->last) ?
			       end : iommufd_area_next(end, last);
	}
	if (!area)
		*iova = last + 1;
out_unlock:
	up_read(&as->space.lock);
	return rc;
}

/**
 * iommufd_address_space_visit - look at the page tables where they are filled
 * @as: the address space
 * @iova: first IOVA
 * @last: last IOVA
 * @visit: called for each mapped part of the range, ascending, with parts that
 *         are not in the page tables any more, or not yet, left out. Areas
 *         without a hole between them come together, large ones in several
 *         parts. Each part begins and ends where an area does, where the
 *         range does, or at a multiple of 1 GiB: it cuts no entry of a page
 *         table in two unless the range does.
 * @data: for @visit
 *
 * Context: process context, may sleep; holds locks around @visit, which must
 * not touch user memory, so that nothing is unmapped meanwhile.
 *
 * Return: 0; the first error of @visit; -EINTR on a fatal signal.
 */
int iommufd_address_space_visit(struct iommufd_address_space *as,
				unsigned long iova, unsigned long last,
				iommufd_visit_t visit, void *data)
{
	unsigned long next = iova;
	int rc;

	do {
		rc = visit_step(as, &next, last, visit, data);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (next - 1 < last);
	return 0;
}

/**
 * iommufd_address_space_destroy - unmap and free everything
 * @as: the address space, which no page table follows any more
 */
void iommufd_address_space_destroy(struct iommufd_address_space *as)
{
	unsigned long unmapped;

	WARN_ON(!list_empty(&as->domains));
	WARN_ON(!list_empty(&as->reachers));
	WARN_ON(iommufd_address_space_unmap(as, 0, ULONG_MAX, &unmapped));
	iommufd_iova_space_destroy(&as->space);
	mutex_destroy(&as->fill_lock);
}

/*
 * Page tables
 */

static unsigned long smallest_page(struct iommu_domain *domain)
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
	unsigned long alignment = as->page_by_page ? PAGE_SIZE : 1;
	struct iommufd_consumer *consumer;
	struct iommufd_reacher *reacher;

	lockdep_assert_held_write(&as->space.lock);

	list_for_each_entry(consumer, &as->domains, node)
		alignment = max(alignment, smallest_page(consumer->domain));
	list_for_each_entry(reacher, &as->reachers, node)
		alignment = max(alignment, reacher->alignment);
	as->space.alignment = alignment;
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

/* The page table counts from now on, and memory is pinned for it. */
static int enter_domains(struct iommufd_address_space *as,
			 struct iommufd_consumer *consumer)
{
	int rc;

	consumer->filled = false;
	down_write(&as->consumers);
	down_write(&as->space.lock);
	rc = restrict_iova(&as->space, consumer);
	if (!rc)
		list_add_tail(&consumer->node, &as->domains);
	up_write(&as->space.lock);
	up_write(&as->consumers);
	return rc;
}

static void leave_domains(struct iommufd_address_space *as,
			  struct iommufd_consumer *consumer)
{
	lockdep_assert_held_write(&as->consumers);

	down_write(&as->space.lock);
	list_del(&consumer->node);
	iommufd_iova_unreserve(&as->space, consumer);
	iommufd_address_space_realign(as);
	up_write(&as->space.lock);
}

static struct iommufd_area *skip_to_live(struct iommufd_area *area)
{
	while (area && !is_live(area))
		area = iommufd_area_next(area, ULONG_MAX);
	return area;
}

/*
 * All LIVE areas, linked. They stay as they are while the consumers are held for
 * writing, whatever comes and goes between them meanwhile.
 */
static struct iommufd_area *link_live_areas(struct iommufd_address_space *as)
{
	struct iommufd_area *areas = NULL, **link = &areas;
	struct iommufd_area *area;

	lockdep_assert_held_write(&as->consumers);

	down_read(&as->space.lock);
	area = skip_to_live(iommufd_area_first(&as->space, 0, ULONG_MAX));
	while (area) {
		*link = area;
		link = &area->next;
		area = skip_to_live(iommufd_area_next(area, ULONG_MAX));
		cond_resched();
	}
	*link = NULL;
	up_read(&as->space.lock);
	return areas;
}

/* The next LIVE area at or above @iova without a pin, which stays as it is busy */
static struct iommufd_area *begin_unpinned(struct iommufd_address_space *as,
					   unsigned long iova)
{
	struct iommufd_area *area;

	down_read(&as->space.lock);
	area = skip_to_live(iommufd_area_first(&as->space, iova, ULONG_MAX));
	while (area && area->has_pin) {
		area = skip_to_live(iommufd_area_next(area, ULONG_MAX));
		cond_resched();
	}
	if (area)
		atomic_inc(&area->busy);
	up_read(&as->space.lock);
	return area;
}

static void end_unpinned(struct iommufd_address_space *as,
			 struct iommufd_area *area)
{
	down_read(&as->space.lock);
	atomic_dec(&area->busy);
	up_read(&as->space.lock);
	iommufd_address_space_wake(as);
}

/*
 * What becomes LIVE after a page table has entered has a pin already; what was
 * LIVE before gets one here.
 */
static int pin_live_areas(struct iommufd_address_space *as)
{
	struct iommufd_area *area;
	unsigned long last;
	int rc;

	lockdep_assert_held(&as->fill_lock);

	for (area = begin_unpinned(as, 0); area;
	     area = begin_unpinned(as, last + 1)) {
		rc = pin_area(area);
		last = area->last;
		end_unpinned(as, area);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
		if (last == ULONG_MAX)
			break;
	}
	return 0;
}

static int fill_domain_area(struct iommufd_address_space *as,
			    struct iommufd_consumer *consumer,
			    struct iommufd_area *area)
{
	struct mutex *mutex = &area->pinned->mutex;
	int rc;

	mutex_lock(mutex);
	rc = map_area(as, consumer, area);
	mutex_unlock(mutex);
	return rc;
}

static int fill_domain(struct iommufd_address_space *as,
		       struct iommufd_consumer *consumer)
{
	struct iommufd_area *areas = link_live_areas(as);
	struct iommufd_area *area, *prev = NULL;
	int rc;

	for (area = areas; area; area = area->next) {
		rc = fill_domain_area(as, consumer, area);
		if (rc)
			goto err_empty;
		prev = area;
		cond_resched();
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			goto err_empty;
		}
	}
	consumer->filled = true;
	return 0;

err_empty:
	if (prev) {
		prev->next = NULL;
		unmap_areas(consumer, areas);
	}
	return rc;
}

static int pin_and_fill_domain(struct iommufd_address_space *as,
			       struct iommufd_consumer *consumer)
{
	int rc;

	rc = pin_live_areas(as);
	down_write(&as->consumers);
	if (!rc)
		rc = fill_domain(as, consumer);
	if (rc) {
		leave_domains(as, consumer);
		if (!is_followed(as))
			unpin_areas(link_live_areas(as));
	}
	up_write(&as->consumers);
	return rc;
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
 * sources and the IOMMU driver; -ENOMEM; -EINTR on a fatal signal. On an error
 * nothing has changed.
 */
int iommufd_address_space_add(struct iommufd_address_space *as,
			      struct iommufd_consumer *consumer)
{
	int rc;

	rc = mutex_lock_killable(&as->fill_lock);
	if (rc)
		return rc;
	rc = enter_domains(as, consumer);
	if (!rc)
		rc = pin_and_fill_domain(as, consumer);
	mutex_unlock(&as->fill_lock);
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
	struct iommufd_area *areas;

	down_write(&as->consumers);
	areas = link_live_areas(as);
	unmap_areas(consumer, areas);
	leave_domains(as, consumer);
	if (!is_followed(as))
		unpin_areas(areas);
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
	if (page_by_page && !list_empty(&as->domains) && as->space.nr_areas) {
		rc = -EINVAL;
		goto out_unlock;
	}
	if (page_by_page && !iommufd_iova_fits_alignment(&as->space,
							 PAGE_SIZE)) {
		rc = -EADDRINUSE;
		goto out_unlock;
	}
	as->page_by_page = page_by_page;
	iommufd_address_space_realign(as);
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
