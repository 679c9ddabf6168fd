// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of files that IOMMU_IOAS_MAP_FILE maps: devices and whoever maps or
 * reads the file see the same bytes.
 */
#include <dirent.h>
#include <fcntl.h>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/io_uring.h>
#include <linux/memfd.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "mock_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)

static int map_file_flags(int iommufd, __u32 ioas, __u32 flags, int file,
			  __u64 start, __u64 length, __u64 iova)
{
	return ioas_map_file(iommufd, ioas, flags | MAP_AT, file, start,
			     length, &iova);
}

/* -- every kind of page -- */

FIXTURE(file)
{
	struct edu_rig rig;
	struct memory_rig mem;
};

FIXTURE_VARIANT(file)
{
	enum page_kind kind;
	size_t length;
	bool late;		/* the map is older than the attachment */
};

FIXTURE_VARIANT_ADD(file, of_small_pages)
{
	.kind = PAGES_SMALL,
	.length = MIB,
};

FIXTURE_VARIANT_ADD(file, of_scattered_pages)
{
	.kind = PAGES_SMALL_RANDOM,
	.length = 5 * MIB,
};

FIXTURE_VARIANT_ADD(file, of_scattered_pages_before_attach)
{
	.kind = PAGES_SMALL_RANDOM,
	.length = 5 * MIB,
	.late = true,
};

FIXTURE_VARIANT_ADD(file, of_transparent_huge_pages)
{
	.kind = PAGES_THP,
	.length = 2 * HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(file, of_hugetlb_pages)
{
	.kind = PAGES_HUGETLB,
	.length = 2 * HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(file, of_hugetlb_pages_before_attach)
{
	.kind = PAGES_HUGETLB,
	.length = 2 * HUGE_PAGE,
	.late = true,
};

FIXTURE_SETUP(file)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(memory_rig_make_file(&self->mem, variant->kind, variant->length));
}

FIXTURE_TEARDOWN_PARENT(file)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

static int map_and_attach(struct edu_rig *rig, int file, __u64 start,
			  __u64 length, bool late)
{
	return (late ? 0 : edu_rig_attach(rig)) ?:
	       map_file_flags(rig->iommufd, rig->ioas, MAP_RW, file, start,
			      length, IOVA) ?:
	       (late ? edu_rig_attach(rig) : 0);
}

#define FILE_FD (self->mem.file)
#define VA (self->mem.va)

TEST_F(file, shows_the_same_bytes_to_all)
{
	size_t middle = self->mem.length / 2 - 50;
	unsigned char bytes[100];

	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, 0, self->mem.length,
				    variant->late));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, VA, self->mem.length));
	pattern_fill(bytes, 100, 2);
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + middle, bytes, 100));
	EXPECT_TRUE(pattern_matches(VA + middle, 100, 2));
	memset(bytes, 0, 100);
	EXPECT_EQ(100, pread(FILE_FD, bytes, 100, middle));
	EXPECT_TRUE(pattern_matches(bytes, 100, 2));
}

/* In the middle of huge pages, and out of step with them. */
TEST_F(file, may_be_mapped_in_part)
{
	size_t start = 3 * SMALL_PAGE;
	size_t length = self->mem.length - 8 * SMALL_PAGE;

	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, start, length,
				    variant->late));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, VA + start, length));
	EXPECT_FALSE(device_reads(&self->rig, IOVA + length,
				  VA + start + length, 8));
	EXPECT_EQ(length + SMALL_PAGE, vm_pinned());
}

TEST_F(file, stays_when_the_process_has_let_it_go)
{
	unsigned char *bytes = malloc(SMALL_PAGE);
	size_t length = self->mem.length;

	memcpy(bytes, VA + length - SMALL_PAGE, SMALL_PAGE);
	ASSERT_EQ(0, map_file_flags(FD, IOAS, MAP_RW, FILE_FD, 0, length,
				    IOVA));
	ASSERT_EQ(0, munmap(VA, length));
	ASSERT_EQ(0, close(FILE_FD));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_TRUE(device_reads(&self->rig, IOVA + length - SMALL_PAGE, bytes,
				 SMALL_PAGE));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, length, NULL));
	EXPECT_FALSE(device_reads(&self->rig, IOVA + length - SMALL_PAGE,
				  bytes, SMALL_PAGE));
}

