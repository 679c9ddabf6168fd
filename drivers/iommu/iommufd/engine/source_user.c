// SPDX-License-Identifier: GPL-2.0-only
/*
 * Source of memory: the address space of a process
 *
 * Owns the account, whose mm is the process, and which has the registry of its
 * claims. Called through iommufd_source_ops by the pinned-memory object.
 *
 * Memory of files that others may have mapped, too, is claimed as such: by the
 * file, and not by the process and its addresses.
 */
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>

#include "account.h"
#include "pinned.h"
#include "populate.h"
#include "source.h"
#include "test_hooks.h"
#include "why.h"

static struct kmem_cache *user_memory_cache;

/**
 * struct user_memory - a range of a process's address space
 * @pinned: the common part
 *
 * Its account is a fixed one, whose mm is where the memory is.
 */
struct user_memory {
	struct iommufd_pinned pinned;
};

static struct user_memory *to_user_memory(struct iommufd_pinned *pinned)
{
	return container_of(pinned, struct user_memory, pinned);
}

static struct mm_struct *user_memory_mm(const struct user_memory *mem)
{
	return mem->pinned.own.account->payer.mm;
}

/* How many pages are physically contiguous with the first? */
static unsigned long user_count_contiguous(struct page **pages,
					   unsigned long npages)
{
	struct page *first = pages[0];
	unsigned long n = 1;

	/*
	 * Four at a time: with huge pages most of the time of a map is spent
	 * here.
	 */
	while (n + 4 <= npages && pages[n] == first + n &&
	       pages[n + 1] == first + n + 1 &&
	       pages[n + 2] == first + n + 2 &&
	       pages[n + 3] == first + n + 3)
		n += 4;
	while (n != npages && pages[n] == first + n)
		n++;
	return n;
}

/* Append pages, of which the physically contiguous ones become one run. */
static int user_append_pages(struct iommufd_run_builder *runs,
			     struct page **pages, unsigned long npages)
{
	while (npages) {
		unsigned long n = user_count_contiguous(pages, npages);
		int rc = iommufd_runs_append(runs, page_to_pfn(pages[0]), n);

		if (rc) {
			unpin_user_pages(pages, npages);
			return rc;
		}
		pages += n;
		npages -= n;
	}
	return 0;
}

static unsigned int user_gup_flags(const struct user_memory *mem)
{
	return FOLL_LONGTERM | (mem->pinned.writable ? FOLL_WRITE : 0);
}

/*
 * Two ways for the base as it is and with patches/01*: where all bases have
 * pin_user_ranges_fast(), the other user_pin_own() goes.
 */
#ifdef pin_user_ranges_fast
static void user_unpin_ranges(struct gup_range *range, unsigned int nr)
{
	for (; nr; nr--, range++)
		iommufd_unpin_pages(range->page, range->nr_pages, false);
}

#define OWN_ENTRY_SIZE sizeof(struct gup_range)

/* Pin memory of the caller; returns how many pages that were. */
static long user_pin_own(struct user_memory *mem, unsigned long va,
			 unsigned long npages, struct iommufd_scratch *scratch,
			 struct iommufd_run_builder *runs)
{
	struct gup_range *range = scratch->entries;
	unsigned int nr = scratch->nr_max;
	long pinned;

	pinned = pin_user_ranges_fast(va, npages, user_gup_flags(mem), range,
				      &nr);
	for (; nr; nr--, range++) {
		int rc = iommufd_runs_append(runs, page_to_pfn(range->page),
					     range->nr_pages);

		if (rc) {
			user_unpin_ranges(range, nr);
			return rc;
		}
	}
	return pinned;
}
#else
#define OWN_ENTRY_SIZE sizeof(struct page *)

static long user_pin_own(struct user_memory *mem, unsigned long va,
			 unsigned long npages, struct iommufd_scratch *scratch,
			 struct iommufd_run_builder *runs)
{
	struct page **pages = scratch->entries;
	long pinned;

