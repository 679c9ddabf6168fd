// SPDX-License-Identifier: GPL-2.0-only
/*
 * vIOMMUs and what is made on them for a guest, on devices of the kernel's test
 * device.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "test_support.h"
#include "threads.h"
#include "viommu_rig.h"

#define IOTLB IOMMU_TEST_IOTLB_DEFAULT
#define CACHE IOMMU_TEST_DEV_CACHE_DEFAULT
#define NR_WORDS MOCK_DEV_CACHE_NUM

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
			  next_id(FD) == first, iommufd_destroy(FD, viommu));
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
			  next_id(FD) == first, iommufd_destroy(FD, hwpt));
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
}

/*
 * Invalidation
 */

static int invalidate(int iommufd, __u32 viommu,
		      const struct iommu_test_viommu_invalidate *entries,
		      __u32 *count)
{
	return mock_invalidate(iommufd, viommu,
			       IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST, entries,
			       sizeof(*entries), count);
}

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
		.cache_id = NR_WORDS,
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

/*
 * Pages of the driver
 */

FIXTURE(driver_pages)
{
	struct viommu_rig rig;
	struct iommu_test_viommu data;
	__u32 id;		/* of the vIOMMU that has them */
	char *va;		/* where they are mapped */
};

#define OWNER (self->id)
#define OFFSET (self->data.out_mmap_offset)
#define LENGTH (self->data.out_mmap_length)
#define PAGES (self->va)

FIXTURE_SETUP(driver_pages)
{
	MAKE(viommu_rig_make(&self->rig));
	self->data.in_data = 0xabcd;
	ASSERT_EQ(0, mock_viommu(FD, DEV.idev, PARENT, &self->data, &OWNER));
	ASSERT_EQ(2 * SMALL_PAGE, LENGTH);
	ASSERT_NE(0, OFFSET);
	PAGES = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, FD,
		     OFFSET);
	ASSERT_NE(MAP_FAILED, PAGES);
}

FIXTURE_TEARDOWN(driver_pages)
{
	munmap(PAGES, 2 * SMALL_PAGE);
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

/* 0, of a mapping that is gone again, or a negative errno */
static int try_mmap(int iommufd, __u64 offset, size_t length, int prot,
		    int flags)
{
	void *va = mmap(NULL, length, prot, flags, iommufd, offset);

	return va == MAP_FAILED ? -errno : munmap(va, length);
}

TEST_F(driver_pages, are_seen_through_each_mapping)
{
	char *other;

	EXPECT_EQ(0xabcd, *(__u32 *)PAGES);
	EXPECT_EQ(0xabcd, self->data.out_data);
	PAGES[SMALL_PAGE + 1] = 17;
	other = mmap(NULL, LENGTH, PROT_READ, MAP_SHARED, FD, OFFSET);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(0xabcd, *(__u32 *)other);
	EXPECT_EQ(17, other[SMALL_PAGE + 1]);
	EXPECT_EQ(0, munmap(other, LENGTH));
}

TEST_F(driver_pages, are_mapped_as_a_whole_or_not_at_all)
{
	EXPECT_EQ(0, try_mmap(FD, OFFSET, LENGTH, PROT_READ, MAP_SHARED));
	EXPECT_EQ(0, try_mmap(FD, OFFSET, LENGTH - 1, PROT_READ, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_mmap(FD, OFFSET, LENGTH, PROT_READ,
				    MAP_PRIVATE));
	EXPECT_EQ(-EPERM, try_mmap(FD, OFFSET, LENGTH, PROT_READ | PROT_EXEC,
				   MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET, SMALL_PAGE, PROT_READ,
				   MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET + SMALL_PAGE, SMALL_PAGE,
				   PROT_READ, MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET, LENGTH + 1, PROT_READ,
				   MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, 0, LENGTH, PROT_READ, MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET + LENGTH, LENGTH, PROT_READ,
				   MAP_SHARED));
	EXPECT_EQ(-1, mprotect(PAGES, LENGTH, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(driver_pages, of_two_owners_are_not_the_same)
{
	struct iommu_test_viommu data = { .in_data = 5 };
	__u32 other, *word;

	ASSERT_EQ(0, mock_viommu(FD, DEV.idev, PARENT, &data, &other));
	EXPECT_NE(OFFSET, data.out_mmap_offset);
	word = mmap(NULL, LENGTH, PROT_READ, MAP_SHARED, FD,
		    data.out_mmap_offset);
	ASSERT_NE(MAP_FAILED, word);
	EXPECT_EQ(5, *word);
	EXPECT_EQ(0xabcd, *(__u32 *)PAGES);
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, other));
	ASSERT_EQ(0, munmap(word, LENGTH));
	EXPECT_EQ(0, iommufd_destroy(FD, other));
	EXPECT_EQ(-ENXIO, try_mmap(FD, data.out_mmap_offset, LENGTH, PROT_READ,
				   MAP_SHARED));
}

TEST_F(driver_pages, hold_their_owner_as_long_as_one_is_mapped)
{
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, OWNER));
	ASSERT_EQ(0, munmap(PAGES, SMALL_PAGE));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, OWNER));
	ASSERT_EQ(0, munmap(PAGES + SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, iommufd_destroy(FD, OWNER));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET, LENGTH, PROT_READ, MAP_SHARED));
}

