// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAS object and its ioctls
 *
 * Turns what user space asks for into calls of the engine, and checks it first.
 * The order of the checks is part of the ABI.
 */
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <trace/events/iommufd.h>

#include "call.h"
#include "ctx.h"
#include "ioas.h"
#include "engine/pinned.h"
#include "engine/source.h"
#include "engine/why.h"
#include "ioas_tell.h"
#include "recorder.h"
#include "test_hooks.h"
#include "vfio_ioas.h"

/**
 * iommufd_ioas_create - make an IOAS
 * @ctx: the context
 *
 * Return: the object, for the caller to publish or abort, or an ERR_PTR.
 */
struct iommufd_ioas *iommufd_ioas_create(struct iommufd_ctx *ctx)
{
	struct iommufd_object *obj;
	struct iommufd_ioas *ioas;

	obj = iommufd_object_alloc(ctx, IOMMUFD_OBJ_IOAS);
	if (IS_ERR(obj))
		return ERR_CAST(obj);

	ioas = to_ioas(obj);
	iommufd_address_space_init(&ioas->as);
	mutex_init(&ioas->hwpts_lock);
	INIT_LIST_HEAD(&ioas->auto_hwpts);
	return ioas;
}

static void ioas_destroy(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = to_ioas(obj);

	iommufd_vfio_ioas_forget(ctx, obj);
	iommufd_address_space_destroy(&ioas->as);
	mutex_destroy(&ioas->hwpts_lock);
}

static void ioas_show(struct seq_file *seq, struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = to_ioas(obj);
	struct iommufd_mapped mapped;

	iommufd_address_space_measure(&ioas->as, &mapped);
	seq_printf(seq, " areas=%lu mapped=%llu pinned=%llu maps=%lu unmaps=%lu",
		   mapped.nr_areas, mapped.bytes, mapped.pinned, mapped.nr_came,
		   mapped.nr_went);
}

const struct iommufd_object_ops iommufd_ioas_object_ops = {
	.name = "ioas",
	.size = sizeof(struct iommufd_ioas),
	.destroy = ioas_destroy,
	.show = ioas_show,
};

int iommufd_ioas_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_alloc *cmd = call->arg;
	struct iommufd_ioas *ioas;

	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);

	ioas = iommufd_ioas_create(call->ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	call->created = &ioas->obj;
	cmd->out_ioas_id = ioas->obj.id;
	return iommufd_call_reply(call);
}

/**
 * struct ioas_ranges - usable ranges as user space gets them
 * @ranges: room for @room of them
 * @room: how many are kept
 * @nr: how many there are
 */
struct ioas_ranges {
	struct iommu_iova_range *ranges;
	u32 room;
	u32 nr;
};

static void ioas_add_range(void *data, unsigned long first, unsigned long last)
{
	struct ioas_ranges *list = data;

	if (list->nr < list->room) {
		list->ranges[list->nr].start = first;
		list->ranges[list->nr].last = last;
	}
	list->nr++;
}

/**
 * iommufd_ioas_snapshot_ranges - the ranges that may be mapped, as they are now
 * @ioas: the IOAS
 * @room: how many are wanted at most
 * @total: receives how many there are
 * @alignment: receives what areas have to be aligned to
 *
 * User memory is not touched with the lock held, since that can take for ever.
 *
 * Context: process context, may sleep.
 * Return: an array for the caller to kvfree(), NULL if it is empty, or
 * ERR_PTR(-ENOMEM).
 */
struct iommu_iova_range *
iommufd_ioas_snapshot_ranges(struct iommufd_ioas *ioas, u32 room, u32 *total,
			     unsigned long *alignment)
{
	struct ioas_ranges list = {};

	for (;;) {
		list.nr = 0;
		*alignment = iommufd_iova_space_list_usable(&ioas->as.space,
							    ioas_add_range,
							    &list);
		*total = list.nr;
		if (min(*total, room) <= list.room)
			return list.ranges;
		list.room = min(*total, room);
		kvfree(list.ranges);
		list.ranges = kvmalloc_array(list.room, sizeof(*list.ranges),
					     GFP_KERNEL_ACCOUNT);
		if (!list.ranges)
			return ERR_PTR(-ENOMEM);
	}
}

