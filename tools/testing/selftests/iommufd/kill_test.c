// SPDX-License-Identifier: GPL-2.0-only
/*
 * Of a process that is killed in the middle of a call nothing is left. Memory
 * that never comes decides where the call is then: it has begun, and must undo
 * what it has done so far.
 */
#include <signal.h>

#include <linux/vfio.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "counters.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"
#include "vfio_container.h"

#define IOVA ((__u64)MOCK_APERTURE_START + MIB)
#define LENGTH (16 * SMALL_PAGE)
#define LARGE (24 * MIB)
/* More than what is pinned before it is charged */
#define CHARGED (2 * LENGTH)
#define NEIGHBOUR_IOVA (IOVA - SMALL_PAGE)
#define PINS MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES

/* Enough for anything that does not wait, also on a busy machine. */
#define PATIENCE 60

/* What calls are about. The process that is killed has made it, or inherits it. */
struct scene {
	int iommufd;
	__u32 ioas;		/* what @dev is on */
	struct mock_device dev;
	__u32 idle;		/* an IOAS without a device */
	int access;		/* on @idle */
	int neighbour;		/* another one there */
	__u32 hwpt;		/* a second page table of @ioas */
	/* of the process that is killed: */
	char *va;
	size_t length;
	int file;		/* that va is of, if it is of one */
	struct late_page late;	/* in the middle of it */
};

static int scene_make(struct scene *scene)
{
	int rc;

	scene->iommufd = iommufd_open();
	if (scene->iommufd < 0)
		return scene->iommufd;
	rc = ioas_alloc(scene->iommufd, &scene->ioas) ?:
	     ioas_alloc(scene->iommufd, &scene->idle) ?:
	     mock_domain(scene->iommufd, scene->ioas, &scene->dev) ?:
	     hwpt_alloc(scene->iommufd, scene->dev.idev, scene->ioas,
			0, &scene->hwpt);
	if (rc)
		return rc;
	scene->access = mock_access(scene->iommufd, scene->idle, PINS);
	if (scene->access < 0)
		return scene->access;
	scene->neighbour = mock_access(scene->iommufd, scene->idle, PINS);
	return scene->neighbour < 0 ? scene->neighbour : 0;
}

/* Fails if anything is in use that should not be. */
static int scene_break(struct scene *scene)
{
	int fd = scene->iommufd;

	return close(scene->access) ?: close(scene->neighbour) ?:
	       ioas_unmap_all(fd, scene->idle, NULL) ?:
	       ioas_unmap_all(fd, scene->ioas, NULL) ?:
	       iommufd_destroy(fd, scene->hwpt) ?:
	       mock_destroy(fd, &scene->dev) ?:
	       iommufd_destroy(fd, scene->idle) ?:
	       iommufd_destroy(fd, scene->ioas) ?: close(fd);
}

/*
 * The calls
 */

static int map_idle(struct scene *scene)
{
	return ioas_map_at(scene->iommufd, scene->idle, scene->va,
			   scene->length, IOVA);
}

static int call_map(void *data)
{
	struct scene *scene = data;

	return ioas_map_at(scene->iommufd, scene->ioas, scene->va,
			   scene->length, IOVA);
}

static int call_map_file(void *data)
{
	struct scene *scene = data;

	return ioas_map_file_at(scene->iommufd, scene->ioas, MAP_RW,
				scene->file, 0, scene->length, IOVA);
}

static int call_copy(void *data)
{
	struct scene *scene = data;
	__u64 iova = IOVA;

	return ioas_copy(scene->iommufd, MAP_RW | MAP_AT, scene->ioas,
			 scene->idle, IOVA, scene->length, &iova);
}

static int call_attach(void *data)
{
	struct scene *scene = data;
	struct mock_device dev;

	return mock_domain(scene->iommufd, scene->idle, &dev);
}

static int call_replace(void *data)
{
	struct scene *scene = data;
	__u32 pt = scene->idle;

	return mock_domain_replace(scene->iommufd, scene->dev.stdev, &pt);
}

