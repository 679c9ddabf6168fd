// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices on an IOAS: how they come, move and go, and what becomes of memory
 * and page tables then. The devices are QEMU's "edu" and "igb", bound to
 * vfio-pci.
 *
 * Every fixture compares the pins of the whole system before and after the
 * test, whose process has ended by then.
 */
#include <fcntl.h>
#include <limits.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "device_fixture.h"
#include "test_support.h"
#include "vfio_igb.h"

TEST_F(device, belongs_to_its_driver)
{
	__u32 id = self->rig.edu.id;

	EXPECT_NE(0, id);
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, id));
	EXPECT_EQ(0, ATTACH());
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, id));
	EXPECT_EQ(0, DETACH());
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, id));
	vfio_close(&self->rig.edu);
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, id));
}

TEST_F(device, can_be_bound_again)
{
	int other = iommufd_open();

	vfio_close(&self->rig.edu);
	ASSERT_EQ(0, edu_setup(&self->rig.edu, other));
	vfio_close(&self->rig.edu);
	ASSERT_EQ(0, edu_setup(&self->rig.edu, FD));
	EXPECT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

/* Each test that has BLOCKED relies on this. */
TEST_F(device, that_does_not_reach_the_rigs_page_tells_nothing)
{
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(BROKEN, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	EXPECT_EQ(BROKEN, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(-EIO, device_writes(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(0, edu_rig_map(&self->rig, IOAS));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	pattern_fill(PAGE, SMALL_PAGE, 2);
	EXPECT_EQ(MISREAD, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

TEST_F(device, is_no_ioas)
{
	struct iommu_vfio_ioas vfio = {
		.size = sizeof(vfio),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = self->rig.edu.id,
	};
	__u32 id = self->rig.edu.id, count = 0;
	__u64 value;

	EXPECT_EQ(-ENOENT, ioas_map_at(FD, id, PAGE, SMALL_PAGE, IOVA));
	EXPECT_EQ(-ENOENT, ioas_unmap(FD, id, IOVA, SMALL_PAGE, NULL));
	EXPECT_EQ(-ENOENT, ioas_unmap_all(FD, id, NULL));
	EXPECT_EQ(-ENOENT, ioas_iova_ranges(FD, id, NULL, &count, NULL));
	EXPECT_EQ(-ENOENT, ioas_allow_iovas(FD, id, NULL, 0));
	EXPECT_EQ(-ENOENT, iommufd_option_get(FD, IOMMU_OPTION_HUGE_PAGES, id,
					      &value));
	EXPECT_EQ(-ENOENT, checked_ioctl(FD, IOMMU_VFIO_IOAS, &vfio));
}

TEST_F(device, counts_as_an_object_of_the_file)
{
	ASSERT_EQ(0, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(-EBUSY, iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE, 0,
					     1));
	vfio_close(&self->rig.edu);
	EXPECT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
}

TEST_F(device, gets_a_page_table_that_goes_with_it)
{
	__u32 pt = IOAS, next;

	ASSERT_EQ(0, vfio_attach_pt(&self->rig.edu, &pt));
	EXPECT_NE(IOAS, pt);
	EXPECT_NE(self->rig.edu.id, pt);
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, pt));
	EXPECT_EQ(-ENOENT, ioas_unmap_all(FD, pt, NULL));
	EXPECT_EQ(0, DETACH());
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, pt));
	ASSERT_EQ(0, ioas_alloc(FD, &next));
	EXPECT_EQ(pt, next);
}

TEST_F(device, cannot_be_attached_to_what_is_no_ioas)
{
	int other = iommufd_open();
	__u32 id, i;

	for (i = 0; i < 5; i++) {
		int rc = ioas_alloc(other, &id);

		ASSERT_EQ(0, rc);
	}
	EXPECT_EQ(-ENOENT, vfio_attach(&self->rig.edu, 0));
	EXPECT_EQ(-ENOENT, vfio_attach(&self->rig.edu, NO_SUCH_ID));
	EXPECT_EQ(-ENOENT, vfio_attach(&self->rig.edu, id));
	EXPECT_EQ(-EINVAL, vfio_attach(&self->rig.edu, self->rig.edu.id));
	EXPECT_EQ(0, ATTACH());
	close(other);
}

TEST_F(device, keeps_its_ioas_while_attached)
{
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(0, DETACH());
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(device, can_come_and_go)
{
	int i, rc = 0;

	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	for (i = 0; i < 20 && !rc; i++) {
		rc = ATTACH();
		EXPECT_EQ(SMALL_PAGE, vm_pinned());
		if (!rc)
			rc = DETACH();
		EXPECT_EQ(0, vm_pinned());
	}
	EXPECT_EQ(0, rc);
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

TEST_F(device, detaches_when_it_is_closed)
{
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	vfio_close(&self->rig.edu);
	EXPECT_EQ(0, vm_pinned());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(device, keeps_the_file_while_it_is_open)
{
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	close(FD);
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	vfio_close(&self->rig.edu);
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

/* Attaching while attached is a replacement. */
TEST_F(device, attached_twice_to_one_ioas_stays_there)
{
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(0, ATTACH());
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, DETACH());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
}

TEST_F(device, stays_where_it_is_when_it_cannot_move)
{
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(-ENOENT, vfio_attach(&self->rig.edu, NO_SUCH_ID));
	EXPECT_EQ(-EINVAL, vfio_attach(&self->rig.edu, self->rig.edu.id));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

TEST_F(device, stays_where_it_is_if_it_cannot_make_page_requests)
{
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = self->rig.edu.id,
		.pt_id = IOAS,
	};
	int queue;

	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, fault_queue_alloc(FD, &cmd.fault_id, &queue));
	if (hwpt_alloc_ioctl(FD, &cmd))
		SKIP(return, "the IOMMU has no page requests");
	if (!vfio_attach(&self->rig.edu, cmd.out_hwpt_id))
		SKIP(return, "the device needs no page requests");
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, iommufd_destroy(FD, cmd.out_hwpt_id));
	EXPECT_EQ(0, DETACH());
	EXPECT_EQ(0, ATTACH());
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

TEST_F(device, may_be_detached_when_it_is_not_attached)
{
	EXPECT_EQ(0, DETACH());
	EXPECT_EQ(0, ATTACH());
	EXPECT_EQ(0, DETACH());
	EXPECT_EQ(0, DETACH());
}

TEST_F(device, without_pasids_is_attached_to_none)
{
	__u32 pt;

	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, hwpt_alloc(FD, self->rig.edu.id, IOAS,
				IOMMU_HWPT_ALLOC_PASID, &pt));
	EXPECT_EQ(-EOPNOTSUPP, vfio_attach_pasid(&self->rig.edu, 1, pt));
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, pt));
	EXPECT_EQ(-EOPNOTSUPP, vfio_attach_pasid(&self->rig.edu, 1, pt));
	EXPECT_EQ(-EOPNOTSUPP, vfio_attach_pasid(&self->rig.edu, INT_MAX, pt));
	EXPECT_EQ(-EOPNOTSUPP, vfio_attach_pasid(&self->rig.edu, 1, IOAS));
	EXPECT_EQ(-ENOENT, vfio_attach_pasid(&self->rig.edu, 1, NO_SUCH_ID));
	/* nor does it keep the device from other page tables */
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, iommufd_destroy(FD, pt));
}

/* -- several maps, IOASes and devices -- */

TEST_F(device, loses_only_the_map_that_goes)
{
	char *va = anonymous(2 * SMALL_PAGE);

	pattern_fill(va, 2 * SMALL_PAGE, 6);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP(va, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, MAP(va + SMALL_PAGE, SMALL_PAGE, IOVA + SMALL_PAGE));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + 1000, va + 1000,
				       SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + SMALL_PAGE,
				       va + SMALL_PAGE, SMALL_PAGE));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA, va, SMALL_PAGE));
}

