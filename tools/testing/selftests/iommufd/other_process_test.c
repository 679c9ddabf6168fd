// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of one process in an IOAS that another one uses: as long as there is
 * such memory, and afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "fail_each.h"
#include "mock_rig.h"
#include "test_support.h"

#define LENGTH (64 * SMALL_PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)
#define COPY_IOVA (IOVA + 16 * MIB)
/* Of so much memory a step takes, all of it is pinned in several. */
#define LITTLE_MEMORY 256

#define FD (self->owner.rig.iommufd)
#define IOAS (self->owner.rig.ioas)
#define DEV (self->owner.rig.dev)

/* What has become of the process's memory when the test goes on */
enum fate {
	LIVES,
	EXITED,
	RUNS_ANOTHER_PROGRAM,
};

struct owner {
	struct mock_rig rig;
	struct memory_rig mem;
	unsigned int user;	/* who owns the memory, and may lock no more */
	pid_t pid;
};

static int owner_make(struct owner *owner)
{
	/* no user is that of two tests */
	owner->user = 90000 + getpid();
	/* the owner has its own copy once it has written to it */
	return mock_rig_make(&owner->rig) ?:
	       memory_rig_make(&owner->mem, PAGES_SMALL_RANDOM, LENGTH);
}

static int owner_end(struct owner *owner)
{
	pid_t pid = owner->pid;
	int status;

	owner->pid = 0;
	if (!pid)
		return 0;
	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid ? 0 : -ECHILD;
}

static long owner_break(struct owner *owner)
{
	int rc = owner_end(owner);

	mock_memory_limit(owner->rig.iommufd, 0);
	return rc ?: mock_rig_break(&owner->rig) ?: mock_devices();
}

FIXTURE(owner)
{
	struct owner owner;
};

FIXTURE_VARIANT(owner)
{
	enum fate fate;
};

FIXTURE_VARIANT_ADD(owner, that_lives) { .fate = LIVES };
FIXTURE_VARIANT_ADD(owner, that_has_exited) { .fate = EXITED };
FIXTURE_VARIANT_ADD(owner, that_runs_another_program)
{
	.fate = RUNS_ANOTHER_PROGRAM,
};

#define GONE (variant->fate != LIVES)

FIXTURE_SETUP(owner)
{
	MAKE(owner_make(&self->owner));
}

FIXTURE_TEARDOWN(owner)
{
	EXPECT_EQ(0, owner_break(&self->owner));
}

static int owner_map(struct owner *owner)
{
	return memory_rig_map(&owner->mem, owner->rig.iommufd, owner->rig.ioas,
			      IOVA);
}

static void own(struct owner *owner, enum fate fate, int done)
{
	pattern_fill(owner->mem.va, LENGTH, 2);
	if (limit_memlock(LENGTH) || become_user(owner->user))
		_exit(1);
	if (owner_map(owner))
		_exit(2);
	/* closed in time, whatever becomes of it */
	fcntl(done, F_SETFD, FD_CLOEXEC);
	if (write(done, "", 1) != 1)
		_exit(3);
	if (fate == RUNS_ANOTHER_PROGRAM)
		execl("/bin/sleep", "sleep", "1000", NULL);
	while (fate == LIVES)
		pause();
	_exit(4);
}

/* A process maps memory of its own, and then that happens to it. */
static int owner_start(struct owner *owner, enum fate fate)
{
	char byte;
	int done;

	owner->pid = fork_with_pipe(&done);
	if (owner->pid < 0)
		return owner->pid;
	if (!owner->pid)
		own(owner, fate, done);
	if (read(done, &byte, 1) != 1)
		return -EIO;
	/* its memory is gone when it has left the pipe */
	if (fate != LIVES && read(done, &byte, 1))
		return -EIO;
	close(done);
	return fate == EXITED ? owner_end(owner) : 0;
}

/* Has the owner's user nothing locked any more? */
static int user_may_lock_all(struct owner *owner)
{
	pid_t pid = fork();

	if (!pid) {
		if (limit_memlock(LENGTH) || become_user(owner->user))
			_exit(1);
		_exit(-owner_map(owner));
	}
	return child_status(pid);
}

/* By anybody, in bytes */
#define PINNED (pins_left(self->owner.rig.pins) * (long)SMALL_PAGE)

TEST_F(owner, has_memory_for_a_device_that_comes_as_long_as_it_is_there)
{
	ASSERT_EQ(0, owner_start(&self->owner, variant->fate));
	EXPECT_EQ(GONE ? -EFAULT : 0, mock_domain(FD, IOAS, &DEV));
	EXPECT_EQ(GONE ? 0 : LENGTH, PINNED);
	EXPECT_EQ(GONE ? 0 : 1, mock_devices());

	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(0, PINNED);
	if (GONE)
		ASSERT_EQ(0, mock_domain(FD, IOAS, &DEV));
	EXPECT_EQ(0, user_may_lock_all(&self->owner));
}

