// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that the driver of a vIOMMU lets user space map, on devices of the
 * kernel's test device
 */
#include <errno.h>
#include <stdint.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "fail_each.h"
#include "test_support.h"
#include "threads.h"
#include "viommu_rig.h"

FIXTURE(driver_pages)
{
	struct viommu_rig rig;
	struct iommu_test_viommu data;
	__u32 id;		/* of the vIOMMU that has them */
	char *va;		/* where they are mapped */
};

#define DRIVER_PAGES FIXTURE_DATA(driver_pages)
#define FD (self->rig.mock.iommufd)
#define DEV (self->rig.mock.dev)
#define PARENT (self->rig.parent)
#define OWNER (self->id)
#define OFFSET (self->data.out_mmap_offset)
#define LENGTH (self->data.out_mmap_length)
#define PAGES (self->va)

FIXTURE_SETUP(driver_pages)
{
	MAKE(viommu_rig_make(&self->rig));
	self->data.in_data = 0xabcd;
	ASSERT_EQ(0, mock_viommu(FD, DEV.idev, PARENT, &self->data, &OWNER));
	ASSERT_EQ(2 * SMALL_PAGE, LENGTH);
	ASSERT_NE(0, OFFSET);
	PAGES = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, FD,
		     OFFSET);
	ASSERT_NE(MAP_FAILED, PAGES);
}

FIXTURE_TEARDOWN(driver_pages)
{
	munmap(PAGES, 2 * SMALL_PAGE);
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

/* 0, of a mapping that is gone again, or a negative errno */
static int try_mmap(int iommufd, __u64 offset, size_t length, int prot,
		    int flags)
{
	void *va = mmap(NULL, length, prot, flags, iommufd, offset);

	return va == MAP_FAILED ? -errno : munmap(va, length);
}

TEST_F(driver_pages, are_seen_through_each_mapping)
{
	char *other;

	EXPECT_EQ(0xabcd, *(__u32 *)PAGES);
	EXPECT_EQ(0xabcd, self->data.out_data);
	PAGES[SMALL_PAGE + 1] = 17;
	other = mmap(NULL, LENGTH, PROT_READ, MAP_SHARED, FD, OFFSET);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(0xabcd, *(__u32 *)other);
	EXPECT_EQ(17, other[SMALL_PAGE + 1]);
	EXPECT_EQ(0, munmap(other, LENGTH));
}

TEST_F(driver_pages, are_mapped_as_a_whole_or_not_at_all)
{
	EXPECT_EQ(0, try_mmap(FD, OFFSET, LENGTH, PROT_READ, MAP_SHARED));
	EXPECT_EQ(0, try_mmap(FD, OFFSET, LENGTH - 1, PROT_READ, MAP_SHARED));
	EXPECT_EQ(-EINVAL, try_mmap(FD, OFFSET, LENGTH, PROT_READ,
				    MAP_PRIVATE));
	EXPECT_EQ(-EPERM, try_mmap(FD, OFFSET, LENGTH, PROT_READ | PROT_EXEC,
				   MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET, SMALL_PAGE, PROT_READ,
				   MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET + SMALL_PAGE, SMALL_PAGE,
				   PROT_READ, MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET, LENGTH + 1, PROT_READ,
				   MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, 0, LENGTH, PROT_READ, MAP_SHARED));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET + LENGTH, LENGTH, PROT_READ,
				   MAP_SHARED));
	EXPECT_EQ(-1, mprotect(PAGES, LENGTH, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(driver_pages, of_two_owners_are_not_the_same)
{
	struct iommu_test_viommu data = { .in_data = 5 };
	__u32 other, *word;

	ASSERT_EQ(0, mock_viommu(FD, DEV.idev, PARENT, &data, &other));
	EXPECT_NE(OFFSET, data.out_mmap_offset);
	word = mmap(NULL, LENGTH, PROT_READ, MAP_SHARED, FD,
		    data.out_mmap_offset);
	ASSERT_NE(MAP_FAILED, word);
	EXPECT_EQ(5, *word);
	EXPECT_EQ(0xabcd, *(__u32 *)PAGES);
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, other));
	ASSERT_EQ(0, munmap(word, LENGTH));
	EXPECT_EQ(0, iommufd_destroy(FD, other));
	EXPECT_EQ(-ENXIO, try_mmap(FD, data.out_mmap_offset, LENGTH, PROT_READ,
				   MAP_SHARED));
}

