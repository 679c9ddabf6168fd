// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pinned-memory object: segments and their users
 *
 * Owns the segments of an object; its mutex guards them. Called by the address
 * space for areas, and by accesses. It knows page indices and runs, and nothing
 * of IOVA or of where the memory comes from.
 *
 * pin() cuts segments at its own two ends, and these cuts stay until the unpin()
 * of the same range, which so finds whole segments and allocates nothing. It
 * then joins what no other user needs to be apart, at the same two places: an
 * unpin() makes no other cut superfluous.
 */
#include <linux/highmem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "pinned.h"
#include "test_hooks.h"

/* Pages that are pinned for a moment at once, to be copied */
#define COPY_PAGES 16UL

/**
 * iommufd_pinned_init - set up the common part of an object
 * @pinned: the object, allocated by its source
 * @ops: the source
 * @start: address of the first page as the owner of the memory knows it
 * @writable: pin for writing
 *
 * The caller has the first reference.
 */
void iommufd_pinned_init(struct iommufd_pinned *pinned,
			 const struct iommufd_source_ops *ops,
			 unsigned long start, bool writable)
{
	refcount_set(&pinned->refs, 1);
	mutex_init(&pinned->mutex);
	pinned->ops = ops;
	pinned->start = start;
	pinned->writable = writable;
	pinned->revocable = NULL;
	pinned->segments = RB_ROOT;
	pinned->npages = 0;
	pinned->first_segment.users = 0;
}

/**
 * iommufd_pinned_put - drop a reference
 * @pinned: the object, without pins when this is the last reference
 */
void iommufd_pinned_put(struct iommufd_pinned *pinned)
{
	if (!refcount_dec_and_test(&pinned->refs))
		return;
	WARN_ON(!RB_EMPTY_ROOT(&pinned->segments));
	mutex_destroy(&pinned->mutex);
	pinned->ops->release(pinned);
}

static struct iommufd_pin_segment *to_segment(struct rb_node *node)
{
	return rb_entry_safe(node, struct iommufd_pin_segment, node);
}

static struct iommufd_pin_segment *
next_segment(struct iommufd_pin_segment *segment)
{
	return to_segment(rb_next(&segment->node));
}

static struct iommufd_pin_segment *
previous_segment(struct iommufd_pin_segment *segment)
{
	return to_segment(rb_prev(&segment->node));
}

static unsigned long segment_npages(const struct iommufd_pin_segment *segment)
{
	return segment->last - segment->first + 1;
}

/* Is it part of the object, not allocated for itself? */
static bool is_embedded(const struct iommufd_pinned *pinned,
			const struct iommufd_pin_segment *segment)
{
	return segment == &pinned->first_segment;
}

