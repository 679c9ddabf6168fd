// SPDX-License-Identifier: GPL-2.0-only
/*
 * What maps cost: the time from before an ioctl to after it, as a program sees
 * it, for many kinds of memory and through each interface that the kernel has;
 * and the kernel's memory.
 *
 * Prints lines "backend,case,op,unit,value,divisor"; the divisor is what the
 * value of a call was divided by. On a machine whose clock counts
 * instructions (QEMU's -icount shift=0) values are instructions and the same
 * in each run; else they are nanoseconds. "-" stands for what this kernel
 * cannot do; why is said on stderr.
 *
 * Here are the list of cases, the results and the command line. To add a case,
 * add a line to cases[].
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include "bench.h"
#include "vfio_edu.h"
#include "vfio_igb.h"

static bool usable[NR_BACKENDS];
/* Kinds of cases, by what they tell */
enum kind {
	TIMES = 1,
	MEMORIES = 2,
	RATIOS = 4,
	PROCESSORS = 8,
};

static unsigned int wanted_kinds = TIMES | MEMORIES | RATIOS | PROCESSORS;
static bool verbose, marks_wanted;
static const char *bdf;

#define MAP_UNMAP .run = run_map_unmap, .ops = { "map", "unmap" }
#define SECOND_MAP .run = run_second_map, .ops = { "map", "unmap" }
#define SECOND_TABLE .run = run_second_table, .ops = { "fill", "clear" }
#define READ_DIRTY .run = run_read_dirty, .ops = { "read" }, .mock = true
#define COPY .run = run_copy, .ops = { "copy", "unmap", "copy-after-pins", \
				      "unmap-after-pins" }
#define GUEST .kind = PAGES_THP, .length = GUEST_MEMORY
#define BULK .unit = PER_4K, .rounds = 3
#define CALL .unit = PER_CALL, .rounds = 31
#define TWO_THREADS .run = run_threads, .ops = { "shared", "own" }, \
		    .unit = THREADS, .rounds = 5, .mock = true
#define UNTOUCHED .run = run_helped, .ops = { "map" }, .unit = HELPED, \
		  .rounds = 5, .mock = true, .length = GUEST_MEMORY
#define EACH_PROCESSOR .run = run_untouched, .ops = { "map" }, \
		       .each_processor = true, .unit = PER_4K, .rounds = 1, \
		       .mock = true, .length = GIB
#define MEMORY .run = run_memory, .ops = { "map" }, .rounds = 1

