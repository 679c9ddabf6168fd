// SPDX-License-Identifier: GPL-2.0-only
/* Cases: maps, copies, page tables. */
#include <errno.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "bench.h"

/* Maps all of the source and unmaps it, again and again. */
int run_map_unmap(const struct test_case *test, const struct backend *backend,
		  const struct source *source)
{
	__u64 cost;
	int i, rc;

	for (i = 0; i < rounds_of(test); i++) {
		rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
		if (rc)
			return rc;
		add_sample(0, i, cost);
		rc = backend->unmap(BENCH_IOVA, test->length, &cost);
		if (rc)
			return rc;
		add_sample(1, i, cost);
	}
	return 0;
}

/* Memory that was read and never written to, before each round */
static int read_only_zeroes(const struct source *source)
{
	volatile const char *va = source->mem.va;
	size_t offset;

	if (madvise(source->mem.va, source->mem.length, MADV_DONTNEED))
		return -errno;
	for (offset = 0; offset < source->mem.length; offset += SMALL_PAGE)
		(void)va[offset];
	return memory_is_zero_page(source->mem.va, source->mem.length) ?
	       0 : -ENOMEM;
}

int run_zero_page(const struct test_case *test, const struct backend *backend,
		  const struct source *source)
{
	__u64 cost;
	int i, rc = 0;

	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = read_only_zeroes(source);
		if (!rc)
			rc = backend->map(source, 0, test->length, BENCH_IOVA,
					  &cost);
		if (rc)
			break;
		add_sample(0, i, cost);
		rc = backend->unmap(BENCH_IOVA, test->length, &cost);
		add_sample(1, i, cost);
	}
	return rc;
}

/* Fills a second page table with what the first one has. */
int run_second_table(const struct test_case *test,
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
		add_sample(0, i, cost);
		rc = backend->clear(&cost);
		add_sample(1, i, cost);
	}
	return rc;
}

/* Maps in another address space what is mapped already. */
int run_second_map(const struct test_case *test, const struct backend *backend,
		   const struct source *source)
{
	__u64 cost;
	int rc;

	if (!backend->add_space)
		return -EOPNOTSUPP;
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	if (!rc)
		rc = backend->add_space();
	return rc ?: run_map_unmap(test, backend, source);
}

int map_many(const struct test_case *test, const struct backend *backend,
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

int run_among_many(const struct test_case *test, const struct backend *backend,
		   const struct source *source)
{
	__u64 cost;
	int i, rc;

	rc = map_many(test, backend, source);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->map(source, 0, SMALL_PAGE, GAP_IOVA, &cost);
		if (rc)
			break;
		add_sample(0, i, cost);
		rc = backend->unmap(GAP_IOVA, SMALL_PAGE, &cost);
		add_sample(1, i, cost);
	}
	return rc;
}

int run_unmap_all(const struct test_case *test, const struct backend *backend,
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
		add_sample(0, i, cost);
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

/* Copies the same and unmaps it, again and again; @op and the next one. */
static int copy_and_unmap(const struct test_case *test,
			  const struct backend *backend, __u64 from, int op)
{
	__u64 cost;
	int i, rc = 0;

	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->copy(from, test->part, COPY_IOVA, &cost);
		if (rc)
			break;
		add_sample(op, i, cost);
		rc = backend->unmap(COPY_IOVA, test->part, &cost);
		add_sample(op + 1, i, cost);
	}
	return rc;
}

/*
 * Copies a part of the source, if not all of it from its middle on; and again
 * when each page has been copied once. Of the same memory, since where that
 * happens to be moves the figures, too.
 */
int run_copy(const struct test_case *test, const struct backend *backend,
	     const struct source *source)
{
	bool all = test->part == test->length;
	__u64 from = BENCH_IOVA + (all ? 0 : test->length / 2), cost;
	int rc;

	if (!backend->copy)
		return -EOPNOTSUPP;
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	if (!rc)
		rc = copy_and_unmap(test, backend, from, 0);
	if (!rc)
		rc = pin_each_page(test, backend);
	if (!rc)
		rc = copy_and_unmap(test, backend, from, 2);
	return rc;
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

int run_change_process(const struct test_case *test,
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
			add_sample(0, i, *cost);
	}
	munmap(cost, sizeof(*cost));
	return rc;
}

int run_idle(const struct test_case *test, const struct backend *backend,
	     const struct source *source)
{
	__u64 cost;
	int i, rc;

	for (i = 0; i < rounds_of(test); i++) {
		rc = backend->idle(&cost);
		if (rc)
			return rc;
		add_sample(0, i, cost);
	}
	return 0;
}
