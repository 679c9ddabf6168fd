// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_CHANGE_PROCESS while threads map, copy and unmap, and a device
 * moves: no charge is lost.
 *
 *   SEED=n   of what the threads choose
 */
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "mock_rig.h"
#include "takeover_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA TAKEOVER_IOVA
/* Of a test, in seconds, on a slow machine */
#define TIMEOUT 120

#define SLOTS 16
/* more than what is pinned before it is charged */
#define SLOT_BYTES (32 * SMALL_PAGE)

enum {
	TAKEN,			/* by one or the other process */
	FILES,
	COPIES,
	OWN_MEMORY,
	DEVICE,
	NR_GOALS,
};

/* What all threads share */
FIXTURE(busy)
{
	struct crowd crowd;
	struct mock_rig rig;
	__u32 second;
	int file;
	char *va;
	struct goal goals[NR_GOALS];
	__u32 seed;
	int unexpected;
	struct other other;
};

#define BUSY FIXTURE_DATA(busy)

FIXTURE_VARIANT(busy)
{
	enum account account;
};

FIXTURE_VARIANT_ADD(busy, with_nobodys_charges) { .account = NOBODY };
FIXTURE_VARIANT_ADD(busy, with_users_charges) { .account = BY_USER };
FIXTURE_VARIANT_ADD(busy, with_processes_charges) { .account = BY_PROCESS };

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define SPACE ((struct space){ FD, IOAS })
#define ASK(step) ask_other(&self->other, step, 0)

FIXTURE_SETUP(busy)
{
	unsigned int user = 60000 + 2 * getpid();

	MAKE(mock_rig_make(&self->rig));
	if (variant->account == BY_PROCESS) {
		/* it is the file's, as long as it has no object */
		ASSERT_EQ(0, iommufd_destroy(FD, IOAS));
		ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE, 0,
						1));
		ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	}
	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, ioas_alloc(FD, &self->second));
	self->va = address_room(SLOT_BYTES, SLOT_BYTES);
	ASSERT_NE(NULL, self->va);
	self->file = memfd_alloc(SLOTS * SLOT_BYTES, false);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, start_other(&self->other, SPACE, self->file,
				 variant->account, user + 1));
	/* for some of it: now and then somebody is refused */
	ASSERT_EQ(0, limit_memlock(SLOTS / 2 * SLOT_BYTES));
	if (variant->account != NOBODY)
		ASSERT_EQ(0, become_user(user));
}

FIXTURE_TEARDOWN(busy)
{
	EXPECT_EQ(0, end_other(&self->other));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

static bool is_one_of(int rc, const int *allowed)
{
	if (!rc)
		return true;
	for (; *allowed; allowed++)
		if (rc == -*allowed)
			return true;
	return false;
}

static int expect(BUSY *self, int rc, const int *allowed)
{
	if (!is_one_of(rc, allowed))
		self->unexpected = rc;
	return rc;
}

#define MAY_FAIL(self, rc, ...) \
	expect(self, rc, (const int[]){ __VA_ARGS__, 0 })

static __u64 slot(__u32 random)
{
	return IOVA + random % SLOTS * SLOT_BYTES;
}

static int map_files(void *data)
{
	BUSY *self = data;
	__u32 random = seed_of_part(self->seed, FILES);
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		__u64 iova = slot(random_next(&random));

		rc = ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, self->file,
				   iova - IOVA, SLOT_BYTES, &iova);
		if (!MAY_FAIL(self, rc, EEXIST, ENOMEM))
			goal_count(&self->goals[FILES]);
		rc = ioas_unmap(FD, IOAS, slot(random_next(&random)),
				SLOT_BYTES, NULL);
		MAY_FAIL(self, rc, ENOENT, EBUSY);
	}
	return 0;
}

static int copy_files(void *data)
{
	BUSY *self = data;
	__u32 random = seed_of_part(self->seed, COPIES);
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		__u64 from = slot(random_next(&random));
		__u64 copy = slot(random_next(&random)) + 64 * MIB;

		rc = ioas_copy(FD, MAP_RW | MAP_AT, self->second, IOAS,
			       from + SMALL_PAGE, 2 * SMALL_PAGE, &copy);
		if (!MAY_FAIL(self, rc, ENOENT, EEXIST, ENOMEM))
			goal_count(&self->goals[COPIES]);
		copy = slot(random_next(&random)) + 64 * MIB;
		rc = ioas_unmap(FD, self->second, copy, SLOT_BYTES, NULL);
		MAY_FAIL(self, rc, ENOENT, EBUSY);
	}
	return 0;
}

