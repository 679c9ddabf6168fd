// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that vfio has, and their PASIDs
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/types.h>
#include <linux/vfio.h>

#include <sys/mman.h>

#include "lib_call.h"
#include "libiommufd.h"

/*
 * What <linux/vfio.h> has since Linux 6.6, and with PASIDs since 6.16, by names
 * of ours: the header of the system may be older.
 */
#define CDEV_BIND	_IO(VFIO_TYPE, VFIO_BASE + 18)
#define CDEV_ATTACH	_IO(VFIO_TYPE, VFIO_BASE + 19)
#define CDEV_DETACH	_IO(VFIO_TYPE, VFIO_BASE + 20)
#define CDEV_PASID	(1u << 0)

struct cdev_bind {
	__u32 argsz;
	__u32 flags;
	__s32 iommufd;
	__u32 out_devid;
};

struct cdev_attach {
	__u32 argsz;
	__u32 flags;
	__u32 pt_id;
	__u32 pasid;
};

struct cdev_detach {
	__u32 argsz;
	__u32 flags;
	__u32 pasid;
};

struct iommufd_device {
	int fd;
	uint32_t id;
};

/* A device without an IOMMU has "noiommu-" in front. */
static bool is_device_name(const char *name)
{
	return !strncmp(name, "vfio", 4) || !strncmp(name, "noiommu-vfio", 12);
}

int iommufd_device_path(const char *bdf, char *path, size_t size)
{
	const struct dirent *entry;
	char folder[PATH_MAX];
	int length, rc = -ENODEV;
	DIR *dir;

	/* It is a name in the folder, and no way out of it. */
	if (strchr(bdf, '/'))
		return -EINVAL;
	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s/vfio-dev",
		 bdf);
	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT ? -ENODEV : -errno;
	while (rc && (entry = readdir(dir))) {
		if (!is_device_name(entry->d_name))
			continue;
		length = snprintf(path, size, "/dev/vfio/devices/%s",
				  entry->d_name);
		if (length >= 0 && (size_t)length >= size)
			break;
		rc = 0;
	}
	closedir(dir);
	return rc && entry ? -ENAMETOOLONG : rc;
}

int iommufd_device_bind(int iommufd, int fd, struct iommufd_device **device)
{
	struct cdev_bind cmd = { .argsz = sizeof(cmd), .iommufd = iommufd };
	struct iommufd_device *new = malloc(sizeof(*new));
	int rc;

	if (!new)
		return -ENOMEM;
	rc = lib_call(fd, CDEV_BIND, &cmd);
	if (rc) {
		free(new);
		return rc;
	}
	new->fd = fd;
	new->id = cmd.out_devid;
	*device = new;
	return 0;
}

int iommufd_device_open(int iommufd, const char *bdf,
			struct iommufd_device **device)
{
	char path[PATH_MAX];
	int fd, rc;

	rc = iommufd_device_path(bdf, path, sizeof(path));
	if (rc)
		return rc;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = iommufd_device_bind(iommufd, fd, device);
	if (rc)
		close(fd);
	return rc;
}

void iommufd_device_close(struct iommufd_device *device)
{
	if (!device)
		return;
	close(device->fd);
	free(device);
}

int iommufd_device_fd(const struct iommufd_device *device)
{
	return device->fd;
}

uint32_t iommufd_device_id(const struct iommufd_device *device)
{
	return device->id;
}

static int device_region(const struct iommufd_device *device,
			 unsigned int index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){
		.argsz = sizeof(*info),
		.index = index,
	};
	return lib_call(device->fd, VFIO_DEVICE_GET_REGION_INFO, info);
}

int iommufd_device_map_bar(const struct iommufd_device *device,
			   unsigned int bar, void **va, size_t *size)
{
	struct vfio_region_info info;
	void *at;
	int rc;

	if (bar > 5)
		return -EINVAL;
	rc = device_region(device, VFIO_PCI_BAR0_REGION_INDEX + bar, &info);
	if (rc)
		return rc;
	if (!info.size || !(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return -ENODEV;
	at = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		  device->fd, info.offset);
	if (at == MAP_FAILED)
		return -errno;
	*va = at;
	*size = info.size;
	return 0;
}

int iommufd_device_enable(const struct iommufd_device *device)
{
	struct vfio_region_info config;
	uint16_t command;
	off_t offset;
	int rc;

	rc = device_region(device, VFIO_PCI_CONFIG_REGION_INDEX, &config);
	if (rc)
		return rc;
	offset = config.offset + PCI_COMMAND;
	if (pread(device->fd, &command, sizeof(command), offset) !=
	    sizeof(command))
		return -EIO;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(device->fd, &command, sizeof(command), offset) !=
	    sizeof(command))
		return -EIO;
	return 0;
}

static int device_attach(struct iommufd_device *device, uint32_t flags,
			 uint32_t pasid, uint32_t id, uint32_t *hwpt)
{
	struct cdev_attach cmd = {
		/* A kernel that knows no PASIDs has a shorter structure. */
		.argsz = flags ? sizeof(cmd) : offsetof(typeof(cmd), pasid),
		.flags = flags,
		.pt_id = id,
		.pasid = pasid,
	};
	int rc = lib_call(device->fd, CDEV_ATTACH, &cmd);

	if (!rc && hwpt)
		*hwpt = cmd.pt_id;
	return rc;
}

static int device_detach(struct iommufd_device *device, uint32_t flags,
			 uint32_t pasid)
{
	struct cdev_detach cmd = {
		.argsz = flags ? sizeof(cmd) : offsetof(typeof(cmd), pasid),
		.flags = flags,
		.pasid = pasid,
	};

	return lib_call(device->fd, CDEV_DETACH, &cmd);
}

int iommufd_device_attach(struct iommufd_device *device, uint32_t id,
			  uint32_t *hwpt)
{
	return device_attach(device, 0, 0, id, hwpt);
}

int iommufd_device_detach(struct iommufd_device *device)
{
	return device_detach(device, 0, 0);
}

int iommufd_pasid_attach(struct iommufd_device *device, uint32_t pasid,
			 uint32_t id, uint32_t *hwpt)
{
	return device_attach(device, CDEV_PASID, pasid, id, hwpt);
}

int iommufd_pasid_detach(struct iommufd_device *device, uint32_t pasid)
{
	return device_detach(device, CDEV_PASID, pasid);
}

int iommufd_pasid_alloc(int iommufd, uint32_t device, uint32_t *pasid,
			uint32_t *id)
{
	struct iommu_pasid_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = device,
	};
	int rc = lib_call(iommufd, IOMMU_PASID_ALLOC, &cmd);

	if (!rc) {
		*pasid = cmd.out_pasid;
		*id = cmd.out_pasid_id;
	}
	return rc;
}
