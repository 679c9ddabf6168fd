// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iommufd as a VFIO container, with devices of the test device: each ioctl,
 * with what is wrong with it, the old type1 and the new. What comes by VFIO's
 * groups is in container_device_test.c, what is large in container_large_test.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include <sys/ioctl.h>

#include <linux/kernel.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "mock_rig.h"
#include "test_support.h"
#include "vfio_container.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define LENGTH (32 * SMALL_PAGE)
#define NR_EXTENSIONS 20
#define NOBODYS ((void *)0xdead0000)

/* -- a file before there is a group -- */

FIXTURE(file)
{
	struct vfio_container container;
};

FIXTURE_VARIANT(file)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(file, of_iommufd)
{
	.path = "/dev/iommu",
};

FIXTURE_VARIANT_ADD(file, of_vfio)
{
	.path = "/dev/vfio/vfio",
};

FIXTURE_SETUP(file)
{
	int rc = container_open_file(&self->container, variant->path);

	if (rc == -ENOENT)
		SKIP(return, "no %s", variant->path);
	ASSERT_EQ(0, rc);
	if (!container_is_iommufd(&self->container))
		SKIP(return, "%s is VFIO's own", variant->path);
}

FIXTURE_TEARDOWN(file)
{
	container_close(&self->container);
}

#define FILE_FD (self->container.fd)

TEST_F(file, tells_its_version)
{
	EXPECT_EQ(VFIO_API_VERSION, ioctl(FILE_FD, VFIO_GET_API_VERSION));
}

TEST_F(file, has_the_extensions_that_it_has)
{
	const int expected[NR_EXTENSIONS] = {
		[VFIO_TYPE1_IOMMU] = 1,
		[VFIO_TYPE1v2_IOMMU] = 1,
		[VFIO_UNMAP_ALL] = 1,
		[VFIO_UPDATE_VADDR] = 0,
		[VFIO_SPAPR_TCE_IOMMU] = 0,
		[VFIO_DMA_CC_IOMMU] = -ENODEV,
	};
	int i, rc;

	for (i = 0; i != NR_EXTENSIONS; i++) {
		rc = container_extension(&self->container, i);
		/* The kernel may have it or not. */
		if (i == VFIO_NOIOMMU_IOMMU) {
			EXPECT_LE(0, rc);
			continue;
		}
		EXPECT_EQ(expected[i], rc)
			TH_LOG("extension %d", i);
	}
	EXPECT_EQ(0, container_extension(&self->container, ~0UL));
}

