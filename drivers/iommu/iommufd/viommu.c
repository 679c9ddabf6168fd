// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vIOMMU object: a share of a hardware IOMMU, for one guest
 *
 * Owns struct iommufd_viommu, at the beginning of a structure of the IOMMU
 * driver, whose operations it calls. Called by the ioctl table; page tables,
 * virtual devices and queues that belong to a vIOMMU keep it alive.
 *
 * It does not keep the device alive that it was made with, as that may go while
 * others behind the same IOMMU stay. The IOMMU itself stays as long as its
 * driver has page tables of ours.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/list.h>
#include <linux/rwsem.h>
#include <linux/seq_file.h>
#include <linux/xarray.h>

#include "../iommu-priv.h"

#include "call.h"
#include "ctx.h"
#include "device.h"
#include "engine/why.h"
#include "hwpt.h"
#include "viommu.h"

static void viommu_destroy(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	struct iommufd_viommu *viommu = to_viommu(obj);

	if (viommu->ops && viommu->ops->destroy)
		viommu->ops->destroy(viommu);
	/* What is in them keeps the vIOMMU alive. */
	WARN_ON(!xa_empty(&viommu->vdevs) || !list_empty(&viommu->veventqs));
	xa_destroy(&viommu->vdevs);
	iommufd_object_release(&viommu->hwpt->common.obj);
}

static void viommu_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_viommu *viommu = to_viommu(obj);

	seq_printf(seq, " hwpt=%u type=%u", viommu->hwpt->common.obj.id,
		   viommu->type);
}

const struct iommufd_object_ops iommufd_viommu_object_ops = {
	.name = "viommu",
	.size = sizeof(struct iommufd_viommu),
	.destroy = viommu_destroy,
	.show = viommu_show,
};

static struct iommufd_viommu *
viommu_alloc(struct iommufd_device *idev, struct iommufd_hwpt_paging *hwpt,
	     enum iommu_viommu_type type, size_t size)
{
	struct iommufd_viommu *viommu;
	struct iommufd_object *obj;

	obj = iommufd_object_alloc_sized(idev->ctx, IOMMUFD_OBJ_VIOMMU, size);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	viommu = to_viommu(obj);
	viommu->ictx = idev->ctx;
	viommu->iommu_dev = idev->dev->iommu->iommu_dev;
	viommu->type = type;
	xa_init_flags(&viommu->vdevs, XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&viommu->veventqs);
	init_rwsem(&viommu->veventqs_rwsem);
	viommu->hwpt = hwpt;
	iommufd_object_hold(&hwpt->common.obj);
	return viommu;
}

static int viommu_init(struct iommufd_viommu *viommu,
		       const struct iommu_ops *ops,
		       const struct iommu_user_data *data)
{
	int rc;

	rc = ops->viommu_init(viommu, viommu->hwpt->common.domain, data);
	if (!rc && WARN_ON_ONCE(!viommu->ops))
		rc = -EOPNOTSUPP;
	/* The driver has undone what it did: there is nothing to destroy. */
	if (rc)
		viommu->ops = NULL;
	return rc;
}

static int viommu_create(struct iommufd_call *call, struct iommufd_device *idev,
			 struct iommufd_hwpt_paging *hwpt, size_t size)
{
	const struct iommu_ops *ops = dev_iommu_ops(idev->dev);
	struct iommu_viommu_alloc *cmd = call->arg;
	const struct iommu_user_data data = {
		.type = cmd->type,
		.uptr = u64_to_user_ptr(cmd->data_uptr),
		.len = cmd->data_len,
	};
	struct iommufd_viommu *viommu;
	int rc;

	if (!iommufd_hwpt_is_nest_parent_of(hwpt, ops))
		return iommufd_refuse(IOMMU_WHY_NOT_PARENT, cmd->hwpt_id);
	viommu = viommu_alloc(idev, hwpt, cmd->type, size);
	if (IS_ERR(viommu))
		return PTR_ERR(viommu);
	call->created = &viommu->obj;
	rc = viommu_init(viommu, ops, cmd->data_len ? &data : NULL);
	if (rc)
		return rc;
	cmd->out_viommu_id = viommu->obj.id;
	return 0;
}

/*
 * The device is held all the time, as the IOMMU driver needs it. Meanwhile the
 * driver copies data from and to user space; who unbinds the device waits.
 */
static int viommu_create_for_device(struct iommufd_call *call,
				    struct iommufd_device *idev)
{
	const struct iommu_ops *ops = dev_iommu_ops(idev->dev);
	struct iommu_viommu_alloc *cmd = call->arg;
	struct iommufd_hwpt_paging *hwpt;
	size_t size;
	int rc;

	if (!ops->get_viommu_size || !ops->viommu_init)
		return iommufd_refuse(IOMMU_WHY_NO_VIOMMU, cmd->type);
	size = ops->get_viommu_size(idev->dev, cmd->type);
	if (!size)
		return iommufd_refuse(IOMMU_WHY_NO_VIOMMU, cmd->type);
	hwpt = iommufd_hwpt_paging_get(call->ctx, cmd->hwpt_id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	rc = viommu_create(call, idev, hwpt, size);
	iommufd_object_put(call->ctx, &hwpt->common.obj);
	return rc;
}

int iommufd_viommu_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_viommu_alloc *cmd = call->arg;
	struct iommufd_device *idev;
	int rc;

	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);
	if (cmd->type == IOMMU_VIOMMU_TYPE_DEFAULT)
		return iommufd_refuse(IOMMU_WHY_OPERATION, cmd->type);
	idev = iommufd_device_get(call->ctx, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = viommu_create_for_device(call, idev);
	iommufd_object_put(call->ctx, &idev->obj);
	return rc ?: iommufd_call_reply(call);
}
