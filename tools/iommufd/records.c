// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a file of /dev/iommu has recorded, in words
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/iommufd.h>

#include "explain.h"
#include "records.h"
#include "text.h"

#define TEXT 256

static bool is(const struct iommu_kept_record *record, const char *what)
{
	return !strcmp(record->what, what);
}

static const char *cause_of(const struct iommu_kept_record *record)
{
	switch (record->detail & ~IOMMU_STOPPED_WRITE) {
	case IOMMU_STOPPED_NEVER_MAPPED:
		return "nothing was ever mapped there";
	case IOMMU_STOPPED_UNMAPPED:
		return "it was unmapped";
	case IOMMU_STOPPED_NO_PERMISSION:
		return "what is mapped there does not allow it";
	case IOMMU_STOPPED_REVOKED:
		return "the memory was taken back";
	case IOMMU_STOPPED_NOT_ATTACHED:
		return "the device is not attached";
	case IOMMU_STOPPED_BY_GUEST:
		return "the page table is a guest's";
	case IOMMU_STOPPED_MAPPED:
		return "something is mapped there";
	case IOMMU_STOPPED_CHANGING:
		return "something was changing";
	default:
		return "the reason is unknown to this program";
	}
}

static void about_device(const struct iommu_kept_record *record, char *text,
			 size_t size)
{
	int n = snprintf(text, size, "device %" PRIu32, record->device);

	if (record->pasid)
		n += snprintf(text + n, size - n, ", PASID %" PRIu32,
			      record->pasid);
	if (is(record, "page-request"))
		snprintf(text + n, size - n, " asks for 0x%" PRIx64,
			 record->iova);
	else if (is(record, "stopped"))
		snprintf(text + n, size - n, " %s 0x%" PRIx64 ": %s",
			 record->detail & IOMMU_STOPPED_WRITE ? "writes to" :
			 "reads", record->iova, cause_of(record));
	else
		snprintf(text + n, size - n, " %s object %" PRIu32,
			 is(record, "detach") ? "from" : "to",
			 record->object);
}

static void record_text(const struct iommu_kept_record *record, char *text,
			size_t size)
{
	if (record->device)
		about_device(record, text, size);
	else
		snprintf(text, size,
			 "0x%" PRIx64 "-0x%" PRIx64 " of IOAS %" PRIu32,
			 record->iova, record->last, record->object);
}

static void print_record(FILE *out, const struct iommu_kept_record *record)
{
	char text[TEXT], what[4 * sizeof(record->what)];
	char error[32], comm[4 * sizeof(record->comm)];

	record_text(record, text, sizeof(text));
	fprintf(out, "  %12.6f s ago  %-12s  %s", seconds_ago(record->time),
		text_escape(what, sizeof(what), record->what), text);
	if (record->thread)
		fprintf(out, ", by thread %" PRIu32, record->thread);
	/* The kernel has escaped it; who knows what was put in its place. */
	if (record->comm[0])
		fprintf(out, " (%s)", text_printable(comm, sizeof(comm),
						     record->comm));
	if (record->error)
		fprintf(out, ": %s", text_errno(error, sizeof(error),
						record->error));
	fputc('\n', out);
}

static void print_json(FILE *out, const struct iommu_file *file,
		       const struct iommu_kept_record *record)
{
	struct json_object *json = json_object_new_object();
	char text[TEXT];

	json_add_number(json, "pid", file->pid);
	json_add_number(json, "fd", file->fd);
	json_add_number(json, "number", record->number);
	json_add_number(json, "time", record->time);
	json_add_text(json, "what",
		      text_escape(text, sizeof(text), record->what));
	json_add_number(json, "errno", record->error);
	json_add_number(json, "thread", record->thread);
	json_add_text(json, "comm",
		      text_printable(text, sizeof(text), record->comm));
	json_add_number(json, "object", record->object);
	json_add_number(json, "device", record->device);
	json_add_number(json, "pasid", record->pasid);
	json_add_number(json, "iova", record->iova);
	json_add_number(json, "last", record->last);
	json_add_number(json, "detail", record->detail);
	record_text(record, text, sizeof(text));
	json_add_text(json, "text", text);
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	json_object_put(json);
}

void records_print(FILE *out, const struct iommu_file *file, bool json)
{
	char name[4 * sizeof(file->command)];
	size_t i;

	if (!json)
		fprintf(out, "%s (%d), file descriptor %d: %zu of %" PRIu64
			" records\n",
			text_escape(name, sizeof(name), file->command),
			file->pid, file->fd, file->nr_records,
			file->nr_recorded);
	for (i = 0; i < file->nr_records; i++) {
		if (json)
			print_json(out, file, &file->records[i]);
		else
			print_record(out, &file->records[i]);
	}
}
