// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of run vectors against an array of PFNs
 */
#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "runs.h"

#define NPAGES 5000

struct runs_fixture {
	unsigned long *pfns;
	unsigned long npages;
	struct iommufd_run_slice slice;
};

static int runs_init(struct kunit *test)
{
	struct runs_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	fix->pfns = kunit_kcalloc(test, NPAGES, sizeof(*fix->pfns), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix->pfns);
	test->priv = fix;
	return 0;
}

/* Runs of 1 to @max_run pages until all of the array is described */
static void build(struct kunit *test, unsigned int max_run, u64 seed)
{
	struct runs_fixture *fix = test->priv;
	struct iommufd_run_builder runs;
	unsigned long pfn = 1000, i;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, seed);
	iommufd_runs_init(&runs, NPAGES);
	fix->npages = 0;
	while (fix->npages != NPAGES) {
		unsigned long npages = 1 + prandom_u32_state(&rnd) % max_run;

		npages = min(npages, NPAGES - fix->npages);
		KUNIT_ASSERT_EQ(test, 0,
				iommufd_runs_append(&runs, pfn, npages));
		for (i = 0; i != npages; i++)
			fix->pfns[fix->npages++] = pfn + i;
		pfn += npages + 1;
	}
	KUNIT_EXPECT_EQ(test, runs.npages, fix->npages);
	iommufd_runs_finish(&runs, &fix->slice);
}

/* Pages [skip, skip + npages) of the slice are pages from first on. */
static void expect_pages(struct kunit *test,
			 const struct iommufd_run_slice *slice,
			 unsigned long skip, unsigned long npages,
			 unsigned long first)
{
	struct runs_fixture *fix = test->priv;
	struct iommufd_run_cursor cursor;
	unsigned long seen = 0, i;
	struct iommufd_run run;

	iommufd_run_slice_walk(slice, skip, npages, &cursor);
	while (iommufd_run_cursor_next(&cursor, &run)) {
		KUNIT_ASSERT_LE(test, seen + iommufd_run_npages(run), npages);
		for (i = 0; i != iommufd_run_npages(run); i++, seen++)
			KUNIT_ASSERT_EQ(test, iommufd_run_pfn(run) + i,
					fix->pfns[first + seen]);
	}
	KUNIT_EXPECT_EQ(test, seen, npages);
}

static const unsigned int run_lengths[] = { 1, 2, 7, 600, NPAGES };

static void a_walk_returns_what_was_appended(struct kunit *test)
{
	struct runs_fixture *fix = test->priv;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(run_lengths); i++) {
		build(test, run_lengths[i], i);
		expect_pages(test, &fix->slice, 0, NPAGES, 0);
		iommufd_run_slice_put(&fix->slice);
	}
}

static void a_walk_may_begin_and_end_anywhere(struct kunit *test)
{
	struct runs_fixture *fix = test->priv;
	struct rnd_state rnd;
	unsigned int i, n;

	prandom_seed_state(&rnd, 42);
	for (i = 0; i != ARRAY_SIZE(run_lengths); i++) {
		build(test, run_lengths[i], i);
		for (n = 0; n != 200; n++) {
			unsigned long skip = prandom_u32_state(&rnd) % NPAGES;
			unsigned long npages = prandom_u32_state(&rnd) %
					       (NPAGES - skip + 1);

			expect_pages(test, &fix->slice, skip, npages, skip);
		}
		iommufd_run_slice_put(&fix->slice);
	}
}

static void contiguous_pages_are_one_run(struct kunit *test)
{
	struct iommufd_run_builder runs;
	struct iommufd_run_slice slice;
	unsigned long i;

	iommufd_runs_init(&runs, 100);
	for (i = 0; i != 100; i++)
		KUNIT_ASSERT_EQ(test, 0, iommufd_runs_append(&runs, 7 + i, 1));
	iommufd_runs_finish(&runs, &slice);
	KUNIT_EXPECT_NULL(test, slice.vec);
	KUNIT_EXPECT_EQ(test, 7, iommufd_run_pfn(slice.run));
	KUNIT_EXPECT_EQ(test, 100, iommufd_run_npages(slice.run));
	iommufd_run_slice_put(&slice);
}

