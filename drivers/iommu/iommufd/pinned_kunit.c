// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the pinned-memory object with a source that counts
 *
 * The fake source knows for each page how often it has been pinned, and puts
 * page i at pfn_of(i), where there is memory of the test. A model counts users
 * for each page: a page must be pinned exactly when it has users.
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "pinned.h"

#define NPAGES 64
#define MAX_USERS 40
#define NBYTES (NPAGES * PAGE_SIZE)
/* The pages and the gaps between them */
#define MEMORY_ORDER 7

struct fake_memory {
	struct iommufd_pinned pinned;
	int pins[NPAGES];
	unsigned long charged;
	unsigned long limit;
	/* This pin() from now on fails; 0: none */
	unsigned int fail_pin;
	bool released;
	struct page *memory;
	/* What copy() did, and is to return */
	size_t copied;
	bool kthread;
	int copy_rc;
};

struct pinned_fixture {
	struct fake_memory mem;
	int users[NPAGES];
	struct {
		unsigned long first;
		unsigned long last;
	} ranges[MAX_USERS];
	unsigned int nr_ranges;
};

static struct fake_memory *to_fake(struct iommufd_pinned *pinned)
{
	return container_of(pinned, struct fake_memory, pinned);
}

/* Every third page is not contiguous with the one before. */
static unsigned long pfn_of(struct fake_memory *mem, unsigned long page)
{
	return page_to_pfn(mem->memory) + page + page / 3;
}

static unsigned long page_of(struct fake_memory *mem, unsigned long pfn)
{
	unsigned long page;

	for (page = 0; page != NPAGES; page++)
		if (pfn_of(mem, page) == pfn)
			return page;
	return NPAGES;
}

static u8 *byte_of(struct fake_memory *mem, unsigned long offset)
{
	struct page *page = pfn_to_page(pfn_of(mem, offset >> PAGE_SHIFT));

	return (u8 *)page_address(page) + offset_in_page(offset);
}

static void fake_unpin(struct iommufd_pinned *pinned,
		       const struct iommufd_run_slice *runs,
		       unsigned long npages)
{
	struct fake_memory *mem = to_fake(pinned);
	struct iommufd_run_cursor cursor;
	struct iommufd_run run;
	unsigned long i;

	iommufd_run_slice_walk(runs, 0, npages, &cursor);
	while (iommufd_run_cursor_next(&cursor, &run)) {
		for (i = 0; i != iommufd_run_npages(run); i++)
			mem->pins[page_of(mem, iommufd_run_pfn(run) + i)]--;
	}
}

static int fake_pin(struct iommufd_pinned *pinned, unsigned long first,
		    unsigned long last, struct iommufd_run_builder *runs)
{
	struct fake_memory *mem = to_fake(pinned);
	unsigned long page;
	int rc;

	if (mem->fail_pin && !--mem->fail_pin)
		return -EFAULT;
	for (page = first; page <= last; page++) {
		rc = iommufd_runs_append(runs, pfn_of(mem, page), 1);
		if (rc)
			return rc;
		mem->pins[page]++;
	}
	return 0;
}

static int fake_charge(struct iommufd_pinned *pinned, unsigned long npages)
{
	struct fake_memory *mem = to_fake(pinned);

	if (mem->charged + npages > mem->limit)
		return -ENOMEM;
	mem->charged += npages;
	return 0;
}

static void fake_uncharge(struct iommufd_pinned *pinned, unsigned long npages)
{
	to_fake(pinned)->charged -= npages;
}

static void fake_release(struct iommufd_pinned *pinned)
{
	to_fake(pinned)->released = true;
}

static int fake_copy(struct iommufd_pinned *pinned, unsigned long offset,
		     void *data, size_t length, bool write, bool kthread)
{
	struct fake_memory *mem = to_fake(pinned);
	u8 *bytes = data;
	size_t i;

	mem->kthread = kthread;
	if (mem->copy_rc)
		return mem->copy_rc;
	for (i = 0; i != length; i++) {
		if (write)
			*byte_of(mem, offset + i) = bytes[i];
		else
			bytes[i] = *byte_of(mem, offset + i);
	}
	mem->copied += length;
	return 0;
}

static const struct iommufd_source_ops fake_ops = {
	.pin = fake_pin,
	.unpin = fake_unpin,
	.charge = fake_charge,
	.uncharge = fake_uncharge,
	.release = fake_release,
};

static const struct iommufd_source_ops copying_ops = {
	.pin = fake_pin,
	.unpin = fake_unpin,
	.charge = fake_charge,
	.uncharge = fake_uncharge,
	.release = fake_release,
	.copy = fake_copy,
};

