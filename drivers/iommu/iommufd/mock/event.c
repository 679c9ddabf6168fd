// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: events that its hardware raises
 *
 * Owns nothing. Called by the ioctl.
 */
#include "../call.h"
#include "../device.h"
#include "../object.h"
#include "mock.h"

/* Without vIOMMUs, no device is attached through one. */
int mock_op_trigger_vevent(struct iommufd_call *call,
			   struct iommu_test_cmd *cmd)
{
	struct iommufd_device *idev;

	idev = iommufd_device_get(call->ctx, cmd->trigger_vevent.dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	iommufd_object_put(call->ctx, &idev->obj);
	return -ENOENT;
}
