// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking, on page tables of the kernel's test device, which makes pages
 * dirty as a test asks it to.
 *
 * What the kernel should report is computed from what was made dirty, the size
 * of page table entries and that of the bitmap's pages, bit by bit.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "dirty_rig.h"
#include "fail_nth.h"
#include "late_page.h"
#include "test_support.h"
#include "threads.h"

#define IOVA (32 * MIB)
#define LENGTH (4 * MIB)
#define NR_PAGES (LENGTH / SMALL_PAGE)
#define NO_CLEAR IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR
#define ENABLE IOMMU_HWPT_DIRTY_TRACKING_ENABLE

/* Room for bitmaps, with as much on either side that must stay as it is */
#define MARGIN (2 * SMALL_PAGE)
#define BITMAP_BYTES (16 * SMALL_PAGE)

FIXTURE(dirty)
{
	struct dirty_rig rig;
	unsigned char *room;	/* BITMAP_BYTES, MARGIN in front and behind */
	unsigned char *model;	/* what should be in room */
	bool written[NR_PAGES];
};

FIXTURE_VARIANT(dirty)
{
	enum page_kind kind;
	__u64 entry;		/* what a bit in the page table is for */
};

FIXTURE_VARIANT_ADD(dirty, small_pages)
{
	.kind = PAGES_SMALL,
	.entry = SMALL_PAGE,
};

FIXTURE_VARIANT_ADD(dirty, huge_pages)
{
	.kind = PAGES_THP,
	.entry = MOCK_HUGE_PAGE_SIZE,
};

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define HWPT (self->rig.hwpt)
#define VA (self->rig.mem.va)
#define BITMAP (self->room + MARGIN)

FIXTURE_SETUP(dirty)
{
	MAKE(dirty_rig_make(&self->rig, variant->kind, LENGTH, IOVA));
	self->room = anonymous(BITMAP_BYTES + 2 * MARGIN);
	ASSERT_NE(NULL, self->room);
	self->model = calloc(1, BITMAP_BYTES + 2 * MARGIN);
	ASSERT_NE(NULL, self->model);
}

FIXTURE_TEARDOWN(dirty)
{
	free(self->model);
	EXPECT_EQ(0, mock_rig_break(&self->rig.mock));
}

/*
 * The model
 */

/* Makes the page at @iova dirty. */
static int write_page(int iommufd, __u32 hwpt, __u64 iova)
{
	__u64 bit = 1, nr_dirty = 0;
	int rc;

	rc = mock_dirty(iommufd, hwpt, iova, SMALL_PAGE, SMALL_PAGE, &bit,
			&nr_dirty);
	if (rc)
		return rc;
	return nr_dirty == 1 ? 0 : -ENOENT;
}

static const unsigned int some_pages[] = {
	0, 1, 2, 7, 63, 64, 65, 130, 255, 256, 511, 513, 777, 1022,
};

/* Notes down in self->written, entry by entry, what write_some() does. */
#define WRITE_SOME()							\
do {									\
	unsigned int _i;						\
									\
	for (_i = 0; _i < ARRAY_SIZE(some_pages); _i++) {		\
		ASSERT_EQ(0, write_page(FD, HWPT, IOVA +		\
					some_pages[_i] * SMALL_PAGE));	\
		self->written[some_pages[_i]] = true;			\
	}								\
} while (0)

static void model_bit(unsigned char *bitmap, __u64 bit)
{
	bitmap[bit / 8] |= 1 << (bit % 8);
}

/* The bits of [first, last] in a bitmap of [iova, iova + length). */
static void model_range(unsigned char *bitmap, __u64 iova, __u64 length,
			__u64 page_size, __u64 first, __u64 last)
{
	__u64 bit;

	if (last < iova || first > iova + (length - 1))
		return;
	if (first < iova)
		first = iova;
	if (last > iova + (length - 1))
		last = iova + (length - 1);
	for (bit = (first - iova) / page_size; bit <= (last - iova) / page_size;
	     bit++)
		model_bit(bitmap, bit);
}

/* What was written to, in entries of @entry bytes */
static void model_written(const bool *written, __u64 entry,
			  unsigned char *bitmap, __u64 iova, __u64 length,
			  __u64 page_size)
{
	__u64 first;
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++) {
		if (!written[i])
			continue;
		first = (IOVA + i * SMALL_PAGE) / entry * entry;
		model_range(bitmap, iova, length, page_size, first,
			    first + entry - 1);
	}
}

/* Reads a bitmap at @offset of the room, and compares the whole room. */
#define EXPECT_DIRTY(flags, iova, length, page_size, offset)		\
do {									\
	const __u64 _iova = iova, _length = length, _page = page_size;	\
	const size_t _size = BITMAP_BYTES + 2 * MARGIN;			\
	const size_t _offset = offset;					\
									\
	model_written(self->written, variant->entry,			\
		      self->model + MARGIN + _offset, _iova, _length,	\
		      _page);						\
	ASSERT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, flags, _iova,	\
					   _length, _page,		\
					   BITMAP + _offset))		\
		TH_LOG("page size %llu", _page);			\
	EXPECT_EQ(0, memcmp(self->room, self->model, _size))		\
		TH_LOG("page size %llu, offset %zu", _page, _offset);	\
} while (0)

