// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_CHANGE_PROCESS of many maps, of what several processes are charged
 * for, and while others are at work, on the test device. Nobody has a limit.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "fail_each.h"
#include "late_page.h"
#include "mock_rig.h"
#include "takeover_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA TAKEOVER_IOVA

/* Locks of one class that lockdep can count, of one thread */
#define LOCKDEP_MAX 2047
#define MANY (LOCKDEP_MAX + 53)
/* Of a test, in seconds, on a slow machine */
#define TIMEOUT 120

FIXTURE(many)
{
	struct mock_rig rig;
	int file;
	struct other other;
	bool lockdep;
};

static bool lockdep_works(void)
{
	char line[128];
	bool works = false;
	int on;
	FILE *stats;

	stats = fopen("/proc/lockdep_stats", "re");
	if (!stats)
		return false;
	while (fgets(line, sizeof(line), stats))
		if (sscanf(line, " debug_locks: %d", &on) == 1)
			works = on;
	fclose(stats);
	return works;
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define SPACE ((struct space){ FD, IOAS })
#define ASK(step) ask_other(&self->other, step, 0)

FIXTURE_SETUP(many)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	self->file = memfd_alloc(MANY * SMALL_PAGE, false);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, start_other(&self->other, SPACE, self->file, NOBODY, 0));
	self->lockdep = lockdep_works();
}

FIXTURE_TEARDOWN(many)
{
	EXPECT_EQ(0, end_other(&self->other));
	EXPECT_EQ(0, mock_rig_break(&self->rig));
	EXPECT_EQ(self->lockdep, lockdep_works());
}

#define MAP_PAGES(first, n) map_pages(SPACE, self->file, first, n)

static int map_pages(struct space space, int file, unsigned long first,
		     unsigned long n)
{
	int rc = 0;

	for (n += first; first != n && !rc; first++)
		rc = map_page(space, file, first);
	return rc;
}

/* Most of them are not pinned, as that takes its time. */
TEST_F_TIMEOUT(many, maps_move_together, TIMEOUT)
{
	struct space second = SPACE;

	ASSERT_EQ(0, ioas_alloc(FD, &second.ioas));
	ASSERT_EQ(0, map_pages(second, self->file, 0, MANY));
	ASSERT_EQ(0, MAP_PAGES(0, 100));
	EXPECT_EQ(100 * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(100 * SMALL_PAGE, ASK(PINNED));
	EXPECT_EQ(0, ASK(UNMAP));
	EXPECT_EQ(0, ASK(PINNED));
}

/* More than are looked at in one go, which copies are the fastest way to. */
TEST_F_TIMEOUT(many, copies_move_together, TIMEOUT)
{
	struct space second = SPACE;
	unsigned int i;
	__u64 copy;

	ASSERT_EQ(0, ioas_alloc(FD, &second.ioas));
	ASSERT_EQ(0, map_pages(second, self->file, 0, 64));
	for (i = 64; i != 8192; i *= 2) {
		copy = IOVA + i * SMALL_PAGE;
		ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, second.ioas,
				       second.ioas, IOVA, i * SMALL_PAGE,
				       &copy));
	}
	ASSERT_EQ(0, MAP_PAGES(0, 1));
	EXPECT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(SMALL_PAGE, ASK(PINNED));

	/* the last of them counts as well */
	ASSERT_EQ(0, ioas_map_at(FD, second.ioas,
				 address_room(SMALL_PAGE, SMALL_PAGE),
				 SMALL_PAGE, IOVA + 8192 * SMALL_PAGE));
	EXPECT_EQ(-EINVAL, ioas_change_process(FD));
	EXPECT_EQ(SMALL_PAGE, ASK(PINNED));
}

TEST_F_TIMEOUT(many, address_spaces_move_together, TIMEOUT)
{
	struct space last = SPACE;
	int i;

	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, ioas_alloc(FD, &last.ioas));
	ASSERT_EQ(0, map_pages(last, self->file, 0, 1));
	ASSERT_EQ(0, MAP_PAGES(0, 1));
	EXPECT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(SMALL_PAGE, ASK(PINNED));

	/* the last of them counts as well */
	ASSERT_EQ(0, map_private_memory(last));
	EXPECT_EQ(-EINVAL, ioas_change_process(FD));
	EXPECT_EQ(SMALL_PAGE, ASK(PINNED));
}

/* Two processes take turns, so that each map is charged for itself. */
static int map_in_turns(struct space space, int file, struct other *other,
			unsigned long n)
{
	int rc = 0;

	while (n-- && !rc)
		rc = n % 2 ? ask_other(other, MAP_PAGE, n) :
			     map_page(space, file, n);
	return rc;
}

#define MAP_IN_TURNS(n) \
	map_in_turns(SPACE, self->file, &self->other, n)

