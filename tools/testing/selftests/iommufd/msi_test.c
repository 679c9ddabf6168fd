// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of devices that DMA is translated for. Where the IOMMU translates
 * the writes that raise them as well, as on Arm, they arrive only if each page
 * table translates the doorbell.
 *
 * The devices are QEMU's "edu", with one MSI, and "igb", with MSI-X.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "kselftest_harness.h"
#include "device_mover.h"
#include "fail_nth.h"
#include "test_support.h"
#include "threads.h"
#include "vfio_edu.h"
#include "vfio_igb.h"
#include "vfio_irq.h"

#define TIMEOUT_MS 10000
/* The same where some may be lost */
#define LOST_MS 300

/* Where interrupts go on x86, whatever the page table says */
#define X86_WINDOW 0xfee00000UL

/* Two IOASes, which nothing is mapped in, and a device that is bound */
struct bench {
	int iommufd;
	__u32 ioas[2];
	struct vfio_dev dev;
	struct irq_source irq;
};

static int bench_open(struct bench *bench, unsigned int vendor,
		      unsigned int device)
{
	int rc;

	bench->iommufd = iommufd_open();
	if (bench->iommufd < 0)
		return bench->iommufd;
	rc = ioas_alloc(bench->iommufd, &bench->ioas[0]);
	if (!rc)
		rc = ioas_alloc(bench->iommufd, &bench->ioas[1]);
	if (!rc)
		rc = vfio_setup(&bench->dev, vendor, device, bench->iommufd);
	if (!rc)
		rc = irq_open(&bench->irq, &bench->dev);
	return rc;
}

static void bench_close(struct bench *bench)
{
	irq_close(&bench->irq);
	vfio_close(&bench->dev);
	close(bench->iommufd);
}

/* Does every vector arrive, once? */
static bool arrives(struct irq_source *irq)
{
	unsigned int vector;
	int times;

	for (vector = 0; vector < irq->vectors; vector++) {
		times = irq_raise(irq, vector, patience(TIMEOUT_MS));
		if (times != 1) {
			printf("# vector %u arrived %d times\n", vector,
			       times);
			return false;
		}
	}
	return true;
}

FIXTURE(msi)
{
	struct bench bench;
};

FIXTURE_VARIANT(msi)
{
	unsigned int vendor;
	unsigned int device;
};

FIXTURE_VARIANT_ADD(msi, edu)
{
	.vendor = EDU_VENDOR,
	.device = EDU_DEVICE,
};

FIXTURE_VARIANT_ADD(msi, igb)
{
	.vendor = IGB_VENDOR,
	.device = IGB_DEVICE,
};

FIXTURE_SETUP(msi)
{
	int rc = bench_open(&self->bench, variant->vendor, variant->device);

	if (rc == -ENODEV)
		SKIP(return, "there is no such device");
	ASSERT_EQ(0, rc);
}

FIXTURE_TEARDOWN(msi)
{
	bench_close(&self->bench);
}

#define DEV (&self->bench.dev)
#define IRQ (&self->bench.irq)
#define FD (self->bench.iommufd)
#define IOAS (self->bench.ioas[0])
#define OTHER (self->bench.ioas[1])

TEST_F(msi, arrives_at_a_device_that_is_attached)
{
	int i;

	ASSERT_EQ(0, vfio_attach(DEV, IOAS));
	ASSERT_EQ(0, irq_enable(IRQ));
	for (i = 0; i < 10; i++)
		EXPECT_TRUE(arrives(IRQ));
	EXPECT_EQ(0, irq_disable(IRQ));
	EXPECT_EQ(0, irq_raise(IRQ, 0, 100));
	ASSERT_EQ(0, irq_enable(IRQ));
	EXPECT_TRUE(arrives(IRQ));
}

TEST_F(msi, arrives_on_an_allocated_page_table)
{
	__u32 hwpt;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV->id, IOAS, 0, &hwpt));
	ASSERT_EQ(0, vfio_attach(DEV, hwpt));
	ASSERT_EQ(0, irq_enable(IRQ));
	EXPECT_TRUE(arrives(IRQ));
}

