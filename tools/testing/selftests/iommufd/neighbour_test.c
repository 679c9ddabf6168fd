// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody waits for somebody else's memory or driver, and an unmap ends: by way
 * of the test device, whose accesses stand for drivers, and of memory that never
 * comes.
 */
#include <signal.h>

#include <sys/wait.h>

#include "kselftest_harness.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
/* Where the memory that does not come is. */
#define SLOW_IOVA (IOVA + 64 * MIB)
#define FAR_IOVA (1ULL << 46)

#define PINS MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->mem.va)

/* Enough for anything that does not wait, also on a busy machine. */
#define PATIENCE 60

/* -- calls that wait -- */

struct task {
	struct thread_call call;
	int iommufd;
	__u32 ioas;
	int access;
	__u64 iova;
	char *va;
	__u32 item;
	struct mock_device dev;
};

static int run_map(void *data)
{
	struct task *task = data;

	return ioas_map_at(task->iommufd, task->ioas, task->va, SMALL_PAGE,
			   task->iova);
}

static int run_unmap(void *data)
{
	struct task *task = data;

	return ioas_unmap(task->iommufd, task->ioas, task->iova, SMALL_PAGE,
			  NULL);
}

/* And the page behind it */
static int run_unmap_two(void *data)
{
	struct task *task = data;

	return ioas_unmap(task->iommufd, task->ioas, task->iova,
			  2 * SMALL_PAGE, NULL);
}

static int run_pin(void *data)
{
	struct task *task = data;

	return mock_access_pin(task->iommufd, task->access, 0, task->iova,
			       SMALL_PAGE, NULL, &task->item);
}

/* The driver has the page, and waits for user memory with its lock held. */
static int run_pin_and_compare(void *data)
{
	struct task *task = data;

	return mock_access_pin(task->iommufd, task->access, 0, task->iova,
			       SMALL_PAGE, task->va, &task->item);
}

/* The driver has no lock held, and no pin. */
static int run_read(void *data)
{
	struct task *task = data;
	char byte;

	return mock_access_rw(task->iommufd, task->access, 0, task->iova, 1,
			      &byte);
}

static int run_replace(void *data)
{
	struct task *task = data;

	return mock_access_replace(task->iommufd, task->access, task->ioas);
}

static int run_attach(void *data)
{
	struct task *task = data;

	return mock_domain(task->iommufd, task->ioas, &task->dev);
}

static int task_start(struct task *task, int (*run)(void *task))
{
	return thread_call_start(&task->call, run, task);
}

/* -- memory that does not come -- */

FIXTURE(neighbour)
{
	struct mock_rig rig;
	struct memory_rig mem;	/* mapped at IOVA, a page a map */
	struct late_page slow;
	struct task task;
};

#define NR_MAPS 4

FIXTURE_SETUP(neighbour)
{
	size_t offset;
	int rc;

	if (!late_pages_available())
		SKIP(return, "the kernel has no userfaultfd");
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, NR_MAPS * SMALL_PAGE));
	ASSERT_EQ(0, late_page_open(&self->slow, LATE_PAGE, NULL, 0));
	for (offset = 0; offset < self->mem.length; offset += SMALL_PAGE) {
		rc = ioas_map_at(FD, IOAS, VA + offset, SMALL_PAGE,
				 IOVA + offset);
		ASSERT_EQ(0, rc);
	}
	self->task = (struct task){
		.iommufd = FD,
		.ioas = IOAS,
		.va = self->slow.va,
		.iova = SLOW_IOVA,
	};
}

