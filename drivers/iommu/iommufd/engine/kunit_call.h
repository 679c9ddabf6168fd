/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For KUnit tests: calls that wait for the test, in a thread of their own
 *
 * Whether a call waits can be told without waiting for it: it is a call that
 * sleeps for nothing else.
 */
#ifndef __IOMMUFD_KUNIT_CALL_H
#define __IOMMUFD_KUNIT_CALL_H

#include <linux/sched.h>
#include <linux/workqueue.h>

/**
 * struct kunit_call - a call in a thread of its own
 * @work: what runs it
 * @run: the call
 * @data: for @run
 * @task: the thread, once it has begun
 * @over: it has ended
 * @rc: what @run has returned, when it is over
 */
struct kunit_call {
	struct work_struct work;
	int (*run)(void *data);
	void *data;
	struct task_struct *task;
	bool over;
	int rc;
};

static inline void kunit_call_work(struct work_struct *work)
{
	struct kunit_call *call = container_of(work, struct kunit_call, work);

	WRITE_ONCE(call->task, current);
	call->rc = call->run(call->data);
	WRITE_ONCE(call->over, true);
}

static inline void kunit_call_start(struct kunit_call *call,
				    int (*run)(void *data), void *data)
{
	INIT_WORK(&call->work, kunit_call_work);
	call->run = run;
	call->data = data;
	call->task = NULL;
	call->over = false;
	schedule_work(&call->work);
}

/* Until it sleeps, or ends: false then */
static inline bool kunit_call_sleeps(const struct kunit_call *call)
{
	struct task_struct *task;

	for (;;) {
		task = READ_ONCE(call->task);
		if (READ_ONCE(call->over))
			return false;
		if (task && !task_is_running(task))
			break;
		schedule_timeout_uninterruptible(1);
	}
	/* It sleeps afterwards, too. */
	smp_rmb(); /* pairs with schedule() of the thread */
	return !READ_ONCE(call->over);
}

/* Waits for it; returns what it has returned. */
static inline int kunit_call_end(struct kunit_call *call)
{
	flush_work(&call->work);
	return call->rc;
}

#endif