	npages = min(npages, scratch->nr_max);
	pinned = pin_user_pages_fast(va, npages, user_gup_flags(mem), pages);
	return pinned > 0 ? user_append_pages(runs, pages, pinned) ?: pinned :
			    pinned;
}
#endif

static long user_pin_remote(struct user_memory *mem, unsigned long va,
			    unsigned long npages,
			    struct iommufd_scratch *scratch,
			    struct iommufd_run_builder *runs)
{
	struct page **pages = scratch->entries;
	int locked = 1;
	long pinned;

	npages = min(npages, scratch->nr_max);
	mmap_read_lock(user_memory_mm(mem));
	pinned = pin_user_pages_remote(user_memory_mm(mem), va, npages,
				       user_gup_flags(mem), pages, &locked);
	if (locked)
		mmap_read_unlock(user_memory_mm(mem));
	return pinned > 0 ? user_append_pages(runs, pages, pinned) ?: pinned :
			    pinned;
}

/* -- populating -- */

static unsigned long user_nr_missed(struct iommufd_pinned *pinned)
{
	return current->min_flt + current->maj_flt;
}

/*
 * Other files, and ranges that a user fault descriptor watches, may wait for
 * user space to provide the memory.
 */
static bool user_vma_can_be_populated(const struct user_memory *mem,
				      struct vm_area_struct *vma)
{
	vm_flags_t needed = mem->pinned.writable ? VM_WRITE : VM_READ;

	if (!(vma->vm_flags & needed) || userfaultfd_armed(vma) ||
	    vma->vm_flags & (VM_IO | VM_PFNMAP))
		return false;
	return vma_is_anonymous(vma) || is_vm_hugetlb_page(vma) ||
	       (vma->vm_file && shmem_mapping(vma->vm_file->f_mapping));
}

static unsigned long user_page_address(struct iommufd_pinned *pinned,
				       unsigned long page)
{
	return untagged_addr(pinned->start) + (page << PAGE_SHIFT);
}

/*
 * The end of the range that can be populated: the first hole, or where pages
 * have another size
 */
static unsigned long user_populate_end(struct iommufd_pinned *pinned,
				       unsigned long first, unsigned long end,
				       unsigned long *chunk_npages)
{
	unsigned long va = user_page_address(pinned, first), next = va;
	unsigned long end_va = user_page_address(pinned, end), size = 0;
	struct user_memory *mem = to_user_memory(pinned);
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	vma_iter_init(&vmi, current->mm, va);
	mmap_read_lock(current->mm);
	for_each_vma_range(vmi, vma, end_va) {
		if (vma->vm_start > next ||
		    !user_vma_can_be_populated(mem, vma))
			break;
		if (!size)
			size = vma_kernel_pagesize(vma);
		if (vma_kernel_pagesize(vma) != size)
			break;
		next = min(vma->vm_end, end_va);
	}
	mmap_read_unlock(current->mm);
	*chunk_npages = max(*chunk_npages, size >> PAGE_SHIFT);
	return first + ((next - va) >> PAGE_SHIFT);
}

/* Pin the pages, which allocates and clears them, and unpin them again. */
static int user_populate_range(struct user_memory *mem, unsigned long va,
			       unsigned long npages,
			       struct iommufd_scratch *scratch)
{
	struct page **pages = scratch->entries;
	long nr;

	while (npages) {
		nr = pin_user_pages(va, min(npages, scratch->nr_max),
				    user_gup_flags(mem) | FOLL_NOWAIT, pages);
		if (nr <= 0)
			return nr;
		unpin_user_pages(pages, nr);
		va += nr << PAGE_SHIFT;
		npages -= nr;
	}
	return 0;
}

