/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which IOAS stands for a VFIO container
 */
#ifndef __IOMMUFD_VFIO_IOAS_H
#define __IOMMUFD_VFIO_IOAS_H

#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_object;

void iommufd_vfio_ioas_set(struct iommufd_ctx *ctx,
			   struct iommufd_object *ioas);
int iommufd_vfio_ioas_publish_if_none(struct iommufd_ctx *ctx,
				      struct iommufd_object *ioas);
void iommufd_vfio_ioas_forget(struct iommufd_ctx *ctx,
			      struct iommufd_object *ioas);

#endif
