// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events
 *
 * Built into the kernel even where iommufd is a module, since what IOMMU
 * drivers call is.
 */
#include <linux/export.h>

#define CREATE_TRACE_POINTS
#include <trace/events/iommufd.h>

EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_map);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_unmap);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_copy);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_pin);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_unpin);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_fill);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_clear);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_revoke);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_return);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_attach);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_replace);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_detach);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_fault);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_answer);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_stopped);
EXPORT_TRACEPOINT_SYMBOL_GPL(iommufd_refused);
