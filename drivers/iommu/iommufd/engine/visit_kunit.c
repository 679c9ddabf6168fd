// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of how what is mapped is looked at, with a visitor that takes notes
 */
#include <kunit/test.h>
#include <linux/dma-resv.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "address_space.h"
#include "kunit_call.h"
#include "pinned.h"
#include "revocable.h"

#define MAX_AREAS 40
#define MAX_PARTS 400
/* Entries of page tables end at multiples of that. */
#define STEP SZ_1G

struct visit_fixture {
	struct iommufd_address_space as;
	struct iommufd_pinned pinned;
	struct iommufd_area areas[MAX_AREAS];
	unsigned int nr_areas;
	struct {
		unsigned long iova;
		unsigned long last;
	} parts[MAX_PARTS];
	unsigned int nr_parts;
	struct kunit_call call;
};

static int visit_init(struct kunit *test)
{
	struct visit_fixture *fix;

	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "needs more IOVA");
	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	iommufd_address_space_init(&fix->as);
	test->priv = fix;
	return 0;
}

static void remove_areas(struct visit_fixture *fix)
{
	down_write(&fix->as.space.lock);
	while (fix->nr_areas)
		iommufd_iova_remove(&fix->as.space,
				    &fix->areas[--fix->nr_areas]);
	up_write(&fix->as.space.lock);
}

static void visit_exit(struct kunit *test)
{
	struct visit_fixture *fix = test->priv;

	if (!fix)
		return;
	remove_areas(fix);
	iommufd_address_space_destroy(&fix->as);
}

static void visit_insert(struct visit_fixture *fix, unsigned long iova,
			 unsigned long length)
{
	struct iommufd_area *area = &fix->areas[fix->nr_areas++];

	area->iova = iova;
	area->last = iova + length - 1;
	area->pinned = &fix->pinned;
	area->state = IOMMUFD_AREA_LIVE;
	down_write(&fix->as.space.lock);
	iommufd_iova_insert(&fix->as.space, area);
	up_write(&fix->as.space.lock);
}

static int note_part(void *data, unsigned long iova, unsigned long last)
{
	struct visit_fixture *fix = data;

	/* It could be unmapped now. */
	if (!rwsem_is_locked(&fix->as.space.lock))
		return -ENOLCK;
	if (fix->nr_parts == MAX_PARTS)
		return -ENOSPC;
	fix->parts[fix->nr_parts].iova = iova;
	fix->parts[fix->nr_parts].last = last;
	fix->nr_parts++;
	return 0;
}

static bool is_start(struct visit_fixture *fix, unsigned long iova)
{
	unsigned int i;

	for (i = 0; i != fix->nr_areas; i++) {
		if (fix->areas[i].iova == iova)
			return true;
	}
	return false;
}

static bool is_end(struct visit_fixture *fix, unsigned long last)
{
	unsigned int i;

	for (i = 0; i != fix->nr_areas; i++) {
		if (fix->areas[i].last == last)
			return true;
	}
	return false;
}

static unsigned long mapped_bytes(struct visit_fixture *fix, unsigned long iova,
				  unsigned long last)
{
	struct iommufd_area *area;
	unsigned long bytes = 0;

	for (area = iommufd_area_first(&fix->as.space, iova, last); area;
	     area = iommufd_area_next(area, last))
		bytes += min(area->last, last) - max(area->iova, iova) + 1;
	return bytes;
}

/* Visit the range: all that is mapped, once, cut where it may be. */
static void expect_parts(struct kunit *test, unsigned long iova,
			 unsigned long last)
{
	struct visit_fixture *fix = test->priv;
	unsigned long bytes = 0;
	unsigned int i;

	fix->nr_parts = 0;
	KUNIT_ASSERT_EQ(test, 0,
			iommufd_address_space_visit(&fix->as, iova, last,
						    note_part, fix));
	for (i = 0; i != fix->nr_parts; i++) {
		unsigned long part = fix->parts[i].iova;
		unsigned long part_last = fix->parts[i].last;

		KUNIT_EXPECT_TRUE_MSG(test, part == iova ||
				      IS_ALIGNED(part, STEP) ||
				      is_start(fix, part), "%lx", part);
		KUNIT_EXPECT_TRUE_MSG(test, part_last == last ||
				      IS_ALIGNED(part_last + 1, STEP) ||
				      is_end(fix, part_last), "%lx", part_last);
		if (i)
			KUNIT_EXPECT_LT(test, fix->parts[i - 1].last, part);
		KUNIT_EXPECT_LE(test, iova, part);
		KUNIT_EXPECT_LE(test, part, part_last);
		KUNIT_EXPECT_LE(test, part_last, last);
		bytes += part_last - part + 1;
	}
	/* No part is longer than what is mapped, so all of them are whole. */
	KUNIT_EXPECT_EQ(test, bytes, mapped_bytes(fix, iova, last));
}

