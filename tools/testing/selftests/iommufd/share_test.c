// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is mapped in more than one place by IOMMU_IOAS_COPY: what the
 * devices see of it, and that it is pinned once.
 */

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "test_support.h"
#include "vfio_igb.h"

#define FROM (16 * MIB)
#define TO (64 * MIB)

/* -- every kind of memory, seen by a device through a copy -- */

FIXTURE(copy)
{
	struct edu_rig rig;		/* the device is on the copy's IOAS */
	__u32 source;
	struct memory_rig mem;
};

FIXTURE_VARIANT(copy)
{
	enum page_kind kind;
	size_t length;
	bool file;
	bool late;		/* the copy is older than the attachment */
};

FIXTURE_VARIANT_ADD(copy, of_small_pages)
{
	.kind = PAGES_SMALL,
	.length = MIB,
};

FIXTURE_VARIANT_ADD(copy, of_scattered_pages)
{
	.kind = PAGES_SMALL_RANDOM,
	.length = 3 * MIB,
};

FIXTURE_VARIANT_ADD(copy, of_scattered_pages_before_attach)
{
	.kind = PAGES_SMALL_RANDOM,
	.length = 3 * MIB,
	.late = true,
};

FIXTURE_VARIANT_ADD(copy, of_transparent_huge_pages)
{
	.kind = PAGES_THP,
	.length = 2 * HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(copy, of_transparent_huge_pages_before_attach)
{
	.kind = PAGES_THP,
	.length = 2 * HUGE_PAGE,
	.late = true,
};

FIXTURE_VARIANT_ADD(copy, of_hugetlb_pages)
{
	.kind = PAGES_HUGETLB,
	.length = 2 * HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(copy, of_a_file)
{
	.kind = PAGES_SMALL_RANDOM,
	.length = 3 * MIB,
	.file = true,
};

FIXTURE_VARIANT_ADD(copy, of_a_file_of_hugetlb_pages)
{
	.kind = PAGES_HUGETLB,
	.length = 2 * HUGE_PAGE,
	.file = true,
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define SOURCE (self->source)
#define VA (self->mem.va)

#define COPY(from, length, to) ioas_copy_at(FD, IOAS, SOURCE, from, length, to)

FIXTURE_SETUP(copy)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(variant->file ?
	     memory_rig_make_file(&self->mem, variant->kind, variant->length) :
	     memory_rig_make(&self->mem, variant->kind, variant->length));
	ASSERT_EQ(0, ioas_alloc(FD, &SOURCE));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, SOURCE, FROM));
	/* the map has the file, too */
	close(self->mem.file);
}

FIXTURE_TEARDOWN_PARENT(copy)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

static int copy_and_attach(struct edu_rig *rig, __u32 source, __u64 from,
			   __u64 length, bool late)
{
	return (late ? 0 : edu_rig_attach(rig)) ?:
	       ioas_copy_at(rig->iommufd, rig->ioas, source, from, length,
			    TO) ?:
	       (late ? edu_rig_attach(rig) : 0);
}

/* And not what is around these bytes? */
static bool device_sees_only(struct edu_rig *rig, __u64 iova, const char *bytes,
			     size_t length)
{
	return device_sees(rig, iova, bytes, length) &&
	       device_read(rig, iova - 8, bytes - 8, 8) == BLOCKED &&
	       device_read(rig, iova + length, bytes + length, 8) == BLOCKED;
}

TEST_F(copy, of_a_whole_map_shows_the_same_bytes)
{
	size_t length = self->mem.length;

	ASSERT_EQ(0, copy_and_attach(&self->rig, SOURCE, FROM, length,
				     variant->late));
	EXPECT_TRUE(device_sees(&self->rig, TO, VA, length));
	pattern_fill(self->rig.scratch, 100, 2);
	ASSERT_EQ(0, edu_dma_to_device(&self->rig.edu, SCRATCH_IOVA, 0, 100));
	ASSERT_EQ(0, edu_dma_from_device(&self->rig.edu, 0,
					 TO + length / 2 - 50, 100));
	EXPECT_TRUE(pattern_matches(VA + length / 2 - 50, 100, 2));
}

