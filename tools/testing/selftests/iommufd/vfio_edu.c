// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <unistd.h>

#include <linux/bits.h>
#include <linux/io.h>

#include "vfio_edu.h"

#define EDU_DMA_SOURCE 0x80
#define EDU_DMA_DESTINATION 0x88
#define EDU_DMA_COUNT 0x90
#define EDU_DMA_COMMAND 0x98
#define EDU_DMA_START BIT(0)
#define EDU_DMA_TO_MEMORY BIT(1)

/* where the device's buffer is in the addresses of its DMA engine */
#define EDU_BUFFER 0x40000UL

/* the device takes a tenth of a second for each */
#define EDU_TIMEOUT_US 5000000
#define EDU_POLL_US 1000

static void write_reg(struct vfio_dev *edu, unsigned int reg, __u64 value)
{
	writeq(value, edu->bar0 + reg);
}

static __u64 read_reg(struct vfio_dev *edu, unsigned int reg)
{
	return readq(edu->bar0 + reg);
}

static int edu_dma(struct vfio_dev *edu, __u64 source, __u64 destination,
		   size_t length, __u64 direction)
{
	unsigned int waited;

	write_reg(edu, EDU_DMA_SOURCE, source);
	write_reg(edu, EDU_DMA_DESTINATION, destination);
	write_reg(edu, EDU_DMA_COUNT, length);
	write_reg(edu, EDU_DMA_COMMAND, EDU_DMA_START | direction);

	for (waited = 0; waited < EDU_TIMEOUT_US; waited += EDU_POLL_US) {
		if (!(read_reg(edu, EDU_DMA_COMMAND) & EDU_DMA_START))
			return 0;
		usleep(EDU_POLL_US);
	}
	return -ETIMEDOUT;
}

/* A wrong place in the buffer would make QEMU end. */
static bool in_buffer(unsigned int offset, size_t length)
{
	return offset <= EDU_BUFFER_SIZE && length <= EDU_BUFFER_SIZE - offset;
}

int edu_setup(struct vfio_dev *edu, int iommufd)
{
	return vfio_setup(edu, EDU_VENDOR, EDU_DEVICE, iommufd);
}

int edu_dma_to_device(struct vfio_dev *edu, __u64 iova, unsigned int offset,
		      size_t length)
{
	if (!in_buffer(offset, length))
		return -EINVAL;
	return edu_dma(edu, iova, EDU_BUFFER + offset, length, 0);
}

int edu_dma_from_device(struct vfio_dev *edu, unsigned int offset, __u64 iova,
			size_t length)
{
	if (!in_buffer(offset, length))
		return -EINVAL;
	return edu_dma(edu, EDU_BUFFER + offset, iova, length,
		       EDU_DMA_TO_MEMORY);
}
