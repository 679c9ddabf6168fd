/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Areas: mapped ranges of IOVA
 *
 * The address space owns them, the IOVA space has them in its tree, and the
 * pinned-memory object has room for the first one that refers to it.
 */
#ifndef __IOMMUFD_AREA_H
#define __IOMMUFD_AREA_H

#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include "why.h"

struct iommufd_pinned;

/**
 * enum iommufd_area_state - what may be done with an area
 * @IOMMUFD_AREA_CREATING: its IOVA is taken; belongs to the thread that maps it
 * @IOMMUFD_AREA_LIVE: in the page tables of all followers
 * @IOMMUFD_AREA_DYING: belongs to the thread that unmaps it
 */
enum iommufd_area_state {
	IOMMUFD_AREA_CREATING,
	IOMMUFD_AREA_LIVE,
	IOMMUFD_AREA_DYING,
};

/**
 * struct iommufd_area - a mapped range of IOVA
 * @node: in the space's areas, ordered by @iova
 * @iova: first IOVA
 * @last: last IOVA
 * @gap: bytes that no area uses between this and the previous area
 * @max_gap: the largest @gap in the subtree under @node
 * @next: links the areas of one request, in the order of their IOVA; belongs to
 *        the same thread as @has_pin
 * @pinned: the memory, of which the area holds a reference
 * @offset: byte offset of @iova in @pinned
 * @prot: IOMMU_READ, IOMMU_WRITE and the like for the page tables
 * @pins: pins that accessors have of pages of the area
 * @busy: operations under way that need the area, and let go of it by
 *        themselves. Both counts change with the lock of the space held for
 *        reading, so that who has it for writing sees what there is.
 * @state: see enum iommufd_area_state; becomes LIVE without the lock
 * @embedded: it is the @first_area of a pinned-memory object
 * @has_pin: it has a pin for page tables. Belongs to the thread that has the
 *           area CREATING or DYING, otherwise to the follower that comes, or
 *           was the last to leave; a cut keeps all of these out.
 * @locks: how often it was locked for hardware, see area_lock.c; guarded by the
 *         lock of the space
 */
struct iommufd_area {
	struct rb_node node;
	unsigned long iova;
	unsigned long last;
	unsigned long gap;
	unsigned long max_gap;
	struct iommufd_area *next;
	struct iommufd_pinned *pinned;
	unsigned long offset;
	int prot;
	atomic_t pins;
	atomic_t busy;
	u8 state;
	bool embedded;
	bool has_pin;
	u16 locks;
};

static inline unsigned long iommufd_area_length(const struct iommufd_area *area)
{
	return area->last - area->iova + 1;
}

/* Context: caller holds the lock of the space. */
static inline enum iommufd_area_state
iommufd_area_state(const struct iommufd_area *area)
{
	/* Pairs with the release in map_publish_areas(). */
	return smp_load_acquire(&area->state);
}

static inline bool iommufd_area_is_live(const struct iommufd_area *area)
{
	return iommufd_area_state(area) == IOMMUFD_AREA_LIVE;
}

/*
 * Can the area be unmapped or cut, as far as its state and locks tell? Its
 * users (@busy, @pins) are another question. Context: caller holds the lock of
 * the space.
 */
static inline int iommufd_area_check_settled(const struct iommufd_area *area)
{
	if (!iommufd_area_is_live(area))
		return iommufd_refuse(IOMMU_WHY_AREA_CHANGING, area->iova,
				      area->last);
	if (area->locks)
		return iommufd_refuse(IOMMU_WHY_AREA_LOCKED, area->iova,
				      area->last);
	return 0;
}

/* Index of the first page of the area in its pinned-memory object */
static inline unsigned long
iommufd_area_first_page(const struct iommufd_area *area)
{
	return area->offset >> PAGE_SHIFT;
}

static inline unsigned long
iommufd_area_last_page(const struct iommufd_area *area)
{
	return (area->offset + (area->last - area->iova)) >> PAGE_SHIFT;
}

/* Where an IOVA of the area is in its pinned-memory object, in bytes */
static inline unsigned long
iommufd_area_offset_at(const struct iommufd_area *area, unsigned long iova)
{
	return area->offset + (iova - area->iova);
}

/* The first and the last page of what lies in a range that the area overlaps */
static inline unsigned long
iommufd_area_first_page_in(const struct iommufd_area *area, unsigned long iova)
{
	return iommufd_area_offset_at(area, max(area->iova, iova)) >>
	       PAGE_SHIFT;
}

static inline unsigned long
iommufd_area_last_page_in(const struct iommufd_area *area, unsigned long last)
{
	return iommufd_area_offset_at(area, min(area->last, last)) >>
	       PAGE_SHIFT;
}

struct iommufd_area *iommufd_area_first_of(struct iommufd_pinned *pinned,
					   unsigned long offset,
					   unsigned long length, int prot);
struct iommufd_area *iommufd_area_share(const struct iommufd_area *from,
					unsigned long iova, unsigned long last,
					int prot);
void iommufd_areas_free(struct iommufd_area *areas);

int iommufd_area_pin(struct iommufd_area *area);
int iommufd_areas_pin(struct iommufd_area *area);
void iommufd_areas_unpin(struct iommufd_area *area);

int iommufd_area_cache_init(void);
void iommufd_area_cache_exit(void);

#endif
