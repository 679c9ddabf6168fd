// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each call that fails has a reason of its own, which the file keeps. What errno
 * which call has is for other programs; here the reasons are provoked, and
 * scripts/check-reasons asks that all of them are.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/vfio.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_nth.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"
#include "viommu_rig.h"
#include "vfio_container.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define NR_PAGES 16
#define KEPT 32
#define NONE (~0U)

/* How many calls have failed so far */
static __u64 nr_refusals(int iommufd)
{
	struct iommu_refusal last;

	return refusal_last(iommufd, 0, &last) ? 0 : last.number;
}

static struct iommu_refusal told;

static unsigned int why_since(int iommufd, __u64 number)
{
	memset(&told, 0, sizeof(told));
	return refusal_last(iommufd, number + 1, &told) ? NONE : told.why;
}

/* @call fails with @error, and the file @iommufd says @why_, once. */
#define EXPECT_WHY(error_, why_, iommufd_, call_) do {			\
	const int file_ = (iommufd_), wanted_ = (error_);		\
	const __u64 before_ = nr_refusals(file_);			\
									\
	EXPECT_EQ(-wanted_, (call_));					\
	EXPECT_EQ(IOMMU_WHY_##why_, why_since(file_, before_));		\
	EXPECT_EQ(wanted_, told.error);					\
	EXPECT_EQ(before_ + 1, told.number);				\
} while (0)

/* The numbers of the last one */
#define EXPECT_NUMBERS(...) do {					\
	const __u64 wanted_[IOMMU_REFUSAL_NUMBERS] = { __VA_ARGS__ };	\
	int n_;								\
									\
	for (n_ = 0; n_ < IOMMU_REFUSAL_NUMBERS; n_++)			\
		EXPECT_EQ(wanted_[n_], told.numbers[n_])		\
			TH_LOG("number %d", n_);			\
} while (0)

FIXTURE(reasons)
{
	struct mock_rig rig;
	struct memory_rig mem;
};

FIXTURE_SETUP(reasons)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, NR_PAGES * SMALL_PAGE));
}

FIXTURE_TEARDOWN(reasons)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define VA (self->mem.va)
#define LENGTH (self->mem.length)

#define PLUG(flags) ASSERT_EQ(0, mock_rig_plug(&self->rig, flags))

static int mmap_of(int fd, int prot, int flags, off_t offset)
{
	void *va = mmap(NULL, SMALL_PAGE, prot, flags, fd, offset);

	return va == MAP_FAILED ? -errno : 0;
}

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
	int status, rc;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		rc = drop_capability(CAP_SYS_RESOURCE);
		if (!rc)
			rc = iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE,
						0, 1);
		_exit(-rc);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
	EXPECT_EQ(IOMMU_WHY_PRIVILEGE, why_since(FD, before));
	EXPECT_NUMBERS(CAP_SYS_RESOURCE);
	EXPECT_EQ(pid, told.thread);
}

/*
 * Maps
 */

TEST_F(reasons, of_ranges)
{
	const __u64 high = UINT64_MAX - SMALL_PAGE + 1;
	__u64 iova = 0;

	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD,
		   ioas_map_flags(FD, IOAS, 0x80, VA, SMALL_PAGE, &iova));
	EXPECT_WHY(EINVAL, NO_ACCESS, FD,
		   ioas_map_flags(FD, IOAS, MAP_AT, VA, SMALL_PAGE, &iova));
	EXPECT_WHY(EOVERFLOW, ADDRESS, FD,
		   ioas_map_at(FD, IOAS, VA, SMALL_PAGE, UINT64_MAX));
	EXPECT_NUMBERS(UINT64_MAX, SMALL_PAGE);
	EXPECT_WHY(EINVAL, LENGTH, FD, ioas_map_at(FD, IOAS, VA, 0, IOVA));
	EXPECT_WHY(EOVERFLOW, RANGE_END, FD,
		   ioas_map_at(FD, IOAS, VA, high, IOVA));
	EXPECT_NUMBERS((uintptr_t)VA, high);
	EXPECT_WHY(EOVERFLOW, RANGE_END, FD,
		   ioas_map_at(FD, IOAS, VA, 2 * SMALL_PAGE, high));
	EXPECT_NUMBERS(high, 2 * SMALL_PAGE);
	EXPECT_WHY(EINVAL, EMPTY_RANGE, FD,
		   ioas_unmap(FD, IOAS, IOVA, 0, NULL));
	EXPECT_NUMBERS(IOVA);
	EXPECT_WHY(EOVERFLOW, IOVA_LENGTH, FD,
		   ioas_map(FD, IOAS, VA, 1ULL << 63, &iova));
	EXPECT_NUMBERS(1ULL << 63);
}

