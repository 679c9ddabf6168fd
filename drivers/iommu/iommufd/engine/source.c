// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sources of memory: what those share whose memory consists of struct pages
 *
 * Owns nothing. Called by the sources.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "pinned.h"
#include "source.h"
#include "test_hooks.h"

/**
 * iommufd_scratch_init - get room for what one step of pinning returns
 * @scratch: what to set up
 * @nr: how many entries could be used
 * @size: of an entry, in bytes; fits on the stack
 *
 * There may be fewer entries than could be used, but there is always one.
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_scratch_init(struct iommufd_scratch *scratch, unsigned long nr,
			  size_t size)
{
	size_t nr_max = clamp(iommufd_scratch_limit() / size, 1, nr);

	scratch->entries = scratch->on_stack;
	if (nr_max * size > sizeof(scratch->on_stack)) {
		/* With fewer entries pinning only takes more steps. */
		scratch->entries = kmalloc_array(nr_max, size,
						 GFP_KERNEL_ACCOUNT |
						 __GFP_NOWARN |
						 __GFP_NORETRY);
		if (!scratch->entries) {
			scratch->entries = scratch->on_stack;
			nr_max = sizeof(scratch->on_stack) / size;
		}
	}
	scratch->nr_max = nr_max;
}

/**
 * iommufd_scratch_free - end of iommufd_scratch_init()
 * @scratch: as there
 */
void iommufd_scratch_free(struct iommufd_scratch *scratch)
{
	if (scratch->entries != scratch->on_stack)
		kfree(scratch->entries);
}

/**
 * iommufd_unpin_pages - unpin pages that are physically contiguous
 * @page: the first page
 * @npages: number of pages, each with one pin, of whatever folios
 * @dirty: they may have been written to
 *
 * In steps of IOMMUFD_UNPIN_STEP: there may be millions of small folios, each
 * of which is locked to be made dirty. Not inlined, for the usual unpin of a
 * page does not need its registers.
 *
 * Context: may sleep. Cannot fail.
 */
noinline void iommufd_unpin_pages(struct page *page, unsigned long npages,
				  bool dirty)
{
	while (npages > IOMMUFD_UNPIN_STEP) {
		unpin_user_page_range_dirty_lock(page, IOMMUFD_UNPIN_STEP,
						 dirty);
		page += IOMMUFD_UNPIN_STEP;
		npages -= IOMMUFD_UNPIN_STEP;
		cond_resched();
	}
	unpin_user_page_range_dirty_lock(page, npages, dirty);
}

static bool source_is_within_folio(struct folio *folio, struct page *page,
				   unsigned long npages)
{
	return npages == 1 ||
	       npages <= folio_nr_pages(folio) - folio_page_idx(folio, page);
}

static __always_inline void source_unpin_run(struct iommufd_run run, bool dirty)
{
	struct page *page = pfn_to_page(iommufd_run_pfn(run));
	unsigned long npages = iommufd_run_npages(run);
	/*
	 * In the first page of a folio, what says that it is the first is a
	 * link of a list, which reclaim may write to meanwhile.
	 */
	struct folio *folio = data_race(page_folio(page));

	/* Most runs are of one folio, which is dirty if it is written to. */
	if (source_is_within_folio(folio, page, npages) &&
	    (!dirty || folio_test_dirty(folio)))
		unpin_user_folio(folio, npages);
	else if (npages <= IOMMUFD_UNPIN_STEP)
		unpin_user_page_range_dirty_lock(page, npages, dirty);
	else
		iommufd_unpin_pages(page, npages, dirty);
	/* For small runs the check would cost more than unpinning them. */
	if (npages > SZ_2M / SZ_4K)
		cond_resched();
}

static noinline void source_unpin_runs(const struct iommufd_run_slice *runs,
				       unsigned long npages, bool dirty)
{
	struct iommufd_run_cursor start, cursor;
	struct iommufd_run run;

	iommufd_run_slice_walk(runs, 0, npages, &start);
	cursor = start;
	while (iommufd_run_cursor_next(&cursor, &run))
		source_unpin_run(run, dirty);
}

/**
 * iommufd_source_unpin - iommufd_source_ops::unpin where there are struct pages
 * @pinned: the object
 * @runs: pages of which each has one pin
 * @npages: how many of them are given back
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_source_unpin(struct iommufd_pinned *pinned,
			  const struct iommufd_run_slice *runs,
			  unsigned long npages)
{
	/* The usual map */
	if (!runs->vec)
		source_unpin_run(runs->run, pinned->writable);
	else
		source_unpin_runs(runs, npages, pinned->writable);
}
