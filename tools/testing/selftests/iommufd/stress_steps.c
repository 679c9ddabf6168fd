// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/mman.h>

#include "stress_steps.h"
#include "test_support.h"

/* Maps begin at one of these, so that they often meet. */
#define PLACES 48
#define PLACE_BYTES (512 * KIB)

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

const char *step_name(enum step step)
{
	return step_names[step];
}

/* What a step returns that had nothing to work on. */
#define IDLE (-ECANCELED)

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

void take_step(struct worker *worker, enum step step)
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

enum step some_step(struct worker *worker)
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

void end_steps(struct worker *worker)
{
	step_detach(worker);
	step_access_close(worker);
}