TEST_F(reasons, of_places)
{
	struct iommu_iova_range allowed = { IOVA, IOVA + MIB - 1 };
	__u64 iova;

	PLUG(0);
	EXPECT_WHY(EINVAL, IOVA_ALIGNMENT, FD,
		   ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA + 1));
	EXPECT_NUMBERS(IOVA + 1, SMALL_PAGE, MOCK_PAGE_SIZE);
	EXPECT_WHY(EINVAL, IOVA_ALIGNMENT, FD,
		   ioas_map(FD, IOAS, VA, SMALL_PAGE + 1, &iova));
	EXPECT_WHY(EINVAL, OFFSET_ALIGNMENT, FD,
		   ioas_map_at(FD, IOAS, VA + 1, SMALL_PAGE, IOVA));
	EXPECT_NUMBERS(1, MOCK_PAGE_SIZE);
	EXPECT_WHY(EINVAL, IOVA_RESERVED, FD,
		   ioas_map_at(FD, IOAS, VA, SMALL_PAGE, 0));
	EXPECT_NUMBERS(0, SMALL_PAGE - 1, 0, MOCK_APERTURE_START - 1);
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, 2 * SMALL_PAGE, IOVA));
	EXPECT_WHY(EEXIST, IOVA_TAKEN, FD,
		   ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA + SMALL_PAGE));
	EXPECT_NUMBERS(IOVA + SMALL_PAGE, IOVA + 2 * SMALL_PAGE - 1, IOVA,
		       IOVA + 2 * SMALL_PAGE - 1);
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, &allowed, 1));
	EXPECT_WHY(ENOSPC, IOVA_FULL, FD,
		   ioas_map(FD, IOAS, VA, 2 * MIB, &iova));
	EXPECT_EQ(2 * MIB, told.numbers[0]);
}

TEST_F(reasons, of_allowed_ranges)
{
	struct iommu_iova_range ranges[2] = {
		{ IOVA + 1, IOVA },
		{ IOVA, IOVA + SMALL_PAGE },
	};
	struct iommu_iova_range room;
	__u32 nr = 1;

	EXPECT_WHY(EINVAL, ALLOWED_RANGE, FD,
		   ioas_allow_iovas(FD, IOAS, ranges, 1));
	EXPECT_NUMBERS(IOVA + 1, IOVA);
	ranges[0].start = IOVA - 1;
	EXPECT_WHY(EINVAL, ALLOWED_TWICE, FD,
		   ioas_allow_iovas(FD, IOAS, ranges, 2));
	EXPECT_NUMBERS(IOVA, IOVA + SMALL_PAGE);
	ASSERT_EQ(0, mock_add_reserved(FD, IOAS, IOVA, MIB));
	EXPECT_WHY(EADDRINUSE, ALLOWED_RESERVED, FD,
		   ioas_allow_iovas(FD, IOAS, &ranges[1], 1));
	EXPECT_NUMBERS(IOVA, IOVA + SMALL_PAGE, IOVA, IOVA + MIB - 1);
	EXPECT_WHY(EMSGSIZE, RANGES_ROOM, FD,
		   ioas_iova_ranges(FD, IOAS, &room, &nr, NULL));
	EXPECT_NUMBERS(1, 2);
}

TEST_F(reasons, of_memory)
{
	char *hole;

	hole = mmap(NULL, 4 * SMALL_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, hole);
	ASSERT_EQ(0, munmap(hole + 2 * SMALL_PAGE, SMALL_PAGE));
	PLUG(0);
	EXPECT_WHY(EFAULT, MEMORY, FD,
		   ioas_map_at(FD, IOAS, hole, 4 * SMALL_PAGE, IOVA));
	EXPECT_NUMBERS((uintptr_t)hole + 2 * SMALL_PAGE, 2);
	EXPECT_WHY(EFAULT, MEMORY, FD,
		   ioas_map_at(FD, IOAS, hole + 2 * SMALL_PAGE, SMALL_PAGE,
			       IOVA));
	EXPECT_NUMBERS((uintptr_t)hole + 2 * SMALL_PAGE, 1);
}

TEST_F(reasons, of_memory_whose_process_has_ended)
{
	pid_t pid;
	int status;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_WHY(EFAULT, PROCESS_GONE, FD, mock_domain(FD, IOAS, &DEV));
	EXPECT_EQ(IOMMU_REFUSED_ATTACH, told.command);
}

static int map_as_user(int iommufd, __u32 ioas, const void *va)
{
	return limit_memlock(2 * SMALL_PAGE) ?:
	       become_user(12345) ?:
	       ioas_map_at(iommufd, ioas, va, 4 * SMALL_PAGE, IOVA);
}

TEST_F(reasons, of_the_limit)
{
	__u64 before = nr_refusals(FD);
	int status;
	pid_t pid;

	PLUG(0);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-map_as_user(FD, IOAS, VA));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(ENOMEM, WEXITSTATUS(status));
	EXPECT_EQ(IOMMU_WHY_MEMLOCK, why_since(FD, before));
	EXPECT_NUMBERS(4, 0, 2);
}

static int reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

