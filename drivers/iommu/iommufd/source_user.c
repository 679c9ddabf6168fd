// SPDX-License-Identifier: GPL-2.0-only
/*
 * Source of memory: the address space of a process
 *
 * Owns the account, whose mm is the process. Called through iommufd_source_ops
 * by the pinned-memory object, whose mutex is held.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "account.h"
#include "pinned.h"
#include "source.h"

/* Page pointers that one step of pinning may hold, small and large */
#define STACK_PAGES 16
#define SCRATCH_PAGES (SZ_64K / sizeof(struct page *))

static struct kmem_cache *user_memory_cache;

/**
 * struct user_memory - a range of a process's address space
 * @pinned: the common part
 * @va: page-aligned user address of the first page
 * @account: who is charged; its mm is where the memory is
 */
struct user_memory {
	struct iommufd_pinned pinned;
	unsigned long va;
	struct iommufd_account account;
};

static struct user_memory *to_user_memory(struct iommufd_pinned *pinned)
{
	return container_of(pinned, struct user_memory, pinned);
}

/* Page pointers for one step, on the stack as long as few are needed */
struct page_scratch {
	struct page **pages;
	unsigned long nr_max;
	struct page *on_stack[STACK_PAGES];
};

static void scratch_init(struct page_scratch *scratch, unsigned long npages)
{
	unsigned long nr_max = min(npages, SCRATCH_PAGES);

	scratch->pages = scratch->on_stack;
	scratch->nr_max = STACK_PAGES;
	if (npages <= STACK_PAGES)
		return;

	/* More pages in a step are a convenience, not a need. */
	scratch->pages = kmalloc_array(nr_max, sizeof(*scratch->pages),
				       GFP_KERNEL_ACCOUNT | __GFP_NOWARN |
				       __GFP_NORETRY);
	if (!scratch->pages)
		scratch->pages = scratch->on_stack;
	else
		scratch->nr_max = nr_max;
}

static void scratch_free(struct page_scratch *scratch)
{
	if (scratch->pages != scratch->on_stack)
		kfree(scratch->pages);
}

static void user_memory_unpin(struct iommufd_pinned *pinned,
			      struct iommufd_run run)
{
	unpin_user_page_range_dirty_lock(pfn_to_page(iommufd_run_pfn(run)),
					 iommufd_run_npages(run),
					 pinned->writable);
}

/* Append pages, of which the physically contiguous ones become one run. */
static int append_pages(struct iommufd_run_builder *runs, struct page **pages,
			unsigned long npages)
{
	unsigned long i = 0;
	int rc;

	while (i != npages) {
		unsigned long first_pfn = page_to_pfn(pages[i]);
		unsigned long start = i++;

		while (i != npages &&
		       page_to_pfn(pages[i]) == first_pfn + (i - start))
			i++;
		rc = iommufd_runs_append(runs, first_pfn, i - start);
		if (rc) {
			unpin_user_pages(pages + start, npages - start);
			return rc;
		}
	}
	return 0;
}

static long get_pages(struct user_memory *mem, unsigned long va,
		      unsigned long npages, struct page **pages)
{
	unsigned int gup_flags = FOLL_LONGTERM;
	long pinned;

	if (mem->pinned.writable)
		gup_flags |= FOLL_WRITE;

	if (mem->account.mm == current->mm) {
		pinned = pin_user_pages_fast(va, npages, gup_flags, pages);
	} else {
		int locked = 1;

		mmap_read_lock(mem->account.mm);
		pinned = pin_user_pages_remote(mem->account.mm, va, npages, gup_flags,
					       pages, &locked);
		if (locked)
			mmap_read_unlock(mem->account.mm);
	}
	return pinned ?: -EFAULT;
}

