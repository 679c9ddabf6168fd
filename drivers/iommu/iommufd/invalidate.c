// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invalidation of what hardware has cached of a guest's page tables
 *
 * Owns nothing. Passes requests on to the IOMMU driver, which alone knows what
 * they look like, and reports how many of them it has carried out.
 */
#include <linux/iommu.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "call.h"
#include "engine/why.h"
#include "hw_pagetable.h"
#include "invalidate.h"
#include "object.h"
#include "viommu.h"

/* The most requests of one call */
#define ENTRIES_MAX BIT(19)

/*
 * The most requests that the driver of a vIOMMU is given at once: it may copy
 * all of them into one piece of memory.
 */
#define ENTRIES_STEP 4096

static int invalidate_check(const struct iommu_hwpt_invalidate *cmd)
{
	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);
	/* Without requests it only asks whether the type is known. */
	if (!cmd->entry_num)
		return 0;
	if (!cmd->data_uptr || !cmd->entry_len || cmd->entry_len > PAGE_SIZE ||
	    cmd->entry_num > ENTRIES_MAX)
		return iommufd_refuse(IOMMU_WHY_INVALIDATE_ARRAY,
				      cmd->entry_num, cmd->entry_len);
	return 0;
}

static int invalidate_hwpt(struct iommufd_hw_pagetable *hwpt,
			   struct iommu_user_data_array *array, u32 *nr_done)
{
	struct iommu_domain *domain = hwpt->domain;
	int rc;

	if (!domain->ops->cache_invalidate_user)
		return iommufd_refuse(IOMMU_WHY_NO_INVALIDATE);
	rc = domain->ops->cache_invalidate_user(domain, array);
	*nr_done = array->entry_num;
	return rc;
}

/*
 * A driver that fails before it looks at the requests may leave their number as
 * it is. Not all of them are done if it fails.
 */
static int invalidate_step(struct iommufd_viommu *viommu,
			   struct iommu_user_data_array *step)
{
	const u32 nr = step->entry_num;
	int rc;

	rc = viommu->ops->cache_invalidate(viommu, step);
	if (step->entry_num > nr || (rc && step->entry_num == nr))
		step->entry_num = 0;
	return rc;
}

static int invalidate_viommu(struct iommufd_viommu *viommu,
			     const struct iommu_user_data_array *array,
			     u32 *nr_done)
{
	struct iommu_user_data_array step = *array;
	int rc;

	if (!viommu->ops->cache_invalidate)
		return iommufd_refuse(IOMMU_WHY_NO_INVALIDATE);
	do {
		u32 nr = min(array->entry_num - *nr_done, ENTRIES_STEP);

		step.uptr = array->uptr + (size_t)array->entry_len * *nr_done;
		step.entry_num = nr;
		rc = invalidate_step(viommu, &step);
		*nr_done += step.entry_num;
		if (rc || step.entry_num != nr)
			return rc;
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	} while (*nr_done != array->entry_num);
	return 0;
}

static int invalidate_run(struct iommufd_call *call, u32 *nr_done)
{
	struct iommu_hwpt_invalidate *cmd = call->arg;
	struct iommu_user_data_array array = {
		.type = cmd->data_type,
		.uptr = u64_to_user_ptr(cmd->data_uptr),
		.entry_len = cmd->entry_len,
		.entry_num = cmd->entry_num,
	};
	struct iommufd_object *obj;
	int rc;

	rc = invalidate_check(cmd);
	if (rc)
		return rc;
	obj = iommufd_object_get(call->ctx, cmd->hwpt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	switch (obj->type) {
	case IOMMUFD_OBJ_HWPT_NESTED:
		rc = invalidate_hwpt(to_hwpt(obj), &array, nr_done);
		break;
	case IOMMUFD_OBJ_VIOMMU:
		rc = invalidate_viommu(to_viommu(obj), &array, nr_done);
		break;
	default:
		rc = iommufd_refuse(IOMMU_WHY_INVALIDATE_TYPE, cmd->hwpt_id);
		break;
	}
	iommufd_object_put(call->ctx, obj);
	return rc;
}

/*
 * An invalidation cannot be undone. So before it, the structure is written back
 * as user space has given it, which says that all requests were done: if that
 * fails nothing has happened. It is written again only if fewer were done.
 */
int iommufd_hwpt_invalidate_ioctl(struct iommufd_call *call)
{
	struct iommu_hwpt_invalidate *cmd = call->arg;
	u32 nr_done = 0;
	int rc;

	rc = iommufd_call_reply(call);
	if (rc)
		return rc;
	rc = invalidate_run(call, &nr_done);
	if (cmd->entry_num == nr_done)
		return rc;
	cmd->entry_num = nr_done;
	return iommufd_call_reply(call) ?: rc;
}
