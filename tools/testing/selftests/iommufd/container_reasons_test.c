// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reasons of a VFIO container that is an iommufd: see reasons_test.
 */
#include <errno.h>
#include <stdint.h>

#include <linux/vfio.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "reason_fixture.h"
#include "vfio_container.h"

TEST_F(reasons, of_containers)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map) - 1,
		.flags = CONTAINER_RW,
		.vaddr = (uintptr_t)VA,
		.iova = IOVA,
		.size = SMALL_PAGE,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = 0x80,
		.iova = IOVA,
		.size = SMALL_PAGE,
	};
	__u32 id = IOAS;

	EXPECT_WHY(ENODEV, NO_VFIO_IOAS, FD,
		   vfio_ioas(FD, IOMMU_VFIO_IOAS_GET, &id));
	EXPECT_EQ(IOMMU_VFIO_IOAS, told.command);
	EXPECT_WHY(ENODEV, NO_VFIO_IOAS, FD,
		   checked_ioctl(FD, VFIO_SET_IOMMU,
				 (void *)VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(VFIO_SET_IOMMU, told.command);
	ASSERT_EQ(0, vfio_ioas(FD, IOMMU_VFIO_IOAS_SET, &id));
	EXPECT_WHY(EINVAL, VFIO_TYPE, FD,
		   checked_ioctl(FD, VFIO_SET_IOMMU, (void *)99));
	EXPECT_NUMBERS(99);
	EXPECT_WHY(EINVAL, SHORT_STRUCT, FD,
		   checked_ioctl(FD, VFIO_IOMMU_MAP_DMA, &map));
	map.argsz = sizeof(map);
	map.flags = 0x100 | CONTAINER_RW;
	EXPECT_WHY(EINVAL, VFIO_FLAGS, FD,
		   checked_ioctl(FD, VFIO_IOMMU_MAP_DMA, &map));
	EXPECT_NUMBERS(map.flags);
	EXPECT_WHY(EINVAL, VFIO_FLAGS, FD,
		   checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	unmap.flags = VFIO_DMA_UNMAP_FLAG_ALL;
	EXPECT_WHY(EINVAL, VFIO_UNMAP_ALL, FD,
		   checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_NUMBERS(IOVA, SMALL_PAGE);
	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD, vfio_ioas(FD, 9, &id));
	EXPECT_NUMBERS(9);
}

TEST_F(reasons, of_dirty_bits_of_containers)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {
		.argsz = sizeof(cmd),
		.flags = 0x80,
	};
	struct {
		struct vfio_iommu_type1_dirty_bitmap cmd;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} get = {
		.cmd.argsz = sizeof(get),
		.cmd.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.get.iova = IOVA,
		.get.size = SMALL_PAGE,
		.get.bitmap.pgsize = SMALL_PAGE + 1,
	};
	struct mock_device other;
	__u32 id = IOAS;

	ASSERT_EQ(0, vfio_ioas(FD, IOMMU_VFIO_IOAS_SET, &id));
	PLUG(0);
	EXPECT_WHY(EINVAL, VFIO_FLAGS, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &cmd));
	EXPECT_WHY(EINVAL, DIRTY_PAGE_SIZE, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &get));
	get.get.bitmap.pgsize = SMALL_PAGE;
	EXPECT_WHY(EINVAL, DIRTY_BITMAP, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &get));
	EXPECT_NUMBERS(0, 8);
	get.get.bitmap.size = 8;
	EXPECT_WHY(EINVAL, VFIO_DIRTY_OFF, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &get));
	get.get.iova = IOVA + 1;
	EXPECT_WHY(EINVAL, VFIO_ALIGNMENT, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &get));

	ASSERT_EQ(0, checked_ioctl(FD, VFIO_SET_IOMMU,
				   (void *)VFIO_TYPE1_IOMMU));
	EXPECT_WHY(EACCES, VFIO_DIRTY_V1, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &cmd));
	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_NO_DIRTY,
				       &other));
	EXPECT_WHY(ENOTTY, VFIO_NO_DIRTY, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &cmd));
}

TEST_F(reasons, of_parts_that_cannot_be_unmapped)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = IOVA + 1,
		.size = SMALL_PAGE,
	};
	__u32 id = IOAS;

	ASSERT_EQ(0, vfio_ioas(FD, IOMMU_VFIO_IOAS_SET, &id));
	PLUG(0);
	EXPECT_WHY(EINVAL, VFIO_ALIGNMENT, FD,
		   checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_NUMBERS(IOVA + 1, SMALL_PAGE);
}

TEST_HARNESS_MAIN
