/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address space: areas into and out of page tables
 */
#ifndef __IOMMUFD_FILL_H
#define __IOMMUFD_FILL_H

struct iommufd_address_space;
struct iommufd_area;
struct iommufd_follower;

int iommufd_fill_areas(struct iommufd_address_space *as,
		       struct iommufd_follower *follower,
		       struct iommufd_area *areas);
void iommufd_empty_areas(struct iommufd_address_space *as,
			 struct iommufd_follower *follower,
			 const struct iommufd_area *areas);

#endif
