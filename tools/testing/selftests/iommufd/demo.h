/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What programs that show something need: checks, which say what was wrong and
 * are counted, and words for tables.
 */
#ifndef DEMO_H
#define DEMO_H

#include <stdbool.h>

#include <linux/compiler.h>

/* Counts a check; one that fails says what was wrong. */
bool __printf(2, 3) expect(bool ok, const char *format, ...);
bool expect_ok(int rc, const char *what);
/* For what nothing can go on without: ends the program with status 2. */
void require(int rc, const char *what);

int checks_made(void);
int checks_failed(void);

struct text {
	char s[96];
};

struct text __printf(1, 2) words(const char *format, ...);
struct text size_words(unsigned long bytes);
/* A mark for a table. */
const char *verdict(bool ok);

#endif
