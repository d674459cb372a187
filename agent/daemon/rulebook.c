/* SPDX-License-Identifier: MIT */
/*
 * Policy files: which are read, and who may own them. What stands in one is rulebook_parse.c's
 * matter; see rulebook.h.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "daemon/rulebook.h"
#include "model/can_uuid.h"

#define POLICY_FILE_MAX  (1u << 20)
#define POLICY_FILES_MAX 1024

struct policy_file {
	char *name;
	char *path;
	const char *text; /* of one that is not there yet; NULL: it is */
};

struct policy_files {
	struct policy_file *items;
	size_t count;
};

static void policy_files_done(struct policy_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->items[i].name);
		free(files->items[i].path);
	}
	free(files->items);
	*files = (struct policy_files){ 0 };
}

static int complain(struct reasons *errors, const char *path, const char *problem, const char *fix)
{
	return reasons_add(errors, REASON_POLICY_INVALID, "%s: %s; %s", path, problem, fix);
}

static struct policy_file *policy_files_find(struct policy_files *files, const char *name)
{
	for (size_t i = 0; i < files->count; i++)
		if (text_equal(files->items[i].name, name))
			return &files->items[i];
	return NULL;
}

/* A file of the same name in a later directory takes the place of the earlier one. */
static int policy_files_put(struct policy_files *files, const char *directory, const char *name)
{
	_cleanup_(freep) char *path = text_format("%s/%s", directory, name);
	_cleanup_(freep) char *own_name = strdup(name);
	if (!path || !own_name)
		return -ENOMEM;
	struct policy_file *known = policy_files_find(files, name);
	if (known) {
		free(known->path);
		known->path = TAKE_PTR(path);
		return 0;
	}
	struct policy_file *grown = reallocarray(files->items, files->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	files->items = grown;
	files->items[files->count++] =
		(struct policy_file){ .name = TAKE_PTR(own_name), .path = TAKE_PTR(path) };
	return 0;
}

static bool is_policy_name(const char *name)
{
	size_t length = strlen(name);
	return name[0] != '.' && length > 5 && text_equal(name + length - 5, ".conf");
}

bool rulebook_is_file_name(const char *name)
{
	return is_policy_name(name) && !strchr(name, '/') && text_is_plain(name);
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static int scan_directory(const char *path, struct policy_files *files, struct reasons *errors)
{
	_cleanup_(closedirp) DIR *directory = opendir(path);
	if (!directory && errno == ENOENT)
		return 0;
	if (!directory)
		return complain(errors, path, strerror(errno),
			"make the directory readable for plugflashd");
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (!is_policy_name(entry->d_name))
			continue;
		if (!text_is_plain(entry->d_name)) {
			_cleanup_(freep) char *name = text_escape(entry->d_name);
			_cleanup_(freep) char *where =
				name ? text_format("%s/%s", path, name) : NULL;
			if (!where || complain(errors, where, "the name is not plain UTF-8 text",
					      "rename the file") < 0)
				return -ENOMEM;
			continue;
		}
		if (files->count >= POLICY_FILES_MAX)
			return complain(errors, path, "too many files", "keep them below 1024");
		int r = policy_files_put(files, path, entry->d_name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_files(const void *left, const void *right)
{
	const struct policy_file *a = left, *b = right;
	return strcmp(a->name, b->name);
}

/* 1: may be read; 0: not, and a complaint was made (or the file masks, silently). */
static int may_trust(int fd, const char *path, uid_t owner, struct reasons *errors)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return complain(errors, path, strerror(errno), "check the file");
	if (S_ISCHR(status.st_mode))
		return 0; /* a link to /dev/null */
	if (!S_ISREG(status.st_mode))
		return complain(errors, path, "not a regular file", "remove it");
	if (status.st_uid != 0 && status.st_uid != owner) {
		_cleanup_(freep) char *fix = text_format("run: chown root %s", path);
		return fix ? complain(errors, path, "not owned by root", fix) : -ENOMEM;
	}
	if (status.st_mode & (S_IWGRP | S_IWOTH)) {
		_cleanup_(freep) char *fix = text_format("run: chmod go-w %s", path);
		return fix ? complain(errors, path, "writable by others than its owner", fix)
			   : -ENOMEM;
	}
	if (status.st_size > POLICY_FILE_MAX)
		return complain(errors, path, "larger than 1 MiB", "this is no policy");
	return 1;
}

/* ---- a file that is not there yet -------------------------------------------------------- */

static int add_more(
	const struct rulebook_source *source, struct policy_files *files, struct reasons *errors)
{
	const struct policy_file *known = policy_files_find(files, source->more_name);
	if (known)
		return complain(errors, known->path, "the file exists already",
			"take another name, or remove it first");
	int r = policy_files_put(
		files, source->directories[source->directory_count - 1], source->more_name);
	if (r >= 0)
		policy_files_find(files, source->more_name)->text = source->more_text;
	return r;
}

static bool is_same_board(const struct policy_board *left, const struct policy_board *right)
{
	char left_uuid[CAN_UUID_TEXT] = "", right_uuid[CAN_UUID_TEXT] = "";
	if (left->serial && right->serial)
		return strcasecmp(left->serial, right->serial) == 0;
	if (left->serial)
		(void)can_uuid_from_serial(left->serial, left_uuid);
	if (right->serial)
		(void)can_uuid_from_serial(right->serial, right_uuid);
	const char *one = left->can_uuid ? left->can_uuid : left_uuid;
	const char *other = right->can_uuid ? right->can_uuid : right_uuid;
	return *one && strcasecmp(one, other) == 0;
}

/* One board, one name: which rule means it should not depend on their order. */
static int check_more(const struct policy *policy, const char *path, struct reasons *errors)
{
	for (size_t i = 0; i < policy->board_count; i++)
		for (size_t k = 0; k < policy->board_count; k++) {
			const struct policy_board *mine = &policy->boards[i];
			const struct policy_board *known = &policy->boards[k];
			bool is_more = text_equal(mine->origin.file, path);
			bool is_known = !text_equal(known->origin.file, path);
			if (!is_more || !is_known || !is_same_board(mine, known))
				continue;
			if (reasons_add(errors, REASON_POLICY_INVALID,
				    "%s:%u: this board is enrolled already, as \"%s\"; use that "
				    "name, or take that entry out",
				    known->origin.file, known->origin.line,
				    known->name ? known->name : "") < 0)
				return -ENOMEM;
		}
	return 0;
}

static int load_file(const char *path, uid_t owner, struct policy *policy, struct reasons *errors,
	struct reasons *warnings)
{
	_cleanup_(closep) int fd = file_open(path);
	if (fd < 0)
		return complain(errors, path, strerror(-fd), "make it readable: chmod 0644");
	int r = may_trust(fd, path, owner, errors);
	if (r <= 0)
		return r;
	_cleanup_(freep) uint8_t *text = NULL;
	size_t length;
	r = file_read_fd(fd, POLICY_FILE_MAX, &text, &length);
	if (r < 0)
		return complain(errors, path, strerror(-r), "check the file");
	if (strlen((char *)text) != length)
		return complain(errors, path, "holds a NUL byte", "this is no text");
	return rulebook_parse(path, (char *)text, policy, errors, warnings);
}

static int load_files(const struct rulebook_source *source, const struct policy_files *files,
	struct policy *policy, struct reasons *errors, struct reasons *warnings)
{
	const struct policy_file *more = NULL;
	for (size_t i = 0; i < files->count; i++) {
		const struct policy_file *file = &files->items[i];
		TRY(file->text ? rulebook_parse(file->path, file->text, policy, errors, warnings)
			       : load_file(file->path, source->owner, policy, errors, warnings));
		more = file->text ? file : more;
	}
	TRY(rulebook_check(policy, errors));
	return more ? check_more(policy, more->path, errors) : 0;
}

int rulebook_load(const struct rulebook_source *source, struct policy **ret, struct reasons *errors,
	struct reasons *warnings)
{
	_cleanup_(policy_files_done) struct policy_files files = { 0 };
	_cleanup_(policy_freep) struct policy *policy = policy_new();
	if (!policy)
		return -ENOMEM;

	size_t errors_before = errors->count;
	for (size_t i = 0; i < source->directory_count; i++)
		TRY(scan_directory(source->directories[i], &files, errors));
	if (source->more_name && source->directory_count > 0)
		TRY(add_more(source, &files, errors));
	if (files.count > 0)
		qsort(files.items, files.count, sizeof(*files.items), compare_files);
	TRY(load_files(source, &files, policy, errors, warnings));
	if (errors->count > errors_before)
		return RULEBOOK_INVALID;
	*ret = TAKE_PTR(policy);
	return 0;
}
