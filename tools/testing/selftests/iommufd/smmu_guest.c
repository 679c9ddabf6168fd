// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/bitfield.h>
#include <linux/bits.h>

#include "pages.h"
#include "smmu_guest.h"

/* Registers, 6.3 */
#define IDR0_STAGE2 BIT(0)
#define IDR0_STAGE1 BIT(1)
#define IDR5_4K_PAGES BIT(4)

/* Stream table entry, 5.2 */
#define STE0_VALID BIT_ULL(0)
#define STE0_CONFIG GENMASK_ULL(3, 1)
#define STE0_CONTEXT GENMASK_ULL(51, 6)
#define STE1_INNER_CACHE GENMASK_ULL(3, 2)
#define STE1_OUTER_CACHE GENMASK_ULL(5, 4)
#define STE1_SHARED GENMASK_ULL(7, 6)

#define CONFIG_ABORT 0
#define CONFIG_BYPASS 4
#define CONFIG_STAGE1 5

/* Context descriptor, 5.4 */
#define CD0_T0SZ GENMASK_ULL(5, 0)
#define CD0_INNER_CACHE GENMASK_ULL(9, 8)
#define CD0_OUTER_CACHE GENMASK_ULL(11, 10)
#define CD0_SHARED GENMASK_ULL(13, 12)
#define CD0_NO_TABLE1 BIT_ULL(30)
#define CD0_VALID BIT_ULL(31)
#define CD0_IPA_SIZE GENMASK_ULL(34, 32)
#define CD0_AARCH64 BIT_ULL(41)
#define CD0_RECORD_FAULTS BIT_ULL(45)
#define CD0_ABORT_FAULTS BIT_ULL(46)
#define CD0_PRIVATE_ASID BIT_ULL(47)
#define CD0_ASID GENMASK_ULL(63, 48)
#define CD1_TABLE0 GENMASK_ULL(51, 4)

#define IPA_40_BITS 2
#define CACHE_WRITE_BACK 1
#define INNER_SHAREABLE 3
/* attribute 0 of page table entries: cached in every way */
#define MAIR_WRITE_BACK 0xff

/* Page table entry of AArch64's long format, stage 1 */
#define PTE_TABLE GENMASK_ULL(1, 0)
#define PTE_PAGE GENMASK_ULL(1, 0)
#define PTE_UNPRIVILEGED BIT_ULL(6)
#define PTE_READ_ONLY BIT_ULL(7)
#define PTE_SHARED GENMASK_ULL(9, 8)
#define PTE_ACCESSED BIT_ULL(10)
#define PTE_NOT_GLOBAL BIT_ULL(11)
#define PTE_NO_EXECUTE BIT_ULL(54)
#define PTE_ADDRESS GENMASK_ULL(47, 12)

#define PTES_OF_TABLE (SMALL_PAGE / sizeof(__u64))
#define PAGE_BITS 12
#define TABLE_BITS 9

/* Commands, 4.1 */
#define CMD0_OPCODE GENMASK_ULL(7, 0)
#define CMD0_SID GENMASK_ULL(63, 32)
#define CMD0_ASID GENMASK_ULL(63, 48)
#define CMD1_LEAF BIT_ULL(0)
#define CMD1_ADDRESS GENMASK_ULL(63, 12)

/* Events, 7.3 */
#define EVT0_TYPE GENMASK_ULL(7, 0)
#define EVT0_SID GENMASK_ULL(63, 32)
#define EVT1_READ BIT_ULL(35)
#define EVT1_STAGE2 BIT_ULL(39)

/*
 * The guest's memory
 */

void *smmu_guest_page(struct smmu_guest *guest)
{
	void *page = guest->memory + guest->used;

	if (guest->length - guest->used < SMALL_PAGE)
		return NULL;
	guest->used += SMALL_PAGE;
	return page;
}

__u64 smmu_guest_ipa(const struct smmu_guest *guest, const void *va)
{
	return guest->ipa + ((const char *)va - guest->memory);
}

static void make_cd(struct smmu_guest *guest)
{
	__u64 table = smmu_guest_ipa(guest, guest->table);

	guest->cd[0] = htole64(FIELD_PREP(CD0_T0SZ, 64 - SMMU_GUEST_IOVA_BITS) |
			       FIELD_PREP(CD0_INNER_CACHE, CACHE_WRITE_BACK) |
			       FIELD_PREP(CD0_OUTER_CACHE, CACHE_WRITE_BACK) |
			       FIELD_PREP(CD0_SHARED, INNER_SHAREABLE) |
			       FIELD_PREP(CD0_IPA_SIZE, IPA_40_BITS) |
			       FIELD_PREP(CD0_ASID, SMMU_GUEST_ASID) |
			       CD0_NO_TABLE1 | CD0_AARCH64 | CD0_RECORD_FAULTS |
			       CD0_ABORT_FAULTS | CD0_PRIVATE_ASID | CD0_VALID);
	guest->cd[1] = htole64(table & CD1_TABLE0);
	guest->cd[3] = htole64(MAIR_WRITE_BACK);
}

void smmu_guest_init(struct smmu_guest *guest, char *memory, size_t length,
		     __u64 ipa)
{
	memset(memory, 0, length);
	*guest = (struct smmu_guest){
		.memory = memory,
		.length = length,
		.ipa = ipa,
	};
	guest->cd = smmu_guest_page(guest);
	guest->table = smmu_guest_page(guest);
	make_cd(guest);
}

void smmu_guest_set_cd_valid(struct smmu_guest *guest, bool valid)
{
	if (valid)
		guest->cd[0] |= htole64(CD0_VALID);
	else
		guest->cd[0] &= ~htole64(CD0_VALID);
}

