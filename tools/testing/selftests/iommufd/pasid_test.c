// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables on PASIDs, and PASIDs that the kernel chooses, on devices of the
 * kernel's test device.
 */
#include <stdatomic.h>
#include <stdint.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_nth.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define NR_PAGES 4
#define LENGTH (NR_PAGES * SMALL_PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)
#define LAST_PASID ((1U << MOCK_PASID_WIDTH) - 1)
#define NR_PASIDS (LAST_PASID + 1)

/* Two page tables that are PASID capable, of an IOAS each, and one that isn't */
struct tables {
	__u32 capable;
	__u32 other;
	__u32 plain;
};

FIXTURE(pasid)
{
	struct mock_rig rig;	/* its device can have PASIDs */
	__u32 other;		/* another IOAS */
	struct tables tables;
	struct memory_rig mem;	/* LENGTH, not mapped */
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define OTHER (self->other)
#define VA (self->mem.va)
#define TABLES (self->tables)

#define ATTACH(pasid, pt) attach(FD, &DEV, pasid, pt)
#define REPLACE(pasid, pt) replace(FD, &DEV, pasid, pt)
#define DETACH(pasid) mock_pasid_detach(FD, DEV.stdev, pasid)
#define IS_ON(pasid, pt) (!mock_pasid_check(FD, DEV.stdev, pasid, pt))

FIXTURE_SETUP(pasid)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, MOCK_FLAGS_DEVICE_PASID));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, LENGTH));
	ASSERT_EQ(0, ioas_alloc(FD, &OTHER));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, IOMMU_HWPT_ALLOC_PASID,
				&TABLES.capable));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, OTHER, IOMMU_HWPT_ALLOC_PASID,
				&TABLES.other));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &TABLES.plain));
}

FIXTURE_TEARDOWN(pasid)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

static int attach(int iommufd, const struct mock_device *dev, __u32 pasid,
		  __u32 pt)
{
	return mock_pasid_attach(iommufd, dev->stdev, pasid, &pt);
}

static int replace(int iommufd, const struct mock_device *dev, __u32 pasid,
		   __u32 pt)
{
	return mock_pasid_replace(iommufd, dev->stdev, pasid, &pt);
}

/*
 * Page tables on PASIDs
 */

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
	EXPECT_EQ(-EINVAL, attach(FD, &plain, 1, TABLES.capable));
	EXPECT_EQ(-EINVAL, attach(FD, &plain, NR_PASIDS, TABLES.capable));
	EXPECT_EQ(-EINVAL, replace(FD, &plain, 1, TABLES.capable));
	EXPECT_EQ(-EINVAL, attach(FD, &plain, 1, IOAS));
	EXPECT_EQ(0, mock_pasid_check(FD, plain.stdev, 1, 0));
	EXPECT_EQ(-ENOENT, attach(FD, &plain, 1, NO_SUCH_ID));
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

/*
 * PASIDs that the kernel chooses
 */

#define ALLOC(pasid, id) pasid_alloc(FD, DEV.idev, pasid, id)

/* The lowest one from @first to @last, or a negative errno */
static int alloc_between(int iommufd, __u32 idev, __u32 first, __u32 last,
			 __u32 *id)
{
	struct iommu_pasid_alloc cmd = {
		.dev_id = idev,
		.first_pasid = first,
		.last_pasid = last,
	};
	int rc = pasid_alloc_ioctl(iommufd, &cmd);

	if (rc)
		return rc;
	*id = cmd.out_pasid_id;
	return cmd.out_pasid;
}

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
	EXPECT_EQ(-ENOSPC, alloc_between(FD, DEV.idev, 1, 1, &id));
	EXPECT_EQ(-ENOSPC, alloc_between(FD, DEV.idev, 4, 4, &id));

	/* and those that are chosen may be attached like any other */
	ASSERT_EQ(0, ATTACH(3, TABLES.capable));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, first));
	ASSERT_EQ(0, REPLACE(3, TABLES.other));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, first));
	ASSERT_EQ(0, DETACH(3));
	EXPECT_EQ(0, iommufd_destroy(FD, first));
	/* or without being chosen any more */
	ASSERT_EQ(0, ATTACH(3, TABLES.other));
	EXPECT_EQ(-ENOSPC, alloc_between(FD, DEV.idev, 3, 3, &id));
}

