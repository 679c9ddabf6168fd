// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page tables and the invalidation of what is cached of them, on devices
 * of the kernel's test device.
 */
#include <stdint.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_each.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define NR_WORDS MOCK_NESTED_DOMAIN_IOTLB_NUM
#define IOTLB IOMMU_TEST_IOTLB_DEFAULT
#define IOVA ((__u64)MOCK_APERTURE_START)

FIXTURE(nested)
{
	struct mock_rig rig;
	__u32 parent;		/* on its IOAS */
	__u32 hwpt;		/* on parent */
};

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define DEV (self->rig.dev)
#define PARENT (self->parent)
#define NESTED (self->hwpt)

FIXTURE_SETUP(nested)
{
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS,
				IOMMU_HWPT_ALLOC_NEST_PARENT, &PARENT));
	ASSERT_EQ(0, mock_nested(FD, DEV.idev, PARENT, 0, IOTLB, &NESTED));
}

FIXTURE_TEARDOWN(nested)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
}

/*
 * Page tables
 */

TEST_F(nested, starts_with_what_the_data_say)
{
	__u32 other;
	int i;

	for (i = 0; i != NR_WORDS; i++) {
		EXPECT_EQ(0, mock_check_iotlb(FD, NESTED, i, IOTLB));
		EXPECT_EQ(-EINVAL, mock_check_iotlb(FD, NESTED, i, IOTLB + 1));
	}
	EXPECT_EQ(-EINVAL, mock_check_iotlb(FD, NESTED, i, IOTLB));
	EXPECT_EQ(-ENOENT, mock_check_iotlb(FD, PARENT, 0, IOTLB));

	ASSERT_EQ(0, mock_nested(FD, DEV.idev, PARENT, 0, 7, &other));
	EXPECT_EQ(0, mock_check_iotlb(FD, other, 0, 7));
	EXPECT_EQ(0, mock_check_iotlb(FD, NESTED, 0, IOTLB));
}

TEST_F(nested, keeps_the_parent_alive)
{
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, PARENT));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, iommufd_destroy(FD, NESTED));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, NESTED));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, iommufd_destroy(FD, PARENT));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(nested, is_kept_alive_by_the_device)
{
	__u32 pt = NESTED;

	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(NESTED, pt);
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, NESTED));
	/* the automatic page table has vanished */
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, DEV.hwpt));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, iommufd_destroy(FD, NESTED));
}

TEST_F(nested, takes_devices_like_any_other)
{
	struct mock_device first, second;
	__u32 pt;

	ASSERT_EQ(0, mock_domain(FD, NESTED, &first));
	EXPECT_EQ(NESTED, first.hwpt);
	EXPECT_EQ(0, mock_pasid_check(FD, first.stdev, 0, NESTED));
	ASSERT_EQ(0, mock_domain(FD, NESTED, &second));

	pt = PARENT;
	ASSERT_EQ(0, mock_domain_replace(FD, first.stdev, &pt));
	EXPECT_EQ(PARENT, pt);
	EXPECT_EQ(0, mock_pasid_check(FD, first.stdev, 0, PARENT));
	EXPECT_EQ(0, mock_pasid_check(FD, second.stdev, 0, NESTED));
	pt = NESTED;
	ASSERT_EQ(0, mock_domain_replace(FD, first.stdev, &pt));
	EXPECT_EQ(0, mock_pasid_check(FD, first.stdev, 0, NESTED));
	pt = NESTED;
	ASSERT_EQ(0, mock_domain_replace(FD, first.stdev, &pt));
	pt = IOAS;
	ASSERT_EQ(0, mock_domain_replace(FD, first.stdev, &pt));
	EXPECT_EQ(DEV.hwpt, pt);

	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, NESTED));
	ASSERT_EQ(0, mock_destroy(FD, &second));
	EXPECT_EQ(0, iommufd_destroy(FD, NESTED));
}

/* Whether nested page tables are there or not is the same to the IOAS. */
TEST_F(nested, leaves_it_to_the_parent_to_follow_the_ioas)
{
	struct memory mem;
	__u32 pt = NESTED;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, SMALL_PAGE));
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, mem.va, SMALL_PAGE, IOVA));
	EXPECT_EQ(0, mock_check_map(FD, PARENT, IOVA, SMALL_PAGE, mem.va));
	EXPECT_EQ(-ENOENT, mock_check_map(FD, NESTED, IOVA, SMALL_PAGE,
					  mem.va));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	EXPECT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
}

