// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA of a device that its IOMMU has stopped, and why it was
 *
 * Owns the list of devices that are bound. The IOMMU core calls, in process
 * context, when the driver of an IOMMU has found a fault that nobody handles.
 *
 * Only what can be seen without waiting is looked at: whoever holds the lock of
 * a group may wait for user space, and the devices of all users are in one
 * list.
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/ratelimit.h>
#include <linux/time64.h>
#include <trace/events/iommufd.h>

#include "../iommu-priv.h"

#include "attachment.h"
#include "ctx.h"
#include "device.h"
#include "dma_fault.h"
#include "group.h"
#include "hw_pagetable.h"
#include "hwpt.h"
#include "ioas.h"
#include "recorder.h"

static DEFINE_MUTEX(watched_lock);
static LIST_HEAD(watched_devices); /* guarded by watched_lock */

/**
 * struct stopped_why - why DMA was stopped
 * @cause: the cause
 * @ioas: where that was found, by its ID, or 0
 * @past: what has led to it; only if @cause is UNMAPPED or REVOKED
 */
struct stopped_why {
	enum iommu_stopped cause;
	u32 ioas;
	struct iommufd_past past;
};

/*
 * Devices
 */

/**
 * iommufd_dma_fault_watch - tell from now on why DMA of a device is stopped
 * @idev: the device, which is bound
 */
void iommufd_dma_fault_watch(struct iommufd_device *idev)
{
	ratelimit_default_init(&idev->stopped_limit);

	guard(mutex)(&watched_lock);
	list_add(&idev->watched_node, &watched_devices);
}

/**
 * iommufd_dma_fault_unwatch - no longer look at a device
 * @idev: the device, at which nobody looks any more on return
 */
void iommufd_dma_fault_unwatch(struct iommufd_device *idev)
{
	guard(mutex)(&watched_lock);
	list_del(&idev->watched_node);
}

static struct iommufd_device *find_watched(const struct device *dev)
{
	struct iommufd_device *idev;

	lockdep_assert_held(&watched_lock);

	list_for_each_entry(idev, &watched_devices, watched_node) {
		if (idev->dev == dev)
			return idev;
	}
	return NULL;
}

/*
 * Why
 */

static void stopped_in_ioas(struct stopped_why *why, struct iommufd_ioas *ioas,
			    struct iommufd_recorder *recorder,
			    const struct iommufd_stopped_dma *dma)
{
	enum iommu_recorded what = IOMMU_RECORDED_UNMAP;

	why->ioas = ioas->obj.id;
	why->cause = iommufd_address_space_why_stopped(&ioas->as, dma->iova,
						       dma->write);
	if (why->cause == IOMMU_STOPPED_REVOKED)
		what = IOMMU_RECORDED_REVOKE;
	else if (why->cause != IOMMU_STOPPED_NEVER_MAPPED)
		return;
	if (iommufd_recorder_find_last(recorder, what, why->ioas, dma->iova,
				       &why->past) &&
	    what == IOMMU_RECORDED_UNMAP)
		why->cause = IOMMU_STOPPED_UNMAPPED;
}

static void stopped_in_group(struct stopped_why *why,
			     struct iommufd_device *idev,
			     const struct iommufd_stopped_dma *dma)
{
	struct iommufd_attachment *attachment;
	struct iommufd_hw_pagetable *hwpt;

	lockdep_assert_held(&idev->group->lock);

	attachment = xa_load(&idev->group->attachments, dma->pasid);
	if (!attachment || !iommufd_attachment_has_device(attachment, idev)) {
		why->cause = IOMMU_STOPPED_NOT_ATTACHED;
		return;
	}
	hwpt = attachment->hwpt;
	if (hwpt->obj.type == IOMMUFD_OBJ_HWPT_NESTED) {
		why->cause = IOMMU_STOPPED_BY_GUEST;
		return;
	}
	stopped_in_ioas(why, to_hwpt_paging(hwpt)->ioas, &idev->ctx->recorder,
			dma);
}

static void find_why(struct stopped_why *why, struct iommufd_device *idev,
		     const struct iommufd_stopped_dma *dma)
{
	if (!mutex_trylock(&idev->group->lock)) {
		why->cause = IOMMU_STOPPED_CHANGING;
		return;
	}
	stopped_in_group(why, idev, dma);
	mutex_unlock(&idev->group->lock);
}

/*
 * Telling it
 */