TEST_F(file, needs_a_group_first)
{
	__u64 info[64], length = 0;
	__u32 argsz = sizeof(info);

	EXPECT_EQ(-ENODEV, container_set_iommu(&self->container,
					       VFIO_TYPE1_IOMMU));
	EXPECT_EQ(-ENODEV, container_set_iommu(&self->container,
					       VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-EINVAL, container_set_iommu(&self->container,
					       VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(-EINVAL, container_set_iommu(&self->container,
					       VFIO_SPAPR_TCE_IOMMU));
	EXPECT_EQ(-EINVAL, container_set_iommu(&self->container, 0));
	EXPECT_EQ(-ENODEV, container_info(&self->container, info, &argsz));
	EXPECT_EQ(-ENODEV, container_map(&self->container, info, SMALL_PAGE,
					 IOVA));
	EXPECT_EQ(-ENODEV, container_unmap(&self->container, IOVA, SMALL_PAGE));
	EXPECT_EQ(-ENODEV, container_unmap_flags(&self->container,
						 VFIO_DMA_UNMAP_FLAG_ALL, 0,
						 &length));
}

TEST_F(file, knows_no_other_ioctl)
{
	const unsigned long unknown[] = {
		VFIO_IOMMU_ENABLE, VFIO_IOMMU_DISABLE, VFIO_EEH_PE_OP,
		VFIO_GROUP_GET_STATUS, VFIO_GROUP_SET_CONTAINER,
		VFIO_DEVICE_GET_INFO, VFIO_DEVICE_RESET,
		VFIO_IOMMU_SPAPR_TCE_CREATE, _IO(VFIO_TYPE, 0),
		_IO('x', VFIO_BASE), _IOR(VFIO_TYPE, VFIO_BASE, __u32),
		_IOW(VFIO_TYPE, VFIO_BASE + 13, __u32),
	};
	__u64 argument[64] = { sizeof(argument) };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		const unsigned long request = unknown[i];

		EXPECT_EQ(-ENOTTY, checked_ioctl(FILE_FD, request, argument))
			TH_LOG("0x%lx", request);
	}
}

/* -- an IOAS that stands for a container, with a page table or without -- */

FIXTURE(type1)
{
	struct mock_rig rig;
	struct memory_rig mem;
	struct vfio_container container;
};

FIXTURE_VARIANT(type1)
{
	unsigned long type;
	bool device;
};

FIXTURE_VARIANT_ADD(type1, v1)
{
	.type = VFIO_TYPE1_IOMMU,
};

FIXTURE_VARIANT_ADD(type1, v1_with_a_device)
{
	.type = VFIO_TYPE1_IOMMU,
	.device = true,
};

FIXTURE_VARIANT_ADD(type1, v2)
{
	.type = VFIO_TYPE1v2_IOMMU,
};

FIXTURE_VARIANT_ADD(type1, v2_with_a_device)
{
	.type = VFIO_TYPE1v2_IOMMU,
	.device = true,
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define HWPT (self->rig.dev.hwpt)
#define VA (self->mem.va)
#define C (&self->container)

FIXTURE_SETUP(type1)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL_RANDOM, LENGTH));
	if (variant->device)
		MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(mock_rig_make_container(&self->rig, variant->type, C));
}

FIXTURE_TEARDOWN(type1)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

static bool is_v1(unsigned long type)
{
	return type == VFIO_TYPE1_IOMMU;
}

TEST_F(type1, can_be_set_again)
{
	__u64 huge;

	EXPECT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(0, iommufd_option_get(FD, IOMMU_OPTION_HUGE_PAGES, IOAS,
					&huge));
	EXPECT_EQ(0, huge);
	EXPECT_EQ(0, container_set_iommu(C, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, iommufd_option_get(FD, IOMMU_OPTION_HUGE_PAGES, IOAS,
					&huge));
	EXPECT_EQ(1, huge);
	EXPECT_EQ(-EINVAL, container_set_iommu(C, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(0, vfio_ioas(FD, IOMMU_VFIO_IOAS_CLEAR, &IOAS));
	EXPECT_EQ(-ENODEV, container_set_iommu(C, VFIO_TYPE1_IOMMU));
}

TEST_F(type1, tells_of_huge_pages_what_it_was_told)
{
	const bool v1 = is_v1(variant->type);
	__u64 huge;

	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA));
	ASSERT_EQ(0, iommufd_option_get(FD, IOMMU_OPTION_HUGE_PAGES, IOAS,
					&huge));
	EXPECT_EQ(!v1, huge);
	/* Too late, but for who believes that there are none */
	EXPECT_EQ(variant->device && !v1 ? -EINVAL : 0,
		  iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	EXPECT_EQ(-EINVAL, iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS,
					      2));
	EXPECT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 1));
	EXPECT_EQ(0, iommufd_option_get(FD, IOMMU_OPTION_HUGE_PAGES, IOAS,
					&huge));
	EXPECT_EQ(1, huge);
}

