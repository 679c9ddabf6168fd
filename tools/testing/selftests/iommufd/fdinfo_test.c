// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc/PID/fdinfo/FD tells of a file of /dev/iommu: of each object, and as
 * much when a call waits for memory that never comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"
#include "viommu_rig.h"

#define IOVA (16 * MIB)
#define NR_PAGES 4
#define VIRT_ID 0x42

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)

static int object_info(int fd, __u32 id, char *words)
{
	char key[32];

	snprintf(key, sizeof(key), "iommu-object-%u", id);
	return fdinfo_of(getpid(), fd, key, words);
}

#define EXPECT_OBJECT(_id, ...) do {					\
	char wanted_[FDINFO_WORDS];					\
									\
	snprintf(wanted_, sizeof(wanted_), __VA_ARGS__);		\
	ASSERT_EQ(0, object_info(FD, _id, words));			\
	EXPECT_STREQ(wanted_, words);					\
} while (0)

FIXTURE(fdinfo)
{
	struct viommu_rig rig;
	struct memory_rig mem;
};

FIXTURE_SETUP(fdinfo)
{
	MAKE(viommu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, NR_PAGES * SMALL_PAGE));
}

FIXTURE_TEARDOWN(fdinfo)
{
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

TEST_F(fdinfo, says_whose_limit_counts)
{
	char words[FDINFO_WORDS];
	int container;

	ASSERT_EQ(0, fdinfo_of(getpid(), FD, "iommu-charged", words));
	EXPECT_STREQ("user", words);

	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container < 0)
		SKIP(return, "no /dev/vfio/vfio");
	ASSERT_EQ(0, fdinfo_of(getpid(), container, "iommu-charged", words));
	EXPECT_STREQ("process", words);
	close(container);
}

TEST_F(fdinfo, tells_what_each_object_is)
{
	struct viommu_rig *rig = &self->rig;
	char words[FDINFO_WORDS];

	ASSERT_EQ(0, viommu_rig_attach(rig, VIRT_ID));

	EXPECT_OBJECT(IOAS, "ioas areas=0 mapped=0 pinned=0 maps=0 unmaps=0");
	EXPECT_OBJECT(rig->viommu, "viommu hwpt=%u type=%u", rig->parent,
		      IOMMU_VIOMMU_TYPE_SELFTEST);
	EXPECT_OBJECT(rig->vdevice, "vdevice viommu=%u id=%#x", rig->viommu,
		      VIRT_ID);
	EXPECT_OBJECT(rig->nested, "nested-hwpt parent=%u viommu=%u",
		      rig->parent, rig->viommu);
	ASSERT_EQ(0, object_info(FD, rig->parent, words));
	EXPECT_NE(NULL, strstr(words, " nest-parent"))
		TH_LOG("%s", words);
	ASSERT_EQ(0, object_info(FD, rig->mock.dev.idev, words));
	EXPECT_EQ(0, strncmp("device ", words, strlen("device ")));
	EXPECT_NE(NULL, strstr(words, " hwpt="))
		TH_LOG("%s", words);
}

/* One more than the depth is lost. */
TEST_F(fdinfo, tells_what_waits_in_the_queues_of_a_viommu)
{
	struct viommu_rig *rig = &self->rig;
	__u32 queue, events;
	char words[FDINFO_WORDS];
	int file;

	ASSERT_EQ(0, viommu_rig_attach(rig, VIRT_ID));
	ASSERT_EQ(0, veventq_alloc(FD, rig->viommu,
				   IOMMU_VEVENTQ_TYPE_SELFTEST, 1, &events,
				   &file));
	EXPECT_OBJECT(events, "veventq viommu=%u type=%u depth=1 waiting=0",
		      rig->viommu, IOMMU_VEVENTQ_TYPE_SELFTEST);
	ASSERT_EQ(0, mock_trigger_vevent(FD, rig->mock.dev.idev));
	EXPECT_OBJECT(events, "veventq viommu=%u type=%u depth=1 waiting=1",
		      rig->viommu, IOMMU_VEVENTQ_TYPE_SELFTEST);
	ASSERT_EQ(0, mock_trigger_vevent(FD, rig->mock.dev.idev));
	EXPECT_OBJECT(events,
		      "veventq viommu=%u type=%u depth=1 waiting=1 lost",
		      rig->viommu, IOMMU_VEVENTQ_TYPE_SELFTEST);
	close(file);

	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, mock_hw_queue(FD, rig->viommu, 0, IOVA, SMALL_PAGE,
				   &queue));
	EXPECT_OBJECT(queue, "hw-queue viommu=%u iova=%#lx length=%lu",
		      rig->viommu, IOVA, SMALL_PAGE);
}

