// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinning memory of every kind and state: the device sees the very pages that
 * the process does, each page has one pin, and none is left at the end.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "test_support.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define IOVA (4ULL * GIB)
#define RW (PROT_READ | PROT_WRITE)
#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)

static long pages_of(size_t length)
{
	return length / SMALL_PAGE;
}

FIXTURE(pin)
{
	long pins;		/* before anything */
	long base;		/* with the rig's own */
	struct edu_rig rig;
};

FIXTURE_SETUP(pin)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(edu_rig_attach(&self->rig));
	self->base = pins_held();
}

FIXTURE_TEARDOWN_PARENT(pin)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

static int map_flags(struct edu_rig *rig, __u32 flags, const void *va,
		     size_t length)
{
	__u64 iova = IOVA;

	return ioas_map_flags(rig->iommufd, rig->ioas, flags | MAP_AT, va,
			      length, &iova);
}

static int map_file(struct edu_rig *rig, __u32 flags, int fd, __u64 start,
		    size_t length)
{
	__u64 iova = IOVA;

	return ioas_map_file(rig->iommufd, rig->ioas, flags | MAP_AT, fd, start,
			     length, &iova);
}

static int unmap(struct edu_rig *rig, size_t length)
{
	return ioas_unmap(rig->iommufd, rig->ioas, IOVA, length, NULL);
}

/* What the process writes there, the device reads at @iova. */
static bool same_page(struct edu_rig *rig, __u64 iova, char *va,
		      unsigned int seed)
{
	pattern_fill(va, 64, seed);
	return device_read(rig, iova, va, 64) == REACHED;
}

/* At the ends of the range, and on both sides of @middle. */
static bool same_memory(struct edu_rig *rig, char *va, size_t length,
			size_t middle)
{
	const size_t places[] = { 0, middle - SMALL_PAGE, middle,
				  length - SMALL_PAGE };
	size_t i;

	for (i = 0; i != ARRAY_SIZE(places); i++)
		if (!same_page(rig, IOVA + places[i], va + places[i], i + 1))
			return false;
	return true;
}

/* -- large folios that are not mapped as a whole -- */

TEST_F(pin, a_huge_page_of_which_a_piece_was_protected)
{
	const size_t piece = HUGE_PAGE + 5 * SMALL_PAGE;
	struct memory mem;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_THP, 2 * HUGE_PAGE));
	pattern_fill(mem.va + piece, SMALL_PAGE, 1);
	ASSERT_EQ(0, mprotect(mem.va + piece, SMALL_PAGE, PROT_READ));

	/* the piece may be read, not written */
	EXPECT_EQ(-EFAULT, map_flags(&self->rig, MAP_RW, mem.va, mem.length));
	EXPECT_EQ(self->base, pins_held());
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RO, mem.va, mem.length));
	EXPECT_EQ(self->base + pages_of(mem.length), pins_held());
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + piece, mem.va + piece,
				       64));
	ASSERT_EQ(0, unmap(&self->rig, mem.length));
	EXPECT_EQ(self->base, pins_held());

	ASSERT_EQ(0, mprotect(mem.va + piece, SMALL_PAGE, RW));
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, mem.va, mem.length));
	EXPECT_EQ(self->base + pages_of(mem.length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, mem.va, mem.length, piece));
}

TEST_F(pin, what_is_left_of_a_huge_page)
{
	const size_t hole = 7 * SMALL_PAGE;
	struct memory mem;
	char *va;
	size_t length;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_THP, HUGE_PAGE));
	ASSERT_EQ(0, munmap(mem.va + hole, SMALL_PAGE));

	EXPECT_EQ(-EFAULT, map_flags(&self->rig, MAP_RW, mem.va, mem.length));
	EXPECT_EQ(self->base, pins_held());
	va = mem.va + hole + SMALL_PAGE;
	length = mem.length - hole - SMALL_PAGE;
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, va, length));
	EXPECT_EQ(self->base + pages_of(length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va, length, MIB));
}

