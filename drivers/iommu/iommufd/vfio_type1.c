// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of VFIO's type1 IOMMU driver, on an IOAS
 *
 * Owns nothing. Called by the container.
 */
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>
#include <uapi/linux/vfio.h>

#include "ctx.h"
#include "engine/why.h"
#include "ioas.h"
#include "ioas_tell.h"
#include "vfio_dirty.h"
#include "vfio_ioas.h"
#include "vfio_type1.h"

/*
 * Read the part of a structure that every program knows. The first field is the
 * size as the program knows it.
 */
static int type1_read_arg(void *arg, size_t min_size, const void __user *user)
{
	const u32 *argsz = arg;

	if (copy_from_user(arg, user, min_size))
		return -EFAULT;
	if (*argsz < min_size)
		return iommufd_refuse(IOMMU_WHY_SHORT_STRUCT, *argsz, min_size);
	return 0;
}

/*
 * GET_INFO
 */

/* struct vfio_iommu_type1_info, followed by a chain of capabilities */
struct type1_reply {
	struct vfio_iommu_type1_info *info;
	size_t length;
	struct vfio_info_cap_header *last_cap;
};

/* At most: not all capabilities are always there. */
static size_t type1_reply_size(u32 nr_ranges)
{
	struct vfio_iommu_type1_info_cap_iova_range *ranges;

	return sizeof(struct vfio_iommu_type1_info) +
	       ALIGN(sizeof(struct vfio_iommu_type1_info_cap_migration), 8) +
	       ALIGN(sizeof(struct vfio_iommu_type1_info_dma_avail), 8) +
	       ALIGN(struct_size(ranges, iova_ranges, nr_ranges), 8);
}

static void *type1_reply_add_cap(struct type1_reply *reply, u16 id, size_t size)
{
	struct vfio_info_cap_header *cap =
		(void *)reply->info + reply->length;

	cap->id = id;
	cap->version = 1;
	if (reply->last_cap)
		reply->last_cap->next = reply->length;
	reply->last_cap = cap;
	reply->length += ALIGN(size, 8);
	return cap;
}

static void type1_reply_migration(struct type1_reply *reply)
{
	struct vfio_iommu_type1_info_cap_migration *cap;

	cap = type1_reply_add_cap(reply, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION,
				  sizeof(*cap));
	cap->pgsize_bitmap = PAGE_SIZE;
	cap->max_dirty_bitmap_size = IOMMUFD_VFIO_DIRTY_BITMAP_MAX;
}

/* Nothing but memory limits how much is mapped. */
static void type1_reply_dma_avail(struct type1_reply *reply)
{
	struct vfio_iommu_type1_info_dma_avail *cap;

	cap = type1_reply_add_cap(reply, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
				  sizeof(*cap));
	cap->avail = U32_MAX;
}

static void type1_reply_iova_ranges(struct type1_reply *reply,
				    const struct iommu_iova_range *ranges,
				    u32 nr)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	u32 i;

	cap = type1_reply_add_cap(reply, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
				  struct_size(cap, iova_ranges, nr));
	cap->nr_iovas = nr;
	for (i = 0; i != nr; i++) {
		cap->iova_ranges[i].start = ranges[i].start;
		cap->iova_ranges[i].end = ranges[i].last;
	}
}

static int type1_intersect_pgsizes(struct iommufd_follower *follower,
				   void *data)
{
	unsigned long *pgsizes = data;

	*pgsizes &= follower->domain->pgsize_bitmap;
	return 0;
}

/* Programs align to PAGE_SIZE, and some do not know of anything smaller. */
static u64 type1_pgsizes(struct iommufd_ioas *ioas, unsigned long alignment)
{
	unsigned long pgsizes = ULONG_MAX;

	iommufd_address_space_each_follower(&ioas->as, type1_intersect_pgsizes,
					    &pgsizes);
	if (pgsizes & ~PAGE_MASK)
		pgsizes = (pgsizes & PAGE_MASK) | PAGE_SIZE;
	return pgsizes & ~(alignment - 1);
}