TEST_F(driver_pages, hold_their_owner_for_a_child)
{
	int ready[2], done[2], status;
	char byte = 0;
	pid_t child;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(done));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		write(ready[1], &byte, 1);
		close(done[1]);
		read(done[0], &byte, 1);
		_exit(*(__u32 *)PAGES != 0xabcd);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_EQ(0, munmap(PAGES, LENGTH));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, OWNER));
	close(done[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, iommufd_destroy(FD, OWNER));
}

/* The mapping is the last reference of the file. */
TEST_F(driver_pages, outlive_the_descriptor)
{
	close(FD);
	EXPECT_EQ(0xabcd, *(__u32 *)PAGES);
	PAGES[0] = 1;
	EXPECT_EQ(0, munmap(PAGES, LENGTH));
	FD = -1;
}

TEST_F(driver_pages, are_not_mapped_when_that_fails)
{
	ASSERT_EQ(0, munmap(PAGES, LENGTH));
	WITH_EACH_FAILURE(try_mmap(FD, OFFSET, LENGTH, PROT_READ, MAP_SHARED),
			  true, 0);
	EXPECT_EQ(0, iommufd_destroy(FD, OWNER));
}

struct guess {
	struct crowd crowd;
	int iommufd;
	__u64 offset;
	size_t length;
	struct goal met;	/* it was there */
};

static int map_if_there(void *data)
{
	struct guess *guess = data;
	int rc;

	while (!crowd_is_over(&guess->crowd)) {
		rc = try_mmap(guess->iommufd, guess->offset, guess->length,
			      PROT_READ, MAP_SHARED);
		if (rc && rc != -ENXIO)
			return rc;
		if (!rc)
			goal_count(&guess->met);
	}
	return 0;
}

#define GUESSES 500

/* Nobody gets hold of an object that may not come to be, or that goes. */
TEST_F(driver_pages, can_be_guessed_but_not_too_early_or_too_late)
{
	struct guess guess = {
		.iommufd = FD,
		.offset = OFFSET,
		.length = LENGTH,
		.met = { "met", 10 },
	};
	struct iommu_viommu_alloc cmd = {
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = DEV.idev,
		.hwpt_id = PARENT,
		.data_len = sizeof(self->data),
		.data_uptr = (uintptr_t)read_only(&self->data,
						  sizeof(self->data)),
	};
	int i, rc;

	ASSERT_EQ(0, munmap(PAGES, LENGTH));
	ASSERT_EQ(0, iommufd_destroy(FD, OWNER));
	ASSERT_EQ(0, crowd_add(&guess.crowd, map_if_there, &guess));
	for (i = 0; i < GUESSES || !goal_is_reached(&guess.met); i++) {
		EXPECT_EQ(-EFAULT, viommu_alloc_ioctl(FD, &cmd));
		ASSERT_EQ(0, mock_viommu(FD, DEV.idev, PARENT, &self->data,
					 &OWNER));
		EXPECT_EQ(guess.offset, OFFSET);
		do {
			rc = iommufd_destroy(FD, OWNER);
		} while (rc == -EBUSY);
		ASSERT_EQ(0, rc);
	}
	EXPECT_EQ(0, crowd_end(&guess.crowd));
}

