/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pinned-memory object: one linear range of memory and what of it is pinned
 */

/**
 * DOC: Pinned memory
 *
 * A pinned-memory object is one linear range of memory, and what of it is
 * pinned. Terms::
 *
 *  source   where the memory comes from: the address space of a process, a
 *           file, a dma-buf. Turns pages into runs.
 *  page     PAGE_SIZE bytes; pages of an object are counted from its start.
 *  run      physically contiguous pages, see runs.h.
 *  pin      keeps a range of pages where they are: for an area that is in page
 *           tables, or for an accessor.
 *  segment  a range of pages that came from the source together and are covered
 *           by the same pins.
 *
 * The source is asked for a page once, however many pins cover it: by the first
 * of them, and it gets the page back at the end of the last.
 *
 * There is a cut between two segments because a pin begins or ends there; with
 * the last such pin they become one again. So the number of segments follows
 * the pins that there are, not those that there were. What came from the source
 * at different times stays apart, since it is in different run vectors (unless
 * both are of one that another object has; single runs that continue each other
 * can be joined): a pin of a range that was
 * pinned piece by piece before finds a segment for each piece that is still
 * pinned. Of these there are at most as many as pages, which are charged, and
 * no new ones come while the range is pinned.
 */
#ifndef __IOMMUFD_PINNED_H
#define __IOMMUFD_PINNED_H

#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>

#include "area.h"
#include "claims.h"
#include "runs.h"

struct iommufd_account;
struct iommufd_pin_plan;
struct iommufd_pinned;
struct iommufd_revocable;

/**
 * struct iommufd_owner - the file that pages of a process belong to
 * @inode: the file; NULL if they are the process's own. Only compared.
 * @place: where in it the first of them is, in pages
 */
struct iommufd_owner {
	const void *inode;
	unsigned long place;
};

/**
 * struct iommufd_source_ops - a kind of memory
 * @name: what debugfs calls it
 * @pin: pin the pages first..last and append them to the runs, in order. On an
 *       error the caller unpins what has been appended. Returns 1 if some of
 *       them may be of others: @find_owner tells.
 * @unpin: give the first @npages pages of a slice back. Cannot fail.
 * @release: the object goes away, nothing is pinned
 * @copy: read or write memory that need not be pinned; optional. @offset is in
 *        bytes from the start of the object, @kthread tells that the caller is
 *        a kernel thread, which may borrow an mm. -EOPNOTSUPP when the source
 *        cannot be reached from here without pinning it; -EFAULT, perhaps
 *        with a part copied; -EPERM to write what is not @writable
 * @find_owner: how many of the first pages of first..last are of the same
 *              owner, and of which file, if they are of one; optional
 * @find_device: a new object of the device that is where the pages first..last
 *               should be, which keeps @pinned; optional. -EFAULT if there is
 *               none
 * @no_pages: there are no struct pages, or they are not ours to look at
 * @of_process: the memory is that of a process, which no other can take over
 *
 * All may sleep, and take the mmap_lock of the source. @pin may take as long as
 * the owner of the memory likes, so it is called without the object's mutex, as
 * are @copy, @find_owner and @find_device; the others may be called with it.
 */
struct iommufd_source_ops {
	const char *name;
	int (*pin)(struct iommufd_pinned *pinned, unsigned long first,
		   unsigned long last, struct iommufd_run_builder *runs);
	void (*unpin)(struct iommufd_pinned *pinned,
		      const struct iommufd_run_slice *runs,
		      unsigned long npages);
	void (*release)(struct iommufd_pinned *pinned);
	int (*copy)(struct iommufd_pinned *pinned, unsigned long offset,
		    void *data, size_t length, bool write, bool kthread);
	unsigned long (*find_owner)(struct iommufd_pinned *pinned,
				    unsigned long first, unsigned long last,
				    struct iommufd_owner *owner);
	struct iommufd_pinned *(*find_device)(struct iommufd_pinned *pinned,
					      unsigned long first,
					      unsigned long last);
	bool no_pages;
	bool of_process;
};