/* Now and then: as long as it is there, nothing can be taken over. */
static int map_own_memory(void *data)
{
	const __u64 iova = IOVA + 128 * MIB;
	BUSY *self = data;
	unsigned long next = 1;
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		if (__atomic_load_n(&self->goals[TAKEN].times,
				    __ATOMIC_RELAXED) < next) {
			usleep(1000);
			continue;
		}
		next += 4;
		rc = ioas_map_at(FD, IOAS, self->va, SLOT_BYTES, iova);
		if (!MAY_FAIL(self, rc, ENOMEM))
			goal_count(&self->goals[OWN_MEMORY]);
		rc = ioas_unmap(FD, IOAS, iova, SLOT_BYTES, NULL);
		MAY_FAIL(self, rc, ENOENT);
	}
	return 0;
}

static int move_device(void *data)
{
	BUSY *self = data;
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		__u32 first = IOAS, second = self->second;

		rc = mock_domain_replace(FD, DEV.stdev, &second);
		if (!MAY_FAIL(self, rc, ENOMEM))
			goal_count(&self->goals[DEVICE]);
		rc = mock_domain_replace(FD, DEV.stdev, &first);
		MAY_FAIL(self, rc, ENOMEM);
	}
	return 0;
}

/* One process, and the other, by turns */
static int take_over(void *data)
{
	BUSY *self = data;
	bool ours = false;
	int rc;

	while (!crowd_is_over(&self->crowd)) {
		rc = ours ? ioas_change_process(FD) : ASK(CHANGE_PROCESS);
		if (!MAY_FAIL(self, rc, EBUSY, EINVAL, ENOMEM))
			goal_count(&self->goals[TAKEN]);
		ours = !ours;
	}
	return 0;
}

static int (*const workers[])(void *data) = {
	map_files, copy_files, map_own_memory, move_device, take_over,
};

TEST_F_TIMEOUT(busy, context_loses_no_charge, TIMEOUT)
{
	static const struct goal goals[NR_GOALS] = {
		[TAKEN] = { "changes of process", 10 },
		[FILES] = { "files", 50 },
		[COPIES] = { "copies", 10 },
		[OWN_MEMORY] = { "own memory", 2 },
		[DEVICE] = { "moves of the device", 10 },
	};
	const struct goal *missed;
	__u32 ioas = IOAS;
	size_t i;

	memcpy(self->goals, goals, sizeof(goals));
	self->seed = chosen_seed(1);
	TH_LOG("SEED=%u", self->seed);
	for (i = 0; i < ARRAY_SIZE(workers); i++)
		ASSERT_EQ(0, crowd_add(&self->crowd, workers[i], self));
	missed = crowd_reach(&self->crowd, self->goals, NR_GOALS);
	ASSERT_EQ(0, crowd_end(&self->crowd));
	for (i = 0; i < NR_GOALS; i++)
		TH_LOG("%s: %lu", self->goals[i].what, self->goals[i].times);
	EXPECT_EQ(NULL, missed) TH_LOG("too few: %s", missed->what);
	EXPECT_EQ(0, self->unexpected);

	/* what is left is all of one process, and goes away with the maps */
	ASSERT_EQ(0, ioas_unmap_all(FD, self->second, NULL));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev,
					 &ioas));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
	EXPECT_EQ(0, ASK(PINNED));
	EXPECT_EQ(0, ASK(LOCKED));
	ASSERT_EQ(0, map_file(SPACE, self->file, 0, 4 * SLOT_BYTES, IOVA));
	EXPECT_EQ(0, ASK(CHANGE_PROCESS));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(4 * SLOT_BYTES, ASK(PINNED));
	EXPECT_EQ(locked_of(variant->account, 4 * SLOT_BYTES), ASK(LOCKED));
}

TEST_HARNESS_MAIN
