/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages are pinned already: a page counts once
 */

/**
 * DOC: Claims
 *
 * A page that a process has pinned counts once, in however many objects,
 * address spaces and files of /dev/iommu. What is the same page is what a pin
 * returned, never what an earlier pin had seen.
 *
 * Terms::
 *
 *  place     where a page is as its owner knows it: an offset in a file, and an
 *            address in a process of what is not in a file of memory that is
 *            shared. Only the same place is looked at.
 *  claim     a segment of a pinned object, as the others of the same owner see
 *            it: places, and in which frames the pages are
 *  registry  all claims of an owner, of whatever objects and contexts
 *  claimant  for whom claims are made, and in which registry
 *  twins     claims of the same page that the same account has. When one of
 *            them goes, the page stays counted, and nobody has to be asked.
 *
 * That a page is counted is not stored. It is counted in a counter while there
 * is a claim of it whose payer has this counter: who adds a claim adds those of
 * its pages that no other such claim has at the same place in the same frame,
 * and who removes it takes the same off. So it does not matter which of two
 * maps goes first, nor how they overlap, and a charge never has to move from
 * one claim to another.
 *
 * Before memory is pinned all of it is charged, as if nothing was shared, and
 * the claim is entered as a pending one, that nobody compares with. When it is
 * pinned, it is compared, and what was counted already is given back. Where the
 * limit does not allow that and others have claims in the range, it is halved
 * until it does. Few pages are pinned first and charged then: a process can
 * hold IOMMUFD_CLAIM_FEW_PAGES uncharged in each pin, and only for as long as
 * the pin takes.
 *
 * If one claim of the same payer has all of the many pages of a new segment,
 * their runs are stored once: the segment gets a slice of the other one's.
 *
 * Whether memory at an address of a process is in files is known only when its
 * pages are pinned: then each part gets the claimant of its file. Until then
 * its claim is pending in the registry of the process. Who maps the same file
 * in another way at that moment, and needs it for the limit, looks in that of
 * the file, and so does not wait for it.
 */
#ifndef __IOMMUFD_CLAIMS_H
#define __IOMMUFD_CLAIMS_H

#include <linux/bits.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "account.h"

struct iommufd_pin_segment;

/**
 * struct iommufd_claimant - for whom claims of an object are made, and where
 * @account: who is charged, or NULL if nobody is, and there are no claims
 * @claims: the registry
 * @place: of the first page of the object
 */
struct iommufd_claimant {
	struct iommufd_account *account;
	struct iommufd_claims *claims;
	unsigned long place;
};

/**
 * struct iommufd_file_claimant - one for what is of a file in other memory
 * @common: the common part; has a reference to the registry
 * @refs: its claims, and who is about to make one
 */
struct iommufd_file_claimant {
	struct iommufd_claimant common;
	refcount_t refs;
};

/**
 * struct iommufd_claim - the part of a segment that its registry needs
 * @node: in a bucket of the registry; guarded by its lock, as all of this
 * @claimant: whose it is
 * @block: the block of its size in which it begins; of a part of a claim that
 *         was cut, perhaps still that of the whole
 * @class: its size, as a power of two; of such a part, as @block
 * @others: IOMMUFD_CLAIM_MET and so on: what is known of others
 * @pending: its pages are not pinned yet; it is not compared with others
 * @marked: while payers change: its pages have been counted
 * @state: @class to @marked, to set all of them to 0 at once
 */
struct iommufd_claim {
	struct hlist_node node;
	struct iommufd_claimant *claimant;
	u32 block;
	union {
		struct {
			u8 class;
			bool pending;
			u8 others;
			bool marked;
		};
		u32 state;
	};
};

/*
 * It was compared with another claim that has some of its places, so it has to
 * be compared again when it goes. Of settled claims that overlap, each has been
 * compared with one.
 */
#define IOMMUFD_CLAIM_MET BIT(0)
/*
 * The claim in front of it in the bucket, or behind it, is a twin: a claim of
 * the same page, charged to the same account. Twins are settled, and have
 * IOMMUFD_CLAIM_MET.
 */
#define IOMMUFD_CLAIM_TWIN_BEFORE BIT(1)
#define IOMMUFD_CLAIM_TWIN_BEHIND BIT(2)
#define IOMMUFD_CLAIM_TWINS \
	(IOMMUFD_CLAIM_TWIN_BEFORE | IOMMUFD_CLAIM_TWIN_BEHIND)

/* At most so many pages are pinned before they are charged. */
#define IOMMUFD_CLAIM_FEW_PAGES 16

#define IOMMUFD_CLAIMS_FEW_BITS 2

