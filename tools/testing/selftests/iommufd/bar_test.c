// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of one device that another one reaches, by a dma-buf of vfio-pci or
 * by the address at which it is mapped in the process. It is gone from the page
 * tables as long as the device does not answer to it, and there again, at the
 * same IOVA, when it does; for good it goes with its owner.
 *
 * The memory is in BAR 0 of the igb; the edu does the DMA.
 */
#include <fcntl.h>

#include <sys/mman.h>

#include <linux/udmabuf.h>

#include "kselftest_harness.h"
#include "bar_rig.h"
#include "checked_io.h"
#include "fail_each.h"
#include "mock_lib.h"
#include "test_support.h"
#include "threads.h"

#define IOVA (16 * MIB)

FIXTURE(bar)
{
	struct edu_rig rig;
	struct vfio_dev igb;
	int fd;			/* of BAR_LENGTH, or -1: by address */
	unsigned char bytes[BAR_TABLE_SIZE];
};

#define BAR FIXTURE_DATA(bar)

FIXTURE_VARIANT(bar)
{
	bool by_address;
};

FIXTURE_VARIANT_ADD(bar, by_file)
{
	.by_address = false,
};

FIXTURE_VARIANT_ADD(bar, by_address)
{
	.by_address = true,
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)
#define DETACH() vfio_detach(&self->rig.edu)

static int map_bar(BAR *self, __u32 flags, __u64 start, __u64 length,
		   __u64 iova)
{
	if (self->fd < 0)
		return ioas_map_flags(FD, IOAS, flags | MAP_AT,
				      self->igb.bar0 + start, length, &iova);
	return ioas_map_file(FD, IOAS, flags | MAP_AT, self->fd, start, length,
			     &iova);
}

#define MAP(start, length, iova) map_bar(self, MAP_RW, start, length, iova)
#define MAP_ALL() MAP(0, BAR_LENGTH, IOVA)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)
#define READS_AT(iova) bar_table_read(&self->rig, iova, self->bytes)
#define SET_ENABLED(enabled) bar_set_enabled(&self->igb, enabled)

static int copy_all(BAR *self, __u64 iova)
{
	return ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA, BAR_LENGTH,
			 &iova);
}

FIXTURE_SETUP(bar)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(bar_rig_make(&self->igb, FD, self->bytes, &self->fd));
	if (variant->by_address) {
		close(self->fd);
		self->fd = -1;
	}
}

FIXTURE_TEARDOWN_PARENT(bar)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

/* -- as long as it is there -- */

TEST_F(bar, is_memory_for_another_device)
{
	unsigned char bytes[BAR_TABLE_SIZE];

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_TRUE(READS_AT(IOVA));
	pattern_fill(bytes, BAR_TABLE_SIZE, 2);
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + BAR_TABLE, bytes,
				   BAR_TABLE_SIZE));
	EXPECT_TRUE(bar_table_is(&self->igb, bytes));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	EXPECT_FALSE(bar_table_read(&self->rig, IOVA, bytes));
}

TEST_F(bar, mapped_before_a_device_comes)
{
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_TRUE(READS_AT(IOVA));
}

TEST_F(bar, works_without_large_entries)
{
	ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA));
}

TEST_F(bar, may_be_mapped_in_part)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	/* the page of the table, which is the sixth of the BAR */
	ASSERT_EQ(0, MAP(5 * SMALL_PAGE, SMALL_PAGE, IOVA + 5 * SMALL_PAGE));
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, MAP(4 * SMALL_PAGE, 3 * SMALL_PAGE,
			 IOVA + MIB + 4 * SMALL_PAGE));
	EXPECT_TRUE(READS_AT(IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA + 5 * SMALL_PAGE, SMALL_PAGE));
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_TRUE(READS_AT(IOVA + MIB));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_FALSE(READS_AT(IOVA + MIB));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_TRUE(READS_AT(IOVA + MIB));
}

