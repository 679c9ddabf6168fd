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
 * Return: as &iommufd_source_ops.pin.
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
	trace_iommufd_pin(pinned->start, first, npages, rc >= 0);
	iommufd_runs_finish(&runs, slice);
	if (rc < 0)
		iommufd_pinned_unpin_runs(pinned, slice, npages);
	return rc;
}

static int segment_pin(struct iommufd_pinned *pinned,
		       struct iommufd_pin_segment *segment)
{
	return iommufd_pinned_pin_runs(pinned, segment->first, segment->last,
				       &segment->runs);
}

static void segment_unpin(struct iommufd_pinned *pinned,
			  struct iommufd_pin_segment *segment)
{
	iommufd_pinned_unpin_runs(pinned, &segment->runs,
				  iommufd_segment_npages(segment));
}

/* What iommufd_pinned_fill() returns to ask for fewer pages at once */
static int pages_at_once(unsigned long npages)
{
	return min_t(unsigned long, npages, INT_MAX);
}

/*
 * Find whom the pages belong to. Returns 0 with the claimant, and a reference
 * to it; or how many of the first pages are of one owner, if not all are; or an
 * error.
 */
static noinline int segment_find_claimant(struct iommufd_pinned *pinned,
					  struct iommufd_pin_segment *segment,
					  struct iommufd_claimant **claimant)
{
	struct iommufd_owner owner = {};
	unsigned long npages;

	npages = pinned->ops->find_owner(pinned, segment->first, segment->last,
					 &owner);
	if (npages < iommufd_segment_npages(segment))
		return pages_at_once(npages);
	*claimant = &pinned->own;
	if (!owner.inode)
		return 0;
	*claimant = iommufd_claimant_alloc(pinned->own.account, owner.inode,
					   owner.place - segment->first);
	return *claimant ? 0 : -ENOMEM;
}

/*
 * The same for pages that are pinned; unless it returns 0, they are unpinned.
 */
static int segment_find_claimant_of_pinned(struct iommufd_pinned *pinned,
					   struct iommufd_pin_segment *segment,
					   struct iommufd_claimant **claimant)
{
	int rc = segment_find_claimant(pinned, segment, claimant);

	if (rc)
		segment_unpin(pinned, segment);
	return rc;
}

/*
 * A charge was refused. Returns 1 if it may be tried again, since something may
 * have been given back; 0 if some of the pages may be counted already; or an
 * error.
 */
static int segment_refused(const struct iommufd_pinned *pinned,
			   const struct iommufd_claimant *claimant,
			   const struct iommufd_pin_segment *segment,
			   int refusal)
{
	int rc;

	if (iommufd_errno(refusal) != -ENOMEM)
		return refusal;
	/*
	 * Until its pages are pinned, memory of a file that is mapped in the
	 * process has its claim in the registry of the process.
	 */
	if (claimant != &pinned->own) {
		rc = iommufd_claims_wait(&pinned->own, segment->first,
					 segment->last);
		if (rc && rc != -ENOMEM)
			return rc;
	}
	rc = iommufd_claims_wait(claimant, segment->first, segment->last);
	return rc == -ENOMEM ? refusal : rc;
}

/* -- few pages: they are pinned, and then charged -- */

static noinline int segment_add_again(struct iommufd_pinned *pinned,
				      struct iommufd_pin_segment *segment,
				      struct iommufd_claimant *claimant,
				      int refusal)
{
	int rc;

	while (refusal) {
		segment_unpin(pinned, segment);
		rc = segment_refused(pinned, claimant, segment, refusal);
		if (rc <= 0)
			return rc ?: refusal;
		rc = segment_pin(pinned, segment);
		if (rc < 0)
			return rc;
		refusal = iommufd_claim_add(claimant, segment);
	}
	return 0;
}

static __always_inline int segment_add(struct iommufd_pinned *pinned,
				       struct iommufd_pin_segment *segment,
				       struct iommufd_claimant *claimant)
{
	int rc;

	rc = iommufd_claim_add(claimant, segment);
	if (unlikely(rc))
		return segment_add_again(pinned, segment, claimant, rc);
	return 0;
}

static noinline int segment_add_of_others(struct iommufd_pinned *pinned,
					  struct iommufd_pin_segment *segment)
{
	struct iommufd_claimant *claimant;
	int rc;

