/* SPDX-License-Identifier: MIT */
/*
 * How long it takes to refuse files that are made to cost much, and how much memory beside the file
 * itself; and to read the largest that are accepted.
 */
#include <assert.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "bench/figures.h"
#include "model/image.h"
#include "unit/make_image.h"

#define FLASH 0x10000000u

struct attack {
	const char *name;
	uint8_t *file;
	size_t length;
	uint64_t bar_usec; /* 0: only measured */
	unsigned memory_bar_kib;
	int expected;
};

/* `total` zeros, which are never in memory at once. */
static uint8_t *make_bomb(uint64_t total, size_t *ret_length)
{
	static uint8_t zeros[1 << 20];
	size_t room = (size_t)(total / 512) + 65536;
	z_stream stream = { .next_in = zeros };
	int r = deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
	assert(r == Z_OK);
	uint8_t *file = malloc(room);
	assert(file);
	stream.next_out = file;
	stream.avail_out = (uInt)room;
	for (uint64_t done = 0; done < total; done += sizeof(zeros)) {
		stream.next_in = zeros;
		stream.avail_in = sizeof(zeros);
		r = deflate(&stream, done + sizeof(zeros) < total ? Z_NO_FLUSH : Z_FINISH);
		assert(r == Z_OK || r == Z_STREAM_END);
	}
	*ret_length = room - stream.avail_out;
	deflateEnd(&stream);
	return file;
}

/* Says that there are 2^32 - 1 blocks. */
static uint8_t *make_endless_uf2(size_t *ret_length)
{
	struct made_block block = { .address = FLASH, .count = UINT32_MAX, .length = 256 };
	uint8_t *file = malloc(MADE_BLOCK);
	assert(file);
	make_uf2_block(&block, file);
	*ret_length = MADE_BLOCK;
	return file;
}

/* As many segments as are read, each the same 16 MiB, one byte further on. */
static uint8_t *make_overlapping_elf(size_t *ret_length)
{
	enum { SEGMENTS = 256 };
	struct made_segment segments[SEGMENTS] = { 0 };
	_cleanup_(freep) uint8_t *bytes = calloc(1, IMAGE_BYTES_MAX);
	assert(bytes);
	segments[0] = (struct made_segment){ FLASH, bytes, IMAGE_BYTES_MAX - SEGMENTS };
	uint8_t *file = make_elf(segments, SEGMENTS, ret_length);
	for (unsigned i = 1; i < SEGMENTS; i++) {
		uint8_t *header = file + MADE_ELF_HEADER + i * MADE_ELF_SEGMENT;
		memcpy(header, file + MADE_ELF_HEADER, MADE_ELF_SEGMENT);
		write_u32(header + 12, FLASH + i);
	}
	return file;
}

/* In KiB; -1 where the kernel does not tell. */
static long read_status(const char *field)
{
	_cleanup_(fclosep) FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, field, strlen(field)) == 0)
			return strtol(line + strlen(field), NULL, 10);
	return -1;
}

static void forget_peak(void)
{
	_cleanup_(fclosep) FILE *file = fopen("/proc/self/clear_refs", "we");
	if (file)
		fputs("5", file);
}

static void do_parse(void *context, unsigned round)
{
	const struct attack *attack = context;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	_cleanup_(image_freep) struct image *image = NULL;
	(void)round;
	if (image_parse(attack->file, attack->length, &reasons, &image) != attack->expected)
		abort();
}

static bool measure(struct attack attack)
{
	forget_peak();
	long before = read_status("VmRSS:");
	do_parse(&attack, 0);
	long peak = read_status("VmHWM:") - before;
	figure(attack.name, 5, attack.bar_usec, do_parse, &attack);
	printf("# FIGURE %s: %ld KiB beside the %zu KiB of the file\n", attack.name, peak,
		attack.length >> 10);
	bool is_kept = attack.memory_bar_kib == 0 || peak <= (long)attack.memory_bar_kib;
	if (attack.memory_bar_kib > 0)
		printf("%s - %s takes less than %u KiB\n", is_kept ? "ok" : "not ok", attack.name,
			attack.memory_bar_kib);
	free(attack.file);
	return is_kept;
}

static bool measure_attacks(void)
{
	struct attack bomb = { .name = "refusing a gzip file of 1 GiB",
		.bar_usec = 100000,
		.memory_bar_kib = 16 << 10,
		.expected = IMAGE_REJECTED };
	bomb.file = make_bomb(1u << 30, &bomb.length);
	struct attack liar = bomb;
	liar.name = "refusing a gzip file of 1 GiB that claims to be small";
	liar.file = malloc(liar.length);
	assert(liar.file);
	memcpy(liar.file, bomb.file, bomb.length);
	write_u32(liar.file + liar.length - 4, 4096);
	struct attack endless = { .name = "refusing a UF2 file of 2^32 blocks",
		.bar_usec = 100000,
		.memory_bar_kib = 16 << 10,
		.expected = IMAGE_REJECTED };
	endless.file = make_endless_uf2(&endless.length);
	struct attack overlapping = { .name = "refusing an ELF file of segments that overlap",
		.bar_usec = 100000,
		.memory_bar_kib = 16 << 10,
		.expected = IMAGE_REJECTED };
	overlapping.file = make_overlapping_elf(&overlapping.length);
	bool is_kept = measure(bomb);
	is_kept = measure(liar) && is_kept;
	is_kept = measure(endless) && is_kept;
	return measure(overlapping) && is_kept;
}

static bool measure_largest(void)
{
	_cleanup_(freep) uint8_t *bytes = make_bin(IMAGE_BYTES_MAX, 1);
	struct attack packed = { .name = "reading a gzip file of 16 MiB of noise" };
	packed.file = make_gzip(bytes, IMAGE_BYTES_MAX, &packed.length);
	struct attack text = { .name = "reading an Intel HEX file of 11 MiB" };
	text.file = make_hex(&(struct made_segment){ FLASH, bytes, 11 << 20 }, 1, &text.length);
	bool is_kept = measure(packed);
	return measure(text) && is_kept;
}

int main(void)
{
	bool is_kept = measure_attacks();
	is_kept = measure_largest() && is_kept;
	int r = figures_end();
	return is_kept ? r : EXIT_FAILURE;
}
