/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue of page faults and a device that asks for pages.
 * For several programs, which include it behind kselftest's harness.
 */
#ifndef FAULT_FIXTURE_H
#define FAULT_FIXTURE_H

#include "fault_rig.h"

FIXTURE(fault)
{
	struct fault_rig rig;
};

FIXTURE_SETUP(fault)
{
	MAKE(fault_rig_make(&self->rig));
}

FIXTURE_TEARDOWN(fault)
{
	EXPECT_EQ(0, fault_rig_break(&self->rig));
}

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define QUEUE (self->rig.fd)
#define QUEUE_ID (self->rig.queue)
#define HWPT (self->rig.hwpt)
#define PLAIN (self->rig.plain)

#endif
