// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the bitmap in user memory
 *
 * Each test marks ranges both through the bitmap and in a model, a copy of the
 * user's memory in which granules are counted one by one. The memory around
 * the bitmap is part of the comparison.
 */
#include <kunit/test.h>
#include <linux/iova_bitmap.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/preempt.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "iova_bitmap.h"

/* More than one window, with pages of 4 KiB */
#define AREA_SIZE (600 * PAGE_SIZE)

/* An IOVA that is no multiple of anything but a small page */
#define IOVA ((unsigned long)SZ_4G + SZ_1M + SZ_4K)

/**
 * struct bitmap_test - the bitmap under test and the model of it
 * @area: user memory
 * @model: what @area should hold
 * @page: for comparing them
 * @offset: where in @area the bitmap begins, in bytes
 * @iova: the first IOVA of the bitmap
 * @last: the last IOVA of the bitmap
 * @granule: bytes of IOVA for each bit
 * @bitmap: the bitmap under test
 */
struct bitmap_test {
	u8 __user *area;
	u8 *model;
	u8 *page;
	size_t offset;
	unsigned long iova;
	unsigned long last;
	unsigned long granule;
	struct iova_bitmap *bitmap;
};

static void bitmap_open(struct kunit *test, unsigned long iova, size_t length,
			unsigned long granule, size_t offset)
{
	struct bitmap_test *t = test->priv;

	iova_bitmap_free(t->bitmap);
	t->iova = iova;
	t->last = iova + (length - 1);
	t->granule = granule;
	t->offset = offset;
	t->bitmap = iova_bitmap_alloc(iova, length, granule,
				      (u64 __user *)(t->area + offset));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->bitmap);
}

static void model_mark(struct bitmap_test *t, unsigned long bit)
{
	size_t byte = bit / 8;

	if (IS_ENABLED(CONFIG_CPU_BIG_ENDIAN))
		byte ^= 7;
	t->model[t->offset + byte] |= 1 << (bit % 8);
}

/* Mark [iova, last] in the model where it meets the bitmap */
static void model_mark_range(struct kunit *test, unsigned long iova,
			     unsigned long last)
{
	struct bitmap_test *t = test->priv;
	unsigned long bit;

	if (last < t->iova || iova > t->last)
		return;
	iova = max(iova, t->iova) - t->iova;
	last = min(last, t->last) - t->iova;
	for (bit = iova / t->granule; bit <= last / t->granule; bit++)
		model_mark(t, bit);
}

static void mark_both(struct kunit *test, unsigned long iova,
		      unsigned long last)
{
	struct bitmap_test *t = test->priv;

	iova_bitmap_set(t->bitmap, iova, last - iova + 1);
	model_mark_range(test, iova, last);
}

static void expect_model(struct kunit *test, size_t size)
{
	struct bitmap_test *t = test->priv;
	size_t at;

	for (at = 0; at < size; at += PAGE_SIZE) {
		KUNIT_ASSERT_EQ(test, 0, copy_from_user(t->page, t->area + at,
							PAGE_SIZE));
		KUNIT_ASSERT_MEMEQ_MSG(test, t->page, t->model + at, PAGE_SIZE,
				       "offset %zu granule %lu page %zu",
				       t->offset, t->granule, at / PAGE_SIZE);
	}
}

static void clear_both(struct kunit *test, size_t size)
{
	struct bitmap_test *t = test->priv;

	memset(t->model, 0, size);
	KUNIT_ASSERT_EQ(test, 0, clear_user(t->area, size));
}

/* Granules of every kind, at places that are aligned to nothing */
static const unsigned long granules[] = {
	1, SZ_512, SZ_4K, SZ_64K, SZ_2M, SZ_1G
};

static const size_t offsets[] = {
	0, 8, 256, PAGE_SIZE - 8,
#ifndef CONFIG_CPU_BIG_ENDIAN
	1, PAGE_SIZE - 15,
#endif
};

static void mark_assorted_ranges(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	const unsigned long g = t->granule;
	const unsigned long iova = t->iova;

	mark_both(test, iova, iova);
	mark_both(test, iova + 2 * g, iova + 3 * g - 1);
	mark_both(test, iova + 5 * g - 1, iova + 5 * g);
	mark_both(test, iova + 63 * g, iova + 64 * g);
	mark_both(test, iova + 130 * g + g / 2, iova + 400 * g + g / 2);
	mark_both(test, iova + 448 * g, iova + 512 * g - 1);
	mark_both(test, t->last, t->last);
}

