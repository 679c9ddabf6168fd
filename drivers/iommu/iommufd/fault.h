/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fault queues: IO page faults that user space handles
 */
#ifndef __IOMMUFD_FAULT_H
#define __IOMMUFD_FAULT_H

#include <linux/mutex.h>
#include <linux/xarray.h>

#include "object.h"
#include "queue_file.h"

struct iommufd_attachment;
struct iommufd_call;
struct iommufd_device;
struct iommufd_hw_pagetable;
struct seq_file;

/**
 * struct iommufd_fault_queue - a queue of page requests, and its file
 * @common: the common part
 * @groups: struct iopf_group by cookie: those that user space has been told of,
 *          or is being told of, and has not answered. Its lock guards the
 *          members from here to @closed, and iopf_group::node and ::cookie.
 * @unread: those that user space has not read, in the order in which they came;
 *          the node of others is empty. None has a cookie but one that is
 *          being read.
 * @nr_groups: how many wait for an answer, read or not
 * @closed: there is no file that groups could be read from
 * @next_cookie: where to look for a free one; guarded by
 *               iommufd_queue::read_lock
 * @answer_lock: held while groups are answered that are no longer in the queue
 */
struct iommufd_fault_queue {
	struct iommufd_queue common;
	struct xarray groups;
	struct list_head unread;
	unsigned int nr_groups;
	bool closed;
	u32 next_cookie;
	struct mutex answer_lock;	/* the devices that are answered */
};

extern const struct iommufd_object_ops iommufd_fault_queue_object_ops;

int iommufd_fault_queue_alloc_ioctl(struct iommufd_call *call);

int iommufd_fault_use_queue(struct iommufd_hw_pagetable *hwpt, u32 fault_id);
void iommufd_fault_leave_queue(struct iommufd_hw_pagetable *hwpt);
void iommufd_fault_show_queue(struct seq_file *seq,
			      const struct iommufd_hw_pagetable *hwpt);

int iommufd_fault_check_device(struct iommufd_hw_pagetable *hwpt,
			       struct iommufd_device *idev);
int iommufd_fault_check(struct iommufd_attachment *attachment);
void iommufd_fault_end(struct iommufd_attachment *attachment,
		       struct iommufd_device *idev);

#endif
