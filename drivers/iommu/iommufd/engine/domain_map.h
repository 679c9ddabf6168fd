/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Domain map: runs into a struct iommu_domain, and out again
 */
#ifndef __IOMMUFD_DOMAIN_MAP_H
#define __IOMMUFD_DOMAIN_MAP_H

#include <linux/types.h>

struct iommu_domain;
struct iommu_iotlb_gather;
struct iommufd_area;

int iommufd_domain_map_area(struct iommu_domain *domain,
			    const struct iommufd_area *area, bool page_by_page);
int iommufd_domain_map_range(struct iommu_domain *domain, unsigned long iova,
			     unsigned long last, phys_addr_t phys, int prot,
			     bool page_by_page);
bool iommufd_domain_entry_around(const struct iommu_domain *domain,
				 const struct iommufd_area *area,
				 unsigned long iova, unsigned long *first,
				 unsigned long *last);
void iommufd_domain_unmap_range(struct iommu_domain *domain,
				unsigned long iova, unsigned long last,
				struct iommu_iotlb_gather *gather);

#endif