TEST_F(file, is_pinned_once)
{
	size_t length = self->mem.length;

	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, 0, length,
				    variant->late));
	EXPECT_EQ(length + SMALL_PAGE, vm_pinned());
	EXPECT_LT(self->rig.pins, pins_held());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, length, NULL));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

TEST_F(file, works_without_large_entries)
{
	ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, 0, self->mem.length,
				    variant->late));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, VA, self->mem.length));
}

TEST_F(file, may_have_holes)
{
	size_t hole = self->mem.length - HUGE_PAGE;

	if (self->mem.length < 2 * HUGE_PAGE)
		hole = self->mem.length / 2;
	ASSERT_EQ(0, fallocate(FILE_FD,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       hole, self->mem.length - hole));
	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, 0, self->mem.length,
				    variant->late));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, VA, self->mem.length));
	EXPECT_TRUE(memory_is(VA + hole, 0, SMALL_PAGE));
	pattern_fill(VA + hole, SMALL_PAGE, 3);
	EXPECT_TRUE(device_reads(&self->rig, IOVA + hole, VA + hole,
				 SMALL_PAGE));
}

/* -- a small file, and a device that is attached when the test says so -- */

#define FILE_LENGTH (8 * SMALL_PAGE)

FIXTURE(memfd)
{
	struct edu_rig rig;
	int fd;
	char *va;
};

FIXTURE_SETUP(memfd)
{
	MAKE(edu_rig_make(&self->rig));
	self->fd = memfd_create("file_test", MFD_ALLOW_SEALING);
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
	map_file_flags(FD, IOAS, flags, self->fd, start, length, iova)
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, bytes, page));
	EXPECT_TRUE(device_reads(&self->rig, IOVA + MIB, bytes, page));
	ASSERT_EQ(0, UNMAP(IOVA, FILE_LENGTH));
	EXPECT_TRUE(device_reads(&self->rig, IOVA + MIB, bytes, page));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, self->va, SMALL_PAGE));
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
	EXPECT_NE(0, MAP(MAP_RW, 1ULL << 63, page, IOVA));
	EXPECT_NE(0, MAP(MAP_RW, -2 * page, page, IOVA));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, bytes, SMALL_PAGE));
	ASSERT_EQ(0, ftruncate(self->fd, FILE_LENGTH));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA, bytes, SMALL_PAGE));
	EXPECT_TRUE(memory_is(self->va, 0, SMALL_PAGE));
	EXPECT_EQ(FILE_LENGTH + SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, UNMAP(IOVA, FILE_LENGTH));
}

TEST_F(memfd, of_a_process_that_has_ended_can_still_be_pinned)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, write_pattern(self->fd, SMALL_PAGE, 8));
	pid = fork();
	if (!pid)
		_exit(MAP(MAP_RW, 0, FILE_LENGTH, IOVA) ? 1 : 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, self->va, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, self->va, SMALL_PAGE));
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
	EXPECT_EQ(-EPERM, map_file_flags(FD, IOAS, MAP_RW, reader, 0,
					 SMALL_PAGE, IOVA));
	EXPECT_EQ(0, map_file_flags(FD, IOAS, MAP_RO, reader, 0, SMALL_PAGE,
				    IOVA));
	EXPECT_EQ(-EPERM, ioas_copy(FD, MAP_RW, IOAS, IOAS, IOVA, SMALL_PAGE,
				    &(__u64){ 0 }));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, self->va, SMALL_PAGE));
}

TEST_F(memfd, opened_for_writing_only_is_not_mapped)
{
	int writer = open_again(self->fd, O_WRONLY);

	ASSERT_LE(0, writer);
	EXPECT_EQ(-EPERM, map_file_flags(FD, IOAS, IOMMU_IOAS_MAP_WRITEABLE,
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, self->va, SMALL_PAGE));
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
		rc = map_file_flags(FD, IOAS, MAP_RO, files[i], 0, SMALL_PAGE,
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
		rc = map_file_flags(FD, IOAS, MAP_RW, files[i], 0, SMALL_PAGE,
				    IOVA);
		EXPECT_EQ(-EINVAL, rc)
			TH_LOG("file %zu", i);
	}
	EXPECT_EQ(0, vm_pinned());
}

/* -- files that hold the context of the map -- */

