// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables on PASIDs, on devices of the kernel's test device.
 */
#include <pthread.h>
#include <stdint.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_nth.h"
#include "mock_lib.h"
#include "test_support.h"

#define NR_PAGES 4
#define LENGTH (NR_PAGES * SMALL_PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)
#define LAST_PASID ((1U << MOCK_PASID_WIDTH) - 1)
#define NR_PASIDS (LAST_PASID + 1)

/* Two page tables that are PASID capable, of an IOAS each, and one that isn't */
struct tables {
	__u32 capable;
	__u32 other;
	__u32 plain;
};

FIXTURE(pasid)
{
	int iommufd;
	__u32 ioas;
	__u32 other;		/* another IOAS */
	struct mock_device dev;	/* can have PASIDs; attached to ioas */
	struct tables tables;
	char *va;		/* LENGTH, not mapped */
	long pins;
};

FIXTURE_SETUP(pasid)
{
	struct memory mem;

	self->pins = pins_held();
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	if (!mock_available(self->iommufd))
		SKIP(return, "the kernel has no test device");
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->other));
	ASSERT_EQ(0, mock_domain_flags(self->iommufd, self->ioas,
				       MOCK_FLAGS_DEVICE_PASID, &self->dev));
	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, LENGTH));
	self->va = mem.va;
	ASSERT_EQ(0, hwpt_alloc(self->iommufd, self->dev.idev, self->ioas,
				IOMMU_HWPT_ALLOC_PASID,
				&self->tables.capable));
	ASSERT_EQ(0, hwpt_alloc(self->iommufd, self->dev.idev, self->other,
				IOMMU_HWPT_ALLOC_PASID, &self->tables.other));
	ASSERT_EQ(0, hwpt_alloc(self->iommufd, self->dev.idev, self->ioas, 0,
				&self->tables.plain));
}

FIXTURE_TEARDOWN(pasid)
{
	close(self->iommufd);
	EXPECT_EQ(self->pins, pins_held());
}

#define FD (self->iommufd)
#define IOAS (self->ioas)
#define OTHER (self->other)
#define DEV (self->dev)
#define TABLES (self->tables)

#define ATTACH(pasid, pt) attach(FD, &DEV, pasid, pt)
#define REPLACE(pasid, pt) replace(FD, &DEV, pasid, pt)
#define DETACH(pasid) mock_pasid_detach(FD, DEV.stdev, pasid)
#define IS_ON(pasid, pt) (!mock_pasid_check(FD, DEV.stdev, pasid, pt))

static int attach(int iommufd, const struct mock_device *dev, __u32 pasid,
		  __u32 pt)
{
	return mock_pasid_attach(iommufd, dev->stdev, pasid, &pt);
}

static int replace(int iommufd, const struct mock_device *dev, __u32 pasid,
		   __u32 pt)
{
	return mock_pasid_replace(iommufd, dev->stdev, pasid, &pt);
}

/*
 * Page tables on PASIDs
 */

TEST_F(pasid, shows_other_memory_than_the_device_and_other_pasids)
{
	const __u32 pasids[] = { 1, 77, LAST_PASID };
	size_t i;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->va, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, OTHER, self->va + SMALL_PAGE, SMALL_PAGE,
				 IOVA));
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	for (i = 0; i != ARRAY_SIZE(pasids); i++) {
		__u32 pt = TABLES.other;

		EXPECT_TRUE(IS_ON(pasids[i], 0));
		ASSERT_EQ(0, mock_pasid_attach(FD, DEV.stdev, pasids[i], &pt));
		EXPECT_EQ(TABLES.other, pt);
		EXPECT_TRUE(IS_ON(pasids[i], TABLES.other));
	}
	EXPECT_TRUE(IS_ON(0, TABLES.capable));
	EXPECT_EQ(0, mock_check_map(FD, TABLES.other, IOVA, SMALL_PAGE,
				    self->va + SMALL_PAGE));

	/* they move and go one by one */
	ASSERT_EQ(0, REPLACE(77, TABLES.capable));
	EXPECT_TRUE(IS_ON(77, TABLES.capable));
	EXPECT_TRUE(IS_ON(1, TABLES.other));
	ASSERT_EQ(0, DETACH(1));
	EXPECT_TRUE(IS_ON(1, 0));
	EXPECT_TRUE(IS_ON(77, TABLES.capable));
	EXPECT_TRUE(IS_ON(LAST_PASID, TABLES.other));
	EXPECT_EQ(2 * SMALL_PAGE, vm_pinned());
}

