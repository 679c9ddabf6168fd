/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's "edu" device: a DMA engine and a buffer of 4 KiB. Functions return 0
 * or a negative errno; the device tells nothing about a DMA that the IOMMU
 * refused.
 */
#ifndef VFIO_EDU_H
#define VFIO_EDU_H

#include "iommufd_lib.h"

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8

#define EDU_BUFFER_SIZE 4096
/* IOVAs below this one are within reach, however the device is set up. */
#define EDU_IOVA_LIMIT (256 * MIB)

/* Finds, opens and enables the device. */
int edu_setup(struct vfio_dev *edu, int iommufd);

/* @offset is a place in the device's buffer. */
int edu_dma_to_device(struct vfio_dev *edu, __u64 iova, unsigned int offset,
		      size_t length);
int edu_dma_from_device(struct vfio_dev *edu, unsigned int offset, __u64 iova,
			size_t length);

#endif
