/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is charged for pinned memory
 */
#ifndef __IOMMUFD_ACCOUNT_H
#define __IOMMUFD_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/sched/user.h>

struct task_struct;

/**
 * enum iommufd_account_mode - whose limit the pages of an object count against
 * @IOMMUFD_ACCOUNT_NONE: nobody's; only mm->pinned_vm shows them
 * @IOMMUFD_ACCOUNT_USER: the user's, user_struct::locked_vm
 * @IOMMUFD_ACCOUNT_MM: the process's, mm_struct::locked_vm
 */
enum iommufd_account_mode {
	IOMMUFD_ACCOUNT_NONE,
	IOMMUFD_ACCOUNT_USER,
	IOMMUFD_ACCOUNT_MM,
};

/**
 * enum iommufd_account_kind - what is charged to an account
 * @IOMMUFD_ACCOUNT_FIXED: memory of the process itself, which only it can pay
 * @IOMMUFD_ACCOUNT_MOVABLE: memory of files, which another process may take
 *                           over
 * @IOMMUFD_NR_ACCOUNT_KINDS: how many kinds there are
 */
enum iommufd_account_kind {
	IOMMUFD_ACCOUNT_FIXED,
	IOMMUFD_ACCOUNT_MOVABLE,
	IOMMUFD_NR_ACCOUNT_KINDS,
};

struct iommufd_claims;
struct iommufd_movable;

/**
 * struct iommufd_counts - how many pages are counted, where
 * @pinned: in mm_struct::pinned_vm
 * @limited: against the limit
 */
struct iommufd_counts {
	unsigned long pinned;
	unsigned long limited;
};

/**
 * struct iommufd_payer - a process that pays for pages
 * @mm: held by mmgrab(), which does not keep the address space itself alive
 * @task: the thread group leader, for its RLIMIT_MEMLOCK
 * @user: the user who is charged in IOMMUFD_ACCOUNT_USER mode
 * @mode: what is charged beside @mm's pinned_vm
 */
struct iommufd_payer {
	struct mm_struct *mm;
	struct task_struct *task;
	struct user_struct *user;
	enum iommufd_account_mode mode;
};

/**
 * struct iommufd_account - pages that one process is charged for
 * @refs: objects whose pages are charged to it, and where it was used last
 * @kind: what is charged
 * @payer: who pays; never changes if the account is fixed. To change that of a
 *         movable one takes the lock of @accounts, for writing, and the locks
 *         of the registries of all its objects. To read it, one of these is
 *         enough.
 * @npages: pages that are charged to a movable account, and have no claims yet
 * @claims: of a fixed account, the registry of @payer's memory
 * @accounts: the accounts of the context, whose lock guards @node
 * @node: in iommufd_accounts::lists
 * @from: who paid before, while he is still charged for what has moved
 * @leaving: how many of these pages count against the limit of @from
 * @rcu: to be freed when nobody looks at it as the most recent one
 */
struct iommufd_account {
	refcount_t refs;
	enum iommufd_account_kind kind;
	struct iommufd_payer payer;
	atomic_long_t npages;
	struct iommufd_claims *claims;
	struct iommufd_accounts *accounts;
	struct list_head node;
	struct iommufd_payer from;
	unsigned long leaving;
	struct rcu_head rcu;
};

/**
 * struct iommufd_accounts - all accounts of a context
 * @lock: for reading to charge a movable account, whose payer then stays; for
 *        writing to add and remove accounts, and to let them be paid by another
 *        process. Taken with the mutex of a pinned-memory object held, but not
 *        for as long as memory is being pinned.
 * @lists: struct iommufd_account, in use by objects or most recent, by kind
 * @movable_lock: guards @movable; held while payers change
 * @movable: struct iommufd_movable, where there are claims of movable accounts
 * @recent: the account that was used last, with a reference, or NULL; by kind
 */
struct iommufd_accounts {
	struct rw_semaphore lock;	/* see above */
	struct list_head lists[IOMMUFD_NR_ACCOUNT_KINDS];
	struct mutex movable_lock;	/* objects of movable accounts */
	struct list_head movable;
	struct iommufd_account __rcu *recent[IOMMUFD_NR_ACCOUNT_KINDS];
};

void iommufd_accounts_init(struct iommufd_accounts *accounts);
void iommufd_accounts_destroy(struct iommufd_accounts *accounts);
int iommufd_accounts_move(struct iommufd_accounts *accounts,
			  enum iommufd_account_mode mode);

struct iommufd_account *iommufd_account_get(struct iommufd_accounts *accounts,
					    enum iommufd_account_kind kind,
					    enum iommufd_account_mode mode);
void iommufd_account_put(struct iommufd_account *account);

int iommufd_account_charge(struct iommufd_account *account,
			   unsigned long npages);
void iommufd_account_uncharge(struct iommufd_account *account,
			      unsigned long npages);

/*
 * Does IOAS_CHANGE_PROCESS of the context move it? Only movable accounts: a
 * fixed one may have claims of the same file for a moment, until its maps are
 * gone.
 */
static inline bool
iommufd_account_moves(const struct iommufd_account *account,
		      const struct iommufd_accounts *accounts)
{
	return account->accounts == accounts &&
	       account->kind == IOMMUFD_ACCOUNT_MOVABLE;
}

/* Does counting against the limit wait for the mmap_lock of the payer? */
static inline bool iommufd_payer_is_slow(const struct iommufd_payer *payer)
{
	return payer->mode == IOMMUFD_ACCOUNT_MM;
}

/*
 * As iommufd_payer_uncharge(), but does not sleep: not for a payer that
 * iommufd_payer_is_slow().
 */
static __always_inline void
iommufd_payer_uncharge_quick(const struct iommufd_payer *payer,
			     unsigned long pinned, unsigned long limited)
{
	atomic64_sub(pinned, &payer->mm->pinned_vm);
	if (payer->mode == IOMMUFD_ACCOUNT_USER)
		atomic_long_sub(limited, &payer->user->locked_vm);
}

void iommufd_payer_get(struct iommufd_payer *payer,
		       const struct iommufd_payer *from);
void iommufd_payer_put(struct iommufd_payer *payer);
int iommufd_payer_charge(struct iommufd_payer *payer,
			 struct iommufd_counts counts);
void iommufd_payer_uncharge(struct iommufd_payer *payer,
			    struct iommufd_counts counts);
bool iommufd_payers_share_counter(const struct iommufd_payer *a,
				  const struct iommufd_payer *b);

#endif
