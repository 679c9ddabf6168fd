// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking by calls that read parts of page table entries, on page tables
 * of the kernel's test device. A page that was written to, as far as the page
 * table can tell, must be reported to the first call that reads it and makes it
 * clean, and to no other after that.
 *
 * The model is a flag for each page of memory: who reads it next is to find it
 * dirty.
 */
#include <limits.h>
#include <pthread.h>
#include <stdint.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "dirty_rig.h"
#include "fail_nth.h"
#include "kernel_memory.h"
#include "test_support.h"
#include "threads.h"

#define IOVA GIB
#define LENGTH (4 * MIB)
#define NR_PAGES (LENGTH / SMALL_PAGE)
#define NO_CLEAR IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR
#define ENABLE IOMMU_HWPT_DIRTY_TRACKING_ENABLE

FIXTURE(dirty_cuts)
{
	struct dirty_rig rig;
	bool dirty[NR_PAGES];	/* the model */
	unsigned char bits[NR_PAGES / 8];
};

FIXTURE_VARIANT(dirty_cuts)
{
	enum page_kind kind;
	unsigned int entry;	/* pages of an entry of the page table */
};

FIXTURE_VARIANT_ADD(dirty_cuts, huge_entries)
{
	.kind = PAGES_THP,
	.entry = MOCK_HUGE_PAGE_SIZE / SMALL_PAGE,
};

FIXTURE_VARIANT_ADD(dirty_cuts, small_entries)
{
	.kind = PAGES_SMALL,
	.entry = 1,
};

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define HWPT (self->rig.hwpt)
#define VA (self->rig.mem.va)

FIXTURE_SETUP(dirty_cuts)
{
	MAKE(dirty_rig_make(&self->rig, variant->kind, LENGTH, IOVA));
}

FIXTURE_TEARDOWN(dirty_cuts)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig.mock));
}

/*
 * Writes and reads
 */

/* A write, by which the page's whole entry becomes dirty */
#define WRITE(page)							\
do {									\
	const unsigned int _page = page;				\
									\
	ASSERT_EQ(0, dirty_rig_write(FD, HWPT,				\
				     IOVA + _page * SMALL_PAGE, 1));	\
	memset(self->dirty + _page / variant->entry * variant->entry, 1, \
	       variant->entry);						\
} while (0)

static int count_bits(const unsigned char *bits, unsigned int nr)
{
	unsigned int i;
	int count = 0;

	for (i = 0; i < nr; i++)
		count += bits[i / 8] >> (i % 8) & 1;
	return count;
}

/* Is bit i set for the pages from i * @step on if one of them is dirty? */
static bool bits_match(const unsigned char *bits, const bool *dirty,
		       unsigned int npages, unsigned int step)
{
	unsigned int i;

	for (i = 0; i < npages / step; i++) {
		if ((bits[i / 8] >> (i % 8) & 1) !=
		    !!memchr(dirty + i * step, 1, step))
			return false;
	}
	return true;
}

/* Reads @_npages pages from @_page on, with a bit for @_step pages. */
#define READ(flags, page, npages, step)					\
do {									\
	const unsigned int _page = page, _npages = npages, _step = step; \
	const __u32 _flags = flags;					\
									\
	memset(self->bits, 0, sizeof(self->bits));			\
	ASSERT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, _flags,		\
					   IOVA + _page * SMALL_PAGE,	\
					   _npages * SMALL_PAGE,	\
					   _step * SMALL_PAGE,		\
					   self->bits));		\
	ASSERT_TRUE(bits_match(self->bits, self->dirty + _page, _npages, \
			       _step))					\
		TH_LOG("%u pages from %u on, by %u", _npages, _page,	\
		       _step);						\
	if (!(_flags & NO_CLEAR))					\
		memset(self->dirty + _page, 0, _npages);		\
} while (0)

/*
 * Parts
 */

TEST_F(dirty_cuts, each_part_of_an_entry_is_told_to_who_reads_it)
{
	const bool huge = variant->entry > 1;

	WRITE(0);
	READ(0, 0, 64, 1);
	EXPECT_EQ(huge ? 64 : 1, count_bits(self->bits, 64));
	READ(0, 64, 192, 1);
	EXPECT_EQ(huge ? 192 : 0, count_bits(self->bits, 192));
	/* and then all of it is clean */
	READ(0, 0, NR_PAGES, 1);
	EXPECT_EQ(0, count_bits(self->bits, NR_PAGES));
}

