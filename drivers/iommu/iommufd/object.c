// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects: IDs, references, destruction
 *
 * Owns the table of objects, whose lock is a leaf. Called by everything that
 * has or takes an ID. A type is a row of iommufd_object_types[] in main.c.
 */
#define pr_fmt(fmt) "iommufd: " fmt

#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "call.h"
#include "ctx.h"
#include "engine/why.h"
#include "object.h"
#include "test_hooks.h"

/* How long an ioctl may hold an object before that is reported */
#define HOLDER_PATIENCE (60 * HZ)

/* How long DESTROY waits before new ioctls no longer find the object */
#define NEWCOMER_PATIENCE HZ

/**
 * iommufd_object_table_init - begin without objects
 * @ctx: the context, which iommufd_object_destroy_all() ends
 */
void iommufd_object_table_init(struct iommufd_ctx *ctx)
{
	xa_init_flags(&ctx->objects, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&ctx->object_wait);
}

/**
 * iommufd_object_run_if_none - do what must be done before there are objects
 * @ctx: the context
 * @run: called with the lock of the table held, so that no object is made
 *       meanwhile
 * @arg: for @run
 *
 * Context: process context.
 * Return: what @run returns, or -EBUSY if there is an object or one is made.
 */
int iommufd_object_run_if_none(struct iommufd_ctx *ctx,
			       int (*run)(struct iommufd_ctx *ctx, u64 arg),
			       u64 arg)
{
	int rc;

	xa_lock(&ctx->objects);
	if (xa_empty(&ctx->objects))
		rc = run(ctx, arg);
	else
		rc = iommufd_refuse(IOMMU_WHY_HAS_OBJECTS);
	xa_unlock(&ctx->objects);
	return rc;
}

static int object_take_id(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	/* One allocation that fails is tried again by xa_alloc(). */
	if (iommufd_should_fail())
		return -ENOMEM;
	return xa_alloc(&ctx->objects, &obj->id, XA_ZERO_ENTRY,
			XA_LIMIT(1, INT_MAX), GFP_KERNEL_ACCOUNT);
}

/**
 * iommufd_object_alloc_sized - make an object that is larger than its type
 * @ctx: the context
 * @type: the type
 * @size: bytes to allocate, at least what the type has; the rest is the IOMMU
 *        driver's
 *
 * Nobody finds the object until it is published. The caller publishes or aborts
 * it.
 *
 * Context: process context, may sleep.
 * Return: the object, zeroed but for its head, or an ERR_PTR: -ENOMEM;
 * -EBUSY when all IDs are taken; -EINVAL if @size is too small.
 */
struct iommufd_object *
iommufd_object_alloc_sized(struct iommufd_ctx *ctx,
			   enum iommufd_object_type type, size_t size)
{
	struct iommufd_object *obj;
	int rc;

	if (WARN_ON_ONCE(size < iommufd_object_types[type]->size))
		return ERR_PTR(-EINVAL);
	obj = kzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!obj)
		return ERR_PTR(-ENOMEM);
	obj->type = type;
	refcount_set(&obj->users, 1);
	refcount_set(&obj->wait_cnt, 1);

	rc = object_take_id(ctx, obj);
	if (rc) {
		kfree(obj);
		return ERR_PTR(rc);
	}
	return obj;
}

/**
 * iommufd_object_alloc - make an object and take an ID for it
 * @ctx: the context
 * @type: the type, which tells the size
 *
 * Otherwise as iommufd_object_alloc_sized().
 *
 * Context: process context, may sleep.
 * Return: as iommufd_object_alloc_sized().
 */
struct iommufd_object *iommufd_object_alloc(struct iommufd_ctx *ctx,
					    enum iommufd_object_type type)
{
	return iommufd_object_alloc_sized(ctx, type,
					  iommufd_object_types[type]->size);
}

/**
 * iommufd_object_publish - let others find an object
 * @ctx: the context
 * @obj: a complete object
 */
void iommufd_object_publish(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	void *old = xa_store(&ctx->objects, obj->id, obj, GFP_KERNEL);

	/* Cannot fail: the entry was allocated when the ID was taken. */
	WARN_ON(old);
}

/**
 * iommufd_object_is_published - can others find an object?
 * @ctx: the context
 * @obj: an object that is not freed meanwhile, but may be out of the table
 *
 * Context: any.
 *
 * Return: false if it is not published yet, or is being destroyed. It may be
 * when the caller looks at the answer.
 */
bool iommufd_object_is_published(struct iommufd_ctx *ctx,
				 struct iommufd_object *obj)
{
	/* The ID may be that of another object by now. */
	return xa_load(&ctx->objects, obj->id) == obj;
}

