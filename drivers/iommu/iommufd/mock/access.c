// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test device: accesses, as drivers without hardware DMA have them
 *
 * Owns struct mock_access, which lives as long as its file, and its items. Its
 * mutex guards the items, and is held from before a pin until the item for it
 * is there: whoever wants pages back finds all that are pinned. Called by the
 * ioctl, and by iommufd when it wants pages back.
 */
#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../call.h"
#include "../ctx.h"
#include "../test_hooks.h"
#include "mock.h"

#define MOCK_ACCESS_MAX_LENGTH SZ_16M

/* The flags are handed on as they are. */
static_assert((int)MOCK_ACCESS_RW_WRITE == (int)IOMMUFD_ACCESS_RW_WRITE);
static_assert((int)MOCK_ACCESS_RW_SLOW_PATH ==
	      (int)__IOMMUFD_ACCESS_RW_SLOW_PATH);

/**
 * struct mock_access_item - a range that is pinned
 * @node: in mock_access::items
 * @id: the number by which user space knows it
 * @iova: first IOVA
 * @length: bytes
 */
struct mock_access_item {
	struct list_head node;
	u32 id;
	unsigned long iova;
	unsigned long length;
};

/**
 * struct mock_access - an access
 * @access: the access, which keeps @ctx
 * @ctx: the context
 * @ops: what @access was made with
 * @mutex: guards the following
 * @ioas_id: the IOAS that it is attached to
 * @items: struct mock_access_item
 * @next_id: the number of the next item
 */
struct mock_access {
	struct iommufd_access *access;
	struct iommufd_ctx *ctx;
	const struct iommufd_access_ops *ops;
	struct mutex mutex;		/* the following */
	u32 ioas_id;
	struct list_head items;
	u32 next_id;
};

/*
 * Items
 */

static void mock_access_drop_item(struct mock_access *mock,
				  struct mock_access_item *item)
{
	lockdep_assert_held(&mock->mutex);

	list_del(&item->node);
	iommufd_access_unpin_pages(mock->access, item->iova, item->length);
	kfree(item);
}

static int mock_access_drop_item_id(struct mock_access *mock, u32 id)
{
	struct mock_access_item *item;

	guard(mutex)(&mock->mutex);
	list_for_each_entry(item, &mock->items, node) {
		if (item->id == id) {
			mock_access_drop_item(mock, item);
			return 0;
		}
	}
	return -ENOENT;
}

static void mock_access_drop_range(struct mock_access *mock, unsigned long iova,
				   unsigned long last)
{
	struct mock_access_item *item, *next;

	guard(mutex)(&mock->mutex);
	list_for_each_entry_safe(item, next, &mock->items, node)
		if (item->iova <= last && item->iova + item->length - 1 >= iova)
			mock_access_drop_item(mock, item);
}

static u32 mock_access_add_item(struct mock_access *mock,
				struct mock_access_item *item)
{
	lockdep_assert_held(&mock->mutex);

	item->id = mock->next_id++;
	list_add_tail(&item->node, &mock->items);
	return item->id;
}

/*
 * The access
 */

/**
 * struct mock_asked - what accesses were asked to unpin, all together
 * @calls: how often
 * @pages: how many pages that were
 * @nonsense: how often it was a range that is empty, or ends beyond ULONG_MAX
 */
static struct mock_asked {
	atomic_t calls;
	atomic_t pages;
	atomic_t nonsense;
} mock_asked;

/* How often accesses that are asked to unpin something still do not */
static atomic_t mock_deaf = ATOMIC_INIT(0);

static void mock_access_count_question(unsigned long iova, unsigned long length)
{
	unsigned long end;

	/* Drivers compute iova + length. */
	if (!length || check_add_overflow(iova, length, &end))
		atomic_inc(&mock_asked.nonsense);
	atomic_inc(&mock_asked.calls);
	atomic_add(min(DIV_ROUND_UP(length, PAGE_SIZE), INT_MAX / 2),
		   &mock_asked.pages);
}

static void mock_access_unmap(void *data, unsigned long iova,
			      unsigned long length)
{
	/* An access that leaves its IOAS is asked for everything, and obeys. */
	bool leaves = !iova && length == ULONG_MAX;

	if (!leaves) {
		mock_access_count_question(iova, length);
		if (atomic_dec_if_positive(&mock_deaf) >= 0)
			return;
	}
	mock_access_drop_range(data, iova, iova + length - 1);
}

static const struct iommufd_access_ops pinning_ops = {
	.needs_pin_pages = 1,
	.unmap = mock_access_unmap,
};

static const struct iommufd_access_ops copying_ops = {
	.unmap = mock_access_unmap,
};

