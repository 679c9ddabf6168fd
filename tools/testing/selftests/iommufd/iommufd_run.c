// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows that /dev/iommu works: two devices copy bytes through maps of 4 KiB
 * pages, transparent huge pages and hugetlb pages, and nothing goes through
 * any more once the maps are gone.
 *
 * All that is printed was measured or checked. The exit status is 0 when all
 * checks passed, 1 when one did not, 2 when there is nothing to run on.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/utsname.h>

#include <linux/kernel.h>

#include "checked_io.h"
#include "demo.h"
#include "iommufd_lib.h"
#include "text_table.h"
#include "vfio_edu.h"
#include "vfio_igb.h"

#define MEMORY_SIZE (64 * MIB)
/* Where maps may go: what edu reaches, without the first megabytes. */
#define FIRST_IOVA (16 * MIB)
#define LAST_IOVA (EDU_IOVA_LIMIT - 1)

#define IGB_FRAMES 16
#define FAULT_TIMEOUT_MS 3000

/* What must not get out, what was there before, what was not written. */
#define SECRET 0xa5
#define BLANK 0x5a
#define GUARD 0xc3

struct area {
	const char *name;
	enum page_kind kind;
	struct memory mem;
	__u64 iova;
	__u64 unmap_cost;
};

static struct area areas[] = {
	{ .name = "4 KiB, scattered", .kind = PAGES_SMALL_RANDOM },
	{ .name = "2 MiB, transparent", .kind = PAGES_THP },
	{ .name = "2 MiB, hugetlb", .kind = PAGES_HUGETLB },
};

/* Both devices use one address space. */
static int iommufd;
static __u32 ioas;
static struct vfio_dev edu, nic;
static struct igb igb;

/*
 * Memory that stays mapped when the areas are gone: the rings of the network
 * card, and behind them two pages that a device may copy from or to.
 */
static struct memory desk;
static __u64 desk_iova;
#define DESK_FROM IGB_RING_BYTES
#define DESK_TO (DESK_FROM + SMALL_PAGE)
#define DESK_SIZE (DESK_TO + SMALL_PAGE)

static unsigned long bytes_copied;

/* -- words -- */

static struct text cost_words(__u64 cost)
{
	return words("%.2f", (double)cost / (MEMORY_SIZE / SMALL_PAGE));
}

static struct text page_size_words(long sizes)
{
	struct text all = { "?" };
	int bit, used = 0;

	for (bit = 12; sizes > 0 && bit < 63; bit++)
		if (sizes & 1L << bit)
			used += snprintf(all.s + used, sizeof(all.s) - used,
					 "%s%.12s", used ? ", " : "",
					 size_words(1UL << bit).s);
	return all;
}

/* -- the devices -- */

static void show_device(const struct table *table, const char *name,
			const struct vfio_dev *dev)
{
	char iommu[32] = "-";

	expect_ok(pci_iommu(dev->bdf, iommu, sizeof(iommu)), "name of IOMMU");
	table_row(table, name, dev->bdf,
		  words("%d", vfio_group(dev->bdf)).s, iommu,
		  page_size_words(iommu_page_sizes(dev->bdf)).s);
}

static void open_devices(void)
{
	static const struct column columns[] = {
		{ "device", 18 }, { "address", 12 }, { "group", 5, true },
		{ "IOMMU", 8 }, { "its page sizes", 19 },
	};
	static const struct table table = { columns, ARRAY_SIZE(columns) };
	struct iommu_iova_range window = { FIRST_IOVA, LAST_IOVA };
	struct iommu_iova_range reachable[16];
	__u32 count = 16;

	iommufd = iommufd_open();
	require(iommufd, "/dev/iommu");
	require(edu_setup(&edu, iommufd), "the device edu (1234:11e8)");
	require(igb_setup(&nic, iommufd), "the device igb (8086:10c9)");
	require(ioas_alloc(iommufd, &ioas), "a new address space");
	require(vfio_attach(&edu, ioas), "attach edu");
	require(vfio_attach(&nic, ioas), "attach igb");
	require(ioas_allow_iovas(iommufd, ioas, &window, 1), "allow IOVAs");

	table_begin(&table);
	show_device(&table, "edu (QEMU)", &edu);
	show_device(&table, "igb (82576 NIC)", &nic);
	table_end(&table);

	if (expect_ok(ioas_iova_ranges(iommufd, ioas, reachable, &count, NULL),
		      "IOVA ranges"))
		printf("  Both are in one address space, 0 to %#llx in %u ranges.\n\n",
		       reachable[count - 1].last, count);
}

