// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: an exporter of dma-bufs
 *
 * Owns the memory, and whether it is revoked; the reservation lock of the
 * dma-buf guards the latter. Called by the ioctl, by the dma-buf core, and by
 * the source of memory that imports.
 *
 * The memory is that of the machine, but importers get its physical range as if
 * it were a device's. User space may map the file, to look at it.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fcntl.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../call.h"
#include "../test_hooks.h"
#include "mock.h"

#define MOCK_DMABUF_MAX_PAGES 512

/**
 * struct mock_dmabuf - a dma-buf
 * @memory: physically contiguous
 * @length: bytes of it, whole pages
 * @revoked: not for importers now
 */
struct mock_dmabuf {
	void *memory;
	size_t length;
	bool revoked;
};

static int mock_dmabuf_attach(struct dma_buf *dmabuf,
			      struct dma_buf_attachment *attachment)
{
	struct mock_dmabuf *mock = dmabuf->priv;

	if (READ_ONCE(mock->revoked))
		return -ENODEV;
	return dma_buf_attach_revocable(attachment) ? 0 : -EOPNOTSUPP;
}

static struct sg_table *mock_dmabuf_map(struct dma_buf_attachment *attachment,
					enum dma_data_direction direction)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void mock_dmabuf_unmap(struct dma_buf_attachment *attachment,
			      struct sg_table *sgt,
			      enum dma_data_direction direction)
{
}

static int mock_dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct mock_dmabuf *mock = dmabuf->priv;
	/* The core has seen to it that the range is within the buffer. */
	struct page *page = virt_to_page(mock->memory) + vma->vm_pgoff;
	unsigned long addr;
	int rc;

	/* A private mapping would copy what is written. */
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;
	for (addr = vma->vm_start; addr != vma->vm_end; addr += PAGE_SIZE) {
		rc = vm_insert_page(vma, addr, page++);
		if (rc)
			return rc;
	}
	return 0;
}

static void mock_dmabuf_release(struct dma_buf *dmabuf)
{
	struct mock_dmabuf *mock = dmabuf->priv;

	free_pages_exact(mock->memory, mock->length);
	kfree(mock);
}

static const struct dma_buf_ops mock_dmabuf_ops = {
	.attach = mock_dmabuf_attach,
	.map_dma_buf = mock_dmabuf_map,
	.unmap_dma_buf = mock_dmabuf_unmap,
	.mmap = mock_dmabuf_mmap,
	.release = mock_dmabuf_release,
};

/**
 * iommufd_test_dma_buf_iommufd_map - where is the memory of a dma-buf?
 * @attachment: an attachment of any dma-buf
 * @phys: receives the only range
 *
 * Context: caller holds the reservation lock of the dma-buf.
 * Return: 0; -EOPNOTSUPP if the dma-buf is not a mock one; -ENODEV if it is
 * revoked.
 */
int iommufd_test_dma_buf_iommufd_map(struct dma_buf_attachment *attachment,
				     struct phys_vec *phys)
{
	struct mock_dmabuf *mock = attachment->dmabuf->priv;

	dma_resv_assert_held(attachment->dmabuf->resv);

	if (attachment->dmabuf->ops != &mock_dmabuf_ops)
		return -EOPNOTSUPP;
	if (mock->revoked)
		return -ENODEV;
	phys->paddr = virt_to_phys(mock->memory);
	phys->len = mock->length;
	return 0;
}

static struct mock_dmabuf *mock_dmabuf_alloc(size_t length)
{
	struct mock_dmabuf *mock;

	mock = kzalloc_obj(*mock, GFP_KERNEL_ACCOUNT);
	if (!mock)
		return NULL;
	mock->length = length;
	mock->memory = alloc_pages_exact(length, GFP_KERNEL_ACCOUNT |
						 __GFP_ZERO | __GFP_NOWARN);
	if (!mock->memory) {
		kfree(mock);
		return NULL;
	}
	return mock;
}

static struct dma_buf *mock_dmabuf_export(size_t length, u32 open_flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct mock_dmabuf *mock;
	struct dma_buf *dmabuf;

	mock = mock_dmabuf_alloc(length);
	if (!mock)
		return ERR_PTR(-ENOMEM);
	info.ops = &mock_dmabuf_ops;
	info.size = length;
	info.flags = open_flags;
	info.priv = mock;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		free_pages_exact(mock->memory, length);
		kfree(mock);
	}
	return dmabuf;
}

int mock_op_dmabuf_get(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	u32 open_flags = cmd->dmabuf_get.open_flags & (O_ACCMODE | O_CLOEXEC);
	size_t length = PAGE_ALIGN((size_t)cmd->dmabuf_get.length);
	struct dma_buf *dmabuf;
	int fd;

	if (!length || length > MOCK_DMABUF_MAX_PAGES * PAGE_SIZE)
		return -EINVAL;
	dmabuf = mock_dmabuf_export(length, open_flags);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = dma_buf_fd(dmabuf, open_flags);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

int mock_op_dmabuf_revoke(struct iommufd_call *call,
			  struct iommu_test_cmd *cmd)
{
	bool revoked = cmd->dmabuf_revoke.revoked;
	struct mock_dmabuf *mock;
	struct dma_buf *dmabuf;
	int rc = 0;

	dmabuf = dma_buf_get(cmd->dmabuf_revoke.dmabuf_fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (dmabuf->ops != &mock_dmabuf_ops) {
		rc = -EOPNOTSUPP;
		goto out_put;
	}
	mock = dmabuf->priv;

	dma_resv_lock(dmabuf->resv, NULL);
	WRITE_ONCE(mock->revoked, revoked);
	dma_buf_invalidate_mappings(dmabuf);
	dma_resv_unlock(dmabuf->resv);
out_put:
	dma_buf_put(dmabuf);
	return rc;
}
