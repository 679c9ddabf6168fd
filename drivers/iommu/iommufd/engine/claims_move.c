// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages are pinned already: another payer
 *
 * Owns the list of registries in which an account has claims. Called by the
 * accounts, when another process takes over what a context has pinned of files;
 * the registries are locked.
 *
 * Claims are counted one after the other, and marked when they are: each adds
 * to a counter, or leaves there, those of its pages that no marked claim has.
 */
#include <linux/cleanup.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "account.h"
#include "claims.h"
#include "pinned.h"

static struct iommufd_movable *
movable_find(struct iommufd_claims *claims,
	     const struct iommufd_account *account)
{
	struct iommufd_movable *movable;

	list_for_each_entry(movable, &claims->movable, sibling)
		if (movable->account == account)
			return movable;
	return NULL;
}

static struct iommufd_movable *
movable_alloc(struct iommufd_account *account, struct iommufd_claims *claims)
{
	struct iommufd_movable *movable;

	movable = kmalloc_obj(*movable, GFP_KERNEL_ACCOUNT);
	if (!movable)
		return NULL;
	movable->account = account;
	movable->claims = claims;
	movable->nr = 0;
	list_add_tail(&movable->node, &account->accounts->movable);
	guard(mutex)(&claims->lock);
	list_add(&movable->sibling, &claims->movable);
	return movable;
}

static void movable_free(struct iommufd_movable *movable)
{
	list_del(&movable->node);
	mutex_lock(&movable->claims->lock);
	list_del(&movable->sibling);
	mutex_unlock(&movable->claims->lock);
	iommufd_claims_put(movable->claims);
	kfree(movable);
}

/**
 * iommufd_movable_get - an object of a movable account is going to have claims
 * @account: the account; stays as long as the object
 * @inode: of the file
 *
 * Context: may sleep; takes the movable_lock of the accounts, and the lock of
 * the registry.
 * Return: where they are, or NULL without memory.
 */
struct iommufd_movable *iommufd_movable_get(struct iommufd_account *account,
					    const void *inode)
{
	struct iommufd_claims *claims = iommufd_claims_get(inode, true);
	struct iommufd_movable *movable;

	if (!claims)
		return NULL;
	guard(mutex)(&account->accounts->movable_lock);
	scoped_guard(mutex, &claims->lock)
		movable = movable_find(claims, account);
	/* A struct iommufd_movable has a reference of its own. */
	if (movable)
		iommufd_claims_put(claims);
	else
		movable = movable_alloc(account, claims);
	if (movable)
		movable->nr++;
	else
		iommufd_claims_put(claims);
	return movable;
}

/**
 * iommufd_movable_put - the object goes away
 * @movable: from iommufd_movable_get(); the object has no claims
 *
 * Context: may sleep; takes the movable_lock of the accounts, and the lock of
 * the registry.
 */
void iommufd_movable_put(struct iommufd_movable *movable)
{
	guard(mutex)(&movable->account->accounts->movable_lock);
	if (!--movable->nr)
		movable_free(movable);
}

/*
 * Changing payers takes the locks of several registries, in no order: two who
 * do could deadlock. This one is taken around them. It is inside the locks of
 * the accounts, and nobody waits for memory with it held.
 */
static DEFINE_MUTEX(claims_moving_lock);

/**
 * iommufd_claims_hold - have all claims stay as they are
 * @held: tells whose; receives where they are. Several accounts may have claims
 *        in the same registry.
 *
 * Context: may sleep; the lock of the accounts is held for writing. Takes their
 * movable_lock, and the locks of all registries where they have objects.
 */
void iommufd_claims_hold(struct iommufd_claims_held *held)
{
	struct iommufd_movable *movable;

	mutex_lock(&held->accounts->movable_lock);
	mutex_lock(&claims_moving_lock);
	INIT_LIST_HEAD(&held->list);
	list_for_each_entry(movable, &held->accounts->movable, node) {
		struct iommufd_claims *claims = movable->claims;

		if (list_empty(&claims->moving)) {
			list_add_tail(&claims->moving, &held->list);
			mutex_lock_nest_lock(&claims->lock,
					     &claims_moving_lock);
			cond_resched();
		}
	}
}

