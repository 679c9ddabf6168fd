/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The user space interface of iommufd: /dev/iommu
 *
 * In this file, in order:
 *
 *   - the common form of all ioctls, and their numbers
 *   - objects and options
 *   - IO address spaces (IOAS): which memory a device can reach at which IOVA
 *   - devices: what the hardware behind one can do
 *   - IO page tables (HWPT), plain and nested, and their dirty tracking
 *   - IO page faults
 *   - virtual IOMMUs: virtual devices, event queues, hardware queues
 *   - refusals: why a call has failed
 *   - the recorder: what has happened last
 *
 * Terms that are used throughout:
 *
 *   IOVA     an address as a device issues it, before an IOMMU translates it
 *   IOAS     a set of maps from IOVA to memory; exists without any hardware
 *   HWPT     a page table in the format of some hardware, an iommu_domain
 *   last     the address of the last byte of a range, so that a range can end
 *            at U64_MAX
 */
#ifndef _UAPI_IOMMUFD_H
#define _UAPI_IOMMUFD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IOMMUFD_TYPE (';')

/**
 * DOC: The form of an ioctl
 *
 * Every ioctl takes a pointer to its own structure. The first member, size, is
 * what sizeof() of that structure was when the program was compiled; this is
 * how structures can grow without new ioctl numbers:
 *
 *  - A program that is older than the kernel passes a shorter structure. What
 *    is absent reads as zero, and zero always selects the old behaviour.
 *  - A program that is newer passes a longer one. That is fine as long as the
 *    bytes unknown to the kernel are all zero.
 *
 * Results go into the same structure, as far as the program's size reaches.
 * That they cannot be stored is found out before anything is done.
 *
 * These errors mean the same for all ioctls, but for what their descriptions
 * say. Documentation/userspace-api/iommufd-reference.rst lists the errors of
 * each ioctl, in the order in which they are checked for, and what has changed
 * after some of them.
 *
 *  - ENOTTY: this kernel has no such ioctl
 *  - E2BIG: bytes are set in a part of the structure that is unknown here
 *  - EOPNOTSUPP: a known member, such as flags or a reserved one, holds a value
 *    that is unknown here, or the hardware cannot do it
 *  - EINVAL: the structure is too short, or a value in it is wrong
 *  - EFAULT: user memory could not be read or written
 *  - ENOENT: there is no such object, or nothing at that IOVA. A wrong pt_id of
 *    IOMMU_HWPT_ALLOC gives EINVAL.
 *  - EBUSY: something still uses the object or the range
 *  - EOVERFLOW: an address computation wraps
 *  - ENOMEM: out of memory, or over the limit of memory that may be pinned
 *  - EINTR: a fatal signal has ended a wait
 */

/*
 * Each command is issued as _IO(IOMMUFD_TYPE, IOMMUFD_CMD_x). The encoding says
 * nothing of direction and size: the size is in the structure.
 */
enum {
	IOMMUFD_CMD_BASE = 0x80,
	IOMMUFD_CMD_DESTROY = IOMMUFD_CMD_BASE,
	IOMMUFD_CMD_IOAS_ALLOC = 0x81,
	IOMMUFD_CMD_IOAS_ALLOW_IOVAS = 0x82,
	IOMMUFD_CMD_IOAS_COPY = 0x83,
	IOMMUFD_CMD_IOAS_IOVA_RANGES = 0x84,
	IOMMUFD_CMD_IOAS_MAP = 0x85,
	IOMMUFD_CMD_IOAS_UNMAP = 0x86,
	IOMMUFD_CMD_OPTION = 0x87,
	IOMMUFD_CMD_VFIO_IOAS = 0x88,
	IOMMUFD_CMD_HWPT_ALLOC = 0x89,
	IOMMUFD_CMD_GET_HW_INFO = 0x8a,
	IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING = 0x8b,
	IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP = 0x8c,
	IOMMUFD_CMD_HWPT_INVALIDATE = 0x8d,
	IOMMUFD_CMD_FAULT_QUEUE_ALLOC = 0x8e,
	IOMMUFD_CMD_IOAS_MAP_FILE = 0x8f,
	IOMMUFD_CMD_VIOMMU_ALLOC = 0x90,
	IOMMUFD_CMD_VDEVICE_ALLOC = 0x91,
	IOMMUFD_CMD_IOAS_CHANGE_PROCESS = 0x92,
	IOMMUFD_CMD_VEVENTQ_ALLOC = 0x93,
	IOMMUFD_CMD_HW_QUEUE_ALLOC = 0x94,
	IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA = 0x95,
};

/*
 * Commands that not every kernel with a /dev/iommu has, from here to 0xdf: the
 * numbers above are not expected to come that far. Elsewhere they give ENOTTY.
 */
enum {
	IOMMUFD_CMD_EXTENSION_BASE = 0xd0,
	IOMMUFD_CMD_PASID_ALLOC = IOMMUFD_CMD_EXTENSION_BASE,
	IOMMUFD_CMD_GET_REFUSALS = 0xd1,
	IOMMUFD_CMD_GET_RECORDS = 0xd2,
	IOMMUFD_CMD_SET_RECORDER = 0xd3,
};

/* Objects and options */

/**
 * struct iommu_destroy - ioctl(IOMMU_DESTROY)
 * @size: sizeof(struct iommu_destroy)
 * @id: What to destroy: the ID of an object that an ioctl allocated
 *
 * Fails with EBUSY while another object or a kernel driver uses the object, or
 * the file of a queue is open. Waits for ioctls that use it just then, which a
 * fatal signal ends (EINTR). Objects that belong to a kernel driver, such as
 * devices, are always in use. Closing the file destroys whatever is left, in
 * the right order.
 */
struct iommu_destroy {
	__u32 size;
	__u32 id;
};

#define IOMMU_DESTROY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_DESTROY)

/**
 * enum iommufd_option - What IOMMU_OPTION reads or changes
 * @IOMMU_OPTION_RLIMIT_MODE: Where pinned memory is counted against
 *                            RLIMIT_MEMLOCK: 0, the default, for the user; 1
 *                            for the process. It holds for the whole file, so
 *                            object_id is 0. Setting it needs CAP_SYS_RESOURCE
 *                            (EPERM) and a file that has no objects yet
 *                            (EBUSY).
 * @IOMMU_OPTION_HUGE_PAGES: Of the IOAS in object_id: 1, the default, lets
 *                           contiguous memory be mapped by IO page table
 *                           entries of any size; with 0 each entry covers
 *                           PAGE_SIZE. Setting 0 is for measurements. It fails
 *                           when the IOAS has page tables and maps already
 *                           (EINVAL), or a map that does not consist of whole
 *                           pages (EADDRINUSE).
 */
enum iommufd_option {
	IOMMU_OPTION_RLIMIT_MODE = 0,
	IOMMU_OPTION_HUGE_PAGES = 1,
};

/**
 * enum iommufd_option_ops - What IOMMU_OPTION does with an option
 * @IOMMU_OPTION_OP_SET: Store val64 in the option
 * @IOMMU_OPTION_OP_GET: Read the option into val64
 */
enum iommufd_option_ops {
	IOMMU_OPTION_OP_SET = 0,
	IOMMU_OPTION_OP_GET = 1,
};

/**
 * struct iommu_option - ioctl(IOMMU_OPTION)
 * @size: sizeof(struct iommu_option)
 * @option_id: One of enum iommufd_option
 * @op: One of enum iommufd_option_ops
 * @__reserved: Must be 0
 * @object_id: The object whose option it is, or 0 for an option of the file
 * @val64: The value, in or out as @op says
 *
 * Small settings that do not merit an ioctl each.
 */
struct iommu_option {
	__u32 size;
	__u32 option_id;
	__u16 op;
	__u16 __reserved;
	__u32 object_id;
	__aligned_u64 val64;
};

#define IOMMU_OPTION _IO(IOMMUFD_TYPE, IOMMUFD_CMD_OPTION)

/* IO address spaces */

/**
 * struct iommu_ioas_alloc - ioctl(IOMMU_IOAS_ALLOC)
 * @size: sizeof(struct iommu_ioas_alloc)
 * @flags: Must be 0
 * @out_ioas_id: The new IOAS
 *
 * A new IOAS has no maps, and all IOVAs from 0 to U64_MAX can be used until
 * something is attached to it that is more limited.
 */
struct iommu_ioas_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_ioas_id;
};

#define IOMMU_IOAS_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOC)

/**
 * struct iommu_iova_range - A range of IOVAs
 * @start: The first IOVA of the range
 * @last: The last IOVA of the range, which is part of it
 */
struct iommu_iova_range {
	__aligned_u64 start;
	__aligned_u64 last;
};

/**
 * struct iommu_ioas_iova_ranges - ioctl(IOMMU_IOAS_IOVA_RANGES)
 * @size: sizeof(struct iommu_ioas_iova_ranges)
 * @ioas_id: The IOAS
 * @num_iovas: In: how many entries @allowed_iovas has room for. Out: how many
 *             ranges there are.
 * @__reserved: Must be 0
 * @allowed_iovas: Pointer to an array of struct iommu_iova_range
 * @out_iova_alignment: What every map in this IOAS must be aligned to
 *
 * Which IOVAs can be mapped, in ascending order. Whether something is mapped
 * there now makes no difference.
 *
 * If the array is too small, the entries that fit are stored all the same,
 * @num_iovas tells how many are needed and EMSGSIZE is returned.
 *
 * The answer depends on the hardware that the IOAS is used with: attaching a
 * device or a page table can take IOVAs away and raise the alignment, detaching
 * can do the opposite. A program that relies on the answer asks again after
 * each of these, or has its ranges promised by IOMMU_IOAS_ALLOW_IOVAS.
 *
 * @out_iova_alignment is between 1 and PAGE_SIZE. IOVA and length given to
 * IOMMU_IOAS_MAP, MAP_FILE and COPY must be multiples of it.
 */
struct iommu_ioas_iova_ranges {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
	__aligned_u64 out_iova_alignment;
};

#define IOMMU_IOAS_IOVA_RANGES _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_IOVA_RANGES)

/**
 * struct iommu_ioas_allow_iovas - ioctl(IOMMU_IOAS_ALLOW_IOVAS)
 * @size: sizeof(struct iommu_ioas_allow_iovas)
 * @ioas_id: The IOAS
 * @num_iovas: How many entries @allowed_iovas has
 * @__reserved: Must be 0
 * @allowed_iovas: Pointer to an array of struct iommu_iova_range, in any order
 *                 but without overlaps
 *
 * State which IOVAs the program needs. From then on these stay usable, because
 * a device that would take one of them away is refused with EADDRINUSE, and
 * IOVAs that the kernel chooses for a map come from these ranges. A map at a
 * fixed IOVA may still go anywhere. A range has two bytes at least, or EINVAL
 * is returned.
 *
 * The list takes the place of the one that was given before; an empty list is
 * no restriction at all. EADDRINUSE is returned, and nothing has changed, if an
 * IOVA in the list cannot be used as things stand.
 */
struct iommu_ioas_allow_iovas {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
};

#define IOMMU_IOAS_ALLOW_IOVAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOW_IOVAS)

/**
 * enum iommufd_ioas_map_flags - Flags of IOMMU_IOAS_MAP, MAP_FILE and COPY
 * @IOMMU_IOAS_MAP_FIXED_IOVA: Map at the IOVA that is passed in. Without it the
 *                             kernel chooses one and passes it out.
 * @IOMMU_IOAS_MAP_WRITEABLE: Devices may write
 * @IOMMU_IOAS_MAP_READABLE: Devices may read
 *
 * A map must be readable, writeable or both.
 */
enum iommufd_ioas_map_flags {
	IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0,
	IOMMU_IOAS_MAP_WRITEABLE = 1 << 1,
	IOMMU_IOAS_MAP_READABLE = 1 << 2,
};

