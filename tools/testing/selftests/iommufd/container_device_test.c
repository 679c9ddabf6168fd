// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO groups in a container that is an iommufd, with QEMU's edu device: the
 * programs that there are, call by call, and where the device's DMA goes.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <sys/ioctl.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "test_support.h"
#include "vfio_container.h"

#define IOVA (16 * MIB)
#define LENGTH (32 * SMALL_PAGE)

FIXTURE(group)
{
	struct edu_rig rig;		/* without an IOAS of its own */
	struct vfio_container container;
	struct memory_rig mem;		/* 2 MiB, aligned */
	char bdf[BDF_SIZE];
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

#define C (&self->container)
#define BDF (self->bdf)
#define VA (self->mem.va)
#define RIG (&self->rig)

static int open_container(struct vfio_container *container, const char *path)
{
	int rc = container_open_file(container, path);

	if (rc == -ENOENT)
		return rig_absent("container of this name");
	if (!rc && !container_is_iommufd(container))
		return rig_absent("container that is an iommufd");
	return rig_part("a container", rc);
}

FIXTURE_SETUP(group)
{
	self->rig.pins = pins_held();
	if (pci_find(EDU_VENDOR, EDU_DEVICE, BDF) == -ENODEV)
		SKIP(return, "no edu device");
	MAKE(open_container(C, variant->path));
	MAKE(rig_part("the device for vfio", vfio_claim(BDF)));
	MAKE(rig_part("its group", container_open_group(C, BDF)));
	MAKE(memory_rig_make(&self->mem, PAGES_HUGETLB, HUGE_PAGE));
	self->rig.scratch = anonymous(SMALL_PAGE);
	ASSERT_NE(NULL, self->rig.scratch);
}

FIXTURE_TEARDOWN_PARENT(group)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

static int group_status(const struct vfio_container *container)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	return checked_ioctl(container->group, VFIO_GROUP_GET_STATUS,
			     &status) ?: status.flags;
}

/* The device, once it is open, ready to be asked what it sees */
static int use_device(struct edu_rig *rig, const struct vfio_container *c,
		      const char *bdf)
{
	rig->edu = (struct vfio_dev){ .fd = c->device };
	snprintf(rig->edu.bdf, sizeof(rig->edu.bdf), "%s", bdf);
	return vfio_enable(&rig->edu) ?:
	       container_map(c, rig->scratch, SMALL_PAGE, SCRATCH_IOVA);
}

static int open_device(struct edu_rig *rig, struct vfio_container *container,
		       const char *bdf, unsigned long type)
{
	return container_join(container) ?:
	       container_set_iommu(container, type) ?:
	       container_open_device(container, bdf) ?:
	       use_device(rig, container, bdf);
}

TEST_F(group, comes_before_everything_else)
{
	char info[512];
	__u32 argsz = sizeof(info);

	EXPECT_EQ(-ENODEV, container_set_iommu(C, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-EINVAL, container_open_device(C, BDF));
	ASSERT_EQ(0, container_join(C));
	EXPECT_EQ(-EINVAL, container_join(C));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET,
		  group_status(C));
	/* No type was chosen: an iommufd has one IOMMU. */
	EXPECT_EQ(0, container_info(C, info, &argsz));
	EXPECT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-EINVAL, container_set_iommu(C, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(0, checked_ioctl(C->group, VFIO_GROUP_UNSET_CONTAINER, NULL));
	EXPECT_EQ(0, container_unmap(C, IOVA, HUGE_PAGE));
}

/* QEMU 10 and 11: -device vfio-pci,host= */
TEST_F(group, is_what_qemu_takes)
{
	const __u64 half = 1ULL << 63;
	__u64 length = half;
	char info[512];
	__u32 argsz = sizeof(struct vfio_iommu_type1_info);

	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, group_status(C));
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
	ASSERT_EQ(0, use_device(RIG, C, BDF));
	EXPECT_LE(0, container_extension(C, VFIO_DMA_CC_IOMMU));
	EXPECT_TRUE(device_sees(RIG, IOVA, VA, HUGE_PAGE));
	/* Everything, in two halves */
	EXPECT_EQ(0, container_unmap_flags(C, 0, 0, &length));
	EXPECT_EQ(HUGE_PAGE + SMALL_PAGE, length);
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
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, group_status(C));
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	EXPECT_EQ(-EEXIST, container_map(C, VA, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, container_open_device(C, BDF));
	ASSERT_EQ(0, use_device(RIG, C, BDF));
	EXPECT_TRUE(device_sees(RIG, IOVA, VA, HUGE_PAGE));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA + HUGE_PAGE));
	EXPECT_TRUE(device_sees(RIG, IOVA + HUGE_PAGE, VA, HUGE_PAGE));
	EXPECT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(HUGE_PAGE, length);
	EXPECT_FALSE(device_reads(RIG, IOVA, VA, SMALL_PAGE));
	EXPECT_TRUE(device_sees(RIG, IOVA + HUGE_PAGE, VA, HUGE_PAGE));
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

