/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tests' harness, which ends a test that takes too long. The limits are for an
 * idle machine; here they become those for this one.
 */
#ifndef IOMMUFD_KSELFTEST_HARNESS_H
#define IOMMUFD_KSELFTEST_HARNESS_H

#include "../kselftest_harness.h"
#include "test_support.h"

/*
 * A test that waits for something in vain is to tell so before it is ended: its
 * limit is longer than all that it waits for.
 */
#define BEYOND_PATIENCE 3

/* After the constructors by which the harness learns of the tests. */
static void __attribute__((constructor)) be_patient(void)
{
	struct __fixture_metadata *fixture;
	struct __test_metadata *test;

	for (fixture = __fixture_list; fixture; fixture = fixture->next) {
		for (test = fixture->tests; test; test = test->next)
			test->timeout = BEYOND_PATIENCE *
					patience(test->timeout);
	}
}

#endif
