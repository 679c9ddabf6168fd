// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs that there are, and that use a container: call by call in the
 * order in which they call, and with what they do when a call fails. Those that
 * are in Debian run elsewhere; these tests are what remains when there is no
 * such program. QEMU's edu device tells what it sees. Those that use character
 * devices are in disk_clients_test.c.
 *
 *   CLIENTS_MAPS=n   how many maps SPDK makes
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/kernel.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "group_fixture.h"
#include "test_support.h"

#define IOVA (16 * MIB)
#define BARS (2 * GIB)

/* -- a device of a group in a container -- */

#define USE_DEVICE() container_rig_use_device(&self->rig)

FIXTURE_SETUP(group)
{
	char bdf[BDF_SIZE], iommu[32];

	if (!pci_find(EDU_VENDOR, EDU_DEVICE, bdf) &&
	    pci_iommu(bdf, iommu, sizeof(iommu)))
		SKIP(return, "the edu device has no IOMMU");
	MAKE(container_rig_make(&self->rig, variant->path));
	MAKE(memory_rig_make(&self->mem, PAGES_HUGETLB, HUGE_PAGE));
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
	EXPECT_EQ(BLOCKED, device_read(EDU, IOVA, VA, SMALL_PAGE));
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
	EXPECT_EQ(BLOCKED, device_read(EDU, IOVA, VA, SMALL_PAGE));
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

/* More than the 65535 that VFIO has for a container by default */
#define SPDK_MAPS 66000

static unsigned long number_of_maps(void)
{
	const char *text = getenv("CLIENTS_MAPS");

	return text ? strtoul(text, NULL, 0) : SPDK_MAPS;
}

/* SPDK in DPDK's container: maps of 2 MiB, each for itself */
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
	for (iova = first; iova <= last; iova += HUGE_PAGE) {
		ASSERT_EQ(0, container_map(&spdk, VA, HUGE_PAGE, iova))
			TH_LOG("IOVA %llx", iova);
	}
	EXPECT_EQ(-EEXIST, container_map(&spdk, VA, HUGE_PAGE, last));
	EXPECT_TRUE(device_sees(EDU, first, VA, HUGE_PAGE));
	EXPECT_TRUE(device_sees(EDU, last, VA, HUGE_PAGE));
	for (iova = first; iova <= last; iova += HUGE_PAGE)
		ASSERT_EQ(0, container_unmap(&spdk, iova, HUGE_PAGE));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_HARNESS_MAIN
