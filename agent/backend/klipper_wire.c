/* SPDX-License-Identifier: MIT */
/*
 * Speaking Klipper; see klipper_wire.h.
 *
 * The device executes a block that has the sequence which it expects, sends its responses, and then
 * an empty block with the next sequence. Any other block it answers with an empty one that has the
 * sequence it expects (src/command.c). So an empty block with our own sequence says that something
 * came damaged, now or earlier; with the next one that our command was executed; with another one
 * that we are somewhere else in the sequence, as every newcomer is.
 */
#include <errno.h>
#include <string.h>

#include "backend/klipper_wire.h"
#include "base/bytes.h"
#include "model/klipper.h"

#define IDENTIFY          1
#define IDENTIFY_RESPONSE 0
#define DEBUG_READ        "debug_read order=%c addr=%u"
#define DEBUG_RESULT      "debug_result val=%u"
#define ORDER_WORD        2 /* 32 bits */

/* Klipper's host waits as long (klippy/chelper/serialqueue.c: MIN_RTO, MAX_RTO), at first for 25 ms
 * and then twice as long each time. */
#define LEAST_MSEC 25
#define SAYINGS    8u /* of one command: six seconds in all */
#define WRITE_MSEC 2000
/* Acknowledged, and yet without an answer: too much was asked for, or that answer was lost. */
#define UNANSWERED_MOST 2u

/* What any Klipper can answer, and what its own host asks for (klippy/serialhdl.py). */
#define PIECE_BYTES 40u
/* A whole one takes a fifth of a second. */
#define IDENTIFY_MSEC 30000

/* ---- one command ------------------------------------------------------------------------- */

struct question {
	uint8_t content[KLIPPER_CONTENT_MAX];
	size_t length;
	/* Does the block answer it? Then what it says is kept. */
	bool (*is_answer)(struct question *question, const struct klipper_block *block);

	/* of identify_response */
	uint32_t offset, count;
	bool is_much; /* more than every Klipper can answer, perhaps */
	uint8_t data[KLIPPER_CONTENT_MAX];
	size_t data_length;
	/* of debug_result */
	uint32_t result_id, value;
};

static void put(struct question *question, uint32_t number)
{
	question->length += klipper_put_number(number, question->content + question->length);
}

/*
 * As many 7e go first as a block is long, when nothing came at all: the device may wait for the
 * rest of something that it takes for a block. What is too much of them it skips.
 */
static int say(struct klipper_wire *wire, const struct question *question, bool is_unheard)
{
	uint8_t bytes[2 * KLIPPER_BLOCK_MAX];
	size_t before = is_unheard ? KLIPPER_BLOCK_MAX : 0;
	memset(bytes, KLIPPER_SYNC, before);
	size_t length =
		klipper_block(wire->sequence, question->content, question->length, bytes + before);
	wire->requests++;
	return stream_write(wire->stream, bytes, before + length, WRITE_MSEC);
}

/* The next block, whatever it is. -ETIMEDOUT: none until then. */
static int hear(struct klipper_wire *wire, int64_t deadline_msec, struct klipper_block *ret)
{
	for (;;) {
		int64_t left = deadline_msec - stream_now_msec(wire->stream);
		if (left < 0)
			return -ETIMEDOUT;
		if (klipper_receiver_take(&wire->receiver, ret))
			return 0;
		size_t capacity;
		uint8_t *space = klipper_receiver_space(&wire->receiver, &capacity);
		int r = stream_read(wire->stream, space, capacity, (unsigned)left);
		if (r < 0)
			return r;
		klipper_receiver_came(&wire->receiver, (size_t)r);
	}
}

/* Behind an answer comes the empty block. One that is lost on the way is not missed. */
static int hear_end(struct klipper_wire *wire)
{
	struct klipper_block block;
	int64_t deadline_msec = stream_now_msec(wire->stream) + LEAST_MSEC;
	int r;
	do
		r = hear(wire, deadline_msec, &block);
	while (r == 0 && block.length > 0);
	if (r == 0)
		wire->sequence = block.sequence;
	return r == -ETIMEDOUT ? 0 : r;
}