static int user_populate(struct iommufd_pinned *pinned, unsigned long first,
			 unsigned long npages)
{
	struct iommufd_scratch scratch __uninitialized;
	int rc;

	iommufd_scratch_init(&scratch, npages, sizeof(struct page *));
	rc = mmap_read_lock_killable(current->mm);
	if (!rc) {
		rc = user_populate_range(to_user_memory(pinned),
					 user_page_address(pinned, first),
					 npages, &scratch);
		mmap_read_unlock(current->mm);
	}
	iommufd_scratch_free(&scratch);
	return rc;
}

static const struct iommufd_populate_ops user_populate_ops = {
	.nr_missed = user_nr_missed,
	.end = user_populate_end,
	.populate = user_populate,
};

/* -- pinning -- */

/* @rc: of GUP; 0 if it has pinned nothing and found no error */
static int user_refuse(long rc, unsigned long va, unsigned long npages)
{
	return rc && rc != -EFAULT ?
		       rc :
		       iommufd_refuse(IOMMU_WHY_MEMORY, va, npages);
}

static int user_pin_range(struct user_memory *mem, unsigned long first,
			  unsigned long left, bool borrowed,
			  struct iommufd_pin_steps *steps,
			  struct iommufd_scratch *scratch,
			  struct iommufd_run_builder *runs)
{
	unsigned long end = first + left;
	unsigned long va = mem->pinned.start + (first << PAGE_SHIFT);

	while (left) {
		unsigned long step = min(iommufd_pin_step(steps, end - left,
							  runs),
					 IOMMUFD_RUN_MAX_NPAGES);
		long npages;

		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		if (iommufd_should_fail())
			return -EFAULT;

		if (borrowed)
			npages = user_pin_remote(mem, va, step, scratch, runs);
		else
			npages = user_pin_own(mem, va, step, scratch, runs);
		if (npages <= 0)
			return user_refuse(npages, va, left);
		va += npages << PAGE_SHIFT;
		left -= npages;
	}
	return 0;
}

/* -- whose it is -- */

/*
 * A shared mapping of a file in memory. Other files need not be looked for,
 * since their pages can be pinned in no other way.
 */
static const struct inode *user_vma_inode(const struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_MAYSHARE) || !vma->vm_file ||
	    !iommufd_file_is_memory(vma->vm_file))
		return NULL;
	return file_inode(vma->vm_file);
}

/* The file that has the page at an address of the mapping, if there is one */
static struct iommufd_owner user_vma_owner(const struct vm_area_struct *vma,
					   unsigned long va)
{
	const struct inode *inode = user_vma_inode(vma);

	if (!inode)
		return (struct iommufd_owner){};
	return (struct iommufd_owner){
		.inode = inode,
		.place = vma->vm_pgoff + ((va - vma->vm_start) >> PAGE_SHIFT),
	};
}

/* Does @next continue the memory of @owner, @npages behind its start? */
static bool user_owner_goes_on(const struct iommufd_owner *owner,
			       const struct iommufd_owner *next,
			       unsigned long npages)
{
	return next->inode == owner->inode &&
	       (!owner->inode || next->place == owner->place + npages);
}

/* Where the memory ends that begins at @va and is of one owner */
static unsigned long user_find_owner_locked(struct mm_struct *mm,
					    unsigned long va, unsigned long end,
					    struct iommufd_owner *owner)
{
	struct vm_area_struct *vma;
	struct iommufd_owner next;
	struct vma_iterator vmi;
	unsigned long start;

	vma_iter_init(&vmi, mm, va);
	for_each_vma_range(vmi, vma, end) {
		start = max(vma->vm_start, va);
		next = user_vma_owner(vma, start);
		if (start == va)
			*owner = next;
		else if (!user_owner_goes_on(owner, &next,
					     (start - va) >> PAGE_SHIFT))
			return start;
	}
	return end;
}

/*
 * Where the address space is gone, or a fatal signal comes, all of it counts as
 * the process's.
 */
