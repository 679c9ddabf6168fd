/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has happened last, by each file
 */

/**
 * DOC: The recorder
 *
 * Each file keeps what has happened last: maps, attaches and the like, 64 bytes
 * of each, in a ring. Making a record is part of each map and unmap, so it
 * takes no lock, and few instructions; four while the recorder is off.
 *
 *  - A record gets its number, and so its place, by an atomic addition. Who
 *    makes it owns the place while the lowest bit of its state is set. Who
 *    finds the bit set, since all the others were faster than the one before,
 *    loses the record.
 *  - The time is that of the CPU's counter. When the record is read it becomes
 *    one of CLOCK_MONOTONIC, by two points at which both are known.
 *  - The ring is allocated by the first record of the file that is made where
 *    that is allowed, and stays until the file closes. A shorter length uses
 *    less of it. What comes before, or cannot allocate it, is lost, and nothing
 *    else fails.
 *  - As long as a file has no ring, its only place is one that all files share
 *    and that is always busy. So making a record needs no check for a ring.
 */
#ifndef __IOMMUFD_RECORDER_H
#define __IOMMUFD_RECORDER_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/timex.h>
#include <linux/types.h>
#include <uapi/linux/iommufd.h>

struct iommufd_call;
struct seq_file;

/* The lowest bit of a state */
#define IOMMUFD_RECORD_BUSY_BIT 0

/**
 * struct iommufd_kept_record - a record as it is kept
 * @state: its number times its size; with the lowest bit while it is made
 * @cycles: when, by the CPU's counter
 * @iova: the first IOVA
 * @last: the last IOVA; of what is about a device its PASID
 * @what: enum iommu_recorded, and from bit 8 on the detail, from 16 on the
 *        errno
 * @object: an ID
 * @device: an ID; only of what is about a device
 * @thread: the PID of the initial namespace, or 0
 * @comm: what the thread was called, or nothing
 */
struct iommufd_kept_record {
	unsigned long state;
	u64 cycles;
	u64 iova;
	u64 last;
	u32 what;
	u32 object;
	u32 device;
	u32 thread;
	char comm[TASK_COMM_LEN];
};

#define IOMMUFD_RECORD_SIZE sizeof(struct iommufd_kept_record)

/**
 * struct iommufd_recorder - the recorder of a file
 * @mask: size of the part of @kept that is used, in bytes, less 1; 0 if it is
 *        off; IOMMUFD_RECORDER_EMPTY if there is no @kept yet. Changes with
 *        @lock.
 * @next: the state of the next record
 * @kept: the places; changes with @lock, before @mask
 * @begin_cycles: what the CPU's counter was when @kept was allocated
 * @begin_time: when that was, by CLOCK_MONOTONIC
 * @lock: guards changes of the others
 */
struct iommufd_recorder {
	unsigned long mask;
	atomic_long_t next;
	struct iommufd_kept_record *kept;
	u64 begin_cycles;
	u64 begin_time;
	struct mutex lock;		/* mask, kept */
};

/*
 * As a mask it gives the first place, since all states have these bits clear.
 */
#define IOMMUFD_RECORDER_EMPTY 1

/**
 * struct iommufd_device_record - what is to be recorded of a device
 * @device: the ID of the device
 * @pasid: which of its DMA
 * @object: the ID of the page table, or what else it is about
 * @iova: where, or 0
 * @detail: what else there is to say, as the uapi header has it, or 0
 */
struct iommufd_device_record {
	u32 device;
	u32 pasid;
	u32 object;
	u64 iova;
	u8 detail;
};

/**
 * struct iommufd_past - when something was done, and by whom
 * @time: when, by CLOCK_MONOTONIC
 * @thread: the PID of the initial namespace, or 0
 * @comm: what the thread was called, any bytes
 */
struct iommufd_past {
	u64 time;
	u32 thread;
	char comm[TASK_COMM_LEN];
};

void iommufd_recorder_init(struct iommufd_recorder *recorder);
void iommufd_recorder_destroy(struct iommufd_recorder *recorder);
void iommufd_recorder_show(struct seq_file *seq,
			   struct iommufd_recorder *recorder);
