// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random calls on IOASes that mock devices and accesses follow, each checked
 * against a model: which IOVA is which byte of which memory, and who pinned it.
 *
 * The numbers of a call come from the seed and from its place in the sequence
 * alone, so that any part of the sequence can be run on its own. When the kernel
 * and the model disagree, the shortest end of the sequence that shows it is found
 * and printed.
 *
 *   SEED=n    another sequence
 *   FIRST=n   where in the sequence to begin
 *   CALLS=n   how many calls
 */
#include "kselftest_harness.h"
#include "mock_model.h"
#include "test_support.h"

#define CALLS affordable(100000)
/* So many calls, then everything is compared. */
#define ROUND 2000

static bool (*const tries[])(struct world *world) = {
	try_map, try_map, try_map, try_map, try_map, try_map_anywhere,
	try_copy, try_copy, try_copy, try_unmap, try_unmap, try_unmap,
	try_unmap, try_unmap_all, try_option, try_attach, try_detach,
	try_replace, try_access, try_access_replace, try_pin, try_pin,
	try_unpin, try_rw, try_rw, try_rw,
};

static void world_close(struct world *world)
{
	int i;

	for (i = 0; i < ACCESSES; i++)
		if (world->accesses[i].fd >= 0)
			close(world->accesses[i].fd);
	close(world->iommufd);
}

static bool world_open(struct world *world, const struct buffer *buffers)
{
	int i;

	*world = (struct world){ .buffers = buffers };
	for (i = 0; i < ACCESSES; i++)
		world->accesses[i].fd = -1;
	world->iommufd = iommufd_open();
	for (i = 0; i < IOASES; i++)
		if (ioas_alloc(world->iommufd, &world->ioases[i].id))
			return false;
	return true;
}

/* Neighbours in the sequence must not have numbers in common. */
static __u32 seed_of_call(__u32 seed, unsigned long call)
{
	__u64 mixed = (call + 1) * 0x9e3779b97f4a7c15ULL ^ seed;

	mixed ^= mixed >> 31;
	mixed *= 0xbf58476d1ce4e5b9ULL;
	mixed ^= mixed >> 27;
	return mixed ? mixed : 1;
}

static bool run_call(struct world *world, __u32 seed, unsigned long call)
{
	world->call[0] = '\0';
	world->random = seed_of_call(seed, call) | 1;
	return tries[below(world, ARRAY_SIZE(tries))](world);
}

/* The call that went wrong, or @end if none did. */
static unsigned long run_calls(struct world *world, __u32 seed,
			       unsigned long first, unsigned long end)
{
	unsigned long call;

	for (call = first; call < end; call++) {
		if (!run_call(world, seed, call))
			return call;
		if ((call - first) % ROUND == ROUND - 1 && !check_world(world))
			return call;
	}
	return check_world(world) ? end : end - 1;
}

/* A part of a sequence. */
struct excerpt {
	const struct buffer *buffers;
	__u32 seed;
	unsigned long first, last;
	bool *without;		/* calls to leave out, from the first on, or NULL */
};

/* Runs it from nothing. */
static bool goes_wrong(const struct excerpt *excerpt, bool aloud)
{
	struct world *world = malloc(sizeof(*world));
	unsigned long call;
	bool good = world_open(world, excerpt->buffers);

	for (call = excerpt->first; good && call <= excerpt->last; call++) {
		if (excerpt->without && excerpt->without[call - excerpt->first])
			continue;
		good = run_call(world, excerpt->seed, call);
		if (aloud && world->call[0])
			printf("# %lu: %s = %d\n", call, world->call,
			       world->rc);
	}
	good = good && check_world(world);
	if (aloud && !good)
		printf("# %s\n", world->complaint);
	world_close(world);
	free(world);
	return !good;
}

/* Leaves out what it goes wrong without, and shows the rest. */
static void show_least(struct excerpt *excerpt)
{
	unsigned long count = excerpt->last - excerpt->first, i;

	excerpt->without = calloc(count + 1, sizeof(bool));
	for (i = 0; i < count; i++) {
		excerpt->without[i] = true;
		excerpt->without[i] = goes_wrong(excerpt, false);
	}
	goes_wrong(excerpt, true);
	free(excerpt->without);
}

/* Finds an end of [first, last] that goes wrong all the same. */
static void show_shortest(const struct buffer *buffers, __u32 seed,
			  unsigned long first, unsigned long last)
{
	struct excerpt excerpt = {
		.buffers = buffers,
		.seed = seed,
		.last = last,
	};
	unsigned long length;

	for (length = 1;; length += length / 8 + 1) {
		excerpt.first = length > last - first ? first :
							last - length + 1;
		if (excerpt.first == first || goes_wrong(&excerpt, false))
			break;
	}
	printf("# shown by SEED=%u FIRST=%lu CALLS=%lu\n", seed, excerpt.first,
	       last - excerpt.first + 1);
	if (length <= 500)
		show_least(&excerpt);
}

FIXTURE(mock_model)
{
	long pins;
	struct buffer buffers[BUFFERS];
};

static void hold_memory(struct buffer *buffer, enum page_kind kind,
			size_t length, bool file)
{
	struct memory mem;
	int rc;

	buffer->fd = -1;
	rc = file ? memory_alloc_file(&mem, kind, length, &buffer->fd) :
		    memory_alloc(&mem, kind, length);
	if (rc)
		return;
	buffer->va = mem.va;
	buffer->length = mem.length;
	buffer->folio = kind == PAGES_THP || kind == PAGES_HUGETLB ?
				HUGE_PAGE : SMALL_PAGE;
}

FIXTURE_SETUP(mock_model)
{
	struct buffer *buffers = self->buffers;
	int iommufd, i;

	self->pins = pins_held();
	iommufd = iommufd_open();
	ASSERT_LE(0, iommufd);
	if (!mock_available(iommufd))
		SKIP(return, "the kernel has no test device");
	close(iommufd);

	hold_memory(&buffers[0], PAGES_SMALL, MIB / 2, false);
	hold_memory(&buffers[1], PAGES_SMALL_RANDOM, MIB / 2, false);
	hold_memory(&buffers[2], PAGES_THP, 4 * MIB, false);
	hold_memory(&buffers[3], PAGES_SMALL, MIB, true);
	hold_memory(&buffers[4], PAGES_HUGETLB, HUGE_PAGE, true);
	for (i = 0; i < BUFFERS; i++) {
		ASSERT_NE(NULL, buffers[i].va)
			TH_LOG("buffer %d", i);
	}
}

FIXTURE_TEARDOWN_PARENT(mock_model)
{
	EXPECT_EQ(self->pins, pins_held());
}

static unsigned long number_from(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

TEST_F_TIMEOUT(mock_model, agrees_with_the_kernel_about_every_call, 3000)
{
	unsigned long first = number_from("FIRST", 0);
	unsigned long end = first + number_from("CALLS", CALLS), last;
	__u32 seed = chosen_seed(1);
	struct world *world = malloc(sizeof(*world));

	ASSERT_NE(NULL, world);
	ASSERT_TRUE(world_open(world, self->buffers));
	TH_LOG("SEED=%u, %lu calls", seed, end - first);
	last = run_calls(world, seed, first, end);
	EXPECT_EQ(end, last)
		TH_LOG("call %lu, %s: %s", last, world->call,
		       world->complaint);
	TH_LOG("%lu calls worked", world->worked);
	EXPECT_LE((last - first) / 10, world->worked);
	world_close(world);
	EXPECT_EQ(0, vm_pinned());
	if (last != end)
		show_shortest(self->buffers, seed, first, last);
}

TEST_HARNESS_MAIN
