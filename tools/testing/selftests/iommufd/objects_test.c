// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file /dev/iommu and its objects: who has them, which IDs they get, and
 * that nothing is made, taken away or set that its caller cannot be told of.
 */
#include <fcntl.h>

#include <sys/stat.h>

#include <linux/compiler.h>

#include "kselftest_harness.h"
#include "checked_io.h"
#include "test_support.h"

#define SOME_IOVA 0x100000

static char user_page[SMALL_PAGE] __aligned(SMALL_PAGE);

TEST(the_device_is_there_for_root_and_its_group)
{
	struct stat stat;

	ASSERT_EQ(0, lstat("/dev/iommu", &stat));
	EXPECT_TRUE(S_ISCHR(stat.st_mode));
	EXPECT_EQ(0660, stat.st_mode & 07777);
	EXPECT_EQ(0, access("/sys/class/misc/iommu/dev", F_OK));
}

FIXTURE(files)
{
	int iommufd;
	void *page;
};

FIXTURE_SETUP(files)
{
	self->iommufd = iommufd_open();
	ASSERT_LE(0, self->iommufd);
	self->page = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
}

FIXTURE_TEARDOWN(files)
{
	close(self->iommufd);
}

TEST_F(files, nothing_of_the_file_can_be_mapped_into_a_process)
{
	size_t page = SMALL_PAGE;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ, MAP_SHARED,
				   self->iommufd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ, MAP_PRIVATE,
				   self->iommufd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ | PROT_WRITE,
				   MAP_SHARED, self->iommufd, page));
}

TEST_F(files, objects_live_as_long_as_any_descriptor_of_their_file)
{
	int other = dup(self->iommufd);
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	close(self->iommufd);
	EXPECT_EQ(0, iommufd_destroy(other, ioas));
	close(other);
}

TEST_F(files, a_child_works_with_the_objects_of_its_parent)
{
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	EXPECT_EQ(0, IN_CHILD(iommufd_destroy(self->iommufd, ioas) ? 1 : 0));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->iommufd, ioas));
}

TEST_F(files, ids_are_counted_from_one_in_each_file)
{
	int other = iommufd_open();
	__u32 id, i;

	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(0, ioas_alloc(self->iommufd, &id));
		EXPECT_EQ(i, id);
	}
	ASSERT_EQ(0, ioas_alloc(other, &id));
	EXPECT_EQ(1, id);
	close(other);
}

TEST_F(files, the_lowest_free_id_comes_next)
{
	static const __u32 freed[] = { 2, 9, 10 };
	__u32 id, i;
	int rc;

	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(0, ioas_alloc(self->iommufd, &id));
		ASSERT_EQ(i, id);
	}
	for (i = ARRAY_SIZE(freed); i > 0; i--) {
		rc = iommufd_destroy(self->iommufd, freed[i - 1]);
		EXPECT_EQ(0, rc);
	}
	for (i = 0; i < ARRAY_SIZE(freed); i++) {
		ASSERT_EQ(0, ioas_alloc(self->iommufd, &id));
		EXPECT_EQ(freed[i], id);
	}
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &id));
	EXPECT_EQ(11, id);
}

TEST_F(files, an_object_is_gone_when_destroy_returns)
{
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, ioas));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->iommufd, ioas));
}

TEST_F(files, an_ioas_with_maps_can_be_destroyed)
{
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	ASSERT_EQ(0, ioas_map_at(self->iommufd, ioas, user_page, SMALL_PAGE,
				 SOME_IOVA));
	EXPECT_EQ(0, iommufd_destroy(self->iommufd, ioas));
}

TEST_F(files, a_refused_alloc_takes_no_id)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc), .flags = 1 };
	__u32 id;

	ASSERT_EQ(-EOPNOTSUPP, checked_ioctl(self->iommufd, IOMMU_IOAS_ALLOC,
					     &alloc));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &id));
	EXPECT_EQ(1, id);
}

/* -- results that cannot be written back -- */

