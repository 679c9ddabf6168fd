/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices without an IOMMU
 */
#ifndef __IOMMUFD_NOIOMMU_H
#define __IOMMUFD_NOIOMMU_H

#include <linux/err.h>
#include <linux/types.h>

struct iommu_domain;
struct iommufd_call;

#ifdef CONFIG_IOMMUFD_NOIOMMU
struct iommu_domain *iommufd_noiommu_domain_alloc(void);
bool iommufd_is_noiommu_domain(const struct iommu_domain *domain);
int iommufd_ioas_noiommu_get_pa_ioctl(struct iommufd_call *call);
#else
static inline struct iommu_domain *iommufd_noiommu_domain_alloc(void)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline bool iommufd_is_noiommu_domain(const struct iommu_domain *domain)
{
	return false;
}
#endif

#endif
