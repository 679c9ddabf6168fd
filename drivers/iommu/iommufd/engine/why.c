// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why something is refused
 *
 * Owns the table of reasons, and the numbers that wait for the end of a call.
 * Called wherever something is refused.
 */
#include <linux/array_size.h>
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "why.h"

/* A refusal is -(base + reason). The highest errno of the kernel is below. */
#define REFUSAL_BASE 1024

#define REASON(_why, _error, _name, ...)    \
	[IOMMU_WHY_##_why] = {              \
		.name = _name,              \
		.error = _error,            \
		.numbers = { __VA_ARGS__ }, \
	}

static const struct iommufd_reason reasons[] = {
	REASON(NO_MEMORY, ENOMEM, "no-memory"),
	REASON(SIGNAL, EINTR, "signal"),
	REASON(USER_MEMORY, EFAULT, "user-memory"),
	REASON(COMMAND, ENOTTY, "command"),
	REASON(SHORT_STRUCT, EINVAL, "short-struct", "size", "least"),
	REASON(LONG_STRUCT, E2BIG, "long-struct", "size", "known"),
	REASON(FLAGS, EOPNOTSUPP, "flags", "flags"),
	REASON(RESERVED_FIELD, EOPNOTSUPP, "reserved-field", "value"),
	REASON(OPERATION, EOPNOTSUPP, "operation", "operation"),
	REASON(NO_OBJECT, ENOENT, "no-object", "id"),
	REASON(OBJECT_TYPE, ENOENT, "object-type", "id"),
	REASON(OBJECT_IN_USE, EBUSY, "object-in-use", "id", "users"),
	REASON(PRIVILEGE, EPERM, "privilege", "capability"),
	REASON(ADDRESS, EOVERFLOW, "address", "address", "length"),
	REASON(EMPTY_RANGE, EINVAL, "empty-range", "address"),
	REASON(RANGE_END, EOVERFLOW, "range-end", "address", "length"),
	REASON(RECORDER_LENGTH, EINVAL, "recorder-length", "length", "most"),
	REASON(NO_ACCESS, EINVAL, "no-access", "flags"),
	REASON(LENGTH, EINVAL, "length", "length"),
	REASON(IOVA_ALIGNMENT, EINVAL, "iova-alignment",
	       "iova", "length", "alignment"),
	REASON(OFFSET_ALIGNMENT, EINVAL, "offset-alignment",
	       "offset", "alignment"),
	REASON(IOVA_RESERVED, EINVAL, "iova-reserved",
	       "iova", "last", "first-reserved", "last-reserved", "device"),
	REASON(IOVA_TAKEN, EEXIST, "iova-taken",
	       "iova", "last", "first-taken", "last-taken"),
	REASON(IOVA_LENGTH, EOVERFLOW, "iova-length", "length"),
	REASON(IOVA_FULL, ENOSPC, "iova-full", "length", "alignment"),
	REASON(MEMORY, EFAULT, "memory", "address", "pages"),
	REASON(PROCESS_GONE, EFAULT, "process-gone"),
	REASON(MEMLOCK, ENOMEM, "memlock", "pages", "charged", "limit"),
	REASON(FILE_DESCRIPTOR, EBADF, "file-descriptor", "fd"),
	REASON(FILE_KIND, EINVAL, "file-kind"),
	REASON(FILE_RANGE, EINVAL, "file-range", "offset", "pages"),
	REASON(FILE_READ, EPERM, "file-read"),
	REASON(FILE_WRITE, EPERM, "file-write"),
	REASON(FILE_SEALED, EPERM, "file-sealed", "seals"),
	REASON(DMABUF_ACCESS, EPERM, "dmabuf-access"),
	REASON(DMABUF_RANGE, EINVAL, "dmabuf-range",
	       "offset", "length", "size"),
	REASON(DMABUF_KIND, EOPNOTSUPP, "dmabuf-kind"),
	REASON(DMABUF_ADDRESS, ERANGE, "dmabuf-address"),
	REASON(COPY_HOLE, ENOENT, "copy-hole", "iova", "last", "hole"),
	REASON(COPY_READ_ONLY, EPERM, "copy-read-only", "iova"),
	REASON(UNMAP_PART, ENOENT, "unmap-part",
	       "iova", "last", "first-mapped", "last-mapped"),
	REASON(UNMAP_NOTHING, ENOENT, "unmap-nothing", "iova", "last"),
	REASON(AREA_CHANGING, EBUSY, "area-changing",
	       "first-mapped", "last-mapped"),
	REASON(AREA_LOCKED, EBUSY, "area-locked",
	       "first-mapped", "last-mapped"),
	REASON(DRIVER_KEEPS, EDEADLK, "driver-keeps", "iova", "last"),
	REASON(CUT_ALIGNMENT, EINVAL, "cut-alignment", "iova", "alignment"),
	REASON(CUT_IN_USE, EBUSY, "cut-in-use", "first-mapped", "last-mapped"),
	REASON(CUT_NOTHING, ENOENT, "cut-nothing", "iova"),
	REASON(ACCESS_HOLE, ENOENT, "access-hole", "iova"),
	REASON(ACCESS_GOING, EINVAL, "access-going", "iova"),
	REASON(ACCESS_PAGES, EINVAL, "access-pages", "iova"),
	REASON(ACCESS_MODE, EPERM, "access-mode", "iova"),
	REASON(RANGES_ROOM, EMSGSIZE, "ranges-room", "room", "ranges"),
	REASON(ALLOWED_RANGE, EINVAL, "allowed-range", "first", "last"),
	REASON(ALLOWED_TWICE, EINVAL, "allowed-twice", "first", "last"),
	REASON(ALLOWED_RESERVED, EADDRINUSE, "allowed-reserved",
	       "first", "last", "first-reserved", "last-reserved", "device"),
	REASON(OPTION_VALUE, EINVAL, "option-value", "option", "value"),
	REASON(OPTION_OBJECT, EOPNOTSUPP, "option-object", "option", "id"),
	REASON(HAS_OBJECTS, EBUSY, "has-objects"),
	REASON(LARGE_ENTRIES, EINVAL, "large-entries", "maps"),
	REASON(AREA_ALIGNMENT, EADDRINUSE, "area-alignment", "alignment"),
	REASON(PROCESS_MEMORY, EINVAL, "process-memory", "iova"),
	REASON(PROCESS_CHARGED, EBUSY, "process-charged"),
	REASON(TAKEN_BACK, EINVAL, "taken-back", "iova"),
	REASON(NO_IOMMU_TABLE, EOPNOTSUPP, "no-iommu-table"),
	REASON(NOT_COHERENT, EINVAL, "not-coherent"),
	REASON(NO_GROUP, ENODEV, "no-group"),
	REASON(MSI_UNSAFE, EPERM, "msi-unsafe"),
	REASON(DMA_OWNED, EBUSY, "dma-owned"),
	REASON(NO_IOMMU, EOPNOTSUPP, "no-iommu", "id"),
	REASON(ATTACH_TYPE, EINVAL, "attach-type", "id"),
	REASON(ATTACH_DRIVER, EINVAL, "attach-driver", "hwpt"),
	REASON(ATTACH_GROUP, EINVAL, "attach-group", "hwpt", "attached"),
	REASON(ATTACH_NO_PASIDS, EINVAL, "attach-no-pasids", "id", "pasid"),
	REASON(NOT_ATTACHED, EINVAL, "not-attached", "pasid"),
	REASON(HWPT_GOING, ENOENT, "hwpt-going", "hwpt"),
	REASON(NO_PASIDS, EOPNOTSUPP, "no-pasids", "pasid"),
	REASON(PASID_NUMBER, EINVAL, "pasid-number", "pasid", "pasids"),
	REASON(PASID_RANGE, EINVAL, "pasid-range", "first", "last"),
	REASON(MSI_REGIONS, EINVAL, "msi-regions", "hw-regions", "sw-regions"),
	REASON(DEVICE_RANGE_TAKEN, EADDRINUSE, "device-range-taken",
	       "first", "last", "first-mapped", "last-mapped"),
	REASON(DEVICE_RANGE_ALLOWED, EADDRINUSE, "device-range-allowed",
	       "first", "last"),
	REASON(PAGE_SIZE, EINVAL, "page-size", "page-size"),
	REASON(VF_FAULTS, EINVAL, "vf-faults", "hwpt"),
	REASON(ACCESS_ATTACHED, EINVAL, "access-attached"),
	REASON(ACCESS_NOT_ATTACHED, ENOENT, "access-not-attached"),
	REASON(ACCESS_LEAVING, EBUSY, "access-leaving"),
	REASON(PASIDS_TAKEN, ENOSPC, "pasids-taken", "first", "last"),
	REASON(ACCESS_ALIGNMENT, EINVAL, "access-alignment", "iova"),
	REASON(DATA_TYPE, EINVAL, "data-type", "type", "length"),
	REASON(NO_FLAGS, EOPNOTSUPP, "no-flags", "flags"),
	REASON(PARENT_FAULTS, EOPNOTSUPP, "parent-faults", "flags"),
	REASON(NO_DIRTY, EOPNOTSUPP, "no-dirty"),
	REASON(NO_NESTING, EOPNOTSUPP, "no-nesting"),
	REASON(NOT_PARENT, EINVAL, "not-parent", "hwpt"),
	REASON(VIOMMU_DEVICE, EINVAL, "viommu-device", "viommu", "device"),
	REASON(HWPT_PARENT, EINVAL, "hwpt-parent", "id"),
	REASON(NO_COHERENCY, EINVAL, "no-coherency"),
	REASON(DIRTY_ALIGNMENT, EINVAL, "dirty-alignment", "iova", "length"),
	REASON(DIRTY_PAGE_SIZE, EINVAL, "dirty-page-size",
	       "page-size", "length"),
	REASON(DIRTY_BITMAP, EINVAL, "dirty-bitmap", "size", "least"),
	REASON(INVALIDATE_ARRAY, EINVAL, "invalidate-array",
	       "entries", "length"),
	REASON(INVALIDATE_TYPE, EINVAL, "invalidate-type", "id"),
	REASON(NO_INVALIDATE, EOPNOTSUPP, "no-invalidate"),
	REASON(QUEUE_RECORDS, ESPIPE, "queue-records", "size", "record"),
	REASON(QUEUE_ROOM, EINVAL, "queue-room", "room", "size"),
	REASON(ANSWER_CODE, EINVAL, "answer-code", "code"),
	REASON(ANSWER_COOKIE, EINVAL, "answer-cookie", "cookie"),
	REASON(NO_VIOMMU, EOPNOTSUPP, "no-viommu", "type"),
	REASON(VDEVICE_TWICE, EEXIST, "vdevice-twice", "device"),
	REASON(VDEVICE_NUMBER, EEXIST, "vdevice-number", "number"),
	REASON(VDEVICE_RANGE, EINVAL, "vdevice-range", "number"),
	REASON(DEVICE_LEAVING, ENOENT, "device-leaving", "device"),
	REASON(EVENT_QUEUE_TWICE, EEXIST, "event-queue-twice", "type"),
	REASON(EVENT_QUEUES, ENOSPC, "event-queues", "queues"),
	REASON(EVENT_DEPTH, EINVAL, "event-depth", "depth", "most"),
	REASON(NO_HW_QUEUE, EOPNOTSUPP, "no-hw-queue", "type"),
	REASON(LOCK_MODE, EPERM, "lock-mode", "iova"),
	REASON(LOCK_SCATTERED, EFAULT, "lock-scattered", "iova"),
	REASON(LOCKS, EBUSY, "locks", "iova"),
	REASON(MMAP_PRIVATE, EINVAL, "mmap-private"),
	REASON(MMAP_EXEC, EPERM, "mmap-exec"),
	REASON(MMAP_RANGE, ENXIO, "mmap-range", "offset", "length"),
	REASON(NO_VFIO_IOAS, ENODEV, "no-vfio-ioas"),
	REASON(VFIO_NO_IOMMU, EINVAL, "vfio-no-iommu"),
	REASON(VFIO_TYPE, EINVAL, "vfio-type", "type"),
	REASON(VFIO_FLAGS, EINVAL, "vfio-flags", "flags"),
	REASON(VFIO_ALIGNMENT, EINVAL, "vfio-alignment", "iova", "length"),
	REASON(VFIO_UNMAP_ALL, EINVAL, "vfio-unmap-all", "iova", "length"),
	REASON(VFIO_NO_DIRTY, ENOTTY, "vfio-no-dirty"),
	REASON(VFIO_DIRTY_V1, EACCES, "vfio-dirty-v1"),
	REASON(VFIO_DIRTY_OFF, EINVAL, "vfio-dirty-off"),
};

