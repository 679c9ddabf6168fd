// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/fs.h>
#include <linux/kernel-page-flags.h>
#include <linux/kernel.h>
#include <linux/memfd.h>
#include <linux/mman.h>

#include "checked_io.h"
#include "pages.h"

/* Good enough to scatter pages; the same in every run. */
static __u32 next_random(__u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void swap(size_t *a, size_t *b)
{
	size_t t = *a;

	*a = *b;
	*b = t;
}

/* Memory comes in order: what is touched in turn should not be neighbours. */
static void shuffle(size_t *order, size_t count)
{
	__u32 state = 1;
	size_t i;

	for (i = 0; i < count; i++)
		order[i] = i;
	for (i = count; i > 1; i--)
		swap(&order[i - 1], &order[next_random(&state) % i]);
	for (i = 1; i < count; i++)
		if (order[i] == order[i - 1] + 1 || order[i] + 1 == order[i - 1])
			swap(&order[i], &order[(i + count / 2) % count]);
}

static int touch_in_random_order(char *va, size_t length, size_t step)
{
	size_t count = length / step, i;
	size_t *order;

	order = malloc(count * sizeof(*order));
	if (!order)
		return -ENOMEM;
	shuffle(order, count);
	for (i = 0; i < count; i++)
		WRITE_ONCE(va[order[i] * step], 0);
	free(order);
	return 0;
}

static void touch_in_order(char *va, size_t length)
{
	size_t offset;

	for (offset = 0; offset < length; offset += SMALL_PAGE)
		WRITE_ONCE(va[offset], 0);
}

/* Room that begins at a multiple of @alignment, without memory in it. */
static char *reserve_aligned(size_t length, size_t alignment)
{
	char *room, *start;

	room = mmap(NULL, length + alignment, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return NULL;
	start = (char *)(((uintptr_t)room + alignment - 1) & -alignment);
	if (start > room)
		munmap(room, start - room);
	if (start + length < room + length + alignment)
		munmap(start + length, room + alignment - start);
	return start;
}

#define PAGEMAP_PRESENT BIT_ULL(63)
#define PAGEMAP_FRAME GENMASK_ULL(54, 0)

/* Of a file in /proc that has eight bytes for each page */
static int read_words(const char *path, __u64 first, __u64 *words, size_t count)
{
	ssize_t size = count * sizeof(*words), done;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	done = pread(fd, words, size, first * sizeof(*words));
	close(fd);
	return done == size ? 0 : -EIO;
}

int page_frames(const void *va, __u64 *frames, size_t count)
{
	size_t i;
	int rc;

	rc = read_words("/proc/self/pagemap", (uintptr_t)va / SMALL_PAGE,
			frames, count);
	for (i = 0; i < count && !rc; i++) {
		if (!(frames[i] & PAGEMAP_PRESENT))
			rc = -EFAULT;
		frames[i] &= PAGEMAP_FRAME;
	}
	return rc;
}

int memory_phys(const void *va, unsigned long long *phys)
{
	__u64 frame;
	int rc = page_frames(va, &frame, 1);

	*phys = frame * SMALL_PAGE + (uintptr_t)va % SMALL_PAGE;
	return rc;
}

bool memory_is_zero_page(const void *va, size_t length)
{
	__u64 frame, flags;
	size_t offset;

	for (offset = 0; offset < length; offset += SMALL_PAGE) {
		if (page_frames(va + offset, &frame, 1) ||
		    read_words("/proc/kpageflags", frame, &flags, 1) ||
		    !(flags & BIT_ULL(KPF_ZERO_PAGE)))
			return false;
	}
	return true;
}

#define FOLIO_PAGES (FOLIO_64K / SMALL_PAGE)

/* Is what is mapped here a folio of this size, all of it in its order? */
static bool is_folio_64k(const char *va)
{
	__u64 frames[FOLIO_PAGES], flags[FOLIO_PAGES];
	size_t i;

	if (page_frames(va, frames, FOLIO_PAGES) ||
	    read_words("/proc/kpageflags", frames[0], flags, FOLIO_PAGES))
		return false;
	for (i = 0; i < FOLIO_PAGES; i++) {
		int kind = i ? KPF_COMPOUND_TAIL : KPF_COMPOUND_HEAD;

		if (frames[i] != frames[0] + i || !(flags[i] & BIT_ULL(kind)))
			return false;
	}
	return true;
}

static int check_page_size(const struct memory *mem)
{
	long huge = memory_huge_bytes(mem->va, mem->length);
	size_t offset;

	if (huge < 0)
		return huge;
	if (huge != (mem->kind < PAGES_THP ? 0 : mem->length))
		return -ENOMEM;
	if (mem->kind != PAGES_64K)
		return 0;
	for (offset = 0; offset < mem->length; offset += FOLIO_64K)
		if (!is_folio_64k(mem->va + offset))
			return -ENOMEM;
	return 0;
}

/* Which sizes of transparent huge pages the kernel makes */
#define THP_SETTING(size) \
	"/sys/kernel/mm/transparent_hugepage/hugepages-" size "kB/enabled"

/* What was chosen is the word in brackets. */
int setting_choose(const char *path, const char *word, char before[16])
{
	char text[64], *start, *end;
	int rc;

	rc = file_read(path, text, sizeof(text));
	if (rc)
		return rc;
	start = strchr(text, '[');
	end = strchr(text, ']');
	if (!start || !end || end - start > 16)
		return -EIO;
	*end = 0;
	strcpy(before, start + 1);
	return file_write(path, word);
}

/* Of larger ones there are none meanwhile. */
static int touch_folios_64k(char *va, size_t length)
{
	char small[16], huge[16];
	int rc;

	rc = setting_choose(THP_SETTING("64"), "always", small);
	if (rc)
		return rc;
	rc = setting_choose(THP_SETTING("2048"), "never", huge);
	if (!rc) {
		rc = touch_in_random_order(va, length, FOLIO_64K);
		file_write(THP_SETTING("2048"), huge);
	}
	file_write(THP_SETTING("64"), small);
	/* Nobody is to make large ones out of them later on. */
	if (!rc && madvise(va, length, MADV_NOHUGEPAGE))
		rc = -errno;
	return rc;
}

static int make_present(struct memory *mem)
{
	int rc = 0;

	/* without CONFIG_TRANSPARENT_HUGEPAGE there is nothing to forbid */
	if (mem->kind < PAGES_64K &&
	    madvise(mem->va, mem->length, MADV_NOHUGEPAGE) && errno != EINVAL)
		return -errno;
	if (mem->kind == PAGES_THP &&
	    madvise(mem->va, mem->length, MADV_HUGEPAGE))
		return -errno;
	if (mem->kind == PAGES_64K)
		rc = touch_folios_64k(mem->va, mem->length);
	else if (mem->kind == PAGES_SMALL_RANDOM)
		rc = touch_in_random_order(mem->va, mem->length, SMALL_PAGE);
	else
		touch_in_order(mem->va, mem->length);
	return rc ? rc : check_page_size(mem);
}

static void set_kind(struct memory *mem, enum page_kind kind, size_t length)
{
	size_t page = kind < PAGES_64K ? SMALL_PAGE :
		      kind < PAGES_THP ? FOLIO_64K : HUGE_PAGE;

	mem->kind = kind;
	mem->length = (length + page - 1) & -page;
}

int memory_alloc(struct memory *mem, enum page_kind kind, size_t length)
{
	int rc;

	set_kind(mem, kind, length);
	if (kind == PAGES_HUGETLB) {
		mem->va = mmap(NULL, mem->length, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
			       MAP_HUGE_2MB, -1, 0);
		if (mem->va == MAP_FAILED)
			return -errno;
	} else {
		/* aligned, so that any kind may get its IOVA from its place */
		mem->va = reserve_aligned(mem->length, HUGE_PAGE);
		if (!mem->va)
			return -ENOMEM;
	}
	rc = make_present(mem);
	if (rc)
		memory_free(mem);
	return rc;
}

int memory_alloc_file(struct memory *mem, enum page_kind kind, size_t length,
		      int *fd)
{
	char *place;
	int rc;

	set_kind(mem, kind, length);
	*fd = memfd_alloc(mem->length, kind == PAGES_HUGETLB);
	if (*fd < 0)
		return *fd;
	place = reserve_aligned(mem->length, HUGE_PAGE);
	if (!place) {
		close(*fd);
		return -ENOMEM;
	}
	mem->va = mmap(place, mem->length, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, *fd, 0);
	rc = mem->va == MAP_FAILED ? -errno : make_present(mem);
	if (rc) {
		munmap(place, mem->length);
		close(*fd);
	}
	return rc;
}

void memory_free(struct memory *mem)
{
	munmap(mem->va, mem->length);
	mem->va = NULL;
}

long memory_huge_bytes(const void *va, size_t length)
{
	struct page_region regions[32];
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = (uintptr_t)va,
		.end = (uintptr_t)va + length,
		.vec = (uintptr_t)regions,
		.vec_len = ARRAY_SIZE(regions),
		.category_mask = PAGE_IS_HUGE,
		.return_mask = PAGE_IS_HUGE,
	};
	long bytes = 0;
	int fd, count, i;

	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (scan.start < scan.end) {
		count = checked_ioctl(fd, PAGEMAP_SCAN, &scan);
		if (count < 0) {
			close(fd);
			return count;
		}
		for (i = 0; i < count; i++)
			bytes += regions[i].end - regions[i].start;
		scan.start = scan.walk_end;
	}
	close(fd);
	return bytes;
}

static bool is_swap_on(void)
{
	char line[256];
	int nr = 0;
	FILE *file;

	file = fopen("/proc/swaps", "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		nr++;
	fclose(file);
	/* behind a line that tells what the columns are */
	return nr > 1;
}

static bool is_any_in_memory(void *va, size_t length)
{
	unsigned char in_memory[64];
	size_t at, i, nr;

	for (at = 0; at < length; at += nr * SMALL_PAGE) {
		nr = (length - at) / SMALL_PAGE;
		if (nr > sizeof(in_memory))
			nr = sizeof(in_memory);
		if (mincore(va + at, nr * SMALL_PAGE, in_memory))
			return true;
		for (i = 0; i < nr; i++)
			if (in_memory[i] & 1)
				return true;
	}
	return false;
}

/* It may take a turn to find out that a page needs swap, and one to use it. */
#define PAGE_OUT_TURNS 4

int memory_page_out(void *va, size_t length)
{
	int i, rc;

	for (i = 0; i < PAGE_OUT_TURNS; i++) {
		if (madvise(va, length, MADV_PAGEOUT))
			return -errno;
		if (!is_any_in_memory(va, length))
			return 0;
		/* some may wait in the lists of another CPU, which this ends */
		rc = file_write("/proc/sys/vm/drop_caches", "1");
		if (rc)
			return rc;
	}
	return is_swap_on() ? -EBUSY : 0;
}

long memory_pieces(const void *va, size_t length)
{
	size_t page = (uintptr_t)va / SMALL_PAGE;
	size_t last = ((uintptr_t)va + length - 1) / SMALL_PAGE;
	__u64 entry, expected = 0;
	long pieces = 0;
	int fd;

	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (; page <= last; page++) {
		if (pread(fd, &entry, sizeof(entry), page * sizeof(entry)) !=
		    sizeof(entry) || !(entry & PAGEMAP_PRESENT)) {
			pieces = -EFAULT;
			break;
		}
		if ((entry & PAGEMAP_FRAME) != expected)
			pieces++;
		expected = (entry & PAGEMAP_FRAME) + 1;
	}
	close(fd);
	return pieces;
}

#define HUGETLB_POOL "/sys/kernel/mm/hugepages/hugepages-2048kB"

/* In pages. */
static long hugetlb_added;

static long pool_count(const char *name)
{
	char path[PATH_MAX], text[32];
	int rc;

	snprintf(path, sizeof(path), HUGETLB_POOL "/%s", name);
	rc = file_read(path, text, sizeof(text));
	return rc ? rc : strtol(text, NULL, 10);
}

static int resize_pool(long change)
{
	long size = pool_count("nr_hugepages");
	char text[32];

	if (size < 0)
		return size;
	snprintf(text, sizeof(text), "%ld", size + change);
	return file_write(HUGETLB_POOL "/nr_hugepages", text);
}

int hugetlb_reserve(size_t length)
{
	long wanted = (length + HUGE_PAGE - 1) / HUGE_PAGE;
	long unused = pool_count("free_hugepages");
	long size = pool_count("nr_hugepages");
	int rc;

	if (unused < 0 || size < 0)
		return unused < 0 ? unused : size;
	if (unused >= wanted)
		return 0;
	rc = resize_pool(wanted - unused);
	if (rc)
		return rc;
	/* it grows by as much as memory allows, and calls that a success */
	hugetlb_added += pool_count("nr_hugepages") - size;
	return pool_count("free_hugepages") < wanted ? -ENOMEM : 0;
}

void hugetlb_release(void)
{
	resize_pool(-hugetlb_added);
	hugetlb_added = 0;
}

int memfd_alloc(size_t length, bool huge)
{
	unsigned int flags = MFD_CLOEXEC;
	int fd, rc;

	if (huge)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	fd = memfd_create("iommufd", flags);
	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, length))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* A byte that is cheap to compute, and seldom the same at two places. */
static unsigned char pattern_byte(size_t place, unsigned int seed)
{
	return (place * 167 + (place >> 8) * 59 + seed * 101 + 1) & 0xff;
}

void pattern_fill(void *va, size_t length, unsigned int seed)
{
	unsigned char *bytes = va;
	size_t i;

	for (i = 0; i < length; i++)
		bytes[i] = pattern_byte(i, seed);
}

bool pattern_matches(const void *va, size_t length, unsigned int seed)
{
	const unsigned char *bytes = va;
	size_t i;

	for (i = 0; i < length; i++)
		if (READ_ONCE(bytes[i]) != pattern_byte(i, seed))
			return false;
	return true;
}

bool memory_is(const void *va, unsigned char byte, size_t length)
{
	const unsigned char *bytes = va;
	size_t i;

	for (i = 0; i < length; i++)
		if (READ_ONCE(bytes[i]) != byte)
			return false;
	return true;
}
