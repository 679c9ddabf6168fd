// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: the space as a whole
 *
 * Called by the IOAS.
 */
#include "address_space.h"

void iommufd_address_space_init(struct iommufd_address_space *as)
{
	mutex_init(&as->fill_lock);
	init_rwsem(&as->followers_lock);
	INIT_LIST_HEAD(&as->followers);
	INIT_LIST_HEAD(&as->accessors);
	INIT_LIST_HEAD(&as->closed);
	init_waitqueue_head(&as->idle);
	as->page_by_page = false;
	as->cuttable = false;
	iommufd_iova_space_init(&as->space);
}

/**
 * iommufd_address_space_destroy - unmap and free everything
 * @as: the address space, which no page table follows any more
 */
void iommufd_address_space_destroy(struct iommufd_address_space *as)
{
	unsigned long unmapped;

	WARN_ON(!list_empty(&as->followers));
	WARN_ON(!list_empty(&as->accessors));
	WARN_ON(iommufd_address_space_unmap(as, 0, ULONG_MAX, &unmapped));
	iommufd_iova_space_destroy(&as->space);
	mutex_destroy(&as->fill_lock);
}
