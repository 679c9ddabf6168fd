// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults that the kernel answers, as nobody else will: when a device goes
 * or moves, when the queue is closed or full, and when something fails.
 */
#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "fault_fixture.h"
#include "test_support.h"
#include "threads.h"

/* What a queue takes, and no more */
#define GROUPS_MAX (1U << 16)

/*
 * Answers by the kernel
 */

/* Four requests: two of them have been read, one of those answered. */
static int ask_and_answer(int iommufd, int queue, const struct mock_device *dev)
{
	struct iommu_hwpt_pgfault records[2];
	int i, rc;

	for (i = 0; i != 4; i++) {
		rc = request(iommufd, dev, i);
		if (rc)
			return rc;
	}
	if (checked_read(queue, records, sizeof(records)) != sizeof(records) ||
	    respond(queue, records[1].cookie, SUCCESS) != RESPONSE)
		return -EIO;
	return 0;
}

TEST_F(fault, is_answered_when_the_device_moves)
{
	struct mock_device other;
	struct iommu_hwpt_pgfault record;

	ASSERT_EQ(0, mock_domain(FD, HWPT, &other));
	ASSERT_EQ(0, ask_and_answer(FD, QUEUE, &DEV));
	ASSERT_EQ(0, request(FD, &other, 9));
	EXPECT_ANSWERS(1, 0, 0);
	/* to where it is already */
	ASSERT_EQ(0, mock_move(FD, &DEV, HWPT));
	EXPECT_ANSWERS(1, 0, 0);
	ASSERT_EQ(0, mock_move(FD, &DEV, IOAS));
	EXPECT_ANSWERS(1, 3, 0);
	EXPECT_EQ(-EINVAL, respond(QUEUE, 1, SUCCESS));
	/* that of the other device is still there */
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	EXPECT_EQ(other.idev, record.dev_id);
	EXPECT_EQ(0, checked_read(QUEUE, &record, RECORD));
	EXPECT_EQ(RESPONSE, respond(QUEUE, record.cookie, SUCCESS));
	EXPECT_ANSWERS(2, 3, 0);
}

TEST_F(fault, is_answered_when_the_device_moves_within_the_queue)
{
	struct iommu_hwpt_pgfault record;
	__u32 other;

	ASSERT_EQ(0, faulting_hwpt(FD, DEV.idev, IOAS, 0, QUEUE_ID,
				   &other));
	ASSERT_EQ(0, ask_and_answer(FD, QUEUE, &DEV));
	ASSERT_EQ(0, mock_move(FD, &DEV, other));
	EXPECT_ANSWERS(1, 3, 0);
	ASSERT_EQ(0, request(FD, &DEV, 9));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	EXPECT_EQ(9, record.grpid);
	EXPECT_EQ(RESPONSE, respond(QUEUE, record.cookie, SUCCESS));
	EXPECT_ANSWERS(2, 3, 0);
}

/* A move that fails is none. */
TEST_F(fault, waits_when_the_device_does_not_move)
{
	struct mock_device plain;
	__u32 tracking;

	ASSERT_EQ(0, mock_domain_flags(FD, HWPT, MOCK_FLAGS_DEVICE_NO_DIRTY,
				       &plain));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &tracking));
	ASSERT_EQ(0, request(FD, &plain, 1));
	EXPECT_EQ(-EINVAL, mock_move(FD, &plain, tracking));
	EXPECT_ANSWERS(0, 0, 0);
	EXPECT_TRUE(readable(QUEUE));
}

TEST_F(fault, is_answered_when_the_device_goes)
{
	struct mock_device other;

	ASSERT_EQ(0, mock_domain(FD, HWPT, &other));
	ASSERT_EQ(0, ask_and_answer(FD, QUEUE, &DEV));
	ASSERT_EQ(0, request(FD, &other, 9));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_ANSWERS(1, 3, 0);
	EXPECT_EQ(-EINVAL, respond(QUEUE, 1, SUCCESS));
	EXPECT_TRUE(readable(QUEUE));
	ASSERT_EQ(0, mock_destroy(FD, &other));
	EXPECT_ANSWERS(1, 4, 0);
	EXPECT_FALSE(readable(QUEUE));
}