/* -- mapping -- */

static void map_desk(void)
{
	int rc;

	require(memory_alloc(&desk, PAGES_SMALL, DESK_SIZE), "memory");
	rc = ioas_map(iommufd, ioas, desk.va, desk.length, &desk_iova);
	require(rc, "map the network card's rings");
}

/*
 * A page table for 4 KiB entries takes one of its pages for every 2 MiB. If
 * it took less than half of that, it holds larger entries.
 */
static bool tables_are_small(long table_bytes)
{
	return table_bytes < (long)(MEMORY_SIZE / HUGE_PAGE * SMALL_PAGE / 2);
}

/* The first time costs more: not all of the code is in the caches yet. */
static void warm_up(struct area *area)
{
	__u64 iova;

	require(ioas_map(iommufd, ioas, area->mem.va, MEMORY_SIZE, &iova),
		area->name);
	require(ioas_unmap(iommufd, ioas, iova, MEMORY_SIZE, NULL), "unmap");
}

static void map_area(const struct table *table, struct area *area)
{
	bool huge = area->kind >= PAGES_THP;
	long tables, pinned;
	__u64 cost;
	int rc;

	rc = memory_alloc(&area->mem, area->kind, MEMORY_SIZE);
	require(rc, area->name);
	warm_up(area);
	tables = iommu_table_bytes();
	pinned = vm_pinned();

	cost = stopwatch();
	rc = ioas_map(iommufd, ioas, area->mem.va, MEMORY_SIZE, &area->iova);
	cost = stopwatch() - cost;
	require(rc, area->name);

	pinned = vm_pinned() - pinned;
	if (tables >= 0)
		tables = iommu_table_bytes() - tables;
	table_row(table, area->name, size_words(MEMORY_SIZE).s,
		  words("%#llx", area->iova).s, size_words(pinned).s,
		  tables < 0 ? "?" : size_words(tables).s,
		  cost_words(cost).s);

	expect(area->iova >= FIRST_IOVA &&
	       area->iova + MEMORY_SIZE - 1 <= LAST_IOVA,
	       "the IOVA %#llx is not allowed", area->iova);
	expect(pinned == MEMORY_SIZE, "%ld bytes are pinned", pinned);
	expect(tables < 0 || tables_are_small(tables) == huge,
	       "%ld bytes of page tables", tables);
}

static void map_areas(void)
{
	static const struct column columns[] = {
		{ "pages", 18 }, { "mapped", 6, true }, { "at IOVA", 9, true },
		{ "pinned", 7, true }, { "tables", 8, true },
		{ "cost", 8, true },
	};
	static const struct table table = { columns, ARRAY_SIZE(columns) };
	int i;

	printf("  Map. The cost is in %s for each 4 KiB; tables are what the\n"
	       "  IOMMU's page table grew by, 4 KiB for 2 MiB unless its entries are large.\n",
	       stopwatch_unit());
	require(hugetlb_reserve(MEMORY_SIZE), "reserve 2 MiB pages");
	map_desk();
	table_begin(&table);
	for (i = 0; i < ARRAY_SIZE(areas); i++)
		map_area(&table, &areas[i]);
	table_end(&table);
}

/* -- the same memory again -- */

/* As for another device of a guest with an IOMMU: each has its own. */
static __u32 other, other_hwpt;

