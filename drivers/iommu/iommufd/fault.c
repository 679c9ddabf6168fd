// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fault queues: IO page faults that user space handles
 *
 * Owns struct iommufd_fault_queue. A device that has met a page that is not
 * there asks for it, and waits. The IOMMU core collects the requests that a
 * device wants answered together, and hands such a group to the page table's
 * handler, which puts it into the page table's queue. User space reads the
 * group from the queue's file, and writes an answer. Whatever it leaves
 * unanswered is answered when the device leaves the page table or the file is
 * closed, so that no device waits for ever.
 *
 * The core calls the handler from threads that serve devices of other programs
 * too, and there is no caller that could handle an error. So it needs no
 * memory, and takes no lock under which anything waits for user memory. What
 * takes memory is done when a group is read: only then it gets its cookie.
 *
 * Attach calls iommufd_fault_end() when the IOMMU core no longer finds the
 * attachment. No handler that has found it before may be running then. Drivers
 * are to drain their page requests when a device leaves a page table, but not
 * all do, nor does it help with a device that moves from one page table with a
 * queue to another: the core has to wait for the handlers. A base kernel
 * without the patch that makes it wait leaves a gap, in which a handler may use
 * an attachment that is being freed; as the handler never sleeps for long, the
 * gap is as short as it can be made from here.
 */
#include <linux/iommu.h>
#include <linux/pci-ats.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <trace/events/iommufd.h>

#include "attachment.h"
#include "call.h"
#include "ctx.h"
#include "device.h"
#include "engine/why.h"
#include "fault.h"
#include "group.h"
#include "hw_pagetable.h"
#include "recorder.h"

/*
 * Groups that a queue takes. A PCI function has at most 512 requests that wait
 * for an answer, but a broken one may send any number.
 */
#define GROUPS_MAX BIT(16)

static_assert((int)IOMMUFD_PAGE_RESP_SUCCESS == IOMMU_PAGE_RESP_SUCCESS);
static_assert((int)IOMMUFD_PAGE_RESP_INVALID == IOMMU_PAGE_RESP_INVALID);
static_assert((int)IOMMU_PGFAULT_PERM_READ == IOMMU_FAULT_PERM_READ);
static_assert((int)IOMMU_PGFAULT_PERM_WRITE == IOMMU_FAULT_PERM_WRITE);
static_assert((int)IOMMU_PGFAULT_PERM_EXEC == IOMMU_FAULT_PERM_EXEC);
static_assert((int)IOMMU_PGFAULT_PERM_PRIV == IOMMU_FAULT_PERM_PRIV);

static struct iommufd_fault_queue *to_fault_queue(struct iommufd_queue *queue)
{
	return container_of(queue, struct iommufd_fault_queue, common);
}

static struct iommufd_attachment *
fault_attachment(const struct iopf_group *group)
{
	return container_of(group->attach_handle, struct iommufd_attachment,
			    handle);
}

static struct device *fault_device(const struct iopf_group *group)
{
	return group->fault_param->dev;
}

/*
 * The ID by which user space knows the device, 0 for members of the iommu_group
 * that are not attached
 */
static u32 fault_device_id(const struct iopf_group *group)
{
	struct xarray *devices = &fault_attachment(group)->devices;
	struct iommufd_device *idev;
	unsigned long id;
	u32 found = 0;

	/* A device leaves under this lock, and is not freed before. */
	xa_lock(devices);
	xa_for_each(devices, id, idev) {
		if (idev->dev == fault_device(group)) {
			found = id;
			break;
		}
	}
	xa_unlock(devices);
	return found;
}

/*
 * Groups come
 */

/*
 * Return: 0; -ENODEV if there is nobody to answer the group, -ENOSPC if the
 * queue is full: it is not in the queue then.
 */
static int fault_enqueue(struct iommufd_fault_queue *queue,
			 struct iopf_group *group)
{
	lockdep_assert_held(&queue->groups.xa_lock);

	/*
	 * In this order under the lock: a device that leaves later finds the
	 * group in the queue, one that has left is seen here.
	 */
	if (!fault_device_id(group) || queue->closed)
		return -ENODEV;
	if (queue->nr_groups >= GROUPS_MAX)
		return -ENOSPC;
	group->cookie = 0;
	list_add_tail(&group->node, &queue->unread);
	queue->nr_groups++;
	return 0;
}