static void free_memory(void *memory)
{
	__free_pages(memory, MEMORY_ORDER);
}

KUNIT_DEFINE_ACTION_WRAPPER(free_bytes, kvfree, const void *);

static int pinned_init(struct kunit *test)
{
	struct pinned_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fix);
	fix->mem.memory = alloc_pages(GFP_KERNEL | __GFP_ZERO, MEMORY_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, fix->mem.memory);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_memory,
						  fix->mem.memory));
	iommufd_pinned_init(&fix->mem.pinned, &fake_ops, 0, true);
	fix->mem.limit = NPAGES;
	test->priv = fix;
	return 0;
}

static void pinned_exit(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	if (!fix)
		return;
	iommufd_pinned_put(&fix->mem.pinned);
	KUNIT_EXPECT_TRUE(test, fix->mem.released);
}

static int pin(struct pinned_fixture *fix, unsigned long first,
	       unsigned long last)
{
	unsigned long page;
	int rc;

	rc = iommufd_pinned_pin(&fix->mem.pinned, first, last);
	if (rc)
		return rc;
	for (page = first; page <= last; page++)
		fix->users[page]++;
	fix->ranges[fix->nr_ranges].first = first;
	fix->ranges[fix->nr_ranges++].last = last;
	return 0;
}

static void unpin(struct pinned_fixture *fix, unsigned int i)
{
	unsigned long first = fix->ranges[i].first;
	unsigned long last = fix->ranges[i].last;
	unsigned long page;

	iommufd_pinned_unpin(&fix->mem.pinned, first, last);
	for (page = first; page <= last; page++)
		fix->users[page]--;
	fix->ranges[i] = fix->ranges[--fix->nr_ranges];
}

static void unpin_all(struct pinned_fixture *fix)
{
	while (fix->nr_ranges)
		unpin(fix, 0);
}

/* Runs of a range that is pinned are those of its pages. */
static void expect_walk(struct kunit *test, unsigned long first,
			unsigned long last)
{
	struct pinned_fixture *fix = test->priv;
	struct iommufd_pinned_cursor cursor;
	unsigned long page = first, i;
	struct iommufd_run run;

	iommufd_pinned_walk(&fix->mem.pinned, first, last, &cursor);
	while (iommufd_pinned_next(&cursor, &run)) {
		for (i = 0; i != iommufd_run_npages(run); i++, page++)
			KUNIT_ASSERT_EQ(test, iommufd_run_pfn(run) + i,
					pfn_of(&fix->mem, page));
	}
	KUNIT_EXPECT_EQ(test, page, last + 1);
}

static void expect_model(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;
	unsigned long page, charged = 0;
	unsigned int i;

	for (page = 0; page != NPAGES; page++) {
		KUNIT_ASSERT_EQ(test, fix->mem.pins[page], !!fix->users[page]);
		charged += !!fix->users[page];
	}
	KUNIT_ASSERT_EQ(test, fix->mem.charged, charged);
	for (i = 0; i != fix->nr_ranges; i++)
		expect_walk(test, fix->ranges[i].first, fix->ranges[i].last);
}

static void a_page_is_pinned_once_for_all_its_users(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	guard(mutex)(&fix->mem.pinned.mutex);

	KUNIT_EXPECT_EQ(test, 0, pin(fix, 10, 20));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 15, 30));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 10, 20));
	expect_model(test);
	unpin(fix, 0);
	expect_model(test);
	unpin_all(fix);
	expect_model(test);
}

static void holes_between_users_are_filled(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	guard(mutex)(&fix->mem.pinned.mutex);

	KUNIT_EXPECT_EQ(test, 0, pin(fix, 5, 5));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 10, 12));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 20, 40));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 0, 30));
	expect_model(test);
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 11, 11));
	expect_model(test);
	unpin_all(fix);
	expect_model(test);
}

static void random_users_leave_nothing_behind(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;
	struct rnd_state rnd;
	unsigned int i;

	guard(mutex)(&fix->mem.pinned.mutex);

	prandom_seed_state(&rnd, 1);
	for (i = 0; i != 3000; i++) {
		unsigned long first = prandom_u32_state(&rnd) % NPAGES;
		unsigned long last = first + prandom_u32_state(&rnd) %
						     (NPAGES - first);

		if (fix->nr_ranges != MAX_USERS && prandom_u32_state(&rnd) % 2)
			KUNIT_ASSERT_EQ(test, 0, pin(fix, first, last));
		else if (fix->nr_ranges)
			unpin(fix, prandom_u32_state(&rnd) % fix->nr_ranges);
		expect_model(test);
	}
	unpin_all(fix);
	expect_model(test);
}

