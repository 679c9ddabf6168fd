/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mock device, and a share of its IOMMU for a guest, on the IOAS that the
 * device is attached to.
 */
#ifndef VIOMMU_RIG_H
#define VIOMMU_RIG_H

#include "mock_rig.h"

struct viommu_rig {
	struct mock_rig mock;
	__u32 parent;		/* on the IOAS */
	__u32 viommu;		/* on parent, without data */
	__u32 vdevice;		/* these two, once it is attached */
	__u32 nested;
};

int viommu_rig_make(struct viommu_rig *rig);
/*
 * Gives the device this number on the vIOMMU, and attaches it to a page table
 * that is made there.
 */
int viommu_rig_attach(struct viommu_rig *rig, __u64 virt_id);
/* As mock_rig_break(). */
long viommu_rig_break(struct viommu_rig *rig);

#endif