static void fault_tell(const struct iommufd_fault_queue *queue,
		       const struct iopf_group *group, int rc)
{
	const struct iommu_fault_page_request *request =
		&group->last_fault.fault.prm;
	const struct iommufd_device_record record = {
		.device = fault_device_id(group),
		.pasid = request->pasid,
		.object = queue->common.obj.id,
		.iova = request->addr,
		.detail = request->perm,
	};

	trace_iommufd_fault(fault_device(group), queue->common.obj.id,
			    request->pasid, request->grpid, request->addr,
			    request->perm, rc);
	iommufd_record_event(&queue->common.ctx->recorder,
			     IOMMU_RECORDED_PAGE_REQUEST, &record, rc);
}

static void fault_answer(struct iopf_group *group,
			 enum iommu_page_response_code code)
{
	trace_iommufd_answer(fault_device(group),
			     group->last_fault.fault.prm.pasid,
			     group->last_fault.fault.prm.grpid, code);
	iopf_group_response(group, code);
	iopf_free_group(group);
}

/*
 * Called by the IOMMU core, which answers the group if this fails. Sleeps only
 * as long as the device takes an answer.
 */
static int fault_handle_group(struct iopf_group *group)
{
	struct iommufd_fault_queue *queue =
		fault_attachment(group)->hwpt->fault_queue;
	int rc;

	/*
	 * From here on the core does not free the group when the device goes.
	 */
	iopf_group_dequeue(group);

	xa_lock(&queue->groups);
	rc = fault_enqueue(queue, group);
	/*
	 * Under the lock: once it is released, the group may be answered and
	 * freed.
	 */
	fault_tell(queue, group, rc);
	xa_unlock(&queue->groups);
	if (!rc)
		iommufd_queue_wake(&queue->common);
	if (rc != -ENODEV)
		return rc;
	fault_answer(group, IOMMU_PAGE_RESP_INVALID);
	return 0;
}

/*
 * Groups go
 */

static void fault_dequeue(struct iommufd_fault_queue *queue,
			  struct iopf_group *group)
{
	lockdep_assert_held(&queue->answer_lock);
	lockdep_assert_held(&queue->groups.xa_lock);

	if (group->cookie)
		__xa_erase(&queue->groups, group->cookie);
	list_del_init(&group->node);
	queue->nr_groups--;
}

/* With the mutex held until it is answered, or a device that goes is not met. */
static void fault_answer_dequeued(struct iommufd_fault_queue *queue,
				  struct iopf_group *group,
				  enum iommu_page_response_code code)
{
	lockdep_assert_held(&queue->answer_lock);

	fault_answer(group, code);
}

static bool fault_concerns(const struct iopf_group *group,
			   const struct iommufd_attachment *attachment,
			   const struct iommufd_device *idev)
{
	return (!attachment || fault_attachment(group) == attachment) &&
	       (!idev || idev->dev == fault_device(group));
}

/* Answer all groups of @attachment and @idev, or of all where they are NULL. */
static void fault_answer_all(struct iommufd_fault_queue *queue,
			     const struct iommufd_attachment *attachment,
			     const struct iommufd_device *idev)
{
	struct iopf_group *group, *next;
	unsigned long cookie;
	LIST_HEAD(dequeued);

	/*
	 * With the mutex, so that answers that somebody else is giving are
	 * over: they need the device.
	 */
	mutex_lock(&queue->answer_lock);
	xa_lock(&queue->groups);
	list_for_each_entry_safe(group, next, &queue->unread, node) {
		if (!fault_concerns(group, attachment, idev))
			continue;
		fault_dequeue(queue, group);
		list_add_tail(&group->node, &dequeued);
	}
	xa_for_each(&queue->groups, cookie, group) {
		if (!fault_concerns(group, attachment, idev))
			continue;
		fault_dequeue(queue, group);
		list_add_tail(&group->node, &dequeued);
	}
	xa_unlock(&queue->groups);
	list_for_each_entry_safe(group, next, &dequeued, node)
		fault_answer_dequeued(queue, group, IOMMU_PAGE_RESP_INVALID);
	mutex_unlock(&queue->answer_lock);
}