/* The device keeps the address that it was given at first. */
TEST_F(msi, arrives_after_each_replacement)
{
	__u32 hwpt;
	int i;

	ASSERT_EQ(0, vfio_attach(DEV, IOAS));
	ASSERT_EQ(0, irq_enable(IRQ));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, vfio_attach(DEV, i % 2 ? IOAS : OTHER));
		EXPECT_TRUE(arrives(IRQ));
	}
	ASSERT_EQ(0, hwpt_alloc(FD, DEV->id, OTHER, 0, &hwpt));
	ASSERT_EQ(0, vfio_attach(DEV, hwpt));
	EXPECT_TRUE(arrives(IRQ));
	ASSERT_EQ(0, vfio_attach(DEV, OTHER));
	EXPECT_TRUE(arrives(IRQ));
	EXPECT_EQ(0, iommufd_destroy(FD, hwpt));
}

TEST_F(msi, arrives_after_detach_and_attach)
{
	ASSERT_EQ(0, vfio_attach(DEV, IOAS));
	ASSERT_EQ(0, irq_enable(IRQ));
	ASSERT_EQ(0, vfio_detach(DEV));
	ASSERT_EQ(0, vfio_attach(DEV, OTHER));
	EXPECT_TRUE(arrives(IRQ));
	ASSERT_EQ(0, vfio_detach(DEV));
	ASSERT_EQ(0, iommufd_destroy(FD, OTHER));
	ASSERT_EQ(0, vfio_attach(DEV, IOAS));
	EXPECT_TRUE(arrives(IRQ));
}

TEST_F(msi, arrives_again_through_another_file)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, vfio_attach(DEV, IOAS));
		ASSERT_EQ(0, irq_enable(IRQ));
		EXPECT_TRUE(arrives(IRQ));
		bench_close(&self->bench);
		ASSERT_EQ(0, bench_open(&self->bench, variant->vendor,
					variant->device));
	}
}

/*
 * On Arm an interrupt is a write to memory, which the IOMMU translates. To get
 * to another page table, the driver of the SMMUv3 has to change an entry of
 * several words, which is not valid meanwhile: what is written then is lost.
 */
static bool may_lose_interrupts(const char *bdf)
{
	struct reserved_region window;

	return !msi_window(bdf, &window) && window.start != X86_WINDOW;
}

TEST_F(msi, arrives_while_replaced)
{
	struct mover mover = { .dev = DEV, .pts = { OTHER, IOAS } };
	const bool may_lose = may_lose_interrupts(DEV->bdf);
	const int timeout_ms = patience(may_lose ? LOST_MS : TIMEOUT_MS);
	const unsigned int moves = 3;
	int raises, times, lost = 0;

	ASSERT_EQ(0, vfio_attach(DEV, IOAS));
	ASSERT_EQ(0, irq_enable(IRQ));
	ASSERT_EQ(0, mover_start(&mover));
	/* On a busy machine the other thread may hardly get to move. */
	for (raises = 0; raises < 300 || mover_moves(&mover) < moves;
	     raises++) {
		times = irq_raise(IRQ, raises % IRQ->vectors, timeout_ms);
		EXPECT_LE(0, times);
		EXPECT_GE(1, times);
		lost += !times;
	}
	EXPECT_EQ(0, mover_stop(&mover));
	TH_LOG("%d of %d lost in %u moves", lost, raises, mover.moves);
	/* one in each move, and a move is long for the moment that it has */
	EXPECT_GE(may_lose ? mover.moves : 0, lost);
	EXPECT_GT(may_lose ? raises / 5 : 1, lost);
	EXPECT_LE(moves, mover.moves);
	EXPECT_TRUE(arrives(IRQ));
}

/* And the other way round: doorbells that come while the device moves. */
TEST_F(msi, can_be_enabled_while_replaced)
{
	struct mover mover = { .dev = DEV, .pts = { OTHER, IOAS } };
	int i;

	ASSERT_EQ(0, vfio_attach(DEV, IOAS));
	ASSERT_EQ(0, mover_start(&mover));
	for (i = 0; i < 10 || mover_moves(&mover) < 3; i++) {
		EXPECT_EQ(0, irq_enable(IRQ));
		EXPECT_EQ(0, irq_disable(IRQ));
	}
	EXPECT_EQ(0, irq_enable(IRQ));
	EXPECT_EQ(0, mover_stop(&mover));
	EXPECT_TRUE(arrives(IRQ));
}

