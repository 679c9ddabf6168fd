// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_CHANGE_PROCESS: a process that has got the file of another takes
 * over what that one is charged for.
 *
 * The test is the first process; the other one is a child that does one step
 * when it is told to, and tells what came of it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "fail_each.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA (16 * MIB)
/* So that parts of it are more than what is pinned before it is charged */
#define LENGTH (128 * SMALL_PAGE)

enum account {
	NOBODY,			/* who may lock memory has no limit */
	BY_USER,
	BY_PROCESS,
};

/* -- the other process -- */

enum step {
	CHANGE_PROCESS,
	PINNED,
	LOCKED,
	LIMIT,
	UNMAP,
	MAP_PAGE,
};

struct request {
	enum step step;
	long argument;
};

struct other {
	pid_t pid;
	int requests;
	int answers;
};

FIXTURE(change)
{
	struct edu_rig rig;
	int file;
	unsigned int user;
	struct other other;
};

FIXTURE_VARIANT(change)
{
	enum account account;
};

FIXTURE_VARIANT_ADD(change, of_nobodys_charges) { .account = NOBODY };
FIXTURE_VARIANT_ADD(change, of_users_charges) { .account = BY_USER };
FIXTURE_VARIANT_ADD(change, of_processes_charges) { .account = BY_PROCESS };

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)
#define DETACH() vfio_detach(&self->rig.edu)

