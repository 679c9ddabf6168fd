// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: the test object, which is a mock device's driver
 *
 * Owns struct mock_test_object. Called by the ioctl, and by object.c when a
 * test object goes.
 */
#include <linux/iommu.h>

#include "../../iommu-priv.h"
#include "../call.h"
#include "../device.h"
#include "../group.h"
#include "../hw_pagetable.h"
#include "../object.h"
#include "../test_hooks.h"
#include "mock.h"

static struct mock_test_object *to_test_object(struct iommufd_object *obj)
{
	return container_of(obj, struct mock_test_object, obj);
}

static struct mock_test_object *mock_get_test_object(struct iommufd_call *call,
						     u32 id)
{
	struct iommufd_object *obj = iommufd_object_get(call->ctx, id,
							IOMMUFD_OBJ_SELFTEST);

	return IS_ERR(obj) ? ERR_CAST(obj) : to_test_object(obj);
}

static void mock_put_test_object(struct iommufd_call *call,
				 struct mock_test_object *tobj)
{
	iommufd_object_put(call->ctx, &tobj->obj);
}

static int mock_attach(struct mock_test_object *tobj, ioasid_t pasid,
		       u32 *pt_id)
{
	int rc;

	down_write(&tobj->mdev->attach_lock);
	rc = iommufd_device_attach(tobj->idev, pasid, pt_id);
	if (rc)
		goto out_unlock;
	rc = xa_insert(&tobj->pasids, pasid, xa_mk_value(0),
		       GFP_KERNEL_ACCOUNT);
	if (rc)
		iommufd_device_detach(tobj->idev, pasid);
out_unlock:
	up_write(&tobj->mdev->attach_lock);
	return rc;
}

static int mock_replace(struct mock_test_object *tobj, ioasid_t pasid,
			u32 *pt_id)
{
	int rc;

	down_write(&tobj->mdev->attach_lock);
	rc = iommufd_device_replace(tobj->idev, pasid, pt_id);
	up_write(&tobj->mdev->attach_lock);
	return rc;
}

/* User space may ask to detach what is not attached, a driver must not. */
static void mock_detach(struct mock_test_object *tobj, ioasid_t pasid)
{
	down_write(&tobj->mdev->attach_lock);
	if (xa_erase(&tobj->pasids, pasid))
		iommufd_device_detach(tobj->idev, pasid);
	up_write(&tobj->mdev->attach_lock);
}

static void mock_test_object_destroy(struct iommufd_ctx *ctx,
				     struct iommufd_object *obj)
{
	struct mock_test_object *tobj = to_test_object(obj);
	unsigned long pasid;
	void *value;

	xa_for_each(&tobj->pasids, pasid, value)
		mock_detach(tobj, pasid);
	xa_destroy(&tobj->pasids);
	if (tobj->idev)
		iommufd_device_unbind(tobj->idev);
	if (tobj->mdev)
		mock_device_destroy(tobj->mdev);
}

const struct iommufd_object_ops iommufd_test_object_ops = {
	.name = "test",
	.size = sizeof(struct mock_test_object),
	.destroy = mock_test_object_destroy,
};

