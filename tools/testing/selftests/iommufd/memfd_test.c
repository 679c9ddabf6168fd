// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file in memory that IOMMU_IOAS_MAP_FILE maps: what becomes of it while it
 * is pinned, who may do what with it, and who pays.
 */
#include <fcntl.h>
#include <signal.h>

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/memfd.h>

#include "kselftest_harness.h"
#include "edu_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)
#define LARGE_IOVA (4 * GIB)	/* where the device does not get to */
#define FILE_LENGTH (8 * SMALL_PAGE)

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)

/* A small file, and a device that is attached when the test says so */
FIXTURE(memfd)
{
	struct edu_rig rig;
	int fd;
	char *va;
};

FIXTURE_SETUP(memfd)
{
	MAKE(edu_rig_make(&self->rig));
	self->fd = memfd_create("memfd_test", MFD_ALLOW_SEALING);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ftruncate(self->fd, FILE_LENGTH));
	/* a mapping that does not count as one that may write */
	self->va = mmap(NULL, FILE_LENGTH, PROT_READ, MAP_PRIVATE, self->fd,
			0);
	ASSERT_NE(MAP_FAILED, self->va);
}

FIXTURE_TEARDOWN_PARENT(memfd)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

#define MAP(flags, start, length, iova) \
	ioas_map_file_at(FD, IOAS, flags, self->fd, start, length, iova)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)

static long blocks(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) ? -errno : (long)stat.st_blocks;
}

static int write_pattern(int fd, size_t length, unsigned int seed)
{
	unsigned char bytes[SMALL_PAGE];

	pattern_fill(bytes, length, seed);
	return pwrite(fd, bytes, length, 0) == (ssize_t)length ? 0 : -EIO;
}

TEST_F(memfd, gets_its_pages_when_they_are_pinned)
{
	unsigned char bytes[100];

	ASSERT_EQ(0, MAP(MAP_RW, 0, FILE_LENGTH, IOVA));
	EXPECT_EQ(0, blocks(self->fd));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_LT(0, blocks(self->fd));
	pattern_fill(bytes, 100, 4);
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + FILE_LENGTH - 100, bytes,
				   100));
	EXPECT_EQ(100, pread(self->fd, bytes, 100, FILE_LENGTH - 100));
	EXPECT_TRUE(pattern_matches(bytes, 100, 4));
}

TEST_F(memfd, may_be_mapped_more_than_once)
{
	const size_t page = SMALL_PAGE;
	unsigned char *bytes = malloc(page);

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, write_pattern(self->fd, SMALL_PAGE, 5));
	ASSERT_EQ(0, MAP(MAP_RW, 0, FILE_LENGTH, IOVA));
	ASSERT_EQ(0, MAP(MAP_RW, 0, 2 * page, IOVA + MIB));
	EXPECT_EQ(FILE_LENGTH + page, vm_pinned());
	pattern_fill(bytes, page, 5);
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, bytes, page));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + MIB, bytes, page));
	ASSERT_EQ(0, UNMAP(IOVA, FILE_LENGTH));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + MIB, bytes, page));
	EXPECT_EQ(3 * page, vm_pinned());
}

TEST_F(memfd, is_not_written_through_a_map_for_reading)
{
	unsigned char zeroes[100] = {};

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, write_pattern(self->fd, SMALL_PAGE, 6));
	ASSERT_EQ(0, MAP(MAP_RO, 0, SMALL_PAGE, IOVA));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA, zeroes, 100));
	EXPECT_TRUE(pattern_matches(self->va, SMALL_PAGE, 6));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, self->va, SMALL_PAGE));
}

TEST_F(memfd, ends_at_its_last_byte)
{
	const size_t page = SMALL_PAGE;

	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-EINVAL, MAP(MAP_RW, 0, FILE_LENGTH + page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(MAP_RW, FILE_LENGTH, page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(MAP_RW, FILE_LENGTH - page, 2 * page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(MAP_RW, 1ULL << 62, page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(MAP_RW, INT64_MAX - page + 1, page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(MAP_RW, 1ULL << 63, page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(MAP_RW, -2 * page, page, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-ENOENT, UNMAP(IOVA, FILE_LENGTH));
	EXPECT_EQ(0, MAP(MAP_RW, FILE_LENGTH - page, page, IOVA));
}

/* Where it ends is not asked before the pages are needed. */
TEST_F(memfd, may_grow_before_it_is_pinned)
{
	ASSERT_EQ(0, MAP(MAP_RW, 0, 2 * FILE_LENGTH, IOVA));
	EXPECT_EQ(-EINVAL, ATTACH());
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, ftruncate(self->fd, 2 * FILE_LENGTH));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(2 * FILE_LENGTH, vm_pinned());
}

TEST_F(memfd, that_shrinks_leaves_the_device_its_pages)
{
	unsigned char bytes[SMALL_PAGE];

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, write_pattern(self->fd, SMALL_PAGE, 7));
	ASSERT_EQ(0, MAP(MAP_RW, 0, FILE_LENGTH, IOVA));
	ASSERT_EQ(0, ftruncate(self->fd, 0));
	pattern_fill(bytes, SMALL_PAGE, 7);
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, bytes, SMALL_PAGE));
	ASSERT_EQ(0, ftruncate(self->fd, FILE_LENGTH));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA, bytes, SMALL_PAGE));
	EXPECT_TRUE(memory_is(self->va, 0, SMALL_PAGE));
	EXPECT_EQ(FILE_LENGTH + SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, UNMAP(IOVA, FILE_LENGTH));
}