TEST_F(copy, of_a_part_shows_these_bytes_and_no_others)
{
	size_t offset = 3 * SMALL_PAGE;
	size_t length = self->mem.length - 8 * SMALL_PAGE;

	ASSERT_EQ(0, copy_and_attach(&self->rig, SOURCE, FROM + offset, length,
				     variant->late));
	EXPECT_TRUE(device_sees_only(&self->rig, TO, VA + offset, length));
	EXPECT_EQ(length + SMALL_PAGE, vm_pinned());
}

TEST_F(copy, stays_when_the_source_goes)
{
	size_t offset = 3 * SMALL_PAGE, length = 10 * SMALL_PAGE;

	ASSERT_EQ(0, copy_and_attach(&self->rig, SOURCE, FROM + offset, length,
				     variant->late));
	ASSERT_EQ(0, ioas_unmap_all(FD, SOURCE, NULL));
	ASSERT_EQ(0, iommufd_destroy(FD, SOURCE));
	EXPECT_TRUE(device_sees(&self->rig, TO, VA + offset, length));
	EXPECT_EQ(length + SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, TO, length, NULL));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_EQ(BLOCKED, device_read(&self->rig, TO, VA + offset, 8));
}

TEST_F(copy, in_the_same_ioas_pins_nothing_more)
{
	size_t offset = 3 * SMALL_PAGE, length = 10 * SMALL_PAGE;
	size_t whole = self->mem.length;
	long pins;

	ASSERT_EQ(0, copy_and_attach(&self->rig, SOURCE, FROM, whole,
				     variant->late));
	pins = pins_held();
	ASSERT_EQ(0, ioas_copy_at(FD, IOAS, IOAS, TO + offset, length, FROM));
	EXPECT_EQ(whole + SMALL_PAGE, vm_pinned());
	EXPECT_EQ(pins, pins_held());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, TO, whole, NULL));
	EXPECT_EQ(length + SMALL_PAGE, vm_pinned());
	EXPECT_TRUE(device_sees(&self->rig, FROM, VA + offset, length));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, FROM, length, NULL));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_F(copy, of_overlapping_parts_pins_each_page_once)
{
	const size_t page = SMALL_PAGE, scratch = SMALL_PAGE;

	ASSERT_EQ(0, copy_and_attach(&self->rig, SOURCE, FROM, 4 * page,
				     variant->late));
	ASSERT_EQ(0, COPY(FROM + 2 * page, 4 * page, TO + MIB));
	EXPECT_EQ(6 * page + scratch, vm_pinned());
	ASSERT_EQ(0, COPY(FROM + page, 2 * page, TO + 2 * MIB));
	EXPECT_EQ(6 * page + scratch, vm_pinned());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, TO, 4 * page, NULL));
	EXPECT_EQ(5 * page + scratch, vm_pinned());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, TO + MIB, 4 * page, NULL));
	EXPECT_EQ(2 * page + scratch, vm_pinned());
	EXPECT_TRUE(device_sees(&self->rig, TO + 2 * MIB, VA + page, 2 * page));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, TO + 2 * MIB, 2 * page, NULL));
	EXPECT_EQ(scratch, vm_pinned());
}

/* -- small pages; the device is attached and its page is mapped -- */

#define MEM_LENGTH (8 * SMALL_PAGE)

FIXTURE(share)
{
	struct edu_rig rig;
	__u32 source;
	struct memory_rig mem;
};

FIXTURE_SETUP(share)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(edu_rig_attach(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, MEM_LENGTH));
	ASSERT_EQ(0, ioas_alloc(FD, &SOURCE));
}

