// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reserved regions: IOVA that a device cannot have
 *
 * Owns nothing: reservations belong to the IOVA space.
 * Called by attach, with the lock of the device's group held.
 */
#include <linux/iommu.h>

#include "attachment.h"
#include "device.h"
#include "engine/why.h"
#include "group.h"
#include "hwpt.h"
#include "hwpt_nested.h"
#include "ioas.h"
#include "resv.h"
#include "sw_msi.h"
#include "test_hooks.h"

/* What the reserved regions of a device say about its MSIs */
struct resv_msi {
	unsigned int nr_hw;
	unsigned int nr_sw;
	phys_addr_t sw_start;
	size_t sw_length;
};

static void resv_count_msi_region(struct resv_msi *msi,
				  const struct iommu_resv_region *region)
{
	if (region->type == IOMMU_RESV_MSI)
		msi->nr_hw++;
	if (region->type == IOMMU_RESV_SW_MSI) {
		msi->nr_sw++;
		msi->sw_start = region->start;
		msi->sw_length = region->length;
	}
}

/*
 * A group keeps the window that it has: page tables have doorbells there, and
 * devices have been told these addresses.
 */
static bool suits_msi_window(const struct iommufd_group *group,
			     const struct resv_msi *msi)
{
	return !msi->nr_sw || group->sw_msi.start == PHYS_ADDR_MAX ||
	       (group->sw_msi.start == msi->sw_start &&
		group->sw_msi.length == msi->sw_length);
}

static struct resv_msi resv_count_msi(const struct list_head *regions)
{
	const struct iommu_resv_region *region;
	struct resv_msi msi = {};

	list_for_each_entry(region, regions, list)
		resv_count_msi_region(&msi, region);
	return msi;
}

static int resv_check_msi(const struct iommufd_group *group,
			  const struct resv_msi *msi)
{
	/* A device cannot have both kinds of regions, nor two windows. */
	if ((msi->nr_hw && msi->nr_sw) || msi->nr_sw > 1 ||
	    !suits_msi_window(group, msi))
		return iommufd_refuse(IOMMU_WHY_MSI_REGIONS, msi->nr_hw,
				      msi->nr_sw);
	return 0;
}

static int resv_add_device(struct iommufd_device *idev,
			   struct iommufd_ioas *ioas)
{
	struct resv_msi msi;
	LIST_HEAD(regions);
	int rc;

	if (iommufd_should_fail())
		return -EINVAL;
	if (!iommufd_device_has_iommu(idev))
		return 0;

	iommu_get_resv_regions(idev->dev, &regions);
	msi = resv_count_msi(&regions);
	rc = resv_check_msi(idev->group, &msi);
	if (!rc)
		rc = iommufd_iova_space_reserve_regions(&ioas->as.space,
							&regions, idev,
							idev->obj.id);
	iommu_put_resv_regions(idev->dev, &regions);

	if (!rc && msi.nr_sw)
		iommufd_sw_msi_set_window(idev->group, msi.sw_start,
					  msi.sw_length);
	return rc;
}

static struct iommufd_ioas *
resv_ioas(const struct iommufd_attachment *attachment)
{
	return iommufd_hwpt_base(attachment->hwpt)->ioas;
}

/**
 * iommufd_attachment_reserve_device - reserve the regions of a device
 * @attachment: the attachment, to an IOAS that the device is about to use
 * @idev: the device
 *
 * Reserved regions concern DMA without a PASID only.
 *
 * Context: caller holds the lock of the group; may sleep.
 *
 * Return: 0; -EADDRINUSE if something of it is mapped or allowed; -EINVAL if
 * what the IOMMU driver says of MSIs makes no sense; -ENOMEM. On an error
 * nothing is reserved.
 */
int iommufd_attachment_reserve_device(struct iommufd_attachment *attachment,
				      struct iommufd_device *idev)
{
	lockdep_assert_held(&idev->group->lock);

	if (attachment->pasid != IOMMU_NO_PASID)
		return 0;
	return resv_add_device(idev, resv_ioas(attachment));
}

