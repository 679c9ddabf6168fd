// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attachments: the devices of a group on a page table
 *
 * Makes them; attach.c decides what becomes of them, with the lock of the group
 * held.
 */
#include <linux/slab.h>

#include "attachment.h"
#include "device.h"
#include "engine/test_hooks.h"

/**
 * iommufd_attachment_add_device - let a device be one of an attachment
 * @attachment: the attachment
 * @idev: a device of the same group
 *
 * Return: 0 or -ENOMEM; -EBUSY if it is one already.
 */
int iommufd_attachment_add_device(struct iommufd_attachment *attachment,
				  struct iommufd_device *idev)
{
	/* One allocation that fails is tried again by xa_insert(). */
	if (iommufd_should_fail())
		return -ENOMEM;
	return xa_insert(&attachment->devices, idev->obj.id, idev,
			 GFP_KERNEL_ACCOUNT);
}

/**
 * iommufd_attachment_has_device - is a device one of an attachment?
 * @attachment: the attachment
 * @idev: the device
 *
 * Return: true if it is.
 */
bool iommufd_attachment_has_device(struct iommufd_attachment *attachment,
				   struct iommufd_device *idev)
{
	return xa_load(&attachment->devices, idev->obj.id);
}

/**
 * iommufd_attachment_free - free an attachment
 * @attachment: the attachment, which nobody else knows
 */
void iommufd_attachment_free(struct iommufd_attachment *attachment)
{
	xa_destroy(&attachment->devices);
	kfree(attachment);
}

static struct iommufd_attachment *
attachment_alloc_empty(struct iommufd_group *group, ioasid_t pasid,
		       struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_attachment *attachment;

	attachment = kzalloc_obj(*attachment, GFP_KERNEL_ACCOUNT);
	if (!attachment)
		return ERR_PTR(-ENOMEM);
	attachment->group = group;
	attachment->pasid = pasid;
	attachment->hwpt = hwpt;
	xa_init(&attachment->devices);
	return attachment;
}

/**
 * iommufd_attachment_alloc - make an attachment of one device
 * @idev: the device
 * @pasid: which DMA of the device
 * @hwpt: the page table
 *
 * Return: the attachment, for the caller to free; or ERR_PTR(-ENOMEM).
 */
struct iommufd_attachment *
iommufd_attachment_alloc(struct iommufd_device *idev, ioasid_t pasid,
			 struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_attachment *attachment;
	int rc;

	attachment = attachment_alloc_empty(idev->group, pasid, hwpt);
	if (IS_ERR(attachment))
		return attachment;
	rc = iommufd_attachment_add_device(attachment, idev);
	if (rc) {
		iommufd_attachment_free(attachment);
		return ERR_PTR(rc);
	}
	return attachment;
}

/**
 * iommufd_attachment_clone - make an attachment of the same devices
 * @old: an attachment, which does not change meanwhile
 * @hwpt: the page table of the new one
 *
 * Return: the attachment, for the caller to free; or ERR_PTR(-ENOMEM).
 */
struct iommufd_attachment *
iommufd_attachment_clone(struct iommufd_attachment *old,
			 struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_attachment *attachment;
	struct iommufd_device *idev;
	unsigned long index;
	int rc;

	attachment = attachment_alloc_empty(old->group, old->pasid, hwpt);
	if (IS_ERR(attachment))
		return attachment;
	xa_for_each(&old->devices, index, idev) {
		rc = iommufd_attachment_add_device(attachment, idev);
		if (rc) {
			iommufd_attachment_free(attachment);
			return ERR_PTR(rc);
		}
	}
	return attachment;
}
