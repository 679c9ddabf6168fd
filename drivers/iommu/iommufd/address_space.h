/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address space: memory at IOVA, and all page tables that follow it
 *
 * This is the engine's front: IOVA space, pinned memory and domain maps put
 * together into operations that either happen completely or leave no trace.
 *
 * Locks of the subsystem, in the order in which they are taken:
 *
 *   iommufd_ctx::objects lock      leaf: never held across anything
 *   iommufd_ioas::hwpts_lock       automatic page tables of an IOAS
 *   iommufd_group::lock            who is attached to what
 *   iommufd_address_space::consumers  who follows the address space
 *   iommufd_iova_space::lock       areas and ranges; not while pinning
 *   iommufd_pinned::mutex          segments
 *   mm_struct::mmap_lock           of the memory's process
 *
 * Map and unmap hold the consumers for reading, so that two of them on
 * different ranges run side by side; adding and removing a page table holds
 * them for writing, and so sees no area that is CREATING or DYING.
 */
#ifndef __IOMMUFD_ADDRESS_SPACE_H
#define __IOMMUFD_ADDRESS_SPACE_H

#include <linux/list.h>
#include <linux/rwsem.h>

#include "iova_space.h"

struct iommu_domain;
struct iommufd_pinned;

/**
 * struct iommufd_consumer - a page table that follows an address space
 * @node: in iommufd_address_space::domains
 * @domain: the page table
 */
struct iommufd_consumer {
	struct list_head node;
	struct iommu_domain *domain;
};

/**
 * struct iommufd_address_space - memory at IOVA
 * @consumers: guards @domains and @page_by_page
 * @domains: struct iommufd_consumer
 * @page_by_page: new areas get entries of at most PAGE_SIZE
 * @space: the IOVA
 */
struct iommufd_address_space {
	struct rw_semaphore consumers;
	struct list_head domains;
	bool page_by_page;
	struct iommufd_iova_space space;
};

void iommufd_address_space_init(struct iommufd_address_space *as);
void iommufd_address_space_destroy(struct iommufd_address_space *as);

int iommufd_address_space_map(struct iommufd_address_space *as,
			      struct iommufd_pinned *pinned,
			      unsigned long offset, unsigned long length,
			      unsigned long hint, int prot, bool fixed,
			      unsigned long *iova);
int iommufd_address_space_unmap(struct iommufd_address_space *as,
				unsigned long iova, unsigned long last,
				unsigned long *unmapped);

int iommufd_address_space_add(struct iommufd_address_space *as,
			      struct iommufd_consumer *consumer);
void iommufd_address_space_remove(struct iommufd_address_space *as,
				  struct iommufd_consumer *consumer);

int iommufd_address_space_set_page_by_page(struct iommufd_address_space *as,
					   bool page_by_page);

int iommufd_area_cache_init(void);
void iommufd_area_cache_exit(void);

#endif
