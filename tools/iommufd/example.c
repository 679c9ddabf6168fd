// SPDX-License-Identifier: GPL-2.0-only
/* From nothing to DMA: QEMU's edu device copies a message between two pages. */
#include <err.h>
#include <libiommufd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define EDU_BUFFER 0x40000	/* where the device has memory */

/* Ends the program with what failed, the errno and the reason. */
static void need(int rc, int iommufd, const char *what)
{
	struct iommufd_refusal refusal;
	char why[256] = "no reason is known";

	if (rc >= 0)
		return;
	if (!iommufd_last_refusal(iommufd, &refusal))
		iommufd_why_text(&refusal, why, sizeof(why));
	errx(1, "%s: %s: %s", what, strerror(-rc), why);
}

/* Both are addresses as the device sees them; command 3 copies to memory. */
static void edu_copy(volatile uint64_t *regs, uint64_t from, uint64_t to,
		     uint64_t command)
{
	regs[0x80 / 8] = from;
	regs[0x88 / 8] = to;
	regs[0x90 / 8] = PAGE;
	regs[0x98 / 8] = command;
	while (regs[0x98 / 8] & 1)
		usleep(1000);
}

int main(int argc, char **argv)
{
	char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *bdf = argc > 1 ? argv[1] : "0000:00:03.0";
	struct iommufd_device *device;
	int fd = iommufd_open();
	uint64_t iova;
	uint32_t ioas;
	size_t size;
	void *regs;

	need(fd, fd, "/dev/iommu");
	need(iommufd_device_open(fd, bdf, &device), fd, bdf);
	need(iommufd_ioas_alloc(fd, &ioas), fd, "new IOAS");
	need(iommufd_device_attach(device, ioas, NULL), fd, "attach");
	need(iommufd_map(fd, ioas, IOMMUFD_MAP_RW, memory, 2 * PAGE, &iova),
	     fd, "map");
	need(iommufd_device_map_bar(device, 0, &regs, &size), fd, "BAR 0");
	need(iommufd_device_enable(device), fd, "enable");

	snprintf(memory, PAGE, "hello, device");
	edu_copy(regs, iova, EDU_BUFFER, 1);
	edu_copy(regs, EDU_BUFFER, iova + PAGE, 3);
	printf("the device says: %s\n", memory + PAGE);
	need(iommufd_unmap(fd, ioas, iova, 2 * PAGE, NULL), fd, "unmap");
	return strcmp(memory, memory + PAGE) ? 1 : 0;
}
