// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of every call fails in turn. The call says so and leaves
 * everything as it was, and works the next time.
 *
 * An operation is run with the first allocation in it failing, then with the
 * second, and so on until it comes to its end without a failure.
 */

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "fail_each.h"
#include "test_support.h"

#define IOVA (16 * MIB)
#define MAP_LENGTH (2 * MIB + 16 * SMALL_PAGE)
#define TIMEOUT 120

FIXTURE(failing)
{
	struct edu_rig rig;
	struct memory_rig mem;
	int fail_nth;
};

FIXTURE_SETUP(failing)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, 2 * HUGE_PAGE));
	self->fail_nth = fail_nth_open();
	if (self->fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
}

FIXTURE_TEARDOWN_PARENT(failing)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->mem.va)

TEST_F_TIMEOUT(failing, alloc_takes_no_id, TIMEOUT)
{
	__u32 first = next_id(FD), id;

	WITH_EACH_FAILURE(ioas_alloc(FD, &id), next_id(FD) == first,
			  iommufd_destroy(FD, id));
	EXPECT_EQ(first, next_id(FD));
}

static bool iova_is_free(struct edu_rig *rig, __u64 iova, __u64 length)
{
	return ioas_unmap(rig->iommufd, rig->ioas, iova, length, NULL) ==
	       -ENOENT;
}

TEST_F_TIMEOUT(failing, map_without_device_takes_no_iova, TIMEOUT)
{
	WITH_EACH_FAILURE(ioas_map_at(FD, IOAS, VA, MAP_LENGTH, IOVA),
			  iova_is_free(&self->rig, IOVA, MAP_LENGTH),
			  ioas_unmap(FD, IOAS, IOVA, MAP_LENGTH, NULL),
			  -ENOENT);
}

TEST_F_TIMEOUT(failing, map_pins_nothing, TIMEOUT)
{
	long pinned;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	pinned = vm_pinned();
	WITH_EACH_FAILURE(ioas_map_at(FD, IOAS, VA, MAP_LENGTH, IOVA),
			  iova_is_free(&self->rig, IOVA, MAP_LENGTH) &&
			  vm_pinned() == pinned,
			  ioas_unmap(FD, IOAS, IOVA, MAP_LENGTH, NULL),
			  -ENOENT);
	EXPECT_EQ(pinned, vm_pinned());
}

/* A page table is made at a different place each time. */
TEST_F_TIMEOUT(failing, map_of_scattered_pages_pins_nothing, TIMEOUT)
{
	const size_t length = 512 * SMALL_PAGE;
	struct memory mem;
	__u64 iova = IOVA;
	long pinned;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL_RANDOM, length));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	pinned = vm_pinned();
	WITH_EACH_FAILURE((iova += 1 * GIB,
			   ioas_map_at(FD, IOAS, mem.va, length, iova)),
			  iova_is_free(&self->rig, iova, length) &&
			  vm_pinned() == pinned,
			  ioas_unmap(FD, IOAS, iova, length, NULL), -ENOENT);
	EXPECT_EQ(pinned, vm_pinned());
}

TEST_F_TIMEOUT(failing, map_of_a_scattered_file_pins_nothing, TIMEOUT)
{
	struct memory mem;
	__u64 iova = IOVA;
	long pins;
	int fd;

	ASSERT_EQ(0, memory_alloc_file(&mem, PAGES_SMALL_RANDOM,
				       64 * SMALL_PAGE, &fd));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	pins = pins_held();
	WITH_EACH_FAILURE(ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, fd, 0,
					mem.length, &iova),
			  pins_held() == pins,
			  ioas_unmap(FD, IOAS, IOVA, mem.length, NULL),
			  -ENOENT);
	EXPECT_EQ(pins, pins_held());
	memory_free(&mem);
	close(fd);
}

TEST_F_TIMEOUT(failing, map_of_a_chosen_iova_pins_nothing, TIMEOUT)
{
	__u64 first, iova;
	long pinned;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	pinned = vm_pinned();
	ASSERT_EQ(0, ioas_map(FD, IOAS, VA, SMALL_PAGE, &first));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, first, SMALL_PAGE, NULL));
	WITH_EACH_FAILURE(ioas_map(FD, IOAS, VA, SMALL_PAGE, &iova),
			  iova_is_free(&self->rig, first, SMALL_PAGE) &&
			  vm_pinned() == pinned,
			  ioas_unmap(FD, IOAS, first, SMALL_PAGE, NULL),
			  -ENOENT);
	EXPECT_EQ(first, iova);
}

