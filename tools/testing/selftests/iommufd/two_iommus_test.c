// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices behind IOMMUs of two drivers in one file: QEMU's edu behind VT-d, and
 * one of the kernel's test device. Neither gets a page table of the other's,
 * whichever way it is told to.
 */
#include <stdint.h>
#include <string.h>

#include "kselftest_harness.h"
#include "edu_rig.h"
#include "mock_lib.h"
#include "test_support.h"

/* Where both devices can have memory */
#define IOVA (32 * MIB)

FIXTURE(iommus)
{
	struct edu_rig rig;		/* edu, which is not attached */
	__u32 other;		/* another IOAS */
	struct mock_device mock; /* not there yet */
	char *page;		/* at IOVA in the IOAS of the rig */
	char *other_page;	/* at IOVA in the other */
};

#define FD (self->rig.iommufd)
#define EDU (&self->rig.edu)
#define IOAS (self->rig.ioas)
#define OTHER (self->other)
#define MOCK (self->mock)

#define EDU_READ(bytes) device_read(&self->rig, IOVA, bytes, SMALL_PAGE)
#define MOCK_IS_ON(pt) (!mock_pasid_check(FD, MOCK.stdev, 0, pt))
#define MOCK_SEES(bytes)						\
	(MOCK_IS_ON(MOCK.hwpt) &&					\
	 !mock_check_map(FD, MOCK.hwpt, IOVA, SMALL_PAGE, bytes))

FIXTURE_SETUP(iommus)
{
	struct memory_rig mem;

	MAKE(edu_rig_make(&self->rig));
	if (!mock_available(FD))
		SKIP(return, "the kernel has no test device");
	MAKE(memory_rig_make(&mem, PAGES_SMALL, 2 * SMALL_PAGE));
	self->page = mem.va;
	self->other_page = self->page + SMALL_PAGE;
	pattern_fill(self->other_page, SMALL_PAGE, 2);
	ASSERT_EQ(0, ioas_alloc(FD, &self->other));
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, self->page, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, ioas_map_at(FD, OTHER, self->other_page, SMALL_PAGE,
				 IOVA));
	MAKE(edu_rig_map(&self->rig, IOAS));
	MAKE(edu_rig_map(&self->rig, OTHER));
}

FIXTURE_TEARDOWN_PARENT(iommus)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

/* Why was the last thing refused? */
static __u32 last_why(int iommufd)
{
	struct iommu_refusal last;

	return refusal_last(iommufd, 0, &last) ? IOMMU_WHY_ELSEWHERE : last.why;
}

TEST_F(iommus, share_an_ioas_and_no_page_table)
{
	__u32 pt = IOAS;

	ASSERT_EQ(0, vfio_attach_pt(EDU, &pt));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &MOCK));
	EXPECT_NE(pt, MOCK.hwpt);
	EXPECT_EQ(REACHED, EDU_READ(self->page));
	EXPECT_TRUE(MOCK_SEES(self->page));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, SMALL_PAGE, NULL));
	EXPECT_EQ(BLOCKED, EDU_READ(self->page));
	EXPECT_EQ(0, mock_check_hole(FD, MOCK.hwpt, IOVA, SMALL_PAGE));
}

TEST_F(iommus, real_device_does_not_come_to_a_page_table_of_the_mock)
{
	__u32 made;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &MOCK));
	ASSERT_EQ(0, hwpt_alloc(FD, MOCK.idev, IOAS, 0, &made));
	EXPECT_EQ(-EINVAL, vfio_attach(EDU, MOCK.hwpt));
	/* not because the IOMMU core has looked at it, which not all do */
	EXPECT_EQ(IOMMU_WHY_ATTACH_DRIVER, last_why(FD));
	EXPECT_EQ(-EINVAL, vfio_attach(EDU, made));
	EXPECT_EQ(IOMMU_WHY_ATTACH_DRIVER, last_why(FD));
	EXPECT_EQ(0, iommufd_destroy(FD, made));
	ASSERT_EQ(0, vfio_attach(EDU, IOAS));
	EXPECT_EQ(REACHED, EDU_READ(self->page));
}

TEST_F(iommus, mock_does_not_come_to_a_page_table_of_the_real_device)
{
	__u32 pt = IOAS, made;

	ASSERT_EQ(0, vfio_attach_pt(EDU, &pt));
	ASSERT_EQ(0, hwpt_alloc(FD, self->rig.edu.id, OTHER, 0, &made));
	EXPECT_EQ(-EINVAL, mock_domain(FD, pt, &MOCK));
	EXPECT_EQ(-EINVAL, mock_domain(FD, made, &MOCK));
	ASSERT_EQ(0, mock_domain(FD, OTHER, &MOCK));
	EXPECT_NE(made, MOCK.hwpt);
	EXPECT_TRUE(MOCK_SEES(self->other_page));
}

