// SPDX-License-Identifier: GPL-2.0-only
/*
 * What IOMMU drivers call, built into the kernel
 *
 * The drivers are built in while the rest may be a module, so nothing here may
 * call into the rest.
 */
#include <linux/cleanup.h>
#include <linux/iommufd.h>
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <trace/events/iommufd.h>

#include "ctx.h"
#include "device.h"
#include "mmap.h"
#include "object.h"
#include "veventq.h"

/**
 * _iommufd_object_depend - let one object of a vIOMMU keep another alive
 * @obj_dependent: who needs it
 * @obj_depended: what is needed, of the same type, by another object
 *
 * The caller may find @obj_depended until the driver is told to destroy it, and
 * so also when it is dead already: then this fails. It cannot wait instead, as
 * destroying may wait for a lock that the caller holds.
 *
 * Context: any, as long as @obj_depended is not freed meanwhile.
 * Return: 0; -EINVAL for objects that cannot depend on each other; -ENOENT if
 * @obj_depended is being destroyed.
 */
int _iommufd_object_depend(struct iommufd_object *obj_dependent,
			   struct iommufd_object *obj_depended)
{
	if (obj_dependent == obj_depended ||
	    WARN_ON_ONCE(obj_dependent->type != obj_depended->type))
		return -EINVAL;
	return iommufd_object_hold_alive(obj_depended) ? 0 : -ENOENT;
}
EXPORT_SYMBOL_NS_GPL(_iommufd_object_depend, "IOMMUFD");

/**
 * _iommufd_object_undepend - the reverse of _iommufd_object_depend()
 * @obj_dependent: who needed it
 * @obj_depended: what was needed
 */
void _iommufd_object_undepend(struct iommufd_object *obj_dependent,
			      struct iommufd_object *obj_depended)
{
	if (WARN_ON_ONCE(obj_dependent == obj_depended ||
			 obj_dependent->type != obj_depended->type))
		return;
	iommufd_object_release(obj_depended);
}
EXPORT_SYMBOL_NS_GPL(_iommufd_object_undepend, "IOMMUFD");

/**
 * _iommufd_alloc_mmap - offer a physical range to mmap()
 * @ctx: the context
 * @owner: the object that the range belongs to; a mapping keeps it alive
 * @mmio_addr: physical address, page-aligned
 * @length: in bytes, page-aligned
 * @offset: receives the file offset, which is not 0
 *
 * Nothing can be mapped before @owner is published, and nothing is mapped any
 * more when the driver is told to destroy it.
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL for a range that is empty or not aligned; -ENOMEM.
 */
