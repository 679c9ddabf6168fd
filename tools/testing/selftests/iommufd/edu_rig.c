// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include "edu_rig.h"
#include "test_support.h"
#include "vfio_igb.h"

int edu_rig_open(struct edu_rig *rig)
{
	int rc;

	rig->scratch = anonymous(SMALL_PAGE);
	if (!rig->scratch)
		return rig_part("a page", -ENOMEM);
	rig->iommufd = rig_part("/dev/iommu", iommufd_open());
	if (rig->iommufd < 0)
		return rig->iommufd;
	rc = rig_part("an IOAS", ioas_alloc(rig->iommufd, &rig->ioas)) ?:
	     rig_part("the edu device", edu_setup(&rig->edu, rig->iommufd));
	if (rc)
		close(rig->iommufd);
	return rc;
}

int edu_rig_make(struct edu_rig *rig)
{
	char bdf[BDF_SIZE];

	if (pci_find(EDU_VENDOR, EDU_DEVICE, bdf) == -ENODEV)
		return rig_absent("edu device");
	rig->pins = pins_held();
	return edu_rig_open(rig);
}

int edu_rig_charge_process(struct edu_rig *rig)
{
	vfio_close(&rig->edu);
	return rig_part("charging of processes",
			iommufd_destroy(rig->iommufd, rig->ioas) ?:
			iommufd_option_set(rig->iommufd,
					   IOMMU_OPTION_RLIMIT_MODE, 0, 1)) ?:
	       rig_part("an IOAS", ioas_alloc(rig->iommufd, &rig->ioas)) ?:
	       rig_part("the edu device", edu_setup(&rig->edu, rig->iommufd));
}

int edu_rig_map(struct edu_rig *rig, __u32 ioas)
{
	return rig_part("a map of the rig's page",
			ioas_map_at(rig->iommufd, ioas, rig->scratch,
				    SMALL_PAGE, SCRATCH_IOVA));
}

int edu_rig_attach(struct edu_rig *rig)
{
	return edu_rig_map(rig, rig->ioas) ?:
	       rig_part("an attached device",
			vfio_attach(&rig->edu, rig->ioas));
}

void edu_rig_break(struct edu_rig *rig)
{
	vfio_close(&rig->edu);
	close(rig->iommufd);
	munmap(rig->scratch, SMALL_PAGE);
}

int igb_rig_make(struct vfio_dev *igb, int iommufd)
{
	char bdf[BDF_SIZE];

	if (pci_find(IGB_VENDOR, IGB_DEVICE, bdf) == -ENODEV)
		return rig_absent("igb device");
	return rig_part("the igb device", igb_setup(igb, iommufd));
}

/*
 * The device's buffer is filled with something else first: a DMA that the
 * IOMMU refuses may leave it as it was.
 */
bool device_reads(struct edu_rig *rig, __u64 iova, const void *bytes,
		  size_t length)
{
	memset(rig->scratch, ((const char *)bytes)[0] ^ 0xff, length);
	if (edu_dma_to_device(&rig->edu, SCRATCH_IOVA, 0, length) ||
	    edu_dma_to_device(&rig->edu, iova, 0, length) ||
	    edu_dma_from_device(&rig->edu, 0, SCRATCH_IOVA, length))
		return false;
	return !memcmp(rig->scratch, bytes, length);
}

bool device_sees(struct edu_rig *rig, __u64 iova, const char *bytes,
		 size_t length)
{
	const size_t size = 1000;

	return device_reads(rig, iova, bytes, size) &&
	       device_reads(rig, iova + length - size, bytes + length - size,
			    size);
}

int device_writes(struct edu_rig *rig, __u64 iova, const void *bytes,
		  size_t length)
{
	int rc;

	memcpy(rig->scratch, bytes, length);
	rc = edu_dma_to_device(&rig->edu, SCRATCH_IOVA, 0, length);
	return rc ? rc : edu_dma_from_device(&rig->edu, 0, iova, length);
}
