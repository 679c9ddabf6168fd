// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pinned-memory object: segments and the pins that cover them
 *
 * Owns the segments of an object; its mutex guards them, and is not held while
 * memory is waited for. Only who wants pages that somebody else is about to pin
 * waits for him. Called by the address space for areas, and by accesses. It
 * knows page indices and runs, and nothing of IOVA or of where the memory comes
 * from.
 *
 * A new pin cuts segments at its own two ends, and these cuts stay as long as
 * it does, so that its end finds whole segments and allocates nothing. When the
 * pin ends, segments are joined at these two places if no other pin has an end
 * there: all other cuts are still needed.
 */
#include <linux/completion.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "pinned.h"
#include "pinned_drain.h"
#include "test_hooks.h"

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

static struct iommufd_pin_segment *segment_of(struct rb_node *node)
{
	return rb_entry_safe(node, struct iommufd_pin_segment, node);
}

static struct iommufd_pin_segment *
segment_next(struct iommufd_pin_segment *segment)
{
	return segment_of(rb_next(&segment->node));
}

static struct iommufd_pin_segment *
segment_prev(struct iommufd_pin_segment *segment)
{
	return segment_of(rb_prev(&segment->node));
}

/* Is it part of the object, not allocated for itself? */
static bool segment_is_embedded(const struct iommufd_pinned *pinned,
				const struct iommufd_pin_segment *segment)
{
	return segment == &pinned->first_segment;
}

static bool segment_less(struct rb_node *a, const struct rb_node *b)
{
	return segment_of(a)->first <
	       rb_entry(b, struct iommufd_pin_segment, node)->first;
}

static struct iommufd_pin_segment *segment_alloc(struct iommufd_pinned *pinned)
{
	struct iommufd_pin_segment *segment = &pinned->first_segment;

	/*
	 * Other than 0 from here until segment_free(): it is in the tree or in
	 * a plan.
	 */
	if (segment->nr_pins)
		segment = kmalloc_obj(*segment, GFP_KERNEL_ACCOUNT);
	if (segment)
		segment->nr_pins = 1;
	return segment;
}

static void segment_free(struct iommufd_pinned *pinned,
			 struct iommufd_pin_segment *segment)
{
	if (segment_is_embedded(pinned, segment))
		segment->nr_pins = 0;
	else
		kfree(segment);
}

static void segment_insert(struct iommufd_pinned *pinned,
			   struct iommufd_pin_segment *segment)
{
	rb_add(&segment->node, &pinned->segments, segment_less);
}

/**
 * struct iommufd_pin_plan - a pin that is being made
 * @next: another one of the same object, if it is among the pending ones
 * @first: index of the first page
 * @last: index of the last page
 * @holes: segments for the pages in the range that are not pinned yet
 * @nr_filled: how many of @holes have got their pages
 * @cut_first: a segment for the cut in front of @first, if it takes one
 * @cut_last: a segment for the cut behind @last, if it takes one
 * @split: holes were split, and may be joined when they are pinned
 * @waiters: struct pin_waiter
 *
 * What it needs is allocated before anything changes; then only getting the
 * pages can fail. While they are asked for, the new pin covers what was pinned
 * already, so that this stays pinned, and the plan is a pending one.
 */
struct iommufd_pin_plan {
	struct iommufd_pin_plan *next;
	unsigned long first;
	unsigned long last;
	struct iommufd_pin_segment *holes;
	unsigned long nr_filled;
	struct iommufd_pin_segment *cut_first;
	struct iommufd_pin_segment *cut_last;
	bool split;
	struct list_head waiters;
};

/* Somebody who wants pages that are pending */
struct pin_waiter {
	struct list_head node;
	struct completion done;
};

static struct iommufd_pin_segment *
pin_plan_take_hole(struct iommufd_pin_plan *plan)
{
	struct iommufd_pin_segment *segment = plan->holes;

	if (segment)
		plan->holes = segment->next_hole;
	return segment;
}

/* Free the segments that were not used, none of which has pages. */
static void pin_plan_drop(struct iommufd_pinned *pinned,
			  struct iommufd_pin_plan *plan)
{
	struct iommufd_pin_segment *segment;

