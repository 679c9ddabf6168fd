/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What programs that drive /dev/iommu need: here its ioctls as functions, in
 * the headers below devices, memory, counters and the kernel's log.
 *
 * A function that can fail returns 0, or what its comment says, and else a
 * negative errno. None of them prints or exits.
 *
 *   iommufd     a file descriptor of /dev/iommu
 *   ioas, id    an object of it
 */
#ifndef IOMMUFD_LIB_H
#define IOMMUFD_LIB_H

#include <linux/iommufd.h>
#include <linux/types.h>

#include "counters.h"
#include "kernel_log.h"
#include "pages.h"
#include "vfio_device.h"

/* How many tasks clear what is pinned, at most; 0: as many as there may be */
#define PIN_TASKS "/sys/module/iommufd/parameters/pin_tasks"

#define MAP_RW (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define MAP_RO IOMMU_IOAS_MAP_READABLE
#define MAP_AT IOMMU_IOAS_MAP_FIXED_IOVA

/*
 * libiommufd's, as are the rest where it does the same. What it does not let a
 * program do wrong, or does not have, is asked of the kernel.
 */
int iommufd_open(void);
int iommufd_destroy(int iommufd, __u32 id);

int ioas_alloc(int iommufd, __u32 *ioas);

/* Read and write access; the kernel chooses *iova. */
int ioas_map(int iommufd, __u32 ioas, const void *va, __u64 length,
	     __u64 *iova);
/* The same, at an IOVA of the caller's choice. */
int ioas_map_at(int iommufd, __u32 ioas, const void *va, __u64 length,
		__u64 iova);
/* Any flags; *iova is read with IOMMU_IOAS_MAP_FIXED_IOVA, always written. */
int ioas_map_flags(int iommufd, __u32 ioas, __u32 flags, const void *va,
		   __u64 length, __u64 *iova);
int ioas_map_file(int iommufd, __u32 ioas, __u32 flags, int fd, __u64 start,
		  __u64 length, __u64 *iova);
/* The same at an IOVA of the caller's choice */
int ioas_map_file_at(int iommufd, __u32 ioas, __u32 flags, int fd, __u64 start,
		     __u64 length, __u64 iova);
int ioas_copy(int iommufd, __u32 flags, __u32 dst_ioas, __u32 src_ioas,
	      __u64 src_iova, __u64 length, __u64 *dst_iova);
/* Read and write access, at an IOVA of the caller's choice */
int ioas_copy_at(int iommufd, __u32 dst_ioas, __u32 src_ioas, __u64 src_iova,
		 __u64 length, __u64 dst_iova);

/* *unmapped may be NULL; it is set to 0 when nothing was unmapped. */
int ioas_unmap(int iommufd, __u32 ioas, __u64 iova, __u64 length,
	       __u64 *unmapped);
int ioas_unmap_all(int iommufd, __u32 ioas, __u64 *unmapped);
/* What is mapped of files is charged to this process from now on. */
int ioas_change_process(int iommufd);

/*
 * *count is the room in @ranges before and the number of ranges after, also
 * with -EMSGSIZE. @alignment may be NULL.
 */
int ioas_iova_ranges(int iommufd, __u32 ioas, struct iommu_iova_range *ranges,
		     __u32 *count, __u64 *alignment);
int ioas_allow_iovas(int iommufd, __u32 ioas,
		     const struct iommu_iova_range *ranges, __u32 count);

int iommufd_option_get(int iommufd, __u32 option, __u32 id, __u64 *value);
/* @id: in and out, whatever @op (IOMMU_VFIO_IOAS_...) makes of it */
int vfio_ioas(int iommufd, __u16 op, __u32 *id);
int iommufd_option_set(int iommufd, __u32 option, __u32 id, __u64 value);

/* A page table of its own for @dev_id, from an IOAS. */
int hwpt_alloc(int iommufd, __u32 dev_id, __u32 ioas, __u32 flags,
	       __u32 *hwpt);

int hwpt_set_dirty_tracking(int iommufd, __u32 hwpt, __u32 flags);
/* A bit for each @page_size bytes from @iova on is set in @bitmap if dirty. */
int hwpt_get_dirty_bitmap(int iommufd, __u32 hwpt, __u32 flags, __u64 iova,
			  __u64 length, __u64 page_size, void *bitmap);
/* A queue for IO page faults; *fd is its file. */
int fault_queue_alloc(int iommufd, __u32 *fault_id, int *fd);
/* A PASID that the kernel chooses; @id is the object that stands for it. */
int pasid_alloc(int iommufd, __u32 dev_id, __u32 *pasid, __u32 *id);

/* What a guest knows @dev_id as: @virt_id */
int vdevice_alloc(int iommufd, __u32 viommu, __u32 dev_id, __u64 virt_id,
		  __u32 *vdevice);

/* A queue for the events of a vIOMMU; *fd is its file. */
int veventq_alloc(int iommufd, __u32 viommu, __u32 type, __u32 depth,
		  __u32 *veventq, int *fd);

#define REFUSALS_KEPT 32	/* of a file */

/*
 * Calls of the file that have failed, from number @first on; *nr is the room in
 * @entries before and how many there are after.
 */
int refusals_get(int iommufd, __u64 first, struct iommu_refusal *entries,
		 __u32 *nr);
/* The last of them; -ENOENT: there is none. */
int refusal_last(int iommufd, __u64 first, struct iommu_refusal *last);
/* The same of what the recorder keeps, whose length is another call's. */
int records_get(int iommufd, __u64 first, struct iommu_record *entries,
		__u32 *nr);
int recorder_set_length(int iommufd, __u32 length);

/* The ioctls themselves; these set the size, the kernel writes to *cmd. */
int hwpt_alloc_ioctl(int iommufd, struct iommu_hwpt_alloc *cmd);
int hw_info_ioctl(int iommufd, struct iommu_hw_info *cmd);
int hwpt_invalidate_ioctl(int iommufd, struct iommu_hwpt_invalidate *cmd);
int viommu_alloc_ioctl(int iommufd, struct iommu_viommu_alloc *cmd);
int vdevice_alloc_ioctl(int iommufd, struct iommu_vdevice_alloc *cmd);
int veventq_alloc_ioctl(int iommufd, struct iommu_veventq_alloc *cmd);
int hw_queue_alloc_ioctl(int iommufd, struct iommu_hw_queue_alloc *cmd);
int pasid_alloc_ioctl(int iommufd, struct iommu_pasid_alloc *cmd);

#endif
