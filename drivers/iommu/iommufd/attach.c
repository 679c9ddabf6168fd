// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attach and detach: which page table a device uses
 *
 * Owns struct iommufd_attachment; the lock of the group guards it. The entry
 * points are the in-kernel API that vfio calls.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/slab.h>

#include "../iommu-priv.h"

#include "ctx.h"
#include "device.h"
#include "ioas.h"
#include "test_hooks.h"

/*
 * Reserved regions
 */

/* What the reserved regions of a device say about its MSIs */
struct msi_regions {
	unsigned int nr_hw;
	unsigned int nr_sw;
	phys_addr_t sw_start;
};

static void count_msi_region(struct msi_regions *msi,
			     const struct iommu_resv_region *region)
{
	if (region->type == IOMMU_RESV_MSI)
		msi->nr_hw++;
	if (region->type == IOMMU_RESV_SW_MSI) {
		msi->nr_sw++;
		msi->sw_start = region->start;
	}
}

static int reserve_regions(struct iommufd_iova_space *space,
			   struct iommufd_device *idev,
			   struct list_head *regions, struct msi_regions *msi)
{
	struct iommu_resv_region *region;
	int rc;

	list_for_each_entry(region, regions, list) {
		if (region->type == IOMMU_RESV_DIRECT_RELAXABLE)
			continue;
		count_msi_region(msi, region);
		rc = iommufd_iova_reserve(space, region->start,
					  region->start + region->length - 1,
					  idev);
		if (rc)
			return rc;
	}
	/* A device cannot have both kinds, nor two windows. */
	if ((msi->nr_hw && msi->nr_sw) || msi->nr_sw > 1)
		return -EINVAL;
	return 0;
}

static void unreserve_device(struct iommufd_hwpt_paging *hwpt,
			     struct iommufd_device *idev)
{
	struct iommufd_iova_space *space = &hwpt->ioas->as.space;

	down_write(&space->lock);
	iommufd_iova_unreserve(space, idev);
	up_write(&space->lock);
}

static void set_msi_window(struct iommufd_group *group, phys_addr_t start)
{
	mutex_lock(&group->ctx->sw_msi_lock);
	group->sw_msi_start = start;
	mutex_unlock(&group->ctx->sw_msi_lock);
}

/* Keep user space off what the device cannot have as IOVA. */
static int reserve_device(struct iommufd_hwpt_paging *hwpt,
			  struct iommufd_device *idev)
{
	struct iommufd_iova_space *space = &hwpt->ioas->as.space;
	struct msi_regions msi = {};
	LIST_HEAD(regions);
	int rc;

	if (iommufd_should_fail())
		return -EINVAL;

	iommu_get_resv_regions(idev->dev, &regions);
	down_write(&space->lock);
	rc = reserve_regions(space, idev, &regions, &msi);
	if (rc)
		iommufd_iova_unreserve(space, idev);
	up_write(&space->lock);
	iommu_put_resv_regions(idev->dev, &regions);

	if (!rc && msi.nr_sw)
		set_msi_window(idev->group, msi.sw_start);
	return rc;
}

/*
 * Attach
 */

static struct iommufd_attachment *
create_attachment(struct iommufd_group *group, ioasid_t pasid,
		  struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_attachment *attachment;
	int rc;

	attachment = kzalloc_obj(*attachment, GFP_KERNEL_ACCOUNT);
	if (!attachment)
		return ERR_PTR(-ENOMEM);
	attachment->group = group;
	attachment->hwpt = hwpt;
	xa_init(&attachment->devices);

	rc = xa_insert(&group->attachments, pasid, attachment,
		       GFP_KERNEL_ACCOUNT);
	if (rc)
		goto err_free;
	rc = iommufd_sw_msi_prepare(group, to_hwpt_paging(hwpt));
	if (rc)
		goto err_erase;
	rc = iommu_attach_group_handle(hwpt->domain, group->group,
				       &attachment->handle);
	if (rc)
		goto err_erase;
	iommufd_object_hold(&hwpt->obj);
	return attachment;

err_erase:
	xa_erase(&group->attachments, pasid);
err_free:
	kfree(attachment);
	return ERR_PTR(rc);
}

/* The caller drops the reference of the page table, without the lock. */
static void destroy_attachment(struct iommufd_attachment *attachment,
			       ioasid_t pasid)
{
	struct iommufd_group *group = attachment->group;

	iommu_detach_group_handle(attachment->hwpt->domain, group->group);
	xa_erase(&group->attachments, pasid);
	xa_destroy(&attachment->devices);
	kfree(attachment);
}

static int add_device(struct iommufd_attachment *attachment,
		      struct iommufd_device *idev)
{
	return xa_insert(&attachment->devices, idev->obj.id, idev,
			 GFP_KERNEL_ACCOUNT);
}

