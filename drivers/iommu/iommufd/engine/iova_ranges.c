// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVA space: reserved and allowed ranges
 *
 * Owns the two trees of ranges; the lock of the space guards them. Called by
 * the address space for page tables, by attach for devices, and for what user
 * space wants to be sure of.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "iova_space.h"

/**
 * struct iommufd_reservation - a range that must not be mapped
 * @range: in the space's reserved ranges, which may overlap
 * @owner: the device, page table, ... because of which it is reserved
 * @device: by what number user space knows @owner; 0 if that is no device
 */
struct iommufd_reservation {
	struct interval_tree_node range;
	const void *owner;
	u32 device;
};

static struct iommufd_reservation *
to_reservation(struct interval_tree_node *node)
{
	return container_of(node, struct iommufd_reservation, range);
}

/**
 * iommufd_iova_is_reserved - is any of a range reserved?
 * @space: the space
 * @first: first IOVA
 * @last: last IOVA
 *
 * Context: caller holds the space's lock.
 * Return: true if it is.
 */
bool iommufd_iova_is_reserved(struct iommufd_iova_space *space,
			      unsigned long first, unsigned long last)
{
	return interval_tree_iter_first(&space->reserved, first, last);
}

/**
 * iommufd_iova_free_reserved - drop all reservations
 * @reserved: those of a space that is going away
 */
void iommufd_iova_free_reserved(struct rb_root_cached *reserved)
{
	struct interval_tree_node *node;

	while ((node = interval_tree_iter_first(reserved, 0, ULONG_MAX))) {
		interval_tree_remove(node, reserved);
		kfree(to_reservation(node));
	}
}

/*
 * A reservation that meets the range, of which there is at least one. That of a
 * device if possible: user space knows devices, and can ask for their regions.
 */
static const struct iommufd_reservation *
ranges_find_reserved(struct iommufd_iova_space *space, unsigned long first,
		     unsigned long last)
{
	struct interval_tree_node *lowest, *node;

	lowest = interval_tree_iter_first(&space->reserved, first, last);
	for (node = lowest; node;
	     node = interval_tree_iter_next(node, first, last)) {
		if (to_reservation(node)->device)
			return to_reservation(node);
	}
	return to_reservation(lowest);
}

/**
 * iommufd_iova_refuse_reserved - refuse a map where something is reserved
 * @space: the space
 * @first: first IOVA
 * @last: last IOVA
 *
 * Context: caller holds the space's lock.
 * Return: a refusal.
 */
int iommufd_iova_refuse_reserved(struct iommufd_iova_space *space,
				 unsigned long first, unsigned long last)
{
	const struct iommufd_reservation *reservation =
		ranges_find_reserved(space, first, last);

	return iommufd_refuse(IOMMU_WHY_IOVA_RESERVED, first, last,
			      reservation->range.start,
			      reservation->range.last, reservation->device);
}

static int ranges_check_unused(struct iommufd_iova_space *space,
			       unsigned long first, unsigned long last)
{
	struct iommufd_area *area = iommufd_area_first(space, first, last);

	if (area)
		return iommufd_refuse(IOMMU_WHY_DEVICE_RANGE_TAKEN, first, last,
				      area->iova, area->last);
	if (interval_tree_iter_first(&space->allowed, first, last))
		return iommufd_refuse(IOMMU_WHY_DEVICE_RANGE_ALLOWED, first,
				      last);
	return 0;
}

static int ranges_reserve(struct iommufd_iova_space *space, unsigned long first,
			  unsigned long last, const void *owner, u32 device)
{
	struct iommufd_reservation *reservation;
	int rc;

	lockdep_assert_held_write(&space->lock);

	rc = ranges_check_unused(space, first, last);
	if (rc)
		return rc;

	reservation = kzalloc_obj(*reservation, GFP_KERNEL_ACCOUNT);
	if (!reservation)
		return -ENOMEM;
	reservation->range.start = first;
	reservation->range.last = last;
	reservation->owner = owner;
	reservation->device = device;
	interval_tree_insert(&reservation->range, &space->reserved);
	return 0;
}