int iommufd_ioas_iova_ranges_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_iova_ranges *cmd = call->arg;
	struct iommu_iova_range *ranges;
	u32 room = cmd->num_iovas;
	struct iommufd_ioas *ioas;
	unsigned long alignment;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ranges = iommufd_ioas_snapshot_ranges(ioas, room, &cmd->num_iovas,
					      &alignment);
	iommufd_object_put(call->ctx, &ioas->obj);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);

	cmd->out_iova_alignment = alignment;
	rc = copy_to_user(u64_to_user_ptr(cmd->allowed_iovas), ranges,
			  min(cmd->num_iovas, room) * sizeof(*ranges));
	kvfree(ranges);
	if (rc)
		return -EFAULT;
	rc = iommufd_call_reply(call);
	if (rc)
		return rc;
	if (cmd->num_iovas > room)
		return iommufd_refuse(IOMMU_WHY_RANGES_ROOM, room,
				      cmd->num_iovas);
	return 0;
}

static int ioas_read_allowed(struct iommu_ioas_allow_iovas *cmd,
			     struct rb_root_cached *allowed)
{
	struct iommu_iova_range __user *ranges =
		u64_to_user_ptr(cmd->allowed_iovas);
	u32 i;
	int rc;

	for (i = 0; i != cmd->num_iovas; i++) {
		struct iommu_iova_range range;

		if (copy_from_user(&range, &ranges[i], sizeof(range)))
			return -EFAULT;
		if (range.start >= range.last || range.last > ULONG_MAX)
			return iommufd_refuse(IOMMU_WHY_ALLOWED_RANGE,
					      range.start, range.last);
		rc = iommufd_iova_allow(allowed, range.start, range.last);
		if (rc)
			return rc;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

int iommufd_ioas_allow_iovas_ioctl(struct iommufd_call *call)
{
	struct rb_root_cached allowed = RB_ROOT_CACHED;
	struct iommu_ioas_allow_iovas *cmd = call->arg;
	struct iommufd_ioas *ioas;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	rc = ioas_read_allowed(cmd, &allowed);
	if (!rc)
		rc = iommufd_iova_space_set_allowed(&ioas->as.space, &allowed);
	iommufd_iova_free_allowed(&allowed);
	iommufd_object_put(call->ctx, &ioas->obj);
	return rc;
}

#define MAP_ACCESS (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

static int ioas_map_access(u32 flags)
{
	int access = 0;

	if (flags & IOMMU_IOAS_MAP_READABLE)
		access |= IOMMU_READ;
	if (flags & IOMMU_IOAS_MAP_WRITEABLE)
		access |= IOMMU_WRITE;
	return access;
}

static int ioas_check_map_flags(u32 flags, u32 reserved)
{
	if (flags & ~(IOMMU_IOAS_MAP_FIXED_IOVA | MAP_ACCESS))
		return iommufd_refuse(IOMMU_WHY_FLAGS, flags);
	if (reserved)
		return iommufd_refuse_reserved(reserved);
	return 0;
}

static int ioas_check_access(u32 flags)
{
	if (!(flags & MAP_ACCESS))
		return iommufd_refuse(IOMMU_WHY_NO_ACCESS, flags);
	return 0;
}

static __always_inline int ioas_check_map(const struct iommu_ioas_map *cmd)
{
	int rc;

	rc = ioas_check_map_flags(cmd->flags, cmd->__reserved);
	if (rc)
		return rc;
	if (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX ||
	    cmd->user_va > ULONG_MAX)
		return iommufd_refuse(IOMMU_WHY_ADDRESS, cmd->iova,
				      cmd->length);
	return ioas_check_access(cmd->flags);
}

static __always_inline int ioas_check_user_range(unsigned long va,
						 unsigned long length)
{
	unsigned long end;

	if (check_add_overflow(va, length, &end))
		return iommufd_refuse(IOMMU_WHY_RANGE_END, va, length);
	/* The number of pages that the range touches must fit in a long. */
	if (!length || length > SIZE_MAX - PAGE_SIZE)
		return iommufd_refuse(IOMMU_WHY_LENGTH, length);
	return 0;
}

static noinline int ioas_undo_map(struct iommufd_ctx *ctx,
				  struct iommufd_ioas *ioas, unsigned long iova,
				  unsigned long last)
{
	unsigned long unmapped;
	int rc;

	rc = iommufd_address_space_unmap(&ioas->as, iova, last, &unmapped);
	return iommufd_record_failed(&ctx->recorder, IOMMU_RECORDED_UNMAP,
				     ioas->obj.id, iova, last, rc);
}

/*
 * A map cannot always be undone, as a driver may have pinned something of it.
 * So before it, the IOVA is written back as it is: if that fails nothing has
 * happened. With an IOVA of its own user space has been told all by that.
 * An IOVA that was chosen here is written afterwards, which fails only if the
 * structure was taken away in between. Then the map is undone; if that fails
 * too, the caller gets an error that no map has: EBUSY or EDEADLK.
 */
static int ioas_map_and_reply(struct iommufd_call *call,
			      struct iommufd_ioas *ioas,
			      struct iommufd_area *areas, u32 flags, u64 length,
			      __u64 *iova)
{
	bool fixed = flags & IOMMU_IOAS_MAP_FIXED_IOVA;
	unsigned long start = *iova;
	int rc;

	if (IS_ERR(areas))
		return PTR_ERR(areas);
	rc = iommufd_call_reply_u64(call, iova);
	if (rc)
		goto err_free;
	rc = iommufd_address_space_map(&ioas->as, areas, fixed, &start);
	rc = iommufd_ioas_tell_map(call->ctx, ioas, start, length, flags, rc);
	if (rc)
		goto err_free;
	if (fixed)
		return 0;

	*iova = start;
	rc = iommufd_call_reply_u64(call, iova);
	if (!rc)
		return 0;
	return ioas_undo_map(call->ctx, ioas, start, start + length - 1) ?: rc;

err_free:
	iommufd_areas_free(areas);
	return rc;
}

static __always_inline struct iommufd_area *
ioas_user_memory_area(struct iommufd_ctx *ctx, const struct iommu_ioas_map *cmd,
		      enum iommufd_account_mode mode)
{
	bool writable = cmd->flags & IOMMU_IOAS_MAP_WRITEABLE;
	unsigned long va = cmd->user_va;
	struct iommufd_account *account;
	struct iommufd_pinned *pinned;
	int rc;

	rc = ioas_check_user_range(va, cmd->length);
	if (rc)
		return ERR_PTR(rc);
	account = iommufd_account_get(&ctx->accounts, IOMMUFD_ACCOUNT_FIXED,
				      mode);
	if (!account)
		return ERR_PTR(-ENOMEM);
	pinned = iommufd_user_memory_alloc(va & PAGE_MASK, writable, account);
	if (!pinned)
		return ERR_PTR(-ENOMEM);
	return iommufd_area_first_of(pinned, offset_in_page(va), cmd->length,
				     ioas_map_access(cmd->flags) | IOMMU_CACHE);
}

int iommufd_ioas_map_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_map *cmd = call->arg;
	struct iommufd_area *area;
	struct iommufd_ioas *ioas;
	int rc;

	rc = ioas_check_map(cmd);
	if (rc)
		return rc;

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	area = ioas_user_memory_area(call->ctx, cmd,
				     READ_ONCE(call->ctx->account_mode));
	rc = ioas_map_and_reply(call, ioas, area, cmd->flags, cmd->length,
				&cmd->iova);
	iommufd_object_put(call->ctx, &ioas->obj);
	return rc;
}

/**
 * iommufd_ioas_map_for_process - map memory of the caller, who is charged for
 * it
 * @ctx: the context
 * @ioas: the IOAS
 * @cmd: what IOMMU_IOAS_MAP would do at a fixed IOVA
 *
 * Context: process context, may sleep.
 * Return: as IOMMU_IOAS_MAP.
 */
int iommufd_ioas_map_for_process(struct iommufd_ctx *ctx,
				 struct iommufd_ioas *ioas,
				 const struct iommu_ioas_map *cmd)
{
	unsigned long iova = cmd->iova;
	struct iommufd_area *area;
	int rc;

	rc = ioas_check_map(cmd);
	if (rc)
		return rc;
	area = ioas_user_memory_area(ctx, cmd, IOMMUFD_ACCOUNT_MM);
	if (IS_ERR(area))
		return PTR_ERR(area);
	rc = iommufd_address_space_map(&ioas->as, area, true, &iova);
	if (rc)
		iommufd_areas_free(area);
	return iommufd_ioas_tell_map(ctx, ioas, iova, cmd->length, cmd->flags,
				     rc);
}

static int ioas_check_map_file(const struct iommu_ioas_map_file *cmd)
{
	int rc;

	rc = ioas_check_map_flags(cmd->flags, 0);
	if (rc)
		return rc;
	if (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX)
		return iommufd_refuse(IOMMU_WHY_ADDRESS, cmd->iova,
				      cmd->length);
	return ioas_check_access(cmd->flags);
}

static struct iommufd_pinned *
ioas_file_memory(struct iommufd_ctx *ctx, const struct iommu_ioas_map_file *cmd)
{
	bool writable = cmd->flags & IOMMU_IOAS_MAP_WRITEABLE;
	struct iommufd_account *account;
	struct iommufd_pinned *pinned;

	/*
	 * The descriptor is looked up by both, and may have become that of
	 * another file in between. If it is a dma-buf by then, it is refused as
	 * any file that cannot be pinned.
	 */
	pinned = iommufd_dma_buf_alloc(cmd->fd, cmd->start, cmd->length,
				       writable);
	if (pinned)
		return pinned;

	CLASS(fd, f)(cmd->fd);
	if (fd_empty(f))
		return iommufd_refuse_ptr(IOMMU_WHY_FILE_DESCRIPTOR, cmd->fd);
	account = iommufd_account_get(&ctx->accounts, IOMMUFD_ACCOUNT_MOVABLE,
				      READ_ONCE(ctx->account_mode));
	if (!account)
		return ERR_PTR(-ENOMEM);
	return iommufd_file_memory_alloc(fd_file(f), cmd->start & PAGE_MASK,
					 writable, account);
}

static struct iommufd_area *
ioas_file_memory_area(struct iommufd_ctx *ctx,
		      const struct iommu_ioas_map_file *cmd)
{
	struct iommufd_pinned *pinned;
	u64 end;

	if (!cmd->length)
		return iommufd_refuse_ptr(IOMMU_WHY_LENGTH, 0);
	if (check_add_overflow(cmd->start, cmd->length, &end) ||
	    end > ULONG_MAX)
		return iommufd_refuse_ptr(IOMMU_WHY_RANGE_END, cmd->start,
					  cmd->length);

	pinned = ioas_file_memory(ctx, cmd);
	if (IS_ERR(pinned))
		return ERR_CAST(pinned);
	return iommufd_area_first_of(pinned, offset_in_page(cmd->start),
				     cmd->length,
				     ioas_map_access(cmd->flags) | IOMMU_CACHE);
}

int iommufd_ioas_map_file_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_map_file *cmd = call->arg;
	struct iommufd_ioas *ioas;
	int rc;

