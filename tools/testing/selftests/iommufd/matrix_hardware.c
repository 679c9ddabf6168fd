// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the hardware offers, from its own registers, as IOMMU_GET_HW_INFO tells
 * them.
 */
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include <linux/bits.h>
#include <linux/pci_regs.h>

#include "matrix.h"

/* Extended Capability Register of VT-d, specification 11.4.3 */
#define ECAP_SNOOP_CONTROL BIT_ULL(7)
#define ECAP_NESTED BIT_ULL(26)
#define ECAP_PAGE_REQUESTS BIT_ULL(29)
#define ECAP_PASID BIT_ULL(40)
#define ECAP_SCALABLE BIT_ULL(43)
#define ECAP_SECOND_STAGE_DIRTY BIT_ULL(45)

/* SMMUv3, specification 6.3.1 and 6.3.2 */
#define IDR0_STAGE2 BIT(0)
#define IDR0_STAGE1 BIT(1)
#define IDR0_DIRTY BIT(7)
#define IDR0_PAGE_REQUESTS BIT(16)
#define IDR1_SUBSTREAM_BITS GENMASK(10, 6)

/* Extended Feature Register of AMD, document 48882 */
#define EFR_PAGE_REQUESTS BIT_ULL(1)
#define EFR_GUEST_TABLES BIT_ULL(4)
#define EFR_GUEST_IO BIT_ULL(48)
#define EFR_DIRTY BIT_ULL(52)
#define EFR2_GUEST_TABLE_BY_GUEST_ADDRESS BIT_ULL(3)

struct hardware hw;

static const char *type_name(__u32 type)
{
	switch (type) {
	case IOMMU_HW_INFO_TYPE_NONE:
		return "no data";
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		return "Intel VT-d";
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		return "Arm SMMUv3";
	case IOMMU_HW_INFO_TYPE_AMD:
		return "AMD";
	default:
		return "another type";
	}
}

static enum offer offer_if(bool offered)
{
	return offered ? OFFERED : NOT_OFFERED;
}

static bool vtd_has(__u64 bits)
{
	return (hw.data.vtd.ecap_reg & bits) == bits;
}

static bool smmuv3_has(__u32 bits)
{
	return (hw.data.smmuv3.idr[0] & bits) == bits;
}

static bool amd_has(__u64 bits)
{
	return (hw.data.amd.efr & bits) == bits;
}

enum offer nesting_offer(void)
{
	switch (hw.type) {
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		return offer_if(vtd_has(ECAP_NESTED | ECAP_SCALABLE));
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		return offer_if(smmuv3_has(IDR0_STAGE1 | IDR0_STAGE2));
	case IOMMU_HW_INFO_TYPE_AMD:
		return offer_if(amd_has(EFR_GUEST_TABLES | EFR_GUEST_IO) &&
				hw.data.amd.efr2 &
				EFR2_GUEST_TABLE_BY_GUEST_ADDRESS);
	default:
		return UNKNOWN;
	}
}

enum offer pasid_table_offer(void)
{
	switch (hw.type) {
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		return offer_if(vtd_has(ECAP_PASID | ECAP_SCALABLE));
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		return offer_if(smmuv3_has(IDR0_STAGE1));
	case IOMMU_HW_INFO_TYPE_AMD:
		return offer_if(amd_has(EFR_GUEST_TABLES));
	default:
		return UNKNOWN;
	}
}

/* The device and the IOMMU must both have PASIDs for this. */
enum offer pasid_offer(void)
{
	return hw.rc ? UNKNOWN : offer_if(hw.max_pasid_log2);
}

enum offer dirty_offer(void)
{
	switch (hw.type) {
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		return offer_if(vtd_has(ECAP_SECOND_STAGE_DIRTY |
					ECAP_SCALABLE));
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		return offer_if(smmuv3_has(IDR0_DIRTY));
	case IOMMU_HW_INFO_TYPE_AMD:
		return offer_if(amd_has(EFR_DIRTY));
	default:
		return UNKNOWN;
	}
}

enum offer page_request_offer(void)
{
	if (!hw.page_requests)
		return NOT_OFFERED;
	switch (hw.type) {
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		return offer_if(vtd_has(ECAP_PAGE_REQUESTS));
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		return offer_if(smmuv3_has(IDR0_PAGE_REQUESTS));
	case IOMMU_HW_INFO_TYPE_AMD:
		return offer_if(amd_has(EFR_PAGE_REQUESTS));
	default:
		return UNKNOWN;
	}
}

enum offer coherency_offer(void)
{
	if (hw.type == IOMMU_HW_INFO_TYPE_INTEL_VTD)
		return offer_if(vtd_has(ECAP_SNOOP_CONTROL));
	/* of an SMMUv3 firmware tells, and only ACPI has words for it */
	return UNKNOWN;
}

static bool has_extended_capability(struct vfio_dev *dev, unsigned int id)
{
	unsigned int at = PCI_CFG_SPACE_SIZE;
	__u32 header;

	/* at most as many as there is room for */
	while (at >= PCI_CFG_SPACE_SIZE && at < PCI_CFG_SPACE_EXP_SIZE) {
		if (vfio_config_read(dev, at, &header, sizeof(header)) ||
		    !header)
			return false;
		if (PCI_EXT_CAP_ID(header) == id)
			return true;
		if (PCI_EXT_CAP_NEXT(header) <= at)
			return false;
		at = PCI_EXT_CAP_NEXT(header);
	}
	return false;
}

void learn_hardware(void)
{
	int iommufd = iommufd_open();
	struct iommu_hw_info cmd = {
		.data_len = sizeof(hw.data),
		.data_uptr = (uintptr_t)&hw.data,
	};
	struct vfio_dev igb;

	if (igb_setup(&igb, iommufd)) {
		hw.rc = -ENODEV;
		close(iommufd);
		return;
	}
	hw.page_requests = has_extended_capability(&igb, PCI_EXT_CAP_ID_PRI);
	cmd.dev_id = igb.id;
	hw.rc = hw_info_ioctl(iommufd, &cmd);
	if (!hw.rc) {
		hw.type = cmd.out_data_type;
		hw.max_pasid_log2 = cmd.out_max_pasid_log2;
		hw.capabilities = cmd.out_capabilities;
	}
	vfio_close(&igb);
	close(iommufd);
}

int try_hw_info(void)
{
	if (hw.rc)
		return hw.rc;
	switch (hw.type) {
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		detail("%s, CAP %#llx, ECAP %#llx", type_name(hw.type),
		       hw.data.vtd.cap_reg, hw.data.vtd.ecap_reg);
		break;
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		detail("%s, IDR0 %#x, IDR1 %#x, IDR5 %#x", type_name(hw.type),
		       hw.data.smmuv3.idr[0], hw.data.smmuv3.idr[1],
		       hw.data.smmuv3.idr[5]);
		break;
	case IOMMU_HW_INFO_TYPE_AMD:
		detail("%s, EFR %#llx, EFR2 %#llx", type_name(hw.type),
		       hw.data.amd.efr, hw.data.amd.efr2);
		break;
	default:
		detail("%s", type_name(hw.type));
	}
	return 0;
}