static void a_pin_that_fails_changes_nothing(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;
	unsigned int nth;

	guard(mutex)(&fix->mem.pinned.mutex);

	KUNIT_EXPECT_EQ(test, 0, pin(fix, 10, 12));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 20, 40));
	for (nth = 1; nth <= 3; nth++) {
		fix->mem.fail_pin = nth;
		KUNIT_EXPECT_EQ(test, -EFAULT, pin(fix, 0, 50));
		expect_model(test);
	}
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 11, 30));
	expect_model(test);
	unpin_all(fix);
}

static void a_limit_is_never_exceeded(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	guard(mutex)(&fix->mem.pinned.mutex);

	fix->mem.limit = 10;
	KUNIT_EXPECT_EQ(test, -ENOMEM, pin(fix, 0, 10));
	expect_model(test);
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 0, 9));
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 3, 5));
	KUNIT_EXPECT_EQ(test, -ENOMEM, pin(fix, 9, 10));
	expect_model(test);
	unpin_all(fix);
	KUNIT_EXPECT_EQ(test, 0, pin(fix, 20, 29));
	unpin_all(fix);
	expect_model(test);
}

static u8 byte_at(unsigned long offset)
{
	return offset * 167 + (offset >> 8) * 59 + 1;
}

static void fill_memory(struct fake_memory *mem)
{
	unsigned long offset;

	for (offset = 0; offset != NBYTES; offset++)
		*byte_of(mem, offset) = byte_at(offset);
}

static u8 *alloc_bytes(struct kunit *test)
{
	u8 *bytes = kvzalloc(NBYTES, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_bytes, bytes));
	return bytes;
}

static int copy_from(struct pinned_fixture *fix, unsigned long offset,
		     u8 *bytes, size_t length, unsigned int how)
{
	return iommufd_pinned_copy(&fix->mem.pinned, offset, bytes, length,
				   false, how);
}

static int copy_to(struct pinned_fixture *fix, unsigned long offset,
		   u8 *bytes, size_t length, unsigned int how)
{
	return iommufd_pinned_copy(&fix->mem.pinned, offset, bytes, length,
				   true, how);
}

/* Bytes of the range whose page nobody has pinned */
static size_t unpinned_bytes(struct pinned_fixture *fix, unsigned long offset,
			     size_t length)
{
	size_t count = 0;

	for (; length; length--, offset++)
		count += !fix->users[offset >> PAGE_SHIFT];
	return count;
}

static void expect_read(struct kunit *test, u8 *bytes, unsigned long offset,
			size_t length, unsigned int how)
{
	struct pinned_fixture *fix = test->priv;
	size_t i;

	memset(bytes, 0, length);
	KUNIT_ASSERT_EQ(test, 0, copy_from(fix, offset, bytes, length, how));
	for (i = 0; i != length; i++)
		KUNIT_ASSERT_EQ(test, bytes[i], byte_at(offset + i));
}

/* Writes other bytes, looks at what is in and around the range, restores it. */
static void expect_write(struct kunit *test, u8 *bytes, unsigned long offset,
			 size_t length, unsigned int how)
{
	struct pinned_fixture *fix = test->priv;
	size_t i;

	for (i = 0; i != length; i++)
		bytes[i] = ~byte_at(offset + i);
	KUNIT_ASSERT_EQ(test, 0, copy_to(fix, offset, bytes, length, how));
	for (i = 0; i != length; i++) {
		u8 *byte = byte_of(&fix->mem, offset + i);

		KUNIT_ASSERT_EQ(test, *byte, bytes[i]);
		*byte = byte_at(offset + i);
	}
	if (offset)
		KUNIT_ASSERT_EQ(test, *byte_of(&fix->mem, offset - 1),
				byte_at(offset - 1));
	if (offset + length != NBYTES)
		KUNIT_ASSERT_EQ(test, *byte_of(&fix->mem, offset + length),
				byte_at(offset + length));
}

static void random_range(struct rnd_state *rnd, unsigned long *offset,
			 size_t *length)
{
	*offset = prandom_u32_state(rnd) % NBYTES;
	*length = 1 + prandom_u32_state(rnd) % min(NBYTES - *offset,
						   9 * PAGE_SIZE);
}

/* Some pages are pinned, others are not. */
static void pin_here_and_there(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	KUNIT_ASSERT_EQ(test, 0, pin(fix, 2, 5));
	KUNIT_ASSERT_EQ(test, 0, pin(fix, 4, 9));
	KUNIT_ASSERT_EQ(test, 0, pin(fix, 11, 11));
	KUNIT_ASSERT_EQ(test, 0, pin(fix, 30, 50));
	KUNIT_ASSERT_EQ(test, 0, pin(fix, 63, 63));
}

