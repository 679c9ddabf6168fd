// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "checked_io.h"
#include "mock_lib.h"

int mock_ioctl(int iommufd, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	return checked_ioctl(iommufd, IOMMU_TEST_CMD, cmd);
}

bool mock_available(int iommufd)
{
	struct iommu_test_cmd cmd = {};

	/* no such operation, of an ioctl that there is */
	return mock_ioctl(iommufd, &cmd) == -EOPNOTSUPP;
}

static int new_device(int iommufd, struct iommu_test_cmd *cmd,
		      struct mock_device *dev)
{
	int rc = mock_ioctl(iommufd, cmd);

	if (rc)
		return rc;
	dev->stdev = cmd->mock_domain.out_stdev_id;
	dev->hwpt = cmd->mock_domain.out_hwpt_id;
	dev->idev = cmd->mock_domain.out_idev_id;
	return 0;
}

int mock_domain(int iommufd, __u32 pt, struct mock_device *dev)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
		.id = pt,
	};

	return new_device(iommufd, &cmd, dev);
}

int mock_domain_flags(int iommufd, __u32 pt, __u32 flags,
		      struct mock_device *dev)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
		.id = pt,
		.mock_domain.dev_flags = flags,
	};

	return new_device(iommufd, &cmd, dev);
}

int mock_domain_joined(int iommufd, __u32 pt, __u32 flags,
		       struct mock_device *dev)
{
	int rc = mock_join_group(true);

	if (!rc)
		rc = mock_domain_flags(iommufd, pt, flags, dev);
	mock_join_group(false);
	return rc;
}

int mock_domain_replace(int iommufd, __u32 stdev, __u32 *pt)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		.id = stdev,
		.mock_domain_replace.pt_id = *pt,
	};
	int rc = mock_ioctl(iommufd, &cmd);

	if (!rc)
		*pt = cmd.mock_domain_replace.pt_id;
	return rc;
}

int mock_move(int iommufd, const struct mock_device *dev, __u32 pt)
{
	return mock_domain_replace(iommufd, dev->stdev, &pt);
}

int mock_destroy(int iommufd, const struct mock_device *dev)
{
	return iommufd_destroy(iommufd, dev->stdev);
}

int mock_devices(void)
{
	DIR *dir = opendir("/sys/bus/iommufd_mock/devices");
	struct dirent *entry;
	int count = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

int mock_add_reserved(int iommufd, __u32 ioas, __u64 start, __u64 length)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_ADD_RESERVED,
		.id = ioas,
		.add_reserved = { .start = start, .length = length },
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_check_map(int iommufd, __u32 hwpt, __u64 iova, __u64 length,
		   const void *va)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MD_CHECK_MAP,
		.id = hwpt,
		.check_map = {
			.iova = iova,
			.length = length,
			.uptr = (uintptr_t)va,
		},
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_check_hole(int iommufd, __u32 hwpt, __u64 iova, __u64 length)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MD_CHECK_HOLE,
		.id = hwpt,
		.check_map = { .iova = iova, .length = length },
	};

	return mock_ioctl(iommufd, &cmd);
}

static int check_pages(int iommufd, __u32 op, const void *va, __u64 length,
		       __u32 refs)
{
	struct iommu_test_cmd cmd = {
		.op = op,
		.check_refs = {
			.length = length,
			.uptr = (uintptr_t)va,
			.refs = refs,
		},
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_check_refs(int iommufd, const void *va, __u64 length, __u32 refs)
{
	return check_pages(iommufd, IOMMU_TEST_OP_MD_CHECK_REFS, va, length,
			   refs);
}

int mock_check_pins(int iommufd, const void *va, __u64 length, __u32 pins)
{
	return check_pages(iommufd, IOMMU_TEST_OP_CHECK_PINS, va, length, pins);
}

int mock_memory_limit(int iommufd, __u32 limit)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT,
		.memory_limit.limit = limit ? limit : MOCK_MEMORY_LIMIT_DEFAULT,
	};

	return mock_ioctl(iommufd, &cmd);
}

long mock_iotlb_syncs(void)
{
	char text[32];
	int rc;

	rc = file_read("/sys/kernel/debug/iommufd_mock/iotlb_syncs", text,
		       sizeof(text));
	return rc ? rc : strtol(text, NULL, 10);
}

int mock_access(int iommufd, __u32 ioas, __u32 flags)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_CREATE_ACCESS,
		.id = ioas,
		.create_access.flags = flags,
	};
	int rc = mock_ioctl(iommufd, &cmd);

	return rc ? rc : (int)cmd.create_access.out_access_fd;
}

