// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address space: areas of user addresses where there is a device
 *
 * Owns nothing. An area of the memory of a process says only where to look.
 * When its pages cannot be pinned since there are none, as the BAR of a device
 * is mapped there, the area becomes one of that BAR, for good: it does not
 * follow the addresses any more, and its memory may be taken back. Called only
 * when pinning an area for page tables has failed, so that mapping ordinary
 * memory costs no more.
 */
#include <linux/wait.h>

#include "accessors.h"
#include "become_device.h"
#include "pinned.h"
#include "why.h"

static void area_switch(struct iommufd_area *area,
			struct iommufd_pinned *device)
{
	struct iommufd_pinned *memory = area->pinned;

	area->pinned = device;
	area->offset = offset_in_page(area->offset);
	iommufd_pinned_put(memory);
}

/* Is the caller the only one who uses an area that it keeps busy? */
static bool area_is_at_rest(const struct iommufd_area *area)
{
	return atomic_read(&area->busy) == 1;
}

/*
 * Wait for accessors that are using the area. If one of them has pins, these
 * are of memory that was there before the device: part of the area would be
 * memory and part of it the device, which one object cannot show.
 */
static int area_switch_live(struct iommufd_address_space *as,
			    struct iommufd_area *area,
			    struct iommufd_pinned *device)
{
	int rc = -EAGAIN;

	while (rc == -EAGAIN) {
		if (wait_event_killable(as->idle, area_is_at_rest(area)))
			return -EINTR;
		down_write(&as->space.lock);
		if (atomic_read(&area->pins)) {
			rc = -EFAULT;
		} else if (area_is_at_rest(area)) {
			area_switch(area, device);
			rc = 0;
		}
		up_write(&as->space.lock);
	}
	return rc;
}

/**
 * iommufd_area_become_device - an area could not be pinned
 * @as: the address space
 * @area: the area, which is CREATING, or LIVE and kept busy by the caller
 * @rc: why
 *
 * -ENOMEM is looked into as well as -EFAULT: memory of a device is not charged,
 * so that a limit which refused the pages does not matter.
 *
 * Context: the caller is the one to whom iommufd_area::has_pin belongs; may
 * sleep and take the mmap_lock of the memory.
 *
 * Return: 0 if it is an area of a device now, to be pinned as such; @rc if
 * there is none, or not everywhere; -ENODEV if the device does not answer to
 * its memory now; -ENOMEM; -EINTR on a fatal signal.
 */
int iommufd_area_become_device(struct iommufd_address_space *as,
			       struct iommufd_area *area, int rc)
{
	struct iommufd_pinned *device;

	if ((iommufd_errno(rc) != -EFAULT && iommufd_errno(rc) != -ENOMEM) ||
	    !area->pinned->ops->find_device)
		return rc;
	device = area->pinned->ops->find_device(area->pinned,
						iommufd_area_first_page(area),
						iommufd_area_last_page(area));
	if (IS_ERR(device))
		return PTR_ERR(device) == -EFAULT ? rc : PTR_ERR(device);

	rc = 0;
	if (iommufd_area_is_live(area))
		rc = area_switch_live(as, area, device);
	else
		area_switch(area, device);
	if (rc)
		iommufd_pinned_put(device);
	return rc;
}
