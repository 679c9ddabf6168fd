// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domain map: runs into a struct iommu_domain, and out again
 *
 * Owns nothing. Called by the address space with its consumers held, so that
 * the domain stays, and for an area that belongs to the caller, so that nobody
 * else touches its range in the page table.
 */
#include <linux/iommu.h>
#include <linux/mm.h>

#include "domain_map.h"
#include "iova_space.h"
#include "pinned.h"

/*
 * Physical memory that goes into the page table in one call: as much as is
 * contiguous, across runs.
 */
struct stretch {
	phys_addr_t phys;
	unsigned long length;
};

static int map_stretch(struct iommu_domain *domain, unsigned long iova,
		       const struct stretch *stretch, int prot,
		       bool page_by_page)
{
	unsigned long done = 0;
	int rc;

	if (!page_by_page)
		return iommu_map(domain, iova, stretch->phys, stretch->length,
				 prot, GFP_KERNEL_ACCOUNT);

	while (done != stretch->length) {
		unsigned long step = min(stretch->length - done,
					 PAGE_SIZE - offset_in_page(iova +
								    done));

		rc = iommu_map(domain, iova + done, stretch->phys + done, step,
			       prot, GFP_KERNEL_ACCOUNT);
		if (rc) {
			if (done)
				iommu_unmap(domain, iova, done);
			return rc;
		}
		done += step;
	}
	return 0;
}

/**
 * iommufd_domain_map_area - fill an area of a page table
 * @domain: the domain, which has nothing in the area's range
 * @area: the area
 * @page_by_page: use entries of at most PAGE_SIZE
 *
 * Context: caller holds the mutex of the area's pinned-memory object, where all
 * pages of the area are pinned; may sleep.
 *
 * Return: 0, or an error of the IOMMU driver with nothing mapped.
 */
int iommufd_domain_map_area(struct iommu_domain *domain,
			    const struct iommufd_area *area, bool page_by_page)
{
	unsigned long skip = offset_in_page(area->offset);
	unsigned long left = iommufd_area_length(area);
	struct iommufd_pinned_cursor cursor;
	unsigned long iova = area->iova;
	struct stretch stretch = {};
	struct iommufd_run run;
	int rc;

	lockdep_assert_held(&area->pinned->mutex);

	iommufd_pinned_walk(area->pinned, iommufd_area_first_page(area),
			    iommufd_area_last_page(area), &cursor);
	while (iommufd_pinned_next(&cursor, &run)) {
		phys_addr_t phys = PFN_PHYS(iommufd_run_pfn(run)) + skip;
		unsigned long length;

		length = min((iommufd_run_npages(run) << PAGE_SHIFT) - skip,
			     left);
		skip = 0;
		left -= length;
		if (stretch.length && phys == stretch.phys + stretch.length) {
			stretch.length += length;
			continue;
		}
		if (stretch.length) {
			rc = map_stretch(domain, iova, &stretch, area->prot,
					 page_by_page);
			if (rc)
				goto err_unmap;
			iova += stretch.length;
		}
		stretch.phys = phys;
		stretch.length = length;
	}

	rc = map_stretch(domain, iova, &stretch, area->prot, page_by_page);
	if (rc)
		goto err_unmap;
	return 0;

err_unmap:
	if (iova != area->iova)
		iommu_unmap(domain, area->iova, iova - area->iova);
	return rc;
}

/**
 * iommufd_domain_unmap_range - empty a range of a page table
 * @domain: the domain, which has all of the range mapped
 * @iova: first IOVA
 * @last: last IOVA
 * @gather: what must be flushed before the memory may be reused
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_domain_unmap_range(struct iommu_domain *domain,
				unsigned long iova, unsigned long last,
				struct iommu_iotlb_gather *gather)
{
	unsigned long length = last - iova + 1;

	/* A driver that cannot unmap what it has mapped is broken. */
	WARN_ON(iommu_unmap_fast(domain, iova, length, gather) != length);
}