TEST_F(pin, pages_of_a_huge_page_in_another_order)
{
	struct memory mem;
	char *room = anonymous(4 * SMALL_PAGE);
	int i;

	ASSERT_NE(NULL, room);
	ASSERT_EQ(0, memory_alloc(&mem, PAGES_THP, HUGE_PAGE));
	for (i = 0; i != 4; i++)
		ASSERT_NE(MAP_FAILED,
			  mremap(mem.va + (16 + (i ^ 1)) * SMALL_PAGE,
				 SMALL_PAGE, SMALL_PAGE,
				 MREMAP_MAYMOVE | MREMAP_FIXED,
				 room + i * SMALL_PAGE));

	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, room, 4 * SMALL_PAGE));
	EXPECT_EQ(self->base + 4, pins_held());
	for (i = 0; i != 4; i++)
		EXPECT_TRUE(same_page(&self->rig, IOVA + i * SMALL_PAGE,
				      room + i * SMALL_PAGE, i + 1));
}

TEST_F(pin, part_of_a_hugetlb_page)
{
	const size_t offset = 3 * SMALL_PAGE;
	struct memory mem;
	size_t length;

	ASSERT_EQ(0, hugetlb_reserve(2 * HUGE_PAGE));
	ASSERT_EQ(0, memory_alloc(&mem, PAGES_HUGETLB, 2 * HUGE_PAGE));
	length = mem.length - 2 * offset;
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, mem.va + offset, length));
	EXPECT_EQ(self->base + pages_of(length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, mem.va + offset, length,
				HUGE_PAGE - offset));
	ASSERT_EQ(0, unmap(&self->rig, length));
	memory_free(&mem);
	hugetlb_release();
}

/* -- what pinning has to bring about first -- */

TEST_F(pin, a_hugetlb_page_of_1_gib)
{
	const size_t offset = 3 * SMALL_PAGE, length = GIB - 2 * offset;
	char *va = mmap(NULL, GIB, RW, MAP_PRIVATE | MAP_ANONYMOUS |
			MAP_HUGETLB | MAP_HUGE_1GB, -1, 0);

	if (va == MAP_FAILED)
		SKIP(return, "there is no page of 1 GiB");
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, va, GIB));
	EXPECT_EQ(self->base + pages_of(GIB), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va, GIB, GIB / 2));
	ASSERT_EQ(0, unmap(&self->rig, GIB));
	EXPECT_EQ(self->base, pins_held());

	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, va + offset, length));
	EXPECT_EQ(self->base + pages_of(length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va + offset, length, 512 * MIB));
	ASSERT_EQ(0, unmap(&self->rig, length));
	EXPECT_EQ(self->base, pins_held());
	munmap(va, GIB);
}

TEST_F(pin, a_file_of_a_hugetlb_page_of_1_gib)
{
	const size_t offset = 3 * SMALL_PAGE, length = GIB - 2 * offset;
	int fd = memfd_create("giant", MFD_HUGETLB | MFD_HUGE_1GB);
	char *va;

	if (fd < 0 || ftruncate(fd, GIB))
		SKIP(return, "there are no pages of 1 GiB");
	va = mmap(NULL, GIB, RW, MAP_SHARED, fd, 0);
	if (va == MAP_FAILED)
		SKIP(return, "there is no page of 1 GiB");
	ASSERT_EQ(0, map_file(&self->rig, MAP_RW, fd, offset, length));
	EXPECT_EQ(self->base + pages_of(length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va + offset, length, 512 * MIB));
	ASSERT_EQ(0, unmap(&self->rig, length));
	EXPECT_EQ(self->base, pins_held());
	munmap(va, GIB);
	close(fd);
}

TEST_F(pin, memory_that_was_never_touched)
{
	char *va = anonymous(3 * MIB);

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, va, 3 * MIB));
	EXPECT_EQ(self->base + pages_of(3 * MIB), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va, 3 * MIB, MIB));
}

/* The page that is written later must be the one that the device has. */
TEST_F(pin, reading_memory_that_was_never_written)
{
	char *va = anonymous(MIB);
	volatile char *page = va;

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, madvise(va, MIB, MADV_NOHUGEPAGE));
	EXPECT_EQ(0, page[0] | page[MIB / 2]);
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RO, va, MIB));
	EXPECT_EQ(self->base + pages_of(MIB), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va, MIB, MIB / 2));
}

TEST_F(pin, a_private_mapping_of_a_file)
{
	char *va;
	int fd = memfd_alloc(MIB, false);

	ASSERT_LE(0, fd);
	va = mmap(NULL, MIB, RW, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, va);
	/* some pages are the process's own already, others the file's */
	va[SMALL_PAGE] = 1;
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RO, va, MIB));
	EXPECT_EQ(self->base + pages_of(MIB), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va, MIB, SMALL_PAGE));
}