TEST_F(type1, is_coherent_if_all_page_tables_are)
{
	/* Those of mock devices are not; without any nothing is against it. */
	EXPECT_EQ(!variant->device, container_extension(C, VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(1, container_extension(C, VFIO_TYPE1_IOMMU));
}

/* -- GET_INFO -- */

#define INFO_ROOM 512

/* The capability of this ID, or NULL; the chain is as it should be. */
static struct vfio_info_cap_header *find_cap(char *info, __u16 id)
{
	struct vfio_iommu_type1_info *head = (void *)info;
	__u32 offset = head->cap_offset;

	while (offset) {
		struct vfio_info_cap_header *cap = (void *)(info + offset);

		if (offset % 8 || offset >= head->argsz ||
		    (cap->next && cap->next <= offset))
			return NULL;
		if (cap->id == id)
			return cap->version == 1 ? cap : NULL;
		offset = cap->next;
	}
	return NULL;
}

TEST_F(type1, tells_its_ranges_and_that_there_is_no_limit)
{
	struct vfio_iommu_type1_info_cap_iova_range *ranges;
	struct iommu_iova_range expected[8];
	struct vfio_iommu_type1_info_dma_avail *avail;
	char info[INFO_ROOM] = {};
	__u32 argsz = sizeof(info), nr = 8;

	ASSERT_EQ(0, container_info(C, info, &argsz));
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, expected, &nr, NULL));
	ranges = (void *)find_cap(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	ASSERT_NE(NULL, ranges);
	ASSERT_EQ(nr, ranges->nr_iovas);
	EXPECT_EQ(0, memcmp(expected, ranges->iova_ranges,
			    nr * sizeof(*expected)));
	avail = (void *)find_cap(info, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	ASSERT_NE(NULL, avail);
	EXPECT_EQ(~0U, avail->avail);
	EXPECT_EQ(NULL, find_cap(info, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION));
	EXPECT_EQ(NULL, find_cap(info, 4));
}

/* The mock IOMMU has entries of half a page, too. */
TEST_F(type1, tells_of_no_page_smaller_than_ours)
{
	struct vfio_iommu_type1_info info;
	__u32 argsz = sizeof(info);

	ASSERT_EQ(0, container_info(C, &info, &argsz));
	EXPECT_EQ(VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS, info.flags);
	EXPECT_EQ(SMALL_PAGE, info.iova_pgsizes & -info.iova_pgsizes);
	EXPECT_EQ(0, info.cap_offset);
	EXPECT_LT(sizeof(info), argsz);
}

TEST_F(type1, writes_no_byte_of_info_that_was_not_offered)
{
	const __u32 min = offsetof(struct vfio_iommu_type1_info, cap_offset);
	struct vfio_iommu_type1_info *info;
	unsigned char bytes[INFO_ROOM];
	__u32 needed = sizeof(*info), argsz, got;

	info = (void *)bytes;
	ASSERT_EQ(0, container_info(C, info, &needed));
	ASSERT_LT(needed + 8, sizeof(bytes));
	for (argsz = 0; argsz != needed + 8; argsz++) {
		memset(bytes, 0x5a, sizeof(bytes));
		got = argsz;
		if (argsz < min) {
			EXPECT_EQ(-EINVAL, container_info(C, info, &got));
			EXPECT_EQ(argsz, got);
			continue;
		}
		EXPECT_EQ(0, container_info(C, info, &got));
		EXPECT_EQ(needed, got);
		EXPECT_TRUE(memory_is(bytes + argsz, 0x5a,
				      sizeof(bytes) - argsz));
		if (argsz < needed)
			EXPECT_TRUE(memory_is(bytes + sizeof(*info), 0x5a,
					      sizeof(bytes) - sizeof(*info)));
		if (argsz >= sizeof(*info))
			EXPECT_EQ(argsz < needed ? 0 : sizeof(*info),
				  info->cap_offset);
	}
	EXPECT_EQ(-EFAULT, checked_ioctl(FD, VFIO_IOMMU_GET_INFO, NOBODYS));
}

/* -- MAP_DMA -- */

TEST_F(type1, maps_where_it_was_told)
{
	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA));
	EXPECT_EQ(-EEXIST, container_map(C, VA, LENGTH, IOVA));
	EXPECT_EQ(-EEXIST, container_map(C, VA, SMALL_PAGE,
					 IOVA + LENGTH - SMALL_PAGE));
	EXPECT_EQ(0, container_map_flags(C, VFIO_DMA_MAP_FLAG_READ, VA, LENGTH,
					 IOVA + LENGTH));
	EXPECT_EQ(0, container_map_flags(C, VFIO_DMA_MAP_FLAG_WRITE, VA, LENGTH,
					 IOVA + 2 * LENGTH));
	if (!variant->device)
		return;
	EXPECT_EQ(0, mock_check_map(FD, HWPT, IOVA, LENGTH, VA));
	EXPECT_EQ(0, mock_check_map(FD, HWPT, IOVA + 2 * LENGTH, LENGTH, VA));
	EXPECT_EQ(0, container_unmap(C, IOVA, 3 * LENGTH));
	EXPECT_EQ(0, mock_check_hole(FD, HWPT, IOVA, 3 * LENGTH));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(type1, maps_nothing_that_is_wrong)
{
	const __u64 va = (uintptr_t)VA;
	const struct {
		struct vfio_iommu_type1_dma_map map;
		int rc;
	} wrong[] = {
		{ { 0, CONTAINER_RW, va, IOVA, LENGTH }, -EINVAL },
		{ { 31, CONTAINER_RW, va, IOVA, LENGTH }, -EINVAL },
		{ { 32, 0, va, IOVA, LENGTH }, -EINVAL },
		{ { 32, VFIO_DMA_MAP_FLAG_VADDR, va, IOVA, LENGTH }, -EINVAL },
		{ { 32, CONTAINER_RW | 8, va, IOVA, LENGTH }, -EINVAL },
		{ { 32, CONTAINER_RW | 1U << 31, va, IOVA, LENGTH }, -EINVAL },
		{ { 32, CONTAINER_RW, va, IOVA, 0 }, -EINVAL },
		{ { 32, CONTAINER_RW, va, -SMALL_PAGE, 2 * SMALL_PAGE },
		  -EOVERFLOW },
		{ { 32, CONTAINER_RW, -SMALL_PAGE, IOVA, 2 * SMALL_PAGE },
		  -EOVERFLOW },
		{ { 32, CONTAINER_RW, va, IOVA, ~0ULL }, -EOVERFLOW },
		{ { 32, CONTAINER_RW, va, ~0ULL, SMALL_PAGE }, -EOVERFLOW },
	};
	struct vfio_iommu_type1_dma_map map;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		map = wrong[i].map;
		EXPECT_EQ(wrong[i].rc,
			  checked_ioctl(FD, VFIO_IOMMU_MAP_DMA, &map))
			TH_LOG("line %u", i);
	}
	EXPECT_EQ(-EFAULT, checked_ioctl(FD, VFIO_IOMMU_MAP_DMA, NOBODYS));
	if (variant->device) {
		EXPECT_EQ(-EINVAL, container_map(C, VA, LENGTH, IOVA + 1));
		EXPECT_EQ(-EINVAL, container_map(C, VA, LENGTH - 1, IOVA));
		EXPECT_EQ(-EINVAL, container_map(C, VA + 1, LENGTH, IOVA));
		EXPECT_EQ(-EINVAL, container_map(C, VA, SMALL_PAGE,
						 IOVA - SMALL_PAGE));
		EXPECT_EQ(-EFAULT, container_map(C, NOBODYS, SMALL_PAGE, IOVA));
		EXPECT_EQ(0, vm_pinned());
	}
	/* A program that knows more, which this kernel does not look at */
	map = (struct vfio_iommu_type1_dma_map){ 100, CONTAINER_RW, va, IOVA,
						 LENGTH };
	EXPECT_EQ(0, checked_ioctl(FD, VFIO_IOMMU_MAP_DMA, &map));
}