/**
 * struct iommu_ioas_map - ioctl(IOMMU_IOAS_MAP)
 * @size: sizeof(struct iommu_ioas_map)
 * @flags: Combination of enum iommufd_ioas_map_flags
 * @ioas_id: The IOAS
 * @__reserved: Must be 0
 * @user_va: Where the memory begins in the calling process
 * @length: How many bytes
 * @iova: Where the memory begins in the IOAS: in with
 *        IOMMU_IOAS_MAP_FIXED_IOVA, out without
 *
 * Let devices reach memory of the calling process. The pages are pinned, and
 * charged to the caller, as long as hardware can reach them. While nothing is
 * attached to the IOAS the map is merely remembered, and memory that cannot be
 * pinned shows when something is attached.
 *
 * The range may be one of a device instead, a BAR that VFIO PCI has mapped
 * there, all in one mapping. Then it is like a dma-buf of it in struct
 * iommu_ioas_map_file.
 *
 * A fixed IOVA must be free (else EEXIST) and usable (else EINVAL). A chosen
 * IOVA has the same offset in its page as @user_va, and is neither in the first
 * nor in the last page that there is. ENOSPC says that there is no free range
 * long enough.
 */
struct iommu_ioas_map {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 user_va;
	__aligned_u64 length;
	__aligned_u64 iova;
};

#define IOMMU_IOAS_MAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP)

/**
 * struct iommu_ioas_map_file - ioctl(IOMMU_IOAS_MAP_FILE)
 * @size: sizeof(struct iommu_ioas_map_file)
 * @flags: Combination of enum iommufd_ioas_map_flags
 * @ioas_id: The IOAS
 * @fd: A memfd, another file of tmpfs or hugetlbfs, or a dma-buf
 * @start: Where the memory begins in the file, in bytes
 * @length: How many bytes
 * @iova: As in struct iommu_ioas_map
 *
 * Like IOMMU_IOAS_MAP, for the memory of a file that need not be mapped in any
 * process. The map keeps the file; @fd may be closed. It has to be open for
 * reading, and for a writeable map for writing as well (EPERM). Files of other
 * kinds are refused when their memory would be pinned (EINVAL), which is when
 * the IOAS has a page table.
 *
 * A dma-buf is accepted only if its exporter can tell iommufd where its memory
 * is, as udmabuf and the system heap do, and VFIO PCI for device memory that is
 * exported with VFIO_DEVICE_FEATURE_DMA_BUF; others give EOPNOTSUPP. Whoever
 * exports it may revoke it at any time, and then devices can no longer reach
 * it, until it is offered again.
 */
struct iommu_ioas_map_file {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__s32 fd;
	__aligned_u64 start;
	__aligned_u64 length;
	__aligned_u64 iova;
};

#define IOMMU_IOAS_MAP_FILE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP_FILE)

/**
 * struct iommu_ioas_copy - ioctl(IOMMU_IOAS_COPY)
 * @size: sizeof(struct iommu_ioas_copy)
 * @flags: Combination of enum iommufd_ioas_map_flags
 * @dst_ioas_id: The IOAS that receives a map
 * @src_ioas_id: The IOAS whose memory it is; may be the same
 * @length: How many bytes
 * @dst_iova: Where the memory begins in the destination: in with
 *            IOMMU_IOAS_MAP_FIXED_IOVA, out without
 * @src_iova: Where the memory begins in the source
 *
 * Map once more what is mapped already. This is cheaper than to map the memory
 * itself a second time, because both maps share it: it is pinned and charged
 * once. The maps are independent otherwise, and either may be unmapped first.
 *
 * All of the source range must be mapped, by one map or several, or part of
 * one. EPERM is returned when write access is asked for to memory that was
 * mapped without IOMMU_IOAS_MAP_WRITEABLE in the first place.
 */
struct iommu_ioas_copy {
	__u32 size;
	__u32 flags;
	__u32 dst_ioas_id;
	__u32 src_ioas_id;
	__aligned_u64 length;
	__aligned_u64 dst_iova;
	__aligned_u64 src_iova;
};

#define IOMMU_IOAS_COPY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_COPY)

/**
 * struct iommu_ioas_unmap - ioctl(IOMMU_IOAS_UNMAP)
 * @size: sizeof(struct iommu_ioas_unmap)
 * @ioas_id: The IOAS
 * @iova: The first IOVA
 * @length: In: how many bytes. Out: how many of these were mapped.
 *
 * Remove all maps in a range. On return no device reaches the memory by them
 * any more, and it is unpinned unless a copy (IOMMU_IOAS_COPY) of it is left.
 * An @iova of 0 with a @length of U64_MAX means everything and succeeds even
 * when there is nothing.
 *
 * Maps go as a whole, as they were made: a range that ends inside one fails
 * with ENOENT, and so does a range in which nothing is mapped. EBUSY says that
 * a map is being made or removed by another thread, or that a hardware queue of
 * a virtual IOMMU is in it, EDEADLK that a kernel driver does not unpin what it
 * has pinned. If one map cannot be removed none is.
 */
struct iommu_ioas_unmap {
	__u32 size;
	__u32 ioas_id;
	__aligned_u64 iova;
	__aligned_u64 length;
};

#define IOMMU_IOAS_UNMAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_UNMAP)

/**
 * struct iommu_ioas_change_process - ioctl(IOMMU_IOAS_CHANGE_PROCESS)
 * @size: sizeof(struct iommu_ioas_change_process)
 * @__reserved: Must be 0
 *
 * Charge the calling process for all that is pinned through this file, in place
 * of the process that was charged so far. For handing devices in operation over
 * to another process, as when a virtual machine monitor replaces itself.
 *
 * Only memory of files can change hands: EINVAL if any IOAS has a map that
 * IOMMU_IOAS_MAP made, EBUSY if another thread is just making a map. It is all
 * or nothing; ENOMEM says that the limits of the calling process do not allow it.
 */
struct iommu_ioas_change_process {
	__u32 size;
	__u32 __reserved;
};

#define IOMMU_IOAS_CHANGE_PROCESS \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_CHANGE_PROCESS)

/**
 * struct iommu_ioas_noiommu_get_pa - ioctl(IOMMU_IOAS_NOIOMMU_GET_PA)
 * @size: sizeof(struct iommu_ioas_noiommu_get_pa)
 * @flags: Must be 0
 * @ioas_id: The IOAS, to which a device without IOMMU is attached
 * @__reserved: Must be 0
 * @iova: The IOVA to look up
 * @length: In: how many bytes are of interest, at least 1. Out: how many bytes
 *          from @out_phys on are contiguous, never more than that.
 * @out_phys: The physical address behind @iova
 *
 * For programs that drive a device which nothing protects the system from: they
 * must give it physical addresses. Needs CAP_SYS_RAWIO. Memory stays where it
 * is as long as it is mapped and the device is attached.
 *
 * ENOTTY without CONFIG_IOMMUFD_NOIOMMU, which CONFIG_VFIO_NOIOMMU selects.
 */
struct iommu_ioas_noiommu_get_pa {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 out_phys;
};

#define IOMMU_IOAS_NOIOMMU_GET_PA \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA)

/**
 * enum iommufd_vfio_ioas_op - What IOMMU_VFIO_IOAS does
 * @IOMMU_VFIO_IOAS_GET: Tell which IOAS it is; ENODEV if there is none
 * @IOMMU_VFIO_IOAS_SET: Use the given IOAS from now on
 * @IOMMU_VFIO_IOAS_CLEAR: Use none
 */
enum iommufd_vfio_ioas_op {
	IOMMU_VFIO_IOAS_GET = 0,
	IOMMU_VFIO_IOAS_SET = 1,
	IOMMU_VFIO_IOAS_CLEAR = 2,
};

/**
 * struct iommu_vfio_ioas - ioctl(IOMMU_VFIO_IOAS)
 * @size: sizeof(struct iommu_vfio_ioas)
 * @ioas_id: The IOAS: in for IOMMU_VFIO_IOAS_SET, out for IOMMU_VFIO_IOAS_GET
 * @op: One of enum iommufd_vfio_ioas_op
 * @__reserved: Must be 0
 *
 * The file can be given to VFIO groups as their container
 * (VFIO_GROUP_SET_CONTAINER). Groups name no address space, so there is one
 * IOAS for them: the one that was set here, or else one that is made when the
 * first group is put in. This neither destroys an IOAS nor moves what is
 * attached already.
 */
struct iommu_vfio_ioas {
	__u32 size;
	__u32 ioas_id;
	__u16 op;
	__u16 __reserved;
};

#define IOMMU_VFIO_IOAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VFIO_IOAS)

/* Devices */

/**
 * enum iommufd_hw_info_flags - Flags of IOMMU_GET_HW_INFO
 * @IOMMU_HW_INFO_FLAG_INPUT_TYPE: in_data_type says which kind of information
 *                                 is wanted
 */
enum iommufd_hw_info_flags {
	IOMMU_HW_INFO_FLAG_INPUT_TYPE = 1 << 0,
};

/**
 * enum iommu_hw_info_type - Kinds of hardware information
 * @IOMMU_HW_INFO_TYPE_NONE: Out: the driver has nothing to tell
 * @IOMMU_HW_INFO_TYPE_DEFAULT: In: whatever the driver tells by itself
 * @IOMMU_HW_INFO_TYPE_INTEL_VTD: struct iommu_hw_info_vtd
 * @IOMMU_HW_INFO_TYPE_ARM_SMMUV3: struct iommu_hw_info_arm_smmuv3
 * @IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV: struct iommu_hw_info_tegra241_cmdqv, to
 *                                     be asked for beside the SMMUv3 kind
 * @IOMMU_HW_INFO_TYPE_AMD: struct iommu_hw_info_amd
 */
enum iommu_hw_info_type {
	IOMMU_HW_INFO_TYPE_NONE = 0,
	IOMMU_HW_INFO_TYPE_DEFAULT = 0,
	IOMMU_HW_INFO_TYPE_INTEL_VTD = 1,
	IOMMU_HW_INFO_TYPE_ARM_SMMUV3 = 2,
	IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV = 3,
	IOMMU_HW_INFO_TYPE_AMD = 4,
};

/**
 * enum iommu_hw_info_vtd_flags - Flags in struct iommu_hw_info_vtd
 * @IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17: Erratum 772415 SPR17: the parent of a
 *                                         nested page table cannot have maps
 *                                         that are only readable
 */
enum iommu_hw_info_vtd_flags {
	IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17 = 1 << 0,
};

/**
 * struct iommu_hw_info_vtd - Intel VT-d hardware information
 * @flags: Combination of enum iommu_hw_info_vtd_flags
 * @__reserved: Always 0
 * @cap_reg: The Capability Register, VT-d specification 11.4.2
 * @ecap_reg: The Extended Capability Register, VT-d specification 11.4.3
 *
 * The registers are as the hardware has them.
 */
struct iommu_hw_info_vtd {
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 cap_reg;
	__aligned_u64 ecap_reg;
};

/**
 * enum iommu_hw_info_arm_smmuv3_flags - Flags in
 *	struct iommu_hw_info_arm_smmuv3
 * @IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI: Erratum T264-SMMU-3: a
 *                                                    sequence of TLBI or CFGI
 *                                                    commands and its SYNC
 *                                                    takes effect only when it
 *                                                    is issued twice
 */
enum iommu_hw_info_arm_smmuv3_flags {
	IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI = 1 << 0,
};

