// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races of page faults with whatever else answers them. At the end each request
 * has had one answer.
 */
#include "kselftest_harness.h"
#include "checked_io.h"
#include "fault_fixture.h"
#include "threads.h"

#define BEFORE (&self->rig.before)

enum {
	REQUESTS,		/* each a group */
	ANSWERED,
	ROUNDS,
	NR_GOALS,
};

struct race {
	struct crowd crowd;
	int iommufd;
	__u32 hwpt, plain;
	struct mock_device dev;
	int fd;
	struct goal goals[NR_GOALS];
};

static long requests_of(const struct race *race)
{
	return race->goals[REQUESTS].times;
}

static int request_for_ever(void *argument)
{
	struct race *race = argument;

	while (!crowd_is_over(&race->crowd))
		if (!request(race->iommufd, &race->dev, 1))
			goal_count(&race->goals[REQUESTS]);
	return 0;
}

static int answer_for_ever(void *argument)
{
	struct race *race = argument;
	struct iommu_hwpt_pgfault records[16];
	ssize_t length;
	size_t i;

	while (!crowd_is_over(&race->crowd)) {
		length = checked_read(race->fd, records, sizeof(records));
		if (length <= 0)
			continue;
		for (i = 0; i != length / RECORD; i++)
			if (records[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE &&
			    respond(race->fd, records[i].cookie, i % 2) ==
			    RESPONSE)
				goal_count(&race->goals[ANSWERED]);
	}
	return 0;
}

static int move_for_ever(void *argument)
{
	struct race *race = argument;
	int rc = 0;

	while (!rc && !crowd_is_over(&race->crowd)) {
		rc = mock_move(race->iommufd, &race->dev, race->plain) ?:
		     mock_move(race->iommufd, &race->dev, race->hwpt);
		if (!rc)
			goal_count(&race->goals[ROUNDS]);
	}
	return rc;
}

/* Another device comes and goes on the same page table, and asks as well. */
static int plug_for_ever(void *argument)
{
	struct race *race = argument;
	struct mock_device dev;
	int i, rc = 0;

	while (!rc && !crowd_is_over(&race->crowd)) {
		rc = mock_domain(race->iommufd, race->hwpt, &dev);
		if (rc)
			return rc;
		for (i = 0; i != 5; i++)
			if (!request(race->iommufd, &dev, i))
				goal_count(&race->goals[REQUESTS]);
		rc = mock_destroy(race->iommufd, &dev);
		if (!rc)
			goal_count(&race->goals[ROUNDS]);
	}
	return rc;
}

static int run_race(struct race *race, int (*const runs[])(void *),
		    size_t count)
{
	const struct goal *missed;
	size_t i;
	int rc;

	for (i = 0; i != count; i++) {
		rc = crowd_add(&race->crowd, runs[i], race);
		if (rc)
			return rc;
	}
	missed = crowd_reach(&race->crowd, race->goals, NR_GOALS);
	rc = crowd_end(&race->crowd);
	if (!rc && missed)
		rc = -ENODATA;
	return rc;
}

#define NEW_RACE() {							\
	.iommufd = FD, .hwpt = HWPT, .plain = PLAIN, .dev = DEV,	\
	.fd = QUEUE,							\
	.goals = {							\
		{ "requests", affordable(5000) },			\
		{ "answered", affordable(200) },			\
		{ "rounds", affordable(60) },				\
	},								\
}

static void say_goals(struct __test_metadata *_metadata,
		      const struct race *race)
{
	int i;

	for (i = 0; i != NR_GOALS; i++)
		TH_LOG("%s: %lu", race->goals[i].what, race->goals[i].times);
}

TEST_F_TIMEOUT(fault, has_one_answer_while_the_device_moves, 60)
{
	static int (*const runs[])(void *) = {
		request_for_ever, answer_for_ever, answer_for_ever,
		move_for_ever,
	};
	struct race race = NEW_RACE();
	struct mock_answers now;

	ASSERT_EQ(0, mock_group_size(2));
	EXPECT_EQ(0, run_race(&race, runs, ARRAY_SIZE(runs)));
	say_goals(_metadata, &race);
	ASSERT_EQ(0, mock_move(FD, &DEV, IOAS));
	ASSERT_EQ(0, mock_answers(&now));
	EXPECT_FALSE(readable(QUEUE));
	/* without a handler, the IOMMU core answers each of a group */
	EXPECT_LE(requests_of(&race), answers_since(BEFORE));
	EXPECT_GE(2 * requests_of(&race), answers_since(BEFORE));
	EXPECT_EQ(BEFORE->failed, now.failed);
}

