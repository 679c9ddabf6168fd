// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of one device that another one reaches, by a dma-buf of vfio-pci or
 * by the address at which it is mapped in the process. It is gone from the page
 * tables as long as the device does not answer to it, and there again, at the
 * same IOVA, when it does; for good it goes with its owner.
 *
 * The memory is in BAR 0 of the igb; the edu does the DMA. What the address alone
 * has to do with it is in bar_address_test, what large memory costs in
 * bar_large_test.
 */
#include <errno.h>
#include <poll.h>

#include <sys/eventfd.h>

#include <linux/vfio.h>

#include "kselftest_harness.h"
#include "bar_rig.h"
#include "checked_io.h"
#include "fail_each.h"
#include "mock_lib.h"
#include "test_support.h"
#include "threads.h"

#define IOVA (16 * MIB)

#define ASK_TIMEOUT_MS 10000

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
	return ioas_map_file_at(FD, IOAS, flags, self->fd, start, length, iova);
}

#define MAP(start, length, iova) map_bar(self, MAP_RW, start, length, iova)
#define MAP_ALL() MAP(0, BAR_LENGTH, IOVA)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)
#define READ_AT(iova) bar_table_read(&self->rig, iova, self->bytes)
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
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	pattern_fill(bytes, BAR_TABLE_SIZE, 2);
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + BAR_TABLE, bytes,
				   BAR_TABLE_SIZE));
	EXPECT_TRUE(bar_table_is(&self->igb, bytes));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	EXPECT_EQ(BLOCKED, bar_table_read(&self->rig, IOVA, bytes));
}

TEST_F(bar, mapped_before_a_device_comes)
{
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(REACHED, READ_AT(IOVA));
}

TEST_F(bar, works_without_large_entries)
{
	ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
}

TEST_F(bar, may_be_mapped_in_part)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	/* the page of the table, which is the sixth of the BAR */
	ASSERT_EQ(0, MAP(5 * SMALL_PAGE, SMALL_PAGE, IOVA + 5 * SMALL_PAGE));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, MAP(4 * SMALL_PAGE, 3 * SMALL_PAGE,
			 IOVA + MIB + 4 * SMALL_PAGE));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA + 5 * SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA + MIB));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB));
}

TEST_F(bar, is_not_written_through_a_map_for_reading)
{
	unsigned char zeroes[BAR_TABLE_SIZE] = {};
	__u64 copy = IOVA + MIB;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, map_bar(self, MAP_RO, 0, BAR_LENGTH, IOVA));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA + BAR_TABLE, zeroes,
				   BAR_TABLE_SIZE));
	EXPECT_TRUE(bar_table_is(&self->igb, self->bytes));
	EXPECT_EQ(-EPERM, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA,
				    BAR_LENGTH, &copy));

	/* nor when it has been away */
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
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
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB - 4 * SMALL_PAGE));
	ASSERT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB - 4 * SMALL_PAGE));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA + MIB - 4 * SMALL_PAGE));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB - 4 * SMALL_PAGE));
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
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB));
	ASSERT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB));
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
	ASSERT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, vfio_reset(&self->igb));
	bar_fill_table(&self->igb, self->bytes, 3);
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, BAR_LENGTH, &unmapped));
	EXPECT_EQ(BAR_LENGTH, unmapped);
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
}

TEST_F(bar, is_away_while_the_device_does_not_answer)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	EXPECT_EQ(-ENODEV, MAP(0, BAR_LENGTH, IOVA + MIB));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	EXPECT_EQ(-EEXIST, MAP_ALL());
	ASSERT_EQ(0, MAP(0, BAR_LENGTH, IOVA + MIB));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB));
}

TEST_F(bar, is_away_in_the_devices_own_address_space)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, vfio_attach(&self->igb, IOAS));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, vfio_reset(&self->igb));
	bar_fill_table(&self->igb, self->bytes, 13);
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, vfio_detach(&self->igb));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
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
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + BAR_LENGTH, page,
				       SMALL_PAGE));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
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
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, hwpt));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
}