TEST_F(pin, a_shared_mapping_of_a_file)
{
	struct memory mem;
	int fd;

	ASSERT_EQ(0, memory_alloc_file(&mem, PAGES_SMALL_RANDOM, MIB, &fd));
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, mem.va, MIB));
	EXPECT_EQ(self->base + pages_of(MIB), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, mem.va, MIB, MIB / 2));
}

/* Room for huge pages of a file, of which nothing is there */
static char *huge_room_of_file(int fd, size_t length)
{
	char *room = mmap(NULL, length + HUGE_PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *va;

	if (room == MAP_FAILED)
		return NULL;
	va = (char *)(((uintptr_t)room + HUGE_PAGE - 1) & -HUGE_PAGE);
	va = mmap(va, length, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	return va == MAP_FAILED ? NULL : va;
}

TEST_F(pin, huge_pages_of_a_file_in_memory)
{
	const size_t length = 2 * HUGE_PAGE, offset = 5 * SMALL_PAGE;
	int fd = memfd_create("huge", MFD_CLOEXEC);
	char *va;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, length));
	va = huge_room_of_file(fd, length);
	ASSERT_NE(NULL, va);
	memset(va, 1, length);
	ASSERT_EQ(0, madvise(va, length, MADV_COLLAPSE));
	ASSERT_EQ(length, memory_huge_bytes(va, length));

	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, va + offset,
			       length - 2 * offset));
	EXPECT_EQ(self->base + pages_of(length - 2 * offset), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va + offset, length - 2 * offset,
				HUGE_PAGE));
	ASSERT_EQ(0, unmap(&self->rig, length - 2 * offset));

	ASSERT_EQ(0, map_file(&self->rig, MAP_RW, fd, 0, length));
	EXPECT_EQ(self->base + pages_of(length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va, length, HUGE_PAGE));
	ASSERT_EQ(0, unmap(&self->rig, length));
	EXPECT_EQ(self->base, pins_held());
	munmap(va, length);
	close(fd);
}

TEST_F(pin, nothing_of_a_range_with_a_hole_at_its_end)
{
	char *va = anonymous(4 * MIB + SMALL_PAGE);

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, munmap(va + 4 * MIB, SMALL_PAGE));
	EXPECT_EQ(-EFAULT, map_flags(&self->rig, MAP_RW, va,
				     4 * MIB + SMALL_PAGE));
	EXPECT_EQ(self->base, pins_held());
	EXPECT_EQ(0, map_flags(&self->rig, MAP_RW, va, 4 * MIB));
}

/* -- what happens to memory while it is pinned, and before -- */

/* A child that does nothing but have a copy of the address space. */
static pid_t fork_copy(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

static int end_copy(pid_t pid)
{
	if (kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
		return -errno;
	return 0;
}

TEST_F(pin, memory_stays_the_parents_over_a_fork)
{
	struct memory mem;
	pid_t pid;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_THP, HUGE_PAGE));
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, mem.va, mem.length));
	pid = fork_copy();
	ASSERT_LT(0, pid);
	EXPECT_TRUE(same_memory(&self->rig, mem.va, mem.length, MIB));
	EXPECT_EQ(0, end_copy(pid));
}

TEST_F(pin, memory_shared_with_a_child_is_unshared)
{
	struct memory mem;
	pid_t pid;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, MIB));
	pid = fork_copy();
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RO, mem.va, mem.length));
	EXPECT_EQ(self->base + pages_of(mem.length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, mem.va, mem.length, MIB / 2));
	EXPECT_EQ(0, end_copy(pid));
}

TEST_F(pin, pages_outlive_what_the_process_does_to_them)
{
	char old[64];
	struct memory mem;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_THP, HUGE_PAGE));
	pattern_fill(mem.va + MIB, sizeof(old), 9);
	memcpy(old, mem.va + MIB, sizeof(old));
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, mem.va, mem.length));

	ASSERT_EQ(0, madvise(mem.va, mem.length, MADV_DONTNEED));
	EXPECT_EQ(0, mem.va[MIB]);
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + MIB, old,
				       sizeof(old)));
	ASSERT_EQ(0, munmap(mem.va, mem.length));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + MIB, old,
				       sizeof(old)));
	EXPECT_EQ(self->base + pages_of(mem.length), pins_held());
	ASSERT_EQ(0, unmap(&self->rig, mem.length));
	EXPECT_EQ(self->base, pins_held());
}

