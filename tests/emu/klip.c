/* SPDX-License-Identifier: MIT */
/* Klipper's side of its serial protocol; see klip.h. */
#include <string.h>

#include "emu/klip.h"

#define SYNC          0x7e
#define SEQUENCE_MASK 0x0f
#define SEQUENCE_MARK 0x10
#define IDENTIFY      1
#define TOUCH_BAUD    1200
#define MAGIC                         \
	"\x20\x1c\x20"                \
	"Request Serial Bootloader!!" \
	"\x20\x7e"
#define MAGIC_BYTES (sizeof(MAGIC) - 1)
#define STARTING    0x76
#define STATS       0x77

/* --- numbers ----------------------------------------------------------------------------- */

/* Seven bits a byte, the most significant first; as few as the value fits into. */
static size_t put_number(uint8_t *ret, uint32_t value)
{
	static const struct {
		int32_t least, most;
	} ranges[] = { { -67108864, 201326591 }, { -524288, 1572863 }, { -4096, 12287 },
		{ -32, 95 } };
	size_t count = 0;
	int32_t number = (int32_t)value;
	for (unsigned index = 0; index < 4; index++)
		if (number < ranges[index].least || number > ranges[index].most)
			ret[count++] = (uint8_t)(value >> 7 * (4 - index) | 0x80);
	ret[count++] = value & 0x7f;
	return count;
}

/* Moves `*at` behind it; 0 beyond the end, where nothing good can be. */
static uint32_t take_number(const uint8_t *bytes, size_t length, size_t *at)
{
	if (*at >= length)
		return 0;
	uint8_t byte = bytes[(*at)++];
	uint32_t value = byte & 0x7f;
	if ((byte & 0x60) == 0x60)
		value |= 0xffffffe0;
	while (byte & 0x80 && *at < length) {
		byte = bytes[(*at)++];
		value = value << 7 | (byte & 0x7f);
	}
	return value;
}

/* --- answers ----------------------------------------------------------------------------- */

static void send(struct klip *klipper, const uint8_t *content, size_t length)
{
	uint8_t block[KLIP_BLOCK_MOST];
	size_t whole = length + KLIP_BLOCK_LEAST;
	if (whole > sizeof(block) || klipper->options->mute)
		return;
	block[0] = (uint8_t)whole;
	block[1] = SEQUENCE_MARK | klipper->sequence;
	if (length)
		memcpy(block + 2, content, length);
	uint16_t crc = kata_crc(block, whole - 3);
	block[whole - 3] = (uint8_t)(crc >> 8);
	block[whole - 2] = (uint8_t)crc;
	block[whole - 1] = SYNC;
	line_send(klipper->line, block, whole);
}

static void nak(struct klip *klipper)
{
	klipper->counters.naks++;
	send(klipper, NULL, 0);
}

/* --- commands ---------------------------------------------------------------------------- */

/* What does not fit into a block is not sent at all. */
static void on_identify(struct klip *klipper, uint32_t offset, uint32_t count)
{
	const struct klip_options *options = klipper->options;
	uint8_t content[8 + UINT8_MAX] = { 0 };
	size_t at = 1 + put_number(content + 1, offset);
	klipper->counters.identifies++;
	if (offset >= options->dictionary_bytes)
		count = 0;
	else if (count > options->dictionary_bytes - offset)
		count = (uint32_t)(options->dictionary_bytes - offset);
	if (count > UINT8_MAX)
		return;
	content[at++] = (uint8_t)count;
	if (count)
		memcpy(content + at, options->dictionary + offset, count);
	send(klipper, content, at + count);
}

/* Order 0: a byte, 1: two, else four. */
static void on_debug_read(struct klip *klipper, uint8_t order, uint32_t address)
{
	uint8_t bytes[4] = { 0 }, content[16];
	klipper->counters.debug_reads++;
	if (!klipper->chip->read(klipper->context, address, bytes, order > 1 ? 4 : 1u << order)) {
		klipper->counters.crashes++;
		return klipper->chip->crash(klipper->context);
	}
	size_t length = put_number(content, klipper->debug_result);
	length += put_number(content + length, kata_word(bytes));
	send(klipper, content, length);
}

/* False: of other commands even the length is unknown here. */
static bool execute_one(struct klip *klipper, const uint8_t *content, size_t length, size_t *at)
{
	uint32_t command = take_number(content, length, at);
	bool reads = klipper->has_debug_read && command == klipper->debug_read;
	if (command != IDENTIFY && !reads) {
		klipper->counters.ignored++;
		return false;
	}
	uint32_t first = take_number(content, length, at);
	uint32_t second = take_number(content, length, at);
	if (reads)
		on_debug_read(klipper, first & 0xff, second);
	else
		on_identify(klipper, first, second & 0xff);
	return true;
}

static void execute(struct klip *klipper, const uint8_t *content, size_t length)
{
	size_t at = 0;
	while (at < length && execute_one(klipper, content, length, &at))
		continue;
}

