/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts of QEMU's "edu" and "igb" that arrive in user space. Functions
 * return 0, or what their comment says, or a negative errno.
 */
#ifndef VFIO_IRQ_H
#define VFIO_IRQ_H

#include "vfio_device.h"

#define IRQ_VECTORS_MAX 4

/* The MSI of an edu, or the first MSI-X vectors of an igb */
struct irq_source {
	struct vfio_dev *dev;
	unsigned int vectors;
	int events[IRQ_VECTORS_MAX];	/* eventfds */
};

/* The device is told by its IDs. Nothing is enabled yet. */
int irq_open(struct irq_source *source, struct vfio_dev *dev);
void irq_close(struct irq_source *source);

/* The device, which is bound, may or may not be attached to something. */
int irq_enable(struct irq_source *source);
int irq_disable(struct irq_source *source);

/*
 * Has the device raise one interrupt and waits for it. Returns how often it
 * arrived, which should be once; 0 after @timeout_ms.
 */
int irq_raise(struct irq_source *source, unsigned int vector,
	      int timeout_ms);

#endif
