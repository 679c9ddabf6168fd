// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is mapped for the test device, and what it tells of that: page tables,
 * pins, flushes, IOVA that it reserves, and dma-bufs that it exports.
 */
#include <fcntl.h>
#include <stdint.h>

#include <sys/mman.h>

#include <linux/udmabuf.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "mock_fixture.h"
#include "test_support.h"

/*
 * Looking into page tables and pages
 */

TEST_F(mock, sees_what_is_mapped)
{
	struct mock_device dev;
	char *va = VA;
	__u64 iova = IOVA + MIB;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, LENGTH, iova));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, LENGTH, va));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, 0, va));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova + 3 * MOCK_PAGE_SIZE,
				    MOCK_PAGE_SIZE, va + 3 * MOCK_PAGE_SIZE));

	/* other memory, less of it, none */
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova, SMALL_PAGE,
					  va + SMALL_PAGE));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova, MOCK_PAGE_SIZE,
					  va + MOCK_PAGE_SIZE));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova + LENGTH,
					  SMALL_PAGE, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova - SMALL_PAGE,
					  SMALL_PAGE, va));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, iova + LENGTH, MIB));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, IOVA, MIB));
	EXPECT_EQ(-EFAULT, mock_check_map(FD, dev.hwpt, iova, SMALL_PAGE,
					  NULL));

	/* other memory behind the first page */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va + 2 * SMALL_PAGE, SMALL_PAGE,
				 IOVA + SMALL_PAGE));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, SMALL_PAGE, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, 2 * SMALL_PAGE,
					  va));

	ASSERT_EQ(0, ioas_unmap(FD, IOAS, iova, LENGTH, NULL));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, iova, SMALL_PAGE, va));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, iova, LENGTH));
}

/* A page anywhere in the range is found, whatever memory it is. */
TEST_F(mock, sees_that_nothing_is_mapped)
{
	const __u64 end = IOVA + 16 * MIB;
	struct mock_device dev;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, IOVA, 16 * MIB));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, MOCK_PAGE_SIZE,
				 end - MOCK_PAGE_SIZE));
	EXPECT_EQ(-EEXIST, mock_check_hole(FD, dev.hwpt, IOVA, 16 * MIB));
	EXPECT_EQ(-EEXIST, mock_check_hole(FD, dev.hwpt, end - MOCK_PAGE_SIZE,
					   MOCK_PAGE_SIZE));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, IOVA,
				     16 * MIB - MOCK_PAGE_SIZE));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, end, MIB));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	EXPECT_EQ(-EEXIST, mock_check_hole(FD, dev.hwpt, IOVA, MIB));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, IOVA + SMALL_PAGE, MIB));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, IOVA, 0));
}

TEST_F(mock, checks_what_it_is_to_look_at)
{
	const char *va = VA, *top = (char *)-SMALL_PAGE;
	struct mock_device dev;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, LENGTH, IOVA));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA + 1024, 2048, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, 1024, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, 2048, va + 1));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, -SMALL_PAGE,
					  2 * SMALL_PAGE, va));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, 2 * SMALL_PAGE,
					  top));
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, IOVA, -2048UL, va));
	/* beyond what the page table can translate */
	EXPECT_EQ(-EINVAL, mock_check_map(FD, dev.hwpt, 1ULL << 60, 2048, va));
	EXPECT_EQ(-ENOENT, mock_check_map(FD, IOAS, IOVA, LENGTH, va));
	EXPECT_EQ(-ENOENT, mock_check_map(FD, NO_SUCH_ID, IOVA, LENGTH, va));

	EXPECT_EQ(-EINVAL, mock_check_hole(FD, dev.hwpt, IOVA + 1024, 2048));
	EXPECT_EQ(-EINVAL, mock_check_hole(FD, dev.hwpt, IOVA, 1024));
	EXPECT_EQ(-EINVAL, mock_check_hole(FD, dev.hwpt, -SMALL_PAGE,
					   2 * SMALL_PAGE));
	EXPECT_EQ(-EOVERFLOW, mock_check_hole(FD, dev.hwpt, IOVA, 4 * GIB));
	/* beyond what the page table can translate */
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, 1ULL << 60, 2048));
	EXPECT_EQ(-ENOENT, mock_check_hole(FD, IOAS, IOVA, LENGTH));
	EXPECT_EQ(-ENOENT, mock_check_hole(FD, NO_SUCH_ID, IOVA, LENGTH));
}

