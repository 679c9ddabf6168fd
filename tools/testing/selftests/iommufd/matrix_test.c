// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this IOMMU can do for a device, each thing tried for real.
 *
 * A line "# matrix: FEATURE | VERDICT | DETAIL" a feature is for scripts/matrix.
 * Four things are told apart: the hardware (or QEMU's model of it) does not
 * offer a feature, its driver does not, iommufd does not, or it is offered and
 * fails. Only the last one is a failure.
 *
 * What the hardware offers is read from its own registers, as IOMMU_GET_HW_INFO
 * tells them. When it is not the hardware, the test device decides who refuses:
 * what works there, iommufd can do.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/bits.h>
#include <linux/pci_regs.h>

#include "kselftest.h"
#include "checked_io.h"
#include "device_mover.h"
#include "edu_rig.h"
#include "mock_lib.h"
#include "test_support.h"
#include "vfio_igb.h"
#include "vfio_irq.h"

#define IOVA (16 * MIB)
#define IRQ_TIMEOUT_MS 10000

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

enum verdict {
	WORKS,
	WORKS_WITH_GAPS,
	NOT_BY_MODEL,
	NOT_BY_DRIVER,
	NOT_BY_IOMMUFD,
	FAILED,
};

static const char * const verdict_names[] = {
	[WORKS] = "works",
	[WORKS_WITH_GAPS] = "works with gaps",
	[NOT_BY_MODEL] = "not offered by the model",
	[NOT_BY_DRIVER] = "not offered by the driver",
	[NOT_BY_IOMMUFD] = "we do not support",
	[FAILED] = "failed",
};

/* What registers say of a feature */
enum offer {
	UNKNOWN,
	OFFERED,
	NOT_OFFERED,
};

/* Written by the process that tries a feature */
struct outcome {
	enum verdict verdict;
	char detail[160];
};

static struct outcome *shared;

struct feature {
	const char *name;
	/* returns 0, or the errno of what did not work; calls detail() */
	int (*try)(void);
	/* 0 if the test device can do it; NULL: every IOMMU must */
	int (*reference)(void);
	enum offer (*offer)(void);
};

static void __printf(1, 2) detail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(shared->detail, sizeof(shared->detail), format, arguments);
	va_end(arguments);
}

/*
 * The hardware
 */

static struct {
	int rc;			/* of IOMMU_GET_HW_INFO */
	__u32 type;
	__u32 max_pasid_log2;
	__u64 capabilities;
	bool page_requests;	/* the igb has the PCI capability */
	union {
		struct iommu_hw_info_vtd vtd;
		struct iommu_hw_info_arm_smmuv3 smmuv3;
		struct iommu_hw_info_amd amd;
	} data;
} hw;

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

static enum offer nesting_offer(void)
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

static enum offer pasid_table_offer(void)
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
static enum offer pasid_offer(void)
{
	return hw.rc ? UNKNOWN : offer_if(hw.max_pasid_log2);
}

static enum offer dirty_offer(void)
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

static enum offer page_request_offer(void)
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

static enum offer coherency_offer(void)
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

static void learn_hardware(void)
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

/*
 * What every IOMMU must do. Each runs in a process of its own, whose end cleans
 * up.
 */

#define FRAME 500

/* An igb on an IOAS, and memory at IOVA: its rings, a source, a destination */
struct copier {
	int iommufd;
	__u32 ioas;
	struct vfio_dev dev;
	struct igb igb;
	char *memory;
};

#define SOURCE SMALL_PAGE
#define DESTINATION (2 * SMALL_PAGE)
#define COPIER_BYTES (3 * SMALL_PAGE)

static char *zeroed(size_t length)
{
	char *va = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return va == MAP_FAILED ? NULL : va;
}

static int copier_open(struct copier *copier)
{
	int rc;

	copier->iommufd = iommufd_open();
	if (copier->iommufd < 0)
		return copier->iommufd;
	copier->memory = zeroed(COPIER_BYTES);
	if (!copier->memory)
		return -ENOMEM;
	rc = ioas_alloc(copier->iommufd, &copier->ioas);
	if (!rc)
		rc = ioas_map_at(copier->iommufd, copier->ioas,
				 copier->memory, COPIER_BYTES, IOVA);
	if (!rc)
		rc = igb_setup(&copier->dev, copier->iommufd);
	return rc;
}

static int copier_start(struct copier *copier, __u32 pt)
{
	int rc = vfio_attach(&copier->dev, pt);

	return rc ? rc : igb_start(&copier->igb, &copier->dev,
				   copier->memory, IOVA);
}