static void parts_are_cut_only_where_entries_end(struct kunit *test)
{
	struct visit_fixture *fix = test->priv;

	visit_insert(fix, SZ_4K, SZ_4K);
	visit_insert(fix, SZ_2M, 3UL * SZ_1G);
	visit_insert(fix, SZ_2M + 3UL * SZ_1G, SZ_8K);
	visit_insert(fix, 8UL * SZ_1G, SZ_1G);
	expect_parts(test, 0, ULONG_MAX);
	expect_parts(test, SZ_4K, 9UL * SZ_1G - 1);
	expect_parts(test, SZ_2M + SZ_4K, SZ_2M + SZ_1G + SZ_4K - 1);
	expect_parts(test, 8UL * SZ_1G + SZ_4K, 8UL * SZ_1G + SZ_8K - 1);
}

static void iova_may_end_at_the_last_byte(struct kunit *test)
{
	struct visit_fixture *fix = test->priv;

	visit_insert(fix, -3UL * SZ_1G - SZ_4K, 3UL * SZ_1G + SZ_4K);
	expect_parts(test, 0, ULONG_MAX);
	expect_parts(test, -2UL * SZ_1G - SZ_4K, ULONG_MAX);
}

static void areas_without_a_hole_come_together(struct kunit *test)
{
	struct visit_fixture *fix = test->priv;
	unsigned int i;

	for (i = 0; i != 20; i++)
		visit_insert(fix, SZ_1G + i * SZ_4K, SZ_4K);
	for (i = 21; i != 30; i++)
		visit_insert(fix, SZ_1G + i * SZ_4K, SZ_4K);
	expect_parts(test, 0, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, fix->nr_parts, 2);
}

static unsigned long random_length(struct rnd_state *rnd)
{
	unsigned long pages = 1 + prandom_u32_state(rnd) % 511;

	switch (prandom_u32_state(rnd) % 3) {
	case 0:
		return pages * SZ_4K;
	case 1:
		return pages * SZ_2M + pages % 3 * SZ_4K;
	default:
		return pages % 4 * SZ_1G + pages * SZ_4K;
	}
}

static void random_areas_are_visited_whole(struct kunit *test)
{
	struct visit_fixture *fix = test->priv;
	struct rnd_state rnd;
	unsigned int i, round;
	unsigned long iova, first;

	prandom_seed_state(&rnd, 0x1d0a);
	for (round = 0; round != 100; round++) {
		iova = 0;
		for (i = 0; i != MAX_AREAS; i++) {
			unsigned long length = random_length(&rnd);

			if (prandom_u32_state(&rnd) % 3)
				iova += random_length(&rnd);
			visit_insert(fix, iova, length);
			iova += length;
		}
		expect_parts(test, 0, ULONG_MAX);
		first = random_length(&rnd);
		expect_parts(test, first, first + 20 * random_length(&rnd) - 1);
		remove_areas(fix);
	}
}

static void what_comes_or_goes_is_left_out(struct kunit *test)
{
	static const enum iommufd_area_state states[] = {
		IOMMUFD_AREA_CREATING,
		IOMMUFD_AREA_LIVE,
		IOMMUFD_AREA_DYING,
	};
	struct visit_fixture *fix = test->priv;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(states); i++) {
		visit_insert(fix, SZ_1M + i * SZ_4K, SZ_4K);
		fix->areas[i].state = states[i];
	}
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_address_space_visit(&fix->as, 0, ULONG_MAX,
						    note_part, fix));
	KUNIT_ASSERT_EQ(test, fix->nr_parts, 1);
	KUNIT_EXPECT_EQ(test, fix->parts[0].iova, fix->areas[1].iova);
	KUNIT_EXPECT_EQ(test, fix->parts[0].last, fix->areas[1].last);
}

