// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events: each says what has happened, as tracefs shows it, and nothing
 * is said while they are off.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "mock_rig.h"
#include "test_support.h"
#include "trace_recipes.h"
#include "trace_rig.h"
#include "viommu_rig.h"

#define EVENTS "iommufd"
#define EVENTS_ENABLE "events/" EVENTS "/enable"
#define IOVA ((__u64)MOCK_APERTURE_START)
#define VIRT_ID 0x42

/* In what was read, is the last event of one kind before all of another? */
static bool trace_is_before(const struct trace_rig *trace, const char *first,
			    const char *second)
{
	const char *text = strstr(trace->text, second);

	return text && strstr(trace->text, first) && !strstr(text, first);
}

/* At least one */
#define EXPECT_TRACED(...)						\
	EXPECT_LT(0, trace_count(&self->trace, __VA_ARGS__))

FIXTURE(trace)
{
	struct trace_rig trace;
	struct viommu_rig rig;
	struct memory_rig mem;
};

FIXTURE_SETUP(trace)
{
	MAKE(trace_rig_make(&self->trace, EVENTS));
	MAKE(viommu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, 4 * SMALL_PAGE));
}

FIXTURE_TEARDOWN(trace)
{
	trace_rig_break(&self->trace);
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

#define FD (self->rig.mock.iommufd)
#define IOAS (self->rig.mock.ioas)
#define DEV (self->rig.mock.dev)
#define LENGTH ((__u64)self->mem.length)
#define LAST (IOVA + LENGTH - 1)

TEST_F(trace, tells_of_maps)
{
	__u64 copy = IOVA + MIB;

	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, IOAS, IOAS, IOVA, LENGTH,
			       &copy));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, copy, LENGTH, NULL));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));

	EXPECT_TRACED("iommufd_map",
		      "ioas=%u iova=%#llx length=%#llx flags=%#x", IOAS, IOVA,
		      LENGTH, MAP_RW | MAP_AT);
	EXPECT_TRACED("iommufd_copy", "ioas=%u iova=%#llx length=%#llx", IOAS,
		      IOVA, LENGTH);
	EXPECT_TRACED("iommufd_map", "ioas=%u iova=%#llx", IOAS, copy);
	EXPECT_TRACED("iommufd_unmap",
		      "ioas=%u iova=%#llx last=%#llx unmapped=%#llx", IOAS,
		      IOVA, LAST, LENGTH);
}

TEST_F(trace, tells_of_memory_and_page_tables)
{
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	EXPECT_TRACED("iommufd_pin", "memory=%#lx first=0 pages=4 all=1",
		      (unsigned long)self->mem.va);
	EXPECT_EQ(0, trace_count(&self->trace, "iommufd_unpin", ""));
	EXPECT_EQ(0, trace_count(&self->trace, "iommufd_clear", ""));
	/* The automatic one and the parent */
	EXPECT_EQ(2, trace_count(&self->trace, "iommufd_fill", ""));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_TRACED("iommufd_unpin", "memory=%#lx pages=4",
		      (unsigned long)self->mem.va);
	EXPECT_EQ(2, trace_count(&self->trace, "iommufd_clear", ""));
	EXPECT_TRUE(trace_is_before(&self->trace, " iommufd_clear: ",
				    " iommufd_unpin: "))
		TH_LOG("%s", self->trace.text);
}

