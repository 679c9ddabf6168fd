// SPDX-License-Identifier: GPL-2.0-only
/*
 * Source of memory: a dma-buf
 *
 * Owns the attachment to the dma-buf. The memory belongs to a device: it has no
 * struct pages, nobody is charged for it, and the exporter takes it back when
 * it likes. Called through iommufd_source_ops by the pinned-memory object, whose
 * mutex is held, and by the exporter with the lock of the dma-buf held.
 *
 * There is no general way yet to learn from a dma-buf where its memory is, so
 * it has to come from an exporter that has a private one for us. Of these,
 * vfio's holds its device until that is closed, but not the file by which the
 * device is bound to a context; so we may hold the dma-buf, see ctx.h. This has
 * to be looked at for each exporter that is added.
 *
 * As with files in memory, writing needs a descriptor that is open for reading,
 * too: not every IOMMU has entries for writing only.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "pinned.h"
#include "revocable.h"
#include "source.h"
#include "test_hooks.h"

/* What the private ways of the exporters have in common */
typedef int (*dma_buf_range_fn)(struct dma_buf_attachment *attachment,
				struct phys_vec *range);

/**
 * struct dma_buf_memory - a range of a dma-buf
 * @pinned: the common part
 * @revocable: the mappings that the exporter may take back
 * @attachment: ties us to the dma-buf, of which we hold a reference
 * @phys: physical address of the first page
 */
struct dma_buf_memory {
	struct iommufd_pinned pinned;
	struct iommufd_revocable revocable;
	struct dma_buf_attachment *attachment;
	phys_addr_t phys;
};

static struct dma_buf_memory *to_dma_buf_memory(struct iommufd_pinned *pinned)
{
	return container_of(pinned, struct dma_buf_memory, pinned);
}

/* There is nothing to pin: the exporter has agreed to leave it where it is. */
static int dma_buf_memory_pin(struct iommufd_pinned *pinned,
			      unsigned long first, unsigned long last,
			      struct iommufd_run_builder *runs)
{
	struct dma_buf_memory *mem = to_dma_buf_memory(pinned);
	unsigned long pfn = PHYS_PFN(mem->phys) + first;
	unsigned long left = last - first + 1;
	int rc;

	while (left) {
		unsigned long npages = min(left, IOMMUFD_RUN_MAX_NPAGES);

		rc = iommufd_runs_append(runs, pfn, npages);
		if (rc)
			return rc;
		pfn += npages;
		left -= npages;
	}
	return 0;
}

static void dma_buf_memory_unpin(struct iommufd_pinned *pinned,
				 const struct iommufd_run_slice *runs,
				 unsigned long npages)
{
}

static int dma_buf_memory_charge(struct iommufd_pinned *pinned,
				 unsigned long npages)
{
	return 0;
}

static void dma_buf_memory_uncharge(struct iommufd_pinned *pinned,
				    unsigned long npages)
{
}

static void dma_buf_memory_unpin_buf(struct dma_buf_attachment *attachment)
{
	dma_resv_lock(attachment->dmabuf->resv, NULL);
	dma_buf_unpin(attachment);
	dma_resv_unlock(attachment->dmabuf->resv);
}

static void dma_buf_memory_release(struct iommufd_pinned *pinned)
{
	struct dma_buf_memory *mem = to_dma_buf_memory(pinned);
	struct dma_buf *dmabuf = mem->attachment->dmabuf;

	dma_buf_memory_unpin_buf(mem->attachment);
	dma_buf_detach(dmabuf, mem->attachment);
	dma_buf_put(dmabuf);
	kfree(mem);
}

static const struct iommufd_source_ops dma_buf_memory_ops = {
	.pin = dma_buf_memory_pin,
	.unpin = dma_buf_memory_unpin,
	.charge = dma_buf_memory_charge,
	.uncharge = dma_buf_memory_uncharge,
	.release = dma_buf_memory_release,
};

/* Whether it moves or is gone: this memory is not ours any more. */
static void dma_buf_memory_invalidate(struct dma_buf_attachment *attachment)
{
	struct dma_buf_memory *mem = attachment->importer_priv;

	iommufd_revoke(&mem->revocable);
}

static const struct dma_buf_attach_ops dma_buf_memory_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = dma_buf_memory_invalidate,
};

static int dma_buf_memory_get_range(struct dma_buf_attachment *attachment,
				    dma_buf_range_fn get_range,
				    struct phys_vec *range)
{
	int rc;

	dma_resv_lock(attachment->dmabuf->resv, NULL);
	rc = dma_buf_pin(attachment);
	if (rc)
		goto out_unlock;
	rc = get_range(attachment, range);
	if (rc)
		dma_buf_unpin(attachment);
out_unlock:
	dma_resv_unlock(attachment->dmabuf->resv);
	return rc;
}

static int dma_buf_memory_get_vfio_range(struct dma_buf_attachment *attachment,
					 struct phys_vec *range)
{
	dma_buf_range_fn get_range;
	int rc;

