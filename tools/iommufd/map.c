// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "text.h"
#include "words.h"

#define SIZE_TEXT 16
#define SMALL_RUN (16ull << 10)
#define LARGE_RUN (2ull << 20)

const char *const map_kind_names[NR_MAP_KINDS] = {
	[MAP_HOLE] = "free",
	[MAP_FORBIDDEN] = "not allowed",
	[MAP_RESERVED] = "reserved",
	[MAP_UNPINNED] = "mapped, not pinned",
	[MAP_SMALL] = "runs below 16 KiB",
	[MAP_MEDIUM] = "runs below 2 MiB",
	[MAP_LARGE] = "longer runs",
};

/*
 * The tables of debugfs
 */

static void parse_word(struct map_range *range, const struct word *word)
{
	if (!word->value)
		return;
	if (word_is(word, "iova"))
		range->first = word->number;
	else if (word_is(word, "last"))
		range->last = word->number;
	else if (word_is(word, "start"))
		range->start = word->number;
	else if (word_is(word, "pinned"))
		range->pinned = word->number;
	else if (word_is(word, "runs"))
		range->runs = word->number;
	else if (word_is(word, "device"))
		range->device = word->number;
	else if (word_is(word, "rights"))
		text_escape(range->rights, sizeof(range->rights), word->value);
	else if (word_is(word, "source"))
		text_escape(range->source, sizeof(range->source), word->value);
}

/* What follows in @line if it is of the IOAS, else NULL */
static char *line_of(const struct map *map, char *line)
{
	unsigned long long context;
	unsigned int ioas;
	int length = 0;

	if (sscanf(line, "context=%llu ioas=%u %n", &context, &ioas,
		   &length) < 2 ||
	    !length || context != map->file->context || ioas != map->ioas)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return line + length;
}

static int add_range(struct map_ranges *ranges, char *words)
{
	struct map_range *range;
	struct word word;

	range = array_grow(ranges->ranges, ranges->nr, sizeof(*range));
	if (!range)
		return -ENOMEM;
	ranges->ranges = range;
	range += ranges->nr;
	*range = (struct map_range){};
	while (word_next(&words, &word))
		parse_word(range, &word);
	/* Rows are made of what is in order. */
	if (range->last < range->first ||
	    (ranges->nr && range->first <= range[-1].last))
		return 0;
	ranges->nr++;
	return 0;
}

static int load_table(const struct map *map, const char *folder,
		      const char *name, struct map_ranges *ranges)
{
	char path[512], *line = NULL, *words;
	size_t size = 0;
	int rc = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!rc && getline(&line, &size, file) >= 0) {
		words = line_of(map, line);
		if (words)
			rc = add_range(ranges, words);
	}
	free(line);
	fclose(file);
	return rc;
}

int map_load(const char *folder, const struct iommu_file *file, uint32_t ioas,
	     struct map *map)
{
	int rc;

	*map = (struct map){ .file = file, .ioas = ioas };
	rc = load_table(map, folder, "areas", &map->areas) ? :
	     load_table(map, folder, "reserved", &map->reserved) ? :
	     load_table(map, folder, "allowed", &map->allowed);
	if (rc)
		map_free(map);
	return rc;
}

void map_free(struct map *map)
{
	free(map->areas.ranges);
	free(map->reserved.ranges);
	free(map->allowed.ranges);
	*map = (struct map){};
}

/*
 * Rows
 */

static int add_row(struct map_rows *rows, const struct map_row *row)
{
	struct map_row *array;

	array = array_grow(rows->rows, rows->nr, sizeof(*array));
	if (!array)
		return -ENOMEM;
	rows->rows = array;
	array[rows->nr++] = *row;
	return 0;
}

static int add_empty(struct map_rows *rows, enum map_kind kind, uint64_t first,
		     uint64_t last)
{
	const struct map_row row = {
		.kind = kind,
		.range = { .first = first, .last = last },
	};

	return add_row(rows, &row);
}

/* What lies in first..last, where nothing is mapped or reserved */
static int add_holes(struct map_rows *rows, const struct map *map,
		     uint64_t first, uint64_t last)
{
	const struct map_range *range;
	size_t i;
	int rc;

	if (!map->allowed.nr)
		return add_empty(rows, MAP_HOLE, first, last);
	for (i = 0; i < map->allowed.nr; i++) {
		range = &map->allowed.ranges[i];
		if (range->last < first)
			continue;
		if (range->first > last)
			break;
		if (range->first > first) {
			rc = add_empty(rows, MAP_FORBIDDEN, first,
				       range->first - 1);
			if (rc)
				return rc;
			first = range->first;
		}
		if (range->last >= last)
			return add_empty(rows, MAP_HOLE, first, last);
		rc = add_empty(rows, MAP_HOLE, first, range->last);
		if (rc)
			return rc;
		first = range->last + 1;
	}
	return add_empty(rows, MAP_FORBIDDEN, first, last);
}

