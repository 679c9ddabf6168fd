// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iommufd as a VFIO container of the old type1, where it is large: entries
 * that an unmap cuts, and as many maps as there is memory for.
 *
 *   CONTAINER_MAPS=n   how many maps
 */
#include <errno.h>
#include <stdlib.h>

#include "kselftest_harness.h"
#include "fail_each.h"
#include "mock_rig.h"
#include "test_support.h"
#include "vfio_container.h"

#define IOVA ((__u64)MOCK_APERTURE_START)

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->mem.va)
#define C (&self->container)

/* -- large entries -- */

FIXTURE(large)
{
	struct mock_rig rig;
	struct memory_rig mem;
	struct vfio_container container;
	__u32 hwpt;
};

/* The huge page of this page table */
#define LARGE ((__u64)MOCK_HUGE_PAGE_SIZE)
#define LARGE_VA (self->mem.va)

FIXTURE_SETUP(large)
{
	const struct iommu_test_hwpt data = {
		.pagetable_type = MOCK_IOMMUPT_HUGE,
	};

	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_HUGETLB, 2 * HUGE_PAGE));
	MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(mock_rig_make_container(&self->rig, VFIO_TYPE1_IOMMU, C));
	MAKE(rig_part("a page table with huge pages",
		      mock_hwpt_alloc(FD, self->rig.dev.idev, IOAS, 0, &data,
				      &self->hwpt)));
	ASSERT_EQ(0, mock_domain_replace(FD, self->rig.dev.stdev,
					 &self->hwpt));
}

FIXTURE_TEARDOWN(large)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

/* What stays mapped is where it was, and goes on its own. */
TEST_F(large, entries_are_split)
{
	const __u64 cut = LARGE + 3 * SMALL_PAGE, behind = cut + SMALL_PAGE;
	__u64 length = SMALL_PAGE;

	ASSERT_EQ(0, container_map(C, LARGE_VA, 2 * HUGE_PAGE, IOVA));
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + cut, &length));
	EXPECT_EQ(SMALL_PAGE, length);
	EXPECT_EQ(0, mock_check_map(FD, self->hwpt, IOVA, cut, LARGE_VA));
	EXPECT_EQ(0, mock_check_hole(FD, self->hwpt, IOVA + cut, SMALL_PAGE));
	EXPECT_EQ(0, mock_check_map(FD, self->hwpt, IOVA + behind,
				    2 * HUGE_PAGE - behind, LARGE_VA + behind));
	EXPECT_EQ(2 * HUGE_PAGE - SMALL_PAGE, vm_pinned());

	/* What was cut can be mapped again. */
	EXPECT_EQ(0, container_map(C, LARGE_VA + cut, SMALL_PAGE, IOVA + cut));
	EXPECT_EQ(0, mock_check_map(FD, self->hwpt, IOVA, 2 * HUGE_PAGE,
				    LARGE_VA));
	EXPECT_EQ(0, container_unmap(C, IOVA, 2 * HUGE_PAGE));
	EXPECT_EQ(0, vm_pinned());
}

static int unmap_amid_an_entry(struct vfio_container *container)
{
	__u64 length = SMALL_PAGE;
	int rc;

	rc = container_unmap_flags(container, 0, IOVA + LARGE + SMALL_PAGE,
				   &length);
	return rc ?: length == SMALL_PAGE ? 0 : -EBADMSG;
}

static int map_anew(struct vfio_container *container, const char *va)
{
	return container_unmap(container, IOVA, 2 * HUGE_PAGE) ?:
	       container_map(container, va, 2 * HUGE_PAGE, IOVA);
}

TEST_F_TIMEOUT(large, entries_are_mapped_all_the_same_when_a_split_fails, 120)
{
	ASSERT_EQ(0, container_map(C, LARGE_VA, 2 * HUGE_PAGE, IOVA));
	WITH_EACH_FAILURE(unmap_amid_an_entry(C),
			  !mock_check_map(FD, self->hwpt, IOVA, 2 * HUGE_PAGE,
					  LARGE_VA) &&
			  vm_pinned() == 2 * HUGE_PAGE,
			  map_anew(C, LARGE_VA));
}

/* Where the ends of a map leave no room for a large entry, there is a cut. */
TEST_F(large, maps_are_cut_where_entries_are_small)
{
	const __u64 iova = IOVA + SMALL_PAGE;
	__u64 length = 3 * SMALL_PAGE;

	ASSERT_EQ(0, container_map(C, LARGE_VA, HUGE_PAGE, iova));
	ASSERT_EQ(0, container_unmap_flags(C, 0, iova + 5 * SMALL_PAGE,
					   &length));
	EXPECT_EQ(3 * SMALL_PAGE, length);
	EXPECT_EQ(0, mock_check_map(FD, self->hwpt, iova, 5 * SMALL_PAGE,
				    LARGE_VA));
	EXPECT_EQ(0, mock_check_map(FD, self->hwpt, iova + 8 * SMALL_PAGE,
				    HUGE_PAGE - 8 * SMALL_PAGE,
				    LARGE_VA + 8 * SMALL_PAGE));
	/* A page table that comes later has the same. */
	ASSERT_EQ(0, mock_domain_replace(FD, self->rig.dev.stdev,
					 &self->rig.ioas));
}

TEST_F(large, pages_can_be_had_small)
{
	__u64 length = SMALL_PAGE;

	ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	ASSERT_EQ(0, container_map(C, LARGE_VA, HUGE_PAGE, IOVA));
	ASSERT_EQ(0, container_unmap_flags(C, 0, IOVA + 7 * SMALL_PAGE,
					   &length));
	EXPECT_EQ(SMALL_PAGE, length);
	EXPECT_EQ(0, mock_check_map(FD, self->hwpt, IOVA + 8 * SMALL_PAGE,
				    HUGE_PAGE - 8 * SMALL_PAGE,
				    LARGE_VA + 8 * SMALL_PAGE));
	EXPECT_EQ(HUGE_PAGE - SMALL_PAGE, vm_pinned());
}

/* -- as many maps as there is memory for -- */

static unsigned long number_of_maps(void)
{
	const char *text = getenv("CONTAINER_MAPS");

	return text ? strtoul(text, NULL, 0) : 100000;
}

FIXTURE(many)
{
	struct mock_rig rig;
	struct memory_rig mem;
	struct vfio_container container;
};

FIXTURE_SETUP(many)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, SMALL_PAGE));
	MAKE(mock_rig_make_container(&self->rig, VFIO_TYPE1_IOMMU, C));
}

FIXTURE_TEARDOWN(many)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

TEST_F_TIMEOUT(many, maps_are_no_matter, 1200)
{
	const unsigned long nr = number_of_maps();
	__u64 length = 0;
	unsigned long i;
	double start;

	start = monotonic_ns() / 1e9;
	for (i = 0; i != nr; i++) {
		ASSERT_EQ(0, container_map(C, VA, SMALL_PAGE,
					   2 * i * SMALL_PAGE))
			TH_LOG("map %lu", i);
	}
	TH_LOG("%lu maps: %.1f s", nr, monotonic_ns() / 1e9 - start);
	start = monotonic_ns() / 1e9;
	EXPECT_EQ(0, container_unmap_flags(C, VFIO_DMA_UNMAP_FLAG_ALL, 0,
					   &length));
	EXPECT_EQ(nr * SMALL_PAGE, length);
	TH_LOG("unmapped: %.1f s", monotonic_ns() / 1e9 - start);
}

TEST_HARNESS_MAIN
