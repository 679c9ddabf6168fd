// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many threads on the same objects. Each call may lose against another and say
 * so, but only in the ways that it is allowed to; and in the end nothing is
 * left behind. How often calls have to work is counted.
 *
 *   SEED=n   of what the threads choose
 */
#include "kselftest_harness.h"
#include "edu_rig.h"
#include "test_support.h"
#include "threads.h"

#define THREADS 4
/* How often each kind of call has to work, and some have to be refused */
#define STEP_LEAST 20
#define REFUSED_LEAST 20
#define READS_LEAST 10
#define IOVA (16 * MIB)
/* What is mapped here stays. */
#define STABLE_IOVA (IOVA - MIB)
#define SLOTS 8
#define SLOT_BYTES (64 * SMALL_PAGE)

enum step {
	MAP_SOME,
	MAP_ANYWHERE,
	UNMAP_SOME,
	ASK_RANGES,
	ALLOW_SOME,
	SWITCH_OPTION,
	DESTROY_AND_ALLOC,
	ATTACH_AND_DETACH,
	NR_STEPS,
};

/* Of each step, that it works; then */
enum {
	GOAL_REFUSED = NR_STEPS,
	GOAL_READS,
	GOAL_THREAD,		/* calls that work, of each thread */
	NR_GOALS = GOAL_THREAD + THREADS,
};

