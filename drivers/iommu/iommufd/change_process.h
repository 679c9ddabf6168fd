/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Another process takes a context over
 */
#ifndef __IOMMUFD_CHANGE_PROCESS_H
#define __IOMMUFD_CHANGE_PROCESS_H

struct iommufd_call;

int iommufd_ioas_change_process_ioctl(struct iommufd_call *call);

#endif
