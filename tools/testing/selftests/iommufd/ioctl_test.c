// SPDX-License-Identifier: GPL-2.0-only
/*
 * What holds for every ioctl of /dev/iommu.
 */
#include <stddef.h>

#include <linux/compiler.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "test_support.h"

#define SOME_IOVA 0x100000

union arguments {
	__u32 size;
	struct iommu_destroy destroy;
	struct iommu_ioas_alloc alloc;
	struct iommu_ioas_iova_ranges ranges;
	struct iommu_ioas_allow_iovas allow;
	struct iommu_ioas_map map;
	struct iommu_ioas_unmap unmap;
	struct iommu_option option;
	struct iommu_vfio_ioas vfio;
	__u32 words[SMALL_PAGE / sizeof(__u32)];
	unsigned char bytes[SMALL_PAGE];
};

static char user_page[SMALL_PAGE] __aligned(SMALL_PAGE);
static struct iommu_iova_range one_range;

/*
 * Each of these makes arguments that work, and does what must be done before
 * they do.
 */
static int prepare_destroy(int iommufd, __u32 ioas, union arguments *args)
{
	return ioas_alloc(iommufd, &args->destroy.id);
}

static int prepare_alloc(int iommufd, __u32 ioas, union arguments *args)
{
	return 0;
}

static int prepare_ranges(int iommufd, __u32 ioas, union arguments *args)
{
	args->ranges.ioas_id = ioas;
	args->ranges.num_iovas = 1;
	args->ranges.allowed_iovas = (uintptr_t)&one_range;
	return 0;
}

static int prepare_allow(int iommufd, __u32 ioas, union arguments *args)
{
	one_range.start = 0;
	one_range.last = SOME_IOVA;
	args->allow.ioas_id = ioas;
	args->allow.num_iovas = 1;
	args->allow.allowed_iovas = (uintptr_t)&one_range;
	return 0;
}

static int prepare_map(int iommufd, __u32 ioas, union arguments *args)
{
	args->map.flags = MAP_RW;
	args->map.ioas_id = ioas;
	args->map.user_va = (uintptr_t)user_page;
	args->map.length = SMALL_PAGE;
	return ioas_unmap_all(iommufd, ioas, NULL);
}

static int prepare_unmap(int iommufd, __u32 ioas, union arguments *args)
{
	args->unmap.ioas_id = ioas;
	args->unmap.iova = SOME_IOVA;
	args->unmap.length = SMALL_PAGE;
	return ioas_map_at(iommufd, ioas, user_page, SMALL_PAGE, SOME_IOVA);
}

static int prepare_rlimit_mode(int iommufd, __u32 ioas, union arguments *args)
{
	args->option.option_id = IOMMU_OPTION_RLIMIT_MODE;
	args->option.op = IOMMU_OPTION_OP_GET;
	return 0;
}

static int prepare_huge_pages(int iommufd, __u32 ioas, union arguments *args)
{
	args->option.option_id = IOMMU_OPTION_HUGE_PAGES;
	args->option.op = IOMMU_OPTION_OP_GET;
	args->option.object_id = ioas;
	return 0;
}

static int prepare_vfio_set(int iommufd, __u32 ioas, union arguments *args)
{
	args->vfio.op = IOMMU_VFIO_IOAS_SET;
	args->vfio.ioas_id = ioas;
	return 0;
}

#define MAX_UNKNOWN 5

/* A value that this version does not know, in a field that it knows. */
struct unknown_value {
	size_t offset;			/* 0: end of the list */
	size_t size;			/* in bytes */
	__u32 value;
};

struct known_command {
	unsigned long request;
	size_t size;
	size_t id;			/* where it is; 0: it takes none */
	int (*prepare)(int iommufd, __u32 ioas, union arguments *args);
	struct unknown_value unknown[MAX_UNKNOWN];
};

static const struct known_command destroy_command = {
	.request = IOMMU_DESTROY,
	.size = sizeof(struct iommu_destroy),
	.id = offsetof(struct iommu_destroy, id),
	.prepare = prepare_destroy,
};

static const struct known_command ioas_alloc_command = {
	.request = IOMMU_IOAS_ALLOC,
	.size = sizeof(struct iommu_ioas_alloc),
	.prepare = prepare_alloc,
	.unknown = {
		{ offsetof(struct iommu_ioas_alloc, flags), 4, 1 },
		{ offsetof(struct iommu_ioas_alloc, flags), 4, 1U << 31 },
	},
};

static const struct known_command fault_queue_alloc_command = {
	.request = IOMMU_FAULT_QUEUE_ALLOC,
	.size = sizeof(struct iommu_fault_alloc),
	.prepare = prepare_alloc,
	.unknown = {
		{ offsetof(struct iommu_fault_alloc, flags), 4, 1 },
		{ offsetof(struct iommu_fault_alloc, flags), 4, 1U << 31 },
	},
};

