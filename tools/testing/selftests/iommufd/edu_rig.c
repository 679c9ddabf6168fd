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

/* Not 0 either */
static char byte_unlike(char one, char other)
{
	char byte = 1;

	while (byte == one || byte == other)
		byte++;
	return byte;
}

static bool is_filled(const char *bytes, size_t length, char byte)
{
	return bytes[0] == byte && !memcmp(bytes, bytes + 1, length - 1);
}

/* What the device's buffer has before it reads @bytes */
static char byte_before(const char *bytes)
{
	return byte_unlike(bytes[0], bytes[0]);
}

/* -EIO if they are not in the device's buffer then */
static int give_bytes(struct edu_rig *rig, const void *bytes, size_t length)
{
	int rc;

	memcpy(rig->scratch, bytes, length);
	rc = edu_dma_to_device(&rig->edu, SCRATCH_IOVA, 0, length);
	if (rc)
		return rc;
	memset(rig->scratch, byte_before(bytes), length);
	rc = edu_dma_from_device(&rig->edu, 0, SCRATCH_IOVA, length);
	if (rc)
		return rc;
	return memcmp(rig->scratch, bytes, length) ? -EIO : 0;
}

int device_read_prepare(struct edu_rig *rig, const void *bytes, size_t length)
{
	char before[EDU_BUFFER_SIZE];

	if (length > sizeof(before))
		return -EINVAL;
	memset(before, byte_before(bytes), length);
	return give_bytes(rig, before, length);
}

int device_read_try(struct edu_rig *rig, __u64 iova, size_t length)
{
	return edu_dma_to_device(&rig->edu, iova, 0, length);
}

/*
 * A DMA that the IOMMU refuses leaves the device's buffer as it was, or QEMU
 * fills it with zeroes, which is why zeroes show nothing. What the rig's page is
 * filled with is never in the device's buffer: if it is still there, the device
 * does not reach this page.
 */
enum device_read device_read_result(struct edu_rig *rig, const void *bytes,
				    size_t length)
{
	const char before = byte_before(bytes);
	const char unwritten = byte_unlike(((const char *)bytes)[0], before);
	char *got = rig->scratch;

	memset(got, unwritten, length);
	if (is_filled(bytes, length, 0) ||
	    edu_dma_from_device(&rig->edu, 0, SCRATCH_IOVA, length) ||
	    is_filled(got, length, unwritten))
		return BROKEN;
	if (!memcmp(got, bytes, length))
		return REACHED;
	return is_filled(got, length, before) || is_filled(got, length, 0) ?
		       BLOCKED : MISREAD;
}

enum device_read device_read(struct edu_rig *rig, __u64 iova,
			     const void *bytes, size_t length)
{
	memset(rig->scratch, byte_before(bytes), length);
	if (edu_dma_to_device(&rig->edu, SCRATCH_IOVA, 0, length) ||
	    device_read_try(rig, iova, length))
		return BROKEN;
	return device_read_result(rig, bytes, length);
}

bool device_sees(struct edu_rig *rig, __u64 iova, const char *bytes,
		 size_t length)
{
	const size_t size = 1000;

	return device_read(rig, iova, bytes, size) == REACHED &&
	       device_read(rig, iova + length - size, bytes + length - size,
			   size) == REACHED;
}

int device_writes(struct edu_rig *rig, __u64 iova, const void *bytes,
		  size_t length)
{
	int rc = give_bytes(rig, bytes, length);

	return rc ? rc : edu_dma_from_device(&rig->edu, 0, iova, length);
}
