// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages are pinned already: the registries
 *
 * Owns the registries. Called by the sources and accounts, which keep the
 * registry of the memory's owner, and by those who put claims there and look
 * for them. Claims are hashed by size and place, so that one of a page looks at
 * a bucket or two, whatever else there is.
 */
#include <linux/cleanup.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "claims.h"
#include "pinned.h"

static DEFINE_HASHTABLE(claims_of_owners, 6);
static DEFINE_MUTEX(claims_of_owners_lock);

static void claims_set_buckets(struct iommufd_claims *claims,
			       struct hlist_head *buckets, unsigned int bits)
{
	claims->buckets = buckets;
	claims->bits = bits;
	claims->shift = BITS_PER_LONG - bits;
}

static struct iommufd_claims *claims_alloc(const void *owner, bool of_file)
{
	struct iommufd_claims *claims;

	claims = kzalloc_obj(*claims, GFP_KERNEL_ACCOUNT);
	if (!claims)
		return NULL;
	refcount_set(&claims->refs, 1);
	claims->owner = owner;
	claims->of_file = of_file;
	mutex_init(&claims->lock);
	claims->nr_max = BIT(IOMMUFD_CLAIMS_FEW_BITS);
	claims_set_buckets(claims, claims->few, IOMMUFD_CLAIMS_FEW_BITS);
	init_waitqueue_head(&claims->settled);
	INIT_LIST_HEAD(&claims->movable);
	INIT_LIST_HEAD(&claims->moving);
	return claims;
}

static struct iommufd_claims *claims_find(const void *owner, bool of_file)
{
	struct iommufd_claims *claims;

	hash_for_each_possible(claims_of_owners, claims, node,
			       (unsigned long)owner)
		if (claims->owner == owner && claims->of_file == of_file)
			return claims;
	return NULL;
}

/**
 * iommufd_claims_get - find or make the registry of an owner of memory
 * @owner: the mm_struct or the inode
 * @of_file: it is an inode
 *
 * Context: may sleep.
 * Return: the registry with a reference, or NULL without memory.
 */
struct iommufd_claims *iommufd_claims_get(const void *owner, bool of_file)
{
	struct iommufd_claims *claims;

	guard(mutex)(&claims_of_owners_lock);
	claims = claims_find(owner, of_file);
	if (claims) {
		refcount_inc(&claims->refs);
		return claims;
	}
	claims = claims_alloc(owner, of_file);
	if (claims)
		hash_add(claims_of_owners, &claims->node,
			 (unsigned long)owner);
	return claims;
}

/**
 * iommufd_claims_put - drop a reference
 * @claims: the registry, without claims when this is the last reference
 *
 * Context: may sleep.
 */
void iommufd_claims_put(struct iommufd_claims *claims)
{
	if (!refcount_dec_and_mutex_lock(&claims->refs, &claims_of_owners_lock))
		return;
	hash_del(&claims->node);
	mutex_unlock(&claims_of_owners_lock);

	WARN_ON(claims->nr);
	if (claims->buckets != claims->few)
		kvfree(claims->buckets);
	mutex_destroy(&claims->lock);
	kfree(claims);
}

/**
 * iommufd_claimant_alloc - make a claimant for pages of a file in other memory
 * @account: who is charged, as long as the object is there; a fixed one
 * @inode: the file
 * @place: of the first page of the object
 *
 * Context: may sleep.
 * Return: the claimant with one reference, or NULL without memory.
 */
struct iommufd_claimant *
iommufd_claimant_alloc(struct iommufd_account *account, const void *inode,
		       unsigned long place)
{
	struct iommufd_file_claimant *claimant;

	claimant = kmalloc_obj(*claimant, GFP_KERNEL_ACCOUNT);
	if (!claimant)
		return NULL;
	claimant->common.claims = iommufd_claims_get(inode, true);
	if (!claimant->common.claims) {
		kfree(claimant);
		return NULL;
	}
	claimant->common.account = account;
	claimant->common.place = place;
	refcount_set(&claimant->refs, 1);
	return &claimant->common;
}

/* The part of iommufd_claimant_put() that is seldom needed; may sleep */
void __iommufd_claimant_put(struct iommufd_file_claimant *claimant)
{
	if (!refcount_dec_and_test(&claimant->refs))
		return;
	iommufd_claims_put(claimant->common.claims);
	kfree(claimant);
}

/*
 * Buckets. The size of a claim and its first place tell the block, and so the
 * bucket, that it is in; a part of a claim that was cut may still be where the
 * whole was. Either way each of its places is in that block or in the next one.
 */

/**
 * iommufd_claims_hash - put a claim where it is found
 * @claims: the registry, whose lock the caller holds
 * @segment: the claim, which is in no bucket
 */
void iommufd_claims_hash(struct iommufd_claims *claims,
			 struct iommufd_pin_segment *segment)
{
	unsigned int class = fls_long(segment->last - segment->first);
	unsigned long block = iommufd_claim_first(segment) >> class;

