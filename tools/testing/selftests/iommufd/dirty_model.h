/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of dirty tracking: what the kernel should report of the memory of a
 * struct dirty_rig is computed from what was made dirty, the size of page table
 * entries and that of the bitmap's pages, bit by bit.
 */
#ifndef DIRTY_MODEL_H
#define DIRTY_MODEL_H

#include <stdbool.h>
#include <string.h>

#include "dirty_rig.h"

/* What the rig is to be made of */
#define MODEL_IOVA (32 * MIB)
#define MODEL_LENGTH (4 * MIB)
#define MODEL_PAGES (MODEL_LENGTH / SMALL_PAGE)

/* Room for bitmaps, with as much on either side that must stay as it is */
#define MARGIN (2 * SMALL_PAGE)
#define BITMAP_BYTES (16 * SMALL_PAGE)
#define ROOM_BYTES (BITMAP_BYTES + 2 * MARGIN)

struct dirty_model {
	__u64 entry;		/* what a bit in the page table is for */
	bool written[MODEL_PAGES];
	unsigned char *room;	/* BITMAP_BYTES, MARGIN in front and behind */
	unsigned char *expected;	/* what should be in room */
};

int dirty_model_make(struct dirty_model *model, __u64 entry);
void dirty_model_break(struct dirty_model *model);

/* Makes some pages of the memory dirty, and notes it down. */
int dirty_model_write_some(struct dirty_model *model, int iommufd, __u32 hwpt);
/* All zero again: the room and what should be in it. */
void dirty_model_clear_room(struct dirty_model *model);

void dirty_model_bit(unsigned char *bitmap, __u64 bit);
/* The bits of [first, last] in a bitmap of [iova, iova + length). */
void dirty_model_range(unsigned char *bitmap, __u64 iova, __u64 length,
		       __u64 page_size, __u64 first, __u64 last);
/* The same of what was written to, in entries */
void dirty_model_written(const struct dirty_model *model, unsigned char *bitmap,
			 __u64 iova, __u64 length, __u64 page_size);

/* The rest is for tests of a fixture with a model, and FD and HWPT. */

#define WRITE_PAGE(iova) dirty_rig_write(FD, HWPT, iova, 1)
#define WRITE_SOME() \
	ASSERT_EQ(0, dirty_model_write_some(&self->model, FD, HWPT))
#define FORGET_ROOM() dirty_model_clear_room(&self->model)

/* Reads a bitmap at @offset of the room, and compares the whole room. */
#define EXPECT_DIRTY(flags, iova, length, page_size, offset)		\
do {									\
	const __u64 _iova = iova, _length = length, _page = page_size;	\
	const size_t _at = MARGIN + (offset);				\
									\
	dirty_model_written(&self->model, self->model.expected + _at,	\
			    _iova, _length, _page);			\
	ASSERT_EQ(0, hwpt_get_dirty_bitmap(FD, HWPT, flags, _iova,	\
					   _length, _page,		\
					   self->model.room + _at))	\
		TH_LOG("page size %llu", _page);			\
	EXPECT_EQ(0, memcmp(self->model.room, self->model.expected,	\
			    ROOM_BYTES))				\
		TH_LOG("page size %llu, offset %zu", _page,		\
		       _at - MARGIN);					\
} while (0)

#endif
