/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An NVMe disk: a queue for its administration, one for data, one command at a
 * time and no interrupts. Functions return 0 or a negative errno: -EIO for what
 * the disk refuses, -ETIMEDOUT for what it does not answer.
 */
#ifndef VFIO_NVME_H
#define VFIO_NVME_H

#include "iommufd_lib.h"

/* QEMU's */
#define NVME_VENDOR 0x1b36
#define NVME_DEVICE 0x0010

/* Memory for all queues, and for what the disk says; the caller maps it. */
#define NVME_QUEUES_BYTES (5 * SMALL_PAGE)
/* Of this, what the commands for data take. It may be elsewhere. */
#define NVME_COMMANDS_BYTES SMALL_PAGE

/* The controller memory buffer is all of a BAR. */
#define NVME_MEMORY_BAR VFIO_PCI_BAR2_REGION_INDEX

struct nvme_command;
struct nvme_completion;

struct nvme_queue {
	unsigned int number;
	struct nvme_command *commands;
	struct nvme_completion *completions;
	unsigned int slot;	/* of the next command, and what comes of it */
	__u16 phase;		/* of completions that are new */
};

struct nvme {
	struct vfio_dev *dev;
	char *memory;
	__u64 iova;		/* of the memory */
	struct nvme_queue admin;
	struct nvme_queue data;
};

/*
 * Starts the disk. @memory is NVME_QUEUES_BYTES, page aligned, that it sees at
 * @iova; the device is enabled.
 */
int nvme_start(struct nvme *nvme, struct vfio_dev *dev, void *memory,
	       __u64 iova);
/* The size of blocks in bytes, and how many there are. */
int nvme_identify(struct nvme *nvme, __u32 *block, __u64 *nr_blocks);
/* Makes the queue for data, in the memory of nvme_start(). */
int nvme_make_queue(struct nvme *nvme);
/* The same, with commands elsewhere: zeroes, that the disk sees at @iova. */
int nvme_make_queue_at(struct nvme *nvme, void *commands, __u64 iova);

/* One block, all in one page of memory */
int nvme_read(struct nvme *nvme, __u64 iova, __u64 block);
int nvme_write(struct nvme *nvme, __u64 block, __u64 iova);

/*
 * The disk's own memory, of which others see NVME_MEMORY_BAR: it takes
 * IOVA from @iova on for this memory.
 */
int nvme_memory_enable(struct vfio_dev *dev, __u64 iova);

#endif
