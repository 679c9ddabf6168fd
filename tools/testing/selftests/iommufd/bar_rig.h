/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BAR 0 of a device as memory for another one. In it is a table that keeps what
 * is written to it: that of the igb's multicast addresses.
 */
#ifndef BAR_RIG_H
#define BAR_RIG_H

#include <stdbool.h>

#include <linux/vfio.h>

#include "edu_rig.h"
#include "vfio_igb.h"

#define BAR_TABLE 0x5200
#define BAR_TABLE_SIZE 512

/* The part of the BAR that is mapped, with the table */
#define BAR_LENGTH (8 * SMALL_PAGE)

/* A dma-buf of one part of the BAR, or of several: a descriptor or an error. */
int bar_export(struct vfio_dev *dev, __u64 offset, __u64 length);
int bar_export_ranges(struct vfio_dev *dev,
		      const struct vfio_region_dma_range *ranges, int count);
/* The same of all of another BAR, which has this length. */
int bar_export_all_of(struct vfio_dev *dev, unsigned int index, __u64 length);

/*
 * The igb, bound to the file, and its BAR as a dma-buf; the table is filled, as
 * @bytes.
 */
int bar_rig_make(struct vfio_dev *igb, int iommufd, unsigned char *bytes,
		 int *dmabuf);

/* The processor fills the table, with other bytes for another seed. */
void bar_fill_table(struct vfio_dev *dev, unsigned char *bytes,
		    unsigned int seed);
bool bar_table_is(struct vfio_dev *dev, const unsigned char *bytes);
/* With the BAR at @iova, can the rig's device read what is in the table? */
enum device_read bar_table_read(struct edu_rig *rig, __u64 iova,
				const unsigned char *bytes);

/* Lets the device answer to its memory, or not. 0 or a negative errno. */
int bar_set_enabled(struct vfio_dev *dev, bool enabled);

#endif
