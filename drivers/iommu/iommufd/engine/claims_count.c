// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages are pinned already: comparing claims
 *
 * Owns nothing. Called by the registries, with the lock of one held. Allocates
 * nothing: who unpins compares, too.
 */
#include <linux/bitmap.h>
#include <linux/minmax.h>
#include <linux/sched.h>

#include "account.h"
#include "claims.h"
#include "pinned.h"

/* So many pages are compared with several claims at a time. */
#define WINDOW_NPAGES 1024UL

/* The same places of two claims, side by side */
struct claim_pair {
	struct iommufd_run_cursor cursor[2];
	unsigned long pfn[2];
	unsigned long npages[2];
};

static void claim_pair_walk(struct claim_pair *pair, int i,
			    const struct iommufd_pin_segment *segment,
			    unsigned long first, unsigned long last)
{
	iommufd_run_slice_walk(&segment->runs,
			       first - iommufd_claim_first(segment),
			       last - first + 1, &pair->cursor[i]);
	pair->npages[i] = 0;
}

static bool claim_pair_refill(struct claim_pair *pair, int i)
{
	struct iommufd_run run;

	if (pair->npages[i])
		return true;
	if (!iommufd_run_cursor_next(&pair->cursor[i], &run))
		return false;
	pair->pfn[i] = iommufd_run_pfn(run);
	pair->npages[i] = iommufd_run_npages(run);
	return true;
}

/*
 * Take the next pages: all in the same frames on both sides, or none. Returns
 * how many, 0 at the end.
 */
static unsigned long claim_pair_next(struct claim_pair *pair, bool *same)
{
	unsigned long npages;
	int i;

	if (!claim_pair_refill(pair, 0) || !claim_pair_refill(pair, 1))
		return 0;
	*same = pair->pfn[0] == pair->pfn[1];
	npages = min(pair->npages[0], pair->npages[1]);
	/*
	 * What is left of the longer run may be in the same frames as the next
	 * run of the other claim.
	 */
	for (i = 0; i != 2; i++) {
		pair->pfn[i] += npages;
		pair->npages[i] -= npages;
	}
	return npages;
}

/*
 * Skip runs that are the same in both: most memory that is mapped twice has
 * been found as it was. The run where the walk ends, or a chunk, is left.
 */
static void claim_pair_skip_same(struct claim_pair *pair)
{
	struct iommufd_run_cursor *a = &pair->cursor[0], *b = &pair->cursor[1];
	unsigned long npages;

	if (pair->npages[0] || pair->npages[1])
		return;
	while (a->next != a->end && b->next != b->end &&
	       a->next->packed == b->next->packed) {
		npages = iommufd_run_npages(*a->next);
		if (npages >= a->left || npages >= b->left)
			return;
		a->next++;
		b->next++;
		a->left -= npages;
		b->left -= npages;
	}
}

/* Are all pages of a claim in another one, too? */
static bool claim_is_within(const struct iommufd_pin_segment *segment,
			    const struct iommufd_pin_segment *other)
{
	unsigned long first = iommufd_claim_first(segment);
	unsigned long last = iommufd_claim_last(segment);
	struct claim_pair pair;
	bool same = true;

	if (first < iommufd_claim_first(other) ||
	    iommufd_claim_last(other) < last)
		return false;
	/* Most claims are a single run. */
	if (!segment->runs.vec && !other->runs.vec)
		return iommufd_run_pfn(segment->runs.run) - first ==
		       iommufd_run_pfn(other->runs.run) -
			       iommufd_claim_first(other);
	/* Slices of one vector show the same pages at the same places. */
	if (segment->runs.vec == other->runs.vec)
		return true;
	claim_pair_walk(&pair, 0, segment, first, last);
	claim_pair_walk(&pair, 1, other, first, last);
	while (same && claim_pair_next(&pair, &same)) {
		claim_pair_skip_same(&pair);
		cond_resched();
	}
	return same;
}