TEST_F(pasid, keeps_its_page_table)
{
	ASSERT_EQ(0, DETACH(0));
	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
	ASSERT_EQ(0, ATTACH(2, TABLES.capable));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, TABLES.capable));
	ASSERT_EQ(0, DETACH(1));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, TABLES.capable));
	ASSERT_EQ(0, REPLACE(2, TABLES.other));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.capable));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, TABLES.other));
	/* it goes with the device */
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.other));
}

TEST_F(pasid, takes_page_tables_that_are_made_for_pasids)
{
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	EXPECT_EQ(-EINVAL, ATTACH(1, TABLES.plain));
	EXPECT_EQ(-EINVAL, ATTACH(1, IOAS));
	EXPECT_TRUE(IS_ON(1, 0));

	ASSERT_EQ(0, ATTACH(1, TABLES.other));
	EXPECT_EQ(-EINVAL, REPLACE(1, TABLES.plain));
	EXPECT_EQ(-EINVAL, REPLACE(1, IOAS));
	EXPECT_EQ(-EINVAL, REPLACE(1, OTHER));
	EXPECT_TRUE(IS_ON(1, TABLES.other));
}

TEST_F(pasid, wants_a_page_table_of_the_device_that_is_made_for_pasids)
{
	/* where the device is on an automatic one, or one without the flag */
	EXPECT_EQ(-EINVAL, ATTACH(1, TABLES.capable));
	ASSERT_EQ(0, REPLACE(0, TABLES.plain));
	EXPECT_EQ(-EINVAL, ATTACH(1, TABLES.capable));
	EXPECT_TRUE(IS_ON(1, 0));

	/* when the device is on none */
	ASSERT_EQ(0, DETACH(0));
	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
	EXPECT_EQ(-EINVAL, ATTACH(0, TABLES.plain));
	EXPECT_EQ(-EINVAL, ATTACH(0, IOAS));
	EXPECT_TRUE(IS_ON(0, 0));
	ASSERT_EQ(0, ATTACH(0, TABLES.other));

	/* when the device is to move */
	EXPECT_EQ(-EINVAL, REPLACE(0, TABLES.plain));
	EXPECT_EQ(-EINVAL, REPLACE(0, IOAS));
	EXPECT_TRUE(IS_ON(0, TABLES.other));
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));

	ASSERT_EQ(0, DETACH(1));
	EXPECT_EQ(0, REPLACE(0, TABLES.plain));
	EXPECT_EQ(0, REPLACE(0, IOAS));
}

TEST_F(pasid, is_refused_what_makes_no_sense)
{
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	EXPECT_EQ(-ENOENT, ATTACH(1, NO_SUCH_ID));
	EXPECT_EQ(-EINVAL, ATTACH(1, DEV.idev));
	EXPECT_EQ(-EINVAL, ATTACH(NR_PASIDS, TABLES.capable));
	EXPECT_EQ(-EINVAL, ATTACH(UINT32_MAX, TABLES.capable));
	EXPECT_EQ(-EINVAL, REPLACE(1, TABLES.capable));
	EXPECT_TRUE(IS_ON(1, 0));

	ASSERT_EQ(0, ATTACH(1, TABLES.capable));
	EXPECT_EQ(-EBUSY, ATTACH(1, TABLES.capable));
	EXPECT_EQ(-EINVAL, ATTACH(1, TABLES.other));
	EXPECT_EQ(-ENOENT, REPLACE(1, NO_SUCH_ID));
	EXPECT_EQ(-EINVAL, REPLACE(1, DEV.idev));
	EXPECT_EQ(0, REPLACE(1, TABLES.capable));
	EXPECT_TRUE(IS_ON(1, TABLES.capable));
	ASSERT_EQ(0, DETACH(1));
	EXPECT_EQ(-EINVAL, REPLACE(1, TABLES.capable));
}

/* Every second time, the mock IOMMU refuses this one. */
TEST_F(pasid, stays_where_it_is_when_the_iommu_refuses)
{
	const __u32 pasid = IOMMU_TEST_PASID_RESERVED;

	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	ASSERT_EQ(0, ATTACH(pasid, TABLES.capable));
	EXPECT_EQ(-ENOMEM, REPLACE(pasid, TABLES.other));
	EXPECT_TRUE(IS_ON(pasid, TABLES.capable));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.other));

	/* another one refused, for the first has disarmed it */
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, OTHER, IOMMU_HWPT_ALLOC_PASID,
				&TABLES.other));
	EXPECT_EQ(0, REPLACE(pasid, TABLES.other));
	EXPECT_TRUE(IS_ON(pasid, TABLES.other));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.plain));
	ASSERT_EQ(0, DETACH(pasid));
	EXPECT_TRUE(IS_ON(pasid, 0));
	ASSERT_EQ(0, ATTACH(pasid, TABLES.other));
}