static int copier_copy(struct copier *copier, unsigned int seed)
{
	int rc;

	pattern_fill(copier->memory + SOURCE, FRAME, seed);
	memset(copier->memory + DESTINATION, 0, FRAME);
	rc = igb_copy(&copier->igb, IOVA + DESTINATION, IOVA + SOURCE, FRAME);
	if (rc)
		return rc;
	return pattern_matches(copier->memory + DESTINATION, FRAME, seed) ?
		       0 : -EIO;
}

static int try_bind(void)
{
	struct copier copier;
	int rc = copier_open(&copier);
	char iommu[64];

	if (!rc && !pci_iommu(copier.dev.bdf, iommu, sizeof(iommu)))
		detail("%s", iommu);
	return rc;
}

static int try_attach(void)
{
	struct iommu_iova_range ranges[16];
	struct copier copier;
	__u32 count = 16;
	__u64 alignment;
	int rc = copier_open(&copier);

	if (!rc)
		rc = vfio_attach(&copier.dev, copier.ioas);
	if (!rc)
		rc = ioas_iova_ranges(copier.iommufd, copier.ioas, ranges,
				      &count, &alignment);
	if (!rc)
		detail("IOVA up to %#llx, pages of %llu bytes",
		       ranges[count - 1].last, alignment);
	return rc;
}

static int edu_transfer(struct edu_rig *rig, char *page)
{
	pattern_fill(page, SMALL_PAGE, 1);
	if (!device_reads(rig, IOVA, page, SMALL_PAGE))
		return -EIO;
	memset(page, 0, SMALL_PAGE);
	if (edu_dma_from_device(&rig->edu, 0, IOVA, SMALL_PAGE))
		return -EIO;
	return pattern_matches(page, SMALL_PAGE, 1) ? 0 : -EIO;
}

/* And none once it is unmapped */
static int try_edu(void)
{
	char *page = zeroed(SMALL_PAGE);
	struct edu_rig rig;
	int rc = edu_rig_open(&rig);

	if (!rc)
		rc = edu_rig_attach(&rig);
	if (!rc)
		rc = ioas_map_at(rig.iommufd, rig.ioas, page, SMALL_PAGE,
				 IOVA);
	if (!rc)
		rc = edu_transfer(&rig, page);
	if (!rc)
		rc = ioas_unmap(rig.iommufd, rig.ioas, IOVA, SMALL_PAGE,
				NULL);
	if (rc)
		return rc;
	pattern_fill(page, SMALL_PAGE, 2);
	if (device_reads(&rig, IOVA, page, SMALL_PAGE))
		return -EXDEV;
	return 0;
}

static int try_igb(void)
{
	struct copier copier;
	int rc = copier_open(&copier), i;

	if (!rc)
		rc = copier_start(&copier, copier.ioas);
	for (i = 1; i <= 8 && !rc; i++)
		rc = copier_copy(&copier, i);
	return rc;
}

static int try_hw_info(void)
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

static int try_allocated(void)
{
	struct copier copier;
	__u32 hwpt;
	int rc = copier_open(&copier);

	if (!rc)
		rc = hwpt_alloc(copier.iommufd, copier.dev.id, copier.ioas, 0,
				&hwpt);
	if (!rc)
		rc = copier_start(&copier, hwpt);
	return rc ? rc : copier_copy(&copier, 1);
}

/* So many, unless a frame is lost before. Frames are much faster than moves. */
#define MOVES 2000
#define MOVES_TIMEOUT_S 60

/*
 * The same memory is at the same IOVA in both IOASes: the device sees no
 * difference, and each frame that is lost is one that met a gap.
 */
static int copy_while_moved(struct copier *copier, struct mover *mover)
{
	unsigned int frames = 0;
	bool lost = false;
	time_t end = time(NULL) + patience(MOVES_TIMEOUT_S);
	int rc = mover_start(mover);

	if (rc)
		return rc;
	while (!lost && mover_moves(mover) < MOVES && time(NULL) < end)
		lost = copier_copy(copier, ++frames);
	rc = mover_stop(mover);
	if (rc)
		return rc;
	detail("%s", lost ? "the driver does not switch in one step" :
			    "no frame was lost");
	ksft_print_msg("replaced %u times during %u frames\n", mover->moves,
		       frames);
	if (lost)
		shared->verdict = WORKS_WITH_GAPS;
	else if (mover->moves < MOVES)
		return -ETIMEDOUT;
	return igb_start(&copier->igb, &copier->dev, copier->memory, IOVA);
}

static int try_replace(void)
{
	struct copier copier;
	__u32 other;
	int rc = copier_open(&copier);
	struct mover mover = { .dev = &copier.dev };

	if (!rc)
		rc = ioas_alloc(copier.iommufd, &other);
	if (!rc)
		rc = ioas_map_at(copier.iommufd, other, copier.memory,
				 COPIER_BYTES, IOVA);
	if (!rc)
		rc = copier_start(&copier, copier.ioas);
	if (!rc)
		rc = copier_copy(&copier, 1);
	if (rc)
		return rc;
	mover.pts[0] = other;
	mover.pts[1] = copier.ioas;
	rc = copy_while_moved(&copier, &mover);
	return rc ? rc : copier_copy(&copier, 2);
}

