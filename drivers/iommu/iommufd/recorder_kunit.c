// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of records that are overwritten while somebody reads them
 *
 * Between two processors that takes a few instructions; here it happens in the
 * thread that reads.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>

#include "recorder.h"

#define IOAS 7
#define IOVA 0x100000

struct recorder_fixture {
	struct iommufd_recorder recorder;
	/*
	 * The last of the records that fill the ring is begun, and not
	 * finished.
	 */
	bool is_late;
};

/* Records are told apart by their first IOVA. */
static void record_map(struct recorder_fixture *fix, u64 iova)
{
	iommufd_record(&fix->recorder, IOMMU_RECORDED_MAP, IOAS, iova,
		       IOVA + PAGE_SIZE - 1);
}

static bool is_found(struct recorder_fixture *fix)
{
	struct iommufd_past past;

	return iommufd_recorder_find_last(&fix->recorder, IOMMU_RECORDED_MAP,
					  IOAS, IOVA, &past);
}

static void record_all_but_one(struct recorder_fixture *fix)
{
	unsigned int i;

	for (i = 1; i < (fix->recorder.mask + 1) / IOMMUFD_RECORD_SIZE; i++)
		record_map(fix, 0);
}

/* The record is overwritten while it is copied, or is about to be. */
static void overwrite_and_copy(struct iommufd_kept_record *record,
			       const struct iommufd_kept_record *kept)
{
	struct recorder_fixture *fix = kunit_get_current_test()->priv;
	struct iommufd_kept_record *place;
	unsigned long state;

	record_all_but_one(fix);
	if (fix->is_late)
		iommufd_record_place(&fix->recorder, fix->recorder.mask, &place,
				     &state);
	else
		record_map(fix, 0);
	*record = *kept;
}

static void recorder_finds_what_nobody_overwrites(struct kunit *test)
{
	struct recorder_fixture *fix = test->priv;

	KUNIT_EXPECT_FALSE(test, is_found(fix));
	record_map(fix, IOVA);
	KUNIT_EXPECT_TRUE(test, is_found(fix));
	record_all_but_one(fix);
	KUNIT_EXPECT_TRUE(test, is_found(fix));
}

static void recorder_finds_not_what_is_overwritten(struct kunit *test)
{
	struct recorder_fixture *fix = test->priv;

	record_map(fix, IOVA);
	kunit_activate_static_stub(test, iommufd_recorder_copy,
				   overwrite_and_copy);
	KUNIT_EXPECT_FALSE(test, is_found(fix));
	kunit_deactivate_static_stub(test, iommufd_recorder_copy);
	KUNIT_EXPECT_TRUE(test, is_found(fix));
}

static void recorder_finds_not_what_is_being_overwritten(struct kunit *test)
{
	struct recorder_fixture *fix = test->priv;

	fix->is_late = true;
	record_map(fix, IOVA);
	kunit_activate_static_stub(test, iommufd_recorder_copy,
				   overwrite_and_copy);
	KUNIT_EXPECT_FALSE(test, is_found(fix));
}

static int recorder_test_init(struct kunit *test)
{
	struct recorder_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	if (!fix)
		return -ENOMEM;
	iommufd_recorder_init(&fix->recorder);
	test->priv = fix;
	return 0;
}

static void recorder_test_exit(struct kunit *test)
{
	struct recorder_fixture *fix = test->priv;

	iommufd_recorder_destroy(&fix->recorder);
}

static struct kunit_case recorder_cases[] = {
	KUNIT_CASE(recorder_finds_what_nobody_overwrites),
	KUNIT_CASE(recorder_finds_not_what_is_overwritten),
	KUNIT_CASE(recorder_finds_not_what_is_being_overwritten),
	{}
};

static struct kunit_suite recorder_suite = {
	.name = "iommufd_recorder",
	.init = recorder_test_init,
	.exit = recorder_test_exit,
	.test_cases = recorder_cases,
};

kunit_test_suite(recorder_suite);
