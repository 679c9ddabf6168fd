// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a queue of page faults, which requests are read from and answers
 * written to: in whole groups and responses, without holding up devices while
 * somebody waits, and without losing what could not be read.
 */
#include <poll.h>
#include <signal.h>
#include <stdint.h>

#include <sys/time.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "fault_fixture.h"
#include "late_page.h"
#include "test_support.h"
#include "threads.h"

/* Where there is no memory */
static void *volatile nowhere = (void *)8;

/*
 * Reading
 */

TEST_F(fault, is_read_in_whole_records)
{
	struct iommu_hwpt_pgfault records[2];
	size_t size;

	for (size = 0; size <= sizeof(records); size++)
		EXPECT_EQ(size % RECORD ? -ESPIPE : 0,
			  checked_read(QUEUE, records, size));
	ASSERT_EQ(0, request(FD, &DEV, 1));
	EXPECT_EQ(-ESPIPE, checked_read(QUEUE, records, RECORD - 1));
	EXPECT_EQ(-1, pread(QUEUE, records, RECORD, RECORD));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(QUEUE, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	/* there is no room for it */
	EXPECT_EQ(-EINVAL, checked_read(QUEUE, records, 0));
	EXPECT_EQ(RECORD, checked_read(QUEUE, records, sizeof(records)));
}

TEST_F(fault, is_read_in_whole_groups)
{
	struct iommu_hwpt_pgfault records[8];
	unsigned int i;

	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(0, mock_group_size(3));
	ASSERT_EQ(0, request(FD, &DEV, 2));
	ASSERT_EQ(0, mock_group_size(2));
	ASSERT_EQ(0, request(FD, &DEV, 3));

	/* the second does not fit behind the first, and then not at all */
	EXPECT_EQ(RECORD, checked_read(QUEUE, records, 3 * RECORD));
	EXPECT_EQ(-EINVAL, checked_read(QUEUE, records, 2 * RECORD));
	EXPECT_EQ(-EINVAL, checked_read(QUEUE, records, RECORD));
	EXPECT_EQ(-EINVAL, checked_read(QUEUE, records, 0));
	EXPECT_TRUE(readable(QUEUE));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 2, SUCCESS));

	EXPECT_EQ(5 * RECORD, checked_read(QUEUE, records, sizeof(records)));
	for (i = 0; i != 5; i++) {
		const unsigned int page = i < 3 ? i : i - 3;
		const __u32 group = i < 3 ? 2 : 3;

		EXPECT_EQ(group, records[i].grpid);
		EXPECT_EQ(group, records[i].cookie);
		EXPECT_EQ(DEV.idev, records[i].dev_id);
		EXPECT_EQ(ADDRESS + (group + page) * SMALL_PAGE,
			  records[i].addr);
		EXPECT_EQ(i == 2 || i == 4 ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0,
			  records[i].flags);
	}
	EXPECT_FALSE(readable(QUEUE));
	/* one answer for each group */
	for (i = 1; i != 4; i++)
		EXPECT_EQ(RESPONSE, respond(QUEUE, i, SUCCESS));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 4, SUCCESS));
	EXPECT_ANSWERS(3, 0, 0);
}

TEST_F(fault, stays_when_it_cannot_be_read)
{
	struct iommu_hwpt_pgfault records[4];

	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(0, mock_group_size(2));
	ASSERT_EQ(0, request(FD, &DEV, 2));

	EXPECT_EQ(-EFAULT, checked_read(QUEUE, nowhere, RECORD));
	EXPECT_EQ(-EFAULT, checked_read(QUEUE, end_of_memory(RECORD - 1),
					RECORD));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 1, SUCCESS));
	EXPECT_TRUE(readable(QUEUE));
	/* the first can be, and half of the second */
	EXPECT_EQ(RECORD, checked_read(QUEUE, end_of_memory(2 * RECORD),
				       3 * RECORD));
	EXPECT_EQ(RESPONSE, respond(QUEUE, 1, SUCCESS));
	EXPECT_EQ(-EFAULT, checked_read(QUEUE, end_of_memory(RECORD),
					2 * RECORD));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 2, SUCCESS));
	EXPECT_TRUE(readable(QUEUE));
	ASSERT_EQ(2 * RECORD, checked_read(QUEUE, records, sizeof(records)));
	EXPECT_EQ(2, records[0].cookie);
	EXPECT_EQ(2, records[1].cookie);
	EXPECT_EQ(RESPONSE, respond(QUEUE, 2, SUCCESS));
	EXPECT_ANSWERS(2, 0, 0);
}

/*
 * Writing
 */

TEST_F(fault, is_answered_in_whole_responses)
{
	struct iommu_hwpt_page_response responses[2] = {};
	size_t size;

	EXPECT_EQ(0, checked_write(QUEUE, responses, 0));
	for (size = 1; size <= sizeof(responses); size++)
		EXPECT_EQ(size % RESPONSE ? -ESPIPE : -EINVAL,
			  checked_write(QUEUE, responses, size));
	EXPECT_EQ(-1, pwrite(QUEUE, responses, RESPONSE, RESPONSE));
	EXPECT_EQ(ESPIPE, errno);
}