static int try_interrupts(void)
{
	struct copier copier;
	struct irq_source irq;
	unsigned int i;
	int rc = copier_open(&copier);

	if (!rc)
		rc = vfio_attach(&copier.dev, copier.ioas);
	if (!rc)
		rc = irq_open(&irq, &copier.dev);
	if (!rc)
		rc = irq_enable(&irq);
	if (rc)
		return rc;
	for (i = 0; i < irq.vectors; i++)
		if (irq_raise(&irq, i, patience(IRQ_TIMEOUT_MS)) != 1)
			return -ETIMEDOUT;
	return 0;
}

/*
 * What an IOMMU may offer
 */

/* The file answers as a container would. */
static int coherency_of(int iommufd, __u32 ioas)
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
 * which fails if it refuses. Without containers nobody can be asked.
 */
static int try_coherency(void)
{
	struct copier copier;
	int rc = copier_open(&copier);

	if (!rc)
		rc = copier_start(&copier, copier.ioas);
	if (!rc)
		rc = copier_copy(&copier, 1);
	if (rc)
		return rc;
	rc = coherency_of(copier.iommufd, copier.ioas);
	if (rc == -ENOTTY && coherency_offer() == OFFERED) {
		detail("attached; there is no container to ask");
		return 0;
	}
	return rc;
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

static int try_nest_parent(void)
{
	return try_page_table(IOMMU_HWPT_ALLOC_NEST_PARENT);
}

static int try_pasid_table(void)
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

static int try_nested(void)
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

static int try_pasid(void)
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

static int set_dirty_tracking(int iommufd, __u32 hwpt)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
		.hwpt_id = hwpt,
	};

	return checked_ioctl(iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static int get_dirty_bitmap(int iommufd, __u32 hwpt, __u64 iova, __u64 length,
			    __u64 *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.iova = iova,
		.length = length,
		.page_size = SMALL_PAGE,
		.data = (uintptr_t)bitmap,
	};

	return checked_ioctl(iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

/* The page that receives a frame is dirty, the one that is sent is not. */
static int try_dirty(void)
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
		rc = set_dirty_tracking(copier.iommufd, hwpt);
	if (!rc)
		rc = copier_copy(&copier, 1);
	if (!rc)
		rc = get_dirty_bitmap(copier.iommufd, hwpt, IOVA,
				      COPIER_BYTES, &bitmap);
	if (rc)
		return rc;
	detail("bitmap %#llx", bitmap);
	return bitmap & received && !(bitmap & sent) ? 0 : -EIO;
}

static int fault_queue(int iommufd, __u32 *id)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = checked_ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	*id = cmd.out_fault_id;
	return rc ? rc : cmd.out_fault_fd;
}

/*
 * As far as being attached to a page table that delivers page requests: no
 * device of QEMU's makes any when it is told to.
 */
static int try_page_requests(void)
{
	struct iommu_hwpt_alloc cmd = { .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct copier copier;
	int rc = copier_open(&copier);

	if (!rc)
		rc = fault_queue(copier.iommufd, &cmd.fault_id);
	if (rc < 0)
		return rc;
	cmd.dev_id = copier.dev.id;
	cmd.pt_id = copier.ioas;
	rc = hwpt_alloc_ioctl(copier.iommufd, &cmd);
	if (!rc)
		rc = copier_start(&copier, cmd.out_hwpt_id);
	return rc ? rc : copier_copy(&copier, 1);
}

/*
 * The same on the test device: 0 says that iommufd can do it.
 */

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

static int mock_hw_info(void)
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
static int mock_nested_as_here(void)
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

static int mock_nest_parent(void)
{
	struct mock mock;
	__u32 hwpt;
	int rc = mock_open(&mock, 0);

	return rc ? rc : mock_hwpt(&mock, IOMMU_HWPT_ALLOC_NEST_PARENT,
				   &hwpt);
}

static int mock_pasid_table(void)
{
	struct mock mock;
	__u32 hwpt;
	int rc = mock_open(&mock, MOCK_FLAGS_DEVICE_PASID);

	return rc ? rc : mock_hwpt(&mock, IOMMU_HWPT_ALLOC_PASID, &hwpt);
}

static int mock_pasid(void)
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

static int mock_dirty_tracking(void)
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
		rc = set_dirty_tracking(mock.iommufd, hwpt);
	if (!rc)
		rc = mock_dirty(mock.iommufd, hwpt, iova, 4 * SMALL_PAGE,
				SMALL_PAGE, &marks, NULL);
	if (!rc)
		rc = get_dirty_bitmap(mock.iommufd, hwpt, iova,
				      4 * SMALL_PAGE, &bitmap);
	return rc ? rc : bitmap == marks ? 0 : -EIO;
}

