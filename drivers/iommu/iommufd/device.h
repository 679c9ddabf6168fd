/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices that are bound to a context
 */
#ifndef __IOMMUFD_DEVICE_H
#define __IOMMUFD_DEVICE_H

#include <linux/err.h>
#include <linux/list.h>
#include <linux/ratelimit_types.h>
#include <linux/types.h>

#include "object.h"

struct device;
struct iommufd_ctx;
struct iommufd_group;
struct iommufd_vdevice;

/**
 * struct iommufd_device - a device that a driver has bound to a context
 * @obj: the object
 * @ctx: the context, of which the device holds a reference
 * @group: its group
 * @dev: the device
 * @enforce_cache_coherency: its page tables are to enforce coherency
 * @vdev: what a guest knows the device as, or NULL; guarded by the lock of the
 *        group
 * @leaving: it is being unbound, and gets no new @vdev; guarded likewise
 * @watched_node: in the list of dma_fault.c
 * @stopped_limit: of its messages in the log about DMA that was stopped
 */
struct iommufd_device {
	struct iommufd_object obj;
	struct iommufd_ctx *ctx;
	struct iommufd_group *group;
	struct device *dev;
	bool enforce_cache_coherency;
	struct iommufd_vdevice *vdev;
	bool leaving;
	struct list_head watched_node;
	struct ratelimit_state stopped_limit;
};

struct iommufd_device *iommufd_device_get(struct iommufd_ctx *ctx, u32 id);
bool iommufd_device_has_iommu(const struct iommufd_device *idev);

extern const struct iommufd_object_ops iommufd_device_object_ops;

#endif
