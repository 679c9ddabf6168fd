// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include "checked_io.h"
#include "test_support.h"

#define LATER_SLOWNESS 2
#define LEAST_PART 4

bool kernel_is_before(unsigned int version, unsigned int patchlevel)
{
	unsigned int this_version, this_patchlevel;
	struct utsname system;

	if (uname(&system) || sscanf(system.release, "%u.%u", &this_version,
				     &this_patchlevel) != 2)
		return false;
	return this_version != version ? this_version < version :
					 this_patchlevel < patchlevel;
}

static int slowness(void)
{
	const char *text = getenv("SLOWNESS");
	int times = text ? atoi(text) : 1;

	return times > 1 ? times : 1;
}

unsigned int patience(unsigned int limit)
{
	return limit * slowness() * LATER_SLOWNESS;
}

int affordable(int often)
{
	const char *text = getenv("OFTEN");
	int part = slowness() < LEAST_PART ? slowness() : LEAST_PART;

	if (text && !strcmp(text, "all"))
		part = 1;
	return (often + part - 1) / part;
}

/* How often pages were pinned and unpinned since the boot */
static int read_pins(long *acquired, long *released)
{
	static const char got[] = "nr_foll_pin_acquired ";
	static const char gave[] = "nr_foll_pin_released ";
	char line[128];
	FILE *file;
	int rc;

	/* the counters of each CPU are added up only now and then */
	rc = file_write("/proc/sys/vm/stat_refresh", "1");
	if (rc)
		return rc;
	file = fopen("/proc/vmstat", "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, got, strlen(got)))
			*acquired = strtol(line + strlen(got), NULL, 10);
		else if (!strncmp(line, gave, strlen(gave)))
			*released = strtol(line + strlen(gave), NULL, 10);
	}
	fclose(file);
	return 0;
}

long pins_held(void)
{
	long acquired = 0, released = 0;

	return read_pins(&acquired, &released) ?: acquired - released;
}

long pins_ever(void)
{
	long acquired = 0, released = 0;

	return read_pins(&acquired, &released) ?: acquired;
}

long pins_left(long before)
{
	long now = pins_held();

	if (before < 0)
		return before;
	return now < 0 ? now : now - before;
}

int drop_capability(unsigned int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	struct __user_cap_data_struct *word = &data[capability / 32];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	word->effective &= ~(1U << capability % 32);
	word->permitted &= ~(1U << capability % 32);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int become_user(unsigned int uid)
{
	/* the saved 0 is what allows setfsuid() */
	if (setresuid(uid, uid, 0))
		return -errno;
	setfsuid(0);
	return 0;
}

int become_stranger(void)
{
	const unsigned int id = 1000;

	if (setresgid(id, id, id) || setresuid(id, id, id))
		return -errno;
	return 0;
}

int limit_memlock(size_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = bytes };

	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

char *address_room(size_t length, size_t alignment)
{
	char *room = mmap(NULL, length + alignment, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return NULL;
	return (char *)(((uintptr_t)room + alignment - 1) & -alignment);
}

void *anonymous(size_t length)
{
	void *va = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return va == MAP_FAILED ? NULL : va;
}

void *read_only(const void *data, size_t size)
{
	void *va = anonymous(SMALL_PAGE);

	if (!va)
		abort();
	memcpy(va, data, size);
	if (mprotect(va, SMALL_PAGE, PROT_READ))
		abort();
	return va;
}

char *end_of_memory(size_t room)
{
	char *va = mmap(NULL, 2 * SMALL_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (va == MAP_FAILED || munmap(va + SMALL_PAGE, SMALL_PAGE))
		abort();
	return va + SMALL_PAGE - room;
}

__u32 next_id(int iommufd)
{
	__u32 id = 0;

	if (!ioas_alloc(iommufd, &id))
		iommufd_destroy(iommufd, id);
	return id;
}

int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

bool ioas_is_unrestricted(int iommufd, __u32 ioas)
{
	struct iommu_iova_range range;
	__u64 alignment;
	__u32 count = 1;

	return !ioas_iova_ranges(iommufd, ioas, &range, &count, &alignment) &&
	       range.start == 0 && range.last == UINT64_MAX && alignment == 1;
}

__u64 ioas_alignment(int iommufd, __u32 ioas)
{
	struct iommu_iova_range range;
	__u64 alignment = 0;
	__u32 count = 1;

	ioas_iova_ranges(iommufd, ioas, &range, &count, &alignment);
	return alignment;
}

__u64 monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

time_t monotonic_seconds(void)
{
	return monotonic_ns() / 1000000000;
}

int fdinfo_of(pid_t pid, int fd, const char *key, char *words)
{
	const size_t length = strlen(key);
	char path[64], line[FDINFO_WORDS];
	int rc = -ENOENT;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (rc && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, length) ||
		    strncmp(line + length, ":\t", 2))
			continue;
		line[strcspn(line, "\n")] = '\0';
		strcpy(words, line + length + 2);
		rc = 0;
	}
	if (ferror(file))
		rc = -EIO;
	fclose(file);
	return rc;
}

__u32 random_next(__u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

__u32 chosen_seed(__u32 otherwise)
{
	const char *text = getenv("SEED");
	__u32 seed = text ? strtoul(text, NULL, 0) : otherwise;

	return seed ? seed : 1;
}

__u32 seed_of_part(__u32 seed, __u32 part)
{
	__u32 mixed = seed ^ (part + 1) * 0x9e3779b9;

	mixed ^= mixed >> 16;
	mixed *= 0x85ebca6b;
	mixed ^= mixed >> 13;
	return mixed ? mixed : 1;
}

pid_t fork_with_pipe(int *end)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		return -errno;
	pid = fork();
	if (pid < 0) {
		pid = -errno;
		close(fds[0]);
		close(fds[1]);
		return pid;
	}
	close(fds[pid ? 1 : 0]);
	*end = fds[pid ? 0 : 1];
	return pid;
}

int child_status(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int iovas_reserved_open(const char *bdf)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/iommu_group/reserved_regions",
		 bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int iovas_reserved(const char *bdf, struct reserved_region *regions, int room)
{
	struct reserved_region region;
	int fd = iovas_reserved_open(bdf);
	int count = 0;
	FILE *file;

	if (fd < 0)
		return fd;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while (fscanf(file, "%llx %llx %23s", &region.start, &region.last,
		      region.type) == 3) {
		if (count < room)
			regions[count] = region;
		count++;
	}
	fclose(file);
	return count;
}

int msi_window(const char *bdf, struct reserved_region *window)
{
	struct reserved_region regions[16];
	int count, i;

	count = iovas_reserved(bdf, regions, 16);
	if (count < 0)
		return count;
	for (i = 0; i < count && i < 16; i++) {
		if (!strcmp(regions[i].type, "msi")) {
			*window = regions[i];
			return 0;
		}
	}
	return -ENOENT;
}
