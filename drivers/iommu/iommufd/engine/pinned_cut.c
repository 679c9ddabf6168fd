// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pinned-memory object: making two pins of one
 *
 * Owns nothing. Called by the address space when an area is cut: its pin for
 * page tables then belongs to two areas, which go at different times. All that
 * may fail comes first; no page is asked for, or given back.
 */
#include <linux/slab.h>

#include "pinned.h"
#include "test_hooks.h"

/* A pin ends in front of a page, and another begins there: two cuts at most. */
struct pin_cut {
	struct iommufd_pin_segment *spare[2];
	unsigned int nr_spare;
};

static void pin_cut_free(struct pin_cut *cut)
{
	while (cut->nr_spare)
		kfree(cut->spare[--cut->nr_spare]);
}

static int pin_cut_alloc(struct pin_cut *cut)
{
	struct iommufd_pin_segment *segment;

	cut->nr_spare = 0;
	while (cut->nr_spare != ARRAY_SIZE(cut->spare)) {
		segment = kmalloc_obj(*segment, GFP_KERNEL_ACCOUNT);
		if (!segment) {
			pin_cut_free(cut);
			return -ENOMEM;
		}
		cut->spare[cut->nr_spare++] = segment;
	}
	return 0;
}

/* Let no segment reach across the border in front of a page. */
static void pin_cut_segment(struct iommufd_pinned *pinned, struct pin_cut *cut,
			    unsigned long page)
{
	struct iommufd_pin_segment *segment = iommufd_pinned_find(pinned, page);
	struct iommufd_claims *claims;

	if (!segment || segment->first >= page)
		return;
	claims = iommufd_claim_lock(pinned, segment, NULL);
	iommufd_pinned_cut_segment(pinned, claims, segment, page,
				   cut->spare[--cut->nr_spare]);
	iommufd_claim_unlock(claims);
}

static int pin_cut_apply(struct iommufd_pinned *pinned, struct pin_cut *cut,
			 unsigned long left_last, unsigned long right_first)
{
	bool shared = left_last == right_first;
	struct iommufd_pin_segment *segment;

	guard(mutex)(&pinned->mutex);
	segment = iommufd_pinned_find(pinned, right_first);
	if (shared && segment->nr_pins == UINT_MAX)
		return -ENOMEM;

	pin_cut_segment(pinned, cut, right_first);
	pin_cut_segment(pinned, cut, left_last + 1);
	segment = iommufd_pinned_find(pinned, right_first);
	segment->starts++;
	segment->nr_pins += shared;
	return 0;
}

/**
 * iommufd_pinned_cut_pin - make two pins of one
 * @pinned: the object
 * @left_last: index of the page where the first of the two ends, which begins
 *             where the one did
 * @right_first: index of the page where the second begins, which ends where the
 *               one did: @left_last, if both need this page, or the next one
 *
 * Context: may sleep; takes the object's mutex.
 *
 * Return: 0, and there are two pins to be ended, in any order; -ENOMEM with
 * nothing changed.
 */
int iommufd_pinned_cut_pin(struct iommufd_pinned *pinned,
			   unsigned long left_last, unsigned long right_first)
{
	struct pin_cut cut;
	int rc;

	if (iommufd_should_fail())
		return -ENOMEM;
	rc = pin_cut_alloc(&cut);
	if (rc)
		return rc;
	rc = pin_cut_apply(pinned, &cut, left_last, right_first);
	pin_cut_free(&cut);
	return rc;
}