TEST_F(pasid, chosen_is_one_of_a_range)
{
	__u32 id;

	EXPECT_EQ(1, alloc_between(FD, DEV.idev, 0, 1, &id));
	EXPECT_EQ(7, alloc_between(FD, DEV.idev, 7, 8, &id));
	EXPECT_EQ(8, alloc_between(FD, DEV.idev, 7, 8, &id));
	EXPECT_EQ(-ENOSPC, alloc_between(FD, DEV.idev, 7, 8, &id));
	EXPECT_EQ(2, alloc_between(FD, DEV.idev, 0, 8, &id));
	EXPECT_EQ(-EINVAL, alloc_between(FD, DEV.idev, 8, 7, &id));

	/* the end of what the device has */
	EXPECT_EQ(LAST_PASID, alloc_between(FD, DEV.idev, LAST_PASID, 0, &id));
	EXPECT_EQ(-ENOSPC, alloc_between(FD, DEV.idev, LAST_PASID, 0, &id));
	EXPECT_EQ(-ENOSPC, alloc_between(FD, DEV.idev, NR_PASIDS, 0, &id));
	EXPECT_EQ(-ENOSPC, alloc_between(FD, DEV.idev, UINT32_MAX, UINT32_MAX,
					 &id));
	EXPECT_EQ(LAST_PASID - 1, alloc_between(FD, DEV.idev, LAST_PASID - 1,
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
		ASSERT_EQ(i + 1, alloc_between(FD, DEV.idev, 0, last, &ids[i]));
	EXPECT_EQ(-ENOSPC, alloc_between(FD, DEV.idev, 0, last, &id));
	ASSERT_EQ(0, iommufd_destroy(FD, ids[41]));
	EXPECT_EQ(42, alloc_between(FD, DEV.idev, 0, last, &id));
	EXPECT_EQ(-ENOSPC, alloc_between(FD, DEV.idev, 0, last, &id));
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
	ASSERT_EQ(0, attach(FD, &later, pasid, TABLES.other));
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

/*
 * Failures
 */

#define MAX_TRIES 2000
#define TIMEOUT 120

struct scene {
	int iommufd;
	__u32 ioas;
	__u32 stdev;
	__u32 idev;
	struct tables tables;
	__u32 id;		/* of a PASID that an operation has chosen */
};

/* What an operation that has failed leaves as it was */
struct state {
	long pinned;
	__u32 next_id;
	int on_none;
	int on_capable;
	int on_other;
	__u32 next_pasid;
};

#define PASID 5

static struct state state_of(const struct scene *scene)
{
	const __u32 stdev = scene->stdev;
	int iommufd = scene->iommufd;
	struct state state;
	__u32 id;

	memset(&state, 0, sizeof(state));
	state.pinned = vm_pinned();
	state.on_none = mock_pasid_check(iommufd, stdev, PASID, 0);
	state.on_capable = mock_pasid_check(iommufd, stdev, PASID,
					    scene->tables.capable);
	state.on_other = mock_pasid_check(iommufd, stdev, PASID,
					  scene->tables.other);
	state.next_id = next_id(iommufd);
	if (!pasid_alloc(iommufd, scene->idev, &state.next_pasid, &id))
		iommufd_destroy(iommufd, id);
	return state;
}

static int op_attach(struct scene *scene)
{
	__u32 pt = scene->tables.capable;

	return mock_pasid_attach(scene->iommufd, scene->stdev, PASID, &pt);
}

static int undo_attach(struct scene *scene)
{
	return mock_pasid_detach(scene->iommufd, scene->stdev, PASID);
}

static int op_replace(struct scene *scene)
{
	__u32 pt = scene->tables.other;

	return mock_pasid_replace(scene->iommufd, scene->stdev, PASID, &pt);
}

static int undo_replace(struct scene *scene)
{
	__u32 pt = scene->tables.capable;

	return mock_pasid_replace(scene->iommufd, scene->stdev, PASID, &pt);
}

static int op_alloc(struct scene *scene)
{
	__u32 pasid;

	return pasid_alloc(scene->iommufd, scene->idev, &pasid, &scene->id);
}

static int undo_alloc(struct scene *scene)
{
	return iommufd_destroy(scene->iommufd, scene->id);
}

/* Some PASID is chosen already, and PASID is not. */
static int op_attach_ioas(struct scene *scene)
{
	__u32 pt = scene->ioas;

	return mock_pasid_attach(scene->iommufd, scene->stdev, PASID, &pt);
}

static const struct operation {
	const char *name;
	int (*prepare)(struct scene *scene);
	int (*run)(struct scene *scene);
	int (*undo)(struct scene *scene);
	bool stays_without_answer;	/* when the reply alone was lost */
} operations[] = {
	{ "attach", NULL, op_attach, undo_attach, false },
	{ "PASID_ALLOC", NULL, op_alloc, undo_alloc, false },
	{ "attach to an IOAS", op_alloc, op_attach_ioas, undo_attach, false },
	{ "replace", op_attach, op_replace, undo_replace, true },
};

static void fail_everywhere(struct __test_metadata *_metadata,
			    struct scene *scene, const struct operation *op)
{
	int fail_nth = fail_nth_open();
	int nth = 0, nr_errors = 0;
	bool failed = true;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	if (op->prepare)
		ASSERT_EQ(0, op->prepare(scene)) TH_LOG("%s", op->name);
	/* once without, so that what is made only once is there */
	ASSERT_EQ(0, op->run(scene)) TH_LOG("%s", op->name);
	ASSERT_EQ(0, op->undo(scene)) TH_LOG("%s", op->name);
	while (failed && ++nth < MAX_TRIES) {
		struct state before = state_of(scene), after;
		int rc;

		fail_nth_set(fail_nth, nth);
		rc = op->run(scene);
		failed = fail_nth_happened(fail_nth);
		if (rc == -EFAULT && op->stays_without_answer) {
			ASSERT_EQ(0, op->run(scene));
			rc = 0;
		}
		if (rc) {
			ASSERT_TRUE(failed && is_injected_failure(rc))
				TH_LOG("%s, %d: %d", op->name, nth, rc);
			nr_errors++;
			after = state_of(scene);
			EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)))
				TH_LOG("%s, %d: %d", op->name, nth, rc);
			ASSERT_EQ(0, op->run(scene))
				TH_LOG("%s, %d", op->name, nth);
		}
		ASSERT_EQ(0, op->undo(scene)) TH_LOG("%s, %d", op->name, nth);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(0, nr_errors) TH_LOG("%s", op->name);
	TH_LOG("%s: %d of %d failures are errors", op->name, nr_errors,
	       nth - 1);
	close(fail_nth);
}

TEST_F_TIMEOUT(pasid, operations_unwind_and_work_the_next_time, TIMEOUT)
{
	struct scene scene = {
		.iommufd = FD,
		.ioas = IOAS,
		.stdev = DEV.stdev,
		.idev = DEV.idev,
		.tables = TABLES,
	};
	size_t i;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, OTHER, VA, LENGTH, IOVA));
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	for (i = 0; i != ARRAY_SIZE(operations); i++)
		fail_everywhere(_metadata, &scene, &operations[i]);
}

