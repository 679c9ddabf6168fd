// SPDX-License-Identifier: GPL-2.0-only
/*
 * PASIDs when something fails, at every point in turn: what is left is what was
 * there, and the next attempt works.
 */
#include <string.h>

#include "kselftest_harness.h"
#include "fail_each.h"
#include "pasid_fixture.h"
#include "test_support.h"

#define TIMEOUT 120

struct scene {
	int iommufd;
	__u32 ioas;
	__u32 stdev;
	__u32 idev;
	struct pasid_tables tables;
	__u32 id;		/* of a PASID that an operation has chosen */
};

/* What an operation that has failed leaves as it was */
struct state {
	long pinned;
	__u32 next_id;
	int on_none;
	int on_capable;
	int on_other;
	__u32 next_pasid;
};

#define PASID 5

static struct state state_of(const struct scene *scene)
{
	const __u32 stdev = scene->stdev;
	int iommufd = scene->iommufd;
	struct state state;
	__u32 id;

	memset(&state, 0, sizeof(state));
	state.pinned = vm_pinned();
	state.on_none = mock_pasid_check(iommufd, stdev, PASID, 0);
	state.on_capable = mock_pasid_check(iommufd, stdev, PASID,
					    scene->tables.capable);
	state.on_other = mock_pasid_check(iommufd, stdev, PASID,
					  scene->tables.other);
	state.next_id = next_id(iommufd);
	if (!pasid_alloc(iommufd, scene->idev, &state.next_pasid, &id))
		iommufd_destroy(iommufd, id);
	return state;
}

static int op_attach(struct scene *scene)
{
	__u32 pt = scene->tables.capable;

	return mock_pasid_attach(scene->iommufd, scene->stdev, PASID, &pt);
}

static int undo_attach(struct scene *scene)
{
	return mock_pasid_detach(scene->iommufd, scene->stdev, PASID);
}

static int op_replace(struct scene *scene)
{
	__u32 pt = scene->tables.other;

	return mock_pasid_replace(scene->iommufd, scene->stdev, PASID, &pt);
}

static int undo_replace(struct scene *scene)
{
	__u32 pt = scene->tables.capable;

	return mock_pasid_replace(scene->iommufd, scene->stdev, PASID, &pt);
}

static int op_alloc(struct scene *scene)
{
	__u32 pasid;

	return pasid_alloc(scene->iommufd, scene->idev, &pasid, &scene->id);
}

static int undo_alloc(struct scene *scene)
{
	return iommufd_destroy(scene->iommufd, scene->id);
}

/* Some PASID is chosen already, and PASID is not. */
static int op_attach_ioas(struct scene *scene)
{
	__u32 pt = scene->ioas;

	return mock_pasid_attach(scene->iommufd, scene->stdev, PASID, &pt);
}

static const struct operation {
	const char *name;
	int (*prepare)(struct scene *scene);
	int (*run)(struct scene *scene);
	int (*undo)(struct scene *scene);
	bool stays_without_answer;	/* when the reply alone was lost */
	struct own_errors own;
} operations[] = {
	{ "attach", NULL, op_attach, undo_attach, false, OWN_ERRORS(-ENOENT) },
	{ "PASID_ALLOC", NULL, op_alloc, undo_alloc, false,
	  OWN_ERRORS(-ENOENT) },
	{ "attach to an IOAS", op_alloc, op_attach_ioas, undo_attach, false,
	  OWN_ERRORS(-ENOENT) },
	{ "replace", op_attach, op_replace, undo_replace, true,
	  OWN_ERRORS(-ENOENT) },
};

static bool states_are_same(const struct state *a, const struct state *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void fail_everywhere(struct __test_metadata *_metadata,
			    struct scene *scene, const struct operation *op)
{
	int fail_nth = fail_nth_open();
	struct own_errors own = op->own;
	int nth = 0, nr_errors = 0;
	bool failed = true;
	struct state done;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	if (op->prepare) {
		ASSERT_EQ(0, op->prepare(scene))
			TH_LOG("%s", op->name);
	}
	/* once without, so that what is made only once is there */
	ASSERT_EQ(0, op->run(scene)) TH_LOG("%s", op->name);
	done = state_of(scene);
	ASSERT_EQ(0, op->undo(scene)) TH_LOG("%s", op->name);
	while (failed && ++nth < MAX_TRIES) {
		struct state before = state_of(scene), after;
		int rc;

		fail_nth_set(fail_nth, nth);
		rc = op->run(scene);
		failed = fail_nth_happened(fail_nth);
		if (rc) {
			ASSERT_TRUE(failed && is_injected_failure(rc, &own))
				TH_LOG("%s, %d: %d", op->name, nth, rc);
			nr_errors++;
			after = state_of(scene);
			EXPECT_TRUE(states_are_same(&before, &after) ||
				    (rc == -EFAULT &&
				     op->stays_without_answer &&
				     states_are_same(&done, &after)))
				TH_LOG("%s, %d: %d", op->name, nth, rc);
			ASSERT_EQ(0, op->run(scene))
				TH_LOG("%s, %d", op->name, nth);
		}
		after = state_of(scene);
		EXPECT_TRUE(states_are_same(&done, &after))
			TH_LOG("%s, %d", op->name, nth);
		ASSERT_EQ(0, op->undo(scene)) TH_LOG("%s, %d", op->name, nth);
	}
	EXPECT_FALSE(failed);
	EXPECT_EQ(0, own_error_missed(&own)) TH_LOG("%s", op->name);
	EXPECT_LT(0, nr_errors) TH_LOG("%s", op->name);
	TH_LOG("%s: %d of %d failures are errors", op->name, nr_errors,
	       nth - 1);
	close(fail_nth);
}

TEST_F_TIMEOUT(pasid, operations_unwind_and_work_the_next_time, TIMEOUT)
{
	struct scene scene = {
		.iommufd = FD,
		.ioas = IOAS,
		.stdev = DEV.stdev,
		.idev = DEV.idev,
		.tables = TABLES,
	};
	size_t i;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, OTHER, VA, LENGTH, IOVA));
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	for (i = 0; i != ARRAY_SIZE(operations); i++)
		fail_everywhere(_metadata, &scene, &operations[i]);
}

TEST_HARNESS_MAIN