	while ((segment = pin_plan_take_hole(plan))) {
		segment_free(pinned, segment);
		cond_resched();
	}
	if (plan->cut_first)
		segment_free(pinned, plan->cut_first);
	if (plan->cut_last)
		segment_free(pinned, plan->cut_last);
}

static int pin_plan_add_hole(struct iommufd_pinned *pinned,
			     struct iommufd_pin_plan *plan, unsigned long first,
			     unsigned long last)
{
	struct iommufd_pin_segment *segment;

	if (iommufd_should_fail())
		return -ENOMEM;
	segment = segment_alloc(pinned);
	if (!segment)
		return -ENOMEM;
	segment->first = first;
	segment->last = last;
	segment->next_hole = plan->holes;
	plan->holes = segment;
	return 0;
}

static int pin_plan_add_cut(struct iommufd_pinned *pinned,
			    struct iommufd_pin_segment **cut)
{
	*cut = segment_alloc(pinned);
	return *cut ? 0 : -ENOMEM;
}

static int pin_plan_look(struct iommufd_pinned *pinned,
			 struct iommufd_pin_plan *plan)
{
	unsigned long first = plan->first, last = plan->last, page = first;
	struct iommufd_pin_segment *segment;
	int rc;

	for (segment = iommufd_pinned_find(pinned, first);
	     segment && segment->first <= last;
	     segment = segment_next(segment)) {
		/*
		 * Reached only with a lot of memory, since each pin is charged
		 * to the memory cgroup.
		 */
		if (segment->nr_pins == UINT_MAX)
			return -ENOMEM;
		if (page < segment->first) {
			rc = pin_plan_add_hole(pinned, plan, page,
					       segment->first - 1);
			if (rc)
				return rc;
		}
		if (segment->first < first) {
			rc = pin_plan_add_cut(pinned, &plan->cut_first);
			if (rc)
				return rc;
		}
		if (segment->last == last)
			return 0;
		if (segment->last > last)
			return pin_plan_add_cut(pinned, &plan->cut_last);
		page = segment->last + 1;
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return pin_plan_add_hole(pinned, plan, page, last);
}

static int pin_plan_make(struct iommufd_pinned *pinned,
			 struct iommufd_pin_plan *plan, unsigned long first,
			 unsigned long last)
{
	int rc;

	*plan = (struct iommufd_pin_plan){ .first = first, .last = last };
	rc = pin_plan_look(pinned, plan);
	if (rc)
		pin_plan_drop(pinned, plan);
	return rc;
}

/**
 * iommufd_pinned_cut_segment - make two segments of one
 * @pinned: the object
 * @claims: from iommufd_claim_lock()
 * @segment: the segment, in which @page is, but not as the first
 * @page: index of the page in front of which it is cut; no pin begins there yet
 * @right: memory for what begins there
 *
 * Context: caller holds the object's mutex. Cannot fail.
 */
void iommufd_pinned_cut_segment(struct iommufd_pinned *pinned,
				struct iommufd_claims *claims,
				struct iommufd_pin_segment *segment,
				unsigned long page,
				struct iommufd_pin_segment *right)
{
	iommufd_run_slice_split(&segment->runs, page - segment->first,
				&right->runs);
	right->first = page;
	right->last = segment->last;
	right->nr_pins = segment->nr_pins;
	right->starts = 0;
	segment->last = page - 1;
	iommufd_claim_split(claims, segment, right);
	segment_insert(pinned, right);
}

/* Returns the first segment of the range. */
static struct iommufd_pin_segment *
pin_plan_cut(struct iommufd_pinned *pinned, const struct iommufd_pin_plan *plan,
	     struct iommufd_pin_segment *segment)
{
	unsigned long last = plan->last;
	struct iommufd_claims *claims = NULL;
	struct iommufd_pin_segment *tail;