/*
 * Races
 */

#define NR_THREADS 4
#define NR_ROUNDS 200

struct worker {
	struct thread_call call;
	int iommufd;
	const struct mock_device *dev;
	__u32 pasid;
	__u32 pts[2];
	__u32 seed;
	struct goal *goals;
};

static void start(struct __test_metadata *_metadata, struct worker *workers,
		  const struct worker *model, int (*run)(void *))
{
	int i;

	for (i = 0; i != NR_THREADS; i++) {
		workers[i] = *model;
		workers[i].pasid = i + 1;
		ASSERT_EQ(0, thread_call_start(&workers[i].call, run,
					       &workers[i]));
	}
}

static void finish(struct __test_metadata *_metadata, struct worker *workers)
{
	int i;

	for (i = 0; i != NR_THREADS; i++)
		EXPECT_EQ(0, thread_call_end(&workers[i].call));
}

static int work(void *argument)
{
	struct worker *worker = argument;
	int iommufd = worker->iommufd, i, rc = 0;

	for (i = 0; i != NR_ROUNDS && !rc; i++) {
		rc = attach(iommufd, worker->dev, worker->pasid,
			    worker->pts[i % 2]);
		if (!rc)
			rc = replace(iommufd, worker->dev, worker->pasid,
				     worker->pts[(i + 1) % 2]);
		if (!rc)
			rc = mock_pasid_detach(iommufd, worker->dev->stdev,
					       worker->pasid);
	}
	return rc;
}

