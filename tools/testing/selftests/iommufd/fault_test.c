// SPDX-License-Identifier: GPL-2.0-only
/*
 * IO page faults that user space handles, raised by devices of the kernel's
 * test device: the queue, the page tables whose faults go there, and what is
 * asked and answered. Each request has one answer, whatever happens: debugfs
 * counts what the devices were told.
 */
#include <fcntl.h>
#include <stdint.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "fault_fixture.h"
#include "test_support.h"

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
	ASSERT_EQ(0, mock_move(FD, &DEV, IOAS));
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
	ASSERT_EQ(0, mock_move(FD, &DEV, nested));
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
	ASSERT_EQ(0, mock_move(FD, &DEV, PLAIN));
	ASSERT_EQ(0, request(FD, &DEV, 1));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_ANSWERS(0, 1, 0);
	/* so is that for a PASID which is not attached */
	ASSERT_EQ(0, mock_move(FD, &DEV, HWPT));
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
	ASSERT_EQ(0, mock_move(FD, &DEV, plain));
	ASSERT_EQ(0, mock_trigger_iopf(FD, DEV.idev, 1, 1, PERM, ADDRESS));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_ANSWERS(0, 1, 0);

	ASSERT_EQ(0, mock_move(FD, &DEV, cmd.out_hwpt_id));
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
	ASSERT_EQ(0, mock_move(FD, &DEV, plain));
	EXPECT_FALSE(readable(QUEUE));
	EXPECT_ANSWERS(1, 2, 0);
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
			  next_id(FD) == first, iommufd_destroy(FD, hwpt),
			  -ENOENT, -EINVAL);
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
			  mock_destroy(FD, &other), -ENOENT, -EINVAL);
	EXPECT_EQ(first, next_id(FD));
}

TEST_HARNESS_MAIN
