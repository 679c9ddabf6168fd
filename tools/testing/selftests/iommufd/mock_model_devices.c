// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mock_model.h"

/* -- devices -- */

static void expect_attach(const struct address_space *ioas,
			  struct outcome *outcome)
{
	may_give(outcome, EADDRINUSE, !all_in_aperture(ioas));
	may_give(outcome, EADDRINUSE, !all_aligned(ioas, MOCK_PAGE_SIZE));
}

/* A second table for the IOAS, made for the device that is there already. */
static int alloc_table(struct world *world, struct address_space *ioas,
		       __u32 *hwpt)
{
	return hwpt_alloc(world->iommufd, ioas->domains[0].device.idev,
			  ioas->id, 0, hwpt);
}

bool try_attach(struct world *world)
{
	struct address_space *ioas = some_ioas(world);
	struct domain *domain = &ioas->domains[ioas->domain_count];
	struct outcome outcome = {};
	__u32 pt = ioas->id;
	int rc;

	if (ioas->domain_count == DOMAINS)
		return true;
	*domain = (struct domain){
		.own_table = ioas->domain_count && chance(world, 2),
	};
	if (domain->own_table && alloc_table(world, ioas, &pt))
		return complain(world, "no table for IOAS %lu",
				number_of(world, ioas));
	say(world, "attach IOAS %lu%s", number_of(world, ioas),
	    domain->own_table ? " own table" : "");
	expect_attach(ioas, &outcome);
	rc = mock_domain(world->iommufd, pt, &domain->device);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc)
		return true;
	ioas->domain_count++;
	return check_domain(world, ioas);
}

static int destroy_table(struct world *world, struct domain *domain)
{
	if (!domain->own_table)
		return 0;
	domain->own_table = false;
	return iommufd_destroy(world->iommufd, domain->device.hwpt);
}

bool try_detach(struct world *world)
{
	struct address_space *ioas = some_ioas(world);
	struct domain *domain;
	int i, rc;

	if (!ioas->domain_count || chance(world, 2))
		return true;
	i = below(world, ioas->domain_count);
	say(world, "detach IOAS %lu domain %d", number_of(world, ioas), i);
	domain = &ioas->domains[i];
	rc = iommufd_destroy(world->iommufd, domain->device.stdev);
	if (!rc)
		rc = destroy_table(world, domain);
	if (rc)
		return complain(world, "gave %d", rc);
	ioas->domains[i] = ioas->domains[--ioas->domain_count];
	return check_domain(world, ioas);
}

/* A device goes over to another IOAS. */
bool try_replace(struct world *world)
{
	struct address_space *from = some_ioas(world), *to = some_ioas(world);
	struct outcome outcome = {};
	struct domain *domain;
	__u32 pt = to->id, old;
	int i, rc;

	if (from == to || !from->domain_count || to->domain_count == DOMAINS)
		return true;
	i = below(world, from->domain_count);
	domain = &from->domains[i];
	say(world, "replace IOAS %lu domain %d by IOAS %lu",
	    number_of(world, from), i, number_of(world, to));
	expect_attach(to, &outcome);
	rc = mock_domain_replace(world->iommufd, domain->device.stdev, &pt);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc)
		return check_domain(world, from);
	old = domain->device.hwpt;
	if (domain->own_table && iommufd_destroy(world->iommufd, old))
		return complain(world, "kept the old table");
	domain->own_table = false;
	domain->device.hwpt = pt;
	to->domains[to->domain_count++] = *domain;
	from->domains[i] = from->domains[--from->domain_count];
	return check_domain(world, to) && check_domain(world, from);
}

/* -- accesses -- */

bool try_access(struct world *world)
{
	struct access *access = &world->accesses[below(world, ACCESSES)];
	struct address_space *ioas = some_ioas(world);
	struct outcome outcome = {};
	int rc;

	if (!chance(world, 3))
		return true;
	if (access->fd >= 0) {
		say(world, "access %ld closed",
		    (long)(access - world->accesses));
		close(access->fd);
		access->fd = -1;
		drop_items_of(world, access);
		return true;
	}
	access->pins = !chance(world, 3);
	say(world, "access %ld of IOAS %lu%s",
	    (long)(access - world->accesses), number_of(world, ioas),
	    access->pins ? " pins" : "");
	may_give(&outcome, EADDRINUSE,
		 access->pins && !all_aligned(ioas, SMALL_PAGE));
	rc = mock_access(world->iommufd, ioas->id,
			 access->pins ?
			 MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES : 0);
	if (!is_expected(world, &outcome, rc < 0 ? rc : 0))
		return false;
	access->fd = rc < 0 ? -1 : rc;
	access->ioas = ioas;
	return true;
}

static struct access *some_access(struct world *world)
{
	struct access *access = &world->accesses[below(world, ACCESSES)];

