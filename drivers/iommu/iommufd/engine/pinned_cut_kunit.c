// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the pinned-memory object against a model: two pins made of one
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "pinned_model.h"

/* The pin of @first..@last is cut at @page; its parts go in either order. */
static void cut_and_unpin(struct kunit *test, unsigned long first,
			  unsigned long last, unsigned long page, bool shared)
{
	struct pinned_model *model = test->priv;
	unsigned int nr = model->nr_ranges, order;

	for (order = 0; order != 2; order++) {
		KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, first, last));
		KUNIT_ASSERT_EQ(test, 0,
				pinned_model_cut(model, nr, page, shared));
		pinned_model_expect(test);
		pinned_model_unpin(model, nr + order);
		pinned_model_expect(test);
		pinned_model_unpin(model, nr);
		pinned_model_expect(test);
	}
}

static void the_parts_of_a_pin_end_in_any_order(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	unsigned long page;

	/* Pages 6 to 8 are one run. */
	for (page = 5; page <= 10; page++) {
		cut_and_unpin(test, 4, 10, page, false);
		cut_and_unpin(test, 4, 10, page, true);
	}
	cut_and_unpin(test, 6, 8, 7, false);
	cut_and_unpin(test, 7, 7, 7, true);
	KUNIT_EXPECT_EQ(test, 0, pinned_model_segments(model));
}

static void other_pins_of_the_pages_stay(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	unsigned long page;

	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 0, 20));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 6, 6));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 7, 12));
	for (page = 5; page <= 15; page++) {
		cut_and_unpin(test, 4, 15, page, false);
		cut_and_unpin(test, 4, 15, page, true);
	}
	KUNIT_EXPECT_EQ(test, 4, pinned_model_segments(model));
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void a_cut_is_refused_before_the_count_overflows(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	struct iommufd_pin_segment *segment = &model->mem.pinned.first_segment;

	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	segment->nr_pins = UINT_MAX;
	KUNIT_EXPECT_EQ(test, -ENOMEM, pinned_model_cut(model, 0, 15, true));
	KUNIT_EXPECT_EQ(test, 1, pinned_model_segments(model));
	segment->nr_pins = 1;
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

/* A random one of the pins, of more than a page, is cut anywhere. */
static void cut_any(struct kunit *test, struct rnd_state *rnd)
{
	struct pinned_model *model = test->priv;
	unsigned int i = prandom_u32_state(rnd) % model->nr_ranges;
	unsigned long first = model->ranges[i].first;
	unsigned long npages = model->ranges[i].last - first + 1;
	bool shared = prandom_u32_state(rnd) % 2;
	unsigned long page = first + prandom_u32_state(rnd) % npages;

	if (page == first && !shared)
		return;
	KUNIT_ASSERT_EQ(test, 0, pinned_model_cut(model, i, page, shared));
}

static void random_step(struct kunit *test, struct rnd_state *rnd)
{
	struct pinned_model *model = test->priv;
	unsigned long first = prandom_u32_state(rnd) % MODEL_NPAGES;
	unsigned long last = first + prandom_u32_state(rnd) %
					     (MODEL_NPAGES - first);
	unsigned int nr = model->nr_ranges;

	switch (prandom_u32_state(rnd) % 3) {
	case 0:
		if (nr != MODEL_MAX_USERS)
			KUNIT_ASSERT_EQ(test, 0,
					pinned_model_pin(model, first, last));
		break;
	case 1:
		if (nr && nr != MODEL_MAX_USERS)
			cut_any(test, rnd);
		break;
	default:
		if (nr)
			pinned_model_unpin(model, prandom_u32_state(rnd) % nr);
	}
}

static void random_cuts_leave_nothing_behind(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 5);
	for (i = 0; i != 1000; i++) {
		random_step(test, &rnd);
		pinned_model_expect(test);
	}
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
	KUNIT_EXPECT_EQ(test, 0, pinned_model_segments(model));
}

static struct kunit_case pinned_cut_cases[] = {
	KUNIT_CASE(the_parts_of_a_pin_end_in_any_order),
	KUNIT_CASE(other_pins_of_the_pages_stay),
	KUNIT_CASE(a_cut_is_refused_before_the_count_overflows),
	KUNIT_CASE(random_cuts_leave_nothing_behind),
	{}
};

static struct kunit_suite pinned_cut_suite = {
	.name = "iommufd_pinned_cut",
	.init = pinned_model_init,
	.exit = pinned_model_exit,
	.test_cases = pinned_cut_cases,
};

kunit_test_suite(pinned_cut_suite);
