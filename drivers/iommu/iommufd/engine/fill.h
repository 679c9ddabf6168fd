/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address space: areas into and out of page tables
 */
#ifndef __IOMMUFD_FILL_H
#define __IOMMUFD_FILL_H

#include "address_space.h"
#include "base.h"

/* Can it have large entries that cannot be split? */
static inline bool
iommufd_follower_has_fixed_entries(const struct iommufd_follower *follower)
{
	return !follower->is_unread && !iommu_can_split(follower->domain);
}

int iommufd_fill_areas(struct iommufd_address_space *as,
		       struct iommufd_follower *follower,
		       struct iommufd_area *areas);
void iommufd_empty_areas(struct iommufd_address_space *as,
			 struct iommufd_follower *follower,
			 const struct iommufd_area *areas);

#endif
