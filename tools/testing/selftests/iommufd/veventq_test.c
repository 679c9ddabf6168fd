// SPDX-License-Identifier: GPL-2.0-only
/*
 * The events of a vIOMMU, raised by a device of the kernel's test device, in a
 * context that must not sleep.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "test_support.h"
#include "threads.h"
#include "viommu_rig.h"

#define VIRT_ID 0x99
#define DEPTH 4
#define TYPE IOMMU_VEVENTQ_TYPE_SELFTEST
#define HEADER sizeof(struct iommufd_vevent_header)
#define EVENT sizeof(struct event)

/* What is read when nothing was lost */
struct event {
	struct iommufd_vevent_header header;
	struct iommu_test_vevent data;
};

FIXTURE(veventq)
{
	struct viommu_rig rig;
	__u32 id;
	int file;
};

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define VIOMMU (self->rig.viommu)
#define QUEUE (self->id)
#define FILE_OF_QUEUE (self->file)

FIXTURE_SETUP(veventq)
{
	MAKE(viommu_rig_make(&self->rig));
	MAKE(viommu_rig_attach(&self->rig, VIRT_ID));
	ASSERT_EQ(0, veventq_alloc(FD, VIOMMU, TYPE, DEPTH, &QUEUE,
				   &FILE_OF_QUEUE));
}

FIXTURE_TEARDOWN(veventq)
{
	close(FILE_OF_QUEUE);
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

static int raise_events(int iommufd, __u32 idev, int count)
{
	int rc = 0;

	while (!rc && count--)
		rc = mock_trigger_vevent(iommufd, idev);
	return rc;
}

#define RAISE(count) ASSERT_EQ(0, raise_events(FD, DEV.idev, count))

static bool is_readable(int file)
{
	struct pollfd poll_file = { .fd = file, .events = POLLIN | POLLOUT };

	return poll(&poll_file, 1, 0) == 1 && poll_file.revents == POLLIN;
}

static bool reads_event(int file, __u32 sequence)
{
	struct event event;

	return is_readable(file) &&
	       checked_read(file, &event, EVENT) == EVENT &&
	       !event.header.flags && event.header.sequence == sequence &&
	       event.data.virt_id == VIRT_ID;
}

/* Those up to @sequence are lost. */
static bool reads_loss(int file, __u32 sequence)
{
	struct event event;

	return is_readable(file) &&
	       checked_read(file, &event, EVENT) == HEADER &&
	       event.header.flags == IOMMU_VEVENTQ_FLAG_LOST_EVENTS &&
	       event.header.sequence == sequence;
}

static bool reads_nothing(int file)
{
	struct event event;

	return !is_readable(file) && !checked_read(file, &event, EVENT);
}

/*
 * The object
 */

TEST_F(veventq, allocation_is_refused_in_this_order)
{
	struct iommu_veventq_alloc cmd = {
		.flags = 1,
		.viommu_id = NO_SUCH_ID,
		.type = IOMMU_VEVENTQ_TYPE_DEFAULT,
		.__reserved = 1,
	};
	const __u32 first = next_id(FD);
	const int fd = next_fd();

	EXPECT_EQ(-EOPNOTSUPP, veventq_alloc_ioctl(FD, &cmd));
	cmd.flags = 0;
	EXPECT_EQ(-EOPNOTSUPP, veventq_alloc_ioctl(FD, &cmd));
	cmd.__reserved = 0;
	EXPECT_EQ(-EOPNOTSUPP, veventq_alloc_ioctl(FD, &cmd));
	cmd.type = TYPE;
	EXPECT_EQ(-EINVAL, veventq_alloc_ioctl(FD, &cmd));
	cmd.veventq_depth = (1U << 19) + 1;
	EXPECT_EQ(-EINVAL, veventq_alloc_ioctl(FD, &cmd));
	cmd.veventq_depth = 1U << 19;
	EXPECT_EQ(-ENOENT, veventq_alloc_ioctl(FD, &cmd));
	cmd.viommu_id = self->rig.parent;
	EXPECT_EQ(-ENOENT, veventq_alloc_ioctl(FD, &cmd));
	cmd.viommu_id = VIOMMU;
	EXPECT_EQ(-EEXIST, veventq_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(first, next_id(FD));
	EXPECT_EQ(fd, next_fd());
	/* another type */
	cmd.type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3;
	EXPECT_EQ(0, veventq_alloc_ioctl(FD, &cmd));
	close(cmd.out_veventq_fd);
}

TEST_F(veventq, programs_may_end_the_structure_behind_the_file)
{
	struct iommu_veventq_alloc cmd = {
		.size = offsetof(struct iommu_veventq_alloc, __reserved),
		.viommu_id = VIOMMU,
		.type = 1,
		.veventq_depth = 1,
		.__reserved = 1,
	};

	EXPECT_EQ(0, checked_ioctl(FD, IOMMU_VEVENTQ_ALLOC, &cmd));
	close(cmd.out_veventq_fd);
	cmd.type = 2;
	cmd.size--;
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, IOMMU_VEVENTQ_ALLOC, &cmd));
}