FIXTURE_TEARDOWN_PARENT(share)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

/* The pages of the memory, in this order, next to each other from FROM on. */
static int map_pages(int iommufd, __u32 ioas, char *va, const int *pages,
		     int count)
{
	int i, rc = 0;

	for (i = 0; i < count && !rc; i++)
		rc = ioas_map_at(iommufd, ioas, va + pages[i] * SMALL_PAGE,
				 SMALL_PAGE, FROM + i * SMALL_PAGE);
	return rc;
}

TEST_F(share, several_maps_by_one_copy)
{
	const int pages[] = { 3, 0, 6, 5 };
	__u64 unmapped;
	int i;

	ASSERT_EQ(0, map_pages(FD, SOURCE, VA, pages, 4));
	ASSERT_EQ(0, COPY(FROM, 4 * SMALL_PAGE, TO));
	EXPECT_EQ(5 * SMALL_PAGE, vm_pinned());
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(REACHED, device_read(&self->rig, TO + i * SMALL_PAGE,
					       VA + pages[i] * SMALL_PAGE,
					       SMALL_PAGE));
	}
	EXPECT_EQ(0, ioas_unmap_all(FD, SOURCE, NULL));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, TO, 4 * SMALL_PAGE, &unmapped));
	EXPECT_EQ(4 * SMALL_PAGE, unmapped);
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_F(share, from_inside_one_map_to_inside_another)
{
	const size_t page = SMALL_PAGE;
	__u64 unmapped;

	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA + 4 * page, 3 * page,
				 FROM));
	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA + 7 * page, page,
				 FROM + 3 * page));
	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, 3 * page,
				 FROM + 4 * page));
	ASSERT_EQ(0, COPY(FROM + 2 * page, 3 * page, TO));
	EXPECT_EQ(3 * page + SMALL_PAGE, vm_pinned());
	EXPECT_EQ(REACHED, device_read(&self->rig, TO, VA + 6 * page, page));
	EXPECT_EQ(REACHED, device_read(&self->rig, TO + page, VA + 7 * page,
				       page));
	EXPECT_EQ(REACHED, device_read(&self->rig, TO + 2 * page, VA, page));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, TO - 8, VA + 6 * page - 8,
				       8));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, TO + 3 * page, VA + page,
				       8));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, TO, 3 * page, &unmapped));
	EXPECT_EQ(3 * page, unmapped);
}

TEST_F(share, a_thousand_maps_by_one_copy)
{
	const size_t count = 1000;
	__u64 unmapped;
	size_t i;
	int rc;

	for (i = 0; i < count; i++) {
		rc = ioas_map_at(FD, SOURCE, VA +
				 i % 8 * SMALL_PAGE, SMALL_PAGE,
				 FROM + i * SMALL_PAGE);
		ASSERT_EQ(0, rc);
	}
	ASSERT_EQ(0, COPY(FROM, count * SMALL_PAGE, TO));
	EXPECT_EQ((8 + 1) * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(REACHED, device_read(&self->rig, TO + 8 * SMALL_PAGE - 500,
				       VA + 8 * SMALL_PAGE - 500, 500));
	EXPECT_EQ(REACHED, device_read(&self->rig,
				       TO + (count - 1) * SMALL_PAGE,
				       VA + 7 * SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap_all(FD, SOURCE, NULL));
	EXPECT_EQ((8 + 1) * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, TO, count * SMALL_PAGE, &unmapped));
	EXPECT_EQ(count * SMALL_PAGE, unmapped);
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_F(share, a_copy_of_a_copy)
{
	__u32 third;
	__u64 to = TO;

	ASSERT_EQ(0, ioas_alloc(FD, &third));
	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, MEM_LENGTH, FROM));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, third, SOURCE,
			       FROM + SMALL_PAGE, 6 * SMALL_PAGE, &to));
	ASSERT_EQ(0, iommufd_destroy(FD, SOURCE));
	ASSERT_EQ(0, ioas_copy_at(FD, IOAS, third, TO + SMALL_PAGE,
				  4 * SMALL_PAGE, TO));
	ASSERT_EQ(0, iommufd_destroy(FD, third));
	EXPECT_TRUE(device_sees(&self->rig, TO, VA + 2 * SMALL_PAGE,
				4 * SMALL_PAGE));
	EXPECT_EQ(5 * SMALL_PAGE, vm_pinned());
}

