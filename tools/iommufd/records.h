/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdbool.h>
#include <stdio.h>

#include "fdinfo.h"

/* What has happened last to a file, a line each, or an object each */
void records_print(FILE *out, const struct iommu_file *file, bool json);

#endif