static void open_other(void)
{
	require(ioas_alloc(iommufd, &other), "a second address space");
	require(hwpt_alloc(iommufd, edu.id, other, 0, &other_hwpt),
		"a second page table");
}

static void close_other(void)
{
	expect_ok(iommufd_destroy(iommufd, other_hwpt), "destroy a page table");
	expect_ok(iommufd_destroy(iommufd, other), "destroy an address space");
}

static void map_area_again(const struct table *table, const struct area *area)
{
	long counted = vm_pinned();
	__u64 iova, unmapped, cost;
	int rc;

	cost = stopwatch();
	rc = ioas_map(iommufd, other, area->mem.va, MEMORY_SIZE, &iova);
	cost = stopwatch() - cost;
	require(rc, area->name);
	counted = vm_pinned() - counted;
	table_row(table, area->name, size_words(MEMORY_SIZE).s,
		  size_words(counted).s, cost_words(cost).s, verdict(!counted));
	expect(!counted, "%ld bytes are counted again", counted);

	rc = ioas_unmap(iommufd, other, iova, MEMORY_SIZE, &unmapped);
	expect_ok(rc, "unmap what is mapped twice");
}

static void map_areas_again(void)
{
	static const struct column columns[] = {
		{ "pages", 18 }, { "mapped", 6, true },
		{ "counted again", 13, true }, { "cost", 8, true }, { "", 1 },
	};
	static const struct table table = { columns, ARRAY_SIZE(columns) };
	int i;

	printf("  Map the same in a second address space with a page table of its own. What\n"
	       "  is counted is what RLIMIT_MEMLOCK is for: pages count once.\n");
	open_other();
	table_begin(&table);
	for (i = 0; i < ARRAY_SIZE(areas); i++)
		map_area_again(&table, &areas[i]);
	table_end(&table);
	close_other();
}

/* -- memory that is not there yet -- */

#define UNTOUCHED_SIZE (768 * MIB)

/* Returns the time in ms; 0 with what went wrong said. */
static double map_untouched(const struct memory *mem, int tasks)
{
	__u64 iova, unmapped, cost;
	bool ok;

	if (!expect_ok(madvise(mem->va, mem->length, MADV_DONTNEED) ?
		       -errno : 0, "give memory back") ||
	    !expect_ok(file_write(PIN_TASKS, words("%d", tasks).s), PIN_TASKS))
		return 0;
	cost = stopwatch();
	ok = expect_ok(ioas_map(iommufd, other, mem->va, mem->length, &iova),
		       "map memory that is not there");
	cost = stopwatch() - cost;
	if (!ok)
		return 0;
	expect(vm_pinned() == (long)mem->length, "%ld bytes are pinned",
	       vm_pinned());
	expect_ok(ioas_unmap(iommufd, other, iova, mem->length, &unmapped),
		  "unmap");
	return cost / 1e6;
}

static void show_tasks(const struct table *table, const struct memory *mem,
		       int tasks, double time, double alone)
{
	table_row(table, words("%d", tasks).s, size_words(mem->length).s,
		  words("%.0f ms", time).s, words("%.2f", time / alone).s);
}

/* For a VM with several processors, whose time is that of a clock. */
static void map_by_tasks(void)
{
	static const struct column columns[] = {
		{ "tasks", 5, true }, { "mapped", 7, true },
		{ "time", 8, true }, { "of one", 6, true },
	};
	static const struct table table = { columns, ARRAY_SIZE(columns) };
	int tasks, processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct memory mem;
	double alone;

	open_other();
	require(memory_alloc(&mem, PAGES_THP, UNTOUCHED_SIZE), "memory");
	printf("  Map memory that nobody has touched. It is cleared and pinned by the caller\n"
	       "  and by tasks that are copies of him, at most as many as there are\n"
	       "  processors: %d here.\n", processors);
	/* The first time the pages come from the host, too. */
	map_untouched(&mem, processors);
	table_begin(&table);
	alone = map_untouched(&mem, 1);
	show_tasks(&table, &mem, 1, alone, alone);
	for (tasks = 2; tasks <= processors; tasks *= 2)
		show_tasks(&table, &mem, tasks, map_untouched(&mem, tasks),
			   alone);
	table_end(&table);
	file_write(PIN_TASKS, "0");
	memory_free(&mem);
	close_other();
}