TEST_F(device, may_see_one_page_at_two_places)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + MIB, pattern,
				       SMALL_PAGE));
}

TEST_F(device, sees_one_ioas_at_a_time)
{
	char *page = anonymous(SMALL_PAGE);
	__u32 other;

	pattern_fill(page, SMALL_PAGE, 2);
	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, other, page, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, other, self->rig.scratch, SMALL_PAGE,
				 SCRATCH_IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, other));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, page, SMALL_PAGE));
	EXPECT_EQ(2 * SMALL_PAGE, vm_pinned());
}

TEST_F(device, moves_nothing_while_detached)
{
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(0, DETACH());
	memset(PAGE, 0, SMALL_PAGE);
	EXPECT_EQ(0, edu_dma_from_device(&self->rig.edu, 0, IOVA, SMALL_PAGE));
	EXPECT_TRUE(memory_is(PAGE, 0, SMALL_PAGE));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, edu_dma_from_device(&self->rig.edu, 0, IOVA, SMALL_PAGE));
	EXPECT_EQ(0, memcmp(PAGE, pattern, SMALL_PAGE));
}

FIXTURE(devices)
{
	struct edu_rig rig;
	struct vfio_dev other;
	struct memory_rig page;
};

FIXTURE_SETUP(devices)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(igb_rig_make(&self->other, FD));
	MAKE(memory_rig_make(&self->page, PAGES_SMALL, SMALL_PAGE));
	pattern_fill(pattern, sizeof(pattern), 1);
}

