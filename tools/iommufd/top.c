// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "text.h"
#include "top.h"

#define LINE 512
#define SIZE_TEXT 16

const char *const top_key_names[NR_TOP_KEYS] = {
	[TOP_PINNED] = "pinned",
	[TOP_MAPPED] = "mapped",
	[TOP_AREAS] = "areas",
	[TOP_RATE] = "rate",
	[TOP_REFUSED] = "refused",
	[TOP_PID] = "pid",
};

/*
 * Samples
 */

double top_age(const struct top *top)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - top->when.tv_sec +
	       (now.tv_nsec - top->when.tv_nsec) / 1e9;
}

int top_sample(struct top *top)
{
	bool first = !top->when.tv_sec && !top->when.tv_nsec;

	fdinfo_free_all(&top->before);
	top->before = top->now;
	top->now = (struct iommu_files){};
	/* Rows are of what is gone if this fails. */
	top->nr_rows = 0;
	top->passed = first ? 0 : top_age(top);
	clock_gettime(CLOCK_MONOTONIC, &top->when);
	return fdinfo_scan(0, &top->now) ? : top_arrange(top);
}

void top_free(struct top *top)
{
	fdinfo_free_all(&top->now);
	fdinfo_free_all(&top->before);
	free(top->rows);
	top->rows = NULL;
	top->nr_rows = 0;
}

static void find_user(struct top_row *row)
{
	const struct passwd *user = getpwuid(row->file->uid);

	if (user)
		text_escape(row->user, sizeof(row->user), user->pw_name);
	else
		snprintf(row->user, sizeof(row->user), "%u", row->file->uid);
}

/* What does not fit is cut. */
static void list_devices(const struct iommu_file *file, uint32_t ioas,
			 char *text, size_t size)
{
	char name[4 * OBJECT_DEVICES];
	const struct iommu_object *object;
	size_t i, length = 0;

	text[0] = '\0';
	for (i = 0; i < file->nr_listed && length < size; i++) {
		object = &file->objects[i];
		if (!object->device[0] ||
		    (ioas && fdinfo_ioas_of(file, object) != ioas))
			continue;
		length += snprintf(text + length, size - length, "%s%s",
				   length ? "," : "",
				   text_escape(name, sizeof(name),
					       object->device));
	}
}

/* What an address space did that is gone by now is not known any more. */
static double rate_of(const struct top *top, uint64_t now, uint64_t before)
{
	return now > before ? (now - before) / top->passed : 0;
}

/* A file that is not in the sample before has come with what it has. */
static void find_rates(const struct top *top, struct top_row *row)
{
	struct iommu_object before = {};
	size_t i;

	if (!top->passed)
		return;
	for (i = 0; i < top->before.nr; i++)
		if (top->before.files[i].pid == row->file->pid &&
		    top->before.files[i].fd == row->file->fd)
			fdinfo_sum(&top->before.files[i], &before);
	row->maps_rate = rate_of(top, row->sum.maps, before.maps);
	row->unmaps_rate = rate_of(top, row->sum.unmaps, before.unmaps);
}

static void make_row(const struct top *top, const struct iommu_file *file,
		     struct top_row *row)
{
	*row = (struct top_row){ .file = file };
	fdinfo_sum(file, &row->sum);
	find_rates(top, row);
	text_escape(row->command, sizeof(row->command), file->command);
	find_user(row);
	list_devices(file, 0, row->devices, sizeof(row->devices));
}

static bool row_is_wanted(const struct top *top, const struct top_row *row)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", row->file->pid);
	return strstr(row->command, top->filter) ||
	       strstr(row->user, top->filter) ||
	       strstr(row->devices, top->filter) || strstr(pid, top->filter);
}

static double row_value(const struct top_row *row, enum top_key key)
{
	switch (key) {
	case TOP_PINNED:
		return row->sum.pinned;
	case TOP_MAPPED:
		return row->sum.mapped;
	case TOP_AREAS:
		return row->sum.areas;
	case TOP_RATE:
		return row->maps_rate + row->unmaps_rate;
	case TOP_REFUSED:
		return row->file->nr_refused;
	default:
		return -(double)row->file->pid;
	}
}

/* What is equal is in the order of PIDs. */
static int compare_rows(const void *a, const void *b, void *data)
{
	const struct top_row *one = a, *other = b;
	const struct top *top = data;
	double difference = row_value(other, top->key) -
			    row_value(one, top->key);

	if (!difference)
		return one->file->pid != other->file->pid ?
			       one->file->pid - other->file->pid :
			       one->file->fd - other->file->fd;
	return (difference > 0) != top->reverse ? 1 : -1;
}

