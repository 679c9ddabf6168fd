// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_CHANGE_PROCESS: a process that has got the file of another takes
 * over what that one is charged for.
 *
 * The test is the first process; the other one is a child.
 */
#include <string.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "mock_rig.h"
#include "takeover_rig.h"
#include "test_support.h"

#define IOVA TAKEOVER_IOVA
/* So that parts of it are more than what is pinned before it is charged */
#define LENGTH TAKEOVER_LIMIT

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
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)
#define DETACH() vfio_detach(&self->rig.edu)
#define SPACE ((struct space){ FD, IOAS })
#define ASK(step) ask_other(&self->other, step, 0)
#define MAP(start, length, iova) \
	map_file(SPACE, self->file, start, length, iova)

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
		EXPECT_EQ(-ENOMEM, ioas_change_process(FD));
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
	ASSERT_EQ(0, ioas_change_process(FD));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(locked_of(variant->account, LENGTH), vm_locked());
	EXPECT_EQ(0, ASK(PINNED));
	EXPECT_EQ(0, ASK(LOCKED));
}

TEST_F(change, to_the_same_process_changes_nothing)
{
	ASSERT_EQ(0, ioas_change_process(FD));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	ASSERT_EQ(0, ioas_change_process(FD));
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

	ASSERT_EQ(0, ask_other(&self->other, LIMIT, LENGTH - SMALL_PAGE));
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
	EXPECT_EQ(-EINVAL, ioas_change_process(FD));
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

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, IN_CHILD(-MAP(0, LENGTH, IOVA)));
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, ioas_change_process(FD));
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
	ASSERT_EQ(0, ioas_change_process(FD));
	EXPECT_EQ(LENGTH, vm_pinned());
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
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
	ASSERT_EQ(0, ioas_change_process(FD));
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
	EXPECT_EQ(-ENOMEM, ioas_change_process(FD));
	EXPECT_EQ(2 * LENGTH, vm_pinned());
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	EXPECT_EQ(-ENOMEM, MAP(LENGTH, SMALL_PAGE, IOVA + MIB));
	ASSERT_EQ(0, ask_other(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(LENGTH, ask_other(&self->other, PINNED, 0));
	EXPECT_EQ(0, MAP(LENGTH, LENGTH, IOVA + MIB));
	ASSERT_EQ(0, ask_other(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(2 * LENGTH, ask_other(&self->other, PINNED, 0));
	EXPECT_EQ(-ENOMEM, ioas_change_process(FD));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(0, ioas_change_process(FD));
	EXPECT_EQ(-ENOMEM, MAP(0, SMALL_PAGE, IOVA));
}

/* Two processes of one user: what moves is not counted twice. */
TEST_F(privilege, of_a_user_is_counted_once)
{
	ASSERT_EQ(0, start_other(&self->other, SPACE, self->file, BY_USER,
				 49998));
	ASSERT_EQ(0, become_user(49998));
	ASSERT_EQ(0, MAP(0, LENGTH, IOVA));
	EXPECT_EQ(0, ask_other(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(LENGTH, ask_other(&self->other, PINNED, 0));
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
	ASSERT_EQ(0, ask_other(&self->other, LIMIT, LENGTH - SMALL_PAGE));
	EXPECT_EQ(-ENOMEM, ask_other(&self->other, CHANGE_PROCESS, 0));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, ask_other(&self->other, PINNED, 0));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, MAP(0, LENGTH - SMALL_PAGE, IOVA));
	EXPECT_EQ(0, ask_other(&self->other, CHANGE_PROCESS, 0));
}

/* -- arguments; no device is needed -- */

TEST(of_no_maps_at_all_is_allowed)
{
	int iommufd = iommufd_open();
	__u32 ioas;

	ASSERT_LE(0, iommufd);
	EXPECT_EQ(0, ioas_change_process(iommufd));
	ASSERT_EQ(0, ioas_alloc(iommufd, &ioas));
	EXPECT_EQ(0, ioas_change_process(iommufd));
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
