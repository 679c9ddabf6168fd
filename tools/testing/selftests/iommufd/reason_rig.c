// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "reason_rig.h"

struct iommu_refusal told;

int reason_rig_make(struct reason_rig *rig)
{
	return mock_rig_make(&rig->mock) ?:
	       memory_rig_make(&rig->mem, PAGES_SMALL, REASON_RIG_LENGTH);
}

long reason_rig_break(struct reason_rig *rig)
{
	return mock_rig_break(&rig->mock);
}

__u64 nr_refusals(int iommufd)
{
	struct iommu_refusal last;

	return refusal_last(iommufd, 0, &last) ? 0 : last.number;
}

unsigned int why_since(int iommufd, __u64 number)
{
	memset(&told, 0, sizeof(told));
	return refusal_last(iommufd, number + 1, &told) ? NO_REASON : told.why;
}
