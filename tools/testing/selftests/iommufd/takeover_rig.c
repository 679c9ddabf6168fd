// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <unistd.h>

#include "takeover_rig.h"
#include "test_support.h"

long locked_of(enum account account, long pinned)
{
	return account == BY_PROCESS ? pinned : 0;
}

int map_file(struct space space, int file, __u64 start, __u64 length,
	     __u64 iova)
{
	return ioas_map_file(space.iommufd, space.ioas, MAP_RW | MAP_AT, file,
			     start, length, &iova);
}

int map_private_memory(struct space space)
{
	char *va = address_room(SMALL_PAGE, SMALL_PAGE);

	return ioas_map_at(space.iommufd, space.ioas, va, SMALL_PAGE,
			   TAKEOVER_IOVA + 64 * MIB);
}

int map_page(struct space space, int file, unsigned long n)
{
	return map_file(space, file, n * SMALL_PAGE, SMALL_PAGE,
			TAKEOVER_IOVA + n * SMALL_PAGE);
}

struct request {
	enum step step;
	long argument;
};

static long run_step(struct space space, int file,
		     const struct request *request)
{
	switch (request->step) {
	case CHANGE_PROCESS:
		return ioas_change_process(space.iommufd);
	case PINNED:
		return vm_pinned();
	case LOCKED:
		return vm_locked();
	case LIMIT:
		return limit_memlock(request->argument);
	case UNMAP:
		return ioas_unmap_all(space.iommufd, space.ioas, NULL);
	case MAP_PAGE:
		return map_page(space, file, request->argument);
	default:
		return -EINVAL;
	}
}

static void run_other(struct space space, int file, int requests, int answers)
{
	struct request request;
	long answer;

	while (read(requests, &request, sizeof(request)) == sizeof(request)) {
		answer = run_step(space, file, &request);
		if (write(answers, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

int start_other(struct other *other, struct space space, int file,
		enum account account, unsigned int user)
{
	int requests[2], answers[2];
	pid_t pid;

	if (pipe(requests) || pipe(answers))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(requests[1]);
		close(answers[0]);
		if (limit_memlock(TAKEOVER_LIMIT) ||
		    (account != NOBODY && become_user(user)))
			_exit(1);
		run_other(space, file, requests[0], answers[1]);
	}
	close(requests[0]);
	close(answers[1]);
	/* the harness may share this with the child */
	other->pid = pid;
	other->requests = requests[1];
	other->answers = answers[0];
	return 0;
}

long ask_other(struct other *other, enum step step, long argument)
{
	const struct request request = { step, argument };
	long answer;

	if (write(other->requests, &request, sizeof(request)) !=
	    sizeof(request) ||
	    read(other->answers, &answer, sizeof(answer)) != sizeof(answer))
		return -EPIPE;
	return answer;
}

int end_other(struct other *other)
{
	pid_t pid = other->pid;

	if (!pid)
		return 0;
	other->pid = 0;
	close(other->requests);
	close(other->answers);
	return child_status(pid);
}
