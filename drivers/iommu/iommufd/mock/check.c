// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: is the state of things as a test expects it?
 *
 * Owns nothing. Called by the ioctl. User memory is never touched with a lock
 * held: whoever provides it may keep us waiting.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../call.h"
#include "../device.h"
#include "../hwpt.h"
#include "../ioas.h"
#include "../object.h"
#include "../test_hooks.h"
#include "mock.h"

/* User pages that are looked at in one step */
#define BATCH_PAGES 64

/* Pages of a page table, and how many are looked at with a lock held */
#define HOLE_PAGES_MAX BIT(20)
#define HOLE_STEP 4096

/* Bits of a bitmap, and how many of them are worked off with a lock held */
#define DIRTY_BITS_MAX BIT(27)
#define DIRTY_BITS_STEP 1024

static struct iommufd_hwpt_paging *mock_get_hwpt(struct iommufd_call *call,
						 u32 id)
{
	struct iommufd_object *obj;

	obj = iommufd_object_get(call->ctx, id, IOMMUFD_OBJ_HWPT_PAGING);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	if (!mock_domain_is_paging(to_hwpt(obj)->domain)) {
		iommufd_object_put(call->ctx, obj);
		return ERR_PTR(-EINVAL);
	}
	return to_hwpt_paging(to_hwpt(obj));
}

static void mock_put_hwpt(struct iommufd_call *call,
			  struct iommufd_hwpt_paging *hwpt)
{
	iommufd_object_put(call->ctx, &hwpt->common.obj);
}

static bool wraps(u64 start, u64 length)
{
	u64 end;

	return check_add_overflow(start, length, &end);
}

/*
 * The next of the user pages in [uptr, uptr + length), with a reference each.
 * Returns how many, not 0, or a negative errno.
 */
static int mock_get_user_batch(u64 uptr, u64 length, struct page **pages)
{
	u64 npages = DIV_ROUND_UP_ULL(offset_in_page(uptr) + length, PAGE_SIZE);
	int nr;

	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	nr = get_user_pages_fast(uptr & PAGE_MASK,
				 min_t(u64, npages, BATCH_PAGES), 0, pages);
	return nr ?: -EFAULT;
}

static void mock_put_batch(struct page **pages, int nr)
{
	while (nr)
		put_page(pages[--nr]);
}

/* @offset is where in the first page the range begins. */
static int mock_compare_range(struct iommufd_hwpt_paging *hwpt, u64 iova,
			      u64 length, struct page **pages,
			      unsigned long offset)
{
	struct iommu_domain *domain = hwpt->common.domain;
	unsigned long step = 1UL << __ffs(domain->pgsize_bitmap);
	u64 done;
	int rc = 0;

	mock_ioas_lock(hwpt->ioas);
	for (done = 0; done < length && !rc; done += step) {
		u64 at = offset + done;
		phys_addr_t phys = page_to_phys(pages[at >> PAGE_SHIFT]) +
				   offset_in_page(at);

		if (iommu_iova_to_phys(domain, iova + done) != phys)
			rc = -EINVAL;
	}
	mock_ioas_unlock(hwpt->ioas);
	return rc;
}

static int mock_check_map(struct iommufd_hwpt_paging *hwpt, u64 iova,
			  u64 length, u64 uptr)
{
	struct iommu_domain *domain = hwpt->common.domain;
	unsigned long smallest = 1UL << __ffs(domain->pgsize_bitmap);
	struct page *pages[BATCH_PAGES];

	if (!IS_ALIGNED(iova | length | uptr, smallest) ||
	    wraps(iova, length) || wraps(uptr, length))
		return -EINVAL;

	while (length) {
		unsigned long offset = offset_in_page(uptr);
		u64 part;
		int nr, rc;

		nr = mock_get_user_batch(uptr, length, pages);
		if (nr < 0)
			return nr;
		part = min(length, ((u64)nr << PAGE_SHIFT) - offset);
		rc = mock_compare_range(hwpt, iova, part, pages, offset);
		mock_put_batch(pages, nr);
		if (rc)
			return rc;
		iova += part;
		uptr += part;
		length -= part;
	}
	return 0;
}

