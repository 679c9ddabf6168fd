// SPDX-License-Identifier: GPL-2.0-only
/*
 * A command and its processes are traced, but stop only for ioctls of the type
 * that iommufd and vfio have, and when they end: a file that is closed then has
 * told what was refused. All else runs at full speed.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "follow.h"

#define NR_OF(array) (sizeof(array) / sizeof((array)[0]))
#define IOCTL_TYPE ';'

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "which AUDIT_ARCH_ is this?"
#endif

#define TRACE_OPTIONS							\
	(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD |		\
	 PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
	 PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)

/* <sys/ptrace.h> and <linux/ptrace.h> do not go together. */
static long trace(long request, pid_t pid, void *address, uintptr_t data)
{
	return syscall(SYS_ptrace, request, pid, address, data);
}

static int stop_at_ioctls(void)
{
	/* The type is the second byte of the second argument. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IOCTL_TYPE << 8, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {
		.len = NR_OF(code),
		.filter = code,
	};

	if (!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return 0;
	/* Without privileges it is for those only that cannot gain any. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return -errno;
	return 0;
}

/* In the new process; @go is closed when it is traced. */
static void become_command(char **argv, int go)
{
	char nothing;
	int error;

	if (read(go, &nothing, 1) < 0)
		_exit(126);
	if (stop_at_ioctls()) {
		perror("seccomp");
		_exit(126);
	}
	execvp(argv[0], argv);
	error = errno;
	perror(argv[0]);
	_exit(error == ENOENT ? 127 : 126);
}

static pid_t start(char **argv)
{
	int go[2], rc;
	pid_t pid;

	if (pipe(go))
		return -errno;
	pid = fork();
	if (!pid) {
		close(go[1]);
		become_command(argv, go[0]);
	}
	rc = pid < 0 ? -errno : 0;
	close(go[0]);
	if (!rc && trace(PTRACE_SEIZE, pid, NULL, TRACE_OPTIONS)) {
		rc = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(go[1]);
	return rc ? rc : pid;
}

static bool call_has_failed(pid_t pid)
{
	struct ptrace_syscall_info info;

	return trace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info),
		     (uintptr_t)&info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.is_error;
}

/* How a process that has stopped goes on */
static void go_on(pid_t pid, int status, void (*look)(pid_t, void *),
		  void *data)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	switch (event) {
	case PTRACE_EVENT_SECCOMP:
		/* until the end of the call */
		trace(PTRACE_SYSCALL, pid, NULL, 0);
		return;
	case PTRACE_EVENT_EXIT:
		look(pid, data);
		break;
	case PTRACE_EVENT_STOP:
		/* A new process has SIGTRAP, one that is stopped stays so. */
		if (signal != SIGTRAP) {
			trace(PTRACE_LISTEN, pid, NULL, 0);
			return;
		}
		break;
	case 0:
		if (signal != (SIGTRAP | 0x80)) {
			trace(PTRACE_CONT, pid, NULL, signal);
			return;
		}
		if (call_has_failed(pid))
			look(pid, data);
		break;
	}
	trace(PTRACE_CONT, pid, NULL, 0);
}

int follow(char **argv, void (*look)(pid_t pid, void *data), void *data)
{
	pid_t first = start(argv), pid;
	int status, result = 0;

	if (first < 0)
		return first;
	/* These are for the command, which shares the terminal. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid < 0)
			continue;
		if (WIFSTOPPED(status))
			go_on(pid, status, look, data);
		else if (pid == first)
			result = status;
	}
	return result;
}
