// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is charged for pinned memory, and that the charge goes back.
 *
 * RLIMIT_MEMLOCK is LIMIT, and the process is one that must keep to it.
 */
#include <sys/mman.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "edu_rig.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define IOVA (16 * MIB)
#define LIMIT (64 * SMALL_PAGE)

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)
#define VA (self->mem.va)
#define MAP(offset, length, iova) \
	ioas_map_at(FD, IOAS, VA + (offset), length, iova)
#define UNMAP(iova, length) ioas_unmap(FD, IOAS, iova, length, NULL)
#define ATTACH() vfio_attach(&self->rig.edu, IOAS)
#define DETACH() vfio_detach(&self->rig.edu)

enum account {
	BY_USER,
	BY_PROCESS,
};

FIXTURE(charge)
{
	struct edu_rig rig;
	struct memory_rig mem;
};

FIXTURE_VARIANT(charge)
{
	enum account account;
	enum page_kind kind;
};

FIXTURE_VARIANT_ADD(charge, to_the_user)
{
	.account = BY_USER,
	.kind = PAGES_SMALL,
};

FIXTURE_VARIANT_ADD(charge, to_the_user_for_huge_pages)
{
	.account = BY_USER,
	.kind = PAGES_THP,
};

FIXTURE_VARIANT_ADD(charge, to_the_process)
{
	.account = BY_PROCESS,
	.kind = PAGES_SMALL,
};

FIXTURE_VARIANT_ADD(charge, to_the_process_for_huge_pages)
{
	.account = BY_PROCESS,
	.kind = PAGES_THP,
};

FIXTURE_SETUP(charge)
{
	MAKE(edu_rig_make(&self->rig));
	if (variant->account == BY_PROCESS)
		MAKE(edu_rig_charge_process(&self->rig));
	MAKE(memory_rig_make(&self->mem, variant->kind, HUGE_PAGE));
	ASSERT_EQ(0, limit_memlock(LIMIT));
	/* no test shares its user with another */
	ASSERT_EQ(0, become_user(10000 + getpid()));
}

FIXTURE_TEARDOWN_PARENT(charge)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

/* Nothing is charged: the whole limit is left, and not a page more. */
static bool whole_limit_is_left(struct edu_rig *rig, char *va)
{
	const __u64 iova = IOVA + 100 * MIB;

	if (ioas_map_at(rig->iommufd, rig->ioas, va, LIMIT + SMALL_PAGE,
			iova) != -ENOMEM)
		return false;
	if (ioas_map_at(rig->iommufd, rig->ioas, va, LIMIT, iova))
		return false;
	return !ioas_unmap(rig->iommufd, rig->ioas, iova, LIMIT, NULL);
}

TEST_F(charge, may_reach_the_limit_and_not_exceed_it)
{
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-ENOMEM, MAP(0, LIMIT + SMALL_PAGE, IOVA));
	EXPECT_EQ(0, vm_pinned());
	EXPECT_EQ(-ENOENT, UNMAP(IOVA, LIMIT + SMALL_PAGE));
	EXPECT_EQ(0, MAP(0, LIMIT, IOVA));
	EXPECT_EQ(LIMIT, vm_pinned());
	EXPECT_EQ(-ENOMEM, MAP(LIMIT, SMALL_PAGE, IOVA + MIB));
	EXPECT_EQ(LIMIT, vm_pinned());
}

TEST_F(charge, adds_up_over_maps)
{
	size_t offset;
	int rc;

	ASSERT_EQ(0, ATTACH());
	for (offset = 0; offset < LIMIT; offset += LIMIT / 8) {
		rc = MAP(offset, LIMIT / 8, IOVA + offset);
		EXPECT_EQ(0, rc);
	}
	EXPECT_EQ(-ENOMEM, MAP(LIMIT, SMALL_PAGE, IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA, LIMIT / 8));
	EXPECT_EQ(-ENOMEM, MAP(LIMIT, LIMIT / 8 + SMALL_PAGE, IOVA + MIB));
	EXPECT_EQ(0, MAP(0, LIMIT / 8, IOVA + MIB));
}

