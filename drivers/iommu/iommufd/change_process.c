// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another process takes a context over
 *
 * What is mapped of files can outlive the process that mapped it: whoever gets
 * the file descriptors goes on, and is charged from then on. The accounts know
 * what is charged, so that maps and unmaps need not be kept out meanwhile.
 */
#include <linux/sched/signal.h>

#include "engine/account.h"
#include "call.h"
#include "change_process.h"
#include "ctx.h"
#include "engine/why.h"
#include "ioas.h"
#include "object.h"

static int change_process_check_ioas(struct iommufd_ctx *ctx, u32 id)
{
	struct iommufd_ioas *ioas;
	int rc;

	/* An object of another type, or one that was destroyed meanwhile */
	ioas = iommufd_ioas_get(ctx, id);
	if (IS_ERR(ioas))
		return 0;
	rc = iommufd_address_space_check_owners(&ioas->as);
	iommufd_object_put(ctx, &ioas->obj);
	return rc;
}

static int change_process_check(struct iommufd_ctx *ctx)
{
	u32 id = 0;
	int rc;

	while (iommufd_object_next_id(ctx, &id)) {
		rc = change_process_check_ioas(ctx, id);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

int iommufd_ioas_change_process_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_change_process *cmd = call->arg;
	struct iommufd_ctx *ctx = call->ctx;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);

	/* What is mapped after that makes iommufd_accounts_move() fail. */
	rc = change_process_check(ctx);
	if (rc)
		return rc;
	return iommufd_accounts_move(&ctx->accounts,
				     READ_ONCE(ctx->account_mode));
}
