// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which IOAS stands for a VFIO container
 *
 * Owns iommufd_ctx::vfio_ioas and iommufd_ctx::no_iommu, which
 * iommufd_ctx::vfio_lock guards. VFIO groups know no IDs: they are attached to
 * this IOAS. Called by what chooses it, and by an IOAS that goes away.
 */
#include <linux/iommufd.h>

#include "ctx.h"
#include "ioas.h"
#include "object.h"
#include "refusals.h"
#include "vfio_ioas.h"

/*
 * The IOAS, unless it is being destroyed: it is out of the table then, but not
 * freed before iommufd_vfio_ioas_forget(), which takes the lock.
 */
static struct iommufd_object *vfio_ioas_find(struct iommufd_ctx *ctx)
{
	struct iommufd_object *ioas = ctx->vfio_ioas;

	lockdep_assert_held(&ctx->vfio_lock);

	if (!ioas || !iommufd_object_is_published(ctx, ioas))
		return NULL;
	return ioas;
}

/**
 * iommufd_vfio_ioas_get_id - the ID of the IOAS for VFIO groups
 * @ctx: the context
 * @id: receives it
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENODEV if there is none.
 */
int iommufd_vfio_ioas_get_id(struct iommufd_ctx *ctx, u32 *id)
{
	struct iommufd_object *ioas;

	guard(mutex)(&ctx->vfio_lock);
	ioas = vfio_ioas_find(ctx);
	if (!ioas)
		return iommufd_refuse(IOMMU_WHY_NO_VFIO_IOAS);
	*id = ioas->id;
	return 0;
}

/**
 * iommufd_vfio_compat_ioas_get_id - the same for VFIO
 * @ctx: the context
 * @out_ioas_id: receives the ID
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENODEV if there is none.
 */
int iommufd_vfio_compat_ioas_get_id(struct iommufd_ctx *ctx, u32 *out_ioas_id)
{
	return iommufd_refused(ctx, IOMMU_REFUSED_CONTAINER,
			       iommufd_vfio_ioas_get_id(ctx, out_ioas_id));
}
EXPORT_SYMBOL_NS_GPL(iommufd_vfio_compat_ioas_get_id, "IOMMUFD_VFIO");

/**
 * iommufd_vfio_ioas_get - look up the IOAS for VFIO groups
 * @ctx: the context
 *
 * Context: process context, may sleep.
 * Return: the IOAS, with a short-term reference for the caller, or
 * ERR_PTR(-ENODEV) if there is none.
 */
struct iommufd_ioas *iommufd_vfio_ioas_get(struct iommufd_ctx *ctx)
{
	struct iommufd_object *ioas;

	guard(mutex)(&ctx->vfio_lock);
	ioas = ctx->vfio_ioas;
	if (!ioas || !iommufd_object_get_published(ctx, ioas))
		return iommufd_refuse_ptr(IOMMU_WHY_NO_VFIO_IOAS);
	return to_ioas(ioas);
}

/**
 * iommufd_vfio_ioas_is - is it the IOAS for VFIO groups?
 * @ctx: the context
 * @ioas: an IOAS
 *
 * Context: process context, may sleep.
 * Return: true if it is, for now.
 */
bool iommufd_vfio_ioas_is(struct iommufd_ctx *ctx,
			  const struct iommufd_object *ioas)
{
	guard(mutex)(&ctx->vfio_lock);
	return ctx->vfio_ioas == ioas;
}

/**
 * iommufd_vfio_is_no_iommu - do no-IOMMU VFIO groups use the file?
 * @ctx: the context
 *
 * Context: process context, may sleep.
 * Return: true if they do; that never changes.
 */
bool iommufd_vfio_is_no_iommu(struct iommufd_ctx *ctx)
{
	guard(mutex)(&ctx->vfio_lock);
	return ctx->no_iommu;
}

/**
 * iommufd_vfio_compat_set_no_iommu - a no-IOMMU VFIO group uses the file
 * @ctx: the context
 *
 * Context: process context, may sleep.
 * Return: 0, or -EINVAL if there is an IOAS for VFIO groups.
 */
int iommufd_vfio_compat_set_no_iommu(struct iommufd_ctx *ctx)
{
	bool found;

	mutex_lock(&ctx->vfio_lock);
	found = vfio_ioas_find(ctx);
	if (!found)
		ctx->no_iommu = true;
	mutex_unlock(&ctx->vfio_lock);
	if (!found)
		return 0;
	return iommufd_refused(ctx, IOMMU_REFUSED_CONTAINER,
			       iommufd_refuse(IOMMU_WHY_VFIO_NO_IOMMU));
}
EXPORT_SYMBOL_NS_GPL(iommufd_vfio_compat_set_no_iommu, "IOMMUFD_VFIO");

/**
 * iommufd_vfio_ioas_set - let an IOAS be that for VFIO groups
 * @ctx: the context
 * @ioas: the IOAS, of which the caller has a reference; or NULL for none
 *
 * Context: process context, may sleep.
 */
void iommufd_vfio_ioas_set(struct iommufd_ctx *ctx,
			   struct iommufd_object *ioas)
{
	guard(mutex)(&ctx->vfio_lock);
	ctx->vfio_ioas = ioas;
}

/**
 * iommufd_vfio_ioas_publish_if_none - let a new IOAS be that for VFIO groups
 * @ctx: the context
 * @ioas: a complete IOAS that is not published
 *
 * Whoever sees that there is an IOAS can find it, so it is published here.
 *
 * Context: process context, may sleep.
 *
 * Return: 0 if it is; -EEXIST if there is another, -EINVAL if a no-IOMMU group
 * uses the file: it is not published then.
 */
int iommufd_vfio_ioas_publish_if_none(struct iommufd_ctx *ctx,
				      struct iommufd_object *ioas)
{
	guard(mutex)(&ctx->vfio_lock);
	if (ctx->no_iommu)
		return iommufd_refuse(IOMMU_WHY_VFIO_NO_IOMMU);
	if (vfio_ioas_find(ctx))
		return -EEXIST;
	iommufd_object_publish(ctx, ioas);
	ctx->vfio_ioas = ioas;
	return 0;
}

/**
 * iommufd_vfio_ioas_forget - an IOAS goes away
 * @ctx: the context
 * @ioas: the IOAS, which nobody finds any more
 *
 * Context: process context, may sleep.
 */
void iommufd_vfio_ioas_forget(struct iommufd_ctx *ctx,
			      struct iommufd_object *ioas)
{
	guard(mutex)(&ctx->vfio_lock);
	if (ctx->vfio_ioas == ioas)
		ctx->vfio_ioas = NULL;
}
