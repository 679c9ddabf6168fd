// SPDX-License-Identifier: GPL-2.0-only
/*
 * PASIDs that several threads choose, attach, move and detach at the same time,
 * on devices of the kernel's test device
 *
 *   SEED=n   of what the threads choose
 */
#include <stdatomic.h>
#include <stdint.h>

#include "kselftest_harness.h"
#include "pasid_fixture.h"
#include "test_support.h"
#include "threads.h"

#define NR_THREADS 4
#define NR_ROUNDS affordable(200)
#define TIMEOUT 120

struct worker {
	struct thread_call call;
	int iommufd;
	const struct mock_device *dev;
	__u32 pasid;
	__u32 pts[2];
	__u32 seed;
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
 * and go. The file is closed in the middle of it all.
 */
enum {
	ALLOCATED,
	DESTROYED,
	ATTACHED,
	DETACHED,
	REPLACED,
	PLUGGED,
	NR_STEPS,
};

/* Of each step; then */
enum {
	GOAL_THREAD = NR_STEPS,	/* calls that worked, of each thread */
	NR_GOALS = GOAL_THREAD + NR_THREADS,
};

struct scrambler {
	struct scramble *shared;
	__u32 random;
	__u32 id;		/* of the last PASID that was chosen */
	struct goal *goal;	/* its own */
	int unexpected;
	int culprit;		/* the step that gave it */
};

struct scramble {
	struct crowd crowd;
	int iommufd;
	bool closed;
	__u32 pts[2];
	struct mock_device dev;	/* the last one, written by any thread */
	struct goal goals[NR_GOALS];
};

/*
 * ENOENT: the device or the PASID is gone, or its ID is that of something else.
 * Then a thread destroys what it has not made, which may be in use.
 */
static const int scramble_errors[NR_STEPS][4] = {
	[ALLOCATED] = { ENOENT, ENOSPC },
	[DESTROYED] = { ENOENT, EBUSY },
	/* it is already, another is, or the one without a PASID does not suit */
	[ATTACHED] = { ENOENT, EBUSY, EINVAL },
	[DETACHED] = { ENOENT },
	/* nothing is attached, or it does not suit what else is */
	[REPLACED] = { ENOENT, EINVAL },
	[PLUGGED] = { ENOENT, EBUSY },
};

static bool is_scramble_error(int step, int rc)
{
	const int *errors = scramble_errors[step];
	size_t i;

	for (i = 0; i != ARRAY_SIZE(scramble_errors[step]) && errors[i]; i++)
		if (rc == -errors[i])
			return true;
	return false;
}

/* Its ID may be that of something else, which is destroyed then. */
static int scramble_plug(struct scramble *shared, struct mock_device *dev)
{
	int rc = mock_destroy(shared->iommufd, dev);

	if (rc && rc != -ENOENT)
		return rc;
	rc = mock_domain_flags(shared->iommufd, shared->pts[1],
			       MOCK_FLAGS_DEVICE_PASID, dev);
	if (!rc)
		__atomic_store(&shared->dev.stdev, &dev->stdev,
			       __ATOMIC_RELAXED);
	if (!rc)
		__atomic_store(&shared->dev.idev, &dev->idev, __ATOMIC_RELAXED);
	return rc;
}

static int scramble_step(struct scrambler *me, int step)
{
	struct scramble *shared = me->shared;
	const int iommufd = shared->iommufd;
	const __u32 pasid = random_next(&me->random) % 4 + 1;
	struct mock_device dev = {};

	__atomic_load(&shared->dev.stdev, &dev.stdev, __ATOMIC_RELAXED);
	__atomic_load(&shared->dev.idev, &dev.idev, __ATOMIC_RELAXED);
	switch (step) {
	case ALLOCATED:
		return pasid_alloc_between(iommufd, dev.idev, 0, 4, &me->id);
	case DESTROYED:
		return iommufd_destroy(iommufd, me->id);
	case ATTACHED:
		return pasid_attach(iommufd, &dev, pasid,
				    shared->pts[pasid % 2]);
	case DETACHED:
		return mock_pasid_detach(iommufd, dev.stdev, pasid);
	case REPLACED:
		return pasid_replace(iommufd, &dev,
				     random_next(&me->random) % 5,
				     shared->pts[pasid % 2]);
	default:
		return scramble_plug(shared, &dev);
	}
}

/* Devices are to live long enough for the others to do something with them. */
static int some_scramble_step(__u32 *random)
{
	static const int steps[] = {
		ALLOCATED, ALLOCATED, DESTROYED, ATTACHED, ATTACHED, DETACHED,
		REPLACED, PLUGGED,
	};
	int step;

	do {
		step = steps[random_next(random) % ARRAY_SIZE(steps)];
	} while (step == PLUGGED && random_next(random) % 16);
	return step;
}

static int scramble(void *argument)
{
	struct scrambler *me = argument;
	struct scramble *shared = me->shared;

	for (;;) {
		int step = some_scramble_step(&me->random);
		int rc = scramble_step(me, step);

		if (rc == -EBADF &&
		    __atomic_load_n(&shared->closed, __ATOMIC_ACQUIRE))
			return 0;
		if (rc >= 0) {
			goal_count(&shared->goals[step]);
			goal_count(me->goal);
		} else if (!is_scramble_error(step, rc)) {
			me->unexpected = rc;
			me->culprit = step;
			return rc;
		}
	}
}

static void set_scramble_goals(struct goal goals[NR_GOALS])
{
	static const struct goal of_steps[NR_STEPS] = {
		[ALLOCATED] = { "allocated", 10 },
		[DESTROYED] = { "destroyed", 10 },
		[ATTACHED] = { "attached", 10 },
		[DETACHED] = { "detached", 10 },
		[REPLACED] = { "replaced", 10 },
		[PLUGGED] = { "plugged", 2 },
	};
	int i;

	memcpy(goals, of_steps, sizeof(of_steps));
	for (i = 0; i != NR_THREADS; i++)
		goals[GOAL_THREAD + i] = (struct goal){ "of a thread", 20 };
}

/* -errno, if there cannot be one */
static int scramble_open(struct scramble *shared)
{
	*shared = (struct scramble){ .iommufd = iommufd_open() };
	if (shared->iommufd < 0)
		return shared->iommufd;
	set_scramble_goals(shared->goals);
	return ioas_alloc(shared->iommufd, &shared->pts[1]) ?:
	       mock_domain_flags(shared->iommufd, shared->pts[1],
				 MOCK_FLAGS_DEVICE_PASID, &shared->dev) ?:
	       hwpt_alloc(shared->iommufd, shared->dev.idev, shared->pts[1],
			  IOMMU_HWPT_ALLOC_PASID, &shared->pts[0]);
}

#define NR_SCRAMBLES 10

TEST_F_TIMEOUT(pasid, survives_what_threads_do_to_each_other, TIMEOUT)
{
	const __u32 seed = chosen_seed(1);
	struct scrambler threads[NR_THREADS];
	const struct goal *missed;
	struct scramble shared;
	int round, i;

	TH_LOG("SEED=%u", seed);
	for (round = 0; round != NR_SCRAMBLES; round++) {
		ASSERT_EQ(0, scramble_open(&shared));
		for (i = 0; i != NR_THREADS; i++) {
			threads[i] = (struct scrambler){
				.shared = &shared,
				.random = seed_of_part(seed, round *
						       NR_THREADS + i),
				.goal = &shared.goals[GOAL_THREAD + i],
			};
			ASSERT_EQ(0, crowd_add(&shared.crowd, scramble,
					       &threads[i]));
		}
		missed = crowd_reach(&shared.crowd, shared.goals, NR_GOALS);
		EXPECT_EQ(NULL, missed)
			TH_LOG("too few: %s: %lu", missed->what, missed->times);
		__atomic_store_n(&shared.closed, true, __ATOMIC_RELEASE);
		ASSERT_EQ(0, close(shared.iommufd));
		EXPECT_EQ(0, crowd_end(&shared.crowd));
		for (i = 0; i != NR_THREADS; i++) {
			EXPECT_EQ(0, threads[i].unexpected)
				TH_LOG("%s",
				       shared.goals[threads[i].culprit].what);
		}
	}
	/* and nothing is left of it for others */
	EXPECT_EQ(1, mock_devices());
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
}

TEST_HARNESS_MAIN