/**
 * struct iommu_hw_info_arm_smmuv3 - ARM SMMUv3 hardware information
 * @flags: Combination of enum iommu_hw_info_arm_smmuv3_flags
 * @__reserved: Always 0
 * @idr: SMMU_IDR0 to SMMU_IDR5
 * @iidr: SMMU_IIDR, who made it
 * @aidr: SMMU_AIDR, the revision of the architecture
 *
 * The registers are as the hardware has them, see sections 6.3.1 to 6.3.6 of
 * the SMMUv3 specification, and tell more than a guest can be given. These
 * fields can be relied on; a program that looks at any other will break with a
 * later kernel:
 *
 *  - idr[0]: ST_LEVEL, TERM_MODEL, STALL_MODEL, TTENDIAN, CD2L, ASID16, TTF
 *  - idr[1]: SIDSIZE, SSIDSIZE
 *  - idr[3]: BBML, RIL
 *  - idr[5]: VAX, GRAN64K, GRAN16K, GRAN4K, DS
 *
 * Of what is not in the list, S1P is there when a nested HWPT can be allocated,
 * COHACC is always there, and ATS is a matter of the device rather than of the
 * SMMU: show it when firmware tells the guest of a device that has it. HTTU,
 * BTM and MPAM cannot be offered to a guest.
 */
struct iommu_hw_info_arm_smmuv3 {
	__u32 flags;
	__u32 __reserved;
	__u32 idr[6];
	__u32 iidr;
	__u32 aidr;
};

/**
 * struct iommu_hw_info_tegra241_cmdqv - Tegra241 CMDQV hardware information
 * @flags: Always 0
 * @version: Version of the CMDQ-V, bits 3:0 of PARAM
 * @log2vcmdqs: How many VCMDQs there are, bits 7:4 of PARAM
 * @log2vsids: How many stream IDs can be replaced, bits 15:12 of PARAM
 * @__reserved: Always 0
 *
 * What the PARAM register of the guest should say. Its bits 11:8 should be 0,
 * for a guest has one virtual interface (VINTF).
 */
struct iommu_hw_info_tegra241_cmdqv {
	__u32 flags;
	__u8 version;
	__u8 log2vcmdqs;
	__u8 log2vsids;
	__u8 __reserved;
};

/**
 * struct iommu_hw_info_amd - AMD IOMMU hardware information
 * @efr: The Extended Feature Register, MMIO offset 0x30
 * @efr2: The Extended Feature 2 Register, MMIO offset 0x1a0
 *
 * The registers are as the hardware has them, see AMD's document 48882. A
 * guest can be shown these features, and no others, as far as the hardware has
 * them: GTSup, GASup, GioSup, PPRSup, EPHSup, GATS, GLX and PASmax of the EFR.
 */
struct iommu_hw_info_amd {
	__aligned_u64 efr;
	__aligned_u64 efr2;
};

/**
 * enum iommufd_hw_capabilities - What any IOMMU may be able to do
 * @IOMMU_HW_CAP_DIRTY_TRACKING: Page tables for the device can tell what it has
 *                               written: IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
 *                               IOMMU_HWPT_SET_DIRTY_TRACKING and
 *                               IOMMU_HWPT_GET_DIRTY_BITMAP work
 * @IOMMU_HW_CAP_PCI_PASID_EXEC: Requests with a PASID may ask to execute.
 *                               Without meaning while out_max_pasid_log2 is 0.
 * @IOMMU_HW_CAP_PCI_PASID_PRIV: Requests with a PASID may be privileged.
 *                               Without meaning while out_max_pasid_log2 is 0.
 * @IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED: The device cannot use ATS. Without this
 *                                      it may or may not.
 */
enum iommufd_hw_capabilities {
	IOMMU_HW_CAP_DIRTY_TRACKING = 1 << 0,
	IOMMU_HW_CAP_PCI_PASID_EXEC = 1 << 1,
	IOMMU_HW_CAP_PCI_PASID_PRIV = 1 << 2,
	IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED = 1 << 3,
};

/**
 * struct iommu_hw_info - ioctl(IOMMU_GET_HW_INFO)
 * @size: sizeof(struct iommu_hw_info)
 * @flags: Combination of enum iommufd_hw_info_flags
 * @dev_id: A device that is bound to this file
 * @data_len: In: the size of the buffer at @data_uptr. Out: the size of what
 *            the kernel has to tell. Both in bytes, and 0 is fine.
 * @data_uptr: Pointer to a buffer for the structure that belongs to
 *             @out_data_type
 * @in_data_type: With IOMMU_HW_INFO_FLAG_INPUT_TYPE, which of enum
 *                iommu_hw_info_type is wanted. Without, it is ignored and taken
 *                as IOMMU_HW_INFO_TYPE_DEFAULT.
 * @out_data_type: Which of enum iommu_hw_info_type was stored in the buffer
 * @out_max_pasid_log2: How many bits a PASID of this device has, 0 if PASIDs
 *                      are not enabled for it
 * @__reserved: Must be 0
 * @out_capabilities: Combination of enum iommufd_hw_capabilities
 *
 * What the IOMMU in front of a device can do. A virtual machine monitor needs
 * this to make a virtual IOMMU whose page tables the hardware understands.
 *
 * A buffer that is too small receives the beginning of the structure. In one
 * that is too large the rest is filled with zeros.
 */
struct iommu_hw_info {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 data_len;
	__aligned_u64 data_uptr;
	union {
		__u32 in_data_type;
		__u32 out_data_type;
	};
	__u8 out_max_pasid_log2;
	__u8 __reserved[3];
	__aligned_u64 out_capabilities;
};

#define IOMMU_GET_HW_INFO _IO(IOMMUFD_TYPE, IOMMUFD_CMD_GET_HW_INFO)

/**
 * struct iommu_pasid_alloc - ioctl(IOMMU_PASID_ALLOC)
 * @size: sizeof(struct iommu_pasid_alloc)
 * @flags: Must be 0
 * @dev_id: A device that is bound to this file
 * @first_pasid: The lowest PASID that will do. 0 is not a PASID, and counts
 *               as 1.
 * @last_pasid: The highest PASID that will do, 0 for what the device can have
 * @out_pasid: The PASID
 * @out_pasid_id: ID of the object that stands for it
 * @__reserved: Must be 0
 *
 * Let the kernel choose a PASID of the device: the lowest one from
 * @first_pasid to @last_pasid that is not attached, nor has been chosen
 * before. It can be chosen again when the object is destroyed, which gives
 * EBUSY while the PASID is attached. If the device goes away first, the object
 * stays and stands for nothing.
 *
 * As long as there is such an object for a device, page tables that are made
 * automatically for the device and others of its group are PASID capable. So
 * an IO address space can be attached to a PASID, once the device itself is
 * not attached, or is to one whose page table was made after this, or was
 * allocated with IOMMU_HWPT_ALLOC_PASID.
 *
 * A program may use PASIDs of its own choice at the same time. It should keep
 * them out of the range that it lets the kernel choose from, or it may find
 * that it is given one that it was about to attach.
 *
 * Errors beyond the common ones:
 *
 *  - EINVAL: @first_pasid is higher than @last_pasid
 *  - EOPNOTSUPP: the device has no PASIDs
 *  - ENOSPC: no PASID of that range is free
 */
struct iommu_pasid_alloc {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 first_pasid;
	__u32 last_pasid;
	__u32 out_pasid;
	__u32 out_pasid_id;
	__u32 __reserved;
};

#define IOMMU_PASID_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_PASID_ALLOC)

/* IO page tables */

/**
 * enum iommufd_hwpt_alloc_flags - Flags of IOMMU_HWPT_ALLOC
 * @IOMMU_HWPT_ALLOC_NEST_PARENT: The page table will be the parent of nested
 *                                ones
 * @IOMMU_HWPT_ALLOC_DIRTY_TRACKING: The page table will track what devices
 *                                   write. Only devices whose IOMMU can do that
 *                                   can be attached to it.
 * @IOMMU_HWPT_FAULT_ID_VALID: fault_id names a queue for the IO page faults of
 *                             devices on this page table
 * @IOMMU_HWPT_ALLOC_PASID: The page table may be attached to a PASID. While a
 *                          device has any PASID attached, the page table of the
 *                          device itself needs this flag too. Page tables that
 *                          the kernel makes when a device is attached to an
 *                          IOAS do not have it, but for those of
 *                          IOMMU_PASID_ALLOC: a program that chooses PASIDs
 *                          itself allocates all page tables of the device
 *                          itself. EOPNOTSUPP if the IOMMU has no PASIDs.
 */
enum iommufd_hwpt_alloc_flags {
	IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0,
	IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1,
	IOMMU_HWPT_FAULT_ID_VALID = 1 << 2,
	IOMMU_HWPT_ALLOC_PASID = 1 << 3,
};

/**
 * enum iommu_hwpt_data_type - What the data of IOMMU_HWPT_ALLOC are
 * @IOMMU_HWPT_DATA_NONE: There are none: the page table is filled from an IOAS
 * @IOMMU_HWPT_DATA_VTD_S1: struct iommu_hwpt_vtd_s1
 * @IOMMU_HWPT_DATA_ARM_SMMUV3: struct iommu_hwpt_arm_smmuv3
 * @IOMMU_HWPT_DATA_AMD_GUEST: struct iommu_hwpt_amd_guest
 */
enum iommu_hwpt_data_type {
	IOMMU_HWPT_DATA_NONE = 0,
	IOMMU_HWPT_DATA_VTD_S1 = 1,
	IOMMU_HWPT_DATA_ARM_SMMUV3 = 2,
	IOMMU_HWPT_DATA_AMD_GUEST = 3,
};

/**
 * enum iommu_hwpt_vtd_s1_flags - Flags in struct iommu_hwpt_vtd_s1
 * @IOMMU_VTD_S1_SRE: Supervisor requests are allowed
 * @IOMMU_VTD_S1_EAFE: The extended accessed bit is maintained
 * @IOMMU_VTD_S1_WPE: Write protection holds for supervisor requests too
 */
enum iommu_hwpt_vtd_s1_flags {
	IOMMU_VTD_S1_SRE = 1 << 0,
	IOMMU_VTD_S1_EAFE = 1 << 1,
	IOMMU_VTD_S1_WPE = 1 << 2,
};

/**
 * struct iommu_hwpt_vtd_s1 - A first-stage page table of Intel VT-d
 * @flags: Combination of enum iommu_hwpt_vtd_s1_flags
 * @pgtbl_addr: Where the page table begins, an address in the parent
 * @addr_width: How many bits an input address of the page table has
 * @__reserved: Must be 0
 */
struct iommu_hwpt_vtd_s1 {
	__aligned_u64 flags;
	__aligned_u64 pgtbl_addr;
	__u32 addr_width;
	__u32 __reserved;
};

/**
 * struct iommu_hwpt_arm_smmuv3 - A nested Stream Table Entry of ARM SMMUv3
 * @ste: The first 128 bits of the guest's entry, little-endian. These fields
 *       may be set, see section 5.2 of the SMMUv3 specification:
 *       V, Cfg, S1Fmt, S1ContextPtr and S1CDMax in the first word, EATS, S1DSS,
 *       S1CIR, S1COR, S1CSH and S1STALLD in the second.
 *
 * Fails with EIO if any other field is set or the entry makes no sense.
 *
 * Cfg says what becomes of the device's requests: with translation, they go
 * through the guest's context descriptors, which the SMMU reads through the
 * parent page table, and then through the parent; with bypass, through the
 * parent alone; with abort, nowhere.
 *
 * The kernel learns the guest's stream ID of a device from its virtual device
 * (IOMMU_VDEVICE_ALLOC), without which it can neither invalidate nor report
 * anything on the guest's behalf. An entry that translates can be attached only
 * to a device that has one. The others can be attached before it exists, for a
 * guest whose SMMU is not enabled yet, but no event reaches such a guest.
 * Attach again when the virtual device has been made.
 */
struct iommu_hwpt_arm_smmuv3 {
	__aligned_le64 ste[2];
};