TEST_F(driver_pages, hold_their_owner_as_long_as_one_is_mapped)
{
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, OWNER));
	ASSERT_EQ(0, munmap(PAGES, SMALL_PAGE));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, OWNER));
	ASSERT_EQ(0, munmap(PAGES + SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(0, iommufd_destroy(FD, OWNER));
	EXPECT_EQ(-ENXIO, try_mmap(FD, OFFSET, LENGTH, PROT_READ, MAP_SHARED));
}

TEST_F(driver_pages, hold_their_owner_for_a_child)
{
	int ready[2], done[2];
	char byte = 0;
	pid_t child;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(done));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		write(ready[1], &byte, 1);
		close(done[1]);
		read(done[0], &byte, 1);
		_exit(*(__u32 *)PAGES != 0xabcd);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_EQ(0, munmap(PAGES, LENGTH));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, OWNER));
	close(done[1]);
	EXPECT_EQ(0, child_status(child));
	EXPECT_EQ(0, iommufd_destroy(FD, OWNER));
}

/* The mapping is the last reference of the file. */
TEST_F(driver_pages, outlive_the_descriptor)
{
	close(FD);
	EXPECT_EQ(0xabcd, *(__u32 *)PAGES);
	PAGES[0] = 1;
	EXPECT_EQ(0, munmap(PAGES, LENGTH));
	FD = -1;
}

/* No mapping is left that would hold it. Another one is there afterwards. */
static bool owner_is_free(DRIVER_PAGES *self)
{
	return !iommufd_destroy(FD, OWNER) &&
	       !mock_viommu(FD, DEV.idev, PARENT, &self->data, &OWNER);
}

TEST_F(driver_pages, are_not_mapped_when_that_fails)
{
	ASSERT_EQ(0, munmap(PAGES, LENGTH));
	WITH_EACH_FAILURE(try_mmap(FD, OFFSET, LENGTH, PROT_READ, MAP_SHARED),
			  owner_is_free(self), 0);
	EXPECT_EQ(0, iommufd_destroy(FD, OWNER));
}

struct guess {
	struct crowd crowd;
	int iommufd;
	__u64 offset;
	size_t length;
	struct goal met;	/* it was there */
};

static int map_if_there(void *data)
{
	struct guess *guess = data;
	int rc;

	while (!crowd_is_over(&guess->crowd)) {
		rc = try_mmap(guess->iommufd, guess->offset, guess->length,
			      PROT_READ, MAP_SHARED);
		if (rc && rc != -ENXIO)
			return rc;
		if (!rc)
			goal_count(&guess->met);
	}
	return 0;
}

#define GUESSES affordable(500)

/* Nobody gets hold of an object that may not come to be, or that goes. */
TEST_F(driver_pages, can_be_guessed_but_not_too_early_or_too_late)
{
	struct guess guess = {
		.iommufd = FD,
		.offset = OFFSET,
		.length = LENGTH,
		.met = { "met", 10 },
	};
	struct iommu_viommu_alloc cmd = {
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = DEV.idev,
		.hwpt_id = PARENT,
		.data_len = sizeof(self->data),
		.data_uptr = (uintptr_t)read_only(&self->data,
						  sizeof(self->data)),
	};
	int i, rc;

	ASSERT_EQ(0, munmap(PAGES, LENGTH));
	ASSERT_EQ(0, iommufd_destroy(FD, OWNER));
	ASSERT_EQ(0, crowd_add(&guess.crowd, map_if_there, &guess));
	for (i = 0; i < GUESSES || !goal_is_reached(&guess.met); i++) {
		EXPECT_EQ(-EFAULT, viommu_alloc_ioctl(FD, &cmd));
		ASSERT_EQ(0, mock_viommu(FD, DEV.idev, PARENT, &self->data,
					 &OWNER));
		EXPECT_EQ(guess.offset, OFFSET);
		do {
			rc = iommufd_destroy(FD, OWNER);
		} while (rc == -EBUSY);
		ASSERT_EQ(0, rc);
	}
	EXPECT_EQ(0, crowd_end(&guess.crowd));
}

TEST_HARNESS_MAIN
