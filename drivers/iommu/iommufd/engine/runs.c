// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run vectors: building, sharing, walking
 *
 * Owns the memory of run vectors. Called by the pinned-memory object and by
 * the sources that fill vectors.
 */
#include <linux/minmax.h>
#include <linux/slab.h>

#include "runs.h"

static struct iommufd_run_chunk *runs_last_chunk(struct iommufd_run_vec *vec)
{
	return &vec->chunks[vec->nr_chunks - 1];
}

static int runs_grow_chunk_table(struct iommufd_run_vec *vec)
{
	bool embedded = vec->chunks == &vec->first_chunk;
	unsigned int max_chunks = vec->max_chunks * 2;
	struct iommufd_run_chunk *chunks;

	chunks = kvrealloc(embedded ? NULL : vec->chunks,
			   max_chunks * sizeof(*chunks), GFP_KERNEL_ACCOUNT);
	if (!chunks)
		return -ENOMEM;
	if (embedded)
		chunks[0] = vec->first_chunk;
	vec->chunks = chunks;
	vec->max_chunks = max_chunks;
	return 0;
}

static void runs_free_vec(struct iommufd_run_vec *vec)
{
	while (vec->nr_chunks > 1)
		kfree(vec->chunks[--vec->nr_chunks].runs);
	if (vec->chunks != &vec->first_chunk)
		kvfree(vec->chunks);
	kfree(vec);
}

/* A vector with room for @nr_max runs in its first chunk */
static struct iommufd_run_vec *runs_alloc_vec(unsigned int nr_max, gfp_t gfp)
{
	struct iommufd_run_vec *vec;

	vec = kmalloc_flex(*vec, first_runs, nr_max, GFP_KERNEL_ACCOUNT | gfp);
	if (!vec)
		return NULL;
	refcount_set(&vec->refs, 1);
	vec->nr_chunks = 1;
	vec->max_chunks = 1;
	vec->chunks = &vec->first_chunk;
	vec->first_chunk.first_page = 0;
	vec->first_chunk.runs = vec->first_runs;
	return vec;
}

/*
 * Room for a run of each page that is still to come, as far as a chunk may be
 * that large.
 */
static unsigned int runs_needed(const struct iommufd_run_builder *runs,
				size_t other_bytes)
{
	unsigned long room = (IOMMUFD_RUNS_MAX_BYTES - other_bytes) /
			     sizeof(struct iommufd_run);

	return min(runs->npages_max - runs->npages, room);
}

/* The tail is the first run in the vector. */
static int runs_start_vec(struct iommufd_run_builder *runs)
{
	unsigned int room = runs_needed(runs, sizeof(*runs->vec) +
					      sizeof(runs->tail));

	runs->vec = runs_alloc_vec(1 + room, 0);
	if (!runs->vec)
		return -ENOMEM;
	runs->vec->first_runs[0] = runs->tail;
	runs->place = &runs->vec->first_runs[1];
	runs->room = room - 1;
	return 0;
}

/* The tail has been written to its place. */
static struct iommufd_run_chunk *
runs_end_chunk(struct iommufd_run_builder *runs)
{
	struct iommufd_run_chunk *chunk = runs_last_chunk(runs->vec);

	*runs->place++ = runs->tail;
	chunk->nr_runs = runs->place - chunk->runs;
	return chunk;
}

