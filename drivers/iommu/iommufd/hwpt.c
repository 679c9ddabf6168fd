// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables that follow an IOAS
 *
 * Owns the iommu_domain. Called by HWPT_ALLOC, and by attach, which decides
 * when an automatic page table is made and when it goes.
 */
#include <linux/iommu.h>
#include <linux/seq_file.h>

#include "../iommu-priv.h"

#include "ctx.h"
#include "device.h"
#include "engine/revocable.h"
#include "engine/why.h"
#include "fault.h"
#include "hwpt.h"
#include "ioas.h"
#include "noiommu.h"
#include "recorder.h"
#include "vfio_dirty.h"

static void hwpt_paging_destroy(struct iommufd_ctx *ctx,
				struct iommufd_object *obj)
{
	struct iommufd_hwpt_paging *hwpt = to_hwpt_paging(to_hwpt(obj));

	if (hwpt->follower.domain) {
		iommufd_vfio_dirty_leave(hwpt->ioas);
		iommufd_address_space_remove_follower(&hwpt->ioas->as,
						      &hwpt->follower);
	}
	if (hwpt->common.domain)
		iommu_domain_free(hwpt->common.domain);
	iommufd_owed_destroy(&hwpt->owed);
	iommufd_fault_leave_queue(&hwpt->common);
	if (hwpt->ioas)
		iommufd_object_release(&hwpt->ioas->obj);
}

static void hwpt_paging_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_hwpt_paging *hwpt = to_hwpt_paging(to_hwpt(obj));

	seq_printf(seq, " ioas=%u", hwpt->ioas->obj.id);
	if (!hwpt->common.user_made)
		seq_puts(seq, " automatic");
	if (hwpt->nest_parent)
		seq_puts(seq, " nest-parent");
	if (hwpt->common.domain->dirty_ops)
		seq_puts(seq, " can-track-dirty");
	iommufd_fault_show_queue(seq, &hwpt->common);
}

const struct iommufd_object_ops iommufd_hwpt_paging_object_ops = {
	.name = "hwpt",
	.size = sizeof(struct iommufd_hwpt_paging),
	.destroy = hwpt_paging_destroy,
	.show = hwpt_paging_show,
};

/**
 * iommufd_domain_revoked - memory is about to be taken back
 * @domain: a page table that it is in
 * @iova: first IOVA
 * @last: last IOVA
 *
 * Context: the memory's owner holds its lock.
 */
void iommufd_domain_revoked(struct iommu_domain *domain, unsigned long iova,
			    unsigned long last)
{
	struct iommufd_hw_pagetable *hwpt = domain->iommufd_hwpt;

	iommufd_record_revoke(&hwpt->ctx->recorder,
			      to_hwpt_paging(hwpt)->ioas->obj.id, iova, last);
}

static struct iommu_domain *hwpt_ask_driver(struct iommufd_device *idev,
					    u32 flags,
					    const struct iommu_user_data *data)
{
	const struct iommu_ops *ops = dev_iommu_ops(idev->dev);
	struct iommu_domain *domain;

	if (!flags && !data)
		return iommu_paging_domain_alloc(idev->dev);
	if (!ops->domain_alloc_paging_flags)
		return iommufd_refuse_ptr(IOMMU_WHY_NO_FLAGS, flags);

	domain = ops->domain_alloc_paging_flags(idev->dev, flags, data);
	if (IS_ERR(domain))
		return domain;
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	domain->owner = ops;
	return domain;
}

static int hwpt_alloc_domain(struct iommufd_hwpt_paging *hwpt,
			     struct iommufd_device *idev, u32 flags,
			     const struct iommu_user_data *data)
{
	struct iommu_domain *domain;

	if (iommufd_device_has_iommu(idev))
		domain = hwpt_ask_driver(idev, flags, data);
	else
		domain = iommufd_noiommu_domain_alloc();
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	iommufd_hwpt_set_domain(&hwpt->common, domain);
	return 0;
}

/*
 * Decided before anything is mapped, as it is in the entries; it never changes.
 */
static int hwpt_enforce_cache_coherency(struct iommufd_hwpt_paging *hwpt,
					struct iommufd_device *idev)
{
	struct iommu_domain *domain = hwpt->common.domain;

