// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <unistd.h>

#include "ioas_rig.h"
#include "test_support.h"

int ioas_rig_make(struct ioas_rig *rig)
{
	rig->iommufd = rig_part("/dev/iommu", iommufd_open());
	if (rig->iommufd < 0)
		return rig->iommufd;
	rig->va = address_room(IOAS_RIG_ROOM, HUGE_PAGE);
	if (!rig->va)
		return rig_part("room for memory", -ENOMEM);
	return rig_part("an IOAS", ioas_alloc(rig->iommufd, &rig->ioas));
}

void ioas_rig_break(struct ioas_rig *rig)
{
	close(rig->iommufd);
}

__s64 ioas_rig_choose(const struct ioas_rig *rig, const void *va, __u64 length)
{
	__u64 iova;
	int rc = ioas_map(rig->iommufd, rig->ioas, va, length, &iova);

	return rc ? rc : iova;
}
