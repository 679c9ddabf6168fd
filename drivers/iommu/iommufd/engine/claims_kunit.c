// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of claims against a model: each page counts once
 *
 * Some objects have the same memory, and payers that share counters or do not.
 * The memory changes: a page that is pinned anew may be in another frame than
 * it was before. Whatever is pinned and unpinned, and in whatever pieces, a
 * counter is the number of different frames at different places.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>

#include "account.h"
#include "claims.h"
#include "kunit_call.h"
#include "pinned.h"
#include "why.h"

#define NPAGES 96
#define NR_OBJECTS 7
#define MAX_PINS 30
#define PLACE 4093	/* the first place of the memory */

/* What the objects see, and where the first page of each is in it */
static const unsigned long object_shift[NR_OBJECTS] = {
	0, 7, 0, 0, 16, 33, 5
};

static const unsigned int object_account[NR_OBJECTS] = {
	0, 0, 1, 2, 3, 0, 4
};

/* Accounts 0 and 1 share an mm, 0 and 2 a user, 2 to 4 the other mm. */
#define NR_ACCOUNTS 5
static const struct {
	unsigned int mm;
	unsigned int user;
	enum iommufd_account_mode mode;
} account_is[NR_ACCOUNTS] = {
	{ 0, 0, IOMMUFD_ACCOUNT_USER },
	{ 0, 0, IOMMUFD_ACCOUNT_NONE },
	{ 1, 0, IOMMUFD_ACCOUNT_USER },
	{ 1, 1, IOMMUFD_ACCOUNT_USER },
	{ 1, 0, IOMMUFD_ACCOUNT_MM },
};

/* What is looked at of an mm, or of a user */
enum counter { PINNED, USER_LIMIT, MM_LIMIT };

struct claims_object {
	struct iommufd_pinned pinned;
	struct claims_fixture *fix;
	/* By page of the memory: pins, and the frame if there are any */
	unsigned int nr_pins[NPAGES];
	unsigned long pfn[NPAGES];
	struct {
		unsigned long first;
		unsigned long last;
	} pins[MAX_PINS];
	unsigned int nr;
};

struct claims_fixture {
	struct mm_struct *mm[2];
	struct user_struct *user[2];
	struct iommufd_account accounts[NR_ACCOUNTS];
	struct claims_object objects[NR_OBJECTS];
	/* Which frame a page is in now */
	unsigned int version[NPAGES];
	unsigned int fail_pin;
	struct iommufd_accounts moving;
	struct iommufd_accounts staying;
	/* What is to be pinned in the middle of another pin */
	struct claims_object *nested;
	struct rlimit limit;
	struct kunit_call call;
	struct rnd_state rnd;
};

static u32 random_below(struct claims_fixture *fix, u32 end)
{
	return prandom_u32_state(&fix->rnd) % end;
}

static struct claims_object *object_of(struct iommufd_pinned *pinned)
{
	return container_of(pinned, struct claims_object, pinned);
}

static unsigned long object_shift_of(const struct claims_object *object)
{
	return object_shift[object - object->fix->objects];
}

/* Where a page of the memory is now */
static unsigned long frame_of(const struct claims_fixture *fix,
			      unsigned long page)
{
	return 5000 + 1000 * fix->version[page] + page;
}

static int object_pin(struct claims_object *object, unsigned long first,
		      unsigned long last);

static int claims_fake_pin(struct iommufd_pinned *pinned, unsigned long first,
			   unsigned long last, struct iommufd_run_builder *runs)
{
	struct claims_object *object = object_of(pinned);
	struct claims_fixture *fix = object->fix;
	struct claims_object *nested = fix->nested;
	unsigned long page, end = last + object_shift_of(object) + 1;
	int rc;

	fix->nested = NULL;
	if (nested && nested != object)
		object_pin(nested, first, last);
	if (fix->fail_pin && !--fix->fail_pin)
		return -EFAULT;
	for (page = first + object_shift_of(object); page != end; page++) {
		object->pfn[page] = frame_of(fix, page);
		rc = iommufd_runs_append(runs, object->pfn[page], 1);
		if (rc)
			return rc;
	}
	return 0;
}

