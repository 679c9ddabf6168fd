// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of the pinned-memory object, for its KUnit tests
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/mm.h>

#include "pinned_model.h"

/* The pages and the gaps between them */
#define MEMORY_ORDER 7

/* Every third page is not contiguous with the one before. */
unsigned long fake_memory_pfn(struct fake_memory *mem, unsigned long page)
{
	return page_to_pfn(mem->memory) + page + page / 3;
}

static unsigned long page_of(struct fake_memory *mem, unsigned long pfn)
{
	unsigned long page;

	for (page = 0; page != MODEL_NPAGES; page++)
		if (fake_memory_pfn(mem, page) == pfn)
			return page;
	return MODEL_NPAGES;
}

static void fake_unpin(struct iommufd_pinned *pinned,
		       const struct iommufd_run_slice *runs,
		       unsigned long npages)
{
	struct fake_memory *mem = fake_memory_of(pinned);
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
	struct fake_memory *mem = fake_memory_of(pinned);
	unsigned long page;
	int rc;

	if (mem->meanwhile)
		mem->meanwhile(mem);
	if (mem->fail_pin && !--mem->fail_pin)
		return -EFAULT;
	mem->nr_pins++;
	for (page = first; page <= last; page++) {
		rc = iommufd_runs_append(runs, fake_memory_pfn(mem, page), 1);
		if (rc)
			return rc;
		mem->pins[page]++;
		mem->pinned_by[page] = mem->nr_pins;
	}
	return 0;
}

static void fake_release(struct iommufd_pinned *pinned)
{
	fake_memory_of(pinned)->released = true;
}

static const struct iommufd_source_ops fake_ops = {
	.name = "fake",
	.pin = fake_pin,
	.unpin = fake_unpin,
	.release = fake_release,
};

static void free_memory(void *memory)
{
	__free_pages(memory, MEMORY_ORDER);
}

int pinned_model_init(struct kunit *test)
{
	struct pinned_model *model;

	model = kunit_kzalloc(test, sizeof(*model), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, model);
	model->mem.memory = alloc_pages(GFP_KERNEL | __GFP_ZERO, MEMORY_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, model->mem.memory);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_memory,
						  model->mem.memory));
	model->mem.ops = fake_ops;
	iommufd_pinned_init(&model->mem.pinned, &model->mem.ops, 0, true);
	test->priv = model;
	return 0;
}

void pinned_model_exit(struct kunit *test)
{
	struct pinned_model *model = test->priv;

	if (!model)
		return;
	iommufd_pinned_put(&model->mem.pinned);
	KUNIT_EXPECT_TRUE(test, model->mem.released);
}

static int model_pin(struct pinned_model *model, unsigned long first,
		     unsigned long last,
		     int (*pin)(struct iommufd_pinned *pinned,
				unsigned long first, unsigned long last))
{
	unsigned long page;
	int rc;

	rc = pin(&model->mem.pinned, first, last);
	if (rc)
		return rc;
	for (page = first; page <= last; page++)
		model->nr_pins[page]++;
	model->ranges[model->nr_ranges].first = first;
	model->ranges[model->nr_ranges++].last = last;
	return 0;
}

int pinned_model_pin(struct pinned_model *model, unsigned long first,
		     unsigned long last)
{
	return model_pin(model, first, last, iommufd_pinned_pin);
}

int pinned_model_pin_new(struct pinned_model *model, unsigned long first,
			 unsigned long last)
{
	return model_pin(model, first, last, iommufd_pinned_pin_new);
}

void pinned_model_unpin(struct pinned_model *model, unsigned int i)
{
	unsigned long first = model->ranges[i].first;
	unsigned long last = model->ranges[i].last;
	unsigned long page;

	iommufd_pinned_unpin(&model->mem.pinned, first, last);
	for (page = first; page <= last; page++)
		model->nr_pins[page]--;
	model->ranges[i] = model->ranges[--model->nr_ranges];
}

