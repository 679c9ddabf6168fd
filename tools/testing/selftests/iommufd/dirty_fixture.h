/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page table that tracks what is written, with pages of two sizes.
 * For several programs, which include it behind kselftest's harness.
 */
#ifndef DIRTY_FIXTURE_H
#define DIRTY_FIXTURE_H

#include "dirty_model.h"
#include "dirty_rig.h"

#define IOVA MODEL_IOVA
#define LENGTH MODEL_LENGTH
#define NO_CLEAR IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR
#define ENABLE IOMMU_HWPT_DIRTY_TRACKING_ENABLE

FIXTURE(dirty)
{
	struct dirty_rig rig;
	struct dirty_model model;
};

FIXTURE_VARIANT(dirty)
{
	enum page_kind kind;
	__u64 entry;		/* what a bit in the page table is for */
};

FIXTURE_VARIANT_ADD(dirty, small_pages)
{
	.kind = PAGES_SMALL,
	.entry = SMALL_PAGE,
};

FIXTURE_VARIANT_ADD(dirty, huge_pages)
{
	.kind = PAGES_THP,
	.entry = MOCK_HUGE_PAGE_SIZE,
};

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define HWPT (self->rig.hwpt)
#define VA (self->rig.mem.va)

FIXTURE_SETUP(dirty)
{
	MAKE(dirty_rig_make(&self->rig, variant->kind, LENGTH, IOVA));
	MAKE(dirty_model_make(&self->model, variant->entry));
}

FIXTURE_TEARDOWN(dirty)
{
	dirty_model_break(&self->model);
	EXPECT_EQ(0, mock_rig_break(&self->rig.mock));
}

#endif
