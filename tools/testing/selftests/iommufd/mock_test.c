// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device, operation by operation: what each promises to those who
 * test with it, and each of its errors.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <linux/udmabuf.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define NR_PAGES 64
#define LENGTH (NR_PAGES * SMALL_PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)
#define DEVICES "/sys/bus/iommufd_mock/devices"

FIXTURE(mock)
{
	struct mock_rig rig;	/* without a device */
	struct memory_rig mem;	/* NR_PAGES */
};

FIXTURE_SETUP(mock)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, LENGTH));
}

FIXTURE_TEARDOWN(mock)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->mem.va)

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static int sized_ioctl(int iommufd, __u32 size, void *buffer)
{
	struct iommu_test_cmd cmd = {
		.size = size,
		.op = IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT,
		.memory_limit.limit = MOCK_MEMORY_LIMIT_DEFAULT,
	};

	memcpy(buffer, &cmd, sizeof(cmd));
	return checked_ioctl(iommufd, IOMMU_TEST_CMD, buffer);
}

/*
 * The ioctl
 */

TEST_F(mock, takes_structures_that_are_long_enough)
{
	char buffer[sizeof(struct iommu_test_cmd) + 8] = {};

	EXPECT_EQ(72, sizeof(struct iommu_test_cmd));
	EXPECT_EQ(-EINVAL, sized_ioctl(FD, 0, buffer));
	EXPECT_EQ(-EINVAL, sized_ioctl(FD, 67, buffer));
	EXPECT_EQ(0, sized_ioctl(FD, 68, buffer));
	EXPECT_EQ(0, sized_ioctl(FD, 72, buffer));
	EXPECT_EQ(0, sized_ioctl(FD, 80, buffer));
	buffer[79] = 1;
	EXPECT_EQ(0, sized_ioctl(FD, 79, buffer));
	EXPECT_EQ(-E2BIG, sized_ioctl(FD, 80, buffer));
	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_TEST_CMD, NULL));
}

TEST_F(mock, refuses_unknown_operations)
{
	const __u32 ops[] = { 0, 24, 1 << 20, UINT32_MAX };
	struct iommu_test_cmd cmd = {};
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(ops); i++) {
		cmd.op = ops[i];
		EXPECT_EQ(-EOPNOTSUPP, mock_ioctl(FD, &cmd));
	}
}

TEST_F(mock, is_not_there_under_neighbouring_numbers)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd) };

	EXPECT_EQ(-ENOTTY, checked_ioctl(FD, IOMMU_TEST_CMD - 1, &cmd));
	EXPECT_EQ(-ENOTTY, checked_ioctl(FD, IOMMU_TEST_CMD + 1, &cmd));
	EXPECT_EQ(-ENOTTY, checked_ioctl(FD, IOMMU_TEST_CMD | 1 << 30, &cmd));
}

/*
 * Devices
 */

TEST_F(mock, makes_and_removes_devices)
{
	struct mock_device dev, other;
	char group[PATH_MAX];

	EXPECT_TRUE(exists("/sys/class/iommu/iommufd_selftest_iommu"));
	ASSERT_EQ(0, mock_devices());
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_NE(NULL, realpath(DEVICES "/iommufd_mock0/iommu_group", group));
	EXPECT_TRUE(exists(group));
	EXPECT_TRUE(exists(DEVICES "/iommufd_mock0/iommu"));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	EXPECT_TRUE(exists(DEVICES "/iommufd_mock1"));
	EXPECT_NE(dev.stdev, other.stdev);
	EXPECT_NE(dev.idev, other.idev);

	ASSERT_EQ(0, mock_destroy(FD, &dev));
	EXPECT_FALSE(exists(DEVICES "/iommufd_mock0"));
	EXPECT_FALSE(exists(group));
	EXPECT_TRUE(exists(DEVICES "/iommufd_mock1"));
	/* the lowest free number */
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_TRUE(exists(DEVICES "/iommufd_mock0"));
	EXPECT_EQ(2, mock_devices());

	ASSERT_EQ(0, mock_destroy(FD, &dev));
	ASSERT_EQ(0, mock_destroy(FD, &other));
	EXPECT_EQ(0, mock_devices());
	EXPECT_EQ(-ENOENT, mock_destroy(FD, &dev));
}

TEST_F(mock, removes_devices_when_the_file_closes)
{
	struct mock_device dev;
	int i;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	for (i = 0; i != 3; i++)
		ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(3, mock_devices());
	close(FD);
	EXPECT_EQ(0, mock_devices());
	EXPECT_EQ(self->rig.pins, pins_held());
	FD = iommufd_open();
}

TEST_F(mock, refuses_bad_devices)
{
	struct mock_device dev, bad;
	__u32 flags;

	EXPECT_EQ(-ENOENT, mock_domain(FD, NO_SUCH_ID, &bad));
	for (flags = 1; flags; flags <<= 1) {
		if (flags == MOCK_FLAGS_DEVICE_NO_DIRTY ||
		    flags == MOCK_FLAGS_DEVICE_PASID ||
		    flags == MOCK_FLAGS_DEVICE_NOT_COHERENT ||
		    flags == MOCK_FLAGS_DEVICE_ENFORCES_IN_VAIN)
			continue;
		EXPECT_EQ(-EINVAL, mock_domain_flags(FD, IOAS, flags, &bad));
	}
	EXPECT_EQ(0, mock_devices());
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(-EINVAL, mock_domain(FD, dev.idev, &bad));
	EXPECT_EQ(-EINVAL, mock_domain(FD, dev.stdev, &bad));
	EXPECT_EQ(1, mock_devices());
}

