// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA that is stopped: the kernel's log and the recorder say why, of devices
 * whose DMA really is, and of the test device, which only reports it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "kernel_log.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define MAX IOMMU_RECORDER_MAX
#define TEXT_SIZE 512

/*
 * What the kernel's log has of DMA of a device that was stopped: the length of
 * the message, or 0 if there is none, as when there were too many before.
 */
static int log_read(int kmsg, const char *device, char text[TEXT_SIZE])
{
	int rc;

	do {
		rc = kmsg_read(kmsg, text, TEXT_SIZE);
	} while (rc > 0 && !(strstr(text, device) &&
			     strstr(text, " was stopped: ")));
	return rc;
}

/* The last record of that; number 0: there is none. */
static struct iommu_record stopped_last(int iommufd)
{
	struct iommu_record records[MAX], last = {};
	__u32 i, nr = MAX;

	if (records_get(iommufd, 0, records, &nr))
		return last;
	for (i = 0; i < nr; i++)
		if (records[i].operation == IOMMU_RECORDED_STOPPED)
			last = records[i];
	return last;
}

/*
 * The test device
 */

FIXTURE(stopped)
{
	struct mock_rig rig;
	struct memory_rig mem;
	struct iommu_record record;
	char text[TEXT_SIZE];
	int kmsg;
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define LENGTH ((__u64)self->mem.length)
#define READ 0
#define WRITE IOMMU_PGFAULT_PERM_WRITE

FIXTURE_SETUP(stopped)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, MOCK_FLAGS_DEVICE_PASID));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, 4 * SMALL_PAGE));
	self->kmsg = kmsg_open();
	ASSERT_LE(0, self->kmsg);
}

FIXTURE_TEARDOWN(stopped)
{
	close(self->kmsg);
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

/* The log may have less, as it is rate limited. */
#define EXPECT_STOPPED(pasid_, iova_, perm_, object_, cause) do {	\
	__u32 wanted_pasid_ = (pasid_), wanted_perm_ = (perm_);		\
	__u64 wanted_iova_ = (iova_);					\
									\
	ASSERT_EQ(0, mock_stop_dma(FD, DEV.idev, wanted_pasid_,		\
				   wanted_perm_, wanted_iova_));	\
	self->record = stopped_last(FD);				\
	EXPECT_LT(0, self->record.number);				\
	EXPECT_EQ(DEV.idev, self->record.device);			\
	EXPECT_EQ(wanted_pasid_, self->record.pasid);			\
	EXPECT_EQ(wanted_iova_, self->record.iova);			\
	EXPECT_EQ(object_, self->record.object);			\
	EXPECT_EQ((cause) | (wanted_perm_ == WRITE ?			\
			     IOMMU_STOPPED_WRITE : 0),			\
		  self->record.detail);					\
	EXPECT_EQ(0, self->record.thread);				\
} while (0)

/* The device may have used up what the log takes of it in some seconds. */
#define STOP_UNTIL_LOGGED(perm) do {					\
	usleep(100000);							\
	ASSERT_EQ(0, mock_stop_dma(FD, DEV.idev, 0, perm, IOVA));	\
} while (log_read(self->kmsg, "iommufd_mock", self->text) <= 0)

TEST_F(stopped, where_nothing_was_ever_mapped)
{
	EXPECT_STOPPED(0, IOVA, READ, IOAS, IOMMU_STOPPED_NEVER_MAPPED);
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	EXPECT_STOPPED(0, IOVA + LENGTH, WRITE, IOAS,
		       IOMMU_STOPPED_NEVER_MAPPED);
	EXPECT_STOPPED(0, IOVA - 1, WRITE, IOAS, IOMMU_STOPPED_NEVER_MAPPED);
}

TEST_F(stopped, where_something_was_unmapped)
{
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, other, IOVA + MIB));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	ASSERT_EQ(0, ioas_unmap(FD, other, IOVA + MIB, LENGTH, NULL));
	EXPECT_STOPPED(0, IOVA, WRITE, IOAS, IOMMU_STOPPED_UNMAPPED);
	EXPECT_STOPPED(0, IOVA + LENGTH - 1, READ, IOAS,
		       IOMMU_STOPPED_UNMAPPED);
	EXPECT_STOPPED(0, IOVA + LENGTH, READ, IOAS,
		       IOMMU_STOPPED_NEVER_MAPPED);
	EXPECT_STOPPED(0, IOVA + MIB, READ, IOAS, IOMMU_STOPPED_NEVER_MAPPED);
}

