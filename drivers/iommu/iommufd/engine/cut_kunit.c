// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of areas that are cut, with memory of the model of pinned memory and a
 * page table that is never filled
 */
#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "address_space.h"
#include "pinned_model.h"

#define EXPECT_ERRNO(_test, _error, _rc) \
	KUNIT_EXPECT_EQ(_test, _error, iommufd_errno(_rc))

#define IOVA SZ_1M

struct cut_fixture {
	struct pinned_model *model;
	struct iommufd_address_space as;
	struct iommu_domain domain;
	struct iommufd_follower follower;
};

static int cut_init(struct kunit *test)
{
	struct cut_fixture *fix;
	int rc;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	rc = pinned_model_init(test);
	if (rc)
		return rc;
	fix->model = test->priv;
	iommufd_address_space_init(&fix->as);
	fix->follower.domain = &fix->domain;
	fix->follower.filled = true;
	test->priv = fix;
	return 0;
}

static int cut_unmap(struct cut_fixture *fix, unsigned long iova,
		     unsigned long length)
{
	unsigned long unmapped;
	int rc;

	rc = iommufd_address_space_unmap(&fix->as, iova, iova + length - 1,
					 &unmapped);
	return rc ?: unmapped == length ? 0 : -ENXIO;
}

/* The model's memory goes with the last area. */
static void cut_exit(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	unsigned long unmapped, page;

	if (!fix)
		return;
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_address_space_unmap(&fix->as, 0, ULONG_MAX,
						    &unmapped));
	iommufd_address_space_destroy(&fix->as);
	KUNIT_EXPECT_TRUE(test, fix->model->mem.released);
	for (page = 0; page != MODEL_NPAGES; page++)
		KUNIT_EXPECT_EQ(test, 0, fix->model->mem.pins[page]);
}

static struct iommufd_area *area_at(struct cut_fixture *fix, unsigned long iova)
{
	return iommufd_area_first(&fix->as.space, iova, iova);
}

/* All of the memory from @offset on, pinned as for page tables */
static void map_at(struct kunit *test, unsigned long offset)
{
	struct cut_fixture *fix = test->priv;
	struct iommufd_area *area;
	unsigned long iova = IOVA;

	area = iommufd_area_first_of(&fix->model->mem.pinned, offset,
				     MODEL_NPAGES * PAGE_SIZE - 2 * offset,
				     IOMMU_READ);
	KUNIT_ASSERT_EQ(test, 0,
			iommufd_address_space_map(&fix->as, area, true, &iova));
	KUNIT_ASSERT_EQ(test, 0, iommufd_area_pin(area));
}

static int cut_bytes(struct cut_fixture *fix, unsigned long *iova,
		     unsigned long *length)
{
	unsigned long last = *iova + *length - 1;
	int rc;

	rc = iommufd_address_space_cut(&fix->as, iova, &last);
	*length = last - *iova + 1;
	return rc;
}

static int cut_pages(struct cut_fixture *fix, unsigned long *page,
		     unsigned long *npages)
{
	unsigned long iova = IOVA + *page * PAGE_SIZE;
	unsigned long length = *npages * PAGE_SIZE;
	int rc;

	rc = cut_bytes(fix, &iova, &length);
	*page = (iova - IOVA) / PAGE_SIZE;
	*npages = length / PAGE_SIZE;
	return rc;
}

static void expect_area(struct kunit *test, unsigned long page,
			unsigned long npages)
{
	struct cut_fixture *fix = test->priv;
	unsigned long iova = IOVA + page * PAGE_SIZE;
	struct iommufd_area *area = area_at(fix, iova);

	KUNIT_ASSERT_NOT_NULL(test, area);
	KUNIT_EXPECT_EQ(test, iova, area->iova);
	KUNIT_EXPECT_EQ(test, npages * PAGE_SIZE, iommufd_area_length(area));
	KUNIT_EXPECT_EQ(test, page * PAGE_SIZE, area->offset);
	KUNIT_EXPECT_EQ(test, IOMMU_READ, area->prot);
	KUNIT_EXPECT_TRUE(test, area->has_pin);
	KUNIT_EXPECT_TRUE(test, iommufd_area_is_live(area));
}

