// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages are pinned already: claims that come and go, and are charged
 *
 * Owns nothing. Called by the pinned-memory object when segments come and go,
 * and become one. What comes is compared with what is there, and so is what
 * goes, if others have met it.
 */
#include <linux/cleanup.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "account.h"
#include "claims.h"
#include "pinned.h"
#include "test_hooks.h"

/* A sole claim is in no bucket: nothing is computed for it. */
static __always_inline void
claims_insert_sole(struct iommufd_claims *claims,
		   struct iommufd_pin_segment *segment)
{
	claims->nr = 1;
	claims->only = segment->claim.claimant->account;
	claims->npages = 0;
	claims->classes = 0;
	hlist_add_head(&segment->claim.node, &claims->sole);
}

static __always_inline void claims_make_room(struct iommufd_claims *claims)
{
	iommufd_claims_hash_sole(claims);
	if (unlikely(claims->nr >= claims->nr_max))
		iommufd_claims_grow(claims);
	claims->nr++;
}

static __always_inline void
claims_add_account(struct iommufd_claims *claims,
		   const struct iommufd_pin_segment *segment)
{
	if (claims->only != segment->claim.claimant->account)
		claims->only = NULL;
}

static void claims_insert(struct iommufd_claims *claims,
			  struct iommufd_pin_segment *segment)
{
	segment->claim.state = 0;
	if (!claims->nr) {
		claims_insert_sole(claims, segment);
		return;
	}
	claims_make_room(claims);
	claims_add_account(claims, segment);
	iommufd_claims_hash(claims, segment);
}

/*
 * Twins follow each other in the bucket: each but the first has TWIN_BEFORE,
 * each but the last TWIN_BEHIND.
 */
static void claim_leave_twins(struct iommufd_claim *claim)
{
	struct hlist_node *before, *behind = claim->node.next;
	u8 others = claim->others;

	claim->others &= ~IOMMUFD_CLAIM_TWINS;
	/* Its neighbours are twins of each other, and keep their bits. */
	if ((others & IOMMUFD_CLAIM_TWINS) == IOMMUFD_CLAIM_TWINS)
		return;
	if (others & IOMMUFD_CLAIM_TWIN_BEHIND) {
		iommufd_claim_segment(behind)->claim.others &=
			~IOMMUFD_CLAIM_TWIN_BEFORE;
		return;
	}
	before = container_of(claim->node.pprev, struct hlist_node, next);
	iommufd_claim_segment(before)->claim.others &=
		~IOMMUFD_CLAIM_TWIN_BEHIND;
}

static void claims_unhash(struct iommufd_pin_segment *segment)
{
	if (segment->claim.others & IOMMUFD_CLAIM_TWINS)
		claim_leave_twins(&segment->claim);
	__hlist_del(&segment->claim.node);
}

static void claims_remove(struct iommufd_claims *claims,
			  struct iommufd_pin_segment *segment)
{
	claims->nr--;
	claims_unhash(segment);
}

static __always_inline struct iommufd_counts
claim_in_full(const struct iommufd_pin_segment *segment)
{
	unsigned long npages = iommufd_segment_npages(segment);

	return (struct iommufd_counts){ npages, npages };
}

/*
 * How many pages does a new claim add to the counters of its payer? Returns
 * what iommufd_claims_count() does.
 */
static struct iommufd_pin_segment *
claim_count(struct iommufd_claims *claims, struct iommufd_pin_segment *segment,
	    struct iommufd_counts *counts)
{
	*counts = claim_in_full(segment);
	if (claims->nr == 1)
		return NULL;
	return iommufd_claims_count(claims, segment, counts);
}

/*
 * Is the claim just the page at this place? Such a claim is never pending: only
 * many pages are.
 */
static __always_inline bool
page_is_at(const struct iommufd_pin_segment *other, unsigned long place)
{
	return other->claim.block == (u32)place && !other->claim.class &&
	       iommufd_claim_first(other) == place;
}

/*
 * Is it in the same frame, and charged to the same account? A single page that
 * shares a vector with others is left to the comparison.
 */