TEST_F(dirty_cuts, reads_that_do_not_clear_find_the_rest_as_often_as_they_like)
{
	WRITE(300);
	READ(0, 290, 20, 1);
	READ(NO_CLEAR, 0, NR_PAGES, 1);
	READ(NO_CLEAR, 0, NR_PAGES, 8);
	READ(NO_CLEAR, 256, 34, 1);
	READ(0, 300, 100, 1);
	READ(NO_CLEAR, 0, NR_PAGES, 1);
	READ(0, 0, NR_PAGES, 1);
	READ(NO_CLEAR, 0, NR_PAGES, 1);
	EXPECT_EQ(0, count_bits(self->bits, NR_PAGES));
}

TEST_F(dirty_cuts, a_new_write_makes_all_of_the_entry_dirty_again)
{
	WRITE(0);
	READ(0, 0, 64, 1);
	WRITE(1);
	READ(0, 0, 64, 1);
	READ(0, 32, 64, 1);
	READ(0, 0, NR_PAGES, 1);
	READ(0, 0, NR_PAGES, 1);
}

TEST_F(dirty_cuts, enabling_forgets_what_was_not_read)
{
	WRITE(0);
	READ(0, 0, 64, 1);
	ASSERT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
	memset(self->dirty, 0, sizeof(self->dirty));
	READ(0, 0, NR_PAGES, 1);
	EXPECT_EQ(0, count_bits(self->bits, NR_PAGES));
}

TEST_F(dirty_cuts, disabling_forgets_nothing)
{
	WRITE(0);
	READ(0, 0, 64, 1);
	ASSERT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, 0));
	READ(0, 0, NR_PAGES, 1);
}

TEST_F(dirty_cuts, every_other_page_and_then_the_rest)
{
	unsigned int page;

	WRITE(0);
	WRITE(700);
	for (page = 1; page < NR_PAGES; page += 2)
		READ(0, page, 1, 1);
	READ(NO_CLEAR, 0, NR_PAGES, 1);
	for (page = 0; page < NR_PAGES; page += 4)
		READ(0, page, 1, 1);
	READ(0, 0, NR_PAGES, 1);
	READ(0, 0, NR_PAGES, 1);
	EXPECT_EQ(0, count_bits(self->bits, NR_PAGES));
}

#define RANDOM_ROUNDS affordable(2000)

TEST_F_TIMEOUT(dirty_cuts, random_reads_find_what_was_written_and_no_more, 60)
{
	__u32 state = chosen_seed(0x5eed);
	unsigned int round, i;

	TH_LOG("SEED=%u", state);
	for (round = 0; round < RANDOM_ROUNDS; round++) {
		unsigned int step = 1 << random_next(&state) % 6;
		unsigned int page = random_next(&state) % NR_PAGES;
		unsigned int npages = 1 + random_next(&state) %
					  (round % 8 ? 64 : NR_PAGES);

		for (i = random_next(&state) % 3; i; i--)
			WRITE(random_next(&state) % NR_PAGES);
		page -= page % step;
		npages += step - 1;
		npages -= npages % step;
		if (npages > NR_PAGES - page)
			npages = NR_PAGES - page;
		READ(random_next(&state) % 3 ? 0 : NO_CLEAR, page, npages,
		     step);
		if (!(random_next(&state) % 100)) {
			ASSERT_EQ(0, hwpt_set_dirty_tracking(FD, HWPT, ENABLE));
			memset(self->dirty, 0, sizeof(self->dirty));
		}
	}
	READ(0, 0, NR_PAGES, 1);
	READ(0, 0, NR_PAGES, 1);
}

/* Areas that follow one another, read across their ends */
TEST_F(dirty_cuts, parts_of_several_areas)
{
	const unsigned int quarter = NR_PAGES / 4;
	unsigned int i;

	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + i * LENGTH / 4,
					 LENGTH / 4, IOVA + i * LENGTH / 4));
	for (i = 0; i < 4; i++)
		WRITE(i * quarter);
	READ(0, quarter / 2, 2 * quarter, 1);
	READ(0, 2 * quarter, quarter, 2);
	READ(0, 0, NR_PAGES, 1);
	READ(0, 0, NR_PAGES, 1);
	EXPECT_EQ(0, count_bits(self->bits, NR_PAGES));
}

/*
 * Flushes
 */

#define WINDOWS_IOVA (IOVA + 64 * MIB)
#define WINDOWS_LENGTH (20 * MIB)

/*
 * With 1 byte a bit, the bits of no more than 16 MiB are pinned at once, which
 * is no whole number of large entries. Another reader may be told the rest of
 * the one that is cut before the call ends.
 */
