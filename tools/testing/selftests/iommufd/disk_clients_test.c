// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs that there are, and that use character devices: call by call in
 * the order in which they call, and with what they do when a call fails. Those
 * that are in Debian run elsewhere; these tests are what remains when there is
 * no such program. Disks are two of QEMU's NVMe, which write and read blocks.
 * Those that use containers are in container_clients_test.c.
 */
#include <errno.h>
#include <string.h>

#include <sys/socket.h>

#include <linux/capability.h>
#include <linux/kernel.h>

#include "kselftest_harness.h"
#include "bar_rig.h"
#include "checked_io.h"
#include "disk_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)
#define BARS (2 * GIB)

FIXTURE(disks)
{
	struct disk_rig rig;
};

#define DISKS FIXTURE_DATA(disks)

#define RIG (&self->rig)
#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define BDF(n) (self->rig.bdf[n])
#define DEV(n) (&self->rig.dev[n])
#define NVME(n) (&self->rig.nvme[n])
#define RAM (self->rig.mem.va)
#define RAM_FILE (self->rig.mem.file)
#define CMB_VA (self->rig.cmb)
#define CMB_SIZE (self->rig.cmb_size)

FIXTURE_SETUP(disks)
{
	MAKE(disk_rig_make(RIG));
}

FIXTURE_TEARDOWN_PARENT(disks)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

/* RAM by its file at *ram, a disk that uses it, and the peer's CMB as a dma-buf */
static int start_disk_and_export_cmb(DISKS *self, __u64 *ram, int *dmabuf)
{
	int rc;

	rc = ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, RAM_FILE, 0, HUGE_PAGE,
			   ram) ?:
	     disk_start(RIG, 0, *ram) ?:
	     vfio_enable(DEV(PEER)) ?:
	     cmb_map(RIG);
	if (rc)
		return rc;
	*dmabuf = bar_export_all_of(DEV(PEER), NVME_MEMORY_BAR, CMB_SIZE);
	return *dmabuf < 0 ? *dmabuf : 0;
}

/* -- libvfn -- */

static int query_ranges(DISKS *self, struct iommu_iova_range *ranges, __u32 room)
{
	__u32 count = 0;
	int rc;

	rc = ioas_iova_ranges(FD, IOAS, NULL, &count, NULL);
	if (rc != -EMSGSIZE || count > room)
		return rc ?: -EINVAL;
	return ioas_iova_ranges(FD, IOAS, ranges, &count, NULL) ?: count;
}

/* For devices that can make page requests; others stay where they are. */
static int libvfn_replace(DISKS *self, unsigned int n)
{
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = DEV(n)->id,
		.pt_id = IOAS,
	};
	int rc, fd;

	rc = fault_queue_alloc(FD, &cmd.fault_id, &fd);
	if (rc)
		return rc;
	rc = hwpt_alloc_ioctl(FD, &cmd) ?: vfio_attach(DEV(n), cmd.out_hwpt_id);
	return rc == -ENODEV ? 0 : rc;
}

TEST_F(disks, are_what_libvfn_takes)
{
	struct iommu_iova_range ranges[8];
	__u64 queues, data, from, to;

	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, disk_open(RIG, 0));
	ASSERT_EQ(0, vfio_attach(DEV(0), IOAS));
	ASSERT_LE(1, query_ranges(self, ranges, ARRAY_SIZE(ranges)));
	/* The kernel chooses one, the program the others. */
	ASSERT_EQ(0, ioas_map(FD, IOAS, RAM, DISK_DATA, &queues));
	ASSERT_EQ(0, disk_start(RIG, 0, queues));
	data = ranges[0].last + 1 - GIB;
	from = data + SMALL_PAGE;
	to = from + SMALL_PAGE;
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, RAM + DISK_DATA, SMALL_PAGE, data));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, RAM + DISK_DATA,
				    SMALL_PAGE, &from));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS,
				    IOMMU_IOAS_MAP_WRITEABLE | MAP_AT,
				    RAM + DISK_DATA, SMALL_PAGE, &to));
	EXPECT_TRUE(disk_keeps(NVME(0), RAM + DISK_DATA, data, data, 1));
	EXPECT_TRUE(disk_keeps(NVME(0), RAM + DISK_DATA, from, to, 2));
	EXPECT_FALSE(disk_keeps(NVME(0), RAM + DISK_DATA, from, from, 3));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, data, SMALL_PAGE, NULL));
	EXPECT_FALSE(disk_keeps(NVME(0), RAM + DISK_DATA, from, data, 4));

	ASSERT_EQ(0, libvfn_replace(self, 0));
	EXPECT_TRUE(disk_keeps(NVME(0), RAM + DISK_DATA, from, to, 5));
	/* All at once, and no detach */
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
	vfio_close(DEV(0));
}

