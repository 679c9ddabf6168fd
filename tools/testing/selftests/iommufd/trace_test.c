// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events: each says what has happened, as tracefs shows it, and nothing
 * is said while they are off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "mock_rig.h"
#include "test_support.h"
#include "viommu_rig.h"

#define TRACEFS "/sys/kernel/tracing"
#define IOVA ((__u64)MOCK_APERTURE_START)
#define PATH_SIZE 128
#define TEXT_SIZE (4 * MIB)
#define VIRT_ID 0x42

/* A buffer of our own */
struct trace_rig {
	char path[64];
	char *text;
};

static int trace_set(const struct trace_rig *trace, const char *file,
		     const char *value)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", trace->path, file);
	return file_write(path, value);
}

static int trace_rig_make(struct trace_rig *trace)
{
	if (access(TRACEFS "/instances", F_OK) &&
	    mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		return rig_absent("tracefs");
	trace->text = malloc(TEXT_SIZE);
	if (!trace->text)
		return rig_part("a buffer", -ENOMEM);
	snprintf(trace->path, sizeof(trace->path),
		 TRACEFS "/instances/iommufd-%d", getpid());
	if (mkdir(trace->path, 0700))
		return rig_part("a trace", -errno);
	return rig_part("events", trace_set(trace, "events/iommufd/enable",
					    "1"));
}

static void trace_rig_break(struct trace_rig *trace)
{
	trace_set(trace, "events/iommufd/enable", "0");
	rmdir(trace->path);
	free(trace->text);
}

static int trace_read(struct trace_rig *trace)
{
	char path[PATH_SIZE];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "%s/trace", trace->path);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	length = fread(trace->text, 1, TEXT_SIZE - 1, file);
	trace->text[length] = '\0';
	fclose(file);
	return 0;
}

/* How many events there are that begin like this */
static int trace_count(struct trace_rig *trace, const char *event,
		       const char *format, ...)
{
	char wanted[256];
	const char *text;
	va_list args;
	int nr = 0, length;

	length = snprintf(wanted, sizeof(wanted), " %s: ", event);
	va_start(args, format);
	vsnprintf(wanted + length, sizeof(wanted) - length, format, args);
	va_end(args);
	if (trace_read(trace))
		return -1;
	for (text = trace->text; (text = strstr(text, wanted)); text++)
		nr++;
	return nr;
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
	MAKE(trace_rig_make(&self->trace));
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

	ASSERT_EQ(0, trace_set(&self->trace, "events/iommufd/enable", "0"));
	nr_refused = trace_count(&self->trace, "iommufd_refused", "");
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, NO_SUCH_ID));
	EXPECT_EQ(nr_refused, trace_count(&self->trace, "iommufd_refused", ""));
	EXPECT_EQ(0, trace_count(&self->trace, "iommufd_map", ""));
	EXPECT_EQ(0, trace_count(&self->trace, "iommufd_pin", ""));
	EXPECT_EQ(0, trace_count(&self->trace, "iommufd_fill", ""));
}

TEST_HARNESS_MAIN