static_assert(REFUSAL_BASE + ARRAY_SIZE(reasons) <= MAX_ERRNO);

static const struct iommufd_reason reason_elsewhere = { .name = "elsewhere" };

/**
 * iommufd_reason_of - what is known of a reason
 * @why: the reason
 *
 * Return: the reason, that of IOMMU_WHY_ELSEWHERE where there is none.
 */
const struct iommufd_reason *iommufd_reason_of(enum iommu_why why)
{
	if (why < ARRAY_SIZE(reasons) && reasons[why].name)
		return &reasons[why];
	return &reason_elsewhere;
}

/*
 * The numbers of the last refusals
 */

#define NOTES_LG2 6

/**
 * struct why_note - numbers that wait for the end of a call
 * @lock: guards the rest; taken inside of all locks
 * @task: whose call it is; only compared, as the task may be gone
 * @why: the reason
 * @numbers: what belongs to it
 */
struct why_note {
	spinlock_t lock; /* the note */
	const struct task_struct *task;
	enum iommu_why why;
	u64 numbers[IOMMU_REFUSAL_NUMBERS];
};

static struct why_note why_notes[1 << NOTES_LG2] = {
	[0 ... (1 << NOTES_LG2) - 1] = {
		.lock = __SPIN_LOCK_UNLOCKED(why_notes.lock),
	},
};

