/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Intel's 82576 ("igb") as a copy engine: a frame that it sends comes back to
 * it, from one piece of memory into another. Functions return 0 or a negative
 * errno.
 */
#ifndef VFIO_IGB_H
#define VFIO_IGB_H

#include "iommufd_lib.h"

#define IGB_VENDOR 0x8086
#define IGB_DEVICE 0x10c9

#define IGB_FRAME_MIN 60
#define IGB_FRAME_MAX 1024
/* Memory for both rings; the caller maps it. */
#define IGB_RING_BYTES SMALL_PAGE

struct igb {
	struct vfio_dev *dev;
	void *rings;
	__u64 rings_iova;
	unsigned int sent;	/* frames since igb_start() */
};

/* Finds, opens and enables the device. */
int igb_setup(struct vfio_dev *dev, int iommufd);

/*
 * Resets the device and starts its engines. @rings is IGB_RING_BYTES of
 * memory, page aligned, that the device sees at @rings_iova.
 */
int igb_start(struct igb *igb, struct vfio_dev *dev, void *rings,
	      __u64 rings_iova);
void igb_stop(struct igb *igb);

/*
 * Sends @length bytes at @src, all in one page, in a frame and receives it at
 * @dst, where it may cross pages. (QEMU drops a frame that it cannot read in
 * one piece.) -ETIMEDOUT when nothing arrives; start the device again then.
 */
int igb_copy(struct igb *igb, __u64 dst, __u64 src, size_t length);

#endif
