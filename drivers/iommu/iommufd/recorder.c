// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has happened last, by each file
 *
 * Owns struct iommufd_recorder. Called where something has happened, see
 * recorder.h.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string_helpers.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "call.h"
#include "ctx.h"
#include "engine/why.h"
#include "recorder.h"

/* How many of the last records fdinfo has */
#define RECORDS_SHOWN 32

static unsigned int recorder_length = 256;
module_param(recorder_length, uint, 0644);
MODULE_PARM_DESC(recorder_length,
		 "Records that a file keeps, at most 256; 0: none (default: 256)");

/* Powers of two, see iommufd_record_place() */
static_assert(!(IOMMUFD_RECORD_SIZE & (IOMMUFD_RECORD_SIZE - 1)));
static_assert(!(IOMMU_RECORDER_MAX & (IOMMU_RECORDER_MAX - 1)));
static_assert(IOMMU_RECORDER_MAX * IOMMUFD_RECORD_SIZE <= SZ_32K);

/*
 * The place of recorders that have no ring. It is always busy, so that nobody
 * gets it.
 */
static struct iommufd_kept_record recorder_no_place = {
	.state = BIT(IOMMUFD_RECORD_BUSY_BIT),
};

/*
 * Length and memory
 */

/* A power of two, since the place is found by a mask. */
static unsigned int recorder_round_length(unsigned int length)
{
	length = min(length, IOMMU_RECORDER_MAX);
	return length ? roundup_pow_of_two(length) : 0;
}

static unsigned int recorder_length_of(unsigned long mask)
{
	if (mask == IOMMUFD_RECORDER_EMPTY)
		return recorder_round_length(READ_ONCE(recorder_length));
	return mask ? (mask + 1) / IOMMUFD_RECORD_SIZE : 0;
}

void iommufd_recorder_init(struct iommufd_recorder *recorder)
{
	recorder->kept = &recorder_no_place;
	/* Numbers begin with 1. */
	atomic_long_set(&recorder->next, IOMMUFD_RECORD_SIZE);
	if (READ_ONCE(recorder_length))
		recorder->mask = IOMMUFD_RECORDER_EMPTY;
	mutex_init(&recorder->lock);
}

/* Nobody records or reads any more. */
void iommufd_recorder_destroy(struct iommufd_recorder *recorder)
{
	if (recorder->kept != &recorder_no_place)
		kvfree(recorder->kept);
	mutex_destroy(&recorder->lock);
}

static int recorder_alloc(struct iommufd_recorder *recorder)
{
	struct iommufd_kept_record *kept;

	lockdep_assert_held(&recorder->lock);

	if (recorder->kept != &recorder_no_place)
		return 0;
	kept = kvzalloc_objs(*kept, IOMMU_RECORDER_MAX, GFP_KERNEL_ACCOUNT);
	if (!kept)
		return -ENOMEM;
	recorder->begin_cycles = iommufd_record_cycles();
	recorder->begin_time = ktime_get_ns();
	/* Numbers begin with 1 again: no record was kept yet. */
	atomic_long_set(&recorder->next, IOMMUFD_RECORD_SIZE);
	WRITE_ONCE(recorder->kept, kept);
	return 0;
}

/* @length: rounded */
static int recorder_set_length(struct iommufd_recorder *recorder,
			       unsigned int length)
{
	unsigned long mask = 0;
	int rc;

	lockdep_assert_held(&recorder->lock);

	if (length) {
		rc = recorder_alloc(recorder);
		if (rc)
			return rc;
		mask = length * IOMMUFD_RECORD_SIZE - 1;
	}
	/*
	 * After @kept: whoever sees the mask sees the ring, too. Pairs with
	 * iommufd_record().
	 */
	smp_store_release(&recorder->mask, mask);
	return 0;
}

/* If there is no memory the next record tries again. */
static void recorder_begin(struct iommufd_recorder *recorder)
{
	guard(mutex)(&recorder->lock);
	if (recorder->mask == IOMMUFD_RECORDER_EMPTY)
		recorder_set_length(recorder,
				    recorder_length_of(recorder->mask));
}

/*
 * Records are made
 */

static u32 record_what(enum iommu_recorded what, u32 detail, int rc)
{
	return what | detail << 8 | -iommufd_errno(rc) << 16;
}

/*
 * @by_caller: the current thread did it, and may sleep. Only then the first
 * record allocates the ring.
 */