static int call_hwpt_alloc(void *data)
{
	struct scene *scene = data;
	__u32 hwpt;

	return hwpt_alloc(scene->iommufd, scene->dev.idev, scene->idle, 0,
			  &hwpt);
}

static int call_pin(void *data)
{
	struct scene *scene = data;
	__u32 item;

	return mock_access_pin(scene->iommufd, scene->access, 0, IOVA,
			       scene->length, NULL, &item);
}

static int call_read(void *data)
{
	static char bytes[LENGTH];
	struct scene *scene = data;

	return mock_access_rw(scene->iommufd, scene->access, 0, IOVA,
			      scene->length, bytes);
}

static int call_read_by_pins(void *data)
{
	static char bytes[LENGTH];
	struct scene *scene = data;

	return mock_access_rw(scene->iommufd, scene->access,
			      MOCK_ACCESS_RW_SLOW_PATH, IOVA, scene->length,
			      bytes);
}

static int call_unmap(void *data)
{
	struct scene *scene = data;

	/* with the page in front of it, see is_closed() */
	return ioas_unmap(scene->iommufd, scene->idle, NEIGHBOUR_IOVA,
			  SMALL_PAGE + scene->length, NULL);
}

static int map_neighbour_too(struct scene *scene)
{
	return ioas_map_at(scene->iommufd, scene->idle, scene->va, SMALL_PAGE,
			   NEIGHBOUR_IOVA) ?: map_idle(scene);
}

/* Who unmaps and has to wait closes all of the range to drivers. */
static int is_closed_at(struct scene *scene, __u64 iova)
{
	char byte;
	int rc;

	do {
		rc = mock_access_rw(scene->iommufd, scene->neighbour, 0, iova,
				    1, &byte);
	} while (!rc);
	return rc == -EINVAL ? 0 : rc;
}

static int is_closed(struct scene *scene)
{
	return is_closed_at(scene, NEIGHBOUR_IOVA);
}

/* Who cuts a map closes all of it. */
static int is_closed_to_be_cut(struct scene *scene)
{
	return is_closed_at(scene, IOVA);
}

/*
 * Calls of a container, which the file is, too
 */

static struct vfio_container container_of(const struct scene *scene)
{
	return (struct vfio_container){ .fd = scene->iommufd };
}

static int container_is_ioas(struct scene *scene)
{
	return vfio_ioas(scene->iommufd, IOMMU_VFIO_IOAS_SET, &scene->ioas);
}

static int container_map_idle(struct scene *scene)
{
	const struct vfio_container container = container_of(scene);

	return vfio_ioas(scene->iommufd, IOMMU_VFIO_IOAS_SET, &scene->idle) ?:
	       container_map(&container, scene->va, scene->length, IOVA);
}

static int container_map_neighbour_too(struct scene *scene)
{
	const struct vfio_container container = container_of(scene);

	return container_map_idle(scene) ?:
	       container_map(&container, scene->va, SMALL_PAGE,
			     NEIGHBOUR_IOVA);
}

/* Of the old type, which unmaps parts of a map */
static int container_map_to_be_cut(struct scene *scene)
{
	const struct vfio_container container = container_of(scene);

	return container_map_idle(scene) ?:
	       container_set_iommu(&container, VFIO_TYPE1_IOMMU);
}

static int call_container_map(void *data)
{
	struct scene *scene = data;
	const struct vfio_container container = container_of(scene);

	return container_map(&container, scene->va, scene->length, IOVA);
}

static int call_container_unmap(void *data)
{
	struct scene *scene = data;
	const struct vfio_container container = container_of(scene);

	return container_unmap(&container, NEIGHBOUR_IOVA,
			       SMALL_PAGE + scene->length);
}

static int call_container_cut(void *data)
{
	struct scene *scene = data;
	const struct vfio_container container = container_of(scene);

	return container_unmap(&container, IOVA + SMALL_PAGE, SMALL_PAGE);
}

static int call_set_iommu(void *data)
{
	struct scene *scene = data;
	const struct vfio_container container = container_of(scene);

	return container_set_iommu(&container, VFIO_TYPE1_IOMMU);
}

