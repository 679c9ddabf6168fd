// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty bitmap of VFIO's type1, with devices of the test device
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <linux/kernel.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "mock_rig.h"
#include "test_support.h"
#include "vfio_container.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define NR_PAGES 64
#define LENGTH (NR_PAGES * SMALL_PAGE)
#define ALL (~0ULL)

#define START VFIO_IOMMU_DIRTY_PAGES_FLAG_START
#define STOP VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP
#define GET VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define C (&self->container)

FIXTURE(tracked)
{
	struct mock_rig rig;
	struct memory_rig mem;
	struct vfio_container container;
};

/* Page tables that come after the IOAS was chosen can track. */
FIXTURE_SETUP(tracked)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL_RANDOM,
			     LENGTH));
	self->container.fd = FD;
	ASSERT_EQ(0, vfio_ioas(FD, IOMMU_VFIO_IOAS_SET, &IOAS));
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1v2_IOMMU));
	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, container_map(C, self->mem.va, LENGTH, IOVA));
}

FIXTURE_TEARDOWN(tracked)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

static int dirty_pages(const struct vfio_container *container, __u32 flags)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
	};

	return checked_ioctl(container->fd, VFIO_IOMMU_DIRTY_PAGES, &cmd);
}

struct dirty_request {
	struct vfio_iommu_type1_dirty_bitmap head;
	struct vfio_iommu_type1_dirty_bitmap_get get;
};

static struct dirty_request dirty_request(__u64 iova, __u64 length,
					  __u64 *bits)
{
	return (struct dirty_request){
		.head = {
			.argsz = sizeof(struct dirty_request),
			.flags = GET,
		},
		.get = {
			.iova = iova,
			.size = length,
			.bitmap = {
				.pgsize = SMALL_PAGE,
				.size = sizeof(*bits),
				.data = bits,
			},
		},
	};
}

static int get_dirty(const struct vfio_container *container, __u64 *bits)
{
	struct dirty_request request = dirty_request(IOVA, LENGTH, bits);

	*bits = 0;
	return checked_ioctl(container->fd, VFIO_IOMMU_DIRTY_PAGES, &request);
}

static int make_dirty(struct mock_rig *rig, __u64 bits)
{
	return mock_dirty(rig->iommufd, rig->dev.hwpt, IOVA, LENGTH, SMALL_PAGE,
			  &bits, NULL);
}

struct unmap_request {
	struct vfio_iommu_type1_dma_unmap head;
	struct vfio_bitmap bitmap;
};

static struct unmap_request unmap_request(__u64 *bits)
{
	struct unmap_request request = {
		.head = {
			.argsz = sizeof(request),
			.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
			.iova = IOVA,
			.size = LENGTH,
		},
		.bitmap = {
			.pgsize = SMALL_PAGE,
			.size = sizeof(*bits),
			.data = bits,
		},
	};

	return request;
}

static bool tells_migration(const struct vfio_container *container)
{
	struct {
		struct vfio_iommu_type1_info head;
		struct vfio_iommu_type1_info_cap_migration cap;
		char more[256];
	} info = {};
	__u32 argsz = sizeof(info);

	return !container_info(container, &info, &argsz) &&
	       info.head.cap_offset == sizeof(info.head) &&
	       info.cap.header.id == VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION &&
	       info.cap.header.version == 1 && info.cap.header.next &&
	       !info.cap.flags && info.cap.pgsize_bitmap == SMALL_PAGE &&
	       info.cap.max_dirty_bitmap_size == 256 * MIB;
}

TEST_F(tracked, is_what_migration_needs)
{
	__u64 bits;

	EXPECT_TRUE(tells_migration(C));
	ASSERT_EQ(0, dirty_pages(C, START));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0, bits);
	ASSERT_EQ(0, make_dirty(&self->rig, 0x8000000000000005));
	/* Once more, which loses nothing */
	ASSERT_EQ(0, dirty_pages(C, START));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0x8000000000000005, bits);
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0, bits);
	ASSERT_EQ(0, make_dirty(&self->rig, 2));
	ASSERT_EQ(0, dirty_pages(C, STOP));
	EXPECT_EQ(-EINVAL, get_dirty(C, &bits));
	EXPECT_EQ(0, dirty_pages(C, STOP));
	ASSERT_EQ(0, dirty_pages(C, START));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0, bits);
}

