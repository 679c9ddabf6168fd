// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the pinned-memory object against a model: what is pinned
 */
#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>

#include "pinned_model.h"

static void the_source_is_asked_once_for_all_pins_of_a_page(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 15, 30));
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	pinned_model_expect(test);
	pinned_model_unpin(model, 0);
	pinned_model_expect(test);
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void each_pin_of_the_same_pages_has_to_end(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	unsigned int i;

	for (i = 0; i != 3; i++)
		KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	while (model->nr_ranges) {
		pinned_model_expect(test);
		pinned_model_unpin(model, 0);
	}
	pinned_model_expect(test);
}

static void holes_between_pins_are_filled(struct kunit *test)
{
	struct pinned_model *model = test->priv;

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

/* Another pin of a random range, or one less */
static void add_or_end_pin(struct kunit *test, struct rnd_state *rnd)
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

static void random_pins_leave_nothing_behind(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 1);
	for (i = 0; i != 3000; i++) {
		add_or_end_pin(test, &rnd);
		pinned_model_expect(test);
	}
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

/* All but the first, which stays, from the lowest page up */
static void unpin_in_order(struct pinned_model *model)
{
	unsigned int lowest = 1, i;

	for (i = 2; i < model->nr_ranges; i++)
		if (model->ranges[i].first < model->ranges[lowest].first)
			lowest = i;
	pinned_model_unpin(model, lowest);
}

/* All of @first..@last has one pin, and there is nothing else. */
static void expect_one_segment(struct kunit *test, unsigned long first,
			       unsigned long last)
{
	struct pinned_model *model = test->priv;
	struct iommufd_pin_segment *segment = &model->mem.pinned.first_segment;

	pinned_model_expect(test);
	KUNIT_ASSERT_EQ(test, 1, pinned_model_segments(model));
	/* The one that is part of the object, which a usual map looks at */
	KUNIT_ASSERT_PTR_EQ(test, model->mem.pinned.segments.rb_node,
			    &segment->node);
	KUNIT_ASSERT_EQ(test, segment->first, first);
	KUNIT_ASSERT_EQ(test, segment->last, last);
	KUNIT_ASSERT_EQ(test, segment->nr_pins, 1);
	KUNIT_ASSERT_EQ(test, segment->starts, 1);
}

static void pin_each(struct kunit *test, unsigned long first,
		     unsigned long last)
{
	struct pinned_model *model = test->priv;
	unsigned long page;

	for (page = first; page <= last; page++)
		KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, page, page));
	pinned_model_expect(test);
}

/* Each page of the range, which has one pin, gets another one that goes. */
static void cuts_are_undone(struct kunit *test, unsigned long first,
			    unsigned long last)
{
	struct pinned_model *model = test->priv;
	struct rnd_state rnd;
	unsigned long page;
	unsigned int order;

	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, first, last));
	for (page = first; page <= last; page++) {
		KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, page, page));
		pinned_model_unpin(model, 1);
		expect_one_segment(test, first, last);
	}

	/* In the order of the pages, against it, in any order */
	prandom_seed_state(&rnd, 3);
	for (order = 0; order != 3; order++) {
		pin_each(test, first, last);
		while (model->nr_ranges != 1) {
			u32 random = prandom_u32_state(&rnd);
			unsigned int n = model->nr_ranges - 1;

			if (order == 0)
				unpin_in_order(model);
			else if (order == 1)
				pinned_model_unpin(model, n);
			else
				pinned_model_unpin(model, 1 + random % n);
			pinned_model_expect(test);
		}
		expect_one_segment(test, first, last);
	}
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void a_cut_goes_with_the_last_pin_that_needs_it(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	/* A run vector and a single run */
	cuts_are_undone(test, 1, MODEL_MAX_USERS - 2);
	cuts_are_undone(test, 6, 8);

	/* What others need stays. */
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 0, 40));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 10, 30));
	KUNIT_EXPECT_EQ(test, 4, pinned_model_segments(model));
	pinned_model_unpin(model, 1);
	KUNIT_EXPECT_EQ(test, 3, pinned_model_segments(model));
	pinned_model_expect(test);
	/* As many pins on both sides of a cut, which are others */
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 31, 35));
	KUNIT_EXPECT_EQ(test, 4, pinned_model_segments(model));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 31, 35));
	pinned_model_unpin(model, 3);
	KUNIT_EXPECT_EQ(test, 4, pinned_model_segments(model));
	pinned_model_expect(test);
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void what_was_pinned_apart_is_one_if_it_is_one_run(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	/* Pages 6 to 8 are contiguous, 9 is not. */
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 7, 7));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 6, 9));
	KUNIT_EXPECT_EQ(test, 3, pinned_model_segments(model));
	pinned_model_unpin(model, 0);
	KUNIT_EXPECT_EQ(test, 2, pinned_model_segments(model));
	pinned_model_expect(test);
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void the_first_pin_is_one_like_others(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	/* Pages 6 to 8 are contiguous. */
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin_new(model, 7, 8));
	expect_one_segment(test, 7, 8);
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 6, 8));
	pinned_model_unpin(model, 0);
	expect_one_segment(test, 6, 8);
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void pins_are_refused_before_their_count_overflows(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	struct iommufd_pin_segment *segment = &model->mem.pinned.first_segment;

	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	segment->nr_pins = UINT_MAX;
	KUNIT_EXPECT_EQ(test, -ENOMEM, pinned_model_pin(model, 10, 20));
	KUNIT_EXPECT_EQ(test, -ENOMEM, pinned_model_pin(model, 5, 15));
	KUNIT_EXPECT_EQ(test, -ENOMEM, pinned_model_pin(model, 12, 30));
	KUNIT_EXPECT_EQ(test, segment->nr_pins, UINT_MAX);
	segment->nr_pins = 1;
	expect_one_segment(test, 10, 20);
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void set_fatal_signal(bool pending)
{
	struct sighand_struct *sighand;

	/* It is ours, and stays. */
	sighand = rcu_dereference_protected(current->sighand, true);
	guard(spinlock_irq)(&sighand->siglock);
	if (pending)
		sigaddset(&current->pending.signal, SIGKILL);
	else
		sigdelset(&current->pending.signal, SIGKILL);
	recalc_sigpending();
}

static void a_fatal_signal_ends_a_pin_of_many_segments(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 5, 5));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	set_fatal_signal(true);
	KUNIT_EXPECT_EQ(test, -EINTR, pinned_model_pin(model, 0, 30));
	set_fatal_signal(false);
	pinned_model_expect(test);
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 0, 30));
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static void want_what_is_pending(struct fake_memory *mem)
{
	struct kunit *test = kunit_get_current_test();
	int i, rc;

	mem->meanwhile = NULL;
	set_fatal_signal(true);
	/*
	 * Twice: if the first call had left its waiter on the list, the second
	 * one would corrupt it.
	 */
	for (i = 0; i != 2; i++) {
		rc = iommufd_pinned_pin(&mem->pinned, 15, 25);
		KUNIT_EXPECT_EQ(test, -EINTR, rc);
	}
	set_fatal_signal(false);
}