TEST_F(reasons, of_files)
{
	int file = memfd_create("reasons", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int reads, writes;
	__u64 iova = IOVA;

	ASSERT_LE(0, file);
	ASSERT_LE(0, null);
	ASSERT_EQ(0, ftruncate(file, 2 * SMALL_PAGE));
	reads = reopen(file, O_RDONLY);
	writes = reopen(file, O_WRONLY);
	ASSERT_LE(0, reads);
	ASSERT_LE(0, writes);
	PLUG(0);
	EXPECT_WHY(EBADF, FILE_DESCRIPTOR, FD,
		   ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, 1000, 0,
				 SMALL_PAGE, &iova));
	EXPECT_NUMBERS(1000);
	EXPECT_WHY(EINVAL, FILE_KIND, FD,
		   ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, null, 0,
				 SMALL_PAGE, &iova));
	EXPECT_WHY(EPERM, FILE_READ, FD,
		   ioas_map_file(FD, IOAS, MAP_RO | MAP_AT, writes, 0,
				 SMALL_PAGE, &iova));
	EXPECT_WHY(EPERM, FILE_WRITE, FD,
		   ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, reads, 0,
				 SMALL_PAGE, &iova));
	EXPECT_WHY(EINVAL, FILE_RANGE, FD,
		   ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, file,
				 2 * SMALL_PAGE, SMALL_PAGE, &iova));
	EXPECT_NUMBERS(2 * SMALL_PAGE, 1);
	ASSERT_EQ(0, fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	EXPECT_WHY(EPERM, FILE_SEALED, FD,
		   ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, file, 0,
				 SMALL_PAGE, &iova));
	EXPECT_NUMBERS(F_SEAL_FUTURE_WRITE);
}

TEST_F(reasons, of_dma_bufs)
{
	int reads = mock_dmabuf(FD, 2 * SMALL_PAGE, O_RDONLY);
	__u64 iova = IOVA;

	ASSERT_LE(0, reads);
	EXPECT_WHY(EPERM, DMABUF_ACCESS, FD,
		   ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, reads, 0,
				 SMALL_PAGE, &iova));
	EXPECT_WHY(EINVAL, DMABUF_RANGE, FD,
		   ioas_map_file(FD, IOAS, MAP_RO | MAP_AT, reads, SMALL_PAGE,
				 2 * SMALL_PAGE, &iova));
	EXPECT_NUMBERS(SMALL_PAGE, 2 * SMALL_PAGE, 2 * SMALL_PAGE);
}

/*
 * What is mapped
 */

TEST_F(reasons, of_copies)
{
	__u64 iova = IOVA, other = IOVA + MIB;

	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, VA,
				    2 * SMALL_PAGE, &iova));
	EXPECT_WHY(EPERM, COPY_READ_ONLY, FD,
		   ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA, SMALL_PAGE,
			     &other));
	EXPECT_NUMBERS(IOVA);
	EXPECT_WHY(ENOENT, COPY_HOLE, FD,
		   ioas_copy(FD, MAP_RO | MAP_AT, IOAS, IOAS, IOVA,
			     3 * SMALL_PAGE, &other));
	EXPECT_NUMBERS(IOVA, IOVA + 3 * SMALL_PAGE - 1, IOVA + 2 * SMALL_PAGE);
}

TEST_F(reasons, of_unmaps)
{
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, 2 * SMALL_PAGE, IOVA));
	EXPECT_WHY(ENOENT, UNMAP_PART, FD,
		   ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	EXPECT_NUMBERS(IOVA, IOVA + SMALL_PAGE - 1, IOVA,
		       IOVA + 2 * SMALL_PAGE - 1);
	EXPECT_WHY(ENOENT, UNMAP_NOTHING, FD,
		   ioas_unmap(FD, IOAS, IOVA + MIB, SMALL_PAGE, NULL));
	EXPECT_NUMBERS(IOVA + MIB, IOVA + MIB + SMALL_PAGE - 1);
}

struct slow_allow {
	struct thread_call call;
	int iommufd;
	__u32 ioas;
	const void *ranges;
};

static int run_allow(void *data)
{
	struct slow_allow *allow = data;

	return ioas_allow_iovas(allow->iommufd, allow->ioas, allow->ranges, 1);
}

