// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking that is disturbed, on page tables of the kernel's test device:
 * memory is taken back, that of the bitmap lets a reader wait, a call fails,
 * threads change all that there is.
 */
#include <fcntl.h>
#include <signal.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "dirty_fixture.h"
#include "fail_nth.h"
#include "late_page.h"
#include "test_support.h"
#include "threads.h"

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
	ASSERT_EQ(0, WRITE_PAGE(far + SMALL_PAGE));
	EXPECT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, 0, far, 4 * SMALL_PAGE,
					   SMALL_PAGE, &bits));
	EXPECT_EQ(1, bits >> 1 & 1);
	ASSERT_EQ(0, WRITE_PAGE(far + SMALL_PAGE));
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
	dirty_model_written(&self->model, self->model.expected, IOVA, LENGTH,
			    SMALL_PAGE);
	EXPECT_EQ(0, memcmp(bits, self->model.expected, MODEL_PAGES / 8));
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
	pid_t child;
	char byte;
	int told;

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	child = fork_with_pipe(&told);
	ASSERT_LE(0, child);
	if (!child)
		wait_for_good(FD, HWPT, told);
	ASSERT_EQ(1, read(told, &byte, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(-EINTR, child_status(child));
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
		struct own_errors own = OWN_ERRORS(-ENOENT);
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
			ASSERT_TRUE(failed && is_injected_failure(rc, &own))
				TH_LOG("%s, %d: %d", operations[i].name, nth,
				       rc);
			/* nothing was read; tracking is on as before */
			FORGET_ROOM();
			EXPECT_DIRTY(0, IOVA, LENGTH, SMALL_PAGE, 0);
			EXPECT_EQ(0, WRITE_PAGE(IOVA));
		}
		EXPECT_FALSE(failed);
		EXPECT_EQ(0, own_error_missed(&own));
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
	unsigned char marks[MODEL_PAGES / 8];
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
	__u64 bits[MODEL_PAGES / 64];
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
	__u64 bits[MODEL_PAGES / 64];
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
