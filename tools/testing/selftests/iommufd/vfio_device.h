/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI devices behind vfio. Functions return 0, or what their comment says, or
 * a negative errno. A bdf is the address of a device: "0000:00:03.0".
 */
#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

#include <stddef.h>

#include <linux/types.h>
#include <linux/vfio.h>

#define BDF_SIZE 16

struct vfio_dev {
	char bdf[BDF_SIZE];
	int fd;			/* -1: not open */
	__u32 id;		/* of the iommufd object, once bound */
	char *bar0;		/* NULL: not mapped */
	size_t bar0_size;
	__u64 config;		/* offset of the configuration space in fd */
};

/* The first device with these IDs: -ENODEV if there is none. */
int pci_find(unsigned int vendor, unsigned int device, char bdf[BDF_SIZE]);
/* The one behind @nth others, in the order of their addresses. */
int pci_find_nth(unsigned int vendor, unsigned int device, unsigned int nth,
		 char bdf[BDF_SIZE]);
/* Hands the device to vfio-pci, unless it is already there. */
int vfio_claim(const char *bdf);
/* The character device of one that vfio-pci has. */
int vfio_device_path(const char *bdf, char *path, size_t size);
/* The number of its IOMMU group. */
int vfio_group(const char *bdf);
/* The name of the IOMMU that it is behind, such as "dmar0". */
int pci_iommu(const char *bdf, char *name, size_t size);
/*
 * The sizes of page that this IOMMU has entries for, as a sum of powers of
 * two; -ENOENT: it does not tell.
 */
long iommu_page_sizes(const char *bdf);
/*
 * How often the IOMMU of this name asked for attention, that is, reported
 * faults; -ENOENT: it has no interrupt of that name.
 */
long iommu_interrupts(const char *name);

/*
 * Opens the character device. Nothing but vfio_bind() works before it is
 * bound, and vfio_close() undoes all that follows.
 */
int vfio_open(struct vfio_dev *dev, const char *bdf);
int vfio_bind(struct vfio_dev *dev, int iommufd);
void vfio_close(struct vfio_dev *dev);

/* @pt is an IOAS or a page table; *pt becomes the page table's ID. */
int vfio_attach_pt(struct vfio_dev *dev, __u32 *pt);
int vfio_attach(struct vfio_dev *dev, __u32 pt);
int vfio_attach_pasid(struct vfio_dev *dev, __u32 pasid, __u32 pt);
int vfio_detach(struct vfio_dev *dev);

/* -ENODEV: there is nothing that could be mapped. */
int vfio_map_bar(struct vfio_dev *dev, unsigned int index, char **va,
		 size_t *size);
/* Maps BAR 0 and lets the device answer to it and do DMA. */
int vfio_enable(struct vfio_dev *dev);
int vfio_reset(struct vfio_dev *dev);
int vfio_config_read(struct vfio_dev *dev, unsigned int reg, void *value,
		     size_t size);
int vfio_config_write(struct vfio_dev *dev, unsigned int reg,
		      const void *value, size_t size);

/* All of the above for the first device with these IDs, except attach. */
int vfio_setup(struct vfio_dev *dev, unsigned int vendor, unsigned int device,
	       int iommufd);

#endif
