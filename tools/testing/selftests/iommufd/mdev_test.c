// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices: drivers whose DMA is done by the kernel. The devices are
 * the samples in samples/vfio-mdev: a serial port, and two displays, whose
 * pixels are memory that other devices may read.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include <sys/eventfd.h>
#include <sys/mman.h>

#include <linux/pci_regs.h>
#include <linux/serial_reg.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "edu_rig.h"
#include "test_support.h"

#define MDEV_PARENTS "/sys/class/mdev_bus"
#define MDEV_DEVICES "/sys/bus/mdev/devices"
#define UUID_SIZE 37

#define IOVA (16 * MIB)

/* -- a mediated device and its regions -- */

/* The folder of a type is that of its parent, of which there may be many. */
static int type_path(const char *type, char *path, size_t size)
{
	struct dirent **entries;
	int count, i, rc = -ENODEV;

	count = scandir(MDEV_PARENTS, &entries, NULL, alphasort);
	if (count < 0)
		return -ENODEV;
	for (i = 0; i < count; i++) {
		if (rc) {
			snprintf(path, size,
				 MDEV_PARENTS "/%s/mdev_supported_types/%s",
				 entries[i]->d_name, type);
			rc = access(path, F_OK) ? -ENODEV : 0;
		}
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* -ENODEV: the kernel has no devices of this type. */
static int mdev_create(const char *type, char uuid[UUID_SIZE])
{
	char path[PATH_MAX], file[PATH_MAX + sizeof("/create")];
	static unsigned int created;
	int rc;

	rc = type_path(type, path, sizeof(path));
	if (rc)
		return rc;
	snprintf(uuid, UUID_SIZE, "%08x-0000-4000-8000-%012x", getpid(),
		 created++);
	snprintf(file, sizeof(file), "%s/create", path);
	return file_write(file, uuid);
}

static int mdev_remove(const char *uuid)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), MDEV_DEVICES "/%s/remove", uuid);
	return file_write(path, "1");
}

static int mdev_open(struct vfio_dev *dev, const char *uuid)
{
	char folder[PATH_MAX], path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	*dev = (struct vfio_dev){ .fd = -1 };
	snprintf(folder, sizeof(folder), MDEV_DEVICES "/%s/vfio-dev", uuid);
	dir = opendir(folder);
	if (!dir)
		return -errno;
	while (dev->fd < 0) {
		entry = readdir(dir);
		if (!entry)
			break;
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%.32s",
			 entry->d_name);
		dev->fd = open(path, O_RDWR | O_CLOEXEC);
	}
	closedir(dir);
	return dev->fd < 0 ? -ENODEV : 0;
}

struct region {
	__u64 offset;
	__u64 size;
};

static int region_find(struct vfio_dev *dev, unsigned int index,
		       struct region *region)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = index,
	};
	int rc = checked_ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info);

	if (rc)
		return rc;
	*region = (struct region){ .offset = info.offset, .size = info.size };
	return 0;
}

static int region_read(struct vfio_dev *dev, const struct region *region,
		       __u64 offset, void *value, size_t size)
{
	ssize_t rc = pread(dev->fd, value, size, region->offset + offset);

	return rc < 0 ? -errno : rc == size ? 0 : -EIO;
}

static int region_write(struct vfio_dev *dev, const struct region *region,
			__u64 offset, const void *value, size_t size)
{
	ssize_t rc = pwrite(dev->fd, value, size, region->offset + offset);

	return rc < 0 ? -errno : rc == size ? 0 : -EIO;
}

static unsigned char *region_map(struct vfio_dev *dev,
				 const struct region *region)
{
	void *va = mmap(NULL, region->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			dev->fd, region->offset);

	return va == MAP_FAILED ? NULL : va;
}

/* -- what all of them promise -- */

FIXTURE(mdev)
{
	long pins;
	char uuid[UUID_SIZE];
	struct vfio_dev dev;
	int iommufd;
	__u32 ioas;
};

FIXTURE_VARIANT(mdev)
{
	const char *type;
};

FIXTURE_VARIANT_ADD(mdev, serial_port) { .type = "mtty-2" };
FIXTURE_VARIANT_ADD(mdev, framebuffer) { .type = "mdpy-vga" };
FIXTURE_VARIANT_ADD(mdev, display) { .type = "mbochs-small" };

