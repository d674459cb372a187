/* SPDX-License-Identifier: MIT */
/*
 * How long the first look at a thousand firmware files takes, and the next one, when none of them
 * has changed. Files that are named as arguments are copied in turn until there are a thousand;
 * none: made ones in four formats.
 */
#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "bench/figures.h"
#include "daemon/store.h"
#include "unit/make_image.h"

#define FILES      1000
#define BYTES      (64u << 10)
#define FILE_BYTES (32u << 20)

struct bench {
	char directory[64];
	struct store *store;
	struct policy *policy;
};

static void put(const struct bench *bench, unsigned number, const uint8_t *bytes, size_t length)
{
	_cleanup_(freep) char *path = text_format("%s/%u", bench->directory, number);
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	if (!file || fwrite(bytes, 1, length, file) != length)
		abort();
}

static void make_one(const struct bench *bench, unsigned number)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(BYTES, number);
	const struct made_segment whole = { 0x10000000, bytes, BYTES };
	_cleanup_(freep) uint8_t *wrapped = NULL;
	size_t length = BYTES;
	switch (number % 4) {
	case 0:
		put(bench, number, bytes, length);
		return;
	case 1:
		wrapped = make_uf2(bytes, BYTES, 0x10000000, MADE_FAMILY_RP2040, &length);
		break;
	case 2:
		wrapped = make_hex(&whole, 1, &length);
		break;
	default:
		wrapped = make_elf(&whole, 1, &length);
	}
	put(bench, number, wrapped, length);
}

static void copy_one(const struct bench *bench, unsigned number, const char *from)
{
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t length;
	int r = file_read(from, FILE_BYTES, &bytes, &length);
	if (r < 0)
		abort();
	put(bench, number, bytes, length);
}

static void look(struct bench *bench)
{
	const struct store_entry *entries;
	size_t count;
	int r = store_look(bench->store, bench->policy, &entries, &count);
	if (r < 0 || count != FILES)
		abort();
}

static void do_look_cold(void *context, unsigned round)
{
	struct bench *bench = context;
	(void)round;
	bench->store = store_free(bench->store);
	int r = store_new(bench->directory, &bench->store);
	if (r < 0)
		abort();
	look(bench);
}

static void do_look_again(void *context, unsigned round)
{
	(void)round;
	look(context);
}

int main(int argc, char **argv)
{
	struct bench bench = { .directory = "/tmp/plugflash-bench-XXXXXX", .policy = policy_new() };
	if (!bench.policy || !mkdtemp(bench.directory))
		abort();
	for (unsigned i = 0; i < FILES; i++) {
		if (argc > 1)
			copy_one(&bench, i, argv[1 + (int)i % (argc - 1)]);
		else
			make_one(&bench, i);
	}
	figure("first look at 1000 files", 3, 3000000, do_look_cold, &bench);
	figure("the next look at 1000 files", 51, 20000, do_look_again, &bench);
	store_free(bench.store);
	policy_free(bench.policy);
	_cleanup_(freep) char *command = text_format("rm -rf %s", bench.directory);
	return system(command) == 0 ? figures_end() : EXIT_FAILURE;
}
