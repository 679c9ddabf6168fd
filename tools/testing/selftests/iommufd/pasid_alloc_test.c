// SPDX-License-Identifier: GPL-2.0-only
/*
 * PASIDs that the kernel chooses, on devices of the kernel's test device
 */
#include "kselftest_harness.h"
#include "checked_io.h"
#include "pasid_fixture.h"
#include "test_support.h"

#define ALLOC_BETWEEN(first, last, id) \
	pasid_alloc_between(FD, DEV.idev, first, last, id)

TEST_F(pasid, chosen_is_the_lowest_that_is_free)
{
	__u32 pasid, id, ids[4];
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(ids); i++) {
		ASSERT_EQ(0, ALLOC(&pasid, &ids[i]));
		EXPECT_EQ(i + 1, pasid);
	}
	ASSERT_EQ(0, iommufd_destroy(FD, ids[1]));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, ids[1]));
	ASSERT_EQ(0, iommufd_destroy(FD, ids[2]));
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	EXPECT_EQ(2, pasid);
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	EXPECT_EQ(3, pasid);
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	EXPECT_EQ(5, pasid);
}

TEST_F(pasid, chosen_is_none_that_a_program_has_attached)
{
	__u32 pasid, id, first;

	ASSERT_EQ(0, DETACH(0));
	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
	ASSERT_EQ(0, ATTACH(2, TABLES.other));
	ASSERT_EQ(0, ATTACH(4, TABLES.capable));
	ASSERT_EQ(0, ALLOC(&pasid, &first));
	EXPECT_EQ(3, pasid);
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	EXPECT_EQ(5, pasid);
	ASSERT_EQ(0, DETACH(2));
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	EXPECT_EQ(2, pasid);
	EXPECT_EQ(-ENOSPC, ALLOC_BETWEEN(1, 1, &id));
	EXPECT_EQ(-ENOSPC, ALLOC_BETWEEN(4, 4, &id));

	/* and those that are chosen may be attached like any other */
	ASSERT_EQ(0, ATTACH(3, TABLES.capable));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, first));
	ASSERT_EQ(0, REPLACE(3, TABLES.other));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, first));
	ASSERT_EQ(0, DETACH(3));
	EXPECT_EQ(0, iommufd_destroy(FD, first));
	/* or without being chosen any more */
	ASSERT_EQ(0, ATTACH(3, TABLES.other));
	EXPECT_EQ(-ENOSPC, ALLOC_BETWEEN(3, 3, &id));
}

TEST_F(pasid, chosen_is_one_of_a_range)
{
	__u32 id;

	EXPECT_EQ(1, ALLOC_BETWEEN(0, 1, &id));
	EXPECT_EQ(7, ALLOC_BETWEEN(7, 8, &id));
	EXPECT_EQ(8, ALLOC_BETWEEN(7, 8, &id));
	EXPECT_EQ(-ENOSPC, ALLOC_BETWEEN(7, 8, &id));
	EXPECT_EQ(2, ALLOC_BETWEEN(0, 8, &id));
	EXPECT_EQ(-EINVAL, ALLOC_BETWEEN(8, 7, &id));

	/* the end of what the device has */
	EXPECT_EQ(LAST_PASID, ALLOC_BETWEEN(LAST_PASID, 0, &id));
	EXPECT_EQ(-ENOSPC, ALLOC_BETWEEN(LAST_PASID, 0, &id));
	EXPECT_EQ(-ENOSPC, ALLOC_BETWEEN(NR_PASIDS, 0, &id));
	EXPECT_EQ(-ENOSPC, ALLOC_BETWEEN(UINT32_MAX, UINT32_MAX, &id));
	EXPECT_EQ(LAST_PASID - 1, ALLOC_BETWEEN(LAST_PASID - 1,
						UINT32_MAX, &id));
	ASSERT_EQ(0, DETACH(0));
	EXPECT_EQ(0, ATTACH(LAST_PASID, TABLES.capable));
}

TEST_F(pasid, chosen_until_none_is_left)
{
	const int last = 100;
	__u32 ids[100], id;
	int i;

	for (i = 0; i != last; i++)
		ASSERT_EQ(i + 1, ALLOC_BETWEEN(0, last, &ids[i]));
	EXPECT_EQ(-ENOSPC, ALLOC_BETWEEN(0, last, &id));
	ASSERT_EQ(0, iommufd_destroy(FD, ids[41]));
	EXPECT_EQ(42, ALLOC_BETWEEN(0, last, &id));
	EXPECT_EQ(-ENOSPC, ALLOC_BETWEEN(0, last, &id));
}

