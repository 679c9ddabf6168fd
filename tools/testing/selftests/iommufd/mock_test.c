// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: its ioctl and its devices, what they promise to those who
 * test with them, and each of their errors.
 *
 *   SEED=n   of calls that are made at random
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
	const __u32 ops[] = { 0, 24, 63, 67, 1 << 20, UINT32_MAX };
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
 * Anything, by several threads at once: the kernel does not complain, each call
 * works or fails in one of the ways that it may, and nothing is left when the
 * file is closed.
 */

#define NR_THREADS 3
#define NR_ROUNDS 6
/* until each kind of call has worked so often as it should */
#define MAX_ROUNDS 20
#define NR_CALLS 400
#define NR_FILES 48
#define PINS MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES

enum {
	CALL_DESTROY = 1 << 16,
	CALL_UNMAP,
	CALL_MAP,
};

/*
 * Any ID may be that of something else or of nothing, any range may be bad, and
 * any call may lose against those of other threads. Some can hardly work with
 * numbers that mean nothing.
 */
static const struct call_kind {
	__u32 op;
	const char *name;
	unsigned long least;	/* so often it has to work */
	int errors[8];
} kinds[] = {
	{ CALL_DESTROY, "destroy", 20, { ENOENT, EBUSY } },
	{ CALL_UNMAP, "unmap", 1, { ENOENT, EBUSY, EINVAL } },
	{ CALL_MAP, "map", 5, { ENOENT, EEXIST, EINVAL } },
	{ 0, "no operation", 0, { EOPNOTSUPP } },
	{ IOMMU_TEST_OP_ADD_RESERVED, "add reserved", 1,
	  { ENOENT, EINVAL, EOVERFLOW, EADDRINUSE } },
	{ IOMMU_TEST_OP_MOCK_DOMAIN, "domain", 20, { ENOENT, EINVAL } },
	{ IOMMU_TEST_OP_MD_CHECK_MAP, "check map", 0,
	  { ENOENT, EINVAL, EFAULT } },
	{ IOMMU_TEST_OP_MD_CHECK_REFS, "check refs", 1,
	  { EINVAL, EFAULT, EIO } },
	{ IOMMU_TEST_OP_CREATE_ACCESS, "create access", 1,
	  { ENOENT, EOPNOTSUPP, EADDRINUSE, EMFILE } },
	{ IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, "unpin", 1, { ENOENT, EBADFD } },
	{ IOMMU_TEST_OP_ACCESS_PAGES, "pin", 2,
	  { ENOENT, EBADFD, EOPNOTSUPP, EINVAL, EOVERFLOW, ENOMEM, EBADE } },
	{ IOMMU_TEST_OP_ACCESS_RW, "copy", 2,
	  { ENOENT, EBADFD, EINVAL, EOVERFLOW } },
	{ IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT, "memory limit", 20, { EINVAL } },
	{ IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, "replace", 1, { ENOENT, EINVAL } },
	{ IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, "replace of an access", 2,
	  { ENOENT, EBADFD, EADDRINUSE, EBUSY } },
	{ IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, "domain with flags", 1,
	  { ENOENT, EINVAL } },
	/* none tracks anything */
	{ IOMMU_TEST_OP_DIRTY, "dirty", 0, { ENOENT, EINVAL, EOVERFLOW } },
	{ IOMMU_TEST_OP_MD_CHECK_IOTLB, "check IOTLB", 0, { ENOENT } },
	{ IOMMU_TEST_OP_TRIGGER_IOPF, "request a page", 1, { ENOENT } },
	{ IOMMU_TEST_OP_DEV_CHECK_CACHE, "check cache", 0, { ENOENT, EINVAL } },
	{ IOMMU_TEST_OP_TRIGGER_VEVENT, "event", 0, { ENOENT } },
	{ IOMMU_TEST_OP_PASID_ATTACH, "attach", 0,
	  { ENOENT, EINVAL, EBUSY, EOPNOTSUPP } },
	{ IOMMU_TEST_OP_PASID_REPLACE, "replace of a PASID", 1,
	  { ENOENT, EINVAL, EOPNOTSUPP } },
	{ IOMMU_TEST_OP_PASID_DETACH, "detach", 5, { ENOENT } },
	{ IOMMU_TEST_OP_PASID_CHECK_HWPT, "check PASID", 1,
	  { ENOENT, EINVAL } },
	/* Its pages follow one another, and that many may not be free. */
	{ IOMMU_TEST_OP_DMABUF_GET, "dma-buf", 5, { EINVAL, EMFILE, ENOMEM } },
	{ IOMMU_TEST_OP_DMABUF_REVOKE, "revoke", 1, { EINVAL, EBADF } },
	{ IOMMU_TEST_OP_DMABUF_REVOKE + 1, "unknown operation", 0,
	  { EOPNOTSUPP } },
	{ IOMMU_TEST_OP_STOP_DMA, "stop DMA", 1, { ENOENT } },
	{ IOMMU_TEST_OP_MD_CHECK_HOLE, "check hole", 1,
	  { ENOENT, EINVAL, EOVERFLOW, EEXIST } },
	{ IOMMU_TEST_OP_CHECK_PINS, "check pins", 1, { EINVAL, EFAULT, EIO } },
};