TEST_F(bar, is_not_written_through_a_map_for_reading)
{
	unsigned char zeroes[BAR_TABLE_SIZE] = {};
	__u64 copy = IOVA + MIB;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, map_bar(self, MAP_RO, 0, BAR_LENGTH, IOVA));
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + BAR_TABLE, zeroes,
				   BAR_TABLE_SIZE));
	EXPECT_TRUE(bar_table_is(&self->igb, self->bytes));
	EXPECT_EQ(-EPERM, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA,
				    BAR_LENGTH, &copy));

	/* nor when it has been away */
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + BAR_TABLE, zeroes,
				   BAR_TABLE_SIZE));
	EXPECT_TRUE(bar_table_is(&self->igb, self->bytes));
}

TEST_F(bar, is_charged_to_nobody)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_EQ(self->rig.pins, pins_held());
	ASSERT_EQ(0, limit_memlock(0));
	ASSERT_EQ(0, become_user(40000));
	EXPECT_EQ(0, MAP(0, BAR_LENGTH, IOVA + MIB));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
}

TEST_F(bar, is_charged_to_nobody_when_a_device_comes)
{
	ASSERT_EQ(0, limit_memlock(0));
	ASSERT_EQ(0, become_user(40000));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
}

TEST_F(bar, may_be_copied_as_any_memory)
{
	__u64 copy = IOVA + MIB;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS,
			       IOVA + 4 * SMALL_PAGE, 2 * SMALL_PAGE, &copy));
	EXPECT_TRUE(READS_AT(IOVA + MIB - 4 * SMALL_PAGE));
	ASSERT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	EXPECT_TRUE(READS_AT(IOVA + MIB - 4 * SMALL_PAGE));
	EXPECT_FALSE(READS_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_FALSE(READS_AT(IOVA + MIB - 4 * SMALL_PAGE));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA + MIB - 4 * SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(IOVA + MIB, 2 * SMALL_PAGE));
}

/* Before there is a page table, nobody knows what is at an address. */
TEST_F(bar, may_be_copied_before_a_device_comes)
{
	__u64 iova = IOVA;
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, other, IOAS, IOVA,
			       BAR_LENGTH, &iova));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, other, IOVA,
			       BAR_LENGTH, &(__u64){ IOVA + MIB }));
	ASSERT_EQ(0, iommufd_destroy(FD, other));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_TRUE(READS_AT(IOVA + MIB));
	ASSERT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	EXPECT_TRUE(READS_AT(IOVA + MIB));
}

TEST_F(bar, is_out_of_reach_of_accesses)
{
	char bytes[16];
	int access;

	access = mock_access(FD, IOAS, 0);
	if (access == -ENOTTY)
		SKIP(return, "the kernel has no test device");
	ASSERT_LE(0, access);
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_EQ(-EINVAL, mock_access_rw(FD, access, 0, IOVA, sizeof(bytes),
					  bytes));
	close(access);
}

/* -- the memory is taken back, and given again -- */

TEST_F(bar, is_there_again_after_a_reset)
{
	__u64 unmapped;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, vfio_reset(&self->igb));
	bar_fill_table(&self->igb, self->bytes, 3);
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, BAR_LENGTH, &unmapped));
	EXPECT_EQ(BAR_LENGTH, unmapped);
	EXPECT_FALSE(READS_AT(IOVA));
}

TEST_F(bar, is_away_while_the_device_does_not_answer)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_EQ(-ENODEV, MAP(0, BAR_LENGTH, IOVA + MIB));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_EQ(-EEXIST, MAP_ALL());
	ASSERT_EQ(0, MAP(0, BAR_LENGTH, IOVA + MIB));
	EXPECT_TRUE(READS_AT(IOVA + MIB));
}