static int type1_reply_make(struct type1_reply *reply,
			    struct iommufd_ioas *ioas)
{
	struct iommu_iova_range *ranges;
	unsigned long alignment;
	u32 nr;

	ranges = iommufd_ioas_snapshot_ranges(ioas, U32_MAX, &nr, &alignment);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	reply->info = kvzalloc(type1_reply_size(nr), GFP_KERNEL_ACCOUNT);
	if (reply->info) {
		reply->length = sizeof(*reply->info);
		reply->last_cap = NULL;
		reply->info->flags = VFIO_IOMMU_INFO_PGSIZES |
				     VFIO_IOMMU_INFO_CAPS;
		reply->info->iova_pgsizes = type1_pgsizes(ioas, alignment);
		if (iommufd_vfio_dirty_works(ioas))
			type1_reply_migration(reply);
		type1_reply_dma_avail(reply);
		type1_reply_iova_ranges(reply, ranges, nr);
	}
	kvfree(ranges);
	return reply->info ? 0 : -ENOMEM;
}

/* Nothing is written behind @argsz bytes; the chain only if all of it fits. */
static int type1_reply_write(struct type1_reply *reply, void __user *user,
			     u32 argsz)
{
	bool fits = argsz >= reply->length;
	size_t size;

	reply->info->argsz = reply->length;
	reply->info->cap_offset = fits ? sizeof(*reply->info) : 0;
	size = fits ? reply->length : min(argsz, sizeof(*reply->info));
	return copy_to_user(user, reply->info, size) ? -EFAULT : 0;
}

