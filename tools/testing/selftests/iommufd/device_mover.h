/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread that moves a device between two page tables, for as long as it may
 */
#ifndef DEVICE_MOVER_H
#define DEVICE_MOVER_H

#include <pthread.h>
#include <stdbool.h>

#include <linux/types.h>

struct vfio_dev;

struct mover {
	struct vfio_dev *dev;	/* attached to pts[1] */
	__u32 pts[2];
	unsigned int moves;
	int rc;			/* of the last move */
	bool stop;
	pthread_t thread;
};

/* Returns 0 or a negative errno. */
int mover_start(struct mover *mover);
unsigned int mover_moves(const struct mover *mover);
/* Returns what ended the moves before their time, or 0. */
int mover_stop(struct mover *mover);

#endif