TEST_F(bar, is_away_in_the_devices_own_address_space)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, vfio_attach(&self->igb, IOAS));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_FALSE(READS_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, vfio_reset(&self->igb));
	bar_fill_table(&self->igb, self->bytes, 13);
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, vfio_detach(&self->igb));
	EXPECT_TRUE(READS_AT(IOVA));
}

TEST_F(bar, is_in_page_tables_that_came_while_it_was_away)
{
	char *page = address_room(SMALL_PAGE, SMALL_PAGE);

	pattern_fill(page, SMALL_PAGE, 5);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, page, SMALL_PAGE,
				 IOVA + BAR_LENGTH));
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_TRUE(device_reads(&self->rig, IOVA + BAR_LENGTH, page,
				 SMALL_PAGE));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH + SMALL_PAGE));
}

TEST_F(bar, is_in_a_second_page_table_too)
{
	__u32 hwpt;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, hwpt_alloc(FD, self->rig.edu.id, IOAS, 0, &hwpt));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, hwpt));
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_FALSE(READS_AT(IOVA));
	ASSERT_EQ(0, ATTACH());
	EXPECT_FALSE(READS_AT(IOVA));
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA));
}

TEST_F(bar, is_away_and_there_again_in_all_copies)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, copy_all(self, IOVA + MIB));
	ASSERT_EQ(0, MAP(0, BAR_LENGTH, IOVA + 2 * MIB));
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, copy_all(self, IOVA + 3 * MIB));
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_FALSE(READS_AT(IOVA + MIB));
	EXPECT_FALSE(READS_AT(IOVA + 2 * MIB));
	EXPECT_FALSE(READS_AT(IOVA + 3 * MIB));
	ASSERT_EQ(0, UNMAP(IOVA + MIB, BAR_LENGTH));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_FALSE(READS_AT(IOVA + MIB));
	EXPECT_TRUE(READS_AT(IOVA + 2 * MIB));
	EXPECT_TRUE(READS_AT(IOVA + 3 * MIB));
}

TEST_F(bar, that_is_unmapped_while_it_is_away_does_not_return)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_FALSE(READS_AT(IOVA));
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_TRUE(READS_AT(IOVA));
}

TEST_F(bar, that_is_away_leaves_what_is_next_to_it)
{
	char *pages = address_room(2 * SMALL_PAGE, SMALL_PAGE);

	pattern_fill(pages, 2 * SMALL_PAGE, 7);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, pages, SMALL_PAGE,
				 IOVA - SMALL_PAGE));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, pages + SMALL_PAGE, SMALL_PAGE,
				 IOVA + BAR_LENGTH));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_TRUE(device_reads(&self->rig, IOVA - SMALL_PAGE, pages,
				 SMALL_PAGE));
	EXPECT_TRUE(device_reads(&self->rig, IOVA + BAR_LENGTH,
				 pages + SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(IOVA - SMALL_PAGE, BAR_LENGTH + 2 * SMALL_PAGE));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_F(bar, may_be_reset_again_and_again)
{
	int i, rc = 0;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	for (i = 0; i < 10 && !rc; i++) {
		rc = MAP(0, BAR_LENGTH, IOVA + i * MIB);
		if (!rc)
			rc = vfio_reset(&self->igb);
	}
	EXPECT_EQ(0, rc);
	bar_fill_table(&self->igb, self->bytes, 8);
	while (i--)
		EXPECT_TRUE(READS_AT(IOVA + i * MIB));
}

TEST_F(bar, ends_with_its_owner)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	vfio_close(&self->igb);
	ASSERT_EQ(0, igb_setup(&self->igb, FD));
	bar_fill_table(&self->igb, self->bytes, 10);
	EXPECT_FALSE(READS_AT(IOVA));
	ASSERT_EQ(0, vfio_reset(&self->igb));
	EXPECT_FALSE(READS_AT(IOVA));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
}

TEST_F(bar, ends_with_its_owner_also_while_it_is_away)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, SET_ENABLED(false));
	vfio_close(&self->igb);
	ASSERT_EQ(0, igb_setup(&self->igb, FD));
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
}