static __always_inline bool
page_is_same(const struct iommufd_pin_segment *segment,
	     const struct iommufd_pin_segment *other,
	     const struct iommufd_account *account)
{
	return !other->runs.vec &&
	       other->runs.run.packed == segment->runs.run.packed &&
	       other->claim.claimant->account == account;
}

static __always_inline void claim_become_twin(struct iommufd_claim *claim,
					      struct iommufd_claim *twin)
{
	hlist_add_behind(&claim->node, &twin->node);
	claim->others = IOMMUFD_CLAIM_MET | IOMMUFD_CLAIM_TWIN_BEFORE |
			(twin->others & IOMMUFD_CLAIM_TWIN_BEHIND);
	twin->others |= IOMMUFD_CLAIM_MET | IOMMUFD_CLAIM_TWIN_BEHIND;
}

/* Looks into the bucket of the page, where claims of this single page are. */
static __always_inline enum iommufd_page_is
claim_find_twin(struct hlist_head *bucket, struct iommufd_pin_segment *segment,
		const struct iommufd_claimant *claimant, unsigned long place)
{
	struct iommufd_pin_segment *other;
	enum iommufd_page_is is = IOMMUFD_PAGE_IS_ALONE;
	struct hlist_node *node;

	for (node = bucket->first; node; node = node->next) {
		other = iommufd_claim_segment(node);
		if (!page_is_at(other, place))
			continue;
		if (page_is_same(segment, other, claimant->account)) {
			claim_become_twin(&segment->claim, &other->claim);
			return IOMMUFD_PAGE_IS_SHARED;
		}
		is = IOMMUFD_PAGE_IS_UNCLEAR;
	}
	return is;
}

/*
 * As claims_insert(), for a single page, which is the most common claim. A look
 * at one bucket tells whether it is there already, and that it is not if all
 * claims are of single pages.
 */
static __always_inline enum iommufd_page_is
claims_insert_page(struct iommufd_claims *claims,
		   const struct iommufd_claimant *claimant,
		   struct iommufd_pin_segment *segment)
{
	unsigned long place = claimant->place + segment->first;
	struct hlist_head *bucket;
	enum iommufd_page_is is;

	claims_make_room(claims);
	bucket = iommufd_claims_bucket(claims, 0, place);
	segment->claim.block = place;
	segment->claim.state = 0;
	is = claim_find_twin(bucket, segment, claimant, place);
	if (is == IOMMUFD_PAGE_IS_SHARED)
		return is;
	claims_add_account(claims, segment);
	claims->classes |= BIT(0);
	hlist_add_head(&segment->claim.node, bucket);
	return claims->classes == BIT(0) ? is : IOMMUFD_PAGE_IS_UNCLEAR;
}

/* A claim of few pages, which are pinned. Returns what is known of it. */
static __always_inline enum iommufd_page_is
claims_insert_few(struct iommufd_claims *claims,
		  const struct iommufd_claimant *claimant,
		  struct iommufd_pin_segment *segment)
{
	if (!claims->nr) {
		segment->claim.state = 0;
		claims_insert_sole(claims, segment);
		return IOMMUFD_PAGE_IS_ALONE;
	}
	if (segment->first == segment->last)
		return claims_insert_page(claims, claimant, segment);
	claims_insert(claims, segment);
	return IOMMUFD_PAGE_IS_UNCLEAR;
}

/**
 * iommufd_claim_begin - let others know of pages that are about to be pinned
 * @claimant: whose account has been charged for all of them
 * @segment: the pages
 *
 * Context: may sleep; takes the lock of the registry.
 */
void iommufd_claim_begin(struct iommufd_claimant *claimant,
			 struct iommufd_pin_segment *segment)
{
	segment->claim.claimant = claimant;

	guard(mutex)(&claimant->claims->lock);
	claims_insert(claimant->claims, segment);
	segment->claim.pending = true;
}

static void claims_tell(struct iommufd_claims *claims)
{
	claims->nr_settled++;
	if (claims->nr_waiters)
		wake_up_all(&claims->settled);
}

/*
 * With references, since the account may have another payer by the time the
 * pages are taken off: it is the one who was charged that gets them back.
 */