TEST_F(fdinfo, tells_where_page_requests_wait)
{
	const struct mock_device *dev = &self->rig.mock.dev;
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = dev->idev,
		.pt_id = IOAS,
	};
	char words[FDINFO_WORDS], wanted[32];
	int file;

	ASSERT_EQ(0, fault_queue_alloc(FD, &cmd.fault_id, &file));
	ASSERT_EQ(0, hwpt_alloc_ioctl(FD, &cmd));
	ASSERT_EQ(0, object_info(FD, cmd.out_hwpt_id, words));
	snprintf(wanted, sizeof(wanted), " fault-queue=%u", cmd.fault_id);
	EXPECT_NE(NULL, strstr(words, wanted))
		TH_LOG("%s", words);

	ASSERT_EQ(0, mock_domain_replace(FD, dev->stdev, &cmd.out_hwpt_id));
	EXPECT_OBJECT(cmd.fault_id, "fault-queue waiting=0");
	ASSERT_EQ(0, mock_trigger_iopf(FD, dev->idev, 0, 1, 1, IOVA));
	EXPECT_OBJECT(cmd.fault_id, "fault-queue waiting=1");
	close(file);
}

TEST_F(fdinfo, tells_of_pasids_and_accesses)
{
	__u32 pasid, id, pt, access_id;
	struct mock_device dev;
	char words[FDINFO_WORDS], wanted[32];
	int access;

	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_PASID,
				       &dev));
	ASSERT_EQ(0, pasid_alloc(FD, dev.idev, &pasid, &id));
	EXPECT_OBJECT(id, "pasid %u", pasid);
	pt = IOAS;
	ASSERT_EQ(0, hwpt_alloc(FD, dev.idev, IOAS, IOMMU_HWPT_ALLOC_PASID,
				&pt));
	ASSERT_EQ(0, mock_domain_replace(FD, dev.stdev, &pt));
	ASSERT_EQ(0, mock_pasid_attach(FD, dev.stdev, pasid, &pt));
	ASSERT_EQ(0, object_info(FD, dev.idev, words));
	snprintf(wanted, sizeof(wanted), " pasid-%u=%u", pasid, pt);
	EXPECT_NE(NULL, strstr(words, wanted))
		TH_LOG("%s", words);

	access_id = next_id(FD);
	access = mock_access(FD, IOAS, 0);
	ASSERT_LE(0, access);
	EXPECT_OBJECT(access_id, "access ioas=%u", IOAS);
	close(access);
}