/* Do two ranges have something in common that is worth a row? */
static bool is_same(const struct map_row *row, const struct map_range *next)
{
	return !strcmp(row->range.rights, next->rights) &&
	       !strcmp(row->range.source, next->source);
}

static void row_append(struct map_row *row, const struct map_range *area)
{
	if (!is_same(row, area)) {
		row->range.rights[0] = '\0';
		row->range.source[0] = '\0';
	}
	row->range.last = area->last;
	row->range.pinned += area->pinned;
	row->range.runs += area->runs;
	row->mapped += area->last - area->first + 1;
	row->nr_areas++;
}

static enum map_kind kind_of(const struct map_row *row)
{
	uint64_t average;

	if (!row->range.runs)
		return MAP_UNPINNED;
	average = row->range.pinned / row->range.runs;
	if (average < SMALL_RUN)
		return MAP_SMALL;
	return average < LARGE_RUN ? MAP_MEDIUM : MAP_LARGE;
}

/*
 * Areas from @i on with holes of less than @hole bytes, and nothing reserved between
 * them. Return: the next one
 */
static size_t join_areas(const struct map *map, size_t i, uint64_t hole,
			 const struct map_range *reserved, struct map_row *row)
{
	const struct map_range *areas = map->areas.ranges;

	*row = (struct map_row){
		.range = areas[i],
		.mapped = areas[i].last - areas[i].first + 1,
		.nr_areas = 1,
	};
	while (++i < map->areas.nr &&
	       areas[i].first - areas[i - 1].last - 1 < hole &&
	       (!reserved || areas[i].first < reserved->first))
		row_append(row, &areas[i]);
	row->kind = kind_of(row);
	return i;
}

/* The next of both kinds, of which one goes on. Return: false if there is none */
static bool next_row(const struct map *map, uint64_t hole, size_t *area,
		     size_t *reserved, struct map_row *row)
{
	const struct map_range *next = NULL;

	if (*reserved < map->reserved.nr)
		next = &map->reserved.ranges[*reserved];
	if (*area < map->areas.nr &&
	    (!next || map->areas.ranges[*area].first < next->first)) {
		*area = join_areas(map, *area, hole, next, row);
		return true;
	}
	if (!next)
		return false;
	*row = (struct map_row){ .kind = MAP_RESERVED, .range = *next };
	++*reserved;
	return true;
}

/* @hole: as join_areas() */
static int make_rows(const struct map *map, uint64_t hole,
		     struct map_rows *rows)
{
	size_t area = 0, reserved = 0;
	uint64_t iova = 0;
	struct map_row row;
	int rc;

	while (next_row(map, hole, &area, &reserved, &row)) {
		/* What changes while it is read may overlap. */
		if (row.range.first > iova) {
			rc = add_holes(rows, map, iova, row.range.first - 1);
			if (rc)
				return rc;
		}
		rc = add_row(rows, &row);
		if (rc)
			return rc;
		if (row.range.last >= iova)
			iova = row.range.last + 1;
		if (row.range.last == UINT64_MAX)
			return 0;
	}
	return add_holes(rows, map, iova, UINT64_MAX);
}

int map_make_rows(const struct map *map, size_t max, struct map_rows *rows)
{
	uint64_t hole = 0;
	int rc;

	for (;;) {
		*rows = (struct map_rows){};
		rc = make_rows(map, hole, rows);
		if (rc)
			map_free_rows(rows);
		if (rc || rows->nr <= max || hole > UINT64_MAX / 16)
			return rc;
		hole = hole ? hole * 16 : 1;
		map_free_rows(rows);
	}
}

void map_free_rows(struct map_rows *rows)
{
	free(rows->rows);
	*rows = (struct map_rows){};
}

/* From a page up, to all that there is: 52 doublings */
unsigned int map_bar(const struct map_row *row, unsigned int most)
{
	uint64_t pages = (row->range.last - row->range.first) >> 12;
	unsigned int doublings = 0;

	for (; pages; pages >>= 1)
		doublings++;
	return 1 + doublings * (most - 1) / 52;
}

/*
 * Texts
 */