/**
 * iommufd_iova_reserve - make a range unusable
 * @space: the space
 * @first: first IOVA
 * @last: last IOVA
 * @owner: for whom, see iommufd_iova_unreserve(); may reserve many ranges
 *
 * Context: caller holds the space's lock for writing; may sleep.
 *
 * Return: 0; -EADDRINUSE if the range meets an area or an allowed range;
 * -ENOMEM.
 */
int iommufd_iova_reserve(struct iommufd_iova_space *space, unsigned long first,
			 unsigned long last, const void *owner)
{
	return ranges_reserve(space, first, last, owner, 0);
}

/**
 * iommufd_iova_is_reserved_by - has an owner reserved exactly this range?
 * @space: the space
 * @first: first IOVA
 * @last: last IOVA
 * @owner: as given to iommufd_iova_reserve()
 *
 * Context: caller holds the space's lock.
 * Return: true if it has.
 */
bool iommufd_iova_is_reserved_by(struct iommufd_iova_space *space,
				 unsigned long first, unsigned long last,
				 const void *owner)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&space->lock);

	for (node = interval_tree_iter_first(&space->reserved, first, last);
	     node; node = interval_tree_iter_next(node, first, last)) {
		if (node->start == first && node->last == last &&
		    to_reservation(node)->owner == owner)
			return true;
	}
	return false;
}

/**
 * iommufd_iova_hand_over - let all reservations of an owner be another's
 * @space: the space
 * @from: who has them
 * @to: who gets them, each range once, however often it is given it; NULL if
 *      they are to be dropped
 *
 * Context: caller holds the space's lock for writing. Cannot fail.
 */
void iommufd_iova_hand_over(struct iommufd_iova_space *space, const void *from,
			    const void *to)
{
	struct interval_tree_node *node, *next;

	lockdep_assert_held_write(&space->lock);

	for (node = interval_tree_iter_first(&space->reserved, 0, ULONG_MAX);
	     node; node = next) {
		struct iommufd_reservation *reservation = to_reservation(node);

		next = interval_tree_iter_next(node, 0, ULONG_MAX);
		if (reservation->owner != from)
			continue;
		if (to && !iommufd_iova_is_reserved_by(space, node->start,
						       node->last, to)) {
			reservation->owner = to;
			continue;
		}
		interval_tree_remove(node, &space->reserved);
		kfree(reservation);
	}
}

/**
 * iommufd_iova_unreserve - drop all reservations of an owner
 * @space: the space
 * @owner: as given to iommufd_iova_reserve()
 *
 * Context: caller holds the space's lock for writing. Cannot fail.
 */
void iommufd_iova_unreserve(struct iommufd_iova_space *space, const void *owner)
{
	iommufd_iova_hand_over(space, owner, NULL);
}

/**
 * iommufd_iova_next_usable - the lowest range without reservation
 * @space: the space
 * @first: where to look from; receives the first IOVA of the range
 * @last: where to look to; receives the last IOVA of the range
 *
 * Context: caller holds the space's lock.
 * Return: false if all of it is reserved.
 */
bool iommufd_iova_next_usable(struct iommufd_iova_space *space,
			      unsigned long *first, unsigned long *last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&space->lock);

	for (node = interval_tree_iter_first(&space->reserved, *first, *last);
	     node; node = interval_tree_iter_next(node, *first, *last)) {
		if (*first < node->start) {
			*last = node->start - 1;
			return true;
		}
		if (node->last >= *last)
			return false;
		/* The walk skips ranges that end below this. */
		*first = node->last + 1;
	}
	return true;
}

/**
 * iommufd_iova_allow - add a range to a list of allowed ranges
 * @allowed: the list
 * @first: first IOVA
 * @last: last IOVA
 *
 * Context: may sleep.
 * Return: 0; -EINVAL if it meets an earlier range; -ENOMEM.
 */