static int mock_start_device(struct iommufd_ctx *ctx,
			     struct mock_test_object *tobj, u32 flags,
			     u32 *idev_id)
{
	struct iommufd_device *idev;
	struct mock_device *mdev;

	mdev = mock_device_create(flags);
	if (IS_ERR(mdev))
		return PTR_ERR(mdev);
	tobj->mdev = mdev;

	idev = iommufd_device_bind(ctx, &mdev->dev, idev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	tobj->idev = idev;
	return 0;
}

static int mock_create_test_object(struct iommufd_call *call,
				   struct iommu_test_cmd *cmd, u32 flags)
{
	struct mock_test_object *tobj;
	struct iommufd_object *obj;
	u32 pt_id = cmd->id;
	u32 idev_id;
	int rc;

	obj = iommufd_object_alloc(call->ctx, IOMMUFD_OBJ_SELFTEST);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	tobj = to_test_object(obj);
	xa_init(&tobj->pasids);
	call->created = obj;

	rc = mock_start_device(call->ctx, tobj, flags, &idev_id);
	if (rc)
		return rc;
	rc = mock_attach(tobj, IOMMU_NO_PASID, &pt_id);
	if (rc)
		return rc;

	cmd->mock_domain.out_stdev_id = obj->id;
	cmd->mock_domain.out_hwpt_id = pt_id;
	cmd->mock_domain.out_idev_id = idev_id;
	return iommufd_call_reply(call);
}

int mock_op_domain(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	return mock_create_test_object(call, cmd, 0);
}

int mock_op_domain_flags(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	return mock_create_test_object(call, cmd, cmd->mock_domain.dev_flags);
}

int mock_op_domain_replace(struct iommufd_call *call,
			   struct iommu_test_cmd *cmd)
{
	struct mock_test_object *tobj = mock_get_test_object(call, cmd->id);
	int rc;

	if (IS_ERR(tobj))
		return PTR_ERR(tobj);
	/*
	 * Before the replace, which cannot be undone: the old page table may be
	 * gone afterwards.
	 */
	rc = iommufd_call_reply(call);
	if (!rc)
		rc = mock_replace(tobj, IOMMU_NO_PASID,
				  &cmd->mock_domain_replace.pt_id);
	mock_put_test_object(call, tobj);
	return rc ?: iommufd_call_reply(call);
}

int mock_op_pasid_attach(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct mock_test_object *tobj = mock_get_test_object(call, cmd->id);
	u32 pasid = cmd->pasid_attach.pasid;
	int rc;

	if (IS_ERR(tobj))
		return PTR_ERR(tobj);
	rc = mock_attach(tobj, pasid, &cmd->pasid_attach.pt_id);
	if (rc)
		goto out_put;
	rc = iommufd_call_reply(call);
	if (rc)
		mock_detach(tobj, pasid);
out_put:
	mock_put_test_object(call, tobj);
	return rc;
}

int mock_op_pasid_replace(struct iommufd_call *call,
			  struct iommu_test_cmd *cmd)
{
	struct mock_test_object *tobj = mock_get_test_object(call, cmd->id);
	int rc;

	if (IS_ERR(tobj))
		return PTR_ERR(tobj);
	rc = iommufd_call_reply(call);
	if (!rc)
		rc = mock_replace(tobj, cmd->pasid_replace.pasid,
				  &cmd->pasid_replace.pt_id);
	mock_put_test_object(call, tobj);
	return rc ?: iommufd_call_reply(call);
}

int mock_op_pasid_detach(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct mock_test_object *tobj = mock_get_test_object(call, cmd->id);

	if (IS_ERR(tobj))
		return PTR_ERR(tobj);
	mock_detach(tobj, cmd->pasid_detach.pasid);
	mock_put_test_object(call, tobj);
	return 0;
}

/* Is the PASID attached to @domain, or to nothing if that is NULL? */
static int mock_check_attached(struct mock_test_object *tobj, ioasid_t pasid,
			       struct iommu_domain *domain)
{
	struct iommu_group *group = tobj->idev->group->group;
	struct iommu_domain *attached = NULL;
	struct iommu_attach_handle *handle;

	down_read(&tobj->mdev->attach_lock);
	handle = iommu_attach_handle_get(group, pasid, 0);
	if (!IS_ERR(handle))
		attached = handle->domain;
	up_read(&tobj->mdev->attach_lock);
	return attached == domain ? 0 : -EINVAL;
}

static int mock_check_hwpt(struct iommufd_call *call,
			   struct mock_test_object *tobj, ioasid_t pasid,
			   u32 hwpt_id)
{
	struct iommufd_object *obj;
	int rc = -ENOENT;

	if (!hwpt_id)
		return mock_check_attached(tobj, pasid, NULL);

	obj = iommufd_object_get(call->ctx, hwpt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	if (obj->type == IOMMUFD_OBJ_HWPT_PAGING ||
	    obj->type == IOMMUFD_OBJ_HWPT_NESTED)
		rc = mock_check_attached(tobj, pasid, to_hwpt(obj)->domain);
	iommufd_object_put(call->ctx, obj);
	return rc;
}

int mock_op_pasid_check_hwpt(struct iommufd_call *call,
			     struct iommu_test_cmd *cmd)
{
	struct mock_test_object *tobj = mock_get_test_object(call, cmd->id);
	int rc;

	if (IS_ERR(tobj))
		return PTR_ERR(tobj);
	rc = mock_check_hwpt(call, tobj, cmd->pasid_check.pasid,
			     cmd->pasid_check.hwpt_id);
	mock_put_test_object(call, tobj);
	return rc;
}
