// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random calls on IOASes that mock devices and accesses follow, each checked
 * against a model: which IOVA is which byte of which memory, and who pinned it.
 *
 * The numbers of a call come from the seed and from its place in the sequence
 * alone, so that any part of the sequence can be run on its own. When the kernel
 * and the model disagree, the shortest end of the sequence that shows it is found
 * and printed.
 *
 *   SEED=n    another sequence
 *   FIRST=n   where in the sequence to begin
 *   CALLS=n   how many calls
 */
#include <stdarg.h>

#include "kselftest_harness.h"
#include "mock_lib.h"
#include "test_support.h"

#define CALLS 100000UL
/* So many calls, then everything is compared. */
#define ROUND 2000

/* What IOVA, lengths and offsets are counted in. */
#define SLOT MOCK_PAGE_SIZE
/* All that happens is in here; the first slots are no place for a device. */
#define WINDOW (MOCK_APERTURE_START - 16 * SLOT)
#define SLOTS 4096U

#define IOASES 3
#define MAX_AREAS 96
#define DOMAINS 2
#define ACCESSES 2
#define ITEMS 16
#define BUFFERS 5
/* Of the largest buffer, in pages */
#define MAX_PAGES (4 * MIB / SMALL_PAGE)

struct buffer {
	char *va;
	size_t length;
	int fd;			/* that it is of, or -1 */
	bool countable;		/* its pages are not compound */
};

/*
 * A map of [start, last]; copies of a map share what it pinned, and may be
 * writable if it is, also when they are copies of copies that are not.
 */
struct area {
	__u64 start, last;
	const struct buffer *buffer;
	size_t offset;
	bool file;		/* mapped as one, not by its address */
	bool writable;
	bool may_write;
	unsigned int map;
};

struct domain {
	struct mock_device device;
	bool own_table;		/* that the device was not alone to choose */
};

struct address_space {
	__u32 id;
	struct area areas[MAX_AREAS];	/* ascending */
	int area_count;
	struct domain domains[DOMAINS];
	int domain_count;
	bool small_pages;
};

struct access {
	int fd;			/* -1: none */
	bool pins;
	struct address_space *ioas;
};

/* What an access has pinned. */
struct item {
	struct access *access;	/* NULL: none */
	__u32 id;
	__u64 start, last;
};

struct world {
	int iommufd;
	struct address_space ioases[IOASES];
	struct access accesses[ACCESSES];
	struct item items[ITEMS];
	const struct buffer *buffers;
	unsigned int maps;
	unsigned long worked;	/* so many calls */
	__u32 random;
	char call[160];		/* the last one */
	int rc;			/* what it gave */
	char complaint[200];	/* and what was wrong with it */
};

static __u32 below(struct world *world, __u32 limit)
{
	return random_next(&world->random) % limit;
}

/* True once in so many calls. */
static bool chance(struct world *world, __u32 of)
{
	return !below(world, of);
}

static bool __printf(2, 3)
complain(struct world *world, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(world->complaint, sizeof(world->complaint), format,
		  arguments);
	va_end(arguments);
	return false;
}

static void __printf(2, 3)
say(struct world *world, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(world->call, sizeof(world->call), format, arguments);
	va_end(arguments);
}

/* -- which errors a call may give: which of them comes first is not said -- */

struct outcome {
	int errors[8];
	int count;
};

static void may_give(struct outcome *outcome, int error, bool when)
{
	if (when)
		outcome->errors[outcome->count++] = error;
}

static bool is_expected(struct world *world, const struct outcome *outcome,
			int rc)
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

/* -- the model -- */

static __u64 length_of(const struct area *area)
{
	return area->last - area->start + 1;
}

static char *memory_of(const struct area *area)
{
	return area->buffer->va + area->offset;
}

static unsigned long number_of(const struct world *world,
			       const struct address_space *ioas)
{
	return ioas - world->ioases;
}

