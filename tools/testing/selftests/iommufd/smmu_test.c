// SPDX-License-Identifier: GPL-2.0-only
/*
 * vIOMMUs on Arm's real driver: a guest's own page table, in the guest's own
 * memory, under a device that does DMA, QEMU's "edu".
 */
#include <errno.h>
#include <string.h>

#include "kselftest_harness.h"
#include "fail_each.h"
#include "smmu_rig.h"
#include "test_support.h"

/* What stage 1 translates. */
#define IOVA MIB
#define OTHER_IOVA (2 * MIB)
/* A DMA that raises one event if it is refused. */
#define WORD 4

/*
 * The guest has two pages, filled with pattern 0 and pattern 1, and a virtual
 * device, and the device is not attached.
 */
FIXTURE(smmu)
{
	struct smmu_rig rig;
	char *pages[2];
};

#define SMMU FIXTURE_DATA(smmu)
#define FD (self->rig.edu.iommufd)
#define IOAS (self->rig.edu.ioas)
#define EDU (self->rig.edu.edu)
#define EDU_RIG (&self->rig.edu)
#define GUEST (&self->rig.guest)

FIXTURE_SETUP(smmu)
{
	int i;

	MAKE(smmu_rig_make(&self->rig));
	MAKE(smmu_rig_make_vdevice(&self->rig));
	for (i = 0; i < 2; i++) {
		self->pages[i] = smmu_guest_page(GUEST);
		ASSERT_NE(NULL, self->pages[i]);
		pattern_fill(self->pages[i], SMALL_PAGE, i);
	}
}

FIXTURE_TEARDOWN_PARENT(smmu)
{
	EXPECT_EQ(0, pins_left(self->rig.edu.pins));
}

#define IPA(i) smmu_guest_ipa(GUEST, self->pages[i])
#define MAP(iova, i) \
	ASSERT_EQ(0, smmu_guest_map(GUEST, iova, IPA(i), SMMU_READ_WRITE))
#define TRANSLATE() \
	ASSERT_EQ(0, smmu_rig_attach(&self->rig, smmu_ste_translate(GUEST)))
#define SEND(command) ASSERT_EQ(0, smmu_rig_send_one(&self->rig, command))
#define READ(iova, i) \
	device_read(EDU_RIG, iova, self->pages[i], SMALL_PAGE)

/* One event at most comes of it. */
static int read_word(struct smmu_rig *rig, __u64 iova)
{
	return edu_dma_to_device(&rig->edu.edu, iova, 0, WORD);
}

static int write_word(struct smmu_rig *rig, __u64 iova)
{
	return edu_dma_from_device(&rig->edu.edu, 0, iova, WORD);
}

static bool is_event(struct smmu_rig *rig, enum smmu_event_type type)
{
	struct smmu_event event;

	return !smmu_rig_event(rig, &event) && event.type == type &&
	       event.sid == SMMU_SID && !event.stage2;
}

static bool is_fault(struct smmu_rig *rig, enum smmu_event_type type,
		     __u64 iova, bool write)
{
	struct smmu_event event;

	return !smmu_rig_event(rig, &event) && event.type == type &&
	       event.sid == SMMU_SID && !event.stage2 && event.iova == iova &&
	       event.write == write;
}

TEST_F(smmu, hardware_tells_its_registers)
{
	struct iommu_hw_info_arm_smmuv3 info;

	memset(&info, 0xff, sizeof(info));
	ASSERT_EQ(0, smmu_rig_info(&self->rig, &info));
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(0, info.__reserved);
	EXPECT_TRUE(smmu_has_both_stages(&info));
	EXPECT_TRUE(smmu_has_4k_pages(&info));
}

/*
 * Stream table entries
 */

TEST_F(smmu, bypass_leaves_stage_2)
{
	ASSERT_EQ(0, smmu_rig_attach(&self->rig, smmu_ste_bypass()));
	EXPECT_EQ(REACHED, READ(IPA(0), 0));
	EXPECT_EQ(REACHED, READ(IPA(1), 1));
	/* the guest's stage 1 would have it */
	MAP(IOVA, 0);
	EXPECT_EQ(BLOCKED, device_read(EDU_RIG, IOVA, self->pages[0], WORD));
}