/* On the same IOAS, and from another */
TEST_F(iommus, real_device_does_not_move_to_a_page_table_of_the_mock)
{
	__u32 pt = IOAS, made, other_made;

	ASSERT_EQ(0, vfio_attach_pt(EDU, &pt));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &MOCK));
	ASSERT_EQ(0, hwpt_alloc(FD, MOCK.idev, IOAS, 0, &made));
	ASSERT_EQ(0, hwpt_alloc(FD, MOCK.idev, OTHER, 0, &other_made));
	EXPECT_EQ(-EINVAL, vfio_attach(EDU, MOCK.hwpt));
	EXPECT_EQ(-EINVAL, vfio_attach(EDU, made));
	EXPECT_EQ(-EINVAL, vfio_attach(EDU, other_made));
	EXPECT_EQ(-EBUSY, iommufd_destroy(FD, pt));
	EXPECT_EQ(REACHED, EDU_READ(self->page));
	EXPECT_EQ(0, iommufd_destroy(FD, made));
	EXPECT_EQ(0, iommufd_destroy(FD, other_made));
	/* nothing of the other IOAS is left to the device */
	EXPECT_EQ(0, iommufd_destroy(FD, OTHER));
}

TEST_F(iommus, mock_does_not_move_to_a_page_table_of_the_real_device)
{
	__u32 pt = IOAS, made, other_made, to;

	ASSERT_EQ(0, vfio_attach_pt(EDU, &pt));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &MOCK));
	ASSERT_EQ(0, hwpt_alloc(FD, self->rig.edu.id, IOAS, 0, &made));
	ASSERT_EQ(0, hwpt_alloc(FD, self->rig.edu.id, OTHER, 0, &other_made));
	to = pt;
	EXPECT_EQ(-EINVAL, mock_domain_replace(FD, MOCK.stdev, &to));
	to = made;
	EXPECT_EQ(-EINVAL, mock_domain_replace(FD, MOCK.stdev, &to));
	to = other_made;
	EXPECT_EQ(-EINVAL, mock_domain_replace(FD, MOCK.stdev, &to));
	EXPECT_TRUE(MOCK_SEES(self->page));
	EXPECT_EQ(0, iommufd_destroy(FD, made));
	EXPECT_EQ(0, iommufd_destroy(FD, other_made));
	EXPECT_EQ(0, iommufd_destroy(FD, OTHER));
	EXPECT_EQ(REACHED, EDU_READ(self->page));
}

TEST_F(iommus, real_device_that_moves_to_the_ioas_of_the_mock_has_its_own)
{
	__u32 pt = IOAS, back = IOAS;

	ASSERT_EQ(0, vfio_attach_pt(EDU, &pt));
	ASSERT_EQ(0, mock_domain(FD, OTHER, &MOCK));
	pt = OTHER;
	ASSERT_EQ(0, vfio_attach_pt(EDU, &pt));
	EXPECT_NE(MOCK.hwpt, pt);
	EXPECT_EQ(REACHED, EDU_READ(self->other_page));
	EXPECT_TRUE(MOCK_SEES(self->other_page));
	ASSERT_EQ(0, vfio_attach_pt(EDU, &back));
	EXPECT_EQ(REACHED, EDU_READ(self->page));
	EXPECT_EQ(-ENOENT, iommufd_destroy(FD, pt));
	EXPECT_TRUE(MOCK_SEES(self->other_page));
}

TEST_F(iommus, mock_that_moves_to_the_ioas_of_the_real_device_has_its_own)
{
	__u32 pt = IOAS;

	ASSERT_EQ(0, vfio_attach_pt(EDU, &pt));
	ASSERT_EQ(0, mock_domain(FD, OTHER, &MOCK));
	MOCK.hwpt = IOAS;
	ASSERT_EQ(0, mock_domain_replace(FD, MOCK.stdev, &MOCK.hwpt));
	EXPECT_NE(pt, MOCK.hwpt);
	EXPECT_TRUE(MOCK_SEES(self->page));
	EXPECT_EQ(REACHED, EDU_READ(self->page));
	ASSERT_EQ(0, mock_destroy(FD, &MOCK));
	EXPECT_EQ(REACHED, EDU_READ(self->page));
}

