/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device of QEMU's and what it takes to ask it which memory it sees.
 */
#ifndef EDU_RIG_H
#define EDU_RIG_H

#include "iommufd_lib.h"
#include "vfio_edu.h"

/* Where the rig keeps a page of its own in an IOAS. */
#define SCRATCH_IOVA (EDU_IOVA_LIMIT - SMALL_PAGE)

struct rig {
	int iommufd;
	__u32 ioas;
	struct vfio_dev edu;
	char *scratch;
};

/* An IOAS and the device, bound but not attached. -ENODEV: there is none. */
int rig_open(struct rig *rig);
/* Maps the rig's own page and attaches the device. */
int rig_attach(struct rig *rig);
void rig_close(struct rig *rig);

/* Can the device read these very bytes? At most 4 KiB. */
bool device_reads(struct rig *rig, __u64 iova, const void *bytes,
		  size_t length);
/* Has the device write these bytes, wherever they go. */
int device_writes(struct rig *rig, __u64 iova, const void *bytes,
		  size_t length);

#endif