/* Nobody is to map anything where the doorbells are. */
TEST_F(msi, has_a_window_that_is_reserved)
{
	struct reserved_region window;
	struct memory mem;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, SMALL_PAGE));
	if (msi_window(DEV->bdf, &window))
		SKIP(return, "the IOMMU has no such window");
	ASSERT_EQ(0, vfio_attach(DEV, IOAS));
	ASSERT_EQ(0, irq_enable(IRQ));
	EXPECT_EQ(-EINVAL, ioas_map_at(FD, IOAS, mem.va, SMALL_PAGE,
				       window.start));
	EXPECT_EQ(-EINVAL, ioas_map_at(FD, IOAS, mem.va, SMALL_PAGE,
				       window.last + 1 - SMALL_PAGE));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, mem.va, SMALL_PAGE,
				 window.last + 1));
	EXPECT_EQ(0, ioas_map_at(FD, OTHER, mem.va, SMALL_PAGE,
				 window.start));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(DEV, OTHER));
	EXPECT_TRUE(arrives(IRQ));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_TRUE(arrives(IRQ));
}

/*
 * A page table keeps the doorbells that it has been given, and so their place,
 * whoever uses it.
 */

/* The window, if the IOMMU translates interrupts in it. */
static int doorbell_window(const char *bdf, struct reserved_region *window)
{
	int rc = msi_window(bdf, window);

	return rc ?: window->start == X86_WINDOW ? -ENOENT : 0;
}

/* Is it said that the page at @iova can be used? A negative errno on error. */
static int is_offered(int iommufd, __u32 ioas, __u64 iova)
{
	struct iommu_iova_range ranges[64];
	__u32 count = ARRAY_SIZE(ranges), i;
	int rc = ioas_iova_ranges(iommufd, ioas, ranges, &count, NULL);

	if (rc)
		return rc;
	for (i = 0; i < count; i++)
		if (ranges[i].start <= iova && iova <= ranges[i].last)
			return true;
	return false;
}

/* Memory that is mapped, in small and in huge pages, over a doorbell */
struct intruder {
	struct memory small, huge;
};

static int intruder_init(struct intruder *intruder)
{
	return memory_alloc(&intruder->small, PAGES_SMALL, SMALL_PAGE) ?:
	       memory_alloc(&intruder->huge, PAGES_HUGETLB, HUGE_PAGE);
}

static bool is_kept_out(const struct intruder *intruder, int iommufd,
			__u32 ioas, __u64 iova)
{
	return ioas_map_at(iommufd, ioas, intruder->small.va, SMALL_PAGE,
			   iova) == -EINVAL &&
	       ioas_map_at(iommufd, ioas, intruder->huge.va, HUGE_PAGE,
			   iova) == -EINVAL &&
	       is_offered(iommufd, ioas, iova) == 0;
}

static bool is_let_in(const struct intruder *intruder, int iommufd, __u32 ioas,
		      __u64 iova)
{
	return is_offered(iommufd, ioas, iova) == 1 &&
	       !ioas_map_at(iommufd, ioas, intruder->small.va, SMALL_PAGE,
			    iova) &&
	       !ioas_unmap(iommufd, ioas, iova, SMALL_PAGE, NULL) &&
	       !ioas_map_at(iommufd, ioas, intruder->huge.va, HUGE_PAGE,
			    iova) &&
	       !ioas_unmap(iommufd, ioas, iova, HUGE_PAGE, NULL);
}

TEST_F(msi, doorbell_keeps_its_place_when_the_device_is_detached)
{
	struct reserved_region window;
	struct intruder intruder;
	__u32 hwpt;
	int i;

	if (doorbell_window(DEV->bdf, &window))
		SKIP(return, "the IOMMU does not translate interrupts");
	ASSERT_EQ(0, intruder_init(&intruder));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV->id, IOAS, 0, &hwpt));
	EXPECT_TRUE(is_let_in(&intruder, FD, IOAS, window.start));
	ASSERT_EQ(0, vfio_attach(DEV, hwpt));
	ASSERT_EQ(0, irq_enable(IRQ));
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(arrives(IRQ));
		ASSERT_EQ(0, vfio_detach(DEV));
		EXPECT_TRUE(is_kept_out(&intruder, FD, IOAS, window.start));
		ASSERT_EQ(0, vfio_attach(DEV, hwpt));
	}
	EXPECT_TRUE(arrives(IRQ));
	ASSERT_EQ(0, vfio_detach(DEV));
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	EXPECT_TRUE(is_let_in(&intruder, FD, IOAS, window.start));
}

