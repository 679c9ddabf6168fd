// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "iommufd_lib.h"
#include "rig.h"

static char words[128];

const char *rig_words(void)
{
	return words;
}

int rig_absent(const char *what)
{
	snprintf(words, sizeof(words), "there is no %s", what);
	return RIG_ABSENT;
}

int rig_part(const char *what, int rc)
{
	if (rc < 0)
		snprintf(words, sizeof(words), "%s: %s", what, strerror(-rc));
	return rc;
}

static int make_memory(struct memory_rig *mem, enum page_kind kind,
		       size_t length, bool of_file)
{
	struct memory memory;
	int rc = 0;

	mem->file = -1;
	if (kind == PAGES_HUGETLB)
		rc = rig_part("pool of huge pages", hugetlb_reserve(length));
	if (rc)
		return rc;
	if (of_file)
		rc = memory_alloc_file(&memory, kind, length, &mem->file);
	else
		rc = memory_alloc(&memory, kind, length);
	if (rc)
		return rig_part("memory of this kind", rc);
	mem->va = memory.va;
	mem->length = memory.length;
	pattern_fill(mem->va, mem->length, 1);
	return 0;
}

int memory_rig_make(struct memory_rig *mem, enum page_kind kind, size_t length)
{
	return make_memory(mem, kind, length, false);
}

int memory_rig_make_file(struct memory_rig *mem, enum page_kind kind,
			 size_t length)
{
	return make_memory(mem, kind, length, true);
}

int memory_rig_map(const struct memory_rig *mem, int iommufd, __u32 ioas,
		   __u64 iova)
{
	if (mem->file < 0)
		return ioas_map_at(iommufd, ioas, mem->va, mem->length, iova);
	return ioas_map_file(iommufd, ioas, MAP_RW | MAP_AT, mem->file, 0,
			     mem->length, &iova);
}
