// SPDX-License-Identifier: GPL-2.0-only
/*
 * IO page faults that user space handles, raised by devices of the kernel's
 * test device. Each request has one answer, whatever happens: debugfs counts
 * what the devices were told.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>

#include <sys/mman.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define RECORD sizeof(struct iommu_hwpt_pgfault)
#define RESPONSE sizeof(struct iommu_hwpt_page_response)
#define ADDRESS 0x12345000ULL
#define PERM (IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_WRITE)
#define SUCCESS IOMMUFD_PAGE_RESP_SUCCESS
#define INVALID IOMMUFD_PAGE_RESP_INVALID
/* What a queue takes, and no more */
#define GROUPS_MAX (1U << 16)

/* A page table whose faults go to @queue */
static int faulting_hwpt(int iommufd, __u32 idev, __u32 pt, __u32 flags,
			 __u32 queue, __u32 *hwpt)
{
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID | flags,
		.dev_id = idev,
		.pt_id = pt,
		.fault_id = queue,
	};
	int rc = hwpt_alloc_ioctl(iommufd, &cmd);

	if (!rc)
		*hwpt = cmd.out_hwpt_id;
	return rc;
}

static int move(int iommufd, const struct mock_device *dev, __u32 pt)
{
	return mock_domain_replace(iommufd, dev->stdev, &pt);
}

/* A device, and where its faults go */
struct fault_rig {
	struct mock_rig mock;	/* its device is on hwpt */
	__u32 queue;
	int fd;			/* of queue */
	__u32 hwpt;		/* on the IOAS, its faults go to queue */
	__u32 plain;		/* on the IOAS, without queue */
	struct mock_answers before;
};

/* Devices are single ones, and ask for single pages. */
static int reset_devices(void)
{
	return mock_group_size(1) ?: mock_join_group(false);
}

static int fault_rig_make(struct fault_rig *rig)
{
	struct mock_rig *mock = &rig->mock;

	rig->fd = -1;
	return mock_rig_make(mock) ?:
	       rig_part("debugfs", mock_answers(&rig->before)) ?:
	       rig_part("devices as usual", reset_devices()) ?:
	       mock_rig_plug(mock, 0) ?:
	       rig_part("a queue", fault_queue_alloc(mock->iommufd,
						     &rig->queue, &rig->fd)) ?:
	       rig_part("a page table with a queue",
			faulting_hwpt(mock->iommufd, mock->dev.idev, mock->ioas,
				      0, rig->queue, &rig->hwpt)) ?:
	       rig_part("a page table without",
			hwpt_alloc(mock->iommufd, mock->dev.idev, mock->ioas, 0,
				   &rig->plain)) ?:
	       rig_part("a device there",
			move(mock->iommufd, &mock->dev, rig->hwpt));
}

static long fault_rig_break(struct fault_rig *rig)
{
	if (rig->fd >= 0)
		close(rig->fd);
	reset_devices();
	return mock_rig_break(&rig->mock);
}

FIXTURE(fault)
{
	struct fault_rig rig;
};

FIXTURE_SETUP(fault)
{
	MAKE(fault_rig_make(&self->rig));
}

FIXTURE_TEARDOWN(fault)
{
	EXPECT_EQ(0, fault_rig_break(&self->rig));
}

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define QUEUE (self->rig.fd)
#define QUEUE_ID (self->rig.queue)
#define HWPT (self->rig.hwpt)
#define PLAIN (self->rig.plain)
#define BEFORE (&self->rig.before)

static int request(int iommufd, const struct mock_device *dev, __u32 group)
{
	return mock_trigger_iopf(iommufd, dev->idev, 0, group, PERM,
				 ADDRESS + group * SMALL_PAGE);
}

/* Where there is no memory */
static void *volatile nowhere = (void *)8;

static ssize_t respond(int fd, __u32 cookie, __u32 code)
{
	const struct iommu_hwpt_page_response response = {
		.cookie = cookie,
		.code = code,
	};

	return checked_write(fd, &response, sizeof(response));
}

static bool readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&pollfd, 1, 0) == 1 && pollfd.revents & POLLIN;
}

