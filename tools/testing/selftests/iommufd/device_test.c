// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices on an IOAS: what they may reach, and what they must not. The
 * devices are QEMU's "edu" and "igb", bound to vfio-pci.
 *
 * Every fixture compares the pins of the whole system before and after the
 * test, whose process has ended by then.
 */
#include <fcntl.h>
#include <limits.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "test_support.h"
#include "vfio_igb.h"

#define IOVA (16 * MIB)

static unsigned char pattern[SMALL_PAGE];

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
	ASSERT_TRUE(device_reads(&self->rig, iova, last, SMALL_PAGE));
	ASSERT_EQ(0, ioas_unmap(self->rig.iommufd, self->rig.ioas, IOVA,
				self->mem.length, &unmapped));
	EXPECT_EQ(self->mem.length, unmapped);
	EXPECT_FALSE(device_reads(&self->rig, iova, last, SMALL_PAGE));
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

	ASSERT_EQ(0, iommufd_option_set(self->rig.iommufd,
					IOMMU_OPTION_HUGE_PAGES,
					self->rig.ioas, 0));
	ASSERT_EQ(0, map_and_attach(&self->rig, &self->mem, 0, IOVA,
				    variant->late));
	pattern_fill(middle, 200, 3);
	EXPECT_TRUE(device_reads(&self->rig, IOVA + self->mem.length / 2 - 100,
				 middle, 200));
	EXPECT_EQ(0, ioas_unmap(self->rig.iommufd, self->rig.ioas, IOVA,
				self->mem.length, NULL));
}

/* -- one device that is bound, and attached when the test says so -- */

FIXTURE(device)
{
	struct edu_rig rig;
	struct memory_rig page;	/* filled with pattern */
};

FIXTURE_SETUP(device)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->page, PAGES_SMALL, SMALL_PAGE));
	pattern_fill(pattern, sizeof(pattern), 1);
}

FIXTURE_TEARDOWN_PARENT(device)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define PAGE (self->page.va)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)
#define DETACH() vfio_detach(&self->rig.edu)
#define MAP(va, length, iova) ioas_map_at(FD, IOAS, va, length, iova)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)

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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, DETACH());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
}

TEST_F(device, stays_where_it_is_when_it_cannot_move)
{
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	EXPECT_NE(0, vfio_attach(&self->rig.edu, NO_SUCH_ID));
	EXPECT_NE(0, vfio_attach(&self->rig.edu, self->rig.edu.id));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, iommufd_destroy(FD, cmd.out_hwpt_id));
	EXPECT_EQ(0, DETACH());
	EXPECT_EQ(0, ATTACH());
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, iommufd_destroy(FD, pt));
}

/* -- IOVAs that follow from the device -- */

TEST_F(device, narrows_the_iovas_to_what_it_may_use)
{
	struct reserved_region regions[16];
	struct iommu_iova_range ranges[16];
	__u32 count = 16;
	int total, i, j;

	total = iovas_reserved(self->rig.edu.bdf, regions, 16);
	ASSERT_LT(0, total);
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, ranges, &count, NULL));
	ASSERT_LT(0, count);
	/* the aperture ends before the space does, after a power of two */
	EXPECT_GT(UINT64_MAX, ranges[count - 1].last);
	EXPECT_EQ(0, ranges[count - 1].last & (ranges[count - 1].last + 1));
	for (i = 0; i < total; i++) {
		if (!strcmp(regions[i].type, "direct-relaxable"))
			continue;
		for (j = 0; j < count; j++)
			EXPECT_TRUE(ranges[j].last < regions[i].start ||
				    ranges[j].start > regions[i].last);
	}
	for (j = 1; j < count; j++)
		EXPECT_LT(ranges[j - 1].last, ranges[j].start);
	EXPECT_EQ(0, DETACH());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
}

