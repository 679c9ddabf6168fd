// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs of tools/iommufd, which scripts/build-tests puts into $TOOLS, or
 * /tests/tools: do they say what fdinfo says?
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "test_support.h"
#include "threads.h"

#define OUTPUT 32768
#define IOVA (16 * MIB)

/* Where the programs are; NULL: nowhere */
static const char *find_tools(void)
{
	const char *folder = getenv("TOOLS") ? : "/tests/tools";
	char path[256];

	snprintf(path, sizeof(path), "%s/iommufdtop", folder);
	return access(path, X_OK) ? NULL : folder;
}

FIXTURE(tools)
{
	const char *folder;
	char output[OUTPUT];
};

FIXTURE_SETUP(tools)
{
	self->folder = find_tools();
	if (!self->folder)
		SKIP(return, "no iommufdtop");
}

FIXTURE_TEARDOWN(tools)
{
}

/* What a program prints, on either output; its exit status */
static int run_of(const char *folder, char output[OUTPUT], const char *format,
		  ...)
{
	char command[2048];
	va_list args;
	size_t length;
	FILE *pipe;
	int n;

	n = snprintf(command, sizeof(command), "exec 2>&1; PATH=%s:$PATH; ",
		     folder);
	va_start(args, format);
	vsnprintf(command + n, sizeof(command) - n, format, args);
	va_end(args);
	fflush(NULL);
	pipe = popen(command, "re");
	if (!pipe)
		return -errno;
	length = fread(output, 1, OUTPUT - 1, pipe);
	output[length] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

#define RUN(...) run_of(self->folder, self->output, __VA_ARGS__)

#define EXPECT_SAYS(what) do {						\
	const char *what_ = (what);					\
									\
	EXPECT_NE(NULL, strstr(self->output, what_))			\
		TH_LOG("not \"%s\": %s", what_, self->output);		\
} while (0)

#define EXPECT_SILENT_ON(what) do {					\
	const char *what_ = (what);					\
									\
	EXPECT_EQ(NULL, strstr(self->output, what_))			\
		TH_LOG("\"%s\": %s", what_, self->output);		\
} while (0)

TEST_F(tools, why_explains_what_a_command_is_refused)
{
	EXPECT_EQ(2, RUN("iommufd-why see_client taken object"));
	EXPECT_SAYS("IOMMU_IOAS_MAP was refused: EEXIST");
	EXPECT_SAYS("at IOVA 0x1000000-0x1000fff something is mapped already: 0x1000000-0x10fffff");
	EXPECT_SAYS("do:   unmap that first");
	EXPECT_SAYS("IOMMU_DESTROY was refused: ENOENT");
	EXPECT_SAYS("there is no object 999");
	/* Each was told once, though the end of the process was looked at. */
	EXPECT_EQ(strstr(self->output, "EEXIST"),
		  strrchr(self->output, 'X') - 2);
}

TEST_F(tools, why_is_quiet_about_a_command_that_is_refused_nothing)
{
	EXPECT_EQ(0, RUN("iommufd-why see_client"));
	EXPECT_SAYS("nothing was refused");
	EXPECT_EQ(7, RUN("iommufd-why sh -c 'exit 7'"));
	EXPECT_EQ(128 + SIGKILL, RUN("iommufd-why sh -c 'kill -9 $$'"));
	EXPECT_EQ(127, RUN("iommufd-why /no/such/command"));
}

TEST_F(tools, why_follows_other_processes)
{
	EXPECT_EQ(0, RUN("iommufd-why sh -c 'see_client hole & wait; exit 0'"));
	EXPECT_SAYS("nothing is mapped at IOVA 0x1100000-0x1100fff");
}

TEST_F(tools, why_tells_how_much_more_memory_is_needed)
{
	const char *bdf = getenv("EDU_BDF");

	if (!bdf)
		SKIP(return, "no edu device");
	EXPECT_EQ(2, RUN("iommufd-why see_client -d %s memlock address", bdf));
	EXPECT_SAYS("why:  1 MiB are to be pinned;");
	EXPECT_SAYS("the limit of locked memory is 64 KiB");
	EXPECT_SAYS("do:   raise the limit by 960 KiB");
	EXPECT_SAYS("nothing is mapped at 0x0 in the process now");
}

TEST_F(tools, why_knows_whose_the_msi_window_is)
{
	const char *bdf = getenv("EDU_BDF");
	char wanted[128];

	if (!bdf)
		SKIP(return, "no edu device");
	EXPECT_EQ(1, RUN("iommufd-why see_client -d %s msi", bdf));
	snprintf(wanted, sizeof(wanted),
		 "0xfee00000-0xfeefffff is the MSI window of %s", bdf);
	EXPECT_SAYS(wanted);
}

/*
 * Of this process
 */

