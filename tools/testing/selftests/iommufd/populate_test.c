// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is not there yet when it is mapped: helpers clear it beside the
 * caller, and all is as it would be without them.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "fail_each.h"
#include "late_page.h"
#include "test_support.h"
#include "threads.h"

#define IOVA (16 * MIB)
#define LENGTH (24 * MIB)
#define LARGE_IOVA (4 * GIB)	/* where the device does not get to */
#define LARGE (256 * MIB)
#define RW (PROT_READ | PROT_WRITE)
#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)

static long pages_of(size_t length)
{
	return length / SMALL_PAGE;
}

/* A device that is attached, where there may be helpers */
static int rig_with_helpers(struct edu_rig *rig, long *base)
{
	int rc;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return rig_absent("second processor");
	rc = rig_part(PIN_TASKS, file_write(PIN_TASKS, "0")) ?:
	     edu_rig_make(rig) ?: edu_rig_attach(rig);
	*base = pins_held();
	return rc;
}

FIXTURE(populate)
{
	struct edu_rig rig;
	long base;		/* pins, with the rig's own */
};

FIXTURE_SETUP(populate)
{
	MAKE(rig_with_helpers(&self->rig, &self->base));
}

FIXTURE_TEARDOWN_PARENT(populate)
{
	file_write(PIN_TASKS, "0");
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

static int map_at(struct edu_rig *rig, const void *va, size_t length)
{
	return ioas_map_at(rig->iommufd, rig->ioas, va, length, IOVA);
}

static int map_large(struct edu_rig *rig, const void *va, size_t length)
{
	return ioas_map_at(rig->iommufd, rig->ioas, va, length, LARGE_IOVA);
}

static int unmap(struct edu_rig *rig, size_t length)
{
	return ioas_unmap(rig->iommufd, rig->ioas, IOVA, length, NULL);
}

static long switches(const struct rusage *usage)
{
	return usage->ru_nvcsw + usage->ru_nivcsw;
}

/* What other threads of this process have used, which are gone */
static struct rusage usage_of_others(void)
{
	struct rusage own, all, again;

	do {
		getrusage(RUSAGE_THREAD, &own);
		getrusage(RUSAGE_SELF, &all);
		getrusage(RUSAGE_THREAD, &again);
	} while (switches(&own) != switches(&again) ||
		 own.ru_minflt != again.ru_minflt);
	all.ru_nvcsw -= own.ru_nvcsw;
	all.ru_nivcsw -= own.ru_nivcsw;
	all.ru_minflt -= own.ru_minflt;
	return all;
}

/* A thread that existed has been switched, or it would not be gone. */
static long switches_of_others(void)
{
	struct rusage others = usage_of_others();

	return switches(&others);
}

static long faults_of_others(void)
{
	return usage_of_others().ru_minflt;
}

static bool is_there(char *va)
{
	unsigned char there = 0;

	return !mincore(va, SMALL_PAGE, &there) && there & 1;
}

static bool any_is_there(char *va, size_t length)
{
	size_t offset;

	for (offset = 0; offset != length; offset += SMALL_PAGE)
		if (is_there(va + offset))
			return true;
	return false;
}

/* All zero, and the device sees the very pages. */
static bool is_new_memory(struct edu_rig *rig, char *va, size_t length)
{
	size_t offset;

	if (!memory_is(va, 0, length))
		return false;
	for (offset = 0; offset < length; offset += 5 * MIB) {
		pattern_fill(va + offset, 64, offset / MIB + 1);
		if (device_read(rig, IOVA + offset, va + offset,
				64) != REACHED)
			return false;
	}
	return true;
}

/* -- of every kind -- */

FIXTURE(kind)
{
	struct edu_rig rig;
	long base;
	char *va;
	int file;		/* by which it is mapped, or -1 */
};

FIXTURE_VARIANT(kind)
{
	bool huge;
	bool hugetlb;
	bool shared;
	bool by_file;
	__u32 access;
};

FIXTURE_VARIANT_ADD(kind, small) { .access = MAP_RW };
FIXTURE_VARIANT_ADD(kind, small_to_read) { .access = MAP_RO };
FIXTURE_VARIANT_ADD(kind, thp) { .huge = true, .access = MAP_RW };
FIXTURE_VARIANT_ADD(kind, hugetlb) { .hugetlb = true, .access = MAP_RW };
FIXTURE_VARIANT_ADD(kind, memfd) { .shared = true, .access = MAP_RW };
FIXTURE_VARIANT_ADD(kind, memfd_by_file)
{
	.shared = true,
	.by_file = true,
	.access = MAP_RW,
};

FIXTURE_VARIANT_ADD(kind, memfd_hugetlb_by_file)
{
	.hugetlb = true,
	.shared = true,
	.by_file = true,
	.access = MAP_RW,
};

static char *room_for(bool hugetlb, bool shared, int *file)
{
	int flags = shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	char *va;

	*file = -1;
	if (shared)
		*file = memfd_alloc(LENGTH, hugetlb);
	else if (hugetlb)
		flags |= MAP_HUGETLB;
	if (!shared && !hugetlb)
		return address_room(LENGTH, HUGE_PAGE);
	va = mmap(NULL, LENGTH, RW, flags, *file, 0);
	return va == MAP_FAILED ? NULL : va;
}

FIXTURE_SETUP(kind)
{
	if (variant->hugetlb)
		ASSERT_EQ(0, hugetlb_reserve(LENGTH));
	MAKE(rig_with_helpers(&self->rig, &self->base));
	self->va = room_for(variant->hugetlb, variant->shared, &self->file);
	ASSERT_NE(NULL, self->va);
	if (!variant->hugetlb)
		ASSERT_EQ(0, madvise(self->va, LENGTH, variant->huge ?
				     MADV_HUGEPAGE : MADV_NOHUGEPAGE));
}

FIXTURE_TEARDOWN(kind)
{
	edu_rig_break(&self->rig);
	EXPECT_EQ(0, pins_left(self->rig.pins));
	munmap(self->va, LENGTH);
	if (self->file >= 0)
		close(self->file);
	hugetlb_release();
	file_write(PIN_TASKS, "0");
}

static int map_kind(struct edu_rig *rig, __u32 access, int file,
		    const char *va, size_t offset, size_t length)
{
	__u64 iova = IOVA;

	if (file >= 0)
		return ioas_map_file(rig->iommufd, rig->ioas, access | MAP_AT,
				     file, offset, length, &iova);
	return ioas_map_flags(rig->iommufd, rig->ioas, access | MAP_AT,
			      va + offset, length, &iova);
}

#define MAP_KIND(offset, length) \
	map_kind(&self->rig, variant->access, \
		 variant->by_file ? self->file : -1, self->va, offset, length)

TEST_F(kind, is_cleared_with_helpers)
{
	ASSERT_EQ(0, MAP_KIND(0, LENGTH));
	EXPECT_LT(0, switches_of_others());
	EXPECT_EQ(self->base + pages_of(LENGTH), pins_held());
	if (!variant->by_file)
		EXPECT_LT(0, faults_of_others());
	EXPECT_TRUE(is_new_memory(&self->rig, self->va, LENGTH));
	ASSERT_EQ(0, unmap(&self->rig, LENGTH));
	EXPECT_EQ(self->base, pins_held());
}

TEST_F(kind, is_cleared_from_the_middle_of_a_page_on)
{
	const size_t offset = MIB + SMALL_PAGE, length = LENGTH - 2 * offset;

	ASSERT_EQ(0, MAP_KIND(offset, length));
	EXPECT_LT(0, switches_of_others());
	EXPECT_EQ(self->base + pages_of(length), pins_held());
	EXPECT_TRUE(is_new_memory(&self->rig, self->va + offset, length));
}

TEST_F(kind, is_cleared_without_helpers_if_there_may_be_none)
{
	ASSERT_EQ(0, file_write(PIN_TASKS, "1"));
	ASSERT_EQ(0, MAP_KIND(0, LENGTH));
	EXPECT_EQ(0, switches_of_others());
	EXPECT_EQ(0, faults_of_others());
	EXPECT_EQ(self->base + pages_of(LENGTH), pins_held());
	EXPECT_TRUE(is_new_memory(&self->rig, self->va, LENGTH));
}

TEST_F(kind, that_is_there_needs_no_helpers)
{
	memset(self->va, 1, LENGTH);
	ASSERT_EQ(0, MAP_KIND(0, LENGTH));
	EXPECT_EQ(0, switches_of_others());
	EXPECT_EQ(self->base + pages_of(LENGTH), pins_held());
	EXPECT_TRUE(memory_is(self->va, 1, LENGTH));
}

TEST_F(kind, of_which_a_few_pages_are_missing_needs_none_either)
{
	size_t offset = 0;

	memset(self->va, 1, LENGTH);
	/* none of them where it is looked first */
	for (offset = 8 * MIB; offset < LENGTH; offset += 6 * MIB)
		ASSERT_EQ(0, madvise(self->va + offset, HUGE_PAGE,
				     variant->shared ? MADV_REMOVE :
				     MADV_DONTNEED));
	ASSERT_EQ(0, MAP_KIND(0, LENGTH));
	EXPECT_EQ(0, switches_of_others());
	EXPECT_EQ(self->base + pages_of(LENGTH), pins_held());
}

TEST_F(kind, is_cleared_when_the_first_device_comes)
{
	ASSERT_EQ(0, vfio_detach(&self->rig.edu));
	ASSERT_EQ(0, MAP_KIND(0, LENGTH));
	ASSERT_EQ(0, switches_of_others());
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, IOAS));
	EXPECT_LT(0, switches_of_others());
	EXPECT_EQ(self->base + pages_of(LENGTH), pins_held());
	EXPECT_TRUE(is_new_memory(&self->rig, self->va, LENGTH));
}

