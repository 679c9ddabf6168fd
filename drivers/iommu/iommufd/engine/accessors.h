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

/**
 * typedef iommufd_retry_t - another try of what accessors were in the way of
 * @as: the address space
 * @range: the range that they are driven out of
 *
 * Return: -EAGAIN if they still are, anything else ends it.
 */
typedef int (*iommufd_retry_t)(struct iommufd_address_space *as,
			       struct iommufd_closed_range *range);

void iommufd_accessors_close_range(struct iommufd_address_space *as,
				   struct iommufd_closed_range *range);
int iommufd_accessors_drive_out(struct iommufd_address_space *as,
				struct iommufd_closed_range *range,
				iommufd_retry_t retry);

#endif
