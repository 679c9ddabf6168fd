// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of IOVA space
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "iova_space.h"

#define EXPECT_ERRNO(_test, _error, _rc) \
	KUNIT_EXPECT_EQ(_test, _error, iommufd_errno(_rc))

#define MAX_AREAS 200
/* Random tests stay below this, so that a model can be a bitmap of pages */
#define SPACE_PAGES 1024
#define SPACE_LAST (SPACE_PAGES * PAGE_SIZE - 1)

struct space_fixture {
	struct iommufd_iova_space space;
	struct iommufd_area areas[MAX_AREAS];
	unsigned int nr_areas;
};

static int space_init(struct kunit *test)
{
	struct space_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	iommufd_iova_space_init(&fix->space);
	test->priv = fix;
	return 0;
}

static void space_exit(struct kunit *test)
{
	struct space_fixture *fix = test->priv;

	if (!fix)
		return;
	down_write(&fix->space.lock);
	while (fix->nr_areas)
		iommufd_iova_remove(&fix->space, &fix->areas[--fix->nr_areas]);
	up_write(&fix->space.lock);
	iommufd_iova_space_destroy(&fix->space);
}

static void insert(struct space_fixture *fix, unsigned long iova,
		   unsigned long length)
{
	struct iommufd_area *area = &fix->areas[fix->nr_areas++];

	area->iova = iova;
	area->last = iova + length - 1;
	area->offset = 0;
	iommufd_iova_insert(&fix->space, area);
}

static void allow(struct kunit *test, unsigned long first, unsigned long last)
{
	struct rb_root_cached allowed = RB_ROOT_CACHED;
	struct space_fixture *fix = test->priv;

	KUNIT_ASSERT_EQ(test, 0, iommufd_iova_allow(&allowed, first, last));
	KUNIT_ASSERT_EQ(test, 0,
			iommufd_iova_set_allowed(&fix->space, &allowed));
	iommufd_iova_free_allowed(&allowed);
}

static void expect_choice(struct kunit *test, unsigned long hint,
			  unsigned long length, unsigned long expected)
{
	struct space_fixture *fix = test->priv;
	unsigned long iova = 0;

	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_choose(&fix->space, hint, length,
						     &iova));
	KUNIT_EXPECT_EQ_MSG(test, iova, expected, "hint %lx length %lx", hint,
			    length);
}

static void the_whole_space_can_be_used(struct kunit *test)
{
	struct space_fixture *fix = test->priv;

	guard(rwsem_write)(&fix->space.lock);

	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_check(&fix->space, 0, 1));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_check(&fix->space, ULONG_MAX, 1));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_check(&fix->space, 1,
						    ULONG_MAX - 1));
	EXPECT_ERRNO(test, -EOVERFLOW,
		     iommufd_iova_check(&fix->space, ULONG_MAX, 2));

	insert(fix, ULONG_MAX - PAGE_SIZE + 1, PAGE_SIZE);
	insert(fix, 0, PAGE_SIZE);
	EXPECT_ERRNO(test, -EEXIST,
		     iommufd_iova_check(&fix->space, ULONG_MAX, 1));
	EXPECT_ERRNO(test, -EEXIST, iommufd_iova_check(&fix->space, 0, 1));
}

static void reserved_iova_is_refused_until_its_owner_goes(struct kunit *test)
{
	struct space_fixture *fix = test->priv;
	int a, b;

	guard(rwsem_write)(&fix->space.lock);

	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 0x1000,
						      0x2fff, &a));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 0x2000,
						      0x3fff, &b));
	EXPECT_ERRNO(test, -EINVAL, iommufd_iova_check(&fix->space, 0x2fff, 1));
	iommufd_iova_unreserve(&fix->space, &a);
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_check(&fix->space, 0x1000,
						    0x1000));
	EXPECT_ERRNO(test, -EINVAL,
		     iommufd_iova_check(&fix->space, 0x1000, 0x1001));
	iommufd_iova_unreserve(&fix->space, &b);
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_check(&fix->space, 0x1000,
						    0x3000));
}

