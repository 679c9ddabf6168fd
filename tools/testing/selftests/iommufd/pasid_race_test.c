// SPDX-License-Identifier: GPL-2.0-only
/*
 * PASIDs that several threads choose, attach, move and detach at the same time,
 * on devices of the kernel's test device
 */
#include <stdatomic.h>
#include <stdint.h>

#include "kselftest_harness.h"
#include "pasid_fixture.h"
#include "test_support.h"
#include "threads.h"

#define NR_THREADS 4
#define NR_ROUNDS 200
#define TIMEOUT 120

struct worker {
	struct thread_call call;
	int iommufd;
	const struct mock_device *dev;
	__u32 pasid;
	__u32 pts[2];
	__u32 seed;
	struct goal *goals;
};

static void start(struct __test_metadata *_metadata, struct worker *workers,
		  const struct worker *model, int (*run)(void *))
{
	int i;

	for (i = 0; i != NR_THREADS; i++) {
		workers[i] = *model;
		workers[i].pasid = i + 1;
		ASSERT_EQ(0, thread_call_start(&workers[i].call, run,
					       &workers[i]));
	}
}

static void finish(struct __test_metadata *_metadata, struct worker *workers)
{
	int i;

	for (i = 0; i != NR_THREADS; i++)
		EXPECT_EQ(0, thread_call_end(&workers[i].call));
}

static int work(void *argument)
{
	struct worker *worker = argument;
	int iommufd = worker->iommufd, i, rc = 0;

	for (i = 0; i != NR_ROUNDS && !rc; i++) {
		rc = pasid_attach(iommufd, worker->dev, worker->pasid,
				  worker->pts[i % 2]);
		if (!rc)
			rc = pasid_replace(iommufd, worker->dev, worker->pasid,
					   worker->pts[(i + 1) % 2]);
		if (!rc)
			rc = mock_pasid_detach(iommufd, worker->dev->stdev,
					       worker->pasid);
	}
	return rc;
}

TEST_F(pasid, attached_moved_and_detached_beside_others)
{
	const struct worker model = {
		.iommufd = FD,
		.dev = &DEV,
		.pts = { TABLES.capable, TABLES.other },
	};
	struct worker workers[NR_THREADS];
	int i;

	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	start(_metadata, workers, &model, work);
	for (i = 0; i != NR_ROUNDS; i++) {
		__u32 ioas = i % 2 ? IOAS : OTHER;

		ASSERT_EQ(0, ioas_map_at(FD, ioas, VA, LENGTH, IOVA));
		ASSERT_EQ(0, REPLACE(0, i % 2 ? TABLES.other : TABLES.capable));
		ASSERT_EQ(0, ioas_unmap(FD, ioas, IOVA, LENGTH, NULL));
	}
	finish(_metadata, workers);
	for (i = 0; i != NR_THREADS; i++)
		EXPECT_TRUE(IS_ON(workers[i].pasid, 0));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.capable));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.other));
}

/* What the kernel chooses is nobody else's until it is destroyed. */
static atomic_int owners[NR_THREADS * 2 + 1];

static int choose(void *argument)
{
	const __u32 last = ARRAY_SIZE(owners) - 1;
	struct worker *worker = argument;
	const __u32 *pts = worker->pts;
	int iommufd = worker->iommufd, i, pasid, rc = 0;
	__u32 random = seed_of_part(worker->seed, worker->pasid), id = 0;

	for (i = 0; i != NR_ROUNDS && !rc; i++) {
		pasid = pasid_alloc_between(iommufd, worker->dev->idev, 0, last,
					    &id);
		if (pasid < 0) {
			rc = pasid;
			break;
		}
		if (atomic_fetch_add(&owners[pasid], 1))
			rc = -EEXIST;
		if (!rc && random_next(&random) % 2) {
			rc = pasid_attach(iommufd, worker->dev, pasid,
					  pts[random_next(&random) % 2]);
			if (!rc && iommufd_destroy(iommufd, id) != -EBUSY)
				rc = -EBADF;
			if (!rc)
				rc = mock_pasid_detach(iommufd,
						       worker->dev->stdev,
						       pasid);
		}
		atomic_fetch_sub(&owners[pasid], 1);
		if (!rc)
			rc = iommufd_destroy(iommufd, id);
	}
	return rc;
}

