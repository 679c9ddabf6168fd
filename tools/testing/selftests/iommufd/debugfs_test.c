// SPDX-License-Identifier: GPL-2.0-only
/*
 * What debugfs tells root of all files of /dev/iommu, and that it is in nobody's
 * way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include "kselftest_harness.h"
#include "fail_each.h"
#include "late_page.h"
#include "mock_rig.h"
#include "test_support.h"
#include "threads.h"

#define FOLDER "/sys/kernel/debug/iommufd/"
#define IOVA (16 * MIB)
#define NR_PAGES 8
#define LENGTH (NR_PAGES * SMALL_PAGE)
#define TEXT (4 * MIB)

#define FD (self->rig.iommufd)
#define IOAS (self->rig.ioas)

/* By what number debugfs knows a file of this process; 0: none */
static unsigned long long number_of(int fd)
{
	char words[FDINFO_WORDS];

	if (fdinfo_of(getpid(), fd, "iommu-context", words))
		return 0;
	return strtoull(words, NULL, 10);
}

/* All of a file of debugfs, read in steps. Returns 0 or a negative errno. */
static int read_table(const char *name, char *text, size_t step)
{
	char path[64];
	size_t length = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		if (step > TEXT - 1 - length)
			step = TEXT - 1 - length;
		got = read(fd, text + length, step);
		length += got > 0 ? got : 0;
	} while (got > 0);
	text[length] = '\0';
	got = got < 0 ? -errno : 0;
	close(fd);
	return got;
}

/* The lines of a table that begin with @key, one after the other */
static const char *next_line(const char *text, const char *key)
{
	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (!strncmp(text, key, strlen(key)) &&
		    (text[strlen(key)] == ' ' || text[strlen(key)] == '\n'))
			return text;
	}
	return NULL;
}

static unsigned long long value_of(const char *line, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(line, key);
	if (!at || at > line + strcspn(line, "\n"))
		return -1ull;
	return strtoull(at + strlen(key), NULL, 0);
}

static bool line_has(const char *line, const char *words)
{
	const char *at = strstr(line, words);

	return at && at < line + strcspn(line, "\n");
}

FIXTURE(debugfs)
{
	struct mock_rig rig;
	struct memory_rig mem;
	char *text;
	char key[64];		/* what lines of the IOAS begin with */
};

#define DEBUGFS FIXTURE_DATA(debugfs)

/* Of which IOAS are lines to be found? */
static void look_at(DEBUGFS *self, __u32 ioas)
{
	snprintf(self->key, sizeof(self->key), "context=%llu ioas=%u",
		 number_of(FD), ioas);
}

FIXTURE_SETUP(debugfs)
{
	if (access(FOLDER "areas", R_OK))
		SKIP(return, "no debugfs");
	self->text = malloc(TEXT);
	ASSERT_NE(NULL, self->text);
	MAKE(mock_rig_make(&self->rig));
	MAKE(mock_rig_plug(&self->rig, 0));
	MAKE(memory_rig_make(&self->mem, PAGES_SMALL_RANDOM, LENGTH));
	look_at(self, IOAS);
}

FIXTURE_TEARDOWN(debugfs)
{
	EXPECT_EQ(0, mock_rig_break(&self->rig));
	free(self->text);
}

/* Of @_name, the first line of the IOAS */
#define LINE(_name) ({							\
	ASSERT_EQ(0, read_table(_name, self->text, TEXT));		\
	next_line(self->text, self->key);				\
})

#define EXPECT_VALUE(_value, _line, _name) do {				\
	const char *line_ = (_line), *name_ = (_name);			\
									\
	EXPECT_EQ((unsigned long long)(_value), value_of(line_, name_))	\
		TH_LOG("%s in %.*s", name_,				\
		       (int)strcspn(line_, "\n"), line_);		\
} while (0)

TEST_F(debugfs, lists_a_file_as_long_as_it_is_open)
{
	int fd = iommufd_open();
	const char *line;
	char key[32];

	ASSERT_LE(0, fd);
	EXPECT_LT(number_of(FD), number_of(fd));
	snprintf(key, sizeof(key), "context=%llu", number_of(fd));
	ASSERT_EQ(0, read_table("contexts", self->text, TEXT));
	line = next_line(self->text, key);
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(0, line, "objects");
	close(fd);
	ASSERT_EQ(0, read_table("contexts", self->text, TEXT));
	EXPECT_EQ(NULL, next_line(self->text, key));
}