FIXTURE(holder)
{
	const char *folder;
	char output[OUTPUT];
	int fd;
	__u32 ioas;
	__u64 iova;
};

FIXTURE_SETUP(holder)
{
	self->folder = find_tools();
	if (!self->folder)
		SKIP(return, "no iommufdtop");
	self->fd = iommufd_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas));
	ASSERT_EQ(0, ioas_map(self->fd, self->ioas, anonymous(MIB), MIB,
			      &self->iova));
	ASSERT_EQ(0, ioas_map(self->fd, self->ioas, anonymous(MIB), MIB,
			      &self->iova));
}

FIXTURE_TEARDOWN(holder)
{
	close(self->fd);
}

TEST_F(holder, top_says_what_fdinfo_says)
{
	char wanted[64];

	ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_SUCH_ID));
	EXPECT_EQ(0, RUN("iommufdtop --json --filter=%d", getpid()));
	snprintf(wanted, sizeof(wanted), "\"pid\":%d,", getpid());
	EXPECT_SAYS(wanted);
	snprintf(wanted, sizeof(wanted), "\"fd\":%d,", self->fd);
	EXPECT_SAYS(wanted);
	EXPECT_SAYS("\"areas\":2,");
	EXPECT_SAYS("\"mapped\":2097152,");
	EXPECT_SAYS("\"pinned\":0");
	EXPECT_SAYS("\"refused\":1,");
	EXPECT_SAYS("\"reason\":\"no-object\"");
	EXPECT_SAYS("\"charged\":\"user\"");

	EXPECT_EQ(0, RUN("iommufdtop --once --filter=%d", getpid()));
	EXPECT_SAYS("2 MiB");
	EXPECT_SAYS("IOAS 1, no device");
	EXPECT_SAYS("refused: IOMMU_DESTROY: ENOENT: there is no object");
}

TEST_F(holder, top_counts_a_file_once)
{
	EXPECT_EQ(0, RUN("iommufdtop --once --delay=0.1"));
	/* maps, unmaps and refusals */
	EXPECT_SAYS("  0        0        0  ");
	EXPECT_EQ(0, RUN("iommufdtop --once --filter=nothing_of_that_name"));
	EXPECT_SILENT_ON("no device");
}

struct mapper {
	struct crowd crowd;
	int iommufd;
	__u32 ioas;
	void *va;
	unsigned int turns;
};

static int map_and_unmap(void *data)
{
	struct mapper *mapper = data;
	__u64 iova;
	int rc = 0;

	while (!rc && !crowd_is_over(&mapper->crowd)) {
		rc = ioas_map(mapper->iommufd, mapper->ioas, mapper->va,
			      SMALL_PAGE, &iova);
		if (!rc)
			rc = ioas_unmap(mapper->iommufd, mapper->ioas, iova,
					SMALL_PAGE, NULL);
		__atomic_add_fetch(&mapper->turns, 1, __ATOMIC_RELAXED);
	}
	return rc;
}

static double number_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtod(at + strlen(key), NULL) : -1;
}

TEST_F(holder, top_tells_how_often_it_maps)
{
	struct mapper mapper = {
		.iommufd = self->fd,
		.ioas = self->ioas,
		.va = anonymous(SMALL_PAGE),
	};

	EXPECT_EQ(0, RUN("iommufdtop --json --delay=0.1 --filter=%d",
			 getpid()));
	EXPECT_EQ(0, number_of(self->output, "\"maps_per_second\":"));
	EXPECT_EQ(0, number_of(self->output, "\"unmaps_per_second\":"));

	ASSERT_EQ(0, crowd_add(&mapper.crowd, map_and_unmap, &mapper));
	EXPECT_EQ(0, RUN("iommufdtop --json --delay=0.5 --filter=%d",
			 getpid()));
	EXPECT_EQ(0, crowd_end(&mapper.crowd));
	EXPECT_LT(0, number_of(self->output, "\"maps_per_second\":"));
	EXPECT_LT(0, number_of(self->output, "\"unmaps_per_second\":"));
	/* Not more than there was */
	EXPECT_GE(mapper.turns / 0.5,
		  number_of(self->output, "\"maps_per_second\":"));
	EXPECT_GE(mapper.turns + 2,
		  number_of(self->output, "\"maps\":"));
	EXPECT_LT(2, number_of(self->output, "\"maps\":"));
}

