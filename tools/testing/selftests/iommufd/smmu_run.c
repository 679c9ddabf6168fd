// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows that a guest can have an SMMUv3 of its own: a device does DMA through
 * a page table that a guest keeps in its memory (stage 1) and, behind that,
 * where the host has this memory (stage 2). This program is the hypervisor, and
 * plays the guest as well.
 *
 * All that is printed was measured or checked. The exit status is 0 when all
 * checks passed, 1 when one did not, 2 when there is nothing to run on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/utsname.h>

#include <linux/kernel.h>

#include "demo.h"
#include "smmu_rig.h"
#include "test_support.h"
#include "text_table.h"

#define IOVA MIB
#define OTHER_IOVA (2 * MIB)
#define READ_ONLY_IOVA (3 * MIB)
#define UNMAPPED_IOVA (4 * MIB)
#define NOT_GIVEN_IOVA (5 * MIB)
/* A refused DMA raises an event for each 4 bytes. */
#define WORD 4

static struct smmu_rig rig;
/* Two pages of the guest's, with patterns 1 and 2 */
static char *pages[2];
static const char * const names[] = { "page A", "page B" };

static __u64 ipa(int page)
{
	return smmu_guest_ipa(&rig.guest, pages[page]);
}

static void guest_maps(__u64 iova, __u64 to, enum smmu_access access)
{
	require(smmu_guest_map(&rig.guest, iova, to, access),
		"room for the guest's page table");
}

static void guest_sends(struct iommu_viommu_arm_smmuv3_invalidate command)
{
	expect_ok(smmu_rig_send_one(&rig, command), "a command of the guest");
}

static void make_guest(void)
{
	struct iommu_hw_info_arm_smmuv3 info;
	int rc = smmu_rig_make(&rig), i;

	if (rc == RIG_ABSENT) {
		fprintf(stderr, "smmu_run: %s\n", rig_words());
		exit(2);
	}
	require(rc, rig_words());
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = smmu_guest_page(&rig.guest);
		pattern_fill(pages[i], SMALL_PAGE, i + 1);
	}
	require(smmu_rig_info(&rig, &info), "registers");
	expect(smmu_has_both_stages(&info), "there are not both stages");
	printf("  Its registers: IDR0 %#x, IDR1 %#x, IDR3 %#x, IDR5 %#x.\n",
	       info.idr[0], info.idr[1], info.idr[3], info.idr[5]);
}

static void show_guest(void)
{
	unsigned int bus, device, function;
	__u32 sid = 0;

	if (sscanf(rig.edu.edu.bdf, "%*x:%x:%x.%x", &bus, &device,
		   &function) == 3)
		sid = bus << 8 | device << 3 | function;
	require(smmu_rig_make_vdevice(&rig), rig_words());
	printf("  The guest has %s of memory at %#lx, and the device edu as stream %#x,\n"
	       "  which is %#x for the host.\n"
	       "  Page A is at %#llx for the guest, page B at %#llx.\n\n",
	       size_words(SMMU_MEMORY).s, SMMU_IPA, SMMU_SID, sid, ipa(0),
	       ipa(1));
}

/* -- what a device reads -- */

/* Which of the pages is it? -1: none */
static int page_read(__u64 iova)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		if (device_read(&rig.edu, iova, pages[i], WORD) == REACHED)
			return device_read(&rig.edu, iova, pages[i],
					   SMALL_PAGE) == REACHED ? i : -1;
	return -1;
}

static const char *page_words(int page)
{
	return page < 0 ? "nothing" : names[page];
}

/* The guest is not asked what it was told meanwhile. */
static void drop_events(void)
{
	expect(smmu_rig_drop_events(&rig) >= 0, "events were lost");
}

/* -- stream table entries -- */

static void attach(struct iommu_hwpt_arm_smmuv3 ste)
{
	require(smmu_rig_attach(&rig, ste), "attach");
}

static void entry_row(const struct table *table, const char *entry,
		      __u64 iova, const char *place, int expected)
{
	int page = page_read(iova);

	table_row(table, entry, words("%#llx", iova).s, place,
		  page_words(page), verdict(page == expected));
	expect(page == expected, "%s: %#llx has %s", entry, iova,
	       page_words(page));
}

