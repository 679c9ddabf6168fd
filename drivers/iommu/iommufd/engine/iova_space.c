// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVA space: areas, choosing an IOVA
 *
 * Owns the tree of areas; the lock of the space guards it. Called by the
 * address space, which owns what the areas stand for.
 */
#include <linux/cleanup.h>
#include <linux/log2.h>
#include <linux/pgtable.h>
#include <linux/rbtree_augmented.h>
#include <linux/sched.h>

#include "iova_space.h"

static unsigned long area_gap(struct iommufd_area *area)
{
	return area->gap;
}

RB_DECLARE_CALLBACKS_MAX(static, area_callbacks, struct iommufd_area, node,
			 unsigned long, max_gap, area_gap)

void iommufd_iova_space_init(struct iommufd_iova_space *space)
{
	init_rwsem(&space->lock);
	space->areas = RB_ROOT;
	space->nr_areas = 0;
	space->recent = NULL;
	space->reserved = RB_ROOT_CACHED;
	space->allowed = RB_ROOT_CACHED;
	space->alignment = 1;
}

/**
 * iommufd_iova_space_destroy - free all ranges
 * @space: the space, without areas
 */
void iommufd_iova_space_destroy(struct iommufd_iova_space *space)
{
	WARN_ON(!RB_EMPTY_ROOT(&space->areas));
	iommufd_iova_free_reserved(&space->reserved);
	iommufd_iova_free_allowed(&space->allowed);
}

static struct iommufd_area *iova_area_of(struct rb_node *node)
{
	return rb_entry_safe(node, struct iommufd_area, node);
}

static struct iommufd_area *iova_area_above(struct iommufd_area *area)
{
	return iova_area_of(rb_next(&area->node));
}

static struct iommufd_area *iova_area_below(struct iommufd_area *area)
{
	return iova_area_of(rb_prev(&area->node));
}

/* Is @area the lowest one that ends at or above @iova, given the one below? */
static bool iova_is_lowest(const struct iommufd_area *area,
			   const struct iommufd_area *below, unsigned long iova)
{
	return (!area || area->last >= iova) && (!below || below->last < iova);
}