static void what_is_handed_over_goes_with_its_new_owner(struct kunit *test)
{
	struct space_fixture *fix = test->priv;
	int a, b, to;

	guard(rwsem_write)(&fix->space.lock);

	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 0x1000,
						      0x1fff, &a));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 0x8000,
						      0x8fff, &a));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 0x1000,
						      0x1fff, &b));
	iommufd_iova_hand_over(&fix->space, &a, &to);
	KUNIT_EXPECT_TRUE(test,
			  iommufd_iova_is_reserved_by(&fix->space, 0x1000,
						      0x1fff, &to));
	KUNIT_EXPECT_TRUE(test,
			  iommufd_iova_is_reserved_by(&fix->space, 0x8000,
						      0x8fff, &to));
	KUNIT_EXPECT_FALSE(test,
			   iommufd_iova_is_reserved_by(&fix->space, 0x1000,
						       0x1fff, &a));
	KUNIT_EXPECT_FALSE(test,
			   iommufd_iova_is_reserved_by(&fix->space, 0x1000,
						       0x17ff, &to));
	/* nothing is left of them, and nothing of others is gone */
	iommufd_iova_unreserve(&fix->space, &a);
	iommufd_iova_unreserve(&fix->space, &to);
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_check(&fix->space, 0x8000,
						    0x1000));
	KUNIT_EXPECT_TRUE(test,
			  iommufd_iova_is_reserved_by(&fix->space, 0x1000,
						      0x1fff, &b));
}

static unsigned int count_reserved(struct iommufd_iova_space *space)
{
	struct interval_tree_node *node;
	unsigned int count = 0;

	for (node = interval_tree_iter_first(&space->reserved, 0, ULONG_MAX);
	     node; node = interval_tree_iter_next(node, 0, ULONG_MAX))
		count++;
	return count;
}

/* A user who attaches a device again and again does not use up memory. */
static void what_is_handed_over_often_is_reserved_once(struct kunit *test)
{
	struct space_fixture *fix = test->priv;
	int i, from, to;

	guard(rwsem_write)(&fix->space.lock);

	for (i = 0; i != 10; i++) {
		KUNIT_EXPECT_EQ(test, 0,
				iommufd_iova_reserve(&fix->space, 0x1000,
						     0x1fff, &from));
		iommufd_iova_hand_over(&fix->space, &from, &to);
		KUNIT_EXPECT_EQ(test, 1, count_reserved(&fix->space));
	}
	iommufd_iova_unreserve(&fix->space, &to);
	KUNIT_EXPECT_EQ(test, 0, count_reserved(&fix->space));
}

static void usable_ranges_are_what_is_not_reserved(struct kunit *test)
{
	unsigned long first = 0, last = ULONG_MAX;
	struct space_fixture *fix = test->priv;
	int owner;

	guard(rwsem_write)(&fix->space.lock);

	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 0, 9,
						      &owner));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 20, 39,
						      &owner));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 22, 25,
						      &owner));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 40, 49,
						      &owner));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 100,
						      ULONG_MAX, &owner));

	KUNIT_EXPECT_TRUE(test, iommufd_iova_next_usable(&fix->space, &first,
							 &last));
	KUNIT_EXPECT_EQ(test, 10, first);
	KUNIT_EXPECT_EQ(test, 19, last);

	first = 20;
	last = ULONG_MAX;
	KUNIT_EXPECT_TRUE(test, iommufd_iova_next_usable(&fix->space, &first,
							 &last));
	KUNIT_EXPECT_EQ(test, 50, first);
	KUNIT_EXPECT_EQ(test, 99, last);

	first = 100;
	last = ULONG_MAX;
	KUNIT_EXPECT_FALSE(test, iommufd_iova_next_usable(&fix->space, &first,
							  &last));
}

static void a_reservation_yields_to_areas_and_allowed(struct kunit *test)
{
	struct space_fixture *fix = test->priv;
	int owner;

	guard(rwsem_write)(&fix->space.lock);

	insert(fix, 0x5000, 0x1000);
	EXPECT_ERRNO(test, -EADDRINUSE,
		     iommufd_iova_reserve(&fix->space, 0, 0x5000, &owner));
	allow(test, 0x10000, 0x1ffff);
	EXPECT_ERRNO(test, -EADDRINUSE,
		     iommufd_iova_reserve(&fix->space, 0x1ffff, ULONG_MAX,
					  &owner));
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_iova_reserve(&fix->space, 0x20000, ULONG_MAX,
					     &owner));
}

static void regions_are_reserved_all_or_none(struct kunit *test)
{
	struct iommu_resv_region first = {
		.start = 0x1000,
		.length = 0x1000,
		.type = IOMMU_RESV_RESERVED,
	};
	struct iommu_resv_region second = {
		.start = 0x5000,
		.length = 0x1000,
		.type = IOMMU_RESV_MSI,
	};
	struct space_fixture *fix = test->priv;
	LIST_HEAD(regions);
	int owner;

	list_add_tail(&first.list, &regions);
	list_add_tail(&second.list, &regions);
	scoped_guard(rwsem_write, &fix->space.lock)
		insert(fix, 0x5000, 0x1000);
	EXPECT_ERRNO(test, -EADDRINUSE,
		     iommufd_iova_space_reserve_regions(&fix->space, &regions,
							&owner, 1));
	KUNIT_EXPECT_EQ(test, 0, count_reserved(&fix->space));

	second.start = 0x6000;
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_iova_space_reserve_regions(&fix->space,
							   &regions, &owner,
							   1));
	KUNIT_EXPECT_EQ(test, 2, count_reserved(&fix->space));
}

