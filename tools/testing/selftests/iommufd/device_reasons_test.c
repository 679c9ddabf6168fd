// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reasons of devices, of their PASIDs and page tables, and of virtual
 * IOMMUs: see reasons_test.
 */
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "pasid_rig.h"
#include "reason_fixture.h"
#include "test_support.h"
#include "viommu_rig.h"

/*
 * Devices
 */

static int move(int iommufd, __u32 stdev, __u32 pt)
{
	return mock_domain_replace(iommufd, stdev, &pt);
}

TEST_F(reasons, of_attaches)
{
	struct mock_device other;
	__u32 hwpt, pt = IOAS;

	PLUG(0);
	EXPECT_WHY(ENOENT, NO_OBJECT, FD, move(FD, DEV.stdev, NO_SUCH_ID));
	EXPECT_EQ(IOMMU_REFUSED_REPLACE, told.command);
	EXPECT_WHY(EINVAL, ATTACH_TYPE, FD, move(FD, DEV.stdev, DEV.idev));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &hwpt));
	ASSERT_EQ(0, mock_join_group(true));
	EXPECT_WHY(EINVAL, ATTACH_GROUP, FD, mock_domain(FD, hwpt, &other));
	EXPECT_NUMBERS(hwpt, DEV.hwpt);
	EXPECT_EQ(IOMMU_REFUSED_ATTACH, told.command);
	ASSERT_EQ(0, mock_join_group(false));

	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_PASID,
				       &other));
	EXPECT_WHY(EINVAL, PASID_NUMBER, FD,
		   pasid_attach(FD, &other, 1 << MOCK_PASID_WIDTH, IOAS));
	EXPECT_NUMBERS(1 << MOCK_PASID_WIDTH, 1 << MOCK_PASID_WIDTH);
	EXPECT_WHY(EINVAL, ATTACH_NO_PASIDS, FD,
		   pasid_attach(FD, &other, 1, IOAS));
	EXPECT_NUMBERS(IOAS, 1);
	ASSERT_EQ(0, hwpt_alloc(FD, other.idev, IOAS, IOMMU_HWPT_ALLOC_PASID,
				&hwpt));
	ASSERT_EQ(0, move(FD, other.stdev, hwpt));
	pt = hwpt;
	EXPECT_WHY(EINVAL, NOT_ATTACHED, FD,
		   mock_pasid_replace(FD, other.stdev, 2, &pt));
	EXPECT_NUMBERS(2);
}

TEST_F(reasons, of_pasids)
{
	struct iommu_pasid_alloc cmd = {
		.first_pasid = 7,
		.last_pasid = 6,
	};
	struct mock_device plain;

	PLUG(MOCK_FLAGS_DEVICE_PASID);
	cmd.dev_id = DEV.idev;
	EXPECT_WHY(EINVAL, PASID_RANGE, FD, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(7, 6);
	cmd.last_pasid = 7;
	ASSERT_EQ(0, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_WHY(ENOSPC, PASIDS_TAKEN, FD, pasid_alloc_ioctl(FD, &cmd));
	cmd.flags = 1;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD, pasid_alloc_ioctl(FD, &cmd));
	cmd.flags = 0;
	cmd.__reserved = 1;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, FD,
		   pasid_alloc_ioctl(FD, &cmd));
	cmd.__reserved = 0;
	ASSERT_EQ(0, mock_domain(FD, IOAS, &plain));
	cmd.dev_id = plain.idev;
	EXPECT_WHY(EOPNOTSUPP, NO_PASIDS, FD, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(7);
	/* PASID 0 is not looked for: it is the device itself */
	cmd.dev_id = DEV.idev;
	cmd.first_pasid = 0;
	cmd.last_pasid = 1;
	ASSERT_EQ(0, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_WHY(ENOSPC, PASIDS_TAKEN, FD, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(1, 1);
}

TEST_F(reasons, of_devices_that_do_not_suit)
{
	struct iommu_iova_range low = { 0, SMALL_PAGE - 1 };

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, SMALL_PAGE));
	EXPECT_WHY(EADDRINUSE, DEVICE_RANGE_TAKEN, FD,
		   mock_domain(FD, IOAS, &DEV));
	EXPECT_NUMBERS(0, MOCK_APERTURE_START - 1, SMALL_PAGE,
		       2 * SMALL_PAGE - 1);
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, &low, 1));
	EXPECT_WHY(EADDRINUSE, DEVICE_RANGE_ALLOWED, FD,
		   mock_domain(FD, IOAS, &DEV));
	EXPECT_NUMBERS(0, MOCK_APERTURE_START - 1);
}

