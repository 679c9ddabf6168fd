// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of queues: what waits in the kernel for user space to read it
 *
 * Owns the file operations. Called by the types of queues: those of page
 * requests, and those of a vIOMMU's events. They share how a file is read, and
 * that it holds its object and the context.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>

#include "call.h"
#include "ctx.h"
#include "queue_file.h"
#include "refusals.h"

/**
 * iommufd_queue_init - make a queue that has no file yet
 * @queue: the queue, the rest of which is zero
 * @ctx: the context
 * @ops: the type
 */
void iommufd_queue_init(struct iommufd_queue *queue, struct iommufd_ctx *ctx,
			const struct iommufd_queue_ops *ops)
{
	queue->ctx = ctx;
	queue->ops = ops;
	init_waitqueue_head(&queue->wait);
	mutex_init(&queue->read_lock);
}

/**
 * iommufd_queue_destroy - the reverse of iommufd_queue_init()
 * @queue: the queue, which has no file any more
 */
void iommufd_queue_destroy(struct iommufd_queue *queue)
{
	mutex_destroy(&queue->read_lock);
}

/* Return: the bytes read, or a negative errno if there are none for it. */
static ssize_t queue_read(struct iommufd_queue *queue, char __user *user,
			  size_t count)
{
	size_t done = 0;
	ssize_t rc;

	do {
		rc = queue->ops->read_one(queue, user + done, count - done);
		if (rc > 0)
			done += rc;
	} while (rc > 0 || rc == -EAGAIN);
	return done ?: rc;
}

static ssize_t queue_read_locked(struct iommufd_queue *queue, char __user *user,
				 size_t count, loff_t pos)
{
	ssize_t rc;

	if (pos)
		return -ESPIPE;
	rc = queue->ops->check_read_size(count);
	if (rc)
		return rc;
	rc = mutex_lock_interruptible(&queue->read_lock);
	if (rc)
		return rc;
	rc = queue_read(queue, user, count);
	mutex_unlock(&queue->read_lock);
	return rc;
}

static ssize_t queue_fops_read(struct file *file, char __user *user,
			       size_t count, loff_t *pos)
{
	struct iommufd_queue *queue = file->private_data;
	ssize_t rc;

	rc = queue_read_locked(queue, user, count, *pos);
	if (rc < 0)
		rc = iommufd_refused(queue->ctx, IOMMU_REFUSED_READ, rc);
	return rc;
}

/* Only files of queues that can be written to are opened for writing. */
static ssize_t queue_fops_write(struct file *file, const char __user *user,
				size_t count, loff_t *pos)
{
	struct iommufd_queue *queue = file->private_data;
	ssize_t rc;

	rc = *pos ? -ESPIPE : queue->ops->write(queue, user, count);
	if (rc < 0)
		rc = iommufd_refused(queue->ctx, IOMMU_REFUSED_WRITE, rc);
	return rc;
}

static __poll_t queue_fops_poll(struct file *file,
				struct poll_table_struct *wait)
{
	struct iommufd_queue *queue = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &queue->wait, wait);
	if (queue->ops->write)
		events |= EPOLLOUT | EPOLLWRNORM;
	if (queue->ops->readable(queue))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

static int queue_fops_release(struct inode *inode, struct file *file)
{
	struct iommufd_queue *queue = file->private_data;
	struct iommufd_ctx *ctx = queue->ctx;

	queue->ops->close(queue);
	iommufd_object_release(&queue->obj);
	iommufd_ctx_put(ctx);
	return 0;
}

static const struct file_operations queue_fops = {
	.owner = THIS_MODULE,
	.read = queue_fops_read,
	.write = queue_fops_write,
	.poll = queue_fops_poll,
	.release = queue_fops_release,
};

static int queue_install_file(struct iommufd_queue *queue, int fd)
{
	struct file *file;

	file = anon_inode_getfile(queue->ops->name, &queue_fops, queue,
				  queue->ops->write ? O_RDWR : O_RDONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);
	iommufd_object_hold(&queue->obj);
	iommufd_ctx_get(queue->ctx);
	fd_install(fd, file);
	return 0;
}

/**
 * iommufd_queue_open - end an ioctl that makes a queue
 * @queue: the queue, complete but for its file
 * @call: the ioctl, which replies with what is in its structure now
 * @out_fd: the field of the structure for the descriptor
 *
 * It is the last thing that the ioctl does, as the file cannot be closed again
 * for user space.
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno if there is no file.
 */
int iommufd_queue_open(struct iommufd_queue *queue, struct iommufd_call *call,
		       u32 *out_fd)
{
	int fd, rc;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	*out_fd = fd;
	rc = iommufd_call_reply(call) ?: queue_install_file(queue, fd);
	if (rc)
		put_unused_fd(fd);
	return rc;
}
