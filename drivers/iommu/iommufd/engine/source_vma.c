// SPDX-License-Identifier: GPL-2.0-only
/*
 * Source of memory: a device that is mapped in an address space
 *
 * Owns nothing. A driver that maps the memory of its device can be asked for
 * it as a dma-buf, which says when the memory must not be used any more. Called
 * by the source of user memory, when it finds no pages.
 */
#include <linux/dma-buf.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vfio_pci_core.h>

#include "source.h"

/*
 * Without patches/05* vfio cannot be asked, and no device is found at an
 * address.
 */
#ifdef vfio_pci_dma_buf_from_vma
static struct dma_buf *vma_export_vfio(struct vm_area_struct *vma,
				       unsigned long va, unsigned long length)
{
	typeof(vfio_pci_dma_buf_from_vma) *export;
	struct dma_buf *dmabuf;

	if (!IS_ENABLED(CONFIG_VFIO_PCI_DMABUF))
		return ERR_PTR(-EOPNOTSUPP);

	/*
	 * vfio depends on symbols of iommufd, so iommufd cannot depend on vfio.
	 */
	export = symbol_get(vfio_pci_dma_buf_from_vma);
	if (!export)
		return ERR_PTR(-EOPNOTSUPP);
	dmabuf = export(vma, va, length);
	symbol_put(vfio_pci_dma_buf_from_vma);
	return dmabuf;
}
#else
static struct dma_buf *vma_export_vfio(struct vm_area_struct *vma,
				       unsigned long va, unsigned long length)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

/* The same as for memory that is pinned */
static bool vma_may_access(const struct vm_area_struct *vma, bool writable)
{
	return vma->vm_flags & (writable ? VM_WRITE : VM_READ);
}

static bool vma_is_of_device(const struct vm_area_struct *vma,
			     unsigned long va, unsigned long length)
{
	return vma && vma->vm_flags & VM_PFNMAP && vma->vm_end - va >= length;
}

static struct dma_buf *vma_export(struct mm_struct *mm, unsigned long va,
				  unsigned long length, bool writable)
{
	struct vm_area_struct *vma;
	struct dma_buf *dmabuf;

	if (mmap_read_lock_killable(mm))
		return ERR_PTR(-EINTR);
	vma = vma_lookup(mm, va);
	if (vma_is_of_device(vma, va, length) && vma_may_access(vma, writable))
		dmabuf = vma_export_vfio(vma, va, length);
	else
		dmabuf = ERR_PTR(-EFAULT);
	mmap_read_unlock(mm);
	/*
	 * To the caller a driver that cannot be asked is the same as no device.
	 */
	return dmabuf == ERR_PTR(-EOPNOTSUPP) ? ERR_PTR(-EFAULT) : dmabuf;
}

/**
 * iommufd_vma_memory_alloc - make an object of memory of a device by its
 * address
 * @mm: an address space with a user
 * @va: user address of the first page
 * @length: in bytes, whole pages
 * @writable: devices may write to it
 * @origin: what knows it by its address; the object keeps it
 *
 * Context: process context, may sleep and take the mmap_lock of @mm.
 *
 * Return: the object with one reference, or an ERR_PTR: -EFAULT if there is not
 * one BAR of vfio-pci in one mapping everywhere, with that access; -EINTR on a
 * fatal signal; errors of iommufd_dma_buf_alloc().
 */
struct iommufd_pinned *iommufd_vma_memory_alloc(struct mm_struct *mm,
						unsigned long va,
						unsigned long length,
						bool writable,
						struct iommufd_pinned *origin)
{
	struct dma_buf *dmabuf;

	dmabuf = vma_export(mm, va, length, writable);
	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	return iommufd_dma_buf_of_origin(dmabuf, va, length, writable, origin);
}