FIXTURE_SETUP(mdev)
{
	int rc;

	self->pins = pins_held();
	self->dev.fd = -1;
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	rc = mdev_create(variant->type, self->uuid);
	if (rc == -ENODEV)
		SKIP(return, "there is no %s", variant->type);
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, mdev_open(&self->dev, self->uuid));
	rc = vfio_bind(&self->dev, self->iommufd);
	if (rc == -EOPNOTSUPP) {
		vfio_close(&self->dev);
		mdev_remove(self->uuid);
		SKIP(return, "the kernel does no DMA for drivers");
	}
	ASSERT_EQ(0, rc);
}

/* By then the process is gone that had it open. */
FIXTURE_TEARDOWN_PARENT(mdev)
{
	EXPECT_EQ(0, mdev_remove(self->uuid));
	EXPECT_EQ(self->pins, pins_held());
}

TEST_F(mdev, asks_for_whole_pages_while_attached)
{
	__u32 other;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &other));
	EXPECT_EQ(1, ioas_alignment(self->iommufd, self->ioas));
	ASSERT_EQ(0, vfio_attach(&self->dev, self->ioas));
	EXPECT_EQ(SMALL_PAGE, ioas_alignment(self->iommufd, self->ioas));

	/* to attach again is to go over to the other one */
	ASSERT_EQ(0, vfio_attach(&self->dev, other));
	EXPECT_EQ(1, ioas_alignment(self->iommufd, self->ioas));
	EXPECT_EQ(SMALL_PAGE, ioas_alignment(self->iommufd, other));

	ASSERT_EQ(0, vfio_detach(&self->dev));
	EXPECT_EQ(1, ioas_alignment(self->iommufd, other));
}

TEST_F(mdev, reserves_no_iova)
{
	struct iommu_iova_range range;
	__u32 count = 1;

	ASSERT_EQ(0, vfio_attach(&self->dev, self->ioas));
	ASSERT_EQ(0, ioas_iova_ranges(self->iommufd, self->ioas, &range,
				      &count, NULL));
	EXPECT_EQ(1, count);
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(UINT64_MAX, range.last);
}

TEST_F(mdev, is_refused_where_maps_are_not_of_whole_pages)
{
	char *va = address_room(SMALL_PAGE, SMALL_PAGE);

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, ioas_map_at(self->iommufd, self->ioas, va, SMALL_PAGE / 2,
				 IOVA));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(&self->dev, self->ioas));
	EXPECT_EQ(1, ioas_alignment(self->iommufd, self->ioas));
	ASSERT_EQ(0, ioas_unmap_all(self->iommufd, self->ioas, NULL));
	EXPECT_EQ(0, vfio_attach(&self->dev, self->ioas));
}

TEST_F(mdev, pins_nothing_by_being_attached)
{
	long pins = pins_held();
	struct memory mem;

	ASSERT_EQ(0, memory_alloc(&mem, PAGES_SMALL, MIB));
	ASSERT_EQ(0, ioas_map_at(self->iommufd, self->ioas, mem.va, MIB,
				 IOVA));
	ASSERT_EQ(0, vfio_attach(&self->dev, self->ioas));
	ASSERT_EQ(0, ioas_map_at(self->iommufd, self->ioas, mem.va, MIB,
				 IOVA + MIB));
	EXPECT_EQ(pins, pins_held());
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, MIB, NULL));
	EXPECT_EQ(0, vfio_detach(&self->dev));
	EXPECT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA + MIB, MIB,
				NULL));
	memory_free(&mem);
}

TEST_F(mdev, keeps_its_ioas_and_its_id)
{
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->iommufd, self->dev.id));
	EXPECT_EQ(-ENOENT, vfio_attach(&self->dev, NO_SUCH_ID));
	ASSERT_EQ(0, vfio_attach(&self->dev, self->ioas));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->iommufd, self->ioas));
	EXPECT_EQ(-ENOENT, vfio_attach(&self->dev, NO_SUCH_ID));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->iommufd, self->ioas));
	ASSERT_EQ(0, vfio_detach(&self->dev));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, self->ioas));
}

TEST_F(mdev, lets_go_when_it_is_closed)
{
	ASSERT_EQ(0, vfio_attach(&self->dev, self->ioas));
	vfio_close(&self->dev);
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->iommufd, self->dev.id));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, self->ioas));

	ASSERT_EQ(0, mdev_open(&self->dev, self->uuid));
	EXPECT_EQ(0, vfio_bind(&self->dev, self->iommufd));
}