static int change_process(int iommufd)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return checked_ioctl(iommufd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

/* Where a process maps the memory */
struct space {
	int iommufd;
	__u32 ioas;
};

#define SPACE ((struct space){ FD, IOAS })

static int map_file(struct space space, int file, __u64 start, __u64 length,
		    __u64 iova)
{
	return ioas_map_file(space.iommufd, space.ioas, MAP_RW | MAP_AT, file,
			     start, length, &iova);
}

#define MAP(start, length, iova) \
	map_file(SPACE, self->file, start, length, iova)

static int map_private_memory(struct space space)
{
	char *va = address_room(SMALL_PAGE, SMALL_PAGE);

	return ioas_map_at(space.iommufd, space.ioas, va, SMALL_PAGE,
			   IOVA + 64 * MIB);
}

/* The @n-th page of the file */
static int map_page(struct space space, int file, unsigned long n)
{
	return map_file(space, file, n * SMALL_PAGE, SMALL_PAGE,
			IOVA + n * SMALL_PAGE);
}

static long run_step(struct space space, int file,
		     const struct request *request)
{
	switch (request->step) {
	case CHANGE_PROCESS:
		return change_process(space.iommufd);
	case PINNED:
		return vm_pinned();
	case LOCKED:
		return vm_locked();
	case LIMIT:
		return limit_memlock(request->argument);
	case UNMAP:
		return ioas_unmap_all(space.iommufd, space.ioas, NULL);
	case MAP_PAGE:
		return map_page(space, file, request->argument);
	default:
		return -EINVAL;
	}
}

static void run_other(struct space space, int file, int requests, int answers)
{
	struct request request;
	long answer;

	while (read(requests, &request, sizeof(request)) == sizeof(request)) {
		answer = run_step(space, file, &request);
		if (write(answers, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

static int start_other(struct other *other, struct space space, int file,
		       enum account account, unsigned int user)
{
	int requests[2], answers[2];
	pid_t pid;

	if (pipe(requests) || pipe(answers))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(requests[1]);
		close(answers[0]);
		if (limit_memlock(LENGTH) ||
		    (account != NOBODY && become_user(user)))
			_exit(1);
		run_other(space, file, requests[0], answers[1]);
	}
	close(requests[0]);
	close(answers[1]);
	/* the harness may share this with the child */
	other->pid = pid;
	other->requests = requests[1];
	other->answers = answers[0];
	return 0;
}

static long ask(struct other *other, enum step step, long argument)
{
	const struct request request = { step, argument };
	long answer;

	if (write(other->requests, &request, sizeof(request)) !=
	    sizeof(request) ||
	    read(other->answers, &answer, sizeof(answer)) != sizeof(answer))
		return -EPIPE;
	return answer;
}

#define ASK(step) ask(&self->other, step, 0)

static int end_other(struct other *other)
{
	pid_t pid = other->pid;
	int status;

	if (!pid)
		return 0;
	other->pid = 0;
	close(other->requests);
	close(other->answers);
	return waitpid(pid, &status, 0) == pid ? status : -ECHILD;
}

/* Ends both processes' use of the memory, as one who may ask what is left. */
static int end_both(struct edu_rig *rig, struct other *other)
{
	int rc = end_other(other);

	edu_rig_break(rig);
	return rc ? rc : seteuid(0);
}

FIXTURE_SETUP(change)
{
	MAKE(edu_rig_make(&self->rig));
	if (variant->account == BY_PROCESS)
		MAKE(edu_rig_charge_process(&self->rig));
	self->file = memfd_alloc(4 * LENGTH, false);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, limit_memlock(2 * LENGTH));
	/* no user is that of two tests, nor of both processes */
	self->user = 50000 + 2 * getpid();
	ASSERT_EQ(0, start_other(&self->other, SPACE, self->file,
				 variant->account, self->user + 1));
	if (variant->account != NOBODY)
		ASSERT_EQ(0, become_user(self->user));
}

FIXTURE_TEARDOWN(change)
{
	EXPECT_EQ(0, end_both(&self->rig, &self->other));
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

/* Of the bytes that are pinned, how many count as locked? */
static long locked_of(enum account account, long pinned)
{
	return account == BY_PROCESS ? pinned : 0;
}

TEST_F(change, moves_the_charge)
{
	__u32 idle;

	ASSERT_EQ(0, ioas_alloc(FD, &idle));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	EXPECT_EQ(LENGTH, vm_pinned());
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	/* which has looked at it, and let go of it */
	EXPECT_EQ(0, iommufd_destroy(FD, idle));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
	EXPECT_EQ(LENGTH, ASK(PINNED));
	EXPECT_EQ(locked_of(variant->account, LENGTH), ASK(LOCKED));

	/* all of the limit of the one is left, and none of the other's */
	EXPECT_EQ(0, MAP(LENGTH, 2 * LENGTH, IOVA + MIB));
	EXPECT_EQ(2 * LENGTH, vm_pinned());
	if (variant->account != NOBODY) {
		EXPECT_EQ(-ENOMEM, MAP(0, SMALL_PAGE, IOVA + 2 * MIB));
		EXPECT_EQ(-ENOMEM, ASK(CHANGE_PROCESS));
		EXPECT_EQ(-ENOMEM, change_process(FD));
		EXPECT_EQ(2 * LENGTH, vm_pinned());
		EXPECT_EQ(LENGTH, ASK(PINNED));
	}
	EXPECT_EQ(0, ASK(UNMAP));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, ASK(PINNED));
	EXPECT_EQ(0, ASK(LOCKED));
}

TEST_F(change, can_be_undone)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(LENGTH, ASK(PINNED));
	ASSERT_EQ(0, change_process(FD));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(locked_of(variant->account, LENGTH), vm_locked());
	EXPECT_EQ(0, ASK(PINNED));
	EXPECT_EQ(0, ASK(LOCKED));
}

TEST_F(change, to_the_same_process_changes_nothing)
{
	ASSERT_EQ(0, change_process(FD));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	ASSERT_EQ(0, change_process(FD));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(locked_of(variant->account, LENGTH), vm_locked());
}

TEST_F(change, counts_for_what_is_pinned_later)
{
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, ASK(PINNED));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(LENGTH, ASK(PINNED));
	ASSERT_EQ(0, DETACH());
	EXPECT_EQ(0, ASK(PINNED));

	ASSERT_EQ(0, ask(&self->other, LIMIT, LENGTH - SMALL_PAGE));
	EXPECT_EQ(variant->account == NOBODY ? 0 : -ENOMEM, ATTACH());
}

TEST_F(change, that_a_limit_refuses_changes_nothing)
{
	__u32 ioas;
	__u64 iova;

	if (variant->account == NOBODY)
		SKIP(return, "there is no limit");
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LENGTH / 2, IOVA));
	ASSERT_EQ(0, MAP(LENGTH, LENGTH / 2 + SMALL_PAGE, IOVA + MIB));
	EXPECT_EQ(-ENOMEM, ASK(CHANGE_PROCESS));
	EXPECT_EQ(LENGTH + SMALL_PAGE, vm_pinned());
	EXPECT_EQ(locked_of(variant->account, LENGTH + SMALL_PAGE),
		  vm_locked());
	EXPECT_EQ(0, ASK(PINNED));
	EXPECT_EQ(0, ASK(LOCKED));

	/* nothing of the other's limit is used up; only what is pinned counts */
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA + MIB, LENGTH / 2 + SMALL_PAGE,
				NULL));
	ASSERT_EQ(0, MAP(LENGTH, LENGTH / 2, IOVA + MIB));
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, ioas_map_file(FD, ioas, MAP_RW, self->file, 0, LENGTH,
				   &iova));
	EXPECT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(LENGTH, ASK(PINNED));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(change, counts_shared_memory_once)
{
	__u64 copy = IOVA + MIB;
	__u32 ioas;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA, LENGTH,
			       &copy));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, ioas, IOAS,
			       IOVA + SMALL_PAGE, SMALL_PAGE, &copy));
	EXPECT_EQ(LENGTH, vm_pinned());
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(LENGTH, ASK(PINNED));
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(LENGTH, ASK(PINNED));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, ASK(PINNED));
}

