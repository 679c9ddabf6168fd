// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of how a kernel thread reaches the memory of a process
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "account.h"
#include "pinned.h"
#include "source.h"
#include "why.h"

#define LENGTH (2 * PAGE_SIZE)
/* On both sides of a page's end */
#define OFFSET (PAGE_SIZE - 100)
#define NBYTES 200

struct user_fixture {
	struct mm_struct *mm;
	unsigned long va;
	struct iommufd_accounts accounts;
	struct iommufd_pinned *pinned;
	u8 data[NBYTES];
	u8 seen[NBYTES];
};

/* The thread of the test is a process for a moment. */
static void make_memory(struct kunit *test, bool writable)
{
	struct user_fixture *fix = test->priv;
	struct iommufd_account *account;

	fix->va = kunit_vm_mmap(test, NULL, 0, LENGTH, PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(fix->va));
	KUNIT_ASSERT_NE(test, 0, fix->va);
	fix->mm = current->mm;

	account = iommufd_account_get(&fix->accounts, IOMMUFD_ACCOUNT_FIXED,
				      IOMMUFD_ACCOUNT_USER);
	KUNIT_ASSERT_NOT_NULL(test, account);
	fix->pinned = iommufd_user_memory_alloc(fix->va, writable, account);
	KUNIT_ASSERT_NOT_NULL(test, fix->pinned);
}

static int copy(struct user_fixture *fix, unsigned long offset, void *data,
		bool write, unsigned int how)
{
	return iommufd_pinned_copy(fix->pinned, offset, data, NBYTES, write,
				   how);
}

/* As a thread that has no address space of its own */
static int copy_from_outside(struct user_fixture *fix, unsigned long offset,
			     void *data, bool write, unsigned int how)
{
	int rc;

	kthread_unuse_mm(fix->mm);
	rc = copy(fix, offset, data, write, how);
	kthread_use_mm(fix->mm);
	return rc;
}

static void a_kernel_thread_borrows_the_address_space(struct kunit *test)
{
	struct user_fixture *fix = test->priv;

	make_memory(test, true);
	KUNIT_EXPECT_EQ(test, 0, copy_from_outside(fix, OFFSET, fix->data, true,
						   IOMMUFD_COPY_KTHREAD));
	KUNIT_ASSERT_EQ(test, 0, copy_from_user(fix->seen,
						(void __user *)(fix->va + OFFSET),
						NBYTES));
	KUNIT_EXPECT_MEMEQ(test, fix->data, fix->seen, NBYTES);

	memset(fix->seen, 0, NBYTES);
	KUNIT_EXPECT_EQ(test, 0, copy_from_outside(fix, OFFSET, fix->seen,
						   false,
						   IOMMUFD_COPY_KTHREAD));
	KUNIT_EXPECT_MEMEQ(test, fix->data, fix->seen, NBYTES);
}

static void a_kernel_thread_that_does_not_say_so_pins(struct kunit *test)
{
	struct user_fixture *fix = test->priv;

	make_memory(test, true);
	KUNIT_EXPECT_EQ(test, 0, copy_from_outside(fix, OFFSET, fix->data, true,
						   0));
	KUNIT_EXPECT_EQ(test, 0, copy(fix, OFFSET, fix->seen, false, 0));
	KUNIT_EXPECT_MEMEQ(test, fix->data, fix->seen, NBYTES);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&fix->pinned->segments));
}

static void memory_that_is_not_there_is_an_error(struct kunit *test)
{
	struct user_fixture *fix = test->priv;

	make_memory(test, true);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			copy_from_outside(fix, LENGTH - 100, fix->data, true,
					  IOMMUFD_COPY_KTHREAD));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			iommufd_errno(copy_from_outside(fix, LENGTH - 100,
							fix->data, true, 0)));
}

static void memory_for_reading_is_not_written(struct kunit *test)
{
	struct user_fixture *fix = test->priv;

	make_memory(test, false);
	KUNIT_EXPECT_EQ(test, -EPERM,
			copy_from_outside(fix, OFFSET, fix->data, true,
					  IOMMUFD_COPY_KTHREAD));
	KUNIT_EXPECT_EQ(test, 0, copy(fix, OFFSET, fix->seen, false, 0));
	KUNIT_EXPECT_EQ(test, 0, fix->seen[0]);
}

static int user_init(struct kunit *test)
{
	struct user_fixture *fix;
	unsigned int i;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	for (i = 0; i != NBYTES; i++)
		fix->data[i] = i + 1;
	iommufd_accounts_init(&fix->accounts);
	test->priv = fix;
	return 0;
}

static void user_exit(struct kunit *test)
{
	struct user_fixture *fix = test->priv;

	if (fix->pinned)
		iommufd_pinned_put(fix->pinned);
	iommufd_accounts_destroy(&fix->accounts);
}

static struct kunit_case user_cases[] = {
	KUNIT_CASE(a_kernel_thread_borrows_the_address_space),
	KUNIT_CASE(a_kernel_thread_that_does_not_say_so_pins),
	KUNIT_CASE(memory_that_is_not_there_is_an_error),
	KUNIT_CASE(memory_for_reading_is_not_written),
	{}
};

static struct kunit_suite user_suite = {
	.name = "iommufd_user_memory",
	.init = user_init,
	.exit = user_exit,
	.test_cases = user_cases,
};

kunit_test_suite(user_suite);
