/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the MSI doorbells of a group are
 */
#ifndef __IOMMUFD_SW_MSI_WINDOW_H
#define __IOMMUFD_SW_MSI_WINDOW_H

#include <linux/bitmap.h>
#include <linux/types.h>

struct iommufd_hwpt_paging;

/* MSI doorbell pages that one file may have */
#define IOMMUFD_SW_MSI_MAX 64

/**
 * struct iommufd_sw_msi_window - where the doorbells of a group are
 * @start: first IOVA of the window, PHYS_ADDR_MAX as long as the group has
 *         none; written under iommufd_ctx::sw_msi_lock and iommufd_group::lock,
 *         either is enough to read
 * @length: how many bytes the window has; likewise
 * @required: doorbells that the group's interrupts use; guarded by
 *            iommufd_ctx::sw_msi_lock
 * @next: the page table that the group is moving to, else NULL; likewise
 */
struct iommufd_sw_msi_window {
	phys_addr_t start;
	size_t length;
	DECLARE_BITMAP(required, IOMMUFD_SW_MSI_MAX);
	struct iommufd_hwpt_paging *next;
};

#endif