FIXTURE_TEARDOWN(neighbour)
{
	late_page_close(&self->slow);
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

/*
 * All that others do in an IOAS with something slow in it, but for attaching
 * devices, which pins all that is mapped. Returns 0, or the number of the first
 * thing that goes wrong.
 */
static int live_on(int iommufd, __u32 ioas, char *va)
{
	const __u64 iova = IOVA + 32 * MIB;
	int access, other;
	char byte;
	__u32 item;

	if (ioas_map_at(iommufd, ioas, va, SMALL_PAGE, iova))
		return 1;
	access = mock_access(iommufd, ioas, PINS);
	other = mock_access(iommufd, ioas, PINS);
	if (access < 0 || other < 0)
		return 2;
	if (mock_access_rw(iommufd, access, 0, iova, 1, &byte))
		return 3;
	if (mock_access_pin(iommufd, access, 0, iova, SMALL_PAGE, va, &item))
		return 4;
	if (mock_access_unpin(iommufd, access, item))
		return 5;
	/* one who holds it, one who only may */
	if (mock_access_pin(iommufd, access, 0, iova, SMALL_PAGE, va, &item) ||
	    ioas_unmap(iommufd, ioas, iova, SMALL_PAGE, NULL))
		return 6;
	if (mock_access_pin(iommufd, other, 0, IOVA, SMALL_PAGE, NULL, &item))
		return 7;
	return close(access) || close(other) ? 8 : 0;
}

TEST_F_TIMEOUT(neighbour, of_a_slow_map_lives_on, PATIENCE)
{
	struct mock_device dev;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, task_start(&self->task, run_map));
	ASSERT_TRUE(late_page_wait(&self->slow));

	EXPECT_EQ(0, live_on(FD, IOAS, VA));
	/* the last page table goes, and another comes; what is slow is not counted */
	EXPECT_EQ(0, mock_destroy(FD, &dev));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(NR_MAPS * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(-EBUSY, ioas_unmap(FD, IOAS, SLOW_IOVA, SMALL_PAGE, NULL));
	EXPECT_FALSE(thread_call_is_over(&self->task.call));

	ASSERT_EQ(0, late_page_give(&self->slow));
	ASSERT_EQ(0, thread_call_end(&self->task.call));
	EXPECT_EQ(0, mock_check_map(FD, dev.hwpt, SLOW_IOVA, SMALL_PAGE,
				    self->slow.va));
	EXPECT_EQ((NR_MAPS + 1) * SMALL_PAGE, vm_pinned());
}

/* A page table that came, or went, while the map was under way. */
TEST_F_TIMEOUT(neighbour, page_tables_come_and_go_during_a_slow_map, PATIENCE)
{
	struct mock_device dev, other;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	ASSERT_EQ(0, task_start(&self->task, run_map));
	ASSERT_TRUE(late_page_wait(&self->slow));
	EXPECT_EQ(0, mock_destroy(FD, &dev));
	ASSERT_EQ(0, late_page_give(&self->slow));
	ASSERT_EQ(0, thread_call_end(&self->task.call));
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	EXPECT_EQ((NR_MAPS + 1) * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, mock_check_map(FD, other.hwpt, SLOW_IOVA, SMALL_PAGE,
				    self->slow.va));
}

TEST_F_TIMEOUT(neighbour, of_a_slow_pin_lives_on, PATIENCE)
{
	struct task *task = &self->task, unmap;

	ASSERT_EQ(0, run_map(task));
	task->access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, task->access);
	ASSERT_EQ(0, task_start(task, run_pin));
	ASSERT_TRUE(late_page_wait(&self->slow));
	EXPECT_EQ(0, live_on(FD, IOAS, VA));
	/* who wants that memory waits */
	unmap = *task;
	ASSERT_EQ(0, task_start(&unmap, run_unmap));
	EXPECT_EQ(0, live_on(FD, IOAS, VA));
	EXPECT_FALSE(thread_call_is_over(&unmap.call));

	ASSERT_EQ(0, late_page_give(&self->slow));
	EXPECT_EQ(0, thread_call_end(&task->call));
	EXPECT_EQ(0, thread_call_end(&unmap.call));
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, task->access, task->item));
	EXPECT_EQ(0, vm_pinned());
	close(task->access);
}

/*
 * Who unmaps waits for a copy until it has ended, and nobody gets hold of what
 * is to go meanwhile, be it slow or not.
 */