#define NR_KINDS ARRAY_SIZE(kinds)
/* Calls of a thread that work */
#define THREAD_LEAST 100

struct chaos {
	struct thread_call call;
	int iommufd;
	__u32 ioas;		/* with some memory, and an access to it */
	int access;
	char *va;
	__u32 random;
	struct goal *goals;	/* of the kinds, for all threads */
	struct goal *own;
	const struct call_kind *culprit;
};

/* Mostly what makes sense somewhere, now and then what never does */
static __u64 random_value(struct chaos *chaos)
{
	__u32 *state = &chaos->random;

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

/* Where something is mapped, by the access of that IOAS or the next one */
static void help_access_ioctl(struct chaos *chaos, struct iommu_test_cmd *cmd)
{
	__u64 iova = IOVA + random_next(&chaos->random) % 4 * MOCK_PAGE_SIZE;

	cmd->id = chaos->access + random_next(&chaos->random) % 2;
	switch (cmd->op) {
	case IOMMU_TEST_OP_ACCESS_PAGES:
		cmd->access_pages.flags = MOCK_FLAGS_ACCESS_WRITE;
		cmd->access_pages.iova = iova;
		cmd->access_pages.length = MOCK_PAGE_SIZE;
		cmd->access_pages.uptr = 0;
		break;
	case IOMMU_TEST_OP_DESTROY_ACCESS_PAGES:
		cmd->destroy_access_pages.access_pages_id = 0;
		break;
	case IOMMU_TEST_OP_ACCESS_RW:
		cmd->access_rw.iova = iova;
		cmd->access_rw.length = 1;
		break;
	case IOMMU_TEST_OP_ACCESS_REPLACE_IOAS:
		cmd->access_replace_ioas.ioas_id = chaos->ioas;
		break;
	}
}

/* Without a PASID: automatic page tables have none. */
static void help_device_ioctl(const struct chaos *chaos,
			      struct iommu_test_cmd *cmd)
{
	switch (cmd->op) {
	case IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS:
		cmd->mock_domain.dev_flags = MOCK_FLAGS_DEVICE_PASID;
		break;
	case IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE:
		cmd->mock_domain_replace.pt_id = chaos->ioas;
		break;
	case IOMMU_TEST_OP_PASID_ATTACH:
	case IOMMU_TEST_OP_PASID_REPLACE:
		cmd->pasid_attach.pasid = 0;
		cmd->pasid_attach.pt_id = chaos->ioas;
		break;
	case IOMMU_TEST_OP_TRIGGER_IOPF:
	case IOMMU_TEST_OP_STOP_DMA:
		cmd->trigger_iopf.dev_id = cmd->id;
		break;
	case IOMMU_TEST_OP_CREATE_ACCESS:
		cmd->create_access.flags = PINS;
		break;
	case IOMMU_TEST_OP_MD_CHECK_HOLE:
		cmd->check_map.iova = IOVA + MIB;
		cmd->check_map.length = MOCK_PAGE_SIZE;
		cmd->check_map.uptr = 0;
		break;
	case IOMMU_TEST_OP_MD_CHECK_REFS:
	case IOMMU_TEST_OP_CHECK_PINS:
		/* what is never mapped */
		cmd->check_refs.uptr = (uintptr_t)chaos->va + LENGTH -
				       SMALL_PAGE;
		cmd->check_refs.length = SMALL_PAGE;
		cmd->check_refs.refs = 0;
		break;
	}
}

static bool is_of_access(__u32 op)
{
	return op == IOMMU_TEST_OP_ACCESS_PAGES ||
	       op == IOMMU_TEST_OP_DESTROY_ACCESS_PAGES ||
	       op == IOMMU_TEST_OP_ACCESS_RW ||
	       op == IOMMU_TEST_OP_ACCESS_REPLACE_IOAS;
}

static int random_test_ioctl(struct chaos *chaos, __u32 op)
{
	struct iommu_test_cmd cmd = {
		.op = op,
		.id = random_next(&chaos->random) % 12,
	};
	__u64 *words = &cmd.add_reserved.start;
	unsigned int i;

	for (i = 0; i != 6; i++)
		words[i] = random_value(chaos);
	/* some must have a chance to work */
	if (random_next(&chaos->random) % 2) {
		if (is_of_access(op))
			help_access_ioctl(chaos, &cmd);
		else
			help_device_ioctl(chaos, &cmd);
	}
	if (cmd.op == IOMMU_TEST_OP_ACCESS_RW) {
		/* it may write here, and nowhere else */
		cmd.access_rw.uptr = (uintptr_t)chaos->va;
		cmd.access_rw.length %= LENGTH;
		cmd.access_rw.flags = random_next(&chaos->random) % 2;
	}
	return mock_ioctl(chaos->iommufd, &cmd);
}

static int random_call(struct chaos *chaos, __u32 op)
{
	__u32 *state = &chaos->random;
	__u64 iova = IOVA + random_next(state) % NR_PAGES * MOCK_PAGE_SIZE;
	__u64 length = random_next(state) % 9 * MOCK_PAGE_SIZE;
	__u32 id = random_next(state) % 12;
	struct mock_device dev;

	switch (op) {
	case CALL_DESTROY:
		return iommufd_destroy(chaos->iommufd, id);
	case CALL_UNMAP:
		return ioas_unmap(chaos->iommufd, id, iova, length, NULL);
	case CALL_MAP:
		return ioas_map_at(chaos->iommufd, id, chaos->va, length, iova);
	case IOMMU_TEST_OP_MOCK_DOMAIN:
		return mock_domain(chaos->iommufd, id, &dev);
	default:
		return random_test_ioctl(chaos, op);
	}
}

/* Half of the calls are of those kinds without which the others do nothing. */
static const struct call_kind *some_kind(__u32 *random)
{
	static const __u32 often[] = {
		CALL_DESTROY, CALL_UNMAP, CALL_MAP, IOMMU_TEST_OP_MOCK_DOMAIN,
	};
	__u32 which = random_next(random) % (2 * ARRAY_SIZE(often));
	const struct call_kind *kind;

	if (which >= ARRAY_SIZE(often))
		return &kinds[random_next(random) % NR_KINDS];
	for (kind = kinds; kind->op != often[which]; kind++)
		;
	return kind;
}

static bool may_give(const struct call_kind *kind, int rc)
{
	size_t i;

	for (i = 0; i != ARRAY_SIZE(kind->errors) && kind->errors[i]; i++)
		if (rc == -kind->errors[i])
			return true;
	return false;
}

static int cause_chaos(void *data)
{
	struct chaos *chaos = data;
	int i, rc;

	for (i = 0; i != NR_CALLS; i++) {
		const struct call_kind *kind = some_kind(&chaos->random);

		rc = random_call(chaos, kind->op);
		if (rc >= 0) {
			goal_count(&chaos->goals[kind - kinds]);
			goal_count(chaos->own);
		} else if (!may_give(kind, rc)) {
			chaos->culprit = kind;
			return rc;
		}
	}
	return 0;
}

/* Three IOASes, of which the first has an access and four pages mapped */
static int chaos_open(struct chaos *model)
{
	int fd = iommufd_open();
	__u32 others[2];

	if (fd < 0)
		return fd;
	model->iommufd = fd;
	model->access =
		ioas_alloc(fd, &model->ioas) ?:
		ioas_alloc(fd, &others[0]) ?: ioas_alloc(fd, &others[1]) ?:
		ioas_map_at(fd, model->ioas, model->va, 4 * SMALL_PAGE, IOVA) ?:
		mock_access(fd, model->ioas, PINS);
	return model->access < 0 ? model->access : 0;
}

/* In a file that is closed then, with those of accesses and dma-bufs */
static void chaos_round(struct __test_metadata *_metadata, char *va, __u32 seed,
			struct goal *goals)
{
	struct chaos model = { .va = va, .goals = goals };
	struct chaos chaos[NR_THREADS];
	int i;

	ASSERT_EQ(0, chaos_open(&model));
	for (i = 0; i != NR_THREADS; i++) {
		chaos[i] = model;
		chaos[i].random = seed_of_part(seed, i);
		chaos[i].own = &goals[NR_KINDS + i];
		ASSERT_EQ(0, thread_call_start(&chaos[i].call, cause_chaos,
					       &chaos[i]));
	}
	for (i = 0; i != NR_THREADS; i++) {
		EXPECT_EQ(0, thread_call_end(&chaos[i].call))
			TH_LOG("%s", chaos[i].culprit->name);
	}
	for (i = model.iommufd; i != NR_FILES; i++)
		close(i);
}

static void set_chaos_goals(struct goal *goals)
{
	size_t i;

	for (i = 0; i != NR_KINDS; i++)
		goals[i] = (struct goal){ kinds[i].name, kinds[i].least };
	for (i = 0; i != NR_THREADS; i++)
		goals[NR_KINDS + i] = (struct goal){
			"of a thread", THREAD_LEAST,
		};
}

TEST_F_TIMEOUT(mock, leaves_nothing_whatever_is_called, 300)
{
	const struct rlimit limit = { NR_FILES, NR_FILES };
	struct goal goals[NR_KINDS + NR_THREADS];
	const struct goal *missed = goals;
	const __u32 seed = chosen_seed(1);
	size_t i;
	int round;

	TH_LOG("SEED=%u", seed);
	set_chaos_goals(goals);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (round = 0; round < NR_ROUNDS || (missed && round < MAX_ROUNDS);
	     round++) {
		chaos_round(_metadata, VA, seed_of_part(seed, round), goals);
		EXPECT_EQ(0, mock_devices());
		EXPECT_EQ(0, mock_check_pins(FD, VA, LENGTH, 0));
		missed = goal_missed(goals, ARRAY_SIZE(goals));
	}
	for (i = 0; i != ARRAY_SIZE(goals); i++)
		TH_LOG("%-20s %6lu", goals[i].what, goals[i].times);
	TH_LOG("%d rounds", round);
	EXPECT_EQ(NULL, missed)
		TH_LOG("too few: %s", missed->what);
	EXPECT_EQ(0, mock_memory_limit(FD, 0));
}

TEST_HARNESS_MAIN