TEST_F(charge, goes_back_with_unmap)
{
	ASSERT_EQ(0, ATTACH());
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
	ASSERT_EQ(0, MAP(0, LIMIT, IOVA));
	EXPECT_FALSE(whole_limit_is_left(&self->rig, VA + LIMIT));
	ASSERT_EQ(0, UNMAP(IOVA, LIMIT));
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(charge, comes_and_goes_with_the_device)
{
	ASSERT_EQ(0, MAP(0, LIMIT, IOVA));
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(LIMIT, vm_pinned());
	EXPECT_EQ(-ENOMEM, MAP(LIMIT, SMALL_PAGE, IOVA + MIB));
	ASSERT_EQ(0, DETACH());
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA, LIMIT));
	ASSERT_EQ(0, ATTACH());
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
}

TEST_F(charge, goes_back_with_the_ioas)
{
	ASSERT_EQ(0, MAP(0, LIMIT, IOVA));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, DETACH());
	ASSERT_EQ(0, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
	ASSERT_EQ(0, ATTACH());
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
}

TEST_F(charge, goes_back_after_refused_maps)
{
	int i, rc = 0;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, munmap(VA + LIMIT / 2, SMALL_PAGE));
	for (i = 0; i < 20; i++) {
		rc = MAP(0, LIMIT, IOVA);
		EXPECT_EQ(-EFAULT, rc);
	}
	EXPECT_EQ(0, vm_pinned());
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA + HUGE_PAGE / 2));
}

TEST_F(charge, beyond_the_limit_refuses_the_device)
{
	ASSERT_EQ(0, MAP(0, LIMIT, IOVA));
	ASSERT_EQ(0, MAP(LIMIT, SMALL_PAGE, IOVA + MIB));
	EXPECT_EQ(-ENOMEM, ATTACH());
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA + MIB, SMALL_PAGE));
	EXPECT_EQ(0, ATTACH());
	EXPECT_EQ(LIMIT, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA, LIMIT));
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
}

/* Somewhere else in the IOAS, for the @n-th time */
#define MAP_AGAIN(offset, length, n) MAP(offset, length, IOVA + (n) * MIB)

TEST_F(charge, counts_a_page_once_in_all_maps_of_it)
{
	int i, rc;

	ASSERT_EQ(0, ATTACH());
	for (i = 0; i < 4; i++) {
		rc = MAP_AGAIN(0, LIMIT, i);
		EXPECT_EQ(0, rc);
		EXPECT_EQ(LIMIT, vm_pinned());
	}
	EXPECT_EQ(-ENOMEM, MAP_AGAIN(LIMIT, SMALL_PAGE, 4));

	/* until the last of them goes, which is not the first that came */
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(LIMIT, vm_pinned());
		EXPECT_EQ(-ENOMEM, MAP_AGAIN(LIMIT, SMALL_PAGE, 4));
		ASSERT_EQ(0, UNMAP(IOVA + i * MIB, LIMIT));
	}
	EXPECT_EQ(0, vm_pinned());
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
}

TEST_F(charge, counts_what_is_new_of_maps_that_overlap)
{
	const size_t unit = LIMIT / 8;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP_AGAIN(2 * unit, 2 * unit, 0));
	ASSERT_EQ(0, MAP_AGAIN(5 * unit, 2 * unit, 1));
	EXPECT_EQ(4 * unit, vm_pinned());
	ASSERT_EQ(0, MAP_AGAIN(0, 8 * unit, 2));
	EXPECT_EQ(LIMIT, vm_pinned());
	EXPECT_EQ(-ENOMEM, MAP_AGAIN(7 * unit, 2 * unit, 3));
	EXPECT_EQ(LIMIT, vm_pinned());
	ASSERT_EQ(0, MAP_AGAIN(3 * unit + SMALL_PAGE, 3 * unit, 3));
	EXPECT_EQ(LIMIT, vm_pinned());

	ASSERT_EQ(0, UNMAP(IOVA + 2 * MIB, 8 * unit));
	EXPECT_EQ(5 * unit, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA, 2 * unit));
	EXPECT_EQ(4 * unit - SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA + 3 * MIB, 3 * unit));
	EXPECT_EQ(2 * unit, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA + MIB, 2 * unit));
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
}

