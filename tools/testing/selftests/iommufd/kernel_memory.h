/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel allocates on behalf of this process, and who pays for it.
 * Functions return 0 or a negative errno.
 */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

/* In bytes. */
struct kernel_memory {
	long slab;		/* objects of this control group */
	long tables;		/* pages of IOMMU page tables, the same */
	long charged;		/* all kernel memory of this control group */
	long taken;		/* by anybody: what is not free */
};

/*
 * Moves this process to a control group of its own, so that there is
 * something to count; leave goes back to the root and removes it. Needs root
 * and the second version of control groups.
 */
int memory_group_enter(void);
void memory_group_leave(void);
/*
 * From now on the group gets so many bytes more than it has, or as many as there
 * are. What it has is not swapped out.
 */
int memory_group_limit(long bytes);
int memory_group_unlimit(void);
/* What the group is charged for, to the page */
int memory_group_charge(long *bytes);

/* Only the differences of two results mean something. */
int kernel_memory_get(struct kernel_memory *memory);

#endif
