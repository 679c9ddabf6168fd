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

static void payer_put(struct iommufd_payer *payer)
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
 * Without the lock, another process may be taking a movable account over, and
 * the answer be wrong. Then the caller has begun before that has ended, and
 * what it maps is taken over with the rest.
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
	refcount_set(&account->refs, 1);
	account->kind = kind;
	payer_get_caller(&account->payer, mode);
	atomic_long_set(&account->npages, 0);
	account->accounts = accounts;
	return account;
}

static void account_free(struct iommufd_account *account)
{
	payer_put(&account->payer);
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
	for (kind = 0; kind != IOMMUFD_NR_ACCOUNT_KINDS; kind++) {
		accounts_forget_recent(accounts, kind);
		WARN_ON(!list_empty(&accounts->lists[kind]));
	}
	up_write(&accounts->lock);
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

static int payer_charge_mm(struct iommufd_payer *payer, unsigned long npages)
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

static void payer_uncharge_mm(struct iommufd_payer *payer, unsigned long npages)
{
	mmap_write_lock(payer->mm);
	__account_locked_vm(payer->mm, npages, false, payer->task, false);
	mmap_write_unlock(payer->mm);
}

/* Nothing else in a charge costs as much as a call does. */
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

static int payer_charge(struct iommufd_payer *payer, unsigned long npages)
{
	int rc = payer_charge_limit(payer, npages);

	if (rc)
		return rc;
	atomic64_add(npages, &payer->mm->pinned_vm);
	return 0;
}

static void payer_uncharge(struct iommufd_payer *payer, unsigned long npages)
{
	atomic64_sub(npages, &payer->mm->pinned_vm);
	payer_uncharge_limit(payer, npages);
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

/* Both count in the same place: what moves need not be counted there twice. */
static bool payers_share_counter(const struct iommufd_payer *a,
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

/* Nor does the limit change: there is nothing that could refuse. */
static bool payers_share_limit(const struct iommufd_payer *a,
			       const struct iommufd_payer *b)
{
	return payers_share_counter(a, b) && a->task == b->task;
}

/*
 * Count the pages of an account against the limit of @to, while its payer stays
 * charged. Where both count in the same place, such as two processes of one
 * user, they are not counted twice, but what is counted must be within the new
 * limit.
 */
static int account_begin_move(struct iommufd_account *account,
			      struct iommufd_payer *to)
{
	unsigned long npages = atomic_long_read(&account->npages);
	struct iommufd_payer *from = &account->payer;

	if (!npages || payers_share_limit(from, to))
		return 0;
	return payer_charge_limit(to,
				  payers_share_counter(from, to) ? 0 : npages);
}

static void account_cancel_move(struct iommufd_account *account,
				struct iommufd_payer *to)
{
	if (!payers_share_counter(&account->payer, to))
		payer_uncharge_limit(to, atomic_long_read(&account->npages));
}

static void account_commit_move(struct iommufd_account *account,
				struct iommufd_payer *to)
{
	unsigned long npages = atomic_long_read(&account->npages);
	struct iommufd_payer from = account->payer;

	mmgrab(to->mm);
	get_task_struct(to->task);
	get_uid(to->user);
	account_set_payer(account, to);

	atomic64_add(npages, &to->mm->pinned_vm);
	atomic64_sub(npages, &from.mm->pinned_vm);
	if (!payers_share_counter(&from, to))
		payer_uncharge_limit(&from, npages);
	payer_put(&from);
}

/* Either all are charged to @to, too, or none. */
static int accounts_begin_move(struct list_head *list, struct iommufd_payer *to)
{
	struct iommufd_account *account;
	int rc;

	list_for_each_entry(account, list, node) {
		rc = account_begin_move(account, to);
		if (rc)
			goto err_cancel;
		cond_resched();
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			account = list_next_entry(account, node);
			goto err_cancel;
		}
	}
	return 0;

err_cancel:
	list_for_each_entry_continue_reverse(account, list, node)
		account_cancel_move(account, to);
	return rc;
}

static int accounts_move_all(struct iommufd_accounts *accounts,
			     struct iommufd_payer *to)
{
	struct list_head *list = &accounts->lists[IOMMUFD_ACCOUNT_MOVABLE];
	struct iommufd_account *account;
	int rc;

	lockdep_assert_held_write(&accounts->lock);

	accounts_forget_recent(accounts, IOMMUFD_ACCOUNT_FIXED);
	if (!list_empty(&accounts->lists[IOMMUFD_ACCOUNT_FIXED]))
		return iommufd_refuse(IOMMU_WHY_PROCESS_CHARGED);

	rc = accounts_begin_move(list, to);
	if (rc)
		return rc;
	list_for_each_entry(account, list, node) {
		account_commit_move(account, to);
		cond_resched();
	}
	return 0;
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
	payer_put(&to);
	up_write(&accounts->lock);
	return rc;
}