TEST_F(veventq, is_gone_when_its_id_cannot_be_told)
{
	const struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = VIOMMU,
		.type = 1,
		.veventq_depth = 1,
	};
	const __u32 first = next_id(FD);
	const int fd = next_fd();

	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_VEVENTQ_ALLOC,
					 read_only(&cmd, sizeof(cmd))));
	EXPECT_EQ(first, next_id(FD));
	EXPECT_EQ(fd, next_fd());
	EXPECT_EQ(0, veventq_alloc(FD, VIOMMU, 1, 1, &QUEUE, &FILE_OF_QUEUE));
}

/* There are not as many types, but any number names one. */
TEST_F(veventq, there_are_not_any_number_of)
{
	int files[16], nr = 1, i, rc = 0;
	__u32 id;

	while (!rc && nr != ARRAY_SIZE(files)) {
		rc = veventq_alloc(FD, VIOMMU, nr + 100, 1, &id, &files[nr]);
		if (!rc)
			nr++;
	}
	EXPECT_EQ(ARRAY_SIZE(files), nr);
	EXPECT_EQ(-ENOSPC, veventq_alloc(FD, VIOMMU, nr + 100, 1, &id,
					 &files[0]));
	for (i = 1; i < nr; i++)
		close(files[i]);
	ASSERT_EQ(0, iommufd_destroy(FD, id));
	EXPECT_EQ(0, veventq_alloc(FD, VIOMMU, nr + 100, 1, &id, &files[0]));
	close(files[0]);
}

TEST_F(veventq, is_kept_by_its_file_and_keeps_the_viommu)
{
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	ASSERT_EQ(0, iommufd_destroy(FD, self->rig.nested));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, QUEUE));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, VIOMMU));
	close(FILE_OF_QUEUE);
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, VIOMMU));
	ASSERT_EQ(0, iommufd_destroy(FD, QUEUE));
	EXPECT_EQ(0, iommufd_destroy(FD, VIOMMU));
	FILE_OF_QUEUE = -1;
}

TEST_F(veventq, leaves_its_type_to_the_next)
{
	RAISE(1);
	close(FILE_OF_QUEUE);
	ASSERT_EQ(0, iommufd_destroy(FD, QUEUE));
	EXPECT_EQ(-EOPNOTSUPP, mock_trigger_vevent(FD, DEV.idev));
	ASSERT_EQ(0, veventq_alloc(FD, VIOMMU, TYPE, DEPTH, &QUEUE,
				   &FILE_OF_QUEUE));
	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
	RAISE(1);
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 0));
}

