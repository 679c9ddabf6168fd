// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "vfio_container.h"

static int open_group(const char *bdf)
{
	int number = vfio_group(bdf);
	char path[64];
	int fd;

	if (number < 0)
		return number;
	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* In this order: the IOMMU's type can be set once there is a group. */
static int join(struct vfio_container *container, const char *bdf)
{
	if (ioctl(container->group, VFIO_GROUP_SET_CONTAINER, &container->fd) ||
	    ioctl(container->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	container->device = ioctl(container->group, VFIO_GROUP_GET_DEVICE_FD,
				  bdf);
	return container->device < 0 ? -errno : 0;
}

int container_open(struct vfio_container *container, const char *bdf)
{
	int rc;

	container->device = -1;
	container->fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container->fd < 0)
		return -errno;
	container->group = open_group(bdf);
	rc = container->group < 0 ? container->group : join(container, bdf);
	if (rc)
		container_close(container);
	return rc;
}

void container_close(struct vfio_container *container)
{
	if (container->device >= 0)
		close(container->device);
	if (container->group >= 0)
		close(container->group);
	close(container->fd);
}

/* Only iommufd knows objects, even if there is none of this ID. */
bool container_is_iommufd(const struct vfio_container *container)
{
	return iommufd_destroy(container->fd, 0) == -ENOENT;
}

int container_map(const struct vfio_container *container, const void *va,
		  __u64 length, __u64 iova)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = length,
	};

	return ioctl(container->fd, VFIO_IOMMU_MAP_DMA, &cmd) ? -errno : 0;
}

int container_unmap(const struct vfio_container *container, __u64 iova,
		    __u64 length)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.iova = iova,
		.size = length,
	};

	return ioctl(container->fd, VFIO_IOMMU_UNMAP_DMA, &cmd) ? -errno : 0;
}
