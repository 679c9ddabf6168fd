// SPDX-License-Identifier: GPL-2.0-only
/*
 * Source of memory: a file that is in memory, made by memfd_create()
 *
 * Owns a reference to the file, for a writable object also one write access to
 * it, and the account. Called through iommufd_source_ops by the pinned-memory
 * object, whose mutex is held.
 *
 * Only files of shmem and hugetlbfs are held. They refer to pages and to
 * nothing else. Any other file may hold the context, directly or through
 * others: one of /dev/iommu, of a VFIO device or group that is bound to it, of
 * a fault queue, a socket or an io_uring that one of these was put into. An
 * area that held such a file would keep itself alive for ever, see ctx.h: an
 * object of a context never holds a file that could hold the context. None of
 * them can be pinned, so there is no need to hold them: the object of such a
 * file is empty, and refuses to be pinned.
 *
 * Who may do DMA to a file is ruled by what may be done with mmap(): reading
 * needs a descriptor that is open for reading, writing one that is open for
 * both, and a file that is not sealed against writing. As long as there is a
 * writable object, the file cannot be sealed, as long as there is a shared
 * writable mapping it cannot either.
 */
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "account.h"
#include "pinned.h"
#include "populate.h"
#include "source.h"
#include "test_hooks.h"
#include "why.h"

/* How much is pinned between two looks for a signal, which may allocate it */
#define STEP_BYTES SZ_256M

/**
 * struct file_memory - a range of a file
 * @pinned: the common part
 * @file: the file; NULL for one that cannot be pinned
 * @movable: where its claims are; the account is a movable one
 */
struct file_memory {
	struct iommufd_pinned pinned;
	struct file *file;
	struct iommufd_movable *movable;
};

static const struct iommufd_source_ops file_memory_ops;

static struct file_memory *to_file_memory(struct iommufd_pinned *pinned)
{
	return container_of(pinned, struct file_memory, pinned);
}

/*
 * Take over a folio that has one pin; its pages from @first on have one each.
 */
static int file_append_folio(struct iommufd_run_builder *runs,
			     struct folio *folio, unsigned long first,
			     unsigned long npages)
{
	int rc = 0;

	if (npages > 1)
		rc = folio_add_pins(folio, npages - 1);
	if (rc) {
		unpin_folio(folio);
		return rc;
	}
	rc = iommufd_runs_append(runs, folio_pfn(folio) + first, npages);
	if (rc)
		unpin_user_folio(folio, npages);
	return rc;
}

/*
 * Append what is in the folios, but no more than npages; returns how many pages
 * that were. No folio remains pinned that has not been appended.
 */
static long file_append_folios(struct iommufd_run_builder *runs,
			       struct folio **folios, unsigned int nr_folios,
			       unsigned long first, unsigned long npages)
{
	unsigned long left = npages;
	unsigned int i;
	int rc;

	for (i = 0; i != nr_folios && left; i++) {
		unsigned long nr = min(folio_nr_pages(folios[i]) - first, left);

		rc = file_append_folio(runs, folios[i], first, nr);
		if (rc) {
			unpin_folios(folios + i + 1, nr_folios - i - 1);
			return rc;
		}
		left -= nr;
		first = 0;
	}
	/* The rest of the folios is beyond the range. */
	unpin_folios(folios + i, nr_folios - i);
	return npages - left;
}

/* -- populating -- */

/* Pages of the file, whoever fills it */
static unsigned long file_nr_missed(struct iommufd_pinned *pinned)
{
	return READ_ONCE(to_file_memory(pinned)->file->f_mapping->nrpages);
}

static loff_t file_page_offset(struct iommufd_pinned *pinned,
			       unsigned long page)
{
	return pinned->start + ((loff_t)page << PAGE_SHIFT);
}

static unsigned long file_page_size(struct file *file)
{
	return is_file_hugepages(file) ? huge_page_size(hstate_file(file)) :
					 PAGE_SIZE;
}

static unsigned long file_populate_end(struct iommufd_pinned *pinned,
				       unsigned long first, unsigned long end,
				       unsigned long *chunk_npages)
{
	struct file *file = to_file_memory(pinned)->file;
	loff_t left = i_size_read(file_inode(file)) -
		      file_page_offset(pinned, first);

	*chunk_npages = max(*chunk_npages, file_page_size(file) >> PAGE_SHIFT);
	return left < 0 ? first : min(end, first + (left >> PAGE_SHIFT));
}

