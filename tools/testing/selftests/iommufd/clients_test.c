// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs that there are, call by call in the order in which they call,
 * and with what they do when a call fails. Those that are in Debian run
 * elsewhere; these tests are what remains when there is no such program.
 *
 * Disks are two of QEMU's NVMe, which write and read blocks. In containers
 * QEMU's edu device tells what it sees.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <linux/capability.h>
#include <linux/io.h>
#include <linux/kernel.h>

#include "kselftest_harness.h"
#include "bar_rig.h"
#include "checked_io.h"
#include "container_rig.h"
#include "test_support.h"
#include "vfio_nvme.h"

#define IOVA (16 * MIB)
#define BARS (2 * GIB)

/* -- a device of a group in a container -- */

FIXTURE(group)
{
	struct container_rig rig;
	struct memory_rig mem;		/* 2 MiB, aligned */
};

FIXTURE_VARIANT(group)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(group, in_iommufd)
{
	.path = "/dev/iommu",
};

FIXTURE_VARIANT_ADD(group, in_vfio)
{
	.path = "/dev/vfio/vfio",
};

#define C (&self->rig.container)
#define BDF (self->rig.bdf)
#define VA (self->mem.va)
#define EDU (&self->rig.edu)
#define USE_DEVICE() container_rig_use_device(&self->rig)
#define OPEN_DEVICE(type) container_rig_open_device(&self->rig, type)

FIXTURE_SETUP(group)
{
	char bdf[BDF_SIZE], iommu[32];

	if (!pci_find(EDU_VENDOR, EDU_DEVICE, bdf) &&
	    pci_iommu(bdf, iommu, sizeof(iommu)))
		SKIP(return, "the edu device has no IOMMU");
	MAKE(container_rig_make(&self->rig, variant->path));
	MAKE(memory_rig_make(&self->mem, PAGES_HUGETLB, HUGE_PAGE));
}

FIXTURE_TEARDOWN_PARENT(group)
{
	EXPECT_EQ(0, pins_left(self->rig.edu.pins));
}

/* QEMU 10 and 11: -device vfio-pci,host= */
TEST_F(group, is_what_qemu_takes)
{
	const __u64 half = 1ULL << 63;
	__u64 length = half, bar;
	char info[512];
	__u32 argsz = sizeof(struct vfio_iommu_type1_info);

	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, container_group_status(C));
	EXPECT_EQ(VFIO_API_VERSION, ioctl(C->fd, VFIO_GET_API_VERSION));
	EXPECT_EQ(1, container_extension(C, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, container_info(C, info, &argsz));
	ASSERT_GE(sizeof(info), argsz);
	ASSERT_EQ(0, container_info(C, info, &argsz));
	EXPECT_EQ(1, container_extension(C, VFIO_UNMAP_ALL));
	EXPECT_EQ(0, container_extension(C, VFIO_UPDATE_VADDR));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, container_open_device(C, BDF));
	ASSERT_EQ(0, USE_DEVICE());
	EXPECT_LE(0, container_extension(C, VFIO_DMA_CC_IOMMU));
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
	/* What is mapped of the device is memory to it like any other. */
	bar = EDU->edu.bar0_size;
	ASSERT_EQ(0, container_map(C, EDU->edu.bar0, bar, BARS));
	EXPECT_EQ(HUGE_PAGE + SMALL_PAGE, vm_pinned());
	/* Everything, in two halves */
	EXPECT_EQ(0, container_unmap_flags(C, 0, 0, &length));
	EXPECT_EQ(HUGE_PAGE + SMALL_PAGE + bar, length);
	length = half;
	EXPECT_EQ(0, container_unmap_flags(C, 0, half, &length));
	EXPECT_EQ(0, length);
	EXPECT_EQ(0, vm_pinned());
}