TEST_F(nested, is_not_made_on_a_page_table_that_is_no_parent)
{
	__u32 plain, hwpt;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &plain));
	EXPECT_EQ(-EINVAL, mock_nested(FD, DEV.idev, plain, 0, IOTLB, &hwpt));
	EXPECT_EQ(-EINVAL, mock_nested(FD, DEV.idev, DEV.hwpt, 0, IOTLB,
				       &hwpt));
	EXPECT_EQ(-EINVAL, mock_nested(FD, DEV.idev, NESTED, 0, IOTLB, &hwpt));
	EXPECT_EQ(-EINVAL, mock_nested(FD, DEV.idev, DEV.idev, 0, IOTLB,
				       &hwpt));
	EXPECT_EQ(-EINVAL, mock_nested(FD, DEV.idev, NO_SUCH_ID, 0, IOTLB,
				       &hwpt));
	EXPECT_EQ(-ENOENT, mock_nested(FD, DEV.stdev, PARENT, 0, IOTLB,
				       &hwpt));
	/* nothing of them is left behind */
	EXPECT_EQ(0, iommufd_destroy(FD, plain));
}

TEST_F(nested, takes_no_flags_but_pasid)
{
	__u32 flags, hwpt;

	for (flags = 1; flags; flags <<= 1) {
		const bool known = flags == IOMMU_HWPT_ALLOC_PASID;

		if (flags == IOMMU_HWPT_FAULT_ID_VALID)
			continue;
		EXPECT_EQ(known ? 0 : -EOPNOTSUPP,
			  mock_nested(FD, DEV.idev, PARENT, flags, IOTLB,
				      &hwpt));
	}
}

TEST_F(nested, can_be_made_for_pasids)
{
	const __u32 flags = IOMMU_HWPT_ALLOC_PASID;
	struct mock_device dev;
	__u32 own, hwpt, pt;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, flags, &own));
	ASSERT_EQ(0, mock_nested(FD, DEV.idev, PARENT, flags, IOTLB, &hwpt));
	ASSERT_EQ(0, mock_domain_flags(FD, own, MOCK_FLAGS_DEVICE_PASID,
				       &dev));
	pt = NESTED;
	EXPECT_EQ(-EINVAL, mock_pasid_attach(FD, dev.stdev, 1, &pt));
	pt = hwpt;
	ASSERT_EQ(0, mock_pasid_attach(FD, dev.stdev, 1, &pt));
	EXPECT_EQ(0, mock_pasid_check(FD, dev.stdev, 1, hwpt));
}

