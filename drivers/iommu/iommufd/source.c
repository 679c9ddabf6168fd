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
		/* More entries in a step are a convenience, not a need. */
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

static bool is_within_folio(struct folio *folio, struct page *page,
			    unsigned long npages)
{
	return npages == 1 ||
	       npages <= folio_nr_pages(folio) - folio_page_idx(folio, page);
}

/**
 * iommufd_source_unpin - iommufd_source_ops::unpin where there are struct pages
 * @pinned: the object
 * @run: pages of which each has one pin
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_source_unpin(struct iommufd_pinned *pinned, struct iommufd_run run)
{
	struct page *page = pfn_to_page(iommufd_run_pfn(run));
	unsigned long npages = iommufd_run_npages(run);
	struct folio *folio = page_folio(page);

	/* Most runs are of one folio, which is dirty if it is written to. */
	if (is_within_folio(folio, page, npages) &&
	    (!pinned->writable || folio_test_dirty(folio)))
		unpin_user_folio(folio, npages);
	else
		unpin_user_page_range_dirty_lock(page, npages,
						 pinned->writable);
}