static int fn_assorted_ranges(struct iova_bitmap *bitmap, unsigned long iova,
			      size_t length, void *opaque)
{
	mark_assorted_ranges(opaque);
	return 0;
}

static void bits_are_where_the_abi_says(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	unsigned int i, j;
	int rc;

	for (i = 0; i < ARRAY_SIZE(granules); i++) {
		for (j = 0; j < ARRAY_SIZE(offsets); j++) {
			bitmap_open(test, IOVA, 600 * granules[i], granules[i],
				    offsets[j]);

			clear_both(test, 3 * PAGE_SIZE);
			rc = iova_bitmap_for_each(t->bitmap, test,
						  fn_assorted_ranges);
			KUNIT_ASSERT_EQ(test, 0, rc);
			expect_model(test, 3 * PAGE_SIZE);

			clear_both(test, 3 * PAGE_SIZE);
			mark_assorted_ranges(test);
			expect_model(test, 3 * PAGE_SIZE);
		}
	}
}

static void length_need_not_be_whole_granules(struct kunit *test)
{
	bitmap_open(test, IOVA + 123, SZ_4K + 1, SZ_4K, 8);
	mark_both(test, IOVA + 123 + SZ_4K, IOVA + 123 + SZ_4K);
	expect_model(test, PAGE_SIZE);
	mark_both(test, 0, ULONG_MAX - 1);
	expect_model(test, PAGE_SIZE);
}

static void marks_outside_do_not_count(struct kunit *test)
{
	struct bitmap_test *t = test->priv;

	bitmap_open(test, IOVA, 100 * SZ_4K, SZ_4K, 64);
	mark_both(test, 0, IOVA - 1);
	mark_both(test, IOVA + 100 * SZ_4K, ULONG_MAX);
	iova_bitmap_set(t->bitmap, IOVA, 0);
	expect_model(test, PAGE_SIZE);

	mark_both(test, IOVA - SZ_1M, IOVA + SZ_4K);
	mark_both(test, t->last - SZ_4K, t->last + SZ_1M);
	expect_model(test, PAGE_SIZE);

	/* A length that wraps reaches to the end of everything */
	model_mark_range(test, IOVA + 50 * SZ_4K, ULONG_MAX);
	iova_bitmap_set(t->bitmap, IOVA + 50 * SZ_4K, SIZE_MAX);
	expect_model(test, PAGE_SIZE);
}

static void bits_are_never_cleared(struct kunit *test)
{
	struct bitmap_test *t = test->priv;

	memset(t->model, 0xa5, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, copy_to_user(t->area, t->model, PAGE_SIZE));
	bitmap_open(test, IOVA, 1000 * SZ_4K, SZ_4K, 16);
	mark_assorted_ranges(test);
	expect_model(test, PAGE_SIZE);
}

static void iova_ends_at_the_last_byte(struct kunit *test)
{
	struct bitmap_test *t = test->priv;

	bitmap_open(test, ULONG_MAX - 600 * SZ_4K + 1, 600 * SZ_4K, SZ_4K, 8);
	KUNIT_ASSERT_EQ(test, ULONG_MAX, t->last);
	mark_assorted_ranges(test);
	mark_both(test, ULONG_MAX - SZ_64K, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, 0, iova_bitmap_for_each(t->bitmap, test,
						      fn_assorted_ranges));
	expect_model(test, PAGE_SIZE);

	/* As much as a length can say, in two bits */
	clear_both(test, PAGE_SIZE);
	bitmap_open(test, 1, ULONG_MAX, ULONG_MAX / 2 + 1, 0);
	mark_both(test, ULONG_MAX, ULONG_MAX);
	expect_model(test, PAGE_SIZE);
	mark_both(test, 1, ULONG_MAX);
	expect_model(test, PAGE_SIZE);
}

/* The whole area as one bitmap, which takes more than one window */
static void bitmap_open_large(struct kunit *test, size_t offset)
{
	bitmap_open(test, IOVA, (AREA_SIZE - offset) * 8 * SZ_4K, SZ_4K,
		    offset);
}

