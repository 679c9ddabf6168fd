/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMA of a device that its IOMMU has stopped, and why it was
 */
#ifndef __IOMMUFD_DMA_FAULT_H
#define __IOMMUFD_DMA_FAULT_H

#include <linux/list.h>
#include <linux/types.h>

struct device;
struct iommufd_device;

/**
 * struct iommufd_stopped_dma - DMA that was stopped
 * @dev: the device
 * @pasid: IOMMU_NO_PASID if it has none
 * @write: to memory
 * @iova: where, as exactly as the IOMMU tells
 * @time: when, by CLOCK_MONOTONIC
 */
struct iommufd_stopped_dma {
	struct device *dev;
	u32 pasid;
	bool write;
	u64 iova;
	u64 time;
};

void iommufd_dma_fault_watch(struct iommufd_device *idev);
void iommufd_dma_fault_unwatch(struct iommufd_device *idev);
void iommufd_dma_fault_tell(const struct iommufd_stopped_dma *dma);

int iommufd_dma_fault_init(void);
void iommufd_dma_fault_exit(void);

#endif