#define FORGET_ROOM()							\
do {									\
	memset(self->room, 0, BITMAP_BYTES + 2 * MARGIN);		\
	memset(self->model, 0, BITMAP_BYTES + 2 * MARGIN);		\
} while (0)

/*
 * What is reported
 */

static const __u64 page_sizes[] = {
	64, 2 * KIB, 4 * KIB, 8 * KIB, 64 * KIB, MIB, 2 * MIB, LENGTH,
};

TEST_F(dirty, reports_what_was_written_for_any_page_size)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(page_sizes); i++) {
		WRITE_SOME();
		FORGET_ROOM();
		EXPECT_DIRTY(0, IOVA, LENGTH, page_sizes[i], 0);

		/* and then it is clean */
		memset(self->written, 0, sizeof(self->written));
		FORGET_ROOM();
		EXPECT_DIRTY(0, IOVA, LENGTH, page_sizes[i], 0);
	}
}

TEST_F(dirty, bitmaps_may_be_at_any_address)
{
	const size_t offsets[] = {
		1, 7, 8, 12, SMALL_PAGE - 1, SMALL_PAGE - 8, SMALL_PAGE - 20,
	};
	unsigned int i;

	WRITE_SOME();
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		FORGET_ROOM();
		EXPECT_DIRTY(NO_CLEAR, IOVA, LENGTH, SMALL_PAGE, offsets[i]);
	}
}

/* Bit 0 is the first page of the range, wherever that begins. */
TEST_F(dirty, ranges_may_begin_and_end_anywhere)
{
	const unsigned int pages[][2] = {
		{ 0, 1 }, { 1, 1 }, { 2, 61 }, { 3, 64 }, { 5, 65 },
		{ 63, 2 }, { 65, 400 }, { 255, 1 }, { 256, 256 }, { 257, 700 },
		{ 1000, 24 }, { 1023, 1 },
	};
	unsigned int i;

	WRITE_SOME();
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		FORGET_ROOM();
		EXPECT_DIRTY(NO_CLEAR, IOVA + pages[i][0] * SMALL_PAGE,
			     pages[i][1] * SMALL_PAGE, SMALL_PAGE, 0);
	}
}

TEST_F(dirty, a_part_that_is_read_leaves_the_rest_dirty)
{
	const __u64 half = LENGTH / 2;

	WRITE_SOME();
	EXPECT_DIRTY(0, IOVA, half, SMALL_PAGE, 0);
	memset(self->written, 0, sizeof(self->written) / 2);
	FORGET_ROOM();
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
	memset(self->written, 0, sizeof(self->written));
	FORGET_ROOM();
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
}

TEST_F(dirty, stays_dirty_when_it_is_not_to_be_cleared)
{
	WRITE_SOME();
	EXPECT_DIRTY(NO_CLEAR, IOVA, LENGTH, SMALL_PAGE, 0);
	FORGET_ROOM();
	EXPECT_DIRTY(NO_CLEAR, IOVA, LENGTH, SMALL_PAGE, 0);
	FORGET_ROOM();
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
	memset(self->written, 0, sizeof(self->written));
	FORGET_ROOM();
	EXPECT_DIRTY(NO_CLEAR, IOVA, LENGTH, SMALL_PAGE, 0);
}

TEST_F(dirty, bits_of_the_bitmap_are_never_cleared)
{
	size_t size = BITMAP_BYTES + 2 * MARGIN;

	memset(self->room, 0xa4, size);
	memset(self->model, 0xa4, size);
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 8);
	WRITE_SOME();
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 8);
}

TEST_F(dirty, one_flush_for_what_was_cleaned_and_none_for_nothing)
{
	long syncs;

	ASSERT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, LENGTH,
					   SMALL_PAGE, BITMAP));
	syncs = mock_iotlb_syncs();
	if (syncs < 0)
		SKIP(return, "no debugfs");
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
	EXPECT_EQ(syncs, mock_iotlb_syncs());
	WRITE_SOME();
	EXPECT_DIRTY(NO_CLEAR, IOVA, LENGTH, SMALL_PAGE, 0);
	EXPECT_EQ(syncs, mock_iotlb_syncs());
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
	EXPECT_EQ(syncs + 1, mock_iotlb_syncs());
	WRITE_SOME();
	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
	EXPECT_EQ(syncs + 2, mock_iotlb_syncs());
	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, 0));
	EXPECT_EQ(syncs + 2, mock_iotlb_syncs());
}

TEST_F(dirty, enabling_clears_and_disabling_does_not)
{
	WRITE_SOME();
	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, 0));
	EXPECT_EQ(-EINVAL, write_page(FD, HWPT, IOVA));
	EXPECT_DIRTY(NO_CLEAR, IOVA, LENGTH, SMALL_PAGE, 0);

	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
	memset(self->written, 0, sizeof(self->written));
	FORGET_ROOM();
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
	WRITE_SOME();
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
}

TEST_F(dirty, a_new_map_is_clean)
{
	WRITE_SOME();
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	memset(self->written, 0, sizeof(self->written));
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
}

