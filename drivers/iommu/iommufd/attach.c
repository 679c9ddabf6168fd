// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attach, replace and detach: which page table a device uses
 *
 * Owns iommufd_group::attachments; the lock of the group guards them. The entry
 * points are the in-kernel API that vfio calls.
 *
 * An attachment is made complete before hardware learns of it, and does not
 * change afterwards but for the devices that join and leave. Moving a group to
 * another page table is a new attachment in the place of the old one.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <trace/events/iommufd.h>

#include "../iommu-priv.h"

#include "attachment.h"
#include "ctx.h"
#include "device.h"
#include "fault.h"
#include "group.h"
#include "hwpt.h"
#include "hwpt_nested.h"
#include "ioas.h"
#include "noiommu.h"
#include "pasid.h"
#include "recorder.h"
#include "refusals.h"
#include "resv.h"
#include "sw_msi.h"
#include "vfio_ioas.h"

/**
 * struct attach_change - a device is to use another page table
 * @idev: the device
 * @pasid: which DMA of the device
 * @replace: it uses one now, rather than none
 * @auto_pasid: automatic page tables are to be PASID capable
 * @left: a page table of which the long-term reference is left to be dropped,
 *        when no lock is held
 */
struct attach_change {
	struct iommufd_device *idev;
	ioasid_t pasid;
	bool replace;
	bool auto_pasid;
	struct iommufd_hw_pagetable *left;
};

static struct iommufd_ioas *ioas_of(struct iommufd_hw_pagetable *hwpt)
{
	return iommufd_hwpt_base(hwpt)->ioas;
}

static struct iommufd_attachment *
current_attachment(const struct attach_change *change)
{
	struct iommufd_group *group = change->idev->group;

	lockdep_assert_held(&group->lock);

	return xa_load(&group->attachments, change->pasid);
}

static bool has_pasids_attached(struct iommufd_group *group)
{
	unsigned long pasid = IOMMU_NO_PASID;

	return xa_find_after(&group->attachments, &pasid, ULONG_MAX,
			     XA_PRESENT);
}

/*
 * An IOMMU driver does not check whether a page table is one of its own. The
 * IOMMU core does where a device is attached, but not all versions of it do
 * where a device is moved.
 */
static bool is_of_same_driver(struct iommufd_device *idev,
			      struct iommufd_hw_pagetable *hwpt)
{
	if (!iommufd_device_has_iommu(idev))
		return iommufd_is_noiommu_domain(hwpt->domain);
	return hwpt->domain->owner == dev_iommu_ops(idev->dev);
}

/*
 * With a PASID attached, an IOMMU walks all page tables of the device in
 * another format, that without a PASID as well: all page tables that the group
 * uses must have been made for it.
 */
static bool suits_pasids(const struct attach_change *change, bool pasid_capable)
{
	struct iommufd_group *group = change->idev->group;
	struct iommufd_attachment *own;

	lockdep_assert_held(&group->lock);

	if (change->pasid == IOMMU_NO_PASID)
		return pasid_capable || !has_pasids_attached(group);
	own = xa_load(&group->attachments, IOMMU_NO_PASID);
	return pasid_capable && (!own || own->hwpt->pasid_capable);
}

/*
 * Why it cannot be done
 */

/* @id: of what the group was to use instead */
static int attach_refuse_group(const struct iommufd_attachment *attachment,
			       u32 id)
{
	return iommufd_refuse(IOMMU_WHY_ATTACH_GROUP, id,
			      attachment->hwpt->obj.id);
}

static int attach_refuse_pasids(const struct attach_change *change,
				const struct iommufd_object *obj)
{
	return iommufd_refuse(IOMMU_WHY_ATTACH_NO_PASIDS, obj->id,
			      change->pasid);
}

static int attach_refuse_replace(const struct attach_change *change)
{
	return iommufd_refuse(IOMMU_WHY_NOT_ATTACHED, change->pasid);
}

