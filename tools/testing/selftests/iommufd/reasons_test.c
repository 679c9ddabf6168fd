// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each call that fails has a reason of its own, which the file keeps: how they
 * are kept, and those that any call may have. What errno which call has is for
 * other programs; in those named *reasons_test the reasons are provoked, and
 * scripts/check-reasons asks that all of them are.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_nth.h"
#include "reason_fixture.h"
#include "test_support.h"

#define KEPT 32

/*
 * How they are kept
 */

FIXTURE(kept)
{
	int fd;
};

FIXTURE_SETUP(kept)
{
	self->fd = iommufd_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(kept)
{
	close(self->fd);
}

TEST_F(kept, are_none_at_first)
{
	struct iommu_refusal entry;
	__u32 nr = 1;

	ASSERT_EQ(0, refusals_get(self->fd, 0, &entry, &nr));
	EXPECT_EQ(0, nr);
}

TEST_F(kept, tell_who_when_and_what)
{
	const __u64 before = monotonic_ns();

	EXPECT_WHY(ENOENT, NO_OBJECT, self->fd, iommufd_destroy(self->fd, NO_SUCH_ID));
	EXPECT_NUMBERS(NO_SUCH_ID);
	EXPECT_EQ(1, told.number);
	EXPECT_EQ(IOMMU_DESTROY, told.command);
	EXPECT_EQ(gettid(), told.thread);
	EXPECT_LE(before, told.time);
	EXPECT_LE(told.time, monotonic_ns());
}

TEST_F(kept, are_kept_up_to_a_number)
{
	struct iommu_refusal entries[KEPT + 1];
	__u32 nr = KEPT + 1;
	int i;

	for (i = 0; i < KEPT - 1; i++)
		ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_SUCH_ID + i));
	ASSERT_EQ(0, refusals_get(self->fd, 0, entries, &nr));
	ASSERT_EQ(KEPT - 1, nr);
	EXPECT_EQ(1, entries[0].number);
	for (; i < 3 * KEPT; i++)
		ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_SUCH_ID + i));
	nr = KEPT + 1;
	ASSERT_EQ(0, refusals_get(self->fd, 0, entries, &nr));
	ASSERT_EQ(KEPT, nr);
	for (i = 0; i < KEPT; i++) {
		EXPECT_EQ(2 * KEPT + 1 + i, entries[i].number);
		EXPECT_EQ(NO_SUCH_ID + 2 * KEPT + i, entries[i].numbers[0]);
	}
	/* Some of them */
	nr = 3;
	ASSERT_EQ(0, refusals_get(self->fd, 2 * KEPT + 5, entries, &nr));
	ASSERT_EQ(3, nr);
	EXPECT_EQ(2 * KEPT + 5, entries[0].number);
	nr = 3;
	ASSERT_EQ(0, refusals_get(self->fd, 3 * KEPT, entries, &nr));
	EXPECT_EQ(1, nr);
	nr = 3;
	ASSERT_EQ(0, refusals_get(self->fd, 3 * KEPT + 1, entries, &nr));
	EXPECT_EQ(0, nr);
}

TEST_F(kept, go_on_where_one_has_read_to)
{
	struct iommu_refusal entry;
	struct iommu_get_refusals cmd = {
		.size = sizeof(cmd),
		.entry_size = sizeof(entry),
		.nr = 1,
		.entries = (uintptr_t)&entry,
	};
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_SUCH_ID + i));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, checked_ioctl(self->fd, IOMMU_GET_REFUSALS, &cmd));
		ASSERT_EQ(1, cmd.nr);
		EXPECT_EQ(i + 1, entry.number);
		EXPECT_EQ(i + 2, cmd.first);
	}
	ASSERT_EQ(0, checked_ioctl(self->fd, IOMMU_GET_REFUSALS, &cmd));
	EXPECT_EQ(0, cmd.nr);
}

