// SPDX-License-Identifier: GPL-2.0-only
/*
 * libiommufd, function by function, on the test device and on QEMU's edu
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "libiommufd.h"
#include "mock_lib.h"

#define PAGE 4096u
#define LENGTH (16 * PAGE)
#define IOVA ((uint64_t)MOCK_APERTURE_START)
#define NO_ID 0x7fff0000u

FIXTURE(libiommufd)
{
	int fd;
	uint32_t ioas;
	char *memory;
};

FIXTURE_SETUP(libiommufd)
{
	self->fd = iommufd_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, iommufd_ioas_alloc(self->fd, &self->ioas));
	self->memory = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(libiommufd)
{
	close(self->fd);
}

#define MAP(flags, iova) \
	iommufd_map(self->fd, self->ioas, flags, self->memory, LENGTH, iova)

TEST_F(libiommufd, maps_where_it_is_told_to)
{
	uint64_t iova = IOVA, unmapped;

	EXPECT_EQ(0, MAP(IOMMUFD_MAP_RW | IOMMUFD_MAP_FIXED, &iova));
	EXPECT_EQ(IOVA, iova);
	EXPECT_EQ(-EEXIST, MAP(IOMMUFD_MAP_RW | IOMMUFD_MAP_FIXED, &iova));
	EXPECT_EQ(0, iommufd_unmap(self->fd, self->ioas, IOVA, LENGTH,
				   &unmapped));
	EXPECT_EQ(LENGTH, unmapped);
	EXPECT_EQ(-ENOENT, iommufd_unmap(self->fd, self->ioas, IOVA, LENGTH,
					 &unmapped));
	EXPECT_EQ(0, unmapped);
}

TEST_F(libiommufd, maps_where_the_kernel_chooses)
{
	uint64_t first = 1, second = 2, unmapped;

	EXPECT_EQ(0, MAP(IOMMUFD_MAP_RW, &first));
	EXPECT_EQ(0, MAP(IOMMUFD_MAP_READ, &second));
	EXPECT_NE(first, second);
	EXPECT_EQ(0, iommufd_unmap_all(self->fd, self->ioas, &unmapped));
	EXPECT_EQ(2 * LENGTH, unmapped);
}

TEST_F(libiommufd, maps_files_and_copies)
{
	uint64_t iova = IOVA, copy = 4 * IOVA;
	int file = memfd_create("libiommufd", MFD_CLOEXEC);
	uint32_t other;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, LENGTH));
	EXPECT_EQ(0, iommufd_map_file(self->fd, self->ioas,
				      IOMMUFD_MAP_RW | IOMMUFD_MAP_FIXED, file,
				      0, LENGTH, &iova));
	ASSERT_EQ(0, iommufd_ioas_alloc(self->fd, &other));
	EXPECT_EQ(0, iommufd_copy(self->fd, other,
				  IOMMUFD_MAP_READ | IOMMUFD_MAP_FIXED,
				  self->ioas, IOVA, LENGTH, &copy));
	EXPECT_EQ(4 * IOVA, copy);
	EXPECT_EQ(0, iommufd_unmap(self->fd, other, 4 * IOVA, LENGTH, NULL));
	EXPECT_EQ(0, iommufd_change_process(self->fd));
	EXPECT_EQ(0, iommufd_destroy(self->fd, other));
	close(file);
}

/* More than there is room for at first */
TEST_F(libiommufd, tells_all_ranges)
{
	struct iommufd_range *ranges;
	uint64_t alignment;
	uint32_t nr, i;

	for (i = 1; i <= 100; i++)
		ASSERT_EQ(0, mock_add_reserved(self->fd, self->ioas, i << 20,
					       PAGE));
	ASSERT_EQ(0, iommufd_ioas_ranges(self->fd, self->ioas, &ranges, &nr,
					 &alignment));
	EXPECT_EQ(101, nr);
	EXPECT_EQ(0, ranges[0].first);
	for (i = 0; i + 1 < nr; i++)
		EXPECT_EQ(((i + 1) << 20) - 1, ranges[i].last);
	EXPECT_EQ(UINT64_MAX, ranges[100].last);
	EXPECT_LE(1, alignment);
	free(ranges);
	EXPECT_EQ(-ENOENT, iommufd_ioas_ranges(self->fd, NO_ID, &ranges, &nr,
					       NULL));
}

TEST_F(libiommufd, has_ranges_allowed)
{
	const struct iommufd_range range = { 0, (1 << 20) - 1 };
	uint64_t iova = IOVA;

	EXPECT_EQ(0, iommufd_ioas_allow(self->fd, self->ioas, &range, 1));
	EXPECT_EQ(0, MAP(IOMMUFD_MAP_RW, &iova));
	EXPECT_GE(range.last, iova + LENGTH - 1);
}

