// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PASID objects: PASIDs that the kernel has chosen
 *
 * Owns the objects; the group has the PASIDs. A program that chooses PASIDs
 * itself needs none of this: attach takes any PASID, and none is chosen that is
 * attached.
 *
 * PASIDs are a matter of a group, as their page tables are. They are not taken
 * from those that the IOMMU core gives to processes: these are one set for the
 * whole system, which a user of one device could exhaust.
 */
#include <linux/iommu.h>
#include <linux/seq_file.h>
#include <uapi/linux/iommufd.h>

#include "call.h"
#include "ctx.h"
#include "device.h"
#include "engine/why.h"
#include "group.h"
#include "object.h"
#include "pasid.h"

/**
 * struct iommufd_pasid - a PASID object
 * @obj: the object
 * @chosen: the PASID; means nothing any more when the device has gone that it
 *          was chosen for
 */
struct iommufd_pasid {
	struct iommufd_object obj;
	struct iommufd_group_pasid chosen;
};

static struct iommufd_pasid *to_pasid(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_pasid, obj);
}

/*
 * How many there are
 */

static int pasid_lower_nr(struct device *dev, void *data)
{
	u32 max_pasids = dev->iommu->max_pasids;
	u32 *nr_pasids = data;

	if (max_pasids)
		*nr_pasids = min(*nr_pasids, max_pasids);
	return 0;
}

/*
 * How many PASIDs the device has with which its whole group can be attached.
 * The one without a PASID counts: with PASIDs of no bits it is the only one.
 * Return: 0 for a device that knows no PASIDs.
 */
static u32 pasid_nr_of(struct iommufd_device *idev)
{
	u32 nr_pasids = idev->dev->iommu->max_pasids;

	if (nr_pasids)
		iommu_group_for_each_dev(idev->group->group, &nr_pasids,
					 pasid_lower_nr);
	return nr_pasids;
}

/**
 * iommufd_pasid_check - can DMA of a device have a PASID?
 * @idev: the device
 * @pasid: the PASID, or IOMMU_NO_PASID, which all DMA can have
 *
 * The IOMMU core takes any PASID for a device without PASIDs, does nothing with
 * it and keeps it in memory that is charged to nobody.
 *
 * Context: process context, may sleep; no group lock is held.
 * Return: 0; -EOPNOTSUPP if the device has no PASIDs, or no IOMMU; -EINVAL if
 * it has, and not this one.
 */
int iommufd_pasid_check(struct iommufd_device *idev, ioasid_t pasid)
{
	u32 nr_pasids;

	if (pasid == IOMMU_NO_PASID)
		return 0;
	if (!iommufd_device_has_iommu(idev))
		return iommufd_refuse(IOMMU_WHY_NO_IOMMU, idev->obj.id);
	nr_pasids = pasid_nr_of(idev);
	if (!nr_pasids)
		return iommufd_refuse(IOMMU_WHY_NO_PASIDS, pasid);
	if (pasid >= nr_pasids)
		return iommufd_refuse(IOMMU_WHY_PASID_NUMBER, pasid, nr_pasids);
	return 0;
}

/*
 * The object
 */

static bool pasid_is_in_use(struct iommufd_object *obj)
{
	return iommufd_group_pasid_is_attached(&to_pasid(obj)->chosen);
}

static void pasid_destroy(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	iommufd_group_return_pasid(ctx, &to_pasid(obj)->chosen);
}

static void pasid_show(struct seq_file *seq, struct iommufd_object *obj)
{
	seq_printf(seq, " %u", to_pasid(obj)->chosen.pasid);
}

const struct iommufd_object_ops iommufd_pasid_object_ops = {
	.name = "pasid",
	.size = sizeof(struct iommufd_pasid),
	.in_use = pasid_is_in_use,
	.destroy = pasid_destroy,
	.show = pasid_show,
};

/*
 * The ioctl
 */

static int pasid_alloc_for_device(struct iommufd_call *call,
				  struct iommufd_device *idev, u32 first,
				  u32 last)
{
	struct iommu_pasid_alloc *cmd = call->arg;
	u32 nr_pasids = pasid_nr_of(idev);
	struct iommufd_object *obj;
	int rc;

	if (nr_pasids <= IOMMU_FIRST_GLOBAL_PASID)
		return iommufd_refuse(IOMMU_WHY_NO_PASIDS, first);
	obj = iommufd_object_alloc(call->ctx, IOMMUFD_OBJ_PASID);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	call->created = obj;

	rc = iommufd_group_choose_pasid(idev->group, idev,
					&to_pasid(obj)->chosen,
					max(first, IOMMU_FIRST_GLOBAL_PASID),
					min(last, nr_pasids - 1));
	if (rc)
		return rc;
	cmd->out_pasid = to_pasid(obj)->chosen.pasid;
	cmd->out_pasid_id = obj->id;
	return 0;
}

int iommufd_pasid_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_pasid_alloc *cmd = call->arg;
	u32 last = cmd->last_pasid ?: U32_MAX;
	struct iommufd_device *idev;
	int rc;

	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);
	if (cmd->first_pasid > last)
		return iommufd_refuse(IOMMU_WHY_PASID_RANGE, cmd->first_pasid,
				      last);
	idev = iommufd_device_get(call->ctx, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = pasid_alloc_for_device(call, idev, cmd->first_pasid, last);
	iommufd_object_put(call->ctx, &idev->obj);
	/* After the device was put: unbind would wait for user memory. */
	return rc ?: iommufd_call_reply(call);
}
