// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space can ask about the hardware behind a device
 *
 * Owns nothing. Passes on what the IOMMU driver tells, and what is the same for
 * all of them.
 */
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/pci-ats.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../iommu-priv.h"

#include "call.h"
#include "device.h"
#include "engine/why.h"
#include "hw_info.h"
#include "object.h"

/* A PCI device can only use PASIDs when they are switched on in it. */
static bool hw_info_describe_pci_pasids(struct pci_dev *pdev, u64 *capabilities)
{
	int status = pci_pasid_status(pdev);

	if (status < 0 || !(status & PCI_PASID_CTRL_ENABLE))
		return false;
	if (status & PCI_PASID_CTRL_EXEC)
		*capabilities |= IOMMU_HW_CAP_PCI_PASID_EXEC;
	if (status & PCI_PASID_CTRL_PRIV)
		*capabilities |= IOMMU_HW_CAP_PCI_PASID_PRIV;
	return true;
}

static void hw_info_describe_pasids(struct device *dev,
				    struct iommu_hw_info *cmd)
{
	u32 max_pasids = dev->iommu->max_pasids;

	cmd->out_max_pasid_log2 = 0;
	if (!max_pasids)
		return;
	if (dev_is_pci(dev) &&
	    !hw_info_describe_pci_pasids(to_pci_dev(dev),
					 &cmd->out_capabilities))
		return;
	cmd->out_max_pasid_log2 = ilog2(max_pasids);
}

static void hw_info_describe_device(struct device *dev,
				    struct iommu_hw_info *cmd)
{
	cmd->out_capabilities = 0;
	if (device_iommu_capable(dev, IOMMU_CAP_DIRTY_TRACKING))
		cmd->out_capabilities |= IOMMU_HW_CAP_DIRTY_TRACKING;
	if (!device_iommu_capable(dev, IOMMU_CAP_PCI_ATS_SUPPORTED))
		cmd->out_capabilities |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	hw_info_describe_pasids(dev, cmd);
}

/* What the kernel does not fill of the buffer is zeroed. */
static int hw_info_write(struct iommu_hw_info *cmd, const void *data,
			 u32 length)
{
	void __user *user = u64_to_user_ptr(cmd->data_uptr);
	u32 common = min(cmd->data_len, length);

	if (copy_to_user(user, data, common) ||
	    clear_user(user + common, cmd->data_len - common))
		return -EFAULT;
	cmd->data_len = length;
	return 0;
}

/* Return: @length bytes, for the caller to free; NULL; or an ERR_PTR. */
static void *hw_info_ask_driver(struct device *dev, struct iommu_hw_info *cmd,
				u32 *length)
{
	enum iommu_hw_info_type type = IOMMU_HW_INFO_TYPE_DEFAULT;
	const struct iommu_ops *ops = dev_iommu_ops(dev);
	void *data;

	if (cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		type = cmd->in_data_type;

	if (!ops->hw_info) {
		if (type != IOMMU_HW_INFO_TYPE_DEFAULT)
			return iommufd_refuse_ptr(IOMMU_WHY_OPERATION, type);
		cmd->out_data_type = IOMMU_HW_INFO_TYPE_NONE;
		return NULL;
	}

	data = ops->hw_info(dev, length, &type);
	if (!IS_ERR(data))
		cmd->out_data_type = type;
	return data;
}

static int hw_info_check(const struct iommu_hw_info *cmd)
{
	if (cmd->flags & ~IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (memchr_inv(cmd->__reserved, 0, sizeof(cmd->__reserved)))
		return iommufd_refuse_reserved(cmd->__reserved[0]);
	return 0;
}

int iommufd_get_hw_info_ioctl(struct iommufd_call *call)
{
	struct iommu_hw_info *cmd = call->arg;
	struct iommufd_device *idev;
	u32 length = 0;
	void *data;
	int rc;

	rc = hw_info_check(cmd);
	if (rc)
		return rc;

	idev = iommufd_device_get(call->ctx, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	data = hw_info_ask_driver(idev->dev, cmd, &length);
	hw_info_describe_device(idev->dev, cmd);
	iommufd_object_put(call->ctx, &idev->obj);
	if (IS_ERR(data))
		return PTR_ERR(data);

	/*
	 * After the device was put: to touch user memory may take for ever, and
	 * unbind waits for the device to be put.
	 */
	rc = hw_info_write(cmd, data, length);
	kfree(data);
	return rc ?: iommufd_call_reply(call);
}
