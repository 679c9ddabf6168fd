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
 * To add a case, add a line to cases[]; to add an interface, to backends[].
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/kernel.h>

#include "iommufd_lib.h"
#include "kernel_memory.h"
#include "mock_lib.h"
#include "profile_mark.h"
#include "vfio_container.h"
#include "vfio_edu.h"
#include "vfio_igb.h"

#define MANY_AREAS 10000
#define VERY_MANY_AREAS 100000
#define MAX_ROUNDS 1000

/* Multiples of the largest page; with free space around. */
#define BENCH_IOVA (64 * GIB)
#define COPY_IOVA (96 * GIB)

/* -- what is measured, and by what -- */

/* How the results of the rounds are told. */
struct samples {
	const char *op;
	__u64 value[MAX_ROUNDS];
	int count;
};

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
	/* What was written to since the last time, in 4 KiB; may be NULL. */
	int (*read_dirty)(__u64 iova, size_t length, void *bitmap, __u64 *cost);
	bool mock;		/* has the kernel's test device */
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
};

struct test_case {
	const char *name;
	const char *text;
	int (*run)(const struct test_case *test, const struct backend *backend,
		   const struct source *source);
	const char *ops[2];
	__u64 (*usage)(const struct kernel_memory *memory);
	enum unit unit;
	int rounds;
	enum page_kind kind;
	bool file;
	bool mock;		/* for backends with the test device */
	bool after_pins;	/* of each page */
	size_t length;
	size_t part;		/* of it, that is copied */
	size_t areas;		/* 0: one for each page */
};

static struct samples results[2];
static const struct test_case *running_case;
static const struct backend *running_backend;
/* What was taken in the last round, by anybody, in bytes. */
static long all_memory;
static __u64 stopwatch_cost;
static int rounds_wanted;
static bool times_wanted = true, memory_wanted = true;
static bool verbose, marks_wanted;
static const char *bdf;

/*
 * Marks in what QEMU can log about the machine: each is a read of a byte of
 * the device's configuration space that no driver reads so. The log has
 * what the IOMMU was told between them.
 */
enum log_mark {
	LOG_BEGIN = 1,
	LOG_END = 3,
	LOG_KEEP = 5,		/* what ended last is the next line of output */
};

static int config_space = -1;	/* open: put marks */

static void log_mark(enum log_mark mark)
{
	char byte;

	if (config_space >= 0 && pread(config_space, &byte, 1, mark) != 1)
		fprintf(stderr, "iommufd_bench: a mark is missing\n");
}

static int timed_ioctl(int fd, unsigned long command, void *argument,
		       __u64 *cost)
{
	__u64 start, end;
	int rc;

	log_mark(LOG_BEGIN);
	profile_mark(PROFILE_MARK_BEGIN);
	start = stopwatch();
	rc = ioctl(fd, command, argument);
	end = stopwatch();
	profile_mark(PROFILE_MARK_END);
	log_mark(LOG_END);
	*cost = end - start - stopwatch_cost;
	return rc < 0 ? -errno : 0;
}

/* What is measured when there is nothing between start and end. */
static void calibrate(void)
{
	int i;

	stopwatch_cost = UINT64_MAX;
	for (i = 0; i < 100; i++) {
		__u64 start = stopwatch(), cost = stopwatch() - start;

		if (cost < stopwatch_cost)
			stopwatch_cost = cost;
	}
}

/* -- /dev/iommu -- */

static int iommufd = -1;
static __u32 ioas, second_table;
static struct vfio_dev device;

static void iommufd_backend_close(void)
{
	vfio_close(&device);
	close(iommufd);
}

static int iommufd_backend_open(const char *bdf)
{
	int rc;

	iommufd = iommufd_open();
	if (iommufd < 0)
		return iommufd;
	rc = vfio_open(&device, bdf);
	if (!rc)
		rc = vfio_bind(&device, iommufd);
	if (!rc)
		rc = ioas_alloc(iommufd, &ioas);
	if (!rc)
		rc = vfio_attach(&device, ioas);
	if (rc)
		iommufd_backend_close();
	return rc;
}

