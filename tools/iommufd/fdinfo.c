// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kcmp.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "fdinfo.h"
#include "words.h"

#define MISC_MAJOR 10
#define VFIO_MINOR 196

/*
 * The lines of fdinfo
 */

static void parse_object_word(struct iommu_object *object,
			      const struct word *word)
{
	/* The name comes first of what has no value. */
	if (!word->value && !strcmp(object->type, "device") &&
	    !object->device[0])
		word_copy(object->device, sizeof(object->device), word->text);
	else if (word_is(word, "ioas"))
		object->ioas = word->number;
	else if (word_is(word, "hwpt") || word_is(word, "parent"))
		object->hwpt = word->number;
	else if (word_is(word, "areas"))
		object->areas = word->number;
	else if (word_is(word, "mapped"))
		object->mapped = word->number;
	else if (word_is(word, "pinned"))
		object->pinned = word->number;
	else if (word_is(word, "maps"))
		object->maps = word->number;
	else if (word_is(word, "unmaps"))
		object->unmaps = word->number;
	else if (word_is(word, "waiting"))
		object->waiting = word->number;
}

static int parse_object(struct iommu_file *file, uint32_t id, char *words)
{
	struct iommu_object *object;
	struct word word;

	object = array_grow(file->objects, file->nr_listed, sizeof(*object));
	if (!object)
		return -ENOMEM;
	file->objects = object;
	object += file->nr_listed++;
	*object = (struct iommu_object){ .id = id };
	if (word_next(&words, &word))
		word_copy(object->type, sizeof(object->type), word.text);
	while (word_next(&words, &word))
		parse_object_word(object, &word);
	return 0;
}

static void parse_refusal_word(struct iommu_refused *refused,
			       unsigned int *nr, const struct word *word)
{
	if (!word->value)
		return;
	if (word_is(word, "why")) {
		refused->what.why = word->number;
	} else if (word_is(word, "errno")) {
		refused->what.error = word->number;
	} else if (word_is(word, "command")) {
		refused->what.command = word->number;
	} else if (word_is(word, "thread")) {
		refused->what.thread = word->number;
	} else if (word_is(word, "time")) {
		refused->what.time = word->number;
	} else if (*nr < IOMMUFD_WHY_NUMBERS) {
		snprintf(refused->numbers[*nr], sizeof(refused->numbers[0]),
			 "%.*s", word->length, word->text);
		refused->what.numbers[(*nr)++] = word->number;
	}
}

static int parse_refusal(struct iommu_file *file, uint64_t number, char *words)
{
	struct iommu_refused *refused;
	unsigned int nr = 0;
	struct word word;

	refused = array_grow(file->refused, file->nr_kept, sizeof(*refused));
	if (!refused)
		return -ENOMEM;
	file->refused = refused;
	refused += file->nr_kept++;
	*refused = (struct iommu_refused){ .what.number = number };
	if (word_next(&words, &word))
		word_copy(refused->name, sizeof(refused->name), word.text);
	while (word_next(&words, &word))
		parse_refusal_word(refused, &nr, &word);
	return 0;
}

static void parse_record_word(struct iommu_kept_record *record,
			      const struct word *word)
{
	if (!word->value)
		return;
	if (word_is(word, "errno"))
		record->error = word->number;
	else if (word_is(word, "thread"))
		record->thread = word->number;
	else if (word_is(word, "time"))
		record->time = word->number;
	else if (word_is(word, "object"))
		record->object = word->number;
	else if (word_is(word, "device"))
		record->device = word->number;
	else if (word_is(word, "pasid"))
		record->pasid = word->number;
	else if (word_is(word, "iova"))
		record->iova = word->number;
	else if (word_is(word, "last"))
		record->last = word->number;
	else if (word_is(word, "detail"))
		record->detail = word->number;
	else if (word_is(word, "comm"))
		word_copy(record->comm, sizeof(record->comm), word->value);
}

static int parse_record(struct iommu_file *file, uint64_t number, char *words)
{
	struct iommu_kept_record *record;
	struct word word;

	record = array_grow(file->records, file->nr_records, sizeof(*record));
	if (!record)
		return -ENOMEM;
	file->records = record;
	record += file->nr_records++;
	*record = (struct iommu_kept_record){ .number = number };
	if (word_next(&words, &word))
		word_copy(record->what, sizeof(record->what), word.text);
	while (word_next(&words, &word))
		parse_record_word(record, &word);
	return 0;
}

/* What follows @prefix in @key; NULL if that is not in front. */
static const char *behind(const char *key, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(key, prefix, length) ? NULL : key + length;
}

static int parse_line(struct iommu_file *file, char *line)
{
	char *words = strchr(line, ':');
	const char *number;

	if (!words)
		return 0;
	*words++ = '\0';
	words += strspn(words, " \t");
	words[strcspn(words, "\n")] = '\0';
	number = behind(line, "iommu-object-");
	if (number)
		return parse_object(file, strtoul(number, NULL, 10), words);
	number = behind(line, "iommu-refused-");
	if (number)
		return parse_refusal(file, strtoull(number, NULL, 10), words);
	number = behind(line, "iommu-record-");
	if (number)
		return parse_record(file, strtoull(number, NULL, 10), words);
	if (!strcmp(line, "iommu-charged")) {
		word_copy(file->charged, sizeof(file->charged), words);
	} else if (!strcmp(line, "iommu-context")) {
		file->context = strtoull(words, NULL, 10);
	} else if (!strcmp(line, "iommu-objects")) {
		file->nr_objects = strtoull(words, NULL, 10);
		file->told = true;
	} else if (!strcmp(line, "iommu-refused")) {
		file->nr_refused = strtoull(words, NULL, 10);
	} else if (!strcmp(line, "iommu-recorded")) {
		file->nr_recorded = strtoull(words, NULL, 10);
	}
	return 0;
}