TEST_F(msi, doorbell_keeps_its_place_when_the_device_moves)
{
	struct reserved_region window;
	struct intruder intruder;
	__u32 hwpts[2];

	if (doorbell_window(DEV->bdf, &window))
		SKIP(return, "the IOMMU does not translate interrupts");
	ASSERT_EQ(0, intruder_init(&intruder));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV->id, IOAS, 0, &hwpts[0]));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV->id, IOAS, 0, &hwpts[1]));
	ASSERT_EQ(0, vfio_attach(DEV, hwpts[0]));
	ASSERT_EQ(0, irq_enable(IRQ));
	/* within the IOAS, then out of it */
	ASSERT_EQ(0, vfio_attach(DEV, hwpts[1]));
	EXPECT_TRUE(arrives(IRQ));
	ASSERT_EQ(0, vfio_attach(DEV, OTHER));
	EXPECT_TRUE(arrives(IRQ));
	EXPECT_TRUE(is_kept_out(&intruder, FD, IOAS, window.start));
	/* both page tables have it */
	ASSERT_EQ(0, iommufd_destroy(FD, hwpts[1]));
	EXPECT_TRUE(is_kept_out(&intruder, FD, IOAS, window.start));
	ASSERT_EQ(0, vfio_attach(DEV, hwpts[0]));
	EXPECT_TRUE(arrives(IRQ));
	/* an automatic page table is gone with the device */
	EXPECT_TRUE(is_let_in(&intruder, FD, OTHER, window.start));
	ASSERT_EQ(0, vfio_detach(DEV));
	ASSERT_EQ(0, iommufd_destroy(FD, hwpts[0]));
	EXPECT_TRUE(is_let_in(&intruder, FD, IOAS, window.start));
}

TEST_F(msi, window_is_free_again_if_there_is_no_doorbell)
{
	struct reserved_region window;
	struct intruder intruder;
	__u32 hwpt;

	if (doorbell_window(DEV->bdf, &window))
		SKIP(return, "the IOMMU does not translate interrupts");
	ASSERT_EQ(0, intruder_init(&intruder));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV->id, IOAS, 0, &hwpt));
	ASSERT_EQ(0, vfio_attach(DEV, hwpt));
	EXPECT_TRUE(is_kept_out(&intruder, FD, IOAS, window.start));
	ASSERT_EQ(0, vfio_attach(DEV, OTHER));
	EXPECT_TRUE(is_let_in(&intruder, FD, IOAS, window.start));
}

/* With and without a doorbell that the device needs in the page table */
TEST_F(msi, window_suits_the_page_table_after_an_attach_that_failed)
{
	int fail_nth = fail_nth_open(), nth = 0, enabled, rc;
	struct reserved_region window;
	bool happened, free, taken;
	struct intruder intruder;
	__u32 hwpt;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot let calls fail");
	if (doorbell_window(DEV->bdf, &window))
		SKIP(return, "the IOMMU does not translate interrupts");
	ASSERT_EQ(0, intruder_init(&intruder));
	ASSERT_EQ(0, vfio_attach(DEV, OTHER));
	for (enabled = 0; enabled < 2; enabled++) {
		if (enabled)
			ASSERT_EQ(0, irq_enable(IRQ));
		for (nth = 1; nth < 1000; nth++) {
			ASSERT_EQ(0, hwpt_alloc(FD, DEV->id, IOAS, 0, &hwpt));
			fail_nth_set(fail_nth, nth);
			rc = vfio_attach(DEV, hwpt);
			happened = fail_nth_happened(fail_nth);
			/* a reply that fails comes when all is done */
			ASSERT_EQ(0, vfio_attach(DEV, OTHER));
			free = is_let_in(&intruder, FD, IOAS, window.start);
			taken = !free && is_kept_out(&intruder, FD, IOAS,
						     window.start);
			EXPECT_TRUE(enabled ? free || taken : free);
			if (enabled && !rc)
				EXPECT_TRUE(taken);
			ASSERT_EQ(0, vfio_attach(DEV, hwpt));
			ASSERT_EQ(0, vfio_attach(DEV, OTHER));
			ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
			EXPECT_TRUE(is_let_in(&intruder, FD, IOAS,
					      window.start));
			if (!happened)
				break;
		}
		EXPECT_LT(1, nth);
		EXPECT_EQ(0, rc);
	}
	EXPECT_TRUE(arrives(IRQ));
	close(fail_nth);
}