TEST_F(populate, finds_out_later_that_much_is_missing)
{
	const size_t length = LARGE + LENGTH;
	char *va = address_room(length, HUGE_PAGE);

	ASSERT_NE(NULL, va);
	memset(va, 1, 8 * MIB);
	EXPECT_EQ(0, map_large(&self->rig, va, length));
	EXPECT_LT(0, switches_of_others());
	EXPECT_EQ(self->base + pages_of(length), pins_held());
	EXPECT_TRUE(memory_is(va, 1, 8 * MIB));
	EXPECT_TRUE(memory_is(va + 8 * MIB, 0, length - 8 * MIB));
}

/* -- errors -- */

TEST_F(populate, ends_where_the_memory_does)
{
	char *va = address_room(LENGTH, HUGE_PAGE);
	const size_t hole = LENGTH / 2 + 3 * SMALL_PAGE;

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, munmap(va + hole, SMALL_PAGE));
	EXPECT_EQ(-EFAULT, map_at(&self->rig, va, LENGTH));
	EXPECT_LT(0, switches_of_others());
	EXPECT_EQ(self->base, pins_held());
	EXPECT_EQ(0, vm_pinned() - SMALL_PAGE);
	EXPECT_FALSE(any_is_there(va + hole + SMALL_PAGE,
				  LENGTH - hole - SMALL_PAGE));
	EXPECT_EQ(-ENOENT, unmap(&self->rig, LENGTH));
}