TEST_F_TIMEOUT(neighbour, of_a_slow_copy_lives_on, PATIENCE)
{
	const __u64 going = SLOW_IOVA + SMALL_PAGE;
	struct task *task = &self->task, unmap;
	char byte;
	int other;
	__u32 item;

	ASSERT_EQ(0, run_map(task));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, going));
	task->access = mock_access(FD, IOAS, PINS);
	other = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, task->access);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, task_start(task, run_read));
	ASSERT_TRUE(late_page_wait(&self->slow));
	EXPECT_EQ(0, mock_access_rw(FD, other, 0, going, 1, &byte));
	unmap = *task;
	ASSERT_EQ(0, task_start(&unmap, run_unmap_two));
	ASSERT_TRUE(thread_call_wait_asleep(&unmap.call));
	EXPECT_EQ(0, live_on(FD, IOAS, VA));
	EXPECT_EQ(-EINVAL, mock_access_pin(FD, other, 0, going, SMALL_PAGE, VA,
					   &item));
	EXPECT_EQ(-EINVAL, mock_access_rw(FD, other, 0, going, 1, &byte));
	/* whatever has woken it */
	ASSERT_TRUE(thread_call_wait_asleep(&unmap.call));

	ASSERT_EQ(0, late_page_give(&self->slow));
	EXPECT_EQ(0, thread_call_end(&task->call));
	ASSERT_TRUE(thread_call_ends_soon(&unmap.call));
	EXPECT_EQ(0, thread_call_end(&unmap.call));
	EXPECT_EQ(-ENOENT, mock_access_rw(FD, other, 0, going, 1, &byte));
	close(task->access);
	close(other);
}

/* A driver that leaves reaches nothing, and keeps the IOAS that it copies of. */
TEST_F_TIMEOUT(neighbour, leaves_when_its_copies_have_ended, PATIENCE)
{
	struct task *task = &self->task, leave;
	__u32 next;
	char byte;

	ASSERT_EQ(0, run_map(task));
	ASSERT_EQ(0, ioas_alloc(FD, &next));
	ASSERT_EQ(0, ioas_map_at(FD, next, VA, SMALL_PAGE, IOVA));
	task->access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, task->access);
	ASSERT_EQ(0, task_start(task, run_read));
	ASSERT_TRUE(late_page_wait(&self->slow));
	leave = *task;
	leave.ioas = next;
	ASSERT_EQ(0, task_start(&leave, run_replace));
	ASSERT_TRUE(thread_call_wait_asleep(&leave.call));
	EXPECT_EQ(-ENOENT, mock_access_rw(FD, task->access, 0, IOVA, 1, &byte));
	EXPECT_EQ(-EBUSY, mock_access_replace(FD, task->access, next));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	EXPECT_FALSE(thread_call_is_over(&leave.call));

	ASSERT_EQ(0, late_page_give(&self->slow));
	EXPECT_EQ(0, thread_call_end(&task->call));
	ASSERT_TRUE(thread_call_ends_soon(&leave.call));
	EXPECT_EQ(0, thread_call_end(&leave.call));
	EXPECT_EQ(0, mock_access_rw(FD, task->access, 0, IOVA, 1, &byte));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
	close(task->access);
}

TEST_F_TIMEOUT(neighbour, of_a_slow_attach_lives_on, PATIENCE)
{
	struct task *task = &self->task;
	const __u64 iova = IOVA + 32 * MIB;
	int access;
	__u32 item;

	ASSERT_EQ(0, run_map(task));
	ASSERT_EQ(0, task_start(task, run_attach));
	ASSERT_TRUE(late_page_wait(&self->slow));

	access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, access);
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, iova));
	EXPECT_EQ(0, mock_access_pin(FD, access, 0, iova, SMALL_PAGE,
				     VA, &item));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, iova, SMALL_PAGE, NULL));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, iova));
	EXPECT_EQ(0, close(access));
	EXPECT_FALSE(thread_call_is_over(&task->call));

	ASSERT_EQ(0, late_page_give(&self->slow));
	ASSERT_EQ(0, thread_call_end(&task->call));
	EXPECT_EQ((NR_MAPS + 1) * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, mock_check_map(FD, task->dev.hwpt, iova, SMALL_PAGE,
				    VA));
	EXPECT_EQ(0, mock_check_map(FD, task->dev.hwpt, SLOW_IOVA, SMALL_PAGE,
				    self->slow.va));
}

