/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mock device whose page faults go to a queue, and what is asked and answered
 * there.
 */
#ifndef FAULT_RIG_H
#define FAULT_RIG_H

#include <stdbool.h>

#include <sys/types.h>

#include "mock_rig.h"

#define RECORD sizeof(struct iommu_hwpt_pgfault)
#define RESPONSE sizeof(struct iommu_hwpt_page_response)
#define ADDRESS 0x12345000ULL
#define PERM (IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_WRITE)
#define SUCCESS IOMMUFD_PAGE_RESP_SUCCESS
#define INVALID IOMMUFD_PAGE_RESP_INVALID

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
int fault_rig_make(struct fault_rig *rig);
/* Closes the queue, if that was not done. Returns as mock_rig_break(). */
long fault_rig_break(struct fault_rig *rig);

/* A page table whose faults go to @queue */
int faulting_hwpt(int iommufd, __u32 idev, __u32 pt, __u32 flags, __u32 queue,
		  __u32 *hwpt);
/* The device asks for the page of number @group behind ADDRESS. */
int request(int iommufd, const struct mock_device *dev, __u32 group);
/* Returns RESPONSE, or a negative errno. */
ssize_t respond(int fd, __u32 cookie, __u32 code);
bool readable(int fd);
/* For thread_call_start(): waits until the file *@fd is readable, returns 1. */
int poll_for_ever(void *fd);

/* Since @before, devices were given so many answers of each kind? */
bool answers_are(const struct mock_answers *before, long succeeded,
		 long invalid, long failed);
/* How many that were, of any kind */
long answers_since(const struct mock_answers *before);

/* Of a fixture whose rig is @rig, since it was made */
#define EXPECT_ANSWERS(succeeded, invalid, failed) \
	EXPECT_TRUE(answers_are(&self->rig.before, succeeded, invalid, failed))

#endif
