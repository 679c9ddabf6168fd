// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers that reach an IOAS by software, and maps that they reach: every point
 * of every call fails in turn.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "kselftest_harness.h"
#include "access_fixture.h"
#include "fail_each.h"
#include "test_support.h"

#define DEV (self->rig.dev)

#define NR_AREAS 40
#define BUFFER_LENGTH (4 * SMALL_PAGE)

/* What the calls are about. A device is on the IOAS of the rig. */
FIXTURE(failing)
{
	struct mock_rig rig;
	struct memory_rig mem;
	__u32 filled;		/* NR_AREAS areas, at IOVA */
	__u32 empty;
	int access;		/* on @filled */
	int file;
	int dmabuf;
	int fail_nth;
	int new_fd;
	struct mock_device new_dev;
	__u32 item;
};

#define FAILING FIXTURE_DATA(failing)

static int fill_ioas(FAILING *self)
{
	int i, rc = 0;

	for (i = 0; i < NR_AREAS && !rc; i++)
		rc = ioas_map_at(FD, self->filled, VA + i * SMALL_PAGE,
				 SMALL_PAGE, IOVA + i * SMALL_PAGE);
	return rc;
}

FIXTURE_SETUP(failing)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL_RANDOM,
			     NR_AREAS * SMALL_PAGE));
	self->fail_nth = fail_nth_open();
	if (self->fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	self->file = memfd_alloc(LENGTH, false);
	ASSERT_LE(0, self->file);
	self->dmabuf = mock_dmabuf(FD, BUFFER_LENGTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->dmabuf);
	ASSERT_EQ(0, ioas_alloc(FD, &self->filled));
	ASSERT_EQ(0, ioas_alloc(FD, &self->empty));
	ASSERT_EQ(0, fill_ioas(self));
	ACCESS = mock_access(FD, self->filled, PINS);
	ASSERT_LE(0, ACCESS);
}

FIXTURE_TEARDOWN(failing)
{
	close(self->dmabuf);
	close(ACCESS);
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

/* What a call that has failed must have left as it was. */
struct state {
	long pinned;
	__u64 alignments[3];
	__u32 next_id;
	int next_fd;
};

static struct state state_now(FAILING *self)
{
	struct state state;

	memset(&state, 0, sizeof(state));
	state.pinned = vm_pinned();
	state.alignments[0] = ioas_alignment(FD, IOAS);
	state.alignments[1] = ioas_alignment(FD, self->filled);
	state.alignments[2] = ioas_alignment(FD, self->empty);
	state.next_fd = next_fd();
	state.next_id = next_id(FD);
	return state;
}

static int run_copy(FAILING *self)
{
	__u64 iova = IOVA;

	return ioas_copy(FD, MAP_RW | MAP_AT, IOAS, self->filled,
			 IOVA + SMALL_PAGE, (NR_AREAS - 2) * SMALL_PAGE, &iova);
}

static int undo_copy(FAILING *self)
{
	const size_t length = (NR_AREAS - 2) * SMALL_PAGE;
	int rc;

	rc = mock_check_map(FD, DEV.hwpt, IOVA, length,
			    VA + SMALL_PAGE);
	return rc ? rc : ioas_unmap(FD, IOAS, IOVA, length, NULL);
}

static int run_copy_without_device(FAILING *self)
{
	__u64 iova;

	return ioas_copy(FD, MAP_RW, self->empty, self->filled, IOVA,
			 5 * SMALL_PAGE, &iova);
}

static int empty_again(FAILING *self)
{
	return ioas_unmap_all(FD, self->empty, NULL);
}

static int run_map_file(FAILING *self)
{
	__u64 iova = IOVA;

	return ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, self->file, 0, LENGTH,
			     &iova);
}

static int undo_map_file(FAILING *self)
{
	return ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL);
}

static int run_map_dmabuf(FAILING *self)
{
	__u64 iova = IOVA;

	return ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, self->dmabuf, 0,
			     BUFFER_LENGTH, &iova);
}

static int undo_map_dmabuf(FAILING *self)
{
	return ioas_unmap(FD, IOAS, IOVA, BUFFER_LENGTH, NULL);
}

/* A page table of its own is made, and filled. */
static int run_attach(FAILING *self)
{
	return mock_domain(FD, self->filled, &self->new_dev);
}

static int undo_attach(FAILING *self)
{
	int rc = mock_check_map(FD, self->new_dev.hwpt, IOVA,
				NR_AREAS * SMALL_PAGE, VA);

	return rc ? rc : mock_destroy(FD, &self->new_dev);
}

static int run_access(FAILING *self)
{
	self->new_fd = mock_access(FD, self->empty, PINS);
	return self->new_fd < 0 ? self->new_fd : 0;
}