static void record_make(struct iommufd_recorder *recorder, u32 what,
			const struct iommufd_device_record *record, u64 last,
			bool by_caller)
{
	struct iommufd_kept_record *kept;
	unsigned long state, mask;

	if (by_caller && READ_ONCE(recorder->mask) == IOMMUFD_RECORDER_EMPTY)
		recorder_begin(recorder);
	mask = READ_ONCE(recorder->mask);
	if (!mask || !iommufd_record_place(recorder, mask, &kept, &state))
		return;
	kept->device = record->device;
	iommufd_record_fill(kept, state, what, record->object, record->iova,
			    last, by_caller);
}

static void record_range(struct iommufd_recorder *recorder, u32 what, u32 ioas,
			 u64 iova, u64 last, bool by_caller)
{
	const struct iommufd_device_record record = {
		.object = ioas,
		.iova = iova,
	};

	record_make(recorder, what, &record, last, by_caller);
}

/**
 * iommufd_record_begin - the slow path of iommufd_record(), if it got no place
 * @recorder: the recorder
 * @what: what
 * @ioas: the ID of the IOAS
 * @iova: first IOVA
 * @last: last IOVA
 *
 * The first record allocates the ring; any other one is lost.
 *
 * Context: process context, may sleep.
 */
void iommufd_record_begin(struct iommufd_recorder *recorder,
			  enum iommu_recorded what, u32 ioas, u64 iova,
			  u64 last)
{
	if (READ_ONCE(recorder->mask) == IOMMUFD_RECORDER_EMPTY)
		record_range(recorder, what, ioas, iova, last, true);
}

/**
 * iommufd_record_failed - record what was to be done to a range of IOVA
 * @recorder: the recorder
 * @what: what
 * @ioas: the ID of the IOAS
 * @iova: first IOVA
 * @last: last IOVA
 * @rc: the errno, or the refusal
 *
 * Context: process context, may sleep.
 * Return: @rc.
 */
int iommufd_record_failed(struct iommufd_recorder *recorder,
			  enum iommu_recorded what, u32 ioas, u64 iova,
			  u64 last, int rc)
{
	record_range(recorder, record_what(what, 0, rc), ioas, iova, last,
		     true);
	return rc;
}

/**
 * iommufd_record_device - record what has been done to a device
 * @recorder: the recorder
 * @what: what
 * @record: more about it
 * @rc: 0, or the errno, or the refusal
 *
 * Context: process context, may sleep.
 */
void iommufd_record_device(struct iommufd_recorder *recorder,
			   enum iommu_recorded what,
			   const struct iommufd_device_record *record, int rc)
{
	record_make(recorder, record_what(what, record->detail, rc), record,
		    record->pasid, true);
}

/**
 * iommufd_record_event - record what has happened to a device
 * @recorder: the recorder
 * @what: what
 * @record: more about it
 * @rc: 0, or the errno
 *
 * No thread is recorded, since it is not one of the program. The record is lost
 * if the ring is not allocated yet.
 *
 * Context: any.
 */
void iommufd_record_event(struct iommufd_recorder *recorder,
			  enum iommu_recorded what,
			  const struct iommufd_device_record *record, int rc)
{
	record_make(recorder, record_what(what, record->detail, rc), record,
		    record->pasid, false);
}

/**
 * iommufd_record_revoke - record that memory has been taken back
 * @recorder: the recorder
 * @ioas: the ID of the IOAS where it is mapped
 * @iova: first IOVA
 * @last: last IOVA
 *
 * No thread is recorded, since it may be one of another program. The record is
 * lost if the ring is not allocated yet.
 *
 * Context: any.
 */
void iommufd_record_revoke(struct iommufd_recorder *recorder, u32 ioas,
			   u64 iova, u64 last)
{
	record_range(recorder, IOMMU_RECORDED_REVOKE, ioas, iova, last, false);
}

/*
 * Records are read
 */

static u64 recorder_count(const struct iommufd_recorder *recorder)
{
	unsigned long next = atomic_long_read(&recorder->next);

	return next / IOMMUFD_RECORD_SIZE - 1;
}

VISIBLE_IF_KUNIT void
iommufd_recorder_copy(struct iommufd_kept_record *record,
		      const struct iommufd_kept_record *kept)
{
	KUNIT_STATIC_STUB_REDIRECT(iommufd_recorder_copy, record, kept);
	/* May be overwritten meanwhile, and is thrown away then. */
	data_race(*record = *kept);
}

static bool recorder_read(struct iommufd_recorder *recorder, unsigned long mask,
			  u64 number, struct iommufd_kept_record *record)
{
	unsigned long state = number * IOMMUFD_RECORD_SIZE;
	const struct iommufd_kept_record *kept;

	kept = (void *)READ_ONCE(recorder->kept) + (state & mask);
	/* Pairs with the release where records are made. */
	if (smp_load_acquire(&kept->state) != state)
		return false;
	iommufd_recorder_copy(record, kept);
	/* Pairs with test_and_set_bit() in iommufd_record_place(). */
	smp_rmb();
	return READ_ONCE(kept->state) == state;
}

