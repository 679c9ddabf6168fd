// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dma-buf, mapped by IOMMU_IOAS_MAP_FILE: as a file, and with many maps of one
 * that its exporter takes back. What becomes of a device's memory that is mapped
 * so is in bar_test.
 *
 * The memory is in BAR 0 of the igb, and the edu does the DMA. What needs many
 * maps or a look into page tables is done with the test device, which exports
 * dma-bufs, too.
 */
#include <fcntl.h>
#include <time.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "kselftest_harness.h"
#include "bar_rig.h"
#include "checked_io.h"
#include "fail_each.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA (16 * MIB)

FIXTURE(dmabuf)
{
	struct edu_rig rig;
	struct vfio_dev igb;
	int fd;			/* of BAR_LENGTH */
	unsigned char bytes[BAR_TABLE_SIZE];
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)
#define DETACH() vfio_detach(&self->rig.edu)

static int map_dmabuf(struct edu_rig *rig, int fd, __u64 start, __u64 length,
		      __u64 iova)
{
	return ioas_map_file(rig->iommufd, rig->ioas, MAP_RW | MAP_AT, fd,
			     start, length, &iova);
}

#define MAP(start, length, iova) \
	map_dmabuf(&self->rig, self->fd, start, length, iova)
#define MAP_ALL() MAP(0, BAR_LENGTH, IOVA)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)

FIXTURE_SETUP(dmabuf)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(bar_rig_make(&self->igb, FD, self->bytes, &self->fd));
}

FIXTURE_TEARDOWN_PARENT(dmabuf)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

#define READS_AT(iova) bar_table_read(&self->rig, iova, self->bytes)

TEST_F(dmabuf, of_a_part_and_mapped_in_part)
{
	int fd = bar_export(&self->igb, 2 * SMALL_PAGE, 4 * SMALL_PAGE);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	/* the page of the table, which is the sixth of the BAR */
	ASSERT_EQ(0, MAP(5 * SMALL_PAGE, SMALL_PAGE, IOVA + 5 * SMALL_PAGE));
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, map_dmabuf(&self->rig, fd, 3 * SMALL_PAGE, SMALL_PAGE,
				IOVA + MIB + 5 * SMALL_PAGE));
	EXPECT_TRUE(READS_AT(IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA + 5 * SMALL_PAGE, SMALL_PAGE));
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_TRUE(READS_AT(IOVA + MIB));
}

TEST_F(dmabuf, does_not_hinder_a_change_of_process)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_EQ(0, checked_ioctl(FD, IOMMU_IOAS_CHANGE_PROCESS, &cmd));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(dmabuf, has_an_end)
{
	const size_t page = SMALL_PAGE;

	EXPECT_EQ(-EINVAL, MAP(0, BAR_LENGTH + page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(0, BAR_LENGTH + 1, IOVA));
	EXPECT_EQ(-EINVAL, MAP(page, BAR_LENGTH, IOVA));
	EXPECT_EQ(-EINVAL, MAP(BAR_LENGTH, page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(1ULL << 40, page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(-2 * page, page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(0, 1ULL << 62, IOVA));
	EXPECT_EQ(-EOVERFLOW, MAP(-1 * page, 2 * page, IOVA));
	EXPECT_EQ(-EINVAL, MAP(0, 0, IOVA));
	EXPECT_EQ(0, MAP(BAR_LENGTH - page, page, IOVA));
	EXPECT_EQ(-EEXIST, MAP(0, page, IOVA));
}

TEST_F(dmabuf, of_scattered_memory_is_not_mapped)
{
	const struct vfio_region_dma_range ranges[] = {
		{ 0, SMALL_PAGE },
		{ 4 * SMALL_PAGE, SMALL_PAGE },
	};
	int fd = bar_export_ranges(&self->igb, ranges, 2);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, map_dmabuf(&self->rig, fd, 0, SMALL_PAGE,
					  IOVA));
}

/* -- the end of one of those who take part -- */

TEST_F(dmabuf, outlives_its_descriptor)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, close(self->fd));
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, vfio_reset(&self->igb));
	bar_fill_table(&self->igb, self->bytes, 9);
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	EXPECT_FALSE(READS_AT(IOVA));
}

