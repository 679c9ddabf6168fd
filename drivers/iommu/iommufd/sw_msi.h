/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSI doorbells behind an IOMMU that translates them
 */
#ifndef __IOMMUFD_SW_MSI_H
#define __IOMMUFD_SW_MSI_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_group;
struct iommufd_hwpt_paging;

#if IS_ENABLED(CONFIG_IRQ_MSI_IOMMU)
void iommufd_sw_msi_set_window(struct iommufd_group *group, phys_addr_t start,
			       size_t length);
int iommufd_sw_msi_prepare(struct iommufd_group *group,
			   struct iommufd_hwpt_paging *hwpt);
void iommufd_sw_msi_settle(struct iommufd_group *group);
bool iommufd_sw_msi_is_in(struct iommufd_group *group,
			  struct iommufd_hwpt_paging *hwpt);
void iommufd_sw_msi_forget(struct iommufd_ctx *ctx);
#else
static inline void iommufd_sw_msi_set_window(struct iommufd_group *group,
					     phys_addr_t start, size_t length)
{
}

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
