// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page counts once: random changes of memory and random maps of it, in three
 * IOASes of two files, against a model.
 *
 * What is mapped are pages at places: at addresses of the process, or in a file,
 * which is mapped twice behind private memory, so that maps by address may have
 * any part of all three; copies have any part of a map. Frames are what
 * /proc/self/pagemap tells when the map is made. After each call VmPin is the
 * number of different frames at different places, and devices find in each map
 * what was in its pages.
 *
 *   SEED=n    another sequence
 *   CALLS=n   how many calls
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "mock_rig.h"
#include "test_support.h"

#define CALLS affordable(3000)
#define PAGES 64U
#define SPACES 3
#define MAX_MAPS 24
#define IOVA_OF(i) (MOCK_APERTURE_START + (i) * MIB)

/* By address: private memory, the file, and the file again */
#define MEMORY_PAGES (3 * PAGES)

struct space {
	int iommufd;
	__u32 ioas;
	int access;
};

struct map {
	struct space *space;	/* NULL: none */
	bool of_file;
	unsigned int first;	/* in the memory, also if it is of the file */
	unsigned int count;
	__u64 frames[MEMORY_PAGES];
	__u64 stamps[MEMORY_PAGES];
};

/* A frame at a place, in how many maps */
struct counted {
	__u64 frame;
	unsigned int maps;
};

/* So that most frames that no map has need not be looked for in all maps */
#define FRAME_CLASSES 65536U

FIXTURE(claims)
{
	struct mock_rig rigs[2];
	struct mock_device second;
	struct space spaces[SPACES];
	struct map maps[MAX_MAPS];
	struct counted counted[2 * PAGES][MAX_MAPS];
	unsigned int different;		/* of these, those in maps */
	unsigned int classes[FRAME_CLASSES];
	char *memory;
	char *seen;
	int file;
	__u64 stamp;
	__u32 random;
};

#define WORLD FIXTURE_DATA(claims)