/*
 * The IOMMU core, where there is an IOMMU. It works on groups; where it is
 * about a PASID it takes any device of the group to find it.
 */

static int attach_switch_on(struct iommufd_attachment *attachment,
			    struct iommufd_device *idev)
{
	struct iommufd_hw_pagetable *hwpt = attachment->hwpt;
	struct iommufd_group *group = attachment->group;
	int rc;

	if (!iommufd_group_has_iommu(group))
		return 0;
	if (attachment->pasid != IOMMU_NO_PASID)
		return iommu_attach_device_pasid(hwpt->domain, idev->dev,
						 attachment->pasid,
						 &attachment->handle);

	rc = iommufd_sw_msi_prepare(group, iommufd_hwpt_base(hwpt));
	if (rc)
		return rc;
	rc = iommu_attach_group_handle(hwpt->domain, group->group,
				       &attachment->handle);
	iommufd_sw_msi_settle(group);
	return rc;
}

static void attach_switch_off(struct iommufd_attachment *attachment,
			      struct iommufd_device *idev)
{
	struct iommu_domain *domain = attachment->hwpt->domain;

	if (!iommufd_group_has_iommu(attachment->group))
		return;
	if (attachment->pasid != IOMMU_NO_PASID)
		iommu_detach_device_pasid(domain, idev->dev, attachment->pasid);
	else
		iommu_detach_group_handle(domain, attachment->group->group);
}

/* From another attachment of the same group */
static int attach_switch_over(struct iommufd_attachment *attachment,
			      struct iommufd_device *idev)
{
	struct iommufd_hw_pagetable *hwpt = attachment->hwpt;
	struct iommufd_group *group = attachment->group;
	int rc;

	if (!iommufd_group_has_iommu(group))
		return 0;
	if (attachment->pasid != IOMMU_NO_PASID)
		return iommu_replace_device_pasid(hwpt->domain, idev->dev,
						  attachment->pasid,
						  &attachment->handle);

	rc = iommufd_sw_msi_prepare(group, iommufd_hwpt_base(hwpt));
	if (rc)
		return rc;
	rc = iommu_replace_group_handle(group->group, hwpt->domain,
					&attachment->handle);
	iommufd_sw_msi_settle(group);
	return rc;
}

/*
 * All devices of a group share one page table for each PASID: the first attach
 * decides, and puts the group on it; later ones join.
 */

static int attach_start(struct attach_change *change,
			struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_group *group = change->idev->group;
	struct iommufd_attachment *attachment;
	int rc;

	attachment =
		iommufd_attachment_alloc(change->idev, change->pasid, hwpt);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	rc = iommufd_fault_check(attachment);
	if (rc)
		goto err_free;
	rc = xa_reserve(&group->attachments, change->pasid, GFP_KERNEL_ACCOUNT);
	if (rc)
		goto err_free;
	rc = iommufd_attachment_reserve(attachment);
	if (rc)
		goto err_release;
	rc = iommufd_msi_window_reserve(attachment);
	if (rc)
		goto err_unreserve;
	rc = attach_switch_on(attachment, change->idev);
	if (rc)
		goto err_release_window;
	iommufd_object_hold(&hwpt->obj);
	/* Cannot fail: xa_reserve() has allocated the memory. */
	xa_store(&group->attachments, change->pasid, attachment, GFP_KERNEL);
	return 0;

err_release_window:
	iommufd_msi_window_release(attachment);
err_unreserve:
	iommufd_attachment_unreserve(attachment);
err_release:
	xa_release(&group->attachments, change->pasid);
err_free:
	iommufd_attachment_free(attachment);
	return rc;
}

