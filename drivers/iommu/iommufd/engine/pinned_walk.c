// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pinned-memory object: finding and walking what is pinned
 *
 * Owns nothing. Called by the object itself, and by those who fill page tables
 * from what is pinned, or hand its pages out, with the mutex of the object held
 * for as long as it takes.
 */
#include <linux/minmax.h>
#include <linux/sched.h>

#include "pinned.h"

/**
 * iommufd_pinned_find - where a page is pinned
 * @pinned: the object
 * @page: index of the page
 *
 * Context: caller holds the object's mutex.
 * Return: the segment of the page, or the next one above, or NULL.
 */
struct iommufd_pin_segment *iommufd_pinned_find(struct iommufd_pinned *pinned,
						unsigned long page)
{
	struct rb_node *node = pinned->segments.rb_node;
	struct iommufd_pin_segment *found = NULL;

	lockdep_assert_held(&pinned->mutex);

	while (node) {
		struct iommufd_pin_segment *segment =
			rb_entry(node, struct iommufd_pin_segment, node);

		if (page <= segment->last) {
			found = segment;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static void pinned_walk_segment(struct iommufd_pinned_cursor *cursor,
				unsigned long first)
{
	struct iommufd_pin_segment *segment = cursor->segment;
	unsigned long last = min(segment->last, cursor->last);

	iommufd_run_slice_walk(&segment->runs, first - segment->first,
			       last - first + 1, &cursor->runs);
	/* In its last segment a walk needs no more than the runs. */
	if (last == cursor->last)
		cursor->segment = NULL;
}

/**
 * iommufd_pinned_walk - begin to walk pinned pages
 * @pinned: the object
 * @first: index of the first page
 * @last: index of the last page; all of the range is pinned
 * @cursor: receives the place
 *
 * Context: the caller holds the object's mutex until the walk is over, or in
 * its last segment, see iommufd_pinned_is_in_last().
 */
void iommufd_pinned_walk(struct iommufd_pinned *pinned, unsigned long first,
			 unsigned long last,
			 struct iommufd_pinned_cursor *cursor)
{
	cursor->segment = iommufd_pinned_find(pinned, first);
	cursor->last = last;
	pinned_walk_segment(cursor, first);
}

/**
 * iommufd_pinned_piece - where a page is, and how much lies behind it
 * @pinned: the object
 * @first: index of the page
 * @last: index of the last page of interest; all of the range is pinned
 * @pfn: receives the page frame of @first
 *
 * Context: caller holds the object's mutex; may sleep.
 * Return: how many pages from @first on are in one piece.
 */
unsigned long iommufd_pinned_piece(struct iommufd_pinned *pinned,
				   unsigned long first, unsigned long last,
				   unsigned long *pfn)
{
	struct iommufd_pinned_cursor cursor;
	unsigned long npages;
	struct iommufd_run run;

	iommufd_pinned_walk(pinned, first, last, &cursor);
	iommufd_pinned_next(&cursor, &run);
	*pfn = iommufd_run_pfn(run);
	npages = iommufd_run_npages(run);
	while (iommufd_pinned_next(&cursor, &run) &&
	       iommufd_run_pfn(run) == *pfn + npages) {
		npages += iommufd_run_npages(run);
		cond_resched();
	}
	return npages;
}

/* The part of iommufd_pinned_next() that enters the next segment */
bool __iommufd_pinned_next(struct iommufd_pinned_cursor *cursor,
			   struct iommufd_run *run)
{
	if (!cursor->segment)
		return false;
	cursor->segment = rb_entry(rb_next(&cursor->segment->node),
				   struct iommufd_pin_segment, node);
	pinned_walk_segment(cursor, cursor->segment->first);
	return iommufd_run_cursor_next(&cursor->runs, run);
}
