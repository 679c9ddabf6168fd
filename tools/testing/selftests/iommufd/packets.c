// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames whose every byte is known: writes a file of them that a program sends,
 * and looks at the file of what has arrived. Both are in libpcap's format.
 *
 * A frame has its number and is of any length; what else it has, and how long
 * it is, follows from the number and from the seed.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCAP_MAGIC 0xa1b2c3d4
#define PCAP_MAGIC_NS 0xa1b23c4d
#define PCAP_ETHERNET 1

#define SHORTEST 60
#define LONGEST 1514

struct file_header {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t zone;
	uint32_t accuracy;
	uint32_t longest;
	uint32_t kind;
};

struct frame_header {
	uint32_t seconds;
	uint32_t fraction;
	uint32_t stored;
	uint32_t length;
};

struct frame {
	uint8_t to[6];
	uint8_t from[6];
	uint8_t type[2];	/* for experiments */
	uint8_t number[4];
	uint8_t data[LONGEST - 18];
};

static uint32_t seed;

static uint32_t next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Returns the frame's length. */
static uint32_t frame_fill(struct frame *frame, uint32_t number)
{
	uint32_t state = (seed + 1) * 2654435761u ^ (number + 1) * 40503u;
	uint32_t i;

	*frame = (struct frame){
		.to = { 0x02, 0, 0, 0, 0, 2 },
		.from = { 0x02, 0, 0, 0, 0, 1 },
		.type = { 0x88, 0xb5 },
	};
	memcpy(frame->number, &number, sizeof(frame->number));
	if (!state)
		state = 1;
	for (i = 0; i < sizeof(frame->data); i++)
		frame->data[i] = next(&state) >> 24;
	return SHORTEST + next(&state) % (LONGEST - SHORTEST + 1);
}

static void fail(const char *path, const char *what)
{
	fprintf(stderr, "packets: %s: %s\n", path, what);
	exit(2);
}

static void put(FILE *file, const char *path, const void *data, size_t size)
{
	if (fwrite(data, size, 1, file) != 1)
		fail(path, strerror(errno));
}

static void make(const char *path, uint32_t count)
{
	struct file_header header = {
		.magic = PCAP_MAGIC,
		.major = 2,
		.minor = 4,
		.longest = 65535,
		.kind = PCAP_ETHERNET,
	};
	FILE *file = fopen(path, "w");
	struct frame frame;
	uint32_t i;

	if (!file)
		fail(path, strerror(errno));
	put(file, path, &header, sizeof(header));
	for (i = 0; i < count; i++) {
		uint32_t length = frame_fill(&frame, i);
		struct frame_header head = {
			.stored = length,
			.length = length,
		};

		put(file, path, &head, sizeof(head));
		put(file, path, &frame, length);
	}
	if (fclose(file))
		fail(path, strerror(errno));
}

static uint32_t frame_number(const struct frame *frame)
{
	uint32_t number;

	memcpy(&number, frame->number, sizeof(number));
	return number;
}

/* Is the frame one of those that were sent, to the last byte? */
static bool frame_is_right(const struct frame *frame, uint32_t length,
			   uint32_t count)
{
	struct frame wanted;

	return frame_number(frame) < count &&
	       frame_fill(&wanted, frame_number(frame)) == length &&
	       !memcmp(frame, &wanted, length);
}

/* Returns whether all have arrived, each once, in order, as they were sent. */
static bool check(const char *path, uint32_t count)
{
	unsigned long bytes = 0, right = 0, wrong = 0, unordered = 0;
	FILE *file = fopen(path, "r");
	struct file_header header;
	struct frame_header head;
	struct frame frame;

	if (!file)
		fail(path, strerror(errno));
	if (fread(&header, sizeof(header), 1, file) != 1 ||
	    (header.magic != PCAP_MAGIC && header.magic != PCAP_MAGIC_NS))
		fail(path, "no frames in libpcap's format");
	while (fread(&head, sizeof(head), 1, file) == 1) {
		if (head.stored < SHORTEST || head.stored > sizeof(frame) ||
		    fread(&frame, head.stored, 1, file) != 1)
			fail(path, "a frame of a wrong length");
		if (!frame_is_right(&frame, head.stored, count)) {
			wrong++;
			continue;
		}
		if (frame_number(&frame) != right)
			unordered++;
		right++;
		bytes += head.stored;
	}
	fclose(file);
	printf("frames %lu of %u, bytes %lu, wrong %lu, out of order %lu\n",
	       right, count, bytes, wrong, unordered);
	return right == count && !wrong && !unordered;
}

int main(int argc, char **argv)
{
	uint32_t count;

	if (argc != 5) {
		fprintf(stderr, "Usage: packets make|check FILE COUNT SEED\n");
		return 2;
	}
	count = strtoul(argv[3], NULL, 0);
	seed = strtoul(argv[4], NULL, 0);
	if (!strcmp(argv[1], "check"))
		return !check(argv[2], count);
	make(argv[2], count);
	return 0;
}
