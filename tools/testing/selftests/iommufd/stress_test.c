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
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <linux/capability.h>
#include <linux/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "mock_lib.h"
#include "test_support.h"

#define TURNS 8
#define CALLS_PER_TURN 100
/* In seconds: whoever does nothing for so long, never will. */
#define PATIENCE 30
#define IOASES 3
#define PROCESSES 3
#define THREADS 2

/* Of each process, and of the file that they share. */
#define MEMORY (8 * MIB)
#define FILE_MEMORY (4 * MIB)
/* What is mapped here stays. */
#define STABLE_IOVA MOCK_APERTURE_START
#define STABLE_LENGTH (64 * SMALL_PAGE)
#define IOVA (MOCK_APERTURE_START + MIB)
/* Maps begin at one of these, so that they often meet. */
#define PLACES 48
#define PLACE_BYTES (512 * KIB)

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

static const char *const step_names[STEPS] = {
	[STEP_MAP] = "map",
	[STEP_MAP_LARGE] = "map large",
	[STEP_MAP_ANYWHERE] = "map anywhere",
	[STEP_MAP_FILE] = "map file",
	[STEP_COPY] = "copy",
	[STEP_UNMAP] = "unmap",
	[STEP_UNMAP_ALL] = "unmap all",
	[STEP_ATTACH] = "attach",
	[STEP_DETACH] = "detach",
	[STEP_REPLACE] = "replace",
	[STEP_ACCESS_OPEN] = "open access",
	[STEP_ACCESS_CLOSE] = "close access",
	[STEP_ACCESS_MOVE] = "move access",
	[STEP_ACCESS_PIN] = "pin",
	[STEP_ACCESS_UNPIN] = "unpin",
	[STEP_ACCESS_READ] = "read",
	[STEP_ACCESS_WRITE] = "write",
	[STEP_OWN_IOAS] = "IOAS of its own",
	[STEP_POPULATE] = "populate",
	[STEP_DISCARD] = "discard",
	[STEP_COLLAPSE] = "collapse",
	[STEP_PAGE_OUT] = "page out",
	[STEP_PROTECT] = "protect",
	[STEP_MERGE] = "merge",
	[STEP_MAP_OVER] = "map over",
	[STEP_MOVE] = "move",
	[STEP_PUNCH_HOLE] = "punch hole",
	[STEP_FORK] = "fork",
};

/* What a step returns that had nothing to work on. */
#define IDLE (-ECANCELED)

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

static __u32 below(struct worker *worker, __u32 limit)
{
	return (random_next(&worker->random) >> 4) % limit;
}

static __u32 some_ioas(struct worker *worker)
{
	return worker->ioases[below(worker, IOASES)];
}

static __u64 some_place(struct worker *worker)
{
	return IOVA + (__u64)below(worker, PLACES) * PLACE_BYTES;
}

/* Some of the process's memory. */
struct range {
	char *va;
	size_t length;
};

static struct range some_memory(struct worker *worker, unsigned int most)
{
	size_t pages = below(worker, most) + 1;
	size_t first = below(worker, MEMORY / SMALL_PAGE - pages + 1);

	return (struct range){
		.va = worker->memory + first * SMALL_PAGE,
		.length = pages * SMALL_PAGE,
	};
}

static struct range some_huge_page(struct worker *worker)
{
	return (struct range){
		.va = worker->memory +
		      below(worker, MEMORY / HUGE_PAGE) * HUGE_PAGE,
		.length = HUGE_PAGE,
	};
}

static int errno_of(int rc)
{
	return rc < 0 ? -errno : 0;
}

/* -- the steps; each returns what the kernel said -- */

static int step_map(struct worker *worker)
{
	struct range range = some_memory(worker, 64);
	__u64 iova = some_place(worker);

	return ioas_map_flags(worker->iommufd, some_ioas(worker),
			      MAP_AT | (below(worker, 4) ? MAP_RW : MAP_RO),
			      range.va, range.length, &iova);
}

static int step_map_large(struct worker *worker)
{
	struct range range = some_huge_page(worker);

	return ioas_map_at(worker->iommufd, some_ioas(worker), range.va,
			   range.length, some_place(worker) & -HUGE_PAGE);
}

static int step_map_anywhere(struct worker *worker)
{
	struct range range = some_memory(worker, 16);
	__u32 ioas = some_ioas(worker);
	__u64 iova;
	int rc = ioas_map(worker->iommufd, ioas, range.va, range.length,
			  &iova);

	if (rc)
		return rc;
	rc = ioas_unmap(worker->iommufd, ioas, iova, range.length, NULL);
	/* another may have unmapped it, and others */
	return rc == -ENOENT ? 0 : rc;
}

