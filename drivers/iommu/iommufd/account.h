/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is charged for pinned memory
 */
#ifndef __IOMMUFD_ACCOUNT_H
#define __IOMMUFD_ACCOUNT_H

#include <linux/refcount.h>

struct mm_struct;
struct task_struct;
struct user_struct;

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
 * struct iommufd_account - who is charged for the pages of objects
 * @refs: objects whose pages are charged to it, and where it was used last; all
 *        else never changes
 * @mm: held by mmgrab(), which does not keep the address space itself alive
 * @task: the thread group leader, for its RLIMIT_MEMLOCK
 * @user: the user who is charged in IOMMUFD_ACCOUNT_USER mode
 * @mode: what is charged beside @mm's pinned_vm
 */
struct iommufd_account {
	refcount_t refs;
	struct mm_struct *mm;
	struct task_struct *task;
	struct user_struct *user;
	enum iommufd_account_mode mode;
};

struct iommufd_account *iommufd_account_get(struct iommufd_account **recent,
					    enum iommufd_account_mode mode);
void iommufd_account_put(struct iommufd_account *account);

int iommufd_account_charge(struct iommufd_account *account,
			   unsigned long npages);
void iommufd_account_uncharge(struct iommufd_account *account,
			      unsigned long npages);

int iommufd_account_move_begin(const struct iommufd_account *from,
			       struct iommufd_account *to,
			       unsigned long npages);
void iommufd_account_move_cancel(const struct iommufd_account *from,
				 struct iommufd_account *to,
				 unsigned long npages);
void iommufd_account_move_commit(struct iommufd_account **account,
				 struct iommufd_account *to,
				 unsigned long npages);

#endif