/* A process that is killed while DESTROY waits for a call of another */
static void kill_destroy(int iommufd, __u32 ioas)
{
	pid_t pid = fork();

	if (!pid) {
		iommufd_destroy(iommufd, ioas);
		_exit(0);
	}
	usleep(200000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST_F(reasons, of_waits_that_a_signal_ends)
{
	struct iommu_iova_range range = { IOVA, IOVA + MIB - 1 };
	struct slow_allow allow = { .iommufd = FD };
	struct late_page late;
	__u64 before;

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ioas_alloc(FD, &allow.ioas));
	ASSERT_EQ(0, late_page_open(&late, LATE_PAGE, &range, sizeof(range)));
	allow.ranges = late.va;
	ASSERT_EQ(0, thread_call_start(&allow.call, run_allow, &allow));
	ASSERT_TRUE(late_page_wait(&late));
	before = nr_refusals(FD);
	kill_destroy(FD, allow.ioas);
	EXPECT_EQ(IOMMU_WHY_SIGNAL, why_since(FD, before));
	EXPECT_EQ(IOMMU_DESTROY, told.command);
	ASSERT_EQ(0, late_page_give(&late));
	thread_call_end(&allow.call);
	late_page_close(&late);
}

struct slow_map {
	struct thread_call call;
	int iommufd;
	__u32 ioas;
	const char *va;
};

static int run_map(void *data)
{
	struct slow_map *map = data;

	return ioas_map_at(map->iommufd, map->ioas, map->va, SMALL_PAGE, IOVA);
}

TEST_F(reasons, of_what_is_changing)
{
	struct slow_map map = { .iommufd = FD, .ioas = IOAS };
	struct iommu_ioas_change_process change = { .size = sizeof(change) };
	struct late_page late;

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	PLUG(0);
	ASSERT_EQ(0, late_page_open(&late, LATE_PAGE, NULL, 0));
	map.va = late.va;
	ASSERT_EQ(0, thread_call_start(&map.call, run_map, &map));
	ASSERT_TRUE(late_page_wait(&late));
	EXPECT_WHY(EBUSY, AREA_CHANGING, FD,
		   ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	EXPECT_NUMBERS(IOVA, IOVA + SMALL_PAGE - 1);
	EXPECT_WHY(EBUSY, AREA_CHANGING, FD,
		   checked_ioctl(FD, IOMMU_IOAS_CHANGE_PROCESS, &change));
	EXPECT_NUMBERS(IOVA, IOVA + SMALL_PAGE - 1);
	ASSERT_EQ(0, late_page_give(&late));
	ASSERT_EQ(0, thread_call_end(&map.call));
	EXPECT_WHY(EINVAL, PROCESS_MEMORY, FD,
		   checked_ioctl(FD, IOMMU_IOAS_CHANGE_PROCESS, &change));
	EXPECT_NUMBERS(IOVA);
	late_page_close(&late);
}

TEST_F(reasons, of_drivers_that_reach_it_by_software)
{
	const int pins = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES;
	char buffer[16];
	__u64 iova = IOVA;
	__u32 ioas, item;
	int access;

	access = mock_access(FD, IOAS, pins);
	ASSERT_LE(0, access);
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, VA, SMALL_PAGE,
				    &iova));
	EXPECT_WHY(ENOENT, ACCESS_HOLE, FD,
		   mock_access_rw(FD, access, 0, IOVA + SMALL_PAGE - 8,
				  sizeof(buffer), buffer));
	EXPECT_NUMBERS(IOVA + SMALL_PAGE);
	EXPECT_WHY(EPERM, ACCESS_MODE, FD,
		   mock_access_rw(FD, access, MOCK_ACCESS_RW_WRITE, IOVA,
				  sizeof(buffer), buffer));
	EXPECT_WHY(EINVAL, ACCESS_ALIGNMENT, FD,
		   mock_access_pin(FD, access, 0, IOVA + 1, 1, NULL, &item));
	EXPECT_EQ(IOMMU_REFUSED_ACCESS, told.command);
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, ioas_map_at(FD, ioas, VA + 1, SMALL_PAGE, IOVA));
	EXPECT_WHY(EADDRINUSE, AREA_ALIGNMENT, FD,
		   mock_access_replace(FD, access, ioas));
	close(access);
}

TEST_F(reasons, of_memory_without_pages)
{
	int dmabuf = mock_dmabuf(FD, SMALL_PAGE, O_RDWR);
	char buffer[16];
	__u64 iova = IOVA;
	int access;

	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   SMALL_PAGE, &iova));
	access = mock_access(FD, IOAS, 0);
	ASSERT_LE(0, access);
	EXPECT_WHY(EINVAL, ACCESS_PAGES, FD,
		   mock_access_rw(FD, access, 0, IOVA, sizeof(buffer),
				  buffer));
	close(access);
}

/*
 * Devices
 */

static int attach_pasid(int iommufd, __u32 stdev, __u32 pasid, __u32 pt)
{
	return mock_pasid_attach(iommufd, stdev, pasid, &pt);
}

static int move(int iommufd, __u32 stdev, __u32 pt)
{
	return mock_domain_replace(iommufd, stdev, &pt);
}

