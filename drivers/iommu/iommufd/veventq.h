/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Event queues of a vIOMMU
 *
 * IOMMU drivers report events through driver.c, which is built in, while the
 * rest may be a module.
 */
#ifndef __IOMMUFD_VEVENTQ_H
#define __IOMMUFD_VEVENTQ_H

#include <linux/iommufd.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "queue_file.h"

struct iommufd_call;
struct mem_cgroup;

/**
 * struct iommufd_vevent - an event that waits to be read
 * @node: in iommufd_veventq::events
 * @length: bytes of what follows
 * @header: what is read first
 * @data: what the driver has reported
 */
struct iommufd_vevent {
	struct list_head node;
	size_t length;
	struct iommufd_vevent_header header;
	u8 data[] __counted_by(length);
};

/**
 * struct iommufd_veventq - the events of one type of a vIOMMU, and their file
 * @common: the common part
 * @rcu: when the memory can be freed
 * @viommu: the vIOMMU, of which the queue holds a long-term reference
 * @node: in iommufd_viommu::veventqs; empty as long as it is not there
 * @type: the type
 * @depth: how many events are kept
 * @memcg: who is charged for them, as they are reported anywhere; or NULL
 * @lock: guards what follows; taken where sleeping is not allowed
 * @events: struct iommufd_vevent, the oldest first
 * @nr_events: how many
 * @next_sequence: the number of the next event
 * @lost: those before it have been lost, after the last of @events
 * @closed: there is no file that events could be read from, or even no queue
 *          any more
 */
struct iommufd_veventq {
	struct iommufd_queue common;
	struct rcu_head rcu;
	struct iommufd_viommu *viommu;
	struct list_head node;
	enum iommu_veventq_type type;
	u32 depth;
	struct mem_cgroup *memcg;
	spinlock_t lock;		/* events */
	struct list_head events;
	u32 nr_events;
	u32 next_sequence;
	bool lost;
	bool closed;
};

extern const struct iommufd_object_ops iommufd_veventq_object_ops;

int iommufd_veventq_alloc_ioctl(struct iommufd_call *call);

#endif
