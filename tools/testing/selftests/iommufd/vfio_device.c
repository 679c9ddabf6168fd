// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include <linux/bits.h>
#include <linux/pci_regs.h>

#include "checked_io.h"
#include "pages.h"
#include "vfio_device.h"

#define PCI_DEVICES "/sys/bus/pci/devices"

#define VTD_CAP_2M_PAGES BIT_ULL(34)
#define VTD_CAP_1G_PAGES BIT_ULL(35)

static long pci_attribute(const char *bdf, const char *name)
{
	char path[PATH_MAX], text[32];
	int rc;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", bdf, name);
	rc = file_read(path, text, sizeof(text));
	return rc ? rc : strtol(text, NULL, 0);
}

int pci_find_nth(unsigned int vendor, unsigned int device, unsigned int nth,
		 char bdf[BDF_SIZE])
{
	struct dirent **entries;
	int count, i, rc = -ENODEV;

	count = scandir(PCI_DEVICES, &entries, NULL, alphasort);
	if (count < 0)
		return -errno;
	for (i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (rc && strlen(name) < BDF_SIZE &&
		    pci_attribute(name, "vendor") == vendor &&
		    pci_attribute(name, "device") == device && !nth--) {
			snprintf(bdf, BDF_SIZE, "%.15s", name);
			rc = 0;
		}
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int pci_find(unsigned int vendor, unsigned int device, char bdf[BDF_SIZE])
{
	return pci_find_nth(vendor, device, 0, bdf);
}

/* The last part of where a link of the device's folder points. */
static int pci_link(const char *bdf, const char *name, char *target,
		    size_t size)
{
	char path[PATH_MAX], link[PATH_MAX];
	const char *last;
	ssize_t length;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", bdf, name);
	length = readlink(path, link, sizeof(link) - 1);
	if (length < 0)
		return -errno;
	link[length] = '\0';
	last = strrchr(link, '/');
	snprintf(target, size, "%s", last ? last + 1 : link);
	return 0;
}

int vfio_claim(const char *bdf)
{
	char path[PATH_MAX], driver[64];
	int rc;

	rc = pci_link(bdf, "driver", driver, sizeof(driver));
	if (!rc && !strcmp(driver, "vfio-pci"))
		return 0;
	if (!rc) {
		snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver/unbind",
			 bdf);
		rc = file_write(path, bdf);
		if (rc)
			return rc;
	}
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver_override", bdf);
	rc = file_write(path, "vfio-pci");
	if (rc)
		return rc;
	rc = file_write("/sys/bus/pci/drivers_probe", bdf);
	if (rc)
		return rc;
	rc = pci_link(bdf, "driver", driver, sizeof(driver));
	return rc == -ENOENT ? -ENODEV : rc;
}

int vfio_group(const char *bdf)
{
	char group[16];
	int rc = pci_link(bdf, "iommu_group", group, sizeof(group));

	return rc ? rc : atoi(group);
}

int pci_iommu(const char *bdf, char *name, size_t size)
{
	return pci_link(bdf, "iommu", name, size);
}

long iommu_page_sizes(const char *bdf)
{
	char path[PATH_MAX], text[32];
	__u64 capabilities;
	int rc;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/iommu/intel-iommu/cap",
		 bdf);
	rc = file_read(path, text, sizeof(text));
	if (rc)
		return rc;
	capabilities = strtoull(text, NULL, 16);
	return SMALL_PAGE |
	       (capabilities & VTD_CAP_2M_PAGES ? HUGE_PAGE : 0) |
	       (capabilities & VTD_CAP_1G_PAGES ? GIB : 0);
}

/* A line is "30:   4   0  DMAR-MSI 0-edge   dmar0", one count for each CPU. */
static long sum_of_counts(char *line)
{
	char *at = strchr(line, ':') + 1, *after;
	long sum = 0, count;

	for (;; at = after) {
		count = strtol(at, &after, 10);
		if (after == at || *after != ' ')
			return sum;
		sum += count;
	}
}

long iommu_interrupts(const char *name)
{
	long count = -ENOENT;
	char line[4096];
	FILE *file;

	file = fopen("/proc/interrupts", "re");
	if (!file)
		return -errno;
	while (count < 0 && fgets(line, sizeof(line), file)) {
		char *last = strrchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (last && strchr(line, ':') && !strcmp(last + 1, name))
			count = sum_of_counts(line);
	}
	fclose(file);
	return count;
}

/* A device without an IOMMU has "noiommu-" in front. */
static int is_vfio_name(const struct dirent *entry)
{
	return !!strstr(entry->d_name, "vfio");
}