TEST_F(owner, has_memory_for_another_ioas_as_long_as_it_is_there)
{
	__u64 iova = COPY_IOVA;
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, mock_domain(FD, other, &DEV));
	ASSERT_EQ(0, owner_start(&self->owner, variant->fate));
	EXPECT_EQ(GONE ? -EFAULT : 0,
		  ioas_copy(FD, MAP_RW | MAP_AT, other, IOAS, IOVA, LENGTH,
			    &iova));
	EXPECT_EQ(GONE ? 0 : LENGTH, PINNED);
	EXPECT_EQ(0, ioas_unmap_all(FD, other, NULL));
	EXPECT_EQ(0, PINNED);
}

/* What a device has others can have, too. */
TEST_F(owner, is_not_needed_for_what_is_pinned)
{
	struct mock_device late;
	__u64 iova = COPY_IOVA;
	__u32 hwpt, other;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &DEV));
	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, mock_domain(FD, other, &late));
	ASSERT_EQ(0, owner_start(&self->owner, variant->fate));
	EXPECT_EQ(LENGTH, PINNED);
	EXPECT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &hwpt));
	EXPECT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, other, IOAS, IOVA, LENGTH,
			       &iova));
	EXPECT_EQ(LENGTH, PINNED);

	/* its user pays until the last one lets go of it */
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(ENOMEM, user_may_lock_all(&self->owner));
	EXPECT_EQ(0, ioas_unmap_all(FD, other, NULL));
	EXPECT_EQ(0, PINNED);
	EXPECT_EQ(0, user_may_lock_all(&self->owner));
}

TEST_F(owner, of_a_process_pays_whatever_becomes_of_it)
{
	ASSERT_EQ(0, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &DEV));
	ASSERT_EQ(0, owner_start(&self->owner, variant->fate));
	EXPECT_EQ(LENGTH, PINNED);
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, PINNED);
	EXPECT_EQ(0, vm_pinned());
}

/*
 * Pieces of memory: some pages that follow each other in the machine, too, while
 * the next ones are elsewhere
 */

#define PIECE (4 * SMALL_PAGE)
#define NR_PIECES (LENGTH / PIECE)

FIXTURE(pieces)
{
	struct owner owner;	/* this process */
	char *va;		/* LENGTH, in NR_PIECES pieces */
	struct mock_device *dev;
};

/*
 * Those of a huge page, the last one first. No child shares them, for which they
 * would be copied when they are pinned.
 */
static int make_pieces(char *va)
{
	struct memory huge;
	size_t offset;
	int rc;

	rc = memory_alloc(&huge, PAGES_THP, HUGE_PAGE);
	for (offset = 0; offset < LENGTH && !rc; offset += PIECE)
		if (mremap(huge.va + LENGTH - PIECE - offset, PIECE, PIECE,
			   MREMAP_MAYMOVE | MREMAP_FIXED,
			   va + offset) != va + offset)
			rc = -errno;
	if (!rc && madvise(va, LENGTH, MADV_DONTFORK))
		rc = -errno;
	return rc;
}

FIXTURE_SETUP(pieces)
{
	MAKE(mock_rig_make(&self->owner.rig));
	self->va = anonymous(LENGTH);
	ASSERT_NE(NULL, self->va);
	MAKE(rig_part("pieces of a huge page", make_pieces(self->va)));
	ASSERT_EQ(NR_PIECES, memory_pieces(self->va, LENGTH));
	self->dev = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->dev);
}

FIXTURE_TEARDOWN(pieces)
{
	EXPECT_EQ(0, owner_break(&self->owner));
}

TEST_F(pieces, are_mapped_by_others_as_their_owner_has_them)
{
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->va, LENGTH, IOVA));
	ASSERT_EQ(0, IN_CHILD(-mock_domain(FD, IOAS, self->dev)));
	EXPECT_EQ(NR_PIECES, memory_pieces(self->va, LENGTH));
	EXPECT_EQ(LENGTH, PINNED);
	EXPECT_EQ(0, mock_check_map(FD, self->dev->hwpt, IOVA, LENGTH,
				    self->va));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(0, PINNED);
}

/*
 * Failures
 */

FIXTURE(failing)
{
	struct owner owner;
};

/* In several steps, each of which may fail where others have been made */
FIXTURE_SETUP(failing)
{
	MAKE(owner_make(&self->owner));
	ASSERT_EQ(0, owner_start(&self->owner, LIVES));
	ASSERT_EQ(0, mock_memory_limit(FD, LITTLE_MEMORY));
}

FIXTURE_TEARDOWN(failing)
{
	EXPECT_EQ(0, owner_break(&self->owner));
}

TEST_F_TIMEOUT(failing, device_has_nothing_of_the_owners_pinned, 120)
{
	WITH_EACH_FAILURE(mock_domain(FD, IOAS, &DEV),
			  PINNED == 0 && !mock_devices(),
			  mock_destroy(FD, &DEV), -ENOENT, -EINVAL);
}

TEST_F_TIMEOUT(failing, driver_has_nothing_of_the_owners_pinned, 120)
{
	__u32 item;
	int access;

	access = mock_access(FD, IOAS,
			     MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	ASSERT_LE(0, access);
	WITH_EACH_FAILURE(mock_access_pin(FD, access, 0, IOVA, LENGTH, NULL,
					  &item),
			  PINNED == 0,
			  mock_access_unpin(FD, access, item));
	EXPECT_EQ(0, close(access));
}

TEST_HARNESS_MAIN