static int join_attachment(struct iommufd_attachment *attachment,
			   struct iommufd_hw_pagetable *hwpt,
			   struct iommufd_device *idev)
{
	int rc;

	if (attachment->hwpt != hwpt)
		return -EINVAL;
	rc = add_device(attachment, idev);
	if (rc)
		return rc;
	rc = reserve_device(to_hwpt_paging(hwpt), idev);
	if (rc)
		xa_erase(&attachment->devices, idev->obj.id);
	return rc;
}

static int start_attachment(struct iommufd_hw_pagetable *hwpt,
			    struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_attachment *attachment;
	int rc;

	rc = reserve_device(to_hwpt_paging(hwpt), idev);
	if (rc)
		return rc;

	attachment = create_attachment(idev->group, pasid, hwpt);
	if (IS_ERR(attachment)) {
		rc = PTR_ERR(attachment);
		goto err_unreserve;
	}
	rc = add_device(attachment, idev);
	if (rc)
		goto err_destroy;
	return 0;

err_destroy:
	destroy_attachment(attachment, pasid);
	iommufd_object_release(&hwpt->obj);
err_unreserve:
	unreserve_device(to_hwpt_paging(hwpt), idev);
	return rc;
}

/*
 * All devices of a group share one page table for each PASID: the first attach
 * decides, and puts the group on it; later ones join.
 */
static int attach_hwpt(struct iommufd_hw_pagetable *hwpt,
		       struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_group *group = idev->group;
	struct iommufd_attachment *attachment;
	int rc;

	mutex_lock(&group->lock);
	attachment = xa_load(&group->attachments, pasid);
	if (attachment)
		rc = join_attachment(attachment, hwpt, idev);
	else
		rc = start_attachment(hwpt, idev, pasid);
	mutex_unlock(&group->lock);
	return rc;
}

static int attach_new_auto(struct iommufd_ioas *ioas,
			   struct iommufd_device *idev, ioasid_t pasid,
			   u32 *pt_id)
{
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	hwpt = iommufd_hwpt_create(ioas, idev, 0, NULL);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);

	rc = attach_hwpt(&hwpt->common, idev, pasid);
	if (rc) {
		iommufd_object_abort(idev->ctx, &hwpt->common.obj);
		return rc;
	}
	list_add_tail(&hwpt->auto_node, &ioas->auto_hwpts);
	*pt_id = hwpt->common.obj.id;
	iommufd_object_publish(idev->ctx, &hwpt->common.obj);
	return 0;
}

/*
 * A group that is attached already decides: the device can join, if that is in
 * the IOAS, and no other page table needs to be looked at, or filled.
 * Return: 1 if the group is not attached.
 */
static int join_auto(struct iommufd_ioas *ioas, struct iommufd_device *idev,
		     ioasid_t pasid, u32 *pt_id)
{
	struct iommufd_group *group = idev->group;
	struct iommufd_attachment *attachment;
	int rc = 1;

	mutex_lock(&group->lock);
	attachment = xa_load(&group->attachments, pasid);
	if (!attachment)
		goto out_unlock;
	if (to_hwpt_paging(attachment->hwpt)->ioas != ioas ||
	    attachment->hwpt->user_made)
		rc = -EINVAL;
	else
		rc = join_attachment(attachment, attachment->hwpt, idev);
	if (!rc)
		*pt_id = attachment->hwpt->obj.id;
out_unlock:
	mutex_unlock(&group->lock);
	return rc;
}

static int attach_auto(struct iommufd_ioas *ioas, struct iommufd_device *idev,
		       ioasid_t pasid, u32 *pt_id)
{
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	mutex_lock(&ioas->hwpts_lock);
	rc = join_auto(ioas, idev, pasid, pt_id);
	if (rc <= 0)
		goto out_unlock;
	list_for_each_entry(hwpt, &ioas->auto_hwpts, auto_node) {
		rc = attach_hwpt(&hwpt->common, idev, pasid);
		if (!rc)
			*pt_id = hwpt->common.obj.id;
		/* This page table does not suit the device; another may. */
		if (rc != -EINVAL)
			goto out_unlock;
	}
	rc = attach_new_auto(ioas, idev, pasid, pt_id);
out_unlock:
	mutex_unlock(&ioas->hwpts_lock);
	return rc;
}