static int iommufd_backend_map(const struct source *source, size_t offset,
			       size_t length, __u64 iova, __u64 *cost)
{
	struct iommu_ioas_map_file file = {
		.size = sizeof(file),
		.flags = MAP_RW | MAP_AT,
		.ioas_id = ioas,
		.fd = source->fd,
		.start = offset,
		.length = length,
		.iova = iova,
	};
	struct iommu_ioas_map anonymous = {
		.size = sizeof(anonymous),
		.flags = MAP_RW | MAP_AT,
		.ioas_id = ioas,
		.user_va = (uintptr_t)source->mem.va + offset,
		.length = length,
		.iova = iova,
	};

	if (source->fd >= 0)
		return timed_ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &file, cost);
	return timed_ioctl(iommufd, IOMMU_IOAS_MAP, &anonymous, cost);
}

static int iommufd_backend_unmap(__u64 iova, size_t length, __u64 *cost)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};

	return timed_ioctl(iommufd, IOMMU_IOAS_UNMAP, &cmd, cost);
}

static int iommufd_backend_unmap_all(__u64 *cost)
{
	return iommufd_backend_unmap(0, SIZE_MAX, cost);
}

static int iommufd_backend_fill(__u64 *cost)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = device.id,
		.pt_id = ioas,
	};
	int rc = timed_ioctl(iommufd, IOMMU_HWPT_ALLOC, &cmd, cost);

	second_table = cmd.out_hwpt_id;
	return rc;
}

static int iommufd_backend_clear(__u64 *cost)
{
	struct iommu_destroy cmd = {
		.size = sizeof(cmd),
		.id = second_table,
	};

	return timed_ioctl(iommufd, IOMMU_DESTROY, &cmd, cost);
}

static int iommufd_backend_copy(__u64 from, size_t length, __u64 to,
				__u64 *cost)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = MAP_RW | MAP_AT,
		.dst_ioas_id = ioas,
		.src_ioas_id = ioas,
		.length = length,
		.dst_iova = to,
		.src_iova = from,
	};

	return timed_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd, cost);
}

static int iommufd_backend_change_process(__u64 *cost)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return timed_ioctl(iommufd, IOMMU_IOAS_CHANGE_PROCESS, &cmd, cost);
}

static int iommufd_backend_idle(__u64 *cost)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET,
	};

	return timed_ioctl(iommufd, IOMMU_OPTION, &cmd, cost);
}

/*
 * -- /dev/iommu with the kernel's test device --
 *
 * Its page tables do what hardware's do, and what no emulated hardware can.
 */

static void mock_backend_close(void)
{
	close(iommufd);
}

static int open_mock(void)
{
	struct iommu_test_hwpt data = { .pagetable_type = MOCK_IOMMUPT_HUGE };
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	struct mock_device first, dev;
	__u32 other;
	int rc;

	/* a page table is made for a device, which has to be somewhere first */
	rc = ioas_alloc(iommufd, &other);
	if (!rc)
		rc = mock_domain(iommufd, other, &first);
	if (!rc)
		rc = ioas_alloc(iommufd, &ioas);
	if (rc)
		return rc;
	cmd.dev_id = first.idev;
	cmd.pt_id = ioas;
	rc = hwpt_alloc_ioctl(iommufd, &cmd);
	second_table = cmd.out_hwpt_id;
	if (!rc)
		rc = mock_domain(iommufd, second_table, &dev);
	if (!rc)
		rc = hwpt_set_dirty_tracking(iommufd, second_table,
					     IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	return rc;
}

static int mock_backend_open(const char *bdf)
{
	int rc;

	iommufd = iommufd_open();
	if (iommufd < 0)
		return iommufd;
	rc = open_mock();
	if (rc)
		mock_backend_close();
	return rc;
}

static int mock_backend_read_dirty(__u64 iova, size_t length, void *bitmap,
				   __u64 *cost)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = second_table,
		.iova = iova,
		.length = length,
		.page_size = SMALL_PAGE,
		.data = (uintptr_t)bitmap,
	};

	return timed_ioctl(iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd, cost);
}

static int timed_mock_ioctl(struct iommu_test_cmd *cmd, __u64 *cost)
{
	cmd->size = sizeof(*cmd);
	return timed_ioctl(iommufd, IOMMU_TEST_CMD, cmd, cost);
}

/* What a driver does that reaches memory by its IOVA */

