// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recorder: each file keeps what has happened last, and who did it, however
 * many threads do it and whatever the length is meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_nth.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define MAX IOMMU_RECORDER_MAX
#define LENGTH_PARAMETER "/sys/module/iommufd/parameters/recorder_length"

FIXTURE(recorder)
{
	struct mock_rig rig;
	struct memory_rig mem;
	struct iommu_record records[MAX + 1];
	__u32 nr;
};

FIXTURE_SETUP(recorder)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, 4 * SMALL_PAGE));
}

FIXTURE_TEARDOWN(recorder)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define LENGTH ((__u64)self->mem.length)
#define LAST (IOVA + LENGTH - 1)

/* All that the file keeps, in self->records */
#define READ_RECORDS() do {						\
	self->nr = MAX + 1;						\
	ASSERT_EQ(0, records_get(FD, 0, self->records, &self->nr));	\
} while (0)

#define MAP_AND_UNMAP() do {						\
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));	\
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));		\
} while (0)

#define EXPECT_RANGE(n, operation_, object_, iova_, last_, error_) do {	\
	const struct iommu_record *record_ = &self->records[n];		\
									\
	EXPECT_EQ(operation_, record_->operation);			\
	EXPECT_EQ(object_, record_->object);				\
	EXPECT_EQ(iova_, record_->iova);				\
	EXPECT_EQ(last_, record_->last);				\
	EXPECT_EQ(error_, record_->error);				\
} while (0)

TEST_F(recorder, has_nothing_at_first)
{
	READ_RECORDS();
	EXPECT_EQ(0, self->nr);
}

TEST_F(recorder, keeps_maps_copies_and_unmaps)
{
	__u64 copy = IOVA + MIB;

	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA, LENGTH,
			       &copy));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, copy, LENGTH, NULL));
	READ_RECORDS();
	ASSERT_EQ(4, self->nr);
	EXPECT_RANGE(0, IOMMU_RECORDED_MAP, IOAS, IOVA, LAST, 0);
	EXPECT_RANGE(1, IOMMU_RECORDED_COPY, IOAS, IOVA, LAST, 0);
	EXPECT_RANGE(2, IOMMU_RECORDED_MAP, IOAS, copy, copy + LENGTH - 1, 0);
	EXPECT_RANGE(3, IOMMU_RECORDED_UNMAP, IOAS, copy, copy + LENGTH - 1, 0);
}

TEST_F(recorder, keeps_what_fails)
{
	__u64 copy = IOVA;

	EXPECT_EQ(-ENOENT, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA,
				     LENGTH, &copy));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	EXPECT_EQ(-EEXIST, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	EXPECT_EQ(-ENOENT, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	READ_RECORDS();
	ASSERT_EQ(4, self->nr);
	EXPECT_RANGE(0, IOMMU_RECORDED_COPY, IOAS, IOVA, LAST, ENOENT);
	EXPECT_RANGE(1, IOMMU_RECORDED_MAP, IOAS, IOVA, LAST, 0);
	EXPECT_RANGE(2, IOMMU_RECORDED_MAP, IOAS, IOVA, LAST, EEXIST);
	EXPECT_RANGE(3, IOMMU_RECORDED_UNMAP, IOAS, IOVA, IOVA + SMALL_PAGE - 1,
		     ENOENT);
}

TEST_F(recorder, keeps_what_is_done_to_devices)
{
	const struct iommu_record *record = self->records;
	__u32 table, other = NO_SUCH_ID;

	ASSERT_EQ(0, mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &table));
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &table));
	EXPECT_EQ(-ENOENT, mock_domain_replace(FD, DEV.stdev, &other));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	READ_RECORDS();
	ASSERT_EQ(4, self->nr);
	EXPECT_RANGE(0, IOMMU_RECORDED_ATTACH, DEV.hwpt, 0, 0, 0);
	EXPECT_RANGE(1, IOMMU_RECORDED_REPLACE, table, 0, 0, 0);
	EXPECT_RANGE(2, IOMMU_RECORDED_REPLACE, NO_SUCH_ID, 0, 0, ENOENT);
	EXPECT_RANGE(3, IOMMU_RECORDED_DETACH, table, 0, 0, 0);
	for (; record < self->records + 4; record++) {
		EXPECT_EQ(DEV.idev, record->device);
		EXPECT_EQ(0, record->pasid);
		EXPECT_EQ(gettid(), record->thread);
	}
}