/* DPDK up to 26.07, and OVS: the old type1 first, huge page by huge page */
TEST_F(group, is_what_dpdk_takes)
{
	__u64 length = HUGE_PAGE;

	EXPECT_EQ(VFIO_API_VERSION, ioctl(C->fd, VFIO_GET_API_VERSION));
	EXPECT_EQ(1, container_extension(C, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(0, container_extension(C, VFIO_SPAPR_TCE_v2_IOMMU));
	EXPECT_LE(0, container_extension(C, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, container_group_status(C));
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	EXPECT_EQ(-EEXIST, container_map(C, VA, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, container_open_device(C, BDF));
	ASSERT_EQ(0, USE_DEVICE());
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA + HUGE_PAGE));
	EXPECT_TRUE(device_sees(EDU, IOVA + HUGE_PAGE, VA, HUGE_PAGE));
	EXPECT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(HUGE_PAGE, length);
	EXPECT_FALSE(device_reads(EDU, IOVA, VA, SMALL_PAGE));
	EXPECT_TRUE(device_sees(EDU, IOVA + HUGE_PAGE, VA, HUGE_PAGE));
}

/* VPP never asks for extensions. */
TEST_F(group, is_what_vpp_takes)
{
	EXPECT_EQ(VFIO_API_VERSION, ioctl(C->fd, VFIO_GET_API_VERSION));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, container_group_status(C));
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, container_open_device(C, BDF));
	ASSERT_EQ(0, USE_DEVICE());
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
}

