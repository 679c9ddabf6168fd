/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hardware queues of a vIOMMU
 */
#ifndef __IOMMUFD_HW_QUEUE_H
#define __IOMMUFD_HW_QUEUE_H

#include "object.h"

struct iommufd_call;

extern const struct iommufd_object_ops iommufd_hw_queue_object_ops;

int iommufd_hw_queue_alloc_ioctl(struct iommufd_call *call);

#endif
