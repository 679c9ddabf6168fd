// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables as objects, and what is told about the hardware, on devices of
 * the kernel's test device: it has features that no hardware at hand has, and
 * lets a test look into page tables.
 */
#include <stdint.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "fail_nth.h"
#include "hwpt_fixture.h"
#include "test_support.h"

/*
 * What is told about the hardware
 */

#define HW_INFO_ROOM 64

/* Asks for the default type, with @length bytes of room. */
static int ask(int iommufd, __u32 idev, void *data, __u32 length,
	       struct iommu_hw_info *cmd)
{
	*cmd = (struct iommu_hw_info){
		.dev_id = idev,
		.data_len = length,
		.data_uptr = (uintptr_t)data,
		.out_capabilities = UINT64_MAX,
		.out_max_pasid_log2 = UINT8_MAX,
	};
	return hw_info_ioctl(iommufd, cmd);
}

TEST_F(hwpt, tells_about_the_hardware_as_much_as_there_is_room_for)
{
	struct iommu_test_hw_info *info;
	unsigned char data[HW_INFO_ROOM];
	struct iommu_hw_info cmd;
	__u32 length;

	info = (void *)data;
	for (length = 0; length <= HW_INFO_ROOM / 2; length++) {
		const __u32 common = length < sizeof(*info) ? length :
							      sizeof(*info);
		const struct iommu_test_hw_info expected = {
			.test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL,
		};

		memset(data, 0xff, sizeof(data));
		ASSERT_EQ(0, ask(FD, DEV.idev, data, length, &cmd));
		EXPECT_EQ(sizeof(*info), cmd.data_len);
		EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);
		EXPECT_EQ(0, memcmp(data, &expected, common));
		EXPECT_TRUE(memory_is(data + common, 0, length - common));
		EXPECT_TRUE(memory_is(data + length, 0xff,
				      sizeof(data) - length));
	}
}

TEST_F(hwpt, tells_about_the_hardware_what_is_asked_for)
{
	struct iommu_test_hw_info info = {};
	struct iommu_hw_info cmd = {
		.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE,
		.dev_id = DEV.idev,
		.data_len = sizeof(info),
		.data_uptr = (uintptr_t)&info,
		.in_data_type = IOMMU_HW_INFO_TYPE_SELFTEST,
	};

	EXPECT_EQ(0, hw_info_ioctl(FD, &cmd));
	EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);
	EXPECT_EQ(IOMMU_HW_INFO_SELFTEST_REGVAL, info.test_reg);

	cmd.in_data_type = IOMMU_HW_INFO_TYPE_DEFAULT;
	EXPECT_EQ(0, hw_info_ioctl(FD, &cmd));
	EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);

	cmd.in_data_type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
	EXPECT_EQ(-EOPNOTSUPP, hw_info_ioctl(FD, &cmd));
	/* no question without the flag that says so */
	cmd.flags = 0;
	EXPECT_EQ(0, hw_info_ioctl(FD, &cmd));
	EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);
}

TEST_F(hwpt, tells_which_features_a_device_has)
{
	const __u64 no_ats = IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	struct iommu_hw_info cmd;
	struct mock_device other;

	ASSERT_EQ(0, ask(FD, DEV.idev, NULL, 0, &cmd));
	EXPECT_EQ(IOMMU_HW_CAP_DIRTY_TRACKING | no_ats, cmd.out_capabilities);
	EXPECT_EQ(0, cmd.out_max_pasid_log2);

	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_NO_DIRTY |
				       MOCK_FLAGS_DEVICE_PASID, &other));
	ASSERT_EQ(0, ask(FD, other.idev, NULL, 0, &cmd));
	EXPECT_EQ(no_ats, cmd.out_capabilities);
	EXPECT_EQ(MOCK_PASID_WIDTH, cmd.out_max_pasid_log2);
}