	rc = ioas_check_map_file(cmd);
	if (rc)
		return rc;

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	rc = ioas_map_and_reply(call, ioas,
				ioas_file_memory_area(call->ctx, cmd),
				cmd->flags, cmd->length, &cmd->iova);
	iommufd_object_put(call->ctx, &ioas->obj);
	return rc;
}

static int ioas_check_copy(const struct iommu_ioas_copy *cmd)
{
	int rc;

	rc = ioas_check_map_flags(cmd->flags, 0);
	if (rc)
		return rc;
	if (cmd->length >= ULONG_MAX || cmd->src_iova >= ULONG_MAX ||
	    cmd->dst_iova >= ULONG_MAX)
		return iommufd_refuse(IOMMU_WHY_ADDRESS, cmd->dst_iova,
				      cmd->length);
	return ioas_check_access(cmd->flags);
}

static struct iommufd_area *ioas_share_areas(struct iommufd_ctx *ctx,
					     struct iommufd_ioas *ioas,
					     unsigned long iova,
					     unsigned long last, int access)
{
	struct iommufd_area *areas;

	areas = iommufd_address_space_share(&ioas->as, iova, last, access);
	if (IS_ERR(areas)) {
		iommufd_record_failed(&ctx->recorder, IOMMU_RECORDED_COPY,
				      ioas->obj.id, iova, last, PTR_ERR(areas));
		return areas;
	}
	trace_iommufd_copy(ioas->obj.id, iova, last - iova + 1);
	iommufd_record(&ctx->recorder, IOMMU_RECORDED_COPY, ioas->obj.id, iova,
		       last);
	return areas;
}