struct walk {
	struct kunit *test;
	unsigned long next_iova;
	unsigned int nwindows;
	unsigned long first_last;
};

static int fn_check_order(struct iova_bitmap *bitmap, unsigned long iova,
			  size_t length, void *opaque)
{
	struct walk *walk = opaque;
	struct kunit *test = walk->test;
	struct bitmap_test *t = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, bitmap, t->bitmap);
	KUNIT_EXPECT_EQ(test, iova, walk->next_iova);
	KUNIT_EXPECT_GT(test, length, 0);
	KUNIT_EXPECT_LE(test, length - 1, t->last - iova);
	if (!walk->nwindows)
		walk->first_last = iova + (length - 1);
	walk->next_iova += length;
	walk->nwindows++;

	/* Ends of windows are where a bit gets lost */
	mark_both(test, iova, iova);
	mark_both(test, iova + (length - 1), iova + (length - 1));
	return 0;
}

static void windows_cover_the_bitmap_in_order(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	struct walk walk;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		clear_both(test, AREA_SIZE);
		bitmap_open_large(test, offsets[i]);
		walk = (struct walk){ .test = test, .next_iova = t->iova };
		KUNIT_ASSERT_EQ(test, 0, iova_bitmap_for_each(t->bitmap, &walk,
							      fn_check_order));
		KUNIT_EXPECT_EQ(test, walk.next_iova - 1, t->last);
		KUNIT_EXPECT_GT(test, walk.nwindows, 0);
		if (PAGE_SIZE == SZ_4K)
			KUNIT_EXPECT_GT(test, walk.nwindows, 1);
		expect_model(test, AREA_SIZE);
	}
}

static int fn_mark_far_and_near(struct iova_bitmap *bitmap, unsigned long iova,
				size_t length, void *opaque)
{
	struct walk *walk = opaque;
	struct kunit *test = walk->test;
	struct bitmap_test *t = test->priv;
	unsigned long last = iova + (length - 1);

	if (!walk->nwindows++) {
		/* Across the end of the window, and far behind it */
		mark_both(test, last - SZ_1M, last + SZ_1G);
		mark_both(test, t->last - SZ_4K, t->last);
	} else {
		/* Across the start of the window, and far in front of it */
		mark_both(test, iova - SZ_1G, iova + SZ_1M);
		mark_both(test, t->iova + SZ_2M, t->iova + SZ_2M);
	}
	mark_both(test, iova + SZ_64K, iova + SZ_64K);
	return 0;
}

static void marks_out_of_the_window_count(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	struct walk walk = { .test = test };

	bitmap_open_large(test, 8);
	KUNIT_ASSERT_EQ(test, 0, iova_bitmap_for_each(t->bitmap, &walk,
						      fn_mark_far_and_near));
	expect_model(test, AREA_SIZE);
}

static int fn_mark_all(struct iova_bitmap *bitmap, unsigned long iova,
		       size_t length, void *opaque)
{
	struct kunit *test = opaque;
	struct bitmap_test *t = test->priv;

	mark_both(test, t->iova, t->last);
	return 0;
}

static void marks_need_no_walk(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	unsigned long va = (unsigned long)t->area + AREA_SIZE - PAGE_SIZE;
	struct page *page;
	unsigned long iova;

	bitmap_open_large(test, PAGE_SIZE - 8);
	for (iova = t->iova; iova < t->last - SZ_1G; iova += SZ_1G - SZ_4K)
		mark_both(test, iova, iova + SZ_1M);
	expect_model(test, AREA_SIZE);

	mark_both(test, t->iova, t->last);
	expect_model(test, AREA_SIZE);

	clear_both(test, AREA_SIZE);
	KUNIT_ASSERT_EQ(test, 0, iova_bitmap_for_each(t->bitmap, test,
						      fn_mark_all));
	expect_model(test, AREA_SIZE);

	/* All but one page is out of the window, is dirty, and is let go. */
	KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(va, 1, FOLL_WRITE, &page));
	folio_clear_dirty(page_folio(page));
	KUNIT_EXPECT_EQ(test, 0, iova_bitmap_visit(t->bitmap, t->iova, t->iova,
						   test, fn_mark_all));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(page_folio(page)));
	KUNIT_EXPECT_FALSE(test, folio_maybe_dma_pinned(page_folio(page)));
	put_page(page);
}