TEST_F(reasons, of_attaches)
{
	struct mock_device other;
	__u32 hwpt, pt = IOAS;

	PLUG(0);
	EXPECT_WHY(ENOENT, NO_OBJECT, FD, move(FD, DEV.stdev, NO_SUCH_ID));
	EXPECT_EQ(IOMMU_REFUSED_REPLACE, told.command);
	EXPECT_WHY(EINVAL, ATTACH_TYPE, FD, move(FD, DEV.stdev, DEV.idev));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &hwpt));
	ASSERT_EQ(0, mock_join_group(true));
	EXPECT_WHY(EINVAL, ATTACH_GROUP, FD, mock_domain(FD, hwpt, &other));
	EXPECT_NUMBERS(hwpt, DEV.hwpt);
	EXPECT_EQ(IOMMU_REFUSED_ATTACH, told.command);
	ASSERT_EQ(0, mock_join_group(false));

	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_PASID,
				       &other));
	EXPECT_WHY(EINVAL, PASID_NUMBER, FD,
		   attach_pasid(FD, other.stdev, 1 << MOCK_PASID_WIDTH, IOAS));
	EXPECT_NUMBERS(1 << MOCK_PASID_WIDTH, 1 << MOCK_PASID_WIDTH);
	EXPECT_WHY(EINVAL, ATTACH_NO_PASIDS, FD,
		   attach_pasid(FD, other.stdev, 1, IOAS));
	EXPECT_NUMBERS(IOAS, 1);
	ASSERT_EQ(0, hwpt_alloc(FD, other.idev, IOAS, IOMMU_HWPT_ALLOC_PASID,
				&hwpt));
	ASSERT_EQ(0, move(FD, other.stdev, hwpt));
	pt = hwpt;
	EXPECT_WHY(EINVAL, NOT_ATTACHED, FD,
		   mock_pasid_replace(FD, other.stdev, 2, &pt));
	EXPECT_NUMBERS(2);
}

TEST_F(reasons, of_pasids)
{
	struct iommu_pasid_alloc cmd = {
		.first_pasid = 7,
		.last_pasid = 6,
	};
	struct mock_device plain;

	PLUG(MOCK_FLAGS_DEVICE_PASID);
	cmd.dev_id = DEV.idev;
	EXPECT_WHY(EINVAL, PASID_RANGE, FD, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(7, 6);
	cmd.last_pasid = 7;
	ASSERT_EQ(0, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_WHY(ENOSPC, PASIDS_TAKEN, FD, pasid_alloc_ioctl(FD, &cmd));
	cmd.flags = 1;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD, pasid_alloc_ioctl(FD, &cmd));
	cmd.flags = 0;
	cmd.__reserved = 1;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, FD,
		   pasid_alloc_ioctl(FD, &cmd));
	cmd.__reserved = 0;
	ASSERT_EQ(0, mock_domain(FD, IOAS, &plain));
	cmd.dev_id = plain.idev;
	EXPECT_WHY(EOPNOTSUPP, NO_PASIDS, FD, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(7);
	/* PASID 0 is not looked for: it is the device itself */
	cmd.dev_id = DEV.idev;
	cmd.first_pasid = 0;
	cmd.last_pasid = 1;
	ASSERT_EQ(0, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_WHY(ENOSPC, PASIDS_TAKEN, FD, pasid_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(1, 1);
}

TEST_F(reasons, of_devices_that_do_not_suit)
{
	struct iommu_iova_range low = { 0, SMALL_PAGE - 1 };

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, SMALL_PAGE));
	EXPECT_WHY(EADDRINUSE, DEVICE_RANGE_TAKEN, FD,
		   mock_domain(FD, IOAS, &DEV));
	EXPECT_NUMBERS(0, MOCK_APERTURE_START - 1, SMALL_PAGE,
		       2 * SMALL_PAGE - 1);
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, &low, 1));
	EXPECT_WHY(EADDRINUSE, DEVICE_RANGE_ALLOWED, FD,
		   mock_domain(FD, IOAS, &DEV));
	EXPECT_NUMBERS(0, MOCK_APERTURE_START - 1);
}

/*
 * Page tables
 */

