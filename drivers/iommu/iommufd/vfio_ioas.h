/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which IOAS stands for a VFIO container
 */
#ifndef __IOMMUFD_VFIO_IOAS_H
#define __IOMMUFD_VFIO_IOAS_H

#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_ioas;
struct iommufd_object;

int iommufd_vfio_ioas_get_id(struct iommufd_ctx *ctx, u32 *id);
struct iommufd_ioas *iommufd_vfio_ioas_get(struct iommufd_ctx *ctx);
bool iommufd_vfio_ioas_is(struct iommufd_ctx *ctx,
			  const struct iommufd_object *ioas);
bool iommufd_vfio_is_no_iommu(struct iommufd_ctx *ctx);

void iommufd_vfio_ioas_set(struct iommufd_ctx *ctx,
			   struct iommufd_object *ioas);
int iommufd_vfio_ioas_publish_if_none(struct iommufd_ctx *ctx,
				      struct iommufd_object *ioas);
void iommufd_vfio_ioas_forget(struct iommufd_ctx *ctx,
			      struct iommufd_object *ioas);

#endif