TEST_F(device, leaves_the_iovas_on_both_sides_of_its_msi_window)
{
	struct iommu_iova_range ranges[2] = {};
	struct reserved_region msi;
	__u32 count = 1;

	ASSERT_EQ(0, msi_window(self->rig.edu.bdf, &msi));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-EMSGSIZE, ioas_iova_ranges(FD, IOAS, ranges, &count, NULL));
	EXPECT_EQ(2, count);
	EXPECT_EQ(0, ranges[0].start);
	EXPECT_EQ(msi.start - 1, ranges[0].last);
	EXPECT_EQ(0, ranges[1].last);
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, ranges, &count, NULL));
	EXPECT_EQ(msi.last + 1, ranges[1].start);
}

TEST_F(device, raises_the_alignment_to_its_smallest_page)
{
	struct iommu_iova_range ranges[8];
	__u64 alignment;
	__u32 count = 8;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, ranges, &count, &alignment));
	EXPECT_EQ(SMALL_PAGE, alignment);
	EXPECT_EQ(-EINVAL, MAP(PAGE, SMALL_PAGE, IOVA + 1));
	EXPECT_EQ(-EINVAL, MAP(PAGE, SMALL_PAGE - 1, IOVA));
	EXPECT_EQ(-EINVAL, MAP(PAGE + 1, SMALL_PAGE, IOVA));
	EXPECT_EQ(-EINVAL, MAP(PAGE, 1, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, DETACH());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
}

/* Which device has reserved what the last map was to have? 0 is none. */
static long last_reserved_by(int iommufd)
{
	struct iommu_refusal last;

	if (refusal_last(iommufd, 0, &last))
		return -ENOENT;
	if (last.why != IOMMU_WHY_IOVA_RESERVED)
		return -EINVAL;
	return last.numbers[4];
}

TEST_F(device, refuses_maps_that_touch_reserved_iovas)
{
	struct iommu_iova_range ranges[8];
	struct reserved_region msi;
	__u32 count = 8;
	__u64 end;

	ASSERT_EQ(0, msi_window(self->rig.edu.bdf, &msi));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, ranges, &count, NULL));
	end = ranges[count - 1].last + 1;
	EXPECT_EQ(-EINVAL, MAP(PAGE, SMALL_PAGE, msi.start));
	EXPECT_EQ(self->rig.edu.id, last_reserved_by(FD));
	EXPECT_EQ(-EINVAL, MAP(PAGE, SMALL_PAGE,
			       msi.last + 1 - SMALL_PAGE));
	EXPECT_EQ(-EINVAL, MAP(PAGE, 2 * SMALL_PAGE,
			       msi.start - SMALL_PAGE));
	EXPECT_EQ(-EINVAL, MAP(PAGE, SMALL_PAGE, end));
	EXPECT_EQ(0, last_reserved_by(FD));
	EXPECT_EQ(-EINVAL, MAP(PAGE, 2 * SMALL_PAGE, end - SMALL_PAGE));
	EXPECT_EQ(-EINVAL, MAP(PAGE, SMALL_PAGE,
			       UINT64_MAX - SMALL_PAGE + 1));
	EXPECT_EQ(0, MAP(PAGE, SMALL_PAGE, msi.start - SMALL_PAGE));
	EXPECT_EQ(0, MAP(PAGE, SMALL_PAGE, msi.last + 1));
	EXPECT_EQ(0, MAP(PAGE, SMALL_PAGE, end - SMALL_PAGE));
	EXPECT_EQ(0, MAP(PAGE, SMALL_PAGE, 0));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_F(device, gets_no_iova_chosen_that_it_may_not_use)
{
	struct iommu_iova_range around[2];
	struct reserved_region msi;
	__u64 iova;

	ASSERT_EQ(0, msi_window(self->rig.edu.bdf, &msi));
	ASSERT_EQ(0, ATTACH());
	around[0] = (struct iommu_iova_range){ msi.start - SMALL_PAGE,
					       msi.start - 1 };
	around[1] = (struct iommu_iova_range){ msi.last + 1,
					       msi.last + SMALL_PAGE };
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, around, 2));
	EXPECT_EQ(0, ioas_map(FD, IOAS, PAGE, SMALL_PAGE, &iova));
	EXPECT_EQ(msi.start - SMALL_PAGE, iova);
	EXPECT_EQ(0, ioas_map(FD, IOAS, PAGE, SMALL_PAGE, &iova));
	EXPECT_EQ(msi.last + 1, iova);
	EXPECT_EQ(-ENOSPC, ioas_map(FD, IOAS, PAGE, SMALL_PAGE, &iova));
}