/*
 * Virtual devices
 */

#define VIRT_ID 0x1234

FIXTURE(vdevice)
{
	struct viommu_rig rig;
	__u32 id;
};

#define VDEVICE (self->id)

FIXTURE_SETUP(vdevice)
{
	MAKE(viommu_rig_make(&self->rig));
	ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, DEV.idev, VIRT_ID, &VDEVICE));
}

FIXTURE_TEARDOWN(vdevice)
{
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

TEST_F(vdevice, allocation_is_refused_in_this_order)
{
	struct iommu_vdevice_alloc cmd = {
		.viommu_id = NO_SUCH_ID,
		.dev_id = NO_SUCH_ID,
		.virt_id = VIRT_ID,
	};
	struct mock_device other;
	__u32 first;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	first = next_id(FD);
	EXPECT_EQ(-ENOENT, vdevice_alloc_ioctl(FD, &cmd));
	cmd.dev_id = other.idev;
	EXPECT_EQ(-ENOENT, vdevice_alloc_ioctl(FD, &cmd));
	cmd.viommu_id = PARENT;
	EXPECT_EQ(-ENOENT, vdevice_alloc_ioctl(FD, &cmd));
	cmd.viommu_id = VIOMMU;
	cmd.dev_id = other.stdev;
	EXPECT_EQ(-ENOENT, vdevice_alloc_ioctl(FD, &cmd));
	/* the number is taken */
	cmd.dev_id = other.idev;
	EXPECT_EQ(-EEXIST, vdevice_alloc_ioctl(FD, &cmd));
	/* the device has one */
	cmd.dev_id = DEV.idev;
	cmd.virt_id = VIRT_ID + 1;
	EXPECT_EQ(-EEXIST, vdevice_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(first, next_id(FD));
	cmd.dev_id = other.idev;
	EXPECT_EQ(0, vdevice_alloc_ioctl(FD, &cmd));
}

TEST_F(vdevice, has_any_number)
{
	const __u64 numbers[] = { 0, 1, UINT32_MAX, 1ULL << 32, UINT64_MAX };
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(numbers); i++) {
		ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
		ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, DEV.idev, numbers[i],
					   &VDEVICE));
	}
}

TEST_F(vdevice, numbers_of_two_viommus_are_different_things)
{
	struct mock_device other;
	__u32 viommu, vdevice;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	ASSERT_EQ(0, mock_viommu(FD, other.idev, PARENT, NULL, &viommu));
	/* a device has one number, of whichever vIOMMU */
	EXPECT_EQ(-EEXIST, vdevice_alloc(FD, viommu, DEV.idev, 1, &vdevice));
	EXPECT_EQ(0, vdevice_alloc(FD, viommu, other.idev, VIRT_ID, &vdevice));
}

TEST_F(vdevice, keeps_the_viommu_alive)
{
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, VIOMMU));
	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, VDEVICE));
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, DEV.idev));
}

TEST_F(vdevice, is_gone_when_its_id_cannot_be_told)
{
	const struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = VIOMMU,
		.dev_id = DEV.idev,
		.virt_id = VIRT_ID,
	};
	__u32 first;

	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	first = next_id(FD);
	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_VDEVICE_ALLOC,
					 read_only(&cmd, sizeof(cmd))));
	EXPECT_EQ(first, next_id(FD));
	EXPECT_EQ(0, vdevice_alloc(FD, VIOMMU, DEV.idev, VIRT_ID, &VDEVICE));
}

/* Whoever does not know yet that it is gone must not take another for it. */
TEST_F(vdevice, goes_with_the_device_but_for_its_id)
{
	struct mock_device other;
	__u32 ioas;
	int i;

	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, VDEVICE));
	for (i = 0; i != 8; i++) {
		ASSERT_EQ(0, ioas_alloc(FD, &ioas));
		EXPECT_NE(VDEVICE, ioas);
	}
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, VDEVICE));

	/* its number is free */
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, other.idev, VIRT_ID, &VDEVICE));
	ASSERT_EQ(0, mock_destroy(FD, &other));
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
}