TEST_F(holder, why_tells_of_a_process_and_of_a_file)
{
	EXPECT_EQ(0, RUN("iommufd-why %d", getpid()));
	EXPECT_SAYS("nothing was refused");
	ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_SUCH_ID));
	ASSERT_EQ(-EINVAL, ioas_map_flags(self->fd, self->ioas, 0, NULL, 0,
					  &self->iova));
	EXPECT_EQ(1, RUN("iommufd-why %d", getpid()));
	EXPECT_SAYS("there is no object 2147418112");
	EXPECT_SAYS("neither reading nor writing is to be allowed");
	EXPECT_EQ(1, RUN("iommufd-why --last /proc/%d/fd/%d", getpid(),
			 self->fd));
	EXPECT_SILENT_ON("no object");
	EXPECT_EQ(1, RUN("iommufd-why --json %d", getpid()));
	EXPECT_SAYS("\"numbers\":{\"id\":2147418112}");
	EXPECT_EQ(2, RUN("iommufd-why /proc/%d/fd/0", getpid()));
	EXPECT_EQ(2, RUN("iommufd-why 1"));
}

TEST_F(holder, why_tells_what_has_happened)
{
	char wanted[96];

	ASSERT_EQ(0, prctl(PR_SET_NAME, "\033[2J a"));
	ASSERT_EQ(-ENOENT, ioas_unmap(self->fd, self->ioas, self->iova, 4096,
				      NULL));
	ASSERT_EQ(0, ioas_unmap(self->fd, self->ioas, self->iova, MIB, NULL));
	EXPECT_EQ(0, RUN("iommufd-why --records %d", getpid()));
	EXPECT_SAYS(": 4 of 4 records\n");
	snprintf(wanted, sizeof(wanted), "%#llx-%#llx of IOAS %u, by thread %d",
		 self->iova, self->iova + MIB - 1, self->ioas, getpid());
	EXPECT_SAYS(wanted);
	EXPECT_SAYS(" s ago  map ");
	EXPECT_SAYS(" (\\x1b[2J\\x20a): ENOENT\n");
	EXPECT_SAYS(" (\\x1b[2J\\x20a)\n");
	EXPECT_SILENT_ON("\033");
	EXPECT_EQ(0, RUN("iommufd-why --records --json /proc/%d/fd/%d",
			 getpid(), self->fd));
	EXPECT_SAYS("\"number\":4,");
	EXPECT_SAYS("\"what\":\"unmap\",");
	EXPECT_SILENT_ON("\033");
	EXPECT_EQ(2, RUN("iommufd-why --records true"));
}

/* A name may try to clear the terminal, or begin a new line. */
TEST_F(holder, hostile_names_do_not_reach_a_terminal)
{
	ASSERT_EQ(-ENOENT, iommufd_destroy(self->fd, NO_SUCH_ID));
	ASSERT_EQ(0, prctl(PR_SET_NAME, "\033[2J\n\\\x9bx"));
	EXPECT_EQ(1, RUN("iommufd-why %d", getpid()));
	EXPECT_SAYS("\\x1b[2J\\x0a\\x5c\\x9bx");
	EXPECT_SILENT_ON("\033");
	EXPECT_EQ(0, RUN("iommufdtop --once --filter=%d", getpid()));
	EXPECT_SAYS("\\x1b[2J\\x0a\\x5c\\x9bx");
	EXPECT_SILENT_ON("\033");
	EXPECT_SILENT_ON("\x9b");
	EXPECT_EQ(0, RUN("iommufdtop --json --filter=%d", getpid()));
	EXPECT_SILENT_ON("\033");
}

TEST_F(holder, strangers_are_told_nothing)
{
	pid_t pid;

	pid = fork();
	if (!pid) {
		close(self->fd);
		if (become_stranger())
			_exit(255);
		_exit(RUN("iommufd-why %d", getppid()));
	}
	EXPECT_EQ(2, child_status(pid));
}

TEST_F(holder, map_draws_what_is_mapped)
{
	char wanted[64];

	EXPECT_EQ(0, RUN("iommufd-map %d", getpid()));
	EXPECT_SAYS("IOAS 1, no device");
	EXPECT_SAYS("2 areas, 2 MiB mapped, 0 B pinned\n");
	snprintf(wanted, sizeof(wanted), "0x%llx-0x%llx  ooo", self->iova,
		 self->iova + MIB - 1);
	EXPECT_SAYS(wanted);
	EXPECT_SAYS("1 MiB rw, not pinned; process at 0x");
	EXPECT_SAYS("free");
	EXPECT_SILENT_ON("\033");
	EXPECT_EQ(0, RUN("iommufd-map --color=always /proc/%d/fd/%d", getpid(),
			 self->fd));
	EXPECT_SAYS("\033[36mooo\033[0m");
	EXPECT_EQ(0, RUN("iommufd-map --utf8 %d", getpid()));
	EXPECT_SAYS("\u2591\u2591\u2591");
	EXPECT_EQ(0, RUN("iommufd-map --utf8 --ascii %d", getpid()));
	EXPECT_SAYS("ooo");
}