/* Since @before, devices were given so many answers of each kind? */
static bool answers_are(const struct mock_answers *before, long succeeded,
			long invalid, long failed)
{
	struct mock_answers now;

	return !mock_answers(&now) &&
	       now.succeeded - before->succeeded == succeeded &&
	       now.invalid - before->invalid == invalid &&
	       now.failed - before->failed == failed;
}

static long answers_since(const struct mock_answers *before)
{
	struct mock_answers now = {};

	mock_answers(&now);
	return now.succeeded - before->succeeded +
	       now.invalid - before->invalid + now.failed - before->failed;
}

#define EXPECT_ANSWERS(succeeded, invalid, failed) \
	EXPECT_TRUE(answers_are(BEFORE, succeeded, invalid, failed))

/*
 * The queue
 */

TEST_F(fault, queue_has_a_file_that_no_program_inherits)
{
	char path[64], name[64] = "";

	EXPECT_EQ(FD_CLOEXEC, fcntl(QUEUE, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(QUEUE, F_GETFL) & O_ACCMODE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", QUEUE);
	ASSERT_LT(0, readlink(path, name, sizeof(name) - 1));
	EXPECT_STREQ("anon_inode:[iommufd-pgfault]", name);
}

TEST_F(fault, queue_takes_no_flags)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };

	for (cmd.flags = 1; cmd.flags; cmd.flags <<= 1)
		EXPECT_EQ(-EOPNOTSUPP,
			  checked_ioctl(FD, IOMMU_FAULT_QUEUE_ALLOC, &cmd));
	cmd.size--;
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, IOMMU_FAULT_QUEUE_ALLOC, &cmd));
}

TEST_F(fault, queue_is_gone_when_it_cannot_be_told)
{
	const struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	const __u32 first = next_id(FD);
	const int fd = next_fd();
	void *va = read_only(&cmd, sizeof(cmd));

	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_FAULT_QUEUE_ALLOC, va));
	EXPECT_EQ(first, next_id(FD));
	EXPECT_EQ(fd, next_fd());
}

TEST_F(fault, queue_is_kept_alive_by_file_and_page_tables)
{
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, QUEUE_ID));
	ASSERT_EQ(0, move(FD, &DEV, IOAS));
	close(QUEUE);
	QUEUE = -1;
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, QUEUE_ID));
	ASSERT_EQ(0, iommufd_destroy(FD, HWPT));
	EXPECT_EQ(0, iommufd_destroy(FD, QUEUE_ID));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, QUEUE_ID));
}

TEST_F(fault, queue_is_kept_alive_by_the_file_alone)
{
	__u32 queue;
	int fd;

	ASSERT_EQ(0, fault_queue_alloc(FD, &queue, &fd));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, queue));
	close(fd);
	EXPECT_EQ(0, iommufd_destroy(FD, queue));
}

/* The device goes on as long as the file of the queue is open. */
TEST_F(fault, file_keeps_everything_alive)
{
	struct iommu_hwpt_pgfault record;
	struct memory mem;
	int iommufd = FD;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, SMALL_PAGE));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va, SMALL_PAGE,
				 MOCK_APERTURE_START));
	ASSERT_EQ(0, request(FD, &DEV, 1));
	ASSERT_EQ(0, request(FD, &DEV, 2));
	FD = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(iommufd);
	EXPECT_EQ(0, mock_check_refs(iommufd_open(), mem.va, SMALL_PAGE, 1));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	EXPECT_EQ(RESPONSE, respond(QUEUE, record.cookie, SUCCESS));
	EXPECT_ANSWERS(1, 0, 0);
	close(QUEUE);
	QUEUE = -1;
	EXPECT_ANSWERS(1, 1, 0);
	EXPECT_EQ(0, mock_check_refs(iommufd_open(), mem.va, SMALL_PAGE, 0));
}

/*
 * Page tables
 */

