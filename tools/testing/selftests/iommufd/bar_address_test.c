// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses of a process at which the memory of a device is mapped: which of them
 * another device may be given, and what becomes of them afterwards. What the
 * memory does then is in bar_test.
 *
 * The memory is in BAR 0 of the igb; the edu does the DMA.
 */
#include <fcntl.h>

#include <sys/mman.h>

#include <linux/udmabuf.h>

#include "kselftest_harness.h"
#include "bar_rig.h"
#include "checked_io.h"
#include "test_support.h"

#define IOVA (16 * MIB)

FIXTURE(address)
{
	struct edu_rig rig;
	struct vfio_dev igb;
	unsigned char bytes[BAR_TABLE_SIZE];
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)
#define DETACH() vfio_detach(&self->rig.edu)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)
#define READ_AT(iova) bar_table_read(&self->rig, iova, self->bytes)
#define SET_ENABLED(enabled) bar_set_enabled(&self->igb, enabled)

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
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + BAR_TABLE - 4 * page,
				       self->bytes, BAR_TABLE_SIZE));
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
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(REACHED, READ_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(false));
	EXPECT_EQ(BLOCKED, READ_AT(IOVA));
	ASSERT_EQ(0, SET_ENABLED(true));
	EXPECT_EQ(REACHED, READ_AT(IOVA));
}

TEST_F(address, needs_no_iova_of_ones_own)
{
	__u64 iova;

	ASSERT_EQ(0, ioas_map(FD, IOAS, self->igb.bar0, BAR_LENGTH, &iova));
	if (iova + BAR_LENGTH <= EDU_IOVA_LIMIT)
		EXPECT_EQ(REACHED, READ_AT(iova));
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
	EXPECT_EQ(REACHED, READ_AT(IOVA));
}

TEST_F(address, belongs_to_its_process)
{
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, MAP_VA(self->igb.bar0, BAR_LENGTH));
	EXPECT_EQ(-EINVAL, ioas_change_process(FD));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, ioas_change_process(FD));
}

/* What cannot be taken away in time is not mapped. */
TEST_F(address, of_what_else_has_no_pages_is_refused)
{
	struct udmabuf_create create = { .size = SMALL_PAGE };
	int udmabuf = open("/dev/udmabuf", O_RDWR), fd;
	char *va;

	if (udmabuf < 0)
		SKIP(return, "there is no udmabuf");
	create.memfd = memfd_create("bar_address_test", MFD_ALLOW_SEALING);
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

TEST_HARNESS_MAIN
