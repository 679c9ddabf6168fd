// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of files that IOMMU_IOAS_MAP_FILE maps: devices and whoever maps or
 * reads the file see the same bytes, whatever pages it has. What may be done
 * with a file is in memfd_test.
 */
#include <fcntl.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "test_support.h"

#define IOVA (16 * MIB)

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)

/* -- every kind of page -- */

FIXTURE(file)
{
	struct edu_rig rig;
	struct memory_rig mem;
};

FIXTURE_VARIANT(file)
{
	enum page_kind kind;
	size_t length;
	bool late;		/* the map is older than the attachment */
};

FIXTURE_VARIANT_ADD(file, of_small_pages)
{
	.kind = PAGES_SMALL,
	.length = MIB,
};

FIXTURE_VARIANT_ADD(file, of_scattered_pages)
{
	.kind = PAGES_SMALL_RANDOM,
	.length = 5 * MIB,
};

FIXTURE_VARIANT_ADD(file, of_scattered_pages_before_attach)
{
	.kind = PAGES_SMALL_RANDOM,
	.length = 5 * MIB,
	.late = true,
};

FIXTURE_VARIANT_ADD(file, of_transparent_huge_pages)
{
	.kind = PAGES_THP,
	.length = 2 * HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(file, of_hugetlb_pages)
{
	.kind = PAGES_HUGETLB,
	.length = 2 * HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(file, of_hugetlb_pages_before_attach)
{
	.kind = PAGES_HUGETLB,
	.length = 2 * HUGE_PAGE,
	.late = true,
};

FIXTURE_SETUP(file)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(memory_rig_make_file(&self->mem, variant->kind, variant->length));
}

FIXTURE_TEARDOWN_PARENT(file)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

static int map_and_attach(struct edu_rig *rig, int file, __u64 start,
			  __u64 length, bool late)
{
	return (late ? 0 : edu_rig_attach(rig)) ?:
	       ioas_map_file_at(rig->iommufd, rig->ioas, MAP_RW, file, start,
				length, IOVA) ?:
	       (late ? edu_rig_attach(rig) : 0);
}

#define FILE_FD (self->mem.file)
#define VA (self->mem.va)

TEST_F(file, shows_the_same_bytes_to_all)
{
	size_t middle = self->mem.length / 2 - 50;
	unsigned char bytes[100];

	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, 0, self->mem.length,
				    variant->late));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, VA, self->mem.length));
	pattern_fill(bytes, 100, 2);
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + middle, bytes, 100));
	EXPECT_TRUE(pattern_matches(VA + middle, 100, 2));
	memset(bytes, 0, 100);
	EXPECT_EQ(100, pread(FILE_FD, bytes, 100, middle));
	EXPECT_TRUE(pattern_matches(bytes, 100, 2));
}

/* In the middle of huge pages, and out of step with them. */
TEST_F(file, may_be_mapped_in_part)
{
	size_t start = 3 * SMALL_PAGE;
	size_t length = self->mem.length - 8 * SMALL_PAGE;

	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, start, length,
				    variant->late));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, VA + start, length));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA + length,
				       VA + start + length, 8));
	EXPECT_EQ(length + SMALL_PAGE, vm_pinned());
}

TEST_F(file, stays_when_the_process_has_let_it_go)
{
	unsigned char *bytes = malloc(SMALL_PAGE);
	size_t length = self->mem.length;

	memcpy(bytes, VA + length - SMALL_PAGE, SMALL_PAGE);
	ASSERT_EQ(0, ioas_map_file_at(FD, IOAS, MAP_RW, FILE_FD, 0, length,
				      IOVA));
	ASSERT_EQ(0, munmap(VA, length));
	ASSERT_EQ(0, close(FILE_FD));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + length - SMALL_PAGE,
				       bytes, SMALL_PAGE));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, length, NULL));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA + length - SMALL_PAGE,
				       bytes, SMALL_PAGE));
}

TEST_F(file, is_pinned_once)
{
	size_t length = self->mem.length;

	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, 0, length,
				    variant->late));
	EXPECT_EQ(length + SMALL_PAGE, vm_pinned());
	EXPECT_LT(self->rig.pins, pins_held());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, length, NULL));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

TEST_F(file, works_without_large_entries)
{
	/* Tables of small entries, of which the first map may have some more */
	const long tables = self->mem.length / HUGE_PAGE * SMALL_PAGE;
	long before;

	ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, 0, self->mem.length,
				    variant->late));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, VA, self->mem.length));
	before = iommu_table_bytes();
	ASSERT_EQ(0, ioas_map_file_at(FD, IOAS, MAP_RW, FILE_FD, 0,
				      self->mem.length, 2 * IOVA));
	EXPECT_LE(tables, iommu_table_bytes() - before);
}

