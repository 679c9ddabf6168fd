// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options of a context and of an IOAS
 *
 * Owns iommufd_ctx::account_mode. Called by the ioctl table.
 */
#include <linux/capability.h>
#include <linux/iommufd.h>
#include <uapi/linux/iommufd.h>

#include "call.h"
#include "ctx.h"
#include "engine/why.h"
#include "ioas.h"
#include "option.h"

static int option_write_rlimit_mode(struct iommufd_ctx *ctx, u64 val)
{
	if (val > 1)
		return iommufd_refuse(IOMMU_WHY_OPTION_VALUE,
				      IOMMU_OPTION_RLIMIT_MODE, val);
	WRITE_ONCE(ctx->account_mode,
		   val ? IOMMUFD_ACCOUNT_MM : IOMMUFD_ACCOUNT_USER);
	return 0;
}

/*
 * Before there are objects: what is charged in one mode must not be given back
 * in another.
 */
static int option_set_rlimit_mode(struct iommufd_ctx *ctx, u64 val)
{
	if (!capable(CAP_SYS_RESOURCE))
		return iommufd_refuse(IOMMU_WHY_PRIVILEGE, CAP_SYS_RESOURCE);
	return iommufd_object_run_if_none(ctx, option_write_rlimit_mode, val);
}

static int option_rlimit_mode(struct iommufd_ctx *ctx, struct iommu_option *cmd)
{
	if (cmd->object_id)
		return iommufd_refuse(IOMMU_WHY_OPTION_OBJECT, cmd->option_id,
				      cmd->object_id);

	switch (cmd->op) {
	case IOMMU_OPTION_OP_GET:
		cmd->val64 = READ_ONCE(ctx->account_mode) == IOMMUFD_ACCOUNT_MM;
		return 0;
	case IOMMU_OPTION_OP_SET:
		return option_set_rlimit_mode(ctx, cmd->val64);
	default:
		return iommufd_refuse(IOMMU_WHY_OPERATION, cmd->op);
	}
}

static int option_set_huge_pages(struct iommufd_ioas *ioas, u64 val)
{
	int rc;

	if (val > 1)
		return iommufd_refuse(IOMMU_WHY_OPTION_VALUE,
				      IOMMU_OPTION_HUGE_PAGES, val);
	rc = iommufd_address_space_set_page_by_page(&ioas->as, !val);
	if (val && !rc)
		WRITE_ONCE(ioas->vfio.hides_huge_pages, false);
	/*
	 * A program that reads 0 here, as the old type1 hides huge pages, may
	 * also write 0: pretend.
	 */
	if (!val && iommufd_errno(rc) == -EINVAL &&
	    READ_ONCE(ioas->vfio.hides_huge_pages))
		return 0;
	return rc;
}

static int option_huge_pages_of(struct iommufd_ioas *ioas,
				struct iommu_option *cmd)
{
	switch (cmd->op) {
	case IOMMU_OPTION_OP_GET:
		cmd->val64 = !READ_ONCE(ioas->as.page_by_page) &&
			     !READ_ONCE(ioas->vfio.hides_huge_pages);
		return 0;
	case IOMMU_OPTION_OP_SET:
		return option_set_huge_pages(ioas, cmd->val64);
	default:
		return iommufd_refuse(IOMMU_WHY_OPERATION, cmd->op);
	}
}

static int option_huge_pages(struct iommufd_ctx *ctx, struct iommu_option *cmd)
{
	struct iommufd_ioas *ioas;
	int rc;

	ioas = iommufd_ioas_get(ctx, cmd->object_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = option_huge_pages_of(ioas, cmd);
	iommufd_object_put(ctx, &ioas->obj);
	return rc;
}

static int option_run(struct iommufd_ctx *ctx, struct iommu_option *cmd)
{
	switch (cmd->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		return option_rlimit_mode(ctx, cmd);
	case IOMMU_OPTION_HUGE_PAGES:
		return option_huge_pages(ctx, cmd);
	default:
		return iommufd_refuse(IOMMU_WHY_OPERATION, cmd->option_id);
	}
}

int iommufd_option_ioctl(struct iommufd_call *call)
{
	struct iommu_option *cmd = call->arg;
	bool set = cmd->op == IOMMU_OPTION_OP_SET;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);

	/*
	 * SET writes nothing new into the structure, so that it is written back
	 * first: if that fails nothing has happened.
	 */
	if (set && cmd->option_id <= IOMMU_OPTION_HUGE_PAGES) {
		rc = iommufd_call_reply(call);
		if (rc)
			return rc;
	}
	rc = option_run(call->ctx, cmd);
	if (rc || set)
		return rc;
	return iommufd_call_reply(call);
}
