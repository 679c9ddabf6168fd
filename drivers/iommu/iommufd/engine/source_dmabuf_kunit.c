// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of memory of a device: how it is in a page table, one that takes notes,
 * and whom it is taken from, the exporter of the test device
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fcntl.h>
#include <linux/fdtable.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/sizes.h>

#include "../mock/mock.h"
#include "area.h"
#include "domain_map.h"
#include "pinned.h"
#include "revocable.h"
#include "source.h"
#include "why.h"

#define IOVA SZ_1M

/* A page table with one page at most */
struct noting_domain {
	struct iommu_domain domain;
	phys_addr_t phys;
	int prot;
};

static struct noting_domain *to_noting(struct iommu_domain *domain)
{
	return container_of(domain, struct noting_domain, domain);
}

static int noting_map_pages(struct iommu_domain *domain, unsigned long iova,
			    phys_addr_t phys, size_t pgsize, size_t pgcount,
			    int prot, gfp_t gfp, size_t *mapped)
{
	struct noting_domain *noting = to_noting(domain);

	noting->phys = phys;
	noting->prot = prot;
	*mapped = pgsize * pgcount;
	return 0;
}

static size_t noting_unmap_pages(struct iommu_domain *domain,
				 unsigned long iova, size_t pgsize,
				 size_t pgcount,
				 struct iommu_iotlb_gather *gather)
{
	to_noting(domain)->phys = 0;
	return pgsize * pgcount;
}

static phys_addr_t noting_iova_to_phys(struct iommu_domain *domain,
				       dma_addr_t iova)
{
	return to_noting(domain)->phys;
}

static const struct iommu_domain_ops noting_ops = {
	.map_pages = noting_map_pages,
	.unmap_pages = noting_unmap_pages,
	.iova_to_phys = noting_iova_to_phys,
};

static void unmap_area(struct kunit *test, struct iommu_domain *domain,
		       struct iommufd_revocable *revocable,
		       const struct iommufd_area *area)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	iommufd_revocable_unmap_begin(revocable);
	KUNIT_EXPECT_TRUE(test, iommufd_revocable_unmap_area(domain, area));
	iommufd_domain_unmap_range(domain, area->iova, area->last, &gather);
	iommufd_revocable_unmap_end(revocable);
}

static void memory_of_a_device_is_not_mapped_as_cached(struct kunit *test)
{
	struct noting_domain noting = {
		.domain = {
			.type = IOMMU_DOMAIN_UNMANAGED,
			.ops = &noting_ops,
			.pgsize_bitmap = PAGE_SIZE,
		},
	};
	struct iommufd_revocable revocable;
	struct iommufd_pinned pinned = {};
	struct iommufd_area area = {
		.iova = IOVA,
		.last = IOVA + PAGE_SIZE - 1,
		.pinned = &pinned,
		.prot = IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
	};
	struct dma_resv resv;
	void *page;

	page = (void *)get_zeroed_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	dma_resv_init(&resv);
	iommufd_revocable_init(&revocable, &resv);
	revocable.phys = virt_to_phys(page);
	pinned.revocable = &revocable;

	KUNIT_EXPECT_EQ(test, 0,
			iommufd_revocable_map(&noting.domain, &area, false));
	KUNIT_EXPECT_EQ(test, noting.phys, virt_to_phys(page));
	KUNIT_EXPECT_EQ(test, noting.prot,
			IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO);
	unmap_area(test, &noting.domain, &revocable, &area);
	KUNIT_EXPECT_EQ(test, noting.phys, 0);

	mutex_destroy(&revocable.mutex);
	dma_resv_fini(&resv);
	free_page((unsigned long)page);
}

/* One of two pages of the test device */
static struct dma_buf *get_mock_dmabuf(struct kunit *test)
{
	struct iommu_test_cmd cmd = {
		.dmabuf_get = {
			.length = 2 * PAGE_SIZE,
			.open_flags = O_RDWR,
		},
	};
	struct dma_buf *dmabuf;
	int fd;

	fd = mock_op_dmabuf_get(NULL, &cmd);
	KUNIT_ASSERT_LE(test, 0, fd);
	dmabuf = dma_buf_get(fd);
	close_fd(fd);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	return dmabuf;
}

/* The errno of a map of its first page */
static int map_first_page(struct dma_buf *dmabuf)
{
	struct iommufd_pinned origin = { .refs = REFCOUNT_INIT(1) };
	struct iommufd_pinned *pinned;

	get_dma_buf(dmabuf);
	pinned = iommufd_dma_buf_of_origin(dmabuf, 0, PAGE_SIZE, true, &origin);
	if (IS_ERR(pinned))
		return iommufd_errno(PTR_ERR(pinned));
	iommufd_pinned_put(pinned);
	return 0;
}

static void an_exporter_that_has_less_than_it_says_is_refused(struct kunit *test)
{
	struct dma_buf *dmabuf;

	if (!IS_ENABLED(CONFIG_IOMMUFD_TEST))
		kunit_skip(test, "there is no test device");
	dmabuf = get_mock_dmabuf(test);
	KUNIT_EXPECT_EQ(test, 0, map_first_page(dmabuf));
	dmabuf->size += PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, map_first_page(dmabuf));
	dmabuf->size -= PAGE_SIZE;
	dma_buf_put(dmabuf);
}

static struct kunit_case device_memory_cases[] = {
	KUNIT_CASE(memory_of_a_device_is_not_mapped_as_cached),
	KUNIT_CASE(an_exporter_that_has_less_than_it_says_is_refused),
	{}
};

static struct kunit_suite device_memory_suite = {
	.name = "iommufd_device_memory",
	.test_cases = device_memory_cases,
};

kunit_test_suite(device_memory_suite);