TEST_F(trace, tells_of_memory_that_does_not_all_come)
{
	ASSERT_EQ(0, munmap(self->mem.va + LENGTH / 2, LENGTH / 2));
	EXPECT_EQ(-EFAULT, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	EXPECT_TRACED("iommufd_pin", "memory=%#lx first=0 pages=2 all=0",
		      (unsigned long)self->mem.va);
	EXPECT_TRACED("iommufd_unpin", "memory=%#lx pages=2",
		      (unsigned long)self->mem.va);
	EXPECT_TRUE(trace_is_before(&self->trace, " iommufd_pin: ",
				    " iommufd_unpin: "))
		TH_LOG("%s", self->trace.text);
}

TEST_F(trace, tells_of_devices)
{
	__u32 pt = self->rig.parent;
	char wanted[64];

	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	ASSERT_EQ(0, trace_read(&self->trace));
	snprintf(wanted, sizeof(wanted), " id=%u pasid=0 hwpt=%u\n", DEV.idev,
		 self->rig.parent);
	EXPECT_NE(NULL, strstr(self->trace.text, "iommufd_attach: "));
	EXPECT_NE(NULL, strstr(self->trace.text, "iommufd_replace: "));
	EXPECT_NE(NULL, strstr(self->trace.text, "iommufd_detach: "));
	EXPECT_NE(NULL, strstr(self->trace.text, wanted))
		TH_LOG("%s", self->trace.text);
}

TEST_F(trace, tells_of_page_requests)
{
	struct iommu_hwpt_page_response answer = {
		.code = IOMMUFD_PAGE_RESP_INVALID,
	};
	struct iommu_hwpt_alloc alloc = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = DEV.idev,
		.pt_id = IOAS,
	};
	struct iommu_hwpt_pgfault request;
	__u32 pt;
	int fd;

	ASSERT_EQ(0, fault_queue_alloc(FD, &alloc.fault_id, &fd));
	ASSERT_EQ(0, hwpt_alloc_ioctl(FD, &alloc));
	pt = alloc.out_hwpt_id;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	ASSERT_EQ(0, mock_trigger_iopf(FD, DEV.idev, 0, 7,
				       IOMMU_PGFAULT_PERM_WRITE, IOVA));
	ASSERT_EQ(sizeof(request), read(fd, &request, sizeof(request)));
	answer.cookie = request.cookie;
	ASSERT_EQ(sizeof(answer), write(fd, &answer, sizeof(answer)));
	ASSERT_EQ(0, trace_read(&self->trace));
	EXPECT_NE(NULL, strstr(self->trace.text, "iommufd_fault: "));
	EXPECT_NE(NULL, strstr(self->trace.text,
			       " group=7 address=0x1000000 perm=0x2 rc=0"));
	EXPECT_NE(NULL, strstr(self->trace.text, "iommufd_answer: "));
	EXPECT_NE(NULL, strstr(self->trace.text, " group=7 code=1"))
		TH_LOG("%s", self->trace.text);
	close(fd);
}

TEST_F(trace, tells_of_dma_that_is_stopped)
{
	ASSERT_EQ(0, mock_stop_dma(FD, DEV.idev, 0, IOMMU_PGFAULT_PERM_WRITE,
				   IOVA));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, self->mem.length, NULL));
	ASSERT_EQ(0, mock_stop_dma(FD, DEV.idev, 0, 0, IOVA));
	ASSERT_EQ(0, trace_read(&self->trace));
	EXPECT_NE(NULL, strstr(self->trace.text, "iommufd_stopped: "));
	EXPECT_NE(NULL, strstr(self->trace.text,
			       " iova=0x1000000 write=1 ioas="));
	EXPECT_NE(NULL, strstr(self->trace.text, " cause=1 thread=0 since=0"));
	EXPECT_NE(NULL, strstr(self->trace.text, " cause=2 thread="))
		TH_LOG("%s", self->trace.text);
}

TEST_F(trace, tells_of_events)
{
	__u32 queue;
	int fd;

	ASSERT_EQ(0, viommu_rig_attach(&self->rig, VIRT_ID));
	ASSERT_EQ(0, veventq_alloc(FD, self->rig.viommu,
				   IOMMU_VEVENTQ_TYPE_SELFTEST, 1, &queue,
				   &fd));
	ASSERT_EQ(0, mock_trigger_vevent(FD, DEV.idev));
	ASSERT_EQ(0, mock_trigger_vevent(FD, DEV.idev));
	EXPECT_TRACED("iommufd_event",
		      "queue=%u type=%#x sequence=0 waiting=1\n", queue,
		      IOMMU_VEVENTQ_TYPE_SELFTEST);
	EXPECT_TRACED("iommufd_event_lost",
		      "queue=%u type=%#x sequence=1 waiting=1\n", queue,
		      IOMMU_VEVENTQ_TYPE_SELFTEST);
	close(fd);
}

TEST_F(trace, tells_of_memory_that_is_taken_back)
{
	int dmabuf = mock_dmabuf(FD, SMALL_PAGE, O_RDWR);
	__u64 iova = IOVA;

	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, dmabuf, 0,
				   SMALL_PAGE, &iova));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	EXPECT_EQ(1, trace_count(&self->trace, "iommufd_revoke", ""));
	EXPECT_EQ(2, trace_count(&self->trace, "iommufd_clear", ""));
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, false));
	EXPECT_LT(0, trace_count(&self->trace, "iommufd_return", ""));
	EXPECT_EQ(4, trace_count(&self->trace, "iommufd_fill", ""));
	close(dmabuf);
}

TEST_F(trace, tells_of_what_is_refused)
{
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, NO_SUCH_ID));
	EXPECT_TRACED("iommufd_refused",
		      "no-object why=%u errno=%u command=%#x numbers=%#x,0x0",
		      IOMMU_WHY_NO_OBJECT, ENOENT, IOMMU_DESTROY, NO_SUCH_ID);
}