/*
 * Nobody but the device has written to the pages, which were holes: that they
 * have to be kept, only the one who unpins them can tell.
 */
static void fill_and_page_out(struct __test_metadata *_metadata,
			      struct edu_rig *rig, char *va, size_t length)
{
	const size_t places[] = { 0, length / 2, length - 100 };
	unsigned char bytes[100];
	size_t at;

	pattern_fill(bytes, 100, 10);
	for (at = 0; at < ARRAY_SIZE(places); at++)
		ASSERT_EQ(0, device_writes(rig, IOVA + places[at], bytes, 100));
	ASSERT_EQ(0, ioas_unmap(rig->iommufd, rig->ioas, IOVA, length, NULL));
	/* the process has to have a page to give it away */
	for (at = 0; at < length; at += SMALL_PAGE)
		*(volatile char *)(va + at);
	ASSERT_EQ(0, memory_page_out(va, length));
	for (at = 0; at < ARRAY_SIZE(places); at++) {
		EXPECT_TRUE(pattern_matches(va + places[at], 100, 10))
			TH_LOG("place %zu", at);
	}
}

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

TEST_F(memfd, keeps_what_a_device_has_written_into_holes)
{
	char before[16], never[16];
	int rc;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	/* A huge page of which the file has a few would stay as a whole. */
	ASSERT_EQ(0, setting_choose(SHMEM_ENABLED, "never", before));
	rc = MAP(MAP_RW, 0, FILE_LENGTH, IOVA);
	ASSERT_EQ(0, setting_choose(SHMEM_ENABLED, before, never));
	ASSERT_EQ(0, rc);
	self->va = mmap(NULL, FILE_LENGTH, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->va);
	fill_and_page_out(_metadata, &self->rig, self->va, FILE_LENGTH);
}

TEST_F(memfd, keeps_what_a_device_has_written_into_a_hole_of_a_huge_page)
{
	char *va = address_room(HUGE_PAGE, HUGE_PAGE), before[16], forced[16];
	int rc;

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, ftruncate(self->fd, HUGE_PAGE));
	va = mmap(va, HUGE_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, self->fd,
		  0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, setting_choose(SHMEM_ENABLED, "force", before));
	rc = MAP(MAP_RW, 0, HUGE_PAGE, IOVA);
	ASSERT_EQ(0, setting_choose(SHMEM_ENABLED, before, forced));
	ASSERT_EQ(0, rc);
	EXPECT_EQ(0, *(volatile char *)va);
	ASSERT_EQ(HUGE_PAGE, memory_huge_bytes(va, HUGE_PAGE));
	fill_and_page_out(_metadata, &self->rig, va, HUGE_PAGE);
}

TEST_F(memfd, of_a_process_that_has_ended_can_still_be_pinned)
{
	ASSERT_EQ(0, write_pattern(self->fd, SMALL_PAGE, 8));
	ASSERT_EQ(0, IN_CHILD(-MAP(MAP_RW, 0, FILE_LENGTH, IOVA)));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, self->va, SMALL_PAGE));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_F(memfd, is_not_copied_when_a_process_maps_it_privately)
{
	char *va = mmap(NULL, FILE_LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			self->fd, 0);

	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, write_pattern(self->fd, SMALL_PAGE, 9));
	ASSERT_EQ(0, MAP(MAP_RW, 0, FILE_LENGTH, IOVA));
	memset(va, 0, SMALL_PAGE);
	EXPECT_TRUE(pattern_matches(self->va, SMALL_PAGE, 9));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, self->va, SMALL_PAGE));
}

/* -- who may do what -- */

