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

FIXTURE(hwpt)
{
	long pins;
	struct rig rig;
};

FIXTURE_SETUP(hwpt)
{
	int rc;

	self->pins = pins_held();
	rc = rig_open(&self->rig);
	if (rc == -ENODEV)
		SKIP(return, "there is no edu device");
	ASSERT_EQ(0, rc);
}

FIXTURE_TEARDOWN_PARENT(hwpt)
{
	EXPECT_EQ(self->pins, pins_held());
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define EDU (self->rig.edu)

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

TEST_HARNESS_MAIN
