// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAS that stands for a VFIO container
 *
 * Owns iommufd_ctx::vfio_ioas and iommufd_ctx::no_iommu, which the lock of the
 * object table guards. VFIO groups know no IDs: they are attached to one IOAS,
 * that user space may choose by VFIO_IOAS.
 */
#include <linux/iommufd.h>

#include "call.h"
#include "ctx.h"
#include "ioas.h"
#include "vfio_compat.h"

/**
 * iommufd_vfio_forget_ioas - an IOAS goes away
 * @ctx: the context
 * @ioas: the IOAS, which nobody finds any more
 */
void iommufd_vfio_forget_ioas(struct iommufd_ctx *ctx,
			      struct iommufd_ioas *ioas)
{
	xa_lock(&ctx->objects);
	if (ctx->vfio_ioas == ioas)
		ctx->vfio_ioas = NULL;
	xa_unlock(&ctx->objects);
}

/* The IOAS if it is set, and neither in creation nor in destruction */
static struct iommufd_ioas *vfio_ioas(struct iommufd_ctx *ctx)
{
	struct iommufd_ioas *ioas = ctx->vfio_ioas;

	lockdep_assert_held(&ctx->objects.xa_lock);

	if (!ioas || xa_load(&ctx->objects, ioas->obj.id) != &ioas->obj)
		return NULL;
	return ioas;
}

/**
 * iommufd_vfio_compat_ioas_get_id - the IOAS for VFIO groups
 * @ctx: the context
 * @out_ioas_id: receives its ID
 *
 * Return: 0, or -ENODEV if there is none.
 */
int iommufd_vfio_compat_ioas_get_id(struct iommufd_ctx *ctx, u32 *out_ioas_id)
{
	struct iommufd_ioas *ioas;

	xa_lock(&ctx->objects);
	ioas = vfio_ioas(ctx);
	if (ioas)
		*out_ioas_id = ioas->obj.id;
	xa_unlock(&ctx->objects);
	return ioas ? 0 : -ENODEV;
}
EXPORT_SYMBOL_NS_GPL(iommufd_vfio_compat_ioas_get_id, "IOMMUFD_VFIO");

/**
 * iommufd_vfio_compat_set_no_iommu - a no-IOMMU VFIO group uses the file
 * @ctx: the context
 *
 * Return: 0, or -EINVAL if there is an IOAS for VFIO groups.
 */
int iommufd_vfio_compat_set_no_iommu(struct iommufd_ctx *ctx)
{
	int rc = 0;

	xa_lock(&ctx->objects);
	if (vfio_ioas(ctx))
		rc = -EINVAL;
	else
		ctx->no_iommu = true;
	xa_unlock(&ctx->objects);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_vfio_compat_set_no_iommu, "IOMMUFD_VFIO");

/*
 * Whoever sees that there is one can find it, so it becomes visible here.
 * Return: 1 if @ioas is now the one, 0 if there is another.
 */
static int set_if_none(struct iommufd_ctx *ctx, struct iommufd_ioas *ioas)
{
	int rc = 0;

	xa_lock(&ctx->objects);
	if (ctx->no_iommu) {
		rc = -EINVAL;
	} else if (!vfio_ioas(ctx)) {
		/* The ID is taken, so there is memory for it. */
		__xa_store(&ctx->objects, ioas->obj.id, &ioas->obj, GFP_ATOMIC);
		ctx->vfio_ioas = ioas;
		rc = 1;
	}
	xa_unlock(&ctx->objects);
	return rc;
}

/**
 * iommufd_vfio_compat_ioas_create - have an IOAS for VFIO groups
 * @ctx: the context
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL if a no-IOMMU group uses the file; -ENOMEM.
 */
int iommufd_vfio_compat_ioas_create(struct iommufd_ctx *ctx)
{
	struct iommufd_ioas *ioas;
	int rc;

	ioas = iommufd_ioas_create(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	rc = set_if_none(ctx, ioas);
	if (rc > 0)
		return 0;
	iommufd_object_abort(ctx, &ioas->obj);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_vfio_compat_ioas_create, "IOMMUFD_VFIO");

static int get_ioas(struct iommufd_call *call, struct iommu_vfio_ioas *cmd)
{
	int rc;

	rc = iommufd_vfio_compat_ioas_get_id(call->ctx, &cmd->ioas_id);
	if (rc)
		return rc;
	return iommufd_call_reply(call);
}

static int set_ioas(struct iommufd_ctx *ctx, u32 id)
{
	struct iommufd_ioas *ioas;

	ioas = iommufd_ioas_get(ctx, id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	xa_lock(&ctx->objects);
	ctx->vfio_ioas = ioas;
	xa_unlock(&ctx->objects);
	iommufd_object_put(ctx, &ioas->obj);
	return 0;
}

static void clear_ioas(struct iommufd_ctx *ctx)
{
	xa_lock(&ctx->objects);
	ctx->vfio_ioas = NULL;
	xa_unlock(&ctx->objects);
}

int iommufd_vfio_ioas_ioctl(struct iommufd_call *call)
{
	struct iommu_vfio_ioas *cmd = call->arg;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		return get_ioas(call, cmd);
	case IOMMU_VFIO_IOAS_SET:
		return set_ioas(call->ctx, cmd->ioas_id);
	case IOMMU_VFIO_IOAS_CLEAR:
		clear_ioas(call->ctx);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}