TEST_F(pasid, chosen_by_several_at_once)
{
	const struct worker model = {
		.iommufd = FD,
		.dev = &DEV,
		.pts = { TABLES.capable, IOAS },
		.seed = chosen_seed(1),
	};
	struct worker workers[NR_THREADS];
	__u32 pasid, id;
	int i;

	TH_LOG("SEED=%u", model.seed);
	ASSERT_EQ(0, ALLOC(&pasid, &id));
	ASSERT_EQ(0, REPLACE(0, IOAS));
	start(_metadata, workers, &model, choose);
	finish(_metadata, workers);
	/* all are back */
	for (i = 1; i != ARRAY_SIZE(owners) - 1; i++) {
		ASSERT_EQ(0, ALLOC(&pasid, &id));
		EXPECT_EQ(i + 1, pasid);
	}
}

/*
 * Nobody knows what the others have made of a PASID or an ID, and devices come
 * and go. The file may be closed in the middle of it all.
 */
enum {
	ALLOCATED,
	DESTROYED,
	ATTACHED,
	DETACHED,
	REPLACED,
	PLUGGED,
	NR_GOALS,
};

static int scramble(void *argument)
{
	struct worker *worker = argument;
	int iommufd = worker->iommufd;
	__u32 random = seed_of_part(worker->seed, worker->pasid), id = 0;

	for (;;) {
		const __u32 pasid = random_next(&random) % 4 + 1;
		struct mock_device dev = *worker->dev;
		int goal, rc;

		switch (random_next(&random) % 8) {
		case 0:
		case 1:
			rc = pasid_alloc_between(iommufd, dev.idev, 0, 4, &id);
			goal = ALLOCATED;
			break;
		case 2:
			rc = iommufd_destroy(iommufd, id);
			goal = DESTROYED;
			break;
		case 3:
		case 4:
			rc = pasid_attach(iommufd, &dev, pasid,
					  worker->pts[pasid % 2]);
			goal = ATTACHED;
			break;
		case 5:
			rc = mock_pasid_detach(iommufd, dev.stdev, pasid);
			goal = DETACHED;
			break;
		case 6:
			rc = pasid_replace(iommufd, &dev,
					   random_next(&random) % 5,
					   worker->pts[pasid % 2]);
			goal = REPLACED;
			break;
		default:
			/* not those in use by other threads as anything else */
			if (random_next(&random) % 16)
				continue;
			rc = mock_destroy(iommufd, &dev);
			/* its ID may be one that was another thread's before */
			if (!rc || rc == -ENOENT)
				rc = mock_domain_flags(iommufd, worker->pts[1],
						       MOCK_FLAGS_DEVICE_PASID,
						       &dev);
			if (!rc)
				*(struct mock_device *)worker->dev = dev;
			goal = PLUGGED;
		}
		if (rc == -EBADF)
			return 0;
		if (rc >= 0)
			goal_count(&worker->goals[goal]);
	}
}

#define NR_SCRAMBLES 10

TEST_F_TIMEOUT(pasid, survives_what_threads_do_to_each_other, TIMEOUT)
{
	const __u32 seed = chosen_seed(1);
	struct worker workers[NR_THREADS];
	const struct goal *missed;
	const struct crowd nobody = {};
	int round;

	TH_LOG("SEED=%u", seed);
	for (round = 0; round != NR_SCRAMBLES; round++) {
		struct goal goals[NR_GOALS] = {
			[ALLOCATED] = { "allocated", 10 },
			[DESTROYED] = { "destroyed", 10 },
			[ATTACHED] = { "attached", 10 },
			[DETACHED] = { "detached", 10 },
			[REPLACED] = { "replaced", 10 },
			[PLUGGED] = { "plugged", 1 },
		};
		struct mock_device dev;
		struct worker model = {
			.dev = &dev,
			.seed = seed_of_part(seed, round),
			.goals = goals,
		};

		model.iommufd = iommufd_open();
		ASSERT_LE(0, model.iommufd);
		ASSERT_EQ(0, ioas_alloc(model.iommufd, &model.pts[1]));
		ASSERT_EQ(0, mock_domain_flags(model.iommufd, model.pts[1],
					       MOCK_FLAGS_DEVICE_PASID, &dev));
		ASSERT_EQ(0, hwpt_alloc(model.iommufd, dev.idev, model.pts[1],
					IOMMU_HWPT_ALLOC_PASID,
					&model.pts[0]));
		start(_metadata, workers, &model, scramble);
		missed = crowd_reach(&nobody, goals, NR_GOALS);
		EXPECT_EQ(NULL, missed)
			TH_LOG("too few: %s: %lu", missed->what, missed->times);
		ASSERT_EQ(0, close(model.iommufd));
		finish(_metadata, workers);
	}
	/* and nothing is left of it for others */
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
}

TEST_HARNESS_MAIN
