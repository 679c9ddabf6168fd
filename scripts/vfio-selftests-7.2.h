/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VFIO selftests of Linux 7.2.12 call this without having it. Included by
 * build-tests in front of their sources when the base lacks it.
 */
#define calloc_assert(_nmemb, _size) ({			\
	void *__ptr = calloc(_nmemb, _size);		\
	VFIO_ASSERT_NOT_NULL(__ptr);			\
	__ptr;						\
})