static int fn_mark_atomically(struct iova_bitmap *bitmap, unsigned long iova,
			      size_t length, void *opaque)
{
	struct kunit *test = opaque;

	preempt_disable();
	mark_both(test, iova, iova + length / 2);
	mark_both(test, iova + (length - 1), iova + (length - 1));
	/* Out of the window on either side, twice */
	mark_both(test, iova - SZ_64K, iova);
	mark_both(test, iova - SZ_1M, iova + SZ_4K);
	mark_both(test, iova + length - SZ_4K, iova + length + SZ_1M);
	mark_both(test, iova + length - SZ_1M, iova + length + SZ_64K);
	preempt_enable();
	return 0;
}

static void marks_that_touch_the_window_do_not_sleep(struct kunit *test)
{
	struct bitmap_test *t = test->priv;

	bitmap_open_large(test, 0);
	KUNIT_ASSERT_EQ(test, 0, iova_bitmap_for_each(t->bitmap, test,
						      fn_mark_atomically));
	expect_model(test, AREA_SIZE);
}

static int fn_fail_second(struct iova_bitmap *bitmap, unsigned long iova,
			  size_t length, void *opaque)
{
	unsigned int *calls = opaque;

	return ++*calls == 2 ? -EXDEV : 0;
}

static void callback_ends_the_walk(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	unsigned int calls = 1;

	bitmap_open_large(test, 0);
	KUNIT_EXPECT_EQ(test, -EXDEV, iova_bitmap_for_each(t->bitmap, &calls,
							   fn_fail_second));
	KUNIT_EXPECT_EQ(test, 2, calls);
}

static int fn_mark_and_fail(struct iova_bitmap *bitmap, unsigned long iova,
			    size_t length, void *opaque)
{
	struct kunit *test = opaque;
	struct bitmap_test *t = test->priv;

	if (iova == t->iova)
		return 0;
	mark_both(test, iova - SZ_1M, iova + length + SZ_1M);
	return -EXDEV;
}

static void marks_stay_when_the_callback_fails(struct kunit *test)
{
	struct bitmap_test *t = test->priv;

	bitmap_open_large(test, 8);
	KUNIT_EXPECT_EQ(test, -EXDEV, iova_bitmap_for_each(t->bitmap, test,
							   fn_mark_and_fail));
	expect_model(test, AREA_SIZE);
}

static int fn_mark_window(struct iova_bitmap *bitmap, unsigned long iova,
			  size_t length, void *opaque)
{
	struct walk *walk = opaque;

	if (!walk->nwindows++)
		walk->next_iova = iova;
	walk->first_last = iova + (length - 1);
	mark_both(walk->test, iova, iova + (length - 1));
	return 0;
}

/* Bytes of IOVA that one page of the bitmap stands for */
#define PAGE_SPAN (PAGE_SIZE * 8UL * SZ_4K)

static void a_part_is_visited_in_whole_pages(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	struct walk walk = { .test = test };
	unsigned long iova;

	/* The first page of the bitmap has half a page of it. */
	bitmap_open_large(test, PAGE_SIZE / 2);
	iova = t->iova + PAGE_SPAN / 2;
	KUNIT_EXPECT_EQ(test, 0,
			iova_bitmap_visit(t->bitmap, iova,
					  iova + 2 * PAGE_SPAN - 1, &walk,
					  fn_mark_window));
	KUNIT_EXPECT_EQ(test, walk.nwindows, 1);
	KUNIT_EXPECT_EQ(test, walk.next_iova, iova);
	KUNIT_EXPECT_EQ(test, walk.first_last, iova + 2 * PAGE_SPAN - 1);
	expect_model(test, AREA_SIZE);

	/* One byte, in the middle of a page */
	walk.nwindows = 0;
	iova += 7 * PAGE_SPAN;
	KUNIT_EXPECT_EQ(test, 0,
			iova_bitmap_visit(t->bitmap, iova + 12345, iova + 12345,
					  &walk, fn_mark_window));
	KUNIT_EXPECT_EQ(test, walk.nwindows, 1);
	KUNIT_EXPECT_EQ(test, walk.next_iova, iova);
	KUNIT_EXPECT_EQ(test, walk.first_last, iova + PAGE_SPAN - 1);
	expect_model(test, AREA_SIZE);

	/* The last byte; the IOVA ends before the page does. */
	walk.nwindows = 0;
	KUNIT_EXPECT_EQ(test, 0,
			iova_bitmap_visit(t->bitmap, t->last, t->last, &walk,
					  fn_mark_window));
	KUNIT_EXPECT_EQ(test, walk.nwindows, 1);
	KUNIT_EXPECT_EQ(test, walk.first_last, t->last);
	expect_model(test, AREA_SIZE);
}

