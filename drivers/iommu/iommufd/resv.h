/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reserved regions: IOVA that a device cannot have
 */
#ifndef __IOMMUFD_RESV_H
#define __IOMMUFD_RESV_H

struct iommufd_attachment;
struct iommufd_device;
struct iommufd_ioas;

int iommufd_device_reserve(struct iommufd_device *idev,
			   struct iommufd_ioas *ioas);
void iommufd_device_unreserve(struct iommufd_device *idev,
			      struct iommufd_ioas *ioas);
int iommufd_msi_window_reserve(struct iommufd_attachment *attachment);
void iommufd_msi_window_release(struct iommufd_attachment *attachment);

#endif