TEST_F(tracked, calls_are_checked)
{
	const __u32 flags[] = { 0, START | STOP, START | GET, 8, 1U << 31 };
	struct dirty_request request;
	struct vfio_iommu_type1_dirty_bitmap head = { .flags = START };
	unsigned int i;
	__u64 bits = 0;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(-EINVAL, dirty_pages(C, flags[i]))
			TH_LOG("line %u", i);
	}
	for (head.argsz = 0; head.argsz < sizeof(head); head.argsz++)
		EXPECT_EQ(-EINVAL, checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES,
						 &head));
	EXPECT_EQ(-EFAULT, checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES, NULL));
	/* Without START */
	EXPECT_EQ(-EINVAL, get_dirty(C, &bits));
	EXPECT_EQ(-EINVAL, dirty_pages(C, GET));
	ASSERT_EQ(0, dirty_pages(C, START));

#define GETS(rc, field, value) do {					\
	request = dirty_request(IOVA, LENGTH, &bits);			\
	request.field = (value);					\
	EXPECT_EQ(rc, checked_ioctl(FD, VFIO_IOMMU_DIRTY_PAGES,		\
				    &request));				\
} while (0)
	GETS(-EINVAL, head.argsz, sizeof(request) - 1);
	GETS(-EINVAL, get.size, 0);
	GETS(-EINVAL, get.size, LENGTH - 1);
	GETS(-EINVAL, get.iova, IOVA + 1);
	GETS(-EOVERFLOW, get.iova, -SMALL_PAGE);
	GETS(-EINVAL, get.bitmap.pgsize, 0);
	GETS(-EINVAL, get.bitmap.pgsize, SMALL_PAGE / 2);
	GETS(-EINVAL, get.bitmap.pgsize, 2 * SMALL_PAGE);
	GETS(-EINVAL, get.bitmap.size, 0);
	GETS(-EINVAL, get.bitmap.size, sizeof(bits) - 1);
	GETS(-EINVAL, get.bitmap.size, 256 * MIB + 8);
	GETS(-EINVAL, get.size, LENGTH + SMALL_PAGE);
	ASSERT_EQ(0, make_dirty(&self->rig, 1));
	GETS(-EFAULT, get.bitmap.data, (void *)SMALL_PAGE);
	/* What could not be told is told to who asks again. */
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(1, bits);
	ASSERT_EQ(0, container_set_iommu(C, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(-EACCES, dirty_pages(C, STOP));
}

TEST_F(tracked, is_told_with_the_unmap)
{
	struct unmap_request unmap;
	__u64 bits = 0;

	unmap = unmap_request(&bits);
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	ASSERT_EQ(0, dirty_pages(C, START));
	ASSERT_EQ(0, make_dirty(&self->rig, 0xf0));
	unmap.head.argsz--;
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	unmap = unmap_request(&bits);
	unmap.head.flags |= VFIO_DMA_UNMAP_FLAG_ALL;
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	unmap = unmap_request(&bits);
	unmap.bitmap.pgsize = 0;
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_EQ(0, bits);
	unmap = unmap_request(&bits);
	ASSERT_EQ(0, checked_ioctl(FD, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_EQ(LENGTH, unmap.head.size);
	EXPECT_EQ(0xf0, bits);
	EXPECT_EQ(0, vm_pinned());
}

/* Whoever cannot tell: all that is mapped may be dirty. */
TEST_F(tracked, goes_on_when_somebody_comes_who_cannot_tell)
{
	struct mock_device blind;
	__u64 bits;
	int access;

	ASSERT_EQ(0, dirty_pages(C, START));
	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_NO_DIRTY,
				       &blind));
	EXPECT_NE(self->rig.dev.hwpt, blind.hwpt);
	EXPECT_FALSE(tells_migration(C));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(ALL, bits);
	ASSERT_EQ(0, container_unmap(C, IOVA, LENGTH));
	ASSERT_EQ(0, container_map(C, self->mem.va, 4 * SMALL_PAGE,
				   IOVA + 8 * SMALL_PAGE));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0xf00, bits);

	/* It goes, and with it what nobody knows. */
	ASSERT_EQ(0, mock_destroy(FD, &blind));
	EXPECT_TRUE(tells_migration(C));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0xf00, bits);
	ASSERT_EQ(0, dirty_pages(C, STOP));
	ASSERT_EQ(0, dirty_pages(C, START));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0, bits);

	/* One that comes and goes between two looks is known by nothing else. */
	access = mock_access(FD, IOAS, 0);
	ASSERT_LE(0, access);
	EXPECT_FALSE(tells_migration(C));
	close(access);
	EXPECT_TRUE(tells_migration(C));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0xf00, bits);
	ASSERT_EQ(0, dirty_pages(C, STOP));
	ASSERT_EQ(0, dirty_pages(C, START));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0, bits);

	access = mock_access(FD, IOAS, 0);
	ASSERT_LE(0, access);
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0xf00, bits);
	close(access);
}