static unsigned long user_memory_find_owner(struct iommufd_pinned *pinned,
					    unsigned long first,
					    unsigned long last,
					    struct iommufd_owner *owner)
{
	struct mm_struct *mm = user_memory_mm(to_user_memory(pinned));
	unsigned long va = user_page_address(pinned, first);
	unsigned long end = user_page_address(pinned, last + 1);

	if (!mmget_not_zero(mm))
		return last - first + 1;
	if (!mmap_read_lock_killable(mm)) {
		end = user_find_owner_locked(mm, va, end, owner);
		mmap_read_unlock(mm);
	}
	mmput_async(mm);
	return (end - va) >> PAGE_SHIFT;
}

/*
 * Is the range in one mapping that is of no file? No lock is taken: while
 * mappings change either answer will do, and the memory counts as what it was
 * at that moment.
 */
static bool user_range_has_no_file(struct mm_struct *mm, unsigned long va,
				   unsigned long npages)
{
	MA_STATE(mas, &mm->mm_mt, va, va);
	struct vm_area_struct *vma;

	guard(rcu)();
	vma = mas_walk(&mas);
	/* May race with changes of the mapping, see above. */
	return vma && data_race(!vma->vm_file &&
				vma->vm_end - va >= npages << PAGE_SHIFT);
}

/*
 * Are the pages anonymous? If they are many the mapping tells. Of few only the
 * first and the last run are looked at: a page of a file between two anonymous
 * ones counts as the process's.
 */
static bool user_pages_are_own(struct user_memory *mem, unsigned long first,
			       unsigned long npages,
			       const struct iommufd_run_builder *runs)
{
	struct iommufd_run run;

	if (!PageAnon(pfn_to_page(iommufd_run_pfn(runs->tail))))
		return false;
	if (!runs->vec)
		return true;
	if (npages > IOMMUFD_CLAIM_FEW_PAGES)
		return user_range_has_no_file(user_memory_mm(mem),
					      user_page_address(&mem->pinned,
								first),
					      npages);
	run = runs->vec->first_runs[0];
	return PageAnon(pfn_to_page(iommufd_run_pfn(run)));
}

/* For a single page of the caller, without preparing anything */
static int user_pin_own_page(struct user_memory *mem, unsigned long va,
			     struct iommufd_run_builder *runs)
{
	struct page *page;
	int rc;

	if (iommufd_should_fail())
		return -EFAULT;
	rc = pin_user_pages_fast(va, 1, user_gup_flags(mem), &page);
	if (rc != 1)
		return user_refuse(rc, va, 1);
	iommufd_runs_append_first(runs, page_to_pfn(page), 1);
	return !PageAnon(page);
}

static noinline_for_stack int
user_memory_pin_many(struct iommufd_pinned *pinned, unsigned long first,
		     unsigned long last, struct iommufd_run_builder *runs,
		     bool borrowed)
{
	struct user_memory *mem = to_user_memory(pinned);
	unsigned long npages = last - first + 1;
	struct iommufd_scratch scratch __uninitialized;
	struct iommufd_pin_steps steps __uninitialized;
	int rc;

	if (borrowed && !mmget_not_zero(user_memory_mm(mem)))
		return iommufd_refuse(IOMMU_WHY_PROCESS_GONE);
	iommufd_scratch_init(&scratch, npages,
			     borrowed ? sizeof(struct page *) : OWN_ENTRY_SIZE);
	iommufd_pin_steps_begin(&steps, pinned, first, npages,
				borrowed ? NULL : &user_populate_ops);
	rc = user_pin_range(mem, first, npages, borrowed, &steps, &scratch,
			    runs);
	iommufd_pin_steps_end(&steps);
	iommufd_scratch_free(&scratch);
	if (!rc)
		rc = !user_pages_are_own(mem, first, npages, runs);
	/*
	 * If this is the last user the address space is torn down, which must
	 * not happen here: the caller may hold locks.
	 */
	if (borrowed)
		mmput_async(user_memory_mm(mem));
	return rc;
}