TEST_F(mock, maps_half_pages)
{
	const __u64 length = 3 * MOCK_PAGE_SIZE;
	char *va = VA + MOCK_PAGE_SIZE;
	struct mock_device dev;
	__u64 iova = IOVA + MOCK_PAGE_SIZE;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, length, iova));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, length, va));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, IOVA, MOCK_PAGE_SIZE));
	/* the other half of the same page, elsewhere */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, MOCK_PAGE_SIZE, IOVA));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, 4 * MOCK_PAGE_SIZE,
				    VA));
}

TEST_F(mock, maps_one_half_of_a_page)
{
	struct mock_device dev;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + MOCK_PAGE_SIZE, MOCK_PAGE_SIZE,
				 IOVA));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, MOCK_PAGE_SIZE,
				    VA + MOCK_PAGE_SIZE));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, IOVA + MOCK_PAGE_SIZE,
				     SMALL_PAGE));
}

TEST_F(mock, maps_scattered_pages_from_a_half_to_a_half)
{
	const __u64 length = (2 * NR_PAGES - 2) * MOCK_PAGE_SIZE;
	struct mock_device dev;
	struct memory_rig mem;
	char *va;

	MAKE(memory_rig_make(&mem, PAGES_SMALL_RANDOM, LENGTH));
	ASSERT_LT(1, memory_pieces(mem.va, LENGTH));
	va = mem.va + MOCK_PAGE_SIZE;
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, length, IOVA));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, length, va));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, IOVA + length, SMALL_PAGE));
}

/* One run in front of the border and behind it, and then another one */
TEST_F(mock, maps_a_run_across_a_border_of_1_gib)
{
	const size_t end = HUGE_PAGE - SMALL_PAGE;
	const __u64 iova = GIB - MIB;
	struct mock_device dev;
	struct memory_rig mem;

	MAKE(memory_rig_make(&mem, PAGES_THP, HUGE_PAGE));
	ASSERT_EQ(0, madvise(mem.va + end, SMALL_PAGE, MADV_DONTNEED));
	mem.va[end] = 1;
	ASSERT_EQ(2, memory_pieces(mem.va, HUGE_PAGE));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va, HUGE_PAGE, iova));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, HUGE_PAGE, mem.va));
}

/* Neighbours leave together, in steps that end at a border of 1 GiB. */
TEST_F(mock, unmaps_more_than_1_gib_at_once)
{
	const __u64 step = 8 * HUGE_PAGE, border = GIB;
	struct mock_device dev;
	struct memory_rig huge;
	__u64 iova, unmapped;

	MAKE(memory_rig_make(&huge, PAGES_THP, step));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, border - LENGTH));
	for (iova = border - LENGTH - 31 * step; iova < border - LENGTH;
	     iova += step)
		ASSERT_EQ(0, memory_rig_map(&huge, FD, IOAS, iova));
	for (iova = border; iova < border + 33 * step; iova += step)
		ASSERT_EQ(0, memory_rig_map(&huge, FD, IOAS, iova));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, &unmapped));
	EXPECT_EQ(GIB + LENGTH, unmapped);
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt,
				     border - LENGTH - 31 * step,
				     GIB + LENGTH));
}

TEST_F(mock, sees_what_was_mapped_before_the_device_came)
{
	struct mock_device dev;
	int i;

	for (i = 0; i != NR_PAGES; i += 2)
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + i * SMALL_PAGE,
					 SMALL_PAGE, IOVA + i * SMALL_PAGE));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	for (i = 0; i != NR_PAGES; i += 2) {
		__u64 iova = IOVA + i * SMALL_PAGE;

		EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, SMALL_PAGE,
					    VA + i * SMALL_PAGE));
		EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, iova + SMALL_PAGE,
					     SMALL_PAGE));
	}
}