static const char *device_name(const struct iommu_file *file, uint32_t id)
{
	size_t i;

	for (i = 0; i < file->nr_listed; i++)
		if (file->objects[i].id == id && file->objects[i].device[0])
			return file->objects[i].device;
	return NULL;
}

void map_title(const struct map *map, char *text, size_t size)
{
	char name[4 * OBJECT_DEVICES];
	const struct iommu_file *file = map->file;
	const char *between = ", on ";
	size_t i, length;

	length = snprintf(text, size, "%s (%d), file descriptor %d: IOAS %"
			  PRIu32, text_escape(name, sizeof(name),
					      file->command),
			  file->pid, file->fd, map->ioas);
	for (i = 0; i < file->nr_listed && length < size; i++) {
		if (!file->objects[i].device[0] ||
		    fdinfo_ioas_of(file, &file->objects[i]) != map->ioas)
			continue;
		length += snprintf(text + length, size - length, "%s%s",
				   between,
				   text_escape(name, sizeof(name),
					       file->objects[i].device));
		between = ", ";
	}
	if (*between == ',' && between[2] == 'o' && length < size)
		snprintf(text + length, size - length, ", no device");
}

void map_summary(const struct map *map, char *text, size_t size)
{
	uint64_t mapped = 0, pinned = 0, runs = 0;
	char sizes[3][SIZE_TEXT];
	const struct map_range *area;
	size_t i;

	for (i = 0; i < map->areas.nr; i++) {
		area = &map->areas.ranges[i];
		mapped += area->last - area->first + 1;
		pinned += area->pinned;
		runs += area->runs;
	}
	text_size(sizes[0], SIZE_TEXT, mapped);
	text_size(sizes[1], SIZE_TEXT, pinned);
	text_size(sizes[2], SIZE_TEXT, runs ? pinned / runs : 0);
	if (!runs)
		snprintf(text, size, "%zu areas, %s mapped, %s pinned",
			 map->areas.nr, sizes[0], sizes[1]);
	else
		snprintf(text, size, "%zu areas, %s mapped, %s pinned in %"
			 PRIu64 " runs of %s on average", map->areas.nr,
			 sizes[0], sizes[1], runs, sizes[2]);
}

void map_row_range(const struct map_row *row, char *text, size_t size)
{
	snprintf(text, size, "0x%" PRIx64 "-0x%" PRIx64, row->range.first,
		 row->range.last);
}

static void mapped_text(const struct map_row *row, char *text, size_t size)
{
	char bytes[SIZE_TEXT], average[SIZE_TEXT], runs[48], areas[32] = "";
	const struct map_range *range = &row->range;

	text_size(bytes, sizeof(bytes), row->mapped);
	text_size(average, sizeof(average),
		  range->runs ? range->pinned / range->runs : 0);
	if (row->nr_areas > 1)
		snprintf(areas, sizeof(areas), " in %zu areas", row->nr_areas);
	if (!range->runs)
		snprintf(runs, sizeof(runs), "not pinned");
	else if (range->runs == 1)
		snprintf(runs, sizeof(runs), "1 run");
	else
		snprintf(runs, sizeof(runs), "%" PRIu64 " runs of %s",
			 range->runs, average);
	if (row->nr_areas > 1 || !range->source[0])
		snprintf(text, size, "%s%s%s%s, %s%s%s", bytes, areas,
			 range->rights[0] ? " " : "", range->rights, runs,
			 range->source[0] ? "; " : "", range->source);
	else
		snprintf(text, size, "%s %s, %s; %s at 0x%" PRIx64, bytes,
			 range->rights, runs, range->source, range->start);
}

void map_row_text(const struct map *map, const struct map_row *row, char *text,
		  size_t size)
{
	char bytes[SIZE_TEXT], name[4 * OBJECT_DEVICES];
	const char *device = NULL;

	if (row->nr_areas) {
		mapped_text(row, text, size);
		return;
	}
	text_size(bytes, sizeof(bytes), row->range.last - row->range.first + 1);
	if (!row->range.first && row->range.last == UINT64_MAX)
		snprintf(bytes, sizeof(bytes), "16 EiB");
	if (row->kind != MAP_RESERVED) {
		snprintf(text, size, "%s %s", bytes,
			 map_kind_names[row->kind]);
		return;
	}
	if (row->range.device)
		device = device_name(map->file, row->range.device);
	if (device)
		snprintf(text, size, "%s reserved for %s", bytes,
			 text_escape(name, sizeof(name), device));
	else if (row->range.device)
		snprintf(text, size, "%s reserved for device %" PRIu32, bytes,
			 row->range.device);
	else
		snprintf(text, size, "%s beyond a page table", bytes);
}
