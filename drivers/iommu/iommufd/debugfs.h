/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What debugfs tells root of all contexts
 */
#ifndef __IOMMUFD_DEBUGFS_H
#define __IOMMUFD_DEBUGFS_H

struct iommufd_ctx;

#ifdef CONFIG_DEBUG_FS
void iommufd_debugfs_add(struct iommufd_ctx *ctx);
void iommufd_debugfs_remove(struct iommufd_ctx *ctx);
void iommufd_debugfs_init(void);
void iommufd_debugfs_exit(void);
#else
static inline void iommufd_debugfs_add(struct iommufd_ctx *ctx)
{
}

static inline void iommufd_debugfs_remove(struct iommufd_ctx *ctx)
{
}

static inline void iommufd_debugfs_init(void)
{
}

static inline void iommufd_debugfs_exit(void)
{
}
#endif

#endif
