// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a control group ends in the middle of a call: the call fails or
 * the process is killed, and either way nothing is left of what was done.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/membarrier.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "kernel_memory.h"
#include "mock_rig.h"
#include "test_support.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
/* What the kernel keeps of scattered pages, and a page table: more than SLACK */
#define LENGTH (96 * MIB)
#define SLACK (128 * KIB)
/* IOVA of a table of the last level */
#define TABLE_SPAN ((__u64)HUGE_PAGE)
#define TIMEOUT 300

#define LIMIT FIXTURE_DATA(limit)
#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define VA (self->mem.va)

FIXTURE(limit)
{
	struct mock_rig rig;
	struct memory_rig mem;	/* LENGTH, which the group has not paid for */
};

/* The OOM killer finds nobody: what needs more memory fails. */
static int be_spared(void)
{
	return file_write("/proc/self/oom_score_adj", "-1000");
}

FIXTURE_SETUP(limit)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL_RANDOM, LENGTH));
	if (memory_group_enter())
		SKIP(return, "no control groups");
	ASSERT_EQ(0, be_spared());
}

FIXTURE_TEARDOWN(limit)
{
	memory_group_unlimit();
	memory_group_leave();
	EXPECT_EQ(0, mock_rig_break(&self->rig));
	EXPECT_EQ(0, mock_devices());
}

static int map_all(LIMIT *self, __u32 ioas)
{
	return ioas_map_at(FD, ioas, VA, LENGTH, IOVA);
}

/* Not where it begins, ends, nor anywhere in between */
static bool is_nothing_mapped(LIMIT *self, __u32 hwpt)
{
	size_t at;

	for (at = 0; at < LENGTH; at += MIB)
		if (!mock_check_map(FD, hwpt, IOVA + at, SMALL_PAGE, VA + at))
			return false;
	return true;
}

TEST_F_TIMEOUT(limit, refuses_a_map_as_a_whole, TIMEOUT)
{
	struct mock_device other;
	__u32 id;

	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	id = next_id(FD);
	ASSERT_EQ(0, memory_group_limit(SLACK));
	EXPECT_EQ(-ENOMEM, map_all(self, IOAS));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_TRUE(is_nothing_mapped(self, DEV.hwpt));
	EXPECT_EQ(id, next_id(FD));
	/* what there was before it is back: this needs some */
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));

	ASSERT_EQ(0, memory_group_unlimit());
	EXPECT_EQ(0, map_all(self, IOAS));
	EXPECT_EQ(0, mock_check_map(FD, DEV.hwpt, IOVA, LENGTH, VA));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
}

TEST_F_TIMEOUT(limit, refuses_a_device_as_a_whole, TIMEOUT)
{
	ASSERT_EQ(0, map_all(self, IOAS));
	ASSERT_EQ(0, memory_group_limit(SLACK));
	EXPECT_EQ(-ENOMEM, mock_domain(FD, IOAS, &DEV));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, mock_devices());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));

	ASSERT_EQ(0, memory_group_unlimit());
	ASSERT_EQ(0, mock_domain(FD, IOAS, &DEV));
	EXPECT_EQ(0, mock_check_map(FD, DEV.hwpt, IOVA, LENGTH, VA));
	EXPECT_EQ(LENGTH, vm_pinned());
}

/* What the file has is there: it is only to be pinned. */
TEST_F_TIMEOUT(limit, refuses_a_map_of_a_file_as_a_whole, TIMEOUT)
{
	struct memory_rig file;
	__u32 id;

	MAKE(memory_rig_make_file(&file, PAGES_SMALL_RANDOM, LENGTH));
	MAKE(mock_rig_plug(&self->rig, 0));
	id = next_id(FD);
	ASSERT_EQ(0, memory_group_limit(SLACK));
	EXPECT_EQ(-ENOMEM, memory_rig_map(&file, FD, IOAS, IOVA));
	ASSERT_EQ(0, memory_group_unlimit());
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, pins_left(self->rig.pins));
	EXPECT_EQ(-ENOENT, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(id, next_id(FD));

	EXPECT_EQ(0, memory_rig_map(&file, FD, IOAS, IOVA));
	EXPECT_EQ(0, mock_check_map(FD, DEV.hwpt, IOVA, LENGTH, file.va));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
}

