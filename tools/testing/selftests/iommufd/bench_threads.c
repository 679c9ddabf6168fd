// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cases: two threads on two processors, and a call that uses both
 *
 * What two threads get done in a time, in units of what one does. The machine
 * may not have two processors for us all the time, so that threads which only
 * spin are measured in between, and taken for 2.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <sys/mman.h>

#include "bench.h"
#include "checked_io.h"
#include "mock_lib.h"

#define NR_THREADS 2

/* Of a round, each kind of work by one and by two threads, in turn */
#define SLICES 5
#define SLICE_NS (40 * 1000 * 1000)

struct worker {
	pthread_t thread;
	int cpu;
	const struct thread_work *work;
	struct iommufd_space space;	/* where it works */
	struct iommufd_space from;	/* where the memory is already */
	char *va;			/* its part of the memory */
	size_t length;
	__u64 iova;			/* a place of its own */
	__u64 from_iova;		/* where its part of the memory is */
	int access;
	double rate;			/* how often in a nanosecond */
	int rc;
};

/* -- kinds of work -- */

static int map_and_unmap(struct worker *worker)
{
	int iommufd = worker->space.iommufd;
	__u32 ioas = worker->space.ioas;

	return ioas_map_at(iommufd, ioas, worker->va, worker->length,
			   worker->iova) ?:
	       ioas_unmap(iommufd, ioas, worker->iova, worker->length, NULL);
}

static int forget_memory(struct worker *worker)
{
	return madvise(worker->va, worker->length, MADV_DONTNEED) ? -errno : 0;
}

static int copy_and_unmap(struct worker *worker)
{
	int iommufd = worker->space.iommufd;
	__u64 iova = worker->iova;

	return ioas_copy(iommufd, MAP_RW | MAP_AT, worker->space.ioas,
			 worker->from.ioas, worker->from_iova, worker->length,
			 &iova) ?:
	       ioas_unmap(iommufd, worker->space.ioas, iova, worker->length,
			  NULL);
}

static int open_access(struct worker *worker)
{
	worker->access = mock_access(worker->space.iommufd, worker->space.ioas,
				     0);
	return worker->access < 0 ? worker->access : 0;
}

static int read_by_access(struct worker *worker)
{
	char data[SMALL_PAGE];

	return mock_access_rw(worker->space.iommufd, worker->access, 0,
			      worker->from_iova, sizeof(data), data);
}

static int ask_option(struct worker *worker)
{
	__u64 value;

	return iommufd_option_get(worker->space.iommufd,
				  IOMMU_OPTION_RLIMIT_MODE, 0, &value);
}

static int spin(struct worker *worker)
{
	int i;

	for (i = 0; i < 10000; i++)
		asm volatile("" : : : "memory");
	return 0;
}

struct thread_work {
	int (*begin)(struct worker *worker);
	int (*once)(struct worker *worker);
	/* Is not measured. */
	int (*renew)(struct worker *worker);
	/* The memory is mapped before, as one object. */
	bool mapped;
	/* Threads always have one file. */
	bool one_file;
};

static const struct thread_work spinning = { .once = spin };

const struct thread_work thread_maps = { .once = map_and_unmap };

const struct thread_work thread_maps_untouched = {
	.once = map_and_unmap,
	.renew = forget_memory,
};

const struct thread_work thread_copies = {
	.once = copy_and_unmap,
	.mapped = true,
	.one_file = true,
};

const struct thread_work thread_reads = {
	.begin = open_access,
	.once = read_by_access,
	.mapped = true,
};

const struct thread_work thread_idles = { .once = ask_option };

/* -- measuring -- */

static pthread_barrier_t start;

static int work_for_a_slice(struct worker *worker,
			    const struct thread_work *work)
{
	__u64 busy = 0, count = 0, before;
	int rc = 0;

	while (busy < SLICE_NS && !rc) {
		before = stopwatch();
		rc = work->once(worker);
		busy += stopwatch() - before;
		count++;
		if (work->renew && !rc)
			rc = work->renew(worker);
	}
	worker->rate = (double)count / busy;
	return rc;
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(worker->cpu, &cpus);
	worker->rc = sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
	pthread_barrier_wait(&start);
	if (!worker->rc)
		worker->rc = work_for_a_slice(worker, worker->work);
	return NULL;
}