static int user_memory_pin(struct iommufd_pinned *pinned, unsigned long first,
			   unsigned long last, struct iommufd_run_builder *runs)
{
	struct user_memory *mem = to_user_memory(pinned);
	bool borrowed = user_memory_mm(mem) != current->mm;
	unsigned long va = pinned->start + (first << PAGE_SHIFT);

	if (first == last && !borrowed)
		return user_pin_own_page(mem, va, runs);
	return user_memory_pin_many(pinned, first, last, runs, borrowed);
}

static bool user_copy(void __user *va, void *data, size_t length, bool write)
{
	return write ? !copy_to_user(va, data, length) :
		       !copy_from_user(data, va, length);
}

/*
 * User addresses are those of the source only if its address space is the
 * current one. A kernel thread without one can switch to it.
 */
static int user_memory_copy(struct iommufd_pinned *pinned, unsigned long offset,
			    void *data, size_t length, bool write, bool kthread)
{
	struct user_memory *mem = to_user_memory(pinned);
	void __user *va = (void __user *)(pinned->start + offset);
	struct mm_struct *mm = user_memory_mm(mem);
	bool copied;

	if (write && !pinned->writable)
		return -EPERM;
	if (current->mm == mm)
		return user_copy(va, data, length, write) ? 0 : -EFAULT;

	if (!kthread || !(current->flags & PF_KTHREAD) || current->mm ||
	    !mmget_not_zero(mm))
		return -EOPNOTSUPP;
	kthread_use_mm(mm);
	copied = user_copy(va, data, length, write);
	kthread_unuse_mm(mm);
	mmput_async(mm);
	return copied ? 0 : -EFAULT;
}

static void user_memory_release(struct iommufd_pinned *pinned)
{
	iommufd_account_put(pinned->own.account);
	kmem_cache_free(user_memory_cache, to_user_memory(pinned));
}

static struct iommufd_pinned *
user_memory_find_device(struct iommufd_pinned *pinned, unsigned long first,
			unsigned long last)
{
	struct mm_struct *mm = user_memory_mm(to_user_memory(pinned));
	struct iommufd_pinned *device;

	if (!mmget_not_zero(mm))
		return ERR_PTR(-EFAULT);
	device = iommufd_vma_memory_alloc(mm,
					  pinned->start + (first << PAGE_SHIFT),
					  (last - first + 1) << PAGE_SHIFT,
					  pinned->writable, pinned);
	mmput_async(mm);
	return device;
}

static const struct iommufd_source_ops user_memory_ops = {
	.name = "process",
	.pin = user_memory_pin,
	.unpin = iommufd_source_unpin,
	.release = user_memory_release,
	.copy = user_memory_copy,
	.find_owner = user_memory_find_owner,
	.find_device = user_memory_find_device,
	.of_process = true,
};

/**
 * iommufd_user_memory_alloc - make an object of a process's memory
 * @va: page-aligned user address of the first page
 * @writable: pin the pages for writing
 * @account: who is charged, and whose memory it is; a fixed one. The object
 *           takes over the caller's reference, also when there is no memory.
 *
 * Nothing is pinned, and nothing known about the memory, until the first pin is
 * made.
 *
 * Context: process context, may sleep.
 * Return: the object with one reference, or NULL without memory.
 */
struct iommufd_pinned *
iommufd_user_memory_alloc(unsigned long va, bool writable,
			  struct iommufd_account *account)
{
	struct user_memory *mem;

	mem = kmem_cache_alloc(user_memory_cache, GFP_KERNEL_ACCOUNT);
	if (!mem) {
		iommufd_account_put(account);
		return NULL;
	}

	iommufd_pinned_init(&mem->pinned, &user_memory_ops, va, writable);
	mem->pinned.own.place = untagged_addr(va) >> PAGE_SHIFT;
	mem->pinned.own.account = account;
	mem->pinned.own.claims = account->claims;
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
