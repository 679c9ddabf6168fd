/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's log, and what it says about DMA that was stopped. */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

/* Opens the log; reads begin with the messages that are logged from now on. */
int kmsg_open(void);
/* The next message, without its header: its length, or 0 if there is none. */
int kmsg_read(int kmsg, char *text, size_t size);

struct dma_fault {
	__u64 iova;
	bool write;
	char text[160];		/* as logged */
};

/*
 * Waits for the kernel to log a fault of @bdf; -ETIMEDOUT if it does not.
 * Messages about other things are dropped. VT-d's driver logs no more than
 * three faults in five seconds; see iommu_interrupts() for the others.
 */
int dma_fault_wait(int kmsg, const char *bdf, struct dma_fault *fault,
		   unsigned int timeout_ms);

#endif