TEST_F(pasid, choice_is_refused_in_this_order)
{
	struct mock_device plain;
	struct iommu_pasid_alloc cmd = {
		.flags = 1,
		.dev_id = NO_SUCH_ID,
		.first_pasid = 2,
		.last_pasid = 1,
	};

	EXPECT_EQ(-EOPNOTSUPP, pasid_alloc_ioctl(FD, &cmd));
	cmd.flags = 1U << 31;
	EXPECT_EQ(-EOPNOTSUPP, pasid_alloc_ioctl(FD, &cmd));
	cmd.flags = 0;
	cmd.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, pasid_alloc_ioctl(FD, &cmd));
	cmd.__reserved = 0;
	EXPECT_EQ(-EINVAL, pasid_alloc_ioctl(FD, &cmd));
	cmd.last_pasid = 2;
	EXPECT_EQ(-ENOENT, pasid_alloc_ioctl(FD, &cmd));
	cmd.dev_id = IOAS;
	EXPECT_EQ(-ENOENT, pasid_alloc_ioctl(FD, &cmd));
	cmd.dev_id = DEV.stdev;
	EXPECT_EQ(-ENOENT, pasid_alloc_ioctl(FD, &cmd));

	ASSERT_EQ(0, mock_domain(FD, IOAS, &plain));
	cmd.dev_id = plain.idev;
	cmd.first_pasid = NR_PASIDS;
	cmd.last_pasid = NR_PASIDS;
	EXPECT_EQ(-EOPNOTSUPP, pasid_alloc_ioctl(FD, &cmd));
	cmd.dev_id = DEV.idev;
	EXPECT_EQ(-ENOSPC, pasid_alloc_ioctl(FD, &cmd));
	cmd.first_pasid = 9;
	EXPECT_EQ(0, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(9, cmd.out_pasid);
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, cmd.out_pasid_id + 1));
	EXPECT_EQ(0, iommufd_destroy(FD, cmd.out_pasid_id));
}

TEST_F(pasid, choice_has_the_form_of_an_ioctl)
{
	struct {
		struct iommu_pasid_alloc cmd;
		__u32 more;
	} longer = { .cmd.dev_id = DEV.idev };
	struct iommu_pasid_alloc *cmd = &longer.cmd;

	cmd->size = sizeof(*cmd) - 1;
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, IOMMU_PASID_ALLOC, cmd));
	cmd->size = sizeof(longer);
	longer.more = 1;
	EXPECT_EQ(-E2BIG, checked_ioctl(FD, IOMMU_PASID_ALLOC, cmd));
	longer.more = 0;
	EXPECT_EQ(0, checked_ioctl(FD, IOMMU_PASID_ALLOC, cmd));
	EXPECT_EQ(1, cmd->out_pasid);
	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_PASID_ALLOC, NULL));
}

TEST_F(pasid, chosen_is_free_again_when_it_cannot_be_told)
{
	const struct iommu_pasid_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = DEV.idev,
	};
	const __u32 next = next_id(FD);
	void *va = read_only(&cmd, sizeof(cmd));
	__u32 pasid, id;

	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_PASID_ALLOC, va));
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	EXPECT_EQ(1, pasid);
	EXPECT_EQ(next, id);
}

TEST_F(pasid, chosen_are_those_of_the_device)
{
	struct mock_device other;
	__u32 pasid, id, id_of_other;

	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_PASID,
				       &other));
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	EXPECT_EQ(1, pasid);
	ASSERT_EQ(0, pasid_alloc(FD, other.idev, &pasid, &id_of_other));
	EXPECT_EQ(1, pasid);
	ASSERT_EQ(0, DETACH(0));
	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
	EXPECT_EQ(0, iommufd_destroy(FD, id_of_other));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, id));
}

TEST_F(pasid, chosen_means_nothing_without_the_device)
{
	__u32 pasid, id, ids[3];
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(ids); i++)
		ASSERT_EQ(0, ALLOC(&pasid, &ids[i]));
	ASSERT_EQ(0, DETACH(0));
	ASSERT_EQ(0, ATTACH(2, TABLES.capable));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, ids[1]));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	for (i = 0; i != ARRAY_SIZE(ids) - 1; i++)
		EXPECT_EQ(0, iommufd_destroy(FD, ids[i]));

	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_PASID,
				       &DEV));
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	EXPECT_EQ(1, pasid);
	/* the last one goes with the file */
}

