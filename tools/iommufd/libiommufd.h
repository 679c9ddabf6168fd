/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libiommufd: /dev/iommu for programs that drive devices
 *
 * Functions return 0, or what their comment says, and a negative errno on
 * failure. None of them prints, exits, or keeps anything but what it returns.
 * All of them may be called by several threads at once, but for what is done
 * with a struct iommufd_device while it is being closed.
 *
 *   iommufd     a file descriptor of /dev/iommu
 *   ioas, id    an object of it
 *   IOVA        an address as a device uses it
 */
#ifndef LIBIOMMUFD_H
#define LIBIOMMUFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBIOMMUFD_MAJOR 1
#define LIBIOMMUFD_MINOR 0
#define LIBIOMMUFD_PATCH 0

/* "1.0.0" of the library that runs, which may be newer than this header. */
const char *iommufd_version(void);

/*
 * Files and objects
 */

/* Return: the descriptor, which is closed by close(). */
int iommufd_open(void);
int iommufd_destroy(int iommufd, uint32_t id);

/*
 * Let pinned memory count for the process, not for the user. Before there are
 * objects, and with CAP_SYS_RESOURCE.
 */
int iommufd_charge_process(int iommufd);

/*
 * Address spaces
 */

#define IOMMUFD_MAP_FIXED	(1u << 0)	/* at *iova */
#define IOMMUFD_MAP_WRITE	(1u << 1)	/* devices may write */
#define IOMMUFD_MAP_READ	(1u << 2)	/* devices may read */
#define IOMMUFD_MAP_RW		(IOMMUFD_MAP_READ | IOMMUFD_MAP_WRITE)

struct iommufd_range {
	uint64_t first;
	uint64_t last;		/* part of it */
};

int iommufd_ioas_alloc(int iommufd, uint32_t *ioas);

/*
 * The IOVA that can be mapped, in ascending order, whether or not something is
 * mapped there. *ranges is to be freed by free(). @alignment may be NULL.
 */
int iommufd_ioas_ranges(int iommufd, uint32_t ioas,
			struct iommufd_range **ranges, uint32_t *nr,
			uint64_t *alignment);
int iommufd_ioas_allow(int iommufd, uint32_t ioas,
		       const struct iommufd_range *ranges, uint32_t nr);

/* *iova is read with IOMMUFD_MAP_FIXED, else the kernel chooses it. */
int iommufd_map(int iommufd, uint32_t ioas, unsigned int flags, const void *va,
		uint64_t length, uint64_t *iova);
/* Of @fd, a memfd or a dma-buf for example, from @start on */
int iommufd_map_file(int iommufd, uint32_t ioas, unsigned int flags, int fd,
		     uint64_t start, uint64_t length, uint64_t *iova);
/* What is mapped at @src_iova of @src_ioas, once more */
int iommufd_copy(int iommufd, uint32_t ioas, unsigned int flags,
		 uint32_t src_ioas, uint64_t src_iova, uint64_t length,
		 uint64_t *iova);

/* @unmapped, in bytes, may be NULL. */
int iommufd_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t length,
		  uint64_t *unmapped);
int iommufd_unmap_all(int iommufd, uint32_t ioas, uint64_t *unmapped);

/* Of files only: all that is mapped becomes the calling process's. */
int iommufd_change_process(int iommufd);

/*
 * Devices. A bdf is the address of a PCI device: "0000:00:03.0". A driver of
 * vfio has it already.
 */

struct iommufd_device;

/* The device file: "/dev/vfio/devices/vfio0" */
int iommufd_device_path(const char *bdf, char *path, size_t size);
/* Opens the file and binds the device. *device is closed by ..._close(). */
int iommufd_device_open(int iommufd, const char *bdf,
			struct iommufd_device **device);
/* The same, of a file that is open; it stays the caller's when this fails. */
int iommufd_device_bind(int iommufd, int fd, struct iommufd_device **device);
/* Detaches it as well. NULL is none. */
void iommufd_device_close(struct iommufd_device *device);
/* For what vfio knows: registers, interrupts, resets */
int iommufd_device_fd(const struct iommufd_device *device);
uint32_t iommufd_device_id(const struct iommufd_device *device);
/* *va is unmapped by munmap(). -ENODEV: the BAR is none that can be mapped. */
int iommufd_device_map_bar(const struct iommufd_device *device,
			   unsigned int bar, void **va, size_t *size);
/* Let a PCI device answer to its BARs and do DMA, as after each reset. */
int iommufd_device_enable(const struct iommufd_device *device);

/*
 * To an IOAS or to a page table; one that is attached is moved. @hwpt receives
 * the page table, or is NULL.
 */
