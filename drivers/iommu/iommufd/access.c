// SPDX-License-Identifier: GPL-2.0-only
/*
 * The access object: a kernel driver that reaches an IOAS by software
 *
 * Owns the tie between a driver and an IOAS; the locks of the access guard it,
 * and are not held while the driver is called or somebody is waited for. The
 * entry points are the in-kernel API for mediated devices.
 */
#include <linux/cleanup.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "access.h"
#include "ctx.h"
#include "ioas.h"
#include "engine/pinned.h"
#include "object.h"
#include "refusals.h"
#include "vfio_dirty.h"

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
 * @ioas_unpin: where pages are unpinned: stays until the driver has unpinned.
 *              The access holds a long-term reference of it.
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

static struct iommufd_access *to_access(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_access, obj);
}

/**
 * iommufd_access_create - make an access for a driver
 * @ctx: the context, of which the access holds a reference
 * @ops: the driver's operations; unmap is needed to pin pages
 * @data: for @ops
 * @id: receives the ID of the access
 *
 * Context: process context, may sleep.
 * Return: the access, or an ERR_PTR: -EINVAL for @ops that do not go together;
 * -ENOMEM.
 */
struct iommufd_access *
iommufd_access_create(struct iommufd_ctx *ctx,
		      const struct iommufd_access_ops *ops, void *data, u32 *id)
{
	struct iommufd_access *access;
	struct iommufd_object *obj;

	if (ops->needs_pin_pages && !ops->unmap)
		return ERR_PTR(-EINVAL);

	obj = iommufd_object_alloc(ctx, IOMMUFD_OBJ_ACCESS);
	if (IS_ERR(obj))
		return iommufd_refused_ptr(ctx, IOMMU_REFUSED_BIND, obj);

	access = to_access(obj);
	access->ctx = ctx;
	iommufd_ctx_get(ctx);
	access->ops = ops;
	access->data = data;
	spin_lock_init(&access->ops_lock);
	init_waitqueue_head(&access->ops_done);
	mutex_init(&access->lock);
	*id = obj->id;
	iommufd_object_publish(ctx, obj);
	return access;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_create, "IOMMUFD");

static void access_destroy(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	struct iommufd_access *access = to_access(obj);

	mutex_destroy(&access->lock);
	iommufd_ctx_put(ctx);
}

static void access_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_access *access = to_access(obj);

	guard(spinlock)(&access->ops_lock);
	if (access->ioas)
		seq_printf(seq, " ioas=%u", access->ioas->obj.id);
}

const struct iommufd_object_ops iommufd_access_object_ops = {
	.name = "access",
	.size = sizeof(struct iommufd_access),
	.destroy = access_destroy,
	.show = access_show,
	.owned_by_kernel = true,
};

static void access_set_ioas(struct iommufd_access *access,
			    struct iommufd_ioas *ioas,
			    struct iommufd_ioas *ioas_unpin)
{
	lockdep_assert_held(&access->lock);

	spin_lock(&access->ops_lock);
	access->ioas = ioas;
	access->ioas_unpin = ioas_unpin;
	spin_unlock(&access->ops_lock);
}

/*
 * Takes the lock: the thread that made the count 0 has released it then, and no
 * longer touches the access.
 */
static bool access_is_done(struct iommufd_access *access,
			   const unsigned int *count)
{
	guard(spinlock)(&access->ops_lock);
	return !*count;
}

/*
 * On return nothing is pinned and no callback runs. Pins that are under way
 * through this access are waited for before the driver is asked to unpin, since
 * it has to unpin these, too. Callbacks are waited for while the driver can
 * still unpin, as they do that.
 */
static void access_leave_ioas(struct iommufd_access *access)
{
	struct iommufd_accessor *accessor = access->accessor;
	struct iommufd_ioas *ioas = access->ioas;

	access_set_ioas(access, NULL, ioas);
	mutex_unlock(&access->lock);

	wait_event(access->ops_done, access_is_done(access, &access->nr_ops));
	if (access->ops->unmap)
		access->ops->unmap(access->data, 0, ULONG_MAX);
	iommufd_vfio_dirty_leave(ioas);
	iommufd_address_space_remove_accessor(&ioas->as, accessor);
	wait_event(access->ops_done,
		   access_is_done(access, &access->nr_unpins));
	iommufd_accessor_free(accessor);

	mutex_lock(&access->lock);
	access_set_ioas(access, NULL, NULL);
	iommufd_object_release(&ioas->obj);
}

/* Move to another IOAS, or to none. */
static int access_change_ioas(struct iommufd_access *access,
			      struct iommufd_ioas *ioas)
{
	struct iommufd_accessor *accessor = NULL;

	lockdep_assert_held(&access->lock);

	if (access->ioas == ioas)
		return 0;
	/* Another thread is leaving, and waits for the driver. */
	if (access->ioas != access->ioas_unpin)
		return iommufd_refuse(IOMMU_WHY_ACCESS_LEAVING);

