/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of mock_model_test.c share: the model, the calls that change it
 * and the kernel alike, and what both are compared by. Checks and calls return
 * whether kernel and model agree; if not, the world has a complaint.
 */
#ifndef MOCK_MODEL_H
#define MOCK_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/compiler.h>
#include <linux/types.h>

#include "mock_lib.h"
#include "pages.h"

/* What IOVA, lengths and offsets are counted in. */
#define SLOT MOCK_PAGE_SIZE
/* All that happens is in here; the first slots are no place for a device. */
#define WINDOW (MOCK_APERTURE_START - 16 * SLOT)
#define SLOTS 4096U

#define IOASES 3
#define MAX_AREAS 96
#define DOMAINS 2
#define ACCESSES 2
#define ITEMS 16
#define BUFFERS 5
/* Of the largest buffer, in pages */
#define MAX_PAGES (4 * MIB / SMALL_PAGE)

struct buffer {
	char *va;
	size_t length;
	int fd;			/* that it is of, or -1 */
	size_t folio;		/* so many bytes have their pins together */
};

/*
 * A map of [start, last]; copies of a map share what it pinned, and may be
 * writable if it is, also when they are copies of copies that are not.
 */
struct area {
	__u64 start, last;
	const struct buffer *buffer;
	size_t offset;
	bool file;		/* mapped as one, not by its address */
	bool writable;
	bool may_write;
	unsigned int map;
};

struct domain {
	struct mock_device device;
	bool own_table;		/* that the device was not alone to choose */
};

struct address_space {
	__u32 id;
	struct area areas[MAX_AREAS];	/* ascending */
	int area_count;
	struct domain domains[DOMAINS];
	int domain_count;
	bool small_pages;
};

struct access {
	int fd;			/* -1: none */
	bool pins;
	struct address_space *ioas;
};

/* What an access has pinned. */
struct item {
	struct access *access;	/* NULL: none */
	__u32 id;
	__u64 start, last;
};

struct world {
	int iommufd;
	struct address_space ioases[IOASES];
	struct access accesses[ACCESSES];
	struct item items[ITEMS];
	const struct buffer *buffers;
	unsigned int maps;
	unsigned long worked;	/* so many calls */
	__u32 random;
	char call[160];		/* the last one */
	int rc;			/* what it gave */
	char complaint[200];	/* and what was wrong with it */
};

/* Random numbers of the call; chance() is true once in so many calls. */
__u32 below(struct world *world, __u32 limit);
bool chance(struct world *world, __u32 of);
/* Returns false. */
bool __printf(2, 3) complain(struct world *world, const char *format, ...);
/* What the call is, for whoever has to find out why it went wrong */
void __printf(2, 3) say(struct world *world, const char *format, ...);

/* Which errors a call may give: which of them comes first is not said. */
struct outcome {
	int errors[8];
	int count;
};

void may_give(struct outcome *outcome, int error, bool when);
bool is_expected(struct world *world, const struct outcome *outcome, int rc);

__u64 length_of(const struct area *area);
char *memory_of(const struct area *area);
unsigned long number_of(const struct world *world,
			const struct address_space *ioas);
/* The first area that does not end before @iova, or the number of areas. */
int first_area(const struct address_space *ioas, __u64 iova);
bool is_empty(const struct address_space *ioas, __u64 start, __u64 last);
bool is_covered(const struct address_space *ioas, __u64 start, __u64 last);
bool has_read_only(const struct address_space *ioas, __u64 start, __u64 last);
bool may_write(const struct area *areas, int count);
/* The part of an area that is inside [start, last], at the IOVA it has. */
struct area part_of(const struct area *area, __u64 start, __u64 last);
/* The pieces of [start, start + length) moved to @target. */
int cut_pieces(const struct address_space *ioas, __u64 start, __u64 length,
	       __u64 target, struct area *pieces);
void add_area(struct address_space *ioas, const struct area *area);
void remove_areas(struct address_space *ioas, __u64 start, __u64 last);
/* An access lets go of each item that has a byte of the range. */
void drop_items(struct world *world, const struct address_space *ioas,
		__u64 start, __u64 last);
void drop_items_of(struct world *world, const struct access *access);
__u64 alignment_of(const struct world *world,
		   const struct address_space *ioas);
bool is_aligned(const struct area *area, __u64 alignment);
bool all_aligned(const struct address_space *ioas, __u64 alignment);
bool is_in_aperture(__u64 start, __u64 last);
bool all_in_aperture(const struct address_space *ioas);

struct address_space *some_ioas(struct world *world);
size_t some_length(struct world *world, size_t most);
/* Begins in some area; half of them are a whole one. False if there is none. */
bool some_mapped_range(struct world *world,
		       const struct address_space *ioas, __u64 *start,
		       __u64 *length);

/* What the page tables of the mock devices say */
bool check_area(struct world *world, const struct address_space *ioas,
		const struct area *area);
bool check_some_hole(struct world *world, const struct address_space *ioas);
bool check_holes(struct world *world, const struct address_space *ioas,
		 __u64 start, __u64 last);
bool check_domain(struct world *world, const struct address_space *ioas);
/* All of that, and who holds pins */
bool check_world(struct world *world);

/* Calls. One that makes no sense, as the world is, is not made. */
bool try_map(struct world *world);
bool try_map_anywhere(struct world *world);
bool try_copy(struct world *world);
bool try_unmap(struct world *world);
bool try_unmap_all(struct world *world);
bool try_option(struct world *world);
bool try_attach(struct world *world);
bool try_detach(struct world *world);
bool try_replace(struct world *world);
bool try_access(struct world *world);
bool try_access_replace(struct world *world);
bool try_pin(struct world *world);
bool try_unpin(struct world *world);
bool try_rw(struct world *world);

#endif