/* Adds to *rate how often in a nanosecond @count threads do it together. */
static int add_rate(struct worker *workers, int count,
		    const struct thread_work *work, double *rate)
{
	int i, started, rc = 0;

	pthread_barrier_init(&start, NULL, count);
	for (started = 0; started < count && !rc; started++) {
		workers[started].work = work;
		rc = -pthread_create(&workers[started].thread, NULL,
				     worker_main, &workers[started]);
	}
	/* Those that have been started wait for the others for ever. */
	if (rc)
		return rc;
	for (i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		*rate += workers[i].rate;
		if (!rc)
			rc = workers[i].rc;
	}
	pthread_barrier_destroy(&start);
	return rc;
}

#define THOUSANDTHS 1000

static int measure_round(struct worker *workers, const struct thread_work *work,
			 int op, int round)
{
	double one = 0, two = 0, spin_one = 0, spin_two = 0;
	int i, rc = 0;

	for (i = 0; i < SLICES && !rc; i++) {
		rc = add_rate(workers, 1, &spinning, &spin_one) ?:
		     add_rate(workers, 1, work, &one) ?:
		     add_rate(workers, NR_THREADS, &spinning, &spin_two) ?:
		     add_rate(workers, NR_THREADS, work, &two);
	}
	if (!rc)
		add_sample(op, round, THOUSANDTHS * NR_THREADS * (two / one) /
				      (spin_two / spin_one));
	return rc;
}

/* -- two workers -- */

/* Far enough from each other that they share no table of entries */
#define WORKER_IOVA(i) (COPY_IOVA + (i) * 16 * GIB)

static int begin_worker(struct worker *worker, int i,
			const struct test_case *test,
			const struct source *source)
{
	worker->cpu = i;
	worker->va = source->mem.va + i * test->part;
	worker->length = test->part;
	worker->iova = WORKER_IOVA(i);
	worker->from_iova = BENCH_IOVA + i * test->part;
	worker->access = -1;
	return test->work->begin ? test->work->begin(worker) : 0;
}

/* The memory of all workers, in one map */
static int map_all(const struct iommufd_space *space,
		   const struct source *source)
{
	return ioas_map_at(space->iommufd, space->ioas, source->mem.va,
			   source->mem.length, BENCH_IOVA);
}

/*
 * An IOAS of one file for all, or each a file with one: each an IOAS of the one
 * file if they work on the same object.
 */
static int open_spaces(struct worker *workers, const struct test_case *test,
		       const struct source *source, bool own)
{
	bool mapped = test->work->mapped, one_file = test->work->one_file;
	int i, rc;

	workers[0].space = opened;
	workers[0].from = opened;
	rc = mapped ? map_all(&opened, source) : 0;
	for (i = 1; i < NR_THREADS && !rc; i++) {
		workers[i] = workers[0];
		if (!own)
			continue;
		if (!one_file)
			workers[i].space.iommufd = -1;
		rc = mock_space_open(&workers[i].space);
		if (!rc && !one_file)
			workers[i].from = workers[i].space;
		if (!rc && mapped && !one_file)
			rc = map_all(&workers[i].space, source);
	}
	return rc;
}

static void close_spaces(struct worker *workers)
{
	int i;

	for (i = 0; i < NR_THREADS; i++) {
		if (workers[i].access >= 0)
			close(workers[i].access);
		if (workers[i].space.iommufd != opened.iommufd &&
		    workers[i].space.iommufd >= 0)
			close(workers[i].space.iommufd);
	}
}

