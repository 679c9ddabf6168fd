// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: cutting areas in two
 *
 * Owns nothing. Called for VFIO's old type1 IOMMU, whose users may unmap a part
 * of what they have mapped. An area is cut with the lock of the space held for
 * writing, and stays LIVE: hardware does not notice, as no page table changes.
 *
 * A large entry across the place is split before, if the page table can do that
 * in one step. Most can. Others would have to take the entry out and put its
 * rest back in, and DMA to the rest, which is mapped all the time for whoever
 * asked, would fail in between, or be lost. They are filled with small entries
 * as long as areas may be cut. A page table that was filled before, or memory
 * whose owner has a list of what is in page tables, cannot be cut there. Taking
 * out more than was asked for is no answer either. So less is taken out, and
 * the caller told, which is what the old type1 has always promised: "The actual
 * unmapped size is returned in the size field. No guarantee is made that
 * arbitrary unmaps of iova or size different from those used in the original
 * mapping call will succeed."
 */
#include "accessors.h"
#include "address_space.h"
#include "base.h"
#include "domain_map.h"
#include "fill.h"
#include "pinned.h"

/* One end of the range that is to begin and end where areas do */
struct cut_request {
	struct iommufd_closed_range range;
	/* The first IOVA of what is to be an area for itself */
	unsigned long iova;
	/* Where the other end of the range is: @iova must not reach it. */
	unsigned long limit;
	/*
	 * What must stay in one piece is left out of the range: the end moves
	 * up if this is set (it is the first IOVA of the range), otherwise
	 * down.
	 */
	bool upwards;
	/* somebody needs the area, and its range is closed */
	bool in_use;
};

/* A range around @iova that must stay in one piece */
struct cut_piece {
	unsigned long first;
	unsigned long last;
};

static bool cut_find_entry(struct iommufd_address_space *as,
			   const struct iommufd_area *area, unsigned long iova,
			   struct cut_piece *piece)
{
	struct iommufd_follower *follower;

	list_for_each_entry(follower, &as->followers, node) {
		if (follower->filled &&
		    iommufd_follower_has_fixed_entries(follower) &&
		    iommufd_domain_entry_around(follower->domain, area, iova,
						&piece->first, &piece->last))
			return true;
	}
	return false;
}

static bool cut_find_piece(struct iommufd_address_space *as,
			   const struct iommufd_area *area, unsigned long iova,
			   struct cut_piece *piece)
{
	if (!area->has_pin)
		return false;
	/*
	 * The owner of the memory has a list of areas that are in page tables,
	 * by which it takes the memory back.
	 */
	if (iommufd_pinned_revocable(area->pinned)) {
		piece->first = area->iova;
		piece->last = area->last;
		return true;
	}
	if (as->page_by_page || as->cuttable)
		return false;
	return cut_find_entry(as, area, iova, piece);
}

/*
 * Move the cut out of what must stay in one piece, perhaps to the area's end.
 */
static void cut_avoid_pieces(struct iommufd_address_space *as,
			     const struct iommufd_area *area,
			     struct cut_request *req)
{
	struct cut_piece piece;

	while (req->iova > area->iova && req->iova - 1 < area->last &&
	       cut_find_piece(as, area, req->iova, &piece))
		req->iova = req->upwards ? piece.last + 1 : piece.first;
}

static bool cut_leaves_nothing(const struct cut_request *req)
{
	/*
	 * Compared by the IOVA below: where the piece reaches up to the last
	 * IOVA, @iova has wrapped to 0.
	 */
	return req->upwards ? req->iova - 1 >= req->limit :
			      req->iova <= req->limit;
}

/*
 * An error part of the way does no harm: an entry that was split maps what it
 * mapped before.
 */
static int cut_split_entries(struct iommufd_address_space *as,
			     const struct iommufd_area *area,
			     unsigned long iova)
{
	struct iommufd_follower *follower;
	int rc;

	if (!area->has_pin)
		return 0;
	list_for_each_entry(follower, &as->followers, node) {
		if (!follower->filled || !iommu_can_split(follower->domain))
			continue;
		rc = iommu_split(follower->domain, iova, GFP_KERNEL_ACCOUNT);
		if (rc)
			return rc;
	}
	return 0;
}

/* The pin of an area that is about to be cut; it may end amid a page. */
static int cut_pin(struct iommufd_area *area, unsigned long iova)
{
	unsigned long offset = iommufd_area_offset_at(area, iova);

	if (!area->has_pin)
		return 0;
	return iommufd_pinned_cut_pin(area->pinned, (offset - 1) >> PAGE_SHIFT,
				      offset >> PAGE_SHIFT);
}