TEST_F(debugfs, tells_what_a_file_has)
{
	const char *line;
	char key[32];
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, ioas, IOVA));
	snprintf(key, sizeof(key), "context=%llu", number_of(FD));
	ASSERT_EQ(0, read_table("contexts", self->text, TEXT));
	line = next_line(self->text, key);
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(getuid(), line, "uid");
	EXPECT_VALUE(2, line, "ioas");
	EXPECT_VALUE(2, line, "areas");
	EXPECT_VALUE(2 * LENGTH, line, "mapped");
	EXPECT_VALUE(LENGTH, line, "pinned");
}

TEST_F(debugfs, tells_what_is_mapped)
{
	const char *line;

	EXPECT_EQ(NULL, LINE("areas"));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	line = LINE("areas");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(memory_pieces(self->mem.va, LENGTH), line, "runs");
	EXPECT_VALUE(1, line, "areas");

	ASSERT_EQ(0, ioas_copy_at(FD, IOAS, IOAS, IOVA + SMALL_PAGE, SMALL_PAGE,
				  IOVA + GIB));
	line = LINE("areas");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA, line, "iova");
	EXPECT_VALUE(IOVA + LENGTH - 1, line, "last");
	EXPECT_VALUE(self->mem.va, line, "start");
	EXPECT_VALUE(LENGTH, line, "pinned");
	EXPECT_VALUE(2, line, "areas");
	EXPECT_TRUE(line_has(line, " rights=rw "));
	EXPECT_TRUE(line_has(line, " state=mapped "));
	EXPECT_TRUE(line_has(line, " source=process "));

	line = next_line(line + 1, self->key);
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA + GIB, line, "iova");
	EXPECT_VALUE(self->mem.va + SMALL_PAGE, line, "start");
	EXPECT_VALUE(SMALL_PAGE, line, "pinned");
	EXPECT_EQ(NULL, next_line(line + 1, self->key));

	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, LENGTH, NULL));
	line = LINE("areas");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA + GIB, line, "iova");
	EXPECT_VALUE(1, line, "areas");
}

/* What is pinned behind it belongs to the other area of the memory. */
TEST_F(debugfs, tells_of_a_part_what_it_has)
{
	const __u64 length = LENGTH / 2;
	const char *line;

	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA + GIB));
	ASSERT_EQ(0, ioas_copy_at(FD, IOAS, IOAS, IOVA + GIB, length, IOVA));
	line = LINE("areas");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA, line, "iova");
	EXPECT_VALUE(length, line, "pinned");
	EXPECT_VALUE(memory_pieces(self->mem.va, length), line, "runs");
}

TEST_F(debugfs, tells_of_each_ioas_from_its_beginning)
{
	const char *line;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_LT(IOAS, ioas);
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA + GIB));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, ioas, IOVA));
	look_at(self, ioas);
	line = LINE("areas");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA, line, "iova");
}

TEST_F(debugfs, tells_where_each_page_is)
{
	unsigned long long phys, iova, last, expected = IOVA;
	const char *line;

	EXPECT_EQ(NULL, LINE("runs"));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	for (line = LINE("runs"); line; line = next_line(line + 1, self->key)) {
		iova = value_of(line, "iova");
		last = value_of(line, "last");
		EXPECT_EQ(expected, iova);
		for (; iova < last; iova += SMALL_PAGE) {
			ASSERT_EQ(0, memory_phys(self->mem.va + (iova - IOVA),
						 &phys));
			EXPECT_EQ(phys, value_of(line, "phys") + iova -
						value_of(line, "iova"));
		}
		expected = last + 1;
	}
	EXPECT_EQ(IOVA + LENGTH, expected);
}

