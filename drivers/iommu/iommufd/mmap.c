// SPDX-License-Identifier: GPL-2.0-only
/*
 * Physical ranges that IOMMU drivers let user space map
 *
 * The file operation. driver.c, which is built in, owns the ranges.
 *
 * A mapping holds a long-term reference of the object that its range belongs
 * to. It is taken without a short-term one, and so only if the object is not
 * being destroyed. It must be published, too: before that it may be aborted,
 * which takes no long-term references into account.
 */
#include <linux/fs.h>
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/overflow.h>

#include "ctx.h"
#include "mmap.h"
#include "object.h"
#include "refusals.h"

static void mmap_vm_open(struct vm_area_struct *vma)
{
	iommufd_object_hold(vma->vm_private_data);
}

static void mmap_vm_close(struct vm_area_struct *vma)
{
	iommufd_object_release(vma->vm_private_data);
}

static const struct vm_operations_struct mmap_vm_ops = {
	.open = mmap_vm_open,
	.close = mmap_vm_close,
};

/* Exactly one range, of which the caller gets a copy that holds the owner */
static int mmap_hold_range(struct iommufd_ctx *ctx, unsigned long offset,
			   size_t length, struct iommufd_mmap_range *copy)
{
	MA_STATE(mas, &ctx->mmap_ranges, offset, offset);
	struct iommufd_mmap_range *range;
	bool found;

	/* The lock keeps the range, and by that the memory of the owner. */
	mas_lock(&mas);
	range = mas_walk(&mas);
	found = range && mas.index == offset && range->length == length &&
		iommufd_object_is_published(ctx, range->owner) &&
		iommufd_object_hold_alive(range->owner);
	if (found)
		*copy = *range;
	mas_unlock(&mas);
	return found ? 0 : iommufd_refuse(IOMMU_WHY_MMAP_RANGE, offset, length);
}

/*
 * Registers must not be cached. Memory that the kernel has mapped as well must
 * be mapped as it does.
 */
static int mmap_remap(struct vm_area_struct *vma,
		      const struct iommufd_mmap_range *range)
{
	unsigned long pfn = PHYS_PFN(range->start);
	pgprot_t prot = vma->vm_page_prot;

	if (!page_is_ram(pfn))
		prot = pgprot_decrypted(pgprot_noncached(prot));
	vma->vm_page_prot = prot;
	return remap_pfn_range(vma, vma->vm_start, pfn, range->length, prot);
}

static int mmap_area(struct iommufd_ctx *ctx, struct vm_area_struct *vma)
{
	unsigned long offset, length = vma->vm_end - vma->vm_start;
	struct iommufd_mmap_range range;
	int rc;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return iommufd_refuse(IOMMU_WHY_MMAP_PRIVATE);
	if (vma->vm_flags & VM_EXEC)
		return iommufd_refuse(IOMMU_WHY_MMAP_EXEC);
	if (check_shl_overflow(vma->vm_pgoff, PAGE_SHIFT, &offset))
		return iommufd_refuse(IOMMU_WHY_MMAP_RANGE, ULONG_MAX, length);
	rc = mmap_hold_range(ctx, offset, length, &range);
	if (rc)
		return rc;

	vm_flags_clear(vma, VM_MAYEXEC);
	rc = mmap_remap(vma, &range);
	if (rc) {
		iommufd_object_release(range.owner);
		return rc;
	}
	vma->vm_private_data = range.owner;
	vma->vm_ops = &mmap_vm_ops;
	return 0;
}

/**
 * iommufd_fops_mmap - the file operation
 * @file: the file
 * @vma: where to map; its offset is what a driver has told
 *
 * Return: 0; -EINVAL unless it is shared; -EPERM if it is to be executed;
 * -ENXIO unless it is all of a range that can be mapped; errors of the page
 * tables.
 */
int iommufd_fops_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct iommufd_ctx *ctx = file->private_data;

	return iommufd_refused(ctx, IOMMU_REFUSED_MMAP, mmap_area(ctx, vma));
}
