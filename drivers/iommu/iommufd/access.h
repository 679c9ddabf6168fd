/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The access object: a kernel driver that reaches an IOAS by software
 */
#ifndef __IOMMUFD_ACCESS_H
#define __IOMMUFD_ACCESS_H

#include <linux/mutex.h>

#include "address_space.h"
#include "object.h"

struct iommufd_ioas;

/**
 * struct iommufd_access - an access
 * @obj: the object
 * @ctx: the context, of which the access holds a reference
 * @ops: the driver's
 * @data: for @ops
 * @lock: guards what follows
 * @reacher: the access in the address space of @ioas_unpin
 * @ioas: where pages are pinned, NULL while there is none
 * @ioas_unpin: where pages are unpinned: stays until the driver has let go. The
 *              access holds a long-term reference of it.
 */
struct iommufd_access {
	struct iommufd_object obj;
	struct iommufd_ctx *ctx;
	const struct iommufd_access_ops *ops;
	void *data;
	struct mutex lock;		/* what follows */
	struct iommufd_reacher *reacher;
	struct iommufd_ioas *ioas;
	struct iommufd_ioas *ioas_unpin;
};

void iommufd_access_destroy_object(struct iommufd_ctx *ctx,
				   struct iommufd_object *obj);

#endif
