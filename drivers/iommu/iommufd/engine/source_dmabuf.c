// SPDX-License-Identifier: GPL-2.0-only
/*
 * Source of memory: a dma-buf
 *
 * Owns the attachment to the dma-buf. Nobody is charged for the memory, and we
 * know of no struct pages. Called through iommufd_source_ops by the
 * pinned-memory object, whose mutex is held, and by the exporter with the lock
 * of the dma-buf held.
 *
 * Memory of a device comes from an exporter that has a private way to tell us
 * where it is. Such an exporter takes it back when it likes. Where the base has
 * dma_buf_walk_memory(), with patches/0503, there is memory of the machine,
 * too, which stays where it is.
 *
 * We may hold the dma-buf, see ctx.h: vfio's holds its device until that is
 * closed, but not the file by which the device is bound to a context; udmabuf
 * and the heaps hold pages. This has to be looked at for each exporter that is
 * added.
 *
 * As with files in memory, writing needs a descriptor that is open for reading,
 * too: not every IOMMU has entries for writing only.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "base.h"
#include "pinned.h"
#include "revocable.h"
#include "source.h"
#include "test_hooks.h"
#include "why.h"

/* What the private ways of the exporters have in common */
typedef int (*dma_buf_range_fn)(struct dma_buf_attachment *attachment,
				struct phys_vec *range);

/**
 * struct dma_buf_memory - a range of a dma-buf
 * @pinned: the common part
 * @revocable: the mappings that the exporter may take back; not used for memory
 *             of the machine
 * @attachment: ties us to the dma-buf, of which we hold a reference
 * @get_range: asks the exporter; NULL until it is known which it is. Guarded by
 *             the lock of the dma-buf.
 * @offset: of the first page in the dma-buf, in bytes
 * @origin: what knew the memory by its address, or NULL. The areas that were
 *          its own may be part of it.
 */
struct dma_buf_memory {
	struct iommufd_pinned pinned;
	struct iommufd_revocable revocable;
	struct dma_buf_attachment *attachment;
	dma_buf_range_fn get_range;
	unsigned long offset;
	struct iommufd_pinned *origin;
};

static struct dma_buf_memory *to_dma_buf_memory(struct iommufd_pinned *pinned)
{
	return container_of(pinned, struct dma_buf_memory, pinned);
}

static phys_addr_t dma_buf_memory_phys(const struct dma_buf_memory *mem)
{
	struct dma_resv *resv = mem->attachment->dmabuf->resv;
	phys_addr_t phys;

	dma_resv_lock(resv, NULL);
	phys = mem->revocable.phys;
	dma_resv_unlock(resv);
	return phys;
}

static int dma_buf_append(struct iommufd_run_builder *runs, unsigned long pfn,
			  unsigned long left)
{
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

/* There is nothing to pin: the exporter has agreed to leave it where it is. */
static int dma_buf_memory_pin(struct iommufd_pinned *pinned,
			      unsigned long first, unsigned long last,
			      struct iommufd_run_builder *runs)
{
	struct dma_buf_memory *mem = to_dma_buf_memory(pinned);

	return dma_buf_append(runs, PHYS_PFN(dma_buf_memory_phys(mem)) + first,
			      last - first + 1);
}

static int dma_buf_append_range(void *data, phys_addr_t paddr, size_t size)
{
	cond_resched();
	if (fatal_signal_pending(current))
		return -EINTR;
	return dma_buf_append(data, PHYS_PFN(paddr), size >> PAGE_SHIFT);
}

static int dma_buf_memory_pin_ranges(struct iommufd_pinned *pinned,
				     unsigned long first, unsigned long last,
				     struct iommufd_run_builder *runs)
{
	struct dma_buf_memory *mem = to_dma_buf_memory(pinned);
	struct dma_resv *resv = mem->attachment->dmabuf->resv;
	int rc;

	dma_resv_lock(resv, NULL);
	rc = dma_buf_walk_memory(mem->attachment,
				 mem->offset + (first << PAGE_SHIFT),
				 (last - first + 1) << PAGE_SHIFT,
				 dma_buf_append_range, runs);
	dma_resv_unlock(resv);
	return rc;
}

static void dma_buf_memory_unpin(struct iommufd_pinned *pinned,
				 const struct iommufd_run_slice *runs,
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
	if (mem->origin)
		iommufd_pinned_put(mem->origin);
	kfree(mem);
}

static const struct iommufd_source_ops dma_buf_memory_ops = {
	.name = "dma-buf",
	.pin = dma_buf_memory_pin,
	.unpin = dma_buf_memory_unpin,
	.release = dma_buf_memory_release,
	.no_pages = true,
};

/* For memory of the machine, by patches/0503 */
static const struct iommufd_source_ops dma_buf_memory_of_machine_ops = {
	.name = "dma-buf",
	.pin = dma_buf_memory_pin_ranges,
	.unpin = dma_buf_memory_unpin,
	.release = dma_buf_memory_release,
	.no_pages = true,
};

/* For memory of a device that is mapped in a process */
static const struct iommufd_source_ops dma_buf_memory_of_process_ops = {
	.name = "device",
	.pin = dma_buf_memory_pin,
	.unpin = dma_buf_memory_unpin,
	.release = dma_buf_memory_release,
	.no_pages = true,
	.of_process = true,
};

static int dma_buf_memory_check_range(const struct dma_buf *dmabuf,
				      const struct phys_vec *range)
{
	if (!IS_ALIGNED(range->paddr, PAGE_SIZE) || range->len < dmabuf->size)
		return -EOPNOTSUPP;
	/* The address of a BAR may have more bits than one of memory. */
	if (!iommufd_run_fits(PHYS_PFN(range->paddr + range->len - 1)))
		return -ERANGE;
	return 0;
}

/* If the exporter gives the memory, put it into its page tables. */
static int dma_buf_memory_restore(struct dma_buf_memory *mem,
				  struct dma_buf_attachment *attachment)
{
	struct phys_vec range;
	int rc;

	dma_resv_assert_held(attachment->dmabuf->resv);

	rc = mem->get_range(attachment, &range);
	if (!rc)
		rc = dma_buf_memory_check_range(attachment->dmabuf, &range);
	if (!rc)
		iommufd_restore(&mem->revocable, range.paddr + mem->offset);
	return rc;
}

/*
 * The exporter takes the memory back from where it was. It may give it again at
 * once, there or elsewhere.
 */
static void dma_buf_memory_invalidate(struct dma_buf_attachment *attachment)
{
	struct dma_buf_memory *mem = attachment->importer_priv;

	iommufd_revoke(&mem->revocable);
	if (mem->get_range)
		dma_buf_memory_restore(mem, attachment);
}

static const struct dma_buf_attach_ops dma_buf_memory_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = dma_buf_memory_invalidate,
};

