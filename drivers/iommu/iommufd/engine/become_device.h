/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Areas of user addresses where there is a device
 */
#ifndef __IOMMUFD_BECOME_DEVICE_H
#define __IOMMUFD_BECOME_DEVICE_H

struct iommufd_address_space;
struct iommufd_area;

int iommufd_area_become_device(struct iommufd_address_space *as,
			       struct iommufd_area *area, int rc);

#endif
