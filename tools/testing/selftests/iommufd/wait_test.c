// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for an ioctl that waits for user memory, and for how long. The
 * memory is made to be late by userfaultfd.
 */
#include <signal.h>
#include <stdint.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

/* Seconds; far more than what must happen can take on a busy machine */
#define PATIENCE 30
#define TIMEOUT (3 * PATIENCE)

/*
 * An ioctl in a thread of its own
 */

struct caller {
	struct thread_call call;
	int iommufd;
	unsigned long request;
	void *arg;
};

static int run_ioctl(void *data)
{
	struct caller *caller = data;

	return checked_ioctl(caller->iommufd, caller->request, caller->arg);
}

static int start(struct caller *caller, int iommufd, unsigned long request,
		 void *arg)
{
	*caller = (struct caller){
		.iommufd = iommufd,
		.request = request,
		.arg = arg,
	};
	return thread_call_start(&caller->call, run_ioctl, caller);
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
		if (late_page_open(&self->pages[i], LATE_PAGE, NULL, 0))
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
	time_t end = monotonic_seconds() + patience(PATIENCE);

	while (!late_page_is_awaited(page, 1)) {
		if (thread_call_is_over(&user->call) || monotonic_seconds() > end)
			return false;
	}
	return true;
}

/* They take turns, and there is always one. */
TEST_F_TIMEOUT(destroy, ends_however_many_use_the_object_in_turn, TIMEOUT)
{
	struct iommu_ioas_allow_iovas cmds[2];
	time_t end = monotonic_seconds() + patience(PATIENCE);
	struct caller destroyer;
	int turn = 0, next;

	ASSERT_EQ(0, start_user(FD, self->ioas.id, &self->pages[0],
				&self->users[0], &cmds[0]));
	ASSERT_TRUE(user_waits(&self->pages[0], &self->users[0]));
	ASSERT_EQ(0, start(&destroyer, FD, IOMMU_DESTROY, &self->ioas));
	for (;; turn = next) {
		next = !turn;
		ASSERT_EQ(0, start_user(FD, self->ioas.id, &self->pages[next],
					&self->users[next], &cmds[next]));
		if (!user_waits(&self->pages[next], &self->users[next]))
			break;
		EXPECT_FALSE(thread_call_is_over(&destroyer.call));
		ASSERT_EQ(0, late_page_give(&self->pages[turn]));
		/* a range of zeroes is none */
		EXPECT_EQ(-EINVAL, thread_call_end(&self->users[turn].call));
		ASSERT_EQ(0, madvise(self->pages[turn].va, SMALL_PAGE,
				     MADV_DONTNEED));
		ASSERT_GT(end, monotonic_seconds()) TH_LOG("still in use");
	}
	EXPECT_EQ(-ENOENT, thread_call_end(&self->users[next].call));
	EXPECT_FALSE(thread_call_is_over(&destroyer.call));
	ASSERT_EQ(0, late_page_give(&self->pages[turn]));
	EXPECT_EQ(-EINVAL, thread_call_end(&self->users[turn].call));
	EXPECT_EQ(0, thread_call_end(&destroyer.call));
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
	time_t end = monotonic_seconds() + patience(PATIENCE);
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
	while (is_found(FD, self->ioas.id)) {
		ASSERT_GT(end, monotonic_seconds())
			TH_LOG("still found");
	}
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));

	EXPECT_TRUE(is_found(FD, self->ioas.id));
	ASSERT_EQ(0, late_page_give(&self->pages[0]));
	EXPECT_EQ(-EINVAL, thread_call_end(&self->users[0].call));
	EXPECT_TRUE(is_found(FD, self->ioas.id));
	EXPECT_EQ(0, iommufd_destroy(FD, self->ioas.id));
	EXPECT_FALSE(is_found(FD, self->ioas.id));
}

/*
 * Drivers that give a device back
 */

FIXTURE(unbind)
{
	struct mock_rig rig;
	struct late_page page;
};

/* The ioctl, with what is late in it */
FIXTURE_VARIANT(unbind)
{
	unsigned long request;
	enum late late;
};

FIXTURE_VARIANT_ADD(unbind, and_hardware_that_is_described)
{
	.request = IOMMU_GET_HW_INFO,
	.late = LATE_PAGE,
};

FIXTURE_VARIANT_ADD(unbind, and_hardware_that_was_described)
{
	.request = IOMMU_GET_HW_INFO,
	.late = LATE_WRITE,
};