static void a_fatal_signal_ends_the_wait_for_another_pin(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	model->mem.meanwhile = want_what_is_pending;
	KUNIT_EXPECT_EQ(test, 0, pinned_model_pin(model, 10, 20));
	KUNIT_EXPECT_TRUE(test, !model->mem.meanwhile);
	pinned_model_expect(test);
	pinned_model_unpin_all(model);
}

static void a_fatal_signal_ends_pins_of_many_areas(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	struct iommufd_area *area, *copy;

	area = iommufd_area_first_of(&model->mem.pinned, 0, PAGE_SIZE,
				     IOMMU_READ);
	copy = iommufd_area_share(area, area->iova, area->last, IOMMU_READ);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	area->next = copy;
	set_fatal_signal(true);
	KUNIT_EXPECT_EQ(test, -EINTR, iommufd_areas_pin(area));
	set_fatal_signal(false);
	KUNIT_EXPECT_TRUE(test, area->has_pin);
	KUNIT_EXPECT_FALSE(test, copy->has_pin);

	KUNIT_EXPECT_EQ(test, 0, iommufd_areas_pin(area));
	KUNIT_EXPECT_TRUE(test, copy->has_pin);
	iommufd_areas_unpin(area);
	iommufd_areas_free(copy);
	pinned_model_expect(test);
}

static void a_pin_that_fails_changes_nothing(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	unsigned int nth;

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

static struct kunit_case pinned_cases[] = {
	KUNIT_CASE(the_source_is_asked_once_for_all_pins_of_a_page),
	KUNIT_CASE(each_pin_of_the_same_pages_has_to_end),
	KUNIT_CASE(holes_between_pins_are_filled),
	KUNIT_CASE(random_pins_leave_nothing_behind),
	KUNIT_CASE(a_cut_goes_with_the_last_pin_that_needs_it),
	KUNIT_CASE(what_was_pinned_apart_is_one_if_it_is_one_run),
	KUNIT_CASE(the_first_pin_is_one_like_others),
	KUNIT_CASE(pins_are_refused_before_their_count_overflows),
	KUNIT_CASE(a_fatal_signal_ends_a_pin_of_many_segments),
	KUNIT_CASE(a_fatal_signal_ends_the_wait_for_another_pin),
	KUNIT_CASE(a_fatal_signal_ends_pins_of_many_areas),
	KUNIT_CASE(a_pin_that_fails_changes_nothing),
	{}
};

static struct kunit_suite pinned_suite = {
	.name = "iommufd_pinned",
	.init = pinned_model_init,
	.exit = pinned_model_exit,
	.test_cases = pinned_cases,
};

kunit_test_suite(pinned_suite);