/**
 * struct iommufd_claims - the registry of an owner
 * @refs: accounts and objects of the owner's memory
 * @owner: the mm_struct or the inode; only compared, never followed. An inode
 *         may be freed and another one get its address: their pinned pages
 *         are in different frames, so they are never taken for the same.
 * @of_file: it is an inode
 * @node: in the table of all registries
 * @lock: guards what follows, the pages and runs of the claims, and who pays
 *        for them. No mmap_lock is waited for with it held. That of a file may
 *        be taken inside that of a process.
 * @nr: claims
 * @nr_max: number of claims at which there should be more buckets
 * @sole: the only claim; put into a bucket when a second one comes, or claims
 *        are looked for
 * @only: whose claims these are, and have been since there were none; NULL if
 *        there are several accounts
 * @npages: how many pages these add to the counters of @only's payer
 * @classes: sizes of claims that there have been since there were none: bit n
 *           is for those of at most BIT(n) pages, and more than half of it
 * @bits: how many buckets there are, as a power of 2
 * @shift: BITS_PER_LONG - @bits
 * @buckets: struct iommufd_claim, by size and place
 * @few: serves as @buckets while there are few claims
 * @nr_settled: pending claims that are none any more
 * @nr_waiters: who waits for that in @settled
 * @settled: woken when @nr_settled grows
 * @movable: struct iommufd_movable, of the movable accounts that have objects
 * @moving: in a list of registries in which payers change; guarded by
 *          claims_moving_lock
 */
struct iommufd_claims {
	refcount_t refs;
	const void *owner;
	bool of_file;
	struct hlist_node node;
	struct mutex lock;		/* claims of the owner */
	unsigned long nr;
	unsigned long nr_max;
	struct hlist_head sole;
	struct iommufd_account *only;
	unsigned long npages;
	unsigned long classes;
	unsigned int bits;
	unsigned int shift;
	struct hlist_head *buckets;
	struct hlist_head few[1 << IOMMUFD_CLAIMS_FEW_BITS];
	unsigned long nr_settled;
	unsigned int nr_waiters;
	wait_queue_head_t settled;
	struct list_head movable;
	struct list_head moving;
};

/**
 * struct iommufd_movable - claims that may get another payer: those of an
 * account
 * @node: in iommufd_accounts::movable, whose lock guards @nr
 * @account: whose
 * @claims: where
 * @sibling: in iommufd_claims::movable
 * @nr: how many objects have or may have such claims
 */
struct iommufd_movable {
	struct list_head node;
	struct iommufd_account *account;
	struct iommufd_claims *claims;
	struct list_head sibling;
	unsigned long nr;
};

/**
 * struct iommufd_claims_walk - all claims that may overlap a range of places
 * @claims: the registry, whose lock the caller holds
 * @first: first place
 * @last: last place
 * @next: in the present bucket
 * @classes: sizes that are still to be looked at
 * @class: the present size
 * @block: where in it the next bucket is
 * @last_block: where the last one is
 */
struct iommufd_claims_walk {
	struct iommufd_claims *claims;
	unsigned long first;
	unsigned long last;
	struct hlist_node *next;
	unsigned long classes;
	unsigned int class;
	unsigned long block;
	unsigned long last_block;
};

/**
 * struct iommufd_claims_filter - whose claims count
 * @payer: of whom a counter is looked at
 * @limited: the counter is that of the limit, not mm->pinned_vm
 * @moving: the payers of these accounts change: of their claims, those that are
 *          marked count
 * @arrives: the marked claims count as @payer's, who is about to pay for them
 */
struct iommufd_claims_filter {
	const struct iommufd_payer *payer;
	bool limited;
	const struct iommufd_accounts *moving;
	bool arrives;
};

/**
 * struct iommufd_claims_held - all claims whose payer changes
 * @accounts: whose claims; its lock is held for writing
 * @list: struct iommufd_claims, where they are
 */
struct iommufd_claims_held {
	struct iommufd_accounts *accounts;
	struct list_head list;
};

/**
 * struct iommufd_arrival - what a new payer has to be charged for
 * @counts: how many pages, in addition to what he is charged for
 * @bounded: the sum has to be checked against his limit: not if all of it is
 *           under the same limit already
 */
struct iommufd_arrival {
	struct iommufd_counts counts;
	bool bounded;
};

struct iommufd_claims *iommufd_claims_get(const void *owner, bool of_file);
void iommufd_claims_put(struct iommufd_claims *claims);

/* More than the distance between any two places */
#define IOMMUFD_CLAIMS_CLASS_DISTANCE BIT(BITS_PER_LONG - 6)

