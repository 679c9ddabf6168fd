// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dma-buf of the test device, mapped by IOMMU_IOAS_MAP_FILE: who may do what
 * with it, who keeps it, and many maps of one that its exporter takes back, with
 * a look into the page tables.
 *
 *   SEED=n   another order in which copies come and go
 */
#include <fcntl.h>
#include <time.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "fail_nth.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA (16 * MIB)

FIXTURE(buffer)
{
	struct mock_rig rig;
	int fd;			/* of one page */
	char *va;		/* the same page */
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define BUFFER FIXTURE_DATA(buffer)

FIXTURE_SETUP(buffer)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	self->fd = mock_dmabuf(FD, SMALL_PAGE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->va = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->va);
}

FIXTURE_TEARDOWN(buffer)
{
	close(self->fd);
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

static int map_buffer(BUFFER *self, __u32 flags, int fd, __u64 iova)
{
	return ioas_map_file_at(FD, IOAS, flags, fd, 0, SMALL_PAGE, iova);
}

static bool is_at(BUFFER *self, __u32 hwpt, __u64 iova)
{
	return !mock_check_map(FD, hwpt, iova, SMALL_PAGE,
			       self->va);
}

/* Neither the buffer nor anything else is there. */
static bool is_empty(BUFFER *self, __u32 hwpt, __u64 iova, size_t pages)
{
	return !mock_check_hole(FD, hwpt, iova, pages * SMALL_PAGE);
}

/* The page is there, or nothing is. */
static bool is_as_told(BUFFER *self, __u32 hwpt, __u64 iova, bool there)
{
	return there ? is_at(self, hwpt, iova) : is_empty(self, hwpt, iova, 1);
}

/* -- who may do what -- */

TEST_F(buffer, opened_for_reading_is_for_reading)
{
	int fd = mock_dmabuf(FD, SMALL_PAGE, O_RDONLY | O_CLOEXEC);
	__u64 copy = IOVA + MIB;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EPERM, map_buffer(self, MAP_RW, fd, IOVA));
	EXPECT_EQ(-EPERM, map_buffer(self, IOMMU_IOAS_MAP_WRITEABLE, fd, IOVA));
	EXPECT_EQ(0, map_buffer(self, MAP_RO, fd, IOVA));
	EXPECT_EQ(-EPERM, ioas_copy(FD, MAP_RW | MAP_AT, IOAS,
				    IOAS, IOVA, SMALL_PAGE, &copy));
}

TEST_F(buffer, opened_for_writing_only_is_not_mapped)
{
	int fd = mock_dmabuf(FD, SMALL_PAGE, O_WRONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EPERM, map_buffer(self, MAP_RO, fd, IOVA));
	EXPECT_EQ(-EPERM, map_buffer(self, MAP_RW, fd, IOVA));
	EXPECT_EQ(-EPERM, map_buffer(self, IOMMU_IOAS_MAP_WRITEABLE, fd, IOVA));
}

TEST_F(buffer, opened_for_both_is_for_either)
{
	EXPECT_EQ(0, map_buffer(self, MAP_RO, self->fd, IOVA));
	EXPECT_EQ(0, map_buffer(self, MAP_RW, self->fd, IOVA + MIB));
	EXPECT_EQ(0, map_buffer(self, IOMMU_IOAS_MAP_WRITEABLE, self->fd,
				IOVA + 2 * MIB));
}

/* -- who keeps it -- */

TEST_F(buffer, mapped_is_kept_and_unmapped_is_not)
{
	char before[FDINFO_WORDS], mapped[FDINFO_WORDS], after[FDINFO_WORDS];
	const pid_t pid = getpid();

	ASSERT_EQ(0, fdinfo_of(pid, self->fd, "count", before));
	ASSERT_EQ(0, map_buffer(self, MAP_RW, self->fd, IOVA));
	ASSERT_EQ(0, fdinfo_of(pid, self->fd, "count", mapped));
	EXPECT_STRNE(before, mapped);
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	ASSERT_EQ(0, fdinfo_of(pid, self->fd, "count", after));
	EXPECT_STREQ(before, after);
}

