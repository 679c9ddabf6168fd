// SPDX-License-Identifier: GPL-2.0-only
/*
 * What devices of the kernel's test device share: those of an iommu_group all
 * that is attached, others the automatic page tables of an IOAS.
 */
#include <stdatomic.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)

/*
 * Devices of one iommu_group
 */

FIXTURE(together)
{
	struct mock_rig rig;	/* its device can have PASIDs */
};

FIXTURE_SETUP(together)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, MOCK_FLAGS_DEVICE_PASID));
}

FIXTURE_TEARDOWN(together)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

/* By the ID of a page table, and by that of an IOAS */
TEST_F(together, are_not_moved_by_one_that_is_not_attached)
{
	struct mock_device other;
	__u32 ioas, hwpt, pt = IOAS;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &hwpt));
	ASSERT_EQ(0, mock_domain_joined(FD, IOAS, 0, &other));
	EXPECT_EQ(DEV.hwpt, other.hwpt);
	ASSERT_EQ(0, mock_pasid_detach(FD, other.stdev, 0));
	EXPECT_EQ(-EINVAL, mock_move(FD, &other, hwpt));
	EXPECT_EQ(-EINVAL, mock_move(FD, &other, DEV.hwpt));
	EXPECT_EQ(-EINVAL, mock_move(FD, &other, IOAS));
	EXPECT_EQ(-EINVAL, mock_move(FD, &other, ioas));
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, DEV.hwpt));

	ASSERT_EQ(0, mock_pasid_attach(FD, other.stdev, 0, &pt));
	EXPECT_EQ(DEV.hwpt, pt);
	ASSERT_EQ(0, mock_move(FD, &other, hwpt));
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, hwpt));
}

TEST_F(together, keep_the_pasids_that_were_chosen_for_them)
{
	struct mock_device other;
	__u32 pasid, id, id_of_other;

	ASSERT_EQ(0, mock_domain_joined(FD, IOAS, MOCK_FLAGS_DEVICE_PASID,
					&other));
	ASSERT_EQ(0, pasid_alloc(FD, DEV.idev, &pasid, &id));
	EXPECT_EQ(1, pasid);
	ASSERT_EQ(0, pasid_alloc(FD, other.idev, &pasid, &id_of_other));
	EXPECT_EQ(2, pasid);
	ASSERT_EQ(0, mock_destroy(FD, &other));
	EXPECT_EQ(0, iommufd_destroy(FD, id_of_other));

	/* that of the other one is free, and no more */
	ASSERT_EQ(0, pasid_alloc(FD, DEV.idev, &pasid, &id_of_other));
	EXPECT_EQ(2, pasid);
	ASSERT_EQ(0, iommufd_destroy(FD, id));
	ASSERT_EQ(0, pasid_alloc(FD, DEV.idev, &pasid, &id));
	EXPECT_EQ(1, pasid);
}

TEST_F(together, have_no_pasid_that_one_of_them_lacks)
{
	struct mock_device plain;
	__u32 pasid, id, pt = DEV.hwpt;

	ASSERT_EQ(0, mock_domain_joined(FD, IOAS, 0, &plain));
	EXPECT_EQ(-EOPNOTSUPP, pasid_alloc(FD, DEV.idev, &pasid, &id));
	EXPECT_EQ(-EOPNOTSUPP, pasid_alloc(FD, plain.idev, &pasid, &id));
	EXPECT_EQ(-EINVAL, mock_pasid_attach(FD, DEV.stdev, 1, &pt));
	ASSERT_EQ(0, mock_destroy(FD, &plain));
	ASSERT_EQ(0, pasid_alloc(FD, DEV.idev, &pasid, &id));
	EXPECT_EQ(1, pasid);
}

/*
 * Automatic page tables, which vanish with the last device on them
 */

/* As often as the threads may try to meet, which they do in a part of that */
#define MAX_ROUNDS 5000

enum {
	ROUNDS,
	REFUSED,
	TOO_LATE,
	NR_GOALS,
};

struct arena {
	struct crowd crowd;
	int iommufd;
	__u32 ioas;
	atomic_uint hwpt;	/* an automatic one, that may be gone */
	struct goal goals[NR_GOALS];
};

