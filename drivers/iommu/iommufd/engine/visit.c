// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: looking at what is mapped
 *
 * Owns nothing. Called for dirty state, when another process takes a context
 * over, and when DMA was stopped.
 */
#include <linux/iommu.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "address_space.h"
#include "pinned.h"
#include "revocable.h"

/*
 * Areas that are looked at, and bytes visited, without letting go of the lock;
 * nothing is visited across a multiple of the latter, a power of two.
 */
#define VISIT_AREAS 1024
#define VISIT_BYTES SZ_1G

/**
 * iommufd_address_space_next_mapped - where the next mapped memory is
 * @as: the address space
 * @iova: in: where to begin; out: the first mapped IOVA
 * @last: in: where to stop; out: the last IOVA of the stretch
 * @max_hole: a hole of more bytes than that ends the stretch
 *
 * The answer may be out of date, and a stretch may be cut short.
 *
 * Context: process context, may sleep.
 * Return: false if nothing is mapped in the range.
 */
bool iommufd_address_space_next_mapped(struct iommufd_address_space *as,
				       unsigned long *iova, unsigned long *last,
				       unsigned long max_hole)
{
	unsigned int nr_left = VISIT_AREAS;
	struct iommufd_area *area;
	unsigned long stretch_last;

	down_read(&as->space.lock);
	area = iommufd_area_first(&as->space, *iova, *last);
	if (!area) {
		up_read(&as->space.lock);
		return false;
	}
	*iova = max(*iova, area->iova);
	do {
		stretch_last = area->last;
		area = iommufd_area_next(area, *last);
	} while (area && --nr_left &&
		 area->iova - stretch_last - 1 <= max_hole);
	*last = min(*last, stretch_last);
	up_read(&as->space.lock);
	return true;
}

/*
 * Add some of the areas from @iova on. Return: where it goes on, 0 at the end.
 */
static unsigned long visit_add_mapped(struct iommufd_iova_space *space,
				      unsigned long iova,
				      struct iommufd_mapped *mapped)
{
	unsigned int nr_left = VISIT_AREAS;
	struct iommufd_area *area;

	guard(rwsem_read)(&space->lock);
	for (area = iommufd_area_first(space, iova, ULONG_MAX);
	     area && nr_left; area = iommufd_area_next(area, ULONG_MAX)) {
		nr_left--;
		if (!iommufd_area_is_live(area))
			continue;
		mapped->nr_areas++;
		mapped->bytes += iommufd_area_length(area);
		/* A page table may be coming or going just now. */
		if (data_race(area->has_pin))
			mapped->pinned += iommufd_area_length(area);
	}
	mapped->nr_came = space->nr_inserted;
	mapped->nr_went = space->nr_inserted - space->nr_areas;
	return area ? area->iova : 0;
}

/**
 * iommufd_address_space_measure - how much is mapped
 * @as: the address space
 * @mapped: receives the figures; what is mapped or unmapped meanwhile may be in
 *          them or not
 *
 * Others are let in after some areas, however many there are.
 *
 * Context: process context, may sleep.
 */
void iommufd_address_space_measure(struct iommufd_address_space *as,
				   struct iommufd_mapped *mapped)
{
	unsigned long iova = 0;

	memset(mapped, 0, sizeof(*mapped));
	do {
		iova = visit_add_mapped(&as->space, iova, mapped);
		cond_resched();
	} while (iova && !fatal_signal_pending(current));
}

/* Nothing of memory that was taken back is in a page table. */
static int visit_revocable(struct iommufd_revocable *revocable,
			   unsigned long iova, unsigned long last,
			   iommufd_visit_t visit, void *data)
{
	int rc;

	/* Does not take the owner's lock, which may be held for long. */
	if (!iommufd_revocable_hold(revocable))
		return 0;
	rc = visit(data, iova, last);
	iommufd_revocable_release(revocable);
	return rc;
}

/*
 * The last area of those behind @area without a hole, up to @last, that may be
 * visited in one call
 */
static struct iommufd_area *visit_last_neighbour(struct iommufd_area *area,
						 unsigned long last,
						 unsigned int *nr_left)
{
	struct iommufd_area *next;

	for (; *nr_left; area = next, --*nr_left) {
		next = iommufd_area_next(area, last);
		if (!next || next->iova != area->last + 1 ||
		    !iommufd_area_is_live(next) ||
		    iommufd_pinned_revocable(next->pinned))
			break;
	}
	return area;
}

