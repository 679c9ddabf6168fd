/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An edu device that is bound, and attached when the test says so.
 * For several programs, which include it behind kselftest's harness.
 */
#ifndef DEVICE_FIXTURE_H
#define DEVICE_FIXTURE_H

#include "edu_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)

static unsigned char pattern[SMALL_PAGE];

FIXTURE(device)
{
	struct edu_rig rig;
	struct memory_rig page;	/* filled with pattern */
};

FIXTURE_SETUP(device)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->page, PAGES_SMALL, SMALL_PAGE));
	pattern_fill(pattern, sizeof(pattern), 1);
}

FIXTURE_TEARDOWN_PARENT(device)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define PAGE (self->page.va)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)
#define DETACH() vfio_detach(&self->rig.edu)
#define MAP(va, length, iova) ioas_map_at(FD, IOAS, va, length, iova)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)

#endif
