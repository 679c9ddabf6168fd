// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables of a program's own, and the page requests of devices
 */
#include <stdlib.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "lib_call.h"
#include "libiommufd.h"

LIB_SAME(IOMMUFD_HWPT_NEST_PARENT, IOMMU_HWPT_ALLOC_NEST_PARENT);
LIB_SAME(IOMMUFD_HWPT_DIRTY_TRACKING, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
LIB_SAME(IOMMUFD_HWPT_PASID, IOMMU_HWPT_ALLOC_PASID);
LIB_SAME(IOMMUFD_FAULT_READ, IOMMU_PGFAULT_PERM_READ);
LIB_SAME(IOMMUFD_FAULT_WRITE, IOMMU_PGFAULT_PERM_WRITE);
LIB_SAME(IOMMUFD_FAULT_EXEC, IOMMU_PGFAULT_PERM_EXEC);
LIB_SAME(IOMMUFD_FAULT_PRIV, IOMMU_PGFAULT_PERM_PRIV);

int iommufd_hwpt_alloc(int iommufd, uint32_t device, uint32_t ioas,
		       unsigned int flags, uint32_t fault_queue,
		       uint32_t *hwpt)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = device,
		.pt_id = ioas,
	};
	int rc;

	if (fault_queue) {
		cmd.flags |= IOMMU_HWPT_FAULT_ID_VALID;
		cmd.fault_id = fault_queue;
	}
	rc = lib_call(iommufd, IOMMU_HWPT_ALLOC, &cmd);
	if (!rc)
		*hwpt = cmd.out_hwpt_id;
	return rc;
}

int iommufd_hwpt_track_dirty(int iommufd, uint32_t hwpt, bool on)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0,
		.hwpt_id = hwpt,
	};

	return lib_call(iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

int iommufd_hwpt_read_dirty(int iommufd, uint32_t hwpt, uint64_t iova,
			    uint64_t length, uint64_t page_size, bool keep,
			    void *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = keep ? IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR : 0,
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.data = (uintptr_t)bitmap,
	};

	return lib_call(iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

int iommufd_fault_queue_alloc(int iommufd, uint32_t *id, int *fd)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = lib_call(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	if (!rc) {
		*id = cmd.out_fault_id;
		*fd = cmd.out_fault_fd;
	}
	return rc;
}

static void fault_from_kernel(struct iommufd_fault *fault,
			      const struct iommu_hwpt_pgfault *from)
{
	*fault = (struct iommufd_fault){
		.iova = from->addr,
		.length = from->length,
		.device = from->dev_id,
		.pasid = from->pasid,
		.access = from->perm,
		.cookie = from->cookie,
		.has_pasid = from->flags & IOMMU_PGFAULT_FLAGS_PASID_VALID,
		.last = from->flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE,
	};
}

int iommufd_fault_read(int fd, struct iommufd_fault *faults, unsigned int nr)
{
	struct iommu_hwpt_pgfault *records;
	ssize_t size;
	int i, rc;

	records = calloc(nr, sizeof(*records));
	if (!records)
		return -ENOMEM;
	size = read(fd, records, nr * sizeof(*records));
	/* The file does not wait, and says with nothing that there is none. */
	rc = size < 0 ? -errno : (int)(size / sizeof(*records));
	for (i = 0; i < rc; i++)
		fault_from_kernel(&faults[i], &records[i]);
	free(records);
	return rc ? rc : -EAGAIN;
}

int iommufd_fault_answer(int fd, uint32_t cookie, bool good)
{
	struct iommu_hwpt_page_response answer = {
		.cookie = cookie,
		.code = good ? IOMMUFD_PAGE_RESP_SUCCESS :
			       IOMMUFD_PAGE_RESP_INVALID,
	};
	ssize_t size = write(fd, &answer, sizeof(answer));

	return size < 0 ? -errno : 0;
}