TEST_F(fault, page_table_needs_a_queue_that_there_is)
{
	const __u32 first = next_id(FD);
	struct iommu_hwpt_alloc cmd = {
		.dev_id = DEV.idev,
		.pt_id = IOAS,
		.fault_id = NO_SUCH_ID,
	};
	__u32 hwpt;

	EXPECT_EQ(-ENOENT, faulting_hwpt(FD, DEV.idev, IOAS, 0, NO_SUCH_ID,
					 &hwpt));
	EXPECT_EQ(-ENOENT, faulting_hwpt(FD, DEV.idev, IOAS, 0, 0, &hwpt));
	EXPECT_EQ(-ENOENT, faulting_hwpt(FD, DEV.idev, IOAS, 0, IOAS, &hwpt));
	EXPECT_EQ(-ENOENT, faulting_hwpt(FD, DEV.idev, IOAS, 0, HWPT, &hwpt));
	EXPECT_EQ(first, next_id(FD));
	/* an ID that nobody looks at */
	EXPECT_EQ(0, hwpt_alloc_ioctl(FD, &cmd));
}

TEST_F(fault, page_table_is_no_parent_as_well)
{
	__u32 flags, hwpt;
	int expected;

	for (flags = 0; flags != 16; flags++) {
		expected = flags & IOMMU_HWPT_ALLOC_NEST_PARENT ? -EOPNOTSUPP :
								  0;
		EXPECT_EQ(expected, faulting_hwpt(FD, DEV.idev, IOAS, flags,
						  QUEUE_ID, &hwpt));
	}
	/* that comes before the question whether there is a queue */
	EXPECT_EQ(-EOPNOTSUPP, faulting_hwpt(FD, DEV.idev, IOAS,
					     IOMMU_HWPT_ALLOC_NEST_PARENT,
					     NO_SUCH_ID, &hwpt));
}

static int faulting_nested(int iommufd, __u32 idev, __u32 parent, __u32 flags,
			   __u32 queue, __u32 *hwpt)
{
	const struct iommu_test_hwpt data = { .iotlb = 1 };
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID | flags,
		.dev_id = idev,
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
		.fault_id = queue,
	};
	int rc = hwpt_alloc_ioctl(iommufd, &cmd);

	if (!rc)
		*hwpt = cmd.out_hwpt_id;
	return rc;
}

TEST_F(fault, nested_page_table_has_a_queue_too)
{
	struct iommu_hwpt_pgfault record;
	__u32 parent, nested, first;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS,
				IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	first = next_id(FD);
	EXPECT_EQ(-ENOENT, faulting_nested(FD, DEV.idev, parent, 0, NO_SUCH_ID,
					   &nested));
	EXPECT_EQ(-EOPNOTSUPP,
		  faulting_nested(FD, DEV.idev, parent,
				  IOMMU_HWPT_ALLOC_NEST_PARENT, QUEUE_ID,
				  &nested));
	EXPECT_EQ(first, next_id(FD));
	ASSERT_EQ(0, faulting_nested(FD, DEV.idev, parent,
				     IOMMU_HWPT_ALLOC_PASID, QUEUE_ID,
				     &nested));
	ASSERT_EQ(0, move(FD, &DEV, nested));
	ASSERT_EQ(0, request(FD, &DEV, 3));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	EXPECT_EQ(DEV.idev, record.dev_id);
	EXPECT_EQ(RESPONSE, respond(QUEUE, record.cookie, SUCCESS));
	EXPECT_ANSWERS(1, 0, 0);

	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	ASSERT_EQ(0, iommufd_destroy(FD, HWPT));
	close(QUEUE);
	QUEUE = -1;
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, QUEUE_ID));
	ASSERT_EQ(0, iommufd_destroy(FD, nested));
	EXPECT_EQ(0, iommufd_destroy(FD, QUEUE_ID));
}

/*
 * Requests and answers
 */

TEST_F(fault, request_comes_out_as_the_device_made_it)
{
	struct iommu_hwpt_pgfault record;

	EXPECT_EQ(0, checked_read(QUEUE, &record, RECORD));
	ASSERT_EQ(0, mock_trigger_iopf(FD, DEV.idev, 0, 77, PERM, ADDRESS));
	memset(&record, 0xff, sizeof(record));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	EXPECT_EQ(IOMMU_PGFAULT_FLAGS_LAST_PAGE, record.flags);
	EXPECT_EQ(DEV.idev, record.dev_id);
	EXPECT_EQ(0, record.pasid);
	EXPECT_EQ(77, record.grpid);
	EXPECT_EQ(PERM, record.perm);
	EXPECT_EQ(0, record.__reserved);
	EXPECT_EQ(ADDRESS, record.addr);
	EXPECT_EQ(0, record.length);
	EXPECT_EQ(1, record.cookie);
	EXPECT_EQ(0, checked_read(QUEUE, &record, RECORD));
	EXPECT_ANSWERS(0, 0, 0);

	EXPECT_EQ(RESPONSE, respond(QUEUE, 1, SUCCESS));
	EXPECT_ANSWERS(1, 0, 0);
	EXPECT_EQ(-EINVAL, respond(QUEUE, 1, SUCCESS));
	EXPECT_ANSWERS(1, 0, 0);
}

