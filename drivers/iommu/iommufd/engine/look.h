/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looking into an address space, for debugging
 */

/**
 * DOC: Looking
 *
 * A look is one step of a walk: it takes what locks it needs, copies what it
 * finds at an IOVA or next above, and lets go of them. So nobody who maps or
 * unmaps waits for more than a step, however much there is, and the walk goes
 * on by IOVA behind what was found, whatever has come or gone meanwhile.
 *
 * An area that is CREATING belongs to who maps it, who may give it other memory
 * without any lock: of such an area nothing is read but its range and rights.
 * Who unmaps a DYING one takes no mutex for its memory if nobody else has a
 * reference: it gets none. The memory of LIVE ones is kept by a reference, and
 * its mutex taken without the lock of the space, as page tables are filled with
 * that mutex held.
 */
#ifndef __IOMMUFD_LOOK_H
#define __IOMMUFD_LOOK_H

#include <linux/types.h>

#include "area.h"

struct iommufd_address_space;

/**
 * struct iommufd_look_users - who uses an address space
 * @alignment: of all areas
 * @nr_followers: page tables
 * @nr_filled: those of them that have all that is mapped
 * @nr_accessors: drivers that reach it by software
 * @nr_pins: ranges that these have pinned
 */
struct iommufd_look_users {
	unsigned long alignment;
	unsigned int nr_followers;
	unsigned int nr_filled;
	unsigned int nr_accessors;
	unsigned long nr_pins;
};

/**
 * struct iommufd_look_area - an area and its memory
 * @iova: first IOVA
 * @last: last IOVA
 * @prot: IOMMU_READ, IOMMU_WRITE and the like
 * @state: what may be done with it; as long as it is CREATING, the rest is 0,
 *         and unless it is LIVE, @pinned and @nr_runs are
 * @pins: pins that accessors have
 * @busy: operations under way that need it
 * @locks: how often it was locked for hardware
 * @source: the kind of memory
 * @start: where @iova is as the owner of the memory knows it
 * @nr_sharers: areas that show the memory
 * @nr_runs: runs of what is pinned
 * @pinned: how much that is, in bytes
 */
struct iommufd_look_area {
	unsigned long iova;
	unsigned long last;
	int prot;
	enum iommufd_area_state state;
	unsigned int pins;
	unsigned int busy;
	unsigned int locks;
	const char *source;
	unsigned long start;
	unsigned int nr_sharers;
	unsigned long nr_runs;
	unsigned long pinned;
};

/**
 * struct iommufd_look_run - a run of what is pinned
 * @iova: its first IOVA
 * @last: its last IOVA
 * @phys: where it is
 * @revoked: its owner has taken it back, and it is nowhere
 */
struct iommufd_look_run {
	unsigned long iova;
	unsigned long last;
	phys_addr_t phys;
	bool revoked;
};

/* Lengths of runs by powers of two, of bytes */
#define IOMMUFD_LOOK_LENGTHS BITS_PER_LONG

/**
 * struct iommufd_look_lengths - how long runs are
 * @nr_runs: how many have at least 1 << n bytes, and less than twice that
 * @bytes: how much they are together
 */
struct iommufd_look_lengths {
	u64 nr_runs[IOMMUFD_LOOK_LENGTHS];
	u64 bytes[IOMMUFD_LOOK_LENGTHS];
};

void iommufd_look_at_users(struct iommufd_address_space *as,
			   struct iommufd_look_users *users);
bool iommufd_look_at_area(struct iommufd_address_space *as, unsigned long iova,
			  struct iommufd_look_area *area);
bool iommufd_look_at_run(struct iommufd_address_space *as, unsigned long iova,
			 struct iommufd_look_run *run);
void iommufd_look_at_lengths(struct iommufd_address_space *as,
			     struct iommufd_look_lengths *lengths);

#endif
