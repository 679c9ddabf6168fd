// SPDX-License-Identifier: GPL-2.0-only
/* Registers and commands are those of the NVM Express base specification. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/io.h>
#include <asm/barrier.h>

#include "vfio_nvme.h"

#define REG_CAP 0x00
#define CAP_DOORBELL_STRIDE GENMASK_ULL(35, 32)
#define CAP_DOORBELL_STRIDE_SHIFT 32
#define CAP_MEMORY_BUFFER BIT_ULL(57)
#define REG_CC 0x14
#define CC_ENABLE BIT(0)
#define CC_COMMANDS_64_BYTES (6 << 16)
#define CC_COMPLETIONS_16_BYTES (4 << 20)
#define REG_CSTS 0x1c
#define CSTS_READY BIT(0)
#define REG_AQA 0x24
#define AQA_COMPLETIONS_SHIFT 16
#define REG_ASQ 0x28
#define REG_ACQ 0x30
#define REG_CMBLOC 0x38
#define CMBLOC_BAR GENMASK(2, 0)
#define CMBLOC_OFFSET GENMASK(31, 12)
#define REG_CMBSZ 0x3c
#define REG_CMBMSC 0x50
#define CMBMSC_REGISTERS BIT(0)
#define CMBMSC_MEMORY BIT(1)
#define REG_CMBSTS 0x58
#define REG_DOORBELLS 0x1000

#define ADMIN_CREATE_COMMANDS 0x01
#define ADMIN_CREATE_COMPLETIONS 0x05
#define ADMIN_IDENTIFY 0x06
#define DATA_WRITE 0x01
#define DATA_READ 0x02

#define QUEUE_CONTIGUOUS BIT(0)
#define PHASE BIT(0)

/* Of struct nvme_namespace::format: an index, and what is found there */
#define FORMAT_INDEX GENMASK(3, 0)
#define FORMAT_BLOCK_SHIFT 16
#define FORMAT_BLOCK GENMASK(7, 0)

/* The only namespace that is used */
#define NAMESPACE 1

#define NR_SLOTS 16
#define DATA_QUEUE 1U

/* Which page of the memory is whose */
#define ADMIN_COMMANDS 0
#define ADMIN_COMPLETIONS 1
#define DATA_COMMANDS 2
#define DATA_COMPLETIONS 3
#define ANSWER 4

#define POLL_US 100
#define TIMEOUT_US 10000000

struct nvme_command {
	__u8 opcode;
	__u8 flags;
	__u16 id;
	__u32 namespace;
	__u64 reserved;
	__u64 metadata;
	__u64 data[2];		/* IOVA: PRP entries */
	__u32 argument[6];	/* command dwords 10 to 15 */
};

struct nvme_completion {
	__u32 result;
	__u32 reserved;
	__u16 head;
	__u16 queue;
	__u16 id;
	__u16 status;		/* and PHASE */
};

/* The beginning of what the disk says of a namespace */
struct nvme_namespace {
	__u64 nr_blocks;
	__u64 capacity;
	__u64 used;
	__u8 features;
	__u8 nr_formats;
	__u8 format;
	__u8 others[101];
	__u32 formats[16];
};

static __u32 read_reg(struct vfio_dev *dev, unsigned int reg)
{
	return readl(dev->bar0 + reg);
}

static void write_reg(struct vfio_dev *dev, unsigned int reg, __u32 value)
{
	writel(value, dev->bar0 + reg);
}

static void *page(struct nvme *nvme, unsigned int index)
{
	return nvme->memory + index * SMALL_PAGE;
}

static __u64 page_iova(struct nvme *nvme, unsigned int index)
{
	return nvme->iova + index * SMALL_PAGE;
}

static int wait_until_ready(struct vfio_dev *dev, __u32 ready)
{
	unsigned int waited;

	for (waited = 0; waited < TIMEOUT_US; waited += POLL_US) {
		if ((read_reg(dev, REG_CSTS) & CSTS_READY) == ready)
			return 0;
		usleep(POLL_US);
	}
	return -ETIMEDOUT;
}

/* The first doorbell of a queue is for commands, the second for completions. */
static void ring(struct nvme *nvme, const struct nvme_queue *queue,
		 unsigned int which, unsigned int slot)
{
	__u64 cap = readq(nvme->dev->bar0 + REG_CAP);
	unsigned int stride = 4 << ((cap & CAP_DOORBELL_STRIDE) >>
				    CAP_DOORBELL_STRIDE_SHIFT);

	write_reg(nvme->dev, REG_DOORBELLS +
		  (2 * queue->number + which) * stride, slot);
}

static int wait_for_completion(const struct nvme_queue *queue)
{
	const struct nvme_completion *done = &queue->completions[queue->slot];
	unsigned int waited;
	__u16 status;

	for (waited = 0; waited < TIMEOUT_US; waited += POLL_US) {
		status = READ_ONCE(done->status);
		if ((status & PHASE) == queue->phase) {
			/* what else the disk wrote is read after that */
			rmb();
			return status & ~PHASE ? -EIO : 0;
		}
		usleep(POLL_US);
	}
	return -ETIMEDOUT;
}

/* It may be in the memory of a device, which takes no more than a word. */
static void write_command(struct nvme_command *to,
			  const struct nvme_command *command)
{
	const __u32 *words = (const __u32 *)command;
	unsigned int i;

	for (i = 0; i != sizeof(*command) / sizeof(*words); i++)
		writel(words[i], (__u32 *)to + i);
}