/**
 * struct iommufd_pin_segment - pages that came from the source together
 * @node: in the object's segments, ordered by @first
 * @next_hole: before that, while the pages are asked for, the next of the holes
 *             of a plan
 * @first: index of the first page
 * @last: index of the last page
 * @nr_pins: how many pins cover these pages, all of them
 * @starts: how many of these pins begin at @first
 * @runs: where the pages are
 * @claim: for the registry of the owner, whose lock guards @first, @last and
 *         @runs against it
 */
struct iommufd_pin_segment {
	union {
		struct rb_node node;
		struct iommufd_pin_segment *next_hole;
	};
	unsigned long first;
	unsigned long last;
	unsigned int nr_pins;
	unsigned int starts;
	struct iommufd_run_slice runs;
	struct iommufd_claim claim;
};

/**
 * struct iommufd_pinned - one linear range of one source
 * @refs: areas that refer to the object
 * @writable: pages are pinned for writing
 * @start: address of the first page as the owner of the memory knows it
 * @own: the claimant for the owner of the memory; its account is NULL if nobody
 *       is charged
 * @nobody: stands for this NULL where @revocable is used
 * @revocable: if nobody is charged: set if the memory belongs to a device and
 *             may be taken back; see iommufd_pinned_revocable()
 * @ops: the source
 * @mutex: guards @segments, @first_segment and @pending; not held while
 *         the owner of the memory is waited for
 * @segments: what is pinned
 * @pending: what is being pinned
 * @first_segment: serves when there is just one segment
 * @first_area: room for the first area that refers to the object, so that the
 *              usual map is one allocation
 */
struct iommufd_pinned {
	refcount_t refs;
	bool writable;
	unsigned long start;
	union {
		struct iommufd_claimant own;
		struct {
			struct iommufd_account *nobody;
			struct iommufd_revocable *revocable;
		};
	};
	const struct iommufd_source_ops *ops;
	struct mutex mutex;			/* segments */
	struct rb_root segments;
	struct iommufd_pin_plan *pending;
	struct iommufd_pin_segment first_segment;
	struct iommufd_area first_area;
};

/**
 * struct iommufd_pinned_cursor - a place in the pinned pages of an object
 * @segment: the segment, NULL in the last one of the walk
 * @last: index of the page where the walk ends
 * @runs: the place in the segment
 */
struct iommufd_pinned_cursor {
	struct iommufd_pin_segment *segment;
	unsigned long last;
	struct iommufd_run_cursor runs;
};

/**
 * iommufd_pinned_init - set up the common part of an object
 * @pinned: the object, allocated by its source
 * @ops: the source
 * @start: address of the first page as the owner of the memory knows it
 * @writable: pin for writing
 *
 * The caller has the first reference. Inline, as it is part of each map.
 */
static inline void iommufd_pinned_init(struct iommufd_pinned *pinned,
				       const struct iommufd_source_ops *ops,
				       unsigned long start, bool writable)
{
	refcount_set(&pinned->refs, 1);
	mutex_init(&pinned->mutex);
	pinned->ops = ops;
	pinned->start = start;
	pinned->nobody = NULL;
	pinned->revocable = NULL;
	pinned->own.place = start >> PAGE_SHIFT;
	pinned->writable = writable;
	pinned->segments = RB_ROOT;
	pinned->pending = NULL;
	pinned->first_segment.nr_pins = 0;
}

void iommufd_pinned_put(struct iommufd_pinned *pinned);

/* Has the caller the only reference? */
static inline bool iommufd_pinned_is_last_ref(struct iommufd_pinned *pinned)
{
	/* Pairs with iommufd_pinned_put() of others. */
	return smp_load_acquire(&pinned->refs.refs.counter) == 1;
}

/*
 * Memory that may be taken back is never charged: @revocable shares its place
 * with @own.
 */