/* There is somebody to ask at any time, and it is always somebody else. */
TEST_F_TIMEOUT(fault, has_one_answer_while_the_device_moves_to_other_queues, 60)
{
	static int (*const runs[])(void *) = {
		request_for_ever, answer_for_ever, move_for_ever,
	};
	struct race race = NEW_RACE();
	__u32 queue, hwpt;
	int fd;

	ASSERT_EQ(0, fault_queue_alloc(FD, &queue, &fd));
	ASSERT_EQ(0, faulting_hwpt(FD, DEV.idev, IOAS, 0, queue, &hwpt));
	race.plain = hwpt;
	EXPECT_EQ(0, run_race(&race, runs, ARRAY_SIZE(runs)));
	say_goals(_metadata, &race);
	ASSERT_EQ(0, mock_move(FD, &DEV, IOAS));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_FALSE(readable(fd));
	EXPECT_EQ(requests_of(&race), answers_since(BEFORE));
	close(fd);
}

/* Waits until there are some more. */
static bool more_requests(struct race *race)
{
	race->goals[REQUESTS].least = race->goals[REQUESTS].times + 10;
	return !crowd_reach(&race->crowd, race->goals, 1);
}

/* The page table that the device is on gets a new queue all the time. */
TEST_F_TIMEOUT(fault, has_one_answer_while_the_queue_is_closed, 60)
{
	struct iommu_hwpt_pgfault record;
	struct race race = NEW_RACE();
	__u32 queue, hwpt;
	int fd, i;

	ASSERT_EQ(0, crowd_add(&race.crowd, request_for_ever, &race));
	for (i = 0; i != 50; i++) {
		ASSERT_EQ(0, fault_queue_alloc(FD, &queue, &fd));
		ASSERT_EQ(0, faulting_hwpt(FD, DEV.idev, IOAS, 0, queue,
					   &hwpt));
		ASSERT_EQ(0, mock_move(FD, &DEV, hwpt));
		/* some are read, and some are not when it is closed */
		ASSERT_EQ(1, poll_for_ever(&fd));
		EXPECT_EQ(RECORD, checked_read(fd, &record, RECORD));
		EXPECT_TRUE(more_requests(&race));
		ASSERT_EQ(0, close(fd));
		/* and others find it closed */
		EXPECT_TRUE(more_requests(&race));
		ASSERT_EQ(0, mock_move(FD, &DEV, HWPT));
		ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
		ASSERT_EQ(0, iommufd_destroy(FD, queue));
	}
	ASSERT_EQ(0, crowd_end(&race.crowd));
	ASSERT_EQ(0, mock_move(FD, &DEV, IOAS));
	EXPECT_EQ(requests_of(&race), answers_since(BEFORE));
}

/* The same with other devices than the one that asks all the time. */
FIXTURE(plugging)
{
	struct fault_rig rig;
};

FIXTURE_VARIANT(plugging)
{
	bool group;		/* with the one that asks */
};

FIXTURE_VARIANT_ADD(plugging, single_devices)
{
};

FIXTURE_VARIANT_ADD(plugging, devices_of_a_group)
{
	.group = true,
};

FIXTURE_SETUP(plugging)
{
	MAKE(fault_rig_make(&self->rig));
	ASSERT_EQ(0, mock_join_group(variant->group));
}

FIXTURE_TEARDOWN(plugging)
{
	EXPECT_EQ(0, fault_rig_break(&self->rig));
}

TEST_F_TIMEOUT(plugging, leaves_one_answer_to_each_request, 60)
{
	static int (*const runs[])(void *) = {
		request_for_ever, answer_for_ever, plug_for_ever,
	};
	struct race race = NEW_RACE();

	EXPECT_EQ(0, run_race(&race, runs, ARRAY_SIZE(runs)));
	say_goals(_metadata, &race);
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_EQ(requests_of(&race), answers_since(BEFORE));
}

TEST_HARNESS_MAIN