TEST_F(veventq, file_can_only_be_read)
{
	char path[64], name[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", FILE_OF_QUEUE);
	ASSERT_LT(0, readlink(path, name, sizeof(name) - 1));
	EXPECT_STREQ("anon_inode:[iommufd-viommu-event]", name);
	EXPECT_EQ(FD_CLOEXEC, fcntl(FILE_OF_QUEUE, F_GETFD));
	EXPECT_EQ(O_RDONLY, fcntl(FILE_OF_QUEUE, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(-1, write(FILE_OF_QUEUE, name, HEADER));
	EXPECT_EQ(EBADF, errno);
}

/* The last reference of everything is the queue's file. */
TEST_F(veventq, file_outlives_the_other)
{
	RAISE(1);
	close(FD);
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 0));
	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
	FD = -1;
}

TEST_F(veventq, failures_leave_nothing_behind)
{
	const __u32 first = next_id(FD);
	const int fd = next_fd();
	__u32 id;
	int file;

	/* + 1: the macro has a file of its own */
	WITH_EACH_FAILURE(veventq_alloc(FD, VIOMMU, 1, 1, &id, &file),
			  next_id(FD) == first && next_fd() == fd + 1,
			  close(file) ?: iommufd_destroy(FD, id), -ENOENT);
}

/*
 * Events
 */

TEST_F(veventq, events_come_in_order)
{
	struct event events[DEPTH];
	int i;

	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
	RAISE(1);
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 0));
	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));

	RAISE(DEPTH);
	ASSERT_EQ(sizeof(events), checked_read(FILE_OF_QUEUE, events,
					       sizeof(events)));
	for (i = 0; i != DEPTH; i++) {
		EXPECT_EQ(0, events[i].header.flags);
		EXPECT_EQ(i + 1, events[i].header.sequence);
		EXPECT_EQ(VIRT_ID, events[i].data.virt_id);
	}
	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
}

TEST_F(veventq, events_are_read_whole)
{
	struct event events[2];
	size_t size;

	RAISE(3);
	EXPECT_EQ(-1, pread(FILE_OF_QUEUE, events, EVENT, EVENT));
	EXPECT_EQ(ESPIPE, errno);
	for (size = 0; size != EVENT; size++)
		EXPECT_EQ(-EINVAL, checked_read(FILE_OF_QUEUE, events, size));
	/* the second does not fit */
	EXPECT_EQ(EVENT, checked_read(FILE_OF_QUEUE, events, 2 * EVENT - 1));
	EXPECT_EQ(0, events[0].header.sequence);
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 1));
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 2));

	for (size = 0; size != HEADER; size++)
		EXPECT_EQ(-EINVAL, checked_read(FILE_OF_QUEUE, events, size));
	EXPECT_EQ(0, checked_read(FILE_OF_QUEUE, events, HEADER));
}

TEST_F(veventq, events_stay_until_they_could_be_copied)
{
	char *va = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *end = va + SMALL_PAGE;

	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, munmap(end, SMALL_PAGE));
	RAISE(2);
	EXPECT_EQ(-EFAULT, checked_read(FILE_OF_QUEUE, end, EVENT));
	EXPECT_EQ(-EFAULT, checked_read(FILE_OF_QUEUE, end - HEADER, EVENT));
	/* what is good is told */
	EXPECT_EQ(EVENT, checked_read(FILE_OF_QUEUE, end - EVENT, 2 * EVENT));
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 1));
	/* nor is it forgotten that some were lost */
	RAISE(DEPTH + 1);
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 2));
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 3));
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 4));
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 5));
	EXPECT_EQ(-EFAULT, checked_read(FILE_OF_QUEUE, end, EVENT));
	EXPECT_TRUE(reads_loss(FILE_OF_QUEUE, 6));
}

TEST_F(veventq, what_is_lost_is_told_at_the_end)
{
	struct event events[DEPTH + 1];
	int i;

	RAISE(DEPTH + 3);
	for (i = 0; i != DEPTH; i++)
		EXPECT_TRUE(reads_event(FILE_OF_QUEUE, i));
	EXPECT_TRUE(reads_loss(FILE_OF_QUEUE, DEPTH + 2));
	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));

	/* in one read */
	RAISE(DEPTH + 1);
	EXPECT_EQ(DEPTH * EVENT + HEADER,
		  checked_read(FILE_OF_QUEUE, events, sizeof(events)));
	EXPECT_EQ(DEPTH + 3, events[0].header.sequence);
	EXPECT_EQ(IOMMU_VEVENTQ_FLAG_LOST_EVENTS, events[DEPTH].header.flags);
	EXPECT_EQ(2 * DEPTH + 3, events[DEPTH].header.sequence);
	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
}