static int timed_access_rw(int access, __u32 flags, __u64 iova, size_t length,
			   void *data, __u64 *cost)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_ACCESS_RW,
		.id = access,
		.access_rw = {
			.iova = iova,
			.length = length,
			.uptr = (uintptr_t)data,
			.flags = flags,
		},
	};

	return timed_mock_ioctl(&cmd, cost);
}

static int timed_access_pin(int access, __u64 iova, size_t length, __u32 *item,
			    __u64 *cost)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_ACCESS_PAGES,
		.id = access,
		.access_pages = {
			.flags = MOCK_FLAGS_ACCESS_WRITE,
			.iova = iova,
			.length = length,
		},
	};
	int rc = timed_mock_ioctl(&cmd, cost);

	*item = cmd.access_pages.out_access_pages_id;
	return rc;
}

static int timed_access_unpin(int access, __u32 item, __u64 *cost)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_DESTROY_ACCESS_PAGES,
		.id = access,
		.destroy_access_pages.access_pages_id = item,
	};

	return timed_mock_ioctl(&cmd, cost);
}

/* -- a VFIO container, of VFIO or of iommufd -- */

static struct vfio_container container;

static void container_backend_close(void)
{
	container_close(&container);
}

static int open_container_of(const char *bdf, bool iommufds)
{
	int rc = container_open(&container, bdf);

	if (!rc && container_is_iommufd(&container) != iommufds) {
		container_close(&container);
		rc = -ENODEV;
	}
	return rc;
}

static int type1_backend_open(const char *bdf)
{
	return open_container_of(bdf, false);
}

static int compat_backend_open(const char *bdf)
{
	return open_container_of(bdf, true);
}

static int container_backend_map(const struct source *source, size_t offset,
				 size_t length, __u64 iova, __u64 *cost)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)source->mem.va + offset,
		.iova = iova,
		.size = length,
	};

	return timed_ioctl(container.fd, VFIO_IOMMU_MAP_DMA, &cmd, cost);
}

static int container_backend_unmap(__u64 iova, size_t length, __u64 *cost)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.iova = iova,
		.size = length,
	};

	return timed_ioctl(container.fd, VFIO_IOMMU_UNMAP_DMA, &cmd, cost);
}

static int container_backend_unmap_all(__u64 *cost)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};

	return timed_ioctl(container.fd, VFIO_IOMMU_UNMAP_DMA, &cmd, cost);
}

static int container_backend_idle(__u64 *cost)
{
	return timed_ioctl(container.fd, VFIO_GET_API_VERSION, NULL, cost);
}

static const struct backend backends[] = {
	{
		.name = "iommufd",
		.open = iommufd_backend_open,
		.close = iommufd_backend_close,
		.map = iommufd_backend_map,
		.unmap = iommufd_backend_unmap,
		.unmap_all = iommufd_backend_unmap_all,
		.copy = iommufd_backend_copy,
		.change_process = iommufd_backend_change_process,
		.fill = iommufd_backend_fill,
		.clear = iommufd_backend_clear,
		.idle = iommufd_backend_idle,
	}, {
		.name = "iommufd-mock",
		.open = mock_backend_open,
		.close = mock_backend_close,
		.map = iommufd_backend_map,
		.unmap = iommufd_backend_unmap,
		.unmap_all = iommufd_backend_unmap_all,
		.copy = iommufd_backend_copy,
		.change_process = iommufd_backend_change_process,
		.read_dirty = mock_backend_read_dirty,
		.idle = iommufd_backend_idle,
		.mock = true,
	}, {
		.name = "vfio-type1",
		.open = type1_backend_open,
		.close = container_backend_close,
		.map = container_backend_map,
		.unmap = container_backend_unmap,
		.unmap_all = container_backend_unmap_all,
		.idle = container_backend_idle,
	}, {
		.name = "iommufd-compat",
		.open = compat_backend_open,
		.close = container_backend_close,
		.map = container_backend_map,
		.unmap = container_backend_unmap,
		.unmap_all = container_backend_unmap_all,
		.idle = container_backend_idle,
	},
};

static bool usable[ARRAY_SIZE(backends)];

/* -- memory -- */

