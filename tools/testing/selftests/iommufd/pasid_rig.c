// SPDX-License-Identifier: GPL-2.0-only
#include "pasid_rig.h"

static int make_tables(struct pasid_rig *rig)
{
	const int iommufd = rig->mock.iommufd;
	const __u32 idev = rig->mock.dev.idev, ioas = rig->mock.ioas;

	return hwpt_alloc(iommufd, idev, ioas, IOMMU_HWPT_ALLOC_PASID,
			  &rig->tables.capable) ?:
	       hwpt_alloc(iommufd, idev, rig->other, IOMMU_HWPT_ALLOC_PASID,
			  &rig->tables.other) ?:
	       hwpt_alloc(iommufd, idev, ioas, 0, &rig->tables.plain);
}

int pasid_rig_make(struct pasid_rig *rig)
{
	return mock_rig_make(&rig->mock) ?:
	       mock_rig_plug(&rig->mock, MOCK_FLAGS_DEVICE_PASID) ?:
	       memory_rig_make(&rig->mem, PAGES_SMALL, PASID_RIG_LENGTH) ?:
	       rig_part("another IOAS",
			ioas_alloc(rig->mock.iommufd, &rig->other)) ?:
	       rig_part("page tables", make_tables(rig));
}

long pasid_rig_break(struct pasid_rig *rig)
{
	return mock_rig_break(&rig->mock);
}

int pasid_attach(int iommufd, const struct mock_device *dev, __u32 pasid,
		 __u32 pt)
{
	return mock_pasid_attach(iommufd, dev->stdev, pasid, &pt);
}

int pasid_replace(int iommufd, const struct mock_device *dev, __u32 pasid,
		  __u32 pt)
{
	return mock_pasid_replace(iommufd, dev->stdev, pasid, &pt);
}

int pasid_alloc_between(int iommufd, __u32 idev, __u32 first, __u32 last,
			__u32 *id)
{
	struct iommu_pasid_alloc cmd = {
		.dev_id = idev,
		.first_pasid = first,
		.last_pasid = last,
	};
	int rc = pasid_alloc_ioctl(iommufd, &cmd);

	if (rc)
		return rc;
	*id = cmd.out_pasid_id;
	return cmd.out_pasid;
}