static int make_read_only(void *page)
{
	return mprotect(page, SMALL_PAGE, PROT_READ);
}

TEST_F(files, an_id_that_cannot_be_told_is_not_taken)
{
	struct iommu_ioas_alloc *alloc = self->page;
	__u32 id;

	alloc->size = sizeof(*alloc);
	ASSERT_EQ(0, make_read_only(self->page));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_ALLOC,
					 alloc));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_ALLOC,
					 alloc));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &id));
	EXPECT_EQ(1, id);
}

TEST_F(files, a_map_whose_iova_cannot_be_told_is_undone)
{
	struct iommu_ioas_map *map = self->page;
	__u64 unmapped;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	*map = (struct iommu_ioas_map){
		.size = sizeof(*map),
		.flags = MAP_RW,
		.ioas_id = ioas,
		.user_va = (uintptr_t)user_page,
		.length = SMALL_PAGE,
	};
	ASSERT_EQ(0, make_read_only(self->page));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_MAP, map));
	EXPECT_EQ(0, ioas_unmap_all(self->iommufd, ioas, &unmapped));
	EXPECT_EQ(0, unmapped);
}

#define OTHER_IOVA (SOME_IOVA + SMALL_PAGE)

/* An IOAS with a page at SOME_IOVA and nothing else? */
static bool has_one_page(int iommufd, __u32 ioas)
{
	__u64 unmapped;

	if (ioas_unmap(iommufd, ioas, SOME_IOVA, SMALL_PAGE, &unmapped) ||
	    unmapped != SMALL_PAGE)
		return false;
	return !ioas_unmap_all(iommufd, ioas, &unmapped) && !unmapped;
}

TEST_F(files, a_map_of_any_kind_that_cannot_be_told_is_not_there)
{
	struct iommu_ioas_map *map = self->page;
	struct iommu_ioas_map_file *file = self->page + 512;
	struct iommu_ioas_copy *copy = self->page + 1024;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	ASSERT_EQ(0, ioas_map_at(self->iommufd, ioas, user_page, SMALL_PAGE,
				 SOME_IOVA));
	*map = (struct iommu_ioas_map){
		.size = sizeof(*map),
		.flags = MAP_RW | MAP_AT,
		.ioas_id = ioas,
		.user_va = (uintptr_t)user_page,
		.length = SMALL_PAGE,
		.iova = OTHER_IOVA,
	};
	*file = (struct iommu_ioas_map_file){
		.size = sizeof(*file),
		.flags = MAP_RW,
		.ioas_id = ioas,
		.fd = memfd_alloc(SMALL_PAGE, false),
		.length = SMALL_PAGE,
	};
	*copy = (struct iommu_ioas_copy){
		.size = sizeof(*copy),
		.flags = MAP_RW,
		.src_ioas_id = ioas,
		.dst_ioas_id = ioas,
		.src_iova = SOME_IOVA,
		.length = SMALL_PAGE,
	};
	ASSERT_EQ(0, make_read_only(self->page));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_MAP, map));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_MAP_FILE,
					 file));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_COPY,
					 copy));
	EXPECT_TRUE(has_one_page(self->iommufd, ioas));
}

/* Whether the length that it returns is the one that was asked for or not */
TEST_F(files, an_unmap_that_cannot_be_told_is_not_done)
{
	struct iommu_ioas_unmap *exact = self->page;
	struct iommu_ioas_unmap *larger = self->page + 512;
	struct iommu_ioas_unmap *all = self->page + 1024;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	ASSERT_EQ(0, ioas_map_at(self->iommufd, ioas, user_page, SMALL_PAGE,
				 SOME_IOVA));
	*exact = (struct iommu_ioas_unmap){
		.size = sizeof(*exact),
		.ioas_id = ioas,
		.iova = SOME_IOVA,
		.length = SMALL_PAGE,
	};
	*larger = *exact;
	larger->length = 2 * SMALL_PAGE;
	*all = *exact;
	all->iova = 0;
	all->length = UINT64_MAX;
	ASSERT_EQ(0, make_read_only(self->page));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_UNMAP,
					 exact));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_UNMAP,
					 larger));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_UNMAP, all));
	EXPECT_TRUE(has_one_page(self->iommufd, ioas));
}