/* The first area that does not end before @iova, or the number of areas. */
static int first_area(const struct address_space *ioas, __u64 iova)
{
	int i;

	for (i = 0; i < ioas->area_count; i++)
		if (ioas->areas[i].last >= iova)
			break;
	return i;
}

static bool is_empty(const struct address_space *ioas, __u64 start, __u64 last)
{
	int i = first_area(ioas, start);

	return i == ioas->area_count || ioas->areas[i].start > last;
}

static bool is_covered(const struct address_space *ioas, __u64 start,
		       __u64 last)
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

static bool has_read_only(const struct address_space *ioas, __u64 start,
			  __u64 last)
{
	int i;

	for (i = first_area(ioas, start);
	     i < ioas->area_count && ioas->areas[i].start <= last; i++)
		if (!ioas->areas[i].writable)
			return true;
	return false;
}

static bool may_write(const struct area *areas, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (!areas[i].may_write)
			return false;
	return true;
}

/* The part of an area that is inside [start, last], at the IOVA it has. */
static struct area part_of(const struct area *area, __u64 start, __u64 last)
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

static void add_area(struct address_space *ioas, const struct area *area)
{
	int i = ioas->area_count++;

	for (; i && ioas->areas[i - 1].start > area->start; i--)
		ioas->areas[i] = ioas->areas[i - 1];
	ioas->areas[i] = *area;
}

static void remove_areas(struct address_space *ioas, __u64 start, __u64 last)
{
	int kept = 0, i;

	for (i = 0; i < ioas->area_count; i++)
		if (ioas->areas[i].last < start || ioas->areas[i].start > last)
			ioas->areas[kept++] = ioas->areas[i];
	ioas->area_count = kept;
}

/* An access lets go of each item that has a byte of the range. */
static void drop_items(struct world *world, const struct address_space *ioas,
		       __u64 start, __u64 last)
{
	struct item *item;

	for (item = world->items; item < world->items + ITEMS; item++)
		if (item->access && item->access->ioas == ioas &&
		    item->start <= last && item->last >= start)
			item->access = NULL;
}

static void drop_items_of(struct world *world, const struct access *access)
{
	struct item *item;

	for (item = world->items; item < world->items + ITEMS; item++)
		if (item->access == access)
			item->access = NULL;
}