static int fault_answer_one(struct iommufd_fault_queue *queue,
			    const struct iommu_hwpt_page_response *response)
{
	struct iopf_group *group;

	if (response->code != IOMMUFD_PAGE_RESP_SUCCESS &&
	    response->code != IOMMUFD_PAGE_RESP_INVALID)
		return iommufd_refuse(IOMMU_WHY_ANSWER_CODE, response->code);

	guard(mutex)(&queue->answer_lock);
	xa_lock(&queue->groups);
	group = xa_load(&queue->groups, response->cookie);
	/* A group that is being read: user space cannot know the cookie yet. */
	if (group && !list_empty(&group->node))
		group = NULL;
	if (group)
		fault_dequeue(queue, group);
	xa_unlock(&queue->groups);
	if (!group)
		return iommufd_refuse(IOMMU_WHY_ANSWER_COOKIE,
				      response->cookie);
	fault_answer_dequeued(queue, group, response->code);
	return 0;
}

/*
 * What the file does
 */

static void fault_describe(const struct iopf_group *group,
			   const struct iopf_fault *fault, u32 dev_id,
			   struct iommu_hwpt_pgfault *record)
{
	const struct iommu_fault_page_request *request = &fault->fault.prm;

	*record = (struct iommu_hwpt_pgfault){
		.dev_id = dev_id,
		.pasid = request->pasid,
		.grpid = request->grpid,
		.perm = request->perm,
		.addr = request->addr,
		.cookie = group->cookie,
	};
	if (request->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID)
		record->flags |= IOMMU_PGFAULT_FLAGS_PASID_VALID;
	if (request->flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE)
		record->flags |= IOMMU_PGFAULT_FLAGS_LAST_PAGE;
}

/*
 * The oldest group to be read, if any. Groups of a device that is no longer
 * attached are passed over: fault_answer_all() is about to take them.
 */
static struct iopf_group *fault_first_unread(struct iommufd_fault_queue *queue,
					     u32 *dev_id)
{
	struct iopf_group *group;

	lockdep_assert_held(&queue->groups.xa_lock);

	list_for_each_entry(group, &queue->unread, node) {
		*dev_id = fault_device_id(group);
		if (*dev_id)
			return group;
	}
	return NULL;
}

/* Return: the size of the oldest group in records, 0 if there is none. */
static size_t fault_peek(struct iommufd_fault_queue *queue)
{
	struct iopf_group *group;
	size_t count;
	u32 dev_id;

	xa_lock(&queue->groups);
	group = fault_first_unread(queue, &dev_id);
	count = group ? group->fault_count : 0;
	xa_unlock(&queue->groups);
	return count;
}

/*
 * Give the oldest group its cookie, for which xa_alloc_cyclic() has reserved an
 * entry.
 * Return: false if the oldest group does not have @count records any more.
 */
static bool fault_describe_group(struct iommufd_fault_queue *queue, u32 cookie,
				 struct iommu_hwpt_pgfault *records,
				 size_t count)
{
	struct iopf_group *group;
	struct iopf_fault *fault;
	bool found = false;
	u32 dev_id;

	xa_lock(&queue->groups);
	group = fault_first_unread(queue, &dev_id);
	if (group && group->fault_count == count) {
		found = true;
		group->cookie = cookie;
		__xa_store(&queue->groups, cookie, group, GFP_NOWAIT);
		list_for_each_entry(fault, &group->faults, list)
			fault_describe(group, fault, dev_id, records++);
	}
	xa_unlock(&queue->groups);
	return found;
}

/* The group is gone if its device has left since fault_describe_group(). */
static void fault_mark_read(struct iommufd_fault_queue *queue, u32 cookie)
{
	struct iopf_group *group;

	xa_lock(&queue->groups);
	group = xa_load(&queue->groups, cookie);
	if (group)
		list_del_init(&group->node);
	xa_unlock(&queue->groups);
}

static void fault_mark_unread(struct iommufd_fault_queue *queue, u32 cookie)
{
	struct iopf_group *group;

	xa_lock(&queue->groups);
	group = __xa_erase(&queue->groups, cookie);
	if (group)
		group->cookie = 0;
	xa_unlock(&queue->groups);
}

static int fault_copy_group(struct iommufd_fault_queue *queue, u32 cookie,
			    struct iommu_hwpt_pgfault *records, size_t count,
			    char __user *user)
{
	/*
	 * The group was answered meanwhile, as its device has left: try the
	 * next.
	 */
	if (!fault_describe_group(queue, cookie, records, count))
		return -EAGAIN;
	if (copy_to_user(user, records, count * sizeof(*records)))
		return -EFAULT;
	fault_mark_read(queue, cookie);
	return 0;
}

/*
 * If the read fails the cookie is used for the next group: user space has not
 * seen it.
 */
