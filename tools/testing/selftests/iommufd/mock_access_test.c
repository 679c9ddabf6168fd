// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device's accesses, operation by operation: what each promises to
 * those who test with it, and each of its errors.
 */
#include <fcntl.h>
#include <stdint.h>

#include "kselftest_harness.h"
#include "fail_each.h"
#include "mock_fixture.h"
#include "test_support.h"

TEST_F(mock, refuses_bad_accesses)
{
	__u32 item;

	EXPECT_EQ(-EOPNOTSUPP, mock_access(FD, IOAS, 2));
	EXPECT_EQ(-EOPNOTSUPP, mock_access(FD, IOAS, UINT32_MAX));

	EXPECT_EQ(-ENOMEM, mock_access_pin(FD, FD, 0, IOVA, 16 * MIB + 1, NULL,
					   &item));
	EXPECT_EQ(-EOPNOTSUPP, mock_access_pin(FD, FD, 2, IOVA, SMALL_PAGE,
					       NULL, &item));
	EXPECT_EQ(-EBADFD, mock_access_pin(FD, FD, 0, IOVA, SMALL_PAGE, NULL,
					   &item));
	EXPECT_EQ(-EBADFD, mock_access_unpin(FD, FD, 0));
	EXPECT_EQ(-EBADFD, mock_access_replace(FD, FD, IOAS));
	EXPECT_EQ(-ENOMEM, mock_access_rw(FD, FD, 0, IOVA, 16 * MIB + 1,
					  VA));
	EXPECT_EQ(-EOPNOTSUPP, mock_access_rw(FD, FD, 2, IOVA, 1, VA));
	EXPECT_EQ(-EBADFD, mock_access_rw(FD, FD, 0, IOVA, 1, VA));
	EXPECT_EQ(-EBADFD, mock_access_rw(FD, -1, 0, IOVA, 1, VA));
}

#define NEEDS_PINS MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES

TEST_F(mock, access_pins_what_is_mapped)
{
	char *va = VA;
	__u32 item, other;
	int access;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, LENGTH, IOVA));
	access = mock_access(FD, IOAS, NEEDS_PINS);
	if (access == -EOPNOTSUPP)
		SKIP(return, "the kernel has no accesses");
	ASSERT_LE(0, access);
	EXPECT_NE(0, fcntl(access, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(-ENOENT, mock_access(FD, NO_SUCH_ID, NEEDS_PINS));
#define PIN(flags, iova, length, at, item)				\
	mock_access_pin(FD, access, flags, iova, length, at, item)
	ASSERT_EQ(0, PIN(0, IOVA, SMALL_PAGE, va, &item));
	EXPECT_EQ(0, item);
	EXPECT_EQ(0, mock_check_refs(FD, va, SMALL_PAGE, 1));
	ASSERT_EQ(0, PIN(MOCK_FLAGS_ACCESS_WRITE, IOVA, LENGTH, NULL, &other));
	EXPECT_EQ(1, other);
	EXPECT_EQ(0, mock_check_refs(FD, va + SMALL_PAGE, LENGTH - SMALL_PAGE,
				     1));

	EXPECT_EQ(-EBADE, PIN(0, IOVA, SMALL_PAGE, va + SMALL_PAGE, &item));
	EXPECT_EQ(-EBADE, PIN(0, IOVA, SMALL_PAGE, (char *)SMALL_PAGE, &item));
	EXPECT_EQ(-ENOENT, PIN(0, IOVA + LENGTH, SMALL_PAGE, NULL, &item));
	EXPECT_EQ(-EINVAL, PIN(0, IOVA, 0, NULL, &item));
	EXPECT_EQ(-EOVERFLOW, PIN(0, -SMALL_PAGE, 2 * SMALL_PAGE, NULL, &item));

	EXPECT_EQ(0, mock_access_unpin(FD, access, 1));
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, access, 1));
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, access, 2));
	EXPECT_EQ(0, mock_check_refs(FD, va, SMALL_PAGE, 1));
	EXPECT_EQ(0, mock_check_refs(FD, va + SMALL_PAGE, LENGTH - SMALL_PAGE,
				     0));
	/* the map of what is pinned goes, and the pin with it */
	ASSERT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, mock_check_refs(FD, va, LENGTH, 0));
	EXPECT_EQ(-ENOENT, mock_access_unpin(FD, access, 0));

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, LENGTH, IOVA));
	ASSERT_EQ(0, PIN(0, IOVA, LENGTH, va, &item));
	EXPECT_EQ(2, item);
	close(access);
	EXPECT_EQ(0, mock_check_refs(FD, va, LENGTH, 0));
}

/* All pages are of one step, and the file of many runs. */
TEST_F_TIMEOUT(mock, access_pins_all_of_a_scattered_file_or_nothing, 120)
{
	struct memory_rig file;
	__u32 item;
	int access;

	MAKE(memory_rig_make_file(&file, PAGES_SMALL_RANDOM, LENGTH));
	ASSERT_LT(2, memory_pieces(file.va, LENGTH));
	ASSERT_EQ(0, memory_rig_map(&file, FD, IOAS, IOVA));
	access = mock_access(FD, IOAS, NEEDS_PINS);
	ASSERT_LE(0, access);
	ASSERT_EQ(0, mock_memory_limit(FD, 0));
	WITH_EACH_FAILURE(PIN(0, IOVA, LENGTH, file.va, &item),
			  !mock_check_refs(FD, file.va, LENGTH, 0),
			  mock_check_refs(FD, file.va, LENGTH, 1) ?:
			  mock_access_unpin(FD, access, item));
	close(access);
}

