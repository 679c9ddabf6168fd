// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that may be unplugged: pages that are in a zone of it are moved
 * elsewhere before they are pinned, so that it still can be.
 *
 * A block of the machine's memory becomes such a zone for as long as a test
 * takes. Where there is one, a process gets its memory from it first.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "mock_rig.h"
#include "test_support.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define LENGTH (4 * MIB)
/* Of a test, in seconds: what is in the block goes elsewhere first */
#define TIMEOUT 60

#define BLOCKS "/sys/devices/system/memory"

FIXTURE(movable)
{
	struct mock_rig rig;
	struct memory_rig mem;
	unsigned long block_size;
	long block;		/* that is the zone, or -1 */
};

#define MOVABLE FIXTURE_DATA(movable)

FIXTURE_VARIANT(movable)
{
	enum page_kind kind;
	bool file;
};

FIXTURE_VARIANT_ADD(movable, small_pages) { .kind = PAGES_SMALL };
FIXTURE_VARIANT_ADD(movable, huge_pages) { .kind = PAGES_THP };
FIXTURE_VARIANT_ADD(movable, file) { .kind = PAGES_SMALL, .file = true };

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->mem.va)

static int block_set(long block, const char *state)
{
	char path[64];

	snprintf(path, sizeof(path), BLOCKS "/memory%ld/state", block);
	return file_write(path, state);
}

static int blocks_measure(unsigned long *size, long *last)
{
	struct dirent *entry;
	char text[32];
	long block;
	DIR *dir;

	if (file_read(BLOCKS "/block_size_bytes", text, sizeof(text)))
		return -ENOENT;
	*size = strtoul(text, NULL, 16);
	*last = -1;
	dir = opendir(BLOCKS);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, "memory%ld", &block) == 1 &&
		    block > *last)
			*last = block;
	closedir(dir);
	return 0;
}

/* One in which the kernel has nothing that must stay, as high as there is one */
static int movable_make(MOVABLE *self)
{
	long block;

	self->block = -1;
	if (blocks_measure(&self->block_size, &block))
		return rig_absent("memory that can be unplugged");
	while (block >= 0 && block_set(block, "offline"))
		block--;
	if (block < 0)
		return rig_absent("block of memory that can be had");
	self->block = block;
	return rig_part("a zone", block_set(block, "online_movable"));
}

FIXTURE_SETUP(movable)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(movable_make(self));
	if (variant->file)
		MAKE(memory_rig_make_file(&self->mem, variant->kind, LENGTH));
	else
		MAKE(memory_rig_make(&self->mem, variant->kind, LENGTH));
}

FIXTURE_TEARDOWN(movable)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
	if (self->block < 0)
		return;
	EXPECT_EQ(0, block_set(self->block, "offline"));
	EXPECT_EQ(0, block_set(self->block, "online_kernel"));
}

/* Pages of the memory that are in the block */
static long pages_in_block(MOVABLE *self)
{
	static __u64 frames[LENGTH / SMALL_PAGE];
	const unsigned long nr = self->block_size / SMALL_PAGE;
	long count = 0;
	size_t i;
	int rc;

	rc = page_frames(VA, frames, ARRAY_SIZE(frames));
	if (rc)
		return rc;
	for (i = 0; i != ARRAY_SIZE(frames); i++)
		count += frames[i] / nr == (unsigned long)self->block;
	return count;
}

/* What is mapped keeps nobody from unplugging, nor is that seen of the device. */
TEST_F_TIMEOUT(movable, can_be_unplugged_while_it_is_mapped, TIMEOUT)
{
	const long all = LENGTH / SMALL_PAGE;

	ASSERT_EQ(all, pages_in_block(self));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	EXPECT_EQ(0, pages_in_block(self));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, block_set(self->block, "offline"));
	EXPECT_EQ(0, mock_check_map(FD, self->rig.dev.hwpt, IOVA, LENGTH, VA));
	EXPECT_TRUE(pattern_matches(VA, LENGTH, 1));
	EXPECT_EQ(0, block_set(self->block, "online_movable"));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(0, vm_pinned());
}

TEST_HARNESS_MAIN
