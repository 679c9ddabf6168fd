// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that moves between two page tables while it does DMA: what gets
 * lost, and how often the IOMMU's driver was told to attach it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest.h"
#include "checked_io.h"
#include "device_mover.h"
#include "matrix.h"
#include "test_support.h"

#define TRACEFS "/sys/kernel/tracing"
#define ATTACH_EVENT "events/iommu/attach_device_to_domain/enable"
#define PATH_SIZE 160

/* So many, unless a frame is lost before. Frames are much faster than moves. */
#define MOVES 2000
#define MOVES_TIMEOUT_S 60

/*
 * Drivers that cannot switch in one step, by the names of their IOMMUs. DMA
 * through any other one must not be disturbed.
 */
static const struct {
	const char *iommu, *reason;
} gaps[] = {
	{ "dmar", "VT-d's driver blocks DMA before it attaches" },
	{ "ivhd", "AMD's driver clears the device's entry before it attaches" },
	{ "smmu3.", "SMMUv3's driver makes an entry invalid to change it" },
	{ "virtio", "virtio-iommu has the mappings only after the attach" },
};

/* NULL: there is none */
static const char *reason_of_gaps(const char *bdf)
{
	char iommu[64];
	int i;

	if (pci_iommu(bdf, iommu, sizeof(iommu)))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(gaps); i++)
		if (!strncmp(iommu, gaps[i].iommu, strlen(gaps[i].iommu)))
			return gaps[i].reason;
	return NULL;
}

/* Attaches that the IOMMU core traces, in a buffer of our own */
struct attaches {
	const char *bdf;
	char path[64];
};

static int attaches_enable(struct attaches *attaches, const char *value)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/" ATTACH_EVENT, attaches->path);
	return file_write(path, value);
}

/* -ENOENT: this kernel has no trace events. */
static int attaches_watch(struct attaches *attaches, const char *bdf)
{
	int rc;

	attaches->bdf = bdf;
	snprintf(attaches->path, sizeof(attaches->path),
		 TRACEFS "/instances/matrix-%d", getpid());
	if (access(TRACEFS "/instances", F_OK) &&
	    mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		return -ENOENT;
	if (mkdir(attaches->path, 0700))
		return -errno;
	rc = attaches_enable(attaches, "1");
	if (rc)
		rmdir(attaches->path);
	return rc;
}

/* Those of the device, or a negative errno. None is watched any more. */
static int attaches_end(struct attaches *attaches)
{
	char path[PATH_SIZE], line[256], wanted[96];
	int count = 0;
	FILE *file;

	attaches_enable(attaches, "0");
	snprintf(path, sizeof(path), "%s/trace", attaches->path);
	snprintf(wanted, sizeof(wanted),
		 " attach_device_to_domain: IOMMU: device=%s\n",
		 attaches->bdf);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		count += !!strstr(line, wanted);
	fclose(file);
	rmdir(attaches->path);
	return count;
}

/* Of a frame that was lost, something may be there, and nothing else. */
static bool is_lost(const struct copier *copier, unsigned int seed)
{
	const char *got = copier->memory + DESTINATION;
	char sent[FRAME];
	int i;

	pattern_fill(sent, FRAME, seed);
	for (i = 0; i < FRAME; i++)
		if (got[i] && got[i] != sent[i])
			return false;
	return true;
}

/*
 * The same memory is at the same IOVA in both IOASes: the device sees no
 * difference, and each frame that is lost is one that met a gap.
 */
static int copy_while_moved(struct copier *copier, struct mover *mover)
{
	time_t end = time(NULL) + patience(MOVES_TIMEOUT_S);
	const char *reason = reason_of_gaps(copier->dev.bdf);
	unsigned int frames = 0;
	bool lost = false;
	int rc = mover_start(mover);

	if (rc)
		return rc;
	while (!lost && mover_moves(mover) < MOVES && time(NULL) < end)
		lost = copier_copy(copier, ++frames);
	rc = mover_stop(mover);
	if (rc)
		return rc;
	detail("%s", !lost ? "no frame was lost" :
		     reason ?: "a frame was lost, for no reason that is known");
	ksft_print_msg("replaced %u times during %u frames\n", mover->moves,
		       frames);
	if (!lost)
		return mover->moves < MOVES ? -ETIMEDOUT : 0;
	if (!reason || !is_lost(copier, frames))
		return -EIO;
	shared->verdict = WORKS_WITH_GAPS;
	return 0;
}

/* One attach a move: a device that is detached in between has more. */
static int copy_and_count(struct copier *copier, struct mover *mover)
{
	struct attaches attaches;
	int watched = attaches_watch(&attaches, copier->dev.bdf);
	int rc = copy_while_moved(copier, mover), count;

	if (watched == -ENOENT)
		return rc;
	if (watched)
		return rc ?: watched;
	count = attaches_end(&attaches);
	if (rc || count < 0)
		return rc ?: count;
	ksft_print_msg("%d times attached\n", count);
	return count == mover->moves ? 0 : -EPROTO;
}

int try_replace(void)
{
	struct copier copier;
	__u32 other;
	int rc = copier_open(&copier);
	struct mover mover = { .dev = &copier.dev };

	if (!rc)
		rc = ioas_alloc(copier.iommufd, &other);
	if (!rc)
		rc = ioas_map_at(copier.iommufd, other, copier.memory,
				 COPIER_BYTES, IOVA);
	if (!rc)
		rc = copier_start(&copier, copier.ioas);
	if (!rc)
		rc = copier_copy(&copier, 1);
	if (rc)
		return rc;
	mover.pts[0] = other;
	mover.pts[1] = copier.ioas;
	rc = copy_and_count(&copier, &mover);
	if (!rc)
		rc = igb_start(&copier.igb, &copier.dev, copier.memory, IOVA);
	return rc ? rc : copier_copy(&copier, 2);
}
