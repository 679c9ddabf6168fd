// SPDX-License-Identifier: GPL-2.0-only
/* Cases for which the kernel needs its test device. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "mock_lib.h"

static int timed_mock_ioctl(struct iommu_test_cmd *cmd, __u64 *cost)
{
	cmd->size = sizeof(*cmd);
	return timed_ioctl(opened.iommufd, IOMMU_TEST_CMD, cmd, cost);
}

/* What a driver does that reaches memory by its IOVA */

static int timed_access_rw(int access, __u32 flags, __u64 iova, size_t length,
			   void *data, __u64 *cost)
{
	struct iommu_test_cmd cmd = mock_access_rw_cmd(access, flags, iova,
						       length, data);

	return timed_mock_ioctl(&cmd, cost);
}

static int timed_access_pin(int access, __u64 iova, size_t length, __u32 *item,
			    __u64 *cost)
{
	struct iommu_test_cmd cmd = mock_access_pin_cmd(access,
							MOCK_FLAGS_ACCESS_WRITE,
							iova, length, NULL);
	int rc = timed_mock_ioctl(&cmd, cost);

	*item = cmd.access_pages.out_access_pages_id;
	return rc;
}

static int timed_access_unpin(int access, __u32 item, __u64 *cost)
{
	struct iommu_test_cmd cmd = mock_access_unpin_cmd(access, item);

	return timed_mock_ioctl(&cmd, cost);
}

/* In the middle of what is mapped */
int run_access_rw(const struct test_case *test, const struct backend *backend,
		  const struct source *source)
{
	static char data[SMALL_PAGE];
	__u64 iova = BENCH_IOVA + test->length / 2, cost;
	int access, i, rc;

	memset(data, 0, sizeof(data));
	access = mock_access(opened.iommufd, opened.ioas, 0);
	if (access < 0)
		return access;
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = timed_access_rw(access, 0, iova, sizeof(data), data,
				     &cost);
		if (rc)
			break;
		add_sample(0, i, cost);
		rc = timed_access_rw(access, MOCK_ACCESS_RW_WRITE, iova,
				     sizeof(data), data, &cost);
		add_sample(1, i, cost);
	}
	close(access);
	return rc;
}

/* A page in the middle of what is mapped */
int run_access_pin(const struct test_case *test, const struct backend *backend,
		   const struct source *source)
{
	__u64 iova = BENCH_IOVA + test->length / 2, cost;
	int access, i, rc;
	__u32 item;

	access = mock_access(opened.iommufd, opened.ioas,
			     MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	if (access < 0)
		return access;
	rc = backend->map(source, 0, test->length, BENCH_IOVA, &cost);
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = timed_access_pin(access, iova, SMALL_PAGE, &item, &cost);
		if (rc)
			break;
		add_sample(0, i, cost);
		rc = timed_access_unpin(access, item, &cost);
		add_sample(1, i, cost);
	}
	close(access);
	return rc;
}

/* A page that is mapped at @from, so often next to each other */
static int copy_many(const struct test_case *test,
		     const struct backend *backend, __u64 from)
{
	__u64 cost;
	size_t i;
	int rc = 0;

	for (i = 0; i < test->areas && !rc; i++)
		rc = backend->copy(from, SMALL_PAGE, COPY_IOVA + i * SMALL_PAGE,
				   &cost);
	return rc;
}

int run_unmap_all_dmabuf(const struct test_case *test,
			 const struct backend *backend,
			 const struct source *source)
{
	struct source memory = {
		.fd = mock_dmabuf(opened.iommufd, HUGE_PAGE,
				  O_RDWR | O_CLOEXEC),
	};
	int i, rc = 0;
	__u64 cost;

	if (memory.fd < 0)
		return memory.fd;
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->map(&memory, 0, HUGE_PAGE, BENCH_IOVA, &cost);
		if (!rc)
			rc = copy_many(test, backend, BENCH_IOVA);
		if (!rc)
			rc = backend->unmap_all(&cost);
		if (!rc)
			add_sample(0, i, cost);
	}
	close(memory.fd);
	/* That of the base refuses to map or copy it; then it has no figure. */
	return rc == -EINVAL ? -EOPNOTSUPP : rc;
}

/* Asks what of what is mapped was written to, which is nothing. */
static int time_read_dirty(const struct test_case *test,
			   const struct backend *backend, size_t length)
{
	static char bitmap[GIB / SMALL_PAGE / 8];
	__u64 cost;
	int i, rc = 0;

	memset(bitmap, 0, sizeof(bitmap));
	for (i = 0; i < rounds_of(test) && !rc; i++) {
		rc = backend->read_dirty(BENCH_IOVA, length, bitmap, &cost);
		add_sample(0, i, cost);
	}
	return rc;
}

int run_read_dirty(const struct test_case *test, const struct backend *backend,
		   const struct source *source)
{
	__u64 cost;

	return backend->map(source, 0, test->length, BENCH_IOVA, &cost) ?:
		       time_read_dirty(test, backend, test->length);
}

/* Half of them, up to the gap */
int run_read_dirty_of_many(const struct test_case *test,
			   const struct backend *backend,
			   const struct source *source)
{
	return map_many(test, backend, source) ?:
		       time_read_dirty(test, backend, GAP_IOVA - BENCH_IOVA);
}
