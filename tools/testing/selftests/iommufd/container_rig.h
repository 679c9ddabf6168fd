/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's edu device by its VFIO group, for a container that is an iommufd.
 */
#ifndef CONTAINER_RIG_H
#define CONTAINER_RIG_H

#include "edu_rig.h"
#include "vfio_container.h"

struct container_rig {
	struct edu_rig edu;	/* without an IOAS of its own */
	struct vfio_container container;
	char bdf[BDF_SIZE];
};

/* The files of the container and of the group, which is not in it yet. */
int container_rig_make(struct container_rig *rig, const char *path);
/* The device, which is open, ready to be asked what it sees */
int container_rig_use_device(struct container_rig *rig);
/* All from the group that joins to the device that is ready */
int container_rig_open_device(struct container_rig *rig, unsigned long type);

#endif