/* The buffer of one by its address, for both */
TEST_F(disks, share_the_memory_of_one_as_libvfn_has_it)
{
	__u64 ram, cmb, queue;

	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, disk_open(RIG, 0) ?: vfio_attach(DEV(0), IOAS));
	ASSERT_EQ(0, disk_open(RIG, PEER) ?: vfio_attach(DEV(PEER), IOAS));
	ASSERT_EQ(0, ioas_map(FD, IOAS, RAM, HUGE_PAGE, &ram));
	ASSERT_EQ(0, disk_start(RIG, 0, ram));
	ASSERT_EQ(0, vfio_enable(DEV(PEER)));
	ASSERT_EQ(0, nvme_start(NVME(PEER), DEV(PEER), RAM + DISK_QUEUES(PEER),
				ram + DISK_QUEUES(PEER)));
	ASSERT_EQ(0, cmb_map(RIG));
	ASSERT_EQ(0, ioas_map(FD, IOAS, CMB_VA, CMB_SIZE, &cmb));
	ASSERT_EQ(0, nvme_memory_enable(DEV(PEER), cmb));
	EXPECT_EQ(HUGE_PAGE, vm_pinned());

	/* The other one by the page table, the disk itself by itself */
	EXPECT_TRUE(disk_reaches_cmb(RIG, 0, cmb, 1));
	queue = cmb + CMB_SIZE - NVME_COMMANDS_BYTES;
	ASSERT_EQ(0, nvme_make_queue_at(NVME(PEER), CMB_VA + queue - cmb,
					queue));
	EXPECT_TRUE(disk_reaches_cmb(RIG, PEER, cmb, 2));
	EXPECT_TRUE(disk_works(RIG, PEER, ram));

	/* From disk to disk, and what arrived */
	cmb_fill(RIG, 3);
	ASSERT_EQ(0, nvme_write(NVME(0), BLOCK, cmb));
	cmb_fill(RIG, 4);
	ASSERT_EQ(0, nvme_read(NVME(0), cmb, BLOCK));
	ASSERT_EQ(0, nvme_write(NVME(PEER), BLOCK, cmb));
	cmb_fill(RIG, 5);
	ASSERT_EQ(0, nvme_read(NVME(PEER), cmb, BLOCK));
	EXPECT_TRUE(cmb_is(RIG, 3));

	/* Commands of the other one in there */
	ASSERT_EQ(0, nvme_start(NVME(0), DEV(0), RAM, ram));
	queue -= NVME_COMMANDS_BYTES;
	ASSERT_EQ(0, nvme_make_queue_at(NVME(0), CMB_VA + queue - cmb,
					queue));
	EXPECT_TRUE(disk_works(RIG, 0, ram));
}

/* -- xNVMe's uPCIe -- */

TEST_F(disks, are_what_xnvme_takes)
{
	__u64 iova = IOVA, unmapped;

	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, RAM_FILE, 0,
				   HUGE_PAGE, &iova));
	ASSERT_EQ(0, disk_open(RIG, 0));
	ASSERT_EQ(0, vfio_attach(DEV(0), IOAS));
	ASSERT_EQ(0, disk_start(RIG, 0, iova));
	EXPECT_TRUE(disk_works(RIG, 0, iova));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, iova, HUGE_PAGE, &unmapped));
	EXPECT_EQ(HUGE_PAGE, unmapped);
	EXPECT_EQ(0, vfio_detach(DEV(0)));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

/* -- cloud-hypervisor -- */

