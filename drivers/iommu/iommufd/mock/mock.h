/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test device: what its files offer each other
 *
 * Terms:
 *  mock device   a device on a bus that only it and its like are on
 *  mock IOMMU    what all mock devices are behind; a driver like any other, as
 *                far as the subsystem can see
 *  test object   an object that binds a mock device and attaches it, as vfio
 *                does with a real one
 *  item          a range that an access has pinned for user space
 */
#ifndef __IOMMUFD_MOCK_H
#define __IOMMUFD_MOCK_H

#include <linux/device.h>
#include <linux/iommufd.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "../iommufd_test.h"

struct dentry;
struct iommu_domain;
struct iommu_page_response;
struct iommufd_call;
struct iommufd_ctx;
struct iommufd_hw_pagetable;
struct iommufd_ioas;
struct iopf_fault;
struct iopf_queue;

/**
 * struct mock_device - a mock device
 * @dev: the device
 * @index: the number in its name
 * @flags: MOCK_FLAGS_DEVICE_*
 * @attach_lock: held for writing while the device is attached, moved or
 *               detached, and for reading while somebody relies on what it is
 *               attached to; outermost
 * @cache: what a vIOMMU's user can invalidate
 * @nr_faulting: page tables in use by the device that handle page requests;
 *               guarded by the lock of the device's iommu_group
 * @reserved_pasid_armed: the next page table on IOMMU_TEST_PASID_RESERVED is
 *                        refused; guarded likewise
 * @event_lock: guards what follows; held while the device raises an event,
 *              which may not sleep
 * @viommu: what the page table of the device was made on, or NULL
 * @virt_id: the number of the device there
 */
struct mock_device {
	struct device dev;
	int index;
	u32 flags;
	struct rw_semaphore attach_lock;
	u32 cache[MOCK_DEV_CACHE_NUM];
	unsigned int nr_faulting;
	bool reserved_pasid_armed;
	spinlock_t event_lock;		/* viommu, virt_id */
	struct iommufd_viommu *viommu;
	unsigned long virt_id;
};

/* Context: the words may be looked at, and emptied by others, meanwhile. */
static inline void mock_empty_words(u32 *words, unsigned int nr, u32 id,
				    bool all)
{
	unsigned int i;

	for (i = 0; i != nr; i++)
		if (i == id || all)
			WRITE_ONCE(words[i], 0);
}

static inline struct mock_device *to_mock_device(struct device *dev)
{
	return container_of(dev, struct mock_device, dev);
}

/**
 * struct mock_test_object - a mock device in use
 * @obj: the object
 * @mdev: the device, NULL as long as there is none
 * @idev: what it is bound as, NULL as long as it is not
 * @pasids: what of the device is attached; values without meaning by PASID,
 *          IOMMU_NO_PASID for the device itself; guarded by the device's
 *          attach_lock
 */
struct mock_test_object {
	struct iommufd_object obj;
	struct mock_device *mdev;
	struct iommufd_device *idev;
	struct xarray pasids;
};

/* device.c */
extern struct dentry *mock_devices_dir;
struct mock_device *mock_device_create(u32 flags);
void mock_device_destroy(struct mock_device *mdev);
int mock_device_enable_faults(struct device *dev, struct iommu_domain *domain);
void mock_device_disable_faults(struct device *dev,
				struct iommu_domain *domain);
int mock_iommu_init(void);
void mock_iommu_exit(void);

/* domain.c */
extern struct iommu_domain mock_blocking_domain;
struct iommu_domain *
mock_domain_alloc_paging(struct device *dev, u32 flags,
			 const struct iommu_user_data *user_data);
struct iommu_domain *
mock_domain_alloc_nested(struct device *dev, struct iommu_domain *parent,
			 u32 flags, const struct iommu_user_data *user_data);
struct iommu_domain *
mock_viommu_alloc_nested(struct iommufd_viommu *viommu, u32 flags,
			 const struct iommu_user_data *user_data);
bool mock_domain_is_paging(struct iommu_domain *domain);
bool mock_domain_is_tracking(struct iommu_domain *domain);
int mock_domain_set_dirty(struct iommu_domain *domain, unsigned long iova);
int mock_domain_check_iotlb(struct iommu_domain *domain, u32 id, u32 value);
void mock_domain_init(void);
void mock_domain_exit(void);

/* viommu.c */
size_t mock_viommu_size(struct device *dev, enum iommu_viommu_type type);
int mock_viommu_init(struct iommufd_viommu *viommu, struct iommu_domain *parent,
		     const struct iommu_user_data *user_data);

/* test_object.c */
int mock_op_domain(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_domain_flags(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_domain_replace(struct iommufd_call *call,
			   struct iommu_test_cmd *cmd);
int mock_op_pasid_attach(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_pasid_replace(struct iommufd_call *call,
			  struct iommu_test_cmd *cmd);
int mock_op_pasid_detach(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_pasid_check_hwpt(struct iommufd_call *call,
			     struct iommu_test_cmd *cmd);

/* fault.c */
void mock_page_response(struct device *dev, struct iopf_fault *fault,
			struct iommu_page_response *response);
int mock_op_trigger_iopf(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_stop_dma(struct iommufd_call *call, struct iommu_test_cmd *cmd);
void mock_fault_init(void);

/* event.c */
void mock_device_set_viommu(struct device *dev, struct iommufd_viommu *viommu,
			    unsigned long virt_id);
int mock_op_trigger_vevent(struct iommufd_call *call,
			   struct iommu_test_cmd *cmd);

/* check.c */
int mock_op_check_map(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_check_hole(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_check_refs(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_check_pins(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_check_iotlb(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_check_cache(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_dirty(struct iommufd_call *call, struct iommu_test_cmd *cmd);

/* iova.c */
void mock_ioas_lock(struct iommufd_ioas *ioas);
void mock_ioas_unlock(struct iommufd_ioas *ioas);
int mock_op_add_reserved(struct iommufd_call *call, struct iommu_test_cmd *cmd);

/* access.c */
int mock_op_create_access(struct iommufd_call *call,
			  struct iommu_test_cmd *cmd);
int mock_op_access_replace_ioas(struct iommufd_call *call,
				struct iommu_test_cmd *cmd);
int mock_op_access_pages(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_destroy_access_pages(struct iommufd_call *call,
				 struct iommu_test_cmd *cmd);
int mock_op_access_rw(struct iommufd_call *call, struct iommu_test_cmd *cmd);
void mock_access_init(void);

/* dmabuf.c */
int mock_op_dmabuf_get(struct iommufd_call *call, struct iommu_test_cmd *cmd);
int mock_op_dmabuf_revoke(struct iommufd_call *call,
			  struct iommu_test_cmd *cmd);

/* hooks.c */
int mock_op_memory_limit(struct iommufd_call *call, struct iommu_test_cmd *cmd);
void mock_hooks_init(void);
void mock_hooks_exit(void);

#endif
