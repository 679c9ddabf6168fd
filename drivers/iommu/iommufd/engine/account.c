// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is charged for pinned memory, and how much
 *
 * Owns the references to the mm, the task and the user. Called by the sources
 * of memory. All that one process maps shares an account, one for its own
 * memory and one for that of files. It is the account that knows how much is
 * charged, so that another process can take over what is mapped of files, also
 * what is just being mapped, without anybody looking for it.
 */
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "account.h"
#include "claims.h"
#include "test_hooks.h"
#include "why.h"

static void payer_get_caller(struct iommufd_payer *payer,
			     enum iommufd_account_mode mode)
{
	payer->mm = current->mm;
	mmgrab(payer->mm);
	payer->task = get_task_struct(current->group_leader);
	payer->user = get_uid(current_user());
	payer->mode = mode;
}

/**
 * iommufd_payer_get - keep a payer
 * @payer: receives who it is, with references
 * @from: who it is, while he pays for something
 */
void iommufd_payer_get(struct iommufd_payer *payer,
		       const struct iommufd_payer *from)
{
	*payer = *from;
	mmgrab(payer->mm);
	get_task_struct(payer->task);
	get_uid(payer->user);
}

/**
 * iommufd_payer_put - drop the references of a payer
 * @payer: the payer
 */
void iommufd_payer_put(struct iommufd_payer *payer)
{
	mmdrop(payer->mm);
	put_task_struct(payer->task);
	free_uid(payer->user);
}

static enum iommufd_account_mode
account_mode_of_caller(enum iommufd_account_mode mode)
{
	return capable(CAP_IPC_LOCK) ? IOMMUFD_ACCOUNT_NONE : mode;
}

/*
 * Another process may be taking a movable account over: without the lock the
 * answer may be out of date. That does no harm. The caller has begun before the
 * move has ended, and what it maps is moved with the rest.
 */
static bool account_is_of_caller(const struct iommufd_account *account,
				 enum iommufd_account_mode mode)
{
	const struct iommufd_payer *payer = &account->payer;

	return READ_ONCE(payer->mm) == current->mm &&
	       READ_ONCE(payer->task) == current->group_leader &&
	       READ_ONCE(payer->user) == current_user() &&
	       READ_ONCE(payer->mode) == mode;
}

static void account_set_payer(struct iommufd_account *account,
			      const struct iommufd_payer *payer)
{
	/* Pairs with account_is_of_caller(). */
	WRITE_ONCE(account->payer.mm, payer->mm);
	WRITE_ONCE(account->payer.task, payer->task);
	WRITE_ONCE(account->payer.user, payer->user);
	WRITE_ONCE(account->payer.mode, payer->mode);
}

static struct iommufd_account *account_alloc(struct iommufd_accounts *accounts,
					     enum iommufd_account_kind kind,
					     enum iommufd_account_mode mode)
{
	struct iommufd_account *account;

	account = kmalloc_obj(*account, GFP_KERNEL_ACCOUNT);
	if (!account)
		return NULL;
	account->claims = NULL;
	if (kind == IOMMUFD_ACCOUNT_FIXED) {
		account->claims = iommufd_claims_get(current->mm, false);
		if (!account->claims) {
			kfree(account);
			return NULL;
		}
	}
	refcount_set(&account->refs, 1);
	account->kind = kind;
	payer_get_caller(&account->payer, mode);
	atomic_long_set(&account->npages, 0);
	account->leaving = 0;
	account->accounts = accounts;
	return account;
}

static void account_free(struct iommufd_account *account)
{
	if (account->claims)
		iommufd_claims_put(account->claims);
	iommufd_payer_put(&account->payer);
	kfree_rcu(account, rcu);
}

/* The most recent account with a reference, if it is the caller's */
static struct iommufd_account *
accounts_get_recent(struct iommufd_accounts *accounts,
		    enum iommufd_account_kind kind,
		    enum iommufd_account_mode mode)
{
	struct iommufd_account *account;

	guard(rcu)();
	account = rcu_dereference(accounts->recent[kind]);
	if (account && account_is_of_caller(account, mode) &&
	    refcount_inc_not_zero(&account->refs))
		return account;
	return NULL;
}