#define CMB (BARS + DISK_BAR(NVME_MEMORY_BAR))

TEST_F(disks, are_what_cloud_hypervisor_takes)
{
	__u64 unmapped;

	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, disk_open(RIG, 0) ?: vfio_attach(DEV(0), IOAS));
	ASSERT_EQ(0, disk_open(RIG, PEER) ?: vfio_attach(DEV(PEER), IOAS));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, RAM, HUGE_PAGE, IOVA));
	/* No VM starts where this fails. */
	ASSERT_EQ(0, disk_start(RIG, PEER, IOVA));
	ASSERT_EQ(0, disk_map_all_bars(RIG, PEER, BARS));
	ASSERT_EQ(0, disk_start(RIG, 0, IOVA));
	EXPECT_TRUE(disk_works(RIG, 0, IOVA));
	EXPECT_TRUE(disk_works(RIG, PEER, IOVA));
	EXPECT_TRUE(disk_reaches_cmb(RIG, 0, CMB, 1));

	/* The guest looks how large the BARs are. */
	ASSERT_EQ(0, bar_set_enabled(DEV(PEER), false));
	EXPECT_TRUE(disk_works(RIG, 0, IOVA));
	/* It may say that it did, but not there. */
	nvme_read(NVME(0), CMB, BLOCK);
	ASSERT_EQ(0, bar_set_enabled(DEV(PEER), true));
	EXPECT_TRUE(cmb_is(RIG, 1));
	EXPECT_TRUE(disk_reaches_cmb(RIG, 0, CMB, 2));

	ASSERT_EQ(0, ioas_unmap(FD, IOAS, CMB, CMB_SIZE, &unmapped));
	EXPECT_EQ(CMB_SIZE, unmapped);
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, HUGE_PAGE, &unmapped));
	EXPECT_EQ(HUGE_PAGE, unmapped);
	EXPECT_EQ(0, vfio_detach(DEV(PEER)));
	EXPECT_EQ(0, vfio_detach(DEV(0)));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

/* -- openvmm -- */

TEST_F(disks, are_what_openvmm_takes)
{
	__u64 ram = IOVA, cmb = BARS;
	int dmabuf;

	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, disk_open(RIG, 0) ?: vfio_attach(DEV(0), IOAS));
	ASSERT_EQ(0, disk_open(RIG, PEER) ?: vfio_attach(DEV(PEER), IOAS));
	ASSERT_EQ(0, start_disk_and_export_cmb(self, &ram, &dmabuf));

	/* Too early: it does it again when decoding is on. */
	ASSERT_EQ(0, bar_set_enabled(DEV(PEER), false));
	EXPECT_EQ(-ENODEV, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
					 CMB_SIZE, &cmb));
	ASSERT_EQ(0, bar_set_enabled(DEV(PEER), true));
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   CMB_SIZE, &cmb));
	close(dmabuf);
	EXPECT_TRUE(disk_reaches_cmb(RIG, 0, cmb, 1));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, cmb, CMB_SIZE, NULL));
	EXPECT_TRUE(disk_works(RIG, 0, ram));
}

/* -- QEMU, by character devices -- */

struct qemu {
	__u32 hwpts[NR_DISKS];
	unsigned int nr_hwpts;
};

/* One of the page tables that there are, or else a new one */
static int qemu_attach(DISKS *self, struct qemu *qemu, unsigned int n)
{
	struct iommu_hw_info info = { .dev_id = DEV(n)->id };
	__u32 *hwpt = &qemu->hwpts[qemu->nr_hwpts], flags = 0;
	unsigned int i;
	int rc;

	for (i = 0; i != qemu->nr_hwpts; i++) {
		rc = vfio_attach(DEV(n), qemu->hwpts[i]);
		/* All else would be the end. */
		if (rc != -EINVAL)
			return rc;
	}
	rc = hw_info_ioctl(FD, &info);
	if (rc)
		return rc;
	if (info.out_capabilities & IOMMU_HW_CAP_DIRTY_TRACKING)
		flags |= IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	rc = hwpt_alloc(FD, DEV(n)->id, IOAS, flags, hwpt) ?:
	     vfio_attach(DEV(n), *hwpt);
	if (!rc)
		qemu->nr_hwpts++;
	return rc;
}