TEST_F(fault, answers_come_in_any_order)
{
	struct iommu_hwpt_pgfault records[4];
	unsigned int i;

	for (i = 0; i != 4; i++)
		ASSERT_EQ(0, request(FD, &DEV, i));
	ASSERT_EQ(4 * RECORD, checked_read(QUEUE, records, sizeof(records)));
	for (i = 0; i != 4; i++) {
		EXPECT_EQ(i, records[i].grpid);
		EXPECT_EQ(ADDRESS + i * SMALL_PAGE, records[i].addr);
		EXPECT_EQ(i + 1, records[i].cookie);
	}
	EXPECT_EQ(RESPONSE, respond(QUEUE, 3, INVALID));
	EXPECT_EQ(RESPONSE, respond(QUEUE, 4, SUCCESS));
	EXPECT_EQ(RESPONSE, respond(QUEUE, 1, INVALID));
	EXPECT_EQ(-EINVAL, respond(QUEUE, 3, INVALID));
	EXPECT_EQ(RESPONSE, respond(QUEUE, 2, SUCCESS));
	EXPECT_ANSWERS(2, 2, 0);
}

/* An answer that comes late does not go to somebody else's request. */
TEST_F(fault, cookies_are_not_used_again_at_once)
{
	struct iommu_hwpt_pgfault record;
	__u32 i;

	for (i = 1; i != 10; i++) {
		ASSERT_EQ(0, request(FD, &DEV, i));
		ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(-EINVAL, respond(QUEUE, i - 1, SUCCESS));
		EXPECT_EQ(RESPONSE, respond(QUEUE, i, SUCCESS));
	}
}

TEST_F(fault, requests_of_several_devices_are_told_apart)
{
	struct iommu_hwpt_pgfault records[3];
	struct mock_device second, third;
	__u32 other_queue, other_hwpt;
	int other;

	ASSERT_EQ(0, mock_domain(FD, HWPT, &second));
	ASSERT_EQ(0, fault_queue_alloc(FD, &other_queue, &other));
	ASSERT_EQ(0, faulting_hwpt(FD, DEV.idev, IOAS, 0, other_queue,
				   &other_hwpt));
	ASSERT_EQ(0, mock_domain(FD, other_hwpt, &third));

	ASSERT_EQ(0, request(FD, &second, 5));
	ASSERT_EQ(0, request(FD, &third, 5));
	ASSERT_EQ(0, request(FD, &DEV, 5));
	ASSERT_EQ(2 * RECORD, checked_read(QUEUE, records, sizeof(records)));
	EXPECT_EQ(second.idev, records[0].dev_id);
	EXPECT_EQ(DEV.idev, records[1].dev_id);
	ASSERT_EQ(RECORD, checked_read(other, records, sizeof(records)));
	EXPECT_EQ(third.idev, records[0].dev_id);
	/* each queue counts from 1 */
	EXPECT_EQ(1, records[0].cookie);

	EXPECT_EQ(RESPONSE, respond(other, 1, SUCCESS));
	EXPECT_EQ(-EINVAL, respond(other, 2, SUCCESS));
	EXPECT_ANSWERS(1, 0, 0);
	close(other);
	EXPECT_ANSWERS(1, 0, 0);
}

TEST_F(fault, request_of_a_device_on_another_page_table_is_invalid)
{
	ASSERT_EQ(0, move(FD, &DEV, PLAIN));
	ASSERT_EQ(0, request(FD, &DEV, 1));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_ANSWERS(0, 1, 0);
	/* so is that for a PASID which is not attached */
	ASSERT_EQ(0, move(FD, &DEV, HWPT));
	ASSERT_EQ(0, mock_trigger_iopf(FD, DEV.idev, 5, 1, PERM, ADDRESS));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_ANSWERS(0, 2, 0);
	EXPECT_EQ(-ENOENT, mock_trigger_iopf(FD, IOAS, 0, 1, PERM, ADDRESS));
}

