// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "checked_io.h"
#include "rig.h"
#include "test_support.h"
#include "trace_rig.h"

#define TRACEFS "/sys/kernel/tracing"
#define PATH_SIZE 160
#define TEXT_SIZE (4 * MIB)

int trace_set(const struct trace_rig *trace, const char *file,
	      const char *value)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", trace->path, file);
	return file_write(path, value);
}

static int trace_enable(const struct trace_rig *trace, const char *value)
{
	char file[64];

	snprintf(file, sizeof(file), "events/%s/enable", trace->events);
	return trace_set(trace, file, value);
}

int trace_rig_make(struct trace_rig *trace, const char *events)
{
	int rc;

	if (access(TRACEFS "/instances", F_OK) &&
	    mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		return rig_absent("tracefs");
	trace->events = events;
	trace->text = malloc(TEXT_SIZE);
	if (!trace->text)
		return rig_part("a buffer", -ENOMEM);
	snprintf(trace->path, sizeof(trace->path),
		 TRACEFS "/instances/iommufd-%d", getpid());
	if (mkdir(trace->path, 0700)) {
		rc = rig_part("a trace", -errno);
		goto err_free;
	}
	rc = rig_part("events", trace_enable(trace, "1"));
	if (rc)
		goto err_rmdir;
	return 0;

err_rmdir:
	rmdir(trace->path);
err_free:
	free(trace->text);
	return rc;
}

void trace_rig_break(struct trace_rig *trace)
{
	trace_enable(trace, "0");
	rmdir(trace->path);
	free(trace->text);
}

bool trace_is_on(const struct trace_rig *trace)
{
	char path[PATH_SIZE], on[4];

	snprintf(path, sizeof(path), "%s/tracing_on", trace->path);
	return !file_read(path, on, sizeof(on)) && !strcmp(on, "1");
}

int trace_read(struct trace_rig *trace)
{
	char path[PATH_SIZE];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "%s/trace", trace->path);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	length = fread(trace->text, 1, TEXT_SIZE - 1, file);
	trace->text[length] = '\0';
	fclose(file);
	return 0;
}

int trace_count(struct trace_rig *trace, const char *event,
		const char *format, ...)
{
	char wanted[256];
	const char *text;
	va_list args;
	int nr = 0, length, rc;

	length = snprintf(wanted, sizeof(wanted), " %s: ", event);
	va_start(args, format);
	vsnprintf(wanted + length, sizeof(wanted) - length, format, args);
	va_end(args);
	rc = trace_read(trace);
	if (rc)
		return rc;
	for (text = trace->text; (text = strstr(text, wanted)); text++)
		nr++;
	return nr;
}
