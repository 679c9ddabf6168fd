// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware queues of a vIOMMU in the memory of a guest, of the kernel's test
 * device.
 */
#include <stdint.h>
#include <string.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "test_support.h"
#include "threads.h"
#include "viommu_rig.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define HALF_PAGE (SMALL_PAGE / 2)

FIXTURE(hw_queue)
{
	struct viommu_rig rig;
	struct memory_rig mem;	/* at IOVA, physically in one piece */
};

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define PARENT (self->rig.parent)
#define VIOMMU (self->rig.viommu)
#define VA (self->mem.va)
#define LENGTH (self->mem.length)

FIXTURE_SETUP(hw_queue)
{
	MAKE(viommu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_HUGETLB, HUGE_PAGE));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
}

FIXTURE_TEARDOWN(hw_queue)
{
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

TEST_F(hw_queue, allocation_is_refused_in_this_order)
{
	struct iommu_hw_queue_alloc cmd = {
		.flags = 1,
		.viommu_id = NO_SUCH_ID,
		.type = IOMMU_HW_QUEUE_TYPE_DEFAULT,
		.index = IOMMU_TEST_HW_QUEUE_MAX,
		.nesting_parent_iova = IOVA - SMALL_PAGE,
	};
	const __u32 first = next_id(FD);

	EXPECT_EQ(-EOPNOTSUPP, hw_queue_alloc_ioctl(FD, &cmd));
	cmd.flags = 0;
	EXPECT_EQ(-EOPNOTSUPP, hw_queue_alloc_ioctl(FD, &cmd));
	cmd.type = IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV;
	EXPECT_EQ(-EINVAL, hw_queue_alloc_ioctl(FD, &cmd));
	cmd.length = -cmd.nesting_parent_iova + 1;
	EXPECT_EQ(-EOVERFLOW, hw_queue_alloc_ioctl(FD, &cmd));
	cmd.length = SMALL_PAGE;
	EXPECT_EQ(-ENOENT, hw_queue_alloc_ioctl(FD, &cmd));
	cmd.viommu_id = PARENT;
	EXPECT_EQ(-ENOENT, hw_queue_alloc_ioctl(FD, &cmd));
	cmd.viommu_id = VIOMMU;
	EXPECT_EQ(-EOPNOTSUPP, hw_queue_alloc_ioctl(FD, &cmd));
	cmd.type = IOMMU_HW_QUEUE_TYPE_SELFTEST;
	EXPECT_EQ(-ENOENT, hw_queue_alloc_ioctl(FD, &cmd));
	/* only its beginning is not there */
	cmd.length = 2 * SMALL_PAGE;
	EXPECT_EQ(-ENOENT, hw_queue_alloc_ioctl(FD, &cmd));
	cmd.nesting_parent_iova = IOVA + LENGTH - SMALL_PAGE;
	EXPECT_EQ(-ENOENT, hw_queue_alloc_ioctl(FD, &cmd));
	cmd.nesting_parent_iova = IOVA;
	EXPECT_EQ(-EINVAL, hw_queue_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(first, next_id(FD));
	cmd.index = 0;
	EXPECT_EQ(0, hw_queue_alloc_ioctl(FD, &cmd));
}

TEST_F(hw_queue, is_gone_when_its_id_cannot_be_told)
{
	const struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = VIOMMU,
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.nesting_parent_iova = IOVA,
		.length = SMALL_PAGE,
	};
	const __u32 first = next_id(FD);

	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_HW_QUEUE_ALLOC,
					 read_only(&cmd, sizeof(cmd))));
	EXPECT_EQ(first, next_id(FD));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
}