static void claims_fake_unpin(struct iommufd_pinned *pinned,
			      const struct iommufd_run_slice *runs,
			      unsigned long npages)
{
}

static void claims_fake_release(struct iommufd_pinned *pinned)
{
}

static const struct iommufd_source_ops claims_fake_ops = {
	.pin = claims_fake_pin,
	.unpin = claims_fake_unpin,
	.release = claims_fake_release,
};

/* Pages of the object, those that it has */
static int object_pin(struct claims_object *object, unsigned long first,
		      unsigned long last)
{
	unsigned long shift = object_shift_of(object), page;
	int rc;

	if (object->nr == MAX_PINS)
		return -ENOSPC;
	last = min(last, NPAGES - shift - 1);
	first = min(first, last);
	rc = iommufd_errno(iommufd_pinned_pin(&object->pinned, first, last));
	if (rc)
		return rc;
	for (page = first; page <= last; page++)
		object->nr_pins[page + shift]++;
	object->pins[object->nr].first = first;
	object->pins[object->nr++].last = last;
	return 0;
}

static void object_unpin(struct claims_object *object, unsigned int i)
{
	unsigned long shift = object_shift_of(object), page;
	unsigned long first = object->pins[i].first;
	unsigned long last = object->pins[i].last;

	iommufd_pinned_unpin(&object->pinned, first, last);
	for (page = first; page <= last; page++)
		object->nr_pins[page + shift]--;
	object->pins[i] = object->pins[--object->nr];
}

static void unpin_all(struct claims_fixture *fix)
{
	unsigned int i;

	for (i = 0; i != NR_OBJECTS; i++)
		while (fix->objects[i].nr)
			object_unpin(&fix->objects[i], 0);
}

static bool object_counts(const struct claims_object *object,
			  enum counter counter, unsigned int which)
{
	unsigned int i = object_account[object - object->fix->objects];

	switch (counter) {
	case PINNED:
		break;
	case USER_LIMIT:
		return account_is[i].mode == IOMMUFD_ACCOUNT_USER &&
		       account_is[i].user == which;
	case MM_LIMIT:
		return account_is[i].mode == IOMMUFD_ACCOUNT_MM &&
		       account_is[i].mm == which;
	}
	return account_is[i].mm == which;
}

/* Does an object in front of this one have the same page? */
static bool is_counted_before(const struct claims_object *object,
			      unsigned long page, enum counter counter,
			      unsigned int which)
{
	const struct claims_object *other;

	for (other = object->fix->objects; other != object; other++) {
		if (object_counts(other, counter, which) &&
		    other->nr_pins[page] &&
		    other->pfn[page] == object->pfn[page])
			return true;
	}
	return false;
}

static unsigned long model_count(struct claims_fixture *fix,
				 enum counter counter, unsigned int which)
{
	unsigned long page, count = 0;
	unsigned int i;

	for (i = 0; i != NR_OBJECTS; i++) {
		const struct claims_object *object = &fix->objects[i];

		if (!object_counts(object, counter, which))
			continue;
		for (page = 0; page != NPAGES; page++)
			count += object->nr_pins[page] &&
				 !is_counted_before(object, page, counter,
						    which);
	}
	return count;
}

static void expect_counts(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	struct iommufd_claims *claims = fix->objects[0].pinned.own.claims;
	unsigned int i;

	for (i = 0; i != 2; i++) {
		KUNIT_ASSERT_EQ(test, atomic64_read(&fix->mm[i]->pinned_vm),
				model_count(fix, PINNED, i));
		KUNIT_ASSERT_EQ(test, fix->mm[i]->locked_vm,
				model_count(fix, MM_LIMIT, i));
		KUNIT_ASSERT_EQ(test,
				atomic_long_read(&fix->user[i]->locked_vm),
				model_count(fix, USER_LIMIT, i));
	}
	if (claims->nr && claims->only) {
		struct mm_struct *mm = claims->only->payer.mm;

		KUNIT_ASSERT_EQ(test, claims->npages,
				atomic64_read(&mm->pinned_vm));
	}
}