/*
 * Errors, in the order in which a caller sees them
 */

TEST_F(dirty, errors_of_reading_come_in_order)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.flags = 2,
		.__reserved = 1,
		.hwpt_id = NO_SUCH_ID,
		.iova = UINT64_MAX,
		.length = 0,
		.page_size = 0,
		.data = UINT64_MAX,
	};
	struct mock_device plain;
	__u32 ioas;

#define GET() checked_ioctl(FD, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd)
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, mock_domain(FD, ioas, &plain));

	EXPECT_EQ(-EOPNOTSUPP, GET());
	cmd.flags = 0;
	EXPECT_EQ(-EOPNOTSUPP, GET());
	cmd.flags = 2;
	cmd.__reserved = 0;
	EXPECT_EQ(-EOPNOTSUPP, GET());
	cmd.flags = 0;
	EXPECT_EQ(-ENOENT, GET());
	cmd.hwpt_id = ioas;
	EXPECT_EQ(-ENOENT, GET());
	cmd.hwpt_id = DEV.idev;
	EXPECT_EQ(-ENOENT, GET());
	cmd.hwpt_id = plain.hwpt;
	EXPECT_EQ(-EINVAL, GET());
	cmd.length = 2;
	EXPECT_EQ(-EOVERFLOW, GET());
	cmd.iova = 1;
	EXPECT_EQ(-EINVAL, GET());
	cmd.iova = 0;
	cmd.length = SMALL_PAGE + 1;
	EXPECT_EQ(-EINVAL, GET());
	cmd.length = 3 * SMALL_PAGE;
	EXPECT_EQ(-EINVAL, GET());
	cmd.page_size = 2 * SMALL_PAGE;
	EXPECT_EQ(-EINVAL, GET());
	cmd.page_size = 3 * SMALL_PAGE;
	EXPECT_EQ(-EINVAL, GET());
	/* as if it were aligned to that */
	cmd.length = 4 * SMALL_PAGE;
	EXPECT_EQ(-EINVAL, GET());
	cmd.page_size = 1ULL << 63;
	EXPECT_EQ(-EINVAL, GET());
	cmd.iova = SMALL_PAGE;
	cmd.length = 2 * SMALL_PAGE;
	cmd.page_size = 2 * SMALL_PAGE;
	EXPECT_EQ(-EINVAL, GET());
	cmd.iova = 0;
	EXPECT_EQ(-EOPNOTSUPP, GET());
	cmd.hwpt_id = HWPT;
	EXPECT_EQ(-EFAULT, GET());
	cmd.data = (uintptr_t)BITMAP;
	EXPECT_EQ(0, GET());
	/* up to the last byte that an IOVA can have */
	cmd.iova = -SMALL_PAGE;
	cmd.length = SMALL_PAGE;
	cmd.page_size = SMALL_PAGE;
	EXPECT_EQ(0, GET());
}

TEST_F(dirty, the_range_has_the_alignment_of_the_ioas)
{
	const __u64 alignment = SMALL_PAGE;

	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, alignment, 64,
					   BITMAP));
	EXPECT_EQ(-EINVAL, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA,
						 alignment / 2, 64, BITMAP));
	EXPECT_EQ(-EINVAL, hwpt_get_dirty_bitmap(FD, HWPT, 0,
						 IOVA + alignment / 2,
						 alignment, 64, BITMAP));
}

TEST_F(dirty, errors_of_enabling_come_in_order)
{
	struct mock_device plain;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, mock_domain(FD, ioas, &plain));
	EXPECT_EQ(-EOPNOTSUPP, hwpt_set_dirty_tracking(FD, NO_SUCH_ID, 2));
	EXPECT_EQ(-EOPNOTSUPP, hwpt_set_dirty_tracking(FD, HWPT, 3));
	EXPECT_EQ(-ENOENT, hwpt_set_dirty_tracking(FD, NO_SUCH_ID, ENABLE));
	EXPECT_EQ(-ENOENT, hwpt_set_dirty_tracking(FD, ioas, ENABLE));
	EXPECT_EQ(-EOPNOTSUPP, hwpt_set_dirty_tracking(FD, plain.hwpt, ENABLE));
	EXPECT_EQ(-EOPNOTSUPP, hwpt_set_dirty_tracking(FD, plain.hwpt, 0));
	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, 0));
	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, 0));
}

TEST_F(dirty, only_devices_that_can_are_attached)
{
	struct mock_device cannot, can;
	__u32 ioas, hwpt, pt;

	EXPECT_EQ(-EINVAL, mock_domain_flags(FD, HWPT,
					     MOCK_FLAGS_DEVICE_NO_DIRTY,
					     &cannot));
	ASSERT_EQ(0, mock_domain_flags(FD, HWPT, 0, &can));
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, mock_domain_flags(FD, ioas, MOCK_FLAGS_DEVICE_NO_DIRTY,
				       &cannot));
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc(FD, cannot.idev, ioas,
					  IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
					  &hwpt));
	pt = HWPT;
	EXPECT_EQ(-EINVAL, mock_domain_replace(FD, cannot.stdev, &pt));
	pt = cannot.hwpt;
	EXPECT_EQ(0, mock_domain_replace(FD, can.stdev, &pt));
}

