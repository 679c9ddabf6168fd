// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what IOMMU drivers see of objects that are being destroyed
 *
 * The objects are PASIDs, of which nothing but the count of users is looked at.
 * Like an IOMMU driver, the tests know of them without a short-term reference.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/iommufd.h>
#include <linux/kthread.h>

#include "ctx.h"
#include "engine/why.h"
#include "object.h"

struct object_fixture {
	struct iommufd_ctx ctx;
	/* Another object, published */
	struct iommufd_object *other;
};

struct destroyer {
	struct iommufd_ctx *ctx;
	struct iommufd_object *obj;
	struct completion done;
	int rc;
};

static struct iommufd_object *new_object(struct kunit *test)
{
	struct object_fixture *fix = test->priv;
	struct iommufd_object *obj;

	obj = iommufd_object_alloc(&fix->ctx, IOMMUFD_OBJ_PASID);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	iommufd_object_publish(&fix->ctx, obj);
	return obj;
}

static int destroy_id(void *data)
{
	struct destroyer *destroyer = data;

	destroyer->rc = iommufd_object_destroy_id(destroyer->ctx,
						  destroyer->obj->id);
	complete(&destroyer->done);
	return 0;
}

static int destroy_owned(void *data)
{
	struct destroyer *destroyer = data;

	iommufd_object_destroy_owned(destroyer->ctx, destroyer->obj);
	complete(&destroyer->done);
	return 0;
}

static void start_destroyer(struct kunit *test, struct destroyer *destroyer,
			    struct iommufd_object *obj, int (*run)(void *data))
{
	struct object_fixture *fix = test->priv;
	struct task_struct *task;

	destroyer->ctx = &fix->ctx;
	destroyer->obj = obj;
	init_completion(&destroyer->done);
	task = kthread_run(run, destroyer, "iommufd_destroyer");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
}

static void wait_until_nobody_finds(struct object_fixture *fix, u32 id)
{
	while (xa_load(&fix->ctx.objects, id))
		fsleep(1000);
}

static void object_that_others_need_is_in_use(struct kunit *test)
{
	struct object_fixture *fix = test->priv;
	struct iommufd_object *obj = new_object(test);
	int rc;

	KUNIT_ASSERT_EQ(test, _iommufd_object_depend(fix->other, obj), 0);
	rc = iommufd_object_destroy_id(&fix->ctx, obj->id);
	KUNIT_EXPECT_EQ(test, -EBUSY, iommufd_errno(rc));
	_iommufd_object_undepend(fix->other, obj);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_id(&fix->ctx, obj->id), 0);
}

static void object_does_not_depend_on_itself(struct kunit *test)
{
	struct object_fixture *fix = test->priv;

	KUNIT_EXPECT_EQ(test, _iommufd_object_depend(fix->other, fix->other),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, refcount_read(&fix->other->users), 1);
}

/*
 * DESTROY has taken the object, and its driver is told of it late: a PASID is
 * told under the lock of the groups.
 */
static void object_that_is_destroyed_is_needed_by_nobody(struct kunit *test)
{
	struct object_fixture *fix = test->priv;
	struct iommufd_object *obj = new_object(test);
	struct destroyer destroyer;
	int rc;

	mutex_lock(&fix->ctx.groups_lock);
	start_destroyer(test, &destroyer, obj, destroy_id);
	wait_until_nobody_finds(fix, obj->id);
	rc = _iommufd_object_depend(fix->other, obj);
	mutex_unlock(&fix->ctx.groups_lock);
	wait_for_completion(&destroyer.done);
	KUNIT_EXPECT_EQ(test, rc, -ENOENT);
	KUNIT_EXPECT_EQ(test, destroyer.rc, 0);
}

/* As automatic page tables do */
static void object_that_goes_with_its_last_user_gets_no_more(struct kunit *test)
{
	struct object_fixture *fix = test->priv;
	struct iommufd_object *obj = new_object(test);

	iommufd_object_hold(obj);
	KUNIT_ASSERT_EQ(test, _iommufd_object_depend(fix->other, obj), 0);
	KUNIT_EXPECT_FALSE(test, iommufd_object_release_and_take(&fix->ctx,
								 obj));
	KUNIT_ASSERT_TRUE(test, iommufd_object_release_and_take(&fix->ctx,
								obj));
	KUNIT_EXPECT_EQ(test, _iommufd_object_depend(fix->other, obj), -ENOENT);
	iommufd_object_destroy_taken(&fix->ctx, obj);
}

/* It warns if that is not so. */
static void object_of_a_driver_outlasts_what_ioctls_hold(struct kunit *test)
{
	struct object_fixture *fix = test->priv;
	struct iommufd_object *obj = new_object(test);
	struct destroyer destroyer;

	KUNIT_ASSERT_PTR_EQ(test, iommufd_object_get(&fix->ctx, obj->id,
						     IOMMUFD_OBJ_ANY), obj);
	iommufd_object_hold(obj);
	start_destroyer(test, &destroyer, obj, destroy_owned);
	wait_until_nobody_finds(fix, obj->id);
	KUNIT_EXPECT_FALSE(test, completion_done(&destroyer.done));
	iommufd_object_release(obj);
	iommufd_object_put(&fix->ctx, obj);
	wait_for_completion(&destroyer.done);
}

static int object_fixture_init(struct kunit *test)
{
	struct object_fixture *fix;

	fix = kunit_kzalloc(test, sizeof(*fix), GFP_KERNEL);
	if (!fix)
		return -ENOMEM;
	test->priv = fix;
	iommufd_object_table_init(&fix->ctx);
	mutex_init(&fix->ctx.groups_lock);
	fix->other = new_object(test);
	return 0;
}

static void object_fixture_exit(struct kunit *test)
{
	struct object_fixture *fix = test->priv;

	if (!fix)
		return;
	iommufd_object_destroy_all(&fix->ctx);
	mutex_destroy(&fix->ctx.groups_lock);
}

static struct kunit_case object_cases[] = {
	KUNIT_CASE(object_that_others_need_is_in_use),
	KUNIT_CASE(object_does_not_depend_on_itself),
	KUNIT_CASE(object_that_is_destroyed_is_needed_by_nobody),
	KUNIT_CASE(object_that_goes_with_its_last_user_gets_no_more),
	KUNIT_CASE(object_of_a_driver_outlasts_what_ioctls_hold),
	{}
};

static struct kunit_suite object_suite = {
	.name = "iommufd_object",
	.init = object_fixture_init,
	.exit = object_fixture_exit,
	.test_cases = object_cases,
};

kunit_test_suite(object_suite);