struct worker {
	struct arena *arena;
	struct mock_device dev;
};

/* The device is on it alone, or not: one in a few vanishes. */
static int come_and_go(void *argument)
{
	struct worker *worker = argument;
	struct arena *arena = worker->arena;
	const __u32 stdev = worker->dev.stdev;
	int i, rc;

	for (i = 0; i != MAX_ROUNDS && !crowd_is_over(&arena->crowd); i++) {
		__u32 pt = arena->ioas;

		rc = mock_pasid_attach(arena->iommufd, stdev, 0, &pt);
		if (rc)
			return rc;
		arena->hwpt = pt;
		rc = mock_pasid_detach(arena->iommufd, stdev, 0);
		if (rc)
			return rc;
		goal_count(&arena->goals[ROUNDS]);
	}
	return 0;
}

/* Why was the last call of this thread refused? */
static __u32 last_why(int iommufd)
{
	struct iommu_refusal refusals[REFUSALS_KEPT];
	__u32 nr = REFUSALS_KEPT;

	if (refusals_get(iommufd, 0, refusals, &nr))
		return IOMMU_WHY_ELSEWHERE;
	while (nr--)
		if (refusals[nr].thread == (__u32)gettid())
			return refusals[nr].why;
	return IOMMU_WHY_ELSEWHERE;
}

/*
 * The device is on another page table, which it must leave first: so it is
 * refused, and holds the one that is about to vanish no longer than that takes.
 */
static int try_to_come(void *argument)
{
	struct worker *worker = argument;
	struct arena *arena = worker->arena;
	int rc;

	while (!crowd_is_over(&arena->crowd)) {
		__u32 pt = arena->hwpt;

		rc = mock_pasid_attach(arena->iommufd, worker->dev.stdev, 0,
				       &pt);
		if (rc == -EINVAL)
			goal_count(&arena->goals[REFUSED]);
		else if (rc != -ENOENT)
			return rc ? rc : -EEXIST;
		else if (last_why(arena->iommufd) == IOMMU_WHY_HWPT_GOING)
			goal_count(&arena->goals[TOO_LATE]);
	}
	return 0;
}

FIXTURE(automatic)
{
	struct mock_rig rig;
};

FIXTURE_SETUP(automatic)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
}

FIXTURE_TEARDOWN(automatic)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

TEST_F_TIMEOUT(automatic, page_table_vanishes_while_others_come_to_it, 120)
{
	static int (*const runs[])(void *) = {
		come_and_go, come_and_go, try_to_come, try_to_come,
	};
	struct worker workers[ARRAY_SIZE(runs)];
	struct arena arena = {
		.iommufd = FD,
		.ioas = IOAS,
		.hwpt = DEV.hwpt,
		.goals = {
			{ "rounds", affordable(1000) }, { "refused", 100 },
			{ "too late", 3 },
		},
	};
	const struct goal *missed;
	__u32 own, first;
	size_t i;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &own));
	ASSERT_EQ(0, mock_pasid_detach(FD, DEV.stdev, 0));
	for (i = 0; i != ARRAY_SIZE(runs); i++) {
		workers[i].arena = &arena;
		ASSERT_EQ(0, mock_domain(FD, own, &workers[i].dev));
		if (runs[i] == come_and_go)
			ASSERT_EQ(0, mock_pasid_detach(FD, workers[i].dev.stdev,
						       0));
	}
	first = next_id(FD);
	for (i = 0; i != ARRAY_SIZE(runs); i++)
		ASSERT_EQ(0, crowd_add(&arena.crowd, runs[i], &workers[i]));
	missed = crowd_reach(&arena.crowd, arena.goals, NR_GOALS);
	EXPECT_EQ(0, crowd_end(&arena.crowd));
	for (i = 0; i != NR_GOALS; i++)
		TH_LOG("%s: %lu", arena.goals[i].what, arena.goals[i].times);
	EXPECT_EQ(NULL, missed) TH_LOG("too few: %s", missed->what);
	/* all of them are gone */
	EXPECT_EQ(first, next_id(FD));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, arena.hwpt));
}

TEST_HARNESS_MAIN