static int anew(char *va, size_t length)
{
	return mmap(va, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == va ?
		       0 : -errno;
}

static int show_file(WORLD *self, char *va)
{
	const size_t length = PAGES * SMALL_PAGE;

	return mmap(va, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    self->file, 0) == va ?
		       0 : -errno;
}

FIXTURE_SETUP(claims)
{
	const size_t length = PAGES * SMALL_PAGE;
	int i;

	for (i = 0; i < 2; i++) {
		MAKE(mock_rig_make(&self->rigs[i]));
		MAKE(mock_rig_plug(&self->rigs[i], 0));
		self->spaces[i].iommufd = self->rigs[i].iommufd;
		self->spaces[i].ioas = self->rigs[i].ioas;
	}
	self->spaces[2].iommufd = self->rigs[0].iommufd;
	ASSERT_EQ(0, ioas_alloc(self->rigs[0].iommufd, &self->spaces[2].ioas));
	ASSERT_EQ(0, mock_domain(self->rigs[0].iommufd, self->spaces[2].ioas,
				 &self->second));
	for (i = 0; i < SPACES; i++) {
		self->spaces[i].access = mock_access(self->spaces[i].iommufd,
						     self->spaces[i].ioas, 0);
		ASSERT_LE(0, self->spaces[i].access);
	}
	self->file = memfd_alloc(length, false);
	ASSERT_LE(0, self->file);
	self->memory = address_room(MEMORY_PAGES * SMALL_PAGE, SMALL_PAGE);
	ASSERT_NE(NULL, self->memory);
	ASSERT_EQ(0, anew(self->memory, length));
	ASSERT_EQ(0, show_file(self, self->memory + length));
	ASSERT_EQ(0, show_file(self, self->memory + 2 * length));
	self->seen = malloc(MEMORY_PAGES * SMALL_PAGE);
	ASSERT_NE(NULL, self->seen);
	self->random = chosen_seed(14);
	TH_LOG("SEED=%u", self->random);
}

FIXTURE_TEARDOWN(claims)
{
	int i;

	for (i = 0; i < SPACES; i++)
		close(self->spaces[i].access);
	EXPECT_EQ(0, mock_rig_break(&self->rigs[1]));
	EXPECT_EQ(0, mock_rig_break(&self->rigs[0]));
}

static unsigned int below(WORLD *self, unsigned int limit)
{
	return random_next(&self->random) % limit;
}

static __u64 *page_of(WORLD *self, unsigned int page)
{
	return (__u64 *)(self->memory + page * SMALL_PAGE);
}

/* -- what counts: different frames at different places -- */

/* The file has the same places wherever it is seen. */
static unsigned int place_of(unsigned int page)
{
	return page < 2 * PAGES ? page : page - PAGES;
}

static struct counted *find_counted(WORLD *self, unsigned int place,
				    __u64 frame)
{
	struct counted *counted = self->counted[place], *room = NULL;
	int i;

	for (i = 0; i < MAX_MAPS; i++, counted++) {
		if (counted->maps && counted->frame == frame)
			return counted;
		if (!counted->maps)
			room = counted;
	}
	return room;
}

static void count_page(WORLD *self, unsigned int page, __u64 frame)
{
	struct counted *counted = find_counted(self, place_of(page), frame);

	self->classes[frame % FRAME_CLASSES]++;
	counted->frame = frame;
	self->different += !counted->maps++;
}

static void discount_page(WORLD *self, unsigned int page, __u64 frame)
{
	struct counted *counted = find_counted(self, place_of(page), frame);

	self->classes[frame % FRAME_CLASSES]--;
	self->different -= !--counted->maps;
}

/* -- changes of memory -- */

/* Maps of the very page show what is written to it. */
static int write_page(WORLD *self, unsigned int page)
{
	struct map *map;
	unsigned int i;
	__u64 frame;
	int rc;

	*page_of(self, page) = ++self->stamp;
	rc = page_frames(page_of(self, page), &frame, 1);
	if (rc || !self->classes[frame % FRAME_CLASSES])
		return rc;
	for (map = self->maps; map != self->maps + MAX_MAPS; map++) {
		for (i = 0; map->space && i < map->count; i++)
			if (map->frames[i] == frame)
				map->stamps[i] = self->stamp;
	}
	return 0;
}

static int write_after_fork(WORLD *self, unsigned int first, unsigned int count)
{
	pid_t pid = fork();
	int rc = 0;

	if (pid < 0)
		return -errno;
	if (!pid)
		for (;;)
			pause();
	while (count-- && !rc)
		rc = write_page(self, first + count);
	kill(pid, SIGKILL);
	return waitpid(pid, NULL, 0) == pid ? rc : -ECHILD;
}

/* What is there goes where it does not overlap, and leaves nothing behind. */
static int move(WORLD *self, unsigned int first, unsigned int count)
{
	char *from = self->memory + first * SMALL_PAGE;
	unsigned int to = (first + count) % PAGES;
	char *target = self->memory + to * SMALL_PAGE;

	if (count == PAGES || to + count > PAGES ||
	    (to < first && to + count > first))
		return 0;
	if (mremap(from, count * SMALL_PAGE, count * SMALL_PAGE,
		   MREMAP_MAYMOVE | MREMAP_FIXED, target) != target)
		return -errno;
	return anew(from, count * SMALL_PAGE);
}

static int change_memory(WORLD *self)
{
	unsigned int first = below(self, PAGES);
	unsigned int count = 1 + below(self, PAGES - first);
	char *va = self->memory + first * SMALL_PAGE;
	const size_t length = count * SMALL_PAGE;
	int rc = 0;

	switch (below(self, 7)) {
	case 0:
		return anew(va, length);
	case 1:
		rc = madvise(va, length, MADV_DONTNEED);
		break;
	case 2:
		rc = munmap(va, length);
		return rc ? -errno : anew(va, length);
	case 3:
		return write_after_fork(self, first, count);
	case 4:
		return move(self, first, count);
	case 5:
		rc = fallocate(self->file,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       first * SMALL_PAGE, length);
		break;
	default:
		rc = ftruncate(self->file, first * SMALL_PAGE) ?:
		     ftruncate(self->file, PAGES * SMALL_PAGE);
	}
	return rc ? -errno : 0;
}

/* -- maps -- */

static __u64 iova_of(WORLD *self, const struct map *map)
{
	return IOVA_OF(map - self->maps);
}

static int map_memory(WORLD *self, struct map *map)
{
	const size_t offset = map->first * SMALL_PAGE;
	const size_t length = map->count * SMALL_PAGE;
	__u64 iova = iova_of(self, map);

	if (map->of_file)
		return ioas_map_file(map->space->iommufd, map->space->ioas,
				     MAP_RW | MAP_AT, self->file,
				     offset % (PAGES * SMALL_PAGE), length,
				     &iova);
	return ioas_map_at(map->space->iommufd, map->space->ioas,
			   self->memory + offset, length, iova);
}

/* Most are within one of the three. */
static void choose_pages(WORLD *self, struct map *map)
{
	unsigned int end = MEMORY_PAGES;

	map->of_file = !below(self, 3);
	map->first = map->of_file ? PAGES + below(self, PAGES) :
				    below(self, MEMORY_PAGES);
	if (map->of_file || below(self, 2))
		end = (map->first / PAGES + 1) * PAGES;
	map->count = 1 + below(self, end - map->first);
}

/* A part of what another map has, whatever is at its places by now */
static int copy_map(WORLD *self, struct map *map, const struct map *from)
{
	unsigned int skip = below(self, from->count), i;
	int rc;

	map->first = from->first + skip;
	map->count = 1 + below(self, from->count - skip);
	map->space = from->space;
	rc = ioas_copy_at(map->space->iommufd, map->space->ioas,
			  map->space->ioas,
			  iova_of(self, from) + skip * SMALL_PAGE,
			  map->count * SMALL_PAGE, iova_of(self, map));
	for (i = 0; i < map->count && !rc; i++) {
		map->frames[i] = from->frames[skip + i];
		map->stamps[i] = from->stamps[skip + i];
		count_page(self, map->first + i, map->frames[i]);
	}
	return rc;
}

static int add_map(WORLD *self, struct map *map)
{
	unsigned int i;
	int rc = 0;

	choose_pages(self, map);
	for (i = 0; i < map->count && !rc; i++)
		if (!*page_of(self, map->first + i))
			rc = write_page(self, map->first + i);
	if (rc)
		return rc;

	map->space = &self->spaces[below(self, SPACES)];
	rc = map_memory(self, map) ?:
	     page_frames(page_of(self, map->first), map->frames, map->count);
	if (rc)
		return rc;
	for (i = 0; i < map->count; i++) {
		count_page(self, map->first + i, map->frames[i]);
		map->stamps[i] = *page_of(self, map->first + i);
	}
	return 0;
}

static int end_map(WORLD *self, struct map *map)
{
	struct space *space = map->space;
	unsigned int i;

	for (i = 0; i < map->count; i++)
		discount_page(self, map->first + i, map->frames[i]);
	map->space = NULL;
	return ioas_unmap(space->iommufd, space->ioas, iova_of(self, map),
			  map->count * SMALL_PAGE, NULL);
}

static int call(WORLD *self)
{
	struct map *map = &self->maps[below(self, MAX_MAPS)];
	const struct map *from;

	if (!below(self, 3))
		return change_memory(self);
	if (map->space)
		return end_map(self, map);
	from = &self->maps[below(self, MAX_MAPS)];
	return from->space ? copy_map(self, map, from) : add_map(self, map);
}

/* Does a device find in a map what was in its pages? */
static int check_content(WORLD *self, const struct map *map)
{
	unsigned int i;
	int rc;

	if (!map->space)
		return 0;
	rc = mock_access_rw(map->space->iommufd, map->space->access, 0,
			    iova_of(self, map), map->count * SMALL_PAGE,
			    self->seen);
	for (i = 0; i < map->count && !rc; i++)
		if (*(__u64 *)(self->seen + i * SMALL_PAGE) != map->stamps[i])
			rc = -EBADMSG;
	return rc;
}

TEST_F_TIMEOUT(claims, of_a_page_count_once, 3600)
{
	const char *text = getenv("CALLS");
	unsigned long calls = text ? strtoul(text, NULL, 0) : CALLS, i;
	int rc;

	for (i = 0; i < calls; i++) {
		rc = call(self);
		ASSERT_EQ(0, rc)
			TH_LOG("call %lu", i);
		ASSERT_EQ(self->different * (long)SMALL_PAGE, vm_pinned())
			TH_LOG("call %lu", i);
		rc = check_content(self, &self->maps[i % MAX_MAPS]);
		ASSERT_EQ(0, rc)
			TH_LOG("call %lu: map %lu", i, i % MAX_MAPS);
	}
	for (i = 0; i < MAX_MAPS; i++)
		if (self->maps[i].space)
			ASSERT_EQ(0, end_map(self, &self->maps[i]));
	EXPECT_EQ(0, vm_pinned());
}

TEST_HARNESS_MAIN
