// SPDX-License-Identifier: GPL-2.0-only
#include <poll.h>
#include <unistd.h>

#include "checked_io.h"
#include "fault_rig.h"

int faulting_hwpt(int iommufd, __u32 idev, __u32 pt, __u32 flags, __u32 queue,
		  __u32 *hwpt)
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

static int reset_devices(void)
{
	return mock_group_size(1) ?: mock_join_group(false);
}

int fault_rig_make(struct fault_rig *rig)
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
			mock_move(mock->iommufd, &mock->dev, rig->hwpt));
}

long fault_rig_break(struct fault_rig *rig)
{
	if (rig->fd >= 0)
		close(rig->fd);
	reset_devices();
	return mock_rig_break(&rig->mock);
}

int request(int iommufd, const struct mock_device *dev, __u32 group)
{
	return mock_trigger_iopf(iommufd, dev->idev, 0, group, PERM,
				 ADDRESS + group * SMALL_PAGE);
}

ssize_t respond(int fd, __u32 cookie, __u32 code)
{
	const struct iommu_hwpt_page_response response = {
		.cookie = cookie,
		.code = code,
	};

	return checked_write(fd, &response, sizeof(response));
}

bool readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&pollfd, 1, 0) == 1 && pollfd.revents & POLLIN;
}

int poll_for_ever(void *argument)
{
	struct pollfd pollfd = { .fd = *(int *)argument, .events = POLLIN };

	return ppoll(&pollfd, 1, NULL, NULL);
}

bool answers_are(const struct mock_answers *before, long succeeded,
		 long invalid, long failed)
{
	struct mock_answers now;

	return !mock_answers(&now) &&
	       now.succeeded - before->succeeded == succeeded &&
	       now.invalid - before->invalid == invalid &&
	       now.failed - before->failed == failed;
}

long answers_since(const struct mock_answers *before)
{
	struct mock_answers now = {};

	mock_answers(&now);
	return now.succeeded - before->succeeded +
	       now.invalid - before->invalid + now.failed - before->failed;
}