static void a_run_never_outgrows_its_packing(struct kunit *test)
{
	struct iommufd_run_builder runs;
	struct iommufd_run_cursor cursor;
	struct iommufd_run_slice slice;
	struct iommufd_run run;

	iommufd_runs_init(&runs, IOMMUFD_RUN_MAX_NPAGES + 1);
	KUNIT_ASSERT_EQ(test, 0,
			iommufd_runs_append(&runs, 0, IOMMUFD_RUN_MAX_NPAGES));
	KUNIT_ASSERT_EQ(test, 0,
			iommufd_runs_append(&runs, IOMMUFD_RUN_MAX_NPAGES, 1));
	iommufd_runs_finish(&runs, &slice);

	iommufd_run_slice_walk(&slice, 0, IOMMUFD_RUN_MAX_NPAGES + 1, &cursor);
	KUNIT_ASSERT_TRUE(test, iommufd_run_cursor_next(&cursor, &run));
	KUNIT_EXPECT_EQ(test, IOMMUFD_RUN_MAX_NPAGES, iommufd_run_npages(run));
	KUNIT_ASSERT_TRUE(test, iommufd_run_cursor_next(&cursor, &run));
	KUNIT_EXPECT_EQ(test, IOMMUFD_RUN_MAX_NPAGES, iommufd_run_pfn(run));
	KUNIT_EXPECT_EQ(test, 1, iommufd_run_npages(run));
	KUNIT_EXPECT_FALSE(test, iommufd_run_cursor_next(&cursor, &run));
	iommufd_run_slice_put(&slice);
}

/* Of memory of this architecture, and of what a run has room for */
static void the_highest_pfn_is_kept(struct kunit *test)
{
	const u64 pfns[] = {
		PHYS_PFN(BIT_ULL(IOMMUFD_PHYSMEM_BITS) - 1),
		BIT_ULL(IOMMUFD_RUN_PFN_BITS) - 1,
	};
	struct iommufd_run run;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(pfns); i++) {
		run = iommufd_run(pfns[i], IOMMUFD_RUN_MAX_NPAGES);
		KUNIT_EXPECT_EQ(test, pfns[i], iommufd_run_pfn(run));
		KUNIT_EXPECT_EQ(test, IOMMUFD_RUN_MAX_NPAGES,
				iommufd_run_npages(run));
		KUNIT_EXPECT_TRUE(test, iommufd_run_fits(pfns[i]));
	}
	KUNIT_EXPECT_FALSE(test, iommufd_run_fits(pfns[1] + 1));
}

static void parts_of_a_slice_outlive_each_other(struct kunit *test)
{
	struct runs_fixture *fix = test->priv;
	struct iommufd_run_slice middle, right;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(run_lengths); i++) {
		build(test, run_lengths[i], i);
		iommufd_run_slice_split(&fix->slice, 1234, &middle);
		iommufd_run_slice_split(&middle, 1000, &right);

		expect_pages(test, &fix->slice, 0, 1234, 0);
		iommufd_run_slice_put(&fix->slice);
		expect_pages(test, &right, 5, NPAGES - 2239, 2239);
		iommufd_run_slice_put(&right);
		expect_pages(test, &middle, 0, 1000, 1234);
		iommufd_run_slice_put(&middle);
	}
}

static void parts_that_follow_each_other_are_joined(struct kunit *test)
{
	struct runs_fixture *fix = test->priv;
	struct iommufd_run_slice middle, right;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(run_lengths); i++) {
		build(test, run_lengths[i], i);
		iommufd_run_slice_split(&fix->slice, 1234, &middle);
		iommufd_run_slice_split(&middle, 1000, &right);

		/* There is a hole, or it is the wrong order. */
		KUNIT_EXPECT_FALSE(test, iommufd_run_slice_join(&fix->slice,
								1234, &right));
		KUNIT_EXPECT_FALSE(test, iommufd_run_slice_join(&middle, 1000,
								&fix->slice));

		KUNIT_ASSERT_TRUE(test, iommufd_run_slice_join(&middle, 1000,
							       &right));
		expect_pages(test, &middle, 0, NPAGES - 1234, 1234);
		KUNIT_ASSERT_TRUE(test, iommufd_run_slice_join(&fix->slice,
							       1234, &middle));
		expect_pages(test, &fix->slice, 0, NPAGES, 0);
		if (fix->slice.vec)
			KUNIT_EXPECT_EQ(test, 1,
					refcount_read(&fix->slice.vec->refs));
		iommufd_run_slice_put(&fix->slice);
	}
}

/* As it would be pinned for itself */
static void build_part(struct kunit *test, unsigned long first,
		       unsigned long npages, struct iommufd_run_slice *slice)
{
	struct runs_fixture *fix = test->priv;
	struct iommufd_run_builder runs;
	unsigned long i;

	iommufd_runs_init(&runs, npages);
	for (i = first; i != first + npages; i++)
		KUNIT_ASSERT_EQ(test, 0,
				iommufd_runs_append(&runs, fix->pfns[i], 1));
	iommufd_runs_finish(&runs, slice);
}