static int read_fdinfo(struct iommu_file *file)
{
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *fdinfo;
	int rc = 0;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", file->pid,
		 file->fd);
	fdinfo = fopen(path, "re");
	if (!fdinfo)
		return -errno;
	while (!rc && getline(&line, &size, fdinfo) >= 0)
		rc = parse_line(file, line);
	free(line);
	fclose(fdinfo);
	return rc;
}

/*
 * Processes
 */

/* A command may have any byte but 0, and a line feed too. */
static void read_command(struct iommu_file *file)
{
	char path[64];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", file->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	length = read(fd, file->command, sizeof(file->command) - 1);
	close(fd);
	if (length > 0 && file->command[length - 1] == '\n')
		length--;
	file->command[length > 0 ? length : 0] = '\0';
}

static void read_path(struct iommu_file *file)
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", file->pid, file->fd);
	length = readlink(link, file->path, sizeof(file->path) - 1);
	file->path[length > 0 ? length : 0] = '\0';
}

static bool is_misc_device(pid_t pid, int fd, bool *is_container)
{
	struct stat info;
	char link[64];

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, fd);
	if (stat(link, &info) || !S_ISCHR(info.st_mode) ||
	    major(info.st_rdev) != MISC_MAJOR)
		return false;
	*is_container = minor(info.st_rdev) == VFIO_MINOR;
	return true;
}

int fdinfo_read(pid_t pid, int fd, struct iommu_file *file)
{
	struct stat info;
	bool is_container;
	char path[32];
	int rc;

	*file = (struct iommu_file){ .pid = pid, .fd = fd };
	if (!is_misc_device(pid, fd, &is_container))
		return -ENOENT;
	rc = read_fdinfo(file);
	if (!rc && !file->told && !is_container)
		rc = -ENOENT;
	if (rc) {
		fdinfo_free(file);
		return rc;
	}
	read_command(file);
	read_path(file);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (!stat(path, &info))
		file->uid = info.st_uid;
	return 0;
}

void fdinfo_free(struct iommu_file *file)
{
	free(file->objects);
	free(file->refused);
	free(file->records);
	file->objects = NULL;
	file->refused = NULL;
	file->records = NULL;
}

void fdinfo_free_all(struct iommu_files *files)
{
	size_t i;

	for (i = 0; i < files->nr; i++)
		fdinfo_free(&files->files[i]);
	free(files->files);
	*files = (struct iommu_files){};
}

/* Where the kernel does not tell, each descriptor counts for itself. */
static bool is_same_file(const struct iommu_file *a, const struct iommu_file *b)
{
	return !syscall(SYS_kcmp, a->pid, b->pid, KCMP_FILE, a->fd, b->fd);
}

static int add_file(struct iommu_files *files, const struct iommu_file *file)
{
	struct iommu_file *array;
	size_t i;

	array = array_grow(files->files, files->nr, sizeof(*array));
	if (!array)
		return -ENOMEM;
	files->files = array;
	array[files->nr] = *file;
	for (i = 0; i < files->nr && !array[files->nr].shared; i++)
		array[files->nr].shared = is_same_file(&array[i], file);
	files->nr++;
	return 0;
}

static int scan_process(pid_t pid, struct iommu_files *files)
{
	const struct dirent *entry;
	struct iommu_file file;
	char path[32];
	int rc = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!rc && (entry = readdir(dir))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		/* What is closed meanwhile is no error. */
		if (fdinfo_read(pid, atoi(entry->d_name), &file))
			continue;
		rc = add_file(files, &file);
		if (rc)
			fdinfo_free(&file);
	}
	closedir(dir);
	return rc;
}

static int scan_all(struct iommu_files *files)
{
	const struct dirent *entry;
	int rc = 0;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return -errno;
	while (rc != -ENOMEM && (entry = readdir(dir))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		rc = scan_process(atoi(entry->d_name), files);
		if (rc == -EACCES || rc == -EPERM)
			files->unreadable++;
	}
	closedir(dir);
	return rc == -ENOMEM ? rc : 0;
}

int fdinfo_scan(pid_t pid, struct iommu_files *files)
{
	int rc;

	*files = (struct iommu_files){};
	rc = pid ? scan_process(pid, files) : scan_all(files);
	if (rc)
		fdinfo_free_all(files);
	return rc;
}

/*
 * What belongs together
 */

void fdinfo_sum(const struct iommu_file *file, struct iommu_object *sum)
{
	const struct iommu_object *object;
	size_t i;

	*sum = (struct iommu_object){};
	for (i = 0; i < file->nr_listed; i++) {
		object = &file->objects[i];
		sum->areas += object->areas;
		sum->mapped += object->mapped;
		sum->pinned += object->pinned;
		sum->maps += object->maps;
		sum->unmaps += object->unmaps;
		sum->waiting += object->waiting;
	}
}

static const struct iommu_object *find_object(const struct iommu_file *file,
					      uint32_t id)
{
	size_t i;

	for (i = 0; i < file->nr_listed; i++)
		if (file->objects[i].id == id)
			return &file->objects[i];
	return NULL;
}

uint32_t fdinfo_ioas_of(const struct iommu_file *file,
			const struct iommu_object *object)
{
	unsigned int steps;

	/* device, nested page table, its parent; IDs may come anew meanwhile */
	for (steps = 0; object && steps < 4; steps++) {
		if (!strcmp(object->type, "ioas"))
			return object->id;
		if (object->ioas)
			return object->ioas;
		if (!object->hwpt)
			return 0;
		object = find_object(file, object->hwpt);
	}
	return 0;
}