static int mock_page_requests(void)
{
	struct iommu_hwpt_alloc cmd = { .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct iommu_hwpt_pgfault fault;
	struct mock mock;
	int rc = mock_open(&mock, 0), queue;

	if (rc)
		return rc;
	queue = fault_queue(mock.iommufd, &cmd.fault_id);
	if (queue < 0)
		return queue;
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
static int mock_coherency(void)
{
	struct mock mock;
	int rc = mock_open(&mock, 0);

	if (!rc)
		rc = coherency_of(mock.iommufd, mock.ioas);
	return rc == -EOPNOTSUPP ? 0 : rc;
}

static const struct feature features[] = {
	{ "bind", try_bind },
	{ "attach", try_attach },
	{ "DMA by edu", try_edu },
	{ "DMA by igb", try_igb },
	{ "interrupts", try_interrupts },
	{ "allocated page table", try_allocated },
	{ "replace under running DMA", try_replace },
	{ "hardware information", try_hw_info, mock_hw_info },
	{ "enforced coherency", try_coherency, mock_coherency,
	  coherency_offer },
	{ "parent of nested page tables", try_nest_parent, mock_nest_parent,
	  nesting_offer },
	{ "nested page table", try_nested, mock_nested_as_here,
	  nesting_offer },
	{ "page table for PASIDs", try_pasid_table, mock_pasid_table,
	  pasid_table_offer },
	{ "attach to a PASID", try_pasid, mock_pasid, pasid_offer },
	{ "dirty tracking", try_dirty, mock_dirty_tracking, dirty_offer },
	{ "page table with fault queue", try_page_requests, mock_page_requests,
	  page_request_offer },
};

/* In another process: what it opened, mapped and attached goes with it. */
static int apart(int (*function)(void))
{
	int *rc = (int *)zeroed(sizeof(*rc)), status, result;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child) {
		*rc = function();
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status)
		result = -ECHILD;
	else
		result = *rc;
	munmap(rc, sizeof(*rc));
	return result;
}

static bool is_refusal(int rc)
{
	return rc == -EOPNOTSUPP || rc == -ENOTTY;
}

/* Who did not want to? */
static enum verdict blame(const struct feature *feature, int rc)
{
	enum offer offer = feature->offer ? feature->offer() : UNKNOWN;
	int reference;

	if (!feature->reference)
		return FAILED;
	if (offer == NOT_OFFERED)
		return NOT_BY_MODEL;
	if (!is_refusal(rc))
		return FAILED;
	reference = apart(feature->reference);
	if (reference && reference != -ENODEV)
		return NOT_BY_IOMMUFD;
	/* without the test device all that is known is who is not there */
	if (reference && rc == -ENOTTY)
		return NOT_BY_IOMMUFD;
	return offer == OFFERED ? NOT_BY_DRIVER : NOT_BY_MODEL;
}

static void judge(const struct feature *feature)
{
	int rc;

	*shared = (struct outcome){ .verdict = WORKS };
	rc = apart(feature->try);
	if (rc) {
		shared->verdict = blame(feature, rc);
		if (!shared->detail[0])
			detail("%s", strerror(-rc));
	}
}

static void report(const struct feature *feature)
{
	judge(feature);
	ksft_print_msg("matrix: %s | %s | %s\n", feature->name,
		       verdict_names[shared->verdict], shared->detail);
	switch (shared->verdict) {
	case WORKS:
	case WORKS_WITH_GAPS:
		ksft_test_result_pass("%s\n", feature->name);
		break;
	case FAILED:
		ksft_test_result_fail("%s\n", feature->name);
		break;
	default:
		ksft_test_result_skip("%s: %s\n", feature->name,
				      verdict_names[shared->verdict]);
	}
}

int main(void)
{
	char bdf[BDF_SIZE];
	int i;

	ksft_print_header();
	if (pci_find(IGB_VENDOR, IGB_DEVICE, bdf) ||
	    pci_find(EDU_VENDOR, EDU_DEVICE, bdf))
		ksft_exit_skip("there is no edu or no igb\n");
	shared = (struct outcome *)zeroed(sizeof(*shared));
	if (!shared)
		ksft_exit_fail_msg("no memory\n");
	learn_hardware();
	ksft_set_plan(ARRAY_SIZE(features));
	for (i = 0; i < ARRAY_SIZE(features); i++)
		report(&features[i]);
	ksft_finished();
}