static void a_part_outlives_what_it_is_shared_with(struct kunit *test)
{
	struct runs_fixture *fix = test->priv;
	struct iommufd_run_slice part, middle, spare;

	build(test, 3, 1);
	iommufd_run_slice_split(&fix->slice, 100, &middle);
	build_part(test, 1000, 3000, &part);
	spare = iommufd_run_slice_share(&part, &middle, 900);
	KUNIT_EXPECT_NOT_NULL(test, spare.vec);
	KUNIT_EXPECT_PTR_EQ(test, part.vec, middle.vec);
	iommufd_run_slice_put(&spare);
	iommufd_run_slice_put(&middle);
	iommufd_run_slice_put(&fix->slice);
	expect_pages(test, &part, 0, 3000, 1000);
	iommufd_run_slice_put(&part);
}

/* Where it would keep much for little, or there is nothing to be shared */
static void a_small_part_is_not_shared(struct kunit *test)
{
	const unsigned long npages[] = { 1, 400 };
	struct runs_fixture *fix = test->priv;
	struct iommufd_run_slice part, before, spare;
	unsigned int i;

	build(test, 1, 1);
	for (i = 0; i != ARRAY_SIZE(npages); i++) {
		build_part(test, 1000, npages[i], &part);
		before = part;
		spare = iommufd_run_slice_share(&part, &fix->slice, 1000);
		KUNIT_EXPECT_NULL(test, spare.vec);
		KUNIT_EXPECT_MEMEQ(test, &part, &before, sizeof(part));
		KUNIT_EXPECT_EQ(test, 1, refcount_read(&fix->slice.vec->refs));
		iommufd_run_slice_put(&part);
	}
	iommufd_run_slice_put(&fix->slice);
}

static struct iommufd_run_slice slice_of_run(unsigned long pfn,
					     unsigned long npages)
{
	return (struct iommufd_run_slice){ .run = iommufd_run(pfn, npages) };
}

static void memory_that_is_apart_is_not_joined(struct kunit *test)
{
	const unsigned long npages = IOMMUFD_RUN_MAX_NPAGES - 10;
	struct runs_fixture *fix = test->priv;
	struct iommufd_run_slice left, right, other;

	/* A gap between two runs; the wrong order */
	left = slice_of_run(1000, 10);
	right = slice_of_run(1011, 10);
	KUNIT_EXPECT_FALSE(test, iommufd_run_slice_join(&left, 10, &right));
	KUNIT_EXPECT_FALSE(test, iommufd_run_slice_join(&right, 10, &left));
	KUNIT_EXPECT_EQ(test, 10, iommufd_run_npages(left.run));

	/* As long as a run can be, and longer */
	left = slice_of_run(1000, npages);
	right = slice_of_run(1000 + npages, 11);
	KUNIT_EXPECT_FALSE(test, iommufd_run_slice_join(&left, npages, &right));
	right = slice_of_run(1000 + npages, 10);
	KUNIT_EXPECT_TRUE(test, iommufd_run_slice_join(&left, npages, &right));
	KUNIT_EXPECT_EQ(test, 1000, iommufd_run_pfn(left.run));
	KUNIT_EXPECT_EQ(test, IOMMUFD_RUN_MAX_NPAGES,
			iommufd_run_npages(left.run));

	/* Two vectors; a vector and a run */
	build(test, 7, 1);
	other = fix->slice;
	build(test, 7, 1);
	KUNIT_EXPECT_FALSE(test, iommufd_run_slice_join(&fix->slice, NPAGES,
							&other));
	KUNIT_EXPECT_FALSE(test, iommufd_run_slice_join(&fix->slice, NPAGES,
							&right));
	KUNIT_EXPECT_FALSE(test, iommufd_run_slice_join(&right, 10, &other));
	iommufd_run_slice_put(&other);
	iommufd_run_slice_put(&fix->slice);
}

static struct kunit_case runs_cases[] = {
	KUNIT_CASE(a_walk_returns_what_was_appended),
	KUNIT_CASE(a_walk_may_begin_and_end_anywhere),
	KUNIT_CASE(contiguous_pages_are_one_run),
	KUNIT_CASE(a_run_never_outgrows_its_packing),
	KUNIT_CASE(the_highest_pfn_is_kept),
	KUNIT_CASE(parts_of_a_slice_outlive_each_other),
	KUNIT_CASE(parts_that_follow_each_other_are_joined),
	KUNIT_CASE(a_part_outlives_what_it_is_shared_with),
	KUNIT_CASE(a_small_part_is_not_shared),
	KUNIT_CASE(memory_that_is_apart_is_not_joined),
	{}
};

static struct kunit_suite runs_suite = {
	.name = "iommufd_runs",
	.init = runs_init,
	.test_cases = runs_cases,
};

kunit_test_suite(runs_suite);
