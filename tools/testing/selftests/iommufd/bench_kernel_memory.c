// SPDX-License-Identifier: GPL-2.0-only
/* Cases: the kernel's memory, and what is counted of the process's. */
#include <errno.h>

#include "bench.h"
#include "counters.h"

#define NR_SPACES 16

long all_memory;

__u64 slab_of(const struct kernel_memory *memory)
{
	return memory->slab;
}

__u64 charged(const struct kernel_memory *memory)
{
	return memory->charged;
}

/* The former counts pages, the latter bytes, and not all is in slabs. */
__u64 beyond_tables(const struct kernel_memory *memory)
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
int run_memory(const struct test_case *test, const struct backend *backend,
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
		add_sample(0, test->unit == PERCENT_OF_ALL ? !i : i,
			   test->usage(&added));
	}
	memory_group_leave();
	return rc;
}

/* The same, of what another address space of the same file has mapped already */
int run_memory_of_second(const struct test_case *test,
			 const struct backend *backend,
			 const struct source *source)
{
	__u64 cost;
	int rc;

	if (!backend->add_space)
		return -EOPNOTSUPP;
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost) ?:
	     backend->add_space();
	return rc ?: run_memory(test, backend, source);
}

static int map_in_spaces(const struct test_case *test,
			 const struct backend *backend,
			 const struct source *source)
{
	__u64 cost;
	int i, rc;

	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	for (i = 1; i < NR_SPACES && !rc; i++) {
		rc = backend->add_space();
		if (!rc)
			rc = backend->map(source, 0, test->length, BENCH_IOVA,
					  &cost);
	}
	return rc;
}

/* How much of the same memory is counted as pinned, in several address spaces */
int run_counted(const struct test_case *test, const struct backend *backend,
		const struct source *source)
{
	long before = vm_pinned();
	int rc;

	if (!backend->add_space)
		return -EOPNOTSUPP;
	rc = map_in_spaces(test, backend, source);
	if (!rc)
		add_sample(0, 1, vm_pinned() - before);
	return rc;
}