TEST_F(hw_queue, keeps_what_it_needs)
{
	__u32 queue;

	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, LENGTH, &queue));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, VIOMMU));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, PARENT));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, iommufd_destroy(FD, queue));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, queue));
	ASSERT_EQ(0, iommufd_destroy(FD, VIOMMU));
	ASSERT_EQ(0, iommufd_destroy(FD, PARENT));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(hw_queue, comes_after_the_first_and_goes_before)
{
	__u32 first, second, other;

	EXPECT_EQ(-EIO, mock_hw_queue(FD, VIOMMU, 1, IOVA, SMALL_PAGE,
				      &second));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, SMALL_PAGE, &first));
	EXPECT_EQ(-EEXIST, mock_hw_queue(FD, VIOMMU, 0, IOVA, SMALL_PAGE,
					 &other));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 1, IOVA + SMALL_PAGE,
				   SMALL_PAGE, &second));
	EXPECT_EQ(-EEXIST, mock_hw_queue(FD, VIOMMU, 1, IOVA, SMALL_PAGE,
					 &other));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, first));
	ASSERT_EQ(0, iommufd_destroy(FD, second));
	ASSERT_EQ(0, iommufd_destroy(FD, first));
	EXPECT_EQ(-EIO, mock_hw_queue(FD, VIOMMU, 1, IOVA, SMALL_PAGE,
				      &second));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
}

/* Closing the file has to find an order. */
TEST_F(hw_queue, goes_with_the_file)
{
	__u32 first, second;

	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, SMALL_PAGE, &first));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 1, IOVA, LENGTH, &second));
	EXPECT_LT(first, second);
}

/*
 * Its memory
 */

TEST_F(hw_queue, memory_cannot_be_unmapped)
{
	const __u64 behind = IOVA + LENGTH;
	__u64 unmapped;
	__u32 queue;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, behind));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA + SMALL_PAGE, 64,
				   &queue));
	EXPECT_EQ(0, mock_check_refs(FD, VA, SMALL_PAGE, 1));
	EXPECT_EQ(-EBUSY, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(-EBUSY, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, mock_check_map(FD, PARENT, IOVA, LENGTH, VA));
	EXPECT_EQ(0, mock_check_map(FD, PARENT, behind, SMALL_PAGE, VA));
	/* what is beside it can */
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, behind, SMALL_PAGE, NULL));
	ASSERT_EQ(0, iommufd_destroy(FD, queue));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, &unmapped));
	EXPECT_EQ(LENGTH, unmapped);
}

TEST_F(hw_queue, memory_is_locked_once_for_each_queue)
{
	__u32 first, second;

	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, LENGTH, &first));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 1, IOVA, SMALL_PAGE, &second));
	ASSERT_EQ(0, iommufd_destroy(FD, second));
	EXPECT_EQ(-EBUSY, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	ASSERT_EQ(0, iommufd_destroy(FD, first));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
}

/* The kernel asks nobody to let go of what cannot be unmapped anyway. */
TEST_F(hw_queue, memory_may_be_that_of_an_access)
{
	struct mock_asked before, after;
	__u32 queue, item;
	int access;

	access = mock_access(FD, IOAS,
			     MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	ASSERT_LE(0, access);
	ASSERT_EQ(0, mock_access_pin(FD, access, 0, IOVA, SMALL_PAGE, VA,
				     &item));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, SMALL_PAGE, &queue));
	ASSERT_EQ(0, mock_asked(&before));
	EXPECT_EQ(-EBUSY, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	ASSERT_EQ(0, mock_asked(&after));
	EXPECT_EQ(before.calls, after.calls);
	ASSERT_EQ(0, iommufd_destroy(FD, queue));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	close(access);
}

TEST_F(hw_queue, memory_may_be_in_several_maps_if_it_is_in_one_piece)
{
	const __u64 iova = IOVA + 2 * LENGTH;
	__u32 queue;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + SMALL_PAGE, SMALL_PAGE, iova));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + 2 * SMALL_PAGE,
				 2 * SMALL_PAGE, iova + SMALL_PAGE));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE,
				 iova + 3 * SMALL_PAGE));

	EXPECT_EQ(-EFAULT, mock_hw_queue(FD, VIOMMU, 0, iova, 4 * SMALL_PAGE,
					 &queue));
	EXPECT_EQ(-EFAULT, mock_hw_queue(FD, VIOMMU, 0,
					 iova + 3 * SMALL_PAGE - 1, 2,
					 &queue));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, iova + 64,
				   3 * SMALL_PAGE - 64, &queue));
	EXPECT_EQ(-EBUSY, ioas_unmap(FD, IOAS, iova, SMALL_PAGE, NULL));
	EXPECT_EQ(-EBUSY, ioas_unmap(FD, IOAS, iova + SMALL_PAGE,
				     2 * SMALL_PAGE, NULL));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, iova + 3 * SMALL_PAGE, SMALL_PAGE,
				NULL));
	ASSERT_EQ(0, iommufd_destroy(FD, queue));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, iova, 3 * SMALL_PAGE, NULL));
}

