// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that the IOMMU cannot tell apart: they share a group, and the group
 * one page table. The devices are two of QEMU's "pci-testdev" behind a
 * PCIe-to-PCI bridge, bound to vfio-pci.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "fail_nth.h"
#include "test_support.h"
#include "threads.h"

#define TESTDEV_VENDOR 0x1b36
#define TESTDEV_DEVICE 0x0005

#define IOVA (16 * MIB)

/* The neighbour of @bdf on the same bus. */
static void next_slot(const char *bdf, char next[BDF_SIZE])
{
	unsigned int domain, bus, slot, function;

	next[0] = 0;
	if (sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4)
		snprintf(next, BDF_SIZE, "%04x:%02x:%02x.%x", domain, bus,
			 slot + 1, function);
}

FIXTURE(group)
{
	long pins;
	int iommufd;
	__u32 ioas;
	struct vfio_dev a;
	struct vfio_dev b;
	char *page;
};

FIXTURE_SETUP(group)
{
	char first[BDF_SIZE], second[BDF_SIZE];

	self->pins = pins_held();
	if (pci_find(TESTDEV_VENDOR, TESTDEV_DEVICE, first))
		SKIP(return, "there is no pci-testdev");
	next_slot(first, second);
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_EQ(0, vfio_open(&self->a, first));
	ASSERT_EQ(0, vfio_open(&self->b, second));
	ASSERT_EQ(vfio_group(first), vfio_group(second));
	ASSERT_EQ(0, vfio_bind(&self->a, self->iommufd));
	ASSERT_EQ(0, vfio_bind(&self->b, self->iommufd));
	self->page = anonymous(SMALL_PAGE);
	ASSERT_NE(NULL, self->page);
}

FIXTURE_TEARDOWN_PARENT(group)
{
	EXPECT_EQ(0, pins_left(self->pins));
}

TEST_F(group, shares_one_page_table)
{
	__u32 pt_a = self->ioas, pt_b = self->ioas;

	ASSERT_EQ(0, vfio_attach_pt(&self->a, &pt_a));
	ASSERT_EQ(0, vfio_attach_pt(&self->b, &pt_b));
	EXPECT_EQ(pt_a, pt_b);
	EXPECT_NE(pt_a, self->ioas);
}

TEST_F(group, cannot_be_split_between_two_ioases)
{
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &other));
	ASSERT_EQ(0, vfio_attach(&self->a, self->ioas));
	EXPECT_EQ(-EINVAL, vfio_attach(&self->b, other));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, other));
	EXPECT_EQ(0, vfio_attach(&self->b, self->ioas));
}

TEST_F(group, joins_by_the_id_of_the_page_table)
{
	__u32 pt = self->ioas, same;

	ASSERT_EQ(0, vfio_attach_pt(&self->a, &pt));
	same = pt;
	EXPECT_EQ(0, vfio_attach_pt(&self->b, &same));
	EXPECT_EQ(pt, same);
}

TEST_F(group, keeps_its_page_table_until_the_last_device_leaves)
{
	__u32 pt = self->ioas;
	long pins;

	ASSERT_EQ(0, ioas_map_at(self->iommufd, self->ioas, self->page,
				 SMALL_PAGE, IOVA));
	ASSERT_EQ(0, vfio_attach_pt(&self->a, &pt));
	ASSERT_EQ(0, vfio_attach(&self->b, self->ioas));
	pins = pins_held();

	ASSERT_EQ(0, vfio_detach(&self->a));
	EXPECT_EQ(pins, pins_held());
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->iommufd, self->ioas));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->iommufd, pt));

	ASSERT_EQ(0, vfio_detach(&self->b));
	EXPECT_EQ(pins - 1, pins_held());
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->iommufd, pt));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, self->ioas));
}

TEST_F(group, belongs_to_one_file)
{
	struct vfio_dev *b = &self->b;
	char bdf[BDF_SIZE];
	int other;

	memcpy(bdf, b->bdf, sizeof(bdf));
	vfio_close(b);
	ASSERT_EQ(0, vfio_open(b, bdf));
	other = iommufd_open();
	ASSERT_LE(0, other);
	EXPECT_EQ(-EBUSY, vfio_bind(b, other));
	EXPECT_EQ(0, vfio_bind(b, self->iommufd));
	close(other);
}