TEST_F(dmabuf, ends_with_its_device)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	vfio_close(&self->igb);
	EXPECT_EQ(-ENODEV, MAP(0, BAR_LENGTH, IOVA + MIB));
	ASSERT_EQ(0, igb_setup(&self->igb, FD));
	bar_fill_table(&self->igb, self->bytes, 10);
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_EQ(-ENODEV, MAP(0, BAR_LENGTH, IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
}

TEST_F(dmabuf, of_a_device_that_is_not_on_an_ioas)
{
	int other = iommufd_open();

	/* another owner altogether */
	vfio_close(&self->igb);
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, igb_setup(&self->igb, other));
	self->fd = bar_export(&self->igb, 0, BAR_LENGTH);
	ASSERT_LE(0, self->fd);
	bar_fill_table(&self->igb, self->bytes, 11);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_TRUE(READS_AT(IOVA));
	close(other);
	EXPECT_TRUE(READS_AT(IOVA));
	vfio_close(&self->igb);
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
}

enum part {
	END_OF_BUFFER,
	END_OF_EXPORTER,
	END_OF_IMPORTER,
	END_OF_FILE,
	PARTS,
};

static void end_part(enum part part, int fd, struct edu_rig *rig,
		     struct vfio_dev *igb)
{
	switch (part) {
	case END_OF_BUFFER:
		close(fd);
		break;
	case END_OF_EXPORTER:
		vfio_close(igb);
		break;
	case END_OF_IMPORTER:
		vfio_close(&rig->edu);
		break;
	default:
		close(rig->iommufd);
	}
}

/* A process for each order in which the four can end. */
TEST_F_TIMEOUT(dmabuf, can_end_in_any_order, 300)
{
	int order, i, status;
	pid_t pid;

	close(self->fd);
	vfio_close(&self->igb);
	edu_rig_break(&self->rig);
	for (order = 0; order < 1 << 2 * PARTS; order++) {
		int parts[PARTS], seen = 0;

		for (i = 0; i < PARTS; i++) {
			parts[i] = order >> 2 * i & 3;
			seen |= 1 << parts[i];
		}
		if (seen != (1 << PARTS) - 1)
			continue;
		pid = fork();
		if (!pid) {
			if (edu_rig_open(&self->rig) || ATTACH() ||
			    igb_setup(&self->igb, FD))
				_exit(1);
			self->fd = bar_export(&self->igb, 0, BAR_LENGTH);
			if (MAP_ALL())
				_exit(2);
			for (i = 0; i < PARTS; i++)
				end_part(parts[i], self->fd, &self->rig,
					 &self->igb);
			_exit(0);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status)
			TH_LOG("order %d%d%d%d", parts[0], parts[1], parts[2],
			       parts[3]);
	}
}

/* -- of memory of the machine -- */

#define MEMORY_LENGTH (3 * MIB)

FIXTURE(memory)
{
	struct edu_rig rig;
	struct vfio_dev igb;
	int fd;			/* of MEMORY_LENGTH */
	char *va;		/* the same memory, filled with pattern 1 */
};

#define MEMORY FIXTURE_DATA(memory)

FIXTURE_VARIANT(memory)
{
	int (*make)(size_t length);
};

/* Each returns a dma-buf, or an error; -ENODEV if there is no such exporter. */

static int make_udmabuf(size_t length, unsigned int flags)
{
	struct udmabuf_create create = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = length,
	};
	int udmabuf, rc;

	udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (udmabuf < 0)
		return -ENODEV;
	create.memfd = memfd_create("dmabuf_test", MFD_ALLOW_SEALING | flags);
	if (ftruncate(create.memfd, length) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		rc = -errno;
	else
		rc = checked_ioctl(udmabuf, UDMABUF_CREATE, &create);
	close(create.memfd);
	close(udmabuf);
	return rc;
}

static int make_udmabuf_small(size_t length)
{
	return make_udmabuf(length, 0);
}

static int make_heap(size_t length)
{
	struct dma_heap_allocation_data data = {
		.len = length,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap, rc;

	heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	if (heap < 0)
		return -ENODEV;
	rc = checked_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data);
	close(heap);
	return rc ? rc : data.fd;
}

FIXTURE_VARIANT_ADD(memory, udmabuf)
{
	.make = make_udmabuf_small,
};

FIXTURE_VARIANT_ADD(memory, system_heap)
{
	.make = make_heap,
};

FIXTURE_SETUP(memory)
{
	MAKE(edu_rig_make(&self->rig));
	self->fd = variant->make(MEMORY_LENGTH);
	if (self->fd == -ENODEV)
		SKIP(return, "there is no such exporter");
	ASSERT_LE(0, self->fd);
	self->va = mmap(NULL, MEMORY_LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED,
			self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->va);
	pattern_fill(self->va, MEMORY_LENGTH, 1);
}

