/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The access object: a kernel driver that reaches an IOAS by software
 */
#ifndef __IOMMUFD_ACCESS_H
#define __IOMMUFD_ACCESS_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "engine/address_space.h"
#include "object.h"

struct iommufd_ioas;

/**
 * struct iommufd_access - an access
 * @obj: the object
 * @ctx: the context, of which the access holds a reference
 * @ops: the driver's
 * @data: for @ops
 * @lock: held by who moves the access to another IOAS, but not while he waits
 * @accessor: the access in the address space of @ioas_unpin; changes with @lock
 *           held, and not as long as somebody pins or unpins
 * @ops_lock: guards what follows; @ioas and @ioas_unpin change with @lock held,
 *            too
 * @ioas: where pages are pinned, NULL while there is none
 * @ioas_unpin: where pages are unpinned: stays until the driver has unpinned. The
 *              access holds a long-term reference of it.
 * @nr_ops: threads that are pinning or copying in @ioas
 * @nr_unpins: threads that are unpinning in @ioas_unpin
 * @ops_done: woken when one of the two numbers becomes 0
 */
struct iommufd_access {
	struct iommufd_object obj;
	struct iommufd_ctx *ctx;
	const struct iommufd_access_ops *ops;
	void *data;
	struct mutex lock;		/* changes of the IOAS */
	struct iommufd_accessor *accessor;
	spinlock_t ops_lock;		/* what follows */
	struct iommufd_ioas *ioas;
	struct iommufd_ioas *ioas_unpin;
	unsigned int nr_ops;
	unsigned int nr_unpins;
	wait_queue_head_t ops_done;
};

extern const struct iommufd_object_ops iommufd_access_object_ops;

#endif
