// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which IOVAs an IOAS has, which ones a program allows, and which one the kernel
 * chooses for a map. Nothing is attached here, so no memory is ever touched.
 */
#include "kselftest_harness.h"
#include "ioas_fixture.h"
#include "test_support.h"

#define LAST_IOVA UINT64_MAX
#define LAST_PAGE (UINT64_MAX - SMALL_PAGE + 1)

#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)
#define ALLOW(...) \
	allow(FD, IOAS, (struct iommu_iova_range[]) \
	      { __VA_ARGS__ }, sizeof((struct iommu_iova_range[]) \
	      { __VA_ARGS__ }) / sizeof(struct iommu_iova_range))

static int allow(int iommufd, __u32 id, struct iommu_iova_range *ranges,
		 __u32 count)
{
	return ioas_allow_iovas(iommufd, id, ranges, count);
}

/* -- IOVA_RANGES -- */

TEST_F(ioas, a_new_one_spans_everything_at_alignment_one)
{
	struct iommu_iova_range range = { 1, 1 };
	__u64 alignment;
	__u32 count = 1;

	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, &range, &count, &alignment));
	EXPECT_EQ(1, count);
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(LAST_IOVA, range.last);
	EXPECT_EQ(1, alignment);
}

TEST_F(ioas, ranges_tell_their_number_when_the_array_is_too_small)
{
	__u64 alignment = 0;
	__u32 count = 0;

	EXPECT_EQ(-EMSGSIZE, ioas_iova_ranges(FD, IOAS, NULL,
					      &count, &alignment));
	EXPECT_EQ(1, count);
	EXPECT_EQ(1, alignment);
}

TEST_F(ioas, ranges_leave_the_rest_of_a_large_array_alone)
{
	struct iommu_iova_range ranges[3] = { [1] = { 7, 8 }, [2] = { 9, 9 } };
	__u32 count = 3;

	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, ranges, &count, NULL));
	EXPECT_EQ(1, count);
	EXPECT_EQ(7, ranges[1].start);
	EXPECT_EQ(8, ranges[1].last);
	EXPECT_EQ(9, ranges[2].start);
}

TEST_F(ioas, ranges_need_an_array_that_can_be_written)
{
	__u32 count = 1;

	EXPECT_EQ(-EFAULT, ioas_iova_ranges(FD, IOAS, NULL, &count, NULL));
}

TEST_F(ioas, ranges_do_not_count_maps_or_allowed_ranges)
{
	struct iommu_iova_range range;
	__u32 count = 1;

	ASSERT_EQ(0, MAP(MIB, SMALL_PAGE));
	ASSERT_EQ(0, ALLOW({ MIB, 2 * MIB }));
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, &range, &count, NULL));
	EXPECT_EQ(1, count);
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(LAST_IOVA, range.last);
}

/* -- ALLOW_IOVAS -- */

TEST_F(ioas, maps_are_put_into_allowed_ranges)
{
	ASSERT_EQ(0, ALLOW({ 5 * MIB, 5 * MIB + 2 * SMALL_PAGE - 1 },
			   { 9 * MIB, 9 * MIB + SMALL_PAGE - 1 }));
	EXPECT_EQ(5 * MIB, CHOOSE(VA, SMALL_PAGE));
	EXPECT_EQ(5 * MIB + SMALL_PAGE, CHOOSE(VA, SMALL_PAGE));
	EXPECT_EQ(9 * MIB, CHOOSE(VA, SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(VA, SMALL_PAGE));
}

TEST_F(ioas, allowed_ranges_may_come_in_any_order)
{
	ASSERT_EQ(0, ALLOW({ 9 * MIB, 10 * MIB }, { MIB, 2 * MIB }));
	EXPECT_EQ(MIB, CHOOSE(VA, SMALL_PAGE));
}

TEST_F(ioas, a_new_list_replaces_the_old_one)
{
	ASSERT_EQ(0, ALLOW({ 5 * MIB, 6 * MIB - 1 }));
	ASSERT_EQ(0, ALLOW({ 8 * MIB, 9 * MIB - 1 }));
	EXPECT_EQ(8 * MIB, CHOOSE(VA, SMALL_PAGE));
}

TEST_F(ioas, an_empty_list_allows_everything)
{
	ASSERT_EQ(0, ALLOW({ 5 * MIB, 6 * MIB - 1 }));
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, NULL, 0));
	EXPECT_EQ(SMALL_PAGE, CHOOSE(VA, SMALL_PAGE));
}

