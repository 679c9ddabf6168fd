/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest with an SMMUv3 of its own and edu behind it: the rig is what would be
 * the hypervisor, and hands on what the guest says.
 */
#ifndef SMMU_RIG_H
#define SMMU_RIG_H

#include "edu_rig.h"
#include "smmu_guest.h"

/* What the guest calls the device: its real stream ID is another one. */
#define SMMU_SID 0x1234
/* Where the guest's memory is; within reach of edu when stage 1 is bypassed. */
#define SMMU_IPA (16 * MIB)
#define SMMU_MEMORY MIB
/* Nothing is to be mapped here: an access by edu is the event that is last. */
#define SMMU_MARKER_IOVA (8 * MIB)
/* How many events wait until they are read. */
#define SMMU_EVENTS_KEPT 64

struct smmu_rig {
	struct edu_rig edu;	/* its IOAS has the guest's memory */
	struct memory_rig mem;
	struct smmu_guest guest;
	__u32 parent;		/* stage 2, of the IOAS */
	__u32 viommu;
	__u32 vdevice;		/* once there is one */
	__u32 nested;		/* what edu is attached to, or 0 */
	__u32 veventq;
	int events;		/* its file */
	__u32 next_event;	/* the number of what is read next */
};

/*
 * All but the virtual device, not attached to anything. RIG_ABSENT also where
 * the IOMMU is another one, or its driver can make no vIOMMU of it.
 */
int smmu_rig_make(struct smmu_rig *rig);
int smmu_rig_make_vdevice(struct smmu_rig *rig);
void smmu_rig_break(struct smmu_rig *rig);

/* What the guest's registers would say. */
int smmu_rig_info(struct smmu_rig *rig, struct iommu_hw_info_arm_smmuv3 *info);

/* One more vIOMMU on stage 2. */
int smmu_rig_viommu(struct smmu_rig *rig, __u32 *viommu);

/* The guest says that this is the device's stream table entry now. */
int smmu_rig_nested(struct smmu_rig *rig, struct iommu_hwpt_arm_smmuv3 ste,
		    __u32 *nested);
int smmu_rig_attach(struct smmu_rig *rig, struct iommu_hwpt_arm_smmuv3 ste);

/* It sends commands; *count of them, and how many were done. */
int smmu_rig_send(struct smmu_rig *rig,
		  const struct iommu_viommu_arm_smmuv3_invalidate *commands,
		  __u32 *count);
int smmu_rig_send_one(struct smmu_rig *rig,
		      struct iommu_viommu_arm_smmuv3_invalidate command);

/* The event queue goes, and is made. */
int smmu_rig_stop_listening(struct smmu_rig *rig);
int smmu_rig_listen(struct smmu_rig *rig);

/*
 * The next event that it is told of; -ETIMEDOUT if none comes, -EOVERFLOW if
 * some were lost before it.
 */
int smmu_rig_event(struct smmu_rig *rig, struct smmu_event *event);
/*
 * Events come in order: the device raises one more, and those are over that are
 * in front of it. Takes a device that stage 1 translates for. Returns how many
 * there were, or a negative errno.
 */
int smmu_rig_drop_events(struct smmu_rig *rig);
/* The same: were there none? */
bool smmu_rig_is_quiet(struct smmu_rig *rig);

#endif
