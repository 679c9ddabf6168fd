// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables on PASIDs that a program chooses, on devices of the kernel's test
 * device. pasid_alloc_test is about those that the kernel chooses.
 */
#include "kselftest_harness.h"
#include "pasid_fixture.h"
#include "test_support.h"

TEST_F(pasid, shows_other_memory_than_the_device_and_other_pasids)
{
	const __u32 pasids[] = { 1, 77, LAST_PASID };
	size_t i;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, OTHER, VA + SMALL_PAGE, SMALL_PAGE,
				 IOVA));
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	for (i = 0; i != ARRAY_SIZE(pasids); i++) {
		__u32 pt = TABLES.other;

		EXPECT_TRUE(IS_ON(pasids[i], 0));
		ASSERT_EQ(0, mock_pasid_attach(FD, DEV.stdev, pasids[i], &pt));
		EXPECT_EQ(TABLES.other, pt);
		EXPECT_TRUE(IS_ON(pasids[i], TABLES.other));
	}
	EXPECT_TRUE(IS_ON(0, TABLES.capable));
	EXPECT_EQ(0, mock_check_map(FD, TABLES.other, IOVA, SMALL_PAGE,
				    VA + SMALL_PAGE));

	/* they move and go one by one */
	ASSERT_EQ(0, REPLACE(77, TABLES.capable));
	EXPECT_TRUE(IS_ON(77, TABLES.capable));
	EXPECT_TRUE(IS_ON(1, TABLES.other));
	ASSERT_EQ(0, DETACH(1));
	EXPECT_TRUE(IS_ON(1, 0));
	EXPECT_TRUE(IS_ON(77, TABLES.capable));
	EXPECT_TRUE(IS_ON(LAST_PASID, TABLES.other));
	EXPECT_EQ(2 * SMALL_PAGE, vm_pinned());
}

TEST_F(pasid, keeps_its_page_table)
{
	ASSERT_EQ(0, DETACH(0));
	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
	ASSERT_EQ(0, ATTACH(2, TABLES.capable));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, TABLES.capable));
	ASSERT_EQ(0, DETACH(1));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, TABLES.capable));
	ASSERT_EQ(0, REPLACE(2, TABLES.other));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.capable));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, TABLES.other));
	/* it goes with the device */
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.other));
}

TEST_F(pasid, takes_page_tables_that_are_made_for_pasids)
{
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	EXPECT_EQ(-EINVAL, ATTACH(1, TABLES.plain));
	EXPECT_EQ(-EINVAL, ATTACH(1, IOAS));
	EXPECT_TRUE(IS_ON(1, 0));

	ASSERT_EQ(0, ATTACH(1, TABLES.other));
	EXPECT_EQ(-EINVAL, REPLACE(1, TABLES.plain));
	EXPECT_EQ(-EINVAL, REPLACE(1, IOAS));
	EXPECT_EQ(-EINVAL, REPLACE(1, OTHER));
	EXPECT_TRUE(IS_ON(1, TABLES.other));
}

TEST_F(pasid, wants_a_page_table_of_the_device_that_is_made_for_pasids)
{
	/* where the device is on an automatic one, or one without the flag */
	EXPECT_EQ(-EINVAL, ATTACH(1, TABLES.capable));
	ASSERT_EQ(0, REPLACE(0, TABLES.plain));
	EXPECT_EQ(-EINVAL, ATTACH(1, TABLES.capable));
	EXPECT_TRUE(IS_ON(1, 0));

	/* when the device is on none */
	ASSERT_EQ(0, DETACH(0));
	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
	EXPECT_EQ(-EINVAL, ATTACH(0, TABLES.plain));
	EXPECT_EQ(-EINVAL, ATTACH(0, IOAS));
	EXPECT_TRUE(IS_ON(0, 0));
	ASSERT_EQ(0, ATTACH(0, TABLES.other));

	/* when the device is to move */
	EXPECT_EQ(-EINVAL, REPLACE(0, TABLES.plain));
	EXPECT_EQ(-EINVAL, REPLACE(0, IOAS));
	EXPECT_TRUE(IS_ON(0, TABLES.other));
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));

	ASSERT_EQ(0, DETACH(1));
	EXPECT_EQ(0, REPLACE(0, TABLES.plain));
	EXPECT_EQ(0, REPLACE(0, IOAS));
}