/* A part of the memory is pinned, for an area that is not the first of it. */
TEST_F(change, counts_what_is_pinned_of_the_memory)
{
	__u64 copy = IOVA;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, ioas_map_file(FD, ioas, MAP_RW | MAP_AT, self->file, 0,
				   4 * LENGTH, &copy));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, ioas,
			       IOVA + SMALL_PAGE, 3 * SMALL_PAGE, &copy));
	EXPECT_EQ(3 * SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(3 * SMALL_PAGE, ASK(PINNED));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(change, is_refused_where_a_process_owns_memory)
{
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LENGTH / 2, IOVA));
	ASSERT_EQ(0, map_private_memory(SPACE));
	EXPECT_EQ(-EINVAL, ASK(CHANGE_PROCESS));
	EXPECT_EQ(-EINVAL, change_process(FD));
	EXPECT_EQ(LENGTH / 2 + SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, ASK(PINNED));

	/* anywhere in the file */
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, ioas_map_at(FD, ioas, self->rig.scratch, SMALL_PAGE,
				 IOVA));
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	EXPECT_EQ(-EINVAL, ASK(CHANGE_PROCESS));
	EXPECT_EQ(LENGTH, vm_pinned());
	ASSERT_EQ(0, iommufd_destroy(FD, ioas));
	EXPECT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(change, lets_the_first_process_end)
{
	char bytes[64];
	int status;
	pid_t pid;

	ASSERT_EQ(0, ATTACH());
	pid = fork();
	if (!pid)
		_exit(MAP(0, LENGTH, IOVA) ? 1 : 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, change_process(FD));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(locked_of(variant->account, LENGTH), vm_locked());

	/* the memory is the same */
	ASSERT_EQ(64, pwrite(self->file, memset(bytes, 6, 64), 64, 0));
	ASSERT_EQ(0, edu_dma_to_device(&self->rig.edu, IOVA, 0, 64));
	ASSERT_EQ(0, edu_dma_from_device(&self->rig.edu, 0, IOVA + 64, 64));
	ASSERT_EQ(64, pread(self->file, bytes, 64, 64));
	EXPECT_TRUE(memory_is(bytes, 6, 64));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(change, lets_the_second_process_end)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	ASSERT_EQ(0, end_other(&self->other));
	ASSERT_EQ(0, change_process(FD));
	EXPECT_EQ(LENGTH, vm_pinned());
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
}

/* -- from who has no limit to who has one, and back -- */