TEST_F(recorder, keeps_page_requests)
{
	struct iommu_hwpt_alloc alloc = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.pt_id = IOAS,
	};
	struct iommu_record *record;
	int fd;

	ASSERT_EQ(0, mock_rig_plug(&self->rig, 0));
	alloc.dev_id = DEV.idev;
	ASSERT_EQ(0, fault_queue_alloc(FD, &alloc.fault_id, &fd));
	ASSERT_EQ(0, hwpt_alloc_ioctl(FD, &alloc));
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &alloc.out_hwpt_id));
	ASSERT_EQ(0, mock_trigger_iopf(FD, DEV.idev, 0, 7,
				       IOMMU_PGFAULT_PERM_WRITE, IOVA));
	READ_RECORDS();
	ASSERT_EQ(3, self->nr);
	EXPECT_RANGE(2, IOMMU_RECORDED_PAGE_REQUEST, alloc.fault_id, IOVA, IOVA,
		     0);
	record = &self->records[2];
	EXPECT_EQ(DEV.idev, record->device);
	EXPECT_EQ(IOMMU_PGFAULT_PERM_WRITE, record->detail);
	EXPECT_EQ(0, record->thread);
	EXPECT_EQ(0, record->comm[0]);
	close(fd);
}

TEST_F(recorder, keeps_what_is_taken_back)
{
	int dmabuf = mock_dmabuf(FD, SMALL_PAGE, O_RDWR);
	__u64 iova = IOVA;

	ASSERT_EQ(0, mock_rig_plug(&self->rig, 0));
	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   SMALL_PAGE, &iova));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	READ_RECORDS();
	ASSERT_EQ(3, self->nr);
	EXPECT_RANGE(2, IOMMU_RECORDED_REVOKE, IOAS, IOVA,
		     IOVA + SMALL_PAGE - 1, 0);
	EXPECT_EQ(0, self->records[2].thread);
	close(dmabuf);
}

TEST_F(recorder, tells_who_and_when)
{
	__u64 before, after, later;

	/* Far from the beginning, where the clocks are compared */
	MAP_AND_UNMAP();
	usleep(100000);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "a name"));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	before = monotonic_ns();
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	after = monotonic_ns();
	usleep(100000);
	later = monotonic_ns();
	READ_RECORDS();
	ASSERT_EQ(4, self->nr);
	EXPECT_EQ(4, self->records[3].number);
	EXPECT_EQ(gettid(), self->records[3].thread);
	EXPECT_STREQ("a name", (char *)self->records[3].comm);
	/* Clocks of virtual machines differ by a little, not by what was slept. */
	EXPECT_LT(before - 50000000, self->records[3].time);
	EXPECT_GT(after + 50000000, self->records[3].time);
	EXPECT_GT(later, self->records[3].time);
}

TEST_F(recorder, keeps_up_to_its_length)
{
	unsigned int i, length;

	for (length = 1; length <= MAX; length *= 4) {
		ASSERT_EQ(0, recorder_set_length(FD, length));
		for (i = 0; i < length; i++)
			MAP_AND_UNMAP();
		READ_RECORDS();
		ASSERT_EQ(length, self->nr);
		for (i = 1; i < length; i++)
			EXPECT_EQ(self->records[0].number + i,
				  self->records[i].number);
		EXPECT_EQ(IOMMU_RECORDED_UNMAP,
			  self->records[length - 1].operation);
	}
}

