/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of iommufd_bench.c share: cases, the interfaces that they are
 * measured through, and how it is measured. Functions that can fail return 0 or
 * a negative errno.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kernel.h>
#include <linux/types.h>

#include "iommufd_lib.h"
#include "kernel_memory.h"

#define MANY_AREAS 10000
#define VERY_MANY_AREAS 100000

/* What is copied from. A power of 2, as much as 4 GiB of memory allow */
#define GUEST_MEMORY (2 * GIB)

/* Multiples of the largest page; with free space around. */
#define BENCH_IOVA (64 * GIB)
#define COPY_IOVA (96 * GIB)
/* In the middle of what map_many() maps */
#define GAP_IOVA (BENCH_IOVA + MANY_AREAS / 2 * SMALL_PAGE)

/* The memory of a case: a piece of the process, and a file if it is of one. */
struct source {
	struct memory mem;
	int fd;			/* -1: anonymous */
};

/* An interface; the cost of each call is that of its ioctl. */
struct backend {
	const char *name;
	/* A device in an address space without maps; -errno. */
	int (*open)(const char *bdf);
	void (*close)(void);
	int (*map)(const struct source *source, size_t offset, size_t length,
		   __u64 iova, __u64 *cost);
	int (*unmap)(__u64 iova, size_t length, __u64 *cost);
	int (*unmap_all)(__u64 *cost);
	/* What is mapped at @from at @to, too; may be NULL. */
	int (*copy)(__u64 from, size_t length, __u64 to, __u64 *cost);
	/* From now on this process is charged; may be NULL. */
	int (*change_process)(__u64 *cost);
	/* A second page table for the same address space; may be NULL. */
	int (*fill)(__u64 *cost);
	int (*clear)(__u64 *cost);
	/* All that follows is in another one of the same file; may be NULL. */
	int (*add_space)(void);
	/* What was written to since the last time, in 4 KiB; may be NULL. */
	int (*read_dirty)(__u64 iova, size_t length, void *bitmap, __u64 *cost);
	bool mock;		/* has the kernel's test device */
	/* The same with a container of the old type1; may be NULL. */
	const struct backend *old_type1;
	/* As little as an ioctl can do. */
	int (*idle)(__u64 *cost);
};

enum unit {
	PER_4K,			/* time for each 4 KiB */
	PER_CALL,
	PER_AREA,
	BYTES_PER_AREA,		/* and memory */
	PERCENT,		/* of what is mapped */
	PERCENT_OF_ALL,		/* of what else a sample says */
	THREADS,		/* what two do is worth so many of one */
	HELPED,			/* time, in that which one takes */
};

struct thread_work;

/* Of one case */
#define MAX_OPS 4

struct test_case {
	const char *name;
	const char *text;
	int (*run)(const struct test_case *test, const struct backend *backend,
		   const struct source *source);
	const char *ops[MAX_OPS];
	__u64 (*usage)(const struct kernel_memory *memory);
	enum unit unit;
	int rounds;
	enum page_kind kind;
	bool file;
	bool by_address;	/* though it is a file's */
	bool mock;		/* for backends with the test device */
	bool old_type1;		/* for those that have one */
	bool each_processor;	/* tells of all of them; else of the one it is on */
	size_t length;
	size_t part;		/* of it, that is copied, or a thread's */
	const struct thread_work *work;
	size_t areas;		/* 0: one for each page */
};

/* -- how it is measured: bench_measure.c -- */

#define MAX_ROUNDS 1000

/* What the rounds of a case have said, for each of its operations. */
struct samples {
	__u64 value[MAX_ROUNDS];
	int count;
};

extern struct samples results[MAX_OPS];

/* To be called first. */
void calibrate(void);
/* Marks go to this device's configuration space; may be left out. */
int marks_open(const char *bdf);
/* What is added from now on is of this case and this backend. */
void samples_begin(const struct test_case *test, const struct backend *backend);
/* The first round warms up; what it takes is not what is asked for. */
void add_sample(int op, int round, __u64 cost);
__u64 median(struct samples *samples);

/* An ioctl, and how long it took. */
int timed_ioctl(int fd, unsigned long command, void *argument, __u64 *cost);

/* Measured rounds of each case, and the first one */
extern int rounds_wanted;
int rounds_of(const struct test_case *test);

/* -- interfaces: bench_backends.c -- */

#define NR_BACKENDS 4

extern const struct backend backends[NR_BACKENDS];

/* What is open of those of /dev/iommu */
struct iommufd_space {
	int iommufd;
	__u32 ioas;
	__u32 hwpt;		/* a page table that follows it */
};

extern struct iommufd_space opened;

/*
 * An IOAS, and a page table that a test device is attached to. Of a new file if
 * @space has none (-1), or of the one that it has.
 */
int mock_space_open(struct iommufd_space *space);

/* -- the memory of a case: bench_source.c -- */

int source_alloc(struct source *source, const struct test_case *test);
void source_free(struct source *source);
/* On stderr */
void source_show(const struct source *source, const struct test_case *test);

/* -- cases: bench_{map,mock,kernel_memory,threads}.c -- */

typedef int run_case_t(const struct test_case *test,
		       const struct backend *backend,
		       const struct source *source);

run_case_t run_map_unmap, run_zero_page, run_second_table, run_second_map;
run_case_t run_among_many, run_counted;
run_case_t run_unmap_all, run_copy, run_change_process, run_idle;
run_case_t run_access_rw, run_access_pin, run_unmap_all_dmabuf;
run_case_t run_read_dirty, run_read_dirty_of_many;
run_case_t run_memory, run_memory_of_second, run_threads, run_helped;
run_case_t run_untouched;

extern const struct thread_work thread_maps, thread_maps_untouched;
extern const struct thread_work thread_copies, thread_reads, thread_idles;

__u64 slab_of(const struct kernel_memory *memory);
__u64 charged(const struct kernel_memory *memory);
__u64 beyond_tables(const struct kernel_memory *memory);
/* What was taken in the last round of run_memory(), by anybody, in bytes. */
extern long all_memory;

/* One map for each page of the source, with a gap of a page in the middle. */
int map_many(const struct test_case *test, const struct backend *backend,
	     const struct source *source);

#endif