TEST_F(stopped, tells_who_has_unmapped_it_and_when)
{
	char by[64];

	/* Neither a terminal's codes nor a line of its own */
	ASSERT_EQ(0, prctl(PR_SET_NAME, "\033[2J\nbad"));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	STOP_UNTIL_LOGGED(WRITE);
	/* /dev/kmsg escapes the backslash of what the kernel has escaped. */
	snprintf(by, sizeof(by), " ms before by %d (\\x5ce[2J\\x5cnbad)",
		 gettid());
	EXPECT_NE(NULL, strstr(self->text,
			       "DMA write at IOVA 0x1000000 was stopped: unmapped "))
		TH_LOG("%s", self->text);
	EXPECT_NE(NULL, strstr(self->text, by))
		TH_LOG("%s, not %s", self->text, by);
}

TEST_F(stopped, where_it_may_only_read)
{
	__u64 iova = IOVA;

	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, self->mem.va,
				    LENGTH, &iova));
	EXPECT_STOPPED(0, IOVA, WRITE, IOAS, IOMMU_STOPPED_NO_PERMISSION);
	EXPECT_STOPPED(0, IOVA, READ, IOAS, IOMMU_STOPPED_MAPPED);
}

TEST_F(stopped, where_memory_was_taken_back)
{
	int dmabuf = mock_dmabuf(FD, SMALL_PAGE, O_RDWR);
	__u64 iova = IOVA;

	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   SMALL_PAGE, &iova));
	EXPECT_STOPPED(0, IOVA, WRITE, IOAS, IOMMU_STOPPED_MAPPED);
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	EXPECT_STOPPED(0, IOVA, WRITE, IOAS, IOMMU_STOPPED_REVOKED);
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, false));
	EXPECT_STOPPED(0, IOVA, WRITE, IOAS, IOMMU_STOPPED_MAPPED);
	close(dmabuf);
}

TEST_F(stopped, where_it_is_not_attached)
{
	EXPECT_STOPPED(7, IOVA, WRITE, 0, IOMMU_STOPPED_NOT_ATTACHED);
}

TEST_F(stopped, of_the_device_that_it_is)
{
	struct mock_device other;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, mock_domain(FD, ioas, &other));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, ioas, IOVA));
	EXPECT_STOPPED(0, IOVA, WRITE, IOAS, IOMMU_STOPPED_NEVER_MAPPED);
	ASSERT_EQ(0, mock_stop_dma(FD, other.idev, 0, READ, IOVA));
	self->record = stopped_last(FD);
	EXPECT_EQ(other.idev, self->record.device);
	EXPECT_EQ(IOMMU_STOPPED_MAPPED, self->record.detail);
}

#define NR_FLOOD 100

TEST_F(stopped, in_a_flood_is_logged_now_and_then)
{
	unsigned int i, nr = 0, nr_others = 0;
	struct mock_device other;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, mock_domain(FD, ioas, &other));
	for (i = 0; i < NR_FLOOD; i++)
		ASSERT_EQ(0, mock_stop_dma(FD, DEV.idev, 0, READ, IOVA));
	ASSERT_EQ(0, mock_stop_dma(FD, other.idev, 0, READ, IOVA + MIB));
	while (log_read(self->kmsg, "iommufd_mock", self->text) > 0) {
		nr += !!strstr(self->text, "at IOVA 0x1000000 was");
		nr_others += !!strstr(self->text, "at IOVA 0x1100000 was");
	}
	EXPECT_LT(0, nr);
	EXPECT_GT(NR_FLOOD / 2, nr);
	/* It has nothing to do with the flood. */
	EXPECT_EQ(1, nr_others);
}

TEST_F(stopped, where_a_guest_has_its_page_table)
{
	__u32 parent, nested;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS,
				IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	ASSERT_EQ(0, mock_nested(FD, DEV.idev, parent, 0,
				 IOMMU_TEST_IOTLB_DEFAULT, &nested));
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &nested));
	EXPECT_STOPPED(0, IOVA, WRITE, 0, IOMMU_STOPPED_BY_GUEST);
}

TEST_F(stopped, needs_no_recorder)
{
	ASSERT_EQ(0, recorder_set_length(FD, 0));
	STOP_UNTIL_LOGGED(READ);
	EXPECT_NE(NULL, strstr(self->text,
			       "DMA read at IOVA 0x1000000 was stopped: never mapped"))
		TH_LOG("%s", self->text);
	EXPECT_EQ(0, stopped_last(FD).number);
}