static int run(struct nvme *nvme, struct nvme_queue *queue,
	       const struct nvme_command *command)
{
	unsigned int next = (queue->slot + 1) % NR_SLOTS;
	int rc;

	write_command(&queue->commands[queue->slot], command);
	/* The disk reads it as soon as the doorbell rings. */
	wmb();
	ring(nvme, queue, 0, next);
	rc = wait_for_completion(queue);
	queue->slot = next;
	if (!next)
		queue->phase ^= PHASE;
	ring(nvme, queue, 1, next);
	return rc;
}

static void init_queue(struct nvme_queue *queue, unsigned int number,
		       void *commands, void *completions)
{
	*queue = (struct nvme_queue){
		.number = number,
		.commands = commands,
		.completions = completions,
		.phase = PHASE,
	};
}

int nvme_start(struct nvme *nvme, struct vfio_dev *dev, void *memory,
	       __u64 iova)
{
	const __u32 last = NR_SLOTS - 1;
	int rc;

	*nvme = (struct nvme){ .dev = dev, .memory = memory, .iova = iova };
	memset(memory, 0, NVME_QUEUES_BYTES);
	init_queue(&nvme->admin, 0, page(nvme, ADMIN_COMMANDS),
		   page(nvme, ADMIN_COMPLETIONS));
	write_reg(dev, REG_CC, 0);
	rc = wait_until_ready(dev, 0);
	if (rc)
		return rc;
	write_reg(dev, REG_AQA, last << AQA_COMPLETIONS_SHIFT | last);
	writeq(page_iova(nvme, ADMIN_COMMANDS), dev->bar0 + REG_ASQ);
	writeq(page_iova(nvme, ADMIN_COMPLETIONS), dev->bar0 + REG_ACQ);
	write_reg(dev, REG_CC, CC_ENABLE | CC_COMMANDS_64_BYTES |
		  CC_COMPLETIONS_16_BYTES);
	return wait_until_ready(dev, CSTS_READY);
}

int nvme_identify(struct nvme *nvme, __u32 *block, __u64 *nr_blocks)
{
	const struct nvme_command command = {
		.opcode = ADMIN_IDENTIFY,
		.namespace = NAMESPACE,
		.data[0] = page_iova(nvme, ANSWER),
	};
	const struct nvme_namespace *answer = page(nvme, ANSWER);
	int rc = run(nvme, &nvme->admin, &command);

	if (rc)
		return rc;
	*block = 1U << ((answer->formats[answer->format & FORMAT_INDEX] >>
			 FORMAT_BLOCK_SHIFT) & FORMAT_BLOCK);
	*nr_blocks = answer->nr_blocks;
	return 0;
}

int nvme_make_queue_at(struct nvme *nvme, void *commands, __u64 iova)
{
	const __u32 size = (NR_SLOTS - 1) << 16 | DATA_QUEUE;
	const struct nvme_command create_completions = {
		.opcode = ADMIN_CREATE_COMPLETIONS,
		.data[0] = page_iova(nvme, DATA_COMPLETIONS),
		.argument = { size, QUEUE_CONTIGUOUS },
	};
	const struct nvme_command create_commands = {
		.opcode = ADMIN_CREATE_COMMANDS,
		.data[0] = iova,
		.argument = { size, DATA_QUEUE << 16 | QUEUE_CONTIGUOUS },
	};

	init_queue(&nvme->data, DATA_QUEUE, commands,
		   page(nvme, DATA_COMPLETIONS));
	return run(nvme, &nvme->admin, &create_completions) ?:
	       run(nvme, &nvme->admin, &create_commands);
}

int nvme_make_queue(struct nvme *nvme)
{
	return nvme_make_queue_at(nvme, page(nvme, DATA_COMMANDS),
				  page_iova(nvme, DATA_COMMANDS));
}

static int move_block(struct nvme *nvme, __u8 opcode, __u64 block, __u64 iova)
{
	const struct nvme_command command = {
		.opcode = opcode,
		.namespace = NAMESPACE,
		.data[0] = iova,
		.argument = { block, block >> 32 },
	};

	return run(nvme, &nvme->data, &command);
}

int nvme_read(struct nvme *nvme, __u64 iova, __u64 block)
{
	return move_block(nvme, DATA_READ, block, iova);
}

int nvme_write(struct nvme *nvme, __u64 block, __u64 iova)
{
	return move_block(nvme, DATA_WRITE, block, iova);
}

int nvme_memory_enable(struct vfio_dev *dev, __u64 iova)
{
	__u32 where;

	if (!(readq(dev->bar0 + REG_CAP) & CAP_MEMORY_BUFFER))
		return -ENODEV;
	/* Without this the next register reads as 0. */
	writeq(CMBMSC_REGISTERS, dev->bar0 + REG_CMBMSC);
	where = read_reg(dev, REG_CMBLOC);
	if (!read_reg(dev, REG_CMBSZ) || where & CMBLOC_OFFSET ||
	    (where & CMBLOC_BAR) != NVME_MEMORY_BAR)
		return -EOPNOTSUPP;
	writeq(iova | CMBMSC_MEMORY | CMBMSC_REGISTERS, dev->bar0 + REG_CMBMSC);
	return read_reg(dev, REG_CMBSTS) ? -EIO : 0;
}
