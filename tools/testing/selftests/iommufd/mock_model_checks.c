// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mock_model.h"

/* -- what the page tables of the mock devices say -- */

bool check_area(struct world *world, const struct address_space *ioas,
		const struct area *area)
{
	int i, rc;

	for (i = 0; i < ioas->domain_count; i++) {
		rc = mock_check_map(world->iommufd,
				    ioas->domains[i].device.hwpt,
				    area->start, length_of(area),
				    memory_of(area));
		if (rc)
			return complain(world, "IOAS %lu: domain %d does not map 0x%llx-0x%llx: %d",
					number_of(world, ioas), i, area->start,
					area->last, rc);
	}
	return true;
}

/* What is not mapped may not be reached, and neither may anything else. */
static bool check_hole(struct world *world, const struct address_space *ioas,
		       __u64 start, __u64 length)
{
	int i, rc;

	for (i = 0; i < ioas->domain_count; i++) {
		rc = mock_check_hole(world->iommufd,
				     ioas->domains[i].device.hwpt, start,
				     length);
		if (rc)
			return complain(world, "IOAS %lu: domain %d maps some of 0x%llx-0x%llx: %d",
					number_of(world, ioas), i, start,
					start + length - 1, rc);
	}
	return true;
}

/* All of the window in which there is no area. An area may end in a slot. */
static bool check_all_holes(struct world *world,
			    const struct address_space *ioas)
{
	const __u64 end = WINDOW + (__u64)SLOTS * SLOT;
	__u64 start = WINDOW, next;
	int i;

	for (i = 0; i <= ioas->area_count; i++) {
		next = i < ioas->area_count ? ioas->areas[i].start : end;
		next = next / SLOT * SLOT;
		if (next > start &&
		    !check_hole(world, ioas, start, next - start))
			return false;
		if (i < ioas->area_count)
			start = (ioas->areas[i].last + SLOT) / SLOT * SLOT;
	}
	return true;
}

bool check_some_hole(struct world *world, const struct address_space *ioas)
{
	__u64 iova = WINDOW + (__u64)below(world, SLOTS) * SLOT;

	if (!is_empty(ioas, iova, iova + SLOT - 1))
		return true;
	return check_hole(world, ioas, iova, SLOT);
}

bool check_holes(struct world *world, const struct address_space *ioas,
		 __u64 start, __u64 last)
{
	start = start / SLOT * SLOT;
	last = last / SLOT * SLOT + SLOT - 1;
	return check_hole(world, ioas, start, last - start + 1);
}

bool check_domain(struct world *world, const struct address_space *ioas)
{
	int i;

	for (i = 0; i < ioas->area_count; i++)
		if (!check_area(world, ioas, &ioas->areas[i]))
			return false;
	return check_some_hole(world, ioas);
}

/* -- who holds pins -- */

/* The pages that one map has pinned, as one byte a page of its buffer. */
static void mark_pages(unsigned char *pinned, const struct area *area)
{
	size_t page = area->offset / SMALL_PAGE;
	size_t last = (area->offset + length_of(area) - 1) / SMALL_PAGE;

	for (; page <= last; page++)
		pinned[page] = 1;
}

static void mark_pinned(struct world *world, unsigned int map,
			unsigned char *pinned)
{
	const struct address_space *ioas;
	const struct area *area;
	const struct item *item;
	struct area part;

	for (ioas = world->ioases; ioas < world->ioases + IOASES; ioas++) {
		for (area = ioas->areas; area < ioas->areas + ioas->area_count;
		     area++) {
			if (area->map != map)
				continue;
			if (ioas->domain_count)
				mark_pages(pinned, area);
			for (item = world->items; item < world->items + ITEMS;
			     item++) {
				if (!item->access ||
				    item->access->ioas != ioas ||
				    item->start > area->last ||
				    item->last < area->start)
					continue;
				part = part_of(area, item->start, item->last);
				mark_pages(pinned, &part);
			}
		}
	}
}

/* A page counts once, by its address and by its file. */
struct pin_count {
	unsigned short of_page[BUFFERS][MAX_PAGES];
	bool counted[BUFFERS][MAX_PAGES];
	long pages;
};

static void count_pins(struct world *world, const struct area *area,
		       struct pin_count *count)
{
	static unsigned char pinned[MAX_PAGES];
	int buffer = area->buffer - world->buffers;
	size_t page;

	memset(pinned, 0, sizeof(pinned));
	mark_pinned(world, area->map, pinned);
	for (page = 0; page < area->buffer->length / SMALL_PAGE; page++) {
		if (!pinned[page])
			continue;
		count->of_page[buffer][page]++;
		count->pages += !count->counted[buffer][page];
		count->counted[buffer][page] = true;
	}
}

/* Once for each map that has an area somewhere. */
static void count_all_pins(struct world *world, struct pin_count *count)
{
	unsigned char *seen = calloc(1, world->maps + 1);
	const struct address_space *ioas;
	int i;

	for (ioas = world->ioases; ioas < world->ioases + IOASES; ioas++) {
		for (i = 0; i < ioas->area_count; i++) {
			if (seen[ioas->areas[i].map]++)
				continue;
			count_pins(world, &ioas->areas[i], count);
		}
	}
	free(seen);
}

static bool check_buffer(struct world *world, const struct buffer *buffer,
			 const unsigned short *of_page)
{
	size_t offset, page;
	__u32 pins;
	int rc;

	for (offset = 0; offset < buffer->length; offset += buffer->folio) {
		pins = 0;
		for (page = offset; page < offset + buffer->folio;
		     page += SMALL_PAGE)
			pins += of_page[page / SMALL_PAGE];
		rc = mock_check_pins(world->iommufd, buffer->va + offset,
				     SMALL_PAGE, pins);
		if (rc)
			return complain(world, "page %zu of buffer %ld: not %u pins: %d",
					offset / SMALL_PAGE,
					(long)(buffer - world->buffers), pins,
					rc);
	}
	return true;
}

static bool check_pins(struct world *world)
{
	static struct pin_count count;
	long charged = vm_pinned();
	int i;

	memset(&count, 0, sizeof(count));
	count_all_pins(world, &count);
	if (charged != count.pages * (long)SMALL_PAGE)
		return complain(world, "%ld pages are charged, not %ld",
				charged / (long)SMALL_PAGE, count.pages);
	for (i = 0; i < BUFFERS; i++)
		if (!check_buffer(world, &world->buffers[i], count.of_page[i]))
			return false;
	return true;
}

bool check_world(struct world *world)
{
	struct address_space *ioas;

	for (ioas = world->ioases; ioas < world->ioases + IOASES; ioas++)
		if (!check_domain(world, ioas) || !check_all_holes(world, ioas))
			return false;
	return check_pins(world);
}