int _iommufd_alloc_mmap(struct iommufd_ctx *ctx, struct iommufd_object *owner,
			phys_addr_t mmio_addr, size_t length,
			unsigned long *offset)
{
	struct iommufd_mmap_range *range;
	int rc;

	if (WARN_ON_ONCE(!length || !PAGE_ALIGNED(mmio_addr | length)))
		return -EINVAL;
	range = kmalloc_obj(*range, GFP_KERNEL_ACCOUNT);
	if (!range)
		return -ENOMEM;
	range->owner = owner;
	range->start = mmio_addr;
	range->length = length;
	/* The lowest that fits: all of them are page-aligned. */
	rc = mtree_alloc_range(&ctx->mmap_ranges, offset, range, length,
			       PAGE_SIZE, LONG_MAX, GFP_KERNEL_ACCOUNT);
	if (rc)
		kfree(range);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(_iommufd_alloc_mmap, "IOMMUFD");

/**
 * _iommufd_destroy_mmap - the reverse of _iommufd_alloc_mmap()
 * @ctx: the context
 * @owner: the object, which is being destroyed or was not published
 * @offset: the file offset
 *
 * Context: process context, may sleep.
 */
void _iommufd_destroy_mmap(struct iommufd_ctx *ctx,
			   struct iommufd_object *owner, unsigned long offset)
{
	struct iommufd_mmap_range *range;

	range = mtree_erase(&ctx->mmap_ranges, offset);
	WARN_ON_ONCE(!range || range->owner != owner);
	kfree(range);
}
EXPORT_SYMBOL_NS_GPL(_iommufd_destroy_mmap, "IOMMUFD");

/**
 * iommufd_vdevice_to_device - the physical device of a virtual one
 * @vdev: the virtual device
 *
 * Return: the device, alive as long as @vdev is.
 */
struct device *iommufd_vdevice_to_device(struct iommufd_vdevice *vdev)
{
	return vdev->idev->dev;
}
EXPORT_SYMBOL_NS_GPL(iommufd_vdevice_to_device, "IOMMUFD");

/**
 * iommufd_viommu_find_dev - the physical device that has a virtual ID
 * @viommu: the vIOMMU
 * @vdev_id: the ID that the guest knows
 *
 * Context: caller holds the lock of @viommu->vdevs.
 * Return: the device, NULL if there is none.
 */
struct device *iommufd_viommu_find_dev(struct iommufd_viommu *viommu,
				       unsigned long vdev_id)
{
	struct iommufd_vdevice *vdev;

	lockdep_assert_held(&viommu->vdevs.xa_lock);

	vdev = xa_load(&viommu->vdevs, vdev_id);
	return vdev ? iommufd_vdevice_to_device(vdev) : NULL;
}
EXPORT_SYMBOL_NS_GPL(iommufd_viommu_find_dev, "IOMMUFD");

static struct iommufd_vdevice *
driver_find_vdevice(struct iommufd_viommu *viommu, const struct device *dev)
{
	struct iommufd_vdevice *vdev;
	unsigned long index;

	lockdep_assert_held(&viommu->vdevs.xa_lock);

	xa_for_each(&viommu->vdevs, index, vdev) {
		if (iommufd_vdevice_to_device(vdev) == dev)
			return vdev;
	}
	return NULL;
}

/**
 * iommufd_viommu_get_vdev_id - the virtual ID of a physical device
 * @viommu: the vIOMMU
 * @dev: the device
 * @vdev_id: receives the ID that the guest knows
 *
 * Return: 0, or -ENOENT if the device has no ID on this vIOMMU.
 */
int iommufd_viommu_get_vdev_id(struct iommufd_viommu *viommu,
			       struct device *dev, unsigned long *vdev_id)
{
	struct iommufd_vdevice *vdev;

	xa_lock(&viommu->vdevs);
	vdev = driver_find_vdevice(viommu, dev);
	if (vdev)
		*vdev_id = vdev->virt_id;
	xa_unlock(&viommu->vdevs);
	return vdev ? 0 : -ENOENT;
}
EXPORT_SYMBOL_NS_GPL(iommufd_viommu_get_vdev_id, "IOMMUFD");

/*
 * May be called by anybody, in any context: it is charged to the memcg of the
 * queue. Without memory the event is lost.
 */
static struct iommufd_vevent *driver_new_event(struct iommufd_veventq *queue,
					       const void *data, size_t length)
{
	struct iommufd_vevent *event;
	struct mem_cgroup *old;

	old = set_active_memcg(queue->memcg);
	event = kmalloc(struct_size(event, data, length),
			GFP_NOWAIT | __GFP_ACCOUNT);
	set_active_memcg(old);
	if (!event)
		return NULL;
	event->length = length;
	event->header = (struct iommufd_vevent_header){
		.sequence = queue->next_sequence,
	};
	memcpy(event->data, data, length);
	return event;
}

static void driver_add_event(struct iommufd_veventq *queue, const void *data,
			     size_t length)
{
	struct iommufd_vevent *event = NULL;

	lockdep_assert_held(&queue->lock);

	if (queue->nr_events != queue->depth)
		event = driver_new_event(queue, data, length);
	if (event) {
		list_add_tail(&event->node, &queue->events);
		queue->nr_events++;
		trace_iommufd_event(queue->common.obj.id, queue->type,
				    queue->next_sequence, queue->nr_events);
	} else {
		trace_iommufd_event_lost(queue->common.obj.id, queue->type,
					 queue->next_sequence,
					 queue->nr_events);
	}
	/* Events lost before this one show as a gap in the numbers. */
	queue->lost = !event;
	queue->next_sequence = (queue->next_sequence + 1) & INT_MAX;
}

static int driver_report_event(struct iommufd_veventq *queue, const void *data,
			       size_t length)
{
	unsigned long flags;
	bool closed;

	spin_lock_irqsave(&queue->lock, flags);
	closed = queue->closed;
	if (!closed)
		driver_add_event(queue, data, length);
	spin_unlock_irqrestore(&queue->lock, flags);
	if (closed)
		return -EOPNOTSUPP;
	iommufd_queue_wake(&queue->common);
	return 0;
}

/**
 * iommufd_viommu_report_event - tell the owner of a vIOMMU of an event
 * @viommu: the vIOMMU, which is not destroyed meanwhile
 * @type: the type of event
 * @event_data: what happened
 * @data_len: bytes of @event_data
 *
 * The event may be lost, as user space is told then.
 *
 * Context: any but NMI.
 *
 * Return: 0; -EOPNOTSUPP if there is no queue for this type that somebody could
 * read; -EINVAL if there are no data.
 */
int iommufd_viommu_report_event(struct iommufd_viommu *viommu,
				enum iommu_veventq_type type, void *event_data,
				size_t data_len)
{
	struct iommufd_veventq *queue;

	if (WARN_ON_ONCE(!event_data || !data_len))
		return -EINVAL;

	guard(rcu)();
	list_for_each_entry_rcu(queue, &viommu->veventqs, node) {
		if (queue->type == type)
			return driver_report_event(queue, event_data, data_len);
	}
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_NS_GPL(iommufd_viommu_report_event, "IOMMUFD");