static int qemu_open_disks(DISKS *self, struct qemu *qemu)
{
	struct iommu_iova_range ranges[8];
	int i, rc = 0;

	for (i = 0; i != NR_DISKS && !rc; i++) {
		rc = disk_open(RIG, i);
		if (!rc && !i)
			rc = ioas_alloc(FD, &IOAS);
		rc = rc ?: qemu_attach(self, qemu, i);
	}
	if (rc)
		return rc;
	rc = query_ranges(self, ranges, ARRAY_SIZE(ranges));
	return rc < 0 ? rc : 0;
}

/* Nothing being there is as good as its being gone. */
static int qemu_unmap(DISKS *self, __u64 iova, __u64 length)
{
	int rc = ioas_unmap(FD, IOAS, iova, length, NULL);

	return rc == -ENOENT ? 0 : rc;
}

static int qemu_end(DISKS *self, struct qemu *qemu)
{
	const __u64 half = 1ULL << 63;
	unsigned int i;
	int rc;

	rc = qemu_unmap(self, 0, half) ?: qemu_unmap(self, half, half);
	for (i = 0; i != NR_DISKS && !rc; i++)
		rc = vfio_detach(DEV(i));
	for (i = 0; i != qemu->nr_hwpts && !rc; i++)
		rc = iommufd_destroy(FD, qemu->hwpts[i]);
	return rc ?: iommufd_destroy(FD, IOAS);
}

TEST_F(disks, are_what_qemu_10_takes)
{
	struct qemu qemu = {};

	ASSERT_EQ(0, qemu_open_disks(self, &qemu));
	EXPECT_EQ(1, qemu.nr_hwpts);
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, RAM, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, disk_start(RIG, 0, IOVA));
	ASSERT_EQ(0, disk_start(RIG, PEER, IOVA));
	ASSERT_EQ(0, disk_map_all_bars(RIG, PEER, BARS));
	EXPECT_TRUE(disk_works(RIG, 0, IOVA));
	EXPECT_TRUE(disk_reaches_cmb(RIG, 0, CMB, 1));
	/* The guest puts it elsewhere. */
	ASSERT_EQ(0, qemu_unmap(self, CMB, CMB_SIZE));
	ASSERT_EQ(0, qemu_unmap(self, CMB, CMB_SIZE));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, CMB_VA, CMB_SIZE, CMB * 2));
	EXPECT_TRUE(disk_reaches_cmb(RIG, 0, CMB * 2, 2));
	EXPECT_EQ(0, qemu_end(self, &qemu));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(disks, are_what_qemu_11_takes)
{
	__u64 ram = IOVA, cmb = CMB;
	struct qemu qemu = {};
	int dmabuf;

	ASSERT_EQ(0, qemu_open_disks(self, &qemu));
	ASSERT_EQ(0, start_disk_and_export_cmb(self, &ram, &dmabuf));
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   CMB_SIZE, &cmb));
	EXPECT_TRUE(disk_works(RIG, 0, ram));
	EXPECT_TRUE(disk_reaches_cmb(RIG, 0, cmb, 1));
	/* Without this it would not migrate. */
	EXPECT_EQ(0, ioas_change_process(FD));
	EXPECT_TRUE(disk_works(RIG, 0, ram));
	EXPECT_EQ(0, qemu_end(self, &qemu));
	EXPECT_EQ(0, vm_pinned());
}

/* -- DPDK, by character devices -- */

/* With the token of a virtual function, which few need, then without */
static int dpdk_bind(DISKS *self, unsigned int n)
{
	const unsigned char token[16] = { 1 };
	struct vfio_device_bind_iommufd cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_BIND_FLAG_TOKEN,
		.iommufd = FD,
		.token_uuid_ptr = (uintptr_t)token,
	};
	int rc;

	rc = checked_ioctl(DEV(n)->fd, VFIO_DEVICE_BIND_IOMMUFD, &cmd);
	return rc ? vfio_bind(DEV(n), FD) : -EEXIST;
}