/* What an earlier map has seen there is pinned as well, and stays charged. */
TEST_F(charge, counts_memory_that_took_the_place_of_other)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP_AGAIN(0, LIMIT / 2, 0));
	ASSERT_EQ(0, madvise(VA, HUGE_PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, MAP_AGAIN(0, LIMIT / 2, 1));
	EXPECT_EQ(LIMIT, vm_pinned());
	EXPECT_EQ(0, MAP_AGAIN(0, LIMIT / 2, 2));
	EXPECT_EQ(LIMIT, vm_pinned());
	ASSERT_EQ(0, madvise(VA, HUGE_PAGE, MADV_DONTNEED));
	EXPECT_EQ(-ENOMEM, MAP_AGAIN(0, SMALL_PAGE, 3));
	EXPECT_EQ(-ENOMEM, MAP_AGAIN(0, LIMIT / 2, 3));
	EXPECT_EQ(LIMIT, vm_pinned());

	ASSERT_EQ(0, UNMAP(IOVA, LIMIT / 2));
	EXPECT_EQ(LIMIT / 2, vm_pinned());
	EXPECT_EQ(0, MAP_AGAIN(0, LIMIT / 2, 3));
	EXPECT_EQ(LIMIT, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA + MIB, LIMIT / 2));
	ASSERT_EQ(0, UNMAP(IOVA + 2 * MIB, LIMIT / 2));
	ASSERT_EQ(0, UNMAP(IOVA + 3 * MIB, LIMIT / 2));
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
}

/* Some of what is mapped again is, and some is not what was there before. */
TEST_F(charge, counts_each_page_for_itself)
{
	size_t offset;
	int rc;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP_AGAIN(0, LIMIT / 2, 0));
	for (offset = 0; offset < LIMIT / 2; offset += 2 * SMALL_PAGE) {
		rc = madvise(VA + offset, SMALL_PAGE, MADV_DONTNEED);
		ASSERT_EQ(0, rc);
	}
	ASSERT_EQ(0, MAP_AGAIN(0, LIMIT / 2, 1));
	EXPECT_EQ(LIMIT / 2 + LIMIT / 4, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA, LIMIT / 2));
	EXPECT_EQ(LIMIT / 2, vm_pinned());
}

/* A new file of HUGE_PAGE bytes, mapped twice in one piece */
static char *show_file_twice(bool huge, int *file)
{
	char *va = address_room(2 * HUGE_PAGE, HUGE_PAGE);
	size_t offset;

	*file = memfd_alloc(HUGE_PAGE, huge);
	if (!va || *file < 0)
		return NULL;
	for (offset = 0; offset < 2 * HUGE_PAGE; offset += HUGE_PAGE)
		if (mmap(va + offset, HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, *file, 0) != va + offset)
			return NULL;
	return va;
}

TEST_F(charge, counts_a_page_of_a_file_once_by_any_way)
{
	__u64 iova = IOVA + 3 * MIB;
	int file;
	char *va;

	ASSERT_EQ(0, ATTACH());
	va = show_file_twice(variant->kind == PAGES_THP, &file);
	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va, LIMIT, IOVA));
	EXPECT_EQ(LIMIT, vm_pinned());
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va + HUGE_PAGE, LIMIT, IOVA + MIB));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, va + HUGE_PAGE, SMALL_PAGE,
				 IOVA + 2 * MIB));
	EXPECT_EQ(0, ioas_map_file(FD, IOAS, MAP_RW | MAP_AT, file, 0, LIMIT,
				   &iova));
	EXPECT_EQ(LIMIT, vm_pinned());
	EXPECT_EQ(-ENOMEM, ioas_map_at(FD, IOAS, va + LIMIT, SMALL_PAGE, MIB));
	ASSERT_EQ(0, UNMAP(IOVA, LIMIT));
	ASSERT_EQ(0, UNMAP(IOVA + MIB, LIMIT));
	EXPECT_EQ(LIMIT, vm_pinned());
	ASSERT_EQ(0, UNMAP(iova, LIMIT));
	EXPECT_EQ(SMALL_PAGE, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA + 2 * MIB, SMALL_PAGE));
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
}

/* One map by address may have private memory and that of files. */
TEST_F(charge, counts_each_mapping_for_what_it_is)
{
	int file;
	char *va;

	ASSERT_EQ(0, ATTACH());
	va = show_file_twice(variant->kind == PAGES_THP, &file);
	ASSERT_NE(NULL, va);
	/* the end of the file, and its beginning */
	ASSERT_EQ(0, ioas_map_at(FD, IOAS, va + HUGE_PAGE - LIMIT / 2, LIMIT,
				 IOVA));
	EXPECT_EQ(LIMIT, vm_pinned());
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, va, LIMIT / 2, IOVA + MIB));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, va + 2 * HUGE_PAGE - LIMIT / 2,
				 LIMIT / 2, IOVA + 2 * MIB));
	EXPECT_EQ(LIMIT, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA, LIMIT));
	EXPECT_EQ(LIMIT, vm_pinned());
	ASSERT_EQ(0, UNMAP(IOVA + MIB, LIMIT / 2));
	ASSERT_EQ(0, UNMAP(IOVA + 2 * MIB, LIMIT / 2));
	EXPECT_TRUE(whole_limit_is_left(&self->rig, VA));
}

