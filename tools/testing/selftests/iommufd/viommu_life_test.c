// SPDX-License-Identifier: GPL-2.0-only
/*
 * How all that there is for a guest goes away again: piece by piece in any
 * order, with the files, or with the process. On the kernel's test device.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/bits.h>

#include "kselftest_harness.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
#define VIRT_ID 0x99
#define DEPTH 4

/* What a guest has, and each needs */
enum part {
	PAGES,			/* of the driver, mapped */
	EVENT_FILE,
	EVENTS,
	FAULT_FILE,
	FAULTS,
	DEVICE,
	VDEVICE,
	NESTED,
	FIRST_QUEUE,
	SECOND_QUEUE,
	MEMORY,			/* of the hardware queues */
	VIOMMU,
	PARENT,
	IOAS,
	NR_PARTS,
};

struct guest {
	struct mock_rig rig;
	struct memory_rig mem;
	struct iommu_test_viommu data;
	char *pages;
	int event_file;
	int fault_file;
	__u32 ids[NR_PARTS];
	unsigned int there;	/* bits of what is not gone */
};

/*
 * Making it
 */

static int make_nested(struct guest *guest)
{
	const struct iommu_test_hwpt data = {};
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = guest->rig.dev.idev,
		.pt_id = guest->ids[VIOMMU],
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
		.fault_id = guest->ids[FAULTS],
	};
	int rc = hwpt_alloc_ioctl(guest->rig.iommufd, &cmd);

	guest->ids[NESTED] = cmd.out_hwpt_id;
	return rc ? rc : mock_domain_replace(guest->rig.iommufd,
					     guest->rig.dev.stdev,
					     &cmd.out_hwpt_id);
}

static int make_queues(struct guest *guest)
{
	const int iommufd = guest->rig.iommufd;
	int rc;

	rc = memory_rig_make(&guest->mem, PAGES_SMALL, 2 * SMALL_PAGE);
	if (!rc)
		rc = memory_rig_map(&guest->mem, iommufd, guest->rig.ioas,
				    IOVA);
	if (!rc)
		rc = mock_hw_queue(iommufd, guest->ids[VIOMMU], 0, IOVA,
				   SMALL_PAGE, &guest->ids[FIRST_QUEUE]);
	return rc ? rc : mock_hw_queue(iommufd, guest->ids[VIOMMU], 1,
				       IOVA + SMALL_PAGE, SMALL_PAGE,
				       &guest->ids[SECOND_QUEUE]);
}

static int make_pages(struct guest *guest)
{
	guest->pages = mmap(NULL, guest->data.out_mmap_length,
			    PROT_READ | PROT_WRITE, MAP_SHARED,
			    guest->rig.iommufd, guest->data.out_mmap_offset);
	return guest->pages == MAP_FAILED ? -errno : 0;
}

static int make_viommu(struct guest *guest)
{
	const int iommufd = guest->rig.iommufd;
	const __u32 idev = guest->rig.dev.idev;
	__u32 *ids = guest->ids;
	int rc;

	rc = hwpt_alloc(iommufd, idev, guest->rig.ioas,
			IOMMU_HWPT_ALLOC_NEST_PARENT, &ids[PARENT]);
	if (!rc)
		rc = mock_viommu(iommufd, idev, ids[PARENT], &guest->data,
				 &ids[VIOMMU]);
	return rc ? rc : vdevice_alloc(iommufd, ids[VIOMMU], idev, VIRT_ID,
				       &ids[VDEVICE]);
}

static int guest_make(struct guest *guest)
{
	__u32 *ids = guest->ids;
	int rc;

	*guest = (struct guest){ .there = BIT(NR_PARTS) - 1 };
	rc = mock_rig_make(&guest->rig);
	if (!rc)
		rc = mock_rig_plug(&guest->rig, 0);
	if (!rc)
		rc = rig_part("a vIOMMU", make_viommu(guest));
	if (!rc)
		rc = rig_part("a fault queue",
			      fault_queue_alloc(guest->rig.iommufd,
						&ids[FAULTS],
						&guest->fault_file));
	if (!rc)
		rc = rig_part("a nested page table", make_nested(guest));
	if (!rc)
		rc = rig_part("an event queue",
			      veventq_alloc(guest->rig.iommufd, ids[VIOMMU],
					    IOMMU_VEVENTQ_TYPE_SELFTEST, DEPTH,
					    &ids[EVENTS],
					    &guest->event_file));
	if (!rc)
		rc = rig_part("hardware queues", make_queues(guest));
	return rc ? rc : rig_part("pages of the driver", make_pages(guest));
}

/*
 * Taking it away
 */

static int drop_pages(struct guest *guest)
{
	return munmap(guest->pages, guest->data.out_mmap_length) ? -errno : 0;
}

static int drop_event_file(struct guest *guest)
{
	return close(guest->event_file) ? -errno : 0;
}

static int drop_fault_file(struct guest *guest)
{
	return close(guest->fault_file) ? -errno : 0;
}

static int drop_device(struct guest *guest)
{
	return mock_destroy(guest->rig.iommufd, &guest->rig.dev);
}