/* What the device must have in a page table before it moves there */
TEST_F(msi, arrives_after_a_replacement_that_failed)
{
	int fail_nth = fail_nth_open(), nth, rc, to = 1;
	bool happened;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot let calls fail");
	ASSERT_EQ(0, vfio_attach(DEV, IOAS));
	ASSERT_EQ(0, irq_enable(IRQ));
	for (nth = 1; nth < 1000; nth++) {
		fail_nth_set(fail_nth, nth);
		rc = vfio_attach(DEV, self->bench.ioas[to]);
		happened = fail_nth_happened(fail_nth);
		EXPECT_EQ(1, irq_raise(IRQ, 0, patience(TIMEOUT_MS)));
		if (!rc)
			to = !to;
		/* not in the page table that it did not get, which is freed */
		ASSERT_EQ(0, irq_disable(IRQ));
		ASSERT_EQ(0, irq_enable(IRQ));
		if (!happened)
			break;
	}
	EXPECT_LT(1, nth);
	EXPECT_EQ(0, rc);
	close(fail_nth);
}

/*
 * Who has the mutex of a group of the IOMMU core is kept from running, so that
 * others come to wait for it: there is a thread that takes it all the time, and
 * one that has the processor of it for as long as it likes. Whether the mutex
 * is taken just then is a matter of luck.
 */
struct keeper {
	int regions;		/* a file that is read with the mutex */
	struct crowd crowd;
	bool keeps;
};

static int run_on_first_processor(void)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	return sched_setaffinity(0, sizeof(first), &first) ? -errno : 0;
}

static int take_mutex_again_and_again(void *data)
{
	struct keeper *keeper = data;
	int rc = run_on_first_processor();
	char text[1024];

	while (!rc && !crowd_is_over(&keeper->crowd))
		if (pread(keeper->regions, text, sizeof(text), 0) < 0)
			rc = -errno;
	return rc;
}

static int keep_processor(void *data)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct keeper *keeper = data;
	int rc = run_on_first_processor();

	if (!rc && sched_setscheduler(0, SCHED_FIFO, &param))
		rc = -errno;
	while (!rc && !crowd_is_over(&keeper->crowd))
		if (!__atomic_load_n(&keeper->keeps, __ATOMIC_ACQUIRE))
			usleep(100);
	return rc;
}

static int keeper_start(struct keeper *keeper, const char *bdf)
{
	*keeper = (struct keeper){ .regions = iovas_reserved_open(bdf) };
	if (keeper->regions < 0)
		return keeper->regions;
	return crowd_add(&keeper->crowd, take_mutex_again_and_again, keeper) ?:
	       crowd_add(&keeper->crowd, keep_processor, keeper);
}

static int keeper_stop(struct keeper *keeper)
{
	int rc = crowd_end(&keeper->crowd);

	close(keeper->regions);
	return rc;
}

static void keeper_set(struct keeper *keeper, bool keeps)
{
	__atomic_store_n(&keeper->keeps, keeps, __ATOMIC_RELEASE);
	usleep(1000);
}

static int enable(void *data)
{
	return irq_enable(data);
}

struct move {
	struct vfio_dev *dev;
	__u32 to;
};

static int move_device(void *data)
{
	struct move *move = data;

	return vfio_attach(move->dev, move->to);
}

/*
 * A doorbell that comes when the next page table is known and not yet in use:
 * both wait for the mutex of the group, the doorbell first.
 */
