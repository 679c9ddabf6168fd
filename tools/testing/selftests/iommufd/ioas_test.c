// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which IOVAs an IOAS gives, takes and refuses. Nothing is attached here, so
 * no memory is ever touched.
 */
#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "test_support.h"

#define LAST_IOVA UINT64_MAX
#define LAST_PAGE (UINT64_MAX - SMALL_PAGE + 1)
#define ROOM (8 * MIB)

FIXTURE(ioas)
{
	int iommufd;
	__u32 id;
	char *va;		/* at a huge page's boundary */
	struct iommu_ioas_map map;
	struct iommu_ioas_unmap unmap;
};

FIXTURE_SETUP(ioas)
{
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->id));
	self->va = address_room(ROOM, HUGE_PAGE);
	ASSERT_NE(NULL, self->va);
	self->map = (struct iommu_ioas_map){
		.size = sizeof(self->map),
		.flags = MAP_RW | MAP_AT,
		.ioas_id = self->id,
		.user_va = (uintptr_t)self->va,
		.length = SMALL_PAGE,
	};
	self->unmap = (struct iommu_ioas_unmap){
		.size = sizeof(self->unmap),
		.ioas_id = self->id,
		.length = SMALL_PAGE,
	};
}

FIXTURE_TEARDOWN(ioas)
{
	close(self->iommufd);
}

#define MAP(iova, length) \
	ioas_map_at(self->iommufd, self->id, self->va, length, iova)
#define UNMAP(iova, length) \
	ioas_unmap(self->iommufd, self->id, iova, length, NULL)
#define MAP_CALL() checked_ioctl(self->iommufd, IOMMU_IOAS_MAP, &self->map)
#define UNMAP_CALL() \
	checked_ioctl(self->iommufd, IOMMU_IOAS_UNMAP, &self->unmap)
#define ALLOW(...) \
	allow(self->iommufd, self->id, (struct iommu_iova_range[]) \
	      { __VA_ARGS__ }, sizeof((struct iommu_iova_range[]) \
	      { __VA_ARGS__ }) / sizeof(struct iommu_iova_range))

static int allow(int iommufd, __u32 id, struct iommu_iova_range *ranges,
		 __u32 count)
{
	return ioas_allow_iovas(iommufd, id, ranges, count);
}

/* The IOVA that the kernel chooses, or a negative errno. */
static __s64 choose(int iommufd, __u32 id, const void *va, __u64 length)
{
	__u64 iova;
	int rc = ioas_map(iommufd, id, va, length, &iova);

	return rc ? rc : iova;
}

#define CHOOSE(va, length) choose(self->iommufd, self->id, va, length)

/* -- IOVA_RANGES -- */

TEST_F(ioas, a_new_one_spans_everything_at_alignment_one)
{
	struct iommu_iova_range range = { 1, 1 };
	__u64 alignment;
	__u32 count = 1;

	ASSERT_EQ(0, ioas_iova_ranges(self->iommufd, self->id, &range, &count,
				      &alignment));
	EXPECT_EQ(1, count);
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(LAST_IOVA, range.last);
	EXPECT_EQ(1, alignment);
}

TEST_F(ioas, ranges_tell_their_number_when_the_array_is_too_small)
{
	__u64 alignment = 0;
	__u32 count = 0;

	EXPECT_EQ(-EMSGSIZE, ioas_iova_ranges(self->iommufd, self->id, NULL,
					      &count, &alignment));
	EXPECT_EQ(1, count);
	EXPECT_EQ(1, alignment);
}

TEST_F(ioas, ranges_leave_the_rest_of_a_large_array_alone)
{
	struct iommu_iova_range ranges[3] = { [1] = { 7, 8 }, [2] = { 9, 9 } };
	__u32 count = 3;

	ASSERT_EQ(0, ioas_iova_ranges(self->iommufd, self->id, ranges, &count,
				      NULL));
	EXPECT_EQ(1, count);
	EXPECT_EQ(7, ranges[1].start);
	EXPECT_EQ(8, ranges[1].last);
	EXPECT_EQ(9, ranges[2].start);
}

