// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of Documentation/userspace-api/iommufd-vfio.rst, line by line: what
 * VFIO's own containers answer and what iommufd answers. Whichever of them this
 * kernel has is asked.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <sys/ioctl.h>

#include <linux/kernel.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "vfio_container.h"

#define IOVA (16 * MIB)
#define LENGTH (32 * SMALL_PAGE)

/* How far a container is */
enum stage {
	OPEN,
	WITH_GROUP,
	V1,
	V2,
};

struct asked {
	struct vfio_container container;
	char *small;		/* LENGTH in small pages, scattered */
	char *huge;		/* one huge page */
};

struct line {
	const char *name;
	enum stage stage;
	int (*ask)(struct asked *asked);
	int vfio;
	int iommufd;
};

#define C (&asked->container)

static int ask_version(struct asked *asked)
{
	return ioctl(C->fd, VFIO_GET_API_VERSION);
}

#define EXTENSION(name, extension)					\
static int ask_##name(struct asked *asked)				\
{									\
	return container_extension(C, extension);			\
}

EXTENSION(type1, VFIO_TYPE1_IOMMU)
EXTENSION(type1v2, VFIO_TYPE1v2_IOMMU)
EXTENSION(unmap_all, VFIO_UNMAP_ALL)
EXTENSION(update_vaddr, VFIO_UPDATE_VADDR)
EXTENSION(dma_cc, VFIO_DMA_CC_IOMMU)
EXTENSION(spapr, VFIO_SPAPR_TCE_IOMMU)

/* It is up to the IOMMU. */
static int ask_any_dma_cc(struct asked *asked)
{
	int rc = ask_dma_cc(asked);

	return rc == 1 ? 0 : rc;
}

static int ask_set_v2(struct asked *asked)
{
	return container_set_iommu(C, VFIO_TYPE1v2_IOMMU);
}

static int ask_set_unknown(struct asked *asked)
{
	return container_set_iommu(C, VFIO_SPAPR_TCE_IOMMU);
}

static int ask_enable(struct asked *asked)
{
	return checked_ioctl(C->fd, VFIO_IOMMU_ENABLE, NULL);
}

static int ask_info(struct asked *asked)
{
	char info[1024];
	__u32 argsz = sizeof(info);

	return container_info(C, info, &argsz);
}

static int ask_info_too_small(struct asked *asked)
{
	char info[1024];
	__u32 argsz = 15;

	return container_info(C, info, &argsz);
}

/* Is there a capability of this ID? */
static int has_cap(struct asked *asked, __u16 id)
{
	union {
		struct vfio_iommu_type1_info head;
		char bytes[1024];
	} info = {};
	__u32 argsz = sizeof(info), offset;
	int rc = container_info(C, &info, &argsz);

	for (offset = info.head.cap_offset; offset && !rc;) {
		const struct vfio_info_cap_header *cap =
			(void *)(info.bytes + offset);

		if (cap->id == id)
			return 1;
		offset = cap->next;
	}
	return rc;
}