/* Waits until all see the option that stands for this type. */
static int has_old_type(struct scene *scene)
{
	__u64 huge_pages;
	int rc;

	do {
		rc = iommufd_option_get(scene->iommufd, IOMMU_OPTION_HUGE_PAGES,
					scene->ioas, &huge_pages);
	} while (!rc && huge_pages);
	return rc;
}

/*
 * The process that is killed
 */

/* All of it is there, in pieces, but for a page in the middle. */
static int late_memory(struct scene *scene)
{
	struct memory mem;
	char *late;
	int rc;

	rc = memory_alloc(&mem, PAGES_SMALL_RANDOM, LENGTH);
	if (rc)
		return rc;
	scene->va = mem.va;
	scene->length = LENGTH;
	late = mem.va + LENGTH / 2;
	if (madvise(late, SMALL_PAGE, MADV_DONTNEED))
		return -errno;
	return late_page_open_at(&scene->late, late);
}

/*
 * The same of a file, which can be had only once within the limit: whoever pins
 * it while somebody waits for the page in the middle has to wait, too.
 */
static int late_file_memory(struct scene *scene)
{
	struct memory mem;
	size_t late = CHARGED / 2;
	int rc;

	rc = memory_alloc_file(&mem, PAGES_SMALL, CHARGED, &scene->file);
	if (rc)
		return rc;
	scene->va = mem.va;
	scene->length = CHARGED;
	if (madvise(mem.va + late, SMALL_PAGE, MADV_REMOVE))
		return -errno;
	return late_page_open_at(&scene->late, mem.va + late);
}

/* Nothing is there, and much is missing, so that helpers are at work, too. */
static int late_empty_memory(struct scene *scene)
{
	scene->va = address_room(LARGE, HUGE_PAGE);
	if (!scene->va || madvise(scene->va, LARGE, MADV_NOHUGEPAGE))
		return -ENOMEM;
	scene->length = LARGE;
	return late_page_open_at(&scene->late, scene->va + LARGE / 2);
}

FIXTURE(killed)
{
	struct scene scene;
	unsigned int user;
	long pins;
};

FIXTURE_VARIANT(killed)
{
	int (*prepare)(struct scene *scene);
	int (*call)(void *scene);
	/*
	 * a call that begins while the other waits, and how far it has to come;
	 * without that, until it waits
	 */
	int (*also)(void *scene);
	int (*also_has_come)(struct scene *scene);
	enum {
		SCATTERED,
		EMPTY,			/* which is large */
		FROM_FILE,
	} memory;
};

FIXTURE_VARIANT_ADD(killed, in_map) { .call = call_map };
FIXTURE_VARIANT_ADD(killed, in_copy) { map_idle, call_copy };
FIXTURE_VARIANT_ADD(killed, in_attach) { map_idle, call_attach };
FIXTURE_VARIANT_ADD(killed, in_replace) { map_idle, call_replace };
FIXTURE_VARIANT_ADD(killed, in_hwpt_alloc) { map_idle, call_hwpt_alloc };
FIXTURE_VARIANT_ADD(killed, in_pin) { map_idle, call_pin };
FIXTURE_VARIANT_ADD(killed, in_read) { map_idle, call_read };
FIXTURE_VARIANT_ADD(killed, in_read_by_pins) { map_idle, call_read_by_pins };

FIXTURE_VARIANT_ADD(killed, in_map_with_helpers)
{
	.call = call_map,
	.memory = EMPTY,
};

FIXTURE_VARIANT_ADD(killed, in_attach_that_waits_for_another)
{
	.prepare = map_idle,
	.call = call_attach,
	.also = call_attach,
};

FIXTURE_VARIANT_ADD(killed, in_map_of_a_file_that_waits_for_a_pin_of_it)
{
	.prepare = map_idle,
	.call = call_pin,
	.also = call_map_file,
	.memory = FROM_FILE,
};

FIXTURE_VARIANT_ADD(killed, in_unmap_that_waits_for_a_pin)
{
	.prepare = map_neighbour_too,
	.call = call_pin,
	.also = call_unmap,
	.also_has_come = is_closed,
};

