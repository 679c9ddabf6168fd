// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "container_rig.h"
#include "test_support.h"

static int open_container(struct vfio_container *container, const char *path)
{
	int rc = container_open_file(container, path);

	if (rc == -ENOENT)
		return rig_absent("container of this name");
	if (!rc && !container_is_iommufd(container))
		return rig_absent("container that is an iommufd");
	return rig_part("a container", rc);
}

int container_rig_make(struct container_rig *rig, const char *path)
{
	int rc;

	rig->edu.pins = pins_held();
	if (pci_find(EDU_VENDOR, EDU_DEVICE, rig->bdf) == -ENODEV)
		return rig_absent("edu device");
	rig->edu.scratch = anonymous(SMALL_PAGE);
	if (!rig->edu.scratch)
		return rig_part("a page", -ENOMEM);
	rc = open_container(&rig->container, path);
	if (rc)
		return rc;
	return rig_part("the device for vfio", vfio_claim(rig->bdf)) ?:
	       rig_part("its group",
			container_open_group(&rig->container, rig->bdf));
}

int container_rig_use_device(struct container_rig *rig)
{
	struct vfio_dev *edu = &rig->edu.edu;

	*edu = (struct vfio_dev){ .fd = rig->container.device };
	snprintf(edu->bdf, sizeof(edu->bdf), "%s", rig->bdf);
	return vfio_enable(edu) ?:
	       container_map(&rig->container, rig->edu.scratch, SMALL_PAGE,
			     SCRATCH_IOVA);
}

int container_rig_open_device(struct container_rig *rig, unsigned long type)
{
	return container_join(&rig->container) ?:
	       container_set_iommu(&rig->container, type) ?:
	       container_open_device(&rig->container, rig->bdf) ?:
	       container_rig_use_device(rig);
}
