// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checked_io.h"
#include "counters.h"
#include "pages.h"

long status_bytes(const char *name)
{
	size_t length = strlen(name);
	char line[256];
	long kib = -1;
	FILE *file;

	file = fopen("/proc/self/status", "re");
	if (!file)
		return -errno;
	while (kib < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, length) && line[length] == ':')
			kib = strtol(line + length + 1, NULL, 10);
	fclose(file);
	return kib < 0 ? -ENOENT : kib * (long)KIB;
}

long vm_pinned(void)
{
	return status_bytes("VmPin");
}

long vm_locked(void)
{
	return status_bytes("VmLck");
}

/* The counter in /proc/vmstat lags behind by some pages on each CPU. */
static void refresh_vmstat(void)
{
	file_write("/proc/sys/vm/stat_refresh", "1");
}

long iommu_table_bytes(void)
{
	static const char name[] = "nr_iommu_pages ";
	long pages = -1;
	char line[128];
	FILE *file;

	refresh_vmstat();
	file = fopen("/proc/vmstat", "re");
	if (!file)
		return -errno;
	while (pages < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			pages = strtol(line + strlen(name), NULL, 10);
	fclose(file);
	return pages < 0 ? -ENOENT : pages * (long)SMALL_PAGE;
}

#ifdef __x86_64__
static __u64 cycles(void)
{
	__u32 low, high;

	/* neither the compiler nor the processor may move work across it */
	asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high)
		     : : "memory");
	return low | (__u64)high << 32;
}

/* What the counter says about a loop of 2 * @turns instructions. */
static __u64 time_loop(unsigned long turns)
{
	__u64 start = cycles();

	asm volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
	return cycles() - start;
}

/*
 * Two loops differ by exactly the difference of their instructions, again and
 * again: no processor of silicon does that. An interrupt may fall into some.
 */
static bool count_is_exact(void)
{
	int exact = 0, i;

	for (i = 0; i < 16; i++)
		if (time_loop(3000) - time_loop(2000) == 2 * 1000)
			exact++;
	return exact >= 8;
}
#else
static __u64 cycles(void)
{
	return 0;
}

static bool count_is_exact(void)
{
	return false;
}
#endif

bool stopwatch_counts_instructions(void)
{
	static int known = -1;

	if (known < 0)
		known = count_is_exact();
	return known;
}

__u64 stopwatch(void)
{
	struct timespec now;

	if (stopwatch_counts_instructions())
		return cycles();
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

const char *stopwatch_unit(void)
{
	return stopwatch_counts_instructions() ? "instructions" : "ns";
}
