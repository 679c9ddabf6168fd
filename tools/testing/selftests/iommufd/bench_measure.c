// SPDX-License-Identifier: GPL-2.0-only
/* How it is measured: clock, samples, marks for who looks at the machine. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "bench.h"
#include "profile_mark.h"

struct samples results[MAX_OPS];
int rounds_wanted;

static const struct test_case *running_case;
static const struct backend *running_backend;
static __u64 stopwatch_cost;

/*
 * Marks in what QEMU can log about the machine: each is a read of a byte of
 * the device's configuration space that no driver reads so. The log has
 * what the IOMMU was told between them.
 */
enum log_mark {
	LOG_BEGIN = 1,
	LOG_END = 3,
	LOG_KEEP = 5,		/* what ended last is the next line of output */
};

static int config_space = -1;	/* open: put marks */

static void log_mark(enum log_mark mark)
{
	char byte;

	if (config_space >= 0 && pread(config_space, &byte, 1, mark) != 1)
		fprintf(stderr, "iommufd_bench: a mark is missing\n");
}

int timed_ioctl(int fd, unsigned long command, void *argument, __u64 *cost)
{
	__u64 start, end;
	int rc;

	log_mark(LOG_BEGIN);
	profile_mark(PROFILE_MARK_BEGIN);
	start = stopwatch();
	rc = ioctl(fd, command, argument);
	end = stopwatch();
	profile_mark(PROFILE_MARK_END);
	log_mark(LOG_END);
	*cost = end - start - stopwatch_cost;
	return rc < 0 ? -errno : 0;
}

/* What is measured when there is nothing between start and end. */
void calibrate(void)
{
	int i;

	stopwatch_cost = UINT64_MAX;
	for (i = 0; i < 100; i++) {
		__u64 start = stopwatch(), cost = stopwatch() - start;

		if (cost < stopwatch_cost)
			stopwatch_cost = cost;
	}
}

int marks_open(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	config_space = open(path, O_RDONLY | O_CLOEXEC);
	return config_space < 0 ? -errno : 0;
}

void samples_begin(const struct test_case *test, const struct backend *backend)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(results); i++)
		results[i].count = 0;
	running_case = test;
	running_backend = backend;
}

/* One line for each stretch of the log that is to be kept, in their order. */
static void keep_log(int op)
{
	printf("log,%s,%s,%s\n", running_backend->name, running_case->name,
	       running_case->ops[op]);
	log_mark(LOG_KEEP);
}

/* The number of a mark is a part of an instruction. */
static void profile_keep(int op)
{
	switch (op) {
	case 0:
		profile_mark(PROFILE_MARK_KEEP(0));
		break;
	case 1:
		profile_mark(PROFILE_MARK_KEEP(1));
		break;
	case 2:
		profile_mark(PROFILE_MARK_KEEP(2));
		break;
	case 3:
		profile_mark(PROFILE_MARK_KEEP(3));
		break;
	}
}

void add_sample(int op, int round, __u64 cost)
{
	struct samples *samples = &results[op];

	if (!round)
		return;
	samples->value[samples->count++] = cost;
	if (config_space >= 0)
		keep_log(op);
	profile_keep(op);
}

int rounds_of(const struct test_case *test)
{
	return 1 + (rounds_wanted ? rounds_wanted : test->rounds);
}

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

__u64 median(struct samples *samples)
{
	qsort(samples->value, samples->count, sizeof(samples->value[0]),
	      compare);
	return samples->value[samples->count / 2];
}
