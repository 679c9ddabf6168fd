/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What /proc/PID/fdinfo/FD tells of a file of /dev/iommu
 */
#ifndef __IOMMUFD_FDINFO_H
#define __IOMMUFD_FDINFO_H

struct file;
struct seq_file;

void iommufd_fops_show_fdinfo(struct seq_file *seq, struct file *file);

#endif
