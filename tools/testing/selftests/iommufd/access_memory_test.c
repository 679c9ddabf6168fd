// SPDX-License-Identifier: GPL-2.0-only
/*
 * What drivers that reach an IOAS by software pin, read and write, of memory of
 * every source, pinned by a page table or not, by way of the test device
 *
 *   SEED=n   other ranges that are read and written
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "access_fixture.h"
#include "test_support.h"

FIXTURE(memory)
{
	struct mock_rig rig;
	struct memory_rig mem;	/* LENGTH, mapped at IOVA */
	int access;
};

FIXTURE_VARIANT(memory)
{
	enum page_kind kind;
	bool file;
	bool device;		/* a page table has it pinned, too */
};

FIXTURE_VARIANT_ADD(memory, of_a_process)
{
	.kind = PAGES_SMALL_RANDOM,
};

FIXTURE_VARIANT_ADD(memory, of_a_process_with_a_device)
{
	.kind = PAGES_SMALL_RANDOM,
	.device = true,
};

FIXTURE_VARIANT_ADD(memory, of_huge_pages)
{
	.kind = PAGES_THP,
};

FIXTURE_VARIANT_ADD(memory, of_a_file)
{
	.kind = PAGES_SMALL_RANDOM,
	.file = true,
};

FIXTURE_VARIANT_ADD(memory, of_a_file_with_a_device)
{
	.kind = PAGES_SMALL_RANDOM,
	.file = true,
	.device = true,
};

FIXTURE_SETUP(memory)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(variant->file ?
	     memory_rig_make_file(&self->mem, variant->kind, LENGTH) :
	     memory_rig_make(&self->mem, variant->kind, LENGTH));
	if (variant->device)
		MAKE(mock_rig_plug(&self->rig, 0));
	ACCESS = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, ACCESS);
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	/* the map has the file, too */
	close(self->mem.file);
}

/* The memory goes, too: pages of files count for as long as they exist. */
FIXTURE_TEARDOWN(memory)
{
	close(ACCESS);
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

static long by_device(bool device, const struct memory_rig *mem)
{
	return device ? mem->length : 0;
}

TEST_F(memory, is_pinned_where_the_process_has_it)
{
	long before = by_device(variant->device, &self->mem);
	__u32 item;

	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, PIN_TO_WRITE,
				     IOVA + 3 * SMALL_PAGE, 5 * SMALL_PAGE,
				     VA + 3 * SMALL_PAGE, &item));
	EXPECT_EQ(variant->device ? before : 5 * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(-EBADE, mock_access_pin(FD, ACCESS, 0, IOVA, SMALL_PAGE,
					  VA + SMALL_PAGE, &item));
	EXPECT_EQ(0, mock_access_unpin(FD, ACCESS, item));
	EXPECT_EQ(before, vm_pinned());
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, ACCESS, item));
}

TEST_F(memory, is_pinned_once_for_all)
{
	long before = by_device(variant->device, &self->mem);
	__u32 items[3];

	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA, 6 * SMALL_PAGE,
				     VA, &items[0]));
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA + 4 * SMALL_PAGE,
				     4 * SMALL_PAGE,
				     VA + 4 * SMALL_PAGE,
				     &items[1]));
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA, 6 * SMALL_PAGE,
				     VA, &items[2]));
	EXPECT_EQ(variant->device ? before : 8 * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, mock_check_pins(FD, VA, 8 * SMALL_PAGE,
				     variant->kind == PAGES_THP ? 8 : 1));
	ASSERT_EQ(0, mock_access_unpin(FD, ACCESS, items[0]));
	EXPECT_EQ(variant->device ? before : 8 * SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, mock_access_unpin(FD, ACCESS, items[2]));
	EXPECT_EQ(variant->device ? before : 4 * SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, mock_access_unpin(FD, ACCESS, items[1]));
	EXPECT_EQ(before, vm_pinned());
	EXPECT_EQ(0, mock_check_pins(FD, VA, 8 * SMALL_PAGE, variant->device));
}

/* All bytes of random ranges, in both directions. */
static int copy_random_ranges(int iommufd, int access, struct memory_rig *mem,
			      __u32 how)
{
	unsigned char *bytes = malloc(LENGTH);
	__u32 state = seed_of_part(chosen_seed(1), how);
	int i, rc = bytes ? 0 : -ENOMEM;

	for (i = 0; i < 100 && !rc; i++) {
		size_t offset = random_next(&state) % LENGTH;
		size_t length = 1 + random_next(&state) % (LENGTH - offset);

		rc = mock_access_rw(iommufd, access, how, IOVA + offset, length,
				    bytes);
		if (!rc && memcmp(bytes, mem->va + offset, length))
			rc = -EIO;
		pattern_fill(bytes, length, i);
		if (!rc)
			rc = mock_access_rw(iommufd, access, how | WRITE,
					    IOVA + offset, length, bytes);
		if (!rc && !pattern_matches(mem->va + offset, length, i))
			rc = -EIO;
	}
	free(bytes);
	return rc;
}

