// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event queues of a vIOMMU
 *
 * Owns struct iommufd_veventq, and iommufd_viommu::veventqs, which the lock
 * beside it guards. Called by the ioctl table and by the queue's file; events
 * come from IOMMU drivers through iommufd_viommu_report_event() of driver.c,
 * which walks the list under RCU, and so may come upon a queue that is gone but
 * for its memory.
 *
 * Each event has a number. An event for which there is no room or no memory is
 * lost, but has its number, so that a reader sees by the next one that
 * something is missing. Where there is no next one, what is read last is a
 * header without an event.
 */
#include <linux/iommufd.h>
#include <linux/memcontrol.h>
#include <linux/overflow.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "call.h"
#include "engine/why.h"
#include "veventq.h"
#include "viommu.h"

/* Events that a queue keeps at most */
#define DEPTH_MAX BIT(19)

/*
 * Queues of a vIOMMU, at most, as each report of an event walks all of them.
 * There are fewer types.
 */
#define QUEUES_MAX 16

static struct iommufd_veventq *to_veventq(struct iommufd_queue *queue)
{
	return container_of(queue, struct iommufd_veventq, common);
}

/*
 * What the file does. Only readers remove events, one at a time, so that the
 * one that is being copied stays.
 */

static int vevent_check_read_size(size_t size)
{
	const size_t least = sizeof(struct iommufd_vevent_header);

	if (size < least)
		return iommufd_refuse(IOMMU_WHY_QUEUE_ROOM, size, least);
	return 0;
}

/* The oldest event, or NULL. Tells whether others have been lost behind it. */
static struct iommufd_vevent *vevent_first(struct iommufd_veventq *queue,
					   bool *lost, u32 *last_lost)
{
	struct iommufd_vevent *event;

	spin_lock_irq(&queue->lock);
	event = list_first_entry_or_null(&queue->events, struct iommufd_vevent,
					 node);
	*lost = queue->lost;
	*last_lost = (queue->next_sequence - 1) & INT_MAX;
	spin_unlock_irq(&queue->lock);
	return event;
}

static void vevent_remove(struct iommufd_veventq *queue,
			  struct iommufd_vevent *event)
{
	spin_lock_irq(&queue->lock);
	list_del(&event->node);
	queue->nr_events--;
	spin_unlock_irq(&queue->lock);
	kfree(event);
}

static ssize_t vevent_read_event(struct iommufd_veventq *queue,
				 struct iommufd_vevent *event,
				 char __user *user, size_t room)
{
	const size_t header_size = sizeof(event->header);
	size_t size = header_size + event->length;

	if (size > room)
		return iommufd_refuse(IOMMU_WHY_QUEUE_ROOM, room, size);
	if (copy_to_user(user, &event->header, header_size) ||
	    copy_to_user(user + header_size, event->data, event->length))
		return -EFAULT;
	vevent_remove(queue, event);
	return size;
}

/*
 * Events may have been lost after the header was copied: those are still to be
 * told.
 */
static void vevent_told_lost(struct iommufd_veventq *queue, u32 last_lost)
{
	spin_lock_irq(&queue->lock);
	if (queue->next_sequence == ((last_lost + 1) & INT_MAX))
		queue->lost = false;
	spin_unlock_irq(&queue->lock);
}

static ssize_t vevent_read_lost(struct iommufd_veventq *queue, u32 last_lost,
				char __user *user, size_t room)
{
	const struct iommufd_vevent_header header = {
		.flags = IOMMU_VEVENTQ_FLAG_LOST_EVENTS,
		.sequence = last_lost,
	};

	if (sizeof(header) > room)
		return iommufd_refuse(IOMMU_WHY_QUEUE_ROOM, room,
				      sizeof(header));
	if (copy_to_user(user, &header, sizeof(header)))
		return -EFAULT;
	vevent_told_lost(queue, last_lost);
	return sizeof(header);
}

static ssize_t vevent_read_one(struct iommufd_queue *common, char __user *user,
			       size_t room)
{
	struct iommufd_veventq *queue = to_veventq(common);
	struct iommufd_vevent *event;
	u32 last_lost;
	bool lost;

	event = vevent_first(queue, &lost, &last_lost);
	if (event)
		return vevent_read_event(queue, event, user, room);
	return lost ? vevent_read_lost(queue, last_lost, user, room) : 0;
}

static bool vevent_is_readable(struct iommufd_queue *common)
{
	struct iommufd_vevent *event;
	u32 last_lost;
	bool lost;

	event = vevent_first(to_veventq(common), &lost, &last_lost);
	return event || lost;
}

/* Free what is unread: there is no file any more. */
static void vevent_close(struct iommufd_queue *common)
{
	struct iommufd_veventq *queue = to_veventq(common);
	struct iommufd_vevent *event, *next;
	LIST_HEAD(unread);

	spin_lock_irq(&queue->lock);
	queue->closed = true;
	queue->lost = false;
	queue->nr_events = 0;
	list_splice_init(&queue->events, &unread);
	spin_unlock_irq(&queue->lock);
	list_for_each_entry_safe(event, next, &unread, node)
		kfree(event);
}