TEST_F(nested, allocation_is_refused_in_this_order)
{
	const struct iommu_test_hwpt data[2] = { { .iotlb = IOTLB } };
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.dev_id = NO_SUCH_ID,
		.pt_id = NO_SUCH_ID,
		.__reserved = 1,
		.data_len = 2 * sizeof(*data),
		.data_uptr = 0,
		.__reserved2 = 1,
	};
	__u32 plain;

	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &plain));
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.__reserved = 0;
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.__reserved2 = 0;
	EXPECT_EQ(-EINVAL, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_len = 0;
	EXPECT_EQ(-ENOENT, hwpt_alloc_ioctl(FD, &cmd));
	cmd.dev_id = DEV.idev;
	EXPECT_EQ(-EINVAL, hwpt_alloc_ioctl(FD, &cmd));
	cmd.pt_id = plain;
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.flags = 0;
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	cmd.data_len = 2 * sizeof(*data);
	EXPECT_EQ(-EINVAL, hwpt_alloc_ioctl(FD, &cmd));
	cmd.pt_id = PARENT;
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	EXPECT_EQ(-EINVAL, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_len = 1;
	EXPECT_EQ(-EINVAL, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_len = sizeof(*data);
	EXPECT_EQ(-EFAULT, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_uptr = (uintptr_t)data;
	EXPECT_EQ(0, hwpt_alloc_ioctl(FD, &cmd));
	/* a program that is older than the second word */
	cmd.data_len = sizeof(data->iotlb);
	EXPECT_EQ(0, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(0, mock_check_iotlb(FD, cmd.out_hwpt_id, 0, IOTLB));
}

TEST_F(nested, is_gone_when_its_id_cannot_be_told)
{
	const struct iommu_test_hwpt data = { .iotlb = IOTLB };
	const struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = DEV.idev,
		.pt_id = PARENT,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	const __u32 first = next_id(FD);

	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_HWPT_ALLOC,
					 read_only(&cmd, sizeof(cmd))));
	EXPECT_EQ(first, next_id(FD));
	ASSERT_EQ(0, iommufd_destroy(FD, NESTED));
	EXPECT_EQ(0, iommufd_destroy(FD, PARENT));
}

/*
 * What a page table narrows, it narrows in the IOAS of the parent.
 */
TEST_F(nested, moves_between_parents_of_two_ioases)
{
	struct iommu_iova_range range;
	__u32 other, parent, hwpt, count = 1, pt;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, other,
				IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	ASSERT_EQ(0, mock_nested(FD, DEV.idev, parent, 0, IOTLB, &hwpt));
	pt = hwpt;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	pt = NESTED;
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	/* whatever was reserved there is free again */
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, iommufd_destroy(FD, parent));
	ASSERT_EQ(0, ioas_iova_ranges(FD, other, &range, &count, NULL));
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(UINT64_MAX, range.last);
	EXPECT_EQ(0, iommufd_destroy(FD, other));
}

/*
 * Invalidation
 */

static int invalidate(int iommufd, __u32 hwpt,
		      const struct iommu_test_hwpt_invalidate *entries,
		      __u32 *count)
{
	return mock_invalidate(iommufd, hwpt,
			       IOMMU_HWPT_INVALIDATE_DATA_SELFTEST, entries,
			       sizeof(*entries), count);
}

static bool words_are(int iommufd, __u32 hwpt, const __u32 *words)
{
	int i;

	for (i = 0; i != NR_WORDS; i++)
		if (mock_check_iotlb(iommufd, hwpt, i, words[i]))
			return false;
	return true;
}

#define EXPECT_WORDS(a, b, c, d) do {					\
	const __u32 words_[NR_WORDS] = { a, b, c, d };			\
									\
	EXPECT_TRUE(words_are(FD, NESTED, words_));			\
} while (0)

TEST_F(nested, invalidation_reaches_what_it_names)
{
	const struct iommu_test_hwpt_invalidate entries[] = {
		{ .iotlb_id = 1 }, { .iotlb_id = 3 }, { .iotlb_id = 1 },
	};
	const struct iommu_test_hwpt_invalidate all = {
		.flags = IOMMU_TEST_INVALIDATE_FLAG_ALL,
	};
	__u32 count = 1, pt = NESTED, other;

	ASSERT_EQ(0, mock_nested(FD, DEV.idev, PARENT, 0, IOTLB, &other));
	/* attached or not */
	ASSERT_EQ(0, mock_domain_replace(FD, DEV.stdev, &pt));
	EXPECT_EQ(0, invalidate(FD, NESTED, entries, &count));
	EXPECT_EQ(1, count);
	EXPECT_WORDS(IOTLB, 0, IOTLB, IOTLB);
	count = 3;
	EXPECT_EQ(0, invalidate(FD, NESTED, entries, &count));
	EXPECT_EQ(3, count);
	EXPECT_WORDS(IOTLB, 0, IOTLB, 0);
	count = 1;
	EXPECT_EQ(0, invalidate(FD, NESTED, &all, &count));
	EXPECT_EQ(1, count);
	EXPECT_WORDS(0, 0, 0, 0);
	EXPECT_EQ(0, mock_check_iotlb(FD, other, 1, IOTLB));
}

/* The nth entry is bad: those before it are done, and counted. */
TEST_F(nested, invalidation_that_fails_says_how_far_it_got)
{
	static const struct {
		struct iommu_test_hwpt_invalidate entry;
		int rc;
	} bad[] = {
		{ { .flags = 2 }, -EOPNOTSUPP },
		{ { .flags = 3 }, -EOPNOTSUPP },
		{ { .iotlb_id = NR_WORDS }, -EINVAL },
		{ { .flags = 1, .iotlb_id = NR_WORDS }, -EINVAL },
	};
	struct iommu_test_hwpt_invalidate entries[NR_WORDS];
	__u32 count, hwpt;
	unsigned int b, nth, i;

	for (b = 0; b != ARRAY_SIZE(bad); b++)
		for (nth = 0; nth != NR_WORDS; nth++) {
			ASSERT_EQ(0, mock_nested(FD, DEV.idev, PARENT, 0,
						 IOTLB, &hwpt));
			for (i = 0; i != NR_WORDS; i++)
				entries[i] =
					(struct iommu_test_hwpt_invalidate){
						.iotlb_id = i,
					};
			entries[nth] = bad[b].entry;
			count = NR_WORDS;
			EXPECT_EQ(bad[b].rc, invalidate(FD, hwpt, entries,
							&count));
			EXPECT_EQ(nth, count);
			for (i = 0; i != NR_WORDS; i++)
				EXPECT_EQ(0, mock_check_iotlb(FD, hwpt, i,
							      i < nth ? 0 :
							      IOTLB));
		}
}

