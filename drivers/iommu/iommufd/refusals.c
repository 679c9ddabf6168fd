// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was refused to a file, and why
 *
 * Owns struct iommufd_refusals, which a file gets when the first call fails.
 * Called where a call ends: by the ioctls of a file, the files of its queues,
 * and the entry points for other drivers.
 */
#include <linux/cleanup.h>
#include <linux/minmax.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <trace/events/iommufd.h>

#include "call.h"
#include "ctx.h"
#include "refusals.h"

/* How many a file keeps */
#define REFUSALS_KEPT 32

/**
 * struct kept_refusal - what is known of one
 * @time: when
 * @thread: whose call it was
 * @command: what was asked for
 * @why: the reason
 * @error: the errno, positive
 * @numbers: what belongs to the reason
 */
struct kept_refusal {
	u64 time;
	struct pid *thread;
	u32 command;
	enum iommu_why why;
	int error;
	u64 numbers[IOMMU_REFUSAL_NUMBERS];
};

/**
 * struct iommufd_refusals - the last refusals of a file
 * @lock: guards the rest; a leaf
 * @nr: how many there were since the file was opened
 * @kept: refusal n, beginning with 1, is in place n modulo the size
 */
struct iommufd_refusals {
	spinlock_t lock; /* nr, kept */
	u64 nr;
	struct kept_refusal kept[REFUSALS_KEPT];
};

/* Return: NULL as long as nothing was refused. */
static struct iommufd_refusals *refusals_so_far(struct iommufd_ctx *ctx)
{
	/* Pairs with the exchange in refusals_of(). */
	return smp_load_acquire(&ctx->refusals);
}

/* Return: NULL if there is no memory for it. */
static struct iommufd_refusals *refusals_of(struct iommufd_ctx *ctx)
{
	struct iommufd_refusals *refusals, *other = NULL;

	refusals = refusals_so_far(ctx);
	if (refusals)
		return refusals;
	refusals = kzalloc_obj(*refusals, GFP_KERNEL_ACCOUNT);
	if (!refusals)
		return NULL;
	spin_lock_init(&refusals->lock);
	if (try_cmpxchg(&ctx->refusals, &other, refusals))
		return refusals;
	kfree(refusals);
	return other;
}

static void refusals_keep(struct iommufd_refusals *refusals,
			  struct kept_refusal *refusal)
{
	spin_lock(&refusals->lock);
	refusals->nr++;
	swap(refusals->kept[refusals->nr % REFUSALS_KEPT], *refusal);
	spin_unlock(&refusals->lock);
}

/* The part of iommufd_refused() for calls that have failed */
int __iommufd_refused(struct iommufd_ctx *ctx, u32 command, int rc)
{
	struct iommufd_refusals *refusals = refusals_of(ctx);
	int error = iommufd_errno(rc);
	struct kept_refusal refusal = {
		.time = ktime_get_ns(),
		.thread = get_pid(task_pid(current)),
		.command = command,
		.error = -error,
	};

	refusal.why = iommufd_why(rc, refusal.numbers);
	trace_iommufd_refused(iommufd_reason_of(refusal.why)->name, refusal.why,
			      command, -error, refusal.numbers);
	if (refusals)
		refusals_keep(refusals, &refusal);
	/* Of the refusal that was replaced; of this one if it is not kept */
	put_pid(refusal.thread);
	return error;
}

/**
 * iommufd_refusals_free - forget all of them when the file closes
 * @ctx: the context
 */
void iommufd_refusals_free(struct iommufd_ctx *ctx)
{
	struct iommufd_refusals *refusals = ctx->refusals;
	unsigned int i;

	if (!refusals)
		return;
	for (i = 0; i < REFUSALS_KEPT; i++)
		put_pid(refusals->kept[i].thread);
	kfree(refusals);
}

/*
 * Find the first one that is kept, from @number on.
 * Return: false if there is none.
 */
static bool refusals_find(struct iommufd_refusals *refusals, u64 *number,
			  struct kept_refusal *refusal)
{
	u64 oldest = 1;

