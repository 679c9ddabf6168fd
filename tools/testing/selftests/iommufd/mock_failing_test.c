// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call with each of its points failing in turn, with the test device: the
 * call fails and leaves everything as it was, and works the next time.
 */
#include <fcntl.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "counters.h"
#include "fail_nth.h"
#include "mock_rig.h"
#include "test_support.h"

#define LENGTH (64 * SMALL_PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)

#define MAX_TRIES 2000
#define TIMEOUT 300

#define DEBUGFS "/sys/kernel/debug/"

FIXTURE(failing)
{
	struct mock_rig rig;
	struct memory_rig mem;	/* LENGTH */
	__u32 second;		/* another page table of the IOAS, or 0 */
	int fail_nth;
};

/*
 * What fails in the second page table is in the first one already, and what
 * fails there has a second one to be undone in, too.
 */
FIXTURE_VARIANT(failing)
{
	bool two_tables;
};

FIXTURE_VARIANT_ADD(failing, one_page_table) { .two_tables = false };
FIXTURE_VARIANT_ADD(failing, two_page_tables) { .two_tables = true };

#define FAILING FIXTURE_DATA(failing)
#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define VA (self->mem.va)

FIXTURE_SETUP(failing)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL_RANDOM, LENGTH));
	if (variant->two_tables)
		ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &self->second));
	self->fail_nth = fail_nth_open();
	if (self->fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	ASSERT_EQ(0, file_write(DEBUGFS "fail_iommufd/verbose", "0"));
}

FIXTURE_TEARDOWN(failing)
{
	EXPECT_EQ(0, mock_join_group(false));
	EXPECT_EQ(0, mock_rig_break(&self->rig));
	EXPECT_EQ(0, mock_devices());
}

/* What a call that has failed must have left as it was */
struct state {
	long pinned;
	__u32 next_id;
	int next_fd;
	int nr_devices;
	__u32 nr_ranges;
	__u64 first;
	__u64 alignment;
	long nr_translated;
};

static bool is_in(FAILING *self, __u32 hwpt, __u64 iova)
{
	return !mock_check_map(FD, hwpt, iova, LENGTH, VA);
}

static bool is_in_all(FAILING *self, __u64 iova)
{
	return is_in(self, DEV.hwpt, iova) &&
	       (!self->second || is_in(self, self->second, iova));
}

/* Of so many pages, in a row or @apart, how many are where the map would be? */
static int count_in(FAILING *self, __u32 hwpt, __u64 iova, size_t apart)
{
	size_t at;
	int nr = 0;

	for (at = 0; at < LENGTH; at += apart)
		if (!mock_check_map(FD, hwpt, iova + at, SMALL_PAGE, VA + at))
			nr++;
	return nr;
}

/* Not even a part of it */
static bool is_nothing_in_any(FAILING *self, __u64 iova)
{
	return !count_in(self, DEV.hwpt, iova, SMALL_PAGE) &&
	       (!self->second ||
		!count_in(self, self->second, iova, SMALL_PAGE));
}

static struct state current_state(FAILING *self)
{
	struct iommu_iova_range range = {};
	struct state state = {};

	state.nr_ranges = 1;
	ioas_iova_ranges(FD, IOAS, &range, &state.nr_ranges,
			 &state.alignment);
	state.first = range.start;
	state.pinned = vm_pinned();
	state.nr_devices = mock_devices();
	state.next_fd = next_fd();
	state.next_id = next_id(FD);
	/* some of each step */
	state.nr_translated = count_in(self, DEV.hwpt, IOVA, LENGTH / 8);
	if (self->second)
		state.nr_translated += count_in(self, self->second, IOVA,
						LENGTH / 8);
	return state;
}

/* A call and what undoes it; either may be repeated. */
struct call {
	const char *name;
	int (*run)(FAILING *self);
	int (*undo)(FAILING *self);
	int error;		/* must be among its failures, if not 0 */
	struct own_errors own;
};

