// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many threads on the same objects. Each call may lose against another and say
 * so, but only in the ways that it is allowed to; and in the end nothing is
 * left behind.
 */
#include <stdatomic.h>
#include <time.h>

#include "kselftest_harness.h"
#include "edu_rig.h"
#include "test_support.h"
#include "threads.h"

#define SECONDS 2
#define MIN_TURNS 100
#define THREADS 4
#define IOVA (16 * MIB)
/* What is mapped here stays. */
#define STABLE_IOVA (IOVA - MIB)
#define SLOTS 8
#define SLOT_BYTES (64 * SMALL_PAGE)

/* What all threads share. */
struct arena {
	struct crowd crowd;
	int iommufd;
	__u32 ioas[2];
	struct memory_rig mem;
	struct edu_rig rig;
	int unexpected;		/* an error that no call may give */
	const char *culprit;
};

FIXTURE(race)
{
	struct arena arena;
};

FIXTURE_SETUP(race)
{
	struct arena *arena = &self->arena;

	MAKE(edu_rig_make(&arena->rig));
	MAKE(memory_rig_make(&arena->mem, PAGES_SMALL, HUGE_PAGE));
	arena->iommufd = arena->rig.iommufd;
	arena->ioas[0] = arena->rig.ioas;
	ASSERT_EQ(0, ioas_alloc(arena->iommufd, &arena->ioas[1]));
	MAKE(edu_rig_map(&arena->rig, arena->ioas[0]));
	MAKE(edu_rig_map(&arena->rig, arena->ioas[1]));
}

FIXTURE_TEARDOWN_PARENT(race)
{
	EXPECT_EQ(0, pins_left(self->arena.rig.pins));
}

static void expect(struct arena *arena, const char *what, int rc,
		   const int *allowed)
{
	if (!rc)
		return;
	for (; *allowed; allowed++)
		if (rc == -*allowed)
			return;
	arena->unexpected = rc;
	arena->culprit = what;
}

#define MAY_FAIL(what, rc, ...) \
	expect(arena, what, rc, (const int[]){ __VA_ARGS__, 0 })

static void map_some(struct arena *arena, __u32 ioas, __u32 random)
{
	__u64 iova = IOVA + random % SLOTS * SLOT_BYTES;
	__u64 length = (random / SLOTS % 64 + 1) * SMALL_PAGE;

	MAY_FAIL("map", ioas_map_at(arena->iommufd, ioas, arena->mem.va, length,
				    iova), EEXIST, ENOENT);
}

static void map_anywhere(struct arena *arena, __u32 ioas, __u32 random)
{
	__u64 iova;
	int rc = ioas_map(arena->iommufd, ioas, arena->mem.va,
			  (random % 16 + 1) * SMALL_PAGE, &iova);

	MAY_FAIL("map anywhere", rc, ENOENT, ENOSPC);
	if (!rc)
		MAY_FAIL("unmap", ioas_unmap(arena->iommufd, ioas, iova,
					     (random % 16 + 1) * SMALL_PAGE,
					     NULL), ENOENT, EBUSY);
}

static void unmap_some(struct arena *arena, __u32 ioas, __u32 random)
{
	__u64 iova = IOVA + random % SLOTS * SLOT_BYTES;
	__u64 length = (random / SLOTS % 3 + 1) * SLOT_BYTES;

	MAY_FAIL("unmap", ioas_unmap(arena->iommufd, ioas, iova, length, NULL),
		 ENOENT, EBUSY);
}

static void ask_ranges(struct arena *arena, __u32 ioas, __u32 random)
{
	struct iommu_iova_range ranges[4];
	__u32 count = random % 4;

	MAY_FAIL("ranges", ioas_iova_ranges(arena->iommufd, ioas, ranges,
					    &count, NULL), ENOENT, EMSGSIZE);
}

static void allow_some(struct arena *arena, __u32 ioas, __u32 random)
{
	struct iommu_iova_range range = { IOVA, IOVA + GIB };

	MAY_FAIL("allow", ioas_allow_iovas(arena->iommufd, ioas, &range,
					   random % 2), ENOENT);
}

static void switch_option(struct arena *arena, __u32 ioas, __u32 random)
{
	MAY_FAIL("option", iommufd_option_set(arena->iommufd,
					      IOMMU_OPTION_HUGE_PAGES, ioas,
					      random % 2), EINVAL, ENOENT);
}

static void destroy_and_alloc(struct arena *arena, __u32 ioas, __u32 random)
{
	__u32 id;
	int rc = iommufd_destroy(arena->iommufd, ioas);

	MAY_FAIL("destroy", rc, ENOENT, EBUSY);
	/* it most likely gets the ID that has just become free */
	if (!rc)
		MAY_FAIL("alloc", ioas_alloc(arena->iommufd, &id), ENOMEM);
}

static void attach_and_detach(struct arena *arena, __u32 ioas, __u32 random)
{
	int rc = vfio_attach(&arena->rig.edu, ioas);

	MAY_FAIL("attach", rc, ENOENT, EBUSY, EADDRINUSE, EINVAL);
	if (random % 2)
		MAY_FAIL("detach", vfio_detach(&arena->rig.edu), EBUSY);
}