/* Coherent they are by themselves, or the IOMMU makes them so. */
TEST_F(mock, is_coherent_or_refused)
{
	struct mock_device dev;

	EXPECT_EQ(-EINVAL,
		  mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_NOT_COHERENT,
				    &dev));
	EXPECT_EQ(-EINVAL,
		  mock_domain_flags(FD, IOAS,
				    MOCK_FLAGS_DEVICE_ENFORCES_IN_VAIN, &dev));
	EXPECT_EQ(0, mock_devices());
	EXPECT_EQ(0, mock_domain(FD, IOAS, &dev));
}

TEST_F(mock, reads_device_flags_only_where_they_are)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
		.id = IOAS,
		.mock_domain.dev_flags = UINT32_MAX,
	};
	struct mock_device dev;

	EXPECT_EQ(0, mock_ioctl(FD, &cmd));
	EXPECT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_NO_DIRTY |
				       MOCK_FLAGS_DEVICE_PASID, &dev));
	EXPECT_EQ(2, mock_devices());
}

TEST_F(mock, devices_share_a_page_table_of_the_ioas)
{
	struct mock_device dev, other, third;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	EXPECT_EQ(dev.hwpt, other.hwpt);
	ASSERT_EQ(0, mock_domain(FD, dev.hwpt, &third));
	EXPECT_EQ(dev.hwpt, third.hwpt);

	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, dev.hwpt));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, dev.idev));
	ASSERT_EQ(0, mock_destroy(FD, &dev));
	ASSERT_EQ(0, mock_destroy(FD, &other));
	ASSERT_EQ(0, mock_destroy(FD, &third));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, third.hwpt));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(mock, restricts_the_ioas_while_attached)
{
	struct iommu_iova_range range;
	struct mock_device dev;
	__u64 alignment;
	__u32 count = 1;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, &range, &count, &alignment));
	EXPECT_EQ(MOCK_APERTURE_START, range.start);
	EXPECT_EQ(MOCK_APERTURE_LAST, range.last);
	EXPECT_EQ(MOCK_PAGE_SIZE, alignment);
	ASSERT_EQ(0, mock_destroy(FD, &dev));
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, &range, &count, &alignment));
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(UINT64_MAX, range.last);
	EXPECT_EQ(1, alignment);
}

/* What is below its aperture is reserved, and then what is above is refused. */
TEST_F(mock, restricts_nothing_where_it_is_refused)
{
	struct mock_device dev;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, 4 * GIB));
	EXPECT_EQ(-EADDRINUSE, mock_domain(FD, IOAS, &dev));
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, mock_domain(FD, IOAS, &dev));
}

TEST_F(mock, replaces_by_what_is_there)
{
	struct mock_device dev;
	__u32 pt;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	pt = dev.hwpt;
	EXPECT_EQ(0, mock_domain_replace(FD, dev.stdev, &pt));
	EXPECT_EQ(dev.hwpt, pt);
	pt = IOAS;
	EXPECT_EQ(0, mock_domain_replace(FD, dev.stdev, &pt));
	EXPECT_EQ(dev.hwpt, pt);

	EXPECT_EQ(-ENOENT, mock_domain_replace(FD, dev.idev, &pt));
	EXPECT_EQ(-ENOENT, mock_domain_replace(FD, IOAS, &pt));
	EXPECT_EQ(-ENOENT, mock_domain_replace(FD, NO_SUCH_ID, &pt));
	pt = NO_SUCH_ID;
	EXPECT_EQ(-ENOENT, mock_domain_replace(FD, dev.stdev, &pt));
	pt = dev.idev;
	EXPECT_EQ(-EINVAL, mock_domain_replace(FD, dev.stdev, &pt));
}