TEST_F(fault, is_answered_when_the_queue_is_closed)
{
	ASSERT_EQ(0, ask_and_answer(FD, QUEUE, &DEV));
	close(QUEUE);
	QUEUE = -1;
	EXPECT_ANSWERS(1, 3, 0);
	/* nobody will ever read these */
	ASSERT_EQ(0, request(FD, &DEV, 9));
	EXPECT_ANSWERS(1, 4, 0);
	ASSERT_EQ(0, mock_group_size(5));
	ASSERT_EQ(0, request(FD, &DEV, 9));
	EXPECT_ANSWERS(1, 5, 0);
}

TEST_F(fault, is_answered_when_everything_is_closed)
{
	ASSERT_EQ(0, mock_group_size(7));
	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(0, request(FD, &DEV, 2));
	close(FD);
	EXPECT_ANSWERS(0, 0, 0);
	close(QUEUE);
	QUEUE = -1;
	EXPECT_ANSWERS(0, 2, 0);
	FD = iommufd_open();
}

/* How many requests of two programs are too many */
#define TOO_MANY 100

struct requester {
	int iommufd;
	struct mock_device dev;
};

static int request_too_many(void *argument)
{
	struct requester *requester = argument;
	int i, rc = 0;

	for (i = 0; i != TOO_MANY && !rc; i++)
		rc = request(requester->iommufd, &requester->dev, GROUPS_MAX);
	return rc;
}

TEST_F_TIMEOUT(fault, queue_takes_no_more_than_that, 300)
{
	struct requester requester = { .iommufd = FD, .dev = DEV };
	struct iommu_hwpt_pgfault *records;
	struct thread_call other;
	__u32 i;

	for (i = 0; i != GROUPS_MAX - TOO_MANY; i++)
		ASSERT_EQ(0, request(FD, &DEV, i));
	EXPECT_ANSWERS(0, 0, 0);
	ASSERT_EQ(0, thread_call_start(&other, request_too_many, &requester));
	ASSERT_EQ(0, request_too_many(&requester));
	ASSERT_EQ(0, thread_call_end(&other));
	EXPECT_ANSWERS(0, 0, TOO_MANY);

	records = calloc(GROUPS_MAX, RECORD);
	ASSERT_NE(NULL, records);
	ASSERT_EQ(GROUPS_MAX * RECORD, checked_read(QUEUE, records,
						    GROUPS_MAX * RECORD));
	for (i = 0; i != GROUPS_MAX; i++) {
		ASSERT_EQ(i < GROUPS_MAX - TOO_MANY ? i : GROUPS_MAX,
			  records[i].grpid);
		ASSERT_EQ(i + 1, records[i].cookie);
	}
	/* what was read waits too */
	ASSERT_EQ(0, request(FD, &DEV, i));
	EXPECT_ANSWERS(0, 0, TOO_MANY + 1);
	EXPECT_EQ(RESPONSE, respond(QUEUE, 5, SUCCESS));
	ASSERT_EQ(0, request(FD, &DEV, i));
	EXPECT_ANSWERS(1, 0, TOO_MANY + 1);
	EXPECT_TRUE(readable(QUEUE));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_ANSWERS(1, GROUPS_MAX, TOO_MANY + 1);
	free(records);
}

/*
 * Devices of one iommu_group, which share an attachment
 */