TEST_F(device, refuses_allowed_ranges_that_it_may_not_use)
{
	struct reserved_region msi;
	struct iommu_iova_range range;
	__u64 iova;

	ASSERT_EQ(0, msi_window(self->rig.edu.bdf, &msi));
	ASSERT_EQ(0, ATTACH());
	range = (struct iommu_iova_range){ IOVA, IOVA + MIB - 1 };
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, &range, 1));
	range = (struct iommu_iova_range){ MIB, msi.start };
	EXPECT_EQ(-EADDRINUSE, ioas_allow_iovas(FD, IOAS, &range, 1));
	range = (struct iommu_iova_range){ 0, UINT64_MAX };
	EXPECT_EQ(-EADDRINUSE, ioas_allow_iovas(FD, IOAS, &range, 1));
	EXPECT_EQ(0, ioas_map(FD, IOAS, PAGE, SMALL_PAGE, &iova));
	EXPECT_EQ(IOVA, iova);
}

TEST_F(device, cannot_come_where_its_msi_window_is_mapped)
{
	struct reserved_region msi;

	ASSERT_EQ(0, msi_window(self->rig.edu.bdf, &msi));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, msi.start));
	EXPECT_EQ(-EADDRINUSE, ATTACH());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, UNMAP(msi.start, SMALL_PAGE));
	EXPECT_EQ(0, ATTACH());
}

TEST_F(device, cannot_come_where_maps_lie_outside_its_aperture)
{
	const __u64 last = UINT64_MAX - SMALL_PAGE + 1;

	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, last));
	EXPECT_EQ(-EADDRINUSE, ATTACH());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, UNMAP(last, SMALL_PAGE));
	EXPECT_EQ(0, ATTACH());
}

TEST_F(device, cannot_come_where_its_msi_window_is_allowed)
{
	struct iommu_iova_range range;
	struct reserved_region msi;

	ASSERT_EQ(0, msi_window(self->rig.edu.bdf, &msi));
	range = (struct iommu_iova_range){ msi.last, msi.last + MIB };
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, &range, 1));
	EXPECT_EQ(-EADDRINUSE, ATTACH());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, ioas_allow_iovas(FD, IOAS, NULL, 0));
	EXPECT_EQ(0, ATTACH());
}

TEST_F(device, cannot_come_where_maps_are_not_whole_pages)
{
	const struct {
		__u64 iova, length, offset;
	} unfit[] = {
		{ IOVA + 1, SMALL_PAGE, 0 },
		{ IOVA, SMALL_PAGE - 1, 0 },
		{ IOVA, SMALL_PAGE, 1 },
	};
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(unfit); i++) {
		ASSERT_EQ(0, MAP(PAGE + unfit[i].offset, unfit[i].length,
				 unfit[i].iova));
		rc = ATTACH();
		EXPECT_EQ(-EADDRINUSE, rc)
			TH_LOG("map %zu", i);
		EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
		ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	}
	EXPECT_EQ(0, ATTACH());
}