/* An event behind those that were lost shows it by its number. */
TEST_F(veventq, what_is_lost_leaves_a_gap)
{
	int i;

	RAISE(DEPTH + 2);
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 0));
	RAISE(1);
	for (i = 1; i != DEPTH; i++)
		EXPECT_TRUE(reads_event(FILE_OF_QUEUE, i));
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, DEPTH + 2));
	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
}

/*
 * The event is lost, and that is not an error. Each that was raised is read, or
 * told to be lost.
 */
TEST_F(veventq, events_are_lost_without_memory)
{
	int fail_nth = fail_nth_open(), nth;
	__u32 lost = 0, raised = 0;
	struct event event;
	bool failed = true;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		int rc;

		fail_nth_set(fail_nth, nth);
		rc = mock_trigger_vevent(FD, DEV.idev);
		failed = fail_nth_happened(fail_nth);
		/* to read the structure, or to find the device */
		ASSERT_TRUE(!rc ||
			    (failed && is_injected_failure_without_memory(rc)))
			TH_LOG("failure %d: %d", nth, rc);
		if (rc) {
			EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
			continue;
		}
		ASSERT_LT(0, checked_read(FILE_OF_QUEUE, &event, EVENT));
		EXPECT_EQ(raised++, event.header.sequence);
		EXPECT_TRUE(failed || !event.header.flags);
		lost += !!event.header.flags;
		EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(2, nth);
	close(fail_nth);
	EXPECT_LT(0, lost);
	RAISE(1);
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, raised));
}

TEST_F(veventq, events_need_somebody_to_read_them)
{
	close(FILE_OF_QUEUE);
	FILE_OF_QUEUE = -1;
	EXPECT_EQ(-EOPNOTSUPP, mock_trigger_vevent(FD, DEV.idev));
	ASSERT_EQ(0, iommufd_destroy(FD, QUEUE));
	EXPECT_EQ(-EOPNOTSUPP, mock_trigger_vevent(FD, DEV.idev));
	/* a queue for others */
	ASSERT_EQ(0, veventq_alloc(FD, VIOMMU, 1, 1, &QUEUE, &FILE_OF_QUEUE));
	EXPECT_EQ(-EOPNOTSUPP, mock_trigger_vevent(FD, DEV.idev));
	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
}

TEST_F(veventq, events_need_a_device_with_a_number)
{
	struct mock_device other;
	__u32 pt = self->rig.parent, vdevice;

	EXPECT_EQ(-ENOENT, mock_trigger_vevent(FD, NO_SUCH_ID));
	EXPECT_EQ(-ENOENT, mock_trigger_vevent(FD, DEV.stdev));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	EXPECT_EQ(-ENOENT, mock_trigger_vevent(FD, other.idev));
	/* the number 0 */
	ASSERT_EQ(0, vdevice_alloc(FD, VIOMMU, other.idev, 0, &vdevice));
	pt = self->rig.nested;
	ASSERT_EQ(0, mock_domain_replace(FD, other.stdev, &pt));
	EXPECT_EQ(-ENOENT, mock_trigger_vevent(FD, other.idev));
	/* which it has left */
	RAISE(1);
	pt = self->rig.parent;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(-ENOENT, mock_trigger_vevent(FD, DEV.idev));
	EXPECT_TRUE(reads_event(FILE_OF_QUEUE, 0));
	EXPECT_TRUE(reads_nothing(FILE_OF_QUEUE));
}

/*
 * Races
 */

#define ROUNDS affordable(300)

struct raiser {
	struct crowd crowd;
	int iommufd;
	__u32 idev;
	int refusal;		/* when there is nothing to raise an event for */
	struct goal raised;
};

