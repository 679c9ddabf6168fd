// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that a device on an IOAS may reach, of every kind, and what it must not
 * reach. The device is QEMU's "edu", bound to vfio-pci.
 *
 * Every fixture compares the pins of the whole system before and after the
 * test, whose process has ended by then.
 */
#include <signal.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "device_fixture.h"
#include "test_support.h"

/* -- every kind of memory -- */

FIXTURE(dma)
{
	struct edu_rig rig;
	struct memory_rig mem;
};

FIXTURE_VARIANT(dma)
{
	enum page_kind kind;
	size_t length;
	bool late;		/* the map is older than the attachment */
};

FIXTURE_VARIANT_ADD(dma, small_pages)
{
	.kind = PAGES_SMALL,
	.length = MIB,
};

FIXTURE_VARIANT_ADD(dma, small_pages_mapped_before_attach)
{
	.kind = PAGES_SMALL,
	.length = MIB,
	.late = true,
};

FIXTURE_VARIANT_ADD(dma, scattered_pages)
{
	.kind = PAGES_SMALL_RANDOM,
	.length = 5 * MIB,
};

FIXTURE_VARIANT_ADD(dma, scattered_pages_mapped_before_attach)
{
	.kind = PAGES_SMALL_RANDOM,
	.length = 5 * MIB,
	.late = true,
};

FIXTURE_VARIANT_ADD(dma, transparent_huge_pages)
{
	.kind = PAGES_THP,
	.length = 2 * HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(dma, transparent_huge_pages_mapped_before_attach)
{
	.kind = PAGES_THP,
	.length = 2 * HUGE_PAGE,
	.late = true,
};

FIXTURE_VARIANT_ADD(dma, hugetlb_pages)
{
	.kind = PAGES_HUGETLB,
	.length = 2 * HUGE_PAGE,
};

FIXTURE_VARIANT_ADD(dma, hugetlb_pages_mapped_before_attach)
{
	.kind = PAGES_HUGETLB,
	.length = 2 * HUGE_PAGE,
	.late = true,
};

FIXTURE_SETUP(dma)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, variant->kind, variant->length));
	pattern_fill(pattern, sizeof(pattern), 1);
}

FIXTURE_TEARDOWN_PARENT(dma)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

/* Maps [@offset, end) of the memory so that it is seen from @iova on. */
static int map_and_attach(struct edu_rig *rig, struct memory_rig *mem,
			  size_t offset, __u64 iova, bool late)
{
	return (late ? 0 : edu_rig_attach(rig)) ?:
	       ioas_map_at(rig->iommufd, rig->ioas, mem->va + offset,
			   mem->length - offset, iova) ?:
	       (late ? edu_rig_attach(rig) : 0);
}

/* Has the device copy from each place in the map to the next one. */
static int copy_along(struct edu_rig *rig, char *va, __u64 iova,
		      const size_t *places, size_t count)
{
	const size_t length = 1001;
	size_t i;
	int rc;

	for (i = 1; i < count; i++) {
		char *from = va + places[i - 1], *to = va + places[i];

		memset(to, 0, length);
		pattern_fill(from, length, i);
		rc = edu_dma_to_device(&rig->edu, iova + places[i - 1], 0,
				       length);
		if (!rc)
			rc = edu_dma_from_device(&rig->edu, 0,
						 iova + places[i], length);
		if (rc)
			return rc;
		if (!pattern_matches(to, length, i))
			return -EIO;
	}
	return 0;
}

TEST_F(dma, reaches_the_same_bytes_as_the_process)
{
	const size_t end = self->mem.length;
	const size_t places[] = { 0, SMALL_PAGE - 3, end / 2 - 77, end - 1001 };

	ASSERT_EQ(0, map_and_attach(&self->rig, &self->mem, 0, IOVA,
				    variant->late));
	EXPECT_EQ(0, copy_along(&self->rig, self->mem.va, IOVA, places,
				ARRAY_SIZE(places)));
}

