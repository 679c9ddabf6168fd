// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pinned-memory object: the first pin and the last one
 *
 * Owns nothing. Called for areas that nobody else knows of, so no lock and no
 * plan is needed.
 */
#include <linux/rbtree_augmented.h>

#include "pinned.h"
#include "pinned_drain.h"
#include "test_hooks.h"

/**
 * iommufd_pinned_pin_new - make the first pin of an object
 * @pinned: the object, which nobody else knows of, with nothing pinned
 * @first: index of the first page
 * @last: index of the last page
 *
 * Context: may sleep, as long as the owner of the memory likes, and take the
 * mmap_lock of the source.
 *
 * Return: as iommufd_pinned_pin().
 */
int iommufd_pinned_pin_new(struct iommufd_pinned *pinned, unsigned long first,
			   unsigned long last)
{
	struct iommufd_pin_segment *segment = &pinned->first_segment;
	int rc;

	if (iommufd_should_fail())
		return -ENOMEM;
	segment->first = first;
	segment->last = last;
	rc = iommufd_pinned_fill(pinned, segment, false);
	/* It takes more than one segment. This one is unused, as before. */
	if (rc > 0)
		return iommufd_pinned_pin(pinned, segment->first,
					  segment->last);
	if (rc)
		return rc;
	segment->nr_pins = 1;
	segment->starts = 1;
	/* The only node of a tree is black, and there is nothing to balance. */
	rb_link_node(&segment->node, NULL, &pinned->segments.rb_node);
	rb_set_parent_color(&segment->node, NULL, RB_BLACK);
	return 0;
}

/**
 * iommufd_pinned_unpin_only - end the only pin, for an area that is going away
 * @pinned: the object
 *
 * The area cannot be found any more and the caller has the only reference, so
 * nobody else can reach the object.
 *
 * Context: as iommufd_pinned_unpin(), but takes no mutex of the object.
 *
 * Return: false if there may be other pins, with nothing changed.
 */
bool iommufd_pinned_unpin_only(struct iommufd_pinned *pinned)
{
	if (unlikely(!iommufd_pinned_is_only_pin(pinned)))
		return false;
	iommufd_pinned_drop_only_pin(pinned);
	return true;
}
