// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domain map: runs into a struct iommu_domain, and out again
 *
 * Owns nothing. Called by the address space with its followers held, so that
 * the domain stays, and for an area that belongs to the caller, so that nobody
 * else touches its range in the page table.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <trace/events/iommufd.h>

#include "base.h"
#include "domain_map.h"
#include "iova_space.h"
#include "pinned.h"
#include "test_hooks.h"

/*
 * A batch of stretches never crosses a multiple of this in IOVA: so much can be
 * done without a look at the scheduler, and no entry of a page table is larger.
 * One of single pages may cross it: it is short, and so are its entries.
 */
#define BATCH_BYTES SZ_1G

/* Stretches in a batch: as many as a table of a page table has entries, ... */
#define BATCH_STRETCHES 512

/* ... or as many as the stack has room for. */
#define SMALL_BATCH_STRETCHES 32

/**
 * struct stretches - divides an area into physically contiguous stretches
 * @cursor: the run after @next
 * @next: the run that comes next, or its rest; empty at the end of the area
 * @tail: bytes of the last page that are not in the area
 */
struct stretches {
	struct iommufd_pinned_cursor cursor;
	struct phys_vec next;
	unsigned long tail;
};

static __always_inline bool
stretches_next_run(struct iommufd_pinned_cursor *cursor, unsigned long tail,
		   struct phys_vec *next)
{
	struct iommufd_run run;

	if (!iommufd_pinned_next(cursor, &run))
		return false;
	next->paddr = PFN_PHYS(iommufd_run_pfn(run));
	next->len = iommufd_run_npages(run) << PAGE_SHIFT;
	if (iommufd_pinned_is_over(cursor))
		next->len -= tail;
	return true;
}

static void stretches_start(struct stretches *stretches,
			    const struct iommufd_area *area)
{
	unsigned long skip = offset_in_page(area->offset);

	iommufd_pinned_walk(area->pinned, iommufd_area_first_page(area),
			    iommufd_area_last_page(area), &stretches->cursor);
	stretches->tail = -(skip + iommufd_area_length(area)) & ~PAGE_MASK;
	stretches_next_run(&stretches->cursor, stretches->tail,
			   &stretches->next);
	stretches->next.paddr += skip;
	stretches->next.len -= skip;
}

struct phys_batch {
	struct phys_vec *vec;
	size_t nr_max;
};

/*
 * The run at @next is longer than what the batch may still take. Cut it if its
 * beginning continues the last stretch of the batch, or the batch is empty;
 * otherwise leave it for the next batch. Returns the end of the batch.
 */
static struct phys_vec *batch_cut_run(const struct phys_batch *batch,
				      struct phys_vec *vec, bool contiguous,
				      struct phys_vec *next,
				      unsigned long *left)
{
	if (contiguous)
		vec[-1].len += *left;
	else if (vec == batch->vec)
		*vec++ = (struct phys_vec){ next->paddr, *left };
	else
		return vec;
	next->paddr += *left;
	next->len -= *left;
	*left = 0;
	return vec;
}

/*
 * Take whole runs that follow each other in the same chunk, as many as fit:
 * nearly all of scattered memory. The run where the walk ends is left to
 * stretches_next_run(), which cuts it to the area.
 */
static __always_inline struct phys_vec *
batch_take_ready_runs(struct iommufd_run_cursor *cursor, struct phys_vec *vec,
		      const struct phys_vec *end, unsigned long *left)
{
	const unsigned long max = min(cursor->left, (*left >> PAGE_SHIFT) + 1);
	unsigned long room = max;
	struct iommufd_run run;

	while (vec != end &&
	       iommufd_run_cursor_next_ready(cursor, room, &run)) {
		room -= iommufd_run_npages(run);
		vec->paddr = PFN_PHYS(iommufd_run_pfn(run));
		vec->len = iommufd_run_npages(run) << PAGE_SHIFT;
		vec++;
	}
	cursor->left -= max - room;
	*left -= (max - room) << PAGE_SHIFT;
	return vec;
}

/*
 * Both ways to fill a batch return how many bytes it is for, and in @nr of how
 * many stretches. There must be a next run.
 */

static unsigned long batch_fill(const struct phys_batch *batch,
				struct stretches *stretches, unsigned long iova,
				unsigned int *nr)
{
	const struct phys_vec *end = batch->vec + batch->nr_max;
	unsigned long room = BATCH_BYTES - (iova & (BATCH_BYTES - 1));
	/* Copies that the compiler can keep in registers */
	struct iommufd_pinned_cursor cursor = stretches->cursor;
	const unsigned long tail = stretches->tail;
	struct phys_vec next = stretches->next;
	struct phys_vec *vec = batch->vec;
	phys_addr_t end_of_last = ~(phys_addr_t)0;
	unsigned long left = room;
	bool more = true;

	do {
		bool contiguous = next.paddr == end_of_last;

		if (!contiguous && vec == end)
			break;
		if (unlikely(next.len > left)) {
			vec = batch_cut_run(batch, vec, contiguous, &next,
					    &left);
			break;
		}
		if (contiguous)
			vec[-1].len += next.len;
		else
			*vec++ = next;
		left -= next.len;
		vec = batch_take_ready_runs(&cursor.runs, vec, end, &left);
		end_of_last = vec[-1].paddr + vec[-1].len;
		more = stretches_next_run(&cursor, tail, &next);
	} while (more);
	if (!more)
		next.len = 0;

	stretches->cursor = cursor;
	stretches->next = next;
	*nr = vec - batch->vec;
	return room - left;
}