/**
 * struct iommu_hwpt_amd_guest - A guest page table of AMD
 * @dte: The guest's Device Table Entry
 */
struct iommu_hwpt_amd_guest {
	__aligned_u64 dte[4];
};

/**
 * struct iommu_hwpt_alloc - ioctl(IOMMU_HWPT_ALLOC)
 * @size: sizeof(struct iommu_hwpt_alloc)
 * @flags: Combination of enum iommufd_hwpt_alloc_flags
 * @dev_id: A device that will use the page table: its IOMMU decides the format
 * @pt_id: What the page table is built on: an IOAS, a parent HWPT or a vIOMMU
 * @out_hwpt_id: The new page table
 * @__reserved: Must be 0
 * @data_type: One of enum iommu_hwpt_data_type
 * @data_len: Size of the data at @data_uptr in bytes
 * @data_uptr: Pointer to the structure that @data_type tells
 * @fault_id: The queue for IO page faults, see IOMMU_HWPT_FAULT_ID_VALID
 * @__reserved2: Must be 0
 *
 * There are two kinds of page tables:
 *
 *  - On an IOAS, the kernel owns the page table and fills it with the maps of
 *    the IOAS, now and as they change. @data_type is IOMMU_HWPT_DATA_NONE.
 *  - On a parent HWPT, or a vIOMMU that has one, the page table is nested: it
 *    belongs to a guest and lies in the guest's memory, and the addresses that
 *    it gives are translated once more by the parent. The data tell where it
 *    is. The parent was allocated with IOMMU_HWPT_ALLOC_NEST_PARENT, and the
 *    device sits behind the IOMMU of parent or vIOMMU.
 *
 * Attaching a device to an IOAS makes a page table of the first kind by itself,
 * which vanishes with the last device on it. A page table that this ioctl
 * makes stays until it is destroyed, and is used only by those who name it.
 */
struct iommu_hwpt_alloc {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 pt_id;
	__u32 out_hwpt_id;
	__u32 __reserved;
	__u32 data_type;
	__u32 data_len;
	__aligned_u64 data_uptr;
	__u32 fault_id;
	__u32 __reserved2;
};

#define IOMMU_HWPT_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_ALLOC)

/**
 * enum iommu_hwpt_invalidate_data_type - What IOMMU_HWPT_INVALIDATE is given
 * @IOMMU_HWPT_INVALIDATE_DATA_VTD_S1: struct iommu_hwpt_vtd_s1_invalidate, for
 *                                     a nested page table
 * @IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3: struct
 *                                           iommu_viommu_arm_smmuv3_invalidate,
 *                                           for a vIOMMU
 */
enum iommu_hwpt_invalidate_data_type {
	IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 = 0,
	IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 = 1,
};

/**
 * enum iommu_hwpt_vtd_s1_invalidate_flags - Flags in
 *	struct iommu_hwpt_vtd_s1_invalidate
 * @IOMMU_VTD_INV_FLAGS_LEAF: Only leaf entries have changed. Without it what
 *                            was cached of the upper levels is dropped as well.
 */
enum iommu_hwpt_vtd_s1_invalidate_flags {
	IOMMU_VTD_INV_FLAGS_LEAF = 1 << 0,
};

/**
 * struct iommu_hwpt_vtd_s1_invalidate - Invalidation of an Intel VT-d first
 *	stage
 * @addr: The first address, a multiple of 4 KiB
 * @npages: How many pages of 4 KiB
 * @flags: Combination of enum iommu_hwpt_vtd_s1_invalidate_flags
 * @__reserved: Must be 0
 *
 * An @addr of 0 with @npages of U64_MAX invalidates all that is cached of the
 * page table. The caches of devices that use ATS are invalidated as well.
 */
struct iommu_hwpt_vtd_s1_invalidate {
	__aligned_u64 addr;
	__aligned_u64 npages;
	__u32 flags;
	__u32 __reserved;
};

/**
 * struct iommu_viommu_arm_smmuv3_invalidate - A command of a guest's SMMUv3
 * @cmd: The command as the guest queued it: 128 bits, little-endian
 *
 * These are accepted: CMDQ_OP_TLBI_NSNH_ALL, CMDQ_OP_TLBI_NH_VA,
 * CMDQ_OP_TLBI_NH_VAA, CMDQ_OP_TLBI_NH_ALL, CMDQ_OP_TLBI_NH_ASID,
 * CMDQ_OP_ATC_INV, CMDQ_OP_CFGI_CD and CMDQ_OP_CFGI_CD_ALL. The virtual machine
 * monitor has to sort out the rest: EIO is returned for any other command, and
 * for a field or a value that the SMMU does not have.
 */
struct iommu_viommu_arm_smmuv3_invalidate {
	__aligned_le64 cmd[2];
};

/**
 * struct iommu_hwpt_invalidate - ioctl(IOMMU_HWPT_INVALIDATE)
 * @size: sizeof(struct iommu_hwpt_invalidate)
 * @hwpt_id: A nested HWPT or a vIOMMU
 * @data_uptr: Pointer to an array of requests
 * @data_type: One of enum iommu_hwpt_invalidate_data_type, the same for all
 *             requests of the array
 * @entry_len: Size of one request in bytes, at most PAGE_SIZE
 * @entry_num: In: how many requests there are, at most 2^19. Out: how many were
 *             carried out, also when the ioctl fails.
 * @__reserved: Must be 0
 *
 * Forget what hardware has cached. After a guest has changed its page table
 * this is done on the nested HWPT; a vIOMMU has caches that belong to no
 * single page table, such as those of the devices behind it.
 *
 * Without requests nothing is done, the array is not looked at, and success
 * tells that @data_type is supported.
 */
struct iommu_hwpt_invalidate {
	__u32 size;
	__u32 hwpt_id;
	__aligned_u64 data_uptr;
	__u32 data_type;
	__u32 entry_len;
	__u32 entry_num;
	__u32 __reserved;
};

#define IOMMU_HWPT_INVALIDATE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_INVALIDATE)

/**
 * enum iommufd_hwpt_set_dirty_tracking_flags - Flags of
 *	IOMMU_HWPT_SET_DIRTY_TRACKING
 * @IOMMU_HWPT_DIRTY_TRACKING_ENABLE: Track. Without it tracking stops.
 */
enum iommufd_hwpt_set_dirty_tracking_flags {
	IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1,
};

/**
 * struct iommu_hwpt_set_dirty_tracking - ioctl(IOMMU_HWPT_SET_DIRTY_TRACKING)
 * @size: sizeof(struct iommu_hwpt_set_dirty_tracking)
 * @flags: Combination of enum iommufd_hwpt_set_dirty_tracking_flags
 * @hwpt_id: A page table that was allocated with
 *           IOMMU_HWPT_ALLOC_DIRTY_TRACKING
 * @__reserved: Should be 0; is not looked at
 *
 * Start or stop recording what devices write. Nothing is dirty at the start.
 */
struct iommu_hwpt_set_dirty_tracking {
	__u32 size;
	__u32 flags;
	__u32 hwpt_id;
	__u32 __reserved;
};

#define IOMMU_HWPT_SET_DIRTY_TRACKING \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING)

/**
 * enum iommufd_hwpt_get_dirty_bitmap_flags - Flags of
 *	IOMMU_HWPT_GET_DIRTY_BITMAP
 * @IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR: What is dirty stays dirty. Saves work
 *                                        when the range is unmapped next.
 */
enum iommufd_hwpt_get_dirty_bitmap_flags {
	IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1,
};

/**
 * struct iommu_hwpt_get_dirty_bitmap - ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP)
 * @size: sizeof(struct iommu_hwpt_get_dirty_bitmap)
 * @hwpt_id: A page table that tracks what is dirty
 * @flags: Combination of enum iommufd_hwpt_get_dirty_bitmap_flags
 * @__reserved: Must be 0
 * @iova: The first IOVA, a multiple of @page_size
 * @length: How many bytes, a multiple of @page_size
 * @page_size: How many bytes one bit stands for: a power of two, at most
 *             @length
 * @data: Pointer to the bitmap, an array of 64-bit words
 *
 * Which memory devices have written since it was last read, which this does and
 * by that makes it clean. Bits count from @iova: some IOVA x of the range is
 * dirty if the following is not zero::
 *
 *	i = (x - iova) / page_size;
 *	data[i / 64] & (1ULL << (i % 64))
 *
 * Bits are only ever set, so one bitmap can collect the results of many calls;
 * whoever wants the changes alone clears it before. What is not mapped is not
 * dirty.
 */
struct iommu_hwpt_get_dirty_bitmap {
	__u32 size;
	__u32 hwpt_id;
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 data;
};

#define IOMMU_HWPT_GET_DIRTY_BITMAP \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP)

/* IO page faults */

/**
 * struct iommu_fault_alloc - ioctl(IOMMU_FAULT_QUEUE_ALLOC)
 * @size: sizeof(struct iommu_fault_alloc)
 * @flags: Must be 0
 * @out_fault_id: The new queue, for fault_id of struct iommu_hwpt_alloc
 * @out_fault_fd: A file to read page requests from and write answers to; the
 *                program closes it
 *
 * Page requests of devices whose page tables name the queue come out of the
 * file as struct iommu_hwpt_pgfault, whole groups at a time, and answers are
 * written to it as struct iommu_hwpt_page_response. poll() tells when there is
 * something to read; read() does not wait, it returns 0. The length of a read
 * or write is a multiple of the structure's size, or ESPIPE is returned.
 */
struct iommu_fault_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_fault_id;
	__u32 out_fault_fd;
};

#define IOMMU_FAULT_QUEUE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_FAULT_QUEUE_ALLOC)

/**
 * enum iommu_hwpt_pgfault_flags - Flags in struct iommu_hwpt_pgfault
 * @IOMMU_PGFAULT_FLAGS_PASID_VALID: The request has a PASID
 * @IOMMU_PGFAULT_FLAGS_LAST_PAGE: The group ends with this request
 */
enum iommu_hwpt_pgfault_flags {
	IOMMU_PGFAULT_FLAGS_PASID_VALID = 1 << 0,
	IOMMU_PGFAULT_FLAGS_LAST_PAGE = 1 << 1,
};

/**
 * enum iommu_hwpt_pgfault_perm - Which access a page request asks for
 * @IOMMU_PGFAULT_PERM_READ: To read
 * @IOMMU_PGFAULT_PERM_WRITE: To write
 * @IOMMU_PGFAULT_PERM_EXEC: To execute, as PCIe says in the PASID prefix
 * @IOMMU_PGFAULT_PERM_PRIV: In privileged mode, from the same prefix
 */
enum iommu_hwpt_pgfault_perm {
	IOMMU_PGFAULT_PERM_READ = 1 << 0,
	IOMMU_PGFAULT_PERM_WRITE = 1 << 1,
	IOMMU_PGFAULT_PERM_EXEC = 1 << 2,
	IOMMU_PGFAULT_PERM_PRIV = 1 << 3,
};

/**
 * struct iommu_hwpt_pgfault - A page request, as read from the file of a queue
 * @flags: Combination of enum iommu_hwpt_pgfault_flags
 * @dev_id: The device that asks
 * @pasid: Its PASID, see IOMMU_PGFAULT_FLAGS_PASID_VALID
 * @grpid: Which group the device counts the request to
 * @perm: Combination of enum iommu_hwpt_pgfault_perm
 * @__reserved: Always 0
 * @addr: Where the device wants to access memory
 * @length: How much it is going to access from there, in bytes. A hint, for
 *          paging in more than was asked for; 0 when nothing is known.
 * @cookie: Which answer is waited for; all requests of a group have the same
 */
struct iommu_hwpt_pgfault {
	__u32 flags;
	__u32 dev_id;
	__u32 pasid;
	__u32 grpid;
	__u32 perm;
	__u32 __reserved;
	__aligned_u64 addr;
	__u32 length;
	__u32 cookie;
};