TEST_F(fault, request_of_a_pasid_says_so)
{
	const __u32 flags = IOMMU_HWPT_ALLOC_PASID;
	struct iommu_hwpt_pgfault record;
	struct mock_device dev;
	__u32 own, hwpt, pt;
	int rc;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, flags, &own));
	ASSERT_EQ(0, faulting_hwpt(FD, DEV.idev, IOAS, flags, QUEUE_ID,
				   &hwpt));
	ASSERT_EQ(0, mock_domain_flags(FD, own, MOCK_FLAGS_DEVICE_PASID,
				       &dev));
	pt = hwpt;
	rc = mock_pasid_attach(FD, dev.stdev, 7, &pt);
	if (rc == -EOPNOTSUPP)
		SKIP(return, "PASIDs cannot be attached");
	ASSERT_EQ(0, rc);

	ASSERT_EQ(0, mock_trigger_iopf(FD, dev.idev, 7, 1, PERM, ADDRESS));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	EXPECT_EQ(IOMMU_PGFAULT_FLAGS_PASID_VALID |
		  IOMMU_PGFAULT_FLAGS_LAST_PAGE, record.flags);
	EXPECT_EQ(7, record.pasid);
	EXPECT_EQ(dev.idev, record.dev_id);
	EXPECT_EQ(RESPONSE, respond(QUEUE, record.cookie, SUCCESS));
	EXPECT_ANSWERS(1, 0, 0);
	/* the device itself is on a page table without queue */
	ASSERT_EQ(0, request(FD, &dev, 2));
	EXPECT_ANSWERS(1, 1, 0);

	ASSERT_EQ(0, mock_trigger_iopf(FD, dev.idev, 7, 3, PERM, ADDRESS));
	pt = own;
	ASSERT_EQ(0, mock_pasid_replace(FD, dev.stdev, 7, &pt));
	EXPECT_ANSWERS(1, 2, 0);
	pt = hwpt;
	ASSERT_EQ(0, mock_pasid_replace(FD, dev.stdev, 7, &pt));
	ASSERT_EQ(0, mock_trigger_iopf(FD, dev.idev, 7, 4, PERM, ADDRESS));
	ASSERT_EQ(0, mock_pasid_detach(FD, dev.stdev, 7));
	EXPECT_ANSWERS(1, 3, 0);
}

/* A guest that fills the page tables of a device fills those of its PASIDs. */
TEST_F(fault, request_of_any_pasid_goes_to_a_nested_page_table)
{
	const struct iommu_test_hwpt data = { .iotlb = 1 };
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = DEV.idev,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
		.fault_id = QUEUE_ID,
	};
	struct iommu_hwpt_pgfault record;
	__u32 plain;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS,
				IOMMU_HWPT_ALLOC_NEST_PARENT, &cmd.pt_id));
	ASSERT_EQ(0, mock_nested(FD, DEV.idev, cmd.pt_id, 0, 1, &plain));
	ASSERT_EQ(0, hwpt_alloc_ioctl(FD, &cmd));

	/* it has nowhere to go on one without queue */
	ASSERT_EQ(0, move(FD, &DEV, plain));
	ASSERT_EQ(0, mock_trigger_iopf(FD, DEV.idev, 1, 1, PERM, ADDRESS));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_ANSWERS(0, 1, 0);

	ASSERT_EQ(0, move(FD, &DEV, cmd.out_hwpt_id));
	ASSERT_EQ(0, mock_trigger_iopf(FD, DEV.idev, 1, 2, PERM, ADDRESS));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
	EXPECT_EQ(IOMMU_PGFAULT_FLAGS_PASID_VALID |
		  IOMMU_PGFAULT_FLAGS_LAST_PAGE, record.flags);
	EXPECT_EQ(1, record.pasid);
	EXPECT_EQ(DEV.idev, record.dev_id);
	EXPECT_EQ(RESPONSE, respond(QUEUE, record.cookie, SUCCESS));
	EXPECT_ANSWERS(1, 1, 0);

	/* it is answered like any other when the device leaves */
	ASSERT_EQ(0, mock_trigger_iopf(FD, DEV.idev, 1, 3, PERM, ADDRESS));
	ASSERT_EQ(0, move(FD, &DEV, plain));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_ANSWERS(1, 2, 0);
}

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

