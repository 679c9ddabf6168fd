// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the pinned-memory object with a source that counts
 *
 * The fake source knows for each page how often it has been pinned, and puts
 * page i at pfn_of(i). A model counts users for each page: a page must be
 * pinned exactly when it has users.
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "pinned.h"

#define NPAGES 64
#define MAX_USERS 40

struct fake_memory {
	struct iommufd_pinned pinned;
	int pins[NPAGES];
	unsigned long charged;
	unsigned long limit;
	/* This pin() from now on fails; 0: none */
	unsigned int fail_pin;
	bool released;
};

struct pinned_fixture {
	struct fake_memory mem;
	int users[NPAGES];
	struct {
		unsigned long first;
		unsigned long last;
	} ranges[MAX_USERS];
	unsigned int nr_ranges;
};

static struct fake_memory *to_fake(struct iommufd_pinned *pinned)
{
	return container_of(pinned, struct fake_memory, pinned);
}

/* Every third page is not contiguous with the one before. */
static unsigned long pfn_of(unsigned long page)
{
	return 1000 + page + page / 3 * 10;
}

static unsigned long page_of(unsigned long pfn)
{
	unsigned long page;

	for (page = 0; page != NPAGES; page++)
		if (pfn_of(page) == pfn)
			return page;
	return NPAGES;
}

static void fake_unpin(struct iommufd_pinned *pinned, struct iommufd_run run)
{
	struct fake_memory *mem = to_fake(pinned);
	unsigned long i;

	for (i = 0; i != iommufd_run_npages(run); i++)
		mem->pins[page_of(iommufd_run_pfn(run) + i)]--;
}

static int fake_pin(struct iommufd_pinned *pinned, unsigned long first,
		    unsigned long last, struct iommufd_run_builder *runs)
{
	struct fake_memory *mem = to_fake(pinned);
	unsigned long page;
	int rc;

	if (mem->fail_pin && !--mem->fail_pin)
		return -EFAULT;
	for (page = first; page <= last; page++) {
		rc = iommufd_runs_append(runs, pfn_of(page), 1);
		if (rc)
			return rc;
		mem->pins[page]++;
	}
	return 0;
}

static int fake_charge(struct iommufd_pinned *pinned, unsigned long npages)
{
	struct fake_memory *mem = to_fake(pinned);

	if (mem->charged + npages > mem->limit)
		return -ENOMEM;
	mem->charged += npages;
	return 0;
}

static void fake_uncharge(struct iommufd_pinned *pinned, unsigned long npages)
{
	to_fake(pinned)->charged -= npages;
}

static void fake_release(struct iommufd_pinned *pinned)
{
	to_fake(pinned)->released = true;
}

static const struct iommufd_source_ops fake_ops = {
	.pin = fake_pin,
	.unpin = fake_unpin,
	.charge = fake_charge,
	.uncharge = fake_uncharge,
	.release = fake_release,
};

static int pinned_init(struct kunit *test)
{
	struct pinned_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	iommufd_pinned_init(&fix->mem.pinned, &fake_ops, 0, true);
	fix->mem.limit = NPAGES;
	test->priv = fix;
	return 0;
}

static void pinned_exit(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	if (!fix)
		return;
	iommufd_pinned_put(&fix->mem.pinned);
	KUNIT_EXPECT_TRUE(test, fix->mem.released);
}

static int pin(struct pinned_fixture *fix, unsigned long first,
	       unsigned long last)
{
	unsigned long page;
	int rc;

	rc = iommufd_pinned_pin(&fix->mem.pinned, first, last);
	if (rc)
		return rc;
	for (page = first; page <= last; page++)
		fix->users[page]++;
	fix->ranges[fix->nr_ranges].first = first;
	fix->ranges[fix->nr_ranges++].last = last;
	return 0;
}

static void unpin(struct pinned_fixture *fix, unsigned int i)
{
	unsigned long first = fix->ranges[i].first;
	unsigned long last = fix->ranges[i].last;
	unsigned long page;

	iommufd_pinned_unpin(&fix->mem.pinned, first, last);
	for (page = first; page <= last; page++)
		fix->users[page]--;
	fix->ranges[i] = fix->ranges[--fix->nr_ranges];
}

static void unpin_all(struct pinned_fixture *fix)
{
	while (fix->nr_ranges)
		unpin(fix, 0);
}

