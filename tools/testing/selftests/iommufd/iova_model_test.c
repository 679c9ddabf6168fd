// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random calls on one IOAS, each checked against a model of it: a list of maps
 * and a list of allowed ranges. Nothing is attached.
 *
 * A range of IOVAs is a start and a last, which is inside. Calls happen at both
 * ends of the space, in units of a page or of a byte.
 */
#include "kselftest_harness.h"
#include "test_support.h"

#define SLOTS 256
#define MAX_LENGTH 16		/* slots */
#define MAX_ALLOWED 4
#define CALLS affordable(20000)

struct model {
	struct iommu_iova_range maps[2 * SLOTS];	/* ascending */
	int map_count;
	struct iommu_iova_range allowed[MAX_ALLOWED];	/* ascending, apart */
	int allowed_count;
};

static bool overlap(const struct iommu_iova_range *a,
		    const struct iommu_iova_range *b)
{
	return a->start <= b->last && b->start <= a->last;
}

static bool contains(const struct iommu_iova_range *outer,
		     const struct iommu_iova_range *inner)
{
	return outer->start <= inner->start && inner->last <= outer->last;
}

static __u64 length_of(const struct iommu_iova_range *range)
{
	return range->last - range->start + 1;
}

/* The first map that meets the range, or the number of maps. */
static int first_overlap(const struct model *model,
			 const struct iommu_iova_range *range)
{
	int i;

	for (i = 0; i < model->map_count; i++)
		if (overlap(&model->maps[i], range))
			break;
	return i;
}

static void model_add(struct model *model, const struct iommu_iova_range *map)
{
	int i = model->map_count++;

	for (; i && model->maps[i - 1].start > map->start; i--)
		model->maps[i] = model->maps[i - 1];
	model->maps[i] = *map;
}

static void model_remove(struct model *model, int i)
{
	model->map_count--;
	memmove(&model->maps[i], &model->maps[i + 1],
		(model->map_count - i) * sizeof(model->maps[0]));
}

/* The lowest place in @range that no map is in the way of. */
static bool lowest_fit(const struct model *model,
		       const struct iommu_iova_range *range, __u64 length,
		       __u64 alignment, __u64 *iova)
{
	struct iommu_iova_range place;
	__u64 start = range->start;
	int blocking;

	for (;;) {
		place.start = (start + alignment - 1) & -alignment;
		if (place.start < start || place.start > range->last ||
		    range->last - place.start < length - 1)
			return false;
		place.last = place.start + length - 1;
		blocking = first_overlap(model, &place);
		if (blocking == model->map_count) {
			*iova = place.start;
			return true;
		}
		start = model->maps[blocking].last + 1;
	}
}

static __u64 round_up_to_power(__u64 value)
{
	__u64 power = 1;

	while (power < value)
		power *= 2;
	return power;
}