static void memory_of_other_parts_may_be_missing(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	struct walk walk = { .test = test };

	bitmap_open_large(test, 0);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)t->area + SZ_64K,
					   AREA_SIZE - SZ_64K));
	KUNIT_EXPECT_EQ(test, 0,
			iova_bitmap_visit(t->bitmap, t->iova,
					  t->iova + SZ_64K * 8UL * SZ_4K - 1,
					  &walk, fn_mark_window));
	KUNIT_EXPECT_EQ(test, walk.nwindows, 1);
	expect_model(test, SZ_64K);
}

static int fn_count(struct iova_bitmap *bitmap, unsigned long iova,
		    size_t length, void *opaque)
{
	struct walk *walk = opaque;

	walk->nwindows++;
	walk->next_iova = iova + length;
	return 0;
}

static void missing_memory_fails_when_it_is_reached(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	struct walk walk = {};

	bitmap_open_large(test, 8);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)t->area + SZ_64K,
					   AREA_SIZE - SZ_64K));
	KUNIT_EXPECT_EQ(test, -EFAULT, iova_bitmap_for_each(t->bitmap, &walk,
							    fn_count));
	KUNIT_EXPECT_EQ(test, 1, walk.nwindows);
	KUNIT_EXPECT_EQ(test, walk.next_iova - t->iova,
			(SZ_64K - 8UL) * 8 * SZ_4K);
	expect_model(test, SZ_64K);
}

static void read_only_memory_fails_before_the_callback(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	struct walk walk = {};
	unsigned long va;

	va = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ,
			   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, 0, va);
	iova_bitmap_free(t->bitmap);
	t->bitmap = iova_bitmap_alloc(IOVA, SZ_1M, SZ_4K, (u64 __user *)va);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->bitmap);
	KUNIT_EXPECT_EQ(test, -EFAULT, iova_bitmap_for_each(t->bitmap, &walk,
							    fn_count));
	KUNIT_EXPECT_EQ(test, 0, walk.nwindows);
}

static int fn_mark_last(struct iova_bitmap *bitmap, unsigned long iova,
			size_t length, void *opaque)
{
	struct walk *walk = opaque;
	struct bitmap_test *t = walk->test->priv;

	walk->nwindows++;
	iova_bitmap_set(bitmap, t->last, 1);
	return 0;
}

static void lost_marks_are_reported(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	struct walk walk = { .test = test };

	KUNIT_ASSERT_EQ(test, 0,
			vm_munmap((unsigned long)t->area + AREA_SIZE -
				  PAGE_SIZE, PAGE_SIZE));

	bitmap_open_large(test, 0);
	KUNIT_EXPECT_EQ(test, -EFAULT, iova_bitmap_for_each(t->bitmap, &walk,
							    fn_mark_last));
	KUNIT_EXPECT_EQ(test, 1, walk.nwindows);

	/* A mark that was lost outside of any walk fails the next one */
	bitmap_open_large(test, 0);
	iova_bitmap_set(t->bitmap, t->last, 1);
	KUNIT_EXPECT_EQ(test, -EFAULT, iova_bitmap_for_each(t->bitmap, &walk,
							    fn_count));
	KUNIT_EXPECT_EQ(test, 1, walk.nwindows);
	expect_model(test, AREA_SIZE - PAGE_SIZE);
}

static int fn_mark_behind(struct iova_bitmap *bitmap, unsigned long iova,
			  size_t length, void *opaque)
{
	struct walk *walk = opaque;

	walk->nwindows++;
	iova_bitmap_set(bitmap, iova + (length - 1), SZ_1G);
	return 0;
}

static void owed_marks_that_are_lost_are_reported(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	struct walk walk = { .test = test };

	bitmap_open_large(test, 0);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap((unsigned long)t->area + SZ_64K,
					   AREA_SIZE - SZ_64K));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			iova_bitmap_visit(t->bitmap, t->iova,
					  t->iova + SZ_64K * 8UL * SZ_4K - 1,
					  &walk, fn_mark_behind));
	KUNIT_EXPECT_EQ(test, walk.nwindows, 1);
}

