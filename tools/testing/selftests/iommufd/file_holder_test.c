// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that IOMMU_IOAS_MAP_FILE is given though they hold the context of the
 * map: if it kept them, nothing of all that would ever end.
 */
#include <fcntl.h>
#include <signal.h>

#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/io_uring.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "mock_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)

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
	return ioas_map_file_at(iommufd, ioas, MAP_RW, fd, 0, SMALL_PAGE, IOVA);
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
	char failed = 1;
	pid_t pid;
	int told;

	close_both(FD, self->fd);
	pid = start_holder(variant->holder, false, &told);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, read(told, &failed, 1));
	EXPECT_EQ(0, failed);
	ASSERT_EQ(0, child_status(pid));
	EXPECT_TRUE(is_mock_device_count(self->mock_devices));
}

TEST_F_TIMEOUT(holder, goes_with_a_process_that_is_killed,
	       2 * PATIENCE_SECONDS)
{
	char failed = 1;
	pid_t pid;
	int told;

	close_both(FD, self->fd);
	pid = start_holder(variant->holder, true, &told);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, read(told, &failed, 1));
	EXPECT_EQ(0, failed);
	EXPECT_EQ(self->mock_devices + 1, mock_devices());
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(-EINTR, child_status(pid));
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
	struct edu_rig rig;
	char failed = 1;
	pid_t pid;
	int told;

	pid = fork_with_pipe(&told);
	ASSERT_LE(0, pid);
	if (!pid) {
		failed = map_own_device(&rig) != 0;
		if (write(told, &failed, 1) == 1)
			pause();
		_exit(0);
	}
	ASSERT_EQ(1, read(told, &failed, 1));
	EXPECT_EQ(0, failed);
	EXPECT_LT(self->pins, pins_held());
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(-EINTR, child_status(pid));
	ASSERT_EQ(0, open_again_soon(&rig));
	EXPECT_EQ(0, edu_rig_attach(&rig));
	edu_rig_break(&rig);
	EXPECT_EQ(0, pins_left(self->pins));
}

TEST_HARNESS_MAIN
