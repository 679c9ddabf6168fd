/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device that can have PASIDs.
 * For several programs, which include it behind kselftest's harness.
 */
#ifndef PASID_FIXTURE_H
#define PASID_FIXTURE_H

#include "pasid_rig.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define LENGTH PASID_RIG_LENGTH

FIXTURE(pasid)
{
	struct pasid_rig rig;
};

FIXTURE_SETUP(pasid)
{
	MAKE(pasid_rig_make(&self->rig));
}

FIXTURE_TEARDOWN(pasid)
{
	EXPECT_EQ(0, pasid_rig_break(&self->rig));
}

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define OTHER (self->rig.other)
#define VA (self->rig.mem.va)
#define TABLES (self->rig.tables)
#define ATTACH(pasid, pt) pasid_attach(FD, &DEV, pasid, pt)
#define REPLACE(pasid, pt) pasid_replace(FD, &DEV, pasid, pt)
#define DETACH(pasid) mock_pasid_detach(FD, DEV.stdev, pasid)
#define IS_ON(pasid, pt) (!mock_pasid_check(FD, DEV.stdev, pasid, pt))
#define ALLOC(pasid, id) pasid_alloc(FD, DEV.idev, pasid, id)

#endif
