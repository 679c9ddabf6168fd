// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers that reach an IOAS by software, by way of the test device: what they
 * pin, read and write, and that they let go of it.
 */
#include <fcntl.h>
#include <signal.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "access_fixture.h"
#include "test_support.h"
#include "threads.h"

/* One access on small pages */
FIXTURE(access)
{
	struct mock_rig rig;
	struct memory_rig mem;	/* LENGTH, mapped at IOVA */
	int access;
};

FIXTURE_SETUP(access)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, LENGTH));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ACCESS = mock_access(FD, IOAS, PINS);
	ASSERT_LE(0, ACCESS);
}

FIXTURE_TEARDOWN(access)
{
	close(ACCESS);
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

TEST_F(access, that_pins_needs_whole_pages)
{
	struct mock_device dev;
	__u32 other, item;
	int access;

	EXPECT_EQ(SMALL_PAGE, ioas_alignment(FD, IOAS));
	EXPECT_EQ(-EINVAL, ioas_map_at(FD, IOAS, VA, SMALL_PAGE,
				       IOVA + 16 * MIB + 2048));
	EXPECT_EQ(-EINVAL, mock_access_pin(FD, ACCESS, 0, IOVA + 2048,
					   SMALL_PAGE, NULL, &item));
	/* The device needs less, and takes nothing along. */
	ASSERT_EQ(0, mock_domain(FD, IOAS, &dev));
	EXPECT_EQ(SMALL_PAGE, ioas_alignment(FD, IOAS));
	ASSERT_EQ(0, mock_destroy(FD, &dev));
	EXPECT_EQ(SMALL_PAGE, ioas_alignment(FD, IOAS));
	ASSERT_EQ(0, close(ACCESS));
	EXPECT_EQ(1, ioas_alignment(FD, IOAS));

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, ioas_map_at(FD, other, VA + 1, 5, IOVA + 7));
	EXPECT_EQ(-EADDRINUSE, mock_access(FD, other, PINS));
	access = mock_access(FD, other, 0);
	ASSERT_LE(0, access);
	EXPECT_EQ(1, ioas_alignment(FD, other));
	EXPECT_EQ(-EOPNOTSUPP, mock_access_pin(FD, access, 0, IOVA, SMALL_PAGE,
					       NULL, &item));
	self->access = access;
}

TEST_F(access, checks_lengths)
{
	char bytes[16] = {};
	__u32 item;

	EXPECT_EQ(-EINVAL, mock_access_pin(FD, ACCESS, 0, IOVA, 0, NULL,
					   &item));
	EXPECT_EQ(-EINVAL, mock_access_rw(FD, ACCESS, 0, IOVA, 0, bytes));
	EXPECT_EQ(-EOVERFLOW, mock_access_pin(FD, ACCESS, 0, -SMALL_PAGE,
					      2 * SMALL_PAGE, NULL, &item));
	EXPECT_EQ(-EOVERFLOW, mock_access_rw(FD, ACCESS, 0, UINT64_MAX, 2,
					     bytes));
	EXPECT_EQ(-ENOENT, mock_access_rw(FD, ACCESS, 0, UINT64_MAX, 1,
					  bytes));
	EXPECT_EQ(-ENOMEM, mock_access_pin(FD, ACCESS, 0, IOVA, 16 * MIB + 1,
					   NULL, &item));
	EXPECT_EQ(-ENOENT, mock_access_pin(FD, ACCESS, 0, IOVA, 16 * MIB,
					   NULL, &item));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(access, pins_for_a_copy_only_if_it_is_told_to)
{
	long before = pins_ever();
	char bytes[64];

	ASSERT_LE(0, before);
	ASSERT_EQ(0, mock_access_rw(FD, ACCESS, 0, IOVA, sizeof(bytes), bytes));
	EXPECT_EQ(before, pins_ever());
	ASSERT_EQ(0, mock_access_rw(FD, ACCESS, SLOWLY, IOVA, sizeof(bytes),
				    bytes));
	EXPECT_EQ(before + 1, pins_ever());
}

/* By a user who may not lock a page. Returns what a pin that stays does. */
static int copy_then_pin(int iommufd, __u32 ioas, int access, void *va)
{
	char bytes[64];
	__u32 item;
	int rc;

	rc = limit_memlock(0) ? : become_user(60001);
	if (!rc)
		rc = ioas_map_at(iommufd, ioas, va, SMALL_PAGE, IOVA + GIB);
	if (!rc)
		rc = mock_access_rw(iommufd, access, SLOWLY, IOVA + GIB,
				    sizeof(bytes), bytes);
	if (rc)
		return rc;
	return mock_access_pin(iommufd, access, 0, IOVA + GIB, SMALL_PAGE, NULL,
			       &item);
}

TEST_F(access, charges_nobody_for_a_copy)
{
	EXPECT_EQ(ENOMEM, IN_CHILD(-copy_then_pin(FD, IOAS, ACCESS, VA)));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA + GIB, SMALL_PAGE, NULL));
}

