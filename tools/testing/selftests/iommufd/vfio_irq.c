// SPDX-License-Identifier: GPL-2.0-only
/*
 * The devices raise interrupts when they are told to. The registers of the igb
 * are those of the 82576's datasheet.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <sys/eventfd.h>

#include <linux/bits.h>
#include <linux/io.h>
#include <linux/pci_regs.h>

#include "checked_io.h"
#include "vfio_edu.h"
#include "vfio_igb.h"
#include "vfio_irq.h"

#define EDU_RAISE 0x60
#define EDU_ACKNOWLEDGE 0x64

#define IGB_GPIE 0x1514
#define GPIE_MSIX_MODE BIT(4)
#define IGB_EICS 0x1520
#define IGB_EIMS 0x1524
#define IGB_EIMC 0x1528
#define IGB_EICR 0x1580

static bool is_edu(const struct irq_source *source)
{
	return source->vectors == 1;
}

static unsigned int irq_index(const struct irq_source *source)
{
	return is_edu(source) ? VFIO_PCI_MSI_IRQ_INDEX :
				VFIO_PCI_MSIX_IRQ_INDEX;
}

int irq_open(struct irq_source *source, struct vfio_dev *dev)
{
	__u16 vendor;
	int i, rc;

	memset(source, 0, sizeof(*source));
	source->dev = dev;
	rc = vfio_config_read(dev, PCI_VENDOR_ID, &vendor, sizeof(vendor));
	if (rc)
		return rc;
	source->vectors = vendor == EDU_VENDOR ? 1 : IRQ_VECTORS_MAX;
	for (i = 0; i < source->vectors; i++) {
		source->events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (source->events[i] < 0)
			return -errno;
	}
	return 0;
}

void irq_close(struct irq_source *source)
{
	int i;

	for (i = 0; i < source->vectors; i++)
		close(source->events[i]);
}

/* The vectors of an igb have masks of their own; an MSI has none. */
static void unmask(struct irq_source *source)
{
	const __u32 all = BIT(IRQ_VECTORS_MAX) - 1;
	char *bar0 = source->dev->bar0;

	if (is_edu(source))
		return;
	writel(GPIE_MSIX_MODE, bar0 + IGB_GPIE);
	writel(~0U, bar0 + IGB_EIMC);
	writel(all, bar0 + IGB_EICR);
	writel(all, bar0 + IGB_EIMS);
}

int irq_enable(struct irq_source *source)
{
	struct {
		struct vfio_irq_set set;
		__s32 events[IRQ_VECTORS_MAX];
	} cmd = {
		.set = {
			.argsz = sizeof(cmd.set) +
				 source->vectors * sizeof(__s32),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = irq_index(source),
			.count = source->vectors,
		},
	};
	int rc;

	memcpy(cmd.events, source->events, sizeof(cmd.events));
	rc = checked_ioctl(source->dev->fd, VFIO_DEVICE_SET_IRQS, &cmd);
	if (!rc)
		unmask(source);
	return rc;
}

int irq_disable(struct irq_source *source)
{
	struct vfio_irq_set cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = irq_index(source),
	};

	return checked_ioctl(source->dev->fd, VFIO_DEVICE_SET_IRQS, &cmd);
}

static void raise_vector(struct irq_source *source, unsigned int vector)
{
	char *bar0 = source->dev->bar0;

	if (is_edu(source)) {
		writel(1, bar0 + EDU_RAISE);
		writel(1, bar0 + EDU_ACKNOWLEDGE);
	} else {
		/* only what was not pending is raised */
		writel(BIT(vector), bar0 + IGB_EICR);
		writel(BIT(vector), bar0 + IGB_EICS);
	}
}

int irq_raise(struct irq_source *source, unsigned int vector, int timeout_ms)
{
	struct pollfd event = {
		.fd = source->events[vector],
		.events = POLLIN,
	};
	eventfd_t count;

	/* what has arrived late is not counted as this one */
	eventfd_read(event.fd, &count);
	raise_vector(source, vector);
	if (poll(&event, 1, timeout_ms) < 0)
		return -errno;
	return eventfd_read(event.fd, &count) ? 0 : count;
}