TEST_F(fault, requests_of_a_group_of_devices_are_told_apart)
{
	struct iommu_hwpt_pgfault records[6];
	struct mock_device other, third;
	unsigned int i;

	ASSERT_EQ(0, mock_domain_joined(FD, HWPT, 0, &other));
	EXPECT_EQ(-EINVAL, mock_domain_joined(FD, PLAIN, 0, &third));
	EXPECT_EQ(-EINVAL, mock_domain_joined(FD, IOAS, 0, &third));
	ASSERT_EQ(0, mock_domain_joined(FD, HWPT, 0, &third));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, request(FD, &other, 1));
		ASSERT_EQ(0, request(FD, &third, 1));
		ASSERT_EQ(0, request(FD, &DEV, 1));
	}
	ASSERT_EQ(6 * RECORD, checked_read(QUEUE, records, sizeof(records)));
	for (i = 0; i != 6; i += 3) {
		EXPECT_EQ(other.idev, records[i].dev_id);
		EXPECT_EQ(third.idev, records[i + 1].dev_id);
		EXPECT_EQ(DEV.idev, records[i + 2].dev_id);
	}
	for (i = 0; i != 6; i++)
		EXPECT_EQ(RESPONSE, respond(QUEUE, records[i].cookie,
					    SUCCESS));
	EXPECT_ANSWERS(6, 0, 0);
}

/* The IOMMU core knows of groups only: it still finds the page table. */
TEST_F(fault, request_of_one_device_of_a_group_that_is_detached_is_invalid)
{
	struct mock_device other;
	__u32 pt = HWPT;

	ASSERT_EQ(0, mock_domain_joined(FD, HWPT, 0, &other));
	ASSERT_EQ(0, mock_pasid_detach(FD, other.stdev, 0));
	ASSERT_EQ(0, request(FD, &other, 1));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_ANSWERS(0, 1, 0);
	ASSERT_EQ(0, request(FD, &DEV, 2));
	EXPECT_TRUE(readable(QUEUE));
	EXPECT_ANSWERS(0, 1, 0);

	ASSERT_EQ(0, mock_pasid_attach(FD, other.stdev, 0, &pt));
	ASSERT_EQ(0, request(FD, &other, 3));
	EXPECT_ANSWERS(0, 1, 0);
	ASSERT_EQ(0, mock_destroy(FD, &other));
	EXPECT_ANSWERS(0, 2, 0);
}

TEST_F(fault, is_answered_when_one_device_of_a_group_goes)
{
	struct iommu_hwpt_pgfault record;
	struct mock_device other;

	ASSERT_EQ(0, mock_domain_joined(FD, HWPT, 0, &other));
	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	ASSERT_EQ(0, request(FD, &DEV, 2));
	ASSERT_EQ(0, request(FD, &other, 3));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_ANSWERS(0, 2, 0);
	EXPECT_EQ(-EINVAL, respond(QUEUE, record.cookie, SUCCESS));

	/* the other one goes on */
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	EXPECT_EQ(other.idev, record.dev_id);
	EXPECT_EQ(RESPONSE, respond(QUEUE, record.cookie, SUCCESS));
	ASSERT_EQ(0, request(FD, &other, 4));
	EXPECT_TRUE(readable(QUEUE));
	ASSERT_EQ(0, mock_destroy(FD, &other));
	EXPECT_ANSWERS(1, 3, 0);
	EXPECT_EQ(0, iommufd_destroy(FD, HWPT));
}

TEST_F(fault, is_answered_when_a_group_of_devices_moves)
{
	struct mock_device other;

	ASSERT_EQ(0, mock_domain_joined(FD, HWPT, 0, &other));
	ASSERT_EQ(0, ask_and_answer(FD, QUEUE, &DEV));
	ASSERT_EQ(0, ask_and_answer(FD, QUEUE, &other));
	ASSERT_EQ(0, mock_move(FD, &other, PLAIN));
	EXPECT_ANSWERS(2, 6, 0);
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, PLAIN));
	/* both have moved */
	ASSERT_EQ(0, request(FD, &DEV, 9));
	EXPECT_ANSWERS(2, 7, 0);
	ASSERT_EQ(0, mock_move(FD, &DEV, HWPT));
	ASSERT_EQ(0, request(FD, &other, 9));
	EXPECT_TRUE(readable(QUEUE));
}