/* On success the dma-buf is pinned. */
static int dma_buf_memory_pin_by(struct dma_buf_memory *mem,
				 struct dma_buf_attachment *attachment,
				 dma_buf_range_fn get_range)
{
	int rc;

	dma_resv_lock(attachment->dmabuf->resv, NULL);
	rc = dma_buf_pin(attachment);
	if (rc)
		goto out_unlock;
	mem->get_range = get_range;
	rc = dma_buf_memory_restore(mem, attachment);
	if (rc) {
		mem->get_range = NULL;
		dma_buf_unpin(attachment);
	}
out_unlock:
	dma_resv_unlock(attachment->dmabuf->resv);
	return rc;
}

static int dma_buf_memory_pin_vfio(struct dma_buf_memory *mem,
				   struct dma_buf_attachment *attachment)
{
	dma_buf_range_fn get_range;
	int rc;

	if (!IS_ENABLED(CONFIG_VFIO_PCI_DMABUF))
		return -EOPNOTSUPP;

	/*
	 * vfio depends on symbols of iommufd, so iommufd cannot depend on vfio.
	 */
	get_range = symbol_get(vfio_pci_dma_buf_iommufd_map);
	if (!get_range)
		return -EOPNOTSUPP;
	rc = dma_buf_memory_pin_by(mem, attachment, get_range);
	/* A dma-buf of vfio holds the module by itself. */
	symbol_put(vfio_pci_dma_buf_iommufd_map);
	return rc;
}

/* Succeeds for a dma-buf of memory that stays where it is. */
static int dma_buf_memory_pin_of_machine(struct dma_buf_memory *mem,
					 struct dma_buf_attachment *attachment)
{
	int rc;

	dma_resv_lock(attachment->dmabuf->resv, NULL);
	rc = dma_buf_pin(attachment);
	if (rc)
		goto out_unlock;
	rc = dma_buf_walk_memory(attachment, 0, 0, dma_buf_append_range, NULL);
	if (rc)
		dma_buf_unpin(attachment);
out_unlock:
	dma_resv_unlock(attachment->dmabuf->resv);
	if (rc)
		return rc;
	mem->pinned.ops = &dma_buf_memory_of_machine_ops;
	mem->pinned.revocable = NULL;
	return 0;
}

static int dma_buf_memory_pin_buf(struct dma_buf_memory *mem,
				  struct dma_buf_attachment *attachment)
{
	int rc;

	rc = dma_buf_memory_pin_by(mem, attachment,
				   iommufd_test_dma_buf_iommufd_map);
	if (rc == -EOPNOTSUPP)
		rc = dma_buf_memory_pin_vfio(mem, attachment);
	if (rc == -EOPNOTSUPP)
		rc = dma_buf_memory_pin_of_machine(mem, attachment);
	if (rc == -EOPNOTSUPP)
		rc = iommufd_refuse(IOMMU_WHY_DMABUF_KIND);
	if (rc == -ERANGE)
		rc = iommufd_refuse(IOMMU_WHY_DMABUF_ADDRESS);
	return rc;
}