TEST_F(pasid, is_refused_what_makes_no_sense)
{
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	EXPECT_EQ(-ENOENT, ATTACH(1, NO_SUCH_ID));
	EXPECT_EQ(-EINVAL, ATTACH(1, DEV.idev));
	EXPECT_EQ(-EINVAL, ATTACH(NR_PASIDS, TABLES.capable));
	EXPECT_EQ(-EINVAL, ATTACH(UINT32_MAX, TABLES.capable));
	EXPECT_EQ(-EINVAL, REPLACE(1, TABLES.capable));
	EXPECT_TRUE(IS_ON(1, 0));

	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
	EXPECT_EQ(-EBUSY, ATTACH(1, TABLES.capable));
	EXPECT_EQ(-EINVAL, ATTACH(1, TABLES.other));
	EXPECT_EQ(-ENOENT, REPLACE(1, NO_SUCH_ID));
	EXPECT_EQ(-EINVAL, REPLACE(1, DEV.idev));
	EXPECT_EQ(0, REPLACE(1, TABLES.capable));
	EXPECT_TRUE(IS_ON(1, TABLES.capable));
	ASSERT_EQ(0, DETACH(1));
	EXPECT_EQ(-EINVAL, REPLACE(1, TABLES.capable));
}

/* Its IOMMU counts DMA without a PASID as the only one. */
TEST_F(pasid, is_none_of_a_device_without)
{
	struct mock_device plain;
	__u32 pt;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &plain));
	pt = TABLES.capable;
	ASSERT_EQ(0, mock_domain_replace(FD, plain.stdev, &pt));
	EXPECT_EQ(-EINVAL, pasid_attach(FD, &plain, 1, TABLES.capable));
	EXPECT_EQ(-EINVAL, pasid_attach(FD, &plain, NR_PASIDS, TABLES.capable));
	EXPECT_EQ(-EINVAL, pasid_replace(FD, &plain, 1, TABLES.capable));
	EXPECT_EQ(-EINVAL, pasid_attach(FD, &plain, 1, IOAS));
	EXPECT_EQ(0, mock_pasid_check(FD, plain.stdev, 1, 0));
	EXPECT_EQ(-ENOENT, pasid_attach(FD, &plain, 1, NO_SUCH_ID));
	/* nor does it keep the device from other page tables */
	pt = TABLES.plain;
	EXPECT_EQ(0, mock_domain_replace(FD, plain.stdev, &pt));
}

/* Every second time, the mock IOMMU refuses this one. */
TEST_F(pasid, stays_where_it_is_when_the_iommu_refuses)
{
	const __u32 pasid = IOMMU_TEST_PASID_RESERVED;

	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	ASSERT_EQ(0, ATTACH(pasid, TABLES.capable));
	EXPECT_EQ(-ENOMEM, REPLACE(pasid, TABLES.other));
	EXPECT_TRUE(IS_ON(pasid, TABLES.capable));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.other));

	/* another one refused, for the first has disarmed it */
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, OTHER, IOMMU_HWPT_ALLOC_PASID,
				&TABLES.other));
	EXPECT_EQ(0, REPLACE(pasid, TABLES.other));
	EXPECT_TRUE(IS_ON(pasid, TABLES.other));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.plain));
	ASSERT_EQ(0, DETACH(pasid));
	EXPECT_TRUE(IS_ON(pasid, 0));
	ASSERT_EQ(0, ATTACH(pasid, TABLES.other));
}

TEST_HARNESS_MAIN