int mock_op_check_map(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct iommufd_hwpt_paging *hwpt = mock_get_hwpt(call, cmd->id);
	int rc;

	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	rc = mock_check_map(hwpt, cmd->check_map.iova, cmd->check_map.length,
			    cmd->check_map.uptr);
	mock_put_hwpt(call, hwpt);
	return rc;
}

/* Looks at up to HOLE_STEP pages, and returns how many bytes they are. */
static u64 mock_look_for_hole(struct iommufd_hwpt_paging *hwpt, u64 iova,
			      u64 length, bool *empty)
{
	struct iommu_domain *domain = hwpt->common.domain;
	unsigned long smallest = 1UL << __ffs(domain->pgsize_bitmap);
	u64 part = min(length, (u64)HOLE_STEP * smallest);
	u64 done;

	mock_ioas_lock(hwpt->ioas);
	for (done = 0; done < part && *empty; done += smallest)
		*empty = !iommu_iova_to_phys(domain, iova + done);
	mock_ioas_unlock(hwpt->ioas);
	return part;
}

static int mock_check_hole(struct iommufd_hwpt_paging *hwpt, u64 iova,
			   u64 length)
{
	struct iommu_domain *domain = hwpt->common.domain;
	unsigned long smallest = 1UL << __ffs(domain->pgsize_bitmap);
	bool empty = true;

	if (!IS_ALIGNED(iova | length, smallest) || wraps(iova, length))
		return -EINVAL;
	if (length / smallest > HOLE_PAGES_MAX)
		return -EOVERFLOW;

	while (length && empty) {
		u64 part = mock_look_for_hole(hwpt, iova, length, &empty);

		iova += part;
		length -= part;
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return empty ? 0 : -EEXIST;
}

int mock_op_check_hole(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	if (cmd->check_map.uptr)
		return -EINVAL;
	hwpt = mock_get_hwpt(call, cmd->id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	rc = mock_check_hole(hwpt, cmd->check_map.iova, cmd->check_map.length);
	mock_put_hwpt(call, hwpt);
	return rc;
}

/* Programs that exist do not expect large folios to be looked at. */
static bool has_refs(struct page *page, u32 refs)
{
	return PageCompound(page) ||
	       page_ref_count(page) / GUP_PIN_COUNTING_BIAS == refs;
}

/* A large folio counts the pins of all of its pages together. */
static bool has_pins(struct page *page, u32 pins)
{
	struct folio *folio = page_folio(page);

	if (folio_has_pincount(folio))
		return atomic_read(&folio->_pincount) == pins;
	return folio_ref_count(folio) / GUP_PIN_COUNTING_BIAS == pins;
}

static int mock_check_pages(const struct iommu_test_cmd *cmd,
			    bool (*is_right)(struct page *page, u32 count))
{
	u64 length = cmd->check_refs.length;
	u64 uptr = cmd->check_refs.uptr;
	struct page *pages[BATCH_PAGES];

	if (!PAGE_ALIGNED(length | uptr) || wraps(uptr, length))
		return -EINVAL;

	while (length) {
		int i, nr, rc = 0;

		nr = mock_get_user_batch(uptr, length, pages);
		if (nr < 0)
			return nr;
		for (i = 0; i != nr && !rc; i++)
			if (!is_right(pages[i], cmd->check_refs.refs))
				rc = -EIO;
		mock_put_batch(pages, nr);
		if (rc)
			return rc;
		uptr += (u64)nr << PAGE_SHIFT;
		length -= (u64)nr << PAGE_SHIFT;
	}
	return 0;
}

int mock_op_check_refs(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	return mock_check_pages(cmd, has_refs);
}

int mock_op_check_pins(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	return mock_check_pages(cmd, has_pins);
}

int mock_op_check_iotlb(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct iommufd_object *obj;
	int rc;

	obj = iommufd_object_get(call->ctx, cmd->id, IOMMUFD_OBJ_HWPT_NESTED);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	rc = mock_domain_check_iotlb(to_hwpt(obj)->domain, cmd->check_iotlb.id,
				     cmd->check_iotlb.iotlb);
	iommufd_object_put(call->ctx, obj);
	return rc;
}

static int mock_check_cache(struct device *dev, u32 id, u32 value)
{
	if (!iommufd_test_is_mock_device(dev) || id > MOCK_DEV_CACHE_ID_MAX)
		return -EINVAL;
	return READ_ONCE(to_mock_device(dev)->cache[id]) == value ? 0 : -EINVAL;
}

int mock_op_check_cache(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct iommufd_device *idev;
	int rc;

	idev = iommufd_device_get(call->ctx, cmd->id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = mock_check_cache(idev->dev, cmd->check_dev_cache.id,
			      cmd->check_dev_cache.cache);
	iommufd_object_put(call->ctx, &idev->obj);
	return rc;
}

/*
 * Dirty pages
 */

static int mock_check_dirty(const struct iommu_test_cmd *cmd,
			    unsigned long *nbits)
{
	u64 page_size = cmd->dirty.page_size;
	u64 npages;

	if (!page_size || !cmd->dirty.length || !cmd->dirty.uptr ||
	    cmd->dirty.length % page_size || cmd->dirty.iova % page_size)
		return -EINVAL;
	npages = cmd->dirty.length / page_size;
	if (npages > DIRTY_BITS_MAX)
		return -EOVERFLOW;
	*nbits = npages;
	return 0;
}

static unsigned long *mock_read_bitmap(u64 uptr, unsigned long nbits)
{
	unsigned long *bitmap;

	bitmap = kvcalloc(BITS_TO_LONGS(nbits), sizeof(*bitmap),
			  GFP_KERNEL_ACCOUNT);
	if (!bitmap)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(bitmap, u64_to_user_ptr(uptr),
			   BITS_TO_BYTES(nbits))) {
		kvfree(bitmap);
		return ERR_PTR(-EFAULT);
	}
	return bitmap;
}

/* Bits [first, end) of the bitmap. Returns how many pages became dirty. */
static u64 mock_set_dirty_step(struct iommufd_hwpt_paging *hwpt,
			       const struct iommu_test_cmd *cmd,
			       const unsigned long *bitmap, unsigned long first,
			       unsigned long end)
{
	unsigned long bit = first;
	u64 nr_dirty = 0;

	mock_ioas_lock(hwpt->ioas);
	for_each_set_bit_from(bit, bitmap, end)
		if (!mock_domain_set_dirty(hwpt->common.domain,
					   cmd->dirty.iova +
						   bit * cmd->dirty.page_size))
			nr_dirty++;
	mock_ioas_unlock(hwpt->ioas);
	return nr_dirty;
}

static int mock_set_dirty(struct iommufd_hwpt_paging *hwpt,
			  struct iommu_test_cmd *cmd, unsigned long nbits)
{
	unsigned long *bitmap, first = 0;
	u64 nr_dirty = 0;
	int rc = 0;

	if (!mock_domain_is_tracking(hwpt->common.domain))
		return -EINVAL;
	bitmap = mock_read_bitmap(cmd->dirty.uptr, nbits);
	if (IS_ERR(bitmap))
		return PTR_ERR(bitmap);

	while (!rc && first != nbits) {
		unsigned long end = min(first + DIRTY_BITS_STEP, nbits);

		nr_dirty += mock_set_dirty_step(hwpt, cmd, bitmap, first, end);
		first = end;
		cond_resched();
		if (fatal_signal_pending(current))
			rc = -EINTR;
	}
	kvfree(bitmap);
	cmd->dirty.out_nr_dirty = nr_dirty;
	return rc;
}

int mock_op_dirty(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct iommufd_hwpt_paging *hwpt;
	unsigned long nbits;
	int rc;

	rc = mock_check_dirty(cmd, &nbits);
	if (rc)
		return rc;
	hwpt = mock_get_hwpt(call, cmd->id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	rc = mock_set_dirty(hwpt, cmd, nbits);
	mock_put_hwpt(call, hwpt);
	return rc ?: iommufd_call_reply(call);
}