static const struct test_case cases[] = {
	/* first, as long as no cache has objects of other cases */
	{ "charged", "what the memory cgroup pays of 10000 maps of a page",
	  MEMORY, .usage = charged, .unit = PERCENT_OF_ALL,
	  .kind = PAGES_SMALL, .length = MANY_AREAS * SMALL_PAGE },
	{ "thp", "512 MiB of transparent huge pages",
	  MAP_UNMAP, BULK, .kind = PAGES_THP, .length = 512 * MIB },
	{ "hugetlb", "256 MiB of hugetlb pages of 2 MiB",
	  MAP_UNMAP, BULK, .kind = PAGES_HUGETLB, .length = 256 * MIB },
	{ "memfd-hugetlb", "256 MiB memfd of hugetlb pages, as a file",
	  MAP_UNMAP, BULK, .kind = PAGES_HUGETLB, .length = 256 * MIB,
	  .file = true },
	{ "small-in-order", "64 MiB of 4 KiB pages, touched in order",
	  MAP_UNMAP, BULK, .kind = PAGES_SMALL, .length = 64 * MIB },
	{ "small-random", "64 MiB of 4 KiB pages, touched in random order",
	  MAP_UNMAP, BULK, .kind = PAGES_SMALL_RANDOM, .length = 64 * MIB },
	{ "memfd-small", "64 MiB memfd of 4 KiB pages in random order, as a file",
	  MAP_UNMAP, BULK, .kind = PAGES_SMALL_RANDOM, .length = 64 * MIB,
	  .file = true },
	{ "shmem-small", "the same memory, by its address",
	  MAP_UNMAP, BULK, .kind = PAGES_SMALL_RANDOM, .length = 64 * MIB,
	  .file = true, .by_address = true },
	{ "folios-64k", "64 MiB of 64 KiB folios, mapped by entries of 4 KiB",
	  MAP_UNMAP, BULK, .kind = PAGES_64K, .length = 64 * MIB },
	{ "zero-page", "64 MiB that were only read so far: all of it the zero page",
	  .run = run_zero_page, .ops = { "map", "unmap" }, BULK,
	  .kind = PAGES_SMALL, .length = 64 * MIB },
	{ "second-table-thp", "second page table for 256 MiB of THP",
	  SECOND_TABLE, BULK, .kind = PAGES_THP, .length = 256 * MIB },
	{ "second-table-small", "second page table for 64 MiB of scattered 4 KiB pages",
	  SECOND_TABLE, BULK, .kind = PAGES_SMALL_RANDOM, .length = 64 * MIB },
	{ "second-map-thp", "1 GiB of THP that another IOAS has mapped",
	  SECOND_MAP, BULK, .kind = PAGES_THP, .length = GIB },
	{ "second-map-small", "64 MiB of scattered 4 KiB pages that another IOAS has",
	  SECOND_MAP, BULK, .kind = PAGES_SMALL_RANDOM, .length = 64 * MIB },
	{ "old-type1", "256 MiB of hugetlb pages, in a container of the old type1",
	  MAP_UNMAP, BULK, .kind = PAGES_HUGETLB, .length = 256 * MIB,
	  .old_type1 = true },
	{ "old-type1-2m", "a hugetlb page of 2 MiB, the same, as DPDK does it",
	  MAP_UNMAP, CALL, .kind = PAGES_HUGETLB, .length = HUGE_PAGE,
	  .old_type1 = true },
	{ "page", "one page of 4 KiB",
	  MAP_UNMAP, CALL, .kind = PAGES_SMALL, .length = SMALL_PAGE },
	{ "64k", "64 KiB of scattered 4 KiB pages",
	  MAP_UNMAP, CALL, .kind = PAGES_SMALL_RANDOM, .length = 64 * KIB },
	{ "2m-scattered", "2 MiB of scattered 4 KiB pages",
	  MAP_UNMAP, CALL, .kind = PAGES_SMALL_RANDOM, .length = 2 * MIB },
	{ "page-among-10000", "one page, where there are 10000 maps",
	  .run = run_among_many, .ops = { "map", "unmap" }, CALL,
	  .kind = PAGES_SMALL, .length = MANY_AREAS * SMALL_PAGE },
	{ "unmap-all-10000", "unmap everything, 10000 maps of a page",
	  .run = run_unmap_all, .ops = { "unmap" }, .unit = PER_AREA,
	  .rounds = 3, .kind = PAGES_SMALL,
	  .length = MANY_AREAS * SMALL_PAGE },
	{ "copy-page", "copy of a page out of 2 GiB of huge pages",
	  COPY, CALL, GUEST, .part = SMALL_PAGE },
	{ "copy-all", "copy of all of 2 GiB of huge pages",
	  COPY, BULK, GUEST, .part = GUEST_MEMORY },
	{ "access-rw", "4 KiB that a driver reads or writes",
	  .run = run_access_rw, .ops = { "read", "write" }, .mock = true, CALL,
	  .kind = PAGES_THP, .length = HUGE_PAGE },
	{ "access-pin", "a page that a driver pins, of a huge one",
	  .run = run_access_pin, .ops = { "pin", "unpin" }, .mock = true, CALL,
	  .kind = PAGES_THP, .length = HUGE_PAGE },
	{ "unmap-all-dmabuf", "unmap everything, 100000 copies of a dma-buf's page",
	  .run = run_unmap_all_dmabuf, .ops = { "unmap" }, .mock = true,
	  .unit = PER_AREA, .rounds = 1, .areas = VERY_MANY_AREAS },
	{ "change-process", "another process takes over 100000 maps of a file",
	  .run = run_change_process, .ops = { "change" }, .unit = PER_AREA,
	  .rounds = 3, .kind = PAGES_SMALL, .file = true, .length = SMALL_PAGE,
	  .areas = VERY_MANY_AREAS },
	{ "dirty-thp", "dirty state of 1 GiB of clean huge pages",
	  READ_DIRTY, CALL,
	  .kind = PAGES_THP, .length = GIB },
	{ "dirty-small", "dirty state of 64 MiB of clean scattered 4 KiB pages",
	  READ_DIRTY, CALL,
	  .kind = PAGES_SMALL_RANDOM, .length = 64 * MIB },
	{ "dirty-5000", "dirty state of 5000 maps of a clean page",
	  .run = run_read_dirty_of_many, .ops = { "read" }, .mock = true, CALL,
	  .kind = PAGES_SMALL, .length = MANY_AREAS * SMALL_PAGE },
	{ "slab", "slab objects of a map of a page",
	  MEMORY, .usage = slab_of, .unit = BYTES_PER_AREA,
	  .kind = PAGES_SMALL, .length = MANY_AREAS * SMALL_PAGE },
	{ "memory-thp", "memory beyond page tables, 512 MiB of THP",
	  MEMORY, .usage = beyond_tables, .unit = PERCENT,
	  .kind = PAGES_THP, .length = 512 * MIB },
	{ "memory-small", "memory beyond page tables, 64 MiB of scattered 4 KiB",
	  MEMORY, .usage = beyond_tables, .unit = PERCENT,
	  .kind = PAGES_SMALL_RANDOM, .length = 64 * MIB },
	{ "memory-second-map", "the same, what the second IOAS that maps it takes",
	  .run = run_memory_of_second, .ops = { "map" }, .rounds = 1,
	  .usage = beyond_tables, .unit = PERCENT,
	  .kind = PAGES_SMALL_RANDOM, .length = 64 * MIB },
	{ "counted-16", "what counts as pinned of 2 GiB of THP in 16 IOASes",
	  .run = run_counted, .ops = { "map" }, .rounds = 1, .unit = PERCENT,
	  GUEST },
	{ "threads-page", "two threads: one page",
	  TWO_THREADS, .work = &thread_maps, .kind = PAGES_SMALL_RANDOM,
	  .length = 2 * SMALL_PAGE, .part = SMALL_PAGE },
	{ "threads-1m", "two threads: 1 MiB of scattered 4 KiB pages",
	  TWO_THREADS, .work = &thread_maps, .kind = PAGES_SMALL_RANDOM,
	  .length = 2 * MIB, .part = MIB },
	{ "threads-untouched", "two threads: a huge page that was never touched",
	  TWO_THREADS, .work = &thread_maps_untouched, .kind = PAGES_THP,
	  .length = 2 * HUGE_PAGE, .part = HUGE_PAGE },
	{ "threads-copy", "two threads: copy of 1 MiB of a scattered object",
	  TWO_THREADS, .work = &thread_copies, .kind = PAGES_SMALL_RANDOM,
	  .length = 2 * MIB, .part = MIB },
	{ "threads-rw", "two threads: 4 KiB that a driver reads",
	  TWO_THREADS, .work = &thread_reads, .kind = PAGES_THP,
	  .length = HUGE_PAGE, .part = SMALL_PAGE },
	{ "threads-idle", "two threads: an ioctl that does nothing, to compare",
	  TWO_THREADS, .work = &thread_idles },
	{ "untouched-thp", "2 GiB that were never touched, in huge pages",
	  UNTOUCHED, .kind = PAGES_THP },
	{ "untouched-small", "2 GiB that were never touched, in 4 KiB pages",
	  UNTOUCHED, .kind = PAGES_SMALL_RANDOM },
	{ "critical-thp", "1 GiB that was never touched, by all processors, in huge pages",
	  EACH_PROCESSOR, .kind = PAGES_THP },
	{ "critical-small", "1 GiB that was never touched, by all processors, in 4 KiB pages",
	  EACH_PROCESSOR, .kind = PAGES_SMALL_RANDOM },
	{ "idle", "an ioctl that does nothing, to compare",
	  .run = run_idle, .ops = { "ioctl" }, CALL },
};

