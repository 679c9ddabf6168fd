// SPDX-License-Identifier: GPL-2.0-only
/* The interfaces that a case is measured through, all of them in backends[]. */
#include <errno.h>
#include <unistd.h>

#include "bench.h"
#include "mock_lib.h"
#include "vfio_container.h"
#include "vfio_device.h"

/* -- /dev/iommu -- */

struct iommufd_space opened = { .iommufd = -1 };

static struct vfio_dev device;

static int own_ioctl(unsigned long command, void *argument, __u64 *cost)
{
	return timed_ioctl(opened.iommufd, command, argument, cost);
}

static void iommufd_backend_close(void)
{
	vfio_close(&device);
	close(opened.iommufd);
}

static int iommufd_backend_open(const char *bdf)
{
	int rc;

	opened.iommufd = iommufd_open();
	if (opened.iommufd < 0)
		return opened.iommufd;
	rc = vfio_open(&device, bdf);
	if (!rc)
		rc = vfio_bind(&device, opened.iommufd);
	if (!rc)
		rc = ioas_alloc(opened.iommufd, &opened.ioas);
	if (!rc)
		rc = vfio_attach(&device, opened.ioas);
	if (rc)
		iommufd_backend_close();
	return rc;
}

static int iommufd_backend_map(const struct source *source, size_t offset,
			       size_t length, __u64 iova, __u64 *cost)
{
	struct iommu_ioas_map_file file = {
		.size = sizeof(file),
		.flags = MAP_RW | MAP_AT,
		.ioas_id = opened.ioas,
		.fd = source->fd,
		.start = offset,
		.length = length,
		.iova = iova,
	};
	struct iommu_ioas_map anonymous = {
		.size = sizeof(anonymous),
		.flags = MAP_RW | MAP_AT,
		.ioas_id = opened.ioas,
		.user_va = (uintptr_t)source->mem.va + offset,
		.length = length,
		.iova = iova,
	};

	if (source->fd >= 0)
		return own_ioctl(IOMMU_IOAS_MAP_FILE, &file, cost);
	return own_ioctl(IOMMU_IOAS_MAP, &anonymous, cost);
}

static int iommufd_backend_unmap(__u64 iova, size_t length, __u64 *cost)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = opened.ioas,
		.iova = iova,
		.length = length,
	};

	return own_ioctl(IOMMU_IOAS_UNMAP, &cmd, cost);
}

static int iommufd_backend_unmap_all(__u64 *cost)
{
	return iommufd_backend_unmap(0, SIZE_MAX, cost);
}

static int iommufd_backend_fill(__u64 *cost)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = device.id,
		.pt_id = opened.ioas,
	};
	int rc = own_ioctl(IOMMU_HWPT_ALLOC, &cmd, cost);

	opened.hwpt = cmd.out_hwpt_id;
	return rc;
}

static int iommufd_backend_clear(__u64 *cost)
{
	struct iommu_destroy cmd = {
		.size = sizeof(cmd),
		.id = opened.hwpt,
	};

	return own_ioctl(IOMMU_DESTROY, &cmd, cost);
}

/* With a page table, so that what is mapped is pinned; no device uses it. */
static int iommufd_backend_add_space(void)
{
	__u64 cost;
	int rc = ioas_alloc(opened.iommufd, &opened.ioas);

	return rc ?: iommufd_backend_fill(&cost);
}

static int iommufd_backend_copy(__u64 from, size_t length, __u64 to,
				__u64 *cost)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = MAP_RW | MAP_AT,
		.dst_ioas_id = opened.ioas,
		.src_ioas_id = opened.ioas,
		.length = length,
		.dst_iova = to,
		.src_iova = from,
	};

	return own_ioctl(IOMMU_IOAS_COPY, &cmd, cost);
}

static int iommufd_backend_change_process(__u64 *cost)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return own_ioctl(IOMMU_IOAS_CHANGE_PROCESS, &cmd, cost);
}

static int iommufd_backend_idle(__u64 *cost)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET,
	};

	return own_ioctl(IOMMU_OPTION, &cmd, cost);
}

/*
 * -- /dev/iommu with the kernel's test device --
 *
 * Its page tables do what hardware's do, and what no emulated hardware can.
 */

static void mock_backend_close(void)
{
	close(opened.iommufd);
}