static void the_parts_are_areas_for_themselves(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	unsigned long page = 5, npages = 9, i;

	map_at(test, 0);
	KUNIT_EXPECT_EQ(test, 0, cut_pages(fix, &page, &npages));
	KUNIT_EXPECT_EQ(test, 5, page);
	KUNIT_EXPECT_EQ(test, 9, npages);
	KUNIT_EXPECT_EQ(test, 3, fix->as.space.nr_areas);
	expect_area(test, 0, 5);
	expect_area(test, 5, 9);
	expect_area(test, 14, MODEL_NPAGES - 14);

	/* Where there is a cut already, and none is needed */
	KUNIT_EXPECT_EQ(test, 0, cut_pages(fix, &page, &npages));
	KUNIT_EXPECT_EQ(test, 3, fix->as.space.nr_areas);

	KUNIT_EXPECT_EQ(test, 0,
			cut_unmap(fix, IOVA + 5 * PAGE_SIZE, 9 * PAGE_SIZE));
	for (i = 0; i != MODEL_NPAGES; i++)
		KUNIT_EXPECT_EQ(test, i < 5 || i >= 14,
				fix->model->mem.pins[i]);
}

static void a_page_of_both_parts_stays_with_either(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	unsigned long iova = IOVA + 4 * PAGE_SIZE, length = PAGE_SIZE;
	const unsigned long offset = PAGE_SIZE / 2;

	map_at(test, offset);
	/* The IOVA is aligned, the memory is not: half of pages 4 and 5 each */
	KUNIT_ASSERT_EQ(test, 0, cut_bytes(fix, &iova, &length));
	KUNIT_EXPECT_EQ(test, PAGE_SIZE, length);
	KUNIT_EXPECT_EQ(test, 0, cut_unmap(fix, IOVA, 4 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, fix->model->mem.pins[3]);
	KUNIT_EXPECT_EQ(test, 1, fix->model->mem.pins[4]);
	KUNIT_EXPECT_EQ(test, 0, cut_unmap(fix, iova, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, fix->model->mem.pins[4]);
	KUNIT_EXPECT_EQ(test, 1, fix->model->mem.pins[5]);
}

static void expect_cut(struct kunit *test, unsigned long page,
		       unsigned long npages, unsigned long cut_page,
		       unsigned long cut_npages)
{
	struct cut_fixture *fix = test->priv;

	KUNIT_EXPECT_EQ(test, 0, cut_pages(fix, &page, &npages));
	KUNIT_EXPECT_EQ(test, cut_page, page);
	KUNIT_EXPECT_EQ(test, cut_npages, npages);
	expect_area(test, cut_page, cut_npages);
}

/* Pages 6 and 7 fit into an entry of two pages, 3 to 5 do not. */
static void no_entry_is_cut_through_its_middle(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	unsigned long page = 7, npages = 1;

	map_at(test, 0);
	list_add(&fix->follower.node, &fix->as.followers);
	fix->domain.pgsize_bitmap = PAGE_SIZE | 2 * PAGE_SIZE | SZ_2M;
	EXPECT_ERRNO(test, -ENOENT, cut_pages(fix, &page, &npages));
	page = 6;
	npages = 1;
	EXPECT_ERRNO(test, -ENOENT, cut_pages(fix, &page, &npages));
	KUNIT_EXPECT_LE(test, fix->as.space.nr_areas, 2);
	expect_cut(test, 4, 3, 4, 2);
	expect_cut(test, 7, 3, 8, 2);
	expect_cut(test, 12, 2, 12, 2);
	/* Nothing of the follower's has changed, so it is filled as before. */
	list_del(&fix->follower.node);
}

static void pages_for_themselves_are_cut_anywhere(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;

	map_at(test, 0);
	list_add(&fix->follower.node, &fix->as.followers);
	fix->domain.pgsize_bitmap = PAGE_SIZE | 2 * PAGE_SIZE;
	fix->as.page_by_page = true;
	expect_cut(test, 7, 1, 7, 1);
	fix->as.page_by_page = false;
	/* A page table that comes later is filled anew, area by area. */
	fix->follower.filled = false;
	expect_cut(test, 1, 1, 1, 1);
	list_del(&fix->follower.node);
}

/* It was filled before, when nobody knew that areas would be cut. */
static void it_is_too_late_for_what_cannot_be_split(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;

	list_add(&fix->follower.node, &fix->as.followers);
	fix->domain.pgsize_bitmap = PAGE_SIZE | 2 * PAGE_SIZE;
	iommufd_address_space_set_cuttable(&fix->as, true);
	KUNIT_EXPECT_TRUE(test, fix->as.cuttable);
	iommufd_address_space_set_cuttable(&fix->as, false);
	KUNIT_EXPECT_FALSE(test, fix->as.cuttable);
	list_del(&fix->follower.node);

	map_at(test, 0);
	list_add(&fix->follower.node, &fix->as.followers);
	iommufd_address_space_set_cuttable(&fix->as, true);
	KUNIT_EXPECT_FALSE(test, fix->as.cuttable);
	expect_cut(test, 4, 3, 4, 2);
	list_del(&fix->follower.node);
}

static void a_copy_stays_whole(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	unsigned long page = 5, npages = 9, iova = 2 * IOVA, i;
	struct iommufd_area *copy;

	map_at(test, 0);
	copy = iommufd_address_space_share(&fix->as, IOVA, IOVA + SZ_64K - 1,
					   IOMMU_READ);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	KUNIT_ASSERT_EQ(test, 0,
			iommufd_address_space_map(&fix->as, copy, true, &iova));
	KUNIT_ASSERT_EQ(test, 0, iommufd_area_pin(copy));

	KUNIT_EXPECT_EQ(test, 0, cut_pages(fix, &page, &npages));
	KUNIT_EXPECT_EQ(test, 0,
			cut_unmap(fix, IOVA, MODEL_NPAGES * PAGE_SIZE));
	for (i = 0; i != MODEL_NPAGES; i++)
		KUNIT_EXPECT_EQ(test, i < SZ_64K / PAGE_SIZE,
				fix->model->mem.pins[i]);
	KUNIT_EXPECT_EQ(test, SZ_64K, iommufd_area_length(copy));
}

static void what_cannot_be_cut_is_refused(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	unsigned long iova = IOVA + PAGE_SIZE / 2, length = PAGE_SIZE;
	struct iommufd_area *area;

	map_at(test, 0);
	area = area_at(fix, IOVA);
	fix->as.space.alignment = PAGE_SIZE;
	EXPECT_ERRNO(test, -EINVAL, cut_bytes(fix, &iova, &length));
	iova = IOVA;
	length = PAGE_SIZE / 2;
	EXPECT_ERRNO(test, -EINVAL, cut_bytes(fix, &iova, &length));
	length = PAGE_SIZE;
	area->state = IOMMUFD_AREA_DYING;
	EXPECT_ERRNO(test, -EBUSY, cut_bytes(fix, &iova, &length));
	area->state = IOMMUFD_AREA_LIVE;
	KUNIT_EXPECT_EQ(test, 1, fix->as.space.nr_areas);
}

static void nothing_is_cut_where_nothing_is(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	unsigned long iova = 0, last = ULONG_MAX;

	map_at(test, 0);
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_address_space_cut(&fix->as, &iova, &last));
	KUNIT_EXPECT_EQ(test, 0, iova);
	KUNIT_EXPECT_EQ(test, ULONG_MAX, last);
	iova = IOVA - PAGE_SIZE;
	last = IOVA - 1;
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_address_space_cut(&fix->as, &iova, &last));
	KUNIT_EXPECT_EQ(test, 1, fix->as.space.nr_areas);
}

