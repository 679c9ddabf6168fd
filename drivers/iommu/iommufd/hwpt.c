// SPDX-License-Identifier: GPL-2.0-only
/*
 * The HWPT objects: IO page tables
 *
 * Owns the iommu_domain. Called by attach, which decides when a page table is
 * made and when an automatic one goes.
 */
#include <linux/iommu.h>

#include "../iommu-priv.h"

#include "ctx.h"
#include "device.h"
#include "hwpt.h"
#include "ioas.h"

void iommufd_hwpt_paging_destroy(struct iommufd_ctx *ctx,
				 struct iommufd_object *obj)
{
	struct iommufd_hwpt_paging *hwpt = to_hwpt_paging(to_hwpt(obj));

	if (hwpt->consumer.domain)
		iommufd_address_space_remove(&hwpt->ioas->as, &hwpt->consumer);
	if (hwpt->common.domain)
		iommu_domain_free(hwpt->common.domain);
	if (hwpt->ioas)
		iommufd_object_release(&hwpt->ioas->obj);
}

static int alloc_domain(struct iommufd_hwpt_paging *hwpt,
			struct iommufd_device *idev)
{
	struct iommu_domain *domain;

	domain = iommu_paging_domain_alloc(idev->dev);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	domain->iommufd_hwpt = &hwpt->common;
	domain->cookie_type = IOMMU_COOKIE_IOMMUFD;
	hwpt->common.domain = domain;
	return 0;
}

/* To be decided before anything is mapped, and never changed. */
static int enforce_cache_coherency(struct iommufd_hwpt_paging *hwpt,
				   struct iommufd_device *idev)
{
	struct iommu_domain *domain = hwpt->common.domain;

	if (!idev->enforce_cache_coherency)
		return 0;
	if (WARN_ON_ONCE(!domain->ops->enforce_cache_coherency))
		return -EINVAL;
	hwpt->enforce_cache_coherency =
		domain->ops->enforce_cache_coherency(domain);
	return hwpt->enforce_cache_coherency ? 0 : -EINVAL;
}

/**
 * iommufd_hwpt_create_auto - make a page table for a device to follow an IOAS
 * @ioas: the IOAS
 * @idev: the device
 *
 * Context: process context; may sleep and take the mmap_lock of what is mapped.
 *
 * Return: the page table, filled with what the IOAS maps, for the caller to
 * publish or abort; or an ERR_PTR with the errors of
 * iommufd_address_space_add() and of the IOMMU driver.
 */
struct iommufd_hwpt_paging *
iommufd_hwpt_create_auto(struct iommufd_ioas *ioas, struct iommufd_device *idev)
{
	struct iommufd_hwpt_paging *hwpt;
	struct iommufd_object *obj;
	int rc;

	obj = iommufd_object_alloc(idev->ctx, IOMMUFD_OBJ_HWPT_PAGING);
	if (IS_ERR(obj))
		return ERR_CAST(obj);

	hwpt = to_hwpt_paging(to_hwpt(obj));
	hwpt->common.ctx = idev->ctx;
	INIT_LIST_HEAD(&hwpt->auto_node);
	hwpt->ioas = ioas;
	iommufd_object_hold(&ioas->obj);

	rc = alloc_domain(hwpt, idev);
	if (rc)
		goto err_abort;
	rc = enforce_cache_coherency(hwpt, idev);
	if (rc)
		goto err_abort;

	hwpt->consumer.domain = hwpt->common.domain;
	rc = iommufd_address_space_add(&ioas->as, &hwpt->consumer);
	if (rc) {
		hwpt->consumer.domain = NULL;
		goto err_abort;
	}
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
	struct iommufd_hwpt_paging *paging = to_hwpt_paging(hwpt);
	struct iommufd_ioas *ioas = paging->ioas;
	struct iommufd_ctx *ctx = hwpt->ctx;
	bool last;

	/* Only an automatic page table is ever put on, or taken off, the list */
	if (list_empty_careful(&paging->auto_node)) {
		iommufd_object_release(&hwpt->obj);
		return;
	}

	/*
	 * Once the reference is dropped, somebody else may drop the last one,
	 * and then destroy the IOAS: not before the mutex is left for good.
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