/* The segment of @page, or the next one above */
static struct iommufd_pin_segment *
find_segment(struct iommufd_pinned *pinned, unsigned long page)
{
	struct rb_node *node = pinned->segments.rb_node;
	struct iommufd_pin_segment *found = NULL;

	lockdep_assert_held(&pinned->mutex);

	while (node) {
		struct iommufd_pin_segment *segment = to_segment(node);

		if (page <= segment->last) {
			found = segment;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static bool segment_less(struct rb_node *a, const struct rb_node *b)
{
	return to_segment(a)->first <
	       rb_entry(b, struct iommufd_pin_segment, node)->first;
}

static struct iommufd_pin_segment *
alloc_segment(struct iommufd_pinned *pinned)
{
	struct iommufd_pin_segment *segment = &pinned->first_segment;

	/* In use, here or in a plan, it has users. */
	if (segment->users)
		segment = kzalloc_obj(*segment, GFP_KERNEL_ACCOUNT);
	if (segment)
		segment->users = 1;
	return segment;
}

static void free_segment(struct iommufd_pinned *pinned,
			 struct iommufd_pin_segment *segment)
{
	if (is_embedded(pinned, segment))
		segment->users = 0;
	else
		kfree(segment);
}

static void unpin_runs(struct iommufd_pinned *pinned,
		       struct iommufd_run_slice *runs, unsigned long npages)
{
	if (npages)
		pinned->ops->unpin(pinned, runs, npages);
	iommufd_run_slice_put(runs);
}

/* Pin without charging anybody. On an error nothing stays pinned. */
static int pin_runs(struct iommufd_pinned *pinned, unsigned long first,
		    unsigned long last, struct iommufd_run_slice *slice)
{
	struct iommufd_run_builder runs;
	unsigned long npages;
	int rc;

	iommufd_runs_init(&runs, last - first + 1);
	rc = pinned->ops->pin(pinned, first, last, &runs);
	npages = runs.npages;
	iommufd_runs_finish(&runs, slice);
	if (rc)
		unpin_runs(pinned, slice, npages);
	return rc;
}

static void release_segment(struct iommufd_pinned *pinned,
			    struct iommufd_pin_segment *segment)
{
	unsigned long npages = segment_npages(segment);

	unpin_runs(pinned, &segment->runs, npages);
	pinned->ops->uncharge(pinned, npages);
	pinned->npages -= npages;
	free_segment(pinned, segment);
}

static struct iommufd_pin_segment *
acquire_segment(struct iommufd_pinned *pinned, unsigned long first,
		unsigned long last)
{
	unsigned long npages = last - first + 1;
	struct iommufd_pin_segment *segment;
	int rc;

	if (iommufd_should_fail())
		return ERR_PTR(-ENOMEM);
	segment = alloc_segment(pinned);
	if (!segment)
		return ERR_PTR(-ENOMEM);

	/* Charge first: nobody exceeds a limit even for a moment. */
	rc = pinned->ops->charge(pinned, npages);
	if (rc)
		goto err_free;
	rc = pin_runs(pinned, first, last, &segment->runs);
	if (rc)
		goto err_uncharge;

	segment->first = first;
	segment->last = last;
	pinned->npages += npages;
	return segment;

err_uncharge:
	pinned->ops->uncharge(pinned, npages);
err_free:
	free_segment(pinned, segment);
	return ERR_PTR(rc);
}

static void insert_segment(struct iommufd_pinned *pinned,
			   struct iommufd_pin_segment *segment)
{
	rb_add(&segment->node, &pinned->segments, segment_less);
}

/*
 * What a pin() needs that can fail, gathered before anything changes: the
 * segments for the holes in the range, linked by their still unused rb nodes'
 * right pointers, and a segment for each of the two cuts.
 */
struct pin_plan {
	struct rb_node *holes;
	struct iommufd_pin_segment *cut_first;
	struct iommufd_pin_segment *cut_last;
};

static void drop_plan(struct iommufd_pinned *pinned, struct pin_plan *plan)
{
	while (plan->holes) {
		struct iommufd_pin_segment *segment = to_segment(plan->holes);

		plan->holes = segment->node.rb_right;
		release_segment(pinned, segment);
		cond_resched();
	}
	if (plan->cut_first)
		free_segment(pinned, plan->cut_first);
	if (plan->cut_last)
		free_segment(pinned, plan->cut_last);
}

static int plan_hole(struct iommufd_pinned *pinned, struct pin_plan *plan,
		     unsigned long first, unsigned long last)
{
	struct iommufd_pin_segment *segment;

	segment = acquire_segment(pinned, first, last);
	if (IS_ERR(segment))
		return PTR_ERR(segment);
	segment->node.rb_right = plan->holes;
	plan->holes = &segment->node;
	return 0;
}

static int plan_cut(struct iommufd_pinned *pinned,
		    struct iommufd_pin_segment **cut)
{
	*cut = alloc_segment(pinned);
	return *cut ? 0 : -ENOMEM;
}

static int make_plan(struct iommufd_pinned *pinned, struct pin_plan *plan,
		     unsigned long first, unsigned long last)
{
	struct iommufd_pin_segment *segment = find_segment(pinned, first);
	unsigned long page = first;
	int rc;

	*plan = (struct pin_plan){};
	for (; segment && segment->first <= last;
	     segment = next_segment(segment)) {
		/* The users' own memory bounds them, but that may be large. */
		if (segment->users == UINT_MAX) {
			rc = -ENOMEM;
			goto err_drop;
		}
		if (page < segment->first) {
			rc = plan_hole(pinned, plan, page, segment->first - 1);
			if (rc)
				goto err_drop;
		}
		if (segment->first < first) {
			rc = plan_cut(pinned, &plan->cut_first);
			if (rc)
				goto err_drop;
		}
		if (segment->last >= last) {
			if (segment->last == last)
				return 0;
			rc = plan_cut(pinned, &plan->cut_last);
			if (rc)
				goto err_drop;
			return 0;
		}
		page = segment->last + 1;
		cond_resched();
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			goto err_drop;
		}
	}

	rc = plan_hole(pinned, plan, page, last);
	if (rc)
		goto err_drop;
	return 0;

err_drop:
	drop_plan(pinned, plan);
	return rc;
}

/* Cut @segment in front of @page. No user begins there yet. */
static void cut_segment(struct iommufd_pinned *pinned,
			struct iommufd_pin_segment *segment,
			unsigned long page, struct iommufd_pin_segment *right)
{
	iommufd_run_slice_split(&segment->runs, page - segment->first,
				&right->runs);
	right->first = page;
	right->last = segment->last;
	right->users = segment->users;
	right->starts = 0;
	segment->last = page - 1;
	insert_segment(pinned, right);
}

static void commit_plan(struct iommufd_pinned *pinned, struct pin_plan *plan,
			unsigned long first, unsigned long last)
{
	struct iommufd_pin_segment *segment;

	if (plan->cut_first)
		cut_segment(pinned, find_segment(pinned, first), first,
			    plan->cut_first);
	if (plan->cut_last)
		cut_segment(pinned, find_segment(pinned, last), last + 1,
			    plan->cut_last);

	for (segment = find_segment(pinned, first);
	     segment && segment->first <= last;
	     segment = next_segment(segment)) {
		segment->users++;
		segment->starts += segment->first == first;
		cond_resched();
	}

	while (plan->holes) {
		segment = to_segment(plan->holes);
		plan->holes = segment->node.rb_right;
		segment->starts = segment->first == first;
		insert_segment(pinned, segment);
		cond_resched();
	}
}

/**
 * iommufd_pinned_pin - become a user of a range of pages
 * @pinned: the object
 * @first: index of the first page
 * @last: index of the last page
 *
 * Context: caller holds the object's mutex; may sleep and take the mmap_lock of
 * the source.
 *
 * Return: 0; -ENOMEM for memory and limits; errors of the source; -EINTR on a
 * fatal signal. On an error nothing has changed.
 */
int iommufd_pinned_pin(struct iommufd_pinned *pinned, unsigned long first,
		       unsigned long last)
{
	struct pin_plan plan;
	int rc;

	lockdep_assert_held(&pinned->mutex);

	rc = make_plan(pinned, &plan, first, last);
	if (rc)
		return rc;
	commit_plan(pinned, &plan, first, last);
	return 0;
}

/*
 * Does nobody need the cut between these two? The right one has the users of
 * the left one, without those that end there, and those that begin here: if
 * nobody begins and there are as many, nobody ends either.
 */
static bool are_used_alike(const struct iommufd_pin_segment *left,
			   const struct iommufd_pin_segment *right)
{
	return left->last + 1 == right->first && !right->starts &&
	       left->users == right->users;
}

/* Undo the cut in front of @page if there is one that nobody needs. */
static void join_segments(struct iommufd_pinned *pinned, unsigned long page)
{
	struct iommufd_pin_segment *right = find_segment(pinned, page);
	struct iommufd_pin_segment *left;

	if (!right || right->first != page)
		return;
	left = previous_segment(right);
	if (!left || !are_used_alike(left, right) ||
	    !iommufd_run_slice_join(&left->runs, segment_npages(left),
				    &right->runs))
		return;

	/* What is part of the object stays: it serves a single segment best. */
	if (is_embedded(pinned, right)) {
		right->first = left->first;
		right->starts = left->starts;
		right->runs = left->runs;
		swap(left, right);
	} else {
		left->last = right->last;
	}
	rb_erase(&right->node, &pinned->segments);
	free_segment(pinned, right);
}

/**
 * iommufd_pinned_unpin - stop to be a user of a range of pages
 * @pinned: the object
 * @first: index of the first page, as it was pinned
 * @last: index of the last page, as it was pinned
 *
 * Pages that lose their last user go back to the source. No hardware may reach
 * them any more.
 *
 * Context: caller holds the object's mutex; may sleep. Cannot fail and
 * allocates nothing.
 */
void iommufd_pinned_unpin(struct iommufd_pinned *pinned, unsigned long first,
			  unsigned long last)
{
	struct iommufd_pin_segment *segment = find_segment(pinned, first);
	struct iommufd_pin_segment *next;

	for (; segment && segment->first <= last; segment = next) {
		next = segment->last < last ? next_segment(segment) : NULL;

		WARN_ON(segment->first < first || segment->last > last);
		segment->starts -= segment->first == first;
		if (!--segment->users) {
			rb_erase(&segment->node, &pinned->segments);
			release_segment(pinned, segment);
		}
		cond_resched();
	}
	join_segments(pinned, first);
	join_segments(pinned, last + 1);
}

static void walk_segment(struct iommufd_pinned_cursor *cursor,
			 unsigned long first)
{
	struct iommufd_pin_segment *segment = cursor->segment;
	unsigned long last = min(segment->last, cursor->last);

	iommufd_run_slice_walk(&segment->runs, first - segment->first,
			       last - first + 1, &cursor->runs);
}

/**
 * iommufd_pinned_walk - begin to walk pinned pages
 * @pinned: the object
 * @first: index of the first page
 * @last: index of the last page; all of the range is pinned
 * @cursor: receives the place
 *
 * Context: the caller holds the object's mutex until the walk is over.
 */
void iommufd_pinned_walk(struct iommufd_pinned *pinned, unsigned long first,
			 unsigned long last,
			 struct iommufd_pinned_cursor *cursor)
{
	cursor->segment = find_segment(pinned, first);
	cursor->last = last;
	walk_segment(cursor, first);
}

/* The part of iommufd_pinned_next() that enters the next segment */
bool __iommufd_pinned_next(struct iommufd_pinned_cursor *cursor,
			   struct iommufd_run *run)
{
	if (cursor->segment->last >= cursor->last)
		return false;
	cursor->segment = next_segment(cursor->segment);
	walk_segment(cursor, cursor->segment->first);
	return iommufd_run_cursor_next(&cursor->runs, run);
}

/*
 * Copy
 */

/* Where a copy stands. Both ends of it move together. */
struct copy {
	void *data;
	unsigned long offset;	/* in the object, in bytes */
	size_t left;
	bool write;
};

static void advance(struct copy *copy, size_t length)
{
	copy->data += length;
	copy->offset += length;
	copy->left -= length;
}

static void copy_in_page(struct copy *copy, struct page *page)
{
	unsigned long in_page = offset_in_page(copy->offset);
	size_t length = min(copy->left, PAGE_SIZE - in_page);

	if (copy->write)
		memcpy_to_page(page, in_page, copy->data, length);
	else
		memcpy_from_page(copy->data, page, in_page, length);
	advance(copy, length);
}

static void copy_run(struct copy *copy, struct iommufd_run run)
{
	struct page *page = pfn_to_page(iommufd_run_pfn(run));
	unsigned long i;

	for (i = 0; i != iommufd_run_npages(run) && copy->left; i++) {
		copy_in_page(copy, page + i);
		cond_resched();
	}
}

static void copy_runs(struct copy *copy, const struct iommufd_run_slice *runs,
		      unsigned long skip, unsigned long npages)
{
	struct iommufd_run_cursor cursor;
	struct iommufd_run run;

	iommufd_run_slice_walk(runs, skip, npages, &cursor);
	while (iommufd_run_cursor_next(&cursor, &run))
		copy_run(copy, run);
}

static void copy_segment(struct copy *copy,
			 const struct iommufd_pin_segment *segment)
{
	unsigned long first = copy->offset >> PAGE_SHIFT;
	unsigned long last = (copy->offset + copy->left - 1) >> PAGE_SHIFT;

	last = min(last, segment->last);
	copy_runs(copy, &segment->runs, first - segment->first,
		  last - first + 1);
}

/* Bytes from here on that are not pinned, if the next that are is @next */
static size_t unpinned_length(const struct copy *copy,
			      const struct iommufd_pin_segment *next)
{
	if (!next)
		return copy->left;
	return min(copy->left, (next->first << PAGE_SHIFT) - copy->offset);
}

static int copy_by_pins(struct iommufd_pinned *pinned, struct copy *copy,
			size_t length)
{
	unsigned long first = copy->offset >> PAGE_SHIFT;
	unsigned long last = (copy->offset + length - 1) >> PAGE_SHIFT;
	struct iommufd_run_slice runs;
	int rc;

	last = min(last, first + COPY_PAGES - 1);
	if (iommufd_should_fail())
		return -EINVAL;
	rc = pin_runs(pinned, first, last, &runs);
	if (rc)
		return rc;
	copy_runs(copy, &runs, 0, last - first + 1);
	unpin_runs(pinned, &runs, last - first + 1);
	return 0;
}

static int copy_unpinned(struct iommufd_pinned *pinned, struct copy *copy,
			 size_t length, unsigned int how)
{
	int rc;

	if (!pinned->ops->copy || how & IOMMUFD_COPY_BY_PINS)
		return copy_by_pins(pinned, copy, length);

	rc = pinned->ops->copy(pinned, copy->offset, copy->data, length,
			       copy->write, how & IOMMUFD_COPY_KTHREAD);
	if (rc == -EOPNOTSUPP)
		return copy_by_pins(pinned, copy, length);
	if (!rc)
		advance(copy, length);
	return rc;
}

/**
 * iommufd_pinned_copy - read or write memory by software
 * @pinned: the object, of memory that has struct pages
 * @offset: where, in bytes
 * @data: what to write, or where to read to
 * @length: in bytes
 * @write: write to the object, which is writable
 * @how: IOMMUFD_COPY_KTHREAD, IOMMUFD_COPY_BY_PINS
 *
 * What is pinned is reached by its pages, the rest through its owner.
 *
 * Context: caller holds the object's mutex; may sleep and take the mmap_lock of
 * the source.
 *
 * Return: 0, or an error of the source, with a part of the bytes copied.
 */
int iommufd_pinned_copy(struct iommufd_pinned *pinned, unsigned long offset,
			void *data, size_t length, bool write, unsigned int how)
{
	struct copy copy = {
		.data = data,
		.offset = offset,
		.left = length,
		.write = write,
	};
	int rc;

	lockdep_assert_held(&pinned->mutex);

	while (copy.left) {
		unsigned long page = copy.offset >> PAGE_SHIFT;
		struct iommufd_pin_segment *segment;

		segment = find_segment(pinned, page);
		if (segment && segment->first <= page) {
			copy_segment(&copy, segment);
			continue;
		}
		rc = copy_unpinned(pinned, &copy,
				   unpinned_length(&copy, segment), how);
		if (rc)
			return rc;
	}
	return 0;
}