/* The tail is the last run in a full chunk. */
static int runs_add_chunk(struct iommufd_run_builder *runs)
{
	struct iommufd_run_vec *vec = runs->vec;
	unsigned int room = runs_needed(runs, 0);
	struct iommufd_run *chunk;

	if (vec->nr_chunks == vec->max_chunks && runs_grow_chunk_table(vec))
		return -ENOMEM;

	chunk = kmalloc_array(room, sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return -ENOMEM;
	runs_end_chunk(runs);
	vec->chunks[vec->nr_chunks++] = (struct iommufd_run_chunk){
		.first_page = runs->npages,
		.runs = chunk,
	};
	runs->place = chunk;
	runs->room = room - 1;
	return 0;
}

/* The part of iommufd_runs_append() that needs memory */
int __iommufd_runs_append(struct iommufd_run_builder *runs, unsigned long pfn,
			  unsigned long npages)
{
	if (!runs->npages) {
		iommufd_runs_append_first(runs, pfn, npages);
		return 0;
	}
	if (runs->vec ? runs_add_chunk(runs) : runs_start_vec(runs))
		return -ENOMEM;
	runs->tail = iommufd_run(pfn, npages);
	runs->npages += npages;
	return 0;
}

static void runs_trim_vec(struct iommufd_run_builder *runs)
{
	unsigned int nr_runs = runs->vec->first_chunk.nr_runs;
	struct iommufd_run_vec *trimmed;

	trimmed = runs_alloc_vec(nr_runs, __GFP_NOWARN);
	if (!trimmed)
		return;
	memcpy(trimmed->first_runs, runs->vec->first_runs,
	       nr_runs * sizeof(*trimmed->first_runs));
	trimmed->first_chunk.nr_runs = nr_runs;
	runs_free_vec(runs->vec);
	runs->vec = trimmed;
}

static void runs_trim_chunk(struct iommufd_run_chunk *chunk)
{
	struct iommufd_run *trimmed;

	trimmed = kmalloc_array(chunk->nr_runs, sizeof(*trimmed),
				GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!trimmed)
		return;
	memcpy(trimmed, chunk->runs, chunk->nr_runs * sizeof(*trimmed));
	kfree(chunk->runs);
	chunk->runs = trimmed;
}

/* The part of iommufd_runs_finish() for what is not just one run */
struct iommufd_run_vec *__iommufd_runs_finish(struct iommufd_run_builder *runs)
{
	struct iommufd_run_chunk *chunk = runs_end_chunk(runs);

	/* The room was a guess: return what is not needed. */
	if (chunk->nr_runs <= runs->room) {
		if (chunk == &runs->vec->first_chunk)
			runs_trim_vec(runs);
		else
			runs_trim_chunk(chunk);
	}
	return runs->vec;
}

/**
 * iommufd_run_slice_split - cut a slice in two
 * @left: the slice; keeps its first @npages pages
 * @npages: where to cut, in pages from the start of the slice
 * @right: receives the rest
 *
 * Allocates nothing. Each of the two is put by itself.
 */
void iommufd_run_slice_split(struct iommufd_run_slice *left,
			     unsigned long npages,
			     struct iommufd_run_slice *right)
{
	*right = *left;
	if (left->vec) {
		refcount_inc(&left->vec->refs);
		right->first_page += npages;
		return;
	}
	right->run = iommufd_run(iommufd_run_pfn(left->run) + npages,
				 iommufd_run_npages(left->run) - npages);
	left->run = iommufd_run(iommufd_run_pfn(left->run), npages);
}

/**
 * iommufd_run_slice_share - have pages that two slices describe stored once
 * @slice: a slice that nobody reads yet, all of a vector; receives the same
 *         pages as they are in @other
 * @other: a slice that has them, too
 * @skip: where they begin in it, in pages from its start
 *
 * All of a vector stays as long as one slice uses it. A vector more than twice
 * as large as that of @slice is not shared, so that a slice of few pages does
 * not keep a large one.
 *
 * Context: any. Allocates nothing.
 * Return: what @slice was, to be put without locks held, as that may take long;
 * a single run, which need not be put, if @slice has not changed.
 */
struct iommufd_run_slice
iommufd_run_slice_share(struct iommufd_run_slice *slice,
			const struct iommufd_run_slice *other,
			unsigned long skip)
{
	struct iommufd_run_slice own = *slice;

	if (!own.vec || !other->vec ||
	    other->vec->nr_chunks > 2 * own.vec->nr_chunks)
		return (struct iommufd_run_slice){};
	refcount_inc(&other->vec->refs);
	slice->vec = other->vec;
	slice->first_page = other->first_page + skip;
	return own;
}

void __iommufd_run_vec_put(struct iommufd_run_vec *vec)
{
	if (refcount_dec_and_test(&vec->refs))
		runs_free_vec(vec);
}

static unsigned int runs_find_chunk(const struct iommufd_run_vec *vec,
				    unsigned long page)
{
	unsigned int low = 0, high = vec->nr_chunks;

	while (high - low > 1) {
		unsigned int mid = low + (high - low) / 2;

		if (vec->chunks[mid].first_page <= page)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static void run_skip_pages(struct iommufd_run *run, unsigned long npages)
{
	*run = iommufd_run(iommufd_run_pfn(*run) + npages,
			   iommufd_run_npages(*run) - npages);
}

/**
 * iommufd_run_slice_walk - begin to walk a part of a slice
 * @slice: the slice
 * @skip: where to begin, in pages from the start of the slice
 * @npages: how many pages to walk; within the slice
 * @cursor: receives the place
 */
void iommufd_run_slice_walk(const struct iommufd_run_slice *slice,
			    unsigned long skip, unsigned long npages,
			    struct iommufd_run_cursor *cursor)
{
	const struct iommufd_run_chunk *chunk;

	*cursor = (struct iommufd_run_cursor){
		.vec = slice->vec,
		.left = npages,
	};
	if (!npages)
		return;
	if (!slice->vec) {
		cursor->run = slice->run;
		run_skip_pages(&cursor->run, skip);
		return;
	}

	skip += slice->first_page;
	cursor->chunk = runs_find_chunk(slice->vec, skip);
	chunk = &slice->vec->chunks[cursor->chunk];
	skip -= chunk->first_page;
	cursor->next = chunk->runs;
	while (skip >= iommufd_run_npages(*cursor->next))
		skip -= iommufd_run_npages(*cursor->next++);
	cursor->end = cursor->next;
	cursor->skip = skip;
}

/* The part of iommufd_run_cursor_next() for what is not just the next run */
bool __iommufd_run_cursor_next(struct iommufd_run_cursor *cursor,
			       struct iommufd_run *run)
{
	const struct iommufd_run_chunk *chunk;
	unsigned long npages;

	if (!cursor->left)
		return false;

	if (!cursor->vec) {
		*run = iommufd_run(iommufd_run_pfn(cursor->run), cursor->left);
		cursor->left = 0;
		return true;
	}

	chunk = &cursor->vec->chunks[cursor->chunk];
	if (cursor->next == chunk->runs + chunk->nr_runs) {
		chunk++;
		cursor->chunk++;
		cursor->next = chunk->runs;
	}
	cursor->end = chunk->runs + chunk->nr_runs;

	*run = *cursor->next++;
	run_skip_pages(run, cursor->skip);
	cursor->skip = 0;
	npages = min(iommufd_run_npages(*run), cursor->left);
	*run = iommufd_run(iommufd_run_pfn(*run), npages);
	cursor->left -= npages;
	return true;
}
