// SPDX-License-Identifier: GPL-2.0-only
/*
 * Have memory there before it is pinned, by several tasks at once
 *
 * Owns the helpers of one pin, which come and go while it is made. Called by
 * the sources. See the header for what helpers do, and what not.
 */
#include <linux/cpumask.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/vhost_task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/topology.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "populate.h"
#include "test_hooks.h"

/* Pages between two looks for missing memory: see the header. */
#define LOOK_NPAGES (SZ_256M >> PAGE_SHIFT)

/* Pages that a helper populates before it looks whether it has to stop */
#define PIECE_NPAGES (SZ_2M >> PAGE_SHIFT)

/*
 * More tasks would not be faster: they would wait for each other, in the
 * allocator and for memory.
 */
#define MAX_TASKS 16

#define NO_PAGE ULONG_MAX

static unsigned int pin_tasks;
module_param(pin_tasks, uint, 0644);
MODULE_PARM_DESC(pin_tasks,
		 "Tasks that clear what is pinned, at most: 0: 16, 1: the caller only (default: 0)");

/**
 * struct helper - a task that populates
 * @crew: of which it is one
 * @vtsk: the task, as it is stopped; NULL if it could not be made
 * @task: the same, as it is waited for; set when it runs
 * @pid: its number; set when it runs
 * @busy: index of the first page of the chunk that it is at, or NO_PAGE
 * @left: it has run, and takes no chunk any more
 *
 * The lock of the crew guards @busy and @left.
 */
struct helper {
	struct iommufd_crew *crew;
	struct vhost_task *vtsk;
	struct task_struct *task;
	struct pid *pid;
	unsigned long busy;
	bool left;
};

/**
 * struct iommufd_crew - helpers of one pin
 * @pinned: the object; there only as long as one of the helpers is busy
 * @ops: how it is populated
 * @end: index of the page in front of which the help ends
 * @chunk_npages: how many pages a chunk has
 * @nid: on which node helpers run, as far as the caller may
 * @lock: guards what follows, up to @progress
 * @next: index of the first page that nobody has taken yet
 * @nr_idle: in how many chunks in a row nothing was missing
 * @over: nobody takes a chunk any more
 * @failed: because of an error
 * @progress: woken when a helper is done with a chunk, or has left
 * @reap: ends what the caller could not wait for
 * @nr_helpers: how many helpers there is room for
 * @helpers: the helpers
 */
struct iommufd_crew {
	struct iommufd_pinned *pinned;
	const struct iommufd_populate_ops *ops;
	unsigned long end;
	unsigned long chunk_npages;
	int nid;
	spinlock_t lock;			/* see above */
	unsigned long next;
	unsigned int nr_idle;
	bool over;
	bool failed;
	wait_queue_head_t progress;
	struct work_struct reap;
	unsigned int nr_helpers;
	struct helper helpers[] __counted_by(nr_helpers);
};

static struct workqueue_struct *reap_queue;

/*
 * The end of the chunk that @first is in. Chunks are aligned, so that no large
 * page is in two of them.
 */
static unsigned long chunk_end(const struct iommufd_pinned *pinned,
			       unsigned long first, unsigned long end,
			       unsigned long chunk_npages)
{
	unsigned long address = (pinned->start >> PAGE_SHIFT) + first;

	return min(end, first + chunk_npages - address % chunk_npages);
}

static unsigned long crew_chunk_end(const struct iommufd_crew *crew,
				    unsigned long first)
{
	return chunk_end(crew->pinned, first, crew->end, crew->chunk_npages);
}

/* -- what helpers do, and the caller while he would have to wait -- */

static bool crew_take_chunk(struct iommufd_crew *crew, unsigned long *first,
			    unsigned long *end)
{
	lockdep_assert_held(&crew->lock);

	if (crew->over || crew->next == crew->end)
		return false;
	*first = crew->next;
	*end = crew_chunk_end(crew, *first);
	crew->next = *end;
	return true;
}

static void crew_note(struct iommufd_crew *crew, int rc, bool missed)
{
	guard(spinlock)(&crew->lock);
	if (rc) {
		crew->failed = true;
		crew->over = true;
	} else if (missed) {
		crew->nr_idle = 0;
	} else if (++crew->nr_idle > 2 * (crew->nr_helpers + 1)) {
		crew->over = true;
	}
}

