// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iommufd as a VFIO container: the ioctls of /dev/vfio/vfio
 *
 * Owns iommufd_ioas::vfio. Called by the file, for numbers that are not in the
 * ioctl table. VFIO's groups are given the file as their container; there is an
 * IOAS then, and these ioctls are about it.
 *
 * Errors are those of VFIO's own container and its type1 IOMMU driver, but for
 * calls without an IOAS, that is before there is a group: -ENODEV.
 */
#include <linux/capability.h>
#include <linux/iommufd.h>
#include <uapi/linux/vfio.h>

#include "ctx.h"
#include "engine/why.h"
#include "hwpt.h"
#include "ioas.h"
#include "vfio_container.h"
#include "vfio_dirty.h"
#include "vfio_ioas.h"
#include "vfio_type1.h"

static int container_find_incoherent(struct iommufd_follower *follower,
				     void *data)
{
	return !iommufd_hwpt_of_follower(follower)->enforce_cache_coherency;
}

/* Tells of the page tables that there are now; true if there are none. */
static int container_has_dma_cc(struct iommufd_ctx *ctx)
{
	struct iommufd_ioas *ioas;
	int incoherent;

	ioas = iommufd_vfio_ioas_get(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	incoherent = iommufd_address_space_each_follower
			(&ioas->as, container_find_incoherent, NULL);
	iommufd_object_put(ctx, &ioas->obj);
	return !incoherent;
}

static int container_check_extension(struct iommufd_ctx *ctx,
				     unsigned long type)
{
	switch (type) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return !iommufd_vfio_is_no_iommu(ctx);
	case VFIO_NOIOMMU_IOMMU:
		return IS_ENABLED(CONFIG_VFIO_NOIOMMU);
	case VFIO_DMA_CC_IOMMU:
		return container_has_dma_cc(ctx);
	default:
		/*
		 * VFIO_UPDATE_VADDR, too: instead of it there is
		 * IOMMU_IOAS_CHANGE_PROCESS.
		 */
		return 0;
	}
}

static int container_check_no_iommu(void)
{
	if (!capable(CAP_SYS_RAWIO))
		return iommufd_refuse(IOMMU_WHY_PRIVILEGE, CAP_SYS_RAWIO);
	return 0;
}

/*
 * May be called again, and the last call counts. The only difference of the old
 * type1 is that parts of maps can be unmapped. Programs that know iommufd
 * expect that it has no huge pages then, so they are told that.
 */
static int container_set_iommu(struct iommufd_ctx *ctx, unsigned long type)
{
	bool no_iommu = iommufd_vfio_is_no_iommu(ctx);
	struct iommufd_ioas *ioas;

	if (no_iommu && type == VFIO_NOIOMMU_IOMMU)
		return container_check_no_iommu();
	if (no_iommu ||
	    (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU))
		return iommufd_refuse(IOMMU_WHY_VFIO_TYPE, type);

	ioas = iommufd_vfio_ioas_get(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	WRITE_ONCE(ioas->vfio.unmaps_parts, type == VFIO_TYPE1_IOMMU);
	iommufd_address_space_set_cuttable(&ioas->as, type == VFIO_TYPE1_IOMMU);
	WRITE_ONCE(ioas->vfio.hides_huge_pages, type == VFIO_TYPE1_IOMMU);
	iommufd_object_put(ctx, &ioas->obj);
	return 0;
}

/**
 * iommufd_vfio_container_ioctl - an ioctl of a VFIO container
 * @ctx: the context
 * @request: its full number
 * @arg: an address in user memory, or a number
 *
 * Context: process context, may sleep.
 * Return: what the caller is to be told, or a refusal.
 */
long iommufd_vfio_container_ioctl(struct iommufd_ctx *ctx, unsigned int request,
				  unsigned long arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return container_check_extension(ctx, arg);
	case VFIO_SET_IOMMU:
		return container_set_iommu(ctx, arg);
	case VFIO_IOMMU_GET_INFO:
		return iommufd_vfio_get_info_ioctl(ctx, (void __user *)arg);
	case VFIO_IOMMU_MAP_DMA:
		return iommufd_vfio_map_dma_ioctl(ctx, (void __user *)arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return iommufd_vfio_unmap_dma_ioctl(ctx, (void __user *)arg);
	case VFIO_IOMMU_DIRTY_PAGES:
		return iommufd_vfio_dirty_pages_ioctl(ctx, (void __user *)arg);
	default:
		return iommufd_refuse(IOMMU_WHY_COMMAND);
	}
}