TEST_F(nested, invalidation_stops_where_user_memory_ends)
{
	struct iommu_test_hwpt_invalidate *entries;
	__u32 count = 4;
	char *va;

	va = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, munmap(va + SMALL_PAGE, SMALL_PAGE));
	entries = (void *)(va + SMALL_PAGE - 2 * sizeof(*entries));
	entries[0].iotlb_id = 0;
	entries[1].iotlb_id = 2;

	EXPECT_EQ(-EFAULT, invalidate(FD, NESTED, entries, &count));
	EXPECT_EQ(2, count);
	EXPECT_WORDS(0, IOTLB, 0, IOTLB);
}

/* Programs may know less of an entry than the kernel, not more. */
TEST_F(nested, invalidation_tells_other_lengths_of_entries)
{
	__u32 words[3 * NR_WORDS] = {};
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = NESTED,
		.data_uptr = (uintptr_t)words,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_num = 1,
	};
	const __u32 known = sizeof(struct iommu_test_hwpt_invalidate);
	__u32 length;

	for (length = 1; length <= sizeof(words); length++) {
		cmd.entry_len = length;
		cmd.entry_num = 1;
		EXPECT_EQ(length == known ? 0 : -EINVAL,
			  hwpt_invalidate_ioctl(FD, &cmd));
		EXPECT_EQ(length == known, cmd.entry_num);
	}
}

TEST_F(nested, invalidation_of_nothing_tells_whether_the_type_is_known)
{
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = NESTED,
		.data_uptr = 12345,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = 1U << 31,
	};

	EXPECT_EQ(0, hwpt_invalidate_ioctl(FD, &cmd));
	EXPECT_EQ(0, cmd.entry_num);
	cmd.data_uptr = 0;
	cmd.entry_len = 0;
	EXPECT_EQ(0, hwpt_invalidate_ioctl(FD, &cmd));
	cmd.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID;
	EXPECT_EQ(-EINVAL, hwpt_invalidate_ioctl(FD, &cmd));
	EXPECT_WORDS(IOTLB, IOTLB, IOTLB, IOTLB);
}

TEST_F(nested, invalidation_is_refused_in_this_order)
{
	const struct iommu_test_hwpt_invalidate entry = {};
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = NO_SUCH_ID,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID,
		.entry_num = (1U << 19) + 1,
		.__reserved = 1,
	};
	__u32 count = cmd.entry_num;

	/* none of them is done, and that is always told */
#define EXPECT_REFUSAL(rc) do {						\
	cmd.entry_num = count;						\
	EXPECT_EQ(rc, hwpt_invalidate_ioctl(FD, &cmd));			\
	EXPECT_EQ(0, cmd.entry_num);					\
} while (0)

	EXPECT_REFUSAL(-EOPNOTSUPP);
	cmd.__reserved = 0;
	EXPECT_REFUSAL(-EINVAL);
	cmd.data_uptr = (uintptr_t)&entry;
	EXPECT_REFUSAL(-EINVAL);
	cmd.entry_len = SMALL_PAGE + 1;
	EXPECT_REFUSAL(-EINVAL);
	cmd.entry_len = SMALL_PAGE;
	EXPECT_REFUSAL(-EINVAL);
	count--;
	EXPECT_REFUSAL(-ENOENT);
	cmd.data_uptr = 0;
	EXPECT_REFUSAL(-EINVAL);
	cmd.data_uptr = (uintptr_t)&entry;
	cmd.entry_len = 0;
	EXPECT_REFUSAL(-EINVAL);
	cmd.entry_len = sizeof(entry);
	cmd.hwpt_id = IOAS;
	EXPECT_REFUSAL(-EINVAL);
	cmd.hwpt_id = PARENT;
	EXPECT_REFUSAL(-EINVAL);
	cmd.hwpt_id = NESTED;
	EXPECT_REFUSAL(-EINVAL);
	cmd.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST;
	cmd.data_uptr = 8;
	EXPECT_REFUSAL(-EFAULT);
