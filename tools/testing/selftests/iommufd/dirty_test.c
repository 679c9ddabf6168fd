// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking, on page tables of the kernel's test device, which makes pages
 * dirty as a test asks it to: what is reported, and what is refused.
 */
#include <stdint.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "dirty_fixture.h"
#include "test_support.h"

#define BITMAP (self->model.room + MARGIN)
#define EXPECTED (self->model.expected + MARGIN)

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
		memset(self->model.written, 0, sizeof(self->model.written));
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
	memset(self->model.written, 0, sizeof(self->model.written) / 2);
	FORGET_ROOM();
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
	memset(self->model.written, 0, sizeof(self->model.written));
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
	memset(self->model.written, 0, sizeof(self->model.written));
	FORGET_ROOM();
	EXPECT_DIRTY(NO_CLEAR, IOVA, LENGTH, SMALL_PAGE, 0);
}

TEST_F(dirty, bits_of_the_bitmap_are_never_cleared)
{
	size_t size = ROOM_BYTES;

	memset(self->model.room, 0xa4, size);
	memset(self->model.expected, 0xa4, size);
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
	EXPECT_EQ(-EINVAL, WRITE_PAGE(IOVA));
	EXPECT_DIRTY(NO_CLEAR, IOVA, LENGTH, SMALL_PAGE, 0);

	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
	memset(self->model.written, 0, sizeof(self->model.written));
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
	memset(self->model.written, 0, sizeof(self->model.written));
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
}

#define KEPT_STEP (16 * SMALL_PAGE)

/*
 * The process will not miss what is there, unless somebody writes to it. That
 * the device did, its page table does not tell any more when the memory goes.
 * The access reaches what is pinned by its pages, as the device would.
 */
TEST_F(dirty, what_was_written_is_kept_after_it_was_read)
{
	int access = mock_access(FD, IOAS, 0);
	char bytes[64];
	size_t at;

	ASSERT_LE(0, access);
	ASSERT_EQ(0, madvise(VA, LENGTH, MADV_FREE));
	pattern_fill(bytes, sizeof(bytes), 7);
	for (at = 0; at < LENGTH; at += KEPT_STEP) {
		ASSERT_EQ(0, mock_access_rw(FD, access, MOCK_ACCESS_RW_WRITE,
					    IOVA + at, sizeof(bytes), bytes));
		ASSERT_EQ(0, WRITE_PAGE(IOVA + at));
		self->model.written[at / SMALL_PAGE] = true;
	}
	EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	ASSERT_EQ(0, memory_page_out(VA, LENGTH));
	for (at = 0; at < LENGTH; at += KEPT_STEP) {
		EXPECT_EQ(0, memcmp(bytes, VA + at, sizeof(bytes)))
			TH_LOG("at %zu", at);
	}
	close(access);
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
	ASSERT_EQ(0, mprotect(self->model.room, BITMAP_BYTES, PROT_READ));
	EXPECT_EQ(-EFAULT, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, LENGTH,
						 SMALL_PAGE, BITMAP));
	ASSERT_EQ(0, mprotect(self->model.room, BITMAP_BYTES,
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
	dirty_model_written(&self->model, EXPECTED, IOVA,
			    SMALL_PAGE * 8 * 64, 64);
	EXPECT_EQ(0, memcmp(BITMAP, EXPECTED, SMALL_PAGE));
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
	ASSERT_EQ(0, WRITE_PAGE(IOVA));
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
		ASSERT_EQ(0, WRITE_PAGE(first + at));
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
	ASSERT_EQ(0, WRITE_PAGE(far));
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, length, 64,
					   bitmap));
	dirty_model_written(&self->model, self->model.expected, IOVA, LENGTH,
			    64);
	EXPECT_EQ(0, memcmp(bitmap, self->model.expected, first));
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
	const size_t size = ROOM_BYTES;
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
			ASSERT_EQ(0, WRITE_PAGE(first + i * step));
			dirty_model_bit(EXPECTED, i * step / SMALL_PAGE);
		}
		EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, length,
						   SMALL_PAGE, BITMAP));
		EXPECT_EQ(0, memcmp(self->model.room, self->model.expected,
				    size));
		FORGET_ROOM();
		EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, length,
						   SMALL_PAGE, BITMAP));
		EXPECT_TRUE(memory_is(self->model.room, 0, size));

		/* enabling finds all of them, too */
		for (i = 0; i < NR_AREAS; i += 100)
			ASSERT_EQ(0, WRITE_PAGE(first + i * step));
		EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
		EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, length,
						   SMALL_PAGE, BITMAP));
		EXPECT_TRUE(memory_is(self->model.room, 0, size));
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
	for (j = 0; j < ARRAY_SIZE(places); j++) {
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH,
					 places[j]))
			TH_LOG("place %u", j);
	}
	for (i = 0; i < ARRAY_SIZE(wholes); i++) {
		size_t size = wholes[i].length / wholes[i].page_size / 8 + 1;
		unsigned char *bitmap = anonymous(size);

		ASSERT_NE(NULL, bitmap) TH_LOG("%zu", size);
		ASSERT_EQ(0, madvise(bitmap, size, MADV_NOHUGEPAGE));
		for (j = 0; j < ARRAY_SIZE(places); j++)
			ASSERT_EQ(0, WRITE_PAGE(places[j]));
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
	__u64 entry;

	if (variant->kind != PAGES_THP)
		SKIP(return, "takes too long");
	if (memory_alloc(&mem, PAGES_THP, MANY_BYTES))
		SKIP(return, "not enough memory");
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va, MANY_BYTES, first));
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		ASSERT_EQ(0, WRITE_PAGE(first + at[i]));
		entry = (first + at[i]) / variant->entry * variant->entry;
		dirty_model_range(EXPECTED, first, MANY_BYTES, 16 * KIB, entry,
				  entry + variant->entry - 1);
	}
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, NO_CLEAR, first,
					   MANY_BYTES, 16 * KIB, BITMAP));
	EXPECT_EQ(0, memcmp(self->model.room, self->model.expected,
			    ROOM_BYTES));
	EXPECT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
	FORGET_ROOM();
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, first, MANY_BYTES,
					   16 * KIB, BITMAP));
	EXPECT_EQ(0, memcmp(self->model.room, self->model.expected,
			    ROOM_BYTES));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, first, MANY_BYTES, NULL));
	memory_free(&mem);
}

TEST_HARNESS_MAIN