TEST_F(fault, is_not_answered_by_nonsense)
{
	struct iommu_hwpt_pgfault record;
	__u32 code;

	ASSERT_EQ(0, request(FD, &DEV, 1));
	/* nobody can know its cookie yet */
	EXPECT_EQ(-EINVAL, respond(QUEUE, 1, SUCCESS));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	for (code = 2; code; code <<= 1)
		EXPECT_EQ(-EINVAL, respond(QUEUE, 1, code));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 0, SUCCESS));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 2, SUCCESS));
	EXPECT_EQ(-EINVAL, respond(QUEUE, UINT32_MAX, SUCCESS));
	EXPECT_EQ(-EFAULT, checked_write(QUEUE, nowhere, RESPONSE));
	EXPECT_ANSWERS(0, 0, 0);
	EXPECT_EQ(RESPONSE, respond(QUEUE, 1, SUCCESS));
	EXPECT_ANSWERS(1, 0, 0);
}

TEST_F(fault, responses_before_a_bad_one_count)
{
	struct iommu_hwpt_page_response responses[4] = {
		{ .cookie = 2 }, { .cookie = 1, .code = INVALID },
		{ .cookie = 9 }, { .cookie = 3 },
	};
	struct iommu_hwpt_pgfault records[4];
	unsigned int i;
	char *va;

	for (i = 0; i != 4; i++)
		ASSERT_EQ(0, request(FD, &DEV, i));
	ASSERT_EQ(4 * RECORD, checked_read(QUEUE, records, sizeof(records)));
	EXPECT_EQ(2 * RESPONSE, checked_write(QUEUE, responses,
					      sizeof(responses)));
	EXPECT_ANSWERS(1, 1, 0);
	EXPECT_EQ(-EINVAL, checked_write(QUEUE, &responses[2], 2 * RESPONSE));
	va = end_of_memory(RESPONSE);
	memcpy(va, &responses[3], RESPONSE);
	EXPECT_EQ(RESPONSE, checked_write(QUEUE, va, 2 * RESPONSE));
	EXPECT_ANSWERS(2, 1, 0);
	responses[0].cookie = 4;
	responses[0].code = 2;
	EXPECT_EQ(-EINVAL, checked_write(QUEUE, responses, RESPONSE));
	EXPECT_ANSWERS(2, 1, 0);
}

/*
 * Waiting
 */

TEST_F(fault, poll_tells_when_there_is_something_to_read)
{
	struct pollfd pollfd = { .fd = QUEUE, .events = POLLIN | POLLOUT };
	struct iommu_hwpt_pgfault record;

	ASSERT_EQ(1, poll(&pollfd, 1, 0));
	EXPECT_EQ(POLLOUT, pollfd.revents);
	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(1, poll(&pollfd, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT, pollfd.revents);
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	ASSERT_EQ(1, poll(&pollfd, 1, 0));
	EXPECT_EQ(POLLOUT, pollfd.revents);
	/* what goes without being read is not there either */
	ASSERT_EQ(0, request(FD, &DEV, 2));
	EXPECT_TRUE(readable(QUEUE));
	ASSERT_EQ(0, mock_move(FD, &DEV, PLAIN));
	EXPECT_FALSE(readable(QUEUE));
}

TEST_F(fault, poll_wakes_up_for_a_request)
{
	struct thread_call call;

	ASSERT_EQ(0, thread_call_start(&call, poll_for_ever, &QUEUE));
	ASSERT_TRUE(thread_call_wait_polling(&call));
	ASSERT_EQ(0, request(FD, &DEV, 1));
	EXPECT_EQ(1, thread_call_end(&call));
}

/*
 * Readers whose memory does not come
 */

struct slow_reader {
	struct late_page page;
	int fd;
	struct thread_call call;
};

static int read_slowly(void *argument)
{
	struct slow_reader *reader = argument;

	return checked_read(reader->fd, reader->page.va,
			    SMALL_PAGE / RECORD * RECORD);
}

static int slow_reader_start(struct slow_reader *reader, int fd)
{
	int rc = late_page_open(&reader->page, LATE_PAGE, NULL, 0);

	if (rc)
		return rc;
	reader->fd = fd;
	rc = thread_call_start(&reader->call, read_slowly, reader);
	if (rc)
		return rc;
	return late_page_wait(&reader->page) ? 0 : -ETIME;
}

/* Returns how much has been read. */
static int slow_reader_end(struct slow_reader *reader)
{
	int rc = late_page_give(&reader->page);

	return rc ? rc : thread_call_end(&reader->call);
}

TEST_F(fault, reader_that_waits_for_memory_holds_up_no_device)
{
	struct iommu_hwpt_pgfault *records;
	struct slow_reader reader;
	struct mock_device other;

	ASSERT_EQ(0, mock_domain(FD, HWPT, &other));
	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(0, slow_reader_start(&reader, QUEUE));
	/* requests come, and are answered */
	ASSERT_EQ(0, request(FD, &DEV, 2));
	ASSERT_EQ(0, request(FD, &other, 3));
	EXPECT_TRUE(readable(QUEUE));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 1, SUCCESS));
	ASSERT_EQ(0, mock_move(FD, &DEV, PLAIN));
	EXPECT_ANSWERS(0, 2, 0);
	ASSERT_EQ(0, request(FD, &DEV, 4));
	EXPECT_ANSWERS(0, 3, 0);
	ASSERT_EQ(0, mock_move(FD, &DEV, HWPT));

	/* the first was answered as it was read, the second before that */
	ASSERT_EQ(2 * RECORD, slow_reader_end(&reader));
	records = (void *)reader.page.va;
	EXPECT_EQ(1, records[0].cookie);
	EXPECT_EQ(other.idev, records[1].dev_id);
	EXPECT_EQ(-EINVAL, respond(QUEUE, 1, SUCCESS));
	EXPECT_EQ(RESPONSE, respond(QUEUE, records[1].cookie, SUCCESS));
	EXPECT_ANSWERS(1, 3, 0);
	late_page_close(&reader.page);
}

