// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI doorbells behind an IOMMU that translates them
 *
 * Owns iommufd_ctx::sw_msi_maps. Where the IOMMU translates the writes by which
 * a device raises an interrupt, the page of the doorbell needs an IOVA. The
 * IOMMU driver offers a window for it; here each doorbell page that the irq
 * layer asks for gets a place in the window, the same in all page tables of a
 * context, so that a device may move from one to another without being told new
 * addresses.
 *
 * Built in, as the irq layer calls it through the IOMMU core, with the mutex of
 * the iommu_group held.
 */
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/msi.h>
#include <linux/slab.h>

#include "../iommu-priv.h"

#include "attachment.h"
#include "ctx.h"
#include "group.h"
#include "hwpt.h"
#include "hwpt_nested.h"
#include "sw_msi.h"
#include "sw_msi_window.h"

/**
 * struct sw_msi_map - a doorbell page that has an IOVA
 * @node: in iommufd_ctx::sw_msi_maps
 * @window: first IOVA of the window that it has been placed in
 * @msi_addr: physical address of the page
 * @slot: its page in the window
 * @id: index into the bitmaps of page tables and groups
 */
struct sw_msi_map {
	struct list_head node;
	phys_addr_t window;
	phys_addr_t msi_addr;
	unsigned int slot;
	unsigned int id;
};

static unsigned long sw_msi_map_iova(const struct sw_msi_map *map)
{
	return map->window + (unsigned long)map->slot * PAGE_SIZE;
}

static struct sw_msi_map *sw_msi_get_map(struct iommufd_group *group,
					 phys_addr_t msi_addr)
{
	const phys_addr_t window = group->sw_msi.start;
	struct iommufd_ctx *ctx = group->ctx;
	unsigned int slot = 0, id = 0;
	struct sw_msi_map *map;

	lockdep_assert_held(&ctx->sw_msi_lock);

	list_for_each_entry(map, &ctx->sw_msi_maps, node) {
		id++;
		if (map->window != window)
			continue;
		if (map->msi_addr == msi_addr)
			return map;
		slot++;
	}
	/* IOVA behind the window is not reserved, and may be mapped. */
	if (id == IOMMUFD_SW_MSI_MAX ||
	    slot >= group->sw_msi.length / PAGE_SIZE)
		return ERR_PTR(-EOVERFLOW);

	map = kzalloc_obj(*map, GFP_KERNEL_ACCOUNT);
	if (!map)
		return ERR_PTR(-ENOMEM);
	map->window = window;
	map->msi_addr = msi_addr;
	map->slot = slot;
	map->id = id;
	list_add_tail(&map->node, &ctx->sw_msi_maps);
	return map;
}

static int sw_msi_install_map(struct iommufd_hwpt_paging *hwpt,
			      const struct sw_msi_map *map)
{
	int rc;

	if (test_bit(map->id, hwpt->sw_msi_present))
		return 0;
	rc = iommu_map(hwpt->common.domain, sw_msi_map_iova(map), map->msi_addr,
		       PAGE_SIZE, IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO,
		       GFP_KERNEL_ACCOUNT);
	if (!rc)
		__set_bit(map->id, hwpt->sw_msi_present);
	return rc;
}

/**
 * iommufd_sw_msi_set_window - place the doorbells of a group
 * @group: the group, which has no window yet, or this one
 * @start: first IOVA of the window
 * @length: in bytes
 *
 * Context: caller holds the lock of the group; may sleep.
 */
