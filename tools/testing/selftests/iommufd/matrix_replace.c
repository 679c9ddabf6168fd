// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that moves between two page tables while it does DMA: what gets
 * lost, and how often the IOMMU's driver was told to attach it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kselftest.h"
#include "device_mover.h"
#include "matrix.h"
#include "rig.h"
#include "test_support.h"
#include "trace_rig.h"

#define ATTACH_EVENT "attach_device_to_domain"

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

/*
 * One attach a move: a device that is detached in between has more. A kernel
 * without trace events does not count.
 */
static int copy_and_count(struct copier *copier, struct mover *mover)
{
	struct trace_rig trace;
	int watched = trace_rig_make(&trace, "iommu/" ATTACH_EVENT);
	int rc = copy_while_moved(copier, mover), count;

	if (watched == RIG_ABSENT || watched == -ENOENT)
		return rc;
	if (watched)
		return rc ?: watched;
	count = trace_count(&trace, ATTACH_EVENT, "IOMMU: device=%s\n",
			    copier->dev.bdf);
	trace_rig_break(&trace);
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