TEST_F(vdevice, lets_the_device_use_page_tables_of_the_viommu)
{
	struct mock_device other;
	__u32 hwpt, viommu, pt;

	ASSERT_EQ(0, mock_nested(FD, DEV.idev, VIOMMU, 0, IOTLB, &hwpt));
	pt = hwpt;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, hwpt));
	EXPECT_EQ(-ENOENT, mock_domain(FD, hwpt, &other));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, hwpt));
	/* it is needed only to attach */
	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	pt = PARENT;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	pt = hwpt;
	EXPECT_EQ(-ENOENT, mock_domain_replace(FD, DEV.stdev, &pt));

	/* that of another vIOMMU does not count */
	ASSERT_EQ(0, mock_viommu(FD, DEV.idev, PARENT, NULL, &viommu));
	ASSERT_EQ(0, vdevice_alloc(FD, viommu, DEV.idev, VIRT_ID, &VDEVICE));
	EXPECT_EQ(-ENOENT, mock_domain_replace(FD, DEV.stdev, &pt));
}

static bool cache_is(int iommufd, __u32 idev, const __u32 *words)
{
	int i;

	for (i = 0; i != NR_WORDS; i++)
		if (mock_check_cache(iommufd, idev, i, words[i]))
			return false;
	return true;
}

#define EXPECT_CACHE(idev, a, b, c, d) do {				\
	const __u32 words_[NR_WORDS] = { a, b, c, d };			\
									\
	EXPECT_TRUE(cache_is(FD, idev, words_));			\
} while (0)

TEST_F(vdevice, invalidation_reaches_the_device_that_it_names)
{
	const struct iommu_test_viommu_invalidate entries[] = {
		{ .vdev_id = VIRT_ID, .cache_id = 1 },
		{ .vdev_id = VIRT_ID + 1, .cache_id = 3 },
		{ .vdev_id = VIRT_ID, .cache_id = 2 },
	};
	const struct iommu_test_viommu_invalidate all = {
		.flags = IOMMU_TEST_INVALIDATE_FLAG_ALL,
		.vdev_id = VIRT_ID + 1,
	};
	struct mock_device other;
	__u32 vdevice, count = 3;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, other.idev, VIRT_ID + 1,
				   &vdevice));
	EXPECT_CACHE(DEV.idev, CACHE, CACHE, CACHE, CACHE);
	EXPECT_EQ(0, invalidate(FD, VIOMMU, entries, &count));
	EXPECT_EQ(3, count);
	EXPECT_CACHE(DEV.idev, CACHE, 0, 0, CACHE);
	EXPECT_CACHE(other.idev, CACHE, CACHE, CACHE, 0);
	count = 1;
	EXPECT_EQ(0, invalidate(FD, VIOMMU, &all, &count));
	EXPECT_EQ(1, count);
	EXPECT_CACHE(DEV.idev, CACHE, 0, 0, CACHE);
	EXPECT_CACHE(other.idev, 0, 0, 0, 0);
	/* the number is nobody's any more */
	ASSERT_EQ(0, iommufd_destroy(FD, vdevice));
	count = 3;
	EXPECT_EQ(-EINVAL, invalidate(FD, VIOMMU, entries, &count));
	EXPECT_EQ(1, count);
}

TEST_F(vdevice, invalidation_that_fails_says_how_far_it_got)
{
	static const struct {
		struct iommu_test_viommu_invalidate entry;
		int rc;
	} bad[] = {
		{ { .flags = 2, .vdev_id = VIRT_ID }, -EOPNOTSUPP },
		{ { .flags = 3, .vdev_id = VIRT_ID }, -EOPNOTSUPP },
		{ { .vdev_id = VIRT_ID, .cache_id = NR_WORDS }, -EINVAL },
		{ { .flags = 1, .vdev_id = VIRT_ID + 1 }, -EINVAL },
	};
	struct iommu_test_viommu_invalidate entries[NR_WORDS];
	unsigned int b, nth, i;
	__u32 count;

	for (b = 0; b != ARRAY_SIZE(bad); b++)
		for (nth = 0; nth != NR_WORDS; nth++) {
			for (i = 0; i != NR_WORDS; i++)
				entries[i] =
					(struct iommu_test_viommu_invalidate){
						.vdev_id = VIRT_ID,
						.cache_id = i,
					};
			entries[nth] = bad[b].entry;
			count = NR_WORDS;
			EXPECT_EQ(bad[b].rc, invalidate(FD, VIOMMU, entries,
							&count));
			EXPECT_EQ(nth, count);
		}
	/* the last was never done */
	EXPECT_CACHE(DEV.idev, 0, 0, 0, CACHE);
}

