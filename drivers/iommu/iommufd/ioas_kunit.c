// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what an IOAS makes of a map that user space asks for
 */
#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/mman.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <uapi/linux/iommufd.h>

#include "ctx.h"
#include "engine/address_space.h"
#include "ioas.h"
#include "object.h"
#include "recorder.h"

#define IOVA SZ_1M

struct ioas_fixture {
	struct iommufd_ctx ctx;
	struct iommufd_ioas *ioas;
};

static int ioas_fixture_init(struct kunit *test)
{
	struct ioas_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	if (!fix)
		return -ENOMEM;
	iommufd_object_table_init(&fix->ctx);
	iommufd_accounts_init(&fix->ctx.accounts);
	mutex_init(&fix->ctx.groups_lock);
	mutex_init(&fix->ctx.vfio_lock);
	iommufd_recorder_init(&fix->ctx.recorder);
	test->priv = fix;

	fix->ioas = iommufd_ioas_create(&fix->ctx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fix->ioas);
	iommufd_object_publish(&fix->ctx, &fix->ioas->obj);
	return 0;
}

static void ioas_fixture_exit(struct kunit *test)
{
	struct ioas_fixture *fix = test->priv;

	if (!fix)
		return;
	iommufd_object_destroy_all(&fix->ctx);
	iommufd_recorder_destroy(&fix->ctx.recorder);
	iommufd_accounts_destroy(&fix->ctx.accounts);
	mutex_destroy(&fix->ctx.vfio_lock);
	mutex_destroy(&fix->ctx.groups_lock);
}

/* Where devices see what is in the caches only if they are told to look */
static void memory_is_mapped_as_cached(struct kunit *test)
{
	struct ioas_fixture *fix = test->priv;
	struct iommu_ioas_map cmd = {
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA,
		.length = PAGE_SIZE,
		.iova = IOVA,
	};
	struct iommufd_area *area;

	cmd.user_va = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE,
				    PROT_READ | PROT_WRITE,
				    MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(cmd.user_va));
	KUNIT_ASSERT_NE(test, 0, cmd.user_va);
	KUNIT_ASSERT_EQ(test, 0, iommufd_ioas_map_for_process(&fix->ctx,
							      fix->ioas, &cmd));

	down_read(&fix->ioas->as.space.lock);
	area = iommufd_area_first(&fix->ioas->as.space, IOVA, IOVA);
	KUNIT_EXPECT_NOT_NULL(test, area);
	if (area)
		KUNIT_EXPECT_EQ(test, area->prot, IOMMU_READ | IOMMU_CACHE);
	up_read(&fix->ioas->as.space.lock);
}

static struct kunit_case ioas_cases[] = {
	KUNIT_CASE(memory_is_mapped_as_cached),
	{}
};

static struct kunit_suite ioas_suite = {
	.name = "iommufd_ioas",
	.init = ioas_fixture_init,
	.exit = ioas_fixture_exit,
	.test_cases = ioas_cases,
};

kunit_test_suite(ioas_suite);