TEST_F(ioas, ranges_need_an_array_that_can_be_written)
{
	__u32 count = 1;

	EXPECT_EQ(-EFAULT, ioas_iova_ranges(self->iommufd, self->id, NULL,
					    &count, NULL));
}

TEST_F(ioas, ranges_do_not_count_maps_or_allowed_ranges)
{
	struct iommu_iova_range range;
	__u32 count = 1;

	ASSERT_EQ(0, MAP(MIB, SMALL_PAGE));
	ASSERT_EQ(0, ALLOW({ MIB, 2 * MIB }));
	ASSERT_EQ(0, ioas_iova_ranges(self->iommufd, self->id, &range, &count,
				      NULL));
	EXPECT_EQ(1, count);
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(LAST_IOVA, range.last);
}

/* -- ALLOW_IOVAS -- */

TEST_F(ioas, maps_are_put_into_allowed_ranges)
{
	ASSERT_EQ(0, ALLOW({ 5 * MIB, 5 * MIB + 2 * SMALL_PAGE - 1 },
			   { 9 * MIB, 9 * MIB + SMALL_PAGE - 1 }));
	EXPECT_EQ(5 * MIB, CHOOSE(self->va, SMALL_PAGE));
	EXPECT_EQ(5 * MIB + SMALL_PAGE, CHOOSE(self->va, SMALL_PAGE));
	EXPECT_EQ(9 * MIB, CHOOSE(self->va, SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(self->va, SMALL_PAGE));
}

TEST_F(ioas, allowed_ranges_may_come_in_any_order)
{
	ASSERT_EQ(0, ALLOW({ 9 * MIB, 10 * MIB }, { MIB, 2 * MIB }));
	EXPECT_EQ(MIB, CHOOSE(self->va, SMALL_PAGE));
}

TEST_F(ioas, a_new_list_replaces_the_old_one)
{
	ASSERT_EQ(0, ALLOW({ 5 * MIB, 6 * MIB - 1 }));
	ASSERT_EQ(0, ALLOW({ 8 * MIB, 9 * MIB - 1 }));
	EXPECT_EQ(8 * MIB, CHOOSE(self->va, SMALL_PAGE));
}

TEST_F(ioas, an_empty_list_allows_everything)
{
	ASSERT_EQ(0, ALLOW({ 5 * MIB, 6 * MIB - 1 }));
	ASSERT_EQ(0, ioas_allow_iovas(self->iommufd, self->id, NULL, 0));
	EXPECT_EQ(SMALL_PAGE, CHOOSE(self->va, SMALL_PAGE));
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
		rc = ioas_allow_iovas(self->iommufd, self->id, wrong[i], 2);
		EXPECT_EQ(-EINVAL, rc)
			TH_LOG("list %zu", i);
	}
	EXPECT_EQ(5 * MIB, CHOOSE(self->va, SMALL_PAGE));
}

TEST_F(ioas, a_list_that_cannot_be_read_changes_nothing)
{
	ASSERT_EQ(0, ALLOW({ 5 * MIB, 6 * MIB - 1 }));
	EXPECT_EQ(-EFAULT, ioas_allow_iovas(self->iommufd, self->id, NULL, 1));
	EXPECT_EQ(-EFAULT, ioas_allow_iovas(self->iommufd, self->id,
					    (void *)-SMALL_PAGE, 1));
	EXPECT_EQ(5 * MIB, CHOOSE(self->va, SMALL_PAGE));
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
	EXPECT_EQ(-EFAULT, ioas_allow_iovas(self->iommufd, self->id, last, 2));
	*last = (struct iommu_iova_range){ 2 * MIB, MIB };
	EXPECT_EQ(-EINVAL, ioas_allow_iovas(self->iommufd, self->id, last, 2));
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
	EXPECT_EQ(MIB + SMALL_PAGE, CHOOSE(self->va, SMALL_PAGE));
}

