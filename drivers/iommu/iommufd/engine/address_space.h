/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address space: memory at IOVA, and all page tables that follow it
 */

/**
 * DOC: Terms and locks
 *
 * The address space is the engine's front: IOVA space, pinned memory and domain
 * maps put together into operations that either happen completely or leave no
 * trace.
 *
 * Terms of the engine::
 *
 *  source     where memory comes from: a process, a file, a dma-buf
 *  run        physically contiguous pages, see runs.h
 *  pinned     one linear range of a source and what of it is pinned, see
 *             pinned.h
 *  pin        keeps a range of its pages where they are; a page stays as long
 *             as one pin covers it
 *  claim      what is pinned, as others see it who pin memory of the same
 *             owner: a page counts once against the limit, see claims.h
 *  populate   have pages there that were not, without pinning them, see
 *             populate.h
 *  helper     a task that populates while the caller pins
 *  area       a mapped range of IOVA, with the memory that it shows, see area.h
 *  cut        what makes two areas of one, both mapped as it was
 *  split      what makes small entries of a large one in a page table, so that
 *             an area can be cut there; DMA goes on meanwhile
 *  follower   a page table (struct iommu_domain) that follows an address space:
 *             it has what is mapped there, all the time. The areas of an
 *             address space have one pin each for all followers together.
 *  accessor   a driver that reaches an address space by software, as those of
 *             mediated devices do: it copies, or makes pins of its own
 *
 * Locks of the subsystem, in the order in which they are taken::
 *
 *   vfio_device_set::lock          vfio: binds, attaches and detaches
 *   watched_lock                   devices whose DMA may be stopped, by
 *                                  dma_fault.c; of those below only tried are
 *                                  the locks of groups
 *   iommufd_queue::read_lock       who reads page requests or events, into
 *                                  memory that may have to come first
 *   iommufd_access::lock           which address space a driver reaches
 *   iommufd_ioas::hwpts_lock       automatic page tables of an IOAS, and
 *                                  whether a VFIO container tracks what is
 *                                  dirty
 *   iommufd_group::lock            who is attached to what
 *   iommufd_fault_queue::answer_lock  page requests that are being answered
 *   iommufd_ctx::groups_lock       groups that come and go
 *   iommufd_address_space::fill_lock  a follower that comes
 *   iommufd_address_space::followers_lock  who follows the address space
 *   iommufd_owed::mutex            what readers of dirty bits are owed
 *   iommufd_iova_space::lock       areas and ranges; not while pinning
 *   iommufd_pinned::mutex          segments
 *   iommufd_accounts::lock         who is charged for files; not while pinning
 *   mm_struct::mmap_lock           of the memory's process
 *   iommufd_accounts::movable_lock  what is mapped of files
 *   claims_moving_lock             for who locks several registries of claims
 *   iommufd_claims::lock           what is pinned of the memory of an owner;
 *                                  that of a process outside that of a file;
 *                                  not while pinning, nor while an mmap_lock is
 *                                  waited for
 *   vfio_pci_core_device::memory_lock  whether a device answers to its memory;
 *                                  vfio-pci takes it to export a BAR that is
 *                                  mapped, and calls in with it held
 *   dma_buf::resv                  mappings of memory that can be revoked;
 *                                  exporters call in with it held
 *   iommufd_revocable::mutex       whether it was revoked; also inside the lock
 *                                  of the IOVA space, where exporters are not
 *                                  waited for
 *   iommu_group::mutex             the IOMMU core: inside group's lock; MSI
 *                                  setup comes in with it held, and takes
 *   iommufd_ctx::sw_msi_lock       MSI doorbells
 *   iommufd_ctx::vfio_lock         the IOAS that stands for a VFIO container;
 *                                  also inside of vfio's lock of a group
 *   iommufd_fault_queue::groups lock  page requests
 *   iommufd_attachment::devices lock  of whom they may be
 *   iommufd_viommu::veventqs_rwsem  event queues that come and go
 *   iommufd_viommu::vdevs lock     devices by their numbers; IOMMU drivers take
 *                                  it, also inside the mutex of an iommu_group
 *   iommufd_veventq::lock          events; where sleeping is not allowed, too
 *   iommufd_ctx::mmap_ranges lock  what can be mapped from the file
 *   iommufd_crew::lock             which helper populates what
 *   debug_lock                     leaf: contexts that there are, for debugfs
 *   iommufd_access::ops_lock       where a driver pins and unpins; held across
 *                                  why_note::lock only
 *   claims_of_owners_lock          registries of claims that come and go
 *   iommufd_ctx::objects lock      never held across anything but that below
 *   why_note::lock                 leaf: the numbers of what is refused,
 *                                  wherever that is
 *   iommufd_refusals::lock         leaf: without any of the others
 *   iommufd_recorder::lock         leaf: inside of the lock of a group, too
 *
 * Map and unmap hold the followers for reading while they change page tables,
 * so that two of them on different ranges run side by side. Who adds or removes
 * a follower holds them for writing, and so sees no area that is DYING; those
 * that are CREATING are in no page table yet.
 *
 * Memory is pinned without any of these locks, since that may take as long as
 * user space likes: an area that is CREATING belongs to who maps it, and a
 * follower that comes keeps an area busy while it pins it. Only the fill_lock
 * is held then, for which nobody waits but other followers that come.
 *
 * Accessors hold no lock while they pin or copy: they count themselves in the
 * areas that they need (iommufd_area::busy, pins). An unmap closes its range to
 * new ones, waits for those who are at work in it, and asks drivers to unpin
 * what they have in it: never for what others do elsewhere. No lock is held
 * while a driver is asked. Who cuts an area does the same for all of the area.
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
 * struct iommufd_follower - a page table that follows an address space
 * @node: in iommufd_address_space::followers
 * @domain: the page table
 * @is_unread: no hardware reads it, and nothing is ever put into it: it is
 *             there to have memory pinned
 * @filled: all that is LIVE is in it; until then nothing is
 */
