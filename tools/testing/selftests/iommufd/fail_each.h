/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All failures of a call in turn, in programs with kselftest's harness
 */
#ifndef FAIL_EACH_H
#define FAIL_EACH_H

#include <unistd.h>

#include "kselftest_harness.h"
#include "fail_nth.h"

/* No call gets near this many. */
#define MAX_TRIES 2000

/*
 * The nth failure from now in @operation, for all n; @undo after success. What
 * it returns besides -ENOMEM and -EFAULT comes last, see struct own_errors.
 */
#define WITH_EACH_FAILURE(operation, unchanged, undo, ...) do {	\
	struct own_errors own_ = OWN_ERRORS(__VA_ARGS__);		\
	int fail_nth_ = fail_nth_open();				\
	bool failed_ = true;						\
	int rc_, nth_;							\
									\
	if (fail_nth_ < 0)						\
		SKIP(break, "the kernel cannot inject failures");	\
	for (nth_ = 0; failed_ && nth_ < MAX_TRIES; nth_++) {		\
		fail_nth_set(fail_nth_, nth_);				\
		rc_ = (operation);					\
		failed_ = fail_nth_happened(fail_nth_);			\
		if (!nth_)						\
			failed_ = true;					\
		if (rc_) {						\
			ASSERT_TRUE(nth_ && failed_)			\
				TH_LOG("failure %d: %d", nth_, rc_);	\
			EXPECT_TRUE(is_injected_failure(rc_, &own_))	\
				TH_LOG("failure %d: %d", nth_, rc_);	\
			EXPECT_TRUE(unchanged)				\
				TH_LOG("failure %d: %d", nth_, rc_);	\
		} else {						\
			ASSERT_EQ(0, undo);				\
		}							\
	}								\
	EXPECT_FALSE(failed_);						\
	EXPECT_LT(2, nth_);						\
	close(fail_nth_);						\
} while (0)

#endif
