// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which maps an IOAS takes, refuses and lets go of. Nothing is attached here, so
 * no memory is ever touched.
 */
#include "kselftest_harness.h"
#include "checked_io.h"
#include "ioas_rig.h"
#include "test_support.h"

#define LAST_IOVA UINT64_MAX
#define LAST_PAGE (UINT64_MAX - SMALL_PAGE + 1)

FIXTURE(ioas)
{
	struct ioas_rig rig;
	struct iommu_ioas_map map;
	struct iommu_ioas_unmap unmap;
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->rig.va)

FIXTURE_SETUP(ioas)
{
	MAKE(ioas_rig_make(&self->rig));
	self->map = (struct iommu_ioas_map){
		.size = sizeof(self->map),
		.flags = MAP_RW | MAP_AT,
		.ioas_id = IOAS,
		.user_va = (uintptr_t)VA,
		.length = SMALL_PAGE,
	};
	self->unmap = (struct iommu_ioas_unmap){
		.size = sizeof(self->unmap),
		.ioas_id = IOAS,
		.length = SMALL_PAGE,
	};
}

FIXTURE_TEARDOWN(ioas)
{
	ioas_rig_break(&self->rig);
}

#define MAP(iova, length) ioas_map_at(FD, IOAS, VA, length, iova)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)
#define MAP_CALL() checked_ioctl(FD, IOMMU_IOAS_MAP, &self->map)
#define UNMAP_CALL() checked_ioctl(FD, IOMMU_IOAS_UNMAP, &self->unmap)

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

	EXPECT_EQ(-EINVAL, ioas_map_flags(FD, IOAS, 0, VA, SMALL_PAGE, &iova));
	iova = MIB;
	EXPECT_EQ(-EINVAL, ioas_map_flags(FD, IOAS, MAP_AT,
					  VA, SMALL_PAGE, &iova));
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
	self->map.ioas_id = IOAS;
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
	ASSERT_EQ(0, munmap(VA, IOAS_RIG_ROOM));
	EXPECT_EQ(0, MAP(MIB, SMALL_PAGE));
	self->map.user_va = 0;
	self->map.iova = 2 * MIB;
	EXPECT_EQ(0, MAP_CALL());
	self->map.user_va = UINT64_MAX - 2 * SMALL_PAGE + 1;
	self->map.iova = 3 * MIB;
	EXPECT_EQ(0, MAP_CALL());
	EXPECT_EQ(0, vm_pinned());
}

/* -- UNMAP -- */

TEST_F(ioas, unmap_tells_how_many_bytes_went)
{
	__u64 unmapped;

	ASSERT_EQ(0, MAP(MIB, SMALL_PAGE));
	ASSERT_EQ(0, MAP(2 * MIB, 3 * SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, 0, 16 * MIB, &unmapped));
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
	EXPECT_EQ(-EEXIST, MAP(MIB, SMALL_PAGE));
	EXPECT_EQ(-EEXIST, MAP(MIB + SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(MIB + SMALL_PAGE, 2 * SMALL_PAGE));
}

TEST_F(ioas, unmap_of_everything_succeeds_on_nothing)
{
	__u64 unmapped = 1;

	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, &unmapped));
	EXPECT_EQ(0, unmapped);
}

TEST_F(ioas, unmap_of_everything_takes_both_ends)
{
	__u64 unmapped;

	ASSERT_EQ(0, MAP(0, SMALL_PAGE));
	ASSERT_EQ(0, MAP(MIB, MIB));
	ASSERT_EQ(0, MAP(LAST_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, &unmapped));
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
	self->unmap.ioas_id = IOAS;
	EXPECT_EQ(0, UNMAP_CALL());
	EXPECT_EQ(0, self->unmap.length);
}

TEST_F(ioas, maps_of_one_ioas_are_not_in_another)
{
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, MAP(MIB, SMALL_PAGE));
	EXPECT_EQ(-ENOENT, ioas_unmap(FD, other, MIB, SMALL_PAGE, NULL));
	EXPECT_EQ(0, ioas_map_at(FD, other, VA, SMALL_PAGE, MIB));
	EXPECT_EQ(0, iommufd_destroy(FD, other));
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
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, &unmapped));
	EXPECT_EQ(count / 2 * SMALL_PAGE, unmapped);
}

TEST_HARNESS_MAIN