/*
 * Failures
 */

#define MAX_TRIES 2000
#define TIMEOUT 120

struct scene {
	int iommufd;
	__u32 ioas;
	__u32 stdev;
	__u32 idev;
	struct tables tables;
};

/* What an operation that has failed leaves as it was */
struct state {
	long pinned;
	__u32 next_id;
	int on_none;
	int on_capable;
	int on_other;
};

#define PASID 5

static struct state state_of(const struct scene *scene)
{
	const __u32 stdev = scene->stdev;
	int iommufd = scene->iommufd;
	struct state state;

	memset(&state, 0, sizeof(state));
	state.pinned = vm_pinned();
	state.on_none = mock_pasid_check(iommufd, stdev, PASID, 0);
	state.on_capable = mock_pasid_check(iommufd, stdev, PASID,
					    scene->tables.capable);
	state.on_other = mock_pasid_check(iommufd, stdev, PASID,
					  scene->tables.other);
	if (!ioas_alloc(iommufd, &state.next_id))
		iommufd_destroy(iommufd, state.next_id);
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

static int op_attach_and_replace(struct scene *scene)
{
	__u32 pt = scene->tables.other;

	return mock_pasid_replace(scene->iommufd, scene->stdev, PASID, &pt);
}

static int undo_replace(struct scene *scene)
{
	__u32 pt = scene->tables.capable;

	return mock_pasid_replace(scene->iommufd, scene->stdev, PASID, &pt);
}

static const struct operation {
	const char *name;
	int (*prepare)(struct scene *scene);
	int (*run)(struct scene *scene);
	int (*undo)(struct scene *scene);
	bool stays_without_answer;	/* when the reply alone was lost */
} operations[] = {
	{ "attach", NULL, op_attach, undo_attach, false },
	{ "replace", op_attach, op_attach_and_replace, undo_replace, true },
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

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->va, LENGTH, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, OTHER, self->va, LENGTH, IOVA));
	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	for (i = 0; i != ARRAY_SIZE(operations); i++)
		fail_everywhere(_metadata, &scene, &operations[i]);
}

/*
 * Races
 */

#define NR_THREADS 4
#define NR_ROUNDS 200

struct worker {
	int iommufd;
	const struct mock_device *dev;
	__u32 pasid;
	__u32 pts[2];
	int rc;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	int iommufd = worker->iommufd, i, rc = 0;

	for (i = 0; i != NR_ROUNDS && !rc; i++) {
		rc = attach(iommufd, worker->dev, worker->pasid,
			    worker->pts[i % 2]);
		if (!rc)
			rc = replace(iommufd, worker->dev, worker->pasid,
				     worker->pts[(i + 1) % 2]);
		if (!rc)
			rc = mock_pasid_detach(iommufd, worker->dev->stdev,
					       worker->pasid);
	}
	worker->rc = rc;
	return NULL;
}

TEST_F(pasid, attached_moved_and_detached_beside_others)
{
	struct worker workers[NR_THREADS];
	pthread_t threads[NR_THREADS];
	int i;

	ASSERT_EQ(0, REPLACE(0, TABLES.capable));
	for (i = 0; i != NR_THREADS; i++) {
		workers[i] = (struct worker){
			.iommufd = FD,
			.dev = &DEV,
			.pasid = i + 1,
			.pts = { TABLES.capable, TABLES.other },
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, work,
					    &workers[i]));
	}
	for (i = 0; i != NR_ROUNDS; i++) {
		__u32 ioas = i % 2 ? IOAS : OTHER;

		ASSERT_EQ(0, ioas_map_at(FD, ioas, self->va, LENGTH, IOVA));
		ASSERT_EQ(0, REPLACE(0, i % 2 ? TABLES.other : TABLES.capable));
		ASSERT_EQ(0, ioas_unmap(FD, ioas, IOVA, LENGTH, NULL));
	}
	for (i = 0; i != NR_THREADS; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, workers[i].rc);
		EXPECT_TRUE(IS_ON(workers[i].pasid, 0));
	}
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.capable));
	EXPECT_EQ(0, iommufd_destroy(FD, TABLES.other));
}

TEST_HARNESS_MAIN