static int ask_iova_ranges(struct asked *asked)
{
	return has_cap(asked, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
}

static int ask_migration(struct asked *asked)
{
	return has_cap(asked, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);
}

static int ask_dma_avail(struct asked *asked)
{
	return has_cap(asked, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
}

#define MAP_VADDR (VFIO_DMA_MAP_FLAG_VADDR | CONTAINER_RW)

#define MAP(name, flags, va, length, iova)				\
static int ask_##name(struct asked *asked)				\
{									\
	return container_map_flags(C, flags, va, length, iova);		\
}

MAP(map, CONTAINER_RW, asked->small, LENGTH, IOVA)
MAP(map_to_read, VFIO_DMA_MAP_FLAG_READ, asked->small, LENGTH, IOVA)
MAP(map_to_write, VFIO_DMA_MAP_FLAG_WRITE, asked->small, LENGTH, IOVA)
MAP(map_without_access, 0, asked->small, LENGTH, IOVA)
MAP(map_vaddr, MAP_VADDR, asked->small, LENGTH, IOVA)
MAP(map_unknown_flag, 8 | CONTAINER_RW, asked->small, LENGTH, IOVA)
MAP(map_nothing, CONTAINER_RW, asked->small, 0, IOVA)
MAP(map_half_pages, CONTAINER_RW, asked->small, SMALL_PAGE / 2, IOVA)
MAP(map_wrapping, CONTAINER_RW, asked->small, 2 * SMALL_PAGE, -SMALL_PAGE)
MAP(map_reserved, CONTAINER_RW, asked->small, SMALL_PAGE, 0xfee00000)
MAP(map_no_memory, CONTAINER_RW, (void *)SMALL_PAGE, SMALL_PAGE, IOVA)

static int ask_map_again(struct asked *asked)
{
	return ask_map(asked) ?: ask_map(asked);
}

/* How many pages were unmapped, after LENGTH of small ones were mapped */
static int unmapped(struct asked *asked, __u32 flags, __u64 iova, __u64 length)
{
	int rc = container_map(C, asked->small, LENGTH, IOVA);

	return rc ?: container_unmap_flags(C, flags, iova, &length) ?:
	       length / SMALL_PAGE;
}

#define UNMAP(name, flags, iova, length)				\
static int ask_##name(struct asked *asked)				\
{									\
	return unmapped(asked, flags, iova, length);			\
}

UNMAP(unmap, 0, IOVA, LENGTH)
UNMAP(unmap_more, 0, IOVA - LENGTH, 3 * LENGTH)
UNMAP(unmap_elsewhere, 0, IOVA + LENGTH, LENGTH)
UNMAP(unmap_first_part, 0, IOVA, 3 * SMALL_PAGE)
UNMAP(unmap_middle, 0, IOVA + 3 * SMALL_PAGE, 2 * SMALL_PAGE)
UNMAP(unmap_last_part, 0, IOVA + 30 * SMALL_PAGE, 2 * SMALL_PAGE)
UNMAP(unmap_everything, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0)
UNMAP(unmap_everything_at, VFIO_DMA_UNMAP_FLAG_ALL, IOVA, 0)
UNMAP(unmap_unknown_flag, 8, IOVA, LENGTH)
UNMAP(unmap_nothing, 0, IOVA, 0)
UNMAP(unmap_half_pages, 0, IOVA, SMALL_PAGE / 2)
UNMAP(unmap_wrapping, 0, -SMALL_PAGE, 2 * SMALL_PAGE)

/* The same, after a huge page was mapped */
static int unmapped_of_huge(struct asked *asked, __u64 iova, __u64 length)
{
	int rc = container_map(C, asked->huge, HUGE_PAGE, IOVA);

	return rc ?: container_unmap_flags(C, 0, iova, &length) ?:
	       length / SMALL_PAGE;
}

static int ask_unmap_first_of_huge(struct asked *asked)
{
	return unmapped_of_huge(asked, IOVA, SMALL_PAGE);
}

static int ask_unmap_middle_of_huge(struct asked *asked)
{
	return unmapped_of_huge(asked, IOVA + SMALL_PAGE, SMALL_PAGE);
}

static int dirty_pages(struct asked *asked, __u32 flags)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
	};

	return checked_ioctl(C->fd, VFIO_IOMMU_DIRTY_PAGES, &cmd);
}

