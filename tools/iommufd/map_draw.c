// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces in a terminal, and as SVG
 */
#include <string.h>

#include "map.h"

#define TEXT 512
#define BAR_COLUMNS 14

/*
 * In a terminal
 */

static const char *const marks[NR_MAP_KINDS] = {
	[MAP_HOLE] = "\u00b7",
	[MAP_FORBIDDEN] = "\u254c",
	[MAP_RESERVED] = "\u2573",
	[MAP_UNPINNED] = "\u2591",
	[MAP_SMALL] = "\u2592",
	[MAP_MEDIUM] = "\u2593",
	[MAP_LARGE] = "\u2588",
};

static const char ascii_marks[NR_MAP_KINDS] = {
	[MAP_HOLE] = '.',
	[MAP_FORBIDDEN] = '~',
	[MAP_RESERVED] = 'x',
	[MAP_UNPINNED] = 'o',
	[MAP_SMALL] = '-',
	[MAP_MEDIUM] = '=',
	[MAP_LARGE] = '#',
};

static const char *const colors[NR_MAP_KINDS] = {
	[MAP_HOLE] = "2",
	[MAP_FORBIDDEN] = "2;35",
	[MAP_RESERVED] = "35",
	[MAP_UNPINNED] = "36",
	[MAP_SMALL] = "31",
	[MAP_MEDIUM] = "33",
	[MAP_LARGE] = "32",
};

static void print_marks(FILE *out, const struct map_style *style,
			enum map_kind kind, unsigned int nr)
{
	if (style->color)
		fprintf(out, "\033[%sm", colors[kind]);
	while (nr--) {
		if (style->ascii)
			fputc(ascii_marks[kind], out);
		else
			fputs(marks[kind], out);
	}
	if (style->color)
		fputs("\033[0m", out);
}

static unsigned int range_columns(const struct map_rows *rows)
{
	unsigned int length, longest = 0;
	char text[64];
	size_t i;

	for (i = 0; i < rows->nr; i++) {
		map_row_range(&rows->rows[i], text, sizeof(text));
		length = strlen(text);
		if (length > longest)
			longest = length;
	}
	return longest;
}

static void print_row(FILE *out, const struct map *map,
		      const struct map_row *row, unsigned int columns,
		      const struct map_style *style)
{
	unsigned int bar = map_bar(row, BAR_COLUMNS), room;
	char range[64], text[TEXT];

	map_row_range(row, range, sizeof(range));
	map_row_text(map, row, text, sizeof(text));
	fprintf(out, "%*s  ", (int)columns, range);
	print_marks(out, style, row->kind, bar);
	room = style->width - columns - BAR_COLUMNS - 4;
	fprintf(out, "%*s%.*s\n", BAR_COLUMNS - bar + 2, "", (int)room, text);
}

static void print_legend(FILE *out, const struct map_rows *rows,
			 const struct map_style *style)
{
	bool is_there[NR_MAP_KINDS] = {};
	unsigned int kind;
	size_t i;

	for (i = 0; i < rows->nr; i++)
		is_there[rows->rows[i].kind] = true;
	fputs(" ", out);
	for (kind = 0; kind < NR_MAP_KINDS; kind++) {
		if (!is_there[kind])
			continue;
		fputs(" ", out);
		print_marks(out, style, kind, 2);
		fprintf(out, " %s", map_kind_names[kind]);
	}
	fputs("\n", out);
}

void map_print(FILE *out, const struct map *map, const struct map_rows *rows,
	       const struct map_style *style)
{
	unsigned int columns = range_columns(rows);
	char text[2 * TEXT];
	size_t i;

	map_title(map, text, sizeof(text));
	fprintf(out, "%s\n", text);
	map_summary(map, text, sizeof(text));
	fprintf(out, "%s\n", text);
	for (i = 0; i < rows->nr; i++)
		print_row(out, map, &rows->rows[i], columns, style);
	print_legend(out, rows, style);
}

/*
 * As SVG
 */

#define LINE 18			/* pixels, as the rest */
#define TOP 58
#define BAR_X 310
#define BAR_WIDTH 260
#define TEXT_X (BAR_X + BAR_WIDTH + 14)
#define WIDTH 1060

static const char *const fills[NR_MAP_KINDS] = {
	[MAP_HOLE] = "#e6e6e6",
	[MAP_FORBIDDEN] = "#c9bdd6",
	[MAP_RESERVED] = "#8e6bb5",
	[MAP_UNPINNED] = "#8fc1cc",
	[MAP_SMALL] = "#d1495b",
	[MAP_MEDIUM] = "#edae49",
	[MAP_LARGE] = "#3c8d5a",
};

/* Text is printable ASCII already, in which a few bytes mean something. */
static void svg_text(FILE *out, unsigned int x, unsigned int y,
		     const char *extra, const char *text)
{
	fprintf(out, "<text x=\"%u\" y=\"%u\"%s>", x, y, extra);
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
	fputs("</text>\n", out);
}

static void svg_bar(FILE *out, unsigned int x, unsigned int y,
		    unsigned int width, enum map_kind kind)
{
	fprintf(out, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\"/>\n",
		x, y, width, LINE - 4, fills[kind]);
}

static void svg_row(FILE *out, const struct map *map,
		    const struct map_row *row, unsigned int y)
{
	char text[TEXT];

	map_row_range(row, text, sizeof(text));
	svg_text(out, BAR_X - 10, y + LINE - 7, " text-anchor=\"end\"", text);
	svg_bar(out, BAR_X, y, map_bar(row, BAR_WIDTH), row->kind);
	map_row_text(map, row, text, sizeof(text));
	svg_text(out, TEXT_X, y + LINE - 7, "", text);
}

static void svg_legend(FILE *out, unsigned int y)
{
	unsigned int kind, x = 20;

	for (kind = 0; kind < NR_MAP_KINDS; kind++) {
		svg_bar(out, x, y, LINE, kind);
		svg_text(out, x + LINE + 5, y + LINE - 7, "",
			 map_kind_names[kind]);
		x += LINE + 20 + 7 * strlen(map_kind_names[kind]);
	}
}

void map_write_svg(FILE *out, const struct map *map,
		   const struct map_rows *rows)
{
	unsigned int height = TOP + LINE * (rows->nr + 2);
	char text[2 * TEXT];
	size_t i;

	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" font-family=\"monospace\" font-size=\"11\">\n",
		WIDTH, height, WIDTH, height);
	fprintf(out, "<rect width=\"%u\" height=\"%u\" fill=\"#ffffff\"/>\n",
		WIDTH, height);
	map_title(map, text, sizeof(text));
	svg_text(out, 20, 22, " font-size=\"14\" font-weight=\"bold\"", text);
	map_summary(map, text, sizeof(text));
	svg_text(out, 20, 42, "", text);
	for (i = 0; i < rows->nr; i++)
		svg_row(out, map, &rows->rows[i], TOP + LINE * i);
	svg_legend(out, TOP + LINE * rows->nr + LINE / 2);
	fputs("</svg>\n", out);
}
