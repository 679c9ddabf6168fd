/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of iommufd, see "Trace events" in
 * Documentation/userspace-api/iommufd.rst
 *
 * Objects are told by their IDs where these are known. What is below, page
 * tables and memory that can be revoked, is told by a hashed pointer: it is the
 * same as long as the thing is there.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iommufd

#if !defined(_TRACE_IOMMUFD_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_IOMMUFD_H

#include <linux/device.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

/* What is mapped in an IO address space */

TRACE_EVENT(iommufd_map,
	    TP_PROTO(u32 ioas, u64 iova, u64 length, u32 flags),
	    TP_ARGS(ioas, iova, length, flags),
	    TP_STRUCT__entry(__field(u32, ioas)
			     __field(u32, flags)
			     __field(u64, iova)
			     __field(u64, length)),
	    TP_fast_assign(__entry->ioas = ioas;
			   __entry->flags = flags;
			   __entry->iova = iova;
			   __entry->length = length;),
	    TP_printk("ioas=%u iova=0x%llx length=0x%llx flags=0x%x",
		      __entry->ioas, __entry->iova, __entry->length,
		      __entry->flags));

TRACE_EVENT(iommufd_unmap,
	    TP_PROTO(u32 ioas, u64 iova, u64 last, u64 unmapped),
	    TP_ARGS(ioas, iova, last, unmapped),
	    TP_STRUCT__entry(__field(u32, ioas)
			     __field(u64, iova)
			     __field(u64, last)
			     __field(u64, unmapped)),
	    TP_fast_assign(__entry->ioas = ioas;
			   __entry->iova = iova;
			   __entry->last = last;
			   __entry->unmapped = unmapped;),
	    TP_printk("ioas=%u iova=0x%llx last=0x%llx unmapped=0x%llx",
		      __entry->ioas, __entry->iova, __entry->last,
		      __entry->unmapped));

/* Followed by the map of the copy */
TRACE_EVENT(iommufd_copy,
	    TP_PROTO(u32 ioas, u64 iova, u64 length),
	    TP_ARGS(ioas, iova, length),
	    TP_STRUCT__entry(__field(u32, ioas)
			     __field(u64, iova)
			     __field(u64, length)),
	    TP_fast_assign(__entry->ioas = ioas;
			   __entry->iova = iova;
			   __entry->length = length;),
	    TP_printk("ioas=%u iova=0x%llx length=0x%llx", __entry->ioas,
		      __entry->iova, __entry->length));

/*
 * Memory, by where its object begins: an address or an offset in a file. If not
 * all could be pinned, the pages are unpinned again.
 */

TRACE_EVENT(iommufd_pin,
	    TP_PROTO(u64 memory, u64 first, u64 pages, bool all),
	    TP_ARGS(memory, first, pages, all),
	    TP_STRUCT__entry(__field(u64, memory)
			     __field(u64, first)
			     __field(u64, pages)
			     __field(bool, all)),
	    TP_fast_assign(__entry->memory = memory;
			   __entry->first = first;
			   __entry->pages = pages;
			   __entry->all = all;),
	    TP_printk("memory=0x%llx first=%llu pages=%llu all=%d",
		      __entry->memory, __entry->first, __entry->pages,
		      __entry->all));

TRACE_EVENT(iommufd_unpin,
	    TP_PROTO(u64 memory, u64 pages),
	    TP_ARGS(memory, pages),
	    TP_STRUCT__entry(__field(u64, memory)
			     __field(u64, pages)),
	    TP_fast_assign(__entry->memory = memory;
			   __entry->pages = pages;),
	    TP_printk("memory=0x%llx pages=%llu", __entry->memory,
		      __entry->pages));

/* Page tables */

DECLARE_EVENT_CLASS(iommufd_table,
		    TP_PROTO(const void *table, u64 iova, u64 last),
		    TP_ARGS(table, iova, last),
		    TP_STRUCT__entry(__field(const void *, table)
				     __field(u64, iova)
				     __field(u64, last)),
		    TP_fast_assign(__entry->table = table;
				   __entry->iova = iova;
				   __entry->last = last;),
		    TP_printk("table=%p iova=0x%llx last=0x%llx",
			      __entry->table, __entry->iova, __entry->last));