struct iommufd_follower {
	struct list_head node;
	struct iommu_domain *domain;
	bool is_unread;
	bool filled;
};

/**
 * typedef iommufd_follower_look_t - look at a page table
 * @follower: the page table, which stays meanwhile
 * @data: the caller's
 *
 * Return: what is not 0 ends it.
 */
typedef int (*iommufd_follower_look_t)(struct iommufd_follower *follower,
				       void *data);

/**
 * typedef iommufd_accessor_unmap_t - have a driver unpin what is unmapped
 * @data: the driver's
 * @iova: first IOVA
 * @length: in bytes
 *
 * The driver unpins what is in the range, and forgets it.
 *
 * Context: process context, may sleep.
 */
typedef void (*iommufd_accessor_unmap_t)(void *data, unsigned long iova,
					 unsigned long length);

/**
 * typedef iommufd_visit_t - look at a range of page tables
 * @data: the caller's
 * @iova: first IOVA
 * @last: last IOVA
 *
 * Return: 0, or a negative errno, which ends the visit.
 */
typedef int (*iommufd_visit_t)(void *data, unsigned long iova,
			       unsigned long last);

/**
 * struct iommufd_accessor - a driver that reaches an address space by software
 * @node: in iommufd_address_space::accessors
 * @alignment: of all areas, as long as it is there: PAGE_SIZE if it pins pages
 * @unmap: asks the driver to unpin; NULL if it pins nothing
 * @data: for @unmap
 * @nr_pins: ranges that the driver has pinned; without any it is not asked
 * @calls: threads that are calling @unmap; keeps the accessor in the list
 * @leaving: no new calls begin; guarded by the lock of the space
 */
struct iommufd_accessor {
	struct list_head node;
	unsigned long alignment;
	iommufd_accessor_unmap_t unmap;
	void *data;
	atomic_long_t nr_pins;
	atomic_t calls;
	bool leaving;
};

/**
 * struct iommufd_closed_range - a range that accessors cannot get hold of
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
 * @fill_lock: lets one follower come at a time
 * @followers_lock: guards @followers and what is in their page tables, and
 *                  @page_by_page and @cuttable
 * @followers: struct iommufd_follower, those that are coming, too; changes with
 *             the lock of @space held as well
 * @accessors: struct iommufd_accessor; guarded by the lock of @space
 * @closed: struct iommufd_closed_range; guarded by the lock of @space
 * @idle: woken when somebody has finished who kept an area or an accessor busy,
 *        or when an accessor has unpinned
 * @page_by_page: new areas get entries of at most PAGE_SIZE
 * @cuttable: new areas get entries that can be split, or of at most PAGE_SIZE
 * @space: the IOVA
 */