static __u64 alignment_of(const struct world *world,
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

static bool is_aligned(const struct area *area, __u64 alignment)
{
	return !(area->start % alignment) && !(length_of(area) % alignment) &&
	       !(area->offset % alignment);
}

static bool all_aligned(const struct address_space *ioas, __u64 alignment)
{
	int i;

	for (i = 0; i < ioas->area_count; i++)
		if (!is_aligned(&ioas->areas[i], alignment))
			return false;
	return true;
}

static bool is_in_aperture(__u64 start, __u64 last)
{
	return start >= MOCK_APERTURE_START && last <= MOCK_APERTURE_LAST;
}

static bool all_in_aperture(const struct address_space *ioas)
{
	int i;

	for (i = 0; i < ioas->area_count; i++)
		if (!is_in_aperture(ioas->areas[i].start, ioas->areas[i].last))
			return false;
	return true;
}

/* -- what the page tables of the mock devices say -- */

static bool check_area(struct world *world, const struct address_space *ioas,
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

/* What is not mapped may not be reached; any memory will do to ask. */
static bool check_hole(struct world *world, const struct address_space *ioas,
		       __u64 iova)
{
	int i, rc;

	for (i = 0; i < ioas->domain_count; i++) {
		rc = mock_check_map(world->iommufd,
				    ioas->domains[i].device.hwpt, iova,
				    SLOT, world->buffers[0].va);
		if (rc != -EINVAL)
			return complain(world, "IOAS %lu: domain %d maps 0x%llx: %d",
					number_of(world, ioas), i, iova, rc);
	}
	return true;
}

static bool check_some_hole(struct world *world,
			    const struct address_space *ioas)
{
	__u64 iova = WINDOW + (__u64)below(world, SLOTS) * SLOT;

	if (!is_empty(ioas, iova, iova + SLOT - 1))
		return true;
	return check_hole(world, ioas, iova);
}

static bool check_holes(struct world *world, const struct address_space *ioas,
			__u64 start, __u64 last)
{
	/* ends and a place between: unmaps are of a whole or not at all */
	start = start / SLOT * SLOT;
	last = last / SLOT * SLOT;
	return check_hole(world, ioas, start) &&
	       check_hole(world, ioas, last) &&
	       check_hole(world, ioas, start + (last - start) / SLOT / 2 * SLOT);
}

/* -- maps -- */

static struct address_space *some_ioas(struct world *world)
{
	return &world->ioases[below(world, IOASES)];
}

static size_t some_length(struct world *world, size_t most)
{
	size_t slots = below(world, 24) + 1;

	if (chance(world, 32))
		slots = below(world, most / SLOT) + 1;
	return slots * SLOT;
}

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

static bool try_map(struct world *world)
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

static bool try_map_anywhere(struct world *world)
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

/* The pieces of [start, start + length) moved to @target. */
static int cut_pieces(const struct address_space *ioas, __u64 start,
		      __u64 length, __u64 target, struct area *pieces)
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

/* Begins in some area; half of them are a whole one. */
static bool some_mapped_range(struct world *world,
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

static bool try_copy(struct world *world)
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

static bool try_unmap(struct world *world)
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

static bool try_unmap_all(struct world *world)
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

static bool try_option(struct world *world)
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

/* -- devices -- */

static bool check_domain(struct world *world, const struct address_space *ioas)
{
	int i;

	for (i = 0; i < ioas->area_count; i++)
		if (!check_area(world, ioas, &ioas->areas[i]))
			return false;
	return check_some_hole(world, ioas);
}

static void expect_attach(const struct address_space *ioas,
			  struct outcome *outcome)
{
	may_give(outcome, EADDRINUSE, !all_in_aperture(ioas));
	may_give(outcome, EADDRINUSE, !all_aligned(ioas, MOCK_PAGE_SIZE));
}

/* A second table for the IOAS, made for the device that is there already. */
static int alloc_table(struct world *world, struct address_space *ioas,
		       __u32 *hwpt)
{
	return hwpt_alloc(world->iommufd, ioas->domains[0].device.idev,
			  ioas->id, 0, hwpt);
}

static bool try_attach(struct world *world)
{
	struct address_space *ioas = some_ioas(world);
	struct domain *domain = &ioas->domains[ioas->domain_count];
	struct outcome outcome = {};
	__u32 pt = ioas->id;
	int rc;

	if (ioas->domain_count == DOMAINS)
		return true;
	*domain = (struct domain){
		.own_table = ioas->domain_count && chance(world, 2),
	};
	if (domain->own_table && alloc_table(world, ioas, &pt))
		return complain(world, "no table for IOAS %lu",
				number_of(world, ioas));
	say(world, "attach IOAS %lu%s", number_of(world, ioas),
	    domain->own_table ? " own table" : "");
	expect_attach(ioas, &outcome);
	rc = mock_domain(world->iommufd, pt, &domain->device);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc)
		return true;
	ioas->domain_count++;
	return check_domain(world, ioas);
}

static int destroy_table(struct world *world, struct domain *domain)
{
	if (!domain->own_table)
		return 0;
	domain->own_table = false;
	return iommufd_destroy(world->iommufd, domain->device.hwpt);
}

static bool try_detach(struct world *world)
{
	struct address_space *ioas = some_ioas(world);
	struct domain *domain;
	int i, rc;

	if (!ioas->domain_count || chance(world, 2))
		return true;
	i = below(world, ioas->domain_count);
	say(world, "detach IOAS %lu domain %d", number_of(world, ioas), i);
	domain = &ioas->domains[i];
	rc = iommufd_destroy(world->iommufd, domain->device.stdev);
	if (!rc)
		rc = destroy_table(world, domain);
	if (rc)
		return complain(world, "gave %d", rc);
	ioas->domains[i] = ioas->domains[--ioas->domain_count];
	return check_domain(world, ioas);
}

/* A device goes over to another IOAS. */
static bool try_replace(struct world *world)
{
	struct address_space *from = some_ioas(world), *to = some_ioas(world);
	struct outcome outcome = {};
	struct domain *domain;
	__u32 pt = to->id, old;
	int i, rc;

	if (from == to || !from->domain_count || to->domain_count == DOMAINS)
		return true;
	i = below(world, from->domain_count);
	domain = &from->domains[i];
	say(world, "replace IOAS %lu domain %d by IOAS %lu",
	    number_of(world, from), i, number_of(world, to));
	expect_attach(to, &outcome);
	rc = mock_domain_replace(world->iommufd, domain->device.stdev, &pt);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc)
		return check_domain(world, from);
	old = domain->device.hwpt;
	if (domain->own_table && iommufd_destroy(world->iommufd, old))
		return complain(world, "kept the old table");
	domain->own_table = false;
	domain->device.hwpt = pt;
	to->domains[to->domain_count++] = *domain;
	from->domains[i] = from->domains[--from->domain_count];
	return check_domain(world, to) && check_domain(world, from);
}

/* -- accesses -- */

static bool try_access(struct world *world)
{
	struct access *access = &world->accesses[below(world, ACCESSES)];
	struct address_space *ioas = some_ioas(world);
	struct outcome outcome = {};
	int rc;

	if (!chance(world, 3))
		return true;
	if (access->fd >= 0) {
		say(world, "access %ld closed",
		    (long)(access - world->accesses));
		close(access->fd);
		access->fd = -1;
		drop_items_of(world, access);
		return true;
	}
	access->pins = !chance(world, 3);
	say(world, "access %ld of IOAS %lu%s",
	    (long)(access - world->accesses), number_of(world, ioas),
	    access->pins ? " pins" : "");
	may_give(&outcome, EADDRINUSE,
		 access->pins && !all_aligned(ioas, SMALL_PAGE));
	rc = mock_access(world->iommufd, ioas->id,
			 access->pins ?
			 MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES : 0);
	if (!is_expected(world, &outcome, rc < 0 ? rc : 0))
		return false;
	access->fd = rc < 0 ? -1 : rc;
	access->ioas = ioas;
	return true;
}

static struct access *some_access(struct world *world)
{
	struct access *access = &world->accesses[below(world, ACCESSES)];

	return access->fd < 0 ? NULL : access;
}

static bool try_access_replace(struct world *world)
{
	struct access *access = some_access(world);
	struct address_space *ioas = some_ioas(world);
	struct outcome outcome = {};
	int rc;

	if (!access || chance(world, 2))
		return true;
	say(world, "access %ld to IOAS %lu", (long)(access - world->accesses),
	    number_of(world, ioas));
	may_give(&outcome, EADDRINUSE, access->pins && ioas != access->ioas &&
		 !all_aligned(ioas, SMALL_PAGE));
	rc = mock_access_replace(world->iommufd, access->fd, ioas->id);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc || ioas == access->ioas)
		return true;
	drop_items_of(world, access);
	access->ioas = ioas;
	return true;
}