TEST_F(bar, is_left_to_the_end_of_the_process)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP_ALL());
}

/* -- at the same time -- */

struct toggler {
	struct crowd crowd;	/* of one */
	struct vfio_dev *dev;
	struct goal turns;
};

static int toggle(void *data)
{
	struct toggler *toggler = data;
	int rc = 0;

	while (!rc && !crowd_is_over(&toggler->crowd)) {
		rc = bar_set_enabled(toggler->dev, false) ?:
		     bar_set_enabled(toggler->dev, true);
		usleep(toggler->turns.times * 37 % 1000);
		goal_count(&toggler->turns);
	}
	return rc;
}

TEST_F(bar, may_come_and_go_under_dma)
{
	struct toggler toggler = {
		.dev = &self->igb,
		.turns = { "turns", 10 },
	};
	int i;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, crowd_add(&toggler.crowd, toggle, &toggler));
	for (i = 0; i < 30 || !goal_is_reached(&toggler.turns); i++)
		READS_AT(IOVA);
	EXPECT_EQ(0, crowd_end(&toggler.crowd));
	EXPECT_TRUE(READS_AT(IOVA));
}

/* With page tables that come and go, and maps and copies of it */
TEST_F(bar, may_come_and_go_at_any_moment)
{
	struct toggler toggler = {
		.dev = &self->igb,
		.turns = { "turns", 10 },
	};
	int i, rc = 0, attached = 0;

	ASSERT_EQ(0, crowd_add(&toggler.crowd, toggle, &toggler));
	for (i = 0; !rc && (i < 100 || attached < 5 ||
			    !goal_is_reached(&toggler.turns)); i++) {
		rc = MAP_ALL();
		/* it happens to be away just now */
		if (rc == -ENODEV) {
			rc = 0;
			continue;
		}
		if (!rc)
			rc = copy_all(self, IOVA + MIB);
		if (!rc)
			rc = ATTACH();
		if (!rc) {
			attached++;
			rc = DETACH();
		}
		/* it had to be there for that, by its address */
		if (rc == -ENODEV)
			rc = 0;
		if (!rc)
			rc = ioas_unmap_all(FD, IOAS, NULL);
	}
	EXPECT_EQ(0, crowd_end(&toggler.crowd));
	EXPECT_EQ(0, rc);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_TRUE(READS_AT(IOVA));
}

/* -- each failure -- */

TEST_F_TIMEOUT(bar, whose_map_fails_is_not_mapped, 300)
{
	__u64 iova = IOVA;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	WITH_EACH_FAILURE((iova += MIB, MAP(0, BAR_LENGTH, iova)),
			  UNMAP(iova, BAR_LENGTH) == -ENOENT,
			  UNMAP(iova, BAR_LENGTH));
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_TRUE(READS_AT(IOVA));
}

TEST_F_TIMEOUT(bar, whose_attach_fails_is_in_no_page_table, 300)
{
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, copy_all(self, IOVA + MIB));
	WITH_EACH_FAILURE(ATTACH(), true, DETACH());
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_TRUE(READS_AT(IOVA + MIB));
}

/* -- the device goes -- */

static int unplug(void *data)
{
	struct vfio_dev *dev = data;
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove",
		 dev->bdf);
	return file_write(path, "1");
}

/* As the VM has it after the boot: see scripts/vm-init */
static int plug(struct vfio_dev *dev)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable",
		 dev->bdf);
	return file_write("/sys/bus/pci/rescan", "1") ?: file_write(path, "1");
}

