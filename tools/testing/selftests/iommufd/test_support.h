/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What only tests need, on top of the library. Functions return 0 or a
 * negative errno unless their comment says else.
 */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/types.h>
#include <unistd.h>

#include "iommufd_lib.h"

/* An ID that no test gets so far as to allocate. */
#define NO_SUCH_ID 0x7fff0000U

/*
 * How long to wait, in whatever unit, for what an idle machine does within
 * @limit. Who starts the tests tells by $SLOWNESS how many times slower this
 * one is; more work may come to it later.
 */
unsigned int patience(unsigned int limit);

/*
 * How often to do what an idle machine has the time to do @often times: less
 * often on a slow one, but a quarter of it everywhere. $OFTEN is "all" where
 * time does not matter.
 */
int affordable(int often);

/* Pages that anybody in this system holds with FOLL_PIN; root only. */
long pins_held(void);
/* How often anybody has pinned a page, likewise. */
long pins_ever(void);
/* How many more there are than @before, or a negative errno. */
long pins_left(long before);

/* Is it that of an earlier version, and so without what came with this one? */
bool kernel_is_before(unsigned int version, unsigned int patchlevel);

/* Takes one of CAP_* from this process for good. */
int drop_capability(unsigned int capability);
/* Another user, whose only privilege is to open root's files. */
int become_user(unsigned int uid);
/* Another user without any privilege, for good */
int become_stranger(void);
int limit_memlock(size_t bytes);

/* Room in this process that nothing has been put into yet, or NULL. */
char *address_room(size_t length, size_t alignment);
/* The same, at the beginning of a mapping of its own. */
void *anonymous(size_t length);
/* A copy that the kernel cannot write to. Ends the program if it has none. */
void *read_only(const void *data, size_t size);
/* @room bytes before a page that is not there. Ends the program if need be. */
char *end_of_memory(size_t room);

/* The ID that the next object gets. */
__u32 next_id(int iommufd);
/* The descriptor that the next file gets. */
int next_fd(void);
/* What IOAS_IOVA_RANGES tells: nothing is asked of maps? The alignment? */
bool ioas_is_unrestricted(int iommufd, __u32 ioas);
__u64 ioas_alignment(int iommufd, __u32 ioas);

__u64 monotonic_ns(void);
time_t monotonic_seconds(void);

/*
 * What fdinfo says of @key, behind its tabulator, in @words[FDINFO_WORDS].
 * -ENOENT if it says nothing.
 */
#define FDINFO_WORDS 256
int fdinfo_of(pid_t pid, int fd, const char *key, char *words);

/* The same numbers for the same seed; @state must not be 0. */
__u32 random_next(__u32 *state);
/* A seed: $SEED, or @otherwise. To be printed, as SEED=%u. Never 0. */
__u32 chosen_seed(__u32 otherwise);
/* Another one for each of several that have one seed together */
__u32 seed_of_part(__u32 seed, __u32 part);

/*
 * As fork(), with a pipe: @end is what the child writes to, and what the parent
 * reads from. Returns a negative errno if there is no child.
 */
pid_t fork_with_pipe(int *end);
/*
 * Waits for a child and returns what it gave to exit(); -ECHILD if there is
 * none, as fork() has failed, -EINTR if a signal has ended it.
 */
int child_status(pid_t pid);
/* The same of a child that does nothing but look at @value, which is 0 to 255. */
#define IN_CHILD(value)							\
({									\
	pid_t in_child_pid = fork();					\
									\
	if (!in_child_pid)						\
		_exit(value);						\
	child_status(in_child_pid);					\
})

/* An IOVA that the first device of this group may not use. */
struct reserved_region {
	__u64 start;
	__u64 last;
	char type[24];
};

/* The file that lists them, which is read with the mutex of the group. */
int iovas_reserved_open(const char *bdf);
/* Returns how many there are; at most @room are written. */
int iovas_reserved(const char *bdf, struct reserved_region *regions, int room);
/* The window for interrupts. */
int msi_window(const char *bdf, struct reserved_region *window);

#endif