/* One object of memory, of which only one page is slow. */
TEST_F_TIMEOUT(neighbour, in_the_same_memory_lives_on, PATIENCE)
{
	struct task *task = &self->task;
	__u64 first = SLOW_IOVA - SMALL_PAGE;
	char *room, byte;
	__u32 item;
	int access;

	/* the page before the missing one */
	room = mmap(self->slow.va - SMALL_PAGE, SMALL_PAGE,
		    PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (room == MAP_FAILED)
		room = self->slow.va - SMALL_PAGE;
	memset(room, 1, SMALL_PAGE);
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, room, 2 * SMALL_PAGE, first));
	task->access = mock_access(FD, IOAS, PINS);
	access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, task->access);
	ASSERT_LE(0, access);
	ASSERT_EQ(0, mock_access_pin(FD, access, 0, first, SMALL_PAGE, room,
				     &item));
	ASSERT_EQ(0, task_start(task, run_pin));
	ASSERT_TRUE(late_page_wait(&self->slow));

	EXPECT_EQ(0, mock_access_rw(FD, access, 0, first, 1, &byte));
	EXPECT_EQ(1, byte);
	EXPECT_EQ(0, mock_access_unpin(FD, access, item));
	EXPECT_EQ(0, mock_access_rw(FD, access, 0, first, 1, &byte));
	EXPECT_EQ(0, mock_access_pin(FD, access, 0, first, SMALL_PAGE, room,
				     &item));
	EXPECT_EQ(0, close(access));
	EXPECT_FALSE(thread_call_is_over(&task->call));
	ASSERT_EQ(0, late_page_give(&self->slow));
	EXPECT_EQ(0, thread_call_end(&task->call));
	close(task->access);
}

/* Two drivers want a page that is not there: it is asked for once. */
TEST_F_TIMEOUT(neighbour, at_the_same_page_gets_it_with_the_first, PATIENCE)
{
	struct task *task = &self->task, second;

	ASSERT_EQ(0, run_map(task));
	second = *task;
	task->access = mock_access(FD, IOAS, PINS);
	second.access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, task->access);
	ASSERT_LE(0, second.access);
	ASSERT_EQ(0, task_start(task, run_pin));
	ASSERT_TRUE(late_page_wait(&self->slow));
	ASSERT_EQ(0, task_start(&second, run_pin));
	ASSERT_TRUE(thread_call_wait_asleep(&second.call));

	ASSERT_EQ(0, late_page_give(&self->slow));
	ASSERT_EQ(0, thread_call_end(&task->call));
	ASSERT_EQ(0, thread_call_end(&second.call));
	EXPECT_EQ(0, mock_check_refs(FD, self->slow.va, SMALL_PAGE, 1));
	EXPECT_EQ(0, mock_access_unpin(FD, task->access, task->item));
	EXPECT_EQ(0, mock_check_refs(FD, self->slow.va, SMALL_PAGE, 1));
	EXPECT_EQ(0, mock_access_unpin(FD, second.access, second.item));
	EXPECT_EQ(0, mock_check_refs(FD, self->slow.va, SMALL_PAGE, 0));
	EXPECT_EQ(0, vm_pinned());
	close(task->access);
	close(second.access);
}

