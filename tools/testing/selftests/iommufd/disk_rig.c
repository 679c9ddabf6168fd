// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include <linux/io.h>
#include <linux/vfio.h>

#include "disk_rig.h"
#include "test_support.h"

/* What of the memory of a disk is compared: a block */
#define CMB_BYTES 512

static int find_disks(char bdf[NR_DISKS][BDF_SIZE])
{
	int i, rc = 0;

	for (i = 0; i != NR_DISKS && !rc; i++) {
		if (pci_find_nth(NVME_VENDOR, NVME_DEVICE, i, bdf[i]))
			return rig_absent("second NVMe disk");
		rc = rig_part("a disk for vfio", vfio_claim(bdf[i]));
	}
	return rc;
}

int disk_rig_make(struct disk_rig *rig)
{
	char iommu[32];
	int rc;

	rig->pins = pins_held();
	rc = find_disks(rig->bdf);
	if (rc)
		return rc;
	if (pci_iommu(rig->bdf[0], iommu, sizeof(iommu)))
		return rig_absent("IOMMU that the disks are behind");
	rc = memory_rig_make_file(&rig->mem, PAGES_HUGETLB, HUGE_PAGE);
	if (rc)
		return rc;
	rig->iommufd = rig_part("/dev/iommu", iommufd_open());
	return rig->iommufd < 0 ? rig->iommufd : 0;
}

int disk_open(struct disk_rig *rig, unsigned int n)
{
	return vfio_open(&rig->dev[n], rig->bdf[n]) ?:
	       vfio_bind(&rig->dev[n], rig->iommufd);
}

int disk_start(struct disk_rig *rig, unsigned int n, __u64 iova)
{
	return vfio_enable(&rig->dev[n]) ?:
	       nvme_start(&rig->nvme[n], &rig->dev[n],
			  rig->mem.va + DISK_QUEUES(n), iova + DISK_QUEUES(n)) ?:
	       nvme_make_queue(&rig->nvme[n]);
}

bool disk_keeps(struct nvme *nvme, void *data, __u64 from, __u64 to,
		unsigned int seed)
{
	__u64 nr_blocks;
	__u32 block;

	if (nvme_identify(nvme, &block, &nr_blocks) || block > SMALL_PAGE ||
	    nr_blocks <= BLOCK)
		return false;
	pattern_fill(data, block, seed);
	if (nvme_write(nvme, BLOCK, from))
		return false;
	memset(data, 0, block);
	return !nvme_read(nvme, to, BLOCK) &&
	       pattern_matches(data, block, seed);
}

bool disk_works(struct disk_rig *rig, unsigned int n, __u64 iova)
{
	return disk_keeps(&rig->nvme[n], rig->mem.va + DISK_DATA,
			  iova + DISK_DATA, iova + DISK_DATA, n + 1);
}

int disk_map_all_bars(struct disk_rig *rig, unsigned int n, __u64 iova)
{
	unsigned int bar;
	size_t size;
	char *va;
	int rc;

	for (bar = VFIO_PCI_BAR0_REGION_INDEX;
	     bar <= VFIO_PCI_BAR5_REGION_INDEX; bar++) {
		rc = vfio_map_bar(&rig->dev[n], bar, &va, &size);
		if (rc == -ENODEV)
			continue;
		rc = rc ?: ioas_map_at(rig->iommufd, rig->ioas, va, size,
				       iova + DISK_BAR(bar));
		if (rc)
			return rc;
		if (bar == NVME_MEMORY_BAR) {
			rig->cmb = va;
			rig->cmb_size = size;
		}
	}
	return 0;
}

int cmb_map(struct disk_rig *rig)
{
	return vfio_map_bar(&rig->dev[PEER], NVME_MEMORY_BAR, &rig->cmb,
			    &rig->cmb_size);
}

void cmb_fill(struct disk_rig *rig, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i != CMB_BYTES; i += sizeof(__u32))
		writel(seed * (i + 1), rig->cmb + i);
}

bool cmb_is(struct disk_rig *rig, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i != CMB_BYTES; i += sizeof(__u32)) {
		if (readl(rig->cmb + i) != (__u32)(seed * (i + 1)))
			return false;
	}
	return true;
}

bool disk_reaches_cmb(struct disk_rig *rig, unsigned int n, __u64 iova,
		      unsigned int seed)
{
	cmb_fill(rig, seed);
	if (nvme_write(&rig->nvme[n], BLOCK, iova))
		return false;
	cmb_fill(rig, seed + 1);
	return !nvme_read(&rig->nvme[n], iova, BLOCK) && cmb_is(rig, seed);
}