	rc = segment_find_claimant_of_pinned(pinned, segment, &claimant);
	if (rc)
		return rc;
	rc = segment_add(pinned, segment, claimant);
	if (rc)
		iommufd_claimant_put(claimant);
	return rc;
}

static __always_inline int
segment_fill_few(struct iommufd_pinned *pinned,
		 struct iommufd_pin_segment *segment)
{
	int rc;

	rc = segment_pin(pinned, segment);
	if (unlikely(rc))
		return rc < 0 ? rc : segment_add_of_others(pinned, segment);
	return segment_add(pinned, segment, &pinned->own);
}

/* -- many pages: they are charged, and then pinned -- */

/*
 * Charge for all of it. Returns half of the pages if it should be tried again
 * with fewer, because some may be counted already.
 */
static int segment_charge(struct iommufd_pinned *pinned,
			  const struct iommufd_claimant *claimant,
			  const struct iommufd_pin_segment *segment, bool again)
{
	unsigned long npages = iommufd_segment_npages(segment);
	int rc;

	do {
		rc = iommufd_account_charge(claimant->account, npages);
		if (!rc)
			return 0;
		/* The next attempt looks whose the pages are. */
		if (!again && pinned->ops->find_owner)
			return pages_at_once(npages / 2);
		rc = segment_refused(pinned, claimant, segment, rc);
	} while (rc > 0);
	return rc ?: pages_at_once(npages / 2);
}

/*
 * The pages are pinned, so their owner is known: if it is a file, its registry
 * gets the claim.
 */
static int segment_pass_on(struct iommufd_pinned *pinned,
			   struct iommufd_pin_segment *segment)
{
	struct iommufd_claimant *claimant;
	int rc;

	rc = segment_find_claimant_of_pinned(pinned, segment, &claimant);
	if (rc)
		return rc;
	if (claimant != &pinned->own)
		iommufd_claim_pass_on(segment, claimant);
	return 0;
}

static int segment_pin_charged(struct iommufd_pinned *pinned,
			       struct iommufd_pin_segment *segment, bool again)
{
	int rc;

	rc = segment_pin(pinned, segment);
	if (rc <= 0)
		return rc;
	return again ? 0 : segment_pass_on(pinned, segment);
}

static int segment_fill_claimed(struct iommufd_pinned *pinned,
				struct iommufd_pin_segment *segment,
				struct iommufd_claimant *claimant, bool again)
{
	int rc;

	/* Charge first: nobody exceeds a limit even for a moment. */
	rc = segment_charge(pinned, claimant, segment, again);
	if (rc)
		return rc;
	iommufd_claim_begin(claimant, segment);
	rc = segment_pin_charged(pinned, segment, again);
	if (!rc) {
		iommufd_claim_settle(segment);
		return 0;
	}
	iommufd_claim_cancel(segment);
	iommufd_account_uncharge(claimant->account,
				 iommufd_segment_npages(segment));
	return rc;
}

static noinline int segment_fill_many(struct iommufd_pinned *pinned,
				      struct iommufd_pin_segment *segment,
				      bool again)
{
	struct iommufd_claimant *claimant = &pinned->own;
	int rc;

	if (again && pinned->ops->find_owner) {
		rc = segment_find_claimant(pinned, segment, &claimant);
		if (rc)
			return rc;
	}
	rc = segment_fill_claimed(pinned, segment, claimant, again);
	if (rc)
		iommufd_claimant_put(claimant);
	return rc;
}

/**
 * iommufd_pinned_fill - get the pages of a segment
 * @pinned: the object
 * @segment: the segment, which nobody else looks at
 * @again: the caller can do with a part of it
 *
 * Context: may sleep, as long as the owner of the memory likes.
 *
 * Return: 0; how many of the first pages are to be filled for themselves, for
 * only these are of one owner, or the limit may allow it in halves; errors of
 * iommufd_pinned_pin(), with nothing charged.
 */
int iommufd_pinned_fill(struct iommufd_pinned *pinned,
			struct iommufd_pin_segment *segment, bool again)
{
	unsigned long npages = iommufd_segment_npages(segment);

	if (!pinned->own.account)
		return segment_pin(pinned, segment);
	if (npages <= IOMMUFD_CLAIM_FEW_PAGES)
		return segment_fill_few(pinned, segment);
	return segment_fill_many(pinned, segment, again);
}