static void copy_and_compare(struct kunit *test, bool by_owner,
			     unsigned int how)
{
	struct pinned_fixture *fix = test->priv;
	u8 *bytes = alloc_bytes(test);
	unsigned long charged;
	struct rnd_state rnd;
	unsigned int i;

	guard(mutex)(&fix->mem.pinned.mutex);

	fill_memory(&fix->mem);
	pin_here_and_there(test);
	charged = fix->mem.charged;
	/* Pages that are pinned for a moment are charged to nobody. */
	fix->mem.limit = charged;
	prandom_seed_state(&rnd, 2);
	for (i = 0; i != 200; i++) {
		unsigned long offset;
		size_t length;

		random_range(&rnd, &offset, &length);
		fix->mem.copied = 0;
		expect_read(test, bytes, offset, length, how);
		expect_write(test, bytes, offset, length, how);
		KUNIT_ASSERT_EQ(test, fix->mem.copied,
				by_owner ? 2 * unpinned_bytes(fix, offset,
							      length) : 0);
		expect_model(test);
	}
	expect_read(test, bytes, 0, NBYTES, how);
	expect_write(test, bytes, 0, NBYTES, how);
	unpin_all(fix);
	expect_read(test, bytes, 0, NBYTES, how);
	expect_model(test);
}

static void copies_reach_every_byte_by_pins(struct kunit *test)
{
	copy_and_compare(test, false, 0);
}

static void copies_leave_what_is_not_pinned_to_the_source(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	fix->mem.pinned.ops = &copying_ops;
	copy_and_compare(test, true, 0);
	KUNIT_EXPECT_FALSE(test, fix->mem.kthread);
}

static void copies_tell_the_source_of_kernel_threads(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	fix->mem.pinned.ops = &copying_ops;
	copy_and_compare(test, true, IOMMUFD_COPY_KTHREAD);
	KUNIT_EXPECT_TRUE(test, fix->mem.kthread);
}

static void copies_use_pins_when_told_to(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	fix->mem.pinned.ops = &copying_ops;
	copy_and_compare(test, false, IOMMUFD_COPY_BY_PINS);
}

static void copies_use_pins_when_the_source_cannot_copy(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;

	fix->mem.pinned.ops = &copying_ops;
	fix->mem.copy_rc = -EOPNOTSUPP;
	copy_and_compare(test, false, 0);
}

static void a_copy_that_fails_leaves_no_pins(struct kunit *test)
{
	struct pinned_fixture *fix = test->priv;
	u8 *bytes = alloc_bytes(test);
	unsigned int nth;

	guard(mutex)(&fix->mem.pinned.mutex);

	fill_memory(&fix->mem);
	pin_here_and_there(test);
	for (nth = 1; nth <= 3; nth++) {
		fix->mem.fail_pin = nth;
		KUNIT_EXPECT_EQ(test, -EFAULT,
				copy_from(fix, 0, bytes, NBYTES, 0));
		expect_model(test);
	}
	fix->mem.pinned.ops = &copying_ops;
	fix->mem.copy_rc = -EPERM;
	KUNIT_EXPECT_EQ(test, -EPERM, copy_to(fix, 0, bytes, NBYTES, 0));
	expect_model(test);
	/* What is pinned does not need the source. */
	expect_read(test, bytes, 3 * PAGE_SIZE - 7, 2 * PAGE_SIZE, 0);
	unpin_all(fix);
	expect_model(test);
}

static struct kunit_case pinned_cases[] = {
	KUNIT_CASE(a_page_is_pinned_once_for_all_its_users),
	KUNIT_CASE(holes_between_users_are_filled),
	KUNIT_CASE(random_users_leave_nothing_behind),
	KUNIT_CASE(a_pin_that_fails_changes_nothing),
	KUNIT_CASE(a_limit_is_never_exceeded),
	KUNIT_CASE(copies_reach_every_byte_by_pins),
	KUNIT_CASE(copies_leave_what_is_not_pinned_to_the_source),
	KUNIT_CASE(copies_tell_the_source_of_kernel_threads),
	KUNIT_CASE(copies_use_pins_when_told_to),
	KUNIT_CASE(copies_use_pins_when_the_source_cannot_copy),
	KUNIT_CASE(a_copy_that_fails_leaves_no_pins),
	{}
};

static struct kunit_suite pinned_suite = {
	.name = "iommufd_pinned",
	.init = pinned_init,
	.exit = pinned_exit,
	.test_cases = pinned_cases,
};

kunit_test_suite(pinned_suite);
