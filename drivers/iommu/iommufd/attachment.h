/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attachments: the devices of a group on a page table
 */
#ifndef __IOMMUFD_ATTACHMENT_H
#define __IOMMUFD_ATTACHMENT_H

#include <linux/iommu.h>
#include <linux/xarray.h>

struct iommufd_device;
struct iommufd_group;
struct iommufd_hw_pagetable;

/**
 * struct iommufd_attachment - a page table and the devices of a group on it
 * @handle: how the IOMMU core knows the attachment
 * @group: the group
 * @pasid: which DMA of the devices
 * @hwpt: the page table, of which the attachment holds a long-term reference
 * @devices: struct iommufd_device by object ID; not empty
 */
struct iommufd_attachment {
	struct iommu_attach_handle handle;
	struct iommufd_group *group;
	ioasid_t pasid;
	struct iommufd_hw_pagetable *hwpt;
	struct xarray devices;
};

struct iommufd_attachment *
iommufd_attachment_alloc(struct iommufd_device *idev, ioasid_t pasid,
			 struct iommufd_hw_pagetable *hwpt);
struct iommufd_attachment *
iommufd_attachment_clone(struct iommufd_attachment *old,
			 struct iommufd_hw_pagetable *hwpt);
void iommufd_attachment_free(struct iommufd_attachment *attachment);

int iommufd_attachment_add_device(struct iommufd_attachment *attachment,
				  struct iommufd_device *idev);
bool iommufd_attachment_has_device(struct iommufd_attachment *attachment,
				   struct iommufd_device *idev);

#endif
