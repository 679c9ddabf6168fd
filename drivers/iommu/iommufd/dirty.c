// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking: which memory devices have written to
 *
 * The hardware, or the IOMMU driver, has a dirty bit in each page table entry,
 * and user space has the bitmap. In between, this has what is owed: entries are
 * larger than what somebody may ask for, and are cleaned whole. Called by the
 * ioctl table.
 *
 * The promise: what a device has written to is reported at least once
 * afterwards, to whoever asks for it, however the range of each call is cut,
 * and also after calls that failed.
 *
 * Only what is mapped is looked at, neither IOVA nor memory of the bitmap in
 * between. The page table stands still while it is read, but no lock is held
 * while user memory is waited for: whoever provides it may be about to unmap
 * something, or may never provide it.
 */
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <uapi/linux/iommufd.h>

#include "call.h"
#include "dirty.h"
#include "dirty_owed.h"
#include "engine/why.h"
#include "hwpt.h"
#include "ioas.h"
#include "iova_bitmap.h"

/**
 * struct dirty_reader - one reading of a page table
 * @as: what the page table follows
 * @domain: the page table
 * @owed: what is owed of the page table
 * @iova: the first IOVA of the stretch of mapped memory that is being read
 * @last: its last IOVA
 * @next: what is behind the last part that was read
 * @flags: IOMMU_DIRTY_NO_CLEAR or 0
 * @dirty: what the IOMMU driver is to fill
 * @gather: what the IOMMU driver wants to be flushed of the entries that it has
 *          cleaned: as long as the IOTLB has one of them as dirty, hardware
 *          need not set the bit in the page table again
 */
struct dirty_reader {
	struct iommufd_address_space *as;
	struct iommu_domain *domain;
	struct iommufd_owed *owed;
	unsigned long iova;
	unsigned long last;
	unsigned long next;
	unsigned long flags;
	struct iommu_dirty_bitmap dirty;
	struct iommu_iotlb_gather gather;
};

static void dirty_reader_init(struct dirty_reader *reader,
			      struct iommufd_hwpt_paging *hwpt,
			      struct iova_bitmap *bitmap, unsigned long flags)
{
	reader->as = &hwpt->ioas->as;
	reader->domain = hwpt->common.domain;
	reader->owed = &hwpt->owed;
	reader->flags = flags;
	iommu_dirty_bitmap_init(&reader->dirty, bitmap, &reader->gather);
}

static bool dirty_reader_clears(const struct dirty_reader *reader)
{
	return !(reader->flags & IOMMU_DIRTY_NO_CLEAR);
}

/*
 * Flush the entries that were cleaned, also when the rest failed, and before
 * user space learns of them: until then hardware may write without setting the
 * dirty bit. What it writes so is in the copy that user space makes afterwards.
 * Drivers may have flushed some of it already.
 */
static void dirty_reader_flush(struct dirty_reader *reader)
{
	/*
	 * Without clearing nothing needs a flush, although drivers may gather.
	 */
	if (!dirty_reader_clears(reader))
		return;
	/* Some drivers flush everything when they are given an empty range. */
	if (reader->gather.start <= reader->gather.end)
		iommu_iotlb_sync(reader->domain, &reader->gather);
}

static void dirty_mark_owed(struct dirty_reader *reader, unsigned long iova,
			    unsigned long last)
{
	unsigned long owed_iova = iova, owed_last = last;

	while (iommufd_owed_next(reader->owed, &owed_iova, &owed_last)) {
		iova_bitmap_set(reader->dirty.bitmap, owed_iova,
				owed_last - owed_iova + 1);
		if (owed_last == last)
			break;
		owed_iova = owed_last + 1;
		owed_last = last;
	}
}

static int dirty_read_part(void *data, unsigned long iova, unsigned long last)
{
	struct dirty_reader *reader = data;
	struct iommu_domain *domain = reader->domain;

	if (reader->dirty.bitmap)
		dirty_mark_owed(reader, iova, last);
	reader->next = last + 1;
	return domain->dirty_ops->read_and_clear_dirty(domain, iova,
						       last - iova + 1,
						       reader->flags,
						       &reader->dirty);
}

/*
 * Enable, disable
 */

static int dirty_clear_all(struct iommufd_hwpt_paging *hwpt)
{
	struct dirty_reader reader;
	int rc;

	dirty_reader_init(&reader, hwpt, NULL, 0);
	rc = iommufd_address_space_visit(reader.as, 0, ULONG_MAX,
					 dirty_read_part, &reader);
	dirty_reader_flush(&reader);
	if (rc)
		return rc;

	mutex_lock(&hwpt->owed.mutex);
	iommufd_owed_settle_all(&hwpt->owed);
	mutex_unlock(&hwpt->owed.mutex);
	return 0;
}

/**
 * iommufd_dirty_set_tracking - begin or end to watch what devices write to
 * @hwpt: the page table
 * @enable: begin, with everything clean
 *
 * Context: process context, may sleep; caller may hold the followers.
 * Return: 0; -EOPNOTSUPP if the page table cannot; -EINTR; an error of the
 * IOMMU driver.
 */