static int dma_buf_memory_attach(struct dma_buf_memory *mem,
				 struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attachment;
	int rc;

	attachment = dma_buf_dynamic_attach(dmabuf, iommufd_device_node(),
					    &dma_buf_memory_attach_ops, mem);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	rc = dma_buf_memory_pin_buf(mem, attachment);
	if (rc) {
		dma_buf_detach(dmabuf, attachment);
		return rc;
	}
	mem->attachment = attachment;
	return 0;
}

static bool dma_buf_may_access(const struct dma_buf *dmabuf, bool writable)
{
	fmode_t needed = writable ? FMODE_READ | FMODE_WRITE : FMODE_READ;

	return (dmabuf->file->f_mode & needed) == needed;
}

static int dma_buf_check(const struct dma_buf *dmabuf, unsigned long start,
			 unsigned long length, bool writable)
{
	if (!dma_buf_may_access(dmabuf, writable))
		return iommufd_refuse(IOMMU_WHY_DMABUF_ACCESS);
	if (start + length > dmabuf->size ||
	    (length >> PAGE_SHIFT) > U32_MAX - 1)
		return iommufd_refuse(IOMMU_WHY_DMABUF_RANGE, start, length,
				      dmabuf->size);
	return 0;
}

static struct dma_buf_memory *
dma_buf_memory_make(struct dma_buf *dmabuf,
		    const struct iommufd_source_ops *ops, unsigned long va,
		    unsigned long start, bool writable)
{
	struct dma_buf_memory *mem;
	int rc;

	mem = kzalloc_obj(*mem, GFP_KERNEL_ACCOUNT);
	if (!mem)
		return ERR_PTR(-ENOMEM);
	iommufd_pinned_init(&mem->pinned, ops, va, writable);
	iommufd_revocable_init(&mem->revocable, dmabuf->resv);
	mem->pinned.revocable = &mem->revocable;
	mem->offset = start & PAGE_MASK;

	rc = dma_buf_memory_attach(mem, dmabuf);
	if (rc) {
		mutex_destroy(&mem->pinned.mutex);
		kfree(mem);
		return ERR_PTR(rc);
	}
	return mem;
}

/*
 * The object takes over the caller's reference of the dma-buf, which is dropped
 * if there is an error.
 */
static struct dma_buf_memory *
dma_buf_memory_alloc(struct dma_buf *dmabuf,
		     const struct iommufd_source_ops *ops, unsigned long va,
		     unsigned long start, unsigned long length, bool writable)
{
	struct dma_buf_memory *mem;
	int rc;

	rc = dma_buf_check(dmabuf, start, length, writable);
	if (rc)
		mem = ERR_PTR(rc);
	else
		mem = dma_buf_memory_make(dmabuf, ops, va, start, writable);
	if (IS_ERR(mem))
		dma_buf_put(dmabuf);
	return mem;
}

/* @rc: of dma_buf_get(), which returns -EINVAL for other files */
static struct iommufd_pinned *dma_buf_refuse(int rc, int fd)
{
	if (rc == -EINVAL)
		return NULL;
	if (rc == -EBADF)
		rc = iommufd_refuse(IOMMU_WHY_FILE_DESCRIPTOR, fd);
	return ERR_PTR(rc);
}

/**
 * iommufd_dma_buf_alloc - make an object of the memory of a dma-buf
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
 * does not tell where the memory is, or it is in several places in a device;
 * -ERANGE if its physical address is too large; -ENODEV if the exporter has
 * taken the memory back; other errors of it; -ENOMEM.
 */
struct iommufd_pinned *iommufd_dma_buf_alloc(int fd, unsigned long start,
					     unsigned long length,
					     bool writable)
{
	struct dma_buf_memory *mem;
	struct dma_buf *dmabuf;

	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		return dma_buf_refuse(PTR_ERR(dmabuf), fd);
	mem = dma_buf_memory_alloc(dmabuf, &dma_buf_memory_ops,
				   start & PAGE_MASK, start, length, writable);
	return IS_ERR(mem) ? ERR_CAST(mem) : &mem->pinned;
}

/**
 * iommufd_dma_buf_of_origin - the same for a dma-buf that was found by an
 * address
 * @dmabuf: the dma-buf, of which the object takes over a reference; it is
 *          dropped if there is an error
 * @va: user address of its first page
 * @length: of the dma-buf, in bytes
 * @writable: devices may write to it
 * @origin: the memory of a process to which the address belongs; the object
 *          keeps it
 *
 * Context: as iommufd_dma_buf_alloc().
 * Return: the object with one reference, or an ERR_PTR, as there.
 */
struct iommufd_pinned *
iommufd_dma_buf_of_origin(struct dma_buf *dmabuf, unsigned long va,
			  unsigned long length, bool writable,
			  struct iommufd_pinned *origin)
{
	struct dma_buf_memory *mem;

	mem = dma_buf_memory_alloc(dmabuf, &dma_buf_memory_of_process_ops, va,
				   0, length, writable);
	if (IS_ERR(mem))
		return ERR_CAST(mem);
	refcount_inc(&origin->refs);
	mem->origin = origin;
	return &mem->pinned;
}
