/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSI doorbells behind an IOMMU that translates them
 */
#ifndef __IOMMUFD_SW_MSI_H
#define __IOMMUFD_SW_MSI_H

#include <linux/bitmap.h>
#include <linux/kconfig.h>
#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_group;
struct iommufd_hwpt_paging;

/* MSI doorbell pages that one file may have */
#define IOMMUFD_SW_MSI_MAX 64

/**
 * struct iommufd_sw_msi_window - where the doorbells of a group are
 * @start: first IOVA of the window, PHYS_ADDR_MAX as long as the group has none;
 *         written under iommufd_ctx::sw_msi_lock and iommufd_group::lock, either
 *         is enough to read
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

#if IS_ENABLED(CONFIG_IRQ_MSI_IOMMU)
int iommufd_sw_msi_prepare(struct iommufd_group *group,
			   struct iommufd_hwpt_paging *hwpt);
void iommufd_sw_msi_settle(struct iommufd_group *group);
bool iommufd_sw_msi_is_in(struct iommufd_group *group,
			  struct iommufd_hwpt_paging *hwpt);
void iommufd_sw_msi_forget(struct iommufd_ctx *ctx);
#else
static inline int iommufd_sw_msi_prepare(struct iommufd_group *group,
					 struct iommufd_hwpt_paging *hwpt)
{
	return 0;
}

static inline void iommufd_sw_msi_settle(struct iommufd_group *group)
{
}

static inline bool iommufd_sw_msi_is_in(struct iommufd_group *group,
					struct iommufd_hwpt_paging *hwpt)
{
	return false;
}

static inline void iommufd_sw_msi_forget(struct iommufd_ctx *ctx)
{
}
#endif

#endif
