// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables as objects, and what is told about the hardware, on devices of
 * the kernel's test device: it has features that no hardware at hand has, and
 * lets a test look into page tables.
 */
#include <fcntl.h>
#include <stdint.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "mock_lib.h"
#include "test_support.h"

#define NR_PAGES 16
#define LENGTH (NR_PAGES * SMALL_PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)

FIXTURE(hwpt)
{
	int iommufd;
	__u32 ioas;
	struct mock_device dev;	/* attached to ioas */
	char *va;		/* LENGTH, not mapped */
	long pins;
};

FIXTURE_SETUP(hwpt)
{
	struct memory mem;

	self->pins = pins_held();
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	if (!mock_available(self->iommufd))
		SKIP(return, "the kernel has no test device");
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_EQ(0, mock_domain(self->iommufd, self->ioas, &self->dev));
	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, LENGTH));
	self->va = mem.va;
}

FIXTURE_TEARDOWN(hwpt)
{
	close(self->iommufd);
	EXPECT_EQ(self->pins, pins_held());
}

#define FD (self->iommufd)
#define IOAS (self->ioas)
#define DEV (self->dev)

/*
 * What is told about the hardware
 */

#define HW_INFO_ROOM 64

/* Asks for the default type, with @length bytes of room. */
static int ask(int iommufd, __u32 idev, void *data, __u32 length,
	       struct iommu_hw_info *cmd)
{
	*cmd = (struct iommu_hw_info){
		.dev_id = idev,
		.data_len = length,
		.data_uptr = (uintptr_t)data,
		.out_capabilities = UINT64_MAX,
		.out_max_pasid_log2 = UINT8_MAX,
	};
	return hw_info_ioctl(iommufd, cmd);
}

TEST_F(hwpt, tells_about_the_hardware_as_much_as_there_is_room_for)
{
	struct iommu_test_hw_info *info;
	unsigned char data[HW_INFO_ROOM];
	struct iommu_hw_info cmd;
	__u32 length;

	info = (void *)data;
	for (length = 0; length <= HW_INFO_ROOM / 2; length++) {
		const __u32 common = length < sizeof(*info) ? length :
							      sizeof(*info);
		const struct iommu_test_hw_info expected = {
			.test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL,
		};

		memset(data, 0xff, sizeof(data));
		ASSERT_EQ(0, ask(FD, DEV.idev, data, length, &cmd));
		EXPECT_EQ(sizeof(*info), cmd.data_len);
		EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);
		EXPECT_EQ(0, memcmp(data, &expected, common));
		EXPECT_TRUE(memory_is(data + common, 0, length - common));
		EXPECT_TRUE(memory_is(data + length, 0xff,
				      sizeof(data) - length));
	}
}

TEST_F(hwpt, tells_about_the_hardware_what_is_asked_for)
{
	struct iommu_test_hw_info info = {};
	struct iommu_hw_info cmd = {
		.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE,
		.dev_id = DEV.idev,
		.data_len = sizeof(info),
		.data_uptr = (uintptr_t)&info,
		.in_data_type = IOMMU_HW_INFO_TYPE_SELFTEST,
	};

	EXPECT_EQ(0, hw_info_ioctl(FD, &cmd));
	EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);
	EXPECT_EQ(IOMMU_HW_INFO_SELFTEST_REGVAL, info.test_reg);

	cmd.in_data_type = IOMMU_HW_INFO_TYPE_DEFAULT;
	EXPECT_EQ(0, hw_info_ioctl(FD, &cmd));
	EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);

	cmd.in_data_type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
	EXPECT_EQ(-EOPNOTSUPP, hw_info_ioctl(FD, &cmd));
	/* no question without the flag that says so */
	cmd.flags = 0;
	EXPECT_EQ(0, hw_info_ioctl(FD, &cmd));
	EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);
}

TEST_F(hwpt, tells_which_features_a_device_has)
{
	const __u64 no_ats = IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	struct iommu_hw_info cmd;
	struct mock_device other;

	ASSERT_EQ(0, ask(FD, DEV.idev, NULL, 0, &cmd));
	EXPECT_EQ(IOMMU_HW_CAP_DIRTY_TRACKING | no_ats, cmd.out_capabilities);
	EXPECT_EQ(0, cmd.out_max_pasid_log2);

	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_NO_DIRTY |
				       MOCK_FLAGS_DEVICE_PASID, &other));
	ASSERT_EQ(0, ask(FD, other.idev, NULL, 0, &cmd));
	EXPECT_EQ(no_ats, cmd.out_capabilities);
	EXPECT_EQ(MOCK_PASID_WIDTH, cmd.out_max_pasid_log2);
}

TEST_F(hwpt, refuses_bad_questions_about_the_hardware_in_this_order)
{
	struct iommu_hw_info cmd = {
		.flags = 2,
		.dev_id = IOAS,
		.data_len = 1,
	};
	unsigned int i;

	EXPECT_EQ(-EOPNOTSUPP, hw_info_ioctl(FD, &cmd));
	cmd.flags = 1U << 31;
	EXPECT_EQ(-EOPNOTSUPP, hw_info_ioctl(FD, &cmd));
	cmd.flags = 0;
	for (i = 0; i != sizeof(cmd.__reserved); i++) {
		cmd.__reserved[i] = 1;
		EXPECT_EQ(-EOPNOTSUPP, hw_info_ioctl(FD, &cmd));
		cmd.__reserved[i] = 0;
	}
	EXPECT_EQ(-ENOENT, hw_info_ioctl(FD, &cmd));
	cmd.dev_id = NO_SUCH_ID;
	EXPECT_EQ(-ENOENT, hw_info_ioctl(FD, &cmd));
	cmd.dev_id = DEV.stdev;
	EXPECT_EQ(-ENOENT, hw_info_ioctl(FD, &cmd));
	cmd.dev_id = DEV.idev;
	EXPECT_EQ(-EFAULT, hw_info_ioctl(FD, &cmd));
	cmd.data_len = 0;
	EXPECT_EQ(0, hw_info_ioctl(FD, &cmd));
}

/* The rest of a buffer may be what is not there. */
TEST_F(hwpt, says_when_the_buffer_for_the_hardware_is_not_there)
{
	struct iommu_hw_info cmd;
	char *va;

	va = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, munmap(va + SMALL_PAGE, SMALL_PAGE));
	va += SMALL_PAGE - sizeof(struct iommu_test_hw_info);

	EXPECT_EQ(0, ask(FD, DEV.idev, va, 8, &cmd));
	EXPECT_EQ(-EFAULT, ask(FD, DEV.idev, va, 9, &cmd));
	EXPECT_EQ(-EFAULT, ask(FD, DEV.idev, va + 1, 8, &cmd));
	EXPECT_EQ(0, ask(FD, DEV.idev, va + 1, 7, &cmd));
}

/* The capabilities came later than the rest. */
TEST_F(hwpt, tells_old_programs_what_they_know_of)
{
	struct iommu_hw_info cmd = {
		.dev_id = DEV.idev,
		.out_capabilities = 12345,
	};

	cmd.size = offsetof(struct iommu_hw_info, out_capabilities);
	EXPECT_EQ(0, checked_ioctl(FD, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);
	EXPECT_EQ(12345, cmd.out_capabilities);
	cmd.size--;
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, IOMMU_GET_HW_INFO, &cmd));
}

TEST_HARNESS_MAIN
