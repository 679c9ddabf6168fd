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

/**
 * iommufd_source_unpin - iommufd_source_ops::unpin where there are struct pages
 * @pinned: the object
 * @run: pages of which each has one pin
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_source_unpin(struct iommufd_pinned *pinned, struct iommufd_run run)
{
	unpin_user_page_range_dirty_lock(pfn_to_page(iommufd_run_pfn(run)),
					 iommufd_run_npages(run),
					 pinned->writable);
}
