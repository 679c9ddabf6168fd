// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dma-buf, mapped by IOMMU_IOAS_MAP_FILE, of a device's memory and of the
 * machine's. What becomes of a device's memory that is mapped so is in bar_test,
 * what needs many maps or a look into page tables in dmabuf_mock_test.
 *
 * The device's memory is in BAR 0 of the igb, and the edu does the DMA.
 */
#include <fcntl.h>

#include <sys/mman.h>

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "kselftest_harness.h"
#include "bar_rig.h"
#include "checked_io.h"
#include "fail_each.h"
#include "mock_lib.h"
#include "test_support.h"

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
	return ioas_map_file_at(rig->iommufd, rig->ioas, MAP_RW, fd, start,
				length, iova);
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

#define READ_AT(iova) bar_table_read(&self->rig, iova, self->bytes)

TEST_F(dmabuf, of_a_part_and_mapped_in_part)
{
	int fd = bar_export(&self->igb, 2 * SMALL_PAGE, 4 * SMALL_PAGE);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	/* the page of the table, which is the sixth of the BAR */
	ASSERT_EQ(0, MAP(5 * SMALL_PAGE, SMALL_PAGE, IOVA + 5 * SMALL_PAGE));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, map_dmabuf(&self->rig, fd, 3 * SMALL_PAGE, SMALL_PAGE,
				IOVA + MIB + 5 * SMALL_PAGE));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA + 5 * SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB));
}

TEST_F(dmabuf, does_not_hinder_a_change_of_process)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_EQ(0, ioas_change_process(FD));
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
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, vfio_reset(&self->igb));
	bar_fill_table(&self->igb, self->bytes, 9);
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
}

TEST_F(dmabuf, ends_with_its_device)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	vfio_close(&self->igb);
	EXPECT_EQ(-ENODEV, MAP(0, BAR_LENGTH, IOVA + MIB));
	ASSERT_EQ(0, igb_setup(&self->igb, FD));
	bar_fill_table(&self->igb, self->bytes, 10);
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
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
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	close(other);
	EXPECT_EQ(REACHED, READ_AT(IOVA));
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
	int order, i, rc;
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
		rc = child_status(pid);
		EXPECT_EQ(0, rc)
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
	return ioas_map_file_at(FD, IOAS, flags, self->fd, start, length, iova);
}

TEST_F(memory, is_for_devices)
{
	char bytes[SMALL_PAGE];
	size_t at;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, map_memory(self, MAP_RW, 0, MEMORY_LENGTH, IOVA));
	for (at = 0; at < MEMORY_LENGTH; at += 17 * SMALL_PAGE)
		EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + at,
					       self->va + at, SMALL_PAGE));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, self->va, MEMORY_LENGTH));

	pattern_fill(bytes, SMALL_PAGE, 2);
	at = MEMORY_LENGTH - SMALL_PAGE;
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + at, bytes, SMALL_PAGE));
	EXPECT_EQ(0, memcmp(self->va + at, bytes, SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, MEMORY_LENGTH, NULL));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA, self->va, SMALL_PAGE));
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
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + dst, self->va + 64,
				       size));
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
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, self->va, SMALL_PAGE));
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
			  ioas_unmap(FD, IOAS, iova, MEMORY_LENGTH, NULL),
			  -ENOENT);
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

TEST_HARNESS_MAIN