/* -ETIMEDOUT; -EAGAIN: the sequence is another one; -ENODATA: executed, and not answered. */
static int listen(struct klipper_wire *wire, struct question *question, int limit_msec)
{
	struct klipper_block block;
	int64_t deadline_msec = stream_now_msec(wire->stream) + limit_msec;
	uint8_t next = klipper_next(wire->sequence);
	for (;;) {
		int r = hear(wire, deadline_msec, &block);
		if (r < 0)
			return r;
		if (block.length > 0 && block.sequence == next &&
			question->is_answer(question, &block)) {
			wire->sequence = next;
			return hear_end(wire);
		}
		if (block.length > 0)
			continue;
		/* It may be about something earlier: the answer would still come now. */
		int64_t soon_msec = stream_now_msec(wire->stream) + LEAST_MSEC;
		if (block.sequence == wire->sequence && soon_msec < deadline_msec)
			deadline_msec = soon_msec;
		if (block.sequence == wire->sequence)
			continue;
		wire->sequence = block.sequence;
		return block.sequence == next ? -ENODATA : -EAGAIN;
	}
}

/* -ENODATA: executed, and not answered, which may be because of how much it asks for. */
static int ask(struct klipper_wire *wire, struct question *question)
{
	int r = 0, limit_msec = LEAST_MSEC;
	for (unsigned said = 0, unanswered = 0; said < SAYINGS; said++) {
		TRY(say(wire, question, r == -ETIMEDOUT));
		r = listen(wire, question, limit_msec);
		if (r == 0)
			return 0;
		if (r != -ETIMEDOUT && r != -EAGAIN && r != -ENODATA)
			return r;
		if (r == -ENODATA && ++unanswered == UNANSWERED_MOST && question->is_much)
			return r;
		if (r == -ETIMEDOUT) {
			/* Half a block that will never be whole must not swallow the next one. */
			wire->receiver = (struct klipper_receiver){ 0 };
			limit_msec *= 2;
		}
		wire->resends++;
	}
	return -ESTALE;
}

/* ---- identify ---------------------------------------------------------------------------- */

static bool is_identify_response(struct question *question, const struct klipper_block *block)
{
	uint32_t id, offset;
	size_t at = 0;
	if (!klipper_take_number(block->content, block->length, &at, &id) ||
		id != IDENTIFY_RESPONSE ||
		!klipper_take_number(block->content, block->length, &at, &offset) ||
		offset != question->offset || at == block->length)
		return false;
	size_t length = block->content[at++];
	if (length != block->length - at || length > question->count)
		return false;
	memcpy(question->data, block->content + at, length);
	question->data_length = length;
	return true;
}

/* The most that fits into a block behind the response's id, offset and length. What does not fit is
 * acknowledged and not sent. */
static uint32_t count_at(uint32_t offset)
{
	uint8_t number[KLIPPER_NUMBER_MAX];
	return KLIPPER_CONTENT_MAX - 2 - (uint32_t)klipper_put_number(offset, number);
}

static int ask_piece(
	struct klipper_wire *wire, struct question *ret, uint32_t offset, uint32_t count)
{
	*ret = (struct question){
		.is_answer = is_identify_response,
		.offset = offset,
		.count = count,
		.is_much = count > PIECE_BYTES,
	};
	put(ret, IDENTIFY);
	put(ret, offset);
	put(ret, count);
	return ask(wire, ret);
}

struct fetching {
	struct klipper_wire *wire;
	struct buffer packed;
	bool is_by_small; /* it has not answered when asked for as much as fits */
	bool is_last; /* less came than was asked for: behind it is nothing */
	int64_t deadline_msec;
};

static void fetching_done(struct fetching *fetching)
{
	buffer_done(&fetching->packed);
}