TEST_F(populate, ends_where_memory_may_not_be_written)
{
	char *va = address_room(LENGTH, HUGE_PAGE);
	const size_t piece = LENGTH / 2 + 3 * SMALL_PAGE;

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, mprotect(va + piece, SMALL_PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, map_at(&self->rig, va, LENGTH));
	EXPECT_EQ(self->base, pins_held());
	EXPECT_FALSE(any_is_there(va + piece, LENGTH - piece));
}

/* Which shows only when it is touched: a helper may be the first. */
TEST_F(populate, ends_where_the_file_does)
{
	int fd = memfd_alloc(LENGTH / 2, false);
	__u64 iova = IOVA;
	char *va;

	ASSERT_LE(0, fd);
	va = mmap(NULL, LENGTH, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, va);
	EXPECT_EQ(-EFAULT, map_at(&self->rig, va, LENGTH));
	EXPECT_EQ(self->base, pins_held());
	EXPECT_EQ(-EINVAL, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, fd, 0,
					 LENGTH, &iova));
	EXPECT_EQ(self->base, pins_held());
	EXPECT_EQ(0, map_at(&self->rig, va, LENGTH / 2));
}

TEST_F(populate, touches_nothing_beyond_the_limit)
{
	char *va = address_room(LENGTH, HUGE_PAGE);

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, limit_memlock(LENGTH - SMALL_PAGE));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	EXPECT_EQ(-ENOMEM, map_at(&self->rig, va, LENGTH));
	EXPECT_EQ(0, switches_of_others());
	EXPECT_FALSE(any_is_there(va, LENGTH));
	EXPECT_EQ(0, map_at(&self->rig, va, LENGTH - SMALL_PAGE));
}

