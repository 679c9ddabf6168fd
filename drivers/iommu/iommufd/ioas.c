// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAS object and its ioctls
 *
 * Turns what user space asks for into calls of the engine, and checks it first.
 * The order of the checks is part of the ABI.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "call.h"
#include "ctx.h"
#include "ioas.h"
#include "pinned.h"
#include "vfio_compat.h"

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

void iommufd_ioas_destroy(struct iommufd_ctx *ctx, struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = to_ioas(obj);

	iommufd_vfio_forget_ioas(ctx, ioas);
	iommufd_address_space_destroy(&ioas->as);
	mutex_destroy(&ioas->hwpts_lock);
}

int iommufd_ioas_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_alloc *cmd = call->arg;
	struct iommufd_ioas *ioas;

	if (cmd->flags)
		return -EOPNOTSUPP;

	ioas = iommufd_ioas_create(call->ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	call->created = &ioas->obj;
	cmd->out_ioas_id = ioas->obj.id;
	return iommufd_call_reply(call);
}

/* Write as many ranges as there is room for, and count them all. */
static u32 list_ranges(struct iommufd_iova_space *space,
		       struct iommu_iova_range *ranges, u32 room)
{
	unsigned long first = 0, last = ULONG_MAX;
	u32 nr = 0;

	while (iommufd_iova_next_usable(space, &first, &last)) {
		if (nr < room) {
			ranges[nr].start = first;
			ranges[nr].last = last;
		}
		nr++;
		if (last == ULONG_MAX)
			break;
		first = last + 1;
		last = ULONG_MAX;
	}
	return nr;
}

/*
 * A snapshot of the ranges, at most @room of them, for the caller to free.
 * User memory is not touched with the lock held: it may take its time.
 */
static struct iommu_iova_range *snapshot_ranges(struct iommufd_ioas *ioas,
						u32 room, u32 *total,
						unsigned long *alignment)
{
	struct iommufd_iova_space *space = &ioas->as.space;
	struct iommu_iova_range *ranges = NULL;
	u32 nr_max = 0;

	for (;;) {
		down_read(&space->lock);
		*total = list_ranges(space, ranges, nr_max);
		*alignment = space->alignment;
		up_read(&space->lock);

		if (min(*total, room) <= nr_max)
			return ranges;
		nr_max = min(*total, room);
		kvfree(ranges);
		ranges = kvmalloc_array(nr_max, sizeof(*ranges),
					GFP_KERNEL_ACCOUNT);
		if (!ranges)
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
		return -EOPNOTSUPP;

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ranges = snapshot_ranges(ioas, room, &cmd->num_iovas, &alignment);
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
	return cmd->num_iovas > room ? -EMSGSIZE : 0;
}

static int read_allowed(struct iommu_ioas_allow_iovas *cmd,
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
		if (range.start >= range.last)
			return -EINVAL;
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
		return -EOPNOTSUPP;

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	rc = read_allowed(cmd, &allowed);
	if (!rc) {
		down_write(&ioas->as.space.lock);
		rc = iommufd_iova_set_allowed(&ioas->as.space, &allowed);
		up_write(&ioas->as.space.lock);
	}
	iommufd_iova_free_allowed(&allowed);
	iommufd_object_put(call->ctx, &ioas->obj);
	return rc;
}

#define MAP_ACCESS (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

static int map_prot(u32 flags)
{
	/* Memory of the machine, as opposed to that of a device, is cached. */
	int prot = IOMMU_CACHE;

	if (flags & IOMMU_IOAS_MAP_READABLE)
		prot |= IOMMU_READ;
	if (flags & IOMMU_IOAS_MAP_WRITEABLE)
		prot |= IOMMU_WRITE;
	return prot;
}

static int check_map(const struct iommu_ioas_map *cmd)
{
	if (cmd->flags & ~(IOMMU_IOAS_MAP_FIXED_IOVA | MAP_ACCESS) ||
	    cmd->__reserved)
		return -EOPNOTSUPP;
	if (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX)
		return -EOVERFLOW;
	if (!(cmd->flags & MAP_ACCESS))
		return -EINVAL;
	return 0;
}

static int check_user_range(unsigned long va, unsigned long length)
{
	unsigned long end;

	if (check_add_overflow(va, length, &end))
		return -EOVERFLOW;
	/* The pages that the range touches must be countable. */
	if (!length || length > SIZE_MAX - PAGE_SIZE)
		return -EINVAL;
	return 0;
}

static int map_user_memory(struct iommufd_ctx *ctx, struct iommufd_ioas *ioas,
			   struct iommu_ioas_map *cmd, unsigned long *iova)
{
	unsigned long va = cmd->user_va;
	struct iommufd_pinned *pinned;
	int rc;

	rc = check_user_range(va, cmd->length);
	if (rc)
		return rc;

	pinned = iommufd_user_memory_alloc(va & PAGE_MASK,
					   cmd->flags & IOMMU_IOAS_MAP_WRITEABLE,
					   READ_ONCE(ctx->account_mode));
	if (!pinned)
		return -ENOMEM;
	rc = iommufd_address_space_map(&ioas->as, pinned, offset_in_page(va),
				       cmd->length, va, map_prot(cmd->flags),
				       cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA,
				       iova);
	iommufd_pinned_put(pinned);
	return rc;
}

int iommufd_ioas_map_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_map *cmd = call->arg;
	unsigned long iova, unmapped;
	struct iommufd_ioas *ioas;
	int rc;

	rc = check_map(cmd);
	if (rc)
		return rc;

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	iova = cmd->iova;
	rc = map_user_memory(call->ctx, ioas, cmd, &iova);
	if (rc)
		goto out_put;

	cmd->iova = iova;
	rc = iommufd_call_reply(call);
	/* User space does not know where the map is: it shall not be. */
	if (rc)
		iommufd_address_space_unmap(&ioas->as, iova,
					    iova + cmd->length - 1, &unmapped);
out_put:
	iommufd_object_put(call->ctx, &ioas->obj);
	return rc;
}

