// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: where it makes the subsystem fail, or short of memory
 *
 * Owns the fault attribute fail_iommufd and the limit of scratch memory, both
 * for the whole system. Called by the rest of the subsystem through
 * test_hooks.h, from anywhere.
 */
#include <linux/debugfs.h>
#include <linux/fault-inject.h>

#include "../test_hooks.h"
#include "mock.h"

/* One page takes a pointer and a count */
#define SCRATCH_MIN 12

static DECLARE_FAULT_ATTR(fail_iommufd);
static struct dentry *fail_iommufd_dir;
static u32 scratch_limit = IOMMUFD_SCRATCH_DEFAULT;

/**
 * iommufd_should_fail - shall this point fail now?
 *
 * By fail_iommufd in debugfs, or by the fail-nth files in proc.
 *
 * Context: any.
 * Return: true if the caller is to fail.
 */
bool iommufd_should_fail(void)
{
	return should_fail(&fail_iommufd, 1);
}

/**
 * iommufd_scratch_limit - scratch memory that one step may take
 *
 * Never more than without a limit, since the caller may allocate that much.
 *
 * Context: any.
 * Return: bytes; maybe less than a step needs at least.
 */
size_t iommufd_scratch_limit(void)
{
	return min_t(size_t, READ_ONCE(scratch_limit), IOMMUFD_SCRATCH_DEFAULT);
}

int mock_op_memory_limit(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	if (cmd->memory_limit.limit < SCRATCH_MIN)
		return -EINVAL;
	WRITE_ONCE(scratch_limit, cmd->memory_limit.limit);
	return 0;
}

void mock_hooks_init(void)
{
	/* Without debugfs, fail-nth works all the same. */
	fail_iommufd_dir = fault_create_debugfs_attr("fail_iommufd", NULL,
						     &fail_iommufd);
}

void mock_hooks_exit(void)
{
	debugfs_remove_recursive(fail_iommufd_dir);
}
