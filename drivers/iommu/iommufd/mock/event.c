// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: what the hardware does on its own account
 *
 * Owns nothing. Called by the ioctl.
 */
#include <linux/iommu.h>

#include "../call.h"
#include "../device.h"
#include "../object.h"
#include "../test_hooks.h"
#include "mock.h"

static void request_page(struct mock_device *mdev,
			 const struct iommu_test_cmd *cmd)
{
	struct iopf_fault fault = {
		.fault = {
			.type = IOMMU_FAULT_PAGE_REQ,
			.prm = {
				.flags = IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE,
				.pasid = cmd->trigger_iopf.pasid,
				.grpid = cmd->trigger_iopf.grpid,
				.perm = cmd->trigger_iopf.perm,
				.addr = cmd->trigger_iopf.addr,
			},
		},
	};

	if (cmd->trigger_iopf.pasid != IOMMU_NO_PASID)
		fault.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;

	down_read(&mdev->attach_lock);
	iommu_report_device_fault(&mdev->dev, &fault);
	up_read(&mdev->attach_lock);
}

int mock_op_trigger_iopf(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct iommufd_object *obj;
	struct iommufd_device *idev;
	int rc = -EINVAL;

	obj = iommufd_object_get(call->ctx, cmd->trigger_iopf.dev_id,
				 IOMMUFD_OBJ_DEVICE);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	idev = container_of(obj, struct iommufd_device, obj);
	if (iommufd_test_is_mock_device(idev->dev)) {
		request_page(to_mock_device(idev->dev), cmd);
		rc = 0;
	}
	iommufd_object_put(call->ctx, obj);
	return rc;
}

/* Without vIOMMUs, no device is attached through one. */
int mock_op_trigger_vevent(struct iommufd_call *call,
			   struct iommu_test_cmd *cmd)
{
	struct iommufd_object *obj;

	obj = iommufd_object_get(call->ctx, cmd->trigger_vevent.dev_id,
				 IOMMUFD_OBJ_DEVICE);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	iommufd_object_put(call->ctx, obj);
	return -ENOENT;
}
