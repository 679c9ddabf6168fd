// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: its ioctl and its devices, what they promise to those who
 * test with them, and each of their errors.
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include <sys/resource.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "mock_fixture.h"
#include "test_support.h"
#include "threads.h"

#define DEVICES "/sys/bus/iommufd_mock/devices"

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
		cmd.create_access.flags =
			MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES;
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