static int raise_until_over(void *data)
{
	struct raiser *raiser = data;
	int rc;

	while (!crowd_is_over(&raiser->crowd)) {
		rc = mock_trigger_vevent(raiser->iommufd, raiser->idev);
		if (rc && rc != raiser->refusal)
			return rc;
		if (!rc)
			goal_count(&raiser->raised);
	}
	return 0;
}

struct row {
	__u32 next;		/* number */
	unsigned int nr_events;	/* since it was told that some were lost */
};

/*
 * Some are lost only while the queue is full, and what it is full of is read
 * before anything tells that.
 */
static bool goes_on(struct row *row, const struct event *event, ssize_t size)
{
	const struct iommufd_vevent_header *header = &event->header;
	const bool told = header->flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS;
	const bool lost = told || header->sequence != row->next;

	if (size != (told ? HEADER : EVENT) || header->sequence < row->next ||
	    (lost && row->nr_events < DEPTH))
		return false;
	row->next = header->sequence + 1;
	row->nr_events = told ? 0 : row->nr_events + 1;
	return true;
}

/* The numbers of what is read and of what is lost make one row. */
TEST_F(veventq, events_are_counted_while_they_are_read)
{
	struct raiser raiser = { .iommufd = FD, .idev = DEV.idev };
	struct event event;
	struct row row = {};
	unsigned int nr = 0;
	ssize_t size;

	ASSERT_EQ(0, crowd_add(&raiser.crowd, raise_until_over, &raiser));
	ASSERT_EQ(0, crowd_add(&raiser.crowd, raise_until_over, &raiser));
	while (nr != 20 * ROUNDS) {
		size = checked_read(FILE_OF_QUEUE, &event, EVENT);
		if (!size)
			continue;
		ASSERT_TRUE(goes_on(&row, &event, size))
			TH_LOG("%u instead of %u", event.header.sequence,
			       row.next);
		nr++;
	}
	EXPECT_EQ(0, crowd_end(&raiser.crowd));
	while ((size = checked_read(FILE_OF_QUEUE, &event, EVENT)) > 0)
		ASSERT_TRUE(goes_on(&row, &event, size));
	EXPECT_EQ(0, size);
	EXPECT_EQ(raiser.raised.times, row.next);
}

TEST_F(veventq, queues_come_and_go_while_events_are_raised)
{
	struct raiser raiser = {
		.iommufd = FD,
		.idev = DEV.idev,
		.refusal = -EOPNOTSUPP,
		.raised = { "raised", ROUNDS / 10 },
	};
	struct event event;
	int i;

	close(FILE_OF_QUEUE);
	ASSERT_EQ(0, iommufd_destroy(FD, QUEUE));
	ASSERT_EQ(0, crowd_add(&raiser.crowd, raise_until_over, &raiser));
	ASSERT_EQ(0, crowd_add(&raiser.crowd, raise_until_over, &raiser));
	for (i = 0; i < ROUNDS || !goal_is_reached(&raiser.raised); i++) {
		ASSERT_EQ(0, veventq_alloc(FD, VIOMMU, TYPE, DEPTH, &QUEUE,
					   &FILE_OF_QUEUE));
		if (i % 2)
			EXPECT_LE(0, checked_read(FILE_OF_QUEUE, &event,
						  EVENT));
		close(FILE_OF_QUEUE);
		ASSERT_EQ(0, iommufd_destroy(FD, QUEUE));
	}
	FILE_OF_QUEUE = -1;
	EXPECT_EQ(0, crowd_end(&raiser.crowd));
}

TEST_F(veventq, devices_leave_while_events_are_raised)
{
	struct raiser raiser = {
		.iommufd = FD,
		.idev = DEV.idev,
		.refusal = -ENOENT,
		.raised = { "raised", ROUNDS / 10 },
	};
	__u32 pt;
	int i;

	ASSERT_EQ(0, crowd_add(&raiser.crowd, raise_until_over, &raiser));
	for (i = 0; i < ROUNDS || !goal_is_reached(&raiser.raised); i++) {
		pt = IOAS;
		ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
		pt = self->rig.nested;
		ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	}
	EXPECT_EQ(0, crowd_end(&raiser.crowd));
}

TEST_HARNESS_MAIN