/*
 * Bitmaps in bad memory
 */

TEST_F(dirty, a_bitmap_that_cannot_be_written_is_an_error_and_loses_nothing)
{
	void *gone = anonymous(SMALL_PAGE);

	WRITE_SOME();
	ASSERT_EQ(0, munmap(gone, SMALL_PAGE));
	EXPECT_EQ(-EFAULT, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, LENGTH,
						 SMALL_PAGE, gone));
	EXPECT_EQ(-EFAULT, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, LENGTH,
						 SMALL_PAGE, NULL));
	EXPECT_EQ(-EFAULT, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, LENGTH,
						 SMALL_PAGE,
						 (void *)(UINT64_MAX - 15)));
	ASSERT_EQ(0, mprotect(self->room, BITMAP_BYTES, PROT_READ));
	EXPECT_EQ(-EFAULT, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, LENGTH,
						 SMALL_PAGE, BITMAP));
	ASSERT_EQ(0, mprotect(self->room, BITMAP_BYTES,
			      PROT_READ | PROT_WRITE));
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
}

/* Bits for 64 bytes: 8 KiB of them for LENGTH, half on a page that is gone */
TEST_F(dirty, what_has_no_place_in_the_bitmap_stays_dirty)
{
	unsigned char *end = BITMAP + SMALL_PAGE;

	WRITE_SOME();
	ASSERT_EQ(0, munmap(end, SMALL_PAGE));
	EXPECT_EQ(-EFAULT, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, LENGTH,
						 64, BITMAP));
	model_written(self->written, variant->entry, self->model + MARGIN, IOVA,
		      SMALL_PAGE * 8 * 64, 64);
	EXPECT_EQ(0, memcmp(BITMAP, self->model + MARGIN, SMALL_PAGE));
	ASSERT_EQ(end, mmap(end, SMALL_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_DIRTY(0, IOVA, LENGTH, 64, 0);
}

/* With 1 byte a bit, an entry of 1 MiB has 128 KiB of bitmap. */
TEST_F(dirty, an_entry_may_reach_over_bitmap_that_is_not_there)
{
	const __u64 length = 64 * SMALL_PAGE;
	unsigned char *end = BITMAP + length / 8 - SMALL_PAGE;

	if (variant->entry < 2 * length)
		SKIP(return, "entries are too small");
	ASSERT_EQ(0, write_page(FD, HWPT, IOVA));
	ASSERT_EQ(0, munmap(end, SMALL_PAGE));
	EXPECT_EQ(-EFAULT, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, length, 1,
						 BITMAP));
	EXPECT_TRUE(memory_is(BITMAP, 0xff, length / 8 - SMALL_PAGE));
}

/*
 * With 1 byte a bit, no more than 16 MiB can be pinned at once, which is no
 * multiple of an entry.
 */
TEST_F_TIMEOUT(dirty, entries_may_lie_across_what_is_pinned_at_once, 60)
{
	const __u64 first = 256 * MIB, length = 20 * MIB;
	const size_t size = length / 8;
	unsigned char *bitmap;
	struct memory mem;
	__u64 at;

	if (variant->kind != PAGES_THP)
		SKIP(return, "entries are too small");
	ASSERT_EQ(0, memory_alloc(&mem, PAGES_THP, length));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va, length, first));
	bitmap = anonymous(size);
	ASSERT_NE(NULL, bitmap);
	for (at = 0; at < length; at += variant->entry)
		ASSERT_EQ(0, write_page(FD, HWPT, first + at));
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, length, 1,
					   bitmap));
	EXPECT_TRUE(memory_is(bitmap, 0xff, size));
	memset(bitmap, 0, size);
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, length, 1,
					   bitmap));
	EXPECT_TRUE(memory_is(bitmap, 0, size));
	munmap(bitmap, size);
}

/*
 * Holes
 */

TEST_F(dirty, holes_are_left_as_they_are)
{
	const __u64 far = IOVA + 64 * MIB, length = far + MIB - IOVA;
	unsigned char *bitmap;
	size_t first, last;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, MIB, far));
	/* 65 MiB with 64 bytes a bit are 130 KiB, mostly of nothing */
	bitmap = anonymous(length / 64 / 8);
	ASSERT_NE(NULL, bitmap);
	first = LENGTH / 64 / 8;
	last = (far - IOVA) / 64 / 8;
	ASSERT_EQ(0, munmap(bitmap + first, last - first));

	WRITE_SOME();
	ASSERT_EQ(0, write_page(FD, HWPT, far));
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, length, 64,
					   bitmap));
	model_written(self->written, variant->entry, self->model, IOVA, LENGTH,
		      64);
	EXPECT_EQ(0, memcmp(bitmap, self->model, first));
	EXPECT_TRUE(memory_is(bitmap + last, 0xff,
			      variant->entry / 64 / 8));
	EXPECT_TRUE(memory_is(bitmap + last + variant->entry / 64 / 8, 0,
			      (MIB - variant->entry) / 64 / 8));
}

TEST_F(dirty, nothing_mapped_is_nothing_dirty)
{
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, LENGTH,
					   SMALL_PAGE, NULL));
	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
}