static int attach_join(struct attach_change *change,
		       struct iommufd_attachment *attachment,
		       struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_device *idev = change->idev;
	int rc;

	if (attachment->hwpt != hwpt)
		return attach_refuse_group(attachment, hwpt->obj.id);
	rc = iommufd_fault_check_device(hwpt, idev);
	if (rc)
		return rc;
	rc = iommufd_attachment_add_device(attachment, idev);
	if (rc)
		return rc;
	rc = iommufd_attachment_reserve_device(attachment, idev);
	if (rc)
		goto err_erase;
	/* The device may be the first of its group that has a window. */
	rc = iommufd_msi_window_reserve(attachment);
	if (rc)
		goto err_unreserve;
	return 0;

err_unreserve:
	iommufd_attachment_unreserve_device(attachment, idev);
err_erase:
	xa_erase(&attachment->devices, idev->obj.id);
	return rc;
}

static int attach_move(struct attach_change *change,
		       struct iommufd_attachment *old,
		       struct iommufd_hw_pagetable *hwpt)
{
	bool other_ioas = ioas_of(hwpt) != ioas_of(old->hwpt);
	struct iommufd_group *group = old->group;
	struct iommufd_attachment *attachment;
	int rc;

	if (old->hwpt == hwpt)
		return 0;
	/* All devices of the group move together. */
	attachment = iommufd_attachment_clone(old, hwpt);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	rc = iommufd_fault_check(attachment);
	if (rc)
		goto err_free;
	if (other_ioas) {
		rc = iommufd_attachment_reserve(attachment);
		if (rc)
			goto err_free;
	}
	rc = iommufd_msi_window_reserve(attachment);
	if (rc)
		goto err_unreserve;
	rc = attach_switch_over(attachment, change->idev);
	if (rc)
		goto err_release_window;
	iommufd_object_hold(&hwpt->obj);
	/* Cannot fail: the entry exists, so that no memory is needed. */
	xa_store(&group->attachments, change->pasid, attachment, GFP_KERNEL);
	iommufd_msi_window_release(old);
	if (other_ioas)
		iommufd_attachment_unreserve(old);
	iommufd_fault_end(old, NULL);
	change->left = old->hwpt;
	iommufd_attachment_free(old);
	return 0;

err_release_window:
	iommufd_msi_window_release(attachment);
err_unreserve:
	if (other_ioas)
		iommufd_attachment_unreserve(attachment);
err_free:
	iommufd_attachment_free(attachment);
	return rc;
}

static int attach_to_hwpt_locked(struct attach_change *change,
				 struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_attachment *attachment = current_attachment(change);

	if (!is_of_same_driver(change->idev, hwpt))
		return iommufd_refuse(IOMMU_WHY_ATTACH_DRIVER, hwpt->obj.id);
	if (!suits_pasids(change, hwpt->pasid_capable))
		return attach_refuse_pasids(change, &hwpt->obj);
	if (change->replace) {
		if (!attachment ||
		    !iommufd_attachment_has_device(attachment, change->idev))
			return attach_refuse_replace(change);
		return attach_move(change, attachment, hwpt);
	}
	if (attachment)
		return attach_join(change, attachment, hwpt);
	return attach_start(change, hwpt);
}

static int attach_to_hwpt(struct attach_change *change,
			  struct iommufd_hw_pagetable *hwpt, u32 *pt_id)
{
	struct mutex *lock = &change->idev->group->lock;
	int rc;

	mutex_lock(lock);
	rc = attach_to_hwpt_locked(change, hwpt);
	mutex_unlock(lock);
	if (!rc)
		*pt_id = hwpt->obj.id;
	return rc;
}

static bool is_auto_of(struct iommufd_hw_pagetable *hwpt,
		       struct iommufd_ioas *ioas)
{
	return !hwpt->user_made && ioas_of(hwpt) == ioas;
}

/*
 * Tries the page table that the group uses, without looking at others or
 * filling one.
 * Return: 0 if the device uses it now; 1 if the device needs another one; a
 * negative errno if neither will do.
 */
static int attach_pick_group_auto_locked(struct attach_change *change,
					 struct iommufd_ioas *ioas)
{
	struct iommufd_attachment *attachment = current_attachment(change);