/* The map begins in a huge page, at an IOVA with other low bits. */
TEST_F(dma, reaches_the_same_bytes_when_pages_and_iovas_are_out_of_step)
{
	const size_t offset = 5 * SMALL_PAGE, iova = IOVA + 3 * SMALL_PAGE;
	const size_t end = self->mem.length - offset;
	const size_t places[] = { 0, end / 2 - 77, end - 1001 };

	ASSERT_EQ(0, map_and_attach(&self->rig, &self->mem, offset, iova,
				    variant->late));
	EXPECT_EQ(0, copy_along(&self->rig, self->mem.va + offset, iova,
				places, ARRAY_SIZE(places)));
}

TEST_F(dma, stops_when_the_map_goes)
{
	char *last = self->mem.va + self->mem.length - SMALL_PAGE;
	__u64 iova = IOVA + self->mem.length - SMALL_PAGE;
	__u64 unmapped;

	pattern_fill(last, SMALL_PAGE, 2);
	ASSERT_EQ(0, map_and_attach(&self->rig, &self->mem, 0, IOVA,
				    variant->late));
	ASSERT_EQ(REACHED, device_read(&self->rig, iova, last, SMALL_PAGE));
	ASSERT_EQ(0, ioas_unmap(self->rig.iommufd, self->rig.ioas, IOVA,
				self->mem.length, &unmapped));
	EXPECT_EQ(self->mem.length, unmapped);
	EXPECT_EQ(BLOCKED, device_read(&self->rig, iova, last, SMALL_PAGE));
	EXPECT_EQ(0, device_writes(&self->rig, iova, pattern, SMALL_PAGE));
	EXPECT_TRUE(pattern_matches(last, SMALL_PAGE, 2));
}

