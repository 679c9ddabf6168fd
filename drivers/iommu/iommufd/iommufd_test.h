/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ABI of the test device, CONFIG_IOMMUFD_TEST
 *
 * One ioctl on /dev/iommu makes mock devices behind a mock IOMMU, drives them,
 * and looks at what the kernel has done. The kernel and programs that test it
 * include this file. Programs exist: layouts and values never change.
 */
#ifndef __IOMMUFD_TEST_H
#define __IOMMUFD_TEST_H

#include <linux/iommufd.h>
#include <linux/types.h>

/* What iommu_test_cmd::op selects */
enum {
	IOMMU_TEST_OP_ADD_RESERVED = 1,
	IOMMU_TEST_OP_MOCK_DOMAIN,
	IOMMU_TEST_OP_MD_CHECK_MAP,
	IOMMU_TEST_OP_MD_CHECK_REFS,
	IOMMU_TEST_OP_CREATE_ACCESS,
	IOMMU_TEST_OP_DESTROY_ACCESS_PAGES,
	IOMMU_TEST_OP_ACCESS_PAGES,
	IOMMU_TEST_OP_ACCESS_RW,
	IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT,
	IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
	IOMMU_TEST_OP_ACCESS_REPLACE_IOAS,
	IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
	IOMMU_TEST_OP_DIRTY,
	IOMMU_TEST_OP_MD_CHECK_IOTLB,
	IOMMU_TEST_OP_TRIGGER_IOPF,
	IOMMU_TEST_OP_DEV_CHECK_CACHE,
	IOMMU_TEST_OP_TRIGGER_VEVENT,
	IOMMU_TEST_OP_PASID_ATTACH,
	IOMMU_TEST_OP_PASID_REPLACE,
	IOMMU_TEST_OP_PASID_DETACH,
	IOMMU_TEST_OP_PASID_CHECK_HWPT,
	IOMMU_TEST_OP_DMABUF_GET,
	IOMMU_TEST_OP_DMABUF_REVOKE,
	IOMMU_TEST_OP_STOP_DMA = 64,
	IOMMU_TEST_OP_MD_CHECK_HOLE,
	IOMMU_TEST_OP_CHECK_PINS,
};

/* The mock IOMMU's page tables */
enum {
	MOCK_PAGE_SIZE = 2048,
	MOCK_HUGE_PAGE_SIZE = 512 * MOCK_PAGE_SIZE,
	MOCK_APERTURE_START = 1UL << 24,
	MOCK_APERTURE_LAST = (1UL << 31) - 1,
	MOCK_PASID_WIDTH = 20,
};

/* iommu_test_hwpt::pagetable_type */
enum {
	MOCK_IOMMUPT_DEFAULT = 0,
	MOCK_IOMMUPT_HUGE = 1,
};

/* iommu_test_cmd::access_pages.flags, and SYZ in other flags as well */
enum {
	MOCK_FLAGS_ACCESS_WRITE = 1 << 0,
	/* An IOVA is {u32 nth map, u32 offset}, lowest bits first. */
	MOCK_FLAGS_ACCESS_SYZ = 1 << 16,
};

/* iommu_test_cmd::access_rw.flags */
enum {
	MOCK_ACCESS_RW_WRITE = 1 << 0,
	MOCK_ACCESS_RW_SLOW_PATH = 1 << 2,
};

/* iommu_test_cmd::create_access.flags */
enum {
	MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES = 1 << 0,
};

/* iommu_test_cmd::mock_domain.dev_flags */
enum {
	MOCK_FLAGS_DEVICE_NO_DIRTY = 1 << 0,
	MOCK_FLAGS_DEVICE_PASID = 1 << 2,
	/* Its DMA is not coherent. */
	MOCK_FLAGS_DEVICE_NOT_COHERENT = 1 << 8,
	/* The IOMMU can enforce coherency, and does not when it is told to. */
	MOCK_FLAGS_DEVICE_ENFORCES_IN_VAIN = 1 << 9,
};

enum {
	MOCK_NESTED_DOMAIN_IOTLB_ID_MAX = 3,
	MOCK_NESTED_DOMAIN_IOTLB_NUM = 4,
};

enum {
	MOCK_DEV_CACHE_ID_MAX = 3,
	MOCK_DEV_CACHE_NUM = 4,
};

