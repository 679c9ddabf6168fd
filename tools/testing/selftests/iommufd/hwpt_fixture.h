/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mock device, and memory.
 * For several programs, which include it behind kselftest's harness.
 */
#ifndef HWPT_FIXTURE_H
#define HWPT_FIXTURE_H

#include "mock_rig.h"

#define LENGTH (16 * SMALL_PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)

FIXTURE(hwpt)
{
	struct mock_rig rig;
	struct memory_rig mem;	/* LENGTH, not mapped */
};

FIXTURE_SETUP(hwpt)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, LENGTH));
}

FIXTURE_TEARDOWN(hwpt)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define VA (self->mem.va)

#endif