TEST_F(holder, map_draws_what_is_allowed)
{
	const __u64 last = self->iova + MIB - 1;
	struct iommu_iova_range range = {
		self->iova & -GIB, self->iova | (GIB - 1)
	};
	char wanted[64];

	ASSERT_EQ(0, ioas_allow_iovas(self->fd, self->ioas, &range, 1));
	EXPECT_EQ(0, RUN("iommufd-map %d", getpid()));
	EXPECT_SAYS("not allowed");
	snprintf(wanted, sizeof(wanted), "0x%llx-0x%llx", last + 1,
		 self->iova | (GIB - 1));
	EXPECT_SAYS(wanted);
	EXPECT_EQ(0, RUN("iommufd-map --rows=3 %d", getpid()));
	EXPECT_SAYS("2 MiB in 2 areas");
}

TEST_F(holder, map_escapes_names_in_pictures)
{
	ASSERT_EQ(0, prctl(PR_SET_NAME, "\033[2J</x>&\x9b"));
	EXPECT_EQ(0, RUN("iommufd-map --svg=- %d", getpid()));
	EXPECT_SAYS("\\x1b[2J&lt;/x&gt;&amp;\\x9b (");
	EXPECT_SAYS("</svg>");
	EXPECT_SILENT_ON("\033");
	EXPECT_SILENT_ON("</x>");
	EXPECT_EQ(0, RUN("iommufd-map %d", getpid()));
	EXPECT_SAYS("\\x1b[2J</x>&\\x9b (");
	EXPECT_SILENT_ON("\033");
	EXPECT_SILENT_ON("\x9b");
}

TEST_F(holder, map_tells_sizes_without_debugfs)
{
	EXPECT_EQ(1, RUN("iommufd-map --debugfs=/nowhere %d", getpid()));
	EXPECT_SAYS("2 areas, 2 MiB mapped, 0 B pinned");
	EXPECT_SAYS("only root is told");
	EXPECT_EQ(2, RUN("iommufd-map --debugfs=/nowhere --svg=- %d",
			 getpid()));
	EXPECT_EQ(2, RUN("iommufd-map --ioas=77 %d", getpid()));
	EXPECT_EQ(2, RUN("iommufd-map 1"));
}

/* Tables that nobody has written like this */
TEST_F(holder, map_bears_any_tables)
{
	char folder[] = "/tmp/tablesXXXXXX";

	ASSERT_NE(NULL, mkdtemp(folder));
	EXPECT_EQ(0, RUN("n=$(sed -n 's/iommu-context:.//p' /proc/%d/fdinfo/%d);"
			 "printf \"context=$n ioas=1 iova=0x2000 last=0x1000\\n"
			 "context=$n ioas=1\\ncontext=$n\\nnothing\\n"
			 "context=$n ioas=1 iova=0x9000 last=0xffffffffffffffff source=\033[2Jaaaaaaaaaaaaaaaaaaaaaa runs=7\\n"
			 "context=$n ioas=1 iova=0x0 last=0xfff\\n\" >%s/areas;"
			 "cp %s/areas %s/reserved; : >%s/allowed;"
			 "iommufd-map --debugfs=%s %d", getpid(), self->fd,
			 folder, folder, folder, folder, folder, getpid()));
	EXPECT_SAYS("0x9000-0xffffffffffffffff");
	EXPECT_SILENT_ON("\033");
	RUN("rm -r %s", folder);
}

TEST_F(tools, map_knows_devices)
{
	const char *bdf = getenv("EDU_BDF");
	char wanted[128];

	if (!bdf)
		SKIP(return, "no edu device");
	/* The client holds until the other end of its input is closed. */
	EXPECT_EQ(0, RUN("rm -f /tmp/input; mkfifo /tmp/input;"
			 "see_client --hold --device=%s </tmp/input | { exec 3>/tmp/input; read -r ready; iommufd-map; }",
			 bdf));
	snprintf(wanted, sizeof(wanted), "IOAS 1, on %s", bdf);
	EXPECT_SAYS(wanted);
	snprintf(wanted, sizeof(wanted), "1 MiB reserved for %s", bdf);
	EXPECT_SAYS(wanted);
	EXPECT_SAYS("0x1600000-0x19fffff");
	EXPECT_SAYS("4 MiB rw, ");
	EXPECT_SAYS("beyond a page table");
}

TEST_F(tools, the_example_does_dma)
{
	const char *bdf = getenv("EDU_BDF");

	if (!bdf)
		SKIP(return, "no edu device");
	EXPECT_EQ(0, RUN("example %s", bdf));
	EXPECT_SAYS("the device says: hello, device");
	EXPECT_EQ(1, RUN("example ffff:ff:1f.7"));
	EXPECT_SAYS("ffff:ff:1f.7: No such device");
}

TEST_HARNESS_MAIN
