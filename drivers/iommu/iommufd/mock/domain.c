// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: its page tables
 *
 * Owns the struct iommu_domain of each kind that a mock device can be attached
 * to. Called by the IOMMU core, with the lock of the device's iommu_group held
 * for attach; check.c looks into them.
 *
 * Counts the flushes of IOTLBs, which cost real hardware more than anything
 * else does, in iommufd_mock/iotlb_syncs of debugfs.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/slab.h>

#include "../../iommu-pages.h"
#include "mock.h"

static atomic_t nr_iotlb_syncs;
static struct dentry *debugfs_dir;

/*
 * Attach
 */

/* With or without a PASID */
static int mock_domain_switch(struct iommu_domain *domain, struct device *dev,
			      struct iommu_domain *old)
{
	int rc;

	rc = mock_device_enable_faults(dev, domain);
	if (rc)
		return rc;
	mock_device_disable_faults(dev, old);
	return 0;
}

/* Without a PASID; @viommu may be NULL. */
static int mock_domain_switch_device(struct iommu_domain *domain,
				     struct device *dev,
				     struct iommu_domain *old,
				     struct iommufd_viommu *viommu,
				     unsigned long virt_id)
{
	int rc;

	rc = mock_domain_switch(domain, dev, old);
	if (!rc)
		mock_device_set_viommu(dev, viommu, virt_id);
	return rc;
}

/*
 * Every second attach to IOMMU_TEST_PASID_RESERVED fails, so that tests see the
 * first one undone.
 */
static int mock_domain_switch_pasid(struct iommu_domain *domain,
				    struct device *dev, ioasid_t pasid,
				    struct iommu_domain *old)
{
	bool *armed = &to_mock_device(dev)->reserved_pasid_armed;
	int rc;

	if (pasid == IOMMU_TEST_PASID_RESERVED && *armed) {
		*armed = false;
		return -ENOMEM;
	}
	rc = mock_domain_switch(domain, dev, old);
	if (!rc && pasid == IOMMU_TEST_PASID_RESERVED)
		*armed = true;
	return rc;
}

/*
 * Blocking
 */

static int mock_blocking_attach_dev(struct iommu_domain *domain,
				    struct device *dev,
				    struct iommu_domain *old)
{
	return mock_domain_switch_device(domain, dev, old, NULL, 0);
}

static int mock_blocking_set_dev_pasid(struct iommu_domain *domain,
				       struct device *dev, ioasid_t pasid,
				       struct iommu_domain *old)
{
	if (pasid == IOMMU_TEST_PASID_RESERVED)
		to_mock_device(dev)->reserved_pasid_armed = false;
	return mock_domain_switch(domain, dev, old);
}

static const struct iommu_domain_ops mock_blocking_ops = {
	.attach_dev = mock_blocking_attach_dev,
	.set_dev_pasid = mock_blocking_set_dev_pasid,
};

struct iommu_domain mock_blocking_domain = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &mock_blocking_ops,
};

/*
 * Paging
 */

/**
 * struct mock_paging_domain - a page table that the kernel fills
 * @domain: the domain
 * @pt: likewise
 * @table: the page table
 * @tracking: dirty tracking is on
 */
struct mock_paging_domain {
	union {
		struct iommu_domain domain;
		struct pt_iommu pt;
		struct pt_iommu_amdv1 table;
	};
	bool tracking;
};

PT_IOMMU_CHECK_DOMAIN(struct mock_paging_domain, pt, domain);
PT_IOMMU_CHECK_DOMAIN(struct mock_paging_domain, table.iommu, domain);

static struct mock_paging_domain *to_mock_paging(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_paging_domain, domain);
}

static int mock_paging_set_dirty_tracking(struct iommu_domain *domain,
					  bool enabled)
{
	WRITE_ONCE(to_mock_paging(domain)->tracking, enabled);
	return 0;
}