/**
 * enum iommufd_page_response_code - What became of a page request
 * @IOMMUFD_PAGE_RESP_SUCCESS: The page is there: the device should try again.
 *                             PCIe section 10.4.2.1 calls it Success.
 * @IOMMUFD_PAGE_RESP_INVALID: There is no such page for the device. PCIe
 *                             section 10.4.2.1 calls it Invalid Request.
 */
enum iommufd_page_response_code {
	IOMMUFD_PAGE_RESP_SUCCESS = 0,
	IOMMUFD_PAGE_RESP_INVALID = 1,
};

/**
 * struct iommu_hwpt_page_response - The answer to a group of page requests
 * @cookie: The cookie of the requests
 * @code: One of enum iommufd_page_response_code
 *
 * Every group needs one answer. The kernel gives IOMMUFD_PAGE_RESP_INVALID to
 * those that are open when the device is detached or the file closed.
 */
struct iommu_hwpt_page_response {
	__u32 cookie;
	__u32 code;
};

/* Virtual IOMMUs */

/**
 * enum iommu_viommu_type - Kinds of virtual IOMMUs
 * @IOMMU_VIOMMU_TYPE_DEFAULT: Not used
 * @IOMMU_VIOMMU_TYPE_ARM_SMMUV3: ARM SMMUv3
 * @IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV: ARM SMMUv3 with the CMDQV extension of
 *                                    Tegra241, with data in struct
 *                                    iommu_viommu_tegra241_cmdqv. The virtual
 *                                    interface (VINTF) behind it is not owned
 *                                    by a hypervisor: HYP_OWN in the guest's
 *                                    VINTF_CONFIG has to be 0 at all times, or
 *                                    its command queues do not work.
 */
enum iommu_viommu_type {
	IOMMU_VIOMMU_TYPE_DEFAULT = 0,
	IOMMU_VIOMMU_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV = 2,
};

/**
 * struct iommu_viommu_tegra241_cmdqv - The VINTF behind a virtual IOMMU
 * @out_vintf_mmap_offset: Offset to give to mmap()
 * @out_vintf_mmap_length: Length to give to mmap()
 *
 * mmap() of the iommufd with these gives page 0 of the VINTF. A guest that has
 * this page at the right place drives its command queues itself.
 */
struct iommu_viommu_tegra241_cmdqv {
	__aligned_u64 out_vintf_mmap_offset;
	__aligned_u64 out_vintf_mmap_length;
};

/**
 * struct iommu_viommu_alloc - ioctl(IOMMU_VIOMMU_ALLOC)
 * @size: sizeof(struct iommu_viommu_alloc)
 * @flags: Must be 0
 * @type: One of enum iommu_viommu_type
 * @dev_id: A device: the IOMMU in front of it is the one that is shared out
 * @hwpt_id: The parent of the guest's page tables, allocated with
 *           IOMMU_HWPT_ALLOC_NEST_PARENT
 * @out_viommu_id: The new virtual IOMMU
 * @data_len: Size of the data at @data_uptr in bytes
 * @__reserved: Must be 0
 * @data_uptr: Pointer to the structure of the driver that @type tells, in and
 *             out
 *
 * A slice of a hardware IOMMU, for one guest and apart from all others. It is
 * what those things belong to that are neither of one page table nor of one
 * device: the guest's own device IDs and cache tags, its invalidations, events
 * that no page table causes, and hardware queues. One parent page table can be
 * shared by the slices of several hardware IOMMUs.
 */
struct iommu_viommu_alloc {
	__u32 size;
	__u32 flags;
	__u32 type;
	__u32 dev_id;
	__u32 hwpt_id;
	__u32 out_viommu_id;
	__u32 data_len;
	__u32 __reserved;
	__aligned_u64 data_uptr;
};

#define IOMMU_VIOMMU_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VIOMMU_ALLOC)

/**
 * struct iommu_vdevice_alloc - ioctl(IOMMU_VDEVICE_ALLOC)
 * @size: sizeof(struct iommu_vdevice_alloc)
 * @viommu_id: The virtual IOMMU that the guest sees in front of the device
 * @dev_id: The device; it has one virtual device at most
 * @out_vdevice_id: The new virtual device
 * @virt_id: How the guest's IOMMU numbers the device: the stream ID of an ARM
 *           SMMUv3, the device ID of an AMD IOMMU, the requester ID of VT-d
 *
 * Tell the kernel what the guest calls a device. Destroy the virtual device
 * before the device is closed. Otherwise it goes away with the device. Its ID
 * then finds no object any more, and is not given to another one until the file
 * is closed.
 */
struct iommu_vdevice_alloc {
	__u32 size;
	__u32 viommu_id;
	__u32 dev_id;
	__u32 out_vdevice_id;
	__aligned_u64 virt_id;
};

#define IOMMU_VDEVICE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VDEVICE_ALLOC)

/**
 * enum iommu_veventq_type - Kinds of virtual event queues
 * @IOMMU_VEVENTQ_TYPE_DEFAULT: Not used
 * @IOMMU_VEVENTQ_TYPE_ARM_SMMUV3: struct iommu_vevent_arm_smmuv3
 * @IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV: struct iommu_vevent_tegra241_cmdqv
 */
enum iommu_veventq_type {
	IOMMU_VEVENTQ_TYPE_DEFAULT = 0,
	IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV = 2,
};

/**
 * struct iommu_veventq_alloc - ioctl(IOMMU_VEVENTQ_ALLOC)
 * @size: sizeof(struct iommu_veventq_alloc)
 * @flags: Must be 0
 * @viommu_id: The virtual IOMMU whose events are wanted
 * @type: One of enum iommu_veventq_type; one queue of each
 * @veventq_depth: How many events are kept until they are read; more are lost
 * @out_veventq_id: The new queue
 * @out_veventq_fd: A file to read events from; the program closes it
 * @__reserved: Must be 0
 *
 * An event in the file is a struct iommufd_vevent_header and, except after
 * IOMMU_VEVENTQ_FLAG_LOST_EVENTS, the structure that @type tells. read() yields
 * whole events and does not wait; poll() tells when there are some.
 */
struct iommu_veventq_alloc {
	__u32 size;
	__u32 flags;
	__u32 viommu_id;
	__u32 type;
	__u32 veventq_depth;
	__u32 out_veventq_id;
	__u32 out_veventq_fd;
	__u32 __reserved;
};

#define IOMMU_VEVENTQ_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VEVENTQ_ALLOC)

/**
 * enum iommu_veventq_flag - Flags in struct iommufd_vevent_header
 * @IOMMU_VEVENTQ_FLAG_LOST_EVENTS: Events are missing here; this header is not
 *                                  followed by data
 */
enum iommu_veventq_flag {
	IOMMU_VEVENTQ_FLAG_LOST_EVENTS = 1U << 0,
};

/**
 * struct iommufd_vevent_header - What is in front of every event
 * @flags: Combination of enum iommu_veventq_flag
 * @sequence: The number of the event, from 0 to INT_MAX and then from 0 again
 *
 * Lost events are counted as well. So a reader sees what is missing between two
 * events by the gap in their numbers: after 3 comes 6 when 4 and 5 were lost.
 * What was lost after the last event that is in the queue cannot be seen in
 * this way; then a header with IOMMU_VEVENTQ_FLAG_LOST_EVENTS ends the queue.
 */
struct iommufd_vevent_header {
	__u32 flags;
	__u32 sequence;
};

/**
 * struct iommu_vevent_arm_smmuv3 - An event of ARM SMMUv3
 * @evt: An event record, section 7.3 of the SMMUv3 specification: 256 bits,
 *       little-endian. It is one of
 *       0x04 C_BAD_STE, 0x06 F_STREAM_DISABLED, 0x08 C_BAD_SUBSTREAMID,
 *       0x0a C_BAD_CD, 0x10 F_TRANSLATION, 0x11 F_ADDR_SIZE, 0x12 F_ACCESS,
 *       0x13 F_PERMISSION.
 *
 * The StreamID in the record is the virt_id of a virtual device: nothing is
 * reported for a device that has none.
 */
struct iommu_vevent_arm_smmuv3 {
	__aligned_le64 evt[4];
};

/**
 * struct iommu_vevent_tegra241_cmdqv - An interrupt of Tegra241 CMDQV
 * @lvcmdq_err_map: Which logical command queues have an error, as the registers
 *                  LVCMDQ_ERR_MAP of the VINTF say: 128 bits, little-endian
 */
struct iommu_vevent_tegra241_cmdqv {
	__aligned_le64 lvcmdq_err_map[2];
};

/**
 * enum iommu_hw_queue_type - Kinds of hardware queues
 * @IOMMU_HW_QUEUE_TYPE_DEFAULT: Not used
 * @IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV: Command queue (VCMDQ) of Tegra241 CMDQV
 *
 * What is demanded for IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV:
 *
 *  - indexes are allocated from 0 upwards, and destroyed from the last one
 *    downwards
 *  - the length is a power of two, at least 32 bytes and at most
 *    2^CMDQS * 16 bytes, where CMDQS is that of idr[1] in struct
 *    iommu_hw_info_arm_smmuv3
 *  - the address is a multiple of the length
 *  - the memory is physically contiguous. One huge page is a good choice, with
 *    the guest's CMDQS lowered so that its queues do not exceed it.
 */
enum iommu_hw_queue_type {
	IOMMU_HW_QUEUE_TYPE_DEFAULT = 0,
	IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV = 1,
};

/**
 * struct iommu_hw_queue_alloc - ioctl(IOMMU_HW_QUEUE_ALLOC)
 * @size: sizeof(struct iommu_hw_queue_alloc)
 * @flags: Must be 0
 * @viommu_id: The virtual IOMMU that the queue belongs to
 * @type: One of enum iommu_hw_queue_type
 * @index: Which queue of that type it is
 * @out_hw_queue_id: The new queue
 * @nesting_parent_iova: Where the queue is in the guest's memory, that is, in
 *                       the IOAS of the parent page table
 * @length: Size of the queue in bytes
 *
 * Let hardware work on a queue in the guest's memory. What holds the queue is
 * pinned and cannot be unmapped before the queue is destroyed.
 */
struct iommu_hw_queue_alloc {
	__u32 size;
	__u32 flags;
	__u32 viommu_id;
	__u32 type;
	__u32 index;
	__u32 out_hw_queue_id;
	__aligned_u64 nesting_parent_iova;
	__aligned_u64 length;
};

#define IOMMU_HW_QUEUE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HW_QUEUE_ALLOC)

/* Refusals */

#define IOMMU_REFUSAL_NUMBERS 5

