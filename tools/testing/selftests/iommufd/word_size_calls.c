// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every ioctl once, and what the kernel makes of it. word_size_test compares
 * what this program says as one of 64 bits and as one of 32: all of it has to be
 * the same, so whatever the kernel gets or writes has to be at the same address.
 *
 *   word_size_calls mock              /dev/iommu, with the test device
 *   word_size_calls device PATH       a device of /dev/vfio/devices
 *   word_size_calls container PATH GROUP BDF
 *
 * It is linked with the kernel's own nolibc, so that no C library of 32 bits is
 * needed. Its exit status is 1 if a call does not do what it should.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>
#include <linux/memfd.h>
#include <linux/vfio.h>

#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

#define PAGE 4096
/* Mapped at this address, whatever else there is */
#define ARENA 0x20000000UL
#define ARENA_SIZE (64 * PAGE)
/* Of the arena, a page: for results of calls, and to be mapped */
#define RESULTS ARENA
#define MEMORY (ARENA + PAGE)
#define MEMORY_SIZE (16 * PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)
/* No 32 bits hold it, and edu's IOMMU has it. */
#define HIGH_IOVA 0x1200000000ULL

#define RW (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define AT IOMMU_IOAS_MAP_FIXED_IOVA

static int failures;

static void show_bytes(const void *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;
	char text[3] = "";
	size_t i;

	for (i = 0; i != size; i++) {
		text[0] = digits[bytes[i] >> 4];
		text[1] = digits[bytes[i] & 15];
		printf("%s%s", i % 4 ? "" : " ", text);
	}
	printf("\n");
}

/* Tells what a call has returned, and what is in its structure then. */
static int show(const char *name, int rc, int expected, const void *data,
		size_t size)
{
	if (rc < 0)
		rc = -errno;
	printf("%s = %d", name, rc);
	if (rc != expected) {
		printf(", not %d", expected);
		failures++;
	}
	printf(":");
	show_bytes(data, size);
	return rc;
}

static int call(const char *name, int expected, int fd, unsigned long request,
		void *cmd, size_t size)
{
	return show(name, ioctl(fd, request, cmd), expected, cmd, size);
}

/* The argument of an ioctl is a structure, or a number. */
#define CALL_FOR(expected, fd, request, cmd) do {			\
	__typeof__(cmd) cmd_ = (cmd);					\
									\
	call(#request, expected, fd, request, cmd_, sizeof(*cmd_));	\
} while (0)
#define CALL(fd, request, cmd) do {					\
	__typeof__(cmd) cmd_ = (cmd);					\
									\
	call(#request, 0, fd, request, cmd_, sizeof(*cmd_));		\
} while (0)
#define CALL_BY_VALUE(expected, fd, request, argument)			\
	call(#request, expected, fd, request, (void *)(argument), 0)

static void show_memory(const char *name, unsigned long address, size_t size)
{
	printf("%s:", name);
	show_bytes((const void *)address, size);
}

static void make_arena(void)
{
	void *arena = mmap((void *)ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (arena != (void *)ARENA) {
		printf("no memory\n");
		exit(1);
	}
	memset(arena, 0, ARENA_SIZE);
}

static int must_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("%s: errno %d\n", path, errno);
		exit(1);
	}
	return fd;
}

/*
 * struct vfio_bitmap has a pointer, which is as long as the kernel's: in VFIO's
 * own container, too. A program of 32 bits has to know.
 */
struct dirty_pages {
	struct vfio_iommu_type1_dirty_bitmap head;
	__aligned_u64 iova;
	__aligned_u64 size;
	__aligned_u64 page_size;
	__aligned_u64 bitmap_size;
	__aligned_u64 bitmap;
};

