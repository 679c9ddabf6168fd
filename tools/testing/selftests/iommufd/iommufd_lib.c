// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdint.h>

#include "checked_io.h"
#include "iommufd_lib.h"
#include "libiommufd.h"

int ioas_alloc(int iommufd, __u32 *ioas)
{
	return iommufd_ioas_alloc(iommufd, ioas);
}

int ioas_map(int iommufd, __u32 ioas, const void *va, __u64 length,
	     __u64 *iova)
{
	return ioas_map_flags(iommufd, ioas, MAP_RW, va, length, iova);
}

int ioas_map_at(int iommufd, __u32 ioas, const void *va, __u64 length,
		__u64 iova)
{
	return ioas_map_flags(iommufd, ioas, MAP_RW | MAP_AT, va, length,
			      &iova);
}

int ioas_map_flags(int iommufd, __u32 ioas, __u32 flags, const void *va,
		   __u64 length, __u64 *iova)
{
	uint64_t at = flags & MAP_AT ? *iova : 0;
	int rc = iommufd_map(iommufd, ioas, flags, va, length, &at);

	*iova = at;
	return rc;
}

int ioas_map_file(int iommufd, __u32 ioas, __u32 flags, int fd, __u64 start,
		  __u64 length, __u64 *iova)
{
	uint64_t at = flags & MAP_AT ? *iova : 0;
	int rc = iommufd_map_file(iommufd, ioas, flags, fd, start, length, &at);

	*iova = at;
	return rc;
}

int ioas_map_file_at(int iommufd, __u32 ioas, __u32 flags, int fd, __u64 start,
		     __u64 length, __u64 iova)
{
	return ioas_map_file(iommufd, ioas, flags | MAP_AT, fd, start, length,
			     &iova);
}

int ioas_copy(int iommufd, __u32 flags, __u32 dst_ioas, __u32 src_ioas,
	      __u64 src_iova, __u64 length, __u64 *dst_iova)
{
	uint64_t at = flags & MAP_AT ? *dst_iova : 0;
	int rc = iommufd_copy(iommufd, dst_ioas, flags, src_ioas, src_iova,
			      length, &at);

	*dst_iova = at;
	return rc;
}

int ioas_copy_at(int iommufd, __u32 dst_ioas, __u32 src_ioas, __u64 src_iova,
		 __u64 length, __u64 dst_iova)
{
	return ioas_copy(iommufd, MAP_RW | MAP_AT, dst_ioas, src_ioas, src_iova,
			 length, &dst_iova);
}

int ioas_unmap(int iommufd, __u32 ioas, __u64 iova, __u64 length,
	       __u64 *unmapped)
{
	uint64_t bytes;
	int rc = iommufd_unmap(iommufd, ioas, iova, length, &bytes);

	if (unmapped)
		*unmapped = bytes;
	return rc;
}

int ioas_unmap_all(int iommufd, __u32 ioas, __u64 *unmapped)
{
	uint64_t bytes;
	int rc = iommufd_unmap_all(iommufd, ioas, &bytes);

	if (unmapped)
		*unmapped = bytes;
	return rc;
}

int ioas_change_process(int iommufd)
{
	return iommufd_change_process(iommufd);
}

int ioas_iova_ranges(int iommufd, __u32 ioas, struct iommu_iova_range *ranges,
		     __u32 *count, __u64 *alignment)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = *count,
		.allowed_iovas = (uintptr_t)ranges,
	};
	int rc = checked_ioctl(iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd);

	*count = cmd.num_iovas;
	if (alignment)
		*alignment = cmd.out_iova_alignment;
	return rc;
}

int ioas_allow_iovas(int iommufd, __u32 ioas,
		     const struct iommu_iova_range *ranges, __u32 count)
{
	return iommufd_ioas_allow(iommufd, ioas,
				  (const struct iommufd_range *)ranges, count);
}

static int option(int iommufd, __u16 op, __u32 option_id, __u32 id,
		  __u64 *value)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = option_id,
		.op = op,
		.object_id = id,
		.val64 = *value,
	};
	int rc = checked_ioctl(iommufd, IOMMU_OPTION, &cmd);

	if (!rc)
		*value = cmd.val64;
	return rc;
}

int iommufd_option_get(int iommufd, __u32 option_id, __u32 id, __u64 *value)
{
	*value = 0;
	return option(iommufd, IOMMU_OPTION_OP_GET, option_id, id, value);
}

int vfio_ioas(int iommufd, __u16 op, __u32 *id)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = op,
		.ioas_id = *id,
	};
	int rc = checked_ioctl(iommufd, IOMMU_VFIO_IOAS, &cmd);

	*id = cmd.ioas_id;
	return rc;
}

int iommufd_option_set(int iommufd, __u32 option_id, __u32 id, __u64 value)
{
	return option(iommufd, IOMMU_OPTION_OP_SET, option_id, id, &value);
}

int hwpt_alloc_ioctl(int iommufd, struct iommu_hwpt_alloc *cmd)
{
	cmd->size = sizeof(*cmd);
	return checked_ioctl(iommufd, IOMMU_HWPT_ALLOC, cmd);
}

int hw_info_ioctl(int iommufd, struct iommu_hw_info *cmd)
{
	cmd->size = sizeof(*cmd);
	return checked_ioctl(iommufd, IOMMU_GET_HW_INFO, cmd);
}