TEST_F(share, with_an_iova_that_the_kernel_chooses)
{
	__u64 iova = 0;

	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, MEM_LENGTH, FROM));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW, IOAS, SOURCE, FROM + SMALL_PAGE,
			       SMALL_PAGE, &iova));
	EXPECT_NE(0, iova);
	EXPECT_TRUE(device_sees(&self->rig, iova, VA + SMALL_PAGE, SMALL_PAGE));
}

TEST_F(share, less_access_than_the_source_has)
{
	char zeroes[64] = {};
	__u64 to = TO;

	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, SMALL_PAGE, FROM));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RO | MAP_AT, IOAS, SOURCE, FROM,
			       SMALL_PAGE, &to));
	EXPECT_EQ(REACHED, device_read(&self->rig, TO, VA, SMALL_PAGE));
	EXPECT_EQ(0, device_writes(&self->rig, TO, zeroes, sizeof(zeroes)));
	EXPECT_TRUE(pattern_matches(VA, SMALL_PAGE, 1));
	ASSERT_EQ(0, COPY(FROM, SMALL_PAGE, TO + MIB));
	EXPECT_EQ(0, device_writes(&self->rig, TO + MIB, zeroes,
				   sizeof(zeroes)));
	EXPECT_TRUE(memory_is(VA, 0, sizeof(zeroes)));
	EXPECT_EQ(2 * SMALL_PAGE, vm_pinned());
}

TEST_F(share, never_more_access_than_the_source_has)
{
	const __u32 write = IOMMU_IOAS_MAP_WRITEABLE;
	__u64 from = FROM, to = TO;

	ASSERT_EQ(0, ioas_map_flags(FD, SOURCE, MAP_RO | MAP_AT, VA,
				    SMALL_PAGE, &from));
	EXPECT_EQ(-EPERM, COPY(FROM, SMALL_PAGE, TO));
	EXPECT_EQ(-EPERM, ioas_copy(FD, write | MAP_AT, IOAS, SOURCE, FROM,
				    SMALL_PAGE, &to));
	EXPECT_EQ(-EPERM, ioas_copy(FD, MAP_RW, IOAS, SOURCE, FROM, SMALL_PAGE,
				    &to));
	to = TO;
	ASSERT_EQ(0, ioas_copy(FD, MAP_RO | MAP_AT, IOAS, SOURCE, FROM,
			       SMALL_PAGE, &to));
	EXPECT_EQ(-EPERM,
		  ioas_copy_at(FD, IOAS, IOAS, TO, SMALL_PAGE, TO + MIB));
	EXPECT_EQ(REACHED, device_read(&self->rig, TO, VA, SMALL_PAGE));
}

/* What comes before the map that refuses is not copied either. */
TEST_F(share, all_maps_of_the_range_or_none)
{
	__u64 from = FROM + SMALL_PAGE;

	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, SMALL_PAGE, FROM));
	ASSERT_EQ(0, ioas_map_flags(FD, SOURCE, MAP_RO | MAP_AT, VA,
				    SMALL_PAGE, &from));
	EXPECT_EQ(-EPERM, COPY(FROM, 2 * SMALL_PAGE, TO));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_EQ(-ENOENT, ioas_unmap(FD, IOAS, TO, 2 * SMALL_PAGE, NULL));
}