TEST_F(memory, is_read_and_written)
{
	long before = by_device(variant->device, &self->mem);
	__u32 item;

	TH_LOG("SEED=%u", chosen_seed(1));
	EXPECT_EQ(0, copy_random_ranges(FD, ACCESS, &self->mem, 0));
	EXPECT_EQ(0, copy_random_ranges(FD, ACCESS, &self->mem, SLOWLY));
	EXPECT_EQ(before, vm_pinned());

	/* some of it is pinned */
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA + 5 * SMALL_PAGE,
				     7 * SMALL_PAGE, NULL, &item));
	EXPECT_EQ(0, copy_random_ranges(FD, ACCESS, &self->mem, 0));
	EXPECT_EQ(0, copy_random_ranges(FD, ACCESS, &self->mem, SLOWLY));
}

TEST_F(memory, is_read_and_written_by_small_steps)
{
	__u32 item;

	TH_LOG("SEED=%u", chosen_seed(1));
	ASSERT_EQ(0, mock_memory_limit(FD, MOCK_MEMORY_LIMIT_MIN));
	EXPECT_EQ(0, copy_random_ranges(FD, ACCESS, &self->mem, SLOWLY));
	EXPECT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA, LENGTH, VA,
				     &item));
	ASSERT_EQ(0, mock_memory_limit(FD, 0));
}

TEST_F(memory, is_let_go_when_it_is_unmapped)
{
	__u32 items[3], i;
	__u64 unmapped;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE,
				 IOVA + 16 * MIB));
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA, LENGTH, NULL,
				     &items[0]));
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA + SMALL_PAGE,
				     SMALL_PAGE, NULL, &items[1]));
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA + 16 * MIB,
				     SMALL_PAGE, NULL, &items[2]));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, self->mem.length, &unmapped));
	EXPECT_EQ(self->mem.length, unmapped);
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	for (i = 0; i < 2; i++) {
		int rc = mock_access_unpin(FD, ACCESS, items[i]);

		EXPECT_EQ(-ENOENT, rc);
	}
	EXPECT_EQ(-ENOENT, mock_access_pin(FD, ACCESS, 0, IOVA, SMALL_PAGE,
					   NULL, &items[0]));
	EXPECT_EQ(0, mock_access_unpin(FD, ACCESS, items[2]));
}

/* A hole, or an area that may not be written, anywhere in the range. */
TEST_F(memory, is_reached_only_where_all_of_it_is)
{
	const __u64 end = IOVA + self->mem.length;
	char bytes[2 * SMALL_PAGE] = {};
	__u64 iova = end;
	__u32 item;

	EXPECT_EQ(-ENOENT, mock_access_pin(FD, ACCESS, 0, end - SMALL_PAGE,
					   2 * SMALL_PAGE, NULL, &item));
	EXPECT_EQ(-ENOENT, mock_access_pin(FD, ACCESS, 0, IOVA - SMALL_PAGE,
					   2 * SMALL_PAGE, NULL, &item));
	EXPECT_EQ(-ENOENT, mock_access_rw(FD, ACCESS, WRITE, end - 1, 2,
					  bytes));
	EXPECT_EQ(-ENOENT, mock_access_rw(FD, ACCESS, 0, IOVA - 1, 2, bytes));
	ASSERT_EQ(0, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, VA,
				    SMALL_PAGE, &iova));
	EXPECT_EQ(-EPERM, mock_access_pin(FD, ACCESS, PIN_TO_WRITE,
					  end - SMALL_PAGE, 2 * SMALL_PAGE,
					  NULL, &item));
	EXPECT_EQ(-EPERM, mock_access_rw(FD, ACCESS, WRITE, end - 1, 2,
					 bytes));
	/* It is counted once, also if it is a file's in the other map. */
	EXPECT_EQ(by_device(variant->device, &self->mem), vm_pinned());
	EXPECT_EQ(0, mock_access_pin(FD, ACCESS, 0, end - SMALL_PAGE,
				     2 * SMALL_PAGE, NULL, &item));
	EXPECT_EQ(0, mock_access_rw(FD, ACCESS, 0, end - SMALL_PAGE,
				    2 * SMALL_PAGE, bytes));
	EXPECT_EQ(0, memcmp(bytes + SMALL_PAGE, VA, SMALL_PAGE));
}

TEST_F(memory, shared_by_a_copy_is_pinned_once)
{
	__u64 copy = IOVA + 16 * MIB;
	__u32 items[2];
	long before;

	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS,
			       IOVA + SMALL_PAGE, 4 * SMALL_PAGE, &copy));
	before = vm_pinned();
	EXPECT_EQ(by_device(variant->device, &self->mem), before);
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA, 4 * SMALL_PAGE, NULL,
				     &items[0]));
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, copy, 4 * SMALL_PAGE,
				     VA + SMALL_PAGE, &items[1]));
	EXPECT_EQ(variant->device ? before : 5 * SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, self->mem.length, NULL));
	EXPECT_EQ(4 * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, ACCESS, items[0]));
	EXPECT_EQ(0, mock_access_unpin(FD, ACCESS, items[1]));
}

TEST_HARNESS_MAIN
