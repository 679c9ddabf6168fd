// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bitmap in user memory with one bit for each granule of an IOVA range
 *
 * Whoever tracks what devices write, IOMMU drivers and VFIO drivers, hands the
 * result to user space through this. It owns the pins of the user's pages and
 * nothing else. It is built in, as the drivers that call it may be.
 *
 * Terms:
 *
 *   granule   what one bit stands for, page_size bytes, unrelated to PAGE_SIZE
 *   position  a bit counted from the start of the user page in which the bitmap
 *             begins. The bitmap may begin at any byte of that page.
 *   page      a page of the bitmap, counted from the same start
 *   window    consecutive pages of the bitmap, pinned
 *
 * A bitmap is as long as user space likes, so it is pinned window by window and
 * what that takes fits in one page of ours, with the struct. There are two
 * windows:
 *
 *   visited   what iova_bitmap_for_each() shows to its callback
 *   stray     follows iova_bitmap_set() to any other place, and the marks that
 *             are owed. A driver may as well do without iova_bitmap_for_each().
 *
 * A page table entry that is larger than the visited window, or lies across an
 * end of it, is read and cleaned once only, so all of it has to be marked then.
 * But the callback may hold locks for which those wait who have to provide the
 * user's memory. So what reaches out of the visited window is owed until the
 * callback has returned. It always begins next to the window, so that one IOVA
 * on each side says it all. A callback that has a better place to remember it,
 * with what reaches out of the bitmap, takes it over.
 *
 * Locking: none here. A bitmap belongs to one thread.
 */
#include <linux/align.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/iova_bitmap.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "iova_bitmap.h"

#define POSITIONS_PER_PAGE (PAGE_SIZE * BITS_PER_BYTE)

/* Enough for 2 GiB of IOVA at a time when both kinds of pages are 4 KiB */
#define STRAY_PAGES 16

/**
 * struct iova_bitmap_window - consecutive pages of the bitmap, pinned
 * @pages: room for @max_npages
 * @max_npages: the most that this window pins
 * @npages: how many are pinned; 0 if the window is nowhere
 * @first_page: the page that @pages begins with
 * @written: something was marked, so user memory has to be set dirty
 */
struct iova_bitmap_window {
	struct page **pages;
	unsigned int max_npages;
	unsigned int npages;
	unsigned long first_page;
	bool written;
};

/**
 * struct iova_bitmap - a user's bitmap for [@iova, @last]
 * @iova: the first IOVA, and that of the first granule
 * @last: the last IOVA
 * @granule_lg2: bytes of IOVA for each bit
 * @first_position: where the first granule is in its page
 * @last_page: the page that has the last granule
 * @user_page: address of the user's page 0
 * @error: the first failure of a stray window, after which marks are missing
 * @visited_iova: the first IOVA of @visited, while that is pinned
 * @visited_last: its last IOVA
 * @owed_iova: the first IOVA to be marked in front of @visited; @visited_iova
 *             if there is none. Perhaps not in the bitmap.
 * @owed_last: the last IOVA to be marked behind @visited, likewise
 * @visited: the window of iova_bitmap_for_each()
 * @stray: the window of marks outside of @visited
 * @stray_pages: room for @stray
 * @visited_pages: room for @visited
 */
struct iova_bitmap {
	unsigned long iova;
	unsigned long last;
	unsigned int granule_lg2;
	unsigned int first_position;
	unsigned long last_page;
	unsigned long user_page;
	int error;
	unsigned long visited_iova;
	unsigned long visited_last;
	unsigned long owed_iova;
	unsigned long owed_last;
	struct iova_bitmap_window visited;
	struct iova_bitmap_window stray;
	struct page *stray_pages[STRAY_PAGES];
	struct page *visited_pages[];
};

#define VISITED_PAGES \
	((PAGE_SIZE - sizeof(struct iova_bitmap)) / sizeof(struct page *))

