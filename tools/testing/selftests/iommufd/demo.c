// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"
#include "pages.h"

static int checks, failures;

bool expect(bool ok, const char *format, ...)
{
	va_list arguments;

	checks++;
	if (ok)
		return true;
	failures++;
	va_start(arguments, format);
	printf("  FAILED: ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	return false;
}

bool expect_ok(int rc, const char *what)
{
	return expect(rc >= 0, "%s: %s", what, strerror(-rc));
}

void require(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fflush(stdout);
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		strerror(-rc));
	exit(2);
}

int checks_made(void)
{
	return checks;
}

int checks_failed(void)
{
	return failures;
}

struct text words(const char *format, ...)
{
	va_list arguments;
	struct text text;

	va_start(arguments, format);
	vsnprintf(text.s, sizeof(text.s), format, arguments);
	va_end(arguments);
	return text;
}

struct text size_words(unsigned long bytes)
{
	if (bytes >= GIB && bytes % GIB == 0)
		return words("%lu GiB", bytes / GIB);
	if (bytes >= MIB && bytes % MIB == 0)
		return words("%lu MiB", bytes / MIB);
	return words("%lu KiB", bytes / KIB);
}

const char *verdict(bool ok)
{
	return ok ? "\u2713" : "\u2717";
}