/* The device's own page table is the one without PASID. */
TEST_F(mock, detaches_once_however_often_it_is_asked)
{
	struct mock_device dev;
	__u32 pt = IOAS;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(0, mock_pasid_check(FD, dev.stdev, 0, dev.hwpt));
	EXPECT_EQ(-EINVAL, mock_pasid_check(FD, dev.stdev, 0, 0));
	EXPECT_EQ(0, mock_pasid_check(FD, dev.stdev, 7, 0));
	EXPECT_EQ(-EINVAL, mock_pasid_check(FD, dev.stdev, 7, dev.hwpt));
	EXPECT_EQ(-ENOENT, mock_pasid_check(FD, dev.stdev, 0, NO_SUCH_ID));
	EXPECT_EQ(-ENOENT, mock_pasid_check(FD, dev.stdev, 0, IOAS));
	EXPECT_EQ(-ENOENT, mock_pasid_check(FD, dev.idev, 0, dev.hwpt));

	EXPECT_EQ(-EBUSY, mock_pasid_attach(FD, dev.stdev, 0, &pt));
	EXPECT_EQ(-ENOENT, mock_pasid_attach(FD, dev.idev, 0, &pt));
	EXPECT_EQ(-ENOENT, mock_pasid_replace(FD, dev.idev, 0, &pt));
	EXPECT_EQ(-ENOENT, mock_pasid_detach(FD, dev.idev, 0));

	EXPECT_EQ(0, mock_pasid_detach(FD, dev.stdev, 7));
	EXPECT_EQ(0, mock_pasid_detach(FD, dev.stdev, 0));
	EXPECT_EQ(0, mock_pasid_check(FD, dev.stdev, 0, 0));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, dev.hwpt));
	EXPECT_EQ(0, mock_pasid_detach(FD, dev.stdev, 0));
	EXPECT_EQ(-EINVAL, mock_domain_replace(FD, dev.stdev, &pt));

	EXPECT_EQ(0, mock_pasid_attach(FD, dev.stdev, 0, &pt));
	EXPECT_EQ(0, mock_pasid_check(FD, dev.stdev, 0, pt));
	EXPECT_EQ(0, mock_destroy(FD, &dev));
	EXPECT_EQ(0, mock_devices());
}

TEST_F(mock, has_cache_words_with_a_default)
{
	const __u32 value = IOMMU_TEST_DEV_CACHE_DEFAULT;
	struct mock_device dev;
	__u32 i;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	for (i = 0; i <= MOCK_DEV_CACHE_ID_MAX; i++)
		EXPECT_EQ(0, mock_check_cache(FD, dev.idev, i, value));
	EXPECT_EQ(-EINVAL, mock_check_cache(FD, dev.idev, i, value));
	EXPECT_EQ(-EINVAL, mock_check_cache(FD, dev.idev, UINT32_MAX, value));
	EXPECT_EQ(-EINVAL, mock_check_cache(FD, dev.idev, 0, value + 1));
	EXPECT_EQ(-ENOENT, mock_check_cache(FD, dev.stdev, 0, value));
	EXPECT_EQ(-ENOENT, mock_check_cache(FD, NO_SUCH_ID, 0, value));
	EXPECT_EQ(-ENOENT, mock_check_iotlb(FD, dev.hwpt, 0, value));
}

TEST_F(mock, requests_pages_that_nobody_handles)
{
	struct mock_device dev;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(0, mock_trigger_iopf(FD, dev.idev, 0, 1, 3, IOVA));
	EXPECT_EQ(0, mock_trigger_iopf(FD, dev.idev, 9, 1, 3, IOVA));
	EXPECT_EQ(0, mock_trigger_iopf(FD, dev.idev, UINT32_MAX, UINT32_MAX,
				       UINT32_MAX, UINT64_MAX));
	EXPECT_EQ(-ENOENT, mock_trigger_iopf(FD, dev.stdev, 0, 1, 3, IOVA));
	EXPECT_EQ(-ENOENT, mock_trigger_vevent(FD, dev.idev));
	EXPECT_EQ(-ENOENT, mock_trigger_vevent(FD, NO_SUCH_ID));
}

/*
 * Looking into page tables and pages
 */

TEST_F(mock, sees_what_is_mapped)
{
	struct mock_device dev;
	char *va = VA;
	__u64 iova = IOVA + MIB;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, LENGTH, iova));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, LENGTH, va));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, 0, va));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova + 3 * MOCK_PAGE_SIZE,
				    MOCK_PAGE_SIZE, va + 3 * MOCK_PAGE_SIZE));

	/* other memory, less of it, none */
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova, SMALL_PAGE,
					  va + SMALL_PAGE));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova, MOCK_PAGE_SIZE,
					  va + MOCK_PAGE_SIZE));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova + LENGTH,
					  SMALL_PAGE, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova - SMALL_PAGE,
					  SMALL_PAGE, va));
	EXPECT_EQ(-EFAULT, mock_check_map(FD, dev.hwpt, iova, SMALL_PAGE,
					  NULL));

	/* other memory behind the first page */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va + 2 * SMALL_PAGE, SMALL_PAGE,
				 IOVA + SMALL_PAGE));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, SMALL_PAGE, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, 2 * SMALL_PAGE,
					  va));

	ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, LENGTH, NULL));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova, SMALL_PAGE, va));
}

TEST_F(mock, checks_what_it_is_to_look_at)
{
	const char *va = VA, *top = (char *)-SMALL_PAGE;
	struct mock_device dev;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, LENGTH, IOVA));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA + 1024, 2048, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, 1024, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, 2048, va + 1));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, -SMALL_PAGE,
					  2 * SMALL_PAGE, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, 2 * SMALL_PAGE,
					  top));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, -2048UL, va));
	/* beyond what the page table can translate */
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, 1ULL << 60, 2048, va));
	EXPECT_EQ(-ENOENT, mock_check_map(FD, IOAS, IOVA, LENGTH, va));
	EXPECT_EQ(-ENOENT, mock_check_map(FD, NO_SUCH_ID, IOVA, LENGTH, va));
}