TEST_F(dirty_cuts, what_another_may_be_told_is_flushed_before_the_end)
{
	const int nr_flushes = variant->entry > 1 ? 2 : 1;
	unsigned char *bitmap = anonymous(WINDOWS_LENGTH / 8);
	struct memory mem;
	long syncs;
	__u64 at;

	ASSERT_NE(NULL, bitmap);
	ASSERT_EQ(0, memory_alloc(&mem, variant->kind, WINDOWS_LENGTH));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va, WINDOWS_LENGTH,
				 WINDOWS_IOVA));
	for (at = 0; at < WINDOWS_LENGTH; at += MOCK_HUGE_PAGE_SIZE)
		ASSERT_EQ(0, dirty_rig_write(FD, HWPT, WINDOWS_IOVA + at, 1));
	syncs = mock_iotlb_syncs();
	if (syncs < 0)
		SKIP(return, "no debugfs");
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, WINDOWS_IOVA,
					   WINDOWS_LENGTH, 1, bitmap));
	EXPECT_EQ(syncs + nr_flushes, mock_iotlb_syncs());
}

/* With 64 bytes a bit, a page of bitmap is for half of the memory. */
TEST_F(dirty_cuts, what_was_cleaned_is_flushed_although_the_rest_fails)
{
	unsigned char *bitmap = anonymous(2 * SMALL_PAGE);
	long syncs;

	ASSERT_NE(NULL, bitmap);
	ASSERT_EQ(0, mprotect(bitmap + SMALL_PAGE, SMALL_PAGE, PROT_NONE));
	WRITE(0);
	syncs = mock_iotlb_syncs();
	if (syncs < 0)
		SKIP(return, "no debugfs");
	EXPECT_EQ(-EFAULT, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, LENGTH, 64,
						 bitmap));
	EXPECT_TRUE(memory_is(bitmap, 0xff,
			      variant->entry * SMALL_PAGE / 64 / 8));
	EXPECT_EQ(syncs + 1, mock_iotlb_syncs());
}

/*
 * Failures
 */

/* With 1 byte a bit, a page of bitmap is for 8 pages of memory. */
TEST_F(dirty_cuts, what_has_no_bitmap_is_told_once_there_is_one)
{
	const size_t size = 8 * SMALL_PAGE;
	const __u64 length = 8 * size;
	unsigned char *bitmap = anonymous(size);
	unsigned char *end = bitmap + size - SMALL_PAGE;

	if (variant->entry < 2 * length / SMALL_PAGE)
		SKIP(return, "entries are too small");
	ASSERT_NE(NULL, bitmap);
	WRITE(0);
	ASSERT_EQ(0, mprotect(end, SMALL_PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, length, 1,
						 bitmap));
	EXPECT_TRUE(memory_is(bitmap, 0xff, size - SMALL_PAGE));

	ASSERT_EQ(0, mprotect(end, SMALL_PAGE, PROT_READ | PROT_WRITE));
	memset(bitmap, 0, size);
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA, length, 1,
					   bitmap));
	EXPECT_TRUE(memory_is(bitmap, 0, size - SMALL_PAGE));
	EXPECT_TRUE(memory_is(end, 0xff, SMALL_PAGE));
	memset(self->dirty, 0, length / SMALL_PAGE);
	READ(0, 0, NR_PAGES, 1);
	READ(0, 0, NR_PAGES, 1);
	munmap(bitmap, size);
}

#define MAX_TRIES 200

TEST_F_TIMEOUT(dirty_cuts, a_part_whose_reading_fails_stays_dirty, 60)
{
	int fail_nth = fail_nth_open(), nth = 0, nr_errors = 0, rc;
	struct own_errors own = OWN_ERRORS(-ENOENT);
	bool failed = true;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	while (failed && ++nth < MAX_TRIES) {
		/* the first of what lets the next fail */
		WRITE(0);
		memset(self->bits, 0, sizeof(self->bits));
		fail_nth_set(fail_nth, nth);
		rc = hwpt_get_dirty_bitmap(FD, HWPT, 0, IOVA + 7 * SMALL_PAGE,
					   9 * SMALL_PAGE, SMALL_PAGE,
					   self->bits);
		failed = fail_nth_happened(fail_nth);
		if (rc) {
			nr_errors++;
			ASSERT_TRUE(failed && is_injected_failure(rc, &own))
				TH_LOG("%d: %d", nth, rc);
		} else {
			EXPECT_TRUE(bits_match(self->bits, self->dirty + 7, 9,
					       1));
			memset(self->dirty + 7, 0, 9);
		}
		READ(0, 0, NR_PAGES, 1);
	}
	EXPECT_FALSE(failed);
	EXPECT_EQ(0, own_error_missed(&own));
	EXPECT_LT(0, nr_errors);
	close(fail_nth);
}

/*
 * Memory that goes
 */

