/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file whose calls fail.
 * For several programs, which include it behind kselftest's harness.
 */
#ifndef REASON_FIXTURE_H
#define REASON_FIXTURE_H

#include "reason_rig.h"

#define IOVA ((__u64)MOCK_APERTURE_START)

FIXTURE(reasons)
{
	struct reason_rig rig;
};

FIXTURE_SETUP(reasons)
{
	MAKE(reason_rig_make(&self->rig));
}

FIXTURE_TEARDOWN(reasons)
{
	EXPECT_EQ(0, reason_rig_break(&self->rig));
}

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define VA (self->rig.mem.va)
#define PLUG(flags) ASSERT_EQ(0, mock_rig_plug(&self->rig.mock, flags))

#endif