/* -- many copies -- */

/* So many maps of the buffer, side by side; each copy of all doubles them. */
static int map_many(BUFFER *self, size_t count)
{
	size_t have, more;
	__u64 iova;
	int rc;

	rc = map_buffer(self, MAP_RW, self->fd, IOVA);
	for (have = 1; !rc && have < count; have += more) {
		more = have < count - have ? have : count - have;
		iova = IOVA + have * SMALL_PAGE;
		rc = ioas_copy(FD, MAP_RW | MAP_AT, IOAS,
			       IOAS, IOVA, more * SMALL_PAGE, &iova);
	}
	return rc;
}

static int unmap_many(BUFFER *self, size_t count)
{
	__u64 unmapped;
	int rc = ioas_unmap_all(FD, IOAS, &unmapped);

	if (rc)
		return rc;
	return unmapped == count * SMALL_PAGE ? 0 : -ERANGE;
}

static long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* In microseconds, or a negative errno */
static long time_to_unmap(BUFFER *self, size_t count)
{
	long start;
	int rc;

	rc = map_many(self, count);
	if (rc)
		return rc;
	start = microseconds();
	rc = unmap_many(self, count);
	return rc ? rc : microseconds() - start;
}

/*
 * Eight times as many take eight times as long; sixty-four times what a search
 * takes if each is sought among all. The machine may be busy with other things,
 * but not each time.
 */
TEST_F_TIMEOUT(buffer, copies_cost_the_same_each_however_many, 300)
{
	const size_t count = 2000;
	long few, many;
	int i;

	for (i = 0; i < 3; i++) {
		few = time_to_unmap(self, count);
		ASSERT_LT(0, few);
		many = time_to_unmap(self, 8 * count);
		ASSERT_LT(0, many);
		TH_LOG("%zu: %ld us, %zu: %ld us", count, few, 8 * count, many);
		if (many < 14 * few)
			break;
	}
	EXPECT_LT(many, 14 * few);
}

#define NR_COPIES 100

TEST_F(buffer, copies_leave_a_page_table_by_one_flush)
{
	__u32 other;
	long before;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0,
				&other));
	ASSERT_EQ(0, map_many(self, NR_COPIES));
	EXPECT_TRUE(is_at(self, DEV.hwpt, IOVA + 99 * SMALL_PAGE));
	EXPECT_TRUE(is_at(self, other, IOVA + 99 * SMALL_PAGE));
	before = mock_iotlb_syncs();
	ASSERT_LE(0, before);
	ASSERT_EQ(0, unmap_many(self, NR_COPIES));
	EXPECT_EQ(before + 2, mock_iotlb_syncs());

	ASSERT_EQ(0, map_many(self, NR_COPIES));
	before = mock_iotlb_syncs();
	ASSERT_EQ(0, iommufd_destroy(FD, other));
	EXPECT_EQ(before + 1, mock_iotlb_syncs());
	EXPECT_TRUE(is_at(self, DEV.hwpt, IOVA + 99 * SMALL_PAGE));
}

TEST_F(buffer, is_known_to_be_in_the_page_tables_that_are_left)
{
	__u32 other;

	ASSERT_EQ(0, map_buffer(self, MAP_RW, self->fd, IOVA));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &other));
	ASSERT_EQ(0, iommufd_destroy(FD, other));
	EXPECT_TRUE(is_at(self, DEV.hwpt, IOVA));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, true));
	EXPECT_TRUE(is_empty(self, DEV.hwpt, IOVA, 1));
}

TEST_F(buffer, copies_are_taken_back_by_one_flush_of_each_page_table)
{
	__u32 other;
	long before;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0,
				&other));
	ASSERT_EQ(0, map_many(self, NR_COPIES));
	before = mock_iotlb_syncs();
	ASSERT_LE(0, before);
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, true));
	EXPECT_EQ(before + 2, mock_iotlb_syncs());
	EXPECT_TRUE(is_empty(self, DEV.hwpt, IOVA, NR_COPIES));
	EXPECT_TRUE(is_empty(self, other, IOVA, NR_COPIES));
	ASSERT_EQ(0, unmap_many(self, NR_COPIES));
	EXPECT_EQ(before + 2, mock_iotlb_syncs());
}

