/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has been done to an IOAS, for those who trace it, and for the recorder
 */
#ifndef __IOMMUFD_IOAS_TELL_H
#define __IOMMUFD_IOAS_TELL_H

#include <trace/events/iommufd.h>

#include "ctx.h"
#include "ioas.h"
#include "recorder.h"

/**
 * iommufd_ioas_tell_map - tell of a map
 * @ctx: the context
 * @ioas: the IOAS
 * @iova: first IOVA
 * @length: in bytes
 * @flags: as of IOMMU_IOAS_MAP
 * @rc: 0, or why it has failed
 *
 * Context: process context, may sleep.
 * Return: @rc.
 */
static __always_inline int iommufd_ioas_tell_map(struct iommufd_ctx *ctx,
						 const struct iommufd_ioas *ioas,
						 u64 iova, u64 length,
						 u32 flags, int rc)
{
	const u64 last = iova + length - 1;

	if (rc)
		return iommufd_record_failed(&ctx->recorder, IOMMU_RECORDED_MAP,
					     ioas->obj.id, iova, last, rc);
	trace_iommufd_map(ioas->obj.id, iova, length, flags);
	iommufd_record(&ctx->recorder, IOMMU_RECORDED_MAP, ioas->obj.id, iova,
		       last);
	return 0;
}

/**
 * iommufd_ioas_tell_unmap - tell of an unmap
 * @ctx: the context
 * @ioas: the IOAS
 * @iova: first IOVA
 * @last: last IOVA
 * @unmapped: how many bytes that were mapped, unless it has failed
 * @rc: 0, or why it has failed
 *
 * Context: process context, may sleep.
 * Return: @rc.
 */
static __always_inline int
iommufd_ioas_tell_unmap(struct iommufd_ctx *ctx,
			const struct iommufd_ioas *ioas, u64 iova, u64 last,
			const unsigned long *unmapped, int rc)
{
	if (rc)
		return iommufd_record_failed(&ctx->recorder,
					     IOMMU_RECORDED_UNMAP, ioas->obj.id,
					     iova, last, rc);
	trace_iommufd_unmap(ioas->obj.id, iova, last, *unmapped);
	iommufd_record(&ctx->recorder, IOMMU_RECORDED_UNMAP, ioas->obj.id, iova,
		       last);
	return 0;
}

#endif
