// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: shares of the mock IOMMU
 *
 * Owns struct mock_viommu, as an IOMMU driver does: called by the subsystem
 * through the IOMMU's operations and those of the vIOMMU.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "../test_hooks.h"
#include "mock.h"

/* Of a vIOMMU, for user space to map */
#define MMAP_LENGTH (2 * PAGE_SIZE)

/**
 * struct mock_viommu - a share of the mock IOMMU
 * @core: the subsystem's part
 * @parent: the page table that it was made on
 * @queues_lock: guards @queues
 * @queues: by index
 * @pages: what user space can map, or NULL
 * @mmap_offset: where in the file
 */
struct mock_viommu {
	struct iommufd_viommu core;
	struct iommu_domain *parent;
	struct mutex queues_lock;	/* queues */
	struct mock_hw_queue *queues[IOMMU_TEST_HW_QUEUE_MAX];
	u32 *pages;
	unsigned long mmap_offset;
};

static struct mock_viommu *to_mock_viommu(struct iommufd_viommu *viommu)
{
	return container_of(viommu, struct mock_viommu, core);
}

/**
 * struct mock_hw_queue - a queue of the mock IOMMU in a guest's memory
 * @core: the subsystem's part
 * @index: which it is
 * @previous: the one that it depends on, NULL for the first
 */
struct mock_hw_queue {
	struct iommufd_hw_queue core;
	u32 index;
	struct mock_hw_queue *previous;
};

/**
 * struct mock_vdevice - a mock device as a guest knows it
 * @core: the subsystem's part
 * @ready: the driver knows of it
 */
struct mock_vdevice {
	struct iommufd_vdevice core;
	bool ready;
};

static struct mock_vdevice *to_mock_vdevice(struct iommufd_vdevice *vdev)
{
	return container_of(vdev, struct mock_vdevice, core);
}

static bool mock_vdevice_is_found(struct iommufd_vdevice *vdev)
{
	struct device *dev;

	xa_lock(&vdev->viommu->vdevs);
	dev = iommufd_viommu_find_dev(vdev->viommu, vdev->virt_id);
	xa_unlock(&vdev->viommu->vdevs);
	return dev;
}

static void mock_vdevice_destroy(struct iommufd_vdevice *vdev)
{
	WARN_ON(!to_mock_vdevice(vdev)->ready || mock_vdevice_is_found(vdev) ||
		!iommufd_test_is_mock_device(iommufd_vdevice_to_device(vdev)));
	to_mock_vdevice(vdev)->ready = false;
}

/* It is found only as long as the driver can cope with that. */
static int mock_vdevice_init(struct iommufd_vdevice *vdev)
{
	WARN_ON(to_mock_vdevice(vdev)->ready || mock_vdevice_is_found(vdev));
	to_mock_vdevice(vdev)->ready = true;
	vdev->destroy = mock_vdevice_destroy;
	return 0;
}