static int pin_range(struct user_memory *mem, unsigned long first,
		     unsigned long last, struct iommufd_run_builder *runs)
{
	unsigned long va = mem->va + (first << PAGE_SHIFT);
	unsigned long left = last - first + 1;
	struct page_scratch scratch;
	int rc = 0;

	scratch_init(&scratch, left);
	while (left) {
		long npages = get_pages(mem, va, min(left, scratch.nr_max),
					scratch.pages);

		if (npages < 0) {
			rc = npages;
			break;
		}
		rc = append_pages(runs, scratch.pages, npages);
		if (rc)
			break;
		va += npages << PAGE_SHIFT;
		left -= npages;
		cond_resched();
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
	}
	scratch_free(&scratch);
	return rc;
}

static void unpin_builder(struct iommufd_pinned *pinned,
			  struct iommufd_run_builder *runs)
{
	struct iommufd_run_cursor cursor;
	struct iommufd_run_slice slice;
	struct iommufd_run run;
	unsigned long npages = runs->npages;

	iommufd_runs_finish(runs, &slice);
	iommufd_run_slice_walk(&slice, 0, npages, &cursor);
	while (iommufd_run_cursor_next(&cursor, &run))
		user_memory_unpin(pinned, run);
	iommufd_run_slice_put(&slice);
	iommufd_runs_init(runs, 0);
}

static int user_memory_pin(struct iommufd_pinned *pinned, unsigned long first,
			   unsigned long last, struct iommufd_run_builder *runs)
{
	struct user_memory *mem = to_user_memory(pinned);
	bool borrowed = mem->account.mm != current->mm;
	int rc;

	if (borrowed && !mmget_not_zero(mem->account.mm))
		return -EFAULT;
	rc = pin_range(mem, first, last, runs);
	if (borrowed)
		mmput(mem->account.mm);
	if (rc)
		unpin_builder(pinned, runs);
	return rc;
}

static int user_memory_charge(struct iommufd_pinned *pinned,
			      unsigned long npages)
{
	return iommufd_account_charge(&to_user_memory(pinned)->account, npages);
}

static void user_memory_uncharge(struct iommufd_pinned *pinned,
				 unsigned long npages)
{
	iommufd_account_uncharge(&to_user_memory(pinned)->account, npages);
}

static void user_memory_release(struct iommufd_pinned *pinned)
{
	struct user_memory *mem = to_user_memory(pinned);

	iommufd_account_destroy(&mem->account);
	kmem_cache_free(user_memory_cache, mem);
}

static const struct iommufd_source_ops user_memory_ops = {
	.pin = user_memory_pin,
	.unpin = user_memory_unpin,
	.charge = user_memory_charge,
	.uncharge = user_memory_uncharge,
	.release = user_memory_release,
};

/**
 * iommufd_user_memory_alloc - make an object of the caller's memory
 * @va: page-aligned user address of the first page
 * @writable: pin the pages for writing
 * @account_mode: whose limit counts, unless the caller has CAP_IPC_LOCK
 *
 * Nothing is pinned, and nothing known about the memory, until the first user
 * comes.
 *
 * Context: process context, may sleep.
 * Return: the object with one reference, or NULL without memory.
 */
struct iommufd_pinned *
iommufd_user_memory_alloc(unsigned long va, bool writable,
			  enum iommufd_account_mode account_mode)
{
	struct user_memory *mem;

	mem = kmem_cache_alloc(user_memory_cache, GFP_KERNEL_ACCOUNT);
	if (!mem)
		return NULL;

	iommufd_pinned_init(&mem->pinned, &user_memory_ops, writable);
	mem->va = va;
	iommufd_account_init(&mem->account, account_mode);
	return &mem->pinned;
}

int iommufd_user_memory_init(void)
{
	user_memory_cache = kmem_cache_create("iommufd_user_memory",
					      sizeof(struct user_memory), 0,
					      SLAB_ACCOUNT, NULL);
	return user_memory_cache ? 0 : -ENOMEM;
}

void iommufd_user_memory_exit(void)
{
	kmem_cache_destroy(user_memory_cache);
}