FIXTURE(privilege)
{
	struct edu_rig rig;
	int file;
	struct other other;
};

FIXTURE_SETUP(privilege)
{
	MAKE(edu_rig_make(&self->rig));
	self->file = memfd_alloc(4 * LENGTH, false);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, limit_memlock(LENGTH));
	ASSERT_EQ(0, ATTACH());
}

FIXTURE_TEARDOWN(privilege)
{
	EXPECT_EQ(0, end_both(&self->rig, &self->other));
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

TEST_F(privilege, of_a_process_decides_what_counts_from_then_on)
{
	/* the child keeps what is taken from this process */
	ASSERT_EQ(0, start_other(&self->other, SPACE, self->file, NOBODY,
				 0));
	ASSERT_EQ(0, MAP(0, 2 * LENGTH, IOVA));
	ASSERT_EQ(0, become_user(49999));
	EXPECT_EQ(-ENOMEM, change_process(FD));
	EXPECT_EQ(2 * LENGTH, vm_pinned());
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	EXPECT_EQ(-ENOMEM, MAP(LENGTH, SMALL_PAGE, IOVA + MIB));
	ASSERT_EQ(0, ask(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(LENGTH, ask(&self->other, PINNED, 0));
	EXPECT_EQ(0, MAP(LENGTH, LENGTH, IOVA + MIB));
	ASSERT_EQ(0, ask(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(2 * LENGTH, ask(&self->other, PINNED, 0));
	EXPECT_EQ(-ENOMEM, change_process(FD));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(0, change_process(FD));
	EXPECT_EQ(-ENOMEM, MAP(0, SMALL_PAGE, IOVA));
}

/* Two processes of one user: what moves is not counted twice. */
TEST_F(privilege, of_a_user_is_counted_once)
{
	ASSERT_EQ(0, start_other(&self->other, SPACE, self->file, BY_USER,
				 49998));
	ASSERT_EQ(0, become_user(49998));
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	EXPECT_EQ(0, ask(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(LENGTH, ask(&self->other, PINNED, 0));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-ENOMEM, MAP(LENGTH, SMALL_PAGE, IOVA + MIB));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, MAP(0, LENGTH, IOVA));
}

/* Nothing is counted twice, but what is counted is too much for the other. */
TEST_F(privilege, of_a_user_is_bounded_by_each_process)
{
	ASSERT_EQ(0, start_other(&self->other, SPACE, self->file, BY_USER,
				 49997));
	ASSERT_EQ(0, become_user(49997));
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	ASSERT_EQ(0, ask(&self->other, LIMIT, LENGTH - SMALL_PAGE));
	EXPECT_EQ(-ENOMEM, ask(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, ask(&self->other, PINNED, 0));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, MAP(0, LENGTH - SMALL_PAGE, IOVA));
	EXPECT_EQ(0, ask(&self->other, CHANGE_PROCESS, 0));
}

/* What the other has as well is charged to him once, and what he keeps stays. */
TEST_F(change, counts_memory_of_both_processes_once)
{
	const size_t part = LENGTH / 4;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, 2 * part, IOVA));
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	ASSERT_EQ(0, MAP(part, 3 * part, IOVA + MIB));
	ASSERT_EQ(0, MAP(2 * part, 2 * part, IOVA + 2 * MIB));
	EXPECT_EQ(3 * part, vm_pinned());
	EXPECT_EQ(2 * part, ASK(PINNED));

	/* all of the other's limit, and not a page more */
	ASSERT_EQ(0, MAP(LENGTH, SMALL_PAGE, IOVA + 3 * MIB));
	if (variant->account != NOBODY)
		EXPECT_EQ(-ENOMEM, ASK(CHANGE_PROCESS));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA + 3 * MIB, SMALL_PAGE, NULL));
	EXPECT_EQ(3 * part, vm_pinned());
	EXPECT_EQ(2 * part, ASK(PINNED));
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
	EXPECT_EQ(LENGTH, ASK(PINNED));
	EXPECT_EQ(locked_of(variant->account, LENGTH), ASK(LOCKED));

	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA + MIB, 3 * part, NULL));
	EXPECT_EQ(LENGTH, ASK(PINNED));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA + 2 * MIB, 2 * part, NULL));
	EXPECT_EQ(2 * part, ASK(PINNED));
	ASSERT_EQ(0, change_process(FD));
	EXPECT_EQ(2 * part, vm_pinned());
	EXPECT_EQ(0, ASK(PINNED));
	EXPECT_EQ(0, ASK(LOCKED));
}