static unsigned long batch_fill_page_by_page(const struct phys_batch *batch,
					     struct stretches *stretches,
					     unsigned long iova,
					     unsigned int *nr)
{
	struct phys_vec *next = &stretches->next;
	unsigned long length = 0;
	size_t i;

	for (i = 0; i < batch->nr_max && next->len; i++) {
		struct phys_vec *page = &batch->vec[i];

		page->paddr = next->paddr;
		page->len = min(next->len,
				PAGE_SIZE - offset_in_page(iova + length));
		length += page->len;

		next->paddr += page->len;
		next->len -= page->len;
		if (!next->len)
			stretches_next_run(&stretches->cursor, stretches->tail,
					   next);
	}
	*nr = i;
	return length;
}

static int domain_map_batches(struct iommu_domain *domain,
			      const struct iommufd_area *area,
			      struct stretches *stretches,
			      const struct phys_batch *batch, bool page_by_page)
{
	unsigned long iova = area->iova;
	unsigned long length;
	unsigned int nr;
	int rc;

	while (stretches->next.len) {
		if (page_by_page)
			length = batch_fill_page_by_page(batch, stretches, iova,
							 &nr);
		else
			length = batch_fill(batch, stretches, iova, &nr);
		rc = iommu_map_phys_vec(domain, iova, length, batch->vec, nr,
					area->prot, GFP_KERNEL_ACCOUNT);
		if (rc)
			goto err_unmap;
		iova += length;
		cond_resched();
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			goto err_unmap;
		}
	}
	return 0;

err_unmap:
	if (iova != area->iova)
		iommu_unmap(domain, area->iova, iova - area->iova);
	return rc;
}

static noinline_for_stack int
domain_map_small_batches(struct iommu_domain *domain,
			 const struct iommufd_area *area,
			 struct stretches *stretches, size_t nr_max,
			 bool page_by_page)
{
	struct phys_vec vec[SMALL_BATCH_STRETCHES] __uninitialized;
	struct phys_batch batch = {
		.vec = vec,
		.nr_max = min(nr_max, SMALL_BATCH_STRETCHES),
	};

	return domain_map_batches(domain, area, stretches, &batch,
				  page_by_page);
}

static int domain_map_scattered(struct iommu_domain *domain,
				const struct iommufd_area *area,
				struct stretches *stretches, bool page_by_page)
{
	size_t npages = iommufd_area_last_page(area) -
			iommufd_area_first_page(area) + 1;
	size_t scratch = iommufd_scratch_limit() / sizeof(struct phys_vec);
	struct phys_batch batch = {
		.nr_max = clamp(min(npages, scratch), 1, BATCH_STRETCHES),
	};
	int rc;

	/* Another pin may cut a segment that the walk has not reached yet. */
	if (!iommufd_pinned_is_in_last(&stretches->cursor))
		lockdep_assert_held(&area->pinned->mutex);

	if (batch.nr_max > SMALL_BATCH_STRETCHES)
		batch.vec = kmalloc_array(batch.nr_max, sizeof(*batch.vec),
					  GFP_KERNEL | __GFP_NOWARN);
	if (!batch.vec)
		return domain_map_small_batches(domain, area, stretches,
						batch.nr_max, page_by_page);

	rc = domain_map_batches(domain, area, stretches, &batch, page_by_page);
	kfree(batch.vec);
	return rc;
}

/**
 * iommufd_domain_map_area - fill an area of a page table
 * @domain: the domain, which has nothing in the area's range
 * @area: the area, of which all pages are pinned
 * @page_by_page: use entries of at most PAGE_SIZE
 *
 * Context: may sleep; takes the mutex of the area's pinned-memory object, but
 * does not hold it while the page table is filled if the area is in one
 * segment, so that others can share the memory meanwhile.
 *
 * Return: 0; with nothing mapped an error of the IOMMU driver, or -EINTR on a
 * fatal signal.
 */
int iommufd_domain_map_area(struct iommu_domain *domain,
			    const struct iommufd_area *area, bool page_by_page)
{
	unsigned long max = page_by_page ? PAGE_SIZE : BATCH_BYTES;
	unsigned long length = iommufd_area_length(area);
	struct mutex *mutex = &area->pinned->mutex;
	struct stretches stretches __uninitialized;
	unsigned long pfn;
	bool in_last;
	int rc;

	mutex_lock(mutex);
	if (length <= max &&
	    iommufd_pinned_is_one_run(area->pinned,
				      iommufd_area_first_page(area),
				      iommufd_area_last_page(area), &pfn)) {
		mutex_unlock(mutex);
		return iommu_map(domain, area->iova,
				 PFN_PHYS(pfn) + offset_in_page(area->offset),
				 length, area->prot, GFP_KERNEL_ACCOUNT);
	}

	stretches_start(&stretches, area);
	in_last = iommufd_pinned_is_in_last(&stretches.cursor);
	if (in_last)
		mutex_unlock(mutex);
	rc = domain_map_scattered(domain, area, &stretches, page_by_page);
	if (!in_last)
		mutex_unlock(mutex);
	return rc;
}