/* -- results -- */

static double divisor_of(const struct test_case *test)
{
	switch (test->unit) {
	case PER_CALL:
		return 1;
	case PERCENT:
		return test->length / 100.0;
	case THREADS:
	case HELPED:
		return 1000;
	case PERCENT_OF_ALL:
		return all_memory / 100.0;
	case PER_AREA:
		if (test->areas)
			return test->areas;
		break;
	default:
		break;
	}
	return test->length / SMALL_PAGE;
}

static void print_result(const struct backend *backend,
			 const struct test_case *test, int op, bool measured)
{
	static const char * const units[] = {
		[PER_4K] = "4KiB", [PER_CALL] = "call", [PER_AREA] = "area",
		[BYTES_PER_AREA] = "bytes/area", [PERCENT] = "percent",
		[PERCENT_OF_ALL] = "percent", [THREADS] = "threads",
		[HELPED] = "helped",
	};
	struct samples *samples = &results[op];
	double divisor = divisor_of(test);

	printf("%s,%s,%s,", backend->name, test->name, test->ops[op]);
	if (test->unit <= PER_AREA)
		printf("%s/", stopwatch_unit());
	printf("%s,", units[test->unit]);
	if (!measured || !samples->count)
		printf("-");
	else if (test->unit == PER_CALL)
		printf("%llu", median(samples));
	else
		printf("%.6f", median(samples) / divisor);
	printf(",%.0f\n", divisor);
	fflush(stdout);
}

