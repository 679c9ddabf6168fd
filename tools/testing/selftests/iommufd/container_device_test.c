// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO groups in a container that is an iommufd, with QEMU's edu device: where
 * its DMA goes, what is left when maps are cut, and who pays.
 */
#include <errno.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "container_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)
#define LENGTH (32 * SMALL_PAGE)

FIXTURE(group)
{
	struct container_rig rig;
	struct memory_rig mem;		/* 2 MiB, aligned */
};

FIXTURE_VARIANT(group)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(group, in_iommufd)
{
	.path = "/dev/iommu",
};

FIXTURE_VARIANT_ADD(group, in_vfio)
{
	.path = "/dev/vfio/vfio",
};

#define C (&self->rig.container)
#define BDF (self->rig.bdf)
#define VA (self->mem.va)
#define EDU (&self->rig.edu)
#define OPEN_DEVICE(type) container_rig_open_device(&self->rig, type)

FIXTURE_SETUP(group)
{
	MAKE(container_rig_make(&self->rig, variant->path));
	MAKE(memory_rig_make(&self->mem, PAGES_HUGETLB, HUGE_PAGE));
}

FIXTURE_TEARDOWN_PARENT(group)
{
	EXPECT_EQ(0, pins_left(self->rig.edu.pins));
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
	EXPECT_FALSE(device_reads(EDU, IOVA + 11 * SMALL_PAGE,
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
	EXPECT_FALSE(device_reads(EDU, IOVA + cut, VA + cut, SMALL_PAGE));
	EXPECT_TRUE(device_sees(EDU, IOVA + behind, VA + behind,
				HUGE_PAGE - behind));
	EXPECT_EQ(HUGE_PAGE, vm_pinned());

	length = HUGE_PAGE;
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(HUGE_PAGE - SMALL_PAGE, length);
	EXPECT_FALSE(device_reads(EDU, IOVA, VA, SMALL_PAGE));
}

TEST_F(group, charges_the_process)
{
	ASSERT_EQ(0, OPEN_DEVICE(VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, limit_memlock(LENGTH + SMALL_PAGE));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	/* What was charged to nobody goes back to nobody. */
	EXPECT_EQ(-ENOMEM, container_map(C, VA, LENGTH + 2 * SMALL_PAGE, IOVA));
	EXPECT_EQ(0, container_map(C, VA, LENGTH + SMALL_PAGE, IOVA));
	EXPECT_EQ(-ENOMEM, container_map(C, VA, SMALL_PAGE, 2 * IOVA));
	EXPECT_EQ(LENGTH + SMALL_PAGE, (__u64)vm_locked());
	EXPECT_EQ(0, container_unmap(C, IOVA, LENGTH + SMALL_PAGE));
	EXPECT_EQ(0, container_map(C, VA, SMALL_PAGE, 2 * IOVA));
}

TEST_HARNESS_MAIN