static __u64 smallest(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/* Where the kernel has to put whole pages at @va. */
static bool chosen_place(const struct model *model, const void *va,
			 __u64 length, __u64 *iova)
{
	const struct iommu_iova_range usable = {
		SMALL_PAGE, UINT64_MAX - SMALL_PAGE,
	};
	__u64 alignment = (uintptr_t)va & -(uintptr_t)va;
	int i;

	alignment = smallest(alignment, round_up_to_power(length));
	alignment = smallest(alignment, HUGE_PAGE);
	if (!model->allowed_count)
		return lowest_fit(model, &usable, length, alignment, iova);
	for (i = 0; i < model->allowed_count; i++) {
		struct iommu_iova_range range = model->allowed[i];

		if (!overlap(&range, &usable))
			continue;
		if (range.start < usable.start)
			range.start = usable.start;
		range.last = smallest(range.last, usable.last);
		if (lowest_fit(model, &range, length, alignment, iova))
			return true;
	}
	return false;
}

/* An IOAS and what it should be like. */
struct pair {
	struct model model;
	int iommufd;
	__u32 ioas;
	char *va;
	__u32 random;
};

FIXTURE(model)
{
	struct pair pair;
};

FIXTURE_VARIANT(model)
{
	__u64 unit;
	__u32 seed;
};

FIXTURE_VARIANT_ADD(model, of_pages)
{
	.unit = SMALL_PAGE,
	.seed = 1,
};

FIXTURE_VARIANT_ADD(model, of_bytes)
{
	.unit = 1,
	.seed = 2,
};

FIXTURE_VARIANT_ADD(model, of_half_pages)
{
	.unit = SMALL_PAGE / 2,
	.seed = 3,
};

FIXTURE_SETUP(model)
{
	self->pair.random = chosen_seed(variant->seed);
	TH_LOG("SEED=%u", self->pair.random);
	self->pair.iommufd = iommufd_open();
	ASSERT_LE(0, self->pair.iommufd);
	ASSERT_EQ(0, ioas_alloc(self->pair.iommufd, &self->pair.ioas));
	self->pair.va = address_room(HUGE_PAGE, HUGE_PAGE);
	ASSERT_NE(NULL, self->pair.va);
}

FIXTURE_TEARDOWN(model)
{
	close(self->pair.iommufd);
}

static __u32 below(struct pair *pair, __u32 limit)
{
	return random_next(&pair->random) % limit;
}

/* Its last may have wrapped; then it is smaller than its start. */
static struct iommu_iova_range random_range(struct pair *pair, __u64 unit,
					    __u32 slots)
{
	struct iommu_iova_range range;

	range.start = below(pair, SLOTS) * unit;
	if (below(pair, 2))
		range.start -= SLOTS * unit;
	range.last = range.start + (below(pair, slots) + 1) * unit - 1;
	return range;
}

/* Each of these returns whether the kernel did what the model says. */

static bool try_map(struct pair *pair, __u64 unit)
{
	struct iommu_iova_range range = random_range(pair, unit, MAX_LENGTH);
	int expected = 0, rc;

	if (range.last < range.start || range.start == UINT64_MAX)
		expected = -EOVERFLOW;
	else if (first_overlap(&pair->model, &range) < pair->model.map_count)
		expected = -EEXIST;
	rc = ioas_map_at(pair->iommufd, pair->ioas, pair->va,
			 length_of(&range), range.start);
	if (!rc)
		model_add(&pair->model, &range);
	return rc == expected;
}

static bool try_map_anywhere(struct pair *pair, __u64 unit)
{
	__u64 length = (below(pair, MAX_LENGTH) + 1) * SMALL_PAGE;
	char *va = pair->va + below(pair, 32) * SMALL_PAGE;
	struct iommu_iova_range range;
	__u64 expected = 0, iova = 0;
	bool fits;
	int rc;

	if (pair->model.map_count >= SLOTS)
		return true;
	fits = chosen_place(&pair->model, va, length, &expected);
	rc = ioas_map(pair->iommufd, pair->ioas, va, length, &iova);
	if (rc)
		return rc == -ENOSPC && !fits;
	range.start = iova;
	range.last = iova + length - 1;
	model_add(&pair->model, &range);
	return fits && iova == expected;
}

static void model_remove_within(struct model *model,
				const struct iommu_iova_range *range)
{
	int i = first_overlap(model, range);

	while (i < model->map_count && contains(range, &model->maps[i]))
		model_remove(model, i);
}

/* An unmap that is refused removes nothing: what follows would find a gap. */
static bool try_unmap(struct pair *pair, __u64 unit)
{
	struct iommu_iova_range range = random_range(pair, unit,
						     2 * MAX_LENGTH);
	struct model *model = &pair->model;
	__u64 expected_bytes = 0, bytes;
	int expected = -ENOENT, rc, i;

	/* a random range seldom fits: take that of some map */
	if (model->map_count && below(pair, 4))
		range = model->maps[below(pair, model->map_count)];
	for (i = 0; i < model->map_count; i++) {
		if (!overlap(&model->maps[i], &range))
			continue;
		expected = 0;
		if (!contains(&range, &model->maps[i])) {
			expected = -ENOENT;
			break;
		}
		expected_bytes += length_of(&model->maps[i]);
	}
	if (range.last < range.start || range.start == UINT64_MAX)
		expected = -EOVERFLOW;

	rc = ioas_unmap(pair->iommufd, pair->ioas, range.start,
			length_of(&range), &bytes);
	if (!rc)
		model_remove_within(model, &range);
	return rc == expected && (rc || bytes == expected_bytes);
}

static bool try_unmap_all(struct pair *pair, __u64 unit)
{
	struct model *model = &pair->model;
	__u64 expected = 0, bytes;

	if (below(pair, 50))
		return true;
	while (model->map_count) {
		expected += length_of(&model->maps[0]);
		model_remove(model, 0);
	}
	return !ioas_unmap_all(pair->iommufd, pair->ioas, &bytes) &&
	       bytes == expected;
}

/* Sorts, and joins neighbours, as a map may span them. */
static void model_allow(struct model *model,
			const struct iommu_iova_range *ranges, int count)
{
	struct iommu_iova_range *allowed = model->allowed;
	int i, j, used = 0;

	for (i = 0; i < count; i++) {
		for (j = i; j && allowed[j - 1].start > ranges[i].start; j--)
			allowed[j] = allowed[j - 1];
		allowed[j] = ranges[i];
	}
	for (i = 1; i < count; i++) {
		if (allowed[used].last + 1 == allowed[i].start)
			allowed[used].last = allowed[i].last;
		else
			allowed[++used] = allowed[i];
	}
	model->allowed_count = count ? used + 1 : 0;
}

static bool try_allow(struct pair *pair, __u64 unit)
{
	struct iommu_iova_range ranges[MAX_ALLOWED];
	int count = below(pair, MAX_ALLOWED + 1);
	int expected = 0, rc, i, j;

	for (i = 0; i < count; i++) {
		ranges[i] = random_range(pair, unit, 64);
		if (ranges[i].start >= ranges[i].last)
			expected = -EINVAL;
		for (j = 0; j < i; j++)
			if (overlap(&ranges[i], &ranges[j]))
				expected = -EINVAL;
	}
	rc = ioas_allow_iovas(pair->iommufd, pair->ioas, ranges, count);
	if (!rc)
		model_allow(&pair->model, ranges, count);
	return rc == expected;
}

TEST_F_TIMEOUT(model, agrees_with_the_kernel_about_every_call, 60)
{
	bool (*const tries[])(struct pair *pair, __u64 unit) = {
		try_map, try_map, try_map_anywhere, try_unmap, try_unmap,
		try_allow, try_unmap_all,
	};
	struct pair *pair = &self->pair;
	int i, kind;

	for (i = 0; i < CALLS; i++) {
		kind = below(pair, ARRAY_SIZE(tries));
		ASSERT_TRUE(tries[kind](pair, variant->unit))
			TH_LOG("call %d, kind %d", i, kind);
	}
	/* and about what is left */
	while (pair->model.map_count) {
		struct iommu_iova_range *map = &pair->model.maps[0];
		int rc = ioas_unmap(pair->iommufd, pair->ioas, map->start,
				    length_of(map), NULL);

		ASSERT_EQ(0, rc);
		model_remove(&pair->model, 0);
	}
	EXPECT_EQ(-ENOENT, ioas_unmap(pair->iommufd, pair->ioas, 0,
				      UINT64_MAX - 1, NULL));
}

TEST_HARNESS_MAIN