/* What lies between is pinned by nobody. */
TEST_F(debugfs, tells_what_accesses_have_pinned)
{
	__u32 ioas, first, third;
	const char *line;
	int access;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, ioas, IOVA));
	look_at(self, ioas);
	access = mock_access(FD, ioas,
			     MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	ASSERT_LE(0, access);
	ASSERT_EQ(0, mock_access_pin(FD, access, 0, IOVA, SMALL_PAGE, NULL,
				     &first));
	ASSERT_EQ(0, mock_access_pin(FD, access, 0, IOVA + 2 * SMALL_PAGE,
				     SMALL_PAGE, NULL, &third));

	line = LINE("spaces");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(0, line, "page-tables");
	EXPECT_VALUE(1, line, "accesses");
	EXPECT_VALUE(2, line, "access-pins");
	line = LINE("areas");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(2, line, "access-pins");
	EXPECT_VALUE(2 * SMALL_PAGE, line, "pinned");
	EXPECT_VALUE(2, line, "runs");
	line = LINE("runs");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA, line, "iova");
	EXPECT_VALUE(IOVA + SMALL_PAGE - 1, line, "last");
	line = next_line(line + 1, self->key);
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA + 2 * SMALL_PAGE, line, "iova");
	EXPECT_EQ(NULL, next_line(line + 1, self->key));
	close(access);
}

TEST_F(debugfs, tells_how_long_runs_are)
{
	long pieces = memory_pieces(self->mem.va, LENGTH);
	unsigned long long nr = 0, lengths;
	struct memory_rig huge;
	const char *line;
	char name[16];
	int i;

	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	line = LINE("lengths");
	ASSERT_NE(NULL, line);
	for (i = 12; i < 21; i++) {
		snprintf(name, sizeof(name), "0x%x", 1 << i);
		lengths = value_of(line, name);
		nr += lengths == -1ull ? 0 : lengths;
	}
	EXPECT_EQ(pieces, nr);

	MAKE(memory_rig_make(&huge, PAGES_HUGETLB, HUGE_PAGE));
	ASSERT_EQ(0, memory_rig_map(&huge, FD, IOAS, GIB));
	line = LINE("lengths");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(1, line, "0x200000");
}

TEST_F(debugfs, tells_who_uses_an_ioas)
{
	const char *line;
	__u32 hwpt;

	line = LINE("spaces");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(1, line, "page-tables");
	EXPECT_VALUE(1, line, "filled");
	EXPECT_VALUE(0, line, "accesses");
	ASSERT_EQ(0, hwpt_alloc(FD, self->rig.dev.idev, IOAS, 0, &hwpt));
	line = LINE("spaces");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(2, line, "page-tables");
	EXPECT_VALUE(ioas_alignment(FD, IOAS), line, "alignment");
}

/* They are what IOAS_IOVA_RANGES leaves out. */
TEST_F(debugfs, tells_what_cannot_be_mapped)
{
	struct iommu_iova_range ranges[32];
	__u32 nr = 32, i;
	const char *line;

	ASSERT_EQ(0, ioas_iova_ranges(FD, IOAS, ranges, &nr, NULL));
	ASSERT_LT(0, nr);
	line = LINE("reserved");
	for (i = 0; i <= nr; i++) {
		unsigned long long first = i ? ranges[i - 1].last + 1 : 0;
		unsigned long long end = i < nr ? ranges[i].start : 0;

		while (first != end) {
			ASSERT_NE(NULL, line);
			EXPECT_EQ(first, value_of(line, "iova"));
			EXPECT_LE(1, value_of(line, "reservations"));
			first = value_of(line, "last") + 1;
			line = next_line(line + 1, self->key);
		}
	}
	EXPECT_EQ(NULL, line);
}

TEST_F(debugfs, tells_how_often_iovas_are_reserved)
{
	const char *line;
	__u32 ioas;

	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, mock_add_reserved(FD, ioas, IOVA, MIB));
	ASSERT_EQ(0, mock_add_reserved(FD, ioas, IOVA, 2 * MIB));
	look_at(self, ioas);
	line = LINE("reserved");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA, line, "iova");
	EXPECT_VALUE(IOVA + MIB - 1, line, "last");
	EXPECT_VALUE(2, line, "reservations");
	line = next_line(line + 1, self->key);
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA + MIB, line, "iova");
	EXPECT_VALUE(IOVA + 2 * MIB - 1, line, "last");
	EXPECT_VALUE(1, line, "reservations");
	EXPECT_EQ(NULL, next_line(line + 1, self->key));
	/* Nobody looks at it any more. */
	EXPECT_EQ(0, iommufd_destroy(FD, ioas));
}

