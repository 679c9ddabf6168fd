// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "mock_model.h"

static __u64 some_place(struct world *world, struct address_space *ioas,
			__u64 length)
{
	__u64 slots = SLOTS - length / SLOT, iova;
	int i;

	iova = WINDOW + below(world, slots + 1) * SLOT;
	/* next to others more often than chance would have it */
	if (ioas->area_count && chance(world, 3)) {
		i = below(world, ioas->area_count);
		iova = ioas->areas[i].last + 1;
	}
	if (chance(world, 2))
		iova &= -SMALL_PAGE;
	if (chance(world, 200))
		iova++;
	return iova;
}

/* Most of it whole pages, so that it may stay when an access comes. */
static struct area some_area(struct world *world, struct address_space *ioas)
{
	const struct buffer *buffer = &world->buffers[below(world, BUFFERS)];
	size_t length = some_length(world, buffer->length);
	struct area area = {
		.buffer = buffer,
		.offset = below(world, (buffer->length - length) / SLOT + 1) *
			  SLOT,
		.writable = !chance(world, 5),
	};

	area.may_write = area.writable;
	area.start = some_place(world, ioas, length);
	if (!chance(world, 4)) {
		area.offset &= -SMALL_PAGE;
		area.start &= -SMALL_PAGE;
		length = (length + SMALL_PAGE - 1) & -SMALL_PAGE;
		if (area.offset + length > buffer->length)
			length -= SMALL_PAGE;
	}
	area.last = area.start + length - 1;
	return area;
}

static void expect_place(const struct world *world,
			 const struct address_space *ioas, __u64 start,
			 __u64 last, struct outcome *outcome)
{
	__u64 alignment = alignment_of(world, ioas);

	may_give(outcome, EEXIST, !is_empty(ioas, start, last));
	may_give(outcome, EINVAL, start % alignment);
	may_give(outcome, EINVAL, (last - start + 1) % alignment);
	may_give(outcome, EINVAL,
		 ioas->domain_count && !is_in_aperture(start, last));
}

static int map_area(struct world *world, struct address_space *ioas,
		    const struct area *area, __u32 flags, bool file,
		    __u64 *iova)
{
	flags |= area->writable ? MAP_RW : MAP_RO;
	if (file)
		return ioas_map_file(world->iommufd, ioas->id, flags,
				     area->buffer->fd, area->offset,
				     length_of(area), iova);
	return ioas_map_flags(world->iommufd, ioas->id, flags, memory_of(area),
			      length_of(area), iova);
}

bool try_map(struct world *world)
{
	struct address_space *ioas = some_ioas(world);
	struct area area = some_area(world, ioas);
	bool file = area.buffer->fd >= 0 && chance(world, 2);
	struct outcome outcome = {};
	int rc;

	if (ioas->area_count == MAX_AREAS)
		return true;
	say(world, "map%s IOAS %lu 0x%llx-0x%llx buffer %ld offset 0x%lx%s",
	    file ? "_file" : "", number_of(world, ioas), area.start, area.last,
	    (long)(area.buffer - world->buffers), area.offset,
	    area.writable ? "" : " read-only");
	expect_place(world, ioas, area.start, area.last, &outcome);
	may_give(&outcome, EINVAL, area.offset % alignment_of(world, ioas));

	rc = map_area(world, ioas, &area, MAP_AT, file, &area.start);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc)
		return check_some_hole(world, ioas);
	area.file = file;
	area.map = world->maps++;
	add_area(ioas, &area);
	return check_area(world, ioas, &area);
}

bool try_map_anywhere(struct world *world)
{
	struct address_space *ioas = some_ioas(world);
	struct area area = some_area(world, ioas);
	bool file = area.buffer->fd >= 0 && chance(world, 2);
	__u64 alignment = alignment_of(world, ioas);
	__u64 length = length_of(&area);
	struct outcome outcome = {};
	int rc;

	/* the lowest that is free may be anywhere: not for long */
	if (ioas->area_count == MAX_AREAS || !ioas->domain_count)
		return true;
	say(world, "map%s anywhere IOAS %lu length 0x%llx buffer %ld offset 0x%lx%s",
	    file ? "_file" : "", number_of(world, ioas), length,
	    (long)(area.buffer - world->buffers), area.offset,
	    area.writable ? "" : " read-only");
	may_give(&outcome, EINVAL, length % alignment);
	may_give(&outcome, EINVAL, area.offset % alignment);

	rc = map_area(world, ioas, &area, 0, file, &area.start);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc)
		return true;
	area.last = area.start + length - 1;
	if (!is_empty(ioas, area.start, area.last) ||
	    !is_in_aperture(area.start, area.last) ||
	    area.start % SMALL_PAGE != area.offset % SMALL_PAGE)
		return complain(world, "chose 0x%llx", area.start);
	area.file = file;
	area.map = world->maps++;
	add_area(ioas, &area);
	return check_area(world, ioas, &area);
}