FIXTURE_VARIANT_ADD(unbind, and_a_page_table_that_was_made)
{
	.request = IOMMU_HWPT_ALLOC,
	.late = LATE_WRITE,
};

FIXTURE_VARIANT_ADD(unbind, and_a_pasid_that_was_chosen)
{
	.request = IOMMU_PASID_ALLOC,
	.late = LATE_WRITE,
};

FIXTURE_SETUP(unbind)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, MOCK_FLAGS_DEVICE_PASID));
}

FIXTURE_TEARDOWN(unbind)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

union command {
	struct iommu_hw_info hw_info;
	struct iommu_hwpt_alloc hwpt_alloc;
	struct iommu_pasid_alloc pasid_alloc;
};

static void fill_command(union command *cmd, unsigned long request,
			 const struct mock_device *dev, __u32 ioas)
{
	memset(cmd, 0, sizeof(*cmd));
	switch (request) {
	case IOMMU_GET_HW_INFO:
		cmd->hw_info.size = sizeof(cmd->hw_info);
		cmd->hw_info.dev_id = dev->idev;
		break;
	case IOMMU_HWPT_ALLOC:
		cmd->hwpt_alloc.size = sizeof(cmd->hwpt_alloc);
		cmd->hwpt_alloc.dev_id = dev->idev;
		cmd->hwpt_alloc.pt_id = ioas;
		break;
	case IOMMU_PASID_ALLOC:
		cmd->pasid_alloc.size = sizeof(cmd->pasid_alloc);
		cmd->pasid_alloc.dev_id = dev->idev;
		break;
	}
}

static int destroy_device(void *data)
{
	struct caller *caller = data;

	return mock_destroy(caller->iommufd, caller->arg);
}

TEST_F_TIMEOUT(unbind, does_not_wait_for_user_memory, TIMEOUT)
{
	struct caller destroyer = {
		.iommufd = self->rig.iommufd,
		.arg = &self->rig.dev,
	};
	struct caller caller;
	union command cmd;

	fill_command(&cmd, variant->request, &self->rig.dev, self->rig.ioas);
	if (late_page_open(&self->page, variant->late, &cmd, sizeof(cmd)))
		SKIP(return, "no userfaultfd");
	if (variant->late == LATE_PAGE) {
		cmd.hw_info.data_uptr = (uintptr_t)self->page.va;
		cmd.hw_info.data_len = SMALL_PAGE;
	}
	ASSERT_EQ(0, start(&caller, self->rig.iommufd, variant->request,
			   variant->late == LATE_PAGE ? (void *)&cmd :
							self->page.va));
	ASSERT_TRUE(user_waits(&self->page, &caller));

	ASSERT_EQ(0, thread_call_start(&destroyer.call, destroy_device,
				       &destroyer));
	EXPECT_TRUE(thread_call_ends_soon(&destroyer.call));
	EXPECT_FALSE(thread_call_is_over(&caller.call));
	ASSERT_EQ(0, late_page_give(&self->page));
	EXPECT_EQ(0, thread_call_end(&caller.call));
	EXPECT_EQ(0, thread_call_end(&destroyer.call));
	late_page_close(&self->page);
}

/*
 * A call that needs the device until user memory is there, and is waited for
 */

FIXTURE(slow)
{
	struct mock_rig rig;
	struct late_page page;
	struct caller caller;
};

FIXTURE_SETUP(slow)
{
	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, late_page_open(&self->page, LATE_PAGE, NULL, 0));
}

