/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address space: what unmap, and followers that come, need of accessors
 */
#ifndef __IOMMUFD_ACCESSORS_H
#define __IOMMUFD_ACCESSORS_H

#include <linux/wait.h>

#include "address_space.h"

/* Whoever kept an area or an accessor busy has finished. */
static inline void iommufd_accessors_wake(struct iommufd_address_space *as)
{
	/* Orders the counts before the look at the queue. */
	if (wq_has_sleeper(&as->idle))
		wake_up_all(&as->idle);
}

int iommufd_accessors_check_area(const struct iommufd_address_space *as,
				 struct iommufd_area *area, bool write,
				 bool pages);
int iommufd_accessors_notify(struct iommufd_address_space *as,
			     const struct iommufd_closed_range *range);
int iommufd_accessors_wait_idle(struct iommufd_address_space *as,
				const struct iommufd_closed_range *range,
				struct wait_queue_entry *wait);
void iommufd_accessors_wait_unpinned(struct iommufd_address_space *as,
				     const struct iommufd_closed_range *range,
				     struct wait_queue_entry *wait);

#endif
