// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody waits for somebody else's memory or driver: by way of the test device,
 * whose accesses stand for drivers, and of memory that never comes.
 */
#include <signal.h>

#include "kselftest_harness.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA ((__u64)MOCK_APERTURE_START)
/* Where the memory that does not come is. */
#define SLOW_IOVA (IOVA + 64 * MIB)

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
	int ready;
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
		if (also && (task_start(&other, also) ||
			     !thread_call_wait_asleep(&other.call)))
			_exit(4);
		if (write(ready, "", 1) != 1)
			_exit(5);
		for (;;)
			pause();
	}
	if (read(ready, &byte, 1) != 1)
		return -EIO;
	close(ready);
	kill(pid, SIGKILL);
	return child_status(pid) == -EINTR ? 0 : -EIO;
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
	ASSERT_TRUE(thread_call_wait_asleep(&unmap.call));

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

TEST_HARNESS_MAIN