static struct why_note *why_note_of(const struct task_struct *task)
{
	return &why_notes[hash_ptr(task, NOTES_LG2)];
}

int __iommufd_refuse(enum iommu_why why, u64 first, u64 second, u64 third,
		     u64 fourth, u64 fifth)
{
	struct why_note *note = why_note_of(current);

	scoped_guard(spinlock_irqsave, &note->lock) {
		note->task = current;
		note->why = why;
		note->numbers[0] = first;
		note->numbers[1] = second;
		note->numbers[2] = third;
		note->numbers[3] = fourth;
		note->numbers[4] = fifth;
	}
	return -(REFUSAL_BASE + (int)why);
}

/* The reason of a refusal; IOMMU_WHY_ELSEWHERE of anything else */
static enum iommu_why why_of_refusal(int rc)
{
	if (rc > -REFUSAL_BASE || rc < -MAX_ERRNO)
		return IOMMU_WHY_ELSEWHERE;
	return -rc - REFUSAL_BASE;
}

/**
 * iommufd_errno - what user space is told of a refusal
 * @rc: a refusal, or anything else that a function returns
 *
 * Return: the errno of a refusal; else @rc.
 */
int iommufd_errno(int rc)
{
	enum iommu_why why = why_of_refusal(rc);

	return why == IOMMU_WHY_ELSEWHERE ? rc : -iommufd_reason_of(why)->error;
}