TEST_F(buffer, copies_are_there_again_together)
{
	__u32 other;
	int i;

	ASSERT_EQ(0, map_many(self, NR_COPIES));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, true));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &other));
	EXPECT_TRUE(is_empty(self, other, IOVA, NR_COPIES));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA + SMALL_PAGE, SMALL_PAGE, NULL));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, false));
	for (i = 0; i < NR_COPIES; i++) {
		__u64 iova = IOVA + i * SMALL_PAGE;

		EXPECT_TRUE(is_as_told(self, DEV.hwpt, iova, i != 1));
		EXPECT_TRUE(is_as_told(self, other, iova, i != 1));
	}
	/* an exporter may say it twice */
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, false));
	EXPECT_TRUE(is_at(self, other, IOVA));
	ASSERT_EQ(0, iommufd_destroy(FD, other));
	ASSERT_EQ(0, unmap_many(self, NR_COPIES - 1));
}

/*
 * There is no memory for page tables when it is given again. Then it is nowhere,
 * until somebody maps it once more.
 */
TEST_F(buffer, copies_that_do_not_fit_are_there_at_the_next_attempt)
{
	int fail_nth = fail_nth_open(), nth, rc, failures = 0;
	__u64 far = IOVA + GIB, iova;
	bool failed = true;
	__u32 other;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	ASSERT_EQ(0, map_buffer(self, MAP_RW, self->fd, IOVA));
	iova = far;
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA,
			       SMALL_PAGE, &iova));
	for (nth = 1; failed && nth < 100; nth++) {
		ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, true));
		ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &other));
		fail_nth_set(fail_nth, nth);
		rc = mock_dmabuf_revoke(FD, self->fd, false);
		failed = fail_nth_happened(fail_nth);
		if (rc) {
			EXPECT_TRUE(failed);
			ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, false));
		} else if (!is_at(self, other, IOVA)) {
			failures++;
			EXPECT_TRUE(failed);
			EXPECT_TRUE(is_empty(self, other, IOVA, 1));
			EXPECT_TRUE(is_empty(self, DEV.hwpt, IOVA, 1));
			EXPECT_TRUE(is_empty(self, other, far, 1));
		}
		iova = IOVA + MIB;
		ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA,
				       SMALL_PAGE, &iova));
		EXPECT_TRUE(is_at(self, DEV.hwpt, IOVA));
		EXPECT_TRUE(is_at(self, other, IOVA));
		EXPECT_TRUE(is_at(self, other, far));
		EXPECT_TRUE(is_at(self, other, IOVA + MIB));
		ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA + MIB, SMALL_PAGE,
					NULL));
		ASSERT_EQ(0, iommufd_destroy(FD, other));
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(0, failures);
	close(fail_nth);
}

/* In any order, and whatever of them is gone when the memory is taken back */
TEST_F(buffer, copies_come_and_go_one_by_one)
{
	bool there[NR_COPIES];
	__u32 state = chosen_seed(5);
	__u64 iova;
	int i, n, rc;

	TH_LOG("SEED=%u", state);
	ASSERT_EQ(0, map_many(self, NR_COPIES));
	memset(there, true, sizeof(there));
	for (n = 0; n < 500; n++) {
		/* the first stays, for the others to be copied from */
		i = 1 + random_next(&state) % (NR_COPIES - 1);
		iova = IOVA + i * SMALL_PAGE;
		if (there[i])
			rc = ioas_unmap(FD, IOAS, iova,
					SMALL_PAGE, NULL);
		else
			rc = ioas_copy(FD, MAP_RW | MAP_AT,
				       IOAS, IOAS, IOVA,
				       SMALL_PAGE, &iova);
		ASSERT_EQ(0, rc);
		there[i] = !there[i];
	}
	for (i = 0; i < NR_COPIES; i++)
		EXPECT_TRUE(is_as_told(self, DEV.hwpt, IOVA + i * SMALL_PAGE,
				       there[i]));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, true));
	EXPECT_TRUE(is_empty(self, DEV.hwpt, IOVA, NR_COPIES));
	for (i = 0; i < NR_COPIES; i++) {
		rc = ioas_unmap(FD, IOAS,
				IOVA + i * SMALL_PAGE, SMALL_PAGE, NULL);
		EXPECT_EQ(there[i] ? 0 : -ENOENT, rc);
	}
}

