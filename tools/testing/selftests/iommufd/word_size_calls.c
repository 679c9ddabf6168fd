// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every ioctl once, and what the kernel makes of it. word_size_test compares
 * what this program says as one of 64 bits and as one of 32: all of it has to be
 * the same, so whatever the kernel gets or writes has to be at the same address.
 *
 *   word_size_calls mock              /dev/iommu, with the test device
 *   word_size_calls device PATH       a device of /dev/vfio/devices
 *   word_size_calls container PATH GROUP BDF
 *
 * It is linked with the kernel's own nolibc, so that no C library of 32 bits is
 * needed. Its exit status is 1 if a call does not do what it should.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "word_size.h"

int failures;

static void show_bytes(const void *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;
	char text[3] = "";
	size_t i;

	for (i = 0; i != size; i++) {
		text[0] = digits[bytes[i] >> 4];
		text[1] = digits[bytes[i] & 15];
		printf("%s%s", i % 4 ? "" : " ", text);
	}
	printf("\n");
}

int show(const char *name, int rc, int expected, const void *data, size_t size)
{
	if (rc < 0)
		rc = -errno;
	printf("%s = %d", name, rc);
	if (rc != expected) {
		printf(", not %d", expected);
		failures++;
	}
	printf(":");
	show_bytes(data, size);
	return rc;
}

int call(const char *name, int expected, int fd, unsigned long request,
	 void *cmd, size_t size)
{
	return show(name, ioctl(fd, request, cmd), expected, cmd, size);
}

void show_memory(const char *name, unsigned long address, size_t size)
{
	printf("%s:", name);
	show_bytes((const void *)address, size);
}

static void make_arena(void)
{
	void *arena = mmap((void *)ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (arena != (void *)ARENA) {
		printf("no memory\n");
		exit(1);
	}
	memset(arena, 0, ARENA_SIZE);
}

int must_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("%s: errno %d\n", path, errno);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	make_arena();
	if (!strcmp(what, "mock"))
		run_mock();
	else if (!strcmp(what, "device") && argc == 3)
		run_device(argv[2]);
	else if (!strcmp(what, "container") && argc == 5)
		run_container(argv[2], argv[3], argv[4]);
	else
		return 2;
	return failures ? 1 : 0;
}