/* The file again, as somebody opens it who may do less. */
static int open_again(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

TEST_F(memfd, opened_for_reading_is_for_reading)
{
	int reader = open_again(self->fd, O_RDONLY);

	ASSERT_LE(0, reader);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, write_pattern(self->fd, SMALL_PAGE, 1));
	EXPECT_EQ(-EPERM, ioas_map_file_at(FD, IOAS, MAP_RW, reader, 0,
					   SMALL_PAGE, IOVA));
	EXPECT_EQ(0, ioas_map_file_at(FD, IOAS, MAP_RO, reader, 0, SMALL_PAGE,
				      IOVA));
	EXPECT_EQ(-EPERM, ioas_copy(FD, MAP_RW, IOAS, IOAS, IOVA, SMALL_PAGE,
				    &(__u64){ 0 }));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, self->va, SMALL_PAGE));
}

TEST_F(memfd, opened_for_writing_only_is_not_mapped)
{
	int writer = open_again(self->fd, O_WRONLY);

	ASSERT_LE(0, writer);
	EXPECT_EQ(-EPERM, ioas_map_file_at(FD, IOAS, IOMMU_IOAS_MAP_WRITEABLE,
					   writer, 0, SMALL_PAGE, IOVA));
}

TEST_F(memfd, sealed_against_writing_is_for_reading)
{
	const int seals[] = { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE };
	size_t i;
	int rc;

	ASSERT_EQ(0, write_pattern(self->fd, SMALL_PAGE, 2));
	for (i = 0; i < ARRAY_SIZE(seals); i++) {
		ASSERT_EQ(0, fcntl(self->fd, F_ADD_SEALS, seals[i]));
		rc = MAP(MAP_RW, 0, SMALL_PAGE, IOVA);
		EXPECT_EQ(-EPERM, rc);
		rc = MAP(IOMMU_IOAS_MAP_WRITEABLE, 0, SMALL_PAGE, IOVA);
		EXPECT_EQ(-EPERM, rc);
	}
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP(MAP_RO, 0, SMALL_PAGE, IOVA));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, self->va, SMALL_PAGE));
}

TEST_F(memfd, with_other_seals_is_writable)
{
	ASSERT_EQ(0, fcntl(self->fd, F_ADD_SEALS,
			   F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, MAP(MAP_RW, 0, FILE_LENGTH, IOVA));
}

TEST_F(memfd, cannot_be_sealed_while_a_device_may_write)
{
	ASSERT_EQ(0, MAP(MAP_RW, 0, FILE_LENGTH, IOVA));
	EXPECT_EQ(-1, fcntl(self->fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(EBUSY, errno);
	ASSERT_EQ(0, UNMAP(IOVA, FILE_LENGTH));
	EXPECT_EQ(0, fcntl(self->fd, F_ADD_SEALS, F_SEAL_WRITE));
}

/* A copy may write as long as it lives. */
TEST_F(memfd, cannot_be_sealed_while_a_copy_may_write)
{
	__u64 iova = IOVA + MIB;

	ASSERT_EQ(0, MAP(MAP_RW, 0, FILE_LENGTH, IOVA));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA,
			       SMALL_PAGE, &iova));
	ASSERT_EQ(0, UNMAP(IOVA, FILE_LENGTH));
	EXPECT_EQ(-1, fcntl(self->fd, F_ADD_SEALS, F_SEAL_WRITE));
	ASSERT_EQ(0, UNMAP(IOVA + MIB, SMALL_PAGE));
	EXPECT_EQ(0, fcntl(self->fd, F_ADD_SEALS, F_SEAL_WRITE));
}

/* A refusal must not leave the file as one that somebody may write to. */
TEST_F(memfd, can_be_sealed_after_a_refused_map)
{
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-EINVAL, MAP(MAP_RW, 0, 2 * FILE_LENGTH, IOVA));
	EXPECT_EQ(-EINVAL, MAP(MAP_RW, 0, FILE_LENGTH, IOVA + 1));
	ASSERT_EQ(0, MAP(MAP_RO, 0, FILE_LENGTH, IOVA));
	EXPECT_EQ(-EEXIST, MAP(MAP_RW, 0, FILE_LENGTH, IOVA));
	ASSERT_EQ(0, UNMAP(IOVA, FILE_LENGTH));
	EXPECT_EQ(0, fcntl(self->fd, F_ADD_SEALS, F_SEAL_WRITE));
}

