// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of accessors, with a driver that takes its time
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/sizes.h>

#include "accessors.h"
#include "kunit_call.h"

struct accessors_fixture {
	struct iommufd_address_space as;
	/* LIVE, with a pin of the driver, but without memory */
	struct iommufd_area area;
	struct iommufd_accessor *accessor;
	struct iommufd_closed_range range;
	struct completion asked;
	struct completion answer;
	struct kunit_call asker;
	struct kunit_call leaver;
};

/* The driver */
static void unpin_when_told(void *data, unsigned long iova,
			    unsigned long length)
{
	struct accessors_fixture *fix = data;

	complete(&fix->asked);
	wait_for_completion(&fix->answer);
	atomic_set(&fix->area.pins, 0);
}

static int accessors_init(struct kunit *test)
{
	struct accessors_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	iommufd_address_space_init(&fix->as);
	init_completion(&fix->asked);
	init_completion(&fix->answer);
	fix->accessor = iommufd_address_space_add_accessor(&fix->as, 1,
							   unpin_when_told,
							   fix);
	KUNIT_ASSERT_FALSE(test, IS_ERR(fix->accessor));
	atomic_long_set(&fix->accessor->nr_pins, 1);
	fix->area.iova = SZ_1M;
	fix->area.last = SZ_1M + PAGE_SIZE - 1;
	fix->area.state = IOMMUFD_AREA_LIVE;
	atomic_set(&fix->area.pins, 1);
	down_write(&fix->as.space.lock);
	iommufd_iova_insert(&fix->as.space, &fix->area);
	up_write(&fix->as.space.lock);
	test->priv = fix;
	return 0;
}

static void accessors_exit(struct kunit *test)
{
	struct accessors_fixture *fix = test->priv;

	if (!fix)
		return;
	down_write(&fix->as.space.lock);
	iommufd_iova_remove(&fix->as.space, &fix->area);
	up_write(&fix->as.space.lock);
	iommufd_address_space_destroy(&fix->as);
}

static int expect_unpinned(struct iommufd_address_space *as,
			   struct iommufd_closed_range *range)
{
	struct accessors_fixture *fix =
		container_of(as, struct accessors_fixture, as);

	return atomic_read(&fix->area.pins) ? -EAGAIN : 0;
}

static int ask(void *data)
{
	struct accessors_fixture *fix = data;

	fix->range.iova = 0;
	fix->range.last = ULONG_MAX;
	down_write(&fix->as.space.lock);
	iommufd_accessors_close_range(&fix->as, &fix->range);
	up_write(&fix->as.space.lock);
	return iommufd_accessors_drive_out(&fix->as, &fix->range,
					   expect_unpinned);
}

static int leave(void *data)
{
	struct accessors_fixture *fix = data;

	iommufd_address_space_remove_accessor(&fix->as, fix->accessor);
	return 0;
}

static void a_driver_stays_as_long_as_it_is_asked(struct kunit *test)
{
	struct accessors_fixture *fix = test->priv;

	kunit_call_start(&fix->asker, ask, fix);
	wait_for_completion(&fix->asked);
	kunit_call_start(&fix->leaver, leave, fix);
	KUNIT_EXPECT_TRUE(test, kunit_call_sleeps(&fix->leaver));
	KUNIT_EXPECT_FALSE(test, list_empty(&fix->as.accessors));
	complete(&fix->answer);
	KUNIT_EXPECT_EQ(test, 0, kunit_call_end(&fix->asker));
	KUNIT_EXPECT_EQ(test, 0, kunit_call_end(&fix->leaver));
	KUNIT_EXPECT_TRUE(test, list_empty(&fix->as.accessors));
	iommufd_accessor_free(fix->accessor);
}

static struct kunit_case accessors_cases[] = {
	KUNIT_CASE(a_driver_stays_as_long_as_it_is_asked),
	{}
};

static struct kunit_suite accessors_suite = {
	.name = "iommufd_accessors",
	.init = accessors_init,
	.exit = accessors_exit,
	.test_cases = accessors_cases,
};

kunit_test_suite(accessors_suite);
