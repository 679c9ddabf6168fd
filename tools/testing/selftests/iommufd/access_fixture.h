/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fixtures of programs about accesses have, which differ in the rest:
 * a rig, memory and an access.
 */
#ifndef ACCESS_FIXTURE_H
#define ACCESS_FIXTURE_H

#include "mock_rig.h"

#define NR_PAGES 32
#define LENGTH (NR_PAGES * SMALL_PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)

#define PINS MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES
#define PIN_TO_WRITE MOCK_FLAGS_ACCESS_WRITE
#define WRITE MOCK_ACCESS_RW_WRITE
#define SLOWLY MOCK_ACCESS_RW_SLOW_PATH

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define ACCESS (self->access)
#define VA (self->mem.va)

#endif