TEST_F(group, survives_a_device_that_is_closed_while_attached)
{
	__u32 pt = self->ioas, same = self->ioas;

	ASSERT_EQ(0, vfio_attach_pt(&self->a, &pt));
	ASSERT_EQ(0, vfio_attach(&self->b, self->ioas));
	vfio_close(&self->a);
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->iommufd, pt));
	ASSERT_EQ(0, vfio_attach_pt(&self->b, &same));
	EXPECT_EQ(pt, same);
}

/* VFIO replaces when a device is attached that is attached already. */

TEST_F(group, moves_to_another_ioas_as_a_whole)
{
	__u32 pt = self->ioas, other, moved;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &other));
	ASSERT_EQ(0, ioas_map_at(self->iommufd, other, self->page, SMALL_PAGE,
				 IOVA));
	ASSERT_EQ(0, vfio_attach_pt(&self->a, &pt));
	ASSERT_EQ(0, vfio_attach(&self->b, self->ioas));
	EXPECT_EQ(0, vm_pinned());

	moved = other;
	ASSERT_EQ(0, vfio_attach_pt(&self->a, &moved));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->iommufd, pt));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, self->ioas));

	/* where b is as well */
	pt = other;
	ASSERT_EQ(0, vfio_attach_pt(&self->b, &pt));
	EXPECT_EQ(moved, pt);
	ASSERT_EQ(0, vfio_detach(&self->a));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, vfio_detach(&self->b));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, other));
}

static __u32 nr_ranges(int iommufd, __u32 ioas)
{
	__u32 count = 0;

	ioas_iova_ranges(iommufd, ioas, NULL, &count, NULL);
	return count;
}

/* Each device reserves the regions that it cannot use. */
TEST_F(group, takes_what_is_reserved_along)
{
	const __u32 no_restrictions = 1;
	struct reserved_region window;
	__u32 other;

	if (msi_window(self->a.bdf, &window))
		SKIP(return, "no IOVA is reserved");
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &other));
	ASSERT_EQ(0, vfio_attach(&self->a, self->ioas));
	ASSERT_EQ(0, vfio_attach(&self->b, self->ioas));
	ASSERT_EQ(0, ioas_map_at(self->iommufd, other, self->page, SMALL_PAGE,
				 window.start));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&self->b, other));
	EXPECT_EQ(no_restrictions, nr_ranges(self->iommufd, other));
	EXPECT_LT(no_restrictions, nr_ranges(self->iommufd, self->ioas));

	ASSERT_EQ(0, ioas_unmap_all(self->iommufd, other, NULL));
	ASSERT_EQ(0, vfio_attach(&self->b, other));
	EXPECT_EQ(no_restrictions, nr_ranges(self->iommufd, self->ioas));
	ASSERT_EQ(0, vfio_detach(&self->b));
	/* a still needs it */
	EXPECT_EQ(-EINVAL, ioas_map_at(self->iommufd, other, self->page,
				       SMALL_PAGE, window.start));
	ASSERT_EQ(0, vfio_detach(&self->a));
	EXPECT_EQ(no_restrictions, nr_ranges(self->iommufd, other));
}

/*
 * Failures
 */

#define MAX_TRIES 2000
#define TIMEOUT 120

struct state {
	long pinned;
	__u32 nr_ranges[2];
	__u32 next_id;
};

static struct state state_of(int iommufd, __u32 ioas, __u32 other)
{
	struct state state;

	memset(&state, 0, sizeof(state));
	state.pinned = vm_pinned();
	state.nr_ranges[0] = nr_ranges(iommufd, ioas);
	state.nr_ranges[1] = nr_ranges(iommufd, other);
	state.next_id = next_id(iommufd);
	return state;
}

static bool states_are_same(const struct state *a, const struct state *b)
{
	return !memcmp(a, b, sizeof(*a));
}

#define GROUP FIXTURE_DATA(group)

/*
 * VFIO detaches a device of which it cannot tell the table: then b alone is
 * left, where the two have moved to. When it could not read the request both
 * are where they were. Afterwards they are on @pt again.
 */