/*
 * Stage 1
 */

/* The entry for the 4 KiB at @iova; its table is made if there is none. */
static __u64 *page_entry(struct smmu_guest *guest, __u64 iova)
{
	const __u64 page = iova >> PAGE_BITS;
	__u64 *upper = &guest->table[page >> TABLE_BITS], *lower;

	if (iova >> SMMU_GUEST_IOVA_BITS)
		return NULL;
	if (!*upper) {
		lower = smmu_guest_page(guest);
		if (!lower)
			return NULL;
		*upper = htole64(smmu_guest_ipa(guest, lower) | PTE_TABLE);
	}
	lower = (__u64 *)(guest->memory + (le64toh(*upper) & PTE_ADDRESS) -
			  guest->ipa);
	return &lower[page % PTES_OF_TABLE];
}

int smmu_guest_map(struct smmu_guest *guest, __u64 iova, __u64 ipa,
		   enum smmu_access access)
{
	__u64 *entry = page_entry(guest, iova);

	if (!entry)
		return -ENOMEM;
	*entry = htole64((ipa & PTE_ADDRESS) | PTE_PAGE | PTE_UNPRIVILEGED |
			 (access == SMMU_READ ? PTE_READ_ONLY : 0) |
			 FIELD_PREP(PTE_SHARED, INNER_SHAREABLE) |
			 PTE_ACCESSED | PTE_NOT_GLOBAL | PTE_NO_EXECUTE);
	return 0;
}

int smmu_guest_unmap(struct smmu_guest *guest, __u64 iova)
{
	__u64 *entry = page_entry(guest, iova);

	if (!entry)
		return -ENOMEM;
	*entry = 0;
	return 0;
}

/*
 * Stream table entries
 */

static struct iommu_hwpt_arm_smmuv3 make_ste(unsigned int config)
{
	return (struct iommu_hwpt_arm_smmuv3){
		.ste[0] = htole64(STE0_VALID | FIELD_PREP(STE0_CONFIG, config)),
	};
}

struct iommu_hwpt_arm_smmuv3 smmu_ste_bypass(void)
{
	return make_ste(CONFIG_BYPASS);
}

struct iommu_hwpt_arm_smmuv3 smmu_ste_abort(void)
{
	return make_ste(CONFIG_ABORT);
}

struct iommu_hwpt_arm_smmuv3 smmu_ste_translate(const struct smmu_guest *guest)
{
	struct iommu_hwpt_arm_smmuv3 ste = make_ste(CONFIG_STAGE1);

	ste.ste[0] |= htole64(smmu_guest_ipa(guest, guest->cd) & STE0_CONTEXT);
	ste.ste[1] = htole64(FIELD_PREP(STE1_INNER_CACHE, CACHE_WRITE_BACK) |
			     FIELD_PREP(STE1_OUTER_CACHE, CACHE_WRITE_BACK) |
			     FIELD_PREP(STE1_SHARED, INNER_SHAREABLE));
	return ste;
}

/*
 * Commands
 */

static struct iommu_viommu_arm_smmuv3_invalidate
make_command(__u8 opcode, __u64 word0, __u64 word1)
{
	return (struct iommu_viommu_arm_smmuv3_invalidate){
		.cmd[0] = htole64(FIELD_PREP(CMD0_OPCODE, opcode) | word0),
		.cmd[1] = htole64(word1),
	};
}

struct iommu_viommu_arm_smmuv3_invalidate smmu_command(__u8 opcode)
{
	return make_command(opcode, 0, 0);
}

struct iommu_viommu_arm_smmuv3_invalidate smmu_forget_page(__u64 iova)
{
	return make_command(SMMU_CMD_TLBI_NH_VA,
			    FIELD_PREP(CMD0_ASID, SMMU_GUEST_ASID),
			    (iova & CMD1_ADDRESS) | CMD1_LEAF);
}

struct iommu_viommu_arm_smmuv3_invalidate smmu_forget_all(void)
{
	return smmu_command(SMMU_CMD_TLBI_NH_ALL);
}

struct iommu_viommu_arm_smmuv3_invalidate smmu_forget_cd(__u32 sid)
{
	return make_command(SMMU_CMD_CFGI_CD, FIELD_PREP(CMD0_SID, sid),
			    CMD1_LEAF);
}

/*
 * Events
 */

struct smmu_event smmu_event(const struct iommu_vevent_arm_smmuv3 *record)
{
	const __u64 word0 = le64toh(record->evt[0]);
	const __u64 word1 = le64toh(record->evt[1]);

	return (struct smmu_event){
		.type = FIELD_GET(EVT0_TYPE, word0),
		.sid = FIELD_GET(EVT0_SID, word0),
		.write = !(word1 & EVT1_READ),
		.stage2 = word1 & EVT1_STAGE2,
		.iova = le64toh(record->evt[2]),
	};
}

const char *smmu_event_name(enum smmu_event_type type)
{
	switch (type) {
	case SMMU_C_BAD_STE:
		return "C_BAD_STE";
	case SMMU_C_BAD_CD:
		return "C_BAD_CD";
	case SMMU_F_TRANSLATION:
		return "F_TRANSLATION";
	case SMMU_F_PERMISSION:
		return "F_PERMISSION";
	default:
		return "another event";
	}
}

/*
 * Registers
 */

bool smmu_has_both_stages(const struct iommu_hw_info_arm_smmuv3 *info)
{
	return info->idr[0] & IDR0_STAGE1 && info->idr[0] & IDR0_STAGE2;
}

bool smmu_has_4k_pages(const struct iommu_hw_info_arm_smmuv3 *info)
{
	return info->idr[5] & IDR5_4K_PAGES;
}