static struct iommufd_account *
accounts_exchange_recent(struct iommufd_accounts *accounts,
			 enum iommufd_account_kind kind,
			 struct iommufd_account *account)
{
	return rcu_replace_pointer(accounts->recent[kind], account,
				   lockdep_is_held(&accounts->lock));
}

/* Two threads of a process may both need one: the first to come has made it. */
static noinline struct iommufd_account *
accounts_add(struct iommufd_accounts *accounts, enum iommufd_account_kind kind,
	     enum iommufd_account_mode mode)
{
	struct iommufd_account *account, *made, *old;

	made = account_alloc(accounts, kind, mode);
	if (!made)
		return NULL;

	down_write(&accounts->lock);
	account = accounts_get_recent(accounts, kind, mode);
	if (!account) {
		list_add_tail(&made->node, &accounts->lists[kind]);
		refcount_inc(&made->refs);
		old = accounts_exchange_recent(accounts, kind, made);
	}
	up_write(&accounts->lock);

	if (account) {
		account_free(made);
		return account;
	}
	if (old)
		iommufd_account_put(old);
	return made;
}

/**
 * iommufd_account_get - let the caller be charged
 * @accounts: the accounts of the context
 * @kind: what for
 * @mode: whose limit counts, unless the caller has CAP_IPC_LOCK
 *
 * Context: the caller is a process with an address space; may sleep.
 * Return: the account with a reference, or NULL without memory.
 */
struct iommufd_account *iommufd_account_get(struct iommufd_accounts *accounts,
					    enum iommufd_account_kind kind,
					    enum iommufd_account_mode mode)
{
	mode = account_mode_of_caller(mode);
	return accounts_get_recent(accounts, kind, mode) ?:
		       accounts_add(accounts, kind, mode);
}

/**
 * iommufd_account_put - drop a reference
 * @account: the account; nothing of the caller is charged to it any more
 *
 * Context: may sleep; takes the lock of the accounts.
 */
void iommufd_account_put(struct iommufd_account *account)
{
	if (!refcount_dec_and_test(&account->refs))
		return;
	down_write(&account->accounts->lock);
	list_del(&account->node);
	up_write(&account->accounts->lock);
	account_free(account);
}

void iommufd_accounts_init(struct iommufd_accounts *accounts)
{
	unsigned int kind;

	init_rwsem(&accounts->lock);
	mutex_init(&accounts->movable_lock);
	INIT_LIST_HEAD(&accounts->movable);
	for (kind = 0; kind != IOMMUFD_NR_ACCOUNT_KINDS; kind++) {
		INIT_LIST_HEAD(&accounts->lists[kind]);
		RCU_INIT_POINTER(accounts->recent[kind], NULL);
	}
}

/* Forgets the most recent account, so that only those in use are left. */
static void accounts_forget_recent(struct iommufd_accounts *accounts,
				   enum iommufd_account_kind kind)
{
	struct iommufd_account *account;

	lockdep_assert_held_write(&accounts->lock);

	account = accounts_exchange_recent(accounts, kind, NULL);
	if (account && refcount_dec_and_test(&account->refs)) {
		list_del(&account->node);
		account_free(account);
	}
}

/**
 * iommufd_accounts_destroy - the context goes away
 * @accounts: its accounts, to which nothing is charged
 */
void iommufd_accounts_destroy(struct iommufd_accounts *accounts)
{
	unsigned int kind;

	down_write(&accounts->lock);
	WARN_ON(!list_empty(&accounts->movable));
	for (kind = 0; kind != IOMMUFD_NR_ACCOUNT_KINDS; kind++) {
		accounts_forget_recent(accounts, kind);
		WARN_ON(!list_empty(&accounts->lists[kind]));
	}
	up_write(&accounts->lock);
	mutex_destroy(&accounts->movable_lock);
}

/*
 * Charging
 */

static int payer_charge_user(struct iommufd_payer *payer, unsigned long npages)
{
	unsigned long limit = task_rlimit(payer->task, RLIMIT_MEMLOCK) >>
			      PAGE_SHIFT;
	long locked = atomic_long_read(&payer->user->locked_vm);

	do {
		if (locked + npages > limit || locked + npages < npages)
			return iommufd_refuse(IOMMU_WHY_MEMLOCK, npages, locked,
					      limit);
	} while (!atomic_long_try_cmpxchg(&payer->user->locked_vm, &locked,
					  locked + npages));
	return 0;
}