void pinned_model_unpin_all(struct pinned_model *model)
{
	while (model->nr_ranges)
		pinned_model_unpin(model, 0);
}

int pinned_model_cut(struct pinned_model *model, unsigned int i,
		     unsigned long page, bool shared)
{
	unsigned long left_last = shared ? page : page - 1;
	int rc;

	rc = iommufd_pinned_cut_pin(&model->mem.pinned, left_last, page);
	if (rc)
		return rc;
	model->nr_pins[page] += shared;
	model->ranges[model->nr_ranges].first = page;
	model->ranges[model->nr_ranges++].last = model->ranges[i].last;
	model->ranges[i].last = left_last;
	return 0;
}

/* Are the runs of a range that is pinned those of its pages? */
static bool walk_is_right(struct pinned_model *model, unsigned long first,
			  unsigned long last)
{
	struct iommufd_pinned_cursor cursor;
	unsigned long page = first, i;
	struct iommufd_run run;

	guard(mutex)(&model->mem.pinned.mutex);
	iommufd_pinned_walk(&model->mem.pinned, first, last, &cursor);
	while (page <= last && iommufd_pinned_next(&cursor, &run)) {
		for (i = 0; i != iommufd_run_npages(run); i++, page++)
			if (iommufd_run_pfn(run) + i !=
			    fake_memory_pfn(&model->mem, page))
				return false;
	}
	return page == last + 1 && iommufd_pinned_is_over(&cursor) &&
	       !iommufd_pinned_next(&cursor, &run);
}

static void expect_walk(struct kunit *test, unsigned long first,
			unsigned long last)
{
	KUNIT_ASSERT_TRUE_MSG(test, walk_is_right(test->priv, first, last),
			      "%lu to %lu", first, last);
}

/* All of a pin, and a part that may begin and end within segments */
static void expect_walks(struct kunit *test, unsigned long first,
			 unsigned long last)
{
	expect_walk(test, first, last);
	if (last - first >= 2)
		expect_walk(test, first + 1, last - 1);
}

/* Must there be a cut in front of the page, which is pinned? */
static bool has_cut(struct pinned_model *model, unsigned long page)
{
	unsigned int i;

	if (!page || !model->nr_pins[page - 1] ||
	    model->mem.pinned_by[page] != model->mem.pinned_by[page - 1])
		return true;
	for (i = 0; i != model->nr_ranges; i++) {
		if (model->ranges[i].first == page ||
		    model->ranges[i].last == page - 1)
			return true;
	}
	return false;
}

unsigned int pinned_model_segments(struct pinned_model *model)
{
	unsigned int count = 0;
	struct rb_node *node;

	for (node = rb_first(&model->mem.pinned.segments); node;
	     node = rb_next(node))
		count++;
	return count;
}

static void expect_segments(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	unsigned int needed = 0;
	struct rb_node *node;
	unsigned long page;

	for (page = 0; page != MODEL_NPAGES; page++)
		needed += model->nr_pins[page] && has_cut(model, page);
	KUNIT_ASSERT_LE(test, pinned_model_segments(model), needed);

	for (node = rb_first(&model->mem.pinned.segments); node;
	     node = rb_next(node)) {
		struct iommufd_pin_segment *segment;

		segment = rb_entry(node, struct iommufd_pin_segment, node);
		for (page = segment->first; page <= segment->last; page++)
			KUNIT_ASSERT_EQ(test, segment->nr_pins,
					model->nr_pins[page]);
	}
}

void pinned_model_expect(struct kunit *test)
{
	struct pinned_model *model = test->priv;
	unsigned long page;
	unsigned int i;

	for (page = 0; page != MODEL_NPAGES; page++)
		KUNIT_ASSERT_EQ(test, model->mem.pins[page],
				!!model->nr_pins[page]);
	expect_segments(test);
	for (i = 0; i != model->nr_ranges; i++)
		expect_walks(test, model->ranges[i].first,
			     model->ranges[i].last);
}