/*
 * The time of CLOCK_MONOTONIC, given that the counter has had the same rate
 * since the ring was allocated
 */
static u64 recorder_time(const struct iommufd_recorder *recorder, u64 cycles)
{
	u64 until = cycles - recorder->begin_cycles;
	u64 since = iommufd_record_cycles() - recorder->begin_cycles;
	u64 now = ktime_get_ns();

	/* There is no counter, or it was reset while the machine slept. */
	if (until >= since || (s64)since < 0)
		return now;
	return recorder->begin_time +
	       mul_u64_u64_div_u64(until, now - recorder->begin_time, since);
}

/**
 * struct found_record - a record that was found
 * @number: its number, counted from 1
 * @time: when, by CLOCK_MONOTONIC
 * @kept: what was kept
 */
struct found_record {
	u64 number;
	u64 time;
	struct iommufd_kept_record kept;
};

/*
 * Find the first one that is kept, from @found->number on. Some are missing:
 * what is just being made, or was lost.
 * Return: false if there is none.
 */
static bool recorder_find(struct iommufd_recorder *recorder,
			  struct found_record *found)
{
	/* Pairs with the release in recorder_set_length(). */
	unsigned long mask = smp_load_acquire(&recorder->mask);
	u64 nr = recorder_count(recorder);
	u64 length = recorder_length_of(mask);

	if (nr > length)
		found->number = max(found->number, nr - length + 1);
	for (; length && found->number <= nr; found->number++) {
		if (recorder_read(recorder, mask, found->number,
				  &found->kept)) {
			found->time = recorder_time(recorder,
						    found->kept.cycles);
			return true;
		}
	}
	return false;
}

/**
 * iommufd_recorder_find_last - find the last time that something was done
 * @recorder: the recorder
 * @what: what
 * @ioas: the ID of the IOAS
 * @iova: to this IOVA, and to others
 * @past: receives when, and by whom
 *
 * Return: false if that is not kept.
 */
bool iommufd_recorder_find_last(struct iommufd_recorder *recorder,
				enum iommu_recorded what, u32 ioas, u64 iova,
				struct iommufd_past *past)
{
	/* Pairs with the release in recorder_set_length(). */
	unsigned long mask = smp_load_acquire(&recorder->mask);
	u64 nr = recorder_count(recorder);
	u32 left = min(nr, recorder_length_of(mask));
	struct iommufd_kept_record kept;

	for (; left; left--, nr--) {
		/* One that has failed has its errno there, too. */
		if (!recorder_read(recorder, mask, nr, &kept) ||
		    kept.what != what || kept.object != ioas ||
		    iova < kept.iova || iova > kept.last)
			continue;
		past->time = recorder_time(recorder, kept.cycles);
		past->thread = kept.thread;
		strscpy(past->comm, kept.comm);
		return true;
	}
	return false;
}

/* What the reader may know of the thread: 0 if it is not in the namespace */
static pid_t record_thread(const struct iommufd_kept_record *kept)
{
	guard(rcu)();
	if (task_active_pid_ns(current) == &init_pid_ns)
		return kept->thread;
	return pid_vnr(find_pid_ns(kept->thread, &init_pid_ns));
}

static enum iommu_recorded
record_operation(const struct iommufd_kept_record *kept)
{
	return kept->what & 0xff;
}

static bool record_is_about_device(const struct iommufd_kept_record *kept)
{
	switch (record_operation(kept)) {
	case IOMMU_RECORDED_ATTACH:
	case IOMMU_RECORDED_REPLACE:
	case IOMMU_RECORDED_DETACH:
	case IOMMU_RECORDED_PAGE_REQUEST:
	case IOMMU_RECORDED_STOPPED:
		return true;
	default:
		return false;
	}
}

static struct iommu_record record_describe(const struct found_record *found)
{
	const struct iommufd_kept_record *kept = &found->kept;
	struct iommu_record record = {
		.number = found->number,
		.time = found->time,
		.iova = kept->iova,
		.last = kept->last,
		.operation = record_operation(kept),
		.detail = kept->what >> 8 & 0xff,
		.error = kept->what >> 16,
		.object = kept->object,
		.thread = record_thread(kept),
	};

