// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pinned-memory object: getting pages from the source, and having them paid
 *
 * Owns nothing. Called by the object for its segments, and for what is pinned
 * for a moment, which nobody is charged for.
 */
#include <trace/events/iommufd.h>

#include "account.h"
#include "pinned.h"
#include "why.h"

/**
 * iommufd_pinned_unpin_runs - give pages back without uncharging anybody
 * @pinned: the object
 * @runs: the pages, to be forgotten
 * @npages: how many
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_pinned_unpin_runs(struct iommufd_pinned *pinned,
			       struct iommufd_run_slice *runs,
			       unsigned long npages)
{
	trace_iommufd_unpin(pinned->start, npages);
	if (npages)
		pinned->ops->unpin(pinned, runs, npages);
	iommufd_run_slice_put(runs);
}

/**
 * iommufd_pinned_pin_runs - pin pages without charging anybody
 * @pinned: the object
 * @first: index of the first page
 * @last: index of the last page
 * @slice: receives the pages; with an error there is nothing to give back
 *
 * Context: may sleep, as long as the owner of the memory likes.
 * Return: 0 or an error of the source.
 */
int iommufd_pinned_pin_runs(struct iommufd_pinned *pinned, unsigned long first,
			    unsigned long last, struct iommufd_run_slice *slice)
{
	struct iommufd_run_builder runs;
	unsigned long npages;
	int rc;

	iommufd_runs_init(&runs, last - first + 1);
	rc = pinned->ops->pin(pinned, first, last, &runs);
	npages = runs.npages;
	trace_iommufd_pin(pinned->start, first, npages, !rc);
	iommufd_runs_finish(&runs, slice);
	if (rc)
		iommufd_pinned_unpin_runs(pinned, slice, npages);
	return rc;
}

static int segment_pin(struct iommufd_pinned *pinned,
		       struct iommufd_pin_segment *segment)
{
	return iommufd_pinned_pin_runs(pinned, segment->first, segment->last,
				       &segment->runs);
}

/*
 * A charge was refused. 1 if it may not be by now, 0 if some of the pages may
 * be counted already, or an error.
 */
static int segment_refused(struct iommufd_pinned *pinned,
			   struct iommufd_pin_segment *segment, int refusal)
{
	int rc;

	if (iommufd_errno(refusal) != -ENOMEM)
		return refusal;
	rc = iommufd_claims_wait(pinned, segment->first, segment->last);
	return rc == -ENOMEM ? refusal : rc;
}

static noinline int segment_fill_again(struct iommufd_pinned *pinned,
				       struct iommufd_pin_segment *segment,
				       int refusal)
{
	unsigned long npages = iommufd_segment_npages(segment);
	int rc;

	while (refusal) {
		iommufd_pinned_unpin_runs(pinned, &segment->runs, npages);
		rc = segment_refused(pinned, segment, refusal);
		if (rc <= 0)
			return rc ?: refusal;
		rc = segment_pin(pinned, segment);
		if (rc)
			return rc;
		refusal = iommufd_claim_add(pinned, segment);
	}
	return 0;
}

static __always_inline int
segment_fill_few(struct iommufd_pinned *pinned,
		 struct iommufd_pin_segment *segment)
{
	int rc;

	rc = segment_pin(pinned, segment);
	if (rc)
		return rc;
	rc = iommufd_claim_add(pinned, segment);
	if (unlikely(rc))
		return segment_fill_again(pinned, segment, rc);
	return 0;
}

/*
 * Charge for all of it, or tell that it should be tried in halves: some of it
 * may be counted already.
 */
static int segment_charge(struct iommufd_pinned *pinned,
			  struct iommufd_pin_segment *segment,
			  unsigned long npages)
{
	int rc;

	do {
		rc = iommufd_account_charge(pinned->account, npages);
		if (!rc)
			return 0;
		rc = segment_refused(pinned, segment, rc);
	} while (rc > 0);
	return rc ?: 1;
}

static noinline int segment_fill_many(struct iommufd_pinned *pinned,
				      struct iommufd_pin_segment *segment,
				      unsigned long npages)
{
	int rc;

	/* Charge first: nobody exceeds a limit even for a moment. */
	rc = segment_charge(pinned, segment, npages);
	if (rc)
		return rc;
	iommufd_claim_begin(pinned, segment);
	rc = segment_pin(pinned, segment);
	if (!rc) {
		iommufd_claim_settle(segment);
		return 0;
	}
	iommufd_claim_cancel(segment);
	iommufd_account_uncharge(pinned->account, npages);
	return rc;
}

/**
 * iommufd_pinned_fill - get the pages of a segment
 * @pinned: the object
 * @segment: the segment, which nobody else looks at
 *
 * Context: may sleep, as long as the owner of the memory likes.
 *
 * Return: 0; 1 if the limit may allow it in halves; errors of
 * iommufd_pinned_pin(), with nothing charged.
 */
int iommufd_pinned_fill(struct iommufd_pinned *pinned,
			struct iommufd_pin_segment *segment)
{
	unsigned long npages = iommufd_segment_npages(segment);

	if (!pinned->account)
		return segment_pin(pinned, segment);
	if (npages <= IOMMUFD_CLAIM_FEW_PAGES)
		return segment_fill_few(pinned, segment);
	return segment_fill_many(pinned, segment, npages);
}
