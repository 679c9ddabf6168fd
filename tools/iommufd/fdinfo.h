/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What /proc tells of processes that have /dev/iommu or a container open
 *
 * Functions return 0 or a negative errno. Text comes as the kernel has it, and
 * is escaped before it goes to a terminal, see text.h.
 */
#ifndef FDINFO_H
#define FDINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

#include "libiommufd.h"

#define OBJECT_DEVICES 64	/* the longest name of a device */

struct iommu_object {
	uint32_t id;
	char type[24];		/* "ioas", "device", ... */
	char device[OBJECT_DEVICES]; /* of a device: its name */
	uint32_t ioas;		/* 0: none, as for all IDs */
	uint32_t hwpt;		/* what it is attached to, or made from */
	uint64_t areas;		/* of an IOAS, as the rest */
	uint64_t mapped;
	uint64_t pinned;
	uint64_t maps;		/* areas that came, and went, until now */
	uint64_t unmaps;
	uint64_t waiting;	/* of a queue */
};

struct iommu_refused {
	struct iommufd_refusal what;
	char name[32];		/* of the reason */
	char numbers[IOMMUFD_WHY_NUMBERS][24]; /* their names */
};

struct iommu_kept_record {
	uint64_t number;
	uint64_t time;		/* by CLOCK_MONOTONIC */
	uint64_t iova;
	uint64_t last;
	uint32_t error;		/* an errno, or 0 */
	uint32_t thread;
	uint32_t object;
	uint32_t device;	/* 0: it is about a range */
	uint32_t pasid;
	uint32_t detail;
	char what[16];		/* "map", "unmap", ... */
	char comm[4 * 16 + 1];	/* escaped by the kernel */
};

struct iommu_file {
	pid_t pid;
	int fd;
	uid_t uid;
	char command[20];
	char path[64];		/* what was opened */
	bool told;		/* iommufd has it; else only the above is known */
	bool shared;		/* an earlier one is the same file */
	char charged[16];
	uint64_t context;	/* its number in debugfs; 0: none */
	uint64_t nr_objects;
	struct iommu_object *objects; /* not all, if there are very many */
	size_t nr_listed;
	uint64_t nr_refused;
	struct iommu_refused *refused; /* the last ones, the oldest first */
	size_t nr_kept;
	uint64_t nr_recorded;
	struct iommu_kept_record *records; /* likewise */
	size_t nr_records;
};

struct iommu_files {
	struct iommu_file *files;
	size_t nr;
	unsigned int unreadable; /* processes of others */
};

/* -ENOENT: @fd of @pid is neither /dev/iommu nor a container. */
int fdinfo_read(pid_t pid, int fd, struct iommu_file *file);
void fdinfo_free(struct iommu_file *file);

/* Of one process, or of all that can be read: @pid 0 */
int fdinfo_scan(pid_t pid, struct iommu_files *files);
void fdinfo_free_all(struct iommu_files *files);

/* What all address spaces of a file have together */
void fdinfo_sum(const struct iommu_file *file, struct iommu_object *sum);
/* The IOAS that an object is on, directly or by a page table; 0: none */
uint32_t fdinfo_ioas_of(const struct iommu_file *file,
			const struct iommu_object *object);

#endif