TEST_F(smmu, abort_lets_nothing_through)
{
	MAP(IOVA, 0);
	MAP(OTHER_IOVA, 1);
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	/* the device has other bytes, and may neither write nor read page 1 */
	ASSERT_EQ(0, device_read_prepare(EDU_RIG, self->pages[1], SMALL_PAGE));
	ASSERT_EQ(0, smmu_rig_attach(&self->rig, smmu_ste_abort()));
	ASSERT_EQ(0, edu_dma_from_device(&EDU, 0, OTHER_IOVA, SMALL_PAGE));
	EXPECT_TRUE(pattern_matches(self->pages[1], SMALL_PAGE, 1));
	ASSERT_EQ(0, edu_dma_from_device(&EDU, 0, IPA(1), SMALL_PAGE));
	EXPECT_TRUE(pattern_matches(self->pages[1], SMALL_PAGE, 1));
	ASSERT_EQ(0, device_read_try(EDU_RIG, IPA(1), SMALL_PAGE));
	TRANSLATE();
	EXPECT_EQ(BLOCKED, device_read_result(EDU_RIG, self->pages[1],
					      SMALL_PAGE));
	/* no event either */
	EXPECT_TRUE(smmu_rig_is_quiet(&self->rig));
}

TEST_F(smmu, translation_goes_through_both_stages)
{
	static const char words[] = "from the device, through both stages";

	MAP(IOVA, 0);
	MAP(OTHER_IOVA, 1);
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	EXPECT_EQ(REACHED, READ(OTHER_IOVA, 1));
	EXPECT_EQ(0, device_writes(&self->rig.edu, OTHER_IOVA + 100, words,
				   sizeof(words)));
	EXPECT_STREQ(words, self->pages[1] + 100);
	EXPECT_TRUE(smmu_rig_is_quiet(&self->rig));
}

TEST_F(smmu, entries_replace_each_other)
{
	int i;

	MAP(IOVA, 0);
	for (i = 0; i < 3; i++) {
		TRANSLATE();
		EXPECT_EQ(REACHED, READ(IOVA, 0));
		ASSERT_EQ(0, smmu_rig_attach(&self->rig, smmu_ste_bypass()));
		EXPECT_EQ(REACHED, READ(IPA(1), 1));
		ASSERT_EQ(0, device_read_prepare(EDU_RIG, self->pages[1],
						 WORD));
		ASSERT_EQ(0, smmu_rig_attach(&self->rig, smmu_ste_abort()));
		EXPECT_EQ(0, device_read_try(EDU_RIG, IPA(1), WORD));
		TRANSLATE();
		EXPECT_EQ(BLOCKED, device_read_result(EDU_RIG, self->pages[1],
						      WORD));
		ASSERT_EQ(0, smmu_rig_attach(&self->rig, smmu_ste_abort()));
	}
	/* and what the host has for the device when there is no guest */
	ASSERT_EQ(0, vfio_attach(&EDU, IOAS));
	EXPECT_EQ(REACHED, READ(IPA(0), 0));
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
}

/* While the device has an entry which may not even show it the rig's page */
static enum device_read read_word_with(SMMU *self,
				       struct iommu_hwpt_arm_smmuv3 ste,
				       __u64 iova)
{
	if (smmu_rig_attach(&self->rig, smmu_ste_bypass()) ||
	    device_read_prepare(EDU_RIG, self->pages[0], WORD) ||
	    smmu_rig_attach(&self->rig, ste) ||
	    device_read_try(EDU_RIG, iova, WORD) ||
	    smmu_rig_attach(&self->rig, smmu_ste_bypass()))
		return BROKEN;
	return device_read_result(EDU_RIG, self->pages[0], WORD);
}