	if (plan->cut_first) {
		claims = iommufd_claim_lock(pinned, segment, claims);
		iommufd_pinned_cut_segment(pinned, claims, segment, plan->first,
					   plan->cut_first);
		segment = plan->cut_first;
	}
	if (plan->cut_last) {
		tail = segment;
		if (tail->last < last)
			tail = iommufd_pinned_find(pinned, last);
		claims = iommufd_claim_lock(pinned, tail, claims);
		iommufd_pinned_cut_segment(pinned, claims, tail, last + 1,
					   plan->cut_last);
	}
	iommufd_claim_unlock(claims);
	return segment;
}

/* The new pin covers what is pinned already. */
static void pin_plan_cover_pinned(struct iommufd_pinned *pinned,
				  const struct iommufd_pin_plan *plan)
{
	unsigned long first = plan->first, last = plan->last;
	struct iommufd_pin_segment *segment =
		iommufd_pinned_find(pinned, first);

	if (plan->cut_first || plan->cut_last)
		segment = pin_plan_cut(pinned, plan, segment);
	for (; segment && segment->first <= last;
	     segment = segment_next(segment)) {
		segment->nr_pins++;
		segment->starts += segment->first == first;
		cond_resched();
	}
}

/*
 * Make two holes of one: halves, each of which needs half as much of the limit,
 * or the pages of the first owner and the rest.
 */
static int pin_plan_split_hole(struct iommufd_pinned *pinned,
			       struct iommufd_pin_segment *segment,
			       unsigned long npages)
{
	struct iommufd_pin_segment *right;

	guard(mutex)(&pinned->mutex);
	right = segment_alloc(pinned);
	if (!right)
		return -ENOMEM;
	right->last = segment->last;
	segment->last = segment->first + npages - 1;
	right->first = segment->last + 1;
	right->next_hole = segment->next_hole;
	segment->next_hole = right;
	return 0;
}

static int pin_plan_fill_hole(struct iommufd_pinned *pinned,
			      struct iommufd_pin_plan *plan,
			      struct iommufd_pin_segment *segment)
{
	int rc;

	while ((rc = iommufd_pinned_fill(pinned, segment, true)) > 0) {
		rc = pin_plan_split_hole(pinned, segment, rc);
		if (rc)
			break;
		plan->split = true;
	}
	return rc;
}

/*
 * Called without the mutex: the owner of the memory may take as long as he
 * likes.
 */
static int pin_plan_fill_holes(struct iommufd_pinned *pinned,
			       struct iommufd_pin_plan *plan)
{
	struct iommufd_pin_segment *segment;
	int rc;

	for (segment = plan->holes; segment; segment = segment->next_hole) {
		rc = pin_plan_fill_hole(pinned, plan, segment);
		if (rc)
			return rc;
		plan->nr_filled++;
	}
	return 0;
}

static void pin_plan_insert_holes(struct iommufd_pinned *pinned,
				  struct iommufd_pin_plan *plan)
{
	struct iommufd_pin_segment *segment;

	while ((segment = pin_plan_take_hole(plan))) {
		segment->starts = segment->first == plan->first;
		segment_insert(pinned, segment);
		cond_resched();
	}
}

static struct iommufd_pin_segment *
segments_join(struct iommufd_pinned *pinned, struct iommufd_claims **claims,
	      struct iommufd_pin_segment *left,
	      struct iommufd_pin_segment *right);
static void segments_drop_pin(struct iommufd_pinned *pinned,
			      unsigned long first, unsigned long last);

/* Join what was split for the limit only, where the runs can be joined. */
static void pin_plan_join_holes(struct iommufd_pinned *pinned,
				const struct iommufd_pin_plan *plan)
{
	struct iommufd_pin_segment *segment, *next, *left;
	struct iommufd_claims *claims = NULL;
	unsigned long next_last;

	segment = iommufd_pinned_find(pinned, plan->first);
	while ((next = segment_next(segment)) && next->first <= plan->last) {
		next_last = next->last;
		left = segments_join(pinned, &claims, segment, next);
		segment = left->last == next_last ? left : next;
		cond_resched();
	}
	iommufd_claim_unlock(claims);
}

/*
 * Pinning has failed: unpin the holes that were filled, and drop the pin of
 * what was pinned before.
 */
static void pin_plan_undo(struct iommufd_pinned *pinned,
			  struct iommufd_pin_plan *plan)
{
	struct iommufd_pin_segment *segment;