TEST_F(pin, small_pages_do_not_collapse_while_they_are_pinned)
{
	struct memory mem;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, HUGE_PAGE));
	ASSERT_EQ(0, madvise(mem.va, mem.length, MADV_HUGEPAGE));
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, mem.va, mem.length));
	EXPECT_NE(0, madvise(mem.va, mem.length, MADV_COLLAPSE));
	EXPECT_TRUE(same_memory(&self->rig, mem.va, mem.length, MIB));
	ASSERT_EQ(0, unmap(&self->rig, mem.length));

	ASSERT_EQ(0, madvise(mem.va, mem.length, MADV_COLLAPSE));
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, mem.va, mem.length));
	EXPECT_EQ(self->base + pages_of(mem.length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, mem.va, mem.length, MIB));
}

/* Somebody who notes each first write to memory, and then lets it go on */
struct write_watch {
	int fd;
	int writes;		/* or a negative errno */
	pthread_t thread;
};

static void *watch_writes(void *data)
{
	struct write_watch *watch = data;
	struct uffd_msg message;

	while (read(watch->fd, &message, sizeof(message)) == sizeof(message)) {
		struct uffdio_writeprotect allow = {
			.range.start = message.arg.pagefault.address &
				       -SMALL_PAGE,
			.range.len = SMALL_PAGE,
		};

		if (message.event != UFFD_EVENT_PAGEFAULT ||
		    !(message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) ||
		    ioctl(watch->fd, UFFDIO_WRITEPROTECT, &allow)) {
			watch->writes = -EIO;
			break;
		}
		watch->writes++;
	}
	return NULL;
}

static int watch_start(struct write_watch *watch, const struct memory *mem)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	struct uffdio_range range = {
		.start = (uintptr_t)mem->va,
		.len = mem->length,
	};
	struct uffdio_register reg = {
		.range = range,
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = range,
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	watch->writes = 0;
	watch->fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (watch->fd < 0)
		return -errno;
	if (ioctl(watch->fd, UFFDIO_API, &api) ||
	    ioctl(watch->fd, UFFDIO_REGISTER, &reg) ||
	    ioctl(watch->fd, UFFDIO_WRITEPROTECT, &protect))
		return -errno;
	return -pthread_create(&watch->thread, NULL, watch_writes, watch);
}

static void watch_stop(struct write_watch *watch)
{
	pthread_cancel(watch->thread);
	pthread_join(watch->thread, NULL);
	close(watch->fd);
}

#define LAZY_PAGES 64		/* more than the kernel puts off */
#define LAZY_STEP 16

/*
 * The process will not miss what is there, unless somebody writes to it. What
 * the device wrote while it was pinned, only the one who unpins it can tell.
 */
static void write_and_page_out(struct __test_metadata *_metadata,
			       struct edu_rig *rig, const struct memory *mem)
{
	const size_t length = mem->length;
	char bytes[256];
	size_t at;

	ASSERT_EQ(0, map_flags(rig, MAP_RW, mem->va, length));
	ASSERT_EQ(0, madvise(mem->va, length, MADV_FREE));
	pattern_fill(bytes, sizeof(bytes), 7);
	for (at = 0; at < length; at += LAZY_STEP * SMALL_PAGE)
		ASSERT_EQ(0, device_writes(rig, IOVA + at, bytes,
					   sizeof(bytes)));
	ASSERT_EQ(0, unmap(rig, length));
	ASSERT_EQ(0, memory_page_out(mem->va, length));
	for (at = 0; at < length; at += LAZY_STEP * SMALL_PAGE) {
		EXPECT_EQ(0, memcmp(bytes, mem->va + at, sizeof(bytes)))
			TH_LOG("at %zu", at);
	}
}

TEST_F(pin, what_a_device_has_written_is_not_forgotten)
{
	struct memory mem;

	/* each page for itself, as they do not lie one behind the other */
	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL_RANDOM,
				  LAZY_PAGES * SMALL_PAGE));
	write_and_page_out(_metadata, &self->rig, &mem);
	memory_free(&mem);
}

TEST_F(pin, what_a_device_has_written_to_huge_pages_is_not_forgotten)
{
	struct memory mem;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_THP, 2 * HUGE_PAGE));
	write_and_page_out(_metadata, &self->rig, &mem);
	memory_free(&mem);
}