static void source_free(struct source *source)
{
	if (source->mem.va)
		memory_free(&source->mem);
	if (source->fd >= 0)
		close(source->fd);
	hugetlb_release();
}

/*
 * Free memory is in pieces after a while. Pages that are touched in order are
 * to be neighbours as they would be on a fresh machine, or the result would
 * depend on what ran before: hold what is in pieces until better is found.
 */
#define TRIES 10
#define PAGES_A_PIECE 64

static int alloc_in_order(struct memory *mem, size_t length)
{
	struct memory held[TRIES];
	int count = 0, rc;

	for (;;) {
		rc = memory_alloc(mem, PAGES_SMALL, length);
		if (rc || count == TRIES ||
		    memory_pieces(mem->va, length) <=
		    1 + length / SMALL_PAGE / PAGES_A_PIECE)
			break;
		held[count++] = *mem;
	}
	while (count)
		memory_free(&held[--count]);
	return rc;
}

static int source_alloc(struct source *source, const struct test_case *test)
{
	int rc = 0;

	*source = (struct source){ .fd = -1 };
	if (!test->length)
		return 0;
	if (test->kind == PAGES_HUGETLB)
		rc = hugetlb_reserve(test->length);
	if (rc)
		return rc;
	if (test->file)
		return memory_alloc_file(&source->mem, test->kind,
					 test->length, &source->fd);
	if (test->kind == PAGES_SMALL)
		return alloc_in_order(&source->mem, test->length);
	return memory_alloc(&source->mem, test->kind, test->length);
}

static void show_source(const struct test_case *test,
			const struct source *source)
{
	if (!test->length)
		return;
	fprintf(stderr,
		"%s: %zu KiB, %ld in huge pages, in %ld pieces of memory\n",
		test->name, source->mem.length / KIB,
		memory_huge_bytes(source->mem.va, source->mem.length) / KIB,
		memory_pieces(source->mem.va, source->mem.length));
}

/* -- cases -- */

/* One line for each stretch of the log that is to be kept, in their order. */
static void keep_log(int op)
{
	printf("log,%s,%s,%s\n", running_backend->name, running_case->name,
	       running_case->ops[op]);
	log_mark(LOG_KEEP);
}

/* The first round warms up; what it takes is not what is asked for. */
static void add_sample(struct samples *samples, int round, __u64 cost)
{
	if (!round)
		return;
	samples->value[samples->count++] = cost;
	if (config_space >= 0)
		keep_log(samples - results);
	if (samples == &results[0])
		profile_mark(PROFILE_MARK_KEEP_0);
	else
		profile_mark(PROFILE_MARK_KEEP_1);
}

static int rounds_of(const struct test_case *test)
{
	return 1 + (rounds_wanted ? rounds_wanted : test->rounds);
}

/* Maps all of the source and unmaps it, again and again. */
static int run_map_unmap(const struct test_case *test,
			 const struct backend *backend,
			 const struct source *source)
{
	__u64 cost;
	int i, rc;

	for (i = 0; i < rounds_of(test); i++) {
		rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
		if (rc)
			return rc;
		add_sample(&results[0], i, cost);
		rc = backend->unmap(BENCH_IOVA, test->length, &cost);
		if (rc)
			return rc;
		add_sample(&results[1], i, cost);
	}
	return 0;
}

/* Fills a second page table with what the first one has. */
static int run_second_table(const struct test_case *test,
			    const struct backend *backend,
			    const struct source *source)
{
	__u64 cost;
	int i, rc;

	if (!backend->fill)
		return -EOPNOTSUPP;
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->fill(&cost);
		if (rc)
			break;
		add_sample(&results[0], i, cost);
		rc = backend->clear(&cost);
		add_sample(&results[1], i, cost);
	}
	return rc;
}

/* Asks what was written to, which is nothing. */
static int run_read_dirty(const struct test_case *test,
			  const struct backend *backend,
			  const struct source *source)
{
	static char bitmap[GIB / SMALL_PAGE / 8];
	__u64 cost;
	int i, rc;

	memset(bitmap, 0, sizeof(bitmap));
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->read_dirty(BENCH_IOVA, test->length, bitmap,
					 &cost);
		add_sample(&results[0], i, cost);
	}
	return rc;
}

/* What is copied from. A power of 2, as much as 4 GiB of memory allow */
#define GUEST_MEMORY (2 * GIB)

