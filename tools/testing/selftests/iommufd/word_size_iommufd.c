// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of /dev/iommu
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/memfd.h>

#include "word_size.h"

#define RW (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define AT IOMMU_IOAS_MAP_FIXED_IOVA

__u32 call_ioas_alloc(int fd)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };

	CALL(fd, IOMMU_IOAS_ALLOC, &cmd);
	return cmd.out_ioas_id;
}

void call_destroy(int fd, __u32 id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	CALL(fd, IOMMU_DESTROY, &cmd);
}

void call_map(int fd, __u32 ioas, __u64 va, __u64 iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = RW | AT,
		.ioas_id = ioas,
		.user_va = va,
		.length = MEMORY_SIZE,
		.iova = iova,
	};

	CALL(fd, IOMMU_IOAS_MAP, &cmd);
}

void call_unmap(int fd, __u32 ioas, __u64 iova, __u64 length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};

	CALL(fd, IOMMU_IOAS_UNMAP, &cmd);
}

static void call_option(int fd, __u32 option, __u32 id)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = option,
		.op = IOMMU_OPTION_OP_GET,
		.object_id = id,
	};

	CALL(fd, IOMMU_OPTION, &cmd);
	cmd.op = IOMMU_OPTION_OP_SET;
	CALL(fd, IOMMU_OPTION, &cmd);
}

void call_iova_ranges(int fd, __u32 ioas)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = 8,
		.allowed_iovas = RESULTS,
	};

	CALL(fd, IOMMU_IOAS_IOVA_RANGES, &cmd);
	show_memory("ranges", RESULTS, 8 * sizeof(struct iommu_iova_range));
}

static void call_allow_iovas(int fd, __u32 ioas)
{
	struct iommu_iova_range *range = (void *)RESULTS;
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = 1,
		.allowed_iovas = RESULTS,
	};

	*range = (struct iommu_iova_range){ IOVA, 1ULL << 40 };
	CALL(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
	/* from here on none is the kernel's choice only */
	cmd.num_iovas = 0;
	CALL(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

static void call_copy(int fd, __u32 ioas, __u64 from, __u64 to)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = RW | AT,
		.dst_ioas_id = ioas,
		.src_ioas_id = ioas,
		.length = 2 * PAGE,
		.dst_iova = to,
		.src_iova = from,
	};

	CALL(fd, IOMMU_IOAS_COPY, &cmd);
}

static void call_map_file(int fd, __u32 ioas, __u64 iova)
{
	int file = memfd_create("memory", MFD_CLOEXEC);
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = RW | AT,
		.ioas_id = ioas,
		.fd = file,
		.start = PAGE,
		.length = PAGE,
		.iova = iova,
	};

	if (file < 0 || ftruncate(file, 4 * PAGE))
		failures++;
	CALL(fd, IOMMU_IOAS_MAP_FILE, &cmd);
	close(file);
}

static void call_vfio_ioas(int fd, __u32 ioas)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .ioas_id = ioas };

	cmd.op = IOMMU_VFIO_IOAS_SET;
	CALL(fd, IOMMU_VFIO_IOAS, &cmd);
	cmd.op = IOMMU_VFIO_IOAS_GET;
	CALL(fd, IOMMU_VFIO_IOAS, &cmd);
	cmd.op = IOMMU_VFIO_IOAS_CLEAR;
	CALL(fd, IOMMU_VFIO_IOAS, &cmd);
}

static void call_change_process(int fd)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	CALL(fd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

/* The IOAS is none of a device without an IOMMU. */
static void call_noiommu_get_pa(int fd, __u32 ioas)
{
	struct iommu_ioas_noiommu_get_pa cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = IOVA,
		.length = PAGE,
	};

	/* Not where all devices have one */
	if (ioctl(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd) && errno == ENOTTY)
		return;
	CALL_FOR(-EOPNOTSUPP, fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd);
}

/* Of the test device's structure a part is what the kernel leaves alone. */
static struct iommu_test_cmd call_mock(int fd, struct iommu_test_cmd cmd)
{
	cmd.size = sizeof(cmd);
	CALL(fd, IOMMU_TEST_CMD, &cmd);
	return cmd;
}

struct iommu_test_cmd plug(int fd, __u32 pt)
{
	return call_mock(fd, (struct iommu_test_cmd){
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
		.id = pt,
		.mock_domain.dev_flags = MOCK_FLAGS_DEVICE_PASID,
	});
}

static void move(int fd, __u32 stdev, __u32 pt)
{
	call_mock(fd, (struct iommu_test_cmd){
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		.id = stdev,
		.mock_domain_replace.pt_id = pt,
	});
}

void call_hw_info(int fd, __u32 dev)
{
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = dev,
		.data_len = 64,
		.data_uptr = RESULTS,
	};

	memset((void *)RESULTS, 0xff, PAGE);
	CALL(fd, IOMMU_GET_HW_INFO, &cmd);
	show_memory("hardware", RESULTS, 64);
}