TEST_F(charge, shows_as_locked_memory_of_a_process_only)
{
	long locked = variant->account == BY_PROCESS ? LIMIT / 2 : 0;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(0, LIMIT / 2, IOVA));
	EXPECT_EQ(locked, vm_locked());
	ASSERT_EQ(0, UNMAP(IOVA, LIMIT / 2));
	EXPECT_EQ(0, vm_locked());
}

/* -- what the variants do not share -- */

FIXTURE(account)
{
	struct edu_rig rig;
	struct memory_rig mem;
};

#define ACCOUNT FIXTURE_DATA(account)

FIXTURE_SETUP(account)
{
	MAKE(edu_rig_make(&self->rig));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL, HUGE_PAGE));
	ASSERT_EQ(0, limit_memlock(LIMIT));
}

FIXTURE_TEARDOWN_PARENT(account)
{
	EXPECT_EQ(0, pins_left(self->rig.pins));
}

TEST_F(account, of_who_may_lock_memory_has_no_limit)
{
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, MAP(0, MIB, IOVA));
	EXPECT_EQ(MIB, vm_pinned());
	EXPECT_EQ(0, vm_locked());
	EXPECT_EQ(0, UNMAP(IOVA, MIB));
	EXPECT_EQ(0, vm_pinned());
}

TEST_F(account, by_process_has_no_limit_for_who_may_lock_memory)
{
	MAKE(edu_rig_charge_process(&self->rig));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, MAP(0, MIB, IOVA));
	EXPECT_EQ(MIB, vm_pinned());
	EXPECT_EQ(0, vm_locked());
}

TEST_F(account, is_chosen_when_the_map_is_made)
{
	ASSERT_EQ(0, MAP(0, MIB, IOVA));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	EXPECT_EQ(0, ATTACH());
	EXPECT_EQ(MIB, vm_pinned());
	EXPECT_EQ(-ENOMEM, MAP(0, LIMIT + SMALL_PAGE, IOVA + 2 * MIB));
	EXPECT_EQ(0, MAP(0, LIMIT, IOVA + 2 * MIB));
	EXPECT_EQ(0, UNMAP(IOVA, MIB));
	EXPECT_EQ(-ENOMEM, MAP(LIMIT, SMALL_PAGE, IOVA));
}

TEST_F(account, of_a_user_is_shared_by_the_processes_of_the_user)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, become_user(5000));
	ASSERT_EQ(0, IN_CHILD(-MAP(0, LIMIT / 2, IOVA)));
	EXPECT_EQ(-ENOMEM, MAP(0, LIMIT / 2 + SMALL_PAGE, IOVA + MIB));
	EXPECT_EQ(0, MAP(0, LIMIT / 2, IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA, LIMIT / 2));
	EXPECT_EQ(0, MAP(LIMIT, LIMIT / 2, IOVA));
}

TEST_F(account, of_a_user_has_a_file_once_in_all_processes)
{
	int file;
	char *va;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, become_user(5004));
	va = show_file_twice(false, &file);
	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, IN_CHILD(-ioas_map_at(FD, IOAS, va, LIMIT, IOVA)));
	EXPECT_EQ(-ENOMEM, ioas_map_at(FD, IOAS, va + LIMIT, SMALL_PAGE, MIB));
	EXPECT_EQ(0, ioas_map_at(FD, IOAS, va + HUGE_PAGE, LIMIT, IOVA + MIB));
	EXPECT_EQ(LIMIT, vm_pinned());
	EXPECT_EQ(0, UNMAP(IOVA, LIMIT));
	EXPECT_EQ(-ENOMEM, MAP(0, SMALL_PAGE, IOVA));
	EXPECT_EQ(0, UNMAP(IOVA + MIB, LIMIT));
	EXPECT_EQ(0, MAP(0, LIMIT, IOVA));
}

TEST_F(account, of_one_user_is_not_that_of_another)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, IN_CHILD(become_user(5001) || MAP(0, LIMIT, IOVA)));
	ASSERT_EQ(0, become_user(5002));
	EXPECT_EQ(0, MAP(0, LIMIT, IOVA + MIB));
}