/* crosvm and gVisor, cloud-hypervisor without a cdev */
TEST_F(group, is_what_crosvm_takes)
{
	__u64 length = HUGE_PAGE;
	char info[512];
	__u32 argsz = sizeof(info);

	EXPECT_EQ(1, container_extension(C, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, container_info(C, info, &argsz));
	ASSERT_EQ(0, container_open_device(C, BDF));
	ASSERT_EQ(0, USE_DEVICE());
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
	EXPECT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(HUGE_PAGE, length);
	EXPECT_FALSE(device_reads(EDU, IOVA, VA, SMALL_PAGE));
}

/* OVS with DPDK: ports come and go, what is mapped stays */
TEST_F(group, is_what_ovs_takes)
{
	int i;

	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	for (i = 0; i != 3; i++) {
		ASSERT_EQ(0, container_open_device(C, BDF));
		ASSERT_EQ(0, USE_DEVICE());
		EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
		ASSERT_EQ(0, container_unmap(C, SCRATCH_IOVA, SMALL_PAGE));
		vfio_close(&EDU->edu);
		EXPECT_EQ(0, vm_pinned());
	}
	/* Also when the group leaves and comes again */
	ASSERT_EQ(0, checked_ioctl(C->group, VFIO_GROUP_UNSET_CONTAINER, NULL));
	ASSERT_EQ(0, OPEN_DEVICE(VFIO_TYPE1_IOMMU));
	EXPECT_TRUE(device_sees(EDU, IOVA, VA, HUGE_PAGE));
}

/* The descriptor that is a link to this name, as SPDK looks for it */
static int find_descriptor(const char *name)
{
	char link[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	ssize_t length;
	int fd = -1;
	DIR *dir;

	dir = opendir("/proc/self/fd");
	while (dir && (entry = readdir(dir))) {
		snprintf(link, sizeof(link), "/proc/self/fd/%s", entry->d_name);
		length = readlink(link, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		if (!strcmp(target, name))
			fd = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static unsigned long number_of_maps(void)
{
	const char *text = getenv("CLIENTS_MAPS");

	return text ? strtoul(text, NULL, 0) : 131072;
}

/* SPDK in DPDK's container: maps of 2 MiB, twice as many as VFIO has */
TEST_F_TIMEOUT(group, is_what_spdk_takes, 600)
{
	struct vfio_container spdk = { .group = -1, .device = -1 };
	const __u64 first = 4 * GIB;
	const __u64 last = first + (number_of_maps() - 1) * HUGE_PAGE;
	__u64 iova;

	if (strcmp(variant->path, "/dev/vfio/vfio"))
		SKIP(return, "SPDK looks for another name");
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	spdk.fd = find_descriptor("/dev/vfio/vfio");
	ASSERT_EQ(C->fd, spdk.fd);
	ASSERT_EQ(0, container_open_device(C, BDF));
	ASSERT_EQ(0, USE_DEVICE());
	for (iova = first; iova <= last; iova += HUGE_PAGE)
		ASSERT_EQ(0, container_map(&spdk, VA, HUGE_PAGE, iova))
			TH_LOG("IOVA %llx", iova);
	EXPECT_EQ(-EEXIST, container_map(&spdk, VA, HUGE_PAGE, last));
	EXPECT_TRUE(device_sees(EDU, first, VA, HUGE_PAGE));
	EXPECT_TRUE(device_sees(EDU, last, VA, HUGE_PAGE));
	for (iova = first; iova <= last; iova += HUGE_PAGE)
		ASSERT_EQ(0, container_unmap(&spdk, iova, HUGE_PAGE));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

/* -- the same without an IOMMU -- */

FIXTURE(without_iommu)
{
	struct container_rig rig;
};

static int expect_no_iommu(const char *bdf)
{
	char name[32];

	return pci_iommu(bdf, name, sizeof(name)) ?
		       0 :
		       rig_absent("device without an IOMMU");
}

FIXTURE_SETUP(without_iommu)
{
	char bdf[BDF_SIZE];

	if (pci_find(EDU_VENDOR, EDU_DEVICE, bdf))
		SKIP(return, "there is no edu device");
	MAKE(expect_no_iommu(bdf));
	MAKE(container_rig_make(&self->rig, "/dev/vfio/vfio"));
}

FIXTURE_TEARDOWN_PARENT(without_iommu)
{
	EXPECT_EQ(0, pins_left(self->rig.edu.pins));
}

/* What it sees is all of the machine. */
static bool device_copies(struct vfio_dev *edu)
{
	char *pages = anonymous(2 * SMALL_PAGE);
	unsigned long long from, to;

	pattern_fill(pages, SMALL_PAGE, 1);
	pattern_fill(pages + SMALL_PAGE, SMALL_PAGE, 2);
	return !mlock(pages, 2 * SMALL_PAGE) && !memory_phys(pages, &from) &&
	       !memory_phys(pages + SMALL_PAGE, &to) &&
	       !edu_dma_to_device(edu, from, 0, EDU_BUFFER_SIZE) &&
	       !edu_dma_from_device(edu, 0, to, EDU_BUFFER_SIZE) &&
	       !memcmp(pages, pages + SMALL_PAGE, SMALL_PAGE);
}

/* And DPDK, which asks for the extension first */
TEST_F(without_iommu, is_what_vpp_takes)
{
	struct vfio_dev *edu = &EDU->edu;
	char page[SMALL_PAGE];

	EXPECT_EQ(VFIO_API_VERSION, ioctl(C->fd, VFIO_GET_API_VERSION));
	EXPECT_EQ(1, container_extension(C, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, container_group_status(C));
	ASSERT_EQ(0, container_join(C));
	EXPECT_EQ(0, container_extension(C, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(-EINVAL, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_NOIOMMU_IOMMU));
	/* There is nothing that could be mapped. */
	EXPECT_GT(0, container_map(C, page, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, container_open_device(C, BDF));
	*edu = (struct vfio_dev){ .fd = C->device };
	ASSERT_EQ(0, vfio_enable(edu));
	EXPECT_TRUE(device_copies(edu));
}

/* -- two disks, by their character devices -- */

/* What is where in the memory */
#define QUEUES(disk) ((disk) * 8 * SMALL_PAGE)
#define DATA (16 * SMALL_PAGE)

#define NR_DISKS 2
#define BLOCK 7
/* What of the memory of a disk is compared: a block */
#define CMB_BYTES 512

FIXTURE(disks)
{
	long pins;
	int iommufd;
	__u32 ioas;
	char bdf[NR_DISKS][BDF_SIZE];
	struct vfio_dev dev[NR_DISKS];
	struct nvme nvme[NR_DISKS];
	struct memory_rig mem;		/* 2 MiB, of a file of huge pages */
	char *cmb;			/* of the last disk */
	size_t cmb_size;
};

#define DISKS FIXTURE_DATA(disks)

#define FD (self->iommufd)
#define IOAS (self->ioas)
#define DEV(n) (&self->dev[n])
#define NVME(n) (&self->nvme[n])
#define RAM (self->mem.va)
#define RAM_FILE (self->mem.file)
#define PEER 1

static int find_disks(char bdf[NR_DISKS][BDF_SIZE])
{
	int i, rc = 0;

	for (i = 0; i != NR_DISKS && !rc; i++) {
		if (pci_find_nth(NVME_VENDOR, NVME_DEVICE, i, bdf[i]))
			return rig_absent("second NVMe disk");
		rc = rig_part("a disk for vfio", vfio_claim(bdf[i]));
	}
	return rc;
}

FIXTURE_SETUP(disks)
{
	char iommu[32];

	self->pins = pins_held();
	MAKE(find_disks(self->bdf));
	if (pci_iommu(self->bdf[0], iommu, sizeof(iommu)))
		SKIP(return, "the disks have no IOMMU");
	MAKE(memory_rig_make_file(&self->mem, PAGES_HUGETLB, HUGE_PAGE));
	FD = iommufd_open();
	ASSERT_LE(0, FD);
}

FIXTURE_TEARDOWN_PARENT(disks)
{
	EXPECT_EQ(0, pins_left(self->pins));
}

static int open_disk(DISKS *self, unsigned int n)
{
	return vfio_open(DEV(n), self->bdf[n]) ?: vfio_bind(DEV(n), FD);
}

/* With the memory at @iova */
static int start_disk(DISKS *self, unsigned int n, __u64 iova)
{
	return vfio_enable(DEV(n)) ?:
	       nvme_start(NVME(n), DEV(n), RAM + QUEUES(n), iova + QUEUES(n)) ?:
	       nvme_make_queue(NVME(n));
}

/* Writes a block from one IOVA and reads it to another, both of @data. */
static bool disk_keeps(struct nvme *nvme, void *data, __u64 from, __u64 to,
		       unsigned int seed)
{
	__u64 nr_blocks;
	__u32 block;

	if (nvme_identify(nvme, &block, &nr_blocks) || block > SMALL_PAGE ||
	    nr_blocks <= BLOCK)
		return false;
	pattern_fill(data, block, seed);
	if (nvme_write(nvme, BLOCK, from))
		return false;
	memset(data, 0, block);
	return !nvme_read(nvme, to, BLOCK) &&
	       pattern_matches(data, block, seed);
}

static bool disk_works(DISKS *self, unsigned int n, __u64 iova)
{
	return disk_keeps(NVME(n), RAM + DATA, iova + DATA, iova + DATA, n + 1);
}

/* The memory of the disk itself, as the processor has it */
static void cmb_fill(DISKS *self, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i != CMB_BYTES; i += sizeof(__u32))
		writel(seed * (i + 1), self->cmb + i);
}

static bool cmb_is(DISKS *self, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i != CMB_BYTES; i += sizeof(__u32)) {
		if (readl(self->cmb + i) != (__u32)(seed * (i + 1)))
			return false;
	}
	return true;
}

/* Does a disk write from there what the processor wrote, and read it back? */
static bool disk_reaches_cmb(DISKS *self, unsigned int n, __u64 iova,
			     unsigned int seed)
{
	cmb_fill(self, seed);
	if (nvme_write(NVME(n), BLOCK, iova))
		return false;
	cmb_fill(self, seed + 1);
	return !nvme_read(NVME(n), iova, BLOCK) && cmb_is(self, seed);
}

static int map_cmb_of_peer(DISKS *self)
{
	return vfio_map_bar(DEV(PEER), NVME_MEMORY_BAR, &self->cmb,
			    &self->cmb_size);
}

/* RAM by its file at *ram, a disk that uses it, and the peer's CMB as a dma-buf */
static int start_disk_and_export_cmb(DISKS *self, __u64 *ram, int *dmabuf)
{
	int rc;

	rc = ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, RAM_FILE, 0, HUGE_PAGE,
			   ram) ?:
	     start_disk(self, 0, *ram) ?:
	     vfio_enable(DEV(PEER)) ?:
	     map_cmb_of_peer(self);
	if (rc)
		return rc;
	*dmabuf = bar_export_all_of(DEV(PEER), NVME_MEMORY_BAR, self->cmb_size);
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
	ASSERT_EQ(0, open_disk(self, 0));
	ASSERT_EQ(0, vfio_attach(DEV(0), IOAS));
	ASSERT_LE(1, query_ranges(self, ranges, ARRAY_SIZE(ranges)));
	/* The kernel chooses one, the program the others. */
	ASSERT_EQ(0, ioas_map(FD, IOAS, RAM, DATA, &queues));
	ASSERT_EQ(0, start_disk(self, 0, queues));
	data = ranges[0].last + 1 - GIB;
	from = data + SMALL_PAGE;
	to = from + SMALL_PAGE;
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, RAM + DATA, SMALL_PAGE, data));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, RAM + DATA,
				    SMALL_PAGE, &from));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS,
				    IOMMU_IOAS_MAP_WRITEABLE | MAP_AT,
				    RAM + DATA, SMALL_PAGE, &to));
	EXPECT_TRUE(disk_keeps(NVME(0), RAM + DATA, data, data, 1));
	EXPECT_TRUE(disk_keeps(NVME(0), RAM + DATA, from, to, 2));
	EXPECT_FALSE(disk_keeps(NVME(0), RAM + DATA, from, from, 3));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, data, SMALL_PAGE, NULL));
	EXPECT_FALSE(disk_keeps(NVME(0), RAM + DATA, from, data, 4));

	ASSERT_EQ(0, libvfn_replace(self, 0));
	EXPECT_TRUE(disk_keeps(NVME(0), RAM + DATA, from, to, 5));
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
	ASSERT_EQ(0, open_disk(self, 0) ?: vfio_attach(DEV(0), IOAS));
	ASSERT_EQ(0, open_disk(self, PEER) ?: vfio_attach(DEV(PEER), IOAS));
	ASSERT_EQ(0, ioas_map(FD, IOAS, RAM, HUGE_PAGE, &ram));
	ASSERT_EQ(0, start_disk(self, 0, ram));
	ASSERT_EQ(0, vfio_enable(DEV(PEER)));
	ASSERT_EQ(0, nvme_start(NVME(PEER), DEV(PEER), RAM + QUEUES(PEER),
				ram + QUEUES(PEER)));
	ASSERT_EQ(0, map_cmb_of_peer(self));
	ASSERT_EQ(0, ioas_map(FD, IOAS, self->cmb, self->cmb_size, &cmb));
	ASSERT_EQ(0, nvme_memory_enable(DEV(PEER), cmb));
	EXPECT_EQ(HUGE_PAGE, vm_pinned());

	/* The other one by the page table, the disk itself by itself */
	EXPECT_TRUE(disk_reaches_cmb(self, 0, cmb, 1));
	queue = cmb + self->cmb_size - NVME_COMMANDS_BYTES;
	ASSERT_EQ(0, nvme_make_queue_at(NVME(PEER), self->cmb + queue - cmb,
					queue));
	EXPECT_TRUE(disk_reaches_cmb(self, PEER, cmb, 2));
	EXPECT_TRUE(disk_works(self, PEER, ram));

	/* From disk to disk, and what arrived */
	cmb_fill(self, 3);
	ASSERT_EQ(0, nvme_write(NVME(0), BLOCK, cmb));
	cmb_fill(self, 4);
	ASSERT_EQ(0, nvme_read(NVME(0), cmb, BLOCK));
	ASSERT_EQ(0, nvme_write(NVME(PEER), BLOCK, cmb));
	cmb_fill(self, 5);
	ASSERT_EQ(0, nvme_read(NVME(PEER), cmb, BLOCK));
	EXPECT_TRUE(cmb_is(self, 3));

	/* Commands of the other one in there */
	ASSERT_EQ(0, nvme_start(NVME(0), DEV(0), RAM, ram));
	queue -= NVME_COMMANDS_BYTES;
	ASSERT_EQ(0, nvme_make_queue_at(NVME(0), self->cmb + queue - cmb,
					queue));
	EXPECT_TRUE(disk_works(self, 0, ram));
}