/* As the guide has it */
TEST_F(trace, can_be_narrowed_down)
{
	ASSERT_EQ(0, trace_set(&self->trace,
			       "events/iommufd/iommufd_map/filter",
			       "length > 0x2000"));
	ASSERT_EQ(0, trace_set(&self->trace,
			       "events/iommufd/iommufd_unmap/trigger",
			       "stacktrace"));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->mem.va, 2 * SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->mem.va, LENGTH, IOVA + MIB));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(1, trace_count(&self->trace, "iommufd_map", ""));
	EXPECT_NE(NULL, strstr(self->trace.text, "<stack trace>"));
	EXPECT_NE(NULL, strstr(self->trace.text, "iommufd_fops_ioctl"))
		TH_LOG("%s", self->trace.text);
}

TEST_F(trace, is_silent_when_off)
{
	int nr_refused;

	ASSERT_EQ(0, trace_set(&self->trace, EVENTS_ENABLE, "0"));
	nr_refused = trace_count(&self->trace, "iommufd_refused", "");
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, NO_SUCH_ID));
	EXPECT_EQ(nr_refused, trace_count(&self->trace, "iommufd_refused", ""));
	EXPECT_EQ(0, trace_count(&self->trace, "iommufd_map", ""));
	EXPECT_EQ(0, trace_count(&self->trace, "iommufd_pin", ""));
	EXPECT_EQ(0, trace_count(&self->trace, "iommufd_fill", ""));
}

/* -- the recipes that the guide has, each for itself -- */

#define ENOMEM_IS "errno=12 "
#define MANY (2 * GIB)
/* What the guide has for an IOVA, and for a thread */
#define FOLLOWED_IOVA 0x1234000ULL
#define FOLLOWED_THREAD "812"

FIXTURE(recipe)
{
	struct trace_rig trace;
	struct viommu_rig rig;
	struct memory_rig mem;
	__u32 unattached;
	char *room;
	char command[1024];
};

FIXTURE_VARIANT(recipe)
{
	const char *does;	/* the comment in front of it */
	const char *tells[3];
	const char *hides[2];
	bool stops;
};

FIXTURE_VARIANT_ADD(recipe, of_what_is_refused)
{
	.does = "what is refused to anybody",
	.tells = { "iommufd_refused: no-object ", ENOMEM_IS },
	.hides = { "iommufd_map: " },
};

FIXTURE_VARIANT_ADD(recipe, of_what_lacks_memory)
{
	.does = "the same, only what lacks memory",
	.tells = { "iommufd_refused: ", ENOMEM_IS },
	.hides = { "no-object ", "iommufd_map: " },
};

FIXTURE_VARIANT_ADD(recipe, of_what_led_to_it)
{
	.does = "keep what led to it",
	.tells = { "iommufd_map: ", ENOMEM_IS },
	.stops = true,
};

FIXTURE_VARIANT_ADD(recipe, of_large_maps)
{
	.does = "maps of more than 1 GiB",
	.tells = { "iommufd_map: ", "length=0x80000000 " },
	.hides = { "iommufd_unmap: ", "length=0x4000 " },
};

FIXTURE_VARIANT_ADD(recipe, of_an_iova)
{
	.does = "what became of an IOVA",
	.tells = { "iommufd_fill: ", "iommufd_clear: ", "iova=0x1234000 " },
	.hides = { "iova=0x1000000 ", "iommufd_map: " },
};

FIXTURE_VARIANT_ADD(recipe, of_memory_pinned_page_by_page)
{
	.does = "memory that is pinned page by page",
	.tells = { "iommufd_pin: ", "pages=4 " },
	.hides = { "pages=16 ", "iommufd_map: " },
};

FIXTURE_VARIANT_ADD(recipe, of_a_thread)
{
	.does = "what a single thread does",
	.tells = { "iommufd_map: ", "iommufd_unmap: ", "no-object " },
	.hides = { ENOMEM_IS },
};

FIXTURE_VARIANT_ADD(recipe, of_who_detaches)
{
	.does = "who detaches a device",
	.tells = { "iommufd_detach: ", "<stack trace>" },
	.hides = { "iommufd_map: " },
};

FIXTURE_VARIANT_ADD(recipe, of_what_the_kernel_answers)
{
	.does = "page requests that the kernel had to answer",
	.tells = { "iommufd_fault: ", "iommufd_event_lost: " },
	.hides = { "rc=0\n", "iommufd_event: " },
};

FIXTURE_SETUP(recipe)
{
	MAKE(trace_rig_make(&self->trace, EVENTS));
	ASSERT_EQ(0, trace_set(&self->trace, EVENTS_ENABLE, "0"));
	MAKE(viommu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, 16 * SMALL_PAGE));
	ASSERT_EQ(0, ioas_alloc(FD, &self->unattached));
	self->room = address_room(MANY, SMALL_PAGE);
	ASSERT_NE(NULL, self->room);
}

FIXTURE_TEARDOWN(recipe)
{
	trace_rig_break(&self->trace);
	EXPECT_EQ(0, viommu_rig_break(&self->rig));
}