/* -- UNMAP_DMA -- */

TEST_F(type1, unmaps_nothing_that_is_wrong)
{
	const struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		int rc;
	} wrong[] = {
		{ { 0, 0, IOVA, LENGTH }, -EINVAL },
		{ { 23, 0, IOVA, LENGTH }, -EINVAL },
		{ { 24, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, IOVA, LENGTH },
		  -EINVAL },
		{ { 24, VFIO_DMA_UNMAP_FLAG_VADDR, IOVA, LENGTH }, -EINVAL },
		{ { 24, 8, IOVA, LENGTH }, -EINVAL },
		{ { 24, VFIO_DMA_UNMAP_FLAG_ALL, IOVA, 0 }, -EINVAL },
		{ { 24, VFIO_DMA_UNMAP_FLAG_ALL, 0, LENGTH }, -EINVAL },
		{ { 24, 0, IOVA, 0 }, -EINVAL },
		{ { 24, 0, 0, 0 }, -EINVAL },
		{ { 24, 0, -SMALL_PAGE, 2 * SMALL_PAGE }, -EOVERFLOW },
	};
	struct vfio_iommu_type1_dma_unmap unmap;
	unsigned int i;

	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA));
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		unmap = wrong[i].unmap;
		EXPECT_EQ(wrong[i].rc,
			  checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap))
			TH_LOG("line %u", i);
		EXPECT_EQ(wrong[i].unmap.size, unmap.size);
	}
	EXPECT_EQ(-EFAULT, checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, NOBODYS));
	/* It cannot be written to: nothing happens. */
	unmap = (struct vfio_iommu_type1_dma_unmap){ 24, 0, IOVA, LENGTH };
	EXPECT_EQ(-EFAULT, checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA,
					 read_only(&unmap, sizeof(unmap))));
	if (variant->device) {
		EXPECT_EQ(-EINVAL, container_unmap(C, IOVA + 1, LENGTH));
		EXPECT_EQ(-EINVAL, container_unmap(C, IOVA, LENGTH - 1));
		EXPECT_EQ(0, mock_check_map(FD, HWPT, IOVA, LENGTH, VA));
	}
	EXPECT_EQ(0, container_unmap(C, IOVA, LENGTH));
}