TEST_F(libiommufd, charges_the_process)
{
	int fd = iommufd_open();

	EXPECT_EQ(0, iommufd_charge_process(fd));
	EXPECT_EQ(-EBUSY, iommufd_charge_process(self->fd));
	close(fd);
}

TEST_F(libiommufd, tracks_what_is_written)
{
	unsigned char bitmap[LENGTH / PAGE / 8] = {};
	struct mock_device device;
	uint64_t iova = IOVA;
	uint32_t hwpt;

	if (!mock_available(self->fd))
		SKIP(return, "no test device");
	ASSERT_EQ(0, mock_domain(self->fd, self->ioas, &device));
	ASSERT_EQ(0, iommufd_hwpt_alloc(self->fd, device.idev, self->ioas,
					IOMMUFD_HWPT_DIRTY_TRACKING, 0,
					&hwpt));
	ASSERT_EQ(0, MAP(IOMMUFD_MAP_RW | IOMMUFD_MAP_FIXED, &iova));
	EXPECT_EQ(0, iommufd_hwpt_track_dirty(self->fd, hwpt, true));
	EXPECT_EQ(0, iommufd_hwpt_read_dirty(self->fd, hwpt, IOVA, LENGTH,
					     PAGE, true, bitmap));
	EXPECT_EQ(0, bitmap[0] | bitmap[1]);
	bitmap[0] = 1 << 3;
	ASSERT_EQ(0, mock_dirty(self->fd, hwpt, IOVA, LENGTH, PAGE, bitmap,
				NULL));
	bitmap[0] = 0;
	EXPECT_EQ(0, iommufd_hwpt_read_dirty(self->fd, hwpt, IOVA, LENGTH,
					     PAGE, false, bitmap));
	/* An entry of the page table may be of several pages. */
	EXPECT_TRUE(bitmap[0] & 1 << 3);
	EXPECT_EQ(0, iommufd_hwpt_track_dirty(self->fd, hwpt, false));
}

TEST_F(libiommufd, answers_page_requests)
{
	struct iommufd_fault faults[4];
	uint32_t queue, hwpt, pasid, id;
	struct mock_device device;
	int file;

	if (!mock_available(self->fd))
		SKIP(return, "no test device");
	ASSERT_EQ(0, mock_domain_flags(self->fd, self->ioas,
				       MOCK_FLAGS_DEVICE_PASID, &device));
	EXPECT_EQ(0, iommufd_pasid_alloc(self->fd, device.idev, &pasid, &id));
	ASSERT_EQ(0, iommufd_fault_queue_alloc(self->fd, &queue, &file));
	ASSERT_EQ(0, iommufd_hwpt_alloc(self->fd, device.idev, self->ioas, 0,
					queue, &hwpt));
	ASSERT_EQ(0, mock_domain_replace(self->fd, device.stdev, &hwpt));
	EXPECT_EQ(-EAGAIN, iommufd_fault_read(file, faults, 4));
	ASSERT_EQ(0, mock_trigger_iopf(self->fd, device.idev, 0, 1,
				       IOMMUFD_FAULT_WRITE, IOVA));
	ASSERT_EQ(1, iommufd_fault_read(file, faults, 4));
	EXPECT_EQ(IOVA, faults[0].iova);
	EXPECT_EQ(device.idev, faults[0].device);
	EXPECT_EQ(IOMMUFD_FAULT_WRITE, faults[0].access);
	EXPECT_TRUE(faults[0].last);
	EXPECT_FALSE(faults[0].has_pasid);
	EXPECT_EQ(0, iommufd_fault_answer(file, faults[0].cookie, true));
	EXPECT_EQ(-EINVAL, iommufd_fault_answer(file, faults[0].cookie, true));
	close(file);
}

