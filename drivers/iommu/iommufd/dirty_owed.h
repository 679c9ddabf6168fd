/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is owed to the readers of dirty state
 *
 * Terms:
 *  owed   IOVA that was dirty and is not any more in the page table, since the
 *         entry was read for the sake of another part of it, and that nobody
 *         has been told of yet
 */
#ifndef __IOMMUFD_DIRTY_OWED_H
#define __IOMMUFD_DIRTY_OWED_H

#include <linux/interval_tree.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>

/*
 * Ranges that one reading can add: in front of what it reads, behind it, and
 * one that it cuts in two.
 */
#define IOMMUFD_OWED_SPARE 3

/**
 * struct iommufd_owed - what is owed of one page table
 * @mutex: guards all of the below, and is held from before the page table is
 *         read until what is owed then has been noted down, so that whoever
 *         comes next finds it in the one place or in the other
 * @ranges: struct interval_tree_node, never next to one another
 * @nr_ranges: how many these are
 * @sweep_at: number of ranges at which those not mapped any more are removed
 * @spare: nodes that are allocated and not used yet, taken from the end
 * @nr_spare: how many there are
 */
struct iommufd_owed {
	struct mutex mutex;		/* what is owed */
	struct rb_root_cached ranges;
	unsigned long nr_ranges;
	unsigned long sweep_at;
	struct interval_tree_node *spare[IOMMUFD_OWED_SPARE];
	unsigned int nr_spare;
};

void iommufd_owed_init(struct iommufd_owed *owed);
void iommufd_owed_destroy(struct iommufd_owed *owed);

int iommufd_owed_prepare(struct iommufd_owed *owed);
void iommufd_owed_add(struct iommufd_owed *owed, unsigned long first,
		      unsigned long last);
void iommufd_owed_settle(struct iommufd_owed *owed, unsigned long first,
			 unsigned long last);
void iommufd_owed_settle_all(struct iommufd_owed *owed);
void iommufd_owed_sweep(struct iommufd_owed *owed,
			bool (*is_mapped)(void *data, unsigned long first,
					  unsigned long last), void *data);

bool __iommufd_owed_next(struct iommufd_owed *owed, unsigned long *first,
			 unsigned long *last);

/**
 * iommufd_owed_next - find what is owed of a range
 * @owed: the page table's
 * @first: in: the first IOVA of the range; out: that of what is owed
 * @last: in: the last IOVA of the range; out: that of what is owed
 *
 * Context: caller holds the mutex.
 * Return: false if nothing of the range is owed.
 */
static inline bool iommufd_owed_next(struct iommufd_owed *owed,
				     unsigned long *first, unsigned long *last)
{
	/* Nothing is owed as long as readers ask for whole entries. */
	return !RB_EMPTY_ROOT(&owed->ranges.rb_root) &&
	       __iommufd_owed_next(owed, first, last);
}

#endif