/* -- DMA that goes through -- */

/* Is the memory around a copy as it was? */
static bool guarded(const char *va, size_t length)
{
	return memory_is(va - 64, GUARD, 64) &&
	       memory_is(va + length, GUARD, 64);
}

static void show_copies(const struct table *table, const char *device,
			const char *from, const char *to, int copies,
			size_t bytes, bool ok)
{
	table_row(table, device, from, to, words("%d", copies).s,
		  words("%zu", bytes).s, verdict(ok));
	expect(ok, "%s did not copy %s to %s", device, from, to);
}

/* Through the device's buffer: from @from to @to, offsets into the area. */
static bool edu_copy(struct area *area, size_t from, size_t to, int seed)
{
	const size_t length = EDU_BUFFER_SIZE;
	char *dst = area->mem.va + to;

	pattern_fill(area->mem.va + from, length, seed);
	memset(dst - 64, GUARD, length + 128);
	if (edu_dma_to_device(&edu, area->iova + from, 0, length) ||
	    edu_dma_from_device(&edu, 0, area->iova + to, length))
		return false;
	bytes_copied += length;
	return pattern_matches(dst, length, seed) && guarded(dst, length);
}

static void edu_copies(const struct table *table, struct area *area)
{
	/* up to the last byte of the map, and across pages of each size */
	const size_t middle = MEMORY_SIZE / 2 - 1000;
	const size_t last = MEMORY_SIZE - EDU_BUFFER_SIZE;
	bool ok;

	ok = edu_copy(area, 0, middle, 1) &&
	     edu_copy(area, last, 6 * MIB + 123, 2) &&
	     edu_copy(area, HUGE_PAGE - 1, 9 * MIB - 3, 3);
	show_copies(table, "edu", area->name, "the same", 3,
		    3 * EDU_BUFFER_SIZE, ok);
}

/* Frames from one kind of memory into another one. */
static void igb_copies(const struct table *table, struct area *from,
		       struct area *to)
{
	const size_t length = IGB_FRAME_MAX;
	bool ok = true;
	int i;

	for (i = 0; i < IGB_FRAMES && ok; i++) {
		size_t src = i * 3 * MIB + SMALL_PAGE - length;
		size_t dst = MEMORY_SIZE - (i + 1) * 3 * MIB - 200;

		pattern_fill(from->mem.va + src, length, i);
		memset(to->mem.va + dst - 64, GUARD, length + 128);
		ok = !igb_copy(&igb, to->iova + dst, from->iova + src,
			       length) &&
		     pattern_matches(to->mem.va + dst, length, i) &&
		     guarded(to->mem.va + dst, length);
		bytes_copied += length;
	}
	show_copies(table, "igb", from->name, to->name, i, i * length, ok);
}

static void copy_with_devices(void)
{
	static const struct column columns[] = {
		{ "device", 6 }, { "copies from", 18 }, { "to", 18 },
		{ "copies", 6, true }, { "bytes", 7, true }, { "", 1 },
	};
	static const struct table table = { columns, ARRAY_SIZE(columns) };
	int i, rc;

	printf("  DMA. Each byte that arrived was compared, and those around it.\n");
	table_begin(&table);
	for (i = 0; i < ARRAY_SIZE(areas); i++)
		edu_copies(&table, &areas[i]);
	rc = igb_start(&igb, &nic, desk.va, desk_iova);
	if (expect_ok(rc, "start igb"))
		for (i = 0; i < ARRAY_SIZE(areas); i++)
			igb_copies(&table, &areas[i],
				   &areas[(i + 1) % ARRAY_SIZE(areas)]);
	table_end(&table);
}

/* -- DMA that is stopped -- */