TEST_F(populate, needs_no_helpers_that_may_not_be_made)
{
	struct rlimit one = { 1, 1 };
	char *va = address_room(LENGTH, HUGE_PAGE);

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, limit_memlock(2 * LENGTH));
	ASSERT_EQ(0, setrlimit(RLIMIT_NPROC, &one));
	ASSERT_EQ(0, become_user(10000 + getpid()));
	EXPECT_EQ(0, map_at(&self->rig, va, LENGTH));
	EXPECT_EQ(0, switches_of_others());
	EXPECT_TRUE(memory_is(va, 0, LENGTH));
}

#define FAILING (16 * MIB)

static int forget(struct edu_rig *rig, char *va)
{
	return unmap(rig, FAILING) ?:
	       madvise(va, FAILING, MADV_DONTNEED) ? -errno : 0;
}

TEST_F_TIMEOUT(populate, has_no_effect_if_anything_fails, 120)
{
	char *va;

	ASSERT_EQ(0, hugetlb_reserve(FAILING));
	va = mmap(NULL, FAILING, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		  -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	WITH_EACH_FAILURE(map_at(&self->rig, va, FAILING),
			  pins_held() == self->base &&
			  !madvise(va, FAILING, MADV_DONTNEED),
			  forget(&self->rig, va), -ENOENT);
	munmap(va, FAILING);
	hugetlb_release();
}

/* -- who waits for whom -- */

struct waiting_map {
	struct edu_rig *rig;
	char *va;
};

static int map_waiting(void *data)
{
	struct waiting_map *map = data;

	return map_at(map->rig, map->va, LENGTH);
}

TEST_F(populate, waits_for_user_space_like_the_caller)
{
	struct waiting_map map = { .rig = &self->rig };
	struct late_page page;
	struct thread_call call;

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	map.va = address_room(LENGTH, HUGE_PAGE);
	ASSERT_NE(NULL, map.va);
	ASSERT_EQ(0, late_page_open_at(&page, map.va + LENGTH / 2));
	ASSERT_EQ(0, thread_call_start(&call, map_waiting, &map));
	EXPECT_TRUE(late_page_wait(&page));
	EXPECT_EQ(0, late_page_give(&page));
	EXPECT_EQ(0, thread_call_end(&call));
	EXPECT_EQ(self->base + pages_of(LENGTH), pins_held());
	EXPECT_TRUE(is_new_memory(&self->rig, map.va, LENGTH));
	close(page.uffd);
}

static long threads_of_process(void)
{
	char line[64];
	long count = -1;
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "Threads: %ld", &count) == 1)
			break;
	if (status)
		fclose(status);
	return count;
}

TEST_F(populate, leaves_no_thread_behind)
{
	char *va = address_room(LENGTH, HUGE_PAGE);
	long threads;
	int i;

	ASSERT_NE(NULL, va);
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, map_at(&self->rig, va, LENGTH / 2));
		threads = threads_of_process();
		ASSERT_EQ(1, threads);
		ASSERT_EQ(0, unmap(&self->rig, LENGTH / 2));
		ASSERT_EQ(0, madvise(va, LENGTH / 2, MADV_DONTNEED));
	}
	EXPECT_LT(0, switches_of_others());
}

static void handle_nothing(int signal)
{
}