TEST_F(reasons, of_page_tables)
{
	struct iommu_hwpt_alloc cmd = { .pt_id = IOAS };
	struct iommu_test_hwpt data = {};
	__u32 plain;

	PLUG(MOCK_FLAGS_DEVICE_NO_DIRTY);
	cmd.dev_id = DEV.idev;
	cmd.__reserved2 = 5;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, FD, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(5);
	cmd.__reserved2 = 0;
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	EXPECT_WHY(EINVAL, DATA_TYPE, FD, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(IOMMU_HWPT_DATA_SELFTEST, 0);
	cmd.data_type = 0;
	cmd.pt_id = NO_SUCH_ID;
	EXPECT_WHY(EINVAL, HWPT_PARENT, FD, hwpt_alloc_ioctl(FD, &cmd));
	cmd.pt_id = DEV.idev;
	EXPECT_WHY(EINVAL, HWPT_PARENT, FD, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(DEV.idev);
	cmd.pt_id = IOAS;
	cmd.flags = 1 << 30;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD, hwpt_alloc_ioctl(FD, &cmd));
	cmd.flags = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_FAULT_ID_VALID;
	EXPECT_WHY(EOPNOTSUPP, PARENT_FAULTS, FD, hwpt_alloc_ioctl(FD, &cmd));
	cmd.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	EXPECT_WHY(EOPNOTSUPP, NO_DIRTY, FD, hwpt_alloc_ioctl(FD, &cmd));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &plain));
	EXPECT_WHY(EOPNOTSUPP, NO_DIRTY, FD,
		   hwpt_set_dirty_tracking(FD, plain, 0));
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD,
		   hwpt_set_dirty_tracking(FD, plain, 0x100));
	cmd.flags = 0;
	cmd.pt_id = plain;
	EXPECT_WHY(EOPNOTSUPP, NO_NESTING, FD, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	cmd.data_len = sizeof(data);
	cmd.data_uptr = (uintptr_t)&data;
	EXPECT_WHY(EINVAL, NOT_PARENT, FD, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(plain);
}

TEST_F(reasons, of_dirty_bits)
{
	__u64 bits[8];
	__u32 hwpt;

	PLUG(0);
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
	EXPECT_WHY(EINVAL, DIRTY_ALIGNMENT, FD,
		   hwpt_get_dirty_bitmap(FD, hwpt, 0, IOVA + 1, SMALL_PAGE,
					 SMALL_PAGE, bits));
	EXPECT_NUMBERS(IOVA + 1, SMALL_PAGE);
	EXPECT_WHY(EINVAL, DIRTY_PAGE_SIZE, FD,
		   hwpt_get_dirty_bitmap(FD, hwpt, 0, IOVA, SMALL_PAGE,
					 SMALL_PAGE + 1, bits));
	EXPECT_NUMBERS(SMALL_PAGE + 1, SMALL_PAGE);
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD,
		   hwpt_get_dirty_bitmap(FD, hwpt, 0x80, IOVA, SMALL_PAGE,
					 SMALL_PAGE, bits));
	EXPECT_WHY(EOPNOTSUPP, NO_DIRTY, FD,
		   hwpt_get_dirty_bitmap(FD, DEV.hwpt, 0, IOVA, SMALL_PAGE,
					 SMALL_PAGE, bits));
}

TEST_F(reasons, of_invalidations)
{
	struct iommu_test_hwpt_invalidate entry = {};
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = IOAS,
		.data_uptr = (uintptr_t)&entry,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(entry),
		.entry_num = 1,
	};

	EXPECT_WHY(EINVAL, INVALIDATE_TYPE, FD,
		   hwpt_invalidate_ioctl(FD, &cmd));
	EXPECT_NUMBERS(IOAS);
	cmd.entry_num = 1;
	cmd.entry_len = 0;
	EXPECT_WHY(EINVAL, INVALIDATE_ARRAY, FD,
		   hwpt_invalidate_ioctl(FD, &cmd));
	EXPECT_NUMBERS(1, 0);
	cmd.__reserved = 1;
	EXPECT_WHY(EOPNOTSUPP, RESERVED_FIELD, FD,
		   hwpt_invalidate_ioctl(FD, &cmd));
}

TEST_F(reasons, of_files_of_page_requests)
{
	struct iommu_hwpt_page_response answer = {
		.cookie = 3,
		.code = 7,
	};
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd), .flags = 1 };
	struct iommu_hwpt_pgfault record;
	__u32 queue;
	int fd;

	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD,
		   checked_ioctl(FD, IOMMU_FAULT_QUEUE_ALLOC, &cmd));
	ASSERT_EQ(0, fault_queue_alloc(FD, &queue, &fd));
	EXPECT_WHY(ESPIPE, QUEUE_RECORDS, FD,
		   checked_read(fd, &record, sizeof(record) - 1));
	EXPECT_NUMBERS(sizeof(record) - 1, sizeof(record));
	EXPECT_EQ(IOMMU_REFUSED_READ, told.command);
	EXPECT_WHY(ESPIPE, QUEUE_RECORDS, FD,
		   checked_write(fd, &answer, sizeof(answer) - 1));
	EXPECT_EQ(IOMMU_REFUSED_WRITE, told.command);
	EXPECT_WHY(EINVAL, ANSWER_CODE, FD,
		   checked_write(fd, &answer, sizeof(answer)));
	EXPECT_NUMBERS(7);
	answer.code = IOMMUFD_PAGE_RESP_SUCCESS;
	EXPECT_WHY(EINVAL, ANSWER_COOKIE, FD,
		   checked_write(fd, &answer, sizeof(answer)));
	EXPECT_NUMBERS(3);
	close(fd);
}

TEST_F(reasons, of_what_is_mapped_from_the_file)
{
	const int rw = PROT_READ | PROT_WRITE;

	EXPECT_WHY(EINVAL, MMAP_PRIVATE, FD, mmap_of(FD, rw, MAP_PRIVATE, 0));
	EXPECT_EQ(IOMMU_REFUSED_MMAP, told.command);
	EXPECT_WHY(EPERM, MMAP_EXEC, FD,
		   mmap_of(FD, rw | PROT_EXEC, MAP_SHARED, 0));
	EXPECT_WHY(ENXIO, MMAP_RANGE, FD,
		   mmap_of(FD, rw, MAP_SHARED, SMALL_PAGE));
	EXPECT_NUMBERS(SMALL_PAGE, SMALL_PAGE);
}

/*
 * VFIO containers
 */