int iommufd_iova_allow(struct rb_root_cached *allowed, unsigned long first,
		       unsigned long last)
{
	struct interval_tree_node *node;

	if (interval_tree_iter_first(allowed, first, last))
		return iommufd_refuse(IOMMU_WHY_ALLOWED_TWICE, first, last);

	node = kzalloc_obj(*node, GFP_KERNEL_ACCOUNT);
	if (!node)
		return -ENOMEM;
	node->start = first;
	node->last = last;
	interval_tree_insert(node, allowed);
	return 0;
}

static int ranges_refuse_allowed(struct iommufd_iova_space *space,
				 unsigned long first, unsigned long last)
{
	const struct iommufd_reservation *reservation =
		ranges_find_reserved(space, first, last);

	return iommufd_refuse(IOMMU_WHY_ALLOWED_RESERVED, first, last,
			      reservation->range.start,
			      reservation->range.last, reservation->device);
}

/**
 * iommufd_iova_set_allowed - replace the list of allowed ranges
 * @space: the space
 * @allowed: the new list; receives the old one for the caller to free
 *
 * Context: caller holds the space's lock for writing.
 * Return: 0; -EADDRINUSE if one of the ranges meets a reserved one.
 */
int iommufd_iova_set_allowed(struct iommufd_iova_space *space,
			     struct rb_root_cached *allowed)
{
	struct interval_tree_node *node;

	lockdep_assert_held_write(&space->lock);

	for (node = interval_tree_iter_first(allowed, 0, ULONG_MAX); node;
	     node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		if (iommufd_iova_is_reserved(space, node->start, node->last))
			return ranges_refuse_allowed(space, node->start,
						     node->last);
		cond_resched();
	}
	swap(space->allowed, *allowed);
	return 0;
}

void iommufd_iova_free_allowed(struct rb_root_cached *allowed)
{
	struct interval_tree_node *node;

	while ((node = interval_tree_iter_first(allowed, 0, ULONG_MAX))) {
		interval_tree_remove(node, allowed);
		kfree(node);
		cond_resched();
	}
}

/**
 * iommufd_iova_space_reserve - make a range unusable
 * @space: the space
 * @first: first IOVA
 * @last: last IOVA
 * @owner: for whom; a range that the same owner has already counts once
 *
 * Context: process context, may sleep.
 * Return: as iommufd_iova_reserve().
 */
int iommufd_iova_space_reserve(struct iommufd_iova_space *space,
			       unsigned long first, unsigned long last,
			       const void *owner)
{
	guard(rwsem_write)(&space->lock);
	if (iommufd_iova_is_reserved_by(space, first, last, owner))
		return 0;
	return iommufd_iova_reserve(space, first, last, owner);
}

static int iova_reserve_regions(struct iommufd_iova_space *space,
				const struct list_head *regions,
				const void *owner, u32 device)
{
	const struct iommu_resv_region *region;
	int rc;

	list_for_each_entry(region, regions, list) {
		if (region->type == IOMMU_RESV_DIRECT_RELAXABLE)
			continue;
		rc = ranges_reserve(space, region->start,
				    region->start + region->length - 1, owner,
				    device);
		if (rc)
			return rc;
	}
	return 0;
}

/**
 * iommufd_iova_space_reserve_regions - make the regions of a device unusable
 * @space: the space
 * @regions: struct iommu_resv_region
 * @owner: for whom, who has nothing reserved yet
 * @device: by what number user space knows the device
 *
 * Context: process context, may sleep.
 * Return: as iommufd_iova_reserve(); on an error nothing is reserved.
 */
int iommufd_iova_space_reserve_regions(struct iommufd_iova_space *space,
				       const struct list_head *regions,
				       const void *owner, u32 device)
{
	int rc;

	guard(rwsem_write)(&space->lock);
	rc = iova_reserve_regions(space, regions, owner, device);
	if (rc)
		iommufd_iova_unreserve(space, owner);
	return rc;
}

