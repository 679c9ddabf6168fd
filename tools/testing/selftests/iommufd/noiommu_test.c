// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device without an IOMMU: memory is pinned for it, and its driver asks where
 * that is. All else that takes an IOMMU is refused.
 *
 * The device is QEMU's edu in a machine that does not use its IOMMU.
 */
#include <string.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "container_rig.h"
#include "edu_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)
#define LENGTH (64 * SMALL_PAGE)

#define PARAMETER "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"

FIXTURE(noiommu)
{
	int iommufd;
	__u32 ioas;
	struct vfio_dev edu;
	struct memory_rig mem;
};

#define NOIOMMU FIXTURE_DATA(noiommu)

#define FD (self->iommufd)
#define IOAS (self->ioas)
#define VA (self->mem.va)
#define ATTACH() vfio_attach(&self->edu, IOAS)
#define DETACH() vfio_detach(&self->edu)

FIXTURE_SETUP(noiommu)
{
	char bdf[BDF_SIZE], iommu[32];

	if (pci_find(EDU_VENDOR, EDU_DEVICE, bdf))
		SKIP(return, "there is no edu device");
	if (!pci_iommu(bdf, iommu, sizeof(iommu)))
		SKIP(return, "the edu device has an IOMMU");
	if (file_write(PARAMETER, "1"))
		SKIP(return, "the kernel does without no-IOMMU devices");
	if (kernel_is_before(7, 3))
		SKIP(return, "vfio has no cdev for such devices before 7.3");
	FD = iommufd_open();
	ASSERT_LE(0, FD);
	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, edu_setup(&self->edu, FD));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, LENGTH));
}

FIXTURE_TEARDOWN(noiommu)
{
	vfio_close(&self->edu);
	close(FD);
}

static int get_pa(int iommufd, __u32 ioas, __u64 iova, __u64 *length,
		  __u64 *phys)
{
	struct iommu_ioas_noiommu_get_pa cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = *length,
	};
	int rc = checked_ioctl(iommufd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd);

	*length = cmd.length;
	*phys = cmd.out_phys;
	return rc;
}

static int errno_of(int iommufd, __u32 ioas, __u64 iova, __u64 length)
{
	__u64 phys;

	return get_pa(iommufd, ioas, iova, &length, &phys);
}

#define ERRNO_AT(iova) errno_of(FD, IOAS, iova, SMALL_PAGE)

/* Through the device's own buffer, piece by piece of what is contiguous */
static int dma_copy(NOIOMMU *self, __u64 dst, __u64 src,
		    size_t length)
{
	__u64 phys, part;
	int rc;

	while (length) {
		part = length < 1000 ? length : 1000;
		rc = get_pa(FD, IOAS, src, &part, &phys);
		if (!rc)
			rc = edu_dma_to_device(&self->edu, phys, 0, part);
		if (!rc)
			rc = get_pa(FD, IOAS, dst, &part, &phys);
		if (!rc)
			rc = edu_dma_from_device(&self->edu, 0, phys, part);
		if (rc)
			return rc;
		src += part;
		dst += part;
		length -= part;
	}
	return 0;
}

TEST_F(noiommu, does_dma_to_where_memory_is)
{
	const size_t half = LENGTH / 2;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	pattern_fill(VA, half, 2);
	ASSERT_NE(0, memcmp(VA, VA + half, half));
	ASSERT_EQ(0, dma_copy(self, IOVA + half, IOVA, half));
	EXPECT_EQ(0, memcmp(VA, VA + half, half));
}

TEST_F(noiommu, pins_memory_while_it_is_attached)
{
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-EOPNOTSUPP, ERRNO_AT(IOVA));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, ERRNO_AT(IOVA));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-ENOENT, ERRNO_AT(IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	EXPECT_EQ(LENGTH, vm_pinned());
	ASSERT_EQ(0, DETACH());
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-EOPNOTSUPP, ERRNO_AT(IOVA));
}

TEST_F(noiommu, is_told_what_is_contiguous_in_one_map)
{
	__u64 length, phys, first;
	struct memory huge;

	if (memory_alloc(&huge, PAGES_HUGETLB, HUGE_PAGE))
		SKIP(return, "there are no huge pages");
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, huge.va, HUGE_PAGE, IOVA));
	length = ~0ULL;
	ASSERT_EQ(0, get_pa(FD, IOAS, IOVA, &length, &first));
	EXPECT_EQ(HUGE_PAGE, length);
	EXPECT_EQ(0, first % HUGE_PAGE);
	length = 4 * SMALL_PAGE;
	ASSERT_EQ(0, get_pa(FD, IOAS, IOVA + MIB + 7, &length, &phys));
	EXPECT_EQ(4 * SMALL_PAGE, length);
	EXPECT_EQ(first + MIB + 7, phys);
	length = MIB;
	ASSERT_EQ(0, get_pa(FD, IOAS, IOVA + HUGE_PAGE - 1, &length, &phys));
	EXPECT_EQ(1, length);
	EXPECT_EQ(first + HUGE_PAGE - 1, phys);
	EXPECT_EQ(-ENOENT, ERRNO_AT(IOVA + HUGE_PAGE));
	EXPECT_EQ(-ENOENT, ERRNO_AT(IOVA - 1));
}