static __u32 call_hwpt_alloc(int fd, struct iommu_hwpt_alloc cmd)
{
	cmd.size = sizeof(cmd);
	CALL(fd, IOMMU_HWPT_ALLOC, &cmd);
	return cmd.out_hwpt_id;
}

static void call_dirty(int fd, __u32 hwpt)
{
	struct iommu_hwpt_set_dirty_tracking set = {
		.size = sizeof(set),
		.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
		.hwpt_id = hwpt,
	};
	struct iommu_hwpt_get_dirty_bitmap get = {
		.size = sizeof(get),
		.hwpt_id = hwpt,
		.iova = IOVA,
		.length = MEMORY_SIZE,
		.page_size = PAGE,
		.data = RESULTS,
	};

	CALL(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &set);
	memset((void *)RESULTS, 0, PAGE);
	/*
	 * All pages. Those that lie together in physical memory may share an
	 * entry, and its dirty bit, in one of the programs only.
	 */
	memset((void *)RESULTS, 0xff, MEMORY_SIZE / PAGE / 8);
	call_mock(fd, (struct iommu_test_cmd){
		.op = IOMMU_TEST_OP_DIRTY,
		.id = hwpt,
		.dirty = {
			.iova = IOVA,
			.length = MEMORY_SIZE,
			.page_size = PAGE,
			.uptr = RESULTS,
		},
	});
	memset((void *)RESULTS, 0, PAGE);
	CALL(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &get);
	show_memory("dirty", RESULTS, 8);
}

/* A page table with a fault queue; a request is read and answered. */
static void call_faults(int fd, __u32 dev, __u32 stdev, __u32 ioas)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	struct iommu_hwpt_page_response answer = {};
	struct iommu_hwpt_pgfault fault = {};
	__u32 hwpt;

	CALL(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);
	hwpt = call_hwpt_alloc(fd, (struct iommu_hwpt_alloc){
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = dev,
		.pt_id = ioas,
		.fault_id = cmd.out_fault_id,
	});
	move(fd, stdev, hwpt);
	call_mock(fd, (struct iommu_test_cmd){
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {
			.dev_id = dev,
			.grpid = 7,
			.perm = IOMMU_PGFAULT_PERM_READ,
			.addr = HIGH_IOVA,
		},
	});
	show("read a fault",
	     read(cmd.out_fault_fd, &fault, sizeof(fault)), sizeof(fault),
	     &fault, sizeof(fault));
	answer.cookie = fault.cookie;
	show("answer a fault",
	     write(cmd.out_fault_fd, &answer, sizeof(answer)), sizeof(answer),
	     &answer, sizeof(answer));
	move(fd, stdev, ioas);
	call_destroy(fd, hwpt);
	close(cmd.out_fault_fd);
	call_destroy(fd, cmd.out_fault_id);
}

static void call_pasid(int fd, __u32 dev)
{
	struct iommu_pasid_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = dev,
		.first_pasid = 5,
		.last_pasid = 9,
	};

	CALL(fd, IOMMU_PASID_ALLOC, &cmd);
	call_destroy(fd, cmd.out_pasid_id);
}

static void call_invalidate(int fd, __u32 id, __u32 type, __u32 entry_len)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = id,
		.data_uptr = RESULTS,
		.data_type = type,
		.entry_len = entry_len,
		.entry_num = 1,
	};

	CALL(fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

static __u32 call_viommu(int fd, __u32 dev, __u32 parent)
{
	struct iommu_test_viommu *data = (void *)RESULTS;
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = dev,
		.hwpt_id = parent,
		.data_len = sizeof(*data),
		.data_uptr = RESULTS,
	};
	void *page;

	*data = (struct iommu_test_viommu){ .in_data = 0x1234 };
	CALL(fd, IOMMU_VIOMMU_ALLOC, &cmd);
	show_memory("vIOMMU", RESULTS, sizeof(*data));
	page = mmap(NULL, data->out_mmap_length, PROT_READ, MAP_SHARED, fd,
		    data->out_mmap_offset);
	if (page == MAP_FAILED) {
		show("mmap", -1, 0, "", 0);
	} else {
		show("mmap", 0, 0, page, 16);
		munmap(page, data->out_mmap_length);
	}
	return cmd.out_viommu_id;
}

/* A page table of a guest's, on a parent or a vIOMMU */
static __u32 call_nested(int fd, __u32 dev, __u32 pt)
{
	struct iommu_test_hwpt *data = (void *)RESULTS;

	*data = (struct iommu_test_hwpt){ .iotlb = 0x77 };
	return call_hwpt_alloc(fd, (struct iommu_hwpt_alloc){
		.dev_id = dev,
		.pt_id = pt,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(*data),
		.data_uptr = RESULTS,
	});
}

