/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables with borders, printed row by row as the results come. */
#ifndef TEXT_TABLE_H
#define TEXT_TABLE_H

#include <stdbool.h>

struct column {
	const char *title;
	int width;		/* in characters, without the border */
	bool number;		/* aligned to the right */
};

struct table {
	const struct column *columns;
	int count;
};

void table_begin(const struct table *table);
void table_end(const struct table *table);

/* As many strings as there are columns; they are printed and not kept. */
void table_row(const struct table *table, ...);

#endif
