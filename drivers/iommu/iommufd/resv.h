/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reserved regions: IOVA that a device cannot have
 */
#ifndef __IOMMUFD_RESV_H
#define __IOMMUFD_RESV_H

struct iommufd_attachment;
struct iommufd_device;

int iommufd_attachment_reserve_device(struct iommufd_attachment *attachment,
				      struct iommufd_device *idev);
void iommufd_attachment_unreserve_device(struct iommufd_attachment *attachment,
					 struct iommufd_device *idev);
int iommufd_attachment_reserve(struct iommufd_attachment *attachment);
void iommufd_attachment_unreserve(struct iommufd_attachment *attachment);
int iommufd_msi_window_reserve(struct iommufd_attachment *attachment);
void iommufd_msi_window_release(struct iommufd_attachment *attachment);

#endif