static const struct iommufd_queue_ops veventq_ops = {
	.name = "[iommufd-viommu-event]",
	.check_read_size = vevent_check_read_size,
	.read_one = vevent_read_one,
	.readable = vevent_is_readable,
	.close = vevent_close,
};

/*
 * The object
 */

static void veventq_unlink(struct iommufd_veventq *queue)
{
	down_write(&queue->viommu->veventqs_rwsem);
	list_del_rcu(&queue->node);
	up_write(&queue->viommu->veventqs_rwsem);
}

/*
 * A driver that has found the queue before may still be about to take its lock.
 * It is not waited for: it finds the queue closed, and returns. The memory is
 * freed after a grace period.
 */
static void veventq_destroy(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	struct iommufd_veventq *queue = to_veventq(to_queue(obj));

	if (!list_empty(&queue->node))
		veventq_unlink(queue);
	/* A queue that never had a file may have events. */
	vevent_close(&queue->common);
	mem_cgroup_put(queue->memcg);
	iommufd_queue_destroy(&queue->common);
	iommufd_object_release(&queue->viommu->obj);
}

static void veventq_free(struct iommufd_object *obj)
{
	kfree_rcu(to_veventq(to_queue(obj)), rcu);
}

static void veventq_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_veventq *queue = to_veventq(to_queue(obj));

	seq_printf(seq, " viommu=%u type=%u depth=%u", queue->viommu->obj.id,
		   queue->type, queue->depth);
	guard(spinlock_irq)(&queue->lock);
	seq_printf(seq, " waiting=%u", queue->nr_events);
	if (queue->lost)
		seq_puts(seq, " lost");
}

const struct iommufd_object_ops iommufd_veventq_object_ops = {
	.name = "veventq",
	.size = sizeof(struct iommufd_veventq),
	.destroy = veventq_destroy,
	.free = veventq_free,
	.show = veventq_show,
};

static int veventq_link_locked(struct iommufd_veventq *queue)
{
	struct iommufd_viommu *viommu = queue->viommu;
	struct iommufd_veventq *other;
	unsigned int nr = 0;

	list_for_each_entry(other, &viommu->veventqs, node) {
		if (other->type == queue->type)
			return iommufd_refuse(IOMMU_WHY_EVENT_QUEUE_TWICE,
					      queue->type);
		nr++;
	}
	if (nr == QUEUES_MAX)
		return iommufd_refuse(IOMMU_WHY_EVENT_QUEUES, nr);
	list_add_tail_rcu(&queue->node, &viommu->veventqs);
	return 0;
}

static int veventq_link(struct iommufd_veventq *queue)
{
	int rc;

	down_write(&queue->viommu->veventqs_rwsem);
	rc = veventq_link_locked(queue);
	up_write(&queue->viommu->veventqs_rwsem);
	return rc;
}

static struct iommufd_veventq *
veventq_alloc(struct iommufd_ctx *ctx, struct iommufd_viommu *viommu,
	      enum iommu_veventq_type type, u32 depth)
{
	struct iommufd_veventq *queue;
	struct iommufd_object *obj;

	obj = iommufd_object_alloc(ctx, IOMMUFD_OBJ_VEVENTQ);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	queue = to_veventq(to_queue(obj));
	iommufd_queue_init(&queue->common, ctx, &veventq_ops);
	queue->type = type;
	queue->depth = depth;
	queue->memcg = get_mem_cgroup_from_mm(current->mm);
	INIT_LIST_HEAD(&queue->node);
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->events);
	queue->viommu = viommu;
	iommufd_object_hold(&viommu->obj);
	return queue;
}

static int veventq_check(const struct iommu_veventq_alloc *cmd)
{
	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);
	if (cmd->type == IOMMU_VEVENTQ_TYPE_DEFAULT)
		return iommufd_refuse(IOMMU_WHY_OPERATION, cmd->type);
	if (!cmd->veventq_depth || cmd->veventq_depth > DEPTH_MAX)
		return iommufd_refuse(IOMMU_WHY_EVENT_DEPTH, cmd->veventq_depth,
				      DEPTH_MAX);
	return 0;
}

int iommufd_veventq_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_veventq_alloc *cmd = call->arg;
	struct iommufd_veventq *queue;
	struct iommufd_viommu *viommu;
	int rc;

	rc = veventq_check(cmd);
	if (rc)
		return rc;
	viommu = iommufd_viommu_get(call->ctx, cmd->viommu_id);
	if (IS_ERR(viommu))
		return PTR_ERR(viommu);
	queue = veventq_alloc(call->ctx, viommu, cmd->type, cmd->veventq_depth);
	iommufd_object_put(call->ctx, &viommu->obj);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	call->created = &queue->common.obj;

	rc = veventq_link(queue);
	if (rc)
		return rc;
	cmd->out_veventq_id = queue->common.obj.id;
	return iommufd_queue_open(&queue->common, call, &cmd->out_veventq_fd);
}
