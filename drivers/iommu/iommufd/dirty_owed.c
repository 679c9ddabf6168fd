// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is owed to the readers of dirty state
 *
 * An entry of a page table has one dirty bit. Who reads a part of the entry
 * clears the bit, but learns of the part only; the rest is remembered here, for
 * those who ask for the rest. Called by those who read page tables.
 */
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "dirty_owed.h"

/* With fewer ranges than this it is not checked which are still mapped. */
#define SWEEP_MIN 64UL

/**
 * iommufd_owed_init - begin with nothing owed
 * @owed: to be initialised
 */
void iommufd_owed_init(struct iommufd_owed *owed)
{
	mutex_init(&owed->mutex);
	owed->ranges = RB_ROOT_CACHED;
	owed->nr_ranges = 0;
	owed->sweep_at = SWEEP_MIN;
	owed->nr_spare = 0;
}

/**
 * iommufd_owed_destroy - free what is left
 * @owed: that of a page table that nobody reads any more
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_owed_destroy(struct iommufd_owed *owed)
{
	mutex_lock(&owed->mutex);
	iommufd_owed_settle_all(owed);
	mutex_unlock(&owed->mutex);
	while (owed->nr_spare)
		kfree(owed->spare[--owed->nr_spare]);
}

/**
 * iommufd_owed_prepare - make room for what one reading can add
 * @owed: the page table's
 *
 * Context: caller holds the mutex; may sleep.
 * Return: 0 or -ENOMEM.
 */
int iommufd_owed_prepare(struct iommufd_owed *owed)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&owed->mutex);

	while (owed->nr_spare != IOMMUFD_OWED_SPARE) {
		node = kmalloc_obj(*node, GFP_KERNEL_ACCOUNT);
		if (!node)
			return -ENOMEM;
		owed->spare[owed->nr_spare++] = node;
	}
	return 0;
}

static void owed_insert_range(struct iommufd_owed *owed,
			      struct interval_tree_node *node,
			      unsigned long first, unsigned long last)
{
	node->start = first;
	node->last = last;
	interval_tree_insert(node, &owed->ranges);
	owed->nr_ranges++;
}

static void owed_remove_range(struct iommufd_owed *owed,
			      struct interval_tree_node *node)
{
	interval_tree_remove(node, &owed->ranges);
	owed->nr_ranges--;
}

static struct interval_tree_node *owed_take_spare(struct iommufd_owed *owed)
{
	return owed->spare[--owed->nr_spare];
}

static void owed_free_node(struct iommufd_owed *owed,
			   struct interval_tree_node *node)
{
	if (owed->nr_spare == IOMMUFD_OWED_SPARE)
		kfree(node);
	else
		owed->spare[owed->nr_spare++] = node;
}

/**
 * iommufd_owed_add - remember that a range is owed
 * @owed: the page table's, with iommufd_owed_prepare() before the reading
 * @first: first IOVA
 * @last: last IOVA
 *
 * Context: caller holds the mutex. Cannot fail.
 */
void iommufd_owed_add(struct iommufd_owed *owed, unsigned long first,
		      unsigned long last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&owed->mutex);

	/* Merge with ranges that it overlaps or touches. */
	while ((node = interval_tree_iter_first(&owed->ranges,
						first ? first - 1 : first,
						last < ULONG_MAX ? last + 1 :
								   last))) {
		first = min(first, node->start);
		last = max(last, node->last);
		owed_remove_range(owed, node);
		owed_free_node(owed, node);
	}
	owed_insert_range(owed, owed_take_spare(owed), first, last);
}

/**
 * iommufd_owed_settle - nothing of a range is owed any more
 * @owed: the page table's, with iommufd_owed_prepare() before the reading
 * @first: first IOVA
 * @last: last IOVA
 *
 * Context: caller holds the mutex; may sleep. Cannot fail.
 */
void iommufd_owed_settle(struct iommufd_owed *owed, unsigned long first,
			 unsigned long last)
{
	struct interval_tree_node *node;
	unsigned long start, end;

	lockdep_assert_held(&owed->mutex);

	while ((node = interval_tree_iter_first(&owed->ranges, first, last))) {
		start = node->start;
		end = node->last;
		owed_remove_range(owed, node);
		if (start < first && end > last) {
			owed_insert_range(owed, node, start, first - 1);
			owed_insert_range(owed, owed_take_spare(owed), last + 1,
					  end);
		} else if (start < first) {
			owed_insert_range(owed, node, start, first - 1);
		} else if (end > last) {
			owed_insert_range(owed, node, last + 1, end);
		} else {
			owed_free_node(owed, node);
		}
		cond_resched();
	}
}

/**
 * iommufd_owed_settle_all - nothing is owed any more
 * @owed: the page table's
 *
 * Context: caller holds the mutex; may sleep. Cannot fail.
 */
void iommufd_owed_settle_all(struct iommufd_owed *owed)
{
	struct interval_tree_node *node, *next;

	lockdep_assert_held(&owed->mutex);

	rbtree_postorder_for_each_entry_safe(node, next, &owed->ranges.rb_root,
					     rb) {
		kfree(node);
		cond_resched();
	}
	owed->ranges = RB_ROOT_CACHED;
	owed->nr_ranges = 0;
	owed->sweep_at = SWEEP_MIN;
}

/**
 * iommufd_owed_sweep - forget what is owed of memory that is gone
 * @owed: the page table's
 * @is_mapped: whether anything in a range is mapped
 * @data: for @is_mapped
 *
 * An unmap does not remove ranges from here. Instead they are checked when
 * their number has doubled, so that at most about half of them are stale.
 *
 * Context: caller holds the mutex; may sleep, and takes what @is_mapped does.
 * Cannot fail.
 */
void iommufd_owed_sweep(struct iommufd_owed *owed,
			bool (*is_mapped)(void *data, unsigned long first,
					  unsigned long last), void *data)
{
	struct interval_tree_node *node, *next;

	lockdep_assert_held(&owed->mutex);

	if (likely(owed->nr_ranges < owed->sweep_at))
		return;
	for (node = interval_tree_iter_first(&owed->ranges, 0, ULONG_MAX); node;
	     node = next) {
		next = interval_tree_iter_next(node, 0, ULONG_MAX);
		if (!is_mapped(data, node->start, node->last)) {
			owed_remove_range(owed, node);
			owed_free_node(owed, node);
		}
		cond_resched();
	}
	owed->sweep_at = max(SWEEP_MIN, 2 * owed->nr_ranges);
}

bool __iommufd_owed_next(struct iommufd_owed *owed, unsigned long *first,
			 unsigned long *last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&owed->mutex);

	node = interval_tree_iter_first(&owed->ranges, *first, *last);
	if (!node)
		return false;
	*first = max(*first, node->start);
	*last = min(*last, node->last);
	return true;
}