/* Only to read or to tell something fails, and then the map is still there. */
TEST_F_TIMEOUT(failing, unmap_needs_no_memory, TIMEOUT)
{
	bool failed = true;
	long pinned;
	int rc, nth;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	pinned = vm_pinned();
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, MAP_LENGTH, IOVA));
		fail_nth_set(self->fail_nth, nth);
		rc = ioas_unmap(FD, IOAS, IOVA, MAP_LENGTH, NULL);
		failed = fail_nth_happened(self->fail_nth);
		EXPECT_TRUE(rc == 0 ||
			    (failed && is_injected_failure_without_memory(rc)))
			TH_LOG("allocation %d: %d", nth, rc);
		EXPECT_EQ(rc ? 0 : -ENOENT,
			  ioas_unmap(FD, IOAS, IOVA, MAP_LENGTH, NULL))
			TH_LOG("allocation %d: %d", nth, rc);
		ioas_unmap_all(FD, IOAS, NULL);
		ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->rig.scratch,
					 SMALL_PAGE, SCRATCH_IOVA));
		EXPECT_EQ(pinned, vm_pinned());
	}
	EXPECT_FALSE(failed);
}

TEST_F_TIMEOUT(failing, destroy_needs_no_memory, TIMEOUT)
{
	bool failed = true;
	int rc, nth;
	__u32 id;

	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		ASSERT_EQ(0, ioas_alloc(FD, &id));
		ASSERT_EQ(0, ioas_map_at(FD, id, VA, SMALL_PAGE, IOVA));
		fail_nth_set(self->fail_nth, nth);
		rc = iommufd_destroy(FD, id);
		failed = fail_nth_happened(self->fail_nth);
		EXPECT_TRUE(rc == 0 || (rc == -EFAULT && failed))
			TH_LOG("allocation %d: %d", nth, rc);
		if (rc)
			ASSERT_EQ(0, iommufd_destroy(FD, id));
	}
	EXPECT_FALSE(failed);
}

static bool chooses(struct edu_rig *rig, const void *va, __u64 start)
{
	__u64 iova;

	if (ioas_map(rig->iommufd, rig->ioas, va, SMALL_PAGE, &iova))
		return false;
	ioas_unmap(rig->iommufd, rig->ioas, iova, SMALL_PAGE, NULL);
	return iova == start;
}

TEST_F_TIMEOUT(failing, allow_leaves_the_old_list, TIMEOUT)
{
	const struct iommu_iova_range old = { 3 * MIB, 4 * MIB };
	const struct iommu_iova_range new[] = {
		{ 5 * MIB, 6 * MIB },
		{ 7 * MIB, 8 * MIB },
		{ 9 * MIB, 10 * MIB },
	};

	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, &old, 1));
	WITH_EACH_FAILURE(ioas_allow_iovas(FD, IOAS, new, 3),
			  chooses(&self->rig, VA, old.start),
			  !chooses(&self->rig, VA, new[0].start) ||
			  ioas_allow_iovas(FD, IOAS, &old, 1), -ENOENT);
}

static bool huge_pages_are(struct edu_rig *rig, __u64 wanted)
{
	__u64 value;

	return !iommufd_option_get(rig->iommufd, IOMMU_OPTION_HUGE_PAGES,
				   rig->ioas, &value) && value == wanted;
}

TEST_F_TIMEOUT(failing, ranges_and_options_fail_cleanly, TIMEOUT)
{
	struct iommu_iova_range range;
	__u64 value, first;
	__u32 count;

	ASSERT_EQ(0, ioas_map(FD, IOAS, VA, SMALL_PAGE, &first));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, first, SMALL_PAGE, NULL));
	WITH_EACH_FAILURE((count = 1,
			   ioas_iova_ranges(FD, IOAS, &range, &count, NULL)),
			  chooses(&self->rig, VA, first),
			  !chooses(&self->rig, VA, first), -ENOENT);
	WITH_EACH_FAILURE(iommufd_option_get(FD, IOMMU_OPTION_HUGE_PAGES, IOAS,
					     &value),
			  huge_pages_are(&self->rig, 1), value != 1, -ENOENT);
	WITH_EACH_FAILURE(iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS,
					     0),
			  huge_pages_are(&self->rig, 1),
			  !huge_pages_are(&self->rig, 0) ||
			  iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS,
					     1), -ENOENT);
}

/* As if the device had never tried? */
static bool is_detached(struct edu_rig *rig, __u32 first_id)
{
	struct iommu_iova_range range;
	__u32 count = 1;

	return !ioas_iova_ranges(rig->iommufd, rig->ioas, &range, &count,
				 NULL) &&
	       range.start == 0 && range.last == UINT64_MAX &&
	       vm_pinned() == 0 && next_id(rig->iommufd) == first_id;
}

