/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a thread of stress_test does: steps, each of which is a call or a few, of
 * arguments by chance.
 */
#ifndef STRESS_STEPS_H
#define STRESS_STEPS_H

#include <pthread.h>
#include <stdbool.h>

#include "mock_lib.h"

#define IOASES 3
#define PROCESSES 3
#define THREADS 2

/* Of each process, and of the file that they share. */
#define MEMORY (8 * MIB)
#define FILE_MEMORY (4 * MIB)
/* From here on the steps choose where to map and unmap. */
#define IOVA (MOCK_APERTURE_START + MIB)

enum step {
	STEP_MAP,
	STEP_MAP_LARGE,
	STEP_MAP_ANYWHERE,
	STEP_MAP_FILE,
	STEP_COPY,
	STEP_UNMAP,
	STEP_UNMAP_ALL,
	STEP_ATTACH,
	STEP_DETACH,
	STEP_REPLACE,
	STEP_ACCESS_OPEN,
	STEP_ACCESS_CLOSE,
	STEP_ACCESS_MOVE,
	STEP_ACCESS_PIN,
	STEP_ACCESS_UNPIN,
	STEP_ACCESS_READ,
	STEP_ACCESS_WRITE,
	STEP_OWN_IOAS,
	STEP_POPULATE,
	STEP_DISCARD,
	STEP_COLLAPSE,
	STEP_PAGE_OUT,
	STEP_PROTECT,
	STEP_MERGE,
	STEP_MAP_OVER,
	STEP_MOVE,
	STEP_PUNCH_HOLE,
	STEP_FORK,
	STEPS,
};

/* What all processes see. */
struct arena {
	bool over;
	__u32 stdevs[PROCESSES][THREADS];	/* 0: none */
	unsigned long tried[STEPS];
	unsigned long worked[STEPS];
	unsigned long done[PROCESSES][THREADS];	/* calls that worked */
	int unexpected;		/* an error that a call may not give */
	enum step culprit;
};

/* One of the threads. */
struct worker {
	struct arena *arena;
	int iommufd;
	const __u32 *ioases;
	char *memory;		/* of this process */
	char *parking;		/* room for this thread, as large */
	int file;
	__u32 random;
	__u32 *stdev;		/* whom it has attached, in the arena */
	unsigned long *done;	/* the same */
	int access;		/* -1: none */
	__u32 pinned;		/* the access's number for it */
	bool has_pinned;
	pthread_t thread;
};

const char *step_name(enum step step);
/* Some steps come more often than others. */
enum step some_step(struct worker *worker);
/* Counts it, and notes an error that it may not give. */
void take_step(struct worker *worker, enum step step);
/* Lets go of the device and of the access that the worker has. */
void end_steps(struct worker *worker);

#endif