struct iommufd_address_space {
	struct mutex fill_lock; /* followers that come */
	struct rw_semaphore followers_lock;
	struct list_head followers;
	struct list_head accessors;
	struct list_head closed;
	wait_queue_head_t idle;
	bool page_by_page;
	bool cuttable;
	struct iommufd_iova_space space;
};

void iommufd_address_space_init(struct iommufd_address_space *as);
void iommufd_address_space_destroy(struct iommufd_address_space *as);

/*
 * Is memory to be pinned for page tables? The answer stays true only as long as
 * the followers are held.
 */
static inline bool iommufd_is_followed(const struct iommufd_address_space *as)
{
	return !list_empty(&as->followers);
}

/* Are there drivers that reach it by software? May be out of date. */
static inline bool iommufd_is_accessed(const struct iommufd_address_space *as)
{
	return !list_empty(&as->accessors);
}

int iommufd_address_space_map(struct iommufd_address_space *as,
			      struct iommufd_area *areas, bool fixed,
			      unsigned long *iova);
struct iommufd_area *
iommufd_address_space_share(struct iommufd_address_space *as,
			    unsigned long iova, unsigned long last, int access);
int iommufd_address_space_unmap(struct iommufd_address_space *as,
				unsigned long iova, unsigned long last,
				unsigned long *unmapped);
int iommufd_address_space_cut(struct iommufd_address_space *as,
			      unsigned long *iova, unsigned long *last);

/**
 * struct iommufd_mapped - how much is mapped in an address space
 * @nr_areas: areas that are mapped
 * @bytes: how much IOVA they are
 * @pinned: how much of it is pinned for page tables, in bytes
 * @nr_came: areas that have come since the beginning, also those of maps that
 *           have failed, or wait for memory
 * @nr_went: how many of these have gone
 */
struct iommufd_mapped {
	unsigned long nr_areas;
	u64 bytes;
	u64 pinned;
	unsigned long nr_came;
	unsigned long nr_went;
};

void iommufd_address_space_measure(struct iommufd_address_space *as,
				   struct iommufd_mapped *mapped);
bool iommufd_address_space_next_mapped(struct iommufd_address_space *as,
				       unsigned long *iova, unsigned long *last,
				       unsigned long max_hole);
int iommufd_address_space_visit(struct iommufd_address_space *as,
				unsigned long iova, unsigned long last,
				iommufd_visit_t visit, void *data);
int iommufd_address_space_find_phys(struct iommufd_address_space *as,
				    unsigned long iova, unsigned long *length,
				    phys_addr_t *phys);
int iommufd_address_space_check_owners(struct iommufd_address_space *as);
enum iommu_stopped
iommufd_address_space_why_stopped(struct iommufd_address_space *as,
				  unsigned long iova, bool write);

int iommufd_address_space_add_follower(struct iommufd_address_space *as,
				       struct iommufd_follower *follower);
void iommufd_address_space_remove_follower(struct iommufd_address_space *as,
					   struct iommufd_follower *follower);

int iommufd_address_space_each_follower(struct iommufd_address_space *as,
					iommufd_follower_look_t look,
					void *data);

struct iommufd_accessor *
iommufd_address_space_add_accessor(struct iommufd_address_space *as,
				   unsigned long alignment,
				   iommufd_accessor_unmap_t unmap, void *data);
void iommufd_address_space_remove_accessor(struct iommufd_address_space *as,
					   struct iommufd_accessor *accessor);
void iommufd_accessor_free(struct iommufd_accessor *accessor);

int iommufd_address_space_pin(struct iommufd_address_space *as,
			      struct iommufd_accessor *accessor,
			      unsigned long iova, unsigned long last,
			      bool write, struct page **pages);
void iommufd_address_space_unpin(struct iommufd_address_space *as,
				 struct iommufd_accessor *accessor,
				 unsigned long iova, unsigned long last);
int iommufd_address_space_copy(struct iommufd_address_space *as,
			       unsigned long iova, unsigned long last,
			       void *data, bool write, unsigned int how);

int iommufd_address_space_lock(struct iommufd_address_space *as,
			       unsigned long iova, unsigned long last,
			       phys_addr_t *phys);
void iommufd_address_space_unlock(struct iommufd_address_space *as,
				  unsigned long iova, unsigned long last);

void iommufd_address_space_realign(struct iommufd_address_space *as);
int iommufd_address_space_set_page_by_page(struct iommufd_address_space *as,
					   bool page_by_page);
void iommufd_address_space_set_cuttable(struct iommufd_address_space *as,
					bool cuttable);

#endif