TEST_F(mock, counts_pins)
{
	struct mock_device dev, other;
	__u32 ioas;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 1));
	EXPECT_EQ(-EIO, mock_check_refs(FD, VA, LENGTH, 0));
	EXPECT_EQ(-EIO, mock_check_refs(FD, VA, LENGTH, 2));

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, mock_domain(FD, ioas, &other));
	ASSERT_EQ(0, ioas_map_at(FD, ioas, VA, SMALL_PAGE, IOVA));
	EXPECT_EQ(0, mock_check_refs(FD, VA, SMALL_PAGE, 2));
	EXPECT_EQ(0, mock_check_refs(FD, VA + SMALL_PAGE,
				     LENGTH - SMALL_PAGE, 1));
	EXPECT_EQ(-EIO, mock_check_refs(FD, VA, LENGTH, 1));

	ASSERT_EQ(0, mock_destroy(FD, &dev));
	ASSERT_EQ(0, ioas_unmap_all(FD, ioas, NULL));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));

	EXPECT_EQ(-EINVAL, mock_check_refs(FD, VA + 2048, SMALL_PAGE, 0));
	EXPECT_EQ(-EINVAL, mock_check_refs(FD, VA, 2048, 0));
	EXPECT_EQ(-EINVAL, mock_check_refs(FD, VA, -SMALL_PAGE, 0));
	EXPECT_EQ(-EFAULT, mock_check_refs(FD, NULL, SMALL_PAGE, 0));
}

TEST_F(mock, counts_pins_of_folios)
{
	const __u32 all = HUGE_PAGE / SMALL_PAGE;
	const __u64 half = HUGE_PAGE / 2;
	struct mock_device dev;
	struct memory_rig mem;

	MAKE(memory_rig_make(&mem, PAGES_THP, 2 * HUGE_PAGE));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(0, mock_check_pins(FD, mem.va, 2 * HUGE_PAGE, 0));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va, 2 * HUGE_PAGE, IOVA));
	EXPECT_EQ(0, mock_check_pins(FD, mem.va, 2 * HUGE_PAGE, all));
	EXPECT_EQ(-EIO, mock_check_pins(FD, mem.va, SMALL_PAGE, all - 1));
	EXPECT_EQ(-EIO, mock_check_pins(FD, mem.va, 2 * HUGE_PAGE, 0));

	/* the last half of the first one, once more */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va + half, half,
				 IOVA + 4 * HUGE_PAGE));
	EXPECT_EQ(0, mock_check_pins(FD, mem.va, HUGE_PAGE, all + all / 2));
	EXPECT_EQ(0, mock_check_pins(FD, mem.va + HUGE_PAGE, HUGE_PAGE, all));
	EXPECT_EQ(-EIO, mock_check_pins(FD, mem.va + half, HUGE_PAGE, all));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, mock_check_pins(FD, mem.va, 2 * HUGE_PAGE, 0));

	/* and of small ones each has its own */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	EXPECT_EQ(0, mock_check_pins(FD, VA, SMALL_PAGE, 1));
	EXPECT_EQ(0, mock_check_pins(FD, VA + SMALL_PAGE, LENGTH - SMALL_PAGE,
				     0));
	EXPECT_EQ(-EIO, mock_check_pins(FD, VA, LENGTH, 0));
	EXPECT_EQ(-EINVAL, mock_check_pins(FD, VA + 2048, SMALL_PAGE, 0));
	EXPECT_EQ(-EFAULT, mock_check_pins(FD, NULL, SMALL_PAGE, 0));
}

TEST_F(mock, maps_in_steps_of_little_memory)
{
	struct mock_device dev;
	__u32 limit;

	EXPECT_EQ(-EINVAL, mock_memory_limit(FD, 11));
	EXPECT_EQ(-EINVAL, mock_memory_limit(FD, 1));
	EXPECT_EQ(0, mock_memory_limit(FD, UINT32_MAX));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	for (limit = MOCK_MEMORY_LIMIT_MIN; limit < 1024; limit += 37) {
		ASSERT_EQ(0, mock_memory_limit(FD, limit));
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
		EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, LENGTH,
					    VA));
		EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 1));
		ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
		EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));
	}
	EXPECT_EQ(0, mock_memory_limit(FD, 0));
}