static int mock_access_release(struct inode *inode, struct file *file)
{
	struct mock_access *mock = file->private_data;

	if (mock->access) {
		mock_access_drop_range(mock, 0, ULONG_MAX);
		iommufd_access_destroy(mock->access);
	}
	mutex_destroy(&mock->mutex);
	kfree(mock);
	return 0;
}

static const struct file_operations mock_access_fops = {
	.owner = THIS_MODULE,
	.release = mock_access_release,
};

static struct mock_access *to_mock_access(struct file *file)
{
	return file->private_data;
}

static struct file *mock_access_get(u32 fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADFD);
	if (file->f_op != &mock_access_fops) {
		fput(file);
		return ERR_PTR(-EBADFD);
	}
	return file;
}

static struct file *
mock_access_create_file(struct iommufd_ctx *ctx,
			const struct iommufd_access_ops *ops)
{
	struct mock_access *mock;
	struct file *file;

	mock = kzalloc_obj(*mock, GFP_KERNEL_ACCOUNT);
	if (!mock)
		return ERR_PTR(-ENOMEM);
	mock->ctx = ctx;
	mock->ops = ops;
	mutex_init(&mock->mutex);
	INIT_LIST_HEAD(&mock->items);

	file = anon_inode_getfile("[iommufd_test_staccess]", &mock_access_fops,
				  mock, O_RDWR);
	if (IS_ERR(file)) {
		mutex_destroy(&mock->mutex);
		kfree(mock);
	}
	return file;
}

/* Releasing the file undoes all of it. */
static int mock_access_start(struct mock_access *mock, u32 ioas_id)
{
	struct iommufd_access *access;
	u32 access_id;
	int rc;

	access = iommufd_access_create(mock->ctx, mock->ops, mock, &access_id);
	if (IS_ERR(access))
		return PTR_ERR(access);
	mock->access = access;
	rc = iommufd_access_attach(access, ioas_id);
	if (rc)
		return rc;
	mock->ioas_id = ioas_id;
	return 0;
}

int mock_op_create_access(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	const struct iommufd_access_ops *ops = &copying_ops;
	struct file *file;
	int fd, rc;

	if (cmd->create_access.flags &
	    ~MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES)
		return -EOPNOTSUPP;
	if (cmd->create_access.flags & MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES)
		ops = &pinning_ops;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = mock_access_create_file(call->ctx, ops);
	if (IS_ERR(file)) {
		rc = PTR_ERR(file);
		goto err_fd;
	}
	rc = mock_access_start(to_mock_access(file), cmd->id);
	if (rc)
		goto err_file;
	cmd->create_access.out_access_fd = fd;
	rc = iommufd_call_reply(call);
	if (rc)
		goto err_file;
	fd_install(fd, file);
	return 0;

err_file:
	fput(file);
err_fd:
	put_unused_fd(fd);
	return rc;
}

static int mock_access_replace(struct mock_access *mock, u32 ioas_id)
{
	int rc;

	rc = iommufd_access_replace(mock->access, ioas_id);
	if (rc)
		return rc;
	guard(mutex)(&mock->mutex);
	mock->ioas_id = ioas_id;
	return 0;
}

int mock_op_access_replace_ioas(struct iommufd_call *call,
				struct iommu_test_cmd *cmd)
{
	struct file *file = mock_access_get(cmd->id);
	int rc;

	if (IS_ERR(file))
		return PTR_ERR(file);
	rc = mock_access_replace(to_mock_access(file),
				 cmd->access_replace_ioas.ioas_id);
	fput(file);
	return rc;
}

static void mock_access_translate_syz(struct mock_access *mock, u64 *iova,
				      u32 *flags)
{
	u32 ioas_id;

	scoped_guard(mutex, &mock->mutex)
		ioas_id = mock->ioas_id;
	iommufd_test_syz_iova(mock->ctx, ioas_id, iova, flags);
}

/*
 * Pinning
 */

/* Are these the pages that the caller has at @uptr now? */
static int mock_access_compare_pages(struct page **pages, unsigned long npages,
				     u64 uptr)
{
	unsigned long i;

	for (i = 0; i != npages; i++) {
		unsigned long va = uptr + (i << PAGE_SHIFT);
		struct page *page;
		bool same;

		if (get_user_pages_fast(va, 1, 0, &page) != 1)
			return -EBADE;
		same = page == pages[i];
		put_page(page);
		if (!same)
			return -EBADE;
	}
	return 0;
}