/* What must be over some time is over by then, on any machine. */
#define PATIENCE_SECONDS 30

enum holder {
	HOLDER_IOMMUFD,
	HOLDER_DEVICE,
	HOLDER_GROUP,
	HOLDER_FAULT_QUEUE,
	HOLDER_SOCKET,
	HOLDER_IO_URING,
};

static int claim_edu(char bdf[BDF_SIZE])
{
	int rc = pci_find(EDU_VENDOR, EDU_DEVICE, bdf);

	return rc ? rc : vfio_claim(bdf);
}

/* Without a mapping of the BAR, which would hold the file */
static int open_device(int iommufd)
{
	char bdf[BDF_SIZE];
	struct vfio_dev edu;
	int rc;

	rc = claim_edu(bdf);
	if (!rc)
		rc = vfio_open(&edu, bdf);
	if (!rc)
		rc = vfio_bind(&edu, iommufd);
	return rc ? rc : edu.fd;
}

/* In the older interface, with the iommufd for a container */
static int open_group(int iommufd)
{
	char bdf[BDF_SIZE], path[64];
	int rc, fd;

	rc = claim_edu(bdf);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "/dev/vfio/%d", vfio_group(bdf));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = checked_ioctl(fd, VFIO_GROUP_SET_CONTAINER, &iommufd);
	return rc ? rc : fd;
}

static int open_fault_queue(int iommufd)
{
	__u32 id;
	int rc, fd;

	rc = fault_queue_alloc(iommufd, &id, &fd);
	return rc ? rc : fd;
}

/* A socket that the iommufd was sent to */
static int open_socket(int iommufd)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int sockets[2];

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &iommufd, sizeof(int));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) ||
	    sendmsg(sockets[0], &message, 0) != 1)
		return -errno;
	close(sockets[0]);
	return sockets[1];
}

/* One that has the iommufd registered */
static int open_io_uring(int iommufd)
{
	struct io_uring_params params = {};
	int fd = syscall(__NR_io_uring_setup, 1, &params);

	if (fd < 0)
		return -ENOENT;
	if (syscall(__NR_io_uring_register, fd, IORING_REGISTER_FILES,
		    &iommufd, 1))
		return -errno;
	return fd;
}

/* A file that holds the context. */
static int open_holder(enum holder holder, int iommufd)
{
	switch (holder) {
	case HOLDER_IOMMUFD:
		return iommufd;
	case HOLDER_DEVICE:
		return open_device(iommufd);
	case HOLDER_GROUP:
		return open_group(iommufd);
	case HOLDER_FAULT_QUEUE:
		return open_fault_queue(iommufd);
	case HOLDER_SOCKET:
		return open_socket(iommufd);
	default:
		return open_io_uring(iommufd);
	}
}

FIXTURE(holder)
{
	struct mock_rig rig;
	int fd;
	int mock_devices;
};

FIXTURE_VARIANT(holder)
{
	enum holder holder;
};

FIXTURE_VARIANT_ADD(holder, iommufd) { .holder = HOLDER_IOMMUFD };
FIXTURE_VARIANT_ADD(holder, device) { .holder = HOLDER_DEVICE };
FIXTURE_VARIANT_ADD(holder, group) { .holder = HOLDER_GROUP };
FIXTURE_VARIANT_ADD(holder, fault_queue) { .holder = HOLDER_FAULT_QUEUE };
FIXTURE_VARIANT_ADD(holder, socket) { .holder = HOLDER_SOCKET };
FIXTURE_VARIANT_ADD(holder, io_uring) { .holder = HOLDER_IO_URING };

/* Mock devices live exactly as long as the context that they were made in. */
static bool is_mock_device_count(int count)
{
	int i;

	for (i = 0; i < patience(PATIENCE_SECONDS) * 100; i++) {
		if (mock_devices() == count)
			return true;
		usleep(10000);
	}
	return false;
}