/* The test device has smaller pages than the processor. */
TEST_F(hw_queue, memory_may_be_joined_within_a_page)
{
	const __u64 iova = IOVA + 2 * LENGTH, other = iova + SMALL_PAGE;
	__u32 queue;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, HALF_PAGE, iova));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + HALF_PAGE, HALF_PAGE,
				 iova + HALF_PAGE));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, iova, SMALL_PAGE, &queue));
	ASSERT_EQ(0, iommufd_destroy(FD, queue));

	/* halves of two pages that follow each other, but they do not */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, HALF_PAGE, other));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + SMALL_PAGE + HALF_PAGE,
				 HALF_PAGE, other + HALF_PAGE));
	EXPECT_EQ(-EFAULT, mock_hw_queue(FD, VIOMMU, 0, other, SMALL_PAGE,
					 &queue));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
}

TEST_F(hw_queue, memory_that_is_no_use_is_refused)
{
	const __u64 iova = IOVA + 2 * LENGTH;
	struct memory scattered;
	__u64 at = iova;
	__u32 queue;
	int dmabuf;

	/* in no piece */
	ASSERT_EQ(0, memory_alloc(&scattered, PAGES_SMALL_RANDOM,
				  16 * SMALL_PAGE));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, scattered.va, 16 * SMALL_PAGE, iova));
	EXPECT_EQ(-EFAULT, mock_hw_queue(FD, VIOMMU, 0, iova, 16 * SMALL_PAGE,
					 &queue));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, 16 * SMALL_PAGE, NULL));

	/* only to be read, or only to be written */
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, VA, SMALL_PAGE,
				    &at));
	EXPECT_EQ(-EPERM, mock_hw_queue(FD, VIOMMU, 0, iova, SMALL_PAGE,
					&queue));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, SMALL_PAGE, NULL));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS,
				    IOMMU_IOAS_MAP_WRITEABLE | MAP_AT, VA,
				    SMALL_PAGE, &at));
	EXPECT_EQ(-EPERM, mock_hw_queue(FD, VIOMMU, 0, iova, SMALL_PAGE,
					&queue));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, SMALL_PAGE, NULL));

	/* pages begin elsewhere than in the memory */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + HALF_PAGE, SMALL_PAGE, iova));
	EXPECT_EQ(-EINVAL, mock_hw_queue(FD, VIOMMU, 0, iova, HALF_PAGE,
					 &queue));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, SMALL_PAGE, NULL));

	/* can be taken back */
	dmabuf = mock_dmabuf(FD, SMALL_PAGE, 2);
	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   SMALL_PAGE, &at));
	EXPECT_EQ(-EINVAL, mock_hw_queue(FD, VIOMMU, 0, iova, SMALL_PAGE,
					 &queue));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, SMALL_PAGE, NULL));
	close(dmabuf);
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
}

/* Charges move; the memory stays where it is. */
TEST_F(hw_queue, memory_may_be_charged_to_another_process)
{
	struct memory_rig file;
	__u32 queue;

	/* only files can be charged to others */
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	MAKE(memory_rig_make_file(&file, PAGES_HUGETLB, HUGE_PAGE));
	ASSERT_EQ(0, memory_rig_map(&file, FD, IOAS, IOVA));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, HUGE_PAGE, &queue));
	ASSERT_EQ(HUGE_PAGE, vm_pinned());

	EXPECT_EQ(0, IN_CHILD(-ioas_change_process(FD)));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-EBUSY, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, mock_check_map(FD, PARENT, IOVA, HUGE_PAGE, file.va));

	/* to this one again, and that of a queue that has gone */
	ASSERT_EQ(0, ioas_change_process(FD));
	EXPECT_EQ(HUGE_PAGE, vm_pinned());
	ASSERT_EQ(0, iommufd_destroy(FD, queue));
	EXPECT_EQ(HUGE_PAGE, vm_pinned());
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(hw_queue, failures_leave_nothing_behind)
{
	const __u32 first = next_id(FD);
	__u32 queue;

	WITH_EACH_FAILURE(mock_hw_queue(FD, VIOMMU, 0, IOVA, LENGTH, &queue),
			  next_id(FD) == first &&
			  !ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL) &&
			  !ioas_map_at(FD, IOAS, VA, LENGTH, IOVA),
			  iommufd_destroy(FD, queue), -ENOENT);
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
}

