// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include "checked_io.h"
#include "kernel_memory.h"
#include "pages.h"

#define CGROUPS "/sys/fs/cgroup"

static char group[PATH_MAX];

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
	file_write(CGROUPS "/cgroup.procs", "0");
	rmdir(group);
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
