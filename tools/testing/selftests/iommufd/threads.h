/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls in threads of their own: one, which ends by itself, or a crowd, which
 * goes on until it is told to stop.
 */
#ifndef THREADS_H
#define THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <sys/types.h>

struct thread_call {
	int (*run)(void *data);
	void *data;
	pthread_t thread;
	pid_t tid;		/* of the thread, when it has begun */
	bool over;
	int rc;			/* of @run, when it is over */
};

/* Returns 0 or a negative errno. */
int thread_call_start(struct thread_call *call, int (*run)(void *data),
		      void *data);
bool thread_call_is_over(const struct thread_call *call);
/* Until its ioctl() sleeps; false if that does not come to pass. */
bool thread_call_wait_asleep(const struct thread_call *call);
/* The same of a ppoll() */
bool thread_call_wait_polling(const struct thread_call *call);
/* Waits for it no longer than what waits for nobody takes on any machine. */
bool thread_call_ends_soon(const struct thread_call *call);
/* Waits for it as long as it takes; returns what it has returned. */
int thread_call_end(struct thread_call *call);

#define CROWD_MAX 8

struct crowd {
	struct thread_call calls[CROWD_MAX];
	unsigned int nr;
	bool over;
};

/* One more; it has to ask now and then whether the crowd is over. */
int crowd_add(struct crowd *crowd, int (*run)(void *data), void *data);
bool crowd_is_over(const struct crowd *crowd);
/* Tells all of them and waits; returns the first error that one returned. */
int crowd_end(struct crowd *crowd);

/* What a crowd is there to do, so many times at least. Time tells nothing. */
struct goal {
	const char *what;
	unsigned long least;
	unsigned long times;	/* it has been done */
};

/* For whoever has done it, from any thread. */
void goal_count(struct goal *goal);
bool goal_is_reached(const struct goal *goal);
/* One that is not reached, or NULL */
const struct goal *goal_missed(const struct goal *goals, size_t nr);
/*
 * Waits until each is reached. Returns NULL, or one that is not: somebody of
 * the crowd has ended early, or nothing was done for longer than it may take on
 * any machine.
 */
const struct goal *crowd_reach(const struct crowd *crowd,
			       const struct goal *goals, size_t nr);

#endif
