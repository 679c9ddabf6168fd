/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest keeps for its SMMUv3 in its own memory, and what it tells it: a
 * context descriptor, a page table, entries of the stream table, commands. And
 * what the SMMU tells the guest: events.
 *
 * Only what is needed to let one device do DMA: the page table has two levels
 * of 4 KiB pages and reaches as far as edu does, there is one address space,
 * and no substreams. Formats are those of Arm's document IHI0070, "System
 * Memory Management Unit Architecture Specification, version 3".
 *
 * IPA: an address as the guest knows its memory by, which stage 2 translates;
 * here an IOVA of the IOAS that the guest's memory is mapped in.
 */
#ifndef SMMU_GUEST_H
#define SMMU_GUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/iommufd.h>
#include <linux/types.h>

/* Stage 1 translates IOVAs below this one. */
#define SMMU_GUEST_IOVA_BITS 28
#define SMMU_GUEST_ASID 5

struct smmu_guest {
	char *memory;		/* of the guest, as this process knows it */
	__u64 ipa;		/* where it begins for the guest */
	size_t length;
	size_t used;		/* handed out from the beginning on */
	__u64 *cd;		/* context descriptor, a table of one */
	__u64 *table;		/* of the first level */
};

enum smmu_access {
	SMMU_READ,
	SMMU_READ_WRITE,
};

/* The guest's memory, at least 64 KiB, is zeroed. */
void smmu_guest_init(struct smmu_guest *guest, char *memory, size_t length,
		     __u64 ipa);
/* A page of the memory that nothing else is in; NULL when all is used. */
void *smmu_guest_page(struct smmu_guest *guest);
/* What the guest calls a place in its memory. */
__u64 smmu_guest_ipa(const struct smmu_guest *guest, const void *va);

/*
 * What the guest's stage 1 has for the 4 KiB at @iova. It is the caller's duty,
 * as it is a guest's, to send commands where something was there before.
 */
int smmu_guest_map(struct smmu_guest *guest, __u64 iova, __u64 ipa,
		   enum smmu_access access);
int smmu_guest_unmap(struct smmu_guest *guest, __u64 iova);
/* Spoils the context descriptor, or makes it good again. */
void smmu_guest_set_cd_valid(struct smmu_guest *guest, bool valid);

/*
 * The part of a stream table entry that a guest has to say: nothing translated
 * by stage 1, nothing let through, or translated by what the guest keeps.
 */
struct iommu_hwpt_arm_smmuv3 smmu_ste_bypass(void);
struct iommu_hwpt_arm_smmuv3 smmu_ste_abort(void);
struct iommu_hwpt_arm_smmuv3 smmu_ste_translate(const struct smmu_guest *guest);

/* Forget what is cached: of a page, of all pages, of a device's descriptor. */
struct iommu_viommu_arm_smmuv3_invalidate smmu_forget_page(__u64 iova);
struct iommu_viommu_arm_smmuv3_invalidate smmu_forget_all(void);
struct iommu_viommu_arm_smmuv3_invalidate smmu_forget_cd(__u32 sid);
/* None of the above: the guest may not send it, or nobody knows it. */
struct iommu_viommu_arm_smmuv3_invalidate smmu_command(__u8 opcode);

#define SMMU_CMD_CFGI_STE 0x03
#define SMMU_CMD_CFGI_CD 0x05
#define SMMU_CMD_TLBI_NH_ALL 0x10
#define SMMU_CMD_TLBI_NH_VA 0x12
#define SMMU_CMD_TLBI_S12_VMALL 0x28
#define SMMU_CMD_TLBI_NSNH_ALL 0x30
#define SMMU_CMD_SYNC 0x46

enum smmu_event_type {
	SMMU_C_BAD_STE = 0x04,
	SMMU_C_BAD_CD = 0x0a,
	SMMU_F_TRANSLATION = 0x10,
	SMMU_F_PERMISSION = 0x13,
};

struct smmu_event {
	enum smmu_event_type type;
	__u32 sid;
	/* these only for the types that begin with F */
	bool write;
	bool stage2;
	__u64 iova;
};

struct smmu_event smmu_event(const struct iommu_vevent_arm_smmuv3 *record);
const char *smmu_event_name(enum smmu_event_type type);

/* What the registers say, of IOMMU_GET_HW_INFO */
bool smmu_has_both_stages(const struct iommu_hw_info_arm_smmuv3 *info);
bool smmu_has_4k_pages(const struct iommu_hw_info_arm_smmuv3 *info);

#endif
