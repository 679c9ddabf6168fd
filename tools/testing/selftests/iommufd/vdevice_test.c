// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices with the number that a guest knows them by, on a vIOMMU of the
 * kernel's test device: that it tells which device an invalidation is for, and
 * goes with either of them.
 */
#include <stdint.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "test_support.h"
#include "threads.h"
#include "viommu_rig.h"

#define IOTLB IOMMU_TEST_IOTLB_DEFAULT
#define CACHE IOMMU_TEST_DEV_CACHE_DEFAULT
#define NR_WORDS MOCK_DEV_CACHE_NUM
#define VIRT_ID 0x1234

FIXTURE(vdevice)
{
	struct viommu_rig rig;
	__u32 id;
};

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define PARENT (self->rig.parent)
#define VIOMMU (self->rig.viommu)
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
	struct iommu_test_viommu_invalidate *entries =
		(void *)end_of_memory(2 * sizeof(*entries));
	__u32 count = 4;

	entries[0].vdev_id = VIRT_ID;
	entries[1].vdev_id = VIRT_ID;

	EXPECT_EQ(-EFAULT, invalidate(FD, VIOMMU, entries, &count));
	EXPECT_EQ(0, count);
	EXPECT_CACHE(DEV.idev, CACHE, CACHE, CACHE, CACHE);
}

/*
 * Failures
 */

TEST_F(vdevice, failures_leave_nothing_behind)
{
	__u32 first;

	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	first = next_id(FD);
	WITH_EACH_FAILURE(vdevice_alloc(FD, VIOMMU, DEV.idev, VIRT_ID,
					&VDEVICE),
			  next_id(FD) == first, iommufd_destroy(FD, VDEVICE),
			  -ENOENT);
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
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
			  (!mock_pasid_check(FD, stdev, 0, hwpt) &&
			   !mock_move(FD, &DEV, PARENT)),
			  mock_move(FD, &DEV, PARENT), -ENOENT);
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, iommufd_destroy(FD, VDEVICE));
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
}

TEST_F(vdevice, failures_of_invalidation_are_counted)
{
	const struct iommu_test_viommu_invalidate entries[] = {
		{ .vdev_id = VIRT_ID, .cache_id = 1 },
		{ .vdev_id = VIRT_ID, .cache_id = 2 },
	};
	struct own_errors own = OWN_ERRORS(-ENOENT);
	int fail_nth = fail_nth_open(), rc, nth;
	bool failed = true;
	__u32 count;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		count = 2;
		fail_nth_set(fail_nth, nth);
		rc = invalidate(FD, VIOMMU, entries, &count);
		failed = fail_nth_happened(fail_nth);
		ASSERT_TRUE(!rc || (failed && is_injected_failure(rc, &own)))
			TH_LOG("failure %d: %d", nth, rc);
		/* Before it begins it says that all is done, if it can. */
		if (rc == -EFAULT && count == 2)
			count = 0;
		EXPECT_TRUE(rc ? count < 2 : count == 2)
			TH_LOG("failure %d: %d", nth, rc);
		EXPECT_CACHE(DEV.idev, CACHE, count > 0 ? 0 : CACHE,
			     count > 1 ? 0 : CACHE, CACHE);
		/* the next device has everything in its cache */
		ASSERT_EQ(0, mock_destroy(FD, &DEV));
		ASSERT_EQ(0, mock_domain(FD, IOAS, &DEV));
		ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, DEV.idev, VIRT_ID,
					   &VDEVICE));
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(2, nth);
	EXPECT_EQ(0, own_error_missed(&own));
	close(fail_nth);
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

#define RACES affordable(200)

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