FIXTURE_TEARDOWN(slow)
{
	late_page_close(&self->page);
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

static bool is_device(int iommufd, __u32 idev)
{
	struct iommu_hw_info cmd = { .size = sizeof(cmd), .dev_id = idev };

	return hw_info_ioctl(iommufd, &cmd) != -ENOENT;
}

static int start_to_unbind(struct caller *destroyer, struct mock_rig *rig)
{
	*destroyer = (struct caller){
		.iommufd = rig->iommufd,
		.arg = &rig->dev,
	};
	return thread_call_start(&destroyer->call, destroy_device, destroyer);
}

/* Until it has taken the device away, and does nothing more but wait */
static bool unbinding_waits(const struct mock_rig *rig)
{
	time_t end = monotonic_seconds() + patience(PATIENCE);

	while (is_device(rig->iommufd, rig->dev.idev)) {
		if (monotonic_seconds() > end)
			return false;
	}
	return true;
}

/* Who unbinds looks by itself again after that. */
#define UNBIND_LOOKS_NS 60000000000ULL

/* The IOMMU driver reads what it is to make while the device is held. */
TEST_F_TIMEOUT(slow, call_wakes_who_unbinds, TIMEOUT)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = self->rig.dev.idev,
		.pt_id = self->rig.ioas,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(struct iommu_test_hwpt),
		.data_uptr = (uintptr_t)self->page.va,
	};
	const __u64 begin = monotonic_ns();
	struct caller destroyer;

	ASSERT_EQ(0, start(&self->caller, self->rig.iommufd, IOMMU_HWPT_ALLOC,
			   &cmd));
	ASSERT_TRUE(user_waits(&self->page, &self->caller));
	ASSERT_EQ(0, start_to_unbind(&destroyer, &self->rig));
	ASSERT_TRUE(unbinding_waits(&self->rig));
	EXPECT_FALSE(thread_call_is_over(&destroyer.call));
	ASSERT_EQ(0, late_page_give(&self->page));
	EXPECT_EQ(0, thread_call_end(&self->caller.call));
	EXPECT_EQ(0, thread_call_end(&destroyer.call));
	EXPECT_GT(UNBIND_LOOKS_NS, monotonic_ns() - begin);
}

/* The ID of what it makes is told before it is made. */
TEST_F_TIMEOUT(slow, call_makes_nothing_of_a_device_that_goes, TIMEOUT)
{
	const struct mock_rig *rig = &self->rig;
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = rig->dev.idev,
		.virt_id = 1,
	};
	struct iommu_vdevice_alloc *reply;
	struct caller destroyer;
	struct late_page page;
	__u32 parent;
	int rc;

	ASSERT_EQ(0, hwpt_alloc(rig->iommufd, rig->dev.idev, rig->ioas,
				IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	ASSERT_EQ(0, mock_viommu(rig->iommufd, rig->dev.idev, parent, NULL,
				 &cmd.viommu_id));
	ASSERT_EQ(0, late_page_open(&page, LATE_WRITE, &cmd, sizeof(cmd)));
	reply = (void *)page.va;
	ASSERT_EQ(0, start(&self->caller, rig->iommufd, IOMMU_VDEVICE_ALLOC,
			   reply));
	ASSERT_TRUE(user_waits(&page, &self->caller));
	ASSERT_EQ(0, start_to_unbind(&destroyer, &self->rig));
	ASSERT_TRUE(unbinding_waits(rig));
	ASSERT_EQ(0, late_page_give(&page));
	rc = thread_call_end(&self->caller.call);
	EXPECT_EQ(-ENOENT, rc);
	/* The device would wait for it. */
	if (!rc)
		EXPECT_EQ(0, iommufd_destroy(rig->iommufd,
					     reply->out_vdevice_id));
	EXPECT_EQ(0, thread_call_end(&destroyer.call));
	late_page_close(&page);
}

/*
 * The structure of a call, gone when its result is known
 */

TEST_F_TIMEOUT(slow, map_that_cannot_be_told_any_more_is_undone, TIMEOUT)
{
	struct iommu_ioas_map *map = anonymous(SMALL_PAGE);
	__u64 unmapped;

	ASSERT_NE(NULL, map);
	*map = (struct iommu_ioas_map){
		.size = sizeof(*map),
		.flags = MAP_RW,
		.ioas_id = self->rig.ioas,
		.user_va = (uintptr_t)self->page.va,
		.length = SMALL_PAGE,
	};
	ASSERT_EQ(0, start(&self->caller, self->rig.iommufd, IOMMU_IOAS_MAP,
			   map));
	/* The device needs the memory: by now only that is missing. */
	ASSERT_TRUE(user_waits(&self->page, &self->caller));
	ASSERT_EQ(0, mprotect(map, SMALL_PAGE, PROT_READ));
	ASSERT_EQ(0, late_page_give(&self->page));
	EXPECT_EQ(-EFAULT, thread_call_end(&self->caller.call));
	EXPECT_EQ(0, ioas_unmap_all(self->rig.iommufd, self->rig.ioas,
				    &unmapped));
	EXPECT_EQ(0, unmapped);
	EXPECT_EQ(0, vm_pinned());
}

TEST_HARNESS_MAIN