TEST_F(access, reads_and_writes_across_maps)
{
	unsigned char bytes[3000];
	__u64 iova = IOVA + 16 * MIB;
	size_t i;
	int rc;

	/* 1000 bytes of each third page, next to each other */
	ASSERT_EQ(0, close(ACCESS));
	for (i = 0; i < 3; i++) {
		rc = ioas_map_at(FD, IOAS, VA + 3 * i * SMALL_PAGE + 77,
				 1000, iova + 1000 * i);
		ASSERT_EQ(0, rc);
	}
	self->access = mock_access(FD, IOAS, 0);
	ASSERT_EQ(0, mock_access_rw(FD, ACCESS, 0, iova, 3000, bytes));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, memcmp(bytes + 1000 * i,
				    VA + 3 * i * SMALL_PAGE + 77, 1000));
	pattern_fill(bytes, 3000, 2);
	ASSERT_EQ(0, mock_access_rw(FD, ACCESS, WRITE | SLOWLY, iova, 3000,
				    bytes));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, memcmp(bytes + 1000 * i,
				    VA + 3 * i * SMALL_PAGE + 77, 1000));
}

TEST_F(access, reads_only_what_may_be_read)
{
	__u64 iova = IOVA + 16 * MIB;
	char bytes[8] = {};
	__u32 item;

	ASSERT_EQ(0, ioas_map_flags(FD, IOAS,
				    IOMMU_IOAS_MAP_WRITEABLE | MAP_AT,
				    VA, SMALL_PAGE, &iova));
	EXPECT_EQ(-EPERM, mock_access_rw(FD, ACCESS, 0, iova, 8, bytes));
	EXPECT_EQ(-EPERM, mock_access_pin(FD, ACCESS, 0, iova, SMALL_PAGE, NULL,
					  &item));
	EXPECT_EQ(0, mock_access_rw(FD, ACCESS, WRITE, iova, 8, bytes));
	EXPECT_EQ(0, mock_access_pin(FD, ACCESS, PIN_TO_WRITE, iova, SMALL_PAGE,
				     VA, &item));
	EXPECT_TRUE(memory_is(VA, 0, 8));
}

TEST_F(access, needs_memory_that_is_there)
{
	char bytes[64];
	__u32 item;

	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA, SMALL_PAGE, NULL,
				     &item));
	ASSERT_EQ(0, munmap(VA, 4 * SMALL_PAGE));
	EXPECT_EQ(-EFAULT, mock_access_pin(FD, ACCESS, 0, IOVA,
					   2 * SMALL_PAGE, NULL, &item));
	EXPECT_EQ(-EFAULT, mock_access_rw(FD, ACCESS, 0, IOVA + SMALL_PAGE, 64,
					  bytes));
	EXPECT_EQ(-EFAULT, mock_access_rw(FD, ACCESS, SLOWLY,
					  IOVA + SMALL_PAGE, 64, bytes));
	/* what is pinned is there */
	EXPECT_EQ(0, mock_access_rw(FD, ACCESS, 0, IOVA, 64, bytes));
	EXPECT_TRUE(pattern_matches(bytes, 64, 1));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
}

