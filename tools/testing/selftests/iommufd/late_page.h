/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that is late: whoever reaches for it waits until the test gives it, or
 * for ever. Functions return 0 or a negative errno unless their comment says
 * else.
 */
#ifndef LATE_PAGE_H
#define LATE_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "pages.h"

/* The first use waits, or only the first write. */
enum late { LATE_PAGE, LATE_WRITE };

struct late_page {
	enum late late;
	int uffd;
	char *va;		/* SMALL_PAGE bytes */
};

/* Has the kernel what it takes? */
bool late_pages_available(void);
/* @content, for LATE_WRITE, is what the page begins with. */
int late_page_open(struct late_page *page, enum late late, const void *content,
		   size_t length);
/*
 * A page of what is mapped already is late when it is first used; the test ends
 * that by closing @uffd.
 */
int late_page_open_at(struct late_page *page, char *va);
void late_page_close(struct late_page *page);

/* Does somebody wait for it by now? Waits for that itself so long. */
bool late_page_is_awaited(const struct late_page *page, int timeout_ms);
/* Until somebody does, in so much time as this needs on any machine. */
bool late_page_wait(const struct late_page *page);
int late_page_give(const struct late_page *page);

#endif