/**
 * enum iommu_why - Why a call has failed
 * @IOMMU_WHY_ELSEWHERE: Any errno. Who refused it was not iommufd, but a driver
 *     of an IOMMU, memory management or a file system
 * @IOMMU_WHY_NO_MEMORY: ENOMEM. The kernel has no memory for it, or the memory
 *     cgroup may have no more
 * @IOMMU_WHY_SIGNAL: EINTR. A signal has ended a wait
 * @IOMMU_WHY_USER_MEMORY: EFAULT. What the call points to cannot be read or
 *     written
 * @IOMMU_WHY_COMMAND: ENOTTY. There is no such ioctl
 * @IOMMU_WHY_SHORT_STRUCT: EINVAL. The structure is shorter than its first
 *     version (size, least)
 * @IOMMU_WHY_LONG_STRUCT: E2BIG. Something is set behind the end of the
 *     structure as it is known here (size, known)
 * @IOMMU_WHY_FLAGS: EOPNOTSUPP. Flags are set that are unknown, or not for
 *     this (flags)
 * @IOMMU_WHY_RESERVED_FIELD: EOPNOTSUPP. A field that is to be 0 is not
 *     (value)
 * @IOMMU_WHY_OPERATION: EOPNOTSUPP. The operation, the option or the type is
 *     unknown (operation)
 * @IOMMU_WHY_NO_OBJECT: ENOENT. There is no object with that ID (id)
 * @IOMMU_WHY_OBJECT_TYPE: ENOENT. The object with that ID is of another type
 *     (id)
 * @IOMMU_WHY_OBJECT_IN_USE: EBUSY. Something else uses the object, or it
 *     belongs to a driver (id, users)
 * @IOMMU_WHY_PRIVILEGE: EPERM. The caller lacks a capability (capability)
 * @IOMMU_WHY_ADDRESS: EOVERFLOW. An address or a length is higher than all
 *     that there are (address, length)
 * @IOMMU_WHY_EMPTY_RANGE: EINVAL. The range is empty (address)
 * @IOMMU_WHY_RANGE_END: EOVERFLOW. The range ends behind the last address
 *     (address, length)
 * @IOMMU_WHY_RECORDER_LENGTH: EINVAL. A file does not keep so many records
 *     (length, most)
 * @IOMMU_WHY_NO_ACCESS: EINVAL. Neither reading nor writing is to be allowed
 *     (flags)
 * @IOMMU_WHY_LENGTH: EINVAL. The length is 0, or so large that pages cannot be
 *     counted (length)
 * @IOMMU_WHY_IOVA_ALIGNMENT: EINVAL. IOVA or length are not aligned as the
 *     page tables need it (iova, length, alignment)
 * @IOMMU_WHY_OFFSET_ALIGNMENT: EINVAL. The memory is not aligned in its page
 *     as the page tables need it (offset, alignment)
 * @IOMMU_WHY_IOVA_RESERVED: EINVAL. The IOVA is one that a device or its page
 *     table cannot have (iova, last, first-reserved, last-reserved, device,
 *     which is 0 if none has reserved it)
 * @IOMMU_WHY_IOVA_TAKEN: EEXIST. Something is mapped there (iova, last, first-
 *     taken, last-taken)
 * @IOMMU_WHY_IOVA_LENGTH: EOVERFLOW. There is no IOVA for so much (length)
 * @IOMMU_WHY_IOVA_FULL: ENOSPC. No hole is large enough (length, alignment)
 * @IOMMU_WHY_MEMORY: EFAULT. There is no memory at the address, or it cannot
 *     be had for such an access (address, pages)
 * @IOMMU_WHY_PROCESS_GONE: EFAULT. The process to which the memory belonged
 *     has ended
 * @IOMMU_WHY_MEMLOCK: ENOMEM. More would be pinned than RLIMIT_MEMLOCK allows;
 *     in pages (pages, charged, limit)
 * @IOMMU_WHY_FILE_DESCRIPTOR: EBADF. The file descriptor is not open (fd)
 * @IOMMU_WHY_FILE_KIND: EINVAL. The file is neither in memory, as a memfd is,
 *     nor a dma-buf
 * @IOMMU_WHY_FILE_RANGE: EINVAL. The file does not reach that far (offset,
 *     pages)
 * @IOMMU_WHY_FILE_READ: EPERM. The file is not open for reading
 * @IOMMU_WHY_FILE_WRITE: EPERM. The file is not open for writing
 * @IOMMU_WHY_FILE_SEALED: EPERM. The file is sealed against writing (seals)
 * @IOMMU_WHY_DMABUF_ACCESS: EPERM. The dma-buf is not open for such an access
 * @IOMMU_WHY_DMABUF_RANGE: EINVAL. The range is not in the dma-buf (offset,
 *     length, size)
 * @IOMMU_WHY_DMABUF_KIND: EOPNOTSUPP. Who made the dma-buf does not say where
 *     its memory is, or it is in several places
 * @IOMMU_WHY_DMABUF_ADDRESS: ERANGE. The memory of the dma-buf is at a higher
 *     address than can be kept
 * @IOMMU_WHY_COPY_HOLE: ENOENT. Not all of what is to be copied is mapped
 *     (iova, last, hole)
 * @IOMMU_WHY_COPY_READ_ONLY: EPERM. The memory was not mapped for writing, and
 *     so its copy cannot be (iova)
 * @IOMMU_WHY_UNMAP_PART: ENOENT. The range cuts what was mapped at once (iova,
 *     last, first-mapped, last-mapped)
 * @IOMMU_WHY_UNMAP_NOTHING: ENOENT. Nothing is mapped in the range (iova,
 *     last)
 * @IOMMU_WHY_AREA_CHANGING: EBUSY. Another thread is mapping or unmapping it
 *     (first-mapped, last-mapped)
 * @IOMMU_WHY_AREA_LOCKED: EBUSY. The queue of a virtual IOMMU is there (first-
 *     mapped, last-mapped)
 * @IOMMU_WHY_DRIVER_KEEPS: EDEADLK. A driver has pinned something there, and
 *     does not unpin it when asked to (iova, last)
 * @IOMMU_WHY_CUT_ALIGNMENT: EINVAL. What is mapped cannot be cut there (iova,
 *     alignment)
 * @IOMMU_WHY_CUT_IN_USE: EBUSY. What is to be cut is in use, or in large
 *     entries of a page table that cannot be split (first-mapped, last-mapped)
 * @IOMMU_WHY_CUT_NOTHING: ENOENT. What could be cut leaves nothing to be
 *     unmapped (iova)
 * @IOMMU_WHY_ACCESS_HOLE: ENOENT. Something that a driver is to reach is not
 *     mapped (iova)
 * @IOMMU_WHY_ACCESS_GOING: EINVAL. Something that a driver is to reach is
 *     being unmapped (iova)
 * @IOMMU_WHY_ACCESS_PAGES: EINVAL. Something that a driver is to reach has no
 *     pages that it could have (iova)
 * @IOMMU_WHY_ACCESS_MODE: EPERM. The map does not allow what a driver is to do
 *     with it (iova)
 * @IOMMU_WHY_RANGES_ROOM: EMSGSIZE. There are more ranges than there is room
 *     (room, ranges)
 * @IOMMU_WHY_ALLOWED_RANGE: EINVAL. An allowed range has less than two
 *     addresses, or too high ones (first, last)
 * @IOMMU_WHY_ALLOWED_TWICE: EINVAL. Allowed ranges overlap (first, last)
 * @IOMMU_WHY_ALLOWED_RESERVED: EADDRINUSE. A device or its page table cannot
 *     have what is to be allowed (first, last, first-reserved, last-reserved,
 *     device, which is 0 if none has reserved it)
 * @IOMMU_WHY_OPTION_VALUE: EINVAL. The option cannot have that value (option,
 *     value)
 * @IOMMU_WHY_OPTION_OBJECT: EOPNOTSUPP. The option is one of the file, and not
 *     of an object (option, id)
 * @IOMMU_WHY_HAS_OBJECTS: EBUSY. It can only be changed before there are
 *     objects
 * @IOMMU_WHY_LARGE_ENTRIES: EINVAL. There may be large entries already in page
 *     tables (maps)
 * @IOMMU_WHY_AREA_ALIGNMENT: EADDRINUSE. Something is mapped that is not
 *     aligned as is needed now (alignment)
 * @IOMMU_WHY_PROCESS_MEMORY: EINVAL. Memory of a process is mapped, which
 *     stays that process's (iova)
 * @IOMMU_WHY_PROCESS_CHARGED: EBUSY. Memory of a process is, or is just being,
 *     charged
 * @IOMMU_WHY_TAKEN_BACK: EINVAL. The memory has been taken back by its owner
 *     (iova)
 * @IOMMU_WHY_NO_IOMMU_TABLE: EOPNOTSUPP. No device without an IOMMU is
 *     attached
 * @IOMMU_WHY_NOT_COHERENT: EINVAL. The DMA of the device does not see the
 *     caches of CPUs, or there is no IOMMU
 * @IOMMU_WHY_NO_GROUP: ENODEV. The device is in no IOMMU group
 * @IOMMU_WHY_MSI_UNSAFE: EPERM. The device could raise interrupts of others;
 *     iommufd.allow_unsafe_interrupts accepts that
 * @IOMMU_WHY_DMA_OWNED: EBUSY. A driver of the kernel or another user has the
 *     device, or one of its group
 * @IOMMU_WHY_NO_IOMMU: EOPNOTSUPP. The device has no IOMMU (id)
 * @IOMMU_WHY_ATTACH_TYPE: EINVAL. The object is none that a device can be
 *     attached to (id)
 * @IOMMU_WHY_ATTACH_DRIVER: EINVAL. The page table is for another kind of
 *     IOMMU (hwpt)
 * @IOMMU_WHY_ATTACH_GROUP: EINVAL. The group of the device uses another page
 *     table (hwpt, attached)
 * @IOMMU_WHY_ATTACH_NO_PASIDS: EINVAL. A page table was not made for use
 *     together with PASIDs (id, pasid)
 * @IOMMU_WHY_NOT_ATTACHED: EINVAL. The device is not attached, and so cannot
 *     be moved (pasid)
 * @IOMMU_WHY_HWPT_GOING: ENOENT. The page table is about to vanish (hwpt)
 * @IOMMU_WHY_NO_PASIDS: EOPNOTSUPP. The device has no PASIDs (pasid)
 * @IOMMU_WHY_PASID_NUMBER: EINVAL. The device has no PASIDs as high as that
 *     (pasid, pasids)
 * @IOMMU_WHY_PASID_RANGE: EINVAL. The lowest PASID that will do is higher than
 *     the highest (first, last)
 * @IOMMU_WHY_MSI_REGIONS: EINVAL. What the IOMMU driver says of the device's
 *     MSIs does not go together (hw-regions, sw-regions)
 * @IOMMU_WHY_DEVICE_RANGE_TAKEN: EADDRINUSE. Something is mapped where the
 *     device or its page table cannot have anything (first, last, first-
 *     mapped, last-mapped)
 * @IOMMU_WHY_DEVICE_RANGE_ALLOWED: EADDRINUSE. Something is allowed where the
 *     device or its page table cannot have anything (first, last)
 * @IOMMU_WHY_PAGE_SIZE: EINVAL. The smallest page of the page table is larger
 *     than one of the CPU (page-size)
 * @IOMMU_WHY_VF_FAULTS: EINVAL. Page requests of a virtual function come from
 *     its physical one (hwpt)
 * @IOMMU_WHY_ACCESS_ATTACHED: EINVAL. The driver is attached already
 * @IOMMU_WHY_ACCESS_NOT_ATTACHED: ENOENT. The driver is not attached
 * @IOMMU_WHY_ACCESS_LEAVING: EBUSY. The driver is just being detached
 * @IOMMU_WHY_PASIDS_TAKEN: ENOSPC. No PASID of that range is free (first,
 *     last)
 * @IOMMU_WHY_ACCESS_ALIGNMENT: EINVAL. The IOVA of what a driver is to pin is
 *     not that of a page (iova)
 * @IOMMU_WHY_DATA_TYPE: EINVAL. Data without a type, or a type without data
 *     (type, length)
 * @IOMMU_WHY_NO_FLAGS: EOPNOTSUPP. The IOMMU driver makes page tables without
 *     flags only (flags)
 * @IOMMU_WHY_PARENT_FAULTS: EOPNOTSUPP. A page table to nest in cannot have
 *     page requests (flags)
 * @IOMMU_WHY_NO_DIRTY: EOPNOTSUPP. The IOMMU, or the page table, does not
 *     track what is written to
 * @IOMMU_WHY_NO_NESTING: EOPNOTSUPP. The IOMMU driver cannot nest, or was
 *     given no data for it
 * @IOMMU_WHY_NOT_PARENT: EINVAL. The page table was not made to nest in, or is
 *     for another kind of IOMMU (hwpt)
 * @IOMMU_WHY_VIOMMU_DEVICE: EINVAL. The device is not behind the IOMMU that
 *     the virtual one stands for (viommu, device)
 * @IOMMU_WHY_HWPT_PARENT: EINVAL. The ID is none of what a page table can be
 *     made from (id)
 * @IOMMU_WHY_NO_COHERENCY: EINVAL. The IOMMU cannot make all DMA of the device
 *     coherent, as it promised
 * @IOMMU_WHY_DIRTY_ALIGNMENT: EINVAL. The range of dirty bits is not aligned
 *     as maps are (iova, length)
 * @IOMMU_WHY_DIRTY_PAGE_SIZE: EINVAL. The page size of dirty bits is no power
 *     of two, or does not divide the range (page-size, length)
 * @IOMMU_WHY_DIRTY_BITMAP: EINVAL. The bitmap of dirty bits is too small, or
 *     larger than can be (size, least)
 * @IOMMU_WHY_INVALIDATE_ARRAY: EINVAL. The array of invalidations is missing,
 *     or its entries too many or too long (entries, length)
 * @IOMMU_WHY_INVALIDATE_TYPE: EINVAL. The object is none that has a cache of
 *     its own (id)
 * @IOMMU_WHY_NO_INVALIDATE: EOPNOTSUPP. The IOMMU driver takes no
 *     invalidations for this
 * @IOMMU_WHY_QUEUE_RECORDS: ESPIPE. So many bytes are not whole records (size,
 *     record)
 * @IOMMU_WHY_QUEUE_ROOM: EINVAL. What comes next in the queue does not fit
 *     (room, size)
 * @IOMMU_WHY_ANSWER_CODE: EINVAL. The code of an answer is unknown (code)
 * @IOMMU_WHY_ANSWER_COOKIE: EINVAL. No page request that was read waits for
 *     that answer (cookie)
 * @IOMMU_WHY_NO_VIOMMU: EOPNOTSUPP. The IOMMU driver has no virtual IOMMU of
 *     that type (type)
 * @IOMMU_WHY_VDEVICE_TWICE: EEXIST. The device is known to a virtual IOMMU
 *     already (device)
 * @IOMMU_WHY_VDEVICE_NUMBER: EEXIST. The virtual IOMMU knows another device by
 *     that number (number)
 * @IOMMU_WHY_VDEVICE_RANGE: EINVAL. The number is higher than all that there
 *     are (number)
 * @IOMMU_WHY_DEVICE_LEAVING: ENOENT. The device is being given back (device)
 * @IOMMU_WHY_EVENT_QUEUE_TWICE: EEXIST. The virtual IOMMU has a queue for that
 *     type (type)
 * @IOMMU_WHY_EVENT_QUEUES: ENOSPC. The virtual IOMMU has as many queues as it
 *     may have (queues)
 * @IOMMU_WHY_EVENT_DEPTH: EINVAL. The queue is to hold nothing, or more than
 *     it may (depth, most)
 * @IOMMU_WHY_NO_HW_QUEUE: EOPNOTSUPP. The IOMMU driver has no queue of that
 *     type (type)
 * @IOMMU_WHY_LOCK_MODE: EPERM. The memory of a queue is to be readable and
 *     writable (iova)
 * @IOMMU_WHY_LOCK_SCATTERED: EFAULT. The memory of a queue is not in one piece
 *     (iova)
 * @IOMMU_WHY_LOCKS: EBUSY. The memory has as many queues as it may have (iova)
 * @IOMMU_WHY_MMAP_PRIVATE: EINVAL. What the file has can be mapped shared only
 * @IOMMU_WHY_MMAP_EXEC: EPERM. What the file has cannot be executed
 * @IOMMU_WHY_MMAP_RANGE: ENXIO. The file has nothing at that offset, or of
 *     another length (offset, length)
 * @IOMMU_WHY_NO_VFIO_IOAS: ENODEV. No IOAS stands for the container yet
 * @IOMMU_WHY_VFIO_NO_IOMMU: EINVAL. Groups without an IOMMU and others cannot
 *     be in one container
 * @IOMMU_WHY_VFIO_TYPE: EINVAL. The container cannot be of that type (type)
 * @IOMMU_WHY_VFIO_FLAGS: EINVAL. Flags are set that are unknown, or not for
 *     this (flags)
 * @IOMMU_WHY_VFIO_ALIGNMENT: EINVAL. IOVA or length are not aligned (iova,
 *     length)
 * @IOMMU_WHY_VFIO_UNMAP_ALL: EINVAL. With VFIO_DMA_UNMAP_FLAG_ALL there is no
 *     range (iova, length)
 * @IOMMU_WHY_VFIO_NO_DIRTY: ENOTTY. Not all page tables of the container track
 *     what is written to
 * @IOMMU_WHY_VFIO_DIRTY_V1: EACCES. What is written to is not tracked for
 *     VFIO_TYPE1_IOMMU
 * @IOMMU_WHY_VFIO_DIRTY_OFF: EINVAL. Tracking of what is written to was not
 *     started
 */