/*
 * Make an object dead, so that nobody gets a long-term reference any more.
 * Return: false if somebody has one.
 */
static bool object_try_kill(struct iommufd_object *obj)
{
	if (!refcount_dec_if_one(&obj->users))
		return false;
	smp_acquire__after_ctrl_dep();
	return true;
}

/* @obj: dead, and out of the table */
static void object_free(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	const struct iommufd_object_ops *ops = iommufd_object_types[obj->type];

	ops->destroy(ctx, obj);
	if (ops->free)
		ops->free(obj);
	else
		kfree(obj);
}

/**
 * iommufd_object_abort - free an object that was not published
 * @ctx: the context
 * @obj: the object, without long-term references; its destroy function copes
 *       with what is not set up yet
 */
void iommufd_object_abort(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	WARN_ON(!object_try_kill(obj));
	xa_erase(&ctx->objects, obj->id);
	object_free(ctx, obj);
}

static struct iommufd_object *object_find(struct iommufd_ctx *ctx, u32 id)
{
	struct iommufd_object *obj = ctx->recent_object;

	lockdep_assert_held(&ctx->objects.xa_lock);

	if (obj && obj->id == id)
		return obj;
	obj = xa_load(&ctx->objects, id);
	if (!obj || obj == ctx->hidden_object)
		return NULL;
	ctx->recent_object = obj;
	return obj;
}

static void object_hide(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	lockdep_assert_held(&ctx->objects.xa_lock);

	if (ctx->recent_object == obj)
		ctx->recent_object = NULL;
	ctx->hidden_object = obj;
}

static void object_forget(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	lockdep_assert_held(&ctx->objects.xa_lock);

	if (ctx->recent_object == obj)
		ctx->recent_object = NULL;
	if (ctx->hidden_object == obj)
		ctx->hidden_object = NULL;
}

/* Nobody finds the object any more. */
static void object_remove(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	object_forget(ctx, obj);
	__xa_erase(&ctx->objects, obj->id);
}

/* @obj: what was found instead, or NULL */
static int object_refuse(const struct iommufd_object *obj, u32 id)
{
	return obj ? iommufd_refuse(IOMMU_WHY_OBJECT_TYPE, id) :
		     iommufd_refuse(IOMMU_WHY_NO_OBJECT, id);
}

/**
 * iommufd_object_get - find an object and take a short-term reference
 * @ctx: the context
 * @id: its ID
 * @type: its type, or IOMMUFD_OBJ_ANY
 *
 * Return: the object, or ERR_PTR(-ENOENT).
 */
struct iommufd_object *iommufd_object_get(struct iommufd_ctx *ctx, u32 id,
					  enum iommufd_object_type type)
{
	struct iommufd_object *obj;

	if (iommufd_should_fail())
		return ERR_PTR(-ENOENT);

	xa_lock(&ctx->objects);
	obj = object_find(ctx, id);
	if (obj && (type == IOMMUFD_OBJ_ANY || obj->type == type))
		refcount_inc(&obj->wait_cnt);
	else
		obj = ERR_PTR(object_refuse(obj, id));
	xa_unlock(&ctx->objects);
	return obj;
}

/**
 * iommufd_object_get_published - a short-term reference of a known object
 * @ctx: the context
 * @obj: an object that is not freed meanwhile, but may be out of the table
 *
 * Context: any.
 * Return: true if the caller has the reference; false as
 * iommufd_object_is_published().
 */
bool iommufd_object_get_published(struct iommufd_ctx *ctx,
				  struct iommufd_object *obj)
{
	bool published;

	xa_lock(&ctx->objects);
	published = iommufd_object_is_published(ctx, obj);
	if (published)
		refcount_inc(&obj->wait_cnt);
	xa_unlock(&ctx->objects);
	return published;
}

/**
 * iommufd_object_next_id - walk over what is published
 * @ctx: the context
 * @id: an ID, or 0 to begin with; receives the next higher one
 *
 * Objects may come and go meanwhile: whoever wants the object tries to get it.
 *
 * Return: false if there is no higher ID.
 */
bool iommufd_object_next_id(struct iommufd_ctx *ctx, u32 *id)
{
	unsigned long index = *id;

	if (!xa_find_after(&ctx->objects, &index, ULONG_MAX, XA_PRESENT))
		return false;
	*id = index;
	return true;
}

/**
 * iommufd_object_put - drop a short-term reference
 * @ctx: the context
 * @obj: the object, which may be gone on return
 */
void iommufd_object_put(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	refcount_dec(&obj->wait_cnt);
	if (wq_has_sleeper(&ctx->object_wait))
		wake_up_all(&ctx->object_wait);
}

