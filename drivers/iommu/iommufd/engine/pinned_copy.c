// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pinned-memory object: reading and writing memory by software
 *
 * Owns nothing. Called by the address space for accesses that copy. What is
 * pinned is reached with the mutex of the object held, so that it stays; the
 * rest without it, since the owner of the memory may take his time.
 */
#include <linux/cleanup.h>
#include <linux/highmem.h>
#include <linux/sched.h>

#include "pinned.h"
#include "test_hooks.h"

/* Pages that are pinned for a moment at once, to be copied */
#define COPY_PAGES 16UL

/* Where a copy stands. Both ends of it move together. */
struct pinned_copy {
	void *data;
	unsigned long offset;	/* in the object, in bytes */
	size_t left;
	bool write;
};

static void copy_advance(struct pinned_copy *copy, size_t length)
{
	copy->data += length;
	copy->offset += length;
	copy->left -= length;
}

static void copy_in_page(struct pinned_copy *copy, struct page *page)
{
	unsigned long in_page = offset_in_page(copy->offset);
	size_t length = min(copy->left, PAGE_SIZE - in_page);

	if (copy->write)
		memcpy_to_page(page, in_page, copy->data, length);
	else
		memcpy_from_page(copy->data, page, in_page, length);
	copy_advance(copy, length);
}

static void copy_run(struct pinned_copy *copy, struct iommufd_run run)
{
	struct page *page = pfn_to_page(iommufd_run_pfn(run));
	unsigned long i;

	for (i = 0; i != iommufd_run_npages(run) && copy->left; i++) {
		copy_in_page(copy, page + i);
		cond_resched();
	}
}

static void copy_runs(struct pinned_copy *copy,
		      const struct iommufd_run_slice *runs, unsigned long skip,
		      unsigned long npages)
{
	struct iommufd_run_cursor cursor;
	struct iommufd_run run;

	/* A single run needs no walk. */
	if (!runs->vec) {
		copy_run(copy, iommufd_run(iommufd_run_pfn(runs->run) + skip,
					   npages));
		return;
	}
	iommufd_run_slice_walk(runs, skip, npages, &cursor);
	while (iommufd_run_cursor_next(&cursor, &run))
		copy_run(copy, run);
}

static void copy_segment(struct pinned_copy *copy,
			 const struct iommufd_pin_segment *segment)
{
	unsigned long first = copy->offset >> PAGE_SHIFT;
	unsigned long last = (copy->offset + copy->left - 1) >> PAGE_SHIFT;

	last = min(last, segment->last);
	copy_runs(copy, &segment->runs, first - segment->first,
		  last - first + 1);
}

/* Copy what is pinned, and tell how many bytes follow that are not. */
static size_t copy_pinned(struct iommufd_pinned *pinned,
			  struct pinned_copy *copy)
{
	struct iommufd_pin_segment *segment = NULL;
	unsigned long page;

	guard(mutex)(&pinned->mutex);
	while (copy->left) {
		page = copy->offset >> PAGE_SHIFT;
		segment = iommufd_pinned_find(pinned, page);
		if (!segment || segment->first > page)
			break;
		copy_segment(copy, segment);
	}
	if (!segment)
		return copy->left;
	return min(copy->left, (segment->first << PAGE_SHIFT) - copy->offset);
}

static int copy_by_pins(struct iommufd_pinned *pinned, struct pinned_copy *copy,
			size_t length)
{
	unsigned long first = copy->offset >> PAGE_SHIFT;
	unsigned long last = (copy->offset + length - 1) >> PAGE_SHIFT;
	struct iommufd_run_slice runs;
	int rc;

	last = min(last, first + COPY_PAGES - 1);
	if (iommufd_should_fail())
		return -EINVAL;
	rc = iommufd_pinned_pin_runs(pinned, first, last, &runs);
	if (rc < 0)
		return rc;
	copy_runs(copy, &runs, 0, last - first + 1);
	iommufd_pinned_unpin_runs(pinned, &runs, last - first + 1);
	return 0;
}

static int copy_unpinned(struct iommufd_pinned *pinned,
			 struct pinned_copy *copy, size_t length,
			 unsigned int how)
{
	int rc;

	if (!pinned->ops->copy || how & IOMMUFD_COPY_BY_PINS)
		return copy_by_pins(pinned, copy, length);

	rc = pinned->ops->copy(pinned, copy->offset, copy->data, length,
			       copy->write, how & IOMMUFD_COPY_KTHREAD);
	if (rc == -EOPNOTSUPP)
		return copy_by_pins(pinned, copy, length);
	if (!rc)
		copy_advance(copy, length);
	return rc;
}

/**
 * iommufd_pinned_copy - read or write memory by software
 * @pinned: the object, of memory that has struct pages
 * @offset: where, in bytes
 * @data: what to write, or where to read to
 * @length: in bytes
 * @write: write to the object, which is writable
 * @how: IOMMUFD_COPY_KTHREAD, IOMMUFD_COPY_BY_PINS
 *
 * What is pinned is reached by its pages, the rest through its owner.
 *
 * Context: may sleep, as long as the owner of the memory likes, and take the
 * mmap_lock of the source; takes the object's mutex, but not for that long.
 *
 * Return: 0, or an error of the source, with a part of the bytes copied.
 */
int iommufd_pinned_copy(struct iommufd_pinned *pinned, unsigned long offset,
			void *data, size_t length, bool write, unsigned int how)
{
	struct pinned_copy copy = {
		.data = data,
		.offset = offset,
		.left = length,
		.write = write,
	};
	size_t unpinned;
	int rc;

	for (;;) {
		unpinned = copy_pinned(pinned, &copy);
		if (!copy.left)
			return 0;
		rc = copy_unpinned(pinned, &copy, unpinned, how);
		if (rc)
			return rc;
	}
}
