/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Another process that has got the file, and can take over what the test is
 * charged for: a child that does one step when it is told to, and tells what
 * came of it.
 */
#ifndef TAKEOVER_RIG_H
#define TAKEOVER_RIG_H

#include <sys/types.h>

#include "iommufd_lib.h"

/* What the other process may lock, if it has a limit */
#define TAKEOVER_LIMIT (128 * SMALL_PAGE)
/* Where map_page() puts the first page of the file */
#define TAKEOVER_IOVA (16 * MIB)

/* Whose limit what is pinned counts for */
enum account {
	NOBODY,			/* who may lock memory has no limit */
	BY_USER,
	BY_PROCESS,
};

/* Of the bytes that are pinned, how many count as locked? */
long locked_of(enum account account, long pinned);

/* Where a process maps the memory */
struct space {
	int iommufd;
	__u32 ioas;
};

int map_file(struct space space, int file, __u64 start, __u64 length,
	     __u64 iova);
/* The @n-th page of the file */
int map_page(struct space space, int file, unsigned long n);
/* A page of the process, beyond all pages of the file */
int map_private_memory(struct space space);

/* What the other process does; some of it takes an argument. */
enum step {
	CHANGE_PROCESS,
	PINNED,
	LOCKED,
	LIMIT,			/* what it may lock from now on, in bytes */
	UNMAP,			/* all */
	MAP_PAGE,		/* this one of the file */
};

struct other {
	pid_t pid;
	int requests;
	int answers;
};

int start_other(struct other *other, struct space space, int file,
		enum account account, unsigned int user);
/* What came of the step; -EPIPE if the process has ended. */
long ask_other(struct other *other, enum step step, long argument);
/* Returns what it gave to exit(), 0 also if there is none. */
int end_other(struct other *other);

#endif