	if (change->replace) {
		if (!attachment ||
		    !iommufd_attachment_has_device(attachment, change->idev))
			return attach_refuse_replace(change);
		if (is_auto_of(attachment->hwpt, ioas) &&
		    (attachment->hwpt->pasid_capable || !change->auto_pasid))
			return 0;
	} else if (attachment) {
		if (!is_auto_of(attachment->hwpt, ioas))
			return attach_refuse_group(attachment, ioas->obj.id);
		return attach_join(change, attachment, attachment->hwpt);
	}
	if (!suits_pasids(change, change->auto_pasid))
		return attach_refuse_pasids(change, &ioas->obj);
	return 1;
}

static int attach_pick_group_auto(struct attach_change *change,
				  struct iommufd_ioas *ioas, u32 *pt_id)
{
	struct mutex *lock = &change->idev->group->lock;
	int rc;

	mutex_lock(lock);
	rc = attach_pick_group_auto_locked(change, ioas);
	if (!rc)
		*pt_id = current_attachment(change)->hwpt->obj.id;
	mutex_unlock(lock);
	return rc;
}

/*
 * Tries the automatic page tables that there are.
 * Return: 0 if the device uses one of them now; 1 if the device needs a new
 * one; or a negative errno.
 */
static int attach_pick_present_auto(struct attach_change *change,
				    struct iommufd_ioas *ioas, u32 *pt_id)
{
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	lockdep_assert_held(&ioas->hwpts_lock);

	rc = attach_pick_group_auto(change, ioas, pt_id);
	if (rc <= 0)
		return rc;
	list_for_each_entry(hwpt, &ioas->auto_hwpts, auto_node) {
		if (hwpt->common.pasid_capable != change->auto_pasid)
			continue;
		rc = attach_to_hwpt(change, &hwpt->common, pt_id);
		/* This page table does not suit the device; another may. */
		if (iommufd_errno(rc) != -EINVAL)
			return rc;
	}
	return 1;
}

/*
 * Programs that know of containers only cannot ask for a page table that tracks
 * what devices write to, so they get one where it can be had.
 */
static struct iommufd_hwpt_paging *
attach_create_auto(struct iommufd_ioas *ioas, struct iommufd_device *idev,
		   u32 flags)
{
	struct iommufd_hwpt_paging *hwpt;

	if (iommufd_vfio_ioas_is(idev->ctx, &ioas->obj) &&
	    device_iommu_capable(idev->dev, IOMMU_CAP_DIRTY_TRACKING)) {
		hwpt = iommufd_hwpt_create(ioas, idev,
					   flags |
					   IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
					   NULL);
		/* Not together with @flags */
		if (iommufd_errno(PTR_ERR_OR_ZERO(hwpt)) != -EOPNOTSUPP)
			return hwpt;
	}
	return iommufd_hwpt_create(ioas, idev, flags, NULL);
}

/*
 * The page table is filled before the lock is taken: that pins memory, which
 * can take long, and others attach and detach meanwhile. By then somebody may
 * have made one that suits, and this one is freed.
 */
static int attach_make_auto(struct attach_change *change,
			    struct iommufd_ioas *ioas, u32 *pt_id)
{
	u32 flags = change->auto_pasid ? IOMMU_HWPT_ALLOC_PASID : 0;
	struct iommufd_ctx *ctx = change->idev->ctx;
	struct iommufd_hwpt_paging *hwpt;
	bool used = false;
	int rc;

	hwpt = attach_create_auto(ioas, change->idev, flags);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);

	mutex_lock(&ioas->hwpts_lock);
	rc = attach_pick_present_auto(change, ioas, pt_id);
	if (rc > 0) {
		rc = attach_to_hwpt(change, &hwpt->common, pt_id);
		used = !rc;
	}
	if (used) {
		list_add_tail(&hwpt->auto_node, &ioas->auto_hwpts);
		iommufd_object_publish(ctx, &hwpt->common.obj);
	}
	mutex_unlock(&ioas->hwpts_lock);
	if (!used)
		iommufd_object_abort(ctx, &hwpt->common.obj);
	return rc;
}

