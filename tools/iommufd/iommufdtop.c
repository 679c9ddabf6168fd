// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommufdtop: who has what of /dev/iommu
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libiommufd.h"
#include "top.h"

static const char usage_text[] =
	"Usage: iommufdtop [OPTION]...\n"
	"\n"
	"Show who has /dev/iommu or a container of VFIO open: address spaces, devices,\n"
	"what is mapped and pinned, and what was refused last.\n"
	"\n"
	"  -1, --once        print it once and end\n"
	"  -j, --json        the same for programs\n"
	"  -d, --delay=SECS  between two samples (default 2); with --once or --json\n"
	"                    two are taken, and rates told\n"
	"  -s, --sort=KEY    pinned (default), mapped, areas, rate, refused or pid\n"
	"  -r, --reverse     the other way round\n"
	"  -f, --filter=TEXT only where command, user, PID or a device has TEXT\n"
	"  -b, --brief       a line for each file\n"
	"  -h, --help        this text\n"
	"  -V, --version     the version\n"
	"\n"
	"Keys: s sort, r reverse, f filter, b brief, arrows and PgUp, PgDn move, q quit.\n"
	"Of processes of others only root, or who may trace them, is told.\n";

static const struct option options[] = {
	{ "once", no_argument, NULL, '1' },
	{ "json", no_argument, NULL, 'j' },
	{ "delay", required_argument, NULL, 'd' },
	{ "sort", required_argument, NULL, 's' },
	{ "reverse", no_argument, NULL, 'r' },
	{ "filter", required_argument, NULL, 'f' },
	{ "brief", no_argument, NULL, 'b' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{}
};

static void print_line(void *data, enum top_style style, const char *text)
{
	(void)data;
	(void)style;
	puts(text);
}

static enum top_key key_of(const char *name)
{
	unsigned int key;

	for (key = 0; key < NR_TOP_KEYS; key++)
		if (!strcmp(name, top_key_names[key]))
			return key;
	errx(2, "no such key to sort by: %s", name);
}

static double seconds_of(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (*end || !(seconds >= 0.1 && seconds <= 3600))
		errx(2, "a delay is from 0.1 to 3600 seconds: %s", text);
	return seconds;
}

static void need(int rc)
{
	if (rc)
		errx(2, "/proc: %s", strerror(-rc));
}

/* @delay: 0 for one sample, which has no rates */
static int print_once(struct top *top, bool json, double delay)
{
	struct timespec wait = {
		.tv_sec = delay,
		.tv_nsec = (delay - (long)delay) * 1e9,
	};

	need(top_sample(top));
	if (delay) {
		nanosleep(&wait, NULL);
		need(top_sample(top));
	}
	if (json) {
		top_write_json(top);
	} else {
		top_write_head(top, print_line, NULL);
		top_write_rows(top, print_line, NULL);
	}
	top_free(top);
	return 0;
}

int main(int argc, char **argv)
{
	bool once = false, json = false;
	struct top top = {};
	double delay = 0;
	int option;

	while ((option = getopt_long(argc, argv, "1jd:s:rf:bhV", options,
				     NULL)) >= 0) {
		switch (option) {
		case '1':
			once = true;
			break;
		case 'j':
			json = true;
			break;
		case 'd':
			delay = seconds_of(optarg);
			break;
		case 's':
			top.key = key_of(optarg);
			break;
		case 'r':
			top.reverse = true;
			break;
		case 'f':
			snprintf(top.filter, sizeof(top.filter), "%s", optarg);
			break;
		case 'b':
			top.short_rows = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		case 'V':
			printf("iommufdtop %s\n", iommufd_version());
			return 0;
		default:
			fputs("Try: iommufdtop --help\n", stderr);
			return 2;
		}
	}
	if (optind < argc)
		errx(2, "unexpected argument: %s", argv[optind]);
	if (once || json)
		return print_once(&top, json, delay);
	need(top_screen(&top, delay ? delay : 2));
	top_free(&top);
	return 0;
}
