// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program of 32 bits gets from the kernel what one of 64 gets. Both are of the
 * same sources, those of word_size_calls, and tell of each ioctl what it did.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/wait.h>

#include "kselftest_harness.h"
#include "container_rig.h"
#include "edu_rig.h"
#include "mock_rig.h"

/* What is not of this program's size */
#define OTHER "word_size_calls_32"
#define SAME "word_size_calls"

#define MAX_WORDS 65536

/* A program in the folder of this one */
static int program_path(const char *name, char *path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", path, size - 1);
	char *last;

	if (length < 0)
		return -errno;
	path[length] = '\0';
	last = strrchr(path, '/') + 1;
	if (last - path + strlen(name) >= size)
		return -ENAMETOOLONG;
	strcpy(last, name);
	return access(path, X_OK) ? -errno : 0;
}

/* Can this kernel run such programs, and were they made? */
static int other_size_make(void)
{
	char path[PATH_MAX], command[PATH_MAX + 32];
	int rc = program_path(OTHER, path, sizeof(path));

	if (rc == -ENOENT)
		return rig_absent("program of 32 bits");
	if (rc)
		return rig_part("a program of 32 bits", rc);
	/* it knows nothing to do without arguments */
	snprintf(command, sizeof(command), "%s >/dev/null 2>&1", path);
	rc = system(command);
	if (WIFEXITED(rc) && WEXITSTATUS(rc) == 2)
		return 0;
	return rig_absent("kernel for programs of 32 bits");
}

/* What a program says; *status is that of wait(). */
static int run(const char *name, const char *arguments, char *words,
	       int *status)
{
	char path[PATH_MAX], command[2 * PATH_MAX];
	size_t length;
	FILE *pipe;
	int rc;

	rc = program_path(name, path, sizeof(path));
	if (rc)
		return rc;
	snprintf(command, sizeof(command), "%s %s", path, arguments);
	pipe = popen(command, "r");
	if (!pipe)
		return -errno;
	length = fread(words, 1, MAX_WORDS - 1, pipe);
	words[length] = '\0';
	*status = pclose(pipe);
	return 0;
}

/* Prints the lines of both from the first one that differs on. */
static bool differ(char *same, char *other)
{
	char *line, *line_of_other;

	if (!strcmp(same, other))
		return false;
	do {
		line = strsep(&same, "\n");
		line_of_other = strsep(&other, "\n");
	} while (line && line_of_other && !strcmp(line, line_of_other));
	printf("# 64 bits: %s\n# 32 bits: %s\n", line ?: "(end)",
	       line_of_other ?: "(end)");
	return true;
}

static void complain(const char *name, char *words)
{
	char *line;

	while ((line = strsep(&words, "\n")))
		if (strstr(line, ", not ") || strstr(line, "errno"))
			printf("# %s: %s\n", name, line);
}

/* Returns how many lines the programs have said, both the same. */
static int compare(const char *arguments)
{
	static char same[MAX_WORDS], other[MAX_WORDS];
	int status, status_of_other, nr = 0;
	char *at;

	if (run(SAME, arguments, same, &status) ||
	    run(OTHER, arguments, other, &status_of_other))
		return -EIO;
	for (at = same; (at = strchr(at, '\n')); at++)
		nr++;
	if (status || status_of_other) {
		printf("# status: %x, %x\n", status, status_of_other);
		complain(SAME, same);
		complain(OTHER, other);
		return -EINVAL;
	}
	return differ(same, other) ? -EILSEQ : nr;
}

TEST(of_programs_means_nothing_to_dev_iommu)
{
	struct mock_rig rig;

	MAKE(other_size_make());
	MAKE(mock_rig_make(&rig));
	/* one for each ioctl, and what they have written */
	EXPECT_LT(60, compare("mock"));
	EXPECT_EQ(0, mock_rig_break(&rig));
}

TEST(of_programs_means_nothing_to_devices)
{
	char path[PATH_MAX], arguments[PATH_MAX + 16];
	struct edu_rig rig;

	MAKE(other_size_make());
	MAKE(edu_rig_make(&rig));
	ASSERT_EQ(0, vfio_device_path(rig.edu.bdf, path, sizeof(path)));
	edu_rig_break(&rig);
	snprintf(arguments, sizeof(arguments), "device %s", path);
	EXPECT_LT(12, compare(arguments));
}

static int compare_containers(const char *path)
{
	char arguments[PATH_MAX], bdf[BDF_SIZE];
	int rc;

	rc = pci_find(EDU_VENDOR, EDU_DEVICE, bdf) ?: vfio_claim(bdf);
	if (rc)
		return rc;
	snprintf(arguments, sizeof(arguments), "container %s /dev/vfio/%d %s",
		 path, vfio_group(bdf), bdf);
	return compare(arguments);
}

TEST(of_programs_means_nothing_to_containers)
{
	static const char * const paths[] = { "/dev/vfio/vfio", "/dev/iommu" };
	struct container_rig rig;
	int i;

	MAKE(other_size_make());
	for (i = 0; i != 2; i++) {
		MAKE(container_rig_make(&rig, paths[i]));
		container_close(&rig.container);
		EXPECT_LT(12, compare_containers(paths[i]));
	}
}

TEST_HARNESS_MAIN
