/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test ioctl, operation by operation. Needs CONFIG_IOMMUFD_TEST; without
 * it, all of these fail with -ENOTTY.
 *
 * A function that can fail returns 0, or what its comment says, and else a
 * negative errno. None of them prints or exits.
 *
 *   pt       ID of an IOAS or of a page table
 *   hwpt     ID of a page table
 *   stdev    ID of a mock device's test object, which owns the device:
 *            mock_destroy() detaches, unbinds and removes it
 *   idev     ID of the same device, as any other device has one
 *   access   file descriptor of an access, to be closed
 */
#ifndef MOCK_LIB_H
#define MOCK_LIB_H

#include <stdbool.h>

#include <linux/types.h>

#include "iommufd_lib.h"
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

struct mock_device {
	__u32 stdev;
	__u32 hwpt;
	__u32 idev;
};

struct mock_answers {
	long succeeded;
	long invalid;
	long failed;
};

/* The ioctl itself; sets the size. What the kernel writes is in *cmd. */
int mock_ioctl(int iommufd, struct iommu_test_cmd *cmd);
/* Does the kernel have the test device? */
bool mock_available(int iommufd);

/* A new device, attached to @pt. @flags are MOCK_FLAGS_DEVICE_*. */
int mock_domain(int iommufd, __u32 pt, struct mock_device *dev);
int mock_domain_flags(int iommufd, __u32 pt, __u32 flags,
		      struct mock_device *dev);
/*
 * From now on, new devices are in the iommu_group of one that there is already,
 * anybody's; needs debugfs.
 */
int mock_join_group(bool join);
/* Such a one, without any consequences for others that come later */
int mock_domain_joined(int iommufd, __u32 pt, __u32 flags,
		       struct mock_device *dev);
/* *pt becomes the page table that is used then. */
int mock_domain_replace(int iommufd, __u32 stdev, __u32 *pt);
/* The same for those who do not ask which that is */
int mock_move(int iommufd, const struct mock_device *dev, __u32 pt);
int mock_destroy(int iommufd, const struct mock_device *dev);
/* How many mock devices there are, whoever made them. */
int mock_devices(void);

/* The IOAS can no longer use the range. */
int mock_add_reserved(int iommufd, __u32 ioas, __u64 start, __u64 length);

/* Does the page table translate @iova to the memory at @va? -EINVAL if not. */
int mock_check_map(int iommufd, __u32 hwpt, __u64 iova, __u64 length,
		   const void *va);
/* Is nothing mapped in the range? -EEXIST if something is, whatever it is. */
int mock_check_hole(int iommufd, __u32 hwpt, __u64 iova, __u64 length);
/* Is each page pinned @refs times? -EIO if not. Large folios are not seen. */
int mock_check_refs(int iommufd, const void *va, __u64 length, __u32 refs);
/*
 * Has each folio that the range touches got @pins, those of all of its pages
 * together? -EIO if not.
 */
int mock_check_pins(int iommufd, const void *va, __u64 length, __u32 pins);

/* Bounds the memory for one step of a map or unmap; 0 for the default. */
int mock_memory_limit(int iommufd, __u32 limit);
#define MOCK_MEMORY_LIMIT_DEFAULT 65536
#define MOCK_MEMORY_LIMIT_MIN 12

/* How often an IOTLB of the mock IOMMU was flushed; needs debugfs. */
long mock_iotlb_syncs(void);

/* Returns the access. @flags are MOCK_FLAGS_ACCESS_CREATE_*. */
int mock_access(int iommufd, __u32 ioas, __u32 flags);
int mock_access_replace(int iommufd, int access, __u32 ioas);
/*
 * Pins; @flags are MOCK_FLAGS_ACCESS_*, @va may be NULL, and else must be the
 * memory that is mapped there.
 */
int mock_access_pin(int iommufd, int access, __u32 flags, __u64 iova,
		    __u64 length, const void *va, __u32 *item);