/* One map for each page of the source, with a gap of a page in the middle. */
#define GAP_IOVA (BENCH_IOVA + MANY_AREAS / 2 * SMALL_PAGE)

static int map_many(const struct test_case *test, const struct backend *backend,
		    const struct source *source)
{
	size_t offset;
	__u64 cost;
	int rc;

	for (offset = 0; offset < test->length; offset += SMALL_PAGE) {
		__u64 iova = BENCH_IOVA + offset;

		if (iova >= GAP_IOVA)
			iova += SMALL_PAGE;
		rc = backend->map(source, offset, SMALL_PAGE, iova, &cost);
		if (rc)
			return rc;
	}
	return 0;
}

/* Half of them, up to the gap */
static int run_read_dirty_of_many(const struct test_case *test,
				  const struct backend *backend,
				  const struct source *source)
{
	static char bitmap[GIB / SMALL_PAGE / 8];
	__u64 cost;
	int i, rc;

	memset(bitmap, 0, sizeof(bitmap));
	rc = map_many(test, backend, source);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->read_dirty(BENCH_IOVA, GAP_IOVA - BENCH_IOVA,
					 bitmap, &cost);
		add_sample(&results[0], i, cost);
	}
	return rc;
}

static int run_among_many(const struct test_case *test,
			  const struct backend *backend,
			  const struct source *source)
{
	__u64 cost;
	int i, rc;

	rc = map_many(test, backend, source);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->map(source, 0, SMALL_PAGE, GAP_IOVA, &cost);
		if (rc)
			break;
		add_sample(&results[0], i, cost);
		rc = backend->unmap(GAP_IOVA, SMALL_PAGE, &cost);
		add_sample(&results[1], i, cost);
	}
	return rc;
}

static int run_unmap_all(const struct test_case *test,
			 const struct backend *backend,
			 const struct source *source)
{
	__u64 cost;
	int i, rc;

	for (i = 0; i < rounds_of(test); i++) {
		rc = map_many(test, backend, source);
		if (rc)
			return rc;
		rc = backend->unmap_all(&cost);
		if (rc)
			return rc;
		add_sample(&results[0], i, cost);
	}
	return 0;
}

/*
 * Copies each page of the source and unmaps the copy. In an order that never
 * goes on where it was; the number of pages is a power of 2.
 */
static int pin_each_page(const struct test_case *test,
			 const struct backend *backend)
{
	size_t npages = test->length / SMALL_PAGE, i;
	__u64 cost;
	int rc = 0;

	for (i = 0; i < npages && !rc; i++) {
		size_t page = i * 0x9e3779b1 % npages;

		rc = backend->copy(BENCH_IOVA + page * SMALL_PAGE, SMALL_PAGE,
				   COPY_IOVA, &cost);
		if (!rc)
			rc = backend->unmap(COPY_IOVA, SMALL_PAGE, &cost);
	}
	return rc;
}

/* Copies a part of the source, if not all of it from its middle on. */
static int run_copy(const struct test_case *test, const struct backend *backend,
		    const struct source *source)
{
	bool all = test->part == test->length;
	__u64 from = BENCH_IOVA + (all ? 0 : test->length / 2), cost;
	int i, rc;

	if (!backend->copy)
		return -EOPNOTSUPP;
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	if (!rc && test->after_pins)
		rc = pin_each_page(test, backend);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->copy(from, test->part, COPY_IOVA, &cost);
		if (rc)
			break;
		add_sample(&results[0], i, cost);
		rc = backend->unmap(COPY_IOVA, test->part, &cost);
		add_sample(&results[1], i, cost);
	}
	return rc;
}

/* In the middle of what is mapped */
static int run_access_rw(const struct test_case *test,
			 const struct backend *backend,
			 const struct source *source)
{
	static char data[SMALL_PAGE];
	__u64 iova = BENCH_IOVA + test->length / 2, cost;
	int access, i, rc;

	memset(data, 0, sizeof(data));
	access = mock_access(iommufd, ioas, 0);
	if (access < 0)
		return access;
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = timed_access_rw(access, 0, iova, sizeof(data), data,
				     &cost);
		if (rc)
			break;
		add_sample(&results[0], i, cost);
		rc = timed_access_rw(access, MOCK_ACCESS_RW_WRITE, iova,
				     sizeof(data), data, &cost);
		add_sample(&results[1], i, cost);
	}
	close(access);
	return rc;
}