static int visit_part(struct iommufd_area *area, unsigned long iova,
		      unsigned long last, iommufd_visit_t visit, void *data)
{
	if (!iommufd_area_is_live(area))
		return 0;
	if (iommufd_pinned_revocable(area->pinned))
		return visit_revocable(iommufd_pinned_revocable(area->pinned),
				       iova, last, visit, data);
	return visit(data, iova, last);
}

/*
 * Visit some of [*iova, last] and set *iova to where it goes on, or to what is
 * behind @last.
 *
 * Within areas, parts are cut at multiples of VISIT_BYTES only, so that no
 * entry of a page table is in two of them. Whether to go on is decided between
 * parts.
 */
static int visit_step(struct iommufd_address_space *as, unsigned long *iova,
		      unsigned long last, iommufd_visit_t visit, void *data)
{
	unsigned long part_last, done = 0;
	unsigned int nr_left = VISIT_AREAS;
	struct iommufd_area *area, *end;
	int rc = 0;

	down_read(&as->space.lock);
	area = iommufd_area_first(&as->space, *iova, last);
	while (area && nr_left) {
		nr_left--;
		*iova = max(*iova, area->iova);
		part_last = min(last, *iova | (VISIT_BYTES - 1));
		end = area;
		if (iommufd_area_is_live(area) &&
		    !iommufd_pinned_revocable(area->pinned))
			end = visit_last_neighbour(area, part_last, &nr_left);
		part_last = min(part_last, end->last);
		done += part_last - *iova + 1;

		rc = visit_part(area, *iova, part_last, visit, data);
		*iova = part_last + 1;
		if (rc || done >= VISIT_BYTES)
			goto out_unlock;
		/* A part that was cut is continued in the same area. */
		area = part_last < min(last, end->last) ?
			       end :
			       iommufd_area_next(end, last);
	}
	if (!area)
		*iova = last + 1;
out_unlock:
	up_read(&as->space.lock);
	return rc;
}

/**
 * iommufd_address_space_visit - look at the page tables where they are filled
 * @as: the address space
 * @iova: first IOVA
 * @last: last IOVA
 * @visit: called for each mapped part of the range, ascending, with parts that
 *         are not in the page tables any more, or not yet, left out. Areas
 *         without a hole between them come together, large ones in several
 *         parts. Each part begins and ends where an area does, where the
 *         range does, or at a multiple of 1 GiB: it cuts no entry of a page
 *         table in two unless the range does.
 * @data: for @visit
 *
 * Context: process context, may sleep; holds locks around @visit, which must
 * not touch user memory, so that nothing is unmapped meanwhile.
 *
 * Return: 0; the first error of @visit; -EINTR on a fatal signal.
 */
