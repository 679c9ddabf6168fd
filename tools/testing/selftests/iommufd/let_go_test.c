// SPDX-License-Identifier: GPL-2.0-only
/*
 * An unmap ends, whatever drivers have pinned: each is asked to let go of what
 * it holds, of nothing else, and not for ever. Accesses of the test device stand
 * for drivers.
 */
#include <sched.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define FAR_IOVA (1ULL << 46)

#define PINS MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->mem.va)

/* Enough for anything that does not wait, also on a busy machine. */
#define PATIENCE 60

/* -- an unmap ends -- */

FIXTURE(unmap)
{
	struct mock_rig rig;
	struct memory_rig mem;
};

FIXTURE_VARIANT(unmap)
{
	unsigned int nr_areas;
	unsigned int nr_unmaps;
};

FIXTURE_VARIANT_ADD(unmap, of_one_area)
{
	.nr_areas = 1,
	.nr_unmaps = 500,
};

FIXTURE_VARIANT_ADD(unmap, of_two_areas)
{
	.nr_areas = 2,
	.nr_unmaps = 500,
};

FIXTURE_VARIANT_ADD(unmap, of_many_areas)
{
	.nr_areas = 256,
	.nr_unmaps = 10,
};

FIXTURE_SETUP(unmap)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL,
			     variant->nr_areas * SMALL_PAGE));
}

FIXTURE_TEARDOWN(unmap)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

struct pinner {
	struct crowd crowd;	/* of one */
	int iommufd;
	int access;
	unsigned int nr_areas;
	unsigned int pinned;
	__u32 random;
};

/* It unpins nothing until it is asked to, and takes all it can get. */
static int pin_all_the_time(void *data)
{
	struct pinner *pinner = data;
	int rc, unexpected = 0;
	__u32 item, i;

	while (!crowd_is_over(&pinner->crowd)) {
		i = random_next(&pinner->random) % pinner->nr_areas;
		rc = mock_access_pin(pinner->iommufd, pinner->access, 0,
				     IOVA + i * 2 * SMALL_PAGE, SMALL_PAGE,
				     NULL, &item);
		if (!rc)
			__atomic_fetch_add(&pinner->pinned, 1,
					   __ATOMIC_RELAXED);
		/* not there, or being unmapped */
		else if (rc != -ENOENT && rc != -EINVAL)
			unexpected = rc;
	}
	return unexpected;
}

static void wait_for_pins(const struct pinner *pinner, unsigned int more)
{
	unsigned int now = __atomic_load_n(&pinner->pinned, __ATOMIC_RELAXED);

	while (__atomic_load_n(&pinner->pinned, __ATOMIC_RELAXED) < now + more)
		sched_yield();
}

static int map_areas(int iommufd, __u32 ioas, char *va, unsigned int nr)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < nr && !rc; i++)
		rc = ioas_map_at(iommufd, ioas, va + i * SMALL_PAGE, SMALL_PAGE,
				 IOVA + i * 2 * SMALL_PAGE);
	return rc;
}

TEST_F_TIMEOUT(unmap, ends_whatever_drivers_pin, 120)
{
	struct pinner pinner = {
		.nr_areas = variant->nr_areas,
		.random = chosen_seed(1),
	};
	unsigned int i;
	__u64 unmapped;
	int rc = 0;

	TH_LOG("SEED=%u", pinner.random);
	pinner.iommufd = FD;
	pinner.access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, pinner.access);
	ASSERT_EQ(0, crowd_add(&pinner.crowd, pin_all_the_time, &pinner));
	for (i = 0; i < variant->nr_unmaps && !rc; i++) {
		rc = map_areas(FD, IOAS, VA, variant->nr_areas);
		if (rc)
			break;
		wait_for_pins(&pinner, variant->nr_areas > 2 ? 50 : 1);
		rc = ioas_unmap(FD, IOAS, IOVA,
				2 * variant->nr_areas * SMALL_PAGE, &unmapped);
		EXPECT_EQ(variant->nr_areas * SMALL_PAGE, unmapped);
	}
	EXPECT_EQ(0, rc) TH_LOG("unmap %u", i);
	EXPECT_EQ(0, crowd_end(&pinner.crowd));
	EXPECT_EQ(0, close(pinner.access));
	EXPECT_EQ(0, vm_pinned());
}