static unsigned long iova_to_position(const struct iova_bitmap *bitmap,
				      unsigned long iova)
{
	return bitmap->first_position +
	       ((iova - bitmap->iova) >> bitmap->granule_lg2);
}

/* The first IOVA that has its bit in @page */
static unsigned long page_to_iova(const struct iova_bitmap *bitmap,
				  unsigned long page)
{
	unsigned long position = page * POSITIONS_PER_PAGE;

	if (!page)
		return bitmap->iova;
	return bitmap->iova +
	       ((position - bitmap->first_position) << bitmap->granule_lg2);
}

static bool window_has(const struct iova_bitmap_window *window,
		       unsigned long page)
{
	/* Wraps for a page in front of the window, and is too large then */
	return page - window->first_page < window->npages;
}

static void iova_bitmap_unpin_window(struct iova_bitmap_window *window)
{
	if (!window->npages)
		return;
	unpin_user_pages_dirty_lock(window->pages, window->npages,
				    window->written);
	window->npages = 0;
	window->written = false;
}

/*
 * Move a window so that it begins with @first_page. It becomes shorter than it
 * could be when not all of the user's memory is good; the error comes out when
 * a window is to begin with the bad page.
 */
static int iova_bitmap_pin_window(struct iova_bitmap *bitmap,
				  struct iova_bitmap_window *window,
				  unsigned long first_page,
				  unsigned long last_page)
{
	unsigned long npages = min(last_page - first_page + 1,
				   window->max_npages);
	int pinned;

	iova_bitmap_unpin_window(window);
	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	pinned = pin_user_pages_fast(bitmap->user_page + first_page * PAGE_SIZE,
				     npages, FOLL_WRITE, window->pages);
	if (pinned <= 0)
		return pinned ?: -EFAULT;

	window->first_page = first_page;
	window->npages = pinned;
	return 0;
}

/* The window that has @page, or NULL if it cannot be had */
static struct iova_bitmap_window *
iova_bitmap_find_window(struct iova_bitmap *bitmap, unsigned long page)
{
	int rc;

	if (likely(window_has(&bitmap->visited, page)))
		return &bitmap->visited;
	if (window_has(&bitmap->stray, page))
		return &bitmap->stray;

	might_sleep();
	rc = iova_bitmap_pin_window(bitmap, &bitmap->stray, page,
				    bitmap->last_page);
	if (!rc)
		return &bitmap->stray;
	if (!bitmap->error)
		bitmap->error = rc;
	return NULL;
}

/*
 * The user's array has elements of 64 bits, whatever a long is here. Elements
 * of a bitmap that is not aligned to them are seen shifted: this makes no
 * difference to little-endian CPUs, and others do not get here.
 */
static void iova_bitmap_set_bits(u64 *words, unsigned int first,
				 unsigned int last)
{
	u64 *head = words + first / 64;
	u64 *tail = words + last / 64;
	u64 head_mask = GENMASK_U64(63, first % 64);
	u64 tail_mask = GENMASK_U64(last % 64, 0);

	if (head == tail) {
		*head |= head_mask & tail_mask;
		return;
	}
	*head |= head_mask;
	memset(head + 1, 0xff, (char *)tail - (char *)(head + 1));
	*tail |= tail_mask;
}

static void iova_bitmap_mark_page(struct iova_bitmap_window *window,
				  unsigned long page, unsigned int first,
				  unsigned int last)
{
	struct page *user_page = window->pages[page - window->first_page];
	u64 *words = kmap_local_page(user_page);

	iova_bitmap_set_bits(words, first, last);
	flush_dcache_page(user_page);
	kunmap_local(words);
	window->written = true;
}