static int undo_access(FAILING *self)
{
	return close(self->new_fd);
}

static int run_pin(FAILING *self)
{
	return mock_access_pin(FD, ACCESS, 0, IOVA, NR_AREAS * SMALL_PAGE,
			       VA, &self->item);
}

static int undo_pin(FAILING *self)
{
	return mock_access_unpin(FD, ACCESS, self->item);
}

static int run_read(FAILING *self)
{
	static char bytes[20 * SMALL_PAGE];

	return mock_access_rw(FD, ACCESS, 0, IOVA + 77, sizeof(bytes), bytes);
}

static int run_slow_write(FAILING *self)
{
	static char bytes[20 * SMALL_PAGE];

	return mock_access_rw(FD, ACCESS, WRITE | SLOWLY, IOVA + 77,
			      sizeof(bytes), bytes);
}

static int run_replace(FAILING *self)
{
	return mock_access_replace(FD, ACCESS, self->empty);
}

static int undo_replace(FAILING *self)
{
	return mock_access_replace(FD, ACCESS, self->filled);
}

static int nothing_to_undo(FAILING *self)
{
	return 0;
}

static int run_change_process(FAILING *self)
{
	return ioas_change_process(FD);
}

/* A call and what undoes it, which looks at what has been done. */
struct call {
	const char *name;
	int (*run)(FAILING *self);
	int (*undo)(FAILING *self);
	struct own_errors own;
};

static const struct call calls[] = {
	{ "IOAS_COPY", run_copy, undo_copy, OWN_ERRORS(-ENOENT) },
	{ "IOAS_COPY without device", run_copy_without_device, empty_again,
	  OWN_ERRORS(-ENOENT) },
	{ "IOAS_MAP_FILE", run_map_file, undo_map_file, OWN_ERRORS(-ENOENT) },
	{ "IOAS_MAP_FILE of a dma-buf", run_map_dmabuf, undo_map_dmabuf,
	  OWN_ERRORS(-ENOENT) },
	{ "attach to many areas", run_attach, undo_attach,
	  OWN_ERRORS(-ENOENT, -EINVAL) },
	{ "CREATE_ACCESS", run_access, undo_access, OWN_ERRORS(-ENOENT) },
	{ "ACCESS_PAGES", run_pin, undo_pin, OWN_ERRORS() },
	{ "ACCESS_RW", run_read, nothing_to_undo, OWN_ERRORS() },
	/* Here -EINVAL is of pages that cannot be copied. */
	{ "ACCESS_RW by pins", run_slow_write, nothing_to_undo,
	  OWN_ERRORS(-EINVAL) },
	{ "ACCESS_REPLACE_IOAS", run_replace, undo_replace,
	  OWN_ERRORS(-ENOENT) },
};

/* Returns how often the call failed, or an error if it did so badly. */
static int fail_each_point(FAILING *self,
			   const struct call *call)
{
	struct own_errors own = call->own;
	int failures = 0, nth, rc;
	bool failed = true;

	/* once without, so that what is made only once is there */
	if (call->run(self) || call->undo(self))
		return -EIO;
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		struct state before = state_now(self), after;

		fail_nth_set(self->fail_nth, nth);
		rc = call->run(self);
		failed = fail_nth_happened(self->fail_nth);
		if (rc) {
			failures++;
			after = state_now(self);
			if (!failed || !is_injected_failure(rc, &own) ||
			    memcmp(&before, &after, sizeof(before)) ||
			    call->run(self)) {
				printf("# %s: point %d, %d, pinned %ld, %ld\n",
				       call->name, nth, rc, before.pinned,
				       after.pinned);
				return -EIO;
			}
		}
		rc = call->undo(self);
		if (rc) {
			printf("# %s: undo after point %d: %d\n", call->name,
			       nth, rc);
			return -EIO;
		}
	}
	return failed ? -E2BIG : failures;
}

TEST_F_TIMEOUT(failing, calls_change_nothing_and_work_the_next_time, 300)
{
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		rc = fail_each_point(self, &calls[i]);
		EXPECT_LT(0, rc);
		TH_LOG("%s: %d failures", calls[i].name, rc);
	}
}

TEST_F_TIMEOUT(failing, changes_of_process_change_nothing, 60)
{
	const struct call call = {
		"IOAS_CHANGE_PROCESS", run_change_process, nothing_to_undo,
		OWN_ERRORS(),
	};
	__u64 iova;

	ASSERT_EQ(0, ioas_unmap_all(FD, self->filled, NULL));
	ASSERT_EQ(0, run_map_file(self));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW, self->empty, IOAS, IOVA, LENGTH,
			       &iova));
	EXPECT_LT(0, fail_each_point(self, &call));
	EXPECT_EQ(LENGTH, vm_pinned());
}

TEST_HARNESS_MAIN
