// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking into an address space, for debugging
 *
 * Owns nothing, and changes nothing but the references of memory that it looks
 * at. Called when somebody reads debugfs.
 */
#include <linux/cleanup.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "address_space.h"
#include "look.h"
#include "pinned.h"
#include "revocable.h"

/* So many runs are taken without letting go of the memory's mutex. */
#define LOOK_RUNS 1024

/**
 * struct look_place - a place in the memory of an area
 * @pinned: the memory, of which the place has a reference
 * @iova: where it is in the area
 * @last: last IOVA of the area
 * @offset: where @iova is in @pinned, in bytes
 */
struct look_place {
	struct iommufd_pinned *pinned;
	unsigned long iova;
	unsigned long last;
	unsigned long offset;
};

/**
 * iommufd_look_at_users - who uses an address space?
 * @as: the address space
 * @users: receives it
 *
 * Context: process context, may sleep.
 */
void iommufd_look_at_users(struct iommufd_address_space *as,
			   struct iommufd_look_users *users)
{
	struct iommufd_follower *follower;
	struct iommufd_accessor *accessor;

	*users = (struct iommufd_look_users){};
	guard(rwsem_read)(&as->space.lock);
	users->alignment = as->space.alignment;
	list_for_each_entry(follower, &as->followers, node) {
		users->nr_followers++;
		/* It may be filled just now. */
		if (data_race(follower->filled))
			users->nr_filled++;
	}
	list_for_each_entry(accessor, &as->accessors, node) {
		users->nr_accessors++;
		users->nr_pins += atomic_long_read(&accessor->nr_pins);
	}
}

/* The next area at or above @iova that has memory to be looked at */
static struct iommufd_area *look_find_memory(struct iommufd_iova_space *space,
					     unsigned long iova)
{
	struct iommufd_area *area;

	for (area = iommufd_area_first(space, iova, ULONG_MAX); area;
	     area = iommufd_area_next(area, ULONG_MAX)) {
		if (iommufd_area_is_live(area))
			break;
	}
	return area;
}

static void look_get_place(const struct iommufd_area *area, unsigned long iova,
			   struct look_place *place)
{
	place->pinned = area->pinned;
	refcount_inc(&place->pinned->refs);
	place->iova = max(iova, area->iova);
	place->last = area->last;
	place->offset = iommufd_area_offset_at(area, place->iova);
}

static void look_put_place(const struct look_place *place)
{
	/* If the area was unmapped meanwhile, this is the last reference. */
	iommufd_pinned_put(place->pinned);
}

/*
 * Go to the next pinned page of the area, at the place or behind it, and begin
 * to walk the runs that came from the source together with it. Return: false if
 * there is none.
 */
static bool look_enter_segment(struct look_place *place,
			       struct iommufd_run_cursor *cursor)
{
	unsigned long first = place->offset >> PAGE_SHIFT;
	unsigned long last =
		(place->offset + (place->last - place->iova)) >> PAGE_SHIFT;
	struct iommufd_pin_segment *segment;

	lockdep_assert_held(&place->pinned->mutex);

	segment = iommufd_pinned_find(place->pinned, first);
	if (!segment || segment->first > last)
		return false;
	if (segment->first > first) {
		first = segment->first;
		place->iova += (first << PAGE_SHIFT) - place->offset;
		place->offset = first << PAGE_SHIFT;
	}
	iommufd_run_slice_walk(&segment->runs, first - segment->first,
			       min(segment->last, last) - first + 1, cursor);
	return true;
}

/* What of a run lies in the area; the place is where it begins. */
static void look_cut_run(const struct look_place *place, struct iommufd_run run,
			 struct iommufd_look_run *found)
{
	unsigned long skip = offset_in_page(place->offset);
	unsigned long length = (iommufd_run_npages(run) << PAGE_SHIFT) - skip;

	found->iova = place->iova;
	found->last = min(place->last - place->iova, length - 1) + place->iova;
	found->phys = PFN_PHYS(iommufd_run_pfn(run)) + skip;
	found->revoked = false;
}

/* Step behind a run. Return: false at the end of the area. */
static bool look_step(struct look_place *place,
		      const struct iommufd_look_run *run)
{
	if (run->last == place->last)
		return false;
	place->offset += run->last + 1 - place->iova;
	place->iova = run->last + 1;
	return true;
}

/*
 * The owner may have moved the memory since it was pinned, or taken it back:
 * the runs do not tell where it is.
 */
static void look_for_device(const struct look_place *place,
			    struct iommufd_look_run *run)
{
	struct iommufd_revocable *revocable =
		iommufd_pinned_revocable(place->pinned);

	if (!revocable)
		return;
	run->revoked = !iommufd_revocable_hold(revocable);
	if (run->revoked)
		return;
	run->phys = revocable->phys + place->offset;
	iommufd_revocable_release(revocable);
}

/* The first run at the place or behind it. Return: false if there is none. */
static bool look_find_run(struct look_place *place,
			  struct iommufd_look_run *found)
{
	struct iommufd_run_cursor cursor;
	struct iommufd_run run;