TEST_F(fdinfo, follows_what_is_mapped)
{
	const __u64 length = NR_PAGES * SMALL_PAGE;
	char words[FDINFO_WORDS];
	__u32 ioas;

	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA + GIB));
	EXPECT_OBJECT(IOAS, "ioas areas=2 mapped=%llu pinned=%llu maps=2 unmaps=0",
		      2 * length, 2 * length);
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, length, NULL));
	EXPECT_OBJECT(IOAS, "ioas areas=1 mapped=%llu pinned=%llu maps=2 unmaps=1",
		      length, length);

	/* one that is refused before it has IOVA, and one without memory */
	ASSERT_EQ(-EEXIST, memory_rig_map(&self->mem, FD, IOAS, IOVA + GIB));
	ASSERT_EQ(-EFAULT, ioas_map_at(FD, IOAS, NULL, SMALL_PAGE, IOVA));
	EXPECT_OBJECT(IOAS, "ioas areas=1 mapped=%llu pinned=%llu maps=3 unmaps=2",
		      length, length);
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_OBJECT(IOAS, "ioas areas=0 mapped=0 pinned=0 maps=3 unmaps=3");

	/* without a page table nothing is pinned */
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, ioas, IOVA));
	EXPECT_OBJECT(ioas, "ioas areas=1 mapped=%llu pinned=0 maps=1 unmaps=0",
		      length);
}

TEST_F(fdinfo, forgets_what_is_destroyed)
{
	char words[FDINFO_WORDS];
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	EXPECT_OBJECT(ioas, "ioas areas=0 mapped=0 pinned=0 maps=0 unmaps=0");
	ASSERT_EQ(0, iommufd_destroy(FD, ioas));
	EXPECT_EQ(-ENOENT, object_info(FD, ioas, words));
}

#define NR_OBJECTS 300		/* more than have a line */

TEST_F(fdinfo, counts_more_objects_than_it_describes)
{
	char words[FDINFO_WORDS], wanted[32];
	__u32 ioas;
	int i;

	for (i = 0; i < NR_OBJECTS; i++)
		ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	EXPECT_EQ(-ENOENT, object_info(FD, ioas, words));
	ASSERT_EQ(0, fdinfo_of(getpid(), FD, "iommu-objects", words));
	snprintf(wanted, sizeof(wanted), " ioas=%u", NR_OBJECTS + 1);
	EXPECT_NE(NULL, strstr(words, wanted))
		TH_LOG("%s", words);
}

TEST_F(fdinfo, says_what_was_refused)
{
	int fd = iommufd_open();
	char words[FDINFO_WORDS], wanted[FDINFO_WORDS];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fdinfo_of(getpid(), fd, "iommu-refused", words));
	EXPECT_STREQ("0", words);
	ASSERT_EQ(-ENOENT, iommufd_destroy(fd, NO_SUCH_ID));
	ASSERT_EQ(-ENOENT, iommufd_destroy(fd, NO_SUCH_ID + 1));
	ASSERT_EQ(0, fdinfo_of(getpid(), fd, "iommu-refused", words));
	EXPECT_STREQ("2", words);
	ASSERT_EQ(0, fdinfo_of(getpid(), fd, "iommu-refused-2", words));
	snprintf(wanted, sizeof(wanted),
		 "no-object why=%u errno=%u command=%#x thread=%u time=",
		 IOMMU_WHY_NO_OBJECT, ENOENT, IOMMU_DESTROY, gettid());
	EXPECT_EQ(0, strncmp(wanted, words, strlen(wanted)))
		TH_LOG("%s", words);
	snprintf(wanted, sizeof(wanted), " id=%#x", NO_SUCH_ID + 1);
	EXPECT_STREQ(wanted, strrchr(words, ' '));
	close(fd);
}

/* What was looked at can be destroyed. */
TEST_F(fdinfo, is_no_reference)
{
	char words[FDINFO_WORDS];
	__u32 ioas;
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, ioas_alloc(FD, &ioas));
		ASSERT_EQ(0, object_info(FD, ioas, words));
		ASSERT_EQ(0, iommufd_destroy(FD, ioas));
	}
}

TEST_F(fdinfo, is_not_for_strangers)
{
	pid_t parent = getpid();
	char words[FDINFO_WORDS];

	EXPECT_EQ(EACCES, IN_CHILD(become_stranger() ? 255 :
				   -fdinfo_of(parent, FD, "iommu-charged",
					      words)));
}