	if (!IS_ENABLED(CONFIG_VFIO_PCI_DMABUF))
		return -EOPNOTSUPP;

	/* vfio needs our symbols, so that we cannot simply need one of vfio. */
	get_range = symbol_get(vfio_pci_dma_buf_iommufd_map);
	if (!get_range)
		return -EOPNOTSUPP;
	rc = dma_buf_memory_get_range(attachment, get_range, range);
	symbol_put(vfio_pci_dma_buf_iommufd_map);
	return rc;
}

/* On success the dma-buf is pinned. */
static int dma_buf_memory_pin_buf(struct dma_buf_attachment *attachment,
				  struct phys_vec *range)
{
	int rc;

	rc = dma_buf_memory_get_range(attachment,
				      iommufd_test_dma_buf_iommufd_map, range);
	if (rc == -EOPNOTSUPP)
		rc = dma_buf_memory_get_vfio_range(attachment, range);
	if (rc)
		return rc;

	if (!IS_ALIGNED(range->paddr, PAGE_SIZE) ||
	    range->len < attachment->dmabuf->size) {
		dma_buf_memory_unpin_buf(attachment);
		return -EOPNOTSUPP;
	}
	/* A BAR may lie where no memory can. */
	if (!iommufd_run_fits(PHYS_PFN(range->paddr + range->len - 1))) {
		dma_buf_memory_unpin_buf(attachment);
		return -ERANGE;
	}
	return 0;
}

static int dma_buf_memory_attach(struct dma_buf_memory *mem,
				 struct dma_buf *dmabuf,
				 struct device *importer, unsigned long start)
{
	struct dma_buf_attachment *attachment;
	struct phys_vec range;
	int rc;

	attachment = dma_buf_dynamic_attach(dmabuf, importer,
					    &dma_buf_memory_attach_ops, mem);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	rc = dma_buf_memory_pin_buf(attachment, &range);
	if (rc) {
		dma_buf_detach(dmabuf, attachment);
		return rc;
	}
	mem->attachment = attachment;
	mem->phys = range.paddr + (start & PAGE_MASK);
	return 0;
}

static bool dma_buf_may_access(struct dma_buf *dmabuf, bool writable)
{
	fmode_t needed = writable ? FMODE_READ | FMODE_WRITE : FMODE_READ;

	return (dmabuf->file->f_mode & needed) == needed;
}

static struct iommufd_pinned *
dma_buf_memory_alloc(struct dma_buf *dmabuf, struct device *importer,
		     unsigned long start, unsigned long length, bool writable)
{
	struct dma_buf_memory *mem;
	int rc;

	if (!dma_buf_may_access(dmabuf, writable))
		return ERR_PTR(-EPERM);
	if (start + length > dmabuf->size ||
	    (length >> PAGE_SHIFT) > U32_MAX - 1)
		return ERR_PTR(-EINVAL);

	mem = kzalloc_obj(*mem, GFP_KERNEL_ACCOUNT);
	if (!mem)
		return ERR_PTR(-ENOMEM);
	iommufd_pinned_init(&mem->pinned, &dma_buf_memory_ops,
			    start & PAGE_MASK, writable);
	iommufd_revocable_init(&mem->revocable, dmabuf->resv);
	mem->pinned.revocable = &mem->revocable;

	rc = dma_buf_memory_attach(mem, dmabuf, importer, start);
	if (rc) {
		mutex_destroy(&mem->pinned.mutex);
		kfree(mem);
		return ERR_PTR(rc);
	}
	return &mem->pinned;
}

/**
 * iommufd_dma_buf_alloc - make an object of the memory of a dma-buf
 * @importer: the device in whose name the dma-buf is attached
 * @fd: a file descriptor of the calling process
 * @start: first byte in the dma-buf
 * @length: in bytes; @start + @length does not wrap
 * @writable: devices may write to it
 *
 * Context: process context, may sleep and take the lock of the dma-buf.
 *
 * Return: the object with one reference; NULL if the file is no dma-buf; or an
 * ERR_PTR: -EBADF; -EPERM if the descriptor is not open for the access; -EINVAL
 * if the range is not in the dma-buf or too large; -EOPNOTSUPP if the exporter
 * does not offer one physical range; -ERANGE if its physical address is too
 * large; -ENODEV if the exporter has taken the memory back; other errors of it;
 * -ENOMEM.
 */
struct iommufd_pinned *iommufd_dma_buf_alloc(struct device *importer, int fd,
					     unsigned long start,
					     unsigned long length,
					     bool writable)
{
	struct iommufd_pinned *pinned;
	struct dma_buf *dmabuf;

	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf) == -EINVAL ? NULL : ERR_CAST(dmabuf);
	pinned = dma_buf_memory_alloc(dmabuf, importer, start, length,
				      writable);
	if (IS_ERR(pinned))
		dma_buf_put(dmabuf);
	return pinned;
}