TEST_F(libiommufd, drives_a_device)
{
	const char *bdf = getenv("EDU_BDF");
	struct iommufd_device *device, *again;
	char path[64];
	uint32_t hwpt;
	size_t size;
	int fd;
	void *bar;

	if (!bdf)
		SKIP(return, "no edu device");
	EXPECT_EQ(0, iommufd_device_path(bdf, path, sizeof(path)));
	EXPECT_EQ(0, strncmp(path, "/dev/vfio/devices/", 18));
	EXPECT_EQ(-ENAMETOOLONG, iommufd_device_path(bdf, path, 10));
	ASSERT_EQ(0, iommufd_device_open(self->fd, bdf, &device));
	fd = iommufd_device_fd(device);
	EXPECT_EQ(-EINVAL, iommufd_device_bind(self->fd, fd, &again));
	EXPECT_EQ(0, iommufd_device_attach(device, self->ioas, &hwpt));
	EXPECT_NE(self->ioas, hwpt);
	EXPECT_EQ(0, iommufd_device_map_bar(device, 0, &bar, &size));
	EXPECT_EQ(0, iommufd_device_enable(device));
	/* its identification, which ends so */
	EXPECT_EQ(0xed, *(volatile uint32_t *)bar & 0xff);
	EXPECT_EQ(0, munmap(bar, size));
	EXPECT_EQ(-EINVAL, iommufd_device_map_bar(device, 6, &bar, &size));
	EXPECT_EQ(0, iommufd_device_detach(device));
	iommufd_device_close(device);
	iommufd_device_close(NULL);
}

TEST_F(libiommufd, finds_no_device_that_is_not_there)
{
	struct iommufd_device *device;
	char path[64];

	EXPECT_EQ(-ENODEV, iommufd_device_path("ffff:ff:1f.7", path, 64));
	EXPECT_EQ(-EINVAL, iommufd_device_path("../../x", path, 64));
	EXPECT_EQ(-ENODEV, iommufd_device_open(self->fd, "ffff:ff:1f.7",
					       &device));
	EXPECT_EQ(-ENOTTY, iommufd_device_bind(self->fd, self->fd, &device));
}

static const struct sentence {
	struct iommufd_refusal refusal;
	const char *text;
	const char *advice;
} sentences[] = {
	{
		{ .why = IOMMU_WHY_MEMLOCK, .numbers = { 256, 512, 640 } },
		"1 MiB are to be pinned; 2 MiB are already, and the limit of locked memory is 2560 KiB",
		"raise the limit by 512 KiB: ulimit -l, prlimit --memlock, LimitMEMLOCK=",
	}, {
		{ .why = IOMMU_WHY_IOVA_TAKEN,
		  .numbers = { 0x1000, 0x1fff, 0, 0xffff } },
		"at IOVA 0x1000-0x1fff something is mapped already: 0x0-0xffff",
		"unmap that first, or let the kernel choose the IOVA",
	}, {
		{ .why = IOMMU_WHY_PRIVILEGE, .numbers = { 24 } },
		"the caller lacks CAP_SYS_RESOURCE", "",
	}, {
		{ .why = 0xffff },
		"reason 65535, which is newer than this library", "",
	},
	{}
};

TEST(a_reason_is_a_sentence)
{
	char text[256], small[8];
	const struct sentence *at;
	int length;

	for (at = sentences; at->text; at++) {
		length = iommufd_why_text(&at->refusal, text, sizeof(text));
		EXPECT_STREQ(at->text, text);
		EXPECT_EQ(strlen(text), length);
		EXPECT_EQ(length, iommufd_why_text(&at->refusal, small,
						   sizeof(small)));
		EXPECT_EQ(0, strncmp(text, small, sizeof(small) - 1));
		EXPECT_EQ(sizeof(small) - 1, strlen(small));
		EXPECT_EQ(length, iommufd_why_text(&at->refusal, NULL, 0));
		length = iommufd_why_advice(&at->refusal, text, sizeof(text));
		EXPECT_STREQ(at->advice, text);
		EXPECT_EQ(strlen(text), length);
	}
}

TEST_F(libiommufd, says_what_was_refused)
{
	struct iommufd_refusal refusal, refusals[4];
	uint32_t nr = 4, why;

	EXPECT_EQ(-ENOENT, iommufd_last_refusal(self->fd, &refusal));
	ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_ID));
	ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_ID + 1));
	EXPECT_EQ(0, iommufd_last_refusal(self->fd, &refusal));
	EXPECT_EQ(2, refusal.number);
	EXPECT_EQ(ENOENT, refusal.error);
	EXPECT_STREQ("no-object", iommufd_why_name(refusal.why));
	EXPECT_STREQ("IOMMU_DESTROY", iommufd_command_name(refusal.command));
	EXPECT_EQ(NO_ID + 1, refusal.numbers[0]);
	EXPECT_EQ(0, iommufd_refusals(self->fd, 0, refusals, &nr));
	EXPECT_EQ(2, nr);
	EXPECT_EQ(0, iommufd_why_of_name("no-object", &why));
	EXPECT_EQ(refusal.why, why);
	EXPECT_EQ(-ENOENT, iommufd_why_of_name("nonsense", &why));
}

TEST(version_is_that_of_the_header)
{
	EXPECT_STREQ("1.0.0", iommufd_version());
}

TEST_HARNESS_MAIN