static void crew_populate(struct iommufd_crew *crew, unsigned long first,
			  unsigned long end)
{
	unsigned long before = crew->ops->nr_missed(crew->pinned);
	unsigned long npages;
	int rc = 0;

	while (first != end && !rc && !READ_ONCE(crew->over)) {
		npages = min(end - first, PIECE_NPAGES);
		rc = crew->ops->populate(crew->pinned, first, npages);
		first += npages;
		cond_resched();
	}
	crew_note(crew, rc, crew->ops->nr_missed(crew->pinned) != before);
}

static bool crew_populate_next(struct iommufd_crew *crew)
{
	unsigned long first, end;
	bool taken;

	spin_lock(&crew->lock);
	taken = crew_take_chunk(crew, &first, &end);
	spin_unlock(&crew->lock);
	if (taken)
		crew_populate(crew, first, end);
	return taken;
}

/*
 * A helper has the caller's memory policy. If that says nothing, pages come
 * from the node where the task runs, so let it run on the node of the caller's
 * first pages.
 */
static void helper_choose_processors(struct helper *helper)
{
	cpumask_var_t cpus;

	if (num_online_nodes() == 1 || !alloc_cpumask_var(&cpus, GFP_KERNEL))
		return;
	if (cpumask_and(cpus, current->cpus_ptr,
			cpumask_of_node(helper->crew->nid)))
		set_cpus_allowed_ptr(current, cpus);
	free_cpumask_var(cpus);
}

static bool helper_take_chunk(struct helper *helper, unsigned long *first,
			      unsigned long *end)
{
	guard(spinlock)(&helper->crew->lock);
	if (!crew_take_chunk(helper->crew, first, end))
		return false;
	helper->busy = *first;
	return true;
}

static void helper_be_idle(struct helper *helper, bool left)
{
	struct iommufd_crew *crew = helper->crew;

	spin_lock(&crew->lock);
	helper->busy = NO_PAGE;
	helper->left = left;
	spin_unlock(&crew->lock);
	/* The crew is there until this task has been stopped. */
	wake_up(&crew->progress);
}

static void helper_arrive(struct helper *helper)
{
	helper->task = get_task_struct(current);
	helper->pid = get_pid(task_pid(current));
}

/* Returns false if there is nothing to do: it sleeps until it is stopped. */
static bool helper_work(void *data)
{
	struct helper *helper = data;
	unsigned long first, end;

	if (!helper->task) {
		/* vhost_task calls this with the task set up to sleep. */
		__set_current_state(TASK_RUNNING);
		helper_arrive(helper);
		helper_choose_processors(helper);
		return true;
	}
	if (!helper_take_chunk(helper, &first, &end)) {
		helper_be_idle(helper, true);
		return false;
	}
	__set_current_state(TASK_RUNNING);
	crew_populate(helper->crew, first, end);
	helper_be_idle(helper, false);
	return true;
}

/*
 * Called when the helper was killed: helper_work() neither runs now nor will be
 * called again.
 */
static void helper_killed(void *data)
{
	struct helper *helper = data;

	if (!helper->task)
		helper_arrive(helper);
	helper_be_idle(helper, true);
}

/* -- helpers come and go -- */

static bool crew_add_helper(struct iommufd_crew *crew, struct helper *helper)
{
	struct vhost_task *vtsk;

	if (iommufd_should_fail())
		return false;
	vtsk = vhost_task_create(helper_work, helper_killed, helper,
				 "iommufd-pin");
	if (IS_ERR(vtsk))
		return false;
	helper->vtsk = vtsk;
	vhost_task_start(vtsk);
	return true;
}

/*
 * Returns false if no helper could be made. A pending signal would keep the
 * tasks from being made; it is blocked meanwhile, since its handler has to wait
 * for the end of the call anyway.
 */
static bool crew_add_helpers(struct iommufd_crew *crew)
{
	unsigned int nr = 0;
	sigset_t all, old;

	siginitsetinv(&all, sigmask(SIGKILL) | sigmask(SIGSTOP));
	sigprocmask(SIG_BLOCK, &all, &old);
	while (nr != crew->nr_helpers &&
	       crew_add_helper(crew, &crew->helpers[nr]))
		nr++;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return nr;
}

