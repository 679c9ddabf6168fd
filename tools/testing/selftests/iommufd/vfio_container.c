// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "checked_io.h"
#include "vfio_container.h"

int container_open_file(struct vfio_container *container, const char *path)
{
	container->group = -1;
	container->device = -1;
	container->fd = open(path, O_RDWR | O_CLOEXEC);
	return container->fd < 0 ? -errno : 0;
}

int container_open_group(struct vfio_container *container, const char *bdf)
{
	int number = vfio_group(bdf);
	char path[64];

	if (number < 0)
		return number;
	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	container->group = open(path, O_RDWR | O_CLOEXEC);
	if (container->group < 0 && errno == ENOENT) {
		snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", number);
		container->group = open(path, O_RDWR | O_CLOEXEC);
	}
	return container->group < 0 ? -errno : 0;
}

int container_join(struct vfio_container *container)
{
	return checked_ioctl(container->group, VFIO_GROUP_SET_CONTAINER,
			     &container->fd);
}

int container_group_status(const struct vfio_container *container)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	return checked_ioctl(container->group, VFIO_GROUP_GET_STATUS,
			     &status) ?: status.flags;
}

int container_set_iommu(const struct vfio_container *container,
			unsigned long type)
{
	return checked_ioctl(container->fd, VFIO_SET_IOMMU, (void *)type);
}

int container_open_device(struct vfio_container *container, const char *bdf)
{
	container->device = ioctl(container->group, VFIO_GROUP_GET_DEVICE_FD,
				  bdf);
	return container->device < 0 ? -errno : 0;
}

int container_open_as(struct vfio_container *container, const char *path,
		      unsigned long type, const char *bdf)
{
	int rc;

	rc = container_open_file(container, path);
	if (rc)
		return rc;
	/* The IOMMU's type can be set once there is a group. */
	rc = container_open_group(container, bdf) ?: container_join(container);
	if (!rc)
		rc = container_set_iommu(container, type);
	if (!rc)
		rc = container_open_device(container, bdf);
	if (rc)
		container_close(container);
	return rc;
}

int container_open(struct vfio_container *container, const char *bdf)
{
	return container_open_as(container, "/dev/vfio/vfio",
				 VFIO_TYPE1v2_IOMMU, bdf);
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

int container_extension(const struct vfio_container *container,
			unsigned long extension)
{
	int rc = ioctl(container->fd, VFIO_CHECK_EXTENSION, extension);

	return rc < 0 ? -errno : rc;
}

int container_info(const struct vfio_container *container, void *info,
		   __u32 *argsz)
{
	struct vfio_iommu_type1_info *head = info;
	int rc;

	head->argsz = *argsz;
	rc = checked_ioctl(container->fd, VFIO_IOMMU_GET_INFO, info);
	*argsz = head->argsz;
	return rc;
}

int container_map_flags(const struct vfio_container *container, __u32 flags,
			const void *va, __u64 length, __u64 iova)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = length,
	};

	return checked_ioctl(container->fd, VFIO_IOMMU_MAP_DMA, &cmd);
}

int container_map(const struct vfio_container *container, const void *va,
		  __u64 length, __u64 iova)
{
	return container_map_flags(container, CONTAINER_RW, va, length, iova);
}

int container_unmap_flags(const struct vfio_container *container, __u32 flags,
			  __u64 iova, __u64 *length)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.iova = iova,
		.size = *length,
	};
	int rc;

	rc = checked_ioctl(container->fd, VFIO_IOMMU_UNMAP_DMA, &cmd);
	*length = cmd.size;
	return rc;
}

int container_unmap(const struct vfio_container *container, __u64 iova,
		    __u64 length)
{
	return container_unmap_flags(container, 0, iova, &length);
}
