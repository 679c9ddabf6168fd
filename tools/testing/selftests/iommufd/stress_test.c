// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads of several processes on the same IOASes, while their memory is
 * discarded, collapsed, split, moved, swapped out, unmapped and forked, and while
 * processes exit or are killed. A call may lose against another and say so, but
 * what nobody unmaps stays as it is, and in the end nothing is left behind.
 *
 *   STRESS_TURNS=n   how long: turns of a hundred calls and more, of each variant
 *   SEED=n           of what the threads choose
 */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "stress_steps.h"
#include "test_support.h"

#define TURNS 8
#define CALLS_PER_TURN 100
/* In seconds: whoever does nothing for so long, never will. */
#define PATIENCE 30

/* What is mapped here stays. */
#define STABLE_IOVA MOCK_APERTURE_START
#define STABLE_LENGTH (64 * SMALL_PAGE)

/* -- processes -- */

struct process {
	struct worker workers[THREADS];
	pid_t pid;
};

static void *work(void *argument)
{
	struct worker *worker = argument;

	while (!__atomic_load_n(&worker->arena->over, __ATOMIC_RELAXED))
		take_step(worker, some_step(worker));
	end_steps(worker);
	return NULL;
}

static char *own_memory(void)
{
	char *va = address_room(MEMORY, HUGE_PAGE);

	if (!va || madvise(va, MEMORY, MADV_POPULATE_WRITE))
		_exit(KSFT_FAIL);
	return va;
}

static char *own_parking(void)
{
	char *va = address_room(HUGE_PAGE, HUGE_PAGE);

	if (!va)
		_exit(KSFT_FAIL);
	return va;
}

static void start_workers(struct process *process, const struct worker *pattern,
			  int number, __u32 seed)
{
	char *memory = own_memory();
	int i;

	for (i = 0; i < THREADS; i++) {
		struct worker *worker = &process->workers[i];

		*worker = *pattern;
		worker->stdev = &worker->arena->stdevs[number][i];
		worker->done = &worker->arena->done[number][i];
		worker->memory = memory;
		worker->parking = own_parking();
		worker->access = -1;
		worker->random = seed_of_part(seed, i);
		if (pthread_create(&worker->thread, NULL, work, worker))
			_exit(KSFT_FAIL);
	}
}

static void join_workers(struct process *process)
{
	int i;

	for (i = 0; i < THREADS; i++)
		pthread_join(process->workers[i].thread, NULL);
}

static int spawn(struct process *process, const struct worker *pattern,
		 int number, __u32 seed)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	/* the child shares the fixture */
	if (pid) {
		process->pid = pid;
		return 0;
	}
	start_workers(process, pattern, number, seed);
	join_workers(process);
	_exit(0);
}

/* What does not change while they run. */
struct stage {
	int iommufd;
	__u32 ioases[IOASES];
	struct mock_device device;	/* on the first IOAS, all the time */
	int access;			/* the same */
	char *stable;
	struct arena *arena;
	struct process processes[PROCESSES];
	struct worker pattern;
};

/* -- what goes on in the system meanwhile -- */

/* Each may be missing in this kernel; the memory does not care who moves it. */
static void disturb(unsigned int turn)
{
	static const char *const disturbances[][2] = {
		{ "/proc/sys/vm/compact_memory", "1" },
		{ "/sys/kernel/debug/split_huge_pages", "1" },
		{ "/sys/fs/cgroup/memory.reclaim", "16M" },
		{ "/proc/sys/vm/drop_caches", "3" },
	};
	const char *const *it = disturbances[turn % ARRAY_SIZE(disturbances)];

	file_write(it[0], it[1]);
}

FIXTURE(stress)
{
	long pins;
	struct stage stage;
};

FIXTURE_VARIANT(stress)
{
	size_t limit;		/* of locked memory, or 0 */
};

FIXTURE_VARIANT_ADD(stress, without_limits)
{
	.limit = 0,
};

FIXTURE_VARIANT_ADD(stress, with_a_limit_that_is_met)
{
	.limit = 24 * MIB,
};

