// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware queues of a vIOMMU
 *
 * Owns struct iommufd_hw_queue, at the beginning of a structure of the IOMMU
 * driver, and keeps the memory that the hardware works on. Called by the ioctl
 * table.
 *
 * iommufd_hw_queue::access stays NULL: the queue never moves to another IOAS,
 * nor is it asked to let go of anything, so it needs none.
 */
#include <linux/iommufd.h>
#include <linux/seq_file.h>

#include "call.h"
#include "ctx.h"
#include "engine/why.h"
#include "hw_queue.h"
#include "hwpt.h"
#include "ioas.h"
#include "viommu.h"

static struct iommufd_hw_queue *to_hw_queue(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_hw_queue, obj);
}

static struct iommufd_address_space *
hw_queue_address_space(const struct iommufd_hw_queue *queue)
{
	return &queue->viommu->hwpt->ioas->as;
}

static void hw_queue_destroy(struct iommufd_ctx *ctx,
			     struct iommufd_object *obj)
{
	struct iommufd_hw_queue *queue = to_hw_queue(obj);

	if (queue->destroy)
		queue->destroy(queue);
	if (queue->length)
		iommufd_address_space_unlock(hw_queue_address_space(queue),
					     queue->base_addr,
					     queue->base_addr +
						     queue->length - 1);
	iommufd_object_release(&queue->viommu->obj);
}

static void hw_queue_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_hw_queue *queue = to_hw_queue(obj);

	seq_printf(seq, " viommu=%u iova=%#llx length=%zu",
		   queue->viommu->obj.id, queue->base_addr, queue->length);
}

const struct iommufd_object_ops iommufd_hw_queue_object_ops = {
	.name = "hw-queue",
	.size = sizeof(struct iommufd_hw_queue),
	.destroy = hw_queue_destroy,
	.show = hw_queue_show,
};

static size_t hw_queue_size(struct iommufd_viommu *viommu,
			    enum iommu_hw_queue_type type)
{
	const struct iommufd_viommu_ops *ops = viommu->ops;

	if (!ops->get_hw_queue_size || !ops->hw_queue_init_phys)
		return 0;
	return ops->get_hw_queue_size(viommu, type);
}

static struct iommufd_hw_queue *
hw_queue_alloc(struct iommufd_viommu *viommu, enum iommu_hw_queue_type type)
{
	struct iommufd_hw_queue *queue;
	struct iommufd_object *obj;
	size_t size;

	size = hw_queue_size(viommu, type);
	if (!size)
		return iommufd_refuse_ptr(IOMMU_WHY_NO_HW_QUEUE, type);
	obj = iommufd_object_alloc_sized(viommu->ictx, IOMMUFD_OBJ_HW_QUEUE,
					 size);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	queue = to_hw_queue(obj);
	queue->type = type;
	queue->viommu = viommu;
	iommufd_object_hold(&viommu->obj);
	return queue;
}

/*
 * Sets @length only when the memory is locked: it tells that there is something
 * to unlock.
 */
static int hw_queue_init(struct iommufd_hw_queue *queue, u32 index,
			 unsigned long iova, unsigned long last)
{
	phys_addr_t phys;
	int rc;

	rc = iommufd_address_space_lock(hw_queue_address_space(queue), iova,
					last, &phys);
	if (rc)
		return rc;
	queue->base_addr = iova;
	queue->length = last - iova + 1;
	rc = queue->viommu->ops->hw_queue_init_phys(queue, index, phys);
	/* The driver has undone what it did: there is nothing to destroy. */
	if (rc)
		queue->destroy = NULL;
	return rc;
}

int iommufd_hw_queue_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_hw_queue_alloc *cmd = call->arg;
	struct iommufd_hw_queue *queue;
	struct iommufd_viommu *viommu;
	unsigned long last;
	int rc;

	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (cmd->type == IOMMU_HW_QUEUE_TYPE_DEFAULT)
		return iommufd_refuse(IOMMU_WHY_OPERATION, cmd->type);
	rc = iommufd_iova_last(cmd->nesting_parent_iova, cmd->length, &last);
	if (rc)
		return rc;
	viommu = iommufd_viommu_get(call->ctx, cmd->viommu_id);
	if (IS_ERR(viommu))
		return PTR_ERR(viommu);
	queue = hw_queue_alloc(viommu, cmd->type);
	iommufd_object_put(call->ctx, &viommu->obj);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	call->created = &queue->obj;

	rc = hw_queue_init(queue, cmd->index, cmd->nesting_parent_iova, last);
	if (rc)
		return rc;
	cmd->out_hw_queue_id = queue->obj.id;
	return iommufd_call_reply(call);
}