static int fault_read_with_cookie(struct iommufd_fault_queue *queue,
				  struct iommu_hwpt_pgfault *records,
				  size_t count, char __user *user)
{
	u32 cookie, next_cookie = queue->next_cookie;
	int rc;

	lockdep_assert_held(&queue->common.read_lock);

	/* Only reserves an entry: a cookie is looked up as NULL until then. */
	rc = xa_alloc_cyclic(&queue->groups, &cookie, NULL,
			     XA_LIMIT(1, U32_MAX), &next_cookie,
			     GFP_KERNEL_ACCOUNT);
	if (rc)
		return rc;
	rc = fault_copy_group(queue, cookie, records, count, user);
	if (rc)
		fault_mark_unread(queue, cookie);
	else
		queue->next_cookie = next_cookie;
	return rc;
}

static int fault_check_read_size(size_t size)
{
	const size_t record = sizeof(struct iommu_hwpt_pgfault);

	if (size % record)
		return iommufd_refuse(IOMMU_WHY_QUEUE_RECORDS, size, record);
	return 0;
}

static ssize_t fault_read_one(struct iommufd_queue *common, char __user *user,
			      size_t room)
{
	struct iommufd_fault_queue *queue = to_fault_queue(common);
	struct iommu_hwpt_pgfault one, *records = &one;
	size_t count;
	int rc;

	count = fault_peek(queue);
	if (!count)
		return 0;
	if (count > room / sizeof(one))
		return iommufd_refuse(IOMMU_WHY_QUEUE_ROOM, room,
				      count * sizeof(one));
	if (count > 1) {
		records = kvmalloc_objs(*records, count, GFP_KERNEL_ACCOUNT);
		if (!records)
			return -ENOMEM;
	}
	rc = fault_read_with_cookie(queue, records, count, user);
	if (records != &one)
		kvfree(records);
	return rc ?: count * sizeof(one);
}

static ssize_t fault_write(struct iommufd_queue *common,
			   const char __user *user, size_t count)
{
	struct iommufd_fault_queue *queue = to_fault_queue(common);
	struct iommu_hwpt_page_response response;
	size_t done;
	int rc;

	if (count % sizeof(response))
		return iommufd_refuse(IOMMU_WHY_QUEUE_RECORDS, count,
				      sizeof(response));
	for (done = 0; done != count; done += sizeof(response)) {
		rc = -EFAULT;
		if (!copy_from_user(&response, user + done, sizeof(response)))
			rc = fault_answer_one(queue, &response);
		if (rc)
			return done ?: rc;
	}
	return done;
}

static bool fault_is_readable(struct iommufd_queue *common)
{
	return fault_peek(to_fault_queue(common));
}

static void fault_close(struct iommufd_queue *common)
{
	struct iommufd_fault_queue *queue = to_fault_queue(common);

	xa_lock(&queue->groups);
	queue->closed = true;
	xa_unlock(&queue->groups);
	fault_answer_all(queue, NULL, NULL);
}

static const struct iommufd_queue_ops fault_queue_ops = {
	.name = "[iommufd-pgfault]",
	.check_read_size = fault_check_read_size,
	.read_one = fault_read_one,
	.write = fault_write,
	.readable = fault_is_readable,
	.close = fault_close,
};

/*
 * The object
 */

static void fault_queue_destroy(struct iommufd_ctx *ctx,
				struct iommufd_object *obj)
{
	struct iommufd_fault_queue *queue = to_fault_queue(to_queue(obj));

	/* No page table uses it, so the last group went with an attachment. */
	WARN_ON(queue->nr_groups || !xa_empty(&queue->groups));
	xa_destroy(&queue->groups);
	mutex_destroy(&queue->answer_lock);
	iommufd_queue_destroy(&queue->common);
}

static void fault_queue_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_fault_queue *queue = to_fault_queue(to_queue(obj));

	/* Without the lock: the number may change at once anyway. */
	seq_printf(seq, " waiting=%u", data_race(queue->nr_groups));
}

const struct iommufd_object_ops iommufd_fault_queue_object_ops = {
	.name = "fault-queue",
	.size = sizeof(struct iommufd_fault_queue),
	.destroy = fault_queue_destroy,
	.show = fault_queue_show,
};

static struct iommufd_fault_queue *fault_queue_create(struct iommufd_ctx *ctx)
{
	struct iommufd_fault_queue *queue;
	struct iommufd_object *obj;

