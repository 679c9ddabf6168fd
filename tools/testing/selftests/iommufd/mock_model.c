// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mock_model.h"
#include "test_support.h"

__u32 below(struct world *world, __u32 limit)
{
	return random_next(&world->random) % limit;
}

bool chance(struct world *world, __u32 of)
{
	return !below(world, of);
}

bool complain(struct world *world, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(world->complaint, sizeof(world->complaint), format,
		  arguments);
	va_end(arguments);
	return false;
}

void say(struct world *world, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(world->call, sizeof(world->call), format, arguments);
	va_end(arguments);
}

struct address_space *some_ioas(struct world *world)
{
	return &world->ioases[below(world, IOASES)];
}

size_t some_length(struct world *world, size_t most)
{
	size_t slots = below(world, 24) + 1;

	if (chance(world, 32))
		slots = below(world, most / SLOT) + 1;
	return slots * SLOT;
}

void may_give(struct outcome *outcome, int error, bool when)
{
	if (when)
		outcome->errors[outcome->count++] = error;
}

bool is_expected(struct world *world, const struct outcome *outcome, int rc)
{
	int i;

	world->rc = rc;
	world->worked += !rc;
	if (!rc && !outcome->count)
		return true;
	for (i = 0; i < outcome->count; i++)
		if (rc == -outcome->errors[i])
			return true;
	return complain(world, "gave %d (%s), not %d", rc, strerror(-rc),
			outcome->count ? -outcome->errors[0] : 0);
}

__u64 length_of(const struct area *area)
{
	return area->last - area->start + 1;
}

char *memory_of(const struct area *area)
{
	return area->buffer->va + area->offset;
}

unsigned long number_of(const struct world *world,
			const struct address_space *ioas)
{
	return ioas - world->ioases;
}

int first_area(const struct address_space *ioas, __u64 iova)
{
	int i;

	for (i = 0; i < ioas->area_count; i++)
		if (ioas->areas[i].last >= iova)
			break;
	return i;
}

bool is_empty(const struct address_space *ioas, __u64 start, __u64 last)
{
	int i = first_area(ioas, start);

	return i == ioas->area_count || ioas->areas[i].start > last;
}

bool is_covered(const struct address_space *ioas, __u64 start, __u64 last)
{
	int i;

	for (i = first_area(ioas, start); i < ioas->area_count; i++) {
		if (ioas->areas[i].start > start)
			return false;
		if (ioas->areas[i].last >= last)
			return true;
		start = ioas->areas[i].last + 1;
	}
	return false;
}

bool has_read_only(const struct address_space *ioas, __u64 start, __u64 last)
{
	int i;

	for (i = first_area(ioas, start);
	     i < ioas->area_count && ioas->areas[i].start <= last; i++)
		if (!ioas->areas[i].writable)
			return true;
	return false;
}

bool may_write(const struct area *areas, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (!areas[i].may_write)
			return false;
	return true;
}

struct area part_of(const struct area *area, __u64 start, __u64 last)
{
	struct area part = *area;

	if (part.start < start) {
		part.offset += start - part.start;
		part.start = start;
	}
	if (part.last > last)
		part.last = last;
	return part;
}

void add_area(struct address_space *ioas, const struct area *area)
{
	int i = ioas->area_count++;

	for (; i && ioas->areas[i - 1].start > area->start; i--)
		ioas->areas[i] = ioas->areas[i - 1];
	ioas->areas[i] = *area;
}

void remove_areas(struct address_space *ioas, __u64 start, __u64 last)
{
	int kept = 0, i;

	for (i = 0; i < ioas->area_count; i++)
		if (ioas->areas[i].last < start || ioas->areas[i].start > last)
			ioas->areas[kept++] = ioas->areas[i];
	ioas->area_count = kept;
}

void drop_items(struct world *world, const struct address_space *ioas,
		__u64 start, __u64 last)
{
	struct item *item;

	for (item = world->items; item < world->items + ITEMS; item++)
		if (item->access && item->access->ioas == ioas &&
		    item->start <= last && item->last >= start)
			item->access = NULL;
}

void drop_items_of(struct world *world, const struct access *access)
{
	struct item *item;

	for (item = world->items; item < world->items + ITEMS; item++)
		if (item->access == access)
			item->access = NULL;
}

__u64 alignment_of(const struct world *world,
		   const struct address_space *ioas)
{
	int i;

	if (ioas->small_pages)
		return SMALL_PAGE;
	for (i = 0; i < ACCESSES; i++)
		if (world->accesses[i].fd >= 0 && world->accesses[i].pins &&
		    world->accesses[i].ioas == ioas)
			return SMALL_PAGE;
	return ioas->domain_count ? MOCK_PAGE_SIZE : 1;
}

bool is_aligned(const struct area *area, __u64 alignment)
{
	return !(area->start % alignment) && !(length_of(area) % alignment) &&
	       !(area->offset % alignment);
}

bool all_aligned(const struct address_space *ioas, __u64 alignment)
{
	int i;

	for (i = 0; i < ioas->area_count; i++)
		if (!is_aligned(&ioas->areas[i], alignment))
			return false;
	return true;
}

bool is_in_aperture(__u64 start, __u64 last)
{
	return start >= MOCK_APERTURE_START && last <= MOCK_APERTURE_LAST;
}

bool all_in_aperture(const struct address_space *ioas)
{
	int i;

	for (i = 0; i < ioas->area_count; i++)
		if (!is_in_aperture(ioas->areas[i].start, ioas->areas[i].last))
			return false;
	return true;
}

int cut_pieces(const struct address_space *ioas, __u64 start, __u64 length,
	       __u64 target, struct area *pieces)
{
	__u64 last = start + length - 1;
	int count = 0, i;

	for (i = first_area(ioas, start);
	     i < ioas->area_count && ioas->areas[i].start <= last; i++) {
		struct area *piece = &pieces[count++];

		*piece = part_of(&ioas->areas[i], start, last);
		piece->start += target - start;
		piece->last += target - start;
	}
	return count;
}

bool some_mapped_range(struct world *world,
		       const struct address_space *ioas, __u64 *start,
		       __u64 *length)
{
	const struct area *area;
	__u64 slots;

	if (!ioas->area_count)
		return false;
	area = &ioas->areas[below(world, ioas->area_count)];
	*start = area->start;
	*length = length_of(area);
	slots = *length / SLOT;
	if (chance(world, 2)) {
		*start += below(world, slots) * SLOT;
		*length = some_length(world, slots * SLOT);
	}
	return true;
}