TEST_F(ioas, a_list_with_a_wrong_entry_changes_nothing)
{
	const struct iommu_iova_range wrong[][3] = {
		{ { 8 * MIB, 9 * MIB }, { 2 * MIB, MIB } },
		{ { 8 * MIB, 9 * MIB }, { MIB, MIB } },
		{ { 8 * MIB, 9 * MIB }, { 9 * MIB, 10 * MIB } },
		{ { 8 * MIB, 9 * MIB }, { 7 * MIB, 8 * MIB } },
		{ { 8 * MIB, 9 * MIB }, { 0, LAST_IOVA } },
		{ { LAST_IOVA - 1, LAST_IOVA }, { LAST_IOVA, LAST_IOVA } },
	};
	size_t i;
	int rc;

	ASSERT_EQ(0, ALLOW({ 5 * MIB, 6 * MIB - 1 }));
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		rc = ioas_allow_iovas(FD, IOAS, wrong[i], 2);
		EXPECT_EQ(-EINVAL, rc)
			TH_LOG("list %zu", i);
	}
	EXPECT_EQ(5 * MIB, CHOOSE(VA, SMALL_PAGE));
}

TEST_F(ioas, a_list_that_cannot_be_read_changes_nothing)
{
	ASSERT_EQ(0, ALLOW({ 5 * MIB, 6 * MIB - 1 }));
	EXPECT_EQ(-EFAULT, ioas_allow_iovas(FD, IOAS, NULL, 1));
	EXPECT_EQ(-EFAULT, ioas_allow_iovas(FD, IOAS, (void *)-SMALL_PAGE, 1));
	EXPECT_EQ(5 * MIB, CHOOSE(VA, SMALL_PAGE));
}

/* Entries are looked at one by one: the first bad one decides. */
TEST_F(ioas, the_first_wrong_entry_of_a_list_decides)
{
	struct iommu_iova_range *last;
	char *page = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, munmap(page + SMALL_PAGE, SMALL_PAGE));
	last = (struct iommu_iova_range *)(page + SMALL_PAGE) - 1;
	*last = (struct iommu_iova_range){ MIB, 2 * MIB };
	EXPECT_EQ(-EFAULT, ioas_allow_iovas(FD, IOAS, last, 2));
	*last = (struct iommu_iova_range){ 2 * MIB, MIB };
	EXPECT_EQ(-EINVAL, ioas_allow_iovas(FD, IOAS, last, 2));
}

TEST_F(ioas, neighbouring_ranges_and_both_ends_are_allowed)
{
	EXPECT_EQ(0, ALLOW({ 0, MIB - 1 }, { MIB, 2 * MIB }));
	EXPECT_EQ(0, ALLOW({ 0, LAST_IOVA }));
	EXPECT_EQ(0, ALLOW({ LAST_IOVA - 1, LAST_IOVA }, { 0, 1 }));
}

TEST_F(ioas, maps_and_allowed_ranges_do_not_hinder_each_other)
{
	ASSERT_EQ(0, MAP(MIB, SMALL_PAGE));
	EXPECT_EQ(0, ALLOW({ MIB, 2 * MIB }));
	EXPECT_EQ(0, MAP(16 * MIB, SMALL_PAGE));
	EXPECT_EQ(MIB + SMALL_PAGE, CHOOSE(VA, SMALL_PAGE));
}

/* -- MAP at an IOVA of the kernel's choice -- */