int iommufd_address_space_visit(struct iommufd_address_space *as,
				unsigned long iova, unsigned long last,
				iommufd_visit_t visit, void *data)
{
	unsigned long next = iova;
	int rc;

	do {
		rc = visit_step(as, &next, last, visit, data);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (next - 1 < last);
	return 0;
}

/* Is there a page table for which memory is pinned so that it can be found? */
static bool visit_has_unread(const struct iommufd_address_space *as)
{
	const struct iommufd_follower *follower;

	list_for_each_entry(follower, &as->followers, node) {
		if (follower->is_unread && follower->filled)
			return true;
	}
	return false;
}

/* How much of a range is in one piece from its start on */
static void visit_measure(struct iommufd_pinned *pinned, unsigned long offset,
			  unsigned long *length, phys_addr_t *phys)
{
	unsigned long last = (offset + *length - 1) >> PAGE_SHIFT;
	unsigned long skip = offset_in_page(offset);
	unsigned long npages, pfn;

	guard(mutex)(&pinned->mutex);
	npages = iommufd_pinned_piece(pinned, offset >> PAGE_SHIFT, last, &pfn);
	*phys = PFN_PHYS(pfn) + skip;
	*length = min(*length, (npages << PAGE_SHIFT) - skip);
}

static int visit_find_phys(struct iommufd_address_space *as,
			   struct iommufd_area *area, unsigned long iova,
			   unsigned long *length, phys_addr_t *phys)
{
	struct iommufd_revocable *revocable =
		iommufd_pinned_revocable(area->pinned);
	unsigned long offset = iommufd_area_offset_at(area, iova);

	if (revocable && !iommufd_revocable_hold(revocable))
		return iommufd_refuse(IOMMU_WHY_TAKEN_BACK, iova);
	*length = min(*length - 1, area->last - iova) + 1;
	if (revocable) {
		*phys = revocable->phys + offset;
		iommufd_revocable_release(revocable);
	}
	if (!visit_has_unread(as))
		return iommufd_refuse(IOMMU_WHY_NO_IOMMU_TABLE);
	if (!revocable)
		visit_measure(area->pinned, offset, length, phys);
	return 0;
}

/**
 * iommufd_address_space_find_phys - where is what is mapped at an IOVA?
 * @as: the address space
 * @iova: the IOVA
 * @length: how many bytes are of interest, not 0; receives how many are in one
 *          piece, within one area
 * @phys: receives the physical address
 *
 * The answer is good as long as the area is mapped and is not taken back, and
 * the page table is there.
 *
 * Context: process context, may sleep.
 *
 * Return: 0; -ENOENT if nothing is mapped there; -EINVAL if it has been taken
 * back; -EOPNOTSUPP if there is no page table that no hardware reads.
 */
int iommufd_address_space_find_phys(struct iommufd_address_space *as,
				    unsigned long iova, unsigned long *length,
				    phys_addr_t *phys)
{
	struct iommufd_area *area;
	int rc;

	down_read(&as->followers_lock);
	down_read(&as->space.lock);
	area = iommufd_area_first(&as->space, iova, iova);
	if (area && iommufd_area_is_live(area))
		rc = visit_find_phys(as, area, iova, length, phys);
	else
		rc = iommufd_refuse(IOMMU_WHY_ACCESS_HOLE, iova);
	up_read(&as->space.lock);
	up_read(&as->followers_lock);
	return rc;
}

static int visit_check_owner(const struct iommufd_area *area)
{
	switch (iommufd_area_state(area)) {
	case IOMMUFD_AREA_CREATING:
		return iommufd_refuse(IOMMU_WHY_AREA_CHANGING, area->iova,
				      area->last);
	case IOMMUFD_AREA_LIVE:
		if (area->pinned->ops->of_process)
			return iommufd_refuse(IOMMU_WHY_PROCESS_MEMORY,
					      area->iova);
		break;
	case IOMMUFD_AREA_DYING:
		break;
	}
	return 0;
}

/*
 * Check some of the areas from *iova on, and set *iova to where it goes on, or
 * to 0 when there are no more.
 */
static int visit_check_owners(struct iommufd_iova_space *space,
			      unsigned long *iova)
{
	unsigned int nr_left = VISIT_AREAS;
	struct iommufd_area *area;
	int rc;

	guard(rwsem_read)(&space->lock);
	for (area = iommufd_area_first(space, *iova, ULONG_MAX);
	     area && nr_left; area = iommufd_area_next(area, ULONG_MAX)) {
		rc = visit_check_owner(area);
		if (rc)
			return rc;
		nr_left--;
	}
	*iova = area ? area->iova : 0;
	return 0;
}

/**
 * iommufd_address_space_check_owners - could another process take it over?
 * @as: the address space
 *
 * The answer may be out of date; iommufd_accounts_move() checks again. It
 * cannot tell what is mapped from what is just being mapped, so this is first.
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL if memory of a process is mapped; -EBUSY if somebody is
 * mapping something; -EINTR on a fatal signal.
 */
int iommufd_address_space_check_owners(struct iommufd_address_space *as)
{
	unsigned long iova = 0;
	int rc;

	do {
		rc = visit_check_owners(&as->space, &iova);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (iova);
	return 0;
}

static bool visit_is_revoked(const struct iommufd_area *area)
{
	const struct iommufd_revocable *revocable =
		iommufd_pinned_revocable(area->pinned);

	/* Whether its owner takes it back just now does not matter. */
	return revocable && data_race(revocable->revoked);
}

/**
 * iommufd_address_space_why_stopped - why DMA was stopped
 * @as: the address space that the device is attached to
 * @iova: where
 * @write: to memory
 *
 * What is mapped and unmapped meanwhile makes the answer wrong.
 *
 * Context: process context, may sleep.
 * Return: the cause; NEVER_MAPPED stands for all that is not mapped.
 */
enum iommu_stopped
iommufd_address_space_why_stopped(struct iommufd_address_space *as,
				  unsigned long iova, bool write)
{
	struct iommufd_area *area;

	guard(rwsem_read)(&as->space.lock);
	area = iommufd_area_first(&as->space, iova, iova);
	if (!area)
		return IOMMU_STOPPED_NEVER_MAPPED;
	if (!iommufd_area_is_live(area))
		return IOMMU_STOPPED_CHANGING;
	if (!(area->prot & (write ? IOMMU_WRITE : IOMMU_READ)))
		return IOMMU_STOPPED_NO_PERMISSION;
	if (visit_is_revoked(area))
		return IOMMU_STOPPED_REVOKED;
	return IOMMU_STOPPED_MAPPED;
}