static int payer_refuse_mm(struct iommufd_payer *payer, unsigned long npages)
{
	unsigned long limit = task_rlimit(payer->task, RLIMIT_MEMLOCK) >>
			      PAGE_SHIFT;

	return iommufd_refuse(IOMMU_WHY_MEMLOCK, npages, payer->mm->locked_vm,
			      limit);
}

static noinline int payer_charge_mm(struct iommufd_payer *payer,
				    unsigned long npages)
{
	int rc;

	rc = mmap_write_lock_killable(payer->mm);
	if (rc)
		return rc;
	rc = __account_locked_vm(payer->mm, npages, true, payer->task, false);
	if (rc)
		rc = payer_refuse_mm(payer, npages);
	mmap_write_unlock(payer->mm);
	return rc;
}

static noinline void payer_uncharge_mm(struct iommufd_payer *payer,
				       unsigned long npages)
{
	mmap_write_lock(payer->mm);
	__account_locked_vm(payer->mm, npages, false, payer->task, false);
	mmap_write_unlock(payer->mm);
}

/* Inline: a function call would be most of what a charge costs. */
static __always_inline int payer_charge_limit(struct iommufd_payer *payer,
					      unsigned long npages)
{
	if (iommufd_should_fail())
		return -ENOMEM;

	switch (payer->mode) {
	case IOMMUFD_ACCOUNT_NONE:
		break;
	case IOMMUFD_ACCOUNT_USER:
		return payer_charge_user(payer, npages);
	case IOMMUFD_ACCOUNT_MM:
		return payer_charge_mm(payer, npages);
	}
	return 0;
}

static __always_inline void payer_uncharge_limit(struct iommufd_payer *payer,
						 unsigned long npages)
{
	switch (payer->mode) {
	case IOMMUFD_ACCOUNT_NONE:
		break;
	case IOMMUFD_ACCOUNT_USER:
		atomic_long_sub(npages, &payer->user->locked_vm);
		break;
	case IOMMUFD_ACCOUNT_MM:
		payer_uncharge_mm(payer, npages);
		break;
	}
}

/**
 * iommufd_payer_charge - count pages
 * @payer: whose counters
 * @counts: how many pages
 *
 * Context: may sleep; takes the mmap_lock in IOMMUFD_ACCOUNT_MM mode.
 * Return: as iommufd_account_charge().
 */
int iommufd_payer_charge(struct iommufd_payer *payer,
			 struct iommufd_counts counts)
{
	int rc = payer_charge_limit(payer, counts.limited);

	if (rc)
		return rc;
	atomic64_add(counts.pinned, &payer->mm->pinned_vm);
	return 0;
}

/**
 * iommufd_payer_uncharge - the reverse of iommufd_payer_charge()
 * @payer: whose counters
 * @counts: how many pages
 *
 * Context: as there. Cannot fail.
 */
void iommufd_payer_uncharge(struct iommufd_payer *payer,
			    struct iommufd_counts counts)
{
	if (counts.pinned)
		atomic64_sub(counts.pinned, &payer->mm->pinned_vm);
	if (counts.limited)
		payer_uncharge_limit(payer, counts.limited);
}

static int payer_charge(struct iommufd_payer *payer, unsigned long npages)
{
	return iommufd_payer_charge(payer,
				    (struct iommufd_counts){ npages, npages });
}

static void payer_uncharge(struct iommufd_payer *payer, unsigned long npages)
{
	iommufd_payer_uncharge(payer,
			       (struct iommufd_counts){ npages, npages });
}

static int account_charge_movable(struct iommufd_account *account,
				  unsigned long npages)
{
	int rc;

	guard(rwsem_read)(&account->accounts->lock);
	rc = payer_charge(&account->payer, npages);
	if (rc)
		return rc;
	atomic_long_add(npages, &account->npages);
	return 0;
}

