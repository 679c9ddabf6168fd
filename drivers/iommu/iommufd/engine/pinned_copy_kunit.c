// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the pinned-memory object against a model: copies by software
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "pinned_model.h"

#define NBYTES (MODEL_NPAGES * PAGE_SIZE)

static u8 *byte_of(struct fake_memory *mem, unsigned long offset)
{
	unsigned long pfn = fake_memory_pfn(mem, offset >> PAGE_SHIFT);

	return (u8 *)page_address(pfn_to_page(pfn)) + offset_in_page(offset);
}

static int fake_copy(struct iommufd_pinned *pinned, unsigned long offset,
		     void *data, size_t length, bool write, bool kthread)
{
	struct fake_memory *mem = fake_memory_of(pinned);
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

KUNIT_DEFINE_ACTION_WRAPPER(free_bytes, kvfree, const void *);

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

static int copy_from(struct pinned_model *model, unsigned long offset,
		     u8 *bytes, size_t length, unsigned int how)
{
	return iommufd_pinned_copy(&model->mem.pinned, offset, bytes, length,
				   false, how);
}

static int copy_to(struct pinned_model *model, unsigned long offset,
		   u8 *bytes, size_t length, unsigned int how)
{
	return iommufd_pinned_copy(&model->mem.pinned, offset, bytes, length,
				   true, how);
}

/* Bytes of the range whose page nobody has pinned */
static size_t unpinned_bytes(struct pinned_model *model, unsigned long offset,
			     size_t length)
{
	size_t count = 0;

	for (; length; length--, offset++)
		count += !model->nr_pins[offset >> PAGE_SHIFT];
	return count;
}

static void expect_read(struct kunit *test, u8 *bytes, unsigned long offset,
			size_t length, unsigned int how)
{
	struct pinned_model *model = test->priv;
	size_t i;

	memset(bytes, 0, length);
	KUNIT_ASSERT_EQ(test, 0, copy_from(model, offset, bytes, length, how));
	for (i = 0; i != length; i++)
		KUNIT_ASSERT_EQ(test, bytes[i], byte_at(offset + i));
}

/* Writes other bytes, looks at what is in and around the range, restores it. */
static void expect_write(struct kunit *test, u8 *bytes, unsigned long offset,
			 size_t length, unsigned int how)
{
	struct pinned_model *model = test->priv;
	size_t i;

	for (i = 0; i != length; i++)
		bytes[i] = ~byte_at(offset + i);
	KUNIT_ASSERT_EQ(test, 0, copy_to(model, offset, bytes, length, how));
	for (i = 0; i != length; i++) {
		u8 *byte = byte_of(&model->mem, offset + i);

		KUNIT_ASSERT_EQ(test, *byte, bytes[i]);
		*byte = byte_at(offset + i);
	}
	if (offset)
		KUNIT_ASSERT_EQ(test, *byte_of(&model->mem, offset - 1),
				byte_at(offset - 1));
	if (offset + length != NBYTES)
		KUNIT_ASSERT_EQ(test, *byte_of(&model->mem, offset + length),
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
	struct pinned_model *model = test->priv;

	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 2, 5));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 4, 9));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 11, 11));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 30, 50));
	KUNIT_ASSERT_EQ(test, 0, pinned_model_pin(model, 63, 63));
}

static void copy_and_compare(struct kunit *test, bool by_owner,
			     unsigned int how)
{
	struct pinned_model *model = test->priv;
	u8 *bytes = alloc_bytes(test);
	struct rnd_state rnd;
	unsigned int i;

	fill_memory(&model->mem);
	pin_here_and_there(test);
	prandom_seed_state(&rnd, 2);
	for (i = 0; i != 200; i++) {
		unsigned long offset;
		size_t length;

		random_range(&rnd, &offset, &length);
		model->mem.copied = 0;
		expect_read(test, bytes, offset, length, how);
		expect_write(test, bytes, offset, length, how);
		KUNIT_ASSERT_EQ(test, model->mem.copied,
				by_owner ? 2 * unpinned_bytes(model, offset,
							      length) : 0);
		pinned_model_expect(test);
	}
	expect_read(test, bytes, 0, NBYTES, how);
	expect_write(test, bytes, 0, NBYTES, how);
	pinned_model_unpin_all(model);
	expect_read(test, bytes, 0, NBYTES, how);
	pinned_model_expect(test);
}

static void copies_reach_every_byte_by_pins(struct kunit *test)
{
	copy_and_compare(test, false, 0);
}

static void copies_leave_what_is_not_pinned_to_the_source(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	model->mem.ops.copy = fake_copy;
	copy_and_compare(test, true, 0);
	KUNIT_EXPECT_FALSE(test, model->mem.kthread);
}

static void copies_tell_the_source_of_kernel_threads(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	model->mem.ops.copy = fake_copy;
	copy_and_compare(test, true, IOMMUFD_COPY_KTHREAD);
	KUNIT_EXPECT_TRUE(test, model->mem.kthread);
}

static void copies_use_pins_when_told_to(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	model->mem.ops.copy = fake_copy;
	copy_and_compare(test, false, IOMMUFD_COPY_BY_PINS);
}

static void copies_use_pins_when_the_source_cannot_copy(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	model->mem.ops.copy = fake_copy;
	model->mem.copy_rc = -EOPNOTSUPP;
	copy_and_compare(test, false, 0);
}

static void a_copy_that_fails_leaves_no_pins(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	u8 *bytes = alloc_bytes(test);
	unsigned int nth;

	fill_memory(&model->mem);
	pin_here_and_there(test);
	for (nth = 1; nth <= 3; nth++) {
		model->mem.fail_pin = nth;
		KUNIT_EXPECT_EQ(test, -EFAULT,
				copy_from(model, 0, bytes, NBYTES, 0));
		pinned_model_expect(test);
	}
	model->mem.ops.copy = fake_copy;
	model->mem.copy_rc = -EPERM;
	KUNIT_EXPECT_EQ(test, -EPERM, copy_to(model, 0, bytes, NBYTES, 0));
	pinned_model_expect(test);
	/* What is pinned does not need the source. */
	expect_read(test, bytes, 3 * PAGE_SIZE - 7, 2 * PAGE_SIZE, 0);
	pinned_model_unpin_all(model);
	pinned_model_expect(test);
}

static struct kunit_case pinned_copy_cases[] = {
	KUNIT_CASE(copies_reach_every_byte_by_pins),
	KUNIT_CASE(copies_leave_what_is_not_pinned_to_the_source),
	KUNIT_CASE(copies_tell_the_source_of_kernel_threads),
	KUNIT_CASE(copies_use_pins_when_told_to),
	KUNIT_CASE(copies_use_pins_when_the_source_cannot_copy),
	KUNIT_CASE(a_copy_that_fails_leaves_no_pins),
	{}
};

static struct kunit_suite pinned_copy_suite = {
	.name = "iommufd_pinned_copy",
	.init = pinned_model_init,
	.exit = pinned_model_exit,
	.test_cases = pinned_copy_cases,
};

kunit_test_suite(pinned_copy_suite);