static int mock_access_pin_and_compare(struct mock_access *mock,
				       const struct mock_access_item *item,
				       u64 uptr, unsigned int flags)
{
	unsigned long npages;
	struct page **pages;
	int rc;

	npages = DIV_ROUND_UP(offset_in_page(item->iova) + item->length,
			      PAGE_SIZE);
	pages = kvcalloc(max(npages, 1UL), sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	rc = iommufd_access_pin_pages(mock->access, item->iova, item->length,
				      pages, flags);
	if (rc)
		goto out_free;
	if (uptr)
		rc = mock_access_compare_pages(pages, npages, uptr);
	if (rc)
		iommufd_access_unpin_pages(mock->access, item->iova,
					   item->length);
out_free:
	kvfree(pages);
	return rc;
}

static int mock_access_pin_item(struct mock_access *mock,
				struct iommu_test_cmd *cmd)
{
	u32 flags = cmd->access_pages.flags;
	u64 iova = cmd->access_pages.iova;
	struct mock_access_item *item;
	int rc;

	if (!mock->ops->needs_pin_pages)
		return -EOPNOTSUPP;
	mock_access_translate_syz(mock, &iova, &flags);

	item = kzalloc_obj(*item, GFP_KERNEL_ACCOUNT);
	if (!item)
		return -ENOMEM;
	item->iova = iova;
	item->length = cmd->access_pages.length;

	guard(mutex)(&mock->mutex);
	rc = mock_access_pin_and_compare(mock, item, cmd->access_pages.uptr,
					 flags & MOCK_FLAGS_ACCESS_WRITE ?
						 IOMMUFD_ACCESS_RW_WRITE :
						 IOMMUFD_ACCESS_RW_READ);
	if (rc) {
		kfree(item);
		return rc;
	}
	cmd->access_pages.out_access_pages_id =
		mock_access_add_item(mock, item);
	return 0;
}

int mock_op_access_pages(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct file *file;
	int rc;

	if (cmd->access_pages.length > MOCK_ACCESS_MAX_LENGTH)
		return -ENOMEM;
	if (cmd->access_pages.flags &
	    ~(MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ))
		return -EOPNOTSUPP;

	file = mock_access_get(cmd->id);
	if (IS_ERR(file))
		return PTR_ERR(file);
	rc = mock_access_pin_item(to_mock_access(file), cmd);
	if (rc)
		goto out_put;
	rc = iommufd_call_reply(call);
	if (rc)
		mock_access_drop_item_id(to_mock_access(file),
					 cmd->access_pages.out_access_pages_id);
out_put:
	fput(file);
	return rc;
}

int mock_op_destroy_access_pages(struct iommufd_call *call,
				 struct iommu_test_cmd *cmd)
{
	u32 id = cmd->destroy_access_pages.access_pages_id;
	struct file *file = mock_access_get(cmd->id);
	int rc;

	if (IS_ERR(file))
		return PTR_ERR(file);
	rc = mock_access_drop_item_id(to_mock_access(file), id);
	fput(file);
	return rc;
}

/*
 * Copying
 */

static int mock_access_copy(struct mock_access *mock,
			    const struct iommu_test_cmd *cmd, void *buffer)
{
	void __user *user = u64_to_user_ptr(cmd->access_rw.uptr);
	u64 length = cmd->access_rw.length;
	u32 flags = cmd->access_rw.flags;
	u64 iova = cmd->access_rw.iova;
	bool write = flags & MOCK_ACCESS_RW_WRITE;
	int rc;

	mock_access_translate_syz(mock, &iova, &flags);
	if (write && copy_from_user(buffer, user, length))
		return -EFAULT;
	rc = iommufd_access_rw(mock->access, iova, buffer, length, flags);
	if (rc)
		return rc;
	if (!write && copy_to_user(user, buffer, length))
		return -EFAULT;
	return 0;
}

int mock_op_access_rw(struct iommufd_call *call, struct iommu_test_cmd *cmd)
{
	struct file *file;
	void *buffer;
	int rc;

	if (cmd->access_rw.length > MOCK_ACCESS_MAX_LENGTH)
		return -ENOMEM;
	if (cmd->access_rw.flags & ~(MOCK_ACCESS_RW_WRITE |
				     MOCK_ACCESS_RW_SLOW_PATH |
				     MOCK_FLAGS_ACCESS_SYZ))
		return -EOPNOTSUPP;

	file = mock_access_get(cmd->id);
	if (IS_ERR(file))
		return PTR_ERR(file);
	/* All of it is written before anybody reads it. */
	buffer = kvmalloc(cmd->access_rw.length, GFP_KERNEL_ACCOUNT);
	if (!buffer) {
		rc = -ENOMEM;
		goto out_put;
	}
	rc = mock_access_copy(to_mock_access(file), cmd, buffer);
	kvfree(buffer);
out_put:
	fput(file);
	return rc;
}

void mock_access_init(void)
{
	struct dentry *dir = mock_devices_dir;

	debugfs_create_atomic_t("asked", 0400, dir, &mock_asked.calls);
	debugfs_create_atomic_t("asked_pages", 0400, dir, &mock_asked.pages);
	debugfs_create_atomic_t("asked_nonsense", 0400, dir,
				&mock_asked.nonsense);
	debugfs_create_atomic_t("deaf", 0600, dir, &mock_deaf);
}