DEFINE_EVENT(iommufd_table, iommufd_fill,
	     TP_PROTO(const void *table, u64 iova, u64 last),
	     TP_ARGS(table, iova, last));

DEFINE_EVENT(iommufd_table, iommufd_clear,
	     TP_PROTO(const void *table, u64 iova, u64 last),
	     TP_ARGS(table, iova, last));

DECLARE_EVENT_CLASS(iommufd_revocable,
		    TP_PROTO(const void *memory),
		    TP_ARGS(memory),
		    TP_STRUCT__entry(__field(const void *, memory)),
		    TP_fast_assign(__entry->memory = memory;),
		    TP_printk("memory=%p", __entry->memory));

/* The exporter of a dma-buf takes its memory away, and gives it back. */
DEFINE_EVENT(iommufd_revocable, iommufd_revoke,
	     TP_PROTO(const void *memory),
	     TP_ARGS(memory));

DEFINE_EVENT(iommufd_revocable, iommufd_return,
	     TP_PROTO(const void *memory),
	     TP_ARGS(memory));

/* Devices */

DECLARE_EVENT_CLASS(iommufd_device,
		    TP_PROTO(const struct device *dev, u32 id, u32 pasid,
			     u32 hwpt),
		    TP_ARGS(dev, id, pasid, hwpt),
		    TP_STRUCT__entry(__string(name, dev_name(dev))
				     __field(u32, id)
				     __field(u32, pasid)
				     __field(u32, hwpt)),
		    TP_fast_assign(__assign_str(name);
				   __entry->id = id;
				   __entry->pasid = pasid;
				   __entry->hwpt = hwpt;),
		    TP_printk("%s id=%u pasid=%u hwpt=%u", __get_str(name),
			      __entry->id, __entry->pasid, __entry->hwpt));

DEFINE_EVENT(iommufd_device, iommufd_attach,
	     TP_PROTO(const struct device *dev, u32 id, u32 pasid, u32 hwpt),
	     TP_ARGS(dev, id, pasid, hwpt));

DEFINE_EVENT(iommufd_device, iommufd_replace,
	     TP_PROTO(const struct device *dev, u32 id, u32 pasid, u32 hwpt),
	     TP_ARGS(dev, id, pasid, hwpt));

/* From which page table */
DEFINE_EVENT(iommufd_device, iommufd_detach,
	     TP_PROTO(const struct device *dev, u32 id, u32 pasid, u32 hwpt),
	     TP_ARGS(dev, id, pasid, hwpt));

/* Page requests: a group of them, by the last one */

TRACE_EVENT(iommufd_fault,
	    TP_PROTO(const struct device *dev, u32 queue, u32 pasid, u32 group,
		     u64 address, u32 perm, int rc),
	    TP_ARGS(dev, queue, pasid, group, address, perm, rc),
	    TP_STRUCT__entry(__string(name, dev_name(dev))
			     __field(u32, queue)
			     __field(u32, pasid)
			     __field(u32, group)
			     __field(u32, perm)
			     __field(u64, address)
			     __field(int, rc)),
	    TP_fast_assign(__assign_str(name);
			   __entry->queue = queue;
			   __entry->pasid = pasid;
			   __entry->group = group;
			   __entry->perm = perm;
			   __entry->address = address;
			   __entry->rc = rc;),
	    TP_printk("%s queue=%u pasid=%u group=%u address=0x%llx perm=0x%x rc=%d",
		      __get_str(name), __entry->queue, __entry->pasid,
		      __entry->group, __entry->address, __entry->perm,
		      __entry->rc));

TRACE_EVENT(iommufd_answer,
	    TP_PROTO(const struct device *dev, u32 pasid, u32 group, u32 code),
	    TP_ARGS(dev, pasid, group, code),
	    TP_STRUCT__entry(__string(name, dev_name(dev))
			     __field(u32, pasid)
			     __field(u32, group)
			     __field(u32, code)),
	    TP_fast_assign(__assign_str(name);
			   __entry->pasid = pasid;
			   __entry->group = group;
			   __entry->code = code;),
	    TP_printk("%s pasid=%u group=%u code=%u", __get_str(name),
		      __entry->pasid, __entry->group, __entry->code));

