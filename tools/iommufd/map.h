/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What iommufd-map knows of an address space, and the rows that it draws
 */
#ifndef MAP_H
#define MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fdinfo.h"

#define MAP_FOLDER "/sys/kernel/debug/iommufd"

/* Something at an IOVA: an area, or a range that is reserved or allowed */
struct map_range {
	uint64_t first;
	uint64_t last;
	uint64_t start;		/* of an area: where it is in its source */
	uint64_t pinned;	/* bytes */
	uint64_t runs;
	char rights[8];
	char source[16];
	uint32_t device;	/* of what is reserved; 0: of a page table */
};

struct map_ranges {
	struct map_range *ranges;
	size_t nr;
};

struct map {
	const struct iommu_file *file;
	uint32_t ioas;
	struct map_ranges areas;
	struct map_ranges reserved;
	struct map_ranges allowed; /* none: all is */
};

enum map_kind {
	MAP_HOLE,		/* could be mapped */
	MAP_FORBIDDEN,		/* is not among what is allowed */
	MAP_RESERVED,
	MAP_UNPINNED,		/* mapped, and not pinned */
	MAP_SMALL,		/* runs of less than 16 KiB on average */
	MAP_MEDIUM,		/* less than 2 MiB */
	MAP_LARGE,
	NR_MAP_KINDS,
};

struct map_row {
	enum map_kind kind;
	struct map_range range;
	uint64_t mapped;	/* less than the range where there are holes */
	size_t nr_areas;
};

struct map_rows {
	struct map_row *rows;
	size_t nr;
};

extern const char *const map_kind_names[NR_MAP_KINDS];

/*
 * What debugfs in @folder tells of an IOAS. Return: 0 or a negative errno; -EACCES,
 * as a rule, to those who are not root
 */
int map_load(const char *folder, const struct iommu_file *file, uint32_t ioas,
	     struct map *map);
void map_free(struct map *map);

/*
 * Rows from the lowest IOVA to the highest, at most @max: what is close together
 * is one row then. Return: 0 or -ENOMEM
 */
int map_make_rows(const struct map *map, size_t max, struct map_rows *rows);
void map_free_rows(struct map_rows *rows);

/* Of how many parts of @most the bar of a row is, by the logarithm of its size */
unsigned int map_bar(const struct map_row *row, unsigned int most);

/* Texts, printable ASCII but for what escapes it in XML */
void map_title(const struct map *map, char *text, size_t size);
void map_summary(const struct map *map, char *text, size_t size);
void map_row_range(const struct map_row *row, char *text, size_t size);
void map_row_text(const struct map *map, const struct map_row *row, char *text,
		  size_t size);

struct map_style {
	bool ascii;
	bool color;
	unsigned int width;	/* columns */
};

void map_print(FILE *out, const struct map *map, const struct map_rows *rows,
	       const struct map_style *style);
void map_write_svg(FILE *out, const struct map *map,
		   const struct map_rows *rows);

#endif
