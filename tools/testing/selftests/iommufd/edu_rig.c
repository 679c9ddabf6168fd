// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include "edu_rig.h"

int rig_open(struct rig *rig)
{
	int rc;

	rig->scratch = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rig->scratch == MAP_FAILED)
		return -errno;
	rig->iommufd = iommufd_open();
	if (rig->iommufd < 0)
		return rig->iommufd;
	rc = ioas_alloc(rig->iommufd, &rig->ioas);
	if (!rc)
		rc = edu_setup(&rig->edu, rig->iommufd);
	if (rc)
		close(rig->iommufd);
	return rc;
}

int rig_attach(struct rig *rig)
{
	int rc = ioas_map_at(rig->iommufd, rig->ioas, rig->scratch, SMALL_PAGE,
			     SCRATCH_IOVA);

	return rc ? rc : vfio_attach(&rig->edu, rig->ioas);
}

void rig_close(struct rig *rig)
{
	vfio_close(&rig->edu);
	close(rig->iommufd);
	munmap(rig->scratch, SMALL_PAGE);
}

/*
 * The device's buffer is filled with something else first: a DMA that the
 * IOMMU refuses may leave it as it was.
 */
bool device_reads(struct rig *rig, __u64 iova, const void *bytes,
		  size_t length)
{
	memset(rig->scratch, ((const char *)bytes)[0] ^ 0xff, length);
	if (edu_dma_to_device(&rig->edu, SCRATCH_IOVA, 0, length) ||
	    edu_dma_to_device(&rig->edu, iova, 0, length) ||
	    edu_dma_from_device(&rig->edu, 0, SCRATCH_IOVA, length))
		return false;
	return !memcmp(rig->scratch, bytes, length);
}

int device_writes(struct rig *rig, __u64 iova, const void *bytes,
		  size_t length)
{
	int rc;

	memcpy(rig->scratch, bytes, length);
	rc = edu_dma_to_device(&rig->edu, SCRATCH_IOVA, 0, length);
	return rc ? rc : edu_dma_from_device(&rig->edu, 0, iova, length);
}