	obj = iommufd_object_alloc(ctx, IOMMUFD_OBJ_FAULT);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	queue = to_fault_queue(to_queue(obj));
	iommufd_queue_init(&queue->common, ctx, &fault_queue_ops);
	xa_init_flags(&queue->groups, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&queue->unread);
	mutex_init(&queue->answer_lock);
	return queue;
}

int iommufd_fault_queue_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_fault_alloc *cmd = call->arg;
	struct iommufd_fault_queue *queue;

	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	queue = fault_queue_create(call->ctx);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	call->created = &queue->common.obj;
	cmd->out_fault_id = queue->common.obj.id;
	return iommufd_queue_open(&queue->common, call, &cmd->out_fault_fd);
}

/**
 * iommufd_fault_use_queue - let a queue have the faults of a page table
 * @hwpt: a page table that nobody else knows of
 * @fault_id: ID of the queue, of which @hwpt gets a long-term reference
 *
 * Return: 0 or -ENOENT.
 */
int iommufd_fault_use_queue(struct iommufd_hw_pagetable *hwpt, u32 fault_id)
{
	struct iommufd_object *obj = iommufd_object_get(hwpt->ctx, fault_id,
							IOMMUFD_OBJ_FAULT);

	if (IS_ERR(obj))
		return PTR_ERR(obj);
	hwpt->fault_queue = to_fault_queue(to_queue(obj));
	hwpt->domain->iopf_handler = fault_handle_group;
	iommufd_object_hold(obj);
	iommufd_object_put(hwpt->ctx, obj);
	return 0;
}

/**
 * iommufd_fault_leave_queue - the reverse of iommufd_fault_use_queue()
 * @hwpt: a page table that is going away, with or without a queue
 */
void iommufd_fault_leave_queue(struct iommufd_hw_pagetable *hwpt)
{
	if (hwpt->fault_queue)
		iommufd_object_release(&hwpt->fault_queue->common.obj);
}

/**
 * iommufd_fault_show_queue - say for fdinfo where faults of a page table go
 * @seq: where to write
 * @hwpt: the page table, with or without a queue
 */
void iommufd_fault_show_queue(struct seq_file *seq,
			      const struct iommufd_hw_pagetable *hwpt)
{
	if (hwpt->fault_queue)
		seq_printf(seq, " fault-queue=%u",
			   hwpt->fault_queue->common.obj.id);
}

/*
 * Attachments
 */

/**
 * iommufd_fault_check_device - may the faults of a device be handled?
 * @hwpt: a page table
 * @idev: a device that is about to use it
 *
 * Virtual functions share the page request interface of the physical one, which
 * is not user space's to reset when requests are lost.
 *
 * Return: 0, or -EINVAL for a virtual function with page requests if @hwpt has
 * a queue for them.
 */
int iommufd_fault_check_device(struct iommufd_hw_pagetable *hwpt,
			       struct iommufd_device *idev)
{
	struct pci_dev *pdev;

	if (!hwpt->fault_queue || !dev_is_pci(idev->dev))
		return 0;
	pdev = to_pci_dev(idev->dev);
	if (pdev->is_virtfn && pci_pri_supported(pdev))
		return iommufd_refuse(IOMMU_WHY_VF_FAULTS, hwpt->obj.id);
	return 0;
}

/**
 * iommufd_fault_check - as iommufd_fault_check_device(), for several
 * @attachment: a page table and the devices that are about to use it
 *
 * Context: caller holds the lock of the group.
 * Return: as iommufd_fault_check_device().
 */
int iommufd_fault_check(struct iommufd_attachment *attachment)
{
	struct iommufd_device *idev;
	unsigned long id;
	int rc;

	xa_for_each(&attachment->devices, id, idev) {
		rc = iommufd_fault_check_device(attachment->hwpt, idev);
		if (rc)
			return rc;
	}
	return 0;
}

/**
 * iommufd_fault_end - answer what is left when an attachment ends
 * @attachment: the attachment
 * @idev: a device that has left it; NULL when hardware has left it for all
 *
 * On return no group of theirs waits for an answer, and none is being answered.
 *
 * Context: caller holds the lock of the group; may sleep. Cannot fail.
 */
void iommufd_fault_end(struct iommufd_attachment *attachment,
		       struct iommufd_device *idev)
{
	struct iommufd_fault_queue *queue = attachment->hwpt->fault_queue;

	lockdep_assert_held(&attachment->group->lock);

	if (queue)
		fault_answer_all(queue, attachment, idev);
}