/* The PASID on which attaching fails every second time */
#define IOMMU_TEST_PASID_RESERVED 1024

/**
 * struct iommu_test_cmd - the test ioctl
 * @size: sizeof(struct iommu_test_cmd)
 * @op: IOMMU_TEST_OP_*
 * @id: an object, or the descriptor of an access, depending on @op
 * @__reserved: 0
 * @add_reserved: ADD_RESERVED, @id is an IOAS: make [start, start + length)
 *                unusable as long as the IOAS lives
 * @mock_domain: MOCK_DOMAIN and MOCK_DOMAIN_FLAGS, @id is an IOAS or a HWPT:
 *               make a device and attach it. Only the latter reads dev_flags.
 * @mock_domain_replace: MOCK_DOMAIN_REPLACE, @id is what mock_domain gave as
 *                       out_stdev_id; pt_id is an IOAS or a HWPT, and then the
 *                       HWPT that is used
 * @check_map: MD_CHECK_MAP, @id is a HWPT: does it translate the range at iova
 *             to the memory at uptr? MD_CHECK_HOLE: is nothing at all mapped in
 *             the range at iova, of up to 2^20 of its smallest pages? EEXIST if
 *             something is; uptr is 0.
 * @check_refs: MD_CHECK_REFS: is each page of the range pinned refs times?
 *              Pages of large folios are passed over. CHECK_PINS: has each
 *              folio that a page of the range is in got so many pins, counting
 *              those of all of its pages?
 * @create_access: CREATE_ACCESS, @id is an IOAS: make an access
 * @destroy_access_pages: DESTROY_ACCESS_PAGES, @id is an access: unpin an item
 * @access_pages: ACCESS_PAGES, @id is an access: pin an item; its pages must be
 *                those at uptr, unless that is 0
 * @access_rw: ACCESS_RW, @id is an access: copy from iova to uptr, or back
 * @access_replace_ioas: ACCESS_REPLACE_IOAS, @id is an access: move it
 * @memory_limit: SET_TEMP_MEMORY_LIMIT: bytes of scratch memory of a step
 * @dirty: DIRTY, @id is a HWPT: make those pages dirty whose bit is set in the
 *         bitmap at uptr
 * @check_iotlb: MD_CHECK_IOTLB, @id is a nested HWPT: is word id what iotlb is?
 * @trigger_iopf: TRIGGER_IOPF: let the device request a page; STOP_DMA: report
 *                that its DMA to or from there was stopped
 * @check_dev_cache: DEV_CHECK_CACHE, @id is a device: as @check_iotlb
 * @trigger_vevent: TRIGGER_VEVENT: let the device raise an event
 * @pasid_attach: PASID_ATTACH, @id as in @mock_domain_replace
 * @pasid_replace: PASID_REPLACE, likewise
 * @pasid_detach: PASID_DETACH, likewise
 * @pasid_check: PASID_CHECK_HWPT, likewise: is the PASID on this HWPT? 0 means
 *               none.
 * @dmabuf_get: DMABUF_GET: make a dma-buf, whose descriptor is what the ioctl
 *              returns
 * @dmabuf_revoke: DMABUF_REVOKE: take its memory away, or give it back
 * @last: unused
 */
struct iommu_test_cmd {
	__u32 size;
	__u32 op;
	__u32 id;
	__u32 __reserved;
	union {
		struct {
			__aligned_u64 start;
			__aligned_u64 length;
		} add_reserved;
		struct {
			__u32 out_stdev_id;
			__u32 out_hwpt_id;
			__u32 out_idev_id;
			__u32 dev_flags;
		} mock_domain;
		struct {
			__u32 pt_id;
		} mock_domain_replace;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} check_map;
		struct {
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 refs;
		} check_refs;
		struct {
			__u32 out_access_fd;
			__u32 flags;
		} create_access;
		struct {
			__u32 access_pages_id;
		} destroy_access_pages;
		struct {
			__u32 flags;
			__u32 out_access_pages_id;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} access_pages;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 flags;
		} access_rw;
		struct {
			__u32 ioas_id;
		} access_replace_ioas;
		struct {
			__u32 limit;
		} memory_limit;
		struct {
			__u32 flags;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 page_size;
			__aligned_u64 uptr;
			__aligned_u64 out_nr_dirty;
		} dirty;
		struct {
			__u32 id;
			__u32 iotlb;
		} check_iotlb;
		struct {
			__u32 dev_id;
			__u32 pasid;
			__u32 grpid;
			__u32 perm;
			__aligned_u64 addr;
		} trigger_iopf;
		struct {
			__u32 id;
			__u32 cache;
		} check_dev_cache;
		struct {
			__u32 dev_id;
		} trigger_vevent;
		struct {
			__u32 pasid;
			__u32 pt_id;
		} pasid_attach;
		struct {
			__u32 pasid;
			__u32 pt_id;
		} pasid_replace;
		struct {
			__u32 pasid;
		} pasid_detach;
		struct {
			__u32 pasid;
			__u32 hwpt_id;
		} pasid_check;
		struct {
			__u32 length;
			__u32 open_flags;
		} dmabuf_get;
		struct {
			__s32 dmabuf_fd;
			__u32 revoked;
		} dmabuf_revoke;
	};
	__u32 last;
};