/* Three kinds in a row: of this buffer, of another one, of the process */
TEST_F(buffer, copies_among_other_memory_are_unmapped_together)
{
	int other = mock_dmabuf(FD, SMALL_PAGE, O_RDWR | O_CLOEXEC);
	char *page = address_room(SMALL_PAGE, SMALL_PAGE);
	__u64 unmapped;
	__u32 hwpt;
	long syncs;
	int i;

	ASSERT_LE(0, other);
	memset(page, 1, SMALL_PAGE);
	for (i = 0; i < 3; i++) {
		__u64 iova = IOVA + 5 * i * SMALL_PAGE;

		ASSERT_EQ(0, map_buffer(self, MAP_RW, self->fd, iova));
		ASSERT_EQ(0, map_buffer(self, MAP_RW, self->fd,
					iova + SMALL_PAGE));
		ASSERT_EQ(0, map_buffer(self, MAP_RW, other,
					iova + 2 * SMALL_PAGE));
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, page,
					 SMALL_PAGE, iova + 3 * SMALL_PAGE));
	}
	/* a page table that fills and empties with all of them */
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0,
				&hwpt));
	EXPECT_TRUE(is_at(self, hwpt, IOVA + 11 * SMALL_PAGE));
	syncs = mock_iotlb_syncs();
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	/* Each owner may have its memory back before the next one waits. */
	EXPECT_LE(3 * 2 + 1, mock_iotlb_syncs() - syncs);
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, other, true));
	ASSERT_EQ(0, mock_check_refs(FD, page, SMALL_PAGE, 3));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, &unmapped));
	EXPECT_EQ(12 * SMALL_PAGE, unmapped);
	EXPECT_EQ(0, mock_check_refs(FD, page, SMALL_PAGE, 0));
	EXPECT_TRUE(is_empty(self, DEV.hwpt, IOVA, 15));
	close(other);
}

struct taker {
	struct crowd crowd;	/* of one */
	int iommufd;
	int fd;
	struct goal turns;
};

static int take_back_again_and_again(void *data)
{
	struct taker *taker = data;
	int rc = 0;

	while (!rc && !crowd_is_over(&taker->crowd)) {
		rc = mock_dmabuf_revoke(taker->iommufd, taker->fd, true) ?:
		     mock_dmabuf_revoke(taker->iommufd, taker->fd, false);
		usleep(500);
		goal_count(&taker->turns);
	}
	return rc;
}

TEST_F(buffer, copies_may_be_taken_back_while_they_come_and_go)
{
	struct taker taker = {
		.iommufd = FD,
		.fd = self->fd,
		.turns = { "turns", 20 },
	};
	int i, rc = 0, mapped = 0;

	ASSERT_EQ(0, crowd_add(&taker.crowd, take_back_again_and_again,
			       &taker));
	for (i = 0; !rc && (i < 50 || mapped < 5 ||
			    !goal_is_reached(&taker.turns)); i++) {
		rc = map_many(self, NR_COPIES);
		/* it happens to be taken back just now */
		if (rc == -ENODEV) {
			rc = 0;
		} else if (!rc) {
			mapped++;
			rc = unmap_many(self, NR_COPIES);
		}
	}
	EXPECT_EQ(0, crowd_end(&taker.crowd));
	EXPECT_EQ(0, rc);
	EXPECT_TRUE(is_empty(self, DEV.hwpt, IOVA, NR_COPIES));
}

TEST_HARNESS_MAIN
