/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rigs: what many tests stand on. A rig is a struct with a function that makes
 * it, for FIXTURE_SETUP, and mostly one that breaks it again, for
 * FIXTURE_TEARDOWN; a fixture has those that its tests need. README.rst has an
 * example.
 *
 * A function that makes something returns 0, RIG_ABSENT if this machine or its
 * kernel cannot have it, or a negative errno; rig_words() then tells of what.
 */
#ifndef RIG_H
#define RIG_H

#include <unistd.h>

#include <linux/types.h>

#include "pages.h"

#define RIG_ABSENT 1

/*
 * Makes a part of a fixture. What is absent skips the test, an error fails it;
 * either ends it, by way of the teardown if the setup is over.
 */
#define MAKE(make) do {							\
	int made_ = (make);						\
									\
	if (made_ == RIG_ABSENT) {					\
		SKIP((void)0, "%s", rig_words());			\
		if (_metadata->teardown_fn)				\
			_metadata->teardown_fn(false, _metadata,	\
					       _metadata->self,		\
					       _metadata->variant);	\
		_exit(_metadata->exit_code);				\
	}								\
	ASSERT_EQ(0, made_)						\
		TH_LOG("%s: %s", #make, rig_words());			\
} while (0)

/* Why the last thing could not be made. */
const char *rig_words(void);
/* For functions that make something: "there is no @what". */
int rig_absent(const char *what);
/* The same: @rc, after it has been noted, if it is an error, whose it is. */
int rig_part(const char *what, int rc);

/* Memory of a kind, present, filled with pattern 1. Goes with the process. */
struct memory_rig {
	char *va;
	size_t length;
	int file;		/* which it is of, or -1 */
};

int memory_rig_make(struct memory_rig *mem, enum page_kind kind,
		    size_t length);
/* The same, of a new file. */
int memory_rig_make_file(struct memory_rig *mem, enum page_kind kind,
			 size_t length);
/* All of it, by the file if there is one, to be read and written at @iova. */
int memory_rig_map(const struct memory_rig *mem, int iommufd, __u32 ioas,
		   __u64 iova);

#endif