/* -- what drivers are asked for -- */

FIXTURE(question)
{
	struct mock_rig rig;
	struct memory_rig mem;
	int access;
	struct mock_asked before;
};

FIXTURE_SETUP(question)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, 8 * SMALL_PAGE));
	self->access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, self->access);
	if (mock_asked(&self->before))
		SKIP(return, "the kernel has no debugfs");
}

FIXTURE_TEARDOWN(question)
{
	close(self->access);
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

static int map_and_pin(int iommufd, __u32 ioas, int access, char *va,
		       __u64 iova, bool pin)
{
	__u32 item;
	int rc;

	rc = ioas_map_at(iommufd, ioas, va, SMALL_PAGE, iova);
	if (!rc && pin)
		rc = mock_access_pin(iommufd, access, 0, iova, SMALL_PAGE, va,
				     &item);
	return rc;
}

#define EXPECT_ASKED(nr_calls, nr_pages) do {				\
	struct mock_asked now;						\
									\
	ASSERT_EQ(0, mock_asked(&now));					\
	EXPECT_EQ(nr_calls, now.calls - self->before.calls);		\
	EXPECT_EQ(nr_pages, now.pages - self->before.pages);		\
	EXPECT_EQ(0, now.nonsense - self->before.nonsense);		\
} while (0)

TEST_F(question, names_what_is_held_and_no_hole)
{
	static const struct {
		__u64 iova;
		bool pin;
	} maps[] = {
		{ IOVA, true },
		{ IOVA + SMALL_PAGE, true },
		{ IOVA + 2 * SMALL_PAGE, false },
		{ IOVA + 3 * SMALL_PAGE, true },
		{ FAR_IOVA, true },
	};
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		rc = map_and_pin(FD, IOAS, self->access, VA,
				 maps[i].iova, maps[i].pin);
		ASSERT_EQ(0, rc);
	}
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_ASKED(3, 4);
}

TEST_F(question, is_none_where_nothing_is_held)
{
	char byte;

	ASSERT_EQ(0, map_and_pin(FD, IOAS, self->access, VA, IOVA,
				 false));
	ASSERT_EQ(0, mock_access_rw(FD, self->access, 0, IOVA, 1, &byte));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_ASKED(0, 0);
}

TEST_F(question, is_for_whoever_holds_something_only)
{
	int other = mock_access(FD, IOAS, PINS);
	__u32 item;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, map_and_pin(FD, IOAS, other, VA, IOVA, true));
	ASSERT_EQ(0, mock_access_pin(FD, self->access, 0, IOVA, SMALL_PAGE, VA,
				     &item));
	ASSERT_EQ(0, mock_access_unpin(FD, self->access, item));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_ASKED(1, 1);
	close(other);
}

/* More of them than an unmap tries again */
#define NR_STRETCHES 128

TEST_F(question, is_for_all_that_is_held_at_once)
{
	unsigned int i;
	int rc;

	for (i = 0; i < NR_STRETCHES; i++) {
		rc = map_and_pin(FD, IOAS, self->access, VA,
				 IOVA + i * 2 * SMALL_PAGE, true);
		ASSERT_EQ(0, rc);
	}
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_ASKED(NR_STRETCHES, NR_STRETCHES);
}

/* The first and the last page that there are. */
TEST_F(question, is_never_for_a_length_that_cannot_be)
{
	const __u64 last_page = -SMALL_PAGE;

	ASSERT_EQ(0, map_and_pin(FD, IOAS, self->access, VA, 0,
				 true));
	ASSERT_EQ(0, map_and_pin(FD, IOAS, self->access,
				 VA + SMALL_PAGE, last_page, true));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_ASKED(2, 2);
}

/* -- a driver that does not listen -- */

/* So often a driver is asked at most, by one unmap */
#define MAX_QUESTIONS 100
/* More than anybody asks */
#define FOR_EVER 1000000

FIXTURE(deaf)
{
	struct mock_rig rig;
	struct memory_rig mem;
	int access;
	__u32 item;
	struct mock_asked before;
};