/*
 * Page tables
 */

TEST_F(reasons, of_page_tables)
{
	struct iommu_hwpt_alloc cmd = { .pt_id = IOAS };
	struct iommu_test_hwpt data = {};
	__u32 plain;

	PLUG(MOCK_FLAGS_DEVICE_NO_DIRTY);
	cmd.dev_id = DEV.idev;
	cmd.__reserved2 = 5;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, FD, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(5);
	cmd.__reserved2 = 0;
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	EXPECT_WHY(EINVAL, DATA_TYPE, FD, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(IOMMU_HWPT_DATA_SELFTEST, 0);
	cmd.data_type = 0;
	cmd.pt_id = NO_SUCH_ID;
	EXPECT_WHY(EINVAL, HWPT_PARENT, FD, hwpt_alloc_ioctl(FD, &cmd));
	cmd.pt_id = DEV.idev;
	EXPECT_WHY(EINVAL, HWPT_PARENT, FD, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(DEV.idev);
	cmd.pt_id = IOAS;
	cmd.flags = 1 << 30;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD, hwpt_alloc_ioctl(FD, &cmd));
	cmd.flags = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_FAULT_ID_VALID;
	EXPECT_WHY(EOPNOTSUPP, PARENT_FAULTS, FD, hwpt_alloc_ioctl(FD, &cmd));
	cmd.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	EXPECT_WHY(EOPNOTSUPP, NO_DIRTY, FD, hwpt_alloc_ioctl(FD, &cmd));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &plain));
	EXPECT_WHY(EOPNOTSUPP, NO_DIRTY, FD,
		   hwpt_set_dirty_tracking(FD, plain, 0));
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD,
		   hwpt_set_dirty_tracking(FD, plain, 0x100));
	cmd.flags = 0;
	cmd.pt_id = plain;
	EXPECT_WHY(EOPNOTSUPP, NO_NESTING, FD, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	cmd.data_len = sizeof(data);
	cmd.data_uptr = (uintptr_t)&data;
	EXPECT_WHY(EINVAL, NOT_PARENT, FD, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(plain);
}

TEST_F(reasons, of_dirty_bits)
{
	__u64 bits[8];
	__u32 hwpt;

	PLUG(0);
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
	EXPECT_WHY(EINVAL, DIRTY_ALIGNMENT, FD,
		   hwpt_get_dirty_bitmap(FD, hwpt, 0, IOVA + 1, SMALL_PAGE,
					 SMALL_PAGE, bits));
	EXPECT_NUMBERS(IOVA + 1, SMALL_PAGE);
	EXPECT_WHY(EINVAL, DIRTY_PAGE_SIZE, FD,
		   hwpt_get_dirty_bitmap(FD, hwpt, 0, IOVA, SMALL_PAGE,
					 SMALL_PAGE + 1, bits));
	EXPECT_NUMBERS(SMALL_PAGE + 1, SMALL_PAGE);
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD,
		   hwpt_get_dirty_bitmap(FD, hwpt, 0x80, IOVA, SMALL_PAGE,
					 SMALL_PAGE, bits));
	EXPECT_WHY(EOPNOTSUPP, NO_DIRTY, FD,
		   hwpt_get_dirty_bitmap(FD, DEV.hwpt, 0, IOVA, SMALL_PAGE,
					 SMALL_PAGE, bits));
}

