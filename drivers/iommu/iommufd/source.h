/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sources of memory: what makes pinned-memory objects
 */
#ifndef __IOMMUFD_SOURCE_H
#define __IOMMUFD_SOURCE_H

#include <linux/types.h>

#include "account.h"

struct iommufd_pinned;

struct iommufd_pinned *
iommufd_user_memory_alloc(unsigned long va, bool writable,
			  enum iommufd_account_mode account_mode);

int iommufd_user_memory_init(void);
void iommufd_user_memory_exit(void);

#endif