/* What a vIOMMU is for, with an event that is read */
static void call_of_viommu(int fd, __u32 dev, __u32 stdev, __u32 viommu,
			   __u32 ioas)
{
	struct iommu_vdevice_alloc vdevice = {
		.size = sizeof(vdevice),
		.viommu_id = viommu,
		.dev_id = dev,
		.virt_id = 0x22,
	};
	struct iommu_veventq_alloc veventq = {
		.size = sizeof(veventq),
		.viommu_id = viommu,
		.type = IOMMU_VEVENTQ_TYPE_SELFTEST,
		.veventq_depth = 2,
	};
	struct iommu_hw_queue_alloc queue = {
		.size = sizeof(queue),
		.viommu_id = viommu,
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.nesting_parent_iova = IOVA,
		.length = PAGE,
	};
	struct iommu_test_viommu_invalidate *entry = (void *)RESULTS;
	struct {
		struct iommufd_vevent_header header;
		struct iommu_test_vevent event;
	} event = {};
	__u32 nested;

	CALL(fd, IOMMU_VDEVICE_ALLOC, &vdevice);
	CALL(fd, IOMMU_VEVENTQ_ALLOC, &veventq);
	CALL(fd, IOMMU_HW_QUEUE_ALLOC, &queue);
	nested = call_nested(fd, dev, viommu);
	move(fd, stdev, nested);
	call_mock(fd, (struct iommu_test_cmd){
		.op = IOMMU_TEST_OP_TRIGGER_VEVENT,
		.trigger_vevent.dev_id = dev,
	});
	show("read an event",
	     read(veventq.out_veventq_fd, &event, sizeof(event)),
	     sizeof(event), &event, sizeof(event));
	*entry = (struct iommu_test_viommu_invalidate){ .vdev_id = 0x22 };
	call_invalidate(fd, viommu, IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
			sizeof(*entry));
	move(fd, stdev, ioas);
	call_destroy(fd, nested);
	close(veventq.out_veventq_fd);
	call_destroy(fd, veventq.out_veventq_id);
	call_destroy(fd, queue.out_hw_queue_id);
	call_destroy(fd, vdevice.out_vdevice_id);
}

static void call_for_guest(int fd, __u32 dev, __u32 stdev, __u32 ioas)
{
	struct iommu_test_hwpt_invalidate *entry = (void *)RESULTS;
	__u32 parent, nested, viommu;

	parent = call_hwpt_alloc(fd, (struct iommu_hwpt_alloc){
		.flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
		.dev_id = dev,
		.pt_id = ioas,
	});
	nested = call_nested(fd, dev, parent);
	*entry = (struct iommu_test_hwpt_invalidate){ .iotlb_id = 1 };
	call_invalidate(fd, nested, IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
			sizeof(*entry));
	call_destroy(fd, nested);
	viommu = call_viommu(fd, dev, parent);
	call_of_viommu(fd, dev, stdev, viommu, ioas);
	call_destroy(fd, viommu);
	call_destroy(fd, parent);
}

void run_mock(void)
{
	int fd = must_open("/dev/iommu");
	struct iommu_test_cmd dev;
	__u32 ioas, hwpt, stdev, idev;

	call_option(fd, IOMMU_OPTION_RLIMIT_MODE, 0);
	ioas = call_ioas_alloc(fd);
	call_iova_ranges(fd, ioas);
	call_allow_iovas(fd, ioas);
	call_option(fd, IOMMU_OPTION_HUGE_PAGES, ioas);
	call_vfio_ioas(fd, ioas);
	dev = plug(fd, ioas);
	stdev = dev.mock_domain.out_stdev_id;
	idev = dev.mock_domain.out_idev_id;
	call_iova_ranges(fd, ioas);

	call_map_file(fd, ioas, IOVA);
	call_change_process(fd);
	call_unmap(fd, ioas, IOVA, PAGE);
	call_map(fd, ioas, MEMORY, IOVA);
	call_mock(fd, (struct iommu_test_cmd){
		.op = IOMMU_TEST_OP_MD_CHECK_MAP,
		.id = dev.mock_domain.out_hwpt_id,
		.check_map = { IOVA, MEMORY_SIZE, MEMORY },
	});
	call_copy(fd, ioas, IOVA + PAGE, IOVA + (1 << 24));
	call_noiommu_get_pa(fd, ioas);

	call_hw_info(fd, idev);
	hwpt = call_hwpt_alloc(fd, (struct iommu_hwpt_alloc){
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.dev_id = idev,
		.pt_id = ioas,
	});
	call_dirty(fd, hwpt);
	call_destroy(fd, hwpt);
	call_faults(fd, idev, stdev, ioas);
	call_pasid(fd, idev);
	call_for_guest(fd, idev, stdev, ioas);
	call_unmap(fd, ioas, 0, UINT64_MAX);
	call_destroy(fd, stdev);
	call_destroy(fd, ioas);
	call_as_container(fd);
	close(fd);
}