	return access->fd < 0 ? NULL : access;
}

bool try_access_replace(struct world *world)
{
	struct access *access = some_access(world);
	struct address_space *ioas = some_ioas(world);
	struct outcome outcome = {};
	int rc;

	if (!access || chance(world, 2))
		return true;
	say(world, "access %ld to IOAS %lu", (long)(access - world->accesses),
	    number_of(world, ioas));
	may_give(&outcome, EADDRINUSE, access->pins && ioas != access->ioas &&
		 !all_aligned(ioas, SMALL_PAGE));
	rc = mock_access_replace(world->iommufd, access->fd, ioas->id);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc || ioas == access->ioas)
		return true;
	drop_items_of(world, access);
	access->ioas = ioas;
	return true;
}

static struct item *free_item(struct world *world)
{
	struct item *item;

	for (item = world->items; item < world->items + ITEMS; item++)
		if (!item->access)
			return item;
	return NULL;
}

bool try_pin(struct world *world)
{
	struct access *access = some_access(world);
	struct item *item = free_item(world);
	struct outcome outcome = {};
	bool write = chance(world, 2);
	struct area pieces[MAX_AREAS];
	__u64 start, length;
	char *va = NULL;
	int count, rc;

	if (!access || !item ||
	    !some_mapped_range(world, access->ioas, &start, &length))
		return true;
	count = cut_pieces(access->ioas, start, length, start, pieces);
	/* what it should be can be asked for one piece of memory only */
	if (count == 1)
		va = memory_of(&pieces[0]);
	say(world, "access %ld pins 0x%llx-0x%llx%s",
	    (long)(access - world->accesses), start, start + length - 1,
	    write ? "" : " to read");
	may_give(&outcome, EOPNOTSUPP, !access->pins);
	may_give(&outcome, EINVAL, start % SMALL_PAGE);
	may_give(&outcome, ENOENT, !is_covered(access->ioas, start,
					       start + length - 1));
	may_give(&outcome, EPERM, write && has_read_only(access->ioas, start,
							 start + length - 1));
	rc = mock_access_pin(world->iommufd, access->fd,
			     write ? MOCK_FLAGS_ACCESS_WRITE : 0, start, length,
			     va, &item->id);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (rc)
		return true;
	item->access = access;
	item->start = start;
	item->last = start + length - 1;
	return true;
}

bool try_unpin(struct world *world)
{
	struct item *item = &world->items[below(world, ITEMS)];
	struct access *access = item->access;
	int rc;

	if (!access)
		return true;
	say(world, "access %ld unpins 0x%llx-0x%llx",
	    (long)(access - world->accesses), item->start, item->last);
	item->access = NULL;
	rc = mock_access_unpin(world->iommufd, access->fd, item->id);
	if (rc)
		return complain(world, "gave %d", rc);
	rc = mock_access_unpin(world->iommufd, access->fd, item->id);
	if (rc != -ENOENT)
		return complain(world, "gave %d the second time", rc);
	return true;
}

static bool same_as_memory(const struct area *pieces, int count, __u64 start,
			   const char *bytes)
{
	int i;

	for (i = 0; i < count; i++)
		if (memcmp(memory_of(&pieces[i]),
			   bytes + (pieces[i].start - start),
			   length_of(&pieces[i])))
			return false;
	return true;
}

bool try_rw(struct world *world)
{
	static char bytes[3 * SMALL_PAGE];
	struct access *access = some_access(world);
	bool write = chance(world, 2), slow = chance(world, 4);
	struct area pieces[MAX_AREAS];
	struct outcome outcome = {};
	__u64 start, length, last;
	int count, rc;

	if (!access ||
	    !some_mapped_range(world, access->ioas, &start, &length))
		return true;
	start += below(world, length);
	length = below(world, chance(world, 3) ? sizeof(bytes) : 64) + 1;
	last = start + length - 1;
	say(world, "access %ld %s 0x%llx-0x%llx%s",
	    (long)(access - world->accesses), write ? "writes" : "reads",
	    start, last, slow ? " slowly" : "");
	count = cut_pieces(access->ioas, start, length, start, pieces);
	may_give(&outcome, ENOENT, !is_covered(access->ioas, start, last));
	may_give(&outcome, EPERM,
		 write && has_read_only(access->ioas, start, last));
	/* the same byte: a page may be at more than one place of the range */
	memset(bytes, below(world, 256), length);
	rc = mock_access_rw(world->iommufd, access->fd,
			    (write ? MOCK_ACCESS_RW_WRITE : 0) |
			    (slow ? MOCK_ACCESS_RW_SLOW_PATH : 0),
			    start, length, bytes);
	if (!is_expected(world, &outcome, rc))
		return false;
	if (!rc && !same_as_memory(pieces, count, start, bytes))
		return complain(world, "moved other bytes");
	return true;
}
