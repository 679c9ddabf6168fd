// SPDX-License-Identifier: GPL-2.0-only
#include "device_mover.h"
#include "vfio_device.h"

static void *move_to_and_fro(void *argument)
{
	struct mover *mover = argument;

	while (!__atomic_load_n(&mover->stop, __ATOMIC_RELAXED) &&
	       !mover->rc) {
		mover->rc = vfio_attach(mover->dev,
					mover->pts[mover->moves % 2]);
		__atomic_fetch_add(&mover->moves, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int mover_start(struct mover *mover)
{
	mover->moves = 0;
	mover->rc = 0;
	mover->stop = false;
	return -pthread_create(&mover->thread, NULL, move_to_and_fro, mover);
}

unsigned int mover_moves(const struct mover *mover)
{
	return __atomic_load_n(&mover->moves, __ATOMIC_RELAXED);
}

int mover_stop(struct mover *mover)
{
	__atomic_store_n(&mover->stop, true, __ATOMIC_RELAXED);
	pthread_join(mover->thread, NULL);
	return mover->rc;
}
