/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of matrix_test: what the hardware offers, what is tried of it, and
 * the same on the test device. What is tried returns 0 or a negative errno.
 */
#ifndef MATRIX_H
#define MATRIX_H

#include <stdbool.h>

#include <linux/compiler.h>

#include "iommufd_lib.h"
#include "vfio_igb.h"

#define IOVA (16 * MIB)

/*
 * What is found (matrix_test.c)
 */

enum verdict {
	WORKS,
	WORKS_WITH_GAPS,
	NOT_BY_MODEL,
	NOT_BY_DRIVER,
	NOT_BY_IOMMUFD,
	FAILED,
};

/* Written by the process that tries a feature */
struct outcome {
	enum verdict verdict;
	char detail[160];
};

/* Of the feature that is being tried */
extern struct outcome *shared;

void __printf(1, 2) detail(const char *format, ...);

/*
 * What the hardware offers (matrix_hardware.c)
 */

/* What registers say of a feature */
enum offer {
	UNKNOWN,
	OFFERED,
	NOT_OFFERED,
};

struct hardware {
	int rc;			/* of IOMMU_GET_HW_INFO */
	__u32 type;
	__u32 max_pasid_log2;
	__u64 capabilities;
	bool page_requests;	/* the igb has the PCI capability */
	union {
		struct iommu_hw_info_vtd vtd;
		struct iommu_hw_info_arm_smmuv3 smmuv3;
		struct iommu_hw_info_amd amd;
	} data;
};

extern struct hardware hw;

void learn_hardware(void);

enum offer nesting_offer(void);
enum offer pasid_table_offer(void);
enum offer pasid_offer(void);
enum offer dirty_offer(void);
enum offer page_request_offer(void);
enum offer coherency_offer(void);

int try_hw_info(void);

/*
 * What every IOMMU must do (matrix_required.c)
 */

/* An igb on an IOAS, and memory at IOVA: its rings, a source, a destination */
struct copier {
	int iommufd;
	__u32 ioas;
	struct vfio_dev dev;
	struct igb igb;
	char *memory;
};

#define SOURCE SMALL_PAGE
#define DESTINATION (2 * SMALL_PAGE)
#define COPIER_BYTES (3 * SMALL_PAGE)
#define FRAME 500

/* Zeroes, which children share, or NULL */
char *zeroed(size_t length);

/* The device is not attached yet. */
int copier_open(struct copier *copier);
int copier_start(struct copier *copier, __u32 pt);
/* Has the device copy a frame from SOURCE to DESTINATION. */
int copier_copy(struct copier *copier, unsigned int seed);

int try_bind(void);
int try_attach(void);
int try_edu(void);
int try_igb(void);
int try_interrupts(void);
int try_allocated(void);

/*
 * A device that moves under DMA (matrix_replace.c)
 */

int try_replace(void);

/*
 * What an IOMMU may offer (matrix_optional.c)
 */

/* 0 if a container with this IOAS is coherent, -EOPNOTSUPP if it is not */
int coherency_of(int iommufd, __u32 ioas);

int try_coherency(void);
int try_nest_parent(void);
int try_nested(void);
int try_pasid_table(void);
int try_pasid(void);
int try_dirty(void);
int try_page_requests(void);

/*
 * The same on the test device (matrix_mock.c): 0 says that iommufd can do it.
 */

int mock_hw_info(void);
int mock_coherency(void);
int mock_nest_parent(void);
int mock_nested_as_here(void);
int mock_pasid_table(void);
int mock_pasid(void);
int mock_dirty_tracking(void);
int mock_page_requests(void);

#endif
