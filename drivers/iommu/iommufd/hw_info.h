/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What user space can ask about the hardware behind a device
 */
#ifndef __IOMMUFD_HW_INFO_H
#define __IOMMUFD_HW_INFO_H

struct iommufd_call;

int iommufd_get_hw_info_ioctl(struct iommufd_call *call);

#endif
