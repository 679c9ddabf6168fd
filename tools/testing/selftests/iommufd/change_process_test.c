// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_CHANGE_PROCESS: a process that has got the file of another takes
 * over what that one is charged for.
 *
 * The test is the first process; the other one is a child that does one step
 * when it is told to, and tells what came of it.
 */
#include <fcntl.h>

#include <sys/wait.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)
#define LENGTH (16 * SMALL_PAGE)

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
	long pins;
	struct rig rig;
	int file;
	unsigned int user;
	struct other other;
};

FIXTURE_VARIANT(change)
{
	enum account account;
};

FIXTURE_VARIANT_ADD(change, of_nobodys_charges)
{
	.account = NOBODY,
};

FIXTURE_VARIANT_ADD(change, of_users_charges)
{
	.account = BY_USER,
};

FIXTURE_VARIANT_ADD(change, of_processes_charges)
{
	.account = BY_PROCESS,
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)
#define DETACH() vfio_detach(&self->rig.edu)

static int change_process(int iommufd)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return checked_ioctl(iommufd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

static int map_file(struct rig *rig, int file, __u64 start, __u64 length,
		    __u64 iova)
{
	return ioas_map_file(rig->iommufd, rig->ioas, MAP_RW | MAP_AT, file,
			     start, length, &iova);
}

#define MAP(start, length, iova) \
	map_file(&self->rig, self->file, start, length, iova)

static int map_private_memory(struct rig *rig)
{
	char *va = address_room(SMALL_PAGE, SMALL_PAGE);

	return ioas_map_at(rig->iommufd, rig->ioas, va, SMALL_PAGE,
			   IOVA + 64 * MIB);
}

static long run_step(struct rig *rig, const struct request *request)
{
	switch (request->step) {
	case CHANGE_PROCESS:
		return change_process(rig->iommufd);
	case PINNED:
		return vm_pinned();
	case LOCKED:
		return vm_locked();
	case LIMIT:
		return limit_memlock(request->argument);
	case UNMAP:
		return ioas_unmap_all(rig->iommufd, rig->ioas, NULL);
	default:
		return -EINVAL;
	}
}

static void run_other(struct rig *rig, int requests, int answers)
{
	struct request request;
	long answer;

	while (read(requests, &request, sizeof(request)) == sizeof(request)) {
		answer = run_step(rig, &request);
		if (write(answers, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

static int start_other(struct other *other, struct rig *rig,
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
		run_other(rig, requests[0], answers[1]);
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

/* Ends all; returns how many pins are left of it. */
static long pins_left(struct rig *rig, struct other *other, long pins_before)
{
	long pins;
	int rc;

	rc = end_other(other);
	if (rc)
		return rc;
	rig_close(rig);
	if (seteuid(0))
		return -errno;
	pins = pins_held();
	return pins < 0 ? pins : pins - pins_before;
}

/* Charging is decided by the file, before it has any object. */
static int choose_account(struct rig *rig, enum account account)
{
	int rc;

	if (account != BY_PROCESS)
		return 0;
	vfio_close(&rig->edu);
	rc = iommufd_destroy(rig->iommufd, rig->ioas);
	if (!rc)
		rc = iommufd_option_set(rig->iommufd, IOMMU_OPTION_RLIMIT_MODE,
					0, 1);
	if (!rc)
		rc = ioas_alloc(rig->iommufd, &rig->ioas);
	return rc ? rc : edu_setup(&rig->edu, rig->iommufd);
}

FIXTURE_SETUP(change)
{
	int rc;

	self->pins = pins_held();
	rc = rig_open(&self->rig);
	if (rc == -ENODEV)
		SKIP(return, "there is no edu device");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, choose_account(&self->rig, variant->account));
	self->file = memfd_alloc(4 * LENGTH, false);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, limit_memlock(2 * LENGTH));
	/* no user is that of two tests, nor of both processes */
	self->user = 50000 + 2 * getpid();
	ASSERT_EQ(0, start_other(&self->other, &self->rig, variant->account,
				 self->user + 1));
	if (variant->account != NOBODY)
		ASSERT_EQ(0, become_user(self->user));
}

FIXTURE_TEARDOWN(change)
{
	EXPECT_EQ(0, pins_left(&self->rig, &self->other, self->pins));
}

/* Of the bytes that are pinned, how many count as locked? */
static long locked_of(enum account account, long pinned)
{
	return account == BY_PROCESS ? pinned : 0;
}

TEST_F(change, moves_the_charge)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	EXPECT_EQ(LENGTH, vm_pinned());
	ASSERT_EQ(0, ASK(CHANGE_PROCESS));
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
	ASSERT_EQ(0, map_private_memory(&self->rig));
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
	long pins;
	struct rig rig;
	int file;
	struct other other;
};

FIXTURE_SETUP(privilege)
{
	int rc;

	self->pins = pins_held();
	rc = rig_open(&self->rig);
	if (rc == -ENODEV)
		SKIP(return, "there is no edu device");
	ASSERT_EQ(0, rc);
	self->file = memfd_alloc(4 * LENGTH, false);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, limit_memlock(LENGTH));
	ASSERT_EQ(0, ATTACH());
}

FIXTURE_TEARDOWN(privilege)
{
	EXPECT_EQ(0, pins_left(&self->rig, &self->other, self->pins));
}

TEST_F(privilege, of_a_process_decides_what_counts_from_then_on)
{
	/* the child keeps what is taken from this process */
	ASSERT_EQ(0, start_other(&self->other, &self->rig, NOBODY, 0));
	ASSERT_EQ(0, MAP(0, 2 * LENGTH, IOVA));
	ASSERT_EQ(0, become_user(49999));
	EXPECT_EQ(-ENOMEM, change_process(FD));
	EXPECT_EQ(2 * LENGTH, vm_pinned());
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	EXPECT_EQ(-ENOMEM, MAP(0, SMALL_PAGE, IOVA + MIB));
	ASSERT_EQ(0, ask(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(LENGTH, ask(&self->other, PINNED, 0));
	EXPECT_EQ(0, MAP(0, LENGTH, IOVA + MIB));
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
	ASSERT_EQ(0, start_other(&self->other, &self->rig, BY_USER, 49998));
	ASSERT_EQ(0, become_user(49998));
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	EXPECT_EQ(0, ask(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(LENGTH, ask(&self->other, PINNED, 0));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-ENOMEM, MAP(0, SMALL_PAGE, IOVA + MIB));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, MAP(0, LENGTH, IOVA));
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
