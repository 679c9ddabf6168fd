/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device of a VFIO group, and a container of either kind, which has nothing.
 * For several programs, which include it behind kselftest's harness and make it
 * themselves.
 */
#ifndef GROUP_FIXTURE_H
#define GROUP_FIXTURE_H

#include "container_rig.h"
#include "test_support.h"

FIXTURE(group)
{
	struct container_rig rig;
	struct memory_rig mem;		/* 2 MiB, aligned */
};

FIXTURE_VARIANT(group)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(group, in_iommufd)
{
	.path = "/dev/iommu",
};

FIXTURE_VARIANT_ADD(group, in_vfio)
{
	.path = "/dev/vfio/vfio",
};

#define C (&self->rig.container)
#define BDF (self->rig.bdf)
#define VA (self->mem.va)
#define EDU (&self->rig.edu)
#define OPEN_DEVICE(type) container_rig_open_device(&self->rig, type)

FIXTURE_TEARDOWN_PARENT(group)
{
	EXPECT_EQ(0, pins_left(self->rig.edu.pins));
}

#endif