FIXTURE_SETUP(holder)
{
	MAKE(mock_rig_make(&self->rig));
	self->mock_devices = mock_devices();
	ASSERT_LE(0, self->mock_devices);
	self->fd = open_holder(variant->holder, FD);
	if (self->fd == -ENODEV || self->fd == -ENOENT)
		SKIP(return, "there is no such file here");
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(holder)
{
}

static void close_both(int iommufd, int fd)
{
	if (fd != iommufd)
		close(fd);
	close(iommufd);
}

static int map_holder(int iommufd, __u32 ioas, int fd)
{
	return map_file_flags(iommufd, ioas, MAP_RW, fd, 0, SMALL_PAGE, IOVA);
}

TEST_F_TIMEOUT(holder, can_be_mapped_but_not_pinned, 2 * PATIENCE_SECONDS)
{
	struct mock_device dev;

	ASSERT_EQ(0, map_holder(FD, IOAS, self->fd));
	EXPECT_EQ(-EEXIST, map_holder(FD, IOAS, self->fd));
	EXPECT_EQ(-EINVAL, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE,
				NULL));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(-EINVAL, map_holder(FD, IOAS, self->fd));
	close_both(FD, self->fd);
	EXPECT_TRUE(is_mock_device_count(self->mock_devices));
}

/* For another process than the test's: maps a file that holds its context. */
static int map_own_holder(enum holder holder)
{
	int iommufd = iommufd_open(), fd = open_holder(holder, iommufd), rc;
	struct mock_device dev;
	__u32 ioas, other;

	if (fd < 0)
		return fd;
	rc = ioas_alloc(iommufd, &ioas);
	if (!rc)
		rc = ioas_alloc(iommufd, &other);
	if (!rc)
		rc = mock_domain(iommufd, ioas, &dev);
	return rc ? rc : map_holder(iommufd, other, fd);
}

/*
 * The process tells by a byte, to be read from @told, whether it failed, and
 * ends by itself or waits for its end.
 */
static pid_t start_holder(enum holder holder, bool stay, int *told)
{
	pid_t pid;
	char byte;

	pid = fork_with_pipe(told);
	if (pid)
		return pid;
	byte = map_own_holder(holder) != 0;
	if (write(*told, &byte, 1) == 1 && stay)
		pause();
	_exit(0);
}

TEST_F_TIMEOUT(holder, goes_with_a_process_that_exits, 2 * PATIENCE_SECONDS)
{
	int told, status;
	char failed = 1;
	pid_t pid;

	close_both(FD, self->fd);
	pid = start_holder(variant->holder, false, &told);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, read(told, &failed, 1));
	EXPECT_EQ(0, failed);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(is_mock_device_count(self->mock_devices));
}

TEST_F_TIMEOUT(holder, goes_with_a_process_that_is_killed,
	       2 * PATIENCE_SECONDS)
{
	int told, status;
	char failed = 1;
	pid_t pid;

	close_both(FD, self->fd);
	pid = start_holder(variant->holder, true, &told);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, read(told, &failed, 1));
	EXPECT_EQ(0, failed);
	EXPECT_EQ(self->mock_devices + 1, mock_devices());
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(is_mock_device_count(self->mock_devices));
}

/* A device that does DMA, in the hands of a process that maps the device. */
static int map_own_device(struct edu_rig *rig)
{
	int rc = edu_rig_open(rig);
	__u32 other;

	if (!rc)
		rc = edu_rig_attach(rig);
	if (!rc)
		rc = ioas_alloc(rig->iommufd, &other);
	return rc ? rc : map_holder(rig->iommufd, other, rig->edu.fd);
}

static int open_again_soon(struct edu_rig *rig)
{
	int i, rc = 0;

	for (i = 0; i < patience(PATIENCE_SECONDS) * 100; i++) {
		rc = edu_rig_open(rig);
		if (!rc)
			break;
		usleep(10000);
	}
	return rc;
}

FIXTURE(device)
{
	long pins;
};

FIXTURE_SETUP(device)
{
	char bdf[BDF_SIZE];

	if (pci_find(EDU_VENDOR, EDU_DEVICE, bdf))
		SKIP(return, "there is no edu device");
	self->pins = pins_held();
}

FIXTURE_TEARDOWN(device)
{
}

TEST_F_TIMEOUT(device, mapped_by_its_owner_is_free_when_that_is_killed,
	       2 * PATIENCE_SECONDS)
{
	int pipes[2], status;
	struct edu_rig rig;
	char failed = 1;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	if (!pid) {
		failed = map_own_device(&rig) != 0;
		if (write(pipes[1], &failed, 1) == 1)
			pause();
		_exit(0);
	}
	ASSERT_EQ(1, read(pipes[0], &failed, 1));
	EXPECT_EQ(0, failed);
	EXPECT_LT(self->pins, pins_held());
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, open_again_soon(&rig));
	EXPECT_EQ(0, edu_rig_attach(&rig));
	edu_rig_break(&rig);
	EXPECT_EQ(0, pins_left(self->pins));
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