static int cut_area(struct iommufd_iova_space *space, struct iommufd_area *area,
		    unsigned long iova)
{
	struct iommufd_area *right;
	int rc;

	right = iommufd_area_share(area, iova, area->last, area->prot);
	if (!right)
		return -ENOMEM;
	rc = cut_pin(area, iova);
	if (rc) {
		iommufd_areas_free(right);
		return rc;
	}
	right->has_pin = area->has_pin;
	right->state = IOMMUFD_AREA_LIVE;
	right->iova = iova;
	right->last = area->last;
	area->last = iova - 1;
	iommufd_iova_insert(space, right);
	return 0;
}

/*
 * Only the number of pins in an area is known, not which pages they are of, so
 * all of them have to go before it is cut.
 */
static int cut_close_area(struct iommufd_address_space *as,
			  const struct iommufd_area *area,
			  struct cut_request *req)
{
	if (!req->in_use) {
		req->in_use = true;
		req->range.iova = area->iova;
		req->range.last = area->last;
		iommufd_accessors_close_range(as, &req->range);
	}
	/* It is another area than at the last try. */
	if (area->iova < req->range.iova || area->last > req->range.last)
		return iommufd_refuse(IOMMU_WHY_CUT_IN_USE, area->iova,
				      area->last);
	return -EAGAIN;
}

static int cut_locked(struct iommufd_address_space *as, struct cut_request *req)
{
	struct iommufd_area *area;
	int rc;

	area = iommufd_area_first(&as->space, req->iova, req->iova);
	if (!area || area->iova == req->iova)
		return 0;
	if (!IS_ALIGNED(req->iova, as->space.alignment))
		return iommufd_refuse(IOMMU_WHY_CUT_ALIGNMENT, req->iova,
				      as->space.alignment);
	rc = iommufd_area_check_settled(area);
	if (rc)
		return rc;
	cut_avoid_pieces(as, area, req);
	if (cut_leaves_nothing(req))
		return iommufd_refuse(IOMMU_WHY_CUT_NOTHING, req->iova);
	if (req->iova == area->iova || req->iova - 1 == area->last)
		return 0;
	if (atomic_read(&area->busy) || atomic_read(&area->pins))
		return cut_close_area(as, area, req);
	rc = cut_split_entries(as, area, req->iova);
	if (rc)
		return rc;
	return cut_area(&as->space, area, req->iova);
}

static int cut_try(struct iommufd_address_space *as, struct cut_request *req)
{
	int rc;

	/* Page tables stay, and so do the pins for them. */
	down_read(&as->followers_lock);
	down_write(&as->space.lock);
	rc = cut_locked(as, req);
	up_write(&as->space.lock);
	up_read(&as->followers_lock);
	return rc;
}

static int cut_retry(struct iommufd_address_space *as,
		     struct iommufd_closed_range *range)
{
	return cut_try(as, container_of(range, struct cut_request, range));
}

static int cut_at(struct iommufd_address_space *as, struct cut_request *req)
{
	int rc;

	rc = cut_try(as, req);
	if (rc != -EAGAIN)
		return rc;
	return iommufd_accessors_drive_out(as, &req->range, cut_retry);
}

/**
 * iommufd_address_space_cut - let a range begin and end where areas do
 * @as: the address space
 * @iova: first IOVA of the range
 * @last: last IOVA of the range
 *
 * What must stay in one piece, see above, and has one of the ends in its middle
 * is left out of the range. As for an unmap, those are waited for who use an
 * area that is to be cut, and drivers that have pages of it pinned are asked to
 * unpin all of them.
 *
 * Context: process context, may sleep; no lock that a driver takes when it is
 * asked to unpin.
 *
 * Return: 0; -ENOENT if nothing of the range is left; -EINVAL if an end is not
 * aligned; -EBUSY if another thread maps or unmaps what is to be cut, or
 * hardware reaches it; -EDEADLK if a driver does not unpin; -ENOMEM; -EINTR
 * on a fatal signal. On an error one of the areas may have been cut, which is
 * seen by nobody but who unmaps a part.
 */
int iommufd_address_space_cut(struct iommufd_address_space *as,
			      unsigned long *iova, unsigned long *last)
{
	struct cut_request low = {
		.iova = *iova,
		.limit = *last,
		.upwards = true,
	};
	struct cut_request high = { .iova = *last + 1 };
	int rc;

	rc = cut_at(as, &low);
	if (rc)
		return rc;
	*iova = low.iova;
	/* No area can reach across the end of the last IOVA. */
	if (*last == ULONG_MAX)
		return 0;
	high.limit = *iova;
	rc = cut_at(as, &high);
	if (rc)
		return rc;
	*last = high.iova - 1;
	return 0;
}