/**
 * iommufd_iova_space_hand_over - let all reservations of an owner be another's
 * @space: the space
 * @from: who has them
 * @to: who gets them
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_iova_space_hand_over(struct iommufd_iova_space *space,
				  const void *from, const void *to)
{
	guard(rwsem_write)(&space->lock);
	iommufd_iova_hand_over(space, from, to);
}

/**
 * iommufd_iova_space_unreserve - drop all reservations of an owner
 * @space: the space
 * @owner: as given to iommufd_iova_space_reserve()
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_iova_space_unreserve(struct iommufd_iova_space *space,
				  const void *owner)
{
	guard(rwsem_write)(&space->lock);
	iommufd_iova_unreserve(space, owner);
}

/**
 * iommufd_iova_space_set_allowed - replace the list of allowed ranges
 * @space: the space
 * @allowed: as iommufd_iova_set_allowed()
 *
 * Context: process context, may sleep.
 * Return: as iommufd_iova_set_allowed().
 */
int iommufd_iova_space_set_allowed(struct iommufd_iova_space *space,
				   struct rb_root_cached *allowed)
{
	guard(rwsem_write)(&space->lock);
	return iommufd_iova_set_allowed(space, allowed);
}

/**
 * iommufd_iova_space_list_usable - all ranges that are not reserved
 * @space: the space
 * @add: called for each, the lowest first, with the lock of the space held
 * @data: for @add
 *
 * Context: process context, may sleep.
 * Return: the alignment that the space demands at the same time.
 */
unsigned long iommufd_iova_space_list_usable(struct iommufd_iova_space *space,
					     iommufd_usable_range_t add,
					     void *data)
{
	unsigned long first = 0, last = ULONG_MAX;

	guard(rwsem_read)(&space->lock);
	while (iommufd_iova_next_usable(space, &first, &last)) {
		add(data, first, last);
		if (last == ULONG_MAX)
			break;
		first = last + 1;
		last = ULONG_MAX;
	}
	return space->alignment;
}

/**
 * iommufd_iova_space_next_reserved - what is reserved at an IOVA, or next
 * above?
 * @space: the space
 * @iova: the IOVA
 * @reserved: receives it, from @iova on
 *
 * Context: process context, may sleep.
 * Return: false if nothing is.
 */
bool iommufd_iova_space_next_reserved(struct iommufd_iova_space *space,
				      unsigned long iova,
				      struct iommufd_reserved *reserved)
{
	struct interval_tree_node *node;

	guard(rwsem_read)(&space->lock);
	node = interval_tree_iter_first(&space->reserved, iova, ULONG_MAX);
	if (!node)
		return false;
	*reserved = (struct iommufd_reserved){
		.first = max(iova, node->start),
		.last = node->last,
	};
	/* Reservations come by their start and may overlap. */
	for (; node && node->start <= reserved->last;
	     node = interval_tree_iter_next(node, iova, ULONG_MAX)) {
		if (node->start > reserved->first) {
			reserved->last = node->start - 1;
			break;
		}
		reserved->last = min(reserved->last, node->last);
		reserved->nr++;
		if (!reserved->device)
			reserved->device = to_reservation(node)->device;
	}
	return true;
}

/**
 * iommufd_iova_space_next_allowed - what is allowed at an IOVA, or next above?
 * @space: the space
 * @iova: the IOVA
 * @first: receives the first IOVA of an allowed range
 * @last: receives the last one
 *
 * Context: process context, may sleep.
 * Return: false if there is no such range; without any, all is allowed.
 */
bool iommufd_iova_space_next_allowed(struct iommufd_iova_space *space,
				     unsigned long iova, unsigned long *first,
				     unsigned long *last)
{
	struct interval_tree_node *node;

	guard(rwsem_read)(&space->lock);
	node = interval_tree_iter_first(&space->allowed, iova, ULONG_MAX);
	if (!node)
		return false;
	*first = node->start;
	*last = node->last;
	return true;
}
