// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommufd-why: what was refused to a process, and why
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/wait.h>

#include "explain.h"
#include "follow.h"
#include "records.h"
#include "text.h"

static const char usage_text[] =
	"Usage: iommufd-why [OPTION]... PID | /proc/PID/fd/FD\n"
	"       iommufd-why [OPTION]... --fd FD\n"
	"       iommufd-why [OPTION]... [--] COMMAND [ARGUMENT]...\n"
	"\n"
	"Tell what /dev/iommu has refused to a process, why, and what can be done:\n"
	"the last refusals of one that runs, of one file of it, of a file that was\n"
	"inherited, or all those of a command, which is run. Or what has happened last.\n"
	"\n"
	"  -f, --fd=FD       of a file descriptor that iommufd-why itself has\n"
	"  -l, --last        the last refusal of each file only\n"
	"  -r, --records     what has happened last, in place of what was refused\n"
	"  -j, --json        for programs, one object a line\n"
	"  -o, --output=FILE where to write; of a command the default is stderr\n"
	"  -h, --help        this text\n"
	"  -V, --version     the version\n"
	"\n"
	"Exit status: 0 if nothing was refused, 1 if something was, 2 on errors; of a\n"
	"command its own, or 128 and the number of the signal that has ended it.\n";

static const struct option options[] = {
	{ "fd", required_argument, NULL, 'f' },
	{ "last", no_argument, NULL, 'l' },
	{ "records", no_argument, NULL, 'r' },
	{ "json", no_argument, NULL, 'j' },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{}
};

/* What was told already of a command; more than all its files keep */
#define NR_TOLD 1024

struct told {
	uint64_t number;
	uint64_t time;
	uint32_t thread;
};

struct why {
	FILE *out;
	bool json;
	bool last;
	bool records;
	unsigned long nr;
	struct told told[NR_TOLD];
	unsigned int next_told;
};

static bool was_told(struct why *why, const struct iommufd_refusal *refusal)
{
	struct told told = { refusal->number, refusal->time, refusal->thread };
	const struct told *at;

	for (at = why->told; at < why->told + NR_TOLD; at++)
		if (at->number == told.number && at->time == told.time &&
		    at->thread == told.thread)
			return true;
	why->told[why->next_told++ % NR_TOLD] = told;
	return false;
}

static void tell_json(struct why *why, const struct iommu_file *file,
		      const struct iommu_refused *refused)
{
	struct json_object *json = explain_json(file, refused);
	char name[4 * sizeof(file->command)];

	json_add_number(json, "pid", file->pid);
	json_add_number(json, "fd", file->fd);
	json_add_text(json, "process",
		      text_escape(name, sizeof(name), file->command));
	fprintf(why->out, "%s\n",
		json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	json_object_put(json);
}

static void tell_file(struct why *why, const struct iommu_file *file)
{
	size_t i = 0;

	if (why->records) {
		records_print(why->out, file, why->json);
		return;
	}
	if (why->last && file->nr_kept)
		i = file->nr_kept - 1;
	for (; i < file->nr_kept; i++) {
		if (was_told(why, &file->refused[i].what))
			continue;
		if (why->json)
			tell_json(why, file, &file->refused[i]);
		else
			explain(why->out, file, &file->refused[i]);
		why->nr++;
	}
	fflush(why->out);
}

static int tell_one(struct why *why, pid_t pid, int fd)
{
	struct iommu_file file;
	int rc;

	rc = fdinfo_read(pid, fd, &file);
	if (rc == -ENOENT)
		errx(2, "file descriptor %d of process %d is not of iommufd",
		     fd, pid);
	if (rc)
		errx(2, "/proc/%d/fdinfo/%d: %s", pid, fd, strerror(-rc));
	tell_file(why, &file);
	fdinfo_free(&file);
	return why->nr ? 1 : 0;
}

static void tell_files(struct why *why, struct iommu_files *files)
{
	size_t i;

	for (i = 0; i < files->nr; i++)
		tell_file(why, &files->files[i]);
	fdinfo_free_all(files);
}

static int tell_process(struct why *why, pid_t pid)
{
	struct iommu_files files;
	int rc;

	rc = fdinfo_scan(pid, &files);
	if (rc)
		errx(2, "process %d: %s", pid, rc == -ENOENT ?
		     "there is none" : strerror(-rc));
	if (!files.nr)
		errx(2, "process %d has no file of iommufd", pid);
	tell_files(why, &files);
	if (!why->nr && !why->json && !why->records)
		fprintf(why->out, "nothing was refused\n");
	return why->nr ? 1 : 0;
}

static void look(pid_t pid, void *data)
{
	struct iommu_files files;

	if (!fdinfo_scan(pid, &files))
		tell_files(data, &files);
}

static int tell_command(struct why *why, char **argv)
{
	int status = follow(argv, look, why);

	if (status < 0)
		errx(2, "%s: %s", argv[0], strerror(-status));
	if (!why->nr && !why->json)
		fprintf(why->out, "%s: nothing was refused\n", argv[0]);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

int main(int argc, char **argv)
{
	static struct why why;
	const char *output = NULL;
	int option, pid, fd = -1;
	char end;

	while ((option = getopt_long(argc, argv, "+f:ljro:hV", options,
				     NULL)) >= 0) {
		switch (option) {
		case 'f':
			if (!is_number(optarg))
				errx(2, "no file descriptor: %s", optarg);
			fd = atoi(optarg);
			break;
		case 'l':
			why.last = true;
			break;
		case 'j':
			why.json = true;
			break;
		case 'r':
			why.records = true;
			break;
		case 'o':
			output = optarg;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		case 'V':
			printf("iommufd-why %s\n", iommufd_version());
			return 0;
		default:
			fputs("Try: iommufd-why --help\n", stderr);
			return 2;
		}
	}
	argc -= optind;
	argv += optind;
	if (fd < 0 ? !argc : argc) {
		fputs(usage_text, stderr);
		return 2;
	}
	why.out = stdout;
	if (output)
		why.out = fopen(output, "we");
	if (!why.out)
		err(2, "%s", output);
	if (fd >= 0)
		return tell_one(&why, getpid(), fd);
	if (argc == 1 && is_number(argv[0]))
		return tell_process(&why, atoi(argv[0]));
	if (argc == 1 &&
	    sscanf(argv[0], "/proc/%d/fd/%d%c", &pid, &fd, &end) == 2)
		return tell_one(&why, pid, fd);
	if (why.records)
		errx(2, "--records is for what runs: a PID, or /proc/PID/fd/FD");
	if (!output)
		why.out = stderr;
	return tell_command(&why, argv);
}
