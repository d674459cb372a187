/* SPDX-License-Identifier: MIT */
/*
 * `plugflash inspect` of 1 MiB of firmware against sha256sum of the same file, and what hostile
 * files cost it. The program is named as argument.
 */
#include <assert.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/text.h"
#include "unit/make_image.h"

#define MIB          (1u << 20)
#define ROUNDS       51
#define RATIO_BAR    3.0
#define HOSTILE_MSEC 100.0
#define HOSTILE_KIB  (16 << 10)

extern char **environ;

static char directory[] = "/tmp/plugflash-bench-XXXXXX";
static const char *plugflash;
static bool all_kept = true;

/* ---- running ----------------------------------------------------------------------------- */

struct run {
	double msec;
	long peak_kib;
	int status;
};

static struct run run(char *const argv[])
{
	struct run result = { 0 };
	struct rusage usage;
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	pid_t pid;
	uint64_t began = clock_usec(CLOCK_MONOTONIC);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0 ||
		wait4(pid, &result.status, 0, &usage) < 0)
		abort();
	result.msec = (double)(clock_usec(CLOCK_MONOTONIC) - began) / 1e3;
	result.peak_kib = usage.ru_maxrss;
	posix_spawn_file_actions_destroy(&actions);
	return result;
}

static struct run run_inspect(const char *path)
{
	return run((char *const[]){ (char *)plugflash, (char *)"inspect", (char *)path, NULL });
}

static struct run run_sha256sum(const char *path)
{
	return run((char *const[]){ (char *)"sha256sum", (char *)path, NULL });
}

static int compare_msec(const void *left, const void *right)
{
	const double *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

static void tell(bool is_kept, const char *name, const char *bar)
{
	printf("%s - %s %s\n", is_kept ? "ok" : "not ok", name, bar);
	fflush(stdout);
	all_kept &= is_kept;
}

static void compare(const char *name, const char *path)
{
	double ours[ROUNDS], theirs[ROUNDS];
	long peak = 0;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct run inspected = run_inspect(path);
		ours[i] = inspected.msec;
		theirs[i] = run_sha256sum(path).msec;
		peak = inspected.peak_kib > peak ? inspected.peak_kib : peak;
		if (inspected.status != 0)
			abort();
	}
	qsort(ours, ROUNDS, sizeof(*ours), compare_msec);
	qsort(theirs, ROUNDS, sizeof(*theirs), compare_msec);
	double ratio = ours[ROUNDS / 2] / theirs[ROUNDS / 2];
	printf("# FIGURE inspect of 1 MiB as %s: median %.2f ms, sha256sum %.2f ms, ratio %.2f, "
	       "peak %ld KiB\n",
		name, ours[ROUNDS / 2], theirs[ROUNDS / 2], ratio, peak);
	tell(ratio <= RATIO_BAR, name, "is inspected in three times of sha256sum");
}

static void judge_hostile(const char *name, const char *path)
{
	double worst = 0;
	long peak = 0;
	bool is_refused = true;
	for (unsigned i = 0; i < 11; i++) {
		struct run result = run_inspect(path);
		worst = result.msec > worst ? result.msec : worst;
		peak = result.peak_kib > peak ? result.peak_kib : peak;
		is_refused &= WIFEXITED(result.status) && WEXITSTATUS(result.status) == 1;
	}
	printf("# FIGURE %s: worst %.1f ms, peak %ld KiB\n", name, worst, peak);
	tell(is_refused && worst < HOSTILE_MSEC && peak < HOSTILE_KIB, name,
		"is refused in 100 ms and 16 MiB");
}

/* ---- files ------------------------------------------------------------------------------- */

static char *path_of(const char *name)
{
	char *path = text_format("%s/%s", directory, name);
	if (!path)
		abort();
	return path;
}

static void put(const char *name, const void *bytes, size_t length)
{
	_cleanup_(freep) char *path = path_of(name);
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	if (!file || fwrite(bytes, 1, length, file) != length)
		abort();
}

static void put_formats(void)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(MIB, 1);
	const struct made_segment whole = { 0x10000000, bytes, MIB };
	size_t length;
	_cleanup_(freep) uint8_t *uf2 =
		make_uf2(bytes, MIB, 0x10000000, MADE_FAMILY_RP2040, &length);
	put("a.uf2", uf2, length);
	_cleanup_(freep) uint8_t *hex = make_hex(&whole, 1, &length);
	put("a.hex", hex, length);
	_cleanup_(freep) uint8_t *elf = make_elf(&whole, 1, &length);
	put("a.elf", elf, length);
	_cleanup_(freep) uint8_t *packed = make_gzip(bytes, MIB, &length);
	put("a.bin.gz", packed, length);
	put("a.bin", bytes, MIB);
}