static struct item *free_item(struct world *world)
{
	struct item *item;

	for (item = world->items; item < world->items + ITEMS; item++)
		if (!item->access)
			return item;
	return NULL;
}

static bool try_pin(struct world *world)
{
	struct access *access = some_access(world);
	struct item *item = free_item(world);
	struct outcome outcome = {};
	bool write = chance(world, 2);
	struct area pieces[MAX_AREAS];
	__u64 start, length;
	char *va = NULL;
	int count, rc;

	if (!access || !item ||
	    !some_mapped_range(world, access->ioas, &start, &length))
		return true;
	count = cut_pieces(access->ioas, start, length, start, pieces);
	/* what it should be can be asked for one piece of memory only */
	if (count == 1)
		va = memory_of(&pieces[0]);
	say(world, "access %ld pins 0x%llx-0x%llx%s",
	    (long)(access - world->accesses), start, start + length - 1,
	    write ? "" : " to read");
	may_give(&outcome, EOPNOTSUPP, !access->pins);
	may_give(&outcome, EINVAL, start % SMALL_PAGE);
	may_give(&outcome, ENOENT, !is_covered(access->ioas, start,
					       start + length - 1));
	may_give(&outcome, EPERM, write && has_read_only(access->ioas, start,
							 start + length - 1));
	rc = mock_access_pin(world->iommufd, access->fd,
			     write ? MOCK_FLAGS_ACCESS_WRITE : 0, start, length,
			     va, &item->id);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc)
		return true;
	item->access = access;
	item->start = start;
	item->last = start + length - 1;
	return true;
}