static int object_refuse_destroy(const struct iommufd_object *obj)
{
	return iommufd_refuse(IOMMU_WHY_OBJECT_IN_USE, obj->id,
			      refcount_read(&obj->users) - 1);
}

/* Take an object out of the table if nobody has a reference. */
static int object_try_take(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	lockdep_assert_held(&ctx->objects.xa_lock);

	/*
	 * In this order: who takes a long-term reference has a short-term one,
	 * and drops that afterwards.
	 */
	if (refcount_read(&obj->wait_cnt) != 1)
		return -EAGAIN;
	smp_rmb(); /* pairs with the release of refcount_dec() in put */
	if (!object_try_kill(obj))
		return object_refuse_destroy(obj);
	object_remove(ctx, obj);
	return 0;
}

static bool object_is_in_use(struct iommufd_object *obj)
{
	const struct iommufd_object_ops *ops = iommufd_object_types[obj->type];

	return ops->owned_by_kernel || refcount_read(&obj->users) != 1 ||
	       (ops->in_use && ops->in_use(obj));
}

/**
 * iommufd_object_sync_in_use - wait for calls of iommufd_object_ops::in_use()
 * @ctx: the context
 *
 * Later calls see what the caller has changed before this one. What only
 * earlier calls could look at may be freed.
 *
 * Context: any.
 */
void iommufd_object_sync_in_use(struct iommufd_ctx *ctx)
{
	/* in_use() is called with the lock held. */
	xa_lock(&ctx->objects);
	xa_unlock(&ctx->objects);
}

static int object_try_take_id(struct iommufd_ctx *ctx, u32 id,
			      struct iommufd_object **obj)
{
	int rc;

	xa_lock(&ctx->objects);
	/* Not object_find(): it may be hidden. */
	*obj = xa_load(&ctx->objects, id);
	if (!*obj)
		rc = iommufd_refuse(IOMMU_WHY_NO_OBJECT, id);
	else if (object_is_in_use(*obj))
		rc = object_refuse_destroy(*obj);
	else
		rc = object_try_take(ctx, *obj);
	xa_unlock(&ctx->objects);
	return rc;
}

static bool object_may_take_id(struct iommufd_ctx *ctx, u32 id,
			       struct iommufd_object **obj, int *rc)
{
	*rc = object_try_take_id(ctx, id, obj);
	return *rc != -EAGAIN;
}

static long object_wait_until_taken(struct iommufd_ctx *ctx, u32 id,
				    struct iommufd_object **obj, int *rc)
{
	return wait_event_killable_timeout(ctx->object_wait,
					   object_may_take_id(ctx, id, obj, rc),
					   NEWCOMER_PATIENCE);
}

/*
 * Threads whose ioctls overlap could keep an object for ever. So after some
 * time new ioctls do not find it. At most one object of a context is hidden;
 * another DESTROY that waits goes on without.
 */
static void object_refuse_newcomers(struct iommufd_ctx *ctx, u32 id)
{
	xa_lock(&ctx->objects);
	if (!ctx->hidden_object)
		object_hide(ctx, xa_load(&ctx->objects, id));
	xa_unlock(&ctx->objects);
}

static void object_admit_newcomers(struct iommufd_ctx *ctx, u32 id)
{
	xa_lock(&ctx->objects);
	if (ctx->hidden_object && ctx->hidden_object->id == id)
		ctx->hidden_object = NULL;
	xa_unlock(&ctx->objects);
}

static void object_report_holder(u32 id)
{
	pr_warn_ratelimited("object %u is held by an ioctl for a long time\n",
			    id);
}

/**
 * iommufd_object_destroy_id - destroy an object for user space
 * @ctx: the context
 * @id: its ID
 *
 * Waits for ioctls that are using the object. They may wait for user memory
 * that user space provides, so a fatal signal ends the wait. After some time
 * new ioctls no longer find the object, so that the wait has an end.
 *
 * Context: process context, may sleep.
 * Return: 0 with the ID gone; -ENOENT; -EBUSY if it is in use by another object
 * or belongs to a driver; -EINTR.
 */
int iommufd_object_destroy_id(struct iommufd_ctx *ctx, u32 id)
{
	unsigned long report_time = jiffies + HOLDER_PATIENCE;
	struct iommufd_object *obj;
	long left;
	int rc;

	for (;;) {
		left = object_wait_until_taken(ctx, id, &obj, &rc);
		if (left)
			break;
		object_refuse_newcomers(ctx, id);
		if (time_after(jiffies, report_time)) {
			object_report_holder(id);
			report_time = jiffies + HOLDER_PATIENCE;
		}
	}
	if (left > 0 && !rc) {
		object_free(ctx, obj);
		return 0;
	}
	object_admit_newcomers(ctx, id);
	return left < 0 ? -EINTR : rc;
}