/* In an address space of its own. */
static int measure(const struct test_case *test, const struct backend *backend,
		   const struct source *source)
{
	int rc;

	samples_begin(test, backend);
	rc = backend->open(bdf);
	if (rc)
		return rc;
	rc = test->run(test, backend, source);
	backend->close();
	return rc;
}

/* Returns false if it failed; that a kernel lacks something is no failure. */
static bool report(const struct test_case *test, const struct backend *backend,
		   int rc)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(test->ops) && test->ops[i]; i++)
		print_result(backend, test, i, !rc);
	if (rc)
		fprintf(stderr, "iommufd_bench: %s: %s: %s\n", backend->name,
			test->name, strerror(-rc));
	return !rc || rc == -ENOTTY || rc == -EOPNOTSUPP;
}

static bool has_case(int i, const struct test_case *test)
{
	return usable[i] && (!test->mock || backends[i].mock) &&
	       (!test->old_type1 || backends[i].old_type1);
}

static bool any_has_case(const struct test_case *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (has_case(i, test))
			return true;
	return false;
}

static const struct backend *backend_for(const struct test_case *test, int i)
{
	return test->old_type1 ? backends[i].old_type1 : &backends[i];
}

/* All backends get the same memory. */
static bool run_case(const struct test_case *test)
{
	const struct backend *backend;
	struct source source;
	bool ok = true;
	int i, rc;

	if (!any_has_case(test))
		return true;
	rc = source_alloc(&source, test);
	if (rc)
		hugetlb_release();
	else if (verbose)
		source_show(&source, test);
	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!has_case(i, test))
			continue;
		backend = backend_for(test, i);
		ok &= report(test, backend,
			     rc ? rc : measure(test, backend, &source));
	}
	if (!rc)
		source_free(&source);
	return ok;
}

/* -- the command line -- */

static const char *wanted_case = "*", *wanted_backend = "*";

static void usage(void)
{
	printf("Usage: iommufd_bench [OPTION]...\n"
	       "\n"
	       "Measures what mapping memory for a device costs; prints CSV:\n"
	       "backend,case,op,unit,value,divisor\n"
	       "\n"
	       "  -l, --list             list the cases and backends\n"
	       "  -c, --case PATTERN     only cases that match, such as '@(page|memfd-*)'\n"
	       "  -b, --backend PATTERN  only backends that match\n"
	       "  -d, --device BDF       the PCI device; default: edu, else igb, of QEMU\n"
	       "  -m, --marks            mark in QEMU's log of the device what it is that\n"
	       "                         is measured, and print a line for each mark\n"
	       "  -t, --times            only cases that tell times\n"
	       "  -M, --memory           only cases that tell the kernel's memory\n"
	       "  -T, --threads          only cases that tell how two threads fare, or a map\n"
	       "                         with helpers; they need a machine of two processors\n"
	       "  -p, --processors       only cases of which a profiler of the machine can tell\n"
	       "                         what each processor does\n"
	       "  -r, --rounds N         measured rounds a case (1 to %d)\n"
	       "  -v, --verbose          tell of which memory, on stderr\n"
	       "  -h, --help             this text\n"
	       "\n"
	       "Needs root, changes the driver of the device to vfio-pci, and needs 3 GiB\n"
	       "of free memory.\n", MAX_ROUNDS);
}