#define NR_AREAS 2500

TEST_F_TIMEOUT(dirty, many_areas_with_and_without_holes_between, 90)
{
	const size_t size = BITMAP_BYTES + 2 * MARGIN;
	const __u64 first = 256 * MIB;
	__u64 step, length;
	unsigned int i;

	for (step = SMALL_PAGE; step <= 2 * SMALL_PAGE; step += SMALL_PAGE) {
		length = NR_AREAS * step;
		for (i = 0; i < NR_AREAS; i++)
			ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE,
						 first + i * step));
		FORGET_ROOM();
		for (i = 0; i < NR_AREAS; i += 3) {
			ASSERT_EQ(0, write_page(FD, HWPT, first + i * step));
			model_bit(self->model + MARGIN, i * step / SMALL_PAGE);
		}
		EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, length,
						   SMALL_PAGE, BITMAP));
		EXPECT_EQ(0, memcmp(self->room, self->model, size));
		FORGET_ROOM();
		EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, length,
						   SMALL_PAGE, BITMAP));
		EXPECT_TRUE(memory_is(self->room, 0, size));

		/* enabling finds all of them, too */
		for (i = 0; i < NR_AREAS; i += 100)
			ASSERT_EQ(0, write_page(FD, HWPT, first + i * step));
		EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
		EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, length,
						   SMALL_PAGE, BITMAP));
		EXPECT_TRUE(memory_is(self->room, 0, size));
		ASSERT_EQ(0, ioas_unmap(FD, IOAS, first, length, NULL));
	}
}

/* Pages of the process that are in memory */
static long resident_pages(const void *va, size_t length)
{
	char line[256], wanted[32];
	bool found = false;
	FILE *file;
	long kib = -1;

	snprintf(wanted, sizeof(wanted), "%lx-", (unsigned long)va);
	file = fopen("/proc/self/smaps", "r");
	if (!file)
		return -1;
	while (kib < 0 && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, wanted, strlen(wanted)))
			found = true;
		else if (found)
			sscanf(line, "Rss: %ld kB", &kib);
	}
	fclose(file);
	return kib < 0 ? kib : kib / 4;
}

/*
 * A range that is larger than any memory costs what is mapped in it, in time
 * and in pages of the bitmap.
 */
TEST_F_TIMEOUT(dirty, a_whole_ioas_costs_what_is_mapped, 20)
{
	__u64 places[] = { 0, GIB, 64 * GIB - MIB, 0 };
	const struct {
		__u64 length;
		__u64 page_size;
	} wholes[] = {
		{ 1ULL << 38, 4 * KIB },
		{ 1ULL << 56, 256 * KIB },
		{ 1ULL << 56, 2 * MIB },
		{ -(1ULL << 32), 1ULL << 32 },
		{ 1ULL << 63, 1ULL << 63 },
	};
	struct iommu_iova_range range;
	__u32 count = 1;
	unsigned int i, j;
	__u64 bit;

	if (variant->kind != PAGES_THP)
		SKIP(return, "not so much IOVA");
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, &range, &count, NULL));
	places[3] = range.last + 1 - LENGTH;
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	for (j = 0; j < ARRAY_SIZE(places); j++)
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH,
					 places[j]))
			TH_LOG("place %u", j);
	for (i = 0; i < ARRAY_SIZE(wholes); i++) {
		size_t size = wholes[i].length / wholes[i].page_size / 8 + 1;
		unsigned char *bitmap = anonymous(size);

		ASSERT_NE(NULL, bitmap) TH_LOG("%zu", size);
		ASSERT_EQ(0, madvise(bitmap, size, MADV_NOHUGEPAGE));
		for (j = 0; j < ARRAY_SIZE(places); j++)
			ASSERT_EQ(0, write_page(FD, HWPT, places[j]));
		EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, 0,
						   wholes[i].length,
						   wholes[i].page_size,
						   bitmap));
		for (j = 0; j < ARRAY_SIZE(places); j++) {
			bit = places[j] / wholes[i].page_size;
			EXPECT_EQ(1, bitmap[bit / 8] >> (bit % 8) & 1);
		}
		/* one of them may be on both sides of a page's end */
		EXPECT_GE(ARRAY_SIZE(places) + 1, resident_pages(bitmap, size));
		munmap(bitmap, size);
	}
}

#define MANY_BYTES (GIB + 256 * MIB)