/* More than a driver is given at once */
TEST_F(vdevice, invalidation_of_many_is_counted_as_one)
{
	const __u32 nr = 10000;
	struct iommu_test_viommu_invalidate *entries =
		anonymous(nr * sizeof(*entries));
	__u32 count = nr, i;

	ASSERT_NE(NULL, entries);
	for (i = 0; i != nr; i++)
		entries[i].vdev_id = VIRT_ID;
	entries[nr - 1].cache_id = 3;
	EXPECT_EQ(0, invalidate(FD, VIOMMU, entries, &count));
	EXPECT_EQ(nr, count);
	EXPECT_CACHE(DEV.idev, 0, CACHE, CACHE, 0);
	entries[9000].vdev_id++;
	EXPECT_EQ(-EINVAL, invalidate(FD, VIOMMU, entries, &count));
	EXPECT_EQ(9000, count);
}

TEST_F(vdevice, invalidation_needs_all_entries_to_be_readable)
{
	struct iommu_test_viommu_invalidate *entries;
	__u32 count = 4;
	char *va;

	va = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, munmap(va + SMALL_PAGE, SMALL_PAGE));
	entries = (void *)(va + SMALL_PAGE - 2 * sizeof(*entries));
	entries[0].vdev_id = VIRT_ID;
	entries[1].vdev_id = VIRT_ID;

	EXPECT_EQ(-EFAULT, invalidate(FD, VIOMMU, entries, &count));
	EXPECT_EQ(0, count);
	EXPECT_CACHE(DEV.idev, CACHE, CACHE, CACHE, CACHE);
}

TEST_F(vdevice, failures_leave_nothing_behind)
{
	__u32 first;

	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	first = next_id(FD);
	WITH_EACH_FAILURE(vdevice_alloc(FD, VIOMMU, DEV.idev, VIRT_ID,
					&VDEVICE),
			  next_id(FD) == first, iommufd_destroy(FD, VDEVICE));
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
}

static int back_to(int iommufd, __u32 stdev, __u32 pt)
{
	return mock_domain_replace(iommufd, stdev, &pt);
}

/* Not even that the new ID cannot be told, though the device has moved then. */
TEST_F(vdevice, failures_of_attach_leave_nothing_behind)
{
	const __u32 stdev = DEV.stdev;
	__u32 hwpt, pt = PARENT;

	ASSERT_EQ(0, mock_nested(FD, DEV.idev, VIOMMU, 0, IOTLB, &hwpt));
	ASSERT_EQ(0, mock_domain_replace(FD, stdev, &pt));
	WITH_EACH_FAILURE((pt = hwpt, mock_domain_replace(FD, stdev, &pt)),
			  !mock_pasid_check(FD, stdev, 0, PARENT) ||
			  !back_to(FD, stdev, PARENT),
			  back_to(FD, stdev, PARENT));
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
}

TEST_F(vdevice, failures_of_invalidation_are_counted)
{
	const struct iommu_test_viommu_invalidate entry = {
		.vdev_id = VIRT_ID,
	};
	__u32 count;

	WITH_EACH_FAILURE((count = 1,
			   invalidate(FD, VIOMMU, &entry, &count)),
			  count <= 1, 0);
}

/* The file is closed with everything in it, in each order of creation. */
TEST_F(vdevice, goes_with_the_file_in_any_order)
{
	struct mock_device first, last;
	__u32 vdevice, hwpt, pt;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &first));
	ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, first.idev, 1, &vdevice));
	ASSERT_EQ(0, mock_nested(FD, first.idev, VIOMMU, 0, IOTLB, &hwpt));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &last));
	ASSERT_EQ(0, iommufd_destroy(FD, vdevice));
	/* this one has a lower ID than its device */
	ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, last.idev, 1, &vdevice));
	EXPECT_LT(vdevice, last.idev);
	pt = hwpt;
	ASSERT_EQ(0, mock_domain_replace(FD, last.stdev, &pt));
}

