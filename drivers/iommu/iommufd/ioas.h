/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IOAS object: an address space that user space fills
 */
#ifndef __IOMMUFD_IOAS_H
#define __IOMMUFD_IOAS_H

#include "engine/address_space.h"
#include "object.h"

struct iommu_ioas_map;
struct iommu_iova_range;
struct iommufd_call;
struct iommufd_ctx;

/**
 * struct iommufd_ioas_vfio - what an IOAS is as a VFIO container
 * @unmaps_parts: a part of what was mapped can be unmapped
 * @hides_huge_pages: IOMMU_OPTION_HUGE_PAGES reads 0
 * @tracks_dirty: page tables track what devices write to; written to with the
 *                hwpts_lock held
 * @dirty_is_lost: a page table or an access has gone since @tracks_dirty was
 *                 set, and what it has written to is not known any more
 */
struct iommufd_ioas_vfio {
	bool unmaps_parts;
	bool hides_huge_pages;
	bool tracks_dirty;
	bool dirty_is_lost;
};

/**
 * struct iommufd_ioas - an IOAS
 * @obj: the object
 * @as: what is mapped
 * @hwpts_lock: guards @auto_hwpts, and the references that make its members
 *              live on; and changes of iommufd_ioas_vfio::tracks_dirty
 * @auto_hwpts: struct iommufd_hwpt_paging, the automatic page tables
 * @vfio: what is different if it stands for a VFIO container; may change at any
 *        time
 */
struct iommufd_ioas {
	struct iommufd_object obj;
	struct iommufd_address_space as;
	struct mutex hwpts_lock;	/* auto_hwpts, vfio.tracks_dirty */
	struct list_head auto_hwpts;
	struct iommufd_ioas_vfio vfio;
};

extern const struct iommufd_object_ops iommufd_ioas_object_ops;

struct iommufd_ioas *iommufd_ioas_create(struct iommufd_ctx *ctx);
struct iommu_iova_range *
iommufd_ioas_snapshot_ranges(struct iommufd_ioas *ioas, u32 room, u32 *total,
			     unsigned long *alignment);
int iommufd_ioas_map_for_process(struct iommufd_ctx *ctx,
				 struct iommufd_ioas *ioas,
				 const struct iommu_ioas_map *cmd);

static inline struct iommufd_ioas *to_ioas(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_ioas, obj);
}

static inline struct iommufd_ioas *iommufd_ioas_get(struct iommufd_ctx *ctx,
						    u32 id)
{
	struct iommufd_object *obj = iommufd_object_get(ctx, id,
							IOMMUFD_OBJ_IOAS);

	return IS_ERR(obj) ? ERR_CAST(obj) : to_ioas(obj);
}

int iommufd_ioas_alloc_ioctl(struct iommufd_call *call);
int iommufd_ioas_iova_ranges_ioctl(struct iommufd_call *call);
int iommufd_ioas_allow_iovas_ioctl(struct iommufd_call *call);
int iommufd_ioas_map_ioctl(struct iommufd_call *call);
int iommufd_ioas_map_file_ioctl(struct iommufd_call *call);
int iommufd_ioas_copy_ioctl(struct iommufd_call *call);
int iommufd_ioas_unmap_ioctl(struct iommufd_call *call);

#endif