void iommufd_sw_msi_set_window(struct iommufd_group *group, phys_addr_t start,
			       size_t length)
{
	lockdep_assert_held(&group->lock);

	mutex_lock(&group->ctx->sw_msi_lock);
	group->sw_msi.start = start;
	group->sw_msi.length = length;
	mutex_unlock(&group->ctx->sw_msi_lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_sw_msi_set_window, "IOMMUFD_INTERNAL");

/**
 * iommufd_sw_msi_prepare - install the doorbells that a group uses
 * @group: the group
 * @hwpt: the page table that it is about to use
 *
 * On success, doorbells that are asked for from now on are installed in @hwpt
 * as well as in the page table that the group uses, until
 * iommufd_sw_msi_settle().
 *
 * Context: process context, may sleep.
 * Return: 0, or an error of the IOMMU driver.
 */
int iommufd_sw_msi_prepare(struct iommufd_group *group,
			   struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_ctx *ctx = group->ctx;
	struct sw_msi_map *map;
	int rc = 0;

	mutex_lock(&ctx->sw_msi_lock);
	list_for_each_entry(map, &ctx->sw_msi_maps, node) {
		if (map->window != group->sw_msi.start ||
		    !test_bit(map->id, group->sw_msi.required))
			continue;
		rc = sw_msi_install_map(hwpt, map);
		if (rc)
			break;
	}
	if (!rc)
		group->sw_msi.next = hwpt;
	mutex_unlock(&ctx->sw_msi_lock);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_sw_msi_prepare, "IOMMUFD_INTERNAL");

/**
 * iommufd_sw_msi_settle - the group uses the page table, or never will
 * @group: the group, after iommufd_sw_msi_prepare()
 *
 * Context: process context, may sleep.
 */
void iommufd_sw_msi_settle(struct iommufd_group *group)
{
	mutex_lock(&group->ctx->sw_msi_lock);
	group->sw_msi.next = NULL;
	mutex_unlock(&group->ctx->sw_msi_lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_sw_msi_settle, "IOMMUFD_INTERNAL");

/**
 * iommufd_sw_msi_is_in - has a page table doorbells in the window of a group?
 * @group: the group, which does not use the page table, or no longer
 * @hwpt: the page table, of which no doorbell is ever taken out
 *
 * Context: process context, may sleep.
 * Return: true if it has.
 */
bool iommufd_sw_msi_is_in(struct iommufd_group *group,
			  struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_ctx *ctx = group->ctx;
	struct sw_msi_map *map;

	guard(mutex)(&ctx->sw_msi_lock);
	list_for_each_entry(map, &ctx->sw_msi_maps, node) {
		if (map->window == group->sw_msi.start &&
		    test_bit(map->id, hwpt->sw_msi_present))
			return true;
	}
	return false;
}
EXPORT_SYMBOL_NS_GPL(iommufd_sw_msi_is_in, "IOMMUFD_INTERNAL");

/**
 * iommufd_sw_msi_forget - free what a context knows of doorbells
 * @ctx: the context, which is going away
 */
void iommufd_sw_msi_forget(struct iommufd_ctx *ctx)
{
	struct sw_msi_map *map, *next;

	list_for_each_entry_safe(map, next, &ctx->sw_msi_maps, node)
		kfree(map);
}
EXPORT_SYMBOL_NS_GPL(iommufd_sw_msi_forget, "IOMMUFD_INTERNAL");

/**
 * iommufd_sw_msi - give an MSI doorbell an IOVA
 * @domain: the page table of the device
 * @desc: the interrupt; learns the IOVA
 * @msi_addr: physical address of the doorbell
 *
 * Context: caller holds the mutex of the iommu_group; may sleep.
 *
 * Return: 0, also when the group needs no translation; -EOVERFLOW if there are
 * too many doorbells, or more than the window has pages; -ENOMEM; errors of the
 * IOMMU driver.
 */
int iommufd_sw_msi(struct iommu_domain *domain, struct msi_desc *desc,
		   phys_addr_t msi_addr)
{
	struct device *dev = msi_desc_to_dev(desc);
	struct iommu_attach_handle *handle;
	struct iommufd_hwpt_paging *hwpt;
	struct iommufd_group *group;
	struct iommufd_ctx *ctx;
	struct sw_msi_map *map;
	int rc = 0;

	handle = iommu_attach_handle_get(dev->iommu_group, IOMMU_NO_PASID, 0);
	if (IS_ERR(handle))
		return 0;
	group = container_of(handle, struct iommufd_attachment, handle)->group;
	hwpt = iommufd_hwpt_base(domain->iommufd_hwpt);
	ctx = group->ctx;
	mutex_lock(&ctx->sw_msi_lock);
	if (group->sw_msi.start == PHYS_ADDR_MAX)
		goto out_unlock;
	map = sw_msi_get_map(group, msi_addr & PAGE_MASK);
	if (IS_ERR(map)) {
		rc = PTR_ERR(map);
		goto out_unlock;
	}
	rc = sw_msi_install_map(hwpt, map);
	if (!rc && group->sw_msi.next)
		rc = sw_msi_install_map(group->sw_msi.next, map);
	if (rc)
		goto out_unlock;
	__set_bit(map->id, group->sw_msi.required);
	msi_desc_set_iommu_msi_iova(desc, sw_msi_map_iova(map), PAGE_SHIFT);
out_unlock:
	mutex_unlock(&ctx->sw_msi_lock);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_sw_msi, "IOMMUFD");