TEST_F(recorder, goes_on_where_one_has_read_to)
{
	struct iommu_record record;
	struct iommu_get_records cmd = {
		.size = sizeof(cmd),
		.entry_size = sizeof(record),
		.nr = 1,
		.entries = (uintptr_t)&record,
	};
	unsigned int i;

	MAP_AND_UNMAP();
	for (i = 1; i <= 2; i++) {
		ASSERT_EQ(0, checked_ioctl(FD, IOMMU_GET_RECORDS, &cmd));
		ASSERT_EQ(1, cmd.nr);
		EXPECT_EQ(i, record.number);
		EXPECT_EQ(i + 1, cmd.first);
		EXPECT_EQ(MAX, cmd.length);
	}
	ASSERT_EQ(0, checked_ioctl(FD, IOMMU_GET_RECORDS, &cmd));
	EXPECT_EQ(0, cmd.nr);
}

TEST_F(recorder, is_for_programs_that_know_more)
{
	struct {
		struct iommu_record record;
		__u64 more;
	} entry = { .more = 1 };
	struct iommu_get_records cmd = {
		.size = sizeof(cmd),
		.entry_size = sizeof(entry),
		.nr = 1,
		.entries = (uintptr_t)&entry,
	};

	MAP_AND_UNMAP();
	ASSERT_EQ(0, checked_ioctl(FD, IOMMU_GET_RECORDS, &cmd));
	EXPECT_EQ(1, entry.record.number);
	EXPECT_EQ(0, entry.more);
	cmd.entries = 0;
	cmd.first = 0;
	cmd.nr = 1;
	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_GET_RECORDS, &cmd));
}

TEST_F(recorder, rounds_its_length)
{
	struct iommu_set_recorder cmd = { .size = sizeof(cmd), .length = 5 };

	ASSERT_EQ(0, checked_ioctl(FD, IOMMU_SET_RECORDER, &cmd));
	EXPECT_EQ(8, cmd.length);
	EXPECT_EQ(-EINVAL, recorder_set_length(FD, MAX + 1));
}

TEST_F(recorder, is_off_with_no_length)
{
	MAP_AND_UNMAP();
	ASSERT_EQ(0, recorder_set_length(FD, 0));
	MAP_AND_UNMAP();
	READ_RECORDS();
	EXPECT_EQ(0, self->nr);
	ASSERT_EQ(0, recorder_set_length(FD, 2));
	MAP_AND_UNMAP();
	READ_RECORDS();
	ASSERT_EQ(2, self->nr);
	EXPECT_EQ(3, self->records[0].number);
}

TEST_F(recorder, has_the_length_that_the_machine_is_set_to)
{
	char before[16];
	__u32 ioas;
	int fd;

	ASSERT_LE(0, file_read(LENGTH_PARAMETER, before, sizeof(before)));
	ASSERT_EQ(0, file_write(LENGTH_PARAMETER, "0"));
	fd = iommufd_open();
	EXPECT_EQ(0, file_write(LENGTH_PARAMETER, before));
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioas_alloc(fd, &ioas));
	ASSERT_EQ(0, ioas_map_at(fd, ioas, self->mem.va, SMALL_PAGE, IOVA));
	self->nr = MAX;
	ASSERT_EQ(0, records_get(fd, 0, self->records, &self->nr));
	EXPECT_EQ(0, self->nr);
	close(fd);
}

TEST_F(recorder, is_of_one_file)
{
	int other = iommufd_open();
	__u32 nr = MAX;

	ASSERT_LE(0, other);
	MAP_AND_UNMAP();
	ASSERT_EQ(0, records_get(other, 0, self->records, &nr));
	EXPECT_EQ(0, nr);
	close(other);
}