/* Clear the bits of pages in first..last that are in another claim, too. */
static void claim_clear_same(unsigned long *bits, unsigned long first,
			     unsigned long last,
			     const struct iommufd_pin_segment *segment,
			     const struct iommufd_pin_segment *other)
{
	unsigned long place = max(first, iommufd_claim_first(other));
	struct claim_pair pair;
	unsigned long npages;
	bool same;

	last = min(last, iommufd_claim_last(other));
	claim_pair_walk(&pair, 0, segment, place, last);
	claim_pair_walk(&pair, 1, other, place, last);
	while ((npages = claim_pair_next(&pair, &same))) {
		if (same)
			bitmap_clear(bits, place - first, npages);
		place += npages;
	}
}

static bool payers_share(const struct iommufd_payer *a,
			 const struct iommufd_payer *b, bool limited)
{
	return limited ? iommufd_payers_share_counter(a, b) : a->mm == b->mm;
}

static bool filter_has(const struct iommufd_claims_filter *filter,
		       const struct iommufd_pin_segment *segment)
{
	const struct iommufd_account *account = segment->claim.claimant->account;

	if (segment->claim.pending)
		return false;
	if (filter->moving && iommufd_account_moves(account, filter->moving)) {
		if (!segment->claim.marked)
			return false;
		if (filter->arrives)
			return true;
	}
	return payers_share(&account->payer, filter->payer, filter->limited);
}

static unsigned long
claims_count_window(struct iommufd_claims *claims,
		    const struct iommufd_pin_segment *segment,
		    const struct iommufd_claims_filter *filter,
		    unsigned long first, unsigned long last)
{
	unsigned long npages = last - first + 1;
	struct iommufd_pin_segment *other;
	DECLARE_BITMAP(bits, WINDOW_NPAGES);
	struct iommufd_claims_walk walk;

	bitmap_fill(bits, npages);
	iommufd_claims_walk_begin(claims, first, last, &walk);
	while ((other = iommufd_claims_next(&walk))) {
		if (other == segment || !filter_has(filter, other))
			continue;
		claim_clear_same(bits, first, last, segment, other);
		if (bitmap_empty(bits, npages))
			break;
		cond_resched();
	}
	return bitmap_weight(bits, npages);
}

/**
 * iommufd_claims_count_new - how many pages does no other claim have?
 * @claims: the registry
 * @segment: the pages; whether it is in the registry itself does not matter
 * @filter: which other claims count
 *
 * Context: caller holds the registry's lock, and what keeps payers as they are;
 * may sleep.
 *
 * Return: how many pages.
 */
unsigned long
iommufd_claims_count_new(struct iommufd_claims *claims,
			 const struct iommufd_pin_segment *segment,
			 const struct iommufd_claims_filter *filter)
{
	unsigned long first = iommufd_claim_first(segment);
	unsigned long last = iommufd_claim_last(segment);
	struct iommufd_pin_segment *other;
	struct iommufd_claims_walk walk;
	unsigned long count = 0, npages;
	bool found = false;

	iommufd_claims_walk_begin(claims, first, last, &walk);
	while ((other = iommufd_claims_next(&walk))) {
		if (other == segment || !filter_has(filter, other))
			continue;
		if (claim_is_within(segment, other))
			return 0;
		found = true;
	}
	if (!found)
		return iommufd_segment_npages(segment);

	for (; first <= last; first += npages) {
		npages = min(last - first + 1, WINDOW_NPAGES);
		count += claims_count_window(claims, segment, filter, first,
					     first + npages - 1);
		cond_resched();
	}
	return count;
}

/*
 * A new claim is compared with all that have some of its places, up to the
 * first that has all of them. That one was compared with the others before.
 */
static void claims_meet(struct iommufd_pin_segment *segment,
			struct iommufd_pin_segment *other)
{
	segment->claim.others |= IOMMUFD_CLAIM_MET;
	other->claim.others |= IOMMUFD_CLAIM_MET;
}

static noinline struct iommufd_pin_segment *
claims_count_walk(struct iommufd_claims *claims,
		  struct iommufd_pin_segment *segment,
		  struct iommufd_counts *counts)
{
	const struct iommufd_payer *payer =
		&segment->claim.claimant->account->payer;
	const struct iommufd_claims_filter pinned = { .payer = payer };
	const struct iommufd_claims_filter limited = {
		.payer = payer,
		.limited = true,
	};
	struct iommufd_pin_segment *other;
	struct iommufd_claims_walk walk;
	bool found = false;