TEST_F(mdev, keeps_the_context_when_the_file_is_closed)
{
	ASSERT_EQ(0, vfio_attach(&self->dev, self->ioas));
	close(self->iommufd);
	self->iommufd = -1;
	EXPECT_EQ(0, vfio_detach(&self->dev));
	EXPECT_EQ(0, vfio_attach(&self->dev, self->ioas));
}

/* -- a serial port that hears what it says -- */

FIXTURE(serial)
{
	char uuid[UUID_SIZE];
	struct vfio_dev dev;
	struct region config;
	struct region port;
	int iommufd;
	__u32 ioas;
};

/* Creates, binds and attaches; *skip tells what is missing, if anything is. */
static int bring_up(const char *type, char uuid[UUID_SIZE],
		    struct vfio_dev *dev, int iommufd, __u32 ioas,
		    const char **skip)
{
	int rc;

	*skip = NULL;
	rc = mdev_create(type, uuid);
	if (rc == -ENODEV)
		*skip = "there is no such device";
	if (rc)
		return rc;
	rc = mdev_open(dev, uuid);
	if (!rc)
		rc = vfio_bind(dev, iommufd);
	if (rc == -EOPNOTSUPP)
		*skip = "the kernel does no DMA for drivers";
	if (!rc)
		rc = vfio_attach(dev, ioas);
	if (rc) {
		vfio_close(dev);
		mdev_remove(uuid);
	}
	return rc;
}

FIXTURE_SETUP(serial)
{
	const char *skip;
	int rc;

	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	rc = bring_up("mtty-2", self->uuid, &self->dev, self->iommufd,
		      self->ioas, &skip);
	if (skip)
		SKIP(return, "%s", skip);
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, region_find(&self->dev, VFIO_PCI_CONFIG_REGION_INDEX,
				 &self->config));
	ASSERT_EQ(0, region_find(&self->dev, VFIO_PCI_BAR0_REGION_INDEX,
				 &self->port));
}

FIXTURE_TEARDOWN(serial)
{
	vfio_close(&self->dev);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	close(self->iommufd);
}

static int uart_write(struct vfio_dev *dev, const struct region *port,
		      unsigned int reg, unsigned char value)
{
	return region_write(dev, port, reg, &value, 1);
}

static unsigned char uart_read(struct vfio_dev *dev,
			       const struct region *port, unsigned int reg)
{
	unsigned char value = 0xa5;

	region_read(dev, port, reg, &value, 1);
	return value;
}

TEST_F(serial, hears_what_it_says)
{
	static const char said[] = "IOMMU";
	char heard[sizeof(said)] = "";
	__u32 ids;
	int i;

	ASSERT_EQ(0, region_read(&self->dev, &self->config, PCI_VENDOR_ID,
				 &ids, sizeof(ids)));
	EXPECT_EQ(0x32534348, ids);

	EXPECT_EQ(0, uart_write(&self->dev, &self->port, UART_FCR,
				UART_FCR_ENABLE_FIFO));
	EXPECT_FALSE(uart_read(&self->dev, &self->port, UART_LSR) &
		     UART_LSR_DR);
	for (i = 0; i < sizeof(said) - 1; i++)
		EXPECT_EQ(0, uart_write(&self->dev, &self->port, UART_TX,
					said[i]));
	for (i = 0; i < sizeof(said) - 1; i++) {
		EXPECT_TRUE(uart_read(&self->dev, &self->port, UART_LSR) &
			    UART_LSR_DR);
		heard[i] = uart_read(&self->dev, &self->port, UART_RX);
	}
	EXPECT_STREQ(said, heard);
	EXPECT_FALSE(uart_read(&self->dev, &self->port, UART_LSR) &
		     UART_LSR_DR);
}

TEST_F(serial, interrupts)
{
	struct {
		struct vfio_irq_set set;
		__s32 fd;
	} irq = {
		.set = {
			.argsz = sizeof(irq),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_INTX_IRQ_INDEX,
			.count = 1,
		},
		.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	};
	struct vfio_device_info info = { .argsz = sizeof(info) };
	__u64 count;

	ASSERT_LE(0, irq.fd);
	/* the sample knows how many it has once it was asked */
	ASSERT_EQ(0, checked_ioctl(self->dev.fd, VFIO_DEVICE_GET_INFO, &info));
	ASSERT_EQ(0, checked_ioctl(self->dev.fd, VFIO_DEVICE_SET_IRQS, &irq));
	EXPECT_EQ(-1, read(irq.fd, &count, sizeof(count)));
	/* nothing waits to be sent: it asks for more at once */
	EXPECT_EQ(0, uart_write(&self->dev, &self->port, UART_IER,
				UART_IER_THRI));
	EXPECT_EQ(sizeof(count), read(irq.fd, &count, sizeof(count)));
	close(irq.fd);
}