FIXTURE_SETUP(stress)
{
	struct stage *stage = &self->stage;
	struct memory mem;
	int i;

	self->pins = pins_held();
	stage->iommufd = iommufd_open();
	ASSERT_LE(0, stage->iommufd);
	for (i = 0; i < IOASES; i++)
		ASSERT_EQ(0, ioas_alloc(stage->iommufd, &stage->ioases[i]));
	if (!mock_available(stage->iommufd))
		SKIP(return, "the kernel has no test device");
	ASSERT_EQ(0, mock_domain(stage->iommufd, stage->ioases[0],
				 &stage->device));
	if (variant->limit) {
		ASSERT_EQ(0, limit_memlock(variant->limit));
		ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	}
	stage->access = mock_access(stage->iommufd, stage->ioases[0], 0);
	ASSERT_LE(0, stage->access);
	stage->arena = mmap(NULL, sizeof(*stage->arena),
			    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_NE(MAP_FAILED, stage->arena);
	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, STABLE_LENGTH));
	stage->stable = mem.va;
	stage->pattern = (struct worker){
		.arena = stage->arena,
		.iommufd = stage->iommufd,
		.ioases = stage->ioases,
		.file = memfd_alloc(FILE_MEMORY, false),
	};
	ASSERT_LE(0, stage->pattern.file);
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	file_write("/sys/kernel/mm/ksm/run", "1");
}

FIXTURE_TEARDOWN_PARENT(stress)
{
	file_write("/sys/kernel/mm/ksm/run", "2");
	EXPECT_EQ(self->pins, pins_held());
}

/* Is what nobody touches still what the page table, and an access, see? */
static bool is_stable(struct stage *stage)
{
	static char bytes[STABLE_LENGTH];
	int rc;

	rc = mock_check_map(stage->iommufd, stage->device.hwpt, STABLE_IOVA,
			    STABLE_LENGTH, stage->stable);
	if (rc)
		return false;
	rc = mock_access_rw(stage->iommufd, stage->access, 0, STABLE_IOVA,
			    STABLE_LENGTH, bytes);
	return !rc && pattern_matches(bytes, STABLE_LENGTH, 1);
}

/* What it has attached stays attached, until somebody detaches it. */
static void kill_process(struct stage *stage, int number)
{
	__u32 *stdevs = stage->arena->stdevs[number];
	int i;

	kill(stage->processes[number].pid, SIGKILL);
	waitpid(stage->processes[number].pid, NULL, 0);
	for (i = 0; i < THREADS; i++) {
		if (stdevs[i])
			iommufd_destroy(stage->iommufd, stdevs[i]);
		stdevs[i] = 0;
		stage->arena->done[number][i] = 0;
	}
}

/*
 * A process may have been killed before it could say what it had made. IOASes
 * go only after the devices that are attached to them.
 */
static int destroy_everything(int iommufd)
{
	int pass, left = 0;
	__u32 id;

	for (pass = 0; pass < 3; pass++) {
		left = 0;
		for (id = 1; id < 4096; id++)
			if (iommufd_destroy(iommufd, id) == -EBUSY)
				left++;
	}
	return left;
}

static unsigned int turns(void)
{
	const char *text = getenv("STRESS_TURNS");
	int often = affordable(TURNS);

	if (text)
		return strtoul(text, NULL, 0);
	/* with every fourth one a process ends */
	return often < 4 ? 4 : often;
}

static unsigned long calls_tried(const struct arena *arena)
{
	unsigned long calls = 0;
	enum step step;

	for (step = 0; step < STEPS; step++)
		calls += __atomic_load_n(&arena->tried[step], __ATOMIC_RELAXED);
	return calls;
}

static bool each_has_done_something(const struct arena *arena, int number)
{
	int i;

	for (i = 0; i < THREADS; i++)
		if (!__atomic_load_n(&arena->done[number][i], __ATOMIC_RELAXED))
			return false;
	return true;
}

static bool each_step_has_worked(const struct arena *arena)
{
	enum step step;

	for (step = 0; step < STEPS; step++)
		if (!__atomic_load_n(&arena->worked[step], __ATOMIC_RELAXED))
			return false;
	return true;
}

/* Waits for so many calls, and one that worked of each thread of a process. */
static bool has_turned(const struct arena *arena, unsigned long calls,
		       int number)
{
	time_t end = time(NULL) + patience(PATIENCE);
	unsigned long now, before = 0;

	for (;;) {
		now = calls_tried(arena);
		if (now >= calls && each_has_done_something(arena, number))
			return true;
		if (now != before)
			end = time(NULL) + patience(PATIENCE);
		before = now;
		if (time(NULL) > end)
			return false;
		usleep(2000);
	}
}