static void list(void)
{
	int i;

	printf("cases:\n");
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		printf("  %-20s  %s\n", cases[i].name, cases[i].text);
	printf("backends:\n");
	for (i = 0; i < ARRAY_SIZE(backends); i++)
		printf("  %s\n", backends[i].name);
}

static void die(const char *what, int rc)
{
	fprintf(stderr, "iommufd_bench: %s: %s\n", what, strerror(-rc));
	exit(2);
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "case", required_argument, NULL, 'c' },
		{ "backend", required_argument, NULL, 'b' },
		{ "device", required_argument, NULL, 'd' },
		{ "marks", no_argument, NULL, 'm' },
		{ "memory", no_argument, NULL, 'M' },
		{ "times", no_argument, NULL, 't' },
		{ "threads", no_argument, NULL, 'T' },
		{ "processors", no_argument, NULL, 'p' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "lc:b:d:mMtTpr:vh", options,
				     NULL)) != -1) {
		switch (option) {
		case 'l':
			list();
			exit(0);
		case 'c':
			wanted_case = optarg;
			break;
		case 'b':
			wanted_backend = optarg;
			break;
		case 'd':
			bdf = optarg;
			break;
		case 'm':
			marks_wanted = true;
			break;
		case 'M':
			wanted_kinds = MEMORIES;
			break;
		case 't':
			wanted_kinds = TIMES;
			break;
		case 'T':
			wanted_kinds = RATIOS;
			break;
		case 'p':
			wanted_kinds = PROCESSORS;
			break;
		case 'r':
			rounds_wanted = atoi(optarg);
			if (rounds_wanted < 1 || rounds_wanted > MAX_ROUNDS)
				die("--rounds", -ERANGE);
			break;
		case 'v':
			verbose = true;
			break;
		case 'h':
			usage();
			exit(0);
		default:
			usage();
			exit(2);
		}
	}
	if (optind < argc) {
		usage();
		exit(2);
	}
}

static void find_device(void)
{
	static char found[BDF_SIZE];
	int rc;

	if (!bdf) {
		rc = pci_find(EDU_VENDOR, EDU_DEVICE, found);
		if (rc)
			rc = pci_find(IGB_VENDOR, IGB_DEVICE, found);
		if (rc)
			die("neither edu nor igb is there", rc);
		bdf = found;
	}
	rc = vfio_claim(bdf);
	if (rc)
		die(bdf, rc);
	if (marks_wanted)
		rc = marks_open(bdf);
	if (rc)
		die("put marks", rc);
}

/* One CPU, and no page faults on code and results. */
static void sit_still(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("stay on one CPU", -errno);
	if (mlockall(MCL_CURRENT))
		die("lock memory", -errno);
}

/* Which interfaces this kernel has, of those that are wanted. */
static int find_backends(void)
{
	int i, rc, count = 0;

	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		if (fnmatch(wanted_backend, backends[i].name,
			    FNM_EXTMATCH))
			continue;
		rc = backends[i].open(bdf);
		if (rc) {
			fprintf(stderr, "iommufd_bench: no %s: %s\n",
				backends[i].name, strerror(-rc));
			continue;
		}
		backends[i].close();
		usable[i] = true;
		count++;
	}
	return count;
}

static enum kind kind_of(const struct test_case *test)
{
	if (test->each_processor)
		return PROCESSORS;
	return test->unit >= THREADS ? RATIOS :
	       test->unit <= PER_AREA ? TIMES : MEMORIES;
}

static bool is_wanted(const struct test_case *test)
{
	return wanted_kinds & kind_of(test) &&
	       !fnmatch(wanted_case, test->name, FNM_EXTMATCH);
}

int main(int argc, char **argv)
{
	bool ok = true;
	int i;

	parse_options(argc, argv);
	find_device();
	sit_still();
	calibrate();
	if (!find_backends())
		die("no backend", -ENODEV);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!is_wanted(&cases[i]))
			continue;
		ok &= run_case(&cases[i]);
	}
	return ok ? 0 : 1;
}