TEST_F(files, a_wrong_unmap_is_refused_for_what_is_wrong)
{
	struct iommu_ioas_unmap *unmap = self->page;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	*unmap = (struct iommu_ioas_unmap){
		.size = sizeof(*unmap),
		.ioas_id = ioas,
	};
	ASSERT_EQ(0, make_read_only(self->page));
	EXPECT_EQ(-EINVAL, checked_ioctl(self->iommufd, IOMMU_IOAS_UNMAP,
					 unmap));
	ASSERT_EQ(0, iommufd_destroy(self->iommufd, ioas));
	EXPECT_EQ(-ENOENT, checked_ioctl(self->iommufd, IOMMU_IOAS_UNMAP,
					 unmap));
}

TEST_F(files, an_option_that_cannot_be_told_is_not_set)
{
	struct iommu_option *option = self->page;
	__u64 value;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	*option = (struct iommu_option){
		.size = sizeof(*option),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = ioas,
	};
	ASSERT_EQ(0, make_read_only(self->page));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_OPTION, option));
	ASSERT_EQ(0, iommufd_option_get(self->iommufd, IOMMU_OPTION_HUGE_PAGES,
					ioas, &value));
	EXPECT_EQ(1, value);
}

TEST_F(files, a_value_that_cannot_be_told_is_an_error)
{
	struct iommu_ioas_iova_ranges *ranges = self->page;
	struct iommu_option *option = self->page + 512;
	struct iommu_vfio_ioas *vfio = self->page + 1024;
	struct iommu_vfio_ioas set = {
		.size = sizeof(set),
		.op = IOMMU_VFIO_IOAS_SET,
	};
	struct iommu_iova_range range;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &set.ioas_id));
	ASSERT_EQ(0, checked_ioctl(self->iommufd, IOMMU_VFIO_IOAS, &set));
	*ranges = (struct iommu_ioas_iova_ranges){
		.size = sizeof(*ranges),
		.ioas_id = set.ioas_id,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};
	*option = (struct iommu_option){
		.size = sizeof(*option),
		.op = IOMMU_OPTION_OP_GET,
	};
	*vfio = (struct iommu_vfio_ioas){
		.size = sizeof(*vfio),
		.op = IOMMU_VFIO_IOAS_GET,
	};
	ASSERT_EQ(0, make_read_only(self->page));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_IOAS_IOVA_RANGES,
					 ranges));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_OPTION, option));
	EXPECT_EQ(-EFAULT, checked_ioctl(self->iommufd, IOMMU_VFIO_IOAS, vfio));
}

TEST_F(files, commands_without_results_work_from_read_only_memory)
{
	struct iommu_destroy *destroy = self->page;
	struct iommu_vfio_ioas *vfio = self->page + 512;
	struct iommu_ioas_allow_iovas *allow = self->page + 1024;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	*destroy = (struct iommu_destroy){
		.size = sizeof(*destroy),
		.id = ioas,
	};
	*vfio = (struct iommu_vfio_ioas){
		.size = sizeof(*vfio),
		.ioas_id = ioas,
		.op = IOMMU_VFIO_IOAS_SET,
	};
	*allow = (struct iommu_ioas_allow_iovas){
		.size = sizeof(*allow),
		.ioas_id = ioas,
	};
	ASSERT_EQ(0, make_read_only(self->page));
	EXPECT_EQ(0, checked_ioctl(self->iommufd, IOMMU_IOAS_ALLOW_IOVAS,
				   allow));
	EXPECT_EQ(0, checked_ioctl(self->iommufd, IOMMU_VFIO_IOAS, vfio));
	EXPECT_EQ(0, checked_ioctl(self->iommufd, IOMMU_DESTROY, destroy));
}

TEST_HARNESS_MAIN