TEST_F(tracked, page_tables_that_come_later_track_too)
{
	__u32 hwpt;
	__u64 bits;

	ASSERT_EQ(0, dirty_pages(C, START));
	ASSERT_EQ(0, hwpt_alloc(FD, self->rig.dev.idev, IOAS,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
	ASSERT_EQ(0, mock_dirty(FD, hwpt, IOVA, LENGTH, SMALL_PAGE,
				&(__u64){ 0x30 }, NULL));
	ASSERT_EQ(0, make_dirty(&self->rig, 1));
	ASSERT_EQ(0, get_dirty(C, &bits));
	EXPECT_EQ(0x31, bits);
}

TEST_F(tracked, is_not_offered_without_a_page_table_that_can)
{
	struct mock_device blind;

	ASSERT_EQ(0, mock_destroy(FD, &self->rig.dev));
	EXPECT_FALSE(tells_migration(C));
	EXPECT_EQ(-ENOTTY, dirty_pages(C, START));
	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_NO_DIRTY,
				       &blind));
	EXPECT_FALSE(tells_migration(C));
	EXPECT_EQ(-ENOTTY, dirty_pages(C, START));
	EXPECT_EQ(-ENOTTY, dirty_pages(C, STOP));
}

TEST_F_TIMEOUT(tracked, calls_that_fail_lose_nothing, 120)
{
	__u64 bits;

	WITH_EACH_FAILURE(dirty_pages(C, START), get_dirty(C, &bits) == -EINVAL,
			  dirty_pages(C, STOP));
	ASSERT_EQ(0, dirty_pages(C, START));
	ASSERT_EQ(0, make_dirty(&self->rig, 0x5));
	/* What is told is forgotten, so that it is made anew. */
	WITH_EACH_FAILURE(get_dirty(C, &bits),
			  !get_dirty(C, &bits) && bits == 0x5 &&
			  !make_dirty(&self->rig, 0x5),
			  bits == 0x5 ? make_dirty(&self->rig, 0x5) : -EIO);
}

#define NR_STRETCHES 2000
#define STRETCHES_IOVA (IOVA + MIB)
#define NR_KILLS 10

/* A walk over all that is mapped takes a while. */
static int map_stretches(const struct vfio_container *container, char *va)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < NR_STRETCHES && !rc; i++)
		rc = container_map(container, va, SMALL_PAGE,
				   STRETCHES_IOVA + 2 * i * SMALL_PAGE);
	return rc;
}

/* *turn becomes 1 before each start, and the error of a call that fails. */
static void start_and_stop(const struct vfio_container *container, int *turn)
{
	int rc = 0;

	while (!rc) {
		rc = dirty_pages(container, STOP);
		if (rc)
			break;
		__atomic_store_n(turn, 1, __ATOMIC_RELEASE);
		rc = dirty_pages(container, START);
	}
	__atomic_store_n(turn, rc, __ATOMIC_RELEASE);
}

/* One that begins all the time, killed while it does, but for bad luck */
static int kill_who_starts(const struct vfio_container *container, int *turn)
{
	int status;
	pid_t pid;

	*turn = 0;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		start_and_stop(container, turn);
		_exit(1);
	}
	while (!__atomic_load_n(turn, __ATOMIC_ACQUIRE))
		sched_yield();
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return *turn < 0 ? *turn : 0;
}

/* What the container says, and what the page table does */
TEST_F_TIMEOUT(tracked, is_begun_as_a_whole_or_not_at_all, 60)
{
	int *turn = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool says, does;
	unsigned int i;
	__u64 bits;

	ASSERT_NE(MAP_FAILED, turn);
	ASSERT_EQ(0, map_stretches(C, self->mem.va));
	for (i = 0; i < NR_KILLS; i++) {
		ASSERT_EQ(0, kill_who_starts(C, turn));
		says = !get_dirty(C, &bits);
		does = !make_dirty(&self->rig, 1);
		EXPECT_EQ(says, does) TH_LOG("kill %u", i);
	}
}

TEST_HARNESS_MAIN