/* @room bytes before a page that is not there */
static char *end_of_memory(size_t room)
{
	char *va = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (va == MAP_FAILED || munmap(va + SMALL_PAGE, SMALL_PAGE))
		abort();
	return va + SMALL_PAGE - room;
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
	ASSERT_EQ(0, move(FD, &DEV, PLAIN));
	EXPECT_FALSE(readable(QUEUE));
}

static int poll_for_ever(void *argument)
{
	struct pollfd pollfd = { .fd = *(int *)argument, .events = POLLIN };

	return poll(&pollfd, 1, -1);
}

TEST_F(fault, poll_wakes_up_for_a_request)
{
	struct thread_call call;

	ASSERT_EQ(0, thread_call_start(&call, poll_for_ever, &QUEUE));
	usleep(100 * 1000);
	ASSERT_EQ(0, request(FD, &DEV, 1));
	EXPECT_EQ(1, thread_call_end(&call));
}

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
	ASSERT_EQ(0, move(FD, &DEV, HWPT));
	EXPECT_ANSWERS(1, 0, 0);
	ASSERT_EQ(0, move(FD, &DEV, IOAS));
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
	ASSERT_EQ(0, move(FD, &DEV, other));
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
	EXPECT_EQ(-EINVAL, move(FD, &plain, tracking));
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

static int join_group(int iommufd, __u32 pt, struct mock_device *dev)
{
	int rc = mock_join_group(true);

	if (!rc)
		rc = mock_domain(iommufd, pt, dev);
	mock_join_group(false);
	return rc;
}