static void on_block(struct klip *klipper, const uint8_t *block, size_t length)
{
	klipper->needs_valid = false;
	if ((block[1] & SEQUENCE_MASK) != klipper->sequence)
		return nak(klipper);
	klipper->counters.blocks++;
	klipper->sequence = (klipper->sequence + 1) & SEQUENCE_MASK;
	execute(klipper, block + 2, length - KLIP_BLOCK_LEAST);
	send(klipper, NULL, 0);
}

/* --- the parser -------------------------------------------------------------------------- */

/* How long the block at the head is; 0: not all of it has come; negative: it is none. */
static int block_at_head(const struct line *line)
{
	const uint8_t *bytes = line->received;
	size_t length = bytes[0];
	if (line->received_count < KLIP_BLOCK_LEAST)
		return 0;
	if (length < KLIP_BLOCK_LEAST || length > KLIP_BLOCK_MOST ||
		(bytes[1] & ~SEQUENCE_MASK) != SEQUENCE_MARK)
		return -1;
	if (line->received_count < length)
		return 0;
	uint16_t crc = kata_crc(bytes, length - 3);
	bool good = bytes[length - 1] == SYNC && bytes[length - 3] == crc >> 8 &&
		    bytes[length - 2] == (uint8_t)crc;
	return good ? (int)length : -1;
}

/* Looks like a block with a wrong checksum, and is alone in the buffer. */
static bool is_magic(const struct line *line)
{
	return line->received_count == MAGIC_BYTES && !memcmp(line->received, MAGIC, MAGIC_BYTES);
}

static void find_sync(struct klip *klipper)
{
	struct line *line = klipper->line;
	const uint8_t *sync = memchr(line->received, SYNC, line->received_count);
	klipper->needs_sync = !sync;
	line_pop(line, sync ? (size_t)(sync - line->received) + 1 : line->received_count);
	if (klipper->needs_valid)
		return;
	klipper->needs_valid = true;
	klipper->counters.damages++;
	nak(klipper);
}

static void ask_for_bootloader(struct klip *klipper)
{
	klipper->chip->start_bootloader(klipper->context);
}

static void parse(struct klip *klipper)
{
	struct line *line = klipper->line;
	uint8_t block[KLIP_BLOCK_MOST];
	if (klipper->options->deaf)
		line_pop(line, line->received_count);
	if (!line->received_count)
		return;
	klipper->due = klipper->now;
	if (klipper->needs_sync)
		return find_sync(klipper);
	if (line->received[0] == SYNC)
		return line_pop(line, 1);
	int length = block_at_head(line);
	if (!length) {
		klipper->due = NEVER;
		return;
	}
	if (length < 0 && klipper->on_uart && !klipper->options->wordless && is_magic(line)) {
		klipper->counters.magics++;
		line_pop(line, MAGIC_BYTES);
		return ask_for_bootloader(klipper);
	}
	if (length < 0)
		return find_sync(klipper);
	memcpy(block, line->received, (size_t)length);
	line_pop(line, (size_t)length);
	on_block(klipper, block, (size_t)length);
}

/* --- life -------------------------------------------------------------------------------- */

static uint64_t stats_nsec(const struct klip *klipper)
{
	return klipper->options->stats_nsec ? klipper->options->stats_nsec : KLIP_STATS_NSEC;
}

void klip_start(struct klip *klipper, uint64_t now)
{
	static const uint8_t starting[1] = { STARTING };
	klipper->running = true;
	klipper->now = now;
	klipper->due = klipper->stats_due = NEVER;
	klipper->sequence = 0;
	klipper->needs_sync = klipper->needs_valid = false;
	if (!klipper->options->unsolicited)
		return;
	send(klipper, starting, sizeof(starting));
	klipper->stats_due = now + stats_nsec(klipper);
}

void klip_stop(struct klip *klipper)
{
	klipper->running = false;
	klipper->due = klipper->stats_due = NEVER;
}

void klip_wake(struct klip *klipper, uint64_t now)
{
	if (klipper->running && klipper->due == NEVER)
		klipper->due = now + KLIP_COMMAND_NSEC;
}

uint64_t klip_next(const struct klip *klipper)
{
	if (!klipper->running)
		return NEVER;
	return klipper->due < klipper->stats_due ? klipper->due : klipper->stats_due;
}

static void tell_stats(struct klip *klipper)
{
	uint8_t content[16] = { STATS };
	size_t length = 1;
	length += put_number(content + length, 4000);
	length += put_number(content + length, 12288);
	length += put_number(content + length, 0x08000000);
	klipper->stats_due += stats_nsec(klipper);
	send(klipper, content, length);
}

bool klip_advance(struct klip *klipper, uint64_t now)
{
	if (!klipper->running || klip_next(klipper) > now)
		return false;
	klipper->now = now;
	if (klipper->stats_due <= now) {
		tell_stats(klipper);
		return true;
	}
	klipper->due = NEVER;
	parse(klipper);
	return true;
}

bool klip_is_touched(struct klip *klipper, uint32_t baud, bool dtr)
{
	if (!klipper->running || baud != TOUCH_BAUD || dtr)
		return false;
	klipper->counters.touches++;
	ask_for_bootloader(klipper);
	return true;
}