static void account_uncharge_movable(struct iommufd_account *account,
				     unsigned long npages)
{
	guard(rwsem_read)(&account->accounts->lock);
	atomic_long_sub(npages, &account->npages);
	payer_uncharge(&account->payer, npages);
}

/**
 * iommufd_account_charge - count pages that are about to be pinned
 * @account: who is charged
 * @npages: how many
 *
 * Context: may sleep; takes the lock of the accounts, and the mmap_lock in
 * IOMMUFD_ACCOUNT_MM mode.
 * Return: 0; -ENOMEM if it would exceed the limit; -EINTR on a fatal signal. On
 * an error nothing has changed.
 */
int iommufd_account_charge(struct iommufd_account *account,
			   unsigned long npages)
{
	if (account->kind == IOMMUFD_ACCOUNT_MOVABLE)
		return account_charge_movable(account, npages);
	return payer_charge(&account->payer, npages);
}

/**
 * iommufd_account_uncharge - pages are not pinned any more
 * @account: who was charged
 * @npages: how many
 *
 * Context: as iommufd_account_charge(). Cannot fail.
 */
void iommufd_account_uncharge(struct iommufd_account *account,
			      unsigned long npages)
{
	if (account->kind == IOMMUFD_ACCOUNT_MOVABLE)
		account_uncharge_movable(account, npages);
	else
		payer_uncharge(&account->payer, npages);
}

/*
 * Another process pays
 */

/**
 * iommufd_payers_share_counter - do two payers have the same limit counter?
 * @a: one of them
 * @b: the other
 *
 * What moves from one to the other need not be counted twice then.
 *
 * Return: whether they do.
 */
bool iommufd_payers_share_counter(const struct iommufd_payer *a,
				  const struct iommufd_payer *b)
{
	if (a->mode != b->mode)
		return false;
	switch (a->mode) {
	case IOMMUFD_ACCOUNT_NONE:
		break;
	case IOMMUFD_ACCOUNT_USER:
		return a->user == b->user;
	case IOMMUFD_ACCOUNT_MM:
		return a->mm == b->mm;
	}
	return true;
}

/* The same counter and the same limit: moving cannot exceed it. */
static bool payers_share_limit(const struct iommufd_payer *a,
			       const struct iommufd_payer *b)
{
	return iommufd_payers_share_counter(a, b) && a->task == b->task;
}

/*
 * What is charged to an account and has no claims yet. Where both payers count
 * in the same place, such as two processes of one user, it is not counted
 * twice, but what is counted must be within the new limit.
 */
static void account_count_arriving(struct iommufd_account *account,
				   const struct iommufd_payer *to,
				   struct iommufd_arrival *arrival)
{
	unsigned long npages = atomic_long_read(&account->npages);
	const struct iommufd_payer *from = &account->payer;

	if (!npages || payers_share_limit(from, to))
		return;
	arrival->bounded = true;
	if (!iommufd_payers_share_counter(from, to))
		arrival->counts.limited += npages;
}

static int accounts_count_arriving(struct iommufd_claims_held *held,
				   const struct iommufd_payer *to,
				   struct iommufd_arrival *arrival)
{
	struct list_head *list =
		&held->accounts->lists[IOMMUFD_ACCOUNT_MOVABLE];
	struct iommufd_account *account;
	int rc;