/**
 * iommufd_claims_release - end of iommufd_claims_hold()
 * @held: as there
 */
void iommufd_claims_release(struct iommufd_claims_held *held)
{
	struct iommufd_claims *claims, *next;

	list_for_each_entry_safe(claims, next, &held->list, moving) {
		list_del_init(&claims->moving);
		mutex_unlock(&claims->lock);
	}
	mutex_unlock(&claims_moving_lock);
	mutex_unlock(&held->accounts->movable_lock);
}

/*
 * Called for each claim of the accounts in a registry; what is not 0 ends it.
 * Pending claims are left out: iommufd_account::npages has their charge.
 */
typedef int (*claims_each_t)(struct iommufd_claims *claims,
			     struct iommufd_pin_segment *segment, void *data);

static struct iommufd_account *
claim_account(const struct iommufd_pin_segment *segment)
{
	return segment->claim.claimant->account;
}

static int claims_each(struct iommufd_claims *claims,
		       const struct iommufd_accounts *accounts,
		       claims_each_t each, void *data)
{
	struct iommufd_pin_segment *segment;
	unsigned long i;
	int rc;

	iommufd_claims_hash_sole(claims);
	for (i = 0; i != BIT(claims->bits); i++) {
		hlist_for_each_entry(segment, &claims->buckets[i], claim.node) {
			if (segment->claim.pending ||
			    !iommufd_account_moves(claim_account(segment),
						   accounts))
				continue;
			rc = each(claims, segment, data);
			if (rc)
				return rc;
			cond_resched();
		}
	}
	return 0;
}

struct claims_move {
	struct iommufd_claims_filter filter;
	const struct iommufd_payer *to;
	unsigned long count;
	bool bounded;
};

static const struct iommufd_payer *
claim_payer(const struct iommufd_pin_segment *segment)
{
	return &claim_account(segment)->payer;
}

static bool move_is_within(const struct claims_move *move,
			   const struct iommufd_payer *from)
{
	return move->filter.limited ?
		       iommufd_payers_share_counter(from, move->to) :
		       from->mm == move->to->mm;
}

/*
 * What @from pays for moves. Returns whether the counter of the new payer has
 * it already.
 */
static bool move_begin(struct claims_move *move,
		       const struct iommufd_payer *from)
{
	bool within = move_is_within(move, from);

	if (!within || from->task != move->to->task)
		move->bounded = true;
	return within;
}

/*
 * First pass: mark the claims that are in the counter already, so that the
 * second pass does not count their pages again.
 */
static int claim_mark(struct iommufd_claims *claims,
		      struct iommufd_pin_segment *segment, void *data)
{
	segment->claim.marked = move_begin(data, claim_payer(segment));
	return 0;
}

static int claim_unmark(struct iommufd_claims *claims,
			struct iommufd_pin_segment *segment, void *data)
{
	segment->claim.marked = false;
	return 0;
}

static int claim_arrive(struct iommufd_claims *claims,
			struct iommufd_pin_segment *segment, void *data)
{
	struct claims_move *move = data;

	if (fatal_signal_pending(current))
		return -EINTR;
	if (segment->claim.marked)
		return 0;
	move->count += iommufd_claims_count_new(claims, segment, &move->filter);
	segment->claim.marked = true;
	return 0;
}

static void account_leave_pages(struct iommufd_account *account,
				unsigned long npages, bool limited)
{
	if (limited)
		account->leaving += npages;
	else
		atomic64_sub(npages, &account->payer.mm->pinned_vm);
}

static int claim_leave(struct iommufd_claims *claims,
		       struct iommufd_pin_segment *segment, void *data)
{
	struct claims_move *move = data;
	struct iommufd_account *account = claim_account(segment);
	unsigned long npages;

