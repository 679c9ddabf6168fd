// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc/PID/fdinfo/FD tells of a file of /dev/iommu
 *
 * Owns nothing, and waits for nobody who may be waiting for user space: it is
 * read to find out who does. The line of an object has its ID, its type, then
 * words of that type; more lines, and more words at the end, may come.
 */
#include <linux/iommufd.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "ctx.h"
#include "fdinfo.h"
#include "object.h"
#include "refusals.h"

/* Objects that have a line of their own; the others are only counted. */
#define FDINFO_MAX_OBJECTS 256

static const char *fdinfo_account_mode(enum iommufd_account_mode mode)
{
	switch (mode) {
	case IOMMUFD_ACCOUNT_NONE:
		return "nobody";
	case IOMMUFD_ACCOUNT_USER:
		return "user";
	case IOMMUFD_ACCOUNT_MM:
		return "process";
	}
	return "?";
}

static void fdinfo_show_object(struct seq_file *seq, struct iommufd_object *obj)
{
	const struct iommufd_object_ops *ops = iommufd_object_types[obj->type];

	seq_printf(seq, "iommu-object-%u:\t%s", obj->id, ops->name);
	/*
	 * If the buffer is too small seq_file starts again with a larger one:
	 * do not measure what is mapped when the result is thrown away.
	 */
	if (ops->show && !seq_has_overflowed(seq))
		ops->show(seq, obj);
	seq_putc(seq, '\n');
}

/* @nr_objects: by type */
static void fdinfo_show_numbers(struct seq_file *seq, unsigned int nr,
				const unsigned int *nr_objects)
{
	unsigned int type;

	seq_printf(seq, "iommu-objects:\t%u", nr);
	for (type = 0; type < IOMMUFD_NR_OBJ_TYPES; type++)
		if (nr_objects[type])
			seq_printf(seq, " %s=%u",
				   iommufd_object_types[type]->name,
				   nr_objects[type]);
	seq_putc(seq, '\n');
}

/**
 * iommufd_fops_show_fdinfo - the file operation of that name
 * @seq: where to write
 * @file: a file of /dev/iommu
 *
 * Context: process context, may sleep; in any process that may look.
 */
void iommufd_fops_show_fdinfo(struct seq_file *seq, struct file *file)
{
	unsigned int nr_objects[IOMMUFD_NR_OBJ_TYPES] = {}, nr = 0;
	struct iommufd_ctx *ctx = file->private_data;
	struct iommufd_object *obj;
	u32 id = 0;

	seq_printf(seq, "iommu-charged:\t%s\n",
		   fdinfo_account_mode(READ_ONCE(ctx->account_mode)));
	if (ctx->number)
		seq_printf(seq, "iommu-context:\t%llu\n", ctx->number);
	/*
	 * First what is long and costs little to show: if the buffer is too
	 * small, it is found out early.
	 */
	iommufd_refusals_show(seq, ctx);
	iommufd_recorder_show(seq, &ctx->recorder);
	while (iommufd_object_next_id(ctx, &id) &&
	       !fatal_signal_pending(current)) {
		obj = iommufd_object_get(ctx, id, IOMMUFD_OBJ_ANY);
		if (IS_ERR(obj))
			continue;
		nr_objects[obj->type]++;
		if (nr++ < FDINFO_MAX_OBJECTS)
			fdinfo_show_object(seq, obj);
		iommufd_object_put(ctx, obj);
		cond_resched();
	}
	fdinfo_show_numbers(seq, nr, nr_objects);
}
