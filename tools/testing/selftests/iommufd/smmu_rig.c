// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "smmu_rig.h"
#include "test_support.h"

#define EVENT_TIMEOUT_MS 3000

int smmu_rig_info(struct smmu_rig *rig, struct iommu_hw_info_arm_smmuv3 *info)
{
	struct iommu_hw_info cmd = {
		.dev_id = rig->edu.edu.id,
		.data_len = sizeof(*info),
		.data_uptr = (uintptr_t)info,
	};
	int rc = hw_info_ioctl(rig->edu.iommufd, &cmd);

	if (!rc && cmd.out_data_type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3)
		rc = -ENODEV;
	return rc;
}

int smmu_rig_viommu(struct smmu_rig *rig, __u32 *viommu)
{
	struct iommu_viommu_alloc cmd = {
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
		.dev_id = rig->edu.edu.id,
		.hwpt_id = rig->parent,
	};
	int rc = viommu_alloc_ioctl(rig->edu.iommufd, &cmd);

	if (!rc)
		*viommu = cmd.out_viommu_id;
	return rc;
}

static int make_viommu(struct smmu_rig *rig)
{
	int rc = smmu_rig_viommu(rig, &rig->viommu);

	if (rc == -EOPNOTSUPP)
		return rig_absent("vIOMMU: firmware does not say CANWBS");
	return rig_part("a vIOMMU", rc);
}

static int make_parent(struct smmu_rig *rig)
{
	int rc = hwpt_alloc(rig->edu.iommufd, rig->edu.edu.id, rig->edu.ioas,
			    IOMMU_HWPT_ALLOC_NEST_PARENT, &rig->parent);

	if (rc == -EOPNOTSUPP)
		return rig_absent("IOMMU with both stages");
	return rig_part("a page table for stage 2", rc);
}

static int make_memory(struct smmu_rig *rig)
{
	int rc = memory_rig_make(&rig->mem, PAGES_SMALL, SMMU_MEMORY);

	if (!rc)
		rc = rig_part("a map of the guest's memory",
			      memory_rig_map(&rig->mem, rig->edu.iommufd,
					     rig->edu.ioas, SMMU_IPA));
	if (!rc)
		rc = edu_rig_map(&rig->edu, rig->edu.ioas);
	if (rc)
		return rc;
	smmu_guest_init(&rig->guest, rig->mem.va, SMMU_MEMORY, SMMU_IPA);
	return rig_part("room for the guest's page table",
			smmu_guest_map(&rig->guest, SCRATCH_IOVA, SCRATCH_IOVA,
				       SMMU_READ_WRITE));
}

int smmu_rig_listen(struct smmu_rig *rig)
{
	rig->next_event = 0;
	return veventq_alloc(rig->edu.iommufd, rig->viommu,
			     IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, SMMU_EVENTS_KEPT,
			     &rig->veventq, &rig->events);
}

int smmu_rig_stop_listening(struct smmu_rig *rig)
{
	close(rig->events);
	return iommufd_destroy(rig->edu.iommufd, rig->veventq);
}

int smmu_rig_make(struct smmu_rig *rig)
{
	struct iommu_hw_info_arm_smmuv3 info;
	int rc = edu_rig_make(&rig->edu);

	if (rc)
		return rc;
	if (smmu_rig_info(rig, &info))
		rc = rig_absent("SMMUv3");
	rc = rc ?: make_memory(rig) ?: make_parent(rig) ?: make_viommu(rig);
	if (!rc)
		rc = rig_part("an event queue", smmu_rig_listen(rig));
	if (rc)
		edu_rig_break(&rig->edu);
	return rc;
}

int smmu_rig_make_vdevice(struct smmu_rig *rig)
{
	return rig_part("a virtual device",
			vdevice_alloc(rig->edu.iommufd, rig->viommu,
				      rig->edu.edu.id, SMMU_SID,
				      &rig->vdevice));
}

void smmu_rig_break(struct smmu_rig *rig)
{
	close(rig->events);
	edu_rig_break(&rig->edu);
}

int smmu_rig_nested(struct smmu_rig *rig, struct iommu_hwpt_arm_smmuv3 ste,
		    __u32 *nested)
{
	struct iommu_hwpt_alloc cmd = {
		.dev_id = rig->edu.edu.id,
		.pt_id = rig->viommu,
		.data_type = IOMMU_HWPT_DATA_ARM_SMMUV3,
		.data_len = sizeof(ste),
		.data_uptr = (uintptr_t)&ste,
	};
	int rc = hwpt_alloc_ioctl(rig->edu.iommufd, &cmd);

	if (!rc)
		*nested = cmd.out_hwpt_id;
	return rc;
}

int smmu_rig_attach(struct smmu_rig *rig, struct iommu_hwpt_arm_smmuv3 ste)
{
	const __u32 before = rig->nested;
	__u32 nested;
	int rc = smmu_rig_nested(rig, ste, &nested);

	if (rc)
		return rc;
	rc = vfio_attach(&rig->edu.edu, nested);
	if (rc) {
		iommufd_destroy(rig->edu.iommufd, nested);
		return rc;
	}
	rig->nested = nested;
	return before ? iommufd_destroy(rig->edu.iommufd, before) : 0;
}

int smmu_rig_send(struct smmu_rig *rig,
		  const struct iommu_viommu_arm_smmuv3_invalidate *commands,
		  __u32 *count)
{
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = rig->viommu,
		.data_uptr = (uintptr_t)commands,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
		.entry_len = sizeof(*commands),
		.entry_num = *count,
	};
	int rc = hwpt_invalidate_ioctl(rig->edu.iommufd, &cmd);

	*count = cmd.entry_num;
	return rc;
}

int smmu_rig_send_one(struct smmu_rig *rig,
		      struct iommu_viommu_arm_smmuv3_invalidate command)
{
	__u32 count = 1;

	return smmu_rig_send(rig, &command, &count);
}

static bool has_event(struct smmu_rig *rig)
{
	struct pollfd file = { .fd = rig->events, .events = POLLIN };

	return poll(&file, 1, patience(EVENT_TIMEOUT_MS)) == 1;
}

int smmu_rig_event(struct smmu_rig *rig, struct smmu_event *event)
{
	struct {
		struct iommufd_vevent_header header;
		struct iommu_vevent_arm_smmuv3 record;
	} data;
	ssize_t got;

	if (!has_event(rig))
		return -ETIMEDOUT;
	got = read(rig->events, &data, sizeof(data));
	if (got < 0)
		return -errno;
	if (data.header.flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS ||
	    data.header.sequence != rig->next_event)
		return -EOVERFLOW;
	if (got != sizeof(data))
		return -EIO;
	rig->next_event++;
	*event = smmu_event(&data.record);
	return 0;
}

int smmu_rig_drop_events(struct smmu_rig *rig)
{
	int rc = edu_dma_to_device(&rig->edu.edu, SMMU_MARKER_IOVA, 0,
				   sizeof(__u32));
	struct smmu_event event;
	int count;

	for (count = 0; !rc; count++) {
		rc = smmu_rig_event(rig, &event);
		if (!rc && event.type == SMMU_F_TRANSLATION &&
		    event.iova == SMMU_MARKER_IOVA)
			return count;
	}
	return rc;
}

bool smmu_rig_is_quiet(struct smmu_rig *rig)
{
	return !smmu_rig_drop_events(rig);
}