#define IOMMU_TEST_CMD _IO(IOMMUFD_TYPE, IOMMUFD_CMD_BASE + 32)

/*
 * What the mock driver understands of the structures that iommufd hands
 * through to drivers
 */

#define IOMMU_HW_INFO_TYPE_SELFTEST 0xfeedbeef
#define IOMMU_HW_INFO_SELFTEST_REGVAL 0xdeadbeef

/**
 * struct iommu_test_hw_info - GET_HW_INFO
 * @flags: 0
 * @test_reg: IOMMU_HW_INFO_SELFTEST_REGVAL
 */
struct iommu_test_hw_info {
	__u32 flags;
	__u32 test_reg;
};

#define IOMMU_HWPT_DATA_SELFTEST 0xdead
#define IOMMU_TEST_IOTLB_DEFAULT 0xbadbeef
#define IOMMU_TEST_DEV_CACHE_DEFAULT 0xbaddad

/**
 * struct iommu_test_hwpt - HWPT_ALLOC
 * @iotlb: what the words of a nested page table start as
 * @pagetable_type: MOCK_IOMMUPT_*, the format of others
 */
struct iommu_test_hwpt {
	__u32 iotlb;
	__u32 pagetable_type;
};

#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST 0xdeadbeef
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID 0xdadbeef

/* iommu_test_hwpt_invalidate::flags, iommu_test_viommu_invalidate::flags */
#define IOMMU_TEST_INVALIDATE_FLAG_ALL 1

/**
 * struct iommu_test_hwpt_invalidate - HWPT_INVALIDATE of a nested page table
 * @flags: IOMMU_TEST_INVALIDATE_FLAG_ALL clears all words
 * @iotlb_id: the word to clear, else
 */
struct iommu_test_hwpt_invalidate {
	__u32 flags;
	__u32 iotlb_id;
};

#define IOMMU_VIOMMU_TYPE_SELFTEST 0xdeadbeef

/**
 * struct iommu_test_viommu - VIOMMU_ALLOC
 * @in_data: any value, to which the first word of the vIOMMU's pages is set
 * @out_data: the same value
 * @out_mmap_offset: for mmap() of these pages
 * @out_mmap_length: their length
 */
struct iommu_test_viommu {
	__u32 in_data;
	__u32 out_data;
	__aligned_u64 out_mmap_offset;
	__aligned_u64 out_mmap_length;
};

#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST 0xdeadbeef
#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST_INVALID 0xdadbeef

/**
 * struct iommu_test_viommu_invalidate - HWPT_INVALIDATE of a vIOMMU
 * @flags: IOMMU_TEST_INVALIDATE_FLAG_ALL clears all cache words of the device
 * @vdev_id: the device, by its virtual ID
 * @cache_id: the word to clear, else
 */
struct iommu_test_viommu_invalidate {
	__u32 flags;
	__u32 vdev_id;
	__u32 cache_id;
};

#define IOMMU_VEVENTQ_TYPE_SELFTEST 0xbeefbeef

/**
 * struct iommu_test_vevent - an event
 * @virt_id: the virtual ID of the device that raised it
 */
struct iommu_test_vevent {
	__u32 virt_id;
};

#define IOMMU_HW_QUEUE_TYPE_SELFTEST 0xdeadbeef
#define IOMMU_TEST_HW_QUEUE_MAX 2

#endif
