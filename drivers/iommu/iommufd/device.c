// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices: binding to a context
 *
 * Owns struct iommufd_device. The entry points are the in-kernel API that vfio
 * calls.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "attachment.h"
#include "ctx.h"
#include "device.h"
#include "dma_fault.h"
#include "group.h"
#include "hw_pagetable.h"
#include "refusals.h"
#include "test_hooks.h"
#include "vdevice.h"

static bool allow_unsafe_interrupts;
module_param(allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Allow devices on platforms that do not isolate MSIs, where a device can raise the interrupts of others (default: N)");

/*
 * A device that can write to any MSI address can raise the interrupts of
 * others, unless the hardware tells them apart.
 */
static int device_check_msi_isolation(struct device *dev,
				      struct iommu_group *iommu_group)
{
	if (iommu_group_has_isolated_msi(iommu_group) ||
	    iommufd_test_is_mock_device(dev))
		return 0;
	if (!READ_ONCE(allow_unsafe_interrupts))
		return iommufd_refuse(IOMMU_WHY_MSI_UNSAFE);
	/* Rate limited: user space can bind as often as it likes. */
	dev_warn_ratelimited(dev, "MSIs are not isolated by the platform: the device can raise interrupts of others\n");
	return 0;
}

static struct iommufd_device *device_create_object(struct iommufd_ctx *ctx,
						   struct device *dev,
						   struct iommufd_group *group)
{
	struct iommufd_object *obj;
	struct iommufd_device *idev;

	obj = iommufd_object_alloc(ctx, IOMMUFD_OBJ_DEVICE);
	if (IS_ERR(obj))
		return ERR_CAST(obj);

	idev = container_of(obj, struct iommufd_device, obj);
	idev->ctx = ctx;
	if (!iommufd_test_is_mock_device(dev))
		iommufd_ctx_get(ctx);
	idev->group = group;
	idev->dev = dev;
	idev->enforce_cache_coherency =
		device_iommu_capable(dev, IOMMU_CAP_ENFORCE_CACHE_COHERENCY);
	return idev;
}

static void device_destroy_object(struct iommufd_ctx *ctx,
				  struct iommufd_object *obj)
{
	struct iommufd_device *idev =
		container_of(obj, struct iommufd_device, obj);
	bool has_iommu = iommufd_device_has_iommu(idev);

	iommufd_group_return_pasids_of(idev->group, idev);
	iommufd_group_put(idev->group);
	if (has_iommu)
		iommu_device_release_dma_owner(idev->dev);
	if (!iommufd_test_is_mock_device(idev->dev))
		iommufd_ctx_put(ctx);
}

static void device_show_attachments(struct seq_file *seq,
				    struct iommufd_device *idev)
{
	struct iommufd_attachment *attachment;
	unsigned long pasid;

	lockdep_assert_held(&idev->group->lock);

	xa_for_each(&idev->group->attachments, pasid, attachment) {
		if (!iommufd_attachment_has_device(attachment, idev))
			continue;
		if (pasid == IOMMU_NO_PASID)
			seq_printf(seq, " hwpt=%u", attachment->hwpt->obj.id);
		else
			seq_printf(seq, " pasid-%lu=%u", pasid,
				   attachment->hwpt->obj.id);
	}
}

static void device_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_device *idev =
		container_of(obj, struct iommufd_device, obj);

	seq_printf(seq, " %s", dev_name(idev->dev));
	/*
	 * The lock may be held while memory is pinned, which may take for ever.
	 */
	if (!mutex_trylock(&idev->group->lock)) {
		seq_puts(seq, " changing");
		return;
	}
	device_show_attachments(seq, idev);
	mutex_unlock(&idev->group->lock);
}

const struct iommufd_object_ops iommufd_device_object_ops = {
	.name = "device",
	.size = sizeof(struct iommufd_device),
	.destroy = device_destroy_object,
	.show = device_show,
	.owned_by_kernel = true,
};

/**
 * iommufd_device_get - take a short-term reference of a device, by its ID
 * @ctx: the context
 * @id: the ID
 *
 * Return: the device, which has an IOMMU; or an ERR_PTR: -ENOENT; -EOPNOTSUPP
 * if it has none.
 */
struct iommufd_device *iommufd_device_get(struct iommufd_ctx *ctx, u32 id)
{
	struct iommufd_device *idev;
	struct iommufd_object *obj;

	obj = iommufd_object_get(ctx, id, IOMMUFD_OBJ_DEVICE);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	idev = container_of(obj, struct iommufd_device, obj);
	if (!iommufd_device_has_iommu(idev)) {
		iommufd_object_put(ctx, obj);
		return iommufd_refuse_ptr(IOMMU_WHY_NO_IOMMU, id);
	}
	return idev;
}

bool iommufd_device_has_iommu(const struct iommufd_device *idev)
{
	return iommufd_group_has_iommu(idev->group);
}

