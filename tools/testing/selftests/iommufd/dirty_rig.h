/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page table that tracks which pages of memory a mock device has written to.
 */
#ifndef DIRTY_RIG_H
#define DIRTY_RIG_H

#include "mock_rig.h"

struct dirty_rig {
	struct mock_rig mock;	/* its device is on hwpt, the only one there */
	__u32 hwpt;
	struct memory_rig mem;	/* mapped */
};

/*
 * Memory of @kind at @iova, in entries of MOCK_HUGE_PAGE_SIZE if the kind is
 * PAGES_THP, else of SMALL_PAGE.
 */
int dirty_rig_make(struct dirty_rig *rig, enum page_kind kind, size_t length,
		   __u64 iova);

/* Makes @npages pages from @iova on dirty, at most 64. */
int dirty_rig_write(int iommufd, __u32 hwpt, __u64 iova, unsigned int npages);

#endif