static noinline void
claims_unlock_uncharge_slow(struct iommufd_claimant *claimant,
			    struct iommufd_counts counts)
{
	struct iommufd_payer payer;

	iommufd_payer_get(&payer, &claimant->account->payer);
	mutex_unlock(&claimant->claims->lock);
	iommufd_payer_uncharge(&payer, counts);
	iommufd_payer_put(&payer);
}

/*
 * Take off what was charged too much, and unlock the registry. The mmap_lock of
 * a payer is not waited for with the registry locked.
 */
static __always_inline void
claims_unlock_uncharge(struct iommufd_claimant *claimant,
		       struct iommufd_counts counts)
{
	struct iommufd_payer *payer = &claimant->account->payer;

	if (unlikely(iommufd_payer_is_slow(payer))) {
		claims_unlock_uncharge_slow(claimant, counts);
		return;
	}
	iommufd_payer_uncharge_quick(payer, counts.pinned, counts.limited);
	mutex_unlock(&claimant->claims->lock);
}

/* The account was charged for @advance pages, of which @counts stay charged. */
static void claims_unlock_settle(struct iommufd_claimant *claimant,
				 unsigned long advance,
				 struct iommufd_counts counts)
{
	struct iommufd_account *account = claimant->account;

	claimant->claims->npages += counts.limited;
	if (account->kind == IOMMUFD_ACCOUNT_MOVABLE)
		atomic_long_sub(advance, &account->npages);
	counts.pinned = advance - counts.pinned;
	counts.limited = advance - counts.limited;
	claims_unlock_uncharge(claimant, counts);
}

/*
 * Use the runs of another claim that has all of the pages. Returns the runs
 * that are not needed any more.
 */
static struct iommufd_run_slice
claim_share_runs(struct iommufd_pin_segment *segment,
		 const struct iommufd_pin_segment *other)
{
	return iommufd_run_slice_share(&segment->runs, &other->runs,
				       iommufd_claim_first(segment) -
					       iommufd_claim_first(other));
}

/**
 * iommufd_claim_settle - the pages are pinned: what of them was counted before?
 * @segment: the pages, with their runs, which nobody reads yet
 *
 * What was charged in advance and need not have been is given back.
 *
 * Context: may sleep; takes the lock of the registry, and then the mmap_lock in
 * IOMMUFD_ACCOUNT_MM mode. Cannot fail.
 */
void iommufd_claim_settle(struct iommufd_pin_segment *segment)
{
	struct iommufd_claimant *claimant = segment->claim.claimant;
	struct iommufd_claims *claims = claimant->claims;
	struct iommufd_run_slice spare = {};
	struct iommufd_pin_segment *other;
	struct iommufd_counts counts;

	mutex_lock(&claims->lock);
	other = claim_count(claims, segment, &counts);
	if (other)
		spare = claim_share_runs(segment, other);
	segment->claim.pending = false;
	claims_tell(claims);
	claims_unlock_settle(claimant, iommufd_segment_npages(segment),
			     counts);
	iommufd_run_slice_put(&spare);
}

/*
 * The registry is locked on entry, and unlocked on return. The charge takes an
 * mmap_lock, so the registry is unlocked for it, and the claim counted again
 * afterwards, until what was charged is enough.
 */
static noinline int claim_add_slow(struct iommufd_claimant *claimant,
				   struct iommufd_pin_segment *segment)
{
	struct iommufd_claims *claims = claimant->claims;
	unsigned long advance = 0, npages;
	struct iommufd_counts counts;
	int rc;

	for (;;) {
		claim_count(claims, segment, &counts);
		npages = max(counts.pinned, counts.limited);
		if (npages <= advance)
			break;
		claims_remove(claims, segment);
		mutex_unlock(&claims->lock);
		rc = iommufd_account_charge(claimant->account,
					    npages - advance);
		if (rc) {
			iommufd_account_uncharge(claimant->account, advance);
			return rc;
		}
		advance = npages;
		mutex_lock(&claims->lock);
		claims_insert(claims, segment);
	}
	claims_unlock_settle(claimant, advance, counts);
	return 0;
}