TEST_F(pin, memory_of_which_each_write_is_watched)
{
	struct write_watch watch;
	struct memory mem;

	if (access("/proc/sys/vm/unprivileged_userfaultfd", F_OK))
		SKIP(return, "the kernel has no userfaultfd");
	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, 16 * SMALL_PAGE));
	ASSERT_EQ(0, watch_start(&watch, &mem));

	/* a device that only reads needs no leave to write */
	ASSERT_EQ(0, map_flags(&self->rig, MAP_RO, mem.va, mem.length));
	EXPECT_EQ(0, watch.writes);
	ASSERT_EQ(0, unmap(&self->rig, mem.length));

	ASSERT_EQ(0, map_flags(&self->rig, MAP_RW, mem.va, mem.length));
	watch_stop(&watch);
	EXPECT_EQ(pages_of(mem.length), watch.writes);
	EXPECT_EQ(self->base + pages_of(mem.length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, mem.va, mem.length,
				8 * SMALL_PAGE));
	ASSERT_EQ(0, unmap(&self->rig, mem.length));
	EXPECT_EQ(self->base, pins_held());
}

/* -- files by their descriptor -- */

/* A mapping of the file, through which a test looks at it. */
static char *view(int fd, size_t length)
{
	char *va = mmap(NULL, length, RW, MAP_SHARED, fd, 0);

	return va == MAP_FAILED ? NULL : va;
}

TEST_F(pin, holes_of_a_file_are_filled)
{
	int fd = memfd_alloc(4 * MIB, false);
	char *va = view(fd, 4 * MIB);

	ASSERT_NE(NULL, va);
	va[MIB] = 1;
	ASSERT_EQ(0, map_file(&self->rig, MAP_RW, fd, MIB, 3 * MIB));
	EXPECT_EQ(self->base + pages_of(3 * MIB), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va + MIB, 3 * MIB, MIB));
	close(fd);
	EXPECT_TRUE(same_page(&self->rig, IOVA, va + MIB, 77));
	ASSERT_EQ(0, unmap(&self->rig, 3 * MIB));
	EXPECT_EQ(self->base, pins_held());
}

TEST_F(pin, parts_of_huge_pages_of_a_file)
{
	const size_t offset = 3 * SMALL_PAGE;
	const size_t length = 2 * HUGE_PAGE - 2 * offset;
	char *va;
	int fd;

	ASSERT_EQ(0, hugetlb_reserve(2 * HUGE_PAGE));
	fd = memfd_alloc(2 * HUGE_PAGE, true);
	ASSERT_LE(0, fd);
	va = view(fd, 2 * HUGE_PAGE);
	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, map_file(&self->rig, MAP_RW, fd, offset, length));
	EXPECT_EQ(self->base + pages_of(length), pins_held());
	EXPECT_TRUE(same_memory(&self->rig, va + offset, length,
				HUGE_PAGE - offset));
	ASSERT_EQ(0, unmap(&self->rig, length));
	EXPECT_EQ(self->base, pins_held());
	munmap(va, 2 * HUGE_PAGE);
	close(fd);
	hugetlb_release();
}

TEST_F(pin, nothing_of_what_is_no_file_in_memory)
{
	int fd = open("/init", O_RDONLY), beyond = memfd_alloc(MIB, false);

	ASSERT_LE(0, beyond);
	EXPECT_EQ(-EINVAL, map_file(&self->rig, MAP_RW, beyond, 0,
				    MIB + SMALL_PAGE));
	EXPECT_EQ(self->base, pins_held());
	close(fd);
	fd = open("/proc/self/status", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, map_file(&self->rig, MAP_RO, fd, 0, SMALL_PAGE));
}

TEST_F(pin, no_writes_to_a_file_that_is_sealed_or_open_for_reading)
{
	char path[64];
	int reader, fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, MIB));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY);
	ASSERT_LE(0, reader);
	EXPECT_EQ(-EPERM, map_file(&self->rig, MAP_RW, reader, 0, MIB));
	EXPECT_EQ(0, map_file(&self->rig, MAP_RO, reader, 0, MIB));
	EXPECT_EQ(0, unmap(&self->rig, MIB));

	/* not as long as a device may write */
	EXPECT_EQ(0, map_file(&self->rig, MAP_RW, fd, 0, MIB));
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, unmap(&self->rig, MIB));

	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(-EPERM, map_file(&self->rig, MAP_RW, fd, 0, MIB));
	EXPECT_EQ(0, map_file(&self->rig, MAP_RO, fd, 0, MIB));
	EXPECT_EQ(self->base + pages_of(MIB), pins_held());
}

TEST_HARNESS_MAIN
