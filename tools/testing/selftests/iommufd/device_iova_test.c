// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVAs that follow from the device on an IOAS: what it reserves and cannot reach,
 * and its smallest page. The device is QEMU's "edu", bound to vfio-pci.
 *
 * The fixture compares the pins of the whole system before and after the
 * test, whose process has ended by then.
 */
#include "kselftest_harness.h"
#include "device_fixture.h"
#include "test_support.h"

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

TEST_HARNESS_MAIN
