/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that its owner may take back, and give again
 */
#ifndef __IOMMUFD_REVOCABLE_H
#define __IOMMUFD_REVOCABLE_H

#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/types.h>

struct dma_resv;
struct iommu_domain;
struct iommufd_area;
struct revocable_mapping;

/**
 * struct iommufd_revocable - memory of a device that does not wait for users
 * @resv: the owner's lock, which it holds when it takes the memory back
 * @mutex: inside @resv; held while the memory is being taken back, and by those
 *         who need it to stay but cannot wait for its owner
 * @revoked: it has been taken back, and is in no page table; changes under both
 *           locks
 * @is_owed: though @revoked, the owner has given it again, but it could not be
 *           put into all page tables; guarded by @resv
 * @phys: where it is, unless @revoked; guarded by @resv
 * @mappings: areas that belong into page tables; guarded by @resv
 * @next: follows what left @mappings last, or NULL; guarded by @resv. Areas are
 *        unmapped in the order of @mappings.
 */
struct iommufd_revocable {
	struct dma_resv *resv;
	struct mutex mutex;		/* inside resv */
	bool revoked;
	bool is_owed;
	phys_addr_t phys;
	struct rb_root mappings;
	struct revocable_mapping *next;
};

/* The subsystem's, which knows whose page table it is */
void iommufd_domain_revoked(struct iommu_domain *domain, unsigned long iova,
			    unsigned long last);

#ifdef CONFIG_DMA_SHARED_BUFFER
void iommufd_revocable_init(struct iommufd_revocable *revocable,
			    struct dma_resv *resv);
void iommufd_revoke(struct iommufd_revocable *revocable);
void iommufd_restore(struct iommufd_revocable *revocable, phys_addr_t phys);

int iommufd_revocable_map(struct iommu_domain *domain,
			  const struct iommufd_area *area, bool page_by_page);
void iommufd_revocable_unmap_begin(struct iommufd_revocable *revocable);
bool iommufd_revocable_unmap_area(struct iommu_domain *domain,
				  const struct iommufd_area *area);
void iommufd_revocable_unmap_end(struct iommufd_revocable *revocable);

bool iommufd_revocable_hold(struct iommufd_revocable *revocable);
void iommufd_revocable_release(struct iommufd_revocable *revocable);
#else
static inline int iommufd_revocable_map(struct iommu_domain *domain,
					const struct iommufd_area *area,
					bool page_by_page)
{
	return -EOPNOTSUPP;
}

static inline void
iommufd_revocable_unmap_begin(struct iommufd_revocable *revocable)
{
}

static inline bool
iommufd_revocable_unmap_area(struct iommu_domain *domain,
			     const struct iommufd_area *area)
{
	return false;
}

static inline void
iommufd_revocable_unmap_end(struct iommufd_revocable *revocable)
{
}

static inline bool iommufd_revocable_hold(struct iommufd_revocable *revocable)
{
	return false;
}

static inline void
iommufd_revocable_release(struct iommufd_revocable *revocable)
{
}
#endif

#endif