	guard(spinlock)(&refusals->lock);
	if (refusals->nr > REFUSALS_KEPT)
		oldest = refusals->nr - REFUSALS_KEPT + 1;
	*number = max(*number, oldest);
	if (*number > refusals->nr)
		return false;
	*refusal = refusals->kept[*number % REFUSALS_KEPT];
	get_pid(refusal->thread);
	return true;
}

static u64 refusals_count(struct iommufd_refusals *refusals)
{
	guard(spinlock)(&refusals->lock);
	return refusals->nr;
}

static void refusal_show(struct seq_file *seq, u64 number,
			 const struct kept_refusal *refusal)
{
	const struct iommufd_reason *reason = iommufd_reason_of(refusal->why);
	unsigned int i;

	seq_printf(seq, "iommu-refused-%llu:\t%s why=%u errno=%d command=0x%x",
		   number, reason->name, refusal->why, refusal->error,
		   refusal->command);
	seq_printf(seq, " thread=%d time=%llu", pid_vnr(refusal->thread),
		   refusal->time);
	for (i = 0; i < IOMMU_REFUSAL_NUMBERS && reason->numbers[i]; i++)
		seq_printf(seq, " %s=0x%llx", reason->numbers[i],
			   refusal->numbers[i]);
	seq_putc(seq, '\n');
}

/**
 * iommufd_refusals_show - tell fdinfo of them
 * @seq: where to write
 * @ctx: the context
 */
void iommufd_refusals_show(struct seq_file *seq, struct iommufd_ctx *ctx)
{
	struct iommufd_refusals *refusals = refusals_so_far(ctx);
	struct kept_refusal refusal;
	u64 number = 0;

	if (!refusals) {
		seq_puts(seq, "iommu-refused:\t0\n");
		return;
	}
	seq_printf(seq, "iommu-refused:\t%llu\n", refusals_count(refusals));
	for (; refusals_find(refusals, &number, &refusal); number++) {
		refusal_show(seq, number, &refusal);
		put_pid(refusal.thread);
	}
}

static int refusal_to_user(void __user *user, u32 size, u64 number,
			   const struct kept_refusal *kept)
{
	struct iommu_refusal refusal = {
		.number = number,
		.time = kept->time,
		.command = kept->command,
		.thread = pid_vnr(kept->thread),
		.error = kept->error,
		.why = kept->why,
	};

	static_assert(sizeof(refusal.numbers) == sizeof(kept->numbers));
	memcpy(refusal.numbers, kept->numbers, sizeof(refusal.numbers));
	return copy_struct_to_user(user, size, &refusal, sizeof(refusal), NULL);
}

/* Receives in @cmd how many there were, and with which to go on. */
static int refusals_read(struct iommufd_refusals *refusals,
			 struct iommu_get_refusals *cmd)
{
	void __user *user = u64_to_user_ptr(cmd->entries);
	struct kept_refusal refusal;
	u32 room = cmd->nr;
	int rc;

	cmd->nr = 0;
	while (cmd->nr < room &&
	       refusals_find(refusals, &cmd->first, &refusal)) {
		rc = refusal_to_user(user, cmd->entry_size, cmd->first,
				     &refusal);
		put_pid(refusal.thread);
		if (rc)
			return rc;
		user += cmd->entry_size;
		cmd->nr++;
		cmd->first++;
	}
	return 0;
}

int iommufd_get_refusals_ioctl(struct iommufd_call *call)
{
	struct iommu_get_refusals *cmd = call->arg;
	struct iommufd_refusals *refusals;
	int rc;

	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (cmd->entry_size < sizeof(struct iommu_refusal))
		return iommufd_refuse(IOMMU_WHY_SHORT_STRUCT, cmd->entry_size,
				      sizeof(struct iommu_refusal));
	refusals = refusals_so_far(call->ctx);
	if (refusals) {
		rc = refusals_read(refusals, cmd);
		if (rc)
			return rc;
	} else {
		cmd->nr = 0;
	}
	return iommufd_call_reply(call);
}
