// SPDX-License-Identifier: GPL-2.0-only
#include "viommu_rig.h"

int viommu_rig_make(struct viommu_rig *rig)
{
	int rc = mock_rig_make(&rig->mock);

	if (!rc)
		rc = mock_rig_plug(&rig->mock, 0);
	if (!rc)
		rc = rig_part("a parent page table",
			      hwpt_alloc(rig->mock.iommufd, rig->mock.dev.idev,
					 rig->mock.ioas,
					 IOMMU_HWPT_ALLOC_NEST_PARENT,
					 &rig->parent));
	if (!rc)
		rc = rig_part("a vIOMMU",
			      mock_viommu(rig->mock.iommufd,
					  rig->mock.dev.idev, rig->parent,
					  NULL, &rig->viommu));
	return rc;
}

long viommu_rig_break(struct viommu_rig *rig)
{
	return mock_rig_break(&rig->mock);
}
