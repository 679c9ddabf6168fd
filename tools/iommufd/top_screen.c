// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommufdtop on a terminal
 */
#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <string.h>

#include "top.h"

struct screen {
	struct top *top;
	int skip;		/* lines above what is shown */
	int line;		/* the next one */
	int nr;			/* how many there were without a limit */
};

static attr_t attributes_of(enum top_style style)
{
	switch (style) {
	case TOP_HEAD:
		return A_REVERSE;
	case TOP_FILE:
		return A_BOLD;
	case TOP_REFUSAL:
		return has_colors() ? COLOR_PAIR(1) : A_UNDERLINE;
	default:
		return A_NORMAL;
	}
}

static void put_line(struct screen *screen, enum top_style style,
		     const char *text)
{
	if (screen->line >= LINES)
		return;
	move(screen->line++, 0);
	attrset(attributes_of(style));
	addnstr(text, COLS);
	attrset(A_NORMAL);
	if (style == TOP_HEAD)
		chgat(-1, A_REVERSE, 0, NULL);
}

static void head_line(void *data, enum top_style style, const char *text)
{
	put_line(data, style, text);
}

static void body_line(void *data, enum top_style style, const char *text)
{
	struct screen *screen = data;

	if (screen->nr++ >= screen->skip)
		put_line(screen, style, text);
}

static void draw(struct screen *screen)
{
	erase();
	screen->line = 0;
	screen->nr = 0;
	top_write_head(screen->top, head_line, screen);
	top_write_rows(screen->top, body_line, screen);
	if (screen->skip >= screen->nr)
		screen->skip = screen->nr ? screen->nr - 1 : 0;
	refresh();
}

static void ask_filter(struct screen *screen)
{
	timeout(-1);
	echo();
	curs_set(1);
	move(0, 0);
	clrtoeol();
	addstr("show only what has (nothing for all): ");
	if (getnstr(screen->top->filter,
		    sizeof(screen->top->filter) - 1) == ERR)
		screen->top->filter[0] = '\0';
	curs_set(0);
	noecho();
	screen->skip = 0;
}

static void scroll_by(struct screen *screen, int lines)
{
	screen->skip += lines;
	if (screen->skip < 0)
		screen->skip = 0;
}

/* Return: whether to go on. */
static bool do_key(struct screen *screen, int key)
{
	struct top *top = screen->top;

	switch (key) {
	case 'q':
		return false;
	case 's':
		top->key = (top->key + 1) % NR_TOP_KEYS;
		break;
	case 'r':
		top->reverse = !top->reverse;
		break;
	case 'f':
		ask_filter(screen);
		break;
	case 'b':
		top->short_rows = !top->short_rows;
		break;
	case KEY_UP:
		scroll_by(screen, -1);
		break;
	case KEY_DOWN:
		scroll_by(screen, 1);
		break;
	case KEY_PPAGE:
		scroll_by(screen, 2 - LINES);
		break;
	case KEY_NPAGE:
		scroll_by(screen, LINES - 2);
		break;
	case KEY_HOME:
		screen->skip = 0;
		break;
	}
	return true;
}

/* Keys until it is time for another sample */
static int serve_keys(struct screen *screen, double delay, bool *go_on)
{
	long left;
	int key, rc = 0;

	while (!rc && *go_on) {
		draw(screen);
		left = 1000 * (delay - top_age(screen->top));
		if (left <= 0)
			break;
		timeout(left);
		key = getch();
		if (key == ERR)
			break;
		*go_on = do_key(screen, key);
		rc = top_arrange(screen->top);
	}
	return rc;
}

int top_screen(struct top *top, double delay)
{
	struct screen screen = { .top = top };
	bool go_on = true;
	int rc = 0;

	setlocale(LC_CTYPE, "");
	if (!initscr())
		return -ENOTTY;
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_RED, -1);
	}
	while (!rc && go_on) {
		rc = top_sample(top);
		if (!rc)
			rc = serve_keys(&screen, delay, &go_on);
	}
	endwin();
	return rc;
}
