/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What iommufdtop knows: samples of all files, and rows made from them
 */
#ifndef TOP_H
#define TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "fdinfo.h"

struct top_row {
	const struct iommu_file *file;
	struct iommu_object sum;	/* of all its address spaces */
	double maps_rate;		/* maps a second */
	double unmaps_rate;
	char command[4 * 20];		/* escaped */
	char user[33];
	char devices[256];		/* escaped, with commas */
};

enum top_key {
	TOP_PINNED,
	TOP_MAPPED,
	TOP_AREAS,
	TOP_RATE,
	TOP_REFUSED,
	TOP_PID,
	NR_TOP_KEYS,
};

struct top {
	struct iommu_files now;
	struct iommu_files before;
	struct timespec when;
	double passed;			/* seconds between them; 0: no before */
	struct top_row *rows;		/* those that the filter leaves */
	size_t nr_rows;
	enum top_key key;
	bool reverse;
	bool short_rows;		/* nothing of address spaces */
	char filter[64];
};

extern const char *const top_key_names[NR_TOP_KEYS];

/* Seconds since the last sample */
double top_age(const struct top *top);
/* A new sample. Return: 0 or a negative errno */
int top_sample(struct top *top);
/* Filters and sorts again what there is */
int top_arrange(struct top *top);
void top_free(struct top *top);

/*
 * Lines, which @line gets one by one; @style says what it is.
 */
enum top_style { TOP_HEAD, TOP_FILE, TOP_DETAIL, TOP_REFUSAL };

void top_write_head(const struct top *top,
		    void (*line)(void *data, enum top_style style,
				 const char *text), void *data);
void top_write_rows(const struct top *top,
		    void (*line)(void *data, enum top_style style,
				 const char *text), void *data);
void top_write_json(const struct top *top);

/* Until the user has enough. Return: 0 or a negative errno */
int top_screen(struct top *top, double delay);

#endif