TEST_F(share, nothing_of_a_range_with_a_hole)
{
	const size_t page = SMALL_PAGE;
	const struct {
		__u64 from, length;
	} ranges[] = {
		{ FROM - page, page },
		{ FROM - page, 2 * page },
		{ FROM - 1, page },
		{ FROM + page, 2 * page },
		{ FROM + page, 3 * page },
		{ FROM + 2 * page, page },
		{ FROM + 3 * page, 3 * page },
		{ FROM + 5 * page, page },
		{ 0, 1ULL << 40 },
	};
	size_t i;
	int rc;

	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, 2 * page, FROM));
	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, 2 * page,
				 FROM + 3 * page));
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		rc = COPY(ranges[i].from, ranges[i].length, TO);
		EXPECT_EQ(-ENOENT, rc)
			TH_LOG("range %zu", i);
	}
	EXPECT_EQ(page, vm_pinned());
	EXPECT_EQ(-ENOENT, ioas_unmap(FD, IOAS, TO, 8 * page, NULL));
}

TEST_F(share, nothing_where_the_iova_will_not_do)
{
	struct reserved_region msi;
	const size_t page = SMALL_PAGE;

	ASSERT_EQ(0, msi_window(self->rig.edu.bdf, &msi));
	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, 4 * page, FROM));
	ASSERT_EQ(0, COPY(FROM, 2 * page, TO));
	EXPECT_EQ(-EEXIST, COPY(FROM, 2 * page, TO));
	EXPECT_EQ(-EEXIST, COPY(FROM, 2 * page, TO + page));
	EXPECT_EQ(-EEXIST, COPY(FROM, 4 * page, TO - page));
	EXPECT_EQ(-EEXIST, ioas_copy_at(FD, SOURCE, SOURCE, FROM, 2 * page,
					FROM + page));
	EXPECT_EQ(-EINVAL, COPY(FROM, page, msi.start));
	EXPECT_EQ(-EINVAL, COPY(FROM, 2 * page, msi.start - page));
	EXPECT_EQ(-EINVAL, COPY(FROM, page, TO + MIB + 1));
	EXPECT_EQ(-EINVAL, COPY(FROM, page - 1, TO + MIB));
	EXPECT_EQ(-EINVAL, COPY(FROM + 1, page, TO + MIB));
	EXPECT_EQ(-EOVERFLOW, COPY(FROM, 2 * page, UINT64_MAX - page + 1));
	EXPECT_EQ(3 * page, vm_pinned());
	EXPECT_EQ(0, COPY(FROM, page, TO + MIB));
	EXPECT_TRUE(device_sees(&self->rig, TO, VA, 2 * page));
}

TEST_F(share, any_byte_where_there_is_no_device)
{
	__u32 to;

	ASSERT_EQ(0, ioas_alloc(FD, &to));
	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA + 7, 100, FROM + 1));
	EXPECT_EQ(0, ioas_copy_at(FD, to, SOURCE, FROM + 3, 11, TO + 5));
	EXPECT_EQ(-ENOENT,
		  ioas_copy_at(FD, to, SOURCE, FROM + 3, 99, TO + MIB));
	EXPECT_EQ(-ENOENT, ioas_copy_at(FD, to, SOURCE, FROM, 11, TO + MIB));
	EXPECT_EQ(0, ioas_unmap(FD, to, TO + 5, 11, NULL));
}

/* Memory of a process that has ended, where it is not pinned. */
TEST_F(share, nothing_that_cannot_be_pinned_any_more)
{
	ASSERT_EQ(0, IN_CHILD(-ioas_map_at(FD, SOURCE, VA, MEM_LENGTH, FROM)));
	EXPECT_EQ(-EFAULT, COPY(FROM, MEM_LENGTH, TO));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_EQ(-ENOENT, ioas_unmap(FD, IOAS, TO, MEM_LENGTH, NULL));
}

