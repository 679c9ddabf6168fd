// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel_log.h"

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (lseek(fd, 0, SEEK_END) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

int kmsg_read(int kmsg, char *text, size_t size)
{
	char record[2048], *message;
	ssize_t length;

	do {
		length = read(kmsg, record, sizeof(record) - 1);
		/* EPIPE: some were overwritten, the next one is there */
	} while (length < 0 && errno == EPIPE);
	if (length < 0)
		return errno == EAGAIN ? 0 : -errno;
	record[length] = '\0';
	message = strchr(record, ';');
	message = message ? message + 1 : record;
	message[strcspn(message, "\n")] = '\0';
	snprintf(text, size, "%s", message);
	return strlen(message);
}

/* VT-d: "[DMA Write ...] Request device [0000:00:03.0] fault addr 0x..." */
static bool parse_vtd_fault(const char *text, const char *bdf,
			    struct dma_fault *fault)
{
	const char *addr = strstr(text, "fault addr ");

	if (!addr || !strstr(text, bdf))
		return false;
	fault->iova = strtoull(addr + strlen("fault addr "), NULL, 16);
	fault->write = strstr(text, "DMA Write");
	return true;
}

/* AMD: "[IO_PAGE_FAULT device=0000:00:03.0 ... address=0x... flags=0x0020]" */
static bool parse_amd_fault(const char *text, const char *bdf,
			    struct dma_fault *fault)
{
	const char *addr = strstr(text, "address=");
	const char *flags = strstr(text, "flags=");

	if (!strstr(text, "IO_PAGE_FAULT") || !strstr(text, bdf) || !addr ||
	    !flags)
		return false;
	fault->iova = strtoull(addr + strlen("address="), NULL, 16);
	fault->write = strtoul(flags + strlen("flags="), NULL, 16) & 0x20;
	return true;
}

int dma_fault_wait(int kmsg, const char *bdf, struct dma_fault *fault,
		   unsigned int timeout_ms)
{
	char text[512];
	int rc;

	for (;;) {
		rc = kmsg_read(kmsg, text, sizeof(text));
		if (rc < 0)
			return rc;
		if (!rc) {
			if (!timeout_ms--)
				return -ETIMEDOUT;
			usleep(1000);
			continue;
		}
		if (parse_vtd_fault(text, bdf, fault) ||
		    parse_amd_fault(text, bdf, fault)) {
			snprintf(fault->text, sizeof(fault->text), "%.*s",
				 (int)sizeof(fault->text) - 1, text);
			return 0;
		}
	}
}