/* A page in the middle of what is mapped */
static int run_access_pin(const struct test_case *test,
			  const struct backend *backend,
			  const struct source *source)
{
	__u64 iova = BENCH_IOVA + test->length / 2, cost;
	int access, i, rc;
	__u32 item;

	access = mock_access(iommufd, ioas,
			     MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	if (access < 0)
		return access;
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = timed_access_pin(access, iova, SMALL_PAGE, &item, &cost);
		if (rc)
			break;
		add_sample(&results[0], i, cost);
		rc = timed_access_unpin(access, item, &cost);
		add_sample(&results[1], i, cost);
	}
	close(access);
	return rc;
}

/* A page that is mapped at @from, so often next to each other */
static int copy_many(const struct test_case *test,
		     const struct backend *backend, __u64 from)
{
	__u64 cost;
	size_t i;
	int rc = 0;

	for (i = 0; i < test->areas && !rc; i++)
		rc = backend->copy(from, SMALL_PAGE, COPY_IOVA + i * SMALL_PAGE,
				   &cost);
	return rc;
}

static int run_unmap_all_dmabuf(const struct test_case *test,
				const struct backend *backend,
				const struct source *source)
{
	struct source memory = {
		.fd = mock_dmabuf(iommufd, HUGE_PAGE, O_RDWR | O_CLOEXEC),
	};
	int i, rc = 0;
	__u64 cost;

	if (memory.fd < 0)
		return memory.fd;
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->map(&memory, 0, HUGE_PAGE, BENCH_IOVA, &cost);
		if (!rc)
			rc = copy_many(test, backend, BENCH_IOVA);
		if (!rc)
			rc = backend->unmap_all(&cost);
		if (!rc)
			add_sample(&results[0], i, cost);
	}
	close(memory.fd);
	/* That of the base refuses to map or to copy it; then it has no figure. */
	return rc == -EINVAL ? -EOPNOTSUPP : rc;
}

/* In a new process, which *cost is shared with */
static int change_process(const struct backend *backend, __u64 *cost)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(-backend->change_process(cost));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static int run_change_process(const struct test_case *test,
			      const struct backend *backend,
			      const struct source *source)
{
	__u64 *cost;
	int rc = 0;
	size_t i;

	if (!backend->change_process)
		return -EOPNOTSUPP;
	cost = mmap(NULL, sizeof(*cost), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cost == MAP_FAILED)
		return -errno;
	for (i = 0; i < test->areas && !rc; i++)
		rc = backend->map(source, 0, SMALL_PAGE,
				  BENCH_IOVA + i * SMALL_PAGE, cost);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = change_process(backend, cost);
		if (!rc)
			add_sample(&results[0], i, *cost);
	}
	munmap(cost, sizeof(*cost));
	return rc;
}

static int run_idle(const struct test_case *test,
		    const struct backend *backend,
		    const struct source *source)
{
	__u64 cost;
	int i, rc;

	for (i = 0; i < rounds_of(test); i++) {
		rc = backend->idle(&cost);
		if (rc)
			return rc;
		add_sample(&results[0], i, cost);
	}
	return 0;
}

/* -- the kernel's memory -- */

static __u64 slab_of(const struct kernel_memory *memory)
{
	return memory->slab;
}

static __u64 charged(const struct kernel_memory *memory)
{
	return memory->charged;
}

/* The former counts pages, the latter bytes, and not all is in slabs. */
static __u64 beyond_tables(const struct kernel_memory *memory)
{
	long pages = memory->charged - memory->tables;

	return pages > memory->slab ? pages : memory->slab;
}

static int map_areas(const struct test_case *test,
		     const struct backend *backend, const struct source *source)
{
	__u64 cost;

	if (test->unit == PERCENT)
		return backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	return map_many(test, backend, source);
}

static struct kernel_memory difference(const struct kernel_memory *before,
				       const struct kernel_memory *after)
{
	return (struct kernel_memory){
		.slab = after->slab - before->slab,
		.tables = after->tables - before->tables,
		.charged = after->charged - before->charged,
		.taken = after->taken - before->taken,
	};
}

