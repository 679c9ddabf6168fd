// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "libiommufd.h"
#include "text.h"

static char *escape(char *to, size_t size, const char *from, char also)
{
	char *at = to, *end = to + size;

	for (; *from && end - at > 4; from++) {
		unsigned char byte = *from;

		if (byte >= ' ' && byte < 0x7f && byte != also)
			*at++ = byte;
		else
			at += sprintf(at, "\\x%02x", byte);
	}
	*at = '\0';
	return to;
}

char *text_escape(char *to, size_t size, const char *from)
{
	return escape(to, size, from, '\\');
}

char *text_printable(char *to, size_t size, const char *from)
{
	return escape(to, size, from, '\0');
}

char *text_size(char *to, size_t size, uint64_t bytes)
{
	static const char units[] = " KMGTPE";
	double number = bytes;
	unsigned int unit = 0;

	while (number >= 1024 && units[unit + 1]) {
		number /= 1024;
		unit++;
	}
	if (!unit)
		snprintf(to, size, "%" PRIu64 " B", bytes);
	else
		snprintf(to, size, number < 100 && number != (int)number ?
			 "%.1f %ciB" : "%.0f %ciB", number, units[unit]);
	return to;
}

char *text_errno(char *to, size_t size, int error)
{
	const char *name = strerrorname_np(error);

	if (name)
		snprintf(to, size, "%s", name);
	else
		snprintf(to, size, "errno %d", error);
	return to;
}

char *text_command(char *to, size_t size, uint32_t command)
{
	const char *name = iommufd_command_name(command);

	if (name)
		snprintf(to, size, "%s", name);
	else
		snprintf(to, size, "0x%" PRIx32, command);
	return to;
}