static const char *const cause_texts[] = {
	[IOMMU_STOPPED_NEVER_MAPPED] = "never mapped, as far as is recorded",
	[IOMMU_STOPPED_UNMAPPED] = "unmapped",
	[IOMMU_STOPPED_NO_PERMISSION] = "mapped, but not for that",
	[IOMMU_STOPPED_REVOKED] = "taken back by its exporter",
	[IOMMU_STOPPED_NOT_ATTACHED] = "the device is not attached",
	[IOMMU_STOPPED_BY_GUEST] = "in a page table of a guest",
	[IOMMU_STOPPED_MAPPED] = "mapped by now",
	[IOMMU_STOPPED_CHANGING] = "being changed",
};

/*
 * The clocks of CPUs differ by a little: what came before may have the later
 * time.
 */
static u64 time_since(const struct stopped_why *why,
		      const struct iommufd_stopped_dma *dma)
{
	return dma->time > why->past.time ? dma->time - why->past.time : 0;
}

/* " 3.142 ms before by 812 (qemu)"; or nothing, if that is not known */
static void describe_past(char *text, size_t size,
			  const struct stopped_why *why, u64 since)
{
	const struct iommufd_past *past = &why->past;
	u32 us;
	u64 ms;
	int n;

	*text = '\0';
	if (!past->time)
		return;
	ms = div_u64_rem(div_u64(since, NSEC_PER_USEC), USEC_PER_MSEC, &us);
	n = scnprintf(text, size, " %llu.%03u ms before", ms, us);
	/* Escaped: a thread can give itself any name. */
	if (past->thread)
		scnprintf(text + n, size - n, " by %u (%*pE)", past->thread,
			  (int)strnlen(past->comm, sizeof(past->comm)),
			  past->comm);
}

/* Each device has a limit of its own: a flood of one silences no other. */
static void log_stopped(struct iommufd_device *idev,
			const struct iommufd_stopped_dma *dma,
			const struct stopped_why *why, u64 since)
{
	char past[40 + 4 * TASK_COMM_LEN], pasid[24] = "";

	if (!__ratelimit(&idev->stopped_limit))
		return;
	describe_past(past, sizeof(past), why, since);
	if (dma->pasid != IOMMU_NO_PASID)
		scnprintf(pasid, sizeof(pasid), " of PASID %u", dma->pasid);
	dev_warn(dma->dev, "DMA %s%s at IOVA 0x%llx was stopped: %s%s\n",
		 dma->write ? "write" : "read", pasid, dma->iova,
		 cause_texts[why->cause], past);
}

static void record_stopped(struct iommufd_device *idev,
			   const struct iommufd_stopped_dma *dma,
			   const struct stopped_why *why)
{
	const struct iommufd_device_record record = {
		.device = idev->obj.id,
		.pasid = dma->pasid,
		.object = why->ioas,
		.iova = dma->iova,
		.detail = why->cause |
			  (dma->write ? IOMMU_STOPPED_WRITE : 0),
	};

	iommufd_record_event(&idev->ctx->recorder, IOMMU_RECORDED_STOPPED,
			     &record, 0);
}

/**
 * iommufd_dma_fault_tell - say why DMA was stopped, if the device is ours
 * @dma: what was stopped
 *
 * Context: process context, may sleep.
 */
void iommufd_dma_fault_tell(const struct iommufd_stopped_dma *dma)
{
	struct stopped_why why = { };
	struct iommufd_device *idev;
	u64 since;

	guard(mutex)(&watched_lock);
	idev = find_watched(dma->dev);
	if (!idev)
		return;
	find_why(&why, idev, dma);
	since = why.past.time ? time_since(&why, dma) : 0;
	log_stopped(idev, dma, &why, since);
	record_stopped(idev, dma, &why);
	trace_iommufd_stopped(dma->dev, dma->pasid, dma->iova, dma->write,
			      why.ioas, why.cause, why.past.thread, since);
}

/*
 * The IOMMU core tells it where the base kernel has patches/0701; otherwise
 * nobody does.
 */

#ifdef iommu_register_dma_fault_notifier
static int dma_fault_notify(struct notifier_block *nb, unsigned long action,
			    void *data)
{
	const struct iommu_dma_fault *fault = data;
	const struct iommufd_stopped_dma dma = {
		.dev = fault->dev,
		.pasid = fault->pasid,
		.write = fault->write,
		.iova = fault->iova,
		.time = fault->time,
	};

	iommufd_dma_fault_tell(&dma);
	return NOTIFY_OK;
}

static struct notifier_block dma_fault_nb = {
	.notifier_call = dma_fault_notify,
};

int iommufd_dma_fault_init(void)
{
	return iommu_register_dma_fault_notifier(&dma_fault_nb);
}

void iommufd_dma_fault_exit(void)
{
	iommu_unregister_dma_fault_notifier(&dma_fault_nb);
}
#else
int iommufd_dma_fault_init(void)
{
	return 0;
}

void iommufd_dma_fault_exit(void)
{
}
#endif