TEST_F(mock, maps_half_pages)
{
	const __u64 length = 3 * MOCK_PAGE_SIZE;
	char *va = VA + MOCK_PAGE_SIZE;
	struct mock_device dev;
	__u64 iova = IOVA + MOCK_PAGE_SIZE;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, length, iova));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, length, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, MOCK_PAGE_SIZE,
					  VA));
	/* the other half of the same page, elsewhere */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, MOCK_PAGE_SIZE, IOVA));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, 4 * MOCK_PAGE_SIZE,
				    VA));
}

TEST_F(mock, maps_one_half_of_a_page)
{
	struct mock_device dev;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + MOCK_PAGE_SIZE, MOCK_PAGE_SIZE,
				 IOVA));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, MOCK_PAGE_SIZE,
				    VA + MOCK_PAGE_SIZE));
}

TEST_F(mock, maps_scattered_pages_from_a_half_to_a_half)
{
	const __u64 length = (2 * NR_PAGES - 2) * MOCK_PAGE_SIZE;
	struct mock_device dev;
	struct memory_rig mem;
	char *va;

	MAKE(memory_rig_make(&mem, PAGES_SMALL_RANDOM, LENGTH));
	ASSERT_LT(1, memory_pieces(mem.va, LENGTH));
	va = mem.va + MOCK_PAGE_SIZE;
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, length, IOVA));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, length, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA + length,
					  MOCK_PAGE_SIZE, va + length));
}

/* One run in front of the border and behind it, and then another one */
TEST_F(mock, maps_a_run_across_a_border_of_1_gib)
{
	const size_t end = HUGE_PAGE - SMALL_PAGE;
	const __u64 iova = GIB - MIB;
	struct mock_device dev;
	struct memory_rig mem;

	MAKE(memory_rig_make(&mem, PAGES_THP, HUGE_PAGE));
	ASSERT_EQ(0, madvise(mem.va + end, SMALL_PAGE, MADV_DONTNEED));
	mem.va[end] = 1;
	ASSERT_EQ(2, memory_pieces(mem.va, HUGE_PAGE));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va, HUGE_PAGE, iova));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, HUGE_PAGE, mem.va));
}

/* Neighbours leave together, in steps that end at a border of 1 GiB. */
TEST_F(mock, unmaps_more_than_1_gib_at_once)
{
	const __u64 step = 8 * HUGE_PAGE, border = GIB;
	struct mock_device dev;
	struct memory_rig huge;
	__u64 iova, unmapped;

	MAKE(memory_rig_make(&huge, PAGES_THP, step));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, border - LENGTH));
	for (iova = border - LENGTH - 31 * step; iova < border - LENGTH;
	     iova += step)
		ASSERT_EQ(0, memory_rig_map(&huge, FD, IOAS, iova));
	for (iova = border; iova < border + 33 * step; iova += step)
		ASSERT_EQ(0, memory_rig_map(&huge, FD, IOAS, iova));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, &unmapped));
	EXPECT_EQ(GIB + LENGTH, unmapped);
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, border - SMALL_PAGE,
					  SMALL_PAGE,
					  VA + LENGTH - SMALL_PAGE));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, border, SMALL_PAGE,
					  huge.va));
}

TEST_F(mock, sees_what_was_mapped_before_the_device_came)
{
	struct mock_device dev;
	int i;

	for (i = 0; i != NR_PAGES; i += 2)
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + i * SMALL_PAGE,
					 SMALL_PAGE, IOVA + i * SMALL_PAGE));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	for (i = 0; i != NR_PAGES; i++)
		EXPECT_EQ(i % 2 ? -EINVAL : 0,
			  mock_check_map(FD, dev.hwpt, IOVA + i * SMALL_PAGE,
					 SMALL_PAGE,
					 VA + i * SMALL_PAGE));
}

TEST_F(mock, counts_pins)
{
	struct mock_device dev, other;
	__u32 ioas;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 1));
	EXPECT_EQ(-EIO, mock_check_refs(FD, VA, LENGTH, 0));
	EXPECT_EQ(-EIO, mock_check_refs(FD, VA, LENGTH, 2));

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, mock_domain(FD, ioas, &other));
	ASSERT_EQ(0, ioas_map_at(FD, ioas, VA, SMALL_PAGE, IOVA));
	EXPECT_EQ(0, mock_check_refs(FD, VA, SMALL_PAGE, 2));
	EXPECT_EQ(0, mock_check_refs(FD, VA + SMALL_PAGE,
				     LENGTH - SMALL_PAGE, 1));
	EXPECT_EQ(-EIO, mock_check_refs(FD, VA, LENGTH, 1));

	ASSERT_EQ(0, mock_destroy(FD, &dev));
	ASSERT_EQ(0, ioas_unmap_all(FD, ioas, NULL));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));

	EXPECT_EQ(-EINVAL, mock_check_refs(FD, VA + 2048, SMALL_PAGE, 0));
	EXPECT_EQ(-EINVAL, mock_check_refs(FD, VA, 2048, 0));
	EXPECT_EQ(-EINVAL, mock_check_refs(FD, VA, -SMALL_PAGE, 0));
	EXPECT_EQ(-EFAULT, mock_check_refs(FD, NULL, SMALL_PAGE, 0));
}