int vfio_device_path(const char *bdf, char *path, size_t size)
{
	struct dirent **entries;
	char folder[PATH_MAX];
	int i, count;

	snprintf(folder, sizeof(folder), PCI_DEVICES "/%s/vfio-dev", bdf);
	count = scandir(folder, &entries, is_vfio_name, alphasort);
	if (count < 0)
		return -errno;
	if (count)
		snprintf(path, size, "/dev/vfio/devices/%s",
			 entries[0]->d_name);
	for (i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return count ? 0 : -ENODEV;
}

int vfio_open(struct vfio_dev *dev, const char *bdf)
{
	char path[PATH_MAX];
	int rc;

	*dev = (struct vfio_dev){ .fd = -1 };
	snprintf(dev->bdf, sizeof(dev->bdf), "%s", bdf);
	rc = vfio_device_path(bdf, path, sizeof(path));
	if (rc)
		return rc;
	dev->fd = open(path, O_RDWR | O_CLOEXEC);
	return dev->fd < 0 ? -errno : 0;
}

int vfio_bind(struct vfio_dev *dev, int iommufd)
{
	struct vfio_device_bind_iommufd cmd = {
		.argsz = sizeof(cmd),
		.iommufd = iommufd,
	};
	int rc = checked_ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &cmd);

	if (!rc)
		dev->id = cmd.out_devid;
	return rc;
}

void vfio_close(struct vfio_dev *dev)
{
	if (dev->bar0)
		munmap(dev->bar0, dev->bar0_size);
	if (dev->fd >= 0)
		close(dev->fd);
	dev->bar0 = NULL;
	dev->fd = -1;
}

int vfio_attach_pt(struct vfio_dev *dev, __u32 *pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.pt_id = *pt,
	};
	int rc = checked_ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);

	if (!rc)
		*pt = cmd.pt_id;
	return rc;
}

int vfio_attach(struct vfio_dev *dev, __u32 pt)
{
	return vfio_attach_pt(dev, &pt);
}

int vfio_attach_pasid(struct vfio_dev *dev, __u32 pasid, __u32 pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = pt,
		.pasid = pasid,
	};

	return checked_ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

int vfio_detach(struct vfio_dev *dev)
{
	struct vfio_device_detach_iommufd_pt cmd = { .argsz = sizeof(cmd) };

	return checked_ioctl(dev->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

static int region_info(struct vfio_dev *dev, unsigned int index,
		       struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){
		.argsz = sizeof(*info),
		.index = index,
	};
	return checked_ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info);
}

int vfio_map_bar(struct vfio_dev *dev, unsigned int index, char **va,
		 size_t *size)
{
	struct vfio_region_info info;
	void *bar;
	int rc;

	rc = region_info(dev, index, &info);
	if (rc)
		return rc;
	if (!info.size || !(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return -ENODEV;
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   dev->fd, info.offset);
	if (bar == MAP_FAILED)
		return -errno;
	*va = bar;
	*size = info.size;
	return 0;
}

static int enable_dma(struct vfio_dev *dev)
{
	__u16 command;
	int rc;

	rc = vfio_config_read(dev, PCI_COMMAND, &command, sizeof(command));
	if (rc)
		return rc;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	return vfio_config_write(dev, PCI_COMMAND, &command, sizeof(command));
}

int vfio_enable(struct vfio_dev *dev)
{
	struct vfio_region_info info;
	int rc;

	rc = region_info(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	if (rc)
		return rc;
	dev->config = info.offset;
	if (!dev->bar0) {
		rc = vfio_map_bar(dev, VFIO_PCI_BAR0_REGION_INDEX, &dev->bar0,
				  &dev->bar0_size);
		if (rc)
			return rc;
	}
	return enable_dma(dev);
}

int vfio_reset(struct vfio_dev *dev)
{
	int rc = checked_ioctl(dev->fd, VFIO_DEVICE_RESET, NULL);

	return rc ? rc : enable_dma(dev);
}

int vfio_config_read(struct vfio_dev *dev, unsigned int reg, void *value,
		     size_t size)
{
	ssize_t rc = pread(dev->fd, value, size, dev->config + reg);

	if (rc < 0)
		return -errno;
	return rc == size ? 0 : -EIO;
}

int vfio_config_write(struct vfio_dev *dev, unsigned int reg,
		      const void *value, size_t size)
{
	ssize_t rc = pwrite(dev->fd, value, size, dev->config + reg);

	if (rc < 0)
		return -errno;
	return rc == size ? 0 : -EIO;
}

int vfio_setup(struct vfio_dev *dev, unsigned int vendor, unsigned int device,
	       int iommufd)
{
	char bdf[BDF_SIZE];
	int rc;

	*dev = (struct vfio_dev){ .fd = -1 };
	rc = pci_find(vendor, device, bdf);
	if (rc)
		return rc;
	rc = vfio_claim(bdf);
	if (rc)
		return rc;
	rc = vfio_open(dev, bdf);
	if (rc)
		return rc;
	rc = vfio_bind(dev, iommufd);
	if (!rc)
		rc = vfio_enable(dev);
	if (rc)
		vfio_close(dev);
	return rc;
}
