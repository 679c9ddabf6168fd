/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs: physical memory as (first PFN, number of pages)
 */

/**
 * DOC: Runs
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
#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/mmzone.h>
#include <linux/pgtable.h>
#include <linux/refcount.h>
#include <linux/sizes.h>
#include <linux/types.h>

/*
 * Bits of a physical address of memory, as a constant. Where the kernel learns
 * the number when it boots, it has a constant for the maximum. Memory of
 * devices may lie above, see iommufd_run_fits().
 */
#if defined(MAX_POSSIBLE_PHYSMEM_BITS)
#define IOMMUFD_PHYSMEM_BITS MAX_POSSIBLE_PHYSMEM_BITS
#elif defined(MAX_PHYSMEM_BITS)
#define IOMMUFD_PHYSMEM_BITS MAX_PHYSMEM_BITS
#else
#define IOMMUFD_PHYSMEM_BITS (BITS_PER_LONG == 32 ? 32 + PAGE_SHIFT : 56)
#endif

/* A run has 64 bits: what a PFN does not need is for the length, up to 24. */
#define IOMMUFD_RUN_PFN_BITS MAX(IOMMUFD_PHYSMEM_BITS - PAGE_SHIFT, 40)
#define IOMMUFD_RUN_NPAGES_BITS (64 - IOMMUFD_RUN_PFN_BITS)
#define IOMMUFD_RUN_MAX_NPAGES (BIT_ULL(IOMMUFD_RUN_NPAGES_BITS) - 1)

/* Long enough that memory in one piece takes few runs */
static_assert(IOMMUFD_RUN_NPAGES_BITS >= 16);

/* An allocation of runs is at most that large */
#define IOMMUFD_RUNS_MAX_BYTES SZ_4K

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

/* Is a PFN small enough for a run? All of those with a struct page are. */
static inline bool iommufd_run_fits(u64 pfn)
{
	return !(pfn >> IOMMUFD_RUN_PFN_BITS);
}

static inline unsigned long iommufd_run_pfn(struct iommufd_run run)
{
	return run.packed >> IOMMUFD_RUN_NPAGES_BITS;
}

static inline unsigned long iommufd_run_npages(struct iommufd_run run)
{
	return run.packed & IOMMUFD_RUN_MAX_NPAGES;
}

/**
 * struct iommufd_run_chunk - runs that are in one allocation
 * @first_page: index within the vector of the first page that is described
 *              here, which lets a reader find its place in a long vector by
 *              bisection
 * @runs: the runs
 * @nr_runs: how many; the builder sets it when it leaves the chunk
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
 * @first_chunk: is @chunks while there is only one
 * @first_runs: the runs of the first chunk
 */
struct iommufd_run_vec {
	refcount_t refs;
	unsigned int nr_chunks;
	unsigned int max_chunks;
	struct iommufd_run_chunk *chunks;
	struct iommufd_run_chunk first_chunk;
	struct iommufd_run first_runs[];
};

/**
 * struct iommufd_run_builder - a run vector while memory is being pinned
 * @npages_max: pages that will be appended at most
 * @npages: pages appended so far
 * @tail: the last run, which may still grow; its place in @vec is reserved
 * @vec: the runs before @tail, NULL while there are none
 * @place: where @tail will be in @vec
 * @room: runs that there is room for behind @place
 */
