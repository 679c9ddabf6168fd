// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be set of an IOAS, and of the file: huge pages, the accounting mode,
 * the IOAS for programs that know VFIO only. Nothing is attached here, so no
 * memory is ever touched.
 */
#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "ioas_fixture.h"
#include "test_support.h"

#define GET(option, id, value) iommufd_option_get(FD, option, id, value)
#define SET(option, id, value) iommufd_option_set(FD, option, id, value)

/* -- OPTION -- */

TEST_F(ioas, huge_pages_are_on_and_can_be_switched)
{
	__u64 value;

	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, IOAS, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, IOAS, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, IOAS, 1));
	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, IOAS, &value));
	EXPECT_EQ(1, value);
}

TEST_F(ioas, huge_pages_take_no_other_value_or_operation)
{
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = 2,
		.object_id = IOAS,
	};
	__u64 value;

	EXPECT_EQ(-EINVAL, SET(IOMMU_OPTION_HUGE_PAGES, IOAS, 2));
	EXPECT_EQ(-EINVAL, SET(IOMMU_OPTION_HUGE_PAGES, IOAS, UINT64_MAX));
	EXPECT_EQ(-EOPNOTSUPP, checked_ioctl(FD, IOMMU_OPTION, &option));
	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, IOAS, &value));
	EXPECT_EQ(1, value);
}

TEST_F(ioas, without_huge_pages_maps_are_whole_pages)
{
	ASSERT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	EXPECT_EQ(SMALL_PAGE, ioas_alignment(FD, IOAS));
	EXPECT_EQ(-EINVAL, MAP(MIB + 1, SMALL_PAGE));
	EXPECT_EQ(-EINVAL, MAP(MIB, SMALL_PAGE - 1));
	EXPECT_EQ(-EINVAL, MAP(MIB, SMALL_PAGE + 1));
	EXPECT_EQ(-EINVAL, ioas_map_at(FD, IOAS, VA + 1, SMALL_PAGE, MIB));
	EXPECT_EQ(-EINVAL, CHOOSE(VA + 1, SMALL_PAGE));
	EXPECT_EQ(-EINVAL, CHOOSE(VA, 1));
	EXPECT_EQ(0, MAP(MIB, SMALL_PAGE));
	ASSERT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, IOAS, 1));
	EXPECT_EQ(1, ioas_alignment(FD, IOAS));
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
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + unfit[i].offset,
					 unfit[i].length, unfit[i].iova));
		rc = SET(IOMMU_OPTION_HUGE_PAGES, IOAS, 0);
		EXPECT_EQ(-EADDRINUSE, rc)
			TH_LOG("map %zu", i);
		EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, IOAS, &value));
		EXPECT_EQ(1, value);
		EXPECT_EQ(1, ioas_alignment(FD, IOAS));
		ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	}
	EXPECT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
}

TEST_F(ioas, huge_pages_of_one_ioas_are_not_those_of_another)
{
	__u64 value;
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, SET(IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	EXPECT_EQ(0, GET(IOMMU_OPTION_HUGE_PAGES, other, &value));
	EXPECT_EQ(1, value);
	/* neither call has kept it */
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(0, iommufd_destroy(FD, other));
}

TEST_F(ioas, the_accounting_mode_is_fixed_by_the_first_object)
{
	__u64 value;

	EXPECT_EQ(-EBUSY, SET(IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_EQ(0, GET(IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(0, value);
	ASSERT_EQ(0, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(0, SET(IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_EQ(0, GET(IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(0, SET(IOMMU_OPTION_RLIMIT_MODE, 0, 0));
	EXPECT_EQ(0, GET(IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(0, value);
}

TEST_F(ioas, the_accounting_mode_takes_no_other_value)
{
	ASSERT_EQ(0, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(-EINVAL, SET(IOMMU_OPTION_RLIMIT_MODE, 0, 2));
	EXPECT_EQ(-EINVAL, SET(IOMMU_OPTION_RLIMIT_MODE, 0, UINT64_MAX));
	EXPECT_EQ(-EOPNOTSUPP, SET(IOMMU_OPTION_RLIMIT_MODE, 1, 1));
}

TEST_F(ioas, the_accounting_mode_is_for_privileged_users_to_set)
{
	__u64 value;

	ASSERT_EQ(0, iommufd_destroy(FD, IOAS));
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

#define VFIO_IOAS(op, id) vfio_ioas(FD, IOMMU_VFIO_IOAS_##op, id)

TEST_F(ioas, there_is_no_compatibility_ioas_before_one_is_set)
{
	__u32 id = IOAS;

	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
	EXPECT_EQ(0, VFIO_IOAS(CLEAR, &id));
	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
}

TEST_F(ioas, the_compatibility_ioas_is_the_one_last_set)
{
	__u32 id = IOAS, other;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	EXPECT_EQ(0, VFIO_IOAS(SET, &other));
	EXPECT_EQ(0, VFIO_IOAS(SET, &id));
	id = 0;
	EXPECT_EQ(0, VFIO_IOAS(GET, &id));
	EXPECT_EQ(IOAS, id);
	EXPECT_EQ(0, VFIO_IOAS(CLEAR, &id));
	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
}

TEST_F(ioas, a_wrong_id_leaves_the_compatibility_ioas)
{
	__u32 id = IOAS;

	ASSERT_EQ(0, VFIO_IOAS(SET, &id));
	id = NO_SUCH_ID;
	EXPECT_EQ(-ENOENT, VFIO_IOAS(SET, &id));
	EXPECT_EQ(0, VFIO_IOAS(GET, &id));
	EXPECT_EQ(IOAS, id);
}

TEST_F(ioas, destroying_the_compatibility_ioas_clears_it)
{
	__u32 id = IOAS;

	ASSERT_EQ(0, VFIO_IOAS(SET, &id));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
	ASSERT_EQ(0, ioas_alloc(FD, &id));
	EXPECT_EQ(-ENODEV, VFIO_IOAS(GET, &id));
}

TEST_HARNESS_MAIN