static void show_entries(void)
{
	static const struct column columns[] = {
		{ "stream table entry", 21 }, { "device reads", 12, true },
		{ "where the guest has", 21 }, { "and gets", 8 }, { "", 1 },
	};
	static const struct table table = { columns, ARRAY_SIZE(columns) };

	printf("  Attach. What the guest writes into its stream table becomes a page table\n"
	       "  that the device is attached to; each replaces the one before.\n");
	guest_maps(IOVA, ipa(1), SMMU_READ_WRITE);
	table_begin(&table);
	attach(smmu_ste_bypass());
	entry_row(&table, "stage 1 bypassed", ipa(0), "page A", 0);
	attach(smmu_ste_abort());
	entry_row(&table, "abort", ipa(0), "page A", -1);
	attach(smmu_ste_translate(&rig.guest));
	entry_row(&table, "stage 1 translates", IOVA, "mapped page B", 1);
	entry_row(&table, "", OTHER_IOVA, "mapped nothing", -1);
	table_end(&table);
	drop_events();
}

/* -- DMA and commands -- */

static void change_row(const struct table *table, const char *guest,
		       int expected, const char *remark)
{
	int page = page_read(IOVA);

	table_row(table, guest, page_words(page), remark,
		  verdict(page == expected));
	expect(page == expected, "%s: %s", guest, page_words(page));
}

static void show_changes(void)
{
	static const struct column columns[] = {
		{ "the guest", 36 }, { "device gets", 11 },
		{ "", 19 }, { "", 1 },
	};
	static const struct table table = { columns, ARRAY_SIZE(columns) };

	printf("  Change. What the guest's page table has for %#lx, and what the device\n"
	       "  reads there. Each byte was compared.\n", IOVA);
	table_begin(&table);
	change_row(&table, "mapped page B", 1, "");
	guest_maps(IOVA, ipa(0), SMMU_READ_WRITE);
	change_row(&table, "writes page A into the entry", 1,
		   "still in the cache");
	guest_sends(smmu_forget_page(IOVA));
	change_row(&table, "sends TLBI_NH_VA", 0, "");
	require(smmu_guest_unmap(&rig.guest, IOVA), "unmap");
	guest_sends(smmu_forget_page(IOVA));
	change_row(&table, "takes it out and sends TLBI_NH_VA", -1, "");
	guest_maps(IOVA, ipa(0), SMMU_READ_WRITE);
	change_row(&table, "maps page A", 0, "nothing was cached");
	table_end(&table);
	drop_events();
}

static void show_write(void)
{
	char before[SMALL_PAGE];
	bool ok;

	/* the device has what it read last, page A */
	guest_maps(OTHER_IOVA, ipa(1), SMMU_READ_WRITE);
	guest_sends(smmu_forget_page(OTHER_IOVA));
	memcpy(before, pages[1], SMALL_PAGE);
	ok = !edu_dma_from_device(&rig.edu.edu, 0, OTHER_IOVA, SMALL_PAGE) &&
	     !memcmp(pages[1], pages[0], SMALL_PAGE);
	expect(ok, "the device did not copy page A to page B");
	printf("  The device copied page A to page B at %#lx: %lu bytes %s\n\n",
	       OTHER_IOVA, SMALL_PAGE, verdict(ok));
	memcpy(pages[1], before, SMALL_PAGE);
}

/* -- events -- */

struct fault {
	const char *reason;
	__u64 iova;
	bool write;
	enum smmu_event_type type;
};

static bool is_expected(const struct fault *fault,
			const struct smmu_event *event)
{
	return event->type == fault->type && event->sid == SMMU_SID &&
	       (fault->type == SMMU_C_BAD_CD ||
		(event->iova == fault->iova && event->write == fault->write &&
		 !event->stage2));
}

