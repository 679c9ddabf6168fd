// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of accounts whose payer changes
 */
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/kthread.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>

#include "account.h"
#include "kunit_call.h"

#define NPAGES 3

struct account_fixture {
	struct iommufd_accounts accounts;
	struct iommufd_account *account;
	struct iommufd_account *got;
	struct kunit_call call;
};

static int account_init(struct kunit *test)
{
	struct account_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	/* The thread of the test is a process that pays. */
	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	iommufd_accounts_init(&fix->accounts);
	test->priv = fix;
	return 0;
}

static void account_exit(struct kunit *test)
{
	struct account_fixture *fix = test->priv;

	if (!fix)
		return;
	if (fix->account)
		iommufd_account_put(fix->account);
	iommufd_accounts_destroy(&fix->accounts);
}

static struct iommufd_account *account_of_caller(struct account_fixture *fix)
{
	return iommufd_account_get(&fix->accounts, IOMMUFD_ACCOUNT_MOVABLE,
				   IOMMUFD_ACCOUNT_USER);
}

static int charge(void *data)
{
	return iommufd_account_charge(data, NPAGES);
}

static int uncharge(void *data)
{
	iommufd_account_uncharge(data, NPAGES);
	return 0;
}

/* As if another process took over what there is */
static void expect_waits(struct kunit *test, int (*run)(void *data))
{
	struct account_fixture *fix = test->priv;
	atomic64_t *pinned = &fix->account->payer.mm->pinned_vm;
	s64 before = atomic64_read(pinned);

	down_write(&fix->accounts.lock);
	kunit_call_start(&fix->call, run, fix->account);
	KUNIT_EXPECT_TRUE(test, kunit_call_sleeps(&fix->call));
	KUNIT_EXPECT_EQ(test, before, atomic64_read(pinned));
	up_write(&fix->accounts.lock);
	KUNIT_EXPECT_EQ(test, 0, kunit_call_end(&fix->call));
}

static void nothing_is_charged_while_the_payer_changes(struct kunit *test)
{
	struct account_fixture *fix = test->priv;
	struct iommufd_account *account;

	account = account_of_caller(fix);
	KUNIT_ASSERT_NOT_NULL(test, account);
	fix->account = account;
	expect_waits(test, charge);
	KUNIT_EXPECT_EQ(test, NPAGES, atomic_long_read(&account->npages));
	KUNIT_EXPECT_EQ(test, NPAGES,
			atomic64_read(&account->payer.mm->pinned_vm));
	expect_waits(test, uncharge);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&account->npages));
	KUNIT_EXPECT_EQ(test, 0, atomic64_read(&account->payer.mm->pinned_vm));
}

static int get_account(void *data)
{
	struct account_fixture *fix = data;
	struct mm_struct *mm = fix->account->payer.mm;

	kthread_use_mm(mm);
	fix->got = account_of_caller(fix);
	kthread_unuse_mm(mm);
	return 0;
}

static void who_comes_second_takes_what_is_made(struct kunit *test)
{
	struct account_fixture *fix = test->priv;
	struct task_struct *own;
	unsigned int refs;

	fix->account = account_of_caller(fix);
	KUNIT_ASSERT_NOT_NULL(test, fix->account);
	own = fix->account->payer.task;
	down_write(&fix->accounts.lock);
	kunit_call_start(&fix->call, get_account, fix);
	KUNIT_EXPECT_TRUE(test, kunit_call_sleeps(&fix->call));
	/* It has one; now another thread of its process has come first. */
	refs = refcount_read(&fix->call.task->usage);
	fix->account->payer.task = fix->call.task;
	up_write(&fix->accounts.lock);
	kunit_call_end(&fix->call);
	fix->account->payer.task = own;

	KUNIT_EXPECT_PTR_EQ(test, fix->got, fix->account);
	KUNIT_EXPECT_EQ(test, refcount_read(&fix->call.task->usage), refs - 1);
	iommufd_account_put(fix->got);
}

static struct kunit_case account_cases[] = {
	KUNIT_CASE(nothing_is_charged_while_the_payer_changes),
	KUNIT_CASE(who_comes_second_takes_what_is_made),
	{}
};

static struct kunit_suite account_suite = {
	.name = "iommufd_account",
	.init = account_init,
	.exit = account_exit,
	.test_cases = account_cases,
};

kunit_test_suite(account_suite);