	segment->claim.class = class;
	segment->claim.block = block;
	claims->classes |= BIT(class);
	hlist_add_head(&segment->claim.node,
		       iommufd_claims_bucket(claims, class, block));
}

/* Twins stay together: they have the same bucket, as before. */
static void claims_rehash_next(struct iommufd_claims *claims,
			       struct hlist_node *node, struct hlist_node *prev)
{
	struct iommufd_pin_segment *segment = iommufd_claim_segment(node);

	if (segment->claim.others & IOMMUFD_CLAIM_TWIN_BEFORE)
		hlist_add_behind(node, prev);
	else
		iommufd_claims_hash(claims, segment);
}

static void claims_rehash(struct iommufd_claims *claims,
			  struct hlist_head *buckets, unsigned int bits)
{
	struct hlist_head *old = claims->buckets;
	struct hlist_node *node, *next, *prev = NULL;
	unsigned long i, nr = BIT(claims->bits);

	claims_set_buckets(claims, buckets, bits);
	/* Segments that were cut are put where their own size belongs now. */
	claims->classes = 0;
	for (i = 0; i != nr; i++) {
		for (node = old[i].first; node; node = next) {
			next = node->next;
			claims_rehash_next(claims, node, prev);
			prev = node;
		}
		cond_resched();
	}
	if (old != claims->few)
		kvfree(old);
}

/**
 * iommufd_claims_grow - make more buckets, for there are many claims
 * @claims: the registry, whose lock the caller holds
 *
 * Context: may sleep.
 */
void iommufd_claims_grow(struct iommufd_claims *claims)
{
	unsigned int bits = claims->bits + 2;
	struct hlist_head *buckets;

	claims->nr_max *= 4;
	/*
	 * Without memory for more buckets it only takes longer to find claims.
	 */
	buckets = kvcalloc(BIT(bits), sizeof(*buckets),
			   GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (buckets)
		claims_rehash(claims, buckets, bits);
}

/*
 * A second claim comes, or somebody looks for claims: the sole one has to be in
 * a bucket.
 */
void __iommufd_claims_hash_sole(struct iommufd_claims *claims)
{
	struct iommufd_pin_segment *segment =
		iommufd_claim_segment(claims->sole.first);

	__hlist_del(&segment->claim.node);
	iommufd_claims_hash(claims, segment);
}

/* With few buckets and a large range it is faster to look into all buckets. */
static bool claims_walk_all(const struct iommufd_claims_walk *walk)
{
	return walk->classes &&
	       (walk->last - walk->first) >> __ffs(walk->classes) >=
		       BIT(walk->claims->bits);
}

/**
 * iommufd_claims_walk_begin - begin to walk the claims in a range
 * @claims: the registry
 * @first: first place
 * @last: last place
 * @walk: receives the state
 *
 * Context: caller holds the registry's lock until the walk is over.
 */
void iommufd_claims_walk_begin(struct iommufd_claims *claims,
			       unsigned long first, unsigned long last,
			       struct iommufd_claims_walk *walk)
{
	iommufd_claims_hash_sole(claims);
	*walk = (struct iommufd_claims_walk){
		.claims = claims,
		.first = first,
		.last = last,
		.classes = claims->classes,
		/* Above @last_block: the first step takes a class. */
		.block = 1,
	};
	if (claims_walk_all(walk)) {
		walk->classes = 0;
		walk->class = BITS_PER_LONG;
		walk->block = 0;
		walk->last_block = BIT(claims->bits) - 1;
	}
}

static bool claims_walk_class(struct iommufd_claims_walk *walk)
{
	if (!walk->classes)
		return false;
	walk->class = __ffs(walk->classes);
	walk->classes &= walk->classes - 1;
	walk->block = walk->first >> walk->class;
	walk->last_block = walk->last >> walk->class;
	/* A claim of the block before may reach into this one. */
	if (walk->class && walk->block)
		walk->block--;
	return true;
}

static bool claims_walk_bucket(struct iommufd_claims_walk *walk)
{
	struct iommufd_claims *claims = walk->claims;
	struct hlist_head *bucket;
	unsigned long block;

	if (walk->block > walk->last_block && !claims_walk_class(walk))
		return false;
	block = walk->block++;
	if (walk->class == BITS_PER_LONG)
		bucket = &claims->buckets[block];
	else
		bucket = iommufd_claims_bucket(claims, walk->class, block);
	walk->next = bucket->first;
	return true;
}

/**
 * iommufd_claims_next - take the next claim
 * @walk: the state
 *
 * Claims may be met more than once.
 *
 * Return: the segment, or NULL when the walk is over.
 */
struct iommufd_pin_segment *
iommufd_claims_next(struct iommufd_claims_walk *walk)
{
	struct iommufd_pin_segment *segment;

	do {
		while (walk->next) {
			segment = iommufd_claim_segment(walk->next);
			walk->next = walk->next->next;
			if (iommufd_claim_first(segment) <= walk->last &&
			    walk->first <= iommufd_claim_last(segment))
				return segment;
		}
	} while (claims_walk_bucket(walk));
	return NULL;
}
