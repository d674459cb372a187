/* SPDX-License-Identifier: MIT */
/*
 * Feeds every file of the directories given as arguments to a fuzz target, without a fuzzer: so
 * that inputs which once broke something are tried on every machine. Speaks TAP.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "base/file.h"
#include "base/text.h"

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void dirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static int replay_file(const char *path)
{
	_cleanup_(freep) uint8_t *data = NULL;
	size_t length;
	int r = file_read(path, INPUT_MAX, &data, &length);
	if (r < 0)
		return r;
	/* Of the exact size: file_read() puts a NUL behind, which would hide a read past the end.
	 */
	uint8_t *exact = realloc(data, length ? length : 1);
	if (!exact)
		return -1;
	data = exact;
	printf("# %s\n", path);
	fflush(stdout); /* names the culprit if the next line never comes */
	LLVMFuzzerTestOneInput(data, length);
	return 0;
}

/* The number of files, or negative. */
static int replay_directory(const char *path)
{
	_cleanup_(dirp) DIR *directory = opendir(path);
	if (!directory)
		return -1;
	int count = 0;
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		_cleanup_(freep) char *file = text_format("%s/%s", path, entry->d_name);
		if (!file || replay_file(file) < 0) {
			printf("# cannot read %s\n", entry->d_name);
			return -1;
		}
		count++;
	}
	return count;
}

int main(int argc, char *argv[])
{
	bool passed = argc > 1;
	printf("TAP version 13\n1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		int count = replay_directory(argv[i]);
		printf("%sok %d - %d inputs replayed from %s\n", count > 0 ? "" : "not ", i,
			count > 0 ? count : 0, argv[i]);
		passed = passed && count > 0;
	}
	return passed ? 0 : 1;
}