static const struct iommu_dirty_ops mock_paging_dirty_ops = {
	.set_dirty_tracking = mock_paging_set_dirty_tracking,
	IOMMU_PT_DIRTY_OPS(amdv1_mock),
};

static bool mock_domain_suits(struct iommu_domain *domain, struct device *dev)
{
	return !domain->dirty_ops ||
	       !(to_mock_device(dev)->flags & MOCK_FLAGS_DEVICE_NO_DIRTY);
}

static int mock_paging_attach_dev(struct iommu_domain *domain,
				  struct device *dev, struct iommu_domain *old)
{
	if (!mock_domain_suits(domain, dev))
		return -EINVAL;
	return mock_domain_switch_device(domain, dev, old, NULL, 0);
}

static int mock_paging_set_dev_pasid(struct iommu_domain *domain,
				     struct device *dev, ioasid_t pasid,
				     struct iommu_domain *old)
{
	if (!mock_domain_suits(domain, dev))
		return -EINVAL;
	return mock_domain_switch_pasid(domain, dev, pasid, old);
}

static void mock_paging_iotlb_sync(struct iommu_domain *domain,
				   struct iommu_iotlb_gather *gather)
{
	atomic_inc(&nr_iotlb_syncs);
	iommu_put_pages_list(&gather->freelist);
}

static bool mock_paging_enforce_coherency(struct iommu_domain *domain)
{
	return false;
}

static void mock_paging_free(struct iommu_domain *domain)
{
	struct mock_paging_domain *paging = to_mock_paging(domain);

	pt_iommu_deinit(&paging->pt);
	kfree(paging);
}

static const struct iommu_domain_ops mock_paging_ops = {
	IOMMU_PT_DOMAIN_OPS(amdv1_mock),
	.attach_dev = mock_paging_attach_dev,
	.set_dev_pasid = mock_paging_set_dev_pasid,
	.iotlb_sync = mock_paging_iotlb_sync,
	.enforce_cache_coherency = mock_paging_enforce_coherency,
	.free = mock_paging_free,
};

static int mock_paging_init_table(struct mock_paging_domain *paging,
				  u32 pagetable_type)
{
	const struct pt_iommu_amdv1_cfg cfg = {
		.common.hw_max_vasz_lg2 = 56,
		.common.hw_max_oasz_lg2 = 51,
		.starting_level = 2,
	};
	struct iommu_domain *domain = &paging->domain;
	int rc;

	paging->pt.nid = NUMA_NO_NODE;
	rc = pt_iommu_amdv1_mock_init(&paging->table, &cfg, GFP_KERNEL_ACCOUNT);
	if (rc)
		return rc;

	domain->ops = &mock_paging_ops;
	if (pagetable_type == MOCK_IOMMUPT_HUGE) {
		domain->pgsize_bitmap = MOCK_HUGE_PAGE_SIZE | PAGE_SIZE;
	} else {
		domain->geometry.aperture_start = MOCK_APERTURE_START;
		domain->geometry.aperture_end = MOCK_APERTURE_LAST;
	}
	return 0;
}

static int mock_domain_read_data(const struct iommu_user_data *user_data,
				 struct iommu_test_hwpt *data)
{
	*data = (struct iommu_test_hwpt){
		.pagetable_type = MOCK_IOMMUPT_DEFAULT,
	};
	if (!user_data || user_data->type == IOMMU_HWPT_DATA_NONE)
		return 0;
	if (user_data->type != IOMMU_HWPT_DATA_SELFTEST)
		return -EOPNOTSUPP;
	return iommu_copy_struct_from_user(data, user_data,
					   IOMMU_HWPT_DATA_SELFTEST, iotlb);
}