FIXTURE_TEARDOWN_PARENT(devices)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

TEST_F(devices, share_the_page_table_and_pins_of_an_ioas)
{
	__u32 first = IOAS, second = IOAS;

	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, vfio_attach_pt(&self->rig.edu, &first));
	ASSERT_EQ(0, vfio_attach_pt(&self->other, &second));
	EXPECT_EQ(first, second);
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, DETACH());
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, first));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(0, vfio_detach(&self->other));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, first));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(devices, both_see_what_is_mapped_and_not_what_is_unmapped)
{
	char *buffer = anonymous(2 * SMALL_PAGE);
	char *rings = anonymous(IGB_RING_BYTES);
	struct igb igb;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, vfio_attach(&self->other, IOAS));
	ASSERT_EQ(0, MAP(rings, IGB_RING_BYTES, IOVA));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA + MIB));
	ASSERT_EQ(0, MAP(buffer, 2 * SMALL_PAGE, IOVA + 2 * MIB));
	ASSERT_EQ(0, igb_start(&igb, &self->other, rings, IOVA));
	EXPECT_EQ(0, igb_copy(&igb, IOVA + 2 * MIB, IOVA + MIB, 500));
	EXPECT_EQ(0, memcmp(buffer, pattern, 500));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA + 2 * MIB, pattern,
				       500));

	memset(buffer, 0, SMALL_PAGE);
	ASSERT_EQ(0, UNMAP(IOVA + MIB, SMALL_PAGE));
	/* a frame may still arrive, but not with these bytes */
	igb_copy(&igb, IOVA + 2 * MIB, IOVA + MIB, 500);
	EXPECT_NE(0, memcmp(buffer, pattern, 500));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA + MIB, pattern, 500));
	igb_stop(&igb);
}

TEST_F(devices, on_two_ioases_see_only_their_own)
{
	__u32 other, first, second;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	first = IOAS;
	second = other;
	ASSERT_EQ(0, vfio_attach_pt(&self->rig.edu, &first));
	ASSERT_EQ(0, vfio_attach_pt(&self->other, &second));
	EXPECT_NE(first, second);
	ASSERT_EQ(0, edu_rig_map(&self->rig, IOAS));
	ASSERT_EQ(0, ioas_map_at(FD, other, PAGE, SMALL_PAGE, IOVA));
	EXPECT_EQ(BLOCKED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap_all(FD, other, NULL));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, vfio_detach(&self->other));
	EXPECT_EQ(0, iommufd_destroy(FD, other));
}