/* -- MAP: what is refused -- */

TEST_F(ioas, map_refuses_the_largest_iova_and_length)
{
	self->map.iova = LAST_IOVA;
	EXPECT_EQ(-EOVERFLOW, MAP_CALL());
	self->map.iova = MIB;
	self->map.length = UINT64_MAX;
	EXPECT_EQ(-EOVERFLOW, MAP_CALL());
	self->map.flags &= ~MAP_AT;
	EXPECT_EQ(-EOVERFLOW, MAP_CALL());
}

TEST_F(ioas, map_needs_some_access)
{
	__u64 iova = MIB;

	EXPECT_EQ(-EINVAL, ioas_map_flags(self->iommufd, self->id, 0, self->va,
					  SMALL_PAGE, &iova));
	iova = MIB;
	EXPECT_EQ(-EINVAL, ioas_map_flags(self->iommufd, self->id, MAP_AT,
					  self->va, SMALL_PAGE, &iova));
}

TEST_F(ioas, map_takes_each_kind_of_access)
{
	static const __u32 access[] = {
		IOMMU_IOAS_MAP_READABLE,
		IOMMU_IOAS_MAP_WRITEABLE,
		IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
	};
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(access); i++) {
		self->map.flags = access[i] | MAP_AT;
		self->map.iova = (i + 1) * MIB;
		rc = MAP_CALL();
		EXPECT_EQ(0, rc);
	}
}

TEST_F(ioas, map_refuses_memory_that_wraps)
{
	self->map.iova = MIB;
	self->map.user_va = UINT64_MAX - SMALL_PAGE + 2;
	EXPECT_EQ(-EOVERFLOW, MAP_CALL());
	self->map.user_va = UINT64_MAX;
	EXPECT_EQ(-EOVERFLOW, MAP_CALL());
	self->map.user_va = SMALL_PAGE;
	self->map.length = UINT64_MAX - SMALL_PAGE + 1;
	EXPECT_EQ(-EOVERFLOW, MAP_CALL());
}

TEST_F(ioas, map_refuses_lengths_of_nothing_and_of_everything)
{
	self->map.iova = MIB;
	self->map.length = 0;
	EXPECT_EQ(-EINVAL, MAP_CALL());
	self->map.user_va = 0;
	self->map.length = UINT64_MAX - 1;
	EXPECT_EQ(-EINVAL, MAP_CALL());
}

TEST_F(ioas, map_refuses_iovas_that_wrap)
{
	EXPECT_EQ(-EOVERFLOW, MAP(LAST_PAGE, SMALL_PAGE + 1));
	EXPECT_EQ(-EOVERFLOW, MAP(LAST_IOVA - 1, 3));
	EXPECT_EQ(-EOVERFLOW, MAP(LAST_PAGE, MIB));
}

TEST_F(ioas, map_refuses_to_choose_for_half_the_space)
{
	self->map.flags &= ~MAP_AT;
	self->map.user_va = 0;
	self->map.length = UINT64_MAX / 2;
	EXPECT_EQ(-EOVERFLOW, MAP_CALL());
}

TEST_F(ioas, map_reports_the_first_of_many_mistakes)
{
	self->map.flags = 1U << 31;
	self->map.iova = UINT64_MAX;
	self->map.ioas_id = NO_SUCH_ID;
	self->map.length = 0;

	EXPECT_EQ(-EOPNOTSUPP, MAP_CALL());
	self->map.flags = MAP_AT;
	self->map.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, MAP_CALL());
	self->map.__reserved = 0;
	EXPECT_EQ(-EOVERFLOW, MAP_CALL());
	self->map.iova = MIB;
	EXPECT_EQ(-EINVAL, MAP_CALL());
	self->map.flags = MAP_RW | MAP_AT;
	EXPECT_EQ(-ENOENT, MAP_CALL());
	self->map.ioas_id = self->id;
	EXPECT_EQ(-EINVAL, MAP_CALL());
	self->map.length = SMALL_PAGE;
	EXPECT_EQ(0, MAP_CALL());
}