TEST_F(iommus, pasid_has_no_page_table_of_the_real_device)
{
	__u32 made, foreign, pt;

	ASSERT_EQ(0, mock_domain_flags(FD, IOAS, MOCK_FLAGS_DEVICE_PASID,
				       &MOCK));
	ASSERT_EQ(0, hwpt_alloc(FD, MOCK.idev, IOAS, IOMMU_HWPT_ALLOC_PASID,
				&made));
	ASSERT_EQ(0, hwpt_alloc(FD, self->rig.edu.id, IOAS,
				IOMMU_HWPT_ALLOC_PASID, &foreign));
	pt = made;
	ASSERT_EQ(0, mock_domain_replace(FD, MOCK.stdev, &pt));
	pt = foreign;
	EXPECT_EQ(-EINVAL, mock_pasid_attach(FD, MOCK.stdev, 1, &pt));
	EXPECT_EQ(0, mock_pasid_check(FD, MOCK.stdev, 1, 0));
	pt = made;
	ASSERT_EQ(0, mock_pasid_attach(FD, MOCK.stdev, 1, &pt));
	pt = foreign;
	EXPECT_EQ(-EINVAL, mock_pasid_replace(FD, MOCK.stdev, 1, &pt));
	EXPECT_EQ(0, mock_pasid_check(FD, MOCK.stdev, 1, made));
	EXPECT_EQ(0, iommufd_destroy(FD, foreign));
}

/* A nested page table needs data, whatever they are. */
static int nest_vtd(int iommufd, __u32 idev, __u32 parent)
{
	const struct iommu_hwpt_vtd_s1 data = { .addr_width = 48 };
	struct iommu_hwpt_alloc cmd = {
		.dev_id = idev,
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};

	return hwpt_alloc_ioctl(iommufd, &cmd);
}

TEST_F(iommus, nothing_is_nested_in_a_page_table_of_another)
{
	__u32 parent, nested, pt = IOAS;
	int rc;

	ASSERT_EQ(0, vfio_attach_pt(EDU, &pt));
	ASSERT_EQ(0, mock_domain(FD, IOAS, &MOCK));
	ASSERT_EQ(0, hwpt_alloc(FD, MOCK.idev, IOAS,
				IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	rc = nest_vtd(FD, self->rig.edu.id, parent);
	if (rc == -EOPNOTSUPP)
		SKIP(return, "the IOMMU nests by vIOMMUs only");
	EXPECT_EQ(-EINVAL, rc);

	ASSERT_EQ(0, mock_nested(FD, MOCK.idev, parent, 0, 7, &nested));
	EXPECT_EQ(-EINVAL, vfio_attach(EDU, nested));
	EXPECT_EQ(REACHED, EDU_READ(self->page));
	ASSERT_EQ(0, vfio_detach(EDU));
	EXPECT_EQ(-EINVAL, vfio_attach(EDU, nested));
	EXPECT_EQ(0, iommufd_destroy(FD, nested));
}

TEST_F(iommus, nothing_of_the_mock_is_nested_in_one_of_the_real_device)
{
	__u32 parent, nested;
	int rc;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &MOCK));
	rc = hwpt_alloc(FD, self->rig.edu.id, IOAS,
			IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	if (rc == -EOPNOTSUPP)
		SKIP(return, "the IOMMU has no page tables to nest in");
	ASSERT_EQ(0, rc);
	EXPECT_EQ(-EINVAL, mock_nested(FD, MOCK.idev, parent, 0, 7, &nested));
	EXPECT_EQ(IOMMU_WHY_NOT_PARENT, last_why(FD));
}

TEST_F(iommus, nothing_of_a_viommu_is_for_the_device_of_another)
{
	__u32 parent, viommu, id;

	ASSERT_EQ(0, mock_domain(FD, IOAS, &MOCK));
	ASSERT_EQ(0, hwpt_alloc(FD, MOCK.idev, IOAS,
				IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	ASSERT_EQ(0, mock_viommu(FD, MOCK.idev, parent, NULL, &viommu));
	EXPECT_EQ(-EINVAL, vdevice_alloc(FD, viommu, self->rig.edu.id, 1, &id));
	EXPECT_EQ(-EINVAL, nest_vtd(FD, self->rig.edu.id, viommu));
	EXPECT_EQ(-EINVAL, mock_nested(FD, self->rig.edu.id, viommu, 0, 7,
				       &id));
	/* nor does the driver of the other have the type */
	EXPECT_EQ(-EOPNOTSUPP, mock_viommu(FD, self->rig.edu.id, parent, NULL,
					   &id));
	/* the number was not taken */
	ASSERT_EQ(0, vdevice_alloc(FD, viommu, MOCK.idev, 1, &id));
	ASSERT_EQ(0, mock_nested(FD, MOCK.idev, viommu, 0, 7, &id));
	EXPECT_EQ(-EINVAL, vfio_attach(EDU, id));
	ASSERT_EQ(0, vfio_attach(EDU, IOAS));
	EXPECT_EQ(-EINVAL, vfio_attach(EDU, id));
	EXPECT_EQ(REACHED, EDU_READ(self->page));
}

TEST_HARNESS_MAIN