static void check_lost_answer(struct __test_metadata *_metadata, GROUP *self,
			      __u32 other, const struct state *before, __u32 pt)
{
	struct state stay = state_of(self->iommufd, self->ioas, other);
	struct state move = state_of(self->iommufd, other, self->ioas);
	const bool moved = states_are_same(before, &move);

	EXPECT_NE(before->nr_ranges[0], before->nr_ranges[1]);
	EXPECT_TRUE(moved || states_are_same(before, &stay));
	ASSERT_EQ(0, vfio_detach(&self->b));
	/* Is a attached? */
	EXPECT_EQ(moved ? 1 : before->nr_ranges[0],
		  nr_ranges(self->iommufd, moved ? other : self->ioas));
	ASSERT_EQ(0, vfio_detach(&self->a));
	ASSERT_EQ(0, vfio_attach(&self->a, pt));
	ASSERT_EQ(0, vfio_attach(&self->b, pt));
	stay = state_of(self->iommufd, self->ioas, other);
	EXPECT_TRUE(states_are_same(before, &stay));
}

/*
 * The page table of an IOAS is made beforehand, so that each failure is one of
 * moving.
 */
TEST_F_TIMEOUT(group, moves_as_a_whole_or_not_at_all, TIMEOUT)
{
	int fail_nth = fail_nth_open(), nth = 0, nr_errors = 0;
	struct own_errors own = OWN_ERRORS(-ENOENT, -EINVAL);
	__u32 tables[2], other;
	bool failed = true;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &other));
	ASSERT_EQ(0, hwpt_alloc(self->iommufd, self->a.id, self->ioas, 0,
				&tables[0]));
	ASSERT_EQ(0, hwpt_alloc(self->iommufd, self->a.id, other, 0,
				&tables[1]));
	ASSERT_EQ(0, vfio_attach(&self->a, tables[0]));
	ASSERT_EQ(0, vfio_attach(&self->b, tables[0]));

	while (failed && ++nth < MAX_TRIES) {
		struct state before = state_of(self->iommufd, self->ioas,
					       other), after;
		int rc;

		fail_nth_set(fail_nth, nth);
		rc = vfio_attach(&self->a, tables[1]);
		failed = fail_nth_happened(fail_nth);
		if (rc == -EFAULT) {
			check_lost_answer(_metadata, self, other, &before,
					  tables[0]);
			continue;
		}
		if (rc) {
			ASSERT_TRUE(failed && is_injected_failure(rc, &own))
				TH_LOG("%d: %d", nth, rc);
			nr_errors++;
			after = state_of(self->iommufd, self->ioas, other);
			EXPECT_TRUE(states_are_same(&before, &after))
				TH_LOG("%d: %d", nth, rc);
			EXPECT_EQ(-EBUSY, iommufd_destroy(self->iommufd,
							  tables[0]));
			ASSERT_EQ(0, vfio_attach(&self->a, tables[1]))
				TH_LOG("%d", nth);
		}
		after = state_of(self->iommufd, other, self->ioas);
		EXPECT_TRUE(states_are_same(&before, &after))
			TH_LOG("%d", nth);
		ASSERT_EQ(0, vfio_attach(&self->b, tables[0]));
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(0, nr_errors);
	TH_LOG("%d of %d failures are errors", nr_errors, nth - 1);
	close(fail_nth);
}

/*
 * Races
 */

enum {
	MOVED_TO_IOAS,
	MOVED_TO_TABLE,
	DETACHED,
	MADE_TABLE,
	MAPPED,
	NR_GOALS,
};

struct arena {
	struct crowd crowd;
	int iommufd;
	struct vfio_dev *devices[2];
	__u32 ioases[2];
	char *page;
	atomic_uint table;	/* comes and goes */
	struct goal goals[NR_GOALS];
};

struct worker {
	struct arena *arena;
	__u32 random;
};

/* A device that was detached cannot join another page table than the other's. */
static int move_to_ioas(struct arena *arena, struct vfio_dev *dev, __u32 ioas)
{
	int rc = vfio_attach(dev, ioas);

	if (!rc)
		goal_count(&arena->goals[MOVED_TO_IOAS]);
	return rc == -EINVAL ? 0 : rc;
}

static int move_to_table(struct arena *arena, struct vfio_dev *dev)
{
	int rc = vfio_attach(dev, arena->table);

	if (!rc)
		goal_count(&arena->goals[MOVED_TO_TABLE]);
	return rc == -EINVAL || rc == -ENOENT ? 0 : rc;
}

static int detach(struct arena *arena, struct vfio_dev *dev)
{
	int rc = vfio_detach(dev);

	if (!rc)
		goal_count(&arena->goals[DETACHED]);
	return rc;
}