static const struct known_command iova_ranges_command = {
	.request = IOMMU_IOAS_IOVA_RANGES,
	.size = sizeof(struct iommu_ioas_iova_ranges),
	.id = offsetof(struct iommu_ioas_iova_ranges, ioas_id),
	.prepare = prepare_ranges,
	.unknown = {
		{ offsetof(struct iommu_ioas_iova_ranges, __reserved), 4, 1 },
	},
};

static const struct known_command allow_iovas_command = {
	.request = IOMMU_IOAS_ALLOW_IOVAS,
	.size = sizeof(struct iommu_ioas_allow_iovas),
	.id = offsetof(struct iommu_ioas_allow_iovas, ioas_id),
	.prepare = prepare_allow,
	.unknown = {
		{ offsetof(struct iommu_ioas_allow_iovas, __reserved), 4, 1 },
	},
};

static const struct known_command map_command = {
	.request = IOMMU_IOAS_MAP,
	.size = sizeof(struct iommu_ioas_map),
	.id = offsetof(struct iommu_ioas_map, ioas_id),
	.prepare = prepare_map,
	.unknown = {
		{ offsetof(struct iommu_ioas_map, flags), 4, MAP_RW | 8 },
		{ offsetof(struct iommu_ioas_map, flags), 4, 1U << 31 },
		{ offsetof(struct iommu_ioas_map, __reserved), 4, 1 },
	},
};

static const struct known_command unmap_command = {
	.request = IOMMU_IOAS_UNMAP,
	.size = sizeof(struct iommu_ioas_unmap),
	.id = offsetof(struct iommu_ioas_unmap, ioas_id),
	.prepare = prepare_unmap,
};

static const struct known_command rlimit_mode_command = {
	.request = IOMMU_OPTION,
	.size = sizeof(struct iommu_option),
	.prepare = prepare_rlimit_mode,
	.unknown = {
		{ offsetof(struct iommu_option, option_id), 4, 2 },
		{ offsetof(struct iommu_option, option_id), 4, ~0U },
		{ offsetof(struct iommu_option, object_id), 4, 1 },
		{ offsetof(struct iommu_option, op), 2, 2 },
	},
};

static const struct known_command huge_pages_command = {
	.request = IOMMU_OPTION,
	.size = sizeof(struct iommu_option),
	.id = offsetof(struct iommu_option, object_id),
	.prepare = prepare_huge_pages,
	.unknown = {
		{ offsetof(struct iommu_option, option_id), 4, 2 },
		{ offsetof(struct iommu_option, __reserved), 2, 1 },
	},
};

static const struct known_command vfio_ioas_command = {
	.request = IOMMU_VFIO_IOAS,
	.size = sizeof(struct iommu_vfio_ioas),
	.id = offsetof(struct iommu_vfio_ioas, ioas_id),
	.prepare = prepare_vfio_set,
	.unknown = {
		{ offsetof(struct iommu_vfio_ioas, op), 2, 3 },
		{ offsetof(struct iommu_vfio_ioas, __reserved), 2, 1 },
	},
};

FIXTURE(any_command)
{
	int iommufd;
	__u32 ioas;
	union arguments *args;		/* nothing can be read behind it */
};

FIXTURE_VARIANT(any_command)
{
	const struct known_command *command;
};

FIXTURE_VARIANT_ADD(any_command, destroy)
{
	.command = &destroy_command,
};

FIXTURE_VARIANT_ADD(any_command, ioas_alloc)
{
	.command = &ioas_alloc_command,
};

FIXTURE_VARIANT_ADD(any_command, fault_queue_alloc)
{
	.command = &fault_queue_alloc_command,
};

FIXTURE_VARIANT_ADD(any_command, iova_ranges)
{
	.command = &iova_ranges_command,
};

FIXTURE_VARIANT_ADD(any_command, allow_iovas)
{
	.command = &allow_iovas_command,
};

FIXTURE_VARIANT_ADD(any_command, map)
{
	.command = &map_command,
};

FIXTURE_VARIANT_ADD(any_command, unmap)
{
	.command = &unmap_command,
};

FIXTURE_VARIANT_ADD(any_command, rlimit_mode)
{
	.command = &rlimit_mode_command,
};

FIXTURE_VARIANT_ADD(any_command, huge_pages)
{
	.command = &huge_pages_command,
};

FIXTURE_VARIANT_ADD(any_command, vfio_ioas)
{
	.command = &vfio_ioas_command,
};

/* The beginning of a page that nothing can be read behind. */
static union arguments *page_before_a_hole(void)
{
	char *room = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED ||
	    mprotect(room + SMALL_PAGE, SMALL_PAGE, PROT_NONE))
		return NULL;
	return (union arguments *)room;
}

