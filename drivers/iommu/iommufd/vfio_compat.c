// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VFIO containers need: an IOAS that stands for one
 *
 * Owns nothing: vfio_ioas.c knows which IOAS it is. VFIO has one made, and user
 * space may choose another by VFIO_IOAS.
 */
#include <linux/iommufd.h>

#include "call.h"
#include "ctx.h"
#include "ioas.h"
#include "refusals.h"
#include "vfio_compat.h"
#include "vfio_ioas.h"

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
		return iommufd_refused(ctx, IOMMU_REFUSED_CONTAINER,
				       PTR_ERR(ioas));

	rc = iommufd_vfio_ioas_publish_if_none(ctx, &ioas->obj);
	if (rc)
		iommufd_object_abort(ctx, &ioas->obj);
	if (rc == -EEXIST)
		return 0;
	return iommufd_refused(ctx, IOMMU_REFUSED_CONTAINER, rc);
}
EXPORT_SYMBOL_NS_GPL(iommufd_vfio_compat_ioas_create, "IOMMUFD_VFIO");

static int vfio_ioas_get(struct iommufd_call *call, struct iommu_vfio_ioas *cmd)
{
	int rc;

	rc = iommufd_vfio_ioas_get_id(call->ctx, &cmd->ioas_id);
	if (rc)
		return rc;
	return iommufd_call_reply(call);
}

static int vfio_ioas_set(struct iommufd_ctx *ctx, u32 id)
{
	struct iommufd_ioas *ioas;

	ioas = iommufd_ioas_get(ctx, id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	iommufd_vfio_ioas_set(ctx, &ioas->obj);
	iommufd_object_put(ctx, &ioas->obj);
	return 0;
}

int iommufd_vfio_ioas_ioctl(struct iommufd_call *call)
{
	struct iommu_vfio_ioas *cmd = call->arg;

	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);

	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		return vfio_ioas_get(call, cmd);
	case IOMMU_VFIO_IOAS_SET:
		return vfio_ioas_set(call->ctx, cmd->ioas_id);
	case IOMMU_VFIO_IOAS_CLEAR:
		iommufd_vfio_ioas_set(call->ctx, NULL);
		return 0;
	default:
		return iommufd_refuse(IOMMU_WHY_OPERATION, cmd->op);
	}
}
