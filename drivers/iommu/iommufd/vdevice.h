/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual device object: what a guest knows a device as
 */
#ifndef __IOMMUFD_VDEVICE_H
#define __IOMMUFD_VDEVICE_H

#include "object.h"

struct iommufd_call;
struct iommufd_device;

extern const struct iommufd_object_ops iommufd_vdevice_object_ops;

void iommufd_vdevice_leave_device(struct iommufd_device *idev);
int iommufd_vdevice_alloc_ioctl(struct iommufd_call *call);

#endif