TEST_F(hwpt, refuses_bad_questions_about_the_hardware_in_this_order)
{
	struct iommu_hw_info cmd = {
		.flags = 2,
		.dev_id = IOAS,
		.data_len = 1,
	};
	unsigned int i;

	EXPECT_EQ(-EOPNOTSUPP, hw_info_ioctl(FD, &cmd));
	cmd.flags = 1U << 31;
	EXPECT_EQ(-EOPNOTSUPP, hw_info_ioctl(FD, &cmd));
	cmd.flags = 0;
	for (i = 0; i != sizeof(cmd.__reserved); i++) {
		cmd.__reserved[i] = 1;
		EXPECT_EQ(-EOPNOTSUPP, hw_info_ioctl(FD, &cmd));
		cmd.__reserved[i] = 0;
	}
	EXPECT_EQ(-ENOENT, hw_info_ioctl(FD, &cmd));
	cmd.dev_id = NO_SUCH_ID;
	EXPECT_EQ(-ENOENT, hw_info_ioctl(FD, &cmd));
	cmd.dev_id = DEV.stdev;
	EXPECT_EQ(-ENOENT, hw_info_ioctl(FD, &cmd));
	cmd.dev_id = DEV.idev;
	EXPECT_EQ(-EFAULT, hw_info_ioctl(FD, &cmd));
	cmd.data_len = 0;
	EXPECT_EQ(0, hw_info_ioctl(FD, &cmd));
}

/* The rest of a buffer may be what is not there. */
TEST_F(hwpt, says_when_the_buffer_for_the_hardware_is_not_there)
{
	char *va = end_of_memory(sizeof(struct iommu_test_hw_info));
	struct iommu_hw_info cmd;

	EXPECT_EQ(0, ask(FD, DEV.idev, va, 8, &cmd));
	EXPECT_EQ(-EFAULT, ask(FD, DEV.idev, va, 9, &cmd));
	EXPECT_EQ(-EFAULT, ask(FD, DEV.idev, va + 1, 8, &cmd));
	EXPECT_EQ(0, ask(FD, DEV.idev, va + 1, 7, &cmd));
}

/* The capabilities came later than the rest. */
TEST_F(hwpt, tells_old_programs_what_they_know_of)
{
	struct iommu_hw_info cmd = {
		.dev_id = DEV.idev,
		.out_capabilities = 12345,
	};

	cmd.size = offsetof(struct iommu_hw_info, out_capabilities);
	EXPECT_EQ(0, checked_ioctl(FD, IOMMU_GET_HW_INFO, &cmd));
	EXPECT_EQ(IOMMU_HW_INFO_TYPE_SELFTEST, cmd.out_data_type);
	EXPECT_EQ(12345, cmd.out_capabilities);
	cmd.size--;
	EXPECT_EQ(-EINVAL, checked_ioctl(FD, IOMMU_GET_HW_INFO, &cmd));
}

/*
 * Page tables that user space allocates
 */

TEST_F(hwpt, allocated_follows_the_ioas)
{
	__u32 hwpt;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &hwpt));
	EXPECT_NE(DEV.hwpt, hwpt);
	EXPECT_EQ(0, mock_check_map(FD, hwpt, IOVA, SMALL_PAGE, VA));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA + MIB));
	EXPECT_EQ(0, mock_check_map(FD, hwpt, IOVA + MIB, LENGTH, VA));
	EXPECT_EQ(0, mock_check_map(FD, DEV.hwpt, IOVA + MIB, LENGTH,
				    VA));
	/* in two page tables and two maps, and counted once */
	EXPECT_EQ(LENGTH, vm_pinned());
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	EXPECT_EQ(0, mock_check_hole(FD, hwpt, IOVA, SMALL_PAGE));
}

