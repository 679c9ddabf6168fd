// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every IOMMU must do. Each runs in a process of its own, whose end cleans
 * up.
 */
#include <errno.h>
#include <string.h>

#include <sys/mman.h>

#include "edu_rig.h"
#include "matrix.h"
#include "test_support.h"
#include "vfio_irq.h"

#define IRQ_TIMEOUT_MS 10000

char *zeroed(size_t length)
{
	char *va = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return va == MAP_FAILED ? NULL : va;
}

int copier_open(struct copier *copier)
{
	int rc;

	copier->iommufd = iommufd_open();
	if (copier->iommufd < 0)
		return copier->iommufd;
	copier->memory = zeroed(COPIER_BYTES);
	if (!copier->memory)
		return -ENOMEM;
	rc = ioas_alloc(copier->iommufd, &copier->ioas);
	if (!rc)
		rc = ioas_map_at(copier->iommufd, copier->ioas,
				 copier->memory, COPIER_BYTES, IOVA);
	if (!rc)
		rc = igb_setup(&copier->dev, copier->iommufd);
	return rc;
}

int copier_start(struct copier *copier, __u32 pt)
{
	int rc = vfio_attach(&copier->dev, pt);

	return rc ? rc : igb_start(&copier->igb, &copier->dev,
				   copier->memory, IOVA);
}

int copier_copy(struct copier *copier, unsigned int seed)
{
	int rc;

	pattern_fill(copier->memory + SOURCE, FRAME, seed);
	memset(copier->memory + DESTINATION, 0, FRAME);
	rc = igb_copy(&copier->igb, IOVA + DESTINATION, IOVA + SOURCE, FRAME);
	if (rc)
		return rc;
	return pattern_matches(copier->memory + DESTINATION, FRAME, seed) ?
		       0 : -EIO;
}

int try_bind(void)
{
	struct copier copier;
	int rc = copier_open(&copier);
	char iommu[64];

	if (!rc && !pci_iommu(copier.dev.bdf, iommu, sizeof(iommu)))
		detail("%s", iommu);
	return rc;
}

int try_attach(void)
{
	struct iommu_iova_range ranges[16];
	struct copier copier;
	__u32 count = 16;
	__u64 alignment;
	int rc = copier_open(&copier);

	if (!rc)
		rc = vfio_attach(&copier.dev, copier.ioas);
	if (!rc)
		rc = ioas_iova_ranges(copier.iommufd, copier.ioas, ranges,
				      &count, &alignment);
	if (!rc)
		detail("IOVA up to %#llx, pages of %llu bytes",
		       ranges[count - 1].last, alignment);
	return rc;
}

static int edu_transfer(struct edu_rig *rig, char *page)
{
	pattern_fill(page, SMALL_PAGE, 1);
	if (device_read(rig, IOVA, page, SMALL_PAGE) != REACHED)
		return -EIO;
	memset(page, 0, SMALL_PAGE);
	if (edu_dma_from_device(&rig->edu, 0, IOVA, SMALL_PAGE))
		return -EIO;
	return pattern_matches(page, SMALL_PAGE, 1) ? 0 : -EIO;
}

/* And none once it is unmapped */
int try_edu(void)
{
	char *page = zeroed(SMALL_PAGE);
	struct edu_rig rig;
	int rc = edu_rig_open(&rig);

	if (!rc)
		rc = edu_rig_attach(&rig);
	if (!rc)
		rc = ioas_map_at(rig.iommufd, rig.ioas, page, SMALL_PAGE,
				 IOVA);
	if (!rc)
		rc = edu_transfer(&rig, page);
	if (!rc)
		rc = ioas_unmap(rig.iommufd, rig.ioas, IOVA, SMALL_PAGE,
				NULL);
	if (rc)
		return rc;
	pattern_fill(page, SMALL_PAGE, 2);
	switch (device_read(&rig, IOVA, page, SMALL_PAGE)) {
	case BLOCKED:
		return 0;
	case BROKEN:
		return -EIO;
	default:
		return -EXDEV;
	}
}

int try_igb(void)
{
	struct copier copier;
	int rc = copier_open(&copier), i;

	if (!rc)
		rc = copier_start(&copier, copier.ioas);
	for (i = 1; i <= 8 && !rc; i++)
		rc = copier_copy(&copier, i);
	return rc;
}

int try_allocated(void)
{
	struct copier copier;
	__u32 hwpt;
	int rc = copier_open(&copier);

	if (!rc)
		rc = hwpt_alloc(copier.iommufd, copier.dev.id, copier.ioas, 0,
				&hwpt);
	if (!rc)
		rc = copier_start(&copier, hwpt);
	return rc ? rc : copier_copy(&copier, 1);
}

int try_interrupts(void)
{
	struct copier copier;
	struct irq_source irq;
	unsigned int i;
	int rc = copier_open(&copier);

	if (!rc)
		rc = vfio_attach(&copier.dev, copier.ioas);
	if (!rc)
		rc = irq_open(&irq, &copier.dev);
	if (!rc)
		rc = irq_enable(&irq);
	if (rc)
		return rc;
	for (i = 0; i < irq.vectors; i++)
		if (irq_raise(&irq, i, patience(IRQ_TIMEOUT_MS)) != 1)
			return -ETIMEDOUT;
	return 0;
}