static void change_memory(struct claims_fixture *fix)
{
	unsigned long first = random_below(fix, NPAGES);
	unsigned long end = first + 1 + random_below(fix, NPAGES - first);
	unsigned long step = 1 + random_below(fix, 3);

	for (; first < end; first += step)
		fix->version[first] = random_below(fix, 4);
}

static int pin_something(struct claims_fixture *fix,
			 struct claims_object *object)
{
	unsigned long first = random_below(fix, NPAGES);
	unsigned long length = random_below(fix, 3) ? 8 : NPAGES;

	return object_pin(object, first, first + random_below(fix, length));
}

static void do_something(struct claims_fixture *fix)
{
	struct claims_object *object;

	object = &fix->objects[random_below(fix, NR_OBJECTS)];
	switch (random_below(fix, 8)) {
	case 0:
		change_memory(fix);
		break;
	case 1:
		fix->fail_pin = 1 + random_below(fix, 2);
		break;
	case 2:
		fix->nested = object;
		break;
	case 3:
	case 4:
	case 5:
		if (object->nr)
			object_unpin(object, random_below(fix, object->nr));
		break;
	default:
		pin_something(fix, object);
	}
}

static void each_page_counts_once(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	unsigned int i;

	for (i = 0; i != 2000; i++) {
		do_something(fix);
		expect_counts(test);
	}
	fix->nested = NULL;
	unpin_all(fix);
	expect_counts(test);
}

static void set_limit(unsigned long npages)
{
	current->signal->rlim[RLIMIT_MEMLOCK].rlim_cur = npages << PAGE_SHIFT;
}

/* What would be counted if the object had these pages, too? */
static unsigned long count_with(struct claims_object *object,
				unsigned long first, unsigned long last)
{
	unsigned long shift = object_shift_of(object), page, count;
	struct claims_fixture *fix = object->fix;

	last = min(last, NPAGES - shift - 1);
	first = min(first, last);
	for (page = first + shift; page <= last + shift; page++) {
		if (!object->nr_pins[page]++)
			object->pfn[page] = frame_of(fix, page);
	}
	count = model_count(fix, USER_LIMIT, 0);
	for (page = first + shift; page <= last + shift; page++)
		object->nr_pins[page]--;
	return count;
}

static void pin_as_the_limit_allows(struct kunit *test,
				    struct claims_object *object)
{
	struct claims_fixture *fix = test->priv;
	unsigned long first = random_below(fix, NPAGES);
	unsigned long last = first + random_below(fix, NPAGES);
	unsigned long limit, count;

	if (object->nr == MAX_PINS)
		return;
	count = count_with(object, first, last);
	limit = model_count(fix, USER_LIMIT, 0) + random_below(fix, NPAGES / 2);
	set_limit(limit);
	KUNIT_ASSERT_EQ(test, object_pin(object, first, last),
			count > limit ? -ENOMEM : 0);
}

/* Whatever is shared with others needs nothing of the limit. */
static void a_limit_is_for_what_is_new(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	struct claims_object *object;
	unsigned int i;

	for (i = 0; i != 2000; i++) {
		/* of user 0 */
		object = &fix->objects[random_below(fix, 2)];
		if (random_below(fix, 2))
			change_memory(fix);
		if (random_below(fix, 2))
			pin_as_the_limit_allows(test, object);
		else if (object->nr)
			object_unpin(object, random_below(fix, object->nr));
		expect_counts(test);
	}
	unpin_all(fix);
	expect_counts(test);
}

