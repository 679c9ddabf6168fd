/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of the pinned-memory object, for its KUnit tests
 *
 * The fake source knows for each page how often it has been pinned, and puts
 * page i where fake_memory_pfn() tells, in memory of the test. The model counts
 * pins for each page: the source must have been asked for a page exactly when
 * it has pins, and segments must be as few as the present pins allow.
 *
 * The test's priv is the model. The caller of all but init and exit holds the
 * object's mutex.
 */
#ifndef __IOMMUFD_PINNED_MODEL_H
#define __IOMMUFD_PINNED_MODEL_H

#include <linux/mm.h>

#include "pinned.h"

struct kunit;

#define MODEL_NPAGES 64
#define MODEL_MAX_USERS 40

struct fake_memory {
	struct iommufd_pinned pinned;
	/* Without a copy(), unless the test adds one */
	struct iommufd_source_ops ops;
	int pins[MODEL_NPAGES];
	/* Which call of pin() it was that pinned the page last */
	unsigned int pinned_by[MODEL_NPAGES];
	unsigned int nr_pins;
	/* This pin() from now on fails; 0: none */
	unsigned int fail_pin;
	/* What others do while a pin() asks for its pages */
	void (*meanwhile)(struct fake_memory *mem);
	bool released;
	struct page *memory;
	/* What a copy() did, and is to return */
	size_t copied;
	bool kthread;
	int copy_rc;
};

static inline struct fake_memory *fake_memory_of(struct iommufd_pinned *pinned)
{
	return container_of(pinned, struct fake_memory, pinned);
}

struct pinned_model {
	struct fake_memory mem;
	int nr_pins[MODEL_NPAGES];
	struct {
		unsigned long first;
		unsigned long last;
	} ranges[MODEL_MAX_USERS];
	unsigned int nr_ranges;
};

/* Where a page of the fake memory is */
unsigned long fake_memory_pfn(struct fake_memory *mem, unsigned long page);

/* Of a suite */
int pinned_model_init(struct kunit *test);
void pinned_model_exit(struct kunit *test);

int pinned_model_pin(struct pinned_model *model, unsigned long first,
		     unsigned long last);
/* The first pin that there is */
int pinned_model_pin_new(struct pinned_model *model, unsigned long first,
			 unsigned long last);
/* Unpins what is number @i of the ranges; the last one takes its place. */
void pinned_model_unpin(struct pinned_model *model, unsigned int i);
void pinned_model_unpin_all(struct pinned_model *model);
/*
 * Makes two of number @i of the ranges, cut in front of @page; @shared: in the
 * middle of it. The second of them comes last.
 */
int pinned_model_cut(struct pinned_model *model, unsigned int i,
		     unsigned long page, bool shared);

/* How many the object has */
unsigned int pinned_model_segments(struct pinned_model *model);

/* Pins, segments and what a walk finds are as they should be. */
void pinned_model_expect(struct kunit *test);

#endif