/*
 * DMA that an IOMMU has stopped, see enum iommu_stopped; and what has led to it
 * by whom, if that is known
 */
TRACE_EVENT(iommufd_stopped,
	    TP_PROTO(const struct device *dev, u32 pasid, u64 iova, bool write,
		     u32 ioas, u32 cause, u32 thread, u64 since),
	    TP_ARGS(dev, pasid, iova, write, ioas, cause, thread, since),
	    TP_STRUCT__entry(__string(name, dev_name(dev))
			     __field(u32, pasid)
			     __field(u32, ioas)
			     __field(u64, iova)
			     __field(u32, cause)
			     __field(u32, thread)
			     __field(u64, since)
			     __field(bool, write)),
	    TP_fast_assign(__assign_str(name);
			   __entry->pasid = pasid;
			   __entry->ioas = ioas;
			   __entry->iova = iova;
			   __entry->cause = cause;
			   __entry->thread = thread;
			   __entry->since = since;
			   __entry->write = write;),
	    TP_printk("%s pasid=%u iova=0x%llx write=%d ioas=%u cause=%u thread=%u since=%llu",
		      __get_str(name), __entry->pasid, __entry->iova,
		      __entry->write, __entry->ioas, __entry->cause,
		      __entry->thread, __entry->since));

/* Events of a virtual IOMMU */

DECLARE_EVENT_CLASS(iommufd_veventq,
		    TP_PROTO(u32 queue, u32 type, u32 sequence, u32 waiting),
		    TP_ARGS(queue, type, sequence, waiting),
		    TP_STRUCT__entry(__field(u32, queue)
				     __field(u32, type)
				     __field(u32, sequence)
				     __field(u32, waiting)),
		    TP_fast_assign(__entry->queue = queue;
				   __entry->type = type;
				   __entry->sequence = sequence;
				   __entry->waiting = waiting;),
		    TP_printk("queue=%u type=0x%x sequence=%u waiting=%u",
			      __entry->queue, __entry->type, __entry->sequence,
			      __entry->waiting));

DEFINE_EVENT(iommufd_veventq, iommufd_event,
	     TP_PROTO(u32 queue, u32 type, u32 sequence, u32 waiting),
	     TP_ARGS(queue, type, sequence, waiting));

DEFINE_EVENT(iommufd_veventq, iommufd_event_lost,
	     TP_PROTO(u32 queue, u32 type, u32 sequence, u32 waiting),
	     TP_ARGS(queue, type, sequence, waiting));

/* Calls that have failed, see enum iommu_why */

TRACE_EVENT(iommufd_refused,
	    TP_PROTO(const char *reason, u32 why, u32 command, int error,
		     const u64 *numbers),
	    TP_ARGS(reason, why, command, error, numbers),
	    TP_STRUCT__entry(__string(reason, reason)
			     __field(u32, why)
			     __field(u32, command)
			     __field(int, error)
			     __field(u64, first)
			     __field(u64, second)
			     __field(u64, third)
			     __field(u64, fourth)
			     __field(u64, fifth)),
	    TP_fast_assign(__assign_str(reason);
			   __entry->why = why;
			   __entry->command = command;
			   __entry->error = error;
			   __entry->first = numbers[0];
			   __entry->second = numbers[1];
			   __entry->third = numbers[2];
			   __entry->fourth = numbers[3];
			   __entry->fifth = numbers[4];),
	    TP_printk("%s why=%u errno=%d command=0x%x numbers=0x%llx,0x%llx,0x%llx,0x%llx,0x%llx",
		      __get_str(reason), __entry->why, __entry->error,
		      __entry->command, __entry->first, __entry->second,
		      __entry->third, __entry->fourth, __entry->fifth));

#endif

#include <trace/define_trace.h>
