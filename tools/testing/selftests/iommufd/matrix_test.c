// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this IOMMU can do for a device, each thing tried for real.
 *
 * A line "# matrix: FEATURE | VERDICT | DETAIL" a feature is for scripts/matrix.
 * Four things are told apart: the hardware (or QEMU's model of it) does not
 * offer a feature, its driver does not, iommufd does not, or it is offered and
 * fails. Only the last one is a failure.
 *
 * What the hardware offers is read from its own registers, as IOMMU_GET_HW_INFO
 * tells them. When it is not the hardware, the test device decides who refuses:
 * what works there, iommufd can do.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sys/mman.h>

#include "kselftest.h"
#include "matrix.h"
#include "test_support.h"
#include "vfio_edu.h"

static const char * const verdict_names[] = {
	[WORKS] = "works",
	[WORKS_WITH_GAPS] = "works with gaps",
	[NOT_BY_MODEL] = "not offered by the model",
	[NOT_BY_DRIVER] = "not offered by the driver",
	[NOT_BY_IOMMUFD] = "we do not support",
	[FAILED] = "failed",
};

struct outcome *shared;

struct feature {
	const char *name;
	/* returns 0, or the errno of what did not work; calls detail() */
	int (*try)(void);
	/* 0 if the test device can do it; NULL: every IOMMU must */
	int (*reference)(void);
	enum offer (*offer)(void);
};

void detail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(shared->detail, sizeof(shared->detail), format, arguments);
	va_end(arguments);
}

static const struct feature features[] = {
	{ "bind", try_bind },
	{ "attach", try_attach },
	{ "DMA by edu", try_edu },
	{ "DMA by igb", try_igb },
	{ "interrupts", try_interrupts },
	{ "allocated page table", try_allocated },
	{ "replace under running DMA", try_replace },
	{ "hardware information", try_hw_info, mock_hw_info },
	{ "enforced coherency", try_coherency, mock_coherency,
	  coherency_offer },
	{ "parent of nested page tables", try_nest_parent, mock_nest_parent,
	  nesting_offer },
	{ "nested page table", try_nested, mock_nested_as_here,
	  nesting_offer },
	{ "page table for PASIDs", try_pasid_table, mock_pasid_table,
	  pasid_table_offer },
	{ "attach to a PASID", try_pasid, mock_pasid, pasid_offer },
	{ "dirty tracking", try_dirty, mock_dirty_tracking, dirty_offer },
	{ "page table with fault queue", try_page_requests, mock_page_requests,
	  page_request_offer },
};

/* In another process: what it opened, mapped and attached goes with it. */
static int apart(int (*function)(void))
{
	int *rc = (int *)zeroed(sizeof(*rc)), result;

	result = IN_CHILD((*rc = function(), 0)) ? -ECHILD : *rc;
	munmap(rc, sizeof(*rc));
	return result;
}

static bool is_refusal(int rc)
{
	return rc == -EOPNOTSUPP || rc == -ENOTTY;
}

/* Who did not want to? */
static enum verdict blame(const struct feature *feature, int rc)
{
	enum offer offer = feature->offer ? feature->offer() : UNKNOWN;
	int reference;

	if (!feature->reference)
		return FAILED;
	if (offer == NOT_OFFERED)
		return NOT_BY_MODEL;
	if (!is_refusal(rc))
		return FAILED;
	reference = apart(feature->reference);
	if (reference && reference != -ENODEV)
		return NOT_BY_IOMMUFD;
	/* without the test device all that is known is who is not there */
	if (reference && rc == -ENOTTY)
		return NOT_BY_IOMMUFD;
	return offer == OFFERED ? NOT_BY_DRIVER : NOT_BY_MODEL;
}

static void judge(const struct feature *feature)
{
	int rc;

	*shared = (struct outcome){ .verdict = WORKS };
	rc = apart(feature->try);
	if (rc) {
		shared->verdict = blame(feature, rc);
		if (!shared->detail[0])
			detail("%s", strerror(-rc));
	}
}

static void report(const struct feature *feature)
{
	judge(feature);
	ksft_print_msg("matrix: %s | %s | %s\n", feature->name,
		       verdict_names[shared->verdict], shared->detail);
	switch (shared->verdict) {
	case WORKS:
	case WORKS_WITH_GAPS:
		ksft_test_result_pass("%s\n", feature->name);
		break;
	case FAILED:
		ksft_test_result_fail("%s\n", feature->name);
		break;
	default:
		ksft_test_result_skip("%s: %s\n", feature->name,
				      verdict_names[shared->verdict]);
	}
}

int main(void)
{
	char bdf[BDF_SIZE];
	int i;

	ksft_print_header();
	if (pci_find(IGB_VENDOR, IGB_DEVICE, bdf) ||
	    pci_find(EDU_VENDOR, EDU_DEVICE, bdf))
		ksft_exit_skip("there is no edu or no igb\n");
	shared = (struct outcome *)zeroed(sizeof(*shared));
	if (!shared)
		ksft_exit_fail_msg("no memory\n");
	learn_hardware();
	ksft_set_plan(ARRAY_SIZE(features));
	for (i = 0; i < ARRAY_SIZE(features); i++)
		report(&features[i]);
	ksft_finished();
}
