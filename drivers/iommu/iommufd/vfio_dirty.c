// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty bitmap of VFIO's type1 IOMMU driver, on an IOAS
 *
 * Owns iommufd_ioas_vfio::tracks_dirty and dirty_is_lost. Called by the
 * container, by page tables that come and go, and by accesses that go.
 *
 * It is offered where all page tables can tell which memory devices have
 * written to. VFIO's own offers it everywhere, and says that all is dirty where
 * it does not know; a program that believes that is worse off than one that
 * knows that it has to copy everything. But tracking that has begun has to go
 * on, so from then on the same is done here: all that is mapped is dirty if a
 * page table, or a driver that reaches the memory by software, cannot tell, and
 * also when one of these has gone, with what it knew or what nobody knows.
 */
#include <linux/bits.h>
#include <linux/log2.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>
#include <uapi/linux/vfio.h>

#include "ctx.h"
#include "dirty.h"
#include "engine/why.h"
#include "hwpt.h"
#include "ioas.h"
#include "vfio_dirty.h"
#include "vfio_ioas.h"

static int vfio_dirty_find_blind(struct iommufd_follower *follower, void *data)
{
	return !follower->domain->dirty_ops;
}

static bool vfio_dirty_all_tell(struct iommufd_ioas *ioas)
{
	return !iommufd_is_accessed(&ioas->as) &&
	       !iommufd_address_space_each_follower(&ioas->as,
						    vfio_dirty_find_blind,
						    NULL);
}

/**
 * iommufd_vfio_dirty_works - can it be told what devices write to?
 * @ioas: the IOAS
 *
 * The answer may be out of date.
 *
 * Context: process context, may sleep.
 * Return: true if all page tables can tell, and there are some.
 */
bool iommufd_vfio_dirty_works(struct iommufd_ioas *ioas)
{
	return iommufd_is_followed(&ioas->as) && vfio_dirty_all_tell(ioas);
}

static int vfio_dirty_start_follower(struct iommufd_follower *follower,
				     void *data)
{
	struct iommufd_hwpt_paging *hwpt = iommufd_hwpt_of_follower(follower);

	if (!follower->domain->dirty_ops)
		return 0;
	return iommufd_dirty_set_tracking(hwpt, true);
}

static int vfio_dirty_stop_follower(struct iommufd_follower *follower,
				    void *data)
{
	if (follower->domain->dirty_ops)
		iommufd_dirty_set_tracking(iommufd_hwpt_of_follower(follower),
					   false);
	return 0;
}

static void vfio_dirty_stop(struct iommufd_ioas *ioas)
{
	guard(mutex)(&ioas->hwpts_lock);
	WRITE_ONCE(ioas->vfio.tracks_dirty, false);
	iommufd_address_space_each_follower(&ioas->as,
					    vfio_dirty_stop_follower, NULL);
}

/* Starting twice changes nothing, and loses no dirty bits. */
static int vfio_dirty_start(struct iommufd_ioas *ioas)
{
	int rc;

	guard(mutex)(&ioas->hwpts_lock);
	if (ioas->vfio.tracks_dirty)
		return 0;
	/*
	 * Set before the walk: a page table that comes later sees it, and
	 * starts tracking in iommufd_vfio_dirty_enter().
	 */
	WRITE_ONCE(ioas->vfio.dirty_is_lost, false);
	WRITE_ONCE(ioas->vfio.tracks_dirty, true);
	rc = iommufd_address_space_each_follower(&ioas->as,
						 vfio_dirty_start_follower,
						 NULL);
	if (rc) {
		WRITE_ONCE(ioas->vfio.tracks_dirty, false);
		iommufd_address_space_each_follower(&ioas->as,
						    vfio_dirty_stop_follower,
						    NULL);
	}
	return rc;
}

/**
 * iommufd_vfio_dirty_enter - a page table follows an IOAS from now on
 * @hwpt: the page table, which no device uses yet
 *
 * Context: process context, may sleep.
 * Return: 0 or an error of the IOMMU driver.
 */
int iommufd_vfio_dirty_enter(struct iommufd_hwpt_paging *hwpt)
{
	if (!READ_ONCE(hwpt->ioas->vfio.tracks_dirty))
		return 0;
	return vfio_dirty_start_follower(&hwpt->follower, NULL);
}

/**
 * iommufd_vfio_dirty_leave - a page table or an access goes
 * @ioas: the IOAS, which it is still listed in, but writes to no more
 */
void iommufd_vfio_dirty_leave(struct iommufd_ioas *ioas)
{
	if (READ_ONCE(ioas->vfio.tracks_dirty))
		WRITE_ONCE(ioas->vfio.dirty_is_lost, true);
}

/* A walk over page tables, in the order of their IDs, that holds no lock */
struct vfio_dirty_walk {
	u32 id;
	struct iommufd_hwpt_paging *next;
};

/*
 * Is it the lowest one behind the last? No device uses what is not published.
 */
static int vfio_dirty_compare(struct iommufd_follower *follower, void *data)
{
	struct iommufd_hwpt_paging *hwpt = iommufd_hwpt_of_follower(follower);
	struct iommufd_ctx *ctx = hwpt->common.ctx;
	struct iommufd_object *obj = &hwpt->common.obj;
	struct vfio_dirty_walk *walk = data;

	if (!follower->domain->dirty_ops || obj->id <= walk->id ||
	    (walk->next && walk->next->common.obj.id < obj->id) ||
	    !iommufd_object_get_published(ctx, obj))
		return 0;
	if (walk->next)
		iommufd_object_put(ctx, &walk->next->common.obj);
	walk->next = hwpt;
	return 0;
}