/* One area that takes more than one step to read */
TEST_F_TIMEOUT(dirty, a_large_area_is_read_to_its_end, 120)
{
	const __u64 first = 512 * MIB;
	const __u64 at[] = { 0, GIB - SMALL_PAGE, GIB, MANY_BYTES - SMALL_PAGE };
	struct memory mem;
	unsigned int i;

	if (variant->kind != PAGES_THP)
		SKIP(return, "takes too long");
	if (memory_alloc(&mem, PAGES_THP, MANY_BYTES))
		SKIP(return, "not enough memory");
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va, MANY_BYTES, first));
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		ASSERT_EQ(0, write_page(FD, HWPT, first + at[i]));
		model_range(self->model + MARGIN, first, MANY_BYTES, 16 * KIB,
			    (first + at[i]) / variant->entry * variant->entry,
			    (first + at[i]) / variant->entry * variant->entry +
				    variant->entry - 1);
	}
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, NO_CLEAR, first,
					   MANY_BYTES, 16 * KIB, BITMAP));
	EXPECT_EQ(0, memcmp(self->room, self->model,
			    BITMAP_BYTES + 2 * MARGIN));
	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
	FORGET_ROOM();
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, MANY_BYTES,
					   16 * KIB, BITMAP));
	EXPECT_EQ(0, memcmp(self->room, self->model,
			    BITMAP_BYTES + 2 * MARGIN));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, first, MANY_BYTES, NULL));
	memory_free(&mem);
}

/*
 * Memory that its owner takes back
 */

TEST_F(dirty, memory_that_was_taken_back_is_a_hole)
{
	const __u64 far = IOVA + 64 * MIB;
	__u64 iova = far, bits = 0;
	int dmabuf;

	dmabuf = mock_dmabuf(FD, 4 * SMALL_PAGE, O_CLOEXEC | O_RDWR);
	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   4 * SMALL_PAGE, &iova));
	ASSERT_EQ(0, write_page(FD, HWPT, far + SMALL_PAGE));
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, far, 4 * SMALL_PAGE,
					   SMALL_PAGE, &bits));
	EXPECT_EQ(1, bits >> 1 & 1);
	ASSERT_EQ(0, write_page(FD, HWPT, far + SMALL_PAGE));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	bits = 0;
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, far, 4 * SMALL_PAGE,
					   SMALL_PAGE, &bits));
	EXPECT_EQ(0, bits);
	WRITE_SOME();
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
	close(dmabuf);
}

/*
 * User memory that lets us wait
 */

struct reading {
	struct thread_call call;
	int iommufd;
	__u32 hwpt;
	struct late_page bitmap;
};

static int read_slowly(void *data)
{
	struct reading *reading = data;

	return hwpt_get_dirty_bitmap(reading->iommufd, reading->hwpt, 0, IOVA,
				     LENGTH, SMALL_PAGE, reading->bitmap.va);
}

/* Is it waiting then? */
static bool reading_start(struct reading *reading, int iommufd, __u32 hwpt)
{
	*reading = (struct reading){ .iommufd = iommufd, .hwpt = hwpt };
	return !late_page_open(&reading->bitmap, LATE_PAGE, NULL, 0) &&
	       !thread_call_start(&reading->call, read_slowly, reading) &&
	       late_page_wait(&reading->bitmap);
}

TEST_F(dirty, who_waits_for_the_bitmap_is_in_nobodys_way)
{
	void *bits = anonymous(SMALL_PAGE);
	struct mock_device other;
	struct reading reading;

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	WRITE_SOME();
	ASSERT_TRUE(reading_start(&reading, FD, HWPT));

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, MIB, 64 * MIB));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	ASSERT_EQ(0, mock_destroy(FD, &other));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, 64 * MIB, MIB, NULL));
	ASSERT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, NO_CLEAR, IOVA, LENGTH,
					   SMALL_PAGE, bits));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_FALSE(thread_call_is_over(&reading.call));

	ASSERT_EQ(0, late_page_give(&reading.bitmap));
	EXPECT_EQ(0, thread_call_end(&reading.call));
	/* it was gone before it could be read */
	EXPECT_TRUE(memory_is(reading.bitmap.va, 0, SMALL_PAGE));
	model_written(self->written, variant->entry, self->model, IOVA, LENGTH,
		      SMALL_PAGE);
	EXPECT_EQ(0, memcmp(bits, self->model, NR_PAGES / 8));
	late_page_close(&reading.bitmap);
}

/* Waits for a bitmap that never comes; says so to @told. */
static void wait_for_good(int iommufd, __u32 hwpt, int told)
{
	struct reading reading;

	if (reading_start(&reading, iommufd, hwpt) && write(told, "", 1) == 1)
		pause();
	_exit(1);
}