TEST_F(mock, maps_in_steps_of_little_memory)
{
	struct mock_device dev;
	__u32 limit;

	EXPECT_EQ(-EINVAL, mock_memory_limit(FD, 11));
	EXPECT_EQ(-EINVAL, mock_memory_limit(FD, 1));
	EXPECT_EQ(0, mock_memory_limit(FD, UINT32_MAX));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	for (limit = MOCK_MEMORY_LIMIT_MIN; limit < 1024; limit += 37) {
		ASSERT_EQ(0, mock_memory_limit(FD, limit));
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
		EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, LENGTH,
					    VA));
		EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 1));
		ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
		EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));
	}
	EXPECT_EQ(0, mock_memory_limit(FD, 0));
}

TEST_F(mock, maps_memory_of_another_process_in_steps_of_little_memory)
{
	struct mock_device *dev;
	int status;
	pid_t pid;

	dev = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, dev);
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	ASSERT_EQ(0, mock_memory_limit(FD, MOCK_MEMORY_LIMIT_MIN));
	/* the memory is pinned for the device, by who makes that */
	pid = fork();
	if (!pid)
		_exit(mock_domain(FD, IOAS, dev) ? 1 : 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, mock_memory_limit(FD, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(0, mock_check_map(FD, dev->hwpt, IOVA, LENGTH, VA));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 1));
}

TEST_F(mock, counts_flushes_of_the_iotlb)
{
	struct mock_device dev;
	long before;
	int i;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	before = mock_iotlb_syncs();
	ASSERT_LE(0, before);
	for (i = 0; i != NR_PAGES; i++)
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + i * SMALL_PAGE,
					 SMALL_PAGE, IOVA + i * SMALL_PAGE));
	EXPECT_EQ(before, mock_iotlb_syncs());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	EXPECT_EQ(before + 1, mock_iotlb_syncs());
	/* however many maps it is */
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(before + 2, mock_iotlb_syncs());
}

TEST_F(mock, makes_no_page_dirty_without_tracking)
{
	struct mock_device dev;
	__u64 bits = 1;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
#define DIRTY(hwpt, length, size, map)					\
	mock_dirty(FD, hwpt, IOVA, length, size, map, NULL)
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, LENGTH, SMALL_PAGE, &bits));
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, LENGTH, 0, &bits));
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, 0, SMALL_PAGE, &bits));
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, LENGTH + 1, SMALL_PAGE, &bits));
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, LENGTH, SMALL_PAGE, NULL));
	EXPECT_EQ(-EINVAL, mock_dirty(FD, dev.hwpt, IOVA + 1, LENGTH,
				      SMALL_PAGE, &bits, NULL));
	EXPECT_EQ(-EOVERFLOW, DIRTY(dev.hwpt, (1ULL << 27) + 1, 1, &bits));
	EXPECT_EQ(-EOVERFLOW, DIRTY(NO_SUCH_ID, UINT64_MAX, 1, &bits));
	EXPECT_EQ(-ENOENT, DIRTY(NO_SUCH_ID, LENGTH, SMALL_PAGE, &bits));
	EXPECT_EQ(-ENOENT, DIRTY(IOAS, LENGTH, SMALL_PAGE, &bits));
}

/*
 * Reserved IOVA
 */

TEST_F(mock, reserves_iova_for_as_long_as_the_ioas_lives)
{
	const struct iommu_iova_range allowed = { 32 * MIB, 33 * MIB };
	struct iommu_iova_range ranges[2];
	struct mock_device dev;
	__u32 count = 2;

	EXPECT_EQ(-EINVAL, mock_add_reserved(FD, IOAS, IOVA, 0));
	EXPECT_EQ(-EOVERFLOW, mock_add_reserved(FD, IOAS, UINT64_MAX, 2));
	EXPECT_EQ(-ENOENT, mock_add_reserved(FD, NO_SUCH_ID, IOVA, 1));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	EXPECT_EQ(-EADDRINUSE, mock_add_reserved(FD, IOAS, IOVA + 1, 1));
	EXPECT_EQ(-EADDRINUSE, mock_add_reserved(FD, IOAS, 0, UINT64_MAX));
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, &allowed, 1));
	EXPECT_EQ(-EADDRINUSE, mock_add_reserved(FD, IOAS, 33 * MIB, MIB));

	ASSERT_EQ(0, mock_add_reserved(FD, IOAS, 40 * MIB, MIB));
	ASSERT_EQ(0, mock_add_reserved(FD, IOAS, 40 * MIB, 2 * MIB));
	EXPECT_EQ(-EINVAL, ioas_map_at(FD, IOAS, VA, SMALL_PAGE,
				       42 * MIB - SMALL_PAGE));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, 42 * MIB));

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, mock_destroy(FD, &dev));
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, ranges, &count, NULL));
	EXPECT_EQ(2, count);
	EXPECT_EQ(40 * MIB - 1, ranges[0].last);
	EXPECT_EQ(42 * MIB, ranges[1].start);
}

/*
 * Accesses
 */