static void do_nothing(int signal)
{
}

TEST_F(fault, reader_that_waits_for_another_can_be_interrupted)
{
	const struct sigaction action = { .sa_handler = do_nothing };
	const struct itimerval never = {};
	const struct itimerval often = {
		.it_interval.tv_usec = 100 * 1000,
		.it_value.tv_usec = 100 * 1000,
	};
	struct iommu_hwpt_pgfault record;
	struct slow_reader reader;
	sigset_t set;

	/* the signal is for this thread */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(0, slow_reader_start(&reader, QUEUE));
	ASSERT_EQ(0, pthread_sigmask(SIG_UNBLOCK, &set, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	EXPECT_EQ(-EINTR, checked_read(QUEUE, &record, RECORD));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	EXPECT_EQ(RECORD, slow_reader_end(&reader));
	EXPECT_EQ(RESPONSE, respond(QUEUE, 1, SUCCESS));
	late_page_close(&reader.page);
}

/*
 * Failures
 */

static ssize_t read_without_memory(int fail_all, int queue, void *buffer,
				   size_t size)
{
	ssize_t rc;

	fail_all_set(fail_all, true);
	rc = checked_read(queue, buffer, size);
	fail_all_set(fail_all, false);
	return rc;
}

TEST_F(fault, stays_when_there_is_no_memory_to_read_it)
{
	struct iommu_hwpt_pgfault records[4];
	int fail_all = fail_all_open();

	if (fail_all < 0)
		SKIP(return, "the kernel cannot inject failures");
	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(0, mock_group_size(3));
	ASSERT_EQ(0, request(FD, &DEV, 2));

	EXPECT_EQ(-ENOMEM, read_without_memory(fail_all, QUEUE, records,
					       sizeof(records)));
	EXPECT_TRUE(readable(QUEUE));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 1, SUCCESS));
	ASSERT_EQ(RECORD, checked_read(QUEUE, records, RECORD));
	EXPECT_EQ(1, records[0].cookie);

	EXPECT_EQ(-ENOMEM, read_without_memory(fail_all, QUEUE, records,
					       3 * RECORD));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 2, SUCCESS));
	ASSERT_EQ(3 * RECORD, checked_read(QUEUE, records, 3 * RECORD));
	EXPECT_EQ(2, records[2].cookie);
	EXPECT_EQ(RESPONSE, respond(QUEUE, 2, SUCCESS));
	EXPECT_EQ(RESPONSE, respond(QUEUE, 1, SUCCESS));
	EXPECT_ANSWERS(2, 0, 0);
	fail_all_close(fail_all);
}

TEST_F_TIMEOUT(fault, stays_when_reading_fails, 120)
{
	struct iommu_hwpt_pgfault records[2 + 3];
	struct own_errors none = OWN_ERRORS();
	int fail_nth = fail_nth_open();
	bool failed = true;
	ssize_t length;
	int nth;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		ASSERT_EQ(0, mock_group_size(2));
		ASSERT_EQ(0, request(FD, &DEV, 1));
		ASSERT_EQ(0, mock_group_size(3));
		ASSERT_EQ(0, request(FD, &DEV, 2));
		fail_nth_set(fail_nth, nth);
		length = checked_read(QUEUE, records, sizeof(records));
		failed = fail_nth_happened(fail_nth);
		ASSERT_TRUE(length == sizeof(records) || failed);
		if (length < 0) {
			EXPECT_TRUE(is_injected_failure(length, &none))
				TH_LOG("failure %d: %zd", nth, length);
			length = 0;
		}
		if (length < (ssize_t)sizeof(records)) {
			EXPECT_TRUE(length == 0 || length == 2 * RECORD);
			EXPECT_EQ(sizeof(records) - length,
				  checked_read(QUEUE,
					       (char *)records + length,
					       sizeof(records) - length));
		}
		EXPECT_EQ(RESPONSE, respond(QUEUE, records[0].cookie,
					    SUCCESS));
		EXPECT_EQ(RESPONSE, respond(QUEUE, records[2].cookie,
					    SUCCESS));
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(3, nth);
	EXPECT_ANSWERS(2 * (nth - 1), 0, 0);
	close(fail_nth);
}

TEST_HARNESS_MAIN