int iommufd_dirty_set_tracking(struct iommufd_hwpt_paging *hwpt, bool enable)
{
	struct iommu_domain *domain = hwpt->common.domain;
	int rc;

	if (!domain->dirty_ops)
		return iommufd_refuse(IOMMU_WHY_NO_DIRTY);
	/* Before it is enabled, so that it stays disabled when this fails. */
	if (enable) {
		rc = dirty_clear_all(hwpt);
		if (rc)
			return rc;
	}
	return domain->dirty_ops->set_dirty_tracking(domain, enable);
}

int iommufd_hwpt_set_dirty_tracking_ioctl(struct iommufd_call *call)
{
	struct iommu_hwpt_set_dirty_tracking *cmd = call->arg;
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	/*
	 * @__reserved is not checked: the ABI never has, and programs may leave
	 * anything in it.
	 */
	if (cmd->flags & ~IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	hwpt = iommufd_hwpt_paging_get(call->ctx, cmd->hwpt_id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	rc = iommufd_dirty_set_tracking(hwpt,
					cmd->flags &
					IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	iommufd_object_put(call->ctx, &hwpt->common.obj);
	return rc;
}

/*
 * Read
 */

static int dirty_check_alignment(struct iommufd_iova_space *space,
				 const struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	if (!iommufd_iova_space_is_aligned(space, cmd->iova, cmd->length))
		return iommufd_refuse(IOMMU_WHY_DIRTY_ALIGNMENT, cmd->iova,
				      cmd->length);
	/*
	 * A page_size of no more than the length fits in a long, as that does.
	 */
	if (cmd->page_size > cmd->length || !is_power_of_2(cmd->page_size) ||
	    !IS_ALIGNED(cmd->iova | cmd->length, cmd->page_size))
		return iommufd_refuse(IOMMU_WHY_DIRTY_PAGE_SIZE, cmd->page_size,
				      cmd->length);
	return 0;
}

static bool dirty_is_mapped(void *data, unsigned long iova, unsigned long last)
{
	struct iommufd_address_space *as = data;

	return iommufd_address_space_next_mapped(as, &iova, &last, 0);
}

static int dirty_prepare_window(struct dirty_reader *reader)
{
	if (!dirty_reader_clears(reader))
		return 0;
	iommufd_owed_sweep(reader->owed, dirty_is_mapped, reader->as);
	return iommufd_owed_prepare(reader->owed);
}

/*
 * All from @iova up to @next was read and marked. The entries at the ends of
 * the window may reach beyond it: that part is owed to whoever reads it, which
 * may be this call with its next window.
 */
static void dirty_settle_window(struct dirty_reader *reader, unsigned long iova,
				unsigned long next, unsigned long window_iova,
				unsigned long window_last)
{
	unsigned long owed_iova, owed_last;

	iova_bitmap_take_owed(reader->dirty.bitmap, &owed_iova, &owed_last);
	/* Nothing was cleaned, so that nothing is owed. */
	if (!dirty_reader_clears(reader))
		return;

	/*
	 * Also for holes in the range: what is not mapped need not be reported.
	 */
	if (next != iova)
		iommufd_owed_settle(reader->owed, iova, next - 1);
	if (owed_iova < window_iova)
		iommufd_owed_add(reader->owed, owed_iova, window_iova - 1);
	if (owed_last > window_last)
		iommufd_owed_add(reader->owed, window_last + 1, owed_last);
	/*
	 * Another reader may report what is owed before this call ends, so that
	 * the flush must not wait until then.
	 */
	if (owed_iova < window_iova || owed_last > window_last)
		dirty_reader_flush(reader);
}

static int dirty_read_window(struct iova_bitmap *bitmap, unsigned long iova,
			     size_t length, void *opaque)
{
	struct dirty_reader *reader = opaque;
	unsigned long window_last = iova + length - 1;
	unsigned long first = max(iova, reader->iova);
	unsigned long last = min(window_last, reader->last);
	int rc;

	if (mutex_lock_killable(&reader->owed->mutex))
		return -EINTR;
	rc = dirty_prepare_window(reader);
	if (rc)
		goto out_unlock;

	reader->next = first;
	rc = iommufd_address_space_visit(reader->as, first, last,
					 dirty_read_part, reader);
	dirty_settle_window(reader, first, rc ? reader->next : last + 1, iova,
			    window_last);
out_unlock:
	mutex_unlock(&reader->owed->mutex);
	return rc;
}

/*
 * The longest hole that need not be skipped: a longer one may have a page of
 * the bitmap for itself, which would be touched for nothing.
 */
static unsigned long dirty_longest_hole(u64 page_size)
{
	unsigned long span;

	if (check_mul_overflow((unsigned long)page_size,
			       PAGE_SIZE * BITS_PER_BYTE, &span))
		return ULONG_MAX;
	return span - 1;
}

static int dirty_read_mapped(struct dirty_reader *reader, unsigned long iova,
			     unsigned long last, u64 page_size)
{
	const unsigned long max_hole = dirty_longest_hole(page_size);
	int rc;

	reader->iova = iova;
	reader->last = last;
	while (iommufd_address_space_next_mapped(reader->as, &reader->iova,
						 &reader->last, max_hole)) {
		rc = iova_bitmap_visit(reader->dirty.bitmap, reader->iova,
				       reader->last, reader, dirty_read_window);
		if (rc || reader->last == last)
			return rc;
		reader->iova = reader->last + 1;
		reader->last = last;
	}
	return 0;
}

static int dirty_read(struct iommufd_hwpt_paging *hwpt,
		      const struct iommu_hwpt_get_dirty_bitmap *cmd,
		      unsigned long last)
{
	unsigned long flags = 0;
	struct iova_bitmap *bitmap;
	struct dirty_reader reader;
	int rc;

	if (cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR)
		flags |= IOMMU_DIRTY_NO_CLEAR;

	bitmap = iova_bitmap_alloc(cmd->iova, cmd->length, cmd->page_size,
				   u64_to_user_ptr(cmd->data));
	if (IS_ERR(bitmap))
		return PTR_ERR(bitmap);
	dirty_reader_init(&reader, hwpt, bitmap, flags);
	rc = dirty_read_mapped(&reader, cmd->iova, last, cmd->page_size);
	dirty_reader_flush(&reader);
	iova_bitmap_free(bitmap);
	return rc;
}

/**
 * iommufd_dirty_get_bitmap - tell what devices have written to
 * @hwpt: the page table
 * @cmd: what is asked for, with no unknown flags
 *
 * Context: process context, may sleep, for as long as user memory takes.
 * Return: as IOMMU_HWPT_GET_DIRTY_BITMAP.
 */
int iommufd_dirty_get_bitmap(struct iommufd_hwpt_paging *hwpt,
			     const struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	unsigned long last;
	int rc;

	rc = iommufd_iova_last(cmd->iova, cmd->length, &last);
	if (rc)
		return rc;
	rc = dirty_check_alignment(&hwpt->ioas->as.space, cmd);
	if (rc)
		return rc;
	if (!hwpt->common.domain->dirty_ops)
		return iommufd_refuse(IOMMU_WHY_NO_DIRTY);
	return dirty_read(hwpt, cmd, last);
}

int iommufd_hwpt_get_dirty_bitmap_ioctl(struct iommufd_call *call)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = call->arg;
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	if (cmd->flags & ~IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);
	hwpt = iommufd_hwpt_paging_get(call->ctx, cmd->hwpt_id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	rc = iommufd_dirty_get_bitmap(hwpt, cmd);
	iommufd_object_put(call->ctx, &hwpt->common.obj);
	return rc;
}

/* A stretch of what is mapped, to be marked whatever page tables say */
struct dirty_marker {
	unsigned long iova;
	unsigned long last;
};

static int dirty_mark_window(struct iova_bitmap *bitmap, unsigned long iova,
			     size_t length, void *opaque)
{
	const struct dirty_marker *marker = opaque;
	unsigned long first = max(iova, marker->iova);
	unsigned long last = min(iova + (length - 1), marker->last);

	iova_bitmap_set(bitmap, first, last - first + 1);
	return 0;
}

static int dirty_mark_stretches(struct iommufd_address_space *as,
				struct iova_bitmap *bitmap, unsigned long iova,
				unsigned long last)
{
	struct dirty_marker marker = { .iova = iova, .last = last };
	int rc;

	while (iommufd_address_space_next_mapped(as, &marker.iova, &marker.last,
						 0)) {
		rc = iova_bitmap_visit(bitmap, marker.iova, marker.last,
				       &marker, dirty_mark_window);
		if (rc || marker.last == last)
			return rc;
		marker.iova = marker.last + 1;
		marker.last = last;
	}
	return 0;
}

/**
 * iommufd_dirty_mark_mapped - say that all that is mapped was written to
 * @ioas: the IOAS
 * @cmd: the range, which does not wrap, and the bitmap
 *
 * Context: process context, may sleep, for as long as user memory takes.
 * Return: 0; -EFAULT; -ENOMEM; -EINVAL.
 */
int iommufd_dirty_mark_mapped(struct iommufd_ioas *ioas,
			      const struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	struct iova_bitmap *bitmap;
	int rc;

	bitmap = iova_bitmap_alloc(cmd->iova, cmd->length, cmd->page_size,
				   u64_to_user_ptr(cmd->data));
	if (IS_ERR(bitmap))
		return PTR_ERR(bitmap);
	rc = dirty_mark_stretches(&ioas->as, bitmap, cmd->iova,
				  cmd->iova + (cmd->length - 1));
	iova_bitmap_free(bitmap);
	return rc;
}