/* -- xNVMe's uPCIe -- */

TEST_F(disks, are_what_xnvme_takes)
{
	__u64 iova = IOVA, unmapped;

	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, RAM_FILE, 0,
				   HUGE_PAGE, &iova));
	ASSERT_EQ(0, open_disk(self, 0));
	ASSERT_EQ(0, vfio_attach(DEV(0), IOAS));
	ASSERT_EQ(0, start_disk(self, 0, iova));
	EXPECT_TRUE(disk_works(self, 0, iova));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, iova, HUGE_PAGE, &unmapped));
	EXPECT_EQ(HUGE_PAGE, unmapped);
	EXPECT_EQ(0, vfio_detach(DEV(0)));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

/* -- cloud-hypervisor -- */

/* All that there is of BARs, as a guest could have them */
static int map_all_bars(DISKS *self, unsigned int n, __u64 iova)
{
	unsigned int bar;
	size_t size;
	char *va;
	int rc;

	for (bar = VFIO_PCI_BAR0_REGION_INDEX;
	     bar <= VFIO_PCI_BAR5_REGION_INDEX; bar++) {
		rc = vfio_map_bar(DEV(n), bar, &va, &size);
		if (rc == -ENODEV)
			continue;
		rc = rc ?: ioas_map_at(FD, IOAS, va, size,
				       iova + bar * 16 * MIB);
		if (rc)
			return rc;
		if (bar == NVME_MEMORY_BAR) {
			self->cmb = va;
			self->cmb_size = size;
		}
	}
	return 0;
}

