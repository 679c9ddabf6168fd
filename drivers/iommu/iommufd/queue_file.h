/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of queues: what waits in the kernel for user space to read it
 */
#ifndef __IOMMUFD_QUEUE_FILE_H
#define __IOMMUFD_QUEUE_FILE_H

#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "object.h"

struct iommufd_call;
struct iommufd_ctx;
struct iommufd_queue;

/**
 * struct iommufd_queue_ops - a type of queue
 * @name: of its files
 * @check_read_size: may so many bytes be read? Returns 0 or a negative errno.
 * @read_one: copy what came first to user space, if it fits. Called with
 *            iommufd_queue::read_lock held. Returns its size; 0 if there is
 *            nothing; -EINVAL if it does not fit; -EAGAIN if it has gone
 *            meanwhile; or a negative errno. Unless it was copied it stays.
 * @write: what the file operation of that name does, but that the offset is 0;
 *         NULL if nothing can be written
 * @readable: is there something to be read?
 * @close: nobody will read anything any more
 */
struct iommufd_queue_ops {
	const char *name;
	int (*check_read_size)(size_t size);
	ssize_t (*read_one)(struct iommufd_queue *queue, char __user *user,
			    size_t room);
	ssize_t (*write)(struct iommufd_queue *queue, const char __user *user,
			 size_t count);
	bool (*readable)(struct iommufd_queue *queue);
	void (*close)(struct iommufd_queue *queue);
};

/**
 * struct iommufd_queue - what all queues have
 * @obj: the object, of which the file holds a long-term reference
 * @ctx: the context, of which the file holds a reference
 * @ops: the type
 * @wait: who polls for something to read
 * @read_lock: held while something is copied to user space
 */
struct iommufd_queue {
	struct iommufd_object obj;
	struct iommufd_ctx *ctx;
	const struct iommufd_queue_ops *ops;
	wait_queue_head_t wait;
	struct mutex read_lock;		/* against other readers */
};

static inline struct iommufd_queue *to_queue(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_queue, obj);
}

/* There is something to be read. Context: any. */
static inline void iommufd_queue_wake(struct iommufd_queue *queue)
{
	wake_up_interruptible_poll(&queue->wait, EPOLLIN | EPOLLRDNORM);
}

void iommufd_queue_init(struct iommufd_queue *queue, struct iommufd_ctx *ctx,
			const struct iommufd_queue_ops *ops);
void iommufd_queue_destroy(struct iommufd_queue *queue);
int iommufd_queue_open(struct iommufd_queue *queue, struct iommufd_call *call,
		       u32 *out_fd);

#endif
