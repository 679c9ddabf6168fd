// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <linux/io.h>
#include <linux/pci_regs.h>

#include "bar_rig.h"
#include "checked_io.h"

struct dma_buf_request {
	struct vfio_device_feature feature;
	struct vfio_device_feature_dma_buf dma_buf;
	struct vfio_region_dma_range ranges[2];
};

static int export(struct vfio_dev *dev, unsigned int index,
		  const struct vfio_region_dma_range *ranges, int count)
{
	struct dma_buf_request request = {
		.feature.argsz = sizeof(request),
		.feature.flags = VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_DMA_BUF,
		.dma_buf.region_index = index,
		.dma_buf.open_flags = O_CLOEXEC | O_RDWR,
		.dma_buf.nr_ranges = count,
	};

	memcpy(request.ranges, ranges, count * sizeof(*ranges));
	return checked_ioctl(dev->fd, VFIO_DEVICE_FEATURE, &request);
}

int bar_export_ranges(struct vfio_dev *dev,
		      const struct vfio_region_dma_range *ranges, int count)
{
	return export(dev, VFIO_PCI_BAR0_REGION_INDEX, ranges, count);
}

int bar_export(struct vfio_dev *dev, __u64 offset, __u64 length)
{
	const struct vfio_region_dma_range range = { offset, length };

	return bar_export_ranges(dev, &range, 1);
}

int bar_export_all_of(struct vfio_dev *dev, unsigned int index, __u64 length)
{
	const struct vfio_region_dma_range range = { 0, length };

	return export(dev, index, &range, 1);
}

void bar_fill_table(struct vfio_dev *dev, unsigned char *bytes,
		    unsigned int seed)
{
	__u32 word;
	size_t i;

	pattern_fill(bytes, BAR_TABLE_SIZE, seed);
	for (i = 0; i < BAR_TABLE_SIZE; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		writel(word, dev->bar0 + BAR_TABLE + i);
	}
}

int bar_rig_make(struct vfio_dev *igb, int iommufd, unsigned char *bytes,
		 int *dmabuf)
{
	int rc = igb_rig_make(igb, iommufd);

	if (rc)
		return rc;
	rc = bar_export(igb, 0, BAR_LENGTH);
	if (rc == -ENOTTY || rc == -EOPNOTSUPP)
		return rig_absent("vfio-pci that exports dma-bufs");
	if (rc < 0)
		return rig_part("a dma-buf of the BAR", rc);
	*dmabuf = rc;
	bar_fill_table(igb, bytes, 1);
	return 0;
}

bool bar_table_is(struct vfio_dev *dev, const unsigned char *bytes)
{
	__u32 word;
	size_t i;

	for (i = 0; i < BAR_TABLE_SIZE; i += sizeof(word)) {
		word = readl(dev->bar0 + BAR_TABLE + i);
		if (memcmp(&word, bytes + i, sizeof(word)))
			return false;
	}
	return true;
}

enum device_read bar_table_read(struct edu_rig *rig, __u64 iova,
				const unsigned char *bytes)
{
	return device_read(rig, iova + BAR_TABLE, bytes, BAR_TABLE_SIZE);
}

int bar_set_enabled(struct vfio_dev *dev, bool enabled)
{
	__u16 command;
	int rc;

	rc = vfio_config_read(dev, PCI_COMMAND, &command, sizeof(command));
	if (rc)
		return rc;
	if (enabled)
		command |= PCI_COMMAND_MEMORY;
	else
		command &= ~PCI_COMMAND_MEMORY;
	return vfio_config_write(dev, PCI_COMMAND, &command, sizeof(command));
}