#define CMB (BARS + NVME_MEMORY_BAR * 16 * MIB)

TEST_F(disks, are_what_cloud_hypervisor_takes)
{
	__u64 unmapped;

	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, open_disk(self, 0) ?: vfio_attach(DEV(0), IOAS));
	ASSERT_EQ(0, open_disk(self, PEER) ?: vfio_attach(DEV(PEER), IOAS));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, RAM, HUGE_PAGE, IOVA));
	/* No VM starts where this fails. */
	ASSERT_EQ(0, start_disk(self, PEER, IOVA));
	ASSERT_EQ(0, map_all_bars(self, PEER, BARS));
	ASSERT_EQ(0, start_disk(self, 0, IOVA));
	EXPECT_TRUE(disk_works(self, 0, IOVA));
	EXPECT_TRUE(disk_works(self, PEER, IOVA));
	EXPECT_TRUE(disk_reaches_cmb(self, 0, CMB, 1));

	/* The guest looks how large the BARs are. */
	ASSERT_EQ(0, bar_set_enabled(DEV(PEER), false));
	EXPECT_TRUE(disk_works(self, 0, IOVA));
	/* It may say that it did, but not there. */
	nvme_read(NVME(0), CMB, BLOCK);
	ASSERT_EQ(0, bar_set_enabled(DEV(PEER), true));
	EXPECT_TRUE(cmb_is(self, 1));
	EXPECT_TRUE(disk_reaches_cmb(self, 0, CMB, 2));

	ASSERT_EQ(0, ioas_unmap(FD, IOAS, CMB, self->cmb_size, &unmapped));
	EXPECT_EQ(self->cmb_size, unmapped);
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
	ASSERT_EQ(0, open_disk(self, 0) ?: vfio_attach(DEV(0), IOAS));
	ASSERT_EQ(0, open_disk(self, PEER) ?: vfio_attach(DEV(PEER), IOAS));
	ASSERT_EQ(0, start_disk_and_export_cmb(self, &ram, &dmabuf));

	/* Too early: it does it again when decoding is on. */
	ASSERT_EQ(0, bar_set_enabled(DEV(PEER), false));
	EXPECT_EQ(-ENODEV, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
					 self->cmb_size, &cmb));
	ASSERT_EQ(0, bar_set_enabled(DEV(PEER), true));
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   self->cmb_size, &cmb));
	close(dmabuf);
	EXPECT_TRUE(disk_reaches_cmb(self, 0, cmb, 1));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, cmb, self->cmb_size, NULL));
	EXPECT_TRUE(disk_works(self, 0, ram));
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
		rc = open_disk(self, i);
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
	ASSERT_EQ(0, start_disk(self, 0, IOVA));
	ASSERT_EQ(0, start_disk(self, PEER, IOVA));
	ASSERT_EQ(0, map_all_bars(self, PEER, BARS));
	EXPECT_TRUE(disk_works(self, 0, IOVA));
	EXPECT_TRUE(disk_reaches_cmb(self, 0, CMB, 1));
	/* The guest puts it elsewhere. */
	ASSERT_EQ(0, qemu_unmap(self, CMB, self->cmb_size));
	ASSERT_EQ(0, qemu_unmap(self, CMB, self->cmb_size));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->cmb, self->cmb_size, CMB * 2));
	EXPECT_TRUE(disk_reaches_cmb(self, 0, CMB * 2, 2));
	EXPECT_EQ(0, qemu_end(self, &qemu));
	EXPECT_EQ(0, vm_pinned());
}