TEST_F(mock, refuses_bad_accesses)
{
	__u32 item;

	EXPECT_EQ(-EOPNOTSUPP, mock_access(FD, IOAS, 2));
	EXPECT_EQ(-EOPNOTSUPP, mock_access(FD, IOAS, UINT32_MAX));

	EXPECT_EQ(-ENOMEM, mock_access_pin(FD, FD, 0, IOVA, 16 * MIB + 1, NULL,
					   &item));
	EXPECT_EQ(-EOPNOTSUPP, mock_access_pin(FD, FD, 2, IOVA, SMALL_PAGE,
					       NULL, &item));
	EXPECT_EQ(-EBADFD, mock_access_pin(FD, FD, 0, IOVA, SMALL_PAGE, NULL,
					   &item));
	EXPECT_EQ(-EBADFD, mock_access_unpin(FD, FD, 0));
	EXPECT_EQ(-EBADFD, mock_access_replace(FD, FD, IOAS));
	EXPECT_EQ(-ENOMEM, mock_access_rw(FD, FD, 0, IOVA, 16 * MIB + 1,
					  VA));
	EXPECT_EQ(-EOPNOTSUPP, mock_access_rw(FD, FD, 2, IOVA, 1, VA));
	EXPECT_EQ(-EBADFD, mock_access_rw(FD, FD, 0, IOVA, 1, VA));
	EXPECT_EQ(-EBADFD, mock_access_rw(FD, -1, 0, IOVA, 1, VA));
}

#define NEEDS_PINS MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES

TEST_F(mock, access_pins_what_is_mapped)
{
	char *va = VA;
	__u32 item, other;
	int access;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, LENGTH, IOVA));
	access = mock_access(FD, IOAS, NEEDS_PINS);
	if (access == -EOPNOTSUPP)
		SKIP(return, "the kernel has no accesses");
	ASSERT_LE(0, access);
	EXPECT_NE(0, fcntl(access, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(-ENOENT, mock_access(FD, NO_SUCH_ID, NEEDS_PINS));
#define PIN(flags, iova, length, at, item)				\
	mock_access_pin(FD, access, flags, iova, length, at, item)
	ASSERT_EQ(0, PIN(0, IOVA, SMALL_PAGE, va, &item));
	EXPECT_EQ(0, item);
	EXPECT_EQ(0, mock_check_refs(FD, va, SMALL_PAGE, 1));
	ASSERT_EQ(0, PIN(MOCK_FLAGS_ACCESS_WRITE, IOVA, LENGTH, NULL, &other));
	EXPECT_EQ(1, other);
	EXPECT_EQ(0, mock_check_refs(FD, va + SMALL_PAGE, LENGTH - SMALL_PAGE,
				     1));

	EXPECT_EQ(-EBADE, PIN(0, IOVA, SMALL_PAGE, va + SMALL_PAGE, &item));
	EXPECT_EQ(-EBADE, PIN(0, IOVA, SMALL_PAGE, (char *)SMALL_PAGE, &item));
	EXPECT_EQ(-ENOENT, PIN(0, IOVA + LENGTH, SMALL_PAGE, NULL, &item));
	EXPECT_EQ(-EINVAL, PIN(0, IOVA, 0, NULL, &item));
	EXPECT_EQ(-EOVERFLOW, PIN(0, -SMALL_PAGE, 2 * SMALL_PAGE, NULL, &item));

	EXPECT_EQ(0, mock_access_unpin(FD, access, 1));
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, access, 1));
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, access, 2));
	EXPECT_EQ(0, mock_check_refs(FD, va, SMALL_PAGE, 1));
	EXPECT_EQ(0, mock_check_refs(FD, va + SMALL_PAGE, LENGTH - SMALL_PAGE,
				     0));
	/* the map of what is pinned goes, and the pin with it */
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, mock_check_refs(FD, va, LENGTH, 0));
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, access, 0));

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, LENGTH, IOVA));
	ASSERT_EQ(0, PIN(0, IOVA, LENGTH, va, &item));
	EXPECT_EQ(2, item);
	close(access);
	EXPECT_EQ(0, mock_check_refs(FD, va, LENGTH, 0));
}

TEST_F(mock, access_without_pins_copies)
{
	char *bytes = VA + LENGTH / 2;
	__u32 item;
	int access;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH / 2, IOVA));
	access = mock_access(FD, IOAS, 0);
	if (access == -EOPNOTSUPP)
		SKIP(return, "the kernel has no accesses");
	ASSERT_LE(0, access);
	EXPECT_EQ(-EOPNOTSUPP, PIN(0, IOVA, SMALL_PAGE, NULL, &item));

#define RW(flags, iova, length, at)					\
	mock_access_rw(FD, access, flags, iova, length, at)
	pattern_fill(VA, LENGTH / 2, 1);
	EXPECT_EQ(0, RW(0, IOVA + 3, LENGTH / 2 - 3, bytes));
	EXPECT_EQ(0, memcmp(bytes, VA + 3, LENGTH / 2 - 3));
	pattern_fill(bytes, LENGTH / 2, 2);
	EXPECT_EQ(0, RW(MOCK_ACCESS_RW_WRITE, IOVA, LENGTH / 2, bytes));
	EXPECT_EQ(0, memcmp(bytes, VA, LENGTH / 2));
	pattern_fill(bytes, LENGTH / 2, 3);
	EXPECT_EQ(0, RW(MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH, IOVA,
			LENGTH / 2, bytes));
	EXPECT_EQ(0, memcmp(bytes, VA, LENGTH / 2));

	EXPECT_EQ(-EFAULT, RW(0, IOVA, 1, NULL));
	EXPECT_EQ(-EFAULT, RW(MOCK_ACCESS_RW_WRITE, IOVA, 1, NULL));
	EXPECT_EQ(-EINVAL, RW(0, IOVA, 0, bytes));
	EXPECT_EQ(-ENOENT, RW(0, IOVA + LENGTH / 2 - 1, 2, bytes));
	close(access);
}

