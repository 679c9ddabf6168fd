// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices without an IOMMU
 *
 * Owns the page tables of such devices, which nobody reads, so that nothing is
 * put into them. But one follows an IOAS like any other, so that what is mapped
 * there is pinned; and user space may ask where it is. Called by the ioctl
 * table, and where a device attaches.
 *
 * Such a device can reach all of memory, whatever is mapped. vfio lets only
 * users with CAP_SYS_RAWIO have one.
 */
#include <linux/capability.h>
#include <linux/iommu.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd.h>

#include "call.h"
#include "engine/why.h"
#include "ioas.h"
#include "noiommu.h"

static void noiommu_domain_free(struct iommu_domain *domain)
{
	kfree(domain);
}

/* Called by code that reads any page table */
static phys_addr_t noiommu_domain_iova_to_phys(struct iommu_domain *domain,
					       dma_addr_t iova)
{
	return 0;
}

static const struct iommu_domain_ops noiommu_domain_ops = {
	.iova_to_phys = noiommu_domain_iova_to_phys,
	.free = noiommu_domain_free,
};

/* The owner of these page tables, in place of an IOMMU driver */
static const struct iommu_ops noiommu_ops = {
};

/**
 * iommufd_noiommu_domain_alloc - make a page table that nobody reads
 *
 * All IOVA can be used, in units of PAGE_SIZE.
 *
 * Return: the page table, or ERR_PTR(-ENOMEM).
 */
struct iommu_domain *iommufd_noiommu_domain_alloc(void)
{
	struct iommu_domain *domain;

	domain = kzalloc_obj(*domain, GFP_KERNEL_ACCOUNT);
	if (!domain)
		return ERR_PTR(-ENOMEM);
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	domain->ops = &noiommu_domain_ops;
	domain->owner = &noiommu_ops;
	domain->pgsize_bitmap = PAGE_MASK;
	domain->geometry.aperture_end = ULONG_MAX;
	domain->geometry.force_aperture = true;
	return domain;
}

bool iommufd_is_noiommu_domain(const struct iommu_domain *domain)
{
	return domain->owner == &noiommu_ops;
}

static int noiommu_get_pa(struct iommufd_call *call, struct iommufd_ioas *ioas)
{
	struct iommu_ioas_noiommu_get_pa *cmd = call->arg;
	unsigned long length = min(cmd->length, ULONG_MAX);
	phys_addr_t phys;
	int rc;

	rc = iommufd_address_space_find_phys(&ioas->as, cmd->iova, &length,
					     &phys);
	if (rc)
		return rc;
	cmd->out_phys = phys;
	cmd->length = length;
	return iommufd_call_reply(call);
}

int iommufd_ioas_noiommu_get_pa_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_noiommu_get_pa *cmd = call->arg;
	struct iommufd_ioas *ioas;
	int rc;

	if (!capable(CAP_SYS_RAWIO))
		return iommufd_refuse(IOMMU_WHY_PRIVILEGE, CAP_SYS_RAWIO);
	if (cmd->flags)
		return iommufd_refuse(IOMMU_WHY_FLAGS, cmd->flags);
	if (cmd->__reserved)
		return iommufd_refuse_reserved(cmd->__reserved);
	if (!cmd->length)
		return iommufd_refuse(IOMMU_WHY_EMPTY_RANGE, cmd->iova);
	if (cmd->iova >= ULONG_MAX)
		return iommufd_refuse(IOMMU_WHY_ADDRESS, cmd->iova,
				      cmd->length);

	ioas = iommufd_ioas_get(call->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = noiommu_get_pa(call, ioas);
	iommufd_object_put(call->ctx, &ioas->obj);
	return rc;
}