int fault_queue_alloc(int iommufd, __u32 *fault_id, int *fd)
{
	return iommufd_fault_queue_alloc(iommufd, fault_id, fd);
}

int hwpt_invalidate_ioctl(int iommufd, struct iommu_hwpt_invalidate *cmd)
{
	cmd->size = sizeof(*cmd);
	return checked_ioctl(iommufd, IOMMU_HWPT_INVALIDATE, cmd);
}

int viommu_alloc_ioctl(int iommufd, struct iommu_viommu_alloc *cmd)
{
	cmd->size = sizeof(*cmd);
	return checked_ioctl(iommufd, IOMMU_VIOMMU_ALLOC, cmd);
}

int vdevice_alloc_ioctl(int iommufd, struct iommu_vdevice_alloc *cmd)
{
	cmd->size = sizeof(*cmd);
	return checked_ioctl(iommufd, IOMMU_VDEVICE_ALLOC, cmd);
}

int vdevice_alloc(int iommufd, __u32 viommu, __u32 dev_id, __u64 virt_id,
		  __u32 *vdevice)
{
	struct iommu_vdevice_alloc cmd = {
		.viommu_id = viommu,
		.dev_id = dev_id,
		.virt_id = virt_id,
	};
	int rc = vdevice_alloc_ioctl(iommufd, &cmd);

	if (!rc)
		*vdevice = cmd.out_vdevice_id;
	return rc;
}

int veventq_alloc_ioctl(int iommufd, struct iommu_veventq_alloc *cmd)
{
	cmd->size = sizeof(*cmd);
	return checked_ioctl(iommufd, IOMMU_VEVENTQ_ALLOC, cmd);
}

int veventq_alloc(int iommufd, __u32 viommu, __u32 type, __u32 depth,
		  __u32 *veventq, int *fd)
{
	struct iommu_veventq_alloc cmd = {
		.viommu_id = viommu,
		.type = type,
		.veventq_depth = depth,
	};
	int rc = veventq_alloc_ioctl(iommufd, &cmd);

	if (!rc) {
		*veventq = cmd.out_veventq_id;
		*fd = cmd.out_veventq_fd;
	}
	return rc;
}

int hw_queue_alloc_ioctl(int iommufd, struct iommu_hw_queue_alloc *cmd)
{
	cmd->size = sizeof(*cmd);
	return checked_ioctl(iommufd, IOMMU_HW_QUEUE_ALLOC, cmd);
}

int pasid_alloc_ioctl(int iommufd, struct iommu_pasid_alloc *cmd)
{
	cmd->size = sizeof(*cmd);
	return checked_ioctl(iommufd, IOMMU_PASID_ALLOC, cmd);
}

int pasid_alloc(int iommufd, __u32 dev_id, __u32 *pasid, __u32 *id)
{
	return iommufd_pasid_alloc(iommufd, dev_id, pasid, id);
}

int hwpt_alloc(int iommufd, __u32 dev_id, __u32 ioas, __u32 flags,
	       __u32 *hwpt)
{
	return iommufd_hwpt_alloc(iommufd, dev_id, ioas, flags, 0, hwpt);
}

int hwpt_set_dirty_tracking(int iommufd, __u32 hwpt, __u32 flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.hwpt_id = hwpt,
	};

	return checked_ioctl(iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

int hwpt_get_dirty_bitmap(int iommufd, __u32 hwpt, __u32 flags, __u64 iova,
			  __u64 length, __u64 page_size, void *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = flags,
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.data = (uintptr_t)bitmap,
	};

	return checked_ioctl(iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

int refusals_get(int iommufd, __u64 first, struct iommu_refusal *entries,
		 __u32 *nr)
{
	struct iommu_get_refusals cmd = {
		.size = sizeof(cmd),
		.first = first,
		.entry_size = sizeof(*entries),
		.nr = *nr,
		.entries = (uintptr_t)entries,
	};
	int rc = checked_ioctl(iommufd, IOMMU_GET_REFUSALS, &cmd);

	if (!rc)
		*nr = cmd.nr;
	return rc;
}

int refusal_last(int iommufd, __u64 first, struct iommu_refusal *last)
{
	struct iommu_refusal entries[REFUSALS_KEPT];
	__u32 nr = REFUSALS_KEPT;
	int rc;

	rc = refusals_get(iommufd, first, entries, &nr);
	if (rc)
		return rc;
	if (!nr)
		return -ENOENT;
	*last = entries[nr - 1];
	return 0;
}

int records_get(int iommufd, __u64 first, struct iommu_record *entries,
		__u32 *nr)
{
	struct iommu_get_records cmd = {
		.size = sizeof(cmd),
		.first = first,
		.entry_size = sizeof(*entries),
		.nr = *nr,
		.entries = (uintptr_t)entries,
	};
	int rc = checked_ioctl(iommufd, IOMMU_GET_RECORDS, &cmd);

	if (!rc)
		*nr = cmd.nr;
	return rc;
}

int recorder_set_length(int iommufd, __u32 length)
{
	struct iommu_set_recorder cmd = {
		.size = sizeof(cmd),
		.length = length,
	};

	return checked_ioctl(iommufd, IOMMU_SET_RECORDER, &cmd);
}
