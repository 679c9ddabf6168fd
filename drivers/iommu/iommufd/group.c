// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups: what the devices of an iommu_group have in common
 *
 * Owns struct iommufd_group, but for what is attached, and the PASIDs that the
 * kernel has chosen in it; iommufd_ctx::groups_lock guards them. Called by the
 * devices, as they come and go, and by the PASID objects.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/lockdep.h>
#include <linux/slab.h>

#include "ctx.h"
#include "engine/test_hooks.h"
#include "engine/why.h"
#include "group.h"
#include "object.h"

static void group_release(struct kref *refs)
{
	struct iommufd_group *group = container_of(refs, struct iommufd_group,
						   refs);

	/*
	 * Held since the last reference was dropped, so that nobody finds it.
	 */
	lockdep_assert_held(&group->ctx->groups_lock);
	if (iommufd_group_has_iommu(group)) {
		xa_erase(&group->ctx->groups, iommu_group_id(group->group));
		iommu_group_put(group->group);
	}
	WARN_ON(!xa_empty(&group->attachments));
	xa_destroy(&group->attachments);
	WARN_ON(!xa_empty(&group->pasids));
	xa_destroy(&group->pasids);
	mutex_destroy(&group->lock);
	kfree(group);
}

/**
 * iommufd_group_put - drop the reference of a device
 * @group: the group, which may be gone on return
 *
 * Context: process context, may sleep.
 */
void iommufd_group_put(struct iommufd_group *group)
{
	struct iommufd_ctx *ctx = group->ctx;

	mutex_lock(&ctx->groups_lock);
	kref_put(&group->refs, group_release);
	mutex_unlock(&ctx->groups_lock);
}

/**
 * iommufd_group_of_none - make the group of a device that has no IOMMU
 * @ctx: the context
 *
 * Return: the group, with a reference for the device; or ERR_PTR(-ENOMEM).
 */
struct iommufd_group *iommufd_group_of_none(struct iommufd_ctx *ctx)
{
	struct iommufd_group *group;

	group = kzalloc_obj(*group, GFP_KERNEL_ACCOUNT);
	if (!group)
		return ERR_PTR(-ENOMEM);
	kref_init(&group->refs);
	group->ctx = ctx;
	mutex_init(&group->lock);
	xa_init(&group->attachments);
	xa_init_flags(&group->pasids, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	group->sw_msi.start = PHYS_ADDR_MAX;
	return group;
}

static int group_list(struct iommufd_ctx *ctx, struct iommufd_group *group,
		      int id)
{
	/* One allocation that fails is tried again by xa_insert(). */
	if (iommufd_should_fail())
		return -ENOMEM;
	return xa_insert(&ctx->groups, id, group, GFP_KERNEL_ACCOUNT);
}

static struct iommufd_group *group_create(struct iommufd_ctx *ctx,
					  struct iommu_group *iommu_group)
{
	struct iommufd_group *group;
	int rc;

	group = iommufd_group_of_none(ctx);
	if (IS_ERR(group))
		return group;
	rc = group_list(ctx, group, iommu_group_id(iommu_group));
	if (rc) {
		kfree(group);
		return ERR_PTR(rc);
	}
	group->group = iommu_group_ref_get(iommu_group);
	return group;
}

/**
 * iommufd_group_get - take a reference for a device that is being bound
 * @ctx: the context
 * @iommu_group: the group of the device, of which the caller has a reference
 *
 * Context: process context, may sleep.
 * Return: the group as the context uses it, or ERR_PTR(-ENOMEM).
 */
struct iommufd_group *iommufd_group_get(struct iommufd_ctx *ctx,
					struct iommu_group *iommu_group)
{
	struct iommufd_group *group;