int mock_access_replace(int iommufd, int access, __u32 ioas)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_ACCESS_REPLACE_IOAS,
		.id = access,
		.access_replace_ioas.ioas_id = ioas,
	};

	return mock_ioctl(iommufd, &cmd);
}

struct iommu_test_cmd mock_access_pin_cmd(int access, __u32 flags, __u64 iova,
					  __u64 length, const void *va)
{
	return (struct iommu_test_cmd){
		.op = IOMMU_TEST_OP_ACCESS_PAGES,
		.id = access,
		.access_pages = {
			.flags = flags,
			.iova = iova,
			.length = length,
			.uptr = (uintptr_t)va,
		},
	};
}

int mock_access_pin(int iommufd, int access, __u32 flags, __u64 iova,
		    __u64 length, const void *va, __u32 *item)
{
	struct iommu_test_cmd cmd = mock_access_pin_cmd(access, flags, iova,
							length, va);
	int rc = mock_ioctl(iommufd, &cmd);

	if (!rc)
		*item = cmd.access_pages.out_access_pages_id;
	return rc;
}

struct iommu_test_cmd mock_access_unpin_cmd(int access, __u32 item)
{
	return (struct iommu_test_cmd){
		.op = IOMMU_TEST_OP_DESTROY_ACCESS_PAGES,
		.id = access,
		.destroy_access_pages.access_pages_id = item,
	};
}

int mock_access_unpin(int iommufd, int access, __u32 item)
{
	struct iommu_test_cmd cmd = mock_access_unpin_cmd(access, item);

	return mock_ioctl(iommufd, &cmd);
}

struct iommu_test_cmd mock_access_rw_cmd(int access, __u32 flags, __u64 iova,
					 __u64 length, void *va)
{
	return (struct iommu_test_cmd){
		.op = IOMMU_TEST_OP_ACCESS_RW,
		.id = access,
		.access_rw = {
			.iova = iova,
			.length = length,
			.uptr = (uintptr_t)va,
			.flags = flags,
		},
	};
}

int mock_access_rw(int iommufd, int access, __u32 flags, __u64 iova,
		   __u64 length, void *va)
{
	struct iommu_test_cmd cmd = mock_access_rw_cmd(access, flags, iova,
						       length, va);

	return mock_ioctl(iommufd, &cmd);
}

int mock_dirty(int iommufd, __u32 hwpt, __u64 iova, __u64 length,
	       __u64 page_size, const void *bitmap, __u64 *nr_dirty)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_DIRTY,
		.id = hwpt,
		.dirty = {
			.iova = iova,
			.length = length,
			.page_size = page_size,
			.uptr = (uintptr_t)bitmap,
		},
	};
	int rc = mock_ioctl(iommufd, &cmd);

	if (!rc && nr_dirty)
		*nr_dirty = cmd.dirty.out_nr_dirty;
	return rc;
}

int mock_hwpt_alloc(int iommufd, __u32 idev, __u32 pt, __u32 flags,
		    const struct iommu_test_hwpt *data, __u32 *hwpt)
{
	struct iommu_hwpt_alloc cmd = {
		.flags = flags,
		.dev_id = idev,
		.pt_id = pt,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(*data),
		.data_uptr = (uintptr_t)data,
	};
	int rc = hwpt_alloc_ioctl(iommufd, &cmd);

	if (!rc)
		*hwpt = cmd.out_hwpt_id;
	return rc;
}

int mock_nested(int iommufd, __u32 idev, __u32 parent, __u32 flags,
		__u32 iotlb, __u32 *nested_hwpt)
{
	const struct iommu_test_hwpt data = { .iotlb = iotlb };

	return mock_hwpt_alloc(iommufd, idev, parent, flags, &data,
			       nested_hwpt);
}

int mock_invalidate(int iommufd, __u32 id, __u32 type, const void *entries,
		    __u32 entry_len, __u32 *count)
{
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = id,
		.data_uptr = (uintptr_t)entries,
		.data_type = type,
		.entry_len = entry_len,
		.entry_num = *count,
	};
	int rc = hwpt_invalidate_ioctl(iommufd, &cmd);

	*count = cmd.entry_num;
	return rc;
}

int mock_check_iotlb(int iommufd, __u32 nested_hwpt, __u32 word, __u32 value)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MD_CHECK_IOTLB,
		.id = nested_hwpt,
		.check_iotlb = { .id = word, .iotlb = value },
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_check_cache(int iommufd, __u32 idev, __u32 word, __u32 value)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_DEV_CHECK_CACHE,
		.id = idev,
		.check_dev_cache = { .id = word, .cache = value },
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_viommu(int iommufd, __u32 idev, __u32 parent,
		struct iommu_test_viommu *data, __u32 *viommu)
{
	struct iommu_viommu_alloc cmd = {
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = idev,
		.hwpt_id = parent,
		.data_len = data ? sizeof(*data) : 0,
		.data_uptr = (uintptr_t)data,
	};
	int rc = viommu_alloc_ioctl(iommufd, &cmd);