/* It needs no device to keep memory pinned. */
TEST_F(hwpt, allocated_stays_until_it_is_destroyed)
{
	__u32 hwpt;

	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &hwpt));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(LENGTH, vm_pinned());
	EXPECT_EQ(0, mock_check_map(FD, hwpt, IOVA, LENGTH, VA));

	ASSERT_EQ(0, mock_domain(FD, hwpt, &DEV));
	EXPECT_EQ(hwpt, DEV.hwpt);
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, hwpt));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));

	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(hwpt, allocated_is_never_picked)
{
	struct mock_device other;
	__u32 hwpt;

	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &DEV));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &hwpt));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	EXPECT_EQ(DEV.hwpt, other.hwpt);
	ASSERT_EQ(0, mock_destroy(FD, &other));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	/* alone, it is not picked either */
	ASSERT_EQ(0, mock_domain(FD, IOAS, &other));
	EXPECT_NE(hwpt, other.hwpt);
}

TEST_F(hwpt, allocated_narrows_the_ioas)
{
	struct iommu_iova_range range;
	__u64 alignment;
	__u32 hwpt, ioas, count = 1;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, ioas, 0, &hwpt));
	ASSERT_EQ(0, ioas_iova_ranges(FD, ioas, &range, &count, &alignment));
	EXPECT_EQ(MOCK_APERTURE_START, range.start);
	EXPECT_EQ(MOCK_APERTURE_LAST, range.last);
	EXPECT_EQ(MOCK_PAGE_SIZE, alignment);
	ASSERT_EQ(0, iommufd_destroy(FD, hwpt));

	ASSERT_EQ(0, ioas_map_at(FD, ioas, VA, SMALL_PAGE, 0));
	EXPECT_EQ(-EADDRINUSE, hwpt_alloc(FD, DEV.idev, ioas, 0, &hwpt));
	ASSERT_EQ(0, ioas_iova_ranges(FD, ioas, &range, &count, &alignment));
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(UINT64_MAX, range.last);
	EXPECT_EQ(1, alignment);
}

TEST_F(hwpt, is_of_the_kind_that_the_data_asks_for)
{
	struct iommu_test_hwpt data = { .pagetable_type = MOCK_IOMMUPT_HUGE };
	struct iommu_iova_range range;
	__u32 hwpt, ioas, count = 1;
	__u64 alignment;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, mock_hwpt_alloc(FD, DEV.idev, ioas, 0, &data, &hwpt));
	ASSERT_EQ(0, ioas_iova_ranges(FD, ioas, &range, &count, &alignment));
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(SMALL_PAGE, alignment);

	data.pagetable_type = 2;
	EXPECT_EQ(-EOPNOTSUPP, mock_hwpt_alloc(FD, DEV.idev, ioas, 0, &data,
					       &hwpt));
}

TEST_F(hwpt, takes_the_flags_that_the_driver_has)
{
	struct mock_device plain;
	__u32 flags, hwpt;

	for (flags = 0; flags != 16; flags++) {
		/* wants a queue */
		if (flags & IOMMU_HWPT_FAULT_ID_VALID)
			continue;
		ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, flags, &hwpt))
			TH_LOG("flags %#x", flags);
		EXPECT_EQ(0, iommufd_destroy(FD, hwpt));
	}
	for (flags = 16; flags; flags <<= 1)
		EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc(FD, DEV.idev, IOAS, flags,
						  &hwpt));

	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_NO_DIRTY,
				       &plain));
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc(FD, plain.idev, IOAS,
					  IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
					  &hwpt));
	/* a page table that tracks does not suit a device that does not */
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
	EXPECT_EQ(-EINVAL, mock_domain_replace(FD, plain.stdev, &hwpt));
	EXPECT_EQ(0, mock_pasid_check(FD, plain.stdev, 0, plain.hwpt));
}