static inline struct iommufd_revocable *
iommufd_pinned_revocable(const struct iommufd_pinned *pinned)
{
	return pinned->own.account ? NULL : pinned->revocable;
}

static inline unsigned long
iommufd_segment_npages(const struct iommufd_pin_segment *segment)
{
	return segment->last - segment->first + 1;
}

/* The claim at a place in a registry */
static inline struct iommufd_pin_segment *
iommufd_claim_segment(struct hlist_node *node)
{
	return hlist_entry(node, struct iommufd_pin_segment, claim.node);
}

/* First place of a claim */
static inline unsigned long
iommufd_claim_first(const struct iommufd_pin_segment *segment)
{
	return segment->claim.claimant->place + segment->first;
}

/* Last place of a claim */
static inline unsigned long
iommufd_claim_last(const struct iommufd_pin_segment *segment)
{
	return segment->claim.claimant->place + segment->last;
}

static inline void iommufd_claim_unlock(struct iommufd_claims *claims)
{
	if (claims)
		mutex_unlock(&claims->lock);
}

/*
 * Lock the registry of a segment that is about to be cut or joined, for
 * iommufd_claim_split() and iommufd_claim_join(). Its claim is put into a
 * bucket, since there will be two. @locked is the registry that is locked now,
 * or NULL, and unlocked if it is another one. Returns the registry, or NULL if
 * there are no claims.
 */
static inline struct iommufd_claims *
iommufd_claim_lock(const struct iommufd_pinned *pinned,
		   const struct iommufd_pin_segment *segment,
		   struct iommufd_claims *locked)
{
	struct iommufd_claims *claims;

	if (!pinned->own.account)
		return NULL;
	claims = segment->claim.claimant->claims;
	if (claims == locked)
		return claims;
	iommufd_claim_unlock(locked);
	mutex_lock(&claims->lock);
	iommufd_claims_hash_sole(claims);
	return claims;
}

/* May two segments be joined, as far as their claims tell? */
static inline bool
iommufd_claims_are_of_one(const struct iommufd_pinned *pinned,
			  const struct iommufd_pin_segment *a,
			  const struct iommufd_pin_segment *b)
{
	return !pinned->own.account || a->claim.claimant == b->claim.claimant;
}

/* A segment has been cut. The new claim goes into the bucket of the old one. */
static inline void iommufd_claim_split(struct iommufd_claims *claims,
				       struct iommufd_pin_segment *left,
				       struct iommufd_pin_segment *right)
{
	if (!claims)
		return;
	right->claim = left->claim;
	iommufd_claimant_get(right->claim.claimant);
	hlist_add_behind(&right->claim.node, &left->claim.node);
	claims->nr++;
}

/* Two segments have become one. */
static inline void iommufd_claim_join(struct iommufd_claims *claims,
				      struct iommufd_pin_segment *joined,
				      struct iommufd_pin_segment *gone)
{
	struct iommufd_claim *a = &joined->claim, *b = &gone->claim;
	struct iommufd_file_claimant *of_file;

	if (!claims)
		return;
	claims->nr--;
	/* Not the last reference: @joined has one, too. */
	of_file = iommufd_file_claimant(b->claimant);
	if (of_file)
		refcount_dec(&of_file->refs);
	a->others |= b->others & IOMMUFD_CLAIM_MET;
	/* Both are in the same bucket if they were cut from one claim. */
	if (likely(a->class == b->class && a->block == b->block))
		__hlist_del(&b->node);
	else
		iommufd_claims_join(claims, joined, gone);
}

int iommufd_pinned_pin(struct iommufd_pinned *pinned, unsigned long first,
		       unsigned long last);
int iommufd_pinned_pin_new(struct iommufd_pinned *pinned, unsigned long first,
			   unsigned long last);
void iommufd_pinned_unpin(struct iommufd_pinned *pinned, unsigned long first,
			  unsigned long last);
bool iommufd_pinned_unpin_only(struct iommufd_pinned *pinned);