TEST_F(dirty, who_waits_for_the_bitmap_can_be_killed)
{
	int pipe_fds[2], status;
	char byte;
	pid_t child;

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, pipe(pipe_fds));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(pipe_fds[0]);
		wait_for_good(FD, HWPT, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	ASSERT_EQ(1, read(pipe_fds[0], &byte, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	/* nobody uses it any more */
	EXPECT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, iommufd_destroy(FD, HWPT));
}

/*
 * Failures
 */

#define MAX_TRIES 200

struct failing {
	int iommufd;
	__u32 hwpt;
	void *bitmap;
};

static int op_get(const struct failing *on)
{
	return hwpt_get_dirty_bitmap(on->iommufd, on->hwpt, 0, IOVA, LENGTH,
				     SMALL_PAGE, on->bitmap);
}

static int op_get_again(const struct failing *on)
{
	return hwpt_get_dirty_bitmap(on->iommufd, on->hwpt, NO_CLEAR, IOVA,
				     LENGTH, SMALL_PAGE, on->bitmap);
}

static int op_enable(const struct failing *on)
{
	return hwpt_set_dirty_tracking(on->iommufd, on->hwpt, ENABLE);
}

static int op_disable(const struct failing *on)
{
	return hwpt_set_dirty_tracking(on->iommufd, on->hwpt, 0);
}

static const struct {
	const char *name;
	int (*run)(const struct failing *on);
} operations[] = {
	{ "GET_DIRTY_BITMAP", op_get },
	{ "GET_DIRTY_BITMAP without clearing", op_get_again },
	{ "enable", op_enable },
	{ "disable", op_disable },
};

TEST_F_TIMEOUT(dirty, a_call_that_fails_loses_nothing, 120)
{
	struct failing on = { .iommufd = FD, .hwpt = HWPT };
	int fail_nth = fail_nth_open();
	unsigned int i;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		int nth = 0, nr_errors = 0, rc;
		bool failed = true;

		while (failed && ++nth < MAX_TRIES) {
			/* memory that is not there yet */
			on.bitmap = anonymous(SMALL_PAGE);
			ASSERT_EQ(0, op_enable(&on));
			WRITE_SOME();
			fail_nth_set(fail_nth, nth);
			rc = operations[i].run(&on);
			failed = fail_nth_happened(fail_nth);
			munmap(on.bitmap, SMALL_PAGE);
			if (!rc)
				continue;
			nr_errors++;
			ASSERT_TRUE(failed && is_injected_failure(rc))
				TH_LOG("%s, %d: %d", operations[i].name, nth,
				       rc);
			/* nothing was read; tracking is on as before */
			FORGET_ROOM();
			EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
			EXPECT_EQ(0, write_page(FD, HWPT, IOVA));
		}
		EXPECT_FALSE(failed);
		EXPECT_LT(0, nr_errors) TH_LOG("%s", operations[i].name);
		TH_LOG("%s: %d of %d failures are errors", operations[i].name,
		       nr_errors, nth - 1);
	}
	close(fail_nth);
}

/*
 * Many threads
 */

#define RACE_SLOTS 8
#define SLOT_BYTES (LENGTH / RACE_SLOTS)
#define SLOTS_IOVA (64 * MIB)

enum race_goal {
	RACE_READ,
	RACE_MAP,
	RACE_UNMAP,
	RACE_WRITE,
	RACE_ENABLE,
	RACE_ALLOC,
	RACE_ENABLE_NEW,
	RACE_READ_NEW,
	RACE_DESTROY,
	RACE_GUESS,
	RACE_DMABUF,
	RACE_MAP_DMABUF,
	RACE_REVOKE,
	RACE_UNMAP_DMABUF,
	NR_RACE_GOALS,
};

struct arena {
	struct crowd crowd;
	int iommufd;
	__u32 ioas;
	__u32 hwpt;
	__u32 idev;
	char *va;
	struct goal goals[NR_RACE_GOALS];
	int unexpected;
	const char *culprit;
};

static void judge(struct arena *arena, enum race_goal goal, int rc, int allowed)
{
	if (!rc) {
		goal_count(&arena->goals[goal]);
	} else if (rc != allowed && !arena->unexpected) {
		arena->unexpected = rc;
		arena->culprit = arena->goals[goal].what;
	}
}

static int race_reader(void *data)
{
	struct arena *arena = data;
	const __u64 length = SLOTS_IOVA + LENGTH + MIB - IOVA;
	void *bitmap = anonymous(length / 8 / 64);
	__u32 flags = 0;

	while (!crowd_is_over(&arena->crowd)) {
		judge(arena, RACE_READ,
		      hwpt_get_dirty_bitmap(arena->iommufd, arena->hwpt, flags,
					    IOVA, length, 64, bitmap), 0);
		madvise(bitmap, length / 8 / 64, MADV_DONTNEED);
		flags ^= NO_CLEAR;
	}
	munmap(bitmap, length / 8 / 64);
	return 0;
}

static int race_mapper(void *data)
{
	struct arena *arena = data;
	unsigned int slot = 0, old;
	int rc;

	while (!crowd_is_over(&arena->crowd)) {
		slot = (slot + 1) % RACE_SLOTS;
		judge(arena, RACE_MAP,
		      ioas_map_at(arena->iommufd, arena->ioas,
				  arena->va + slot * SLOT_BYTES, SLOT_BYTES,
				  SLOTS_IOVA + slot * SLOT_BYTES), -EEXIST);
		old = (slot + 5) % RACE_SLOTS;
		rc = ioas_unmap(arena->iommufd, arena->ioas,
				SLOTS_IOVA + old * SLOT_BYTES, SLOT_BYTES,
				NULL);
		/* the other one is at it */
		if (rc != -EBUSY)
			judge(arena, RACE_UNMAP, rc, -ENOENT);
	}
	return 0;
}

static int race_writer(void *data)
{
	struct arena *arena = data;
	unsigned char marks[NR_PAGES / 8];
	unsigned int turn = 0;

	memset(marks, 0x5a, sizeof(marks));
	while (!crowd_is_over(&arena->crowd)) {
		judge(arena, RACE_WRITE,
		      mock_dirty(arena->iommufd, arena->hwpt,
				 turn & 1 ? SLOTS_IOVA : IOVA, LENGTH,
				 SMALL_PAGE, marks, NULL), -EINVAL);
		if (!(++turn % 8))
			judge(arena, RACE_ENABLE,
			      hwpt_set_dirty_tracking(arena->iommufd,
						      arena->hwpt,
						      turn & 8 ? ENABLE : 0),
			      0);
	}
	return 0;
}