TEST_F(populate, is_not_hindered_by_signals)
{
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	const struct itimerval never = { };
	struct sigaction action = { .sa_handler = handle_nothing };
	char *va = address_room(LENGTH, HUGE_PAGE);

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, madvise(va, LENGTH, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	EXPECT_EQ(0, map_at(&self->rig, va, LENGTH));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	EXPECT_LT(0, faults_of_others());
	EXPECT_EQ(self->base + pages_of(LENGTH), pins_held());
}

/* How many pages a process has, about; none when it has ended */
static long resident_pages(pid_t pid)
{
	char path[64], text[64];
	long size, resident;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	if (file_read(path, text, sizeof(text)) ||
	    sscanf(text, "%ld %ld", &size, &resident) != 2)
		return -EIO;
	return resident;
}

#define TRIES 6
#define PATIENCE 30

/*
 * Waits until the @nr-th of TRIES parts of the memory is there, in a process
 * that had @before pages, or the process has ended. Returns false if neither
 * comes to pass.
 */
static bool wait_for_part(pid_t pid, long before, int nr)
{
	const long enough = before + pages_of(LENGTH) / TRIES * nr;
	time_t end = monotonic_seconds() + patience(PATIENCE);
	long resident;

	do {
		usleep(1000);
		resident = resident_pages(pid);
		if (!resident || resident >= enough)
			return true;
	} while (resident > 0 && monotonic_seconds() <= end);
	return false;
}

static void map_in_child(struct edu_rig *rig, int started)
{
	char *va = address_room(LENGTH, HUGE_PAGE);
	long before = resident_pages(getpid());

	if (!va || madvise(va, LENGTH, MADV_NOHUGEPAGE) ||
	    write(started, &before, sizeof(before)) != sizeof(before))
		_exit(2);
	_exit(map_at(rig, va, LENGTH) || unmap(rig, LENGTH));
}

/* A child that does nothing else, and has come so far: see wait_for_part() */
static pid_t fork_to_map(struct edu_rig *rig, int part)
{
	int started;
	pid_t pid = fork_with_pipe(&started);
	long before;
	ssize_t nr;

	if (!pid)
		map_in_child(rig, started);
	if (pid < 0)
		return pid;
	nr = read(started, &before, sizeof(before));
	close(started);
	if (nr != sizeof(before) || !wait_for_part(pid, before, part))
		return -ECHILD;
	return pid;
}

/* It may be done before it is killed, but not each time. */
TEST_F(populate, ends_with_the_process)
{
	int i, rc, nr_killed = 0;
	pid_t pid;

	for (i = 0; i != TRIES; i++) {
		pid = fork_to_map(&self->rig, i);
		ASSERT_LT(0, pid);
		kill(pid, SIGKILL);
		rc = child_status(pid);
		EXPECT_TRUE(!rc || rc == -EINTR)
			TH_LOG("exit status %d", rc);
		nr_killed += rc == -EINTR;
		unmap(&self->rig, LENGTH);
		EXPECT_EQ(self->base, pins_held());
	}
	EXPECT_LT(0, nr_killed);
}

TEST_F(populate, goes_on_when_the_process_was_stopped)
{
	int i, status, nr_stopped = 0;
	pid_t pid;

	for (i = 0; i != TRIES; i++) {
		pid = fork_to_map(&self->rig, i);
		ASSERT_LT(0, pid);
		kill(pid, SIGSTOP);
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		if (WIFSTOPPED(status)) {
			nr_stopped++;
			kill(pid, SIGCONT);
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
		}
		EXPECT_EQ(0, status);
		EXPECT_EQ(self->base, pins_held());
	}
	EXPECT_LT(0, nr_stopped);
}

static void map_and_exec(struct edu_rig *rig, int part)
{
	struct waiting_map map = { .rig = rig };
	long before = resident_pages(getpid());
	struct thread_call call;

	map.va = address_room(LENGTH, HUGE_PAGE);
	if (!map.va || thread_call_start(&call, map_waiting, &map) ||
	    !wait_for_part(getpid(), before, part))
		_exit(2);
	execl("/bin/sh", "sh", "-c", "exit 0", NULL);
	_exit(3);
}

/* What has ended has not mapped anything. */
TEST_F(populate, ends_when_another_thread_starts_a_program)
{
	int i, rc, nr_ended = 0;
	pid_t pid;

	for (i = 0; i != TRIES; i++) {
		pid = fork();
		if (!pid)
			map_and_exec(&self->rig, i);
		EXPECT_EQ(0, child_status(pid));
		rc = unmap(&self->rig, LENGTH);
		EXPECT_TRUE(!rc || rc == -ENOENT)
			TH_LOG("%d", rc);
		nr_ended += rc == -ENOENT;
		EXPECT_EQ(self->base, pins_held());
	}
	EXPECT_LT(0, nr_ended);
}

TEST_HARNESS_MAIN