static __u32 filled_ioas;	/* at IOVA, without page tables */
static __u32 new_id;
static int new_fd;
static struct mock_device new_dev;

static int nothing_to_undo(FAILING *self)
{
	return 0;
}

static int run_ioas_alloc(FAILING *self)
{
	return ioas_alloc(FD, &new_id);
}

static int undo_id(FAILING *self)
{
	return iommufd_destroy(FD, new_id);
}

static int run_map(FAILING *self)
{
	return ioas_map_at(FD, IOAS, VA, LENGTH, IOVA);
}

static int undo_map(FAILING *self)
{
	if (!is_in_all(self, IOVA))
		return -EINVAL;
	return ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL);
}

static int run_map_with_little_memory(FAILING *self)
{
	int rc = mock_memory_limit(FD, 256);

	return rc ? rc : run_map(self);
}

static int undo_map_with_little_memory(FAILING *self)
{
	mock_memory_limit(FD, 0);
	return undo_map(self);
}

static int run_copy(FAILING *self)
{
	__u64 iova = IOVA;

	return ioas_copy(FD, MAP_RW | MAP_AT, IOAS, filled_ioas, IOVA, LENGTH,
			 &iova);
}

static int run_iova_ranges(FAILING *self)
{
	struct iommu_iova_range range;
	__u32 count = 1;

	return ioas_iova_ranges(FD, IOAS, &range, &count, NULL);
}

static int run_allow(FAILING *self)
{
	const struct iommu_iova_range ranges[] = {
		{ IOVA, IOVA + MIB },
		{ IOVA + 4 * MIB, IOVA + 5 * MIB },
	};

	return ioas_allow_iovas(FD, IOAS, ranges,
				ARRAY_SIZE(ranges));
}

static int undo_allow(FAILING *self)
{
	return ioas_allow_iovas(FD, IOAS, NULL, 0);
}

static int run_option_get(FAILING *self)
{
	__u64 value;

	return iommufd_option_get(FD, IOMMU_OPTION_HUGE_PAGES,
				  IOAS, &value);
}

static int run_option_set(FAILING *self)
{
	return iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES,
				  IOAS, 1);
}

static int run_vfio_ioas(FAILING *self)
{
	return vfio_ioas(FD, IOMMU_VFIO_IOAS_SET, &IOAS);
}

static int undo_vfio_ioas(FAILING *self)
{
	return vfio_ioas(FD, IOMMU_VFIO_IOAS_CLEAR, &IOAS);
}

static int run_mock_domain(FAILING *self)
{
	return mock_domain(FD, IOAS, &new_dev);
}

static int run_mock_domain_of_pt(FAILING *self)
{
	return mock_domain_flags(FD, DEV.hwpt,
				 MOCK_FLAGS_DEVICE_PASID, &new_dev);
}

static int undo_device(FAILING *self)
{
	return mock_destroy(FD, &new_dev);
}

/* A page table of its own is made and filled. */
static int run_mock_domain_of_new_pt(FAILING *self)
{
	return mock_domain(FD, filled_ioas, &new_dev);
}

static int run_replace(FAILING *self)
{
	__u32 pt = IOAS;

	return mock_domain_replace(FD, DEV.stdev, &pt);
}

static int run_hwpt_alloc(FAILING *self)
{
	return hwpt_alloc(FD, DEV.idev, filled_ioas, 0, &new_id);
}

/* The two devices of a group are where the first one was. */
static int undo_joined(FAILING *self)
{
	if (new_dev.hwpt != DEV.hwpt ||
	    mock_pasid_check(FD, DEV.stdev, 0, DEV.hwpt) ||
	    mock_pasid_check(FD, new_dev.stdev, 0, DEV.hwpt))
		return -EINVAL;
	return mock_destroy(FD, &new_dev);
}