/* What is pinned in halves, because the limit takes it, ends up as it would. */
static void halves_become_one(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	struct claims_object *first = &fix->objects[0];

	KUNIT_ASSERT_EQ(test, 0, object_pin(first, 0, NPAGES - 1));
	set_limit(NPAGES);
	KUNIT_ASSERT_EQ(test, 0, object_pin(&fix->objects[5], 0, NPAGES - 1));
	KUNIT_EXPECT_EQ(test, first->pinned.own.claims->nr, 2);
	KUNIT_EXPECT_EQ(test, first->pinned.own.claims->npages, NPAGES);
	expect_counts(test);
	unpin_all(fix);
	expect_counts(test);
	KUNIT_EXPECT_EQ(test, first->pinned.own.claims->nr, 0);
}

/* Users 0 and 1 have the same memory: one waits for it, the other does not. */
static void other_users_are_not_waited_for(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	struct claims_object *slow = &fix->objects[3];
	struct claims_object *other = &fix->objects[4];

	KUNIT_ASSERT_EQ(test, 0, object_pin(other, 0, 19));
	set_limit(40);
	/* In the middle of it the other one is beyond his limit. */
	fix->nested = other;
	KUNIT_EXPECT_EQ(test, 0, object_pin(slow, 30, 60));
	KUNIT_EXPECT_EQ(test, other->nr, 1);
	KUNIT_EXPECT_EQ(test, slow->nr, 1);
	expect_counts(test);
}

static int pin_some(void *data)
{
	return object_pin(data, 3, 12);
}

static int unpin_first(void *data)
{
	object_unpin(data, 0);
	return 0;
}

/* Can others go on while the payer's mmap_lock is not to be had? */
static void expect_no_wait(struct kunit *test, int (*run)(void *data))
{
	struct claims_fixture *fix = test->priv;
	struct claims_object *object = &fix->objects[6];
	struct iommufd_claims *claims = object->pinned.own.claims;
	struct mm_struct *mm = object->pinned.own.account->payer.mm;
	bool is_free;

	mmap_write_lock(mm);
	kunit_call_start(&fix->call, run, object);
	KUNIT_EXPECT_TRUE(test, kunit_call_sleeps(&fix->call));
	is_free = mutex_trylock(&claims->lock);
	if (is_free)
		mutex_unlock(&claims->lock);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_EQ(test, kunit_call_end(&fix->call), 0);
	KUNIT_EXPECT_TRUE(test, is_free);
	expect_counts(test);
}

static void mmap_locks_are_not_waited_for(struct kunit *test)
{
	expect_no_wait(test, pin_some);
	expect_no_wait(test, unpin_first);
}

/* There are buckets for many claims, and all of them are found. */
static void many_claims_are_found(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	unsigned int i, k;

	for (i = 0; i != 3; i++) {
		for (k = 0; k != MAX_PINS; k++)
			KUNIT_ASSERT_EQ(test, 0,
					object_pin(&fix->objects[i], k * 2,
						   k * 2));
	}
	KUNIT_EXPECT_EQ(test, fix->objects[0].pinned.own.claims->nr, 3 * MAX_PINS);
	expect_counts(test);
	KUNIT_ASSERT_EQ(test, 0, object_pin(&fix->objects[5], 0, NPAGES));
	expect_counts(test);
	unpin_all(fix);
	KUNIT_EXPECT_EQ(test, fix->objects[0].pinned.own.claims->nr, 0);
	expect_counts(test);
}

/* Pins or unpins one or two of a few pages. */
static void change_few_pages(struct claims_fixture *fix)
{
	struct claims_object *object =
		&fix->objects[random_below(fix, NR_OBJECTS)];
	/* All objects have these. */
	unsigned long page = 40 + random_below(fix, 6);
	unsigned long first = page - object_shift_of(object);

	if (object->nr && random_below(fix, 2))
		object_unpin(object, random_below(fix, object->nr));
	else
		object_pin(object, first, first + !random_below(fix, 4));
}

/* Most claims have a twin, in any order, and some of two pages become one. */
static void twins_come_and_go(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	unsigned int i;

	for (i = 0; i != 5000; i++) {
		if (!random_below(fix, 10))
			change_memory(fix);
		if (!random_below(fix, 200))
			unpin_all(fix);
		change_few_pages(fix);
		expect_counts(test);
	}
	unpin_all(fix);
	expect_counts(test);
	KUNIT_EXPECT_EQ(test, fix->objects[0].pinned.own.claims->nr, 0);
}

