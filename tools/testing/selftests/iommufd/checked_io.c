// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "checked_io.h"

int checked_ioctl(int fd, unsigned long command, void *argument)
{
	int rc = ioctl(fd, command, argument);

	return rc < 0 ? -errno : rc;
}

ssize_t checked_read(int fd, void *data, size_t size)
{
	ssize_t rc = read(fd, data, size);

	return rc < 0 ? -errno : rc;
}

ssize_t checked_write(int fd, const void *data, size_t size)
{
	ssize_t rc = write(fd, data, size);

	return rc < 0 ? -errno : rc;
}

int file_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, text, size - 1);
	if (length < 0) {
		length = -errno;
		close(fd);
		return length;
	}
	close(fd);
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}