/* Both orders in which they may go: the device may be found first, or last. */
TEST_F(pasid, chosen_goes_with_the_file_while_attached)
{
	struct mock_device later;
	__u32 pasid, id;

	ASSERT_EQ(0, DETACH(0));
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	ASSERT_EQ(0, ATTACH(pasid, TABLES.capable));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));

	ASSERT_EQ(0, mock_domain_flags(FD, TABLES.capable,
				       MOCK_FLAGS_DEVICE_PASID, &DEV));
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	ASSERT_EQ(0, ATTACH(pasid, TABLES.other));
	/* takes the ID that comes before those of the device */
	ASSERT_EQ(0, mock_domain_flags(FD, TABLES.capable,
				       MOCK_FLAGS_DEVICE_PASID, &later));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	ASSERT_EQ(0, iommufd_destroy(FD, id));
	ASSERT_EQ(0, pasid_alloc(FD, later.idev, &pasid, &id));
	EXPECT_LT(id, later.stdev);
	ASSERT_EQ(0, pasid_attach(FD, &later, pasid, TABLES.other));
}

/*
 * What a program gets that allocates no page tables
 */

TEST_F(pasid, chosen_can_be_put_on_an_ioas)
{
	__u32 pasid, id, own, pt, same;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, OTHER, VA + SMALL_PAGE, SMALL_PAGE,
				 IOVA));
	ASSERT_EQ(0, ALLOC(&pasid, &id));

	/* The device was attached before: once more is what it takes. */
	pt = OTHER;
	EXPECT_EQ(-EINVAL, mock_pasid_attach(FD, DEV.stdev, pasid, &pt));
	own = IOAS;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &own));
	EXPECT_NE(DEV.hwpt, own);
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, DEV.hwpt));
	ASSERT_EQ(0, mock_pasid_attach(FD, DEV.stdev, pasid, &pt));
	EXPECT_NE(OTHER, pt);
	EXPECT_NE(TABLES.other, pt);
	EXPECT_EQ(0, mock_check_map(FD, own, IOVA, SMALL_PAGE, VA));
	EXPECT_EQ(0, mock_check_map(FD, pt, IOVA, SMALL_PAGE,
				    VA + SMALL_PAGE));
	EXPECT_TRUE(IS_ON(0, own));
	EXPECT_TRUE(IS_ON(pasid, pt));

	/* nothing to do */
	same = OTHER;
	EXPECT_EQ(0, mock_pasid_replace(FD, DEV.stdev, pasid, &same));
	EXPECT_EQ(pt, same);
	same = IOAS;
	EXPECT_EQ(0, mock_domain_replace(FD, DEV.stdev, &same));
	EXPECT_EQ(own, same);

	/* it is shared, and vanishes when nothing is on it */
	same = IOAS;
	ASSERT_EQ(0, mock_pasid_replace(FD, DEV.stdev, pasid, &same));
	EXPECT_EQ(own, same);
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, pt));
	ASSERT_EQ(0, DETACH(0));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, own));
	ASSERT_EQ(0, DETACH(pasid));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, own));
}

TEST_F(pasid, chosen_shares_nothing_with_devices_without)
{
	struct mock_device other;
	__u32 pasid, id, own;

	ASSERT_EQ(0, ALLOC(&pasid, &id));
	own = IOAS;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &own));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	EXPECT_NE(own, other.hwpt);

	/* nothing is chosen any more: what is attached stays */
	ASSERT_EQ(0, ATTACH(pasid, IOAS));
	ASSERT_EQ(0, DETACH(pasid));
	ASSERT_EQ(0, ATTACH(pasid + 1, IOAS));
	ASSERT_EQ(0, iommufd_destroy(FD, id));
	EXPECT_EQ(0, REPLACE(0, IOAS));
	EXPECT_TRUE(IS_ON(0, own));
	EXPECT_EQ(0, REPLACE(pasid + 1, IOAS));
	EXPECT_EQ(-EINVAL, REPLACE(0, OTHER));
	EXPECT_EQ(-EINVAL, REPLACE(pasid + 1, OTHER));
	EXPECT_EQ(-EINVAL, ATTACH(pasid, IOAS));
	ASSERT_EQ(0, DETACH(pasid + 1));
	EXPECT_EQ(0, REPLACE(0, OTHER));
}

TEST_HARNESS_MAIN
