/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sources of memory: what makes pinned-memory objects
 */
#ifndef __IOMMUFD_SOURCE_H
#define __IOMMUFD_SOURCE_H

#include <linux/types.h>

struct iommufd_pinned;

/**
 * enum iommufd_account_mode - whose limit the pages of an object count against
 * @IOMMUFD_ACCOUNT_NONE: nobody's; only mm->pinned_vm shows them
 * @IOMMUFD_ACCOUNT_USER: the user's, user_struct::locked_vm
 * @IOMMUFD_ACCOUNT_MM: the process's, mm_struct::locked_vm
 */
enum iommufd_account_mode {
	IOMMUFD_ACCOUNT_NONE,
	IOMMUFD_ACCOUNT_USER,
	IOMMUFD_ACCOUNT_MM,
};

struct iommufd_pinned *
iommufd_user_memory_alloc(unsigned long va, bool writable,
			  enum iommufd_account_mode account_mode);

int iommufd_user_memory_init(void);
void iommufd_user_memory_exit(void);

#endif