	if (!rc)
		*viommu = cmd.out_viommu_id;
	return rc;
}

int mock_hw_queue(int iommufd, __u32 viommu, __u32 index, __u64 iova,
		  __u64 length, __u32 *queue)
{
	struct iommu_hw_queue_alloc cmd = {
		.viommu_id = viommu,
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.index = index,
		.nesting_parent_iova = iova,
		.length = length,
	};
	int rc = hw_queue_alloc_ioctl(iommufd, &cmd);

	if (!rc)
		*queue = cmd.out_hw_queue_id;
	return rc;
}

int mock_trigger_iopf(int iommufd, __u32 idev, __u32 pasid, __u32 group,
		      __u32 perm, __u64 addr)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {
			.dev_id = idev,
			.pasid = pasid,
			.grpid = group,
			.perm = perm,
			.addr = addr,
		},
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_stop_dma(int iommufd, __u32 idev, __u32 pasid, __u32 perm, __u64 addr)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_STOP_DMA,
		.trigger_iopf = {
			.dev_id = idev,
			.pasid = pasid,
			.perm = perm,
			.addr = addr,
		},
	};

	return mock_ioctl(iommufd, &cmd);
}

#define DEVICES "/sys/kernel/debug/iommufd_mock_devices/"

int mock_group_size(unsigned int size)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", size);
	return file_write(DEVICES "requests_per_group", text);
}

int mock_join_group(bool join)
{
	return file_write(DEVICES "join_group", join ? "1" : "0");
}

static int read_counter(const char *path, long *value)
{
	char text[32];
	int rc = file_read(path, text, sizeof(text));

	if (!rc)
		*value = strtol(text, NULL, 10);
	return rc;
}

int mock_answers(struct mock_answers *answers)
{
	return read_counter(DEVICES "succeeded", &answers->succeeded) ?:
	       read_counter(DEVICES "invalid", &answers->invalid) ?:
	       read_counter(DEVICES "failed", &answers->failed);
}

int mock_asked(struct mock_asked *asked)
{
	return read_counter(DEVICES "asked", &asked->calls) ?:
	       read_counter(DEVICES "asked_pages", &asked->pages) ?:
	       read_counter(DEVICES "asked_nonsense", &asked->nonsense);
}

int mock_access_deaf(int times)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", times);
	return file_write(DEVICES "deaf", text);
}

int mock_trigger_vevent(int iommufd, __u32 idev)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_TRIGGER_VEVENT,
		.trigger_vevent.dev_id = idev,
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_pasid_attach(int iommufd, __u32 stdev, __u32 pasid, __u32 *pt)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_PASID_ATTACH,
		.id = stdev,
		.pasid_attach = { .pasid = pasid, .pt_id = *pt },
	};
	int rc = mock_ioctl(iommufd, &cmd);

	if (!rc)
		*pt = cmd.pasid_attach.pt_id;
	return rc;
}

int mock_pasid_replace(int iommufd, __u32 stdev, __u32 pasid, __u32 *pt)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_PASID_REPLACE,
		.id = stdev,
		.pasid_replace = { .pasid = pasid, .pt_id = *pt },
	};
	int rc = mock_ioctl(iommufd, &cmd);

	if (!rc)
		*pt = cmd.pasid_replace.pt_id;
	return rc;
}

int mock_pasid_detach(int iommufd, __u32 stdev, __u32 pasid)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_PASID_DETACH,
		.id = stdev,
		.pasid_detach.pasid = pasid,
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_pasid_check(int iommufd, __u32 stdev, __u32 pasid, __u32 hwpt)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_PASID_CHECK_HWPT,
		.id = stdev,
		.pasid_check = { .pasid = pasid, .hwpt_id = hwpt },
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_dmabuf(int iommufd, __u32 length, __u32 open_flags)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_DMABUF_GET,
		.dmabuf_get = { .length = length, .open_flags = open_flags },
	};

	return mock_ioctl(iommufd, &cmd);
}

int mock_dmabuf_revoke(int iommufd, int dmabuf, bool revoked)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_DMABUF_REVOKE,
		.dmabuf_revoke = { .dmabuf_fd = dmabuf, .revoked = revoked },
	};

	return mock_ioctl(iommufd, &cmd);
}