TEST_F(account, of_a_process_is_not_that_of_another)
{
	MAKE(edu_rig_charge_process(&self->rig));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, become_user(5003));
	ASSERT_EQ(0, IN_CHILD(-MAP(0, LIMIT, IOVA)));
	EXPECT_EQ(0, MAP(0, LIMIT, IOVA + MIB));
	EXPECT_EQ(0, UNMAP(IOVA, LIMIT));
	EXPECT_EQ(LIMIT, vm_locked());
}

/* The user's charge outlives the process, not the file. */
TEST_F(account, is_settled_when_the_file_is_closed)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	ASSERT_EQ(0, MAP(0, LIMIT, IOVA));
	edu_rig_break(&self->rig);
	EXPECT_EQ(0, vm_pinned());
	ASSERT_EQ(0, edu_rig_open(&self->rig));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(0, MAP(0, LIMIT, IOVA));
	EXPECT_EQ(-ENOMEM, MAP(LIMIT, SMALL_PAGE, IOVA + MIB));
}

/* Without CAP_IPC_LOCK root has a limit, too. */
TEST_F(account, is_that_of_the_user_whom_a_process_becomes)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	ASSERT_EQ(0, MAP(0, LIMIT, IOVA));
	EXPECT_EQ(-ENOMEM, MAP(LIMIT, SMALL_PAGE, IOVA + MIB));
	ASSERT_EQ(0, become_user(5010));
	/* what root pays for as well, and what nobody does yet */
	EXPECT_EQ(0, MAP(0, LIMIT / 2, IOVA + MIB));
	EXPECT_EQ(0, MAP(LIMIT, LIMIT / 2, IOVA + 2 * MIB));
	EXPECT_EQ(-ENOMEM, MAP(2 * LIMIT, SMALL_PAGE, IOVA + 3 * MIB));
}

struct mapping {
	struct thread_call call;
	struct edu_rig *rig;
	char *va;
	size_t length;
	__u64 iova;
};

static int map_it(void *data)
{
	struct mapping *mapping = data;

	return ioas_map_at(mapping->rig->iommufd, mapping->rig->ioas,
			   mapping->va, mapping->length, mapping->iova);
}

/*
 * What is about to be pinned is charged in full. Who maps the same meanwhile, or
 * a little of it, waits until it is known how much of it is.
 */
static void settle_and_refuse(struct __test_metadata *_metadata, ACCOUNT *self,
			      char *va)
{
	struct mapping first = {
		.rig = &self->rig,
		.va = va,
		.length = LIMIT,
		.iova = IOVA,
	};
	struct mapping second = first, little = first;
	struct late_page page;

	ASSERT_EQ(0, late_page_open_at(&page, va + LIMIT - SMALL_PAGE));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	second.iova += MIB;
	little.iova += 2 * MIB;
	little.length = SMALL_PAGE;
	ASSERT_EQ(0, thread_call_start(&first.call, map_it, &first));
	ASSERT_TRUE(late_page_wait(&page));
	ASSERT_EQ(0, thread_call_start(&second.call, map_it, &second));
	ASSERT_EQ(0, thread_call_start(&little.call, map_it, &little));
	ASSERT_TRUE(thread_call_wait_asleep(&second.call));
	ASSERT_TRUE(thread_call_wait_asleep(&little.call));

	/* those who map something else have their answer */
	EXPECT_EQ(-ENOMEM, MAP(LIMIT, SMALL_PAGE, IOVA + 3 * MIB));
	EXPECT_EQ(-ENOMEM, MAP(LIMIT, LIMIT, IOVA + 3 * MIB));
	ASSERT_EQ(0, late_page_give(&page));
	EXPECT_EQ(0, thread_call_end(&first.call));
	EXPECT_EQ(0, thread_call_end(&second.call));
	EXPECT_EQ(0, thread_call_end(&little.call));
	EXPECT_EQ(LIMIT, vm_pinned());
	close(page.uffd);
}

TEST_F(account, is_settled_before_another_map_of_the_memory_is_refused)
{
	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, madvise(VA, LIMIT, MADV_DONTNEED));
	settle_and_refuse(_metadata, self, VA);
}

TEST_F(account, is_settled_before_another_map_of_the_file_is_refused)
{
	int file;
	char *va = show_file_twice(false, &file);

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	ASSERT_NE(NULL, va);
	settle_and_refuse(_metadata, self, va);
}

TEST_HARNESS_MAIN