#undef EXPECT_REFUSAL
}

TEST_F(nested, invalidation_takes_as_many_entries_as_it_says)
{
	const __u32 most = 1U << 19;
	struct iommu_test_hwpt_invalidate *entries;
	__u32 count = most;

	entries = calloc(most, sizeof(*entries));
	ASSERT_NE(NULL, entries);
	entries[most - 1].iotlb_id = 3;
	EXPECT_EQ(0, invalidate(FD, NESTED, entries, &count));
	EXPECT_EQ(most, count);
	EXPECT_WORDS(0, IOTLB, IOTLB, 0);
	free(entries);
}

TEST_F(nested, invalidation_is_not_done_when_its_count_cannot_be_told)
{
	const struct iommu_test_hwpt_invalidate entry = { .iotlb_id = 2 };
	const struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = NESTED,
		.data_uptr = (uintptr_t)&entry,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(entry),
		.entry_num = 1,
	};

	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_HWPT_INVALIDATE,
					 read_only(&cmd, sizeof(cmd))));
	EXPECT_WORDS(IOTLB, IOTLB, IOTLB, IOTLB);
}

/*
 * Failures and races
 */

TEST_F_TIMEOUT(nested, allocation_leaves_nothing_behind_when_it_fails, 120)
{
	const __u32 first = next_id(FD);
	__u32 hwpt;

	WITH_EACH_FAILURE(mock_nested(FD, DEV.idev, PARENT, 0, IOTLB, &hwpt),
			  next_id(FD) == first, iommufd_destroy(FD, hwpt),
			  -ENOENT, -EINVAL);
	EXPECT_EQ(first, next_id(FD));
	ASSERT_EQ(0, iommufd_destroy(FD, NESTED));
	EXPECT_EQ(0, iommufd_destroy(FD, PARENT));
}

TEST_F_TIMEOUT(nested, attach_changes_nothing_when_it_fails, 120)
{
	const __u32 first = next_id(FD);
	struct mock_device other;

	WITH_EACH_FAILURE(mock_domain(FD, NESTED, &other),
			  next_id(FD) == first, mock_destroy(FD, &other),
			  -ENOENT, -EINVAL);
	EXPECT_EQ(0, iommufd_destroy(FD, NESTED));
}

TEST_F_TIMEOUT(nested, replace_changes_nothing_when_it_fails, 120)
{
	const __u32 stdev = DEV.stdev;
	__u32 other, pt = PARENT;

	ASSERT_EQ(0, mock_nested(FD, DEV.idev, PARENT, 0, IOTLB, &other));
	ASSERT_EQ(0, mock_domain_replace(FD, stdev, &pt));
	/* it may be the new ID that cannot be told, and then it has moved */
	WITH_EACH_FAILURE((pt = NESTED, mock_domain_replace(FD, stdev, &pt)),
			  !mock_pasid_check(FD, stdev, 0, PARENT) ||
			  (!mock_pasid_check(FD, stdev, 0, NESTED) &&
			   !mock_move(FD, &DEV, PARENT)),
			  mock_move(FD, &DEV, PARENT), -ENOENT);
	EXPECT_EQ(0, iommufd_destroy(FD, NESTED));
}