TEST_F(dma, pins_every_page_once)
{
	long scratch = SMALL_PAGE;

	ASSERT_EQ(0, map_and_attach(&self->rig, &self->mem, 0, IOVA,
				    variant->late));
	EXPECT_EQ(self->mem.length + scratch, vm_pinned());
	EXPECT_LT(self->rig.pins, pins_held());
	ASSERT_EQ(0, ioas_unmap(self->rig.iommufd, self->rig.ioas, IOVA,
				self->mem.length, NULL));
	EXPECT_EQ(scratch, vm_pinned());
	ASSERT_EQ(0, ioas_unmap_all(self->rig.iommufd, self->rig.ioas, NULL));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

TEST_F(dma, works_without_large_entries)
{
	char *middle = self->mem.va + self->mem.length / 2 - 100;
	/* Tables of small entries, of which the first map may have some more */
	const long tables = self->mem.length / HUGE_PAGE * SMALL_PAGE;
	long before;

	ASSERT_EQ(0, iommufd_option_set(self->rig.iommufd,
					IOMMU_OPTION_HUGE_PAGES,
					self->rig.ioas, 0));
	ASSERT_EQ(0, map_and_attach(&self->rig, &self->mem, 0, IOVA,
				    variant->late));
	pattern_fill(middle, 200, 3);
	EXPECT_EQ(REACHED, device_read(&self->rig,
				       IOVA + self->mem.length / 2 - 100,
				       middle, 200));
	before = iommu_table_bytes();
	ASSERT_EQ(0, ioas_map_at(self->rig.iommufd, self->rig.ioas,
				 self->mem.va, self->mem.length, 2 * IOVA));
	EXPECT_LE(tables, iommu_table_bytes() - before);
	EXPECT_EQ(0, ioas_unmap(self->rig.iommufd, self->rig.ioas, IOVA,
				self->mem.length, NULL));
}

/* -- memory that is not as it should be -- */

TEST_F(device, gets_no_memory_that_is_not_there)
{
	char *gone = anonymous(SMALL_PAGE);

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, munmap(gone, SMALL_PAGE));
	EXPECT_EQ(-EFAULT, MAP(gone, SMALL_PAGE, IOVA));
	EXPECT_EQ(-EFAULT, MAP(NULL, SMALL_PAGE, IOVA));
	EXPECT_EQ(-EFAULT, MAP((void *)(-2 * SMALL_PAGE), SMALL_PAGE, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-ENOENT, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
}

TEST_F(device, gets_no_write_access_that_the_process_lacks)
{
	char *page = anonymous(SMALL_PAGE);
	char *none = anonymous(SMALL_PAGE);
	__u64 iova = IOVA;

	memcpy(page, pattern, SMALL_PAGE);
	ASSERT_EQ(0, mprotect(page, SMALL_PAGE, PROT_READ));
	ASSERT_EQ(0, mprotect(none, SMALL_PAGE, PROT_NONE));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(-EFAULT, MAP(page, SMALL_PAGE, IOVA));
	EXPECT_EQ(-EFAULT, MAP(none, SMALL_PAGE, IOVA));
	EXPECT_EQ(-EFAULT, ioas_map_flags(FD, IOAS, MAP_AT | MAP_RO, none,
					  SMALL_PAGE, &iova));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_AT | MAP_RO, page,
				    SMALL_PAGE, &iova));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

TEST_F(device, gets_no_write_access_to_one_page_among_others)
{
	char *pages = anonymous(4 * SMALL_PAGE);

	ASSERT_EQ(0, mprotect(pages + 2 * SMALL_PAGE, SMALL_PAGE, PROT_READ));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-EFAULT, MAP(pages, 4 * SMALL_PAGE, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-ENOENT, UNMAP(IOVA, 4 * SMALL_PAGE));
	EXPECT_EQ(0, MAP(pages, 2 * SMALL_PAGE, IOVA));
}

/* It comes when what the other process has mapped is not pinned yet. */
TEST_F(device, gets_no_write_access_that_another_process_lacks)
{
	char *pages = anonymous(4 * SMALL_PAGE);
	int end, status;
	char done = 1;
	pid_t pid;

	pid = fork_with_pipe(&end);
	if (!pid) {
		done = mprotect(pages, 4 * SMALL_PAGE, PROT_READ) ||
		       MAP(pages, 4 * SMALL_PAGE, IOVA);
		if (write(end, &done, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_LT(0, pid);
	EXPECT_EQ(1, read(end, &done, 1));
	EXPECT_EQ(0, done);
	EXPECT_EQ(-EFAULT, ATTACH());
	EXPECT_EQ(0, UNMAP(IOVA, 4 * SMALL_PAGE));
	EXPECT_EQ(0, ATTACH());
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
}

TEST_F(device, never_writes_where_it_may_only_read)
{
	unsigned char zeroes[SMALL_PAGE] = {};
	__u64 iova = IOVA;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_AT | MAP_RO, PAGE,
				    SMALL_PAGE, &iova));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA, zeroes, SMALL_PAGE));
	EXPECT_TRUE(pattern_matches(PAGE, SMALL_PAGE, 1));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

TEST_F(device, writes_where_it_may_only_write)
{
	__u64 iova = IOVA;

	memset(PAGE, 0, SMALL_PAGE);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS,
				    MAP_AT | IOMMU_IOAS_MAP_WRITEABLE,
				    PAGE, SMALL_PAGE, &iova));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_TRUE(pattern_matches(PAGE, SMALL_PAGE, 1));
}

TEST_F(device, reads_what_the_process_writes_later)
{
	char *page = anonymous(SMALL_PAGE);
	__u64 iova = IOVA;

	/* nothing has touched the page: it must not be the page of zeroes */
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_AT | MAP_RO, page,
				    SMALL_PAGE, &iova));
	memcpy(page, pattern, SMALL_PAGE);
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

/* The memory was shared with a child: reading is not to see its copy. */
TEST_F(device, reads_what_the_process_writes_after_sharing_with_a_child)
{
	__u64 iova = IOVA;
	int hold[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, pipe(hold));
	pid = fork();
	if (!pid) {
		close(hold[1]);
		_exit(read(hold[0], &byte, 1));
	}
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_AT | MAP_RO, PAGE,
				    SMALL_PAGE, &iova));
	pattern_fill(PAGE, SMALL_PAGE, 9);
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, PAGE, SMALL_PAGE));
	close(hold[1]);
	ASSERT_EQ(0, child_status(pid));
}

TEST_F(device, and_process_share_pages_that_a_fork_came_across)
{
	pid_t pid;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	pid = fork();
	if (!pid) {
		memset(PAGE, 0, SMALL_PAGE);
		_exit(0);
	}
	pattern_fill(PAGE, SMALL_PAGE, 7);
	ASSERT_EQ(0, child_status(pid));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, PAGE, SMALL_PAGE));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_TRUE(pattern_matches(PAGE, SMALL_PAGE, 1));
}