static void call_dirty_pages(int container, int expected, __u64 iova)
{
	struct dirty_pages cmd = {
		.head.argsz = sizeof(cmd),
		.iova = iova,
		.size = MEMORY_SIZE,
		.page_size = PAGE,
		.bitmap_size = 8,
		.bitmap = RESULTS,
	};

	memset((void *)RESULTS, 0, PAGE);
	cmd.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START;
	CALL_FOR(expected, container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
	cmd.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	CALL_FOR(expected, container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
	cmd.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP;
	CALL_FOR(expected, container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
	show_memory("dirty", RESULTS, 8);
}

/*
 * /dev/iommu
 */

static __u32 call_ioas_alloc(int fd)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };

	CALL(fd, IOMMU_IOAS_ALLOC, &cmd);
	return cmd.out_ioas_id;
}

static void call_destroy(int fd, __u32 id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	CALL(fd, IOMMU_DESTROY, &cmd);
}

static void call_map(int fd, __u32 ioas, __u64 va, __u64 iova)
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

static void call_unmap(int fd, __u32 ioas, __u64 iova, __u64 length)
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

static void call_iova_ranges(int fd, __u32 ioas)
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

static struct iommu_test_cmd plug(int fd, __u32 pt)
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

static void call_hw_info(int fd, __u32 dev)
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

/* As a container, with a device whose IOMMU can tell what it writes */
static void call_as_container(int fd)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = call_ioas_alloc(fd),
	};
	struct iommu_test_cmd dev;

	CALL(fd, IOMMU_VFIO_IOAS, &cmd);
	CALL_BY_VALUE(0, fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	dev = plug(fd, cmd.ioas_id);
	call_map(fd, cmd.ioas_id, MEMORY, IOVA);
	call_dirty_pages(fd, 0, IOVA);
	call_destroy(fd, dev.mock_domain.out_stdev_id);
}

static void run_mock(void)
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

/*
 * VFIO
 */

/* A device is the same whoever has opened it. */
static void show_device(int device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq) };

	CALL(device, VFIO_DEVICE_GET_INFO, &info);
	CALL(device, VFIO_DEVICE_GET_REGION_INFO, &region);
	CALL(device, VFIO_DEVICE_GET_IRQ_INFO, &irq);
	/* edu does not know how */
	CALL_BY_VALUE(-EINVAL, device, VFIO_DEVICE_RESET, 0);
}

static void run_device(const char *path)
{
	int fd = must_open("/dev/iommu"), device = must_open(path);
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = fd,
	};
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
	};
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
	};
	__u32 ioas;

	CALL(device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	ioas = call_ioas_alloc(fd);
	call_hw_info(fd, bind.out_devid);
	attach.pt_id = ioas;
	CALL(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
	call_iova_ranges(fd, ioas);
	call_map(fd, ioas, MEMORY, HIGH_IOVA);
	call_unmap(fd, ioas, HIGH_IOVA, MEMORY_SIZE);
	show_device(device);
	CALL(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
	close(device);
	call_destroy(fd, ioas);
}

static void run_container(const char *path, const char *group_path,
			  const char *bdf)
{
	int container = must_open(path), group = must_open(group_path);
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct vfio_iommu_type1_info *info = (void *)RESULTS;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = MEMORY,
		.iova = HIGH_IOVA,
		.size = MEMORY_SIZE,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = HIGH_IOVA,
		.size = MEMORY_SIZE,
	};
	int device;

	CALL_BY_VALUE(VFIO_API_VERSION, container, VFIO_GET_API_VERSION, 0);
	CALL_BY_VALUE(1, container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU);
	CALL(group, VFIO_GROUP_GET_STATUS, &status);
	CALL(group, VFIO_GROUP_SET_CONTAINER, &container);
	CALL_BY_VALUE(0, container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	show("VFIO_GROUP_GET_DEVICE_FD", device < 0 ? -1 : 0, 0, "", 0);

	memset(info, 0, PAGE);
	info->argsz = PAGE;
	CALL(container, VFIO_IOMMU_GET_INFO, info);
	show_memory("what it says of itself", RESULTS, 256);
	CALL(container, VFIO_IOMMU_MAP_DMA, &map);
	/* edu's IOMMU cannot tell */
	call_dirty_pages(container, -ENOTTY, HIGH_IOVA);
	CALL(container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	show_device(device);
	close(device);
	CALL_BY_VALUE(0, group, VFIO_GROUP_UNSET_CONTAINER, 0);
	close(group);
	close(container);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	make_arena();
	if (!strcmp(what, "mock"))
		run_mock();
	else if (!strcmp(what, "device") && argc == 3)
		run_device(argv[2]);
	else if (!strcmp(what, "container") && argc == 5)
		run_container(argv[2], argv[3], argv[4]);
	else
		return 2;
	return failures ? 1 : 0;
}