/* A call that works, in a file of its own. */
static int prepare_call(const struct known_command *command, int *iommufd,
			__u32 *ioas, union arguments **args)
{
	*args = page_before_a_hole();
	if (!*args)
		return -ENOMEM;
	(*args)->size = command->size;
	*iommufd = iommufd_open();
	if (*iommufd < 0)
		return *iommufd;
	return ioas_alloc(*iommufd, ioas) ?:
	       command->prepare(*iommufd, *ioas, *args);
}

FIXTURE_SETUP(any_command)
{
	ASSERT_EQ(0, prepare_call(variant->command, &self->iommufd,
				  &self->ioas, &self->args));
}

FIXTURE_TEARDOWN(any_command)
{
	close(self->iommufd);
}

#define CALL(args) checked_ioctl(self->iommufd, variant->command->request, args)

TEST_F(any_command, works_with_its_own_size)
{
	EXPECT_EQ(0, CALL(self->args));
}

TEST_F(any_command, refuses_a_structure_below_the_minimum)
{
	__u32 size;

	for (size = 0; size < variant->command->size; size++) {
		self->args->size = size;
		EXPECT_EQ(-EINVAL, CALL(self->args))
			TH_LOG("size %u", size);
	}
}

TEST_F(any_command, takes_a_longer_structure_that_ends_in_zeroes)
{
	self->args->size = variant->command->size + 1;
	EXPECT_EQ(0, CALL(self->args));
	ASSERT_EQ(0, variant->command->prepare(self->iommufd, self->ioas,
					       self->args));
	self->args->size = SMALL_PAGE;
	EXPECT_EQ(0, CALL(self->args));
}

TEST_F(any_command, refuses_unknown_bytes_that_are_set)
{
	static const size_t behind[] = { 0, 1, 7, 100 };
	size_t i;

	self->args->size = variant->command->size + 101;
	for (i = 0; i < ARRAY_SIZE(behind); i++) {
		unsigned char *byte = self->args->bytes;

		byte += variant->command->size;
		byte[behind[i]] = 0x80;
		EXPECT_EQ(-E2BIG, CALL(self->args))
			TH_LOG("byte %zu", behind[i]);
		byte[behind[i]] = 0;
	}
	EXPECT_EQ(0, CALL(self->args));
}

TEST_F(any_command, refuses_memory_that_it_cannot_read)
{
	char *unreadable = (char *)(self->args + 1);
	__u32 *end = (__u32 *)unreadable - 1;

	EXPECT_EQ(-EFAULT, CALL(NULL));
	EXPECT_EQ(-EFAULT, CALL((void *)-SMALL_PAGE));
	EXPECT_EQ(-EFAULT, CALL(unreadable));
	*end = variant->command->size;
	EXPECT_EQ(-EFAULT, CALL(end));
}

TEST_F(any_command, refuses_a_longer_structure_that_it_cannot_read_whole)
{
	char *place = (char *)(self->args + 1) - variant->command->size;

	self->args->size = variant->command->size + 8;
	memmove(place, self->args, variant->command->size);
	EXPECT_EQ(-EFAULT, CALL(place));
}

TEST_F(any_command, is_known_by_one_number_only)
{
	unsigned int nr = _IOC_NR(variant->command->request);
	const unsigned long wrong[] = {
		_IOC(_IOC_READ, IOMMUFD_TYPE, nr, 0),
		_IOC(_IOC_WRITE, IOMMUFD_TYPE, nr, 0),
		_IOC(_IOC_READ | _IOC_WRITE, IOMMUFD_TYPE, nr, 0),
		_IOC(_IOC_NONE, IOMMUFD_TYPE, nr, variant->command->size),
		_IOC(_IOC_NONE, IOMMUFD_TYPE + 1, nr, 0),
		_IOC(_IOC_NONE, 0, nr, 0),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-ENOTTY, checked_ioctl(self->iommufd, wrong[i],
						 self->args))
			TH_LOG("request %#lx", wrong[i]);
	}
	EXPECT_EQ(0, CALL(self->args));
}

TEST_F(any_command, checks_pointer_then_number_then_size_then_tail_then_fields)
{
	unsigned long wrong = variant->command->request |
			      _IOC(_IOC_READ, 0, 0, 0);

	if (variant->command->id)
		self->args->words[variant->command->id / 4] = NO_SUCH_ID;

	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, wrong, NULL));
	self->args->size = variant->command->size - 1;
	EXPECT_EQ(-ENOTTY, checked_ioctl(self->iommufd, wrong, self->args));
	self->args->bytes[variant->command->size] = 1;
	EXPECT_EQ(-EINVAL, CALL(self->args));
	self->args->size = variant->command->size + 1;
	EXPECT_EQ(-E2BIG, CALL(self->args));
	self->args->size = variant->command->size;
	EXPECT_EQ(variant->command->id ? -ENOENT : 0, CALL(self->args));
}

