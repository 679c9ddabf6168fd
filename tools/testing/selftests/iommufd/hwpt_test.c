// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables as objects, under devices that do DMA: QEMU's "edu" behind its
 * intel-iommu, bound to vfio-pci.
 */
#include <stdint.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)
/* Where interrupts of a device go on x86, which no device may use otherwise */
#define MSI_IOVA 0xfee00000UL

/*
 * The device is bound, and not attached. One page is mapped in each of two
 * IOASes, at the same IOVA, and the rig's own page in both.
 */
FIXTURE(hwpt)
{
	struct edu_rig rig;
	__u32 other;		/* the second IOAS */
	char *pages[2];		/* filled with pattern 0 and pattern 1 */
};

/* A page with pattern @i in an IOAS, and what it takes to look at it there */
static int add_page(struct edu_rig *rig, __u32 ioas, int i, char **page)
{
	struct memory_rig mem;
	int rc;

	rc = memory_rig_make(&mem, PAGES_SMALL, SMALL_PAGE);
	if (rc)
		return rc;
	*page = mem.va;
	pattern_fill(*page, SMALL_PAGE, i);
	return memory_rig_map(&mem, rig->iommufd, ioas, IOVA) ?:
	       edu_rig_map(rig, ioas);
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define OTHER (self->other)
#define EDU (self->rig.edu)

FIXTURE_SETUP(hwpt)
{
	MAKE(edu_rig_make(&self->rig));
	ASSERT_EQ(0, ioas_alloc(FD, &OTHER));
	MAKE(add_page(&self->rig, IOAS, 0, &self->pages[0]));
	MAKE(add_page(&self->rig, OTHER, 1, &self->pages[1]));
}

FIXTURE_TEARDOWN_PARENT(hwpt)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

#define READ(i) device_read(&self->rig, IOVA, self->pages[i], SMALL_PAGE)

/* sysfs shows the same registers. */
static __u64 register_of(const char *bdf, const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/iommu/intel-iommu/%s", bdf, name);
	return file_read(path, text, sizeof(text)) ? 0 :
						     strtoull(text, NULL, 16);
}

TEST_F(hwpt, tells_about_the_hardware_what_the_iommu_says)
{
	struct iommu_hw_info_vtd info;
	struct iommu_hw_info cmd = {
		.dev_id = EDU.id,
		.data_len = sizeof(info),
		.data_uptr = (uintptr_t)&info,
	};

	memset(&info, 0xff, sizeof(info));
	ASSERT_EQ(0, hw_info_ioctl(FD, &cmd));
	if (cmd.out_data_type != IOMMU_HW_INFO_TYPE_INTEL_VTD)
		SKIP(return, "the IOMMU is not of Intel's");
	EXPECT_EQ(sizeof(info), cmd.data_len);
	EXPECT_NE(0, info.cap_reg);
	EXPECT_EQ(register_of(EDU.bdf, "cap"), info.cap_reg);
	EXPECT_EQ(register_of(EDU.bdf, "ecap"), info.ecap_reg);
	/* the device has neither */
	EXPECT_TRUE(cmd.out_capabilities & IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED);
	EXPECT_EQ(0, cmd.out_max_pasid_log2);

	cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	cmd.in_data_type = IOMMU_HW_INFO_TYPE_AMD;
	EXPECT_EQ(-EOPNOTSUPP, hw_info_ioctl(FD, &cmd));
	cmd.dev_id = IOAS;
	EXPECT_EQ(-ENOENT, hw_info_ioctl(FD, &cmd));
}

/*
 * Page tables that user space allocates
 */

TEST_F(hwpt, allocated_works_like_an_automatic_one)
{
	__u32 hwpt, pt;

	ASSERT_EQ(0, hwpt_alloc(FD, EDU.id, IOAS, 0, &hwpt));
	pt = hwpt;
	ASSERT_EQ(0, vfio_attach_pt(&EDU, &pt));
	EXPECT_EQ(hwpt, pt);
	EXPECT_EQ(REACHED, READ(0));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	EXPECT_EQ(BLOCKED, READ(0));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->pages[1], SMALL_PAGE, IOVA));
	EXPECT_EQ(REACHED, READ(1));

	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, device_read_prepare(&self->rig, self->pages[1],
					 SMALL_PAGE));
	ASSERT_EQ(0, vfio_detach(&EDU));
	EXPECT_EQ(0, device_read_try(&self->rig, IOVA, SMALL_PAGE));
	ASSERT_EQ(0, vfio_attach(&EDU, hwpt));
	EXPECT_EQ(BLOCKED, device_read_result(&self->rig, self->pages[1],
					      SMALL_PAGE));
	EXPECT_EQ(REACHED, READ(1));
	ASSERT_EQ(0, vfio_detach(&EDU));
	EXPECT_EQ(0, iommufd_destroy(FD, hwpt));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(hwpt, outlives_the_device_that_it_was_made_for)
{
	__u32 hwpt;

	ASSERT_EQ(0, hwpt_alloc(FD, EDU.id, IOAS, 0, &hwpt));
	vfio_close(&EDU);
	EXPECT_EQ(2 * SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, edu_setup(&EDU, FD));
	ASSERT_EQ(0, vfio_attach(&EDU, hwpt));
	EXPECT_EQ(REACHED, READ(0));
}