TEST_F(reasons, of_invalidations)
{
	struct iommu_test_hwpt_invalidate entry = {};
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = IOAS,
		.data_uptr = (uintptr_t)&entry,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(entry),
		.entry_num = 1,
	};

	EXPECT_WHY(EINVAL, INVALIDATE_TYPE, FD,
		   hwpt_invalidate_ioctl(FD, &cmd));
	EXPECT_NUMBERS(IOAS);
	cmd.entry_num = 1;
	cmd.entry_len = 0;
	EXPECT_WHY(EINVAL, INVALIDATE_ARRAY, FD,
		   hwpt_invalidate_ioctl(FD, &cmd));
	EXPECT_NUMBERS(1, 0);
	cmd.__reserved = 1;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, FD,
		   hwpt_invalidate_ioctl(FD, &cmd));
}

TEST_F(reasons, of_files_of_page_requests)
{
	struct iommu_hwpt_page_response answer = {
		.cookie = 3,
		.code = 7,
	};
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd), .flags = 1 };
	struct iommu_hwpt_pgfault record;
	__u32 queue;
	int fd;

	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD,
		   checked_ioctl(FD, IOMMU_FAULT_QUEUE_ALLOC, &cmd));
	ASSERT_EQ(0, fault_queue_alloc(FD, &queue, &fd));
	EXPECT_WHY(ESPIPE, QUEUE_RECORDS, FD,
		   checked_read(fd, &record, sizeof(record) - 1));
	EXPECT_NUMBERS(sizeof(record) - 1, sizeof(record));
	EXPECT_EQ(IOMMU_REFUSED_READ, told.command);
	EXPECT_WHY(ESPIPE, QUEUE_RECORDS, FD,
		   checked_write(fd, &answer, sizeof(answer) - 1));
	EXPECT_EQ(IOMMU_REFUSED_WRITE, told.command);
	EXPECT_WHY(EINVAL, ANSWER_CODE, FD,
		   checked_write(fd, &answer, sizeof(answer)));
	EXPECT_NUMBERS(7);
	answer.code = IOMMUFD_PAGE_RESP_SUCCESS;
	EXPECT_WHY(EINVAL, ANSWER_COOKIE, FD,
		   checked_write(fd, &answer, sizeof(answer)));
	EXPECT_NUMBERS(3);
	close(fd);
}

static int mmap_of(int fd, int prot, int flags, off_t offset)
{
	void *va = mmap(NULL, SMALL_PAGE, prot, flags, fd, offset);

	return va == MAP_FAILED ? -errno : 0;
}

TEST_F(reasons, of_what_is_mapped_from_the_file)
{
	const int rw = PROT_READ | PROT_WRITE;

	EXPECT_WHY(EINVAL, MMAP_PRIVATE, FD, mmap_of(FD, rw, MAP_PRIVATE, 0));
	EXPECT_EQ(IOMMU_REFUSED_MMAP, told.command);
	EXPECT_WHY(EPERM, MMAP_EXEC, FD,
		   mmap_of(FD, rw | PROT_EXEC, MAP_SHARED, 0));
	EXPECT_WHY(ENXIO, MMAP_RANGE, FD,
		   mmap_of(FD, rw, MAP_SHARED, SMALL_PAGE));
	EXPECT_NUMBERS(SMALL_PAGE, SMALL_PAGE);
}

/*
 * Virtual IOMMUs
 */

FIXTURE(viommu_reasons)
{
	struct viommu_rig rig;
	struct memory_rig mem;	/* at IOVA, physically in one piece */
};

FIXTURE_SETUP(viommu_reasons)
{
	MAKE(viommu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_HUGETLB, HUGE_PAGE));
	ASSERT_EQ(0, memory_rig_map(&self->mem, self->rig.mock.iommufd,
				    self->rig.mock.ioas, IOVA));
}