/* -- arguments; no device is needed -- */

FIXTURE(arguments)
{
	int iommufd;
	__u32 ioas;
	int fd;
};

FIXTURE_SETUP(arguments)
{
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	self->fd = memfd_alloc(FILE_LENGTH, false);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(arguments)
{
	close(self->fd);
	close(self->iommufd);
}

static int map_file(int iommufd, struct iommu_ioas_map_file *cmd)
{
	return checked_ioctl(iommufd, IOMMU_IOAS_MAP_FILE, cmd);
}

/* In the order in which they are checked. */
TEST_F(arguments, are_refused_one_by_one)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = 8,
		.ioas_id = NO_SUCH_ID,
		.fd = -1,
		.start = UINT64_MAX,
		.length = UINT64_MAX,
		.iova = UINT64_MAX,
	};
	int gone = dup(self->fd);

	EXPECT_EQ(-EOPNOTSUPP, map_file(self->iommufd, &cmd));
	cmd.flags = 1U << 31 | MAP_RW;
	EXPECT_EQ(-EOPNOTSUPP, map_file(self->iommufd, &cmd));
	cmd.flags = 0;
	EXPECT_EQ(-EOVERFLOW, map_file(self->iommufd, &cmd));
	cmd.iova = 0;
	EXPECT_EQ(-EOVERFLOW, map_file(self->iommufd, &cmd));
	cmd.length = 0;
	EXPECT_EQ(-EINVAL, map_file(self->iommufd, &cmd));
	cmd.flags = MAP_RW | MAP_AT;
	EXPECT_EQ(-ENOENT, map_file(self->iommufd, &cmd));
	cmd.ioas_id = self->ioas;
	EXPECT_EQ(-EINVAL, map_file(self->iommufd, &cmd));
	cmd.length = 1;
	EXPECT_EQ(-EOVERFLOW, map_file(self->iommufd, &cmd));
	cmd.start = 0;
	EXPECT_EQ(-EBADF, map_file(self->iommufd, &cmd));
	close(gone);
	cmd.fd = gone;
	EXPECT_EQ(-EBADF, map_file(self->iommufd, &cmd));
	cmd.fd = self->fd;
	cmd.length = 1UL << 62;
	cmd.iova = UINT64_MAX - 1;
	EXPECT_EQ(-EOVERFLOW, map_file(self->iommufd, &cmd));
	cmd.length = SMALL_PAGE;
	cmd.iova = IOVA;
	EXPECT_EQ(0, map_file(self->iommufd, &cmd));
	EXPECT_EQ(IOVA, cmd.iova);
	EXPECT_EQ(-EEXIST, map_file(self->iommufd, &cmd));
}

TEST_F(arguments, with_iova_of_the_kernels_choice)
{
	__u64 first, second, odd;

	ASSERT_EQ(0, ioas_map_file(self->iommufd, self->ioas, MAP_RW, self->fd,
				   SMALL_PAGE, SMALL_PAGE, &first));
	ASSERT_EQ(0, ioas_map_file(self->iommufd, self->ioas, MAP_RW, self->fd,
				   SMALL_PAGE, SMALL_PAGE, &second));
	ASSERT_EQ(0, ioas_map_file(self->iommufd, self->ioas, MAP_RW, self->fd,
				   SMALL_PAGE + 17, 5, &odd));
	EXPECT_NE(0, first);
	EXPECT_NE(first, second);
	EXPECT_EQ(17, odd % SMALL_PAGE);
}

/* The map keeps the file, and ends with the file descriptor of /dev/iommu. */
TEST_F(arguments, of_a_map_keep_no_descriptor)
{
	__u64 iova;

	ASSERT_EQ(0, ioas_map_file(self->iommufd, self->ioas, MAP_RW, self->fd,
				   0, FILE_LENGTH, &iova));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(-EBADF, ioas_map_file(self->iommufd, self->ioas, MAP_RW,
					self->fd, 0, FILE_LENGTH, &iova));
	self->fd = -1;
}

TEST_HARNESS_MAIN