/* -- displays -- */

#define PIXEL_BYTES 4
#define WIDTH 640
#define HEIGHT 480
#define STRIDE (WIDTH * PIXEL_BYTES)

FIXTURE(display)
{
	char uuid[UUID_SIZE];
	struct vfio_dev dev;
	struct region memory;
	unsigned char *pixels;
	struct edu_rig rig;
	bool has_edu;
};

FIXTURE_VARIANT(display)
{
	const char *type;
};

FIXTURE_VARIANT_ADD(display, framebuffer) { .type = "mdpy-vga" };
FIXTURE_VARIANT_ADD(display, with_modes) { .type = "mbochs-small" };

FIXTURE_SETUP(display)
{
	const char *skip;
	int rc;

	rc = edu_rig_open(&self->rig);
	self->has_edu = !rc;
	if (rc) {
		self->rig.iommufd = iommufd_open();
		ASSERT_LE(0, self->rig.iommufd);
		ASSERT_EQ(0, ioas_alloc(self->rig.iommufd, &self->rig.ioas));
	}
	rc = bring_up(variant->type, self->uuid, &self->dev, self->rig.iommufd,
		      self->rig.ioas, &skip);
	if (skip)
		SKIP(return, "%s", skip);
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, region_find(&self->dev, VFIO_PCI_BAR0_REGION_INDEX,
				 &self->memory));
	ASSERT_LE(STRIDE * HEIGHT, self->memory.size);
	self->pixels = region_map(&self->dev, &self->memory);
	ASSERT_NE(NULL, self->pixels);
}

FIXTURE_TEARDOWN(display)
{
	munmap(self->pixels, self->memory.size);
	vfio_close(&self->dev);
	EXPECT_EQ(0, mdev_remove(self->uuid));
	if (self->has_edu)
		edu_rig_break(&self->rig);
	else
		close(self->rig.iommufd);
}

TEST_F(display, keeps_its_pixels)
{
	unsigned char *again;

	pattern_fill(self->pixels, STRIDE * HEIGHT, 1);
	again = region_map(&self->dev, &self->memory);
	ASSERT_NE(NULL, again);
	EXPECT_TRUE(pattern_matches(again, STRIDE * HEIGHT, 1));
	munmap(again, self->memory.size);
}

/* Two kinds of devices on one IOAS, and the memory of one seen by the other. */
TEST_F(display, has_pixels_that_another_device_can_read)
{
	struct edu_rig *rig = &self->rig;

	if (!self->has_edu)
		SKIP(return, "there is no edu device");
	pattern_fill(self->pixels, STRIDE * HEIGHT, 2);
	ASSERT_EQ(0, edu_rig_attach(rig));
	ASSERT_EQ(0, ioas_map_at(rig->iommufd, rig->ioas, self->pixels,
				 64 * SMALL_PAGE, IOVA));
	EXPECT_EQ(REACHED, device_read(rig, IOVA + 63 * SMALL_PAGE,
				       self->pixels + 63 * SMALL_PAGE,
				       SMALL_PAGE));
	EXPECT_EQ(0, ioas_unmap(rig->iommufd, rig->ioas, IOVA, 64 * SMALL_PAGE,
				NULL));
}

TEST_F(display, is_gray_after_a_reset_if_it_has_no_modes)
{
	struct vfio_device_gfx_plane_info plane = {
		.argsz = sizeof(plane),
		.flags = VFIO_GFX_PLANE_TYPE_REGION,
	};
	int line;

	if (strcmp(variant->type, "mdpy-vga"))
		return;
	pattern_fill(self->pixels, STRIDE * HEIGHT, 3);
	ASSERT_EQ(0, checked_ioctl(self->dev.fd, VFIO_DEVICE_RESET, NULL));
	ASSERT_EQ(0, checked_ioctl(self->dev.fd, VFIO_DEVICE_QUERY_GFX_PLANE,
				   &plane));
	EXPECT_EQ(WIDTH, plane.width);
	EXPECT_EQ(HEIGHT, plane.height);
	for (line = 0; line < HEIGHT; line++)
		EXPECT_TRUE(memory_is(self->pixels + line * STRIDE,
				      line * 255 / HEIGHT, STRIDE));
}

TEST_HARNESS_MAIN