/* Claims of a size; numbers of blocks that follow each other seldom collide. */
static inline struct hlist_head *
iommufd_claims_bucket(struct iommufd_claims *claims, unsigned int class,
		      unsigned long block)
{
	block += class * IOMMUFD_CLAIMS_CLASS_DISTANCE;
	/* hash_long(), as the bits are known */
	return &claims->buckets[block * GOLDEN_RATIO_PRIME >> claims->shift];
}

void iommufd_claims_hash(struct iommufd_claims *claims,
			 struct iommufd_pin_segment *segment);
void iommufd_claims_grow(struct iommufd_claims *claims);
void __iommufd_claims_hash_sole(struct iommufd_claims *claims);

/* Have all claims where they are found. Caller holds the registry's lock. */
static __always_inline void
iommufd_claims_hash_sole(struct iommufd_claims *claims)
{
	if (unlikely(claims->sole.first))
		__iommufd_claims_hash_sole(claims);
}

void iommufd_claims_walk_begin(struct iommufd_claims *claims,
			       unsigned long first, unsigned long last,
			       struct iommufd_claims_walk *walk);
struct iommufd_pin_segment *
iommufd_claims_next(struct iommufd_claims_walk *walk);
/**
 * enum iommufd_page_is - what a quick look at the other claims tells of a page
 * @IOMMUFD_PAGE_IS_ALONE: nobody else has claimed its place
 * @IOMMUFD_PAGE_IS_UNCLEAR: somebody may have: it has to be compared
 * @IOMMUFD_PAGE_IS_SHARED: the same account has it already
 */
enum iommufd_page_is {
	IOMMUFD_PAGE_IS_ALONE,
	IOMMUFD_PAGE_IS_UNCLEAR,
	IOMMUFD_PAGE_IS_SHARED,
};

unsigned long
iommufd_claims_count_new(struct iommufd_claims *claims,
			 const struct iommufd_pin_segment *segment,
			 const struct iommufd_claims_filter *filter);
struct iommufd_pin_segment *
iommufd_claims_count(struct iommufd_claims *claims,
		     struct iommufd_pin_segment *segment,
		     struct iommufd_counts *counts);

struct iommufd_claimant *
iommufd_claimant_alloc(struct iommufd_account *account, const void *inode,
		       unsigned long place);
void __iommufd_claimant_put(struct iommufd_file_claimant *claimant);

/*
 * Is the claimant an allocation of its own, counted by its claims? Others are
 * part of an object, and have a fixed account only in the registry of the
 * process.
 */
static __always_inline struct iommufd_file_claimant *
iommufd_file_claimant(struct iommufd_claimant *claimant)
{
	if (likely(!claimant->claims->of_file) ||
	    claimant->account->kind != IOMMUFD_ACCOUNT_FIXED)
		return NULL;
	return container_of(claimant, struct iommufd_file_claimant, common);
}

/* For another claim */
static inline void iommufd_claimant_get(struct iommufd_claimant *claimant)
{
	struct iommufd_file_claimant *of_file = iommufd_file_claimant(claimant);

	if (of_file)
		refcount_inc(&of_file->refs);
}

/* A claim is gone; the lock of the registry is not held. */
static inline void iommufd_claimant_put(struct iommufd_claimant *claimant)
{
	struct iommufd_file_claimant *of_file = iommufd_file_claimant(claimant);

	if (of_file)
		__iommufd_claimant_put(of_file);
}

void iommufd_claim_begin(struct iommufd_claimant *claimant,
			 struct iommufd_pin_segment *segment);
void iommufd_claim_settle(struct iommufd_pin_segment *segment);
int iommufd_claim_add(struct iommufd_claimant *claimant,
		      struct iommufd_pin_segment *segment);
void iommufd_claim_pass_on(struct iommufd_pin_segment *segment,
			   struct iommufd_claimant *claimant);
void iommufd_claim_cancel(struct iommufd_pin_segment *segment);
void iommufd_claim_end_slow(struct iommufd_claimant *claimant,
			    struct iommufd_pin_segment *segment);
int iommufd_claims_wait(const struct iommufd_claimant *claimant,
			unsigned long first, unsigned long last);

void iommufd_claims_join(struct iommufd_claims *claims,
			 struct iommufd_pin_segment *joined,
			 struct iommufd_pin_segment *gone);

struct iommufd_movable *iommufd_movable_get(struct iommufd_account *account,
					    const void *inode);
void iommufd_movable_put(struct iommufd_movable *movable);

void iommufd_claims_hold(struct iommufd_claims_held *held);
void iommufd_claims_release(struct iommufd_claims_held *held);
int iommufd_claims_count_arriving(struct iommufd_claims_held *held,
				  const struct iommufd_payer *to,
				  struct iommufd_arrival *arrival);
void iommufd_claims_leave(struct iommufd_claims_held *held,
			  const struct iommufd_payer *to);

#endif
