// SPDX-License-Identifier: GPL-2.0-only
/*
 * vIOMMUs and the page tables on them, on devices of the kernel's test device
 */
#include <stddef.h>
#include <stdint.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "test_support.h"
#include "viommu_rig.h"

#define IOTLB IOMMU_TEST_IOTLB_DEFAULT

FIXTURE(viommu)
{
	struct viommu_rig rig;
};

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define PARENT (self->rig.parent)
#define VIOMMU (self->rig.viommu)

FIXTURE_SETUP(viommu)
{
	MAKE(viommu_rig_make(&self->rig));
}

FIXTURE_TEARDOWN(viommu)
{
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

/*
 * The vIOMMU
 */

TEST_F(viommu, allocation_is_refused_in_this_order)
{
	struct iommu_test_viommu data = { .in_data = 7 };
	struct iommu_viommu_alloc cmd = {
		.flags = 1,
		.type = IOMMU_VIOMMU_TYPE_DEFAULT,
		.dev_id = NO_SUCH_ID,
		.hwpt_id = NO_SUCH_ID,
		.data_len = 1,
		.__reserved = 1,
	};
	const __u32 first = next_id(FD);

	EXPECT_EQ(-EOPNOTSUPP, viommu_alloc_ioctl(FD, &cmd));
	cmd.flags = 0;
	EXPECT_EQ(-EOPNOTSUPP, viommu_alloc_ioctl(FD, &cmd));
	cmd.__reserved = 0;
	EXPECT_EQ(-EOPNOTSUPP, viommu_alloc_ioctl(FD, &cmd));
	cmd.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3;
	EXPECT_EQ(-ENOENT, viommu_alloc_ioctl(FD, &cmd));
	cmd.dev_id = DEV.stdev;
	EXPECT_EQ(-ENOENT, viommu_alloc_ioctl(FD, &cmd));
	cmd.dev_id = DEV.idev;
	EXPECT_EQ(-EOPNOTSUPP, viommu_alloc_ioctl(FD, &cmd));
	cmd.type = IOMMU_VIOMMU_TYPE_SELFTEST;
	EXPECT_EQ(-ENOENT, viommu_alloc_ioctl(FD, &cmd));
	cmd.hwpt_id = IOAS;
	EXPECT_EQ(-ENOENT, viommu_alloc_ioctl(FD, &cmd));
	cmd.hwpt_id = DEV.hwpt;
	EXPECT_EQ(-EINVAL, viommu_alloc_ioctl(FD, &cmd));
	cmd.hwpt_id = PARENT;
	EXPECT_EQ(-EINVAL, viommu_alloc_ioctl(FD, &cmd));
	cmd.data_len = sizeof(data) + 1;
	EXPECT_EQ(-EINVAL, viommu_alloc_ioctl(FD, &cmd));
	cmd.data_len = sizeof(data);
	EXPECT_EQ(-EFAULT, viommu_alloc_ioctl(FD, &cmd));
	cmd.data_uptr = (uintptr_t)read_only(&data, sizeof(data));
	EXPECT_EQ(-EFAULT, viommu_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(first, next_id(FD));
	cmd.data_uptr = (uintptr_t)&data;
	EXPECT_EQ(0, viommu_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(7, data.out_data);
}

/* Programs may know no more of the structure than what came first. */
TEST_F(viommu, is_allocated_by_programs_that_know_no_data)
{
	struct iommu_viommu_alloc cmd = {
		.size = offsetof(struct iommu_viommu_alloc, data_len),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = DEV.idev,
		.hwpt_id = PARENT,
		.data_len = 3,
		.__reserved = 5,
	};

	EXPECT_EQ(0, checked_ioctl(FD, IOMMU_VIOMMU_ALLOC, &cmd));
	EXPECT_EQ(0, iommufd_destroy(FD, cmd.out_viommu_id));
	cmd.size--;
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, IOMMU_VIOMMU_ALLOC, &cmd));
}

TEST_F(viommu, is_gone_when_its_id_cannot_be_told)
{
	const struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = DEV.idev,
		.hwpt_id = PARENT,
	};
	const __u32 first = next_id(FD);

	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_VIOMMU_ALLOC,
					 read_only(&cmd, sizeof(cmd))));
	EXPECT_EQ(first, next_id(FD));
	ASSERT_EQ(0, iommufd_destroy(FD, VIOMMU));
	EXPECT_EQ(0, iommufd_destroy(FD, PARENT));
}

TEST_F(viommu, keeps_the_parent_alive)
{
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, PARENT));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, iommufd_destroy(FD, VIOMMU));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, VIOMMU));
	ASSERT_EQ(0, iommufd_destroy(FD, PARENT));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(viommu, several_share_a_parent)
{
	__u32 other;

	ASSERT_EQ(0, mock_viommu(FD, DEV.idev, PARENT, NULL, &other));
	EXPECT_NE(VIOMMU, other);
	ASSERT_EQ(0, iommufd_destroy(FD, VIOMMU));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, PARENT));
	ASSERT_EQ(0, iommufd_destroy(FD, other));
	EXPECT_EQ(0, iommufd_destroy(FD, PARENT));
}