	if (record_is_about_device(kept)) {
		record.device = kept->device;
		record.pasid = kept->last;
		record.last = kept->iova;
	}
	static_assert(sizeof(record.comm) == sizeof(kept->comm));
	strscpy_pad(record.comm, kept->comm);
	return record;
}

static const char *const record_names[] = {
	[IOMMU_RECORDED_MAP] = "map",
	[IOMMU_RECORDED_UNMAP] = "unmap",
	[IOMMU_RECORDED_COPY] = "copy",
	[IOMMU_RECORDED_ATTACH] = "attach",
	[IOMMU_RECORDED_REPLACE] = "replace",
	[IOMMU_RECORDED_DETACH] = "detach",
	[IOMMU_RECORDED_PAGE_REQUEST] = "page-request",
	[IOMMU_RECORDED_REVOKE] = "revoke",
	[IOMMU_RECORDED_STOPPED] = "stopped",
};

static void record_show(struct seq_file *seq, const struct found_record *found)
{
	struct iommu_record record = record_describe(found);
	/* A thread can be called anything. */
	char comm[4 * TASK_COMM_LEN + 1];
	int length;

	length = string_escape_mem(record.comm, strlen(record.comm), comm,
				   sizeof(comm) - 1,
				   ESCAPE_HEX | ESCAPE_NAP | ESCAPE_APPEND,
				   " \\");
	comm[length] = '\0';
	seq_printf(seq, "iommu-record-%llu:\t%s errno=%u thread=%u time=%llu",
		   record.number, record_names[record.operation], record.error,
		   record.thread, record.time);
	seq_printf(seq, " object=%u device=%u pasid=%u iova=0x%llx last=0x%llx",
		   record.object, record.device, record.pasid, record.iova,
		   record.last);
	seq_printf(seq, " detail=0x%x comm=%s\n", record.detail, comm);
}

/**
 * iommufd_recorder_show - tell fdinfo of the last records
 * @seq: where to write
 * @recorder: the recorder
 */
void iommufd_recorder_show(struct seq_file *seq,
			   struct iommufd_recorder *recorder)
{
	u64 nr = recorder_count(recorder);
	struct found_record found = {
		.number = nr < RECORDS_SHOWN ? 1 : nr - RECORDS_SHOWN + 1,
	};
	unsigned int left;

	seq_printf(seq, "iommu-recorded:\t%llu length=%u\n", nr,
		   recorder_length_of(READ_ONCE(recorder->mask)));
	for (left = RECORDS_SHOWN; left && recorder_find(recorder, &found);
	     left--) {
		record_show(seq, &found);
		found.number++;
	}
}

/* Receives in @cmd how many there are, and with which to go on. */
static int records_read(struct iommufd_recorder *recorder,
			struct iommu_get_records *cmd)
{
	void __user *user = u64_to_user_ptr(cmd->entries);
	struct found_record found = { .number = max(cmd->first, 1) };
	u32 room = cmd->nr;
	int rc;

	for (cmd->nr = 0; cmd->nr < room && recorder_find(recorder, &found);
	     cmd->nr++) {
		struct iommu_record record = record_describe(&found);

		rc = copy_struct_to_user(user, cmd->entry_size, &record,
					 sizeof(record), NULL);
		if (rc)
			return rc;
		user += cmd->entry_size;
		cmd->first = ++found.number;
	}
	return 0;
}

int iommufd_get_records_ioctl(struct iommufd_call *call)
{
	struct iommufd_recorder *recorder = &call->ctx->recorder;
	struct iommu_get_records *cmd = call->arg;
	int rc;

	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);
	if (cmd->entry_size < sizeof(struct iommu_record))
		return iommufd_refuse(IOMMU_WHY_SHORT_STRUCT, cmd->entry_size,
				      sizeof(struct iommu_record));
	cmd->length = recorder_length_of(READ_ONCE(recorder->mask));
	rc = records_read(recorder, cmd);
	return rc ?: iommufd_call_reply(call);
}

/* The reply is known before: if it fails nothing has happened. */
int iommufd_set_recorder_ioctl(struct iommufd_call *call)
{
	struct iommufd_recorder *recorder = &call->ctx->recorder;
	struct iommu_set_recorder *cmd = call->arg;
	int rc;

	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);
	if (cmd->length > IOMMU_RECORDER_MAX)
		return iommufd_refuse(IOMMU_WHY_RECORDER_LENGTH, cmd->length,
				      IOMMU_RECORDER_MAX);
	cmd->length = recorder_round_length(cmd->length);
	rc = iommufd_call_reply(call);
	if (rc)
		return rc;
	guard(mutex)(&recorder->lock);
	return recorder_set_length(recorder, cmd->length);
}
