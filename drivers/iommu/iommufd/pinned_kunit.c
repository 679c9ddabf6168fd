// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the pinned-memory object against a model: what is pinned
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/prandom.h>

#include "pinned_model.h"

static void a_page_is_pinned_once_for_all_its_users(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	guard(mutex)(&model->mem.pinned.mutex);

	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 15, 30));
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	pinned_model_expect(test);
	pinned_model_unpin(model, 0);
	pinned_model_expect(test);
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void holes_between_users_are_filled(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	guard(mutex)(&model->mem.pinned.mutex);

	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 5, 5));
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 10, 12));
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 20, 40));
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 0, 30));
	pinned_model_expect(test);
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 11, 11));
	pinned_model_expect(test);
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

/* Another user of a random range, or one less */
static void change_users(struct kunit *test, struct rnd_state *rnd)
{
	struct pinned_model *model = test->priv;
	unsigned long first = prandom_u32_state(rnd) % MODEL_NPAGES;
	unsigned long last = first + prandom_u32_state(rnd) %
					     (MODEL_NPAGES - first);
	unsigned int nr = model->nr_ranges;

	if (nr != MODEL_MAX_USERS && prandom_u32_state(rnd) % 2)
		KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, first, last));
	else if (nr)
		pinned_model_unpin(model, prandom_u32_state(rnd) % nr);
}

static void random_users_leave_nothing_behind(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	struct rnd_state rnd;
	unsigned int i;

	guard(mutex)(&model->mem.pinned.mutex);

	prandom_seed_state(&rnd, 1);
	for (i = 0; i != 3000; i++) {
		change_users(test, &rnd);
		pinned_model_expect(test);
	}
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void a_pin_that_fails_changes_nothing(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	unsigned int nth;

	guard(mutex)(&model->mem.pinned.mutex);

	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 10, 12));
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 20, 40));
	for (nth = 1; nth <= 3; nth++) {
		model->mem.fail_pin = nth;
		KUNIT_EXPECT_EQ(test, -EFAULT, pinned_model_pin(model, 0, 50));
		pinned_model_expect(test);
	}
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 11, 30));
	pinned_model_expect(test);
	pinned_model_unpin_all(model);
}

static void a_limit_is_never_exceeded(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	guard(mutex)(&model->mem.pinned.mutex);

	model->mem.limit = 10;
	KUNIT_EXPECT_EQ(test, -ENOMEM, pinned_model_pin(model, 0, 10));
	pinned_model_expect(test);
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 0, 9));
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 3, 5));
	KUNIT_EXPECT_EQ(test, -ENOMEM, pinned_model_pin(model, 9, 10));
	pinned_model_expect(test);
	pinned_model_unpin_all(model);
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 20, 29));
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
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
	.init = pinned_model_init,
	.exit = pinned_model_exit,
	.test_cases = pinned_cases,
};

kunit_test_suite(pinned_suite);
