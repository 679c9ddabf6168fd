/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of every page size. Functions return 0, or what their comment says,
 * or a negative errno.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>
#include <stddef.h>

#define KIB 1024UL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SMALL_PAGE (4 * KIB)
#define FOLIO_64K (64 * KIB)
#define HUGE_PAGE (2 * MIB)

enum page_kind {
	PAGES_SMALL,		/* 4 KiB, never collapsed */
	PAGES_SMALL_RANDOM,	/* the same, first touched in random order */
	PAGES_64K,		/* folios of 64 KiB by small entries, the same */
	PAGES_THP,		/* transparent huge pages */
	PAGES_HUGETLB,		/* 2 MiB pages from the kernel's pool */
};

struct memory {
	char *va;		/* aligned to the pages of this kind */
	size_t length;
	enum page_kind kind;
};

/*
 * Private anonymous memory, present and zero. Fails with -ENOMEM when not all
 * of it could be had in pages of this kind.
 */
int memory_alloc(struct memory *mem, enum page_kind kind, size_t length);
void memory_free(struct memory *mem);
/* Bytes of the range that huge pages map in the process. */
long memory_huge_bytes(const void *va, size_t length);
/* Is all of it the page of zeroes that all processes share? Needs root. */
bool memory_is_zero_page(const void *va, size_t length);
/* In which frames pages are, if all are present. Needs root. */
int page_frames(const void *va, __u64 *frames, size_t count);
/* Where it is in the machine, if it is present. Needs root. */
int memory_phys(const void *va, unsigned long long *phys);
/*
 * Has the kernel take all of it, which is there, out of memory: -EBUSY if some
 * stays, which without swap is no error. Needs root.
 */
int memory_page_out(void *va, size_t length);
/* Into how many pieces of physically contiguous memory it falls. Needs root. */
long memory_pieces(const void *va, size_t length);
/*
 * For a file of sysfs that has words to choose from: @before receives the one
 * that was chosen.
 */
int setting_choose(const char *path, const char *word, char before[16]);
/*
 * Sees to it that so much of the pool of 2 MiB pages is free; what this added
 * to the pool, release takes out of it again.
 */
int hugetlb_reserve(size_t length);
void hugetlb_release(void);

/* A file in memory, without pages; @huge: of 2 MiB pages of the pool. */
int memfd_alloc(size_t length, bool huge);
/*
 * The same as memory_alloc(), but of a new file in memory that is mapped
 * shared. *fd is that file.
 */
int memory_alloc_file(struct memory *mem, enum page_kind kind, size_t length,
		      int *fd);

/* Fills memory with bytes that depend on @seed and on the place. */
void pattern_fill(void *va, size_t length, unsigned int seed);
bool pattern_matches(const void *va, size_t length, unsigned int seed);
/* The same byte everywhere? */
bool memory_is(const void *va, unsigned char byte, size_t length);

#endif
