// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is charged for pinned memory, and how much
 *
 * Owns the references to the mm, the task and the user. Called by the sources
 * of memory. An account never changes, so that it can be shared by all that one
 * process maps; the counters are atomic or under the mmap_lock.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "account.h"
#include "test_hooks.h"

static struct iommufd_account *alloc_account(enum iommufd_account_mode mode)
{
	struct iommufd_account *account;

	account = kmalloc_obj(*account, GFP_KERNEL_ACCOUNT);
	if (!account)
		return NULL;
	refcount_set(&account->refs, 1);
	account->mm = current->mm;
	mmgrab(account->mm);
	account->task = get_task_struct(current->group_leader);
	account->user = get_uid(current_user());
	account->mode = mode;
	return account;
}

static bool is_of_caller(const struct iommufd_account *account,
			 enum iommufd_account_mode mode)
{
	return account->mm == current->mm &&
	       account->task == current->group_leader &&
	       account->user == current_user() && account->mode == mode;
}

/**
 * iommufd_account_get - let the caller be charged
 * @recent: where the account that was used last is remembered: most of the time
 *          the caller is the same
 * @mode: whose limit counts, unless the caller has CAP_IPC_LOCK
 *
 * Context: the caller is a process with an address space.
 * Return: the account with a reference, or NULL without memory.
 */
struct iommufd_account *iommufd_account_get(struct iommufd_account **recent,
					    enum iommufd_account_mode mode)
{
	struct iommufd_account *account, *other;

	if (capable(CAP_IPC_LOCK))
		mode = IOMMUFD_ACCOUNT_NONE;

	/* What is taken out belongs to us: nobody else can let it go. */
	account = xchg(recent, NULL);
	if (account && !is_of_caller(account, mode)) {
		iommufd_account_put(account);
		account = NULL;
	}
	if (!account)
		account = alloc_account(mode);
	if (!account)
		return NULL;

	refcount_inc(&account->refs);
	other = xchg(recent, account);
	if (other)
		iommufd_account_put(other);
	return account;
}

/**
 * iommufd_account_put - drop a reference
 * @account: the account; nothing of the caller is charged to it any more
 */
void iommufd_account_put(struct iommufd_account *account)
{
	if (!refcount_dec_and_test(&account->refs))
		return;
	mmdrop(account->mm);
	put_task_struct(account->task);
	free_uid(account->user);
	kfree(account);
}

static int charge_user(struct iommufd_account *account, unsigned long npages)
{
	unsigned long limit = task_rlimit(account->task, RLIMIT_MEMLOCK) >>
			      PAGE_SHIFT;
	long locked = atomic_long_read(&account->user->locked_vm);

	do {
		if (locked + npages > limit || locked + npages < npages)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&account->user->locked_vm, &locked,
					  locked + npages));
	return 0;
}

static int charge_mm(struct iommufd_account *account, unsigned long npages,
		     bool inc)
{
	int rc;

	mmap_write_lock(account->mm);
	rc = __account_locked_vm(account->mm, npages, inc, account->task,
				 false);
	mmap_write_unlock(account->mm);
	return rc;
}

static int charge_limit(struct iommufd_account *account, unsigned long npages)
{
	if (iommufd_should_fail())
		return -ENOMEM;

	switch (account->mode) {
	case IOMMUFD_ACCOUNT_NONE:
		break;
	case IOMMUFD_ACCOUNT_USER:
		return charge_user(account, npages);
	case IOMMUFD_ACCOUNT_MM:
		return charge_mm(account, npages, true);
	}
	return 0;
}

static void uncharge_limit(struct iommufd_account *account,
			   unsigned long npages)
{
	switch (account->mode) {
	case IOMMUFD_ACCOUNT_NONE:
		break;
	case IOMMUFD_ACCOUNT_USER:
		atomic_long_sub(npages, &account->user->locked_vm);
		break;
	case IOMMUFD_ACCOUNT_MM:
		charge_mm(account, npages, false);
		break;
	}
}

/**
 * iommufd_account_charge - count pages that are about to be pinned
 * @account: who is charged
 * @npages: how many
 *
 * Context: may sleep; takes the mmap_lock in IOMMUFD_ACCOUNT_MM mode.
 * Return: 0, or -ENOMEM with nothing changed when it would exceed the limit.
 */
int iommufd_account_charge(struct iommufd_account *account,
			   unsigned long npages)
{
	int rc = charge_limit(account, npages);

	if (rc)
		return rc;
	atomic64_add(npages, &account->mm->pinned_vm);
	return 0;
}

/**
 * iommufd_account_uncharge - pages are not pinned any more
 * @account: who was charged
 * @npages: how many
 *
 * Context: may sleep; takes the mmap_lock in IOMMUFD_ACCOUNT_MM mode. Cannot
 * fail.
 */
void iommufd_account_uncharge(struct iommufd_account *account,
			      unsigned long npages)
{
	atomic64_sub(npages, &account->mm->pinned_vm);
	uncharge_limit(account, npages);
}

/* Both count in the same place: what moves need not be counted there twice. */
static bool same_counter(const struct iommufd_account *a,
			 const struct iommufd_account *b)
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
static bool same_limit(const struct iommufd_account *a,
		       const struct iommufd_account *b)
{
	return same_counter(a, b) && a->task == b->task;
}

/**
 * iommufd_account_move_begin - ask whether charges may go to somebody else
 * @from: who is charged for the pages
 * @to: who is to be charged for them
 * @npages: how many
 *
 * Counts the pages against the limit of @to, while @from stays charged. Many
 * accounts may be moved to one: begin for each of them with the same @to, then
 * either commit all or cancel all. Where both count in the same place, such as
 * two processes of one user, the pages are not counted twice, but what is
 * counted must be within the new limit. Neither the charges of @from nor its
 * references may change until then.
 *
 * Context: may sleep; takes the mmap_lock of @to in IOMMUFD_ACCOUNT_MM mode.
 * Return: 0, or -ENOMEM with nothing changed when it would exceed the limit.
 */
int iommufd_account_move_begin(const struct iommufd_account *from,
			       struct iommufd_account *to,
			       unsigned long npages)
{
	if (same_limit(from, to))
		return 0;
	return charge_limit(to, same_counter(from, to) ? 0 : npages);
}

/**
 * iommufd_account_move_cancel - undo iommufd_account_move_begin()
 * @from: as there
 * @to: as there
 * @npages: as there
 *
 * Context: as iommufd_account_move_begin(). Cannot fail.
 */
void iommufd_account_move_cancel(const struct iommufd_account *from,
				 struct iommufd_account *to,
				 unsigned long npages)
{
	if (!same_counter(from, to))
		uncharge_limit(to, npages);
}

/**
 * iommufd_account_move_commit - finish iommufd_account_move_begin()
 * @account: who was charged; receives @to with a reference, and gives its own
 *           back
 * @to: who is charged from now on
 * @npages: as there
 *
 * Context: may sleep; takes the mmap_lock of the old mm in IOMMUFD_ACCOUNT_MM
 * mode. Cannot fail.
 */
void iommufd_account_move_commit(struct iommufd_account **account,
				 struct iommufd_account *to,
				 unsigned long npages)
{
	struct iommufd_account *from = *account;

	refcount_inc(&to->refs);
	*account = to;

	atomic64_add(npages, &to->mm->pinned_vm);
	atomic64_sub(npages, &from->mm->pinned_vm);
	if (!same_counter(from, to))
		uncharge_limit(from, npages);
	iommufd_account_put(from);
}