int mock_access_unpin(int iommufd, int access, __u32 item);
/* Copies from @iova to @va, the other way round with MOCK_ACCESS_RW_WRITE. */
int mock_access_rw(int iommufd, int access, __u32 flags, __u64 iova,
		   __u64 length, void *va);
/* What the three of these ask, for mock_ioctl(), or to be timed */
struct iommu_test_cmd mock_access_pin_cmd(int access, __u32 flags, __u64 iova,
					  __u64 length, const void *va);
struct iommu_test_cmd mock_access_unpin_cmd(int access, __u32 item);
struct iommu_test_cmd mock_access_rw_cmd(int access, __u32 flags, __u64 iova,
					 __u64 length, void *va);

/* What the drivers of accesses were asked to let go of; needs debugfs. */
struct mock_asked {
	long calls;
	long pages;
	long nonsense;		/* ranges that cannot be */
};

int mock_asked(struct mock_asked *asked);
/* So often they do not, from now on; needs debugfs, too. */
int mock_access_deaf(int times);

/* @bitmap has a bit a page; *nr_dirty, which may be NULL, how many it has. */
int mock_dirty(int iommufd, __u32 hwpt, __u64 iova, __u64 length,
	       __u64 page_size, const void *bitmap, __u64 *nr_dirty);

/* A page table with data for the test device, on an IOAS or a parent */
int mock_hwpt_alloc(int iommufd, __u32 idev, __u32 pt, __u32 flags,
		    const struct iommu_test_hwpt *data, __u32 *hwpt);
/* A nested page table for @idev; its words start as @iotlb. */
int mock_nested(int iommufd, __u32 idev, __u32 parent, __u32 flags,
		__u32 iotlb, __u32 *nested_hwpt);
/*
 * HWPT_INVALIDATE of entries of a type; *count says how many there are, and then
 * how many were done.
 */
int mock_invalidate(int iommufd, __u32 id, __u32 type, const void *entries,
		    __u32 entry_len, __u32 *count);
int mock_check_iotlb(int iommufd, __u32 nested_hwpt, __u32 word, __u32 value);
int mock_check_cache(int iommufd, __u32 idev, __u32 word, __u32 value);

/*
 * A vIOMMU for @idev on a parent. @data is written to, NULL for none. Nested
 * page tables are made on it by mock_nested().
 */
int mock_viommu(int iommufd, __u32 idev, __u32 parent,
		struct iommu_test_viommu *data, __u32 *viommu);

/* A queue in what the parent of the vIOMMU maps at @iova */
int mock_hw_queue(int iommufd, __u32 viommu, __u32 index, __u64 iova,
		  __u64 length, __u32 *queue);

/* @pasid 0 means that the request has none. */
int mock_trigger_iopf(int iommufd, __u32 idev, __u32 pasid, __u32 group,
		      __u32 perm, __u64 addr);
/* The operation above makes a group of so many requests, a page apart. */
int mock_group_size(unsigned int size);
/* Reports that DMA was stopped, whether it would have been or not. */
int mock_stop_dma(int iommufd, __u32 idev, __u32 pasid, __u32 perm, __u64 addr);
/* How often devices were given which answer; needs debugfs. */
int mock_answers(struct mock_answers *answers);

int mock_trigger_vevent(int iommufd, __u32 idev);

int mock_pasid_attach(int iommufd, __u32 stdev, __u32 pasid, __u32 *pt);
int mock_pasid_replace(int iommufd, __u32 stdev, __u32 pasid, __u32 *pt);
int mock_pasid_detach(int iommufd, __u32 stdev, __u32 pasid);
/* Is the PASID on this page table? 0: on none? -EINVAL if not. */
int mock_pasid_check(int iommufd, __u32 stdev, __u32 pasid, __u32 hwpt);

/* Returns the descriptor of the dma-buf. */
int mock_dmabuf(int iommufd, __u32 length, __u32 open_flags);
int mock_dmabuf_revoke(int iommufd, int dmabuf, bool revoked);

#endif