TEST_F(fdinfo, does_not_wait_for_memory)
{
	struct mock_attach attach;
	char words[FDINFO_WORDS], wanted[64];
	struct late_page late;
	__u32 ioas;

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, late_page_open(&late, LATE_PAGE, NULL, 0));
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, ioas_map_at(FD, ioas, late.va, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, mock_attach_start(&attach, FD, ioas));
	ASSERT_TRUE(late_page_wait(&late));

	/* the device is bound, and its group is busy with the attach */
	ASSERT_EQ(0, fdinfo_of(getpid(), FD, "iommu-objects", words));
	snprintf(wanted, sizeof(wanted), "areas=1 mapped=%lu pinned=",
		 SMALL_PAGE);
	ASSERT_EQ(0, object_info(FD, ioas, words));
	EXPECT_NE(NULL, strstr(words, wanted))
		TH_LOG("%s", words);
	EXPECT_FALSE(thread_call_is_over(&attach.call));

	ASSERT_EQ(0, late_page_give(&late));
	ASSERT_EQ(0, thread_call_end(&attach.call));
	late_page_close(&late);
}

/*
 * Races
 */

#define NR_TURNS affordable(200)

struct churn {
	struct crowd crowd;
	int iommufd;
	char *va;
	unsigned int turns[2];
};

static int churn_map(void *data)
{
	struct churn *churn = data;
	__u32 ioas;
	int rc;

	while (!crowd_is_over(&churn->crowd)) {
		rc = ioas_alloc(churn->iommufd, &ioas);
		if (!rc)
			rc = ioas_map_at(churn->iommufd, ioas, churn->va,
					 SMALL_PAGE, IOVA);
		if (!rc)
			rc = ioas_unmap(churn->iommufd, ioas, IOVA, SMALL_PAGE,
					NULL);
		if (!rc)
			rc = iommufd_destroy(churn->iommufd, ioas);
		if (rc)
			return rc;
		/* More than a file keeps: some go while others are read. */
		rc = iommufd_destroy(churn->iommufd, NO_SUCH_ID);
		if (rc != -ENOENT)
			return rc;
		__atomic_add_fetch(&churn->turns[0], 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static int churn_attach(void *data)
{
	struct churn *churn = data;
	struct mock_device dev;
	__u32 ioas;
	int rc;

	while (!crowd_is_over(&churn->crowd)) {
		rc = ioas_alloc(churn->iommufd, &ioas);
		if (!rc)
			rc = mock_domain(churn->iommufd, ioas, &dev);
		if (!rc)
			rc = mock_destroy(churn->iommufd, &dev);
		if (!rc)
			rc = iommufd_destroy(churn->iommufd, ioas);
		if (rc)
			return rc;
		__atomic_add_fetch(&churn->turns[1], 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static unsigned int churn_turns(struct churn *churn)
{
	unsigned int a, b;

	a = __atomic_load_n(&churn->turns[0], __ATOMIC_RELAXED);
	b = __atomic_load_n(&churn->turns[1], __ATOMIC_RELAXED);
	return a < b ? a : b;
}

TEST_F_TIMEOUT(fdinfo, is_read_while_everything_changes, 120)
{
	struct churn churn = { .iommufd = FD, .va = self->mem.va };
	unsigned int reads = 0;
	char words[FDINFO_WORDS];

	ASSERT_EQ(0, crowd_add(&churn.crowd, churn_map, &churn));
	ASSERT_EQ(0, crowd_add(&churn.crowd, churn_attach, &churn));
	while (reads < NR_TURNS ||
	       (churn_turns(&churn) < NR_TURNS &&
		!thread_call_is_over(&churn.crowd.calls[0]) &&
		!thread_call_is_over(&churn.crowd.calls[1]))) {
		ASSERT_EQ(0, fdinfo_of(getpid(), FD, "iommu-objects", words));
		reads++;
	}
	EXPECT_EQ(0, crowd_end(&churn.crowd));
	EXPECT_LE(NR_TURNS, churn_turns(&churn));
}

TEST_HARNESS_MAIN