enum step {
	MAP_SOME,
	MAP_ANYWHERE,
	UNMAP_SOME,
	ASK_RANGES,
	ALLOW_SOME,
	SWITCH_OPTION,
	DESTROY_AND_ALLOC,
	ATTACH_AND_DETACH,
};

static void (*const steps[])(struct arena *arena, __u32 ioas,
			     __u32 random) = {
	[MAP_SOME] = map_some,
	[MAP_ANYWHERE] = map_anywhere,
	[UNMAP_SOME] = unmap_some,
	[ASK_RANGES] = ask_ranges,
	[ALLOW_SOME] = allow_some,
	[SWITCH_OPTION] = switch_option,
	[DESTROY_AND_ALLOC] = destroy_and_alloc,
	[ATTACH_AND_DETACH] = attach_and_detach,
};

#define STEPS 8

FIXTURE_VARIANT(race)
{
	enum step steps[STEPS];
	bool attached;		/* to the first IOAS, all the time */
};

FIXTURE_VARIANT_ADD(race, of_maps)
{
	.steps = {
		MAP_SOME, UNMAP_SOME,
		MAP_ANYWHERE, ASK_RANGES,
		MAP_SOME, UNMAP_SOME,
		ALLOW_SOME, SWITCH_OPTION,
	},
};

FIXTURE_VARIANT_ADD(race, of_maps_under_a_device)
{
	.steps = {
		MAP_SOME, UNMAP_SOME,
		MAP_ANYWHERE, ASK_RANGES,
		MAP_SOME, UNMAP_SOME,
		ALLOW_SOME, SWITCH_OPTION,
	},
	.attached = true,
};

FIXTURE_VARIANT_ADD(race, of_maps_with_attach)
{
	.steps = {
		MAP_SOME, UNMAP_SOME,
		MAP_ANYWHERE, ASK_RANGES,
		ATTACH_AND_DETACH, ATTACH_AND_DETACH,
		MAP_SOME, UNMAP_SOME,
	},
};

FIXTURE_VARIANT_ADD(race, of_everything_with_destroy)
{
	.steps = {
		MAP_SOME, UNMAP_SOME,
		MAP_ANYWHERE, SWITCH_OPTION,
		ATTACH_AND_DETACH, DESTROY_AND_ALLOC,
		DESTROY_AND_ALLOC, ALLOW_SOME,
	},
};

struct worker {
	struct arena *arena;
	const enum step *steps;
	__u32 seed;
	atomic_ulong turns;
};

static int work(void *argument)
{
	struct worker *worker = argument;
	struct arena *arena = worker->arena;
	__u32 random = worker->seed;

	while (!crowd_is_over(&arena->crowd)) {
		__u32 ioas = arena->ioas[random_next(&random) >> 8 & 1];
		enum step step = worker->steps[random_next(&random) >> 8 & 7];

		steps[step](arena, ioas, random_next(&random) >> 4);
		worker->turns++;
	}
	return 0;
}

static unsigned long turns_of(const struct worker *workers)
{
	unsigned long turns = 0;
	int i;

	for (i = 0; i < THREADS; i++)
		turns += atomic_load(&workers[i].turns);
	return turns;
}

TEST_F_TIMEOUT(race, leaves_nothing_behind, 60)
{
	struct arena *arena = &self->arena;
	char *stable = arena->mem.va + HUGE_PAGE - SMALL_PAGE;
	struct worker workers[THREADS];
	time_t end = time(NULL) + SECONDS;
	__u32 id;
	int i;

	pattern_fill(stable, SMALL_PAGE, 1);
	if (variant->attached) {
		ASSERT_EQ(0, ioas_map_at(arena->iommufd, arena->ioas[0], stable,
					 SMALL_PAGE, STABLE_IOVA));
		ASSERT_EQ(0, vfio_attach(&arena->rig.edu, arena->ioas[0]));
	}
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){
			.arena = arena,
			.steps = variant->steps,
			.seed = 1000 + i,
		};
		ASSERT_EQ(0, crowd_add(&arena->crowd, work, &workers[i]));
	}
	/* However slow it is, each has something to race with. */
	while (time(NULL) <= end || turns_of(workers) < MIN_TURNS) {
		usleep(100000);
		if (!variant->attached)
			continue;
		EXPECT_TRUE(device_reads(&arena->rig, STABLE_IOVA, stable,
					 SMALL_PAGE));
	}
	ASSERT_EQ(0, crowd_end(&arena->crowd));
	TH_LOG("%lu calls", turns_of(workers));
	EXPECT_EQ(0, arena->unexpected)
		TH_LOG("in %s", arena->culprit);

	EXPECT_EQ(0, vfio_detach(&arena->rig.edu));
	EXPECT_EQ(0, vm_pinned());
	for (id = 1; id < 10; id++)
		if (id != arena->rig.edu.id)
			iommufd_destroy(arena->iommufd, id);
	EXPECT_EQ(0, ioas_alloc(arena->iommufd, &id));
	EXPECT_GT(10, id);
}

TEST_HARNESS_MAIN