TEST_F(hwpt, allocation_is_refused_in_this_order)
{
	struct iommu_test_hwpt data = { .iotlb = 1 };
	struct iommu_hwpt_alloc cmd = {
		.flags = 1U << 31,
		.dev_id = NO_SUCH_ID,
		.pt_id = NO_SUCH_ID,
		.__reserved = 1,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};

	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.__reserved = 0;
	EXPECT_EQ(-EINVAL, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_len = 0;
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	EXPECT_EQ(-EINVAL, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_len = sizeof(data);
	EXPECT_EQ(-ENOENT, hwpt_alloc_ioctl(FD, &cmd));
	cmd.dev_id = IOAS;
	EXPECT_EQ(-ENOENT, hwpt_alloc_ioctl(FD, &cmd));
	cmd.dev_id = DEV.idev;
	EXPECT_EQ(-EINVAL, hwpt_alloc_ioctl(FD, &cmd));
	cmd.pt_id = DEV.idev;
	EXPECT_EQ(-EINVAL, hwpt_alloc_ioctl(FD, &cmd));
	cmd.pt_id = IOAS;
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.flags = 0;
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	EXPECT_EQ(-EOPNOTSUPP, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	cmd.data_uptr = 0;
	EXPECT_EQ(-EFAULT, hwpt_alloc_ioctl(FD, &cmd));
	cmd.data_uptr = (uintptr_t)&data;
	EXPECT_EQ(0, hwpt_alloc_ioctl(FD, &cmd));
	EXPECT_EQ(0, iommufd_destroy(FD, cmd.out_hwpt_id));
}

TEST_F(hwpt, is_gone_when_its_id_cannot_be_told)
{
	const struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = DEV.idev,
		.pt_id = IOAS,
	};
	const __u32 first = next_id(FD);
	void *va = read_only(&cmd, sizeof(cmd));

	EXPECT_EQ(-EFAULT, checked_ioctl(FD, IOMMU_HWPT_ALLOC, va));
	EXPECT_EQ(first, next_id(FD));
	ASSERT_EQ(0, mock_destroy(FD, &DEV));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

/*
 * Failures
 */

#define MAX_TRIES 2000
#define TIMEOUT 120

struct scene {
	int iommufd;
	__u32 ioas;
	__u32 other;		/* another IOAS */
	__u32 own;		/* a page table that is allocated, of ioas */
	struct mock_device dev;	/* on an automatic one of ioas */
	__u32 hwpt;		/* what an operation has allocated */
	__u32 pt;		/* what dev uses before an operation */
	char data[HW_INFO_ROOM];
};

/* What an operation that has failed leaves as it was */
struct state {
	long pinned;
	__u32 next_id;
	__u32 nr_ranges;
	int on_its_page_table;
	int on_own;
	bool other_is_unrestricted;
};

static struct state state_of(struct scene *scene)
{
	struct state state;

	memset(&state, 0, sizeof(state));
	ioas_iova_ranges(scene->iommufd, scene->ioas, NULL, &state.nr_ranges,
			 NULL);
	state.pinned = vm_pinned();
	state.on_its_page_table = mock_pasid_check(scene->iommufd,
						   scene->dev.stdev, 0,
						   scene->pt);
	state.on_own = mock_pasid_check(scene->iommufd, scene->dev.stdev, 0,
					scene->own);
	state.other_is_unrestricted = ioas_is_unrestricted(scene->iommufd,
							   scene->other);
	state.next_id = next_id(scene->iommufd);
	return state;
}

static int op_hw_info(struct scene *scene)
{
	struct iommu_hw_info cmd;

	return ask(scene->iommufd, scene->dev.idev, scene->data,
		   sizeof(scene->data), &cmd);
}

static int op_alloc(struct scene *scene)
{
	return hwpt_alloc(scene->iommufd, scene->dev.idev, scene->ioas,
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &scene->hwpt);
}

static int op_replace_other_ioas(struct scene *scene)
{
	return mock_move(scene->iommufd, &scene->dev, scene->other);
}

static int op_replace_own(struct scene *scene)
{
	return mock_move(scene->iommufd, &scene->dev, scene->own);
}

static int undo_nothing(struct scene *scene)
{
	return 0;
}

static int undo_alloc(struct scene *scene)
{
	return iommufd_destroy(scene->iommufd, scene->hwpt);
}

static int undo_replace(struct scene *scene)
{
	scene->pt = scene->ioas;
	return mock_domain_replace(scene->iommufd, scene->dev.stdev,
				   &scene->pt);
}

static const struct operation {
	const char *name;
	int (*run)(struct scene *scene);
	int (*undo)(struct scene *scene);
	struct own_errors own;
} operations[] = {
	{ "GET_HW_INFO", op_hw_info, undo_nothing, OWN_ERRORS(-ENOENT) },
	/* Here -EINVAL is of an IOAS that is not found. */
	{ "HWPT_ALLOC", op_alloc, undo_alloc, OWN_ERRORS(-ENOENT, -EINVAL) },
	{ "replace by another IOAS", op_replace_other_ioas, undo_replace,
	  OWN_ERRORS(-ENOENT, -EINVAL) },
	{ "replace by a page table", op_replace_own, undo_replace,
	  OWN_ERRORS(-ENOENT) },
};

static bool states_are_same(const struct state *a, const struct state *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void fail_everywhere(struct __test_metadata *_metadata,
			    struct scene *scene, const struct operation *op,
			    int fail_nth)
{
	struct state before, after, done;
	struct own_errors own = op->own;
	int nth = 0, nr_errors = 0, rc;
	bool failed = true;

	/* once without, so that what is made only once is there */
	ASSERT_EQ(0, op->run(scene)) TH_LOG("%s", op->name);
	done = state_of(scene);
	ASSERT_EQ(0, op->undo(scene)) TH_LOG("%s", op->name);
	while (failed && ++nth < MAX_TRIES) {
		before = state_of(scene);
		fail_nth_set(fail_nth, nth);
		rc = op->run(scene);
		failed = fail_nth_happened(fail_nth);
		if (rc) {
			ASSERT_TRUE(failed && is_injected_failure(rc, &own))
				TH_LOG("%s, %d: %d", op->name, nth, rc);
			nr_errors++;
			after = state_of(scene);
			/* the answer alone was lost, the device has moved */
			EXPECT_TRUE(states_are_same(&before, &after) ||
				    (rc == -EFAULT &&
				     op->undo == undo_replace &&
				     states_are_same(&done, &after)))
				TH_LOG("%s, %d: %d", op->name, nth, rc);
			ASSERT_EQ(0, op->run(scene))
				TH_LOG("%s, %d", op->name, nth);
		}
		after = state_of(scene);
		EXPECT_TRUE(states_are_same(&done, &after))
			TH_LOG("%s, %d", op->name, nth);
		ASSERT_EQ(0, op->undo(scene)) TH_LOG("%s, %d", op->name, nth);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(0, nr_errors) TH_LOG("%s", op->name);
	TH_LOG("%s: %d of %d failures are errors", op->name, nr_errors,
	       nth - 1);
}

TEST_F_TIMEOUT(hwpt, operations_unwind_and_work_the_next_time, TIMEOUT)
{
	int fail_nth = fail_nth_open();
	const struct operation *op;
	struct scene scene = {
		.iommufd = FD,
		.ioas = IOAS,
		.dev = DEV,
		.pt = DEV.hwpt,
	};

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, VA, LENGTH, IOVA));
	ASSERT_EQ(0, ioas_alloc(FD, &scene.other));
	ASSERT_EQ(0, ioas_map_at(FD, scene.other, VA, LENGTH, IOVA));
	ASSERT_EQ(0, hwpt_alloc(FD, DEV.idev, IOAS, 0, &scene.own));

	for (op = operations; op != operations + ARRAY_SIZE(operations); op++)
		fail_everywhere(_metadata, &scene, op, fail_nth);
	close(fail_nth);
}

TEST_HARNESS_MAIN