/* The next page table, with a short-term reference, or NULL */
static struct iommufd_hwpt_paging *
vfio_dirty_next(struct iommufd_ioas *ioas, struct vfio_dirty_walk *walk)
{
	walk->next = NULL;
	iommufd_address_space_each_follower(&ioas->as, vfio_dirty_compare,
					    walk);
	if (walk->next)
		walk->id = walk->next->common.obj.id;
	return walk->next;
}

/*
 * No lock is held, since user memory is written to. Whoever goes meanwhile has
 * set @dirty_is_lost before it is missing in what is looked through.
 */
static int vfio_dirty_read_all(struct iommufd_ctx *ctx,
			       struct iommufd_ioas *ioas,
			       const struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	struct vfio_dirty_walk walk = {};
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	while ((hwpt = vfio_dirty_next(ioas, &walk))) {
		rc = iommufd_dirty_get_bitmap(hwpt, cmd);
		iommufd_object_put(ctx, &hwpt->common.obj);
		if (rc)
			return rc;
	}
	if (vfio_dirty_all_tell(ioas) && !READ_ONCE(ioas->vfio.dirty_is_lost))
		return 0;
	return iommufd_dirty_mark_mapped(ioas, cmd);
}

static int vfio_dirty_check(u64 length, const struct vfio_bitmap *bitmap)
{
	u64 npages;

	if (bitmap->pgsize != PAGE_SIZE)
		return iommufd_refuse(IOMMU_WHY_DIRTY_PAGE_SIZE, bitmap->pgsize,
				      length);
	npages = length >> PAGE_SHIFT;
	if (!npages || bitmap->size > IOMMUFD_VFIO_DIRTY_BITMAP_MAX ||
	    bitmap->size < BITS_TO_U64(npages) * sizeof(u64))
		return iommufd_refuse(IOMMU_WHY_DIRTY_BITMAP, bitmap->size,
				      BITS_TO_U64(npages) * sizeof(u64));
	return 0;
}

/**
 * iommufd_vfio_dirty_read - tell what devices have written to since last time
 * @ctx: the context
 * @ioas: the IOAS
 * @iova: first IOVA
 * @length: in bytes
 * @bitmap: where to set bits; those of what is clean are left alone
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL if dirty tracking was not started, or an argument is
 * wrong; -EOVERFLOW; -EFAULT; -ENOMEM; -EINTR.
 */
int iommufd_vfio_dirty_read(struct iommufd_ctx *ctx, struct iommufd_ioas *ioas,
			    u64 iova, u64 length,
			    const struct vfio_bitmap *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.iova = iova,
		.length = length,
		.page_size = bitmap->pgsize,
		.data = (uintptr_t)bitmap->data,
	};
	unsigned long last;
	int rc;

	rc = iommufd_iova_last(iova, length, &last) ?:
	     vfio_dirty_check(length, bitmap);
	if (rc)
		return rc;
	if (!IS_ALIGNED(iova | length, PAGE_SIZE))
		return iommufd_refuse(IOMMU_WHY_VFIO_ALIGNMENT, iova, length);
	if (!READ_ONCE(ioas->vfio.tracks_dirty))
		return iommufd_refuse(IOMMU_WHY_VFIO_DIRTY_OFF);
	return vfio_dirty_read_all(ctx, ioas, &cmd);
}

static int vfio_dirty_get_bitmap(struct iommufd_ctx *ctx,
				 struct iommufd_ioas *ioas,
				 const struct vfio_iommu_type1_dirty_bitmap *arg,
				 void __user *user)
{
	struct vfio_iommu_type1_dirty_bitmap_get get;

	if (arg->argsz < sizeof(*arg) + sizeof(get))
		return iommufd_refuse(IOMMU_WHY_SHORT_STRUCT, arg->argsz,
				      sizeof(*arg) + sizeof(get));
	if (copy_from_user(&get, user + sizeof(*arg), sizeof(get)))
		return -EFAULT;
	return iommufd_vfio_dirty_read(ctx, ioas, get.iova, get.size,
				       &get.bitmap);
}

static int vfio_dirty_pages(struct iommufd_ctx *ctx, struct iommufd_ioas *ioas,
			    void __user *user)
{
	struct vfio_iommu_type1_dirty_bitmap arg;

	if (!READ_ONCE(ioas->vfio.tracks_dirty) &&
	    !iommufd_vfio_dirty_works(ioas))
		return iommufd_refuse(IOMMU_WHY_VFIO_NO_DIRTY);
	if (READ_ONCE(ioas->vfio.unmaps_parts))
		return iommufd_refuse(IOMMU_WHY_VFIO_DIRTY_V1);
	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (arg.argsz < sizeof(arg))
		return iommufd_refuse(IOMMU_WHY_SHORT_STRUCT, arg.argsz,
				      sizeof(arg));
	switch (arg.flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
		return vfio_dirty_start(ioas);
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		vfio_dirty_stop(ioas);
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
		return vfio_dirty_get_bitmap(ctx, ioas, &arg, user);
	default:
		return iommufd_refuse(IOMMU_WHY_VFIO_FLAGS, arg.flags);
	}
}

int iommufd_vfio_dirty_pages_ioctl(struct iommufd_ctx *ctx, void __user *user)
{
	struct iommufd_ioas *ioas;
	int rc;

	ioas = iommufd_vfio_ioas_get(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = vfio_dirty_pages(ctx, ioas, user);
	iommufd_object_put(ctx, &ioas->obj);
	return rc;
}
