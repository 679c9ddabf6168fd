// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/userfaultfd.h>

#include "checked_io.h"
#include "late_page.h"
#include "test_support.h"

#define PATIENCE_MS 30000

static int protect(const struct late_page *page, bool on)
{
	struct uffdio_writeprotect protect = {
		.range = { .start = (uintptr_t)page->va, .len = SMALL_PAGE },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return checked_ioctl(page->uffd, UFFDIO_WRITEPROTECT, &protect);
}

static int watch(const struct late_page *page)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = page->late == LATE_WRITE ?
			    UFFD_FEATURE_PAGEFAULT_FLAG_WP : 0,
	};
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)page->va, .len = SMALL_PAGE },
		.mode = page->late == LATE_WRITE ?
			UFFDIO_REGISTER_MODE_WP : UFFDIO_REGISTER_MODE_MISSING,
	};
	int rc;

	rc = checked_ioctl(page->uffd, UFFDIO_API, &api) ?:
	     checked_ioctl(page->uffd, UFFDIO_REGISTER, &range);
	if (!rc && page->late == LATE_WRITE)
		rc = protect(page, true);
	return rc;
}

bool late_pages_available(void)
{
	return !access("/proc/sys/vm/unprivileged_userfaultfd", F_OK);
}

int late_page_open(struct late_page *page, enum late late, const void *content,
		   size_t length)
{
	int rc;

	page->late = late;
	/* without O_NONBLOCK, it cannot be polled */
	page->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (page->uffd < 0)
		return -errno;
	page->va = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page->va == MAP_FAILED) {
		close(page->uffd);
		return -ENOMEM;
	}
	if (late == LATE_WRITE)
		memcpy(page->va, content, length);
	rc = watch(page);
	if (rc)
		late_page_close(page);
	return rc;
}

int late_page_open_at(struct late_page *page, char *va)
{
	int rc;

	page->late = LATE_PAGE;
	page->va = va;
	page->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (page->uffd < 0)
		return -errno;
	rc = watch(page);
	if (rc)
		close(page->uffd);
	return rc;
}

void late_page_close(struct late_page *page)
{
	close(page->uffd);
	munmap(page->va, SMALL_PAGE);
}

bool late_page_is_awaited(const struct late_page *page, int timeout_ms)
{
	struct pollfd pollfd = { .fd = page->uffd, .events = POLLIN };

	return poll(&pollfd, 1, timeout_ms) == 1 && pollfd.revents == POLLIN;
}

bool late_page_wait(const struct late_page *page)
{
	return late_page_is_awaited(page, patience(PATIENCE_MS));
}

int late_page_give(const struct late_page *page)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)page->va, .len = SMALL_PAGE },
	};

	if (page->late == LATE_WRITE)
		return protect(page, false);
	return checked_ioctl(page->uffd, UFFDIO_ZEROPAGE, &zero);
}