	/*
	 * A claim with all of the pages that is in both counters ends the
	 * search: nothing is added to either.
	 */
	iommufd_claims_walk_begin(claims, iommufd_claim_first(segment),
				  iommufd_claim_last(segment), &walk);
	while ((other = iommufd_claims_next(&walk))) {
		if (other == segment)
			continue;
		found = true;
		claims_meet(segment, other);
		if (filter_has(&pinned, other) && filter_has(&limited, other) &&
		    claim_is_within(segment, other)) {
			*counts = (struct iommufd_counts){};
			return other;
		}
	}
	counts->pinned = iommufd_segment_npages(segment);
	counts->limited = iommufd_segment_npages(segment);
	if (found) {
		counts->pinned = iommufd_claims_count_new(claims, segment,
							  &pinned);
		counts->limited = iommufd_claims_count_new(claims, segment,
							   &limited);
	}
	return NULL;
}

/*
 * Does a settled claim of the same account have the page in the same frame?
 * Single runs only: what has a vector is left to the comparison.
 */
static bool page_is_in(const struct iommufd_pin_segment *segment,
		       unsigned long place,
		       const struct iommufd_pin_segment *other)
{
	return !other->claim.pending && !other->runs.vec &&
	       !segment->runs.vec &&
	       other->claim.claimant->account == segment->claim.claimant->account &&
	       iommufd_run_pfn(segment->runs.run) - place ==
		       iommufd_run_pfn(other->runs.run) -
			       iommufd_claim_first(other);
}

static enum iommufd_page_is page_look(struct hlist_node *node,
				      struct iommufd_pin_segment *segment,
				      unsigned long place)
{
	struct iommufd_pin_segment *other;
	enum iommufd_page_is is = IOMMUFD_PAGE_IS_ALONE;

	for (; node; node = node->next) {
		other = iommufd_claim_segment(node);
		if (iommufd_claim_first(other) > place ||
		    iommufd_claim_last(other) < place || other == segment)
			continue;
		claims_meet(segment, other);
		if (page_is_in(segment, place, other))
			return IOMMUFD_PAGE_IS_SHARED;
		is = IOMMUFD_PAGE_IS_UNCLEAR;
	}
	return is;
}

/* Look for one page without the cost of a walk. */
static enum iommufd_page_is page_look_all(struct iommufd_claims *claims,
					  struct iommufd_pin_segment *segment)
{
	unsigned long place = iommufd_claim_first(segment);
	unsigned long classes = claims->classes;
	enum iommufd_page_is is = IOMMUFD_PAGE_IS_ALONE;

	for (; classes && is != IOMMUFD_PAGE_IS_SHARED;
	     classes &= classes - 1) {
		unsigned int class = __ffs(classes);
		unsigned long block = place >> class;
		struct hlist_head *bucket;

		bucket = iommufd_claims_bucket(claims, class, block);
		is = max(is, page_look(bucket->first, segment, place));
		if (!class || !block)
			continue;
		/* A claim of the block before may reach into this one. */
		bucket = iommufd_claims_bucket(claims, class, block - 1);
		is = max(is, page_look(bucket->first, segment, place));
	}
	return is;
}

/**
 * iommufd_claims_count - how many pages has no other claim of the payer?
 * @claims: the registry
 * @segment: the pages, in the registry
 * @counts: how many pages it has; receives how many, in each of the payer's
 *          counters
 *
 * Context: as iommufd_claims_count_new().
 *
 * Return: of several pages, another claim that has all of them, if there is one
 * that both counters have.
 */
struct iommufd_pin_segment *
iommufd_claims_count(struct iommufd_claims *claims,
		     struct iommufd_pin_segment *segment,
		     struct iommufd_counts *counts)
{
	enum iommufd_page_is is = IOMMUFD_PAGE_IS_UNCLEAR;

	if (segment->first == segment->last)
		is = page_look_all(claims, segment);
	if (is == IOMMUFD_PAGE_IS_SHARED)
		*counts = (struct iommufd_counts){};
	else if (is == IOMMUFD_PAGE_IS_UNCLEAR)
		return claims_count_walk(claims, segment, counts);
	return NULL;
}
