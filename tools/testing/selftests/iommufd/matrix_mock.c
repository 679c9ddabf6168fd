// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an IOMMU may offer, on the test device: 0 says that iommufd can do it.
 */
#include <errno.h>
#include <unistd.h>

#include <linux/bits.h>

#include "checked_io.h"
#include "matrix.h"
#include "mock_lib.h"

struct mock {
	int iommufd;
	__u32 ioas;
	struct mock_device dev;
};

static int mock_open(struct mock *mock, __u32 flags)
{
	int rc;

	mock->iommufd = iommufd_open();
	if (mock->iommufd < 0)
		return mock->iommufd;
	if (!mock_available(mock->iommufd))
		return -ENODEV;
	rc = ioas_alloc(mock->iommufd, &mock->ioas);
	return rc ? rc : mock_domain_flags(mock->iommufd, mock->ioas, flags,
					   &mock->dev);
}

static int mock_hwpt(struct mock *mock, __u32 flags, __u32 *hwpt)
{
	return hwpt_alloc(mock->iommufd, mock->dev.idev, mock->ioas, flags,
			  hwpt);
}

int mock_hw_info(void)
{
	struct iommu_hw_info cmd = {};
	struct mock mock;
	int rc = mock_open(&mock, 0);

	cmd.dev_id = mock.dev.idev;
	return rc ? rc : hw_info_ioctl(mock.iommufd, &cmd);
}

static int mock_nested_on(struct mock *mock, __u32 parent, __u32 *nested)
{
	int rc = mock_nested(mock->iommufd, mock->dev.idev, parent, 0, 0,
			     nested);

	return rc ? rc : mock_domain_replace(mock->iommufd, mock->dev.stdev,
					     nested);
}

static int mock_nested_works(void)
{
	struct mock mock;
	__u32 hwpt;
	int rc = mock_open(&mock, 0);

	if (!rc)
		rc = mock_hwpt(&mock, IOMMU_HWPT_ALLOC_NEST_PARENT, &hwpt);
	return rc ? rc : mock_nested_on(&mock, hwpt, &hwpt);
}

/* Arm's driver wants a virtual IOMMU. */
int mock_nested_as_here(void)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
	};
	struct mock mock;
	__u32 nested, vdevice;
	int rc;

	if (hw.type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3)
		return mock_nested_works();
	rc = mock_open(&mock, 0);
	if (!rc)
		rc = mock_hwpt(&mock, IOMMU_HWPT_ALLOC_NEST_PARENT,
			       &cmd.hwpt_id);
	cmd.dev_id = mock.dev.idev;
	if (!rc)
		rc = checked_ioctl(mock.iommufd, IOMMU_VIOMMU_ALLOC, &cmd);
	if (!rc)
		rc = vdevice_alloc(mock.iommufd, cmd.out_viommu_id, cmd.dev_id,
				   1, &vdevice);
	return rc ? rc : mock_nested_on(&mock, cmd.out_viommu_id, &nested);
}

int mock_nest_parent(void)
{
	struct mock mock;
	__u32 hwpt;
	int rc = mock_open(&mock, 0);

	return rc ? rc : mock_hwpt(&mock, IOMMU_HWPT_ALLOC_NEST_PARENT,
				   &hwpt);
}

int mock_pasid_table(void)
{
	struct mock mock;
	__u32 hwpt;
	int rc = mock_open(&mock, MOCK_FLAGS_DEVICE_PASID);

	return rc ? rc : mock_hwpt(&mock, IOMMU_HWPT_ALLOC_PASID, &hwpt);
}

int mock_pasid(void)
{
	const __u32 pasid = 1;
	struct mock mock;
	__u32 hwpt;
	int rc = mock_open(&mock, MOCK_FLAGS_DEVICE_PASID);

	if (!rc)
		rc = mock_hwpt(&mock, IOMMU_HWPT_ALLOC_PASID, &hwpt);
	if (!rc)
		rc = mock_domain_replace(mock.iommufd, mock.dev.stdev, &hwpt);
	if (!rc)
		rc = mock_pasid_attach(mock.iommufd, mock.dev.stdev, pasid,
				       &hwpt);
	return rc ? rc : mock_pasid_check(mock.iommufd, mock.dev.stdev, pasid,
					  hwpt);
}

int mock_dirty_tracking(void)
{
	const __u64 iova = MOCK_APERTURE_START;
	__u64 marks = BIT_ULL(2), bitmap = 0;
	char *va = zeroed(4 * SMALL_PAGE);
	struct mock mock;
	__u32 hwpt;
	int rc = mock_open(&mock, 0);

	if (!rc)
		rc = ioas_map_at(mock.iommufd, mock.ioas, va, 4 * SMALL_PAGE,
				 iova);
	if (!rc)
		rc = mock_hwpt(&mock, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt);
	if (!rc)
		rc = hwpt_set_dirty_tracking(mock.iommufd, hwpt,
					     IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	if (!rc)
		rc = mock_dirty(mock.iommufd, hwpt, iova, 4 * SMALL_PAGE,
				SMALL_PAGE, &marks, NULL);
	if (!rc)
		rc = hwpt_get_dirty_bitmap(mock.iommufd, hwpt, 0, iova,
					   4 * SMALL_PAGE, SMALL_PAGE, &bitmap);
	return rc ? rc : bitmap == marks ? 0 : -EIO;
}

int mock_page_requests(void)
{
	struct iommu_hwpt_alloc cmd = { .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct iommu_hwpt_pgfault fault;
	struct mock mock;
	int rc = mock_open(&mock, 0), queue;

	if (rc)
		return rc;
	rc = fault_queue_alloc(mock.iommufd, &cmd.fault_id, &queue);
	if (rc)
		return rc;
	cmd.dev_id = mock.dev.idev;
	cmd.pt_id = mock.ioas;
	rc = hwpt_alloc_ioctl(mock.iommufd, &cmd);
	if (!rc)
		rc = mock_domain_replace(mock.iommufd, mock.dev.stdev,
					 &cmd.out_hwpt_id);
	if (!rc)
		rc = mock_trigger_iopf(mock.iommufd, mock.dev.idev, 0, 1,
				       IOMMU_PGFAULT_PERM_READ, IOVA);
	if (rc)
		return rc;
	return read(queue, &fault, sizeof(fault)) == sizeof(fault) ? 0 : -EIO;
}

/* The test device enforces nothing, and iommufd can say so. */
int mock_coherency(void)
{
	struct mock mock;
	int rc = mock_open(&mock, 0);

	if (!rc)
		rc = coherency_of(mock.iommufd, mock.ioas);
	return rc == -EOPNOTSUPP ? 0 : rc;
}
