// SPDX-License-Identifier: GPL-2.0-only
/*
 * HWPT_ALLOC: page tables that user space makes
 *
 * Owns nothing. Called by the ioctl table. Checks what is asked for, and has it
 * made on what it is to translate to: an IOAS, another page table, or the one
 * of a vIOMMU.
 */
#include <linux/iommu.h>

#include "../iommu-priv.h"

#include "call.h"
#include "device.h"
#include "engine/why.h"
#include "fault.h"
#include "hwpt.h"
#include "hwpt_alloc.h"
#include "hwpt_nested.h"
#include "ioas.h"
#include "viommu.h"

static int hwpt_check_alloc(const struct iommu_hwpt_alloc *cmd)
{
	if (cmd->__reserved || cmd->__reserved2)
		return iommufd_refuse_reserved(cmd->__reserved ?:
					       cmd->__reserved2);
	if (!cmd->data_type != !cmd->data_len)
		return iommufd_refuse(IOMMU_WHY_DATA_TYPE, cmd->data_type,
				      cmd->data_len);
	return 0;
}

static int hwpt_check_paging_flags(struct iommufd_device *idev, u32 flags)
{
	const u32 known = IOMMU_HWPT_ALLOC_NEST_PARENT |
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
			  IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID;

	/* A driver that takes no flags does not know of faults either. */
	if (flags && !dev_iommu_ops(idev->dev)->domain_alloc_paging_flags)
		return iommufd_refuse(IOMMU_WHY_NO_FLAGS, flags);
	if (flags & ~known)
		return iommufd_refuse(IOMMU_WHY_FLAGS, flags);
	/* Devices are attached to nested page tables, which get the faults. */
	if (flags & IOMMU_HWPT_ALLOC_NEST_PARENT &&
	    flags & IOMMU_HWPT_FAULT_ID_VALID)
		return iommufd_refuse(IOMMU_WHY_PARENT_FAULTS, flags);
	if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING &&
	    !device_iommu_capable(idev->dev, IOMMU_CAP_DIRTY_TRACKING))
		return iommufd_refuse(IOMMU_WHY_NO_DIRTY);
	return 0;
}

static struct iommufd_hw_pagetable *
hwpt_alloc_paging(const struct iommu_hwpt_alloc *cmd, struct iommufd_ioas *ioas,
		  struct iommufd_device *idev,
		  const struct iommu_user_data *data)
{
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	rc = hwpt_check_paging_flags(idev, cmd->flags);
	if (rc)
		return ERR_PTR(rc);
	hwpt = iommufd_hwpt_create(ioas, idev,
				   cmd->flags & ~IOMMU_HWPT_FAULT_ID_VALID,
				   data);
	return IS_ERR(hwpt) ? ERR_CAST(hwpt) : &hwpt->common;
}

static struct iommufd_hw_pagetable *
hwpt_alloc_nested(const struct iommu_hwpt_alloc *cmd,
		  struct iommufd_hwpt_paging *parent,
		  struct iommufd_device *idev,
		  const struct iommu_user_data *data)
{
	struct iommufd_hwpt_nested *hwpt;

	if (cmd->flags & ~(IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID))
		return iommufd_refuse_ptr(IOMMU_WHY_FLAGS, cmd->flags);
	hwpt = iommufd_hwpt_nested_create(parent, idev,
					  cmd->flags &
					  ~IOMMU_HWPT_FAULT_ID_VALID, data);
	return IS_ERR(hwpt) ? ERR_CAST(hwpt) : &hwpt->common;
}

static struct iommufd_hw_pagetable *
hwpt_alloc_on_viommu(const struct iommu_hwpt_alloc *cmd,
		     struct iommufd_viommu *viommu, struct iommufd_device *idev,
		     const struct iommu_user_data *data)
{
	struct iommufd_hwpt_nested *hwpt;

	if (!iommufd_viommu_is_of(viommu, idev))
		return iommufd_refuse_ptr(IOMMU_WHY_VIOMMU_DEVICE,
					  viommu->obj.id, idev->obj.id);
	if (cmd->flags & ~(IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID))
		return iommufd_refuse_ptr(IOMMU_WHY_FLAGS, cmd->flags);
	hwpt = iommufd_hwpt_nested_create_on_viommu(viommu,
						    cmd->flags &
						    ~IOMMU_HWPT_FAULT_ID_VALID,
						    data);
	return IS_ERR(hwpt) ? ERR_CAST(hwpt) : &hwpt->common;
}

/* @data: for the IOMMU driver, or NULL */
static struct iommufd_hw_pagetable *
hwpt_alloc_on(const struct iommu_hwpt_alloc *cmd, struct iommufd_object *obj,
	      struct iommufd_device *idev, const struct iommu_user_data *data)
{
	switch (obj->type) {
	case IOMMUFD_OBJ_IOAS:
		return hwpt_alloc_paging(cmd, to_ioas(obj), idev, data);
	case IOMMUFD_OBJ_HWPT_PAGING:
		return hwpt_alloc_nested(cmd, to_hwpt_paging(to_hwpt(obj)),
					 idev, data);
	case IOMMUFD_OBJ_VIOMMU:
		return hwpt_alloc_on_viommu(cmd, to_viommu(obj), idev, data);
	default:
		return iommufd_refuse_ptr(IOMMU_WHY_HWPT_PARENT, obj->id);
	}
}

/*
 * The device is held all the time, as the IOMMU driver needs it. Meanwhile the
 * driver copies @data from user space, and the page table is filled, for which
 * user memory may have to be faulted in. Who unbinds the device waits for both.
 */
static int hwpt_alloc_for_device(struct iommufd_call *call,
				 struct iommufd_device *idev)
{
	struct iommu_hwpt_alloc *cmd = call->arg;
	const struct iommu_user_data data = {
		.type = cmd->data_type,
		.uptr = u64_to_user_ptr(cmd->data_uptr),
		.len = cmd->data_len,
	};
	struct iommufd_hw_pagetable *hwpt;
	struct iommufd_object *obj;
	int rc;

	obj = iommufd_object_get(call->ctx, cmd->pt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return iommufd_refuse(IOMMU_WHY_HWPT_PARENT, cmd->pt_id);

	hwpt = hwpt_alloc_on(cmd, obj, idev, cmd->data_len ? &data : NULL);
	iommufd_object_put(call->ctx, obj);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);

	hwpt->user_made = true;
	call->created = &hwpt->obj;
	if (cmd->flags & IOMMU_HWPT_FAULT_ID_VALID) {
		rc = iommufd_fault_use_queue(hwpt, cmd->fault_id);
		if (rc)
			return rc;
	}
	cmd->out_hwpt_id = hwpt->obj.id;
	return 0;
}

int iommufd_hwpt_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_hwpt_alloc *cmd = call->arg;
	struct iommufd_device *idev;
	int rc;

	rc = hwpt_check_alloc(cmd);
	if (rc)
		return rc;
	idev = iommufd_device_get(call->ctx, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = hwpt_alloc_for_device(call, idev);
	iommufd_object_put(call->ctx, &idev->obj);
	return rc ?: iommufd_call_reply(call);
}
