// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: events that its hardware raises
 *
 * Owns what a device knows of its vIOMMU. Called by the ioctl, and by domain.c
 * when a device gets another page table.
 */
#include <linux/iommufd.h>
#include <linux/spinlock.h>

#include "../call.h"
#include "../device.h"
#include "../object.h"
#include "../test_hooks.h"
#include "mock.h"

/**
 * mock_device_set_viommu - tell a device where its events go
 * @dev: a mock device
 * @viommu: what its page table was made on, or NULL
 * @virt_id: its number there
 *
 * On return no event of the device goes where they went before.
 *
 * Context: any; @viommu is not destroyed before this is called again.
 */
void mock_device_set_viommu(struct device *dev, struct iommufd_viommu *viommu,
			    unsigned long virt_id)
{
	struct mock_device *mdev = to_mock_device(dev);

	guard(spinlock_irqsave)(&mdev->event_lock);
	mdev->viommu = viommu;
	mdev->virt_id = virt_id;
}

/* As the interrupt handler of an IOMMU would */
static int mock_raise_event(struct mock_device *mdev)
{
	struct iommu_test_vevent event;

	guard(spinlock_irqsave)(&mdev->event_lock);
	if (!mdev->viommu || !mdev->virt_id)
		return -ENOENT;
	event.virt_id = mdev->virt_id;
	return iommufd_viommu_report_event(mdev->viommu,
					   IOMMU_VEVENTQ_TYPE_SELFTEST, &event,
					   sizeof(event));
}

int mock_op_trigger_vevent(struct iommufd_call *call,
			   struct iommu_test_cmd *cmd)
{
	struct iommufd_device *idev;
	int rc = -ENOENT;

	idev = iommufd_device_get(call->ctx, cmd->trigger_vevent.dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	if (iommufd_test_is_mock_device(idev->dev))
		rc = mock_raise_event(to_mock_device(idev->dev));
	iommufd_object_put(call->ctx, &idev->obj);
	return rc;
}