FIXTURE_TEARDOWN_PARENT(memory)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

static int map_memory(MEMORY *self, __u32 flags, __u64 start, __u64 length,
		      __u64 iova)
{
	return ioas_map_file(FD, IOAS, flags | MAP_AT, self->fd, start, length,
			     &iova);
}

TEST_F(memory, is_for_devices)
{
	char bytes[SMALL_PAGE];
	size_t at;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, map_memory(self, MAP_RW, 0, MEMORY_LENGTH, IOVA));
	for (at = 0; at < MEMORY_LENGTH; at += 17 * SMALL_PAGE)
		EXPECT_TRUE(device_reads(&self->rig, IOVA + at, self->va + at,
					 SMALL_PAGE));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, self->va, MEMORY_LENGTH));

	pattern_fill(bytes, SMALL_PAGE, 2);
	at = MEMORY_LENGTH - SMALL_PAGE;
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + at, bytes, SMALL_PAGE));
	EXPECT_EQ(0, memcmp(self->va + at, bytes, SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, MEMORY_LENGTH, NULL));
	EXPECT_FALSE(device_reads(&self->rig, IOVA, self->va, SMALL_PAGE));
}

TEST_F(memory, is_for_several_devices)
{
	char *rings = address_room(IGB_RING_BYTES, SMALL_PAGE);
	const size_t dst = 2 * MIB, size = 1000;
	struct igb igb;

	MAKE(igb_rig_make(&self->igb, FD));
	ASSERT_EQ(0, map_memory(self, MAP_RW, 0, MEMORY_LENGTH, IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, vfio_attach(&self->igb, IOAS));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, rings, IGB_RING_BYTES, IOVA - MIB));
	ASSERT_EQ(0, igb_start(&igb, &self->igb, rings, IOVA - MIB));
	ASSERT_NE(0, memcmp(self->va + dst, self->va + 64, size));
	EXPECT_EQ(0, igb_copy(&igb, IOVA + dst, IOVA + 64, size));
	EXPECT_EQ(0, memcmp(self->va + dst, self->va + 64, size));
	EXPECT_TRUE(device_reads(&self->rig, IOVA + dst, self->va + 64, size));
	igb_stop(&igb);
}

TEST_F(memory, may_be_mapped_and_copied_in_part)
{
	__u64 copy = IOVA + 8 * MIB;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, map_memory(self, MAP_RW, MIB + SMALL_PAGE, MIB, IOVA));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, self->va + MIB + SMALL_PAGE,
				MIB));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RO | MAP_AT, IOAS, IOAS,
			       IOVA + 3 * SMALL_PAGE, MIB / 2, &copy));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, MIB, NULL));
	EXPECT_TRUE(device_sees(&self->rig, copy,
				self->va + MIB + 4 * SMALL_PAGE, MIB / 2));
	EXPECT_EQ(-EINVAL, map_memory(self, MAP_RW, MIB, 2 * MIB + SMALL_PAGE,
				      IOVA));
}

TEST_F(memory, is_not_written_through_a_map_for_reading)
{
	char zeroes[SMALL_PAGE] = {};

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, map_memory(self, MAP_RO, 0, MEMORY_LENGTH, IOVA));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA, zeroes, SMALL_PAGE));
	EXPECT_NE(0, memcmp(self->va, zeroes, SMALL_PAGE));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, self->va, SMALL_PAGE));
}

TEST_F(memory, is_not_ours_to_account_or_to_access)
{
	char bytes[16];
	int access;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, map_memory(self, MAP_RW, 0, MEMORY_LENGTH, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
	access = mock_access(FD, IOAS, 0);
	if (access == -ENOTTY)
		SKIP(return, "the kernel has no test device");
	ASSERT_LE(0, access);
	EXPECT_EQ(-EINVAL, mock_access_rw(FD, access, 0, IOVA, sizeof(bytes),
					  bytes));
	close(access);
}

TEST_F(memory, outlives_its_descriptor_and_page_tables)
{
	ASSERT_EQ(0, map_memory(self, MAP_RW, 0, MEMORY_LENGTH, IOVA));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, self->va, MEMORY_LENGTH));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_TRUE(device_sees(&self->rig, IOVA, self->va, MEMORY_LENGTH));
}