TEST_F(ioas, a_refused_map_leaves_its_iova_free)
{
	self->map.iova = MIB;
	self->map.length = 0;
	ASSERT_EQ(-EINVAL, MAP_CALL());
	EXPECT_EQ(-ENOENT, UNMAP(MIB, SMALL_PAGE));
	EXPECT_EQ(0, MAP(MIB, SMALL_PAGE));
}

/* -- MAP at a fixed IOVA -- */

TEST_F(ioas, map_writes_the_iova_back)
{
	self->map.iova = 3 * MIB;
	ASSERT_EQ(0, MAP_CALL());
	EXPECT_EQ(3 * MIB, self->map.iova);
}

TEST_F(ioas, fixed_maps_reach_both_ends_of_the_space)
{
	EXPECT_EQ(0, MAP(0, SMALL_PAGE));
	EXPECT_EQ(0, MAP(LAST_PAGE, SMALL_PAGE));
	EXPECT_EQ(-EEXIST, MAP(0, 1));
	EXPECT_EQ(-EEXIST, MAP(LAST_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(LAST_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(0, SMALL_PAGE));
}

TEST_F(ioas, the_last_byte_can_be_mapped_with_its_neighbour)
{
	EXPECT_EQ(0, MAP(LAST_IOVA - 1, 2));
	EXPECT_EQ(-EEXIST, MAP(LAST_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(LAST_IOVA - 1, 2));
}

TEST_F(ioas, fixed_maps_may_not_touch_each_other)
{
	static const struct {
		__u64 iova, length;
	} taken[] = {
		{ 4 * MIB, 1 },
		{ 4 * MIB, MIB },
		{ 3 * MIB, MIB + 1 },
		{ 5 * MIB - 1, 1 },
		{ 5 * MIB - 1, MIB },
		{ 3 * MIB, 4 * MIB },
		{ 4 * MIB + SMALL_PAGE, SMALL_PAGE },
	};
	size_t i;
	int rc;

	ASSERT_EQ(0, MAP(4 * MIB, MIB));
	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		rc = MAP(taken[i].iova, taken[i].length);
		EXPECT_EQ(-EEXIST, rc)
			TH_LOG("%#llx, %#llx", taken[i].iova, taken[i].length);
	}
	EXPECT_EQ(0, MAP(3 * MIB, MIB));
	EXPECT_EQ(0, MAP(5 * MIB, MIB));
}

TEST_F(ioas, without_devices_any_byte_may_be_mapped)
{
	EXPECT_EQ(0, MAP(1, 1));
	EXPECT_EQ(0, MAP(2, 5));
	EXPECT_EQ(-EEXIST, MAP(6, 1));
	EXPECT_EQ(0, MAP(7, SMALL_PAGE + 1));
	EXPECT_EQ(0, UNMAP(1, 6));
	EXPECT_EQ(0, UNMAP(7, SMALL_PAGE + 1));
}

TEST_F(ioas, memory_is_not_looked_at_before_a_device_needs_it)
{
	ASSERT_EQ(0, munmap(self->va, ROOM));
	EXPECT_EQ(0, MAP(MIB, SMALL_PAGE));
	self->map.user_va = 0;
	self->map.iova = 2 * MIB;
	EXPECT_EQ(0, MAP_CALL());
	self->map.user_va = UINT64_MAX - 2 * SMALL_PAGE + 1;
	self->map.iova = 3 * MIB;
	EXPECT_EQ(0, MAP_CALL());
	EXPECT_EQ(0, vm_pinned());
}

/* -- MAP at an IOVA of the kernel's choice -- */

TEST_F(ioas, the_lowest_iova_that_fits_is_chosen)
{
	char *va = self->va + SMALL_PAGE;

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
	EXPECT_EQ(SMALL_PAGE, CHOOSE(self->va, SMALL_PAGE));
	EXPECT_EQ((__s64)(LAST_PAGE - SMALL_PAGE),
		  CHOOSE(self->va, SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(self->va, SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(self->va, 1));
}

TEST_F(ioas, a_choice_is_aligned_to_the_memory_its_length_and_a_huge_page)
{
	EXPECT_EQ(2 * SMALL_PAGE, CHOOSE(self->va, 2 * SMALL_PAGE));
	EXPECT_EQ(16 * SMALL_PAGE, CHOOSE(self->va, 16 * SMALL_PAGE));
	EXPECT_EQ(64 * SMALL_PAGE, CHOOSE(self->va, 33 * SMALL_PAGE));
	EXPECT_EQ(4 * SMALL_PAGE, CHOOSE(self->va + 4 * SMALL_PAGE,
					 8 * SMALL_PAGE));
	EXPECT_EQ(HUGE_PAGE, CHOOSE(self->va, 2 * HUGE_PAGE));
	EXPECT_EQ(3 * HUGE_PAGE, CHOOSE(self->va, 2 * HUGE_PAGE));
}

TEST_F(ioas, at_address_zero_only_the_length_aligns)
{
	EXPECT_EQ(4 * SMALL_PAGE, CHOOSE(NULL, 3 * SMALL_PAGE));
	EXPECT_EQ(HUGE_PAGE, CHOOSE(NULL, 4 * HUGE_PAGE));
}

TEST_F(ioas, a_choice_keeps_the_offset_in_the_page)
{
	char *va = self->va + SMALL_PAGE;

	EXPECT_EQ(SMALL_PAGE + 0x123, CHOOSE(va + 0x123, SMALL_PAGE));
	EXPECT_EQ(2 * SMALL_PAGE + 0xfff, CHOOSE(va + 0xfff, SMALL_PAGE + 1));
}

TEST_F(ioas, a_choice_needs_one_hole_that_is_large_enough)
{
	ASSERT_EQ(0, ALLOW({ MIB, MIB + 3 * SMALL_PAGE - 1 },
			   { 3 * MIB, 3 * MIB + 3 * SMALL_PAGE - 1 }));
	ASSERT_EQ(0, MAP(MIB + SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(3 * MIB, CHOOSE(self->va, 2 * SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(self->va, 2 * SMALL_PAGE));
	EXPECT_EQ(MIB, CHOOSE(self->va, SMALL_PAGE));
}

TEST_F(ioas, an_allowed_range_that_begins_in_a_page_is_used_from_the_next)
{
	ASSERT_EQ(0, ALLOW({ MIB + 1, MIB + 3 * SMALL_PAGE }));
	EXPECT_EQ(MIB + SMALL_PAGE, CHOOSE(self->va, SMALL_PAGE));
	EXPECT_EQ(MIB + 2 * SMALL_PAGE, CHOOSE(self->va, SMALL_PAGE));
	EXPECT_EQ(-ENOSPC, CHOOSE(self->va, SMALL_PAGE));
}

/* -- UNMAP -- */

TEST_F(ioas, unmap_tells_how_many_bytes_went)
{
	__u64 unmapped;

	ASSERT_EQ(0, MAP(MIB, SMALL_PAGE));
	ASSERT_EQ(0, MAP(2 * MIB, 3 * SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap(self->iommufd, self->id, 0, 16 * MIB,
				&unmapped));
	EXPECT_EQ(4 * SMALL_PAGE, unmapped);
	EXPECT_EQ(0, MAP(MIB, 2 * MIB));
}

TEST_F(ioas, unmap_finds_nothing_twice)
{
	EXPECT_EQ(-ENOENT, UNMAP(MIB, SMALL_PAGE));
	ASSERT_EQ(0, MAP(MIB, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(MIB, SMALL_PAGE));
	EXPECT_EQ(-ENOENT, UNMAP(MIB, SMALL_PAGE));
}

TEST_F(ioas, unmap_takes_whole_maps_only)
{
	static const struct {
		__u64 iova, length;
	} partial[] = {
		{ MIB, SMALL_PAGE },
		{ MIB + SMALL_PAGE, SMALL_PAGE },
		{ MIB + 2 * SMALL_PAGE, SMALL_PAGE },
		{ MIB, 3 * SMALL_PAGE - 1 },
		{ MIB + 1, 3 * SMALL_PAGE - 1 },
		{ 0, MIB + SMALL_PAGE },
		{ MIB + SMALL_PAGE, MIB },
	};
	size_t i;
	int rc;

	ASSERT_EQ(0, MAP(MIB, 3 * SMALL_PAGE));
	for (i = 0; i < ARRAY_SIZE(partial); i++) {
		rc = UNMAP(partial[i].iova, partial[i].length);
		EXPECT_EQ(-ENOENT, rc)
			TH_LOG("%#llx, %#llx", partial[i].iova,
			       partial[i].length);
	}
	EXPECT_EQ(0, UNMAP(MIB, 3 * SMALL_PAGE));
}

TEST_F(ioas, a_map_that_sticks_out_of_the_unmapped_range_stays)
{
	ASSERT_EQ(0, MAP(MIB, SMALL_PAGE));
	ASSERT_EQ(0, MAP(MIB + SMALL_PAGE, 2 * SMALL_PAGE));
	EXPECT_EQ(-ENOENT, UNMAP(MIB, 2 * SMALL_PAGE));
	EXPECT_EQ(-EEXIST, MAP(MIB + SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(MIB + SMALL_PAGE, 2 * SMALL_PAGE));
}

TEST_F(ioas, unmap_of_everything_succeeds_on_nothing)
{
	__u64 unmapped = 1;

	EXPECT_EQ(0, ioas_unmap_all(self->iommufd, self->id, &unmapped));
	EXPECT_EQ(0, unmapped);
}

TEST_F(ioas, unmap_of_everything_takes_both_ends)
{
	__u64 unmapped;

	ASSERT_EQ(0, MAP(0, SMALL_PAGE));
	ASSERT_EQ(0, MAP(MIB, MIB));
	ASSERT_EQ(0, MAP(LAST_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap_all(self->iommufd, self->id, &unmapped));
	EXPECT_EQ(MIB + 2 * SMALL_PAGE, unmapped);
	EXPECT_EQ(0, MAP(0, SMALL_PAGE));
	EXPECT_EQ(0, MAP(LAST_PAGE, SMALL_PAGE));
}

TEST_F(ioas, unmap_refuses_impossible_ranges)
{
	ASSERT_EQ(0, MAP(LAST_PAGE, SMALL_PAGE));
	EXPECT_EQ(-EOVERFLOW, UNMAP(UINT64_MAX, SMALL_PAGE));
	EXPECT_EQ(-EOVERFLOW, UNMAP(MIB, UINT64_MAX));
	EXPECT_EQ(-EOVERFLOW, UNMAP(LAST_PAGE, SMALL_PAGE + 1));
	EXPECT_EQ(-EINVAL, UNMAP(MIB, 0));
	EXPECT_EQ(-EINVAL, UNMAP(0, 0));
	EXPECT_EQ(0, UNMAP(LAST_PAGE, SMALL_PAGE));
}

TEST_F(ioas, unmap_reports_a_wrong_id_before_a_wrong_range)
{
	self->unmap.ioas_id = NO_SUCH_ID;
	self->unmap.iova = UINT64_MAX;
	EXPECT_EQ(-ENOENT, UNMAP_CALL());
	self->unmap.iova = 0;
	self->unmap.length = UINT64_MAX;
	EXPECT_EQ(-ENOENT, UNMAP_CALL());
	self->unmap.ioas_id = self->id;
	EXPECT_EQ(0, UNMAP_CALL());
	EXPECT_EQ(0, self->unmap.length);
}

TEST_F(ioas, maps_of_one_ioas_are_not_in_another)
{
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &other));
	ASSERT_EQ(0, MAP(MIB, SMALL_PAGE));
	EXPECT_EQ(-ENOENT, ioas_unmap(self->iommufd, other, MIB, SMALL_PAGE,
				      NULL));
	EXPECT_EQ(0, ioas_map_at(self->iommufd, other, self->va, SMALL_PAGE,
				 MIB));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, other));
	EXPECT_EQ(0, UNMAP(MIB, SMALL_PAGE));
}

TEST_F(ioas, many_maps_are_found_again)
{
	const int count = 2000;
	__u64 unmapped;
	int i, rc = 0;

	for (i = 0; i < count && !rc; i++)
		rc = MAP((i * 7 % count) * 2 * SMALL_PAGE, SMALL_PAGE);
	ASSERT_EQ(0, rc);
	for (i = 0; i < count && !rc; i += 2)
		rc = UNMAP(i * 2 * SMALL_PAGE, 2 * SMALL_PAGE);
	ASSERT_EQ(0, rc);
	EXPECT_EQ(0, ioas_unmap_all(self->iommufd, self->id, &unmapped));
	EXPECT_EQ(count / 2 * SMALL_PAGE, unmapped);
}

/* -- OPTION -- */

#define GET(option, id, value) \
	iommufd_option_get(self->iommufd, option, id, value)
#define SET(option, id, value) \
	iommufd_option_set(self->iommufd, option, id, value)

TEST_F(ioas, huge_pages_are_on_and_can_be_switched)
{
	__u64 value;

	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, self->id, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, self->id, 0));
	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, self->id, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, self->id, 1));
	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, self->id, &value));
	EXPECT_EQ(1, value);
}

TEST_F(ioas, huge_pages_take_no_other_value_or_operation)
{
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = 2,
		.object_id = self->id,
	};
	__u64 value;

	EXPECT_EQ(-EINVAL, SET(IOMMU_OPTION_HUGE_PAGES, self->id, 2));
	EXPECT_EQ(-EINVAL, SET(IOMMU_OPTION_HUGE_PAGES, self->id, UINT64_MAX));
	EXPECT_EQ(-EOPNOTSUPP, checked_ioctl(self->iommufd, IOMMU_OPTION,
					     &option));
	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, self->id, &value));
	EXPECT_EQ(1, value);
}

