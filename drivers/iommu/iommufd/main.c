// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/iommu: the character device, its ioctls, the module
 *
 * Owns struct iommufd_ctx. A type of object is a row of iommufd_object_types[],
 * and a command is a row of commands[].
 */
#define pr_fmt(fmt) "iommufd: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommufd.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "access.h"
#include "engine/account.h"
#include "call.h"
#include "change_process.h"
#include "ctx.h"
#include "debugfs.h"
#include "device.h"
#include "dirty.h"
#include "dma_fault.h"
#include "fault.h"
#include "fdinfo.h"
#include "hw_info.h"
#include "hw_queue.h"
#include "hwpt.h"
#include "hwpt_alloc.h"
#include "hwpt_nested.h"
#include "invalidate.h"
#include "ioas.h"
#include "iommufd_test.h"
#include "mmap.h"
#include "noiommu.h"
#include "object.h"
#include "option.h"
#include "pasid.h"
#include "refusals.h"
#include "engine/populate.h"
#include "engine/source.h"
#include "sw_msi.h"
#include "test_hooks.h"
#include "vdevice.h"
#include "veventq.h"
#include "vfio_compat.h"
#include "vfio_container.h"
#include "viommu.h"

const struct iommufd_object_ops *const
iommufd_object_types[IOMMUFD_NR_OBJ_TYPES] = {
	[IOMMUFD_OBJ_ACCESS] = &iommufd_access_object_ops,
	[IOMMUFD_OBJ_DEVICE] = &iommufd_device_object_ops,
	[IOMMUFD_OBJ_FAULT] = &iommufd_fault_queue_object_ops,
	[IOMMUFD_OBJ_HW_QUEUE] = &iommufd_hw_queue_object_ops,
	[IOMMUFD_OBJ_HWPT_NESTED] = &iommufd_hwpt_nested_object_ops,
	[IOMMUFD_OBJ_HWPT_PAGING] = &iommufd_hwpt_paging_object_ops,
	[IOMMUFD_OBJ_IOAS] = &iommufd_ioas_object_ops,
	[IOMMUFD_OBJ_PASID] = &iommufd_pasid_object_ops,
	[IOMMUFD_OBJ_VDEVICE] = &iommufd_vdevice_object_ops,
	[IOMMUFD_OBJ_VEVENTQ] = &iommufd_veventq_object_ops,
	[IOMMUFD_OBJ_VIOMMU] = &iommufd_viommu_object_ops,
#ifdef CONFIG_IOMMUFD_TEST
	[IOMMUFD_OBJ_SELFTEST] = &iommufd_test_object_ops,
#endif
};

/*
 * ioctls
 */

/* All structures that commands[] knows, for their size */
union iommufd_arg {
	struct iommu_destroy destroy;
	struct iommu_fault_alloc fault_alloc;
	struct iommu_get_records get_records;
	struct iommu_get_refusals get_refusals;
	struct iommu_hw_info hw_info;
	struct iommu_hw_queue_alloc hw_queue_alloc;
	struct iommu_hwpt_alloc hwpt_alloc;
	struct iommu_hwpt_get_dirty_bitmap get_dirty_bitmap;
	struct iommu_hwpt_set_dirty_tracking set_dirty_tracking;
	struct iommu_hwpt_invalidate hwpt_invalidate;
	struct iommu_ioas_alloc ioas_alloc;
	struct iommu_ioas_allow_iovas allow_iovas;
	struct iommu_ioas_change_process change_process;
	struct iommu_ioas_iova_ranges iova_ranges;
	struct iommu_ioas_copy copy;
	struct iommu_ioas_map map;
	struct iommu_ioas_map_file map_file;
	struct iommu_ioas_unmap unmap;
	struct iommu_option option;
	struct iommu_pasid_alloc pasid_alloc;
	struct iommu_set_recorder set_recorder;
	struct iommu_vdevice_alloc vdevice_alloc;
	struct iommu_veventq_alloc veventq_alloc;
	struct iommu_vfio_ioas vfio_ioas;
	struct iommu_viommu_alloc viommu_alloc;
#ifdef CONFIG_IOMMUFD_TEST
	struct iommu_test_cmd test;
#endif
};