/*
 * How many pages are in folios, of which the first is not counted from its
 * start
 */
static unsigned long file_count_pages(struct folio **folios,
				      unsigned int nr_folios,
				      unsigned long first)
{
	unsigned long npages = 0;

	while (nr_folios--)
		npages += folio_nr_pages(*folios++);
	return npages - first;
}

static int file_populate_range(struct file_memory *mem, loff_t start,
			       unsigned long npages,
			       struct iommufd_scratch *scratch)
{
	loff_t end = start + ((loff_t)npages << PAGE_SHIFT);
	struct folio **folios = scratch->entries;
	unsigned long count;
	pgoff_t offset;
	long nr;

	while (start < end) {
		nr = memfd_pin_folios(mem->file, start, end - 1, folios,
				      scratch->nr_max, &offset);
		if (nr <= 0)
			return nr ?: -EINVAL;
		count = file_count_pages(folios, nr, offset >> PAGE_SHIFT);
		unpin_folios(folios, nr);
		start += (loff_t)count << PAGE_SHIFT;
	}
	return 0;
}

static int file_populate(struct iommufd_pinned *pinned, unsigned long first,
			 unsigned long npages)
{
	struct iommufd_scratch scratch __uninitialized;
	int rc;

	iommufd_scratch_init(&scratch, npages, sizeof(struct folio *));
	rc = file_populate_range(to_file_memory(pinned),
				 file_page_offset(pinned, first), npages,
				 &scratch);
	iommufd_scratch_free(&scratch);
	return rc;
}

static const struct iommufd_populate_ops file_populate_ops = {
	.nr_missed = file_nr_missed,
	.end = file_populate_end,
	.populate = file_populate,
};

/* -- pinning -- */

/* @rc: of memfd_pin_folios(), which has EINVAL for what is behind the end */
static int file_refuse(long rc, loff_t start, unsigned long npages)
{
	return rc && rc != -EINVAL ?
		       rc :
		       iommufd_refuse(IOMMU_WHY_FILE_RANGE, start, npages);
}

static int file_pin_range(struct file_memory *mem, unsigned long first,
			  unsigned long npages, struct iommufd_pin_steps *steps,
			  struct iommufd_scratch *scratch,
			  struct iommufd_run_builder *runs)
{
	loff_t start = file_page_offset(&mem->pinned, first);
	unsigned long end = first + npages;

	while (npages) {
		unsigned long step = min(iommufd_pin_step(steps, end - npages,
							  runs),
					 STEP_BYTES >> PAGE_SHIFT);
		pgoff_t offset;
		long nr;

		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		if (iommufd_should_fail())
			return -EFAULT;

		nr = memfd_pin_folios(mem->file, start,
				      start + ((loff_t)step << PAGE_SHIFT) - 1,
				      scratch->entries, scratch->nr_max,
				      &offset);
		if (nr <= 0)
			return file_refuse(nr, start, npages);
		nr = file_append_folios(runs, scratch->entries, nr,
					offset >> PAGE_SHIFT, step);
		if (nr < 0)
			return nr;
		start += (loff_t)nr << PAGE_SHIFT;
		npages -= nr;
	}
	return 0;
}

static int file_memory_pin(struct iommufd_pinned *pinned, unsigned long first,
			   unsigned long last, struct iommufd_run_builder *runs)
{
	struct file_memory *mem = to_file_memory(pinned);
	unsigned long npages = last - first + 1;
	struct iommufd_scratch scratch __uninitialized;
	struct iommufd_pin_steps steps __uninitialized;
	int rc;

	if (!mem->file)
		return iommufd_refuse(IOMMU_WHY_FILE_KIND);
	iommufd_scratch_init(&scratch, npages, sizeof(struct folio *));
	iommufd_pin_steps_begin(&steps, pinned, first, npages,
				&file_populate_ops);
	rc = file_pin_range(mem, first, npages, &steps, &scratch, runs);
	iommufd_pin_steps_end(&steps);
	iommufd_scratch_free(&scratch);
	return rc;
}

