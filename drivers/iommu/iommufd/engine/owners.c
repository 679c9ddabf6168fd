// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: whose memory is mapped
 *
 * Owns nothing. Called when another process takes a context over.
 */
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "address_space.h"
#include "pinned.h"

/* Areas that are looked at without letting go of the lock */
#define AREAS_STEP 1024

static int check_owner(const struct iommufd_area *area)
{
	switch (iommufd_area_state(area)) {
	case IOMMUFD_AREA_CREATING:
		return -EBUSY;
	case IOMMUFD_AREA_LIVE:
		return area->pinned->ops->of_process ? -EINVAL : 0;
	case IOMMUFD_AREA_DYING:
		break;
	}
	return 0;
}

/*
 * Check some of the areas from *iova on, and set *iova to where it goes on, or
 * to 0 when there are no more.
 */
static int check_some(struct iommufd_iova_space *space, unsigned long *iova)
{
	unsigned int nr_left = AREAS_STEP;
	struct iommufd_area *area;
	int rc;

	guard(rwsem_read)(&space->lock);
	for (area = iommufd_area_first(space, *iova, ULONG_MAX);
	     area && nr_left; area = iommufd_area_next(area, ULONG_MAX)) {
		rc = check_owner(area);
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
 * The answer may be out of date; it is the accounts that know for sure. They
 * cannot tell what is mapped from what is on its way, though.
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
		rc = check_some(&as->space, &iova);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (iova);
	return 0;
}
