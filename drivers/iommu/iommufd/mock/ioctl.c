// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: its ioctl
 *
 * Owns the table of operations. Called by main.c.
 */
#include <linux/module.h>
#include <linux/nospec.h>

#include "../call.h"
#include "../test_hooks.h"
#include "mock.h"

/*
 * The layout is ABI of the tests. The structure ends where its alignment says,
 * and @last is the last member that a caller must know.
 */
static_assert(sizeof(struct iommu_test_cmd) == 72);
static_assert(offsetofend(struct iommu_test_cmd, last) == 68);
static_assert(offsetof(struct iommu_test_cmd, add_reserved) == 16);
static_assert(offsetof(struct iommu_test_cmd, mock_domain.dev_flags) == 28);
static_assert(offsetof(struct iommu_test_cmd, check_refs.refs) == 32);
static_assert(offsetof(struct iommu_test_cmd, access_pages.uptr) == 40);
static_assert(offsetof(struct iommu_test_cmd, access_rw.flags) == 40);
static_assert(offsetof(struct iommu_test_cmd, dirty.out_nr_dirty) == 56);
static_assert(offsetof(struct iommu_test_cmd, trigger_iopf.addr) == 32);
static_assert(sizeof(struct iommu_test_viommu_invalidate) == 12);
static_assert(sizeof(struct iommu_test_viommu) == 24);

/* 0, or what the ioctl returns */
typedef int mock_op(struct iommufd_call *call, struct iommu_test_cmd *cmd);

static mock_op *const ops[] = {
	[IOMMU_TEST_OP_ADD_RESERVED] = mock_op_add_reserved,
	[IOMMU_TEST_OP_MOCK_DOMAIN] = mock_op_domain,
	[IOMMU_TEST_OP_MD_CHECK_MAP] = mock_op_check_map,
	[IOMMU_TEST_OP_MD_CHECK_REFS] = mock_op_check_refs,
	[IOMMU_TEST_OP_CREATE_ACCESS] = mock_op_create_access,
	[IOMMU_TEST_OP_DESTROY_ACCESS_PAGES] = mock_op_destroy_access_pages,
	[IOMMU_TEST_OP_ACCESS_PAGES] = mock_op_access_pages,
	[IOMMU_TEST_OP_ACCESS_RW] = mock_op_access_rw,
	[IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT] = mock_op_memory_limit,
	[IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE] = mock_op_domain_replace,
	[IOMMU_TEST_OP_ACCESS_REPLACE_IOAS] = mock_op_access_replace_ioas,
	[IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS] = mock_op_domain_flags,
	[IOMMU_TEST_OP_DIRTY] = mock_op_dirty,
	[IOMMU_TEST_OP_MD_CHECK_IOTLB] = mock_op_check_iotlb,
	[IOMMU_TEST_OP_TRIGGER_IOPF] = mock_op_trigger_iopf,
	[IOMMU_TEST_OP_DEV_CHECK_CACHE] = mock_op_check_cache,
	[IOMMU_TEST_OP_TRIGGER_VEVENT] = mock_op_trigger_vevent,
	[IOMMU_TEST_OP_PASID_ATTACH] = mock_op_pasid_attach,
	[IOMMU_TEST_OP_PASID_REPLACE] = mock_op_pasid_replace,
	[IOMMU_TEST_OP_PASID_DETACH] = mock_op_pasid_detach,
	[IOMMU_TEST_OP_PASID_CHECK_HWPT] = mock_op_pasid_check_hwpt,
	[IOMMU_TEST_OP_DMABUF_GET] = mock_op_dmabuf_get,
	[IOMMU_TEST_OP_DMABUF_REVOKE] = mock_op_dmabuf_revoke,
	[IOMMU_TEST_OP_STOP_DMA] = mock_op_stop_dma,
	[IOMMU_TEST_OP_MD_CHECK_HOLE] = mock_op_check_hole,
	[IOMMU_TEST_OP_CHECK_PINS] = mock_op_check_pins,
};

int iommufd_test_ioctl(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	u32 op = cmd->op;

	if (op >= ARRAY_SIZE(ops))
		return -EOPNOTSUPP;
	op = array_index_nospec(op, ARRAY_SIZE(ops));
	if (!ops[op])
		return -EOPNOTSUPP;
	return ops[op](call, cmd);
}

int iommufd_test_init(void)
{
	int rc;

	rc = mock_iommu_init();
	if (rc)
		return rc;
	mock_domain_init();
	mock_fault_init();
	mock_access_init();
	mock_hooks_init();
	return 0;
}

void iommufd_test_exit(void)
{
	mock_hooks_exit();
	mock_domain_exit();
	mock_iommu_exit();
}

MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