TEST_F_TIMEOUT(memory, whose_map_fails_is_not_mapped, 300)
{
	__u64 iova = IOVA;

	ASSERT_EQ(0, ATTACH());
	WITH_EACH_FAILURE((iova += MEMORY_LENGTH,
			   map_memory(self, MAP_RW, 0, MEMORY_LENGTH, iova)),
			  ioas_unmap(FD, IOAS, iova, MEMORY_LENGTH, NULL) ==
			  -ENOENT,
			  ioas_unmap(FD, IOAS, iova, MEMORY_LENGTH, NULL));
}

TEST(memory_of_huge_pages_is_for_devices)
{
	struct edu_rig rig;
	char *va;
	int fd;

	MAKE(edu_rig_make(&rig));
	if (hugetlb_reserve(2 * HUGE_PAGE))
		SKIP(return, "there are no huge pages");
	fd = make_udmabuf(2 * HUGE_PAGE, MFD_HUGETLB);
	if (fd == -ENODEV)
		SKIP(return, "there is no udmabuf");
	ASSERT_LE(0, fd);
	va = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		  0);
	ASSERT_NE(MAP_FAILED, va);
	pattern_fill(va, 2 * HUGE_PAGE, 3);
	ASSERT_EQ(0, edu_rig_attach(&rig));
	ASSERT_EQ(0, map_dmabuf(&rig, fd, 0, 2 * HUGE_PAGE, IOVA));
	EXPECT_TRUE(device_sees(&rig, IOVA, va, 2 * HUGE_PAGE));
	edu_rig_break(&rig);
}

/* -- of the test device -- */

FIXTURE(buffer)
{
	struct mock_rig rig;
	int fd;			/* of one page */
	char *va;		/* the same page */
};

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
	return ioas_map_file(FD, IOAS, flags | MAP_AT, fd, 0,
			     SMALL_PAGE, &iova);
}

static bool is_at(BUFFER *self, __u32 hwpt, __u64 iova)
{
	return !mock_check_map(FD, hwpt, iova, SMALL_PAGE,
			       self->va);
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
	EXPECT_FALSE(is_at(self, DEV.hwpt, IOVA));
}

TEST_F(buffer, copies_are_taken_back_by_one_flush_of_each_page_table)
{
	__u32 other;
	long before;
	int i;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0,
				&other));
	ASSERT_EQ(0, map_many(self, NR_COPIES));
	before = mock_iotlb_syncs();
	ASSERT_LE(0, before);
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, true));
	EXPECT_EQ(before + 2, mock_iotlb_syncs());
	for (i = 0; i < NR_COPIES; i++) {
		EXPECT_FALSE(is_at(self, DEV.hwpt,
				   IOVA + i * SMALL_PAGE));
		EXPECT_FALSE(is_at(self, other, IOVA + i * SMALL_PAGE));
	}
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
	EXPECT_FALSE(is_at(self, other, IOVA));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA + SMALL_PAGE, SMALL_PAGE, NULL));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, false));
	for (i = 0; i < NR_COPIES; i++) {
		EXPECT_EQ(i != 1, is_at(self, DEV.hwpt, IOVA + i * SMALL_PAGE));
		EXPECT_EQ(i != 1, is_at(self, other, IOVA + i * SMALL_PAGE));
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
			EXPECT_FALSE(is_at(self, DEV.hwpt, IOVA));
			EXPECT_FALSE(is_at(self, other, far));
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
	__u32 state = 5;
	__u64 iova;
	int i, n, rc;

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
		EXPECT_EQ(there[i], is_at(self, DEV.hwpt,
					  IOVA + i * SMALL_PAGE));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, self->fd, true));
	for (i = 0; i < NR_COPIES; i++)
		EXPECT_FALSE(is_at(self, DEV.hwpt,
				   IOVA + i * SMALL_PAGE));
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
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, other, true));
	ASSERT_EQ(0, mock_check_refs(FD, page, SMALL_PAGE, 3));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, &unmapped));
	EXPECT_EQ(12 * SMALL_PAGE, unmapped);
	EXPECT_EQ(0, mock_check_refs(FD, page, SMALL_PAGE, 0));
	for (i = 0; i < 15; i++)
		EXPECT_FALSE(is_at(self, DEV.hwpt,
				   IOVA + i * SMALL_PAGE));
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
	for (i = 0; i < NR_COPIES; i++)
		EXPECT_FALSE(is_at(self, DEV.hwpt,
				   IOVA + i * SMALL_PAGE));
}

TEST_HARNESS_MAIN