/* The registry is locked on entry, and unlocked on return. */
static noinline int claim_add_compare(struct iommufd_claimant *claimant,
				      struct iommufd_pin_segment *segment,
				      enum iommufd_page_is is)
{
	struct iommufd_payer *payer = &claimant->account->payer;
	struct iommufd_counts counts = claim_in_full(segment);
	struct iommufd_claims *claims = claimant->claims;
	int rc = 0;

	if (iommufd_payer_is_slow(payer))
		return claim_add_slow(claimant, segment);
	if (is == IOMMUFD_PAGE_IS_UNCLEAR)
		iommufd_claims_count(claims, segment, &counts);
	/*
	 * If all pages are counted already, even a full limit refuses nothing.
	 */
	if (counts.pinned || counts.limited)
		rc = iommufd_payer_charge(payer, counts);
	if (rc)
		claims_remove(claims, segment);
	else
		claims->npages += counts.limited;
	mutex_unlock(&claims->lock);
	return rc;
}

/* Nobody else has the places, and there is no limit: all pages count. */
static __always_inline void
claim_add_alone(struct iommufd_claims *claims,
		const struct iommufd_pin_segment *segment,
		struct iommufd_payer *payer)
{
	unsigned long npages = iommufd_segment_npages(segment);

	claims->npages += npages;
	atomic64_add(npages, &payer->mm->pinned_vm);
}

/**
 * iommufd_claim_add - pages are pinned and have not been charged
 * @claimant: who is charged for them
 * @segment: the pages, with their runs; few
 *
 * Context: as iommufd_claim_settle(); takes the lock of the accounts in
 * IOMMUFD_ACCOUNT_MM mode.
 *
 * Return: 0; -ENOMEM if it would exceed the limit, or -EINTR on a fatal signal,
 * and nothing has changed.
 */
int iommufd_claim_add(struct iommufd_claimant *claimant,
		      struct iommufd_pin_segment *segment)
{
	struct iommufd_payer *payer = &claimant->account->payer;
	struct iommufd_claims *claims = claimant->claims;
	enum iommufd_page_is is;

	if (iommufd_should_fail())
		return -ENOMEM;
	segment->claim.claimant = claimant;
	mutex_lock(&claims->lock);
	is = claims_insert_few(claims, claimant, segment);
	if (is == IOMMUFD_PAGE_IS_ALONE && payer->mode == IOMMUFD_ACCOUNT_NONE)
		claim_add_alone(claims, segment, payer);
	else if (is != IOMMUFD_PAGE_IS_SHARED)
		return claim_add_compare(claimant, segment, is);
	mutex_unlock(&claims->lock);
	return 0;
}

/**
 * iommufd_claim_pass_on - it turns out that pages are of a file
 * @segment: the pages, with a pending claim that is the process's
 * @claimant: has the registry of the file
 *
 * segment_refused() looks for pending claims in the registry of the process
 * first, and then in that of the file: in this order it misses none.
 *
 * Context: may sleep; takes the locks of both registries.
 */
void iommufd_claim_pass_on(struct iommufd_pin_segment *segment,
			   struct iommufd_claimant *claimant)
{
	struct iommufd_claims *from = segment->claim.claimant->claims;
	struct iommufd_claims *to = claimant->claims;

	guard(mutex)(&from->lock);
	mutex_lock_nested(&to->lock, SINGLE_DEPTH_NESTING);
	claims_remove(from, segment);
	segment->claim.claimant = claimant;
	claims_insert(to, segment);
	segment->claim.pending = true;
	mutex_unlock(&to->lock);
	claims_tell(from);
}

/**
 * iommufd_claim_cancel - the pages could not be pinned
 * @segment: the pages
 *
 * What was charged in advance is the caller's to give back, and so is his
 * reference to the claimant.
 *
 * Context: may sleep; takes the lock of the registry.
 */
void iommufd_claim_cancel(struct iommufd_pin_segment *segment)
{
	struct iommufd_claims *claims = segment->claim.claimant->claims;

	guard(mutex)(&claims->lock);
	claims_remove(claims, segment);
	claims_tell(claims);
}