/*
 * Replace
 */

TEST_F(hwpt, replaced_shows_the_device_other_memory)
{
	__u32 pt = IOAS;
	int i;

	ASSERT_EQ(0, vfio_attach_pt(&EDU, &pt));
	EXPECT_EQ(REACHED, READ(0));
	for (i = 1; i != 8; i++) {
		__u32 old = pt;

		pt = i % 2 ? OTHER : IOAS;
		ASSERT_EQ(0, vfio_attach_pt(&EDU, &pt));
		EXPECT_EQ(REACHED, READ(i % 2));
		EXPECT_NE(i % 2 ? OTHER : IOAS, pt);
		EXPECT_EQ(-ENOENT, iommufd_destroy(FD, old));
		EXPECT_EQ(2 * SMALL_PAGE, vm_pinned());
	}
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, vfio_detach(&EDU));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(hwpt, replaced_by_an_allocated_one_and_back)
{
	__u32 hwpt, pt = OTHER, automatic;

	ASSERT_EQ(0, vfio_attach_pt(&EDU, &pt));
	automatic = pt;
	ASSERT_EQ(0, hwpt_alloc(FD, EDU.id, IOAS, 0, &hwpt));
	pt = hwpt;
	ASSERT_EQ(0, vfio_attach_pt(&EDU, &pt));
	EXPECT_EQ(hwpt, pt);
	EXPECT_EQ(REACHED, READ(0));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, automatic));
	ASSERT_EQ(0, vfio_attach(&EDU, OTHER));
	EXPECT_EQ(REACHED, READ(1));
	EXPECT_EQ(0, iommufd_destroy(FD, hwpt));
}

/* Something is mapped in the way of the device's interrupts. */
TEST_F(hwpt, stays_when_the_other_ioas_does_not_suit)
{
	struct reserved_region window;
	__u32 pt = IOAS, same;

	if (msi_window(EDU.bdf, &window) || window.start != MSI_IOVA)
		SKIP(return, "interrupts go somewhere else");
	ASSERT_EQ(0, ioas_map_at(FD, OTHER, self->pages[1], SMALL_PAGE,
				 MSI_IOVA));
	ASSERT_EQ(0, vfio_attach_pt(&EDU, &pt));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&EDU, OTHER));
	EXPECT_EQ(REACHED, READ(0));
	EXPECT_TRUE(ioas_is_unrestricted(FD, OTHER));
	EXPECT_EQ(-EINVAL, ioas_map_at(FD, IOAS, self->pages[0], SMALL_PAGE,
				       MSI_IOVA));
	same = IOAS;
	EXPECT_EQ(0, vfio_attach_pt(&EDU, &same));
	EXPECT_EQ(pt, same);

	/* and the other way round once it does */
	ASSERT_EQ(0, ioas_unmap(FD, OTHER, MSI_IOVA, SMALL_PAGE, NULL));
	EXPECT_EQ(0, vfio_attach(&EDU, OTHER));
	EXPECT_EQ(REACHED, READ(1));
	EXPECT_EQ(-EINVAL, ioas_map_at(FD, OTHER, self->pages[1], SMALL_PAGE,
				       MSI_IOVA));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, self->pages[0], SMALL_PAGE,
				 MSI_IOVA));
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
}

TEST_HARNESS_MAIN
