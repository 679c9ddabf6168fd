// SPDX-License-Identifier: GPL-2.0-only
/*
 * From open() to DMA and back: the first program of
 * Documentation/userspace-api/iommufd.rst. QEMU's edu device copies a message
 * from one page of this program to another.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define PAGE 4096
#define EDU_BUFFER 0x40000		/* where the device has memory */
#define MESSAGE "hello, device"

static int need(int rc, const char *what)
{
	if (rc < 0)
		err(1, "%s", what);
	return rc;
}

/* Let the device answer its registers and do DMA. */
static volatile __u64 *edu_enable(int device)
{
	struct vfio_region_info bar = {
		.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX };
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	__u16 command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	void *regs;

	need(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar), "BAR 0");
	need(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config), "config");
	if (pwrite(device, &command, 2, config.offset + PCI_COMMAND) != 2)
		err(1, "enabling the device");
	regs = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		    bar.offset);
	if (regs == MAP_FAILED)
		err(1, "mapping BAR 0");
	return regs;
}

/* Both are addresses as the device sees them; command 3 copies to memory. */
static void edu_copy(volatile __u64 *regs, __u64 from, __u64 to,
		     __u64 command)
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
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach) };
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_ioas_map map = {
		.size = sizeof(map), .length = 2 * PAGE,
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE };
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .length = 2 * PAGE };
	volatile __u64 *regs;
	int iommufd, device;
	char *memory;

	if (argc != 2)
		errx(2, "usage: first_dma /dev/vfio/devices/vfioN");
	iommufd = need(open("/dev/iommu", O_RDWR | O_CLOEXEC), "/dev/iommu");
	device = need(open(argv[1], O_RDWR | O_CLOEXEC), argv[1]);

	/* The device is ours, and can reach nothing. */
	bind.iommufd = iommufd;
	need(ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind), "bind");

	/* It reaches what is mapped in this IOAS, and nothing is yet. */
	need(ioctl(iommufd, IOMMU_IOAS_ALLOC, &ioas), "new IOAS");
	attach.pt_id = ioas.out_ioas_id;
	need(ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), "attach");

	/* The kernel pins two pages, and chooses the IOVA for them. */
	memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "memory");
	memcpy(memory, MESSAGE, sizeof(MESSAGE));
	map.ioas_id = ioas.out_ioas_id;
	map.user_va = (uintptr_t)memory;
	need(ioctl(iommufd, IOMMU_IOAS_MAP, &map), "map");

	/* First page to device, device to second page */
	regs = edu_enable(device);
	edu_copy(regs, map.iova, EDU_BUFFER, 1);
	edu_copy(regs, EDU_BUFFER, map.iova + PAGE, 3);
	printf("the device says: %s\n", memory + PAGE);

	/* When this returns, no device reaches the pages any more. */
	unmap.ioas_id = ioas.out_ioas_id;
	unmap.iova = map.iova;
	need(ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap), "unmap");
	return strcmp(memory + PAGE, MESSAGE) ? 1 : 0;
}