enum iommu_why {
	IOMMU_WHY_ELSEWHERE = 0,

	/* Whatever the call */
	IOMMU_WHY_NO_MEMORY = 1,
	IOMMU_WHY_SIGNAL = 2,
	IOMMU_WHY_USER_MEMORY = 3,
	IOMMU_WHY_COMMAND = 4,
	IOMMU_WHY_SHORT_STRUCT = 5,
	IOMMU_WHY_LONG_STRUCT = 6,
	IOMMU_WHY_FLAGS = 7,
	IOMMU_WHY_RESERVED_FIELD = 8,
	IOMMU_WHY_OPERATION = 9,
	IOMMU_WHY_NO_OBJECT = 10,
	IOMMU_WHY_OBJECT_TYPE = 11,
	IOMMU_WHY_OBJECT_IN_USE = 12,
	IOMMU_WHY_PRIVILEGE = 13,
	IOMMU_WHY_ADDRESS = 14,
	IOMMU_WHY_EMPTY_RANGE = 15,
	IOMMU_WHY_RANGE_END = 16,
	IOMMU_WHY_RECORDER_LENGTH = 17,

	/* Maps */
	IOMMU_WHY_NO_ACCESS = 32,
	IOMMU_WHY_LENGTH = 33,
	IOMMU_WHY_IOVA_ALIGNMENT = 34,
	IOMMU_WHY_OFFSET_ALIGNMENT = 35,
	IOMMU_WHY_IOVA_RESERVED = 36,
	IOMMU_WHY_IOVA_TAKEN = 37,
	IOMMU_WHY_IOVA_LENGTH = 38,
	IOMMU_WHY_IOVA_FULL = 39,
	IOMMU_WHY_MEMORY = 40,
	IOMMU_WHY_PROCESS_GONE = 41,
	IOMMU_WHY_MEMLOCK = 42,
	IOMMU_WHY_FILE_DESCRIPTOR = 43,
	IOMMU_WHY_FILE_KIND = 44,
	IOMMU_WHY_FILE_RANGE = 45,
	IOMMU_WHY_FILE_READ = 46,
	IOMMU_WHY_FILE_WRITE = 47,
	IOMMU_WHY_FILE_SEALED = 48,
	IOMMU_WHY_DMABUF_ACCESS = 49,
	IOMMU_WHY_DMABUF_RANGE = 50,
	IOMMU_WHY_DMABUF_KIND = 51,
	IOMMU_WHY_DMABUF_ADDRESS = 52,

	/* What is mapped */
	IOMMU_WHY_COPY_HOLE = 64,
	IOMMU_WHY_COPY_READ_ONLY = 65,
	IOMMU_WHY_UNMAP_PART = 66,
	IOMMU_WHY_UNMAP_NOTHING = 67,
	IOMMU_WHY_AREA_CHANGING = 68,
	IOMMU_WHY_AREA_LOCKED = 69,
	IOMMU_WHY_DRIVER_KEEPS = 70,
	IOMMU_WHY_CUT_ALIGNMENT = 71,
	IOMMU_WHY_CUT_IN_USE = 72,
	IOMMU_WHY_CUT_NOTHING = 73,
	IOMMU_WHY_ACCESS_HOLE = 74,
	IOMMU_WHY_ACCESS_GOING = 75,
	IOMMU_WHY_ACCESS_PAGES = 76,
	IOMMU_WHY_ACCESS_MODE = 77,
	IOMMU_WHY_RANGES_ROOM = 78,
	IOMMU_WHY_ALLOWED_RANGE = 79,
	IOMMU_WHY_ALLOWED_TWICE = 80,
	IOMMU_WHY_ALLOWED_RESERVED = 81,
	IOMMU_WHY_OPTION_VALUE = 82,
	IOMMU_WHY_OPTION_OBJECT = 83,
	IOMMU_WHY_HAS_OBJECTS = 84,
	IOMMU_WHY_LARGE_ENTRIES = 85,
	IOMMU_WHY_AREA_ALIGNMENT = 86,
	IOMMU_WHY_PROCESS_MEMORY = 87,
	IOMMU_WHY_PROCESS_CHARGED = 88,
	IOMMU_WHY_TAKEN_BACK = 89,
	IOMMU_WHY_NO_IOMMU_TABLE = 90,

	/* Devices */
	IOMMU_WHY_NOT_COHERENT = 96,
	IOMMU_WHY_NO_GROUP = 97,
	IOMMU_WHY_MSI_UNSAFE = 98,
	IOMMU_WHY_DMA_OWNED = 99,
	IOMMU_WHY_NO_IOMMU = 100,
	IOMMU_WHY_ATTACH_TYPE = 101,
	IOMMU_WHY_ATTACH_DRIVER = 102,
	IOMMU_WHY_ATTACH_GROUP = 103,
	IOMMU_WHY_ATTACH_NO_PASIDS = 104,
	IOMMU_WHY_NOT_ATTACHED = 105,
	IOMMU_WHY_HWPT_GOING = 106,
	IOMMU_WHY_NO_PASIDS = 107,
	IOMMU_WHY_PASID_NUMBER = 108,
	IOMMU_WHY_PASID_RANGE = 109,
	IOMMU_WHY_MSI_REGIONS = 110,
	IOMMU_WHY_DEVICE_RANGE_TAKEN = 111,
	IOMMU_WHY_DEVICE_RANGE_ALLOWED = 112,
	IOMMU_WHY_PAGE_SIZE = 113,
	IOMMU_WHY_VF_FAULTS = 114,
	IOMMU_WHY_ACCESS_ATTACHED = 115,
	IOMMU_WHY_ACCESS_NOT_ATTACHED = 116,
	IOMMU_WHY_ACCESS_LEAVING = 117,
	IOMMU_WHY_PASIDS_TAKEN = 118,
	IOMMU_WHY_ACCESS_ALIGNMENT = 119,

	/* Page tables */
	IOMMU_WHY_DATA_TYPE = 128,
	IOMMU_WHY_NO_FLAGS = 129,
	IOMMU_WHY_PARENT_FAULTS = 130,
	IOMMU_WHY_NO_DIRTY = 131,
	IOMMU_WHY_NO_NESTING = 132,
	IOMMU_WHY_NOT_PARENT = 133,
	IOMMU_WHY_VIOMMU_DEVICE = 134,
	IOMMU_WHY_HWPT_PARENT = 135,
	IOMMU_WHY_NO_COHERENCY = 136,
	IOMMU_WHY_DIRTY_ALIGNMENT = 137,
	IOMMU_WHY_DIRTY_PAGE_SIZE = 138,
	IOMMU_WHY_DIRTY_BITMAP = 139,
	IOMMU_WHY_INVALIDATE_ARRAY = 140,
	IOMMU_WHY_INVALIDATE_TYPE = 141,
	IOMMU_WHY_NO_INVALIDATE = 142,