TEST_F(fault, requests_of_a_group_of_devices_are_told_apart)
{
	struct iommu_hwpt_pgfault records[6];
	struct mock_device other, third;
	unsigned int i;

	ASSERT_EQ(0, join_group(FD, HWPT, &other));
	EXPECT_EQ(-EINVAL, join_group(FD, PLAIN, &third));
	EXPECT_EQ(-EINVAL, join_group(FD, IOAS, &third));
	ASSERT_EQ(0, join_group(FD, HWPT, &third));
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

	ASSERT_EQ(0, join_group(FD, HWPT, &other));
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

	ASSERT_EQ(0, join_group(FD, HWPT, &other));
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

	ASSERT_EQ(0, join_group(FD, HWPT, &other));
	ASSERT_EQ(0, ask_and_answer(FD, QUEUE, &DEV));
	ASSERT_EQ(0, ask_and_answer(FD, QUEUE, &other));
	ASSERT_EQ(0, move(FD, &other, PLAIN));
	EXPECT_ANSWERS(2, 6, 0);
	EXPECT_EQ(0, mock_pasid_check(FD, DEV.stdev, 0, PLAIN));
	/* both have moved */
	ASSERT_EQ(0, request(FD, &DEV, 9));
	EXPECT_ANSWERS(2, 7, 0);
	ASSERT_EQ(0, move(FD, &DEV, HWPT));
	ASSERT_EQ(0, request(FD, &other, 9));
	EXPECT_TRUE(readable(QUEUE));
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
	ASSERT_EQ(0, move(FD, &DEV, PLAIN));
	EXPECT_ANSWERS(0, 2, 0);
	ASSERT_EQ(0, request(FD, &DEV, 4));
	EXPECT_ANSWERS(0, 3, 0);
	ASSERT_EQ(0, move(FD, &DEV, HWPT));

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

TEST_F_TIMEOUT(fault, queue_leaves_nothing_behind_when_it_fails, 120)
{
	const __u32 first = next_id(FD);
	const int first_fd = next_fd();
	__u32 queue;
	int fd;

	/* the descriptor of fail-nth itself is one */
	WITH_EACH_FAILURE(fault_queue_alloc(FD, &queue, &fd),
			  next_id(FD) == first && next_fd() == first_fd + 1,
			  (close(fd), iommufd_destroy(FD, queue)));
	EXPECT_EQ(first, next_id(FD));
	EXPECT_EQ(first_fd, next_fd());
}

TEST_F_TIMEOUT(fault, page_table_leaves_nothing_behind_when_it_fails, 120)
{
	const __u32 first = next_id(FD);
	__u32 hwpt;

	WITH_EACH_FAILURE(faulting_hwpt(FD, DEV.idev, IOAS, 0, QUEUE_ID,
					&hwpt),
			  next_id(FD) == first, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	ASSERT_EQ(0, iommufd_destroy(FD, HWPT));
	close(QUEUE);
	QUEUE = -1;
	EXPECT_EQ(0, iommufd_destroy(FD, QUEUE_ID));
}

TEST_F_TIMEOUT(fault, attach_changes_nothing_when_it_fails, 120)
{
	const __u32 first = next_id(FD);
	struct mock_device other;

	WITH_EACH_FAILURE(mock_domain(FD, HWPT, &other), next_id(FD) == first,
			  mock_destroy(FD, &other));
	EXPECT_EQ(first, next_id(FD));
}

TEST_F_TIMEOUT(fault, move_leaves_requests_alone_when_it_fails, 120)
{
	const __u32 stdev = DEV.stdev;
	struct iommu_hwpt_pgfault record;

	ASSERT_EQ(0, request(FD, &DEV, 1));
	WITH_EACH_FAILURE(move(FD, &DEV, PLAIN),
			  !mock_pasid_check(FD, stdev, 0, HWPT) ?
			  readable(QUEUE) :
			  /* it was the reply that failed */
			  !readable(QUEUE) && !move(FD, &DEV, HWPT) &&
			  !request(FD, &DEV, 1),
			  (readable(QUEUE) || move(FD, &DEV, HWPT) ||
			   request(FD, &DEV, 1)));
	ASSERT_EQ(RECORD, checked_read(QUEUE, &record, RECORD));
}

/* Either the group is in the queue, or the device has been told. */
TEST_F_TIMEOUT(fault, request_is_not_lost_when_it_fails, 120)
{
	struct iommu_hwpt_pgfault records[3];
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
		ASSERT_TRUE(!rc || (failed && is_injected_failure(rc)));
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
			EXPECT_TRUE(is_injected_failure(length));
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

/*
 * Races. At the end each request has had one answer.
 */

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

	while (!crowd_is_over(&race->crowd)) {
		if (move(race->iommufd, &race->dev, race->plain) ||
		    move(race->iommufd, &race->dev, race->hwpt))
			break;
		goal_count(&race->goals[ROUNDS]);
	}
	return 0;
}

/* Another device comes and goes on the same page table, and asks as well. */
static int plug_for_ever(void *argument)
{
	struct race *race = argument;
	struct mock_device dev;
	int i;

	while (!crowd_is_over(&race->crowd)) {
		if (mock_domain(race->iommufd, race->hwpt, &dev))
			break;
		for (i = 0; i != 5; i++)
			if (!request(race->iommufd, &dev, i))
				goal_count(&race->goals[REQUESTS]);
		if (mock_destroy(race->iommufd, &dev))
			break;
		goal_count(&race->goals[ROUNDS]);
	}
	return 0;
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
		{ "requests", 5000 }, { "answered", 200 },		\
		{ "rounds", 60 },					\
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
	ASSERT_EQ(0, move(FD, &DEV, IOAS));
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
	ASSERT_EQ(0, move(FD, &DEV, IOAS));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_FALSE(readable(fd));
	EXPECT_EQ(requests_of(&race), answers_since(BEFORE));
	close(fd);
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
		ASSERT_EQ(0, move(FD, &DEV, hwpt));
		/* some are read, and some are not when it is closed */
		ASSERT_EQ(1, poll_for_ever(&fd));
		EXPECT_EQ(RECORD, checked_read(fd, &record, RECORD));
		race.goals[REQUESTS].least = race.goals[REQUESTS].times + 10;
		EXPECT_EQ(NULL, crowd_reach(&race.crowd, race.goals, 1));
		ASSERT_EQ(0, close(fd));
		usleep(1000);
		ASSERT_EQ(0, move(FD, &DEV, HWPT));
		ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
		ASSERT_EQ(0, iommufd_destroy(FD, queue));
	}
	ASSERT_EQ(0, crowd_end(&race.crowd));
	ASSERT_EQ(0, move(FD, &DEV, IOAS));
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