TEST_F(reasons, of_containers)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map) - 1,
		.flags = CONTAINER_RW,
		.vaddr = (uintptr_t)VA,
		.iova = IOVA,
		.size = SMALL_PAGE,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = 0x80,
		.iova = IOVA,
		.size = SMALL_PAGE,
	};
	__u32 id = IOAS;

	EXPECT_WHY(ENODEV, NO_VFIO_IOAS, FD,
		   vfio_ioas(FD, IOMMU_VFIO_IOAS_GET, &id));
	EXPECT_EQ(IOMMU_VFIO_IOAS, told.command);
	EXPECT_WHY(ENODEV, NO_VFIO_IOAS, FD,
		   checked_ioctl(FD, VFIO_SET_IOMMU,
				 (void *)VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(VFIO_SET_IOMMU, told.command);
	ASSERT_EQ(0, vfio_ioas(FD, IOMMU_VFIO_IOAS_SET, &id));
	EXPECT_WHY(EINVAL, VFIO_TYPE, FD,
		   checked_ioctl(FD, VFIO_SET_IOMMU, (void *)99));
	EXPECT_NUMBERS(99);
	EXPECT_WHY(EINVAL, SHORT_STRUCT, FD,
		   checked_ioctl(FD, VFIO_IOMMU_MAP_DMA, &map));
	map.argsz = sizeof(map);
	map.flags = 0x100 | CONTAINER_RW;
	EXPECT_WHY(EINVAL, VFIO_FLAGS, FD,
		   checked_ioctl(FD, VFIO_IOMMU_MAP_DMA, &map));
	EXPECT_NUMBERS(map.flags);
	EXPECT_WHY(EINVAL, VFIO_FLAGS, FD,
		   checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	unmap.flags = VFIO_DMA_UNMAP_FLAG_ALL;
	EXPECT_WHY(EINVAL, VFIO_UNMAP_ALL, FD,
		   checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_NUMBERS(IOVA, SMALL_PAGE);
	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD, vfio_ioas(FD, 9, &id));
	EXPECT_NUMBERS(9);
}

TEST_F(reasons, of_dirty_bits_of_containers)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {
		.argsz = sizeof(cmd),
		.flags = 0x80,
	};
	struct {
		struct vfio_iommu_type1_dirty_bitmap cmd;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} get = {
		.cmd.argsz = sizeof(get),
		.cmd.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.get.iova = IOVA,
		.get.size = SMALL_PAGE,
		.get.bitmap.pgsize = SMALL_PAGE + 1,
	};
	struct mock_device other;
	__u32 id = IOAS;

	ASSERT_EQ(0, vfio_ioas(FD, IOMMU_VFIO_IOAS_SET, &id));
	PLUG(0);
	EXPECT_WHY(EINVAL, VFIO_FLAGS, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &cmd));
	EXPECT_WHY(EINVAL, DIRTY_PAGE_SIZE, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &get));
	get.get.bitmap.pgsize = SMALL_PAGE;
	EXPECT_WHY(EINVAL, DIRTY_BITMAP, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &get));
	EXPECT_NUMBERS(0, 8);
	get.get.bitmap.size = 8;
	EXPECT_WHY(EINVAL, VFIO_DIRTY_OFF, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &get));
	get.get.iova = IOVA + 1;
	EXPECT_WHY(EINVAL, VFIO_ALIGNMENT, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &get));

	ASSERT_EQ(0, checked_ioctl(FD, VFIO_SET_IOMMU,
				   (void *)VFIO_TYPE1_IOMMU));
	EXPECT_WHY(EACCES, VFIO_DIRTY_V1, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &cmd));
	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_NO_DIRTY,
				       &other));
	EXPECT_WHY(ENOTTY, VFIO_NO_DIRTY, FD,
		   checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, &cmd));
}

TEST_F(reasons, of_parts_that_cannot_be_unmapped)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = IOVA + 1,
		.size = SMALL_PAGE,
	};
	__u32 id = IOAS;

	ASSERT_EQ(0, vfio_ioas(FD, IOMMU_VFIO_IOAS_SET, &id));
	PLUG(0);
	EXPECT_WHY(EINVAL, VFIO_ALIGNMENT, FD,
		   checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_NUMBERS(IOVA + 1, SMALL_PAGE);
}

/*
 * Virtual IOMMUs
 */

FIXTURE(viommu_reasons)
{
	struct viommu_rig rig;
	struct memory_rig mem;	/* at IOVA, physically in one piece */
};

FIXTURE_SETUP(viommu_reasons)
{
	MAKE(viommu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_HUGETLB, HUGE_PAGE));
	ASSERT_EQ(0, memory_rig_map(&self->mem, self->rig.mock.iommufd,
				    self->rig.mock.ioas, IOVA));
}

