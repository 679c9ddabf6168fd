/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mock device that can have PASIDs, and page tables for them
 */
#ifndef PASID_RIG_H
#define PASID_RIG_H

#include "mock_rig.h"

#define LAST_PASID ((1U << MOCK_PASID_WIDTH) - 1)
#define NR_PASIDS (LAST_PASID + 1)

/* Two page tables that are PASID capable, of an IOAS each, and one that isn't */
struct pasid_tables {
	__u32 capable;
	__u32 other;
	__u32 plain;
};

struct pasid_rig {
	struct mock_rig mock;	/* its device can have PASIDs */
	__u32 other;		/* another IOAS */
	struct pasid_tables tables;
	struct memory_rig mem;	/* PASID_RIG_LENGTH, not mapped */
};

#define PASID_RIG_LENGTH (4 * SMALL_PAGE)

int pasid_rig_make(struct pasid_rig *rig);
/* As mock_rig_break(). */
long pasid_rig_break(struct pasid_rig *rig);

/* @pt on a PASID of the device, which had none, or had another */
int pasid_attach(int iommufd, const struct mock_device *dev, __u32 pasid,
		 __u32 pt);
int pasid_replace(int iommufd, const struct mock_device *dev, __u32 pasid,
		  __u32 pt);

/* The lowest one from @first to @last, or a negative errno */
int pasid_alloc_between(int iommufd, __u32 idev, __u32 first, __u32 last,
			__u32 *id);

#endif
