// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>

#include "text_table.h"

/* The bytes of a UTF-8 character other than its first are 10xxxxxx. */
static int displayed_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		if ((*text & 0xc0) != 0x80)
			width++;
	return width;
}

static void print_rule(const struct table *table, const char *left,
		       const char *cross, const char *right)
{
	int i, j;

	printf("  %s", left);
	for (i = 0; i < table->count; i++) {
		if (i)
			printf("%s", cross);
		for (j = 0; j < table->columns[i].width + 2; j++)
			printf("\u2500");
	}
	printf("%s\n", right);
}

static void print_cell(const struct column *column, const char *text)
{
	int room = column->width - displayed_width(text);

	if (room < 0)
		room = 0;
	if (column->number)
		printf(" %*s%s \u2502", room, "", text);
	else
		printf(" %s%*s \u2502", text, room, "");
}

void table_begin(const struct table *table)
{
	int i;

	print_rule(table, "\u250c", "\u252c", "\u2510");
	printf("  \u2502");
	for (i = 0; i < table->count; i++)
		print_cell(&table->columns[i], table->columns[i].title);
	printf("\n");
	print_rule(table, "\u251c", "\u253c", "\u2524");
	fflush(stdout);
}

void table_end(const struct table *table)
{
	print_rule(table, "\u2514", "\u2534", "\u2518");
	printf("\n");
	fflush(stdout);
}

void table_row(const struct table *table, ...)
{
	va_list cells;
	int i;

	va_start(cells, table);
	printf("  \u2502");
	for (i = 0; i < table->count; i++)
		print_cell(&table->columns[i], va_arg(cells, const char *));
	printf("\n");
	va_end(cells);
	fflush(stdout);
}
