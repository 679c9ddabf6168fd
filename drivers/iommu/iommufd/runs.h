/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs: physical memory as (first PFN, number of pages)
 *
 * A run is a stretch of physically contiguous pages, whatever folios they
 * belong to. A run vector describes a linear range of memory: page 0 of the
 * vector is the first page of its first run, and so on. Runs are packed into
 * 8 bytes, so memory whose pages are all scattered costs 8 bytes a page and
 * huge pages cost next to nothing. A vector of a single run allocates nothing.
 *
 * Locking: none here. A vector is built by one thread and is read-only
 * afterwards, so any number of readers may share it.
 */
#ifndef __IOMMUFD_RUNS_H
#define __IOMMUFD_RUNS_H

#include <linux/bits.h>
#include <linux/refcount.h>
#include <linux/types.h>

#define IOMMUFD_RUN_NPAGES_BITS 24
#define IOMMUFD_RUN_MAX_NPAGES (BIT_ULL(IOMMUFD_RUN_NPAGES_BITS) - 1)

/* Runs in a full chunk; one chunk is then one 4 KiB allocation */
#define IOMMUFD_RUNS_PER_CHUNK 512

/**
 * struct iommufd_run - a physically contiguous stretch of pages
 * @packed: the first PFN above IOMMUFD_RUN_NPAGES_BITS, the length below
 */
struct iommufd_run {
	u64 packed;
};

static inline struct iommufd_run iommufd_run(unsigned long pfn,
					     unsigned long npages)
{
	return (struct iommufd_run){
		(u64)pfn << IOMMUFD_RUN_NPAGES_BITS | npages
	};
}

static inline unsigned long iommufd_run_pfn(struct iommufd_run run)
{
	return run.packed >> IOMMUFD_RUN_NPAGES_BITS;
}

static inline unsigned long iommufd_run_npages(struct iommufd_run run)
{
	return run.packed & IOMMUFD_RUN_MAX_NPAGES;
}

/*
 * Runs of equal capacity are kept together. first_page is the index within the
 * vector of the first page that the chunk describes, which lets a reader find
 * its place in a long vector by bisection.
 */
struct iommufd_run_chunk {
	unsigned long first_page;
	struct iommufd_run *runs;
	unsigned int nr_runs;
};

/**
 * struct iommufd_run_vec - runs that are not just one run
 * @refs: slices of the vector that are in use
 * @nr_chunks: number of chunks in use
 * @max_chunks: number of chunks that @chunks has room for
 * @chunks: the runs, in order
 */
struct iommufd_run_vec {
	refcount_t refs;
	unsigned int nr_chunks;
	unsigned int max_chunks;
	struct iommufd_run_chunk *chunks;
};

/**
 * struct iommufd_run_builder - a run vector while memory is being pinned
 * @npages_max: pages that will be appended at most
 * @npages: pages appended so far
 * @tail: the last run, which may still grow; its place in @vec is reserved
 * @vec: the runs before @tail, NULL while there are none
 * @room: runs that the last chunk has room for
 */
struct iommufd_run_builder {
	unsigned long npages_max;
	unsigned long npages;
	struct iommufd_run tail;
	struct iommufd_run_vec *vec;
	unsigned int room;
};

/**
 * struct iommufd_run_slice - a part of a run vector
 * @vec: the vector, NULL when the slice is a single run
 * @first_page: where the slice begins, in pages from the start of @vec
 * @run: the single run when @vec is NULL
 */
struct iommufd_run_slice {
	struct iommufd_run_vec *vec;
	union {
		unsigned long first_page;
		struct iommufd_run run;
	};
};

/**
 * struct iommufd_run_cursor - a place in a slice
 * @vec: the vector, NULL when the slice is a single run
 * @left: pages until the end of what is walked
 * @next: the next run in the chunk
 * @end: the end of the chunk's runs; equal to @next where the chunk begins or
 *       ends, and the next step needs a closer look
 * @chunk: index of the chunk
 * @skip: pages to skip at the start of the next run
 * @run: what remains of the single run when @vec is NULL
 */
struct iommufd_run_cursor {
	const struct iommufd_run_vec *vec;
	unsigned long left;
	const struct iommufd_run *next;
	const struct iommufd_run *end;
	unsigned int chunk;
	union {
		unsigned long skip;
		struct iommufd_run run;
	};
};

void iommufd_runs_init(struct iommufd_run_builder *runs, unsigned long npages);
int __iommufd_runs_append(struct iommufd_run_builder *runs, unsigned long pfn,
			  unsigned long npages);
void iommufd_runs_finish(struct iommufd_run_builder *runs,
			 struct iommufd_run_slice *slice);

/**
 * iommufd_runs_append - add pages to the end of a vector that is being built
 * @runs: the builder
 * @pfn: first page frame
 * @npages: number of pages, 1 to IOMMUFD_RUN_MAX_NPAGES
 *
 * Pages that continue the last run make it longer.
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM with the builder unchanged.
 */
static inline int iommufd_runs_append(struct iommufd_run_builder *runs,
				      unsigned long pfn, unsigned long npages)
{
	unsigned long tail_npages = iommufd_run_npages(runs->tail);

	if (pfn == iommufd_run_pfn(runs->tail) + tail_npages && tail_npages &&
	    npages <= IOMMUFD_RUN_MAX_NPAGES - tail_npages) {
		runs->tail.packed += npages;
		runs->npages += npages;
		return 0;
	}
	return __iommufd_runs_append(runs, pfn, npages);
}

void iommufd_run_slice_split(struct iommufd_run_slice *left,
			     unsigned long npages,
			     struct iommufd_run_slice *right);
void iommufd_run_slice_put(struct iommufd_run_slice *slice);
void iommufd_run_slice_walk(const struct iommufd_run_slice *slice,
			    unsigned long skip, unsigned long npages,
			    struct iommufd_run_cursor *cursor);
bool __iommufd_run_cursor_next(struct iommufd_run_cursor *cursor,
			       struct iommufd_run *run);

/* On a copy, so that the compiler can keep the caller's cursor in registers */
static __always_inline bool
iommufd_run_cursor_turn(struct iommufd_run_cursor *cursor,
			struct iommufd_run *run)
{
	struct iommufd_run_cursor copy = *cursor;
	struct iommufd_run taken;
	bool found = __iommufd_run_cursor_next(&copy, &taken);

	*cursor = copy;
	*run = taken;
	return found;
}

/**
 * iommufd_run_cursor_next - take the run at the cursor and step on
 * @cursor: the cursor
 * @run: receives the run
 *
 * Return: false when the walk is over.
 */
static __always_inline bool
iommufd_run_cursor_next(struct iommufd_run_cursor *cursor,
			struct iommufd_run *run)
{
	if (likely(cursor->next != cursor->end)) {
		struct iommufd_run next = *cursor->next;

		if (likely(iommufd_run_npages(next) < cursor->left)) {
			cursor->left -= iommufd_run_npages(next);
			cursor->next++;
			*run = next;
			return true;
		}
	}
	return iommufd_run_cursor_turn(cursor, run);
}

#endif