/* How many bytes came; 0: that was all. */
static int fetch_piece(struct fetching *fetching)
{
	struct question piece;
	uint32_t offset = (uint32_t)fetching->packed.length;
	uint32_t count = fetching->is_by_small ? PIECE_BYTES : count_at(offset);
	if (stream_now_msec(fetching->wire->stream) > fetching->deadline_msec)
		return -ESTALE;
	int r = ask_piece(fetching->wire, &piece, offset, count);
	if (r == -ENODATA && !fetching->is_by_small) {
		fetching->is_by_small = true;
		count = PIECE_BYTES;
		r = ask_piece(fetching->wire, &piece, offset, count);
	}
	if (r < 0)
		return r;
	if (piece.data_length > 0 && fetching->is_last)
		return -EPROTO;
	fetching->is_last = piece.data_length < count;
	buffer_put(&fetching->packed, piece.data, piece.data_length);
	return fetching->packed.failed ? -ENOMEM : (int)piece.data_length;
}

static int find_message(const struct klipper_dictionary *dictionary, const char *kind,
	const char *format, int32_t *ret)
{
	int r = klipper_message_id(dictionary->json, dictionary->length, kind, format, ret);
	return r == -ENOMEM ? r : r == 0;
}

/* What it says of its firmware, and whether it can be read with it. */
static int understand(struct klipper_dictionary *dictionary)
{
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	TRY(klipper_parse(dictionary->json, dictionary->length, &klipper));
	dictionary->running = klipper_running(&klipper);
	int asks = find_message(dictionary, "commands", DEBUG_READ, &dictionary->debug_read);
	if (asks <= 0)
		return asks;
	int says = find_message(dictionary, "responses", DEBUG_RESULT, &dictionary->debug_result);
	dictionary->has_debug_read = says > 0;
	return says < 0 ? says : 0;
}

int klipper_identify(struct klipper_wire *wire, int (*on_bytes)(void *context, uint32_t bytes),
	void *context, struct klipper_dictionary *ret)
{
	static const uint8_t sync[] = { KLIPPER_SYNC };
	_cleanup_(fetching_done) struct fetching fetching = {
		.wire = wire,
		.deadline_msec = stream_now_msec(wire->stream) + IDENTIFY_MSEC,
	};
	/* What went over the line before it was ours ends here. */
	TRY(stream_write(wire->stream, sync, sizeof(sync), WRITE_MSEC));
	int bytes;
	while ((bytes = fetch_piece(&fetching)) > 0) {
		if (fetching.packed.length > KLIPPER_PACKED_MAX)
			return -EPROTO;
		if (on_bytes)
			TRY(on_bytes(context, (uint32_t)bytes));
	}
	if (bytes < 0)
		return bytes;
	_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
	TRY(klipper_unpack(fetching.packed.data, fetching.packed.length, &dictionary.json,
		&dictionary.length));
	TRY(understand(&dictionary));
	*ret = dictionary;
	dictionary.json = NULL;
	return 0;
}

void klipper_dictionary_done(struct klipper_dictionary *dictionary)
{
	free(dictionary->json);
	*dictionary = (struct klipper_dictionary){ 0 };
}

/* ---- debug_read -------------------------------------------------------------------------- */

static bool is_debug_result(struct question *question, const struct klipper_block *block)
{
	uint32_t id;
	size_t at = 0;
	return klipper_take_number(block->content, block->length, &at, &id) &&
	       id == question->result_id &&
	       klipper_take_number(block->content, block->length, &at, &question->value) &&
	       at == block->length;
}

int klipper_debug_read(struct klipper_wire *wire, const struct klipper_dictionary *dictionary,
	uint32_t address, uint32_t *ret)
{
	if (!dictionary->has_debug_read)
		return -ENOTSUP;
	if (address % 4 != 0)
		return -EINVAL;
	struct question question = {
		.is_answer = is_debug_result,
		.result_id = (uint32_t)dictionary->debug_result,
	};
	put(&question, (uint32_t)dictionary->debug_read);
	put(&question, ORDER_WORD);
	put(&question, address);
	int r = ask(wire, &question);
	if (r == 0)
		*ret = question.value;
	return r;
}