TEST_F(mock, access_finds_the_nth_map)
{
	char bytes[2];
	int access;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + SMALL_PAGE, SMALL_PAGE,
				 IOVA + MIB));
	access = mock_access(FD, IOAS, 0);
	if (access == -EOPNOTSUPP)
		SKIP(return, "the kernel has no accesses");
	ASSERT_LE(0, access);
	VA[5] = 'a';
	VA[SMALL_PAGE + 6] = 'b';
	EXPECT_EQ(0, RW(MOCK_FLAGS_ACCESS_SYZ, 5ULL << 32, 1, bytes));
	EXPECT_EQ(0, RW(MOCK_FLAGS_ACCESS_SYZ, 6ULL << 32 | 1, 1, bytes + 1));
	EXPECT_EQ('a', bytes[0]);
	EXPECT_EQ('b', bytes[1]);
	EXPECT_EQ(-ENOENT, RW(MOCK_FLAGS_ACCESS_SYZ, 2, 1, bytes));
	close(access);
}

TEST_F(mock, access_moves_to_another_ioas)
{
	__u32 ioas, item;
	int access;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	access = mock_access(FD, IOAS, NEEDS_PINS);
	if (access == -EOPNOTSUPP)
		SKIP(return, "the kernel has no accesses");
	ASSERT_LE(0, access);
	ASSERT_EQ(0, PIN(0, IOVA, LENGTH, VA, &item));
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	EXPECT_EQ(-ENOENT, mock_access_replace(FD, access, NO_SUCH_ID));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 1));
	EXPECT_EQ(0, mock_access_replace(FD, access, ioas));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));
	EXPECT_EQ(-ENOENT, PIN(0, IOVA, LENGTH, VA, &item));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, ioas));
	close(access);
	EXPECT_EQ(0, iommufd_destroy(FD, ioas));
}

/*
 * dma-bufs
 */

TEST_F(mock, exports_dmabufs)
{
	int dmabuf;
	char *va;

	EXPECT_EQ(-EINVAL, mock_dmabuf(FD, 0, O_CLOEXEC));
	EXPECT_EQ(-EINVAL, mock_dmabuf(FD, 512 * SMALL_PAGE + 1, O_CLOEXEC));
	EXPECT_EQ(-EINVAL, mock_dmabuf(FD, UINT32_MAX, O_CLOEXEC));
	dmabuf = mock_dmabuf(FD, 512 * SMALL_PAGE, O_RDWR);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(0, fcntl(dmabuf, F_GETFD) & FD_CLOEXEC);
	close(dmabuf);

	dmabuf = mock_dmabuf(FD, SMALL_PAGE + 1, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, dmabuf);
	EXPECT_NE(0, fcntl(dmabuf, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(2 * SMALL_PAGE, lseek(dmabuf, 0, SEEK_END));
	va = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		  dmabuf, 0);
	ASSERT_NE(MAP_FAILED, va);
	EXPECT_TRUE(memory_is(va, 0, 2 * SMALL_PAGE));
	pattern_fill(va, 2 * SMALL_PAGE, 1);
	munmap(va, 2 * SMALL_PAGE);
	va = mmap(NULL, SMALL_PAGE, PROT_READ, MAP_PRIVATE, dmabuf, SMALL_PAGE);
	EXPECT_EQ(MAP_FAILED, va);
	close(dmabuf);
}

static int udmabuf_create(void)
{
	struct udmabuf_create create = { .size = SMALL_PAGE };
	int device, rc;

	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -errno;
	create.memfd = memfd_create("udmabuf", MFD_ALLOW_SEALING);
	if (ftruncate(create.memfd, SMALL_PAGE) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	rc = checked_ioctl(device, UDMABUF_CREATE, &create);
	close(create.memfd);
	close(device);
	return rc;
}

TEST_F(mock, revokes_its_own_dmabufs)
{
	int dmabuf, foreign;

	EXPECT_EQ(-EBADF, mock_dmabuf_revoke(FD, -1, true));
	EXPECT_EQ(-EINVAL, mock_dmabuf_revoke(FD, FD, true));
	foreign = udmabuf_create();
	ASSERT_LE(0, foreign);
	EXPECT_EQ(-EOPNOTSUPP, mock_dmabuf_revoke(FD, foreign, true));
	close(foreign);

	dmabuf = mock_dmabuf(FD, SMALL_PAGE, O_CLOEXEC);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, false));
	EXPECT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	EXPECT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	EXPECT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, false));
	close(dmabuf);
}