static bool crew_is_busy(struct iommufd_crew *crew)
{
	unsigned int i;

	guard(spinlock)(&crew->lock);
	for (i = 0; i != crew->nr_helpers; i++) {
		if (crew->helpers[i].busy != NO_PAGE)
			return true;
	}
	return false;
}

static bool crew_has_left(struct iommufd_crew *crew)
{
	unsigned int i;

	guard(spinlock)(&crew->lock);
	for (i = 0; i != crew->nr_helpers; i++) {
		if (crew->helpers[i].vtsk && !crew->helpers[i].left)
			return false;
	}
	return true;
}

/*
 * Wait until the helper is off the list of threads. Otherwise a program with
 * one thread could have two when the call returns, and what only such a program
 * may do would fail. Only a debugger can make that last, hence the timeout.
 */
static void helper_stop(struct helper *helper)
{
	vhost_task_stop(helper->vtsk);
	wait_event_timeout(helper->pid->wait_pidfd, !pid_alive(helper->task),
			   HZ);
	put_pid(helper->pid);
	put_task_struct(helper->task);
}

/* All helpers have left, so that none has to be waited for. */
static void crew_free(struct iommufd_crew *crew)
{
	unsigned int i;

	for (i = 0; i != crew->nr_helpers && crew->helpers[i].vtsk; i++)
		helper_stop(&crew->helpers[i]);
	kfree(crew);
}

static void crew_reap(struct work_struct *work)
{
	struct iommufd_crew *crew =
		container_of(work, struct iommufd_crew, reap);

	wait_event_idle(crew->progress, crew_has_left(crew));
	crew_free(crew);
}

/*
 * The caller may hold locks. A helper that is stopped or frozen with the
 * process does not leave before the process goes on, so only those that are
 * populating a chunk are waited for. A worker waits for the rest.
 */
void __iommufd_crew_end(struct iommufd_crew *crew)
{
	spin_lock(&crew->lock);
	crew->over = true;
	spin_unlock(&crew->lock);
	wait_event(crew->progress, !crew_is_busy(crew));
	if (wait_event_interruptible(crew->progress, crew_has_left(crew)))
		queue_work(reap_queue, &crew->reap);
	else
		crew_free(crew);
}

static unsigned int crew_count_processors(int nid)
{
	unsigned int nr = 0;

	if (num_online_nodes() > 1)
		nr = cpumask_weight_and(current->cpus_ptr,
					cpumask_of_node(nid));
	return nr ?: cpumask_weight_and(current->cpus_ptr, cpu_online_mask);
}

static unsigned int crew_choose_size(int nid, unsigned long nr_chunks)
{
	unsigned int max = READ_ONCE(pin_tasks) ?: MAX_TASKS;

	return min3(max, crew_count_processors(nid), nr_chunks);
}

/* Returns NULL if there can be no helpers. */
static struct iommufd_crew *crew_begin(const struct iommufd_pin_steps *steps,
				       int nid)
{
	unsigned long first = steps->limit, chunk_npages = IOMMUFD_CHUNK_NPAGES;
	unsigned long end = steps->ops->end(steps->pinned, first, steps->end,
					    &chunk_npages);
	unsigned int nr_tasks =
		crew_choose_size(nid, (end - first) / chunk_npages);
	struct iommufd_crew *crew;
	unsigned int i;

	if (nr_tasks < 2 || iommufd_should_fail())
		return NULL;
	crew = kzalloc_flex(*crew, helpers, nr_tasks - 1,
			    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!crew)
		return NULL;

	crew->pinned = steps->pinned;
	crew->ops = steps->ops;
	crew->end = end;
	crew->chunk_npages = chunk_npages;
	crew->nid = nid;
	spin_lock_init(&crew->lock);
	crew->next = first;
	init_waitqueue_head(&crew->progress);
	INIT_WORK(&crew->reap, crew_reap);
	crew->nr_helpers = nr_tasks - 1;
	for (i = 0; i != crew->nr_helpers; i++)
		crew->helpers[i] = (struct helper){
			.crew = crew,
			.busy = NO_PAGE,
		};
	if (!crew_add_helpers(crew)) {
		kfree(crew);
		return NULL;
	}
	return crew;
}

/* -- what the caller does -- */