TEST_F_TIMEOUT(limit, refuses_a_copy_as_a_whole, TIMEOUT)
{
	__u64 iova = IOVA;
	__u32 idle;

	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, ioas_alloc(FD, &idle));
	ASSERT_EQ(0, map_all(self, idle));
	ASSERT_EQ(0, memory_group_limit(SLACK));
	EXPECT_EQ(-ENOMEM, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, idle, IOVA,
				     LENGTH, &iova));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_TRUE(is_nothing_mapped(self, DEV.hwpt));

	ASSERT_EQ(0, memory_group_unlimit());
	EXPECT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, idle, IOVA, LENGTH,
			       &iova));
	EXPECT_EQ(0, mock_check_map(FD, DEV.hwpt, IOVA, LENGTH, VA));
}

/* Tables that are empty stay in the page table: each map needs another one. */
TEST_F_TIMEOUT(limit, ends_maps_that_come_in_turn, TIMEOUT)
{
	__u64 iova = IOVA;
	long nr = 0;
	int rc = 0;

	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, memory_group_limit(SLACK));
	for (; iova < MOCK_APERTURE_LAST; iova += TABLE_SPAN, nr++) {
		rc = ioas_map_at(FD, IOAS, VA, SMALL_PAGE, iova);
		if (rc)
			break;
	}
	ASSERT_EQ(-ENOMEM, rc);
	/* there is no memory to open a file with */
	ASSERT_EQ(0, memory_group_unlimit());
	EXPECT_LT(0, nr);
	/* all of them are of the same page */
	EXPECT_EQ((long)SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, mock_check_hole(FD, DEV.hwpt, iova, SMALL_PAGE));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, iova));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
	TH_LOG("%ld maps", nr);
}

TEST_F_TIMEOUT(limit, refuses_objects, TIMEOUT)
{
	__u32 id = next_id(FD), last = id, ioas;
	int rc;

	ASSERT_EQ(0, memory_group_limit(SLACK));
	do {
		rc = ioas_alloc(FD, &ioas);
		if (!rc)
			last = ioas;
	} while (!rc);
	EXPECT_EQ(-ENOMEM, rc);
	ASSERT_EQ(0, memory_group_unlimit());
	/* the one that could not be made has taken no number */
	EXPECT_EQ(last + 1, next_id(FD));
	for (ioas = id; ioas <= last; ioas++)
		ASSERT_EQ(0, iommufd_destroy(FD, ioas));
	TH_LOG("%u objects", last - id + 1);
}

/* What is refused is not charged: not even a page of each try. */
#define NR_TRIES 16
#define NR_STEADY 4		/* grace periods in which nothing is freed */
#define RCU_SECONDS 60		/* until everything is that will be */

/* Some of what is freed is free only when those have ended who may read it. */
static long charge_after_readers(void)
{
	long bytes;

	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return -errno;
	return memory_group_charge(&bytes) ?: bytes;
}

/* When it does not become less any more */
static long charge_steady(void)
{
	long least = LONG_MAX, charge;
	int nr = 0;

	while (nr != NR_STEADY) {
		charge = charge_after_readers();
		if (charge < 0)
			return charge;
		nr = charge < least ? 0 : nr + 1;
		if (charge < least)
			least = charge;
	}
	return least;
}

static bool charge_comes_below(long bound)
{
	time_t end = monotonic_seconds() + patience(RCU_SECONDS);
	long charge;

	do {
		charge = charge_after_readers();
	} while (charge >= bound && monotonic_seconds() <= end);
	return charge >= 0 && charge < bound;
}

/*
 * With a page table for all of them, in which tables stay that are used in part
 * Return: how many were not refused as they should be, or a negative errno
 */
static int refuse_maps(LIMIT *self, int nr)
{
	int i, rc, nr_others = 0;

	rc = mock_domain(FD, IOAS, &DEV);
	for (i = 0; !rc && i != nr; i++) {
		rc = memory_group_limit(SLACK);
		if (!rc && map_all(self, IOAS) != -ENOMEM)
			nr_others++;
		rc = rc ?: memory_group_unlimit();
	}
	return rc ?: mock_destroy(FD, &DEV) ?: nr_others;
}