int mock_space_open(struct iommufd_space *space)
{
	struct iommu_test_hwpt data = { .pagetable_type = MOCK_IOMMUPT_HUGE };
	struct iommu_hwpt_alloc cmd = {
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	struct mock_device first, dev;
	__u32 other;
	int rc;

	if (space->iommufd < 0)
		space->iommufd = iommufd_open();
	if (space->iommufd < 0)
		return space->iommufd;
	/* a page table is made for a device, which has to be somewhere first */
	rc = ioas_alloc(space->iommufd, &other);
	if (!rc)
		rc = mock_domain(space->iommufd, other, &first);
	if (!rc)
		rc = ioas_alloc(space->iommufd, &space->ioas);
	if (rc)
		return rc;
	cmd.dev_id = first.idev;
	cmd.pt_id = space->ioas;
	rc = hwpt_alloc_ioctl(space->iommufd, &cmd);
	space->hwpt = cmd.out_hwpt_id;
	if (!rc)
		rc = mock_domain(space->iommufd, space->hwpt, &dev);
	if (!rc)
		rc = hwpt_set_dirty_tracking(space->iommufd, space->hwpt,
					     IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	return rc;
}

static int mock_backend_open(const char *bdf)
{
	int rc;

	opened.iommufd = -1;
	rc = mock_space_open(&opened);
	if (rc && opened.iommufd >= 0)
		mock_backend_close();
	return rc;
}

static int mock_backend_read_dirty(__u64 iova, size_t length, void *bitmap,
				   __u64 *cost)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = opened.hwpt,
		.iova = iova,
		.length = length,
		.page_size = SMALL_PAGE,
		.data = (uintptr_t)bitmap,
	};

	return own_ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd, cost);
}

/* -- a VFIO container, of VFIO or of iommufd -- */

static struct vfio_container container;

static void container_backend_close(void)
{
	container_close(&container);
}

static int open_container_of(const char *bdf, bool iommufds)
{
	int rc = container_open(&container, bdf);

	if (!rc && container_is_iommufd(&container) != iommufds) {
		container_close(&container);
		rc = -ENODEV;
	}
	return rc;
}

static int type1_backend_open(const char *bdf)
{
	return open_container_of(bdf, false);
}

static int compat_backend_open(const char *bdf)
{
	return open_container_of(bdf, true);
}

static int container_backend_map(const struct source *source, size_t offset,
				 size_t length, __u64 iova, __u64 *cost)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)source->mem.va + offset,
		.iova = iova,
		.size = length,
	};

	return timed_ioctl(container.fd, VFIO_IOMMU_MAP_DMA, &cmd, cost);
}

static int container_backend_unmap(__u64 iova, size_t length, __u64 *cost)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.iova = iova,
		.size = length,
	};

	return timed_ioctl(container.fd, VFIO_IOMMU_UNMAP_DMA, &cmd, cost);
}

static int container_backend_unmap_all(__u64 *cost)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};

	return timed_ioctl(container.fd, VFIO_IOMMU_UNMAP_DMA, &cmd, cost);
}

static int container_backend_idle(__u64 *cost)
{
	return timed_ioctl(container.fd, VFIO_GET_API_VERSION, NULL, cost);
}

/*
 * -- the same with the old type1 --
 *
 * A file of /dev/iommu is a container on each kernel that has one, whoever has
 * /dev/vfio/vfio.
 */

static int iommufd_old_type1_open(const char *bdf)
{
	return container_open_as(&container, "/dev/iommu", VFIO_TYPE1_IOMMU,
				 bdf);
}

static int vfio_old_type1_open(const char *bdf)
{
	int rc = container_open_as(&container, "/dev/vfio/vfio",
				   VFIO_TYPE1_IOMMU, bdf);

	if (!rc && container_is_iommufd(&container)) {
		container_close(&container);
		rc = -ENODEV;
	}
	return rc;
}

static const struct backend iommufd_old_type1 = {
	.name = "iommufd",
	.open = iommufd_old_type1_open,
	.close = container_backend_close,
	.map = container_backend_map,
	.unmap = container_backend_unmap,
};

static const struct backend vfio_old_type1 = {
	.name = "vfio-type1",
	.open = vfio_old_type1_open,
	.close = container_backend_close,
	.map = container_backend_map,
	.unmap = container_backend_unmap,
};

const struct backend backends[NR_BACKENDS] = {
	{
		.name = "iommufd",
		.open = iommufd_backend_open,
		.close = iommufd_backend_close,
		.map = iommufd_backend_map,
		.unmap = iommufd_backend_unmap,
		.unmap_all = iommufd_backend_unmap_all,
		.copy = iommufd_backend_copy,
		.change_process = iommufd_backend_change_process,
		.add_space = iommufd_backend_add_space,
		.fill = iommufd_backend_fill,
		.clear = iommufd_backend_clear,
		.old_type1 = &iommufd_old_type1,
		.idle = iommufd_backend_idle,
	}, {
		.name = "iommufd-mock",
		.open = mock_backend_open,
		.close = mock_backend_close,
		.map = iommufd_backend_map,
		.unmap = iommufd_backend_unmap,
		.unmap_all = iommufd_backend_unmap_all,
		.copy = iommufd_backend_copy,
		.change_process = iommufd_backend_change_process,
		.read_dirty = mock_backend_read_dirty,
		.idle = iommufd_backend_idle,
		.mock = true,
	}, {
		.name = "vfio-type1",
		.open = type1_backend_open,
		.close = container_backend_close,
		.map = container_backend_map,
		.unmap = container_backend_unmap,
		.unmap_all = container_backend_unmap_all,
		.old_type1 = &vfio_old_type1,
		.idle = container_backend_idle,
	}, {
		.name = "iommufd-compat",
		.open = compat_backend_open,
		.close = container_backend_close,
		.map = container_backend_map,
		.unmap = container_backend_unmap,
		.unmap_all = container_backend_unmap_all,
		.idle = container_backend_idle,
	},
};