	if (!idev->enforce_cache_coherency)
		return 0;
	if (WARN_ON_ONCE(!domain->ops->enforce_cache_coherency))
		return -EINVAL;
	hwpt->enforce_cache_coherency =
		domain->ops->enforce_cache_coherency(domain);
	if (!hwpt->enforce_cache_coherency)
		return iommufd_refuse(IOMMU_WHY_NO_COHERENCY);
	return 0;
}

/**
 * iommufd_hwpt_create - make a page table for a device to follow an IOAS
 * @ioas: the IOAS
 * @idev: the device
 * @flags: enum iommufd_hwpt_alloc_flags, without IOMMU_HWPT_FAULT_ID_VALID
 * @data: for the IOMMU driver, or NULL
 *
 * Context: process context; may sleep and take the mmap_lock of what is mapped.
 *
 * Return: the page table, filled with what the IOAS maps, for the caller to
 * publish or abort; or an ERR_PTR with the errors of
 * iommufd_address_space_add_follower() and of the IOMMU driver; -EOPNOTSUPP for
 * flags or data that the driver does not take.
 */
struct iommufd_hwpt_paging *
iommufd_hwpt_create(struct iommufd_ioas *ioas, struct iommufd_device *idev,
		    u32 flags, const struct iommu_user_data *data)
{
	struct iommufd_hwpt_paging *hwpt;
	struct iommufd_object *obj;
	int rc;

	obj = iommufd_object_alloc(idev->ctx, IOMMUFD_OBJ_HWPT_PAGING);
	if (IS_ERR(obj))
		return ERR_CAST(obj);

	hwpt = to_hwpt_paging(to_hwpt(obj));
	hwpt->common.ctx = idev->ctx;
	hwpt->common.pasid_capable = flags & IOMMU_HWPT_ALLOC_PASID;
	iommufd_owed_init(&hwpt->owed);
	INIT_LIST_HEAD(&hwpt->auto_node);
	hwpt->nest_parent = flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	hwpt->ioas = ioas;
	iommufd_object_hold(&ioas->obj);

	rc = hwpt_alloc_domain(hwpt, idev, flags, data);
	if (rc)
		goto err_abort;
	rc = hwpt_enforce_cache_coherency(hwpt, idev);
	if (rc)
		goto err_abort;

	hwpt->follower.domain = hwpt->common.domain;
	hwpt->follower.is_unread = !iommufd_device_has_iommu(idev);
	rc = iommufd_address_space_add_follower(&ioas->as, &hwpt->follower);
	if (rc) {
		hwpt->follower.domain = NULL;
		goto err_abort;
	}
	rc = iommufd_vfio_dirty_enter(hwpt);
	if (rc)
		goto err_abort;
	return hwpt;

err_abort:
	iommufd_object_abort(idev->ctx, obj);
	return ERR_PTR(rc);
}

/**
 * iommufd_hwpt_release - drop the long-term reference of an attachment
 * @hwpt: the page table; an automatic one vanishes with its last attachment
 *
 * Context: process context, may sleep; no group lock is held.
 */
void iommufd_hwpt_release(struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_ctx *ctx = hwpt->ctx;
	struct iommufd_hwpt_paging *paging;
	struct iommufd_ioas *ioas;
	bool last;

	if (hwpt->user_made) {
		iommufd_object_release(&hwpt->obj);
		return;
	}
	paging = to_hwpt_paging(hwpt);
	ioas = paging->ioas;

	/*
	 * Once the reference is dropped, somebody else may drop the last one
	 * and destroy the IOAS, with the mutex in it. DESTROY waits for a
	 * short-term reference.
	 */
	iommufd_object_get_held(&ioas->obj);
	mutex_lock(&ioas->hwpts_lock);
	last = iommufd_object_release_and_take(ctx, &hwpt->obj);
	if (last)
		list_del_init(&paging->auto_node);
	mutex_unlock(&ioas->hwpts_lock);
	iommufd_object_put(ctx, &ioas->obj);

	if (last)
		iommufd_object_destroy_taken(ctx, &hwpt->obj);
}
