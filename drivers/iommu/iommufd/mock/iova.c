// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: the IOVA of an IOAS
 *
 * Owns nothing. The only file of the test device that knows the engine.
 */
#include "../call.h"
#include "../ioas.h"
#include "../test_hooks.h"
#include "mock.h"

/**
 * mock_ioas_lock - let the page tables of an IOAS stand still
 * @ioas: the IOAS
 *
 * Nothing is mapped or unmapped until mock_ioas_unlock(), so that one may walk
 * the page tables.
 *
 * Context: process context, may sleep; not with an mmap_lock held.
 */
void mock_ioas_lock(struct iommufd_ioas *ioas)
{
	down_write(&ioas->as.followers_lock);
}

void mock_ioas_unlock(struct iommufd_ioas *ioas)
{
	up_write(&ioas->as.followers_lock);
}

int mock_op_add_reserved(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	unsigned long start = cmd->add_reserved.start;
	struct iommufd_ioas *ioas;
	unsigned long last;
	int rc;

	rc = iommufd_iova_last(start, cmd->add_reserved.length, &last);
	if (rc)
		return rc;

	ioas = iommufd_ioas_get(call->ctx, cmd->id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	/* Owned by the IOAS, and so never dropped */
	rc = iommufd_iova_space_reserve(&ioas->as.space, start, last, ioas);
	iommufd_object_put(call->ctx, &ioas->obj);
	return rc;
}

/**
 * iommufd_test_syz_iova - find an IOVA that a fuzzer cannot know
 * @ctx: the context
 * @ioas_id: the IOAS that @iova is of
 * @iova: with MOCK_FLAGS_ACCESS_SYZ: which map, counted from 0, in the lower
 *        half, and an offset into it in the upper half; receives the IOVA
 * @flags: flags of the caller's, of which MOCK_FLAGS_ACCESS_SYZ is taken out
 *
 * Sets @iova to 0 if there is no such IOAS or no such map; the caller finds
 * that out again, as with an IOVA that user space came up with.
 *
 * Context: process context, may sleep; no lock of @ctx's objects is held.
 */
void iommufd_test_syz_iova(struct iommufd_ctx *ctx, u32 ioas_id, u64 *iova,
			   u32 *flags)
{
	u32 offset = upper_32_bits(*iova), nth = lower_32_bits(*iova);
	struct iommufd_ioas *ioas;
	unsigned long first;

	if (!(*flags & MOCK_FLAGS_ACCESS_SYZ))
		return;
	*flags &= ~MOCK_FLAGS_ACCESS_SYZ;
	*iova = 0;

	ioas = iommufd_ioas_get(ctx, ioas_id);
	if (IS_ERR(ioas))
		return;
	if (iommufd_iova_space_nth_area(&ioas->as.space, nth, &first))
		*iova = first + offset;
	iommufd_object_put(ctx, &ioas->obj);
}