/**
 * iommufd_object_release_and_take - drop a long-term reference, maybe the last
 * @ctx: the context
 * @obj: an object that is to vanish with its last long-term reference
 *
 * The caller makes sure that nobody takes a new long-term reference meanwhile.
 *
 * Return: true if it was the last: the object is dead, out of the table, and
 * the caller's to destroy by iommufd_object_destroy_taken().
 */
bool iommufd_object_release_and_take(struct iommufd_ctx *ctx,
				     struct iommufd_object *obj)
{
	bool last;

	xa_lock(&ctx->objects);
	refcount_dec(&obj->users);
	last = object_try_kill(obj);
	if (last)
		object_remove(ctx, obj);
	xa_unlock(&ctx->objects);
	return last;
}

/**
 * iommufd_object_bury - take an object, but leave its ID taken
 * @ctx: the context
 * @obj: an object that nobody has a long-term reference of, or takes one. It is
 *       not freed meanwhile, but somebody else may have begun to destroy it.
 *
 * Until the file closes the ID finds no object, and is not given to another.
 *
 * Context: any.
 * Return: true if the object is dead now, and the caller's to destroy by
 * iommufd_object_destroy_taken(); false if it is somebody else's to destroy.
 */
bool iommufd_object_bury(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	bool taken;

	xa_lock(&ctx->objects);
	taken = xa_load(&ctx->objects, obj->id) == obj &&
		!WARN_ON(!object_try_kill(obj));
	if (taken) {
		object_forget(ctx, obj);
		/* Needs no memory, as the entry is there. */
		__xa_store(&ctx->objects, obj->id, XA_ZERO_ENTRY, 0);
	}
	xa_unlock(&ctx->objects);
	return taken;
}

/* Wait for ioctls that found the object before it was out of the table. */
static void object_wait_for_holders(struct iommufd_ctx *ctx,
				    struct iommufd_object *obj)
{
	while (!wait_event_timeout(ctx->object_wait,
				   refcount_read(&obj->wait_cnt) == 1,
				   HOLDER_PATIENCE))
		object_report_holder(obj->id);
	smp_acquire__after_ctrl_dep();
}

/**
 * iommufd_object_destroy_taken - destroy an object that nobody can find
 * @ctx: the context
 * @obj: a dead object that is out of the table
 *
 * Waits for ioctls that found it before.
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_object_destroy_taken(struct iommufd_ctx *ctx,
				  struct iommufd_object *obj)
{
	object_wait_for_holders(ctx, obj);
	object_free(ctx, obj);
}

/**
 * iommufd_object_destroy_owned - destroy an object for the driver that owns it
 * @ctx: the context
 * @obj: an object of a type that is owned by the kernel, without long-term
 *       references but those that ioctls have while they run
 *
 * Nobody finds the object any more; waits for ioctls that found it before.
 *
 * Context: process context, may sleep. Cannot fail.
 */
void iommufd_object_destroy_owned(struct iommufd_ctx *ctx,
				  struct iommufd_object *obj)
{
	xa_lock(&ctx->objects);
	object_remove(ctx, obj);
	xa_unlock(&ctx->objects);
	object_wait_for_holders(ctx, obj);
	WARN_ON(!object_try_kill(obj));
	object_free(ctx, obj);
}

/*
 * One pass over the table, which destroys what nobody else needs. Objects of
 * drivers are left to them: a test object unbinds its device when it goes, and
 * other drivers hold the file, which is not closed before they let go.
 */
static bool object_destroy_unused(struct iommufd_ctx *ctx)
{
	struct iommufd_object *obj;
	bool destroyed = false;
	unsigned long id;

	xa_for_each(&ctx->objects, id, obj) {
		if (iommufd_object_types[obj->type]->owned_by_kernel ||
		    !object_try_kill(obj))
			continue;
		xa_lock(&ctx->objects);
		object_remove(ctx, obj);
		xa_unlock(&ctx->objects);
		object_free(ctx, obj);
		destroyed = true;
	}
	return destroyed;
}

/**
 * iommufd_object_destroy_all - destroy what is left when the file closes
 * @ctx: the context; no ioctl runs and no driver holds it
 */
void iommufd_object_destroy_all(struct iommufd_ctx *ctx)
{
	u32 id = 0;

	while (object_destroy_unused(ctx))
		;
	/* IDs of objects that were buried may still be taken. */
	WARN_ON(iommufd_object_next_id(ctx, &id));
	xa_destroy(&ctx->objects);
}

int iommufd_destroy_ioctl(struct iommufd_call *call)
{
	struct iommu_destroy *cmd = call->arg;

	return iommufd_object_destroy_id(call->ctx, cmd->id);
}