TEST_F(ioas, the_lowest_iova_that_fits_is_chosen)
{
	char *va = VA + SMALL_PAGE;

	EXPECT_EQ(1 * SMALL_PAGE, CHOOSE(va, SMALL_PAGE));
	EXPECT_EQ(2 * SMALL_PAGE, CHOOSE(va, SMALL_PAGE));
	EXPECT_EQ(3 * SMALL_PAGE, CHOOSE(va, SMALL_PAGE));
	ASSERT_EQ(0, UNMAP(2 * SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(4 * SMALL_PAGE, CHOOSE(va, 2 * SMALL_PAGE));
	EXPECT_EQ(2 * SMALL_PAGE, CHOOSE(va, SMALL_PAGE));
}

TEST_F(ioas, the_first_and_the_last_page_are_never_chosen)
{
	ASSERT_EQ(0, ALLOW({ 0, 2 * SMALL_PAGE - 1 },
			   { LAST_PAGE - SMALL_PAGE, LAST_IOVA }));
	EXPECT_EQ(SMALL_PAGE, CHOOSE(VA, SMALL_PAGE));
	EXPECT_EQ((__s64)(LAST_PAGE - SMALL_PAGE), CHOOSE(VA, SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(VA, SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(VA, 1));
}

TEST_F(ioas, a_choice_is_aligned_to_the_memory_its_length_and_a_huge_page)
{
	EXPECT_EQ(2 * SMALL_PAGE, CHOOSE(VA, 2 * SMALL_PAGE));
	EXPECT_EQ(16 * SMALL_PAGE, CHOOSE(VA, 16 * SMALL_PAGE));
	EXPECT_EQ(64 * SMALL_PAGE, CHOOSE(VA, 33 * SMALL_PAGE));
	EXPECT_EQ(4 * SMALL_PAGE, CHOOSE(VA + 4 * SMALL_PAGE, 8 * SMALL_PAGE));
	EXPECT_EQ(HUGE_PAGE, CHOOSE(VA, 2 * HUGE_PAGE));
	EXPECT_EQ(3 * HUGE_PAGE, CHOOSE(VA, 2 * HUGE_PAGE));
}

TEST_F(ioas, at_address_zero_only_the_length_aligns)
{
	EXPECT_EQ(4 * SMALL_PAGE, CHOOSE(NULL, 3 * SMALL_PAGE));
	EXPECT_EQ(HUGE_PAGE, CHOOSE(NULL, 4 * HUGE_PAGE));
}

TEST_F(ioas, a_choice_keeps_the_offset_in_the_page)
{
	char *va = VA + SMALL_PAGE;

	EXPECT_EQ(SMALL_PAGE + 0x123, CHOOSE(va + 0x123, SMALL_PAGE));
	EXPECT_EQ(2 * SMALL_PAGE + 0xfff, CHOOSE(va + 0xfff, SMALL_PAGE + 1));
}

TEST_F(ioas, a_choice_needs_one_hole_that_is_large_enough)
{
	ASSERT_EQ(0, ALLOW({ MIB, MIB + 3 * SMALL_PAGE - 1 },
			   { 3 * MIB, 3 * MIB + 3 * SMALL_PAGE - 1 }));
	ASSERT_EQ(0, MAP(MIB + SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(3 * MIB, CHOOSE(VA, 2 * SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(VA, 2 * SMALL_PAGE));
	EXPECT_EQ(MIB, CHOOSE(VA, SMALL_PAGE));
}

TEST_F(ioas, an_allowed_range_that_begins_in_a_page_is_used_from_the_next)
{
	ASSERT_EQ(0, ALLOW({ MIB + 1, MIB + 3 * SMALL_PAGE }));
	EXPECT_EQ(MIB + SMALL_PAGE, CHOOSE(VA, SMALL_PAGE));
	EXPECT_EQ(MIB + 2 * SMALL_PAGE, CHOOSE(VA, SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(VA, SMALL_PAGE));
}

TEST_HARNESS_MAIN