/* What all threads share. */
struct arena {
	struct crowd crowd;
	int iommufd;
	__u32 ioas[2];
	struct memory_rig mem;
	struct edu_rig rig;
	char *stable;		/* at STABLE_IOVA, if the device is there */
	bool destroys;		/* an IOAS may be gone at any time */
	bool attaches;		/* a device may be there */
	struct goal goals[NR_GOALS];
	int unexpected;		/* the first error that no call may give */
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

static int expect(struct arena *arena, const char *what, int rc,
		  const int *allowed, size_t count)
{
	int none = 0;

	if (!rc)
		return 0;
	for (; count; count--, allowed++)
		if (*allowed && rc == -*allowed)
			return rc;
	if (__atomic_compare_exchange_n(&arena->unexpected, &none, rc, false,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		arena->culprit = what;
	return rc;
}

#define MAY_FAIL(what, rc, ...)						\
	expect(arena, what, rc, (const int[]){ __VA_ARGS__ },		\
	       sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))
#define MUST_WORK(what, rc) expect(arena, what, rc, NULL, 0)
/* Errors, where this is so; else 0, which is none */
#define IF_DESTROYED (arena->destroys ? ENOENT : 0)
#define IF_ATTACHED (arena->attaches ? EINVAL : 0)

/* -- the steps; each returns what came of it -- */

static int map_some(struct arena *arena, __u32 ioas, __u32 random)
{
	__u64 iova = IOVA + random % SLOTS * SLOT_BYTES;
	__u64 length = (random / SLOTS % 64 + 1) * SMALL_PAGE;
	int rc = ioas_map_at(arena->iommufd, ioas, arena->mem.va, length, iova);

	return MAY_FAIL("map", rc, EEXIST, IF_DESTROYED);
}

static int map_anywhere(struct arena *arena, __u32 ioas, __u32 random)
{
	__u64 iova;
	int rc = ioas_map(arena->iommufd, ioas, arena->mem.va,
			  (random % 16 + 1) * SMALL_PAGE, &iova);

	MAY_FAIL("map anywhere", rc, IF_DESTROYED);
	/* another thread may unmap it, or be about to */
	if (!rc)
		MAY_FAIL("unmap", ioas_unmap(arena->iommufd, ioas, iova,
					     (random % 16 + 1) * SMALL_PAGE,
					     NULL), ENOENT, EBUSY);
	return rc;
}

static int unmap_some(struct arena *arena, __u32 ioas, __u32 random)
{
	__u64 iova = IOVA + random % SLOTS * SLOT_BYTES;
	__u64 length = (random / SLOTS % 3 + 1) * SLOT_BYTES;
	int rc = ioas_unmap(arena->iommufd, ioas, iova, length, NULL);

	return MAY_FAIL("unmap", rc, ENOENT, EBUSY);
}

static int ask_ranges(struct arena *arena, __u32 ioas, __u32 random)
{
	struct iommu_iova_range ranges[4];
	__u32 count = random % 4;
	int rc = ioas_iova_ranges(arena->iommufd, ioas, ranges, &count, NULL);

	return MAY_FAIL("ranges", rc, EMSGSIZE, IF_DESTROYED);
}

static int allow_some(struct arena *arena, __u32 ioas, __u32 random)
{
	struct iommu_iova_range range = { IOVA, IOVA + GIB };
	int rc = ioas_allow_iovas(arena->iommufd, ioas, &range, random % 2);

	return MAY_FAIL("allow", rc, IF_DESTROYED);
}

static int switch_option(struct arena *arena, __u32 ioas, __u32 random)
{
	int rc = iommufd_option_set(arena->iommufd, IOMMU_OPTION_HUGE_PAGES,
				    ioas, random % 2);

	return MAY_FAIL("option", rc, IF_ATTACHED, IF_DESTROYED);
}

static int destroy_and_alloc(struct arena *arena, __u32 ioas, __u32 random)
{
	const int which = ioas == arena->ioas[1];
	__u32 id;
	int rc = iommufd_destroy(arena->iommufd, ioas);

	MAY_FAIL("destroy", rc, ENOENT, EBUSY);
	if (rc)
		return rc;
	/* another thread may have taken the ID that has just become free */
	if (!MUST_WORK("alloc", ioas_alloc(arena->iommufd, &id)))
		__atomic_store_n(&arena->ioas[which], id, __ATOMIC_RELAXED);
	return 0;
}

static int attach_and_detach(struct arena *arena, __u32 ioas, __u32 random)
{
	int rc = vfio_attach(&arena->rig.edu, ioas);

	MAY_FAIL("attach", rc, IF_DESTROYED);
	if (random % 2)
		MUST_WORK("detach", vfio_detach(&arena->rig.edu));
	return rc;
}

static const struct {
	const char *name;
	int (*run)(struct arena *arena, __u32 ioas, __u32 random);
} steps[NR_STEPS] = {
	[MAP_SOME] = { "map", map_some },
	[MAP_ANYWHERE] = { "map anywhere", map_anywhere },
	[UNMAP_SOME] = { "unmap", unmap_some },
	[ASK_RANGES] = { "ranges", ask_ranges },
	[ALLOW_SOME] = { "allow", allow_some },
	[SWITCH_OPTION] = { "option", switch_option },
	[DESTROY_AND_ALLOC] = { "destroy", destroy_and_alloc },
	[ATTACH_AND_DETACH] = { "attach", attach_and_detach },
};

#define STEPS 8

FIXTURE_VARIANT(race)
{
	enum step steps[STEPS];
	bool attached;		/* to the first IOAS, all the time */
	unsigned int calls;	/* that have to work, of each thread */
};

FIXTURE_VARIANT_ADD(race, of_maps)
{
	.steps = {
		MAP_SOME, UNMAP_SOME,
		MAP_ANYWHERE, ASK_RANGES,
		MAP_SOME, UNMAP_SOME,
		ALLOW_SOME, SWITCH_OPTION,
	},
	.calls = 4000,
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
	.calls = 2000,
};

FIXTURE_VARIANT_ADD(race, of_maps_with_attach)
{
	.steps = {
		MAP_SOME, UNMAP_SOME,
		MAP_ANYWHERE, ASK_RANGES,
		ATTACH_AND_DETACH, ATTACH_AND_DETACH,
		MAP_SOME, UNMAP_SOME,
	},
	.calls = 200,
};

FIXTURE_VARIANT_ADD(race, of_everything_with_destroy)
{
	.steps = {
		MAP_SOME, UNMAP_SOME,
		MAP_ANYWHERE, SWITCH_OPTION,
		ATTACH_AND_DETACH, DESTROY_AND_ALLOC,
		DESTROY_AND_ALLOC, ALLOW_SOME,
	},
	.calls = 1000,
};

struct worker {
	struct arena *arena;
	const enum step *steps;
	__u32 seed;
	struct goal *goal;	/* its own */
};

static __u32 some_ioas(const struct arena *arena, __u32 random)
{
	return __atomic_load_n(&arena->ioas[random & 1], __ATOMIC_RELAXED);
}

static int work(void *argument)
{
	struct worker *worker = argument;
	struct arena *arena = worker->arena;
	__u32 random = worker->seed;

	while (!crowd_is_over(&arena->crowd)) {
		__u32 ioas = some_ioas(arena, random_next(&random) >> 8);
		enum step step = worker->steps[random_next(&random) >> 8 & 7];

		if (steps[step].run(arena, ioas, random_next(&random) >> 4)) {
			goal_count(&arena->goals[GOAL_REFUSED]);
			continue;
		}
		goal_count(&arena->goals[step]);
		goal_count(worker->goal);
	}
	return 0;
}

/* What nobody unmaps stays where it is. */
static int read_by_device(void *argument)
{
	struct arena *arena = argument;

	while (!crowd_is_over(&arena->crowd)) {
		if (device_read(&arena->rig, STABLE_IOVA, arena->stable,
				SMALL_PAGE) != REACHED)
			return -EIO;
		goal_count(&arena->goals[GOAL_READS]);
		usleep(50000);
	}
	return 0;
}

static void set_goals(struct arena *arena, const enum step *todo, bool attached,
		      unsigned long calls)
{
	struct goal *goals = arena->goals;
	int i;

	for (i = 0; i < NR_STEPS; i++)
		goals[i].what = steps[i].name;
	arena->attaches = attached;
	for (i = 0; i < STEPS; i++) {
		goals[todo[i]].least = STEP_LEAST;
		arena->destroys |= todo[i] == DESTROY_AND_ALLOC;
		arena->attaches |= todo[i] == ATTACH_AND_DETACH;
	}
	goals[GOAL_REFUSED] = (struct goal){ "refused", REFUSED_LEAST };
	goals[GOAL_READS] = (struct goal){
		"read by the device", attached ? READS_LEAST : 0,
	};
	for (i = 0; i < THREADS; i++)
		goals[GOAL_THREAD + i] = (struct goal){ "of a thread", calls };
}

TEST_F_TIMEOUT(race, leaves_nothing_behind, 60)
{
	struct arena *arena = &self->arena;
	struct worker workers[THREADS];
	const struct goal *missed;
	__u32 seed = chosen_seed(1000);
	__u32 id;
	int i, rc;

	TH_LOG("SEED=%u", seed);
	set_goals(arena, variant->steps, variant->attached, variant->calls);
	arena->stable = arena->mem.va + HUGE_PAGE - SMALL_PAGE;
	pattern_fill(arena->stable, SMALL_PAGE, 1);
	if (variant->attached) {
		ASSERT_EQ(0, ioas_map_at(arena->iommufd, arena->ioas[0],
					 arena->stable, SMALL_PAGE,
					 STABLE_IOVA));
		ASSERT_EQ(0, vfio_attach(&arena->rig.edu, arena->ioas[0]));
		ASSERT_EQ(0, crowd_add(&arena->crowd, read_by_device, arena));
	}
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){
			.arena = arena,
			.steps = variant->steps,
			.seed = seed_of_part(seed, i),
			.goal = &arena->goals[GOAL_THREAD + i],
		};
		ASSERT_EQ(0, crowd_add(&arena->crowd, work, &workers[i]));
	}
	missed = crowd_reach(&arena->crowd, arena->goals, NR_GOALS);
	EXPECT_EQ(0, crowd_end(&arena->crowd));
	for (i = 0; i < NR_GOALS; i++)
		TH_LOG("%-18s %6lu", arena->goals[i].what,
		       arena->goals[i].times);
	EXPECT_EQ(NULL, missed)
		TH_LOG("too few: %s", missed->what);
	EXPECT_EQ(0, arena->unexpected)
		TH_LOG("in %s", arena->culprit);

	EXPECT_EQ(0, vfio_detach(&arena->rig.edu));
	EXPECT_EQ(0, vm_pinned());
	for (id = 1; id < 10; id++) {
		if (id == arena->rig.edu.id)
			continue;
		rc = iommufd_destroy(arena->iommufd, id);
		EXPECT_TRUE(!rc || rc == -ENOENT)
			TH_LOG("%u: %d", id, rc);
	}
	EXPECT_EQ(0, ioas_alloc(arena->iommufd, &id));
	EXPECT_GT(10, id);
}

TEST_HARNESS_MAIN