FIXTURE_VARIANT_ADD(killed, in_container_map)
{
	.prepare = container_is_ioas,
	.call = call_container_map,
};

FIXTURE_VARIANT_ADD(killed, in_container_map_while_the_type_is_set)
{
	.prepare = container_is_ioas,
	.call = call_container_map,
	.also = call_set_iommu,
	.also_has_come = has_old_type,
};

FIXTURE_VARIANT_ADD(killed, in_container_unmap_that_waits_for_a_pin)
{
	.prepare = container_map_neighbour_too,
	.call = call_pin,
	.also = call_container_unmap,
	.also_has_come = is_closed,
};

FIXTURE_VARIANT_ADD(killed, in_container_unmap_of_a_part_that_waits_for_a_pin)
{
	.prepare = container_map_to_be_cut,
	.call = call_pin,
	.also = call_container_cut,
	.also_has_come = is_closed_to_be_cut,
};

FIXTURE_SETUP(killed)
{
	int iommufd;

	if (!late_pages_available())
		SKIP(return, "the kernel has no userfaultfd");
	iommufd = iommufd_open();
	ASSERT_LE(0, iommufd);
	if (!mock_available(iommufd))
		SKIP(return, "there is no test device in this kernel");
	close(iommufd);
	/* no user is that of two tests */
	self->user = 70000 + getpid();
	self->pins = pins_held();
}

FIXTURE_TEARDOWN(killed)
{
	EXPECT_EQ(0, pins_left(self->pins));
	EXPECT_EQ(0, mock_devices());
}

#define VARIANT FIXTURE_VARIANT(killed)

static size_t length_of(const VARIANT *variant)
{
	switch (variant->memory) {
	case EMPTY:
		return LARGE;
	case FROM_FILE:
		return CHARGED;
	default:
		return LENGTH;
	}
}

static int make_memory(struct scene *scene, const VARIANT *variant)
{
	switch (variant->memory) {
	case EMPTY:
		return late_empty_memory(scene);
	case FROM_FILE:
		return late_file_memory(scene);
	default:
		return late_memory(scene);
	}
}

static bool also_has_come(struct scene *scene, const VARIANT *variant,
			  const struct thread_call *also)
{
	if (!variant->also_has_come)
		return thread_call_wait_asleep(also);
	return !variant->also_has_come(scene);
}

/* Why it did not get where it has to be killed is its exit status. */
static void run_until_killed(struct scene *scene, const VARIANT *variant,
			     unsigned int user, int waits)
{
	struct thread_call call, also;

	if (make_memory(scene, variant))
		_exit(1);
	if (limit_memlock(scene->length) || become_user(user))
		_exit(2);
	if (variant->prepare && variant->prepare(scene))
		_exit(3);
	if (thread_call_start(&call, variant->call, scene) ||
	    !late_page_wait(&scene->late))
		_exit(4);
	if (variant->also && thread_call_start(&also, variant->also, scene))
		_exit(5);
	if (variant->also && !also_has_come(scene, variant, &also))
		_exit(6);
	if (write(waits, "", 1) != 1)
		_exit(7);
	for (;;)
		pause();
}

/* Returns 0 if it was killed while its call, and nothing else, was under way. */
static int kill_during(struct scene *scene, const VARIANT *variant,
		       unsigned int user, bool own_file)
{
	int status, waits;
	ssize_t nr;
	char byte;
	pid_t pid;

	pid = fork_with_pipe(&waits);
	if (pid < 0)
		return pid;
	if (!pid) {
		if (own_file && scene_make(scene))
			_exit(8);
		run_until_killed(scene, variant, user, waits);
	}
	nr = read(waits, &byte, 1);
	close(waits);
	if (nr == 1)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFSIGNALED(status) ? 0 : WEXITSTATUS(status);
}

