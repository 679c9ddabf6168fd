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
} operations[] = {
	{ "attach", NULL, op_attach, undo_attach, false },
	{ "PASID_ALLOC", NULL, op_alloc, undo_alloc, false },
	{ "attach to an IOAS", op_alloc, op_attach_ioas, undo_attach, false },
	{ "replace", op_attach, op_replace, undo_replace, true },
};

static void fail_everywhere(struct __test_metadata *_metadata,
			    struct scene *scene, const struct operation *op)
{
	int fail_nth = fail_nth_open();
	int nth = 0, nr_errors = 0;
	bool failed = true;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	if (op->prepare)
		ASSERT_EQ(0, op->prepare(scene)) TH_LOG("%s", op->name);
	/* once without, so that what is made only once is there */
	ASSERT_EQ(0, op->run(scene)) TH_LOG("%s", op->name);
	ASSERT_EQ(0, op->undo(scene)) TH_LOG("%s", op->name);
	while (failed && ++nth < MAX_TRIES) {
		struct state before = state_of(scene), after;
		int rc;

		fail_nth_set(fail_nth, nth);
		rc = op->run(scene);
		failed = fail_nth_happened(fail_nth);
		if (rc == -EFAULT && op->stays_without_answer) {
			ASSERT_EQ(0, op->run(scene));
			rc = 0;
		}
		if (rc) {
			ASSERT_TRUE(failed && is_injected_failure(rc))
				TH_LOG("%s, %d: %d", op->name, nth, rc);
			nr_errors++;
			after = state_of(scene);
			EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)))
				TH_LOG("%s, %d: %d", op->name, nth, rc);
			ASSERT_EQ(0, op->run(scene))
				TH_LOG("%s, %d", op->name, nth);
		}
		ASSERT_EQ(0, op->undo(scene)) TH_LOG("%s, %d", op->name, nth);
	}
	EXPECT_FALSE(failed);
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
