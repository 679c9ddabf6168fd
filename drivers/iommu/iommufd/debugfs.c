// SPDX-License-Identifier: GPL-2.0-only
/*
 * What debugfs tells root of all contexts: who has what, and where it is
 *
 * Owns the numbers of contexts. There are a few files for all contexts, each a
 * table that is walked by key: context, IOAS, IOVA. Each line is looked up by
 * its key, and nothing is held between two lines, so that a slow reader blocks
 * nobody. It costs nothing but when somebody reads, or a file of /dev/iommu is
 * opened or closed.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "ctx.h"
#include "debugfs.h"
#include "engine/look.h"
#include "ioas.h"
#include "object.h"

static struct dentry *debug_dir;

/* Contexts by number; no number is used twice. A leaf. */
static DEFINE_SPINLOCK(debug_lock);
static struct rb_root debug_contexts = RB_ROOT;
static u64 debug_nr_contexts;

/**
 * struct debug_totals - what a context has
 * @uid: who opened it
 * @nr_objects: objects of all types
 * @nr_ioas: address spaces among them
 * @mapped: what is mapped in these
 */
struct debug_totals {
	kuid_t uid;
	unsigned int nr_objects;
	unsigned int nr_ioas;
	struct iommufd_mapped mapped;
};

/**
 * struct debug_space - an address space
 * @mapped: what is mapped
 * @users: who uses it
 */
struct debug_space {
	struct iommufd_mapped mapped;
	struct iommufd_look_users users;
};

/**
 * struct debug_range - a range of IOVA
 * @first: first IOVA
 * @last: last IOVA
 */
struct debug_range {
	unsigned long first;
	unsigned long last;
};

/**
 * struct debug_walk - what somebody reads
 * @table: which file
 * @pos: number of the line that is in @seen
 * @found: there is one
 * @context: number of its context
 * @ioas: ID of its IOAS, unless the line is about a context
 * @iova: where the line is, if it is about IOVA
 * @last: where it ends
 * @seen: what it says
 */
struct debug_walk {
	const struct debug_table *table;
	loff_t pos;
	bool found;
	u64 context;
	u32 ioas;
	unsigned long iova;
	unsigned long last;
	union {
		struct debug_totals totals;
		struct debug_space space;
		struct debug_range range;
		struct iommufd_reserved reserved;
		struct iommufd_look_area area;
		struct iommufd_look_run run;
		struct iommufd_look_lengths lengths;
	} seen;
};

/**
 * struct debug_table - a file
 * @name: its name
 * @look_at_context: sees something in a context
 * @look_at_ioas: or in an address space, which is one line; false if there is
 *                nothing
 * @look_at_iova: or in an address space at debug_walk::iova and above, where it
 *                receives the line's first and last IOVA; false if there is
 *                nothing
 * @show: what the line says behind its key
 */
struct debug_table {
	const char *name;
	void (*look_at_context)(struct debug_walk *walk,
				struct iommufd_ctx *ctx);
	void (*look_at_ioas)(struct debug_walk *walk,
			     struct iommufd_ioas *ioas);
	bool (*look_at_iova)(struct debug_walk *walk,
			     struct iommufd_ioas *ioas);
	void (*show)(struct seq_file *seq, const struct debug_walk *walk);
};

/*
 * Contexts
 */

static struct iommufd_ctx *debug_ctx_of(struct rb_node *node)
{
	return rb_entry(node, struct iommufd_ctx, debug_node);
}

static bool debug_ctx_less(struct rb_node *a, const struct rb_node *b)
{
	return debug_ctx_of(a)->number <
	       rb_entry(b, struct iommufd_ctx, debug_node)->number;
}

/**
 * iommufd_debugfs_add - let debugfs tell of a context
 * @ctx: a context that is complete
 */
void iommufd_debugfs_add(struct iommufd_ctx *ctx)
{
	spin_lock(&debug_lock);
	ctx->number = ++debug_nr_contexts;
	rb_add(&ctx->debug_node, &debug_contexts, debug_ctx_less);
	spin_unlock(&debug_lock);
}

/**
 * iommufd_debugfs_remove - debugfs tells nothing of a context any more
 * @ctx: a context whose file nobody has a reference of
 */
void iommufd_debugfs_remove(struct iommufd_ctx *ctx)
{
	spin_lock(&debug_lock);
	rb_erase(&ctx->debug_node, &debug_contexts);
	spin_unlock(&debug_lock);
}

/* The context of a number, or the next one above */
static struct iommufd_ctx *debug_find_ctx(u64 number)
{
	struct rb_node *node = debug_contexts.rb_node;
	struct iommufd_ctx *found = NULL;