/* Two maps, of which a driver has pinned the second one; a device has both. */
FIXTURE_SETUP(deaf)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, 2 * SMALL_PAGE));
	self->access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, self->access);
	if (mock_asked(&self->before))
		SKIP(return, "the kernel has no debugfs");
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + SMALL_PAGE, SMALL_PAGE,
				 IOVA + SMALL_PAGE));
	ASSERT_EQ(0, mock_access_pin(FD, self->access, 0, IOVA + SMALL_PAGE,
				     SMALL_PAGE, VA + SMALL_PAGE, &self->item));
}

FIXTURE_TEARDOWN(deaf)
{
	EXPECT_EQ(0, mock_access_deaf(0));
	close(self->access);
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

#define DEAF FIXTURE_DATA(deaf)

/* Is all as it was made, and nothing closed to drivers? */
static int deaf_state(DEAF *self)
{
	__u32 item;
	int rc;

	rc = mock_check_map(FD, self->rig.dev.hwpt, IOVA, 2 * SMALL_PAGE, VA);
	if (!rc)
		rc = mock_check_refs(FD, VA, 2 * SMALL_PAGE, 1);
	if (!rc)
		rc = mock_access_pin(FD, self->access, 0, IOVA, 2 * SMALL_PAGE,
				     VA, &item);
	return rc ?: mock_access_unpin(FD, self->access, item);
}

TEST_F(deaf, driver_is_asked_until_it_listens)
{
	ASSERT_EQ(0, mock_access_deaf(MAX_QUESTIONS / 2));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, 2 * SMALL_PAGE, NULL));
	EXPECT_ASKED(MAX_QUESTIONS / 2 + 1, MAX_QUESTIONS / 2 + 1);
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, self->access, self->item));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(deaf, driver_is_not_asked_for_ever_and_keeps_its_pages)
{
	__u64 unmapped;

	ASSERT_EQ(0, mock_access_deaf(FOR_EVER));
	EXPECT_EQ(-EDEADLK,
		  ioas_unmap(FD, IOAS, IOVA, 2 * SMALL_PAGE, &unmapped));
	EXPECT_EQ(0, unmapped);
	EXPECT_ASKED(MAX_QUESTIONS, MAX_QUESTIONS);
	EXPECT_EQ(0, deaf_state(self));
	/* of the map that nobody has pinned it is not asked */
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	EXPECT_ASKED(MAX_QUESTIONS, MAX_QUESTIONS);
	/* what it has it can give back */
	EXPECT_EQ(0, mock_access_unpin(FD, self->access, self->item));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA + SMALL_PAGE, SMALL_PAGE, NULL));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(deaf, driver_leaves_with_all_its_pages)
{
	ASSERT_EQ(0, mock_access_deaf(FOR_EVER));
	EXPECT_EQ(-EDEADLK, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, deaf_state(self));
	EXPECT_EQ(0, close(self->access));
	self->access = -1;
	EXPECT_EQ(0, mock_check_refs(FD, VA, 2 * SMALL_PAGE, 1));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
}

/* Asks all the time, and does nothing else. */
static pid_t fork_to_ask(int iommufd, __u32 ioas)
{
	pid_t pid = fork();

	while (!pid)
		ioas_unmap(iommufd, ioas, IOVA, 2 * SMALL_PAGE, NULL);
	return pid;
}

TEST_F_TIMEOUT(deaf, driver_keeps_its_pages_if_who_asks_is_killed, PATIENCE)
{
	struct mock_asked now;
	pid_t pid;

	ASSERT_EQ(0, mock_access_deaf(FOR_EVER));
	pid = fork_to_ask(FD, IOAS);
	ASSERT_LT(0, pid);
	do {
		ASSERT_EQ(0, mock_asked(&now));
	} while (now.calls == self->before.calls);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(-EINTR, child_status(pid));
	EXPECT_EQ(0, deaf_state(self));
	ASSERT_EQ(0, mock_access_deaf(0));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, 2 * SMALL_PAGE, NULL));
	EXPECT_EQ(0, vm_pinned());
}

TEST_HARNESS_MAIN