	/* Page requests, virtual IOMMUs, and what is mapped from the file */
	IOMMU_WHY_QUEUE_RECORDS = 160,
	IOMMU_WHY_QUEUE_ROOM = 161,
	IOMMU_WHY_ANSWER_CODE = 162,
	IOMMU_WHY_ANSWER_COOKIE = 163,
	IOMMU_WHY_NO_VIOMMU = 164,
	IOMMU_WHY_VDEVICE_TWICE = 165,
	IOMMU_WHY_VDEVICE_NUMBER = 166,
	IOMMU_WHY_VDEVICE_RANGE = 167,
	IOMMU_WHY_DEVICE_LEAVING = 168,
	IOMMU_WHY_EVENT_QUEUE_TWICE = 169,
	IOMMU_WHY_EVENT_QUEUES = 170,
	IOMMU_WHY_EVENT_DEPTH = 171,
	IOMMU_WHY_NO_HW_QUEUE = 172,
	IOMMU_WHY_LOCK_MODE = 173,
	IOMMU_WHY_LOCK_SCATTERED = 174,
	IOMMU_WHY_LOCKS = 175,
	IOMMU_WHY_MMAP_PRIVATE = 176,
	IOMMU_WHY_MMAP_EXEC = 177,
	IOMMU_WHY_MMAP_RANGE = 178,

	/* VFIO containers */
	IOMMU_WHY_NO_VFIO_IOAS = 192,
	IOMMU_WHY_VFIO_NO_IOMMU = 193,
	IOMMU_WHY_VFIO_TYPE = 194,
	IOMMU_WHY_VFIO_FLAGS = 195,
	IOMMU_WHY_VFIO_ALIGNMENT = 196,
	IOMMU_WHY_VFIO_UNMAP_ALL = 197,
	IOMMU_WHY_VFIO_NO_DIRTY = 198,
	IOMMU_WHY_VFIO_DIRTY_V1 = 199,
	IOMMU_WHY_VFIO_DIRTY_OFF = 200,
};

/**
 * enum iommu_refused_command - What has failed that was no ioctl
 * @IOMMU_REFUSED_READ: read() from a file of page requests or of events
 * @IOMMU_REFUSED_WRITE: write() of answers to page requests
 * @IOMMU_REFUSED_MMAP: mmap() of the file
 * @IOMMU_REFUSED_BIND: A device was to be bound to the file
 * @IOMMU_REFUSED_ATTACH: A device, or a PASID of it, was to be attached
 * @IOMMU_REFUSED_REPLACE: It was to be moved to another page table
 * @IOMMU_REFUSED_ACCESS_ATTACH: A driver that reaches an IOAS by software was
 *     to be attached or moved
 * @IOMMU_REFUSED_ACCESS: Such a driver was to pin, read or write something
 * @IOMMU_REFUSED_CONTAINER: A VFIO group was to use the file as its container
 *
 * All of these come by files that are not this one, but for mmap(): those of
 * queues, devices and groups of VFIO.
 */
enum iommu_refused_command {
	IOMMU_REFUSED_READ = 1,
	IOMMU_REFUSED_WRITE = 2,
	IOMMU_REFUSED_MMAP = 3,
	IOMMU_REFUSED_BIND = 4,
	IOMMU_REFUSED_ATTACH = 5,
	IOMMU_REFUSED_REPLACE = 6,
	IOMMU_REFUSED_ACCESS_ATTACH = 7,
	IOMMU_REFUSED_ACCESS = 8,
	IOMMU_REFUSED_CONTAINER = 9,
};

/**
 * struct iommu_refusal - A call that has failed
 * @number: How many calls had failed by then, with this one, since the file was
 *          opened
 * @time: When, by CLOCK_MONOTONIC, in nanoseconds
 * @command: The request of the ioctl, or one of enum iommu_refused_command
 * @thread: Who called, as gettid() tells; 0 if not to be seen from here
 * @error: The errno, positive
 * @why: One of enum iommu_why. There may be reasons that the program does not
 *       know.
 * @numbers: The numbers that belong to @why, in the order in which it names
 *           them, and zeroes behind; all are zeroes if they were lost, which
 *           may happen when many calls fail at the same time
 */
struct iommu_refusal {
	__aligned_u64 number;
	__aligned_u64 time;
	__u32 command;
	__u32 thread;
	__u32 error;
	__u32 why;
	__aligned_u64 numbers[IOMMU_REFUSAL_NUMBERS];
};

/**
 * struct iommu_get_refusals - ioctl(IOMMU_GET_REFUSALS)
 * @size: sizeof(struct iommu_get_refusals)
 * @flags: Must be 0
 * @first: In: the lowest @number that is wanted. Out: one higher than that of
 *         the last entry, if there is one.
 * @entry_size: sizeof(struct iommu_refusal), as the program knows it
 * @nr: In: for how many entries there is room. Out: how many there are.
 * @entries: Pointer to an array of struct iommu_refusal
 *
 * Which calls have failed, and why: the oldest first. A file keeps the last 32.
 * If some are missing, as numbers show, they were forgotten.
 *
 * Errors beyond the common ones:
 *
 *  - EINVAL: @entry_size is less than that of the first version
 */
struct iommu_get_refusals {
	__u32 size;
	__u32 flags;
	__aligned_u64 first;
	__u32 entry_size;
	__u32 nr;
	__aligned_u64 entries;
};

#define IOMMU_GET_REFUSALS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_GET_REFUSALS)

/* The recorder */

/* The most records that a file keeps */
#define IOMMU_RECORDER_MAX 256

/**
 * enum iommu_recorded - What has happened
 * @IOMMU_RECORDED_MAP: Memory was mapped, by any of the ioctls
 * @IOMMU_RECORDED_UNMAP: A range was unmapped
 * @IOMMU_RECORDED_COPY: What the range has was copied; the map of the copy
 *     follows
 * @IOMMU_RECORDED_ATTACH: A device was attached
 * @IOMMU_RECORDED_REPLACE: A device was moved to another page table
 * @IOMMU_RECORDED_DETACH: A device was detached from a page table
 * @IOMMU_RECORDED_PAGE_REQUEST: A device has asked for a page
 * @IOMMU_RECORDED_REVOKE: The exporter of a dma-buf has taken its memory back
 * @IOMMU_RECORDED_STOPPED: The IOMMU has stopped DMA of a device
 */
enum iommu_recorded {
	IOMMU_RECORDED_MAP = 1,
	IOMMU_RECORDED_UNMAP = 2,
	IOMMU_RECORDED_COPY = 3,
	IOMMU_RECORDED_ATTACH = 4,
	IOMMU_RECORDED_REPLACE = 5,
	IOMMU_RECORDED_DETACH = 6,
	IOMMU_RECORDED_PAGE_REQUEST = 7,
	IOMMU_RECORDED_REVOKE = 8,
	IOMMU_RECORDED_STOPPED = 9,
};

/**
 * enum iommu_stopped - Why DMA was stopped, by what was at the IOVA then
 * @IOMMU_STOPPED_NEVER_MAPPED: Nothing is mapped, nor was, as far as is
 *                              recorded
 * @IOMMU_STOPPED_UNMAPPED: An unmap is recorded, and nothing is mapped now
 * @IOMMU_STOPPED_NO_PERMISSION: Something is mapped, but not to be read or,
 *     with IOMMU_STOPPED_WRITE, written to
 * @IOMMU_STOPPED_REVOKED: The exporter of what is mapped has taken it back
 * @IOMMU_STOPPED_NOT_ATTACHED: The device, or its PASID, is not attached
 * @IOMMU_STOPPED_BY_GUEST: It is attached to a page table that a guest fills
 * @IOMMU_STOPPED_MAPPED: It is mapped, perhaps only by now, and is allowed
 * @IOMMU_STOPPED_CHANGING: It is being mapped, unmapped or attached
 * @IOMMU_STOPPED_WRITE: Set beside the cause if it was a write
 */
enum iommu_stopped {
	IOMMU_STOPPED_NEVER_MAPPED = 1,
	IOMMU_STOPPED_UNMAPPED = 2,
	IOMMU_STOPPED_NO_PERMISSION = 3,
	IOMMU_STOPPED_REVOKED = 4,
	IOMMU_STOPPED_NOT_ATTACHED = 5,
	IOMMU_STOPPED_BY_GUEST = 6,
	IOMMU_STOPPED_MAPPED = 7,
	IOMMU_STOPPED_CHANGING = 8,
	IOMMU_STOPPED_WRITE = 0x80,
};

/**
 * struct iommu_record - Something that has happened
 * @number: How many records had been made by then, with this one, since the
 *          file was opened
 * @time: When, by CLOCK_MONOTONIC, in nanoseconds
 * @iova: The first IOVA; the address of a page request, or of what was stopped;
 *        0 if there is none
 * @last: The last IOVA
 * @operation: One of enum iommu_recorded. There may be some that the program
 *             does not know.
 * @detail: Of a page request enum iommu_hwpt_pgfault_perm; of what was stopped
 *          enum iommu_stopped; else 0
 * @error: The errno, positive; 0 if it was done
 * @object: The ID of the IOAS; of what is done to a device that of the page
 *          table, or if it failed of what was asked for; of a page request that
 *          of the queue; of what was stopped that of the IOAS, or 0
 * @device: The ID of the device, 0 if it is about none
 * @pasid: The PASID, 0 if there is none
 * @thread: Who called, as gettid() tells; 0 if it was nobody, or is not to be
 *          seen from here
 * @__reserved: 0
 * @comm: What the thread was called, any bytes, with zeroes behind; only zeroes
 *        if it was nobody, and of a map that was done
 */
struct iommu_record {
	__aligned_u64 number;
	__aligned_u64 time;
	__aligned_u64 iova;
	__aligned_u64 last;
	__u32 operation;
	__u32 detail;
	__u32 error;
	__u32 object;
	__u32 device;
	__u32 pasid;
	__u32 thread;
	__u32 __reserved;
	__u8 comm[16];
};

/**
 * struct iommu_get_records - ioctl(IOMMU_GET_RECORDS)
 * @size: sizeof(struct iommu_get_records)
 * @flags: Must be 0
 * @first: In: the lowest @number that is wanted. Out: one higher than that of
 *         the last entry, if there is one.
 * @entry_size: sizeof(struct iommu_record), as the program knows it
 * @nr: In: for how many entries there is room. Out: how many there are.
 * @entries: Pointer to an array of struct iommu_record
 * @length: Out: how many the file keeps, or is going to; 0 if it keeps none
 * @__reserved: Must be 0
 *
 * What has happened last: the oldest first. If some are missing, as numbers
 * show, they were forgotten, or lost for lack of memory.
 *
 * Errors beyond the common ones:
 *
 *  - EINVAL: @entry_size is less than that of the first version
 */
struct iommu_get_records {
	__u32 size;
	__u32 flags;
	__aligned_u64 first;
	__u32 entry_size;
	__u32 nr;
	__aligned_u64 entries;
	__u32 length;
	__u32 __reserved;
};

#define IOMMU_GET_RECORDS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_GET_RECORDS)

/**
 * struct iommu_set_recorder - ioctl(IOMMU_SET_RECORDER)
 * @size: sizeof(struct iommu_set_recorder)
 * @flags: Must be 0
 * @length: In: how many records the file is to keep, 0 for none. Out: how many
 *          it keeps: the next power of two.
 * @__reserved: Must be 0
 *
 * What was kept may be forgotten. Numbers go on.
 *
 * Errors beyond the common ones:
 *
 *  - EINVAL: @length is more than IOMMU_RECORDER_MAX
 */
struct iommu_set_recorder {
	__u32 size;
	__u32 flags;
	__u32 length;
	__u32 __reserved;
};

#define IOMMU_SET_RECORDER _IO(IOMMUFD_TYPE, IOMMUFD_CMD_SET_RECORDER)

#endif