TEST_F(kept, are_for_programs_that_know_more_or_less)
{
	struct {
		struct iommu_refusal entry;
		__u64 more;
	} entry = { .more = 1 };
	struct iommu_get_refusals cmd = {
		.size = sizeof(cmd),
		.entry_size = sizeof(entry),
		.nr = 1,
		.entries = (uintptr_t)&entry,
	};

	ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_SUCH_ID));
	ASSERT_EQ(0, checked_ioctl(self->fd, IOMMU_GET_REFUSALS, &cmd));
	EXPECT_EQ(1, entry.entry.number);
	EXPECT_EQ(0, entry.more);

	cmd.entry_size = sizeof(entry.entry) - 1;
	EXPECT_WHY(EINVAL, SHORT_STRUCT, self->fd,
		   checked_ioctl(self->fd, IOMMU_GET_REFUSALS, &cmd));
	cmd.entry_size = sizeof(entry.entry);
	cmd.flags = 1;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, self->fd,
		   checked_ioctl(self->fd, IOMMU_GET_REFUSALS, &cmd));
	cmd.flags = 0;
	cmd.first = 0;
	cmd.nr = 1;
	cmd.entries = 0;
	EXPECT_WHY(EFAULT, USER_MEMORY, self->fd,
		   checked_ioctl(self->fd, IOMMU_GET_REFUSALS, &cmd));
}

TEST_F(kept, include_those_of_the_recorder)
{
	struct iommu_set_recorder set = {
		.size = sizeof(set),
		.length = IOMMU_RECORDER_MAX + 1,
	};
	struct iommu_get_records get = {
		.size = sizeof(get),
		.entry_size = sizeof(struct iommu_record) - 1,
	};

	EXPECT_WHY(EINVAL, RECORDER_LENGTH, self->fd,
		   checked_ioctl(self->fd, IOMMU_SET_RECORDER, &set));
	EXPECT_NUMBERS(IOMMU_RECORDER_MAX + 1, IOMMU_RECORDER_MAX);
	set.length = 0;
	set.flags = 1;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, self->fd,
		   checked_ioctl(self->fd, IOMMU_SET_RECORDER, &set));
	set.flags = 0;
	set.__reserved = 1;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, self->fd,
		   checked_ioctl(self->fd, IOMMU_SET_RECORDER, &set));
	EXPECT_WHY(EINVAL, SHORT_STRUCT, self->fd,
		   checked_ioctl(self->fd, IOMMU_GET_RECORDS, &get));
	get.entry_size++;
	get.flags = 1;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, self->fd,
		   checked_ioctl(self->fd, IOMMU_GET_RECORDS, &get));
	get.flags = 0;
	get.__reserved = 1;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, self->fd,
		   checked_ioctl(self->fd, IOMMU_GET_RECORDS, &get));
}

TEST_F(kept, are_of_one_file)
{
	struct iommu_refusal entry;
	int other = iommufd_open();
	__u32 nr = 1;

	ASSERT_LE(0, other);
	ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_SUCH_ID));
	ASSERT_EQ(0, refusals_get(other, 0, &entry, &nr));
	EXPECT_EQ(0, nr);
	close(other);
}

/*
 * Whatever the call
 */

TEST_F(reasons, of_structures)
{
	struct {
		struct iommu_ioas_alloc cmd;
		__u32 more;
	} longer = { .cmd.size = sizeof(longer), .more = 1 };
	struct iommu_ioas_alloc cmd = { .size = 4 };
	struct iommu_option option = { .size = sizeof(option) };
	struct iommu_hw_info info = { .size = sizeof(info), .dev_id = 1 };

	EXPECT_WHY(EINVAL, SHORT_STRUCT, FD,
		   checked_ioctl(FD, IOMMU_IOAS_ALLOC, &cmd));
	EXPECT_NUMBERS(4, sizeof(cmd));
	EXPECT_WHY(E2BIG, LONG_STRUCT, FD,
		   checked_ioctl(FD, IOMMU_IOAS_ALLOC, &longer));
	EXPECT_NUMBERS(sizeof(longer), sizeof(cmd));
	EXPECT_WHY(EFAULT, USER_MEMORY, FD,
		   checked_ioctl(FD, IOMMU_IOAS_ALLOC, NULL));
	EXPECT_WHY(ENOTTY, COMMAND, FD,
		   checked_ioctl(FD, _IO(IOMMUFD_TYPE, 0xcf), &cmd));
	EXPECT_WHY(ENOTTY, COMMAND, FD,
		   checked_ioctl(FD, _IO('x', IOMMUFD_CMD_IOAS_ALLOC), &cmd));
	cmd.size = sizeof(cmd);
	cmd.flags = 0x10;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD,
		   checked_ioctl(FD, IOMMU_IOAS_ALLOC, &cmd));
	EXPECT_NUMBERS(0x10);
	option.__reserved = 3;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, FD,
		   checked_ioctl(FD, IOMMU_OPTION, &option));
	EXPECT_NUMBERS(3);
	info.__reserved[1] = 1;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, FD,
		   hw_info_ioctl(FD, &info));
}