/* Several maps, the last of which cannot be pinned. */
TEST_F(share, all_pins_or_none)
{
	char *gone = address_room(SMALL_PAGE, SMALL_PAGE);

	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, 2 * SMALL_PAGE,
				 FROM));
	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, gone, SMALL_PAGE,
				 FROM + 2 * SMALL_PAGE));
	ASSERT_EQ(0, munmap(gone, SMALL_PAGE));
	EXPECT_EQ(-EFAULT, COPY(FROM, 3 * SMALL_PAGE, TO));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_EQ(BLOCKED, device_read(&self->rig, TO, VA, SMALL_PAGE));
	EXPECT_EQ(0, COPY(FROM, 2 * SMALL_PAGE, TO));
	EXPECT_TRUE(device_sees(&self->rig, TO, VA, 2 * SMALL_PAGE));
}

TEST_F(share, what_is_charged_already)
{
	const size_t limit = MEM_LENGTH + SMALL_PAGE;
	const char *more = address_room(SMALL_PAGE, SMALL_PAGE);

	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, limit_memlock(limit));
	ASSERT_EQ(0, become_user(20000 + getpid()));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->rig.scratch, SMALL_PAGE,
				 SCRATCH_IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, MEM_LENGTH, FROM));
	ASSERT_EQ(0, COPY(FROM, MEM_LENGTH, TO));
	EXPECT_EQ(0, COPY(FROM, MEM_LENGTH, TO + MIB));
	EXPECT_EQ(0,
		  ioas_copy_at(FD, IOAS, IOAS, TO, MEM_LENGTH, TO + 2 * MIB));
	EXPECT_EQ(-ENOMEM, ioas_map_at(FD, IOAS, more, SMALL_PAGE,
				       TO + 3 * MIB));
	EXPECT_EQ(limit, vm_pinned());
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, TO, MEM_LENGTH, NULL));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, TO + MIB, MEM_LENGTH, NULL));
	EXPECT_EQ(-ENOMEM, ioas_map_at(FD, IOAS, more, SMALL_PAGE,
				       TO + 3 * MIB));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, TO + 2 * MIB, MEM_LENGTH, NULL));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, MEM_LENGTH,
				 TO + 3 * MIB));
}

/* -- a device at either end -- */

TEST_F(share, between_two_devices)
{
	struct vfio_dev other;

	MAKE(igb_rig_make(&other, FD));
	ASSERT_EQ(0, vfio_attach(&other, SOURCE));
	ASSERT_EQ(0, ioas_map_at(FD, SOURCE, VA, MEM_LENGTH, FROM));
	EXPECT_EQ(MEM_LENGTH + SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, COPY(FROM, MEM_LENGTH, TO));
	EXPECT_EQ(MEM_LENGTH + SMALL_PAGE, vm_pinned());
	EXPECT_TRUE(device_sees(&self->rig, TO, VA, MEM_LENGTH));

	/* each end can leave first */
	ASSERT_EQ(0, vfio_detach(&other));
	EXPECT_EQ(MEM_LENGTH + SMALL_PAGE, vm_pinned());
	EXPECT_TRUE(device_sees(&self->rig, TO, VA, MEM_LENGTH));
	ASSERT_EQ(0, vfio_attach(&other, SOURCE));
	ASSERT_EQ(0, vfio_detach(&self->rig.edu));
	EXPECT_EQ(MEM_LENGTH, vm_pinned());
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, IOAS));
	EXPECT_TRUE(device_sees(&self->rig, TO, VA, MEM_LENGTH));
	ASSERT_EQ(0, ioas_unmap_all(FD, SOURCE, NULL));
	EXPECT_EQ(MEM_LENGTH + SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
}

/* -- arguments; no device is needed -- */

FIXTURE(arguments)
{
	int iommufd;
	__u32 ioas;
	char *va;
};

FIXTURE_SETUP(arguments)
{
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	self->va = address_room(SMALL_PAGE, SMALL_PAGE);
	ASSERT_EQ(0, ioas_map_at(self->iommufd, self->ioas, self->va,
				 SMALL_PAGE, FROM));
}