TEST_F(type1, tells_how_much_was_unmapped)
{
	__u64 length = 8 * LENGTH;

	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA + LENGTH));
	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA + 4 * LENGTH));
	EXPECT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(2 * LENGTH, length);
	/* Nothing is there. */
	length = 8 * LENGTH;
	EXPECT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(0, length);
	EXPECT_EQ(0, container_unmap_flags(C, VFIO_DMA_UNMAP_FLAG_ALL, 0,
					   &length));
	EXPECT_EQ(0, length);
	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA));
	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA + LENGTH));
	EXPECT_EQ(0, container_unmap_flags(C, VFIO_DMA_UNMAP_FLAG_ALL, 0,
					   &length));
	EXPECT_EQ(2 * LENGTH, length);
	EXPECT_EQ(0, vm_pinned());
}

static bool sees(struct mock_rig *rig, bool device, unsigned long first,
		 unsigned long npages, const char *va)
{
	return !device || !mock_check_map(rig->iommufd, rig->dev.hwpt,
					  IOVA + first * SMALL_PAGE,
					  npages * SMALL_PAGE,
					  va + first * SMALL_PAGE);
}

TEST_F(type1, unmaps_parts_if_it_is_the_old_one)
{
	const bool device = variant->device;
	const long page = device ? SMALL_PAGE : 0;
	__u64 length = 3 * SMALL_PAGE;

	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA));
	if (!is_v1(variant->type)) {
		EXPECT_EQ(-ENOENT, container_unmap_flags(C, 0,
							 IOVA + 5 * SMALL_PAGE,
							 &length));
		EXPECT_EQ(-ENOENT, container_unmap(C, IOVA, SMALL_PAGE));
		EXPECT_EQ(-ENOENT, container_unmap(C, IOVA - LENGTH,
						   LENGTH + SMALL_PAGE));
		EXPECT_EQ(-ENOENT, container_unmap(C, IOVA + SMALL_PAGE,
						   LENGTH));
		EXPECT_TRUE(sees(&self->rig, device, 0, 32, VA));
		return;
	}
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + 5 * SMALL_PAGE,
					   &length));
	EXPECT_EQ(3 * SMALL_PAGE, length);
	EXPECT_TRUE(sees(&self->rig, device, 0, 5, VA));
	EXPECT_TRUE(sees(&self->rig, device, 8, 24, VA));
	EXPECT_EQ(29 * page, vm_pinned());
	/* Both ends are in what is mapped, and a hole in between. */
	length = 7 * SMALL_PAGE;
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + 3 * SMALL_PAGE,
					   &length));
	EXPECT_EQ(4 * SMALL_PAGE, length);
	EXPECT_TRUE(sees(&self->rig, device, 0, 3, VA));
	EXPECT_TRUE(sees(&self->rig, device, 10, 22, VA));
	EXPECT_EQ(0, container_map(C, VA + 3 * SMALL_PAGE, 7 * SMALL_PAGE,
				   IOVA + 3 * SMALL_PAGE));
	EXPECT_TRUE(sees(&self->rig, device, 0, 32, VA));
	EXPECT_EQ(0, container_unmap(C, IOVA, LENGTH));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(type1, has_drivers_let_go_of_what_is_cut)
{
	struct mock_asked before, after;
	__u64 length = SMALL_PAGE;
	__u32 item;
	int access;

	if (!is_v1(variant->type))
		SKIP(return, "only the old one cuts");
	access = mock_access(FD, IOAS, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	ASSERT_LE(0, access);
	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA));
	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA + LENGTH));
	ASSERT_EQ(0, mock_access_pin(FD, access, 0, IOVA + 9 * SMALL_PAGE,
				     SMALL_PAGE, NULL, &item));
	ASSERT_EQ(0, mock_asked(&before));
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + 5 * SMALL_PAGE,
					   &length));
	EXPECT_EQ(SMALL_PAGE, length);
	ASSERT_EQ(0, mock_asked(&after));
	EXPECT_LT(before.calls, after.calls);
	EXPECT_EQ(before.nonsense, after.nonsense);
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, access, item));
	/* What is not cut is nobody's business. */
	ASSERT_EQ(0, mock_access_pin(FD, access, 0, IOVA + LENGTH, SMALL_PAGE,
				     NULL, &item));
	ASSERT_EQ(0, container_unmap(C, IOVA + 20 * SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, mock_access_unpin(FD, access, item));
	close(access);
}

