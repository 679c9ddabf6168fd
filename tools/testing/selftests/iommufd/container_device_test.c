// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO groups in a container that is an iommufd, with QEMU's edu device: where
 * its DMA goes, what is left when maps are cut, and who pays.
 */
#include <errno.h>
#include <unistd.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "group_fixture.h"
#include "test_support.h"
#include "threads.h"
#include "vfio_igb.h"

#define IOVA (16 * MIB)
#define LENGTH (32 * SMALL_PAGE)

FIXTURE_SETUP(group)
{
	MAKE(container_rig_make(&self->rig, variant->path));
	MAKE(memory_rig_make(&self->mem, PAGES_HUGETLB, HUGE_PAGE));
}

TEST_F(group, comes_before_everything_else)
{
	char info[512];
	__u32 argsz = sizeof(info);

	EXPECT_EQ(-ENODEV, container_set_iommu(C, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-EINVAL, container_open_device(C, BDF));
	ASSERT_EQ(0, container_join(C));
	EXPECT_EQ(-EINVAL, container_join(C));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET,
		  container_group_status(C));
	/* No type was chosen: an iommufd has one IOMMU. */
	EXPECT_EQ(0, container_info(C, info, &argsz));
	EXPECT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-EINVAL, container_set_iommu(C, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(0, checked_ioctl(C->group, VFIO_GROUP_UNSET_CONTAINER, NULL));
	EXPECT_EQ(0, container_unmap(C, IOVA, HUGE_PAGE));
}

TEST_F(group, of_another_device_has_the_same_ioas)
{
	struct vfio_container other = { .fd = C->fd };
	char bdf[BDF_SIZE];
	__u32 first, ioas;

	if (pci_find(IGB_VENDOR, IGB_DEVICE, bdf))
		SKIP(return, "there is no igb device");
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, vfio_ioas(C->fd, IOMMU_VFIO_IOAS_GET, &first));
	ASSERT_EQ(0, container_open_group(&other, bdf));
	EXPECT_EQ(0, container_join(&other));
	EXPECT_EQ(0, vfio_ioas(C->fd, IOMMU_VFIO_IOAS_GET, &ioas));
	EXPECT_EQ(first, ioas);
	close(other.group);
}

static int make_other_ioas(struct vfio_container *container, __u32 *ioas)
{
	return ioas_alloc(container->fd, ioas) ?:
	       vfio_ioas(container->fd, IOMMU_VFIO_IOAS_SET, ioas);
}

TEST_F(group, may_lose_its_ioas_as_long_as_no_device_is_open)
{
	__u32 argsz = 512, ioas;
	char info[512];

	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, vfio_ioas(C->fd, IOMMU_VFIO_IOAS_GET, &ioas));
	ASSERT_EQ(0, iommufd_destroy(C->fd, ioas));
	EXPECT_EQ(-ENODEV, vfio_ioas(C->fd, IOMMU_VFIO_IOAS_GET, &ioas));
	EXPECT_EQ(-ENODEV, container_map(C, VA, HUGE_PAGE, IOVA));
	EXPECT_EQ(-ENODEV, container_unmap(C, IOVA, HUGE_PAGE));
	EXPECT_EQ(-ENODEV, container_info(C, info, &argsz));
	EXPECT_EQ(-ENODEV, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(-ENODEV, container_open_device(C, BDF));

	/* Another one is as good. */
	ASSERT_EQ(0, make_other_ioas(C, &ioas));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, container_open_device(C, BDF));
	EXPECT_EQ(-EBUSY, iommufd_destroy(C->fd, ioas));
	ASSERT_EQ(0, container_rig_use_device(&self->rig));
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
	/* The one that devices are on stays, whichever maps are for. */
	ASSERT_EQ(0, make_other_ioas(C, &ioas));
	EXPECT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, iommufd_destroy(C->fd, ioas));
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
}

struct mapper {
	struct crowd crowd;
	struct vfio_container *container;
	char *va;
	unsigned long nr;
	unsigned long nr_missed;
};

static int map_and_unmap(void *data)
{
	struct mapper *mapper = data;
	int rc = 0;

	/* Now and then there is no IOAS. */
	while ((!rc || rc == -ENODEV) && !crowd_is_over(&mapper->crowd)) {
		rc = container_map(mapper->container, mapper->va, SMALL_PAGE,
				   IOVA);
		if (!rc)
			rc = container_unmap(mapper->container, IOVA,
					     SMALL_PAGE);
		mapper->nr += !rc;
		mapper->nr_missed += rc == -ENODEV;
	}
	return rc == -ENODEV ? 0 : rc;
}