TEST_F(pasid, attached_moved_and_detached_beside_others)
{
	const struct worker model = {
		.iommufd = FD,
		.dev = &DEV,
		.pts = { TABLES.capable, TABLES.other },
	};
	struct worker workers[NR_THREADS];
	int i;

	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	start(_metadata, workers, &model, work);
	for (i = 0; i != NR_ROUNDS; i++) {
		__u32 ioas = i % 2 ? IOAS : OTHER;

		ASSERT_EQ(0, ioas_map_at(FD, ioas, VA, LENGTH, IOVA));
		ASSERT_EQ(0, REPLACE(0, i % 2 ? TABLES.other : TABLES.capable));
		ASSERT_EQ(0, ioas_unmap(FD, ioas, IOVA, LENGTH, NULL));
	}
	finish(_metadata, workers);
	for (i = 0; i != NR_THREADS; i++)
		EXPECT_TRUE(IS_ON(workers[i].pasid, 0));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.capable));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.other));
}

/* What the kernel chooses is nobody else's until it is destroyed. */
static atomic_int owners[NR_THREADS * 2 + 1];

static int choose(void *argument)
{
	const __u32 last = ARRAY_SIZE(owners) - 1;
	struct worker *worker = argument;
	int iommufd = worker->iommufd, i, pasid, rc = 0;
	__u32 random = seed_of_part(worker->seed, worker->pasid), id = 0;

	for (i = 0; i != NR_ROUNDS && !rc; i++) {
		pasid = alloc_between(iommufd, worker->dev->idev, 0, last, &id);
		if (pasid < 0) {
			rc = pasid;
			break;
		}
		if (atomic_fetch_add(&owners[pasid], 1))
			rc = -EEXIST;
		if (!rc && random_next(&random) % 2) {
			rc = attach(iommufd, worker->dev, pasid,
				    worker->pts[random_next(&random) % 2]);
			if (!rc && iommufd_destroy(iommufd, id) != -EBUSY)
				rc = -EBADF;
			if (!rc)
				rc = mock_pasid_detach(iommufd,
						       worker->dev->stdev,
						       pasid);
		}
		atomic_fetch_sub(&owners[pasid], 1);
		if (!rc)
			rc = iommufd_destroy(iommufd, id);
	}
	return rc;
}

TEST_F(pasid, chosen_by_several_at_once)
{
	const struct worker model = {
		.iommufd = FD,
		.dev = &DEV,
		.pts = { TABLES.capable, IOAS },
		.seed = chosen_seed(1),
	};
	struct worker workers[NR_THREADS];
	__u32 pasid, id;
	int i;

	TH_LOG("SEED=%u", model.seed);
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	ASSERT_EQ(0, REPLACE(0, IOAS));
	start(_metadata, workers, &model, choose);
	finish(_metadata, workers);
	/* all are back */
	for (i = 1; i != ARRAY_SIZE(owners) - 1; i++) {
		ASSERT_EQ(0, ALLOC(&pasid, &id));
		EXPECT_EQ(i + 1, pasid);
	}
}