/* It lets go of the first again. */
TEST_F(hw_queue, failures_of_the_second_leave_nothing_behind)
{
	__u32 first, second, id;

	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, SMALL_PAGE, &first));
	id = next_id(FD);
	WITH_EACH_FAILURE(mock_hw_queue(FD, VIOMMU, 1, IOVA, LENGTH, &second),
			  next_id(FD) == id, iommufd_destroy(FD, second),
			  -ENOENT);
	ASSERT_EQ(0, iommufd_destroy(FD, first));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
}

/*
 * Races
 */

#define ROUNDS affordable(500)

struct race {
	struct crowd crowd;
	int iommufd;
	__u32 ioas;
	__u32 viommu;
	const void *va;
	size_t length;
	struct goal made;	/* by the thread */
};

/* The second one, which needs the first, whenever that is there */
static int make_second(void *data)
{
	struct race *race = data;
	__u32 queue;
	int rc;

	while (!crowd_is_over(&race->crowd)) {
		rc = mock_hw_queue(race->iommufd, race->viommu, 1, IOVA,
				   SMALL_PAGE, &queue);
		if (!rc) {
			goal_count(&race->made);
			rc = iommufd_destroy(race->iommufd, queue);
		}
		if (rc && rc != -EIO && rc != -ENOENT)
			return rc;
	}
	return 0;
}

TEST_F(hw_queue, is_not_depended_on_while_it_goes)
{
	struct race race = {
		.iommufd = FD,
		.viommu = VIOMMU,
		.made = { "second queues", 5 },
	};
	__u32 queue;
	int i, rc;

	ASSERT_EQ(0, crowd_add(&race.crowd, make_second, &race));
	for (i = 0; i < ROUNDS || !goal_is_reached(&race.made); i++) {
		ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, SMALL_PAGE,
					   &queue));
		do {
			rc = iommufd_destroy(FD, queue);
		} while (rc == -EBUSY);
		ASSERT_EQ(0, rc);
	}
	EXPECT_EQ(0, crowd_end(&race.crowd));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
}

static int map_and_unmap(void *data)
{
	struct race *race = data;
	int rc;

	while (!crowd_is_over(&race->crowd)) {
		rc = ioas_unmap(race->iommufd, race->ioas, IOVA, race->length,
				NULL);
		if (rc == -EBUSY)
			continue;
		if (!rc)
			rc = ioas_map_at(race->iommufd, race->ioas, race->va,
					 race->length, IOVA);
		if (rc)
			return rc;
		goal_count(&race->made);
	}
	return 0;
}

TEST_F(hw_queue, memory_is_there_as_long_as_the_queue)
{
	struct race race = {
		.iommufd = FD,
		.ioas = IOAS,
		.va = VA,
		.length = LENGTH,
		.made = { "maps", 20 },
	};
	int i, rc, made = 0;
	__u32 queue;

	ASSERT_EQ(0, crowd_add(&race.crowd, map_and_unmap, &race));
	for (i = 0; i < ROUNDS || made < 10 || !goal_is_reached(&race.made);
	     i++) {
		rc = mock_hw_queue(FD, VIOMMU, 0, IOVA, LENGTH, &queue);
		if (rc == -ENOENT || rc == -EINVAL)
			continue;
		ASSERT_EQ(0, rc);
		made++;
		EXPECT_EQ(0, mock_check_map(FD, PARENT, IOVA, LENGTH, VA));
		ASSERT_EQ(0, iommufd_destroy(FD, queue));
	}
	EXPECT_EQ(0, crowd_end(&race.crowd));
	TH_LOG("%d queues, %lu maps", made, race.made.times);
}

TEST_HARNESS_MAIN