enum {
	MAPPED,			/* and unmapped */
	MOVED,			/* to a page table of its own, and back */
	PLUGGED,		/* another device, and removed */
	FOUND_MAPPED,
	FOUND_UNMAPPED,
	NR_GOALS,
};

struct busy_device {
	struct crowd crowd;
	int iommufd;
	__u32 ioas;
	struct mock_device dev;
	char *va;
	struct goal goals[NR_GOALS];
	struct iommu_record wrong;	/* which makes no sense */
};

static int busy_map(void *data)
{
	struct busy_device *busy = data;
	int rc = 0;

	while (!rc && !crowd_is_over(&busy->crowd)) {
		rc = ioas_map_at(busy->iommufd, busy->ioas, busy->va,
				 SMALL_PAGE, IOVA) ?:
		     ioas_unmap(busy->iommufd, busy->ioas, IOVA, SMALL_PAGE,
				NULL);
		goal_count(&busy->goals[MAPPED]);
	}
	return rc;
}

/* Looks at where the device is then, as well. */
static int busy_move(const struct busy_device *busy, __u32 hwpt)
{
	const __u32 stdev = busy->dev.stdev;
	const int fd = busy->iommufd;

	return mock_move(fd, &busy->dev, hwpt) ?:
	       mock_pasid_check(fd, stdev, 0, hwpt) ?:
	       mock_move(fd, &busy->dev, busy->ioas) ?:
	       (mock_pasid_check(fd, stdev, 0, hwpt) == -EINVAL ? 0 : -EBADE);
}

static int busy_replace(void *data)
{
	struct busy_device *busy = data;
	__u32 hwpt;
	int rc = 0;

	while (!rc && !crowd_is_over(&busy->crowd)) {
		rc = hwpt_alloc(busy->iommufd, busy->dev.idev, busy->ioas, 0,
				&hwpt) ?:
		     busy_move(busy, hwpt) ?:
		     iommufd_destroy(busy->iommufd, hwpt);
		goal_count(&busy->goals[MOVED]);
	}
	return rc;
}

static int busy_plug(void *data)
{
	struct busy_device *busy = data;
	struct mock_device dev;
	int rc = 0;

	while (!rc && !crowd_is_over(&busy->crowd)) {
		rc = mock_domain(busy->iommufd, busy->ioas, &dev) ?:
		     mock_destroy(busy->iommufd, &dev);
		goal_count(&busy->goals[PLUGGED]);
	}
	return rc;
}

/* The device is attached all the time, and nothing is mapped read-only. */
static bool busy_makes_sense(struct busy_device *busy,
			     const struct iommu_record *record)
{
	if (record->device != busy->dev.idev || record->pasid ||
	    record->iova != IOVA || record->thread ||
	    !(record->detail & IOMMU_STOPPED_WRITE))
		return false;
	switch (record->detail & ~IOMMU_STOPPED_WRITE) {
	case IOMMU_STOPPED_MAPPED:
		goal_count(&busy->goals[FOUND_MAPPED]);
		return record->object == busy->ioas;
	case IOMMU_STOPPED_UNMAPPED:
		goal_count(&busy->goals[FOUND_UNMAPPED]);
		return record->object == busy->ioas;
	case IOMMU_STOPPED_NEVER_MAPPED:
		return record->object == busy->ioas;
	case IOMMU_STOPPED_CHANGING:
		/* the device, or what is mapped */
		return !record->object || record->object == busy->ioas;
	default:
		return false;
	}
}

/* Others may have made so many records by now that this one is gone. */
static int busy_stop(void *data)
{
	struct busy_device *busy = data;
	struct iommu_record record;
	__u64 seen = 0;
	int rc = 0;

	while (!rc && !crowd_is_over(&busy->crowd)) {
		rc = mock_stop_dma(busy->iommufd, busy->dev.idev, 0, WRITE,
				   IOVA);
		record = stopped_last(busy->iommufd);
		if (rc || record.number <= seen)
			continue;
		seen = record.number;
		if (!busy_makes_sense(busy, &record)) {
			busy->wrong = record;
			rc = -EBADMSG;
		}
	}
	return rc;
}