static int drop_memory(struct guest *guest)
{
	return ioas_unmap(guest->rig.iommufd, guest->rig.ioas, IOVA,
			  guest->mem.length, NULL);
}

static int drop_ioas(struct guest *guest)
{
	return iommufd_destroy(guest->rig.iommufd, guest->rig.ioas);
}

static const struct {
	int (*drop)(struct guest *guest);	/* or DESTROY of its ID */
	unsigned int users;			/* bits of who keeps it */
} parts[NR_PARTS] = {
	[PAGES] = { drop_pages },
	[EVENT_FILE] = { drop_event_file },
	[EVENTS] = { NULL, BIT(EVENT_FILE) },
	[FAULT_FILE] = { drop_fault_file },
	[FAULTS] = { NULL, BIT(FAULT_FILE) | BIT(NESTED) },
	[DEVICE] = { drop_device },
	[NESTED] = { NULL, BIT(DEVICE) },
	[FIRST_QUEUE] = { NULL, BIT(SECOND_QUEUE) },
	[MEMORY] = { drop_memory, BIT(FIRST_QUEUE) | BIT(SECOND_QUEUE) },
	[VIOMMU] = { NULL, BIT(PAGES) | BIT(EVENTS) | BIT(VDEVICE) |
			   BIT(NESTED) | BIT(FIRST_QUEUE) |
			   BIT(SECOND_QUEUE) },
	[PARENT] = { NULL, BIT(VIOMMU) },
	[IOAS] = { drop_ioas, BIT(PARENT) },
};

static bool is_there(const struct guest *guest, enum part part)
{
	return guest->there & BIT(part);
}

/* What becomes of the attempt to take it away */
static int expected(const struct guest *guest, enum part part)
{
	/* It has gone with something else. */
	if (part == VDEVICE && !is_there(guest, DEVICE))
		return -ENOENT;
	if (part == MEMORY && !is_there(guest, IOAS))
		return -ENOENT;
	return parts[part].users & guest->there ? -EBUSY : 0;
}

static int drop(struct guest *guest, enum part part)
{
	int rc;

	if (parts[part].drop)
		rc = parts[part].drop(guest);
	else
		rc = iommufd_destroy(guest->rig.iommufd, guest->ids[part]);
	if (!rc)
		guest->there &= ~BIT(part);
	if (!rc && part == DEVICE)
		guest->there &= ~BIT(VDEVICE);
	return rc;
}

/*
 * Devices that ask for pages and raise events meanwhile
 */

enum { RAISED, REQUESTED, NR_GOALS };

struct noise {
	struct crowd crowd;
	const struct guest *guest;
	struct goal goals[NR_GOALS];
};

static bool is_no_error(int rc)
{
	/* There is no queue, or no device. */
	return !rc || rc == -EOPNOTSUPP || rc == -ENOENT;
}

static int raise_events(void *data)
{
	struct noise *noise = data;
	const struct mock_rig *rig = &noise->guest->rig;
	int rc = 0;

	while (!crowd_is_over(&noise->crowd) && is_no_error(rc)) {
		rc = mock_trigger_vevent(rig->iommufd, rig->dev.idev);
		if (!rc)
			goal_count(&noise->goals[RAISED]);
		sched_yield();
	}
	return is_no_error(rc) ? 0 : rc;
}

static int ask_for_pages(void *data)
{
	struct noise *noise = data;
	const struct mock_rig *rig = &noise->guest->rig;
	int rc = 0;

	while (!crowd_is_over(&noise->crowd) && is_no_error(rc)) {
		rc = mock_trigger_iopf(rig->iommufd, rig->dev.idev, 1, 1,
				       IOMMU_PGFAULT_PERM_READ, IOVA);
		if (!rc)
			goal_count(&noise->goals[REQUESTED]);
		sched_yield();
	}
	return is_no_error(rc) ? 0 : rc;
}

/* As long as everything is there, both get somewhere. */
static int noise_begin(struct noise *noise, const struct guest *guest)
{
	int rc;

	*noise = (struct noise){
		.guest = guest,
		.goals = { { "events", 1 }, { "requests", 1 } },
	};
	rc = crowd_add(&noise->crowd, raise_events, noise);
	if (!rc)
		rc = crowd_add(&noise->crowd, ask_for_pages, noise);
	if (!rc && crowd_reach(&noise->crowd, noise->goals, NR_GOALS))
		rc = -ENODATA;
	return rc;
}

/* Until there was so much of each */
static int noise_go_on(struct noise *noise, unsigned int least)
{
	int i;

	for (i = 0; i != NR_GOALS; i++)
		noise->goals[i].least = least;
	return crowd_reach(&noise->crowd, noise->goals, NR_GOALS) ? -ENODATA :
								    0;
}

/*
 * Tests
 */

FIXTURE(life)
{
	long pins;
	int devices;
	__u32 random;
};

FIXTURE_VARIANT(life)
{
	bool noisy;
	unsigned int rounds;
};

FIXTURE_VARIANT_ADD(life, of_quiet_devices)
{
	.noisy = false,
	.rounds = 40,
};

