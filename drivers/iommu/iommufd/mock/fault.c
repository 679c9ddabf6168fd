// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: pages that it asks for, and the answers; DMA that is stopped
 *
 * Owns how often devices were given each answer, which is all that they do with
 * it, and how many requests an operation makes a group of; debugfs has both.
 * Called by the ioctl and the IOMMU core.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/iommu.h>
#include <linux/mutex.h>
#include <linux/timekeeping.h>

#include "../call.h"
#include "../device.h"
#include "../dma_fault.h"
#include "../object.h"
#include "../test_hooks.h"
#include "mock.h"

/* Bounds how long report_lock is held */
#define GROUP_SIZE_MAX 1024

static atomic_t nr_answers[IOMMU_PAGE_RESP_FAILURE + 1];
static u32 group_size = 1;

/**
 * mock_page_response - the IOMMU's operation of that name
 * @dev: the device that has asked
 * @fault: what it has asked for
 * @response: the answer to all of its group
 */
void mock_page_response(struct device *dev, struct iopf_fault *fault,
			struct iommu_page_response *response)
{
	/* It fails, or KASAN reports it, if the device was freed. */
	WARN_ON(!iommufd_test_is_mock_device(dev));
	atomic_inc(&nr_answers[response->code]);
}

static void mock_request_page(struct mock_device *mdev,
			      const struct iommu_test_cmd *cmd, u32 page,
			      bool last)
{
	struct iopf_fault fault = {
		.fault = {
			.type = IOMMU_FAULT_PAGE_REQ,
			.prm = {
				.pasid = cmd->trigger_iopf.pasid,
				.grpid = cmd->trigger_iopf.grpid,
				.perm = cmd->trigger_iopf.perm,
				.addr = cmd->trigger_iopf.addr +
					(u64)page * PAGE_SIZE,
			},
		},
	};

	if (last)
		fault.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE;
	if (cmd->trigger_iopf.pasid != IOMMU_NO_PASID)
		fault.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;
	iommu_report_device_fault(&mdev->dev, &fault);
}

/*
 * One thread at a time reports for all devices of the IOMMU. It is not waited
 * for when a device leaves a page table, like in some drivers: the IOMMU core
 * has to cope with requests that are on their way.
 */
static DEFINE_MUTEX(report_lock);

static void mock_request_pages(struct mock_device *mdev,
			       const struct iommu_test_cmd *cmd)
{
	u32 page, count = clamp(READ_ONCE(group_size), 1, GROUP_SIZE_MAX);

	guard(mutex)(&report_lock);
	for (page = 0; page != count; page++)
		mock_request_page(mdev, cmd, page, page == count - 1);
}

int mock_op_trigger_iopf(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct iommufd_device *idev;
	int rc = -EINVAL;

	idev = iommufd_device_get(call->ctx, cmd->trigger_iopf.dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	if (iommufd_test_is_mock_device(idev->dev)) {
		mock_request_pages(to_mock_device(idev->dev), cmd);
		rc = 0;
	}
	iommufd_object_put(call->ctx, &idev->obj);
	return rc;
}

/* The page table is not asked: what is reported may not be so. */
int mock_op_stop_dma(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct iommufd_stopped_dma dma = {
		.pasid = cmd->trigger_iopf.pasid,
		.write = cmd->trigger_iopf.perm & IOMMU_FAULT_PERM_WRITE,
		.iova = cmd->trigger_iopf.addr,
		.time = ktime_get_ns(),
	};
	struct iommufd_device *idev;

	idev = iommufd_device_get(call->ctx, cmd->trigger_iopf.dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	dma.dev = idev->dev;
	iommufd_dma_fault_tell(&dma);
	iommufd_object_put(call->ctx, &idev->obj);
	return 0;
}

void mock_fault_init(void)
{
	struct dentry *dir = mock_devices_dir;

	debugfs_create_atomic_t("succeeded", 0400, dir,
				&nr_answers[IOMMU_PAGE_RESP_SUCCESS]);
	debugfs_create_atomic_t("invalid", 0400, dir,
				&nr_answers[IOMMU_PAGE_RESP_INVALID]);
	debugfs_create_atomic_t("failed", 0400, dir,
				&nr_answers[IOMMU_PAGE_RESP_FAILURE]);
	debugfs_create_u32("requests_per_group", 0600, dir, &group_size);
}
