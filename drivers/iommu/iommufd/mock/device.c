// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: mock devices, their bus, the IOMMU in front of them
 *
 * Owns struct mock_device, and the directory iommufd_mock_devices of debugfs,
 * to which other files add what they count. The IOMMU core calls the operations
 * of the IOMMU, with the lock of the device's iommu_group held where it is
 * about what the device is attached to; test_object.c makes devices.
 */
#include <linux/debugfs.h>
#include <linux/device/bus.h>
#include <linux/idr.h>
#include <linux/iommu.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "../../iommu-priv.h"
#include "../test_hooks.h"
#include "mock.h"

static DEFINE_IDA(mock_device_ida);
static struct platform_device *mock_iommu_parent;
static struct iopf_queue *mock_iopf_queue;

/* Where debugfs shows what is about devices */
struct dentry *mock_devices_dir;

/* New devices join the group of another, rather than have one each. */
static bool mock_join_group;

static struct mock_iommu {
	struct iommu_device iommu;
	struct notifier_block notifier;
} mock_iommu = {
	.iommu.max_pasids = 1U << MOCK_PASID_WIDTH,
};

static const struct bus_type mock_bus = {
	.name = "iommufd_mock",
};

/**
 * iommufd_test_is_mock_device - is it one of ours?
 * @dev: any device
 *
 * A mock device raises no interrupts, and it is user space's through the very
 * file that it is bound to: it must not keep that file open.
 *
 * Context: any.
 * Return: true if it is.
 */
bool iommufd_test_is_mock_device(const struct device *dev)
{
	return dev->bus == &mock_bus;
}

/*
 * The IOMMU's operations
 */

static bool mock_iommu_capable(struct device *dev, enum iommu_cap cap)
{
	u32 flags = to_mock_device(dev)->flags;

	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return !(flags & MOCK_FLAGS_DEVICE_NOT_COHERENT);
	case IOMMU_CAP_ENFORCE_CACHE_COHERENCY:
		return flags & MOCK_FLAGS_DEVICE_ENFORCES_IN_VAIN;
	case IOMMU_CAP_DIRTY_TRACKING:
		return !(flags & MOCK_FLAGS_DEVICE_NO_DIRTY);
	default:
		return false;
	}
}

static void *mock_iommu_hw_info(struct device *dev, u32 *length,
				enum iommu_hw_info_type *type)
{
	struct iommu_test_hw_info *info;

	if (*type != IOMMU_HW_INFO_TYPE_DEFAULT &&
	    (u32)*type != IOMMU_HW_INFO_TYPE_SELFTEST)
		return ERR_PTR(-EOPNOTSUPP);

	info = kzalloc_obj(*info);
	if (!info)
		return ERR_PTR(-ENOMEM);
	info->test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL;
	*length = sizeof(*info);
	*type = IOMMU_HW_INFO_TYPE_SELFTEST;
	return info;
}

static struct iommu_device *mock_iommu_probe_device(struct device *dev)
{
	if (!iommufd_test_is_mock_device(dev))
		return ERR_PTR(-ENODEV);
	return &mock_iommu.iommu;
}

static int mock_device_has_group(struct device *dev, const void *data)
{
	return !!dev->iommu_group;
}

/* The group of any device that there is, if a test wants that */
static struct iommu_group *mock_iommu_device_group(struct device *dev)
{
	struct iommu_group *group = NULL;
	struct device *other = NULL;

	if (READ_ONCE(mock_join_group))
		other = bus_find_device(&mock_bus, NULL, NULL,
					mock_device_has_group);
	if (other) {
		group = iommu_group_get(other);
		put_device(other);
	}
	return group ?: generic_device_group(dev);
}

static const struct iommu_ops mock_iommu_ops = {
	.owner = THIS_MODULE,
	.default_domain = &mock_blocking_domain,
	.blocked_domain = &mock_blocking_domain,
	.release_domain = &mock_blocking_domain,
	.capable = mock_iommu_capable,
	.hw_info = mock_iommu_hw_info,
	.probe_device = mock_iommu_probe_device,
	.device_group = mock_iommu_device_group,
	.domain_alloc_paging_flags = mock_domain_alloc_paging,
	.domain_alloc_nested = mock_domain_alloc_nested,
	.page_response = mock_page_response,
	.get_viommu_size = mock_viommu_size,
	.viommu_init = mock_viommu_init,
	/* What a guest gives a PASID is in a table of its own. */
	.user_pasid_table = 1,
};

/**
 * mock_device_enable_faults - let a device request pages
 * @dev: a mock device
 * @domain: what the device is about to use
 *
 * Does nothing if @domain does not handle page requests.
 *
 * Context: caller holds the lock of the device's iommu_group.
 * Return: 0 or -ENOMEM.
 */
int mock_device_enable_faults(struct device *dev, struct iommu_domain *domain)
{
	struct mock_device *mdev = to_mock_device(dev);
	int rc;

	if (!domain->iopf_handler)
		return 0;
	if (!mdev->nr_faulting) {
		rc = iopf_queue_add_device(mock_iopf_queue, dev);
		if (rc)
			return rc;
	}
	mdev->nr_faulting++;
	return 0;
}

/**
 * mock_device_disable_faults - the reverse of mock_device_enable_faults()
 * @dev: a mock device
 * @domain: what the device no longer uses, or NULL
 *
 * Context: caller holds the lock of the device's iommu_group.
 */
void mock_device_disable_faults(struct device *dev, struct iommu_domain *domain)
{
	struct mock_device *mdev = to_mock_device(dev);

	if (!domain || !domain->iopf_handler)
		return;
	if (!--mdev->nr_faulting)
		iopf_queue_remove_device(mock_iopf_queue, dev);
}

