// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtual device object: what a guest knows a device as
 *
 * Owns struct iommufd_vdevice, at the beginning of a structure of the IOMMU
 * driver, and iommufd_viommu::vdevs, where drivers look devices up by the
 * number that the guest's IOMMU has for them; the lock of the device's group
 * guards both. Called by the ioctl table, and by the device when it goes.
 *
 * Unbind of a device cannot be refused, so it destroys the virtual device
 * first, unless user space is destroying it already. A virtual device holds a
 * short-term reference of its device, as an ioctl does, so that unbind waits
 * until it is gone.
 */
#include <linux/iommufd.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/xarray.h>

#include "call.h"
#include "ctx.h"
#include "device.h"
#include "engine/why.h"
#include "group.h"
#include "vdevice.h"
#include "viommu.h"

static struct iommufd_vdevice *to_vdevice(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_vdevice, obj);
}

/*
 * In this order: nobody finds the device by its number while the driver is
 * undoing what it did for it, and nobody else gets the number before that is
 * over.
 */
static void vdevice_unlink(struct iommufd_vdevice *vdev)
{
	struct xarray *vdevs = &vdev->viommu->vdevs;

	lockdep_assert_held(&vdev->idev->group->lock);

	/* Needs no memory, as the entry is there. */
	xa_store(vdevs, vdev->virt_id, XA_ZERO_ENTRY, GFP_NOWAIT);
	if (vdev->destroy)
		vdev->destroy(vdev);
	xa_release(vdevs, vdev->virt_id);
	vdev->idev->vdev = NULL;
}

static void vdevice_destroy(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	struct iommufd_vdevice *vdev = to_vdevice(obj);
	struct iommufd_device *idev = vdev->idev;
	struct mutex *lock = &idev->group->lock;

	mutex_lock(lock);
	if (idev->vdev == vdev)
		vdevice_unlink(vdev);
	mutex_unlock(lock);
	iommufd_object_release(&vdev->viommu->obj);
	iommufd_object_put(ctx, &idev->obj);
}

static void vdevice_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_vdevice *vdev = to_vdevice(obj);

	seq_printf(seq, " viommu=%u id=%#llx", vdev->viommu->obj.id,
		   vdev->virt_id);
}

const struct iommufd_object_ops iommufd_vdevice_object_ops = {
	.name = "vdevice",
	.size = sizeof(struct iommufd_vdevice),
	.destroy = vdevice_destroy,
	.show = vdevice_show,
};

static int vdevice_init(struct iommufd_vdevice *vdev)
{
	const struct iommufd_viommu_ops *ops = vdev->viommu->ops;

	return ops->vdevice_init ? ops->vdevice_init(vdev) : 0;
}

/* The number is taken first, and the device is found by it last. */
static int vdevice_link(struct iommufd_vdevice *vdev)
{
	struct xarray *vdevs = &vdev->viommu->vdevs;
	struct iommufd_device *idev = vdev->idev;
	int rc;

	lockdep_assert_held(&idev->group->lock);

	if (idev->leaving)
		return iommufd_refuse(IOMMU_WHY_DEVICE_LEAVING, idev->obj.id);
	if (idev->vdev)
		return iommufd_refuse(IOMMU_WHY_VDEVICE_TWICE, idev->obj.id);
	rc = xa_insert(vdevs, vdev->virt_id, NULL, GFP_KERNEL_ACCOUNT);
	if (rc == -EBUSY)
		return iommufd_refuse(IOMMU_WHY_VDEVICE_NUMBER, vdev->virt_id);
	if (rc)
		return rc;
	rc = vdevice_init(vdev);
	if (rc) {
		xa_release(vdevs, vdev->virt_id);
		return rc;
	}
	/* Cannot fail: the entry was allocated when the number was taken. */
	xa_store(vdevs, vdev->virt_id, vdev, GFP_KERNEL);
	idev->vdev = vdev;
	return 0;
}

/*
 * With the lock held until it is published: unbind, which takes the lock, finds
 * either none or one that it can destroy.
 */