bool try_copy(struct world *world)
{
	struct address_space *from = some_ioas(world), *to = some_ioas(world);
	__u64 alignment = alignment_of(world, to), start, length, target;
	bool fixed = !to->domain_count || !chance(world, 3);
	bool writable = chance(world, 2), covered;
	struct area pieces[MAX_AREAS];
	struct outcome outcome = {};
	int count, rc, i;

	if (!some_mapped_range(world, from, &start, &length))
		return true;
	covered = is_covered(from, start, start + length - 1);
	count = cut_pieces(from, start, length, start, pieces);
	if (to->area_count + count > MAX_AREAS)
		return true;
	/* it is not said what becomes of pieces that are not aligned */
	for (i = 0; i < count; i++)
		if (count > 1 && !is_aligned(&pieces[i], alignment))
			return true;
	target = some_place(world, to, length);
	if (count > 1)
		target &= -SMALL_PAGE;
	say(world, "copy IOAS %lu 0x%llx-0x%llx to IOAS %lu 0x%llx%s%s",
	    number_of(world, from), start, start + length - 1,
	    number_of(world, to), fixed ? target : 0, fixed ? "" : " anywhere",
	    writable ? "" : " read-only");

	may_give(&outcome, ENOENT, !covered);
	may_give(&outcome, EPERM, writable && !may_write(pieces, count));
	if (fixed)
		expect_place(world, to, target, target + length - 1, &outcome);
	else
		may_give(&outcome, EINVAL, length % alignment);
	if (count)
		may_give(&outcome, EINVAL, pieces[0].offset % alignment);

	rc = ioas_copy(world->iommufd,
		       (writable ? MAP_RW : MAP_RO) | (fixed ? MAP_AT : 0),
		       to->id, from->id, start, length, &target);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc)
		return check_some_hole(world, to);
	if (!is_empty(to, target, target + length - 1))
		return complain(world, "chose 0x%llx", target);
	/* @from may be @to: what was cut before is copied */
	for (i = 0; i < count; i++) {
		pieces[i].start += target - start;
		pieces[i].last += target - start;
		pieces[i].writable = writable;
		add_area(to, &pieces[i]);
		if (!check_area(world, to, &pieces[i]))
			return false;
	}
	return true;
}

/* A whole area, several, part of one, or anything. */
static void some_unmap_range(struct world *world,
			     const struct address_space *ioas, __u64 *start,
			     __u64 *last)
{
	__u32 kind = below(world, 16);
	int first, final;

	if (!ioas->area_count || kind == 0) {
		*start = WINDOW + (__u64)below(world, SLOTS) * SLOT;
		*last = *start + some_length(world, SLOTS * SLOT) - 1;
		return;
	}
	first = below(world, ioas->area_count);
	final = first;
	if (kind < 5)
		final += below(world, 4);
	if (final >= ioas->area_count)
		final = ioas->area_count - 1;
	*start = ioas->areas[first].start;
	*last = ioas->areas[final].last;
	if (kind == 5)
		*start += SLOT;
	if (kind == 6)
		*last -= SLOT;
	/* an area may be a single slot */
	if (*start > *last)
		*last = *start;
}

bool try_unmap(struct world *world)
{
	struct address_space *ioas = some_ioas(world);
	struct outcome outcome = {};
	__u64 start, last, bytes, expected = 0;
	bool partial = false;
	int rc, i;

	some_unmap_range(world, ioas, &start, &last);
	say(world, "unmap IOAS %lu 0x%llx-0x%llx", number_of(world, ioas),
	    start, last);
	for (i = first_area(ioas, start);
	     i < ioas->area_count && ioas->areas[i].start <= last; i++) {
		partial |= ioas->areas[i].start < start ||
			   ioas->areas[i].last > last;
		expected += length_of(&ioas->areas[i]);
	}
	may_give(&outcome, ENOENT, partial || !expected);

	rc = ioas_unmap(world->iommufd, ioas->id, start, last - start + 1,
			&bytes);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc) {
		i = first_area(ioas, start);
		return i == ioas->area_count ||
		       check_area(world, ioas, &ioas->areas[i]);
	}
	if (bytes != expected)
		return complain(world, "unmapped 0x%llx, not 0x%llx", bytes,
				expected);
	drop_items(world, ioas, start, last);
	remove_areas(ioas, start, last);
	return check_holes(world, ioas, start, last);
}

bool try_unmap_all(struct world *world)
{
	struct address_space *ioas = some_ioas(world);
	__u64 expected = 0, bytes;
	int rc, i;

	if (!chance(world, 20))
		return true;
	say(world, "unmap IOAS %lu", number_of(world, ioas));
	for (i = 0; i < ioas->area_count; i++)
		expected += length_of(&ioas->areas[i]);
	rc = ioas_unmap_all(world->iommufd, ioas->id, &bytes);
	if (rc || bytes != expected)
		return complain(world, "gave %d, 0x%llx, not 0, 0x%llx", rc,
				bytes, expected);
	drop_items(world, ioas, 0, UINT64_MAX);
	ioas->area_count = 0;
	return check_some_hole(world, ioas);
}

bool try_option(struct world *world)
{
	struct address_space *ioas = some_ioas(world);
	struct outcome outcome = {};
	bool small = chance(world, 2);
	int rc;

	if (!chance(world, 4))
		return true;
	say(world, "option IOAS %lu huge pages %d", number_of(world, ioas),
	    !small);
	if (small && !ioas->small_pages) {
		may_give(&outcome, EINVAL,
			 ioas->domain_count && ioas->area_count);
		may_give(&outcome, EADDRINUSE, !all_aligned(ioas, SMALL_PAGE));
	}
	rc = iommufd_option_set(world->iommufd, IOMMU_OPTION_HUGE_PAGES,
				ioas->id, !small);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (!rc)
		ioas->small_pages = small;
	return true;
}