struct attempt {
	const char *what;
	struct vfio_dev *dev;
	bool write;
	/* Lets the device try; true if no byte moved in or out. */
	bool (*try)(struct area *area);
};

static bool edu_write(struct area *area)
{
	memset(area->mem.va, BLANK, SMALL_PAGE);
	memset(desk.va + DESK_FROM, SECRET, SMALL_PAGE);
	return !edu_dma_to_device(&edu, desk_iova + DESK_FROM, 0,
				  SMALL_PAGE) &&
	       !edu_dma_from_device(&edu, 0, area->iova, SMALL_PAGE) &&
	       memory_is(area->mem.va, BLANK, SMALL_PAGE);
}

/* What the device holds afterwards is anything but what it tried to read. */
static bool edu_read(struct area *area)
{
	char *desk_to = desk.va + DESK_TO;

	memset(area->mem.va, SECRET, SMALL_PAGE);
	memset(desk_to, BLANK, SMALL_PAGE);
	return !edu_dma_to_device(&edu, desk_iova + DESK_TO, 0, SMALL_PAGE) &&
	       !edu_dma_to_device(&edu, area->iova, 0, SMALL_PAGE) &&
	       !edu_dma_from_device(&edu, 0, desk_iova + DESK_TO,
				    SMALL_PAGE) &&
	       !memchr(desk_to, SECRET, SMALL_PAGE);
}

/* The card may well say that a frame arrived of which it wrote nothing. */
static bool igb_write(struct area *area)
{
	memset(area->mem.va, BLANK, SMALL_PAGE);
	memset(desk.va + DESK_FROM, SECRET, SMALL_PAGE);
	igb_copy(&igb, area->iova, desk_iova + DESK_FROM, IGB_FRAME_MAX);
	return memory_is(area->mem.va, BLANK, SMALL_PAGE);
}

static const struct attempt attempts[] = {
	{ "edu writes", &edu, true, edu_write },
	{ "edu reads", &edu, false, edu_read },
	{ "igb writes", &nic, true, igb_write },
};

static void unmap_area(struct area *area)
{
	__u64 unmapped, cost;
	int rc;

	cost = stopwatch();
	rc = ioas_unmap(iommufd, ioas, area->iova, MEMORY_SIZE, &unmapped);
	area->unmap_cost = stopwatch() - cost;
	expect_ok(rc, "unmap");
	expect(unmapped == MEMORY_SIZE, "%llu bytes were unmapped", unmapped);
}

/* An attempt whose fault the kernel has to log. */
static void unmap_and_attempt(const struct table *table, struct area *area,
			      const struct attempt *attempt,
			      struct dma_fault *fault)
{
	bool stopped, faulted;
	int kmsg, rc;

	unmap_area(area);
	kmsg = kmsg_open();
	require(kmsg, "/dev/kmsg");
	stopped = attempt->try(area);
	rc = dma_fault_wait(kmsg, attempt->dev->bdf, fault, FAULT_TIMEOUT_MS);
	close(kmsg);
	faulted = !rc && fault->iova == area->iova &&
		  fault->write == attempt->write;

	table_row(table, area->name, cost_words(area->unmap_cost).s,
		  attempt->what,
		  rc ? "no fault" : words("%#llx", fault->iova).s,
		  stopped ? "nothing moved" : "BYTES MOVED",
		  verdict(stopped && faulted));
	expect(stopped, "%s through an IOVA that is not mapped",
	       attempt->what);
	expect(faulted, "%s at %#llx: no such fault (%s)", attempt->what,
	       area->iova, rc ? strerror(-rc) : fault->text);
}

/* Like the above, but the kernel may be tired of logging faults. */
static bool attempt_faults(struct area *area, const struct attempt *attempt,
			   const char *iommu)
{
	long before = iommu_interrupts(iommu);
	bool stopped, faulted;
	int tries = 0;

	stopped = attempt->try(area);
	do {
		faulted = before < 0 || iommu_interrupts(iommu) > before;
	} while (!faulted && ++tries < FAULT_TIMEOUT_MS && !usleep(1000));
	return expect(stopped, "%s %s pages", attempt->what, area->name) &
	       expect(faulted, "%s %s pages without a fault", attempt->what,
		      area->name);
}