/*
 * Devices
 */

static void mock_device_release(struct device *dev)
{
	/* The IOMMU core leaves it when it runs out of memory in between. */
	kfree(dev->iommu);
	kfree(to_mock_device(dev));
}

static int mock_device_add_properties(struct mock_device *mdev)
{
	const struct property_entry properties[] = {
		PROPERTY_ENTRY_U32("pasid-num-bits",
				   mdev->flags & MOCK_FLAGS_DEVICE_PASID ?
					   MOCK_PASID_WIDTH : 0),
		{}
	};

	return device_create_managed_software_node(&mdev->dev, properties,
						   NULL);
}

static int mock_device_add(struct mock_device *mdev)
{
	int rc;

	rc = dev_set_name(&mdev->dev, "iommufd_mock%d", mdev->index);
	if (rc)
		return rc;
	rc = mock_device_add_properties(mdev);
	if (rc)
		return rc;
	rc = iommu_mock_device_add(&mdev->dev, &mock_iommu.iommu);
	if (rc) {
		device_remove_software_node(&mdev->dev);
		return rc;
	}
	/*
	 * The bus does not report why the probe failed: it can only be memory.
	 */
	if (!mdev->dev.iommu_group) {
		device_del(&mdev->dev);
		return -ENOMEM;
	}
	return 0;
}

/**
 * mock_device_create - make a device
 * @flags: MOCK_FLAGS_DEVICE_*
 *
 * Context: process context, may sleep.
 * Return: the device, in a group of its own; ERR_PTR(-EINVAL) for unknown
 * @flags; ERR_PTR(-ENOMEM).
 */
struct mock_device *mock_device_create(u32 flags)
{
	struct mock_device *mdev;
	unsigned int i;
	int rc;

	if (flags & ~(MOCK_FLAGS_DEVICE_NO_DIRTY | MOCK_FLAGS_DEVICE_PASID |
		      MOCK_FLAGS_DEVICE_NOT_COHERENT |
		      MOCK_FLAGS_DEVICE_ENFORCES_IN_VAIN))
		return ERR_PTR(-EINVAL);

	mdev = kzalloc_obj(*mdev, GFP_KERNEL_ACCOUNT);
	if (!mdev)
		return ERR_PTR(-ENOMEM);
	mdev->flags = flags;
	init_rwsem(&mdev->attach_lock);
	spin_lock_init(&mdev->event_lock);
	for (i = 0; i != MOCK_DEV_CACHE_NUM; i++)
		mdev->cache[i] = IOMMU_TEST_DEV_CACHE_DEFAULT;
	device_initialize(&mdev->dev);
	mdev->dev.bus = &mock_bus;
	mdev->dev.release = mock_device_release;

	mdev->index = ida_alloc(&mock_device_ida, GFP_KERNEL);
	if (mdev->index < 0) {
		rc = mdev->index;
		goto err_put;
	}
	rc = mock_device_add(mdev);
	if (rc)
		goto err_index;
	return mdev;

err_index:
	ida_free(&mock_device_ida, mdev->index);
err_put:
	put_device(&mdev->dev);
	return ERR_PTR(rc);
}

/**
 * mock_device_destroy - remove a device
 * @mdev: the device, which is not bound
 *
 * Context: process context, may sleep. Cannot fail.
 */
void mock_device_destroy(struct mock_device *mdev)
{
	device_del(&mdev->dev);
	ida_free(&mock_device_ida, mdev->index);
	put_device(&mdev->dev);
}

/*
 * The IOMMU
 */

/**
 * mock_iommu_init - register the bus and the IOMMU
 *
 * Return: 0 or a negative errno.
 */
int mock_iommu_init(void)
{
	struct iommu_device *iommu = &mock_iommu.iommu;
	int rc;

	mock_iommu_parent =
		platform_device_register_simple("iommufd_selftest_iommu",
						PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(mock_iommu_parent))
		return PTR_ERR(mock_iommu_parent);

	rc = bus_register(&mock_bus);
	if (rc)
		goto err_parent;
	rc = iommu_device_sysfs_add(iommu, &mock_iommu_parent->dev, NULL, "%s",
				    dev_name(&mock_iommu_parent->dev));
	if (rc)
		goto err_bus;
	mock_iopf_queue = iopf_queue_alloc("iommufd_mock");
	if (!mock_iopf_queue) {
		rc = -ENOMEM;
		goto err_sysfs;
	}
	rc = iommu_device_register_bus(iommu, &mock_iommu_ops, &mock_bus,
				       &mock_iommu.notifier);
	if (rc)
		goto err_queue;
	mock_devices_dir = debugfs_create_dir("iommufd_mock_devices", NULL);
	debugfs_create_bool("join_group", 0600, mock_devices_dir,
			    &mock_join_group);
	return 0;

err_queue:
	iopf_queue_free(mock_iopf_queue);
err_sysfs:
	iommu_device_sysfs_remove(iommu);
err_bus:
	bus_unregister(&mock_bus);
err_parent:
	platform_device_unregister(mock_iommu_parent);
	return rc;
}

/**
 * mock_iommu_exit - the reverse of mock_iommu_init(), when no device is left
 */
void mock_iommu_exit(void)
{
	debugfs_remove_recursive(mock_devices_dir);
	iommu_device_unregister_bus(&mock_iommu.iommu, &mock_bus,
				    &mock_iommu.notifier);
	iopf_queue_free(mock_iopf_queue);
	iommu_device_sysfs_remove(&mock_iommu.iommu);
	bus_unregister(&mock_bus);
	platform_device_unregister(mock_iommu_parent);
}
