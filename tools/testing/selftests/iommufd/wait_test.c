// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for an ioctl that waits for user memory, and for how long. The
 * memory is made to be late by userfaultfd.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "iommufd_lib.h"

/* Seconds; far more than what must happen can take on a busy machine */
#define PATIENCE 30
#define TIMEOUT (3 * PATIENCE)

/* A page of which the first use waits until it is given */
struct late_page {
	int uffd;
	char *va;
};

static int late_page_open(struct late_page *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range.len = SMALL_PAGE,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	/* without O_NONBLOCK, it cannot be polled */
	page->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (page->uffd < 0)
		return -errno;
	page->va = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page->va == MAP_FAILED)
		return -errno;
	range.range.start = (uintptr_t)page->va;
	return checked_ioctl(page->uffd, UFFDIO_API, &api) ?:
	       checked_ioctl(page->uffd, UFFDIO_REGISTER, &range);
}

static void late_page_close(struct late_page *page)
{
	close(page->uffd);
	munmap(page->va, SMALL_PAGE);
}

/* Does somebody wait for it by now? */
static bool is_awaited(struct late_page *page, int timeout_ms)
{
	struct pollfd pollfd = { .fd = page->uffd, .events = POLLIN };

	return poll(&pollfd, 1, timeout_ms) == 1 && pollfd.revents == POLLIN;
}

static int give(struct late_page *page)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)page->va, .len = SMALL_PAGE },
	};

	return checked_ioctl(page->uffd, UFFDIO_ZEROPAGE, &zero);
}

/*
 * An ioctl in a thread of its own
 */

struct caller {
	int iommufd;
	unsigned long request;
	void *arg;
	pthread_t thread;
	atomic_bool done;
	int rc;
};

static void *call(void *data)
{
	struct caller *caller = data;

	caller->rc = checked_ioctl(caller->iommufd, caller->request,
				   caller->arg);
	atomic_store(&caller->done, true);
	return NULL;
}

static int start(struct caller *caller, int iommufd, unsigned long request,
		 void *arg)
{
	*caller = (struct caller){
		.iommufd = iommufd,
		.request = request,
		.arg = arg,
	};
	return -pthread_create(&caller->thread, NULL, call, caller);
}

/* Its result */
static int finish(struct caller *caller)
{
	pthread_join(caller->thread, NULL);
	return caller->rc;
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/*
 * Those who destroy an object
 */

FIXTURE(destroy)
{
	int iommufd;
	struct iommu_destroy ioas;
	struct late_page pages[2];
	struct caller users[2];
};

FIXTURE_SETUP(destroy)
{
	int i;

	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	self->ioas.size = sizeof(self->ioas);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas.id));
	for (i = 0; i != 2; i++)
		if (late_page_open(&self->pages[i]))
			SKIP(return, "no userfaultfd");
}

FIXTURE_TEARDOWN(destroy)
{
	int i;

	for (i = 0; i != 2; i++)
		late_page_close(&self->pages[i]);
	close(self->iommufd);
}

#define FD (self->iommufd)

/* One that uses the IOAS until its page comes, or finds none */
static int start_user(int iommufd, __u32 ioas, struct late_page *page,
		      struct caller *user, struct iommu_ioas_allow_iovas *cmd)
{
	*cmd = (struct iommu_ioas_allow_iovas){
		.size = sizeof(*cmd),
		.ioas_id = ioas,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)page->va,
	};
	return start(user, iommufd, IOMMU_IOAS_ALLOW_IOVAS, cmd);
}

static bool user_waits(struct late_page *page, struct caller *user)
{
	time_t end = now() + PATIENCE;

	while (!is_awaited(page, 1)) {
		if (atomic_load(&user->done) || now() > end)
			return false;
	}
	return true;
}

static int start_nth_user(FIXTURE_DATA(destroy) *self, int nth,
			  struct iommu_ioas_allow_iovas *cmds)
{
	return start_user(FD, self->ioas.id, &self->pages[nth],
			  &self->users[nth], &cmds[nth]);
}

/* They take turns, and there is always one. */
TEST_F_TIMEOUT(destroy, ends_however_many_use_the_object_in_turn, TIMEOUT)
{
	struct iommu_ioas_allow_iovas cmds[2];
	time_t end = now() + PATIENCE;
	struct caller destroyer;
	int turn = 0, next;

	ASSERT_EQ(0, start_nth_user(self, 0, cmds));
	ASSERT_TRUE(user_waits(&self->pages[0], &self->users[0]));
	ASSERT_EQ(0, start(&destroyer, FD, IOMMU_DESTROY, &self->ioas));
	for (;; turn = next) {
		next = !turn;
		ASSERT_EQ(0, start_nth_user(self, next, cmds));
		if (!user_waits(&self->pages[next], &self->users[next]))
			break;
		EXPECT_FALSE(atomic_load(&destroyer.done));
		ASSERT_EQ(0, give(&self->pages[turn]));
		/* a range of zeroes is none */
		EXPECT_EQ(-EINVAL, finish(&self->users[turn]));
		ASSERT_EQ(0, madvise(self->pages[turn].va, SMALL_PAGE,
				     MADV_DONTNEED));
		ASSERT_GT(end, now()) TH_LOG("still in use");
	}
	EXPECT_EQ(-ENOENT, finish(&self->users[next]));
	EXPECT_FALSE(atomic_load(&destroyer.done));
	ASSERT_EQ(0, give(&self->pages[turn]));
	EXPECT_EQ(-EINVAL, finish(&self->users[turn]));
	EXPECT_EQ(0, finish(&destroyer));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, self->ioas.id));
}

static bool is_found(int iommufd, __u32 ioas)
{
	__u32 count = 0;

	return ioas_iova_ranges(iommufd, ioas, NULL, &count, NULL) != -ENOENT;
}

TEST_F_TIMEOUT(destroy, that_fails_leaves_the_object_as_it_was, TIMEOUT)
{
	struct iommu_ioas_allow_iovas cmd;
	time_t end = now() + PATIENCE;
	int status;
	pid_t child;

	ASSERT_EQ(0, start_user(FD, self->ioas.id, &self->pages[0],
				&self->users[0], &cmd));
	ASSERT_TRUE(user_waits(&self->pages[0], &self->users[0]));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		iommufd_destroy(FD, self->ioas.id);
		_exit(0);
	}
	while (is_found(FD, self->ioas.id))
		ASSERT_GT(end, now()) TH_LOG("still found");
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));

	EXPECT_TRUE(is_found(FD, self->ioas.id));
	ASSERT_EQ(0, give(&self->pages[0]));
	EXPECT_EQ(-EINVAL, finish(&self->users[0]));
	EXPECT_TRUE(is_found(FD, self->ioas.id));
	EXPECT_EQ(0, iommufd_destroy(FD, self->ioas.id));
	EXPECT_FALSE(is_found(FD, self->ioas.id));
}

TEST_HARNESS_MAIN