TEST_F(memfd, is_the_only_kind_of_file_that_can_be_pinned)
{
	int pipes[2], files[5];
	size_t i;
	int rc;

	ASSERT_EQ(0, pipe(pipes));
	files[0] = pipes[1];
	files[1] = open("/dev/zero", O_RDWR);
	files[2] = open("/proc", O_RDONLY | O_DIRECTORY);
	files[3] = eventfd(0, 0);
	files[4] = FD;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_LE(0, files[i]);
		rc = ioas_map_file_at(FD, IOAS, MAP_RO, files[i], 0, SMALL_PAGE,
				      IOVA);
		ASSERT_EQ(0, rc)
			TH_LOG("file %zu", i);
		rc = ATTACH();
		EXPECT_EQ(-EINVAL, rc)
			TH_LOG("file %zu", i);
		ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	}
	ASSERT_EQ(0, ATTACH());
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		rc = ioas_map_file_at(FD, IOAS, MAP_RW, files[i], 0, SMALL_PAGE,
				      IOVA);
		EXPECT_EQ(-EINVAL, rc)
			TH_LOG("file %zu", i);
	}
	EXPECT_EQ(0, vm_pinned());
}

/* -- a process that ends while it maps a large file, which waits for nobody -- */

#define LARGE (256 * MIB)

/* What the file has, in bytes */
static long file_bytes(int fd)
{
	long nr = blocks(fd);

	return nr < 0 ? nr : nr * 512;
}

/* Of a process that maps it, as soon as there is so much of the file */
static int kill_while_mapping(struct edu_rig *rig, int fd, long bytes)
{
	pid_t pid = fork(), ended;
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(-ioas_map_file_at(rig->iommufd, rig->ioas, MAP_RW, fd, 0,
					LARGE, LARGE_IOVA));
	do {
		ended = waitpid(pid, &status, WNOHANG);
	} while (!ended && file_bytes(fd) < bytes);
	if (!ended) {
		kill(pid, SIGKILL);
		ended = waitpid(pid, &status, 0);
	}
	if (ended != pid)
		return -ECHILD;
	return WIFSIGNALED(status) ? 0 : -EIO;
}

TEST_F(memfd, is_left_half_mapped_by_nobody_who_is_killed)
{
	const long places[] = { SMALL_PAGE, LARGE / 4, LARGE / 2 };
	long pins;
	size_t i;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	pins = pins_held();
	for (i = 0; i != ARRAY_SIZE(places); i++) {
		ASSERT_EQ(0, ftruncate(self->fd, LARGE));
		ASSERT_EQ(0, kill_while_mapping(&self->rig, self->fd,
						places[i]));
		EXPECT_EQ(0, pins_left(pins));
		EXPECT_GT(LARGE, file_bytes(self->fd));
		EXPECT_EQ(-ENOENT, UNMAP(LARGE_IOVA, LARGE));
		ASSERT_EQ(0, ftruncate(self->fd, 0));
	}
}

/* -- charges -- */

#define LIMIT (FILE_LENGTH / 2)

static int limit_another_user(void)
{
	int rc = limit_memlock(LIMIT);

	return rc ? rc : become_user(30000 + getpid());
}

TEST_F(memfd, is_charged_up_to_the_limit)
{
	ASSERT_EQ(0, limit_another_user());
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-ENOMEM, MAP(MAP_RW, 0, LIMIT + SMALL_PAGE, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, MAP(MAP_RW, 0, LIMIT, IOVA));
	EXPECT_EQ(LIMIT, vm_pinned());
	EXPECT_EQ(-ENOMEM, MAP(MAP_RW, LIMIT, SMALL_PAGE, IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA, LIMIT));
	EXPECT_EQ(0, MAP(MAP_RW, LIMIT, LIMIT, IOVA));
}

TEST_F(memfd, is_charged_when_it_is_pinned)
{
	ASSERT_EQ(0, limit_another_user());
	ASSERT_EQ(0, MAP(MAP_RW, 0, LIMIT + SMALL_PAGE, IOVA));
	EXPECT_EQ(-ENOMEM, ATTACH());
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA, LIMIT + SMALL_PAGE));
	ASSERT_EQ(0, MAP(MAP_RW, 0, LIMIT, IOVA));
	EXPECT_EQ(0, ATTACH());
	EXPECT_EQ(LIMIT, vm_pinned());
}

TEST_F(memfd, that_cannot_be_pinned_leaves_no_charge)
{
	int i, rc;

	ASSERT_EQ(0, limit_another_user());
	ASSERT_EQ(0, ATTACH());
	for (i = 0; i < 20; i++) {
		rc = MAP(MAP_RW, FILE_LENGTH - SMALL_PAGE, 2 * SMALL_PAGE,
			 IOVA);
		EXPECT_EQ(-EINVAL, rc);
	}
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, MAP(MAP_RW, 0, LIMIT, IOVA));
}

TEST_HARNESS_MAIN