struct iommu_domain *
mock_domain_alloc_paging(struct device *dev, u32 flags,
			 const struct iommu_user_data *user_data)
{
	bool has_dirty_ops = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	struct mock_paging_domain *paging;
	struct iommu_test_hwpt data;
	int rc;

	if (flags & ~(IOMMU_HWPT_ALLOC_NEST_PARENT |
		      IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_PASID))
		return ERR_PTR(-EOPNOTSUPP);
	if (has_dirty_ops &&
	    to_mock_device(dev)->flags & MOCK_FLAGS_DEVICE_NO_DIRTY)
		return ERR_PTR(-EOPNOTSUPP);
	rc = mock_domain_read_data(user_data, &data);
	if (rc)
		return ERR_PTR(rc);
	if (data.pagetable_type != MOCK_IOMMUPT_DEFAULT &&
	    data.pagetable_type != MOCK_IOMMUPT_HUGE)
		return ERR_PTR(-EOPNOTSUPP);

	paging = kzalloc_obj(*paging, GFP_KERNEL_ACCOUNT);
	if (!paging)
		return ERR_PTR(-ENOMEM);
	rc = mock_paging_init_table(paging, data.pagetable_type);
	if (rc) {
		kfree(paging);
		return ERR_PTR(rc);
	}
	if (has_dirty_ops)
		paging->domain.dirty_ops = &mock_paging_dirty_ops;
	return &paging->domain;
}

bool mock_domain_is_paging(struct iommu_domain *domain)
{
	return domain->ops == &mock_paging_ops;
}

bool mock_domain_is_tracking(struct iommu_domain *domain)
{
	return READ_ONCE(to_mock_paging(domain)->tracking);
}

/**
 * mock_domain_set_dirty - make a page dirty, as if the device had written
 * @domain: a paging domain
 * @iova: an IOVA in the page
 *
 * Context: nothing around @iova may be unmapped meanwhile.
 * Return: 0, or a negative errno if nothing is mapped there.
 */
int mock_domain_set_dirty(struct iommu_domain *domain, unsigned long iova)
{
	struct pt_iommu *pt = &to_mock_paging(domain)->pt;
	int rc;

	do {
		rc = pt->ops->set_dirty(pt, iova);
	} while (rc == -EAGAIN);
	return rc;
}

/*
 * Nested
 */

/**
 * struct mock_nested_domain - a page table that user space fills, on a parent
 * @domain: the domain
 * @viommu: what it was made on, or NULL; not freed before
 * @iotlb: stands for what the IOMMU has cached of it
 */
struct mock_nested_domain {
	struct iommu_domain domain;
	struct iommufd_viommu *viommu;
	u32 iotlb[MOCK_NESTED_DOMAIN_IOTLB_NUM];
};

static struct mock_nested_domain *to_mock_nested(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_nested_domain, domain);
}

/* A guest that has a vIOMMU cannot use a device that it has no number for. */
static int mock_nested_attach_dev(struct iommu_domain *domain,
				  struct device *dev, struct iommu_domain *old)
{
	struct iommufd_viommu *viommu = to_mock_nested(domain)->viommu;
	unsigned long virt_id = 0;
	int rc;

	if (viommu) {
		rc = iommufd_viommu_get_vdev_id(viommu, dev, &virt_id);
		if (rc)
			return rc;
	}
	return mock_domain_switch_device(domain, dev, old, viommu, virt_id);
}

static int mock_nested_set_dev_pasid(struct iommu_domain *domain,
				     struct device *dev, ioasid_t pasid,
				     struct iommu_domain *old)
{
	return mock_domain_switch_pasid(domain, dev, pasid, old);
}

