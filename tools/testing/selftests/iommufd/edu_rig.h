/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device of QEMU's and what it takes to ask it which memory it sees.
 */
#ifndef EDU_RIG_H
#define EDU_RIG_H

#include "iommufd_lib.h"
#include "rig.h"
#include "vfio_edu.h"

/* Where the rig keeps a page of its own in an IOAS. */
#define SCRATCH_IOVA (EDU_IOVA_LIMIT - SMALL_PAGE)

struct edu_rig {
	long pins;		/* anybody's, before */
	int iommufd;
	__u32 ioas;
	struct vfio_dev edu;
	char *scratch;
};

/* An IOAS and the device, bound but not attached. */
int edu_rig_make(struct edu_rig *rig);
/* Again, after edu_rig_break(): a negative errno, also where there is none. */
int edu_rig_open(struct edu_rig *rig);
/*
 * Who pays for memory is chosen by the file, before it has any object: the IOAS
 * and the device are other ones afterwards.
 */
int edu_rig_charge_process(struct edu_rig *rig);
/* Maps the rig's own page in an IOAS where the device is to be asked. */
int edu_rig_map(struct edu_rig *rig, __u32 ioas);
/* The same in the rig's IOAS, and attaches the device to it. */
int edu_rig_attach(struct edu_rig *rig);
/*
 * A test need not: the device is let go with the process. A fixture with
 * FIXTURE_TEARDOWN_PARENT sees by pins_left() whether all is back then.
 */
void edu_rig_break(struct edu_rig *rig);

/* The other device of QEMU's, bound. */
int igb_rig_make(struct vfio_dev *igb, int iommufd);

/* What became of the device's attempt to read memory */
enum device_read {
	BROKEN,		/* the rig's own page cannot be reached: unknown */
	BLOCKED,	/* it can be, and nothing was read */
	MISREAD,	/* something else was read */
	REACHED,	/* the very bytes were read */
};

/* Does the device read these bytes? At most 4 KiB, and not all zero. */
enum device_read device_read(struct edu_rig *rig, __u64 iova,
			     const void *bytes, size_t length);
/*
 * The same in steps, for a device that reaches nothing, and so not the rig's
 * page either, while it reads: that must be mapped in the first step, where the
 * device's buffer is filled with other bytes, and in the last.
 */
int device_read_prepare(struct edu_rig *rig, const void *bytes, size_t length);
int device_read_try(struct edu_rig *rig, __u64 iova, size_t length);
enum device_read device_read_result(struct edu_rig *rig, const void *bytes,
				    size_t length);
/* Are the first and the last of so many bytes REACHED? */
bool device_sees(struct edu_rig *rig, __u64 iova, const char *bytes,
		 size_t length);
/*
 * Has the device write these bytes, wherever they go. It gets them from the
 * rig's page: -EIO if it does not.
 */
int device_writes(struct edu_rig *rig, __u64 iova, const void *bytes,
		  size_t length);

#endif