/*
 * Races of those who destroy it
 */

struct race {
	int iommufd;
	__u32 viommu;
	__u32 vdevice;
	struct mock_device dev;
	pthread_barrier_t barrier;
};

static int destroy_vdevice(void *data)
{
	struct race *race = data;

	pthread_barrier_wait(&race->barrier);
	return iommufd_destroy(race->iommufd, race->vdevice);
}

static int number_device(void *data)
{
	struct race *race = data;

	pthread_barrier_wait(&race->barrier);
	return vdevice_alloc(race->iommufd, race->viommu, race->dev.idev,
			     VIRT_ID, &race->vdevice);
}

#define RACES 200

TEST_F(vdevice, is_destroyed_once_by_user_space_or_the_device)
{
	struct race race = { .iommufd = FD };
	struct thread_call call;
	int i, rc;

	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	ASSERT_EQ(0, pthread_barrier_init(&race.barrier, NULL, 2));
	for (i = 0; i != RACES; i++) {
		ASSERT_EQ(0, mock_domain(FD, IOAS, &race.dev));
		ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, race.dev.idev, VIRT_ID,
					   &race.vdevice));
		ASSERT_EQ(0, thread_call_start(&call, destroy_vdevice, &race));
		pthread_barrier_wait(&race.barrier);
		EXPECT_EQ(0, mock_destroy(FD, &race.dev));
		rc = thread_call_end(&call);
		EXPECT_TRUE(rc == 0 || rc == -ENOENT)
			TH_LOG("%d", rc);
	}
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
}

TEST_F(vdevice, is_not_made_for_a_device_that_goes)
{
	struct race race = { .iommufd = FD, .viommu = VIOMMU };
	struct thread_call call;
	int i, rc;

	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	ASSERT_EQ(0, pthread_barrier_init(&race.barrier, NULL, 2));
	for (i = 0; i != RACES; i++) {
		ASSERT_EQ(0, mock_domain(FD, IOAS, &race.dev));
		ASSERT_EQ(0, thread_call_start(&call, number_device, &race));
		pthread_barrier_wait(&race.barrier);
		EXPECT_EQ(0, mock_destroy(FD, &race.dev));
		rc = thread_call_end(&call);
		EXPECT_TRUE(rc == 0 || rc == -ENOENT)
			TH_LOG("%d", rc);
		if (!rc)
			EXPECT_EQ(-ENOENT, iommufd_destroy(FD, race.vdevice));
	}
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
}

struct invalidator {
	struct crowd crowd;
	int iommufd;
	__u32 viommu;
	struct goal met;	/* there was a device */
};

static int invalidate_until_over(void *data)
{
	const struct iommu_test_viommu_invalidate entry = {
		.flags = IOMMU_TEST_INVALIDATE_FLAG_ALL,
		.vdev_id = VIRT_ID,
	};
	struct invalidator *invalidator = data;
	__u32 count;
	int rc;

	while (!crowd_is_over(&invalidator->crowd)) {
		count = 1;
		rc = invalidate(invalidator->iommufd, invalidator->viommu,
				&entry, &count);
		/* either there is a device of this number or there is none */
		if ((rc && rc != -EINVAL) || count != !rc)
			return rc ? rc : -ERANGE;
		if (!rc)
			goal_count(&invalidator->met);
	}
	return 0;
}

TEST_F(vdevice, is_not_found_by_its_number_when_the_device_has_gone)
{
	struct invalidator invalidator = {
		.iommufd = FD,
		.viommu = VIOMMU,
		.met = { "met", 10 },
	};
	struct mock_device dev;
	__u32 vdevice;
	int i;

	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	ASSERT_EQ(0, crowd_add(&invalidator.crowd, invalidate_until_over,
			       &invalidator));
	for (i = 0; i < RACES || !goal_is_reached(&invalidator.met); i++) {
		ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
		ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, dev.idev, VIRT_ID,
					   &vdevice));
		/* by turns with the device, or before it */
		if (i % 2)
			ASSERT_EQ(0, iommufd_destroy(FD, vdevice));
		ASSERT_EQ(0, mock_destroy(FD, &dev));
	}
	EXPECT_EQ(0, crowd_end(&invalidator.crowd));
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
}

TEST_HARNESS_MAIN