	if (ioas) {
		unsigned long alignment;

		alignment = access->ops->needs_pin_pages ? PAGE_SIZE : 1;
		accessor = iommufd_address_space_add_accessor(&ioas->as,
							      alignment,
							      access->ops->unmap,
							      access->data);
		if (IS_ERR(accessor))
			return PTR_ERR(accessor);
		iommufd_object_hold(&ioas->obj);
	}
	if (access->ioas)
		access_leave_ioas(access);
	access->accessor = accessor;
	access_set_ioas(access, ioas, ioas);
	return 0;
}

static int access_change_ioas_id(struct iommufd_access *access, u32 ioas_id)
{
	struct iommufd_ioas *ioas;
	int rc;

	lockdep_assert_held(&access->lock);

	ioas = iommufd_ioas_get(access->ctx, ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = access_change_ioas(access, ioas);
	iommufd_object_put(access->ctx, &ioas->obj);
	return rc;
}

/**
 * iommufd_access_attach - let a driver reach an IOAS
 * @access: the access, which is not attached
 * @ioas_id: ID of the IOAS
 *
 * Context: process context, may sleep.
 *
 * Return: 0; -EINVAL if it is attached; -EBUSY if another thread detaches it;
 * -ENOENT without such an IOAS; -EADDRINUSE if the driver needs whole pages and
 * an area does not consist of them; -ENOMEM.
 */
int iommufd_access_attach(struct iommufd_access *access, u32 ioas_id)
{
	int rc;

	mutex_lock(&access->lock);
	if (access->ioas)
		rc = iommufd_refuse(IOMMU_WHY_ACCESS_ATTACHED);
	else
		rc = access_change_ioas_id(access, ioas_id);
	mutex_unlock(&access->lock);
	return iommufd_refused(access->ctx, IOMMU_REFUSED_ACCESS_ATTACH, rc);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_attach, "IOMMUFD");

/**
 * iommufd_access_replace - let a driver reach another IOAS
 * @access: the access, which is attached
 * @ioas_id: ID of the IOAS
 *
 * The driver's unmap operation is called for everything.
 *
 * Context: process context, may sleep; no lock that the driver's unmap
 * operation takes.
 *
 * Return: 0; -ENOENT if it is not attached, or without such an IOAS; -EBUSY if
 * another thread detaches it; otherwise as iommufd_access_attach(). On an error
 * the access stays where it is.
 */
int iommufd_access_replace(struct iommufd_access *access, u32 ioas_id)
{
	int rc;

	mutex_lock(&access->lock);
	if (access->ioas)
		rc = access_change_ioas_id(access, ioas_id);
	else if (access->ioas_unpin)
		rc = iommufd_refuse(IOMMU_WHY_ACCESS_LEAVING);
	else
		rc = iommufd_refuse(IOMMU_WHY_ACCESS_NOT_ATTACHED);
	mutex_unlock(&access->lock);
	return iommufd_refused(access->ctx, IOMMU_REFUSED_ACCESS_ATTACH, rc);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_replace, "IOMMUFD");

/**
 * iommufd_access_detach - let a driver reach nothing
 * @access: the access, which is attached
 *
 * The driver's unmap operation is called for everything, and must have unpinned
 * it when it returns.
 *
 * Context: process context, may sleep; no lock that the driver's unmap
 * operation takes. Cannot fail.
 */
void iommufd_access_detach(struct iommufd_access *access)
{
	mutex_lock(&access->lock);
	if (!WARN_ON(!access->ioas))
		access_leave_ioas(access);
	mutex_unlock(&access->lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_detach, "IOMMUFD");

/**
 * iommufd_access_destroy - end an access
 * @access: the access, gone on return
 *
 * Waits for a running unmap operation of the driver; none runs afterwards.
 *
 * Context: process context, may sleep; no lock that the driver's unmap
 * operation takes. Cannot fail.
 */
void iommufd_access_destroy(struct iommufd_access *access)
{
	mutex_lock(&access->lock);
	if (access->ioas)
		access_leave_ioas(access);
	mutex_unlock(&access->lock);
	iommufd_object_destroy_owned(access->ctx, &access->obj);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_destroy, "IOMMUFD");

/*
 * Counts an operation that is about to use *@ioas, for which whoever leaves
 * that IOAS waits.
 * Return: the IOAS, or an ERR_PTR if the access is not attached.
 */
static struct iommufd_ioas *access_begin_op(struct iommufd_access *access,
					    struct iommufd_ioas **ioas,
					    unsigned int *count)
{
	guard(spinlock)(&access->ops_lock);
	if (!*ioas)
		return iommufd_refuse_ptr(IOMMU_WHY_ACCESS_NOT_ATTACHED);
	++*count;
	return *ioas;
}

static void access_end_op(struct iommufd_access *access, unsigned int *count)
{
	guard(spinlock)(&access->ops_lock);
	/*
	 * A waiter is in the queue before it takes the lock to check the count.
	 */
	if (!--*count && waitqueue_active(&access->ops_done))
		wake_up_all(&access->ops_done);
}

static int access_pin_pages(struct iommufd_access *access, unsigned long iova,
			    unsigned long length, struct page **out_pages,
			    unsigned int flags)
{
	struct iommufd_ioas *ioas;
	unsigned long last;
	int rc;

	if (!IS_ALIGNED(iova, PAGE_SIZE))
		return iommufd_refuse(IOMMU_WHY_ACCESS_ALIGNMENT, iova);
	rc = iommufd_iova_last(iova, length, &last);
	if (rc)
		return rc;

	ioas = access_begin_op(access, &access->ioas, &access->nr_ops);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = iommufd_address_space_pin(&ioas->as, access->accessor, iova, last,
				       flags & IOMMUFD_ACCESS_RW_WRITE,
				       out_pages);
	access_end_op(access, &access->nr_ops);
	return rc;
}

/**
 * iommufd_access_pin_pages - pin pages of an IOAS
 * @access: the access, of a driver that needs pages
 * @iova: first IOVA, page-aligned
 * @length: in bytes
 * @out_pages: receives a page for each page of the range
 * @flags: IOMMUFD_ACCESS_RW_WRITE if they will be written to
 *
 * Each call that succeeds needs an iommufd_access_unpin_pages() of the same
 * range. The same page may be pinned many times.
 *
 * Context: process context, may sleep and take the mmap_lock of the memory.
 *
 * Return: 0; -EINVAL for a range that is empty or not aligned; -EOVERFLOW if it
 * wraps; -ENOENT if the access is not attached or there is a hole in the range;
 * -EINVAL if a part is being unmapped or has no whole pages; -EPERM; errors of
 * pinning. On an error nothing is pinned.
 */
int iommufd_access_pin_pages(struct iommufd_access *access, unsigned long iova,
			     unsigned long length, struct page **out_pages,
			     unsigned int flags)
{
	int rc;

	/* A driver that pins says so when it makes the access. */
	if (WARN_ON(!access->ops->needs_pin_pages))
		return -EINVAL;
	rc = access_pin_pages(access, iova, length, out_pages, flags);
	return iommufd_refused(access->ctx, IOMMU_REFUSED_ACCESS, rc);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_pin_pages, "IOMMUFD");

/**
 * iommufd_access_unpin_pages - unpin pages of an IOAS
 * @access: the access
 * @iova: first IOVA, as it was pinned
 * @length: in bytes, as it was pinned
 *
 * Context: process context, may sleep. May be called by the driver's unmap
 * operation. Cannot fail.
 */
void iommufd_access_unpin_pages(struct iommufd_access *access,
				unsigned long iova, unsigned long length)
{
	struct iommufd_ioas *ioas;
	unsigned long last;

	if (WARN_ON(iommufd_iova_last(iova, length, &last)))
		return;

	ioas = access_begin_op(access, &access->ioas_unpin, &access->nr_unpins);
	if (WARN_ON(IS_ERR(ioas)))
		return;
	iommufd_address_space_unpin(&ioas->as, access->accessor, iova, last);
	access_end_op(access, &access->nr_unpins);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_unpin_pages, "IOMMUFD");

static unsigned int access_copy_flags(unsigned int flags)
{
	unsigned int how = 0;

	if (flags & IOMMUFD_ACCESS_RW_KTHREAD)
		how |= IOMMUFD_COPY_KTHREAD;
	if (flags & __IOMMUFD_ACCESS_RW_SLOW_PATH)
		how |= IOMMUFD_COPY_BY_PINS;
	return how;
}

static int access_rw(struct iommufd_access *access, unsigned long iova,
		     void *data, size_t length, unsigned int flags)
{
	struct iommufd_ioas *ioas;
	unsigned long last;
	int rc;

	rc = iommufd_iova_last(iova, length, &last);
	if (rc)
		return rc;

	ioas = access_begin_op(access, &access->ioas, &access->nr_ops);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = iommufd_address_space_copy(&ioas->as, iova, last, data,
					flags & IOMMUFD_ACCESS_RW_WRITE,
					access_copy_flags(flags));
	access_end_op(access, &access->nr_ops);
	return rc;
}

/**
 * iommufd_access_rw - read or write memory of an IOAS
 * @access: the access
 * @iova: first IOVA
 * @data: kernel memory to write from or read to
 * @length: in bytes
 * @flags: IOMMUFD_ACCESS_RW_WRITE to write to the IOAS;
 *         IOMMUFD_ACCESS_RW_KTHREAD if the caller is a kernel thread
 *
 * Nothing stays pinned.
 *
 * Context: process context, may sleep and take the mmap_lock of the memory.
 *
 * Return: 0; otherwise as iommufd_access_pin_pages(), but that no pages are
 * needed and a part may be copied.
 */
int iommufd_access_rw(struct iommufd_access *access, unsigned long iova,
		      void *data, size_t length, unsigned int flags)
{
	int rc;

	rc = access_rw(access, iova, data, length, flags);
	return iommufd_refused(access->ctx, IOMMU_REFUSED_ACCESS, rc);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_rw, "IOMMUFD");