TEST_F(access, belongs_to_its_driver_and_keeps_its_ioas)
{
	__u32 next;

	ASSERT_EQ(0, ioas_alloc(FD, &next));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, next - 1));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, close(ACCESS));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, next - 1));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
	self->access = -1;
}

TEST_F(access, outlives_the_file_and_its_maps)
{
	__u32 item;

	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA, LENGTH, NULL, &item));
	ASSERT_EQ(0, close(FD));
	EXPECT_EQ(LENGTH, vm_pinned());
	ASSERT_EQ(0, munmap(VA, LENGTH));
	ASSERT_EQ(0, close(ACCESS));
	EXPECT_EQ(0, vm_pinned());
	FD = -1;
	ACCESS = -1;
}

TEST_F(access, may_be_one_of_many)
{
	int accesses[20], i, rc = 0;
	__u32 item;

	for (i = 0; i < 20; i++) {
		accesses[i] = mock_access(FD, IOAS, PINS);
		ASSERT_LE(0, accesses[i]);
		rc = mock_access_pin(FD, accesses[i], 0, IOVA + i * SMALL_PAGE,
				     2 * SMALL_PAGE, NULL, &item);
		ASSERT_EQ(0, rc);
	}
	EXPECT_EQ(21 * SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, mock_check_refs(FD, VA, 21 * SMALL_PAGE, 1));
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, vm_pinned());
	for (i = 0; i < 20; i++)
		close(accesses[i]);
}

TEST_F(access, moves_to_another_ioas)
{
	__u32 other, unfit, item, left;
	char bytes[64];

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, ioas_alloc(FD, &unfit));
	ASSERT_EQ(0, ioas_map_at(FD, unfit, VA + 1, 5, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, other, VA + 2 * SMALL_PAGE,
				 SMALL_PAGE, IOVA));
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA, LENGTH, NULL,
				     &item));
	EXPECT_EQ(-ENOENT, mock_access_replace(FD, ACCESS, NO_SUCH_ID));
	EXPECT_EQ(-EADDRINUSE, mock_access_replace(FD, ACCESS, unfit));
	EXPECT_EQ(0, mock_access_replace(FD, ACCESS, IOAS));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, mock_access_replace(FD, ACCESS, other));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, ACCESS, item));
	EXPECT_EQ(1, ioas_alignment(FD, IOAS));
	EXPECT_EQ(SMALL_PAGE, ioas_alignment(FD, other));
	EXPECT_EQ(0, mock_access_rw(FD, ACCESS, 0, IOVA, 64, bytes));
	EXPECT_EQ(0, memcmp(bytes, VA + 2 * SMALL_PAGE, 64));
	EXPECT_EQ(0, mock_access_pin(FD, ACCESS, 0, IOVA, SMALL_PAGE,
				     VA + 2 * SMALL_PAGE, &left));
	EXPECT_EQ(-ENOENT, mock_access_rw(FD, ACCESS, 0, IOVA + SMALL_PAGE, 64,
					  bytes));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, other));
}

/* -- other processes -- */

