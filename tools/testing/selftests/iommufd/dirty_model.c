// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>

#include <linux/kernel.h>

#include "dirty_model.h"
#include "test_support.h"

int dirty_model_make(struct dirty_model *model, __u64 entry)
{
	*model = (struct dirty_model){
		.entry = entry,
		.room = anonymous(ROOM_BYTES),
		.expected = calloc(1, ROOM_BYTES),
	};
	return rig_part("room for bitmaps",
			model->room && model->expected ? 0 : -ENOMEM);
}

void dirty_model_break(struct dirty_model *model)
{
	free(model->expected);
}

static const unsigned int some_pages[] = {
	0, 1, 2, 7, 63, 64, 65, 130, 255, 256, 511, 513, 777, 1022,
};

int dirty_model_write_some(struct dirty_model *model, int iommufd, __u32 hwpt)
{
	unsigned int i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(some_pages); i++) {
		rc = dirty_rig_write(iommufd, hwpt, MODEL_IOVA +
				     some_pages[i] * SMALL_PAGE, 1);
		if (rc)
			return rc;
		model->written[some_pages[i]] = true;
	}
	return 0;
}

void dirty_model_clear_room(struct dirty_model *model)
{
	memset(model->room, 0, ROOM_BYTES);
	memset(model->expected, 0, ROOM_BYTES);
}

void dirty_model_bit(unsigned char *bitmap, __u64 bit)
{
	bitmap[bit / 8] |= 1 << (bit % 8);
}

void dirty_model_range(unsigned char *bitmap, __u64 iova, __u64 length,
		       __u64 page_size, __u64 first, __u64 last)
{
	__u64 bit;

	if (last < iova || first > iova + (length - 1))
		return;
	if (first < iova)
		first = iova;
	if (last > iova + (length - 1))
		last = iova + (length - 1);
	for (bit = (first - iova) / page_size; bit <= (last - iova) / page_size;
	     bit++)
		dirty_model_bit(bitmap, bit);
}

void dirty_model_written(const struct dirty_model *model, unsigned char *bitmap,
			 __u64 iova, __u64 length, __u64 page_size)
{
	__u64 first;
	unsigned int i;

	for (i = 0; i < MODEL_PAGES; i++) {
		if (!model->written[i])
			continue;
		first = (MODEL_IOVA + i * SMALL_PAGE) / model->entry *
			model->entry;
		dirty_model_range(bitmap, iova, length, page_size, first,
				  first + model->entry - 1);
	}
}