TEST_F(mock, maps_dmabufs_until_they_are_revoked)
{
	const __u64 length = 4 * SMALL_PAGE;
	struct mock_device dev;
	__u64 iova = IOVA;
	int dmabuf, rc;
	char *va;

	dmabuf = mock_dmabuf(FD, length, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, dmabuf);
	va = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
#define MAP_DMABUF() \
	ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0, length, &iova)
	rc = MAP_DMABUF();
	if (rc == -ENOTTY)
		SKIP(return, "the kernel does not map files");
	ASSERT_EQ(0, rc);
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, length, va));

	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova, length, va));
	iova += MIB;
	EXPECT_EQ(-ENODEV, MAP_DMABUF());
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, false));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, length, va));
	EXPECT_EQ(0, MAP_DMABUF());
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, length, va));
}

/*
 * Anything, by several threads at once: what must hold is that the kernel does
 * not complain, and that nothing is left when the file is closed.
 */

#define NR_THREADS 3
#define NR_ROUNDS 6
#define NR_CALLS 400
#define NR_FILES 48

struct chaos {
	struct thread_call call;
	int iommufd;
	char *va;
	__u32 seed;
};

/* Mostly what makes sense somewhere, now and then what never does */
static __u64 random_value(struct chaos *chaos, __u32 *state)
{
	switch (random_next(state) % 8) {
	case 0:
		return UINT64_MAX - random_next(state) % 3 * MOCK_PAGE_SIZE;
	case 1:
		return (__u64)random_next(state) << 32 | random_next(state);
	case 2:
		return (uintptr_t)chaos->va + random_next(state) % LENGTH;
	case 3:
	case 4:
		return IOVA + random_next(state) % NR_PAGES * MOCK_PAGE_SIZE;
	case 5:
		return random_next(state) % (4 * NR_PAGES) * MOCK_PAGE_SIZE;
	default:
		return random_next(state) % 12;
	}
}

static void random_test_ioctl(struct chaos *chaos, __u32 *state)
{
	struct iommu_test_cmd cmd = {
		.op = random_next(state) % 25,
		.id = random_next(state) % 12,
	};
	__u64 *words = &cmd.add_reserved.start;
	unsigned int i;

	for (i = 0; i != 6; i++)
		words[i] = random_value(chaos, state);
	/* some must have a chance to work */
	if (cmd.op == IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS && random_next(state) % 2)
		cmd.mock_domain.dev_flags = MOCK_FLAGS_DEVICE_PASID;
	if (cmd.op == IOMMU_TEST_OP_CREATE_ACCESS && random_next(state) % 2)
		cmd.create_access.flags = NEEDS_PINS;
	if (cmd.op == IOMMU_TEST_OP_ACCESS_RW) {
		/* it may write here, and nowhere else */
		cmd.access_rw.uptr = (uintptr_t)chaos->va;
		cmd.access_rw.length %= LENGTH;
		cmd.access_rw.flags = random_next(state) % 2;
	}
	mock_ioctl(chaos->iommufd, &cmd);
}

static void random_call(struct chaos *chaos, __u32 *state)
{
	__u64 iova = IOVA + random_next(state) % NR_PAGES * MOCK_PAGE_SIZE;
	__u64 length = random_next(state) % 9 * MOCK_PAGE_SIZE;
	__u32 id = random_next(state) % 12;
	struct mock_device dev;

	switch (random_next(state) % 8) {
	case 0:
		iommufd_destroy(chaos->iommufd, id);
		break;
	case 1:
		ioas_unmap(chaos->iommufd, id, iova, length, NULL);
		break;
	case 2:
		ioas_map_at(chaos->iommufd, id, chaos->va, length, iova);
		break;
	case 3:
		mock_domain(chaos->iommufd, id, &dev);
		break;
	default:
		random_test_ioctl(chaos, state);
		break;
	}
}

static int cause_chaos(void *data)
{
	struct chaos *chaos = data;
	int i;

	for (i = 0; i != NR_CALLS; i++)
		random_call(chaos, &chaos->seed);
	return 0;
}

TEST_F_TIMEOUT(mock, leaves_nothing_whatever_is_called, 300)
{
	const struct rlimit limit = { NR_FILES, NR_FILES };
	struct chaos chaos[NR_THREADS];
	int round, i, iommufd;
	__u32 ioas;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (round = 0; round != NR_ROUNDS; round++) {
		iommufd = iommufd_open();
		ASSERT_LE(0, iommufd);
		for (i = 0; i != 3; i++)
			ASSERT_EQ(0, ioas_alloc(iommufd, &ioas));
		for (i = 0; i != NR_THREADS; i++) {
			chaos[i] = (struct chaos){
				.iommufd = iommufd,
				.va = VA,
				.seed = round * NR_THREADS + i + 1,
			};
			ASSERT_EQ(0, thread_call_start(&chaos[i].call,
						       cause_chaos, &chaos[i]));
		}
		for (i = 0; i != NR_THREADS; i++)
			ASSERT_EQ(0, thread_call_end(&chaos[i].call));
		/* accesses and dma-bufs, which have files of their own */
		for (i = iommufd; i != NR_FILES; i++)
			close(i);
		EXPECT_EQ(0, mock_devices());
		EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));
	}
	EXPECT_EQ(0, mock_memory_limit(FD, 0));
}

TEST_HARNESS_MAIN