/* What maps add to the memory of this process's control group. */
static int run_memory(const struct test_case *test,
		      const struct backend *backend,
		      const struct source *source)
{
	struct kernel_memory before, after, added;
	__u64 cost;
	int i, rc;

	rc = memory_group_enter();
	if (rc)
		return rc;
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = kernel_memory_get(&before);
		if (!rc)
			rc = map_areas(test, backend, source);
		if (!rc)
			rc = kernel_memory_get(&after);
		if (!rc)
			rc = backend->unmap_all(&cost);
		if (rc)
			break;
		added = difference(&before, &after);
		/* later rounds live on what the first one left in caches */
		if (!i)
			all_memory = added.taken;
		add_sample(&results[0], test->unit == PERCENT_OF_ALL ? !i : i,
			   test->usage(&added));
	}
	memory_group_leave();
	return rc;
}

#define MAP_UNMAP .run = run_map_unmap, .ops = { "map", "unmap" }
#define SECOND_TABLE .run = run_second_table, .ops = { "fill", "clear" }
#define READ_DIRTY .run = run_read_dirty, .ops = { "read" }, .mock = true
#define COPY .run = run_copy, .ops = { "copy", "unmap" }
#define GUEST .kind = PAGES_THP, .length = GUEST_MEMORY
#define BULK .unit = PER_4K, .rounds = 3
#define CALL .unit = PER_CALL, .rounds = 31
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
	{ "second-table-thp", "second page table for 256 MiB of THP",
	  SECOND_TABLE, BULK, .kind = PAGES_THP, .length = 256 * MIB },
	{ "second-table-small", "second page table for 64 MiB of scattered 4 KiB pages",
	  SECOND_TABLE, BULK, .kind = PAGES_SMALL_RANDOM, .length = 64 * MIB },
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
	{ "copy-page-after-pins", "the same after each page was copied once",
	  COPY, CALL, GUEST, .part = SMALL_PAGE, .after_pins = true },
	{ "copy-all", "copy of all of 2 GiB of huge pages",
	  COPY, BULK, GUEST, .part = GUEST_MEMORY },
	{ "copy-all-after-pins", "the same after each page was copied once",
	  COPY, BULK, GUEST, .part = GUEST_MEMORY, .after_pins = true },
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
	{ "idle", "an ioctl that does nothing, to compare",
	  .run = run_idle, .ops = { "ioctl" }, CALL },
};

/* -- results -- */

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

static __u64 median(struct samples *samples)
{
	qsort(samples->value, samples->count, sizeof(samples->value[0]),
	      compare);
	return samples->value[samples->count / 2];
}

static double divisor_of(const struct test_case *test)
{
	switch (test->unit) {
	case PER_CALL:
		return 1;
	case PERCENT:
		return test->length / 100.0;
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
		[PERCENT_OF_ALL] = "percent",
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

	results[0].count = 0;
	results[1].count = 0;
	running_case = test;
	running_backend = backend;
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
	return usable[i] && (!test->mock || backends[i].mock);
}

static bool any_has_case(const struct test_case *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (has_case(i, test))
			return true;
	return false;
}

/* All backends get the same memory. */
static bool run_case(const struct test_case *test)
{
	struct source source;
	bool ok = true;
	int i, rc;

	if (!any_has_case(test))
		return true;
	rc = source_alloc(&source, test);
	if (rc)
		hugetlb_release();
	else if (verbose)
		show_source(test, &source);
	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!has_case(i, test))
			continue;
		ok &= report(test, &backends[i],
			     rc ? rc : measure(test, &backends[i], &source));
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
		{ "rounds", required_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "lc:b:d:mMtr:vh", options,
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
			times_wanted = false;
			break;
		case 't':
			memory_wanted = false;
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

static void open_config_space(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	config_space = open(path, O_RDONLY | O_CLOEXEC);
	if (config_space < 0)
		die(path, -errno);
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
		open_config_space();
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

static bool is_wanted(const struct test_case *test)
{
	if (test->unit <= PER_AREA ? !times_wanted : !memory_wanted)
		return false;
	return !fnmatch(wanted_case, test->name, FNM_EXTMATCH);
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