	while ((segment = pin_plan_take_hole(plan))) {
		if (plan->nr_filled) {
			plan->nr_filled--;
			iommufd_pinned_drain(pinned, segment);
		}
		segment_free(pinned, segment);
		cond_resched();
	}
	segments_drop_pin(pinned, plan->first, plan->last);
}

static struct iommufd_pin_plan *
pinned_find_pending(struct iommufd_pinned *pinned, unsigned long first,
		    unsigned long last)
{
	struct iommufd_pin_segment *segment;
	struct iommufd_pin_plan *plan;

	lockdep_assert_held(&pinned->mutex);

	for (plan = pinned->pending; plan; plan = plan->next) {
		for (segment = plan->holes; segment;
		     segment = segment->next_hole) {
			if (segment->first <= last && first <= segment->last)
				return plan;
		}
	}
	return NULL;
}

/* Wait without the mutex until the other pin has succeeded or failed. */
static int pinned_wait_for_plan(struct iommufd_pinned *pinned,
				struct iommufd_pin_plan *plan)
{
	struct pin_waiter waiter;
	int rc;

	init_completion(&waiter.done);
	list_add(&waiter.node, &plan->waiters);
	mutex_unlock(&pinned->mutex);
	rc = wait_for_completion_killable(&waiter.done);
	mutex_lock(&pinned->mutex);
	/* The waker has taken it off the list, unless a signal came first. */
	list_del_init(&waiter.node);
	return rc ? -EINTR : 0;
}

static int pinned_wait_for_pending(struct iommufd_pinned *pinned,
				   unsigned long first, unsigned long last)
{
	struct iommufd_pin_plan *plan;
	int rc;

	while ((plan = pinned_find_pending(pinned, first, last))) {
		rc = pinned_wait_for_plan(pinned, plan);
		if (rc)
			return rc;
	}
	return 0;
}

static void pin_plan_begin(struct iommufd_pinned *pinned,
			   struct iommufd_pin_plan *plan)
{
	INIT_LIST_HEAD(&plan->waiters);
	plan->next = pinned->pending;
	pinned->pending = plan;
}

static void pin_plan_end(struct iommufd_pinned *pinned,
			 struct iommufd_pin_plan *plan)
{
	struct iommufd_pin_plan **link = &pinned->pending;
	struct pin_waiter *waiter, *next;

	while (*link != plan)
		link = &(*link)->next;
	*link = plan->next;
	list_for_each_entry_safe(waiter, next, &plan->waiters, node) {
		list_del_init(&waiter->node);
		complete(&waiter->done);
	}
}

static int pin_plan_pin_holes(struct iommufd_pinned *pinned,
			      struct iommufd_pin_plan *plan)
{
	int rc;

	pin_plan_begin(pinned, plan);
	mutex_unlock(&pinned->mutex);
	rc = pin_plan_fill_holes(pinned, plan);
	mutex_lock(&pinned->mutex);
	pin_plan_end(pinned, plan);
	if (rc)
		pin_plan_undo(pinned, plan);
	else
		pin_plan_insert_holes(pinned, plan);
	if (!rc && plan->split)
		pin_plan_join_holes(pinned, plan);
	return rc;
}

/**
 * iommufd_pinned_pin - pin a range of pages
 * @pinned: the object
 * @first: index of the first page
 * @last: index of the last page
 *
 * Context: may sleep, as long as the owner of the memory likes, and take the
 * mmap_lock of the source; takes the object's mutex, but not for that long.
 *
 * Return: 0; -ENOMEM for memory and limits; errors of the source; -EINTR on a
 * fatal signal. On an error nothing has changed.
 */
int iommufd_pinned_pin(struct iommufd_pinned *pinned, unsigned long first,
		       unsigned long last)
{
	struct iommufd_pin_plan plan;
	int rc;

	mutex_lock(&pinned->mutex);
	rc = pinned_wait_for_pending(pinned, first, last);
	if (rc)
		goto out_unlock;
	rc = pin_plan_make(pinned, &plan, first, last);
	if (rc)
		goto out_unlock;
	pin_plan_cover_pinned(pinned, &plan);
	if (plan.holes)
		rc = pin_plan_pin_holes(pinned, &plan);
out_unlock:
	mutex_unlock(&pinned->mutex);
	return rc;
}

/*
 * Does no pin end or begin between these two? The pins of the right one are
 * those of the left one, less those that end here, plus those that begin here.
 * If none begins and there are as many, none ends either.
 */
static bool segments_have_same_pins(const struct iommufd_pin_segment *left,
				    const struct iommufd_pin_segment *right)
{
	return left->last + 1 == right->first && !right->starts &&
	       left->nr_pins == right->nr_pins;
}

/*
 * Undo the cut between these two if no pin needs it. Returns the segment that
 * has the pages of @left. *claims is the registry that is locked, or NULL.
 */
static __always_inline struct iommufd_pin_segment *
segments_join(struct iommufd_pinned *pinned, struct iommufd_claims **claims,
	      struct iommufd_pin_segment *left,
	      struct iommufd_pin_segment *right)
{
	struct iommufd_pin_segment *joined = left;