/* How many points at which a pin of the file may fail it comes to */
static int points_of_pin(int fail_nth, int iommufd, int access)
{
	bool failed = true;
	__u32 item;
	int nth;

	for (nth = 1; failed && nth != MAX_TRIES; nth++) {
		fail_nth_set(fail_nth, nth);
		if (!mock_access_pin(iommufd, access, 0, IOVA, LENGTH, NULL,
				     &item)) {
			failed = fail_nth_happened(fail_nth);
			mock_access_unpin(iommufd, access, item);
		}
	}
	return nth - 2;
}

TEST_F_TIMEOUT(mock, access_pins_page_by_page_with_little_memory, 120)
{
	int access, fail_nth, with_little, with_much;
	struct memory_rig file;

	MAKE(memory_rig_make_file(&file, PAGES_SMALL_RANDOM, LENGTH));
	ASSERT_EQ(0, memory_rig_map(&file, FD, IOAS, IOVA));
	access = mock_access(FD, IOAS, NEEDS_PINS);
	ASSERT_LE(0, access);
	fail_nth = fail_nth_open();
	ASSERT_LE(0, fail_nth);

	ASSERT_EQ(0, mock_memory_limit(FD, MOCK_MEMORY_LIMIT_MIN));
	with_little = points_of_pin(fail_nth, FD, access);
	ASSERT_EQ(0, mock_memory_limit(FD, 0));
	with_much = points_of_pin(fail_nth, FD, access);
	EXPECT_LE(NR_PAGES, with_little);
	EXPECT_GT(NR_PAGES, with_much);
	close(fail_nth);
	close(access);
}

TEST_F(mock, access_without_pins_copies)
{
	char *bytes = VA + LENGTH / 2;
	__u32 item;
	int access;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH / 2, IOVA));
	access = mock_access(FD, IOAS, 0);
	if (access == -EOPNOTSUPP)
		SKIP(return, "the kernel has no accesses");
	ASSERT_LE(0, access);
	EXPECT_EQ(-EOPNOTSUPP, PIN(0, IOVA, SMALL_PAGE, NULL, &item));

#define RW(flags, iova, length, at)					\
	mock_access_rw(FD, access, flags, iova, length, at)
	pattern_fill(VA, LENGTH / 2, 1);
	EXPECT_EQ(0, RW(0, IOVA + 3, LENGTH / 2 - 3, bytes));
	EXPECT_EQ(0, memcmp(bytes, VA + 3, LENGTH / 2 - 3));
	pattern_fill(bytes, LENGTH / 2, 2);
	EXPECT_EQ(0, RW(MOCK_ACCESS_RW_WRITE, IOVA, LENGTH / 2, bytes));
	EXPECT_EQ(0, memcmp(bytes, VA, LENGTH / 2));
	pattern_fill(bytes, LENGTH / 2, 3);
	EXPECT_EQ(0, RW(MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH, IOVA,
			LENGTH / 2, bytes));
	EXPECT_EQ(0, memcmp(bytes, VA, LENGTH / 2));

	EXPECT_EQ(-EFAULT, RW(0, IOVA, 1, NULL));
	EXPECT_EQ(-EFAULT, RW(MOCK_ACCESS_RW_WRITE, IOVA, 1, NULL));
	EXPECT_EQ(-EINVAL, RW(0, IOVA, 0, bytes));
	EXPECT_EQ(-ENOENT, RW(0, IOVA + LENGTH / 2 - 1, 2, bytes));
	close(access);
}

TEST_F(mock, access_finds_the_nth_map)
{
	char bytes[2];
	int access;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA + SMALL_PAGE, SMALL_PAGE,
				 IOVA + MIB));
	access = mock_access(FD, IOAS, 0);
	if (access == -EOPNOTSUPP)
		SKIP(return, "the kernel has no accesses");
	ASSERT_LE(0, access);
	VA[5] = 'a';
	VA[SMALL_PAGE + 6] = 'b';
	EXPECT_EQ(0, RW(MOCK_FLAGS_ACCESS_SYZ, 5ULL << 32, 1, bytes));
	EXPECT_EQ(0, RW(MOCK_FLAGS_ACCESS_SYZ, 6ULL << 32 | 1, 1, bytes + 1));
	EXPECT_EQ('a', bytes[0]);
	EXPECT_EQ('b', bytes[1]);
	EXPECT_EQ(-ENOENT, RW(MOCK_FLAGS_ACCESS_SYZ, 2, 1, bytes));
	close(access);
}

TEST_F(mock, access_moves_to_another_ioas)
{
	__u32 ioas, item;
	int access;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	access = mock_access(FD, IOAS, NEEDS_PINS);
	if (access == -EOPNOTSUPP)
		SKIP(return, "the kernel has no accesses");
	ASSERT_LE(0, access);
	ASSERT_EQ(0, PIN(0, IOVA, LENGTH, VA, &item));
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	EXPECT_EQ(-ENOENT, mock_access_replace(FD, access, NO_SUCH_ID));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 1));
	EXPECT_EQ(0, mock_access_replace(FD, access, ioas));
	EXPECT_EQ(0, mock_check_refs(FD, VA, LENGTH, 0));
	EXPECT_EQ(-ENOENT, PIN(0, IOVA, LENGTH, VA, &item));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, ioas));
	close(access);
	EXPECT_EQ(0, iommufd_destroy(FD, ioas));
}

TEST_HARNESS_MAIN