	lockdep_assert_held(&debug_lock);

	while (node) {
		struct iommufd_ctx *ctx = debug_ctx_of(node);

		if (number <= ctx->number) {
			found = ctx;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/*
 * The context at the key or the next one above, with a reference. Return: NULL
 * if there are no more.
 */
static struct iommufd_ctx *debug_get_ctx(u64 number)
{
	struct iommufd_ctx *ctx;

	spin_lock(&debug_lock);
	ctx = debug_find_ctx(number);
	/*
	 * The lock keeps the context, but its file may be closing: then it is
	 * passed over.
	 */
	while (ctx && !get_file_active(&ctx->file))
		ctx = debug_find_ctx(ctx->number + 1);
	spin_unlock(&debug_lock);
	return ctx;
}

/*
 * Lines
 */

static void debug_see_totals(struct debug_walk *walk, struct iommufd_ctx *ctx)
{
	struct debug_totals *totals = &walk->seen.totals;
	struct iommufd_mapped mapped;
	struct iommufd_object *obj;
	u32 id = 0;

	*totals = (struct debug_totals){ .uid = ctx->file->f_cred->uid };
	while (iommufd_object_next_id(ctx, &id) &&
	       !fatal_signal_pending(current)) {
		obj = iommufd_object_get(ctx, id, IOMMUFD_OBJ_ANY);
		if (IS_ERR(obj))
			continue;
		totals->nr_objects++;
		if (obj->type == IOMMUFD_OBJ_IOAS) {
			totals->nr_ioas++;
			iommufd_address_space_measure(&to_ioas(obj)->as,
						      &mapped);
			totals->mapped.nr_areas += mapped.nr_areas;
			totals->mapped.bytes += mapped.bytes;
			totals->mapped.pinned += mapped.pinned;
		}
		iommufd_object_put(ctx, obj);
		cond_resched();
	}
}

static void debug_show_mapped(struct seq_file *seq,
			      const struct iommufd_mapped *mapped)
{
	seq_printf(seq, " areas=%lu mapped=%llu pinned=%llu", mapped->nr_areas,
		   mapped->bytes, mapped->pinned);
}

static void debug_show_totals(struct seq_file *seq,
			      const struct debug_walk *walk)
{
	const struct debug_totals *totals = &walk->seen.totals;

	seq_printf(seq, " uid=%u objects=%u ioas=%u",
		   from_kuid_munged(seq_user_ns(seq), totals->uid),
		   totals->nr_objects, totals->nr_ioas);
	debug_show_mapped(seq, &totals->mapped);
	seq_putc(seq, '\n');
}

static void debug_see_space(struct debug_walk *walk, struct iommufd_ioas *ioas)
{
	struct debug_space *space = &walk->seen.space;

	iommufd_address_space_measure(&ioas->as, &space->mapped);
	iommufd_look_at_users(&ioas->as, &space->users);
}

static void debug_show_space(struct seq_file *seq,
			     const struct debug_walk *walk)
{
	const struct iommufd_look_users *users = &walk->seen.space.users;

	debug_show_mapped(seq, &walk->seen.space.mapped);
	seq_printf(seq, " alignment=%lu page-tables=%u filled=%u",
		   users->alignment, users->nr_followers, users->nr_filled);
	seq_printf(seq, " accesses=%u access-pins=%lu\n", users->nr_accessors,
		   users->nr_pins);
}

static void debug_show_range(struct seq_file *seq,
			     const struct debug_walk *walk)
{
	seq_printf(seq, " iova=0x%lx last=0x%lx", walk->iova, walk->last);
}

static bool debug_see_reserved(struct debug_walk *walk,
			       struct iommufd_ioas *ioas)
{
	struct iommufd_reserved *reserved = &walk->seen.reserved;

	if (!iommufd_iova_space_next_reserved(&ioas->as.space, walk->iova,
					      reserved))
		return false;
	walk->iova = reserved->first;
	walk->last = reserved->last;
	return true;
}

static void debug_show_reserved(struct seq_file *seq,
				const struct debug_walk *walk)
{
	const struct iommufd_reserved *reserved = &walk->seen.reserved;

	debug_show_range(seq, walk);
	seq_printf(seq, " device=%u reservations=%u\n", reserved->device,
		   reserved->nr);
}

static bool debug_see_allowed(struct debug_walk *walk,
			      struct iommufd_ioas *ioas)
{
	struct debug_range *range = &walk->seen.range;

	if (!iommufd_iova_space_next_allowed(&ioas->as.space, walk->iova,
					     &range->first, &range->last))
		return false;
	walk->iova = range->first;
	walk->last = range->last;
	return true;
}

static void debug_show_allowed(struct seq_file *seq,
			       const struct debug_walk *walk)
{
	debug_show_range(seq, walk);
	seq_putc(seq, '\n');
}

static bool debug_see_area(struct debug_walk *walk, struct iommufd_ioas *ioas)
{
	struct iommufd_look_area *area = &walk->seen.area;

	if (!iommufd_look_at_area(&ioas->as, walk->iova, area))
		return false;
	walk->iova = area->iova;
	walk->last = area->last;
	return true;
}

static const char *debug_area_state(enum iommufd_area_state state)
{
	switch (state) {
	case IOMMUFD_AREA_CREATING:
		return "mapping";
	case IOMMUFD_AREA_LIVE:
		return "mapped";
	case IOMMUFD_AREA_DYING:
		return "unmapping";
	}
	return "?";
}

static void debug_show_area(struct seq_file *seq, const struct debug_walk *walk)
{
	const struct iommufd_look_area *area = &walk->seen.area;

	debug_show_range(seq, walk);
	seq_printf(seq, " rights=%s%s state=%s",
		   area->prot & IOMMU_READ ? "r" : "",
		   area->prot & IOMMU_WRITE ? "w" : "",
		   debug_area_state(area->state));
	if (area->source)
		seq_printf(seq, " source=%s start=0x%lx pinned=%lu runs=%lu",
			   area->source, area->start, area->pinned,
			   area->nr_runs);
	seq_printf(seq, " areas=%u access-pins=%u busy=%u locks=%u\n",
		   area->nr_sharers, area->pins, area->busy, area->locks);
}

static bool debug_see_run(struct debug_walk *walk, struct iommufd_ioas *ioas)
{
	struct iommufd_look_run *run = &walk->seen.run;

	if (!iommufd_look_at_run(&ioas->as, walk->iova, run))
		return false;
	walk->iova = run->iova;
	walk->last = run->last;
	return true;
}

/*
 * Physical addresses are for a root user with CAP_SYS_ADMIN when the file was
 * opened.
 */
static void debug_show_run(struct seq_file *seq, const struct debug_walk *walk)
{
	const struct iommufd_look_run *run = &walk->seen.run;

	debug_show_range(seq, walk);
	if (run->revoked)
		seq_puts(seq, " taken-back");
	else if (file_ns_capable(seq->file, &init_user_ns, CAP_SYS_ADMIN))
		seq_printf(seq, " phys=%pa", &run->phys);
	seq_putc(seq, '\n');
}

static void debug_see_lengths(struct debug_walk *walk,
			      struct iommufd_ioas *ioas)
{
	iommufd_look_at_lengths(&ioas->as, &walk->seen.lengths);
}

static void debug_show_lengths(struct seq_file *seq,
			       const struct debug_walk *walk)
{
	const struct iommufd_look_lengths *lengths = &walk->seen.lengths;
	unsigned int i;

	for (i = 0; i < IOMMUFD_LOOK_LENGTHS; i++)
		if (lengths->nr_runs[i])
			seq_printf(seq, " 0x%lx=%llu", BIT(i),
				   lengths->nr_runs[i]);
	seq_putc(seq, '\n');
}

static const struct debug_table debug_tables[] = {
	{
		.name = "contexts",
		.look_at_context = debug_see_totals,
		.show = debug_show_totals,
	},
	{
		.name = "spaces",
		.look_at_ioas = debug_see_space,
		.show = debug_show_space,
	},
	{
		.name = "reserved",
		.look_at_iova = debug_see_reserved,
		.show = debug_show_reserved,
	},
	{
		.name = "allowed",
		.look_at_iova = debug_see_allowed,
		.show = debug_show_allowed,
	},
	{
		.name = "areas",
		.look_at_iova = debug_see_area,
		.show = debug_show_area,
	},
	{
		.name = "runs",
		.look_at_iova = debug_see_run,
		.show = debug_show_run,
	},
	{
		.name = "lengths",
		.look_at_ioas = debug_see_lengths,
		.show = debug_show_lengths,
	},
};

/*
 * Walks
 */

static void debug_leave_ioas(struct debug_walk *walk)
{
	walk->ioas++;
	walk->iova = 0;
}

static void debug_leave_ctx(struct debug_walk *walk)
{
	walk->context++;
	walk->ioas = 0;
	walk->iova = 0;
}

static bool debug_see_in_ioas(struct debug_walk *walk,
			      struct iommufd_ioas *ioas)
{
	if (walk->table->look_at_iova)
		return walk->table->look_at_iova(walk, ioas);
	walk->table->look_at_ioas(walk, ioas);
	return true;
}

/* The first line at the key or behind it in the context, if there is any */
static bool debug_see_in_ctx(struct debug_walk *walk, struct iommufd_ctx *ctx)
{
	u32 id = walk->ioas ? walk->ioas - 1 : 0;
	struct iommufd_ioas *ioas;
	bool found;

	while (iommufd_object_next_id(ctx, &id)) {
		if (fatal_signal_pending(current))
			return false;
		cond_resched();
		ioas = iommufd_ioas_get(ctx, id);
		if (IS_ERR(ioas))
			continue;
		if (walk->ioas != id) {
			walk->ioas = id;
			walk->iova = 0;
		}
		found = debug_see_in_ioas(walk, ioas);
		iommufd_object_put(ctx, &ioas->obj);
		if (found)
			return true;
	}
	return false;
}

static bool debug_see_ctx(struct debug_walk *walk, struct iommufd_ctx *ctx)
{
	if (!walk->table->look_at_context)
		return debug_see_in_ctx(walk, ctx);
	walk->table->look_at_context(walk, ctx);
	return true;
}

/* See the first line at the key or behind it, and have its key */
static void debug_find(struct debug_walk *walk)
{
	struct iommufd_ctx *ctx;

	walk->found = false;
	while (!fatal_signal_pending(current)) {
		ctx = debug_get_ctx(walk->context);
		if (!ctx)
			return;
		if (walk->context != ctx->number) {
			walk->context = ctx->number;
			walk->ioas = 0;
			walk->iova = 0;
		}
		walk->found = debug_see_ctx(walk, ctx);
		/*
		 * If it was closed meanwhile it goes when this system call
		 * ends.
		 */
		iommufd_ctx_put(ctx);
		if (walk->found)
			return;
		debug_leave_ctx(walk);
		cond_resched();
	}
}

/* The key behind that of the line */
static void debug_step(struct debug_walk *walk)
{
	if (walk->table->look_at_context)
		debug_leave_ctx(walk);
	else if (walk->table->look_at_ioas || walk->last == ULONG_MAX)
		debug_leave_ioas(walk);
	else
		walk->iova = walk->last + 1;
}

static void *debug_line(struct debug_walk *walk)
{
	if (fatal_signal_pending(current))
		return ERR_PTR(-EINTR);
	return walk->found ? walk : NULL;
}

static void *debug_seq_start(struct seq_file *seq, loff_t *pos)
{
	struct debug_walk *walk = seq->private;

	/* What did not fit into the last buffer is there still. */
	if (*pos && *pos == walk->pos && walk->found)
		return walk;
	if (!*pos) {
		walk->context = 0;
		debug_leave_ctx(walk);
	}
	walk->pos = *pos;
	debug_find(walk);
	return debug_line(walk);
}

static void *debug_seq_next(struct seq_file *seq, void *line, loff_t *pos)
{
	struct debug_walk *walk = line;

	walk->pos = ++*pos;
	debug_step(walk);
	debug_find(walk);
	return debug_line(walk);
}

static void debug_seq_stop(struct seq_file *seq, void *line)
{
}

static int debug_seq_show(struct seq_file *seq, void *line)
{
	const struct debug_walk *walk = line;

	seq_printf(seq, "context=%llu", walk->context);
	if (!walk->table->look_at_context)
		seq_printf(seq, " ioas=%u", walk->ioas);
	walk->table->show(seq, walk);
	return 0;
}

static const struct seq_operations debug_seq_ops = {
	.start = debug_seq_start,
	.next = debug_seq_next,
	.stop = debug_seq_stop,
	.show = debug_seq_show,
};

static int debug_open(struct inode *inode, struct file *file)
{
	struct debug_walk *walk;

	walk = __seq_open_private(file, &debug_seq_ops, sizeof(*walk));
	if (!walk)
		return -ENOMEM;
	walk->table = inode->i_private;
	return 0;
}

static const struct file_operations debug_fops = {
	.owner = THIS_MODULE,
	.open = debug_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

/**
 * iommufd_debugfs_init - make the files
 *
 * Failing to make them is no error.
 */
void __init iommufd_debugfs_init(void)
{
	const struct debug_table *table;
	unsigned int i;

	debug_dir = debugfs_create_dir("iommufd", NULL);
	for (i = 0; i < ARRAY_SIZE(debug_tables); i++) {
		table = &debug_tables[i];
		debugfs_create_file(table->name, 0400, debug_dir,
				    (void *)table, &debug_fops);
	}
}

/**
 * iommufd_debugfs_exit - remove the files
 */
void iommufd_debugfs_exit(void)
{
	debugfs_remove(debug_dir);
}