	if (!left || !right || !segments_have_same_pins(left, right) ||
	    !iommufd_claims_are_of_one(pinned, left, right))
		return left;
	*claims = iommufd_claim_lock(pinned, left, *claims);
	if (!iommufd_run_slice_join(&left->runs, iommufd_segment_npages(left),
				    &right->runs))
		return left;

	/*
	 * Keep the embedded segment: iommufd_pinned_is_one_segment() looks for
	 * it, and the other one is memory that can be freed.
	 */
	if (segment_is_embedded(pinned, right)) {
		right->first = left->first;
		right->starts = left->starts;
		right->runs = left->runs;
		joined = right;
		right = left;
	} else {
		left->last = right->last;
	}
	iommufd_claim_join(*claims, joined, right);
	rb_erase(&right->node, &pinned->segments);
	segment_free(pinned, right);
	return joined;
}

/*
 * Undo the cuts in front of @head and behind @tail, which may be the same, or
 * NULL, if no pin needs them.
 */
static void segments_join_ends(struct iommufd_pinned *pinned,
			       struct iommufd_pin_segment *head,
			       struct iommufd_pin_segment *tail)
{
	struct iommufd_claims *claims = NULL;
	struct iommufd_pin_segment *joined;

	if (tail) {
		joined = segments_join(pinned, &claims, tail,
				       segment_next(tail));
		if (head == tail)
			head = joined;
	}
	if (head)
		segments_join(pinned, &claims, segment_prev(head), head);
	iommufd_claim_unlock(claims);
}

static noinline void segment_release(struct iommufd_pinned *pinned,
				     struct iommufd_pin_segment *segment)
{
	rb_erase(&segment->node, &pinned->segments);
	iommufd_pinned_drain(pinned, segment);
	segment_free(pinned, segment);
}

/* There may be holes in the range: a pin that failed covers only a part. */
static void segments_drop_pin(struct iommufd_pinned *pinned,
			      unsigned long first, unsigned long last)
{
	struct iommufd_pin_segment *segment = iommufd_pinned_find(pinned, first);
	struct iommufd_pin_segment *head = NULL, *tail = NULL, *next;

	for (; segment && segment->first <= last; segment = next) {
		WARN_ON(segment->first < first || segment->last > last);
		next = segment->last == last ? NULL : segment_next(segment);
		if (!--segment->nr_pins) {
			segment_release(pinned, segment);
			tail = NULL;
		} else {
			if (segment->first == first && !--segment->starts)
				head = segment;
			tail = segment;
		}
		cond_resched();
	}

	/* The cuts that were made for this pin, if both of their sides stay */
	if (head || tail)
		segments_join_ends(pinned, head, tail);
}

/**
 * iommufd_pinned_unpin - end a pin of a range of pages
 * @pinned: the object
 * @first: index of the first page, as it was pinned
 * @last: index of the last page, as it was pinned
 *
 * Pages that lose their last pin go back to the source. No hardware may reach
 * them any more.
 *
 * Context: may sleep; takes the object's mutex. Cannot fail and allocates
 * nothing.
 */
void iommufd_pinned_unpin(struct iommufd_pinned *pinned, unsigned long first,
			  unsigned long last)
{
	mutex_lock(&pinned->mutex);
	if (iommufd_pinned_is_only_pin(pinned))
		iommufd_pinned_drop_only_pin(pinned);
	else if (iommufd_pinned_is_one_segment(pinned))
		iommufd_pinned_drop_one_pin(pinned);
	else
		segments_drop_pin(pinned, first, last);
	mutex_unlock(&pinned->mutex);
}