/* The other half of a file's pages is another context's, and stays charged. */
TEST_F(change, leaves_what_another_context_has)
{
	struct mock_rig second;

	if (variant->account == BY_PROCESS)
		SKIP(return, "the mode is that of a context");
	ASSERT_EQ(0, seteuid(0));
	MAKE(mock_rig_make(&second));
	MAKE(mock_rig_plug(&second, 0));
	if (variant->account != NOBODY)
		ASSERT_EQ(0, seteuid(self->user));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	ASSERT_EQ(0, map_file((struct space){ second.iommufd, second.ioas },
			      self->file, LENGTH / 2, LENGTH, IOVA));
	EXPECT_EQ(LENGTH + LENGTH / 2, vm_pinned());
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(LENGTH, ASK(PINNED));
	ASSERT_EQ(0, ASK(UNMAP));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, ASK(PINNED));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(0, mock_rig_break(&second));
	EXPECT_EQ(0, vm_pinned());
}

/*
 * -- many maps, and others at work: the test device, and nobody has a limit but
 * where a test sets one
 */

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
	EXPECT_EQ(-EINVAL, change_process(FD));
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
	EXPECT_EQ(-EINVAL, change_process(FD));
	EXPECT_EQ(SMALL_PAGE, ASK(PINNED));
}

/* Two processes take turns, so that each map is charged for itself. */
static int map_in_turns(struct space space, int file, struct other *other,
			unsigned long n)
{
	int rc = 0;

	while (n-- && !rc)
		rc = n % 2 ? ask(other, MAP_PAGE, n) : map_page(space, file, n);
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
	EXPECT_EQ(0, change_process(FD));
	EXPECT_EQ(100 * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, ASK(PINNED));
}

TEST_F_TIMEOUT(many, charges_stay_where_one_cannot_move, TIMEOUT)
{
	ASSERT_EQ(0, MAP_IN_TURNS(6));
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
	WITH_EACH_FAILURE(change_process(FD),
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
	if (write(*begun, "", 1) != 1 || change_process(iommufd))
		_exit(1);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(many, charges_move_or_stay_when_the_process_is_killed, TIMEOUT)
{
	const long all = 300 * SMALL_PAGE;
	long moved = 0, stayed = 0, pinned;
	__u32 random = chosen_seed(4711);
	int round, begun = -1, status;
	char byte;
	pid_t pid;

	TH_LOG("SEED=%u", random);
	ASSERT_EQ(0, MAP_IN_TURNS(300));
	ASSERT_EQ(0, change_process(FD));
	for (round = 0; round < 24; round++) {
		pid = start_taker(FD, &begun);
		ASSERT_LT(0, pid);
		ASSERT_EQ(1, read(begun, &byte, 1));
		/* it takes more or less long on each machine */
		usleep(random_next(&random) % (1U << round / 2));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		close(begun);

		pinned = vm_pinned();
		EXPECT_TRUE(!pinned || pinned == all)
			TH_LOG("%ld of %ld bytes stayed", pinned, all);
		if (pinned)
			stayed++;
		else
			moved++;
		ASSERT_EQ(0, change_process(FD));
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
		rc = change_process(FD);
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

/* -- everything at once -- */

#define SLOTS 16
/* more than what is pinned before it is charged */
#define SLOT_BYTES (32 * SMALL_PAGE)

enum {
	TAKEN,			/* by one or the other process */
	FILES,
	COPIES,
	OWN_MEMORY,
	DEVICE,
	NR_GOALS,
};

/* What all threads share */
FIXTURE(busy)
{
	struct crowd crowd;
	struct mock_rig rig;
	__u32 second;
	int file;
	char *va;
	struct goal goals[NR_GOALS];
	int unexpected;
	struct other other;
};

#define BUSY FIXTURE_DATA(busy)

FIXTURE_VARIANT(busy)
{
	enum account account;
};

FIXTURE_VARIANT_ADD(busy, with_nobodys_charges) { .account = NOBODY };
FIXTURE_VARIANT_ADD(busy, with_users_charges) { .account = BY_USER };
FIXTURE_VARIANT_ADD(busy, with_processes_charges) { .account = BY_PROCESS };

FIXTURE_SETUP(busy)
{
	unsigned int user = 60000 + 2 * getpid();

	MAKE(mock_rig_make(&self->rig));
	if (variant->account == BY_PROCESS) {
		/* it is the file's, as long as it has no object */
		ASSERT_EQ(0, iommufd_destroy(FD, IOAS));
		ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE, 0,
						1));
		ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	}
	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, ioas_alloc(FD, &self->second));
	self->va = address_room(SLOT_BYTES, SLOT_BYTES);
	ASSERT_NE(NULL, self->va);
	self->file = memfd_alloc(SLOTS * SLOT_BYTES, false);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, start_other(&self->other, SPACE, self->file,
				 variant->account, user + 1));
	/* for some of it: now and then somebody is refused */
	ASSERT_EQ(0, limit_memlock(SLOTS / 2 * SLOT_BYTES));
	if (variant->account != NOBODY)
		ASSERT_EQ(0, become_user(user));
}