/* Does it end although the memory never comes? */
static int kill_during(struct task *task, struct late_page *slow,
		       int (*run)(void *task), int (*also)(void *task))
{
	struct task other;
	int status, ready;
	char byte;
	pid_t pid;

	pid = fork_with_pipe(&ready);
	if (pid < 0)
		return pid;
	if (!pid) {
		/* userfaultfd does not come along */
		late_page_close(slow);
		if (late_page_open(slow, LATE_PAGE, NULL, 0))
			_exit(1);
		task->va = slow->va;
		if (run != run_map && run_map(task))
			_exit(2);
		if (task_start(task, run) || !late_page_wait(slow))
			_exit(3);
		other = *task;
		if (also && task_start(&other, also))
			_exit(4);
		if (write(ready, "", 1) != 1)
			_exit(5);
		for (;;)
			pause();
	}
	if (read(ready, &byte, 1) != 1)
		return -EIO;
	close(ready);
	/* the second one waits, too, most of the time */
	usleep(20000);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) ? 0 : -EIO;
}

TEST_F_TIMEOUT(neighbour, gets_out_of_every_wait_when_killed, PATIENCE)
{
	struct task *task = &self->task;
	struct mock_device dev;
	int rc;

	task->access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, task->access);
	EXPECT_EQ(0, kill_during(task, &self->slow, run_pin, run_unmap));
	/* the pin may have ended first, and let the unmap go on */
	rc = ioas_unmap(FD, IOAS, SLOW_IOVA, SMALL_PAGE, NULL);
	EXPECT_TRUE(!rc || rc == -ENOENT);
	EXPECT_EQ(0, kill_during(task, &self->slow, run_pin, run_pin));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, SLOW_IOVA, SMALL_PAGE, NULL));
	EXPECT_EQ(0, kill_during(task, &self->slow, run_attach, run_attach));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, SLOW_IOVA, SMALL_PAGE, NULL));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(0, kill_during(task, &self->slow, run_map, NULL));
	EXPECT_EQ(0, live_on(FD, IOAS, VA));
	EXPECT_EQ(NR_MAPS * SMALL_PAGE, vm_pinned());
	close(task->access);
}

/* A driver that is asked to let go, and cannot: what it does takes its time. */
TEST_F_TIMEOUT(neighbour, of_a_stuck_driver_lives_on, PATIENCE)
{
	struct task *task = &self->task, unmap;
	struct late_page again;
	int other_file, access;
	__u32 ioas;

	ASSERT_EQ(0, late_page_open(&again, LATE_PAGE, NULL, 0));
	task->access = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, task->access);
	task->iova = IOVA;
	ASSERT_EQ(0, task_start(task, run_pin_and_compare));
	ASSERT_TRUE(late_page_wait(&self->slow));
	unmap = *task;
	ASSERT_EQ(0, task_start(&unmap, run_unmap));
	/* until the driver is being asked, or not even that */
	usleep(100000);

	other_file = iommufd_open();
	ASSERT_LE(0, other_file);
	ASSERT_EQ(0, ioas_alloc(other_file, &ioas));
	access = mock_access(other_file, ioas, PINS);
	ASSERT_LE(0, access);
	EXPECT_EQ(0, close(access));
	EXPECT_EQ(0, close(other_file));
	EXPECT_FALSE(thread_call_is_over(&unmap.call));
	EXPECT_FALSE(thread_call_is_over(&task->call));

	ASSERT_EQ(0, late_page_give(&self->slow));
	EXPECT_EQ(-EBADE, thread_call_end(&task->call));
	EXPECT_EQ(0, thread_call_end(&unmap.call));
	close(task->access);
	late_page_close(&again);
}

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
	int status;
	pid_t pid;

	ASSERT_EQ(0, mock_access_deaf(FOR_EVER));
	pid = fork_to_ask(FD, IOAS);
	ASSERT_LT(0, pid);
	do {
		ASSERT_EQ(0, mock_asked(&now));
	} while (now.calls == self->before.calls);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, deaf_state(self));
	ASSERT_EQ(0, mock_access_deaf(0));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, 2 * SMALL_PAGE, NULL));
	EXPECT_EQ(0, vm_pinned());
}

TEST_HARNESS_MAIN
