// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page tables: filled by a guest, on a parent that the kernel fills
 *
 * Called by HWPT_ALLOC. The addresses that come out of a nested page table are
 * translated once more by its parent, so that a guest reaches no more than what
 * the parent's IOAS maps.
 */
#include <linux/iommu.h>
#include <linux/seq_file.h>

#include "../iommu-priv.h"

#include "ctx.h"
#include "device.h"
#include "engine/why.h"
#include "fault.h"
#include "hwpt_nested.h"

static void hwpt_nested_destroy(struct iommufd_ctx *ctx,
				struct iommufd_object *obj)
{
	struct iommufd_hwpt_nested *hwpt = to_hwpt_nested(to_hwpt(obj));

	if (hwpt->common.domain)
		iommu_domain_free(hwpt->common.domain);
	iommufd_fault_leave_queue(&hwpt->common);
	if (hwpt->viommu)
		iommufd_object_release(&hwpt->viommu->obj);
	else
		iommufd_object_release(&hwpt->parent->common.obj);
}

static void hwpt_nested_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_hwpt_nested *hwpt = to_hwpt_nested(to_hwpt(obj));

	seq_printf(seq, " parent=%u", hwpt->parent->common.obj.id);
	if (hwpt->viommu)
		seq_printf(seq, " viommu=%u", hwpt->viommu->obj.id);
	iommufd_fault_show_queue(seq, &hwpt->common);
}

const struct iommufd_object_ops iommufd_hwpt_nested_object_ops = {
	.name = "nested-hwpt",
	.size = sizeof(struct iommufd_hwpt_nested),
	.destroy = hwpt_nested_destroy,
	.show = hwpt_nested_show,
};

/* @viommu may be NULL. */
static struct iommufd_hwpt_nested *
hwpt_nested_alloc(struct iommufd_ctx *ctx, struct iommufd_hwpt_paging *parent,
		  struct iommufd_viommu *viommu, u32 flags)
{
	struct iommufd_hwpt_nested *hwpt;
	struct iommufd_object *obj;

	obj = iommufd_object_alloc(ctx, IOMMUFD_OBJ_HWPT_NESTED);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	hwpt = to_hwpt_nested(to_hwpt(obj));
	hwpt->common.ctx = ctx;
	hwpt->common.pasid_capable = flags & IOMMU_HWPT_ALLOC_PASID;
	hwpt->parent = parent;
	hwpt->viommu = viommu;
	iommufd_object_hold(viommu ? &viommu->obj : &parent->common.obj);
	return hwpt;
}

/* Aborts the page table if the IOMMU driver has made none. */
static struct iommufd_hwpt_nested *
hwpt_nested_complete(struct iommufd_hwpt_nested *hwpt,
		     struct iommu_domain *domain)
{
	if (IS_ERR(domain)) {
		iommufd_object_abort(hwpt->common.ctx, &hwpt->common.obj);
		return ERR_CAST(domain);
	}
	domain->owner = hwpt->parent->common.domain->owner;
	iommufd_hwpt_set_domain(&hwpt->common, domain);
	return hwpt;
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

	if (!data || !ops->domain_alloc_nested)
		return iommufd_refuse_ptr(IOMMU_WHY_NO_NESTING);
	if (!iommufd_hwpt_is_nest_parent_of(parent, ops))
		return iommufd_refuse_ptr(IOMMU_WHY_NOT_PARENT,
					  parent->common.obj.id);

	hwpt = hwpt_nested_alloc(idev->ctx, parent, NULL, flags);
	if (IS_ERR(hwpt))
		return hwpt;
	return hwpt_nested_complete(hwpt,
				    ops->domain_alloc_nested(idev->dev,
							     parent->common.domain,
							     flags, data));
}

/**
 * iommufd_hwpt_nested_create_on_viommu - make a page table for a guest to fill
 * @viommu: what it is made on, of which the caller has a reference; its parent
 *          translates the addresses that come out of the page table
 * @flags: enum iommufd_hwpt_alloc_flags, without IOMMU_HWPT_FAULT_ID_VALID
 * @data: where the page table is, for the IOMMU driver; or NULL
 *
 * Context: process context, may sleep.
 *
 * Return: the page table, for the caller to publish or abort; or an ERR_PTR:
 * -EOPNOTSUPP without data, or if the IOMMU driver cannot nest; errors of the
 * IOMMU driver; -ENOMEM.
 */
struct iommufd_hwpt_nested *
iommufd_hwpt_nested_create_on_viommu(struct iommufd_viommu *viommu, u32 flags,
				     const struct iommu_user_data *data)
{
	struct iommufd_hwpt_nested *hwpt;

	if (!data || !viommu->ops->alloc_domain_nested)
		return iommufd_refuse_ptr(IOMMU_WHY_NO_NESTING);
	hwpt = hwpt_nested_alloc(viommu->ictx, viommu->hwpt, viommu, flags);
	if (IS_ERR(hwpt))
		return hwpt;
	return hwpt_nested_complete(hwpt,
				    viommu->ops->alloc_domain_nested(viommu,
								     flags,
								     data));
}
