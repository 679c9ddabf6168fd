// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "checked_io.h"
#include "test_support.h"
#include "threads.h"

#define PATIENCE 30

static void *run_call(void *data)
{
	struct thread_call *call = data;

	__atomic_store_n(&call->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	call->rc = call->run(call->data);
	__atomic_store_n(&call->over, true, __ATOMIC_RELEASE);
	return NULL;
}

int thread_call_start(struct thread_call *call, int (*run)(void *data),
		      void *data)
{
	call->run = run;
	call->data = data;
	call->tid = 0;
	call->over = false;
	return -pthread_create(&call->thread, NULL, run_call, call);
}

bool thread_call_is_over(const struct thread_call *call)
{
	return __atomic_load_n(&call->over, __ATOMIC_ACQUIRE);
}

/* The kernel tells no system call of who is running. */
static bool sleeps_in(pid_t tid, long system_call)
{
	char path[64], text[256], *end;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)tid);
	return !file_read(path, text, sizeof(text)) &&
	       strtol(text, &end, 10) == system_call && end != text;
}

static bool wait_asleep_in(const struct thread_call *call, long system_call)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	time_t end = monotonic_seconds() + patience(PATIENCE);

	while (!sleeps_in(__atomic_load_n(&call->tid, __ATOMIC_ACQUIRE),
			  system_call)) {
		if (thread_call_is_over(call) || monotonic_seconds() > end)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

bool thread_call_wait_asleep(const struct thread_call *call)
{
	return wait_asleep_in(call, SYS_ioctl);
}

bool thread_call_wait_polling(const struct thread_call *call)
{
	return wait_asleep_in(call, SYS_ppoll);
}

bool thread_call_ends_soon(const struct thread_call *call)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	time_t end = monotonic_seconds() + patience(PATIENCE);

	while (!thread_call_is_over(call)) {
		if (monotonic_seconds() > end)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

int thread_call_end(struct thread_call *call)
{
	int rc = pthread_join(call->thread, NULL);

	return rc ? -rc : call->rc;
}

int crowd_add(struct crowd *crowd, int (*run)(void *data), void *data)
{
	int rc;

	if (crowd->nr == CROWD_MAX)
		return -ENOSPC;
	rc = thread_call_start(&crowd->calls[crowd->nr], run, data);
	if (!rc)
		crowd->nr++;
	return rc;
}

bool crowd_is_over(const struct crowd *crowd)
{
	return __atomic_load_n(&crowd->over, __ATOMIC_RELAXED);
}

int crowd_end(struct crowd *crowd)
{
	int rc = 0, one;

	__atomic_store_n(&crowd->over, true, __ATOMIC_RELAXED);
	while (crowd->nr) {
		one = thread_call_end(&crowd->calls[--crowd->nr]);
		if (one)
			rc = one;
	}
	return rc;
}

void goal_count(struct goal *goal)
{
	__atomic_fetch_add(&goal->times, 1, __ATOMIC_RELAXED);
}

static unsigned long times_done(const struct goal *goal)
{
	return __atomic_load_n(&goal->times, __ATOMIC_RELAXED);
}

bool goal_is_reached(const struct goal *goal)
{
	return times_done(goal) >= goal->least;
}

const struct goal *goal_missed(const struct goal *goals, size_t nr)
{
	for (; nr; nr--, goals++)
		if (!goal_is_reached(goals))
			return goals;
	return NULL;
}

static bool is_complete(const struct crowd *crowd)
{
	unsigned int i;

	for (i = 0; i < crowd->nr; i++)
		if (thread_call_is_over(&crowd->calls[i]))
			return false;
	return true;
}

const struct goal *crowd_reach(const struct crowd *crowd,
			       const struct goal *goals, size_t nr)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	time_t end = monotonic_seconds() + patience(PATIENCE);
	unsigned long done, before = 0;
	const struct goal *missed;
	size_t i;

	for (;;) {
		done = 0;
		for (i = 0; i < nr; i++)
			done += times_done(&goals[i]);
		missed = goal_missed(goals, nr);
		if (!missed)
			return NULL;
		if (done != before)
			end = monotonic_seconds() + patience(PATIENCE);
		before = done;
		if (!is_complete(crowd) || monotonic_seconds() > end)
			return missed;
		nanosleep(&tick, NULL);
	}
}
