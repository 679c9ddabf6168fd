// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel allocates for a process is charged to its control group, and
 * where pages are is stored once.
 */
#include <unistd.h>

#include "kselftest_harness.h"
#include "kernel_memory.h"
#include "mock_rig.h"
#include "test_support.h"

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define HWPT (self->rig.dev.hwpt)
#define VA (self->mem.va)
#define MAP(offset, length, iova) \
	ioas_map_at(FD, IOAS, VA + (offset), length, iova)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)

#define NR_OBJECTS 512
#define OBJECT_SIZE 256		/* at least */
#define NR_MAPS 64
#define SCATTERED (16 * MIB)
#define RUN_SIZE 8UL		/* what the kernel keeps of a contiguous piece */
#define TABLE_SPAN HUGE_PAGE	/* IOVA of a table of the last level */
/* Counters of all CPUs are added up every two, however slow the machine is. */
#define STATS_SECONDS 5

#define MAP_FIRST(length, iova) MAP(0, length, iova)

/* What the control group has been charged for since the last question. */
static struct kernel_memory new_charges(struct kernel_memory *before)
{
	struct kernel_memory after, added = { .slab = -1, .tables = -1 };

	sleep(STATS_SECONDS);
	if (kernel_memory_get(&after))
		return added;
	added.slab = after.slab - before->slab;
	added.tables = after.tables - before->tables;
	*before = after;
	return added;
}

FIXTURE(container)
{
	struct mock_rig rig;
	struct memory_rig mem;
	struct kernel_memory before;
};

FIXTURE_SETUP(container)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL_RANDOM, SCATTERED));
	if (memory_group_enter())
		SKIP(return, "no control groups");
	new_charges(&self->before);
}

FIXTURE_TEARDOWN(container)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
	memory_group_leave();
}

TEST_F(container, pays_for_objects)
{
	unsigned int i;
	__u32 ioas;

	for (i = 0; i < NR_OBJECTS; i++)
		ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	EXPECT_LE(NR_OBJECTS * OBJECT_SIZE, new_charges(&self->before).slab);
}

TEST_F(container, pays_for_what_is_kept_of_scattered_pages)
{
	const size_t length = 64 * SMALL_PAGE;
	__u64 iova = MOCK_APERTURE_START;
	long alone, together, pieces;
	unsigned int i;

	for (i = 0; i < NR_MAPS; i++, iova += MIB)
		ASSERT_EQ(0, MAP_FIRST(SMALL_PAGE, iova));
	alone = new_charges(&self->before).slab;
	pieces = memory_pieces(VA, NR_MAPS * length);
	ASSERT_LT(NR_MAPS * 32, pieces);
	for (i = 0; i < NR_MAPS; i++, iova += MIB)
		ASSERT_EQ(0, MAP(i * length, length, iova));
	together = new_charges(&self->before).slab;
	EXPECT_LE(pieces * (long)RUN_SIZE, together - alone);
}

TEST_F(container, pays_for_what_is_kept_of_many_scattered_pages)
{
	long pieces = memory_pieces(VA, SCATTERED);

	ASSERT_LT(2048, pieces);
	ASSERT_EQ(0, MAP_FIRST(SCATTERED, MOCK_APERTURE_START));
	EXPECT_LE(pieces * (long)RUN_SIZE, new_charges(&self->before).slab);
}

/* Where pages are is stored once, whichever of the maps goes first. */
TEST_F(container, pays_once_for_what_is_kept_of_pages_that_are_mapped_again)
{
	__u64 again = MOCK_APERTURE_START + 2 * SCATTERED;
	__u64 part = MOCK_APERTURE_START + 4 * SCATTERED;
	long runs = memory_pieces(VA, SCATTERED) * RUN_SIZE;

	ASSERT_EQ(0, MAP_FIRST(SCATTERED, MOCK_APERTURE_START));
	EXPECT_LE(runs, new_charges(&self->before).slab);
	ASSERT_EQ(0, MAP_FIRST(SCATTERED, again));
	ASSERT_EQ(0, MAP(MIB, SCATTERED - 2 * MIB, part));
	EXPECT_GT(runs / 4, new_charges(&self->before).slab);

	ASSERT_EQ(0, UNMAP(MOCK_APERTURE_START, SCATTERED));
	EXPECT_EQ(0, mock_check_map(FD, HWPT, again, SCATTERED, VA));
	EXPECT_LT(-runs / 4, new_charges(&self->before).slab);
	ASSERT_EQ(0, UNMAP(again, SCATTERED));
	ASSERT_EQ(0, UNMAP(part, SCATTERED - 2 * MIB));
	EXPECT_GT(-runs * 3 / 4, new_charges(&self->before).slab);
}

TEST_F(container, pays_for_io_page_tables)
{
	__u64 iova = MOCK_APERTURE_START;
	unsigned int i;

	for (i = 0; i < NR_MAPS; i++, iova += TABLE_SPAN)
		ASSERT_EQ(0, MAP_FIRST(SMALL_PAGE, iova));
	EXPECT_LE(NR_MAPS * (long)SMALL_PAGE,
		  new_charges(&self->before).tables);
	for (i = 0; i < NR_MAPS; i++, iova += TABLE_SPAN)
		ASSERT_EQ(0, MAP_FIRST(8 * SMALL_PAGE, iova));
	EXPECT_LE(NR_MAPS * (long)SMALL_PAGE,
		  new_charges(&self->before).tables);
}

TEST_HARNESS_MAIN