static struct iommufd_area *iova_search_area(struct iommufd_iova_space *space,
					     unsigned long iova)
{
	struct rb_node *node = space->areas.rb_node;
	struct iommufd_area *found = NULL;

	while (node) {
		struct iommufd_area *area = iova_area_of(node);

		if (iova <= area->last) {
			found = area;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/* The recent area or a neighbour of it, mostly */
static noinline struct iommufd_area *
iova_find_near(struct iommufd_iova_space *space, struct iommufd_area *recent,
	       unsigned long iova)
{
	struct iommufd_area *next;

	if (recent->last >= iova) {
		if (iova_is_lowest(recent, iova_area_below(recent), iova))
			return recent;
	} else {
		next = iova_area_above(recent);
		if (iova_is_lowest(next, recent, iova))
			return next;
	}
	return iova_search_area(space, iova);
}

/* The lowest area that ends at or above @iova */
static struct iommufd_area *iova_find_area(struct iommufd_iova_space *space,
					   unsigned long iova)
{
	struct iommufd_area *recent = space->recent;

	if (!recent)
		return NULL;
	if (recent->iova <= iova && recent->last >= iova)
		return recent;
	return iova_find_near(space, recent, iova);
}

/**
 * iommufd_area_first - the lowest area that touches a range
 * @space: the space
 * @iova: first IOVA of the range
 * @last: last IOVA of the range
 *
 * Context: caller holds the space's lock, or excludes changes otherwise.
 * Return: the area, NULL if there is none.
 */
struct iommufd_area *iommufd_area_first(struct iommufd_iova_space *space,
					unsigned long iova, unsigned long last)
{
	struct iommufd_area *area = iova_find_area(space, iova);

	return area && area->iova <= last ? area : NULL;
}

/* The part of iommufd_area_next() that looks for it */
struct iommufd_area *__iommufd_area_next(struct iommufd_area *area,
					 unsigned long last)
{
	area = iova_area_above(area);
	return area && area->iova <= last ? area : NULL;
}

static unsigned long iova_gap_after(struct iommufd_area *prev,
				    unsigned long iova)
{
	return prev ? iova - prev->last - 1 : iova;
}

/*
 * Of two neighbours in a search tree, either the right one has no left child or
 * the left one has no right child.
 */
static struct rb_node *iova_link_between(struct iommufd_iova_space *space,
					 struct iommufd_area *prev,
					 struct iommufd_area *area,
					 struct iommufd_area *next)
{
	struct rb_node **link = &space->areas.rb_node;
	struct rb_node *parent = NULL;

	if (next && !next->node.rb_left) {
		parent = &next->node;
		link = &parent->rb_left;
	} else if (prev) {
		parent = &prev->node;
		link = &parent->rb_right;
	}
	rb_link_node(&area->node, parent, link);
	return parent;
}

/**
 * iommufd_iova_insert - take IOVA for an area
 * @space: the space
 * @area: the area with its range, which no other area touches
 *
 * Context: caller holds the space's lock for writing.
 */
void iommufd_iova_insert(struct iommufd_iova_space *space,
			 struct iommufd_area *area)
{
	struct iommufd_area *next = iova_find_area(space, area->iova);
	struct iommufd_area *prev;
	struct rb_node *parent;

	lockdep_assert_held_write(&space->lock);

	prev = next ? iova_area_below(next) :
		      iova_area_of(rb_last(&space->areas));
	area->gap = iova_gap_after(prev, area->iova);
	area->max_gap = area->gap;
	parent = iova_link_between(space, prev, area, next);
	if (next) {
		/*
		 * @next is @parent or one of its ancestors, so one walk to the
		 * root updates both gaps.
		 */
		next->gap = iova_gap_after(area, next->iova);
		area_callbacks_propagate(parent, &next->node);
		area_callbacks_propagate(&next->node, NULL);
	} else if (parent) {
		area_callbacks_propagate(parent, NULL);
	}
	rb_insert_augmented(&area->node, &space->areas, &area_callbacks);
	space->nr_areas++;
	space->nr_inserted++;
	space->recent = area;
}

/**
 * iommufd_iova_remove - return the IOVA of an area
 * @space: the space
 * @area: the area
 *
 * Context: caller holds the space's lock for writing.
 */
void iommufd_iova_remove(struct iommufd_iova_space *space,
			 struct iommufd_area *area)
{
	struct iommufd_area *next = iova_area_above(area);

	lockdep_assert_held_write(&space->lock);

	space->recent = next ?: iova_area_below(area);
	rb_erase_augmented(&area->node, &space->areas, &area_callbacks);
	space->nr_areas--;
	if (next) {
		next->gap += iommufd_area_length(area) + area->gap;
		area_callbacks_propagate(&next->node, NULL);
	}
}

/**
 * iommufd_iova_remove_all - return the IOVA of all areas at once
 * @space: the space
 *
 * Context: caller holds the space's lock for writing.
 */
void iommufd_iova_remove_all(struct iommufd_iova_space *space)
{
	lockdep_assert_held_write(&space->lock);

	space->areas = RB_ROOT;
	space->nr_areas = 0;
	space->recent = NULL;
}

/**
 * iommufd_iova_check - may user space have this IOVA?
 * @space: the space
 * @iova: first IOVA
 * @length: in bytes, not 0
 *
 * Context: caller holds the space's lock.
 *
 * Return: 0; -EINVAL if @iova or @length is not aligned, or the range reserved;
 * -EOVERFLOW if it wraps; -EEXIST if an area is there.
 */
int iommufd_iova_check(struct iommufd_iova_space *space, unsigned long iova,
		       unsigned long length)
{
	struct iommufd_area *area;
	unsigned long last;

	lockdep_assert_held(&space->lock);

	if (!IS_ALIGNED(iova | length, space->alignment))
		return iommufd_refuse(IOMMU_WHY_IOVA_ALIGNMENT, iova, length,
				      space->alignment);
	if (check_add_overflow(iova, length - 1, &last))
		return iommufd_refuse(IOMMU_WHY_RANGE_END, iova, length);
	if (iommufd_iova_is_reserved(space, iova, last))
		return iommufd_iova_refuse_reserved(space, iova, last);
	area = iommufd_area_first(space, iova, last);
	if (area)
		return iommufd_refuse(IOMMU_WHY_IOVA_TAKEN, iova, last,
				      area->iova, area->last);
	return 0;
}

/**
 * struct iova_request - what is asked of an IOVA that is to be chosen
 * @length: bytes
 * @align: alignment of the page that the IOVA lies in, at least PAGE_SIZE
 * @page_offset: offset of the IOVA in this page
 */
struct iova_request {
	unsigned long length;
	unsigned long align;
	unsigned long page_offset;
};

/* The lowest IOVA in [first, last] that meets the request */
static bool iova_lowest_fit(const struct iova_request *req, unsigned long first,
			    unsigned long last, unsigned long *iova)
{
	unsigned long base = 0, iova_last;

	/* The page may begin below @first as long as the IOVA does not. */
	if (first > req->page_offset) {
		base = first - req->page_offset;
		if (base > ULONG_MAX - (req->align - 1))
			return false;
		base = ALIGN(base, req->align);
	}
	if (check_add_overflow(base, req->page_offset, iova) ||
	    check_add_overflow(*iova, req->length - 1, &iova_last))
		return false;
	return iova_last <= last;
}

/* Does the gap in front of @area, as far as it is in [first, last], fit? */
static bool iova_gap_fits(const struct iova_request *req,
			  struct iommufd_area *area, unsigned long first,
			  unsigned long last, unsigned long *iova)
{
	unsigned long gap_first = area->iova - area->gap;

	if (area->gap < req->length)
		return false;
	return iova_lowest_fit(req, max(first, gap_first),
			       min(last, area->iova - 1), iova);
}

static bool iova_subtree_fits(const struct iova_request *req,
			      struct rb_node *node)
{
	return node && iova_area_of(node)->max_gap >= req->length;
}

/* The lowest area in the subtree under @node before which a gap may fit */
static struct rb_node *iova_lowest_in_subtree(const struct iova_request *req,
					      struct rb_node *node,
					      unsigned long first)
{
	/*
	 * Gaps to the left of an area end below it, so they are of no use if it
	 * begins at or below @first.
	 */
	while (iova_area_of(node)->iova > first &&
	       iova_subtree_fits(req, node->rb_left))
		node = node->rb_left;
	return node;
}

/* The next area above @node before which a gap may fit */
static struct rb_node *iova_next_in_tree(const struct iova_request *req,
					 struct rb_node *node,
					 unsigned long first)
{
	struct rb_node *child;

	if (iova_subtree_fits(req, node->rb_right))
		return iova_lowest_in_subtree(req, node->rb_right, first);
	do {
		child = node;
		node = rb_parent(child);
	} while (node && child == node->rb_right);
	return node;
}

/*
 * The lowest gap that fits and ends at or above @first: a walk in the order of
 * the areas that leaves out the subtrees whose gaps are all too small or too
 * low.
 */
static bool iova_search_gaps(const struct iova_request *req,
			     struct rb_node *root, unsigned long first,
			     unsigned long last, unsigned long *iova)
{
	struct rb_node *node;

	if (!iova_subtree_fits(req, root))
		return false;
	for (node = iova_lowest_in_subtree(req, root, first); node;
	     node = iova_next_in_tree(req, node, first)) {
		struct iommufd_area *area = iova_area_of(node);

		if (area->iova > first &&
		    iova_gap_fits(req, area, first, last, iova))
			return true;
		if (area->last >= last)
			return false;
	}
	return false;
}

static bool iova_choose_in_range(struct iommufd_iova_space *space,
				 const struct iova_request *req,
				 unsigned long first, unsigned long last,
				 unsigned long *iova)
{
	struct iommufd_area *highest = iova_area_of(rb_last(&space->areas));

	if (iova_search_gaps(req, space->areas.rb_node, first, last, iova))
		return true;
	if (highest && highest->last >= last)
		return false;
	if (highest && highest->last >= first)
		first = highest->last + 1;
	return iova_lowest_fit(req, first, last, iova);
}

/* The lowest fit in [first, last] outside the reserved ranges */
static bool iova_choose_in_allowed(struct iommufd_iova_space *space,
				   const struct iova_request *req,
				   unsigned long first, unsigned long last,
				   unsigned long *iova)
{
	unsigned long usable_first = first, usable_last = last;

	while (iommufd_iova_next_usable(space, &usable_first, &usable_last)) {
		if (iova_choose_in_range(space, req, usable_first, usable_last,
					 iova))
			return true;
		if (usable_last == last)
			return false;
		usable_first = usable_last + 1;
		usable_last = last;
	}
	return false;
}

/*
 * Where the allowed range @node ends, together with those that follow it
 * without a gap. Returns the next one behind.
 */
static struct interval_tree_node *
iova_join_allowed(struct interval_tree_node *node, unsigned long highest,
		  unsigned long *last)
{
	do {
		*last = node->last;
		node = interval_tree_iter_next(node, 0, highest);
	} while (node && node->start == *last + 1);

	*last = min(*last, highest);
	return node;
}

static unsigned long iova_largest_alignment(void)
{
	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) ? PMD_SIZE : PAGE_SIZE;
}

/*
 * An alignment at which the page table can use the huge pages that the memory
 * may consist of
 */
static unsigned long iova_alignment_for(unsigned long hint,
					unsigned long length)
{
	unsigned long align = roundup_pow_of_two(length);

	hint &= PAGE_MASK;
	if (hint)
		align = min(align, 1UL << __ffs(hint));
	return min(align, iova_largest_alignment());
}

/**
 * iommufd_iova_choose - find free IOVA
 * @space: the space
 * @hint: start of the memory: its page offset is kept, and its alignment as far
 *        as huge pages may profit
 * @length: in bytes, not 0
 * @iova: receives the IOVA
 *
 * Context: caller holds the space's lock.
 *
 * Return: 0; -EINVAL if @length or the alignment of @hint is less than the
 * space demands; -EOVERFLOW if @length is half of the space; -ENOSPC.
 */
int iommufd_iova_choose(struct iommufd_iova_space *space, unsigned long hint,
			unsigned long length, unsigned long *iova)
{
	const unsigned long lowest = PAGE_SIZE;
	const unsigned long highest = ULONG_MAX - PAGE_SIZE;
	struct interval_tree_node *node;
	struct iova_request req = {
		.length = length,
		.page_offset = offset_in_page(hint),
	};

	lockdep_assert_held(&space->lock);

	if (!IS_ALIGNED(length, space->alignment))
		return iommufd_refuse(IOMMU_WHY_IOVA_ALIGNMENT, 0, length,
				      space->alignment);
	if (length >= ULONG_MAX / 2)
		return iommufd_refuse(IOMMU_WHY_IOVA_LENGTH, length);
	req.align = iova_alignment_for(hint, length);
	if (req.align < space->alignment)
		return iommufd_refuse(IOMMU_WHY_OFFSET_ALIGNMENT, hint,
				      space->alignment);
	req.align = max(req.align, PAGE_SIZE);

	if (RB_EMPTY_ROOT(&space->allowed.rb_root)) {
		if (iova_choose_in_allowed(space, &req, lowest, highest, iova))
			return 0;
		return iommufd_refuse(IOMMU_WHY_IOVA_FULL, length, req.align);
	}

	node = interval_tree_iter_first(&space->allowed, lowest, highest);
	while (node) {
		unsigned long first = max(node->start, lowest), last;

		node = iova_join_allowed(node, highest, &last);
		if (iova_choose_in_allowed(space, &req, first, last, iova))
			return 0;
	}
	return iommufd_refuse(IOMMU_WHY_IOVA_FULL, length, req.align);
}

/**
 * iommufd_iova_fits_alignment - could the alignment be raised?
 * @space: the space
 * @alignment: the new alignment
 *
 * Context: caller holds the space's lock.
 * Return: false if one of the areas would violate it.
 */
bool iommufd_iova_fits_alignment(struct iommufd_iova_space *space,
				 unsigned long alignment)
{
	struct iommufd_area *area;

	lockdep_assert_held(&space->lock);

	if (alignment <= space->alignment)
		return true;
	for (area = iommufd_area_first(space, 0, ULONG_MAX); area;
	     area = iommufd_area_next(area, ULONG_MAX)) {
		if (!IS_ALIGNED(area->iova | iommufd_area_length(area) |
				area->offset, alignment))
			return false;
		cond_resched();
	}
	return true;
}

/**
 * iommufd_iova_space_is_aligned - has a range the alignment of the space?
 * @space: the space
 * @iova: first IOVA
 * @length: in bytes
 *
 * Context: process context, may sleep.
 * Return: true if it has.
 */
bool iommufd_iova_space_is_aligned(struct iommufd_iova_space *space,
				   unsigned long iova, unsigned long length)
{
	guard(rwsem_read)(&space->lock);
	return IS_ALIGNED(iova | length, space->alignment);
}

/**
 * iommufd_iova_space_nth_area - find an area by counting
 * @space: the space
 * @n: how many areas are below it
 * @iova: receives its first IOVA
 *
 * Context: process context, may sleep.
 * Return: false if there are no more than @n areas.
 */
bool iommufd_iova_space_nth_area(struct iommufd_iova_space *space,
				 unsigned long n, unsigned long *iova)
{
	struct iommufd_area *area;

	guard(rwsem_read)(&space->lock);
	area = iommufd_area_first(space, 0, ULONG_MAX);
	while (area && n--)
		area = iommufd_area_next(area, ULONG_MAX);
	if (!area)
		return false;
	*iova = area->iova;
	return true;
}