TEST_F(ioas, without_huge_pages_maps_are_whole_pages)
{
	ASSERT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, self->id, 0));
	EXPECT_EQ(SMALL_PAGE, ioas_alignment(self->iommufd, self->id));
	EXPECT_EQ(-EINVAL, MAP(MIB + 1, SMALL_PAGE));
	EXPECT_EQ(-EINVAL, MAP(MIB, SMALL_PAGE - 1));
	EXPECT_EQ(-EINVAL, MAP(MIB, SMALL_PAGE + 1));
	EXPECT_EQ(-EINVAL, ioas_map_at(self->iommufd, self->id, self->va + 1,
				       SMALL_PAGE, MIB));
	EXPECT_EQ(-EINVAL, CHOOSE(self->va + 1, SMALL_PAGE));
	EXPECT_EQ(-EINVAL, CHOOSE(self->va, 1));
	EXPECT_EQ(0, MAP(MIB, SMALL_PAGE));
	ASSERT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, self->id, 1));
	EXPECT_EQ(1, ioas_alignment(self->iommufd, self->id));
	EXPECT_EQ(0, MAP(2 * MIB + 1, 1));
}

TEST_F(ioas, huge_pages_stay_on_while_a_map_is_not_whole_pages)
{
	static const struct {
		__u64 iova, length, offset;
	} unfit[] = {
		{ MIB + 1, SMALL_PAGE, 0 },
		{ MIB, SMALL_PAGE - 1, 0 },
		{ MIB, SMALL_PAGE, 1 },
	};
	__u64 value;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(unfit); i++) {
		ASSERT_EQ(0, ioas_map_at(self->iommufd, self->id,
					 self->va + unfit[i].offset,
					 unfit[i].length, unfit[i].iova));
		rc = SET(IOMMU_OPTION_HUGE_PAGES, self->id, 0);
		EXPECT_EQ(-EADDRINUSE, rc)
			TH_LOG("map %zu", i);
		EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, self->id, &value));
		EXPECT_EQ(1, value);
		EXPECT_EQ(1, ioas_alignment(self->iommufd, self->id));
		ASSERT_EQ(0, ioas_unmap_all(self->iommufd, self->id, NULL));
	}
	EXPECT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, self->id, 0));
}