TEST_F_TIMEOUT(nested, invalidation_counts_right_when_it_fails, 120)
{
	const struct iommu_test_hwpt_invalidate entries[NR_WORDS] = {
		{ .iotlb_id = 0 }, { .iotlb_id = 1 }, { .iotlb_id = 2 },
		{ .iotlb_id = 3 },
	};
	struct own_errors own = OWN_ERRORS(-ENOENT);
	bool failed = true;
	__u32 count, hwpt;
	int fail_nth = fail_nth_open(), rc, nth, i;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		ASSERT_EQ(0, mock_nested(FD, DEV.idev, PARENT, 0, IOTLB,
					 &hwpt));
		count = NR_WORDS;
		fail_nth_set(fail_nth, nth);
		rc = invalidate(FD, hwpt, entries, &count);
		failed = fail_nth_happened(fail_nth);
		ASSERT_TRUE(!rc || (failed && is_injected_failure(rc, &own)))
			TH_LOG("failure %d: %d", nth, rc);
		/* Before it begins it says that all is done, if it can. */
		if (rc == -EFAULT && count == NR_WORDS)
			count = 0;
		EXPECT_TRUE(rc ? count < NR_WORDS : count == NR_WORDS)
			TH_LOG("failure %d: %d", nth, rc);
		for (i = 0; i != NR_WORDS; i++) {
			EXPECT_EQ(0, mock_check_iotlb(FD, hwpt, i,
						      i < (int)count ? 0 :
						      IOTLB))
				TH_LOG("failure %d: %d", nth, rc);
		}
		ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	}
	EXPECT_FALSE(failed);
	EXPECT_EQ(0, own_error_missed(&own));
	EXPECT_LT(NR_WORDS, nth);
	close(fail_nth);
}

enum {
	MADE,
	INVALIDATED,
	ATTACHED,
	NR_GOALS,
};

struct racer {
	struct crowd crowd;
	int iommufd;
	struct mock_device dev;
	__u32 parent;
	volatile __u32 hwpt;
	bool left;		/* hwpt, when they are told to stop */
	struct goal goals[NR_GOALS];
};

/* Makes and destroys page tables that the others use. */
static int make_and_destroy(void *argument)
{
	struct racer *racer = argument;
	__u32 hwpt;
	int rc = 0;

	while (!rc && !crowd_is_over(&racer->crowd)) {
		rc = mock_nested(racer->iommufd, racer->dev.idev,
				 racer->parent, 0, IOTLB, &hwpt);
		if (rc)
			break;
		racer->hwpt = hwpt;
		do {
			rc = iommufd_destroy(racer->iommufd, hwpt);
		} while (rc == -EBUSY && !crowd_is_over(&racer->crowd));
		racer->left = rc == -EBUSY;
		goal_count(&racer->goals[MADE]);
	}
	return racer->left ? 0 : rc;
}

/* The page table is there or it is not. */
static int invalidate_forever(void *argument)
{
	const struct iommu_test_hwpt_invalidate entry = { .iotlb_id = 1 };
	struct racer *racer = argument;
	__u32 count = 1;
	int rc;

	for (; !crowd_is_over(&racer->crowd); count = 1) {
		rc = invalidate(racer->iommufd, racer->hwpt, &entry, &count);
		if ((rc && rc != -ENOENT) || count != !rc)
			return rc ?: -ERANGE;
		if (!rc)
			goal_count(&racer->goals[INVALIDATED]);
	}
	return 0;
}

static int replace_forever(void *argument)
{
	struct racer *racer = argument;
	int rc = 0;

	while (!rc && !crowd_is_over(&racer->crowd)) {
		rc = mock_move(racer->iommufd, &racer->dev, racer->hwpt);
		if (!rc)
			goal_count(&racer->goals[ATTACHED]);
		if (!rc || rc == -ENOENT)
			rc = mock_move(racer->iommufd, &racer->dev,
				       racer->parent);
	}
	return rc;
}

TEST_F_TIMEOUT(nested, is_destroyed_while_others_use_it, 60)
{
	struct racer racer = {
		.iommufd = FD,
		.dev = DEV,
		.parent = PARENT,
		.goals = {
			{ "made", 200 }, { "invalidated", 50 },
			{ "attached", 50 },
		},
	};
	const struct goal *missed;

	ASSERT_EQ(0, crowd_add(&racer.crowd, make_and_destroy, &racer));
	ASSERT_EQ(0, crowd_add(&racer.crowd, invalidate_forever, &racer));
	ASSERT_EQ(0, crowd_add(&racer.crowd, replace_forever, &racer));
	missed = crowd_reach(&racer.crowd, racer.goals, NR_GOALS);
	ASSERT_EQ(0, crowd_end(&racer.crowd));
	EXPECT_EQ(NULL, missed) TH_LOG("too few: %s", missed->what);
	/* whoever was last, all of it can be put away */
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(racer.left ? 0 : -ENOENT, iommufd_destroy(FD, racer.hwpt));
	ASSERT_EQ(0, iommufd_destroy(FD, NESTED));
	ASSERT_EQ(0, iommufd_destroy(FD, PARENT));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_HARNESS_MAIN