static int measure_workers(const struct test_case *test,
			   const struct source *source, bool own)
{
	struct worker workers[NR_THREADS] = {};
	int i, rc;

	for (i = 0; i < NR_THREADS; i++) {
		workers[i].access = -1;
		workers[i].space.iommufd = -1;
	}
	rc = open_spaces(workers, test, source, own);
	for (i = 0; i < NR_THREADS && !rc; i++)
		rc = begin_worker(&workers[i], i, test, source);
	for (i = 0; i < rounds_of(test) && !rc; i++)
		rc = measure_round(workers, test->work, own, i);
	close_spaces(workers);
	return rc;
}

/* Its operations: in one IOAS, and each in an IOAS of its own. */
int run_threads(const struct test_case *test, const struct backend *backend,
		const struct source *source)
{
	__u64 cost;
	int rc;

	if (sysconf(_SC_NPROCESSORS_ONLN) < NR_THREADS)
		return -EOPNOTSUPP;
	rc = measure_workers(test, source, false);
	if (!rc)
		rc = backend->unmap_all(&cost);
	if (!rc)
		rc = measure_workers(test, source, true);
	return rc;
}

/* -- a map with helpers -- */

static int use_processors(int first, int count)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	while (count--)
		CPU_SET(first++, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
}

/* Memory that is not there */
static int map_untouched(const struct test_case *test,
			 const struct backend *backend,
			 const struct source *source, __u64 *cost)
{
	if (madvise(source->mem.va, test->length, MADV_DONTNEED))
		return -errno;
	return backend->map(source, 0, test->length, BENCH_IOVA, cost);
}

/* By the caller and at most so many helpers */
static int add_rate_of_help(const struct test_case *test,
			    const struct backend *backend,
			    const struct source *source, const char *tasks,
			    double *rate)
{
	__u64 cost, ignored;
	int rc;

	rc = file_write(PIN_TASKS, tasks) ?:
	     map_untouched(test, backend, source, &cost) ?:
	     backend->unmap(BENCH_IOVA, test->length, &ignored);
	if (!rc)
		*rate += 1.0 / cost;
	return rc;
}

static int measure_help(const struct test_case *test,
			const struct backend *backend,
			const struct source *source, int round)
{
	double one = 0, two = 0, spin_one = 0, spin_two = 0;
	struct worker workers[NR_THREADS] = { { .cpu = 0 }, { .cpu = 1 } };
	int rc;

	/* A map takes long: what there is of the machine before and after it */
	rc = add_rate(workers, 1, &spinning, &spin_one) ?:
	     add_rate_of_help(test, backend, source, "1", &one) ?:
	     add_rate(workers, 1, &spinning, &spin_one) ?:
	     add_rate(workers, NR_THREADS, &spinning, &spin_two) ?:
	     add_rate_of_help(test, backend, source, "0", &two) ?:
	     add_rate(workers, NR_THREADS, &spinning, &spin_two);
	if (!rc)
		add_sample(0, round, THOUSANDTHS * (one / two) *
				     (spin_two / spin_one) / NR_THREADS);
	return rc;
}

/* What a map takes with the help of a second processor, in what it takes without */
int run_helped(const struct test_case *test, const struct backend *backend,
	       const struct source *source)
{
	int i, own = sched_getcpu(), rc;

	if (access(PIN_TASKS, F_OK) ||
	    sysconf(_SC_NPROCESSORS_ONLN) < NR_THREADS)
		return -EOPNOTSUPP;
	rc = use_processors(0, NR_THREADS);
	for (i = 0; i < rounds_of(test) && !rc; i++)
		rc = measure_help(test, backend, source, i);
	file_write(PIN_TASKS, "0");
	return use_processors(own, 1) ?: rc;
}

/* What it is that each processor of the machine does, others are to look at. */
int run_untouched(const struct test_case *test, const struct backend *backend,
		  const struct source *source)
{
	int i, own = sched_getcpu(), rc;
	__u64 cost;

	rc = use_processors(0, sysconf(_SC_NPROCESSORS_ONLN));
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = map_untouched(test, backend, source, &cost);
		if (rc)
			break;
		add_sample(0, i, cost);
		rc = backend->unmap(BENCH_IOVA, test->length, &cost);
	}
	return use_processors(own, 1) ?: rc;
}