static struct iommufd_area *ioas_copied_areas(struct iommufd_ctx *ctx,
					      const struct iommu_ioas_copy *cmd)
{
	int access = ioas_map_access(cmd->flags);
	struct iommufd_area *areas;
	struct iommufd_ioas *ioas;
	unsigned long last;
	int rc;

	ioas = iommufd_ioas_get(ctx, cmd->src_ioas_id);
	if (IS_ERR(ioas))
		return ERR_CAST(ioas);

	rc = iommufd_iova_last(cmd->src_iova, cmd->length, &last);
	if (rc)
		areas = ERR_PTR(rc);
	else
		areas = ioas_share_areas(ctx, ioas, cmd->src_iova, last,
					 access);
	iommufd_object_put(ctx, &ioas->obj);
	return areas;
}

int iommufd_ioas_copy_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_copy *cmd = call->arg;
	struct iommufd_ioas *ioas;
	struct iommufd_area *areas;
	int rc;

	iommufd_test_syz_iova(call->ctx, cmd->src_ioas_id, &cmd->src_iova,
			      &cmd->flags);
	rc = ioas_check_copy(cmd);
	if (rc)
		return rc;

	areas = ioas_copied_areas(call->ctx, cmd);
	if (IS_ERR(areas))
		return PTR_ERR(areas);

	ioas = iommufd_ioas_get(call->ctx, cmd->dst_ioas_id);
	if (IS_ERR(ioas)) {
		iommufd_areas_free(areas);
		return PTR_ERR(ioas);
	}
	rc = ioas_map_and_reply(call, ioas, areas, cmd->flags, cmd->length,
				&cmd->dst_iova);
	iommufd_object_put(call->ctx, &ioas->obj);
	return rc;
}