/*
 * No privilege is checked here: vfio lets only privileged users have such a
 * device.
 */
static struct iommufd_device *device_bind_without_iommu(struct iommufd_ctx *ctx,
							struct device *dev)
{
	struct iommufd_device *idev;
	struct iommufd_group *group;

	group = iommufd_group_of_none(ctx);
	if (IS_ERR(group))
		return ERR_CAST(group);
	idev = device_create_object(ctx, dev, group);
	if (IS_ERR(idev))
		iommufd_group_put(group);
	return idev;
}

static struct iommufd_device *
device_bind_in_group(struct iommufd_ctx *ctx, struct device *dev,
		     struct iommu_group *iommu_group)
{
	struct iommufd_device *idev;
	struct iommufd_group *group;
	int rc;

	rc = device_check_msi_isolation(dev, iommu_group);
	if (rc)
		return ERR_PTR(rc);

	/*
	 * Before the group is made: who sees a group in the context may rely on
	 * the context owning its DMA.
	 */
	rc = iommu_device_claim_dma_owner(dev, ctx);
	if (rc == -EPERM || rc == -EBUSY)
		return iommufd_refuse_ptr(IOMMU_WHY_DMA_OWNED);
	if (rc)
		return ERR_PTR(rc);

	group = iommufd_group_get(ctx, iommu_group);
	if (IS_ERR(group)) {
		idev = ERR_CAST(group);
		goto err_release;
	}
	idev = device_create_object(ctx, dev, group);
	if (IS_ERR(idev))
		goto err_put;
	return idev;

err_put:
	iommufd_group_put(group);
err_release:
	iommu_device_release_dma_owner(dev);
	return idev;
}

static struct iommufd_device *device_bind_with_iommu(struct iommufd_ctx *ctx,
						     struct device *dev)
{
	struct iommu_group *iommu_group;
	struct iommufd_device *idev;

	if (!device_iommu_capable(dev, IOMMU_CAP_CACHE_COHERENCY))
		return iommufd_refuse_ptr(IOMMU_WHY_NOT_COHERENT);

	iommu_group = iommu_group_get(dev);
	if (!iommu_group)
		return iommufd_refuse_ptr(IOMMU_WHY_NO_GROUP);
	idev = device_bind_in_group(ctx, dev, iommu_group);
	iommu_group_put(iommu_group);
	return idev;
}

/**
 * iommufd_device_bind - take a device over for the holder of a context
 * @ctx: the context, of which the device holds a reference until it is unbound
 * @dev: the device, whose driver is the caller
 * @id: receives the ID of the device's object
 *
 * All DMA of the device is blocked until it is attached to something; that of a
 * device without an IOMMU never is. With CONFIG_IOMMUFD_NOIOMMU it is for the
 * caller to say who may have one.
 *
 * Context: process context, may sleep.
 *
 * Return: the device, or an ERR_PTR: -EINVAL if it has no IOMMU and needs one,
 * or its DMA is not coherent with CPU caches; -ENODEV without a group; -EPERM
 * if its MSIs are not isolated; -EBUSY if somebody else owns its DMA; -ENOMEM.
 */
struct iommufd_device *iommufd_device_bind(struct iommufd_ctx *ctx,
					   struct device *dev, u32 *id)
{
	struct iommufd_device *idev;

	if (IS_ENABLED(CONFIG_IOMMUFD_NOIOMMU) && !dev->iommu)
		idev = device_bind_without_iommu(ctx, dev);
	else
		idev = device_bind_with_iommu(ctx, dev);
	if (IS_ERR(idev))
		return iommufd_refused_ptr(ctx, IOMMU_REFUSED_BIND, idev);

	*id = idev->obj.id;
	iommufd_object_publish(ctx, &idev->obj);
	iommufd_dma_fault_watch(idev);
	return idev;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_bind, "IOMMUFD");

/**
 * iommufd_device_unbind - give a device back
 * @idev: the device, which is not attached to anything; gone on return
 *
 * Waits for ioctls that are using the device. Its virtual device is destroyed
 * first.
 *
 * Context: process context, may sleep.
 */
void iommufd_device_unbind(struct iommufd_device *idev)
{
	iommufd_dma_fault_unwatch(idev);
	iommufd_vdevice_leave_device(idev);
	iommufd_object_destroy_owned(idev->ctx, &idev->obj);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_unbind, "IOMMUFD");

/**
 * iommufd_device_to_ictx - the context that a device is bound to
 * @idev: the device
 *
 * Return: the context, without a reference for the caller.
 */
struct iommufd_ctx *iommufd_device_to_ictx(struct iommufd_device *idev)
{
	return idev->ctx;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_to_ictx, "IOMMUFD");

/**
 * iommufd_device_to_id - the ID by which user space knows a device
 * @idev: the device
 *
 * Return: the ID.
 */
u32 iommufd_device_to_id(struct iommufd_device *idev)
{
	return idev->obj.id;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_to_id, "IOMMUFD");