void __iommufd_pin_steps_begin(struct iommufd_pin_steps *steps)
{
	/*
	 * vhost tasks made by one of these would not be threads of a process.
	 */
	if (current->flags & (PF_KTHREAD | PF_USER_WORKER | PF_EXITING)) {
		steps->limit = steps->end;
		return;
	}
	steps->nr_missed = steps->ops->nr_missed(steps->pinned);
	steps->is_look = true;
}

static void steps_go_alone(struct iommufd_pin_steps *steps)
{
	steps->limit += min(steps->end - steps->limit, LOOK_NPAGES);
	steps->is_look = false;
	steps->nr_missed = steps->ops->nr_missed(steps->pinned);
}

/* Let the next step end with the next whole chunk, and look there. */
static void steps_look_closer(struct iommufd_pin_steps *steps)
{
	unsigned long first = steps->limit, npages = IOMMUFD_CHUNK_NPAGES;

	steps->ops->end(steps->pinned, first, steps->end, &npages);
	first = chunk_end(steps->pinned, first, steps->end, npages);
	steps->limit = first + min(steps->end - first, npages);
	steps->is_look = true;
	steps->nr_missed = steps->ops->nr_missed(steps->pinned);
}

static void steps_look(struct iommufd_pin_steps *steps,
		       const struct iommufd_run_builder *runs)
{
	unsigned long pfn = iommufd_run_pfn(runs->tail);

	if (steps->ops->nr_missed(steps->pinned) == steps->nr_missed) {
		steps_go_alone(steps);
	} else if (!steps->is_look) {
		steps_look_closer(steps);
	} else {
		steps->crew = crew_begin(steps, page_to_nid(pfn_to_page(pfn)));
		if (!steps->crew)
			steps_go_alone(steps);
	}
}

enum chunk_state {
	CHUNK_BUSY,		/* a helper is at it */
	CHUNK_FREE,		/* the caller can pin it */
	CHUNK_NONE,		/* the help is over */
	CHUNK_FAILED,		/* by an error */
};

/* The state of the chunk that begins at @first */
static enum chunk_state crew_look_at(struct iommufd_crew *crew,
				     unsigned long first)
{
	unsigned int i;

	guard(spinlock)(&crew->lock);
	if (first == crew->next) {
		if (crew->failed)
			return CHUNK_FAILED;
		if (crew->over || first == crew->end)
			return CHUNK_NONE;
		/* No helper has taken it: take it for the caller. */
		crew->next = crew_chunk_end(crew, first);
		return CHUNK_FREE;
	}
	for (i = 0; i != crew->nr_helpers; i++) {
		if (crew->helpers[i].busy == first)
			return CHUNK_BUSY;
	}
	return CHUNK_FREE;
}

static enum chunk_state crew_wait_for(struct iommufd_crew *crew,
				      unsigned long first)
{
	enum chunk_state state;

	while ((state = crew_look_at(crew, first)) == CHUNK_BUSY) {
		if (!crew_populate_next(crew))
			wait_event(crew->progress,
				   crew_look_at(crew, first) != CHUNK_BUSY);
	}
	return state;
}

static void steps_follow_crew(struct iommufd_pin_steps *steps)
{
	struct iommufd_crew *crew = steps->crew;
	enum chunk_state state = crew_wait_for(crew, steps->limit);

	if (state == CHUNK_FREE) {
		steps->limit = crew_chunk_end(crew, steps->limit);
		return;
	}
	steps->crew = NULL;
	__iommufd_crew_end(crew);
	steps_go_alone(steps);
	/*
	 * Go on without helpers: pinning meets the same error, or it is gone.
	 */
	if (state == CHUNK_FAILED)
		steps->limit = steps->end;
}

/* Called when a step has been pinned and the range goes on. */
void __iommufd_pin_steps_next(struct iommufd_pin_steps *steps,
			      const struct iommufd_run_builder *runs)
{
	if (!steps->crew)
		steps_look(steps, runs);
	if (steps->crew)
		steps_follow_crew(steps);
}

int iommufd_populate_init(void)
{
	reap_queue = alloc_workqueue("iommufd_reap", WQ_UNBOUND, 0);
	return reap_queue ? 0 : -ENOMEM;
}

void iommufd_populate_exit(void)
{
	destroy_workqueue(reap_queue);
}
