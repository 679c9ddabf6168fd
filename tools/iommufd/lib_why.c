// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why calls have failed: reasons as text, and what can be done about them
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "lib_call.h"
#include "libiommufd.h"

LIB_SAME(sizeof(struct iommufd_refusal), sizeof(struct iommu_refusal));
LIB_SAME(IOMMUFD_WHY_NUMBERS, IOMMU_REFUSAL_NUMBERS);

struct why_row {
	uint32_t why;
	const char *name;
	const char *text;
	const char *advice;
};

#define WHY_ROW(why_, name_, text_, advice_) \
	{ IOMMU_WHY_##why_, name_, text_, advice_ },
static const struct why_row why_rows[] = {
#include "lib_why_table.h"
};

#undef WHY_ROW

#define NR_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct why_row *why_row_of(uint32_t why)
{
	size_t i;

	for (i = 0; i < NR_OF(why_rows); i++)
		if (why_rows[i].why == why)
			return &why_rows[i];
	return NULL;
}

const char *iommufd_why_name(uint32_t why)
{
	const struct why_row *row = why_row_of(why);

	return row ? row->name : NULL;
}

int iommufd_why_of_name(const char *name, uint32_t *why)
{
	size_t i;

	for (i = 0; i < NR_OF(why_rows); i++) {
		if (strcmp(why_rows[i].name, name))
			continue;
		*why = why_rows[i].why;
		return 0;
	}
	return -ENOENT;
}

struct command_row {
	uint32_t command;
	const char *name;
};

#define COMMAND(name) { name, #name }

static const struct command_row command_rows[] = {
	{ IOMMU_REFUSED_READ, "read" },
	{ IOMMU_REFUSED_WRITE, "write" },
	{ IOMMU_REFUSED_MMAP, "mmap" },
	{ IOMMU_REFUSED_BIND, "bind" },
	{ IOMMU_REFUSED_ATTACH, "attach" },
	{ IOMMU_REFUSED_REPLACE, "replace" },
	{ IOMMU_REFUSED_ACCESS_ATTACH, "access-attach" },
	{ IOMMU_REFUSED_ACCESS, "access" },
	{ IOMMU_REFUSED_CONTAINER, "container" },
	COMMAND(IOMMU_DESTROY),
	COMMAND(IOMMU_OPTION),
	COMMAND(IOMMU_IOAS_ALLOC),
	COMMAND(IOMMU_IOAS_IOVA_RANGES),
	COMMAND(IOMMU_IOAS_ALLOW_IOVAS),
	COMMAND(IOMMU_IOAS_MAP),
	COMMAND(IOMMU_IOAS_MAP_FILE),
	COMMAND(IOMMU_IOAS_COPY),
	COMMAND(IOMMU_IOAS_UNMAP),
	COMMAND(IOMMU_IOAS_CHANGE_PROCESS),
	COMMAND(IOMMU_IOAS_NOIOMMU_GET_PA),
	COMMAND(IOMMU_VFIO_IOAS),
	COMMAND(IOMMU_GET_HW_INFO),
	COMMAND(IOMMU_PASID_ALLOC),
	COMMAND(IOMMU_HWPT_ALLOC),
	COMMAND(IOMMU_HWPT_INVALIDATE),
	COMMAND(IOMMU_HWPT_SET_DIRTY_TRACKING),
	COMMAND(IOMMU_HWPT_GET_DIRTY_BITMAP),
	COMMAND(IOMMU_FAULT_QUEUE_ALLOC),
	COMMAND(IOMMU_VIOMMU_ALLOC),
	COMMAND(IOMMU_VDEVICE_ALLOC),
	COMMAND(IOMMU_VEVENTQ_ALLOC),
	COMMAND(IOMMU_HW_QUEUE_ALLOC),
	COMMAND(IOMMU_GET_REFUSALS),
	COMMAND(IOMMU_GET_RECORDS),
	COMMAND(IOMMU_SET_RECORDER),
	COMMAND(VFIO_GET_API_VERSION),
	COMMAND(VFIO_CHECK_EXTENSION),
	COMMAND(VFIO_SET_IOMMU),
	COMMAND(VFIO_IOMMU_GET_INFO),
	COMMAND(VFIO_IOMMU_MAP_DMA),
	COMMAND(VFIO_IOMMU_UNMAP_DMA),
	COMMAND(VFIO_IOMMU_DIRTY_PAGES),
};

const char *iommufd_command_name(uint32_t command)
{
	size_t i;

	for (i = 0; i < NR_OF(command_rows); i++)
		if (command_rows[i].command == command)
			return command_rows[i].name;
	return NULL;
}

static const char *const capabilities[] = {
	[14] = "CAP_IPC_LOCK",
	[17] = "CAP_SYS_RAWIO",
	[21] = "CAP_SYS_ADMIN",
	[24] = "CAP_SYS_RESOURCE",
};

/* A text that grows into memory of the caller, as by snprintf() */
struct why_text {
	char *at;
	size_t room;
	int length;
};

static void text_add(struct why_text *text, const char *more, size_t length)
{
	size_t fits;

	text->length += length;
	if (!text->room)
		return;
	fits = length < text->room ? length : text->room - 1;
	memcpy(text->at, more, fits);
	text->at += fits;
	text->room -= fits;
	*text->at = '\0';
}

static void text_add_printed(struct why_text *text, const char *format, ...)
{
	char printed[40];
	va_list args;

	va_start(args, format);
	text_add(text, printed,
		 vsnprintf(printed, sizeof(printed), format, args));
	va_end(args);
}

static void text_add_bytes(struct why_text *text, uint64_t bytes)
{
	static const char units[][4] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned int unit = 0;

	/* Only what is a whole number of it: this is no place to round. */
	while (unit + 1 < NR_OF(units) && bytes >= 1024 && !(bytes % 1024)) {
		bytes /= 1024;
		unit++;
	}
	text_add_printed(text, "%" PRIu64 " %s", bytes, units[unit]);
}

static void text_add_pages(struct why_text *text, uint64_t pages)
{
	text_add_bytes(text, pages * sysconf(_SC_PAGESIZE));
}

static void text_add_capability(struct why_text *text, uint64_t capability)
{
	if (capability < NR_OF(capabilities) && capabilities[capability])
		text_add(text, capabilities[capability],
			 strlen(capabilities[capability]));
	else
		text_add_printed(text, "capability %" PRIu64, capability);
}

static void text_add_number(struct why_text *text, uint64_t number, char form)
{
	switch (form) {
	case 'b':
		text_add_bytes(text, number);
		break;
	case 'p':
		text_add_pages(text, number);
		break;
	case 'l':
		/* RLIM_INFINITY in pages, or nearly so */
		if (number > UINT64_MAX / sysconf(_SC_PAGESIZE) - 1)
			text_add(text, "none", 4);
		else
			text_add_pages(text, number);
		break;
	case 'c':
		text_add_capability(text, number);
		break;
	case 'd':
		text_add_printed(text, "%" PRIu64, number);
		break;
	default:
		text_add_printed(text, "0x%" PRIx64, number);
	}
}

/* How much more than a limit is wanted */
static void text_add_over(struct why_text *text, const uint64_t *numbers)
{
	uint64_t wanted = numbers[0] + numbers[1];

	text_add_pages(text, wanted > numbers[2] ? wanted - numbers[2] : 0);
}

static bool why_is_lost(const struct iommufd_refusal *refusal)
{
	int i;

	for (i = 0; i < IOMMUFD_WHY_NUMBERS; i++)
		if (refusal->numbers[i])
			return false;
	return true;
}

/* @from: see lib_why_table.h */
static int why_expand(const struct iommufd_refusal *refusal, const char *from,
		      char *to, size_t size)
{
	struct why_text text = { .at = to, .room = size };
	const char *end;

	if (size)
		*to = '\0';
	for (; *from; from = end) {
		if (*from != '{') {
			end = from + strcspn(from, "{");
			text_add(&text, from, end - from);
			continue;
		}
		end = strchr(from, '}') + 1;
		if (from[1] == 'o')
			text_add_over(&text, refusal->numbers);
		else
			text_add_number(&text,
					refusal->numbers[from[1] - '0'],
					from[2]);
	}
	return text.length;
}

int iommufd_why_text(const struct iommufd_refusal *refusal, char *text,
		     size_t size)
{
	const struct why_row *row = why_row_of(refusal->why);

	if (!row)
		return snprintf(text, size, "reason %" PRIu32
				", which is newer than this library",
				refusal->why);
	return why_expand(refusal, row->text, text, size);
}

int iommufd_why_advice(const struct iommufd_refusal *refusal, char *text,
		       size_t size)
{
	const struct why_row *row = why_row_of(refusal->why);

	/* Numbers can get lost where many calls fail at the same time. */
	if (!row || (strchr(row->advice, '{') && why_is_lost(refusal)))
		return snprintf(text, size, "%s", "");
	return why_expand(refusal, row->advice, text, size);
}

int iommufd_refusals(int iommufd, uint64_t first,
		     struct iommufd_refusal *refusals, uint32_t *nr)
{
	struct iommu_get_refusals cmd = {
		.size = sizeof(cmd),
		.first = first,
		.entry_size = sizeof(*refusals),
		.nr = *nr,
		.entries = (uintptr_t)refusals,
	};
	int rc = lib_call(iommufd, IOMMU_GET_REFUSALS, &cmd);

	if (!rc)
		*nr = cmd.nr;
	return rc;
}

/* What a file keeps now; there may be more one day. */
#define REFUSALS_AT_ONCE 32

int iommufd_last_refusal(int iommufd, struct iommufd_refusal *refusal)
{
	struct iommufd_refusal refusals[REFUSALS_AT_ONCE];
	uint64_t first = 0;
	uint32_t nr;
	int rc, found = -ENOENT;

	do {
		nr = REFUSALS_AT_ONCE;
		rc = iommufd_refusals(iommufd, first, refusals, &nr);
		if (rc)
			return rc;
		if (nr) {
			*refusal = refusals[nr - 1];
			first = refusal->number + 1;
			found = 0;
		}
	} while (nr == REFUSALS_AT_ONCE);
	return found;
}
