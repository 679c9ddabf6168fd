// SPDX-License-Identifier: GPL-2.0-only
/*
 * see_client: something to look at, for the tests of the programs here and for
 * make demo-see. It maps memory for a device, asks for what is refused, and
 * waits.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "libiommufd.h"

#define PAGE 4096ul
#define MIB (1ul << 20)
#define IOVA (16 * MIB)
#define NR_MAPS 3
#define NOBODY 65534

static const char usage_text[] =
	"Usage: see_client [--device=BDF] [--name=NAME] [--hold] [REFUSAL]...\n"
	"\n"
	"  -d, --device=BDF  attach it: memory is pinned then\n"
	"  -n, --name=NAME   be called that\n"
	"  -H, --hold        say \"ready\", then wait for the end of the input\n"
	"\n"
	"What is refused: memlock, taken, hole, address, msi, object. And stray, which\n"
	"is not, but QEMU's edu device then writes to memory that was unmapped.\n";

struct client {
	int iommufd;
	uint32_t ioas;
	struct iommufd_device *device;
	char *memory;
};

static void need(int rc, const char *what)
{
	if (rc < 0)
		errx(1, "%s: %s", what, strerror(-rc));
}

static void *memory_of(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "memory");
	return memory;
}

static int map_at(struct client *client, void *memory, uint64_t length,
		  uint64_t iova)
{
	return iommufd_map(client->iommufd, client->ioas,
			   IOMMUFD_MAP_RW | IOMMUFD_MAP_FIXED, memory, length,
			   &iova);
}

/* 1, 2 and 4 MiB, with as much between them */
static void map_some(struct client *client)
{
	uint64_t iova = IOVA, length = MIB;
	int i;

	client->memory = memory_of(8 * MIB);
	for (i = 0; i < NR_MAPS; i++) {
		need(map_at(client, client->memory, length, iova), "map");
		iova += 2 * length;
		length *= 2;
	}
}

/* Only who may not lock what he likes has a limit. */
static int ask_memlock(struct client *client)
{
	const struct rlimit limit = { 16 * PAGE, 16 * PAGE };
	char *memory = memory_of(MIB);

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		err(1, "limit");
	if (seteuid(NOBODY))
		err(1, "user");
	/* It is to be looked at all the same. */
	prctl(PR_SET_DUMPABLE, 1);
	return map_at(client, memory, MIB, 1024 * MIB);
}

/* A page of the device's own memory is to go where the first map was. */
static int ask_stray(struct client *client)
{
	volatile uint64_t *regs;
	size_t size;
	void *bar;

	if (!client->device)
		errx(2, "stray: no device");
	need(iommufd_device_map_bar(client->device, 0, &bar, &size), "BAR 0");
	need(iommufd_device_enable(client->device), "enable");
	need(iommufd_unmap(client->iommufd, client->ioas, IOVA, MIB, NULL),
	     "unmap");
	regs = bar;
	regs[0x80 / 8] = 0x40000;
	regs[0x88 / 8] = IOVA;
	regs[0x90 / 8] = PAGE;
	regs[0x98 / 8] = 3;
	while (regs[0x98 / 8] & 1)
		usleep(1000);
	return 0;
}

static int ask(struct client *client, const char *what)
{
	if (!strcmp(what, "stray"))
		return ask_stray(client);
	if (!strcmp(what, "memlock"))
		return ask_memlock(client);
	if (!strcmp(what, "taken"))
		return map_at(client, client->memory, PAGE, IOVA);
	if (!strcmp(what, "hole"))
		return iommufd_unmap(client->iommufd, client->ioas, IOVA + MIB,
				     PAGE, NULL);
	if (!strcmp(what, "address"))
		return map_at(client, NULL, PAGE, 1024 * MIB);
	if (!strcmp(what, "msi"))
		return map_at(client, client->memory, PAGE, 0xfee00000);
	if (!strcmp(what, "object"))
		return iommufd_destroy(client->iommufd, 999);
	errx(2, "unknown: %s", what);
}

static const struct option options[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "name", required_argument, NULL, 'n' },
	{ "hold", no_argument, NULL, 'H' },
	{ "help", no_argument, NULL, 'h' },
	{}
};

int main(int argc, char **argv)
{
	struct client client = {};
	const char *bdf = NULL;
	int option, failed = 0;
	bool hold = false;
	char nothing;

	while ((option = getopt_long(argc, argv, "d:n:Hh", options,
				     NULL)) >= 0) {
		switch (option) {
		case 'd':
			bdf = optarg;
			break;
		case 'n':
			prctl(PR_SET_NAME, optarg);
			break;
		case 'H':
			hold = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			fputs(usage_text, stderr);
			return 2;
		}
	}
	client.iommufd = iommufd_open();
	need(client.iommufd, "/dev/iommu");
	need(iommufd_ioas_alloc(client.iommufd, &client.ioas), "IOAS");
	if (bdf) {
		need(iommufd_device_open(client.iommufd, bdf, &client.device),
		     bdf);
		need(iommufd_device_attach(client.device, client.ioas, NULL),
		     "attach");
	}
	map_some(&client);
	for (; optind < argc; optind++)
		failed += ask(&client, argv[optind]) < 0;
	if (hold) {
		puts("ready");
		fflush(stdout);
		while (read(STDIN_FILENO, &nothing, 1) > 0)
			;
	}
	iommufd_device_close(client.device);
	return failed;
}