static int step_map_file(struct worker *worker)
{
	__u64 iova = some_place(worker);
	size_t pages = below(worker, 128) + 1;
	size_t first = below(worker, FILE_MEMORY / SMALL_PAGE - pages + 1);

	return ioas_map_file(worker->iommufd, some_ioas(worker),
			     MAP_AT | MAP_RW, worker->file, first * SMALL_PAGE,
			     pages * SMALL_PAGE, &iova);
}

static int step_copy(struct worker *worker)
{
	__u64 from = some_place(worker), to = some_place(worker);

	from += below(worker, 8) * SMALL_PAGE;
	return ioas_copy(worker->iommufd,
			 MAP_AT | (below(worker, 2) ? MAP_RW : MAP_RO),
			 some_ioas(worker), some_ioas(worker), from,
			 (below(worker, 8) + 1) * SMALL_PAGE, &to);
}

static int step_unmap(struct worker *worker)
{
	return ioas_unmap(worker->iommufd, some_ioas(worker),
			  some_place(worker),
			  (below(worker, 6) + 1) * PLACE_BYTES, NULL);
}

/* All but what is to stay. */
static int step_unmap_all(struct worker *worker)
{
	return ioas_unmap(worker->iommufd, some_ioas(worker), IOVA, GIB, NULL);
}

static int step_attach(struct worker *worker)
{
	struct mock_device device;
	int rc;

	if (*worker->stdev)
		return IDLE;
	rc = mock_domain(worker->iommufd, some_ioas(worker), &device);
	if (!rc)
		*worker->stdev = device.stdev;
	return rc;
}

static int step_detach(struct worker *worker)
{
	__u32 stdev = *worker->stdev;

	if (!stdev)
		return IDLE;
	*worker->stdev = 0;
	return iommufd_destroy(worker->iommufd, stdev);
}

static int step_replace(struct worker *worker)
{
	__u32 pt = some_ioas(worker);

	if (!*worker->stdev)
		return IDLE;
	return mock_domain_replace(worker->iommufd, *worker->stdev, &pt);
}

