/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An IOAS that nothing is attached to, so that no memory is ever touched.
 */
#ifndef IOAS_RIG_H
#define IOAS_RIG_H

#include "rig.h"

#define IOAS_RIG_ROOM (8 * MIB)

struct ioas_rig {
	int iommufd;
	__u32 ioas;
	char *va;		/* IOAS_RIG_ROOM, at a huge page's boundary */
};

int ioas_rig_make(struct ioas_rig *rig);
void ioas_rig_break(struct ioas_rig *rig);
/* The IOVA that the kernel chooses, or a negative errno. */
__s64 ioas_rig_choose(const struct ioas_rig *rig, const void *va, __u64 length);

#endif