static bool try_unpin(struct world *world)
{
	struct item *item = &world->items[below(world, ITEMS)];
	struct access *access = item->access;
	int rc;

	if (!access)
		return true;
	say(world, "access %ld unpins 0x%llx-0x%llx",
	    (long)(access - world->accesses), item->start, item->last);
	item->access = NULL;
	rc = mock_access_unpin(world->iommufd, access->fd, item->id);
	if (rc)
		return complain(world, "gave %d", rc);
	rc = mock_access_unpin(world->iommufd, access->fd, item->id);
	if (rc != -ENOENT)
		return complain(world, "gave %d the second time", rc);
	return true;
}

static bool same_as_memory(const struct area *pieces, int count, __u64 start,
			   const char *bytes)
{
	int i;

	for (i = 0; i < count; i++)
		if (memcmp(memory_of(&pieces[i]),
			   bytes + (pieces[i].start - start),
			   length_of(&pieces[i])))
			return false;
	return true;
}

static bool try_rw(struct world *world)
{
	static char bytes[3 * SMALL_PAGE];
	struct access *access = some_access(world);
	bool write = chance(world, 2), slow = chance(world, 4);
	struct area pieces[MAX_AREAS];
	struct outcome outcome = {};
	__u64 start, length, last;
	int count, rc;

	if (!access ||
	    !some_mapped_range(world, access->ioas, &start, &length))
		return true;
	start += below(world, length);
	length = below(world, chance(world, 3) ? sizeof(bytes) : 64) + 1;
	last = start + length - 1;
	say(world, "access %ld %s 0x%llx-0x%llx%s",
	    (long)(access - world->accesses), write ? "writes" : "reads",
	    start, last, slow ? " slowly" : "");
	count = cut_pieces(access->ioas, start, length, start, pieces);
	may_give(&outcome, ENOENT, !is_covered(access->ioas, start, last));
	may_give(&outcome, EPERM,
		 write && has_read_only(access->ioas, start, last));
	/* the same byte: a page may be at more than one place of the range */
	memset(bytes, below(world, 256), length);
	rc = mock_access_rw(world->iommufd, access->fd,
			    (write ? MOCK_ACCESS_RW_WRITE : 0) |
			    (slow ? MOCK_ACCESS_RW_SLOW_PATH : 0),
			    start, length, bytes);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (!rc && !same_as_memory(pieces, count, start, bytes))
		return complain(world, "moved other bytes");
	return true;
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

static bool check_refs(struct world *world, const struct buffer *buffer,
		       const unsigned short *of_page)
{
	size_t page;
	int rc;

	for (page = 0; page < buffer->length / SMALL_PAGE; page++) {
		rc = mock_check_refs(world->iommufd,
				     buffer->va + page * SMALL_PAGE, SMALL_PAGE,
				     of_page[page]);
		if (rc)
			return complain(world, "page %zu of buffer %ld: not %u pins: %d",
					page, (long)(buffer - world->buffers),
					of_page[page], rc);
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
		if (world->buffers[i].countable &&
		    !check_refs(world, &world->buffers[i], count.of_page[i]))
			return false;
	return true;
}

static bool check_world(struct world *world)
{
	struct address_space *ioas;
	int i;

	for (ioas = world->ioases; ioas < world->ioases + IOASES; ioas++) {
		if (!check_domain(world, ioas))
			return false;
		for (i = 0; i + 1 < ioas->area_count; i++) {
			__u64 gap = (ioas->areas[i].last + SLOT) / SLOT * SLOT;

			if (ioas->areas[i + 1].start >= gap + SLOT &&
			    !check_hole(world, ioas, gap))
				return false;
		}
	}
	return check_pins(world);
}

/* -- sequences -- */

static bool (*const tries[])(struct world *world) = {
	try_map, try_map, try_map, try_map, try_map, try_map_anywhere,
	try_copy, try_copy, try_copy, try_unmap, try_unmap, try_unmap,
	try_unmap, try_unmap_all, try_option, try_attach, try_detach,
	try_replace, try_access, try_access_replace, try_pin, try_pin,
	try_unpin, try_rw, try_rw, try_rw,
};

static void world_close(struct world *world)
{
	int i;

	for (i = 0; i < ACCESSES; i++)
		if (world->accesses[i].fd >= 0)
			close(world->accesses[i].fd);
	close(world->iommufd);
}

static bool world_open(struct world *world, const struct buffer *buffers)
{
	int i;

	*world = (struct world){ .buffers = buffers };
	for (i = 0; i < ACCESSES; i++)
		world->accesses[i].fd = -1;
	world->iommufd = iommufd_open();
	for (i = 0; i < IOASES; i++)
		if (ioas_alloc(world->iommufd, &world->ioases[i].id))
			return false;
	return true;
}

/* Neighbours in the sequence must not have numbers in common. */
static __u32 seed_of_call(__u32 seed, unsigned long call)
{
	__u64 mixed = (call + 1) * 0x9e3779b97f4a7c15ULL ^ seed;

	mixed ^= mixed >> 31;
	mixed *= 0xbf58476d1ce4e5b9ULL;
	mixed ^= mixed >> 27;
	return mixed ? mixed : 1;
}

static bool run_call(struct world *world, __u32 seed, unsigned long call)
{
	world->call[0] = '\0';
	world->random = seed_of_call(seed, call) | 1;
	return tries[below(world, ARRAY_SIZE(tries))](world);
}

/* The call that went wrong, or @end if none did. */
static unsigned long run_calls(struct world *world, __u32 seed,
			       unsigned long first, unsigned long end)
{
	unsigned long call;

	for (call = first; call < end; call++) {
		if (!run_call(world, seed, call))
			return call;
		if ((call - first) % ROUND == ROUND - 1 && !check_world(world))
			return call;
	}
	return check_world(world) ? end : end - 1;
}

/* A part of a sequence. */
struct excerpt {
	const struct buffer *buffers;
	__u32 seed;
	unsigned long first, last;
	bool *without;		/* calls to leave out, from the first on, or NULL */
};

/* Runs it from nothing. */
static bool goes_wrong(const struct excerpt *excerpt, bool aloud)
{
	struct world *world = malloc(sizeof(*world));
	unsigned long call;
	bool good = world_open(world, excerpt->buffers);

	for (call = excerpt->first; good && call <= excerpt->last; call++) {
		if (excerpt->without && excerpt->without[call - excerpt->first])
			continue;
		good = run_call(world, excerpt->seed, call);
		if (aloud && world->call[0])
			printf("# %lu: %s = %d\n", call, world->call,
			       world->rc);
	}
	good = good && check_world(world);
	if (aloud && !good)
		printf("# %s\n", world->complaint);
	world_close(world);
	free(world);
	return !good;
}

/* Leaves out what it goes wrong without, and shows the rest. */
static void show_least(struct excerpt *excerpt)
{
	unsigned long count = excerpt->last - excerpt->first, i;

	excerpt->without = calloc(count + 1, sizeof(bool));
	for (i = 0; i < count; i++) {
		excerpt->without[i] = true;
		excerpt->without[i] = goes_wrong(excerpt, false);
	}
	goes_wrong(excerpt, true);
	free(excerpt->without);
}

/* Finds an end of [first, last] that goes wrong all the same. */
static void show_shortest(const struct buffer *buffers, __u32 seed,
			  unsigned long first, unsigned long last)
{
	struct excerpt excerpt = {
		.buffers = buffers,
		.seed = seed,
		.last = last,
	};
	unsigned long length;

	for (length = 1;; length += length / 8 + 1) {
		excerpt.first = length > last - first ? first :
							last - length + 1;
		if (excerpt.first == first || goes_wrong(&excerpt, false))
			break;
	}
	printf("# shown by SEED=%u FIRST=%lu CALLS=%lu\n", seed, excerpt.first,
	       last - excerpt.first + 1);
	if (length <= 500)
		show_least(&excerpt);
}

FIXTURE(mock_model)
{
	long pins;
	struct buffer buffers[BUFFERS];
};

static void hold_memory(struct buffer *buffer, enum page_kind kind,
			size_t length, bool file)
{
	struct memory mem;
	int rc;

	buffer->fd = -1;
	rc = file ? memory_alloc_file(&mem, kind, length, &buffer->fd) :
		    memory_alloc(&mem, kind, length);
	if (rc)
		return;
	buffer->va = mem.va;
	buffer->length = mem.length;
	buffer->countable = !file && kind != PAGES_THP;
}

FIXTURE_SETUP(mock_model)
{
	struct buffer *buffers = self->buffers;
	int iommufd, i;

	self->pins = pins_held();
	iommufd = iommufd_open();
	ASSERT_LE(0, iommufd);
	if (!mock_available(iommufd))
		SKIP(return, "the kernel has no test device");
	close(iommufd);

	hold_memory(&buffers[0], PAGES_SMALL, MIB / 2, false);
	hold_memory(&buffers[1], PAGES_SMALL_RANDOM, MIB / 2, false);
	hold_memory(&buffers[2], PAGES_THP, 4 * MIB, false);
	hold_memory(&buffers[3], PAGES_SMALL, MIB, true);
	hold_memory(&buffers[4], PAGES_HUGETLB, HUGE_PAGE, true);
	for (i = 0; i < BUFFERS; i++)
		ASSERT_NE(NULL, buffers[i].va)
			TH_LOG("buffer %d", i);
}

FIXTURE_TEARDOWN_PARENT(mock_model)
{
	EXPECT_EQ(self->pins, pins_held());
}

static unsigned long number_from(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

TEST_F_TIMEOUT(mock_model, agrees_with_the_kernel_about_every_call, 3000)
{
	unsigned long first = number_from("FIRST", 0);
	unsigned long end = first + number_from("CALLS", CALLS), last;
	__u32 seed = chosen_seed(1);
	struct world *world = malloc(sizeof(*world));

	ASSERT_NE(NULL, world);
	ASSERT_TRUE(world_open(world, self->buffers));
	TH_LOG("SEED=%u, %lu calls", seed, end - first);
	last = run_calls(world, seed, first, end);
	EXPECT_EQ(end, last)
		TH_LOG("call %lu, %s: %s", last, world->call,
		       world->complaint);
	TH_LOG("%lu calls worked", world->worked);
	EXPECT_LE((last - first) / 10, world->worked);
	world_close(world);
	EXPECT_EQ(0, vm_pinned());
	if (last != end)
		show_shortest(self->buffers, seed, first, last);
}

TEST_HARNESS_MAIN