bool iommufd_recorder_find_last(struct iommufd_recorder *recorder,
				enum iommu_recorded what, u32 ioas, u64 iova,
				struct iommufd_past *past);

void iommufd_record_begin(struct iommufd_recorder *recorder,
			  enum iommu_recorded what, u32 ioas, u64 iova,
			  u64 last) __cold;
int iommufd_record_failed(struct iommufd_recorder *recorder,
			  enum iommu_recorded what, u32 ioas, u64 iova,
			  u64 last, int rc) __cold;
void iommufd_record_device(struct iommufd_recorder *recorder,
			   enum iommu_recorded what,
			   const struct iommufd_device_record *record, int rc);
void iommufd_record_event(struct iommufd_recorder *recorder,
			  enum iommu_recorded what,
			  const struct iommufd_device_record *record, int rc);
void iommufd_record_revoke(struct iommufd_recorder *recorder, u32 ioas,
			   u64 iova, u64 last);

/* The CPU's counter; get_cycles() would ask first whether there is one. */
#ifdef CONFIG_X86_64
static __always_inline u64 iommufd_record_cycles(void)
{
	return rdtsc();
}
#else
static __always_inline u64 iommufd_record_cycles(void)
{
	return get_cycles();
}
#endif

/*
 * Return: whether @kept is the caller's, until it stores @state there. @mask is
 * not 0.
 */
static __always_inline bool
iommufd_record_place(struct iommufd_recorder *recorder, unsigned long mask,
		     struct iommufd_kept_record **kept, unsigned long *state)
{
	/* Pairs with the release in recorder_set_length(). */
	smp_acquire__after_ctrl_dep();
	*state = atomic_long_fetch_add_relaxed(sizeof(**kept), &recorder->next);
	*kept = (void *)READ_ONCE(recorder->kept) + (*state & mask);
	if (unlikely(test_and_set_bit(IOMMUFD_RECORD_BUSY_BIT,
				      &(*kept)->state)))
		return false;
	(*kept)->cycles = iommufd_record_cycles();
	return true;
}

/* The place is taken: write the record, and let it be read. */
static __always_inline void
iommufd_record_fill(struct iommufd_kept_record *kept, unsigned long state,
		    u32 what, u32 object, u64 iova, u64 last, bool by_caller)
{
	kept->iova = iova;
	kept->last = last;
	kept->what = what;
	kept->object = object;
	kept->thread = by_caller ? current->pid : 0;
	/*
	 * Not for maps: the name is seldom needed there, and copying it would
	 * make them slower.
	 */
	if (by_caller && what != IOMMU_RECORDED_MAP)
		memcpy(kept->comm, current->comm, sizeof(kept->comm));
	else
		kept->comm[0] = '\0';
	/* Pairs with the acquire in recorder_read(). */
	smp_store_release(&kept->state, state);
}

/**
 * iommufd_record - record what has been done to a range of IOVA
 * @recorder: the recorder
 * @what: what
 * @ioas: the ID of the IOAS
 * @iova: first IOVA
 * @last: last IOVA
 *
 * Context: process context, may sleep.
 */
static __always_inline void iommufd_record(struct iommufd_recorder *recorder,
					   enum iommu_recorded what, u32 ioas,
					   u64 iova, u64 last)
{
	unsigned long state, mask = READ_ONCE(recorder->mask);
	struct iommufd_kept_record *kept;

	if (!mask)
		return;
	if (unlikely(!iommufd_record_place(recorder, mask, &kept, &state))) {
		iommufd_record_begin(recorder, what, ioas, iova, last);
		return;
	}
	iommufd_record_fill(kept, state, what, ioas, iova, last, true);
}

#if IS_ENABLED(CONFIG_KUNIT)
void iommufd_recorder_copy(struct iommufd_kept_record *record,
			   const struct iommufd_kept_record *kept);
#endif

int iommufd_get_records_ioctl(struct iommufd_call *call);
int iommufd_set_recorder_ioctl(struct iommufd_call *call);

#endif
