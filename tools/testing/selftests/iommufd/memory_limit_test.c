// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a control group ends in the middle of a call: the call fails or
 * the process is killed, and either way nothing is left of what was done.
 */
#include <errno.h>
#include <signal.h>

#include <sys/mman.h>
#include <sys/wait.h>

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
	EXPECT_EQ(-EINVAL, mock_check_map(FD, DEV.hwpt, iova, SMALL_PAGE, VA));
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
#define RCU_SECONDS 1		/* until what is freed later is free */

static long charge_now(void)
{
	long bytes;

	sleep(patience(RCU_SECONDS));
	return memory_group_charge(&bytes) ?: bytes;
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
	before = charge_now();
	ASSERT_LT(0, before);
	ASSERT_EQ(0, refuse_maps(self, NR_TRIES));
	EXPECT_GT(before + NR_TRIES * (long)SMALL_PAGE / 2, charge_now());
}

/*
 * Memory of the process's own, which is there only when it is pinned
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

static void map_until_killed(int iommufd, __u32 ioas, unsigned int user)
{
	char *va = address_room(ABSENT, HUGE_PAGE);

	if (!va || file_write("/proc/self/oom_score_adj", "1000") ||
	    limit_memlock(ABSENT) || become_user(user))
		_exit(1);
	ioas_map_at(iommufd, ioas, va, ABSENT, IOVA);
	_exit(2);
}

/* All that this user may lock, in somebody's file */
static int map_as_user(int iommufd, __u32 ioas, unsigned int user)
{
	pid_t pid = fork();

	if (!pid) {
		char *va = address_room(ABSENT, HUGE_PAGE);

		if (!va || limit_memlock(ABSENT) || become_user(user))
			_exit(1);
		_exit(-ioas_map_at(iommufd, ioas, va, ABSENT, IOVA));
	}
	return child_status(pid);
}

TEST_F_TIMEOUT(limit, may_kill_the_process_and_leave_nothing, TIMEOUT)
{
	const unsigned int user = 80000 + getpid();
	int status;
	pid_t pid;

	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, memory_group_limit(ROOM));
	pid = fork();
	if (!pid)
		map_until_killed(FD, IOAS, user);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("status %x", status);
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(0, pins_left(self->rig.pins));
	ASSERT_EQ(0, memory_group_unlimit());
	EXPECT_EQ(0, map_as_user(FD, IOAS, user));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
}

TEST_HARNESS_MAIN