static void an_allowed_range_yields_to_reservations(struct kunit *test)
{
	struct rb_root_cached allowed = RB_ROOT_CACHED;
	struct space_fixture *fix = test->priv;
	int owner;

	guard(rwsem_write)(&fix->space.lock);

	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 0x2000,
						      0x2fff, &owner));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_allow(&allowed, 0x1000, 0x1fff));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_allow(&allowed, 0x2fff, 0x3fff));
	EXPECT_ERRNO(test, -EINVAL,
		     iommufd_iova_allow(&allowed, 0x3fff, 0x4fff));
	EXPECT_ERRNO(test, -EADDRINUSE,
		     iommufd_iova_set_allowed(&fix->space, &allowed));
	iommufd_iova_free_allowed(&allowed);
}

static void a_choice_is_the_lowest_fit(struct kunit *test)
{
	struct space_fixture *fix = test->priv;
	int owner;

	guard(rwsem_write)(&fix->space.lock);

	expect_choice(test, 0x10000, 0x1000, 0x1000);
	insert(fix, 0x1000, 0x1000);
	insert(fix, 0x3000, 0x1000);
	expect_choice(test, 0x1000, 0x1000, 0x2000);
	expect_choice(test, 0x1000, 0x2000, 0x4000);
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_reserve(&fix->space, 0x5000,
						      0x5fff, &owner));
	expect_choice(test, 0x1000, 0x2000, 0x6000);
	allow(test, 0x100000, 0x1fffff);
	expect_choice(test, 0x1000, 0x1000, 0x100000);
}

static void a_choice_keeps_offset_and_alignment(struct kunit *test)
{
	struct space_fixture *fix = test->priv;

	guard(rwsem_write)(&fix->space.lock);

	expect_choice(test, 0x123, 0x1000, 0x1123);
	expect_choice(test, PMD_SIZE, PMD_SIZE, PMD_SIZE);
	expect_choice(test, 8 * PMD_SIZE, 8 * PMD_SIZE, PMD_SIZE);
	expect_choice(test, 0x8123, 0x8000, 0x8123);
	expect_choice(test, 0x8000, 0x3000, 0x4000);
	expect_choice(test, 0, 0x3000, 0x4000);
}

static void a_choice_may_span_allowed_neighbours(struct kunit *test)
{
	struct rb_root_cached allowed = RB_ROOT_CACHED;
	struct space_fixture *fix = test->priv;

	guard(rwsem_write)(&fix->space.lock);

	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_allow(&allowed, 0x1000, 0x1fff));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_allow(&allowed, 0x3000, 0x3fff));
	KUNIT_EXPECT_EQ(test, 0, iommufd_iova_allow(&allowed, 0x4000, 0x4fff));
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_iova_set_allowed(&fix->space, &allowed));
	expect_choice(test, 0x1000, 0x1000, 0x1000);
	expect_choice(test, 0x1000, 0x2000, 0x3000);
}

static void a_choice_leaves_the_ends_alone(struct kunit *test)
{
	struct space_fixture *fix = test->priv;
	unsigned long iova;

	guard(rwsem_write)(&fix->space.lock);

	allow(test, 0, PAGE_SIZE - 1);
	EXPECT_ERRNO(test, -ENOSPC,
		     iommufd_iova_choose(&fix->space, 0x1000, 1, &iova));
	allow(test, ULONG_MAX - PAGE_SIZE + 1, ULONG_MAX);
	EXPECT_ERRNO(test, -ENOSPC,
		     iommufd_iova_choose(&fix->space, 0x1000, 1, &iova));
	EXPECT_ERRNO(test, -EOVERFLOW,
		     iommufd_iova_choose(&fix->space, 0x1000, ULONG_MAX / 2,
					 &iova));
}

static void alignment_is_demanded_of_start_and_length(struct kunit *test)
{
	struct space_fixture *fix = test->priv;
	unsigned long iova;

	guard(rwsem_write)(&fix->space.lock);

	insert(fix, 0x800, 0x800);
	KUNIT_EXPECT_TRUE(test, iommufd_iova_fits_alignment(&fix->space, 2048));
	KUNIT_EXPECT_FALSE(test, iommufd_iova_fits_alignment(&fix->space,
							     4096));
	fix->space.alignment = 2048;
	EXPECT_ERRNO(test, -EINVAL,
		     iommufd_iova_check(&fix->space, 0x10400, 0x800));
	EXPECT_ERRNO(test, -EINVAL,
		     iommufd_iova_check(&fix->space, 0x10000, 0x400));
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_iova_check(&fix->space, 0x10800, 0x800));
	EXPECT_ERRNO(test, -EINVAL,
		     iommufd_iova_choose(&fix->space, 0, 0x400, &iova));
}