/**
 * iommufd_domain_map_range - fill a range of a page table from one place
 * @domain: the domain, which has nothing in the range
 * @iova: first IOVA
 * @last: last IOVA
 * @phys: physical address of the memory, which is contiguous
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE, ...
 * @page_by_page: use entries of at most PAGE_SIZE
 *
 * Context: may sleep.
 * Return: as iommufd_domain_map_area().
 */
int iommufd_domain_map_range(struct iommu_domain *domain, unsigned long iova,
			     unsigned long last, phys_addr_t phys, int prot,
			     bool page_by_page)
{
	const unsigned long max = page_by_page ? PAGE_SIZE : BATCH_BYTES;
	unsigned long next = iova, step_last;
	int rc;

	for (;;) {
		step_last = min(last, next | (max - 1));
		rc = iommu_map(domain, next, phys + (next - iova),
			       step_last - next + 1, prot, GFP_KERNEL_ACCOUNT);
		if (rc)
			break;
		if (step_last == last)
			return 0;
		next = step_last + 1;
		cond_resched();
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
	}
	if (next != iova)
		iommu_unmap(domain, iova, next - iova);
	return rc;
}

/* Are these bytes of an area one stretch, aligned to its own length? */
static bool domain_is_aligned_stretch(const struct iommufd_area *area,
				      unsigned long iova, unsigned long length)
{
	unsigned long offset = iommufd_area_offset_at(area, iova);
	unsigned long first = offset >> PAGE_SHIFT;
	unsigned long last = (offset + length - 1) >> PAGE_SHIFT;
	unsigned long npages, pfn;

	npages = iommufd_pinned_piece(area->pinned, first, last, &pfn);
	return npages == last - first + 1 &&
	       IS_ALIGNED(PFN_PHYS(pfn) + offset_in_page(offset), length);
}

/**
 * iommufd_domain_entry_around - the entry that has an IOVA in its middle
 * @domain: the domain, filled from the area, but not page by page
 * @area: the area, of which all pages are pinned
 * @iova: an IOVA in the area
 * @first: receives the first IOVA of the entry
 * @last: receives its last IOVA
 *
 * A page table is not asked, since it tells no sizes: an area is filled with
 * the largest entries that its stretches have room for, so these tell. What the
 * driver has put into two entries where one was possible counts as one.
 *
 * Context: may sleep; takes the mutex of the area's pinned-memory object.
 * Return: false if an entry begins at the IOVA.
 */
bool iommufd_domain_entry_around(const struct iommu_domain *domain,
				 const struct iommufd_area *area,
				 unsigned long iova, unsigned long *first,
				 unsigned long *last)
{
	unsigned long size, start;
	unsigned int order;
	bool found = false;

	guard(mutex)(&area->pinned->mutex);
	for_each_set_bit(order, &domain->pgsize_bitmap, BITS_PER_LONG) {
		size = 1UL << order;
		start = iova & ~(size - 1);
		if (start == iova)
			continue;
		/* Where a smaller entry does not fit, no larger one does. */
		if (size > BATCH_BYTES || start < area->iova ||
		    area->last - start < size - 1 ||
		    !domain_is_aligned_stretch(area, start, size))
			break;
		*first = start;
		*last = start + (size - 1);
		found = true;
	}
	return found;
}

static void domain_unmap_step(struct iommu_domain *domain, unsigned long iova,
			      unsigned long length,
			      struct iommu_iotlb_gather *gather)
{
	/* A driver that cannot unmap what it has mapped is broken. */
	WARN_ON(iommu_unmap_fast(domain, iova, length, gather) != length);
}

/* Of a large range, all but the rest whose first IOVA is returned */
static noinline unsigned long
domain_unmap_steps(struct iommu_domain *domain, unsigned long iova,
		   unsigned long last, struct iommu_iotlb_gather *gather)
{
	while (last - iova >= BATCH_BYTES) {
		unsigned long end = iova | (BATCH_BYTES - 1);

		domain_unmap_step(domain, iova, end - iova + 1, gather);
		iova = end + 1;
		cond_resched();
	}
	return iova;
}

/**
 * iommufd_domain_unmap_range - empty a range of a page table
 * @domain: the domain, which has all of the range mapped
 * @iova: first IOVA
 * @last: last IOVA
 * @gather: what must be flushed before the memory may be reused
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_domain_unmap_range(struct iommu_domain *domain,
				unsigned long iova, unsigned long last,
				struct iommu_iotlb_gather *gather)
{
	trace_iommufd_clear(domain, iova, last);
	/* So much can be done without a look at the scheduler. */
	if (unlikely(last - iova >= BATCH_BYTES))
		iova = domain_unmap_steps(domain, iova, last, gather);
	domain_unmap_step(domain, iova, last - iova + 1, gather);
}
