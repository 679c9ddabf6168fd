// SPDX-License-Identifier: GPL-2.0-only
/* The memory of a case. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

void source_free(struct source *source)
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

int source_alloc(struct source *source, const struct test_case *test)
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
		rc = memory_alloc_file(&source->mem, test->kind, test->length,
				       &source->fd);
	if (test->by_address && !rc) {
		close(source->fd);
		source->fd = -1;
	}
	if (test->file)
		return rc;
	if (test->kind == PAGES_SMALL)
		return alloc_in_order(&source->mem, test->length);
	return memory_alloc(&source->mem, test->kind, test->length);
}

void source_show(const struct source *source, const struct test_case *test)
{
	if (!test->length)
		return;
	fprintf(stderr,
		"%s: %zu KiB, %ld in huge pages, in %ld pieces of memory\n",
		test->name, source->mem.length / KIB,
		memory_huge_bytes(source->mem.va, source->mem.length) / KIB,
		memory_pieces(source->mem.va, source->mem.length));
}