int iommufd_device_attach(struct iommufd_device *device, uint32_t id,
			  uint32_t *hwpt);
int iommufd_device_detach(struct iommufd_device *device);
int iommufd_pasid_attach(struct iommufd_device *device, uint32_t pasid,
			 uint32_t id, uint32_t *hwpt);
int iommufd_pasid_detach(struct iommufd_device *device, uint32_t pasid);
/*
 * A PASID that the kernel chooses for the device with that ID; @id is the object
 * that stands for it. Not every kernel can (ENOTTY).
 */
int iommufd_pasid_alloc(int iommufd, uint32_t device, uint32_t *pasid,
			uint32_t *id);

/*
 * Page tables
 */

#define IOMMUFD_HWPT_NEST_PARENT	(1u << 0)
#define IOMMUFD_HWPT_DIRTY_TRACKING	(1u << 1)
#define IOMMUFD_HWPT_PASID		(1u << 3)

/* @device: its ID; @fault_queue: where its page requests go, or 0 */
int iommufd_hwpt_alloc(int iommufd, uint32_t device, uint32_t ioas,
		       unsigned int flags, uint32_t fault_queue,
		       uint32_t *hwpt);
int iommufd_hwpt_track_dirty(int iommufd, uint32_t hwpt, bool on);
/*
 * A bit for each @page_size bytes from @iova on is set in @bitmap if dirty, and
 * they are clean then, unless @keep.
 */
int iommufd_hwpt_read_dirty(int iommufd, uint32_t hwpt, uint64_t iova,
			    uint64_t length, uint64_t page_size, bool keep,
			    void *bitmap);

/*
 * Page requests
 */

#define IOMMUFD_FAULT_READ	(1u << 0)
#define IOMMUFD_FAULT_WRITE	(1u << 1)
#define IOMMUFD_FAULT_EXEC	(1u << 2)
#define IOMMUFD_FAULT_PRIV	(1u << 3)

struct iommufd_fault {
	uint64_t iova;
	uint64_t length;	/* a hint of how much more will be wanted */
	uint32_t device;	/* the ID of the device */
	uint32_t pasid;		/* if has_pasid */
	uint32_t access;	/* IOMMUFD_FAULT_... */
	uint32_t cookie;	/* for the answer */
	bool has_pasid;
	bool last;		/* of a group, which has one answer */
};

/* *fd is the file of the queue: poll() tells when there is something. */
int iommufd_fault_queue_alloc(int iommufd, uint32_t *id, int *fd);
/*
 * Whole groups are read. @nr should be 512, what a group can have: EINVAL if
 * the next one does not fit.
 * Return: how many were read; -EAGAIN if there are none.
 */
int iommufd_fault_read(int fd, struct iommufd_fault *faults, unsigned int nr);
int iommufd_fault_answer(int fd, uint32_t cookie, bool good);

/*
 * Reasons: why calls have failed. Not every kernel tells (ENOTTY).
 */

#define IOMMUFD_WHY_NUMBERS 5

struct iommufd_refusal {
	uint64_t number;	/* counts all of the file, from 1 */
	uint64_t time;		/* CLOCK_MONOTONIC, in nanoseconds */
	uint32_t command;	/* see iommufd_command_name() */
	uint32_t thread;	/* as gettid() has it; 0 if not to be seen */
	uint32_t error;		/* the errno, positive */
	uint32_t why;		/* enum iommu_why of <linux/iommufd.h> */
	uint64_t numbers[IOMMUFD_WHY_NUMBERS];
};

/*
 * From number @first on, the oldest first. *nr is the room in @refusals before
 * and how many there are after.
 */
int iommufd_refusals(int iommufd, uint64_t first,
		     struct iommufd_refusal *refusals, uint32_t *nr);
/* -ENOENT: no call has failed. */
int iommufd_last_refusal(int iommufd, struct iommufd_refusal *refusal);

/* "iova-taken"; NULL if the library does not know it. */
const char *iommufd_why_name(uint32_t why);
/* The reverse; -ENOENT */
int iommufd_why_of_name(const char *name, uint32_t *why);
/* "IOMMU_IOAS_MAP", "attach"; NULL if the library does not know it. */
const char *iommufd_command_name(uint32_t command);

/*
 * A sentence, with the numbers in it; and what can be done about it, which may
 * be nothing.
 * Return: the length that all of it has, as snprintf() does.
 */
int iommufd_why_text(const struct iommufd_refusal *refusal, char *text,
		     size_t size);
int iommufd_why_advice(const struct iommufd_refusal *refusal, char *text,
		       size_t size);

#ifdef __cplusplus
}
#endif

#endif