static int unmap_range(struct iommufd_ioas *ioas, u64 iova, u64 length,
		       unsigned long *unmapped)
{
	unsigned long last;
	int rc;

	if (iova == 0 && length == U64_MAX)
		return iommufd_address_space_unmap(&ioas->as, 0, ULONG_MAX,
						   unmapped);

	if (iova >= ULONG_MAX || length >= ULONG_MAX)
		return -EOVERFLOW;
	if (!length)
		return -EINVAL;
	if (check_add_overflow((unsigned long)iova, (unsigned long)length - 1,
			       &last))
		return -EOVERFLOW;
	rc = iommufd_address_space_unmap(&ioas->as, iova, last, unmapped);
	if (!rc && !*unmapped)
		return -ENOENT;
	return rc;
}

int iommufd_ioas_unmap_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_unmap *cmd = call->arg;
	struct iommufd_ioas *ioas;
	unsigned long unmapped;
	int rc;

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	rc = unmap_range(ioas, cmd->iova, cmd->length, &unmapped);
	iommufd_object_put(call->ctx, &ioas->obj);
	if (rc)
		return rc;
	cmd->length = unmapped;
	return iommufd_call_reply(call);
}

static int set_rlimit_mode(struct iommufd_ctx *ctx, u64 val)
{
	int rc = 0;

	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;

	xa_lock(&ctx->objects);
	if (!xa_empty(&ctx->objects))
		rc = -EBUSY;
	else if (val > 1)
		rc = -EINVAL;
	else
		WRITE_ONCE(ctx->account_mode, val ? IOMMUFD_ACCOUNT_MM :
						    IOMMUFD_ACCOUNT_USER);
	xa_unlock(&ctx->objects);
	return rc;
}

static int rlimit_mode(struct iommufd_ctx *ctx, struct iommu_option *cmd)
{
	if (cmd->object_id)
		return -EOPNOTSUPP;

	switch (cmd->op) {
	case IOMMU_OPTION_OP_GET:
		cmd->val64 = READ_ONCE(ctx->account_mode) == IOMMUFD_ACCOUNT_MM;
		return 0;
	case IOMMU_OPTION_OP_SET:
		return set_rlimit_mode(ctx, cmd->val64);
	default:
		return -EOPNOTSUPP;
	}
}

static int huge_pages_op(struct iommufd_ioas *ioas, struct iommu_option *cmd)
{
	switch (cmd->op) {
	case IOMMU_OPTION_OP_GET:
		cmd->val64 = !READ_ONCE(ioas->as.page_by_page);
		return 0;
	case IOMMU_OPTION_OP_SET:
		if (cmd->val64 > 1)
			return -EINVAL;
		return iommufd_address_space_set_page_by_page(&ioas->as,
							      !cmd->val64);
	default:
		return -EOPNOTSUPP;
	}
}

static int huge_pages(struct iommufd_ctx *ctx, struct iommu_option *cmd)
{
	struct iommufd_ioas *ioas;
	int rc;

	ioas = iommufd_ioas_get(ctx, cmd->object_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = huge_pages_op(ioas, cmd);
	iommufd_object_put(ctx, &ioas->obj);
	return rc;
}

int iommufd_option_ioctl(struct iommufd_call *call)
{
	struct iommu_option *cmd = call->arg;
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	switch (cmd->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		rc = rlimit_mode(call->ctx, cmd);
		break;
	case IOMMU_OPTION_HUGE_PAGES:
		rc = huge_pages(call->ctx, cmd);
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (rc)
		return rc;
	return iommufd_call_reply(call);
}