static int ask_dirty_start(struct asked *asked)
{
	return dirty_pages(asked, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

static int ask_dirty_stop(struct asked *asked)
{
	return dirty_pages(asked, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
}

static int ask_many_maps(struct asked *asked)
{
	unsigned long i;
	int rc = 0;

	for (i = 0; i < 66000 && !rc; i++)
		rc = container_map(C, asked->small, SMALL_PAGE,
				   IOVA + 2 * i * SMALL_PAGE);
	return rc;
}

static const struct line lines[] = {
	{ "GET_API_VERSION", OPEN, ask_version, 0, 0 },
	{ "TYPE1", OPEN, ask_type1, 1, 1 },
	{ "TYPE1v2", OPEN, ask_type1v2, 1, 1 },
	{ "UNMAP_ALL", OPEN, ask_unmap_all, 1, 1 },
	{ "UPDATE_VADDR", V2, ask_update_vaddr, 1, 0 },
	{ "DMA_CC, no group", OPEN, ask_dma_cc, 0, -ENODEV },
	{ "DMA_CC", V2, ask_any_dma_cc, 0, 0 },
	{ "SPAPR", OPEN, ask_spapr, 0, 0 },
	{ "SET_IOMMU, no group", OPEN, ask_set_v2, -EINVAL, -ENODEV },
	{ "SET_IOMMU, unknown", WITH_GROUP, ask_set_unknown, -ENODEV, -EINVAL },
	{ "SET_IOMMU", WITH_GROUP, ask_set_v2, 0, 0 },
	{ "SET_IOMMU again", V1, ask_set_v2, -EINVAL, 0 },
	{ "IOMMU_ENABLE", V2, ask_enable, -ENOTTY, -ENOTTY },
	{ "GET_INFO, no type", WITH_GROUP, ask_info, -EINVAL, 0 },
	{ "GET_INFO", V2, ask_info, 0, 0 },
	{ "GET_INFO, argsz", V2, ask_info_too_small, -EINVAL, -EINVAL },
	{ "IOVA ranges", V2, ask_iova_ranges, 1, 1 },
	{ "migration", V2, ask_migration, 1, 0 },
	{ "DMA_AVAIL", V2, ask_dma_avail, 1, 1 },
	{ "MAP", V2, ask_map, 0, 0 },
	{ "MAP to read", V2, ask_map_to_read, 0, 0 },
	{ "MAP to write", V2, ask_map_to_write, 0, 0 },
	{ "MAP without access", V2, ask_map_without_access, -EINVAL, -EINVAL },
	{ "MAP, VADDR", V2, ask_map_vaddr, -EINVAL, -EINVAL },
	{ "MAP, unknown flag", V2, ask_map_unknown_flag, -EINVAL, -EINVAL },
	{ "MAP of nothing", V2, ask_map_nothing, -EINVAL, -EINVAL },
	{ "MAP of half a page", V2, ask_map_half_pages, -EINVAL, -EINVAL },
	{ "MAP that wraps", V2, ask_map_wrapping, -EOVERFLOW, -EOVERFLOW },
	{ "MAP, reserved", V2, ask_map_reserved, -EINVAL, -EINVAL },
	{ "MAP of no memory", V2, ask_map_no_memory, -EFAULT, -EFAULT },
	{ "MAP again", V2, ask_map_again, -EEXIST, -EEXIST },
	{ "many MAPs", V2, ask_many_maps, -ENOSPC, 0 },
	{ "UNMAP", V2, ask_unmap, 32, 32 },
	{ "UNMAP of more", V2, ask_unmap_more, 32, 32 },
	{ "UNMAP elsewhere", V2, ask_unmap_elsewhere, 0, 0 },
	{ "UNMAP of the first part", V2, ask_unmap_first_part, -EINVAL,
	  -ENOENT },
	{ "UNMAP of the middle", V2, ask_unmap_middle, -EINVAL, -ENOENT },
	{ "UNMAP of the last part", V2, ask_unmap_last_part, -EINVAL, -ENOENT },
	{ "UNMAP, ALL", V2, ask_unmap_everything, 32, 32 },
	{ "UNMAP, ALL at an IOVA", V2, ask_unmap_everything_at, -EINVAL,
	  -EINVAL },
	{ "UNMAP, unknown flag", V2, ask_unmap_unknown_flag, -EINVAL, -EINVAL },
	{ "UNMAP of 0 bytes", V2, ask_unmap_nothing, -EINVAL, -EINVAL },
	{ "UNMAP of half a page", V2, ask_unmap_half_pages, -EINVAL, -EINVAL },
	{ "UNMAP that wraps", V2, ask_unmap_wrapping, -EOVERFLOW, -EOVERFLOW },
	{ "v1: MAP", V1, ask_map, 0, 0 },
	{ "v1: UNMAP", V1, ask_unmap, 32, 32 },
	{ "v1: UNMAP elsewhere", V1, ask_unmap_elsewhere, 0, 0 },
	{ "v1: UNMAP of the first part", V1, ask_unmap_first_part, 32, 3 },
	{ "v1: UNMAP of the middle", V1, ask_unmap_middle, 0, 2 },
	{ "v1: UNMAP of the last part", V1, ask_unmap_last_part, 0, 2 },
	{ "v1: UNMAP of the first of a huge page", V1, ask_unmap_first_of_huge,
	  512, 1 },
	{ "v1: UNMAP of the middle of a huge page", V1,
	  ask_unmap_middle_of_huge, 0, 1 },
	{ "v1: UNMAP, ALL", V1, ask_unmap_everything, 32, 32 },
	{ "START", V2, ask_dirty_start, 0, -ENOTTY },
	{ "STOP", V2, ask_dirty_stop, 0, -ENOTTY },
	{ "v1: START", V1, ask_dirty_start, -EACCES, -ENOTTY },
};

FIXTURE(table)
{
	struct asked asked;
	struct memory_rig small;
	struct memory_rig huge;
	char bdf[BDF_SIZE];
};

FIXTURE_VARIANT(table)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(table, of_vfio)
{
	.path = "/dev/vfio/vfio",
};

FIXTURE_VARIANT_ADD(table, of_iommufd)
{
	.path = "/dev/iommu",
};

FIXTURE_SETUP(table)
{
	if (pci_find(EDU_VENDOR, EDU_DEVICE, self->bdf) == -ENODEV)
		SKIP(return, "no edu device");
	MAKE(rig_part("the device for vfio", vfio_claim(self->bdf)));
	MAKE(memory_rig_make(&self->small, PAGES_SMALL_RANDOM, LENGTH));
	MAKE(memory_rig_make(&self->huge, PAGES_HUGETLB, HUGE_PAGE));
	self->asked.small = self->small.va;
	self->asked.huge = self->huge.va;
}

FIXTURE_TEARDOWN(table)
{
}

static int reach(struct vfio_container *container, enum stage stage,
		 const char *bdf)
{
	if (stage == OPEN)
		return 0;
	if (stage == WITH_GROUP)
		return container_open_group(container, bdf) ?:
		       container_join(container);
	return container_open_group(container, bdf) ?:
	       container_join(container) ?:
	       container_set_iommu(container, stage == V1 ?
					      VFIO_TYPE1_IOMMU :
					      VFIO_TYPE1v2_IOMMU) ?:
	       container_open_device(container, bdf);
}

TEST_F_TIMEOUT(table, lines_are_true, 600)
{
	struct vfio_container *container = &self->asked.container;
	const struct line *line;
	int rc, expected;

	for (line = lines; line < lines + ARRAY_SIZE(lines); line++) {
		rc = container_open_file(container, variant->path);
		if (rc == -ENOENT)
			SKIP(return, "no %s", variant->path);
		ASSERT_EQ(0, rc);
		expected = container_is_iommufd(container) ? line->iommufd :
							      line->vfio;
		ASSERT_EQ(0, reach(container, line->stage, self->bdf))
			TH_LOG("%s", line->name);
		rc = line->ask(&self->asked);
		EXPECT_EQ(expected, rc)
			TH_LOG("%s", line->name);
		container_close(container);
	}
}

TEST_HARNESS_MAIN
