/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two of QEMU's NVMe disks by their character devices: what they write and read
 * tells what they see. The second one, the peer, has memory of its own, which is
 * for both.
 */
#ifndef DISK_RIG_H
#define DISK_RIG_H

#include <stdbool.h>

#include "rig.h"
#include "vfio_nvme.h"

/* What is where in the memory */
#define DISK_QUEUES(disk) ((disk) * 8 * SMALL_PAGE)
#define DISK_DATA (16 * SMALL_PAGE)

#define NR_DISKS 2
#define PEER 1
/* The one that is written and read */
#define BLOCK 7

struct disk_rig {
	long pins;
	int iommufd;
	__u32 ioas;			/* the test's */
	char bdf[NR_DISKS][BDF_SIZE];
	struct vfio_dev dev[NR_DISKS];
	struct nvme nvme[NR_DISKS];
	struct memory_rig mem;		/* 2 MiB, of a file of huge pages */
	char *cmb;			/* of the peer */
	size_t cmb_size;
};

/* A file, memory, and disks that are not open yet */
int disk_rig_make(struct disk_rig *rig);

/* Opens the disk and binds it to the file. */
int disk_open(struct disk_rig *rig, unsigned int n);
/* With the memory at @iova */
int disk_start(struct disk_rig *rig, unsigned int n, __u64 iova);
/* Writes a block from one IOVA and reads it to another, both of @data. */
bool disk_keeps(struct nvme *nvme, void *data, __u64 from, __u64 to,
		unsigned int seed);
/* The same with the data of the memory, which is at @iova */
bool disk_works(struct disk_rig *rig, unsigned int n, __u64 iova);

/* Maps all BARs of the disk, as a guest could have them, from @iova on. */
int disk_map_all_bars(struct disk_rig *rig, unsigned int n, __u64 iova);
#define DISK_BAR(bar) ((bar) * 16 * MIB)

/* The memory of the peer itself, as the processor has it */
int cmb_map(struct disk_rig *rig);
void cmb_fill(struct disk_rig *rig, unsigned int seed);
bool cmb_is(struct disk_rig *rig, unsigned int seed);
/* Does a disk write from there what the processor wrote, and read it back? */
bool disk_reaches_cmb(struct disk_rig *rig, unsigned int n, __u64 iova,
		      unsigned int seed);

#endif
