// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of VFIO's devices, and of containers
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include <linux/vfio.h>

#include "word_size.h"

/*
 * struct vfio_bitmap has a pointer, which is as long as the kernel's: in VFIO's
 * own container, too. A program of 32 bits has to know.
 */
struct dirty_pages {
	struct vfio_iommu_type1_dirty_bitmap head;
	__aligned_u64 iova;
	__aligned_u64 size;
	__aligned_u64 page_size;
	__aligned_u64 bitmap_size;
	__aligned_u64 bitmap;
};

static void call_dirty_pages(int container, int expected, __u64 iova)
{
	struct dirty_pages cmd = {
		.head.argsz = sizeof(cmd),
		.iova = iova,
		.size = MEMORY_SIZE,
		.page_size = PAGE,
		.bitmap_size = 8,
		.bitmap = RESULTS,
	};

	memset((void *)RESULTS, 0, PAGE);
	cmd.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START;
	CALL_FOR(expected, container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
	cmd.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	CALL_FOR(expected, container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
	cmd.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP;
	CALL_FOR(expected, container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
	show_memory("dirty", RESULTS, 8);
}

/* As a container, with a device whose IOMMU can tell what it writes */
void call_as_container(int fd)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = call_ioas_alloc(fd),
	};
	struct iommu_test_cmd dev;

	CALL(fd, IOMMU_VFIO_IOAS, &cmd);
	CALL_BY_VALUE(0, fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	dev = plug(fd, cmd.ioas_id);
	call_map(fd, cmd.ioas_id, MEMORY, IOVA);
	call_dirty_pages(fd, 0, IOVA);
	call_destroy(fd, dev.mock_domain.out_stdev_id);
}

/* A device is the same whoever has opened it. */
static void show_device(int device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq) };

	CALL(device, VFIO_DEVICE_GET_INFO, &info);
	CALL(device, VFIO_DEVICE_GET_REGION_INFO, &region);
	CALL(device, VFIO_DEVICE_GET_IRQ_INFO, &irq);
	/* edu does not know how */
	CALL_BY_VALUE(-EINVAL, device, VFIO_DEVICE_RESET, 0);
}

void run_device(const char *path)
{
	int fd = must_open("/dev/iommu"), device = must_open(path);
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = fd,
	};
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
	};
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
	};
	__u32 ioas;

	CALL(device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	ioas = call_ioas_alloc(fd);
	call_hw_info(fd, bind.out_devid);
	attach.pt_id = ioas;
	CALL(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
	call_iova_ranges(fd, ioas);
	call_map(fd, ioas, MEMORY, HIGH_IOVA);
	call_unmap(fd, ioas, HIGH_IOVA, MEMORY_SIZE);
	show_device(device);
	CALL(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
	close(device);
	call_destroy(fd, ioas);
}

void run_container(const char *path, const char *group_path, const char *bdf)
{
	int container = must_open(path), group = must_open(group_path);
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct vfio_iommu_type1_info *info = (void *)RESULTS;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = MEMORY,
		.iova = HIGH_IOVA,
		.size = MEMORY_SIZE,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = HIGH_IOVA,
		.size = MEMORY_SIZE,
	};
	int device;

	CALL_BY_VALUE(VFIO_API_VERSION, container, VFIO_GET_API_VERSION, 0);
	CALL_BY_VALUE(1, container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU);
	CALL(group, VFIO_GROUP_GET_STATUS, &status);
	CALL(group, VFIO_GROUP_SET_CONTAINER, &container);
	CALL_BY_VALUE(0, container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	show("VFIO_GROUP_GET_DEVICE_FD", device < 0 ? -1 : 0, 0, "", 0);

	memset(info, 0, PAGE);
	info->argsz = PAGE;
	CALL(container, VFIO_IOMMU_GET_INFO, info);
	show_memory("what it says of itself", RESULTS, 256);
	CALL(container, VFIO_IOMMU_MAP_DMA, &map);
	/* edu's IOMMU cannot tell */
	call_dirty_pages(container, -ENOTTY, HIGH_IOVA);
	CALL(container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	show_device(device);
	close(device);
	CALL_BY_VALUE(0, group, VFIO_GROUP_UNSET_CONTAINER, 0);
	close(group);
	close(container);
}
