/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bitmap in user memory: functions that IOMMU drivers do not need
 */
#ifndef __IOMMUFD_IOVA_BITMAP_H
#define __IOMMUFD_IOVA_BITMAP_H

#include <linux/iova_bitmap.h>
#include <linux/limits.h>

#if IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
int iova_bitmap_visit(struct iova_bitmap *bitmap, unsigned long iova,
		      unsigned long last, void *opaque, iova_bitmap_fn_t fn);
void iova_bitmap_take_owed(struct iova_bitmap *bitmap, unsigned long *iova,
			   unsigned long *last);
#else
static inline int iova_bitmap_visit(struct iova_bitmap *bitmap,
				    unsigned long iova, unsigned long last,
				    void *opaque, iova_bitmap_fn_t fn)
{
	return -EOPNOTSUPP;
}

static inline void iova_bitmap_take_owed(struct iova_bitmap *bitmap,
					 unsigned long *iova,
					 unsigned long *last)
{
	*iova = ULONG_MAX;
	*last = 0;
}
#endif

#endif