FIXTURE_TEARDOWN(busy)
{
	EXPECT_EQ(0, end_other(&self->other));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

static bool is_one_of(int rc, const int *allowed)
{
	if (!rc)
		return true;
	for (; *allowed; allowed++)
		if (rc == -*allowed)
			return true;
	return false;
}

static int expect(BUSY *self, int rc, const int *allowed)
{
	if (!is_one_of(rc, allowed))
		self->unexpected = rc;
	return rc;
}

#define MAY_FAIL(self, rc, ...) \
	expect(self, rc, (const int[]){ __VA_ARGS__, 0 })

static __u64 slot(__u32 random)
{
	return IOVA + random % SLOTS * SLOT_BYTES;
}

static int map_files(void *data)
{
	BUSY *self = data;
	__u32 random = chosen_seed(1);
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		__u64 iova = slot(random_next(&random));

		rc = ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, self->file,
				   iova - IOVA, SLOT_BYTES, &iova);
		if (!MAY_FAIL(self, rc, EEXIST, ENOMEM))
			goal_count(&self->goals[FILES]);
		rc = ioas_unmap(FD, IOAS, slot(random_next(&random)),
				SLOT_BYTES, NULL);
		MAY_FAIL(self, rc, ENOENT, EBUSY);
	}
	return 0;
}

static int copy_files(void *data)
{
	BUSY *self = data;
	__u32 random = chosen_seed(2);
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		__u64 from = slot(random_next(&random));
		__u64 copy = slot(random_next(&random)) + 64 * MIB;

		rc = ioas_copy(FD, MAP_RW | MAP_AT, self->second, IOAS,
			       from + SMALL_PAGE, 2 * SMALL_PAGE, &copy);
		if (!MAY_FAIL(self, rc, ENOENT, EEXIST, ENOMEM))
			goal_count(&self->goals[COPIES]);
		copy = slot(random_next(&random)) + 64 * MIB;
		rc = ioas_unmap(FD, self->second, copy, SLOT_BYTES, NULL);
		MAY_FAIL(self, rc, ENOENT, EBUSY);
	}
	return 0;
}

/* Now and then: as long as it is there, nothing can be taken over. */
static int map_own_memory(void *data)
{
	const __u64 iova = IOVA + 128 * MIB;
	BUSY *self = data;
	unsigned long next = 1;
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		if (__atomic_load_n(&self->goals[TAKEN].times,
				    __ATOMIC_RELAXED) < next) {
			usleep(1000);
			continue;
		}
		next += 4;
		rc = ioas_map_at(FD, IOAS, self->va, SLOT_BYTES, iova);
		if (!MAY_FAIL(self, rc, ENOMEM))
			goal_count(&self->goals[OWN_MEMORY]);
		rc = ioas_unmap(FD, IOAS, iova, SLOT_BYTES, NULL);
		MAY_FAIL(self, rc, ENOENT);
	}
	return 0;
}