TEST_F(debugfs, tells_what_is_allowed)
{
	struct iommu_iova_range ranges[] = {
		{ IOVA, IOVA + MIB - 1 },
		{ GIB, GIB + MIB - 1 },
	};
	const char *line;

	EXPECT_EQ(NULL, LINE("allowed"));
	ASSERT_EQ(0, ioas_allow_iovas(FD, IOAS, ranges, 2));
	line = LINE("allowed");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(IOVA, line, "iova");
	EXPECT_VALUE(IOVA + MIB - 1, line, "last");
	line = next_line(line + 1, self->key);
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(GIB, line, "iova");
	EXPECT_EQ(NULL, next_line(line + 1, self->key));
}

/* Areas without a hole at both ends of the space, read in bits */
TEST_F(debugfs, is_the_same_however_it_is_read)
{
	char *other = malloc(TEXT);
	const char *line;
	__u32 ioas;
	int i;

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, ioas, 0));
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, ioas, 0 - LENGTH));
	for (i = 1; i < 200; i++)
		ASSERT_EQ(0, memory_rig_map(&self->mem, FD, ioas, i * LENGTH));
	look_at(self, ioas);
	line = LINE("areas");
	for (i = 0; line; i++)
		line = next_line(line + 1, self->key);
	EXPECT_EQ(201, i);
	ASSERT_EQ(0, read_table("areas", other, 100));
	EXPECT_STREQ(self->text, other);
	ASSERT_EQ(0, read_table("areas", other, 5000));
	EXPECT_STREQ(self->text, other);
	free(other);
}

TEST_F(debugfs, keeps_nothing_that_is_closed)
{
	int fd = iommufd_open(), table;
	char byte, key[32];

	ASSERT_LE(0, fd);
	snprintf(key, sizeof(key), "context=%llu", number_of(fd));
	table = open(FOLDER "contexts", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, table);
	ASSERT_EQ(1, read(table, &byte, 1));
	close(fd);
	ASSERT_EQ(0, mock_destroy(FD, &self->rig.dev));
	ASSERT_EQ(0, iommufd_destroy(FD, IOAS));
	ASSERT_EQ(0, read_table("contexts", self->text, TEXT));
	EXPECT_EQ(NULL, next_line(self->text, key));
	close(table);
}

TEST_F(debugfs, is_not_for_users)
{
	EXPECT_EQ(EACCES, IN_CHILD(become_stranger() ? 255 :
				   -read_table("areas", self->text, TEXT)));
}

/* root without privileges is not told where memory is. */
TEST_F(debugfs, tells_addresses_to_the_privileged_only)
{
	const char *line;
	pid_t pid;

	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	line = LINE("runs");
	ASSERT_NE(NULL, line);
	EXPECT_TRUE(line_has(line, " phys=0x"));
	pid = fork();
	if (!pid) {
		if (drop_capability(21 /* CAP_SYS_ADMIN */) ||
		    read_table("runs", self->text, TEXT))
			_exit(255);
		line = next_line(self->text, self->key);
		_exit(!line || line_has(line, "phys"));
	}
	EXPECT_EQ(0, child_status(pid));
}

TEST_F(debugfs, is_read_again_after_a_failure)
{
	int fail_nth = fail_nth_open(), rc, nth, failures = 0;
	struct own_errors none = OWN_ERRORS();
	bool failed = true;

	if (fail_nth < 0)
		SKIP(return, "the kernel cannot inject failures");
	ASSERT_EQ(0, memory_rig_map(&self->mem, FD, IOAS, IOVA));
	for (nth = 1; failed && nth < MAX_TRIES; nth++) {
		fail_nth_set(fail_nth, nth);
		rc = read_table("areas", self->text, 4096);
		failed = fail_nth_happened(fail_nth);
		failures += failed;
		EXPECT_TRUE(!rc || (failed && is_injected_failure(rc, &none)))
			TH_LOG("failure %d: %d", nth, rc);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(0, failures);
	EXPECT_NE(NULL, LINE("areas"));
	close(fail_nth);
}

TEST_F(debugfs, does_not_wait_for_memory)
{
	struct mock_attach attach;
	struct late_page late;
	const char *line;
	__u32 ioas;

	if (!late_pages_available())
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, late_page_open(&late, LATE_PAGE, NULL, 0));
	ASSERT_EQ(0, ioas_alloc(FD, &ioas));
	ASSERT_EQ(0, ioas_map_at(FD, ioas, late.va, SMALL_PAGE, IOVA));
	ASSERT_EQ(0, mock_attach_start(&attach, FD, ioas));
	ASSERT_TRUE(late_page_wait(&late));

	look_at(self, ioas);
	line = LINE("spaces");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(1, line, "page-tables");
	EXPECT_VALUE(0, line, "filled");
	line = LINE("areas");
	ASSERT_NE(NULL, line);
	EXPECT_VALUE(0, line, "pinned");
	EXPECT_VALUE(1, line, "busy");
	EXPECT_EQ(NULL, LINE("runs"));
	EXPECT_FALSE(thread_call_is_over(&attach.call));

	ASSERT_EQ(0, late_page_give(&late));
	ASSERT_EQ(0, thread_call_end(&attach.call));
	late_page_close(&late);
}