TEST_F(smmu, an_entry_that_is_not_valid_is_abort)
{
	const struct iommu_hwpt_arm_smmuv3 not_valid = { };

	MAP(IOVA, 0);
	EXPECT_EQ(REACHED, read_word_with(self, smmu_ste_bypass(), IPA(0)));
	EXPECT_EQ(BLOCKED, read_word_with(self, not_valid, IOVA));
	EXPECT_EQ(BLOCKED, read_word_with(self, not_valid, IPA(0)));
}

TEST_F(smmu, entries_have_only_what_a_guest_may_choose)
{
	const struct iommu_hwpt_arm_smmuv3 good = smmu_ste_translate(GUEST);
	struct iommu_hwpt_arm_smmuv3 ste;
	__u32 nested;

	/* stage 2, by itself or with stage 1, is not the guest's */
	ste = (struct iommu_hwpt_arm_smmuv3){ .ste[0] = 1 | 6 << 1 };
	EXPECT_EQ(-EIO, smmu_rig_nested(&self->rig, ste, &nested));
	ste.ste[0] = 1 | 7 << 1;
	EXPECT_EQ(-EIO, smmu_rig_nested(&self->rig, ste, &nested));
	/* nor are the bits above the context pointer, and of world and cache */
	ste = good;
	ste.ste[0] |= 1ULL << 52;
	EXPECT_EQ(-EIO, smmu_rig_nested(&self->rig, ste, &nested));
	ste = good;
	ste.ste[1] |= 1ULL << 30;
	EXPECT_EQ(-EIO, smmu_rig_nested(&self->rig, ste, &nested));
	EXPECT_EQ(0, smmu_rig_nested(&self->rig, good, &nested));
}

TEST_F(smmu, translation_takes_a_virtual_device)
{
	MAP(IOVA, 0);
	ASSERT_EQ(0, iommufd_destroy(FD, self->rig.vdevice));
	EXPECT_EQ(-ENOENT, smmu_rig_attach(&self->rig,
					   smmu_ste_translate(GUEST)));
	EXPECT_EQ(0, smmu_rig_attach(&self->rig, smmu_ste_bypass()));
	EXPECT_EQ(0, smmu_rig_attach(&self->rig, smmu_ste_abort()));
	EXPECT_EQ(-ENOENT, smmu_rig_attach(&self->rig,
					   smmu_ste_translate(GUEST)));
	MAKE(smmu_rig_make_vdevice(&self->rig));
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
}

/*
 * Commands
 */

TEST_F(smmu, a_change_is_seen_after_the_command)
{
	const struct iommu_viommu_arm_smmuv3_invalidate commands[] = {
		smmu_forget_page(IOVA),
		smmu_forget_all(),
		smmu_command(SMMU_CMD_TLBI_NSNH_ALL),
	};
	int i, now = 0;

	MAP(IOVA, now);
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, now));
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		MAP(IOVA, !now);
		/* without this the rest would prove nothing */
		EXPECT_EQ(REACHED, READ(IOVA, now));
		SEND(commands[i]);
		now = !now;
		EXPECT_EQ(REACHED, READ(IOVA, now));
	}
}

TEST_F(smmu, a_page_is_gone_after_the_command)
{
	MAP(IOVA, 0);
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	ASSERT_EQ(0, smmu_guest_unmap(GUEST, IOVA));
	SEND(smmu_forget_page(IOVA));
	EXPECT_EQ(BLOCKED, device_read(EDU_RIG, IOVA, self->pages[0], WORD));
	EXPECT_TRUE(is_fault(&self->rig, SMMU_F_TRANSLATION, IOVA, false));
}

