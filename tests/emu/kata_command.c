/* SPDX-License-Identifier: MIT */
/* What Katapult makes of a whole frame. */
#include <string.h>

#include "emu/kata.h"

#define DIGEST_BYTES (64 * 1024)

size_t kata_block_bytes(const struct kata *katapult)
{
	unsigned bytes = katapult->options->block_bytes;
	return bytes ? bytes : KATA_BLOCK_BYTES;
}

/* Text, filled up with zeros to a word; none is added when it ends on one. */
static size_t put_text(uint8_t *payload, size_t at, const char *text)
{
	size_t length = strnlen(text, 200);
	memcpy(payload + at, text, length);
	return at + (length + 3) / 4 * 4;
}

/* The newer layout is five words, both texts with at least the word behind the first. */
static void on_connect(struct kata *katapult)
{
	const struct kata_options *options = katapult->options;
	uint8_t payload[512] = { KATA_CONNECT };
	uint32_t protocol = options->protocol_1_0 ? 0x00010000 : 0x00010100;
	katapult->counters.connects++;
	kata_put_word(payload + 4, options->protocol ? options->protocol : protocol);
	kata_put_word(payload + 8, katapult->kind.application);
	kata_put_word(payload + 12, (uint32_t)kata_block_bytes(katapult));
	if (options->lies) {
		kata_put_word(payload + 8, options->told_application);
		kata_put_word(payload + 12, options->told_block_bytes);
	}
	size_t length = put_text(payload, 16, options->mcu ? options->mcu : katapult->kind.mcu);
	if (!options->protocol_1_0)
		length = put_text(
			payload, length + 4, options->version ? options->version : KATA_VERSION);
	kata_reply(katapult, KATA_ACK, payload, length / 4);
}

static void on_send_block(struct kata *katapult)
{
	size_t block = kata_block_bytes(katapult);
	uint32_t address = kata_word(katapult->frame + 4);
	if (katapult->frame[3] != block / 4 + 1 || address < katapult->kind.application) {
		katapult->counters.blocks_refused++;
		return kata_refuse(katapult);
	}
	kata_flash_block(katapult, address, katapult->frame + 8);
}

/* Nothing is checked: what is not there ends the program. */
static void on_request_block(struct kata *katapult)
{
	size_t block = kata_block_bytes(katapult);
	uint8_t payload[8 + KATA_FRAME_BYTES * 4] = { KATA_REQUEST_BLOCK };
	uint32_t address = katapult->frame[3] ? kata_word(katapult->frame + 4) : 0;
	if (katapult->frame[3] != 1)
		return kata_refuse(katapult);
	if (!katapult->chip->read(katapult->context, address, payload + 8, block))
		return kata_crash(katapult);
	katapult->counters.blocks_read++;
	kata_flash_was_read(katapult, address);
	kata_put_word(payload + 4, address);
	kata_reply(katapult, KATA_ACK, payload, 2 + block / 4);
}

/* FNV-1a, of all flash from the application on. */
static uint64_t digest(const struct kata *katapult)
{
	uint64_t digest = 0xcbf29ce484222325;
	uint8_t block[KATA_BLOCK_BYTES];
	uint32_t address = katapult->kind.application, start, bytes;
	while (katapult->chip->unit(katapult->context, address, &start, &bytes) &&
		katapult->chip->read(katapult->context, address, block, sizeof(block))) {
		for (size_t index = 0; index < sizeof(block); index++)
			digest = (digest ^ block[index]) * 0x100000001b3;
		address += sizeof(block);
	}
	return digest;
}

static void on_complete(struct kata *katapult)
{
	static const uint8_t payload[4] = { KATA_COMPLETE };
	katapult->counters.completes++;
	katapult->counters.unverified_completes += kata_flash_is_unread(katapult);
	katapult->complete_digest = digest(katapult);
	kata_reply(katapult, KATA_ACK, payload, 1);
	katapult->complete_due = katapult->now + KATA_COMPLETE_NSEC;
}

static void on_get_canbus_id(struct kata *katapult)
{
	uint8_t payload[12] = { KATA_GET_CANBUS_ID };
	if (!katapult->options->canbus)
		return kata_refuse(katapult);
	kata_uuid(katapult->kind.chip_id, katapult->kind.chip_id_bytes, payload + 4);
	kata_reply(katapult, KATA_ACK, payload, 3);
}

static uint32_t address_of(const struct kata *katapult)
{
	return katapult->frame[3] ? kata_word(katapult->frame + 4) : 0;
}

static bool is_answered_otherwise(struct kata *katapult)
{
	if (!katapult->answer_times)
		return false;
	katapult->answer_times--;
	kata_reply(katapult, katapult->answer_next, NULL, 0);
	return true;
}

void kata_dispatch(struct kata *katapult)
{
	uint8_t command = katapult->frame[2];
	katapult->chip->note_command(katapult->context, command, address_of(katapult));
	if (!katapult->running || is_answered_otherwise(katapult))
		return;
	switch (command) {
	case KATA_CONNECT:
		return on_connect(katapult);
	case KATA_SEND_BLOCK:
		return on_send_block(katapult);
	case KATA_EOF:
		katapult->counters.eofs++;
		return kata_flash_eof(katapult);
	case KATA_REQUEST_BLOCK:
		return on_request_block(katapult);
	case KATA_COMPLETE:
		return on_complete(katapult);
	case KATA_GET_CANBUS_ID:
		return on_get_canbus_id(katapult);
	}
	katapult->counters.unknown++;
	kata_refuse(katapult);
}

/* --- the id of a CAN node ---------------------------------------------------------------- */

#define HASH_SEED     0xa16231a7u
#define HASH_MULTIPLY 0x880355f21e6d1965ULL

static uint64_t mix(uint64_t value)
{
	value ^= value >> 23;
	value *= 0x2127599bf4325c37ULL;
	return value ^ value >> 47;
}

/* fasthash64: eight bytes a round, the rest in one more; the low six bytes of it. */
void kata_uuid(const uint8_t *chip_id, size_t length, uint8_t ret[KATA_UUID_BYTES])
{
	uint64_t hash = HASH_SEED ^ length * HASH_MULTIPLY;
	for (size_t at = 0; at < length; at += 8) {
		uint64_t word = 0;
		for (size_t index = 0; index < 8 && at + index < length; index++)
			word |= (uint64_t)chip_id[at + index] << 8 * index;
		hash = (hash ^ mix(word)) * HASH_MULTIPLY;
	}
	hash = mix(hash);
	for (size_t index = 0; index < KATA_UUID_BYTES; index++)
		ret[index] = (uint8_t)(hash >> 8 * index);
}
