/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel counts, and a clock. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdbool.h>

#include <linux/types.h>

/* A line of /proc/self/status, such as "VmPin" or "VmLck", in bytes. */
long status_bytes(const char *name);
long vm_pinned(void);
long vm_locked(void);
/* Memory of all page tables of all IOMMUs; -ENOENT: the kernel can't tell. */
long iommu_table_bytes(void);

/*
 * A clock for short stretches of code. Its unit is one instruction when the
 * machine is one whose time is the count of its instructions, else 1 ns.
 */
__u64 stopwatch(void);
bool stopwatch_counts_instructions(void);
const char *stopwatch_unit(void);

#endif