TEST_F_TIMEOUT(failing, attach_changes_nothing, TIMEOUT)
{
	__u32 first = next_id(FD);

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, MAP_LENGTH, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, 8 * GIB));
	WITH_EACH_FAILURE(vfio_attach(&self->rig.edu, IOAS),
			  is_detached(&self->rig, first),
			  vfio_detach(&self->rig.edu), -ENOENT, -EINVAL);
	EXPECT_TRUE(is_detached(&self->rig, first));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	pattern_fill(VA, SMALL_PAGE, 1);
	EXPECT_EQ(REACHED, device_read(&self->rig, 8 * GIB, VA, SMALL_PAGE));
}

TEST_F_TIMEOUT(failing, detach_needs_no_memory, TIMEOUT)
{
	__u32 first = next_id(FD);
	bool failed = true;
	int rc, nth;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, MAP_LENGTH, IOVA));
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		ASSERT_EQ(0, vfio_attach(&self->rig.edu, IOAS));
		fail_nth_set(self->fail_nth, nth);
		rc = vfio_detach(&self->rig.edu);
		failed = fail_nth_happened(self->fail_nth);
		EXPECT_TRUE(rc == 0 || (rc == -EFAULT && failed))
			TH_LOG("allocation %d: %d", nth, rc);
		if (rc)
			ASSERT_EQ(0, vfio_detach(&self->rig.edu));
		EXPECT_TRUE(is_detached(&self->rig, first));
	}
	EXPECT_FALSE(failed);
}

/*
 * While the device stays enabled, vfio does not need ACPI to enable it. That
 * is not to fail here: ACPI would go astray.
 */
static int keep_enabled(const char *bdf, const char *enabled)
{
	char path[128];
	int rc;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind",
		 bdf);
	rc = file_write(path, bdf);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", bdf);
	if (!rc)
		rc = file_write(path, enabled);
	return rc ? rc : vfio_claim(bdf);
}

TEST_F_TIMEOUT(failing, bind_leaves_no_object, TIMEOUT)
{
	char bdf[BDF_SIZE];
	__u32 first;

	memcpy(bdf, self->rig.edu.bdf, sizeof(bdf));
	vfio_close(&self->rig.edu);
	first = next_id(FD);
	ASSERT_EQ(0, keep_enabled(bdf, "1"));
	ASSERT_EQ(0, vfio_open(&self->rig.edu, bdf));
	WITH_EACH_FAILURE(vfio_bind(&self->rig.edu, FD),
			  next_id(FD) == first,
			  (vfio_close(&self->rig.edu),
			   vfio_open(&self->rig.edu, bdf)));
	EXPECT_EQ(first, next_id(FD));
	vfio_close(&self->rig.edu);
	EXPECT_EQ(0, keep_enabled(bdf, "0"));
}

TEST_F_TIMEOUT(failing, charges_are_undone, TIMEOUT)
{
	const size_t limit = MAP_LENGTH;

	ASSERT_EQ(0, vfio_attach(&self->rig.edu, IOAS));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	ASSERT_EQ(0, limit_memlock(limit));
	WITH_EACH_FAILURE(ioas_map_at(FD, IOAS, VA, MAP_LENGTH, IOVA),
			  vm_pinned() == 0,
			  ioas_unmap(FD, IOAS, IOVA, MAP_LENGTH, NULL),
			  -ENOENT);
	/* all of the limit is left */
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, MAP_LENGTH, IOVA));
	EXPECT_EQ(-ENOMEM, ioas_map_at(FD, IOAS, VA + MAP_LENGTH, SMALL_PAGE,
				       IOVA + 16 * MIB));
}

/* Without anything left of the limit it takes halves, and these take memory. */
TEST_F_TIMEOUT(failing, second_map_at_the_limit_pins_nothing, TIMEOUT)
{
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, IOAS));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	ASSERT_EQ(0, limit_memlock(MAP_LENGTH));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, MAP_LENGTH, IOVA));
	WITH_EACH_FAILURE(ioas_map_at(FD, IOAS, VA, MAP_LENGTH,
				      IOVA + 16 * MIB),
			  vm_pinned() == MAP_LENGTH,
			  ioas_unmap(FD, IOAS, IOVA + 16 * MIB, MAP_LENGTH,
				     NULL), -ENOENT);
	EXPECT_EQ(MAP_LENGTH, vm_pinned());
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, MAP_LENGTH, NULL));
	EXPECT_EQ(0, vm_pinned());
}

TEST(opening_the_file_may_fail)
{
	int fail_nth = fail_nth_open();
	bool failed = true;
	int nth, iommufd;
	__u32 id;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		fail_nth_set(fail_nth, nth);
		iommufd = iommufd_open();
		failed = fail_nth_happened(fail_nth);
		if (iommufd < 0) {
			ASSERT_TRUE(failed);
			continue;
		}
		ASSERT_EQ(0, ioas_alloc(iommufd, &id));
		EXPECT_EQ(1, id);
		close(iommufd);
	}
	EXPECT_FALSE(failed);
}

TEST_HARNESS_MAIN