/**
 * struct iommufd_command - an ioctl
 * @request: its full number
 * @size: bytes of its structure
 * @min_size: bytes that user space must know at least
 * @run: the handler. Returns 0 or an error; replies by iommufd_call_reply().
 */
struct iommufd_command {
	unsigned int request;
	unsigned int size;
	unsigned int min_size;
	int (*run)(struct iommufd_call *call);
};

#define ROW(_base, _name, _struct, _last, _run)				\
	[IOMMUFD_CMD_##_name - (_base)] = {				\
		.request = _IO(IOMMUFD_TYPE, IOMMUFD_CMD_##_name),	\
		.size = sizeof(_struct),				\
		.min_size = offsetofend(_struct, _last),		\
		.run = _run,						\
	}

#define COMMAND(...) ROW(IOMMUFD_CMD_BASE, __VA_ARGS__)
#define EXTENSION(...) ROW(IOMMUFD_CMD_EXTENSION_BASE, __VA_ARGS__)

static const struct iommufd_command commands[] = {
	COMMAND(DESTROY, struct iommu_destroy, id, iommufd_destroy_ioctl),
	COMMAND(FAULT_QUEUE_ALLOC, struct iommu_fault_alloc, out_fault_fd,
		iommufd_fault_queue_alloc_ioctl),
	COMMAND(GET_HW_INFO, struct iommu_hw_info, __reserved,
		iommufd_get_hw_info_ioctl),
	COMMAND(HW_QUEUE_ALLOC, struct iommu_hw_queue_alloc, length,
		iommufd_hw_queue_alloc_ioctl),
	COMMAND(HWPT_ALLOC, struct iommu_hwpt_alloc, __reserved,
		iommufd_hwpt_alloc_ioctl),
	COMMAND(HWPT_GET_DIRTY_BITMAP, struct iommu_hwpt_get_dirty_bitmap, data,
		iommufd_hwpt_get_dirty_bitmap_ioctl),
	COMMAND(HWPT_SET_DIRTY_TRACKING, struct iommu_hwpt_set_dirty_tracking,
		__reserved, iommufd_hwpt_set_dirty_tracking_ioctl),
	COMMAND(HWPT_INVALIDATE, struct iommu_hwpt_invalidate, __reserved,
		iommufd_hwpt_invalidate_ioctl),
	COMMAND(IOAS_ALLOC, struct iommu_ioas_alloc, out_ioas_id,
		iommufd_ioas_alloc_ioctl),
	COMMAND(IOAS_ALLOW_IOVAS, struct iommu_ioas_allow_iovas,
		allowed_iovas, iommufd_ioas_allow_iovas_ioctl),
	COMMAND(IOAS_CHANGE_PROCESS, struct iommu_ioas_change_process,
		__reserved, iommufd_ioas_change_process_ioctl),
	COMMAND(IOAS_COPY, struct iommu_ioas_copy, src_iova,
		iommufd_ioas_copy_ioctl),
	COMMAND(IOAS_IOVA_RANGES, struct iommu_ioas_iova_ranges,
		out_iova_alignment, iommufd_ioas_iova_ranges_ioctl),
	COMMAND(IOAS_MAP, struct iommu_ioas_map, iova,
		iommufd_ioas_map_ioctl),
	COMMAND(IOAS_MAP_FILE, struct iommu_ioas_map_file, iova,
		iommufd_ioas_map_file_ioctl),
#ifdef CONFIG_IOMMUFD_NOIOMMU
	COMMAND(IOAS_NOIOMMU_GET_PA, struct iommu_ioas_noiommu_get_pa, out_phys,
		iommufd_ioas_noiommu_get_pa_ioctl),
#endif
	COMMAND(IOAS_UNMAP, struct iommu_ioas_unmap, length,
		iommufd_ioas_unmap_ioctl),
	COMMAND(OPTION, struct iommu_option, val64, iommufd_option_ioctl),
	COMMAND(VDEVICE_ALLOC, struct iommu_vdevice_alloc, virt_id,
		iommufd_vdevice_alloc_ioctl),
	COMMAND(VEVENTQ_ALLOC, struct iommu_veventq_alloc, out_veventq_fd,
		iommufd_veventq_alloc_ioctl),
	COMMAND(VFIO_IOAS, struct iommu_vfio_ioas, __reserved,
		iommufd_vfio_ioas_ioctl),
	COMMAND(VIOMMU_ALLOC, struct iommu_viommu_alloc, out_viommu_id,
		iommufd_viommu_alloc_ioctl),
#ifdef CONFIG_IOMMUFD_TEST
	[_IOC_NR(IOMMU_TEST_CMD) - IOMMUFD_CMD_BASE] = {
		.request = IOMMU_TEST_CMD,
		.size = sizeof(struct iommu_test_cmd),
		.min_size = offsetofend(struct iommu_test_cmd, last),
		.run = iommufd_test_ioctl,
	},
#endif
};

static const struct iommufd_command extensions[] = {
	EXTENSION(PASID_ALLOC, struct iommu_pasid_alloc, __reserved,
		  iommufd_pasid_alloc_ioctl),
	EXTENSION(GET_REFUSALS, struct iommu_get_refusals, entries,
		  iommufd_get_refusals_ioctl),
	EXTENSION(GET_RECORDS, struct iommu_get_records, __reserved,
		  iommufd_get_records_ioctl),
	EXTENSION(SET_RECORDER, struct iommu_set_recorder, __reserved,
		  iommufd_set_recorder_ioctl),
};

/**
 * iommufd_call_reply - give the structure of an ioctl back to user space
 * @call: the ioctl
 *
 * A handler that can undo what it does, without fail, undoes it if this fails.
 * One that cannot replies before it does anything: with the result if that is
 * known, else with what user space has written, and again with the result. The
 * second time fails only if user space itself takes the structure away
 * meanwhile.
 *
 * Return: 0 or -EFAULT.
 */
int iommufd_call_reply(struct iommufd_call *call)
{
	u32 size = min(call->user_size, call->known_size);

	return copy_to_user(call->user, call->arg, size) ? -EFAULT : 0;
}

/**
 * iommufd_call_reply_u64 - give one field of the structure back to user space
 * @call: the ioctl
 * @field: the only one that differs from what user space has written; in what
 *         every version of the structure has
 *
 * As iommufd_call_reply(), in less time.
 *
 * Return: 0 or -EFAULT.
 */
int iommufd_call_reply_u64(struct iommufd_call *call, const __u64 *field)
{
	void __user *user = call->user + ((const void *)field - call->arg);

	return put_user(*field, (__u64 __user *)user);
}

static int ioctl_run_command(const struct iommufd_command *command,
			     struct iommufd_call *call)
{
	int rc;

	rc = command->run(call);
	if (!call->created)
		return rc;
	if (rc)
		iommufd_object_abort(call->ctx, call->created);
	else
		iommufd_object_publish(call->ctx, call->created);
	return rc;
}

/* The row of a number, which may be empty, or NULL outside of the tables */
static const struct iommufd_command *ioctl_find_row(unsigned int nr)
{
	unsigned int index = nr - IOMMUFD_CMD_BASE;

	if (index < ARRAY_SIZE(commands)) {
		index = array_index_nospec(index, ARRAY_SIZE(commands));
		return &commands[index];
	}
	index = nr - IOMMUFD_CMD_EXTENSION_BASE;
	if (index < ARRAY_SIZE(extensions)) {
		index = array_index_nospec(index, ARRAY_SIZE(extensions));
		return &extensions[index];
	}
	return NULL;
}

static int ioctl_refuse_struct(const struct iommufd_call *call, int rc)
{
	return rc == -E2BIG ?
		       iommufd_refuse(IOMMU_WHY_LONG_STRUCT, call->user_size,
				      call->known_size) :
		       rc;
}

/* Return: 0 or more, a refusal or an errno */
static int ioctl_run(struct iommufd_ctx *ctx, unsigned int request,
		     unsigned long user)
{
	const struct iommufd_command *command;
	union iommufd_arg arg __uninitialized;
	struct iommufd_call call = {
		.ctx = ctx,
		.user = (void __user *)user,
		.arg = &arg,
	};
	int rc;

	command = ioctl_find_row(_IOC_NR(request));
	if (!command)
		return iommufd_vfio_container_ioctl(ctx, request, user);
	if (get_user(call.user_size, (u32 __user *)call.user))
		return -EFAULT;
	if (command->request != request)
		return iommufd_refuse(IOMMU_WHY_COMMAND);
	if (call.user_size < command->min_size)
		return iommufd_refuse(IOMMU_WHY_SHORT_STRUCT, call.user_size,
				      command->min_size);

	call.known_size = command->size;
	rc = copy_struct_from_user(&arg, command->size, call.user,
				   call.user_size);
	if (rc)
		return ioctl_refuse_struct(&call, rc);
	return ioctl_run_command(command, &call);
}

/*
 * The test device calls functions that drivers call: these have recorded a
 * refusal, and returned its errno. What the device refuses by itself is not
 * recorded.
 */
static bool ioctl_is_kept(unsigned int request, int rc)
{
	return IS_ENABLED(CONFIG_IOMMUFD_TEST) && request == IOMMU_TEST_CMD &&
	       iommufd_errno(rc) == rc;
}

static long iommufd_fops_ioctl(struct file *file, unsigned int request,
			       unsigned long user)
{
	struct iommufd_ctx *ctx = file->private_data;
	int rc;

	rc = ioctl_run(ctx, request, user);
	if (ioctl_is_kept(request, rc))
		return rc;
	return iommufd_refused(ctx, request, rc);
}

/*
 * Files
 */

static struct miscdevice iommufd_vfio_misc;

/* Who opens a VFIO container is charged as by VFIO. */
static enum iommufd_account_mode main_account_mode(const struct file *file)
{
	return file->private_data == &iommufd_vfio_misc ? IOMMUFD_ACCOUNT_MM :
							  IOMMUFD_ACCOUNT_USER;
}

static int iommufd_fops_open(struct inode *inode, struct file *file)
{
	struct iommufd_ctx *ctx;

	ctx = kzalloc_obj(*ctx, GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return -ENOMEM;
	ctx->file = file;
	iommufd_object_table_init(ctx);
	xa_init(&ctx->groups);
	mutex_init(&ctx->groups_lock);
	ctx->account_mode = main_account_mode(file);
	iommufd_accounts_init(&ctx->accounts);
	mutex_init(&ctx->vfio_lock);
	mutex_init(&ctx->sw_msi_lock);
	INIT_LIST_HEAD(&ctx->sw_msi_maps);
	mt_init_flags(&ctx->mmap_ranges, MT_FLAGS_ALLOC_RANGE);
	iommufd_recorder_init(&ctx->recorder);
	file->private_data = ctx;
	iommufd_debugfs_add(ctx);
	return 0;
}

static int iommufd_fops_release(struct inode *inode, struct file *file)
{
	struct iommufd_ctx *ctx = file->private_data;

	iommufd_debugfs_remove(ctx);
	iommufd_object_destroy_all(ctx);
	WARN_ON(!xa_empty(&ctx->groups));
	xa_destroy(&ctx->groups);
	iommufd_sw_msi_forget(ctx);
	WARN_ON(!mtree_empty(&ctx->mmap_ranges));
	mtree_destroy(&ctx->mmap_ranges);
	iommufd_accounts_destroy(&ctx->accounts);
	mutex_destroy(&ctx->sw_msi_lock);
	mutex_destroy(&ctx->vfio_lock);
	mutex_destroy(&ctx->groups_lock);
	iommufd_recorder_destroy(&ctx->recorder);
	iommufd_refusals_free(ctx);
	kfree(ctx);
	return 0;
}

static const struct file_operations iommufd_fops = {
	.owner = THIS_MODULE,
	.open = iommufd_fops_open,
	.release = iommufd_fops_release,
	.unlocked_ioctl = iommufd_fops_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = iommufd_fops_mmap,
	.show_fdinfo = iommufd_fops_show_fdinfo,
};

/**
 * iommufd_ctx_get - take a reference of a context
 * @ctx: the context
 */
void iommufd_ctx_get(struct iommufd_ctx *ctx)
{
	get_file(ctx->file);
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_get, "IOMMUFD");

/**
 * iommufd_ctx_put - drop a reference of a context
 * @ctx: the context
 */
void iommufd_ctx_put(struct iommufd_ctx *ctx)
{
	fput(ctx->file);
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_put, "IOMMUFD");

/**
 * iommufd_ctx_from_file - the context of a file
 * @file: a file of any kind
 *
 * Return: the context with a reference for the caller, or ERR_PTR(-EBADFD) if
 * the file is none of ours.
 */
struct iommufd_ctx *iommufd_ctx_from_file(struct file *file)
{
	struct iommufd_ctx *ctx;

	if (file->f_op != &iommufd_fops)
		return ERR_PTR(-EBADFD);
	ctx = file->private_data;
	iommufd_ctx_get(ctx);
	return ctx;
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_from_file, "IOMMUFD");

/**
 * iommufd_ctx_from_fd - the context of a file descriptor
 * @fd: a file descriptor of the calling process
 *
 * Return: the context with a reference for the caller, or an ERR_PTR: -EBADF
 * if the descriptor is not open, -EBADFD if the file is none of ours.
 */
struct iommufd_ctx *iommufd_ctx_from_fd(int fd)
{
	CLASS(fd, f)(fd);

	if (fd_empty(f))
		return ERR_PTR(-EBADF);
	return iommufd_ctx_from_file(fd_file(f));
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_from_fd, "IOMMUFD");

static struct miscdevice iommufd_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "iommu",
	.fops = &iommufd_fops,
	.nodename = "iommu",
	.mode = 0660,
};

static struct miscdevice iommufd_vfio_misc = {
	.minor = VFIO_MINOR,
	.name = "vfio",
	.fops = &iommufd_fops,
	.nodename = "vfio/vfio",
	.mode = 0666,
};

/* Where VFIO has no containers of its own */
static int main_register_vfio(void)
{
	if (!IS_ENABLED(CONFIG_IOMMUFD_VFIO_CONTAINER))
		return 0;
	return misc_register(&iommufd_vfio_misc);
}

static void main_deregister_vfio(void)
{
	if (IS_ENABLED(CONFIG_IOMMUFD_VFIO_CONTAINER))
		misc_deregister(&iommufd_vfio_misc);
}

/**
 * iommufd_device_node - the device that stands for /dev/iommu
 *
 * Return: the device, for interfaces that want one.
 */
struct device *iommufd_device_node(void)
{
	return iommufd_misc.this_device;
}

static int __init iommufd_init(void)
{
	int rc;

	rc = iommufd_area_cache_init();
	if (rc)
		return rc;
	rc = iommufd_user_memory_init();
	if (rc)
		goto err_area_cache;
	rc = iommufd_populate_init();
	if (rc)
		goto err_user_memory;
	rc = iommufd_dma_fault_init();
	if (rc)
		goto err_populate;
	rc = iommufd_test_init();
	if (rc)
		goto err_dma_fault;
	rc = misc_register(&iommufd_misc);
	if (rc)
		goto err_test;
	rc = main_register_vfio();
	if (rc)
		goto err_misc;
	iommufd_debugfs_init();
	return 0;

err_misc:
	misc_deregister(&iommufd_misc);
err_test:
	iommufd_test_exit();
err_dma_fault:
	iommufd_dma_fault_exit();
err_populate:
	iommufd_populate_exit();
err_user_memory:
	iommufd_user_memory_exit();
err_area_cache:
	iommufd_area_cache_exit();
	return rc;
}

static void __exit iommufd_exit(void)
{
	iommufd_debugfs_exit();
	main_deregister_vfio();
	misc_deregister(&iommufd_misc);
	iommufd_test_exit();
	iommufd_dma_fault_exit();
	iommufd_populate_exit();
	iommufd_user_memory_exit();
	iommufd_area_cache_exit();
}

module_init(iommufd_init);
module_exit(iommufd_exit);

#ifdef CONFIG_IOMMUFD_VFIO_CONTAINER
MODULE_ALIAS_MISCDEV(VFIO_MINOR);
MODULE_ALIAS("devname:vfio/vfio");
#endif

MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("IOMMUFD");
MODULE_IMPORT_NS("IOMMUFD_INTERNAL");
MODULE_DESCRIPTION("I/O address spaces for user space drivers");
MODULE_LICENSE("GPL");