TEST_F(dirty_cuts, nothing_is_told_of_what_is_not_mapped_any_more)
{
	WRITE(0);
	READ(0, 8, 8, 1);
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	memset(self->dirty, 0, sizeof(self->dirty));
	READ(NO_CLEAR, 0, NR_PAGES, 1);
	/* also if something else is mapped behind it, so that it is looked at */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH / 2,
				 IOVA + LENGTH / 2));
	READ(NO_CLEAR, 0, NR_PAGES, 1);
	READ(0, 0, NR_PAGES, 1);
}

#define NR_MAPS 2400
#define KEPT_AT_MOST ((long)(64 * KIB))	/* fewer than before are few, too */
#define SETTLES_SECONDS 20

/*
 * What is freed after a grace period, and what a CPU has not told its control
 * group yet, is there a while longer; what is remembered stays.
 */
static long slab_kept(const struct kernel_memory *before)
{
	const unsigned int tries = patience(SETTLES_SECONDS) * 10;
	struct kernel_memory now;
	unsigned int i;

	for (i = 0; i < tries; i++) {
		if (kernel_memory_get(&now))
			return LONG_MAX;
		if (now.slab - before->slab < KEPT_AT_MOST)
			break;
		usleep(100000);
	}
	return now.slab - before->slab;
}

/* Each of them would be remembered by 64 bytes twice. */
TEST_F_TIMEOUT(dirty_cuts, what_is_remembered_of_unmapped_memory_is_limited,
	       300)
{
	const __u64 size = MOCK_HUGE_PAGE_SIZE;
	struct kernel_memory before;
	unsigned char bits;
	unsigned int i;
	long kept;

	if (variant->entry == 1)
		SKIP(return, "entries are too small");
	if (memory_group_enter())
		SKIP(return, "no control groups");
	for (i = 0; i < NR_MAPS; i++) {
		__u64 iova = 4 * GIB + 2 * i * size;

		if (i == NR_MAPS / 6)
			ASSERT_EQ(0, kernel_memory_get(&before));
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, size, iova));
		ASSERT_EQ(0, dirty_rig_write(FD, HWPT, iova, 1));
		ASSERT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0,
						   iova + 8 * SMALL_PAGE,
						   8 * SMALL_PAGE, SMALL_PAGE,
						   &bits));
		EXPECT_EQ(0xff, bits);
		ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, size, NULL));
	}
	kept = slab_kept(&before);
	EXPECT_GT(KEPT_AT_MOST, kept)
		TH_LOG("%ld", kept);
	memory_group_leave();
}

/*
 * Threads
 */

#define NR_HALVES 2
#define HALVES_ROUNDS affordable(500)

struct half {
	struct thread_call call;
	int iommufd;
	__u32 hwpt;
	__u64 iova;
	__u64 length;
	unsigned char bits[NR_PAGES / 8];
	pthread_barrier_t *barrier;
};

static int read_halves(void *data)
{
	struct half *half = data;
	int rc, failed = 0;
	unsigned int i;

	for (i = 0; i < HALVES_ROUNDS; i++) {
		pthread_barrier_wait(half->barrier);
		rc = hwpt_get_dirty_bitmap(half->iommufd, half->hwpt, 0,
					   half->iova, half->length, SMALL_PAGE,
					   half->bits);
		if (rc)
			failed = rc;
		pthread_barrier_wait(half->barrier);
	}
	return failed;
}

/* Each reads once after the write, as at the end of a migration. */
TEST_F_TIMEOUT(dirty_cuts, two_who_read_a_half_each_find_all_between_them, 60)
{
	const unsigned int npages = variant->entry > 1 ? variant->entry / 2 : 2;
	struct half halves[NR_HALVES];
	pthread_barrier_t barrier;
	unsigned int i, round;
	int rc = 0, missed = 0;

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, NR_HALVES + 1));
	for (i = 0; i < NR_HALVES; i++) {
		halves[i] = (struct half){
			.iommufd = FD,
			.hwpt = HWPT,
			.iova = IOVA + i * npages * SMALL_PAGE,
			.length = npages * SMALL_PAGE,
			.barrier = &barrier,
		};
		ASSERT_EQ(0, thread_call_start(&halves[i].call, read_halves,
					       &halves[i]));
	}
	for (round = 0; round < HALVES_ROUNDS; round++) {
		rc = rc ?: dirty_rig_write(FD, HWPT, IOVA,
					   variant->entry > 1 ? 1 : 4);
		for (i = 0; i < NR_HALVES; i++)
			memset(halves[i].bits, 0, sizeof(halves[i].bits));
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		for (i = 0; i < NR_HALVES; i++)
			missed += npages - count_bits(halves[i].bits, npages);
	}
	for (i = 0; i < NR_HALVES; i++)
		EXPECT_EQ(0, thread_call_end(&halves[i].call));
	EXPECT_EQ(0, rc);
	EXPECT_EQ(0, missed);
}

TEST_HARNESS_MAIN
