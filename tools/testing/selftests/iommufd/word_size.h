/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of word_size_calls. Each is linked with nolibc.
 */
#ifndef WORD_SIZE_H
#define WORD_SIZE_H

#include <stddef.h>
#include <stdint.h>

#include <linux/iommufd.h>

#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

#define PAGE 4096
/* Mapped at this address, whatever else there is */
#define ARENA 0x20000000UL
#define ARENA_SIZE (64 * PAGE)
/* Of the arena, a page: for results of calls, and to be mapped */
#define RESULTS ARENA
#define MEMORY (ARENA + PAGE)
#define MEMORY_SIZE (16 * PAGE)
#define IOVA ((__u64)MOCK_APERTURE_START)
/* No 32 bits hold it, and edu's IOMMU has it. */
#define HIGH_IOVA 0x1200000000ULL

/* How many calls did not do what they should */
extern int failures;

/* Tells what a call has returned, and what is in its structure then. */
int show(const char *name, int rc, int expected, const void *data, size_t size);
void show_memory(const char *name, unsigned long address, size_t size);
int call(const char *name, int expected, int fd, unsigned long request,
	 void *cmd, size_t size);

/* The argument of an ioctl is a structure, or a number. */
#define CALL_FOR(expected, fd, request, cmd) do {			\
	__typeof__(cmd) cmd_ = (cmd);					\
									\
	call(#request, expected, fd, request, cmd_, sizeof(*cmd_));	\
} while (0)
#define CALL(fd, request, cmd) do {					\
	__typeof__(cmd) cmd_ = (cmd);					\
									\
	call(#request, 0, fd, request, cmd_, sizeof(*cmd_));		\
} while (0)
#define CALL_BY_VALUE(expected, fd, request, argument)			\
	call(#request, expected, fd, request, (void *)(argument), 0)

/* Ends the program if there is no such file. */
int must_open(const char *path);

/* /dev/iommu, with the test device (word_size_iommufd.c) */
void run_mock(void);

__u32 call_ioas_alloc(int fd);
void call_destroy(int fd, __u32 id);
void call_map(int fd, __u32 ioas, __u64 va, __u64 iova);
void call_unmap(int fd, __u32 ioas, __u64 iova, __u64 length);
void call_iova_ranges(int fd, __u32 ioas);
void call_hw_info(int fd, __u32 dev);
/* A mock device on a page table or an IOAS */
struct iommu_test_cmd plug(int fd, __u32 pt);

/* VFIO's (word_size_vfio.c) */
void run_device(const char *path);
void run_container(const char *path, const char *group_path, const char *bdf);
/* The same on a file of /dev/iommu that has no IOAS for it yet */
void call_as_container(int fd);

#endif
