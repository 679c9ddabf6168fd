/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pinned-memory object: pages that go back to the source
 */
#ifndef __IOMMUFD_PINNED_DRAIN_H
#define __IOMMUFD_PINNED_DRAIN_H

#include <trace/events/iommufd.h>

#include "account.h"
#include "claims.h"
#include "pinned.h"

/*
 * Pages are not pinned any more; their runs are still there. If no other claim
 * ever had one of these places, all of them are taken off the counters. Cannot
 * fail.
 */
static __always_inline void
iommufd_claim_end(struct iommufd_pin_segment *segment, unsigned long npages)
{
	const struct iommufd_payer *payer;
	struct iommufd_claimant *claimant;
	struct iommufd_claims *claims;

	mutex_lock(&segment->claim.claimant->claims->lock);
	/*
	 * Loaded after mutex_lock(): to load again is cheaper than to save
	 * registers across the call.
	 */
	claimant = segment->claim.claimant;
	claims = claimant->claims;
	payer = &claimant->account->payer;
	if (unlikely(segment->claim.others || iommufd_payer_is_slow(payer) ||
		     iommufd_file_claimant(claimant))) {
		iommufd_claim_end_slow(claimant, segment);
		return;
	}
	claims->nr--;
	claims->npages -= npages;
	__hlist_del(&segment->claim.node);
	iommufd_payer_uncharge_quick(payer, npages, npages);
	mutex_unlock(&claims->lock);
}

/* The pages of a segment go back to the source; nobody else looks at it. */
static __always_inline void
iommufd_pinned_drain(struct iommufd_pinned *pinned,
		     struct iommufd_pin_segment *segment)
{
	unsigned long npages = iommufd_segment_npages(segment);

	trace_iommufd_unpin(pinned->start, npages);
	pinned->ops->unpin(pinned, &segment->runs, npages);
	if (pinned->own.account)
		iommufd_claim_end(segment, npages);
	iommufd_run_slice_put(&segment->runs);
}

/* Is there only one segment? Then all pins cover all of it. */
static inline bool
iommufd_pinned_is_one_segment(const struct iommufd_pinned *pinned)
{
	const struct rb_node *node = &pinned->first_segment.node;

	return pinned->segments.rb_node == node && !node->rb_left &&
	       !node->rb_right;
}

/* The usual end of a pin: it is the only one, of the only segment. */
static inline bool
iommufd_pinned_is_only_pin(const struct iommufd_pinned *pinned)
{
	return iommufd_pinned_is_one_segment(pinned) &&
	       pinned->first_segment.nr_pins == 1;
}

static __always_inline void
iommufd_pinned_drop_only_pin(struct iommufd_pinned *pinned)
{
	pinned->segments = RB_ROOT;
	iommufd_pinned_drain(pinned, &pinned->first_segment);
	pinned->first_segment.nr_pins = 0;
}

/*
 * For one of several pins of the only segment, which all begin and end there,
 * so there is no cut to undo.
 */
static inline void iommufd_pinned_drop_one_pin(struct iommufd_pinned *pinned)
{
	pinned->first_segment.starts--;
	pinned->first_segment.nr_pins--;
}

#endif