TEST_F(smmu, many_commands_are_done_at_once)
{
	struct iommu_viommu_arm_smmuv3_invalidate commands[200];
	__u32 count = ARRAY_SIZE(commands);
	int i;

	MAP(IOVA, 0);
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	MAP(IOVA, 1);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		commands[i] = smmu_forget_page(IOVA + i * SMALL_PAGE);
	EXPECT_EQ(0, smmu_rig_send(&self->rig, commands, &count));
	EXPECT_EQ(ARRAY_SIZE(commands), count);
	EXPECT_EQ(REACHED, READ(IOVA, 1));
	/* the only one that matters comes last */
	MAP(IOVA, 0);
	commands[0] = commands[ARRAY_SIZE(commands) - 1];
	commands[ARRAY_SIZE(commands) - 1] = smmu_forget_page(IOVA);
	EXPECT_EQ(0, smmu_rig_send(&self->rig, commands, &count));
	EXPECT_EQ(REACHED, READ(IOVA, 0));
}

/* Wherever it is among good ones, and they are done that are in front of it. */
#define EXPECT_REFUSED(_bad) do {					\
	struct iommu_viommu_arm_smmuv3_invalidate commands_[] = {	\
		smmu_forget_page(IOVA), smmu_forget_cd(SMMU_SID),	\
		smmu_forget_all(), smmu_forget_page(OTHER_IOVA),	\
	};								\
	struct iommu_viommu_arm_smmuv3_invalidate good_;		\
	__u32 at_, count_;						\
									\
	for (at_ = 0; at_ < ARRAY_SIZE(commands_); at_++) {		\
		good_ = commands_[at_];					\
		commands_[at_] = (_bad);				\
		count_ = ARRAY_SIZE(commands_);				\
		EXPECT_EQ(-EIO, smmu_rig_send(&self->rig, commands_,	\
					      &count_));		\
		EXPECT_EQ(at_, count_);					\
		commands_[at_] = good_;					\
	}								\
} while (0)