int top_arrange(struct top *top)
{
	struct top_row *rows;
	size_t i;

	rows = realloc(top->rows, (top->now.nr + 1) * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	top->rows = rows;
	top->nr_rows = 0;
	for (i = 0; i < top->now.nr; i++) {
		make_row(top, &top->now.files[i], &rows[top->nr_rows]);
		if (row_is_wanted(top, &rows[top->nr_rows]))
			top->nr_rows++;
	}
	qsort_r(rows, top->nr_rows, sizeof(*rows), compare_rows, top);
	return 0;
}

/*
 * Lines
 */

void top_write_head(const struct top *top,
		    void (*line)(void *data, enum top_style style,
				 const char *text), void *data)
{
	char text[LINE], pinned[SIZE_TEXT], mapped[SIZE_TEXT];
	uint64_t all_pinned = 0, all_mapped = 0;
	struct iommu_object sum;
	size_t i, nr = 0;
	int length;

	for (i = 0; i < top->now.nr; i++) {
		if (top->now.files[i].shared)
			continue;
		fdinfo_sum(&top->now.files[i], &sum);
		all_pinned += sum.pinned;
		all_mapped += sum.mapped;
		nr++;
	}
	length = snprintf(text, sizeof(text),
			  "%zu files, %s mapped, %s pinned; by %s%s", nr,
			  text_size(mapped, sizeof(mapped), all_mapped),
			  text_size(pinned, sizeof(pinned), all_pinned),
			  top_key_names[top->key],
			  top->reverse ? ", reversed" : "");
	if (top->filter[0])
		length += snprintf(text + length, sizeof(text) - length,
				   "; only \"%s\"", top->filter);
	if (top->now.unreadable)
		snprintf(text + length, sizeof(text) - length,
			 "; %u processes of others are not told",
			 top->now.unreadable);
	line(data, TOP_DETAIL, text);
	snprintf(text, sizeof(text),
		 "%8s %-8s %4s %8s %9s %9s %7s %8s %8s  %-16s %s", "PID",
		 "USER", "FD", "AREAS", "MAPPED", "PINNED", "MAPS/S",
		 "UNMAPS/S", "REFUSED", "COMMAND", "DEVICES");
	line(data, TOP_HEAD, text);
}

static const char *rate_text(const struct top *top, char *text, size_t size,
			     double rate)
{
	if (!top->passed)
		return "-";
	snprintf(text, size, "%.0f", rate);
	return text;
}

static void row_line(const struct top *top, const struct top_row *row,
		     char *text, size_t size)
{
	const struct iommu_file *file = row->file;
	char mapped[SIZE_TEXT], pinned[SIZE_TEXT];
	char maps[SIZE_TEXT], unmaps[SIZE_TEXT];

	if (!file->told) {
		snprintf(text, size,
			 "%8d %-8.8s %4d %8s %9s %9s %7s %8s %8s  %-16s %s",
			 file->pid, row->user, file->fd, "-", "-", "-", "-",
			 "-", "-", row->command, "(VFIO's own container)");
		return;
	}
	snprintf(text, size, "%8d %-8.8s %4d %8" PRIu64
		 " %9s %9s %7s %8s %8" PRIu64 "  %-16s %s%s", file->pid,
		 row->user, file->fd, row->sum.areas,
		 text_size(mapped, sizeof(mapped), row->sum.mapped),
		 text_size(pinned, sizeof(pinned), row->sum.pinned),
		 rate_text(top, maps, sizeof(maps), row->maps_rate),
		 rate_text(top, unmaps, sizeof(unmaps), row->unmaps_rate),
		 file->nr_refused, row->command, row->devices,
		 file->shared ? " (shared)" : "");
}

static void ioas_line(const struct iommu_file *file,
		      const struct iommu_object *ioas, char *text, size_t size)
{
	char mapped[SIZE_TEXT], pinned[SIZE_TEXT], devices[256];

	list_devices(file, ioas->id, devices, sizeof(devices));
	snprintf(text, size, "%22s %8" PRIu64 " %9s %9s    IOAS %" PRIu32
		 "%s%s", "", ioas->areas,
		 text_size(mapped, sizeof(mapped), ioas->mapped),
		 text_size(pinned, sizeof(pinned), ioas->pinned), ioas->id,
		 devices[0] ? ", on " : ", no device", devices);
}

static void refusal_line(const struct iommu_file *file, char *text,
			 size_t size)
{
	const struct iommu_refused *last = &file->refused[file->nr_kept - 1];
	char command[64], error[32], why[384];

	iommufd_why_text(&last->what, why, sizeof(why));
	snprintf(text, size, "%22s refused: %s: %s: %s", "",
		 text_command(command, sizeof(command), last->what.command),
		 text_errno(error, sizeof(error), last->what.error), why);
}

void top_write_rows(const struct top *top,
		    void (*line)(void *data, enum top_style style,
				 const char *text), void *data)
{
	const struct iommu_file *file;
	char text[2 * LINE];
	size_t i, j;

	for (i = 0; i < top->nr_rows; i++) {
		file = top->rows[i].file;
		row_line(top, &top->rows[i], text, sizeof(text));
		line(data, TOP_FILE, text);
		if (top->short_rows)
			continue;
		for (j = 0; j < file->nr_listed; j++) {
			if (strcmp(file->objects[j].type, "ioas"))
				continue;
			ioas_line(file, &file->objects[j], text,
				  sizeof(text));
			line(data, TOP_DETAIL, text);
		}
		if (file->nr_kept) {
			refusal_line(file, text, sizeof(text));
			line(data, TOP_REFUSAL, text);
		}
	}
}

/*
 * JSON
 */

static struct json_object *json_of_object(const struct iommu_file *file,
					  const struct iommu_object *object)
{
	struct json_object *json = json_object_new_object();
	char text[4 * OBJECT_DEVICES];
	uint32_t ioas = fdinfo_ioas_of(file, object);

	json_add_number(json, "id", object->id);
	json_add_text(json, "type",
		      text_escape(text, sizeof(text), object->type));
	if (!strcmp(object->type, "ioas")) {
		json_add_number(json, "areas", object->areas);
		json_add_number(json, "mapped", object->mapped);
		json_add_number(json, "pinned", object->pinned);
		json_add_number(json, "maps", object->maps);
		json_add_number(json, "unmaps", object->unmaps);
		return json;
	}
	if (object->device[0])
		json_add_text(json, "device",
			      text_escape(text, sizeof(text), object->device));
	if (object->hwpt)
		json_add_number(json, "hwpt", object->hwpt);
	if (ioas)
		json_add_number(json, "ioas", ioas);
	if (object->waiting)
		json_add_number(json, "waiting", object->waiting);
	return json;
}

static struct json_object *json_of_row(const struct top *top,
				       const struct top_row *row)
{
	struct json_object *json = json_object_new_object();
	struct json_object *objects = json_object_new_array();
	const struct iommu_file *file = row->file;
	struct json_object *last = NULL;
	char text[4 * 64];
	size_t i;

	json_add_number(json, "pid", file->pid);
	json_add_number(json, "fd", file->fd);
	json_add_number(json, "uid", file->uid);
	json_add_text(json, "user", row->user);
	json_add_text(json, "command", row->command);
	json_add_text(json, "path",
		      text_escape(text, sizeof(text), file->path));
	json_object_object_add(json, "iommufd",
			       json_object_new_boolean(file->told));
	if (!file->told)
		return json;
	json_object_object_add(json, "shared",
			       json_object_new_boolean(file->shared));
	json_add_text(json, "charged", file->charged);
	json_add_number(json, "areas", row->sum.areas);
	json_add_number(json, "mapped", row->sum.mapped);
	json_add_number(json, "pinned", row->sum.pinned);
	if (top->passed) {
		json_add_double(json, "maps_per_second", row->maps_rate);
		json_add_double(json, "unmaps_per_second", row->unmaps_rate);
	}
	json_add_number(json, "nr_objects", file->nr_objects);
	for (i = 0; i < file->nr_listed; i++)
		json_object_array_add(objects,
				      json_of_object(file, &file->objects[i]));
	json_object_object_add(json, "objects", objects);
	json_add_number(json, "refused", file->nr_refused);
	if (file->nr_kept)
		last = explain_json(file, &file->refused[file->nr_kept - 1]);
	if (last)
		json_object_object_add(json, "last_refusal", last);
	return json;
}

void top_write_json(const struct top *top)
{
	struct json_object *json = json_object_new_object();
	struct json_object *files = json_object_new_array();
	size_t i;

	for (i = 0; i < top->nr_rows; i++)
		json_object_array_add(files, json_of_row(top, &top->rows[i]));
	json_add_number(json, "unreadable", top->now.unreadable);
	json_object_object_add(json, "files", files);
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY));
	json_object_put(json);
}