/* They stay together when there are more buckets. */
static void twins_stay_twins(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	struct claims_object *twins[] = { &fix->objects[0], &fix->objects[1],
					  &fix->objects[5] };
	struct iommufd_claims *claims = twins[0]->pinned.own.claims;
	unsigned int i, k, bits = claims->bits;

	for (i = 0; i != ARRAY_SIZE(twins); i++)
		KUNIT_ASSERT_EQ(test, 0,
				object_pin(twins[i],
					   50 - object_shift_of(twins[i]),
					   50 - object_shift_of(twins[i])));
	for (k = 0; k != MAX_PINS; k++)
		KUNIT_ASSERT_EQ(test, 0,
				object_pin(&fix->objects[2], k, k));
	KUNIT_EXPECT_GT(test, claims->bits, bits);
	for (i = 0; i != ARRAY_SIZE(twins); i++) {
		object_unpin(twins[i], 0);
		expect_counts(test);
	}
}

static void what_was_cut_off_the_only_claim_is_found(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;

	KUNIT_ASSERT_EQ(test, 0, object_pin(&fix->objects[0], 22, 44));
	KUNIT_ASSERT_EQ(test, 0, object_pin(&fix->objects[0], 22, 26));
	KUNIT_ASSERT_EQ(test, 0, object_pin(&fix->objects[1], 34, 35));
	expect_counts(test);
}

/* What is joined of parts has IOMMUFD_CLAIM_MET if one of them has. */
static void what_is_whole_again_has_met_others(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	struct claims_object *whole = &fix->objects[0];

	KUNIT_ASSERT_EQ(test, 0, object_pin(whole, 0, 39));
	KUNIT_ASSERT_EQ(test, 0, object_pin(whole, 20, 39));
	KUNIT_ASSERT_EQ(test, 0, object_pin(&fix->objects[2], 30, 30));
	object_unpin(whole, 1);
	object_unpin(whole, 0);
	expect_counts(test);
}

static void a_payer_has_where_pages_are_once(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	struct iommufd_run_vec *vec[4];
	unsigned int i;

	for (i = 0; i != NPAGES; i += 2)
		fix->version[i]++;
	for (i = 0; i != ARRAY_SIZE(vec); i++) {
		KUNIT_ASSERT_EQ(test, 0,
				object_pin(&fix->objects[i], 0, NPAGES));
		vec[i] = fix->objects[i].pinned.first_segment.runs.vec;
	}
	KUNIT_EXPECT_PTR_EQ(test, vec[0], vec[1]);
	KUNIT_EXPECT_PTR_NE(test, vec[0], vec[2]);
	KUNIT_EXPECT_PTR_NE(test, vec[0], vec[3]);
}

static void what_is_only_being_pinned_does_not_arrive(struct kunit *test)
{
	struct iommufd_pin_segment coming = { .first = 20, .last = 59 };
	struct claims_fixture *fix = test->priv;
	struct iommufd_claims_held held = { .accounts = &fix->moving };
	struct iommufd_arrival arrival = {};
	struct iommufd_movable *movable;

	fix->accounts[0].accounts = &fix->moving;
	movable = iommufd_movable_get(&fix->accounts[0], fix);
	KUNIT_ASSERT_NOT_NULL(test, movable);
	/* With those of others, claims are looked at one by one. */
	KUNIT_ASSERT_EQ(test, 0, object_pin(&fix->objects[3], 90, 90));
	KUNIT_ASSERT_EQ(test, 0, object_pin(&fix->objects[0], 0, 4));

	iommufd_claim_begin(&fix->objects[0].pinned.own, &coming);
	iommufd_claims_hold(&held);
	iommufd_claims_count_arriving(&held, &fix->accounts[3].payer, &arrival);
	iommufd_claims_release(&held);
	iommufd_claim_cancel(&coming);
	KUNIT_EXPECT_EQ(test, arrival.counts.pinned, 5);
	KUNIT_EXPECT_EQ(test, arrival.counts.limited, 5);
	iommufd_movable_put(movable);
}