TEST_F(file, may_have_holes)
{
	size_t hole = self->mem.length - HUGE_PAGE;

	if (self->mem.length < 2 * HUGE_PAGE)
		hole = self->mem.length / 2;
	ASSERT_EQ(0, fallocate(FILE_FD,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       hole, self->mem.length - hole));
	ASSERT_EQ(0, map_and_attach(&self->rig, FILE_FD, 0, self->mem.length,
				    variant->late));
	EXPECT_TRUE(device_sees(&self->rig, IOVA, VA, hole));
	EXPECT_TRUE(memory_is(VA + hole, 0, self->mem.length - hole));
	pattern_fill(VA + hole, self->mem.length - hole, 3);
	EXPECT_TRUE(device_sees(&self->rig, IOVA + hole, VA + hole,
				self->mem.length - hole));
}

/* -- arguments; no device is needed -- */

#define FILE_LENGTH (8 * SMALL_PAGE)

FIXTURE(arguments)
{
	int iommufd;
	__u32 ioas;
	int fd;
};

FIXTURE_SETUP(arguments)
{
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	self->fd = memfd_alloc(FILE_LENGTH, false);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(arguments)
{
	close(self->fd);
	close(self->iommufd);
}

static int map_file(int iommufd, struct iommu_ioas_map_file *cmd)
{
	return checked_ioctl(iommufd, IOMMU_IOAS_MAP_FILE, cmd);
}

/* In the order in which they are checked. */
TEST_F(arguments, are_refused_one_by_one)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = 8,
		.ioas_id = NO_SUCH_ID,
		.fd = -1,
		.start = UINT64_MAX,
		.length = UINT64_MAX,
		.iova = UINT64_MAX,
	};
	int gone = dup(self->fd);

	EXPECT_EQ(-EOPNOTSUPP, map_file(self->iommufd, &cmd));
	cmd.flags = 1U << 31 | MAP_RW;
	EXPECT_EQ(-EOPNOTSUPP, map_file(self->iommufd, &cmd));
	cmd.flags = 0;
	EXPECT_EQ(-EOVERFLOW, map_file(self->iommufd, &cmd));
	cmd.iova = 0;
	EXPECT_EQ(-EOVERFLOW, map_file(self->iommufd, &cmd));
	cmd.length = 0;
	EXPECT_EQ(-EINVAL, map_file(self->iommufd, &cmd));
	cmd.flags = MAP_RW | MAP_AT;
	EXPECT_EQ(-ENOENT, map_file(self->iommufd, &cmd));
	cmd.ioas_id = self->ioas;
	EXPECT_EQ(-EINVAL, map_file(self->iommufd, &cmd));
	cmd.length = 1;
	EXPECT_EQ(-EOVERFLOW, map_file(self->iommufd, &cmd));
	cmd.start = 0;
	EXPECT_EQ(-EBADF, map_file(self->iommufd, &cmd));
	close(gone);
	cmd.fd = gone;
	EXPECT_EQ(-EBADF, map_file(self->iommufd, &cmd));
	cmd.fd = self->fd;
	cmd.length = 1UL << 62;
	cmd.iova = UINT64_MAX - 1;
	EXPECT_EQ(-EOVERFLOW, map_file(self->iommufd, &cmd));
	cmd.length = SMALL_PAGE;
	cmd.iova = IOVA;
	EXPECT_EQ(0, map_file(self->iommufd, &cmd));
	EXPECT_EQ(IOVA, cmd.iova);
	EXPECT_EQ(-EEXIST, map_file(self->iommufd, &cmd));
}

TEST_F(arguments, with_iova_of_the_kernels_choice)
{
	__u64 first, second, odd;

	ASSERT_EQ(0, ioas_map_file(self->iommufd, self->ioas, MAP_RW, self->fd,
				   SMALL_PAGE, SMALL_PAGE, &first));
	ASSERT_EQ(0, ioas_map_file(self->iommufd, self->ioas, MAP_RW, self->fd,
				   SMALL_PAGE, SMALL_PAGE, &second));
	ASSERT_EQ(0, ioas_map_file(self->iommufd, self->ioas, MAP_RW, self->fd,
				   SMALL_PAGE + 17, 5, &odd));
	EXPECT_NE(0, first);
	EXPECT_NE(first, second);
	EXPECT_EQ(17, odd % SMALL_PAGE);
}

/* The map keeps the file, and ends with the file descriptor of /dev/iommu. */
TEST_F(arguments, of_a_map_keep_no_descriptor)
{
	__u64 iova;

	ASSERT_EQ(0, ioas_map_file(self->iommufd, self->ioas, MAP_RW, self->fd,
				   0, FILE_LENGTH, &iova));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(-EBADF, ioas_map_file(self->iommufd, self->ioas, MAP_RW,
					self->fd, 0, FILE_LENGTH, &iova));
	self->fd = -1;
}

TEST_HARNESS_MAIN