/**
 * iommufd_attachment_unreserve_device - the reverse of that
 * @attachment: the attachment
 * @idev: the device, which need not have anything reserved
 *
 * Context: caller holds the lock of the group; may sleep. Cannot fail.
 */
void iommufd_attachment_unreserve_device(struct iommufd_attachment *attachment,
					 struct iommufd_device *idev)
{
	lockdep_assert_held(&idev->group->lock);

	if (attachment->pasid == IOMMU_NO_PASID)
		iommufd_iova_space_unreserve(&resv_ioas(attachment)->as.space,
					     idev);
}

/**
 * iommufd_attachment_unreserve - the same for all devices of an attachment
 * @attachment: the attachment
 *
 * Context: caller holds the lock of the group; may sleep. Cannot fail.
 */
void iommufd_attachment_unreserve(struct iommufd_attachment *attachment)
{
	struct iommufd_device *idev;
	unsigned long index;

	xa_for_each(&attachment->devices, index, idev)
		iommufd_attachment_unreserve_device(attachment, idev);
}

/**
 * iommufd_attachment_reserve - reserve for all devices of an attachment
 * @attachment: the attachment
 *
 * Context: caller holds the lock of the group; may sleep.
 * Return: as iommufd_attachment_reserve_device().
 */
int iommufd_attachment_reserve(struct iommufd_attachment *attachment)
{
	struct iommufd_device *idev;
	unsigned long index;
	int rc;

	xa_for_each(&attachment->devices, index, idev) {
		rc = iommufd_attachment_reserve_device(attachment, idev);
		if (rc) {
			iommufd_attachment_unreserve(attachment);
			return rc;
		}
	}
	return 0;
}

/*
 * The window for MSI doorbells. Devices reserve it as long as they are
 * attached. But a doorbell is never taken out of a page table again, and a page
 * table that user space has made may outlive its attachments: nothing else may
 * be mapped in place of the doorbell even then. The page table cannot reserve
 * the window when the last attachment ends, as that may fail. So each
 * attachment reserves it in its own name when it begins, and at its end hands
 * that over to the page table if there are doorbells in it.
 */

static bool has_msi_window(const struct iommufd_attachment *attachment)
{
	lockdep_assert_held(&attachment->group->lock);

	/* Interrupts are DMA without a PASID. */
	return attachment->pasid == IOMMU_NO_PASID &&
	       attachment->group->sw_msi.start != PHYS_ADDR_MAX;
}

/**
 * iommufd_msi_window_reserve - before doorbells can be in a page table
 * @attachment: the attachment, all devices of which have their reservations
 *
 * Context: caller holds the lock of the group; may sleep.
 * Return: 0, also if nothing needs to be done; -ENOMEM.
 */
int iommufd_msi_window_reserve(struct iommufd_attachment *attachment)
{
	struct iommufd_hwpt_paging *hwpt = iommufd_hwpt_base(attachment->hwpt);
	struct iommufd_iova_space *space = &hwpt->ioas->as.space;
	struct iommufd_group *group = attachment->group;
	unsigned long first;

	if (!has_msi_window(attachment))
		return 0;
	first = group->sw_msi.start;
	return iommufd_iova_space_reserve(space, first,
					  first + group->sw_msi.length - 1,
					  attachment);
}

/**
 * iommufd_msi_window_release - when no more doorbells come into a page table
 * @attachment: the attachment, which hardware does not use, or no longer
 *
 * The window stays reserved in the name of the page table if there are
 * doorbells in it, until the page table leaves the address space.
 *
 * Context: caller holds the lock of the group; may sleep. Cannot fail.
 */
void iommufd_msi_window_release(struct iommufd_attachment *attachment)
{
	struct iommufd_hwpt_paging *hwpt = iommufd_hwpt_base(attachment->hwpt);
	struct iommufd_iova_space *space = &hwpt->ioas->as.space;

	if (!has_msi_window(attachment))
		return;
	if (iommufd_sw_msi_is_in(attachment->group, hwpt))
		iommufd_iova_space_hand_over(space, attachment,
					     &hwpt->follower);
	else
		iommufd_iova_space_unreserve(space, attachment);
}