static void iova_bitmap_mark_positions(struct iova_bitmap *bitmap,
				       unsigned long first, unsigned long last)
{
	unsigned long page = first / POSITIONS_PER_PAGE;
	unsigned long final_page = last / POSITIONS_PER_PAGE;
	unsigned int offset = first % POSITIONS_PER_PAGE;

	for (; page <= final_page; page++, offset = 0) {
		struct iova_bitmap_window *window =
			iova_bitmap_find_window(bitmap, page);

		if (!window)
			return;
		iova_bitmap_mark_page(window, page, offset,
				      page == final_page ?
					      last % POSITIONS_PER_PAGE :
					      POSITIONS_PER_PAGE - 1);
	}
}

/* [@iova, @last] is in the bitmap. */
static void iova_bitmap_mark_range(struct iova_bitmap *bitmap,
				   unsigned long iova, unsigned long last)
{
	iova_bitmap_mark_positions(bitmap, iova_to_position(bitmap, iova),
				   iova_to_position(bitmap, last));
}

/* Cut off what reaches out of the visited window, to be marked later. */
static void iova_bitmap_owe_outside(struct iova_bitmap *bitmap,
				    unsigned long *iova, unsigned long *last)
{
	if (!bitmap->visited.npages || *iova > bitmap->visited_last ||
	    *last < bitmap->visited_iova)
		return;
	bitmap->owed_iova = min(bitmap->owed_iova, *iova);
	bitmap->owed_last = max(bitmap->owed_last, *last);
	*iova = max(*iova, bitmap->visited_iova);
	*last = min(*last, bitmap->visited_last);
}

static void iova_bitmap_mark_owed(struct iova_bitmap *bitmap)
{
	unsigned long iova = max(bitmap->owed_iova, bitmap->iova);
	unsigned long last = min(bitmap->owed_last, bitmap->last);

	if (iova < bitmap->visited_iova)
		iova_bitmap_mark_range(bitmap, iova, bitmap->visited_iova - 1);
	if (last > bitmap->visited_last)
		iova_bitmap_mark_range(bitmap, bitmap->visited_last + 1, last);
}

/**
 * iova_bitmap_take_owed() - Take over what reaches out of the visited window
 * @bitmap: The bitmap, of which a window is being visited
 * @iova: Receives the first IOVA that was marked, if it is in front of the
 *        window, also if it is in front of the bitmap; else that of the window
 * @last: Receives the last IOVA that was marked, if it is behind the window;
 *        else that of the window
 *
 * Only marks that touch the window count. What is outside of it will not be
 * marked.
 *
 * Context: The callback that visits the window, after all of its marks.
 */
void iova_bitmap_take_owed(struct iova_bitmap *bitmap, unsigned long *iova,
			   unsigned long *last)
{
	*iova = bitmap->owed_iova;
	*last = bitmap->owed_last;
	bitmap->owed_iova = bitmap->visited_iova;
	bitmap->owed_last = bitmap->visited_last;
}
EXPORT_SYMBOL_FOR_MODULES(iova_bitmap_take_owed, "iommufd");

/**
 * iova_bitmap_set() - Mark the granules that a range of IOVA touches
 * @bitmap: The bitmap
 * @iova: The first byte of the range
 * @length: The length of the range in bytes; nothing is marked for 0
 *
 * Sets bits and clears none. What is outside of the bitmap does not count.
 *
 * User memory that cannot be reached is not an error of this function. The
 * rest of the range is not marked then, and the running or the next
 * iova_bitmap_for_each() fails.
 *
 * Context: For a range that touches the window that an iova_bitmap_for_each()
 * callback was given, any: what is inside is pinned, what is outside waits for
 * the callback to return. Elsewhere, process context of the owner of the
 * memory; may sleep, and take the mmap lock.
 */
void iova_bitmap_set(struct iova_bitmap *bitmap, unsigned long iova,
		     size_t length)
{
	unsigned long last;

	if (!length)
		return;
	if (check_add_overflow(iova, length - 1, &last))
		last = ULONG_MAX;
	if (iova > bitmap->last || last < bitmap->iova)
		return;

	iova_bitmap_owe_outside(bitmap, &iova, &last);
	iova_bitmap_mark_range(bitmap, max(iova, bitmap->iova),
			       min(last, bitmap->last));
}
EXPORT_SYMBOL_NS_GPL(iova_bitmap_set, "IOMMUFD");

