// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of claims of memory that is of a process and of a file
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/mm_types.h>
#include <linux/sched.h>

#include "account.h"
#include "claims.h"
#include "pinned.h"

/* Of the object, what is the process's own; of the file, what follows it */
#define NPAGES_OWN 20
#define NPAGES 50
#define PLACE 7001	/* in the file, of the first page of the object */

struct owners_fixture {
	struct mm_struct *mm;
	struct iommufd_account account;
	struct iommufd_pinned pinned;
	struct iommufd_claims *of_process;
	struct iommufd_claims *of_file;
};

/* All of it is in one piece. */
static int owners_fake_pin(struct iommufd_pinned *pinned, unsigned long first,
			   unsigned long last, struct iommufd_run_builder *runs)
{
	return iommufd_runs_append(runs, 5000 + first, last - first + 1) ?: 1;
}

static void owners_fake_unpin(struct iommufd_pinned *pinned,
			      const struct iommufd_run_slice *runs,
			      unsigned long npages)
{
}

static unsigned long owners_fake_find(struct iommufd_pinned *pinned,
				      unsigned long first, unsigned long last,
				      struct iommufd_owner *owner)
{
	if (first < NPAGES_OWN)
		return min(last, NPAGES_OWN - 1UL) - first + 1;
	owner->inode = container_of(pinned, struct owners_fixture, pinned);
	owner->place = PLACE + first;
	return last - first + 1;
}

static void owners_fake_release(struct iommufd_pinned *pinned)
{
}

static const struct iommufd_source_ops owners_fake_ops = {
	.pin = owners_fake_pin,
	.unpin = owners_fake_unpin,
	.find_owner = owners_fake_find,
	.release = owners_fake_release,
};

static struct iommufd_pin_segment *segment_at(struct owners_fixture *fix,
					      unsigned long page)
{
	guard(mutex)(&fix->pinned.mutex);
	return iommufd_pinned_find(&fix->pinned, page);
}

/* Though they follow each other where they are, too */
static void pages_of_two_owners_stay_apart(struct kunit *test)
{
	struct owners_fixture *fix = test->priv;
	struct iommufd_pin_segment *segment;

	KUNIT_ASSERT_EQ(test, 0,
			iommufd_pinned_pin(&fix->pinned, 0, NPAGES - 1));
	segment = segment_at(fix, 0);
	KUNIT_EXPECT_EQ(test, segment->last, NPAGES_OWN - 1);
	segment = segment_at(fix, NPAGES_OWN);
	KUNIT_EXPECT_EQ(test, iommufd_claim_first(segment),
			PLACE + NPAGES_OWN);
	KUNIT_EXPECT_EQ(test, fix->of_process->npages, NPAGES_OWN);
	KUNIT_EXPECT_EQ(test, fix->of_file->npages, NPAGES - NPAGES_OWN);

	iommufd_pinned_unpin(&fix->pinned, 0, NPAGES - 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&fix->mm->pinned_vm), 0);
}

/* What knows of the file goes with the last page. */
static void files_are_known_while_they_are_pinned(struct kunit *test)
{
	struct owners_fixture *fix = test->priv;
	int refs = refcount_read(&fix->of_file->refs);
	unsigned int i;

	for (i = 0; i != 3; i++)
		KUNIT_ASSERT_EQ(test, 0,
				iommufd_pinned_pin(&fix->pinned,
						   NPAGES_OWN + 10 * i,
						   NPAGES_OWN + 10 * i + 9));
	KUNIT_EXPECT_LT(test, refs, refcount_read(&fix->of_file->refs));
	for (i = 0; i != 3; i++)
		iommufd_pinned_unpin(&fix->pinned, NPAGES_OWN + 10 * i,
				     NPAGES_OWN + 10 * i + 9);
	KUNIT_EXPECT_EQ(test, refs, refcount_read(&fix->of_file->refs));
}

/* Nobody takes it for pinned before it is. */
static void what_is_passed_on_is_still_pending(struct kunit *test)
{
	struct iommufd_pin_segment coming = { .first = NPAGES_OWN,
					      .last = NPAGES - 1 };
	struct owners_fixture *fix = test->priv;
	struct iommufd_claimant *claimant;

	claimant = iommufd_claimant_alloc(&fix->account, fix, PLACE);
	KUNIT_ASSERT_NOT_NULL(test, claimant);
	iommufd_claim_begin(&fix->pinned.own, &coming);
	iommufd_claim_pass_on(&coming, claimant);
	KUNIT_EXPECT_TRUE(test, coming.claim.pending);
	KUNIT_EXPECT_EQ(test, fix->of_process->nr, 0);
	KUNIT_EXPECT_EQ(test, fix->of_process->nr_settled, 1);
	KUNIT_EXPECT_EQ(test, fix->of_file->nr, 1);
	KUNIT_EXPECT_EQ(test, fix->of_file->nr_settled, 0);
	iommufd_claim_cancel(&coming);
	iommufd_claimant_put(claimant);
}

static void owners_have_a_registry_each(struct kunit *test)
{
	struct iommufd_claims *a = iommufd_claims_get(&test, false);
	struct iommufd_claims *b = iommufd_claims_get(test, false);
	struct iommufd_claims *file = iommufd_claims_get(&test, true);

	KUNIT_ASSERT_TRUE(test, a && b && file);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_NE(test, a, file);
	KUNIT_EXPECT_PTR_EQ(test, a, iommufd_claims_get(&test, false));
	KUNIT_EXPECT_EQ(test, refcount_read(&a->refs), 2);
	iommufd_claims_put(a);
	iommufd_claims_put(a);
	iommufd_claims_put(b);
	iommufd_claims_put(file);
}

static int owners_init(struct kunit *test)
{
	struct owners_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	/* of which only a counter is looked at */
	fix->mm = kunit_kzalloc(test, sizeof(*fix->mm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix->mm);
	fix->of_process = iommufd_claims_get(fix->mm, false);
	fix->of_file = iommufd_claims_get(fix, true);
	KUNIT_ASSERT_TRUE(test, fix->of_process && fix->of_file);
	fix->account = (struct iommufd_account){
		.kind = IOMMUFD_ACCOUNT_FIXED,
		.payer = {
			.mm = fix->mm,
			.task = current,
			.mode = IOMMUFD_ACCOUNT_NONE,
		},
	};
	iommufd_pinned_init(&fix->pinned, &owners_fake_ops, 0, true);
	fix->pinned.own.account = &fix->account;
	fix->pinned.own.claims = fix->of_process;
	test->priv = fix;
	return 0;
}

static void owners_exit(struct kunit *test)
{
	struct owners_fixture *fix = test->priv;

	if (!fix)
		return;
	iommufd_pinned_put(&fix->pinned);
	iommufd_claims_put(fix->of_process);
	iommufd_claims_put(fix->of_file);
}

static struct kunit_case owners_cases[] = {
	KUNIT_CASE(pages_of_two_owners_stay_apart),
	KUNIT_CASE(files_are_known_while_they_are_pinned),
	KUNIT_CASE(what_is_passed_on_is_still_pending),
	KUNIT_CASE(owners_have_a_registry_each),
	{}
};

static struct kunit_suite owners_suite = {
	.name = "iommufd_owners",
	.init = owners_init,
	.exit = owners_exit,
	.test_cases = owners_cases,
};

kunit_test_suite(owners_suite);
