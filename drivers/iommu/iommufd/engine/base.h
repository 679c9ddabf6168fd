/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the base kernel may lack, in a slower way or not at all
 *
 * The base announces what it has by a macro of the same name: with patches/0004
 * that is iommu_map_phys_vec(), with patches/0011 iommu_split(), with
 * patches/0503 dma_buf_walk_memory(). This file goes when all bases have them.
 * Where there is no other way, what is lacking says so.
 */
#ifndef __IOMMUFD_BASE_H
#define __IOMMUFD_BASE_H

#include <linux/dma-buf.h>
#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/types.h>

#ifndef iommu_map_phys_vec
/* A walk of the page table for each physical range */
static inline int iommu_map_phys_vec(struct iommu_domain *domain,
				     unsigned long iova, size_t size,
				     const struct phys_vec *vec,
				     unsigned int nr_vec, int prot, gfp_t gfp)
{
	size_t mapped = 0;
	int rc;

	for (; nr_vec; vec++, nr_vec--) {
		rc = iommu_map(domain, iova + mapped, vec->paddr, vec->len,
			       prot, gfp);
		if (rc)
			goto err_unmap;
		mapped += vec->len;
	}
	return 0;

err_unmap:
	if (mapped)
		iommu_unmap(domain, iova, mapped);
	return rc;
}
#endif

#ifndef dma_buf_walk_memory
typedef int (*dma_buf_memory_fn)(void *data, phys_addr_t paddr, size_t size);

static inline int dma_buf_walk_memory(struct dma_buf_attachment *attach,
				      size_t offset, size_t size,
				      dma_buf_memory_fn fn, void *data)
{
	return -EOPNOTSUPP;
}
#endif

#ifndef iommu_split
static inline bool iommu_can_split(struct iommu_domain *domain)
{
	return false;
}

static inline int iommu_split(struct iommu_domain *domain, unsigned long iova,
			      gfp_t gfp)
{
	return -EOPNOTSUPP;
}
#endif

#endif