TEST_F(device, keeps_large_entries_on_while_it_has_maps)
{
	const __u32 option = IOMMU_OPTION_HUGE_PAGES;
	__u64 value;

	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, iommufd_option_set(FD, option, IOAS, 0));
	EXPECT_EQ(0, iommufd_option_set(FD, option, IOAS, 1));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	EXPECT_EQ(-EINVAL, iommufd_option_set(FD, option, IOAS, 0));
	EXPECT_EQ(0, iommufd_option_get(FD, option, IOAS, &value));
	EXPECT_EQ(1, value);
	EXPECT_EQ(0, DETACH());
	EXPECT_EQ(0, iommufd_option_set(FD, option, IOAS, 0));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, PAGE, SMALL_PAGE));
	close(hold[1]);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
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
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, PAGE, SMALL_PAGE));
	EXPECT_EQ(0, device_writes(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_TRUE(pattern_matches(PAGE, SMALL_PAGE, 1));
}

TEST_F(device, keeps_memory_that_the_process_has_given_up)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, munmap(PAGE, SMALL_PAGE));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_FALSE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_FALSE(device_reads(&self->rig, IOVA, va, SMALL_PAGE / 2));
	EXPECT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
		EXPECT_TRUE(device_reads(&self->rig, IOVA + borders[i] - 500,
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

/* -- several maps, IOASes, processes and devices -- */

TEST_F(device, loses_only_the_map_that_goes)
{
	char *va = anonymous(2 * SMALL_PAGE);

	pattern_fill(va, 2 * SMALL_PAGE, 6);
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP(va, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, MAP(va + SMALL_PAGE, SMALL_PAGE, IOVA + SMALL_PAGE));
	EXPECT_TRUE(device_reads(&self->rig, IOVA + 1000, va + 1000,
				 SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_TRUE(device_reads(&self->rig, IOVA + SMALL_PAGE,
				 va + SMALL_PAGE, SMALL_PAGE));
	EXPECT_FALSE(device_reads(&self->rig, IOVA, va, SMALL_PAGE));
}

TEST_F(device, may_see_one_page_at_two_places)
{
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_FALSE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_TRUE(device_reads(&self->rig, IOVA + MIB, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, other));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, page, SMALL_PAGE));
	EXPECT_EQ(2 * SMALL_PAGE, vm_pinned());
}

TEST_F(device, moves_nothing_while_detached)
{
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	ASSERT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(0, DETACH());
	memset(PAGE, 0, SMALL_PAGE);
	EXPECT_EQ(0, edu_dma_from_device(&self->rig.edu, 0, IOVA, SMALL_PAGE));
	EXPECT_TRUE(memory_is(PAGE, 0, SMALL_PAGE));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, edu_dma_from_device(&self->rig.edu, 0, IOVA, SMALL_PAGE));
	EXPECT_EQ(0, memcmp(PAGE, pattern, SMALL_PAGE));
}

/* What a child maps is the child's memory, and stays when the child ends. */
TEST_F(device, reads_memory_of_a_process_that_has_ended)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, edu_rig_attach(&self->rig));
	pid = fork();
	if (!pid) {
		pattern_fill(PAGE, SMALL_PAGE, 8);
		_exit(MAP(PAGE, SMALL_PAGE, IOVA) ? 1 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_TRUE(pattern_matches(PAGE, SMALL_PAGE, 1));
	pattern_fill(pattern, SMALL_PAGE, 8);
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
}

TEST_F(device, cannot_come_for_memory_of_a_process_that_has_ended)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(MAP(PAGE, SMALL_PAGE, IOVA) ? 1 : 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(-EFAULT, ATTACH());
	EXPECT_TRUE(ioas_is_unrestricted(FD, IOAS));
	EXPECT_EQ(0, UNMAP(IOVA, SMALL_PAGE));
	EXPECT_EQ(0, ATTACH());
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA + 2 * MIB, pattern, 500));

	memset(buffer, 0, SMALL_PAGE);
	ASSERT_EQ(0, UNMAP(IOVA + MIB, SMALL_PAGE));
	/* a frame may still arrive, but not with these bytes */
	igb_copy(&igb, IOVA + 2 * MIB, IOVA + MIB, 500);
	EXPECT_NE(0, memcmp(buffer, pattern, 500));
	EXPECT_FALSE(device_reads(&self->rig, IOVA + MIB, pattern, 500));
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
	EXPECT_FALSE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	ASSERT_EQ(0, MAP(PAGE, SMALL_PAGE, IOVA));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap_all(FD, other, NULL));
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	EXPECT_TRUE(device_reads(&self->rig, IOVA, pattern, SMALL_PAGE));
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
	int status;
	pid_t pid;

	if (readlink("/proc/self/exe", program, PATH_MAX) < 0)
		return -errno;
	memcpy(strrchr(program, '/'), name, sizeof(name));
	pid = fork();
	if (!pid) {
		execl(program, program, device, NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
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