/* Runs of a range that is pinned are those of its pages. */
static void expect_walk(struct kunit *test, unsigned long first,
			unsigned long last)
{
	struct pinned_fixture *fix = test->priv;
	struct iommufd_pinned_cursor cursor;
	unsigned long page = first, i;
	struct iommufd_run run;

	iommufd_pinned_walk(&fix->mem.pinned, first, last, &cursor);
	while (iommufd_pinned_next(&cursor, &run)) {
		for (i = 0; i != iommufd_run_npages(run); i++, page++)
			KUNIT_ASSERT_EQ(test, iommufd_run_pfn(run) + i,
					pfn_of(page));
	}
	KUNIT_EXPECT_EQ(test, page, last + 1);
}

static void expect_model(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;
	unsigned long page, charged = 0;
	unsigned int i;

	for (page = 0; page != NPAGES; page++) {
		KUNIT_ASSERT_EQ(test, fix->mem.pins[page], !!fix->users[page]);
		charged += !!fix->users[page];
	}
	KUNIT_ASSERT_EQ(test, fix->mem.charged, charged);
	for (i = 0; i != fix->nr_ranges; i++)
		expect_walk(test, fix->ranges[i].first, fix->ranges[i].last);
}

static void a_page_is_pinned_once_for_all_its_users(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	guard(mutex)(&fix->mem.pinned.mutex);

	KUNIT_EXPECT_EQ(test, 0, pin(fix, 10, 20));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 15, 30));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 10, 20));
	expect_model(test);
	unpin(fix, 0);
	expect_model(test);
	unpin_all(fix);
	expect_model(test);
}

static void holes_between_users_are_filled(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	guard(mutex)(&fix->mem.pinned.mutex);

	KUNIT_EXPECT_EQ(test, 0, pin(fix, 5, 5));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 10, 12));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 20, 40));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 0, 30));
	expect_model(test);
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 11, 11));
	expect_model(test);
	unpin_all(fix);
	expect_model(test);
}

static void random_users_leave_nothing_behind(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;
	struct rnd_state rnd;
	unsigned int i;

	guard(mutex)(&fix->mem.pinned.mutex);

	prandom_seed_state(&rnd, 1);
	for (i = 0; i != 3000; i++) {
		unsigned long first = prandom_u32_state(&rnd) % NPAGES;
		unsigned long last = first + prandom_u32_state(&rnd) %
						     (NPAGES - first);

		if (fix->nr_ranges != MAX_USERS && prandom_u32_state(&rnd) % 2)
			KUNIT_ASSERT_EQ(test, 0, pin(fix, first, last));
		else if (fix->nr_ranges)
			unpin(fix, prandom_u32_state(&rnd) % fix->nr_ranges);
		expect_model(test);
	}
	unpin_all(fix);
	expect_model(test);
}

static void a_pin_that_fails_changes_nothing(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;
	unsigned int nth;

	guard(mutex)(&fix->mem.pinned.mutex);

	KUNIT_EXPECT_EQ(test, 0, pin(fix, 10, 12));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 20, 40));
	for (nth = 1; nth <= 3; nth++) {
		fix->mem.fail_pin = nth;
		KUNIT_EXPECT_EQ(test, -EFAULT, pin(fix, 0, 50));
		expect_model(test);
	}
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 11, 30));
	expect_model(test);
	unpin_all(fix);
}

static void a_limit_is_never_exceeded(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	guard(mutex)(&fix->mem.pinned.mutex);

	fix->mem.limit = 10;
	KUNIT_EXPECT_EQ(test, -ENOMEM, pin(fix, 0, 10));
	expect_model(test);
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 0, 9));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 3, 5));
	KUNIT_EXPECT_EQ(test, -ENOMEM, pin(fix, 9, 10));
	expect_model(test);
	unpin_all(fix);
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 20, 29));
	unpin_all(fix);
	expect_model(test);
}

static struct kunit_case pinned_cases[] = {
	KUNIT_CASE(a_page_is_pinned_once_for_all_its_users),
	KUNIT_CASE(holes_between_users_are_filled),
	KUNIT_CASE(random_users_leave_nothing_behind),
	KUNIT_CASE(a_pin_that_fails_changes_nothing),
	KUNIT_CASE(a_limit_is_never_exceeded),
	{}
};

static struct kunit_suite pinned_suite = {
	.name = "iommufd_pinned",
	.init = pinned_init,
	.exit = pinned_exit,
	.test_cases = pinned_cases,
};

kunit_test_suite(pinned_suite);
