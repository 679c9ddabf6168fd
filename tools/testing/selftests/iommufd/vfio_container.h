/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The older interface: a device of a group in a container. Behind
 * /dev/vfio/vfio is either VFIO's own container with its type1 IOMMU driver,
 * or iommufd's emulation of it; /dev/iommu is a container, too. Functions
 * return 0, or what their comment says, or a negative errno.
 */
#ifndef VFIO_CONTAINER_H
#define VFIO_CONTAINER_H

#include "iommufd_lib.h"

#define CONTAINER_RW (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

struct vfio_container {
	int fd;
	int group;
	int device;
};

/* A container for the device, and the device open in it; type1v2. */
int container_open(struct vfio_container *container, const char *bdf);
/* The same of the file at @path, and of this type. */
int container_open_as(struct vfio_container *container, const char *path,
		      unsigned long type, const char *bdf);
void container_close(struct vfio_container *container);

/* The same step by step, in this order. */
int container_open_file(struct vfio_container *container, const char *path);
/* Opens the group of the device, which is vfio-pci's, with an IOMMU or not. */
int container_open_group(struct vfio_container *container, const char *bdf);
int container_join(struct vfio_container *container);
/* VFIO_GROUP_FLAGS_*, or a negative errno */
int container_group_status(const struct vfio_container *container);
int container_set_iommu(const struct vfio_container *container,
			unsigned long type);
int container_open_device(struct vfio_container *container, const char *bdf);

/* Is it iommufd that answers? */
bool container_is_iommufd(const struct vfio_container *container);
/* What it says of an extension: 0, or more, or a negative errno. */
int container_extension(const struct vfio_container *container,
			unsigned long extension);
/* @argsz is the size of @info, and becomes what all takes. */
int container_info(const struct vfio_container *container, void *info,
		   __u32 *argsz);

int container_map(const struct vfio_container *container, const void *va,
		  __u64 length, __u64 iova);
int container_map_flags(const struct vfio_container *container, __u32 flags,
			const void *va, __u64 length, __u64 iova);
int container_unmap(const struct vfio_container *container, __u64 iova,
		    __u64 length);
/* *length becomes what was unmapped. */
int container_unmap_flags(const struct vfio_container *container, __u32 flags,
			  __u64 iova, __u64 *length);

#endif
