// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another process takes a context over
 *
 * What is mapped of files can outlive the process that mapped it: whoever gets
 * the file descriptors goes on, and is charged from then on. All address spaces
 * of the context are held still meanwhile, in the order of their IDs, under a
 * lock of the context.
 */
#include <linux/sched/signal.h>
#include <linux/xarray.h>

#include "account.h"
#include "call.h"
#include "change_process.h"
#include "ctx.h"
#include "ioas.h"
#include "pinned.h"

/**
 * struct change - a change of process
 * @ctx: the context
 * @ioases: struct iommufd_ioas by ID, with their consumers held for writing
 * @objects: struct iommufd_pinned by address, whose charges move, with their
 *           mutexes held: an IOAS that comes or goes may pin them, too
 * @to: who is charged from now on
 */
struct change {
	struct iommufd_ctx *ctx;
	struct xarray ioases;
	struct xarray objects;
	struct iommufd_account *to;
};

static void release_ioases(struct change *change)
{
	struct iommufd_ioas *ioas;
	unsigned long id;

	xa_for_each(&change->ioases, id, ioas) {
		up_write(&ioas->as.consumers);
		iommufd_object_put(change->ctx, &ioas->obj);
	}
	xa_destroy(&change->ioases);
}

static int hold_ioas(struct change *change, unsigned long id)
{
	struct iommufd_ioas *ioas;
	int rc;

	/* It is of another type, or has just been destroyed. */
	ioas = iommufd_ioas_get(change->ctx, id);
	if (IS_ERR(ioas))
		return 0;
	rc = xa_insert(&change->ioases, id, ioas, GFP_KERNEL_ACCOUNT);
	if (rc) {
		iommufd_object_put(change->ctx, &ioas->obj);
		return rc;
	}
	down_write_nest_lock(&ioas->as.consumers, &change->ctx->change_lock);
	return 0;
}

static int hold_ioases(struct change *change)
{
	struct iommufd_object *obj;
	unsigned long id;
	int rc;

	lockdep_assert_held(&change->ctx->change_lock);

	xa_for_each(&change->ctx->objects, id, obj) {
		rc = hold_ioas(change, id);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

static void release_objects(struct change *change)
{
	struct iommufd_pinned *pinned;
	unsigned long index;

	xa_for_each(&change->objects, index, pinned)
		mutex_unlock(&pinned->mutex);
	xa_destroy(&change->objects);
}

/* Areas that share memory are charged once. */
static int collect_object(struct change *change, struct iommufd_pinned *pinned)
{
	int rc;

	if (!pinned->ops->account)
		return -EINVAL;
	if (!pinned->ops->account(pinned))
		return 0;
	rc = xa_insert(&change->objects, (unsigned long)pinned, pinned,
		       GFP_KERNEL_ACCOUNT);
	if (rc)
		return rc == -EBUSY ? 0 : rc;
	mutex_lock_nest_lock(&pinned->mutex, &change->ctx->change_lock);
	return 0;
}

static int collect_areas(struct change *change, struct iommufd_ioas *ioas)
{
	struct iommufd_area *area;
	int rc;

	lockdep_assert_held_write(&ioas->as.consumers);

	for (area = iommufd_area_first(&ioas->as.space, 0, ULONG_MAX); area;
	     area = iommufd_area_next(area, ULONG_MAX)) {
		rc = collect_object(change, area->pinned);
		if (rc)
			return rc;
		cond_resched();
	}
	return 0;
}

static int collect_objects(struct change *change)
{
	struct iommufd_ioas *ioas;
	unsigned long id;
	int rc;

	xa_for_each(&change->ioases, id, ioas) {
		rc = collect_areas(change, ioas);
		if (rc)
			return rc;
	}
	return 0;
}

static void cancel_moves(struct change *change, struct iommufd_pinned *end)
{
	struct iommufd_pinned *pinned;
	unsigned long index;

	xa_for_each(&change->objects, index, pinned) {
		if (pinned == end)
			break;
		iommufd_account_move_cancel(*pinned->ops->account(pinned),
					    change->to, pinned->npages);
	}
}

static int begin_moves(struct change *change)
{
	struct iommufd_pinned *pinned;
	unsigned long index;
	int rc;

	xa_for_each(&change->objects, index, pinned) {
		rc = iommufd_account_move_begin(*pinned->ops->account(pinned),
						change->to, pinned->npages);
		if (rc) {
			cancel_moves(change, pinned);
			return rc;
		}
	}
	return 0;
}

static void commit_moves(struct change *change)
{
	struct iommufd_pinned *pinned;
	unsigned long index;

	xa_for_each(&change->objects, index, pinned) {
		iommufd_account_move_commit(pinned->ops->account(pinned),
					    change->to, pinned->npages);
		cond_resched();
	}
}

static int change_process(struct change *change)
{
	int rc;

	rc = hold_ioases(change);
	if (rc)
		return rc;
	rc = collect_objects(change);
	if (rc)
		return rc;
	rc = begin_moves(change);
	if (rc)
		return rc;
	commit_moves(change);
	return 0;
}

int iommufd_ioas_change_process_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_change_process *cmd = call->arg;
	struct change change = { .ctx = call->ctx };
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	change.to = iommufd_account_get(&call->ctx->recent_account,
					READ_ONCE(call->ctx->account_mode));
	if (!change.to)
		return -ENOMEM;
	xa_init(&change.ioases);
	xa_init(&change.objects);
	mutex_lock(&call->ctx->change_lock);
	rc = change_process(&change);
	release_objects(&change);
	release_ioases(&change);
	mutex_unlock(&call->ctx->change_lock);
	iommufd_account_put(change.to);
	return rc;
}