static int iova_bitmap_visit_window(struct iova_bitmap *bitmap, void *opaque,
				    iova_bitmap_fn_t fn)
{
	struct iova_bitmap_window *window = &bitmap->visited;
	unsigned long next_page = window->first_page + window->npages;
	unsigned long iova = page_to_iova(bitmap, window->first_page);
	unsigned long last = bitmap->last;
	int rc;

	if (next_page <= bitmap->last_page)
		last = page_to_iova(bitmap, next_page) - 1;

	bitmap->visited_iova = iova;
	bitmap->visited_last = last;
	bitmap->owed_iova = iova;
	bitmap->owed_last = last;
	rc = fn(bitmap, iova, last - iova + 1, opaque);
	/* Also after a failure, as the callback has cleaned the entries. */
	iova_bitmap_mark_owed(bitmap);
	return rc ?: bitmap->error;
}

/**
 * iova_bitmap_visit() - Go through a part of a bitmap window by window
 * @bitmap: The bitmap
 * @iova: The first IOVA of the part, in the bitmap
 * @last: The last IOVA of the part, in the bitmap
 * @opaque: Passed to @fn
 * @fn: As for iova_bitmap_for_each()
 *
 * Windows consist of whole pages of the user's memory, so that the first may
 * begin in front of @iova, and the last may end behind @last. No other page is
 * looked at, unless marks reach it.
 *
 * Context: Process context of the owner of the memory. May sleep, and takes
 * the mmap lock.
 *
 * Return: As iova_bitmap_for_each().
 */
int iova_bitmap_visit(struct iova_bitmap *bitmap, unsigned long iova,
		      unsigned long last, void *opaque, iova_bitmap_fn_t fn)
{
	struct iova_bitmap_window *window = &bitmap->visited;
	unsigned long page = iova_to_position(bitmap, iova) /
			     POSITIONS_PER_PAGE;
	unsigned long last_page = iova_to_position(bitmap, last) /
				  POSITIONS_PER_PAGE;
	int rc = bitmap->error;

	while (!rc && page <= last_page) {
		rc = iova_bitmap_pin_window(bitmap, window, page, last_page);
		if (rc)
			break;
		rc = iova_bitmap_visit_window(bitmap, opaque, fn);
		page += window->npages;
	}

	/* User space may have other memory there by the next call */
	iova_bitmap_unpin_window(window);
	iova_bitmap_unpin_window(&bitmap->stray);
	return rc;
}
EXPORT_SYMBOL_FOR_MODULES(iova_bitmap_visit, "iommufd,iova_bitmap_kunit");

/**
 * iova_bitmap_for_each() - Go through a bitmap window by window
 * @bitmap: The bitmap
 * @opaque: Passed to @fn
 * @fn: Called with the IOVA and the length in bytes of each window, ascending;
 *      the windows cover the bitmap without gap or overlap. It marks what is
 *      dirty there by iova_bitmap_set(). A return value that is not 0 ends the
 *      walk.
 *
 * The user's memory is pinned before @fn is called for it, so a bitmap that
 * cannot be written fails before what belongs in it has been read from
 * hardware. Windows in front of the bad memory are visited.
 *
 * Context: Process context of the owner of the memory. May sleep, and takes
 * the mmap lock, but not between the beginning and the end of a call of @fn as
 * long as all that @fn marks touches its window.
 *
 * Return: 0; what @fn returned; -EFAULT if memory of the bitmap is not
 * writeable, also when a mark got lost because of that since the bitmap was
 * allocated; -EINTR on a fatal signal; or another errno of pinning.
 */