/* Page tables that others are reading */
static int race_destroyer(void *data)
{
	struct arena *arena = data;
	__u64 bits[NR_PAGES / 64];
	__u32 hwpt;
	int rc;

	while (!crowd_is_over(&arena->crowd)) {
		rc = hwpt_alloc(arena->iommufd, arena->idev, arena->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt);
		judge(arena, RACE_ALLOC, rc, 0);
		if (rc)
			break;
		judge(arena, RACE_ENABLE_NEW,
		      hwpt_set_dirty_tracking(arena->iommufd, hwpt, ENABLE), 0);
		judge(arena, RACE_READ_NEW,
		      hwpt_get_dirty_bitmap(arena->iommufd, hwpt, 0, IOVA,
					    LENGTH, SMALL_PAGE, bits), 0);
		judge(arena, RACE_DESTROY,
		      iommufd_destroy(arena->iommufd, hwpt), 0);
	}
	return 0;
}

/* Reads whatever the destroyer has. */
static int race_guesser(void *data)
{
	struct arena *arena = data;
	__u64 bits[NR_PAGES / 64];
	__u32 id = 0;
	int rc;

	while (!crowd_is_over(&arena->crowd)) {
		id = id % 32 + 1;
		rc = hwpt_get_dirty_bitmap(arena->iommufd, id, 0, IOVA, LENGTH,
					   SMALL_PAGE, bits);
		if (rc != -EOPNOTSUPP)
			judge(arena, RACE_GUESS, rc, -ENOENT);
	}
	return 0;
}

static int race_revoker(void *data)
{
	struct arena *arena = data;
	__u64 iova;
	int dmabuf;

	while (!crowd_is_over(&arena->crowd)) {
		iova = SLOTS_IOVA + LENGTH;
		dmabuf = mock_dmabuf(arena->iommufd, 64 * SMALL_PAGE,
				     O_CLOEXEC | O_RDWR);
		if (dmabuf < 0) {
			judge(arena, RACE_DMABUF, dmabuf, 0);
			break;
		}
		judge(arena, RACE_DMABUF, 0, 0);
		judge(arena, RACE_MAP_DMABUF,
		      ioas_map_file(arena->iommufd, arena->ioas,
				    MAP_RW | MAP_AT, dmabuf, 0,
				    64 * SMALL_PAGE, &iova), 0);
		judge(arena, RACE_REVOKE,
		      mock_dmabuf_revoke(arena->iommufd, dmabuf, true), 0);
		judge(arena, RACE_UNMAP_DMABUF,
		      ioas_unmap(arena->iommufd, arena->ioas, iova,
				 64 * SMALL_PAGE, NULL), 0);
		close(dmabuf);
	}
	return 0;
}

TEST_F_TIMEOUT(dirty, reading_races_with_whatever_changes, 90)
{
	int (*const parts[])(void *data) = {
		race_reader, race_reader, race_mapper, race_mapper,
		race_writer, race_destroyer, race_guesser, race_revoker,
	};
	struct arena arena = {
		.iommufd = FD,
		.ioas = IOAS,
		.hwpt = HWPT,
		.idev = DEV.idev,
		.va = VA,
		.goals = {
			[RACE_READ] = { "read", 20 },
			[RACE_MAP] = { "map", 20 },
			[RACE_UNMAP] = { "unmap", 20 },
			[RACE_WRITE] = { "write", 20 },
			[RACE_ENABLE] = { "enable", 20 },
			[RACE_ALLOC] = { "alloc", 20 },
			[RACE_ENABLE_NEW] = { "enable another", 20 },
			[RACE_READ_NEW] = { "read another", 20 },
			[RACE_DESTROY] = { "destroy", 20 },
			[RACE_GUESS] = { "guess", 20 },
			[RACE_DMABUF] = { "dma-buf", 20 },
			[RACE_MAP_DMABUF] = { "map a dma-buf", 20 },
			[RACE_REVOKE] = { "revoke", 20 },
			[RACE_UNMAP_DMABUF] = { "unmap a dma-buf", 20 },
		},
	};
	const struct goal *missed;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		ASSERT_EQ(0, crowd_add(&arena.crowd, parts[i], &arena));
	missed = crowd_reach(&arena.crowd, arena.goals, NR_RACE_GOALS);
	ASSERT_EQ(0, crowd_end(&arena.crowd));
	for (i = 0; i < NR_RACE_GOALS; i++)
		TH_LOG("%-16s %6lu", arena.goals[i].what, arena.goals[i].times);
	EXPECT_EQ(NULL, missed) TH_LOG("too few: %s", missed->what);
	EXPECT_EQ(0, arena.unexpected) TH_LOG("%s", arena.culprit);

	/* and what is there works as before */
	ASSERT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
	WRITE_SOME();
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
}

TEST_HARNESS_MAIN
