// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables that a device of the kernel's test device is moved to: what
 * becomes of the old one, and of the IOASes that both are of.
 */
#include "kselftest_harness.h"
#include "hwpt_fixture.h"
#include "test_support.h"
#include "threads.h"

TEST_F(hwpt, replaced_by_that_of_another_ioas_vanishes)
{
	__u32 other, pt;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, other, VA, SMALL_PAGE, IOVA));

	pt = other;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_NE(other, pt);
	EXPECT_NE(DEV.hwpt, pt);
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, pt));
	EXPECT_EQ(0, mock_check_map(FD, pt, IOVA, SMALL_PAGE, VA));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, DEV.hwpt));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_FALSE(ioas_is_unrestricted(FD, other));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, other));

	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, iommufd_destroy(FD, other));
}

TEST_F(hwpt, replaced_by_one_of_the_same_ioas_leaves_it_as_it_is)
{
	__u32 hwpt, pt;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &hwpt));
	pt = hwpt;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(hwpt, pt);
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, hwpt));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, DEV.hwpt));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, hwpt));
	EXPECT_FALSE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(LENGTH, vm_pinned());

	/* a page table of one's own is not what the IOAS stands for */
	pt = IOAS;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_NE(hwpt, pt);
	EXPECT_EQ(0, mock_check_map(FD, pt, IOVA, LENGTH, VA));
	EXPECT_EQ(0, iommufd_destroy(FD, hwpt));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
}

TEST_F(hwpt, replaced_by_that_of_another_device_is_shared)
{
	struct mock_device dev;
	__u32 other, pt;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, mock_domain(FD, other, &dev));
	pt = other;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(dev.hwpt, pt);
	pt = IOAS;
	ASSERT_EQ(0, mock_domain_replace(FD, dev.stdev, &pt));
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, dev.hwpt));
	/* by the ID of an automatic page table, too */
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, dev.hwpt));
	EXPECT_TRUE(ioas_is_unrestricted(FD, other));
	EXPECT_EQ(0, iommufd_destroy(FD, other));
}

/* What is mapped there is outside the aperture. */
TEST_F(hwpt, replaced_by_one_that_does_not_suit_stays)
{
	__u32 other, pt, next, then;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, ioas_map_at(FD, other, VA, LENGTH, 0));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_alloc(FD, &next));
	ASSERT_EQ(0, iommufd_destroy(FD, next));

	pt = other;
	EXPECT_EQ(-EADDRINUSE, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(other, pt);
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, DEV.hwpt));
	EXPECT_EQ(0, mock_check_map(FD, DEV.hwpt, IOVA, SMALL_PAGE, VA));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_TRUE(ioas_is_unrestricted(FD, other));
	EXPECT_FALSE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, iommufd_destroy(FD, other));
	ASSERT_EQ(0, ioas_alloc(FD, &then));
	EXPECT_EQ(other, then);

	ASSERT_EQ(0, mock_pasid_detach(FD, DEV.stdev, 0));
	pt = IOAS;
	EXPECT_EQ(-EINVAL, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(0, vm_pinned());
}

/* Two threads move devices between the same two IOASes, in opposite ways. */
#define NR_MOVES 300

struct mover {
	struct thread_call call;
	int iommufd;
	__u32 stdev;
	__u32 pts[2];
};

static int move(void *argument)
{
	struct mover *mover = argument;
	int i, rc = 0;

	for (i = 0; i != NR_MOVES && !rc; i++) {
		__u32 pt = mover->pts[i % 2];

		rc = mock_domain_replace(mover->iommufd, mover->stdev, &pt);
	}
	return rc;
}

TEST_F(hwpt, replaced_both_ways_at_the_same_time)
{
	struct mover movers[2];
	struct mock_device dev;
	__u32 other;
	int i;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, mock_domain(FD, other, &dev));
	for (i = 0; i != 2; i++) {
		movers[i] = (struct mover){
			.iommufd = FD,
			.stdev = i ? DEV.stdev : dev.stdev,
			.pts = { i ? other : IOAS, i ? IOAS : other },
		};
		ASSERT_EQ(0, thread_call_start(&movers[i].call, move,
					       &movers[i]));
	}
	for (i = 0; i != NR_MOVES; i++) {
		ASSERT_EQ(0, ioas_map_at(FD, i % 2 ? IOAS : other, VA,
					 LENGTH, IOVA));
		ASSERT_EQ(0, ioas_unmap(FD, i % 2 ? IOAS : other, IOVA, LENGTH,
					NULL));
	}
	for (i = 0; i != 2; i++)
		EXPECT_EQ(0, thread_call_end(&movers[i].call));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	ASSERT_EQ(0, mock_destroy(FD, &dev));
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_TRUE(ioas_is_unrestricted(FD, other));
	EXPECT_EQ(0, iommufd_destroy(FD, other));
}

TEST_HARNESS_MAIN