TEST_F_TIMEOUT(limit, is_used_up_by_nothing_that_it_refuses, TIMEOUT)
{
	long before;

	/* what there is once: a stack that is set up, what was refused */
	ASSERT_EQ(0, refuse_maps(self, 1));
	before = charge_steady();
	ASSERT_LT(0, before);
	ASSERT_EQ(0, refuse_maps(self, NR_TRIES));
	EXPECT_TRUE(charge_comes_below(before +
				       NR_TRIES * (long)SMALL_PAGE / 2));
}

/*
 * Memory of the process's own, or of a file, which is there only when it is
 * pinned
 */

#define ABSENT (64 * MIB)
#define ROOM (16 * MIB)

TEST_F_TIMEOUT(limit, refuses_memory_that_the_map_would_have_to_make, TIMEOUT)
{
	char *va = address_room(ABSENT, HUGE_PAGE);
	int rc;

	ASSERT_NE(NULL, va);
	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, memory_group_limit(ROOM));
	rc = ioas_map_at(FD, IOAS, va, ABSENT, IOVA);
	/* as long as it has what there is, nothing else goes */
	ASSERT_EQ(0, madvise(va, ABSENT, MADV_DONTNEED));
	EXPECT_EQ(-ENOMEM, rc);
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, memory_group_unlimit());
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, va, ABSENT, IOVA));
	EXPECT_EQ(ABSENT, vm_pinned());
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
}

TEST_F_TIMEOUT(limit, refuses_a_file_that_the_map_would_have_to_fill, TIMEOUT)
{
	int rc, file = memfd_alloc(ABSENT, false);

	ASSERT_LE(0, file);
	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, memory_group_limit(ROOM));
	rc = ioas_map_file_at(FD, IOAS, MAP_RW, file, 0, ABSENT, IOVA);
	/* as above */
	ASSERT_EQ(0, ftruncate(file, 0));
	EXPECT_EQ(-ENOMEM, rc);
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, memory_group_unlimit());
	EXPECT_EQ(0, pins_left(self->rig.pins));
	ASSERT_EQ(0, ftruncate(file, ABSENT));
	EXPECT_EQ(0, ioas_map_file_at(FD, IOAS, MAP_RW, file, 0, ABSENT, IOVA));
	EXPECT_EQ(ABSENT, vm_pinned());
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	close(file);
}

/* @file: which has to be filled, or -1 for memory of the process's own */
static int map_absent(int iommufd, __u32 ioas, int file)
{
	char *va;

	if (file >= 0)
		return ioas_map_file_at(iommufd, ioas, MAP_RW, file, 0, ABSENT,
					IOVA);
	va = address_room(ABSENT, HUGE_PAGE);
	return va ? ioas_map_at(iommufd, ioas, va, ABSENT, IOVA) : -ENOMEM;
}

static void map_until_killed(int iommufd, __u32 ioas, int file,
			     unsigned int user)
{
	if (file_write("/proc/self/oom_score_adj", "1000") ||
	    limit_memlock(ABSENT) || become_user(user))
		_exit(1);
	map_absent(iommufd, ioas, file);
	_exit(2);
}

/* All that this user may lock, in somebody's file */
static int map_as_user(int iommufd, __u32 ioas, int file, unsigned int user)
{
	pid_t pid = fork();

	if (!pid) {
		if (limit_memlock(ABSENT) || become_user(user))
			_exit(1);
		_exit(-map_absent(iommufd, ioas, file));
	}
	return child_status(pid);
}

static void be_killed_by_limit(struct __test_metadata *_metadata, LIMIT *self,
			       int file)
{
	const unsigned int user = 80000 + getpid();
	int status;
	pid_t pid;

	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, memory_group_limit(ROOM));
	pid = fork();
	if (!pid)
		map_until_killed(FD, IOAS, file, user);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("status %x", status);
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(0, pins_left(self->rig.pins));
	ASSERT_EQ(0, memory_group_unlimit());
	EXPECT_EQ(0, map_as_user(FD, IOAS, file, user));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
}

TEST_F_TIMEOUT(limit, may_kill_the_process_and_leave_nothing, TIMEOUT)
{
	be_killed_by_limit(_metadata, self, -1);
}

TEST_F_TIMEOUT(limit, may_kill_who_maps_a_file_and_leave_nothing, TIMEOUT)
{
	int file = memfd_alloc(ABSENT, false);

	ASSERT_LE(0, file);
	be_killed_by_limit(_metadata, self, file);
	close(file);
}

TEST_HARNESS_MAIN