TEST_F(bar, is_away_and_there_again_in_all_copies)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, copy_all(self, IOVA + MIB));
	ASSERT_EQ(0, MAP(0, BAR_LENGTH, IOVA + 2 * MIB));
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, copy_all(self, IOVA + 3 * MIB));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA + MIB));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA + 2 * MIB));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA + 3 * MIB));
	ASSERT_EQ(0, UNMAP(IOVA + MIB, BAR_LENGTH));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA + MIB));
	EXPECT_EQ(REACHED, READ_AT(IOVA + 2 * MIB));
	EXPECT_EQ(REACHED, READ_AT(IOVA + 3 * MIB));
}

TEST_F(bar, that_is_unmapped_while_it_is_away_does_not_return)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, SET_ENABLED(false));
	ASSERT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_EQ(REACHED, READ_AT(IOVA));
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
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA - SMALL_PAGE, pages,
				       SMALL_PAGE));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + BAR_LENGTH,
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
		EXPECT_EQ(REACHED, READ_AT(IOVA + i * MIB));
}

TEST_F(bar, ends_with_its_owner)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	vfio_close(&self->igb);
	ASSERT_EQ(0, igb_setup(&self->igb, FD));
	bar_fill_table(&self->igb, self->bytes, 10);
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	ASSERT_EQ(0, vfio_reset(&self->igb));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
}

TEST_F(bar, ends_with_its_owner_also_while_it_is_away)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, SET_ENABLED(false));
	vfio_close(&self->igb);
	ASSERT_EQ(0, igb_setup(&self->igb, FD));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
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
		EXPECT_NE(BROKEN, READ_AT(IOVA));
	EXPECT_EQ(0, crowd_end(&toggler.crowd));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
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
	EXPECT_EQ(REACHED, READ_AT(IOVA));
}

/* -- each failure -- */

TEST_F_TIMEOUT(bar, whose_map_fails_is_not_mapped, 300)
{
	__u64 iova = IOVA;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	WITH_EACH_FAILURE((iova += MIB, MAP(0, BAR_LENGTH, iova)),
			  UNMAP(iova, BAR_LENGTH) == -ENOENT,
			  UNMAP(iova, BAR_LENGTH), -ENOENT);
	ASSERT_EQ(0, MAP_ALL());
	EXPECT_EQ(REACHED, READ_AT(IOVA));
}

/* It restricts what may be mapped. */
static bool has_page_table(BAR *self)
{
	return !ioas_is_unrestricted(FD, IOAS);
}

TEST_F_TIMEOUT(bar, whose_attach_fails_is_in_no_page_table, 300)
{
	__u32 first;

	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, copy_all(self, IOVA + MIB));
	first = next_id(FD);
	WITH_EACH_FAILURE(ATTACH(),
			  next_id(FD) == first && !has_page_table(self),
			  DETACH(), -ENOENT, -EINVAL);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	EXPECT_EQ(REACHED, READ_AT(IOVA + MIB));
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

/* Returns an eventfd that tells when somebody waits for the device. */
static int ask_eventfd(struct vfio_dev *dev)
{
	struct {
		struct vfio_irq_set set;
		__s32 fd;
	} request = {
		.set = {
			.argsz = sizeof(request),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_REQ_IRQ_INDEX,
			.count = 1,
		},
		.fd = eventfd(0, EFD_CLOEXEC),
	};
	int rc;

	if (request.fd < 0)
		return -errno;
	rc = checked_ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &request);
	return rc ? rc : request.fd;
}

static bool is_asked(int event)
{
	struct pollfd file = { .fd = event, .events = POLLIN };

	return poll(&file, 1, patience(ASK_TIMEOUT_MS)) == 1;
}

/* Nobody takes a device from a program that has it open. */
TEST_F(bar, is_there_until_its_device_is_closed_that_is_unplugged)
{
	int event = ask_eventfd(&self->igb);
	struct thread_call call;

	ASSERT_LE(0, event);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP_ALL());
	ASSERT_EQ(0, thread_call_start(&call, unplug, &self->igb));
	EXPECT_TRUE(is_asked(event));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	EXPECT_FALSE(thread_call_is_over(&call));
	vfio_close(&self->igb);
	EXPECT_EQ(0, thread_call_end(&call));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	ASSERT_EQ(0, plug(&self->igb));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	EXPECT_EQ(0, UNMAP(IOVA, BAR_LENGTH));
	ASSERT_EQ(0, igb_setup(&self->igb, FD));
}

TEST_HARNESS_MAIN