/**
 * iommufd_file_is_memory - is a file in memory, and nowhere else?
 * @file: the file
 *
 * Other files can neither be pinned nor do they have seals. It is the inode
 * that is asked and not file->f_mapping, which a file system may have borrowed
 * from a file that it holds.
 *
 * Return: whether it is.
 */
bool iommufd_file_is_memory(const struct file *file)
{
	return shmem_mapping(file_inode(file)->i_mapping) ||
	       is_file_hugepages(file);
}

#ifdef CONFIG_HUGETLBFS
static unsigned int file_seals(struct file *file)
{
	if (is_file_hugepages(file))
		return HUGETLBFS_I(file_inode(file))->seals;
	return SHMEM_I(file_inode(file))->seals;
}
#else
static unsigned int file_seals(struct file *file)
{
	return SHMEM_I(file_inode(file))->seals;
}
#endif

static int file_get_access(struct file *file, bool writable)
{
	if (!(file->f_mode & FMODE_READ))
		return iommufd_refuse(IOMMU_WHY_FILE_READ);
	if (!writable)
		return 0;
	if (!(file->f_mode & FMODE_WRITE))
		return iommufd_refuse(IOMMU_WHY_FILE_WRITE);
	if (file_seals(file) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return iommufd_refuse(IOMMU_WHY_FILE_SEALED, file_seals(file));
	return mapping_map_writable(file->f_mapping);
}

static int file_memory_hold(struct file_memory *mem, struct file *file,
			    bool writable)
{
	int rc;

	mem->file = NULL;
	if (!iommufd_file_is_memory(file))
		return 0;
	rc = file_get_access(file, writable);
	if (!rc)
		mem->file = get_file(file);
	return rc;
}

static void file_memory_drop(struct file_memory *mem)
{
	if (!mem->file)
		return;
	if (mem->pinned.writable)
		mapping_unmap_writable(mem->file->f_mapping);
	fput(mem->file);
}

static void file_memory_release(struct iommufd_pinned *pinned)
{
	struct file_memory *mem = to_file_memory(pinned);

	iommufd_movable_put(mem->movable);
	file_memory_drop(mem);
	iommufd_account_put(pinned->own.account);
	kfree(mem);
}

static const struct iommufd_source_ops file_memory_ops = {
	.name = "file",
	.pin = file_memory_pin,
	.unpin = iommufd_source_unpin,
	.release = file_memory_release,
};

/**
 * iommufd_file_memory_alloc - make an object of a file
 * @file: the file; a reference of its own is taken if the file can be pinned
 * @start: where the range begins, in bytes, page-aligned
 * @writable: pin the pages for writing
 * @account: who is charged; a movable one. The object takes over the caller's
 *           reference, also when there is an error.
 *
 * Nothing is pinned until the first pin is made. Only then is a file that is
 * not in memory refused, and a range that is beyond the end of the file, both
 * with -EINVAL. Holes are filled when they are pinned.
 *
 * Context: process context, may sleep.
 * Return: the object with one reference; -ENOMEM; -EPERM when the descriptor
 * or the seals of the file don't allow the access.
 */
struct iommufd_pinned *
iommufd_file_memory_alloc(struct file *file, unsigned long start, bool writable,
			  struct iommufd_account *account)
{
	struct file_memory *mem;
	int rc;

	mem = kmalloc_obj(*mem, GFP_KERNEL_ACCOUNT);
	if (!mem) {
		rc = -ENOMEM;
		goto err_put;
	}
	mem->movable = iommufd_movable_get(account, file_inode(file));
	if (!mem->movable) {
		rc = -ENOMEM;
		goto err_free;
	}
	rc = file_memory_hold(mem, file, writable);
	if (rc)
		goto err_put_movable;
	iommufd_pinned_init(&mem->pinned, &file_memory_ops, start, writable);
	mem->pinned.own.account = account;
	mem->pinned.own.claims = mem->movable->claims;
	return &mem->pinned;

err_put_movable:
	iommufd_movable_put(mem->movable);
err_free:
	kfree(mem);
err_put:
	iommufd_account_put(account);
	return ERR_PTR(rc);
}