/* Nobody takes a device from a program that has it open. */
TEST_F(bar, is_there_until_its_device_is_closed_that_is_unplugged)
{
	struct thread_call call;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, thread_call_start(&call, unplug, &self->igb));
	/* which takes the device a while */
	EXPECT_TRUE(READS_AT(IOVA));
	EXPECT_FALSE(thread_call_is_over(&call));
	vfio_close(&self->igb);
	EXPECT_EQ(0, thread_call_end(&call));
	EXPECT_FALSE(READS_AT(IOVA));
	ASSERT_EQ(0, plug(&self->igb));
	EXPECT_FALSE(READS_AT(IOVA));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	ASSERT_EQ(0, igb_setup(&self->igb, FD));
}

/* -- by address only -- */

FIXTURE(address)
{
	struct edu_rig rig;
	struct vfio_dev igb;
	unsigned char bytes[BAR_TABLE_SIZE];
};

FIXTURE_SETUP(address)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(igb_rig_make(&self->igb, FD));
	bar_fill_table(&self->igb, self->bytes, 1);
	MAKE(edu_rig_attach(&self->rig));
}

FIXTURE_TEARDOWN_PARENT(address)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

/* BAR 0 from @offset on once more, at @va */
static int mmap_bar(struct vfio_dev *dev, void *va, __u64 offset,
		    size_t length, int prot)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	int rc;

	rc = checked_ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info);
	if (rc)
		return rc;
	if (mmap(va, length, prot, MAP_SHARED | MAP_FIXED, dev->fd,
		 info.offset + offset) == MAP_FAILED)
		return -errno;
	return 0;
}

#define MAP_VA(va, length) ioas_map_at(FD, IOAS, va, length, IOVA)

TEST_F(address, that_is_not_all_of_a_device_is_refused)
{
	const size_t page = SMALL_PAGE;
	char *room = address_room(8 * page, page);
	char *va = room + 2 * page;

	/* memory, two pages, four pages of the BAR, memory, two pages */
	ASSERT_EQ(0, mmap_bar(&self->igb, va, 4 * page, 4 * page,
			      PROT_READ | PROT_WRITE));
	EXPECT_EQ(-EFAULT, MAP_VA(va - page, 2 * page));
	EXPECT_EQ(-EFAULT, MAP_VA(va + 3 * page, 2 * page));
	EXPECT_EQ(-EFAULT, MAP_VA(room, 8 * page));
	EXPECT_EQ(0, vm_pinned() - SMALL_PAGE);
	ASSERT_EQ(0, MAP_VA(va, 4 * page));
	EXPECT_TRUE(device_reads(&self->rig,
				 IOVA + BAR_TABLE - 4 * page, self->bytes,
				 BAR_TABLE_SIZE));
	ASSERT_EQ(0, UNMAP(IOVA, 4 * page));

	/* a hole, and two pieces of the BAR side by side */
	ASSERT_EQ(0, munmap(va + 3 * page, page));
	EXPECT_EQ(-EFAULT, MAP_VA(va, 4 * page));
	ASSERT_EQ(0, mmap_bar(&self->igb, va + 3 * page, 0, page,
			      PROT_READ | PROT_WRITE));
	EXPECT_EQ(-EFAULT, MAP_VA(va, 4 * page));
	EXPECT_EQ(0, MAP_VA(va, 3 * page));
}

TEST_F(address, that_is_not_all_of_a_device_is_refused_when_one_comes)
{
	char *va = address_room(2 * SMALL_PAGE, SMALL_PAGE);

	ASSERT_EQ(0, mmap_bar(&self->igb, va, 0, SMALL_PAGE, PROT_READ));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, MAP_VA(va, 2 * SMALL_PAGE));
	EXPECT_EQ(-EFAULT, ATTACH());
	ASSERT_EQ(0, UNMAP(IOVA, 2 * SMALL_PAGE));
	EXPECT_EQ(0, ATTACH());
}