/**
 * iommufd_claim_end_slow - pages are not pinned any more, and may be counted
 * @claimant: whose claim it is; it may be gone afterwards
 * @segment: the pages, with the runs where they were
 *
 * Context: as iommufd_claim_settle(), but the registry is locked, and unlocked
 * at the end. Cannot fail.
 */
void iommufd_claim_end_slow(struct iommufd_claimant *claimant,
			    struct iommufd_pin_segment *segment)
{
	struct iommufd_claims *claims = claimant->claims;
	struct iommufd_counts counts = claim_in_full(segment);

	if (segment->claim.others & IOMMUFD_CLAIM_TWINS) {
		/* Its twin stays, so the page stays counted. */
		claims_remove(claims, segment);
		mutex_unlock(&claims->lock);
		goto out_put;
	}
	if (segment->claim.others & IOMMUFD_CLAIM_MET)
		iommufd_claims_count(claims, segment, &counts);
	claims_remove(claims, segment);
	claims->npages -= counts.limited;
	claims_unlock_uncharge(claimant, counts);
out_put:
	iommufd_claimant_put(claimant);
}

/*
 * Looks for a pending claim whose payer shares the limit counter: only what
 * that gives back helps. *found: is there any claim of such a payer?
 */
static bool claims_find_pending(const struct iommufd_claimant *claimant,
				unsigned long first, unsigned long last,
				bool *found)
{
	const struct iommufd_payer *payer = &claimant->account->payer, *other;
	struct iommufd_pin_segment *segment;
	struct iommufd_claims_walk walk;

	*found = false;
	iommufd_claims_walk_begin(claimant->claims, claimant->place + first,
				  claimant->place + last, &walk);
	while ((segment = iommufd_claims_next(&walk))) {
		other = &segment->claim.claimant->account->payer;
		if (!iommufd_payers_share_counter(other, payer))
			continue;
		*found = true;
		if (segment->claim.pending)
			return true;
	}
	return false;
}

static int claims_wait_for_one(struct iommufd_claims *claims)
{
	unsigned long before = claims->nr_settled;
	int rc;

	claims->nr_waiters++;
	mutex_unlock(&claims->lock);
	rc = wait_event_killable(claims->settled,
				 READ_ONCE(claims->nr_settled) != before);
	mutex_lock(&claims->lock);
	claims->nr_waiters--;
	return rc ? -EINTR : 0;
}

/**
 * iommufd_claims_wait - can pages that the limit does not allow be shared?
 * @claimant: who would be charged for them
 * @first: index of the first page
 * @last: index of the last page
 *
 * If a pending claim in the range is charged to the same counter, waits until
 * one is settled: all of its pages were charged in advance, and some may be
 * given back. Claims of other counters are not waited for, as their memory may
 * never come. The caller has no pending claim himself, so that no two wait for
 * each other.
 *
 * Context: may sleep, as long as the owner of the memory likes; takes the lock
 * of the registry.
 *
 * Return: 1 after it has waited, and the limit may allow more; 0 if there are
 * such claims in the range; -ENOMEM if there is none; -EINTR on a fatal signal.
 */
int iommufd_claims_wait(const struct iommufd_claimant *claimant,
			unsigned long first, unsigned long last)
{
	struct iommufd_claims *claims = claimant->claims;
	bool found;

	guard(mutex)(&claims->lock);
	if (claims_find_pending(claimant, first, last, &found))
		return claims_wait_for_one(claims) ?: 1;
	return found ? 0 : -ENOMEM;
}

/**
 * iommufd_claims_join - two claims of different buckets have become one
 * @claims: the registry, whose lock the caller holds
 * @joined: the claim, with all of the pages
 * @gone: the other one, which has left the registry
 */
void iommufd_claims_join(struct iommufd_claims *claims,
			 struct iommufd_pin_segment *joined,
			 struct iommufd_pin_segment *gone)
{
	claims_unhash(gone);
	claims_unhash(joined);
	/* By the size and the place that it has now */
	iommufd_claims_hash(claims, joined);
}
