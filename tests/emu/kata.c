/* SPDX-License-Identifier: MIT */
/*
 * Frames in and out. What is damaged is thrown away up to the next 0x01, and not beyond: when the
 * damage itself begins with one, the program stands before it for ever.
 */
#include <stdlib.h>
#include <string.h>

#include "emu/kata.h"

#define HEAD_FIRST  0x01
#define HEAD_SECOND 0x88
#define TAIL_FIRST  0x99
#define TAIL_SECOND 0x03

uint16_t kata_crc(const uint8_t *bytes, size_t length)
{
	uint16_t crc = 0xffff;
	for (size_t index = 0; index < length; index++) {
		crc ^= bytes[index];
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0x8408 : crc >> 1);
	}
	return crc;
}

/* --- answers ----------------------------------------------------------------------------- */

bool kata_reply(struct kata *katapult, uint8_t code, const uint8_t *payload, size_t words)
{
	uint8_t frame[4 * UINT8_MAX + KATA_FRAME_BARE] = { HEAD_FIRST, HEAD_SECOND, code,
		(uint8_t)words };
	size_t length = 4 + 4 * words;
	if (words > UINT8_MAX)
		return false;
	if (words)
		memcpy(frame + 4, payload, 4 * words);
	uint16_t crc = kata_crc(frame + 2, length - 2);
	frame[length] = (uint8_t)crc;
	frame[length + 1] = (uint8_t)(crc >> 8);
	frame[length + 2] = TAIL_FIRST;
	frame[length + 3] = TAIL_SECOND;
	katapult->counters.nacks += code == KATA_NACK;
	katapult->counters.errors += code == KATA_ERROR;
	katapult->counters.busies += code == KATA_BUSY;
	if (katapult->mute_next) {
		katapult->mute_next = false;
		return false;
	}
	return line_send(katapult->line, frame, length + 4);
}

void kata_acknowledge(struct kata *katapult, uint32_t word)
{
	uint8_t payload[8] = { katapult->frame[2] };
	kata_put_word(payload + 4, word);
	kata_reply(katapult, KATA_ACK, payload, 2);
}

void kata_refuse(struct kata *katapult)
{
	kata_reply(katapult, KATA_ERROR, NULL, 0);
}

void kata_crash(struct kata *katapult)
{
	katapult->counters.crashes++;
	kata_stop(katapult);
	katapult->chip->crash(katapult->context);
}

/* --- the parser -------------------------------------------------------------------------- */

static void on_damage(struct kata *katapult)
{
	struct line *line = katapult->line;
	const uint8_t *head = memchr(line->received, HEAD_FIRST, line->received_count);
	size_t damaged = head ? (size_t)(head - line->received) : line->received_count;
	bool nacks = !katapult->has_nacked;
	katapult->has_nacked = true;
	katapult->wedged = !damaged;
	katapult->counters.wedges += katapult->wedged;
	line_pop(line, damaged);
	if (nacks)
		kata_reply(katapult, KATA_NACK, NULL, 0);
}

/* How long the frame at the head is; 0: not all of it has come; negative: it is none. */
static int frame_at_head(const struct line *line)
{
	const uint8_t *bytes = line->received;
	if (line->received_count < KATA_FRAME_BARE)
		return 0;
	size_t length = 4u * bytes[3] + KATA_FRAME_BARE;
	if (bytes[0] != HEAD_FIRST || bytes[1] != HEAD_SECOND || length > KATA_FRAME_BYTES)
		return -1;
	if (line->received_count < length)
		return 0;
	uint16_t crc = kata_crc(bytes + 2, length - 6);
	if (bytes[length - 4] != (uint8_t)crc || bytes[length - 3] != crc >> 8 ||
		bytes[length - 2] != TAIL_FIRST || bytes[length - 1] != TAIL_SECOND)
		return -1;
	return (int)length;
}

/* One look at the head of the buffer; whatever is left behind it is looked at the next time. */
static void parse(struct kata *katapult)
{
	int length = frame_at_head(katapult->line);
	if (!length || katapult->wedged)
		return;
	katapult->due = katapult->now;
	if (length < 0)
		return on_damage(katapult);
	katapult->has_nacked = false;
	katapult->counters.frames++;
	memcpy(katapult->frame, katapult->line->received, (size_t)length);
	katapult->frame_bytes = (size_t)length;
	line_pop(katapult->line, (size_t)length);
	katapult->chip->busy(katapult->context,
		katapult->now > KATA_COMMAND_NSEC ? katapult->now - KATA_COMMAND_NSEC : 0,
		KATA_COMMAND_NSEC);
	kata_dispatch(katapult);
}

/* --- life -------------------------------------------------------------------------------- */

void kata_start(struct kata *katapult, uint64_t now)
{
	katapult->running = true;
	katapult->now = now;
	katapult->due = katapult->complete_due = NEVER;
	katapult->step = KATA_LISTENS;
	katapult->has_nacked = katapult->wedged = false;
	kata_flash_start(katapult);
}

void kata_stop(struct kata *katapult)
{
	katapult->running = false;
	katapult->due = katapult->complete_due = NEVER;
	katapult->step = KATA_LISTENS;
}

void kata_done(struct kata *katapult)
{
	free(katapult->unread);
}

void kata_wake(struct kata *katapult, uint64_t now)
{
	if (katapult->running && katapult->step == KATA_LISTENS && katapult->due == NEVER)
		katapult->due = now + KATA_COMMAND_NSEC;
}

bool kata_is_stalled(const struct kata *katapult)
{
	return katapult->step != KATA_LISTENS;
}

uint64_t kata_next(const struct kata *katapult)
{
	if (!katapult->running)
		return NEVER;
	return katapult->due < katapult->complete_due ? katapult->due : katapult->complete_due;
}

bool kata_advance(struct kata *katapult, uint64_t now)
{
	if (!katapult->running || kata_next(katapult) > now)
		return false;
	katapult->now = now;
	if (katapult->complete_due <= now) {
		kata_stop(katapult);
		katapult->chip->start_application(katapult->context);
		return true;
	}
	enum kata_step step = katapult->step;
	katapult->due = NEVER;
	katapult->step = KATA_LISTENS;
	if (step == KATA_ERASES)
		kata_flash_erased(katapult);
	else if (step == KATA_PROGRAMS)
		kata_flash_programmed(katapult);
	else
		parse(katapult);
	if (step != KATA_LISTENS && katapult->step == KATA_LISTENS)
		kata_wake(katapult, now);
	return true;
}
