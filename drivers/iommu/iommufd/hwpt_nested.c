// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page tables: filled by a guest, on a parent that the kernel fills
 *
 * Called by HWPT_ALLOC. What a nested page table yields is translated once more
 * by its parent, so that a guest reaches no more than what the parent's IOAS
 * maps.
 */
#include <linux/iommu.h>

#include "../iommu-priv.h"

#include "ctx.h"
#include "device.h"
#include "fault.h"
#include "hwpt_nested.h"

static void hwpt_nested_destroy(struct iommufd_ctx *ctx,
				struct iommufd_object *obj)
{
	struct iommufd_hwpt_nested *hwpt = to_hwpt_nested(to_hwpt(obj));

	if (hwpt->common.domain)
		iommu_domain_free(hwpt->common.domain);
	iommufd_fault_leave_queue(&hwpt->common);
	if (hwpt->parent)
		iommufd_object_release(&hwpt->parent->common.obj);
}

const struct iommufd_object_ops iommufd_hwpt_nested_object_ops = {
	.size = sizeof(struct iommufd_hwpt_nested),
	.destroy = hwpt_nested_destroy,
};

static int hwpt_nested_check_parent(const struct iommufd_hwpt_paging *parent,
				    const struct iommu_ops *ops)
{
	if (!parent->nest_parent || parent->common.domain->owner != ops)
		return -EINVAL;
	return 0;
}

static int hwpt_nested_alloc_domain(struct iommufd_hwpt_nested *hwpt,
				    struct iommufd_device *idev, u32 flags,
				    const struct iommu_user_data *data)
{
	const struct iommu_ops *ops = dev_iommu_ops(idev->dev);
	struct iommu_domain *domain;

	domain = ops->domain_alloc_nested(idev->dev,
					  hwpt->parent->common.domain, flags,
					  data);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	domain->owner = ops;
	iommufd_hwpt_set_domain(&hwpt->common, domain);
	return 0;
}

/**
 * iommufd_hwpt_nested_create - make a page table for a guest to fill
 * @parent: what it is built on, of which the caller has a reference
 * @idev: a device that will use it
 * @flags: enum iommufd_hwpt_alloc_flags, without IOMMU_HWPT_FAULT_ID_VALID
 * @data: where the page table is, for the IOMMU driver; or NULL
 *
 * Context: process context, may sleep.
 *
 * Return: the page table, for the caller to publish or abort; or an ERR_PTR:
 * -EOPNOTSUPP without data, or if the IOMMU driver cannot nest; -EINVAL if
 * @parent was not allocated to be one, or is of another driver; errors of the
 * IOMMU driver; -ENOMEM.
 */
struct iommufd_hwpt_nested *
iommufd_hwpt_nested_create(struct iommufd_hwpt_paging *parent,
			   struct iommufd_device *idev, u32 flags,
			   const struct iommu_user_data *data)
{
	const struct iommu_ops *ops = dev_iommu_ops(idev->dev);
	struct iommufd_hwpt_nested *hwpt;
	struct iommufd_object *obj;
	int rc;

	if (!data || !ops->domain_alloc_nested)
		return ERR_PTR(-EOPNOTSUPP);
	rc = hwpt_nested_check_parent(parent, ops);
	if (rc)
		return ERR_PTR(rc);

	obj = iommufd_object_alloc(idev->ctx, IOMMUFD_OBJ_HWPT_NESTED);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	hwpt = to_hwpt_nested(to_hwpt(obj));
	hwpt->common.ctx = idev->ctx;
	hwpt->common.pasid_capable = flags & IOMMU_HWPT_ALLOC_PASID;
	hwpt->parent = parent;
	iommufd_object_hold(&parent->common.obj);

	rc = hwpt_nested_alloc_domain(hwpt, idev, flags, data);
	if (rc) {
		iommufd_object_abort(idev->ctx, obj);
		return ERR_PTR(rc);
	}
	return hwpt;
}