TEST_F(address, allows_no_more_than_the_process_may)
{
	char *va = address_room(SMALL_PAGE, SMALL_PAGE);
	__u64 iova = IOVA;

	ASSERT_EQ(0, mmap_bar(&self->igb, va, 0, SMALL_PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, MAP_VA(va, SMALL_PAGE));
	EXPECT_EQ(0, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, va, SMALL_PAGE,
				    &iova));
	ASSERT_EQ(0, mmap_bar(&self->igb, va, 0, SMALL_PAGE, PROT_NONE));
	iova += MIB;
	EXPECT_EQ(-EFAULT, ioas_map_flags(FD, IOAS, MAP_RO | MAP_AT, va,
					  SMALL_PAGE, &iova));
}

TEST_F(address, may_be_anything_afterwards)
{
	char *va = address_room(BAR_LENGTH, SMALL_PAGE);

	ASSERT_EQ(0, mmap_bar(&self->igb, va, 0, BAR_LENGTH,
			      PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, MAP_VA(va, BAR_LENGTH));
	ASSERT_EQ(0, munmap(va, BAR_LENGTH));
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_TRUE(READS_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_FALSE(READS_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_TRUE(READS_AT(IOVA));
}

TEST_F(address, needs_no_iova_of_ones_own)
{
	__u64 iova;

	ASSERT_EQ(0, ioas_map(FD, IOAS, self->igb.bar0, BAR_LENGTH, &iova));
	if (iova + BAR_LENGTH <= EDU_IOVA_LIMIT)
		EXPECT_TRUE(READS_AT(iova));
	EXPECT_EQ(0, UNMAP(iova, BAR_LENGTH));
}

TEST_F(address, of_a_device_that_is_away_is_no_reason_to_forget_it)
{
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, MAP_VA(self->igb.bar0, BAR_LENGTH));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_EQ(-ENODEV, ATTACH());
	ASSERT_EQ(0, SET_ENABLED(true));
	ASSERT_EQ(0, ATTACH());
	EXPECT_TRUE(READS_AT(IOVA));
}

TEST_F(address, belongs_to_its_process)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, MAP_VA(self->igb.bar0, BAR_LENGTH));
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, IOMMU_IOAS_CHANGE_PROCESS, &cmd));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, checked_ioctl(FD, IOMMU_IOAS_CHANGE_PROCESS, &cmd));
}

/* What cannot be taken away in time is not mapped. */
TEST_F(address, of_what_else_has_no_pages_is_refused)
{
	struct udmabuf_create create = { .size = SMALL_PAGE };
	int udmabuf = open("/dev/udmabuf", O_RDWR), fd;
	char *va;

	if (udmabuf < 0)
		SKIP(return, "there is no udmabuf");
	create.memfd = memfd_create("bar_test", MFD_ALLOW_SEALING);
	ASSERT_EQ(0, ftruncate(create.memfd, SMALL_PAGE));
	ASSERT_EQ(0, fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	fd = checked_ioctl(udmabuf, UDMABUF_CREATE, &create);
	ASSERT_LE(0, fd);
	va = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, va);
	EXPECT_EQ(-EFAULT, MAP_VA(va, SMALL_PAGE));
	*va = 1;
	EXPECT_EQ(-EFAULT, MAP_VA(va, SMALL_PAGE));
}

/* -- so much that only large entries can be afforded -- */

#define LARGE_VENDOR 0x1af4	/* QEMU's ivshmem */
#define LARGE_DEVICE 0x1110
#define LARGE_BAR VFIO_PCI_BAR2_REGION_INDEX
#define LARGE_IOVA (64 * GIB)

FIXTURE(large)
{
	struct edu_rig rig;
	struct vfio_dev dev;
	char *va;
	size_t length;
	long page_sizes;
};

#define LARGE FIXTURE_DATA(large)

FIXTURE_VARIANT(large)
{
	bool by_address;
};

FIXTURE_VARIANT_ADD(large, by_file)
{
	.by_address = false,
};

FIXTURE_VARIANT_ADD(large, by_address)
{
	.by_address = true,
};