static int move_device(void *data)
{
	BUSY *self = data;
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		__u32 first = IOAS, second = self->second;

		rc = mock_domain_replace(FD, DEV.stdev, &second);
		if (!MAY_FAIL(self, rc, ENOMEM))
			goal_count(&self->goals[DEVICE]);
		rc = mock_domain_replace(FD, DEV.stdev, &first);
		MAY_FAIL(self, rc, ENOMEM);
	}
	return 0;
}

/* One process, and the other, by turns */
static int take_over(void *data)
{
	BUSY *self = data;
	bool ours = false;
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		rc = ours ? change_process(FD) : ASK(CHANGE_PROCESS);
		if (!MAY_FAIL(self, rc, EBUSY, EINVAL, ENOMEM))
			goal_count(&self->goals[TAKEN]);
		ours = !ours;
	}
	return 0;
}

static int (*const workers[])(void *data) = {
	map_files, copy_files, map_own_memory, move_device, take_over,
};

TEST_F_TIMEOUT(busy, context_loses_no_charge, TIMEOUT)
{
	static const struct goal goals[NR_GOALS] = {
		[TAKEN] = { "changes of process", 10 },
		[FILES] = { "files", 50 },
		[COPIES] = { "copies", 10 },
		[OWN_MEMORY] = { "own memory", 2 },
		[DEVICE] = { "moves of the device", 10 },
	};
	const struct goal *missed;
	__u32 ioas = IOAS;
	size_t i;

	memcpy(self->goals, goals, sizeof(goals));
	for (i = 0; i < ARRAY_SIZE(workers); i++)
		ASSERT_EQ(0, crowd_add(&self->crowd, workers[i], self));
	missed = crowd_reach(&self->crowd, self->goals, NR_GOALS);
	ASSERT_EQ(0, crowd_end(&self->crowd));
	for (i = 0; i < NR_GOALS; i++)
		TH_LOG("%s: %lu", self->goals[i].what, self->goals[i].times);
	EXPECT_EQ(NULL, missed) TH_LOG("too few: %s", missed->what);
	EXPECT_EQ(0, self->unexpected);

	/* what is left is all of one process, and goes away with the maps */
	ASSERT_EQ(0, ioas_unmap_all(FD, self->second, NULL));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev,
					 &ioas));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
	EXPECT_EQ(0, ASK(PINNED));
	EXPECT_EQ(0, ASK(LOCKED));
	ASSERT_EQ(0, map_file(SPACE, self->file, 0, 4 * SLOT_BYTES, IOVA));
	EXPECT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(4 * SLOT_BYTES, ASK(PINNED));
	EXPECT_EQ(locked_of(variant->account, 4 * SLOT_BYTES), ASK(LOCKED));
}

/* -- arguments; no device is needed -- */

TEST(of_no_maps_at_all_is_allowed)
{
	int iommufd = iommufd_open();
	__u32 ioas;

	ASSERT_LE(0, iommufd);
	EXPECT_EQ(0, change_process(iommufd));
	ASSERT_EQ(0, ioas_alloc(iommufd, &ioas));
	EXPECT_EQ(0, change_process(iommufd));
	close(iommufd);
}

TEST(with_reserved_bits_is_refused)
{
	struct iommu_ioas_change_process cmd = {
		.size = sizeof(cmd),
		.__reserved = 1,
	};
	int iommufd = iommufd_open();

	ASSERT_LE(0, iommufd);
	EXPECT_EQ(-EOPNOTSUPP, checked_ioctl(iommufd,
					     IOMMU_IOAS_CHANGE_PROCESS, &cmd));
	close(iommufd);
}

TEST_HARNESS_MAIN
