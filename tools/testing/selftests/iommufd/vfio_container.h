/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The older interface: a device of a group in a container. Behind
 * /dev/vfio/vfio is either VFIO's own container with its type1 IOMMU driver,
 * or iommufd's emulation of it. Functions return 0 or a negative errno.
 */
#ifndef VFIO_CONTAINER_H
#define VFIO_CONTAINER_H

#include "iommufd_lib.h"

struct vfio_container {
	int fd;
	int group;
	int device;
};

/* A container for the device, and the device open in it; type1v2. */
int container_open(struct vfio_container *container, const char *bdf);
void container_close(struct vfio_container *container);

/* Is it iommufd that answers? */
bool container_is_iommufd(const struct vfio_container *container);

int container_map(const struct vfio_container *container, const void *va,
		  __u64 length, __u64 iova);
int container_unmap(const struct vfio_container *container, __u64 iova,
		    __u64 length);

#endif