/*
 * Nobody knows what the others have made of a PASID or an ID, and devices come
 * and go. The file may be closed in the middle of it all.
 */
enum {
	ALLOCATED,
	DESTROYED,
	ATTACHED,
	DETACHED,
	REPLACED,
	PLUGGED,
	NR_GOALS,
};

static int scramble(void *argument)
{
	struct worker *worker = argument;
	int iommufd = worker->iommufd;
	__u32 random = seed_of_part(worker->seed, worker->pasid), id = 0;

	for (;;) {
		const __u32 pasid = random_next(&random) % 4 + 1;
		struct mock_device dev = *worker->dev;
		int goal, rc;

		switch (random_next(&random) % 8) {
		case 0:
		case 1:
			rc = alloc_between(iommufd, dev.idev, 0, 4, &id);
			goal = ALLOCATED;
			break;
		case 2:
			rc = iommufd_destroy(iommufd, id);
			goal = DESTROYED;
			break;
		case 3:
		case 4:
			rc = attach(iommufd, &dev, pasid,
				    worker->pts[pasid % 2]);
			goal = ATTACHED;
			break;
		case 5:
			rc = mock_pasid_detach(iommufd, dev.stdev, pasid);
			goal = DETACHED;
			break;
		case 6:
			rc = replace(iommufd, &dev, random_next(&random) % 5,
				     worker->pts[pasid % 2]);
			goal = REPLACED;
			break;
		default:
			/* not those in use by other threads as anything else */
			if (random_next(&random) % 16)
				continue;
			rc = mock_destroy(iommufd, &dev);
			/* its ID may be one that was another thread's before */
			if (!rc || rc == -ENOENT)
				rc = mock_domain_flags(iommufd, worker->pts[1],
						       MOCK_FLAGS_DEVICE_PASID,
						       &dev);
			if (!rc)
				*(struct mock_device *)worker->dev = dev;
			goal = PLUGGED;
		}
		if (rc == -EBADF)
			return 0;
		if (rc >= 0)
			goal_count(&worker->goals[goal]);
	}
}

#define NR_SCRAMBLES 10

TEST_F_TIMEOUT(pasid, survives_what_threads_do_to_each_other, TIMEOUT)
{
	const __u32 seed = chosen_seed(1);
	struct worker workers[NR_THREADS];
	const struct goal *missed;
	const struct crowd nobody = {};
	int round;

	TH_LOG("SEED=%u", seed);
	for (round = 0; round != NR_SCRAMBLES; round++) {
		struct goal goals[NR_GOALS] = {
			[ALLOCATED] = { "allocated", 10 },
			[DESTROYED] = { "destroyed", 10 },
			[ATTACHED] = { "attached", 10 },
			[DETACHED] = { "detached", 10 },
			[REPLACED] = { "replaced", 10 },
			[PLUGGED] = { "plugged", 1 },
		};
		struct mock_device dev;
		struct worker model = {
			.dev = &dev,
			.seed = seed_of_part(seed, round),
			.goals = goals,
		};

		model.iommufd = iommufd_open();
		ASSERT_LE(0, model.iommufd);
		ASSERT_EQ(0, ioas_alloc(model.iommufd, &model.pts[1]));
		ASSERT_EQ(0, mock_domain_flags(model.iommufd, model.pts[1],
					       MOCK_FLAGS_DEVICE_PASID, &dev));
		ASSERT_EQ(0, hwpt_alloc(model.iommufd, dev.idev, model.pts[1],
					IOMMU_HWPT_ALLOC_PASID,
					&model.pts[0]));
		start(_metadata, workers, &model, scramble);
		missed = crowd_reach(&nobody, goals, NR_GOALS);
		EXPECT_EQ(NULL, missed)
			TH_LOG("too few: %s: %lu", missed->what, missed->times);
		ASSERT_EQ(0, close(model.iommufd));
		finish(_metadata, workers);
	}
	/* and nothing is left of it for others */
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
}

TEST_HARNESS_MAIN