/* SPDK in DPDK's container: maps of 2 MiB, many more than VFIO has */
TEST_F_TIMEOUT(group, is_what_spdk_takes, 600)
{
	struct vfio_container spdk = { .group = -1, .device = -1 };
	const unsigned long nr = 66000;
	unsigned long i;

	if (strcmp(variant->path, "/dev/vfio/vfio"))
		SKIP(return, "SPDK looks for another name");
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	spdk.fd = find_descriptor("/dev/vfio/vfio");
	ASSERT_EQ(C->fd, spdk.fd);
	/* So many of one page cost too much memory once they are pinned. */
	for (i = 0; i != nr; i++)
		ASSERT_EQ(0, container_map(&spdk, VA, HUGE_PAGE,
					   (i + 1) * HUGE_PAGE));
	EXPECT_EQ(-EEXIST, container_map(&spdk, VA, HUGE_PAGE, HUGE_PAGE));
	for (i = 0; i != nr; i++)
		ASSERT_EQ(0, container_unmap(&spdk, (i + 1) * HUGE_PAGE,
					     HUGE_PAGE));
}

/* VPP never asks for extensions. */
TEST_F(group, is_what_vpp_takes)
{
	EXPECT_EQ(VFIO_API_VERSION, ioctl(C->fd, VFIO_GET_API_VERSION));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, group_status(C));
	ASSERT_EQ(0, container_join(C));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, container_open_device(C, BDF));
	ASSERT_EQ(0, use_device(RIG, C, BDF));
	EXPECT_TRUE(device_sees(RIG, IOVA, VA, HUGE_PAGE));
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
	ASSERT_EQ(0, use_device(RIG, C, BDF));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	EXPECT_TRUE(device_sees(RIG, IOVA, VA, HUGE_PAGE));
	EXPECT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(HUGE_PAGE, length);
	EXPECT_FALSE(device_reads(RIG, IOVA, VA, SMALL_PAGE));
}

TEST_F(group, has_dma_to_what_a_cut_leaves)
{
	__u64 length = SMALL_PAGE;

	ASSERT_EQ(0, open_device(RIG, C, BDF, VFIO_TYPE1_IOMMU));
	/* An IOVA at which no large entry fits */
	ASSERT_EQ(0, container_map(C, VA, LENGTH, IOVA + SMALL_PAGE));
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + 11 * SMALL_PAGE,
					   &length));
	EXPECT_EQ(SMALL_PAGE, length);
	EXPECT_TRUE(device_sees(RIG, IOVA + SMALL_PAGE, VA, 10 * SMALL_PAGE));
	EXPECT_FALSE(device_reads(RIG, IOVA + 11 * SMALL_PAGE,
				  VA + 10 * SMALL_PAGE, SMALL_PAGE));
	EXPECT_TRUE(device_sees(RIG, IOVA + 12 * SMALL_PAGE,
				VA + 11 * SMALL_PAGE, LENGTH - 11 * SMALL_PAGE));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, container_unmap(C, IOVA + SMALL_PAGE, LENGTH));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_F(group, has_dma_to_what_a_cut_leaves_of_a_large_entry)
{
	const __u64 cut = 300 * SMALL_PAGE, behind = cut + SMALL_PAGE;
	__u64 length = SMALL_PAGE;

	ASSERT_EQ(0, open_device(RIG, C, BDF, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, container_map(C, VA, HUGE_PAGE, IOVA));
	EXPECT_TRUE(device_sees(RIG, IOVA, VA, HUGE_PAGE));
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + cut, &length));
	EXPECT_EQ(SMALL_PAGE, length);
	EXPECT_TRUE(device_sees(RIG, IOVA, VA, cut));
	EXPECT_FALSE(device_reads(RIG, IOVA + cut, VA + cut, SMALL_PAGE));
	EXPECT_TRUE(device_sees(RIG, IOVA + behind, VA + behind,
				HUGE_PAGE - behind));
	EXPECT_EQ(HUGE_PAGE, vm_pinned());

	length = HUGE_PAGE;
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA, &length));
	EXPECT_EQ(HUGE_PAGE - SMALL_PAGE, length);
	EXPECT_FALSE(device_reads(RIG, IOVA, VA, SMALL_PAGE));
}

TEST_F(group, charges_the_process)
{
	ASSERT_EQ(0, open_device(RIG, C, BDF, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, limit_memlock(LENGTH + SMALL_PAGE));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	/* What was charged to nobody goes back to nobody. */
	EXPECT_EQ(-ENOMEM, container_map(C, VA, LENGTH + 2 * SMALL_PAGE, IOVA));
	EXPECT_EQ(0, container_map(C, VA, LENGTH + SMALL_PAGE, IOVA));
	EXPECT_EQ(-ENOMEM, container_map(C, VA, SMALL_PAGE, 2 * IOVA));
	EXPECT_EQ(LENGTH + SMALL_PAGE, (__u64)vm_locked());
	EXPECT_EQ(0, container_unmap(C, IOVA, LENGTH + SMALL_PAGE));
	EXPECT_EQ(0, container_map(C, VA, SMALL_PAGE, 2 * IOVA));
}

TEST_HARNESS_MAIN