static int run_check_map(FAILING *self)
{
	return mock_check_map(FD, DEV.hwpt, IOVA, 0, VA);
}

static int run_check_refs(FAILING *self)
{
	return mock_check_refs(FD, VA, LENGTH, 0);
}

static int run_check_cache(FAILING *self)
{
	return mock_check_cache(FD, DEV.idev, 0,
				IOMMU_TEST_DEV_CACHE_DEFAULT);
}

static int run_iopf(FAILING *self)
{
	return mock_trigger_iopf(FD, DEV.idev, 0, 0, 0, 0);
}

static int run_pasid_check(FAILING *self)
{
	return mock_pasid_check(FD, DEV.stdev, 0, DEV.hwpt);
}

static int run_dmabuf(FAILING *self)
{
	new_fd = mock_dmabuf(FD, 3 * SMALL_PAGE, O_CLOEXEC);
	return new_fd < 0 ? new_fd : 0;
}

static int undo_fd(FAILING *self)
{
	return close(new_fd);
}

static const struct call calls[] = {
	{ "IOAS_ALLOC", run_ioas_alloc, undo_id, -ENOMEM, OWN_ERRORS() },
	{ "IOAS_MAP", run_map, undo_map, -ENOENT, OWN_ERRORS(-ENOENT) },
	{ "IOAS_MAP, little memory", run_map_with_little_memory,
	  undo_map_with_little_memory, -ENOENT, OWN_ERRORS(-ENOENT) },
	{ "IOAS_COPY", run_copy, undo_map, -ENOMEM, OWN_ERRORS(-ENOENT) },
	{ "IOAS_IOVA_RANGES", run_iova_ranges, nothing_to_undo, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	{ "IOAS_ALLOW_IOVAS", run_allow, undo_allow, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	{ "OPTION get", run_option_get, nothing_to_undo, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	{ "OPTION set", run_option_set, nothing_to_undo, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	{ "VFIO_IOAS", run_vfio_ioas, undo_vfio_ioas, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	{ "MOCK_DOMAIN", run_mock_domain, undo_device, -ENOMEM,
	  OWN_ERRORS(-ENOENT, -EINVAL) },
	{ "MOCK_DOMAIN of a page table", run_mock_domain_of_pt, undo_device,
	  -ENOMEM, OWN_ERRORS(-ENOENT, -EINVAL) },
	{ "MOCK_DOMAIN, a new page table", run_mock_domain_of_new_pt,
	  undo_device, -ENOMEM, OWN_ERRORS(-ENOENT, -EINVAL) },
	{ "MOCK_DOMAIN_REPLACE", run_replace, nothing_to_undo, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	/* Here -EINVAL is of an IOAS that is not found. */
	{ "HWPT_ALLOC", run_hwpt_alloc, undo_id, -ENOMEM,
	  OWN_ERRORS(-ENOENT, -EINVAL) },
	{ "MD_CHECK_MAP", run_check_map, nothing_to_undo, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	{ "MD_CHECK_REFS", run_check_refs, nothing_to_undo, 0, OWN_ERRORS() },
	{ "DEV_CHECK_CACHE", run_check_cache, nothing_to_undo, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	{ "TRIGGER_IOPF", run_iopf, nothing_to_undo, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	{ "PASID_CHECK_HWPT", run_pasid_check, nothing_to_undo, -ENOENT,
	  OWN_ERRORS(-ENOENT) },
	{ "DMABUF_GET", run_dmabuf, undo_fd, -ENOMEM, OWN_ERRORS() },
};

static bool states_are_same(const struct state *a, const struct state *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void fail_everywhere(struct __test_metadata *_metadata, FAILING *self,
			    const struct call *call)
{
	struct own_errors own = call->own;
	int nth = 0, nr_failures = 0, rc;
	bool failed = true, seen = !call->error;
	struct state before, after;

	/* once without, so that what is made only once is there */
	ASSERT_EQ(0, call->run(self)) TH_LOG("%s", call->name);
	ASSERT_EQ(0, call->undo(self)) TH_LOG("%s", call->name);
	while (failed && ++nth < MAX_TRIES) {
		before = current_state(self);
		fail_nth_set(self->fail_nth, nth);
		rc = call->run(self);
		failed = fail_nth_happened(self->fail_nth);
		if (rc) {
			ASSERT_TRUE(failed && is_injected_failure(rc, &own))
				TH_LOG("%s, %d: %d", call->name, nth, rc);
			nr_failures++;
			seen |= rc == call->error;
			after = current_state(self);
			EXPECT_TRUE(states_are_same(&before, &after))
				TH_LOG("%s, %d: %d", call->name, nth, rc);
			ASSERT_EQ(0, call->run(self))
				TH_LOG("%s, %d", call->name, nth);
		}
		ASSERT_EQ(0, call->undo(self))
			TH_LOG("%s, %d", call->name, nth);
	}
	EXPECT_FALSE(failed);
	EXPECT_TRUE(seen) TH_LOG("%s", call->name);
	TH_LOG("%s: %d of %d failures are errors", call->name, nr_failures,
	       nth - 1);
}

TEST_F_TIMEOUT(failing, calls_unwind_and_work_the_next_time, TIMEOUT)
{
	const struct call *call;

	ASSERT_EQ(0, ioas_alloc(FD, &filled_ioas));
	ASSERT_EQ(0, ioas_map_at(FD, filled_ioas, VA, LENGTH,
				 IOVA));
	for (call = calls; call != calls + ARRAY_SIZE(calls); call++)
		fail_everywhere(_metadata, self, call);
}

TEST_F_TIMEOUT(failing, device_joins_a_group_that_is_attached_or_does_not,
	       TIMEOUT)
{
	const struct call call = {
		"MOCK_DOMAIN that joins another", run_mock_domain, undo_joined,
		-ENOMEM, OWN_ERRORS(-ENOENT, -EINVAL),
	};

	ASSERT_EQ(0, run_map(self));
	ASSERT_EQ(0, mock_join_group(true));
	fail_everywhere(_metadata, self, &call);
	ASSERT_EQ(0, mock_join_group(false));
	EXPECT_EQ(0, undo_map(self));
}

/*
 * What the kernel allocates now and then for itself moves the others: each
 * failure is tried several times, so that none is left out.
 */
#define TRIES_EACH 3

/* A table of a page table; a map in the middle of two needs both. */
#define TABLE_SPAN (512 * (__u64)MOCK_PAGE_SIZE)
#define BORDER_IOVA (IOVA + TABLE_SPAN - LENGTH / 2)

struct whole {
	int (*map)(FAILING *self, __u64 iova);
	__u64 iova;		/* where no page table has these tables yet */
	int nr_failures;
	int nr_late;		/* with something in a page table already */
	struct own_errors own;
};

static int map_at(FAILING *self, __u64 iova)
{
	return ioas_map_at(FD, IOAS, VA, LENGTH, iova);
}

static int copy_at(FAILING *self, __u64 iova)
{
	return ioas_copy_at(FD, IOAS, filled_ioas, IOVA, LENGTH, iova);
}

/* Has the first page table all that it needs, or half of it, if it is alone? */
static bool is_late(FAILING *self, long tables)
{
	return tables >= (self->second ? 2 : 1) * (long)SMALL_PAGE;
}

/* Returns whether the nth point was there to fail. */
static bool fails_as_a_whole(struct __test_metadata *_metadata, FAILING *self,
			     struct whole *whole, int nth)
{
	long tables = iommu_table_bytes();
	bool failed;
	int rc;

	ASSERT_GT(MOCK_APERTURE_LAST, whole->iova + LENGTH);
	fail_nth_set(self->fail_nth, nth);
	rc = whole->map(self, whole->iova);
	failed = fail_nth_happened(self->fail_nth);
	if (rc) {
		ASSERT_TRUE(failed && is_injected_failure(rc, &whole->own))
			TH_LOG("%d: %d", nth, rc);
		whole->nr_failures++;
		whole->nr_late += is_late(self, iommu_table_bytes() - tables);
		EXPECT_EQ(0, vm_pinned());
		EXPECT_TRUE(is_nothing_in_any(self, whole->iova))
			TH_LOG("%d: %d", nth, rc);
	} else {
		EXPECT_TRUE(is_in_all(self, whole->iova));
		ASSERT_EQ(0, ioas_unmap(FD, IOAS, whole->iova, LENGTH, NULL));
	}
	whole->iova += 2 * TABLE_SPAN;
	return failed;
}

static void fail_as_a_whole(struct __test_metadata *_metadata, FAILING *self,
			    struct whole *whole)
{
	bool failed = true;
	int nth, i;

	whole->nr_failures = 0;
	whole->nr_late = 0;
	whole->own = OWN_ERRORS(-ENOENT);
	for (nth = 1; failed && nth < MAX_TRIES; nth++)
		for (failed = false, i = 0; i != TRIES_EACH; i++)
			failed |= fails_as_a_whole(_metadata, self, whole, nth);
	EXPECT_FALSE(failed);
	EXPECT_EQ(0, own_error_missed(&whole->own));
	EXPECT_LT(0, whole->nr_failures);
	EXPECT_LT(0, whole->nr_late);
	TH_LOG("%d failures of %d points are errors, %d late",
	       whole->nr_failures, nth - 1, whole->nr_late);
}

/* At once, and in batches that fill half of a table each */
static void fail_in_any_batch(struct __test_metadata *_metadata, FAILING *self,
			      int (*map)(FAILING *self, __u64 iova))
{
	struct whole whole = { .map = map, .iova = BORDER_IOVA };

	/* The tables above these stay. */
	fails_as_a_whole(_metadata, self, &whole, 0);
	fail_as_a_whole(_metadata, self, &whole);
	ASSERT_EQ(0, mock_memory_limit(FD, 256));
	fail_as_a_whole(_metadata, self, &whole);
	ASSERT_EQ(0, mock_memory_limit(FD, 0));
}

TEST_F_TIMEOUT(failing, map_is_in_all_page_tables_or_in_none, TIMEOUT)
{
	fail_in_any_batch(_metadata, self, map_at);
}

TEST_F_TIMEOUT(failing, copy_of_two_maps_is_in_all_page_tables_or_in_none,
	       TIMEOUT)
{
	ASSERT_EQ(0, ioas_alloc(FD, &filled_ioas));
	ASSERT_EQ(0, ioas_map_at(FD, filled_ioas, VA, LENGTH / 2, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, filled_ioas, VA + LENGTH / 2, LENGTH / 2,
				 IOVA + LENGTH / 2));
	fail_in_any_batch(_metadata, self, copy_at);
}

/* Also when it is the result that cannot be told */
TEST_F_TIMEOUT(failing, unmap_is_done_or_not_begun, TIMEOUT)
{
	bool failed = true;
	int rc, nth;

	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		ASSERT_EQ(0, run_map(self));
		fail_nth_set(self->fail_nth, nth);
		rc = ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL);
		failed = fail_nth_happened(self->fail_nth);
		EXPECT_TRUE(!rc ||
			    (failed && is_injected_failure_without_memory(rc)))
			TH_LOG("%d: %d", nth, rc);
		EXPECT_TRUE(rc ? is_in_all(self, IOVA) :
				 is_nothing_in_any(self, IOVA))
			TH_LOG("%d: %d", nth, rc);
		EXPECT_EQ(rc ? 0 : -ENOENT,
			  ioas_unmap(FD, IOAS, IOVA, LENGTH,
				     NULL))
			TH_LOG("%d: %d", nth, rc);
		EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));
	}
	EXPECT_FALSE(failed);
}

TEST_F_TIMEOUT(failing, devices_go_without_memory, TIMEOUT)
{
	bool failed = true;
	int rc, nth;

	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		ASSERT_EQ(0, run_map(self));
		ASSERT_EQ(0, mock_domain(FD, IOAS, &new_dev));
		fail_nth_set(self->fail_nth, nth);
		rc = mock_destroy(FD, &new_dev);
		failed = fail_nth_happened(self->fail_nth);
		EXPECT_TRUE(!rc || (failed && rc == -EFAULT))
			TH_LOG("%d: %d", nth, rc);
		if (rc)
			ASSERT_EQ(0, mock_destroy(FD, &new_dev));
		ASSERT_EQ(1, mock_devices());
		ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	}
	EXPECT_FALSE(failed);
}

/* Our own points, from this one on (the first is 1), as often as that. */
static int fail_points(const char *first, const char *times)
{
	int rc;

	rc = file_write("/proc/thread-self/make-it-fail", "1");
	if (!rc)
		rc = file_write(DEBUGFS "fail_iommufd/task-filter", "Y");
	if (!rc)
		rc = file_write(DEBUGFS "fail_iommufd/space", first);
	if (!rc)
		rc = file_write(DEBUGFS "fail_iommufd/times", times);
	return rc ? rc : file_write(DEBUGFS "fail_iommufd/probability", "100");
}

static int fail_no_points(void)
{
	file_write(DEBUGFS "fail_iommufd/task-filter", "N");
	return file_write(DEBUGFS "fail_iommufd/probability", "0");
}

TEST_F(failing, objects_are_not_found_when_told_so)
{
	ASSERT_EQ(0, fail_points("0", "2"));
	EXPECT_EQ(-ENOENT, run_iova_ranges(self));
	EXPECT_EQ(-ENOENT, run_map(self));
	EXPECT_EQ(0, run_map(self));
	EXPECT_EQ(0, undo_map(self));
	EXPECT_EQ(0, fail_no_points());
}

/*
 * First come the ID of the device as a test object, its group, and its ID as a
 * device; then the page table is found, and the device listed.
 */
TEST_F(failing, devices_have_neither_ids_nor_a_group_when_told_so)
{
	const char *const points[] = { "1", "2", "3" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		ASSERT_EQ(0, fail_points(points[i], "1"));
		EXPECT_EQ(-ENOMEM, run_mock_domain_of_pt(self));
		EXPECT_EQ(0, fail_no_points());
		EXPECT_EQ(1, mock_devices());
	}
	EXPECT_EQ(0, run_mock_domain_of_pt(self));
	EXPECT_EQ(0, undo_device(self));
}

/* The same */
TEST_F(failing, regions_are_not_reserved_when_told_so)
{
	ASSERT_EQ(0, fail_points("6", "1"));
	EXPECT_EQ(-EINVAL, run_mock_domain_of_pt(self));
	EXPECT_EQ(1, mock_devices());
	EXPECT_EQ(0, run_mock_domain_of_pt(self));
	EXPECT_EQ(0, fail_no_points());
}

/*
 * The same, but the group is there; the next device has the ID of the one that
 * was refused.
 */
TEST_F(failing, devices_do_not_join_their_group_when_told_so)
{
	ASSERT_EQ(0, mock_join_group(true));
	EXPECT_EQ(0, fail_points("5", "1"));
	EXPECT_EQ(-EINVAL, run_mock_domain_of_pt(self));
	EXPECT_EQ(0, fail_no_points());
	EXPECT_EQ(1, mock_devices());
	EXPECT_EQ(0, run_mock_domain_of_pt(self));
	EXPECT_EQ(0, undo_device(self));
	EXPECT_EQ(0, mock_join_group(false));
}

TEST_HARNESS_MAIN
