// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <linux/compiler.h>

#include "checked_io.h"
#include "kernel_memory.h"
#include "pages.h"

#define CGROUPS "/sys/fs/cgroup"

static char group[PATH_MAX];
static int limit_file = -1;	/* as long as there is a limit, at least */

int memory_group_enter(void)
{
	char path[PATH_MAX + 16];
	int rc;

	rc = file_write(CGROUPS "/cgroup.subtree_control", "+memory");
	if (rc)
		return rc;
	snprintf(group, sizeof(group), CGROUPS "/iommufd-%d", getpid());
	if (mkdir(group, 0755))
		return -errno;
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	rc = file_write(path, "0");
	if (rc)
		rmdir(group);
	return rc;
}

void memory_group_leave(void)
{
	if (limit_file >= 0)
		close(limit_file);
	limit_file = -1;
	file_write(CGROUPS "/cgroup.procs", "0");
	rmdir(group);
}

static int write_group(const char *name, const char *text)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", group, name);
	return file_write(path, text);
}

int memory_group_charge(long *bytes)
{
	char path[PATH_MAX + 32], text[32];
	int rc;

	/* each CPU has been charged for more than it has handed out */
	rc = write_group("memory.swap.max", "0") ?:
	     write_group("memory.high", "0") ?:
	     write_group("memory.high", "max");
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/memory.current", group);
	rc = file_read(path, text, sizeof(text));
	if (!rc)
		*bytes = strtol(text, NULL, 10);
	return rc;
}

/*
 * Whoever needs another page of his own when there is none left, and may not be
 * killed either, waits for ever: let the stack have what it will take.
 */
static noinline void touch_stack(void)
{
	char room[64 * KIB];

	explicit_bzero(room, sizeof(room));
}

int memory_group_limit(long bytes)
{
	char path[PATH_MAX + 32], text[32];
	long charge;
	int rc;

	touch_stack();
	rc = memory_group_charge(&charge);
	if (rc)
		return rc;
	if (limit_file < 0) {
		snprintf(path, sizeof(path), "%s/memory.max", group);
		limit_file = open(path, O_WRONLY | O_CLOEXEC);
		if (limit_file < 0)
			return -errno;
	}
	snprintf(text, sizeof(text), "%ld", charge + bytes);
	return write(limit_file, text, strlen(text)) < 0 ? -errno : 0;
}

int memory_group_unlimit(void)
{
	/* there may be no memory to open it with */
	if (limit_file < 0)
		return 0;
	return write(limit_file, "max", 3) < 0 ? -errno : 0;
}

static int read_group(struct kernel_memory *memory)
{
	char path[PATH_MAX + 16], name[64];
	long value;
	FILE *file;

	snprintf(path, sizeof(path), "%s/memory.stat", group);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (fscanf(file, "%63s %ld", name, &value) == 2) {
		if (!strcmp(name, "slab"))
			memory->slab = value;
		else if (!strcmp(name, "sec_pagetables"))
			memory->tables = value;
		else if (!strcmp(name, "kernel"))
			memory->charged = value;
	}
	fclose(file);
	return 0;
}

/* Pages that wait in the lists of a CPU are as free as others. */
static int read_zones(struct kernel_memory *memory)
{
	char line[256];
	long count;
	FILE *file;

	file = fopen("/proc/zoneinfo", "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " pages free %ld", &count) == 1 ||
		    sscanf(line, " count: %ld", &count) == 1)
			memory->taken -= count * (long)SMALL_PAGE;
	fclose(file);
	return 0;
}

int kernel_memory_get(struct kernel_memory *memory)
{
	int rc;

	memset(memory, 0, sizeof(*memory));
	/* counters of a CPU that have not reached the sum yet */
	file_write("/proc/sys/vm/stat_refresh", "1");
	rc = read_group(memory);
	return rc ? rc : read_zones(memory);
}