FIXTURE_TEARDOWN(viommu_reasons)
{
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

#define VIOMMU (self->rig.viommu)
#define VIRT_ID 0x42

TEST_F(viommu_reasons, of_virtual_iommus)
{
	struct iommu_viommu_alloc cmd = {
		.dev_id = DEV.idev,
		.hwpt_id = self->rig.parent,
	};

	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD, viommu_alloc_ioctl(FD, &cmd));
	cmd.type = 0x7777;
	EXPECT_WHY(EOPNOTSUPP, NO_VIOMMU, FD, viommu_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(0x7777);
	cmd.type = IOMMU_VIOMMU_TYPE_SELFTEST;
	cmd.hwpt_id = DEV.hwpt;
	EXPECT_WHY(EINVAL, NOT_PARENT, FD, viommu_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(DEV.hwpt);
	cmd.flags = 1;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD, viommu_alloc_ioctl(FD, &cmd));
}

TEST_F(viommu_reasons, of_virtual_devices)
{
	struct mock_device other;
	__u32 vdevice;

	ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, DEV.idev, VIRT_ID, &vdevice));
	EXPECT_WHY(EEXIST, VDEVICE_TWICE, FD,
		   vdevice_alloc(FD, VIOMMU, DEV.idev, VIRT_ID + 1, &vdevice));
	EXPECT_NUMBERS(DEV.idev);
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	EXPECT_WHY(EEXIST, VDEVICE_NUMBER, FD,
		   vdevice_alloc(FD, VIOMMU, other.idev, VIRT_ID, &vdevice));
	EXPECT_NUMBERS(VIRT_ID);
}

TEST_F(viommu_reasons, of_event_queues)
{
	struct iommu_veventq_alloc cmd = {
		.viommu_id = VIOMMU,
		.type = IOMMU_VEVENTQ_TYPE_SELFTEST,
	};
	char room[4];
	__u32 queue;
	int fd;

	EXPECT_WHY(EINVAL, EVENT_DEPTH, FD, veventq_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(0, told.numbers[0]);
	cmd.type = IOMMU_VEVENTQ_TYPE_DEFAULT;
	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD, veventq_alloc_ioctl(FD, &cmd));
	ASSERT_EQ(0, veventq_alloc(FD, VIOMMU, IOMMU_VEVENTQ_TYPE_SELFTEST, 2,
				   &queue, &fd));
	cmd.type = IOMMU_VEVENTQ_TYPE_SELFTEST;
	cmd.veventq_depth = 2;
	EXPECT_WHY(EEXIST, EVENT_QUEUE_TWICE, FD,
		   veventq_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(IOMMU_VEVENTQ_TYPE_SELFTEST);
	EXPECT_WHY(EINVAL, QUEUE_ROOM, FD, checked_read(fd, room, 4));
	EXPECT_EQ(4, told.numbers[0]);
	close(fd);
}

TEST_F(viommu_reasons, of_hardware_queues)
{
	struct iommu_hw_queue_alloc cmd = {
		.viommu_id = VIOMMU,
		.type = 0x7777,
		.nesting_parent_iova = IOVA,
		.length = SMALL_PAGE,
	};
	const __u32 flags = IOMMU_IOAS_MAP_WRITEABLE | MAP_AT;
	__u64 iova = IOVA + HUGE_PAGE;
	__u32 queue;
	char *va;

	EXPECT_WHY(EOPNOTSUPP, NO_HW_QUEUE, FD, hw_queue_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(0x7777);
	cmd.type = IOMMU_HW_QUEUE_TYPE_DEFAULT;
	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD, hw_queue_alloc_ioctl(FD, &cmd));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, SMALL_PAGE, &queue));
	EXPECT_WHY(EBUSY, AREA_LOCKED, FD,
		   ioas_unmap(FD, IOAS, IOVA, HUGE_PAGE, NULL));
	EXPECT_NUMBERS(IOVA, IOVA + HUGE_PAGE - 1);

	va = anonymous(2 * SMALL_PAGE);
	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, flags, va, SMALL_PAGE, &iova));
	EXPECT_WHY(EPERM, LOCK_MODE, FD,
		   mock_hw_queue(FD, VIOMMU, 1, iova, SMALL_PAGE, &queue));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, SMALL_PAGE, NULL));
	/* One page twice is not in one piece. */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, SMALL_PAGE, iova));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, SMALL_PAGE, iova + SMALL_PAGE));
	EXPECT_WHY(EFAULT, LOCK_SCATTERED, FD,
		   mock_hw_queue(FD, VIOMMU, 1, iova, 2 * SMALL_PAGE, &queue));
	EXPECT_NUMBERS(iova + SMALL_PAGE);
}

TEST_HARNESS_MAIN