FIXTURE_SETUP(large)
{
	MAKE(edu_rig_make(&self->rig));
	if (vfio_setup(&self->dev, LARGE_VENDOR, LARGE_DEVICE, FD))
		SKIP(return, "there is no ivshmem device");
	ASSERT_EQ(0, vfio_map_bar(&self->dev, LARGE_BAR, &self->va,
				  &self->length));
	self->page_sizes = iommu_page_sizes(self->rig.edu.bdf);
	if (self->length < 4 * GIB || self->page_sizes <= HUGE_PAGE)
		SKIP(return, "it is not large, or entries are not");
	MAKE(edu_rig_attach(&self->rig));
}

FIXTURE_TEARDOWN_PARENT(large)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

static int map_large(LARGE *self, bool by_address)
{
	__u64 iova = LARGE_IOVA;
	int dmabuf, rc;

	if (by_address)
		return ioas_map_at(FD, IOAS, self->va, self->length, iova);
	dmabuf = bar_export_all_of(&self->dev, LARGE_BAR, self->length);
	if (dmabuf < 0)
		return dmabuf;
	rc = ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0, self->length,
			   &iova);
	close(dmabuf);
	return rc;
}

/* What of it is used: QEMU has no memory for the rest until then */
static bool large_is_seen(LARGE *self, unsigned int seed)
{
	const size_t last = self->length - SMALL_PAGE;
	const size_t middle = self->length / 2 + 5 * SMALL_PAGE;

	pattern_fill(self->va, SMALL_PAGE, seed);
	pattern_fill(self->va + middle, SMALL_PAGE, seed + 1);
	pattern_fill(self->va + last, SMALL_PAGE, seed + 2);
	return device_reads(&self->rig, LARGE_IOVA, self->va, SMALL_PAGE) &&
	       device_reads(&self->rig, LARGE_IOVA + middle, self->va + middle,
			    SMALL_PAGE) &&
	       device_reads(&self->rig, LARGE_IOVA + last, self->va + last,
			    SMALL_PAGE);
}

TEST_F(large, memory_costs_what_its_large_entries_cost)
{
	const unsigned long entry = self->page_sizes & GIB ? GIB : HUGE_PAGE;
	/* Tables of the entries, and what is above */
	const long limit = (self->length / entry / 512 + 4) * SMALL_PAGE;
	long before = iommu_table_bytes();
	char page[SMALL_PAGE];
	__u64 unmapped;

	ASSERT_LE(0, before);
	ASSERT_EQ(0, map_large(self, variant->by_address));
	EXPECT_GE(limit, iommu_table_bytes() - before);
	EXPECT_TRUE(large_is_seen(self, 1));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());

	/* So does its coming back. */
	ASSERT_EQ(0, bar_set_enabled(&self->dev, false));
	pattern_fill(page, SMALL_PAGE, 1);
	EXPECT_FALSE(device_reads(&self->rig, LARGE_IOVA, page, SMALL_PAGE));
	ASSERT_EQ(0, bar_set_enabled(&self->dev, true));
	EXPECT_GE(limit, iommu_table_bytes() - before);
	EXPECT_TRUE(large_is_seen(self, 4));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, LARGE_IOVA, self->length, &unmapped));
	EXPECT_EQ(self->length, unmapped);
}

/* As all of a guest's memory may be when a device comes */
TEST_F(large, memory_waits_for_a_device)
{
	const unsigned long entry = self->page_sizes & GIB ? GIB : HUGE_PAGE;
	const long limit = (self->length / entry / 512 + 16) * SMALL_PAGE;
	long before;

	ASSERT_EQ(0, vfio_detach(&self->rig.edu));
	before = iommu_table_bytes();
	ASSERT_EQ(0, map_large(self, variant->by_address));
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, IOAS));
	EXPECT_GE(limit, iommu_table_bytes() - before);
	EXPECT_TRUE(large_is_seen(self, 7));
}

TEST_HARNESS_MAIN