TEST_F(any_command, refuses_values_that_a_later_version_may_define)
{
	const struct unknown_value *unknown;
	unsigned char saved[4];

	for (unknown = variant->command->unknown; unknown->offset; unknown++) {
		unsigned char *field = self->args->bytes + unknown->offset;

		memcpy(saved, field, sizeof(saved));
		memcpy(field, &unknown->value, unknown->size);
		EXPECT_EQ(-EOPNOTSUPP, CALL(self->args))
			TH_LOG("offset %zu: %#x", unknown->offset,
			       unknown->value);
		memcpy(field, saved, sizeof(saved));
	}
	EXPECT_EQ(0, CALL(self->args));
}

FIXTURE(command_with_id)
{
	int iommufd;
	__u32 ioas;
	union arguments *args;
	__u32 *id;			/* where the arguments have it */
};

FIXTURE_VARIANT(command_with_id)
{
	const struct known_command *command;
};

FIXTURE_VARIANT_ADD(command_with_id, destroy)
{
	.command = &destroy_command,
};

FIXTURE_VARIANT_ADD(command_with_id, iova_ranges)
{
	.command = &iova_ranges_command,
};

FIXTURE_VARIANT_ADD(command_with_id, allow_iovas)
{
	.command = &allow_iovas_command,
};

FIXTURE_VARIANT_ADD(command_with_id, map)
{
	.command = &map_command,
};

FIXTURE_VARIANT_ADD(command_with_id, unmap)
{
	.command = &unmap_command,
};

FIXTURE_VARIANT_ADD(command_with_id, huge_pages)
{
	.command = &huge_pages_command,
};

FIXTURE_VARIANT_ADD(command_with_id, vfio_ioas)
{
	.command = &vfio_ioas_command,
};

FIXTURE_SETUP(command_with_id)
{
	ASSERT_EQ(0, prepare_call(variant->command, &self->iommufd,
				  &self->ioas, &self->args));
	self->id = &self->args->words[variant->command->id / sizeof(__u32)];
}

FIXTURE_TEARDOWN(command_with_id)
{
	close(self->iommufd);
}

TEST_F(command_with_id, checks_unknown_values_before_ids)
{
	const struct unknown_value *unknown = variant->command->unknown;

	*self->id = NO_SUCH_ID;
	for (; unknown->offset; unknown++) {
		if (unknown->offset == variant->command->id)
			continue;
		memcpy(self->args->bytes + unknown->offset, &unknown->value,
		       unknown->size);
		EXPECT_EQ(-EOPNOTSUPP, CALL(self->args));
	}
}

TEST_F(command_with_id, refuses_ids_that_are_not_there)
{
	const __u32 wrong[] = { 0, 100, NO_SUCH_ID, 0x7fffffff, 0x80000000,
				0xffffffff };
	__u32 right = *self->id;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		*self->id = wrong[i];
		EXPECT_EQ(-ENOENT, CALL(self->args))
			TH_LOG("ID %#x", wrong[i]);
	}
	*self->id = right;
	EXPECT_EQ(0, CALL(self->args));
}

TEST_F(command_with_id, refuses_the_id_of_a_destroyed_object)
{
	ASSERT_EQ(0, iommufd_destroy(self->iommufd, *self->id));
	EXPECT_EQ(-ENOENT, CALL(self->args));
}

TEST_F(command_with_id, refuses_the_id_of_another_file)
{
	int other = iommufd_open();
	int i, rc;

	/* more objects than the first file has */
	for (i = 0; i < 5; i++) {
		rc = ioas_alloc(other, self->id);
		ASSERT_EQ(0, rc);
	}
	EXPECT_EQ(-ENOENT, CALL(self->args));
	close(other);
}

/* -- numbers that are no command -- */

TEST(a_number_that_nobody_has_is_no_command)
{
	const unsigned int numbers[] = {
		0, 1, 0x63, 0x7f, 0xcf, 0xd4, 0xdf, 0xf0, 0xff
	};
	int iommufd = iommufd_open();
	union arguments args = { .size = sizeof(args) };
	size_t i;

	ASSERT_LE(0, iommufd);
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		unsigned long request = _IO(IOMMUFD_TYPE, numbers[i]);

		EXPECT_EQ(-ENOTTY, checked_ioctl(iommufd, request, &args))
			TH_LOG("number %#x", numbers[i]);
		EXPECT_EQ(-ENOTTY, checked_ioctl(iommufd, request, NULL))
			TH_LOG("number %#x", numbers[i]);
	}
	close(iommufd);
}

TEST_HARNESS_MAIN