FIXTURE_TEARDOWN(viommu_reasons)
{
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

#undef FD
#undef DEV
#undef IOAS
#define FD (self->rig.mock.iommufd)
#define DEV (self->rig.mock.dev)
#define IOAS (self->rig.mock.ioas)
#define VIOMMU (self->rig.viommu)
#define VIRT_ID 0x42

TEST_F(viommu_reasons, of_virtual_iommus)
{
	struct iommu_viommu_alloc cmd = {
		.dev_id = DEV.idev,
		.hwpt_id = self->rig.parent,
	};

	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD, viommu_alloc_ioctl(FD, &cmd));
	cmd.type = 0x7777;
	EXPECT_WHY(EOPNOTSUPP, NO_VIOMMU, FD, viommu_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(0x7777);
	cmd.type = IOMMU_VIOMMU_TYPE_SELFTEST;
	cmd.hwpt_id = DEV.hwpt;
	EXPECT_WHY(EINVAL, NOT_PARENT, FD, viommu_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(DEV.hwpt);
	cmd.flags = 1;
	EXPECT_WHY(EOPNOTSUPP, FLAGS, FD, viommu_alloc_ioctl(FD, &cmd));
}

TEST_F(viommu_reasons, of_virtual_devices)
{
	struct mock_device other;
	__u32 vdevice;

	ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, DEV.idev, VIRT_ID, &vdevice));
	EXPECT_WHY(EEXIST, VDEVICE_TWICE, FD,
		   vdevice_alloc(FD, VIOMMU, DEV.idev, VIRT_ID + 1, &vdevice));
	EXPECT_NUMBERS(DEV.idev);
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	EXPECT_WHY(EEXIST, VDEVICE_NUMBER, FD,
		   vdevice_alloc(FD, VIOMMU, other.idev, VIRT_ID, &vdevice));
	EXPECT_NUMBERS(VIRT_ID);
}

TEST_F(viommu_reasons, of_event_queues)
{
	struct iommu_veventq_alloc cmd = {
		.viommu_id = VIOMMU,
		.type = IOMMU_VEVENTQ_TYPE_SELFTEST,
	};
	char room[4];
	__u32 queue;
	int fd;

	EXPECT_WHY(EINVAL, EVENT_DEPTH, FD, veventq_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(0, told.numbers[0]);
	cmd.type = IOMMU_VEVENTQ_TYPE_DEFAULT;
	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD, veventq_alloc_ioctl(FD, &cmd));
	ASSERT_EQ(0, veventq_alloc(FD, VIOMMU, IOMMU_VEVENTQ_TYPE_SELFTEST, 2,
				   &queue, &fd));
	cmd.type = IOMMU_VEVENTQ_TYPE_SELFTEST;
	cmd.veventq_depth = 2;
	EXPECT_WHY(EEXIST, EVENT_QUEUE_TWICE, FD,
		   veventq_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(IOMMU_VEVENTQ_TYPE_SELFTEST);
	EXPECT_WHY(EINVAL, QUEUE_ROOM, FD, checked_read(fd, room, 4));
	EXPECT_EQ(4, told.numbers[0]);
	close(fd);
}

TEST_F(viommu_reasons, of_hardware_queues)
{
	struct iommu_hw_queue_alloc cmd = {
		.viommu_id = VIOMMU,
		.type = 0x7777,
		.nesting_parent_iova = IOVA,
		.length = SMALL_PAGE,
	};
	const __u32 flags = IOMMU_IOAS_MAP_WRITEABLE | MAP_AT;
	__u64 iova = IOVA + HUGE_PAGE;
	__u32 queue;
	char *va;

	EXPECT_WHY(EOPNOTSUPP, NO_HW_QUEUE, FD, hw_queue_alloc_ioctl(FD, &cmd));
	EXPECT_NUMBERS(0x7777);
	cmd.type = IOMMU_HW_QUEUE_TYPE_DEFAULT;
	EXPECT_WHY(EOPNOTSUPP, OPERATION, FD, hw_queue_alloc_ioctl(FD, &cmd));
	ASSERT_EQ(0, mock_hw_queue(FD, VIOMMU, 0, IOVA, SMALL_PAGE, &queue));
	EXPECT_WHY(EBUSY, AREA_LOCKED, FD,
		   ioas_unmap(FD, IOAS, IOVA, HUGE_PAGE, NULL));
	EXPECT_NUMBERS(IOVA, IOVA + HUGE_PAGE - 1);

	va = anonymous(2 * SMALL_PAGE);
	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, flags, va, SMALL_PAGE, &iova));
	EXPECT_WHY(EPERM, LOCK_MODE, FD,
		   mock_hw_queue(FD, VIOMMU, 1, iova, SMALL_PAGE, &queue));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, SMALL_PAGE, NULL));
	/* One page twice is not in one piece. */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, SMALL_PAGE, iova));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, SMALL_PAGE, iova + SMALL_PAGE));
	EXPECT_WHY(EFAULT, LOCK_SCATTERED, FD,
		   mock_hw_queue(FD, VIOMMU, 1, iova, 2 * SMALL_PAGE, &queue));
	EXPECT_NUMBERS(iova + SMALL_PAGE);
}

TEST_HARNESS_MAIN