/* A driver that has two pages of the area pinned, far from each other */
struct cut_driver {
	struct cut_fixture *fix;
	struct iommufd_accessor *accessor;
	struct page *pages[2];
	unsigned long asked_iova;
	unsigned long asked_length;
	unsigned int nr_asked;
	bool obstinate;
};

static const unsigned long cut_driver_iova[2] = {
	IOVA, IOVA + (MODEL_NPAGES - 1) * PAGE_SIZE
};

static void cut_driver_unpin(struct cut_driver *driver)
{
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(cut_driver_iova); i++)
		iommufd_address_space_unpin(&driver->fix->as, driver->accessor,
					    cut_driver_iova[i],
					    cut_driver_iova[i] + PAGE_SIZE - 1);
}

static bool cut_driver_is_shut_out(struct cut_driver *driver,
				   unsigned long iova)
{
	int rc;

	rc = iommufd_address_space_pin(&driver->fix->as, driver->accessor, iova,
				       iova + PAGE_SIZE - 1, false,
				       driver->pages);
	return iommufd_errno(rc) == -EINVAL;
}

static void cut_driver_unmap(void *data, unsigned long iova,
			     unsigned long length)
{
	struct cut_driver *driver = data;

	driver->asked_iova = iova;
	driver->asked_length = length;
	/*
	 * Unpin only if the range is closed, so that nothing in it can be
	 * pinned anew.
	 */
	if (!driver->nr_asked++ && !list_empty(&driver->fix->as.closed) &&
	    cut_driver_is_shut_out(driver, iova) && !driver->obstinate)
		cut_driver_unpin(driver);
}