static int mock_viommu_empty_cache(struct iommufd_viommu *viommu,
				   const struct iommu_test_viommu_invalidate *entry)
{
	struct device *dev;
	int rc = 0;

	if (entry->flags & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (entry->cache_id > MOCK_DEV_CACHE_ID_MAX)
		return -EINVAL;

	xa_lock(&viommu->vdevs);
	dev = iommufd_viommu_find_dev(viommu, entry->vdev_id);
	if (dev)
		mock_empty_words(to_mock_device(dev)->cache, MOCK_DEV_CACHE_NUM,
				 entry->cache_id,
				 entry->flags & IOMMU_TEST_INVALIDATE_FLAG_ALL);
	else
		rc = -EINVAL;
	xa_unlock(&viommu->vdevs);
	return rc;
}

static int mock_viommu_run_entries(struct iommufd_viommu *viommu,
				   struct iommu_user_data_array *array,
				   u32 *nr_done)
{
	struct iommu_test_viommu_invalidate *entries;
	int rc;

	entries = kzalloc_objs(*entries, array->entry_num, GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	rc = iommu_copy_struct_from_full_user_array(entries, sizeof(*entries),
						    array,
						    IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST);
	while (!rc && *nr_done != array->entry_num) {
		rc = mock_viommu_empty_cache(viommu, &entries[*nr_done]);
		if (!rc)
			++*nr_done;
	}
	kfree(entries);
	return rc;
}

static int mock_viommu_cache_invalidate(struct iommufd_viommu *viommu,
					struct iommu_user_data_array *array)
{
	u32 nr_done = 0;
	int rc;

	/* Without entries it only asks whether the type is known. */
	if (array->entry_num)
		rc = mock_viommu_run_entries(viommu, array, &nr_done);
	else if (array->type != IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST)
		rc = -EINVAL;
	else
		rc = 0;
	array->entry_num = nr_done;
	return rc;
}

/*
 * Hardware queues. Like real hardware it has to be given them from the first
 * one on, and must not lose one before those behind it.
 */

static size_t mock_hw_queue_size(struct iommufd_viommu *viommu,
				 enum iommu_hw_queue_type type)
{
	if ((u32)type != IOMMU_HW_QUEUE_TYPE_SELFTEST)
		return 0;
	return HW_QUEUE_STRUCT_SIZE(struct mock_hw_queue, core);
}

static void mock_hw_queue_destroy(struct iommufd_hw_queue *core)
{
	struct mock_viommu *viommu = to_mock_viommu(core->viommu);
	struct mock_hw_queue *queue =
		container_of(core, struct mock_hw_queue, core);

	guard(mutex)(&viommu->queues_lock);
	WARN_ON(viommu->queues[queue->index] != queue);
	viommu->queues[queue->index] = NULL;
	if (queue->previous)
		iommufd_hw_queue_undepend(queue, queue->previous, core);
}

static int mock_hw_queue_start(struct mock_viommu *viommu,
			       struct mock_hw_queue *queue, phys_addr_t phys)
{
	struct mock_hw_queue *previous = NULL;
	int rc;

	if (queue->index) {
		previous = viommu->queues[queue->index - 1];
		if (!previous)
			return -EIO;
		rc = iommufd_hw_queue_depend(queue, previous, core);
		if (rc)
			return rc;
	}
	if (phys != iommu_iova_to_phys(viommu->parent, queue->core.base_addr)) {
		if (previous)
			iommufd_hw_queue_undepend(queue, previous, core);
		return -EFAULT;
	}
	queue->previous = previous;
	return 0;
}

static int mock_hw_queue_init(struct iommufd_hw_queue *core, u32 index,
			      phys_addr_t phys)
{
	struct mock_viommu *viommu = to_mock_viommu(core->viommu);
	struct mock_hw_queue *queue =
		container_of(core, struct mock_hw_queue, core);
	int rc;

	if (index >= IOMMU_TEST_HW_QUEUE_MAX)
		return -EINVAL;
	queue->index = index;

	guard(mutex)(&viommu->queues_lock);
	if (viommu->queues[index])
		return -EEXIST;
	rc = mock_hw_queue_start(viommu, queue, phys);
	if (rc)
		return rc;
	viommu->queues[index] = queue;
	core->destroy = mock_hw_queue_destroy;
	return 0;
}

/*
 * Pages that user space can map
 */

static int mock_viommu_offer_pages(struct mock_viommu *viommu)
{
	int rc;

	viommu->pages = alloc_pages_exact(MMAP_LENGTH,
					  GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!viommu->pages)
		return -ENOMEM;
	rc = iommufd_viommu_alloc_mmap(&viommu->core,
				       virt_to_phys(viommu->pages), MMAP_LENGTH,
				       &viommu->mmap_offset);
	if (rc)
		free_pages_exact(viommu->pages, MMAP_LENGTH);
	return rc;
}

static void mock_viommu_free_pages(struct mock_viommu *viommu)
{
	iommufd_viommu_destroy_mmap(&viommu->core, viommu->mmap_offset);
	free_pages_exact(viommu->pages, MMAP_LENGTH);
}

static void mock_viommu_destroy(struct iommufd_viommu *core)
{
	struct mock_viommu *viommu = to_mock_viommu(core);

	if (viommu->pages)
		mock_viommu_free_pages(viommu);
	mutex_destroy(&viommu->queues_lock);
}

static const struct iommufd_viommu_ops mock_viommu_ops = {
	.destroy = mock_viommu_destroy,
	.alloc_domain_nested = mock_viommu_alloc_nested,
	.cache_invalidate = mock_viommu_cache_invalidate,
	.vdevice_size = VDEVICE_STRUCT_SIZE(struct mock_vdevice, core),
	.vdevice_init = mock_vdevice_init,
	.get_hw_queue_size = mock_hw_queue_size,
	.hw_queue_init_phys = mock_hw_queue_init,
};

size_t mock_viommu_size(struct device *dev, enum iommu_viommu_type type)
{
	if ((u32)type != IOMMU_VIOMMU_TYPE_SELFTEST)
		return 0;
	return VIOMMU_STRUCT_SIZE(struct mock_viommu, core);
}

/* Hands over the pages: the first word of them is what user space has given. */
static int mock_viommu_exchange_data(struct mock_viommu *viommu,
				     const struct iommu_user_data *user_data)
{
	struct iommu_test_viommu data;
	int rc;

	rc = iommu_copy_struct_from_user(&data, user_data,
					 IOMMU_VIOMMU_TYPE_SELFTEST, out_data);
	if (rc)
		return rc;
	rc = mock_viommu_offer_pages(viommu);
	if (rc)
		return rc;
	viommu->pages[0] = data.in_data;
	data.out_data = data.in_data;
	data.out_mmap_offset = viommu->mmap_offset;
	data.out_mmap_length = MMAP_LENGTH;
	rc = iommu_copy_struct_to_user(user_data, &data,
				       IOMMU_VIOMMU_TYPE_SELFTEST, out_data);
	if (rc)
		mock_viommu_free_pages(viommu);
	return rc;
}

int mock_viommu_init(struct iommufd_viommu *core, struct iommu_domain *parent,
		     const struct iommu_user_data *user_data)
{
	struct mock_viommu *viommu = to_mock_viommu(core);
	int rc;

	if (user_data) {
		rc = mock_viommu_exchange_data(viommu, user_data);
		if (rc)
			return rc;
	}
	mutex_init(&viommu->queues_lock);
	viommu->parent = parent;
	core->ops = &mock_viommu_ops;
	return 0;
}
