/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An IOAS of a file of its own, in a kernel with the test device.
 */
#ifndef MOCK_RIG_H
#define MOCK_RIG_H

#include "mock_lib.h"
#include "rig.h"
#include "threads.h"

struct mock_rig {
	long pins;		/* anybody's, before */
	int iommufd;
	__u32 ioas;
	struct mock_device dev;	/* attached to ioas, once it is plugged in */
};

/* Without a device. */
int mock_rig_make(struct mock_rig *rig);
/* @flags are MOCK_FLAGS_DEVICE_*. */
int mock_rig_plug(struct mock_rig *rig, __u32 flags);
struct vfio_container;
/* The file as a container of type1, VFIO_TYPE1*_IOMMU, that has this IOAS. */
int mock_rig_make_container(struct mock_rig *rig, unsigned long type,
			    struct vfio_container *container);
/* Closes the file. Returns how many pages are pinned that were not before. */
long mock_rig_break(struct mock_rig *rig);

/* A device that a thread of its own attaches, which waits for memory. */
struct mock_attach {
	struct thread_call call;
	int iommufd;
	__u32 ioas;
	struct mock_device dev;
};

int mock_attach_start(struct mock_attach *attach, int iommufd, __u32 ioas);

#endif