static int step_access_open(struct worker *worker)
{
	int rc;

	if (worker->access >= 0)
		return IDLE;
	rc = mock_access(worker->iommufd, some_ioas(worker),
			 MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	if (rc < 0)
		return rc;
	worker->access = rc;
	worker->has_pinned = false;
	return 0;
}

static int step_access_close(struct worker *worker)
{
	int access = worker->access;

	if (access < 0)
		return IDLE;
	worker->access = -1;
	return errno_of(close(access));
}

static int step_access_move(struct worker *worker)
{
	if (worker->access < 0)
		return IDLE;
	return mock_access_replace(worker->iommufd, worker->access,
				   some_ioas(worker));
}

static int step_access_pin(struct worker *worker)
{
	int rc;

	if (worker->access < 0)
		return IDLE;
	rc = mock_access_pin(worker->iommufd, worker->access,
			     below(worker, 2) ? MOCK_FLAGS_ACCESS_WRITE : 0,
			     some_place(worker) +
			     below(worker, 16) * SMALL_PAGE,
			     below(worker, 16 * SMALL_PAGE) + 1, NULL,
			     &worker->pinned);
	worker->has_pinned |= !rc;
	return rc;
}

static int step_access_unpin(struct worker *worker)
{
	if (worker->access < 0 || !worker->has_pinned)
		return IDLE;
	worker->has_pinned = false;
	return mock_access_unpin(worker->iommufd, worker->access,
				 worker->pinned);
}

static int access_some(struct worker *worker, __u32 flags)
{
	char bytes[2 * SMALL_PAGE];

	if (worker->access < 0)
		return IDLE;
	if (!below(worker, 4))
		flags |= MOCK_ACCESS_RW_SLOW_PATH;
	memset(bytes, worker->random, sizeof(bytes));
	return mock_access_rw(worker->iommufd, worker->access, flags,
			      some_place(worker) + below(worker, PLACE_BYTES / 8),
			      below(worker, sizeof(bytes)) + 1, bytes);
}

static int step_access_read(struct worker *worker)
{
	return access_some(worker, 0);
}

static int step_access_write(struct worker *worker)
{
	return access_some(worker, MOCK_ACCESS_RW_WRITE);
}

/* It lives for a moment only, and shares with those that stay. */
static int step_own_ioas(struct worker *worker)
{
	struct range range = some_memory(worker, 64);
	__u64 iova = IOVA;
	__u32 ioas;
	int rc = ioas_alloc(worker->iommufd, &ioas);

	if (rc)
		return rc;
	rc = ioas_map_at(worker->iommufd, ioas, range.va, range.length, IOVA);
	if (!rc) {
		iova = some_place(worker);
		rc = ioas_copy(worker->iommufd, MAP_AT | MAP_RW,
			       some_ioas(worker), ioas, IOVA, SMALL_PAGE,
			       &iova);
	}
	/* nobody else knows its number */
	if (iommufd_destroy(worker->iommufd, ioas))
		return -EUCLEAN;
	return rc;
}

static int step_populate(struct worker *worker)
{
	struct range range = some_memory(worker, 512);

	return errno_of(madvise(range.va, range.length, MADV_POPULATE_WRITE));
}

static int step_discard(struct worker *worker)
{
	struct range range = some_memory(worker, 256);

	return errno_of(madvise(range.va, range.length,
				below(worker, 2) ? MADV_DONTNEED : MADV_FREE));
}

static int step_collapse(struct worker *worker)
{
	struct range range = some_huge_page(worker);

	return errno_of(madvise(range.va, range.length, MADV_COLLAPSE));
}

static int step_page_out(struct worker *worker)
{
	struct range range = some_memory(worker, 256);

	return errno_of(madvise(range.va, range.length, MADV_PAGEOUT));
}

static int step_protect(struct worker *worker)
{
	struct range range = some_memory(worker, 64);

	/* mostly writable, or nothing could be mapped any more */
	return errno_of(mprotect(range.va, range.length, below(worker, 4) ?
				 PROT_READ | PROT_WRITE : PROT_READ));
}

static int step_merge(struct worker *worker)
{
	struct range range = some_memory(worker, 64);

	return errno_of(madvise(range.va, range.length, below(worker, 2) ?
				MADV_MERGEABLE : MADV_UNMERGEABLE));
}

/* Takes the place of what is there, in one step: others use it too. */
static int step_map_over(struct worker *worker)
{
	struct range range = some_memory(worker, 64);
	void *va;

	if (!below(worker, 4))
		range = some_huge_page(worker);
	va = mmap(range.va, range.length, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return va == MAP_FAILED ? -errno : 0;
}

/* There and back; what is left meanwhile is empty memory. */
static int step_move(struct worker *worker)
{
	struct range range = some_memory(worker, 64);
	void *va;

	if (!below(worker, 4))
		range = some_huge_page(worker);
	va = mremap(range.va, range.length, range.length,
		    MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		    worker->parking);
	if (va == MAP_FAILED)
		return -errno;
	va = mremap(worker->parking, range.length, range.length,
		    MREMAP_MAYMOVE | MREMAP_FIXED, range.va);
	if (va == MAP_FAILED)
		return -errno;
	va = mmap(worker->parking, range.length, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		  -1, 0);
	return va == MAP_FAILED ? -errno : 0;
}

static int step_punch_hole(struct worker *worker)
{
	size_t pages = below(worker, 256) + 1;
	size_t first = below(worker, FILE_MEMORY / SMALL_PAGE - pages + 1);

	return errno_of(fallocate(worker->file,
				  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  first * SMALL_PAGE, pages * SMALL_PAGE));
}

/* The child writes to what it shares, maps some of it, and is gone. */
static int step_fork(struct worker *worker)
{
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child) {
		step_populate(worker);
		step_map(worker);
		step_map_large(worker);
		_exit(0);
	}
	if (!below(worker, 2))
		kill(child, SIGKILL);
	return errno_of(waitpid(child, NULL, 0));
}

/* -- which errors they may give, besides that they had nothing to do -- */

#define MAX_ERRORS 8

static const struct {
	int (*run)(struct worker *worker);
	unsigned int often;
	int errors[MAX_ERRORS];
} steps[STEPS] = {
	[STEP_MAP] = { step_map, 12, { EEXIST, EINVAL, EFAULT, ENOMEM } },
	[STEP_MAP_LARGE] = { step_map_large, 4,
			{ EEXIST, EINVAL, EFAULT, ENOMEM } },
	[STEP_MAP_ANYWHERE] = { step_map_anywhere, 4,
			   { EFAULT, ENOMEM, EBUSY } },
	[STEP_MAP_FILE] = { step_map_file, 4, { EEXIST, EINVAL, ENOMEM } },
	[STEP_COPY] = { step_copy, 8,
		   { EEXIST, ENOENT, EINVAL, EPERM, EFAULT, ENOMEM } },
	[STEP_UNMAP] = { step_unmap, 12, { ENOENT, EBUSY } },
	[STEP_UNMAP_ALL] = { step_unmap_all, 1, { ENOENT, EBUSY } },
	[STEP_ATTACH] = { step_attach, 2, { EFAULT, ENOMEM, EADDRINUSE } },
	[STEP_DETACH] = { step_detach, 1, {} },
	[STEP_REPLACE] = { step_replace, 1, { EFAULT, ENOMEM, EADDRINUSE } },
	[STEP_ACCESS_OPEN] = { step_access_open, 2, { EADDRINUSE } },
	[STEP_ACCESS_CLOSE] = { step_access_close, 1, {} },
	[STEP_ACCESS_MOVE] = { step_access_move, 1, { EADDRINUSE, EBUSY } },
	[STEP_ACCESS_PIN] = { step_access_pin, 6,
			 { ENOENT, EINVAL, EPERM, EFAULT, ENOMEM } },
	/* an unmap or a move may have been there first */
	[STEP_ACCESS_UNPIN] = { step_access_unpin, 4, { ENOENT } },
	[STEP_ACCESS_READ] = { step_access_read, 4,
			  { ENOENT, EINVAL, EPERM, EFAULT, ENOMEM } },
	[STEP_ACCESS_WRITE] = { step_access_write, 4,
			   { ENOENT, EINVAL, EPERM, EFAULT, ENOMEM } },
	[STEP_OWN_IOAS] = { step_own_ioas, 2,
		       { EEXIST, EINVAL, EFAULT, ENOMEM } },
	/* memory that is read-only just then cannot be written to */
	[STEP_POPULATE] = { step_populate, 4, { EFAULT, EINVAL, ENOMEM, EAGAIN } },
	[STEP_DISCARD] = { step_discard, 3, { EAGAIN } },
	[STEP_COLLAPSE] = { step_collapse, 1,
		       { EINVAL, EBUSY, EAGAIN, ENOMEM, EFAULT } },
	[STEP_PAGE_OUT] = { step_page_out, 1, { EAGAIN } },
	[STEP_PROTECT] = { step_protect, 1, { EAGAIN } },
	[STEP_MERGE] = { step_merge, 1, { EAGAIN } },
	[STEP_MAP_OVER] = { step_map_over, 2, { EAGAIN } },
	[STEP_MOVE] = { step_move, 2, { EAGAIN, EFAULT } },
	[STEP_PUNCH_HOLE] = { step_punch_hole, 1, {} },
	[STEP_FORK] = { step_fork, 1, { EAGAIN } },
};

static bool may_fail(enum step step, int error)
{
	int i;

	for (i = 0; i < MAX_ERRORS; i++)
		if (steps[step].errors[i] == error)
			return true;
	return false;
}

static void take_step(struct worker *worker, enum step step)
{
	struct arena *arena = worker->arena;
	int rc = steps[step].run(worker);

	if (rc == IDLE)
		return;
	__atomic_fetch_add(&arena->tried[step], 1, __ATOMIC_RELAXED);
	if (!rc) {
		__atomic_fetch_add(&arena->worked[step], 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(worker->done, 1, __ATOMIC_RELAXED);
	} else if (!may_fail(step, -rc)) {
		arena->culprit = step;
		__atomic_store_n(&arena->unexpected, rc, __ATOMIC_RELEASE);
	}
}

static enum step some_step(struct worker *worker)
{
	unsigned int total = 0, chosen;
	enum step step;

	for (step = 0; step < STEPS; step++)
		total += steps[step].often;
	chosen = below(worker, total);
	for (step = 0; chosen >= steps[step].often; step++)
		chosen -= steps[step].often;
	return step;
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	while (!__atomic_load_n(&worker->arena->over, __ATOMIC_RELAXED))
		take_step(worker, some_step(worker));
	step_detach(worker);
	step_access_close(worker);
	return NULL;
}

/* -- processes -- */

struct process {
	struct worker workers[THREADS];
	pid_t pid;
};

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

	return text ? strtoul(text, NULL, 0) : TURNS;
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
	for (turn = 1; turn <= last || (turn <= 4 * last &&
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
	for (i = 0; i < PROCESSES; i++)
		EXPECT_TRUE(has_turned(arena, 0, i))
			TH_LOG("process %d has done nothing", i);
	__atomic_store_n(&arena->over, true, __ATOMIC_RELAXED);
	/* children of those that were killed have become ours */
	while (waitpid(-1, NULL, 0) > 0)
		;

	EXPECT_EQ(0, arena->unexpected)
		TH_LOG("%s: %s", step_names[arena->culprit],
		       strerror(-arena->unexpected));
	for (i = 0; i < STEPS; i++) {
		TH_LOG("%-16s %7lu calls, %7lu worked", step_names[i],
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
	EXPECT_EQ(0, mock_check_refs(stage->iommufd, stage->stable,
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
		TH_LOG("%s never worked", step_names[step]);
	EXPECT_EQ(0, arena->unexpected)
		TH_LOG("%s: %s", step_names[arena->culprit],
		       strerror(-arena->unexpected));
}

TEST_HARNESS_MAIN