	rc = iommufd_claims_count_arriving(held, to, arrival);
	if (rc)
		return rc;
	list_for_each_entry(account, list, node) {
		account_count_arriving(account, to, arrival);
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/* What the new payer has been charged for, against his limit */
struct payer_advance {
	unsigned long npages;
	bool asked;
};

static int advance_charge(struct payer_advance *advance,
			  struct iommufd_payer *to,
			  const struct iommufd_arrival *arrival)
{
	unsigned long npages = arrival->counts.limited - advance->npages;
	int rc;

	rc = payer_charge_limit(to, npages);
	if (rc)
		return rc;
	advance->npages += npages;
	advance->asked = true;
	return 0;
}

static bool advance_is_enough(const struct payer_advance *advance,
			      const struct iommufd_arrival *arrival)
{
	return arrival->counts.limited <= advance->npages &&
	       (advance->asked || !arrival->bounded);
}

/*
 * Charge @to for all that arrives, while those who pay stay charged. Claims are
 * held at the end, if there is no error, but not while an mmap_lock is waited
 * for, which may take as long as its process likes: then they are counted
 * again.
 */
static int accounts_charge_arriving(struct iommufd_claims_held *held,
				    struct iommufd_payer *to,
				    struct iommufd_arrival *arrival,
				    struct payer_advance *advance)
{
	int rc;

	for (;;) {
		iommufd_claims_hold(held);
		rc = accounts_count_arriving(held, to, arrival);
		if (!rc && advance_is_enough(advance, arrival))
			return 0;
		if (!rc && !iommufd_payer_is_slow(to)) {
			rc = advance_charge(advance, to, arrival);
			if (!rc)
				return 0;
		}
		iommufd_claims_release(held);
		if (rc)
			return rc;
		rc = advance_charge(advance, to, arrival);
		if (rc)
			return rc;
	}
}

/* Claims are held: what takes an mmap_lock comes later. */
static void account_move(struct iommufd_account *account,
			 const struct iommufd_payer *to)
{
	unsigned long npages = atomic_long_read(&account->npages);
	struct iommufd_payer payer;

	atomic64_add(npages, &to->mm->pinned_vm);
	atomic64_sub(npages, &account->payer.mm->pinned_vm);
	if (!iommufd_payers_share_counter(&account->payer, to))
		account->leaving += npages;
	account->from = account->payer;
	iommufd_payer_get(&payer, to);
	account_set_payer(account, &payer);
}

static void account_leave(struct iommufd_account *account)
{
	if (account->leaving)
		payer_uncharge_limit(&account->from, account->leaving);
	account->leaving = 0;
	iommufd_payer_put(&account->from);
}

static int accounts_move_all(struct iommufd_accounts *accounts,
			     struct iommufd_payer *to)
{
	struct list_head *list = &accounts->lists[IOMMUFD_ACCOUNT_MOVABLE];
	struct iommufd_claims_held held = { .accounts = accounts };
	struct payer_advance advance = {};
	struct iommufd_arrival arrival = {};
	struct iommufd_account *account;
	int rc;

	lockdep_assert_held_write(&accounts->lock);

	accounts_forget_recent(accounts, IOMMUFD_ACCOUNT_FIXED);
	if (!list_empty(&accounts->lists[IOMMUFD_ACCOUNT_FIXED]))
		return iommufd_refuse(IOMMU_WHY_PROCESS_CHARGED);

	rc = accounts_charge_arriving(&held, to, &arrival, &advance);
	if (rc)
		goto out_uncharge;
	advance.npages -= arrival.counts.limited;
	atomic64_add(arrival.counts.pinned, &to->mm->pinned_vm);
	iommufd_claims_leave(&held, to);
	list_for_each_entry(account, list, node) {
		account_move(account, to);
		cond_resched();
	}
	iommufd_claims_release(&held);

	list_for_each_entry(account, list, node) {
		account_leave(account);
		cond_resched();
	}
out_uncharge:
	if (advance.npages)
		payer_uncharge_limit(to, advance.npages);
	return rc;
}

/**
 * iommufd_accounts_move - let the caller pay for everything
 * @accounts: the accounts of the context
 * @mode: whose limit counts, unless the caller has CAP_IPC_LOCK
 *
 * Context: the caller is a process with an address space; may sleep; takes the
 * mmap_lock of it and of those who paid in IOMMUFD_ACCOUNT_MM mode.
 *
 * Return: 0; -EBUSY if memory of a process has an account, be it that somebody
 * is mapping or unmapping it; -ENOMEM if it would exceed the limit; -EINTR on
 * a fatal signal. On an error nothing has changed.
 */
int iommufd_accounts_move(struct iommufd_accounts *accounts,
			  enum iommufd_account_mode mode)
{
	struct iommufd_payer to;
	int rc;

	rc = down_write_killable(&accounts->lock);
	if (rc)
		return rc;
	payer_get_caller(&to, account_mode_of_caller(mode));
	rc = accounts_move_all(accounts, &to);
	iommufd_payer_put(&to);
	up_write(&accounts->lock);
	return rc;
}