TEST_F_TIMEOUT(stress, leaves_nothing_behind, 3600)
{
	struct stage *stage = &self->stage;
	struct process *processes = stage->processes;
	struct arena *arena = stage->arena;
	unsigned int turn, last = turns();
	__u32 seed = chosen_seed(1), id;
	bool turned;
	int i;

	pattern_fill(stage->stable, STABLE_LENGTH, 1);
	ASSERT_EQ(0, ioas_map_at(stage->iommufd, stage->ioases[0], stage->stable,
				 STABLE_LENGTH, STABLE_IOVA));
	ASSERT_TRUE(is_stable(stage));

	TH_LOG("SEED=%u", seed);
	for (i = 0; i < PROCESSES; i++)
		ASSERT_EQ(0, spawn(&processes[i], &stage->pattern, i,
				   seed_of_part(seed, i)));
	/* what works rarely gets some time more */
	for (turn = 1; turn <= last || (turn <= 8 * last &&
					!each_step_has_worked(arena)); turn++) {
		i = turn / 4 % PROCESSES;
		turned = has_turned(arena, turn * CALLS_PER_TURN, i);
		EXPECT_TRUE(turned)
			TH_LOG("turn %u, process %d", turn, i);
		if (!turned || arena->unexpected)
			break;
		disturb(turn);
		EXPECT_TRUE(is_stable(stage));
		if (turn % 4)
			continue;
		/* one dies in the middle of whatever it does */
		kill_process(stage, i);
		ASSERT_EQ(0, spawn(&processes[i], &stage->pattern, i,
				   seed_of_part(seed, PROCESSES + turn)));
	}
	for (i = 0; i < PROCESSES; i++) {
		EXPECT_TRUE(has_turned(arena, 0, i))
			TH_LOG("process %d has done nothing", i);
	}
	__atomic_store_n(&arena->over, true, __ATOMIC_RELAXED);
	/* children of those that were killed have become ours */
	while (waitpid(-1, NULL, 0) > 0)
		;

	EXPECT_EQ(0, arena->unexpected)
		TH_LOG("%s: %s", step_name(arena->culprit),
		       strerror(-arena->unexpected));
	for (i = 0; i < STEPS; i++) {
		TH_LOG("%-16s %7lu calls, %7lu worked", step_name(i),
		       arena->tried[i], arena->worked[i]);
		EXPECT_LT(0, arena->worked[i]);
	}
	EXPECT_TRUE(is_stable(stage));
	EXPECT_EQ(STABLE_LENGTH, vm_pinned());

	/* the step by step way back */
	for (i = 0; i < IOASES; i++)
		EXPECT_EQ(0, ioas_unmap_all(stage->iommufd, stage->ioases[i],
					    NULL));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, vm_locked());
	EXPECT_EQ(0, mock_check_pins(stage->iommufd, stage->stable,
				     STABLE_LENGTH, 0));
	if (variant->limit) {
		char *room = address_room(variant->limit, HUGE_PAGE);

		/* nothing of it is used up, and it is a limit */
		EXPECT_EQ(0, ioas_map_at(stage->iommufd, stage->ioases[0], room,
					 variant->limit, IOVA));
		EXPECT_EQ(-ENOMEM, ioas_map_at(stage->iommufd, stage->ioases[0],
					       stage->stable, SMALL_PAGE,
					       STABLE_IOVA));
		EXPECT_EQ(0, ioas_unmap_all(stage->iommufd, stage->ioases[0],
					    NULL));
	}
	close(stage->access);
	EXPECT_EQ(0, destroy_everything(stage->iommufd));
	EXPECT_EQ(0, ioas_alloc(stage->iommufd, &id));
	EXPECT_EQ(1, id);
}

#define CALLS_FOR_EACH_STEP 20000

/* Nothing is shown by calls that never get anywhere. */
TEST_F_TIMEOUT(stress, gets_somewhere_with_every_step, 120)
{
	struct arena *arena = self->stage.arena;
	struct worker worker = self->stage.pattern;
	unsigned long done = 0;
	enum step step = 0;
	unsigned int calls;

	worker.stdev = &arena->stdevs[0][0];
	worker.memory = own_memory();
	worker.parking = own_parking();
	worker.access = -1;
	worker.random = chosen_seed(1);
	worker.done = &done;
	TH_LOG("SEED=%u", worker.random);
	for (calls = 0; step < STEPS && calls < CALLS_FOR_EACH_STEP; calls++) {
		take_step(&worker, some_step(&worker));
		while (step < STEPS && arena->worked[step])
			step++;
	}
	EXPECT_EQ(STEPS, step)
		TH_LOG("%s never worked", step_name(step));
	EXPECT_EQ(0, arena->unexpected)
		TH_LOG("%s: %s", step_name(arena->culprit),
		       strerror(-arena->unexpected));
}

TEST_HARNESS_MAIN