static void cut_driver_init(struct kunit *test, struct cut_driver *driver)
{
	struct cut_fixture *fix = test->priv;
	unsigned long iova;
	unsigned int i;
	int rc;

	driver->fix = fix;
	driver->accessor =
		iommufd_address_space_add_accessor(&fix->as, PAGE_SIZE,
						   cut_driver_unmap, driver);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, driver->accessor);
	for (i = 0; i != ARRAY_SIZE(cut_driver_iova); i++) {
		iova = cut_driver_iova[i];
		rc = iommufd_address_space_pin(&fix->as, driver->accessor, iova,
					       iova + PAGE_SIZE - 1, false,
					       &driver->pages[i]);
		KUNIT_ASSERT_EQ(test, 0, rc);
	}
}

static void cut_driver_exit(struct cut_driver *driver)
{
	iommufd_address_space_remove_accessor(&driver->fix->as,
					      driver->accessor);
	iommufd_accessor_free(driver->accessor);
}

static void drivers_let_go_of_all_of_the_area(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	struct cut_driver driver = {};

	map_at(test, 0);
	cut_driver_init(test, &driver);
	expect_cut(test, 5, 9, 5, 9);
	KUNIT_EXPECT_EQ(test, 1, driver.nr_asked);
	KUNIT_EXPECT_EQ(test, IOVA, driver.asked_iova);
	KUNIT_EXPECT_EQ(test, MODEL_NPAGES * PAGE_SIZE, driver.asked_length);
	KUNIT_EXPECT_TRUE(test, list_empty(&fix->as.closed));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&area_at(fix, IOVA)->pins));
	cut_driver_exit(&driver);
}

static void nothing_is_cut_if_a_driver_does_not_let_go(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	struct cut_driver driver = { .obstinate = true };
	unsigned long page = 5, npages = 9;

	map_at(test, 0);
	cut_driver_init(test, &driver);
	EXPECT_ERRNO(test, -EDEADLK, cut_pages(fix, &page, &npages));
	KUNIT_EXPECT_EQ(test, 1, fix->as.space.nr_areas);
	KUNIT_EXPECT_TRUE(test, list_empty(&fix->as.closed));
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&area_at(fix, IOVA)->pins));
	cut_driver_unpin(&driver);
	cut_driver_exit(&driver);
}

/* Whatever is cut and unmapped: a page is pinned as long as it is mapped. */
static void random_parts_are_unmapped(struct kunit *test)
{
	struct cut_fixture *fix = test->priv;
	unsigned long page, npages, i;
	DECLARE_BITMAP(mapped, MODEL_NPAGES);
	struct rnd_state rnd;
	unsigned long unmapped;

	prandom_seed_state(&rnd, 7);
	map_at(test, 0);
	bitmap_fill(mapped, MODEL_NPAGES);
	while (!bitmap_empty(mapped, MODEL_NPAGES)) {
		page = prandom_u32_state(&rnd) % MODEL_NPAGES;
		npages = 1 + prandom_u32_state(&rnd) % 3;
		npages = min(npages, MODEL_NPAGES - page);
		KUNIT_ASSERT_EQ(test, 0, cut_pages(fix, &page, &npages));
		KUNIT_ASSERT_EQ(test, 0,
				iommufd_address_space_unmap
				(&fix->as, IOVA + page * PAGE_SIZE,
				 IOVA + (page + npages) * PAGE_SIZE - 1,
				 &unmapped));
		bitmap_clear(mapped, page, npages);
		for (i = 0; i != MODEL_NPAGES; i++)
			KUNIT_ASSERT_EQ(test, test_bit(i, mapped),
					fix->model->mem.pins[i]);
	}
	KUNIT_EXPECT_EQ(test, 0, fix->as.space.nr_areas);
}

static struct kunit_case cut_cases[] = {
	KUNIT_CASE(the_parts_are_areas_for_themselves),
	KUNIT_CASE(a_page_of_both_parts_stays_with_either),
	KUNIT_CASE(no_entry_is_cut_through_its_middle),
	KUNIT_CASE(pages_for_themselves_are_cut_anywhere),
	KUNIT_CASE(it_is_too_late_for_what_cannot_be_split),
	KUNIT_CASE(a_copy_stays_whole),
	KUNIT_CASE(what_cannot_be_cut_is_refused),
	KUNIT_CASE(nothing_is_cut_where_nothing_is),
	KUNIT_CASE(drivers_let_go_of_all_of_the_area),
	KUNIT_CASE(nothing_is_cut_if_a_driver_does_not_let_go),
	KUNIT_CASE(random_parts_are_unmapped),
	{}
};

static struct kunit_suite cut_suite = {
	.name = "iommufd_cut",
	.init = cut_init,
	.exit = cut_exit,
	.test_cases = cut_cases,
};

kunit_test_suite(cut_suite);
