// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommufd-map: draw what is mapped in an address space
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "map.h"
#include "text.h"

#define MIN_WIDTH 80
#define MAX_ROWS 40

static const char usage_text[] =
	"Usage: iommufd-map [OPTION]... [PID | /proc/PID/fd/FD]\n"
	"\n"
	"Draw the address spaces of a process, or of all: what is mapped and how it\n"
	"lies in memory, what is reserved and for which device, and what is free.\n"
	"\n"
	"  -i, --ioas=ID      only this one\n"
	"  -s, --svg=FILE     as a picture; of one address space, the first\n"
	"  -r, --rows=N       at most so many lines (default 40): what lies close\n"
	"                     together has one line then\n"
	"  -a, --ascii        bars of ASCII, or of\n"
	"  -u, --utf8         blocks, whatever the locale is\n"
	"  -c, --color=WHEN   always, never or auto, on a terminal (default)\n"
	"  -d, --debugfs=DIR  what to read instead of " MAP_FOLDER "\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n"
	"\n"
	"Root only; others are told sizes.\n";

static const struct option options[] = {
	{ "ioas", required_argument, NULL, 'i' },
	{ "svg", required_argument, NULL, 's' },
	{ "rows", required_argument, NULL, 'r' },
	{ "ascii", no_argument, NULL, 'a' },
	{ "utf8", no_argument, NULL, 'u' },
	{ "color", required_argument, NULL, 'c' },
	{ "debugfs", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{}
};

struct draw {
	const char *folder;
	const char *svg;
	uint32_t ioas;		/* 0: all */
	size_t max_rows;
	struct map_style style;
	size_t nr;		/* drawn so far */
	bool is_poor;		/* some without what only root is told */
};

static void write_picture(const char *path, const struct map *map,
			  const struct map_rows *rows)
{
	FILE *out = strcmp(path, "-") ? fopen(path, "we") : stdout;

	if (!out)
		err(2, "%s", path);
	map_write_svg(out, map, rows);
	if (fflush(out) || ferror(out))
		err(2, "%s", path);
	if (out != stdout)
		fclose(out);
}

/* What is known to those who cannot read debugfs */
static void print_sizes(const struct iommu_file *file,
			const struct iommu_object *ioas)
{
	const struct map map = { .file = file, .ioas = ioas->id };
	char text[1024], mapped[16], pinned[16];

	map_title(&map, text, sizeof(text));
	printf("%s\n%" PRIu64 " areas, %s mapped, %s pinned\n", text,
	       ioas->areas, text_size(mapped, sizeof(mapped), ioas->mapped),
	       text_size(pinned, sizeof(pinned), ioas->pinned));
}

static void draw_ioas(struct draw *draw, const struct iommu_file *file,
		      const struct iommu_object *ioas)
{
	struct map_rows rows;
	struct map map;
	int rc;

	if (draw->nr++ && !draw->svg)
		puts("");
	rc = file->context ? map_load(draw->folder, file, ioas->id, &map) :
			     -ENOENT;
	if (rc) {
		if (draw->svg)
			errx(2, "%s: %s", draw->folder, strerror(-rc));
		print_sizes(file, ioas);
		draw->is_poor = true;
		return;
	}
	if (map_make_rows(&map, draw->max_rows, &rows))
		errx(2, "no memory");
	if (draw->svg)
		write_picture(draw->svg, &map, &rows);
	else
		map_print(stdout, &map, &rows, &draw->style);
	map_free_rows(&rows);
	map_free(&map);
}

static void draw_file(struct draw *draw, const struct iommu_file *file)
{
	size_t i;

	if (file->shared)
		return;
	for (i = 0; i < file->nr_listed; i++) {
		if (strcmp(file->objects[i].type, "ioas") ||
		    (draw->ioas && file->objects[i].id != draw->ioas) ||
		    (draw->svg && draw->nr))
			continue;
		draw_ioas(draw, file, &file->objects[i]);
	}
}

static unsigned int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return 256;
	return size.ws_col < MIN_WIDTH ? MIN_WIDTH : size.ws_col;
}

static bool wants_color(const char *when)
{
	if (!strcmp(when, "always"))
		return true;
	if (!strcmp(when, "never"))
		return false;
	if (strcmp(when, "auto"))
		errx(2, "colour always, never or auto: %s", when);
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static unsigned long number_of(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 0);

	if (!number || *end || number > INT32_MAX)
		errx(2, "no such number: %s", text);
	return number;
}

/* The only argument, or all processes */
static void find_files(const char *what, struct iommu_files *files)
{
	struct iommu_file *file;
	int pid, fd, rc;
	char end;

	if (what && sscanf(what, "/proc/%d/fd/%d%c", &pid, &fd, &end) == 2) {
		file = calloc(1, sizeof(*file));
		rc = file ? fdinfo_read(pid, fd, file) : -ENOMEM;
		*files = (struct iommu_files){ .files = file, .nr = 1 };
	} else {
		rc = fdinfo_scan(what ? number_of(what) : 0, files);
	}
	if (rc)
		errx(2, "%s: %s", what ? what : "/proc", strerror(-rc));
}

int main(int argc, char **argv)
{
	struct draw draw = { .folder = MAP_FOLDER, .max_rows = MAX_ROWS };
	const char *when = "auto";
	struct iommu_files files;
	int option;
	size_t i;

	setlocale(LC_CTYPE, "");
	draw.style.ascii = strcmp(nl_langinfo(CODESET), "UTF-8");
	while ((option = getopt_long(argc, argv, "i:s:r:auc:d:hV", options,
				     NULL)) >= 0) {
		switch (option) {
		case 'i':
			draw.ioas = number_of(optarg);
			break;
		case 's':
			draw.svg = optarg;
			break;
		case 'r':
			draw.max_rows = number_of(optarg);
			break;
		case 'a':
			draw.style.ascii = true;
			break;
		case 'u':
			draw.style.ascii = false;
			break;
		case 'c':
			when = optarg;
			break;
		case 'd':
			draw.folder = optarg;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		case 'V':
			printf("iommufd-map %s\n", iommufd_version());
			return 0;
		default:
			fputs("Try: iommufd-map --help\n", stderr);
			return 2;
		}
	}
	if (argc - optind > 1)
		errx(2, "unexpected argument: %s", argv[optind + 1]);
	draw.style.color = wants_color(when);
	draw.style.width = terminal_width();
	find_files(argv[optind], &files);
	for (i = 0; i < files.nr; i++)
		draw_file(&draw, &files.files[i]);
	fdinfo_free_all(&files);
	if (!draw.nr)
		errx(2, "there is no such address space");
	if (draw.is_poor)
		warnx("what is where only root is told, in %s", draw.folder);
	return draw.is_poor;
}