FIXTURE_VARIANT_ADD(life, of_noisy_devices)
{
	.noisy = true,
	.rounds = 20,
};

FIXTURE_SETUP(life)
{
	struct mock_rig rig;

	MAKE(mock_rig_make(&rig));
	ASSERT_EQ(0, mock_rig_break(&rig));
	self->random = chosen_seed(12345);
	TH_LOG("SEED=%u", self->random);
	self->pins = pins_held();
	self->devices = mock_devices();
}

FIXTURE_TEARDOWN(life)
{
	EXPECT_EQ(0, pins_left(self->pins));
	EXPECT_EQ(self->devices, mock_devices());
}

/* Each attempt has the result that what is there at the moment calls for. */
TEST_F_TIMEOUT(life, ends_piece_by_piece_in_any_order, 120)
{
	unsigned int round, todo;
	struct guest guest;
	struct noise noise;
	enum part part;
	int rc;

	for (round = 0; round != affordable(variant->rounds); round++) {
		MAKE(guest_make(&guest));
		if (variant->noisy)
			ASSERT_EQ(0, noise_begin(&noise, &guest));
		todo = guest.there;
		while (todo) {
			part = random_next(&self->random) % NR_PARTS;
			if (!(todo & BIT(part)))
				continue;
			rc = expected(&guest, part);
			ASSERT_EQ(rc, drop(&guest, part))
				TH_LOG("round %u, part %u, there: %#x", round,
				       part, guest.there);
			if (rc != -EBUSY)
				todo &= ~BIT(part);
		}
		if (variant->noisy)
			EXPECT_EQ(0, crowd_end(&noise.crowd));
		EXPECT_EQ(0, mock_rig_break(&guest.rig));
	}
}

struct drop_call {
	struct thread_call call;
	struct guest *guest;
	pthread_barrier_t *barrier;
	enum part part;
};

static int drop_with_others(void *data)
{
	struct drop_call *call = data;

	pthread_barrier_wait(call->barrier);
	return parts[call->part].drop(call->guest);
}

/*
 * What holds the context, if it is there at all, is let go by a thread each, the
 * file itself by this one.
 */
static int close_all(struct guest *guest)
{
	static const enum part holders[] = { PAGES, EVENT_FILE, FAULT_FILE };
	struct drop_call calls[ARRAY_SIZE(holders)];
	pthread_barrier_t barrier;
	unsigned int i, nr = 0;
	int rc = 0, one;

	for (i = 0; i != ARRAY_SIZE(holders); i++)
		nr += is_there(guest, holders[i]);
	rc = -pthread_barrier_init(&barrier, NULL, nr + 1);
	nr = 0;
	for (i = 0; !rc && i != ARRAY_SIZE(holders); i++) {
		if (!is_there(guest, holders[i]))
			continue;
		calls[nr] = (struct drop_call){
			.guest = guest,
			.barrier = &barrier,
			.part = holders[i],
		};
		rc = thread_call_start(&calls[nr].call, drop_with_others,
				       &calls[nr]);
		nr++;
	}
	if (rc)
		return rc;
	pthread_barrier_wait(&barrier);
	close(guest->rig.iommufd);
	while (nr) {
		one = thread_call_end(&calls[--nr].call);
		if (one)
			rc = one;
	}
	return rc;
}

/* Whatever was taken away before */
TEST_F_TIMEOUT(life, ends_with_all_files_closed_at_once, 120)
{
	unsigned int round, tries;
	struct guest guest;
	struct noise noise;
	enum part part;

	for (round = 0; round != affordable(variant->rounds); round++) {
		MAKE(guest_make(&guest));
		if (variant->noisy)
			ASSERT_EQ(0, noise_begin(&noise, &guest));
		for (tries = round % 20; tries; tries--) {
			part = random_next(&self->random) % NR_PARTS;
			if (is_there(&guest, part))
				drop(&guest, part);
		}
		if (variant->noisy)
			EXPECT_EQ(0, crowd_end(&noise.crowd));
		EXPECT_EQ(0, close_all(&guest));
		ASSERT_EQ(self->devices, mock_devices());
		ASSERT_EQ(0, pins_left(self->pins));
	}
}

/* Says when it has everything, and has made some noise. */
static pid_t start_guest(int *ready, bool noisy, unsigned int least)
{
	struct guest guest;
	struct noise noise;
	pid_t pid;

	pid = fork_with_pipe(ready);
	if (pid)
		return pid;
	if (guest_make(&guest) ||
	    (noisy && (noise_begin(&noise, &guest) ||
		       noise_go_on(&noise, least))) ||
	    write(*ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(life, ends_with_the_process, 120)
{
	unsigned int round;
	int ready, status;
	char byte;
	pid_t pid;

	for (round = 0; round != affordable(variant->rounds); round++) {
		pid = start_guest(&ready, variant->noisy,
				  random_next(&self->random) % 64);
		ASSERT_LT(0, pid);
		ASSERT_EQ(1, read(ready, &byte, 1));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		close(ready);
		ASSERT_EQ(self->devices, mock_devices());
		ASSERT_EQ(0, pins_left(self->pins));
	}
}

TEST_HARNESS_MAIN
