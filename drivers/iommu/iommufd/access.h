/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The access object: a kernel driver that reaches an IOAS by software
 */
#ifndef __IOMMUFD_ACCESS_H
#define __IOMMUFD_ACCESS_H

struct iommufd_object_ops;

extern const struct iommufd_object_ops iommufd_access_object_ops;

#endif