static int attach_to_ioas(struct attach_change *change,
			  struct iommufd_ioas *ioas, u32 *pt_id)
{
	int rc;

	change->auto_pasid = iommufd_group_has_pasids(change->idev->group);
	mutex_lock(&ioas->hwpts_lock);
	rc = attach_pick_present_auto(change, ioas, pt_id);
	mutex_unlock(&ioas->hwpts_lock);
	return rc > 0 ? attach_make_auto(change, ioas, pt_id) : rc;
}

static int attach_to_named_hwpt(struct attach_change *change,
				struct iommufd_hw_pagetable *hwpt, u32 *pt_id)
{
	struct iommufd_ioas *ioas;
	int rc;

	if (hwpt->user_made)
		return attach_to_hwpt(change, hwpt, pt_id);

	/* An automatic page table that is off the list is about to vanish. */
	ioas = ioas_of(hwpt);
	mutex_lock(&ioas->hwpts_lock);
	if (!list_empty(&to_hwpt_paging(hwpt)->auto_node))
		rc = attach_to_hwpt(change, hwpt, pt_id);
	else
		rc = iommufd_refuse(IOMMU_WHY_HWPT_GOING, hwpt->obj.id);
	mutex_unlock(&ioas->hwpts_lock);
	return rc;
}

static int attach_to_object(struct attach_change *change,
			    struct iommufd_object *obj, u32 *pt_id)
{
	switch (obj->type) {
	case IOMMUFD_OBJ_IOAS:
		return attach_to_ioas(change, to_ioas(obj), pt_id);
	case IOMMUFD_OBJ_HWPT_NESTED:
	case IOMMUFD_OBJ_HWPT_PAGING:
		return attach_to_named_hwpt(change, to_hwpt(obj), pt_id);
	default:
		return iommufd_refuse(IOMMU_WHY_ATTACH_TYPE, obj->id);
	}
}

