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

int viommu_rig_attach(struct viommu_rig *rig, __u64 virt_id)
{
	const struct mock_device *dev = &rig->mock.dev;
	const int iommufd = rig->mock.iommufd;
	__u32 pt;
	int rc;

	rc = rig_part("a virtual device",
		      vdevice_alloc(iommufd, rig->viommu, dev->idev, virt_id,
				    &rig->vdevice));
	if (!rc)
		rc = rig_part("a nested page table",
			      mock_nested(iommufd, dev->idev, rig->viommu, 0,
					  0, &rig->nested));
	pt = rig->nested;
	if (!rc)
		rc = rig_part("to attach the device",
			      mock_domain_replace(iommufd, dev->stdev, &pt));
	return rc;
}

long viommu_rig_break(struct viommu_rig *rig)
{
	return mock_rig_break(&rig->mock);
}