static int change_process(DISKS *self)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return checked_ioctl(FD, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

TEST_F(disks, are_what_qemu_11_takes)
{
	__u64 ram = IOVA, cmb = CMB;
	struct qemu qemu = {};
	int dmabuf;

	ASSERT_EQ(0, qemu_open_disks(self, &qemu));
	ASSERT_EQ(0, start_disk_and_export_cmb(self, &ram, &dmabuf));
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   self->cmb_size, &cmb));
	EXPECT_TRUE(disk_works(self, 0, ram));
	EXPECT_TRUE(disk_reaches_cmb(self, 0, cmb, 1));
	/* Without this it would not migrate. */
	EXPECT_EQ(0, change_process(self));
	EXPECT_TRUE(disk_works(self, 0, ram));
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
	const __u64 data = IOVA + DATA, more = data + HUGE_PAGE;
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
	return disk_keeps(&nvme, RAM + DATA, data, data, 2) &&
	       !ioas_map_at(fds[0], IOAS, RAM + DATA, SMALL_PAGE, more) &&
	       disk_keeps(&nvme, RAM + DATA, more, more, 3) &&
	       !ioas_unmap(fds[0], IOAS, more, SMALL_PAGE, NULL);
}

TEST_F(disks, are_what_dpdk_26_11_takes)
{
	int sockets[2], status;
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets));
	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	/* All memory, before there is a device */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, RAM, HUGE_PAGE, IOVA));
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, vfio_open(DEV(0), self->bdf[0]));
	ASSERT_EQ(0, dpdk_bind(self, 0));
	ASSERT_EQ(0, vfio_attach(DEV(0), IOAS));
	EXPECT_EQ(HUGE_PAGE, vm_pinned());
	ASSERT_EQ(0, start_disk(self, 0, IOVA));
	EXPECT_TRUE(disk_works(self, 0, IOVA));

	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(!secondary_works(self, sockets[1]));
	ASSERT_EQ(0, send_descriptors(sockets[0], (int[]){ FD, DEV(0)->fd }));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

/* -- libvirt, KubeVirt -- */

/* What QEMU does with the file, without privileges and with just enough memory */
static bool qemu_works(DISKS *self)
{
	struct memory_rig other;

	if (memory_rig_make(&other, PAGES_SMALL, SMALL_PAGE) ||
	    drop_capability(CAP_IPC_LOCK) || limit_memlock(HUGE_PAGE) ||
	    ioas_alloc(FD, &IOAS) || open_disk(self, 0) ||
	    vfio_attach(DEV(0), IOAS) ||
	    ioas_map_at(FD, IOAS, RAM, HUGE_PAGE, IOVA) ||
	    start_disk(self, 0, IOVA) || !disk_works(self, 0, IOVA))
		return false;
	return vm_pinned() == HUGE_PAGE && vm_locked() == HUGE_PAGE &&
	       ioas_map_at(FD, IOAS, RAM, SMALL_PAGE, BARS) == 0 &&
	       ioas_map_at(FD, IOAS, other.va, SMALL_PAGE,
			   BARS + SMALL_PAGE) == -ENOMEM;
}

TEST_F(disks, are_what_libvirt_hands_to_qemu)
{
	pid_t child;
	int status;

	ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(!qemu_works(self));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
}

TEST_HARNESS_MAIN
