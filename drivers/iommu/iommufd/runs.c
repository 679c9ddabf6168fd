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

/**
 * iommufd_runs_init - begin to build a run vector
 * @runs: the builder
 * @npages: pages that will be appended at most; sizes the allocations
 */
void iommufd_runs_init(struct iommufd_run_builder *runs, unsigned long npages)
{
	*runs = (struct iommufd_run_builder){ .npages_max = npages };
}

static struct iommufd_run_chunk *last_chunk(struct iommufd_run_vec *vec)
{
	return &vec->chunks[vec->nr_chunks - 1];
}

static int grow_chunk_table(struct iommufd_run_vec *vec)
{
	unsigned int max_chunks = vec->max_chunks ? vec->max_chunks * 2 : 1;
	struct iommufd_run_chunk *chunks;

	chunks = kvrealloc(vec->chunks, max_chunks * sizeof(*chunks),
			   GFP_KERNEL_ACCOUNT);
	if (!chunks)
		return -ENOMEM;
	vec->chunks = chunks;
	vec->max_chunks = max_chunks;
	return 0;
}

/*
 * Every page that is still to come may need a run of its own, but none will
 * need more.
 */
static int add_chunk(struct iommufd_run_builder *runs, unsigned int nr_min,
		     unsigned long first_page)
{
	unsigned long left = runs->npages_max - first_page;
	unsigned int room = clamp(left, nr_min, IOMMUFD_RUNS_PER_CHUNK);
	struct iommufd_run_vec *vec = runs->vec;
	struct iommufd_run *chunk;

	if (vec->nr_chunks == vec->max_chunks && grow_chunk_table(vec))
		return -ENOMEM;

	chunk = kmalloc_array(room, sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return -ENOMEM;
	vec->chunks[vec->nr_chunks++] = (struct iommufd_run_chunk){
		.first_page = first_page,
		.runs = chunk,
	};
	runs->room = room;
	return 0;
}

static void free_vec(struct iommufd_run_vec *vec)
{
	while (vec->nr_chunks)
		kfree(vec->chunks[--vec->nr_chunks].runs);
	kvfree(vec->chunks);
	kfree(vec);
}

static int start_vec(struct iommufd_run_builder *runs)
{
	runs->vec = kzalloc_obj(*runs->vec, GFP_KERNEL_ACCOUNT);
	if (!runs->vec)
		return -ENOMEM;
	refcount_set(&runs->vec->refs, 1);

	/* The first run, which has been in the tail until now, and the new */
	if (add_chunk(runs, 2, 0)) {
		free_vec(runs->vec);
		runs->vec = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void push_tail(struct iommufd_run_chunk *chunk, struct iommufd_run tail)
{
	chunk->runs[chunk->nr_runs++] = tail;
}

/* Put the tail into its place and reserve the place of the next one. */
static int retire_tail(struct iommufd_run_builder *runs)
{
	struct iommufd_run_chunk *chunk;

	if (!runs->vec) {
		if (start_vec(runs))
			return -ENOMEM;
		push_tail(last_chunk(runs->vec), runs->tail);
		return 0;
	}

	if (last_chunk(runs->vec)->nr_runs + 1 < runs->room) {
		push_tail(last_chunk(runs->vec), runs->tail);
		return 0;
	}

	if (add_chunk(runs, 1, runs->npages))
		return -ENOMEM;
	chunk = last_chunk(runs->vec) - 1;
	push_tail(chunk, runs->tail);
	return 0;
}

/* The part of iommufd_runs_append() that begins a new run */
int __iommufd_runs_append(struct iommufd_run_builder *runs, unsigned long pfn,
			  unsigned long npages)
{
	if (runs->npages && retire_tail(runs))
		return -ENOMEM;
	runs->tail = iommufd_run(pfn, npages);
	runs->npages += npages;
	return 0;
}

/* The room of the last chunk was a guess: return what is not needed. */
static void trim_last_chunk(struct iommufd_run_builder *runs)
{
	struct iommufd_run_chunk *chunk = last_chunk(runs->vec);
	struct iommufd_run *trimmed;

	if (chunk->nr_runs * 2 > runs->room)
		return;
	trimmed = kmalloc_array(chunk->nr_runs, sizeof(*trimmed),
				GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!trimmed)
		return;
	memcpy(trimmed, chunk->runs, chunk->nr_runs * sizeof(*trimmed));
	kfree(chunk->runs);
	chunk->runs = trimmed;
}

/**
 * iommufd_runs_finish - end building
 * @runs: the builder, to be forgotten
 * @slice: receives all that was appended, which may be nothing
 *
 * Context: may sleep. Cannot fail.
 */
void iommufd_runs_finish(struct iommufd_run_builder *runs,
			 struct iommufd_run_slice *slice)
{
	if (!runs->vec) {
		*slice = (struct iommufd_run_slice){ .run = runs->tail };
		return;
	}
	push_tail(last_chunk(runs->vec), runs->tail);
	trim_last_chunk(runs);
	*slice = (struct iommufd_run_slice){ .vec = runs->vec };
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
 * iommufd_run_slice_put - forget a slice
 * @slice: the slice
 */
void iommufd_run_slice_put(struct iommufd_run_slice *slice)
{
	if (slice->vec && refcount_dec_and_test(&slice->vec->refs))
		free_vec(slice->vec);
}

static unsigned int find_chunk(const struct iommufd_run_vec *vec,
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

static void skip_pages(struct iommufd_run *run, unsigned long npages)
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
		skip_pages(&cursor->run, skip);
		return;
	}

	skip += slice->first_page;
	cursor->chunk = find_chunk(slice->vec, skip);
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
	skip_pages(run, cursor->skip);
	cursor->skip = 0;
	npages = min(iommufd_run_npages(*run), cursor->left);
	*run = iommufd_run(iommufd_run_pfn(*run), npages);
	cursor->left -= npages;
	return true;
}