#define EXPECT_NO_BITMAP(test, err, ...) \
	KUNIT_EXPECT_PTR_EQ(test, (struct iova_bitmap *)ERR_PTR(err), \
			    iova_bitmap_alloc(__VA_ARGS__))

static void nonsense_is_refused(struct kunit *test)
{
	struct bitmap_test *t = test->priv;
	u64 __user *data = (u64 __user *)t->area;
	u64 __user *kernel = (u64 __force __user *)t->model;

	EXPECT_NO_BITMAP(test, -EINVAL, IOVA, 0, SZ_4K, data);
	EXPECT_NO_BITMAP(test, -EINVAL, IOVA, SZ_4K, 0, data);
	EXPECT_NO_BITMAP(test, -EINVAL, IOVA, SZ_4K, 3 * SZ_4K, data);
	EXPECT_NO_BITMAP(test, -EOVERFLOW, ULONG_MAX, 2, SZ_4K, data);
	EXPECT_NO_BITMAP(test, -EOVERFLOW, SZ_4K, ULONG_MAX, SZ_4K, data);
	EXPECT_NO_BITMAP(test, -EFAULT, IOVA, SZ_4K, SZ_4K, kernel);
	EXPECT_NO_BITMAP(test, -EFAULT, 0, ULONG_MAX, 1, data);
}

static int iova_bitmap_test_init(struct kunit *test)
{
	struct bitmap_test *t;
	unsigned long va;

	if (!IS_ENABLED(CONFIG_MMU) || !IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "needs user memory and a 64-bit IOVA");

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->page = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->page);

	va = kunit_vm_mmap(test, NULL, 0, AREA_SIZE, PROT_READ | PROT_WRITE,
			   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, 0, va);
	KUNIT_ASSERT_LT(test, va, TASK_SIZE);
	t->area = (u8 __user *)va;

	t->model = kvzalloc(AREA_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->model);
	test->priv = t;

	/* Something for bitmap_open() to replace */
	t->bitmap = iova_bitmap_alloc(0, 1, 1, (u64 __user *)va);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->bitmap);
	return 0;
}

static void iova_bitmap_test_exit(struct kunit *test)
{
	struct bitmap_test *t = test->priv;

	if (!t)
		return;
	if (!IS_ERR_OR_NULL(t->bitmap))
		iova_bitmap_free(t->bitmap);
	kvfree(t->model);
}

static struct kunit_case iova_bitmap_test_cases[] = {
	KUNIT_CASE(bits_are_where_the_abi_says),
	KUNIT_CASE(length_need_not_be_whole_granules),
	KUNIT_CASE(marks_outside_do_not_count),
	KUNIT_CASE(bits_are_never_cleared),
	KUNIT_CASE(iova_ends_at_the_last_byte),
	KUNIT_CASE(windows_cover_the_bitmap_in_order),
	KUNIT_CASE(marks_out_of_the_window_count),
	KUNIT_CASE(marks_need_no_walk),
	KUNIT_CASE(marks_that_touch_the_window_do_not_sleep),
	KUNIT_CASE(callback_ends_the_walk),
	KUNIT_CASE(marks_stay_when_the_callback_fails),
	KUNIT_CASE(a_part_is_visited_in_whole_pages),
	KUNIT_CASE(memory_of_other_parts_may_be_missing),
	KUNIT_CASE(missing_memory_fails_when_it_is_reached),
	KUNIT_CASE(read_only_memory_fails_before_the_callback),
	KUNIT_CASE(lost_marks_are_reported),
	KUNIT_CASE(owed_marks_that_are_lost_are_reported),
	KUNIT_CASE(nonsense_is_refused),
	{}
};

static struct kunit_suite iova_bitmap_test_suite = {
	.name = "iova_bitmap",
	.init = iova_bitmap_test_init,
	.exit = iova_bitmap_test_exit,
	.test_cases = iova_bitmap_test_cases,
};

kunit_test_suite(iova_bitmap_test_suite);

MODULE_DESCRIPTION("KUnit tests of the IOVA bitmap");
MODULE_IMPORT_NS("IOMMUFD");
MODULE_LICENSE("GPL");