FIXTURE_TEARDOWN(arguments)
{
	close(self->iommufd);
}

/* In the order in which they are checked. */
TEST_F(arguments, are_refused_one_by_one)
{
	const struct iommu_ioas_copy good = {
		.size = sizeof(good),
		.flags = MAP_RW | MAP_AT,
		.dst_ioas_id = self->ioas,
		.src_ioas_id = self->ioas,
		.length = SMALL_PAGE,
		.dst_iova = TO,
		.src_iova = FROM,
	};
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = 8,
		.dst_ioas_id = NO_SUCH_ID,
		.src_ioas_id = NO_SUCH_ID,
		.length = UINT64_MAX,
		.dst_iova = FROM,
		.src_iova = FROM,
	};
	const int iommufd = self->iommufd;

	EXPECT_EQ(-EOPNOTSUPP, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd.flags = 1U << 31 | MAP_RW;
	EXPECT_EQ(-EOPNOTSUPP, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd.flags = MAP_AT;
	EXPECT_EQ(-EOVERFLOW, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd.length = 0;
	EXPECT_EQ(-EINVAL, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd.flags = MAP_AT | MAP_RW;
	EXPECT_EQ(-ENOENT, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd.src_ioas_id = self->ioas;
	EXPECT_EQ(-EINVAL, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd.src_iova = UINT64_MAX - 1;
	cmd.length = 3;
	EXPECT_EQ(-EOVERFLOW, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd.length = 1;
	EXPECT_EQ(-ENOENT, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd.src_iova = FROM;
	EXPECT_EQ(-ENOENT, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd.dst_ioas_id = self->ioas;
	EXPECT_EQ(-EEXIST, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));

	cmd = good;
	cmd.length = UINT64_MAX;
	EXPECT_EQ(-EOVERFLOW, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	/* Of one byte there is no end that would be too high. */
	cmd = good;
	cmd.length = 1;
	cmd.src_iova = UINT64_MAX;
	EXPECT_EQ(-EOVERFLOW, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd = good;
	cmd.length = 1;
	cmd.dst_iova = UINT64_MAX;
	EXPECT_EQ(-EOVERFLOW, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	cmd = good;
	EXPECT_EQ(0, checked_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
	EXPECT_EQ(TO, cmd.dst_iova);
}

TEST_F(arguments, with_room_for_nothing_is_no_space)
{
	const struct iommu_iova_range range = { FROM, FROM + SMALL_PAGE - 1 };
	__u64 iova = 0;

	ASSERT_EQ(0, ioas_allow_iovas(self->iommufd, self->ioas, &range, 1));
	EXPECT_EQ(-ENOSPC, ioas_copy(self->iommufd, MAP_RW, self->ioas,
				     self->ioas, FROM, SMALL_PAGE, &iova));
}

/* The result cannot be told: the copy does not exist then. */
TEST_F(arguments, that_cannot_be_written_back_undo_the_copy)
{
	struct iommu_ioas_copy *cmd = (void *)self->va;

	*cmd = (struct iommu_ioas_copy){
		.size = sizeof(*cmd),
		.flags = MAP_RW | MAP_AT,
		.dst_ioas_id = self->ioas,
		.src_ioas_id = self->ioas,
		.length = SMALL_PAGE,
		.dst_iova = TO,
		.src_iova = FROM,
	};
	ASSERT_EQ(0, mprotect(self->va, SMALL_PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_COPY, cmd));
	EXPECT_EQ(-ENOENT, ioas_unmap(self->iommufd, self->ioas, TO,
				      SMALL_PAGE, NULL));
	EXPECT_EQ(0, ioas_unmap(self->iommufd, self->ioas, FROM, SMALL_PAGE,
				NULL));
}

TEST_HARNESS_MAIN