TEST_F(access, reaches_memory_of_another_process)
{
	int pipes[2], status;
	char *va = VA;
	__u64 iova = IOVA + 16 * MIB;
	char bytes[5000];
	__u32 item;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	if (!pid) {
		char byte;

		close(pipes[1]);
		pattern_fill(va, LENGTH, 5);
		if (ioas_map_at(FD, IOAS, va, LENGTH, iova))
			_exit(1);
		/* until the parent has looked, and written */
		if (kill(getpid(), SIGSTOP) || read(pipes[0], &byte, 1))
			_exit(2);
		_exit(pattern_matches(va + 100, 5000, 6) ? 0 : 3);
	}
	close(pipes[0]);
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, mock_access_rw(FD, ACCESS, 0, iova, 5000, bytes));
	EXPECT_TRUE(pattern_matches(bytes, 5000, 5));
	pattern_fill(bytes, 5000, 6);
	ASSERT_EQ(0, mock_access_rw(FD, ACCESS, WRITE, iova + 100, 5000,
				    bytes));
	EXPECT_TRUE(pattern_matches(va, SMALL_PAGE, 1));
	ASSERT_EQ(0, mock_access_pin(FD, ACCESS, 0, iova + SMALL_PAGE,
				     SMALL_PAGE, NULL, &item));
	EXPECT_EQ(0, vm_pinned());
	kill(pid, SIGCONT);
	close(pipes[1]);
	EXPECT_EQ(0, child_status(pid));

	/* it has ended; what is pinned remains */
	EXPECT_EQ(0, mock_access_rw(FD, ACCESS, 0, iova + SMALL_PAGE, 1000,
				    bytes));
	EXPECT_EQ(-EFAULT, mock_access_rw(FD, ACCESS, 0, iova, 100, bytes));
	EXPECT_EQ(-EFAULT, mock_access_rw(FD, ACCESS, SLOWLY, iova, 100,
					  bytes));
	EXPECT_EQ(-EFAULT, mock_access_pin(FD, ACCESS, 0, iova, SMALL_PAGE,
					   NULL, &item));
}

/* -- dma-bufs -- */

#define BUFFER_LENGTH (4 * SMALL_PAGE)

static int map_dmabuf(int iommufd, __u32 ioas, int dmabuf, __u64 iova)
{
	return ioas_map_file(iommufd, ioas, MAP_RW | MAP_AT, dmabuf, 0,
			     BUFFER_LENGTH, &iova);
}

TEST_F(access, does_not_reach_memory_of_devices)
{
	const __u64 iova = IOVA + LENGTH;
	int dmabuf = mock_dmabuf(FD, BUFFER_LENGTH, O_RDWR | O_CLOEXEC);
	char bytes[8] = {};
	__u32 item;

	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, map_dmabuf(FD, IOAS, dmabuf, iova));
	EXPECT_EQ(-EINVAL, mock_access_pin(FD, ACCESS, 0, iova, SMALL_PAGE,
					   NULL, &item));
	EXPECT_EQ(-EINVAL, mock_access_pin(FD, ACCESS, 0, iova - SMALL_PAGE,
					   2 * SMALL_PAGE, NULL, &item));
	EXPECT_EQ(-EINVAL, mock_access_rw(FD, ACCESS, 0, iova, 8, bytes));
	EXPECT_EQ(-EINVAL, mock_access_rw(FD, ACCESS, WRITE, iova - 4, 8,
					  bytes));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_TRUE(pattern_matches(VA, LENGTH, 1));
	close(dmabuf);
}