static int claims_init(struct kunit *test)
{
	struct iommufd_claims *claims;
	struct claims_fixture *fix;
	unsigned int i;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	/* of which only counters and locks are looked at */
	for (i = 0; i != 2; i++) {
		fix->mm[i] = kunit_kzalloc(test, sizeof(*fix->mm[i]),
					   GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, fix->mm[i]);
		init_rwsem(&fix->mm[i]->mmap_lock);
		mm_lock_seqcount_init(fix->mm[i]);
		atomic_set(&fix->mm[i]->mm_count, 1);
		fix->user[i] = kunit_kzalloc(test, sizeof(*fix->user[i]),
					     GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, fix->user[i]);
		refcount_set(&fix->user[i]->__count, 1);
	}
	claims = iommufd_claims_get(fix, true);
	KUNIT_ASSERT_NOT_NULL(test, claims);
	iommufd_accounts_init(&fix->moving);
	iommufd_accounts_init(&fix->staying);
	for (i = 0; i != NR_ACCOUNTS; i++)
		fix->accounts[i] = (struct iommufd_account){
			.kind = IOMMUFD_ACCOUNT_MOVABLE,
			.payer = {
				.mm = fix->mm[account_is[i].mm],
				.task = current,
				.user = fix->user[account_is[i].user],
				.mode = account_is[i].mode,
			},
			.accounts = &fix->staying,
		};
	for (i = 0; i != NR_OBJECTS; i++) {
		struct claims_object *object = &fix->objects[i];

		iommufd_pinned_init(&object->pinned, &claims_fake_ops,
				    (PLACE + object_shift[i]) << PAGE_SHIFT,
				    true);
		object->fix = fix;
		object->pinned.own.claims = claims;
		object->pinned.own.account = &fix->accounts[object_account[i]];
	}
	prandom_seed_state(&fix->rnd, 5);
	fix->limit = current->signal->rlim[RLIMIT_MEMLOCK];
	set_limit(NR_OBJECTS * NPAGES);
	test->priv = fix;
	return 0;
}

static void claims_exit(struct kunit *test)
{
	struct claims_fixture *fix = test->priv;
	struct iommufd_claims *claims;
	unsigned int i;

	if (!fix)
		return;
	current->signal->rlim[RLIMIT_MEMLOCK] = fix->limit;
	claims = fix->objects[0].pinned.own.claims;
	unpin_all(fix);
	for (i = 0; i != NR_OBJECTS; i++)
		iommufd_pinned_put(&fix->objects[i].pinned);
	iommufd_claims_put(claims);
	iommufd_accounts_destroy(&fix->moving);
	iommufd_accounts_destroy(&fix->staying);
}

static struct kunit_case claims_cases[] = {
	KUNIT_CASE(each_page_counts_once),
	KUNIT_CASE(a_limit_is_for_what_is_new),
	KUNIT_CASE(halves_become_one),
	KUNIT_CASE(other_users_are_not_waited_for),
	KUNIT_CASE(mmap_locks_are_not_waited_for),
	KUNIT_CASE(many_claims_are_found),
	KUNIT_CASE(twins_come_and_go),
	KUNIT_CASE(twins_stay_twins),
	KUNIT_CASE(what_was_cut_off_the_only_claim_is_found),
	KUNIT_CASE(what_is_whole_again_has_met_others),
	KUNIT_CASE(a_payer_has_where_pages_are_once),
	KUNIT_CASE(what_is_only_being_pinned_does_not_arrive),
	{}
};

static struct kunit_suite claims_suite = {
	.name = "iommufd_claims",
	.init = claims_init,
	.exit = claims_exit,
	.test_cases = claims_cases,
};

kunit_test_suite(claims_suite);