static int attach_by_id(struct attach_change *change, u32 *pt_id)
{
	struct iommufd_ctx *ctx = change->idev->ctx;
	struct iommufd_object *obj;
	int rc;

	obj = iommufd_object_get(ctx, *pt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	rc = iommufd_pasid_check(change->idev, change->pasid);
	if (!rc)
		rc = attach_to_object(change, obj, pt_id);
	iommufd_object_put(ctx, obj);
	if (change->left)
		iommufd_hwpt_release(change->left);
	return rc;
}

static void attach_record(struct iommufd_device *idev, ioasid_t pasid,
			  enum iommu_recorded what, u32 pt_id, int rc)
{
	const struct iommufd_device_record record = {
		.device = idev->obj.id,
		.pasid = pasid,
		.object = pt_id,
	};

	iommufd_record_device(&idev->ctx->recorder, what, &record, rc);
}

/*
 * The in-kernel API
 */

/**
 * iommufd_device_attach - let the DMA of a device go through a page table
 * @idev: the device
 * @pasid: which DMA of the device: that with a PASID, or IOMMU_NO_PASID for
 *         what has none
 * @pt_id: ID of an IOAS, for which a page table is found or made, or of a page
 *         table; receives the ID of the page table
 *
 * Page tables on a PASID, and that of a device any PASID of which is attached,
 * are to be PASID capable. Automatic ones are when the group has PASIDs that
 * the kernel has chosen, and else are not.
 *
 * Context: process context, may sleep.
 *
 * Return: 0; -ENOENT without such an object; -EINVAL for one of another type,
 * for a page table of another IOMMU driver, for a PASID beyond those of the
 * device, for page tables that are not PASID capable, or if the group uses
 * another page table; -EOPNOTSUPP for a PASID of a device without any, or if
 * the IOMMU driver knows none; -EBUSY if the device is attached, or just being
 * reset; -EADDRINUSE if what is mapped or allowed does not suit the device;
 * errors of pinning and of the IOMMU driver; -ENOMEM. On an error nothing has
 * changed.
 */
int iommufd_device_attach(struct iommufd_device *idev, ioasid_t pasid,
			  u32 *pt_id)
{
	struct attach_change change = { .idev = idev, .pasid = pasid };
	int rc;

	rc = attach_by_id(&change, pt_id);
	attach_record(idev, pasid, IOMMU_RECORDED_ATTACH, *pt_id, rc);
	if (rc)
		return iommufd_refused(idev->ctx, IOMMU_REFUSED_ATTACH, rc);
	trace_iommufd_attach(idev->dev, idev->obj.id, pasid, *pt_id);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_attach, "IOMMUFD");

/**
 * iommufd_device_replace - move a device to another page table
 * @idev: the device, which is attached
 * @pasid: which DMA of the device
 * @pt_id: as iommufd_device_attach()
 *
 * All devices of the group move, and stay on one of the two page tables all the
 * time if the IOMMU driver can do that.
 *
 * Context: process context, may sleep.
 *
 * Return: 0, also if the device uses that page table already; -EINVAL if the
 * device is not attached; otherwise as iommufd_device_attach(). On an error the
 * device is attached to what it was, as far as this subsystem knows. When it is
 * the IOMMU driver that fails, its DMA may be blocked until it is moved or
 * attached again: some, as that of VT-d, take the device off the old page table
 * before they try the new one, and do not put it back.
 */
int iommufd_device_replace(struct iommufd_device *idev, ioasid_t pasid,
			   u32 *pt_id)
{
	struct attach_change change = {
		.idev = idev,
		.pasid = pasid,
		.replace = true,
	};
	int rc;

	rc = attach_by_id(&change, pt_id);
	attach_record(idev, pasid, IOMMU_RECORDED_REPLACE, *pt_id, rc);
	if (rc)
		return iommufd_refused(idev->ctx, IOMMU_REFUSED_REPLACE, rc);
	trace_iommufd_replace(idev->dev, idev->obj.id, pasid, *pt_id);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_replace, "IOMMUFD");

/*
 * Return: the page table if @idev was the last device of the group on it, for
 * the caller to drop the reference; else NULL.
 */
static struct iommufd_hw_pagetable *attach_leave(struct iommufd_device *idev,
						 ioasid_t pasid)
{
	struct iommufd_group *group = idev->group;
	struct iommufd_attachment *attachment;
	struct iommufd_hw_pagetable *hwpt;

	lockdep_assert_held(&group->lock);

	attachment = xa_load(&group->attachments, pasid);
	if (WARN_ON(!attachment ||
		    !iommufd_attachment_has_device(attachment, idev)))
		return NULL;

	hwpt = attachment->hwpt;
	trace_iommufd_detach(idev->dev, idev->obj.id, pasid, hwpt->obj.id);
	attach_record(idev, pasid, IOMMU_RECORDED_DETACH, hwpt->obj.id, 0);
	xa_erase(&attachment->devices, idev->obj.id);
	if (!xa_empty(&attachment->devices)) {
		iommufd_fault_end(attachment, idev);
		iommufd_attachment_unreserve_device(attachment, idev);
		return NULL;
	}

	attach_switch_off(attachment, idev);
	iommufd_fault_end(attachment, NULL);
	iommufd_msi_window_release(attachment);
	iommufd_attachment_unreserve_device(attachment, idev);
	xa_erase(&group->attachments, pasid);
	iommufd_attachment_free(attachment);
	return hwpt;
}

/**
 * iommufd_device_detach - block the DMA of a device
 * @idev: the device, which is attached
 * @pasid: which DMA of the device
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_device_detach(struct iommufd_device *idev, ioasid_t pasid)
{
	struct iommufd_hw_pagetable *hwpt;

	mutex_lock(&idev->group->lock);
	hwpt = attach_leave(idev, pasid);
	mutex_unlock(&idev->group->lock);
	if (hwpt)
		iommufd_hwpt_release(hwpt);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_detach, "IOMMUFD");