TEST_F(type1, leaves_memory_of_devices_whole)
{
	__u64 length = SMALL_PAGE, iova = IOVA;
	int dmabuf;

	if (!is_v1(variant->type))
		SKIP(return, "only the old one cuts");
	dmabuf = mock_dmabuf(FD, LENGTH, O_RDWR);
	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0, LENGTH,
				   &iova));
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + SMALL_PAGE, &length));
	/* In no page table it is as any other memory. */
	EXPECT_EQ(variant->device ? 0 : SMALL_PAGE, length);
	length = LENGTH;
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(variant->device ? LENGTH : LENGTH - SMALL_PAGE, length);
	close(dmabuf);
}

static int cut_and_mend(struct vfio_container *container, const char *va)
{
	return container_map(container, va + 5 * SMALL_PAGE, 3 * SMALL_PAGE,
			     IOVA + 5 * SMALL_PAGE);
}

TEST_F_TIMEOUT(type1, is_as_it_was_when_a_cut_fails, 120)
{
	if (!is_v1(variant->type))
		SKIP(return, "only the old one cuts");
	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA));
	WITH_EACH_FAILURE(container_unmap(C, IOVA + 5 * SMALL_PAGE,
					  3 * SMALL_PAGE),
			  sees(&self->rig, variant->device, 0, 32, VA),
			  cut_and_mend(C, VA) ?: container_unmap(C, IOVA,
								 LENGTH) ?:
			  container_map(C, VA, LENGTH, IOVA));
}

static bool info_is(const struct vfio_container *container, const char *wanted)
{
	char info[INFO_ROOM] = {};
	__u32 argsz = sizeof(info);

	return !container_info(container, info, &argsz) &&
	       !memcmp(info, wanted, sizeof(info));
}

TEST_F_TIMEOUT(type1, is_as_it_was_when_another_call_fails, 120)
{
	char info[INFO_ROOM], before[INFO_ROOM] = {};
	__u32 argsz = sizeof(before);

	ASSERT_EQ(0, container_info(C, before, &argsz));
	WITH_EACH_FAILURE((argsz = sizeof(info), container_info(C, info,
								&argsz)),
			  info_is(C, before), !info_is(C, before));
	WITH_EACH_FAILURE(container_map(C, VA, LENGTH, IOVA), !vm_pinned(),
			  container_unmap(C, IOVA, LENGTH));
	EXPECT_EQ(0, vm_pinned());
}

TEST_HARNESS_MAIN