TEST_F(viommu, is_no_page_table_itself)
{
	__u32 pt = VIOMMU;

	EXPECT_EQ(-EINVAL, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(-ENOENT, hwpt_set_dirty_tracking(FD, VIOMMU, 0));
}

TEST_F(viommu, failures_leave_nothing_behind)
{
	const __u32 first = next_id(FD);
	struct iommu_test_viommu data = { .in_data = 7 };
	__u32 viommu;

	WITH_EACH_FAILURE(mock_viommu(FD, DEV.idev, PARENT, &data, &viommu),
			  next_id(FD) == first, iommufd_destroy(FD, viommu),
			  -ENOENT);
}

/*
 * Page tables
 */

TEST_F(viommu, nested_page_tables_keep_it_alive)
{
	__u32 hwpt;

	ASSERT_EQ(0, mock_nested(FD, DEV.idev, VIOMMU, 0, IOTLB, &hwpt));
	EXPECT_EQ(0, mock_check_iotlb(FD, hwpt, 3, IOTLB));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, VIOMMU));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, PARENT));
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, iommufd_destroy(FD, VIOMMU));
	EXPECT_EQ(0, iommufd_destroy(FD, PARENT));
}

TEST_F(viommu, nested_page_tables_are_refused_in_this_order)
{
	const struct iommu_test_hwpt data = { .iotlb = IOTLB };
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.dev_id = NO_SUCH_ID,
		.pt_id = VIOMMU,
	};
	const __u32 first = next_id(FD);

	EXPECT_EQ(-ENOENT, hwpt_alloc_ioctl(FD, &cmd));
	cmd.dev_id = DEV.idev;
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.flags = 0;
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	cmd.data_len = sizeof(data);
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	EXPECT_EQ(-EFAULT, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_uptr = (uintptr_t)&data;
	cmd.flags = IOMMU_HWPT_FAULT_ID_VALID;
	cmd.fault_id = NO_SUCH_ID;
	EXPECT_EQ(-ENOENT, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(first, next_id(FD));
	cmd.flags = IOMMU_HWPT_ALLOC_PASID;
	EXPECT_EQ(0, hwpt_alloc_ioctl(FD, &cmd));
}

TEST_F(viommu, devices_without_a_number_cannot_use_its_page_tables)
{
	struct mock_device other;
	__u32 hwpt, pt;

	ASSERT_EQ(0, mock_nested(FD, DEV.idev, VIOMMU, 0, IOTLB, &hwpt));
	pt = hwpt;
	EXPECT_EQ(-ENOENT, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(-ENOENT, mock_domain(FD, hwpt, &other));
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, DEV.hwpt));
	EXPECT_EQ(0, iommufd_destroy(FD, hwpt));
}

TEST_F(viommu, failures_of_nested_page_tables_leave_nothing_behind)
{
	const __u32 first = next_id(FD);
	__u32 hwpt;

	WITH_EACH_FAILURE(mock_nested(FD, DEV.idev, VIOMMU, 0, IOTLB, &hwpt),
			  next_id(FD) == first, iommufd_destroy(FD, hwpt),
			  -ENOENT, -EINVAL);
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
}

/*
 * Invalidation
 */

TEST_F(viommu, invalidation_of_nothing_tells_whether_the_type_is_known)
{
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = VIOMMU,
		.data_uptr = 12345,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
		.entry_len = 1U << 31,
	};

	EXPECT_EQ(0, hwpt_invalidate_ioctl(FD, &cmd));
	EXPECT_EQ(0, cmd.entry_num);
	cmd.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST_INVALID;
	EXPECT_EQ(-EINVAL, hwpt_invalidate_ioctl(FD, &cmd));
	EXPECT_EQ(0, cmd.entry_num);
}

TEST_F(viommu, invalidation_is_refused_in_this_order)
{
	struct iommu_test_viommu_invalidate entry = {
		.flags = 2,
		.vdev_id = 5,
		.cache_id = MOCK_DEV_CACHE_NUM,
	};
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = VIOMMU,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST_INVALID,
		.entry_len = sizeof(entry),
	};

	/* none of them is done, and that is always told */
#define EXPECT_REFUSAL(rc) do {						\
	cmd.entry_num = 1;						\
	EXPECT_EQ(rc, hwpt_invalidate_ioctl(FD, &cmd));			\
	EXPECT_EQ(0, cmd.entry_num);					\
} while (0)

	EXPECT_REFUSAL(-EINVAL);
	cmd.data_uptr = 8;
	EXPECT_REFUSAL(-EINVAL);
	cmd.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST;
	EXPECT_REFUSAL(-EFAULT);
	cmd.data_uptr = (uintptr_t)&entry;
	EXPECT_REFUSAL(-EOPNOTSUPP);
	entry.flags = 0;
	EXPECT_REFUSAL(-EINVAL);
	entry.cache_id = 0;
	EXPECT_REFUSAL(-EINVAL);
#undef EXPECT_REFUSAL
}

TEST_HARNESS_MAIN
