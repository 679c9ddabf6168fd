/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines of words as the kernel writes them, "name=value" or a name alone, and
 * arrays of what they tell
 */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct word {
	const char *text;	/* all of it */
	int length;		/* of the name */
	const char *value;	/* NULL: there is none */
	uint64_t number;	/* that it is, or 0 */
};

/* The next one of *@line, which is written to; false at its end */
bool word_next(char **line, struct word *word);
bool word_is(const struct word *word, const char *name);
/* @from up to its end as a word */
void word_copy(char *to, size_t size, const char *from);

/* Room for one more element behind @nr; the array doubles as it grows. */
void *array_grow(void *array, size_t nr, size_t size);

#endif
