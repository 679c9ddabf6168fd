/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Physical ranges that IOMMU drivers let user space map
 */
#ifndef __IOMMUFD_MMAP_H
#define __IOMMUFD_MMAP_H

#include <linux/types.h>

struct file;
struct iommufd_object;
struct vm_area_struct;

/**
 * struct iommufd_mmap_range - a range that can be mapped
 * @owner: the object that it belongs to. It has no reference: the range goes
 *         before the object is freed.
 * @start: physical address
 * @length: in bytes
 *
 * In iommufd_ctx::mmap_ranges from the file offset on at which it can be
 * mapped.
 */
struct iommufd_mmap_range {
	struct iommufd_object *owner;
	phys_addr_t start;
	size_t length;
};

int iommufd_fops_mmap(struct file *file, struct vm_area_struct *vma);

#endif
