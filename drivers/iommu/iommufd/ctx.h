/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The context: one open file of /dev/iommu
 */

/**
 * DOC: Contexts
 *
 * A context is an open file of /dev/iommu. It lives until the last reference to
 * that file is gone, and everything that was made through it goes when it goes.
 * Hence the rule: an object of a context never holds a file that could hold the
 * context, directly or through other files. Nor does an area, or its memory.
 * Each would wait for the other for ever, and with them the devices that are
 * bound to the context and the memory that they reach. Files that can hold a
 * context are those of VFIO devices and groups, of fault queues, and all into
 * which a file can be put: sockets, io_urings, ...
 *
 * What a context does hold therefore is known not to hold any of these: files
 * of shmem and hugetlbfs (source_file.c), dma-bufs of exporters that we know
 * (source_dmabuf.c), an mm and a task without their files (account.c).
 */
#ifndef __IOMMUFD_CTX_H
#define __IOMMUFD_CTX_H

#include <linux/maple_tree.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "engine/account.h"
#include "recorder.h"

struct device;
struct file;
struct iommufd_object;
struct iommufd_refusals;

/**
 * struct iommufd_ctx - one open file
 * @recorder: what has happened last; in front, as each map and unmap needs it
 * @file: the file, whose references are those of the context
 * @objects: all objects by ID; see object.h
 * @recent_object: what was looked up last, or NULL; guarded by the lock of
 *                 @objects. Most ioctls are about the same object as the last.
 * @hidden_object: what DESTROY is waiting for since too long, or NULL: lookups
 *                 do not find it; guarded by the lock of @objects
 * @object_wait: woken when a short-term reference is dropped
 * @groups: struct iommufd_group by the ID of the iommu_group
 * @groups_lock: guards @groups against changes of its members, and the PASIDs
 *               of groups; taken inside of the lock of a group
 * @account_mode: whose limit counts for new maps; changes only as long as there
 *                are no objects
 * @accounts: who is charged for what is mapped
 * @vfio_lock: guards @vfio_ioas and @no_iommu; taken outside of the lock of
 *             @objects
 * @vfio_ioas: the object of the IOAS that stands for a VFIO container, or NULL
 * @no_iommu: VFIO no-IOMMU groups use the file
 * @sw_msi_lock: guards @sw_msi_maps
 * @sw_msi_maps: struct sw_msi_map, MSI doorbells that have an IOVA
 * @mmap_ranges: struct iommufd_mmap_range by file offset; its lock is a leaf
 *               but for that of @objects
 * @number: by what debugfs and fdinfo know it, 0 without debugfs; never changes
 * @debug_node: in debugfs's contexts
 * @refusals: what was refused, NULL as long as nothing was
 */
struct iommufd_ctx {
	struct iommufd_recorder recorder;
	struct file *file;
	struct xarray objects;
	struct iommufd_object *recent_object;
	struct iommufd_object *hidden_object;
	wait_queue_head_t object_wait;
	struct xarray groups;
	struct mutex groups_lock;	/* changes of groups, their PASIDs */
	enum iommufd_account_mode account_mode;
	struct iommufd_accounts accounts;
	struct mutex vfio_lock;		/* vfio_ioas, no_iommu */
	struct iommufd_object *vfio_ioas;
	bool no_iommu;
	struct mutex sw_msi_lock;	/* sw_msi_maps */
	struct list_head sw_msi_maps;
	struct maple_tree mmap_ranges;
	u64 number;
	struct rb_node debug_node;
	struct iommufd_refusals *refusals;
};

#endif