TEST_F_TIMEOUT(many, processes_lose_their_charges_to_one, TIMEOUT)
{
	ASSERT_EQ(0, MAP_IN_TURNS(100));
	EXPECT_EQ(50 * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(50 * SMALL_PAGE, ASK(PINNED));
	EXPECT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(100 * SMALL_PAGE, ASK(PINNED));
	EXPECT_EQ(0, ioas_change_process(FD));
	EXPECT_EQ(100 * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, ASK(PINNED));
}

TEST_F_TIMEOUT(many, charges_stay_where_one_cannot_move, TIMEOUT)
{
	ASSERT_EQ(0, MAP_IN_TURNS(6));
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	WITH_EACH_FAILURE(ioas_change_process(FD),
			  !vm_pinned() && ASK(PINNED) == 6 * SMALL_PAGE,
			  ASK(CHANGE_PROCESS));
}

/* Takes charges over until it is killed; says when it is about to begin. */
static pid_t start_taker(int iommufd, int *begun)
{
	pid_t pid;

	pid = fork_with_pipe(begun);
	if (pid)
		return pid;
	if (write(*begun, "", 1) != 1 || ioas_change_process(iommufd))
		_exit(1);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(many, charges_move_or_stay_when_the_process_is_killed, TIMEOUT)
{
	const long all = 300 * SMALL_PAGE;
	long moved = 0, stayed = 0, pinned;
	__u32 random = chosen_seed(4711);
	int round, begun = -1;
	char byte;
	pid_t pid;

	TH_LOG("SEED=%u", random);
	ASSERT_EQ(0, MAP_IN_TURNS(300));
	ASSERT_EQ(0, ioas_change_process(FD));
	for (round = 0; round < 24 || !moved || !stayed; round++) {
		pid = start_taker(FD, &begun);
		ASSERT_LT(0, pid);
		ASSERT_EQ(1, read(begun, &byte, 1));
		/* it takes more or less long on each machine */
		usleep(random_next(&random) % (1U << round % 36 / 2));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(-EINTR, child_status(pid));
		close(begun);

		pinned = vm_pinned();
		EXPECT_TRUE(!pinned || pinned == all)
			TH_LOG("%ld of %ld bytes stayed", pinned, all);
		if (pinned)
			stayed++;
		else
			moved++;
		ASSERT_EQ(0, ioas_change_process(FD));
		ASSERT_EQ(all, vm_pinned());
	}
	TH_LOG("moved %ld times, stayed %ld times", moved, stayed);
}

/* -- threads that map at the same time -- */

struct mapper {
	struct thread_call call;
	struct space space;
	int file;
	unsigned long first;
	unsigned long n;
};

static int map_them(void *data)
{
	struct mapper *mapper = data;

	return map_pages(mapper->space, mapper->file, mapper->first, mapper->n);
}

/*
 * Each account is asked for, or its limit, once: as often as a change of
 * process can be refused, as many there are.
 */
TEST_F_TIMEOUT(many, threads_of_a_process_share_an_account, TIMEOUT)
{
	struct mapper mappers[4];
	int i, nth, rc, fail_nth, refused = 0;
	bool failed = true;

	fail_nth = fail_nth_open();
	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	for (i = 0; i < 4; i++) {
		mappers[i] = (struct mapper){
			.space = SPACE,
			.file = self->file,
			.first = i * 100,
			.n = 100,
		};
		ASSERT_EQ(0, thread_call_start(&mappers[i].call, map_them,
					       &mappers[i]));
	}
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, thread_call_end(&mappers[i].call));
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));

	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		fail_nth_set(fail_nth, nth);
		rc = ioas_change_process(FD);
		failed = fail_nth_happened(fail_nth);
		if (rc == -ENOMEM)
			refused++;
		if (!rc && failed)
			ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	}
	EXPECT_FALSE(failed);
	EXPECT_EQ(1, refused);
	EXPECT_EQ(400 * SMALL_PAGE, vm_pinned());
	close(fail_nth);
}

/* -- memory of a process that is on its way into an address space -- */

struct slow_map {
	struct thread_call call;
	struct space space;
	struct late_page page;
};

static int map_slowly(void *data)
{
	struct slow_map *map = data;

	return ioas_map_at(map->space.iommufd, map->space.ioas, map->page.va,
			   SMALL_PAGE, IOVA + 64 * MIB);
}

TEST_F_TIMEOUT(many, charges_stay_while_a_process_maps_its_memory, TIMEOUT)
{
	struct slow_map map = { .space = SPACE };

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, late_page_open(&map.page, LATE_PAGE, NULL, 0));
	ASSERT_EQ(0, MAP_PAGES(0, 10));
	ASSERT_EQ(0, thread_call_start(&map.call, map_slowly, &map));
	ASSERT_TRUE(late_page_wait(&map.page));

	/* at once, and in nobody's way */
	EXPECT_EQ(-EBUSY, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, MAP_PAGES(10, 10));
	EXPECT_FALSE(thread_call_is_over(&map.call));
	ASSERT_EQ(0, late_page_give(&map.page));
	EXPECT_EQ(0, thread_call_end(&map.call));
	EXPECT_EQ(21 * SMALL_PAGE, vm_pinned());

	EXPECT_EQ(-EINVAL, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, ASK(PINNED));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA + 64 * MIB, SMALL_PAGE, NULL));
	EXPECT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(20 * SMALL_PAGE, ASK(PINNED));
	EXPECT_EQ(0, vm_pinned());
	late_page_close(&map.page);
}

TEST_HARNESS_MAIN