TEST_F(access, sees_no_revoked_memory_in_any_page_table)
{
	const __u64 iova = IOVA + LENGTH;
	int dmabuf = mock_dmabuf(FD, BUFFER_LENGTH, O_RDWR | O_CLOEXEC);
	struct mock_device first, second, third;
	__u32 other, unpinned;
	__u64 copy = iova;
	char *va;

	ASSERT_LE(0, dmabuf);
	va = mmap(NULL, BUFFER_LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED,
		  dmabuf, 0);
	if (va == MAP_FAILED)
		SKIP(return, "the buffer cannot be looked at");
	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, ioas_alloc(FD, &unpinned));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &first));
	ASSERT_EQ(0, mock_domain(FD, other, &second));
	ASSERT_EQ(0, map_dmabuf(FD, IOAS, dmabuf, iova));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, other, IOAS,
			       iova + SMALL_PAGE, SMALL_PAGE, &copy));
	ASSERT_EQ(0, ioas_copy(FD, MAP_RW | MAP_AT, unpinned, IOAS, IOVA,
			       LENGTH + BUFFER_LENGTH, &(__u64){ IOVA }));
	EXPECT_EQ(0, mock_check_map(FD, first.hwpt, iova, BUFFER_LENGTH, va));
	EXPECT_EQ(0, mock_check_map(FD, second.hwpt, copy, SMALL_PAGE,
				    va + SMALL_PAGE));

	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, true));
	EXPECT_EQ(0, mock_check_hole(FD, first.hwpt, iova, BUFFER_LENGTH));
	EXPECT_EQ(0, mock_check_hole(FD, second.hwpt, copy, SMALL_PAGE));
	EXPECT_EQ(0, mock_check_map(FD, first.hwpt, IOVA, LENGTH, VA));
	ASSERT_EQ(0, mock_domain(FD, unpinned, &third));
	EXPECT_EQ(0, mock_check_map(FD, third.hwpt, IOVA, LENGTH, VA));
	EXPECT_EQ(0, mock_check_hole(FD, third.hwpt, iova, BUFFER_LENGTH));
	/* All have it again, the one that came meanwhile as well. */
	ASSERT_EQ(0, mock_dmabuf_revoke(FD, dmabuf, false));
	EXPECT_EQ(0, mock_check_map(FD, first.hwpt, iova, BUFFER_LENGTH, va));
	EXPECT_EQ(0, mock_check_map(FD, second.hwpt, copy, SMALL_PAGE,
				    va + SMALL_PAGE));
	EXPECT_EQ(0, mock_check_map(FD, third.hwpt, iova, BUFFER_LENGTH, va));
	EXPECT_EQ(0, mock_destroy(FD, &first));
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, iova, BUFFER_LENGTH, NULL));
	close(dmabuf);
}

/* -- at the same time -- */

struct pinner {
	struct crowd *crowd;
	int iommufd;
	int access;
	unsigned int done;
};

static int pin_and_unpin(void *data)
{
	struct pinner *pinner = data;
	int rc, unexpected = 0;
	__u32 item;
	char byte;

	while (!crowd_is_over(pinner->crowd)) {
		rc = mock_access_pin(pinner->iommufd, pinner->access, 0,
				     IOVA + SMALL_PAGE, 8 * SMALL_PAGE, NULL,
				     &item);
		if (!rc) {
			__atomic_fetch_add(&pinner->done, 1, __ATOMIC_RELAXED);
			rc = mock_access_unpin(pinner->iommufd, pinner->access,
					       item);
		}
		/* the map is not there, or being taken away */
		if (rc && rc != -ENOENT && rc != -EINVAL)
			unexpected = rc;
		rc = mock_access_rw(pinner->iommufd, pinner->access, 0, IOVA,
				    1, &byte);
		if (rc && rc != -ENOENT && rc != -EINVAL)
			unexpected = rc;
	}
	return unexpected;
}

static bool all_have_pinned(const struct pinner *pinners, int nr)
{
	while (nr && __atomic_load_n(&pinners[nr - 1].done, __ATOMIC_RELAXED))
		nr--;
	return !nr;
}

TEST_F_TIMEOUT(access, pins_while_others_unmap, 60)
{
	struct pinner pinners[2] = {};
	struct crowd crowd = {};
	int i, rc = 0;

	for (i = 0; i < 2; i++) {
		pinners[i].crowd = &crowd;
		pinners[i].iommufd = FD;
		pinners[i].access = mock_access(FD, IOAS, PINS);
		ASSERT_EQ(0, crowd_add(&crowd, pin_and_unpin, &pinners[i]));
	}
	for (i = 0; i < 500 || !all_have_pinned(pinners, 2); i++) {
		rc = ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL);
		ASSERT_EQ(0, rc);
		rc = ioas_map_at(FD, IOAS, VA, LENGTH, IOVA);
		ASSERT_EQ(0, rc);
	}
	EXPECT_EQ(0, crowd_end(&crowd));
	for (i = 0; i < 2; i++) {
		EXPECT_LT(0, pinners[i].done);
		close(pinners[i].access);
	}
	EXPECT_EQ(0, vm_pinned());
}

TEST_HARNESS_MAIN