TEST_F(noiommu, is_asked_for_properly)
{
	struct iommu_ioas_noiommu_get_pa cmd = {
		.size = sizeof(cmd),
		.ioas_id = IOAS,
		.iova = IOVA,
		.length = 1,
		.flags = 1,
	};

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	EXPECT_EQ(-EOPNOTSUPP,
		  checked_ioctl(FD, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd));
	cmd.flags = 0;
	cmd.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP,
		  checked_ioctl(FD, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd));
	EXPECT_EQ(-EINVAL, errno_of(FD, IOAS, IOVA, 0));
	EXPECT_EQ(-EOVERFLOW, errno_of(FD, IOAS, ~0ULL, 1));
	EXPECT_EQ(-ENOENT, errno_of(FD, NO_SUCH_ID, IOVA, 1));
	EXPECT_EQ(0, errno_of(FD, IOAS, IOVA, 1));
	ASSERT_EQ(0, drop_capability(CAP_SYS_RAWIO));
	EXPECT_EQ(-EPERM, errno_of(FD, IOAS, IOVA, 1));
}

TEST_F(noiommu, moves_between_address_spaces)
{
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, vfio_attach(&self->edu, other));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-EOPNOTSUPP, ERRNO_AT(IOVA));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, ERRNO_AT(IOVA));
	EXPECT_EQ(0, iommufd_destroy(FD, other));
	/* who has only asked does not use it any more */
	ASSERT_EQ(0, DETACH());
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(noiommu, restricts_no_iova)
{
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(SMALL_PAGE, ioas_alignment(FD, IOAS));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, 0));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, -SMALL_PAGE));
	EXPECT_EQ(0, ERRNO_AT(-SMALL_PAGE));
}

TEST_F(noiommu, has_nothing_else_of_an_iommu)
{
	struct iommu_viommu_alloc viommu = {
		.size = sizeof(viommu),
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
		.dev_id = self->edu.id,
		.hwpt_id = IOAS,
	};
	struct iommu_hw_info info = {
		.size = sizeof(info),
		.dev_id = self->edu.id,
	};
	__u32 hwpt;

	EXPECT_EQ(-EOPNOTSUPP, checked_ioctl(FD, IOMMU_GET_HW_INFO, &info));
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc(FD, self->edu.id, IOAS, 0, &hwpt));
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc(FD, self->edu.id, IOAS,
					  IOMMU_HWPT_ALLOC_NEST_PARENT, &hwpt));
	EXPECT_EQ(-EOPNOTSUPP, checked_ioctl(FD, IOMMU_VIOMMU_ALLOC, &viommu));
	EXPECT_EQ(-EOPNOTSUPP, vfio_attach_pasid(&self->edu, 1, IOAS));
	EXPECT_EQ(0, ATTACH());
}

TEST_F(noiommu, is_left_to_the_end_of_the_process)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
}

/* -- the same in a container, without any IOAS -- */

FIXTURE(container)
{
	struct container_rig rig;
};

#define C (&self->rig.container)

FIXTURE_SETUP(container)
{
	char bdf[BDF_SIZE], iommu[32];

	if (pci_find(EDU_VENDOR, EDU_DEVICE, bdf))
		SKIP(return, "there is no edu device");
	if (!pci_iommu(bdf, iommu, sizeof(iommu)))
		SKIP(return, "the edu device has an IOMMU");
	MAKE(container_rig_make(&self->rig, "/dev/vfio/vfio"));
}

FIXTURE_TEARDOWN_PARENT(container)
{
	EXPECT_EQ(0, pins_left(self->rig.edu.pins));
}

/* What it sees is all of the machine. */
static bool device_copies(struct vfio_dev *edu)
{
	char *pages = anonymous(2 * SMALL_PAGE);
	unsigned long long from, to;

	pattern_fill(pages, SMALL_PAGE, 1);
	pattern_fill(pages + SMALL_PAGE, SMALL_PAGE, 2);
	return !mlock(pages, 2 * SMALL_PAGE) && !memory_phys(pages, &from) &&
	       !memory_phys(pages + SMALL_PAGE, &to) &&
	       !edu_dma_to_device(edu, from, 0, EDU_BUFFER_SIZE) &&
	       !edu_dma_from_device(edu, 0, to, EDU_BUFFER_SIZE) &&
	       !memcmp(pages, pages + SMALL_PAGE, SMALL_PAGE);
}

/* And DPDK, which asks for the extension first */
TEST_F(container, is_what_vpp_takes)
{
	struct vfio_dev *edu = &self->rig.edu.edu;
	char page[SMALL_PAGE];

	EXPECT_EQ(VFIO_API_VERSION, ioctl(C->fd, VFIO_GET_API_VERSION));
	EXPECT_EQ(1, container_extension(C, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, container_group_status(C));
	ASSERT_EQ(0, container_join(C));
	EXPECT_EQ(0, container_extension(C, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(-EINVAL, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_NOIOMMU_IOMMU));
	/* There is nothing that could be mapped. */
	EXPECT_EQ(-ENODEV, container_map(C, page, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, container_open_device(C, self->rig.bdf));
	*edu = (struct vfio_dev){ .fd = C->device };
	ASSERT_EQ(0, vfio_enable(edu));
	EXPECT_TRUE(device_copies(edu));
}

TEST_HARNESS_MAIN
