// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pinned-memory object: segments and their users
 *
 * Owns the segments of an object; its mutex guards them. Called by the address
 * space for areas, and by accesses. It knows page indices and runs, and nothing
 * of IOVA or of where the memory comes from.
 *
 * pin() cuts segments at its own two ends and nobody merges them again, so that
 * the unpin() of the same range finds whole segments and allocates nothing.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "pinned.h"

/**
 * iommufd_pinned_init - set up the common part of an object
 * @pinned: the object, allocated by its source
 * @ops: the source
 * @writable: pin for writing
 *
 * The caller has the first reference.
 */
void iommufd_pinned_init(struct iommufd_pinned *pinned,
			 const struct iommufd_source_ops *ops, bool writable)
{
	refcount_set(&pinned->refs, 1);
	mutex_init(&pinned->mutex);
	pinned->ops = ops;
	pinned->writable = writable;
	pinned->segments = RB_ROOT;
	pinned->first_segment.embedded = true;
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

static void free_segment(struct iommufd_pin_segment *segment)
{
	if (segment->embedded)
		segment->users = 0;
	else
		kfree(segment);
}

static void unpin_runs(struct iommufd_pinned *pinned,
		       const struct iommufd_run_slice *runs,
		       unsigned long npages)
{
	struct iommufd_run_cursor cursor;
	struct iommufd_run run;

	iommufd_run_slice_walk(runs, 0, npages, &cursor);
	while (iommufd_run_cursor_next(&cursor, &run)) {
		pinned->ops->unpin(pinned, run);
		cond_resched();
	}
}

static void release_segment(struct iommufd_pinned *pinned,
			    struct iommufd_pin_segment *segment)
{
	unsigned long npages = segment->last - segment->first + 1;

	unpin_runs(pinned, &segment->runs, npages);
	pinned->ops->uncharge(pinned, npages);
	iommufd_run_slice_put(&segment->runs);
	free_segment(segment);
}

static struct iommufd_pin_segment *
acquire_segment(struct iommufd_pinned *pinned, unsigned long first,
		unsigned long last)
{
	unsigned long npages = last - first + 1;
	struct iommufd_pin_segment *segment;
	struct iommufd_run_builder runs;
	int rc;

	segment = alloc_segment(pinned);
	if (!segment)
		return ERR_PTR(-ENOMEM);

	/* Charge first: nobody exceeds a limit even for a moment. */
	rc = pinned->ops->charge(pinned, npages);
	if (rc)
		goto err_free;

	iommufd_runs_init(&runs, npages);
	rc = pinned->ops->pin(pinned, first, last, &runs);
	iommufd_runs_finish(&runs, &segment->runs);
	if (rc)
		goto err_uncharge;

	segment->first = first;
	segment->last = last;
	return segment;

err_uncharge:
	iommufd_run_slice_put(&segment->runs);
	pinned->ops->uncharge(pinned, npages);
err_free:
	free_segment(segment);
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
	}
	if (plan->cut_first)
		free_segment(plan->cut_first);
	if (plan->cut_last)
		free_segment(plan->cut_last);
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
	}

	rc = plan_hole(pinned, plan, page, last);
	if (rc)
		goto err_drop;
	return 0;

err_drop:
	drop_plan(pinned, plan);
	return rc;
}

/* Cut @segment in front of @page. */
static void cut_segment(struct iommufd_pinned *pinned,
			struct iommufd_pin_segment *segment,
			unsigned long page, struct iommufd_pin_segment *right)
{
	iommufd_run_slice_split(&segment->runs, page - segment->first,
				&right->runs);
	right->first = page;
	right->last = segment->last;
	right->users = segment->users;
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
	     segment = next_segment(segment))
		segment->users++;

	while (plan->holes) {
		segment = to_segment(plan->holes);
		plan->holes = segment->node.rb_right;
		insert_segment(pinned, segment);
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
 * Return: 0; -ENOMEM for memory and limits; errors of the source. On an error
 * nothing has changed.
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

	while (segment && segment->first <= last) {
		struct iommufd_pin_segment *next = next_segment(segment);

		WARN_ON(segment->first < first || segment->last > last);
		if (!--segment->users) {
			rb_erase(&segment->node, &pinned->segments);
			release_segment(pinned, segment);
		}
		segment = next;
	}
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

/**
 * iommufd_pinned_next - take the run at the cursor and step on
 * @cursor: the cursor
 * @run: receives the run
 *
 * Return: false when the walk is over.
 */
bool iommufd_pinned_next(struct iommufd_pinned_cursor *cursor,
			 struct iommufd_run *run)
{
	while (!iommufd_run_cursor_next(&cursor->runs, run)) {
		if (cursor->segment->last >= cursor->last)
			return false;
		cursor->segment = next_segment(cursor->segment);
		walk_segment(cursor, cursor->segment->first);
	}
	return true;
}
