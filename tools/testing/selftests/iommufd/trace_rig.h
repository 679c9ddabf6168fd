/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events, in a buffer of our own
 */
#ifndef TRACE_RIG_H
#define TRACE_RIG_H

#include <stdbool.h>

struct trace_rig {
	char path[64];
	const char *events;
	char *text;		/* what was read */
};

/*
 * The events of a system, or SYSTEM/EVENT, are traced from now on. -ENOENT: the
 * kernel has no such events; RIG_ABSENT: it has no tracefs.
 */
int trace_rig_make(struct trace_rig *trace, const char *events);
void trace_rig_break(struct trace_rig *trace);
int trace_set(const struct trace_rig *trace, const char *file,
	      const char *value);
bool trace_is_on(const struct trace_rig *trace);
int trace_read(struct trace_rig *trace);
/* How many events there are that begin like this, or a negative errno */
int trace_count(struct trace_rig *trace, const char *event,
		const char *format, ...);

#endif