/* Neither a terminal's codes nor what looks like other words. */
TEST_F(recorder, writes_names_so_that_they_harm_nobody)
{
	char path[64], text[16384];
	int fd, length;

	ASSERT_EQ(0, prctl(PR_SET_NAME, "\033[2J a=\\\n\377"));
	MAP_AND_UNMAP();
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", FD);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	length = read(fd, text, sizeof(text) - 1);
	ASSERT_LT(0, length);
	text[length] = '\0';
	close(fd);
	EXPECT_NE(NULL, strstr(text, "iommu-recorded:\t2 length=256\n"));
	EXPECT_NE(NULL, strstr(text, "iommu-record-1:\tmap errno=0 "))
		TH_LOG("%s", text);
	EXPECT_NE(NULL, strstr(text, "iommu-record-2:\tunmap errno=0 "));
	EXPECT_NE(NULL, strstr(text, " comm=\\x1b[2J\\x20a=\\x5c\\x0a\\xff\n"))
		TH_LOG("%s", text);
	EXPECT_EQ(NULL, strchr(text, 033));
}

/* Lost records are all that a lack of memory leads to. */
TEST_F(recorder, lets_nothing_fail)
{
	int fail_nth = fail_nth_open(), nth, rc = 0;
	bool failed = true;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	for (nth = 1; failed && nth < 100; nth++) {
		int fd = iommufd_open();
		__u32 ioas;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ioas_alloc(fd, &ioas));
		ASSERT_EQ(0, ioas_map_at(fd, ioas, self->mem.va, SMALL_PAGE,
					 IOVA));
		ASSERT_EQ(0, recorder_set_length(fd, 0));
		close(fd);

		/* The first record of a file is of an unmap that finds nothing. */
		fd = iommufd_open();
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ioas_alloc(fd, &ioas));
		fail_nth_set(fail_nth, nth);
		rc = ioas_unmap_all(fd, ioas, NULL);
		failed = fail_nth_happened(fail_nth);
		EXPECT_TRUE(!rc ||
			    (failed && is_injected_failure_without_memory(rc)))
			TH_LOG("failure %d: %d", nth, rc);
		ASSERT_EQ(0, ioas_unmap_all(fd, ioas, NULL));
		self->nr = MAX;
		ASSERT_EQ(0, records_get(fd, 0, self->records, &self->nr));
		EXPECT_LE(1, self->nr);
		close(fd);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(2, nth);
	close(fail_nth);
}

/* Returns the length, or a negative errno. */
static int recorder_length(int iommufd)
{
	struct iommu_record record;
	struct iommu_get_records cmd = {
		.size = sizeof(cmd),
		.entry_size = sizeof(record),
		.nr = 1,
		.entries = (uintptr_t)&record,
	};

	return checked_ioctl(iommufd, IOMMU_GET_RECORDS, &cmd) ?: cmd.length;
}