/* One failure after the other, until it is one of an allocation. */
TEST_F(reasons, of_memory_of_the_kernel)
{
	int fail_nth = fail_nth_open();
	int nth, rc = -EFAULT;
	__u64 before = 0;
	__u32 ioas;

	if (fail_nth < 0)
		SKIP(return, "no fault injection");
	for (nth = 1; rc != -ENOMEM && nth < 20; nth++) {
		before = nr_refusals(FD);
		fail_nth_set(fail_nth, nth);
		rc = ioas_alloc(FD, &ioas);
		fail_nth_set(fail_nth, 0);
	}
	ASSERT_EQ(-ENOMEM, rc);
	EXPECT_EQ(IOMMU_WHY_NO_MEMORY, why_since(FD, before));
}

TEST_F(reasons, of_objects)
{
	__u32 empty;

	PLUG(0);
	EXPECT_WHY(ENOENT, NO_OBJECT, FD,
		   ioas_unmap(FD, NO_SUCH_ID, IOVA, SMALL_PAGE, NULL));
	EXPECT_NUMBERS(NO_SUCH_ID);
	EXPECT_WHY(ENOENT, OBJECT_TYPE, FD,
		   ioas_unmap(FD, DEV.idev, IOVA, SMALL_PAGE, NULL));
	EXPECT_NUMBERS(DEV.idev);
	EXPECT_WHY(EBUSY, OBJECT_IN_USE, FD, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(IOAS, told.numbers[0]);
	EXPECT_LT(0, told.numbers[1]);
	EXPECT_WHY(EBUSY, OBJECT_IN_USE, FD, iommufd_destroy(FD, DEV.idev));
	ASSERT_EQ(0, ioas_alloc(FD, &empty));
	EXPECT_EQ(0, iommufd_destroy(FD, empty));
}

TEST_F(reasons, of_options)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.op = 9,
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
	};
	int fd = iommufd_open();

	ASSERT_LE(0, fd);
	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD,
		   checked_ioctl(FD, IOMMU_OPTION, &cmd));
	EXPECT_NUMBERS(9);
	cmd.option_id = 77;
	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD,
		   checked_ioctl(FD, IOMMU_OPTION, &cmd));
	EXPECT_NUMBERS(77);
	EXPECT_WHY(EOPNOTSUPP, OPTION_OBJECT, FD,
		   iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE, IOAS, 1));
	EXPECT_NUMBERS(IOMMU_OPTION_RLIMIT_MODE, IOAS);
	EXPECT_WHY(EBUSY, HAS_OBJECTS, FD,
		   iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_WHY(EINVAL, OPTION_VALUE, FD,
		   iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 2));
	EXPECT_NUMBERS(IOMMU_OPTION_HUGE_PAGES, 2);
	EXPECT_WHY(EINVAL, OPTION_VALUE, fd,
		   iommufd_option_set(fd, IOMMU_OPTION_RLIMIT_MODE, 0, 2));
	close(fd);
}

TEST_F(reasons, of_options_for_maps)
{
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + 1, SMALL_PAGE, IOVA));
	EXPECT_WHY(EADDRINUSE, AREA_ALIGNMENT, FD,
		   iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	EXPECT_NUMBERS(SMALL_PAGE);
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	PLUG(0);
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	EXPECT_WHY(EINVAL, LARGE_ENTRIES, FD,
		   iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	EXPECT_NUMBERS(1);
}

/* The child's check is the parent's: who lacks the privilege calls. */
TEST_F(reasons, of_privileges)
{
	__u64 before = nr_refusals(FD);
	pid_t pid;
	int rc;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		rc = drop_capability(CAP_SYS_RESOURCE);
		if (!rc)
			rc = iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE,
						0, 1);
		_exit(-rc);
	}
	EXPECT_EQ(EPERM, child_status(pid));
	EXPECT_EQ(IOMMU_WHY_PRIVILEGE, why_since(FD, before));
	EXPECT_NUMBERS(CAP_SYS_RESOURCE);
	EXPECT_EQ(pid, told.thread);
}

TEST_HARNESS_MAIN
