/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An IOAS, for which tests make devices themselves, and memory.
 * For several programs, which include it behind kselftest's harness.
 */
#ifndef MOCK_FIXTURE_H
#define MOCK_FIXTURE_H

#include "mock_rig.h"

#define NR_PAGES 64
#define LENGTH (NR_PAGES * SMALL_PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)

FIXTURE(mock)
{
	struct mock_rig rig;	/* without a device */
	struct memory_rig mem;	/* NR_PAGES */
};

FIXTURE_SETUP(mock)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, LENGTH));
}

FIXTURE_TEARDOWN(mock)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->mem.va)

#endif