static int vdevice_link_and_publish(struct iommufd_ctx *ctx,
				    struct iommufd_vdevice *vdev)
{
	struct mutex *lock = &vdev->idev->group->lock;
	int rc;

	mutex_lock(lock);
	rc = vdevice_link(vdev);
	if (!rc)
		iommufd_object_publish(ctx, &vdev->obj);
	mutex_unlock(lock);
	return rc;
}

static struct iommufd_vdevice *vdevice_alloc(struct iommufd_viommu *viommu,
					     struct iommufd_device *idev,
					     unsigned long virt_id)
{
	size_t size = viommu->ops->vdevice_size;
	struct iommufd_vdevice *vdev;
	struct iommufd_object *obj;

	obj = iommufd_object_alloc_sized(viommu->ictx, IOMMUFD_OBJ_VDEVICE,
					 size ?: sizeof(*vdev));
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	vdev = to_vdevice(obj);
	vdev->virt_id = virt_id;
	vdev->viommu = viommu;
	iommufd_object_hold(&viommu->obj);
	vdev->idev = idev;
	iommufd_object_get_held(&idev->obj);
	return vdev;
}

/*
 * The ID is copied to user space first. It cannot be done with the lock held.
 * Nor afterwards: if it failed, unbind might have found the virtual device
 * already, and it could not be undone.
 */
static int vdevice_create(struct iommufd_call *call,
			  struct iommufd_viommu *viommu,
			  struct iommufd_device *idev)
{
	struct iommu_vdevice_alloc *cmd = call->arg;
	struct iommufd_vdevice *vdev;
	int rc;

	if (!iommufd_viommu_is_of(viommu, idev))
		return iommufd_refuse(IOMMU_WHY_VIOMMU_DEVICE, viommu->obj.id,
				      idev->obj.id);
	if (cmd->virt_id > ULONG_MAX)
		return iommufd_refuse(IOMMU_WHY_VDEVICE_RANGE, cmd->virt_id);
	vdev = vdevice_alloc(viommu, idev, cmd->virt_id);
	if (IS_ERR(vdev))
		return PTR_ERR(vdev);
	cmd->out_vdevice_id = vdev->obj.id;
	rc = iommufd_call_reply(call);
	if (!rc)
		rc = vdevice_link_and_publish(call->ctx, vdev);
	if (rc)
		iommufd_object_abort(call->ctx, &vdev->obj);
	return rc;
}

int iommufd_vdevice_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_vdevice_alloc *cmd = call->arg;
	struct iommufd_viommu *viommu;
	struct iommufd_device *idev;
	int rc;

	viommu = iommufd_viommu_get(call->ctx, cmd->viommu_id);
	if (IS_ERR(viommu))
		return PTR_ERR(viommu);
	idev = iommufd_device_get(call->ctx, cmd->dev_id);
	if (IS_ERR(idev)) {
		rc = PTR_ERR(idev);
		goto out_put;
	}
	rc = vdevice_create(call, viommu, idev);
	iommufd_object_put(call->ctx, &idev->obj);
out_put:
	iommufd_object_put(call->ctx, &viommu->obj);
	return rc;
}

/**
 * iommufd_vdevice_leave_device - destroy what guests know a device as
 * @idev: a device that is about to go
 *
 * The ID of the virtual device stays taken: user space does not know yet that
 * it is gone, and must not find another object by it. If user space is
 * destroying it already, unbind waits for that. There is no new one.
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_vdevice_leave_device(struct iommufd_device *idev)
{
	struct mutex *lock = &idev->group->lock;
	struct iommufd_vdevice *vdev;

	mutex_lock(lock);
	idev->leaving = true;
	vdev = idev->vdev;
	if (vdev && !iommufd_object_bury(idev->ctx, &vdev->obj))
		vdev = NULL;
	mutex_unlock(lock);
	if (vdev)
		iommufd_object_destroy_taken(idev->ctx, &vdev->obj);
}