TEST_F(devices, one_that_is_refused_leaves_the_other_working)
{
	struct iommu_iova_range ranges[8], now[8];
	__u32 count = 8, count_now = 8, other;
	struct reserved_region msi;

	ASSERT_EQ(0, msi_window(self->other.bdf, &msi));
	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, ioas_map_at(FD, other, PAGE, SMALL_PAGE,
				 msi.start));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, ranges, &count, NULL));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&self->other, other));
	EXPECT_EQ(0, vfio_attach(&self->other, IOAS));
	EXPECT_EQ(0, vfio_detach(&self->other));
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, now, &count_now, NULL));
	EXPECT_EQ(count, count_now);
	EXPECT_EQ(0, memcmp(ranges, now, count * sizeof(*now)));
	EXPECT_EQ(REACHED, device_read(&self->rig, IOVA, pattern, SMALL_PAGE));
}

/* -- the end -- */

FIXTURE(end)
{
	struct edu_rig rig;
};

FIXTURE_VARIANT(end)
{
	bool file_first;
	bool detach;
	bool memory_first;
};

FIXTURE_VARIANT_ADD(end, of_the_device_then_the_file)
{
};

FIXTURE_VARIANT_ADD(end, of_the_file_then_the_device)
{
	.file_first = true,
};

FIXTURE_VARIANT_ADD(end, of_the_attachment_then_the_file)
{
	.file_first = true,
	.detach = true,
};

FIXTURE_VARIANT_ADD(end, of_the_memory_then_the_device)
{
	.memory_first = true,
};

FIXTURE_VARIANT_ADD(end, of_the_memory_then_the_file)
{
	.memory_first = true,
	.file_first = true,
};

FIXTURE_SETUP(end)
{
	MAKE(edu_rig_make(&self->rig));
}

FIXTURE_TEARDOWN_PARENT(end)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

#define END FIXTURE_DATA(end)
#define END_VARIANT FIXTURE_VARIANT(end)

/* What a variant has come to an end before the rest does. */
static int begin_end(END *self, const END_VARIANT *variant)
{
	char *va = anonymous(MIB);
	int rc;

	rc = MAP(va, MIB, IOVA) ?: ATTACH() ?: MAP(va, MIB, IOVA + MIB);
	if (!rc && variant->memory_first)
		rc = munmap(va, MIB);
	if (!rc && variant->detach)
		rc = DETACH();
	if (!rc && variant->file_first)
		rc = close(FD);
	return rc;
}

TEST_F(end, gives_all_memory_back)
{
	ASSERT_EQ(0, begin_end(self, variant));
	vfio_close(&self->rig.edu);
	if (!variant->file_first)
		close(FD);
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

TEST_F(end, by_exit_gives_all_memory_back)
{
	ASSERT_EQ(0, begin_end(self, variant));
	/* the rest is left to the end of the process; see the teardown */
}

/* -- the program that the documentation begins with -- */

/* It is beside this one. */
static int run_first_program(const char *device)
{
	static const char name[] = "/first_dma";
	char program[PATH_MAX + sizeof(name)] = "";
	pid_t pid;

	if (readlink("/proc/self/exe", program, PATH_MAX) < 0)
		return -errno;
	memcpy(strrchr(program, '/'), name, sizeof(name));
	pid = fork();
	if (!pid) {
		execl(program, program, device, NULL);
		_exit(127);
	}
	return child_status(pid);
}

TEST(first_program_of_the_documentation_works)
{
	char bdf[BDF_SIZE], device[PATH_MAX];

	if (pci_find(EDU_VENDOR, EDU_DEVICE, bdf) == -ENODEV)
		SKIP(return, "no edu device");
	ASSERT_EQ(0, vfio_claim(bdf));
	ASSERT_EQ(0, vfio_device_path(bdf, device, sizeof(device)));
	EXPECT_EQ(0, run_first_program(device));
}

TEST_HARNESS_MAIN
