// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

bool word_next(char **line, struct word *word)
{
	char *text = strtok_r(*line, " ", line);

	if (!text)
		return false;
	*word = (struct word){
		.text = text,
		.length = strcspn(text, "="),
	};
	if (text[word->length]) {
		word->value = text + word->length + 1;
		word->number = strtoull(word->value, NULL, 0);
	}
	return true;
}

bool word_is(const struct word *word, const char *name)
{
	return !strncmp(word->text, name, word->length) && !name[word->length];
}

void word_copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%.*s", (int)strcspn(from, "\n "), from);
}

void *array_grow(void *array, size_t nr, size_t size)
{
	if (nr & (nr - 1))
		return array;
	return realloc(array, (nr ? 2 * nr : 1) * size);
}