/*
 * Races
 */

#define NR_TURNS affordable(100)

struct churn {
	struct crowd crowd;
	int iommufd;
	__u32 ioas;
	char *va;
	struct goal goals[3];
};

/* In the IOAS that has a page table, and so with memory that is pinned */
static int churn_map(void *data)
{
	struct churn *churn = data;
	int rc;

	while (!crowd_is_over(&churn->crowd)) {
		rc = ioas_map_at(churn->iommufd, churn->ioas, churn->va,
				 LENGTH, IOVA);
		if (!rc)
			rc = ioas_copy_at(churn->iommufd, churn->ioas,
					  churn->ioas, IOVA, SMALL_PAGE, GIB);
		if (!rc)
			rc = ioas_unmap(churn->iommufd, churn->ioas, IOVA,
					LENGTH, NULL);
		if (!rc)
			rc = ioas_unmap(churn->iommufd, churn->ioas, GIB,
					SMALL_PAGE, NULL);
		if (rc)
			return rc;
		goal_count(&churn->goals[0]);
	}
	return 0;
}

static int churn_attach(void *data)
{
	struct churn *churn = data;
	struct mock_device dev;
	__u32 ioas;
	int rc;

	while (!crowd_is_over(&churn->crowd)) {
		rc = ioas_alloc(churn->iommufd, &ioas);
		if (!rc)
			rc = ioas_map_at(churn->iommufd, ioas, churn->va,
					 LENGTH, IOVA);
		if (!rc)
			rc = mock_domain(churn->iommufd, ioas, &dev);
		if (!rc)
			rc = mock_destroy(churn->iommufd, &dev);
		if (!rc)
			rc = iommufd_destroy(churn->iommufd, ioas);
		if (rc)
			return rc;
		goal_count(&churn->goals[1]);
	}
	return 0;
}

/* Closes a file with all that it has, while others look at it. */
static int churn_close(void *data)
{
	struct churn *churn = data;
	__u32 ioas;
	int fd, rc;

	while (!crowd_is_over(&churn->crowd)) {
		fd = iommufd_open();
		if (fd < 0)
			return fd;
		rc = ioas_alloc(fd, &ioas);
		if (!rc)
			rc = ioas_map_at(fd, ioas, churn->va, LENGTH, IOVA);
		close(fd);
		if (rc)
			return rc;
		goal_count(&churn->goals[2]);
	}
	return 0;
}

TEST_F_TIMEOUT(debugfs, is_read_while_everything_changes, 300)
{
	static const char *const names[] = {
		"contexts", "spaces", "reserved", "areas", "runs", "lengths"
	};
	struct churn churn = {
		.iommufd = FD,
		.ioas = IOAS,
		.va = self->mem.va,
		.goals = {
			{ "maps", NR_TURNS },
			{ "attaches", NR_TURNS },
			{ "closes", NR_TURNS },
		},
	};
	unsigned int reads = 0;

	ASSERT_EQ(0, crowd_add(&churn.crowd, churn_map, &churn));
	ASSERT_EQ(0, crowd_add(&churn.crowd, churn_attach, &churn));
	ASSERT_EQ(0, crowd_add(&churn.crowd, churn_close, &churn));
	while (reads < NR_TURNS ||
	       goal_missed(churn.goals, ARRAY_SIZE(churn.goals))) {
		ASSERT_EQ(0, read_table(names[reads % 6], self->text, 512));
		reads++;
		if (thread_call_is_over(&churn.crowd.calls[0]) ||
		    thread_call_is_over(&churn.crowd.calls[1]) ||
		    thread_call_is_over(&churn.crowd.calls[2]))
			break;
	}
	EXPECT_EQ(0, crowd_end(&churn.crowd));
	EXPECT_LE(NR_TURNS, reads);
}

TEST_HARNESS_MAIN