/* The other pairs of device and memory. */
static void attempt_the_rest(void)
{
	int i, j, count = 0, stopped = 0;
	char iommu[32];

	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		for (j = 0; j < ARRAY_SIZE(attempts); j++) {
			if (i == j)
				continue;
			count++;
			if (!pci_iommu(attempts[j].dev->bdf, iommu,
				       sizeof(iommu)) &&
			    attempt_faults(&areas[i], &attempts[j], iommu))
				stopped++;
		}
	}
	printf("  %d more attempts, each device at each memory: %d were stopped.\n",
	       count, stopped);
	expect(stopped == count, "%d were not", count - stopped);
}

static void show_fault(const struct dma_fault *fault)
{
	const char *reason = strstr(fault->text, "[fault reason");
	int length = reason ? reason - fault->text - 1 : strlen(fault->text);

	if (!fault->text[0])
		return;
	printf("  The kernel's words on the last one:\n\n    %.*s\n", length,
	       fault->text);
	if (reason)
		printf("      %s\n", reason);
	printf("\n");
}

static void stop_devices(void)
{
	static const struct column columns[] = {
		{ "pages", 18 }, { "cost", 8, true }, { "then", 10 },
		{ "fault at", 9, true }, { "result", 13 }, { "", 1 },
	};
	static const struct table table = { columns, ARRAY_SIZE(columns) };
	struct dma_fault fault = { };
	long pinned;
	int i;

	printf("  Unmap, and let a device try again.\n");
	table_begin(&table);
	for (i = 0; i < ARRAY_SIZE(areas); i++)
		unmap_and_attempt(&table, &areas[i], &attempts[i], &fault);
	table_end(&table);
	show_fault(&fault);
	attempt_the_rest();

	pinned = vm_pinned();
	expect(pinned == DESK_SIZE, "%ld bytes are still pinned", pinned);
}

/* -- the end -- */

static void close_devices(void)
{
	long pinned;

	vfio_close(&nic);
	vfio_close(&edu);
	close(iommufd);
	pinned = vm_pinned();
	expect(!pinned, "%ld bytes are pinned after the end", pinned);
}

static void free_areas(void)
{
	int i;

	memory_free(&desk);
	for (i = 0; i < ARRAY_SIZE(areas); i++)
		memory_free(&areas[i].mem);
	hugetlb_release();
}

static void usage(void)
{
	printf("Usage: iommufd_run [--tasks] [--help]\n"
	       "\n"
	       "Lets two devices of a QEMU machine, edu and igb, copy bytes through maps\n"
	       "made with /dev/iommu, and stops them by unmapping. With --tasks it maps\n"
	       "memory that nobody has touched instead, by one and by several tasks. Needs\n"
	       "root and changes the driver of both devices to vfio-pci.\n");
}

static void show_dma(void)
{
	struct utsname system;

	uname(&system);
	printf("\n  /dev/iommu on Linux %s (%s)\n\n", system.release,
	       system.machine);
	open_devices();
	map_areas();
	map_areas_again();
	copy_with_devices();
	stop_devices();
	igb_stop(&igb);
	close_devices();
	free_areas();
	printf("  %lu KiB were copied by DMA.\n", bytes_copied / KIB);
}

static void show_untouched(void)
{
	open_devices();
	map_by_tasks();
	close_devices();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "tasks", no_argument, NULL, 't' },
		{ }
	};
	int option;

	option = getopt_long(argc, argv, "ht", options, NULL);
	if ((option != -1 && option != 't') || optind < argc) {
		usage();
		return option == 'h' ? 0 : 2;
	}
	if (option == 't')
		show_untouched();
	else
		show_dma();
	printf("  %d checks, %d failed.\n\n", checks_made(), checks_failed());
	return checks_failed() ? 1 : 0;
}
