/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options of a context and of an IOAS
 */
#ifndef __IOMMUFD_OPTION_H
#define __IOMMUFD_OPTION_H

struct iommufd_call;

int iommufd_option_ioctl(struct iommufd_call *call);

#endif