TEST_F(mock, maps_memory_of_another_process_in_steps_of_little_memory)
{
	struct mock_device *dev;
	int rc;

	dev = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, dev);
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	ASSERT_EQ(0, mock_memory_limit(FD, MOCK_MEMORY_LIMIT_MIN));
	/* the memory is pinned for the device, by who makes that */
	rc = IN_CHILD(!!mock_domain(FD, IOAS, dev));
	EXPECT_EQ(0, mock_memory_limit(FD, 0));
	ASSERT_EQ(0, rc);
	EXPECT_EQ(0, mock_check_map(FD, dev->hwpt, IOVA, LENGTH, VA));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 1));
}

TEST_F(mock, counts_flushes_of_the_iotlb)
{
	struct mock_device dev;
	long before;
	int i;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	before = mock_iotlb_syncs();
	ASSERT_LE(0, before);
	for (i = 0; i != NR_PAGES; i++)
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + i * SMALL_PAGE,
					 SMALL_PAGE, IOVA + i * SMALL_PAGE));
	EXPECT_EQ(before, mock_iotlb_syncs());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	EXPECT_EQ(before + 1, mock_iotlb_syncs());
	/* however many maps it is */
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(before + 2, mock_iotlb_syncs());
}

TEST_F(mock, makes_no_page_dirty_without_tracking)
{
	struct mock_device dev;
	__u64 bits = 1;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
#define DIRTY(hwpt, length, size, map)					\
	mock_dirty(FD, hwpt, IOVA, length, size, map, NULL)
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, LENGTH, SMALL_PAGE, &bits));
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, LENGTH, 0, &bits));
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, 0, SMALL_PAGE, &bits));
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, LENGTH + 1, SMALL_PAGE, &bits));
	EXPECT_EQ(-EINVAL, DIRTY(dev.hwpt, LENGTH, SMALL_PAGE, NULL));
	EXPECT_EQ(-EINVAL, mock_dirty(FD, dev.hwpt, IOVA + 1, LENGTH,
				      SMALL_PAGE, &bits, NULL));
	EXPECT_EQ(-EOVERFLOW, DIRTY(dev.hwpt, (1ULL << 27) + 1, 1, &bits));
	EXPECT_EQ(-EOVERFLOW, DIRTY(NO_SUCH_ID, UINT64_MAX, 1, &bits));
	EXPECT_EQ(-ENOENT, DIRTY(NO_SUCH_ID, LENGTH, SMALL_PAGE, &bits));
	EXPECT_EQ(-ENOENT, DIRTY(IOAS, LENGTH, SMALL_PAGE, &bits));
}

/*
 * Reserved IOVA
 */

TEST_F(mock, reserves_iova_for_as_long_as_the_ioas_lives)
{
	const struct iommu_iova_range allowed = { 32 * MIB, 33 * MIB };
	struct iommu_iova_range ranges[2];
	struct mock_device dev;
	__u32 count = 2;

	EXPECT_EQ(-EINVAL, mock_add_reserved(FD, IOAS, IOVA, 0));
	EXPECT_EQ(-EOVERFLOW, mock_add_reserved(FD, IOAS, UINT64_MAX, 2));
	EXPECT_EQ(-ENOENT, mock_add_reserved(FD, NO_SUCH_ID, IOVA, 1));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	EXPECT_EQ(-EADDRINUSE, mock_add_reserved(FD, IOAS, IOVA + 1, 1));
	EXPECT_EQ(-EADDRINUSE, mock_add_reserved(FD, IOAS, 0, UINT64_MAX));
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, &allowed, 1));
	EXPECT_EQ(-EADDRINUSE, mock_add_reserved(FD, IOAS, 33 * MIB, MIB));

	ASSERT_EQ(0, mock_add_reserved(FD, IOAS, 40 * MIB, MIB));
	ASSERT_EQ(0, mock_add_reserved(FD, IOAS, 40 * MIB, 2 * MIB));
	EXPECT_EQ(-EINVAL, ioas_map_at(FD, IOAS, VA, SMALL_PAGE,
				       42 * MIB - SMALL_PAGE));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, 42 * MIB));

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, mock_destroy(FD, &dev));
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, ranges, &count, NULL));
	EXPECT_EQ(2, count);
	EXPECT_EQ(40 * MIB - 1, ranges[0].last);
	EXPECT_EQ(42 * MIB, ranges[1].start);
}

