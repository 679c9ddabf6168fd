/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An iommufd as a VFIO container
 */
#ifndef __IOMMUFD_VFIO_CONTAINER_H
#define __IOMMUFD_VFIO_CONTAINER_H

struct iommufd_ctx;

long iommufd_vfio_container_ioctl(struct iommufd_ctx *ctx, unsigned int request,
				  unsigned long arg);

#endif