	if (move_is_within(move, &account->payer))
		return 0;
	move->filter.payer = &account->payer;
	npages = iommufd_claims_count_new(claims, segment, &move->filter);
	segment->claim.marked = true;
	account_leave_pages(account, npages, move->filter.limited);
	return 0;
}

/* All claims are of one account, and it moves. So it is in most registries. */
static bool claims_move_whole(const struct iommufd_claims *claims,
			      const struct iommufd_accounts *accounts)
{
	return claims->nr && claims->only &&
	       iommufd_account_moves(claims->only, accounts);
}

static int claims_arrive(struct iommufd_claims *claims,
			 const struct iommufd_accounts *accounts,
			 struct claims_move *move)
{
	/*
	 * claims->npages tells what these add to the counter: no claim of
	 * others has any of the pages.
	 */
	if (claims_move_whole(claims, accounts)) {
		if (claims->npages && !move_begin(move, &claims->only->payer))
			move->count += claims->npages;
		return 0;
	}
	claims_each(claims, accounts, claim_mark, move);
	return claims_each(claims, accounts, claim_arrive, move);
}

static void claims_leave(struct iommufd_claims *claims,
			 const struct iommufd_accounts *accounts,
			 struct claims_move *move)
{
	if (claims_move_whole(claims, accounts)) {
		if (!move_is_within(move, &claims->only->payer))
			account_leave_pages(claims->only, claims->npages,
					    move->filter.limited);
		return;
	}
	claims_each(claims, accounts, claim_unmark, move);
	claims_each(claims, accounts, claim_leave, move);
}

static int claims_count_arriving(struct iommufd_claims_held *held,
				 const struct iommufd_payer *to, bool limited,
				 unsigned long *count, bool *bounded)
{
	struct claims_move move = {
		.filter = {
			.payer = to,
			.limited = limited,
			.moving = held->accounts,
			.arrives = true,
		},
		.to = to,
	};
	struct iommufd_claims *claims;
	int rc;

	list_for_each_entry(claims, &held->list, moving) {
		rc = claims_arrive(claims, held->accounts, &move);
		if (rc)
			return rc;
		cond_resched();
	}
	*count = move.count;
	*bounded = move.bounded;
	return 0;
}

/**
 * iommufd_claims_count_arriving - what do claims add to a new payer's counters?
 * @held: the claims
 * @to: the new payer
 * @arrival: receives how many pages
 *
 * Context: may sleep.
 * Return: 0, or -EINTR on a fatal signal.
 */
int iommufd_claims_count_arriving(struct iommufd_claims_held *held,
				  const struct iommufd_payer *to,
				  struct iommufd_arrival *arrival)
{
	return claims_count_arriving(held, to, false, &arrival->counts.pinned,
				     &arrival->bounded) ?:
		       claims_count_arriving(held, to, true,
					     &arrival->counts.limited,
					     &arrival->bounded);
}

static void claims_leave_counter(struct iommufd_claims_held *held,
				 const struct iommufd_payer *to, bool limited)
{
	struct claims_move move = {
		.filter = {
			.limited = limited,
			.moving = held->accounts,
		},
		.to = to,
	};
	struct iommufd_claims *claims;

	list_for_each_entry(claims, &held->list, moving) {
		claims_leave(claims, held->accounts, &move);
		cond_resched();
	}
}

/**
 * iommufd_claims_leave - claims leave the counters of their payers
 * @held: the claims
 * @to: the new payer; the claims are not given to him yet
 *
 * What @to shares with a payer stays counted. What leaves a limit is added to
 * iommufd_account::leaving, since it may take an mmap_lock.
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_claims_leave(struct iommufd_claims_held *held,
			  const struct iommufd_payer *to)
{
	claims_leave_counter(held, to, false);
	claims_leave_counter(held, to, true);
}