/* 1 GiB of zeros in about 1 MiB. */
static void put_bomb(void)
{
	static uint8_t zeros[MIB];
	_cleanup_(freep) char *path = path_of("bomb.gz");
	gzFile file = gzopen(path, "wb9");
	for (unsigned i = 0; i < 1024; i++)
		if (!file || gzwrite(file, zeros, sizeof(zeros)) <= 0)
			abort();
	gzclose(file);
}

static void put_endless_uf2(void)
{
	_cleanup_(freep) uint8_t *file = malloc(MIB);
	uint8_t payload[256] = { 0 };
	assert(file);
	for (uint32_t i = 0; i < MIB / MADE_BLOCK; i++) {
		const struct made_block block = {
			.address = 0x10000000 + i * 256,
			.number = i,
			.count = UINT32_MAX,
			.family = MADE_FAMILY_RP2040,
			.payload = payload,
			.length = sizeof(payload),
		};
		make_uf2_block(&block, file + (size_t)i * MADE_BLOCK);
	}
	put("endless.uf2", file, MIB);
}

/* As many segments as the header can count, each of them all of the file. */
static void put_overlapping_elf(void)
{
	size_t length;
	_cleanup_(freep) uint8_t *body = calloc(1, MIB);
	const struct made_segment segment = { 0x10000000, body, MIB };
	_cleanup_(freep) uint8_t *file = make_elf(&segment, 1, &length);
	const size_t count = MIB / MADE_ELF_SEGMENT - 4;
	write_u16(file + 44, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		uint8_t *at = file + MADE_ELF_HEADER + i * MADE_ELF_SEGMENT;
		write_u32(at, 1);
		write_u32(at + 4, 0);
		write_u32(at + 12, 0x10000000 + (uint32_t)i);
		write_u32(at + 16, MIB);
		write_u32(at + 20, MIB);
	}
	put("overlapping.elf", file, length);
}

static void put_deep_json(void)
{
	const size_t depth = 100000;
	_cleanup_(freep) uint8_t *bytes = make_bin(MIB, 1);
	_cleanup_(freep) char *json = malloc(depth + 64);
	assert(json);
	int head = sprintf(json, "{\"version\":\"v1\",\"config\":{\"ADC_MAX\":4095},\"a\":");
	memset(json + head, '[', depth);
	uLongf room = MIB / 2;
	int r = compress2(bytes + MIB / 2, &room, (Bytef *)json, (uLong)head + depth, 9);
	assert(r == Z_OK);
	bytes[3] ^= 1; /* no boot2 either: it must be refused for something */
	put("deep.bin", bytes, MIB);
}

/* Something that might be a dictionary begins at every second byte. */
static void put_dictionaries(void)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(MIB, 1);
	for (size_t i = 0x1000; i + 1 < MIB; i += 2)
		memcpy(bytes + i, "\x78\xda", 2);
	bytes[3] ^= 1;
	put("dictionaries.bin", bytes, MIB);
}

static void put_scattered_hex(void)
{
	_cleanup_(freep) char *path = path_of("scattered.hex");
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	assert(file);
	for (unsigned i = 0; ftell(file) < (long)MIB; i = (i + 2) & 0xffff)
		fprintf(file, ":01%04X0000%02X\n", i, (uint8_t) - (1 + (i >> 8) + (i & 0xff)));
}

/* ---- all of it --------------------------------------------------------------------------- */

/* By a child: what a process has used before it becomes another program counts for its peak. */
static void put_files(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		put_formats();
		put_bomb();
		put_endless_uf2();
		put_overlapping_elf();
		put_deep_json();
		put_dictionaries();
		put_scattered_hex();
		_exit(0);
	}
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		abort();
}

int main(int argc, char **argv)
{
	static const char *const formats[] = { "a.bin", "a.uf2", "a.hex", "a.elf", "a.bin.gz" };
	static const char *const hostile[][2] = {
		{ "bomb.gz", "a .gz of 1 GiB" },
		{ "endless.uf2", "a UF2 of 4294967295 blocks" },
		{ "overlapping.elf", "an ELF of overlapping segments" },
		{ "deep.bin", "a dictionary 100000 deep" },
		{ "dictionaries.bin", "a dictionary at every second byte" },
		{ "scattered.hex", "a .hex of scattered bytes" },
	};
	if (argc != 2 || !mkdtemp(directory))
		return EXIT_FAILURE;
	plugflash = argv[1];
	put_files();
	for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
		_cleanup_(freep) char *path = path_of(formats[i]);
		compare(formats[i], path);
	}
	for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
		_cleanup_(freep) char *path = path_of(hostile[i][0]);
		judge_hostile(hostile[i][1], path);
	}
	_cleanup_(freep) char *command = text_format("rm -rf %s", directory);
	return system(command) == 0 && all_kept ? EXIT_SUCCESS : EXIT_FAILURE;
}