int iova_bitmap_for_each(struct iova_bitmap *bitmap, void *opaque,
			 iova_bitmap_fn_t fn)
{
	return iova_bitmap_visit(bitmap, bitmap->iova, bitmap->last, opaque,
				 fn);
}
EXPORT_SYMBOL_NS_GPL(iova_bitmap_for_each, "IOMMUFD");

/**
 * iova_bitmap_alloc() - Describe a bitmap in user memory
 * @iova: The first IOVA, which need not be aligned
 * @length: The length of the IOVA range in bytes
 * @page_size: Bytes of IOVA for each bit, a power of two, of any size
 * @data: The user's array. Bit i, that is bit i % 64 of element i / 64, stands
 *        for the page_size bytes from @iova + i * @page_size on. The array may
 *        be at any address, except on big-endian CPUs, where it has to be
 *        aligned to its elements.
 *
 * Nothing is pinned yet, and @data may still turn out to be bad.
 *
 * Context: Process context of the owner of the memory. May sleep.
 *
 * Return: the bitmap, for iova_bitmap_free(), or an ERR_PTR(): -EINVAL for a
 * length of 0 or a bad page size; -EOVERFLOW for a range that wraps; -EFAULT
 * for an array that is not in user space; -ENOMEM.
 */
struct iova_bitmap *iova_bitmap_alloc(unsigned long iova, size_t length,
				      unsigned long page_size, u64 __user *data)
{
	unsigned long user_va = (unsigned long)data;
	unsigned long last, last_bit, last_position, npages;
	struct iova_bitmap *bitmap;

	if (!length || !is_power_of_2(page_size))
		return ERR_PTR(-EINVAL);
	if (IS_ENABLED(CONFIG_CPU_BIG_ENDIAN) &&
	    !IS_ALIGNED(user_va, sizeof(*data)))
		return ERR_PTR(-EINVAL);
	if (check_add_overflow(iova, length - 1, &last))
		return ERR_PTR(-EOVERFLOW);

	/* With this, neither positions nor user addresses can wrap */
	last_bit = (length - 1) >> ilog2(page_size);
	if (!access_ok(data, last_bit / BITS_PER_BYTE + 1))
		return ERR_PTR(-EFAULT);
	if (check_add_overflow(last_bit, offset_in_page(data) * BITS_PER_BYTE,
			       &last_position))
		return ERR_PTR(-EOVERFLOW);

	npages = min(last_position / POSITIONS_PER_PAGE + 1, VISITED_PAGES);
	/* Not zeroed: most of it is room for pages */
	bitmap = kmalloc(struct_size(bitmap, visited_pages, npages),
			 GFP_KERNEL_ACCOUNT);
	if (!bitmap)
		return ERR_PTR(-ENOMEM);

	bitmap->iova = iova;
	bitmap->last = last;
	bitmap->granule_lg2 = ilog2(page_size);
	bitmap->first_position = offset_in_page(data) * BITS_PER_BYTE;
	bitmap->last_page = last_position / POSITIONS_PER_PAGE;
	bitmap->user_page = user_va & PAGE_MASK;
	bitmap->error = 0;
	bitmap->visited = (struct iova_bitmap_window){
		.pages = bitmap->visited_pages,
		.max_npages = npages,
	};
	bitmap->stray = (struct iova_bitmap_window){
		.pages = bitmap->stray_pages,
		.max_npages = STRAY_PAGES,
	};
	return bitmap;
}
EXPORT_SYMBOL_NS_GPL(iova_bitmap_alloc, "IOMMUFD");

/**
 * iova_bitmap_free() - Free a bitmap and let go of the user's memory
 * @bitmap: The bitmap
 *
 * Context: Process context. May sleep.
 */
void iova_bitmap_free(struct iova_bitmap *bitmap)
{
	iova_bitmap_unpin_window(&bitmap->stray);
	kfree(bitmap);
}
EXPORT_SYMBOL_NS_GPL(iova_bitmap_free, "IOMMUFD");