#define NR_SENT 2

union descriptors {
	struct cmsghdr header;
	char room[CMSG_SPACE(NR_SENT * sizeof(int))];
};

static int send_descriptors(int socket, const int *fds)
{
	union descriptors control = {};
	struct iovec data = { .iov_base = "", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(NR_SENT * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, NR_SENT * sizeof(int));
	return sendmsg(socket, &message, 0) < 0 ? -errno : 0;
}

static int receive_descriptors(int socket, int *fds)
{
	union descriptors control = {};
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(socket, &message, 0) < 0)
		return -errno;
	if (control.header.cmsg_len != CMSG_LEN(NR_SENT * sizeof(int)))
		return -EBADMSG;
	memcpy(fds, CMSG_DATA(&control.header), NR_SENT * sizeof(int));
	return 0;
}

/*
 * Has the same memory at the same place, but neither file, nor the BAR. What
 * the fixture has is the parent's, too.
 */
static bool secondary_works(DISKS *self, int socket)
{
	const __u64 data = IOVA + DISK_DATA, more = data + HUGE_PAGE;
	struct vfio_dev dev = *DEV(0);
	struct nvme nvme = *NVME(0);
	int fds[NR_SENT];

	close(FD);
	vfio_close(&dev);
	if (receive_descriptors(socket, fds))
		return false;
	dev.fd = fds[1];
	if (vfio_map_bar(&dev, VFIO_PCI_BAR0_REGION_INDEX, &dev.bar0,
			 &dev.bar0_size))
		return false;
	nvme.dev = &dev;
	return disk_keeps(&nvme, RAM + DISK_DATA, data, data, 2) &&
	       !ioas_map_at(fds[0], IOAS, RAM + DISK_DATA, SMALL_PAGE, more) &&
	       disk_keeps(&nvme, RAM + DISK_DATA, more, more, 3) &&
	       !ioas_unmap(fds[0], IOAS, more, SMALL_PAGE, NULL);
}

TEST_F(disks, are_what_dpdk_26_11_takes)
{
	int sockets[2];
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets));
	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	/* All memory, before there is a device */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, RAM, HUGE_PAGE, IOVA));
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, vfio_open(DEV(0), BDF(0)));
	ASSERT_EQ(0, dpdk_bind(self, 0));
	ASSERT_EQ(0, vfio_attach(DEV(0), IOAS));
	EXPECT_EQ(HUGE_PAGE, vm_pinned());
	ASSERT_EQ(0, disk_start(RIG, 0, IOVA));
	EXPECT_TRUE(disk_works(RIG, 0, IOVA));

	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(!secondary_works(self, sockets[1]));
	ASSERT_EQ(0, send_descriptors(sockets[0], (int[]){ FD, DEV(0)->fd }));
	EXPECT_EQ(0, child_status(child));
}

/* -- libvirt, KubeVirt -- */

/* What QEMU does with the file, without privileges and with just enough memory */
static bool qemu_works(DISKS *self)
{
	struct memory_rig other;

	if (memory_rig_make(&other, PAGES_SMALL, SMALL_PAGE) ||
	    drop_capability(CAP_IPC_LOCK) || limit_memlock(HUGE_PAGE) ||
	    ioas_alloc(FD, &IOAS) || disk_open(RIG, 0) ||
	    vfio_attach(DEV(0), IOAS) ||
	    ioas_map_at(FD, IOAS, RAM, HUGE_PAGE, IOVA) ||
	    disk_start(RIG, 0, IOVA) || !disk_works(RIG, 0, IOVA))
		return false;
	return vm_pinned() == HUGE_PAGE && vm_locked() == HUGE_PAGE &&
	       ioas_map_at(FD, IOAS, RAM, SMALL_PAGE, BARS) == 0 &&
	       ioas_map_at(FD, IOAS, other.va, SMALL_PAGE,
			   BARS + SMALL_PAGE) == -ENOMEM;
}

TEST_F(disks, are_what_libvirt_hands_to_qemu)
{
	ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	EXPECT_EQ(0, IN_CHILD(!qemu_works(self)));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
}

TEST_HARNESS_MAIN