TEST_F(group, loses_its_ioas_at_any_moment)
{
	struct mapper mapper = { .container = C, .va = VA };
	__u32 ioas;
	int i, rc;

	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, crowd_add(&mapper.crowd, map_and_unmap, &mapper));
	for (i = 0; i != 200; i++) {
		ASSERT_EQ(0, vfio_ioas(C->fd, IOMMU_VFIO_IOAS_GET, &ioas));
		/* As long as one is being mapped, or unmapped, it is used. */
		do {
			rc = iommufd_destroy(C->fd, ioas);
		} while (rc == -EBUSY);
		ASSERT_EQ(0, rc);
		ASSERT_EQ(0, make_other_ioas(C, &ioas));
		usleep(i * 37 % 500);
	}
	EXPECT_EQ(0, crowd_end(&mapper.crowd));
	EXPECT_LT(0, mapper.nr);
	EXPECT_LT(0, mapper.nr_missed);
	EXPECT_EQ(0, vm_pinned());
}

static bool is_outside(struct vfio_container *container)
{
	return container_group_status(container) == VFIO_GROUP_FLAGS_VIABLE;
}

static int leave(struct vfio_container *container)
{
	return checked_ioctl(container->group, VFIO_GROUP_UNSET_CONTAINER,
			     NULL);
}

static int close_device(struct vfio_container *container)
{
	return close(container->device);
}

TEST_F_TIMEOUT(group, whose_calls_fail_is_as_it_was, 120)
{
	WITH_EACH_FAILURE(container_join(C), is_outside(C), leave(C));
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	WITH_EACH_FAILURE(container_open_device(C, BDF), !vm_pinned(),
			  close_device(C), -ENOENT, -EINVAL);
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, container_open_device(C, BDF));
	ASSERT_EQ(0, container_rig_use_device(&self->rig));
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
}

TEST_F(group, has_dma_to_what_a_cut_leaves)
{
	__u64 length = SMALL_PAGE;

	ASSERT_EQ(0, OPEN_DEVICE(VFIO_TYPE1_IOMMU));
	/* An IOVA at which no large entry fits */
	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA + SMALL_PAGE));
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + 11 * SMALL_PAGE,
					   &length));
	EXPECT_EQ(SMALL_PAGE, length);
	EXPECT_TRUE(device_sees(EDU, IOVA + SMALL_PAGE, VA, 10 * SMALL_PAGE));
	EXPECT_EQ(BLOCKED, device_read(EDU, IOVA + 11 * SMALL_PAGE,
				       VA + 10 * SMALL_PAGE, SMALL_PAGE));
	EXPECT_TRUE(device_sees(EDU, IOVA + 12 * SMALL_PAGE,
				VA + 11 * SMALL_PAGE, LENGTH - 11 * SMALL_PAGE));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, container_unmap(C, IOVA + SMALL_PAGE, LENGTH));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_F(group, has_dma_to_what_a_cut_leaves_of_a_large_entry)
{
	const __u64 cut = 300 * SMALL_PAGE, behind = cut + SMALL_PAGE;
	__u64 length = SMALL_PAGE;

	ASSERT_EQ(0, OPEN_DEVICE(VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + cut, &length));
	EXPECT_EQ(SMALL_PAGE, length);
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, cut));
	EXPECT_EQ(BLOCKED, device_read(EDU, IOVA + cut, VA + cut, SMALL_PAGE));
	EXPECT_TRUE(device_sees(EDU, IOVA + behind, VA + behind,
				HUGE_PAGE - behind));
	EXPECT_EQ(HUGE_PAGE, vm_pinned());

	length = HUGE_PAGE;
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(HUGE_PAGE - SMALL_PAGE, length);
	EXPECT_EQ(BLOCKED, device_read(EDU, IOVA, VA, SMALL_PAGE));
}

TEST_F(group, charges_the_process)
{
	ASSERT_EQ(0, OPEN_DEVICE(VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, limit_memlock(LENGTH + SMALL_PAGE));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	/* What was charged to nobody goes back to nobody. */
	EXPECT_EQ(-ENOMEM, container_map(C, VA, LENGTH + 2 * SMALL_PAGE, IOVA));
	EXPECT_EQ(0, container_map(C, VA, LENGTH + SMALL_PAGE, IOVA));
	EXPECT_EQ(-ENOMEM, container_map(C, VA + LENGTH + SMALL_PAGE,
					 SMALL_PAGE, 2 * IOVA));
	EXPECT_EQ(LENGTH + SMALL_PAGE, (__u64)vm_locked());
	EXPECT_EQ(0, container_unmap(C, IOVA, LENGTH + SMALL_PAGE));
	EXPECT_EQ(0, container_map(C, VA + LENGTH + SMALL_PAGE, SMALL_PAGE,
				   2 * IOVA));
}

TEST_HARNESS_MAIN
