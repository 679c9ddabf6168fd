/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IOAS that stands for a VFIO container
 */
#ifndef __IOMMUFD_VFIO_COMPAT_H
#define __IOMMUFD_VFIO_COMPAT_H

struct iommufd_call;
struct iommufd_ctx;
struct iommufd_ioas;

void iommufd_vfio_forget_ioas(struct iommufd_ctx *ctx,
			      struct iommufd_ioas *ioas);
int iommufd_vfio_ioas_ioctl(struct iommufd_call *call);

#endif
