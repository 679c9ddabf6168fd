/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address space: memory at IOVA, and all page tables that follow it
 *
 * This is the engine's front: IOVA space, pinned memory and domain maps put
 * together into operations that either happen completely or leave no trace.
 *
 * Locks of the subsystem, in the order in which they are taken:
 *
 *   vfio_device_set::lock          vfio: binds, attaches and detaches
 *   iommufd_access::lock           which address space a driver reaches
 *   iommufd_ioas::hwpts_lock       automatic page tables of an IOAS
 *   iommufd_group::lock            who is attached to what
 *   iommufd_ctx::groups_lock       groups that come and go
 *   iommufd_address_space::fill_lock  a page table that comes
 *   iommufd_address_space::consumers  who follows the address space
 *   iommufd_owed::mutex            what readers of dirty bits are owed
 *   iommufd_iova_space::lock       areas and ranges; not while pinning
 *   iommufd_pinned::mutex          segments
 *   iommufd_accounts::lock         who is charged for files; not while pinning
 *   mm_struct::mmap_lock           of the memory's process
 *   dma_buf::resv                  mappings of memory that can be revoked;
 *                                  exporters call in with it held
 *   iommufd_revocable::mutex       whether it was revoked; also inside the lock
 *                                  of the IOVA space, where exporters are not
 *                                  waited for
 *   iommu_group::mutex             the IOMMU core: inside group's lock; MSI
 *                                  setup comes in with it held, and takes
 *   iommufd_ctx::sw_msi_lock       MSI doorbells
 *   iommufd_ctx::objects lock      leaf: never held across anything
 *
 * Map and unmap hold the consumers for reading while they change page tables, so
 * that two of them on different ranges run side by side. Who adds or removes a
 * page table holds them for writing, and so sees no area that is DYING; those
 * that are CREATING are in no page table yet.
 *
 * Memory is pinned without any of these locks, since that may take as long as
 * user space likes: an area that is CREATING belongs to who maps it, and a page
 * table that comes keeps an area busy while it pins it. Only the fill_lock is
 * held then, for which nobody waits but other page tables that come.
 *
 * Drivers that reach memory by software hold no lock meanwhile: they count
 * themselves in the areas that they need (iommufd_area::busy, holders). An
 * unmap closes its range to new ones, waits for those who are at work in it,
 * and asks drivers to let go of what they hold in it: never for what others do
 * elsewhere. No lock is held while a driver is asked.
 */
#ifndef __IOMMUFD_ADDRESS_SPACE_H
#define __IOMMUFD_ADDRESS_SPACE_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/wait.h>

#include "iova_space.h"

struct iommu_domain;
struct iommufd_pinned;
struct page;

/**
 * struct iommufd_consumer - a page table that follows an address space
 * @node: in iommufd_address_space::domains
 * @domain: the page table
 * @filled: all that is LIVE is in it; until then nothing is
 */
struct iommufd_consumer {
	struct list_head node;
	struct iommu_domain *domain;
	bool filled;
};

/* Unpin what is in the range, and forget it. May sleep. */
typedef void (*iommufd_let_go_t)(void *data, unsigned long iova,
				 unsigned long length);

/* Look at [iova, last] of page tables. 0 or a negative errno, which ends it. */
typedef int (*iommufd_visit_t)(void *data, unsigned long iova,
			       unsigned long last);

/**
 * struct iommufd_reacher - a driver that reaches an address space by software
 * @node: in iommufd_address_space::reachers
 * @alignment: of all areas, as long as it is there: PAGE_SIZE if it pins pages
 * @let_go: the driver's; NULL if it pins nothing
 * @data: for @let_go
 * @nr_pins: ranges that the driver has pinned; without any it is not asked
 * @calls: threads that are calling @let_go; keeps the reacher in the list
 * @leaving: no new calls begin; guarded by the lock of the space
 */
struct iommufd_reacher {
	struct list_head node;
	unsigned long alignment;
	iommufd_let_go_t let_go;
	void *data;
	atomic_long_t nr_pins;
	atomic_t calls;
	bool leaving;
};

/**
 * struct iommufd_closed_range - a range that drivers cannot get hold of
 * @node: in iommufd_address_space::closed
 * @iova: first IOVA
 * @last: last IOVA
 *
 * It belongs to an unmap that waits for those who use what is in the range, and
 * stays closed until the unmap is over.
 */