/* Whatever is found, it is one of those causes. */
TEST_F_TIMEOUT(stopped, while_all_changes, 120)
{
	struct busy_device busy = {
		.iommufd = FD,
		.ioas = IOAS,
		.dev = DEV,
		.va = self->mem.va,
		.goals = {
			[MAPPED] = { "maps", 100 },
			[MOVED] = { "moves", 30 },
			[PLUGGED] = { "devices", 30 },
			[FOUND_MAPPED] = { "found mapped", 10 },
			[FOUND_UNMAPPED] = { "found unmapped", 10 },
		},
	};
	const struct goal *missed;
	int i;

	ASSERT_EQ(0, crowd_add(&busy.crowd, busy_map, &busy));
	ASSERT_EQ(0, crowd_add(&busy.crowd, busy_replace, &busy));
	ASSERT_EQ(0, crowd_add(&busy.crowd, busy_plug, &busy));
	ASSERT_EQ(0, crowd_add(&busy.crowd, busy_stop, &busy));
	missed = crowd_reach(&busy.crowd, busy.goals, NR_GOALS);
	EXPECT_EQ(0, crowd_end(&busy.crowd))
		TH_LOG("cause 0x%x of device %u in %u", busy.wrong.detail,
		       busy.wrong.device, busy.wrong.object);
	for (i = 0; i < NR_GOALS; i++)
		TH_LOG("%s: %lu", busy.goals[i].what, busy.goals[i].times);
	EXPECT_EQ(NULL, missed)
		TH_LOG("too few: %s", missed->what);

	/* and at last, when nothing changes any more */
	EXPECT_STOPPED(0, IOVA, WRITE, IOAS, IOMMU_STOPPED_UNMAPPED);
	EXPECT_EQ(1, mock_devices());
	EXPECT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

#undef FD
#undef IOAS

/*
 * A device of QEMU's, whose IOMMU tells
 */

FIXTURE(real)
{
	struct edu_rig rig;
	int kmsg;
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)

/* Without patches to it the IOMMU core tells nobody. */
static bool core_tells(void)
{
	char line[256];
	bool found = false;
	FILE *file;

	file = fopen("/proc/kallsyms", "re");
	if (!file)
		return true;
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, " iommu_register_dma_fault_notifier");
	fclose(file);
	return found;
}

FIXTURE_SETUP(real)
{
	if (!core_tells())
		SKIP(return, "nobody is told of DMA that was stopped");
	MAKE(edu_rig_make(&self->rig));
	self->kmsg = kmsg_open();
	ASSERT_LE(0, self->kmsg);
}

FIXTURE_TEARDOWN(real)
{
	close(self->kmsg);
}

/*
 * The IOMMU's driver drops faults that come too fast: tries until one is
 * recorded. The device tells nothing about DMA that was stopped.
 */
static struct iommu_record write_until_stopped(struct edu_rig *rig, __u64 iova)
{
	unsigned int left = patience(20000);
	struct iommu_record record;
	char byte = 1;

	do {
		device_writes(rig, iova, &byte, 1);
		usleep(10000);
		record = stopped_last(rig->iommufd);
	} while ((!record.number || record.iova != iova) && (left -= 10) > 10);
	return record;
}

#define EDU_IOVA (16 * MIB)

TEST_F_TIMEOUT(real, is_stopped_where_something_was_unmapped, 120)
{
	char *page = anonymous(SMALL_PAGE), text[TEXT_SIZE];
	struct iommu_record record;

	ASSERT_NE(NULL, page);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, page, SMALL_PAGE, EDU_IOVA));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, EDU_IOVA, SMALL_PAGE, NULL));
	do {
		record = write_until_stopped(&self->rig, EDU_IOVA);
		ASSERT_LT(0, record.number);
	} while (log_read(self->kmsg, self->rig.edu.bdf, text) <= 0);
	/* virtio-iommu does not tell that it was a write. */
	EXPECT_EQ(IOMMU_STOPPED_UNMAPPED, record.detail & ~IOMMU_STOPPED_WRITE);
	EXPECT_EQ(EDU_IOVA, record.iova);
	EXPECT_EQ(IOAS, record.object);
	EXPECT_EQ(self->rig.edu.id, record.device);
	EXPECT_NE(NULL, strstr(text,
			       " at IOVA 0x1000000 was stopped: unmapped "))
		TH_LOG("%s", text);
}

TEST_F_TIMEOUT(real, is_stopped_where_it_may_only_read, 120)
{
	char *page = anonymous(SMALL_PAGE);
	__u64 iova = EDU_IOVA;
	struct iommu_record record;

	ASSERT_NE(NULL, page);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, page, SMALL_PAGE,
				    &iova));
	record = write_until_stopped(&self->rig, EDU_IOVA);
	EXPECT_EQ(IOMMU_STOPPED_NO_PERMISSION | IOMMU_STOPPED_WRITE,
		  record.detail);
}

TEST_HARNESS_MAIN
