// SPDX-License-Identifier: GPL-2.0-only
/*
 * What libiommufd says of a refusal, and what only who looks at the machine can
 * say: whose a reserved region is, what is at an address of the process
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/iommufd.h>

#include "explain.h"
#include "text.h"

#define TEXT 512

/*
 * Reserved regions
 */

/* Which of its numbers are a range that a device cannot have; -1: none */
static int reserved_number(uint32_t why)
{
	switch (why) {
	case IOMMU_WHY_IOVA_RESERVED:
	case IOMMU_WHY_ALLOWED_RESERVED:
		return 2;
	case IOMMU_WHY_DEVICE_RANGE_TAKEN:
	case IOMMU_WHY_DEVICE_RANGE_ALLOWED:
		return 0;
	default:
		return -1;
	}
}

static const char *region_kind(const char *type)
{
	if (!strcmp(type, "msi"))
		return "the MSI window";
	if (!strcmp(type, "direct") || !strcmp(type, "direct-relaxable"))
		return "memory that firmware uses with the device, a region";
	return "a reserved region";
}

/* Return: whether @device has a region there. */
static bool region_of_device(const char *device, uint64_t first, uint64_t last,
			     char *text, size_t size)
{
	char path[PATH_MAX], type[32], name[4 * OBJECT_DEVICES];
	uint64_t start, end;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/iommu_group/reserved_regions",
		 device);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fscanf(file, "%" SCNx64 " %" SCNx64 " %31s", &start,
				&end, type) == 3) {
		if (start > last || end < first)
			continue;
		text_escape(name, sizeof(name), device);
		snprintf(text, size, "0x%" PRIx64 "-0x%" PRIx64
			 " is %s of %s", start, end, region_kind(type), name);
		found = true;
	}
	fclose(file);
	return found;
}

static bool find_region(const struct iommu_file *file,
			const struct iommufd_refusal *refusal, char *text,
			size_t size)
{
	int number = reserved_number(refusal->why);
	size_t i;

	if (number < 0)
		return false;
	for (i = 0; i < file->nr_listed; i++) {
		const char *device = file->objects[i].device;

		if (device[0] && !strchr(device, '/') &&
		    region_of_device(device, refusal->numbers[number],
				     refusal->numbers[number + 1], text, size))
			return true;
	}
	return false;
}

/*
 * Addresses of the process
 */

static bool find_mapping(const struct iommu_file *file,
			 const struct iommufd_refusal *refusal, char *text,
			 size_t size)
{
	uint64_t first, end, address = refusal->numbers[0];
	char path[32], mode[8], line[PATH_MAX], name[256];
	bool found = false;
	int at;
	FILE *maps;

	/* No pages: the numbers are lost. */
	if (refusal->why != IOMMU_WHY_MEMORY || !refusal->numbers[1])
		return false;
	snprintf(path, sizeof(path), "/proc/%d/maps", file->pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	while (!found && fgets(line, sizeof(line), maps)) {
		at = 0;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %n",
			   &first, &end, mode, &at) != 3 || !at)
			continue;
		if (address < first || address >= end)
			continue;
		line[strcspn(line, "\n")] = '\0';
		text_escape(name, sizeof(name), line + at);
		snprintf(text, size, "0x%" PRIx64 " is in 0x%" PRIx64
			 "-0x%" PRIx64 " (%s) of the process: %s", address,
			 first, end - 1, mode,
			 name[0] ? name : "memory of its own");
		found = true;
	}
	fclose(maps);
	if (!found)
		snprintf(text, size, "nothing is mapped at 0x%" PRIx64
			 " in the process now", address);
	return true;
}

/* What the machine has to say; false: nothing */
static bool look_around(const struct iommu_file *file,
			const struct iommufd_refusal *refusal, char *text,
			size_t size)
{
	return find_region(file, refusal, text, size) ||
	       find_mapping(file, refusal, text, size);
}

/* A reason that the library does not know has what the kernel says of it. */
static void why_text(const struct iommu_refused *refused, char *text,
		     size_t size)
{
	char name[4 * sizeof(refused->name)], number[96];
	int i;

	if (iommufd_why_name(refused->what.why)) {
		iommufd_why_text(&refused->what, text, size);
		return;
	}
	snprintf(text, size, "%s", text_escape(name, sizeof(name),
					       refused->name));
	for (i = 0; i < IOMMUFD_WHY_NUMBERS && refused->numbers[i][0]; i++) {
		char escaped[4 * sizeof(refused->numbers[0])];

		snprintf(number, sizeof(number), ", %.60s 0x%" PRIx64,
			 text_escape(escaped, sizeof(escaped),
				     refused->numbers[i]),
			 refused->what.numbers[i]);
		strncat(text, number, size - strlen(text) - 1);
	}
}

double seconds_ago(uint64_t time)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9 - time / 1e9;
}

void explain(FILE *out, const struct iommu_file *file,
	     const struct iommu_refused *refused)
{
	char name[4 * sizeof(file->command)], what[64], error[32], text[TEXT];

	fprintf(out, "%s (%d): %s was refused: %s\n",
		text_escape(name, sizeof(name), file->command), file->pid,
		text_command(what, sizeof(what), refused->what.command),
		text_errno(error, sizeof(error), refused->what.error));
	why_text(refused, text, sizeof(text));
	fprintf(out, "  why:  %s\n", text);
	if (look_around(file, &refused->what, text, sizeof(text)))
		fprintf(out, "        %s\n", text);
	iommufd_why_advice(&refused->what, text, sizeof(text));
	if (text[0])
		fprintf(out, "  do:   %s\n", text);
	fprintf(out, "  when: %.1f s ago", seconds_ago(refused->what.time));
	if (refused->what.thread)
		fprintf(out, ", by thread %" PRIu32, refused->what.thread);
	fprintf(out, ", refusal %" PRIu64 " of file descriptor %d\n",
		refused->what.number, file->fd);
}

/*
 * For programs
 */

void json_add_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

void json_add_number(struct json_object *to, const char *key, uint64_t number)
{
	json_object_object_add(to, key, json_object_new_uint64(number));
}

void json_add_double(struct json_object *to, const char *key, double number)
{
	json_object_object_add(to, key, json_object_new_double(number));
}

struct json_object *explain_json(const struct iommu_file *file,
				 const struct iommu_refused *refused)
{
	const struct iommufd_refusal *what = &refused->what;
	struct json_object *json = json_object_new_object();
	struct json_object *numbers = json_object_new_object();
	char text[TEXT];
	int i;

	json_add_number(json, "number", what->number);
	json_add_number(json, "time", what->time);
	json_add_number(json, "thread", what->thread);
	json_add_text(json, "command",
		      text_command(text, sizeof(text), what->command));
	json_add_text(json, "errno",
		      text_errno(text, sizeof(text), what->error));
	json_add_number(json, "why", what->why);
	json_add_text(json, "reason",
		      text_escape(text, sizeof(text), refused->name));
	for (i = 0; i < IOMMUFD_WHY_NUMBERS && refused->numbers[i][0]; i++)
		json_add_number(numbers,
				text_escape(text, sizeof(text),
					    refused->numbers[i]),
				what->numbers[i]);
	json_object_object_add(json, "numbers", numbers);
	why_text(refused, text, sizeof(text));
	json_add_text(json, "text", text);
	if (look_around(file, what, text, sizeof(text)))
		json_add_text(json, "around", text);
	iommufd_why_advice(what, text, sizeof(text));
	if (text[0])
		json_add_text(json, "advice", text);
	return json;
}