struct iommufd_closed_range {
	struct list_head node;
	unsigned long iova;
	unsigned long last;
};

/**
 * struct iommufd_address_space - memory at IOVA
 * @fill_lock: lets one page table come at a time
 * @consumers: guards @domains and what is in them, and @page_by_page
 * @domains: struct iommufd_consumer, those that are coming, too; changes with the
 *           lock of @space held as well
 * @reachers: struct iommufd_reacher; guarded by the lock of @space
 * @closed: struct iommufd_closed_range; guarded by the lock of @space
 * @idle: woken when somebody has finished who kept an area or a reacher busy,
 *        or unpinned what he held
 * @page_by_page: new areas get entries of at most PAGE_SIZE
 * @space: the IOVA
 */
struct iommufd_address_space {
	struct mutex fill_lock;		/* page tables that come */
	struct rw_semaphore consumers;
	struct list_head domains;
	struct list_head reachers;
	struct list_head closed;
	wait_queue_head_t idle;
	bool page_by_page;
	struct iommufd_iova_space space;
};

void iommufd_address_space_init(struct iommufd_address_space *as);
void iommufd_address_space_destroy(struct iommufd_address_space *as);

/* Whoever kept an area or a reacher busy has let go of it. */
static inline void iommufd_address_space_wake(struct iommufd_address_space *as)
{
	/* Orders the counts before the look at the queue. */
	if (wq_has_sleeper(&as->idle))
		wake_up_all(&as->idle);
}

struct iommufd_area *iommufd_area_first_of(struct iommufd_pinned *pinned,
					   unsigned long offset,
					   unsigned long length, int prot);
void iommufd_areas_free(struct iommufd_area *areas);

int iommufd_address_space_map(struct iommufd_address_space *as,
			      struct iommufd_area *areas, bool fixed,
			      unsigned long *iova);
struct iommufd_area *
iommufd_address_space_share(struct iommufd_address_space *as,
			    unsigned long iova, unsigned long last, int access);
int iommufd_address_space_unmap(struct iommufd_address_space *as,
				unsigned long iova, unsigned long last,
				unsigned long *unmapped);

bool iommufd_address_space_next_mapped(struct iommufd_address_space *as,
				       unsigned long *iova, unsigned long *last,
				       unsigned long max_hole);
int iommufd_address_space_visit(struct iommufd_address_space *as,
				unsigned long iova, unsigned long last,
				iommufd_visit_t visit, void *data);
int iommufd_address_space_check_owners(struct iommufd_address_space *as);

int iommufd_address_space_add(struct iommufd_address_space *as,
			      struct iommufd_consumer *consumer);
void iommufd_address_space_remove(struct iommufd_address_space *as,
				  struct iommufd_consumer *consumer);

struct iommufd_reacher *
iommufd_address_space_add_reacher(struct iommufd_address_space *as,
				  unsigned long alignment,
				  iommufd_let_go_t let_go, void *data);
void iommufd_address_space_remove_reacher(struct iommufd_address_space *as,
					  struct iommufd_reacher *reacher);
void iommufd_reacher_free(struct iommufd_reacher *reacher);
int iommufd_address_space_let_go(struct iommufd_address_space *as,
				 const struct iommufd_closed_range *range);
int iommufd_address_space_wait_idle(struct iommufd_address_space *as,
				    const struct iommufd_closed_range *range,
				    struct wait_queue_entry *wait);
void iommufd_address_space_wait_unpinned(struct iommufd_address_space *as,
					 const struct iommufd_closed_range *range,
					 struct wait_queue_entry *wait);

int iommufd_address_space_pin(struct iommufd_address_space *as,
			      struct iommufd_reacher *reacher,
			      unsigned long iova, unsigned long last,
			      bool write, struct page **pages);
void iommufd_address_space_unpin(struct iommufd_address_space *as,
				 struct iommufd_reacher *reacher,
				 unsigned long iova, unsigned long last);
int iommufd_address_space_copy(struct iommufd_address_space *as,
			       unsigned long iova, unsigned long last,
			       void *data, bool write, unsigned int how);

void iommufd_address_space_realign(struct iommufd_address_space *as);
int iommufd_address_space_set_page_by_page(struct iommufd_address_space *as,
					   bool page_by_page);

int iommufd_area_cache_init(void);
void iommufd_area_cache_exit(void);

#endif
