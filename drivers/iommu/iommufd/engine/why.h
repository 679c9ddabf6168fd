/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why something is refused
 */

/**
 * DOC: Refusals
 *
 * Who refuses something knows the reason, and user space gets an errno that
 * many reasons share. In between the reason travels as the error itself: a
 * refusal is a negative number as an errno is, but of those that no errno has,
 * as the errors of NFS are. So it can be returned, put into an ERR_PTR() and
 * compared with 0 by code that does not know of it, and costs nothing where
 * nothing is refused.
 *
 * The rules:
 *
 *  - iommufd_refuse() makes refusals, nothing else does.
 *  - What is called from outside, by user space or by drivers, never returns
 *    one: iommufd_refused() makes an errno of it, and remembers the reason.
 *  - Who looks for an errno in what may be a refusal does it by
 *    iommufd_errno().
 *  - A plain errno is right where it says all: -ENOMEM, -EINTR, -EFAULT for
 *    the structures of a call; where it is the answer of somebody else, as of
 *    an IOMMU driver; and where it never leaves, as -EAGAIN.
 *
 * Where it is written of a function that it returns an errno, that may be a
 * refusal that stands for it.
 *
 * The numbers that belong to a reason wait beside, in a table by task. A task
 * finds what it has put there itself, or nothing: others whose hash is the same
 * may have taken the place.
 */
#ifndef __IOMMUFD_WHY_H
#define __IOMMUFD_WHY_H

#include <linux/err.h>
#include <linux/types.h>
#include <uapi/linux/iommufd.h>

/**
 * struct iommufd_reason - what is known of a reason, whoever it meets
 * @name: what people are told, NULL where there is no such reason
 * @error: what user space is told, an errno
 * @numbers: what the numbers that belong to it are
 */
struct iommufd_reason {
	const char *name;
	int error;
	const char *numbers[IOMMU_REFUSAL_NUMBERS];
};

const struct iommufd_reason *iommufd_reason_of(enum iommu_why why);

int __iommufd_refuse(enum iommu_why why, u64 first, u64 second, u64 third,
		     u64 fourth, u64 fifth) __cold;

#define IOMMUFD_REFUSE(_why, _first, _second, _third, _fourth, _fifth, ...) \
	__iommufd_refuse(_why, _first, _second, _third, _fourth, _fifth)

/**
 * iommufd_refuse - refuse something
 * @...: the reason, and at most five numbers that the table in why.c names
 *
 * Context: any but hard interrupts.
 * Return: a refusal.
 */
#define iommufd_refuse(...) IOMMUFD_REFUSE(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* The same for what returns a pointer */
#define iommufd_refuse_ptr(...) ERR_PTR(iommufd_refuse(__VA_ARGS__))

/**
 * iommufd_refuse_reserved - refuse a field that is to be 0 and is not
 * @value: what it is
 *
 * Return: a refusal.
 */
static inline int iommufd_refuse_reserved(u64 value)
{
	return iommufd_refuse(IOMMU_WHY_RESERVED_FIELD, value);
}

int iommufd_errno(int rc);
enum iommu_why iommufd_why(int rc, u64 numbers[IOMMU_REFUSAL_NUMBERS]);

#endif