	if (mutex_lock_killable(&place->pinned->mutex))
		return false;
	if (!look_enter_segment(place, &cursor) ||
	    !iommufd_run_cursor_next(&cursor, &run)) {
		mutex_unlock(&place->pinned->mutex);
		return false;
	}
	mutex_unlock(&place->pinned->mutex);
	look_cut_run(place, run, found);
	look_for_device(place, found);
	return true;
}

/* What looks at many runs: takes each of them */
typedef void (*look_take_t)(void *data, const struct iommufd_look_run *run);

/* Some of the runs. Return: false if there are no more. */
static bool look_take_some(struct look_place *place, look_take_t take,
			   void *data)
{
	unsigned int nr_left = LOOK_RUNS;
	struct iommufd_run_cursor cursor;
	struct iommufd_look_run found;
	struct iommufd_run run;
	bool more;

	if (mutex_lock_killable(&place->pinned->mutex))
		return false;
	more = look_enter_segment(place, &cursor);
	while (more && nr_left-- && iommufd_run_cursor_next(&cursor, &run)) {
		look_cut_run(place, run, &found);
		take(data, &found);
		more = look_step(place, &found);
	}
	mutex_unlock(&place->pinned->mutex);
	return more;
}

static void look_take_all(struct look_place *place, look_take_t take,
			  void *data)
{
	while (look_take_some(place, take, data) &&
	       !fatal_signal_pending(current))
		cond_resched();
}

static void look_count(void *data, const struct iommufd_look_run *run)
{
	struct iommufd_look_area *area = data;

	area->nr_runs++;
	area->pinned += run->last - run->iova + 1;
}

static void look_copy_area(const struct iommufd_area *area,
			   struct iommufd_look_area *found)
{
	*found = (struct iommufd_look_area){
		.iova = area->iova,
		.last = area->last,
		.prot = area->prot,
		.state = iommufd_area_state(area),
	};
	if (found->state == IOMMUFD_AREA_CREATING)
		return;
	found->pins = atomic_read(&area->pins);
	found->busy = atomic_read(&area->busy);
	found->locks = area->locks;
	found->source = area->pinned->ops->name;
	found->start = area->pinned->start + area->offset;
	found->nr_sharers = refcount_read(&area->pinned->refs);
}

/**
 * iommufd_look_at_area - which area is at an IOVA, or next above?
 * @as: the address space
 * @iova: the IOVA
 * @found: receives it
 *
 * Its runs are counted, which takes the longer the more there are.
 *
 * Context: process context, may sleep.
 * Return: false if there is none.
 */
bool iommufd_look_at_area(struct iommufd_address_space *as, unsigned long iova,
			  struct iommufd_look_area *found)
{
	struct look_place place;
	struct iommufd_area *area;

	scoped_guard(rwsem_read, &as->space.lock) {
		area = iommufd_area_first(&as->space, iova, ULONG_MAX);
		if (!area)
			return false;
		look_copy_area(area, found);
		if (found->state != IOMMUFD_AREA_LIVE)
			return true;
		look_get_place(area, area->iova, &place);
	}
	look_take_all(&place, look_count, found);
	look_put_place(&place);
	return true;
}

/* Return: false if no area at or above @iova has memory. */
static bool look_begin(struct iommufd_address_space *as, unsigned long iova,
		       struct look_place *place)
{
	struct iommufd_area *area;

	guard(rwsem_read)(&as->space.lock);
	area = look_find_memory(&as->space, iova);
	if (!area)
		return false;
	look_get_place(area, iova, place);
	return true;
}

/**
 * iommufd_look_at_run - which run is at an IOVA, or next above?
 * @as: the address space
 * @iova: the IOVA; where it is in a run, the run begins there
 * @found: receives it
 *
 * Context: process context, may sleep.
 * Return: false if there is none.
 */
bool iommufd_look_at_run(struct iommufd_address_space *as, unsigned long iova,
			 struct iommufd_look_run *found)
{
	struct look_place place;
	bool is_found;

	while (look_begin(as, iova, &place)) {
		is_found = look_find_run(&place, found);
		iova = place.last + 1;
		look_put_place(&place);
		if (is_found)
			return true;
		if (!iova || fatal_signal_pending(current))
			return false;
		cond_resched();
	}
	return false;
}

static void look_sort(void *data, const struct iommufd_look_run *run)
{
	struct iommufd_look_lengths *lengths = data;
	unsigned long bytes = run->last - run->iova + 1;

	lengths->nr_runs[ilog2(bytes)]++;
	lengths->bytes[ilog2(bytes)] += bytes;
}

/**
 * iommufd_look_at_lengths - how long are the runs of an address space?
 * @as: the address space
 * @lengths: receives it; what is mapped or unmapped meanwhile may be in it or
 *           not
 *
 * Context: process context, may sleep.
 */
void iommufd_look_at_lengths(struct iommufd_address_space *as,
			     struct iommufd_look_lengths *lengths)
{
	struct look_place place;
	unsigned long iova = 0;

	memset(lengths, 0, sizeof(*lengths));
	while (look_begin(as, iova, &place)) {
		look_take_all(&place, look_sort, lengths);
		iova = place.last + 1;
		look_put_place(&place);
		if (!iova || fatal_signal_pending(current))
			break;
		cond_resched();
	}
}