/* Has this user all of a limit left, and the file all of its IOVA? */
static int map_up_to_limit(struct scene *scene, unsigned int user,
			   size_t length)
{
	int status;
	pid_t pid;
	char *va;

	pid = fork();
	if (!pid) {
		va = anonymous(length);
		if (!va || limit_memlock(length) || become_user(user))
			_exit(1);
		_exit(-ioas_map_at(scene->iommufd, scene->ioas, va, length,
				   IOVA));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return status;
}

TEST_F_TIMEOUT(killed, leaves_the_file_to_its_next_user, PATIENCE)
{
	struct scene *scene = &self->scene;
	__u32 id;
	int fd;

	ASSERT_EQ(0, scene_make(scene));
	id = next_id(scene->iommufd);
	fd = next_fd();
	ASSERT_EQ(0, kill_during(scene, variant, self->user, false));
	EXPECT_EQ(0, pins_left(self->pins));
	EXPECT_EQ(1, mock_devices());
	EXPECT_EQ(id, next_id(scene->iommufd));
	EXPECT_EQ(fd, next_fd());
	EXPECT_EQ(0, map_up_to_limit(scene, self->user, length_of(variant)));
	EXPECT_EQ(length_of(variant) / SMALL_PAGE, pins_left(self->pins));
	EXPECT_EQ(0, scene_break(scene));
}

TEST_F_TIMEOUT(killed, takes_its_own_file_along, PATIENCE)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, kill_during(scene, variant, self->user, true));
	EXPECT_EQ(0, pins_left(self->pins));
	EXPECT_EQ(0, mock_devices());
	ASSERT_EQ(0, scene_make(scene));
	EXPECT_EQ(0, map_up_to_limit(scene, self->user, length_of(variant)));
	EXPECT_EQ(0, scene_break(scene));
}

/*
 * In the middle of a page table, which waits for nobody. What is copied is
 * pinned already, so that there is next to nothing else to do.
 */

#define FILLED (64 * MIB)
#define MAX_KILLS 8

FIXTURE(filling)
{
	struct mock_rig rig;
	struct memory_rig mem;
	__u32 source;		/* has all of it at IOVA, pinned */
};

#define FILLING FIXTURE_DATA(filling)

FIXTURE_SETUP(filling)
{
	struct mock_device dev;

	MAKE(mock_rig_make(&self->rig));
	if (iommu_table_bytes() < 0)
		SKIP(return, "the kernel does not count page tables");
	MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL_RANDOM, FILLED));
	/* Of what is pinned a child would get copies. */
	ASSERT_EQ(0, madvise(self->mem.va, FILLED, MADV_DONTFORK));
	ASSERT_EQ(0, ioas_alloc(self->rig.iommufd, &self->source));
	ASSERT_EQ(0, mock_domain(self->rig.iommufd, self->source, &dev));
	ASSERT_EQ(0, memory_rig_map(&self->mem, self->rig.iommufd, self->source,
				    IOVA));
}

FIXTURE_TEARDOWN(filling)
{
	EXPECT_EQ(0, mock_memory_limit(self->rig.iommufd, 0));
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

/* Of a process that copies, as soon as the page table grows, or not any more */
static int kill_while_filling(FILLING *self)
{
	long before = iommu_table_bytes();
	pid_t pid = fork(), ended;
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(-ioas_copy_at(self->rig.iommufd, self->rig.ioas,
				    self->source, IOVA, FILLED, IOVA));
	do {
		ended = waitpid(pid, &status, WNOHANG);
	} while (!ended && iommu_table_bytes() <= before);
	if (!ended) {
		kill(pid, SIGKILL);
		ended = waitpid(pid, &status, 0);
	}
	if (ended != pid)
		return -ECHILD;
	return WIFSIGNALED(status) ? 0 : -WEXITSTATUS(status);
}

/* It may be done before it is killed, but not again and again. */
TEST_F_TIMEOUT(filling, ends_half_way_when_killed, PATIENCE)
{
	int i, rc = 0;

	ASSERT_EQ(0, mock_memory_limit(self->rig.iommufd,
				       MOCK_MEMORY_LIMIT_MIN));
	for (i = 0; !rc && i != MAX_KILLS; i++) {
		ASSERT_EQ(0, kill_while_filling(self));
		rc = ioas_unmap(self->rig.iommufd, self->rig.ioas, IOVA,
				FILLED, NULL);
	}
	EXPECT_EQ(-ENOENT, rc);
}

TEST_HARNESS_MAIN
