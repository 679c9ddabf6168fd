/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects: what has an ID
 */

/**
 * DOC: References of objects
 *
 * There are two kinds of references::
 *
 *  short-term  by an ioctl while it runs; DESTROY waits for it. Counted in
 *              iommufd_object::wait_cnt. A virtual device has one of its device
 *              for good, but unbind destroys it before it waits.
 *  long-term   by another object or by a kernel driver; DESTROY fails with it.
 *              Counted in iommufd_object::users. Taken only by somebody who has
 *              a short-term reference, so that one who finds no short-term
 *              reference and no long-term one, under the table's lock, knows
 *              that there will be none.
 *
 * Both counts start at one, which belongs to the table.
 *
 * An object that is being destroyed is dead: its users are zero from the moment
 * at which it is decided that nobody has a long-term reference. IOMMU drivers
 * find objects in places of their own, without a short-term reference: such a
 * one takes a long-term reference by iommufd_object_hold_alive(), which fails
 * then. iommufd_object_hold() warns when somebody should have.
 */
#ifndef __IOMMUFD_OBJECT_H
#define __IOMMUFD_OBJECT_H

#include <linux/iommufd.h>

struct iommufd_call;
struct iommufd_ctx;
struct seq_file;

/* A type that the base kernel, which owns the enumeration, does not know */
#define IOMMUFD_OBJ_PASID ((enum iommufd_object_type)IOMMUFD_OBJ_MAX)
#define IOMMUFD_NR_OBJ_TYPES (IOMMUFD_OBJ_MAX + 1)

/**
 * struct iommufd_object_ops - a type of object
 * @name: what the file's fdinfo calls it
 * @size: bytes to allocate, or the least where the IOMMU driver tells how many;
 *        the struct iommufd_object comes first
 * @in_use: whether DESTROY is to fail although nobody has a long-term
 *          reference; called with the lock of the table held, see
 *          iommufd_object_sync_in_use(). May be NULL.
 * @destroy: free what the object owns, not its memory. Cannot fail.
 * @free: free its memory, where kfree() does not do. May be NULL.
 * @show: say what is known of it, for fdinfo: words that begin with a space.
 *        Called with a short-term reference; waits for nobody who may be
 *        waiting for user space. May be NULL.
 * @owned_by_kernel: only the driver that made it can destroy it
 */
struct iommufd_object_ops {
	const char *name;
	size_t size;
	bool (*in_use)(struct iommufd_object *obj);
	void (*destroy)(struct iommufd_ctx *ctx, struct iommufd_object *obj);
	void (*free)(struct iommufd_object *obj);
	void (*show)(struct seq_file *seq, struct iommufd_object *obj);
	bool owned_by_kernel;
};

/* By type, NULL where there is none */
extern const struct iommufd_object_ops *const
iommufd_object_types[IOMMUFD_NR_OBJ_TYPES];

void iommufd_object_table_init(struct iommufd_ctx *ctx);
int iommufd_object_run_if_none(struct iommufd_ctx *ctx,
			       int (*run)(struct iommufd_ctx *ctx, u64 arg),
			       u64 arg);

struct iommufd_object *
iommufd_object_alloc_sized(struct iommufd_ctx *ctx,
			   enum iommufd_object_type type, size_t size);
struct iommufd_object *iommufd_object_alloc(struct iommufd_ctx *ctx,
					    enum iommufd_object_type type);
void iommufd_object_publish(struct iommufd_ctx *ctx,
			    struct iommufd_object *obj);
bool iommufd_object_is_published(struct iommufd_ctx *ctx,
				 struct iommufd_object *obj);
void iommufd_object_abort(struct iommufd_ctx *ctx, struct iommufd_object *obj);

bool iommufd_object_get_published(struct iommufd_ctx *ctx,
				  struct iommufd_object *obj);
struct iommufd_object *iommufd_object_get(struct iommufd_ctx *ctx, u32 id,
					  enum iommufd_object_type type);
bool iommufd_object_next_id(struct iommufd_ctx *ctx, u32 *id);
void iommufd_object_put(struct iommufd_ctx *ctx, struct iommufd_object *obj);

/* A short-term reference of an object that a long-term one keeps alive */
static inline void iommufd_object_get_held(struct iommufd_object *obj)
{
	refcount_inc(&obj->wait_cnt);
}

static inline void iommufd_object_hold(struct iommufd_object *obj)
{
	refcount_inc(&obj->users);
}

/* Without a short-term reference; false if the object is being destroyed */
static inline bool iommufd_object_hold_alive(struct iommufd_object *obj)
{
	return refcount_inc_not_zero(&obj->users);
}

static inline void iommufd_object_release(struct iommufd_object *obj)
{
	refcount_dec(&obj->users);
}

void iommufd_object_sync_in_use(struct iommufd_ctx *ctx);
int iommufd_object_destroy_id(struct iommufd_ctx *ctx, u32 id);
void iommufd_object_destroy_owned(struct iommufd_ctx *ctx,
				  struct iommufd_object *obj);
bool iommufd_object_release_and_take(struct iommufd_ctx *ctx,
				     struct iommufd_object *obj);
bool iommufd_object_bury(struct iommufd_ctx *ctx, struct iommufd_object *obj);
void iommufd_object_destroy_taken(struct iommufd_ctx *ctx,
				  struct iommufd_object *obj);
void iommufd_object_destroy_all(struct iommufd_ctx *ctx);

int iommufd_destroy_ioctl(struct iommufd_call *call);

#endif
