// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device on a platform where it can raise the interrupts of others: it is
 * bound only if who runs the machine allows that, by a parameter of the module.
 *
 * The device is QEMU's edu behind an IOMMU that does not remap interrupts.
 */
#include <stdlib.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)
#define LENGTH (16 * SMALL_PAGE)

#define PARAMETER "/sys/module/iommufd/parameters/allow_unsafe_interrupts"

#define EXTENDED_CAPABILITIES "/sys/class/iommu/dmar0/intel-iommu/ecap"
#define REMAPS_INTERRUPTS (1U << 3)

FIXTURE(unsafe)
{
	int iommufd;
	struct vfio_dev edu;
};

#define FD (self->iommufd)
#define EDU (&self->edu)

/* By what VT-d says that it can do, rather than by what iommufd makes of it */
static bool platform_isolates_interrupts(void)
{
	char text[32];

	return file_read(EXTENDED_CAPABILITIES, text, sizeof(text)) ||
	       strtoull(text, NULL, 16) & REMAPS_INTERRUPTS;
}

FIXTURE_SETUP(unsafe)
{
	char bdf[BDF_SIZE];

	if (pci_find(EDU_VENDOR, EDU_DEVICE, bdf))
		SKIP(return, "there is no edu device");
	FD = iommufd_open();
	ASSERT_LE(0, FD);
	ASSERT_EQ(0, file_write(PARAMETER, "0"));
	if (platform_isolates_interrupts())
		SKIP(return, "the platform isolates interrupts");
}

FIXTURE_TEARDOWN(unsafe)
{
	close(FD);
	EXPECT_EQ(0, file_write(PARAMETER, "0"));
}

TEST_F(unsafe, device_is_refused_and_leaves_nothing)
{
	__u32 id = next_id(FD);
	int fd = next_fd();

	EXPECT_EQ(-EPERM, edu_setup(EDU, FD));
	EXPECT_EQ(id, next_id(FD));
	EXPECT_EQ(fd, next_fd());
}

TEST_F(unsafe, device_is_bound_when_it_is_allowed)
{
	ASSERT_EQ(0, file_write(PARAMETER, "1"));
	ASSERT_EQ(0, edu_setup(EDU, FD));
	vfio_close(EDU);
	/* the next one may be another's */
	ASSERT_EQ(0, file_write(PARAMETER, "0"));
	EXPECT_EQ(-EPERM, edu_setup(EDU, FD));
}

TEST_F(unsafe, device_that_is_allowed_has_an_iommu)
{
	struct edu_rig rig;
	struct memory_rig mem;

	ASSERT_EQ(0, file_write(PARAMETER, "1"));
	MAKE(edu_rig_make(&rig));
	MAKE(edu_rig_attach(&rig));
	MAKE(memory_rig_make(&mem, PAGES_SMALL, LENGTH));
	ASSERT_EQ(0, ioas_map_at(rig.iommufd, rig.ioas, mem.va, LENGTH, IOVA));
	EXPECT_TRUE(device_sees(&rig, IOVA, mem.va, LENGTH));
	ASSERT_EQ(0, ioas_unmap(rig.iommufd, rig.ioas, IOVA, LENGTH, NULL));
	EXPECT_EQ(BLOCKED, device_read(&rig, IOVA, mem.va, SMALL_PAGE));
	edu_rig_break(&rig);
}

TEST_HARNESS_MAIN