static int attach_paging(struct iommufd_hw_pagetable *hwpt,
			 struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_hwpt_paging *paging = to_hwpt_paging(hwpt);
	struct iommufd_ioas *ioas = paging->ioas;
	int rc = -ENOENT;

	if (hwpt->user_made)
		return attach_hwpt(hwpt, idev, pasid);

	/* An automatic page table that is off the list is about to vanish. */
	mutex_lock(&ioas->hwpts_lock);
	if (!list_empty(&paging->auto_node))
		rc = attach_hwpt(hwpt, idev, pasid);
	mutex_unlock(&ioas->hwpts_lock);
	return rc;
}

/**
 * iommufd_device_attach - let the DMA of a device go through a page table
 * @idev: the device
 * @pasid: which DMA of the device; only IOMMU_NO_PASID for now
 * @pt_id: ID of an IOAS, for which a page table is found or made, or of a page
 *         table; receives the ID of the page table
 *
 * Context: process context, may sleep.
 *
 * Return: 0; -ENOENT without such an object; -EINVAL for one of another type,
 * or if the group uses another page table; -EBUSY if the device is attached;
 * -EADDRINUSE if what is mapped or allowed does not suit the device;
 * -EOPNOTSUPP for a PASID; errors of pinning and of the IOMMU driver; -ENOMEM.
 * On an error nothing has changed.
 */
int iommufd_device_attach(struct iommufd_device *idev, ioasid_t pasid,
			  u32 *pt_id)
{
	struct iommufd_object *obj;
	int rc;

	if (pasid != IOMMU_NO_PASID)
		return -EOPNOTSUPP;

	obj = iommufd_object_get(idev->ctx, *pt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	switch (obj->type) {
	case IOMMUFD_OBJ_IOAS:
		rc = attach_auto(to_ioas(obj), idev, pasid, pt_id);
		break;
	case IOMMUFD_OBJ_HWPT_PAGING:
		rc = attach_paging(to_hwpt(obj), idev, pasid);
		break;
	default:
		rc = -EINVAL;
		break;
	}
	iommufd_object_put(idev->ctx, obj);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_attach, "IOMMUFD");

/* Is @obj what the device is attached to already? */
static bool is_current(struct iommufd_hw_pagetable *hwpt,
		       struct iommufd_object *obj)
{
	return obj == &hwpt->obj || obj == &to_hwpt_paging(hwpt)->ioas->obj;
}

static int replace(struct iommufd_device *idev, ioasid_t pasid,
		   struct iommufd_object *obj, u32 *pt_id)
{
	struct iommufd_attachment *attachment;

	attachment = xa_load(&idev->group->attachments, pasid);
	if (!attachment || !xa_load(&attachment->devices, idev->obj.id))
		return -EINVAL;
	if (obj->type != IOMMUFD_OBJ_IOAS &&
	    obj->type != IOMMUFD_OBJ_HWPT_PAGING)
		return -EINVAL;
	if (!is_current(attachment->hwpt, obj))
		return -EOPNOTSUPP;
	*pt_id = attachment->hwpt->obj.id;
	return 0;
}

/**
 * iommufd_device_replace - move a device to another page table
 * @idev: the device, which is attached
 * @pasid: which DMA of the device
 * @pt_id: as iommufd_device_attach()
 *
 * For now, a device can only stay where it is.
 *
 * Context: process context, may sleep.
 *
 * Return: 0; -ENOENT without such an object; -EINVAL for one of another type,
 * or if the device is not attached; -EOPNOTSUPP.
 */
int iommufd_device_replace(struct iommufd_device *idev, ioasid_t pasid,
			   u32 *pt_id)
{
	struct iommufd_object *obj;
	int rc;

	if (pasid != IOMMU_NO_PASID)
		return -EOPNOTSUPP;

	obj = iommufd_object_get(idev->ctx, *pt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	mutex_lock(&idev->group->lock);
	rc = replace(idev, pasid, obj, pt_id);
	mutex_unlock(&idev->group->lock);
	iommufd_object_put(idev->ctx, obj);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_replace, "IOMMUFD");

/**
 * iommufd_device_detach - block the DMA of a device
 * @idev: the device, which is attached
 * @pasid: which DMA of the device
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_device_detach(struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_group *group = idev->group;
	struct iommufd_attachment *attachment;
	struct iommufd_hw_pagetable *hwpt;
	bool last;

	mutex_lock(&group->lock);
	attachment = xa_load(&group->attachments, pasid);
	if (WARN_ON(!attachment)) {
		mutex_unlock(&group->lock);
		return;
	}
	hwpt = attachment->hwpt;
	xa_erase(&attachment->devices, idev->obj.id);
	last = xa_empty(&attachment->devices);
	if (last)
		destroy_attachment(attachment, pasid);
	unreserve_device(to_hwpt_paging(hwpt), idev);
	mutex_unlock(&group->lock);

	if (last)
		iommufd_hwpt_release(hwpt);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_detach, "IOMMUFD");