	mutex_lock(&ctx->groups_lock);
	group = xa_load(&ctx->groups, iommu_group_id(iommu_group));
	if (group)
		kref_get(&group->refs);
	else
		group = group_create(ctx, iommu_group);
	mutex_unlock(&ctx->groups_lock);
	return group;
}

/**
 * iommufd_ctx_has_group - is a device of the group bound to the context?
 * @ctx: the context
 * @group: the group, of which the caller has a reference
 *
 * Context: any.
 * Return: true if one is.
 */
bool iommufd_ctx_has_group(struct iommufd_ctx *ctx, struct iommu_group *group)
{
	if (!ctx || !group)
		return false;
	/* The caller keeps the group alive, so that no other has got its ID. */
	return xa_load(&ctx->groups, iommu_group_id(group));
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_has_group, "IOMMUFD");

/*
 * PASIDs that the kernel has chosen
 */

static int group_choose_pasid_locked(struct iommufd_group *group,
				     struct iommufd_group_pasid *pasid,
				     u32 first, u32 last)
{
	int rc;

	lockdep_assert_held(&group->lock);
	lockdep_assert_held(&group->ctx->groups_lock);

	for (;;) {
		rc = xa_alloc(&group->pasids, &pasid->pasid, pasid,
			      XA_LIMIT(first, last), GFP_KERNEL_ACCOUNT);
		if (rc == -EBUSY)
			return iommufd_refuse(IOMMU_WHY_PASIDS_TAKEN, first,
					      last);
		if (rc)
			return rc;
		if (!xa_load(&group->attachments, pasid->pasid))
			return 0;
		/*
		 * User space has attached something on this PASID by itself:
		 * skip it.
		 */
		xa_erase(&group->pasids, pasid->pasid);
		first = pasid->pasid + 1;
	}
}

/**
 * iommufd_group_choose_pasid - find a PASID that is neither chosen nor attached
 * @group: the group
 * @idev: the device of the group that it is for
 * @pasid: zeroed; receives the PASID
 * @first: the lowest PASID to choose
 * @last: the highest
 *
 * Context: process context, may sleep; no group lock is held.
 * Return: 0; -ENOSPC if there is none; -ENOMEM.
 */
int iommufd_group_choose_pasid(struct iommufd_group *group,
			       const struct iommufd_device *idev,
			       struct iommufd_group_pasid *pasid, u32 first,
			       u32 last)
{
	int rc;

	/* With the lock of the group, so that nothing is attached meanwhile. */
	mutex_lock(&group->lock);
	mutex_lock(&group->ctx->groups_lock);
	rc = group_choose_pasid_locked(group, pasid, first, last);
	if (!rc) {
		pasid->group = group;
		pasid->idev = idev;
	}
	mutex_unlock(&group->ctx->groups_lock);
	mutex_unlock(&group->lock);
	return rc;
}

/**
 * iommufd_group_pasid_is_attached - is a chosen PASID in use?
 * @pasid: the PASID
 *
 * Context: called by iommufd_object_ops::in_use().
 * Return: true if a page table is attached on it.
 */
bool iommufd_group_pasid_is_attached(const struct iommufd_group_pasid *pasid)
{
	struct iommufd_group *group = READ_ONCE(pasid->group);

	return group && xa_load(&group->attachments, pasid->pasid);
}

/**
 * iommufd_group_return_pasid - take back what was chosen
 * @ctx: the context
 * @pasid: what iommufd_group_choose_pasid() was called for, or still zeroed
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_group_return_pasid(struct iommufd_ctx *ctx,
				struct iommufd_group_pasid *pasid)
{
	mutex_lock(&ctx->groups_lock);
	if (pasid->group)
		xa_erase(&pasid->group->pasids, pasid->pasid);
	mutex_unlock(&ctx->groups_lock);
}

/**
 * iommufd_group_return_pasids_of - take back what was chosen for a device
 * @group: the group of the device
 * @idev: the device, which is going away
 *
 * The objects of the PASIDs may stay, with no PASID any more.
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_group_return_pasids_of(struct iommufd_group *group,
				    const struct iommufd_device *idev)
{
	struct iommufd_ctx *ctx = group->ctx;
	struct iommufd_group_pasid *pasid;
	unsigned long index;
	bool found = false;

	mutex_lock(&ctx->groups_lock);
	xa_for_each(&group->pasids, index, pasid) {
		if (pasid->idev != idev)
			continue;
		xa_erase(&group->pasids, index);
		WRITE_ONCE(pasid->group, NULL);
		found = true;
	}
	mutex_unlock(&ctx->groups_lock);
	/* iommufd_group_pasid_is_attached() may be looking at the group. */
	if (found)
		iommufd_object_sync_in_use(ctx);
}