/*
 * Failures
 */

TEST_F_TIMEOUT(fault, move_leaves_requests_alone_when_it_fails, 120)
{
	const __u32 stdev = DEV.stdev;
	struct iommu_hwpt_pgfault record;

	ASSERT_EQ(0, request(FD, &DEV, 1));
	WITH_EACH_FAILURE(mock_move(FD, &DEV, PLAIN),
			  !mock_pasid_check(FD, stdev, 0, HWPT) ?
			  readable(QUEUE) :
			  /* it was the reply that failed */
			  !readable(QUEUE) && !mock_move(FD, &DEV, HWPT) &&
			  !request(FD, &DEV, 1),
			  (readable(QUEUE) || mock_move(FD, &DEV, HWPT) ||
			   request(FD, &DEV, 1)),
			  -ENOENT);
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
}

/* Either the group is in the queue, or the device has been told. */
TEST_F_TIMEOUT(fault, request_is_not_lost_when_it_fails, 120)
{
	struct iommu_hwpt_pgfault records[3];
	struct own_errors own = OWN_ERRORS(-ENOENT);
	struct mock_answers before;
	int fail_nth = fail_nth_open();
	bool failed = true;
	ssize_t length;
	int rc, nth;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	ASSERT_EQ(0, mock_group_size(3));
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		ASSERT_EQ(0, mock_answers(&before));
		fail_nth_set(fail_nth, nth);
		rc = request(FD, &DEV, nth);
		failed = fail_nth_happened(fail_nth);
		ASSERT_TRUE(!rc || (failed && is_injected_failure(rc, &own)))
			TH_LOG("failure %d: %d", nth, rc);
		length = checked_read(QUEUE, records, sizeof(records));
		if (length) {
			ASSERT_EQ(0, length % RECORD);
			EXPECT_EQ(0, answers_since(&before));
			EXPECT_EQ(nth, records[0].grpid);
			EXPECT_EQ(RESPONSE, respond(QUEUE, records[0].cookie,
						    SUCCESS));
		}
		/* unless the device was not even found */
		EXPECT_EQ(!rc, answers_since(&before))
			TH_LOG("failure %d: %zd", nth, length);
	}
	EXPECT_FALSE(failed);
	EXPECT_EQ(0, own_error_missed(&own));
	EXPECT_LT(3, nth);
	close(fail_nth);
}

/* At how many points can a request fail that finds the queue as it is? */
static int count_points_of_failure(int fail_nth, int iommufd,
				   const struct mock_device *dev, int queue)
{
	struct iommu_hwpt_pgfault record;
	bool failed = true;
	int nth;

	for (nth = 0; failed && nth < MAX_TRIES; nth++) {
		fail_nth_set(fail_nth, nth + 1);
		request(iommufd, dev, nth);
		failed = fail_nth_happened(fail_nth);
		while (checked_read(queue, &record, RECORD) == RECORD)
			respond(queue, record.cookie, SUCCESS);
	}
	return nth;
}

/* As many as at any other time, whatever there is in the queue. */
TEST_F_TIMEOUT(fault, queue_needs_no_memory_to_take_a_request, 120)
{
	int fail_nth = fail_nth_open(), empty = MAX_TRIES, full = MAX_TRIES;
	struct iommu_hwpt_pgfault record;
	int i, points;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	/* the tools of a debug kernel need memory of their own at times */
	for (i = 0; i != 3; i++) {
		points = count_points_of_failure(fail_nth, FD, &DEV, QUEUE);
		if (points < empty)
			empty = points;
	}
	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	for (i = 0; i != 3; i++) {
		points = count_points_of_failure(fail_nth, FD, &DEV, QUEUE);
		if (points < full)
			full = points;
	}
	EXPECT_LT(2, empty);
	EXPECT_EQ(full, empty);
	EXPECT_EQ(RESPONSE, respond(QUEUE, record.cookie, SUCCESS));
	close(fail_nth);
}

TEST_HARNESS_MAIN
