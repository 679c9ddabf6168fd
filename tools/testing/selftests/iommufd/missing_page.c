// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/userfaultfd.h>

#include "checked_io.h"
#include "missing_page.h"

#define PATIENCE_MS 30000

static int watch(struct missing_page *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = {
			.start = (unsigned long)page->va,
			.len = SMALL_PAGE,
		},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return checked_ioctl(page->uffd, UFFDIO_API, &api) ?:
	       checked_ioctl(page->uffd, UFFDIO_REGISTER, &range);
}

int missing_page_open(struct missing_page *page)
{
	int rc;

	page->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (page->uffd < 0)
		return errno == ENOSYS ? -ENOENT : -errno;
	page->va = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page->va == MAP_FAILED) {
		close(page->uffd);
		return -ENOMEM;
	}
	rc = watch(page);
	if (rc)
		missing_page_close(page);
	return rc;
}

bool missing_page_wanted(const struct missing_page *page)
{
	struct pollfd poll_fd = { .fd = page->uffd, .events = POLLIN };

	return poll(&poll_fd, 1, PATIENCE_MS) == 1 &&
	       poll_fd.revents & POLLIN;
}

int missing_page_provide(const struct missing_page *page)
{
	struct uffdio_zeropage zero = {
		.range = {
			.start = (unsigned long)page->va,
			.len = SMALL_PAGE,
		},
	};

	return checked_ioctl(page->uffd, UFFDIO_ZEROPAGE, &zero);
}

void missing_page_close(struct missing_page *page)
{
	munmap(page->va, SMALL_PAGE);
	close(page->uffd);
}