TEST_F(device, keeps_memory_that_the_process_has_given_up)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, munmap(PAGE, SMALL_PAGE));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

TEST_F(device, cannot_come_when_mapped_memory_has_vanished)
{
	char *gone = anonymous(SMALL_PAGE);

	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, MAP(gone, SMALL_PAGE, IOVA + MIB));
	ASSERT_EQ(0, munmap(gone, SMALL_PAGE));
	EXPECT_EQ(-EFAULT, ATTACH());
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(self->rig.pins, pins_held());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, UNMAP(IOVA + MIB, SMALL_PAGE));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

TEST_F(device, gets_nothing_of_memory_with_a_hole)
{
	const size_t length = 8 * MIB;
	char *va = address_room(length, HUGE_PAGE);
	size_t hole;
	int rc;

	memset(va, 5, length);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	for (hole = length - SMALL_PAGE; hole; hole = hole / 3 & -SMALL_PAGE) {
		ASSERT_EQ(0, munmap(va + hole, SMALL_PAGE));
		rc = MAP(va, length, IOVA);
		EXPECT_EQ(-EFAULT, rc)
			TH_LOG("hole at %#zx", hole);
		EXPECT_EQ(SMALL_PAGE, vm_pinned());
	}
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA, va, SMALL_PAGE / 2));
	EXPECT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

/* Small pages, a huge page, small pages, a read-only VMA: one map. */
TEST_F(device, reads_across_pages_of_different_sizes)
{
	const size_t length = 3 * HUGE_PAGE;
	char *va = address_room(length, HUGE_PAGE);
	const size_t borders[] = { HUGE_PAGE, 2 * HUGE_PAGE,
				   length - 8 * SMALL_PAGE, length - 500 };
	__u64 iova = IOVA;
	size_t i;

	ASSERT_EQ(0, madvise(va, length, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, madvise(va + HUGE_PAGE, HUGE_PAGE, MADV_HUGEPAGE));
	pattern_fill(va, length, 4);
	ASSERT_EQ(0, mprotect(va + length - 8 * SMALL_PAGE, 8 * SMALL_PAGE,
			      PROT_READ));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(-EFAULT, MAP(va, length, IOVA));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_AT | MAP_RO, va, length,
				    &iova));
	for (i = 0; i < ARRAY_SIZE(borders); i++)
		EXPECT_EQ(REACHED, device_read(&self->rig,
					       IOVA + borders[i] - 500,
					       va + borders[i] - 500, 1000));
}

TEST_F(device, shares_the_pages_of_a_file_in_memory)
{
	unsigned char bytes[SMALL_PAGE];
	int file = memfd_alloc(SMALL_PAGE, false);
	char *va;

	ASSERT_LE(0, file);
	va = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file,
		  0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP(va, SMALL_PAGE, IOVA));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(SMALL_PAGE, pread(file, bytes, SMALL_PAGE, 0));
	EXPECT_EQ(0, memcmp(bytes, pattern, SMALL_PAGE));
}

/* What a child maps is the child's memory, and stays when the child ends. */
TEST_F(device, reads_memory_of_a_process_that_has_ended)
{
	pid_t pid;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	pid = fork();
	if (!pid) {
		pattern_fill(PAGE, SMALL_PAGE, 8);
		_exit(-MAP(PAGE, SMALL_PAGE, IOVA));
	}
	ASSERT_EQ(0, child_status(pid));
	EXPECT_TRUE(pattern_matches(PAGE, SMALL_PAGE, 1));
	pattern_fill(pattern, SMALL_PAGE, 8);
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
}

TEST_F(device, cannot_come_for_memory_of_a_process_that_has_ended)
{
	ASSERT_EQ(0, IN_CHILD(-MAP(PAGE, SMALL_PAGE, IOVA)));
	EXPECT_EQ(-EFAULT, ATTACH());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_EQ(0, ATTACH());
}

TEST_HARNESS_MAIN