static int move_to_nothing(struct vfio_dev *dev)
{
	int rc = vfio_attach(dev, 0);

	return rc == -ENOENT ? 0 : rc ?: -EEXIST;
}

static int move_about(void *argument)
{
	struct worker *worker = argument;
	struct arena *arena = worker->arena;
	int rc = 0;

	while (!rc && !crowd_is_over(&arena->crowd)) {
		const __u32 random = random_next(&worker->random);
		struct vfio_dev *dev = arena->devices[random % 2];

		switch (random / 2 % 8) {
		case 0:
			rc = move_to_nothing(dev);
			break;
		case 1:
		case 2:
			rc = detach(arena, dev);
			break;
		case 3:
		case 4:
			rc = move_to_ioas(arena, dev,
					  arena->ioases[random / 16 % 2]);
			break;
		default:
			rc = move_to_table(arena, dev);
			break;
		}
	}
	return rc;
}

/* Also if just one of them is attached to it */
static int move_both_off(struct arena *arena)
{
	int rc = detach(arena, arena->devices[0]);

	return rc ?: move_to_ioas(arena, arena->devices[1], arena->ioases[0]);
}

static int come_and_go(void *argument)
{
	struct worker *worker = argument;
	struct arena *arena = worker->arena;
	int rc = 0;

	while (!rc && !crowd_is_over(&arena->crowd)) {
		const __u32 random = random_next(&worker->random);
		__u32 table;

		rc = hwpt_alloc(arena->iommufd, arena->devices[random % 2]->id,
				arena->ioases[random / 2 % 2], 0, &table);
		if (rc)
			break;
		arena->table = table;
		sched_yield();
		do {
			rc = iommufd_destroy(arena->iommufd, table);
		} while (rc == -EBUSY && !move_both_off(arena));
		goal_count(&arena->goals[MADE_TABLE]);
	}
	return rc;
}

static int map_and_unmap(void *argument)
{
	struct worker *worker = argument;
	struct arena *arena = worker->arena;
	int rc = 0;

	while (!rc && !crowd_is_over(&arena->crowd)) {
		__u32 ioas = arena->ioases[random_next(&worker->random) % 2];

		rc = ioas_map_at(arena->iommufd, ioas, arena->page, SMALL_PAGE,
				 IOVA);
		if (!rc)
			rc = ioas_unmap(arena->iommufd, ioas, IOVA, SMALL_PAGE,
					NULL);
		goal_count(&arena->goals[MAPPED]);
	}
	return rc;
}

/* Whatever happens, both are on one page table, or on none. */
TEST_F_TIMEOUT(group, survives_what_threads_do_to_its_devices, TIMEOUT)
{
	int (*const runs[])(void *) = {
		move_about, move_about, come_and_go, map_and_unmap,
	};
	struct worker workers[ARRAY_SIZE(runs)];
	struct arena arena = {
		.iommufd = self->iommufd,
		.devices = { &self->a, &self->b },
		.ioases = { self->ioas },
		.page = self->page,
		.goals = {
			{ "moved to an IOAS", 100 },
			{ "moved to a page table", 30 }, { "detached", 100 },
			{ "page tables", 50 }, { "mapped", 500 },
		},
	};
	const __u32 seed = chosen_seed(1);
	const struct goal *missed;
	size_t i;

	TH_LOG("SEED=%u", seed);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &arena.ioases[1]));
	for (i = 0; i != ARRAY_SIZE(runs); i++) {
		workers[i] = (struct worker){
			.arena = &arena,
			.random = seed_of_part(seed, i),
		};
		ASSERT_EQ(0, crowd_add(&arena.crowd, runs[i], &workers[i]));
	}
	missed = crowd_reach(&arena.crowd, arena.goals, NR_GOALS);
	EXPECT_EQ(0, crowd_end(&arena.crowd));
	for (i = 0; i != NR_GOALS; i++)
		TH_LOG("%s: %lu", arena.goals[i].what, arena.goals[i].times);
	EXPECT_EQ(NULL, missed) TH_LOG("too few: %s", missed->what);
	ASSERT_EQ(0, vfio_detach(&self->a));
	ASSERT_EQ(0, vfio_detach(&self->b));
	EXPECT_EQ(1, nr_ranges(self->iommufd, arena.ioases[0]));
	EXPECT_EQ(1, nr_ranges(self->iommufd, arena.ioases[1]));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, arena.ioases[0]));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, arena.ioases[1]));
}

TEST_HARNESS_MAIN