/* The lines behind the comment, with our buffer, and our thread in its place */
static int find_recipe(const struct trace_rig *trace, const char *does,
		       char *command, size_t size)
{
	const char *line = strstr(trace_recipes, does), *end, *thread;
	int length, done;

	line = line ? strchr(line, '\n') : NULL;
	end = line ? strstr(line, "\n#") : NULL;
	if (!end)
		return -ENOENT;
	length = end - ++line;
	done = snprintf(command, size, "cd %s/events/iommufd && { ",
			trace->path);
	thread = strstr(line, FOLLOWED_THREAD);
	if (thread && thread < line + length)
		snprintf(command + done, size - done, "%.*s%d%.*s\n}",
			 (int)(thread - line), line, getpid(),
			 (int)(length - (thread - line) -
			       strlen(FOLLOWED_THREAD)),
			 thread + strlen(FOLLOWED_THREAD));
	else
		snprintf(command + done, size - done, "%.*s\n}", length, line);
	return 0;
}

static int run(const char *command)
{
	return system(command) ? -EIO : 0;
}

/* Of somebody else, who may lock no memory */
static int map_too_much(int iommufd, __u32 ioas, char *va)
{
	int rc;

	rc = IN_CHILD(limit_memlock(0) || become_user(5100) ? 255 :
		      -ioas_map_at(iommufd, ioas, va, SMALL_PAGE,
				   IOVA + 8 * MIB));
	return rc == ENOMEM ? 0 : -ECHILD;
}

/* A page request that nobody reads, and an event more than fits */
static int overflow(struct viommu_rig *rig)
{
	const int iommufd = rig->mock.iommufd;
	struct iommu_hwpt_alloc alloc = {
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = rig->mock.dev.idev,
		.pt_id = rig->mock.ioas,
	};
	__u32 queue;
	int rc, fd;

	rc = fault_queue_alloc(iommufd, &alloc.fault_id, &fd) ?:
	     hwpt_alloc_ioctl(iommufd, &alloc) ?:
	     mock_domain_replace(iommufd, rig->mock.dev.stdev,
				 &alloc.out_hwpt_id);
	if (rc)
		return rc;
	close(fd);
	rc = mock_trigger_iopf(iommufd, rig->mock.dev.idev, 0, 7,
			       IOMMU_PGFAULT_PERM_WRITE, IOVA) ?:
	     viommu_rig_attach(rig, VIRT_ID) ?:
	     veventq_alloc(iommufd, rig->viommu, IOMMU_VEVENTQ_TYPE_SELFTEST, 1,
			   &queue, &fd) ?:
	     mock_trigger_vevent(iommufd, rig->mock.dev.idev) ?:
	     mock_trigger_vevent(iommufd, rig->mock.dev.idev);
	close(fd);
	return rc;
}

/* Something of all that there are recipes for */
TEST_F(recipe, tells_what_it_promises)
{
	size_t i;

	ASSERT_EQ(0, find_recipe(&self->trace, variant->does, self->command,
				 sizeof(self->command)));
	ASSERT_EQ(0, run(self->command))
		TH_LOG("%s", self->command);

	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, NO_SUCH_ID));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->mem.va, LENGTH, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->mem.va, 4 * SMALL_PAGE,
				 FOLLOWED_IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, self->unattached, self->room, MANY, MANY));
	ASSERT_EQ(0, overflow(&self->rig));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	ASSERT_EQ(0, map_too_much(FD, IOAS, self->mem.va));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));

	ASSERT_EQ(0, trace_read(&self->trace));
	for (i = 0; i < 3 && variant->tells[i]; i++) {
		EXPECT_NE(NULL, strstr(self->trace.text, variant->tells[i]))
			TH_LOG("%s: %s", variant->tells[i], self->trace.text);
	}
	for (i = 0; i < 2 && variant->hides[i]; i++) {
		EXPECT_EQ(NULL, strstr(self->trace.text, variant->hides[i]))
			TH_LOG("%s: %s", variant->hides[i], self->trace.text);
	}
	EXPECT_EQ(variant->stops, !trace_is_on(&self->trace));
}

/* The one that reads the buffer */
TEST_F(trace, is_counted_by_the_recipe_of_who_maps)
{
	char command[1024], line[128] = "";
	FILE *output;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->mem.va, LENGTH, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->mem.va, LENGTH, IOVA + MIB));
	ASSERT_EQ(0, find_recipe(&self->trace, "who has mapped how often",
				 command, sizeof(command)));
	output = popen(command, "re");
	ASSERT_NE(NULL, output);
	EXPECT_NE(NULL, fgets(line, sizeof(line), output));
	EXPECT_EQ(0, pclose(output));
	EXPECT_TRUE(strstr(line, "2 trace_test-") == line)
		TH_LOG("%s: %s", command, line);
}

TEST_HARNESS_MAIN
