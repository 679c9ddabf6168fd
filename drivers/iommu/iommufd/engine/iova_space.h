/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IOVA space: which IOVA is used, reserved, allowed
 *
 * Terms:
 *  area       a mapped range of IOVA; areas never overlap
 *  reserved   a range that must not be mapped, because a device or a page table
 *             cannot have it; has an owner with whom it goes
 *  allowed    a range of which user space wants to be sure that it can be
 *             mapped: no reservation may touch it
 *  alignment  what the start, the length and the page offset of each area are
 *             multiples of; a power of two of at most PAGE_SIZE
 *
 * All ranges are [first, last] with an inclusive last, since IOVA goes up to
 * ULONG_MAX.
 */
#ifndef __IOMMUFD_IOVA_SPACE_H
#define __IOMMUFD_IOVA_SPACE_H

#include <linux/errno.h>
#include <linux/interval_tree.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/overflow.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/types.h>

#include "area.h"

/**
 * iommufd_iova_last - where a range ends
 * @iova: first IOVA
 * @length: in bytes
 * @last: receives the last IOVA
 *
 * Return: 0; -EINVAL for an empty range; -EOVERFLOW if it ends behind the last
 * IOVA that there is.
 */
static inline int iommufd_iova_last(u64 iova, u64 length, unsigned long *last)
{
	u64 last_iova;

	if (!length)
		return iommufd_refuse(IOMMU_WHY_EMPTY_RANGE, iova);
	if (check_add_overflow(iova, length - 1, &last_iova) ||
	    last_iova > ULONG_MAX)
		return iommufd_refuse(IOMMU_WHY_RANGE_END, iova, length);
	*last = last_iova;
	return 0;
}

/**
 * struct iommufd_iova_space - one IOVA space
 * @lock: guards all of the below; not held while memory is pinned
 * @areas: what is mapped
 * @nr_areas: how many that are
 * @nr_inserted: how many have come since the beginning
 * @recent: the area where the last change was, NULL if there is none: the next
 *          one is often close
 * @reserved: struct iommufd_reservation
 * @allowed: struct interval_tree_node, without overlap; empty: all is allowed
 * @alignment: see above
 */
struct iommufd_iova_space {
	struct rw_semaphore lock;
	struct rb_root areas;
	unsigned long nr_areas;
	unsigned long nr_inserted;
	struct iommufd_area *recent;
	struct rb_root_cached reserved;
	struct rb_root_cached allowed;
	unsigned long alignment;
};

void iommufd_iova_space_init(struct iommufd_iova_space *space);
void iommufd_iova_space_destroy(struct iommufd_iova_space *space);

int iommufd_iova_check(struct iommufd_iova_space *space, unsigned long iova,
		       unsigned long length);
int iommufd_iova_choose(struct iommufd_iova_space *space,
			unsigned long hint, unsigned long length,
			unsigned long *iova);
void iommufd_iova_insert(struct iommufd_iova_space *space,
			 struct iommufd_area *area);
void iommufd_iova_remove(struct iommufd_iova_space *space,
			 struct iommufd_area *area);
void iommufd_iova_remove_all(struct iommufd_iova_space *space);

struct iommufd_area *iommufd_area_first(struct iommufd_iova_space *space,
					unsigned long iova, unsigned long last);
struct iommufd_area *__iommufd_area_next(struct iommufd_area *area,
					 unsigned long last);

/**
 * iommufd_area_next - the next area that touches a range
 * @area: an area
 * @last: last IOVA of the range
 *
 * Context: as iommufd_area_first().
 * Return: the area, NULL if there is none.
 */
static inline struct iommufd_area *iommufd_area_next(struct iommufd_area *area,
						     unsigned long last)
{
	return area->last < last ? __iommufd_area_next(area, last) : NULL;
}

bool iommufd_iova_is_reserved(struct iommufd_iova_space *space,
			      unsigned long first, unsigned long last);
int iommufd_iova_refuse_reserved(struct iommufd_iova_space *space,
				 unsigned long first, unsigned long last)
	__cold;
void iommufd_iova_free_reserved(struct rb_root_cached *reserved);
int iommufd_iova_reserve(struct iommufd_iova_space *space, unsigned long first,
			 unsigned long last, const void *owner);
void iommufd_iova_unreserve(struct iommufd_iova_space *space,
			    const void *owner);
bool iommufd_iova_is_reserved_by(struct iommufd_iova_space *space,
				 unsigned long first, unsigned long last,
				 const void *owner);
void iommufd_iova_hand_over(struct iommufd_iova_space *space, const void *from,
			    const void *to);
bool iommufd_iova_next_usable(struct iommufd_iova_space *space,
			      unsigned long *first, unsigned long *last);

int iommufd_iova_allow(struct rb_root_cached *allowed, unsigned long first,
		       unsigned long last);
int iommufd_iova_set_allowed(struct iommufd_iova_space *space,
			     struct rb_root_cached *allowed);
void iommufd_iova_free_allowed(struct rb_root_cached *allowed);

bool iommufd_iova_fits_alignment(struct iommufd_iova_space *space,
				 unsigned long alignment);

/*
 * What is above the engine calls these, which take the lock themselves.
 */

/**
 * typedef iommufd_usable_range_t - take a range that can be used
 * @data: the caller's
 * @first: first IOVA
 * @last: last IOVA
 *
 * Context: with the lock of the space held.
 */
typedef void (*iommufd_usable_range_t)(void *data, unsigned long first,
				       unsigned long last);

int iommufd_iova_space_reserve(struct iommufd_iova_space *space,
			       unsigned long first, unsigned long last,
			       const void *owner);
int iommufd_iova_space_reserve_regions(struct iommufd_iova_space *space,
				       const struct list_head *regions,
				       const void *owner, u32 device);
void iommufd_iova_space_hand_over(struct iommufd_iova_space *space,
				  const void *from, const void *to);
void iommufd_iova_space_unreserve(struct iommufd_iova_space *space,
				  const void *owner);
int iommufd_iova_space_set_allowed(struct iommufd_iova_space *space,
				   struct rb_root_cached *allowed);
unsigned long iommufd_iova_space_list_usable(struct iommufd_iova_space *space,
					     iommufd_usable_range_t add,
					     void *data);

/**
 * struct iommufd_reserved - IOVA that the same reservations cover
 * @first: first IOVA
 * @last: last IOVA
 * @device: by what number user space knows the device for which it is reserved,
 *          or one of them; 0 if there is none
 * @nr: how many reservations there are
 */
struct iommufd_reserved {
	unsigned long first;
	unsigned long last;
	u32 device;
	unsigned int nr;
};

bool iommufd_iova_space_next_reserved(struct iommufd_iova_space *space,
				      unsigned long iova,
				      struct iommufd_reserved *reserved);
bool iommufd_iova_space_next_allowed(struct iommufd_iova_space *space,
				     unsigned long iova, unsigned long *first,
				     unsigned long *last);
bool iommufd_iova_space_is_aligned(struct iommufd_iova_space *space,
				   unsigned long iova, unsigned long length);
bool iommufd_iova_space_nth_area(struct iommufd_iova_space *space,
				 unsigned long n, unsigned long *iova);

#endif
