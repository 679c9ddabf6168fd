/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file says of its calls that have failed, and what they are tried on.
 * The macros are for programs with kselftest's harness.
 */
#ifndef REASON_RIG_H
#define REASON_RIG_H

#include "mock_rig.h"

#define REASON_RIG_LENGTH (16 * SMALL_PAGE)

struct reason_rig {
	struct mock_rig mock;	/* without a device */
	struct memory_rig mem;	/* REASON_RIG_LENGTH, not mapped */
};

int reason_rig_make(struct reason_rig *rig);
/* As mock_rig_break(). */
long reason_rig_break(struct reason_rig *rig);

/* How many calls have failed so far */
__u64 nr_refusals(int iommufd);

/* What the file has said of the call that why_since() was asked for */
extern struct iommu_refusal told;

#define NO_REASON (~0U)

/* Why the last call after the first @number has failed; NO_REASON: none has */
unsigned int why_since(int iommufd, __u64 number);

/* @call fails with @error, and the file @iommufd says @why_, once. */
#define EXPECT_WHY(error_, why_, iommufd_, call_) do {			\
	const int file_ = (iommufd_), wanted_ = (error_);		\
	const __u64 before_ = nr_refusals(file_);			\
									\
	EXPECT_EQ(-wanted_, (call_));					\
	EXPECT_EQ(IOMMU_WHY_##why_, why_since(file_, before_));		\
	EXPECT_EQ(wanted_, told.error);					\
	EXPECT_EQ(before_ + 1, told.number);				\
} while (0)

/* The numbers of the last one */
#define EXPECT_NUMBERS(...) do {					\
	const __u64 wanted_[IOMMU_REFUSAL_NUMBERS] = { __VA_ARGS__ };	\
	int n_;								\
									\
	for (n_ = 0; n_ < IOMMU_REFUSAL_NUMBERS; n_++)			\
		EXPECT_EQ(wanted_[n_], told.numbers[n_])		\
			TH_LOG("number %d", n_);			\
} while (0)

#endif