static int mock_nested_invalidate_entry(struct mock_nested_domain *nested,
					struct iommu_user_data_array *array,
					u32 index)
{
	struct iommu_test_hwpt_invalidate entry;
	int rc;

	rc = iommu_copy_struct_from_user_array(&entry, array,
					       IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
					       index, iotlb_id);
	if (rc)
		return rc;
	if (entry.flags & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (entry.iotlb_id > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX)
		return -EINVAL;

	mock_empty_words(nested->iotlb, MOCK_NESTED_DOMAIN_IOTLB_NUM,
			 entry.iotlb_id,
			 entry.flags & IOMMU_TEST_INVALIDATE_FLAG_ALL);
	return 0;
}

static int
mock_nested_cache_invalidate_user(struct iommu_domain *domain,
				  struct iommu_user_data_array *array)
{
	u32 nr_done = 0;
	int rc = 0;

	if (array->type != IOMMU_HWPT_INVALIDATE_DATA_SELFTEST)
		rc = -EINVAL;
	while (!rc && nr_done != array->entry_num) {
		rc = mock_nested_invalidate_entry(to_mock_nested(domain), array,
						  nr_done);
		if (!rc)
			nr_done++;
	}
	array->entry_num = nr_done;
	return rc;
}

static void mock_nested_free(struct iommu_domain *domain)
{
	kfree(to_mock_nested(domain));
}

static const struct iommu_domain_ops mock_nested_ops = {
	.attach_dev = mock_nested_attach_dev,
	.set_dev_pasid = mock_nested_set_dev_pasid,
	.cache_invalidate_user = mock_nested_cache_invalidate_user,
	.free = mock_nested_free,
};

/* @viommu may be NULL. */
static struct iommu_domain *
mock_nested_alloc(struct iommufd_viommu *viommu,
		  const struct iommu_user_data *user_data)
{
	struct mock_nested_domain *nested;
	struct iommu_test_hwpt data;
	unsigned int i;
	int rc;

	rc = mock_domain_read_data(user_data, &data);
	if (rc)
		return ERR_PTR(rc);

	nested = kzalloc_obj(*nested, GFP_KERNEL_ACCOUNT);
	if (!nested)
		return ERR_PTR(-ENOMEM);
	nested->domain.type = IOMMU_DOMAIN_NESTED;
	nested->domain.ops = &mock_nested_ops;
	nested->viommu = viommu;
	for (i = 0; i != MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
		nested->iotlb[i] = data.iotlb;
	return &nested->domain;
}

static bool mock_nested_is_known(u32 flags,
				 const struct iommu_user_data *user_data)
{
	return !(flags & ~IOMMU_HWPT_ALLOC_PASID) && user_data &&
	       user_data->type == IOMMU_HWPT_DATA_SELFTEST;
}

struct iommu_domain *
mock_domain_alloc_nested(struct device *dev, struct iommu_domain *parent,
			 u32 flags, const struct iommu_user_data *user_data)
{
	if (!mock_nested_is_known(flags, user_data))
		return ERR_PTR(-EOPNOTSUPP);
	if (!parent || !mock_domain_is_paging(parent))
		return ERR_PTR(-EINVAL);
	return mock_nested_alloc(NULL, user_data);
}

struct iommu_domain *
mock_viommu_alloc_nested(struct iommufd_viommu *viommu, u32 flags,
			 const struct iommu_user_data *user_data)
{
	if (!mock_nested_is_known(flags, user_data))
		return ERR_PTR(-EOPNOTSUPP);
	return mock_nested_alloc(viommu, user_data);
}

/**
 * mock_domain_check_iotlb - look at a word of a nested page table
 * @domain: any domain
 * @id: which word
 * @value: what it should be
 *
 * Return: 0; -EINVAL if it is not, or if there is no such word or no nested
 * page table.
 */
int mock_domain_check_iotlb(struct iommu_domain *domain, u32 id, u32 value)
{
	if (domain->ops != &mock_nested_ops ||
	    id > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX)
		return -EINVAL;
	if (READ_ONCE(to_mock_nested(domain)->iotlb[id]) != value)
		return -EINVAL;
	return 0;
}

void mock_domain_init(void)
{
	debugfs_dir = debugfs_create_dir("iommufd_mock", NULL);
	debugfs_create_atomic_t("iotlb_syncs", 0400, debugfs_dir,
				&nr_iotlb_syncs);
}

void mock_domain_exit(void)
{
	debugfs_remove_recursive(debugfs_dir);
}