/* A length of U64_MAX from IOVA 0 on means everything. */
static int ioas_check_unmap(const struct iommu_ioas_unmap *cmd,
			    unsigned long *last)
{
	if (cmd->iova == 0 && cmd->length == U64_MAX) {
		*last = ULONG_MAX;
		return 0;
	}
	if (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX)
		return iommufd_refuse(IOMMU_WHY_ADDRESS, cmd->iova,
				      cmd->length);
	return iommufd_iova_last(cmd->iova, cmd->length, last);
}

/*
 * An unmap cannot be undone. So before it, the length is written back as user
 * space has given it, which says that all of the range was unmapped: if that
 * fails nothing has happened. It is written again only if it was not all.
 */
static int ioas_unmap_and_reply(struct iommufd_call *call,
				struct iommufd_ioas *ioas)
{
	struct iommu_ioas_unmap *cmd = call->arg;
	unsigned long last, unmapped;
	int rc;

	rc = ioas_check_unmap(cmd, &last);
	if (rc)
		return rc;
	rc = iommufd_call_reply_u64(call, &cmd->length);
	if (rc)
		return rc;
	rc = iommufd_address_space_unmap(&ioas->as, cmd->iova, last, &unmapped);
	rc = iommufd_ioas_tell_unmap(call->ctx, ioas, cmd->iova, last,
				     &unmapped, rc);
	if (rc)
		return rc;
	if (likely(cmd->length == unmapped))
		return 0;
	if (!unmapped && cmd->length != U64_MAX)
		return iommufd_refuse(IOMMU_WHY_UNMAP_NOTHING, cmd->iova, last);
	cmd->length = unmapped;
	return iommufd_call_reply_u64(call, &cmd->length);
}

int iommufd_ioas_unmap_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_unmap *cmd = call->arg;
	struct iommufd_ioas *ioas;
	int rc;

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	rc = ioas_unmap_and_reply(call, ioas);
	iommufd_object_put(call->ctx, &ioas->obj);
	return rc;
}