/*
 * dma-bufs
 */

TEST_F(mock, exports_dmabufs)
{
	int dmabuf;
	char *va;

	EXPECT_EQ(-EINVAL, mock_dmabuf(FD, 0, O_CLOEXEC));
	EXPECT_EQ(-EINVAL, mock_dmabuf(FD, 512 * SMALL_PAGE + 1, O_CLOEXEC));
	EXPECT_EQ(-EINVAL, mock_dmabuf(FD, UINT32_MAX, O_CLOEXEC));
	dmabuf = mock_dmabuf(FD, 512 * SMALL_PAGE, O_RDWR);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(0, fcntl(dmabuf, F_GETFD) & FD_CLOEXEC);
	close(dmabuf);

	dmabuf = mock_dmabuf(FD, SMALL_PAGE + 1, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, dmabuf);
	EXPECT_NE(0, fcntl(dmabuf, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(2 * SMALL_PAGE, lseek(dmabuf, 0, SEEK_END));
	va = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		  dmabuf, 0);
	ASSERT_NE(MAP_FAILED, va);
	EXPECT_TRUE(memory_is(va, 0, 2 * SMALL_PAGE));
	pattern_fill(va, 2 * SMALL_PAGE, 1);
	munmap(va, 2 * SMALL_PAGE);
	va = mmap(NULL, SMALL_PAGE, PROT_READ, MAP_PRIVATE, dmabuf, SMALL_PAGE);
	EXPECT_EQ(MAP_FAILED, va);
	close(dmabuf);
}

static int udmabuf_create(void)
{
	struct udmabuf_create create = { .size = SMALL_PAGE };
	int device, rc;

	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -errno;
	create.memfd = memfd_create("udmabuf", MFD_ALLOW_SEALING);
	if (ftruncate(create.memfd, SMALL_PAGE) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	rc = checked_ioctl(device, UDMABUF_CREATE, &create);
	close(create.memfd);
	close(device);
	return rc;
}

TEST_F(mock, revokes_its_own_dmabufs)
{
	int dmabuf, foreign;

	EXPECT_EQ(-EBADF, mock_dmabuf_revoke(FD, -1, true));
	EXPECT_EQ(-EINVAL, mock_dmabuf_revoke(FD, FD, true));
	foreign = udmabuf_create();
	ASSERT_LE(0, foreign);
	EXPECT_EQ(-EOPNOTSUPP, mock_dmabuf_revoke(FD, foreign, true));
	close(foreign);

	dmabuf = mock_dmabuf(FD, SMALL_PAGE, O_CLOEXEC);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, false));
	EXPECT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	EXPECT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	EXPECT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, false));
	close(dmabuf);
}

TEST_F(mock, maps_dmabufs_until_they_are_revoked)
{
	const __u64 length = 4 * SMALL_PAGE;
	struct mock_device dev;
	__u64 iova = IOVA;
	int dmabuf, rc;
	char *va;

	dmabuf = mock_dmabuf(FD, length, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, dmabuf);
	va = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
#define MAP_DMABUF() \
	ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0, length, &iova)
	rc = MAP_DMABUF();
	if (rc == -ENOTTY)
		SKIP(return, "the kernel does not map files");
	ASSERT_EQ(0, rc);
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, length, va));

	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	EXPECT_EQ(0, mock_check_hole(FD, dev.hwpt, iova, length));
	iova += MIB;
	EXPECT_EQ(-ENODEV, MAP_DMABUF());
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, false));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, IOVA, length, va));
	EXPECT_EQ(0, MAP_DMABUF());
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, iova, length, va));
}

TEST_HARNESS_MAIN
