/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that is not there: whoever reaches for it waits until the test
 * provides it, or for ever. Functions return 0 or a negative errno.
 */
#ifndef MISSING_PAGE_H
#define MISSING_PAGE_H

#include <stdbool.h>

#include "pages.h"

struct missing_page {
	char *va;		/* SMALL_PAGE bytes */
	int uffd;
};

/* -ENOENT: the kernel has no userfaultfd. */
int missing_page_open(struct missing_page *page);
/* Waits until somebody waits for it, half a minute at the most. */
bool missing_page_wanted(const struct missing_page *page);
int missing_page_provide(const struct missing_page *page);
void missing_page_close(struct missing_page *page);

#endif
