/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An IOAS that nothing is attached to.
 * For several programs, which include it behind kselftest's harness.
 */
#ifndef IOAS_FIXTURE_H
#define IOAS_FIXTURE_H

#include "ioas_rig.h"

FIXTURE(ioas)
{
	struct ioas_rig rig;
};

FIXTURE_SETUP(ioas)
{
	MAKE(ioas_rig_make(&self->rig));
}

FIXTURE_TEARDOWN(ioas)
{
	ioas_rig_break(&self->rig);
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->rig.va)
#define MAP(iova, length) ioas_map_at(FD, IOAS, VA, length, iova)
#define CHOOSE(va, length) ioas_rig_choose(&self->rig, va, length)

#endif