static void fault_row(const struct table *table, const struct fault *fault)
{
	const bool has_iova = fault->type != SMMU_C_BAD_CD;
	struct smmu_event event = { };
	bool ok;
	int rc;

	if (fault->write)
		rc = edu_dma_from_device(&rig.edu.edu, 0, fault->iova, WORD);
	else
		rc = edu_dma_to_device(&rig.edu.edu, fault->iova, 0, WORD);
	expect_ok(rc, "DMA");
	rc = smmu_rig_event(&rig, &event);
	ok = !rc && is_expected(fault, &event);
	table_row(table, fault->write ? "writes" : "reads", fault->reason,
		  rc ? "none" : smmu_event_name(event.type),
		  rc ? "" : words("%#x", event.sid).s,
		  rc || !has_iova ? "" : words("%#llx", event.iova).s,
		  verdict(ok));
	expect(ok, "no such event: %s", rc ? strerror(-rc) : fault->reason);
}

static void show_faults(void)
{
	static const struct column columns[] = {
		{ "device", 6 }, { "where", 24 }, { "the guest's event", 17 },
		{ "stream", 6, true }, { "at IOVA", 8, true }, { "", 1 },
	};
	static const struct table table = { columns, ARRAY_SIZE(columns) };
	static const struct fault read = {
		"there is no entry", UNMAPPED_IOVA, false, SMMU_F_TRANSLATION
	};
	static const struct fault write = {
		"the entry is read-only", READ_ONLY_IOVA, true,
		SMMU_F_PERMISSION
	};
	static const struct fault bad_cd = {
		"the descriptor is bad", IOVA, false, SMMU_C_BAD_CD
	};

	printf("  Faults, as the guest reads them from its event queue.\n");
	guest_maps(READ_ONLY_IOVA, ipa(1), SMMU_READ);
	table_begin(&table);
	fault_row(&table, &read);
	fault_row(&table, &write);
	smmu_guest_set_cd_valid(&rig.guest, false);
	guest_sends(smmu_forget_cd(SMMU_SID));
	fault_row(&table, &bad_cd);
	smmu_guest_set_cd_valid(&rig.guest, true);
	guest_sends(smmu_forget_cd(SMMU_SID));
	table_end(&table);
	expect(pattern_matches(pages[1], SMALL_PAGE, 2), "page B has changed");
}

/* Of its memory the guest knows only what it calls it. */
static void show_stage_2(void)
{
	bool ok;

	guest_maps(NOT_GIVEN_IOVA, SMMU_IPA + SMMU_MEMORY, SMMU_READ_WRITE);
	ok = page_read(NOT_GIVEN_IOVA) == -1;
	expect(ok, "the device read what is not the guest's");
	ok &= expect(smmu_rig_is_quiet(&rig), "the guest was told");
	printf("  The guest maps what the host has not given to it: the device reads\n"
	       "  nothing, and only the host is told. %s\n\n", verdict(ok));
}

/* -- commands that are refused -- */

static void show_refusals(void)
{
	const struct iommu_viommu_arm_smmuv3_invalidate commands[] = {
		smmu_forget_page(IOVA),
		smmu_forget_all(),
		smmu_command(SMMU_CMD_CFGI_STE),
		smmu_forget_page(OTHER_IOVA),
	};
	__u32 count = ARRAY_SIZE(commands);
	int rc = smmu_rig_send(&rig, commands, &count);
	bool ok = rc == -EIO && count == 2;

	printf("  TLBI_NH_VA, TLBI_NH_ALL, CFGI_STE, which a guest may not send, and TLBI_NH_VA:\n"
	       "  %u were done, then \"%s\". %s\n\n", count,
	       rc ? strerror(-rc) : "all is well", verdict(ok));
	expect(ok, "a command that is not the guest's was not refused");
}

int main(void)
{
	struct utsname system;

	uname(&system);
	printf("\n  A guest's own SMMUv3, by /dev/iommu on Linux %s (%s)\n\n",
	       system.release, system.machine);
	make_guest();
	show_guest();
	show_entries();
	show_changes();
	show_write();
	show_faults();
	show_stage_2();
	show_refusals();
	smmu_rig_break(&rig);
	expect(pins_left(rig.edu.pins) == 0, "memory is pinned after the end");

	printf("  %d checks, %d failed.\n\n", checks_made(), checks_failed());
	return checks_failed() ? 1 : 0;
}
