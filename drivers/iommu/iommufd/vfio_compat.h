/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What VFIO containers need: an IOAS that stands for one
 */
#ifndef __IOMMUFD_VFIO_COMPAT_H
#define __IOMMUFD_VFIO_COMPAT_H

struct iommufd_call;

int iommufd_vfio_ioas_ioctl(struct iommufd_call *call);

#endif
