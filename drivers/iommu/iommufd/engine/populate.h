/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Have memory there before it is pinned, by several tasks at once
 */

/**
 * DOC: Populating
 *
 * Memory that is not there yet when it is pinned has to be cleared, which takes
 * nearly all of the time, and which one processor does page by page. To
 * *populate* a range is to have its pages there without pinning them. Who pins
 * a long range and finds that much of it is missing gets *helpers*: tasks that
 * populate what comes next in *chunks*, while he goes on as he would without
 * them. Only he pins, in order, so that runs, page tables and errors are the
 * same. Chunks are taken in order; where he comes upon one that a helper is at,
 * he populates another himself.
 *
 * Helpers are threads of the caller's process, made as vhost makes its own:
 * they have the caller's address space, control groups, affinity, priority,
 * limits and memory policy, and are killed with it. They are gone when the pin
 * is over. If one cannot be made there are fewer. If one meets an error
 * all of them stop: the caller will meet the error himself.
 *
 * Nobody waits for helpers for longer than it takes to populate a piece: they
 * give up what has to wait for user space. Nor do they touch what the caller
 * would not get to: the range is charged before, and they stop where the memory
 * ends.
 *
 * Whether memory is missing is known from what pinning met: of the first chunk,
 * and then in steps so long that looking costs nothing. Helpers that find
 * nothing missing any more stop.
 */
#ifndef __IOMMUFD_POPULATE_H
#define __IOMMUFD_POPULATE_H

#include <linux/mm.h>
#include <linux/sizes.h>

#include "pinned.h"

struct iommufd_crew;

/*
 * Pages that a task populates at a time, and of which it is looked whether some
 * were missing
 */
#define IOMMUFD_CHUNK_NPAGES (SZ_4M >> PAGE_SHIFT)

/**
 * struct iommufd_populate_ops - how a source populates
 * @nr_missed: how often the calling task has met something missing so far, or
 *             anybody; a number that only grows, whatever is counted
 * @end: in front of which page from @first on, and at most @end, does the
 *       memory end that can be populated? Enlarges *@chunk_npages to what one
 *       task had better do alone.
 * @populate: populate @npages pages from @first on. Returns 0, also if it would
 *            have to wait for user space, or a negative errno.
 *
 * The calling task is one of the process whose memory it is, if it is a
 * process's. All but @nr_missed may sleep.
 */
struct iommufd_populate_ops {
	unsigned long (*nr_missed)(struct iommufd_pinned *pinned);
	unsigned long (*end)(struct iommufd_pinned *pinned, unsigned long first,
			     unsigned long end, unsigned long *chunk_npages);
	int (*populate)(struct iommufd_pinned *pinned, unsigned long first,
			unsigned long npages);
};

/**
 * struct iommufd_pin_steps - a range that is being pinned step by step
 * @pinned: the object
 * @ops: how it is populated; only of a long range
 * @end: index of the page in front of which the range ends
 * @limit: the same of the step; what is in front of it can be pinned now
 * @nr_missed: what was missing before this step
 * @is_look: the step is so short that what is missed in it tells
 * @crew: the helpers, if there are any
 */
struct iommufd_pin_steps {
	struct iommufd_pinned *pinned;
	const struct iommufd_populate_ops *ops;
	unsigned long end;
	unsigned long limit;
	unsigned long nr_missed;
	bool is_look;
	struct iommufd_crew *crew;
};

void __iommufd_pin_steps_begin(struct iommufd_pin_steps *steps);
void __iommufd_pin_steps_next(struct iommufd_pin_steps *steps,
			      const struct iommufd_run_builder *runs);
void __iommufd_crew_end(struct iommufd_crew *crew);

int iommufd_populate_init(void);
void iommufd_populate_exit(void);

/**
 * iommufd_pin_steps_begin - begin to pin a range
 * @steps: to be set up
 * @pinned: the object
 * @first: index of the first page
 * @npages: how many
 * @ops: how they are populated by the calling task's process, or NULL
 */
static __always_inline void
iommufd_pin_steps_begin(struct iommufd_pin_steps *steps,
			struct iommufd_pinned *pinned, unsigned long first,
			unsigned long npages,
			const struct iommufd_populate_ops *ops)
{
	steps->end = first + npages;
	steps->limit = steps->end;
	steps->crew = NULL;
	if (likely(npages < 3 * IOMMUFD_CHUNK_NPAGES) || !ops)
		return;
	steps->pinned = pinned;
	steps->ops = ops;
	steps->limit = first + IOMMUFD_CHUNK_NPAGES;
	__iommufd_pin_steps_begin(steps);
}

/**
 * iommufd_pin_step - how much can be pinned now?
 * @steps: as begun
 * @page: index of the next page, which is in the range
 * @runs: what has been pinned so far
 *
 * Context: may sleep, and populate memory meanwhile.
 * Return: a number of pages, which may be less than what remains.
 */
static __always_inline unsigned long
iommufd_pin_step(struct iommufd_pin_steps *steps, unsigned long page,
		 const struct iommufd_run_builder *runs)
{
	if (unlikely(page == steps->limit))
		__iommufd_pin_steps_next(steps, runs);
	return steps->limit - page;
}

/**
 * iommufd_pin_steps_end - the range is pinned, or cannot be
 * @steps: as begun
 *
 * Context: may sleep. The helpers are gone on return.
 */
static __always_inline void
iommufd_pin_steps_end(struct iommufd_pin_steps *steps)
{
	if (unlikely(steps->crew))
		__iommufd_crew_end(steps->crew);
}

#endif
