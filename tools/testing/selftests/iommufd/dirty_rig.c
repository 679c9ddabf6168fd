// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "dirty_rig.h"

#define ENABLE IOMMU_HWPT_DIRTY_TRACKING_ENABLE

/*
 * To allocate a page table takes a device, and a device on the IOAS itself
 * would have a second page table there: it is that of another IOAS.
 */
static int make_table(struct mock_rig *mock, const struct iommu_test_hwpt *data,
		      __u32 *hwpt)
{
	struct mock_device first;
	__u32 ioas;

	return ioas_alloc(mock->iommufd, &ioas) ?:
	       mock_domain(mock->iommufd, ioas, &first) ?:
	       mock_hwpt_alloc(mock->iommufd, first.idev, mock->ioas,
			       IOMMU_HWPT_ALLOC_DIRTY_TRACKING, data, hwpt);
}

int dirty_rig_make(struct dirty_rig *rig, enum page_kind kind, size_t length,
		   __u64 iova)
{
	const bool huge = kind == PAGES_THP;
	const struct iommu_test_hwpt data = {
		.pagetable_type = huge ? MOCK_IOMMUPT_HUGE :
					 MOCK_IOMMUPT_DEFAULT,
	};
	struct mock_rig *mock = &rig->mock;

	return mock_rig_make(mock) ?:
	       memory_rig_make(&rig->mem, kind, length) ?:
	       rig_part("large entries, or none",
			iommufd_option_set(mock->iommufd,
					   IOMMU_OPTION_HUGE_PAGES, mock->ioas,
					   huge)) ?:
	       rig_part("a page table that can track",
			make_table(mock, &data, &rig->hwpt)) ?:
	       rig_part("a mock device",
			mock_domain(mock->iommufd, rig->hwpt, &mock->dev)) ?:
	       rig_part("a map",
			memory_rig_map(&rig->mem, mock->iommufd, mock->ioas,
				       iova)) ?:
	       rig_part("dirty tracking",
			hwpt_set_dirty_tracking(mock->iommufd, rig->hwpt,
						ENABLE));
}

int dirty_rig_write(int iommufd, __u32 hwpt, __u64 iova, unsigned int npages)
{
	__u64 bits = ~0ULL >> (64 - npages), nr_dirty = 0;
	int rc;

	rc = mock_dirty(iommufd, hwpt, iova, npages * SMALL_PAGE, SMALL_PAGE,
			&bits, &nr_dirty);
	if (rc)
		return rc;
	return nr_dirty == npages ? 0 : -ENOENT;
}