static bool model_fits(const unsigned long *used, unsigned long page,
		       unsigned long npages)
{
	return find_next_bit(used, page + npages, page) >= page + npages;
}

/* The lowest page at which the model has room, SPACE_PAGES if there is none */
static unsigned long model_choose(const unsigned long *used,
				  unsigned long npages, unsigned long align)
{
	unsigned long page;

	for (page = align; page + npages <= SPACE_PAGES; page += align)
		if (model_fits(used, page, npages))
			return page;
	return SPACE_PAGES;
}

static void remove_random(struct space_fixture *fix, struct rnd_state *rnd,
			  unsigned long *used)
{
	unsigned int i = prandom_u32_state(rnd) % fix->nr_areas;
	struct iommufd_area *area = &fix->areas[i];
	struct iommufd_area *moved = &fix->areas[--fix->nr_areas];

	bitmap_clear(used, area->iova / PAGE_SIZE,
		     iommufd_area_length(area) / PAGE_SIZE);
	iommufd_iova_remove(&fix->space, area);
	if (moved == area)
		return;
	/* The array stays dense; a node cannot be moved while it is in use. */
	iommufd_iova_remove(&fix->space, moved);
	area->iova = moved->iova;
	area->last = moved->last;
	iommufd_iova_insert(&fix->space, area);
}

static void random_choices_are_the_lowest_fit(struct kunit *test)
{
	struct space_fixture *fix = test->priv;
	struct rnd_state rnd;
	unsigned long *used;
	unsigned int i;

	guard(rwsem_write)(&fix->space.lock);

	used = kunit_kcalloc(test, BITS_TO_LONGS(SPACE_PAGES), sizeof(*used),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, used);
	allow(test, 0, SPACE_LAST);
	prandom_seed_state(&rnd, 3);

	for (i = 0; i != 5000; i++) {
		unsigned long npages = 1 + prandom_u32_state(&rnd) % 16;
		unsigned long align = 1UL << prandom_u32_state(&rnd) % 5;
		unsigned long iova, expected;
		int rc;

		align = min(align, roundup_pow_of_two(npages));
		if (fix->nr_areas == MAX_AREAS ||
		    (fix->nr_areas && prandom_u32_state(&rnd) % 5 < 2)) {
			remove_random(fix, &rnd, used);
			continue;
		}
		expected = model_choose(used, npages, align);
		rc = iommufd_iova_choose(&fix->space, align * PAGE_SIZE,
					 npages * PAGE_SIZE, &iova);
		if (expected == SPACE_PAGES) {
			KUNIT_ASSERT_EQ(test, -ENOSPC, iommufd_errno(rc));
			continue;
		}
		KUNIT_ASSERT_EQ(test, 0, rc);
		KUNIT_ASSERT_EQ(test, iova, expected * PAGE_SIZE);
		KUNIT_ASSERT_EQ(test, 0,
				iommufd_iova_check(&fix->space, iova,
						   npages * PAGE_SIZE));
		insert(fix, iova, npages * PAGE_SIZE);
		bitmap_set(used, expected, npages);
	}
}

static struct kunit_case space_cases[] = {
	KUNIT_CASE(the_whole_space_can_be_used),
	KUNIT_CASE(reserved_iova_is_refused_until_its_owner_goes),
	KUNIT_CASE(what_is_handed_over_goes_with_its_new_owner),
	KUNIT_CASE(what_is_handed_over_often_is_reserved_once),
	KUNIT_CASE(usable_ranges_are_what_is_not_reserved),
	KUNIT_CASE(a_reservation_yields_to_areas_and_allowed),
	KUNIT_CASE(regions_are_reserved_all_or_none),
	KUNIT_CASE(an_allowed_range_yields_to_reservations),
	KUNIT_CASE(a_choice_is_the_lowest_fit),
	KUNIT_CASE(a_choice_keeps_offset_and_alignment),
	KUNIT_CASE(a_choice_may_span_allowed_neighbours),
	KUNIT_CASE(a_choice_leaves_the_ends_alone),
	KUNIT_CASE(alignment_is_demanded_of_start_and_length),
	KUNIT_CASE(random_choices_are_the_lowest_fit),
	{}
};

static struct kunit_suite space_suite = {
	.name = "iommufd_iova_space",
	.init = space_init,
	.exit = space_exit,
	.test_cases = space_cases,
};

kunit_test_suite(space_suite);