int iommufd_pinned_cut_pin(struct iommufd_pinned *pinned,
			   unsigned long left_last, unsigned long right_first);
void iommufd_pinned_cut_segment(struct iommufd_pinned *pinned,
				struct iommufd_claims *claims,
				struct iommufd_pin_segment *segment,
				unsigned long page,
				struct iommufd_pin_segment *right);

int iommufd_pinned_copy(struct iommufd_pinned *pinned, unsigned long offset,
			void *data, size_t length, bool write,
			unsigned int how);

/* How iommufd_pinned_copy() reaches memory that is not pinned */
#define IOMMUFD_COPY_KTHREAD BIT(0) /* the caller is a kernel thread */
#define IOMMUFD_COPY_BY_PINS BIT(1) /* by pins for a moment, always */

struct iommufd_pin_segment *
iommufd_pinned_find(struct iommufd_pinned *pinned, unsigned long page);
int iommufd_pinned_fill(struct iommufd_pinned *pinned,
			struct iommufd_pin_segment *segment, bool again);
int iommufd_pinned_pin_runs(struct iommufd_pinned *pinned, unsigned long first,
			    unsigned long last,
			    struct iommufd_run_slice *slice);
void iommufd_pinned_unpin_runs(struct iommufd_pinned *pinned,
			       struct iommufd_run_slice *runs,
			       unsigned long npages);

void iommufd_pinned_walk(struct iommufd_pinned *pinned, unsigned long first,
			 unsigned long last,
			 struct iommufd_pinned_cursor *cursor);
unsigned long iommufd_pinned_piece(struct iommufd_pinned *pinned,
				   unsigned long first, unsigned long last,
				   unsigned long *pfn);
bool __iommufd_pinned_next(struct iommufd_pinned_cursor *cursor,
			   struct iommufd_run *run);

/* On a copy, so that the compiler can keep the caller's cursor in registers */
static __always_inline bool
iommufd_pinned_next_slow(struct iommufd_pinned_cursor *cursor,
			 struct iommufd_run *run)
{
	struct iommufd_pinned_cursor copy = *cursor;
	struct iommufd_run taken;
	bool found = __iommufd_pinned_next(&copy, &taken);

	*cursor = copy;
	*run = taken;
	return found;
}

/**
 * iommufd_pinned_next - take the run at the cursor and step on
 * @cursor: the cursor
 * @run: receives the run
 *
 * Return: false when the walk is over.
 */
static __always_inline bool
iommufd_pinned_next(struct iommufd_pinned_cursor *cursor,
		    struct iommufd_run *run)
{
	return likely(iommufd_run_cursor_next(&cursor->runs, run)) ||
	       iommufd_pinned_next_slow(cursor, run);
}

/*
 * The usual map: one run, all that there is. Pages first..last are pinned.
 * Tells where the first is, or false when it takes a walk.
 */
static inline bool iommufd_pinned_is_one_run(const struct iommufd_pinned *pinned,
					     unsigned long first,
					     unsigned long last,
					     unsigned long *pfn)
{
	const struct iommufd_pin_segment *segment = &pinned->first_segment;

	if (pinned->segments.rb_node != &segment->node || segment->runs.vec ||
	    first < segment->first || last > segment->last)
		return false;
	*pfn = iommufd_run_pfn(segment->runs.run) + (first - segment->first);
	return true;
}

/* Has the last run been taken? */
static inline bool
iommufd_pinned_is_over(const struct iommufd_pinned_cursor *cursor)
{
	return !cursor->runs.left && !cursor->segment;
}

/*
 * Is the rest of the walk in one segment? Then it only reads runs, which do not
 * change and stay as long as the pages are pinned, even if the segment is cut
 * or joined: the walk can go on without the object's mutex.
 */
static inline bool
iommufd_pinned_is_in_last(const struct iommufd_pinned_cursor *cursor)
{
	return !cursor->segment;
}

#endif
