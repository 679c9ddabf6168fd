// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what the sources share
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/vmstat.h>

#include "pinned.h"
#include "source.h"

/* Two whole steps and a bit */
#define NPAGES (2 * IOMMUFD_UNPIN_STEP + 5)

#ifdef CONFIG_CONTIG_ALLOC
static struct page *alloc_neighbours(void)
{
	return alloc_contig_pages(NPAGES, GFP_KERNEL | __GFP_NOWARN,
				  numa_mem_id(), NULL);
}

static void free_neighbours(void *first)
{
	struct page *pages = first;

	free_contig_range(page_to_pfn(pages), NPAGES);
}
#else
static struct page *alloc_neighbours(void)
{
	return NULL;
}

static void free_neighbours(void *first)
{
}
#endif

/* Small folios that are neighbours, each with a pin */
static struct page *alloc_pinned_pages(struct kunit *test)
{
	struct page *pages;
	unsigned long i;

	pages = alloc_neighbours();
	if (!pages)
		kunit_skip(test, "no %lu pages that are neighbours", NPAGES);
	for (i = 0; i != NPAGES; i++)
		page_ref_add(pages + i, GUP_PIN_COUNTING_BIAS);
	/* As GUP tells it, since others look at what is pinned altogether */
	mod_node_page_state(page_pgdat(pages), NR_FOLL_PIN_ACQUIRED, NPAGES);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_neighbours,
						  pages));
	return pages;
}

static void each_page_of_a_long_run_is_given_back_once(struct kunit *test)
{
	struct iommufd_pinned pinned = { .writable = false };
	struct page *pages = alloc_pinned_pages(test);
	struct iommufd_run_slice runs = {
		.run = iommufd_run(page_to_pfn(pages), NPAGES),
	};
	unsigned long i;

	iommufd_source_unpin(&pinned, &runs, NPAGES);
	for (i = 0; i != NPAGES; i++)
		KUNIT_ASSERT_EQ(test, 1, page_ref_count(pages + i));
}

static struct kunit_case source_cases[] = {
	KUNIT_CASE(each_page_of_a_long_run_is_given_back_once),
	{}
};

static struct kunit_suite source_suite = {
	.name = "iommufd_source",
	.test_cases = source_cases,
};

kunit_test_suite(source_suite);