TEST_F(smmu, commands_that_are_not_for_guests_are_refused)
{
	const struct iommu_viommu_arm_smmuv3_invalidate bad[] = {
		smmu_command(SMMU_CMD_CFGI_STE),
		smmu_command(SMMU_CMD_TLBI_S12_VMALL),
		smmu_command(SMMU_CMD_SYNC),
		smmu_command(0xff),
		/* a device that the guest does not have */
		smmu_forget_cd(SMMU_SID + 1),
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_REFUSED(bad[i]);
}

TEST_F(smmu, commands_with_bits_that_mean_nothing_are_refused)
{
	struct iommu_viommu_arm_smmuv3_invalidate bad = smmu_forget_all();

	if (kernel_is_before(7, 3))
		SKIP(return, "the driver looks at them from 7.3 on");
	bad.cmd[0] |= 1 << 8;
	EXPECT_REFUSED(bad);
}

/* Those in front of the bad one: the caller is told that they were. */
TEST_F(smmu, commands_that_are_counted_are_done)
{
	struct iommu_viommu_arm_smmuv3_invalidate commands[] = {
		smmu_forget_page(IOVA),
		smmu_command(0xff),
		smmu_forget_page(OTHER_IOVA),
	};
	__u32 count = ARRAY_SIZE(commands);

	MAP(IOVA, 0);
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	MAP(IOVA, 1);
	EXPECT_EQ(-EIO, smmu_rig_send(&self->rig, commands, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(REACHED, READ(IOVA, 1));
}

/*
 * Events
 */

TEST_F(smmu, tells_the_guest_what_it_does_not_map)
{
	TRANSLATE();
	ASSERT_EQ(0, read_word(&self->rig, IOVA + 8));
	EXPECT_TRUE(is_fault(&self->rig, SMMU_F_TRANSLATION, IOVA + 8, false));
	ASSERT_EQ(0, write_word(&self->rig, OTHER_IOVA));
	EXPECT_TRUE(is_fault(&self->rig, SMMU_F_TRANSLATION, OTHER_IOVA,
			     true));
	EXPECT_TRUE(smmu_rig_is_quiet(&self->rig));
}

TEST_F(smmu, tells_the_guest_what_may_only_be_read)
{
	ASSERT_EQ(0, smmu_guest_map(GUEST, IOVA, IPA(0), SMMU_READ));
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	memset(self->rig.edu.scratch, 0xff, WORD);
	ASSERT_EQ(0, edu_dma_to_device(&EDU, SCRATCH_IOVA, 0, WORD));
	ASSERT_EQ(0, write_word(&self->rig, IOVA));
	EXPECT_TRUE(is_fault(&self->rig, SMMU_F_PERMISSION, IOVA, true));
	EXPECT_TRUE(pattern_matches(self->pages[0], SMALL_PAGE, 0));
	EXPECT_TRUE(smmu_rig_is_quiet(&self->rig));
}

TEST_F(smmu, tells_the_guest_that_its_descriptor_is_bad)
{
	MAP(IOVA, 0);
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	smmu_guest_set_cd_valid(GUEST, false);
	SEND(smmu_forget_cd(SMMU_SID));
	SEND(smmu_forget_all());
	ASSERT_EQ(0, read_word(&self->rig, IOVA));
	EXPECT_TRUE(is_event(&self->rig, SMMU_C_BAD_CD));
	smmu_guest_set_cd_valid(GUEST, true);
	SEND(smmu_forget_cd(SMMU_SID));
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	EXPECT_TRUE(smmu_rig_is_quiet(&self->rig));
}

/* Memory that the host has not given to it, or has taken away, is not its. */
TEST_F(smmu, does_not_tell_the_guest_of_stage_2)
{
	ASSERT_EQ(0, smmu_guest_map(GUEST, IOVA, SMMU_IPA + SMMU_MEMORY,
				    SMMU_READ_WRITE));
	TRANSLATE();
	ASSERT_EQ(0, read_word(&self->rig, IOVA));
	/* events come in order, so one of stage 2 would be the first */
	ASSERT_EQ(0, read_word(&self->rig, OTHER_IOVA));
	EXPECT_TRUE(is_fault(&self->rig, SMMU_F_TRANSLATION, OTHER_IOVA,
			     false));
	EXPECT_TRUE(smmu_rig_is_quiet(&self->rig));
}

TEST_F(smmu, memory_that_is_taken_from_the_guest_is_gone)
{
	const __u64 ipa = SMMU_IPA + 2 * SMMU_MEMORY;
	struct memory_rig mem;

	MAKE(memory_rig_make(&mem, PAGES_SMALL, SMALL_PAGE));
	TRANSLATE();
	ASSERT_EQ(0, smmu_guest_map(GUEST, IOVA, ipa, SMMU_READ_WRITE));
	/* it can come later than everything else */
	ASSERT_EQ(0, memory_rig_map(&mem, FD, IOAS, ipa));
	EXPECT_EQ(REACHED, device_read(EDU_RIG, IOVA, mem.va, SMALL_PAGE));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, ipa, SMALL_PAGE, NULL));
	EXPECT_EQ(BLOCKED, device_read(EDU_RIG, IOVA, mem.va, WORD));
	EXPECT_TRUE(smmu_rig_is_quiet(&self->rig));
}

/* A DMA of a page raises an event for each of its words. */
TEST_F(smmu, tells_the_guest_when_it_missed_events)
{
	struct smmu_event event;
	int rc, nr = 0;

	TRANSLATE();
	ASSERT_EQ(0, edu_dma_to_device(&EDU, IOVA, 0, SMALL_PAGE));
	do {
		rc = smmu_rig_event(&self->rig, &event);
		if (!rc && event.iova == IOVA + nr * WORD)
			nr++;
	} while (!rc);
	EXPECT_EQ(-EOVERFLOW, rc);
	EXPECT_LE(SMMU_EVENTS_KEPT, nr);
	EXPECT_GT(SMALL_PAGE / WORD, nr);
}

TEST_F(smmu, faults_when_nobody_listens_any_more)
{
	TRANSLATE();
	ASSERT_EQ(0, read_word(&self->rig, IOVA));
	EXPECT_TRUE(is_fault(&self->rig, SMMU_F_TRANSLATION, IOVA, false));
	close(self->rig.events);
	ASSERT_EQ(0, read_word(&self->rig, IOVA));
	ASSERT_EQ(0, iommufd_destroy(FD, self->rig.veventq));
	ASSERT_EQ(0, read_word(&self->rig, IOVA));
	MAP(IOVA, 0);
	EXPECT_EQ(REACHED, READ(IOVA, 0));
}

/*
 * Failures, in the real driver too
 */

/* @info was filled with ones: all of it was written, or nothing. */
static bool is_all_or_nothing(const struct iommu_hw_info_arm_smmuv3 *info,
			      const struct iommu_hw_info_arm_smmuv3 *all)
{
	struct iommu_hw_info_arm_smmuv3 nothing;

	memset(&nothing, 0xff, sizeof(nothing));
	return !memcmp(info, &nothing, sizeof(nothing)) ||
	       !memcmp(info, all, sizeof(*all));
}

TEST_F(smmu, failures_of_hw_info_tell_nothing)
{
	const __u32 first = next_id(FD);
	struct iommu_hw_info_arm_smmuv3 all, info;

	ASSERT_EQ(0, smmu_rig_info(&self->rig, &all));
	EXPECT_TRUE(smmu_has_both_stages(&all));
	WITH_EACH_FAILURE((memset(&info, 0xff, sizeof(info)),
			   smmu_rig_info(&self->rig, &info)),
			  is_all_or_nothing(&info, &all) &&
			  next_id(FD) == first,
			  memcmp(&info, &all, sizeof(all)), -ENOENT);
}

TEST_F(smmu, failures_of_stage_2_leave_nothing_behind)
{
	const __u32 first = next_id(FD);
	__u32 parent;

	WITH_EACH_FAILURE(hwpt_alloc(FD, EDU.id, IOAS,
				     IOMMU_HWPT_ALLOC_NEST_PARENT, &parent),
			  next_id(FD) == first, iommufd_destroy(FD, parent),
			  -ENOENT, -EINVAL);
}

TEST_F(smmu, failures_of_a_viommu_leave_nothing_behind)
{
	const __u32 first = next_id(FD);
	__u32 viommu;

	WITH_EACH_FAILURE(smmu_rig_viommu(&self->rig, &viommu),
			  next_id(FD) == first, iommufd_destroy(FD, viommu),
			  -ENOENT);
}

TEST_F(smmu, failures_of_a_virtual_device_leave_nothing_behind)
{
	__u32 *vdevice = &self->rig.vdevice;
	__u32 first;

	MAP(IOVA, 0);
	ASSERT_EQ(0, iommufd_destroy(FD, *vdevice));
	first = next_id(FD);
	WITH_EACH_FAILURE(vdevice_alloc(FD, self->rig.viommu, EDU.id, SMMU_SID,
					vdevice),
			  next_id(FD) == first, iommufd_destroy(FD, *vdevice),
			  -ENOENT);
	MAKE(smmu_rig_make_vdevice(&self->rig));
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
}

TEST_F(smmu, failures_of_an_entry_leave_nothing_behind)
{
	const __u32 first = next_id(FD);
	__u32 nested;

	WITH_EACH_FAILURE(smmu_rig_nested(&self->rig, smmu_ste_translate(GUEST),
					  &nested),
			  next_id(FD) == first, iommufd_destroy(FD, nested),
			  -ENOENT, -EINVAL);
}

/* The device stays where it is. */
TEST_F(smmu, failures_of_attach_change_nothing)
{
	__u32 nested;

	MAP(IOVA, 0);
	ASSERT_EQ(0, smmu_rig_nested(&self->rig, smmu_ste_translate(GUEST),
				     &nested));
	ASSERT_EQ(0, vfio_attach(&EDU, self->rig.parent));
	WITH_EACH_FAILURE(vfio_attach(&EDU, nested),
			  device_read(EDU_RIG, IPA(0), self->pages[0],
				      WORD) == REACHED,
			  vfio_attach(&EDU, self->rig.parent), -ENOENT);
	ASSERT_EQ(0, vfio_attach(&EDU, nested));
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	WITH_EACH_FAILURE(vfio_attach(&EDU, self->rig.parent),
			  device_read(EDU_RIG, IOVA, self->pages[0],
				      WORD) == REACHED,
			  vfio_attach(&EDU, nested), -ENOENT);
	EXPECT_TRUE(smmu_rig_is_quiet(&self->rig));
}

/* Page 0 is cached, and the guest has page 1 in its table by now. */
static int make_stale(SMMU *self)
{
	int rc = smmu_guest_map(GUEST, IOVA, IPA(0), SMMU_READ_WRITE) ?:
		 smmu_rig_send_one(&self->rig, smmu_forget_page(IOVA));

	if (!rc && device_read(EDU_RIG, IOVA, self->pages[0], WORD) != REACHED)
		rc = -EIO;
	return rc ?: smmu_guest_map(GUEST, IOVA, IPA(1), SMMU_READ_WRITE);
}

/* Was it, if @count is 1, or was it not? Stale again in either case. */
static bool was_forgotten(SMMU *self, __u32 count)
{
	bool reads = device_read(EDU_RIG, IOVA, self->pages[count],
				 WORD) == REACHED;

	return !make_stale(self) && reads;
}

TEST_F(smmu, failures_of_commands_are_counted)
{
	const struct iommu_viommu_arm_smmuv3_invalidate command =
		smmu_forget_page(IOVA);
	__u32 count;

	TRANSLATE();
	ASSERT_EQ(0, make_stale(self));
	WITH_EACH_FAILURE((count = 1,
			   smmu_rig_send(&self->rig, &command, &count)),
			  was_forgotten(self, count),
			  !was_forgotten(self, 1), -ENOENT);
	EXPECT_TRUE(smmu_rig_is_quiet(&self->rig));
}

TEST_F(smmu, failures_of_an_event_queue_leave_nothing_behind)
{
	const int fd = self->rig.events;
	__u32 first;

	ASSERT_EQ(0, smmu_rig_stop_listening(&self->rig));
	first = next_id(FD);
	/* + 1: the macro has a file of its own */
	WITH_EACH_FAILURE(smmu_rig_listen(&self->rig),
			  next_id(FD) == first && next_fd() == fd + 1,
			  smmu_rig_stop_listening(&self->rig), -ENOENT);
	ASSERT_EQ(0, smmu_rig_listen(&self->rig));
	TRANSLATE();
	ASSERT_EQ(0, read_word(&self->rig, IOVA));
	EXPECT_TRUE(is_fault(&self->rig, SMMU_F_TRANSLATION, IOVA, false));
}

/*
 * The end
 */

TEST_F(smmu, guest_can_be_taken_apart_in_order)
{
	MAP(IOVA, 0);
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, self->rig.viommu));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, self->rig.nested));
	ASSERT_EQ(0, vfio_detach(&EDU));
	EXPECT_EQ(0, iommufd_destroy(FD, self->rig.nested));
	EXPECT_EQ(0, iommufd_destroy(FD, self->rig.vdevice));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, self->rig.viommu));
	close(self->rig.events);
	EXPECT_EQ(0, iommufd_destroy(FD, self->rig.veventq));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, self->rig.parent));
	EXPECT_EQ(0, iommufd_destroy(FD, self->rig.viommu));
	EXPECT_EQ(0, iommufd_destroy(FD, self->rig.parent));
	EXPECT_EQ(0, ioas_unmap_all(FD, IOAS, NULL));
	EXPECT_EQ(0, iommufd_destroy(FD, IOAS));
}

TEST_F(smmu, device_can_go_first)
{
	MAP(IOVA, 0);
	TRANSLATE();
	EXPECT_EQ(REACHED, READ(IOVA, 0));
	vfio_close(&EDU);
	EXPECT_EQ(0, smmu_rig_send_one(&self->rig, smmu_forget_all()));
	EXPECT_EQ(-EIO, smmu_rig_send_one(&self->rig,
					  smmu_forget_cd(SMMU_SID)));
	EXPECT_EQ(0, iommufd_destroy(FD, self->rig.nested));
}

TEST_HARNESS_MAIN