struct iommufd_run_builder {
	unsigned long npages_max;
	unsigned long npages;
	struct iommufd_run tail;
	struct iommufd_run_vec *vec;
	struct iommufd_run *place;
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

/**
 * iommufd_runs_init - begin to build a run vector
 * @runs: the builder
 * @npages: pages that will be appended at most; sizes the allocations
 */
static inline void iommufd_runs_init(struct iommufd_run_builder *runs,
				     unsigned long npages)
{
	*runs = (struct iommufd_run_builder){ .npages_max = npages };
}

int __iommufd_runs_append(struct iommufd_run_builder *runs, unsigned long pfn,
			  unsigned long npages);
struct iommufd_run_vec *__iommufd_runs_finish(struct iommufd_run_builder *runs);

/**
 * iommufd_runs_append - add pages to the end of a vector that is being built
 * @runs: the builder
 * @pfn: first page frame; iommufd_run_fits()
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
	} else {
		if (unlikely(!runs->room))
			return __iommufd_runs_append(runs, pfn, npages);
		runs->room--;
		*runs->place++ = runs->tail;
		runs->tail = iommufd_run(pfn, npages);
	}
	runs->npages += npages;
	return 0;
}

/**
 * iommufd_runs_append_first - add pages to an empty builder
 * @runs: the builder, without pages
 * @pfn: the first page
 * @npages: how many, at most IOMMUFD_RUN_MAX_NPAGES
 *
 * One run needs no memory. Cannot fail.
 */
static inline void iommufd_runs_append_first(struct iommufd_run_builder *runs,
					     unsigned long pfn,
					     unsigned long npages)
{
	runs->tail = iommufd_run(pfn, npages);
	runs->npages = npages;
}

/**
 * iommufd_runs_finish - end building
 * @runs: the builder, to be forgotten
 * @slice: receives all that was appended, which may be nothing
 *
 * Context: may sleep. Cannot fail.
 */
static inline void iommufd_runs_finish(struct iommufd_run_builder *runs,
				       struct iommufd_run_slice *slice)
{
	if (runs->vec)
		*slice = (struct iommufd_run_slice){
			.vec = __iommufd_runs_finish(runs)
		};
	else
		*slice = (struct iommufd_run_slice){ .run = runs->tail };
}

void iommufd_run_slice_split(struct iommufd_run_slice *left,
			     unsigned long npages,
			     struct iommufd_run_slice *right);
struct iommufd_run_slice
iommufd_run_slice_share(struct iommufd_run_slice *slice,
			const struct iommufd_run_slice *other,
			unsigned long skip);
void __iommufd_run_vec_put(struct iommufd_run_vec *vec);

/**
 * iommufd_run_slice_put - forget a slice
 * @slice: the slice
 */
static inline void iommufd_run_slice_put(struct iommufd_run_slice *slice)
{
	if (slice->vec)
		__iommufd_run_vec_put(slice->vec);
}

static inline bool iommufd_run_has_room(struct iommufd_run run,
					unsigned long npages)
{
	return npages <= IOMMUFD_RUN_MAX_NPAGES - iommufd_run_npages(run);
}

/**
 * iommufd_run_slice_join - undo iommufd_run_slice_split()
 * @left: the slice that comes first; receives both
 * @npages: the pages of @left
 * @right: the slice that follows it; to be forgotten when it has been joined
 *
 * Slices can be joined when they are of the same vector, one behind the other,
 * or single runs of which the second continues the first.
 *
 * Context: any. Allocates nothing.
 * Return: false, with nothing changed, if these two cannot be one.
 */
static __always_inline bool
iommufd_run_slice_join(struct iommufd_run_slice *left, unsigned long npages,
		       struct iommufd_run_slice *right)
{
	if (left->vec != right->vec)
		return false;
	if (left->vec) {
		if (right->first_page != left->first_page + npages)
			return false;
		iommufd_run_slice_put(right);
		return true;
	}
	if (iommufd_run_pfn(right->run) !=
		    iommufd_run_pfn(left->run) + npages ||
	    !iommufd_run_has_room(left->run, iommufd_run_npages(right->run)))
		return false;
	left->run = iommufd_run(iommufd_run_pfn(left->run),
				npages + iommufd_run_npages(right->run));
	return true;
}

void iommufd_run_slice_walk(const struct iommufd_run_slice *slice,
			    unsigned long skip, unsigned long npages,
			    struct iommufd_run_cursor *cursor);
bool __iommufd_run_cursor_next(struct iommufd_run_cursor *cursor,
			       struct iommufd_run *run);

/* On a copy, so that the compiler can keep the caller's cursor in registers */
static __always_inline bool
iommufd_run_cursor_next_slow(struct iommufd_run_cursor *cursor,
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
 * iommufd_run_cursor_next_ready - take the run at the cursor if it lies ready
 * @cursor: the cursor
 * @end: the run has less pages than this, which is at most what is left to walk
 * @run: receives the run
 *
 * What lies ready is a whole run in which the walk does not end, in the chunk
 * where the cursor is. It does not continue the run before, unless that is as
 * long as a run can be.
 *
 * The caller takes its pages off iommufd_run_cursor::left, perhaps those of
 * several runs at once.
 *
 * Return: false if the next run, if there is one, does not lie ready.
 */
static __always_inline bool
iommufd_run_cursor_next_ready(struct iommufd_run_cursor *cursor,
			      unsigned long end, struct iommufd_run *run)
{
	if (unlikely(cursor->next == cursor->end) ||
	    unlikely(iommufd_run_npages(*cursor->next) >= end))
		return false;
	*run = *cursor->next++;
	return true;
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
	if (unlikely(!iommufd_run_cursor_next_ready(cursor, cursor->left, run)))
		return iommufd_run_cursor_next_slow(cursor, run);
	cursor->left -= iommufd_run_npages(*run);
	return true;
}

#endif