TEST_F(ioas, huge_pages_of_one_ioas_are_not_those_of_another)
{
	__u64 value;
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &other));
	ASSERT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, self->id, 0));
	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, other, &value));
	EXPECT_EQ(1, value);
	/* neither call has kept it */
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, self->id));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, other));
}

TEST_F(ioas, the_accounting_mode_is_fixed_by_the_first_object)
{
	__u64 value;

	EXPECT_EQ(-EBUSY, SET(IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_EQ(0, GET(IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, iommufd_destroy(self->iommufd, self->id));
	EXPECT_EQ(0, SET(IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_EQ(0, GET(IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(0, SET(IOMMU_OPTION_RLIMIT_MODE, 0, 0));
	EXPECT_EQ(0, GET(IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(0, value);
}

TEST_F(ioas, the_accounting_mode_takes_no_other_value)
{
	ASSERT_EQ(0, iommufd_destroy(self->iommufd, self->id));
	EXPECT_EQ(-EINVAL, SET(IOMMU_OPTION_RLIMIT_MODE, 0, 2));
	EXPECT_EQ(-EINVAL, SET(IOMMU_OPTION_RLIMIT_MODE, 0, UINT64_MAX));
	EXPECT_EQ(-EOPNOTSUPP, SET(IOMMU_OPTION_RLIMIT_MODE, 1, 1));
}

TEST_F(ioas, the_accounting_mode_is_for_privileged_users_to_set)
{
	__u64 value;

	ASSERT_EQ(0, iommufd_destroy(self->iommufd, self->id));
	ASSERT_EQ(0, drop_capability(CAP_SYS_RESOURCE));
	EXPECT_EQ(-EPERM, SET(IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_EQ(0, GET(IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(0, value);
}

TEST_F(ioas, the_accounting_mode_of_one_file_is_not_that_of_another)
{
	int other = iommufd_open();
	__u64 value;

	ASSERT_EQ(0, iommufd_option_set(other, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_EQ(0, GET(IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(0, value);
	close(other);
}

/* -- VFIO_IOAS -- */

#define VFIO_IOAS(op, id) vfio_ioas(self->iommufd, IOMMU_VFIO_IOAS_##op, id)

TEST_F(ioas, there_is_no_compatibility_ioas_before_one_is_set)
{
	__u32 id = self->id;

	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
	EXPECT_EQ(0, VFIO_IOAS(CLEAR, &id));
	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
}

TEST_F(ioas, the_compatibility_ioas_is_the_one_last_set)
{
	__u32 id = self->id, other;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &other));
	EXPECT_EQ(0, VFIO_IOAS(SET, &other));
	EXPECT_EQ(0, VFIO_IOAS(SET, &id));
	id = 0;
	EXPECT_EQ(0, VFIO_IOAS(GET, &id));
	EXPECT_EQ(self->id, id);
	EXPECT_EQ(0, VFIO_IOAS(CLEAR, &id));
	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
}

TEST_F(ioas, a_wrong_id_leaves_the_compatibility_ioas)
{
	__u32 id = self->id;

	ASSERT_EQ(0, VFIO_IOAS(SET, &id));
	id = NO_SUCH_ID;
	EXPECT_EQ(-ENOENT, VFIO_IOAS(SET, &id));
	EXPECT_EQ(0, VFIO_IOAS(GET, &id));
	EXPECT_EQ(self->id, id);
}

TEST_F(ioas, destroying_the_compatibility_ioas_clears_it)
{
	__u32 id = self->id;

	ASSERT_EQ(0, VFIO_IOAS(SET, &id));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, self->id));
	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &id));
	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
}

TEST_HARNESS_MAIN
