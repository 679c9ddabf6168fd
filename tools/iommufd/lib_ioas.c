// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of /dev/iommu and address spaces
 */
#include <fcntl.h>
#include <stdlib.h>

#include <linux/iommufd.h>

#include "lib_call.h"
#include "libiommufd.h"

LIB_SAME(sizeof(struct iommufd_range), sizeof(struct iommu_iova_range));
LIB_SAME(IOMMUFD_MAP_FIXED, IOMMU_IOAS_MAP_FIXED_IOVA);
LIB_SAME(IOMMUFD_MAP_WRITE, IOMMU_IOAS_MAP_WRITEABLE);
LIB_SAME(IOMMUFD_MAP_READ, IOMMU_IOAS_MAP_READABLE);

#define TEXT_OF(number) #number
#define VERSION_OF(major, minor, patch) \
	TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *iommufd_version(void)
{
	return VERSION_OF(LIBIOMMUFD_MAJOR, LIBIOMMUFD_MINOR,
			  LIBIOMMUFD_PATCH);
}

int iommufd_open(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int iommufd_destroy(int iommufd, uint32_t id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return lib_call(iommufd, IOMMU_DESTROY, &cmd);
}

int iommufd_charge_process(int iommufd)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_SET,
		.val64 = 1,
	};

	return lib_call(iommufd, IOMMU_OPTION, &cmd);
}

int iommufd_ioas_alloc(int iommufd, uint32_t *ioas)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int rc = lib_call(iommufd, IOMMU_IOAS_ALLOC, &cmd);

	if (!rc)
		*ioas = cmd.out_ioas_id;
	return rc;
}

int iommufd_ioas_ranges(int iommufd, uint32_t ioas,
			struct iommufd_range **ranges, uint32_t *nr,
			uint64_t *alignment)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = 16,
	};
	struct iommufd_range *array = NULL, *more;
	int rc;

	/* There may be more each time, as devices are attached. */
	do {
		more = realloc(array, cmd.num_iovas * sizeof(*array));
		if (!more) {
			rc = -ENOMEM;
			break;
		}
		array = more;
		cmd.allowed_iovas = (uintptr_t)array;
		rc = lib_call(iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd);
	} while (rc == -EMSGSIZE);
	if (rc) {
		free(array);
		return rc;
	}
	*ranges = array;
	*nr = cmd.num_iovas;
	if (alignment)
		*alignment = cmd.out_iova_alignment;
	return 0;
}

int iommufd_ioas_allow(int iommufd, uint32_t ioas,
		       const struct iommufd_range *ranges, uint32_t nr)
{
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = nr,
		.allowed_iovas = (uintptr_t)ranges,
	};

	return lib_call(iommufd, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

int iommufd_map(int iommufd, uint32_t ioas, unsigned int flags, const void *va,
		uint64_t length, uint64_t *iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = length,
		.iova = flags & IOMMUFD_MAP_FIXED ? *iova : 0,
	};
	int rc = lib_call(iommufd, IOMMU_IOAS_MAP, &cmd);

	if (!rc)
		*iova = cmd.iova;
	return rc;
}

int iommufd_map_file(int iommufd, uint32_t ioas, unsigned int flags, int fd,
		     uint64_t start, uint64_t length, uint64_t *iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = length,
		.iova = flags & IOMMUFD_MAP_FIXED ? *iova : 0,
	};
	int rc = lib_call(iommufd, IOMMU_IOAS_MAP_FILE, &cmd);

	if (!rc)
		*iova = cmd.iova;
	return rc;
}

int iommufd_copy(int iommufd, uint32_t ioas, unsigned int flags,
		 uint32_t src_ioas, uint64_t src_iova, uint64_t length,
		 uint64_t *iova)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dst_ioas_id = ioas,
		.src_ioas_id = src_ioas,
		.length = length,
		.dst_iova = flags & IOMMUFD_MAP_FIXED ? *iova : 0,
		.src_iova = src_iova,
	};
	int rc = lib_call(iommufd, IOMMU_IOAS_COPY, &cmd);

	if (!rc)
		*iova = cmd.dst_iova;
	return rc;
}

int iommufd_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t length,
		  uint64_t *unmapped)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};
	int rc = lib_call(iommufd, IOMMU_IOAS_UNMAP, &cmd);

	if (unmapped)
		*unmapped = rc ? 0 : cmd.length;
	return rc;
}

int iommufd_unmap_all(int iommufd, uint32_t ioas, uint64_t *unmapped)
{
	return iommufd_unmap(iommufd, ioas, 0, UINT64_MAX, unmapped);
}

int iommufd_change_process(int iommufd)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return lib_call(iommufd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}
