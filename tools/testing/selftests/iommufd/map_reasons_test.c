// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reasons of what is not mapped, and of what is not done to maps: see
 * reasons_test.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "late_page.h"
#include "reason_fixture.h"
#include "test_support.h"
#include "threads.h"

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
	ASSERT_EQ(0, IN_CHILD(-ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA)));
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

	PLUG(0);
	EXPECT_EQ(ENOMEM, IN_CHILD(-map_as_user(FD, IOAS, VA)));
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

struct slow_destroy {
	struct thread_call call;
	int iommufd;
	__u32 ioas;
};

static int run_destroy(void *data)
{
	struct slow_destroy *destroy = data;

	return iommufd_destroy(destroy->iommufd, destroy->ioas);
}

/* Says when it waits, and is there until it is killed. */
static void destroy_for_ever(int iommufd, __u32 ioas, int waits)
{
	struct slow_destroy destroy = { .iommufd = iommufd, .ioas = ioas };

	if (thread_call_start(&destroy.call, run_destroy, &destroy) ||
	    !thread_call_wait_asleep(&destroy.call) ||
	    write(waits, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* A process that is killed while DESTROY waits for a call of another */
static int kill_destroy(int iommufd, __u32 ioas)
{
	ssize_t nr;
	int waits;
	pid_t pid;
	char byte;

	pid = fork_with_pipe(&waits);
	if (pid < 0)
		return pid;
	if (!pid)
		destroy_for_ever(iommufd, ioas, waits);
	nr = read(waits, &byte, 1);
	close(waits);
	if (nr == 1)
		kill(pid, SIGKILL);
	return child_status(pid) == -EINTR ? 0 : -EIO;
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
	ASSERT_EQ(0, kill_destroy(FD, allow.ioas));
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
	EXPECT_WHY(EBUSY, AREA_CHANGING, FD, ioas_change_process(FD));
	EXPECT_NUMBERS(IOVA, IOVA + SMALL_PAGE - 1);
	ASSERT_EQ(0, late_page_give(&late));
	ASSERT_EQ(0, thread_call_end(&map.call));
	EXPECT_WHY(EINVAL, PROCESS_MEMORY, FD, ioas_change_process(FD));
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

TEST_HARNESS_MAIN
