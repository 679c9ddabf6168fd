// SPDX-License-Identifier: GPL-2.0-only
/*
 * So much memory of a device that only large entries of page tables can be
 * afforded. It is that of an ivshmem device; the edu does the DMA.
 */
#include "kselftest_harness.h"
#include "bar_rig.h"
#include "test_support.h"

#define LARGE_VENDOR 0x1af4	/* QEMU's ivshmem */
#define LARGE_DEVICE 0x1110
#define LARGE_BAR VFIO_PCI_BAR2_REGION_INDEX
#define LARGE_IOVA (64 * GIB)

/*
 * Open from the first test to the last, so that vfio-pci maps it once: where
 * KASAN has shadow for what is mapped, that takes long.
 */
static struct vfio_dev large_dev;
static int large_rc;

static void open_large(void)
{
	int iommufd = iommufd_open();

	large_rc = iommufd < 0 ? iommufd :
		   vfio_setup(&large_dev, LARGE_VENDOR, LARGE_DEVICE, iommufd);
}

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

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)

FIXTURE_SETUP(large)
{
	MAKE(edu_rig_make(&self->rig));
	if (large_rc)
		SKIP(return, "there is no ivshmem device");
	self->dev = large_dev;
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

static int map_beginning(LARGE *self, size_t length, bool by_address)
{
	int dmabuf, rc;

	if (by_address)
		return ioas_map_at(FD, IOAS, self->va, length, LARGE_IOVA);
	dmabuf = bar_export_all_of(&self->dev, LARGE_BAR, self->length);
	if (dmabuf < 0)
		return dmabuf;
	rc = ioas_map_file_at(FD, IOAS, MAP_RW, dmabuf, 0, length, LARGE_IOVA);
	close(dmabuf);
	return rc;
}

static int map_large(LARGE *self, bool by_address)
{
	return map_beginning(self, self->length, by_address);
}

/* What of it is used: QEMU has no memory for the rest until then */
static bool large_is_seen(LARGE *self, unsigned int seed)
{
	const size_t last = self->length - SMALL_PAGE;
	const size_t middle = self->length / 2 + 5 * SMALL_PAGE;

	pattern_fill(self->va, SMALL_PAGE, seed);
	pattern_fill(self->va + middle, SMALL_PAGE, seed + 1);
	pattern_fill(self->va + last, SMALL_PAGE, seed + 2);
	return device_read(&self->rig, LARGE_IOVA, self->va,
			   SMALL_PAGE) == REACHED &&
	       device_read(&self->rig, LARGE_IOVA + middle, self->va + middle,
			   SMALL_PAGE) == REACHED &&
	       device_read(&self->rig, LARGE_IOVA + last, self->va + last,
			   SMALL_PAGE) == REACHED;
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
	EXPECT_EQ(BLOCKED, device_read(&self->rig, LARGE_IOVA, page,
				       SMALL_PAGE));
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

TEST_F(large, memory_may_be_had_without_large_entries)
{
	const size_t length = 32 * MIB;
	const long tables = length / HUGE_PAGE * SMALL_PAGE;
	long before;

	ASSERT_EQ(0, vfio_detach(&self->rig.edu));
	ASSERT_EQ(0, iommufd_option_set(FD, IOMMU_OPTION_HUGE_PAGES, IOAS, 0));
	ASSERT_EQ(0, vfio_attach(&self->rig.edu, IOAS));
	before = iommu_table_bytes();
	ASSERT_EQ(0, map_beginning(self, length, variant->by_address));
	EXPECT_LE(tables, iommu_table_bytes() - before);
	pattern_fill(self->va + length - SMALL_PAGE, SMALL_PAGE, 8);
	EXPECT_EQ(REACHED, device_read(&self->rig,
				       LARGE_IOVA + length - SMALL_PAGE,
				       self->va + length - SMALL_PAGE,
				       SMALL_PAGE));
}

/* Nor is so much refused because of a limit before it is known what is there. */
TEST_F(large, memory_is_charged_to_nobody)
{
	ASSERT_EQ(0, limit_memlock(0));
	ASSERT_EQ(0, become_user(40000));
	ASSERT_EQ(0, map_large(self, variant->by_address));
	EXPECT_TRUE(large_is_seen(self, 9));
	/* that of the DMA's own buffer */
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

int main(int argc, char **argv)
{
	open_large();
	return test_harness_run(argc, argv);
}
