// SPDX-License-Identifier: GPL-2.0-only
#include <unistd.h>

#include "mock_rig.h"
#include "test_support.h"
#include "vfio_container.h"

int mock_rig_make(struct mock_rig *rig)
{
	rig->pins = pins_held();
	rig->iommufd = rig_part("/dev/iommu", iommufd_open());
	if (rig->iommufd < 0)
		return rig->iommufd;
	if (!mock_available(rig->iommufd))
		return rig_absent("test device in this kernel");
	return rig_part("an IOAS", ioas_alloc(rig->iommufd, &rig->ioas));
}

int mock_rig_plug(struct mock_rig *rig, __u32 flags)
{
	return rig_part("a mock device",
			mock_domain_flags(rig->iommufd, rig->ioas, flags,
					  &rig->dev));
}

int mock_rig_make_container(struct mock_rig *rig, unsigned long type,
			    struct vfio_container *container)
{
	container->fd = rig->iommufd;
	return rig_part("the IOAS of the container",
			vfio_ioas(rig->iommufd, IOMMU_VFIO_IOAS_SET,
				  &rig->ioas)) ?:
	       rig_part("type1", container_set_iommu(container, type));
}

long mock_rig_break(struct mock_rig *rig)
{
	close(rig->iommufd);
	return pins_left(rig->pins);
}

static int run_attach(void *data)
{
	struct mock_attach *attach = data;

	return mock_domain(attach->iommufd, attach->ioas, &attach->dev);
}

int mock_attach_start(struct mock_attach *attach, int iommufd, __u32 ioas)
{
	*attach = (struct mock_attach){ .iommufd = iommufd, .ioas = ioas };
	return thread_call_start(&attach->call, run_attach, attach);
}
