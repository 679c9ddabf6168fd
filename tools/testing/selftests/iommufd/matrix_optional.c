// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an IOMMU may offer, tried. Each runs in a process of its own, whose end
 * cleans up.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <sys/ioctl.h>

#include <linux/bits.h>

#include "checked_io.h"
#include "matrix.h"

/* The file answers as a container would. */
int coherency_of(int iommufd, __u32 ioas)
{
	int rc = vfio_ioas(iommufd, IOMMU_VFIO_IOAS_SET, &ioas);

	if (rc)
		return rc;
	rc = ioctl(iommufd, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU);
	if (rc < 0)
		return -errno;
	return rc ? 0 : -EOPNOTSUPP;
}

/*
 * An IOMMU that can enforce coherency is told to before a device is attached,
 * which fails if it refuses; then the file is asked, as a VFIO container.
 */
int try_coherency(void)
{
	struct copier copier;
	int rc = copier_open(&copier);

	if (!rc)
		rc = copier_start(&copier, copier.ioas);
	if (!rc)
		rc = copier_copy(&copier, 1);
	if (rc)
		return rc;
	return coherency_of(copier.iommufd, copier.ioas);
}

static int try_page_table(__u32 flags)
{
	struct copier copier;
	__u32 hwpt;
	int rc = copier_open(&copier);

	if (!rc)
		rc = hwpt_alloc(copier.iommufd, copier.dev.id, copier.ioas,
				flags, &hwpt);
	if (!rc)
		rc = copier_start(&copier, hwpt);
	return rc ? rc : copier_copy(&copier, 1);
}

int try_nest_parent(void)
{
	return try_page_table(IOMMU_HWPT_ALLOC_NEST_PARENT);
}

int try_pasid_table(void)
{
	return try_page_table(IOMMU_HWPT_ALLOC_PASID);
}

/* A guest's first stage: IOVA to IOVA, in pages that the parent maps */
#define GUEST_TABLES (IOVA + MIB)
#define GUEST_IOVA (512 * GIB + GIB + HUGE_PAGE + SMALL_PAGE)
#define GUEST_ENTRY(address) ((address) | 0x67)

static void write_guest_tables(__u64 *tables, __u64 target)
{
	const unsigned int per_table = SMALL_PAGE / sizeof(*tables);
	int level;

	for (level = 0; level < 3; level++)
		tables[level * per_table + 1] =
			GUEST_ENTRY(GUEST_TABLES + (level + 1) * SMALL_PAGE);
	tables[3 * per_table + 1] = GUEST_ENTRY(target);
}

static int nested_vtd(struct copier *copier, __u32 parent)
{
	struct iommu_hwpt_vtd_s1 data = {
		.pgtbl_addr = GUEST_TABLES,
		.addr_width = 48,
	};
	struct iommu_hwpt_alloc cmd = {
		.dev_id = copier->dev.id,
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	char *tables = zeroed(4 * SMALL_PAGE);
	int rc;

	write_guest_tables((__u64 *)tables, IOVA);
	rc = ioas_map_at(copier->iommufd, copier->ioas, tables,
			 4 * SMALL_PAGE, GUEST_TABLES);
	if (!rc)
		rc = hwpt_alloc_ioctl(copier->iommufd, &cmd);
	if (!rc)
		rc = vfio_attach(&copier->dev, cmd.out_hwpt_id);
	if (!rc)
		detail("DMA was not tried");
	return rc;
}

/* Arm's nested page tables are made on a virtual IOMMU. */
static int nested_smmuv3(struct copier *copier, __u32 parent)
{
	struct iommu_viommu_alloc viommu = {
		.size = sizeof(viommu),
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
		.dev_id = copier->dev.id,
		.hwpt_id = parent,
	};
	/* valid, and every request goes through the parent alone */
	struct iommu_hwpt_arm_smmuv3 data = { .ste = { 1 | 4 << 1 } };
	struct iommu_hwpt_alloc cmd = {
		.dev_id = copier->dev.id,
		.data_type = IOMMU_HWPT_DATA_ARM_SMMUV3,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	int rc = checked_ioctl(copier->iommufd, IOMMU_VIOMMU_ALLOC, &viommu);

	if (rc) {
		detail("on a virtual IOMMU: %s", strerror(-rc));
		return rc;
	}
	cmd.pt_id = viommu.out_viommu_id;
	rc = hwpt_alloc_ioctl(copier->iommufd, &cmd);
	if (!rc)
		rc = copier_start(copier, cmd.out_hwpt_id);
	return rc ? rc : copier_copy(copier, 1);
}

int try_nested(void)
{
	struct copier copier;
	__u32 parent;
	int rc = copier_open(&copier);

	if (!rc)
		rc = hwpt_alloc(copier.iommufd, copier.dev.id, copier.ioas,
				IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	if (rc)
		return rc;
	switch (hw.type) {
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		return nested_vtd(&copier, parent);
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		return nested_smmuv3(&copier, parent);
	default:
		return -EOPNOTSUPP;
	}
}

int try_pasid(void)
{
	const __u32 pasid = 1;
	struct copier copier;
	__u32 hwpt;
	int rc = copier_open(&copier);

	if (!rc)
		rc = hwpt_alloc(copier.iommufd, copier.dev.id, copier.ioas,
				IOMMU_HWPT_ALLOC_PASID, &hwpt);
	if (!rc)
		rc = copier_start(&copier, hwpt);
	if (!rc)
		rc = vfio_attach_pasid(&copier.dev, pasid, hwpt);
	if (rc)
		return rc;
	detail("attached; %u bits of PASID", hw.max_pasid_log2);
	return copier_copy(&copier, 1);
}

/* The page that receives a frame is dirty, the one that is sent is not. */
int try_dirty(void)
{
	const __u64 received = BIT_ULL(DESTINATION / SMALL_PAGE);
	const __u64 sent = BIT_ULL(SOURCE / SMALL_PAGE);
	struct copier copier;
	__u64 bitmap = 0;
	__u32 hwpt;
	int rc = copier_open(&copier);

	if (!rc)
		rc = hwpt_alloc(copier.iommufd, copier.dev.id, copier.ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt);
	if (!rc)
		rc = copier_start(&copier, hwpt);
	if (!rc)
		rc = hwpt_set_dirty_tracking(copier.iommufd, hwpt,
					     IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	if (!rc)
		rc = copier_copy(&copier, 1);
	if (!rc)
		rc = hwpt_get_dirty_bitmap(copier.iommufd, hwpt, 0, IOVA,
					   COPIER_BYTES, SMALL_PAGE, &bitmap);
	if (rc)
		return rc;
	detail("bitmap %#llx", bitmap);
	return bitmap & received && !(bitmap & sent) ? 0 : -EIO;
}

/*
 * As far as being attached to a page table that delivers page requests: no
 * device of QEMU's makes any when it is told to.
 */
int try_page_requests(void)
{
	struct iommu_hwpt_alloc cmd = { .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct copier copier;
	int rc = copier_open(&copier), queue;

	if (!rc)
		rc = fault_queue_alloc(copier.iommufd, &cmd.fault_id, &queue);
	if (rc)
		return rc;
	cmd.dev_id = copier.dev.id;
	cmd.pt_id = copier.ioas;
	rc = hwpt_alloc_ioctl(copier.iommufd, &cmd);
	if (!rc)
		rc = copier_start(&copier, cmd.out_hwpt_id);
	return rc ? rc : copier_copy(&copier, 1);
}
