/* SPDX-License-Identifier: GPL-2.0-only */
/* System calls that return a negative errno instead of setting it. */
#ifndef CHECKED_IO_H
#define CHECKED_IO_H

#include <stddef.h>

#include <sys/types.h>

int checked_ioctl(int fd, unsigned long command, void *argument);
ssize_t checked_read(int fd, void *data, size_t size);
ssize_t checked_write(int fd, const void *data, size_t size);

/* Short files only; the text is cut off at the first newline. */
int file_read(const char *path, char *text, size_t size);
int file_write(const char *path, const char *text);

#endif