int iommufd_vfio_get_info_ioctl(struct iommufd_ctx *ctx, void __user *user)
{
	struct vfio_iommu_type1_info arg;
	struct iommufd_ioas *ioas;
	struct type1_reply reply;
	int rc;

	rc = type1_read_arg(&arg, offsetofend(typeof(arg), iova_pgsizes), user);
	if (rc)
		return rc;
	ioas = iommufd_vfio_ioas_get(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = type1_reply_make(&reply, ioas);
	iommufd_object_put(ctx, &ioas->obj);
	if (rc)
		return rc;
	rc = type1_reply_write(&reply, user, arg.argsz);
	kvfree(reply.info);
	return rc;
}

/*
 * MAP_DMA
 */

static u32 type1_map_flags(u32 flags)
{
	u32 map_flags = IOMMU_IOAS_MAP_FIXED_IOVA;

	if (flags & VFIO_DMA_MAP_FLAG_READ)
		map_flags |= IOMMU_IOAS_MAP_READABLE;
	if (flags & VFIO_DMA_MAP_FLAG_WRITE)
		map_flags |= IOMMU_IOAS_MAP_WRITEABLE;
	return map_flags;
}

int iommufd_vfio_map_dma_ioctl(struct iommufd_ctx *ctx, void __user *user)
{
	const u32 known = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
	struct vfio_iommu_type1_dma_map arg;
	struct iommu_ioas_map map = {};
	struct iommufd_ioas *ioas;
	int rc;

	rc = type1_read_arg(&arg, offsetofend(typeof(arg), size), user);
	if (rc)
		return rc;
	if (arg.flags & ~known)
		return iommufd_refuse(IOMMU_WHY_VFIO_FLAGS, arg.flags);
	ioas = iommufd_vfio_ioas_get(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	map.flags = type1_map_flags(arg.flags);
	map.user_va = arg.vaddr;
	map.iova = arg.iova;
	map.length = arg.size;
	rc = iommufd_ioas_map_for_process(ctx, ioas, &map);
	iommufd_object_put(ctx, &ioas->obj);
	return rc;
}

/*
 * UNMAP_DMA
 */

/* Not together, and nothing else */
static bool type1_unmap_flags_are_known(u32 flags)
{
	return !flags || flags == VFIO_DMA_UNMAP_FLAG_ALL ||
	       flags == VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
}

static int type1_check_unmap(struct iommufd_iova_space *space,
			     const struct vfio_iommu_type1_dma_unmap *arg,
			     unsigned long *last)
{
	if (!iommufd_iova_space_is_aligned(space, arg->iova, arg->size))
		return iommufd_refuse(IOMMU_WHY_VFIO_ALIGNMENT, arg->iova,
				      arg->size);
	if (!(arg->flags & VFIO_DMA_UNMAP_FLAG_ALL))
		return iommufd_iova_last(arg->iova, arg->size, last);
	*last = ULONG_MAX;
	if (arg->iova || arg->size)
		return iommufd_refuse(IOMMU_WHY_VFIO_UNMAP_ALL, arg->iova,
				      arg->size);
	return 0;
}

/* If nothing of the range is left, nothing is unmapped, which is no error. */
static int type1_unmap_parts(struct iommufd_address_space *as,
			     unsigned long iova, unsigned long last,
			     unsigned long *unmapped)
{
	int rc;

	rc = iommufd_address_space_cut(as, &iova, &last);
	if (rc) {
		*unmapped = 0;
		return iommufd_errno(rc) == -ENOENT ? 0 : rc;
	}
	return iommufd_address_space_unmap(as, iova, last, unmapped);
}

static int type1_unmap(struct iommufd_ioas *ioas, unsigned long iova,
		       unsigned long last, unsigned long *unmapped)
{
	int rc;

	/* Try without a cut first: most ranges need none. */
	rc = iommufd_address_space_unmap(&ioas->as, iova, last, unmapped);
	if (!rc || !READ_ONCE(ioas->vfio.unmaps_parts) ||
	    iommufd_errno(rc) != -ENOENT)
		return rc;
	return type1_unmap_parts(&ioas->as, iova, last, unmapped);
}

/*
 * Read before the unmap. What devices write after that races with the unmap,
 * which their driver has to prevent.
 */
static int type1_unmap_read_dirty(struct iommufd_ctx *ctx,
				  struct iommufd_ioas *ioas,
				  const struct vfio_iommu_type1_dma_unmap *arg,
				  const void __user *user)
{
	struct vfio_bitmap bitmap;

	if (arg->argsz < sizeof(*arg) + sizeof(bitmap))
		return iommufd_refuse(IOMMU_WHY_SHORT_STRUCT, arg->argsz,
				      sizeof(*arg) + sizeof(bitmap));
	if (copy_from_user(&bitmap, user + sizeof(*arg), sizeof(bitmap)))
		return -EFAULT;
	return iommufd_vfio_dirty_read(ctx, ioas, arg->iova, arg->size,
				       &bitmap);
}

/* As for IOMMU_IOAS_UNMAP: what may fail comes before what cannot be undone. */
static int type1_unmap_and_reply(struct iommufd_ctx *ctx,
				 struct iommufd_ioas *ioas,
				 const struct vfio_iommu_type1_dma_unmap *arg,
				 void __user *user)
{
	struct vfio_iommu_type1_dma_unmap __user *reply = user;
	unsigned long last, unmapped;
	int rc;

	rc = type1_check_unmap(&ioas->as.space, arg, &last);
	if (rc)
		return rc;
	if (arg->flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) {
		rc = type1_unmap_read_dirty(ctx, ioas, arg, user);
		if (rc)
			return rc;
	}
	if (put_user(arg->size, &reply->size))
		return -EFAULT;
	rc = type1_unmap(ioas, arg->iova, last, &unmapped);
	rc = iommufd_ioas_tell_unmap(ctx, ioas, arg->iova, last, &unmapped, rc);
	if (rc || unmapped == arg->size)
		return rc;
	return put_user((u64)unmapped, &reply->size);
}

int iommufd_vfio_unmap_dma_ioctl(struct iommufd_ctx *ctx, void __user *user)
{
	struct vfio_iommu_type1_dma_unmap arg;
	struct iommufd_ioas *ioas;
	int rc;

	rc = type1_read_arg(&arg, offsetofend(typeof(arg), size), user);
	if (rc)
		return rc;
	if (!type1_unmap_flags_are_known(arg.flags))
		return iommufd_refuse(IOMMU_WHY_VFIO_FLAGS, arg.flags);
	ioas = iommufd_vfio_ioas_get(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = type1_unmap_and_reply(ctx, ioas, &arg, user);
	iommufd_object_put(ctx, &ioas->obj);
	return rc;
}