TEST_F(msi, arrives_if_enabled_on_the_way_to_the_next_page_table)
{
	struct thread_call enabling, moving;
	unsigned int met = 0, tries;
	struct reserved_region window;
	struct move move = { .dev = DEV };
	struct keeper keeper;
	bool is_moving;

	if (doorbell_window(DEV->bdf, &window))
		SKIP(return, "the IOMMU does not translate interrupts");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is only one processor");
	ASSERT_EQ(0, keeper_start(&keeper, DEV->bdf));
	for (tries = 0; met < 2 && tries < 200; tries++) {
		ASSERT_EQ(0, hwpt_alloc(FD, DEV->id, IOAS, 0, &move.to));
		ASSERT_EQ(0, vfio_attach(DEV, IOAS));
		keeper_set(&keeper, true);
		ASSERT_EQ(0, thread_call_start(&enabling, enable, IRQ));
		is_moving = thread_call_wait_asleep(&enabling);
		if (is_moving)
			ASSERT_EQ(0, thread_call_start(&moving, move_device,
						       &move));
		if (is_moving && thread_call_wait_asleep(&moving) &&
		    !thread_call_is_over(&enabling))
			met++;
		keeper_set(&keeper, false);
		EXPECT_EQ(0, thread_call_end(&enabling));
		if (is_moving)
			EXPECT_EQ(0, thread_call_end(&moving));
		EXPECT_TRUE(arrives(IRQ));
		/* no doorbell is known to the next one */
		bench_close(&self->bench);
		ASSERT_EQ(0, bench_open(&self->bench, variant->vendor,
					variant->device));
	}
	EXPECT_EQ(0, keeper_stop(&keeper));
	TH_LOG("met %u times in %u tries", met, tries);
	EXPECT_EQ(2, met);
}

/* -- both devices -- */

FIXTURE(msis)
{
	struct bench bench;
	struct vfio_dev igb;
	struct irq_source igb_irq;
};

FIXTURE_SETUP(msis)
{
	int rc = bench_open(&self->bench, EDU_VENDOR, EDU_DEVICE);

	if (!rc)
		rc = igb_setup(&self->igb, self->bench.iommufd);
	if (rc == -ENODEV)
		SKIP(return, "there are no such devices");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, irq_open(&self->igb_irq, &self->igb));
}

FIXTURE_TEARDOWN(msis)
{
	irq_close(&self->igb_irq);
	vfio_close(&self->igb);
	bench_close(&self->bench);
}

#define IGB (&self->igb)
#define IGB_IRQ (&self->igb_irq)

TEST_F(msis, of_two_devices_arrive_on_one_page_table)
{
	__u32 first = IOAS, second = IOAS;

	ASSERT_EQ(0, vfio_attach_pt(DEV, &first));
	ASSERT_EQ(0, vfio_attach_pt(IGB, &second));
	EXPECT_EQ(first, second);
	ASSERT_EQ(0, irq_enable(IRQ));
	ASSERT_EQ(0, irq_enable(IGB_IRQ));
	EXPECT_TRUE(arrives(IRQ));
	EXPECT_TRUE(arrives(IGB_IRQ));
	vfio_close(DEV);
	EXPECT_TRUE(arrives(IGB_IRQ));
}

TEST_F(msis, of_two_devices_arrive_on_two_page_tables)
{
	ASSERT_EQ(0, vfio_attach(DEV, IOAS));
	ASSERT_EQ(0, vfio_attach(IGB, OTHER));
	ASSERT_EQ(0, irq_enable(IRQ));
	ASSERT_EQ(0, irq_enable(IGB_IRQ));
	EXPECT_TRUE(arrives(IRQ));
	EXPECT_TRUE(arrives(IGB_IRQ));

	/* one where the other is, then each where the other was */
	ASSERT_EQ(0, vfio_attach(DEV, OTHER));
	EXPECT_TRUE(arrives(IRQ));
	EXPECT_TRUE(arrives(IGB_IRQ));
	ASSERT_EQ(0, vfio_attach(IGB, IOAS));
	EXPECT_TRUE(arrives(IRQ));
	EXPECT_TRUE(arrives(IGB_IRQ));
	ASSERT_EQ(0, vfio_detach(DEV));
	EXPECT_TRUE(arrives(IGB_IRQ));
}

TEST_HARNESS_MAIN
