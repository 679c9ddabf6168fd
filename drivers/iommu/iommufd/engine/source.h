/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sources of memory: what makes pinned-memory objects
 */
#ifndef __IOMMUFD_SOURCE_H
#define __IOMMUFD_SOURCE_H

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/types.h>

struct device;
struct dma_buf;
struct file;
struct iommufd_account;
struct iommufd_pinned;
struct iommufd_run_slice;
struct mm_struct;
struct page;

struct iommufd_pinned *
iommufd_user_memory_alloc(unsigned long va, bool writable,
			  struct iommufd_account *account);

bool iommufd_file_is_memory(const struct file *file);
struct iommufd_pinned *
iommufd_file_memory_alloc(struct file *file, unsigned long start, bool writable,
			  struct iommufd_account *account);

#ifdef CONFIG_DMA_SHARED_BUFFER
struct iommufd_pinned *iommufd_dma_buf_alloc(int fd, unsigned long start,
					     unsigned long length,
					     bool writable);
struct iommufd_pinned *
iommufd_dma_buf_of_origin(struct dma_buf *dmabuf, unsigned long va,
			  unsigned long length, bool writable,
			  struct iommufd_pinned *origin);
struct iommufd_pinned *
iommufd_vma_memory_alloc(struct mm_struct *mm, unsigned long va,
			 unsigned long length, bool writable,
			 struct iommufd_pinned *origin);
#else
static inline struct iommufd_pinned *
iommufd_dma_buf_alloc(int fd, unsigned long start, unsigned long length,
		      bool writable)
{
	return NULL;
}

static inline struct iommufd_pinned *
iommufd_vma_memory_alloc(struct mm_struct *mm, unsigned long va,
			 unsigned long length, bool writable,
			 struct iommufd_pinned *origin)
{
	return ERR_PTR(-EFAULT);
}
#endif

/* In whose name dma-bufs are attached; the device that stands for /dev/iommu */
struct device *iommufd_device_node(void);

int iommufd_user_memory_init(void);
void iommufd_user_memory_exit(void);

/* What the sources share, in source.c */

/**
 * struct iommufd_scratch - an array that lives for one call
 * @entries: the array
 * @nr_max: how many entries it has, at least one
 * @on_stack: serves when few entries are needed, or there is no memory
 */
struct iommufd_scratch {
	void *entries;
	unsigned int nr_max;
	void *on_stack[32];
};

void iommufd_scratch_init(struct iommufd_scratch *scratch, unsigned long nr,
			  size_t size);
void iommufd_scratch_free(struct iommufd_scratch *scratch);

/* So many pages are given back without a look at the scheduler. */
#define IOMMUFD_UNPIN_STEP BIT(15)

void iommufd_unpin_pages(struct page *page, unsigned long npages, bool dirty);
void iommufd_source_unpin(struct iommufd_pinned *pinned,
			  const struct iommufd_run_slice *runs,
			  unsigned long npages);

#endif