/* Setting it does fail, and changes nothing. */
TEST_F(recorder, is_set_or_is_as_before)
{
	int fail_nth = fail_nth_open(), nth, rc, before = recorder_length(FD);
	struct own_errors none = OWN_ERRORS();
	bool failed = true;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	ASSERT_LT(16, before);
	for (nth = 1; failed && nth < 100; nth++) {
		int fd = iommufd_open();

		ASSERT_LE(0, fd);
		fail_nth_set(fail_nth, nth);
		rc = recorder_set_length(fd, 16);
		failed = fail_nth_happened(fail_nth);
		EXPECT_TRUE(!rc || (failed && is_injected_failure(rc, &none)))
			TH_LOG("failure %d: %d", nth, rc);
		EXPECT_EQ(rc ? before : 16, recorder_length(fd))
			TH_LOG("failure %d: %d", nth, rc);
		close(fd);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(2, nth);
	close(fail_nth);
}

/*
 * Many at the same time
 */

enum {
	MAPPED,
	RESIZED,
	NR_GOALS,
};

#define NR_READS 60
/* Of the only record that is kept, which is seldom met half-way. */
#define NR_READS_OF_ONE 20000

struct busy_recorder {
	struct crowd crowd;
	int iommufd;
	char *va;
	__u32 ioas;
	unsigned int nr_threads;
	struct goal goals[NR_GOALS];
};

/* All that a thread does is about an IOVA of its own. */
static int busy_map(void *data)
{
	struct busy_recorder *busy = data;
	unsigned int n = __atomic_fetch_add(&busy->nr_threads, 1,
					    __ATOMIC_RELAXED);
	const __u64 iova = IOVA + n * MIB;
	char name[24];
	int rc = 0;

	snprintf(name, sizeof(name), "busy %#llx", (unsigned long long)iova);
	prctl(PR_SET_NAME, name);
	while (!rc && !crowd_is_over(&busy->crowd)) {
		rc = ioas_map_at(busy->iommufd, busy->ioas, busy->va,
				 SMALL_PAGE, iova);
		if (!rc)
			rc = ioas_unmap(busy->iommufd, busy->ioas, iova,
					SMALL_PAGE, NULL);
		goal_count(&busy->goals[MAPPED]);
	}
	return rc;
}

static int busy_resize(void *data)
{
	struct busy_recorder *busy = data;
	__u32 length = 1;
	int rc = 0;

	while (!rc && !crowd_is_over(&busy->crowd)) {
		rc = recorder_set_length(busy->iommufd, length);
		/* 0 as well: then nothing is kept until the next length. */
		length = length < MAX ? length * 2 ?: 1 : 0;
		goal_count(&busy->goals[RESIZED]);
	}
	return rc;
}

/* Is everything in it of one thread? */
static bool record_is_whole(const struct iommu_record *record)
{
	char name[24];

	snprintf(name, sizeof(name), "busy %#llx",
		 (unsigned long long)record->iova);
	if (record->operation == IOMMU_RECORDED_MAP)
		name[0] = '\0';
	else if (record->operation != IOMMU_RECORDED_UNMAP)
		return false;
	return record->last == record->iova + SMALL_PAGE - 1 &&
	       !strcmp(name, (const char *)record->comm);
}

#define RECORDER FIXTURE_DATA(recorder)

static void read_while_busy(struct __test_metadata *_metadata, RECORDER *self,
			    unsigned int nr_reads, bool resize)
{
	struct busy_recorder busy = {
		.iommufd = FD,
		.va = self->mem.va,
		.ioas = IOAS,
		.goals = {
			{ "mapped", NR_READS }, { "resized", resize ? 20 : 0 },
		},
	};
	unsigned int reads, i, seen = 0;
	const struct goal *missed;
	__u64 last;

	ASSERT_EQ(0, crowd_add(&busy.crowd, busy_map, &busy));
	ASSERT_EQ(0, crowd_add(&busy.crowd, busy_map, &busy));
	ASSERT_EQ(0, crowd_add(&busy.crowd, busy_map, &busy));
	ASSERT_EQ(0, resize ? crowd_add(&busy.crowd, busy_resize, &busy) : 0);
	for (reads = 0; reads < nr_reads || !seen; reads++) {
		READ_RECORDS();
		for (i = 0, last = 0; i < self->nr; i++) {
			ASSERT_TRUE(record_is_whole(&self->records[i]))
				TH_LOG("%s %#llx", self->records[i].comm,
				       self->records[i].iova);
			ASSERT_LT(last, self->records[i].number);
			last = self->records[i].number;
			seen++;
		}
	}
	missed = crowd_reach(&busy.crowd, busy.goals, NR_GOALS);
	EXPECT_EQ(0, crowd_end(&busy.crowd));
	EXPECT_EQ(NULL, missed) TH_LOG("too few: %s", missed->what);
}

TEST_F_TIMEOUT(recorder, tears_no_record, 120)
{
	read_while_busy(_metadata, self, NR_READS, false);
}

TEST_F_TIMEOUT(recorder, tears_not_the_one_that_all_overwrite, 120)
{
	ASSERT_EQ(0, recorder_set_length(FD, 1));
	read_while_busy(_metadata, self, NR_READS_OF_ONE, false);
}

TEST_F_TIMEOUT(recorder, changes_its_length_while_it_is_busy, 120)
{
	read_while_busy(_metadata, self, NR_READS, true);
}

TEST_HARNESS_MAIN