/* The reason of an errno that means the same wherever it is returned */
static enum iommu_why why_of_errno(int rc)
{
	switch (rc) {
	case -ENOMEM:
		return IOMMU_WHY_NO_MEMORY;
	case -EINTR:
	case -ERESTARTSYS:
		return IOMMU_WHY_SIGNAL;
	case -EFAULT:
		return IOMMU_WHY_USER_MEMORY;
	default:
		return IOMMU_WHY_ELSEWHERE;
	}
}

static bool why_take_note(enum iommu_why why,
			  u64 numbers[IOMMU_REFUSAL_NUMBERS])
{
	struct why_note *note = why_note_of(current);

	guard(spinlock_irqsave)(&note->lock);
	if (note->task != current || note->why != why)
		return false;
	memcpy(numbers, note->numbers, sizeof(note->numbers));
	note->task = NULL;
	return true;
}

/**
 * iommufd_why - why has a call of this task failed?
 * @rc: a refusal, or an errno
 * @numbers: receives the numbers that belong to it, zeroes if they are lost
 *
 * Return: the reason.
 */
enum iommu_why iommufd_why(int rc, u64 numbers[IOMMU_REFUSAL_NUMBERS])
{
	enum iommu_why why = why_of_refusal(rc);

	if (why == IOMMU_WHY_ELSEWHERE) {
		why = why_of_errno(rc);
		memset(numbers, 0, sizeof(u64) * IOMMU_REFUSAL_NUMBERS);
	} else if (!why_take_note(why, numbers)) {
		memset(numbers, 0, sizeof(u64) * IOMMU_REFUSAL_NUMBERS);
	}
	return why;
}