static void the_first_error_ends_it(struct kunit *test)
{
	struct visit_fixture *fix = test->priv;
	unsigned int i;

	for (i = 0; i != 3; i++)
		visit_insert(fix, i * SZ_1M, SZ_4K);
	/* The second one is too much. */
	fix->nr_parts = MAX_PARTS - 1;
	KUNIT_EXPECT_EQ(test, -ENOSPC,
			iommufd_address_space_visit(&fix->as, 0, ULONG_MAX,
						    note_part, fix));
	KUNIT_EXPECT_EQ(test, fix->nr_parts, MAX_PARTS);
	KUNIT_EXPECT_EQ(test, fix->parts[MAX_PARTS - 1].last, SZ_4K - 1);
}

static int visit_all(void *data)
{
	struct visit_fixture *fix = data;

	return iommufd_address_space_visit(&fix->as, 0, ULONG_MAX, note_part,
					   fix);
}

static void owners_that_are_busy_are_not_waited_for(struct kunit *test)
{
	struct visit_fixture *fix = test->priv;
	struct iommufd_revocable revocable;
	struct dma_resv resv;
	bool is_free;

	dma_resv_init(&resv);
	iommufd_revocable_init(&revocable, &resv);
	fix->pinned.revocable = &revocable;
	visit_insert(fix, SZ_1M, SZ_1M);

	KUNIT_ASSERT_EQ(test, 0, dma_resv_lock(&resv, NULL));
	kunit_call_start(&fix->call, visit_all, fix);
	KUNIT_EXPECT_FALSE(test, kunit_call_sleeps(&fix->call));
	/* and so the IOVA space is free for others */
	is_free = down_write_trylock(&fix->as.space.lock);
	KUNIT_EXPECT_TRUE(test, is_free);
	if (is_free)
		up_write(&fix->as.space.lock);
	dma_resv_unlock(&resv);

	KUNIT_EXPECT_EQ(test, 0, kunit_call_end(&fix->call));
	KUNIT_EXPECT_EQ(test, fix->nr_parts, 1);

	dma_resv_lock(&resv, NULL);
	iommufd_revoke(&revocable);
	dma_resv_unlock(&resv);
	fix->nr_parts = 0;
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_address_space_visit(&fix->as, 0, ULONG_MAX,
						    note_part, fix));
	KUNIT_EXPECT_EQ(test, fix->nr_parts, 0);

	remove_areas(fix);
	dma_resv_fini(&resv);
}

static int revoke(void *data)
{
	struct iommufd_revocable *revocable = data;

	dma_resv_lock(revocable->resv, NULL);
	iommufd_revoke(revocable);
	dma_resv_unlock(revocable->resv);
	return 0;
}

/* Visits until the owner of the memory waits for that, or does not. */
static int visit_while_revoked(void *data, unsigned long iova,
			       unsigned long last)
{
	struct visit_fixture *fix = data;

	kunit_call_start(&fix->call, revoke, fix->pinned.revocable);
	return kunit_call_sleeps(&fix->call) ? 0 : -EBUSY;
}

static void memory_is_not_taken_back_while_it_is_visited(struct kunit *test)
{
	struct visit_fixture *fix = test->priv;
	struct iommufd_revocable revocable;
	struct dma_resv resv;

	dma_resv_init(&resv);
	iommufd_revocable_init(&revocable, &resv);
	fix->pinned.revocable = &revocable;
	visit_insert(fix, SZ_1M, SZ_1M);
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_address_space_visit(&fix->as, 0, ULONG_MAX,
						    visit_while_revoked, fix));
	KUNIT_EXPECT_EQ(test, 0, kunit_call_end(&fix->call));
	KUNIT_EXPECT_TRUE(test, revocable.revoked);

	remove_areas(fix);
	dma_resv_fini(&resv);
}

static struct kunit_case visit_cases[] = {
	KUNIT_CASE(parts_are_cut_only_where_entries_end),
	KUNIT_CASE(iova_may_end_at_the_last_byte),
	KUNIT_CASE(areas_without_a_hole_come_together),
	KUNIT_CASE(random_areas_are_visited_whole),
	KUNIT_CASE(what_comes_or_goes_is_left_out),
	KUNIT_CASE(the_first_error_ends_it),
	KUNIT_CASE(owners_that_are_busy_are_not_waited_for),
	KUNIT_CASE(memory_is_not_taken_back_while_it_is_visited),
	{}
};

static struct kunit_suite visit_suite = {
	.name = "iommufd_visit",
	.init = visit_init,
	.exit = visit_exit,
	.test_cases = visit_cases,
};

kunit_test_suite(visit_suite);
